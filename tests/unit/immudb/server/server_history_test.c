/*
 * History of a key, its revisions one by one, and counts of keys.
 */
#include "engine_writes.h"

static int
fixture_logged_in(void **state)
{
	return fixture_started(state) == 0 && login(*state, "immudb", "immudb") == IM_OK ? 0 : -1;
}

static M(HistoryRequest) history_request(const char *key)
{
	M(HistoryRequest) in = IMMUDB__SCHEMA__HISTORY_REQUEST__INIT;

	in.key = message_data(bytes_str(key));
	return in;
}

static M(Entries) * history(struct fixture *f, const M(HistoryRequest) * in)
{
	M(Entries) *out = NULL;

	assert_int_equal(ask(f, RPC_METHOD_History, &in->base, &out), IM_OK);
	return out;
}

/* Compares the revisions of an answer with a text such as "1 2 3". */
static void
assert_revisions(const M(Entries) * out, const char *expected)
{
	char text[512] = "";

	for (size_t i = 0; i < out->n_entries; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i ? " " : "",
		    (int)out->entries[i]->revision);
	assert_string_equal(text, expected);
}

static void
history_pages(void **state)
{
	struct fixture *f = *state;
	M(HistoryRequest) in = history_request("k");
	char value[8];

	for (size_t i = 1; i <= 10; i++) {
		snprintf(value, sizeof value, "v%zu", i);
		write_value(f, "k", value);
		write_value(f, "l", value);
	}
	assert_revisions(history(f, &in), "1 2 3 4 5 6 7 8 9 10");
	assert_data_equal(history(f, &in)->entries[3]->value, "v4");
	assert_int_equal(history(f, &in)->entries[3]->tx, 7);
	in.desc = true;
	in.limit = 3;
	assert_revisions(history(f, &in), "10 9 8");
	in.offset = 2;
	assert_revisions(history(f, &in), "8 7 6");
	in.desc = false;
	assert_revisions(history(f, &in), "3 4 5");
	in.offset = 9;
	assert_revisions(history(f, &in), "10");
	/* Behind the end there is nothing, and that is no error. */
	in.offset = 10;
	assert_revisions(history(f, &in), "");
	in.offset = UINT64_MAX;
	assert_revisions(history(f, &in), "");
	in.offset = 0;
	in.sincetx = 20;
	assert_revisions(history(f, &in), "1 2 3");
}

/* A history hides no version, and no value but those that are deleted or expired. */
static void
history_kinds(void **state)
{
	struct fixture *f = *state;
	M(HistoryRequest) in = history_request("k");
	M(Entries) * out;
	M(Entry) * *e;

	write_value(f, "k", "value");
	write_deletion(f, "k");
	write_expiring(f, "k", "old", 1);
	write_expiring(f, "k", "young", INT64_MAX);
	write_deletion(f, "k");
	write_reference(f, "k", "target", 0);
	write_reference(f, "k", "target", 1);
	out = history(f, &in);
	assert_revisions(out, "1 2 3 4 5 6 7");
	e = out->entries;
	assert_data_equal(e[0]->value, "value");
	assert_null(e[0]->metadata);
	assert_true(e[1]->metadata->deleted);
	assert_int_equal(e[1]->value.len, 0);
	assert_true(e[2]->expired);
	assert_int_equal(e[2]->value.len, 0);
	assert_int_equal(e[2]->metadata->expiration->expiresat, 1);
	assert_false(e[3]->expired);
	assert_data_equal(e[3]->value, "young");
	/* A reference is shown as what it is, not as what its target has now. */
	assert_data_equal(e[5]->key, "target");
	assert_int_equal(e[5]->value.len, 0);
	assert_int_equal(e[5]->tx, 6);
	assert_data_equal(e[5]->referencedby->key, "k");
	assert_int_equal(e[5]->referencedby->tx, 6);
	assert_int_equal(e[5]->referencedby->revision, 6);
	assert_int_equal(e[5]->referencedby->attx, 0);
	assert_int_equal(e[6]->referencedby->attx, 1);
}

static void
history_refusals(void **state)
{
	struct fixture *f = *state;
	M(HistoryRequest) in = history_request("k");

	assert_int_equal(ask(f, RPC_METHOD_History, &in.base, NULL), IM_ERR_KEY_NOT_FOUND);
	write_value(f, "other", "v");
	assert_int_equal(ask(f, RPC_METHOD_History, &in.base, NULL), IM_ERR_KEY_NOT_FOUND);
	in.offset = 5;
	assert_int_equal(ask(f, RPC_METHOD_History, &in.base, NULL), IM_ERR_KEY_NOT_FOUND);
	assert_int_equal(f->status, IM_STATUS_NOT_FOUND);
	in = history_request("other");
	in.limit = 2501;
	assert_int_equal(ask(f, RPC_METHOD_History, &in.base, NULL), IM_ERR_RESULT_LIMIT);
	assert_int_equal(f->status, IM_STATUS_RESOURCE_EXHAUSTED);
	in.limit = -1;
	assert_int_equal(ask(f, RPC_METHOD_History, &in.base, NULL), IM_ERR_ARGUMENT);
	in.limit = 0;
	in.sincetx = 2;
	assert_int_equal(ask(f, RPC_METHOD_History, &in.base, NULL), IM_ERR_ARGUMENT);
	assert_int_equal(f->status, IM_STATUS_INVALID_ARGUMENT);
	in = history_request("");
	assert_int_equal(ask(f, RPC_METHOD_History, &in.base, NULL), IM_ERR_ARGUMENT);
}

static enum im_err
get_revision(struct fixture *f, const char *key, int64_t revision, M(Entry) * *out)
{
	M(KeyRequest) in = key_request(key);

	in.atrevision = revision;
	return get(f, &in, out);
}

static void
history_revisions(void **state)
{
	struct fixture *f = *state;
	M(Entry) *e = NULL;

	assert_int_equal(get_revision(f, "k", 1, &e), IM_ERR_KEY_NOT_FOUND);
	assert_int_equal(get_revision(f, "k", -1, &e), IM_ERR_KEY_NOT_FOUND);
	write_value(f, "k", "one");
	write_value(f, "k", "two");
	write_deletion(f, "k");
	write_value(f, "k", "four");
	assert_int_equal(get_revision(f, "k", 0, &e), IM_OK);
	assert_data_equal(e->value, "four");
	assert_int_equal(e->revision, 4);
	assert_int_equal(get_revision(f, "k", 2, &e), IM_OK);
	assert_data_equal(e->value, "two");
	assert_int_equal(e->revision, 2);
	assert_int_equal(get_revision(f, "k", -2, &e), IM_OK);
	assert_data_equal(e->value, "two");
	assert_int_equal(get_revision(f, "k", -3, &e), IM_OK);
	assert_data_equal(e->value, "one");
	/* The deleted version has nothing to get. */
	assert_int_equal(get_revision(f, "k", 3, &e), IM_ERR_KEY_NOT_FOUND);
	assert_int_equal(get_revision(f, "k", -1, &e), IM_ERR_KEY_NOT_FOUND);
	assert_int_equal(get_revision(f, "k", 5, &e), IM_ERR_REVISION);
	assert_int_equal(f->status, IM_STATUS_INVALID_ARGUMENT);
	assert_string_equal(err_detail(IM_ERR_REVISION), "invalid key revision number");
	assert_int_equal(get_revision(f, "k", -4, &e), IM_ERR_REVISION);
	assert_int_equal(get_revision(f, "k", INT64_MAX, &e), IM_ERR_REVISION);
	assert_int_equal(get_revision(f, "k", INT64_MIN, &e), IM_ERR_REVISION);
}

static uint64_t
count(struct fixture *f, const char *prefix)
{
	M(KeyPrefix) in = IMMUDB__SCHEMA__KEY_PREFIX__INIT;
	M(EntryCount) *out = NULL;

	in.prefix = message_data(bytes_str(prefix));
	assert_int_equal(ask(f, RPC_METHOD_Count, &in.base, &out), IM_OK);
	return out->count;
}

static void
history_count(void **state)
{
	struct fixture *f = *state;
	M(KeyPrefix) in = IMMUDB__SCHEMA__KEY_PREFIX__INIT;
	M(EntryCount) *out = NULL;
	struct store_entry entries[1000];
	static char long_prefix[1100];
	char key[16];

	assert_int_equal(count(f, ""), 0);
	for (size_t round = 0; round < 9; round++) {
		for (size_t i = 0; i < 1000; i++) {
			snprintf(key, sizeof key, "n%zu-%zu", round, i);
			entries[i] = plain_entry(f, key, bytes_str(""));
		}
		write_raw(f, entries, 1000);
	}
	assert_int_equal(count(f, "n"), 9000);
	assert_int_equal(count(f, "n7-"), 1000);
	assert_int_equal(count(f, "n7-99"), 11);
	assert_int_equal(count(f, "o"), 0);
	/* A key counts once, and only while it is there. */
	write_value(f, "n7-99", "again");
	write_deletion(f, "n7-990");
	write_expiring(f, "n7-991", "v", 1);
	write_reference(f, "n7-99x", "n7-99", 0);
	write_member(f, "set", 1, "n7-99");
	assert_int_equal(count(f, "n7-99"), 10);
	assert_int_equal(ask(f, RPC_METHOD_CountAll, NULL, &out), IM_OK);
	assert_int_equal(out->count, 8999);
	memset(long_prefix, 'p', sizeof long_prefix - 1);
	in.prefix = message_data(bytes_str(long_prefix));
	assert_int_equal(ask(f, RPC_METHOD_Count, &in.base, NULL), IM_ERR_KEY_LENGTH);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_logged_in, fixture_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(history_pages),
	    TEST(history_kinds),
	    TEST(history_refusals),
	    TEST(history_revisions),
	    TEST(history_count),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
