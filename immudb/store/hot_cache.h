#ifndef STORE_HOT_CACHE_H
#define STORE_HOT_CACHE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/bytes.h"

/*
 * Bytes of files that are read again and again, kept in memory after they were checked, so that a
 * hot read makes no system call. Bounded in bytes; empty it takes next to no memory. What a place
 * holds must never change. Something is only kept when it was offered twice within a while, so that
 * a walk over everything pushes nothing out and costs no copies.
 *
 * Threads: everything but init and free from any.
 */
#define HOT_CACHE_SHARDS 16u

struct hot_item;
struct hot_bucket;

/* Where bytes come from: a file or the like, and a place in it. */
struct hot_key {
	uint64_t file;
	uint64_t place;
};

struct hot_shard {
	pthread_mutex_t lock;
	struct hot_bucket *table; /* NULL until something is offered */
	struct hot_item *hand;    /* a ring of all items; the next one to be looked at */
	size_t bytes;
	uint64_t hits, misses;
};

struct hot_cache {
	size_t bytes_max; /* of one shard, what an item costs included */
	size_t buckets;   /* of one shard, a power of two */
	struct hot_shard shards[HOT_CACHE_SHARDS];
};

/* bytes_max in all; item_bytes is what an item typically has. */
void hot_cache_init(struct hot_cache *c, size_t bytes_max, size_t item_bytes);

/* Nothing may be pinned any more. */
void hot_cache_free(struct hot_cache *c);

/* Copies what is kept under the key if it has exactly n bytes; false when there is nothing. */
bool hot_cache_copy(struct hot_cache *c, struct hot_key key, void *out, size_t n);

/*
 * What is kept under the key, NULL when there is nothing. The bytes stay until hot_cache_unpin(),
 * which takes NULL, too.
 */
struct hot_item *hot_cache_pin(struct hot_cache *c, struct hot_key key);
void hot_cache_unpin(struct hot_item *item);
struct bytes hot_item_bytes(const struct hot_item *item);

/* Memory in use for what is kept. */
size_t hot_cache_bytes(struct hot_cache *c);

/* Look-ups so far that found something, and that did not. */
void hot_cache_counts(struct hot_cache *c, uint64_t *hits, uint64_t *misses);

/* Offers bytes, which were checked; they are copied if they are kept. Without memory nothing is. */
void hot_cache_offer(struct hot_cache *c, struct hot_key key, struct bytes data);

#endif
