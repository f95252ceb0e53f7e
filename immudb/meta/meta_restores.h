#ifndef META_META_RESTORES_H
#define META_META_RESTORES_H

#include "crypto/restore_notice.h"
#include "meta/meta_journal.h"

/*
 * Restores of databases, for auditors: what was put in the place of what, by whom and when. A row
 * is pending until it is signed, if the server has a key, and journalled, which is one transaction;
 * those that the server makes itself never are. Rows stay for ever. Errors are those of meta.h.
 */
struct meta_restore {
	uint64_t number; /* from 1, rising; given by meta */
	char database[META_DATABASE_MAX + 1];
	struct tx_point from; /* id 0: not known */
	struct tx_point to;
	int64_t at_ms; /* Unix time */
	char actor[RESTORE_NOTICE_ACTOR_MAX + 1];
	bool is_pending;
	uint8_t signature[SIGN_DER_MAX]; /* of the notice; restore_notice.h */
	size_t signature_len;            /* 0: not signed */
	uint8_t point[SIGN_POINT_SIZE];  /* of the key that signed */
};

/*
 * Adds a restore of a database that must be there, and journals the action with it; NULL: it is
 * pending instead. One that is pending already, of the same database and states, is not added
 * again. IM_ERR_DATABASE_NOT_FOUND.
 */
enum im_err meta_restore_add(
    struct meta *m, const struct meta_restore *restore, const struct meta_action *action);

/* The same within a transaction that has begun; for meta/ only. */
enum im_err meta_restore_write(
    struct meta *m, const struct meta_restore *restore, const struct meta_action *action);

/*
 * A pending one is not so any more: gets its signature, and its action is journalled.
 * IM_ERR_NOT_FOUND.
 */
enum im_err meta_restore_settle(
    struct meta *m, const struct meta_restore *restore, const struct meta_action *action);

/* The oldest pending one. IM_ERR_NOT_FOUND. */
enum im_err meta_restore_pending(struct meta *m, struct meta_restore *out);

/* Which restores of a database. */
struct meta_restore_query {
	const char *database;
	uint64_t tx; /* that may have been taken back: after to, not after from; 0: all of them */
	size_t max;
};

/*
 * Calls each for restores that are not pending, newest first, until it returns anything but IM_OK,
 * which is then returned. each must not call into meta.
 */
enum im_err meta_restore_list(struct meta *m, const struct meta_restore_query *query,
    enum im_err (*each)(void *arg, const struct meta_restore *restore), void *arg);

#endif
