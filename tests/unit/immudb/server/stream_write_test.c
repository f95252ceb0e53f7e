/*
 * Writing by stream over a loopback connection: values of every size up to the largest, several in
 * one transaction, operations, and streams that are not what they should be.
 */
#include "server_harness.h"

#define STREAM_MAX (40u << 20)

#define LARGE(f) cmocka_unit_test_setup_teardown(f, fixture_large, fixture_remove)

static void
put(struct buf *b, struct bytes message)
{
	uint8_t length[8];

	be64_put(length, message.len);
	assert_true(buf_append_bytes(b, bytes_of(length, sizeof length)));
	assert_true(buf_append_bytes(b, message));
}

static void
put_text(struct buf *b, const char *text)
{
	put(b, bytes_str(text));
}

static void
put_byte(struct buf *b, uint8_t v)
{
	put(b, bytes_of(&v, 1));
}

static void
put_number(struct buf *b, uint64_t v)
{
	uint8_t number[8];

	be64_put(number, v);
	put(b, bytes_of(number, sizeof number));
}

static void
put_zadd(struct buf *b, const char *set_name, double score, const char *key)
{
	M(ZAddRequest) in = IMMUDB__SCHEMA__ZADD_REQUEST__INIT;
	uint8_t packed[256];

	in.set = message_data(bytes_str(set_name));
	in.score = score;
	in.key = message_data(bytes_str(key));
	put(b, bytes_of(packed, immudb__schema__zadd_request__pack(&in, packed)));
}

/* Sends the stream and empties it. */
static enum im_err
send_stream(struct fixture *f, uint16_t method, struct buf *b, void *out)
{
	M(Chunk) in = IMMUDB__SCHEMA__CHUNK__INIT;
	enum im_err err;

	in.content = message_data(buf_bytes(b));
	err = ask(f, method, &in.base, out);
	b->len = 0;
	return err;
}

static void
assert_value(struct fixture *f, const char *key, struct bytes value)
{
	M(KeyRequest) in = key_request(key);
	M(Entry) *e = NULL;

	assert_int_equal(get(f, &in, &e), IM_OK);
	assert_true(bytes_equal(message_bytes(e->value), value));
	arena_reset(&f->arena, 0);
}

static struct bytes
pattern_of(size_t len)
{
	static uint8_t data[34u << 20];

	if (!data[1])
		for (size_t i = 0; i < sizeof data; i++)
			data[i] = (uint8_t)(i * 31 + i / 251);
	return bytes_of(data, len);
}

static void
stream_sets_values_of_any_size(void **state)
{
	static const size_t sizes[] = {0, 1, 4095, 4096, 65535, 65536, 1u << 20, USER_VALUE_MAX};
	struct fixture *f = *state;
	M(TxHeader) *header = NULL;
	struct buf b;

	buf_init(&b, STREAM_MAX);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		put_text(&b, "k");
		put(&b, pattern_of(sizes[i]));
		assert_int_equal(send_stream(f, RPC_METHOD_StreamSet, &b, &header), IM_OK);
		assert_int_equal(header->id, i + 1);
		assert_int_equal(header->nentries, 1);
		assert_value(f, "k", pattern_of(sizes[i]));
	}
	put_text(&b, "a");
	put(&b, pattern_of(100000));
	put_text(&b, "b");
	put_text(&b, "");
	put_text(&b, "c");
	put_text(&b, "small");
	assert_int_equal(send_stream(f, RPC_METHOD_StreamSet, &b, &header), IM_OK);
	assert_int_equal(header->nentries, 3);
	assert_value(f, "a", pattern_of(100000));
	assert_value(f, "b", bytes_of(NULL, 0));
	assert_value(f, "c", bytes_str("small"));
	buf_free(&b);
}

static void
stream_refusals(void **state)
{
	struct fixture *f = *state;
	M(Chunk__MetadataEntry) entry = IMMUDB__SCHEMA__CHUNK__METADATA_ENTRY__INIT;
	M(Chunk__MetadataEntry) * entries[1] = {&entry};
	M(Chunk) in = IMMUDB__SCHEMA__CHUNK__INIT;
	struct buf b;

	buf_init(&b, STREAM_MAX);
	assert_int_equal(send_stream(f, RPC_METHOD_StreamSet, &b, NULL), IM_ERR_STREAM_EMPTY);
	assert_int_equal(f->status, IM_STATUS_INVALID_ARGUMENT);
	assert_string_equal(err_detail(IM_ERR_STREAM_EMPTY), "reader contains no data");
	put_text(&b, "k");
	assert_int_equal(send_stream(f, RPC_METHOD_StreamSet, &b, NULL), IM_ERR_STREAM_MISSING);
	put_text(&b, "k");
	put_text(&b, "v");
	b.len--;
	assert_int_equal(send_stream(f, RPC_METHOD_StreamSet, &b, NULL), IM_ERR_STREAM_SHORT);
	put_text(&b, "");
	put_text(&b, "v");
	assert_int_equal(send_stream(f, RPC_METHOD_StreamSet, &b, NULL), IM_ERR_ARGUMENT);
	put(&b, pattern_of(USER_KEY_MAX + 1));
	put_text(&b, "v");
	assert_int_equal(send_stream(f, RPC_METHOD_StreamSet, &b, NULL), IM_ERR_KEY_LENGTH);
	put_text(&b, "k");
	put(&b, pattern_of(USER_VALUE_MAX + 1));
	assert_int_equal(send_stream(f, RPC_METHOD_StreamSet, &b, NULL), IM_ERR_VALUE_LENGTH);
	for (int i = 0; i < 3; i++) {
		put_byte(&b, (uint8_t)('a' + i));
		put(&b, pattern_of(RAW_VALUE_MAX / 3 + 1));
	}
	assert_int_equal(send_stream(f, RPC_METHOD_StreamSet, &b, NULL), IM_ERR_STREAM_SIZE);
	assert_int_equal(f->status, IM_STATUS_FAILED_PRECONDITION);
	for (int i = 0; i < 2; i++) {
		put_text(&b, "k");
		put_text(&b, "v");
	}
	assert_int_equal(send_stream(f, RPC_METHOD_StreamSet, &b, NULL), IM_ERR_DUPLICATE_KEY);
	for (int i = 0; i < (int)TX_ENTRIES_MAX + 1; i++) {
		put_text(&b, "k");
		put_text(&b, "v");
	}
	assert_int_equal(send_stream(f, RPC_METHOD_StreamSet, &b, NULL), IM_ERR_TX_ENTRIES);
	in.n_metadata = 1;
	in.metadata = entries;
	assert_int_equal(ask(f, RPC_METHOD_StreamSet, &in.base, NULL), IM_ERR_UNIMPLEMENTED);
	buf_free(&b);
}

static void
stream_verifiable_set(void **state)
{
	struct fixture *f = *state;
	struct tx_point trusted = {0};
	M(VerifiableTx) *out = NULL;
	struct buf b;

	buf_init(&b, STREAM_MAX);
	for (size_t i = 1; i <= 3; i++) {
		put_number(&b, trusted.id);
		put_text(&b, "k");
		put(&b, pattern_of(i * 50000));
		put_text(&b, "l");
		put_text(&b, "v");
		assert_int_equal(send_stream(f, RPC_METHOD_StreamVerifiableSet, &b, &out), IM_OK);
		assert_int_equal(out->tx->n_entries, 2);
		trusted = check_verifiable(f, out, trusted);
		assert_int_equal(trusted.id, i);
	}
	put_number(&b, 4);
	put_text(&b, "k");
	put_text(&b, "v");
	assert_int_equal(
	    send_stream(f, RPC_METHOD_StreamVerifiableSet, &b, NULL), IM_ERR_ILLEGAL_STATE);
	put_text(&b, "k");
	put_text(&b, "v");
	assert_int_equal(send_stream(f, RPC_METHOD_StreamVerifiableSet, &b, NULL), IM_ERR_ARGUMENT);
	put_number(&b, 0);
	assert_int_equal(
	    send_stream(f, RPC_METHOD_StreamVerifiableSet, &b, NULL), IM_ERR_NO_ENTRIES);
	buf_free(&b);
}

static void
stream_exec_all(void **state)
{
	struct fixture *f = *state;
	M(TxHeader) *header = NULL;
	struct buf b;

	buf_init(&b, STREAM_MAX);
	put_byte(&b, 1);
	put_text(&b, "k");
	put(&b, pattern_of(200000));
	put_byte(&b, 2);
	put_zadd(&b, "set", -1, "k");
	assert_int_equal(send_stream(f, RPC_METHOD_StreamExecAll, &b, &header), IM_OK);
	assert_int_equal(header->nentries, 2);
	assert_value(f, "k", pattern_of(200000));
	put_byte(&b, 2);
	put_zadd(&b, "set", 1, "missing");
	assert_int_equal(send_stream(f, RPC_METHOD_StreamExecAll, &b, NULL), IM_ERR_KEY_NOT_FOUND);
	put_byte(&b, 4);
	put_text(&b, "x");
	assert_int_equal(send_stream(f, RPC_METHOD_StreamExecAll, &b, NULL), IM_ERR_UNIMPLEMENTED);
	assert_non_null(
	    strstr(err_detail(IM_ERR_UNIMPLEMENTED), "reference operation is not implemented"));
	put_byte(&b, 3);
	assert_int_equal(send_stream(f, RPC_METHOD_StreamExecAll, &b, NULL), IM_ERR_OPERATION);
	put_text(&b, "kv");
	assert_int_equal(send_stream(f, RPC_METHOD_StreamExecAll, &b, NULL), IM_ERR_OPERATION);
	put_byte(&b, 1);
	put_text(&b, "k");
	assert_int_equal(send_stream(f, RPC_METHOD_StreamExecAll, &b, NULL), IM_ERR_STREAM_MISSING);
	put_byte(&b, 2);
	put_text(&b, "not a message");
	assert_int_equal(send_stream(f, RPC_METHOD_StreamExecAll, &b, NULL), IM_ERR_FORMAT);
	assert_int_equal(send_stream(f, RPC_METHOD_StreamExecAll, &b, NULL), IM_ERR_STREAM_EMPTY);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    LARGE(stream_sets_values_of_any_size),
	    LARGE(stream_refusals),
	    LARGE(stream_verifiable_set),
	    LARGE(stream_exec_all),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
