#ifndef SERVER_WRITING_H
#define SERVER_WRITING_H

#include "server/call.h"

/*
 * A transaction in the making, for all methods that write: operations become entries and
 * conditions, the transaction is queued, and its answer is made once it is written.
 *
 * A handler calls writing_begin(), adds operations, and ends with writing_answer_header() or
 * writing_answer_proof(). It never returns IM_ERR_WOULD_BLOCK before that: writes of one connection
 * commit in the order received.
 */

/* Preconditions of one request. */
#define WRITING_PRECONDITIONS_MAX TX_ENTRIES_MAX

struct writing {
	struct call *call;
	struct store_entry *entries;
	size_t nentries;
	size_t entries_max;
	struct store_condition *conditions;
	size_t nconditions;
	size_t conditions_max;
	/* writing_share(): entry numbers plus one, by key; NULL without. */
	uint16_t *by_key;
};

/* How much room writing_begin() makes. */
struct writing_size {
	size_t entries;       /* at most TX_ENTRIES_MAX are accepted */
	size_t conditions;    /* of the operations: WRITING_CONDITIONS_* each, none for values */
	size_t preconditions; /* of the client */
};

#define WRITING_CONDITIONS_DELETION 1
#define WRITING_CONDITIONS_REFERENCE 2
#define WRITING_CONDITIONS_MEMBER 1

/*
 * An empty transaction; memory is of the call. IM_ERR_NO_ENTRIES, IM_ERR_TX_ENTRIES,
 * IM_ERR_BAD_PRECONDITION (too many), IM_ERR_NOMEM.
 */
enum im_err writing_begin(struct call *c, struct writing_size size, struct writing *out);

/*
 * From now on operations see the ones before them in the same transaction, entries can be bound to
 * it, and equal keys are told apart by their kind. IM_ERR_NOMEM.
 */
enum im_err writing_share(struct writing *w);

/* A key with its value. IM_ERR_ARGUMENT, IM_ERR_KEY_LENGTH, IM_ERR_VALUE_LENGTH, duplicates. */
enum im_err writing_add_kv(struct writing *w, const Immudb__Schema__KeyValue *kv);

/* The same with key and value in raw form. */
enum im_err writing_add_raw(struct writing *w, struct bytes raw_key, struct bytes raw_value);

/* The logical deletion of a key, which must exist. */
enum im_err writing_add_deletion(struct writing *w, struct bytes key);

/*
 * A reference, and the preconditions in its request. IM_ERR_ARGUMENT, IM_ERR_KEY_LENGTH,
 * IM_ERR_REFERENCE_TARGET, IM_ERR_KEY_NOT_FOUND, duplicates; what depends on stored keys becomes
 * conditions.
 */
enum im_err writing_add_reference(struct writing *w, const Immudb__Schema__ReferenceRequest *in);

/* A member of a sorted set. Errors as writing_add_reference(). */
enum im_err writing_add_member(struct writing *w, const Immudb__Schema__ZAddRequest *in);

/* The client's preconditions. IM_ERR_BAD_PRECONDITION. */
enum im_err
writing_add_preconditions(struct writing *w, size_t n, Immudb__Schema__Precondition *const *items);

/* Queues the transaction; the answer is its header. CALL_PENDING, or an error of store_write(). */
enum im_err writing_answer_header(struct writing *w);

/* Queues the transaction; the answer is a VerifiableTx, proven since c->since. As above. */
enum im_err writing_answer_proof(struct writing *w);

/*
 * The beginning of every handler that ends with writing_answer_proof(): true when the call is here
 * for the second time, its transaction written. *err is then what to return.
 */
bool writing_is_done(struct call *c, enum im_err *err);

/* Notes the client's state. IM_ERR_ILLEGAL_STATE when it is newer than ours. */
enum im_err writing_since(struct call *c, uint64_t since);

#endif
