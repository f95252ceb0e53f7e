/* Which names of a backup are safe, and what they become. */
#include "../temp_dir.h"
#include "cold_names.h"

static void
assert_clean(const char *name, const char *expected)
{
	char out[COLD_PATH_MAX];

	assert_int_equal(cold_name_clean(bytes_str(name), out), IM_OK);
	assert_string_equal(out, expected);
}

static void
assert_refused(struct bytes name)
{
	char out[COLD_PATH_MAX];

	assert_int_equal(cold_name_clean(name, out), IM_ERR_FORMAT);
	assert_non_null(strstr(err_detail(IM_ERR_FORMAT), "unsafe name"));
}

static void
test_names_are_made_plain(void **state)
{
	(void)state;
	assert_clean(".", "");
	assert_clean("./", "");
	assert_clean("./a", "a");
	assert_clean("a//b/./c/", "a/b/c");
	assert_clean("...", "...");
	assert_clean("..a/b..", "..a/b..");
	assert_clean(" ", " ");
}

static void
test_names_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const names[] = {"", "/", "/etc/passwd", "//a", "..", "../a", "a/..",
	    "a/../b", "./../a", "a/../../b", "../"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_refused(bytes_str(names[i]));
}

static void
test_control_characters_are_refused_and_not_shown(void **state)
{
	static const char *const names[] = {"a\nb", "a\033[2Jb", "\177", "a/\001"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		assert_refused(bytes_str(names[i]));
		assert_null(strpbrk(err_detail(IM_ERR_FORMAT), "\n\033\177\001"));
	}
	assert_refused(bytes_of("a\0b", 3));
}

static void
test_limits(void **state)
{
	char name[2 * COLD_PATH_MAX], out[COLD_PATH_MAX];

	(void)state;
	memset(name, 'a', sizeof name);
	assert_int_equal(cold_name_clean(bytes_of(name, COLD_NAME_MAX), out), IM_OK);
	assert_int_equal(strlen(out), COLD_NAME_MAX);
	assert_refused(bytes_of(name, COLD_NAME_MAX + 1));
	for (size_t i = 0; i < sizeof name; i += 2)
		name[i + 1] = '/';
	assert_int_equal(cold_name_clean(bytes_of(name, 2 * (size_t)COLD_DEPTH_MAX), out), IM_OK);
	assert_refused(bytes_of(name, 2 * (size_t)COLD_DEPTH_MAX + 1));
	memset(name, 'a', sizeof name);
	for (size_t i = 200; i < sizeof name; i += 201)
		name[i] = '/';
	assert_int_equal(cold_name_clean(bytes_of(name, COLD_PATH_MAX - 1), out), IM_OK);
	assert_int_equal(strlen(out), COLD_PATH_MAX - 1);
	assert_refused(bytes_of(name, COLD_PATH_MAX));
	assert_refused(bytes_of(name, sizeof name));
	assert_in_range(strlen(err_detail(IM_ERR_FORMAT)), 1, 2 * COLD_NAME_SHOWN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names_are_made_plain),
	    cmocka_unit_test(test_names_that_lead_elsewhere_are_refused),
	    cmocka_unit_test(test_control_characters_are_refused_and_not_shown),
	    cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
