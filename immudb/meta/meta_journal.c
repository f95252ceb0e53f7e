/*
 * The queue of administrative actions. meta.c owns the file; the functions that change something
 * call meta_journal_write() in their transaction, and server/journal.c takes the rows out.
 *
 * Invariants:
 * 1. A number is given once: the table is AUTOINCREMENT, which remembers the highest one ever
 * given.
 * 2. A row is a complete JSON object of at most META_JOURNAL_ENTRY_MAX bytes, whatever it tells of.
 */
#include "meta/meta_journal.h"

#include "meta/meta_sql.h"
#include "util/clock.h"
#include "util/text.h"

/* Of one member's text; escaped it takes up to six times as much. */
#define META_JOURNAL_TEXT_MAX 160
#define META_JOURNAL_DETAIL_MAX 400

static void
meta_journal_member(struct buf *b, const char *name, const char *text, size_t max)
{
	struct bytes v = bytes_str(text ? text : "");

	if (v.len > max)
		v.len = max;
	buf_printf(b, "%s\"%s\":", b->len ? "," : "{", name);
	text_append_json(b, v);
}

static void
meta_journal_format(const struct meta_action *a, struct buf *b)
{
	char time[CLOCK_TEXT_SIZE];

	meta_journal_member(b, "time", clock_format_ms(clock_wall(), time), sizeof time);
	meta_journal_member(b, "actor", a->actor, META_JOURNAL_TEXT_MAX);
	meta_journal_member(b, "address", a->address, META_JOURNAL_TEXT_MAX);
	meta_journal_member(b, "action", a->action, META_JOURNAL_TEXT_MAX);
	meta_journal_member(b, "user", a->user, META_JOURNAL_TEXT_MAX);
	meta_journal_member(b, "database", a->database, META_JOURNAL_TEXT_MAX);
	meta_journal_member(b, "permission", a->permission, META_JOURNAL_TEXT_MAX);
	meta_journal_member(b, "detail", a->detail, META_JOURNAL_DETAIL_MAX);
	buf_append_u8(b, '}');
}

enum im_err
meta_journal_write(struct meta *m, const struct meta_action *action)
{
	sqlite3_stmt *stmt;
	enum im_err err;
	struct buf b;

	if (!action)
		return IM_OK;
	buf_init(&b, 2 * META_JOURNAL_ENTRY_MAX);
	meta_journal_format(action, &b);
	err = b.err;
	stmt = err == IM_OK ? meta_statement(m, META_SQL_JOURNAL_ADD, &err) : NULL;
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, clock_wall_s());
		sqlite3_bind_blob64(stmt, 2, b.data, b.len, SQLITE_STATIC);
		err = meta_exec(m, stmt);
	}
	buf_free(&b);
	return err;
}

enum im_err
meta_journal_add(struct meta *m, const struct meta_action *action)
{
	enum im_err err;

	pthread_mutex_lock(&m->mutex);
	err = meta_journal_write(m, action);
	meta_unlock(m);
	return err;
}

enum im_err
meta_journal_list(struct meta *m, size_t max,
    enum im_err (*each)(void *arg, const struct meta_journal_row *row), void *arg)
{
	struct meta_journal_row row;
	enum im_err err;
	sqlite3_stmt *stmt = meta_lock(m, META_SQL_JOURNAL_LIST, &err);

	if (stmt)
		sqlite3_bind_int64(stmt, 1, (int64_t)max);
	while (err == IM_OK) {
		err = meta_step(m, stmt);
		if (err != IM_OK)
			break;
		row.number = (uint64_t)sqlite3_column_int64(stmt, 0);
		row.entry =
		    bytes_of(sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1));
		err = each(arg, &row);
	}
	meta_unlock(m);
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

/* Runs a statement about one number. The handle is taken. */
static enum im_err
meta_journal_number(struct meta *m, enum meta_statement id, uint64_t number)
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_statement(m, id, &err);

	if (!stmt)
		return err;
	sqlite3_bind_int64(stmt, 1, (int64_t)number);
	return meta_exec(m, stmt);
}

enum im_err
meta_journal_drop(struct meta *m, uint64_t number)
{
	enum im_err err;

	pthread_mutex_lock(&m->mutex);
	err = meta_journal_number(m, META_SQL_JOURNAL_DROP, number);
	meta_unlock(m);
	return err;
}

enum im_err
meta_journal_skip(struct meta *m, uint64_t number)
{
	enum im_err err;

	pthread_mutex_lock(&m->mutex);
	err = meta_transaction_begin(m);
	if (err == IM_OK) {
		err = meta_journal_number(m, META_SQL_JOURNAL_SKIP, number);
		if (err == IM_OK)
			err = meta_journal_number(m, META_SQL_JOURNAL_SKIPPED, number);
		err = meta_transaction_end(m, err);
	}
	meta_unlock(m);
	return err;
}

enum im_err
meta_journal_renumber(struct meta *m, uint64_t number)
{
	enum im_err err;

	pthread_mutex_lock(&m->mutex);
	err = meta_transaction_begin(m);
	if (err == IM_OK) {
		err = meta_journal_number(m, META_SQL_JOURNAL_COPY, number);
		if (err == IM_OK && sqlite3_changes(m->db) == 0)
			err = IM_ERR_NOT_FOUND;
		if (err == IM_OK)
			err = meta_journal_number(m, META_SQL_JOURNAL_REMOVE, number);
		err = meta_transaction_end(m, err);
	}
	meta_unlock(m);
	return err;
}
