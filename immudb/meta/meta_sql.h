#ifndef META_META_SQL_H
#define META_META_SQL_H

#include <pthread.h>
#include <sqlite3.h>

#include "meta/meta_journal.h"

/*
 * Private to meta/: the handle, and prepared statements that are kept for its life. A statement is
 * used between meta_lock() and meta_unlock(), which resets it. Parameters are numbered from 1,
 * columns from 0, as in SQLite.
 */

#define META_RESTORE_COLUMNS \
	"number, database, from_tx, from_hash, to_tx, to_hash, at, actor, pending, signature, point"

#define META_STATEMENTS(X) \
	X(IDENTITY_GET, "SELECT id FROM identity") \
	X(IDENTITY_PUT, "INSERT INTO identity (one, id, created_at) VALUES (1, ?1, ?2)") \
	X(BEGIN, "BEGIN IMMEDIATE") \
	X(COMMIT, "COMMIT") \
	X(ROLLBACK, "ROLLBACK") \
	X(USER_COUNT, "SELECT count(*) FROM users") \
	X(USER_ADD, \
	    "INSERT INTO users (name, hash, active, created_by, created_at) " \
	    "VALUES (?1, ?2, ?3, ?4, ?5)") \
	X(USER_GET, \
	    "SELECT name, hash, active, created_by, created_at FROM users " \
	    "WHERE name = ?1") \
	X(USER_LIST, "SELECT name, hash, active, created_by, created_at FROM users ORDER BY name") \
	X(USER_HASH, "UPDATE users SET hash = ?2 WHERE name = ?1") \
	X(USER_ACTIVE, "UPDATE users SET active = ?2 WHERE name = ?1") \
	X(LEVEL_PUT, \
	    "INSERT INTO permissions (user, database, level) VALUES (?1, ?2, ?3) " \
	    "ON CONFLICT (user, database) DO UPDATE SET level = excluded.level") \
	X(LEVEL_DROP, "DELETE FROM permissions WHERE user = ?1 AND database = ?2") \
	X(LEVEL_GET, \
	    "SELECT max(level) FROM permissions " \
	    "WHERE user = ?1 AND database IN (?2, '*')") \
	X(LEVEL_ENTRY, "SELECT level FROM permissions WHERE user = ?1 AND database = ?2") \
	X(LEVEL_HIGHEST, "SELECT max(level) FROM permissions WHERE user = ?1") \
	X(LEVEL_COVERS, \
	    "SELECT NOT EXISTS (SELECT 1 FROM permissions t WHERE t.user = ?2 AND NOT EXISTS (" \
	    "SELECT 1 FROM permissions a WHERE a.user = ?1 AND a.database IN (t.database, '*') " \
	    "AND a.level >= max(t.level, 254)))") \
	X(USER_IS_ACTIVE, "SELECT active FROM users WHERE name = ?1") \
	X(SYSADMIN_COUNT, \
	    "SELECT count(*) FROM permissions p JOIN users u ON u.name = p.user " \
	    "WHERE p.database = '*' AND p.level = 255 AND u.active = 1") \
	X(GRANT_LIST, \
	    "SELECT u.name, '', u.active, u.created_by, u.created_at, p.database, p.level " \
	    "FROM users u LEFT JOIN permissions p ON p.user = u.name ORDER BY u.name, p.database") \
	X(DATABASE_EXISTS, "SELECT 1 FROM databases WHERE name = ?1 AND state = 1") \
	X(DATABASE_ADD, \
	    "INSERT INTO databases (name, folder, state, created_by, created_at) " \
	    "VALUES (?1, ?2, 0, ?3, ?4)") \
	X(DATABASE_GET, \
	    "SELECT name, folder, state, created_by, created_at FROM databases " \
	    "WHERE name = ?1") \
	X(DATABASE_LIST, \
	    "SELECT name, folder, state, created_by, created_at FROM databases " \
	    "ORDER BY number") \
	X(DATABASE_IN_STATE, \
	    "SELECT name, folder, state, created_by, created_at FROM databases " \
	    "WHERE state = ?1 ORDER BY number LIMIT 1") \
	X(DATABASE_READY, "UPDATE databases SET state = 1 WHERE name = ?1 AND state = 0") \
	X(DATABASE_DROP, "DELETE FROM databases WHERE name = ?1 AND state = 0") \
	X(DATABASE_DELETING, "UPDATE databases SET state = 2 WHERE name = ?1 AND state = 1") \
	X(DATABASE_FORGET, "DELETE FROM databases WHERE name = ?1 AND state = 2") \
	X(DATABASE_FOLDER, \
	    "UPDATE databases SET folder = ?2 WHERE name = ?1 AND folder = ?3 AND state = 1") \
	X(STRAY_ADD, "INSERT INTO strays (folder) VALUES (?1)") \
	X(STRAY_DROP, "DELETE FROM strays WHERE folder = ?1") \
	X(STRAY_FIRST, "SELECT folder FROM strays ORDER BY folder LIMIT 1") \
	X(LEVEL_DROP_ALL, "DELETE FROM permissions WHERE database = ?1") \
	X(SETTING_GET, "SELECT value FROM settings WHERE database = ?1 AND name = ?2") \
	X(SETTING_PUT, \
	    "INSERT INTO settings (database, name, value) VALUES (?1, ?2, ?3) " \
	    "ON CONFLICT (database, name) DO UPDATE SET value = excluded.value") \
	X(JOURNAL_ADD, "INSERT INTO journal (at, entry) VALUES (?1, ?2)") \
	X(JOURNAL_LIST, "SELECT number, entry FROM journal ORDER BY number LIMIT ?1") \
	X(JOURNAL_DROP, "DELETE FROM journal WHERE number <= ?1") \
	X(JOURNAL_SKIP, "INSERT OR IGNORE INTO journal (number, at, entry) VALUES (?1, 0, x'')") \
	X(JOURNAL_SKIPPED, "DELETE FROM journal WHERE number = ?1 AND length(entry) = 0") \
	X(JOURNAL_COPY, \
	    "INSERT INTO journal (at, entry) SELECT at, entry FROM journal WHERE number = ?1") \
	X(JOURNAL_REMOVE, "DELETE FROM journal WHERE number = ?1") \
	X(RESTORE_ADD, \
	    "INSERT INTO restores (database, from_tx, from_hash, to_tx, to_hash, at, actor, " \
	    "pending, signature, point) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, " \
	    "coalesce(?9, x''), coalesce(?10, x'') FROM databases WHERE name = ?1") \
	X(RESTORE_SAME, \
	    "SELECT number FROM restores WHERE database = ?1 AND from_tx = ?2 AND from_hash = ?3 " \
	    "AND to_tx = ?4 AND to_hash = ?5 AND pending = 1") \
	X(RESTORE_SETTLE, \
	    "UPDATE restores SET pending = 0, signature = coalesce(?2, x''), " \
	    "point = coalesce(?3, x'') WHERE number = ?1 AND pending = 1") \
	X(RESTORE_PENDING, \
	    "SELECT " META_RESTORE_COLUMNS \
	    " FROM restores WHERE pending = 1 ORDER BY number LIMIT 1") \
	X(RESTORE_LIST, \
	    "SELECT " META_RESTORE_COLUMNS " FROM restores WHERE database = ?1 AND pending = 0 " \
	    "AND (?2 = 0 OR (to_tx < ?2 AND (from_tx = 0 OR from_tx >= ?2))) " \
	    "ORDER BY number DESC LIMIT ?3")

enum meta_statement {
#define X(name, sql) META_SQL_##name,
	META_STATEMENTS(X)
#undef X
	    META_SQL_COUNT
};

struct meta {
	char *path;
	sqlite3 *db;
	uint8_t identity[META_IDENTITY_LEN];
	pthread_mutex_t mutex;                    /* covers what follows and every use of db */
	sqlite3_stmt *statements[META_SQL_COUNT]; /* prepared at first use */
};

/* Takes the handle, and gives the statement ready for parameters; NULL and *err on failure. */
sqlite3_stmt *meta_lock(struct meta *m, enum meta_statement id, enum im_err *err);

/* Another statement while the handle is taken. */
sqlite3_stmt *meta_statement(struct meta *m, enum meta_statement id, enum im_err *err);

/* Resets all statements used and gives the handle back. Also after meta_lock() failed. */
void meta_unlock(struct meta *m);

/* Sets a text parameter; v must stay until the statement is reset. */
void meta_bind(sqlite3_stmt *stmt, int index, struct bytes v);

/*
 * Runs a statement that gives no rows, and resets it. IM_ERR_EXISTS when a uniqueness rule, and
 * IM_ERR_NOT_FOUND when a reference to another table is violated.
 */
enum im_err meta_exec(struct meta *m, sqlite3_stmt *stmt);

/* The next row: IM_OK, or IM_ERR_NOT_FOUND when there is none. */
enum im_err meta_step(struct meta *m, sqlite3_stmt *stmt);

/* A text column, cut to size - 1 bytes; the tables hold nothing longer. */
void meta_column(sqlite3_stmt *stmt, int column, char *out, size_t size);

/*
 * Queues an action, if it is not NULL, in the transaction that makes the change. The handle is
 * taken.
 */
enum im_err meta_journal_write(struct meta *m, const struct meta_action *action);

/* meta_users.c, for meta_change.c; the handle is taken. */
bool meta_user_name_ok(const char *name);
enum im_err meta_level_check(enum meta_level level);
enum im_err
meta_level_write(struct meta *m, const char *user, const char *database, enum meta_level level);
enum im_err meta_user_write(struct meta *m, const struct meta_user *user);
void meta_user_read(sqlite3_stmt *stmt, struct meta_user *out);

/* BEGIN IMMEDIATE; to be ended by meta_transaction_end(). The handle is taken. */
enum im_err meta_transaction_begin(struct meta *m);

/* COMMIT when err is IM_OK, otherwise ROLLBACK; returns err, or why COMMIT failed. */
enum im_err meta_transaction_end(struct meta *m, enum im_err err);

/* The error for an SQLite result code; sets the detail, which names the file. */
enum im_err meta_error(struct meta *m, int rc);

#endif
