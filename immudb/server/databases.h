#ifndef SERVER_DATABASES_H
#define SERVER_DATABASES_H

#include <stdatomic.h>

#include "meta/meta.h"
#include "store/store.h"

/*
 * The databases of the data folder, by name. A database that was deleted keeps its struct, of which
 * nothing is used any more, until all are closed, so that whoever still holds one is told. Every
 * function but open and close may be called from any thread; those that say so wait for the disk.
 */
struct databases;

/* Databases at a time. */
#define DATABASES_MAX 1024
/* Databases that may be created in one life of the server, deleted ones included. */
#define DATABASES_STRUCTS_MAX 16384

/* The database of administrative actions; clients may read it only. */
#define DATABASE_SYSTEM "systemdb"
/* The first database of a new folder, unless another name is asked for. */
#define DATABASE_DEFAULT "defaultdb"

/* What can be set of a database. It holds from the next time its store is opened. */
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

struct database {
	char name[META_DATABASE_MAX + 1];
	char folder[META_DATABASE_MAX + 1]; /* in the data folder */
	char created_by[META_USER_MAX + 1];
	int64_t created_at_s;              /* unix seconds */
	size_t number;                     /* in the order of creation */
	struct database_settings settings; /* see databases_settings() */
	struct store *store;
	bool is_system;
	/* Of the requests that run on it; see dispatch.c. */
	_Atomic uint32_t pending;
	_Atomic int64_t completed_ns; /* clock_monotonic_ns() of the last answer; 0: none yet */
};

struct databases_options {
	const char *dir;          /* data folder */
	const char *default_name; /* NULL: what the folder has, DATABASE_DEFAULT in a new one */
	bool unsynced;            /* of all but the system database */
	struct meta *meta;        /* borrowed */
};

/*
 * Opens every database of the folder; in a new folder creates the system database and the default
 * one. What a crash left half-created is finished. IM_ERR_CONFIG when default_name is not that of
 * the folder's first database, or reserved; IM_ERR_DATABASE_NAME; IM_ERR_CORRUPT when there are
 * database folders that the (new) metadata file does not know; errors of store_open().
 */
enum im_err databases_open(const struct databases_options *options, struct databases **out);

/* Closes all stores. No call may be running on any of them. NULL is accepted. */
void databases_close(struct databases *d);

/* The database of that name (exact), or NULL. */
struct database *databases_find(struct databases *d, struct bytes name);

/* The first client database. */
struct database *databases_default(struct databases *d);

/* Databases of clients, that is without the system database. */
size_t databases_client_count(struct databases *d);

/* The database created after previous, the oldest one for NULL; NULL after the newest. */
struct database *databases_next(struct databases *d, const struct database *previous);

/* The settings as they were last set. */
void
databases_settings(struct databases *d, const struct database *db, struct database_settings *out);

/* A database to create. */
struct database_new {
	struct bytes name;
	const char *created_by;
	struct database_change settings;
};

/*
 * Creates a database, ready for use. Waits for the disk. IM_ERR_DATABASE_NAME and
 * IM_ERR_DATABASE_RESERVED with what is wrong, IM_ERR_DATABASE_EXISTS, IM_ERR_LIMIT (there are
 * DATABASES_MAX), IM_ERR_ARGUMENT for a setting that cannot be, errors of store_open(); then nothing
 * is left behind.
 */
enum im_err
databases_create(struct databases *d, const struct database_new *new, struct database **out);

/* Calls fn for every store, now and when it is opened later, before the first write. */
void databases_observe(struct databases *d, void (*fn)(void *ctx, struct database *db), void *ctx);

#endif
