/*
 * Creating, changing and deleting databases while the server runs, one at a time. databases.c does
 * what a start does; database_handlers.c asks.
 *
 * Invariant: the row of a database is written before its folder is made, and goes after it is
 * removed; in between its state says which way it goes on after a crash.
 */
#include <stdio.h>
#include <stdlib.h>

#include "meta/meta_restores.h"
#include "server/database_folder.h"
#include "server/databases_private.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

/* What is to be written of a change. */
static size_t
database_list_settings(
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

/* ---- Creating ---- */

enum im_err
databases_check_new(struct databases *d, struct bytes name)
{
	enum im_err err = meta_database_name_check(name);

	if (err != IM_OK)
		return err;
	if (bytes_equal(name, bytes_str(DATABASE_SYSTEM)) ||
	    bytes_equal(name, bytes_str(DATABASE_DEFAULT)))
		return IM_ERR_DATABASE_RESERVED;
	if (databases_find(d, name))
		return err_set(IM_ERR_DATABASE_EXISTS, "database %.*s already exists",
		    (int)name.len, (const char *)name.data);
	if (databases_client_count(d) >= DATABASES_MAX || d->count == DATABASES_STRUCTS_MAX)
		return err_set(IM_ERR_LIMIT, "%s: there are %zu databases", err_text(IM_ERR_LIMIT),
		    databases_client_count(d));
	return IM_OK;
}

/* The row is written: makes the folder and says so, or takes both back. */
static enum im_err
database_finish_create(struct database *db, const struct meta_action *action, struct store **store)
{
	struct databases *d = db->owner;
	enum im_err err = databases_load_settings(d, db->name, &db->settings), undo;
	char text[256];

	*store = NULL;
	if (err == IM_OK)
		err = databases_store_open(db, true, store);
	if (err == IM_OK)
		err = meta_database_ready(d->options.meta, db->name, action);
	if (err == IM_OK)
		return IM_OK;
	snprintf(text, sizeof text, "%s", err_detail(err));
	store_close(*store);
	undo = database_folder_remove(d->options.dir, db->folder);
	/* What cannot be taken back is finished by the next start. */
	if (undo == IM_OK)
		undo = meta_database_cancel(d->options.meta, db->name);
	if (undo != IM_OK)
		log_error("database %s is half created: %s", db->name, err_detail(undo));
	return err_set(err, "%s", text);
}

static enum im_err
database_fill_row(struct databases *d, const struct database_new *new, struct meta_database *row)
{
	*row = (struct meta_database){.created_at_s = clock_wall_s()};
	snprintf(
	    row->name, sizeof row->name, "%.*s", (int)new->name.len, (const char *)new->name.data);
	snprintf(row->created_by, sizeof row->created_by, "%s", new->created_by);
	return database_folder_choose(d->options.dir, row->name, row->folder);
}

/* Under operations. */
static enum im_err
databases_create_locked(struct databases *d, const struct database_new *new,
    const struct meta_action *action, struct database **out)
{
	struct meta_database row;
	struct meta_setting settings[DATABASES_SETTINGS];
	size_t count = database_list_settings(&new->settings, settings);
	struct database *db;
	struct store *store;
	enum im_err err = databases_check_new(d, new->name);

	if (err == IM_OK)
		err = database_fill_row(d, new, &row);
	if (err != IM_OK)
		return err;
	db = databases_new_struct(d, &row);
	if (!db)
		return IM_ERR_NOMEM;
	err = meta_database_begin(d->options.meta, &row, settings, count);
	if (err == IM_OK)
		err = database_finish_create(db, action, &store);
	if (err != IM_OK) {
		free(db);
		return err;
	}
	database_put_open(db, store);
	databases_publish(d, db);
	*out = db;
	return IM_OK;
}

enum im_err
databases_create(struct databases *d, const struct database_new *new,
    const struct meta_action *action, struct database **out)
{
	enum im_err err;

	*out = NULL;
	pthread_mutex_lock(&d->operations);
	err = databases_create_locked(d, new, action, out);
	pthread_mutex_unlock(&d->operations);
	return err;
}

/* ---- Restoring ---- */

/* Under operations, or of a folder that nobody else knows. */
static enum im_err
databases_drop_stray(struct databases *d, const char *folder)
{
	enum im_err err = database_folder_remove(d->options.dir, folder);

	if (err == IM_OK)
		err = meta_stray_drop(d->options.meta, folder);
	if (err != IM_OK)
		log_error("%s is left until the next start: %s", folder, err_detail(err));
	return err;
}

/* Under operations, so that the name is chosen once: from then on the folder is there. */
static enum im_err
databases_stage_locked(struct databases *d, const char *name, char folder[META_DATABASE_MAX + 1])
{
	char path[VFS_PATH_MAX];
	enum im_err err = database_folder_choose(d->options.dir, name, folder);

	if (err == IM_OK)
		err = databases_staged_path(d, folder, path);
	if (err == IM_OK)
		err = meta_stray_add(d->options.meta, folder);
	if (err != IM_OK)
		return err;
	err = file_make_folder(path);
	if (err != IM_OK)
		(void)databases_drop_stray(d, folder);
	return err;
}

enum im_err
databases_stage(struct databases *d, const char *name, char folder[META_DATABASE_MAX + 1])
{
	enum im_err err = meta_database_name_check(bytes_str(name));

	if (err == IM_OK) {
		pthread_mutex_lock(&d->operations);
		err = databases_stage_locked(d, name, folder);
		pthread_mutex_unlock(&d->operations);
	}
	/* Nothing that its caller might take for its own, and remove. */
	if (err != IM_OK)
		folder[0] = '\0';
	return err;
}

enum im_err
databases_unstage(struct databases *d, const char *folder)
{
	enum im_err err;

	pthread_mutex_lock(&d->operations);
	err = databases_drop_stray(d, folder);
	pthread_mutex_unlock(&d->operations);
	return err;
}

enum im_err
databases_staged_path(const struct databases *d, const char *folder, char path[VFS_PATH_MAX])
{
	return vfs_path(path, d->options.dir, folder);
}

/* It is a database now, whether or not it can be opened. */
static void
database_open_adopted(struct database *db)
{
	struct store *store = NULL;
	enum im_err err = databases_load_settings(db->owner, db->name, &db->settings);

	if (err == IM_OK)
		err = databases_store_open(db, false, &store);
	if (err == IM_OK) {
		database_put_open(db, store);
		return;
	}
	log_error("database %s cannot be opened: %s", db->name, err_detail(err));
	database_put_broken(db, err);
}

enum im_err
databases_adopt(struct databases *d, const struct database_new *new, const char *folder,
    const struct meta_action *action, struct database **out)
{
	struct meta_database row;
	struct meta_setting settings[DATABASES_SETTINGS];
	size_t count = database_list_settings(&new->settings, settings);
	struct database *db = NULL;
	enum im_err err;

	pthread_mutex_lock(&d->operations);
	err = databases_check_new(d, new->name);
	if (err == IM_OK)
		err = database_fill_row(d, new, &row);
	if (err == IM_OK) {
		snprintf(row.folder, sizeof row.folder, "%s", folder);
		db = databases_new_struct(d, &row);
		err = db ? meta_stray_adopt(d->options.meta, &row, settings, count, action)
			 : IM_ERR_NOMEM;
	}
	if (err == IM_OK) {
		database_open_adopted(db);
		databases_publish(d, db);
		*out = db;
	} else {
		free(db);
	}
	pthread_mutex_unlock(&d->operations);
	return err;
}

/* The state that a closed database ends with; 0 if it cannot be opened. */
static void
database_last_state(struct database *db, struct store_state *out)
{
	struct store *store = NULL;
	enum im_err err = databases_store_open(db, false, &store);

	*out = (struct store_state){.tx = 0};
	if (err == IM_OK)
		store_state(store, out);
	else
		log_warn("database %s, which is replaced, cannot be opened: %s", db->name,
		    err_detail(err));
	store_close(store);
}

static enum im_err
exchange_check(const struct database *db, const struct database_exchange *exchange,
    const struct store_state *now)
{
	const struct store_state *must_be = exchange->must_be;

	if (!must_be ||
	    (must_be->tx == now->tx && (now->tx == 0 || hash_equal(&must_be->alh, &now->alh))))
		return IM_OK;
	return err_set(IM_ERR_STATE_FORKED,
	    "%s: database %s was written meanwhile: it has transaction %llu",
	    err_text(IM_ERR_STATE_FORKED), db->name, (unsigned long long)now->tx);
}

/* Claimed, and under operations. */
static enum im_err
exchange_folder(struct database *db, const struct database_exchange *exchange)
{
	struct databases *d = db->owner;
	struct meta_swap swap = {db->name, db->folder, exchange->folder, NULL};
	struct meta_restore restore;
	struct store_state from;
	char old[sizeof db->folder];
	enum im_err err;

	database_last_state(db, &from);
	err = exchange_check(db, exchange, &from);
	if (err == IM_OK && exchange->describe &&
	    exchange->describe(exchange->ctx, &from, &restore))
		swap.restore = &restore;
	if (err == IM_OK)
		err = meta_stray_swap(d->options.meta, &swap, exchange->action);
	if (err != IM_OK)
		return err;
	memcpy(old, db->folder, sizeof old);
	snprintf(db->folder, sizeof db->folder, "%s", exchange->folder);
	if (swap.restore)
		err = exchange->announce(exchange->ctx);
	if (err != IM_OK)
		log_error(
		    "database %s was restored, but that is announced at the next start only: %s",
		    db->name, err_detail(err));
	(void)databases_drop_stray(d, old);
	return IM_OK;
}

enum im_err
database_exchange(struct database *db, const struct database_exchange *exchange)
{
	struct databases *d = db->owner;
	char text[256];
	enum im_err err;

	if (db->is_system)
		return IM_ERR_DATABASE_RESERVED;
	/*
	 * Not under operations: requests may take long to end, and other databases do not wait for
	 * that.
	 */
	err = database_claim(db);
	if (err != IM_OK)
		return err;
	pthread_mutex_lock(&d->operations);
	err = exchange_folder(db, exchange);
	pthread_mutex_unlock(&d->operations);
	snprintf(text, sizeof text, "%s", err == IM_OK ? "" : err_detail(err));
	database_open_claimed(db);
	return err == IM_OK ? IM_OK : err_set(err, "%s", text);
}

/* ---- Settings ---- */

enum im_err
database_update(
    struct database *db, const struct database_change *change, const struct meta_action *action)
{
	struct databases *d = db->owner;
	struct meta_setting settings[DATABASES_SETTINGS];
	size_t count = database_list_settings(change, settings);
	struct database_settings now;
	enum im_err err;

	if (db->is_system)
		return IM_ERR_DATABASE_RESERVED;
	pthread_mutex_lock(&d->operations);
	err = meta_settings_put(d->options.meta, db->name, settings, count, action);
	if (err == IM_OK)
		err = databases_load_settings(d, db->name, &now);
	pthread_mutex_lock(&d->mutex);
	if (err == IM_OK)
		db->settings = now;
	pthread_mutex_unlock(&d->mutex);
	pthread_mutex_unlock(&d->operations);
	return err;
}

/* ---- Deleting ---- */

/* From now on nobody can load it. */
static enum im_err
database_set_gone(struct database *db)
{
	enum im_err err = IM_OK;

	pthread_mutex_lock(&db->owner->mutex);
	if (db->state == DATABASE_GONE)
		err = err_set(IM_ERR_DATABASE_NOT_FOUND, "%s does not exist", db->name);
	else if (db->state != DATABASE_UNLOADED)
		err = IM_ERR_DATABASE_LOADED;
	else
		db->state = DATABASE_GONE;
	pthread_mutex_unlock(&db->owner->mutex);
	return err;
}

static enum im_err
database_delete_locked(struct database *db, const struct meta_action *action)
{
	struct databases *d = db->owner;
	enum im_err err = database_set_gone(db);

	if (err != IM_OK)
		return err;
	err = meta_database_delete(d->options.meta, db->name, action);
	if (err != IM_OK) {
		pthread_mutex_lock(&d->mutex);
		db->state = DATABASE_UNLOADED;
		pthread_mutex_unlock(&d->mutex);
		return err;
	}
	atomic_store(&db->is_gone, true);
	err = database_folder_remove(d->options.dir, db->folder);
	if (err == IM_OK)
		err = meta_database_forget(d->options.meta, db->name);
	if (err != IM_OK)
		log_error(
		    "database %s is deleted, but files of it are left until the next start: %s",
		    db->name, err_detail(err));
	return err;
}

enum im_err
database_delete(struct database *db, const struct meta_action *action)
{
	enum im_err err;

	if (db->is_kept)
		return IM_ERR_DATABASE_RESERVED;
	pthread_mutex_lock(&db->owner->operations);
	err = database_delete_locked(db, action);
	pthread_mutex_unlock(&db->owner->operations);
	return err;
}
