#ifndef SERVER_RESTORES_H
#define SERVER_RESTORES_H

#include "meta/meta_restores.h"
#include "server/server_state.h"

/*
 * Restores are announced: signed with the server's key, if there is one, written down and
 * journalled in one step, so that an auditor that finds a database rolled back can ask whether its
 * operator has said so.
 */
#define JOURNAL_RESTORE "restore database"

/* Announcements in one answer. */
#define RESTORES_ANSWER_MAX 16

/* A database that was put from one state to another. */
struct restores_new {
	const char *database;
	struct tx_point from; /* what the database held; id 0: not known, or nothing */
	struct tx_point to;   /* what it holds now, before anything is added to it */
	const char *actor;    /* who restored; also that of the journalled action */
};

/*
 * A restore as it is left in the metadata, in one step with what it tells of, to be announced. Now
 * is when it was made. IM_ERR_EXISTS when from and to are the same: there is nothing to announce;
 * IM_ERR_DATABASE_NAME, IM_ERR_LIMIT, IM_ERR_ARGUMENT.
 */
enum im_err restores_describe(const struct restores_new *new, struct meta_restore *out);

/*
 * Signs and journals what was left, once for each, also when the process ends in between: at the
 * start, and behind each restore while the server runs, before the database answers requests again.
 * The server's identity must be known. Waits for the disk; any thread. Errors of meta.h.
 */
enum im_err restores_take(struct server *s);

/*
 * Writes down a restore in a metadata file that no server uses: the next start signs and journals
 * it. Leaving the same one again changes nothing. Errors as above.
 */
enum im_err restores_leave(struct meta *m, const struct restores_new *new);

#endif
