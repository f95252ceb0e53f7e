#ifndef CRYPTO_AHTREE_LOG_H
#define CRYPTO_AHTREE_LOG_H

#include "crypto/ahtree.h"

/*
 * The append-only tree in memory as a flat log of digests, in which the root of every aligned range
 * of every past size is one look-up. Large (12 digests a leaf at a million leaves): for tests,
 * tools and small trees. Not thread-safe.
 *
 * Leaf n appends 1 + popcount(n - 1) digests D: the leaf hash, then for each set bit l of n - 1
 * from low to high h = node(root of the perfect subtree of 2^l leaves that ends at ((n-1) >> l) <<
 * l, h). With base(n) = the number of digests for leaves 1..n-1:
 *
 *	R(lo, hi] = D[base(hi) + popcount(hi - 1 - lo)]
 */
struct ahtree_log {
	struct hash *digests;
	size_t len;
	size_t cap;
	uint64_t size; /* leaves */
};

/* An empty tree. Allocates nothing yet. */
void ahtree_log_init(struct ahtree_log *log);

/* Releases the memory; the tree is empty and usable again. */
void ahtree_log_free(struct ahtree_log *log);

/* Adds leaf(payload) as leaf size + 1. IM_ERR_NOMEM. */
enum im_err ahtree_log_append(struct ahtree_log *log, const struct hash *payload);

/* Goes back to the first size leaves; size must not be larger than the present one. */
void ahtree_log_truncate(struct ahtree_log *log, uint64_t size);

/* The root at a past or present size; zero for size 0. IM_ERR_TX_NOT_FOUND for a larger one. */
enum im_err ahtree_log_root(const struct ahtree_log *log, uint64_t size, struct hash *out);

/* A reader over the log, valid as long as the log is. */
struct ahtree_reader ahtree_log_reader(struct ahtree_log *log);

/* The number of digests for leaves 1..n: n + the set bits of 0..n-1. */
uint64_t ahtree_log_digests(uint64_t n);

#endif
