/* Small files: limits, durable replacement, folders, locks. */
#include "util_testing.h"

#include <sys/stat.h>

#include "util/file.h"

static void
reading_stops_at_the_limit(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	folder_write(&folder, "ten", "0123456789");
	assert_ok(file_read(folder.file, 10, &b));
	assert_string_equal(buf_text(&b), "0123456789");
	buf_clear(&b);
	assert_err(IM_ERR_LIMIT, file_read(folder.file, 9, &b));
	buf_clear(&b);
	assert_err(IM_ERR_LIMIT, file_read("/dev/zero", 50, &b));
	buf_clear(&b);
	assert_err(IM_ERR_NOT_FOUND, file_read(folder_file(&folder, "none"), 10, &b));
	assert_has(err_detail(IM_ERR_NOT_FOUND), "none");
	assert_err(IM_ERR_IO, file_read(folder.path, 10, &b));
	buf_free(&b);
}

static void
the_first_line_of_a_secret_file(void **state)
{
	static const struct {
		const char *content, *line;
	} good[] = {{"pass\nmore\n", "pass"}, {"pass", "pass"}, {"pass\r\n", "pass"},
	    {"12345678\n", "12345678"}, {" a b \n", " a b "}};
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		buf_clear(&b);
		folder_write(&folder, "secret", good[i].content);
		assert_ok(file_read_line(folder.file, 8, &b));
		assert_string_equal(buf_text(&b), good[i].line);
	}
	buf_clear(&b);
	folder_write(&folder, "secret", "123456789\n");
	assert_err(IM_ERR_LIMIT, file_read_line(folder.file, 8, &b));
	buf_clear(&b);
	folder_write(&folder, "secret", "123456789012345678901234567890");
	assert_err(IM_ERR_LIMIT, file_read_line(folder.file, 8, &b));
	assert_lacks(err_detail(IM_ERR_LIMIT), "1234567");
	buf_clear(&b);
	folder_write(&folder, "secret", "\nnext\n");
	assert_err(IM_ERR_FORMAT, file_read_line(folder.file, 8, &b));
	buf_clear(&b);
	folder_write(&folder, "secret", "");
	assert_err(IM_ERR_FORMAT, file_read_line(folder.file, 8, &b));
	buf_free(&b);
}

static void
replacing_is_whole_and_private(void **state)
{
	struct stat st;
	struct buf b;
	char into[128];

	(void)state;
	snprintf(into, sizeof into, "%s", folder_file(&folder, "state"));
	folder_write(&folder, "state", "old");
	assert_ok(file_replace(into, bytes_str("new content")));
	assert_int_equal(stat(into, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	buf_init(&b, 100);
	assert_ok(file_read(into, 100, &b));
	assert_string_equal(buf_text(&b), "new content");
	buf_free(&b);
	assert_err(
	    IM_ERR_NOT_FOUND, file_replace(folder_file(&folder, "no/state"), bytes_str("x")));
	/* A folder in its place: the rename fails, and no temporary file stays. */
	assert_int_equal(mkdir(folder_file(&folder, "dir"), 0700), 0);
	assert_err(IM_ERR_IO, file_replace(folder.file, bytes_str("x")));
	assert_int_equal(rmdir(folder.file), 0);
	/* Who may write into the folder, as root may into /dev, must not lose what is there. */
	assert_int_equal(mkfifo(folder_file(&folder, "pipe"), 0600), 0);
	assert_err(IM_ERR_IO, file_replace(folder_file(&folder, "pipe"), bytes_str("x")));
	assert_int_equal(lstat(folder_file(&folder, "pipe"), &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(unlink(folder_file(&folder, "pipe")), 0);
	assert_int_equal(unlink(into), 0);
	assert_int_equal(unlink(folder_file(&folder, "ten")), 0);
	assert_int_equal(unlink(folder_file(&folder, "secret")), 0);
	assert_int_equal(rmdir(folder.path), 0);
	assert_int_equal(mkdir(folder.path, 0700), 0);
}

static void
folders_are_made_with_their_parents(void **state)
{
	struct stat st;

	(void)state;
	assert_ok(file_make_folder(folder_file(&folder, "a/b//c/")));
	assert_int_equal(stat(folder.file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_ok(file_make_folder(folder.file));
	assert_ok(file_make_parent(folder_file(&folder, "d/file")));
	assert_int_equal(stat(folder_file(&folder, "d"), &st), 0);
	assert_int_not_equal(stat(folder_file(&folder, "d/file"), &st), 0);
	assert_ok(file_make_parent("file-without-folder"));
	assert_ok(file_sync_parent(folder_file(&folder, "d/file")));
	folder_write(&folder, "plain", "x");
	assert_err(IM_ERR_IO, file_make_folder(folder.file));
	assert_err(IM_ERR_IO, file_make_folder(folder_file(&folder, "plain/sub")));
	assert_err(IM_ERR_LIMIT, file_make_folder(""));
}

static void
a_lock_keeps_others_out_until_released(void **state)
{
	int first = -1, second = -1;

	(void)state;
	assert_ok(file_lock(folder_file(&folder, "lock"), false, &first));
	assert_err(IM_ERR_LOCKED, file_lock(folder.file, false, &second));
	assert_int_equal(second, -1);
	assert_has(err_detail(IM_ERR_LOCKED), "lock");
	file_unlock(&first);
	file_unlock(&first);
	assert_ok(file_lock(folder.file, true, &second));
	file_unlock(&second);
	assert_err(IM_ERR_NOT_FOUND, file_lock(folder_file(&folder, "no/lock"), false, &first));
}

static void
write_empty(const char *path)
{
	assert_ok(file_replace(path, bytes_str("")));
}

static void
a_folder_of_another_user_is_told_from_ours(void **state)
{
	static const char *const names[] = {"absent", "marker", NULL};
	char dir[2 * TEMP_DIR_MAX], marker[2 * TEMP_DIR_MAX + 16], id[32];

	(void)state;
	snprintf(dir, sizeof dir, "%s", folder_file(&folder, "whose"));
	snprintf(marker, sizeof marker, "%s/marker", dir);
	assert_ok(file_check_folder_owner(dir, names));
	assert_ok(file_check_owner(dir));
	assert_ok(file_make_folder(dir));
	assert_ok(file_check_folder_owner(dir, names));
	write_empty(marker);
	assert_ok(file_check_folder_owner(dir, names));
	if (geteuid() != 0) {
		print_message("only root can give files away\n");
		return;
	}
	/* What is in use tells. */
	assert_int_equal(0, chown(dir, 4711, (gid_t)-1));
	assert_ok(file_check_folder_owner(dir, names));
	assert_int_equal(0, chown(dir, 0, (gid_t)-1));
	assert_int_equal(0, chown(marker, 4711, (gid_t)-1));
	assert_err(IM_ERR_PERMISSION, file_check_folder_owner(dir, names));
	assert_non_null(strstr(err_detail(IM_ERR_PERMISSION), marker));
	assert_err(IM_ERR_PERMISSION, file_check_owner(marker));
	snprintf(id, sizeof id, "is user id %d", 4711);
	assert_non_null(strstr(err_detail(IM_ERR_PERMISSION), id));
	/* Of an empty one the owner does. */
	assert_int_equal(0, unlink(marker));
	assert_int_equal(0, chown(dir, 4711, (gid_t)-1));
	assert_err(IM_ERR_PERMISSION, file_check_folder_owner(dir, names));
	/* A volume of a group is not its owner's alone. */
	assert_int_equal(0, chown(dir, 0, 4712));
	assert_int_equal(0, chmod(dir, 0770));
	assert_int_equal(0, chmod(folder.path, 0711));
	assert_int_equal(0, setegid(4712));
	assert_int_equal(0, seteuid(4711));
	assert_ok(file_check_folder_owner(dir, names));
	assert_int_equal(0, seteuid(0));
	assert_int_equal(0, setegid(0));
	assert_int_equal(0, chmod(dir, 0755));
	assert_int_equal(0, seteuid(4711));
	assert_err(IM_ERR_PERMISSION, file_check_folder_owner(dir, names));
	assert_int_equal(0, seteuid(0));
}

static void
where_states_live(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	setenv("HOME", "/home/x", 1);
	setenv("XDG_STATE_HOME", "/var/state/", 1);
	assert_ok(file_state_folder(&b));
	assert_string_equal((const char *)b.data, "/var/state/immudb");
	buf_clear(&b);
	setenv("XDG_STATE_HOME", "relative", 1);
	assert_ok(file_state_folder(&b));
	assert_string_equal((const char *)b.data, "/home/x/.local/state/immudb");
	buf_clear(&b);
	unsetenv("XDG_STATE_HOME");
	setenv("HOME", "", 1);
	assert_err(IM_ERR_CONFIG, file_state_folder(&b));
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reading_stops_at_the_limit),
	    cmocka_unit_test(the_first_line_of_a_secret_file),
	    cmocka_unit_test(replacing_is_whole_and_private),
	    cmocka_unit_test(folders_are_made_with_their_parents),
	    cmocka_unit_test(a_lock_keeps_others_out_until_released),
	    cmocka_unit_test(a_folder_of_another_user_is_told_from_ours),
	    cmocka_unit_test(where_states_live),
	};

	return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
