/*
 * The memtable: a skip list whose nodes live in blocks that are freed together.
 *
 * Neighbours: index.c owns the tables and tells one writer at a time; index_cursor.c walks them;
 * index_maintain.c writes a frozen one out.
 *
 * Invariants:
 * 1. A node is complete before it is linked (release), and a reader follows links with acquire.
 * 2. On each level nodes are in the order of the index; level 0 has all of them.
 * 3. node->prev is a node (or the head) before it, and everything between the two was linked after
 *    the reader's transaction was published, so a reader never misses what it may see.
 * 4. The hint beside a link is the key prefix of the node it leads to. Only the writer reads or
 *    writes hints: they save it the visit to most of the nodes that it does not go to.
 * 5. Keys are inserted in groups: first all are searched for at once, so that the memory accesses
 *    of one search overlap with those of others, then all are linked, in the order given. A place
 *    that was found is still before the key then, so that one moves on from it.
 * 6. After memtable_reserve() insertion allocates nothing.
 */
#include "store/memtable.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "store/bloom.h"
#include "store/index_key.h"

#define HEIGHT_MAX 12
#define BLOCK_BYTES_MIN (16u * 1024)
#define BLOCK_BYTES_MAX (4u * 1024 * 1024)
/* From this size on a block comes straight from the system: its untouched pages cost nothing. */
#define MAP_BYTES_MIN (128u * 1024)
#define HUGE_PAGE_BYTES (2u * 1024 * 1024)
#define NODE_ALIGN 8u
/* So many searches go on at once: enough to hide the latency of memory. */
#define SEARCHES 32u

struct memtable_link {
	_Atomic(struct memtable_node *) next;
	uint64_t hint;
};

/* Followed by `height` links, and those by the key, filled up with zeros to a multiple of 8. */
struct memtable_node {
	_Atomic(struct memtable_node *) prev;
	uint64_t tx;
	uint64_t pos;
	int64_t expires_at;
	uint32_t len;
	uint32_t ordinal;
	uint16_t key_len;
	uint8_t flags;
	uint8_t height;
	struct memtable_link links[];
};

/* At the start of each block of memory. */
struct memtable_block {
	struct memtable_block *next;
	size_t size;
	bool mapped;
};

/* A key that a place is searched for. */
struct sought {
	uint64_t prefix;
	struct bytes key;
};

struct memtable {
	atomic_uint refs;
	struct bloom filter;
	struct memtable_block *filter_block;
	_Atomic(struct memtable_node *) last;
	_Atomic size_t count;
	_Atomic size_t bytes;
	/* The writer's. */
	struct memtable_block *blocks; /* newest first; the first one is filled at present */
	struct memtable_block *spare;  /* what memtable_reserve() put aside */
	uint8_t *free;
	size_t left;
	size_t block_bytes; /* of the next block */
	uint64_t pos_min;
	uint64_t random;
	unsigned height;            /* levels in use */
	struct memtable_node *head; /* before all others; it has no key */
};

static uint8_t *
pages_map(size_t size)
{
	int protection = PROT_READ | PROT_WRITE;
	void *p = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : (uint8_t *)p;
}

/* Huge pages: a search goes all over the table, and a TLB has few entries. */
static uint8_t *
huge_pages_map(size_t size)
{
	uint8_t *p = pages_map(size + HUGE_PAGE_BYTES);
	size_t before;

	if (!p)
		return NULL;
	before = -(uintptr_t)p % HUGE_PAGE_BYTES;
	if (before > 0)
		munmap(p, before);
	munmap(p + before + size, HUGE_PAGE_BYTES - before);
	madvise(p + before, size, MADV_HUGEPAGE);
	return p + before;
}

/* A zeroed block of size bytes or more, its header included. */
static struct memtable_block *
block_create(size_t size)
{
	bool mapped = size >= MAP_BYTES_MIN;
	void *p;

	if (size >= HUGE_PAGE_BYTES) {
		size = (size + HUGE_PAGE_BYTES - 1) & ~(size_t)(HUGE_PAGE_BYTES - 1);
		p = huge_pages_map(size);
	} else {
		p = mapped ? pages_map(size) : (uint8_t *)calloc(1, size);
	}
	if (p)
		*(struct memtable_block *)p =
		    (struct memtable_block){.size = size, .mapped = mapped};
	return (struct memtable_block *)p;
}

static void
block_free(struct memtable_block *b)
{
	if (b && b->mapped)
		munmap(b, b->size);
	else
		free(b);
}

static size_t
node_size(unsigned height, size_t key_len)
{
	size_t padded = key_len < NODE_ALIGN ? NODE_ALIGN : key_len;

	padded = (padded + NODE_ALIGN - 1) & ~(size_t)(NODE_ALIGN - 1);
	return sizeof(struct memtable_node) + height * sizeof(struct memtable_link) + padded;
}

static struct bytes
node_key(const struct memtable_node *node)
{
	return bytes_of(&node->links[node->height], node->key_len);
}

static enum im_err
filter_create(struct memtable *t, size_t expected_entries)
{
	uint64_t lines = bloom_lines(expected_entries);
	uintptr_t start;

	t->filter_block =
	    block_create(sizeof *t->filter_block + (size_t)(lines + 1) * BLOOM_LINE_BYTES);
	if (!t->filter_block)
		return IM_ERR_NOMEM;
	start = (uintptr_t)(t->filter_block + 1);
	start = (start + BLOOM_LINE_BYTES - 1) & ~(uintptr_t)(BLOOM_LINE_BYTES - 1);
	t->filter = (struct bloom){(uint8_t *)start, lines};
	t->bytes += t->filter_block->size;
	return IM_OK;
}

enum im_err
memtable_create(size_t expected_entries, struct memtable **out)
{
	struct memtable *t = (struct memtable *)calloc(1, sizeof *t);

	*out = NULL;
	if (!t)
		return IM_ERR_NOMEM;
	t->refs = 1;
	t->block_bytes = BLOCK_BYTES_MIN;
	t->random = 0x2545f4914f6cdd1du;
	t->pos_min = UINT64_MAX;
	t->height = 1;
	t->head = (struct memtable_node *)calloc(1, node_size(HEIGHT_MAX, 0));
	if (!t->head || filter_create(t, expected_entries) != IM_OK) {
		memtable_unref(t);
		return IM_ERR_NOMEM;
	}
	t->head->height = HEIGHT_MAX;
	*out = t;
	return IM_OK;
}

void
memtable_ref(struct memtable *t)
{
	atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
}

void
memtable_unref(struct memtable *t)
{
	struct memtable_block *b, *next;

	if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (b = t->blocks; b; b = next) {
		next = b->next;
		block_free(b);
	}
	block_free(t->spare);
	block_free(t->filter_block);
	free(t->head);
	free(t);
}

enum im_err
memtable_reserve(struct memtable *t, size_t n, size_t key_bytes)
{
	size_t need, size;

	/* A key takes at most its own length and its filling; heights are not drawn yet. */
	if (__builtin_mul_overflow(n, node_size(HEIGHT_MAX, 0) + NODE_ALIGN, &need) ||
	    __builtin_add_overflow(need, key_bytes, &need))
		return IM_ERR_NOMEM;
	if (need <= t->left || (t->spare && need <= t->spare->size - sizeof(struct memtable_block)))
		return IM_OK;
	size = need + sizeof(struct memtable_block);
	if (size < t->block_bytes)
		size = t->block_bytes;
	block_free(t->spare);
	t->spare = block_create(size);
	if (!t->spare)
		return IM_ERR_NOMEM;
	if (t->block_bytes < BLOCK_BYTES_MAX)
		t->block_bytes *= 2;
	return IM_OK;
}

/* The next block is filled from here on; there is one, by invariant 6. */
static void
block_begin(struct memtable *t)
{
	struct memtable_block *b = t->spare;

	assert(b != NULL);
	t->spare = NULL;
	b->next = t->blocks;
	t->blocks = b;
	t->free = (uint8_t *)(b + 1);
	t->left = b->size - sizeof *b;
	atomic_fetch_add_explicit(&t->bytes, b->size, memory_order_relaxed);
}

/* Each level has a quarter of the nodes of the one below. */
static unsigned
height_draw(struct memtable *t)
{
	unsigned height;

	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	height = 1 + (unsigned)__builtin_ctzll(t->random | 1ull << 62) / 2;
	return height < HEIGHT_MAX ? height : HEIGHT_MAX;
}

static struct memtable_node *
node_create(struct memtable *t, const struct index_entry *e)
{
	unsigned height = height_draw(t);
	size_t size = node_size(height, e->key.len);
	struct memtable_node *node;

	if (size > t->left)
		block_begin(t);
	node = (struct memtable_node *)(void *)t->free;
	t->free += size;
	t->left -= size;
	node->tx = e->tx;
	node->pos = e->pos;
	node->expires_at = e->flags & INDEX_EXPIRES ? e->expires_at : 0;
	node->len = e->len;
	node->key_len = (uint16_t)e->key.len;
	node->flags = e->flags;
	node->height = (uint8_t)height;
	memcpy(&node->links[height], e->key.data, e->key.len);
	return node;
}

static struct memtable_node *
link_load(const struct memtable_node *node, unsigned level, memory_order order)
{
	return atomic_load_explicit(&node->links[level].next, order);
}

/* Whether the node that follows on this level, which the hint belongs to, is before the item. */
static bool
link_below(const struct memtable_node *next, uint64_t hint, const struct sought *item)
{
	if (hint != item->prefix)
		return hint < item->prefix;
	return bytes_compare(node_key(next), item->key) < 0;
}

/* One search among several. */
struct search {
	struct memtable_node *node;
	unsigned level;
	bool tied; /* the following node's key must be looked at, and was prefetched */
	bool found;
	struct memtable_node *before[HEIGHT_MAX]; /* the last node before the item, per level */
};

/*
 * Goes on until the search needs memory that is not in the cache, asks for that, and returns:
 * another search goes on meanwhile.
 */
static void
search_step(struct search *s, const struct sought *item)
{
	for (;;) {
		struct memtable_node *next = link_load(s->node, s->level, memory_order_relaxed);
		uint64_t hint = s->node->links[s->level].hint;

		if (next && hint == item->prefix && !s->tied) {
			s->tied = true;
			__builtin_prefetch(&next->links[1]);
			return;
		}
		s->tied = false;
		if (next && link_below(next, hint, item)) {
			s->node = next;
			__builtin_prefetch(&next->links[s->level]);
			return;
		}
		s->before[s->level] = s->node;
		if (s->level-- == 0) {
			s->found = true;
			return;
		}
	}
}

/* Finds where n items go, all searches at once. */
static void
group_search(
    const struct memtable *t, struct search *searches, const struct sought *items, size_t n)
{
	size_t open = n;

	for (size_t i = 0; i < n; i++) {
		searches[i].node = t->head;
		searches[i].level = t->height - 1;
		searches[i].tied = searches[i].found = false;
		for (unsigned level = t->height; level < HEIGHT_MAX; level++)
			searches[i].before[level] = t->head;
	}
	while (open > 0) {
		for (size_t i = 0; i < n; i++) {
			if (searches[i].found)
				continue;
			search_step(&searches[i], &items[i]);
			open -= searches[i].found;
		}
	}
}

/* Moves on from a place found earlier, behind what was inserted there since. */
static struct memtable_node *
place_update(struct memtable_node *node, unsigned level, const struct sought *item)
{
	struct memtable_node *next;

	while ((next = link_load(node, level, memory_order_relaxed)) != NULL &&
	    link_below(next, node->links[level].hint, item))
		node = next;
	return node;
}

/* Links a node where the search led to, lowest level first. */
static void
node_link(
    struct memtable *t, struct memtable_node *node, struct search *s, const struct sought *item)
{
	struct memtable_node *before = place_update(s->before[0], 0, item);
	struct memtable_node *next = link_load(before, 0, memory_order_relaxed);

	node->ordinal = 1;
	if (next && before->links[0].hint == item->prefix &&
	    bytes_equal(node_key(next), item->key)) {
		assert(next->tx < node->tx);
		node->ordinal = next->ordinal + 1;
	}
	atomic_store_explicit(&node->prev, before, memory_order_relaxed);
	for (unsigned level = 0; level < node->height; level++) {
		struct memtable_link *link;

		if (level > 0)
			before = place_update(s->before[level], level, item);
		link = &before->links[level];
		atomic_store_explicit(&node->links[level].next,
		    atomic_load_explicit(&link->next, memory_order_relaxed), memory_order_relaxed);
		node->links[level].hint = link->hint;
		link->hint = item->prefix;
		atomic_store_explicit(&link->next, node, memory_order_release);
	}
	if (node->height > t->height)
		t->height = node->height;
	atomic_store_explicit(next ? &next->prev : &t->last, node, memory_order_release);
}

static void
group_insert(struct memtable *t, const struct index_entry *entries, size_t n)
{
	struct search searches[SEARCHES];
	struct sought items[SEARCHES];
	uint64_t hashes[SEARCHES];

	for (size_t i = 0; i < n; i++) {
		items[i] = (struct sought){index_key_prefix(entries[i].key), entries[i].key};
		hashes[i] = bloom_hash(entries[i].key);
		bloom_prefetch(&t->filter, hashes[i]);
	}
	group_search(t, searches, items, n);
	for (size_t i = 0; i < n; i++) {
		const struct index_entry *e = &entries[i];

		bloom_add(&t->filter, hashes[i]);
		node_link(t, node_create(t, e), &searches[i], &items[i]);
		if (e->pos < t->pos_min)
			t->pos_min = e->pos;
	}
}

enum im_err
memtable_insert(struct memtable *t, const struct index_entry *entries, size_t n)
{
	size_t key_bytes = 0;

	for (size_t i = 0; i < n; i++) {
		assert(entries[i].key.len > 0 && entries[i].key.len <= INDEX_KEY_MAX);
		assert(entries[i].tx > 0);
		key_bytes += entries[i].key.len;
	}
	if (memtable_reserve(t, n, key_bytes) != IM_OK)
		return IM_ERR_NOMEM;
	for (size_t i = 0; i < n; i += SEARCHES)
		group_insert(t, entries + i, n - i < SEARCHES ? n - i : SEARCHES);
	atomic_fetch_add_explicit(&t->count, n, memory_order_relaxed);
	return IM_OK;
}

size_t
memtable_count(const struct memtable *t)
{
	return atomic_load_explicit(&t->count, memory_order_relaxed);
}

size_t
memtable_bytes(const struct memtable *t)
{
	return atomic_load_explicit(&t->bytes, memory_order_relaxed);
}

uint64_t
memtable_pos_min(const struct memtable *t)
{
	return t->pos_min;
}

bool
memtable_may_have(const struct memtable *t, uint64_t hash)
{
	return bloom_may_have(&t->filter, hash);
}

/*
 * The last node before a place (the head if none); *behind is the node that was seen to follow it.
 */
static const struct memtable_node *
place_find(
    const struct memtable *t, struct bytes key, uint64_t tx, const struct memtable_node **behind)
{
	const struct memtable_node *node = t->head, *next = NULL;

	for (unsigned level = HEIGHT_MAX; level-- > 0;) {
		for (;;) {
			next = link_load(node, level, memory_order_acquire);
			if (!next || index_place_compare(node_key(next), next->tx, key, tx) >= 0)
				break;
			node = next;
		}
	}
	*behind = next;
	return node;
}

const struct memtable_node *
memtable_seek(const struct memtable *t, struct bytes key, uint64_t tx)
{
	const struct memtable_node *behind;

	place_find(t, key, tx, &behind);
	return behind;
}

const struct memtable_node *
memtable_seek_before(const struct memtable *t, struct bytes key, uint64_t tx)
{
	const struct memtable_node *behind, *node = place_find(t, key, tx, &behind);

	return node == t->head ? NULL : node;
}

const struct memtable_node *
memtable_first(const struct memtable *t)
{
	return memtable_next(t->head);
}

const struct memtable_node *
memtable_last(const struct memtable *t)
{
	return atomic_load_explicit(&t->last, memory_order_acquire);
}

const struct memtable_node *
memtable_next(const struct memtable_node *node)
{
	return link_load(node, 0, memory_order_acquire);
}

const struct memtable_node *
memtable_prev(const struct memtable *t, const struct memtable_node *node)
{
	const struct memtable_node *prev = atomic_load_explicit(&node->prev, memory_order_acquire);

	return prev == t->head ? NULL : prev;
}

void
memtable_entry(const struct memtable_node *node, struct index_entry *out)
{
	*out = (struct index_entry){
	    .key = node_key(node),
	    .tx = node->tx,
	    .pos = node->pos,
	    .len = node->len,
	    .flags = node->flags,
	    .expires_at = node->expires_at,
	    .revision = node->ordinal,
	};
}
