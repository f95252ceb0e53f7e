/*
 * Checking all runs, block by block.
 *
 * Neighbours: run_cursor.c reads; the engine's own check compares index and log.
 */
#include "store/index_key.h"
#include "store/index_version.h"
#include "store/run_cursor.h"

struct index_checking {
	int (*fault)(void *ctx, const struct index_fault *fault);
	void *ctx;
	uint64_t faults;
	bool ended;
	/* Of the run being checked. */
	uint64_t entries;
	uint64_t keys;
	uint64_t tx; /* of the last version */
	uint64_t revision;
	size_t key_len; /* 0 before the first version, and behind a block that could not be read */
	uint8_t key[INDEX_KEY_MAX];
};

static void
report(struct index_checking *k, const struct run *r, uint64_t offset, const char *what)
{
	const struct index_fault fault = {r->file.path, offset, what};

	k->faults++;
	if (k->fault && k->fault(k->ctx, &fault) != 0)
		k->ended = true;
}

/* What is wrong with a version after the one before; NULL when nothing is. */
static const char *
version_fault(struct index_checking *k, const struct run *r, const struct index_entry *e)
{
	struct bytes last = bytes_of(k->key, k->key_len);
	bool same_key = bytes_equal(last, e->key);

	k->entries++;
	k->keys += !same_key;
	if (!bloom_may_have(&r->filter, bloom_hash(e->key)))
		return "a key is not in the filter";
	if (last.len == 0)
		return NULL;
	if (index_place_compare(last, k->tx, e->key, e->tx) >= 0)
		return "versions out of order";
	if (same_key ? e->revision + 1 != k->revision : k->revision != 1)
		return "wrong ordinal";
	return NULL;
}

static const char *
block_fault(struct index_checking *k, struct run_cursor *c, uint64_t block)
{
	const struct index_entry *e = run_cursor_entry(c);
	const char *what = NULL;
	enum im_err err = IM_OK;

	if (index_place_compare(run_separator(c->run, block), c->run->txs[block], e->key, e->tx) >
	    0)
		what = "block begins before its separator";
	while (err == IM_OK && what == NULL && (e = run_cursor_entry(c)) != NULL &&
	    c->block == block) {
		what = version_fault(k, c->run, e);
		memcpy(k->key, e->key.data, e->key.len);
		k->key_len = e->key.len;
		k->tx = e->tx;
		k->revision = e->revision;
		/* Steps within the block only: the next one is read by the caller. */
		if (c->group + 1 == c->groups && c->at + 1 == c->entries.count &&
		    !run_group_more(&c->entries))
			break;
		err = run_cursor_next(c);
	}
	return err == IM_ERR_CORRUPT ? "malformed block" : what;
}

static enum im_err
run_check(struct index_checking *k, struct run *r)
{
	struct run_cursor c;
	bool whole = true;

	run_cursor_init(&c, r, NULL);
	k->entries = k->keys = k->key_len = 0;
	for (uint64_t i = 0; i < r->blocks && !k->ended; i++) {
		enum im_err err = run_cursor_block(&c, i);
		const char *what = err == IM_OK ? block_fault(k, &c, i) : "damaged block";

		if (err != IM_OK && err != IM_ERR_CORRUPT)
			return err;
		if (what == NULL)
			continue;
		run_damage(r, i, what);
		report(k, r, r->offsets[i], what);
		k->key_len = 0;
		whole = false;
	}
	if (whole && !k->ended && (k->entries != r->entries || k->keys != r->keys)) {
		run_damage(r, 0, "wrong counts");
		report(k, r, 0, "wrong counts");
	}
	return IM_OK;
}

enum im_err
index_check(struct index *idx, int (*fault)(void *ctx, const struct index_fault *fault), void *ctx,
    uint64_t *faults)
{
	struct index_version *v = index_version_acquire(idx);
	struct index_checking k = {.fault = fault, .ctx = ctx};
	enum im_err err = IM_OK;

	for (unsigned i = 0; i < v->runs && err == IM_OK && !k.ended; i++)
		err = run_check(&k, v->run[i]);
	index_version_release(v);
	*faults = k.faults;
	return err;
}
