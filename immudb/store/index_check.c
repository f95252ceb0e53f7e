/*
 * Checking all runs, block by block.
 *
 * Neighbours: run_cursor.c reads; the engine's own check compares index and log.
 */
#include "store/index_key.h"
#include "store/index_version.h"
#include "store/run_cursor.h"

struct checking {
	struct index_check *check;
	struct index_check_place *at;
	bool ended;
};

static void
report(struct checking *k, const struct run *r, uint64_t offset, const char *what)
{
	const struct index_fault fault = {r->file.path, offset, what};

	k->check->faults++;
	k->at->faulty = true;
	if (k->check->fault && k->check->fault(k->check->ctx, &fault) != 0)
		k->ended = true;
}

/* What is wrong with a version after the one before; NULL when nothing is. */
static const char *
version_fault(struct index_check_place *at, const struct run *r, const struct index_entry *e)
{
	struct bytes last = bytes_of(at->key, at->key_len);
	bool same_key = bytes_equal(last, e->key);

	at->entries++;
	at->keys += !same_key;
	if (!bloom_may_have(&r->filter, bloom_hash(e->key)))
		return "a key is not in the filter";
	if (last.len == 0)
		return NULL;
	if (index_place_compare(last, at->tx, e->key, e->tx) >= 0)
		return "versions out of order";
	if (same_key ? e->revision + 1 != at->revision : at->revision != 1)
		return "wrong ordinal";
	return NULL;
}

static const char *
block_fault(struct index_check_place *at, struct run_cursor *c, uint64_t block)
{
	const struct index_entry *e = run_cursor_entry(c);
	const char *what = NULL;
	enum im_err err = IM_OK;

	if (index_place_compare(run_separator(c->run, block), c->run->txs[block], e->key, e->tx) >
	    0)
		what = "block begins before its separator";
	while (err == IM_OK && what == NULL && (e = run_cursor_entry(c)) != NULL &&
	    c->block == block) {
		what = version_fault(at, c->run, e);
		memcpy(at->key, e->key.data, e->key.len);
		at->key_len = e->key.len;
		at->tx = e->tx;
		at->revision = e->revision;
		/* Steps within the block only: the next one is read by the caller. */
		if (c->group + 1 == c->groups && c->at + 1 == c->entries.count &&
		    !run_group_more(&c->entries))
			break;
		err = run_cursor_next(c);
	}
	return err == IM_ERR_CORRUPT ? "malformed block" : what;
}

static bool
has_room(const struct index_check *check)
{
	return check->max_bytes == 0 || check->bytes < check->max_bytes;
}

/* The run is checked to its end, and the next one begins. */
static void
run_finish(struct checking *k, struct run *r)
{
	if (!k->at->faulty && (k->at->entries != r->entries || k->at->keys != r->keys)) {
		run_damage(r, 0, "wrong counts");
		report(k, r, 0, "wrong counts");
	}
	*k->at = (struct index_check_place){.done_tx = r->id.last_tx};
}

static enum im_err
run_check(struct checking *k, struct run *r)
{
	struct index_check_place *at = k->at;
	struct run_cursor c;

	run_cursor_init(&c, r, NULL);
	if (at->block > 0 && at->number != r->id.number)
		*at = (struct index_check_place){.done_tx = at->done_tx};
	at->number = r->id.number;
	for (; at->block < r->blocks && !k->ended && has_room(k->check); at->block++) {
		uint64_t i = at->block;
		enum im_err err = run_cursor_block(&c, i);
		const char *what = err == IM_OK ? block_fault(at, &c, i) : "damaged block";

		if (err != IM_OK && err != IM_ERR_CORRUPT)
			return err;
		k->check->bytes += r->offsets[i + 1] - r->offsets[i];
		if (what == NULL)
			continue;
		run_damage(r, i, what);
		report(k, r, r->offsets[i], what);
		at->key_len = 0;
	}
	if (at->block == r->blocks && !k->ended)
		run_finish(k, r);
	return IM_OK;
}

static bool
is_due(const struct index_check *check, const struct run *r)
{
	return r->id.last_tx > check->place.done_tx &&
	    (check->to_tx == 0 || r->id.first_tx <= check->to_tx);
}

enum im_err
index_check(struct index *idx, struct index_check *check)
{
	struct index_version *v = index_version_acquire(idx);
	struct checking k = {check, &check->place, false};
	enum im_err err = IM_OK;
	unsigned i;

	check->bytes = check->faults = 0;
	for (i = 0; i < v->runs && err == IM_OK && !k.ended && has_room(check); i++)
		if (is_due(check, v->run[i]))
			err = run_check(&k, v->run[i]);
	check->done = err == IM_OK;
	for (i = 0; i < v->runs && !k.ended; i++)
		check->done &= !is_due(check, v->run[i]);
	index_version_release(v);
	return err;
}
