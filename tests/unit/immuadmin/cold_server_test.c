/*
 * What of a command line and an environment is used again, and whether a folder's lock tells who
 * uses it.
 */
#include "../temp_dir.h"
#include "cold_server.h"
#include "util/file.h"

#define TEXTS(literal) bytes_of(literal, sizeof literal - 1)

static void
assert_cleaned(void (*clean)(struct buf *), struct bytes before, struct bytes after)
{
	struct buf b;

	buf_init(&b, COLD_COMMAND_MAX);
	buf_append_bytes(&b, before);
	clean(&b);
	assert_int_equal(b.len, after.len);
	assert_true(bytes_equal(buf_bytes(&b), after));
	buf_free(&b);
}

static void
test_a_wiped_password_is_left_out(void **state)
{
	(void)state;
	assert_cleaned(cold_server_clean_command, TEXTS("immudb\0--admin-password\0\0\0\0\0-d\0"),
	    TEXTS("immudb\0-d\0"));
	assert_cleaned(cold_server_clean_command, TEXTS("immudb\0--admin-password=\0\0\0\0"),
	    TEXTS("immudb\0"));
	assert_cleaned(cold_server_clean_command,
	    TEXTS("immudb\0--force-admin-password\0--force-admin-password=true\0--dir\0x\0"),
	    TEXTS("immudb\0--dir\0x\0"));
}

static void
test_other_words_stay(void **state)
{
	(void)state;
	assert_cleaned(cold_server_clean_command,
	    TEXTS("immudb\0--admin-password-file\0f\0--logfile\0\0-d\0"),
	    TEXTS("immudb\0--admin-password-file\0f\0--logfile\0\0-d\0"));
	assert_cleaned(cold_server_clean_command, TEXTS(""), TEXTS(""));
}

static void
test_ties_to_the_starter_are_left_out(void **state)
{
	(void)state;
	assert_cleaned(cold_server_clean_env,
	    TEXTS("A=1\0NOTIFY_SOCKET=/run/x\0SUPERVISE_FD=3\0LISTEN_FDS=1\0LISTEN_FDS_2=1\0B=\0"),
	    TEXTS("A=1\0LISTEN_FDS_2=1\0B=\0"));
}

static void
test_the_lock_tells_who_uses_a_folder(void **state)
{
	char path[TEMP_DIR_MAX + 32];
	struct cold_server s;
	pid_t pid;
	int fd = -1;

	snprintf(path, sizeof path, "%s/immudb.lock", (const char *)*state);
	assert_int_equal(cold_server_find(&s, (const char *)*state, ""), IM_OK);
	assert_int_equal(s.kind, COLD_SERVER_NONE);
	/* Nobody else gets in. */
	assert_int_equal(file_lock(path, false, &fd), IM_ERR_LOCKED);
	assert_int_equal(cold_server_stop(&s, 0), IM_OK);
	assert_int_equal(cold_server_start(&s, &pid), IM_OK);
	assert_int_equal(pid, -1);
	cold_server_free(&s);
	assert_int_equal(file_lock(path, false, &fd), IM_OK);
	assert_int_equal(cold_server_find(&s, (const char *)*state, ""), IM_OK);
	assert_int_equal(s.kind, COLD_SERVER_UNKNOWN);
	assert_int_equal(cold_server_stop(&s, 0), IM_ERR_LOCKED);
	assert_non_null(strstr(err_detail(IM_ERR_LOCKED), "which is not its server"));
	assert_int_equal(cold_server_start(&s, &pid), IM_OK);
	assert_int_equal(pid, -1);
	cold_server_free(&s);
	file_unlock(&fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_wiped_password_is_left_out),
	    cmocka_unit_test(test_other_words_stay),
	    cmocka_unit_test(test_ties_to_the_starter_are_left_out),
	    cmocka_unit_test_setup_teardown(
		test_the_lock_tells_who_uses_a_folder, temp_dir_setup, temp_dir_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
