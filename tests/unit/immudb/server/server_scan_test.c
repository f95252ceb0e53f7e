/*
 * Scan and GetAll: bounds, direction, pages, snapshots, hidden keys, keys of any bytes, refusals;
 * and what the requests by key refuse.
 */
#include "engine_writes.h"

#include <pthread.h>
#include <stdatomic.h>

static int
fixture_logged_in(void **state)
{
	return fixture_started(state) == 0 && login(*state, "immudb", "immudb") == IM_OK ? 0 : -1;
}

static M(Entries) * scan(struct fixture *f, const M(ScanRequest) * in)
{
	M(Entries) *out = NULL;

	assert_int_equal(ask(f, RPC_METHOD_Scan, &in->base, &out), IM_OK);
	return out;
}

/* Compares the keys of an answer with a text such as "a b c". */
static void
assert_keys(const M(Entries) * out, const char *expected)
{
	char keys[512] = "";

	for (size_t i = 0; i < out->n_entries; i++)
		snprintf(keys + strlen(keys), sizeof keys - strlen(keys), "%s%.*s", i ? " " : "",
		    (int)out->entries[i]->key.len, (const char *)out->entries[i]->key.data);
	assert_string_equal(keys, expected);
}

static M(ScanRequest) scan_request(const char *prefix, const char *seek, const char *end)
{
	M(ScanRequest) in = IMMUDB__SCHEMA__SCAN_REQUEST__INIT;

	in.prefix = message_data(bytes_str(prefix));
	in.seekkey = message_data(bytes_str(seek));
	in.endkey = message_data(bytes_str(end));
	return in;
}

static void
write_keys(struct fixture *f)
{
	static const char *const keys[] = {"b1", "a1", "c1", "b", "b3", "b2", "a2"};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		write_value(f, keys[i], keys[i]);
	/* Of other kinds: never in a list of keys. */
	write_member(f, "set", 1, "b1");
}

static void
scan_bounds(void **state)
{
	struct fixture *f = *state;
	M(ScanRequest) in = scan_request("", "", "");

	write_keys(f);
	assert_keys(scan(f, &in), "a1 a2 b b1 b2 b3 c1");
	in.desc = true;
	assert_keys(scan(f, &in), "c1 b3 b2 b1 b a2 a1");
	in = scan_request("b", "", "");
	assert_keys(scan(f, &in), "b b1 b2 b3");
	in.desc = true;
	assert_keys(scan(f, &in), "b3 b2 b1 b");
	in = scan_request("", "b1", "b3");
	assert_keys(scan(f, &in), "b2");
	in.inclusiveseek = true;
	assert_keys(scan(f, &in), "b1 b2");
	in.inclusiveend = true;
	assert_keys(scan(f, &in), "b1 b2 b3");
	in = scan_request("", "b3", "a2");
	in.desc = true;
	assert_keys(scan(f, &in), "b2 b1 b");
	in.inclusiveseek = in.inclusiveend = true;
	assert_keys(scan(f, &in), "b3 b2 b1 b a2");
	/* A key to start at need not exist, nor begin with the prefix. */
	in = scan_request("", "a9", "");
	assert_keys(scan(f, &in), "b b1 b2 b3 c1");
	in = scan_request("b", "a9", "");
	assert_keys(scan(f, &in), "b b1 b2 b3");
	in = scan_request("b", "b15", "");
	assert_keys(scan(f, &in), "b2 b3");
	in.desc = true;
	assert_keys(scan(f, &in), "b1 b");
	in = scan_request("b", "c", "");
	assert_keys(scan(f, &in), "");
	in.desc = true;
	assert_keys(scan(f, &in), "b3 b2 b1 b");
	in = scan_request("", "c", "b");
	assert_keys(scan(f, &in), "");
	in = scan_request("x", "", "");
	assert_keys(scan(f, &in), "");
}

static void
scan_pages(void **state)
{
	struct fixture *f = *state;
	M(ScanRequest) in = scan_request("b", "", "");

	write_keys(f);
	in.limit = 2;
	assert_keys(scan(f, &in), "b b1");
	in.offset = 2;
	assert_keys(scan(f, &in), "b2 b3");
	in.offset = 3;
	assert_keys(scan(f, &in), "b3");
	in.offset = 4;
	assert_keys(scan(f, &in), "");
	in.offset = UINT64_MAX;
	assert_keys(scan(f, &in), "");
	in.offset = 1;
	in.desc = true;
	assert_keys(scan(f, &in), "b2 b1");
}

static void
scan_hides(void **state)
{
	struct fixture *f = *state;
	M(ScanRequest) in = scan_request("", "", "");
	M(Entries) * out;

	write_value(f, "deleted", "v");
	write_deletion(f, "deleted");
	write_expiring(f, "expired", "v", 1);
	write_expiring(f, "lasting", "v", INT64_MAX);
	write_value(f, "back", "v");
	write_deletion(f, "back");
	write_value(f, "back", "again");
	out = scan(f, &in);
	assert_keys(out, "back lasting");
	assert_data_equal(out->entries[0]->value, "again");
	assert_int_equal(out->entries[0]->revision, 3);
	assert_int_equal(out->entries[1]->metadata->expiration->expiresat, INT64_MAX);
	/* What is hidden is not counted either. */
	in.offset = 1;
	assert_keys(scan(f, &in), "lasting");
}

/* Keys and values are bytes, whatever they look like. */
static void
scan_any_bytes(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} strange[] = {{"\0", 1}, {"\0\0", 2}, {"\n", 1}, {"\033[31m", 5}, {"%s%n", 4},
	    {"\xc3\x28", 2}, {"\xff", 1}, {"\xff\xff", 2}};
	struct fixture *f = *state;
	M(ScanRequest) in = scan_request("", "", "");
	M(Entries) * out;
	size_t n = sizeof strange / sizeof *strange;
	struct store_entry e = {0};

	for (size_t i = n; i-- > 0;) {
		struct bytes b = bytes_of(strange[i].data, strange[i].len);

		assert_int_equal(raw_key_make(&f->arena, b, &e.key), IM_OK);
		assert_int_equal(raw_value_make(&f->arena, b, &e.value), IM_OK);
		write_raw(f, &e, 1);
	}
	out = scan(f, &in);
	assert_int_equal(out->n_entries, n);
	for (size_t i = 0; i < n; i++) {
		struct bytes b = bytes_of(strange[i].data, strange[i].len);

		assert_true(bytes_equal(message_bytes(out->entries[i]->key), b));
		assert_true(bytes_equal(message_bytes(out->entries[i]->value), b));
	}
	/* A prefix behind which there is no other key. */
	in.prefix = message_data(bytes_of("\xff", 1));
	in.desc = true;
	out = scan(f, &in);
	assert_int_equal(out->n_entries, 2);
	assert_int_equal(out->entries[0]->key.len, 2);
}

static void
scan_refusals(void **state)
{
	struct fixture *f = *state;
	M(ScanRequest) in = scan_request("", "", "");
	static char long_key[1100];

	in.limit = 2501;
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, NULL), IM_ERR_RESULT_LIMIT);
	assert_int_equal(f->status, IM_STATUS_RESOURCE_EXHAUSTED);
	assert_string_equal(err_detail(IM_ERR_RESULT_LIMIT),
	    "result size limit exceeded: the specified limit (2501) is larger than the maximum allowed "
	    "one (2500)");
	in.limit = UINT64_MAX;
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, NULL), IM_ERR_RESULT_LIMIT);
	in.limit = 2500;
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, NULL), IM_OK);
	in.sincetx = 1;
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, NULL), IM_ERR_ARGUMENT);
	assert_int_equal(f->status, IM_STATUS_INVALID_ARGUMENT);
	/* Not to wait does not make the future known. */
	in.nowait = true;
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, NULL), IM_ERR_ARGUMENT);
	write_value(f, "k", "v");
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, NULL), IM_OK);
	memset(long_key, 'k', sizeof long_key - 1);
	in = scan_request(long_key, "", "");
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, NULL), IM_ERR_KEY_LENGTH);
	in = scan_request("", long_key, "");
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, NULL), IM_ERR_KEY_LENGTH);
	in = scan_request("", "", long_key);
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, NULL), IM_ERR_KEY_LENGTH);
}

static void
scan_too_large(void **state)
{
	struct fixture *f = *state;
	M(ScanRequest) in = scan_request("", "", "");
	static char value[1 << 20];
	char key[8];

	memset(value, 'v', sizeof value - 1);
	for (size_t i = 0; i < 10; i++) {
		snprintf(key, sizeof key, "k%zu", i);
		write_value(f, key, value);
	}
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, NULL), IM_ERR_MESSAGE_SIZE);
	assert_int_equal(f->status, IM_STATUS_RESOURCE_EXHAUSTED);
	in.limit = 5;
	assert_keys(scan(f, &in), "k0 k1 k2 k3 k4");
}

/* What Get answers can be listed, too: a value that alone fills the largest message. */
static void
lists_of_the_largest_value(void **state)
{
	struct fixture *f = *state;
	M(ScanRequest) in = scan_request("", "", "");
	M(HistoryRequest) history = IMMUDB__SCHEMA__HISTORY_REQUEST__INIT;
	M(ZScanRequest) zscan = IMMUDB__SCHEMA__ZSCAN_REQUEST__INIT;
	M(TxScanRequest) txs = IMMUDB__SCHEMA__TX_SCAN_REQUEST__INIT;
	M(EntriesSpec) spec = IMMUDB__SCHEMA__ENTRIES_SPEC__INIT;
	M(EntryTypeSpec) kv = IMMUDB__SCHEMA__ENTRY_TYPE_SPEC__INIT;
	size_t len = options_of(f).max_message_bytes - 1;
	char *value = malloc(len + 1);

	assert_non_null(value);
	memset(value, 'v', len);
	value[len] = '\0';
	write_value(f, "big", value);
	write_member(f, "set", 1, "big");
	write_value(f, "small", "v");
	free(value);
	in.limit = 1;
	assert_keys(scan(f, &in), "big");
	in.limit = 2;
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, NULL), IM_ERR_MESSAGE_SIZE);
	history.key = message_data(bytes_str("big"));
	assert_int_equal(ask(f, RPC_METHOD_History, &history.base, NULL), IM_OK);
	zscan.set = message_data(bytes_str("set"));
	assert_int_equal(ask(f, RPC_METHOD_ZScan, &zscan.base, NULL), IM_OK);
	kv.action = IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__RAW_VALUE;
	spec.kventriesspec = &kv;
	txs.entriesspec = &spec;
	txs.initialtx = txs.limit = 1;
	assert_int_equal(ask(f, RPC_METHOD_TxScan, &txs.base, NULL), IM_OK);
	txs.limit = 2;
	assert_int_equal(ask(f, RPC_METHOD_TxScan, &txs.base, NULL), IM_ERR_MESSAGE_SIZE);
}

static void
scan_get_all(void **state)
{
	struct fixture *f = *state;
	M(KeyListRequest) in = IMMUDB__SCHEMA__KEY_LIST_REQUEST__INIT;
	M(Entries) *out = NULL;
	ProtobufCBinaryData keys[3] = {message_data(bytes_str("b")), message_data(bytes_str("a")),
	    message_data(bytes_str("b"))};

	in.keys = keys;
	in.n_keys = 3;
	assert_int_equal(ask(f, RPC_METHOD_GetAll, &in.base, &out), IM_OK);
	assert_int_equal(out->n_entries, 0);
	write_value(f, "a", "v");
	write_value(f, "b", "v");
	/* In the order of the request, as often as asked for. */
	assert_int_equal(ask(f, RPC_METHOD_GetAll, &in.base, &out), IM_OK);
	assert_keys(out, "b a b");
	write_deletion(f, "b");
	assert_int_equal(ask(f, RPC_METHOD_GetAll, &in.base, &out), IM_OK);
	assert_keys(out, "a");
	in.sincetx = 4;
	assert_int_equal(ask(f, RPC_METHOD_GetAll, &in.base, &out), IM_ERR_ARGUMENT);
	in.sincetx = 3;
	keys[0] = message_data(bytes_str(""));
	assert_int_equal(ask(f, RPC_METHOD_GetAll, &in.base, &out), IM_ERR_ARGUMENT);
	in.n_keys = 0;
	assert_int_equal(ask(f, RPC_METHOD_GetAll, &in.base, &out), IM_OK);
	assert_int_equal(out->n_entries, 0);
}

struct writer {
	struct fixture *f;
	atomic_bool stop;
	enum im_err err;
};

/* Both keys anew in each transaction, past the methods. */
static void *
write_pairs(void *arg)
{
	struct writer *w = arg;
	struct arena arena;
	struct store_entry e[2] = {{.key = bytes_of("\0a", 2), .value = bytes_of("\0v", 2)},
	    {.key = bytes_of("\0b", 2), .value = bytes_of("\0v", 2)}};
	struct store_write write = {.entries = e, .nentries = 2, .arena = &arena};

	while (!atomic_load(&w->stop) && w->err == IM_OK) {
		arena_init(&arena, 1 << 20);
		w->err = store_write_wait(store_of(w->f), &write);
		arena_free(&arena);
	}
	return NULL;
}

/* What is written together is read together, whoever writes meanwhile. */
static void
scan_get_all_snapshot(void **state)
{
	struct fixture *f = *state;
	struct writer w = {.f = f};
	M(KeyListRequest) in = IMMUDB__SCHEMA__KEY_LIST_REQUEST__INIT;
	ProtobufCBinaryData keys[16];
	M(Entries) *out = NULL;
	pthread_t thread;
	uint64_t last = 0;

	for (size_t i = 0; i < 16; i++)
		keys[i] = message_data(bytes_str(i % 2 ? "b" : "a"));
	in.keys = keys;
	assert_int_equal(pthread_create(&thread, NULL, write_pairs, &w), 0);
	/* Few keys are read in the callback, many in the pool. */
	for (size_t round = 0; round < 400; round++) {
		in.n_keys = round % 2 ? 16 : 4;
		assert_int_equal(ask(f, RPC_METHOD_GetAll, &in.base, &out), IM_OK);
		for (size_t i = 1; i < out->n_entries; i++)
			assert_int_equal(out->entries[i]->tx, out->entries[0]->tx);
		if (out->n_entries > 0) {
			assert_true(out->entries[0]->tx >= last);
			last = out->entries[0]->tx;
		}
	}
	atomic_store(&w.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(w.err, IM_OK);
	assert_true(last > 0);
}

static void
scan_get_refusals(void **state)
{
	struct fixture *f = *state;
	M(KeyRequest) in = key_request("k");
	static char long_key[1100];

	write_value(f, "k", "v");
	in.attx = 1;
	in.atrevision = 1;
	assert_int_equal(get(f, &in, NULL), IM_ERR_ARGUMENT);
	assert_int_equal(f->status, IM_STATUS_INVALID_ARGUMENT);
	assert_string_equal(err_detail(IM_ERR_ARGUMENT),
	    "illegal arguments: AtRevision should not be specified when AtTx is used");
	in.atrevision = 0;
	in.sincetx = 1;
	assert_int_equal(get(f, &in, NULL), IM_ERR_ARGUMENT);
	in.sincetx = 0;
	in.attx = 2;
	assert_int_equal(get(f, &in, NULL), IM_ERR_TX_NOT_FOUND);
	write_value(f, "other", "v");
	assert_int_equal(get(f, &in, NULL), IM_ERR_KEY_NOT_FOUND);
	assert_int_equal(f->status, IM_STATUS_NOT_FOUND);
	in.attx = 0;
	in.sincetx = 3;
	in.nowait = true;
	assert_int_equal(get(f, &in, NULL), IM_ERR_ARGUMENT);
	in.sincetx = 2;
	assert_int_equal(get(f, &in, NULL), IM_OK);
	in = key_request("");
	assert_int_equal(get(f, &in, NULL), IM_ERR_ARGUMENT);
	memset(long_key, 'k', sizeof long_key - 1);
	in = key_request(long_key);
	assert_int_equal(get(f, &in, NULL), IM_ERR_KEY_LENGTH);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_logged_in, fixture_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(scan_bounds),
	    TEST(scan_pages),
	    TEST(scan_hides),
	    TEST(scan_any_bytes),
	    TEST(scan_refusals),
	    TEST(scan_too_large),
	    TEST(lists_of_the_largest_value),
	    TEST(scan_get_all),
	    TEST(scan_get_all_snapshot),
	    TEST(scan_get_refusals),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
