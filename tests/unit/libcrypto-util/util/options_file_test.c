/* A file of settings that is written is read back as the same. */
#include "util_testing.h"

#include <limits.h>

#include "util/options.h"

static int
no_run(struct command_call *call)
{
	(void)call;
	return 0;
}

static const struct option_def table[] = {
    {.name = "port", .type = OPTION_INT, .default_text = "3322", .max = 65535, .help = "Port"},
    {.name = "size", .type = OPTION_SIZE, .default_text = "32MiB", .help = "Size"},
    {.name = "interval", .type = OPTION_DURATION, .default_text = "5m", .help = "Interval"},
    {.name = "on", .type = OPTION_BOOL, .help = "Whether it is on"},
    {.name = "form",
	.type = OPTION_ENUM,
	.choices = "text,json",
	.default_text = "text",
	.help = "F"},
    {.name = "key", .type = OPTION_PATH, .help = "Key"},
    {.name = "keys", .type = OPTION_LIST, .value_name = "FILE", .help = "Keys"},
    {.name = "names", .type = OPTION_LIST, .help = "Names"},
    {.name = "text",
	.type = OPTION_STRING,
	.help =
	    "A help text of many words that goes on and on until it does not fit into a line any "
	    "more and is wrapped"},
    {.name = "secret", .type = OPTION_SECRET, .default_text = "immudb", .help = "Secret"},
    {.name = "secret-file", .type = OPTION_SECRET_FILE, .target = "secret", .help = "Its file"},
    {.name = "once", .type = OPTION_BOOL, .flags = OPTION_FLAG_ONLY, .help = "Never in a file"},
    {.name = "inner", .type = OPTION_BOOL, .flags = OPTION_HIDDEN, .help = "Hidden"},
};

static const struct option_def verb_table[] = {
    {.name = "yes", .type = OPTION_BOOL, .help = "Ask nothing"},
};

static const struct command verbs[] = {
    {.name = "verb", .flags_only = true, .options = verb_table, .option_count = 1, .run = no_run}};

static const struct command root = {.name = "prog",
    .options = table,
    .option_count = sizeof table / sizeof *table,
    .commands = verbs,
    .command_count = 1,
    .run = no_run};

static const struct program program = {
    .root = &root, .env_prefix = "T_", .version = "1", .config_folder = "/nonexistent"};

static const char *const nothing_left_out[] = {NULL};

static struct options *
load(const char *const *argv)
{
	static const char *const env[] = {"T_PORT=1", NULL};
	char *copies[24];
	struct options *o;
	int argc = 0;

	for (; argv[argc]; argc++)
		assert_non_null(copies[argc] = strdup(argv[argc]));
	copies[argc] = NULL;
	assert_ok(options_load(&program, argc, copies, (char *const *)env, &o));
	while (argc)
		free(copies[--argc]);
	return o;
}

static void
what_is_set_is_read_back(void **state)
{
	const char *argv[] = {"prog", "verb", "--port", "7", "--size", "1MiB", "--interval", "90s",
	    "--on", "--form", "json", "--key", "rel/k\"e\\y", "--keys", "a,/b", "--names", "x,y",
	    "--text", "t\t\"", "--secret", "enc:c1wi", "--yes", NULL};
	const char *again[] = {"prog", "verb", "--config", NULL, NULL};
	const char *const *items;
	char path[PATH_MAX + 32], here[PATH_MAX];
	struct options *o = load(argv);
	struct buf b;
	size_t n;

	(void)state;
	buf_init(&b, 65536);
	assert_ok(options_write_file(o, nothing_left_out, &b));
	options_free(o);
	assert_lacks(buf_text(&b), "once");
	assert_lacks(buf_text(&b), "inner");
	assert_lacks(buf_text(&b), "yes");
	assert_lacks(buf_text(&b), "secret-file");
	assert_has(buf_text(&b), "\nport = 7\n");
	again[3] = folder_write(&folder, "prog.toml", buf_text(&b));
	o = load(again);
	assert_non_null(getcwd(here, sizeof here));
	snprintf(path, sizeof path, "%s/rel/k\"e\\y", here);
	assert_int_equal(options_int(o, "port"), 7);
	assert_int_equal(options_size(o, "size"), 1 << 20);
	assert_int_equal(options_duration_ms(o, "interval"), 90000);
	assert_true(options_bool(o, "on"));
	assert_int_equal(options_enum(o, "form"), 1);
	assert_string_equal(options_string(o, "key"), path);
	items = options_list(o, "keys", &n);
	assert_int_equal(n, 2);
	assert_int_equal(items[0][0], '/');
	assert_string_equal(items[1], "/b");
	items = options_list(o, "names", &n);
	assert_string_equal(items[1], "y");
	assert_string_equal(options_string(o, "text"), "t\t\"");
	assert_string_equal(options_string(o, "secret"), "s\\\"");
	options_free(o);
	buf_free(&b);
}

static void
what_is_not_set_is_a_comment(void **state)
{
	static const char *const left_out[] = {"key", "size", NULL};
	const char *argv[] = {"prog", "verb", NULL};
	struct options *o = load(argv);
	struct buf b;

	(void)state;
	buf_init(&b, 65536);
	/* The environment does not count for this command. */
	assert_int_equal(options_int(o, "port"), 3322);
	assert_ok(options_write_file(o, left_out, &b));
	assert_has(buf_text(&b), "\n# Port.\n# port = 3322\n");
	assert_has(buf_text(&b), "# secret = \"\"\n");
	assert_lacks(buf_text(&b), "immudb");
	assert_has(buf_text(&b), "\n# F. One of text, json.\n# form = ");
	assert_lacks(buf_text(&b), "key =");
	assert_lacks(buf_text(&b), "size =");
	assert_has(buf_text(&b), "\n# A help text of many words");
	assert_has(buf_text(&b), "wrapped.\n# text = \"\"\n");
	for (char *line = strtok((char *)b.data, "\n"); line; line = strtok(NULL, "\n")) {
		assert_int_equal(line[0], '#');
		assert_true(strlen(line) <= 100);
	}
	options_free(o);
	buf_free(&b);
}

static void
a_path_that_is_no_text_is_refused(void **state)
{
	const char *argv[] = {"prog", "verb", "--key", "/a\xff", NULL};
	struct options *o = load(argv);
	struct buf b;

	(void)state;
	buf_init(&b, 65536);
	assert_err(IM_ERR_ARGUMENT, options_write_file(o, nothing_left_out, &b));
	options_free(o);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_set_is_read_back),
	    cmocka_unit_test(what_is_not_set_is_a_comment),
	    cmocka_unit_test(a_path_that_is_no_text_is_refused),
	};

	return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
