/*
 * The metadata file: identity, users, permissions, databases; reopening; newer, damaged, foreign,
 * unwritable files, of which nothing may be lost.
 */
#include "meta/meta_change.h"
#include "meta/meta_restores.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "temp_dir.h"

struct folder {
	char dir[TEMP_DIR_MAX];
	char file[96];
};

static int
folder_make(void **state)
{
	struct folder *f = calloc(1, sizeof *f);

	if (!f)
		return -1;
	temp_dir_make(f->dir);
	snprintf(f->file, sizeof f->file, "%s/" META_FILE_NAME, f->dir);
	*state = f;
	return 0;
}

static int
folder_remove(void **state)
{
	struct folder *f = *state;

	temp_dir_remove(f->dir);
	free(f);
	return 0;
}

static struct meta *
open_ok(const struct folder *f)
{
	struct meta *m = NULL;

	assert_int_equal(meta_open(f->dir, &m), IM_OK);
	assert_non_null(m);
	return m;
}

static void
patch(const struct folder *f, off_t offset, const void *data, size_t n)
{
	int fd = open(f->file, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, n, offset), (ssize_t)n);
	close(fd);
}

/* Changes that no rule restricts. */
static enum im_err
user_create(
    struct meta *m, const struct meta_user *user, const char *database, enum meta_level level)
{
	struct meta_change c = {.kind = META_CHANGE_CREATE,
	    .user = user->name,
	    .hash = user->hash,
	    .active = user->active,
	    .created_by = user->created_by,
	    .database = database,
	    .level = level};

	return meta_user_change(m, &c);
}

static enum im_err
user_set_password(struct meta *m, const char *user, const char *hash)
{
	struct meta_change c = {.kind = META_CHANGE_PASSWORD, .user = user, .hash = hash};

	return meta_user_change(m, &c);
}

static enum im_err
user_set_active(struct meta *m, const char *user, bool active)
{
	struct meta_change c = {.kind = META_CHANGE_ACTIVE, .user = user, .active = active};

	return meta_user_change(m, &c);
}

static enum im_err
permission_set(struct meta *m, const char *user, const char *database, enum meta_level level)
{
	struct meta_change c = {.kind = level ? META_CHANGE_GRANT : META_CHANGE_REVOKE,
	    .user = user,
	    .database = database,
	    .level = level};

	return meta_user_change(m, &c);
}

static struct meta_user
user_of(const char *name)
{
	struct meta_user user = {.active = true, .created_by = "immudb"};

	snprintf(user.name, sizeof user.name, "%s", name);
	strcpy(user.hash, "$scrypt$of-no-meaning-here");
	return user;
}

static struct meta_database
database_of(const char *name)
{
	struct meta_database database = {.created_by = "immudb", .created_at_s = 1700000001};

	snprintf(database.name, sizeof database.name, "%s", name);
	snprintf(database.folder, sizeof database.folder, "%s", name);
	return database;
}

static void
create_ok(struct meta *m, const struct meta_database *database)
{
	assert_int_equal(meta_database_begin(m, database, NULL, 0), IM_OK);
	assert_int_equal(meta_database_ready(m, database->name, NULL), IM_OK);
}

static enum im_err
put(struct meta *m, const char *database, int64_t value)
{
	struct meta_setting setting = {"header", value};

	return meta_settings_put(m, database, &setting, 1, NULL);
}

static void
meta_identity_stays(void **state)
{
	struct meta *m = open_ok(*state);
	const struct folder *f = *state;
	uint8_t id[META_IDENTITY_LEN];
	static const uint8_t zero[META_IDENTITY_LEN];
	struct stat st;

	memcpy(id, meta_identity(m), sizeof id);
	assert_memory_not_equal(id, zero, sizeof id);
	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	meta_close(m);
	m = open_ok(*state);
	assert_memory_equal(id, meta_identity(m), sizeof id);
	meta_close(m);
	meta_close(NULL);
}

static void
meta_users_survive(void **state)
{
	struct meta *m = open_ok(*state);
	struct meta_user user = user_of("alice_1"), found;
	size_t count;

	assert_int_equal(user_create(m, &user, "db", META_LEVEL_READ), IM_OK);
	assert_int_equal(user_create(m, &user, "db", META_LEVEL_READ), IM_ERR_USER_EXISTS);
	assert_int_equal(user_set_password(m, "alice_1", "other"), IM_OK);
	assert_int_equal(user_set_password(m, "bob", "other"), IM_ERR_USER_NOT_FOUND);
	assert_int_equal(user_set_active(m, "alice_1", false), IM_OK);
	assert_int_equal(user_set_active(m, "bob", false), IM_ERR_USER_NOT_FOUND);
	meta_close(m);
	m = open_ok(*state);
	assert_int_equal(meta_user_get(m, bytes_str("alice_1"), &found), IM_OK);
	assert_string_equal(found.hash, "other");
	assert_string_equal(found.created_by, "immudb");
	assert_true(found.created_at_s > 1700000000);
	assert_false(found.active);
	assert_int_equal(meta_user_count(m, &count), IM_OK);
	assert_int_equal(count, 1);
	meta_close(m);
}

/*
 * A change that its rule refuses, or that fails, leaves nothing behind: no row of the journal
 * either.
 */
static enum im_err
count_row(void *arg, const struct meta_journal_row *row)
{
	assert_true(row->number > 0 && row->entry.len > 0);
	++*(size_t *)arg;
	return IM_OK;
}

static enum im_err
refuse(void *arg, const struct meta_facts *facts)
{
	(void)arg;
	assert_true(facts->user_exists);
	assert_true(facts->user_level == META_LEVEL_SYSADMIN);
	return IM_ERR_PERMISSION;
}

static void
meta_changes_and_their_rows(void **state)
{
	struct meta *m = open_ok(*state);
	struct meta_user user = user_of("alice"), found;
	struct meta_action action = {.actor = "x", .action = "y"};
	struct meta_change c = {
	    .kind = META_CHANGE_ACTIVE, .user = "alice", .action = &action, .database = "*"};
	size_t rows = 0;

	assert_int_equal(user_create(m, &user, "*", META_LEVEL_SYSADMIN), IM_OK);
	assert_int_equal(meta_user_change(m, &c), IM_ERR_LAST_SYSADMIN);
	c.kind = META_CHANGE_REVOKE;
	assert_int_equal(meta_user_change(m, &c), IM_ERR_LAST_SYSADMIN);
	c.kind = META_CHANGE_PASSWORD;
	c.hash = "other";
	c.allow = refuse;
	assert_int_equal(meta_user_change(m, &c), IM_ERR_PERMISSION);
	assert_int_equal(meta_journal_list(m, 10, count_row, &rows), IM_OK);
	assert_int_equal(rows, 0);
	assert_int_equal(meta_user_get(m, bytes_str("alice"), &found), IM_OK);
	assert_string_not_equal(found.hash, "other");
	c.allow = NULL;
	assert_int_equal(meta_user_change(m, &c), IM_OK);
	assert_int_equal(meta_journal_list(m, 10, count_row, &rows), IM_OK);
	assert_int_equal(rows, 1);
	meta_close(m);
}

static void
meta_user_names(void **state)
{
	static const char *const bad[] = {"", "a b", "a;b", "ä", "a-b", "a'b"};
	struct meta *m = open_ok(*state);
	struct meta_user user, found;
	char long_name[80];
	size_t i;

	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		user = user_of(bad[i]);
		assert_int_equal(user_create(m, &user, "db", META_LEVEL_READ), IM_ERR_USER_NAME);
	}
	memset(long_name, 'a', sizeof long_name);
	assert_int_equal(
	    meta_user_get(m, bytes_of(long_name, sizeof long_name), &found), IM_ERR_NOT_FOUND);
	user = user_of("alice");
	assert_int_equal(user_create(m, &user, "db", META_LEVEL_NONE), IM_OK);
	assert_int_equal(meta_user_get(m, bytes_of("alice\0x", 7), &found), IM_ERR_NOT_FOUND);
	assert_int_equal(meta_user_get(m, bytes_str("Alice"), &found), IM_ERR_NOT_FOUND);
	assert_int_equal(meta_user_get(m, bytes_of(NULL, 0), &found), IM_ERR_NOT_FOUND);
	meta_close(m);
}

static enum meta_level
level_of(struct meta *m, const char *user, const char *database)
{
	enum meta_level level;

	assert_int_equal(meta_permission(m, user, database, &level), IM_OK);
	return level;
}

static void
meta_permissions(void **state)
{
	struct meta *m = open_ok(*state);
	struct meta_user user = user_of("alice");

	assert_int_equal(user_create(m, &user, "one", META_LEVEL_READ), IM_OK);
	assert_int_equal(level_of(m, "alice", "one"), META_LEVEL_READ);
	assert_int_equal(level_of(m, "alice", "two"), META_LEVEL_NONE);
	assert_int_equal(level_of(m, "bob", "one"), META_LEVEL_NONE);
	/* The wildcard raises, and never lowers. */
	assert_int_equal(permission_set(m, "alice", "*", META_LEVEL_READ_WRITE), IM_OK);
	assert_int_equal(level_of(m, "alice", "one"), META_LEVEL_READ_WRITE);
	assert_int_equal(level_of(m, "alice", "future"), META_LEVEL_READ_WRITE);
	assert_int_equal(permission_set(m, "alice", "one", META_LEVEL_ADMIN), IM_OK);
	assert_int_equal(level_of(m, "alice", "one"), META_LEVEL_ADMIN);
	assert_int_equal(permission_set(m, "alice", "*", META_LEVEL_NONE), IM_OK);
	assert_int_equal(level_of(m, "alice", "future"), META_LEVEL_NONE);
	assert_int_equal(permission_set(m, "bob", "one", META_LEVEL_READ), IM_ERR_USER_NOT_FOUND);
	assert_int_equal(permission_set(m, "alice", "one", (enum meta_level)3), IM_ERR_ARGUMENT);
	meta_close(m);
}

struct names {
	char text[256];
	enum im_err err;
};

static enum im_err
names_add_user(void *arg, const struct meta_user *user)
{
	struct names *names = arg;

	strcat(names->text, user->name);
	strcat(names->text, " ");
	return names->err;
}

static enum im_err
names_add_database(void *arg, const struct meta_database *database)
{
	struct names *names = arg;

	assert_int_equal(database->state, META_DATABASE_READY);
	strcat(names->text, database->name);
	strcat(names->text, " ");
	return names->err;
}

static void
meta_lists(void **state)
{
	struct meta *m = open_ok(*state);
	struct names names = {"", IM_OK};
	struct meta_user b = user_of("b"), a = user_of("a");
	struct meta_database z = database_of("z"), y = database_of("y");

	assert_int_equal(user_create(m, &b, "db", META_LEVEL_NONE), IM_OK);
	assert_int_equal(user_create(m, &a, "db", META_LEVEL_NONE), IM_OK);
	assert_int_equal(meta_user_list(m, names_add_user, &names), IM_OK);
	assert_string_equal(names.text, "a b ");
	names = (struct names){"", IM_ERR_NOT_FOUND};
	assert_int_equal(meta_user_list(m, names_add_user, &names), IM_ERR_NOT_FOUND);
	assert_string_equal(names.text, "a ");
	create_ok(m, &z);
	create_ok(m, &y);
	names = (struct names){"", IM_OK};
	assert_int_equal(meta_database_list(m, names_add_database, &names), IM_OK);
	assert_string_equal(names.text, "z y ");
	meta_close(m);
}

/* Each state follows from the one before only. */
static void
meta_database_states(void **state)
{
	struct meta *m = open_ok(*state);
	struct meta_database db = database_of("db"), bad = database_of("Be"), found;
	struct meta_user user = user_of("alice");
	enum meta_level level;

	assert_int_equal(user_create(m, &user, "db", META_LEVEL_READ), IM_OK);
	assert_int_equal(meta_database_begin(m, &bad, NULL, 0), IM_ERR_DATABASE_NAME);
	assert_int_equal(meta_database_find(m, META_DATABASE_CREATING, &found), IM_ERR_NOT_FOUND);
	assert_int_equal(meta_database_begin(m, &db, NULL, 0), IM_OK);
	assert_int_equal(meta_database_begin(m, &db, NULL, 0), IM_ERR_DATABASE_EXISTS);
	assert_int_equal(meta_database_delete(m, "db", NULL), IM_ERR_DATABASE_NOT_FOUND);
	assert_int_equal(meta_database_find(m, META_DATABASE_CREATING, &found), IM_OK);
	assert_string_equal(found.folder, "db");
	assert_int_equal(meta_database_cancel(m, "db"), IM_OK);
	assert_int_equal(meta_database_get(m, bytes_str("db"), &found), IM_ERR_DATABASE_NOT_FOUND);
	assert_int_equal(meta_database_ready(m, "db", NULL), IM_ERR_DATABASE_NOT_FOUND);
	create_ok(m, &db);
	assert_int_equal(meta_database_cancel(m, "db"), IM_ERR_DATABASE_NOT_FOUND);
	assert_int_equal(meta_database_get(m, bytes_str("db"), &found), IM_OK);
	assert_int_equal(found.state, META_DATABASE_READY);
	assert_int_equal(meta_database_delete(m, "db", NULL), IM_OK);
	meta_close(m);
	m = open_ok(*state);
	assert_int_equal(meta_database_find(m, META_DATABASE_DELETING, &found), IM_OK);
	assert_int_equal(meta_database_forget(m, "db"), IM_OK);
	assert_int_equal(meta_database_get(m, bytes_str("db"), &found), IM_ERR_DATABASE_NOT_FOUND);
	/* Nobody has a permission on what may be created under that name later. */
	assert_int_equal(meta_permission(m, "alice", "db", &level), IM_OK);
	assert_int_equal(level, META_LEVEL_NONE);
	meta_close(m);
}

static enum im_err
journal_count(void *arg, const struct meta_journal_row *row)
{
	(void)row;
	++*(int *)arg;
	return IM_OK;
}

/* An action is written with the change, and not without it. */
static void
meta_database_actions(void **state)
{
	struct meta *m = open_ok(*state);
	struct meta_database db = database_of("db");
	struct meta_setting setting = {"header", 0};
	struct meta_action action = {.actor = "a", .action = "test"};
	int rows = 0;

	assert_int_equal(meta_database_ready(m, "db", &action), IM_ERR_DATABASE_NOT_FOUND);
	assert_int_equal(
	    meta_settings_put(m, "db", &setting, 1, &action), IM_ERR_DATABASE_NOT_FOUND);
	assert_int_equal(meta_journal_list(m, 10, journal_count, &rows), IM_OK);
	assert_int_equal(rows, 0);
	assert_int_equal(meta_database_begin(m, &db, NULL, 0), IM_OK);
	assert_int_equal(meta_database_ready(m, "db", &action), IM_OK);
	assert_int_equal(meta_settings_put(m, "db", &setting, 1, &action), IM_OK);
	assert_int_equal(meta_database_delete(m, "db", &action), IM_OK);
	assert_int_equal(meta_journal_list(m, 10, journal_count, &rows), IM_OK);
	assert_int_equal(rows, 3);
	meta_close(m);
}

/* A kill in the middle leaves what was begun. */
static void
meta_database_killed(void **state)
{
	struct meta *m;
	struct meta_database db = database_of("half"), found;
	pid_t child = fork();
	int status;

	if (child == 0) {
		m = open_ok(*state);
		if (meta_database_begin(m, &db, NULL, 0) == IM_OK)
			_exit(0);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	m = open_ok(*state);
	assert_int_equal(meta_database_find(m, META_DATABASE_CREATING, &found), IM_OK);
	assert_string_equal(found.name, "half");
	assert_int_equal(meta_database_ready(m, "half", NULL), IM_OK);
	assert_int_equal(meta_database_find(m, META_DATABASE_CREATING, &found), IM_ERR_NOT_FOUND);
	meta_close(m);
}

static void
meta_settings(void **state)
{
	struct meta *m = open_ok(*state);
	struct meta_database db = database_of("db");
	int64_t value = 7;

	create_ok(m, &db);
	assert_int_equal(meta_setting_get(m, "db", "header", &value), IM_OK);
	assert_int_equal(value, 7);
	assert_int_equal(put(m, "db", 0), IM_OK);
	assert_int_equal(meta_setting_get(m, "db", "header", &value), IM_OK);
	assert_int_equal(value, 0);
	assert_int_equal(put(m, "db", -5), IM_OK);
	assert_int_equal(meta_setting_get(m, "db", "header", &value), IM_OK);
	assert_int_equal(value, -5);
	assert_int_equal(put(m, "none", 1), IM_ERR_DATABASE_NOT_FOUND);
	meta_close(m);
}

static void
meta_database_names(void **state)
{
	char name[META_DATABASE_MAX + 1];

	(void)state;
	memset(name, 'a', sizeof name);
	assert_int_equal(meta_database_name_check(bytes_of(name, META_DATABASE_MAX)), IM_OK);
	assert_int_equal(
	    meta_database_name_check(bytes_of(name, sizeof name)), IM_ERR_DATABASE_NAME);
	assert_int_equal(meta_database_name_check(bytes_str("a_9")), IM_OK);
	assert_int_equal(meta_database_name_check(bytes_str("")), IM_ERR_DATABASE_NAME);
	assert_int_equal(meta_database_name_check(bytes_str("../x")), IM_ERR_DATABASE_NAME);
	assert_int_equal(meta_database_name_check(bytes_str("a b")), IM_ERR_DATABASE_NAME);
	assert_int_equal(meta_database_name_check(bytes_str("Abc")), IM_ERR_DATABASE_NAME);
	assert_string_equal(err_detail(IM_ERR_DATABASE_NAME), "provide a lowercase database name");
}

/* The schema version is the big-endian number at offset 60 of the file. */
/*
 * A stray is forgotten, becomes a database, or changes places with the folder of one: never half.
 */
static void
meta_strays(void **state)
{
	struct meta *m = open_ok(*state);
	struct meta_database row = {.name = "db", .folder = "db_1", .created_by = "immudb"};
	struct meta_restore restore = {.database = "db", .to.id = 3, .actor = "alice"}, left;
	struct meta_swap swap = {"db", "db_1", "db_2", &restore};
	char folder[META_DATABASE_MAX + 1];
	struct meta_database found;

	assert_int_equal(meta_stray_find(m, folder), IM_ERR_NOT_FOUND);
	assert_int_equal(meta_stray_add(m, "../x"), IM_ERR_DATABASE_NAME);
	assert_int_equal(meta_stray_adopt(m, &row, NULL, 0, NULL), IM_ERR_NOT_FOUND);
	assert_int_equal(meta_stray_add(m, "db_1"), IM_OK);
	assert_int_equal(meta_stray_find(m, folder), IM_OK);
	assert_string_equal(folder, "db_1");
	assert_int_equal(meta_stray_adopt(m, &row, NULL, 0, NULL), IM_OK);
	assert_int_equal(meta_stray_find(m, folder), IM_ERR_NOT_FOUND);
	assert_int_equal(meta_database_get(m, bytes_str("db"), &found), IM_OK);
	assert_int_equal(found.state, META_DATABASE_READY);
	assert_int_equal(meta_stray_swap(m, &swap, NULL), IM_ERR_NOT_FOUND);
	assert_int_equal(meta_stray_add(m, "db_2"), IM_OK);
	swap.folder = "other";
	assert_int_equal(meta_stray_swap(m, &swap, NULL), IM_ERR_DATABASE_NOT_FOUND);
	assert_int_equal(meta_stray_find(m, folder), IM_OK);
	assert_string_equal(folder, "db_2");
	/* What is to be announced of it is left with it, or not at all. */
	assert_int_equal(meta_restore_pending(m, &left), IM_ERR_NOT_FOUND);
	swap.folder = "db_1";
	assert_int_equal(meta_stray_swap(m, &swap, NULL), IM_OK);
	assert_int_equal(meta_restore_pending(m, &left), IM_OK);
	assert_int_equal(left.to.id, 3);
	assert_int_equal(meta_database_get(m, bytes_str("db"), &found), IM_OK);
	assert_string_equal(found.folder, "db_2");
	assert_int_equal(meta_stray_find(m, folder), IM_OK);
	assert_string_equal(folder, "db_1");
	/* A database of that name is there already: the stray stays. */
	row.name[0] = 'd';
	assert_int_equal(meta_stray_adopt(m, &row, NULL, 0, NULL), IM_ERR_DATABASE_EXISTS);
	assert_int_equal(meta_stray_drop(m, "db_1"), IM_OK);
	assert_int_equal(meta_stray_find(m, folder), IM_ERR_NOT_FOUND);
	meta_close(m);
}

static void
meta_newer_version_is_refused(void **state)
{
	static const uint8_t newer[4] = {0, 0, 0, 99}, present[4] = {0, 0, 0, 3};
	const struct folder *f = *state;
	struct meta_user user = user_of("alice"), found;
	struct meta *m = open_ok(f);

	assert_int_equal(user_create(m, &user, "db", META_LEVEL_READ), IM_OK);
	meta_close(m);
	patch(f, 60, newer, 4);
	assert_int_equal(meta_open(f->dir, &m), IM_ERR_VERSION);
	assert_null(m);
	assert_non_null(strstr(err_detail(IM_ERR_VERSION), f->file));
	assert_non_null(strstr(err_detail(IM_ERR_VERSION), "99"));
	patch(f, 60, present, 4);
	m = open_ok(f);
	assert_int_equal(meta_user_get(m, bytes_str("alice"), &found), IM_OK);
	meta_close(m);
}

static void
assert_corrupt(const struct folder *f)
{
	struct stat before, after;
	struct meta *m;

	assert_int_equal(stat(f->file, &before), 0);
	assert_int_equal(meta_open(f->dir, &m), IM_ERR_CORRUPT);
	assert_null(m);
	assert_non_null(strstr(err_detail(IM_ERR_CORRUPT), f->file));
	assert_int_equal(stat(f->file, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

static void
meta_damage_is_named(void **state)
{
	static const uint8_t junk[512] = {0xff, 0xff, 0xff}, foreign[4] = {1, 2, 3, 4};
	static const uint8_t ours[4] = {0x69, 0x6d, 0x64, 0x62};
	const struct folder *f = *state;

	meta_close(open_ok(f));
	/* Application id of another program. */
	patch(f, 68, foreign, 4);
	assert_corrupt(f);
	patch(f, 68, ours, 4);
	meta_close(open_ok(f));
	/* A page of a table. */
	patch(f, 4096, junk, sizeof junk);
	assert_corrupt(f);
	/* The file header. */
	patch(f, 0, junk, sizeof junk);
	assert_corrupt(f);
}

static void
meta_unwritable(void **state)
{
	const struct folder *f = *state;
	struct meta *m;
	pid_t child;
	int status;

	assert_int_equal(meta_open("/nonexistent/folder", &m), IM_ERR_IO);
	assert_non_null(strstr(err_detail(IM_ERR_IO), "/nonexistent/folder"));
	meta_close(open_ok(f));
	assert_int_equal(chmod(f->file, 0400), 0);
	assert_int_equal(chmod(f->dir, 0555), 0);
	child = fork();
	if (child == 0) {
		/* The superuser may write everywhere; be somebody else. */
		if (geteuid() == 0 && (chmod(f->file, 0444) != 0 || setuid(65534) != 0))
			_exit(2);
		_exit(meta_open(f->dir, &m) == IM_ERR_IO &&
			    strstr(err_detail(IM_ERR_IO), f->file) != NULL
			? 0
			: 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(chmod(f->file, 0600), 0);
	meta_close(open_ok(f));
}

static void *
threads_work(void *arg)
{
	struct meta *m = arg;
	enum meta_level level;
	size_t i;

	for (i = 0; i < 20; i++)
		if (permission_set(m, "alice", "db", i % 2 ? META_LEVEL_READ : META_LEVEL_ADMIN) !=
			IM_OK ||
		    meta_permission(m, "alice", "db", &level) != IM_OK || level == META_LEVEL_NONE)
			return m;
	return NULL;
}

static void
meta_threads(void **state)
{
	struct meta *m = open_ok(*state);
	struct meta_user user = user_of("alice");
	pthread_t threads[4];
	void *failed;
	size_t i;

	assert_int_equal(user_create(m, &user, "db", META_LEVEL_READ), IM_OK);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, threads_work, m), 0);
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	meta_close(m);
}

#define META_TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    META_TEST(meta_identity_stays),
	    META_TEST(meta_users_survive),
	    META_TEST(meta_user_names),
	    META_TEST(meta_changes_and_their_rows),
	    META_TEST(meta_permissions),
	    META_TEST(meta_database_states),
	    META_TEST(meta_database_actions),
	    META_TEST(meta_database_killed),
	    META_TEST(meta_settings),
	    META_TEST(meta_database_names),
	    META_TEST(meta_strays),
	    META_TEST(meta_newer_version_is_refused),
	    META_TEST(meta_damage_is_named),
	    META_TEST(meta_unwritable),
	    META_TEST(meta_lists),
	    META_TEST(meta_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
