#ifndef STORE_HEADER_CACHE_H
#define STORE_HEADER_CACHE_H

#include <pthread.h>
#include <stdbool.h>

#include "crypto/header.h"

/*
 * Headers of recently written or read transactions. Every proof asks for those around the newest
 * transaction and around the client's trusted state, the same ones again and again. What is in it
 * never changes, because transactions do not. Any thread.
 */
struct header_cache {
	pthread_mutex_t lock;
	struct tx_header *slots; /* HEADER_CACHE_SLOTS, by id; NULL until the first is put */
	uint64_t hits, misses;   /* of header_cache_get() */
};

/* Headers kept for one database, about 60 KiB. */
#define HEADER_CACHE_SLOTS 256u

/* Allocates nothing yet. */
void header_cache_init(struct header_cache *c);

void header_cache_free(struct header_cache *c);

/* Keeps a header in place of another one; without memory it is just not kept. */
void header_cache_put(struct header_cache *c, const struct tx_header *h);

/* Look-ups so far that found something, and that did not. */
void header_cache_counts(struct header_cache *c, uint64_t *hits, uint64_t *misses);

/* The header of that transaction; false when it is not here. */
bool header_cache_get(struct header_cache *c, uint64_t tx, struct tx_header *out);

#endif
