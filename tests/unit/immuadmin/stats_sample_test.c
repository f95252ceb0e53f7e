/* Metrics text as numbers: what is taken, what is left alone, and text that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stats_sample.h"

static struct arena arena;

static enum im_err
parse(const char *text, struct stats_sample *out)
{
	arena_free(&arena);
	arena_init(&arena, 1 << 20);
	return stats_sample_parse(bytes_str(text), &arena, out);
}

static void
numbers_are_taken(void **state)
{
	struct stats_sample s;

	(void)state;
	assert_int_equal(parse("# HELP immudb_uptime_hours Hours.\n"
			       "immudb_uptime_hours 1.5\n"
			       "something_else{a=\"b\"} 7\n"
			       "immudb_db_size_bytes{db=\"one\"} 4096\n"
			       "immudb_last_committed_trx_id{db=\"two\"} 12\n"
			       "immudb_last_committed_trx_id{db=\"one\"} 3\n"
			       "immudb_request_duration_seconds_sum{method=\"Get\"} 0.5\n"
			       "immudb_request_duration_seconds_count{method=\"Get\"} 10\n"
			       "immudb_request_duration_seconds_count{method=\"Set\"} 0\n"
			       "immudb_rpc_connections 3",
			     &s),
	    IM_OK);
	assert_true(s.uptime_hours > 1.49 && s.uptime_hours < 1.51);
	assert_true(s.connections > 2.9 && s.connections < 3.1);
	assert_int_equal(s.databases_len, 2);
	assert_string_equal(s.databases[0].name, "one");
	assert_int_equal((int)s.databases[0].size_bytes, 4096);
	assert_int_equal((int)s.databases[0].transactions, 3);
	assert_int_equal((int)s.databases[1].transactions, 12);
	assert_int_equal(s.methods_len, 1);
	assert_int_equal((int)stats_method_find(&s, "Get")->count, 10);
	assert_null(stats_method_find(&s, "Set"));
}

static void
odd_text_is_survived(void **state)
{
	static const char *const texts[] = {"", "\n\n", "immudb_uptime_hours",
	    "immudb_uptime_hours x", "immudb_db_size_bytes{db=\"one",
	    "immudb_db_size_bytes{db=\"one\" 1", "immudb_db_size_bytes{", "<html>not found</html>",
	    "{} 1"};
	struct stats_sample s;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_int_equal(parse(texts[i], &s), IM_ERR_FORMAT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_are_taken),
	    cmocka_unit_test(odd_text_is_survived),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
