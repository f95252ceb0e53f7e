/*
 * Cursors over runs.
 *
 * Neighbours: index_cursor.c makes one kind of cursor of these and of memtable nodes; merge.c reads
 * whole runs through a window.
 *
 * Invariants:
 * 1. When valid, entries holds group `group` of block `block`, decoded up to `at` or further, with
 *    whole keys: it stays good when `data` is read over by another block.
 * 2. view holds block `loaded`, in data, the window or pinned memory.
 */
#include "store/run_cursor.h"

#include "store/index_key.h"

void
run_cursor_init(struct run_cursor *c, struct run *run, uint8_t *window)
{
	/* The buffers at the end need no clearing. */
	memset(c, 0, offsetof(struct run_cursor, entries));
	c->run = run;
	c->loaded = run->blocks;
	c->window = window;
}

/* Fills the window from block i on. */
static enum im_err
window_fill(struct run_cursor *c, uint64_t i)
{
	const struct run *r = c->run;
	uint64_t left = r->offsets[r->blocks] - r->offsets[i];
	enum im_err err;

	c->window_offset = r->offsets[i];
	c->window_len = 0;
	left = left < RUN_WINDOW_BYTES ? left : RUN_WINDOW_BYTES;
	err = vfs_read(&r->file, c->window, (size_t)left, c->window_offset);
	if (err == IM_ERR_CORRUPT)
		return run_damage(c->run, i, "the file ends too early");
	if (err == IM_OK)
		c->window_len = (size_t)left;
	return err;
}

/* Takes block i out of the window, without copying. */
static enum im_err
window_load(struct run_cursor *c, uint64_t i)
{
	const struct run *r = c->run;
	uint64_t from = r->offsets[i], to = r->offsets[i + 1];
	enum im_err err = IM_OK;

	if (from < c->window_offset || to > c->window_offset + c->window_len)
		err = window_fill(c, i);
	if (err != IM_OK)
		return err;
	if (!run_block_open(&c->view,
		bytes_of(c->window + (from - c->window_offset), (size_t)(to - from)), from))
		return run_damage(c->run, i, "damaged block");
	return IM_OK;
}

void
run_cursor_release(struct run_cursor *c)
{
	hot_cache_unpin(c->pinned);
	c->pinned = NULL;
	c->loaded = c->run->blocks;
	c->valid = false;
}

/* From memory if the block was read often, and offered to it if not. */
static enum im_err
hot_load(struct run_cursor *c, uint64_t i)
{
	const struct run *r = c->run;
	const struct hot_key key = {r->id.number, i};
	enum im_err err;

	hot_cache_unpin(c->pinned);
	c->pinned = hot_cache_pin(c->hot, key);
	if (c->pinned)
		return run_block_view(&c->view, hot_item_bytes(c->pinned))
		    ? IM_OK
		    : run_damage(c->run, i, "damaged block");
	err = run_read_block(c->run, i, c->nowait, c->data, &c->view);
	if (err == IM_OK)
		hot_cache_offer(
		    c->hot, key, bytes_of(c->data, (size_t)(r->offsets[i + 1] - r->offsets[i])));
	return err;
}

static enum im_err
load(struct run_cursor *c, uint64_t i)
{
	enum im_err err;

	if (c->loaded == i)
		return IM_OK;
	c->loaded = c->run->blocks;
	if (c->hot)
		err = hot_load(c, i);
	else if (c->window)
		err = window_load(c, i);
	else
		err = run_read_block(c->run, i, c->nowait, c->data, &c->view);
	if (err == IM_OK)
		c->loaded = i;
	return err;
}

static enum im_err
malformed(struct run_cursor *c)
{
	c->valid = false;
	return run_damage(c->run, c->block, "malformed block");
}

/* Stands on the first entry of a group of the loaded block. */
static enum im_err
group_first(struct run_cursor *c, unsigned group)
{
	c->block = c->loaded;
	c->groups = c->view.groups;
	c->group = group;
	c->at = 0;
	if (!run_group_begin(&c->entries, &c->view, group) ||
	    !run_group_decode(&c->entries, &c->run->base))
		return malformed(c);
	c->valid = true;
	return IM_OK;
}

/* Stands on the last entry of a group of the loaded block. */
static enum im_err
group_last(struct run_cursor *c, unsigned group)
{
	enum im_err err = group_first(c, group);

	if (err != IM_OK)
		return err;
	while (run_group_more(&c->entries)) {
		if (!run_group_decode(&c->entries, &c->run->base))
			return malformed(c);
	}
	c->at = c->entries.count - 1;
	return IM_OK;
}

enum im_err
run_cursor_block(struct run_cursor *c, uint64_t i)
{
	enum im_err err;

	c->valid = false;
	err = load(c, i);
	return err == IM_OK ? group_first(c, 0) : err;
}

enum im_err
run_cursor_first(struct run_cursor *c)
{
	return run_cursor_block(c, 0);
}

enum im_err
run_cursor_last(struct run_cursor *c)
{
	enum im_err err;

	c->valid = false;
	err = load(c, c->run->blocks - 1);
	return err == IM_OK ? group_last(c, c->view.groups - 1) : err;
}

/* The next entry of the group was not decoded yet; its bytes must be in data. */
static enum im_err
decode_next(struct run_cursor *c)
{
	enum im_err err;

	/* Another block was read over this one's bytes: a step across its end failed. */
	if (c->loaded != c->block) {
		unsigned at = c->at;

		err = load(c, c->block);
		if (err == IM_OK)
			err = group_first(c, c->group);
		while (err == IM_OK && c->at < at)
			err = decode_next(c);
		if (err != IM_OK)
			return err;
	}
	if (!run_group_decode(&c->entries, &c->run->base))
		return malformed(c);
	c->at++;
	return IM_OK;
}

enum im_err
run_cursor_next(struct run_cursor *c)
{
	enum im_err err;

	if (c->at + 1 < c->entries.count) {
		c->at++;
		return IM_OK;
	}
	if (run_group_more(&c->entries))
		return decode_next(c);
	if (c->group + 1 < c->groups) {
		err = load(c, c->block);
		return err == IM_OK ? group_first(c, c->group + 1) : err;
	}
	if (c->block + 1 == c->run->blocks) {
		c->valid = false;
		return IM_OK;
	}
	err = load(c, c->block + 1);
	return err == IM_OK ? group_first(c, 0) : err;
}

enum im_err
run_cursor_prev(struct run_cursor *c)
{
	enum im_err err;

	if (c->at > 0) {
		c->at--;
		return IM_OK;
	}
	if (c->group > 0) {
		err = load(c, c->block);
		return err == IM_OK ? group_last(c, c->group - 1) : err;
	}
	if (c->block == 0) {
		c->valid = false;
		return IM_OK;
	}
	err = load(c, c->block - 1);
	return err == IM_OK ? group_last(c, c->view.groups - 1) : err;
}

/*
 * Stands on the last group of the loaded block whose first entry is before the place, or group 0.
 */
static enum im_err
group_find(struct run_cursor *c, struct bytes key, uint64_t tx)
{
	unsigned low = 0, high = c->view.groups;

	while (high - low > 1) {
		unsigned middle = low + (high - low) / 2;
		enum im_err err = group_first(c, middle);
		const struct index_entry *e = &c->entries.entries[0];

		if (err != IM_OK)
			return err;
		if (index_place_compare(e->key, e->tx, key, tx) < 0)
			low = middle;
		else
			high = middle;
	}
	return c->valid && c->block == c->loaded && c->group == low ? IM_OK : group_first(c, low);
}

enum im_err
run_cursor_seek(struct run_cursor *c, struct bytes key, uint64_t tx)
{
	enum im_err err;

	c->valid = false;
	if (bytes_compare(key, c->run->last_key) > 0)
		return IM_OK;
	err = load(c, run_find_block(c->run, key, tx));
	if (err == IM_OK)
		err = group_find(c, key, tx);
	while (err == IM_OK && c->valid) {
		const struct index_entry *e = run_cursor_entry(c);

		if (index_place_compare(e->key, e->tx, key, tx) >= 0)
			return IM_OK;
		err = run_cursor_next(c);
	}
	if (err != IM_OK)
		c->valid = false;
	return err;
}

enum im_err
run_cursor_seek_before(struct run_cursor *c, struct bytes key, uint64_t tx)
{
	enum im_err err;

	c->valid = false;
	if (bytes_compare(key, c->run->first_key) < 0)
		return IM_OK;
	err = run_cursor_seek(c, key, tx);
	if (err != IM_OK)
		return err;
	if (!c->valid)
		return run_cursor_last(c);
	err = run_cursor_prev(c);
	if (err != IM_OK)
		c->valid = false;
	return err;
}

/*
 * The last block that begins with a version of key whose ordinal is not below; *i is a lower bound.
 */
static enum im_err
ordinal_block(struct run_cursor *c, struct bytes key, uint64_t ordinal, uint64_t *i)
{
	uint64_t high = run_find_block(c->run, key, INDEX_TX_NONE) + 1;

	while (high - *i > 1) {
		uint64_t middle = *i + (high - *i) / 2;
		enum im_err err = run_cursor_block(c, middle);
		const struct index_entry *e = run_cursor_entry(c);

		if (err != IM_OK)
			return err;
		if (bytes_equal(e->key, key) && e->revision >= ordinal)
			*i = middle;
		else
			high = middle;
	}
	return IM_OK;
}

enum im_err
run_cursor_seek_ordinal(struct run_cursor *c, struct bytes key, uint64_t ordinal)
{
	uint64_t first = run_find_block(c->run, key, INDEX_TX_NEWEST), block = first;
	const struct index_entry *e;
	enum im_err err = ordinal_block(c, key, ordinal, &block);

	if (err == IM_OK)
		err = block == first ? run_cursor_seek(c, key, INDEX_TX_NEWEST)
				     : run_cursor_block(c, block);
	while (err == IM_OK && (e = run_cursor_entry(c)) != NULL && bytes_equal(e->key, key) &&
	    e->revision >= ordinal) {
		if (e->revision == ordinal)
			return IM_OK;
		err = run_cursor_next(c);
	}
	c->valid = false;
	return err != IM_OK ? err : run_damage(c->run, block, "a version is missing");
}
