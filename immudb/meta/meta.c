/*
 * The metadata file: opening, schema and its migrations, identity, and the use of statements. Users
 * and databases are in meta_users.c and meta_databases.c; the server's handlers call them.
 *
 * Invariants:
 * 1. Nothing is written before the file is known to be ours, whole, and not newer than this
 * program.
 * 2. A schema change is one transaction that also sets user_version: it happens whole or not at
 * all.
 * 3. A migration is never edited once released; a change to the schema is a new one at the end.
 * 4. db is used by one thread at a time (mutex), so that SQLite needs no lock of its own.
 */
#include "meta/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "meta/meta_sql.h"
#include "util/clock.h"
#include "util/xid.h"

#define META_FILE_MODE 0600
#define META_BUSY_TIMEOUT_MS 2000
/* "imdb": the SQLite application id of our file. */
#define META_APPLICATION_ID 0x696d6462

#define META_TEXT_(x) #x
#define META_TEXT(x) META_TEXT_(x)

/* Migration i takes the schema from version i to i + 1. */
static const char *const meta_migrations[] = {
    "PRAGMA application_id = " META_TEXT(
	META_APPLICATION_ID) ";"
			     "CREATE TABLE identity ("
			     " one INTEGER PRIMARY KEY CHECK (one = 1),"
			     " id BLOB NOT NULL CHECK (length(id) = 12),"
			     " created_at INTEGER NOT NULL) STRICT;"
			     "CREATE TABLE users ("
			     " name TEXT PRIMARY KEY NOT NULL CHECK (length(name) BETWEEN 1 AND 63),"
			     " hash TEXT NOT NULL,"
			     " active INTEGER NOT NULL CHECK (active IN (0, 1)),"
			     " created_by TEXT NOT NULL,"
			     " created_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
			     "CREATE TABLE permissions ("
			     " user TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,"
			     " database TEXT NOT NULL,"
			     " level INTEGER NOT NULL CHECK (level IN (1, 2, 254, 255)),"
			     " PRIMARY KEY (user, database)) STRICT, WITHOUT ROWID;"
			     "CREATE TABLE databases ("
			     " number INTEGER PRIMARY KEY AUTOINCREMENT,"
			     " name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 128),"
			     " folder TEXT NOT NULL UNIQUE CHECK (length(folder) BETWEEN 1 AND 128),"
			     " state INTEGER NOT NULL CHECK (state IN (0, 1, 2)),"
			     " created_by TEXT NOT NULL,"
			     " created_at INTEGER NOT NULL) STRICT;"
			     "CREATE TABLE settings ("
			     " database TEXT NOT NULL REFERENCES databases (name) ON DELETE CASCADE,"
			     " name TEXT NOT NULL,"
			     " value INTEGER NOT NULL,"
			     " PRIMARY KEY (database, name)) STRICT, WITHOUT ROWID;"
			     "CREATE TABLE journal ("
			     " number INTEGER PRIMARY KEY AUTOINCREMENT,"
			     " at INTEGER NOT NULL,"
			     " entry BLOB NOT NULL) STRICT;",
    "CREATE TABLE restores ("
    " number INTEGER PRIMARY KEY AUTOINCREMENT,"
    " database TEXT NOT NULL CHECK (length(database) BETWEEN 1 AND 128),"
    " from_tx INTEGER NOT NULL CHECK (from_tx >= 0),"
    " from_hash BLOB NOT NULL CHECK (length(from_hash) = 32),"
    " to_tx INTEGER NOT NULL CHECK (to_tx >= 0),"
    " to_hash BLOB NOT NULL CHECK (length(to_hash) = 32),"
    " at INTEGER NOT NULL,"
    " actor TEXT NOT NULL,"
    " pending INTEGER NOT NULL CHECK (pending IN (0, 1)),"
    " signature BLOB NOT NULL,"
    " point BLOB NOT NULL) STRICT;"
    "CREATE INDEX restores_database ON restores (database, number);",
    "CREATE TABLE strays ("
    " folder TEXT PRIMARY KEY NOT NULL CHECK (length(folder) BETWEEN 1 AND 128)"
    ") STRICT, WITHOUT ROWID;"};

#define META_SCHEMA_VERSION ((int)(sizeof meta_migrations / sizeof *meta_migrations))

static const char *const meta_sql[META_SQL_COUNT] = {
#define X(name, sql) [META_SQL_##name] = sql,
    META_STATEMENTS(X)
#undef X
};

enum im_err
meta_error(struct meta *m, int rc)
{
	const char *text = m->db ? sqlite3_errmsg(m->db) : sqlite3_errstr(rc);

	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return err_set(IM_ERR_NOMEM, "%s: out of memory", m->path);
	case SQLITE_FULL:
		return err_set(IM_ERR_NO_SPACE, "%s: %s", m->path, err_text(IM_ERR_NO_SPACE));
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(IM_ERR_CORRUPT, "%s is damaged: %s", m->path, text);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(IM_ERR_LOCKED, "%s is in use by another process", m->path);
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return err_set(IM_ERR_IO, "%s cannot be written: %s", m->path, text);
	default:
		return err_set(IM_ERR_IO, "%s: %s", m->path, text);
	}
}

sqlite3_stmt *
meta_statement(struct meta *m, enum meta_statement id, enum im_err *err)
{
	int rc;

	if (!m->statements[id]) {
		rc = sqlite3_prepare_v3(
		    m->db, meta_sql[id], -1, SQLITE_PREPARE_PERSISTENT, &m->statements[id], NULL);
		if (rc != SQLITE_OK) {
			*err = meta_error(m, rc);
			return NULL;
		}
	}
	*err = IM_OK;
	return m->statements[id];
}

sqlite3_stmt *
meta_lock(struct meta *m, enum meta_statement id, enum im_err *err)
{
	pthread_mutex_lock(&m->mutex);
	return meta_statement(m, id, err);
}

void
meta_unlock(struct meta *m)
{
	size_t i;

	for (i = 0; i < META_SQL_COUNT; i++) {
		if (!m->statements[i])
			continue;
		sqlite3_reset(m->statements[i]);
		sqlite3_clear_bindings(m->statements[i]);
	}
	pthread_mutex_unlock(&m->mutex);
}

void
meta_bind(sqlite3_stmt *stmt, int index, struct bytes v)
{
	/* An empty text is not NULL. A failure here shows as a violated NOT NULL, or as no row. */
	sqlite3_bind_text64(
	    stmt, index, v.len ? (const char *)v.data : "", v.len, SQLITE_STATIC, SQLITE_UTF8);
}

enum im_err
meta_step(struct meta *m, sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW)
		return IM_OK;
	return rc == SQLITE_DONE ? IM_ERR_NOT_FOUND : meta_error(m, rc);
}

enum im_err
meta_exec(struct meta *m, sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);
	enum im_err err;

	if (rc == SQLITE_DONE || rc == SQLITE_ROW)
		err = IM_OK;
	else if ((rc & 0xff) != SQLITE_CONSTRAINT)
		err = meta_error(m, rc);
	else if (sqlite3_extended_errcode(m->db) == SQLITE_CONSTRAINT_FOREIGNKEY)
		err = IM_ERR_NOT_FOUND;
	else
		err = IM_ERR_EXISTS;
	sqlite3_reset(stmt);
	return err;
}

void
meta_column(sqlite3_stmt *stmt, int column, char *out, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	snprintf(out, size, "%s", text ? text : "");
}

enum im_err
meta_transaction_begin(struct meta *m)
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_statement(m, META_SQL_BEGIN, &err);

	return stmt ? meta_exec(m, stmt) : err;
}

enum im_err
meta_transaction_end(struct meta *m, enum im_err err)
{
	enum im_err end;
	sqlite3_stmt *stmt = meta_statement(m, META_SQL_COMMIT, &end);

	if (err == IM_OK) {
		err = stmt ? meta_exec(m, stmt) : end;
		if (err == IM_OK)
			return IM_OK;
	}
	stmt = meta_statement(m, META_SQL_ROLLBACK, &end);
	if (stmt && !sqlite3_get_autocommit(m->db)) {
		sqlite3_step(stmt);
		sqlite3_reset(stmt);
	}
	return err;
}

/* Runs fixed SQL text at start-up, keeping SQLite's message. */
static enum im_err
meta_script(struct meta *m, const char *sql)
{
	int rc = sqlite3_exec(m->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? IM_OK : meta_error(m, rc);
}

/* The first column of the first row of a fixed query. */
static enum im_err
meta_pragma(struct meta *m, const char *sql, int64_t *value, char *text, size_t size)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(m->db, sql, -1, &stmt, NULL);
	enum im_err err = rc == SQLITE_OK ? meta_step(m, stmt) : meta_error(m, rc);

	if (err == IM_OK && value)
		*value = sqlite3_column_int64(stmt, 0);
	if (err == IM_OK && text)
		meta_column(stmt, 0, text, size);
	sqlite3_finalize(stmt);
	return err == IM_ERR_NOT_FOUND ? IM_ERR_CORRUPT : err;
}

/* Invariant 1: reads only. An empty file is version 0 and ours. */
static enum im_err
meta_inspect(struct meta *m, int *version)
{
	int64_t found = 0, application = 0, tables = 0;
	char verdict[128];
	enum im_err err;

	err = meta_pragma(m, "PRAGMA user_version", &found, NULL, 0);
	if (err == IM_OK)
		err = meta_pragma(m, "PRAGMA application_id", &application, NULL, 0);
	if (err == IM_OK)
		err = meta_pragma(m, "SELECT count(*) FROM sqlite_schema", &tables, NULL, 0);
	if (err != IM_OK)
		return err;
	if (tables > 0 && application != META_APPLICATION_ID)
		return err_set(IM_ERR_CORRUPT, "%s is not a metadata file of immudb", m->path);
	if (found > META_SCHEMA_VERSION)
		return err_set(IM_ERR_VERSION,
		    "%s has schema version %lld, this program knows versions up to %d", m->path,
		    (long long)found, META_SCHEMA_VERSION);
	if (found < 0 || (found == 0) != (tables == 0))
		return err_set(IM_ERR_CORRUPT, "%s is damaged: schema version %lld", m->path,
		    (long long)found);
	err = meta_pragma(m, "PRAGMA quick_check(1)", NULL, verdict, sizeof verdict);
	if (err == IM_OK && strcmp(verdict, "ok") != 0)
		err = err_set(IM_ERR_CORRUPT, "%s is damaged: %s", m->path, verdict);
	*version = (int)found;
	return err;
}

static enum im_err
meta_migrate(struct meta *m, int version)
{
	char sql[64];
	enum im_err err = meta_script(
	    m, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");

	for (; err == IM_OK && version < META_SCHEMA_VERSION; version++) {
		err = meta_transaction_begin(m);
		if (err != IM_OK)
			break;
		err = meta_script(m, meta_migrations[version]);
		snprintf(sql, sizeof sql, "PRAGMA user_version = %d", version + 1);
		if (err == IM_OK)
			err = meta_script(m, sql);
		err = meta_transaction_end(m, err);
	}
	return err;
}

static enum im_err
meta_identity_create(struct meta *m)
{
	struct xid id;
	enum im_err err;
	sqlite3_stmt *stmt = meta_statement(m, META_SQL_IDENTITY_PUT, &err);

	if (!stmt)
		return err;
	err = xid_make(&id);
	if (err != IM_OK)
		return err;
	memcpy(m->identity, id.data, META_IDENTITY_LEN);
	sqlite3_bind_blob(stmt, 1, m->identity, META_IDENTITY_LEN, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, clock_wall_s());
	return meta_exec(m, stmt);
}

static enum im_err
meta_identity_load(struct meta *m)
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_lock(m, META_SQL_IDENTITY_GET, &err);

	if (stmt)
		err = meta_step(m, stmt);
	if (err == IM_OK && sqlite3_column_bytes(stmt, 0) == META_IDENTITY_LEN)
		memcpy(m->identity, sqlite3_column_blob(stmt, 0), META_IDENTITY_LEN);
	else if (err == IM_OK)
		err = err_set(IM_ERR_CORRUPT, "%s is damaged: bad identity", m->path);
	else if (err == IM_ERR_NOT_FOUND)
		err = meta_identity_create(m);
	meta_unlock(m);
	return err;
}

/* Creates the file with its mode, durably: SQLite would take the mode from the umask. */
static enum im_err
meta_file_create(const char *dir, const char *path)
{
	enum im_err err = IM_OK;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, META_FILE_MODE);
	int folder;

	if (fd < 0)
		return err_set_errno(IM_ERR_IO, "cannot open", path);
	close(fd);
	folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0 || fsync(folder) != 0)
		err = err_set_errno(IM_ERR_IO, "cannot sync", dir);
	if (folder >= 0)
		close(folder);
	return err;
}

static enum im_err
meta_file_open(struct meta *m, const char *dir)
{
	enum im_err err = meta_file_create(dir, m->path);
	int rc;

	if (err != IM_OK)
		return err;
	rc = sqlite3_open_v2(m->path, &m->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		return meta_error(m, rc);
	sqlite3_extended_result_codes(m->db, 1);
	sqlite3_busy_timeout(m->db, META_BUSY_TIMEOUT_MS);
	if (sqlite3_db_readonly(m->db, "main") == 1)
		return err_set(IM_ERR_IO, "%s cannot be written", m->path);
	return IM_OK;
}

enum im_err
meta_open(const char *dir, struct meta **out)
{
	struct meta *m = calloc(1, sizeof *m);
	int version = 0;
	enum im_err err;

	*out = NULL;
	if (!m || asprintf(&m->path, "%s/%s", dir, META_FILE_NAME) < 0) {
		free(m);
		return IM_ERR_NOMEM;
	}
	pthread_mutex_init(&m->mutex, NULL);
	err = meta_file_open(m, dir);
	if (err == IM_OK)
		err = meta_inspect(m, &version);
	if (err == IM_OK)
		err = meta_migrate(m, version);
	if (err == IM_OK)
		err = meta_identity_load(m);
	if (err != IM_OK) {
		meta_close(m);
		return err;
	}
	*out = m;
	return IM_OK;
}

void
meta_close(struct meta *m)
{
	size_t i;

	if (!m)
		return;
	for (i = 0; i < META_SQL_COUNT; i++)
		sqlite3_finalize(m->statements[i]);
	sqlite3_close(m->db);
	pthread_mutex_destroy(&m->mutex);
	free(m->path);
	free(m);
}

const uint8_t *
meta_identity(const struct meta *m)
{
	return m->identity;
}
