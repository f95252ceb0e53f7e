/*
 * Walking the versions of one key.
 *
 * Neighbours: index_iter.c has the common part; index_cursor.c moves in one source.
 *
 * Revisions number a key's versions through all sources, oldest first. A first pass asks each
 * source for the ordinal of its newest version up to as_of, which is how many versions it has; then
 * any revision is found by its source and its ordinal there.
 */
#include <stdlib.h>

#include "store/index_iter.h"
#include "store/index_key.h"

struct history_walk {
	struct index_iter it;
	bool descending;
	struct bytes key;
	uint64_t hash;
	uint64_t skip;
	unsigned counted;                     /* so many sources have been asked */
	uint64_t versions[INDEX_SOURCES_MAX]; /* of the key, per source */
	uint64_t total;
	uint64_t returned;
	uint8_t key_bytes[INDEX_KEY_MAX];
};

static struct history_walk *
walk_of(struct index_iter *it)
{
	return (struct history_walk *)(void *)it;
}

static enum im_err
sources_count(struct history_walk *h)
{
	for (; h->counted < h->it.count; h->counted++) {
		struct index_cursor *c = &h->it.cursors[h->counted];
		const struct index_entry *e;
		enum im_err err = index_cursor_seek(c, h->key, h->it.as_of);

		if (err != IM_OK)
			return err;
		e = index_cursor_entry(c);
		if (e && bytes_equal(e->key, h->key))
			h->versions[h->counted] = e->revision;
		h->total += h->versions[h->counted];
	}
	return IM_OK;
}

/* Stands on the version with this ordinal in source i; one step from the last one as a rule. */
static enum im_err
cursor_place(struct history_walk *h, unsigned i, uint64_t ordinal)
{
	struct index_cursor *c = &h->it.cursors[i];
	const struct index_entry *e = index_cursor_entry(c);

	if (e && bytes_equal(e->key, h->key)) {
		if (e->revision == ordinal)
			return IM_OK;
		if (e->revision == ordinal + 1)
			return index_cursor_next(c);
		if (e->revision + 1 == ordinal)
			return index_cursor_prev(c);
	}
	return index_cursor_seek_ordinal(c, h->key, ordinal);
}

static enum im_err
versions_next(struct index_iter *it, struct index_entry *out)
{
	struct history_walk *h = walk_of(it);
	enum im_err err = sources_count(h);
	uint64_t older, revision;
	const struct index_entry *e;
	unsigned i = 0;

	if (err != IM_OK)
		return err;
	if (h->skip >= h->total || h->returned >= h->total - h->skip)
		return IM_ERR_NOT_FOUND;
	revision = h->descending ? h->total - h->skip - h->returned : h->skip + h->returned + 1;
	older = h->total - h->versions[0];
	while (revision <= older)
		older -= h->versions[++i];
	err = cursor_place(h, i, revision - older);
	if (err != IM_OK)
		return err;
	e = index_cursor_entry(&it->cursors[i]);
	if (!e || !bytes_equal(e->key, h->key) || e->revision != revision - older)
		return err_set(IM_ERR_INTERNAL, "a version of a key is not in its place");
	h->returned++;
	*out = *e;
	out->key = h->key;
	out->revision = revision;
	return IM_OK;
}

static bool
may_have_key(const struct index_iter *it, unsigned source)
{
	const struct history_walk *h = (const struct history_walk *)(const void *)it;

	return index_source_may_have(it->version, source, h->hash);
}

enum im_err
index_versions(struct index *idx, const struct index_history *history, struct index_iter **out)
{
	struct history_walk *h;
	enum im_err err;

	*out = NULL;
	if (history->key.len == 0 || history->key.len > INDEX_KEY_MAX)
		return history->key.len ? IM_ERR_KEY_LENGTH : IM_ERR_NULL_KEY;
	h = (struct history_walk *)calloc(1, sizeof *h);
	if (!h)
		return IM_ERR_NOMEM;
	h->it.next = versions_next;
	h->descending = history->descending;
	memcpy(h->key_bytes, history->key.data, history->key.len);
	h->key = bytes_of(h->key_bytes, history->key.len);
	h->hash = bloom_hash(h->key);
	h->skip = history->skip;
	err = index_iter_init(&h->it, idx, &history->read, may_have_key);
	if (err != IM_OK) {
		index_iter_close(&h->it);
		return err;
	}
	*out = &h->it;
	return IM_OK;
}
