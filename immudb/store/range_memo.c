/*
 * Roots of ragged ranges in memory, a slot for each of many pairs of ends.
 *
 * Neighbours: tree.c asks here before it folds a range, and puts what it folded.
 * Invariant: a root is only in the slot of its range; a range that ends at 0 marks a free slot.
 */
#include "store/range_memo.h"

void
range_memo_init(struct range_memo *m)
{
	memset(m->slots, 0, sizeof m->slots);
	pthread_mutex_init(&m->lock, NULL);
}

void
range_memo_free(struct range_memo *m)
{
	pthread_mutex_destroy(&m->lock);
}

static struct range_memo_slot *
slot_of(struct range_memo *m, uint64_t lo, uint64_t hi)
{
	uint64_t h = (lo ^ hi << 32 ^ hi >> 32) * 0x9e3779b97f4a7c15u;

	return &m->slots[(h >> 40) % RANGE_MEMO_SLOTS];
}

void
range_memo_put(struct range_memo *m, uint64_t lo, uint64_t hi, const struct hash *root)
{
	struct range_memo_slot *slot = slot_of(m, lo, hi);

	pthread_mutex_lock(&m->lock);
	*slot = (struct range_memo_slot){lo, hi, *root};
	pthread_mutex_unlock(&m->lock);
}

bool
range_memo_get(struct range_memo *m, uint64_t lo, uint64_t hi, struct hash *root)
{
	struct range_memo_slot *slot = slot_of(m, lo, hi);
	bool found;

	pthread_mutex_lock(&m->lock);
	found = slot->lo == lo && slot->hi == hi;
	if (found)
		*root = slot->root;
	pthread_mutex_unlock(&m->lock);
	return found;
}
