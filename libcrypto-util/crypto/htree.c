/*
 * The tree of one transaction, computed level by level in the caller's scratch memory.
 *
 * Neighbours: entry.c makes the digests, header.c carries the root, proof_check.c binds the width
 * of a proof to the header. Invariant of a level: nodes 0..n-1 are in scratch, left to right.
 */
#include "crypto/htree.h"

/* Turns a level of n >= 2 nodes into the next one; returns its length. */
static size_t
level_up(struct hash *level, size_t n)
{
	hash_pairs(level, n / 2, level);
	if (n % 2)
		level[n / 2] = level[n - 1];
	return (n + 1) / 2;
}

void
htree_root(const struct hash *digests, size_t n, struct hash *scratch, struct hash *out)
{
	if (n == 0) {
		*out = hash_empty();
		return;
	}
	hash_leaves(digests, n, scratch);
	while (n > 1)
		n = level_up(scratch, n);
	*out = scratch[0];
}

size_t
htree_proof_len(uint64_t leaf, uint64_t width)
{
	size_t n = 0;

	/* A node that is last and even in its level has no sibling there. */
	for (uint64_t last = width - 1; last > 0; leaf >>= 1, last >>= 1)
		n += leaf % 2 == 1 || leaf != last;
	return n;
}

enum im_err
htree_prove(struct hash_list digests, size_t leaf, struct hash *scratch, struct arena *a,
    struct inclusion_proof *out)
{
	size_t n = digests.len, at = leaf, used = 0;

	if (leaf >= n || n > UINT32_MAX)
		return err_set(IM_ERR_ARGUMENT, "no leaf %zu in a tree of %zu", leaf, n);
	out->leaf = (uint32_t)leaf;
	out->width = (uint32_t)n;
	out->terms.len = htree_proof_len(leaf, n);
	out->terms.items = (struct hash *)arena_calloc(a, out->terms.len, sizeof(struct hash));
	if (!out->terms.items)
		return IM_ERR_NOMEM;
	hash_leaves(digests.items, n, scratch);
	for (; n > 1; n = level_up(scratch, n), at /= 2) {
		if ((at ^ 1) < n)
			out->terms.items[used++] = scratch[at ^ 1];
	}
	return IM_OK;
}

size_t
htree_nodes(size_t n)
{
	size_t sum = n;

	for (; n > 1; n = (n + 1) / 2)
		sum += (n + 1) / 2;
	return sum;
}

void
htree_build(const struct hash *digests, size_t n, struct hash *nodes)
{
	hash_leaves(digests, n, nodes);
	for (; n > 1; n = (n + 1) / 2) {
		hash_pairs(nodes, n / 2, nodes + n);
		if (n % 2)
			nodes[n + n / 2] = nodes[n - 1];
		nodes += n;
	}
}

enum im_err
htree_prove_built(const struct hash *nodes, size_t width, size_t leaf, struct arena *a,
    struct inclusion_proof *out)
{
	size_t n = width, used = 0;

	if (leaf >= n || n > UINT32_MAX)
		return err_set(IM_ERR_ARGUMENT, "no leaf %zu in a tree of %zu", leaf, n);
	out->leaf = (uint32_t)leaf;
	out->width = (uint32_t)n;
	out->terms.len = htree_proof_len(leaf, n);
	out->terms.items = (struct hash *)arena_calloc(a, out->terms.len, sizeof(struct hash));
	if (!out->terms.items)
		return IM_ERR_NOMEM;
	for (; n > 1; nodes += n, n = (n + 1) / 2, leaf /= 2) {
		if ((leaf ^ 1) < n)
			out->terms.items[used++] = nodes[leaf ^ 1];
	}
	return IM_OK;
}

bool
htree_verify(
    const struct inclusion_proof *proof, const struct hash *digest, const struct hash *root)
{
	uint64_t at = proof->leaf, last;
	struct hash h;

	if (at >= proof->width || proof->terms.len != htree_proof_len(at, proof->width))
		return false;
	last = (uint64_t)proof->width - 1;
	hash_leaf(digest, &h);
	for (size_t i = 0; i < proof->terms.len; i++, at >>= 1, last >>= 1) {
		if (at % 2 == 0 && at != last)
			hash_node(&h, &proof->terms.items[i], &h);
		else
			hash_node(&proof->terms.items[i], &h, &h);
	}
	return hash_equal(&h, root);
}
