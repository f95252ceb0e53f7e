#ifndef META_META_JOURNAL_H
#define META_META_JOURNAL_H

#include "meta/meta.h"

/*
 * The queue of administrative actions that wait to be copied into the system database. A row gets
 * its number, for ever, in the transaction of the change that it tells of; server/journal.c takes
 * it out once it is on the disk there. Errors are those of meta.h.
 */

/*
 * One action. NULL and "" are the same: does not apply. Never a password nor anything made from
 * one.
 */
struct meta_action {
	const char *actor;      /* who did it: a user, or one of the names in server/journal.h */
	const char *address;    /* from where */
	const char *action;     /* what: "create user"; the words are listed in server/journal.h */
	const char *user;       /* to whom */
	const char *database;   /* on what */
	const char *permission; /* "read", "readwrite", "admin", "sysadmin" */
	const char *detail;     /* anything else, in words */
};

/* Bytes that a row's text may have; longer members are cut. */
#define META_JOURNAL_ENTRY_MAX 4096

/* A row of the queue. */
struct meta_journal_row {
	uint64_t number;    /* from 1, rising */
	struct bytes entry; /* a JSON object */
};

/*
 * Writes an action that changes nothing else in the file; one that does is given to the function
 * that makes the change.
 */
enum im_err meta_journal_add(struct meta *m, const struct meta_action *action);

/*
 * Calls each for the oldest rows, at most max, in order of their numbers, until it returns anything
 * but IM_OK, which is then returned. each must not call into meta.
 */
enum im_err meta_journal_list(struct meta *m, size_t max,
    enum im_err (*each)(void *arg, const struct meta_journal_row *row), void *arg);

/* Forgets the rows up to this number. */
enum im_err meta_journal_drop(struct meta *m, uint64_t number);

/* Numbers given from now on are above this one. */
enum im_err meta_journal_skip(struct meta *m, uint64_t number);

/* Gives a row a new number, above all others; IM_ERR_NOT_FOUND. */
enum im_err meta_journal_renumber(struct meta *m, uint64_t number);

#endif
