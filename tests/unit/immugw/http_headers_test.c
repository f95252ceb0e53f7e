/* What headers mean, and what they must not be taken for. */
#include "http_headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void
test_token(void **state)
{
	static const char *const rows[][2] = {
	    {"", ""},
	    {"   ", ""},
	    {"abc", "abc"},
	    {"Bearer abc", "abc"},
	    {"bearer \t abc ", "abc"},
	    {"BEARER a.b-c_d=", "a.b-c_d="},
	    {"Bearerabc", "Bearerabc"},
	};
	struct bytes token;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(http_token_read(bytes_str(rows[i][0]), &token), IM_OK);
		if (!bytes_equal(token, bytes_str(rows[i][1])))
			fail_msg("%s", rows[i][0]);
	}
}

static void
test_token_refused(void **state)
{
	static const char *const rows[] = {"Basic YTpi", "Bearer", "Bearer ", "bearer a b", "a\tb",
	    "a\x01", "\xc3\xa9", "Bearer a\x7f"};
	static char longest[HTTP_TOKEN_MAX + 2];
	struct bytes token;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (http_token_read(bytes_str(rows[i]), &token) != IM_ERR_NOT_LOGGED_IN)
			fail_msg("%s", rows[i]);
		assert_int_equal(token.len, 0);
	}
	memset(longest, 'a', sizeof longest - 1);
	assert_int_equal(http_token_read(bytes_str(longest), &token), IM_ERR_NOT_LOGGED_IN);
	assert_int_equal(http_token_read(bytes_of(longest, HTTP_TOKEN_MAX), &token), IM_OK);
	assert_int_equal(http_token_read(bytes_of("a\0b", 3), &token), IM_ERR_NOT_LOGGED_IN);
	http_token_read(bytes_str("secret secret"), &token);
	assert_null(strstr(err_detail(IM_ERR_NOT_LOGGED_IN), "secret"));
}

struct accept_row {
	const char *accept;
	bool wants_lines;
};

static void
test_accept(void **state)
{
	static const struct accept_row rows[] = {
	    {"", false},
	    {"*/*", false},
	    {"application/json", false},
	    {"application/x-ndjson", true},
	    {"Application/NDJSON", true},
	    {"application/jsonl;q=0.1", true},
	    {"application/json, application/x-ndjson", true},
	    {"application/json;q=0.9 , application/x-ndjson;q=0.5", false},
	    {"application/json; q=0.5,application/x-ndjson; q=0.9", true},
	    {"application/x-ndjson;q=0", false},
	    {"application/x-ndjson;q=x", false},
	    {"application/x-ndjson;q=2", false},
	    {"application/x-ndjson;q=0.0001", false},
	    {"application/x-ndjson;charset=utf-8;q=1.000", true},
	    {"application/x-ndjsonx", false},
	    {",,;;=,", false},
	    {"application/x-ndjson;q=", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (http_wants_lines(bytes_str(rows[i].accept)) != rows[i].wants_lines)
			fail_msg("%s", rows[i].accept);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_token),
	    cmocka_unit_test(test_token_refused),
	    cmocka_unit_test(test_accept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
