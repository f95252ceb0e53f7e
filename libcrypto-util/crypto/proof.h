#ifndef CRYPTO_PROOF_H
#define CRYPTO_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/ahtree.h"
#include "crypto/entry.h"
#include "crypto/hash.h"
#include "crypto/header.h"
#include "crypto/htree.h"
#include "util/arena.h"
#include "util/err.h"

/*
 * Proofs that tie transactions to one another, made by a server and checked by whoever does not
 * trust it. Makers and checkers stand in pairs.
 *
 * The checkers are strict: exact numbers of terms, integers in range, fields that are not used
 * empty or zero, so that no single bit of a proof can be changed without its being refused. They
 * never read out of bounds nor loop long on hostile input: the work is bounded by the number of
 * terms given. IM_ERR_PROOF is returned with the step that failed as its detail.
 *
 * Not authenticated by any proof, and therefore to be shown as unproven or compared otherwise:
 *
 *	TxEntry.vLen        the length of a value is not hashed: compare it with the value's own
 *	Entry.revision      how many versions of the key there have been
 *	Entry.expired       follows from the (authenticated) expiry and the clock
 *	"latest"            that no newer version of the key exists
 *	Entry.value, behind a reference: the proof of the reference only shows which key it names
 *	order and fields of messages that are not part of the structures below
 *	export trailer      a missing trailer and "not truncated" mean the same
 */

/* A transaction and its accumulated hash: a trusted state, or what is claimed to be one. */
struct tx_point {
	uint64_t id;
	struct hash alh;
};

/* The Alh chain from source to target: Alh(source), then inner(source+1) .. inner(target). */
struct linear_proof {
	uint64_t source_tx_id;
	uint64_t target_tx_id;
	struct hash_list terms;
};

/*
 * Proof that transactions from+1 .. to of the chain are leaves of the tree: Alh(from+1), then
 * inner(from+2) .. inner(to); and inclusion proofs of from+1 .. to-1. Needed when to > from + 1.
 */
struct linear_advance_proof {
	struct hash_list linear_terms;
	struct hash_list *inclusions;
	size_t inclusions_len;
};

/* Proof that the history up to source is a prefix of the history up to target. */
struct dual_proof {
	struct tx_header source;
	struct tx_header target;
	struct hash_list inclusion;   /* source in target's tree, when source < blTxID of target */
	struct hash_list consistency; /* source's tree in target's, when source's is not empty */
	struct hash target_bl_tx_alh; /* Alh of target's blTxID; zero when that is 0 */
	struct hash_list last_inclusion; /* of that Alh as the last leaf of target's tree */
	struct linear_proof linear;      /* from max(source, blTxID of target) to target */
	bool has_linear_advance; /* only when blTxIDs lag, see struct linear_advance_proof */
	struct linear_advance_proof linear_advance;
};

/* The short form for databases in which blTxID is always id - 1. */
struct dual_proof_v2 {
	struct tx_header source;
	struct tx_header target;
	struct hash_list inclusion;
	struct hash_list consistency;
};

/*
 * Where the makers read from: the tree, and headers by transaction id (IM_ERR_TX_NOT_FOUND for one
 * that does not exist). Errors of both are passed on.
 */
struct proof_source {
	struct ahtree_reader tree;
	enum im_err (*header)(void *ctx, uint64_t tx, struct tx_header *out);
	void *ctx;
};

/* The transactions from+1 .. to as leaves of the tree of size leaves. */
struct advance_span {
	uint64_t from;
	uint64_t to;
	uint64_t size;
};

/*
 * The makers. Lists come from the arena, which the proof must not outlive. IM_ERR_ARGUMENT for
 * transactions out of order, IM_ERR_NOMEM, IM_ERR_CORRUPT when the headers read contradict one
 * another, errors of the source.
 *
 * proof_make_linear: 1 <= from <= to.
 * proof_make_linear_advance: from <= to <= size; without terms when to <= from + 1.
 * proof_make_dual: 1 <= from <= to.
 * proof_make_dual_v2: the same, and both blTxIDs must be id - 1 (IM_ERR_ARGUMENT).
 */
enum im_err proof_make_linear(const struct proof_source *src, uint64_t from, uint64_t to,
    struct arena *a, struct linear_proof *out);
enum im_err proof_make_linear_advance(const struct proof_source *src,
    const struct advance_span *span, struct arena *a, struct linear_advance_proof *out);
enum im_err proof_make_dual(const struct proof_source *src, uint64_t from, uint64_t to,
    struct arena *a, struct dual_proof *out);
enum im_err proof_make_dual_v2(const struct proof_source *src, uint64_t from, uint64_t to,
    struct arena *a, struct dual_proof_v2 *out);

/*
 * The checkers: IM_OK, or IM_ERR_PROOF.
 *
 * proof_check_entry: e is entry number proof->leaf of the transaction with header h. Says nothing
 * about h; check that it is the source or target header of a dual proof that holds.
 */
enum im_err proof_check_entry(
    const struct inclusion_proof *proof, const struct entry_parts *e, const struct tx_header *h);

/* proof_check_linear: the chain leads from one point to the other. */
enum im_err proof_check_linear(
    const struct linear_proof *p, const struct tx_point *from, const struct tx_point *to);

/*
 * What a linear-advance proof is checked against: end is the Alh of span.to, root that of the tree.
 */
struct advance_claim {
	struct advance_span span;
	struct hash end;
	struct hash root;
};

/* proof_check_linear_advance: p is NULL when absent, and must be when none is needed. */
enum im_err
proof_check_linear_advance(const struct linear_advance_proof *p, const struct advance_claim *claim);

/*
 * proof_check_dual, proof_check_dual_v2: the history of from is a prefix of that of to. One of the
 * points is trusted, the other one is then as good as that. In this order: ids, Alhs, inclusion,
 * consistency, last inclusion, linear, linear advance.
 */
enum im_err proof_check_dual(
    const struct dual_proof *p, const struct tx_point *from, const struct tx_point *to);
enum im_err proof_check_dual_v2(
    const struct dual_proof_v2 *p, const struct tx_point *from, const struct tx_point *to);

#endif
