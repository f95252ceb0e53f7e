/*
 * Reading by stream: values as large as they get, walks longer than any answer, proofs, errors in
 * the middle, and clients that do not read on.
 */
#include "engine_writes.h"
#include "rpc/message.h"

#define KEYS 5000
#define MESSAGE_MAX ((size_t)33 << 20)

static struct rpc_stream *
open_stream(struct fixture *f, uint16_t method, const ProtobufCMessage *in)
{
	struct rpc_call call = {.method = method, .session = bytes_str(f->session), .request = in};
	struct rpc_stream *s = NULL;

	assert_int_equal(rpc_stream_open(f->conn, &call, &s), IM_OK);
	return s;
}

/* The next message, in the arena. */
static enum im_err
next_message(struct fixture *f, struct rpc_stream *s, struct bytes *out)
{
	uint64_t len;
	uint8_t *data;
	enum im_err err = rpc_stream_next(s, &len);

	if (err != IM_OK)
		return err;
	assert_true(len <= MESSAGE_MAX);
	data = arena_alloc(&f->arena, len);
	assert_non_null(data);
	*out = bytes_of(data, len);
	return len > 0 ? rpc_stream_read(s, data, len) : IM_OK;
}

static struct bytes
message_ok(struct fixture *f, struct rpc_stream *s)
{
	struct bytes m;

	assert_int_equal(next_message(f, s, &m), IM_OK);
	return m;
}

static void
assert_text(struct fixture *f, struct rpc_stream *s, const char *text)
{
	struct bytes m = message_ok(f, s);

	if (!bytes_equal(m, bytes_str(text)))
		fail_msg("\"%.*s\" instead of \"%s\"", (int)m.len, (const char *)m.data, text);
}

static void
assert_end(struct fixture *f, struct rpc_stream *s)
{
	struct bytes m;

	assert_int_equal(next_message(f, s, &m), IM_ERR_NOT_FOUND);
	rpc_stream_close(s);
}

/* A stream that is refused with err. */
static void
assert_refused(struct fixture *f, uint16_t method, const ProtobufCMessage *in, enum im_err err)
{
	struct rpc_stream *s = open_stream(f, method, in);
	struct bytes m;

	assert_int_equal(next_message(f, s, &m), err);
	assert_int_equal(rpc_stream_status(s), err_status(err));
	rpc_stream_close(s);
}

static void
streams_get(void **state)
{
	struct fixture *f = *state;
	M(KeyRequest) in = key_request("k");
	struct rpc_stream *s;

	assert_refused(f, RPC_METHOD_StreamGet, &in.base, IM_ERR_KEY_NOT_FOUND);
	write_value(f, "k", "one");
	write_value(f, "k", "");
	write_reference(f, "ref", "k", 1);
	s = open_stream(f, RPC_METHOD_StreamGet, &in.base);
	assert_text(f, s, "k");
	assert_text(f, s, "");
	assert_end(f, s);
	in.atrevision = 1;
	s = open_stream(f, RPC_METHOD_StreamGet, &in.base);
	assert_text(f, s, "k");
	assert_text(f, s, "one");
	assert_end(f, s);
	in = key_request("ref");
	s = open_stream(f, RPC_METHOD_StreamGet, &in.base);
	assert_text(f, s, "k");
	assert_text(f, s, "one");
	assert_end(f, s);
	in.attx = in.sincetx = 1;
	assert_refused(f, RPC_METHOD_StreamGet, &in.base, IM_ERR_ARGUMENT);
}

/* The greatest value there is, which takes more than a window. */
static void
streams_get_large(void **state)
{
	struct fixture *f = *state;
	M(KeyRequest) in = key_request("large");
	uint8_t *value = malloc(USER_VALUE_MAX);
	struct store_entry e;
	struct rpc_stream *s;
	struct bytes m;

	assert_non_null(value);
	for (size_t i = 0; i < USER_VALUE_MAX; i++)
		value[i] = (uint8_t)(i * 7 + (i >> 11));
	e = plain_entry(f, "large", bytes_of(value, USER_VALUE_MAX));
	write_raw(f, &e, 1);
	s = open_stream(f, RPC_METHOD_StreamGet, &in.base);
	assert_text(f, s, "large");
	m = message_ok(f, s);
	assert_true(bytes_equal(m, bytes_of(value, USER_VALUE_MAX)));
	assert_end(f, s);
	free(value);
}

static void *
unpacked(struct fixture *f, const ProtobufCMessageDescriptor *d, struct rpc_stream *s)
{
	ProtobufCMessage *m = NULL;

	assert_int_equal(message_unpack(d, message_ok(f, s), true, &f->arena, &m), IM_OK);
	return m;
}

static void
streams_get_proven(void **state)
{
	struct fixture *f = *state;
	M(VerifiableGetRequest) in = IMMUDB__SCHEMA__VERIFIABLE_GET_REQUEST__INIT;
	M(KeyRequest) key = key_request("k");
	M(Entry) * entry;
	M(VerifiableTx) * tx;
	M(InclusionProof) * inclusion;
	struct entry_parts parts;
	struct inclusion_proof proof;
	struct tx_header header;
	struct rpc_stream *s;
	uint8_t md[KV_METADATA_MAX];
	struct kv_metadata metadata;
	struct bytes raw;

	assert_refused(f, RPC_METHOD_StreamVerifiableGet, &in.base, IM_ERR_ARGUMENT);
	in.keyrequest = &key;
	write_value(f, "other", "v");
	write_expiring(f, "k", "value", INT64_MAX);
	in.provesincetx = 1;
	s = open_stream(f, RPC_METHOD_StreamVerifiableGet, &in.base);
	entry = unpacked(f, &immudb__schema__entry__descriptor, s);
	tx = unpacked(f, &immudb__schema__verifiable_tx__descriptor, s);
	inclusion = unpacked(f, &immudb__schema__inclusion_proof__descriptor, s);
	assert_data_equal(entry->key, "k");
	assert_int_equal(entry->value.len, 0);
	assert_int_equal(raw_value_make(&f->arena, message_ok(f, s), &raw), IM_OK);
	assert_end(f, s);
	check_verifiable(f, tx, (struct tx_point){0});
	header = header_of(tx->tx->header);
	proof = (struct inclusion_proof){(uint32_t)inclusion->leaf, (uint32_t)inclusion->width,
	    list_of(&f->arena, inclusion->n_terms, inclusion->terms)};
	/* The metadata is there, too, without which the entry cannot be proven. */
	metadata = message_to_kv_metadata(entry->metadata);
	parts.md = bytes_of(md, kv_metadata_encode(&metadata, md));
	assert_int_equal(raw_key_make(&f->arena, bytes_str("k"), &parts.key), IM_OK);
	hash_sha256(raw, &parts.hval);
	assert_int_equal(proof_check_entry(&proof, &parts, &header), IM_OK);
	parts.hval.b[31] ^= 1;
	assert_int_equal(proof_check_entry(&proof, &parts, &header), IM_ERR_PROOF);
	in.provesincetx = 3;
	assert_refused(f, RPC_METHOD_StreamVerifiableGet, &in.base, IM_ERR_ILLEGAL_STATE);
}

static void
write_many(struct fixture *f)
{
	struct store_entry entries[1000];
	char key[16];

	for (size_t i = 0; i < KEYS; i += 1000) {
		for (size_t j = 0; j < 1000; j++) {
			snprintf(key, sizeof key, "key%06zu", i + j);
			entries[j] = plain_entry(f, key, bytes_str(key));
		}
		write_raw(f, entries, 1000);
	}
}

/* More than one answer may have, in order. */
static void
streams_scan(void **state)
{
	struct fixture *f = *state;
	M(ScanRequest) in = IMMUDB__SCHEMA__SCAN_REQUEST__INIT;
	struct rpc_stream *s;
	char key[16];

	s = open_stream(f, RPC_METHOD_StreamScan, &in.base);
	assert_end(f, s);
	write_many(f);
	write_reference(f, "ref", "nothing", 0);
	s = open_stream(f, RPC_METHOD_StreamScan, &in.base);
	for (size_t i = 0; i < KEYS; i++) {
		snprintf(key, sizeof key, "key%06zu", i);
		assert_text(f, s, key);
		assert_text(f, s, key);
	}
	assert_end(f, s);
	in.limit = 3000;
	in.offset = 10;
	in.desc = true;
	s = open_stream(f, RPC_METHOD_StreamScan, &in.base);
	/* The reference counts as one of those left out. */
	for (size_t i = 0; i < 3000; i++) {
		snprintf(key, sizeof key, "key%06zu", KEYS - 1 - 9 - i);
		assert_text(f, s, key);
		assert_text(f, s, key);
	}
	assert_end(f, s);
	in.sincetx = 100;
	assert_refused(f, RPC_METHOD_StreamScan, &in.base, IM_ERR_ARGUMENT);
}

static void
streams_zscan(void **state)
{
	struct fixture *f = *state;
	M(ZScanRequest) in = IMMUDB__SCHEMA__ZSCAN_REQUEST__INIT;
	double scores[] = {-0.0, 1.5};
	struct rpc_stream *s;
	struct bytes m;

	assert_refused(f, RPC_METHOD_StreamZScan, &in.base, IM_ERR_ARGUMENT);
	write_value(f, "a", "first");
	write_value(f, "b", "second");
	write_member(f, "set", scores[1], "b");
	write_member(f, "set", scores[0], "a");
	in.set = message_data(bytes_str("set"));
	s = open_stream(f, RPC_METHOD_StreamZScan, &in.base);
	for (size_t i = 0; i < 2; i++) {
		uint64_t bits;

		memcpy(&bits, &scores[i], sizeof bits);
		assert_text(f, s, "set");
		assert_text(f, s, i ? "b" : "a");
		m = message_ok(f, s);
		assert_int_equal(m.len, 8);
		assert_true(be64_get(m.data) == bits);
		m = message_ok(f, s);
		assert_int_equal(m.len, 8);
		assert_int_equal(be64_get(m.data), 0);
		assert_text(f, s, i ? "second" : "first");
	}
	assert_end(f, s);
}

static void
streams_history(void **state)
{
	struct fixture *f = *state;
	M(HistoryRequest) in = IMMUDB__SCHEMA__HISTORY_REQUEST__INIT;
	struct rpc_stream *s;

	in.key = message_data(bytes_str("k"));
	assert_refused(f, RPC_METHOD_StreamHistory, &in.base, IM_ERR_KEY_NOT_FOUND);
	write_value(f, "k", "one");
	write_deletion(f, "k");
	write_value(f, "k", "three");
	s = open_stream(f, RPC_METHOD_StreamHistory, &in.base);
	assert_text(f, s, "k");
	assert_text(f, s, "one");
	assert_text(f, s, "k");
	assert_text(f, s, "");
	assert_text(f, s, "k");
	assert_text(f, s, "three");
	assert_end(f, s);
	in.desc = true;
	in.limit = 1;
	s = open_stream(f, RPC_METHOD_StreamHistory, &in.base);
	assert_text(f, s, "k");
	assert_text(f, s, "three");
	assert_end(f, s);
	in.limit = -1;
	assert_refused(f, RPC_METHOD_StreamHistory, &in.base, IM_ERR_ARGUMENT);
}

/* Streams that nobody reads hold no thread: calls that need the pool are answered beside them. */
static void
streams_that_wait(void **state)
{
	struct fixture *f = *state;
	M(ScanRequest) in = IMMUDB__SCHEMA__SCAN_REQUEST__INIT;
	struct rpc_stream *s[RPC_STREAMS_OF_CONNECTION_MAX];
	static char value[1000001];
	M(Entries) *out = NULL;
	char key[8];
	struct bytes m;

	memset(value, 'v', sizeof value - 1);
	for (size_t i = 0; i < 4; i++) {
		snprintf(key, sizeof key, "k%zu", i);
		write_value(f, key, value);
	}
	for (size_t i = 0; i < RPC_STREAMS_OF_CONNECTION_MAX; i++)
		s[i] = open_stream(f, RPC_METHOD_StreamScan, &in.base);
	in.limit = 1;
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, &out), IM_OK);
		assert_int_equal(out->entries[0]->value.len, sizeof value - 1);
	}
	assert_refused(f, RPC_METHOD_StreamScan, &in.base, IM_ERR_BUSY);
	for (size_t i = 0; i < RPC_STREAMS_OF_CONNECTION_MAX / 2; i++)
		rpc_stream_close(s[i]);
	for (size_t i = RPC_STREAMS_OF_CONNECTION_MAX / 2; i < RPC_STREAMS_OF_CONNECTION_MAX; i++) {
		for (size_t j = 0; j < 4; j++) {
			snprintf(key, sizeof key, "k%zu", j);
			assert_text(f, s[i], key);
			m = message_ok(f, s[i]);
			assert_true(bytes_equal(m, bytes_str(value)));
		}
		assert_end(f, s[i]);
	}
}

/* A damaged value ends a stream; what stands before it comes whole. */
static void
streams_of_damage(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);
	M(ScanRequest) in = IMMUDB__SCHEMA__SCAN_REQUEST__INIT;
	struct rpc_stream *s;
	struct bytes m;
	enum im_err err;

	write_value(f, "a", "whole");
	write_value(f, "b", "a value to be damaged");
	write_value(f, "c", "whole");
	stop(f);
	damage_log(f, "a value to be damaged");
	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	s = open_stream(f, RPC_METHOD_StreamScan, &in.base);
	assert_text(f, s, "a");
	assert_text(f, s, "whole");
	err = next_message(f, s, &m);
	assert_int_equal(rpc_stream_status(s), IM_STATUS_DATA_LOSS);
	assert_non_null(strstr(err_detail(err), "key b"));
	rpc_stream_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_large, fixture_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(streams_get),
	    TEST(streams_get_large),
	    TEST(streams_get_proven),
	    TEST(streams_scan),
	    TEST(streams_zscan),
	    TEST(streams_history),
	    TEST(streams_that_wait),
	    TEST(streams_of_damage),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
