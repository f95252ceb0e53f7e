/*
 * The append-only tree: which ranges a proof is made of, fetching them, and checking proofs.
 *
 * Neighbours: readers (ahtree_log.c, the store's tree file) hold the hashes; proof_make.c puts tree
 * proofs into dual proofs. Maker and checker share the range arithmetic, so that a checker knows
 * the exact number of terms a proof must have.
 *
 * A proof walks from the root of (0, j] down: at each range of more than one leaf it splits at lo +
 * the largest power of two below the length, takes the side where leaf i is, and notes the other.
 */
#include "crypto/ahtree.h"

#include <assert.h>

/* The largest power of two below n, for n >= 2. */
static uint64_t
power_below(uint64_t n)
{
	return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

/*
 * Narrows range towards leaf i by one step and returns the side that was left out. Ranges longer
 * than one leaf only.
 */
static struct ahtree_range
range_descend(struct ahtree_range *range, uint64_t i)
{
	uint64_t split = range->lo + power_below(range->hi - range->lo);
	struct ahtree_range other;

	if (i <= split) {
		other = (struct ahtree_range){split, range->hi};
		range->hi = split;
	} else {
		other = (struct ahtree_range){range->lo, split};
		range->lo = split;
	}
	return other;
}

static void
ranges_reverse(struct ahtree_range *ranges, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct ahtree_range r = ranges[i];

		ranges[i] = ranges[n - 1 - i];
		ranges[n - 1 - i] = r;
	}
}

size_t
ahtree_inclusion_ranges(uint64_t i, uint64_t j, struct ahtree_range ranges[AHTREE_PATH_MAX])
{
	struct ahtree_range at = {0, j};
	size_t n = 0;

	if (i == 0 || i > j)
		return 0;
	while (at.hi - at.lo > 1)
		ranges[n++] = range_descend(&at, i);
	ranges_reverse(ranges, n);
	return n;
}

size_t
ahtree_consistency_ranges(uint64_t i, uint64_t j, struct ahtree_range ranges[AHTREE_PATH_MAX])
{
	struct ahtree_range at = {0, j};
	size_t n = 0;

	if (i == 0 || i > j)
		return 0;
	if (i == j) {
		if (j == 1)
			return 0;
		/* A tree with itself: the two halves of the root, right one first. */
		ranges[1] = range_descend(&at, j);
		ranges[0] = at;
		return 2;
	}
	while (at.hi != i)
		ranges[n++] = range_descend(&at, i);
	ranges[n++] = at;
	ranges_reverse(ranges, n);
	return n;
}

static enum im_err
ranges_fetch(const struct ahtree_reader *tree, struct arena *a, const struct ahtree_range *ranges,
    struct hash_list *list)
{
	list->items = (struct hash *)arena_calloc(a, list->len, sizeof(struct hash));
	if (!list->items)
		return IM_ERR_NOMEM;
	if (tree->range_roots)
		return tree->range_roots(tree->ctx, ranges, list->len, list->items);
	for (size_t n = 0; n < list->len; n++) {
		enum im_err err =
		    tree->range_root(tree->ctx, ranges[n].lo, ranges[n].hi, &list->items[n]);

		if (err != IM_OK)
			return err;
	}
	return IM_OK;
}

enum im_err
ahtree_prove_inclusion(const struct ahtree_reader *tree, uint64_t i, uint64_t j, struct arena *a,
    struct hash_list *out)
{
	struct ahtree_range ranges[AHTREE_PATH_MAX];

	if (i == 0 || i > j)
		return err_set(IM_ERR_ARGUMENT, "inclusion proof out of range");
	out->len = ahtree_inclusion_ranges(i, j, ranges);
	return ranges_fetch(tree, a, ranges, out);
}

enum im_err
ahtree_prove_consistency(const struct ahtree_reader *tree, uint64_t i, uint64_t j, struct arena *a,
    struct hash_list *out)
{
	struct ahtree_range ranges[AHTREE_PATH_MAX];

	if (i == 0 || i > j)
		return err_set(IM_ERR_ARGUMENT, "consistency proof out of range");
	out->len = ahtree_consistency_ranges(i, j, ranges);
	return ranges_fetch(tree, a, ranges, out);
}

bool
ahtree_verify_inclusion(struct hash_list proof, uint64_t i, uint64_t j, const struct hash *leaf,
    const struct hash *root)
{
	struct ahtree_range ranges[AHTREE_PATH_MAX];
	struct hash h = *leaf;
	uint64_t at = i - 1, last = j - 1;

	if (i == 0 || i > j || proof.len != ahtree_inclusion_ranges(i, j, ranges))
		return false;
	for (size_t n = 0; n < proof.len; n++, at >>= 1, last >>= 1) {
		if (at % 2 == 0 && at != last)
			hash_node(&h, &proof.items[n], &h);
		else
			hash_node(&proof.items[n], &h, &h);
	}
	return hash_equal(&h, root);
}

bool
ahtree_verify_last_inclusion(
    struct hash_list proof, uint64_t j, const struct hash *leaf, const struct hash *root)
{
	/* Leaf and size are equal, so that every term is taken as a left sibling. */
	return ahtree_verify_inclusion(proof, j, j, leaf, root);
}

bool
ahtree_verify_consistency(struct hash_list proof, uint64_t i, uint64_t j, const struct hash *root_i,
    const struct hash *root_j)
{
	struct ahtree_range ranges[AHTREE_PATH_MAX];
	struct hash hi, hj;
	uint64_t f = i - 1, s = j - 1;

	if (i == 0 || i > j || proof.len != ahtree_consistency_ranges(i, j, ranges))
		return false;
	if (proof.len == 0)
		return hash_equal(root_i, root_j);
	for (; f % 2 == 1; f >>= 1)
		s >>= 1;
	hi = hj = proof.items[0];
	for (size_t n = 1; n < proof.len; n++, f >>= 1, s >>= 1) {
		const struct hash *term = &proof.items[n];

		if (f % 2 == 0 && f != s) {
			hash_node(&hj, term, &hj);
			continue;
		}
		hash_node(term, &hi, &hi);
		hash_node(term, &hj, &hj);
		for (; f % 2 == 0 && f != 0; f >>= 1)
			s >>= 1;
	}
	return hash_equal(&hi, root_i) && hash_equal(&hj, root_j);
}

size_t
ahtree_range_nodes(uint64_t lo, uint64_t hi, struct ahtree_node nodes[AHTREE_NODES_MAX])
{
	uint64_t left = hi - lo;
	size_t n = 0;

	if (lo >= hi)
		return 0;
	/* Aligned: lo is a multiple of the smallest power of two that is not below the length. */
	if (left > 1 && lo & (power_below(left) * 2 - 1))
		return 0;
	for (; left > 0; n++) {
		unsigned level = 63 - (unsigned)__builtin_clzll(left);

		nodes[n] = (struct ahtree_node){level, lo >> level};
		lo += UINT64_C(1) << level;
		left -= UINT64_C(1) << level;
	}
	return n;
}

void
ahtree_fold(const struct hash *roots, size_t n, struct hash *out)
{
	struct hash h;

	assert(n > 0);
	h = roots[n - 1];
	for (size_t i = n - 1; i > 0; i--)
		hash_node(&roots[i - 1], &h, &h);
	*out = h;
}

size_t
ahtree_edge_append(
    struct ahtree_edge *edge, const struct hash *leaf, struct hash completed[AHTREE_NODES_MAX])
{
	struct hash h = *leaf;
	size_t level = 0;

	for (; edge->size >> level & 1; level++) {
		completed[level] = h;
		hash_node(&edge->roots[level], &h, &h);
	}
	completed[level] = h;
	edge->roots[level] = h;
	edge->size++;
	return level + 1;
}

void
ahtree_edge_root(const struct ahtree_edge *edge, struct hash *out)
{
	struct hash roots[AHTREE_NODES_MAX];
	size_t n = 0;

	for (unsigned level = AHTREE_NODES_MAX; level-- > 0;) {
		if (edge->size >> level & 1)
			roots[n++] = edge->roots[level];
	}
	if (n == 0)
		*out = HASH_ZERO;
	else
		ahtree_fold(roots, n, out);
}
