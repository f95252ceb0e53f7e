#ifndef IMMU_ADMIN_H
#define IMMU_ADMIN_H

/*
 * Administration of a server: users and their permissions, databases, sessions. Every call needs a
 * session (immu_login()), sends one request and waits for the answer. Beside what it names a call
 * may fail with IM_ERR_PERMISSION, IM_ERR_NOT_LOGGED_IN, IM_ERR_TOKEN_EXPIRED, IM_ERR_MAINTENANCE,
 * transport errors and IM_ERR_NOMEM. Strings are NUL-terminated and borrowed for the call; what a
 * callback is given lives until it returns, and a callback must not make calls on the connection.
 */
#include "immu.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Permission levels; the numbers are those of the wire. */
enum immu_level {
	IMMU_LEVEL_NONE = 0,
	IMMU_LEVEL_READ = 1,
	IMMU_LEVEL_READ_WRITE = 2,
	IMMU_LEVEL_ADMIN = 254,
	IMMU_LEVEL_SYSADMIN = 255
};

/* In place of a database's name: all of them, future ones included. */
#define IMMU_ALL_DATABASES "*"

/* ---- Users ---- */

struct immu_grant {
	const char *database; /* or IMMU_ALL_DATABASES */
	enum immu_level level;
};

struct immu_user {
	const char *name;
	bool active;
	const char *created_by;
	const char *created_at; /* RFC 3339 UTC */
	const struct immu_grant *grants;
	size_t grants_len;
};

typedef bool immu_user_fn(void *arg, const struct immu_user *user);

/*
 * Gives every user that the caller may see, in order of name, until fn returns false: a sysadmin
 * sees all, an admin of the selected database those who have a permission on it, others themselves.
 */
enum im_err immu_each_user(struct immu *c, immu_user_fn *fn, void *arg);

/*
 * Creates a user with a first permission. IM_ERR_USER_EXISTS, IM_ERR_USER_NAME,
 * IM_ERR_WEAK_PASSWORD, IM_ERR_DATABASE_NOT_FOUND, IM_ERR_BAD_PERMISSION, IM_ERR_NOT_ADMIN (of any
 * database), IM_ERR_DATABASE_ADMIN (not of this one), IM_ERR_DATABASE_ASSIGNED (the system's).
 */
struct immu_new_user {
	const char *name;
	const char *password;
	struct immu_grant grant;
};
enum im_err immu_create_user(struct immu *c, const struct immu_new_user *user);

/*
 * Changes a password; all sessions of that user end, this one too if it is one of them.
 * old_password is needed for one's own, else NULL or "". IM_ERR_OLD_PASSWORD (it is wrong),
 * IM_ERR_WEAK_PASSWORD, IM_ERR_USER_NOT_FOUND, IM_ERR_NOT_CREATOR, IM_ERR_THROTTLED.
 */
struct immu_new_password {
	const char *user;
	const char *old_password;
	const char *password;
};
enum im_err immu_change_password(struct immu *c, const struct immu_new_password *change);

/*
 * Grants a level, which replaces the one held before and activates the user, or revokes the level
 * held. The sessions of that user end. IM_ERR_USER_NOT_FOUND, IM_ERR_DATABASE_NOT_FOUND,
 * IM_ERR_BAD_PERMISSION, IM_ERR_PERMISSION_NOT_HELD (to be revoked, and not held).
 */
enum im_err immu_grant(struct immu *c, const char *user, const struct immu_grant *grant);
enum im_err immu_revoke(struct immu *c, const char *user, const struct immu_grant *grant);

/*
 * Activates or deactivates a user, whose sessions then end. IM_ERR_USER_NOT_FOUND,
 * IM_ERR_OWN_STATUS.
 */
enum im_err immu_set_active(struct immu *c, const char *user, bool active);

/* ---- Databases ---- */

struct immu_database_settings {
	unsigned header_version; /* 0 or 1: of new transactions */
	bool synced;             /* a write is answered when it is on the disk; else each second */
};

struct immu_database_info {
	const char *name;
	bool loaded;
	uint64_t disk_bytes;
	uint64_t transactions;
	int64_t created_at; /* Unix seconds */
	const char *created_by;
	struct immu_database_settings settings;
};

typedef bool immu_database_fn(void *arg, const struct immu_database_info *database);

/* Gives every database that the caller may see, in order of name, until fn returns false. */
enum im_err immu_each_database(struct immu *c, immu_database_fn *fn, void *arg);

/* Which settings to set; the others keep their value, or the default for a new database. */
struct immu_settings_change {
	bool has_header_version;
	bool has_synced;
	struct immu_database_settings to;
};

/*
 * Creates a database. IM_ERR_DATABASE_EXISTS, IM_ERR_DATABASE_NAME, IM_ERR_LIMIT (too many).
 * settings may be NULL.
 */
enum im_err
immu_create_database(struct immu *c, const char *name, const struct immu_settings_change *settings);

/* Changes settings; they hold from the next time it is loaded. IM_ERR_DATABASE_NOT_FOUND. */
enum im_err
immu_update_database(struct immu *c, const char *name, const struct immu_settings_change *settings);

/*
 * Loads, unloads or deletes a database. Deleting needs it unloaded before, and is for ever.
 * IM_ERR_DATABASE_NOT_FOUND, IM_ERR_DATABASE_LOADED, IM_ERR_DATABASE_NOT_LOADED,
 * IM_ERR_DATABASE_RESERVED.
 */
enum im_err immu_load_database(struct immu *c, const char *name);
enum im_err immu_unload_database(struct immu *c, const char *name);
enum im_err immu_delete_database(struct immu *c, const char *name);

/* Of the selected database: writes the index to disk; merges its runs into one. */
enum im_err immu_flush_index(struct immu *c);
enum im_err immu_compact_index(struct immu *c);

/* ---- Backups ---- */

typedef enum im_err immu_part_fn(void *arg, struct immu_bytes part);

/*
 * Gives the transactions of the selected database from from_tx (0: the first one) to the newest one
 * as a part of an archive (immudb/store/FORMAT.md), piece by piece, until fn returns an error. What
 * is given is not verified, and the digest of its trailer is zero. IM_ERR_STATE_OLDER (the database
 * does not reach to from_tx - 1), IM_ERR_PROTOCOL, what fn returns.
 */
enum im_err immu_hot_backup(struct immu *c, uint64_t from_tx, immu_part_fn *fn, void *arg);

/* ---- Scrubs: a database in service is checked completely ---- */

struct immu_scrub_fault {
	uint64_t tx;            /* 0: none */
	const uint8_t *raw_key; /* its first byte says what the key is for */
	size_t raw_key_len;     /* 0: none */
	const char *file;       /* path on the server */
	uint64_t offset;
	const char *what;
	bool derived; /* nothing is lost: the file is made from the log */
};

struct immu_scrub_info {
	const char *database;
	const char *state;      /* "never", "waiting", "running", "finished", "stopped", "failed" */
	const char *error;      /* of "failed"; else "" */
	bool periodic;          /* begun by time */
	uint64_t rate;          /* bytes a second */
	uint64_t next_tx;       /* to be checked */
	uint64_t last_tx;       /* to be checked; 0 before it runs */
	uint64_t bytes;         /* checked */
	uint64_t lost, derived; /* faults */
	int64_t began_at, ended_at; /* Unix seconds; 0: not yet */
	/* The last one that came to its end; finished_at is 0 if there is none. */
	int64_t finished_at;
	uint64_t finished_transactions, finished_bytes, finished_lost, finished_derived;
	const struct immu_scrub_fault *faults; /* the first ones, when one database was asked for */
	size_t faults_len;
};

typedef bool immu_scrub_fn(void *arg, const struct immu_scrub_info *scrub);

/*
 * Begins a scrub; one that is under way goes on at the new rate, in bytes a second; 0 is the
 * server's. IM_ERR_DATABASE_NOT_FOUND, IM_ERR_DATABASE_NOT_LOADED, IM_ERR_ARGUMENT (rate).
 */
enum im_err immu_scrub_begin(struct immu *c, const char *database, uint64_t rate);

/* Ends one that is under way. IM_ERR_NOT_FOUND when there is none. */
enum im_err immu_scrub_stop(struct immu *c, const char *database);

/*
 * Gives how it stands with a database, or with NULL all that the caller administers, until fn
 * returns false. IM_ERR_DATABASE_NOT_FOUND.
 */
enum im_err immu_each_scrub(struct immu *c, const char *database, immu_scrub_fn *fn, void *arg);

enum immu_restore_mode {
	IMMU_RESTORE_NEW = 0,    /* a database that does not exist */
	IMMU_RESTORE_APPEND = 1, /* one whose history is the beginning of the archive's */
	IMMU_RESTORE_REPLACE = 2 /* one that exists, whatever it has */
};

/* What a database has when it is restored. */
struct immu_restored {
	uint64_t tx;
	uint8_t alh[32];
};

/*
 * Restores a database from the bytes of an archive: begin, write from the first byte to the last in
 * any pieces, finish. Nothing is seen of it before that succeeds; a restore that fails, or whose
 * connection ends, leaves nothing. IM_ERR_DATABASE_EXISTS, IM_ERR_DATABASE_NOT_FOUND,
 * IM_ERR_ARCHIVE (it does not verify), IM_ERR_STATE_FORKED, IM_ERR_STATE_OLDER, IM_ERR_NO_SPACE,
 * IM_ERR_BUSY.
 */
enum im_err immu_restore_begin(struct immu *c, const char *database, enum immu_restore_mode mode);
enum im_err immu_restore_write(struct immu *c, uint64_t offset, struct immu_bytes part);
enum im_err immu_restore_finish(struct immu *c, struct immu_restored *out);

/* ---- Sessions ---- */

struct immu_session_info {
	const char *id; /* names the session; it is not its token */
	const char *user;
	const char *database; /* "" if none is selected */
	const char *address;  /* of the client */
	int64_t opened_at;    /* Unix seconds */
	int64_t active_at;    /* Unix seconds: its last request */
	bool is_own;          /* the session of this connection */
};

typedef bool immu_session_fn(void *arg, const struct immu_session_info *session);

/* Gives the sessions the caller may see: a sysadmin all, others their own. */
enum im_err immu_each_session(struct immu *c, immu_session_fn *fn, void *arg);

/* Ends a session, as if it had expired. IM_ERR_SESSION_NOT_FOUND. */
enum im_err immu_end_session(struct immu *c, const char *id);

#ifdef __cplusplus
}
#endif

#endif
