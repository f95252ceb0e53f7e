#ifndef SERVER_RESTORES_H
#define SERVER_RESTORES_H

#include "meta/meta_restores.h"
#include "server/server_state.h"

/*
 * Restores are announced: signed with the server's key, if there is one, written down and journalled in
 * one step, so that an auditor that finds a database rolled back can ask whether its operator has said so.
 */
#define JOURNAL_RESTORE "restore database"

/* Announcements in one answer. */
#define RESTORES_ANSWER_MAX 16

/* A database that was put from one state to another. */
struct restores_new {
	const char *database;
	struct tx_point from; /* what the database held; id 0: not known, or nothing */
	struct tx_point to;   /* what it holds now, before anything is added to it */
	const char *actor;    /* who restored; also that of action, "" as its actor */
	const char *address;  /* from where; NULL */
};

/*
 * Announces a restore while the server runs. To be called when what was put there is durable and before
 * the database answers requests again. Nothing is announced, and IM_OK, when from and to are the same.
 * Waits for the disk; any thread. IM_ERR_DATABASE_NOT_FOUND, IM_ERR_LIMIT, errors of meta.h.
 */
enum im_err restores_announce(struct server *s, const struct restores_new *new);

/*
 * Signs and journals what was left by restores_leave(); before the journal starts. Once for each, also when
 * the process ends in between. The server's identity must be known.
 */
enum im_err restores_take(struct server *s);

/*
 * Writes down a restore in a metadata file that no server uses: the next start signs and journals it.
 * Leaving the same one again changes nothing. Errors as above.
 */
enum im_err restores_leave(struct meta *m, const struct restores_new *new);

#endif
