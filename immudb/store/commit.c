/*
 * The commit path: a queue of prepared transactions, and the committer, who turns what is waiting
 * into a batch, writes it once, syncs it once, publishes it and answers it.
 *
 * The committer is a role, which one thread has at a time. A sync takes long, so a synced store
 * leaves it to a thread of its own. In an unsynced one whoever queues a transaction commits it, and
 * what others queue meanwhile, so that no thread must be woken for it:
 *
 *	free --(claim: something waits)--> caller --(give_back: nothing waits)--> free
 *	caller --(hand_over: it may have to wait, or has done enough for others)--> thread
 *	free --(enqueue: much is held)--> thread --(await_work: nothing waits)--> free
 *
 * Neighbours: prepare.c before, txlog.c, tree.c, offsets.c and index.c below, upkeep.c beside.
 * Invariants:
 *   1. Ids are given out in queue order, without a gap, by the committer only; what is marked as
 *   the
 *      committer's in engine.h is touched only by the thread that has the role, which changes hands
 *      under queue_lock.
 *   2. Nothing of a batch is visible to readers before it is written and (unless unsynced) synced.
 *   3. What can fail for want of memory or space is tried before the id is given out; a failure
 *      after that ends the process, because the disk's content is then unknown.
 *   4. Every queued request is answered exactly once, by the committer. While something waits that
 *   is
 *      not held, somebody has the role.
 *   5. A caller with the role never waits for the disk, and does not touch the store once the role
 *   is
 *      given back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/engine.h"
#include "util/clock.h"
#include "util/log.h"

/* So many batches a caller commits, most of them for others; then the thread goes on. */
#define CALLER_BATCHES_MAX 8u
/* When so many are held, they are worth a thread that works side by side with who prepares more. */
#define HELD_MAX 16u

/* One write in the making. */
struct batch {
	struct store_write *done, **done_tail; /* to be answered */
	size_t ntxs;
	size_t npieces;
	size_t bytes;
	uint64_t pos; /* where its first byte goes */
	uint8_t mark[RECORD_MARK_SIZE];
};

/* ---- The queue ---- */

static void *committer_main(void *arg);
static void commit_as_caller(struct store *s);

/* Under queue_lock. A store that is only read needs no threads. */
static enum im_err
start_threads(struct store *s)
{
	enum im_err err;

	s->pieces = (struct iovec *)calloc(ENGINE_BATCH_PIECES, sizeof *s->pieces);
	s->heads = (uint8_t *)malloc((size_t)ENGINE_BATCH_TXS * RECORD_HEAD_MAX);
	err = s->pieces && s->heads ? engine_upkeep_start(s) : IM_ERR_NOMEM;
	if (err == IM_OK && pthread_create(&s->committer, NULL, committer_main, s) != 0)
		err = err_set(IM_ERR_NOMEM, "cannot start a thread");
	if (err == IM_OK) {
		pthread_setname_np(s->committer, "committer");
		s->role = s->options.unsynced ? COMMIT_FREE : COMMIT_BY_THREAD;
		s->started = true;
		return IM_OK;
	}
	engine_upkeep_stop(s);
	free(s->pieces);
	free(s->heads);
	s->pieces = NULL;
	s->heads = NULL;
	return err;
}

/* Under queue_lock. */
static enum im_err
accept_write(struct store *s, size_t record_len)
{
	if (s->stopping)
		return IM_ERR_CLOSED;
	if (!s->started)
		return start_threads(s);
	if (s->queue_head && s->queue_bytes + record_len > STORE_QUEUE_BYTES_MAX)
		return err_set(IM_ERR_BUSY, "server is busy: too much waits to be written");
	return IM_OK;
}

/* What a caller must do after unlocking queue_lock. */
enum duty { DUTY_NONE, DUTY_WAKE, DUTY_COMMIT };

/* Under queue_lock. The role goes to the thread, which must be woken. */
static enum duty
appoint_thread(struct store *s)
{
	s->role = COMMIT_BY_THREAD;
	s->committer_asleep = false;
	return DUTY_WAKE;
}

/* Under queue_lock. Sees to it that what waits is committed. */
static enum duty
claim(struct store *s)
{
	if (!s->queue_head || s->role == COMMIT_BY_CALLER)
		return DUTY_NONE;
	if (s->role == COMMIT_BY_THREAD)
		return s->committer_asleep ? appoint_thread(s) : DUTY_NONE;
	s->role = COMMIT_BY_CALLER;
	return DUTY_COMMIT;
}

/* Under queue_lock, by the committer. False when nothing waits. */
static bool
take_queue(struct store *s)
{
	if (s->taken || !s->queue_head)
		return s->taken != NULL;
	s->taken = s->queue_head;
	s->queue_head = NULL;
	s->queue_tail = &s->queue_head;
	s->queue_bytes = 0;
	s->queue_count = 0;
	return true;
}

static void
do_duty(struct store *s, enum duty duty)
{
	if (duty == DUTY_WAKE)
		pthread_cond_signal(&s->queue_filled);
	else if (duty == DUTY_COMMIT)
		commit_as_caller(s);
}

void
store_wake(struct store *s)
{
	enum duty duty;

	pthread_mutex_lock(&s->queue_lock);
	duty = claim(s);
	pthread_mutex_unlock(&s->queue_lock);
	do_duty(s, duty);
}

static enum im_err
enqueue(struct store *s, struct store_write *w)
{
	enum duty duty = DUTY_NONE;
	enum im_err err;

	w->next = NULL;
	pthread_mutex_lock(&s->queue_lock);
	err = accept_write(s, w->prepared->record_len);
	if (err == IM_OK) {
		*s->queue_tail = w;
		s->queue_tail = &w->next;
		s->queue_bytes += w->prepared->record_len;
		s->queue_count++;
		if (!w->held)
			duty = claim(s);
		else if (s->role == COMMIT_FREE && s->queue_count >= HELD_MAX)
			duty = appoint_thread(s);
	}
	pthread_mutex_unlock(&s->queue_lock);
	do_duty(s, duty);
	return err;
}

/* In the thread: waits until there is something to do for it; false when the store stops. */
static bool
await_work(struct store *s)
{
	bool work;

	pthread_mutex_lock(&s->queue_lock);
	while (s->role != COMMIT_BY_THREAD || !(take_queue(s) || s->handed_over)) {
		if (s->stopping && s->role != COMMIT_BY_CALLER) {
			if (!s->queue_head)
				break;
			s->role = COMMIT_BY_THREAD;
			continue;
		}
		if (s->role == COMMIT_BY_THREAD && s->options.unsynced)
			s->role = COMMIT_FREE;
		s->committer_asleep = true;
		pthread_cond_wait(&s->queue_filled, &s->queue_lock);
		s->committer_asleep = false;
	}
	work = s->taken || s->handed_over;
	s->handed_over = false;
	pthread_mutex_unlock(&s->queue_lock);
	return work;
}

enum im_err
store_write(struct store *s, struct store_write *w)
{
	enum im_err err;

	if (s->damaged)
		return err_set(IM_ERR_READ_ONLY, "database is read-only: %s", s->damage_text);
	err = engine_prepare(s, w);
	return err == IM_OK ? enqueue(s, w) : err;
}

/* ---- Publishing and answering ---- */

void
engine_publish(struct store *s, uint64_t tx, const struct hash *alh)
{
	/*
	 * Both under the lock: a state that was handed out can be read as of, and the state asked
	 * for after something new was read is as new.
	 */
	pthread_mutex_lock(&s->state_lock);
	atomic_store_explicit(&s->published, tx, memory_order_release);
	s->state = (struct store_state){tx, *alh};
	pthread_mutex_unlock(&s->state_lock);
}

void
engine_fatal(struct store *s, enum im_err err)
{
	if (s->options.fatal)
		s->options.fatal(s->options.ctx, err_detail(err));
	log_error(
	    "database %s: the log cannot be made durable, ending: %s", s->name, err_detail(err));
	_exit(IM_EXIT_ERROR);
}

static void
batch_add_answer(struct batch *b, struct store_write *w)
{
	w->err = IM_OK;
	w->next = NULL;
	*b->done_tail = w;
	b->done_tail = &w->next;
}

static void
answer_all(struct store *s, struct store_write *list)
{
	struct store_write *next;

	if (s->options.answers_begin)
		s->options.answers_begin(s->options.ctx);
	for (; list; list = next) {
		next = list->next;
		list->done(list);
	}
	if (s->options.answers_end)
		s->options.answers_end(s->options.ctx);
}

/* ---- Room ---- */

static void
note_space(struct store *s, enum im_err err)
{
	bool none = err == IM_ERR_NO_SPACE;

	if (atomic_exchange(&s->no_space, none) == none)
		return;
	if (none)
		log_error("database %s: writes are refused until there is space: %s", s->name,
		    err_detail(err));
	else
		log_info("database %s: there is space again, writes go on", s->name);
}

/* Makes sure that the log has room for one more record of the given length behind a mark. */
static enum im_err
make_room(struct store *s, size_t record_len)
{
	size_t need = RECORD_MARK_SIZE + record_len;
	enum im_err err;

	if (txlog_room(s->log) >= need)
		return IM_OK;
	err = txlog_next_segment(s->log, need);
	if (err == IM_ERR_IO)
		engine_fatal(s, err);
	note_space(s, err);
	return err;
}

/* Memory and, for derived files, disk space for one more transaction. */
static enum im_err
reserve(struct store *s, const struct store_write *w)
{
	size_t key_bytes = s->fresh_key_bytes;
	enum im_err err;

	for (size_t i = 0; i < w->prepared->nindex; i++)
		key_bytes += w->prepared->index[i].key.len;
	err = index_reserve(s->index, s->nfresh + w->prepared->nindex, key_bytes);
	if (err == IM_OK)
		err = tree_reserve(s->tree, 1);
	if (err == IM_OK)
		err = offsets_reserve(s->offsets, 1);
	return err;
}

/* ---- Building a batch ---- */

static void
batch_begin(struct store *s, struct batch *b)
{
	struct record_mark durable;

	*b = (struct batch){.pos = txlog_end(s->log)};
	b->done_tail = &b->done;
	pthread_mutex_lock(&s->durable_lock);
	durable = s->durable;
	pthread_mutex_unlock(&s->durable_lock);
	record_mark_put(b->mark, &durable, txlog_salt(s->log));
	s->pieces[b->npieces++] = (struct iovec){b->mark, RECORD_MARK_SIZE};
	b->bytes = RECORD_MARK_SIZE;
}

static bool
batch_fits(const struct store *s, const struct batch *b, const struct store_write *w)
{
	size_t bytes = b->bytes + w->prepared->record_len;

	/* Left to the thread, which may wait. */
	if (w->prepared->cold && s->role == COMMIT_BY_CALLER)
		return false;
	if (bytes > txlog_room(s->log) || b->ntxs == ENGINE_BATCH_TXS ||
	    b->npieces + 2 + w->prepared->nvalues > ENGINE_BATCH_PIECES)
		return false;
	return b->ntxs == 0 || bytes <= STORE_BATCH_BYTES_MAX;
}

/*
 * Whether the conditions fail as they do because of transactions that are not yet published: such
 * an answer must wait until those are durable.
 */
static bool
fails_by_unpublished(struct store *s, const struct store_write *w, enum im_err err)
{
	return engine_check_conditions(s, w, atomic_load(&s->published)) != err;
}

static void
fill_header(struct store *s, struct store_write *w)
{
	struct tx_header *h = &w->header;
	int64_t now = engine_now(s);

	memset(h, 0, sizeof *h);
	h->id = s->last_tx + 1;
	h->prev_alh = s->last_alh;
	h->ts = now > s->last_ts ? now : s->last_ts;
	h->version = s->options.header_version;
	h->nentries = (uint32_t)w->nentries;
	if (w->prepared->bound)
		engine_bind(s, w, h->id);
	h->eh = w->prepared->eh;
	h->bl_tx_id = s->last_tx;
	tree_edge_root(s->tree, &h->bl_root);
	tx_header_alh(h, &w->alh);
}

static void
batch_push(struct store *s, struct batch *b, const struct store_write *w)
{
	const struct store_prepared *p = w->prepared;
	uint8_t *head = s->heads + b->ntxs * RECORD_HEAD_MAX;
	struct record_tx r = {.length = (uint32_t)p->record_len,
	    .entries_len = p->section_len,
	    .entries_crc = p->section_crc,
	    .header = w->header};
	size_t head_len = record_tx_put(head, &r, txlog_salt(s->log));

	s->pieces[b->npieces++] = (struct iovec){head, head_len};
	s->pieces[b->npieces++] = (struct iovec){p->section, p->section_len};
	memcpy(s->pieces + b->npieces, p->values, p->nvalues * sizeof *p->values);
	b->npieces += p->nvalues;
	b->bytes += p->record_len;
	b->ntxs++;
}

static void
index_add_now(struct store *s, const struct index_entry *entries, size_t n)
{
	enum im_err err = index_insert(s->index, entries, n);

	if (err != IM_OK)
		engine_fatal(s, err_set(IM_ERR_INTERNAL, "index: %s", err_detail(err)));
}

/* The index has all of the batch so far. */
static void
index_catch_up(struct store *s)
{
	if (s->nfresh > 0)
		index_add_now(s, s->fresh, s->nfresh);
	s->nfresh = 0;
	s->fresh_key_bytes = 0;
}

/* Many entries at once cost the index less than as many one by one. */
static void
index_add(struct store *s, const struct store_write *w, uint64_t section_pos)
{
	struct store_prepared *p = w->prepared;

	for (size_t i = 0; i < p->nindex; i++) {
		p->index[i].tx = w->header.id;
		p->index[i].pos += section_pos;
	}
	if (s->nfresh + p->nindex > ENGINE_FRESH_ENTRIES)
		index_catch_up(s);
	if (p->nindex > ENGINE_FRESH_ENTRIES) {
		index_add_now(s, p->index, p->nindex);
		return;
	}
	for (size_t i = 0; i < p->nindex; i++) {
		s->fresh[s->nfresh++] = p->index[i];
		s->fresh_key_bytes += p->index[i].key.len;
	}
}

/*
 * Takes one transaction into the batch: its id, its place, its traces in tree, offsets and index.
 * On failure nothing of it is left anywhere.
 */
static enum im_err
batch_take(struct store *s, struct batch *b, struct store_write *w)
{
	uint64_t pos = b->pos + b->bytes;
	enum im_err err = IM_OK;

	if (w->nconditions && s->last_tx != w->prepared->snapshot) {
		index_catch_up(s);
		err = engine_check_conditions(s, w, UINT64_MAX);
	}
	if (err == IM_OK)
		err = reserve(s, w);
	if (err != IM_OK)
		return err;
	fill_header(s, w);
	header_cache_put(&s->headers, &w->header);
	tree_append(s->tree, &w->alh);
	offsets_append(s->offsets, pos);
	index_add(s, w, pos + RECORD_TX_FIXED + w->header.md_len);
	batch_push(s, b, w);
	s->last_tx = w->header.id;
	s->last_alh = w->alh;
	s->last_ts = w->header.ts;
	s->checkpoint_entries += w->nentries;
	return IM_OK;
}

/* ---- Committing a batch ---- */

static void
raise_marks(struct store *s, const struct record_mark *end)
{
	pthread_mutex_lock(&s->durable_lock);
	s->written = *end;
	if (!s->options.unsynced) {
		enum im_err err;

		s->durable = *end;
		err = mark_file_write(&s->mark, end);
		s->mark_dirty = err == IM_OK;
		if (err != IM_OK)
			log_warn_limited("database %s: durable mark: %s", s->name, err_detail(err));
	}
	pthread_mutex_unlock(&s->durable_lock);
}

static void
batch_write(struct store *s, struct batch *b)
{
	int64_t began_ns = clock_monotonic_ns();
	struct record_mark end;
	uint64_t pos;
	enum im_err err = txlog_append(s->log, s->pieces, b->npieces, b->bytes, &pos);

	if (err == IM_OK && !s->options.unsynced)
		err = engine_sync(s);
	if (err != IM_OK)
		engine_fatal(s, err);
	metric_observe(s->metrics.commit_seconds, (double)(clock_monotonic_ns() - began_ns) / 1e9);
	metric_observe(s->metrics.commit_txs, (double)b->ntxs);
	atomic_fetch_add_explicit(&s->batches, 1, memory_order_relaxed);
	s->checkpoint_bytes += b->bytes;
	end = (struct record_mark){s->last_tx, txlog_end(s->log), s->last_alh};
	raise_marks(s, &end);
	engine_publish(s, s->last_tx, &s->last_alh);
}

/*
 * Under upkeep_lock: freezes the memtable; waits while a slow disk is still busy with older ones.
 */
static enum im_err
freeze(struct store *s)
{
	enum im_err err;

	while ((err = index_freeze(s->index, s->last_tx)) == IM_ERR_BUSY &&
	    s->upkeep_err == IM_OK && !s->upkeep_stop)
		pthread_cond_wait(&s->upkeep_done, &s->upkeep_lock);
	return err;
}

static void
wake_syncer(struct store *s)
{
	bool prepare = txlog_wants_next(s->log), wake;

	pthread_mutex_lock(&s->upkeep_lock);
	s->prepare_wanted |= prepare;
	wake = s->syncer_asleep || prepare;
	pthread_mutex_unlock(&s->upkeep_lock);
	if (wake)
		pthread_cond_signal(&s->syncer_wanted);
}

/* Whether so much has come together that a checkpoint is to be made. */
static bool
is_checkpoint_due(struct store *s)
{
	return s->checkpoint_bytes >= ENGINE_CHECKPOINT_BYTES ||
	    s->checkpoint_entries >= s->options.checkpoint_entries ||
	    index_should_freeze(s->index) || atomic_load(&s->flush_wanted);
}

/* Has a checkpoint made when it is time; may wait for those under way. */
static void
ask_for_checkpoint(struct store *s)
{
	if (!is_checkpoint_due(s))
		return;
	pthread_mutex_lock(&s->upkeep_lock);
	if (atomic_exchange(&s->flush_wanted, false))
		s->flushes_tried++;
	if (freeze(s) == IM_OK) {
		s->checkpoint = (struct record_mark){s->last_tx, txlog_end(s->log), s->last_alh};
		s->checkpoint_wanted = true;
		s->checkpoint_bytes = 0;
		s->checkpoint_entries = 0;
		pthread_cond_signal(&s->indexer_wanted);
	}
	pthread_cond_broadcast(&s->upkeep_done);
	pthread_mutex_unlock(&s->upkeep_lock);
}

/* Derived data that cannot be written must not fill the memory: refuse until it can. */
static enum im_err
check_backlog(struct store *s)
{
	enum im_err err;

	if (s->checkpoint_entries < ENGINE_BACKLOG * s->options.checkpoint_entries &&
	    s->checkpoint_bytes < ENGINE_BACKLOG * ENGINE_CHECKPOINT_BYTES)
		return IM_OK;
	pthread_mutex_lock(&s->upkeep_lock);
	err = s->upkeep_err;
	pthread_mutex_unlock(&s->upkeep_lock);
	return err;
}

static void
answer_failed(struct store *s, struct store_write *w, enum im_err err)
{
	w->err = err;
	w->next = NULL;
	answer_all(s, w);
}

/* Commits as many of those taken as fit one batch. */
static void
commit_batch(struct store *s)
{
	struct store_write *list = s->taken, *next;
	enum im_err err = check_backlog(s);
	struct batch b;

	if (err == IM_OK)
		err = make_room(s, list->prepared->record_len);
	if (err != IM_OK) {
		s->taken = list->next;
		answer_failed(s, list, err);
		return;
	}
	batch_begin(s, &b);
	for (; list && batch_fits(s, &b, list); list = next) {
		next = list->next;
		err = batch_take(s, &b, list);
		if (engine_is_refusal(err) && b.ntxs && fails_by_unpublished(s, list, err))
			break;
		if (err == IM_OK)
			batch_add_answer(&b, list);
		else
			answer_failed(s, list, err);
	}
	s->taken = list;
	if (b.ntxs) {
		index_catch_up(s);
		batch_write(s, &b);
		answer_all(s, b.done);
		wake_syncer(s);
	}
}

/* ---- The committer ---- */

/* The caller gives the role to the thread. */
static void
hand_over(struct store *s)
{
	pthread_mutex_lock(&s->queue_lock);
	s->handed_over = true;
	appoint_thread(s);
	pthread_cond_signal(&s->queue_filled);
	pthread_mutex_unlock(&s->queue_lock);
}

enum im_err
engine_ask_for_flush(struct store *s)
{
	enum im_err err = IM_OK;

	pthread_mutex_lock(&s->queue_lock);
	if (s->stopping)
		err = IM_ERR_CLOSED;
	else if (!s->started)
		err = start_threads(s);
	if (err == IM_OK) {
		atomic_store(&s->flush_wanted, true);
		/* Who commits as a caller looks for it before he gives the role back. */
		if (s->role != COMMIT_BY_CALLER) {
			s->handed_over = true;
			appoint_thread(s);
			pthread_cond_signal(&s->queue_filled);
		}
	}
	pthread_mutex_unlock(&s->queue_lock);
	return err;
}

/* The caller gives the role back; false when more has come, and it cannot. */
static bool
give_back(struct store *s)
{
	bool more;

	pthread_mutex_lock(&s->queue_lock);
	more = take_queue(s) || atomic_load(&s->flush_wanted);
	if (!more) {
		s->role = COMMIT_FREE;
		if (s->stopping)
			pthread_cond_signal(&s->queue_filled);
	}
	pthread_mutex_unlock(&s->queue_lock);
	return !more;
}

/*
 * Whether the next thing to do may have to wait for the disk. What conditions read was read a
 * moment ago, when they were evaluated ahead, or they are known to be cold.
 */
static bool
may_wait(struct store *s)
{
	const struct store_prepared *next = s->taken ? s->taken->prepared : NULL;

	return is_checkpoint_due(s) ||
	    (next && (next->cold || txlog_room(s->log) < RECORD_MARK_SIZE + next->record_len));
}

/* In the caller's thread, which has the role. */
static void
commit_as_caller(struct store *s)
{
	unsigned batches = 0;

	do {
		while (s->taken && batches++ < CALLER_BATCHES_MAX && !may_wait(s))
			commit_batch(s);
		if (s->taken || may_wait(s)) {
			hand_over(s);
			return;
		}
	} while (!give_back(s));
}

static void *
committer_main(void *arg)
{
	struct store *s = (struct store *)arg;

	while (await_work(s)) {
		ask_for_checkpoint(s);
		while (s->taken) {
			commit_batch(s);
			ask_for_checkpoint(s);
		}
	}
	return NULL;
}

void
engine_commit_stop(struct store *s)
{
	pthread_mutex_lock(&s->queue_lock);
	s->stopping = true;
	pthread_mutex_unlock(&s->queue_lock);
	if (s->started) {
		pthread_cond_signal(&s->queue_filled);
		pthread_join(s->committer, NULL);
		s->started = false;
	}
	free(s->pieces);
	free(s->heads);
	s->pieces = NULL;
	s->heads = NULL;
}

/* ---- Waiting for an answer ---- */

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool answered;
	char detail[256];
};

static void
wake_waiter(struct store_write *w)
{
	struct waiter *waiter = (struct waiter *)w->ctx;

	pthread_mutex_lock(&waiter->lock);
	snprintf(waiter->detail, sizeof waiter->detail, "%s", err_detail(w->err));
	waiter->answered = true;
	pthread_cond_signal(&waiter->cond);
	pthread_mutex_unlock(&waiter->lock);
}

enum im_err
store_write_wait(struct store *s, struct store_write *w)
{
	struct waiter waiter = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, ""};
	enum im_err err;

	w->done = wake_waiter;
	w->ctx = &waiter;
	w->held = false;
	err = store_write(s, w);
	if (err != IM_OK)
		return err;
	pthread_mutex_lock(&waiter.lock);
	while (!waiter.answered)
		pthread_cond_wait(&waiter.cond, &waiter.lock);
	pthread_mutex_unlock(&waiter.lock);
	pthread_mutex_destroy(&waiter.lock);
	pthread_cond_destroy(&waiter.cond);
	return w->err == IM_OK ? IM_OK : err_set(w->err, "%s", waiter.detail);
}
