/*
 * Versions of the index: which memtables and runs are in use, and how one set follows another.
 *
 * Neighbours: index.c (freeze) and index_maintain.c (flush, merge) change it, every reader holds
 * it.
 *
 * Invariants:
 * 1. A version has a reference to each member, and its members' transactions are disjoint: those of
 *    a run are older than those of the next run, and all of them older than those of the memtables.
 * 2. Under the lock pointers are copied and counters raised, nothing else: memory is had before and
 *    given back after.
 */
#include "store/index_version.h"

#include <stdlib.h>

struct index_version *
index_version_acquire(struct index *idx)
{
	struct index_version *v;

	pthread_mutex_lock(&idx->lock);
	v = idx->current;
	atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&idx->lock);
	return v;
}

void
index_version_release(struct index_version *v)
{
	if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (unsigned i = 0; i < v->tables; i++)
		memtable_unref(v->table[i]);
	for (unsigned i = 0; i < v->runs; i++)
		run_unref(v->run[i]);
	free(v);
}

/* Where the neighbours that leave begin; from->runs when none do. */
static unsigned
replaced_position(const struct index_version *from, const struct index_change *change)
{
	unsigned i = 0;

	while (
	    i < from->runs && (change->replaced_count == 0 || from->run[i] != change->replaced[0]))
		i++;
	return i;
}

static void
tables_copy(
    struct index_version *to, const struct index_version *from, const struct index_change *change)
{
	unsigned kept = from->tables - (change->drop_table ? 1 : 0);

	if (change->active)
		to->table[to->tables++] = change->active;
	for (unsigned i = 0; i < kept; i++) {
		to->table_last_tx[to->tables] =
		    i == 0 && change->active ? change->frozen_last_tx : from->table_last_tx[i];
		to->table[to->tables++] = from->table[i];
		memtable_ref(from->table[i]);
	}
}

static void
runs_copy(
    struct index_version *to, const struct index_version *from, const struct index_change *change)
{
	unsigned position = replaced_position(from, change);

	for (unsigned i = 0; i < from->runs; i++) {
		if (i == position)
			to->run[to->runs++] = change->run;
		if (i >= position && i < position + change->replaced_count)
			continue;
		to->run[to->runs++] = from->run[i];
		run_ref(from->run[i]);
	}
	if (change->run && change->replaced_count == 0)
		to->run[to->runs++] = change->run;
}

static bool
change_fits(const struct index_version *from, const struct index_change *change)
{
	unsigned tables = from->tables + (change->active ? 1 : 0) - (change->drop_table ? 1 : 0);
	unsigned runs = from->runs + (change->run ? 1 : 0) - change->replaced_count;

	return tables <= INDEX_TABLES_MAX && runs <= INDEX_RUNS_MAX;
}

enum im_err
index_version_change(struct index *idx, const struct index_change *change)
{
	struct index_version *to = (struct index_version *)calloc(1, sizeof *to), *from;

	if (!to)
		return IM_ERR_NOMEM;
	to->refs = 1;
	pthread_mutex_lock(&idx->lock);
	from = idx->current;
	if (!change_fits(from, change)) {
		pthread_mutex_unlock(&idx->lock);
		free(to);
		return IM_ERR_BUSY;
	}
	tables_copy(to, from, change);
	runs_copy(to, from, change);
	idx->current = to;
	pthread_mutex_unlock(&idx->lock);
	index_version_release(from);
	return IM_OK;
}
