#ifndef STORE_INDEX_VERSION_H
#define STORE_INDEX_VERSION_H

#include <pthread.h>

#include "store/hot_cache.h"
#include "store/index.h"
#include "store/memtable.h"
#include "store/run.h"

/*
 * What the parts of the index share. A version is the set of memtables and runs in use at one
 * moment. It never changes; a change makes a new version. Readers hold a reference while they work,
 * so that nothing they look at goes away.
 */
#define INDEX_TABLES_MAX (INDEX_FROZEN_MAX + 1)
#define INDEX_SOURCES_MAX (INDEX_TABLES_MAX + INDEX_RUNS_MAX)

struct index_version {
	atomic_uint refs;
	unsigned tables;
	unsigned runs;
	struct memtable *table[INDEX_TABLES_MAX]; /* newest first; the first one is active */
	uint64_t table_last_tx[INDEX_TABLES_MAX]; /* of the frozen ones */
	struct run *run[INDEX_RUNS_MAX];          /* oldest first, tx ranges ascending */
};

struct index {
	const struct vfs *vfs;
	char *dir;
	char *name;
	size_t memtable_entries;
	size_t memtable_bytes;
	void (*flushing)(void *ctx);
	void (*flushed)(void *ctx);
	void (*left_out)(void *ctx, const char *why);
	void *ctx;

	pthread_mutex_t lock;          /* of current, held for a few instructions only */
	struct index_version *current; /* replaced by index_version_change() */

	struct hot_cache blocks; /* of runs, by number and block */

	atomic_bool stop;
	_Atomic uint64_t covered_tx; /* as the manifest says */
	_Atomic uint64_t flushes;
	_Atomic uint64_t merges;
	_Atomic uint64_t written_bytes;

	/* The writer's. */
	struct memtable *active;
	uint64_t frozen_tx; /* last_tx of the last freeze */

	/* Maintenance's. */
	uint64_t flushed_tx;  /* everything up to here is in the runs of current */
	uint64_t next_number; /* of the next run's file */
	bool manifest_dirty;  /* the manifest does not say what current is */
	unsigned depth;       /* of merges within merges */
	unsigned retired;     /* runs that the manifest may still name */
	struct run *retired_run[INDEX_RUNS_MAX];
};

/* The current version, with a reference. Any thread. */
struct index_version *index_version_acquire(struct index *idx);

/* Gives a reference back. NULL is allowed. */
void index_version_release(struct index_version *v);

/* What makes one version out of another; zero members change nothing. */
struct index_change {
	struct memtable *active;     /* a new active memtable: the present one is frozen */
	uint64_t frozen_last_tx;     /* with active */
	bool drop_table;             /* the oldest frozen memtable leaves */
	struct run *const *replaced; /* these neighbours leave, run takes their place */
	unsigned replaced_count;
	struct run *run; /* without replaced: the newest run */
};

/*
 * Makes a new version current. Takes over the caller's references to active and run when it
 * succeeds. IM_ERR_NOMEM; IM_ERR_BUSY when a limit would be passed.
 */
enum im_err index_version_change(struct index *idx, const struct index_change *change);

/* ---- The members of a version as sources, newest first ---- */

static inline unsigned
index_sources(const struct index_version *v)
{
	return v->tables + v->runs;
}

/* The run that is source i, NULL when that is a memtable. */
static inline struct run *
index_source_run(const struct index_version *v, unsigned i)
{
	return i < v->tables ? NULL : v->run[index_sources(v) - 1 - i];
}

/* The newest transaction that source i can have. */
static inline uint64_t
index_source_last_tx(const struct index_version *v, unsigned i)
{
	const struct run *r = index_source_run(v, i);

	if (r)
		return r->id.last_tx;
	return i == 0 ? UINT64_MAX : v->table_last_tx[i];
}

/* Whether source i may have versions of the key with this bloom_hash(). */
static inline bool
index_source_may_have(const struct index_version *v, unsigned i, uint64_t hash)
{
	const struct run *r = index_source_run(v, i);

	return r ? bloom_may_have(&r->filter, hash) : memtable_may_have(v->table[i], hash);
}

#endif
