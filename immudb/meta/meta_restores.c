/*
 * Restores that are announced. server/restores.c makes the rows; the server's handlers give them to
 * auditors.
 *
 * Invariants: a row that is not pending has been journalled, in the transaction that made it so;
 * and it never changes again.
 */
#include "meta/meta_restores.h"

#include "meta/meta_sql.h"

#define RESTORE_COLUMNS_POINT 8

static void
restore_bind_point(sqlite3_stmt *stmt, int index, const struct tx_point *point)
{
	sqlite3_bind_int64(stmt, index, (int64_t)point->id);
	sqlite3_bind_blob(stmt, index + 1, point->alh.b, HASH_SIZE, SQLITE_STATIC);
}

static bool
restore_read_blob(sqlite3_stmt *stmt, int column, uint8_t *out, size_t size)
{
	if ((size_t)sqlite3_column_bytes(stmt, column) != size)
		return false;
	if (size > 0)
		memcpy(out, sqlite3_column_blob(stmt, column), size);
	return true;
}

/* The columns of META_RESTORE_COLUMNS; false for what was never written. */
static bool
restore_read(sqlite3_stmt *stmt, struct meta_restore *out)
{
	size_t point_len = (size_t)sqlite3_column_bytes(stmt, RESTORE_COLUMNS_POINT + 2);

	memset(out, 0, sizeof *out);
	out->number = (uint64_t)sqlite3_column_int64(stmt, 0);
	meta_column(stmt, 1, out->database, sizeof out->database);
	out->from.id = (uint64_t)sqlite3_column_int64(stmt, 2);
	out->to.id = (uint64_t)sqlite3_column_int64(stmt, 4);
	out->at_ms = sqlite3_column_int64(stmt, 6);
	meta_column(stmt, 7, out->actor, sizeof out->actor);
	out->is_pending = sqlite3_column_int(stmt, RESTORE_COLUMNS_POINT) != 0;
	out->signature_len = (size_t)sqlite3_column_bytes(stmt, RESTORE_COLUMNS_POINT + 1);
	return out->signature_len <= SIGN_DER_MAX &&
	    (point_len == SIGN_POINT_SIZE || (point_len == 0 && out->signature_len == 0)) &&
	    restore_read_blob(stmt, 3, out->from.alh.b, HASH_SIZE) &&
	    restore_read_blob(stmt, 5, out->to.alh.b, HASH_SIZE) &&
	    restore_read_blob(
		stmt, RESTORE_COLUMNS_POINT + 1, out->signature, out->signature_len) &&
	    restore_read_blob(stmt, RESTORE_COLUMNS_POINT + 2, out->point, point_len);
}

/* Whether the same one is pending. The handle is taken. */
static enum im_err
restore_is_left(struct meta *m, const struct meta_restore *restore)
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_statement(m, META_SQL_RESTORE_SAME, &err);

	if (!stmt)
		return err;
	meta_bind(stmt, 1, bytes_str(restore->database));
	restore_bind_point(stmt, 2, &restore->from);
	restore_bind_point(stmt, 4, &restore->to);
	err = meta_step(m, stmt);
	sqlite3_reset(stmt);
	return err;
}

static void
restore_bind_signature(sqlite3_stmt *stmt, int index, const struct meta_restore *restore)
{
	bool is_signed = restore->signature_len > 0;

	sqlite3_bind_blob64(stmt, index, restore->signature, restore->signature_len, SQLITE_STATIC);
	sqlite3_bind_blob(
	    stmt, index + 1, restore->point, is_signed ? SIGN_POINT_SIZE : 0, SQLITE_STATIC);
}

/* The handle is taken, and a transaction begun. */
enum im_err
meta_restore_write(
    struct meta *m, const struct meta_restore *restore, const struct meta_action *action)
{
	enum im_err err = action ? IM_ERR_NOT_FOUND : restore_is_left(m, restore);
	sqlite3_stmt *stmt;

	if (err != IM_ERR_NOT_FOUND)
		return err;
	stmt = meta_statement(m, META_SQL_RESTORE_ADD, &err);
	if (!stmt)
		return err;
	meta_bind(stmt, 1, bytes_str(restore->database));
	restore_bind_point(stmt, 2, &restore->from);
	restore_bind_point(stmt, 4, &restore->to);
	sqlite3_bind_int64(stmt, 6, restore->at_ms);
	meta_bind(stmt, 7, bytes_str(restore->actor));
	sqlite3_bind_int(stmt, 8, action == NULL);
	restore_bind_signature(stmt, 9, restore);
	err = meta_exec(m, stmt);
	if (err == IM_OK && sqlite3_changes(m->db) == 0)
		err = err_set(
		    IM_ERR_DATABASE_NOT_FOUND, "database %s does not exist", restore->database);
	return err == IM_OK ? meta_journal_write(m, action) : err;
}

enum im_err
meta_restore_add(
    struct meta *m, const struct meta_restore *restore, const struct meta_action *action)
{
	enum im_err err;

	pthread_mutex_lock(&m->mutex);
	err = meta_transaction_begin(m);
	if (err == IM_OK)
		err = meta_transaction_end(m, meta_restore_write(m, restore, action));
	meta_unlock(m);
	return err;
}

/* The handle is taken, and a transaction begun. */
static enum im_err
restore_sign(struct meta *m, const struct meta_restore *restore, const struct meta_action *action)
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_statement(m, META_SQL_RESTORE_SETTLE, &err);

	if (!stmt)
		return err;
	sqlite3_bind_int64(stmt, 1, (int64_t)restore->number);
	restore_bind_signature(stmt, 2, restore);
	err = meta_exec(m, stmt);
	if (err == IM_OK && sqlite3_changes(m->db) == 0)
		err = IM_ERR_NOT_FOUND;
	return err == IM_OK ? meta_journal_write(m, action) : err;
}

enum im_err
meta_restore_settle(
    struct meta *m, const struct meta_restore *restore, const struct meta_action *action)
{
	enum im_err err;

	pthread_mutex_lock(&m->mutex);
	err = meta_transaction_begin(m);
	if (err == IM_OK)
		err = meta_transaction_end(m, restore_sign(m, restore, action));
	meta_unlock(m);
	return err;
}

/* The next row of a statement. The handle is taken. */
static enum im_err
restore_next(struct meta *m, sqlite3_stmt *stmt, struct meta_restore *out)
{
	enum im_err err = meta_step(m, stmt);

	if (err == IM_OK && !restore_read(stmt, out))
		err = err_set(IM_ERR_CORRUPT, "%s is damaged: bad restore", m->path);
	return err;
}

enum im_err
meta_restore_pending(struct meta *m, struct meta_restore *out)
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_lock(m, META_SQL_RESTORE_PENDING, &err);

	if (stmt)
		err = restore_next(m, stmt, out);
	meta_unlock(m);
	return err;
}

enum im_err
meta_restore_list(struct meta *m, const struct meta_restore_query *query,
    enum im_err (*each)(void *arg, const struct meta_restore *restore), void *arg)
{
	struct meta_restore restore;
	enum im_err err;
	sqlite3_stmt *stmt = meta_lock(m, META_SQL_RESTORE_LIST, &err);

	if (stmt) {
		meta_bind(stmt, 1, bytes_str(query->database));
		/* No history has as many transactions as a number has bits for. */
		sqlite3_bind_int64(stmt, 2, query->tx > INT64_MAX ? INT64_MAX : (int64_t)query->tx);
		sqlite3_bind_int64(stmt, 3, (int64_t)query->max);
	}
	while (err == IM_OK) {
		err = restore_next(m, stmt, &restore);
		if (err == IM_OK)
			err = each(arg, &restore);
	}
	meta_unlock(m);
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}
