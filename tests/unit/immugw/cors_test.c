/* Which origins browsers are told of, and which names are origins at all. */
#include "cors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "routes.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const char *const some[] = {"https://app.example", "http://localhost:3000"};
static const char *const every[] = {"*"};

/* What is said to a page of that origin. */
static bool
allows(const char *const *origins, size_t count, const char *origin, const char *expected)
{
	const struct cors cors = {origins, count};
	struct buf b;
	bool allowed, said;

	buf_init(&b, 4096);
	buf_append_str(&b, "\r\n");
	allowed = cors_append(&b, &cors, origin);
	said = memmem(b.data, b.len, "Access-Control-Allow-Origin", 27) != NULL;
	assert_int_equal(said, allowed && origin && count);
	if (expected)
		assert_non_null(memmem(b.data, b.len, expected, strlen(expected)));
	buf_free(&b);
	return allowed;
}

static void
test_allowed(void **state)
{
	(void)state;
	assert_true(
	    allows(some, 2, "https://app.example", "Allow-Origin: https://app.example\r\n"));
	assert_true(allows(some, 2, "http://localhost:3000", "Vary: Origin\r\n"));
	assert_true(allows(every, 1, "https://any.example", "Allow-Origin: *\r\n"));
	assert_true(allows(some, 2, NULL, NULL));
	assert_true(allows(NULL, 0, NULL, NULL));
	assert_false(allows(NULL, 0, "https://app.example", NULL));
	assert_false(allows(some, 2, "", NULL));
	assert_false(allows(some, 2, "null", NULL));
	assert_false(allows(some, 2, "http://app.example", NULL));
	assert_false(allows(some, 2, "https://app.example.evil.example", NULL));
	assert_false(allows(some, 2, "https://app.exampl", NULL));
	assert_false(allows(some, 2, "https://app.example:443", NULL));
}

static void
test_preflight(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	cors_append_preflight(&b, ROUTE_POST);
	assert_non_null(memmem(b.data, b.len, "Allow: POST, OPTIONS\r\n", 22));
	assert_non_null(memmem(b.data, b.len, "Allow-Headers: Authorization", 28));
	buf_free(&b);
}

static void
test_origins(void **state)
{
	static const char *const good[] = {"*", "https://app.example", "http://127.0.0.1:3000",
	    "https://b-c.example:8443", "http://[::1]:80", "http://[::1]"};
	static const char *const bad[] = {"", "app.example", "https://", "https://app.example/",
	    "https://app.example/path", "ftp://app.example", "https://*.example",
	    "https://a,https://b", "https://app.example:", "https://app.example:port",
	    "https://user@app.example", "https://[::1", "https://[]", "https://a b",
	    "http://[::1]x", "null", "https://a\r\nX: y"};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (cors_check_origin(good[i]) != IM_OK)
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (cors_check_origin(bad[i]) != IM_ERR_CONFIG)
			fail_msg("%s", bad[i]);
	assert_non_null(strstr(err_detail(IM_ERR_CONFIG), "is no origin"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_allowed),
	    cmocka_unit_test(test_preflight),
	    cmocka_unit_test(test_origins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
