/*
 * Maintenance of the index: memtables become runs, runs are merged, the manifest follows.
 *
 * Neighbours: run_write.c writes runs, merge.c reads several as one, manifest.c makes it durable,
 * index_version.c shows the result to readers.
 *
 * How a set of runs is replaced: the new run is written and synced (file, then folder), a new
 * version with it becomes current, the manifest is replaced, and only then may the files of the old
 * runs be removed, by the last reader that holds them. When the manifest cannot be written, the old
 * files stay, and nothing else is done before a later call has written it.
 *
 * Which runs are merged: a run's level is the logarithm of its size. As soon as FAN_IN runs of one
 * level stand at the newest end, behind them only smaller ones, they are merged into one of the
 * next level, so each version is written about once per level. Beyond RUNS_SOFT runs the cheapest
 * pair of neighbours is merged, whatever its level.
 *
 * A merge of big runs takes long. In between it flushes memtables that were frozen meanwhile and
 * merges the runs these make, all of them newer than its own.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "store/index_version.h"
#include "store/manifest.h"
#include "store/merge.h"
#include "store/run_write.h"
#include "util/log.h"

#define FAN_IN 4u
#define RUNS_SOFT 12u
#define LEVEL_BYTES \
	(64u * 1024) /* runs up to this size are of level 0; each level is 4 times bigger */
#define LEVELS_MAX 32u
/* Merges within merges. Each works on smaller runs than the one around it. */
#define DEPTH_MAX 4u
/* After so many versions a merge looks whether there is something else to do. */
#define STRIDE 4096u

/* ---- The manifest ---- */

static bool
run_damaged(const struct run *r)
{
	return atomic_load(&r->damaged);
}

static void
retired_free(struct index *idx)
{
	for (unsigned i = 0; i < idx->retired; i++) {
		atomic_store(&idx->retired_run[i]->doomed, true);
		run_unref(idx->retired_run[i]);
	}
	idx->retired = 0;
}

/* What the manifest should say: all runs, or those before the first damaged one. */
static void
manifest_fill(const struct index *idx, const struct index_version *v, struct manifest *m)
{
	*m = (struct manifest){.covered_tx = idx->flushed_tx};
	for (unsigned i = 0; i < v->runs; i++) {
		if (run_damaged(v->run[i])) {
			m->covered_tx = v->run[i]->id.first_tx - 1;
			return;
		}
		m->runs[m->count++] = v->run[i]->id;
	}
}

/* Makes the manifest say what is current, if it does not. */
static enum im_err
manifest_settle(struct index *idx)
{
	struct index_version *v = index_version_acquire(idx);
	struct manifest m;
	enum im_err err = IM_OK;

	manifest_fill(idx, v, &m);
	index_version_release(v);
	if (!idx->manifest_dirty && m.covered_tx == atomic_load(&idx->covered_tx))
		return IM_OK;
	err = manifest_store(idx->vfs, idx->dir, &m);
	if (err != IM_OK) {
		idx->manifest_dirty = true;
		return err;
	}
	if (m.covered_tx < atomic_load(&idx->covered_tx))
		log_warn("database %s: index: damaged; transactions from %" PRIu64
			 " on will be indexed again when it is opened next",
		    idx->name, m.covered_tx + 1);
	idx->manifest_dirty = false;
	atomic_store(&idx->covered_tx, m.covered_tx);
	retired_free(idx);
	return IM_OK;
}

/* ---- Which runs to merge ---- */

static unsigned
run_level(const struct run *r)
{
	uint64_t units = r->id.size / LEVEL_BYTES;

	return units == 0 ? 0 : (63 - (unsigned)__builtin_clzll(units)) / 2 + 1;
}

struct window {
	unsigned first;
	unsigned count;
};

/* FAN_IN runs of a level at the newest end, with no bigger one behind them. */
static bool
window_of_level(const struct index_version *v, unsigned floor, unsigned level, struct window *w)
{
	unsigned first = v->runs, members = 0, end = 0;

	while (first > floor && run_level(v->run[first - 1]) <= level) {
		first--;
		if (run_level(v->run[first]) < level)
			continue;
		members++;
		end = end > 0 ? end : first + 1;
	}
	*w = (struct window){first, end - first};
	return members >= FAN_IN;
}

/* The two neighbours that are the smallest together. */
static bool
window_cheapest(const struct index_version *v, unsigned floor, struct window *w)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = floor; i + 1 < v->runs; i++) {
		uint64_t size = v->run[i]->id.size + v->run[i + 1]->id.size;

		if (size < least && !run_damaged(v->run[i]) && !run_damaged(v->run[i + 1])) {
			least = size;
			*w = (struct window){i, 2};
		}
	}
	return least < UINT64_MAX;
}

/* Picks runs to merge, none older than floor and none damaged. */
static bool
window_pick(const struct index_version *v, unsigned floor, struct window *w)
{
	unsigned whole = v->runs;

	while (whole > floor && !run_damaged(v->run[whole - 1]))
		whole--;
	for (unsigned level = 0; level < LEVELS_MAX; level++) {
		if (window_of_level(v, whole, level, w))
			return true;
	}
	return v->runs > RUNS_SOFT && window_cheapest(v, floor, w);
}

/* ---- Flushing and merging ---- */

/* A merge under way: the runs it reads, oldest first, each with a reference. */
struct merging {
	unsigned count;
	struct run *runs[INDEX_RUNS_MAX];
};

static enum im_err merge_window(struct index *idx, const struct merging *around, bool *did);

/* Runs at this position and above are newer than the merge around; 0 without one. */
static unsigned
floor_of(const struct index_version *v, const struct merging *around)
{
	unsigned i = 0;

	if (!around)
		return 0;
	while (i < v->runs && v->run[i] != around->runs[around->count - 1])
		i++;
	return i + 1;
}

static enum im_err
table_write(const struct memtable *t, struct run_writer *w, struct run **out)
{
	enum im_err err = IM_OK;

	for (const struct memtable_node *node = memtable_first(t), *next; node && err == IM_OK;
	     node = next) {
		struct index_entry e;

		next = memtable_next(node);
		__builtin_prefetch(next);
		memtable_entry(node, &e);
		err = run_writer_add(w, &e);
	}
	return err == IM_OK ? run_writer_finish(w, out) : err;
}

static enum im_err
table_to_run(struct index *idx, const struct memtable *t, uint64_t last_tx, struct run **out)
{
	struct run_plan plan = {.vfs = idx->vfs,
	    .dir = idx->dir,
	    .number = idx->next_number++,
	    .base = {idx->flushed_tx + 1, last_tx, memtable_pos_min(t)},
	    .keys_max = memtable_count(t)};
	struct run_writer *w;
	enum im_err err = run_writer_open(&plan, &w);

	*out = NULL;
	if (err != IM_OK)
		return err;
	err = table_write(t, w, out);
	atomic_fetch_add(&idx->written_bytes, run_writer_bytes(w));
	run_writer_close(w);
	return err;
}

/* Removes a run that did not come into use. */
static void
run_discard(struct run *r)
{
	if (r)
		atomic_store(&r->doomed, true);
	run_unref(r);
}

static enum im_err
oldest_table_flush(struct index *idx, const struct index_version *v)
{
	const struct memtable *t = v->table[v->tables - 1];
	uint64_t last_tx = v->table_last_tx[v->tables - 1];
	struct index_change change = {.drop_table = true};
	enum im_err err = IM_OK;

	if (memtable_count(t) > 0)
		err = table_to_run(idx, t, last_tx, &change.run);
	if (err == IM_OK)
		err = index_version_change(idx, &change);
	if (err != IM_OK) {
		run_discard(change.run);
		return err;
	}
	if (last_tx > idx->flushed_tx)
		idx->flushed_tx = last_tx;
	idx->manifest_dirty = true;
	atomic_fetch_add(&idx->flushes, 1);
	return IM_OK;
}

/* Flushes one memtable, if one waits, making room among the runs if need be. */
static enum im_err
flush_one(struct index *idx, const struct merging *around, bool *did)
{
	struct index_version *v = index_version_acquire(idx);
	bool merged = true;
	enum im_err err = IM_OK;

	*did = false;
	while (err == IM_OK && v->tables > 1 && v->runs == INDEX_RUNS_MAX && merged) {
		err = merge_window(idx, around, &merged);
		index_version_release(v);
		v = index_version_acquire(idx);
	}
	if (err == IM_OK && v->tables > 1 && v->runs < INDEX_RUNS_MAX) {
		if (idx->flushing)
			idx->flushing(idx->ctx);
		err = oldest_table_flush(idx, v);
		*did = err == IM_OK;
	}
	index_version_release(v);
	if (!*did)
		return err;
	err = manifest_settle(idx);
	if (idx->flushed)
		idx->flushed(idx->ctx);
	return err;
}

/* What a long merge does in between. */
static enum im_err
between(struct index *idx, const struct merging *around)
{
	bool flushed = true, merged;
	enum im_err err = IM_OK;

	while (err == IM_OK && flushed) {
		err = flush_one(idx, around, &flushed);
		merged = err == IM_OK && flushed;
		while (err == IM_OK && merged)
			err = merge_window(idx, around, &merged);
	}
	return err;
}

static enum im_err
merge_write(struct index *idx, const struct merging *mg, struct run_writer *w)
{
	struct index_entry e;
	struct merge *m;
	enum im_err err = merge_open(mg->runs, mg->count, &m);

	for (unsigned steps = 1; err == IM_OK; steps++) {
		if (steps % STRIDE == 0) {
			err = atomic_load(&idx->stop) ? IM_ERR_INTERRUPTED : between(idx, mg);
			if (err != IM_OK)
				break;
		}
		err = merge_next(m, &e);
		if (err == IM_OK)
			err = run_writer_add(w, &e);
	}
	merge_close(m);
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

static void
plan_runs(struct index *idx, const struct merging *mg, struct run_plan *plan)
{
	*plan = (struct run_plan){.vfs = idx->vfs, .dir = idx->dir, .number = idx->next_number++};
	plan->base.first_tx = mg->runs[0]->id.first_tx;
	plan->base.last_tx = mg->runs[mg->count - 1]->id.last_tx;
	plan->base.pos = UINT64_MAX;
	for (unsigned i = 0; i < mg->count; i++) {
		plan->keys_max += mg->runs[i]->keys;
		if (mg->runs[i]->base.pos < plan->base.pos)
			plan->base.pos = mg->runs[i]->base.pos;
	}
}

/* After damage was met, at least one of the runs is marked, so that they are not tried again. */
static void
merging_damaged(const struct merging *mg, enum im_err err)
{
	if (err != IM_ERR_CORRUPT)
		return;
	for (unsigned i = 0; i < mg->count; i++) {
		if (run_damaged(mg->runs[i]))
			return;
	}
	atomic_store(&mg->runs[0]->damaged, true);
}

static enum im_err
merging_to_run(struct index *idx, const struct merging *mg, struct run **out)
{
	struct run_writer *w;
	struct run_plan plan;
	enum im_err err;

	assert(mg->count > 1);
	*out = NULL;
	plan_runs(idx, mg, &plan);
	err = run_writer_open(&plan, &w);
	if (err != IM_OK)
		return err;
	err = merge_write(idx, mg, w);
	merging_damaged(mg, err);
	if (err == IM_OK)
		err = run_writer_finish(w, out);
	atomic_fetch_add(&idx->written_bytes, run_writer_bytes(w));
	run_writer_close(w);
	return err;
}

/* Puts the merged run in the place of its parts. */
static enum im_err
merging_install(struct index *idx, const struct merging *mg, struct run *merged)
{
	const struct index_change change = {
	    .replaced = mg->runs, .replaced_count = mg->count, .run = merged};
	enum im_err err = index_version_change(idx, &change);

	if (err != IM_OK) {
		run_discard(merged);
		return err;
	}
	/* Nothing was retired since the manifest was last written, or no merge would have begun. */
	for (unsigned i = 0; i < mg->count; i++) {
		assert(idx->retired < INDEX_RUNS_MAX);
		run_ref(mg->runs[i]);
		idx->retired_run[idx->retired++] = mg->runs[i];
	}
	idx->manifest_dirty = true;
	atomic_fetch_add(&idx->merges, 1);
	return manifest_settle(idx);
}

/* Merges the runs of a window of v, which is released: a merge takes long. */
static enum im_err
window_merge(struct index *idx, struct index_version *v, struct window w)
{
	struct merging mg = {0};
	struct run *merged;
	enum im_err err;

	for (unsigned i = 0; i < w.count; i++) {
		mg.runs[mg.count++] = v->run[w.first + i];
		run_ref(v->run[w.first + i]);
	}
	index_version_release(v);
	idx->depth++;
	err = merging_to_run(idx, &mg, &merged);
	if (err == IM_OK)
		err = merging_install(idx, &mg, merged);
	idx->depth--;
	for (unsigned i = 0; i < mg.count; i++)
		run_unref(mg.runs[i]);
	return err;
}

/* Merges one window of runs, newer than those of the merge around, if there is one to merge. */
static enum im_err
merge_window(struct index *idx, const struct merging *around, bool *did)
{
	struct index_version *v = index_version_acquire(idx);
	struct window w;
	enum im_err err = IM_OK;

	*did = idx->depth < DEPTH_MAX && window_pick(v, floor_of(v, around), &w);
	if (*did)
		err = window_merge(idx, v, w);
	else
		index_version_release(v);
	*did = *did && err == IM_OK;
	return err;
}

enum im_err
index_flush(struct index *idx, bool *did)
{
	enum im_err err;

	*did = false;
	err = manifest_settle(idx);
	return err == IM_OK ? flush_one(idx, NULL, did) : err;
}

enum im_err
index_merge(struct index *idx, bool *did)
{
	enum im_err err;

	*did = false;
	if (atomic_load(&idx->stop))
		return IM_ERR_INTERRUPTED;
	err = manifest_settle(idx);
	if (err == IM_OK)
		err = merge_window(idx, NULL, did);
	if (err == IM_ERR_CORRUPT)
		manifest_settle(idx);
	return err;
}

enum im_err
index_compact(struct index *idx)
{
	struct index_version *v;
	enum im_err err;
	unsigned i;

	if (atomic_load(&idx->stop))
		return IM_ERR_INTERRUPTED;
	err = manifest_settle(idx);
	if (err != IM_OK)
		return err;
	v = index_version_acquire(idx);
	for (i = 0; i < v->runs && err == IM_OK; i++)
		if (run_damaged(v->run[i]))
			err = err_set(IM_ERR_CORRUPT, "a run of the index is damaged");
	if (err == IM_OK && v->runs > 1)
		err = window_merge(idx, v, (struct window){0, v->runs});
	else
		index_version_release(v);
	if (err == IM_ERR_CORRUPT)
		manifest_settle(idx);
	return err;
}
