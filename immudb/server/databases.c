/*
 * The databases of the data folder: found, created at the first start, rolled forward, opened,
 * looked up. meta/ knows their names, store/ their content; database_use.c says which are open, and
 * database_admin.c creates and deletes them; the handlers get a struct database from the session.
 *
 * Invariants:
 * 1. A folder of a database exists only when the metadata file has a row for it.
 * 2. The system database is the first row and the default database the second; neither is deleted.
 * 3. The list grows at its end only: what is deleted stays in it as gone, so that a pointer to a
 *    database is good as long as the server lives.
 */
#include <stdio.h>
#include <stdlib.h>

#include "rpc/batch.h"
#include "server/database_folder.h"
#include "server/databases_private.h"
#include "util/clock.h"
#include "util/log.h"

#define DATABASES_HEADER_VERSION 1
/* The system database, the default one, and one that takes turns. */
#define DATABASES_OPEN_MIN 3

/*
 * The answers of one commit batch leave each connection in one write, and before the next batch is
 * committed, also when the thread that commits has a batch of requests of its own to finish.
 */
static void
databases_answers_begin(void *ctx)
{
	(void)ctx;
	rpc_batch_begin();
}

static void
databases_answers_end(void *ctx)
{
	(void)ctx;
	rpc_batch_flush();
	rpc_batch_end();
}

enum im_err
databases_load_settings(struct databases *d, const char *name, struct database_settings *out)
{
	int64_t version = DATABASES_HEADER_VERSION, synced = !d->options.unsynced;
	enum im_err err =
	    meta_setting_get(d->options.meta, name, DATABASES_SETTING_HEADER, &version);

	if (err == IM_OK)
		err = meta_setting_get(d->options.meta, name, DATABASES_SETTING_SYNCED, &synced);
	if (err == IM_OK && (version < 0 || version > TX_HEADER_VERSION_MAX))
		err = err_set(IM_ERR_CONFIG, "database %s: header version %lld is not known", name,
		    (long long)version);
	if (strcmp(name, DATABASE_SYSTEM) == 0)
		synced = true;
	*out = (struct database_settings){(uint16_t)version, synced != 0};
	return err;
}

/* A database that was ready has a folder; without it, it would be opened empty. */
static enum im_err
databases_require_folder(const struct database *db)
{
	const char *dir = db->owner->options.dir;
	bool marked;
	enum im_err err = database_folder_is_marked(dir, db->folder, &marked);

	if (err == IM_OK && !marked)
		err = err_set(IM_ERR_CORRUPT, "database %s: %s/%s is missing or has no %s",
		    db->name, dir, db->folder, STORE_MARKER_NAME);
	return err;
}

enum im_err
databases_store_open(struct database *db, bool create, struct store **out)
{
	struct databases *d = db->owner;
	char dir[VFS_PATH_MAX];
	struct database_settings settings = {0};
	struct store_options options = {.dir = dir,
	    .name = db->name,
	    .answers_begin = databases_answers_begin,
	    .answers_end = databases_answers_end};
	enum im_err err = vfs_path(dir, d->options.dir, db->folder);

	if (err == IM_OK && !create)
		err = databases_require_folder(db);
	if (err == IM_OK)
		err = databases_load_settings(d, db->name, &settings);
	if (err != IM_OK)
		return err;
	options.header_version = settings.header_version;
	options.unsynced = !settings.synced;
	return store_open(&options, out);
}

/* ---- Rolling forward ---- */

/* Makes the folder of a database that is being created, by opening it once. */
static enum im_err
databases_finish_creating(struct databases *d, const struct meta_database *row)
{
	struct database *db = databases_new_struct(d, row);
	struct meta_action action = {.actor = JOURNAL_ACTOR_SERVER,
	    .action = JOURNAL_DATABASE_CREATE,
	    .database = row->name,
	    .detail = "begun before the server was stopped"};
	struct store *store = NULL;
	enum im_err err = db ? databases_store_open(db, true, &store) : IM_ERR_NOMEM;

	store_close(store);
	free(db);
	if (err != IM_OK)
		return err;
	return meta_database_ready(d->options.meta, row->name, d->is_new ? NULL : &action);
}

/* What a restore has begun and not ended, or has put something else in the place of. */
static enum im_err
databases_remove_strays(struct databases *d)
{
	struct meta *m = d->options.meta;
	char folder[META_DATABASE_MAX + 1];
	enum im_err err;

	while ((err = meta_stray_find(m, folder)) == IM_OK) {
		err = database_folder_remove(d->options.dir, folder);
		if (err == IM_OK)
			err = meta_stray_drop(m, folder);
		if (err != IM_OK)
			return err;
		log_info("%s, left over from a restore, is removed", folder);
	}
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

static enum im_err
databases_roll_forward(struct databases *d)
{
	struct meta *m = d->options.meta;
	struct meta_database row;
	enum im_err err;

	while ((err = meta_database_find(m, META_DATABASE_DELETING, &row)) == IM_OK) {
		err = database_folder_remove(d->options.dir, row.folder);
		if (err == IM_OK)
			err = meta_database_forget(m, row.name);
		if (err != IM_OK)
			return err;
		log_info("database %s: its deletion is finished", row.name);
	}
	while (err == IM_ERR_NOT_FOUND &&
	    (err = meta_database_find(m, META_DATABASE_CREATING, &row)) == IM_OK) {
		err = databases_finish_creating(d, &row);
		if (err != IM_OK)
			return err;
		err = IM_ERR_NOT_FOUND;
	}
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

/* Of a new data folder; see databases_create() for those that come later. */
static enum im_err
databases_create_first(struct databases *d, const char *name)
{
	struct meta_database row = {.created_by = "immudb", .created_at_s = clock_wall_s()};
	enum im_err err = database_folder_choose(d->options.dir, name, row.folder);

	if (err != IM_OK)
		return err;
	snprintf(row.name, sizeof row.name, "%s", name);
	/* A start that fails here must not leave a folder that no row explains. */
	err = meta_database_begin(d->options.meta, &row, NULL, 0);
	return err == IM_OK ? databases_roll_forward(d) : err;
}

struct database *
databases_new_struct(struct databases *d, const struct meta_database *row)
{
	struct database *db = calloc(1, sizeof *db);

	if (!db)
		return NULL;
	memcpy(db->name, row->name, sizeof db->name);
	memcpy(db->folder, row->folder, sizeof db->folder);
	memcpy(db->created_by, row->created_by, sizeof db->created_by);
	db->created_at_s = row->created_at_s;
	db->is_system = strcmp(row->name, DATABASE_SYSTEM) == 0;
	database_use_init(db, d);
	return db;
}

void
databases_publish(struct databases *d, struct database *db)
{
	size_t count = atomic_load_explicit(&d->count, memory_order_relaxed);

	db->number = count;
	d->list[count] = db;
	atomic_store_explicit(&d->count, count + 1, memory_order_release);
}

/* Remembers a row; its store is opened later, because the metadata file is busy now. */
static enum im_err
databases_add(void *arg, const struct meta_database *row)
{
	struct databases *d = arg;
	struct database *db;

	if (d->count > DATABASES_MAX)
		return err_set(IM_ERR_LIMIT, "more than %d databases", DATABASES_MAX);
	db = databases_new_struct(d, row);
	if (!db)
		return IM_ERR_NOMEM;
	databases_publish(d, db);
	return IM_OK;
}

/* Opens one at the start; only the system database is missed by all. */
static enum im_err
databases_open_first(struct databases *d, struct database *db)
{
	struct store *store = NULL;
	enum im_err err = databases_load_settings(d, db->name, &db->settings);

	if (err == IM_OK)
		err = databases_store_open(db, false, &store);
	if (err == IM_OK) {
		database_put_open(db, store);
		return IM_OK;
	}
	if (db->is_system || databases_client_count(d) == 1)
		return err;
	database_put_broken(db, err);
	log_error("database %s cannot be opened: %s", db->name, err_detail(err));
	return IM_OK;
}

static enum im_err
databases_open_all(struct databases *d)
{
	enum im_err err = meta_database_list(d->options.meta, databases_add, d);
	struct database *db = NULL;

	if (err == IM_OK)
		err = databases_use_start(d);
	if (err != IM_OK)
		return err;
	databases_default(d)->is_kept = true;
	while (err == IM_OK && (db = databases_next(d, db)) != NULL) {
		db->is_kept |= db->is_system;
		err = databases_open_first(d, db);
	}
	return err;
}

/* Invariant 1 for a folder whose metadata file was lost: better stop than start a second life. */
static enum im_err
databases_check_orphan(const struct databases *d, const char *name)
{
	const char *dir = d->options.dir;
	bool marked;
	enum im_err err = database_folder_is_marked(dir, name, &marked);

	if (err == IM_OK && marked)
		err = err_set(IM_ERR_CORRUPT,
		    "%s/%s is missing or empty, but there is a database in %s/%s: restore it from "
		    "a backup, or move the database away",
		    dir, META_FILE_NAME, dir, name);
	return err;
}

/* Creates a database that has no row yet. */
static enum im_err
databases_create_missing(struct databases *d, const char *name)
{
	struct meta_database row;
	enum im_err err = meta_database_get(d->options.meta, bytes_str(name), &row);

	if (err != IM_ERR_DATABASE_NOT_FOUND)
		return err;
	err = databases_check_orphan(d, name);
	return err == IM_OK ? databases_create_first(d, name) : err;
}

static enum im_err
databases_first_start(struct databases *d)
{
	const char *name = d->options.default_name ? d->options.default_name : DATABASE_DEFAULT;
	enum im_err err = meta_database_name_check(bytes_str(name));

	if (err != IM_OK)
		return err_set(err, "dbname %s: %s", name, err_detail(err));
	if (strcmp(name, DATABASE_SYSTEM) == 0)
		return err_set(IM_ERR_CONFIG, "dbname %s: this database name is reserved", name);
	d->is_new = true;
	err = databases_create_missing(d, DATABASE_SYSTEM);
	if (err == IM_OK)
		err = databases_create_missing(d, name);
	if (err == IM_OK)
		log_info("created database %s in %s", name, d->options.dir);
	return err;
}

static enum im_err
databases_count_row(void *arg, const struct meta_database *row)
{
	size_t *clients = arg;

	*clients += strcmp(row->name, DATABASE_SYSTEM) != 0;
	return IM_OK;
}

static enum im_err
databases_prepare(struct databases *d)
{
	size_t clients = 0;
	enum im_err err = databases_remove_strays(d);

	if (err == IM_OK)
		err = databases_roll_forward(d);
	if (err == IM_OK)
		err = meta_database_list(d->options.meta, databases_count_row, &clients);
	if (err == IM_OK && clients == 0)
		err = databases_first_start(d);
	return err;
}

enum im_err
databases_open(const struct databases_options *options, struct databases **out)
{
	struct databases *d = calloc(1, sizeof *d);
	const char *first;
	enum im_err err;

	*out = NULL;
	if (!d)
		return IM_ERR_NOMEM;
	d->options = *options;
	pthread_mutex_init(&d->operations, NULL);
	pthread_mutex_init(&d->mutex, NULL);
	pthread_cond_init(&d->keeper_stop, NULL);
	d->wanted_tail = &d->wanted_head;
	if (!d->options.max_open)
		d->options.max_open = DATABASES_OPEN_DEFAULT;
	if (d->options.max_open < DATABASES_OPEN_MIN)
		d->options.max_open = DATABASES_OPEN_MIN;
	if (!d->options.idle_ms)
		d->options.idle_ms = DATABASES_IDLE_MS_DEFAULT;
	err = databases_prepare(d);
	if (err == IM_OK)
		err = databases_open_all(d);
	if (err == IM_OK) {
		first = databases_default(d)->name;
		if (options->default_name && strcmp(options->default_name, first) != 0)
			err = err_set(IM_ERR_CONFIG,
			    "dbname %s contradicts %s, whose first database is %s",
			    options->default_name, options->dir, first);
	}
	if (err != IM_OK) {
		databases_close(d);
		return err;
	}
	*out = d;
	return IM_OK;
}

void
databases_close(struct databases *d)
{
	size_t i;

	if (!d)
		return;
	databases_stop(d);
	for (i = 0; i < d->count; i++) {
		store_close(d->list[i]->store);
		free(d->list[i]);
	}
	pthread_mutex_destroy(&d->operations);
	pthread_mutex_destroy(&d->mutex);
	pthread_cond_destroy(&d->keeper_stop);
	free(d);
}

/* ---- Looking up ---- */

struct database *
databases_next(struct databases *d, const struct database *previous)
{
	size_t i = previous ? previous->number + 1 : 0;
	size_t count = atomic_load_explicit(&d->count, memory_order_acquire);

	while (i < count && atomic_load_explicit(&d->list[i]->is_gone, memory_order_acquire))
		i++;
	return i < count ? d->list[i] : NULL;
}

struct database *
databases_find(struct databases *d, struct bytes name)
{
	struct database *db = NULL;

	while ((db = databases_next(d, db)) != NULL)
		if (bytes_equal(bytes_str(db->name), name))
			return db;
	return NULL;
}

struct database *
databases_default(struct databases *d)
{
	struct database *db = NULL;

	while ((db = databases_next(d, db)) != NULL && db->is_system)
		;
	return db ? db : databases_next(d, NULL);
}

size_t
databases_client_count(struct databases *d)
{
	struct database *db = NULL;
	size_t n = 0;

	while ((db = databases_next(d, db)) != NULL)
		n += !db->is_system;
	return n;
}
