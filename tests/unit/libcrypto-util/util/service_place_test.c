/* Files below a root: links that lead nowhere, taking back, and removing. */
#include "util_testing.h"

#include <sys/stat.h>

#include "util/file.h"
#include "util/service_internal.h"

static const struct service_owner us = {(uid_t)-1, (gid_t)-1};
static struct service_place place;
static char outside[TEMP_DIR_MAX];

static int
place_setup(void **state)
{
	(void)state;
	temp_dir_make(folder.path);
	temp_dir_make(outside);
	assert_ok(service_place_open(&place, folder.path));
	return 0;
}

static int
place_teardown(void **state)
{
	(void)state;
	service_place_close(&place);
	temp_dir_remove(folder.path);
	temp_dir_remove(outside);
	return 0;
}

static bool
is_there(const char *name)
{
	struct stat st;

	return lstat(folder_file(&folder, name), &st) == 0;
}

static mode_t
mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(folder_file(&folder, name), &st), 0);
	return st.st_mode & 07777;
}

static void
assert_content(const char *path, const char *text)
{
	struct buf b;

	buf_init(&b, 100);
	assert_ok(service_place_read(&place, path, 100, &b));
	assert_string_equal(buf_text(&b), text);
	buf_free(&b);
}

static void
what_is_written_is_taken_back(void **state)
{
	(void)state;
	assert_ok(service_place_write(&place, "/a/old", bytes_str("old"), 0600, us));
	service_place_keep(&place);
	assert_ok(service_place_write(&place, "/a/old", bytes_str("new"), 0644, us));
	assert_ok(service_place_write(&place, "/b/c/file", bytes_str("x"), 0640, us));
	assert_ok(service_place_folder(&place, "/d/e", 0700, us, true));
	assert_ok(service_place_link(&place, "/d/link", "/b/c/file"));
	assert_content("/a/old", "new");
	assert_int_equal(mode_of("b/c/file"), 0640);
	assert_int_equal(mode_of("b/c"), 0755);
	assert_int_equal(mode_of("d/e"), 0700);
	service_place_undo(&place);
	assert_content("/a/old", "old");
	assert_int_equal(mode_of("a/old"), 0600);
	assert_false(is_there("b"));
	assert_false(is_there("d"));
	assert_false(is_there("a/.old.before"));
	/* What is kept is not taken back. */
	assert_ok(service_place_write(&place, "/a/old", bytes_str("new"), 0644, us));
	service_place_keep(&place);
	service_place_undo(&place);
	assert_content("/a/old", "new");
	assert_false(is_there("a/.old.before"));
	assert_false(is_there("a/.old.new"));
}

static void
links_lead_nowhere_else(void **state)
{
	char path[PATH_MAX];

	(void)state;
	assert_int_equal(symlink(outside, folder_file(&folder, "out")), 0);
	assert_int_equal(symlink("../../../../../../..", folder_file(&folder, "up")), 0);
	assert_true(service_place_write(&place, "/out/file", bytes_str("x"), 0644, us) != IM_OK);
	assert_true(service_place_inside(&place, "/out", path) != IM_OK);
	assert_err(IM_ERR_ARGUMENT, service_place_inside(&place, "/up", path));
	snprintf(path, sizeof path, "%s/file", outside);
	assert_int_equal(access(path, F_OK), -1);
	/* Above the root is the root. */
	assert_ok(service_place_write(&place, "/up/file", bytes_str("x"), 0644, us));
	assert_true(is_there("file"));
	/* A link that stays inside is followed. */
	assert_ok(service_place_folder(&place, "/usr/sbin", 0755, us, false));
	assert_int_equal(symlink("usr/sbin", folder_file(&folder, "sbin")), 0);
	assert_ok(service_place_write(&place, "/sbin/program", bytes_str("x"), 0755, us));
	assert_true(is_there("usr/sbin/program"));
	assert_ok(service_place_inside(&place, "/sbin/program", path));
}

static void
what_is_no_file_is_left_alone(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	folder_write(&folder, "target", "target");
	assert_int_equal(symlink("target", folder_file(&folder, "link")), 0);
	assert_int_equal(mkdir(folder_file(&folder, "folder"), 0700), 0);
	assert_err(IM_ERR_ARGUMENT, service_place_write(&place, "/link", bytes_str("x"), 0644, us));
	assert_has(err_detail(IM_ERR_ARGUMENT), "/link is a symbolic link");
	assert_err(
	    IM_ERR_ARGUMENT, service_place_write(&place, "/folder", bytes_str("x"), 0644, us));
	assert_err(IM_ERR_ARGUMENT, service_place_read(&place, "/link", 100, &b));
	assert_err(IM_ERR_NOT_FOUND, service_place_read(&place, "/none/file", 100, &b));
	assert_err(IM_ERR_LIMIT, service_place_read(&place, "/target", 5, &b));
	assert_content("/target", "target");
	service_place_undo(&place);
	assert_true(is_there("link"));
	assert_false(is_there(".link.new"));
	buf_free(&b);
}

static void
a_tree_is_removed_and_nothing_behind_links(void **state)
{
	char path[PATH_MAX];

	(void)state;
	snprintf(path, sizeof path, "%s/file", outside);
	assert_ok(file_replace(path, bytes_str("kept")));
	assert_ok(service_place_write(&place, "/t/a/b/file", bytes_str("x"), 0644, us));
	assert_int_equal(symlink(outside, folder_file(&folder, "t/a/link")), 0);
	assert_int_equal(symlink("nowhere", folder_file(&folder, "t/dangling")), 0);
	service_place_keep(&place);
	assert_ok(service_place_remove_tree(&place, "/t"));
	assert_false(is_there("t"));
	assert_ok(service_place_remove_tree(&place, "/t"));
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(symlink(outside, folder_file(&folder, "t")), 0);
	assert_err(IM_ERR_ARGUMENT, service_place_remove_tree(&place, "/t"));
	assert_true(is_there("t"));
	assert_int_equal(access(path, F_OK), 0);
	assert_ok(service_place_remove(&place, "/t"));
	assert_ok(service_place_remove(&place, "/t"));
	assert_ok(service_place_remove(&place, "/none/t"));
}

static void
an_owner_is_checked_when_it_matters(void **state)
{
	const struct service_owner other = {getuid() + 1, getgid()};

	(void)state;
	assert_ok(service_place_folder(&place, "/f", 0700, us, true));
	assert_err(IM_ERR_ARGUMENT, service_place_folder(&place, "/f", 0700, other, true));
	assert_has(err_detail(IM_ERR_ARGUMENT), "belongs to uid");
	assert_ok(service_place_folder(&place, "/f", 0700, other, false));
	folder_write(&folder, "file", "");
	assert_true(service_place_folder(&place, "/file", 0700, us, true) != IM_OK);
	assert_true(service_place_folder(&place, "/file/below", 0700, us, true) != IM_OK);
}

static void
users_are_those_of_the_root(void **state)
{
	struct service_owner owner;

	(void)state;
	assert_err(IM_ERR_NOT_FOUND, service_account_find(&place, "root", &owner));
	assert_ok(service_place_write(&place, "/etc/passwd",
	    bytes_str(
		"immux:x:7:8::/:\nnot a line\nimmu:x:123:456:services:/var/lib/immudb:/none\n"),
	    0644, us));
	assert_ok(service_account_find(&place, "immu", &owner));
	assert_int_equal(owner.uid, 123);
	assert_int_equal(owner.gid, 456);
	assert_err(IM_ERR_NOT_FOUND, service_account_find(&place, "imm", &owner));
	service_place_keep(&place);
}

static void
a_root_that_is_not_there(void **state)
{
	struct service_place p;

	(void)state;
	assert_err(IM_ERR_IO, service_place_open(&p, folder_file(&folder, "none")));
	service_place_close(&p);
	assert_ok(service_place_open(&p, NULL));
	assert_string_equal(p.root, "");
	service_place_close(&p);
}

int
main(void)
{
#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {
	    PLACE_TEST(what_is_written_is_taken_back),
	    PLACE_TEST(links_lead_nowhere_else),
	    PLACE_TEST(what_is_no_file_is_left_alone),
	    PLACE_TEST(a_tree_is_removed_and_nothing_behind_links),
	    PLACE_TEST(an_owner_is_checked_when_it_matters),
	    PLACE_TEST(users_are_those_of_the_root),
	    PLACE_TEST(a_root_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
