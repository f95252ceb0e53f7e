#ifndef SERVER_DATABASES_PRIVATE_H
#define SERVER_DATABASES_PRIVATE_H

#include <pthread.h>

#include "server/databases.h"
#include "server/journal.h"

/* Private to databases.c, database_use.c and database_admin.c. */

/* Names of the settings in the metadata file: the version of the headers; synced or not. */
#define DATABASES_SETTING_HEADER "writeTxHeaderVersion"
#define DATABASES_SETTING_SYNCED "synced"
#define DATABASES_SETTINGS 2

struct databases {
	struct databases_options options;
	pthread_mutex_t operations; /* held by what creates, deletes or changes a database */
	struct workers *openers;    /* open and close stores */
	pthread_t keeper;           /* closes what is idle */
	bool keeper_started;
	pthread_cond_t keeper_stop;
	pthread_mutex_t mutex; /* covers what follows, and in struct database what says so */
	bool stopping;
	bool is_new; /* the data folder was empty: what is made then is not journalled */
	void (*observe)(void *ctx, const char *name, struct store *store);
	void *observe_ctx;
	size_t open;    /* stores that are open, being opened or being closed */
	size_t closing; /* of them */
	size_t parked;  /* in the lists waiting of all databases */
	struct database *wanted_head, **wanted_tail;
	_Atomic size_t wanted; /* databases in that list */
	/* Grows at its end only; read without the mutex. */
	_Atomic size_t count;
	struct database *list[DATABASES_STRUCTS_MAX];
};

/* databases.c */

/* A struct for a row, not yet seen by anybody; NULL without memory. */
struct database *databases_new_struct(struct databases *d, const struct meta_database *row);

/* From now on everybody sees it. Under operations, or before there is anybody. */
void databases_publish(struct databases *d, struct database *db);

/* Reads what was set of a database; what never was, is as the server's options say. */
enum im_err
databases_load_settings(struct databases *d, const char *name, struct database_settings *out);

/* Opens the store of a database with its settings; with create its folder may be missing. */
enum im_err databases_store_open(struct database *db, bool create, struct store **out);

/* database_use.c */

/* Starts the threads that open and close. IM_ERR_NOMEM. */
enum im_err databases_use_start(struct databases *d);

/* Makes a struct ready for use: closed, DATABASE_IDLE. */
void database_use_init(struct database *db, struct databases *owner);

/*
 * Puts an opened store in place, or the error (not one that may pass) as DATABASE_BROKEN; for
 * databases that nobody waits for. The first may close another one, to make room.
 */
void database_put_open(struct database *db, struct store *store);
void database_put_broken(struct database *db, enum im_err err);

/*
 * Waits until a database is closed and claims it: requests that come from then on wait. It must be
 * opened again, as the thread would that opens databases. IM_ERR_DATABASE_NOT_FOUND, IM_ERR_BUSY,
 * IM_ERR_SHUTDOWN.
 */
enum im_err database_claim(struct database *db);
void database_open_claimed(struct database *db);

#endif
