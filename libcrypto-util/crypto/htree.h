#ifndef CRYPTO_HTREE_H
#define CRYPTO_HTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/hash.h"
#include "util/arena.h"
#include "util/err.h"

/*
 * The tree of one transaction over the digests of its entries, in their order, leaves numbered from
 * 0: neighbours are paired level by level and an odd last node moves up unchanged, which is the
 * tree of RFC 6962, section 2.1. No entries: the root is SHA-256 of no bytes.
 */

/* Proof that a digest is leaf number leaf of a tree of width leaves; nearest sibling first. */
struct inclusion_proof {
	uint32_t leaf;
	uint32_t width;
	struct hash_list terms;
};

/*
 * htree_root: the root over n digests. scratch is room for n hashes and may be digests itself,
 * which are then overwritten.
 */
void htree_root(const struct hash *digests, size_t n, struct hash *scratch, struct hash *out);

/*
 * htree_prove: the proof for leaf number leaf < n. scratch as in htree_root(); the terms
 * come from a. IM_ERR_ARGUMENT (no such leaf), IM_ERR_NOMEM.
 */
enum im_err htree_prove(struct hash_list digests, size_t leaf, struct hash *scratch,
    struct arena *a, struct inclusion_proof *out);

/*
 * htree_nodes, htree_build: all nodes of the tree over n digests, of which many proofs can be made:
 * leaves first, level by level, the root last. Their number, 0 without digests; nodes must not
 * overlap the digests.
 */
size_t htree_nodes(size_t n);
void htree_build(const struct hash *digests, size_t n, struct hash *nodes);

/*
 * htree_prove_built: as htree_prove(), from the nodes of a tree of that width.
 */
enum im_err htree_prove_built(const struct hash *nodes, size_t width, size_t leaf, struct arena *a,
    struct inclusion_proof *out);

/*
 * htree_verify: true when proof shows that digest is the leaf it names, in the tree of the width it
 * names, with this root. Exact number of terms; never fails on hostile input. The width is bound to
 * the root by the transaction header only: use proof_check_entry() for a whole answer.
 */
bool htree_verify(
    const struct inclusion_proof *proof, const struct hash *digest, const struct hash *root);

/* The number of terms in the proof for leaf < width. */
size_t htree_proof_len(uint64_t leaf, uint64_t width);

#endif
