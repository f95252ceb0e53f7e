/*
 * Opens and holds the databases of the data folder. meta/ knows their names, store/ their content;
 * the handlers get a struct database from the session.
 *
 * Invariants:
 * 1. A folder of a database exists only when the metadata file has a row for it.
 * 2. The system database is the first row and the default database the second.
 */
#include "server/databases.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "rpc/batch.h"
#include "server/database_folder.h"
#include "util/clock.h"
#include "util/log.h"

/* Names of the settings: the version of the headers of new transactions; synced or not. */
#define DATABASES_SETTING_HEADER "writeTxHeaderVersion"
#define DATABASES_SETTING_SYNCED "synced"
#define DATABASES_SETTINGS 2
#define DATABASES_HEADER_VERSION 1

struct databases {
	struct databases_options options;
	pthread_mutex_t operations; /* held by what creates, deletes or changes a database */
	pthread_mutex_t mutex;      /* covers what follows, and the settings of every database */
	void (*observe)(void *ctx, struct database *db);
	void *observe_ctx;
	/* Grows at its end only; read without the mutex. */
	_Atomic size_t count;
	struct database *list[DATABASES_STRUCTS_MAX];
};

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

/* Reads what was set of a database; what never was, is as the server's options say. */
static enum im_err
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

/* What is to be written of a change. */
static size_t
databases_list_settings(
    const struct database_change *change, struct meta_setting out[DATABASES_SETTINGS])
{
	size_t n = 0;

	if (change->has_header_version)
		out[n++] =
		    (struct meta_setting){DATABASES_SETTING_HEADER, change->to.header_version};
	if (change->has_synced)
		out[n++] = (struct meta_setting){DATABASES_SETTING_SYNCED, change->to.synced};
	return n;
}

static enum im_err
databases_store_open(struct databases *d, const char *name, const char *folder, struct store **out)
{
	char dir[VFS_PATH_MAX];
	struct database_settings settings = {0};
	struct store_options options = {.dir = dir,
	    .name = name,
	    .answers_begin = databases_answers_begin,
	    .answers_end = databases_answers_end};
	enum im_err err = vfs_path(dir, d->options.dir, folder);

	if (err == IM_OK)
		err = databases_load_settings(d, name, &settings);
	if (err != IM_OK)
		return err;
	options.header_version = settings.header_version;
	options.unsynced = !settings.synced;
	return store_open(&options, out);
}

/* Makes the folder of a database by opening it once. */
static enum im_err
databases_make_folder(void *arg, const char *folder)
{
	struct store *store;
	enum im_err err = databases_store_open(arg, folder, folder, &store);

	if (err == IM_OK)
		store_close(store);
	return err;
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
	if (err == IM_OK)
		err = meta_database_roll_forward(d->options.meta, databases_make_folder, d);
	return err;
}

static struct database *
databases_new_struct(const struct meta_database *row)
{
	struct database *db = calloc(1, sizeof *db);

	if (!db)
		return NULL;
	memcpy(db->name, row->name, sizeof db->name);
	memcpy(db->folder, row->folder, sizeof db->folder);
	memcpy(db->created_by, row->created_by, sizeof db->created_by);
	db->created_at_s = row->created_at_s;
	db->is_system = strcmp(row->name, DATABASE_SYSTEM) == 0;
	return db;
}

/* From now on everybody sees it. Called under operations, or before there is anybody. */
static void
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

	if (d->count == DATABASES_MAX)
		return err_set(IM_ERR_LIMIT, "more than %d databases", DATABASES_MAX);
	db = databases_new_struct(row);
	if (!db)
		return IM_ERR_NOMEM;
	databases_publish(d, db);
	return IM_OK;
}

static enum im_err
databases_open_all(struct databases *d)
{
	enum im_err err = meta_database_list(d->options.meta, databases_add, d);
	size_t i;

	for (i = 0; i < d->count && err == IM_OK; i++) {
		struct database *db = d->list[i];

		err = databases_load_settings(d, db->name, &db->settings);
		if (err == IM_OK)
			err = databases_store_open(d, db->name, db->folder, &db->store);
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
	enum im_err err = meta_database_roll_forward(d->options.meta, databases_make_folder, d);

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
	for (i = 0; i < d->count; i++) {
		store_close(d->list[i]->store);
		free(d->list[i]);
	}
	pthread_mutex_destroy(&d->operations);
	pthread_mutex_destroy(&d->mutex);
	free(d);
}

/* ---- Looking up ---- */

struct database *
databases_next(struct databases *d, const struct database *previous)
{
	size_t i = previous ? previous->number + 1 : 0;

	return i < atomic_load_explicit(&d->count, memory_order_acquire) ? d->list[i] : NULL;
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

void
databases_settings(struct databases *d, const struct database *db, struct database_settings *out)
{
	pthread_mutex_lock(&d->mutex);
	*out = db->settings;
	pthread_mutex_unlock(&d->mutex);
}

void
databases_observe(struct databases *d, void (*fn)(void *ctx, struct database *db), void *ctx)
{
	struct database *db = NULL;

	pthread_mutex_lock(&d->mutex);
	d->observe = fn;
	d->observe_ctx = ctx;
	while ((db = databases_next(d, db)) != NULL)
		fn(ctx, db);
	pthread_mutex_unlock(&d->mutex);
}

/* ---- Creating ---- */

static enum im_err
databases_check_new(struct databases *d, const struct database_new *new)
{
	enum im_err err = meta_database_name_check(new->name);

	if (err != IM_OK)
		return err;
	if (bytes_equal(new->name, bytes_str(DATABASE_SYSTEM)) ||
	    bytes_equal(new->name, bytes_str(DATABASE_DEFAULT)))
		return IM_ERR_DATABASE_RESERVED;
	if (databases_find(d, new->name))
		return err_set(IM_ERR_DATABASE_EXISTS, "database %.*s already exists",
		    (int)new->name.len, (const char *)new->name.data);
	if (new->settings.to.header_version > TX_HEADER_VERSION_MAX)
		return err_set(IM_ERR_ARGUMENT, "%s: header version %u is not known",
		    err_text(IM_ERR_ARGUMENT), new->settings.to.header_version);
	if (databases_client_count(d) >= DATABASES_MAX || d->count == DATABASES_STRUCTS_MAX)
		return err_set(IM_ERR_LIMIT, "%s: there are %zu databases", err_text(IM_ERR_LIMIT),
		    databases_client_count(d));
	return IM_OK;
}

/* The row is written: makes the folder and says so, or takes both back. */
static enum im_err
databases_finish_create(struct databases *d, struct database *db)
{
	enum im_err err = databases_load_settings(d, db->name, &db->settings), undo;

	if (err == IM_OK)
		err = databases_store_open(d, db->name, db->folder, &db->store);
	if (err == IM_OK)
		err = meta_database_ready(d->options.meta, db->name);
	if (err == IM_OK)
		return IM_OK;
	store_close(db->store);
	db->store = NULL;
	undo = database_folder_remove(d->options.dir, db->folder);
	/* What cannot be taken back is finished by the next start. */
	if (undo == IM_OK)
		undo = meta_database_cancel(d->options.meta, db->name);
	if (undo != IM_OK)
		log_error("database %s was created by half: %s", db->name, err_text(undo));
	return err;
}

static enum im_err
databases_create_locked(struct databases *d, const struct database_new *new, struct database **out)
{
	struct meta_database row = {.created_at_s = clock_wall_s()};
	struct meta_setting settings[DATABASES_SETTINGS];
	size_t count = databases_list_settings(&new->settings, settings);
	struct database *db;
	enum im_err err = databases_check_new(d, new);

	if (err != IM_OK)
		return err;
	snprintf(
	    row.name, sizeof row.name, "%.*s", (int)new->name.len, (const char *)new->name.data);
	snprintf(row.created_by, sizeof row.created_by, "%s", new->created_by);
	err = database_folder_choose(d->options.dir, row.name, row.folder);
	if (err != IM_OK)
		return err;
	db = databases_new_struct(&row);
	if (!db)
		return IM_ERR_NOMEM;
	err = meta_database_begin(d->options.meta, &row, settings, count);
	if (err == IM_OK)
		err = databases_finish_create(d, db);
	if (err != IM_OK) {
		free(db);
		return err;
	}
	pthread_mutex_lock(&d->mutex);
	if (d->observe)
		d->observe(d->observe_ctx, db);
	databases_publish(d, db);
	pthread_mutex_unlock(&d->mutex);
	*out = db;
	return IM_OK;
}

enum im_err
databases_create(struct databases *d, const struct database_new *new, struct database **out)
{
	enum im_err err;

	*out = NULL;
	pthread_mutex_lock(&d->operations);
	err = databases_create_locked(d, new, out);
	pthread_mutex_unlock(&d->operations);
	return err;
}
