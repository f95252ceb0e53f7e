/*
 * Headers in memory, a slot for each of the last ids.
 *
 * Neighbours: commit.c puts what it writes, reading.c what it reads; reading.c asks first here.
 * Invariant: a header is only in the slot of its id; an id of 0 marks a free one.
 */
#include "store/header_cache.h"

#include <stdlib.h>

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

void
header_cache_put(struct header_cache *c, const struct tx_header *h)
{
	pthread_mutex_lock(&c->lock);
	if (!c->slots)
		c->slots = (struct tx_header *)calloc(HEADER_CACHE_SLOTS, sizeof *c->slots);
	if (c->slots)
		c->slots[h->id % HEADER_CACHE_SLOTS] = *h;
	pthread_mutex_unlock(&c->lock);
}

bool
header_cache_get(struct header_cache *c, uint64_t tx, struct tx_header *out)
{
	bool found = false;

	pthread_mutex_lock(&c->lock);
	if (c->slots && tx > 0 && c->slots[tx % HEADER_CACHE_SLOTS].id == tx) {
		*out = c->slots[tx % HEADER_CACHE_SLOTS];
		found = true;
	}
	c->hits += found;
	c->misses += !found;
	pthread_mutex_unlock(&c->lock);
	return found;
}

void
header_cache_counts(struct header_cache *c, uint64_t *hits, uint64_t *misses)
{
	pthread_mutex_lock(&c->lock);
	*hits = c->hits;
	*misses = c->misses;
	pthread_mutex_unlock(&c->lock);
}
