/*
 * What a store does beside committing, in two threads that start with the first write.
 *
 * The syncer prepares log segments ahead of use, syncs the log once a second in an unsynced store,
 * and the durable mark after a quiet second; it sleeps without a timer when nothing was written.
 * The indexer makes checkpoints and merges runs, and may be busy for long.
 *
 * Neighbours: commit.c says what is wanted; txlog.c, tree.c, offsets.c, index.c and durable.c do
 * it. Invariants:
 *   1. A checkpoint is written only when log, tree, offsets and index are durable up to it.
 *   2. durable never passes what a sync that began later has covered, and never falls.
 *   3. No lock is held while waiting for the disk, but durable_lock for a write of the mark.
 */
#include <time.h>

#include "store/engine.h"
#include "util/clock.h"
#include "util/log.h"

static struct timespec
after_ms(int64_t ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += ms % 1000 * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

/* ---- The log and the mark ---- */

static bool
is_log_unsynced(struct store *s)
{
	bool unsynced;

	pthread_mutex_lock(&s->durable_lock);
	unsynced = s->written.tx > s->durable.tx;
	pthread_mutex_unlock(&s->durable_lock);
	return unsynced;
}

enum im_err
engine_sync(struct store *s)
{
	int64_t began_ns = clock_monotonic_ns();
	enum im_err err = txlog_sync(s->log);

	metric_observe(s->metrics.sync_seconds, (double)(clock_monotonic_ns() - began_ns) / 1e9);
	atomic_fetch_add_explicit(&s->syncs, 1, memory_order_relaxed);
	return err;
}

void
engine_sync_log(struct store *s)
{
	struct record_mark written;
	enum im_err err;

	if (!is_log_unsynced(s))
		return;
	pthread_mutex_lock(&s->durable_lock);
	written = s->written;
	pthread_mutex_unlock(&s->durable_lock);
	err = engine_sync(s);
	if (err != IM_OK)
		engine_fatal(s, err);
	pthread_mutex_lock(&s->durable_lock);
	if (written.tx > s->durable.tx) {
		s->durable = written;
		err = mark_file_write(&s->mark, &written);
		s->mark_dirty = err == IM_OK;
	}
	pthread_mutex_unlock(&s->durable_lock);
	if (err != IM_OK)
		log_warn_limited("database %s: durable mark: %s", s->name, err_detail(err));
}

static bool
take_dirty_mark(struct store *s)
{
	bool dirty;

	pthread_mutex_lock(&s->durable_lock);
	dirty = s->mark_dirty;
	s->mark_dirty = false;
	pthread_mutex_unlock(&s->durable_lock);
	return dirty;
}

static void
sync_mark(struct store *s)
{
	enum im_err err = take_dirty_mark(s) ? mark_file_sync(&s->mark) : IM_OK;

	/* The log carries the mark too, so this costs nothing but the speed of finding it. */
	if (err != IM_OK)
		log_warn_limited("database %s: durable mark: %s", s->name, err_detail(err));
}

static bool
is_mark_dirty(struct store *s)
{
	bool dirty;

	pthread_mutex_lock(&s->durable_lock);
	dirty = s->mark_dirty;
	pthread_mutex_unlock(&s->durable_lock);
	return dirty;
}

/* ---- Checkpoints ---- */

static enum im_err
sync_derived(struct store *s, uint64_t tx)
{
	uint64_t tree_size = 0, offsets_size = 0;
	bool did = true;
	enum im_err err = tree_sync(s->tree, &tree_size);

	if (err == IM_OK)
		err = offsets_sync(s->offsets, &offsets_size);
	while (err == IM_OK && did)
		err = index_flush(s->index, &did);
	if (err == IM_OK && (tree_size < tx || offsets_size < tx))
		err = err_set(IM_ERR_INTERNAL, "tree or offsets end before transaction %llu",
		    (unsigned long long)tx);
	return err;
}

enum im_err
engine_checkpoint(struct store *s, const struct record_mark *checkpoint)
{
	enum im_err err;

	engine_sync_log(s);
	err = sync_derived(s, checkpoint->tx);
	if (err != IM_OK)
		return err;
	sync_mark(s);
	err = checkpoint_write(s->vfs, s->dir, checkpoint);
	if (err == IM_OK)
		s->checkpoint_tx = checkpoint->tx;
	return err;
}

void
engine_memtable_flushing(void *ctx)
{
	engine_sync_log((struct store *)ctx);
}

void
engine_memtable_flushed(void *ctx)
{
	struct store *s = (struct store *)ctx;

	pthread_mutex_lock(&s->upkeep_lock);
	pthread_cond_broadcast(&s->upkeep_done);
	pthread_mutex_unlock(&s->upkeep_lock);
}

/* ---- The indexer ---- */

static void
merge_runs(struct store *s)
{
	enum im_err err = IM_OK;
	bool did = true;

	while (err == IM_OK && did)
		err = index_merge(s->index, &did);
	if (err != IM_OK && err != IM_ERR_INTERRUPTED)
		log_warn_limited("database %s: merging the index: %s", s->name, err_detail(err));
}

static void
note_checkpoint(struct store *s, enum im_err before, enum im_err err)
{
	if (err != IM_OK && err != IM_ERR_INTERRUPTED && before == IM_OK)
		log_error("database %s: checkpoint: %s; trying again every %d ms", s->name,
		    err_detail(err), ENGINE_RETRY_MS);
	else if (err == IM_OK && before != IM_OK)
		log_info("database %s: checkpoints are made again", s->name);
}

/* Under upkeep_lock, given back meanwhile. */
static void
make_checkpoint(struct store *s)
{
	struct record_mark checkpoint = s->checkpoint;
	enum im_err before = s->upkeep_err, err;
	struct timespec retry;

	s->checkpoint_wanted = false;
	pthread_mutex_unlock(&s->upkeep_lock);
	err = engine_checkpoint(s, &checkpoint);
	note_checkpoint(s, before, err);
	pthread_mutex_lock(&s->upkeep_lock);
	s->upkeep_err = err;
	if (err == IM_OK)
		s->reached_tx = checkpoint.tx;
	pthread_cond_broadcast(&s->upkeep_done);
	if (s->upkeep_stop)
		return;
	if (err == IM_OK) {
		pthread_mutex_unlock(&s->upkeep_lock);
		merge_runs(s);
		pthread_mutex_lock(&s->upkeep_lock);
		return;
	}
	s->checkpoint_wanted = true;
	retry = after_ms(ENGINE_RETRY_MS);
	pthread_cond_clockwait(&s->indexer_wanted, &s->upkeep_lock, CLOCK_MONOTONIC, &retry);
}

/* Under upkeep_lock, given back meanwhile. */
static void
make_compact(struct store *s)
{
	enum im_err err;

	s->compact_wanted = false;
	pthread_mutex_unlock(&s->upkeep_lock);
	err = index_compact(s->index);
	if (err != IM_OK && err != IM_ERR_INTERRUPTED)
		log_warn("database %s: compacting the index: %s", s->name, err_detail(err));
	pthread_mutex_lock(&s->upkeep_lock);
	s->compact_err = err;
	s->compacting = false;
	pthread_cond_broadcast(&s->upkeep_done);
}

static void *
indexer_main(void *arg)
{
	struct store *s = (struct store *)arg;

	pthread_mutex_lock(&s->upkeep_lock);
	while (!s->upkeep_stop) {
		if (s->checkpoint_wanted)
			make_checkpoint(s);
		else if (s->compact_wanted)
			make_compact(s);
		else
			pthread_cond_wait(&s->indexer_wanted, &s->upkeep_lock);
	}
	pthread_mutex_unlock(&s->upkeep_lock);
	return NULL;
}

/* ---- The syncer ---- */

static void
tick(struct store *s, bool quiet)
{
	engine_sync_log(s);
	if (quiet)
		sync_mark(s);
}

/* Under upkeep_lock, given back meanwhile. Failing is no harm: the committer tries when it must. */
static void
prepare_segment(struct store *s)
{
	enum im_err err;

	s->prepare_wanted = false;
	pthread_mutex_unlock(&s->upkeep_lock);
	err = txlog_prepare(s->log);
	if (err != IM_OK)
		log_warn_limited("database %s: preparing log space: %s", s->name, err_detail(err));
	pthread_mutex_lock(&s->upkeep_lock);
}

static void *
syncer_main(void *arg)
{
	struct store *s = (struct store *)arg;
	uint64_t seen = 0;
	struct timespec at = after_ms(ENGINE_IDLE_SYNC_MS);

	pthread_mutex_lock(&s->upkeep_lock);
	while (!s->upkeep_stop) {
		uint64_t batches = atomic_load(&s->batches);

		if (s->prepare_wanted) {
			prepare_segment(s);
		} else if (batches == seen && !is_log_unsynced(s) && !is_mark_dirty(s)) {
			s->syncer_asleep = true;
			pthread_cond_wait(&s->syncer_wanted, &s->upkeep_lock);
			s->syncer_asleep = false;
			at = after_ms(ENGINE_IDLE_SYNC_MS);
		} else if (pthread_cond_clockwait(
			       &s->syncer_wanted, &s->upkeep_lock, CLOCK_MONOTONIC, &at) != 0) {
			/* Only now anew: being woken for other work does not put it off. */
			pthread_mutex_unlock(&s->upkeep_lock);
			tick(s, batches == atomic_load(&s->batches));
			pthread_mutex_lock(&s->upkeep_lock);
			at = after_ms(ENGINE_IDLE_SYNC_MS);
			seen = batches;
		}
	}
	pthread_mutex_unlock(&s->upkeep_lock);
	return NULL;
}

enum im_err
engine_upkeep_start(struct store *s)
{
	s->prepare_wanted = txlog_wants_next(s->log);
	s->syncer_started = pthread_create(&s->syncer, NULL, syncer_main, s) == 0;
	if (s->syncer_started)
		s->indexer_started = pthread_create(&s->indexer, NULL, indexer_main, s) == 0;
	if (!s->indexer_started)
		return err_set(IM_ERR_NOMEM, "cannot start a thread");
	pthread_setname_np(s->syncer, "syncer");
	pthread_setname_np(s->indexer, "indexer");
	return IM_OK;
}

void
engine_upkeep_stop(struct store *s)
{
	pthread_mutex_lock(&s->upkeep_lock);
	s->upkeep_stop = true;
	pthread_mutex_unlock(&s->upkeep_lock);
	pthread_cond_broadcast(&s->syncer_wanted);
	pthread_cond_broadcast(&s->indexer_wanted);
	pthread_cond_broadcast(&s->upkeep_done);
	if (s->syncer_started)
		pthread_join(s->syncer, NULL);
	if (s->indexer_started)
		pthread_join(s->indexer, NULL);
	s->syncer_started = false;
	s->indexer_started = false;
	s->upkeep_stop = false;
}

/* ---- What is asked for ---- */

enum im_err
store_flush_index(struct store *s)
{
	uint64_t tx = atomic_load_explicit(&s->published, memory_order_acquire), tried;
	enum im_err err = IM_OK;

	if (s->damaged)
		return err_set(IM_ERR_READ_ONLY, "database is read-only: %s", s->damage_text);
	if (tx == 0)
		return IM_OK;
	pthread_mutex_lock(&s->upkeep_lock);
	tried = s->flushes_tried;
	pthread_mutex_unlock(&s->upkeep_lock);
	err = engine_ask_for_flush(s);
	if (err != IM_OK)
		return err;
	pthread_mutex_lock(&s->upkeep_lock);
	while (s->reached_tx < tx && !s->upkeep_stop &&
	    !(s->flushes_tried > tried && s->upkeep_err != IM_OK))
		pthread_cond_wait(&s->upkeep_done, &s->upkeep_lock);
	if (s->reached_tx < tx)
		err = s->upkeep_stop ? IM_ERR_CLOSED : s->upkeep_err;
	pthread_mutex_unlock(&s->upkeep_lock);
	return err;
}

enum im_err
store_compact_index(struct store *s)
{
	enum im_err err = IM_OK;

	pthread_mutex_lock(&s->upkeep_lock);
	if (s->compacting)
		err = err_set(IM_ERR_BUSY, "compact already in progress");
	s->compacting = true;
	pthread_mutex_unlock(&s->upkeep_lock);
	if (err != IM_OK)
		return err;
	err = store_flush_index(s);
	pthread_mutex_lock(&s->upkeep_lock);
	if (err == IM_OK && s->indexer_started) {
		s->compact_wanted = true;
		pthread_cond_signal(&s->indexer_wanted);
		while (s->compacting && !s->upkeep_stop)
			pthread_cond_wait(&s->upkeep_done, &s->upkeep_lock);
		err = s->compacting ? IM_ERR_INTERRUPTED : s->compact_err;
	}
	s->compacting = false;
	pthread_mutex_unlock(&s->upkeep_lock);
	return err;
}
