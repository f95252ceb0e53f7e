#ifndef CRYPTO_AHTREE_H
#define CRYPTO_AHTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/hash.h"
#include "util/arena.h"
#include "util/err.h"

/*
 * The append-only tree of a database: leaf n (from 1) is leaf(payload n), the shape is that of RFC
 * 6962 at every size. This module makes and checks its proofs; where the hashes are kept is the
 * reader's matter, so that the same code runs over files and over memory.
 *
 * R(lo, hi] is the root over leaves lo+1..hi. The proofs only need ranges where lo is a multiple of
 * the smallest power of two that is >= hi - lo: perfect subtrees, and ragged ones at the right
 * edge.
 */

/* A path has at most one range a bit of the size, and a consistency proof one more. */
#define AHTREE_PATH_MAX 65

struct ahtree_range {
	uint64_t lo; /* leaves lo+1 .. hi */
	uint64_t hi;
};

/*
 * Where a proof maker gets its hashes. range_root gives R(lo, hi] of an aligned range; hi never
 * passes the tree size that the caller of the maker named, and the reader refuses one that it does
 * not have (IM_ERR_TX_NOT_FOUND). Its errors are passed on. range_roots does the same for up to
 * AHTREE_PATH_MAX ranges at once; a reader that is not faster at that has NULL there.
 */
struct ahtree_reader {
	enum im_err (*range_root)(void *ctx, uint64_t lo, uint64_t hi, struct hash *out);
	void *ctx;
	enum im_err (*range_roots)(
	    void *ctx, const struct ahtree_range *ranges, size_t n, struct hash *out);
};

/*
 * ahtree_prove_inclusion: proof that leaf i is in the tree of size j, 1 <= i <= j, nearest sibling
 * first. With i = j it is the last-inclusion proof. Terms come from a.
 * IM_ERR_ARGUMENT, IM_ERR_NOMEM, the reader's errors.
 */
enum im_err ahtree_prove_inclusion(const struct ahtree_reader *tree, uint64_t i, uint64_t j,
    struct arena *a, struct hash_list *out);

/*
 * ahtree_prove_consistency: proof that the tree of size i is a prefix of the one of size j,
 * 1 <= i <= j. Unlike RFC 6962 the first node is there also when i is a power of two.
 */
enum im_err ahtree_prove_consistency(const struct ahtree_reader *tree, uint64_t i, uint64_t j,
    struct arena *a, struct hash_list *out);

/*
 * The checks. True when the proof holds; sizes out of range, a wrong number of terms or anything
 * else that is hostile gives false. leaf is the leaf hash, leaf(payload).
 */
bool ahtree_verify_inclusion(struct hash_list proof, uint64_t i, uint64_t j,
    const struct hash *leaf, const struct hash *root);
bool ahtree_verify_consistency(struct hash_list proof, uint64_t i, uint64_t j,
    const struct hash *root_i, const struct hash *root_j);
bool ahtree_verify_last_inclusion(
    struct hash_list proof, uint64_t j, const struct hash *leaf, const struct hash *root);

/*
 * The ranges whose roots make up a proof, in the order of its terms; returns their number, 0 when
 * not 1 <= i <= j (an inclusion proof in a tree of one leaf has none either). Pure arithmetic, for
 * readers that want to fetch ahead.
 */
size_t ahtree_inclusion_ranges(uint64_t i, uint64_t j, struct ahtree_range ranges[AHTREE_PATH_MAX]);
size_t
ahtree_consistency_ranges(uint64_t i, uint64_t j, struct ahtree_range ranges[AHTREE_PATH_MAX]);

/*
 * For readers that keep the roots of perfect subtrees only: node (level l, index k) is the root
 * over leaves k * 2^l + 1 .. (k + 1) * 2^l.
 */
struct ahtree_node {
	uint32_t level;
	uint64_t index;
};

#define AHTREE_NODES_MAX 64

/*
 * ahtree_range_nodes: the perfect subtrees that make up the aligned range (lo, hi], left to right,
 * sizes falling. Returns their number; 0 when the range is empty or not aligned.
 */
size_t ahtree_range_nodes(uint64_t lo, uint64_t hi, struct ahtree_node nodes[AHTREE_NODES_MAX]);

/* ahtree_fold: R(lo, hi] from the roots of those subtrees in that order; n >= 1. */
void ahtree_fold(const struct hash *roots, size_t n, struct hash *out);

/*
 * The right edge of a growing tree: the roots of the perfect subtrees that make up (0, size], one a
 * set bit of size, kept by level. All that is needed to append and to know the root.
 */
struct ahtree_edge {
	uint64_t size;
	struct hash roots[AHTREE_NODES_MAX]; /* roots[l] is in use when bit l of size is set */
};

/*
 * ahtree_edge_append: adds the leaf hash of leaf size + 1. The subtrees that it completes are
 * levels 0 (the leaf itself) to the returned number minus 1; their roots go to completed, and the
 * one of level l has index (size >> l) - 1 with the new size.
 */
size_t ahtree_edge_append(
    struct ahtree_edge *edge, const struct hash *leaf, struct hash completed[AHTREE_NODES_MAX]);

/* ahtree_edge_root: the root at the edge's size; zero for size 0, as headers have it. */
void ahtree_edge_root(const struct ahtree_edge *edge, struct hash *out);

#endif
