#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cli/audit_command.h"
#include "cli/audit_options.h"

static int
run(struct command_call *call)
{
	(void)call;
	return 0;
}

static const struct option_def table[] = {
    AUDIT_OPTIONS{.name = "size", .type = OPTION_SIZE, .default_text = "1MiB"}};
static const struct command root = {
    .name = "program", .options = table, .option_count = sizeof table / sizeof *table, .run = run};
static const struct program program = {.root = &root, .env_prefix = "PROGRAM_", .no_config = true};

static struct arena memory;
static struct audit_command command;

/* Loads a command line and an environment, and hands over all settings. */
static enum im_err
hand_over(const char *line, char *const *env)
{
	char text[1024], *argv[32], *rest = NULL;
	struct options *o = NULL;
	enum im_err err;
	int argc = 0;

	snprintf(text, sizeof text, "program %s", line);
	for (argv[0] = strtok_r(text, " ", &rest); argv[argc];
	     argv[argc] = strtok_r(NULL, " ", &rest))
		argc++;
	command = (struct audit_command){.memory = &memory};
	err = options_load(&program, argc, argv, env, &o);
	assert_int_equal(err, IM_OK);
	for (size_t i = 0; i < root.option_count && !err; i++)
		err = audit_command_add_setting(&command, o, &table[i]);
	options_free(o);
	return err;
}

static void
expect_args(const char *const *want)
{
	size_t n = 0;

	for (; want[n]; n++) {
		assert_true(n < command.argc);
		assert_string_equal(command.argv[n], want[n]);
	}
	assert_int_equal(command.argc, n);
	assert_null(command.argv[n]);
}

static void
defaults_are_not_handed_over(void **state)
{
	(void)state;
	assert_int_equal(hand_over("", NULL), IM_OK);
	expect_args((const char *const[]){NULL});
	assert_int_equal(command.secrets_len, 0);
}

static void
every_type_keeps_its_value(void **state)
{
	(void)state;
	assert_int_equal(
	    hand_over("--audit-databases a,b --audit-databases c --audit-interval 1h30m "
		      "--audit-sample 0 --audit-notification-every-round --log-level WARN "
		      "--logfile=x=y --size 2KiB",
		NULL),
	    IM_OK);
	expect_args((const char *const[]){"--audit-databases=a", "--audit-databases=b",
	    "--audit-databases=c", "--audit-interval=5400000ms", "--audit-sample=0",
	    "--audit-notification-every-round=true", "--logfile=x=y", "--log-level=warn",
	    "--size=2048", NULL});
}

static void
the_source_does_not_matter(void **state)
{
	char *const env[] = {"PROGRAM_AUDIT_USERNAME=u", "audit-agent-interval=1m0s", NULL};

	(void)state;
	assert_int_equal(hand_over("", env), IM_OK);
	expect_args((const char *const[]){"--audit-username=u", "--audit-interval=60000ms", NULL});
}

static void
secrets_are_content_and_no_arguments(void **state)
{
	char *const env[] = {"PROGRAM_AUDIT_NOTIFICATION_PASSWORD=two", NULL};

	(void)state;
	assert_int_equal(hand_over("--audit-password one", env), IM_OK);
	expect_args((const char *const[]){"--audit-password-file=/dev/fd/60",
	    "--audit-notification-password-file=/dev/fd/61", NULL});
	assert_int_equal(command.secrets_len, 2);
	assert_true(bytes_equal(command.secrets[0], bytes_str("enc:b25l\n")));
	assert_true(bytes_equal(command.secrets[1], bytes_str("enc:dHdv\n")));
}

static void
there_are_limits(void **state)
{
	enum im_err err = IM_OK;

	(void)state;
	command = (struct audit_command){.memory = &memory};
	for (size_t i = 0; i < AUDIT_COMMAND_ARGS_MAX && !err; i++)
		err = audit_command_add(&command, "name", "value");
	assert_int_equal(err, IM_OK);
	assert_string_equal(command.argv[0], "--name=value");
	assert_int_equal(audit_command_add(&command, "name", "value"), IM_ERR_LIMIT);
	assert_null(command.argv[AUDIT_COMMAND_ARGS_MAX]);
}

static int
setup(void **state)
{
	(void)state;
	arena_init(&memory, 1024 * 1024);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(&memory);
	return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(defaults_are_not_handed_over),
	    T(every_type_keeps_its_value),
	    T(the_source_does_not_matter),
	    T(secrets_are_content_and_no_arguments),
	    T(there_are_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
