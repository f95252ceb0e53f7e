/*
 * Databases: their names, folders, states and settings. meta.c owns the file; the server's database
 * manager is the caller and makes the folders.
 *
 *        create                    folder made
 *  (none) -------> creating ---------------------> ready     meta_database_begin(), _ready()
 *                  creating -----> (none)                    meta_database_cancel()
 *        delete                    folder removed
 *  ready --------> deleting ---------------------> (none)    meta_database_delete(), _forget()
 *
 *        restore                   restored
 *  (none) -------> stray ------------------------> ready     meta_stray_add(), _adopt()
 *                  stray <-----------------------> folder of one that is ready
 *                  meta_stray_swap()
 *
 * Invariant: a folder exists only for a database that is written here, or as a stray.
 */
#include "meta/meta_restores.h"
#include "meta/meta_sql.h"

enum im_err
meta_database_name_check(struct bytes name)
{
	size_t i;

	if (name.len < 1 || name.len > META_DATABASE_MAX)
		return err_set(IM_ERR_DATABASE_NAME, "database name length outside of limits");
	for (i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];

		if (c >= 'A' && c <= 'Z')
			return err_set(IM_ERR_DATABASE_NAME, "provide a lowercase database name");
		if (c > ' ' && c < 0x7f && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    c != '_')
			return err_set(IM_ERR_DATABASE_NAME,
			    "punctuation marks and symbols are not allowed in database name");
		if (c <= ' ' || c >= 0x7f)
			return err_set(
			    IM_ERR_DATABASE_NAME, "unrecognized character in database name");
	}
	return IM_OK;
}

static void
meta_database_read(sqlite3_stmt *stmt, struct meta_database *out)
{
	memset(out, 0, sizeof *out);
	meta_column(stmt, 0, out->name, sizeof out->name);
	meta_column(stmt, 1, out->folder, sizeof out->folder);
	out->state = (enum meta_database_state)sqlite3_column_int(stmt, 2);
	meta_column(stmt, 3, out->created_by, sizeof out->created_by);
	out->created_at_s = sqlite3_column_int64(stmt, 4);
}

/* The handle is taken, and a transaction begun. */
static enum im_err
meta_settings_write(
    struct meta *m, const char *database, const struct meta_setting *settings, size_t count)
{
	enum im_err err = IM_OK;
	sqlite3_stmt *stmt;

	for (size_t i = 0; i < count && err == IM_OK; i++) {
		stmt = meta_statement(m, META_SQL_SETTING_PUT, &err);
		if (!stmt)
			break;
		meta_bind(stmt, 1, bytes_str(database));
		meta_bind(stmt, 2, bytes_str(settings[i].name));
		sqlite3_bind_int64(stmt, 3, settings[i].value);
		err = meta_exec(m, stmt);
	}
	return err == IM_ERR_NOT_FOUND ? IM_ERR_DATABASE_NOT_FOUND : err;
}

/* The row and its settings; the handle is taken, and a transaction begun. */
static enum im_err
meta_database_insert(struct meta *m, const struct meta_database *database,
    const struct meta_setting *settings, size_t count)
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_statement(m, META_SQL_DATABASE_ADD, &err);

	if (!stmt)
		return err;
	meta_bind(stmt, 1, bytes_str(database->name));
	meta_bind(stmt, 2, bytes_str(database->folder));
	meta_bind(stmt, 3, bytes_str(database->created_by));
	sqlite3_bind_int64(stmt, 4, database->created_at_s);
	err = meta_exec(m, stmt);
	return err == IM_OK ? meta_settings_write(m, database->name, settings, count) : err;
}

enum im_err
meta_database_begin(struct meta *m, const struct meta_database *database,
    const struct meta_setting *settings, size_t count)
{
	enum im_err err = meta_database_name_check(bytes_str(database->name));

	if (err == IM_OK)
		err = meta_database_name_check(bytes_str(database->folder));
	if (err != IM_OK)
		return err;
	pthread_mutex_lock(&m->mutex);
	err = meta_transaction_begin(m);
	if (err == IM_OK)
		err = meta_transaction_end(m, meta_database_insert(m, database, settings, count));
	meta_unlock(m);
	if (err == IM_ERR_EXISTS)
		return err_set(
		    IM_ERR_DATABASE_EXISTS, "database %s already exists", database->name);
	return err;
}

/* Runs a statement that must change the row of that name. A transaction is begun. */
static enum im_err
meta_database_part(struct meta *m, enum meta_statement id, const char *name)
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_statement(m, id, &err);

	if (!stmt)
		return err;
	meta_bind(stmt, 1, bytes_str(name));
	return meta_exec(m, stmt);
}

static enum im_err
meta_database_change(
    struct meta *m, enum meta_statement id, const char *name, const struct meta_action *action)
{
	enum im_err err;

	pthread_mutex_lock(&m->mutex);
	err = meta_transaction_begin(m);
	if (err == IM_OK) {
		err = meta_database_part(m, id, name);
		if (err == IM_OK && sqlite3_changes(m->db) == 0)
			err =
			    err_set(IM_ERR_DATABASE_NOT_FOUND, "database %s does not exist", name);
		if (err == IM_OK)
			err = meta_journal_write(m, action);
		err = meta_transaction_end(m, err);
	}
	meta_unlock(m);
	return err;
}

enum im_err
meta_database_ready(struct meta *m, const char *name, const struct meta_action *action)
{
	return meta_database_change(m, META_SQL_DATABASE_READY, name, action);
}

enum im_err
meta_database_cancel(struct meta *m, const char *name)
{
	return meta_database_change(m, META_SQL_DATABASE_DROP, name, NULL);
}

enum im_err
meta_database_delete(struct meta *m, const char *name, const struct meta_action *action)
{
	return meta_database_change(m, META_SQL_DATABASE_DELETING, name, action);
}

enum im_err
meta_database_forget(struct meta *m, const char *name)
{
	enum im_err err;

	pthread_mutex_lock(&m->mutex);
	err = meta_transaction_begin(m);
	if (err == IM_OK) {
		err = meta_database_part(m, META_SQL_LEVEL_DROP_ALL, name);
		if (err == IM_OK)
			err = meta_database_part(m, META_SQL_DATABASE_FORGET, name);
		err = meta_transaction_end(m, err);
	}
	meta_unlock(m);
	return err;
}

enum im_err
meta_database_find(struct meta *m, enum meta_database_state state, struct meta_database *out)
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_lock(m, META_SQL_DATABASE_IN_STATE, &err);

	if (stmt) {
		sqlite3_bind_int(stmt, 1, (int)state);
		err = meta_step(m, stmt);
	}
	if (err == IM_OK)
		meta_database_read(stmt, out);
	meta_unlock(m);
	return err;
}

enum im_err
meta_database_get(struct meta *m, struct bytes name, struct meta_database *out)
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_lock(m, META_SQL_DATABASE_GET, &err);

	if (stmt) {
		meta_bind(stmt, 1, name);
		err = meta_step(m, stmt);
	}
	if (err == IM_OK)
		meta_database_read(stmt, out);
	meta_unlock(m);
	if (err == IM_ERR_NOT_FOUND)
		err = err_set(IM_ERR_DATABASE_NOT_FOUND, "database %.*s does not exist",
		    (int)(name.len > META_DATABASE_MAX ? META_DATABASE_MAX : name.len),
		    (const char *)name.data);
	return err;
}

enum im_err
meta_database_list(
    struct meta *m, enum im_err (*each)(void *arg, const struct meta_database *database), void *arg)
{
	struct meta_database database;
	enum im_err err;
	sqlite3_stmt *stmt = meta_lock(m, META_SQL_DATABASE_LIST, &err);

	while (err == IM_OK) {
		err = meta_step(m, stmt);
		if (err != IM_OK) {
			err = err == IM_ERR_NOT_FOUND ? IM_OK : err;
			break;
		}
		meta_database_read(stmt, &database);
		err = each(arg, &database);
	}
	meta_unlock(m);
	return err;
}

enum im_err
meta_setting_get(struct meta *m, const char *database, const char *setting, int64_t *value)
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_lock(m, META_SQL_SETTING_GET, &err);

	if (stmt) {
		meta_bind(stmt, 1, bytes_str(database));
		meta_bind(stmt, 2, bytes_str(setting));
		err = meta_step(m, stmt);
	}
	if (err == IM_OK)
		*value = sqlite3_column_int64(stmt, 0);
	meta_unlock(m);
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

enum im_err
meta_settings_put(struct meta *m, const char *database, const struct meta_setting *settings,
    size_t count, const struct meta_action *action)
{
	enum im_err err;

	pthread_mutex_lock(&m->mutex);
	err = meta_transaction_begin(m);
	if (err == IM_OK) {
		err = meta_settings_write(m, database, settings, count);
		if (err == IM_OK)
			err = meta_journal_write(m, action);
		err = meta_transaction_end(m, err);
	}
	meta_unlock(m);
	return err;
}

/* ---- Strays ---- */

static enum im_err
meta_stray_change(struct meta *m, enum meta_statement id, const char *folder)
{
	enum im_err err = meta_database_name_check(bytes_str(folder));

	if (err != IM_OK)
		return err;
	pthread_mutex_lock(&m->mutex);
	err = meta_transaction_begin(m);
	if (err == IM_OK)
		err = meta_transaction_end(m, meta_database_part(m, id, folder));
	meta_unlock(m);
	return err;
}

enum im_err
meta_stray_add(struct meta *m, const char *folder)
{
	return meta_stray_change(m, META_SQL_STRAY_ADD, folder);
}

enum im_err
meta_stray_drop(struct meta *m, const char *folder)
{
	return meta_stray_change(m, META_SQL_STRAY_DROP, folder);
}

enum im_err
meta_stray_find(struct meta *m, char folder[META_DATABASE_MAX + 1])
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_lock(m, META_SQL_STRAY_FIRST, &err);

	if (stmt)
		err = meta_step(m, stmt);
	if (err == IM_OK)
		meta_column(stmt, 0, folder, META_DATABASE_MAX + 1);
	meta_unlock(m);
	return err;
}

/* Takes a folder out of the strays. A transaction is begun. */
static enum im_err
meta_stray_take(struct meta *m, const char *folder)
{
	enum im_err err = meta_database_part(m, META_SQL_STRAY_DROP, folder);

	if (err == IM_OK && sqlite3_changes(m->db) == 0)
		err = err_set(IM_ERR_NOT_FOUND, "%s is no folder that is being restored", folder);
	return err;
}

enum im_err
meta_stray_adopt(struct meta *m, const struct meta_database *database,
    const struct meta_setting *settings, size_t count, const struct meta_action *action)
{
	enum im_err err = meta_database_name_check(bytes_str(database->name));

	if (err != IM_OK)
		return err;
	pthread_mutex_lock(&m->mutex);
	err = meta_transaction_begin(m);
	if (err == IM_OK) {
		err = meta_stray_take(m, database->folder);
		if (err == IM_OK)
			err = meta_database_insert(m, database, settings, count);
		if (err == IM_OK)
			err = meta_database_part(m, META_SQL_DATABASE_READY, database->name);
		if (err == IM_OK)
			err = meta_journal_write(m, action);
		err = meta_transaction_end(m, err);
	}
	meta_unlock(m);
	if (err == IM_ERR_EXISTS)
		return err_set(
		    IM_ERR_DATABASE_EXISTS, "database %s already exists", database->name);
	return err;
}

/* A transaction is begun. */
static enum im_err
meta_swap_folders(struct meta *m, const struct meta_swap *swap)
{
	sqlite3_stmt *stmt;
	enum im_err err = meta_stray_take(m, swap->stray);

	if (err != IM_OK)
		return err;
	stmt = meta_statement(m, META_SQL_DATABASE_FOLDER, &err);
	if (!stmt)
		return err;
	meta_bind(stmt, 1, bytes_str(swap->database));
	meta_bind(stmt, 2, bytes_str(swap->stray));
	meta_bind(stmt, 3, bytes_str(swap->folder));
	err = meta_exec(m, stmt);
	if (err == IM_OK && sqlite3_changes(m->db) == 0)
		err = err_set(
		    IM_ERR_DATABASE_NOT_FOUND, "database %s does not exist", swap->database);
	return err == IM_OK ? meta_database_part(m, META_SQL_STRAY_ADD, swap->folder) : err;
}

enum im_err
meta_stray_swap(struct meta *m, const struct meta_swap *swap, const struct meta_action *action)
{
	enum im_err err;

	pthread_mutex_lock(&m->mutex);
	err = meta_transaction_begin(m);
	if (err == IM_OK) {
		err = meta_swap_folders(m, swap);
		if (err == IM_OK && swap->restore)
			err = meta_restore_write(m, swap->restore, NULL);
		if (err == IM_OK)
			err = meta_journal_write(m, action);
		err = meta_transaction_end(m, err);
	}
	meta_unlock(m);
	return err;
}
