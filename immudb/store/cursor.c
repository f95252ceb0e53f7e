/*
 * Walks over keys and over the versions of one key.
 *
 * Neighbours: index.c gives the entries in order, reading.c their values.
 * Invariants: a cursor sees the transactions published when it was opened; an entry is left behind
 * only when it was handed out, was hidden, or is damaged.
 */
#include <stdlib.h>

#include "crypto/rawkey.h"
#include "store/engine.h"

struct store_cursor {
	struct store *s;
	struct index_iter *iter;
	unsigned flags;
	bool pending; /* entry was read from the index and not yet handed out */
	struct index_entry entry;
	struct engine_ahead *ahead; /* NULL until the first value is read, or without memory */
};

static enum im_err
cursor_new(struct store *s, uint64_t as_of, unsigned flags, struct store_cursor **out)
{
	uint64_t published = atomic_load_explicit(&s->published, memory_order_acquire);
	struct store_cursor *c;

	if (as_of > published)
		return err_set(IM_ERR_TX_NOT_FOUND, "tx not found");
	c = (struct store_cursor *)calloc(1, sizeof *c);
	if (!c)
		return IM_ERR_NOMEM;
	c->s = s;
	c->flags = flags;
	c->entry.tx = as_of ? as_of : published; /* the snapshot, until there is an entry */
	*out = c;
	return IM_OK;
}

/* The index form of a bound, in place; bounds that are no whole keys stay as they are. */
static struct bytes
bound_of(struct bytes raw, uint8_t key[RAW_KEY_MAX])
{
	if (raw.len == 0)
		return raw;
	memcpy(key, raw.data, raw.len);
	raw_key_to_index(key, raw.len);
	return bytes_of(key, raw.len);
}

enum im_err
store_scan(struct store *s, const struct store_range *range, struct store_cursor **out)
{
	uint8_t seek[RAW_KEY_MAX], end[RAW_KEY_MAX];
	struct index_range r = {.prefix = range->prefix,
	    .seek_inclusive = range->seek_inclusive,
	    .end_inclusive = range->end_inclusive,
	    .descending = range->desc,
	    .read = {.nowait = range->flags & STORE_NOWAIT}};
	struct store_cursor *c;
	enum im_err err;

	if (range->prefix.len > RAW_KEY_MAX || range->seek.len > RAW_KEY_MAX ||
	    range->end.len > RAW_KEY_MAX)
		return IM_ERR_KEY_LENGTH;
	err = cursor_new(s, range->as_of, range->flags, &c);
	if (err != IM_OK)
		return err;
	r.read.as_of = c->entry.tx;
	r.seek = bound_of(range->seek, seek);
	r.end = bound_of(range->end, end);
	err = index_scan(s->index, &r, &c->iter);
	if (err != IM_OK) {
		free(c);
		return err;
	}
	*out = c;
	return IM_OK;
}

enum im_err
store_history(struct store *s, const struct store_versions *versions, struct store_cursor **out)
{
	uint8_t key[RAW_KEY_MAX];
	struct index_history h = {.skip = versions->skip,
	    .descending = versions->desc,
	    .read = {.nowait = versions->flags & STORE_NOWAIT}};
	struct store_cursor *c;
	enum im_err err;

	if (versions->key.len == 0 || versions->key.len > RAW_KEY_MAX)
		return versions->key.len ? IM_ERR_KEY_LENGTH : IM_ERR_ARGUMENT;
	err = cursor_new(s, versions->as_of, versions->flags | STORE_WITH_HIDDEN, &c);
	if (err != IM_OK)
		return err;
	h.read.as_of = c->entry.tx;
	h.key = bound_of(versions->key, key);
	err = index_versions(s->index, &h, &c->iter);
	if (err != IM_OK) {
		free(c);
		return err;
	}
	*out = c;
	return IM_OK;
}

/* Makes entry the next one to hand out. */
static enum im_err
advance(struct store_cursor *c)
{
	while (!c->pending) {
		enum im_err err = index_iter_next(c->iter, &c->entry);

		if (err != IM_OK)
			return err;
		c->pending = (c->flags & STORE_WITH_HIDDEN) || !engine_is_hidden(c->s, &c->entry);
	}
	return IM_OK;
}

static struct engine_ahead *
ahead_new(void)
{
	struct engine_ahead *a = (struct engine_ahead *)malloc(sizeof *a);

	if (a) {
		a->first = a->next = a->pos = a->len = 0;
		a->size = ENGINE_AHEAD_MIN;
	}
	return a;
}

enum im_err
store_cursor_next(struct store_cursor *c, struct arena *arena, struct store_value *out)
{
	enum im_err err = advance(c);

	if (err != IM_OK)
		return err;
	if (!c->ahead)
		c->ahead = ahead_new();
	err =
	    engine_read_value(c->s, &c->entry, (struct engine_how){c->flags, c->ahead}, arena, out);
	if (err == IM_OK || err == IM_ERR_DATA_LOSS)
		c->pending = false;
	return err;
}

enum im_err
store_cursor_count(struct store_cursor *c, uint64_t max, uint64_t *n)
{
	enum im_err err = IM_OK;

	for (*n = 0; *n < max; ++*n) {
		err = advance(c);
		if (err != IM_OK)
			break;
		c->pending = false;
	}
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

enum im_err
store_cursor_skip(struct store_cursor *c, uint64_t n)
{
	uint64_t skipped;
	enum im_err err = store_cursor_count(c, n, &skipped);

	return err == IM_OK && skipped < n ? IM_ERR_NOT_FOUND : err;
}

void
store_cursor_wait(struct store_cursor *c)
{
	c->flags &= ~(unsigned)STORE_NOWAIT;
	index_iter_set_nowait(c->iter, false);
}

void
store_cursor_close(struct store_cursor *c)
{
	if (!c)
		return;
	index_iter_close(c->iter);
	free(c->ahead);
	free(c);
}
