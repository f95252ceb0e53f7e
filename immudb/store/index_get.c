/*
 * Finding one version of one key.
 *
 * Neighbours: index_version.c gives the sources, run_cursor.c and memtable.c look into them.
 *
 * Sources are asked newest first. Once the version is found, each older source adds the ordinal of
 * its newest version of the key to the revision. Filters leave out nearly all sources without the
 * key.
 */
#include "store/index_key.h"
#include "store/index_version.h"
#include "store/run_cursor.h"

/* A question, the same for all sources. */
struct lookup {
	struct bytes key;
	uint64_t hash;
	bool nowait;
	struct hot_cache *hot;
};

static enum im_err
run_lookup(
    struct run *r, const struct lookup *what, uint64_t as_of, struct index_entry *out, bool *found)
{
	struct run_cursor c;
	const struct index_entry *e;
	enum im_err err;

	run_cursor_init(&c, r, NULL);
	c.nowait = what->nowait;
	c.hot = what->hot;
	err = run_cursor_seek(&c, what->key, as_of);
	e = err == IM_OK ? run_cursor_entry(&c) : NULL;
	if (e && bytes_equal(e->key, what->key)) {
		*out = *e;
		*found = true;
	}
	run_cursor_release(&c);
	return err;
}

static void
table_lookup(const struct memtable *t, const struct lookup *what, uint64_t as_of,
    struct index_entry *out, bool *found)
{
	const struct memtable_node *node = memtable_seek(t, what->key, as_of);

	if (!node)
		return;
	memtable_entry(node, out);
	*found = bytes_equal(out->key, what->key);
}

/* The newest version up to as_of in source i. */
static enum im_err
source_lookup(const struct index_version *v, unsigned i, const struct lookup *what, uint64_t as_of,
    struct index_entry *out)
{
	struct run *r = index_source_run(v, i);
	bool found = false;
	enum im_err err = IM_OK;

	if ((r && r->id.first_tx > as_of) || !index_source_may_have(v, i, what->hash))
		return IM_ERR_KEY_NOT_FOUND;
	if (r)
		err = run_lookup(r, what, as_of, out, &found);
	else
		table_lookup(v->table[i], what, as_of, out, &found);
	if (err == IM_OK && !found)
		return IM_ERR_KEY_NOT_FOUND;
	out->key = what->key;
	return err;
}

static enum im_err
version_get(const struct index_version *v, const struct lookup *what, const struct index_read *how,
    struct index_entry *out)
{
	bool found = false;

	for (unsigned i = 0; i < v->runs; i++)
		bloom_prefetch(&v->run[i]->filter, what->hash);
	for (unsigned i = 0; i < index_sources(v); i++) {
		struct index_entry e;
		enum im_err err;

		if (how->since && index_source_last_tx(v, i) <= how->since)
			break;
		err = source_lookup(v, i, what, how->as_of, &e);
		if (err == IM_ERR_KEY_NOT_FOUND)
			continue;
		if (err != IM_OK)
			return err;
		if (e.tx <= how->since)
			break;
		if (found)
			out->revision += e.revision;
		else
			*out = e;
		found = true;
		if (how->no_revision) {
			out->revision = 0;
			return IM_OK;
		}
	}
	return found ? IM_OK : IM_ERR_KEY_NOT_FOUND;
}

enum im_err
index_get(
    struct index *idx, struct bytes key, const struct index_read *how, struct index_entry *out)
{
	const struct lookup what = {key, bloom_hash(key), how->nowait, &idx->blocks};
	struct index_version *v;
	enum im_err err;

	if (key.len == 0 || key.len > INDEX_KEY_MAX)
		return IM_ERR_KEY_NOT_FOUND;
	v = index_version_acquire(idx);
	err = version_get(v, &what, how, out);
	index_version_release(v);
	return err;
}

enum im_err
index_revision_count(
    struct index *idx, struct bytes key, const struct index_read *how, uint64_t *out)
{
	const struct index_read with_revision = {.as_of = how->as_of, .nowait = how->nowait};
	struct index_entry e;
	enum im_err err = index_get(idx, key, &with_revision, &e);

	*out = err == IM_OK ? e.revision : 0;
	return err == IM_ERR_KEY_NOT_FOUND ? IM_OK : err;
}

enum im_err
index_get_revision(struct index *idx, struct bytes key, uint64_t revision,
    const struct index_read *how, struct index_entry *out)
{
	const struct index_history history = {.key = key, .skip = revision - 1, .read = *how};
	struct index_iter *it;
	uint64_t count;
	enum im_err err = index_revision_count(idx, key, how, &count);

	if (err != IM_OK)
		return err;
	if (count == 0)
		return IM_ERR_KEY_NOT_FOUND;
	if (revision == 0 || revision > count)
		return IM_ERR_REVISION;
	err = index_versions(idx, &history, &it);
	if (err != IM_OK)
		return err;
	err = index_iter_next(it, out);
	out->key = key;
	index_iter_close(it);
	return err;
}
