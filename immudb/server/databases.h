#ifndef SERVER_DATABASES_H
#define SERVER_DATABASES_H

#include <stdatomic.h>

#include "meta/meta.h"
#include "store/store.h"

/*
 * The open databases, by name. The set is fixed while the server runs; every function but open and
 * close may be called from any thread and never waits.
 */
struct databases;

/* The database of administrative actions; clients may read it only. */
#define DATABASE_SYSTEM "systemdb"
/* The first database of a new folder, unless another name is asked for. */
#define DATABASE_DEFAULT "defaultdb"

struct database {
	char name[META_DATABASE_MAX + 1];
	char folder[META_DATABASE_MAX + 1]; /* in the data folder */
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
size_t databases_client_count(const struct databases *d);

/* The database number i, in order of creation; NULL after the last. */
struct database *databases_at(struct databases *d, size_t i);

#endif
