/*
 * The append-only tree in memory, as a flat log of digests.
 *
 * Invariant: digests[0 .. len) are those of leaves 1 .. size, len == ahtree_log_digests(size).
 */
#include "crypto/ahtree_log.h"

#include <assert.h>
#include <stdlib.h>

#define LOG_MIN_CAP 256

void
ahtree_log_init(struct ahtree_log *log)
{
	*log = (struct ahtree_log){0};
}

void
ahtree_log_free(struct ahtree_log *log)
{
	free(log->digests);
	ahtree_log_init(log);
}

uint64_t
ahtree_log_digests(uint64_t n)
{
	uint64_t total = n;

	for (unsigned l = 0; l < 64 && UINT64_C(1) << l <= n; l++) {
		total += n >> 1 >> l << l;
		if (n >> l & 1)
			total += n & ((UINT64_C(1) << l) - 1);
	}
	return total;
}

static const struct hash *
log_range_root(const struct ahtree_log *log, uint64_t lo, uint64_t hi)
{
	uint64_t base = ahtree_log_digests(hi - 1);

	return &log->digests[base + (uint64_t)__builtin_popcountll(hi - 1 - lo)];
}

/* Room for the digests of one more leaf. */
static enum im_err
log_reserve(struct ahtree_log *log)
{
	size_t cap = log->cap ? log->cap * 2 : LOG_MIN_CAP;
	struct hash *digests;

	if (log->cap - log->len > AHTREE_NODES_MAX)
		return IM_OK;
	digests = (struct hash *)reallocarray(log->digests, cap, sizeof *digests);
	if (!digests)
		return IM_ERR_NOMEM;
	log->digests = digests;
	log->cap = cap;
	return IM_OK;
}

enum im_err
ahtree_log_append(struct ahtree_log *log, const struct hash *payload)
{
	uint64_t before = log->size; /* of leaf n = size + 1: n - 1 */
	struct hash h;

	if (log_reserve(log) != IM_OK)
		return IM_ERR_NOMEM;
	hash_leaf(payload, &h);
	log->digests[log->len++] = h;
	for (unsigned l = 0; l < 64 && before >> l > 0; l++) {
		uint64_t end = before >> l << l;

		if (!(before >> l & 1))
			continue;
		hash_node(log_range_root(log, end - (UINT64_C(1) << l), end), &h, &h);
		log->digests[log->len++] = h;
	}
	log->size++;
	return IM_OK;
}

void
ahtree_log_truncate(struct ahtree_log *log, uint64_t size)
{
	assert(size <= log->size);
	log->size = size;
	log->len = ahtree_log_digests(size);
}

enum im_err
ahtree_log_root(const struct ahtree_log *log, uint64_t size, struct hash *out)
{
	if (size > log->size)
		return IM_ERR_TX_NOT_FOUND;
	*out = size == 0 ? HASH_ZERO : *log_range_root(log, 0, size);
	return IM_OK;
}

static enum im_err
log_read(void *ctx, uint64_t lo, uint64_t hi, struct hash *out)
{
	const struct ahtree_log *log = (const struct ahtree_log *)ctx;
	struct ahtree_node nodes[AHTREE_NODES_MAX];

	if (hi > log->size)
		return IM_ERR_TX_NOT_FOUND;
	if (ahtree_range_nodes(lo, hi, nodes) == 0)
		return err_set(IM_ERR_ARGUMENT, "not an aligned range of leaves");
	*out = *log_range_root(log, lo, hi);
	return IM_OK;
}

struct ahtree_reader
ahtree_log_reader(struct ahtree_log *log)
{
	return (struct ahtree_reader){.range_root = log_read, .ctx = log};
}
