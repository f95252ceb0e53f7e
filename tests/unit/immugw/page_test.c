/*
 * The page's files are whole, ask for nothing outside, and carry no script or style but their own
 * files.
 */
#include "page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "routes.h"
#include "util/file.h"

#define FILE_MAX (1u << 20)

static bool
holds(struct bytes text, const char *word)
{
	return memmem(text.data, text.len, word, strlen(word)) != NULL;
}

static void
check_file(const char *path, const char *source, const char *type)
{
	struct page_file file;
	struct buf content;
	char name[512];

	assert_true(page_find(path, &file));
	assert_non_null(strstr(file.content_type, type));
	snprintf(name, sizeof name, "%s/immugw/page/%s", TEST_SOURCE_DIR, source);
	buf_init(&content, FILE_MAX);
	assert_int_equal(file_read(name, FILE_MAX, &content), IM_OK);
	assert_true(bytes_equal(file.content, buf_bytes(&content)));
	/*
	 * Nothing from another host, nothing that the policy would refuse, no way for markup to get
	 * in.
	 */
	assert_false(holds(file.content, "http:") || holds(file.content, "https:"));
	assert_false(holds(file.content, "innerHTML") || holds(file.content, "eval("));
	assert_false(holds(file.content, " style=") || holds(file.content, "onclick="));
	assert_false(holds(file.content, "<style") || holds(file.content, "<script>"));
	assert_false(holds(file.content, "Storage") || holds(file.content, "cookie"));
	buf_free(&content);
}

static void
test_files(void **state)
{
	(void)state;
	check_file("/", "page.html", "text/html");
	check_file("/page.js", "page.js", "text/javascript");
	check_file("/page.css", "page.css", "text/css");
}

static void
test_unknown(void **state)
{
	struct page_file file;

	(void)state;
	assert_false(page_find("/page.html", &file));
	assert_false(page_find("", &file));
	assert_false(page_find("/../page.js", &file));
}

/* Each file has its row, so that a request finds it. */
static void
test_routes(void **state)
{
	static const char *const paths[] = {"/", "/page.js", "/page.css", "/openapi.json"};
	struct route_match m;

	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		assert_int_equal(route_find("GET", bytes_str(paths[i]), &m), ROUTE_FOUND);
		assert_true(m.route->flags & ROUTE_LOCAL);
	}
}

static void
test_policy(void **state)
{
	struct bytes policy = bytes_str(page_policy);

	(void)state;
	assert_true(bytes_has_prefix(policy, bytes_str("default-src 'none';")));
	assert_false(holds(policy, "unsafe") || holds(policy, "*"));
	assert_true(holds(policy, "frame-ancestors 'none'"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_files),
	    cmocka_unit_test(test_unknown),
	    cmocka_unit_test(test_routes),
	    cmocka_unit_test(test_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
