#ifndef SERVER_DATABASES_H
#define SERVER_DATABASES_H

#include <stdatomic.h>

#include "meta/meta_journal.h"
#include "rpc/method.h"
#include "server/workers.h"
#include "store/store.h"

/*
 * The databases of the data folder, by name. A database that was deleted keeps its struct, which
 * only says that it is gone, until all are closed. Every function but open and close may be called
 * from any thread; those that say so wait for the disk.
 *
 * At most max_open of them are open at a time. The others are opened when a request comes for them,
 * by threads of their own, while the request is parked; then the one that was used least recently
 * and has nothing to do is closed. The system database and the default one stay open.
 */
struct databases;

/* The database of administrative actions; clients may read it only. */
#define DATABASE_SYSTEM "systemdb"
/* The first database of a new folder, unless another name is asked for. */
#define DATABASE_DEFAULT "defaultdb"

/* Databases at a time. */
#define DATABASES_MAX 1024
/* Databases in one life of the server, deleted ones included. */
#define DATABASES_STRUCTS_MAX 16384
/* Requests that wait for databases to be opened. */
#define DATABASES_PARKED_MAX 4096
/* What the server keeps open unless it is told otherwise, and how long without use. */
#define DATABASES_OPEN_DEFAULT 100
#define DATABASES_IDLE_MS_DEFAULT (5 * 60 * 1000)

/* What is journalled of databases. */
#define JOURNAL_DATABASE_CREATE "create database"
#define JOURNAL_DATABASE_UPDATE "update database"
#define JOURNAL_DATABASE_LOAD "load database"
#define JOURNAL_DATABASE_UNLOAD "unload database"
#define JOURNAL_DATABASE_DELETE "delete database"
#define JOURNAL_DATABASE_RESTORE "replace content of database"
#define JOURNAL_FLUSH_INDEX "flush index"
#define JOURNAL_COMPACT_INDEX "compact index"
#define JOURNAL_SCRUB "scrub database"
#define JOURNAL_SCRUB_STOP "stop scrub"

/* What can be set of a database. It holds from the next time it is loaded. */
struct database_settings {
	uint16_t header_version; /* of new transactions: 0 or 1 */
	bool synced;             /* a write is answered when it is on the disk; else each second */
};

/* Which settings to set; the others keep their value, or the default for a new database. */
struct database_change {
	bool has_header_version;
	bool has_synced;
	struct database_settings to;
};

/* See database_use.c, which has a diagram. */
enum database_state {
	DATABASE_IDLE = 0,  /* closed; the next request has it opened */
	DATABASE_WANTED,    /* waits to be opened */
	DATABASE_OPENING,   /* a thread opens it */
	DATABASE_OPEN,      /* requests run on it */
	DATABASE_CLOSING,   /* a thread closes it */
	DATABASE_UNLOADING, /* its last requests run; then it is closed */
	DATABASE_UNLOADED,  /* closed until it is loaded */
	DATABASE_BROKEN,    /* could not be opened; loading tries again */
	DATABASE_GONE       /* deleted */
};

/* Somebody who waits for a database; embedded in what waits. */
struct database_wait {
	struct database_wait *next;
	/*
	 * Called once, from a thread that may wait. Within, err_detail(err) is the text of a
	 * failure.
	 */
	void (*ready)(struct database_wait *w, enum im_err err);
	bool enters; /* private: it is a use of the database from then on */
};

struct database {
	struct job job; /* first; private to database_use.c: one that opens or closes it */
	char name[META_DATABASE_MAX + 1];
	char folder[META_DATABASE_MAX + 1]; /* in the data folder */
	char created_by[META_USER_MAX + 1];
	int64_t created_at_s; /* unix seconds */
	size_t number;        /* in the order of creation */
	bool is_system;
	bool is_kept; /* never closed nor unloaded: the system database and the default one */
	struct databases *owner;
	struct store *store;          /* while the database is in use */
	_Atomic uint64_t uses;        /* see database_use.c */
	_Atomic int64_t completed_ns; /* clock_monotonic_ns() of the last answer; 0: none yet */
	_Atomic bool is_gone;
	_Atomic uint64_t requests[RPC_METHOD_COUNT]; /* answered, by method */
	/* Covered by the mutex of owner. */
	enum database_state state;
	bool unload;     /* close for good, not until the next request */
	unsigned claims; /* under way; whatever unload says, it is loaded after them */
	struct database_settings settings;
	int64_t opened_ns;
	struct store_stats last; /* when it was closed */
	struct database *next_wanted;
	struct database_wait *waiting;   /* for it to be open, newest first */
	struct database_wait *unloading; /* for it to be unloaded */
	enum im_err broken;
	char broken_text[256];
};

struct databases_options {
	const char *dir;          /* data folder */
	const char *default_name; /* NULL: what the folder has, DATABASE_DEFAULT in a new one */
	bool unsynced;            /* of all that have no such setting, but the system database */
	struct meta *meta;        /* borrowed */
	size_t max_open;          /* 0: DATABASES_OPEN_DEFAULT */
	int64_t idle_ms;          /* 0: DATABASES_IDLE_MS_DEFAULT; without use, then closed */
};

/*
 * Opens every database of the folder, to see that it can be opened; in a new folder creates the
 * system database and the default one. What a crash left half-created or half-deleted is finished.
 * A database that cannot be opened is said in the log and is DATABASE_BROKEN; only when that is the
 * system database, or no database of clients is left, it is an error, that of store_open(). Folders
 * that the metadata file does not name are left alone.
 * IM_ERR_CONFIG when default_name is not that of the folder's first database, or reserved;
 * IM_ERR_DATABASE_NAME; IM_ERR_CORRUPT when there are database folders that the (new) metadata file
 * does not know.
 */
enum im_err databases_open(const struct databases_options *options, struct databases **out);

/*
 * From now on nothing is opened and closed, and who waits for it is told IM_ERR_SHUTDOWN. What is
 * open stays so. NULL is accepted.
 */
void databases_stop(struct databases *d);

/* Closes all stores, after databases_stop() or with it. No request may be under way but writes. */
void databases_close(struct databases *d);

/* ---- Looking up ---- */

/* The database of that name (exact), or NULL. */
struct database *databases_find(struct databases *d, struct bytes name);

/* The first client database. */
struct database *databases_default(struct databases *d);

/* Databases of clients, that is without the system database. */
size_t databases_client_count(struct databases *d);

/* The database created after previous, the oldest one for NULL; NULL after the newest. */
struct database *databases_next(struct databases *d, const struct database *previous);

/* How a database is. */
struct database_info {
	enum database_state state;
	bool is_loaded;  /* requests are served, perhaps after opening it */
	bool is_claimed; /* they are refused only until it has another content */
	bool is_open;
	struct database_settings settings; /* as they were last set */
	struct store_stats stats;          /* of one that is closed: when it was */
};
void database_info(struct database *db, struct database_info *out);

/*
 * Calls fn for every store that is open, and for each that will be opened, before its first write.
 */
void databases_observe(
    struct databases *d, void (*fn)(void *ctx, const char *name, struct store *store), void *ctx);

/* ---- Using ---- */

/*
 * Begins a request on a database, whose store stays open until database_leave(). Never waits.
 * IM_OK; IM_ERR_WOULD_BLOCK: it has to be opened first, w->ready will be called, with IM_OK when
 * the request has begun. IM_ERR_DATABASE_NOT_LOADED, IM_ERR_DATABASE_NOT_FOUND (deleted),
 * IM_ERR_BUSY, or why it could not be opened.
 */
enum im_err database_enter(struct database *db, struct database_wait *w);
void database_leave(struct database *db);

/*
 * For a request on the database that goes on for as long as its client likes: IM_OK, or
 * IM_ERR_DATABASE_NOT_LOADED when the database is to be unloaded or replaced, which waits for it.
 */
enum im_err database_may_go_on(const struct database *db);

/*
 * Keeps the store open while the calling thread may touch it, also after its request is answered:
 * what holds a database already may hold it again.
 */
void database_hold(struct database *db);
void database_release(struct database *db);

/* Holds it if it is open. */
bool database_try_hold(struct database *db);

/* Requests that have entered and not left. */
uint32_t database_pending(const struct database *db);

/* ---- Administration: these wait for the disk ---- */

/* A database to create. */
struct database_new {
	struct bytes name;
	const char *created_by;
	struct database_change settings;
};

/*
 * Creates a database, ready for use. IM_ERR_DATABASE_NAME and IM_ERR_DATABASE_RESERVED with what is
 * wrong, IM_ERR_DATABASE_EXISTS, IM_ERR_LIMIT (there are DATABASES_MAX), errors of store_open();
 * then nothing is left behind. action, which may be NULL here and below, is journalled with it.
 */
enum im_err databases_create(struct databases *d, const struct database_new *new,
    const struct meta_action *action, struct database **out);

/*
 * Whether there can be one more database, by that name. IM_ERR_DATABASE_NAME,
 * IM_ERR_DATABASE_RESERVED, IM_ERR_DATABASE_EXISTS, IM_ERR_LIMIT.
 */
enum im_err databases_check_new(struct databases *d, struct bytes name);

/*
 * Makes an empty folder for a database that is to be restored, and notes that the next start
 * removes it unless it becomes that of a database before; folder is its name, "" on an error.
 * Removes it, with all that is in it. Any thread. IM_ERR_DATABASE_NAME, IM_ERR_EXISTS, IM_ERR_IO,
 * errors of meta.h.
 */
enum im_err
databases_stage(struct databases *d, const char *name, char folder[META_DATABASE_MAX + 1]);
enum im_err databases_unstage(struct databases *d, const char *folder);

/* Opens such a folder's path: that of the data folder and the name. IM_ERR_ARGUMENT. */
enum im_err
databases_staged_path(const struct databases *d, const char *folder, char path[VFS_PATH_MAX]);

/* Makes a staged folder, which holds a database, a new database. Errors as databases_create(). */
enum im_err databases_adopt(struct databases *d, const struct database_new *new, const char *folder,
    const struct meta_action *action, struct database **out);

/* What takes the place of a database's content. */
struct database_exchange {
	const char *folder; /* staged */
	/* The content must still end with this state, unless it is NULL. */
	const struct store_state *must_be;
	const struct meta_action *action;
	/*
	 * What is to be announced of it (server/restores.h), left pending in the same step; false:
	 * nothing. from is what the database held, 0 if not known. Then announce() is called,
	 * before anything is asked of the database. NULL: nothing.
	 */
	bool (*describe)(void *ctx, const struct store_state *from, struct meta_restore *out);
	enum im_err (*announce)(void *ctx);
	void *ctx;
};

/*
 * Waits until the requests on a database have ended, refusing those that come, and gives it another
 * content; then it is loaded. On an error it is as before. IM_ERR_STATE_FORKED (must_be),
 * IM_ERR_DATABASE_NOT_FOUND, IM_ERR_BUSY, IM_ERR_SHUTDOWN.
 */
enum im_err database_exchange(struct database *db, const struct database_exchange *exchange);

/*
 * Waits until the database is open, and is then a request on it. From a pool; errors as
 * database_enter().
 */
enum im_err database_enter_wait(struct database *db);

/* Sets settings. IM_ERR_DATABASE_NOT_FOUND, IM_ERR_DATABASE_RESERVED (the system database). */
enum im_err database_update(
    struct database *db, const struct database_change *change, const struct meta_action *action);

/*
 * Has a database opened, and w->ready called when it is, unless an error is returned.
 * IM_ERR_DATABASE_LOADED, IM_ERR_DATABASE_NOT_FOUND.
 */
enum im_err database_load(struct database *db, struct database_wait *w);

/*
 * Has a database closed when the requests on it are answered, and then w->ready called; later
 * requests are refused from now on. IM_OK: it was not open, w->ready will not be called.
 * IM_ERR_WOULD_BLOCK: it will. IM_ERR_DATABASE_NOT_LOADED, IM_ERR_DATABASE_NOT_FOUND,
 * IM_ERR_DATABASE_RESERVED (is_kept).
 */
enum im_err database_unload(struct database *db, struct database_wait *w);

/*
 * Deletes a database that is unloaded, with all its files, for ever. IM_ERR_DATABASE_LOADED,
 * IM_ERR_DATABASE_NOT_FOUND, IM_ERR_DATABASE_RESERVED. After IM_ERR_IO it is deleted, and the next
 * start removes the files that are left.
 */
enum im_err database_delete(struct database *db, const struct meta_action *action);

#endif
