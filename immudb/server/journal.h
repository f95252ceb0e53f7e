#ifndef SERVER_JOURNAL_H
#define SERVER_JOURNAL_H

#include "meta/meta_journal.h"
#include "store/store.h"

/*
 * The journal of administration. What administrators do becomes a numbered row of the metadata file
 * in the transaction of the change itself; a thread copies the rows into the system database, where
 * they are covered by proofs like everything else, and then forgets them. Neither a kill in between
 * nor a start in the middle loses or doubles a row.
 *
 * There the key is JOURNAL_KEY_PREFIX and the number in 20 digits; the value is one JSON object
 * with the members time (RFC 3339 UTC, milliseconds), actor, address, action, user, database,
 * permission and detail, all of them texts, "" where they do not apply.
 *
 * All functions are safe from any thread.
 */
struct journal;
struct call;

#define JOURNAL_KEY_PREFIX "journal/"

/* Actors that are no users; no user name has parentheses. */
#define JOURNAL_ACTOR_SERVER "(server)"           /* the daemon by itself, or for who started it */
#define JOURNAL_ACTOR_MAINTENANCE "(maintenance)" /* somebody local, in maintenance mode */

/* What is done to users; of databases: "create database" and so on, see databases.h. */
#define JOURNAL_CREATE_USER "create user"
#define JOURNAL_CHANGE_PASSWORD "change password"
#define JOURNAL_GRANT "grant"
#define JOURNAL_REVOKE "revoke"
#define JOURNAL_ACTIVATE "activate user"
#define JOURNAL_DEACTIVATE "deactivate user"
#define JOURNAL_END_SESSION "end session"
#define JOURNAL_FAILED_LOGIN "failed login"

/*
 * Starts the copying, after putting what is in the system database and the queue in order: numbers
 * in use are not given again. Both are borrowed, and stay open until journal_stop(). IM_ERR_NOMEM,
 * errors of meta.h and store.h.
 */
enum im_err journal_start(struct meta *meta, struct store *systemdb, struct journal **out);

/* Copies what waits and ends. NULL is accepted. */
void journal_stop(struct journal *j);

/* There are new rows: to be called after a change with an action. Never waits; NULL is accepted. */
void journal_wake(struct journal *j);

/* Writes an action that changes nothing in the metadata, and wakes. Waits for the disk. */
enum im_err journal_add(struct journal *j, const struct meta_action *action);

/*
 * The action of a call with its actor and address filled in, the rest empty; they live as long as
 * the call.
 */
struct meta_action journal_action(const struct call *c, const char *action);

/*
 * Waits until all rows written before are in the system database; an error says why they are not.
 */
enum im_err journal_flush(struct journal *j);

/*
 * Counts a failed login. The first of a user and address in a minute is written at once; how many
 * more there were, at the end of that minute. So in a minute there are at most two rows for each of
 * JOURNAL_FAILURES_MAX users and addresses and one for the rest, and a kill loses only counts.
 * Never waits.
 */
void journal_login_failed(struct journal *j, struct bytes user, const char *address);

#define JOURNAL_FAILURES_MAX 64

#endif
