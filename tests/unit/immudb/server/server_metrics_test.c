/*
 * What a server shows at /metrics: requests counted by database and method, a bounded number of
 * rows, nothing of what was deleted, histograms only when they are wanted, and who was refused why.
 */
#include "server_harness.h"

static struct buf page;

static const char *
metrics_page(struct fixture *f)
{
	buf_free(&page);
	buf_init(&page, 16u << 20);
	assert_int_equal(metrics_render(f->server->metrics, &page), IM_OK);
	assert_true(buf_append_u8(&page, '\0'));
	return (const char *)page.data;
}

/* The page has this line. */
static void
expect(struct fixture *f, const char *line)
{
	if (!strstr(metrics_page(f), line))
		fail_msg("missing: %s", line);
}

static void
expect_none(struct fixture *f, const char *text)
{
	if (strstr(metrics_page(f), text))
		fail_msg("there is: %s", text);
}

static void
set_and_get(struct fixture *f)
{
	M(KeyValue) kv = IMMUDB__SCHEMA__KEY_VALUE__INIT;
	M(KeyValue) * kvs[] = {&kv};
	M(SetRequest) set = IMMUDB__SCHEMA__SET_REQUEST__INIT;
	M(KeyRequest) get = IMMUDB__SCHEMA__KEY_REQUEST__INIT;

	kv.key = message_data(bytes_str("k"));
	kv.value = message_data(bytes_str("v"));
	set.n_kvs = 1;
	set.kvs = kvs;
	get.key = kv.key;
	assert_int_equal(ask(f, RPC_METHOD_Set, &set.base, NULL), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_Get, &get.base, NULL), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_Get, &get.base, NULL), IM_OK);
}

static void
create(struct fixture *f, const char *name)
{
	M(CreateDatabaseRequest) in = IMMUDB__SCHEMA__CREATE_DATABASE_REQUEST__INIT;

	in.name = (char *)(uintptr_t)name;
	assert_int_equal(ask(f, RPC_METHOD_CreateDatabaseV2, &in.base, NULL), IM_OK);
}

static void delete (struct fixture *f, const char *name)
{
	M(UnloadDatabaseRequest) unload = IMMUDB__SCHEMA__UNLOAD_DATABASE_REQUEST__INIT;
	M(DeleteDatabaseRequest) gone = IMMUDB__SCHEMA__DELETE_DATABASE_REQUEST__INIT;

	unload.database = gone.database = (char *)(uintptr_t)name;
	assert_int_equal(ask(f, RPC_METHOD_UnloadDatabase, &unload.base, NULL), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_DeleteDatabase, &gone.base, NULL), IM_OK);
}

static void
requests_by_database_and_method(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_session(f, "defaultdb"), IM_OK);
	set_and_get(f);
	expect(f, "immudb_database_requests_total{db=\"defaultdb\",method=\"Get\"} 2\n");
	expect(f, "immudb_database_requests_total{db=\"defaultdb\",method=\"Set\"} 1\n");
	expect(f, "immudb_requests_total{method=\"Get\",code=\"OK\"} 2\n");
	expect(f, "immudb_request_duration_seconds_count{method=\"Get\"} 2\n");
	expect(f, "immudb_number_of_stored_entries{db=\"defaultdb\"} 1\n");
	expect(f, "immudb_commit_batch_transactions_count{db=\"defaultdb\"} 1\n");
	/* What nobody asked for has no row. */
	expect_none(f, "{db=\"defaultdb\",method=\"Scan\"}");
	/* Two reads of one entry: it is kept from the second one on, at the latest. */
	expect_none(f, "immudb_cache_misses_total{db=\"defaultdb\",cache=\"entries\"} 0\n");
}

static void
rows_are_bounded(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_session(f, "defaultdb"), IM_OK);
	/* The system's, the default one, and one more. */
	f->server->series.databases_shown = 3;
	create(f, "first");
	expect(f, "immudb_number_of_stored_entries{db=\"first\"} 0\n");
	expect_none(f, METRIC_OVERFLOW);
	create(f, "other");
	create(f, "third");
	assert_int_equal(use(f, "other"), IM_OK);
	set_and_get(f);
	assert_int_equal(use(f, "third"), IM_OK);
	set_and_get(f);
	set_and_get(f);
	expect(f, "immudb_number_of_stored_entries{db=\"(other)\"} 3\n");
	expect(f, "immudb_last_committed_trx_id{db=\"(other)\"} 2\n");
	expect(f, "immudb_database_requests_total{db=\"(other)\",method=\"Get\"} 6\n");
	expect_none(f, "entries{db=\"other\"}");
	expect_none(f, "entries{db=\"third\"}");
	/* One that goes makes room. */
	delete (f, "first");
	expect_none(f, "\"first\"");
	expect(f, "immudb_number_of_stored_entries{db=\"other\"} 1\n");
	expect(f, "immudb_number_of_stored_entries{db=\"(other)\"} 2\n");
}

static void
no_histograms(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);

	expect(f, " histogram\n");
	stop(f);
	options.histograms = false;
	start(f, &options);
	assert_int_equal(open_session(f, "defaultdb"), IM_OK);
	set_and_get(f);
	expect_none(f, " histogram\n");
	expect_none(f, "_bucket{");
	expect(f, "immudb_database_requests_total{db=\"defaultdb\",method=\"Get\"} 2\n");
	expect(f, "immudb_log_syncs_total{db=\"defaultdb\"} ");
}

static void
refusals_by_reason(void **state)
{
	struct fixture *f = *state;
	M(KeyRequest) get = IMMUDB__SCHEMA__KEY_REQUEST__INIT;

	expect(f, "immudb_auth_failures_total{reason=\"credentials\"} 0\n");
	assert_int_equal(login(f, "immudb", "wrong-password"), IM_ERR_CREDENTIALS);
	expect(f, "immudb_auth_failures_total{reason=\"credentials\"} 1\n");
	get.key = message_data(bytes_str("k"));
	assert_int_equal(ask(f, RPC_METHOD_Get, &get.base, NULL), IM_ERR_NOT_LOGGED_IN);
	expect(f, "immudb_auth_failures_total{reason=\"session\"} 1\n");
	expect(f, "immudb_auth_failures_total{reason=\"permission\"} 0\n");
}

static int
release_page(void **state)
{
	(void)state;
	buf_free(&page);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		requests_by_database_and_method, fixture_started, fixture_remove),
	    cmocka_unit_test_setup_teardown(rows_are_bounded, fixture_started, fixture_remove),
	    cmocka_unit_test_setup_teardown(no_histograms, fixture_started, fixture_remove),
	    cmocka_unit_test_setup_teardown(refusals_by_reason, fixture_started, fixture_remove),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("server_metrics", tests, NULL, release_page);
}
