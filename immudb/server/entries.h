#ifndef SERVER_ENTRIES_H
#define SERVER_ENTRIES_H

#include "server/call.h"
#include "server/messages.h"

/*
 * From raw entries of the store to entries as users see them: prefixes taken off, references
 * followed (one step).
 */

/* Entries in one answer that is not a stream; also what a limit of 0 means. */
#define ENTRIES_LIMIT_MAX 2500u

/* A look-up of one user's key. */
struct entry_query {
	struct bytes key; /* the user's */
	uint64_t at_tx;   /* 0: not by transaction */
	int64_t revision; /* 0: the newest */
	uint64_t as_of;   /* only transactions up to this one exist */
};

/*
 * Finds an entry and follows a reference. *raw (may be NULL) is the entry of the key itself, of the
 * reference if it is one. Errors of store_get(), IM_ERR_KEY_LENGTH, IM_ERR_CORRUPT,
 * IM_ERR_RESOLUTION (the reference points to a reference).
 */
enum im_err entry_find(struct call *c, const struct entry_query *q, struct store_value *raw,
    Immudb__Schema__Entry **out);

/*
 * The same for a raw entry that has been read already; targets of references are read as of as_of.
 */
enum im_err entry_resolve(
    struct call *c, const struct store_value *raw, uint64_t as_of, Immudb__Schema__Entry **out);

/*
 * One version of a key as its history shows it. Deleted and expired ones have no value. A reference
 * is not followed: the entry has the key that it stands for and no value; referencedBy says the
 * rest.
 */
enum im_err
entry_version(struct call *c, const struct store_value *raw, Immudb__Schema__Entry **out);

/* One entry without following a reference: its value is then u64 atTx || 00 || key. */
enum im_err entry_plain(struct call *c, const struct store_value *raw, Immudb__Schema__Entry **out);

/*
 * Whether err means that a key, or what a reference names, has nothing to show. Lists leave such
 * entries out.
 */
bool entry_leads_nowhere(enum im_err err);

/*
 * Checks the sinceTx of a request against the newest transaction, and gives that one. Everything
 * published is indexed, so there is nothing to wait for, with noWait or without. IM_ERR_ARGUMENT.
 */
enum im_err entries_since(struct call *c, uint64_t since, uint64_t *newest);

/* How many entries a request with this limit gets at most. IM_ERR_RESULT_LIMIT. */
enum im_err entries_limit(uint64_t asked, size_t *limit);

/*
 * Leaves out the first entries of a walk, also of a long one: looks now and then whether anybody
 * still wants the answer. IM_ERR_NOT_FOUND when there are not so many, IM_ERR_CANCELLED.
 */
enum im_err entries_skip(struct call *c, struct store_cursor *cursor, uint64_t n);

/*
 * Counts an entry towards the size of the answer. IM_ERR_MESSAGE_SIZE when the answer would pass
 * the largest message, so that it need not be built to know. The first one may always be there, as
 * in the answer to Get: what was written can be listed, and be it one by one.
 */
enum im_err entries_room(struct call *c, const Immudb__Schema__Entry *entry, size_t *used);

#endif
