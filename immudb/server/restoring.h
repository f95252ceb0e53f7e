#ifndef SERVER_RESTORING_H
#define SERVER_RESTORING_H

#include "crypto/archive.h"
#include "server/server_state.h"
#include "store/store_import.h"

/*
 * Restores under way: at most one a connection, which it dies with. A restore is worked on by one
 * thread at a time; what a client leaves behind is removed by a pool.
 */

/* Restores at a time. */
#define RESTORING_MAX 4

enum restore_mode {
	RESTORE_NEW = 0,     /* a database that does not exist */
	RESTORE_APPEND = 1,  /* one whose history is the beginning of the archive's */
	RESTORE_REPLACE = 2, /* one that exists, whatever it has */
	RESTORE_MODES
};

struct restore {
	struct job job; /* first: removes it */
	struct server *server;
	uintptr_t id; /* 0: free */
	bool is_busy, is_abandoned;
	/* By the thread that works on it. */
	enum restore_mode mode;
	char database[META_DATABASE_MAX + 1];
	char folder[META_DATABASE_MAX + 1]; /* "" before it is staged */
	struct archive_reader *reader;
	struct store_import *import;
	struct database *live;       /* of RESTORE_APPEND and RESTORE_REPLACE */
	struct store_state live_end; /* of RESTORE_APPEND: what the archive must have too */
	struct archive_header header;
	uint64_t offset; /* bytes taken */
};

struct restoring;

/*
 * NULL without memory. Stop it when the pools have stopped and the databases are still there: what
 * is not finished is removed. Free it after the transport. NULL is accepted.
 */
struct restoring *restoring_new(struct server *s);
void restoring_stop(struct restoring *r);
void restoring_free(struct restoring *r);

/*
 * A new restore for the connection of the request, in place of its last one. Within handle().
 * IM_ERR_BUSY.
 */
enum im_err restoring_begin(struct call *c);

/*
 * Finds the restore of the connection, within handle(), for restoring_take(), which then has it
 * until it is given back; a restore that failed is given up. IM_ERR_ILLEGAL_STATE when there is
 * none.
 */
void restoring_find(struct call *c);
enum im_err restoring_take(struct call *c, struct restore **out);
void restoring_give_back(struct restore *r, bool give_up);

/* For rpc_server_options.closed. */
void restoring_closed(void *ctx, void *conn_user);

#endif
