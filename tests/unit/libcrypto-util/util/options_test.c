/* Options from flags, environment and files, what is refused, and what is printed about them. */
#include "util_testing.h"

#include "util/options.h"

static struct options *opts;

static int
no_run(struct command_call *call)
{
	(void)call;
	return 0;
}

static const struct option_def root_options[] = {
    {.name = "port",
	.short_name = 'p',
	.type = OPTION_INT,
	.default_text = "3322",
	.help = "Port",
	.min = 0,
	.max = 65535},
    {.name = "dir", .type = OPTION_PATH, .default_text = "./data", .help = "Data folder"},
    {.name = "mtls", .short_name = 'm', .type = OPTION_BOOL, .help = "TLS on both sides"},
    {.name = "auth",
	.short_name = 's',
	.type = OPTION_BOOL,
	.default_text = "true",
	.help = "Logins"},
    {.name = "count", .type = OPTION_INT, .max = INT64_MAX, .help = "How many"},
    {.name = "rate",
	.type = OPTION_SIZE,
	.default_text = "1MiB",
	.help = "How fast",
	.min = 4096,
	.max = INT64_MAX},
    {.name = "no-histograms", .type = OPTION_BOOL, .help = "No histograms"},
    {.name = "max-recv-msg-size",
	.type = OPTION_SIZE,
	.default_text = "32MiB",
	.help = "Largest message",
	.min = 4096,
	.max = 1 << 30},
    {.name = "interval",
	.short_name = 'i',
	.type = OPTION_DURATION,
	.default_text = "5m",
	.help = "Interval",
	.min = 1000,
	.max = 86400000,
	.group = "Audit"},
    {.name = "signingKey",
	.type = OPTION_PATH,
	.aliases = "signing-key",
	.env = "T_SIGNING_KEY,T_KEY",
	.help = "Key"},
    {.name = "format",
	.type = OPTION_ENUM,
	.choices = "text,json",
	.default_text = "text",
	.help = "Format"},
    {.name = "admin-password", .type = OPTION_SECRET, .default_text = "immudb", .help = "Password"},
    {.name = "admin-password-file",
	.type = OPTION_SECRET_FILE,
	.target = "admin-password",
	.help = "Password file"},
    {.name = "databases", .type = OPTION_LIST, .help = "Databases"},
    {.name = "inner", .type = OPTION_STRING, .flags = OPTION_HIDDEN, .help = "Hidden thing"},
};

static const struct option_def get_options[] = {
    {.name = "value-only", .type = OPTION_BOOL, .help = "Only the value"},
};

static const struct command user_commands[] = {
    {.name = "list", .aliases = "ls", .summary = "Show all users", .run = no_run},
    {.name = "create", .args = "USER", .min_args = 1, .max_args = 3, .run = no_run},
};

static const struct command commands[] = {
    {.name = "get",
	.aliases = "g",
	.args = "KEY",
	.summary = "Read a key",
	.min_args = 1,
	.max_args = 1,
	.options = get_options,
	.option_count = 1,
	.run = no_run,
	.examples = "prog get k1"},
    {.name = "zadd",
	.min_args = 3,
	.max_args = 3,
	/* The table of another command: its options are the same ones. */
	.options = get_options,
	.option_count = 1,
	.run = no_run},
    {.name = "user",
	.aliases = "u",
	.commands = user_commands,
	.command_count = 2,
	.summary = "Users"},
    {.name = "debug", .hidden = true, .run = no_run, .summary = "Internal thing"},
};

static const struct command root = {.name = "prog",
    .summary = "A program for tests.",
    .help = "It has a description that is long enough to be wrapped over more than one line of a "
	    "terminal with eighty columns.",
    .examples = "prog --port 1   # one\nprog get k1",
    .options = root_options,
    .option_count = sizeof root_options / sizeof *root_options,
    .commands = commands,
    .command_count = sizeof commands / sizeof *commands,
    .run = no_run};

static struct program program = {.root = &root, .env_prefix = "T_", .version = "1.2.3"};

/* Loads with the given words (NULL at the end) and environment. */
static enum im_err
load(const char *const *words, const char *const *env)
{
	static char store[32][256];
	static char *argv[33];
	static char *none[] = {NULL};
	int argc = 0;

	options_free(opts);
	opts = NULL;
	strcpy(store[0], "prog");
	argv[argc++] = store[0];
	for (; words && *words; words++, argc++) {
		strcpy(store[argc], *words);
		argv[argc] = store[argc];
	}
	argv[argc] = NULL;
	return options_load(&program, argc, argv, env ? (char *const *)env : none, &opts);
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void
refused(enum im_err want, const char *const *words, const char *const *env, const char *what)
{
	enum im_err err = load(words, env);

	assert_err(want, err);
	if (!strstr(err_detail(err), what))
		fail_msg("\"%s\" does not say \"%s\"", err_detail(err), what);
}

static const char *
arg(size_t i)
{
	size_t count;
	const char *const *args = options_args(opts, &count);

	assert_true(i <= count);
	return args[i];
}

static size_t
arg_count(void)
{
	size_t count;

	(void)options_args(opts, &count);
	return count;
}

static const char *
warning(void)
{
	size_t count;
	const char *const *texts = options_warnings(opts, &count);

	return count ? texts[0] : "";
}

static void
defaults(void **state)
{
	size_t count = 9;

	(void)state;
	assert_ok(load(NULL, NULL));
	assert_int_equal(options_int(opts, "port"), 3322);
	assert_string_equal(options_string(opts, "dir"), "./data");
	assert_false(options_bool(opts, "mtls"));
	assert_true(options_bool(opts, "auth"));
	assert_int_equal(options_size(opts, "max-recv-msg-size"), 33554432);
	assert_int_equal(options_duration_ms(opts, "interval"), 300000);
	assert_string_equal(options_string(opts, "signingKey"), "");
	assert_int_equal(options_enum(opts, "format"), 0);
	assert_string_equal(options_string(opts, "admin-password"), "immudb");
	(void)options_list(opts, "databases", &count);
	assert_int_equal(count, 0);
	assert_false(options_is_set(opts, "port"));
	assert_ptr_equal(options_command(opts), &root);
	assert_null(options_config_file(opts));
	assert_string_equal(warning(), "");
}

static void
flags_in_every_form(void **state)
{
	size_t count;
	const char *const *list;

	(void)state;
	assert_ok(load(ARGS("--port=1", "--dir", "/x", "-ms=false", "-i", "10s"), NULL));
	assert_int_equal(options_int(opts, "port"), 1);
	assert_string_equal(options_string(opts, "dir"), "/x");
	assert_true(options_bool(opts, "mtls"));
	assert_false(options_bool(opts, "auth"));
	assert_int_equal(options_duration_ms(opts, "interval"), 10000);
	assert_int_equal(options_origin(opts, "port"), OPTION_FROM_FLAG);
	assert_ok(load(ARGS("-p2", "--no-auth", "--no-histograms", "--mtls", "--no-mtls"), NULL));
	assert_int_equal(options_int(opts, "port"), 2);
	assert_false(options_bool(opts, "auth"));
	assert_true(options_bool(opts, "no-histograms"));
	assert_false(options_bool(opts, "mtls"));
	assert_ok(load(ARGS("-msp", "3", "--port", "4", "--format=JSON", "--signing-key=k"), NULL));
	assert_int_equal(options_int(opts, "port"), 4);
	assert_int_equal(options_enum(opts, "format"), 1);
	assert_string_equal(options_string(opts, "signingKey"), "k");
	assert_ok(load(ARGS("--databases=a, b,,c", "--databases", "d"), NULL));
	list = options_list(opts, "databases", &count);
	assert_int_equal(count, 4);
	assert_string_equal(list[1], "b");
	assert_string_equal(list[3], "d");
}

static void
wrong_flags_are_explained(void **state)
{
	(void)state;
	refused(IM_ERR_USAGE, ARGS("--prot=1"), NULL, "unknown flag --prot; did you mean --port?");
	refused(IM_ERR_USAGE, ARGS("--max-recv"), NULL, "did you mean --max-recv-msg-size?");
	refused(IM_ERR_USAGE, ARGS("--completely-else"), NULL, "unknown flag --completely-else");
	assert_lacks(err_detail(IM_ERR_USAGE), "did you mean");
	refused(IM_ERR_USAGE, ARGS("-z"), NULL, "unknown flag -z");
	refused(IM_ERR_USAGE, ARGS("-mz"), NULL, "unknown flag -z");
	refused(IM_ERR_USAGE, ARGS("--port"), NULL, "--port needs a value");
	refused(IM_ERR_USAGE, ARGS("-p"), NULL, "-p needs a value");
	refused(IM_ERR_USAGE, ARGS("--port=abc"), NULL, "\"abc\" for --port: not an integer");
	refused(IM_ERR_USAGE, ARGS("--port=65536"), NULL, "from 0 to 65535");
	refused(IM_ERR_USAGE, ARGS("--count=-1"), NULL, "must be 0 or more");
	refused(IM_ERR_USAGE, ARGS("--port=99999999999999999999"), NULL, "out of range");
	refused(IM_ERR_USAGE, ARGS("--port="), NULL, "not an integer");
	refused(IM_ERR_USAGE, ARGS("--mtls=maybe"), NULL, "neither true nor false");
	refused(IM_ERR_USAGE, ARGS("--no-port"), NULL, "unknown flag --no-port");
	refused(IM_ERR_USAGE, ARGS("--no-auth=true"), NULL, "takes no value");
	refused(IM_ERR_USAGE, ARGS("--format=xml"), NULL, "one of text,json");
	refused(IM_ERR_USAGE, ARGS("--max-recv-msg-size=1"), NULL, "from 4096");
	refused(IM_ERR_USAGE, ARGS("--rate=9223372036854775808"), NULL, "size is too large");
	refused(IM_ERR_USAGE, ARGS("--interval=1ms"), NULL, "from 1s to 24h");
	refused(IM_ERR_USAGE, ARGS("--interval=x"), NULL, "not a duration");
	refused(IM_ERR_USAGE, ARGS("--interval=1s1us"), NULL, "finer than a millisecond");
	refused(IM_ERR_USAGE, ARGS("--value-only"), NULL, "unknown flag --value-only");
	refused(IM_ERR_USAGE, ARGS("-port=7"), NULL, "long flags begin with two dashes");
}

static void
arguments_and_commands(void **state)
{
	(void)state;
	assert_ok(load(ARGS("get", "k1", "--value-only", "--port", "7"), NULL));
	assert_string_equal(options_command(opts)->name, "get");
	assert_int_equal(arg_count(), 1);
	assert_string_equal(arg(0), "k1");
	assert_null(arg(1));
	assert_true(options_bool(opts, "value-only"));
	assert_int_equal(options_int(opts, "port"), 7);
	assert_ok(load(ARGS("--port", "7", "g", "--", "--port"), NULL));
	assert_string_equal(arg(0), "--port");
	assert_ok(load(ARGS("get", "-"), NULL));
	assert_string_equal(arg(0), "-");
	assert_ok(load(ARGS("zadd", "set", "-1.5", "key"), NULL));
	assert_string_equal(arg(1), "-1.5");
	assert_ok(load(ARGS("get", "get"), NULL));
	assert_string_equal(arg(0), "get");
	assert_ok(load(ARGS("u", "ls"), NULL));
	assert_string_equal(options_command(opts)->name, "list");
}

static void
wrong_commands_are_explained(void **state)
{
	(void)state;
	refused(IM_ERR_USAGE, ARGS("gte", "k"), NULL,
	    "unknown command \"gte\" for prog; did you mean get?");
	refused(IM_ERR_USAGE, ARGS("frobnicate"), NULL, "unknown command \"frobnicate\"");
	refused(IM_ERR_USAGE, ARGS("user", "lst"), NULL, "for user; did you mean list?");
	refused(IM_ERR_USAGE, ARGS("user"), NULL, "user: which command? list, create");
	refused(IM_ERR_USAGE, ARGS("get"), NULL, "accepts 1 arg(s), received 0");
	assert_string_equal(options_command(opts)->name, "get");
	refused(IM_ERR_USAGE, ARGS("get", "a", "b"), NULL, "accepts 1 arg(s), received 2");
	refused(IM_ERR_USAGE, ARGS("user", "create"), NULL, "at least 1");
	refused(IM_ERR_USAGE, ARGS("user", "create", "1", "2", "3", "4"), NULL, "at most 3");
	refused(IM_ERR_USAGE, ARGS("--value-only", "get", "k"), NULL, "unknown flag");
}

static void
actions(void **state)
{
	(void)state;
	assert_ok(load(ARGS("--help"), NULL));
	assert_int_equal(options_action(opts), OPTIONS_HELP);
	assert_ok(load(ARGS("help", "user", "list"), NULL));
	assert_int_equal(options_action(opts), OPTIONS_HELP);
	assert_string_equal(options_command(opts)->name, "list");
	assert_ok(load(ARGS("user", "help"), NULL));
	assert_int_equal(options_action(opts), OPTIONS_HELP);
	assert_string_equal(options_command(opts)->name, "user");
	assert_ok(load(ARGS("get", "-h"), ((const char *const[]){"T_PORT=broken", NULL})));
	assert_int_equal(options_action(opts), OPTIONS_HELP);
	refused(IM_ERR_USAGE, ARGS("help", "usr"), NULL, "did you mean user?");
	assert_ok(load(ARGS("--version"), NULL));
	assert_int_equal(options_action(opts), OPTIONS_VERSION);
	assert_ok(load(ARGS("--print-config"), NULL));
	assert_int_equal(options_action(opts), OPTIONS_PRINT_CONFIG);
}

static void
environment(void **state)
{
	const char *const all[] = {"T_PORT=1", "T_MAX_RECV_MSG_SIZE=1MiB",
	    "T_DIR=", "T_SIGNING_KEY=a", "T_MTLS=on", "OTHER=1", "T_VALUE_ONLY=true", NULL};

	(void)state;
	assert_ok(load(NULL, all));
	assert_int_equal(options_int(opts, "port"), 1);
	assert_int_equal(options_size(opts, "max-recv-msg-size"), 1 << 20);
	assert_string_equal(options_string(opts, "dir"), "./data");
	assert_false(options_is_set(opts, "dir"));
	assert_string_equal(options_string(opts, "signingKey"), "a");
	assert_true(options_bool(opts, "mtls"));
	assert_string_equal(warning(), "");
	assert_ok(load(ARGS("--port=2"), all));
	assert_int_equal(options_int(opts, "port"), 2);
	assert_ok(load(NULL, ((const char *const[]){"T_SIGNINGKEY=b", NULL})));
	assert_string_equal(options_string(opts, "signingKey"), "b");
	assert_ok(load(NULL, ((const char *const[]){"T_KEY=c", "T_SIGNING_KEY=", NULL})));
	assert_string_equal(options_string(opts, "signingKey"), "c");
	assert_ok(load(NULL, ((const char *const[]){"T_NOSUCH=1", NULL})));
	assert_has(warning(), "T_NOSUCH");
	refused(IM_ERR_CONFIG, NULL, ((const char *const[]){"T_PORT=abc", NULL}),
	    "environment T_PORT: invalid value \"abc\": not an integer");
	refused(
	    IM_ERR_CONFIG, ARGS("--port=1"), ((const char *const[]){"T_PORT=abc", NULL}), "T_PORT");
}

static void
variables_of_kubernetes_do_no_harm(void **state)
{
	const char *const all[] = {"T_PORT=tcp://10.0.0.1:3322",
	    "T_PORT_3322_TCP=tcp://10.0.0.1:3322", "T_PORT_3322_TCP_ADDR=10.0.0.1",
	    "T_SERVICE_HOST=10.0.0.1", "T_SERVICE_PORT=3322", "T_SERVICE_PORT_GRPC=3322", NULL};
	size_t count;

	(void)state;
	assert_ok(load(NULL, all));
	assert_int_equal(options_int(opts, "port"), 3322);
	assert_false(options_is_set(opts, "port"));
	assert_has(warning(), "T_PORT: ignored");
	(void)options_warnings(opts, &count);
	assert_int_equal(count, 1);
}

static void
files_of_both_languages(void **state)
{
	char config[160];
	size_t count;
	const char *const *list;

	(void)state;
	snprintf(config, sizeof config, "--config=%s",
	    folder_write(&folder, "a.toml",
		"port = 1\ndir = \"\"\nmax-recv-msg-size = 1_048_576\ninterval = \"10s\"\n"
		"databases = [\"a,b\", \"c\"]\nsigning-key = 'k'\nauth = false\n"
		"value-only = true\n"));
	assert_ok(load(ARGS(config), NULL));
	assert_int_equal(options_int(opts, "port"), 1);
	assert_string_equal(options_string(opts, "dir"), "./data");
	assert_int_equal(options_size(opts, "max-recv-msg-size"), 1 << 20);
	assert_int_equal(options_duration_ms(opts, "interval"), 10000);
	assert_string_equal(options_string(opts, "signingKey"), "k");
	assert_false(options_bool(opts, "auth"));
	list = options_list(opts, "databases", &count);
	assert_int_equal(count, 2);
	assert_string_equal(list[0], "a,b");
	assert_has(options_config_file(opts), "a.toml");
	assert_int_equal(options_origin(opts, "port"), OPTION_FROM_FILE);
	assert_ok(load(ARGS(config), ((const char *const[]){"T_PORT=2", NULL})));
	assert_int_equal(options_int(opts, "port"), 2);
	assert_ok(load(ARGS(config, "get", "k"), NULL));
	assert_true(options_bool(opts, "value-only"));
	snprintf(config, sizeof config, "T_CONFIG=%s",
	    folder_write(&folder, "a.yml", "port: 5\ninterval: 10\nformat: json\n"));
	assert_ok(load(NULL, ((const char *const[]){config, NULL})));
	assert_int_equal(options_int(opts, "port"), 5);
	assert_int_equal(options_duration_ms(opts, "interval"), 10000);
	assert_int_equal(options_enum(opts, "format"), 1);
}

static void
bad_file(const char *name, const char *text, const char *what)
{
	char config[160];

	snprintf(config, sizeof config, "--config=%s", folder_write(&folder, name, text));
	refused(IM_ERR_CONFIG, ARGS(config), NULL, what);
	if (text[0])
		assert_has(err_detail(IM_ERR_CONFIG), name);
}

static void
bad_files_are_errors_with_file_line_and_key(void **state)
{
	char config[160];

	(void)state;
	bad_file("b.toml", "port = 1\nprot = 2\n", "b.toml:2: unknown key prot");
	bad_file(
	    "b.toml", "\nport = \"x\"\n", "b.toml:2: port: invalid value \"x\": not an integer");
	bad_file("b.toml", "port = [1]\n", "b.toml:1: port: invalid value: expected one value");
	bad_file("b.toml", "port 1\n", "b.toml:1:6: port: expected =");
	bad_file("b.toml", "[audit]\nport = 1\n", "unknown key audit.port");
	bad_file("b.toml", "help = true\n", "unknown key help");
	bad_file("b.toml", "config = 'x'\n", "unknown key config");
	bad_file("b.yaml", "port: 1\nport: 2\n", "b.yaml:2:1: ");
	bad_file("b.yaml", "interval: never\n", "b.yaml:1: interval: invalid value \"never\"");
	bad_file("b.json", "{}", "must end in .toml, .yaml or .yml");
	bad_file("b.toml", "admin-password = \"enc:hunter2!\"\n", "b.toml:1: admin-password: ");
	assert_lacks(err_detail(IM_ERR_CONFIG), "hunter2");
	snprintf(config, sizeof config, "--config=%s", folder_file(&folder, "none.toml"));
	refused(IM_ERR_CONFIG, ARGS(config), NULL, "none.toml");
}

static void
the_default_file_is_found(void **state)
{
	program.config_folder = folder.path;
	(void)state;
	folder_write(&folder, "prog.yaml", "port: 8\n");
	assert_ok(load(NULL, NULL));
	assert_int_equal(options_int(opts, "port"), 8);
	folder_write(&folder, "prog.toml", "port = 9\n");
	assert_ok(load(NULL, NULL));
	assert_int_equal(options_int(opts, "port"), 9);
	folder_write(&folder, "prog.toml", "nonsense\n");
	refused(IM_ERR_CONFIG, NULL, NULL, "prog.toml:1:");
	assert_ok(load(ARGS("--help"), NULL));
	assert_int_equal(unlink(folder_file(&folder, "prog.toml")), 0);
	assert_int_equal(unlink(folder_file(&folder, "prog.yaml")), 0);
	program.config_folder = NULL;
}

static void
secrets_are_wiped_decoded_and_read_from_files(void **state)
{
	char words[3][64] = {"prog", "--admin-password=s3cret", ""};
	char *argv[] = {words[0], words[1], NULL};
	char file[160];

	(void)state;
	options_free(opts);
	assert_ok(options_load(&program, 2, argv, NULL, &opts));
	assert_string_equal(options_string(opts, "admin-password"), "s3cret");
	assert_string_equal(words[1], "--admin-password=");
	assert_memory_equal(words[1] + 17, "\0\0\0\0\0\0", 6);
	assert_ok(load(ARGS("--admin-password", "enc:aHVudGVyMg=="), NULL));
	assert_string_equal(options_string(opts, "admin-password"), "hunter2");
	assert_ok(load(NULL, ((const char *const[]){"T_ADMIN_PASSWORD= plain ", NULL})));
	assert_string_equal(options_string(opts, "admin-password"), "plain");
	refused(IM_ERR_USAGE, ARGS("--admin-password=enc:hunter2"), NULL, "not base64");
	assert_lacks(err_detail(IM_ERR_USAGE), "hunter2");
	refused(IM_ERR_USAGE, ARGS("-admin-password=hunter2"), NULL, "two dashes");
	assert_lacks(err_detail(IM_ERR_USAGE), "hunter2");
	refused(IM_ERR_USAGE, ARGS("--admin-pasword=hunter2"), NULL, "did you mean");
	assert_lacks(err_detail(IM_ERR_USAGE), "hunter2");
	refused(IM_ERR_CONFIG, NULL, ((const char *const[]){"T_ADMIN_PASSWORD=enc:hunter2", NULL}),
	    "T_ADMIN_PASSWORD");
	assert_lacks(err_detail(IM_ERR_CONFIG), "hunter2");
	snprintf(file, sizeof file, "--admin-password-file=%s",
	    folder_write(&folder, "pw", "from file\nmore"));
	assert_ok(load(ARGS(file), ((const char *const[]){"T_ADMIN_PASSWORD=env", NULL})));
	assert_string_equal(options_string(opts, "admin-password"), "from file");
	refused(IM_ERR_CONFIG, ARGS(file, "--admin-password=x"), NULL, "both given");
	snprintf(file, sizeof file, "T_ADMIN_PASSWORD_FILE=%s", folder_file(&folder, "pw"));
	assert_ok(load(ARGS("--admin-password=x"), ((const char *const[]){file, NULL})));
	assert_string_equal(options_string(opts, "admin-password"), "x");
	refused(IM_ERR_CONFIG, ARGS("--admin-password-file=/none"), NULL, "/none");
}

/* What a printing function wrote; freed by the next call. */
static char *printed;

static void
print_config(FILE *to)
{
	options_print_config(opts, false, to);
}

static void
print_columns(FILE *to)
{
	options_print_config(opts, true, to);
}

static void
print_help(FILE *to)
{
	options_print_help(&program, options_command(opts), 80, to);
}

static void
print_man(FILE *to)
{
	options_print_man(&program, to);
}

static const char *
print(void (*function)(FILE *to))
{
	size_t size;
	FILE *to;

	free(printed);
	printed = NULL;
	to = open_memstream(&printed, &size);
	assert_non_null(to);
	function(to);
	assert_int_equal(fclose(to), 0);
	return printed;
}

/* A line of a running program: what it says, over what was said when the program started. */
static void
a_line_stands_over_what_was_set_before(void **state)
{
	char words[][32] = {"prog", "get", "--port", "7", "k1"};
	char *argv[] = {words[0], words[1], words[2], words[3], words[4], NULL};
	char bare[][32] = {"prog", "get"};
	char *bare_argv[] = {bare[0], bare[1], NULL};
	struct options *earlier, *line;

	(void)state;
	assert_ok(load(ARGS("--port", "1", "--format", "json", "--admin-password", "secret", "get",
			   "--value-only", "k0"),
	    ARGS("T_DIR=/srv")));
	earlier = opts;
	opts = NULL;
	assert_ok(options_load_line(earlier, 5, argv, &line));
	assert_string_equal(options_args(line, &(size_t){0})[0], "k1");
	assert_int_equal(options_int(line, "port"), 7);
	assert_int_equal(options_origin(line, "port"), OPTION_FROM_FLAG);
	assert_string_equal(options_string(line, "format"), "json");
	assert_int_equal(options_origin(line, "format"), OPTION_FROM_EARLIER);
	assert_string_equal(options_string(line, "dir"), "/srv");
	assert_string_equal(options_string(line, "admin-password"), "secret");
	assert_int_equal(options_duration_ms(line, "interval"), 300000);
	assert_int_equal(options_origin(line, "interval"), OPTION_FROM_DEFAULT);
	options_free(line);
	assert_err(IM_ERR_USAGE, options_load_line(earlier, 2, bare_argv, &line));
	options_free(line);
	options_free(earlier);
}

static void
print_config_tells_value_and_origin(void **state)
{
	char config[160];
	const char *text;

	(void)state;
	snprintf(config, sizeof config, "--config=%s",
	    folder_write(&folder, "c.toml", "\ndir = \"a\\\"b\"\ndatabases = ['x', 'y']\n"));
	assert_ok(load(ARGS(config, "-p", "7", "--admin-password=hunter2", "--print-config"),
	    ((const char *const[]){"T_INTERVAL=90s", NULL})));
	text = print(print_config);
	assert_has(text, "port = 7  # flag -p\n");
	assert_has(text, "dir = \"a\\\"b\"  # file ");
	assert_has(text, "c.toml:2\n");
	assert_has(text, "interval = \"1m30s\"  # environment T_INTERVAL\n");
	assert_has(text, "max-recv-msg-size = \"32MiB\"  # default\n");
	assert_has(text, "databases = [\"x\", \"y\"]  # file ");
	assert_has(text, "admin-password = \"***\"  # flag --admin-password\n");
	assert_lacks(text, "hunter2");
	assert_lacks(text, "inner");
	assert_lacks(text, "value-only");
	/* For people the same in columns: every origin at the same place. */
	text = print(print_columns);
	assert_lacks(text, "\nport = 7");
	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		assert_int_equal(strstr(line, " = ") - line, strstr(text, " = ") - text);
	text = print(print_config);
	/* What is printed can be read back. */
	snprintf(config, sizeof config, "--config=%s", folder_write(&folder, "d.toml", text));
	assert_ok(load(ARGS(config), NULL));
	assert_string_equal(options_string(opts, "dir"), "a\"b");
	assert_int_equal(options_int(opts, "port"), 7);
}

static void
help_begins_with_examples(void **state)
{
	const char *text;

	(void)state;
	assert_ok(load(ARGS("--help"), NULL));
	text = print(print_help);
	assert_memory_equal(
	    text, "Examples:\n  prog --port 1   # one\n  prog get k1\n\nUsage:\n", 54);
	assert_has(text, "  prog [FLAGS]\n  prog [FLAGS] COMMAND\n");
	assert_has(text, "get, g KEY                  Read a key\n");
	assert_has(text, "  -p, --port NUMBER           Port (default 3322) [T_PORT]\n");
	assert_has(
	    text, "\nAudit:\n  -i, --interval DURATION     Interval (default 5m) [T_INTERVAL]\n");
	assert_has(text, "[T_SIGNINGKEY, T_SIGNING_KEY,");
	assert_has(text, "--version");
	assert_has(text, "--config FILE");
	assert_has(text, "  -s, --[no-]auth             Logins (default true)");
	assert_has(text, "      --no-histograms ");
	assert_lacks(text, "inner");
	assert_lacks(text, "Internal");
	assert_lacks(text, "print-man");
	assert_lacks(text, "default immudb");
	for (const char *p = text, *end; *p; p = end + 1) {
		end = strchr(p, '\n');
		assert_non_null(end);
		assert_in_range(end - p, 0, 80);
		assert_true(end == p || end[-1] != ' ');
	}
	assert_ok(load(ARGS("help", "get"), NULL));
	text = print(print_help);
	assert_has(text, "Usage:\n  prog get [FLAGS] KEY\n");
	assert_has(text, "--value-only");
	assert_lacks(text, "--port");
	assert_has(text, "\n\"prog --help\" lists the options of every command.\n");
}

static void
the_man_page_escapes_what_troff_would_take(void **state)
{
	const char *text;

	(void)state;
	assert_ok(load(ARGS("--print-man"), NULL));
	assert_int_equal(options_action(opts), OPTIONS_PRINT_MAN);
	text = print(print_man);
	assert_memory_equal(text, ".TH PROG 1 \"\" \"prog 1.2.3\"\n.nh\n.ad l\n.SH NAME\n", 46);
	assert_has(text, "\\fB\\-p\\fR, \\fB\\-\\-port\\fR \\fINUMBER\\fR\n");
	assert_has(text, "Default: \\&./data.");
	assert_has(text, ".SS prog user list\n");
	assert_has(text, "\n.br\nOther names: g.\n");
	assert_has(text, "\\fB\\-\\-[no\\-]auth\\fR\n");
	assert_has(text, "/etc/immudb/prog.toml");
	assert_has(text, "Environment: T_SIGNINGKEY, T_SIGNING_KEY, ");
	assert_lacks(text, "inner");
	assert_lacks(text, "Internal");
	assert_lacks(text, "Default: immudb");
}

static void
print_words(FILE *to)
{
	options_print_words(&program, to);
}

static void
the_words_for_shells_are_those_that_are_shown(void **state)
{
	const char *text;

	(void)state;
	assert_ok(load(ARGS("--print-words"), NULL));
	assert_int_equal(options_action(opts), OPTIONS_PRINT_WORDS);
	text = print(print_words);
	assert_has(text, "option\t/\t--port\ttext\tPort\noption\t/\t-p\ttext\tPort\n");
	assert_has(text, "option\t/\t--config\tfile\t");
	assert_has(text, "option\t/\t--version\tflag\t");
	assert_has(text, "command\t/\tget\tget\tRead a key\nalias\t/\tg\tget\t\n");
	assert_has(text, "option\t/get/\t--value-only\tflag\t");
	assert_has(text, "command\t/user/\tlist\tlist\t");
	assert_lacks(text, "inner");
	assert_lacks(text, "print-man");
	assert_lacks(text, "print-words");
	assert_lacks(text, "Internal");
}

static int
teardown(void **state)
{
	options_free(opts);
	free(printed);
	return folder_teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults),
	    cmocka_unit_test(flags_in_every_form),
	    cmocka_unit_test(wrong_flags_are_explained),
	    cmocka_unit_test(arguments_and_commands),
	    cmocka_unit_test(wrong_commands_are_explained),
	    cmocka_unit_test(actions),
	    cmocka_unit_test(environment),
	    cmocka_unit_test(variables_of_kubernetes_do_no_harm),
	    cmocka_unit_test(files_of_both_languages),
	    cmocka_unit_test(bad_files_are_errors_with_file_line_and_key),
	    cmocka_unit_test(the_default_file_is_found),
	    cmocka_unit_test(secrets_are_wiped_decoded_and_read_from_files),
	    cmocka_unit_test(a_line_stands_over_what_was_set_before),
	    cmocka_unit_test(print_config_tells_value_and_origin),
	    cmocka_unit_test(help_begins_with_examples),
	    cmocka_unit_test(the_man_page_escapes_what_troff_would_take),
	    cmocka_unit_test(the_words_for_shells_are_those_that_are_shown),
	};

	return cmocka_run_group_tests(tests, folder_setup, teardown);
}
