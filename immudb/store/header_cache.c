/*
 * Headers in memory, a slot for each of the last ids.
 *
 * Neighbours: commit.c puts what it writes, reading.c what it reads; reading.c asks first here.
 * Invariant: a header is only in the slot of its id; an id of 0 marks a free one.
 */
#include "store/header_cache.h"

#include <stdlib.h>

struct header_slot {
	struct tx_header header;
	struct hash alh;
	bool has_alh;
};

void
header_cache_init(struct header_cache *c)
{
	pthread_mutex_init(&c->lock, NULL);
	c->slots = NULL;
}

void
header_cache_free(struct header_cache *c)
{
	free(c->slots);
	pthread_mutex_destroy(&c->lock);
}

/* Locked. The slot that has this header, or NULL. */
static struct header_slot *
slot_find(const struct header_cache *c, uint64_t tx)
{
	struct header_slot *slot = c->slots ? &c->slots[tx % HEADER_CACHE_SLOTS] : NULL;

	return slot && tx > 0 && slot->header.id == tx ? slot : NULL;
}

void
header_cache_put(struct header_cache *c, const struct tx_header *h)
{
	pthread_mutex_lock(&c->lock);
	if (!c->slots)
		c->slots = (struct header_slot *)calloc(HEADER_CACHE_SLOTS, sizeof *c->slots);
	if (c->slots) {
		c->slots[h->id % HEADER_CACHE_SLOTS].header = *h;
		c->slots[h->id % HEADER_CACHE_SLOTS].has_alh = false;
	}
	pthread_mutex_unlock(&c->lock);
}

bool
header_cache_get(struct header_cache *c, uint64_t tx, struct tx_header *out)
{
	const struct header_slot *slot;

	pthread_mutex_lock(&c->lock);
	slot = slot_find(c, tx);
	if (slot)
		*out = slot->header;
	pthread_mutex_unlock(&c->lock);
	return slot != NULL;
}

bool
header_cache_alh(struct header_cache *c, uint64_t tx, struct hash *out)
{
	struct header_slot *slot;

	pthread_mutex_lock(&c->lock);
	slot = slot_find(c, tx);
	if (slot && !slot->has_alh) {
		tx_header_alh(&slot->header, &slot->alh);
		slot->has_alh = true;
	}
	if (slot)
		*out = slot->alh;
	pthread_mutex_unlock(&c->lock);
	return slot != NULL;
}
