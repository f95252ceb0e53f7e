/*
 * Opens and holds the databases of the data folder. meta/ knows their names, store/ their content;
 * the handlers get a struct database from the session.
 *
 * Invariants:
 * 1. A folder of a database exists only when the metadata file has a row for it.
 * 2. The system database is the first row and the default database the second.
 */
#include "server/databases.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rpc/batch.h"
#include "util/clock.h"
#include "util/log.h"

/* Name of the setting that says which version the headers of new transactions have. */
#define DATABASES_SETTING_HEADER "writeTxHeaderVersion"
#define DATABASES_HEADER_VERSION 1
#define DATABASES_MAX 1024
/* What is kept of a long name when a number follows. */
#define DATABASES_FOLDER_STEM 120

struct databases {
	struct databases_options options;
	size_t count;
	struct database list[DATABASES_MAX];
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

static enum im_err
databases_store_open(struct databases *d, const char *name, const char *folder, struct store **out)
{
	char dir[VFS_PATH_MAX];
	int64_t version = DATABASES_HEADER_VERSION;
	struct store_options options = {.dir = dir,
	    .name = name,
	    .answers_begin = databases_answers_begin,
	    .answers_end = databases_answers_end};
	enum im_err err = vfs_path(dir, d->options.dir, folder);

	if (err == IM_OK)
		err = meta_setting_get(d->options.meta, name, DATABASES_SETTING_HEADER, &version);
	if (err == IM_OK && (version < 0 || version > TX_HEADER_VERSION_MAX))
		err = err_set(IM_ERR_CONFIG, "database %s: header version %lld is not known", name,
		    (long long)version);
	if (err != IM_OK)
		return err;
	options.header_version = (uint16_t)version;
	options.unsynced = d->options.unsynced && strcmp(name, DATABASE_SYSTEM) != 0;
	return store_open(&options, out);
}

/* Makes the folder of a database by opening it once; it has no settings yet. */
static enum im_err
databases_make_folder(void *arg, const char *folder)
{
	struct store *store;
	enum im_err err = databases_store_open(arg, folder, folder, &store);

	if (err == IM_OK)
		store_close(store);
	return err;
}

/* The name itself, unless something else has that name already: then with a number behind it. */
static enum im_err
databases_choose_folder(struct databases *d, const char *name, char folder[META_DATABASE_MAX + 1])
{
	char path[VFS_PATH_MAX];
	struct stat st;
	unsigned i;
	enum im_err err;

	snprintf(folder, META_DATABASE_MAX + 1, "%s", name);
	for (i = 1; i <= DATABASES_MAX; i++) {
		err = vfs_path(path, d->options.dir, folder);
		if (err != IM_OK)
			return err;
		if (lstat(path, &st) != 0)
			return IM_OK;
		snprintf(folder, META_DATABASE_MAX + 1, "%.*s_%u", DATABASES_FOLDER_STEM, name, i);
	}
	return err_set(IM_ERR_EXISTS, "no name left for a folder of database %s", name);
}

static enum im_err
databases_create(struct databases *d, const char *name)
{
	struct meta_database row = {.created_by = "immudb", .created_at_s = clock_wall_s()};
	enum im_err err = databases_choose_folder(d, name, row.folder);

	if (err != IM_OK)
		return err;
	snprintf(row.name, sizeof row.name, "%s", name);
	/* A start that fails here must not leave a folder that no row explains. */
	err = meta_database_begin(d->options.meta, &row);
	if (err == IM_OK)
		err = meta_database_roll_forward(d->options.meta, databases_make_folder, d);
	return err;
}

/* Remembers a row; its store is opened later, because the metadata file is busy now. */
static enum im_err
databases_add(void *arg, const struct meta_database *row)
{
	struct databases *d = arg;
	struct database *database = &d->list[d->count];

	if (d->count == DATABASES_MAX)
		return err_set(IM_ERR_LIMIT, "more than %d databases", DATABASES_MAX);
	memcpy(database->name, row->name, sizeof database->name);
	memcpy(database->folder, row->folder, sizeof database->folder);
	database->is_system = strcmp(row->name, DATABASE_SYSTEM) == 0;
	d->count++;
	return IM_OK;
}

static enum im_err
databases_open_all(struct databases *d)
{
	enum im_err err = meta_database_list(d->options.meta, databases_add, d);
	size_t i;

	for (i = 0; i < d->count && err == IM_OK; i++)
		err =
		    databases_store_open(d, d->list[i].name, d->list[i].folder, &d->list[i].store);
	return err;
}

/* Invariant 1 for a folder whose metadata file was lost: better stop than start a second life. */
static enum im_err
databases_check_orphan(const struct databases *d, const char *name)
{
	char dir[VFS_PATH_MAX], marker[VFS_PATH_MAX];
	enum im_err err = vfs_path(dir, d->options.dir, name);

	if (err == IM_OK)
		err = vfs_path(marker, dir, STORE_MARKER_NAME);
	if (err == IM_OK && access(marker, F_OK) == 0)
		err = err_set(IM_ERR_CORRUPT,
		    "%s/%s is missing or empty, but there is a database in %s: restore it from a "
		    "backup, or move the database away",
		    d->options.dir, META_FILE_NAME, dir);
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
	return err == IM_OK ? databases_create(d, name) : err;
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
	for (i = 0; i < d->count; i++)
		store_close(d->list[i].store);
	free(d);
}

struct database *
databases_find(struct databases *d, struct bytes name)
{
	size_t i;

	for (i = 0; i < d->count; i++)
		if (bytes_equal(bytes_str(d->list[i].name), name))
			return &d->list[i];
	return NULL;
}

struct database *
databases_default(struct databases *d)
{
	size_t i;

	for (i = 0; i < d->count && d->list[i].is_system; i++)
		;
	return &d->list[i < d->count ? i : 0];
}

size_t
databases_client_count(const struct databases *d)
{
	size_t i, n = 0;

	for (i = 0; i < d->count; i++)
		n += !d->list[i].is_system;
	return n;
}

struct database *
databases_at(struct databases *d, size_t i)
{
	return i < d->count ? &d->list[i] : NULL;
}
