#ifndef META_META_H
#define META_META_H

#include "util/bytes.h"

/*
 * What the daemon knows beside the logs: its identity, users with their permissions, databases with
 * state and settings, and the queue of administrative actions to be journalled. One SQLite file,
 * DIR/immudb.sqlite (mode 0600, WAL, synchronous=FULL). A change is durable when its call returns.
 *
 * One handle serves the whole process; every function may be called from any thread (one mutex
 * inside). Calls may wait for the disk: never make one in a transport callback.
 *
 * Errors of every function, beside those it names: IM_ERR_CORRUPT (damaged file), IM_ERR_NO_SPACE,
 * IM_ERR_IO, IM_ERR_NOMEM; the detail text names the file.
 */
struct meta;

#define META_FILE_NAME "immudb.sqlite"
#define META_IDENTITY_LEN 12
#define META_USER_MAX 63      /* longest user name */
#define META_DATABASE_MAX 128 /* longest database name */
#define META_HASH_MAX 128     /* room for an encoded password hash with its NUL */

/* Permission levels; the numbers are those of the wire. */
enum meta_level {
	META_LEVEL_NONE = 0,
	META_LEVEL_READ = 1,
	META_LEVEL_READ_WRITE = 2,
	META_LEVEL_ADMIN = 254,
	META_LEVEL_SYSADMIN = 255
};

/* The name that stands for every database, present and future. */
#define META_ALL_DATABASES "*"

/*
 * A database is written down before its folder is made and ready only after, and is deleting before
 * its folder is removed; a crash in between leaves creating or deleting, which are rolled forward
 * at the next start.
 */
enum meta_database_state {
	META_DATABASE_CREATING = 0,
	META_DATABASE_READY = 1,
	META_DATABASE_DELETING = 2
};

struct meta_user {
	char name[META_USER_MAX + 1];
	char hash[META_HASH_MAX]; /* password_hash() form */
	bool active;
	char created_by[META_USER_MAX + 1];
	int64_t created_at_s; /* unix seconds */
};

struct meta_database {
	char name[META_DATABASE_MAX + 1];
	char folder[META_DATABASE_MAX + 1]; /* below the data folder */
	enum meta_database_state state;
	char created_by[META_USER_MAX + 1];
	int64_t created_at_s; /* unix seconds */
};

/*
 * Opens DIR/immudb.sqlite, creating it (with a new identity) when it is not there, and brings an
 * older schema up to date in one transaction. DIR must exist. IM_ERR_VERSION when the file was
 * written by a newer program (nothing is changed; the detail names file and versions),
 * IM_ERR_CORRUPT when it is damaged or not ours (nothing is changed), IM_ERR_IO when the file or
 * folder cannot be read and written. Close with meta_close().
 */
enum im_err meta_open(const char *dir, struct meta **out);

/* Closes the file; NULL is accepted. No other call may be running. */
void meta_close(struct meta *m);

/* The identity of this data folder: 12 bytes, made once. It lives as long as m. */
const uint8_t *meta_identity(const struct meta *m);

/* The number of users. */
enum im_err meta_user_count(struct meta *m, size_t *count);

/* Looks a user up. IM_ERR_NOT_FOUND, also for a name that no user can have. */
enum im_err meta_user_get(struct meta *m, struct bytes name, struct meta_user *out);

/*
 * Calls each for every user in order of name, until it returns anything but IM_OK, which is then
 * returned. each must not call into meta.
 */
enum im_err meta_user_list(
    struct meta *m, enum im_err (*each)(void *arg, const struct meta_user *user), void *arg);

/*
 * The level of user on database: the higher one of the entries for that database and for
 * META_ALL_DATABASES. META_LEVEL_NONE, and no error, when there is none.
 */
enum im_err
meta_permission(struct meta *m, const char *user, const char *database, enum meta_level *level);

/* One setting of a database, by name. */
struct meta_setting {
	const char *name;
	int64_t value;
};

struct meta_action; /* meta_journal.h: what is journalled with a change; NULL: nothing */

/*
 * Writes a database as creating, with its settings: its folder is to be made, and then it is ready,
 * or to be removed, and then it is cancelled. IM_ERR_DATABASE_EXISTS, IM_ERR_DATABASE_NAME.
 */
enum im_err meta_database_begin(struct meta *m, const struct meta_database *database,
    const struct meta_setting *settings, size_t count);

/* A database that is being created is ready, or is forgotten. IM_ERR_DATABASE_NOT_FOUND. */
enum im_err meta_database_ready(struct meta *m, const char *name, const struct meta_action *action);
enum im_err meta_database_cancel(struct meta *m, const char *name);

/*
 * Writes a database that is ready as deleting, from where it only goes on: its folder is to be
 * removed, and then it is forgotten. IM_ERR_DATABASE_NOT_FOUND.
 */
enum im_err
meta_database_delete(struct meta *m, const char *name, const struct meta_action *action);

/* Forgets a database that is deleting, with its settings and all permissions on it. */
enum im_err meta_database_forget(struct meta *m, const char *name);

/* The oldest database in a state. IM_ERR_NOT_FOUND when there is none. */
enum im_err
meta_database_find(struct meta *m, enum meta_database_state state, struct meta_database *out);

/*
 * Strays: folders in the data folder that are not yet, or no more, those of a database. A start
 * removes them. A restore makes one, which then becomes a new database, or changes places with the
 * folder of an existing one, in one step.
 */
enum im_err meta_stray_add(struct meta *m, const char *folder);
enum im_err meta_stray_drop(struct meta *m, const char *folder);

/* Any one of them. IM_ERR_NOT_FOUND when there is none. */
enum im_err meta_stray_find(struct meta *m, char folder[META_DATABASE_MAX + 1]);

/*
 * The stray database->folder becomes a database, ready. IM_ERR_DATABASE_EXISTS,
 * IM_ERR_DATABASE_NAME.
 */
enum im_err meta_stray_adopt(struct meta *m, const struct meta_database *database,
    const struct meta_setting *settings, size_t count, const struct meta_action *action);

struct meta_restore;

/* The folder of a database that is ready, and the stray that takes its place. */
struct meta_swap {
	const char *database;
	const char *folder;                 /* becomes a stray */
	const char *stray;                  /* becomes the database's */
	const struct meta_restore *restore; /* left pending with it (meta_restores.h); NULL: none */
};

/* Does that, and journals the action, in one step. IM_ERR_DATABASE_NOT_FOUND. */
enum im_err
meta_stray_swap(struct meta *m, const struct meta_swap *swap, const struct meta_action *action);

/* Looks a database up. IM_ERR_DATABASE_NOT_FOUND. */
enum im_err meta_database_get(struct meta *m, struct bytes name, struct meta_database *out);

/* Like meta_user_list(), for databases, oldest first. */
enum im_err meta_database_list(struct meta *m,
    enum im_err (*each)(void *arg, const struct meta_database *database), void *arg);

/* One setting of a database; *value is left alone when it was never set. */
enum im_err
meta_setting_get(struct meta *m, const char *database, const char *setting, int64_t *value);

/* Sets settings of a database, all or none. IM_ERR_DATABASE_NOT_FOUND. */
enum im_err meta_settings_put(struct meta *m, const char *database,
    const struct meta_setting *settings, size_t count, const struct meta_action *action);

/*
 * The one rule for database names: 1 to 128 lower-case letters, digits and underscores. The detail
 * text of IM_ERR_DATABASE_NAME says what is wrong.
 */
enum im_err meta_database_name_check(struct bytes name);

#endif
