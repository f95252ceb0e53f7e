/*
 * The index: its writer's side and its numbers.
 *
 * Neighbours: the engine's committer calls this; memtable.c holds what is written; index_open.c
 * makes and frees the index; index_maintain.c moves memtables into runs; index_get.c, index_scan.c
 * and index_history.c read.
 *
 * Life of a version of a key: index_insert() puts it into the active memtable; index_freeze() makes
 * that one a frozen memtable; index_flush() a run; index_merge() part of a bigger run. It is in
 * exactly one of them in every index_version.
 *
 * Invariant: the active memtable is the first of the current version, and only the writer adds to
 * it.
 */
#include "store/index.h"

#include "store/index_version.h"

enum im_err
index_reserve(struct index *idx, size_t n, size_t key_bytes)
{
	return memtable_reserve(idx->active, n, key_bytes);
}

enum im_err
index_insert(struct index *idx, const struct index_entry *entries, size_t n)
{
	return memtable_insert(idx->active, entries, n);
}

bool
index_should_freeze(struct index *idx)
{
	return memtable_count(idx->active) >= idx->memtable_entries ||
	    memtable_bytes(idx->active) >= idx->memtable_bytes;
}

enum im_err
index_freeze(struct index *idx, uint64_t last_tx)
{
	struct index_change change = {.frozen_last_tx = last_tx};
	enum im_err err;

	if (memtable_count(idx->active) == 0 && last_tx <= idx->frozen_tx)
		return IM_OK;
	err = memtable_create(idx->memtable_entries, &change.active);
	if (err != IM_OK)
		return err;
	err = index_version_change(idx, &change);
	if (err != IM_OK) {
		memtable_unref(change.active);
		return err;
	}
	idx->active = change.active;
	idx->frozen_tx = last_tx;
	return IM_OK;
}

void
index_stop(struct index *idx)
{
	atomic_store(&idx->stop, true);
}

uint64_t
index_covered_tx(struct index *idx)
{
	return atomic_load(&idx->covered_tx);
}

bool
index_damaged(struct index *idx)
{
	struct index_version *v = index_version_acquire(idx);
	bool damaged = false;

	for (unsigned i = 0; i < v->runs; i++)
		damaged = damaged || atomic_load(&v->run[i]->damaged);
	index_version_release(v);
	return damaged;
}

void
index_stats(struct index *idx, struct index_stats *out)
{
	struct index_version *v = index_version_acquire(idx);

	*out = (struct index_stats){.runs = v->runs,
	    .hot_bytes = hot_cache_bytes(&idx->blocks),
	    .frozen = v->tables - 1,
	    .flushes = atomic_load(&idx->flushes),
	    .merges = atomic_load(&idx->merges),
	    .written_bytes = atomic_load(&idx->written_bytes)};
	hot_cache_counts(&idx->blocks, &out->hot_hits, &out->hot_misses);
	for (unsigned i = 0; i < v->runs; i++) {
		out->run_entries += v->run[i]->entries;
		out->run_bytes += v->run[i]->id.size;
		out->resident_bytes += v->run[i]->resident_bytes;
	}
	for (unsigned i = 0; i < v->tables; i++) {
		out->table_entries += memtable_count(v->table[i]);
		out->resident_bytes += memtable_bytes(v->table[i]);
	}
	index_version_release(v);
}
