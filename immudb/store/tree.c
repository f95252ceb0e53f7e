/*
 * The hash tree on disk: tiles of 256 leaves, and tiles over their roots.
 *
 * Neighbours: crypto/ahtree has the arithmetic and makes proofs through tree_range_root(); pageset
 * keeps the tiles, slots the unfinished right edge; the committer appends, the maintenance thread
 * syncs, proofs read.
 *
 * A node (l, k) is the root of the perfect subtree of leaves k * 2^l + 1 .. (k + 1) * 2^l. It is
 * kept in tile level l / 8, height l % 8. The root of a tile is also the leaf of a tile one level
 * up.
 *
 * Invariants:
 *  1. A tile is on disk only when all its nodes are final; it is never changed after that.
 *  2. The tail of level v is in memory when the number of its leaves, (size >> 8v) mod 256, is not
 *  0.
 *  3. Nodes are filled before size is published with release, and readers acquire size first.
 *  4. tree_sync(): full tiles are durable before the right edge that needs them is written, and an
 *     edge replaces the older of the two last ones. So each size that ever was durable, and is not
 *     larger than what the log has, can be opened until a newer one is durable.
 */
#include "store/tree.h"

#include <assert.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/pageset.h"
#include "store/range_memo.h"
#include "store/slots.h"

#define TILE_HEIGHT 8
#define TILE_LEAVES (1u << TILE_HEIGHT)
#define TILE_NODES (2 * TILE_LEAVES - 1)
#define TILE_BYTES 16384u
/* Nodes follow the page header and padding. */
#define TILE_NODES_OFFSET (TILE_BYTES - TILE_NODES * HASH_SIZE)
/* "tre" and "trt", version 1. */
#define TILE_STAMP 0x74726501u
#define EDGE_MAGIC 0x74727401u

#define LEVELS PAGESET_LEVELS_MAX
/* The size, and up to 255 leaves of each level's tail. */
#define EDGE_BYTES_MAX (8 + (size_t)LEVELS * (TILE_LEAVES - 1) * HASH_SIZE)

struct tree {
	struct tree_options options;
	struct pageset *tiles;
	struct slots edge_file; /* the maintainer's */
	bool edge_behind;       /* while opening: a tail was in a full tile, not in the edge file */
	_Atomic uint64_t size;
	_Atomic uint64_t repairs;
	struct range_memo memo; /* of ragged ranges */
	/* The writer's. */
	struct ahtree_edge edge;
	struct page *tails[LEVELS];
};

/* Leaves of the unfinished tile of a level. */
static unsigned
tail_leaves(uint64_t size, unsigned level)
{
	return (unsigned)(size >> (TILE_HEIGHT * level)) & (TILE_LEAVES - 1);
}

/* Full tiles of a level, which is the index of the unfinished one. */
static uint64_t
full_tiles(uint64_t size, unsigned level)
{
	unsigned shift = TILE_HEIGHT * (level + 1);

	return shift >= 64 ? 0 : size >> shift;
}

/* Nodes of a tile from the root down, each height from the left. */
static size_t
node_offset(unsigned height, uint64_t position)
{
	size_t first = (1u << (TILE_HEIGHT - height)) - 1;

	return TILE_NODES_OFFSET + (first + (size_t)position) * HASH_SIZE;
}

static void
tile_set(struct page *tile, unsigned height, uint64_t position, const struct hash *h)
{
	memcpy(tile->data + node_offset(height, position), h, HASH_SIZE);
}

/* Where node (l, k) is. */
static struct page_part
node_part(struct ahtree_node node, struct hash *out)
{
	unsigned height = node.level % TILE_HEIGHT;
	unsigned above = TILE_HEIGHT - height;

	return (struct page_part){
	    .level = (uint8_t)(node.level / TILE_HEIGHT),
	    .index = node.index >> above,
	    .offset = node_offset(height, node.index & ((1u << above) - 1)),
	    .n = HASH_SIZE,
	    .out = out,
	};
}

/* ---- Writing ---- */

/* Tiles of all levels, unfinished ones included. */
static uint64_t
all_tiles(uint64_t size)
{
	uint64_t n = 0;

	for (unsigned level = 0; level < LEVELS; level++)
		n += full_tiles(size, level) + (tail_leaves(size, level) > 0);
	return n;
}

enum im_err
tree_reserve(struct tree *t, size_t leaves)
{
	uint64_t size = t->edge.size;

	return pageset_reserve(t->tiles, (size_t)(all_tiles(size + leaves) - all_tiles(size)));
}

/*
 * Puts node (l, index) of a completed subtree into its tile, and a tile's root into that tile too.
 */
static void
put_node(struct tree *t, unsigned l, uint64_t index, const struct hash *h)
{
	unsigned level = l / TILE_HEIGHT, height = l % TILE_HEIGHT;
	uint64_t tile = index >> (TILE_HEIGHT - height);

	if (height == 0 && level > 0)
		tile_set(t->tails[level - 1], TILE_HEIGHT, 0, h);
	if (!t->tails[level])
		t->tails[level] = pageset_start(t->tiles, (uint8_t)level, tile);
	tile_set(t->tails[level], height, index & ((1u << (TILE_HEIGHT - height)) - 1), h);
}

static void
finish_full_tiles(struct tree *t, uint64_t size)
{
	for (unsigned level = 0; level < LEVELS && tail_leaves(size, level) == 0; level++) {
		pageset_finish(t->tiles, t->tails[level]);
		t->tails[level] = NULL;
	}
}

void
tree_append(struct tree *t, const struct hash *alh)
{
	struct hash leaf, completed[AHTREE_NODES_MAX];
	uint64_t size = t->edge.size + 1;
	size_t n;

	hash_leaf(alh, &leaf);
	n = ahtree_edge_append(&t->edge, &leaf, completed);
	for (unsigned l = 0; l < n; l++)
		put_node(t, l, (size >> l) - 1, &completed[l]);
	finish_full_tiles(t, size);
	atomic_store_explicit(&t->size, size, memory_order_release);
}

void
tree_edge_root(const struct tree *t, struct hash *out)
{
	ahtree_edge_root(&t->edge, out);
}

uint64_t
tree_size(const struct tree *t)
{
	return atomic_load_explicit(&t->size, memory_order_acquire);
}

/* ---- Reading ---- */

static void
fill_inner_nodes(struct hash nodes[TILE_NODES])
{
	for (unsigned height = 1; height <= TILE_HEIGHT; height++) {
		unsigned n = 1u << (TILE_HEIGHT - height);

		hash_pairs(nodes + 2 * n - 1, n, nodes + n - 1);
	}
}

static enum im_err read_parts(struct tree *t, const struct page_part *parts, size_t n, bool nowait);

/* The leaves of a full tile from what they are made of: Alhs, or roots of the tiles below. */
static enum im_err
remake_leaves(struct tree *t, uint8_t level, uint64_t index, struct hash leaves[TILE_LEAVES])
{
	enum im_err err = IM_OK;

	for (unsigned i = 0; err == IM_OK && i < TILE_LEAVES; i++) {
		uint64_t at = index * TILE_LEAVES + i;
		struct page_part root = {.level = (uint8_t)(level - 1),
		    .index = at,
		    .offset = node_offset(TILE_HEIGHT, 0),
		    .n = HASH_SIZE,
		    .out = &leaves[i]};

		if (level == 0)
			err = t->options.alh(t->options.alh_ctx, at + 1, &leaves[i]);
		else
			err = read_parts(t, &root, 1, false);
	}
	if (err == IM_OK && level == 0)
		hash_leaves(leaves, TILE_LEAVES, leaves);
	return err;
}

/* Makes a damaged full tile anew; it is written by the next sync. */
static enum im_err
repair_tile(struct tree *t, uint8_t level, uint64_t index)
{
	uint8_t *data = calloc(1, TILE_BYTES - PAGE_HEADER);
	struct hash *nodes;
	enum im_err err;

	if (!data)
		return IM_ERR_NOMEM;
	nodes = (struct hash *)(data + TILE_NODES_OFFSET - PAGE_HEADER);
	err = remake_leaves(t, level, index, nodes + TILE_LEAVES - 1);
	if (err == IM_OK) {
		fill_inner_nodes(nodes);
		err = pageset_replace(t->tiles, level, index, data);
	}
	if (err == IM_OK)
		atomic_fetch_add_explicit(&t->repairs, 1, memory_order_relaxed);
	free(data);
	return err;
}

static enum im_err
read_parts(struct tree *t, const struct page_part *parts, size_t n, bool nowait)
{
	size_t done;
	enum im_err err = pageset_read(t->tiles, parts, n, nowait, &done);

	while (err == IM_ERR_CORRUPT && t->options.alh) {
		if (nowait)
			return IM_ERR_WOULD_BLOCK;
		if (t->options.damaged)
			t->options.damaged(t->options.alh_ctx, err_detail(err));
		err = repair_tile(t, parts[done].level, parts[done].index);
		if (err != IM_OK)
			break;
		parts += done;
		n -= done;
		err = pageset_read(t->tiles, parts, n, nowait, &done);
	}
	return err;
}

/* Folds a ragged range; those that end there too and are within it are made on the way. */
static enum im_err
fold_range(struct tree *t, struct ahtree_range range, bool nowait, struct hash *out)
{
	struct ahtree_node nodes[AHTREE_NODES_MAX];
	struct page_part parts[AHTREE_NODES_MAX];
	struct hash roots[AHTREE_NODES_MAX];
	size_t n = ahtree_range_nodes(range.lo, range.hi, nodes);
	enum im_err err;

	for (size_t i = 0; i < n; i++)
		parts[i] = node_part(nodes[i], &roots[i]);
	err = read_parts(t, parts, n, nowait);
	if (err != IM_OK)
		return err;
	*out = roots[n - 1];
	for (size_t i = n - 1; i > 0; i--) {
		hash_node(&roots[i - 1], out, out);
		range_memo_put(&t->memo, nodes[i - 1].index << nodes[i - 1].level, range.hi, out);
	}
	return IM_OK;
}

/* Parts that are still to be read, each for one root. */
struct wanted {
	struct page_part parts[AHTREE_PATH_MAX];
	size_t n;
};

/* The root of a range at once if it is ragged; one that is a node is added to what is wanted. */
static enum im_err
range_start(
    struct tree *t, struct ahtree_range range, bool nowait, struct wanted *wanted, struct hash *out)
{
	struct ahtree_node nodes[AHTREE_NODES_MAX];
	size_t n = range.hi > tree_size(t) ? 0 : ahtree_range_nodes(range.lo, range.hi, nodes);

	if (n == 0)
		return err_set(IM_ERR_ARGUMENT, "no tree range (%llu, %llu]",
		    (unsigned long long)range.lo, (unsigned long long)range.hi);
	if (n == 1) {
		wanted->parts[wanted->n++] = node_part(nodes[0], out);
		return IM_OK;
	}
	if (range_memo_get(&t->memo, range.lo, range.hi, out))
		return IM_OK;
	return fold_range(t, range, nowait, out);
}

enum im_err
tree_range_roots(
    struct tree *t, const struct ahtree_range *ranges, size_t n, bool nowait, struct hash *out)
{
	struct wanted wanted = {.n = 0};
	enum im_err err = IM_OK;

	assert(n <= AHTREE_PATH_MAX);
	/*
	 * The last ones of a proof are the longest, and hold the others that end at the same edge.
	 */
	for (size_t i = n; err == IM_OK && i > 0; i--)
		err = range_start(t, ranges[i - 1], nowait, &wanted, &out[i - 1]);
	return err == IM_OK ? read_parts(t, wanted.parts, wanted.n, nowait) : err;
}

enum im_err
tree_range_root(struct tree *t, uint64_t lo, uint64_t hi, bool nowait, struct hash *out)
{
	const struct ahtree_range range = {lo, hi};

	return tree_range_roots(t, &range, 1, nowait, out);
}

enum im_err
tree_root(struct tree *t, uint64_t n, bool nowait, struct hash *out)
{
	if (n > 0)
		return tree_range_root(t, 0, n, nowait, out);
	*out = HASH_ZERO;
	return IM_OK;
}

static enum im_err
view_range_root(void *ctx, uint64_t lo, uint64_t hi, struct hash *out)
{
	const struct tree_view *view = ctx;

	if (hi > view->size)
		return IM_ERR_TX_NOT_FOUND;
	return tree_range_root(view->tree, lo, hi, view->nowait, out);
}

static enum im_err
view_range_roots(void *ctx, const struct ahtree_range *ranges, size_t n, struct hash *out)
{
	const struct tree_view *view = ctx;

	for (size_t i = 0; i < n; i++) {
		if (ranges[i].hi > view->size)
			return IM_ERR_TX_NOT_FOUND;
	}
	return tree_range_roots(view->tree, ranges, n, view->nowait, out);
}

struct ahtree_reader
tree_view_reader(struct tree_view *view)
{
	return (struct ahtree_reader){view_range_root, view, view_range_roots};
}

static enum im_err
check_tile(struct tree *t, uint8_t level, uint64_t index, struct page_seen *out)
{
	uint8_t root[HASH_SIZE];
	struct page_part part = {level, index, node_offset(TILE_HEIGHT, 0), sizeof root, root};
	size_t done;
	enum im_err err = pageset_check_file(t->tiles, level, index, out);

	if (err != IM_ERR_CORRUPT)
		return err;
	/* Memory may have it still: then it waits to be written again. */
	err = pageset_read(t->tiles, &part, 1, false, &done);
	return err == IM_ERR_CORRUPT && t->options.alh ? repair_tile(t, level, index) : err;
}

enum im_err
tree_check_files(
    struct tree *t, uint64_t leaf, bool within, struct page_seen tiles[TREE_HOLDING_MAX], size_t *n)
{
	uint64_t size = tree_size(t), at = leaf - 1;
	enum im_err err = IM_OK;

	*n = 0;
	for (uint8_t level = 0; err == IM_OK && level < LEVELS; level++) {
		uint64_t full = full_tiles(size, level);
		unsigned shift = TILE_HEIGHT * (level + 1u);

		/* Without full tiles the shift may be out of range. */
		if (full == 0 || at >> shift >= full || (!within && at >> shift << shift != at))
			break;
		err = check_tile(t, level, at >> shift, &tiles[*n]);
		++*n;
	}
	return err;
}

uint64_t
tree_repairs(const struct tree *t)
{
	return atomic_load_explicit(&t->repairs, memory_order_relaxed);
}

/* ---- The right edge on disk ---- */

/* Reads the leaves of every unfinished tile at that size, level after level. */
static enum im_err
write_edge(struct tree *t, uint64_t size)
{
	uint8_t *state = malloc(EDGE_BYTES_MAX), *p;
	enum im_err err = IM_OK;

	if (!state)
		return IM_ERR_NOMEM;
	be64_put(state, size);
	p = state + 8;
	for (unsigned level = 0; err == IM_OK && level < LEVELS; level++) {
		struct page_part leaves = {.level = (uint8_t)level,
		    .index = full_tiles(size, level),
		    .offset = node_offset(0, 0),
		    .n = tail_leaves(size, level) * HASH_SIZE,
		    .out = p};

		if (leaves.n > 0)
			err = read_parts(t, &leaves, 1, false);
		p += leaves.n;
	}
	if (err == IM_OK)
		err = slots_write(&t->edge_file, bytes_of(state, (size_t)(p - state)));
	free(state);
	return err;
}

enum im_err
tree_sync(struct tree *t, uint64_t *size)
{
	uint64_t now = tree_size(t);
	enum im_err err = pageset_sync(t->tiles);

	if (err == IM_OK)
		err = write_edge(t, now);
	if (err == IM_OK)
		*size = now;
	return err;
}

bool
tree_has_waiting(struct tree *t)
{
	return pageset_has_waiting(t->tiles);
}

/*
 * Finds in a stored edge the leaves of a level's tail at the size being opened, which is not larger
 * than the size stored. NULL when they are in a full tile.
 */
static const uint8_t *
edge_leaves(struct bytes edge, unsigned level, uint64_t size)
{
	uint64_t stored = be64_get(edge.data);
	const uint8_t *p = edge.data + 8;

	if (full_tiles(stored, level) != full_tiles(size, level))
		return NULL;
	for (unsigned below = 0; below < level; below++)
		p += tail_leaves(stored, below) * HASH_SIZE;
	return p;
}

/* Whether the bytes are an edge from which that size can be opened. */
static bool
edge_covers(struct bytes edge, uint64_t size)
{
	uint64_t stored;
	size_t n = 8;

	if (edge.len < 8)
		return false;
	stored = be64_get(edge.data);
	for (unsigned level = 0; level < LEVELS; level++)
		n += tail_leaves(stored, level) * HASH_SIZE;
	return stored >= size && edge.len == n;
}

static enum im_err
read_edge(struct tree *t, uint64_t size, struct buf *out)
{
	for (int age = 0; age < 2; age++) {
		enum im_err err = slots_read(&t->edge_file, age, out);

		if (err == IM_OK && edge_covers(buf_bytes(out), size))
			return IM_OK;
		if (err != IM_OK && err != IM_ERR_NOT_FOUND)
			return err;
	}
	return err_set(IM_ERR_CORRUPT, "%s/%s.tail: no right edge at size %llu", t->options.dir,
	    t->options.name, (unsigned long long)size);
}

/* ---- Opening ---- */

/* Brings the unfinished tile of a level into memory, with the nodes that are final. */
static enum im_err
load_tail(struct tree *t, unsigned level, uint64_t size, struct bytes edge)
{
	unsigned n = tail_leaves(size, level);
	const uint8_t *leaves = edge_leaves(edge, level, size);
	struct page *tail;
	struct hash *nodes;

	if (!leaves) {
		t->edge_behind = true;
		return pageset_reopen(
		    t->tiles, (uint8_t)level, full_tiles(size, level), &t->tails[level]);
	}
	tail = pageset_start(t->tiles, (uint8_t)level, full_tiles(size, level));
	nodes = (struct hash *)(tail->data + TILE_NODES_OFFSET);
	memcpy(nodes + TILE_LEAVES - 1, leaves, n * HASH_SIZE);
	for (unsigned height = 1; n >> height > 0; height++) {
		unsigned width = 1u << (TILE_HEIGHT - height);

		hash_pairs(nodes + 2 * width - 1, n >> height, nodes + width - 1);
	}
	t->tails[level] = tail;
	return IM_OK;
}

/* The right edge in memory from the nodes of the tails. */
static enum im_err
load_edge_roots(struct tree *t, uint64_t size)
{
	struct ahtree_node nodes[AHTREE_NODES_MAX];
	size_t done, n = ahtree_range_nodes(0, size, nodes);
	enum im_err err = IM_OK;

	for (size_t i = 0; err == IM_OK && i < n; i++) {
		struct page_part part = node_part(nodes[i], &t->edge.roots[nodes[i].level]);

		err = pageset_read(t->tiles, &part, 1, false, &done);
	}
	t->edge.size = size;
	atomic_store_explicit(&t->size, size, memory_order_release);
	return err;
}

static enum im_err
load_size(struct tree *t, uint64_t size)
{
	struct buf edge;
	size_t tails = 0;
	enum im_err err = IM_OK;

	buf_init(&edge, EDGE_BYTES_MAX);
	for (unsigned level = 0; err == IM_OK && level < LEVELS; level++) {
		tails += tail_leaves(size, level) > 0;
		err = pageset_check_length(t->tiles, (uint8_t)level, full_tiles(size, level));
	}
	if (err == IM_OK)
		err = read_edge(t, size, &edge);
	if (err == IM_OK)
		err = pageset_reserve(t->tiles, tails);
	for (unsigned level = 0; err == IM_OK && level < LEVELS; level++) {
		if (tail_leaves(size, level) > 0)
			err = load_tail(t, level, size, buf_bytes(&edge));
	}
	if (err == IM_OK)
		err = load_edge_roots(t, size);
	/* The tile taken back will be written over, so this size must no longer need it. */
	if (err == IM_OK && t->edge_behind)
		err = write_edge(t, size);
	buf_free(&edge);
	return err == IM_ERR_NO_SPACE ? IM_OK : err;
}

static enum im_err
open_files(struct tree *t)
{
	char tail_name[NAME_MAX + 1];
	struct pageset_options tiles = {
	    .vfs = t->options.vfs,
	    .dir = t->options.dir,
	    .name = t->options.name,
	    .stamp = TILE_STAMP,
	    .levels = LEVELS,
	    .page_bytes = TILE_BYTES,
	    .cache_max = TREE_CACHE_TILES_MAX,
	    .waiting_max = TREE_WAITING_TILES_MAX,
	};
	struct slots_options edge = {
	    .vfs = t->options.vfs,
	    .dir = t->options.dir,
	    .name = tail_name,
	    .magic = EDGE_MAGIC,
	    .payload_max = EDGE_BYTES_MAX,
	};
	enum im_err err;

	snprintf(tail_name, sizeof tail_name, "%s.tail", t->options.name);
	err = slots_open(&t->edge_file, &edge);
	return err == IM_OK ? pageset_open(&tiles, &t->tiles) : err;
}

enum im_err
tree_open(const struct tree_options *options, uint64_t size, struct tree **out)
{
	struct tree *t = calloc(1, sizeof *t);
	enum im_err err;

	*out = NULL;
	if (!t)
		return IM_ERR_NOMEM;
	t->options = *options;
	t->edge_file = SLOTS_CLOSED;
	range_memo_init(&t->memo);
	err = open_files(t);
	if (err == IM_OK && size > 0)
		err = load_size(t, size);
	if (err == IM_OK)
		*out = t;
	else
		tree_close(t);
	return err;
}

void
tree_close(struct tree *t)
{
	if (!t)
		return;
	pageset_close(t->tiles);
	slots_close(&t->edge_file);
	range_memo_free(&t->memo);
	free(t);
}

enum im_err
tree_disk_bytes(struct tree *t, uint64_t *bytes)
{
	enum im_err err = pageset_disk_bytes(t->tiles, bytes);

	*bytes += slots_disk_bytes(&t->edge_file);
	return err;
}
