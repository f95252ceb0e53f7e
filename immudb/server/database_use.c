/*
 * Which databases are open: requests enter and leave them, and those that are closed are opened for
 * them, here. dispatch.c enters and leaves; databases.c and database_admin.c are above.
 *
 *            request              room                  opened
 *   IDLE ----------------> WANTED ------------> OPENING ---------> OPEN     database_enter(),
 *    ^                       ^                     |                |       databases_schedule(),
 *    |                       |                     | failed         |       database_open_job()
 *    |                       |                     v                |
 *    |   request came        |                  IDLE, BROKEN        | room is needed, or idle
 *    +------------------ CLOSING <----------------------------------+
 *    database_close_if_unused(),
 *                                                                           database_close_job()
 *            unload                 drained              closed
 *   OPEN ----------------> UNLOADING -----------> CLOSING ---------> UNLOADED     database_unload()
 *   IDLE, WANTED, BROKEN --------------------------------------> UNLOADED
 *
 *   UNLOADED, BROKEN --> WANTED   database_load();   UNLOADED --> GONE   database_delete()
 *
 * Invariants:
 * 1. uses counts the requests in its upper half and the threads that hold the store in its lower
 *    one. USES_SHUT says that nobody may enter; it is clear only while the database is OPEN. The
 *    store is closed only when uses is USES_SHUT alone: then nobody can come any more.
 * 2. Who finds USES_SHUT takes the mutex to see why. Who brings uses down to nothing looks whether
 *    somebody waits for that: he subtracts, then reads wanted; who waits raises wanted, then reads
 *    uses. So one of the two sees the other.
 * 3. Nobody is called back under the mutex.
 */
#include <stdio.h>
#include <time.h>

#include "server/databases_private.h"
#include "util/clock.h"
#include "util/log.h"

#define USES_SHUT (UINT64_C(1) << 63)
#define USES_REQUEST (UINT64_C(1) << 32)
#define USES_HOLD UINT64_C(1)

#define DATABASES_OPENERS 2
#define DATABASES_SWEEP_MS_MAX 15000

/* ---- Entering and leaving ---- */

/* Adds to uses unless it is shut. A store that was put there before is seen. */
static bool
uses_add(struct database *db, uint64_t n)
{
	uint64_t uses = atomic_load_explicit(&db->uses, memory_order_relaxed);

	while (!(uses & USES_SHUT))
		if (atomic_compare_exchange_weak(&db->uses, &uses, uses + n))
			return true;
	return false;
}

static void databases_schedule(struct databases *d);
static void database_drained(struct database *db);

static void
uses_subtract(struct database *db, uint64_t n)
{
	uint64_t left = atomic_fetch_sub(&db->uses, n) - n;
	struct databases *d = db->owner;

	/* Invariant 2. */
	if (left != USES_SHUT && (left != 0 || atomic_load(&d->wanted) == 0))
		return;
	pthread_mutex_lock(&d->mutex);
	database_drained(db);
	databases_schedule(d);
	pthread_mutex_unlock(&d->mutex);
}

void
database_leave(struct database *db)
{
	uses_subtract(db, USES_REQUEST);
}

void
database_hold(struct database *db)
{
	atomic_fetch_add_explicit(&db->uses, USES_HOLD, memory_order_relaxed);
}

void
database_release(struct database *db)
{
	uses_subtract(db, USES_HOLD);
}

bool
database_try_hold(struct database *db)
{
	return uses_add(db, USES_HOLD);
}

uint32_t
database_pending(const struct database *db)
{
	return (
	    uint32_t)((atomic_load_explicit(&db->uses, memory_order_relaxed) & ~USES_SHUT) >> 32);
}

/* ---- Jobs ---- */

/* What was counted before the store was opened this time. */
static void
stats_add_counters(struct store_stats *stats, const struct store_stats *before)
{
	stats->batches += before->batches;
	stats->syncs += before->syncs;
	stats->damaged_values += before->damaged_values;
	for (size_t i = 0; i < STORE_CACHES; i++) {
		stats->cache_hits[i] += before->cache_hits[i];
		stats->cache_misses[i] += before->cache_misses[i];
	}
}

/*
 * Every function from here to the jobs runs under the mutex. Nothing happens to the store any more.
 */
static void
database_start_close(struct database *db)
{
	struct databases *d = db->owner;
	struct store_stats before = db->last;

	store_stats(db->store, &db->last);
	stats_add_counters(&db->last, &before);
	db->state = DATABASE_CLOSING;
	d->closing++;
	/* The pool is stopped only after stopping was set, and then nothing is started. */
	(void)workers_submit_always(d->openers, &db->job);
}

static bool
database_close_if_unused(struct database *db)
{
	uint64_t none = 0;

	if (db->state != DATABASE_OPEN || db->is_kept ||
	    !atomic_compare_exchange_strong(&db->uses, &none, USES_SHUT))
		return false;
	database_start_close(db);
	return true;
}

/* One that is being unloaded is closed when the last has left. */
static void
database_drained(struct database *db)
{
	if (db->state == DATABASE_UNLOADING && !db->owner->stopping &&
	    atomic_load(&db->uses) == USES_SHUT)
		database_start_close(db);
}

static int64_t
database_used_ns(const struct database *db)
{
	int64_t completed_ns = atomic_load_explicit(&db->completed_ns, memory_order_relaxed);

	return completed_ns > db->opened_ns ? completed_ns : db->opened_ns;
}

/* Closes the unused one that was used least recently; false when all are busy. */
static bool
databases_close_one(struct databases *d)
{
	struct database *db = NULL, *oldest = NULL;

	while ((db = databases_next(d, db)) != NULL)
		if (db->state == DATABASE_OPEN && !db->is_kept && atomic_load(&db->uses) == 0 &&
		    (!oldest || database_used_ns(db) < database_used_ns(oldest)))
			oldest = db;
	return oldest && database_close_if_unused(oldest);
}

/* Has opened what is wanted, as far as there is room, and makes room. */
static void
databases_schedule(struct databases *d)
{
	while (d->wanted_head && !d->stopping && d->open < d->options.max_open) {
		struct database *db = d->wanted_head;

		d->wanted_head = db->next_wanted;
		if (!d->wanted_head)
			d->wanted_tail = &d->wanted_head;
		atomic_fetch_sub(&d->wanted, 1);
		db->state = DATABASE_OPENING;
		d->open++;
		(void)workers_submit_always(d->openers, &db->job);
	}
	while (!d->stopping &&
	    (d->closing < atomic_load(&d->wanted) || d->open - d->closing > d->options.max_open) &&
	    databases_close_one(d))
		;
}

static void
database_want(struct database *db)
{
	struct databases *d = db->owner;

	db->state = DATABASE_WANTED;
	db->next_wanted = NULL;
	*d->wanted_tail = db;
	d->wanted_tail = &db->next_wanted;
	atomic_fetch_add(&d->wanted, 1);
	databases_schedule(d);
}

static void
database_unwant(struct database *db)
{
	struct databases *d = db->owner;
	struct database **link = &d->wanted_head;

	while (*link != db)
		link = &(*link)->next_wanted;
	*link = db->next_wanted;
	if (!*link)
		d->wanted_tail = link;
	atomic_fetch_sub(&d->wanted, 1);
}

/* ---- Who waits ---- */

static struct database_wait *
database_take_waiting(struct database *db)
{
	struct database_wait *list = NULL;

	/* Oldest first. */
	while (db->waiting) {
		struct database_wait *w = db->waiting;

		db->waiting = w->next;
		w->next = list;
		list = w;
		db->owner->parked--;
	}
	return list;
}

static struct database_wait *
database_take_unloading(struct database *db)
{
	struct database_wait *list = db->unloading;

	db->unloading = NULL;
	return list;
}

/* Not under the mutex. */
static void
waits_answer(struct database_wait *list, enum im_err err, const char *text)
{
	while (list) {
		struct database_wait *w = list;

		list = w->next;
		if (err != IM_OK)
			err_set(err, "%s", text);
		w->ready(w, err);
	}
}

static enum im_err
database_park(struct database *db, struct database_wait *w, bool enters)
{
	if (db->owner->stopping)
		return IM_ERR_SHUTDOWN;
	if (db->owner->parked >= DATABASES_PARKED_MAX)
		return IM_ERR_BUSY;
	w->enters = enters;
	w->next = db->waiting;
	db->waiting = w;
	db->owner->parked++;
	return IM_ERR_WOULD_BLOCK;
}

static enum im_err
database_not_loaded(const struct database *db)
{
	return err_set(
	    IM_ERR_DATABASE_NOT_LOADED, "%s: %s", err_text(IM_ERR_DATABASE_NOT_LOADED), db->name);
}

enum im_err
database_may_go_on(const struct database *db)
{
	return atomic_load_explicit(&db->uses, memory_order_relaxed) & USES_SHUT
	    ? database_not_loaded(db)
	    : IM_OK;
}

static enum im_err
database_not_found(const struct database *db)
{
	return err_set(IM_ERR_DATABASE_NOT_FOUND, "%s does not exist", db->name);
}

/* ---- Opening and closing ---- */

/* What may be better next time is tried then; damage is not. */
static void
database_failed(struct database *db, enum im_err err, const char *text)
{
	bool broken = err == IM_ERR_CORRUPT || err == IM_ERR_VERSION || err == IM_ERR_CONFIG;

	db->state = broken ? DATABASE_BROKEN : DATABASE_IDLE;
	db->broken = err;
	snprintf(db->broken_text, sizeof db->broken_text, "%s", text);
}

/* Nobody waits any more: requests may enter, unless it was to be unloaded meanwhile. */
static void
database_let_in(struct database *db)
{
	db->opened_ns = clock_monotonic_ns();
	db->state = db->unload ? DATABASE_UNLOADING : DATABASE_OPEN;
	if (!db->unload)
		atomic_fetch_and(&db->uses, ~USES_SHUT);
}

/*
 * Lets the requests that wait begin, in the order they came. Others wait behind them meanwhile, so
 * that none overtakes. The mutex is given back in between.
 */
static void
database_begin_waiting(struct database *db)
{
	struct databases *d = db->owner;
	struct database_wait *list, *w;

	while ((list = database_take_waiting(db)) != NULL) {
		for (w = list; w; w = w->next)
			if (w->enters)
				atomic_fetch_add(&db->uses, USES_REQUEST);
		pthread_mutex_unlock(&d->mutex);
		waits_answer(list, IM_OK, NULL);
		pthread_mutex_lock(&d->mutex);
	}
}

static void
database_show_store(struct database *db, struct store *store)
{
	struct databases *d = db->owner;
	void (*observe)(void *ctx, const char *name, struct store *store);

	pthread_mutex_lock(&d->mutex);
	observe = d->observe;
	pthread_mutex_unlock(&d->mutex);
	if (observe)
		observe(d->observe_ctx, db->name, store);
}

void
database_put_open(struct database *db, struct store *store)
{
	struct databases *d = db->owner;

	database_show_store(db, store);
	pthread_mutex_lock(&d->mutex);
	db->store = store;
	d->open++;
	database_let_in(db);
	databases_schedule(d);
	pthread_mutex_unlock(&d->mutex);
}

void
database_put_broken(struct database *db, enum im_err err)
{
	pthread_mutex_lock(&db->owner->mutex);
	database_failed(db, err, err_detail(err));
	pthread_mutex_unlock(&db->owner->mutex);
}

static void
database_open_job(struct database *db)
{
	struct databases *d = db->owner;
	struct database_wait *waiting = NULL, *unloading = NULL;
	struct store *store = NULL;
	enum im_err err = databases_store_open(db, false, &store);
	char text[sizeof db->broken_text];

	snprintf(text, sizeof text, "%s", err == IM_OK ? "" : err_detail(err));
	if (err != IM_OK)
		log_error("database %s cannot be opened: %s", db->name, text);
	else
		database_show_store(db, store);
	pthread_mutex_lock(&d->mutex);
	if (err == IM_OK) {
		db->store = store;
		database_begin_waiting(db);
		database_let_in(db);
		database_drained(db);
	} else {
		database_failed(db, err, text);
		d->open--;
		waiting = database_take_waiting(db);
		unloading = database_take_unloading(db);
		if (db->unload)
			db->state = DATABASE_UNLOADED;
	}
	databases_schedule(d);
	pthread_mutex_unlock(&d->mutex);
	waits_answer(waiting, err, text);
	waits_answer(unloading, IM_OK, NULL);
}

static void
database_close_job(struct database *db)
{
	struct databases *d = db->owner;
	struct database_wait *waiting = NULL, *unloading = NULL;
	char text[sizeof db->broken_text];

	store_close(db->store);
	pthread_mutex_lock(&d->mutex);
	db->store = NULL;
	d->open--;
	d->closing--;
	db->state = db->unload ? DATABASE_UNLOADED : DATABASE_IDLE;
	if (db->unload) {
		waiting = database_take_waiting(db);
		unloading = database_take_unloading(db);
	} else if (db->waiting) {
		database_want(db);
	}
	databases_schedule(d);
	pthread_mutex_unlock(&d->mutex);
	snprintf(text, sizeof text, "%s: %s", err_text(IM_ERR_DATABASE_NOT_LOADED), db->name);
	waits_answer(waiting, IM_ERR_DATABASE_NOT_LOADED, text);
	waits_answer(unloading, IM_OK, NULL);
}

static void
database_run_job(struct job *job)
{
	struct database *db = (struct database *)job;
	struct databases *d = db->owner;
	bool opens;

	pthread_mutex_lock(&d->mutex);
	opens = db->state == DATABASE_OPENING;
	pthread_mutex_unlock(&d->mutex);
	err_clear();
	if (opens)
		database_open_job(db);
	else
		database_close_job(db);
}

/* ---- What is asked ---- */

/* Under the mutex. */
static enum im_err
database_enter_shut(struct database *db, struct database_wait *w)
{
	enum im_err err;

	switch (db->state) {
	case DATABASE_OPEN:
		/* It was opened meanwhile, and is shut under the mutex only. */
		(void)uses_add(db, USES_REQUEST);
		return IM_OK;
	case DATABASE_UNLOADING:
	case DATABASE_UNLOADED:
		return database_not_loaded(db);
	case DATABASE_GONE:
		return database_not_found(db);
	case DATABASE_BROKEN:
		return err_set(db->broken, "%s", db->broken_text);
	default:
		break;
	}
	if (db->unload)
		return database_not_loaded(db);
	err = database_park(db, w, true);
	if (err == IM_ERR_WOULD_BLOCK && db->state == DATABASE_IDLE)
		database_want(db);
	return err;
}

enum im_err
database_enter(struct database *db, struct database_wait *w)
{
	enum im_err err;

	if (uses_add(db, USES_REQUEST))
		return IM_OK;
	pthread_mutex_lock(&db->owner->mutex);
	err = database_enter_shut(db, w);
	pthread_mutex_unlock(&db->owner->mutex);
	return err;
}

enum im_err
database_load(struct database *db, struct database_wait *w)
{
	enum im_err err;

	pthread_mutex_lock(&db->owner->mutex);
	if (db->state == DATABASE_GONE) {
		err = database_not_found(db);
	} else if (db->state != DATABASE_UNLOADED && db->state != DATABASE_BROKEN) {
		err = err_set(IM_ERR_DATABASE_LOADED, "database already loaded");
	} else {
		err = database_park(db, w, false);
		if (err == IM_ERR_WOULD_BLOCK) {
			db->unload = false;
			database_want(db);
		}
	}
	pthread_mutex_unlock(&db->owner->mutex);
	return err == IM_ERR_WOULD_BLOCK ? IM_OK : err;
}

/* Under the mutex. *refused are those who waited for it to be opened. */
static enum im_err
database_unload_locked(struct database *db, struct database_wait **refused)
{
	switch (db->state) {
	case DATABASE_GONE:
		return database_not_found(db);
	case DATABASE_UNLOADED:
		return database_not_loaded(db);
	case DATABASE_WANTED:
		database_unwant(db);
		*refused = database_take_waiting(db);
		db->state = DATABASE_UNLOADED;
		break;
	case DATABASE_IDLE:
	case DATABASE_BROKEN:
		db->state = DATABASE_UNLOADED;
		break;
	case DATABASE_OPEN:
		atomic_fetch_or(&db->uses, USES_SHUT);
		db->state = DATABASE_UNLOADING;
		db->unload = true;
		database_drained(db);
		return IM_ERR_WOULD_BLOCK;
	default:
		db->unload = true;
		return IM_ERR_WOULD_BLOCK;
	}
	db->unload = true;
	return IM_OK;
}

enum im_err
database_unload(struct database *db, struct database_wait *w)
{
	struct database_wait *refused = NULL;
	char text[sizeof db->broken_text];
	enum im_err err;

	if (db->is_kept)
		return err_set(IM_ERR_DATABASE_RESERVED, "%s stays loaded", db->name);
	pthread_mutex_lock(&db->owner->mutex);
	err = db->owner->stopping ? IM_ERR_SHUTDOWN : database_unload_locked(db, &refused);
	if (err == IM_ERR_WOULD_BLOCK) {
		w->next = db->unloading;
		db->unloading = w;
	}
	pthread_mutex_unlock(&db->owner->mutex);
	snprintf(text, sizeof text, "%s: %s", err_text(IM_ERR_DATABASE_NOT_LOADED), db->name);
	if (refused)
		waits_answer(refused, IM_ERR_DATABASE_NOT_LOADED, text);
	return err;
}

void
database_info(struct database *db, struct database_info *out)
{
	struct databases *d = db->owner;
	struct store_stats last;

	pthread_mutex_lock(&d->mutex);
	out->state = db->state;
	out->is_claimed = db->claims > 0;
	out->settings = db->settings;
	last = out->stats = db->last;
	/* Under the mutex nobody begins to close it, so that it may be held though it is shut. */
	out->is_open = db->store && db->state != DATABASE_CLOSING;
	if (out->is_open)
		database_hold(db);
	pthread_mutex_unlock(&d->mutex);
	out->is_loaded = out->state != DATABASE_UNLOADING && out->state != DATABASE_UNLOADED &&
	    out->state != DATABASE_BROKEN && out->state != DATABASE_GONE;
	if (!out->is_open)
		return;
	store_stats(db->store, &out->stats);
	stats_add_counters(&out->stats, &last);
	database_release(db);
}

/* ---- Waiting, and replacing what is in it ---- */

struct sleeper {
	struct database_wait wait; /* first */
	pthread_mutex_t mutex;
	pthread_cond_t woken;
	bool is_over;
	enum im_err err;
	char text[256];
};

static void
sleeper_wake(struct database_wait *w, enum im_err err)
{
	struct sleeper *s = (struct sleeper *)w;

	pthread_mutex_lock(&s->mutex);
	s->is_over = true;
	s->err = err;
	snprintf(s->text, sizeof s->text, "%s", err == IM_OK ? "" : err_detail(err));
	pthread_cond_signal(&s->woken);
	pthread_mutex_unlock(&s->mutex);
}

static void
sleeper_init(struct sleeper *s)
{
	*s = (struct sleeper){.wait = {.ready = sleeper_wake}};
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->woken, NULL);
}

/* Goes to sleep if err says that it will be woken, and gives what came of it. */
static enum im_err
sleeper_sleep(struct sleeper *s, enum im_err err)
{
	if (err == IM_ERR_WOULD_BLOCK) {
		pthread_mutex_lock(&s->mutex);
		while (!s->is_over)
			pthread_cond_wait(&s->woken, &s->mutex);
		pthread_mutex_unlock(&s->mutex);
		err = s->err == IM_OK ? IM_OK : err_set(s->err, "%s", s->text);
	}
	pthread_mutex_destroy(&s->mutex);
	pthread_cond_destroy(&s->woken);
	return err;
}

enum im_err
database_enter_wait(struct database *db)
{
	struct sleeper s;

	sleeper_init(&s);
	return sleeper_sleep(&s, database_enter(db, &s.wait));
}

/* Locked. */
static void
database_wait_unloaded(struct database *db, struct database_wait *wait)
{
	wait->next = db->unloading;
	db->unloading = wait;
}

/* Locked: claims one that was closed for that, unless somebody else came first. */
static enum im_err
database_claim_closed(struct database *db)
{
	if (db->owner->stopping)
		return IM_ERR_SHUTDOWN;
	if (db->state == DATABASE_GONE)
		return database_not_found(db);
	if (db->state != DATABASE_UNLOADED)
		return err_set(IM_ERR_BUSY, "%s: database %s was loaded meanwhile",
		    err_text(IM_ERR_BUSY), db->name);
	db->state = DATABASE_OPENING;
	db->unload = false;
	db->owner->open++;
	return IM_OK;
}

enum im_err
database_claim(struct database *db)
{
	struct databases *d = db->owner;
	struct database_wait *refused = NULL;
	struct sleeper s;
	enum im_err err;

	sleeper_init(&s);
	pthread_mutex_lock(&d->mutex);
	db->claims++;
	err = d->stopping ? IM_ERR_SHUTDOWN : database_unload_locked(db, &refused);
	if (err == IM_ERR_WOULD_BLOCK)
		database_wait_unloaded(db, &s.wait);
	pthread_mutex_unlock(&d->mutex);
	waits_answer(refused, IM_ERR_DATABASE_NOT_LOADED, err_text(IM_ERR_DATABASE_NOT_LOADED));
	err = sleeper_sleep(&s, err);
	pthread_mutex_lock(&d->mutex);
	db->claims--;
	if (err == IM_OK || err == IM_ERR_DATABASE_NOT_LOADED)
		err = database_claim_closed(db);
	pthread_mutex_unlock(&d->mutex);
	return err;
}

void
database_open_claimed(struct database *db)
{
	database_open_job(db);
}

void
databases_observe(
    struct databases *d, void (*fn)(void *ctx, const char *name, struct store *store), void *ctx)
{
	struct database *db = NULL;

	pthread_mutex_lock(&d->mutex);
	d->observe = fn;
	d->observe_ctx = ctx;
	pthread_mutex_unlock(&d->mutex);
	while ((db = databases_next(d, db)) != NULL) {
		if (!database_try_hold(db))
			continue;
		fn(ctx, db->name, db->store);
		database_release(db);
	}
}

/* ---- Threads ---- */

void
database_use_init(struct database *db, struct databases *owner)
{
	db->job.run = database_run_job;
	db->owner = owner;
	db->state = DATABASE_IDLE;
	atomic_store(&db->uses, USES_SHUT);
}

static struct timespec
after_ms(int64_t ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += ms % 1000 * CLOCK_NS_PER_MS;
	if (at.tv_nsec >= CLOCK_NS_PER_S) {
		at.tv_sec++;
		at.tv_nsec -= CLOCK_NS_PER_S;
	}
	return at;
}

/*
 * Closes what nobody has used for a while, so that an idle database has neither threads nor caches.
 */
static void *
databases_keep(void *arg)
{
	struct databases *d = arg;
	int64_t idle_ms = d->options.idle_ms, half_ms = idle_ms / 2 + 1;
	int64_t sweep_ms = half_ms < DATABASES_SWEEP_MS_MAX ? half_ms : DATABASES_SWEEP_MS_MAX;

	pthread_mutex_lock(&d->mutex);
	while (!d->stopping) {
		struct timespec at = after_ms(sweep_ms);
		int64_t before_ns = clock_monotonic_ns() - idle_ms * CLOCK_NS_PER_MS;
		struct database *db = NULL;

		while ((db = databases_next(d, db)) != NULL)
			if (db->state == DATABASE_OPEN && database_used_ns(db) < before_ns)
				(void)database_close_if_unused(db);
		databases_schedule(d);
		pthread_cond_clockwait(&d->keeper_stop, &d->mutex, CLOCK_MONOTONIC, &at);
	}
	pthread_mutex_unlock(&d->mutex);
	return NULL;
}

enum im_err
databases_use_start(struct databases *d)
{
	enum im_err err = workers_start(
	    &(struct workers_options){"opener", DATABASES_OPENERS, DATABASES_STRUCTS_MAX, 0},
	    &d->openers);

	if (err != IM_OK)
		return err;
	if (pthread_create(&d->keeper, NULL, databases_keep, d) != 0)
		return err_set(IM_ERR_NOMEM, "cannot start a thread");
	d->keeper_started = true;
	pthread_setname_np(d->keeper, "keeper");
	return IM_OK;
}

void
databases_stop(struct databases *d)
{
	struct database *db = NULL;
	struct database_wait *waiting, *unloading;

	if (!d)
		return;
	pthread_mutex_lock(&d->mutex);
	d->stopping = true;
	pthread_cond_broadcast(&d->keeper_stop);
	pthread_mutex_unlock(&d->mutex);
	if (d->keeper_started)
		pthread_join(d->keeper, NULL);
	d->keeper_started = false;
	workers_stop(d->openers);
	workers_free(d->openers);
	d->openers = NULL;
	while ((db = databases_next(d, db)) != NULL) {
		pthread_mutex_lock(&d->mutex);
		waiting = database_take_waiting(db);
		unloading = database_take_unloading(db);
		pthread_mutex_unlock(&d->mutex);
		waits_answer(waiting, IM_ERR_SHUTDOWN, err_text(IM_ERR_SHUTDOWN));
		waits_answer(unloading, IM_ERR_SHUTDOWN, err_text(IM_ERR_SHUTDOWN));
	}
}
