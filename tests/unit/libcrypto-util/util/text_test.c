/* UTF-8, escaping, numbers as text, likeness of words. */
#include "util_testing.h"

#include <math.h>

#include "util/text.h"

static void
utf8_is_strict(void **state)
{
	static const char *const good[] = {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
	    "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
	    "gr\xc3\xbc\xc3\x9f"};
	static const char *const bad[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf",
	    "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc2",
	    "\xe2\x82", "\xf0\x90\x80", "\xff", "\xc2\x41", "\xe2\x82\x41"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(text_utf8_valid(bytes_str(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(text_utf8_valid(bytes_str(bad[i])));
	assert_true(text_utf8_valid(bytes_of("a\0b", 3)));
	assert_int_equal(text_columns(bytes_str("gr\xc3\xbc\xc3\x9f")), 4);
}

static void
nothing_printable_steers_a_terminal(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	text_append_printable(&b, bytes_str("a\n\r\t\033[31m\x7f\xc2\x9b\xff\\ gr\xc3\xbc"));
	assert_string_equal(buf_text(&b), "a\\n\\r\\t\\x1b[31m\\x7f\\xc2\\x9b\\xff\\ gr\xc3\xbc");
	buf_clear(&b);
	text_append_printable(&b, bytes_of("\0", 1));
	assert_string_equal(buf_text(&b), "\\x00");
	buf_free(&b);
}

static void
json_strings_are_always_valid(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	text_append_json(&b, bytes_str("\"\\/\n\t\r\001\x7f\xc2\x85\xff\xe2\x82 gr\xc3\xbc"));
	assert_string_equal(buf_text(&b),
	    "\"\\\"\\\\/\\n\\t\\r\\u0001\\u007f\\u0085\\ufffd\\ufffd\\ufffd gr\xc3\xbc\"");
	buf_clear(&b);
	text_append_json(&b, bytes_of("a\0", 2));
	assert_string_equal(buf_text(&b), "\"a\\u0000\"");
	buf_free(&b);
}

static void
doubles_come_back(void **state)
{
	static const double values[] = {0, 1, -1, 0.1, 1.0 / 3, 1e300, 5e-324, 1590757033.502689,
	    9007199254740993.0, 123456789.125};
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		buf_clear(&b);
		text_append_double(&b, values[i]);
		assert_true(strtod(buf_text(&b), NULL) == values[i]);
	}
	buf_clear(&b);
	text_append_double(&b, 0.1);
	assert_string_equal(buf_text(&b), "0.1");
	buf_clear(&b);
	text_append_double(&b, NAN);
	text_append_double(&b, INFINITY);
	text_append_double(&b, -INFINITY);
	assert_string_equal(buf_text(&b), "NaN+Inf-Inf");
	buf_free(&b);
}

static void
likeness_of_words(void **state)
{
	char longer[200];

	(void)state;
	assert_int_equal(text_distance("port", "port"), 0);
	assert_int_equal(text_distance("Port", "port"), 0);
	assert_int_equal(text_distance("prot", "port"), 1);
	assert_int_equal(text_distance("pot", "port"), 1);
	assert_int_equal(text_distance("kitten", "sitting"), 3);
	assert_int_equal(text_distance("", "abc"), 3);
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	assert_int_equal(text_distance(longer, "x"), sizeof longer - 1);
	assert_true(text_list_has("a,bc,d", "bc"));
	assert_true(text_list_has("a,bc,d", "d"));
	assert_false(text_list_has("a,bc,d", "b"));
	assert_false(text_list_has("a,bc,d", ""));
	assert_false(text_list_has("a,bc,d", "a,bc"));
	assert_false(text_list_has(NULL, "a"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(utf8_is_strict),
	    cmocka_unit_test(nothing_printable_steers_a_terminal),
	    cmocka_unit_test(json_strings_are_always_valid),
	    cmocka_unit_test(doubles_come_back),
	    cmocka_unit_test(likeness_of_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
