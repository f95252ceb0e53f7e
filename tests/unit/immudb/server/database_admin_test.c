/*
 * Databases that come and go while the server runs: what a restore stages never shares a folder
 * with a database or with another restore, and is gone when it is given up or the server starts
 * again; and what waits for one database keeps no other waiting.
 */
#include "server/databases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "temp_dir.h"
#include "util/log.h"

#define DEADLINE_S 60

struct fixture {
	char dir[TEMP_DIR_MAX];
	struct meta *meta;
	struct databases *databases;
};

static void
open_all(struct fixture *f)
{
	struct databases_options options = {.dir = f->dir, .unsynced = true};

	assert_int_equal(meta_open(f->dir, &f->meta), IM_OK);
	options.meta = f->meta;
	assert_int_equal(databases_open(&options, &f->databases), IM_OK);
}

static void
close_all(struct fixture *f)
{
	databases_close(f->databases);
	meta_close(f->meta);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	temp_dir_make(f->dir);
	open_all(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	close_all(f);
	temp_dir_remove(f->dir);
	free(f);
	return 0;
}

static struct database *
create(struct fixture *f, const char *name)
{
	struct database_new new = {.name = bytes_str(name), .created_by = "immudb"};
	struct database *db;

	assert_int_equal(databases_create(f->databases, &new, NULL, &db), IM_OK);
	return db;
}

static bool
is_there(const struct fixture *f, const char *folder)
{
	char path[VFS_PATH_MAX];
	struct stat st;

	assert_int_equal(vfs_path(path, f->dir, folder), IM_OK);
	return stat(path, &st) == 0;
}

/* A database that is created between the two steps of a restore has a folder of its own. */
static void
staged_folder_is_nobody_elses(void **state)
{
	struct fixture *f = *state;
	char folder[META_DATABASE_MAX + 1];
	struct database *db;

	assert_int_equal(databases_stage(f->databases, "ledger", folder), IM_OK);
	assert_true(is_there(f, folder));
	db = create(f, "ledger");
	assert_string_not_equal(db->folder, folder);
	assert_int_equal(databases_unstage(f->databases, folder), IM_OK);
	assert_false(is_there(f, folder));
	assert_true(is_there(f, db->folder));
}

static void
two_restores_have_two_folders(void **state)
{
	struct fixture *f = *state;
	char one[META_DATABASE_MAX + 1], two[META_DATABASE_MAX + 1];

	assert_int_equal(databases_stage(f->databases, "ledger", one), IM_OK);
	assert_int_equal(databases_stage(f->databases, "ledger", two), IM_OK);
	assert_string_not_equal(one, two);
	assert_int_equal(databases_unstage(f->databases, two), IM_OK);
	assert_true(is_there(f, one));
	assert_int_equal(databases_unstage(f->databases, one), IM_OK);
}

/* What could not be staged has no name: its caller removes what it is told. */
static void
failure_names_no_folder(void **state)
{
	struct fixture *f = *state;
	char folder[META_DATABASE_MAX + 1] = "defaultdb";

	assert_int_equal(databases_stage(f->databases, "No Name", folder), IM_ERR_DATABASE_NAME);
	assert_string_equal(folder, "");
}

static void
start_removes_what_is_staged(void **state)
{
	struct fixture *f = *state;
	char folder[META_DATABASE_MAX + 1];

	assert_int_equal(databases_stage(f->databases, "ledger", folder), IM_OK);
	(void)create(f, "ledger");
	close_all(f);
	open_all(f);
	assert_false(is_there(f, folder));
	assert_non_null(databases_find(f->databases, bytes_str("ledger")));
	assert_true(is_there(f, databases_find(f->databases, bytes_str("ledger"))->folder));
}

struct exchanging {
	struct database *db;
	const struct database_exchange *exchange;
	enum im_err err;
};

static void *
exchange_it(void *arg)
{
	struct exchanging *x = arg;

	x->err = database_exchange(x->db, x->exchange);
	return NULL;
}

/*
 * A content that waits for a request to end, such as a long backup, keeps no other database
 * waiting.
 */
static void
exchange_holds_up_no_other(void **state)
{
	struct fixture *f = *state;
	struct database *db = create(f, "ledger");
	char folder[META_DATABASE_MAX + 1], path[VFS_PATH_MAX];
	struct database_exchange exchange = {.folder = folder};
	struct exchanging x = {.db = db, .exchange = &exchange};
	struct store_options options = {.dir = path, .name = "ledger", .header_version = 1};
	struct database_info info;
	struct store *store;
	pthread_t thread;

	assert_int_equal(databases_stage(f->databases, "ledger", folder), IM_OK);
	assert_int_equal(databases_staged_path(f->databases, folder, path), IM_OK);
	assert_int_equal(store_open(&options, &store), IM_OK);
	store_close(store);
	assert_int_equal(database_enter_wait(db), IM_OK);
	assert_int_equal(pthread_create(&thread, NULL, exchange_it, &x), 0);
	do
		database_info(db, &info);
	while (info.state != DATABASE_UNLOADING);
	alarm(DEADLINE_S);
	(void)create(f, "other");
	alarm(0);
	database_leave(db);
	pthread_join(thread, NULL);
	assert_int_equal(x.err, IM_OK);
	assert_string_equal(db->folder, folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(staged_folder_is_nobody_elses, setup, teardown),
	    cmocka_unit_test_setup_teardown(two_restores_have_two_folders, setup, teardown),
	    cmocka_unit_test_setup_teardown(failure_names_no_folder, setup, teardown),
	    cmocka_unit_test_setup_teardown(start_removes_what_is_staged, setup, teardown),
	    cmocka_unit_test_setup_teardown(exchange_holds_up_no_other, setup, teardown),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("database_admin", tests, NULL, NULL);
}
