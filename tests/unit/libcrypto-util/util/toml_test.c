/* The TOML reader: what it takes, what it refuses and where, and its limits. */
#include "util_testing.h"

#include "util/toml.h"

static struct config_doc doc;

static enum im_err
parse(const char *text)
{
	config_doc_free(&doc);
	return toml_parse(bytes_str(text), &doc);
}

static const char *
value(const char *key)
{
	const struct config_entry *e = config_doc_find(&doc, key);

	assert_non_null(e);
	return e->text;
}

static int64_t
number(const char *key)
{
	const struct config_entry *e = config_doc_find(&doc, key);

	assert_non_null(e);
	assert_int_equal(e->type, CONFIG_INT);
	return e->integer;
}

static void
a_file_as_shipped(void **state)
{
	(void)state;
	assert_ok(parse("dir = \"./data\"\n"
			"port = 3322 # comment\n"
			"mtls = false\n"
			"pidfile = \"\"\r\n"
			"admin-password = \"immudb\" # this # is only used once\n"
			"signingKey = ''"));
	assert_int_equal(doc.count, 6);
	assert_string_equal(value("dir"), "./data");
	assert_int_equal(number("port"), 3322);
	assert_int_equal(config_doc_find(&doc, "mtls")->type, CONFIG_BOOL);
	assert_false(config_doc_find(&doc, "mtls")->boolean);
	assert_string_equal(value("pidfile"), "");
	assert_string_equal(value("admin-password"), "immudb");
	assert_int_equal(config_doc_find(&doc, "signingKey")->line, 6);
	assert_null(config_doc_find(&doc, "none"));
}

static void
tables_and_dotted_keys_are_flat(void **state)
{
	(void)state;
	assert_ok(parse("\xef\xbb\xbf# first\n\n a.b = 1\n[t]\nx = 2\n\"y z\" = 3\n"
			"[ t . \"sub\" ]# c\n 'x' . k = 4\n"));
	assert_int_equal(number("a.b"), 1);
	assert_int_equal(number("t.x"), 2);
	assert_int_equal(number("t.y z"), 3);
	assert_int_equal(number("t.sub.x.k"), 4);
	assert_int_equal(config_doc_find(&doc, "t.sub.x.k")->line, 8);
	assert_int_equal(config_doc_find(&doc, "t.sub.x.k")->column, 2);
}

static void
numbers(void **state)
{
	(void)state;
	assert_ok(parse("a = +1_000\nb = -9223372036854775808\nc = 0xDead_beef\nd = 0o755\n"
			"e = 0b1010\nf = 0\ng = 3.25\nh = -1e3\ni = 6.02_2e+2\nj = -0\n"));
	assert_int_equal(number("a"), 1000);
	assert_true(number("b") == INT64_MIN);
	assert_true(number("c") == 0xdeadbeef);
	assert_int_equal(number("d"), 0755);
	assert_int_equal(number("e"), 10);
	assert_int_equal(number("j"), 0);
	assert_true(config_doc_find(&doc, "g")->real == 3.25);
	assert_true(config_doc_find(&doc, "h")->real == -1000);
	assert_true(config_doc_find(&doc, "i")->real == 602.2);
}

static void
strings_and_escapes(void **state)
{
	(void)state;
	assert_ok(parse("a = \"q\\\" b\\\\ n\\n t\\t u\\u00fc U\\U0001F600\"\nb = 'c:\\n\\'\n"
			"c = \"gr\xc3\xbc\xc3\x9f # no comment\"\n"));
	assert_string_equal(value("a"), "q\" b\\ n\n t\t u\xc3\xbc U\xf0\x9f\x98\x80");
	assert_string_equal(value("b"), "c:\\n\\");
	assert_string_equal(value("c"), "gr\xc3\xbc\xc3\x9f # no comment");
}

static void
arrays(void **state)
{
	const struct config_entry *e;
	char many[1000] = "a = [";

	(void)state;
	assert_ok(parse("a = [ \"x\", # one\n  'y'\n , \"z\", ]\nb = []\nc = [1, 2]\n"));
	e = config_doc_find(&doc, "a");
	assert_int_equal(e->type, CONFIG_ARRAY);
	assert_int_equal(e->item_count, 3);
	assert_string_equal(e->items[0], "x");
	assert_string_equal(e->items[2], "z");
	assert_int_equal(config_doc_find(&doc, "b")->item_count, 0);
	assert_string_equal(config_doc_find(&doc, "c")->items[1], "2");
	for (int i = 0; i < 100; i++)
		snprintf(many + strlen(many), sizeof many - strlen(many), "%d,", i);
	strcat(many, "]");
	assert_ok(parse(many));
	assert_int_equal(config_doc_find(&doc, "a")->item_count, 100);
	assert_string_equal(config_doc_find(&doc, "a")->items[99], "99");
}

static void
errors_say_where(void **state)
{
	static const struct {
		const char *text, *where, *what;
	} bad[] = {
	    {"a = 1\nb\n", "2:2: b: ", "expected ="},
	    {"a = 1\na = 2\n", "2:", "twice"},
	    {"a = 1\n[a]\n", "2:", "already"},
	    {"a = 1\na.b = 2\n", "2:", "twice"},
	    {"[t]\n[t]\n", "2:", "twice"},
	    {"[t.a]\nb=1\n[t]\na=1\n", "4:", "twice"},
	    {"a = \n", "1:5: a: ", "expected a value"},
	    {"a = hello\n", "1:5: ", "expected a value"},
	    {"a = 1 2\n", "1:7: a: ", "end of the line"},
	    {"a = \"x\n", "1:", "closing quote"},
	    {"a = \"x", "1:", "closing quote"},
	    {"a = \"\\x\"\n", "1:", "escape"},
	    {"a = \"\\u00\"\n", "1:", "hexadecimal"},
	    {"a = \"\\u0000\"\n", "1:", "not allowed"},
	    {"a = \"\\ud800\"\n", "1:", "not allowed"},
	    {"a = \"\"\"x\"\"\"\n", "1:5: ", "several lines"},
	    {"a = {b = 1}\n", "1:5: ", "inline tables"},
	    {"a = [[1]]\n", "1:6: ", "nested"},
	    {"[[a]]\n", "1:2: ", "arrays of tables"},
	    {"a = 2024-02-29\n", "1:5: ", "dates"},
	    {"a = 12:00:00\n", "1:5: ", "dates"},
	    {"a = 9223372036854775808\n", "1:5: ", "range"},
	    {"a = 1e999\n", "1:5: ", "range"},
	    {"a = 007\n", "1:5: ", "expected a value"},
	    {"a = 1__0\n", "1:5: ", "expected a value"},
	    {"a = 0x\n", "1:5: ", "expected a value"},
	    {"a = -0x1\n", "1:5: ", "expected a value"},
	    {"a = 1.\n", "1:5: ", "expected a value"},
	    {"a = [1\n", "2:1: ", "expected , or ]"},
	    {"= 1\n", "1:1: ", "expected a key"},
	    {"a. = 1\n", "1:", "expected a key"},
	    {"\"a.b\" = 1\n", "1:1: ", "dot"},
	    {"[a\n", "1:3: ", "expected ]"},
	    {"a = 1\nb = \"\x01\"\n", "2:", "control character"},
	    {"# \x7f\n", "1:", "control character"},
	    {"a = 1\n  \xff\n", "2:3: ", "UTF-8"},
	    {"a.b.c.d.e.f.g.h.i = 1\n", "1:", "deep"},
	    {"a = 1\rb = 2\n", "1:", "end of the line"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_err(IM_ERR_CONFIG, parse(bad[i].text));
		assert_true(
		    strncmp(err_detail(IM_ERR_CONFIG), bad[i].where, strlen(bad[i].where)) == 0);
		assert_has(err_detail(IM_ERR_CONFIG), bad[i].what);
	}
	assert_err(IM_ERR_CONFIG, parse("password = hunter2\n"));
	assert_lacks(err_detail(IM_ERR_CONFIG), "hunter2");
}

static void
limits_hold(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4 * CONFIG_MAX_BYTES);
	for (unsigned i = 0; i <= CONFIG_MAX_ENTRIES; i++)
		buf_printf(&b, "k%u = %u\n", i, i);
	assert_err(IM_ERR_CONFIG, parse(buf_text(&b)));
	assert_int_equal(doc.count, CONFIG_MAX_ENTRIES);
	buf_clear(&b);
	while (b.len <= CONFIG_MAX_BYTES)
		buf_append_str(&b, "# comment\n");
	assert_err(IM_ERR_LIMIT, parse(buf_text(&b)));
	buf_clear(&b);
	for (unsigned i = 0; i < CONFIG_MAX_KEY; i++)
		buf_append_str(&b, "k");
	buf_append_str(&b, " = 1");
	assert_err(IM_ERR_CONFIG, parse(buf_text(&b)));
	buf_free(&b);
}

/* Every beginning of a good file either parses or is refused; nothing is read past its end. */
static void
every_prefix_is_safe(void **state)
{
	static const char text[] =
	    "a = \"x\\u00fc\" # c\r\n[t]\nb = [1, 'y', # z\n 0x1f]\nc.d = -1.5e3\n";

	(void)state;
	for (size_t n = 0; n < sizeof text; n++) {
		uint8_t *copy = (uint8_t *)malloc(n ? n : 1);

		assert_non_null(copy);
		memcpy(copy, text, n);
		config_doc_free(&doc);
		(void)toml_parse(bytes_of(copy, n), &doc);
		free(copy);
	}
	assert_ok(parse(text));
}

static int
teardown(void **state)
{
	(void)state;
	config_doc_free(&doc);
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	config_doc_init(&doc);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_file_as_shipped),
	    cmocka_unit_test(tables_and_dotted_keys_are_flat),
	    cmocka_unit_test(numbers),
	    cmocka_unit_test(strings_and_escapes),
	    cmocka_unit_test(arrays),
	    cmocka_unit_test(errors_say_where),
	    cmocka_unit_test(limits_hold),
	    cmocka_unit_test(every_prefix_is_safe),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
