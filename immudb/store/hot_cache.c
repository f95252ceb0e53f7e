/*
 * Bytes of files kept in memory: a hash table and a ring in each of a few shards.
 *
 * Neighbours: index_get.c keeps blocks of runs here, reading.c entries of the log and trees of
 * transactions.
 *
 * Invariants:
 * 1. An item is in its shard's table and ring, both under the shard's lock; its bytes never change.
 * 2. pins is raised under the lock only, so an item seen without pins under the lock can be freed.
 * 3. bytes is the sum over the items of the shard and never above bytes_max.
 * 4. A bucket's filter has the bits of all items of its chain, so that most look-ups that find
 *    nothing touch no item.
 */
#include "store/hot_cache.h"

#include <stdlib.h>

/* An item that is larger than this part of its shard is not kept. */
#define ITEM_PART_MAX 4u
#define BUCKETS_MIN 16u
/* There is a mark for so many buckets: what is offered again must come before that many others. */
#define MARKS_PART 4u
/* So many items are looked at to make room for one. */
#define LOOKS_MAX 64u

struct hot_item {
	struct hot_item *chain;
	struct hot_item *next, *prev; /* ring */
	struct hot_key key;
	atomic_uint pins;
	bool used; /* since the hand came by */
	size_t len;
	uint8_t data[];
};

struct hot_bucket {
	struct hot_item *first;
	uint32_t filter;
	uint16_t offered; /* mark of what was offered last, in every MARKS_PARTth bucket only */
};

static uint64_t
key_hash(struct hot_key key)
{
	uint64_t h = (key.place ^ (key.file << 40 | key.file >> 24)) * 0x9e3779b97f4a7c15u;

	return (h ^ h >> 32) * 0xd6e8feb86659fd93u;
}

static struct hot_shard *
shard_of(struct hot_cache *c, uint64_t hash)
{
	return &c->shards[hash >> 60 & (HOT_CACHE_SHARDS - 1)];
}

static size_t
item_cost(size_t len)
{
	return sizeof(struct hot_item) + len;
}

void
hot_cache_init(struct hot_cache *c, size_t bytes_max, size_t item_bytes)
{
	*c = (struct hot_cache){.bytes_max = bytes_max / HOT_CACHE_SHARDS, .buckets = BUCKETS_MIN};
	while (c->buckets < c->bytes_max / item_cost(item_bytes))
		c->buckets *= 2;
	for (size_t i = 0; i < HOT_CACHE_SHARDS; i++)
		pthread_mutex_init(&c->shards[i].lock, NULL);
}

static void
shard_free(struct hot_shard *s)
{
	struct hot_item *item = s->hand, *next;

	if (item)
		item->prev->next = NULL;
	for (; item; item = next) {
		next = item->next;
		free(item);
	}
	free(s->table);
	pthread_mutex_destroy(&s->lock);
}

void
hot_cache_free(struct hot_cache *c)
{
	for (size_t i = 0; i < HOT_CACHE_SHARDS; i++)
		shard_free(&c->shards[i]);
}

static uint32_t
filter_bit(uint64_t hash)
{
	return UINT32_C(1) << (hash >> 32 & 31);
}

/* Locked. */
static void
shard_count(struct hot_shard *s, bool found)
{
	s->hits += found;
	s->misses += !found;
}

/* Locked. */
static struct hot_item *
shard_find(const struct hot_cache *c, const struct hot_shard *s, struct hot_key key, uint64_t hash)
{
	const struct hot_bucket *bucket = s->table ? &s->table[hash & (c->buckets - 1)] : NULL;
	struct hot_item *item = bucket && bucket->filter & filter_bit(hash) ? bucket->first : NULL;

	while (item && (item->key.place != key.place || item->key.file != key.file))
		item = item->chain;
	if (item)
		item->used = true;
	return item;
}

bool
hot_cache_copy(struct hot_cache *c, struct hot_key key, void *out, size_t n)
{
	uint64_t hash = key_hash(key);
	struct hot_shard *s = shard_of(c, hash);
	struct hot_item *item;
	bool found;

	pthread_mutex_lock(&s->lock);
	item = shard_find(c, s, key, hash);
	found = item && item->len == n;
	if (found)
		memcpy(out, item->data, n);
	shard_count(s, found);
	pthread_mutex_unlock(&s->lock);
	return found;
}

struct hot_item *
hot_cache_pin(struct hot_cache *c, struct hot_key key)
{
	uint64_t hash = key_hash(key);
	struct hot_shard *s = shard_of(c, hash);
	struct hot_item *item;

	pthread_mutex_lock(&s->lock);
	item = shard_find(c, s, key, hash);
	if (item)
		atomic_fetch_add_explicit(&item->pins, 1, memory_order_relaxed);
	shard_count(s, item != NULL);
	pthread_mutex_unlock(&s->lock);
	return item;
}

void
hot_cache_unpin(struct hot_item *item)
{
	if (item)
		atomic_fetch_sub_explicit(&item->pins, 1, memory_order_release);
}

struct bytes
hot_item_bytes(const struct hot_item *item)
{
	return bytes_of(item->data, item->len);
}

size_t
hot_cache_bytes(struct hot_cache *c)
{
	size_t sum = 0;

	for (size_t i = 0; i < HOT_CACHE_SHARDS; i++) {
		pthread_mutex_lock(&c->shards[i].lock);
		sum += c->shards[i].bytes;
		pthread_mutex_unlock(&c->shards[i].lock);
	}
	return sum;
}

void
hot_cache_counts(struct hot_cache *c, uint64_t *hits, uint64_t *misses)
{
	*hits = *misses = 0;
	for (size_t i = 0; i < HOT_CACHE_SHARDS; i++) {
		pthread_mutex_lock(&c->shards[i].lock);
		*hits += c->shards[i].hits;
		*misses += c->shards[i].misses;
		pthread_mutex_unlock(&c->shards[i].lock);
	}
}

/* ---- Keeping ---- */

static void
ring_add(struct hot_shard *s, struct hot_item *item)
{
	struct hot_item *at = s->hand;

	if (!at) {
		item->next = item->prev = s->hand = item;
		return;
	}
	item->next = at;
	item->prev = at->prev;
	at->prev->next = item;
	at->prev = item;
}

static void
shard_drop(const struct hot_cache *c, struct hot_shard *s, struct hot_item *item)
{
	struct hot_bucket *bucket = &s->table[key_hash(item->key) & (c->buckets - 1)];
	struct hot_item **at = &bucket->first;

	while (*at != item)
		at = &(*at)->chain;
	*at = item->chain;
	bucket->filter = 0;
	for (const struct hot_item *other = bucket->first; other; other = other->chain)
		bucket->filter |= filter_bit(key_hash(other->key));
	s->hand = item->next == item ? NULL : item->next;
	item->prev->next = item->next;
	item->next->prev = item->prev;
	s->bytes -= item_cost(item->len);
	free(item);
}

/* Locked. False when what is there is in use. */
static bool
shard_make_room(const struct hot_cache *c, struct hot_shard *s, size_t cost)
{
	for (unsigned looks = 0; s->bytes + cost > c->bytes_max; looks++) {
		struct hot_item *item = s->hand;

		if (!item || looks == LOOKS_MAX)
			return false;
		if (!item->used && atomic_load_explicit(&item->pins, memory_order_acquire) == 0) {
			shard_drop(c, s, item);
			continue;
		}
		item->used = false;
		s->hand = item->next;
	}
	return true;
}

/* Locked. Whether the same was offered a while ago; now it was. */
static bool
offered_before(const struct hot_cache *c, struct hot_shard *s, uint64_t hash)
{
	uint16_t *mark = &s->table[hash & (c->buckets / MARKS_PART - 1)].offered;
	uint16_t now = (uint16_t)(hash >> 40 | 1);
	bool before = *mark == now;

	*mark = now;
	return before;
}

/* Locked. Puts a copy into the table; without memory it does not. */
static void
shard_keep(const struct hot_cache *c, struct hot_shard *s, struct hot_key key, struct bytes data)
{
	struct hot_item *item = (struct hot_item *)malloc(item_cost(data.len));
	uint64_t hash = key_hash(key);
	struct hot_bucket *bucket = &s->table[hash & (c->buckets - 1)];

	if (!item)
		return;
	item->key = key;
	item->pins = 0;
	item->used = false;
	item->len = data.len;
	memcpy(item->data, data.data, data.len);
	item->chain = bucket->first;
	bucket->first = item;
	bucket->filter |= filter_bit(hash);
	ring_add(s, item);
	s->bytes += item_cost(data.len);
}

void
hot_cache_offer(struct hot_cache *c, struct hot_key key, struct bytes data)
{
	uint64_t hash = key_hash(key);
	struct hot_shard *s = shard_of(c, hash);
	size_t cost = item_cost(data.len);

	if (cost > c->bytes_max / ITEM_PART_MAX)
		return;
	pthread_mutex_lock(&s->lock);
	if (!s->table)
		s->table = (struct hot_bucket *)calloc(c->buckets, sizeof *s->table);
	if (s->table && offered_before(c, s, hash) && !shard_find(c, s, key, hash) &&
	    shard_make_room(c, s, cost))
		shard_keep(c, s, key, data);
	pthread_mutex_unlock(&s->lock);
}
