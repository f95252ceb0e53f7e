/* The YAML reader: what it takes, what it refuses and where, and its limits. */
#include "util_testing.h"

#include "util/yaml_config.h"

static struct config_doc doc;

static enum im_err
parse(const char *text)
{
	config_doc_free(&doc);
	return yaml_config_parse(bytes_str(text), &doc);
}

static const struct config_entry *
entry(const char *key)
{
	const struct config_entry *e = config_doc_find(&doc, key);

	assert_non_null(e);
	return e;
}

static void
values_are_typed_and_flat(void **state)
{
	(void)state;
	assert_ok(
	    parse("# comment\nport: 3322\ndir: ./data\nauth: True\nquoted: \"true\"\n"
		  "ratio: 0.5\nempty:\nnull1: ~\nhex: 0x10\nwait: 5m\nunder: 1_000\n"
		  "audit:\n  interval: 10s\n  list: [a, 'b', 3]\nlast: >\n  folded\n  text\n"));
	assert_int_equal(entry("port")->type, CONFIG_INT);
	assert_int_equal(entry("port")->integer, 3322);
	assert_int_equal(entry("port")->line, 2);
	assert_string_equal(entry("dir")->text, "./data");
	assert_true(entry("auth")->boolean);
	assert_string_equal(entry("auth")->text, "true");
	assert_int_equal(entry("quoted")->type, CONFIG_STRING);
	assert_true(entry("ratio")->real == 0.5);
	assert_string_equal(entry("empty")->text, "");
	assert_string_equal(entry("null1")->text, "");
	assert_int_equal(entry("hex")->integer, 16);
	assert_string_equal(entry("wait")->text, "5m");
	assert_int_equal(entry("under")->type, CONFIG_STRING);
	assert_string_equal(entry("audit.interval")->text, "10s");
	assert_int_equal(entry("audit.list")->item_count, 3);
	assert_string_equal(entry("audit.list")->items[2], "3");
	assert_string_equal(entry("last")->text, "folded text\n");
}

static void
an_empty_file_says_nothing(void **state)
{
	static const char *const empty[] = {"", "\n", "# only a comment\n", "---\n", "--- {}\n"};

	(void)state;
	for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
		assert_ok(parse(empty[i]));
		assert_int_equal(doc.count, 0);
	}
}

static void
errors_say_where(void **state)
{
	static const struct {
		const char *text, *where, *what;
	} bad[] = {
	    {"a: 1\na: 2\n", "2:1: a: ", "twice"},
	    {"a: 1\nb: {c: 1}\nb: {d: 1}\n", "3:1: b: ", "twice"},
	    {"a: &x 1\n", "1:4: a: ", "anchor"},
	    {"a: *x\n", "1:4: ", ""},
	    {"a: &x [1]\nb: *x\n", "1:4: ", "anchor"},
	    {"a: !!int 1\n", "1:4: ", "tags"},
	    {"a: [[1]]\n", "1:5: ", "plain value"},
	    {"a: [{b: 1}]\n", "1:5: ", "plain value"},
	    {"- a\n", "1:1: ", "key: value"},
	    {"text\n", "1:1: ", "key: value"},
	    {"a: 1\n---\nb: 2\n", "2:", "document"},
	    {"a.b: 1\n", "1:1: ", "dot"},
	    {"? [x]\n: 1\n", "1:3: ", "key"},
	    {"a: \"x\n", "", ""},
	    {"a: 99999999999999999999\n", "1:4: a: ", "range"},
	    {"a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}\n", "1:", "deep"},
	    {"a: \"\\0\"\n", "1:4: ", "NUL"},
	    {"a: \xff\n", "", ""},
	    {"a: [", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_err(IM_ERR_CONFIG, parse(bad[i].text));
		assert_true(
		    strncmp(err_detail(IM_ERR_CONFIG), bad[i].where, strlen(bad[i].where)) == 0);
		assert_has(err_detail(IM_ERR_CONFIG), bad[i].what);
	}
}

static void
limits_hold(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4 * CONFIG_MAX_BYTES);
	for (unsigned i = 0; i <= CONFIG_MAX_ENTRIES; i++)
		buf_printf(&b, "k%u: %u\n", i, i);
	assert_err(IM_ERR_CONFIG, parse(buf_text(&b)));
	buf_clear(&b);
	while (b.len <= CONFIG_MAX_BYTES)
		buf_append_str(&b, "# comment\n");
	assert_err(IM_ERR_LIMIT, parse(buf_text(&b)));
	buf_free(&b);
}

static int
setup(void **state)
{
	(void)state;
	config_doc_init(&doc);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	config_doc_free(&doc);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_are_typed_and_flat),
	    cmocka_unit_test(an_empty_file_says_nothing),
	    cmocka_unit_test(errors_say_where),
	    cmocka_unit_test(limits_hold),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
