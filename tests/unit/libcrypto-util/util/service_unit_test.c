/* Unit files: what is written of each service, and what is read of any. */
#include "util_testing.h"

#include "util/service_internal.h"

static const char *const no_copies[] = {NULL};
static const char *const two_copies[] = {"/usr/sbin/immugw", "/usr/sbin/auditor", NULL};

static void
every_template_becomes_a_unit_that_is_read_back(void **state)
{
	struct service_exec exec;
	struct buf unit;
	char value[SERVICE_USER_MAX], dir[SERVICE_PATH_MAX];

	(void)state;
	buf_init(&unit, SERVICE_UNIT_MAX);
	for (size_t i = 0; i < service_count; i++) {
		const struct service_def *def = &service_table[i];

		buf_clear(&unit);
		assert_ok(service_unit_write(def, "/opt/bin", no_copies, &unit));
		assert_null(
		    memchr(unit.data, '@', unit.len) ? strstr(buf_text(&unit), "@CMAKE") : NULL);
		assert_true(service_unit_is_ours(buf_bytes(&unit)));
		assert_ok(service_unit_exec(buf_bytes(&unit), &exec));
		assert_int_equal(strncmp(exec.words[0], "/opt/bin/", 9), 0);
		assert_string_equal(exec.words[0] + 9, def->programs[0]);
		snprintf(dir, sizeof dir, "/var/lib/%s", def->name);
		assert_string_equal(service_exec_flag(&exec, "--dir"), dir);
		assert_has(service_exec_flag(&exec, "--pidfile"), dir);
		assert_ok(service_unit_value(buf_bytes(&unit), "User", value, sizeof value));
		assert_string_equal(value, "immu");
		assert_ok(service_unit_value(buf_bytes(&unit), "Type", value, sizeof value));
		assert_string_equal(value, "notify");
		assert_ptr_equal(service_by_name(def->name), def);
		assert_ptr_equal(service_by_program(def->programs[0]), def);
	}
	assert_null(service_by_name("sshd"));
	assert_null(service_by_program("immudb-auditor"));
	buf_free(&unit);
}

static void
copies_are_named_by_ours_only(void **state)
{
	struct buf unit;

	(void)state;
	buf_init(&unit, SERVICE_UNIT_MAX);
	assert_ok(service_unit_write(service_by_name("immugw"), "/usr/sbin", two_copies, &unit));
	assert_true(service_unit_has_copy(buf_bytes(&unit), "/usr/sbin/auditor"));
	assert_true(service_unit_has_copy(buf_bytes(&unit), "/usr/sbin/immugw"));
	assert_false(service_unit_has_copy(buf_bytes(&unit), "/usr/sbin/immud"));
	assert_false(service_unit_has_copy(buf_bytes(&unit), "/usr/sbin/immugw2"));
	/* Without the mark in its first line it is somebody else's, whatever stands below. */
	unit.data[2] ^= 1;
	assert_false(service_unit_is_ours(buf_bytes(&unit)));
	assert_false(service_unit_has_copy(buf_bytes(&unit), "/usr/sbin/auditor"));
	assert_false(service_unit_is_ours(bytes_str("")));
	buf_free(&unit);
}

static void
values_are_those_of_the_section(void **state)
{
	static const char text[] =
	    "User=outside\n[Service]\n# User=comment\n  User =  first \n"
	    "User=last\nUserx=no\nEmpty=\n[Install]\nUser=install\nWantedBy=x";
	char value[16];

	(void)state;
	assert_ok(service_unit_value(bytes_str(text), "User", value, sizeof value));
	assert_string_equal(value, "last");
	assert_err(IM_ERR_FORMAT, service_unit_value(bytes_str(text), "User", value, 4));
	assert_ok(service_unit_value(bytes_str(text), "User", value, 5));
	assert_err(
	    IM_ERR_NOT_FOUND, service_unit_value(bytes_str(text), "Empty", value, sizeof value));
	assert_err(
	    IM_ERR_NOT_FOUND, service_unit_value(bytes_str(text), "WantedBy", value, sizeof value));
	assert_err(
	    IM_ERR_NOT_FOUND, service_unit_value(bytes_str(""), "User", value, sizeof value));
	assert_err(IM_ERR_FORMAT,
	    service_unit_value(bytes_str("[Service]\nUser=a\\\nb\n"), "User", value, sizeof value));
	assert_err(IM_ERR_FORMAT,
	    service_unit_value(bytes_of("[Service]\nUser=a\0b", 19), "User", value, sizeof value));
}

/* The words of a command line, each with a bar behind it; NULL when it is refused. */
static const char *
split(const char *line)
{
	static char out[SERVICE_LINE_MAX + 2 * SERVICE_WORDS_MAX];
	static struct service_exec exec;
	struct buf unit;
	enum im_err err;

	buf_init(&unit, 2 * SERVICE_UNIT_MAX);
	buf_printf(&unit, "[Service]\nExecStart=%s\n", line);
	err = service_unit_exec(buf_bytes(&unit), &exec);
	buf_free(&unit);
	if (err) {
		assert_err(IM_ERR_FORMAT, err);
		return NULL;
	}
	out[0] = '\0';
	for (size_t i = 0; i < exec.count; i++) {
		strcat(out, exec.words[i]);
		strcat(out, "|");
	}
	assert_null(exec.words[exec.count]);
	return out;
}

static void
command_lines_are_split_as_systemd_does(void **state)
{
	static const char *const refused[] = {"-/bin/a", "@/bin/a a", "+/bin/a", "!/bin/a", "bin/a",
	    "/bin/a $X", "/bin/a %h", "/bin/a \"x", "/bin/a x\"y\"", "/bin/a \"x\"y", "/bin/a \\q",
	    "/bin/a ; /bin/b", "/bin/a ;", "\"\""};

	(void)state;
	assert_string_equal(split("/bin/a"), "/bin/a|");
	assert_string_equal(split("/bin/a  --x\t1  "), "/bin/a|--x|1|");
	assert_string_equal(split("/bin/a \"b c\" 'd \"e' \"\""), "/bin/a|b c|d \"e||");
	assert_string_equal(split("\"/bin/a b\" c"), "/bin/a b|c|");
	assert_string_equal(split("/bin/a 100%% b\\sc"), "/bin/a|100%|b c|");
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		assert_null(split(refused[i]));
}

static void
a_command_line_has_bounds(void **state)
{
	char line[SERVICE_LINE_MAX + 16];

	(void)state;
	strcpy(line, "/bin/a");
	for (size_t i = 1; i < SERVICE_WORDS_MAX; i++)
		strcat(line, " b");
	assert_non_null(split(line));
	assert_null(split(strcat(line, " b")));
	memset(line, 'b', sizeof line);
	line[0] = '/';
	line[SERVICE_LINE_MAX - 1] = '\0';
	assert_non_null(split(line));
	line[SERVICE_LINE_MAX - 1] = 'b';
	line[SERVICE_LINE_MAX] = '\0';
	assert_null(split(line));
}

static void
flags_are_found_in_both_forms(void **state)
{
	struct service_exec exec;

	(void)state;
	assert_ok(service_unit_exec(
	    bytes_str("[Service]\nExecStart=/bin/a --dirs x --dir=/d --pidfile /p --logfile"),
	    &exec));
	assert_string_equal(service_exec_flag(&exec, "--dir"), "/d");
	assert_string_equal(service_exec_flag(&exec, "--pidfile"), "/p");
	assert_string_equal(service_exec_flag(&exec, "--logfile"), "");
	assert_string_equal(service_exec_flag(&exec, "--config"), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_template_becomes_a_unit_that_is_read_back),
	    cmocka_unit_test(copies_are_named_by_ours_only),
	    cmocka_unit_test(values_are_those_of_the_section),
	    cmocka_unit_test(command_lines_are_split_as_systemd_does),
	    cmocka_unit_test(a_command_line_has_bounds),
	    cmocka_unit_test(flags_are_found_in_both_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
