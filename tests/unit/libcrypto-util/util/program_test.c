/* What every main() does: exit codes, and what goes to which stream. */
#include "util_testing.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "util/file.h"
#include "util/options.h"

static int
run(struct command_call *call)
{
	printf("%s %zu %s %s\n", call->command->name, call->arg_count,
	    call->arg_count ? call->args[0] : "-", (const char *)call->context);
	return options_bool(call->options, "fail") ? IM_EXIT_DENIED : IM_EXIT_OK;
}

static const struct option_def root_options[] = {
    {.name = "fail", .type = OPTION_BOOL, .help = "Fail"},
};

static const struct command commands[] = {
    {.name = "get", .args = "KEY", .min_args = 1, .max_args = 1, .summary = "Read", .run = run},
};

static const struct command root = {.name = "prog",
    .summary = "Tests.",
    .options = root_options,
    .option_count = 1,
    .commands = commands,
    .command_count = 1};

static const struct program program = {
    .root = &root, .env_prefix = "T_", .version = "1.2", .config_folder = "/nonexistent"};

/*
 * Runs the program in a process of its own; its exit code. Output goes to "out" (or to) and "err".
 */
static int
run_program(const char *const *words, const char *to)
{
	char *argv[8] = {(char *)"prog"};
	int argc = 1, status;
	pid_t pid;

	for (; *words; words++)
		argv[argc++] = (char *)*words;
	(void)fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (!freopen(to ? to : folder_file(&folder, "out"), "w", stdout) ||
		    !freopen(folder_file(&folder, "err"), "w", stderr))
			_exit(99);
		status = program_main(&program, argc, argv, (void *)"context");
		(void)fflush(stderr);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static const char *
content(const char *name)
{
	static struct buf b;

	buf_free(&b);
	buf_init(&b, 1000000);
	assert_ok(file_read(folder_file(&folder, name), 1000000, &b));
	return buf_text(&b);
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void
a_command_runs_and_its_code_counts(void **state)
{
	(void)state;
	assert_int_equal(run_program(ARGS("get", "k%s"), NULL), 0);
	assert_string_equal(content("out"), "get 1 k%s context\n");
	assert_string_equal(content("err"), "");
	assert_int_equal(run_program(ARGS("get", "k", "--fail"), NULL), IM_EXIT_DENIED);
}

static void
wrong_usage_is_two_and_on_stderr(void **state)
{
	(void)state;
	assert_int_equal(run_program(ARGS("gt"), NULL), IM_EXIT_USAGE);
	assert_string_equal(content("out"), "");
	assert_string_equal(content("err"),
	    "prog: unknown command \"gt\" for prog; did you mean get?\nTry \"prog --help\".\n");
	assert_int_equal(run_program(ARGS("get"), NULL), IM_EXIT_USAGE);
	assert_has(content("err"), "Try \"prog get --help\".\n");
	assert_int_equal(run_program(ARGS("--x\033[2J"), NULL), IM_EXIT_USAGE);
	assert_lacks(content("err"), "\033");
	assert_int_equal(run_program(ARGS("--config=/none.toml", "get", "k"), NULL), IM_EXIT_USAGE);
	assert_has(content("err"), "/none.toml");
}

static void
help_and_version_are_results(void **state)
{
	(void)state;
	assert_int_equal(run_program(ARGS("--help"), NULL), 0);
	assert_has(content("out"), "Usage:\n  prog [FLAGS] COMMAND\n");
	assert_int_equal(run_program(ARGS("--version"), NULL), 0);
	assert_string_equal(content("out"), "prog 1.2\n");
	assert_int_equal(run_program(ARGS("--print-man"), NULL), 0);
	assert_has(content("out"), ".TH PROG 1");
	assert_int_equal(run_program(ARGS("--print-config"), NULL), 0);
	assert_string_equal(content("out"), "fail = false  # default\n");
	assert_int_equal(run_program(ARGS("--help"), "/dev/full"), IM_EXIT_ERROR);
	assert_has(content("err"), "cannot write the output: No space left on device");
	assert_int_equal(run_program(ARGS("get", "k"), "/dev/full"), IM_EXIT_ERROR);
}

static void
warnings_come_before_the_work(void **state)
{
	(void)state;
	setenv("T_NOSUCH", "1", 1);
	assert_int_equal(run_program(ARGS("get", "k"), NULL), 0);
	assert_string_equal(
	    content("err"), "prog: warning: environment T_NOSUCH: ignored: no such setting\n");
	unsetenv("T_NOSUCH");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_command_runs_and_its_code_counts),
	    cmocka_unit_test(wrong_usage_is_two_and_on_stderr),
	    cmocka_unit_test(help_and_version_are_results),
	    cmocka_unit_test(warnings_come_before_the_work),
	};

	return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
