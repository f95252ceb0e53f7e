/*
 * Scrubbing databases that are in service. store/check.c does the checking, a piece at a time; here
 * is which database is next, how fast, what is kept over a restart, and what is said of faults.
 * scrub_handlers.c and server_metrics.c show it.
 *
 *   NEVER, FINISHED, STOPPED, FAILED ----> WAITING <----> RUNNING     scrub_ask(), scrub_choose()
 *   WAITING, RUNNING ---> FINISHED, STOPPED, FAILED                   scrub_over()
 *
 * Invariants:
 * 1. A database is entered for one piece at a time, so that it can be closed, unloaded and deleted;
 *    what was published when the scrub began is what it checks, so that it ends. When a restore
 *    puts another history in its place, it waits for that and begins anew.
 * 2. The position is kept in the metadata file when something was checked and SCRUB_SAVE_NS went
 *    by, and when the server stops. A fault that was found again after a crash is counted again,
 *    never lost.
 * 3. Before a piece the thread waits until all that was checked before is within the rate; but what
 *    an administrator asks for begins at once.
 * 4. Everything in struct scrub changes under the mutex, which is never held while a database is
 * read.
 */
#include "server/scrub.h"

#include <inttypes.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/databases_private.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/text.h"

/* Bytes checked at once: half a second's worth, within these. */
#define SCRUB_PIECE_MIN (64u * 1024)
#define SCRUB_PIECE_MAX (4u * 1024 * 1024)
#define SCRUB_SAVE_NS (5 * CLOCK_NS_PER_S)
/* Between two looks for databases whose time has come. */
#define SCRUB_LOOK_NS (10 * CLOCK_NS_PER_S)
/* One that failed is tried again, if it was begun by time. */
#define SCRUB_RETRY_S 3600
/* While others wait for the machine, at most so long before each piece. */
#define SCRUB_YIELD_NS (20 * CLOCK_NS_PER_MS)
#define SCRUB_YIELDS_MAX 25
/* When the server has no room for it. */
#define SCRUB_BUSY_NS CLOCK_NS_PER_S
/*
 * As nice(1) and ionice(1) have it: behind everybody else, but never starved while it holds a lock.
 */
#define SCRUB_NICE 19
#define SCRUB_IO_PRIORITY ((2 << 13) | 7)
#define SCRUB_KEY_SHOWN 64

/*
 * What is kept in the metadata file; all are settings of the database. to_alh is the beginning of
 * the Alh of to_tx: by that a scrub knows the history again that it has begun to check; 0: it was
 * not kept.
 */
struct scrub_kept {
	int64_t next_tx; /* 0: none is under way */
	int64_t to_tx, to_alh, index_tx, began_s, rate, periodic, bytes, lost, derived;
	int64_t last_end_s, last_txs, last_bytes, last_lost, last_derived;
};

static const struct {
	const char *name;
	size_t offset;
} scrub_settings[] = {
#define SETTING(member, name) \
	{ \
		name, offsetof(struct scrub_kept, member) \
	}
    SETTING(next_tx, "scrubNextTx"),
    SETTING(to_tx, "scrubToTx"),
    SETTING(to_alh, "scrubToAlh"),
    SETTING(index_tx, "scrubIndexTx"),
    SETTING(began_s, "scrubBegan"),
    SETTING(rate, "scrubRate"),
    SETTING(periodic, "scrubPeriodic"),
    SETTING(bytes, "scrubBytes"),
    SETTING(lost, "scrubLost"),
    SETTING(derived, "scrubDerived"),
    SETTING(last_end_s, "scrubLastEnd"),
    SETTING(last_txs, "scrubLastTransactions"),
    SETTING(last_bytes, "scrubLastBytes"),
    SETTING(last_lost, "scrubLastLost"),
    SETTING(last_derived, "scrubLastDerived"),
#undef SETTING
};
#define SCRUB_SETTINGS (sizeof scrub_settings / sizeof *scrub_settings)

/* Of one database. */
struct scrub {
	struct scrub *next;
	struct database *db;
	enum scrub_state state;
	bool stop;      /* asked for */
	uint64_t order; /* in which they were begun */
	struct scrub_kept kept;
	struct index_check_place index;
	int64_t ended_s;
	int64_t saved_ns;
	int64_t retry_ns; /* not by itself before, by the clock that nobody sets; 0: at any time */
	uint64_t total_txs, total_bytes;
	char error[256];
	size_t nfaults;
	struct scrub_fault *faults[SCRUB_FAULTS_MAX]; /* texts and key in the same block */
};

struct scrubber {
	struct scrub_options options;
	pthread_t thread;
	pthread_mutex_t mutex; /* covers all below */
	pthread_cond_t wake;   /* something to do, or a database was opened */
	bool stopping;
	struct scrub *all;
	uint64_t orders;
	int64_t look_ns; /* when to look for databases */
	int64_t pace_ns; /* no piece before */
};

/* ---- Clocks ---- */

static int64_t
scrub_now_ns(const struct scrubber *sc)
{
	return sc->options.now_ns ? sc->options.now_ns(sc->options.ctx) : clock_monotonic_ns();
}

static int64_t
scrub_wall_s(const struct scrubber *sc)
{
	return sc->options.wall_s ? sc->options.wall_s(sc->options.ctx) : clock_wall_s();
}

/* Under the mutex, by the clock of the system; ends early when something changes. */
static void
scrub_idle(struct scrubber *sc, int64_t ns)
{
	int64_t at_ns = clock_monotonic_ns() + ns;
	struct timespec at = {at_ns / CLOCK_NS_PER_S, at_ns % CLOCK_NS_PER_S};

	pthread_cond_clockwait(&sc->wake, &sc->mutex, CLOCK_MONOTONIC, &at);
}

/* Under the mutex. */
static void
scrub_wait(struct scrubber *sc, int64_t ns)
{
	if (!sc->options.wait_ns) {
		scrub_idle(sc, ns);
		return;
	}
	pthread_mutex_unlock(&sc->mutex);
	sc->options.wait_ns(sc->options.ctx, ns);
	pthread_mutex_lock(&sc->mutex);
}

/* ---- What is kept ---- */

static int64_t *
kept_member(struct scrub_kept *k, size_t i)
{
	return (int64_t *)((char *)k + scrub_settings[i].offset);
}

static enum im_err
kept_load(struct scrubber *sc, struct scrub *s)
{
	enum im_err err = IM_OK;

	for (size_t i = 0; i < SCRUB_SETTINGS && err == IM_OK; i++)
		err = meta_setting_get(sc->options.meta, s->db->name, scrub_settings[i].name,
		    kept_member(&s->kept, i));
	return err;
}

/*
 * Without the mutex: it waits for the disk. Only the thread does it, and what it saves is its own.
 */
static void
kept_save(struct scrubber *sc, const struct database *db, struct scrub_kept kept)
{
	struct meta_setting settings[SCRUB_SETTINGS];
	enum im_err err;

	for (size_t i = 0; i < SCRUB_SETTINGS; i++)
		settings[i] = (struct meta_setting){scrub_settings[i].name, *kept_member(&kept, i)};
	err = meta_settings_put(sc->options.meta, db->name, settings, SCRUB_SETTINGS, NULL);
	if (err != IM_OK && err != IM_ERR_DATABASE_NOT_FOUND)
		log_warn("scrub of database %s: its position cannot be kept: %s", db->name,
		    err_detail(err));
}

/* ---- Faults ---- */

static void
faults_forget(struct scrub *s)
{
	for (size_t i = 0; i < s->nfaults; i++)
		free(s->faults[i]);
	s->nfaults = 0;
}

static struct scrub_fault *
fault_copy(const struct store_fault *from)
{
	const char *file = from->file ? from->file : "";
	size_t file_len = strlen(file) + 1, what_len = strlen(from->what) + 1;
	struct scrub_fault *f = calloc(1, sizeof *f + file_len + what_len + from->key.len);
	char *p;

	if (!f)
		return NULL;
	p = (char *)(f + 1);
	*f = (struct scrub_fault){
	    .tx = from->tx, .offset = from->offset, .derived = from->derived, .file = p};
	memcpy(p, file, file_len);
	f->what = memcpy(p + file_len, from->what, what_len);
	p += file_len + what_len;
	if (from->key.len)
		memcpy(p, from->key.data, from->key.len);
	f->key = bytes_of((const uint8_t *)p, from->key.len);
	return f;
}

static void
fault_log(const char *name, const struct store_fault *fault)
{
	struct buf key;

	buf_init(&key, SCRUB_KEY_SHOWN * 8);
	/* The first byte of a raw key says what the key is for. */
	if (fault->key.len > 1)
		text_append_printable(&key,
		    bytes_of(fault->key.data + 1,
			fault->key.len - 1 < SCRUB_KEY_SHOWN ? fault->key.len - 1
							     : SCRUB_KEY_SHOWN));
	log_error("scrub of database %s: %s: %s, offset %" PRIu64 ", tx %" PRIu64 "%s%.*s: %s",
	    name, fault->derived ? "can be rebuilt" : "LOST", fault->file ? fault->file : "",
	    fault->offset, fault->tx, key.len ? ", key " : "", (int)key.len,
	    key.len ? (const char *)key.data : "", fault->what);
	buf_free(&key);
}

/* A piece that is being checked. */
struct piece {
	struct scrubber *sc;
	struct scrub *s;
	int64_t to_alh; /* of struct scrub_kept */
};

static int
scrub_on_fault(void *ctx, const struct store_fault *fault)
{
	struct piece *p = ctx;
	struct scrub *s = p->s;
	struct scrub_fault *copy = NULL;
	uint64_t n;

	pthread_mutex_lock(&p->sc->mutex);
	s->kept.lost += !fault->derived;
	s->kept.derived += fault->derived;
	n = (uint64_t)(s->kept.lost + s->kept.derived);
	if (s->nfaults < SCRUB_FAULTS_MAX && (copy = fault_copy(fault)) != NULL)
		s->faults[s->nfaults++] = copy;
	pthread_mutex_unlock(&p->sc->mutex);
	if (n <= SCRUB_FAULTS_MAX)
		fault_log(s->db->name, fault);
	if (n == SCRUB_FAULTS_MAX)
		log_error("scrub of database %s: further faults are only counted", s->db->name);
	return 0;
}

/* ---- States ---- */

/* All under the mutex. */

static bool
scrub_is_under_way(const struct scrub *s)
{
	return s->state == SCRUB_WAITING || s->state == SCRUB_RUNNING;
}

static struct scrub *
scrub_find(const struct scrubber *sc, const struct database *db)
{
	struct scrub *s = sc->all;

	while (s && s->db != db)
		s = s->next;
	return s;
}

/* That of a database, made when there is none; NULL without memory. */
static struct scrub *
scrub_of(struct scrubber *sc, struct database *db)
{
	struct scrub *s = scrub_find(sc, db);
	enum im_err err;

	if (s)
		return s;
	s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->db = db;
	err = kept_load(sc, s);
	if (err != IM_OK)
		log_warn("scrub of database %s: what was kept cannot be read: %s", db->name,
		    err_detail(err));
	if (err == IM_OK && s->kept.next_tx > 0) {
		s->state = SCRUB_WAITING;
		s->order = ++sc->orders;
		s->index.done_tx = (uint64_t)s->kept.index_tx;
		log_info("scrub of database %s goes on at transaction %" PRId64, db->name,
		    s->kept.next_tx);
	}
	s->next = sc->all;
	sc->all = s;
	return s;
}

/* From the first transaction, with nothing found. */
static void
scrub_rewind(struct scrubber *sc, struct scrub *s)
{
	s->kept.next_tx = 1;
	s->kept.to_tx = s->kept.to_alh = s->kept.index_tx = 0;
	s->kept.bytes = s->kept.lost = s->kept.derived = 0;
	s->kept.began_s = scrub_wall_s(sc);
	s->index = (struct index_check_place){0};
	s->ended_s = 0;
	s->error[0] = '\0';
	faults_forget(s);
}

/* One that is under way goes on, unless it was to be stopped: then it is another one. */
static void
scrub_ask(struct scrubber *sc, struct scrub *s, uint64_t rate, bool periodic)
{
	bool goes_on = scrub_is_under_way(s) && !s->stop;

	s->kept.rate = (int64_t)rate;
	s->kept.periodic = periodic;
	s->stop = false;
	/* What was read before, at another rate perhaps, is not to be waited for. */
	if (!periodic)
		sc->pace_ns = 0;
	if (goes_on)
		return;
	s->state = SCRUB_WAITING;
	s->order = ++sc->orders;
	scrub_rewind(sc, s);
}

/* Whether it is time, by a clock that may have been set. */
static bool
scrub_is_due(const struct scrubber *sc, const struct scrub *s, int64_t now_s)
{
	int64_t last_s = s->kept.last_end_s ? s->kept.last_end_s : s->db->created_at_s;
	int64_t ago_s = now_s > last_s ? now_s - last_s : last_s - now_s;

	return sc->options.interval_s > 0 && !scrub_is_under_way(s) &&
	    ago_s >= sc->options.interval_s &&
	    (s->retry_ns == 0 || scrub_now_ns(sc) >= s->retry_ns);
}

static void
scrub_free(struct scrub *s)
{
	faults_forget(s);
	free(s);
}

static void
scrub_drop_gone(struct scrubber *sc)
{
	struct scrub **link = &sc->all;

	while (*link) {
		struct scrub *s = *link;

		if (s->state == SCRUB_RUNNING || !atomic_load(&s->db->is_gone)) {
			link = &s->next;
			continue;
		}
		*link = s->next;
		scrub_free(s);
	}
}

/* Finds the databases whose time has come, and those whose scrub was under way. */
static void
scrub_look(struct scrubber *sc)
{
	int64_t now_s = scrub_wall_s(sc);
	struct database_info info;
	struct database *db = NULL;
	struct scrub *s;

	scrub_drop_gone(sc);
	while ((db = databases_next(sc->options.databases, db)) != NULL) {
		s = scrub_of(sc, db);
		if (!s || !scrub_is_due(sc, s, now_s))
			continue;
		database_info(db, &info);
		if (info.is_loaded)
			scrub_ask(sc, s, sc->options.rate, true);
	}
}

/* Those that are to be stopped come first, then those of administrators, then the oldest. */
static bool
scrub_is_before(const struct scrub *a, const struct scrub *b)
{
	if (!b || a->stop != b->stop)
		return !b || a->stop;
	if (a->kept.periodic != b->kept.periodic)
		return b->kept.periodic;
	return a->order < b->order;
}

static struct scrub *
scrub_choose(struct scrubber *sc)
{
	struct scrub *best = NULL;

	for (struct scrub *s = sc->all; s; s = s->next)
		if (scrub_is_under_way(s) && scrub_is_before(s, best))
			best = s;
	return best;
}

/* ---- The end of a scrub ---- */

static void
scrub_say_end(const struct scrub *s)
{
	uint64_t faults = (uint64_t)(s->kept.lost + s->kept.derived);

	if (s->state == SCRUB_FAILED)
		log_error("scrub of database %s ended at transaction %" PRId64 ": %s", s->db->name,
		    s->kept.next_tx, s->error);
	else if (s->state == SCRUB_FINISHED && faults > 0)
		log_error("scrub of database %s finished: %" PRIu64 " fault(s), %" PRId64
			  " of them lost, in %" PRId64 " transactions",
		    s->db->name, faults, s->kept.lost, s->kept.to_tx);
	else if (s->state == SCRUB_FINISHED)
		log_info("scrub of database %s finished: %" PRId64 " transactions, no fault",
		    s->db->name, s->kept.to_tx);
	else
		log_info("scrub of database %s stopped at transaction %" PRId64, s->db->name,
		    s->kept.next_tx);
}

/* Under the mutex, which is given back in between. */
static void
scrub_over(struct scrubber *sc, struct scrub *s, enum scrub_state state)
{
	/* What an administrator stopped is left alone for as long as if it had finished. */
	int64_t rest_s = state == SCRUB_FAILED ? SCRUB_RETRY_S : sc->options.interval_s;
	struct scrub_kept kept;

	s->state = state;
	s->ended_s = scrub_wall_s(sc);
	s->retry_ns = state == SCRUB_FINISHED ? 0 : scrub_now_ns(sc) + rest_s * CLOCK_NS_PER_S;
	if (state == SCRUB_FINISHED) {
		s->kept.last_end_s = s->ended_s;
		s->kept.last_txs = s->kept.to_tx;
		s->kept.last_bytes = s->kept.bytes;
		s->kept.last_lost = s->kept.lost;
		s->kept.last_derived = s->kept.derived;
	}
	if (!atomic_load(&s->db->is_gone))
		scrub_say_end(s);
	kept = s->kept;
	kept.next_tx = 0;
	pthread_mutex_unlock(&sc->mutex);
	kept_save(sc, s->db, kept);
	pthread_mutex_lock(&sc->mutex);
}

static void
scrub_fail(struct scrubber *sc, struct scrub *s, const char *text)
{
	snprintf(s->error, sizeof s->error, "%s", text);
	scrub_over(sc, s, SCRUB_FAILED);
}

/* ---- One piece ---- */

/* Somebody who waits for a database to be opened. */
struct scrub_entry {
	struct database_wait wait; /* first */
	struct scrubber *sc;
	bool done;
	enum im_err err;
	char text[256];
};

static void
scrub_opened(struct database_wait *w, enum im_err err)
{
	struct scrub_entry *e = (struct scrub_entry *)w;

	pthread_mutex_lock(&e->sc->mutex);
	e->err = err;
	snprintf(e->text, sizeof e->text, "%s", err == IM_OK ? "" : err_detail(err));
	e->done = true;
	pthread_cond_broadcast(&e->sc->wake);
	pthread_mutex_unlock(&e->sc->mutex);
}

/* Without the mutex. Waits for the database to be opened. */
static enum im_err
scrub_enter(struct scrubber *sc, struct database *db)
{
	struct scrub_entry e = {.wait = {.ready = scrub_opened}, .sc = sc};
	enum im_err err = database_enter(db, &e.wait);

	if (err != IM_ERR_WOULD_BLOCK)
		return err;
	pthread_mutex_lock(&sc->mutex);
	while (!e.done)
		pthread_cond_wait(&sc->wake, &sc->mutex);
	pthread_mutex_unlock(&sc->mutex);
	return e.err == IM_OK ? IM_OK : err_set(e.err, "%s", e.text);
}

static uint64_t
piece_bytes(uint64_t rate)
{
	uint64_t n = rate / 2;

	if (n > SCRUB_PIECE_MAX)
		return SCRUB_PIECE_MAX;
	return n < SCRUB_PIECE_MIN ? SCRUB_PIECE_MIN : n;
}

/* What the disk does not give is a fault like any other. */
static void
piece_unreadable(struct piece *p, struct store_check *check, enum im_err err)
{
	struct store_fault fault = {.tx = check->from_tx, .file = "", .what = err_detail(err)};

	(void)scrub_on_fault(p, &fault);
	check->from_tx++;
	check->checked++;
	/* The index comes after the last one. */
	check->done = false;
}

/* What is kept of an Alh; never 0, which is none. */
static int64_t
alh_mark(const struct hash *alh)
{
	return (int64_t)(be64_get(alh->b) >> 1) | 1;
}

/*
 * Whether the database still has the history that is being checked. A restore may have put another
 * one in its place; what cannot be read says nothing of that, and is found as a fault.
 */
static bool
piece_is_of(const struct database *db, const struct store_check *check, int64_t to_alh)
{
	struct tx_header header;
	struct store_state state;
	struct hash alh;

	store_state(db->store, &state);
	if (check->to_tx > state.tx)
		return false;
	if (to_alh == 0 || store_read_header(db->store, check->to_tx, 0, &header) != IM_OK)
		return true;
	tx_header_alh(&header, &alh);
	return alh_mark(&alh) == to_alh;
}

/*
 * The end of a scrub is what is there when it begins; of another history than before it begins
 * anew.
 */
static void
piece_begin(struct piece *p, struct store_check *check)
{
	struct database *db = p->s->db;
	struct store_state state;

	if (check->to_tx > 0 && piece_is_of(db, check, p->to_alh))
		return;
	if (check->to_tx > 0) {
		log_info("scrub of database %s begins anew: it has another history than before",
		    db->name);
		pthread_mutex_lock(&p->sc->mutex);
		scrub_rewind(p->sc, p->s);
		pthread_mutex_unlock(&p->sc->mutex);
		check->from_tx = 1;
		check->index = (struct index_check_place){0};
	}
	store_state(db->store, &state);
	check->to_tx = state.tx;
	p->to_alh = alh_mark(&state.alh);
}

/* Without the mutex. */
static enum im_err
piece_check(struct piece *p, struct store_check *check)
{
	struct database *db = p->s->db;
	enum im_err err = scrub_enter(p->sc, db);

	if (err != IM_OK)
		return err;
	piece_begin(p, check);
	/* An empty one has nothing to go wrong, and 0 would be everything. */
	check->done = check->to_tx == 0;
	if (!check->done)
		err = store_check(db->store, check);
	if (err == IM_ERR_IO && check->from_tx <= check->to_tx) {
		piece_unreadable(p, check, err);
		err = IM_OK;
	}
	database_leave(db);
	return err;
}

/* Under the mutex: takes over what a piece has found. */
static void
piece_account(struct scrubber *sc, struct scrub *s, const struct store_check *check)
{
	int64_t rate = s->kept.rate > 0 ? s->kept.rate : SCRUB_RATE_MIN;
	int64_t now_ns = scrub_now_ns(sc);

	s->kept.next_tx = (int64_t)check->from_tx;
	s->kept.to_tx = (int64_t)check->to_tx;
	s->kept.index_tx = (int64_t)check->index.done_tx;
	s->kept.bytes += (int64_t)check->bytes;
	s->index = check->index;
	s->total_txs += check->checked;
	s->total_bytes += check->bytes;
	if (sc->pace_ns < now_ns)
		sc->pace_ns = now_ns;
	sc->pace_ns += (int64_t)((double)check->bytes / (double)rate * (double)CLOCK_NS_PER_S);
}

/* Under the mutex: keeps the position, if it is time. */
static void
scrub_save(struct scrubber *sc, struct scrub *s, bool now)
{
	int64_t now_ns = scrub_now_ns(sc);
	struct scrub_kept kept = s->kept;

	if (!now && s->saved_ns != 0 && now_ns - s->saved_ns < SCRUB_SAVE_NS)
		return;
	s->saved_ns = now_ns;
	pthread_mutex_unlock(&sc->mutex);
	kept_save(sc, s->db, kept);
	pthread_mutex_lock(&sc->mutex);
}

/*
 * Without the mutex: whether to try a piece again when there is room, or when a restore has given
 * the database another content.
 */
static bool
piece_may_come(struct database *db, enum im_err err)
{
	struct database_info info;

	if (err != IM_ERR_DATABASE_NOT_LOADED)
		return err == IM_ERR_BUSY || err == IM_ERR_NOMEM;
	database_info(db, &info);
	return info.is_loaded || info.is_claimed;
}

/* Under the mutex, given back while the database is read. */
static void
scrub_piece(struct scrubber *sc, struct scrub *s)
{
	struct piece p = {sc, s, s->kept.to_alh};
	struct store_check check = {.from_tx = (uint64_t)s->kept.next_tx,
	    .to_tx = (uint64_t)s->kept.to_tx,
	    .max_bytes = piece_bytes((uint64_t)s->kept.rate),
	    .index = s->index,
	    .fault = scrub_on_fault,
	    .ctx = &p};
	uint64_t order = s->order;
	char text[256];
	bool may_come;
	enum im_err err;

	s->state = SCRUB_RUNNING;
	pthread_mutex_unlock(&sc->mutex);
	err_clear();
	err = piece_check(&p, &check);
	snprintf(text, sizeof text, "%s", err == IM_OK ? "" : err_detail(err));
	may_come = piece_may_come(s->db, err);
	pthread_mutex_lock(&sc->mutex);
	if (s->order != order) {
		/* It was stopped and begun again: this piece belongs to none. */
		scrub_rewind(sc, s);
		return;
	}
	if (may_come) {
		sc->pace_ns = scrub_now_ns(sc) + SCRUB_BUSY_NS;
		return;
	}
	if (err != IM_OK) {
		if (!sc->stopping)
			scrub_fail(sc, s, text);
		return;
	}
	s->kept.to_alh = p.to_alh;
	piece_account(sc, s, &check);
	if (check.done)
		scrub_over(sc, s, SCRUB_FINISHED);
	else
		scrub_save(sc, s, false);
}

/* ---- The thread ---- */

/*
 * Under the mutex: whether s may go on now; waits for its turn, and for those who need the machine.
 */
static bool
scrub_await_turn(struct scrubber *sc, struct scrub *s)
{
	unsigned yields = 0;
	int64_t left_ns;

	while (!sc->stopping && !s->stop && scrub_choose(sc) == s) {
		left_ns = sc->pace_ns - scrub_now_ns(sc);
		if (left_ns > 0)
			scrub_wait(sc, left_ns);
		else if (yields++ < SCRUB_YIELDS_MAX && sc->options.busy &&
		    sc->options.busy(sc->options.ctx))
			scrub_wait(sc, SCRUB_YIELD_NS);
		else
			return true;
	}
	return false;
}

/* Under the mutex. */
static void
scrub_go_on(struct scrubber *sc, struct scrub *s)
{
	if (scrub_await_turn(sc, s)) {
		scrub_piece(sc, s);
		return;
	}
	if (sc->stopping)
		return;
	if (s->stop && scrub_is_under_way(s))
		scrub_over(sc, s, SCRUB_STOPPED);
	else if (s->state == SCRUB_RUNNING)
		s->state = SCRUB_WAITING;
}

static void *
scrub_loop(void *arg)
{
	struct scrubber *sc = arg;
	struct scrub *s;

	/* Of this thread alone: on Linux each has values of its own. */
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), SCRUB_NICE);
	(void)syscall(SYS_ioprio_set, 1, 0, SCRUB_IO_PRIORITY);
	pthread_mutex_lock(&sc->mutex);
	while (!sc->stopping) {
		int64_t now_ns = scrub_now_ns(sc);

		if (now_ns >= sc->look_ns) {
			scrub_look(sc);
			sc->look_ns = now_ns + SCRUB_LOOK_NS;
		}
		s = scrub_choose(sc);
		if (s)
			scrub_go_on(sc, s);
		else
			scrub_idle(sc, SCRUB_LOOK_NS);
	}
	for (s = sc->all; s; s = s->next)
		if (scrub_is_under_way(s))
			scrub_save(sc, s, true);
	pthread_mutex_unlock(&sc->mutex);
	return NULL;
}

enum im_err
scrubber_start(const struct scrub_options *options, struct scrubber **out)
{
	struct scrubber *sc = calloc(1, sizeof *sc);

	*out = NULL;
	if (!sc)
		return IM_ERR_NOMEM;
	sc->options = *options;
	if (sc->options.rate == 0)
		sc->options.rate = SCRUB_RATE_DEFAULT;
	pthread_mutex_init(&sc->mutex, NULL);
	pthread_cond_init(&sc->wake, NULL);
	if (pthread_create(&sc->thread, NULL, scrub_loop, sc) != 0) {
		pthread_mutex_destroy(&sc->mutex);
		pthread_cond_destroy(&sc->wake);
		free(sc);
		return err_set(IM_ERR_NOMEM, "cannot start a thread");
	}
	pthread_setname_np(sc->thread, "scrubber");
	*out = sc;
	return IM_OK;
}

void
scrubber_stop(struct scrubber *sc)
{
	if (!sc)
		return;
	pthread_mutex_lock(&sc->mutex);
	sc->stopping = true;
	pthread_cond_broadcast(&sc->wake);
	pthread_mutex_unlock(&sc->mutex);
}

void
scrubber_free(struct scrubber *sc)
{
	if (!sc)
		return;
	pthread_join(sc->thread, NULL);
	while (sc->all) {
		struct scrub *s = sc->all;

		sc->all = s->next;
		scrub_free(s);
	}
	pthread_mutex_destroy(&sc->mutex);
	pthread_cond_destroy(&sc->wake);
	free(sc);
}

/* ---- What is asked ---- */

enum im_err
scrubber_begin(struct scrubber *sc, struct database *db, uint64_t rate)
{
	struct database_info info;
	struct scrub *s;
	enum im_err err = IM_OK;

	if (rate != 0 && (rate < SCRUB_RATE_MIN || rate > INT64_MAX))
		return err_set(IM_ERR_ARGUMENT, "%s: a scrub reads at least %d bytes a second",
		    err_text(IM_ERR_ARGUMENT), SCRUB_RATE_MIN);
	database_info(db, &info);
	if (!info.is_loaded)
		return err_set(IM_ERR_DATABASE_NOT_LOADED, "%s: %s",
		    err_text(IM_ERR_DATABASE_NOT_LOADED), db->name);
	pthread_mutex_lock(&sc->mutex);
	s = scrub_of(sc, db);
	if (sc->stopping || !s)
		err = s ? IM_ERR_SHUTDOWN : IM_ERR_NOMEM;
	else
		scrub_ask(sc, s, rate ? rate : sc->options.rate, false);
	pthread_cond_broadcast(&sc->wake);
	pthread_mutex_unlock(&sc->mutex);
	return err;
}

enum im_err
scrubber_end(struct scrubber *sc, struct database *db)
{
	struct scrub *s;
	bool found;

	pthread_mutex_lock(&sc->mutex);
	s = scrub_find(sc, db);
	found = s && scrub_is_under_way(s) && !s->stop;
	if (found)
		s->stop = true;
	pthread_cond_broadcast(&sc->wake);
	pthread_mutex_unlock(&sc->mutex);
	return found ? IM_OK
		     : err_set(IM_ERR_NOT_FOUND, "no scrub of database %s is under way", db->name);
}

/* Under the mutex. */
static void
scrub_describe(const struct scrub *s, struct scrub_info *out)
{
	const struct scrub_kept *k = &s->kept;

	*out = (struct scrub_info){.state = s->state,
	    .periodic = k->periodic != 0,
	    .rate = (uint64_t)k->rate,
	    .next_tx = (uint64_t)k->next_tx,
	    .to_tx = (uint64_t)k->to_tx,
	    .bytes = (uint64_t)k->bytes,
	    .lost = (uint64_t)k->lost,
	    .derived = (uint64_t)k->derived,
	    .began_s = k->began_s,
	    .ended_s = s->ended_s,
	    .last_end_s = k->last_end_s,
	    .last_txs = (uint64_t)k->last_txs,
	    .last_bytes = (uint64_t)k->last_bytes,
	    .last_lost = (uint64_t)k->last_lost,
	    .last_derived = (uint64_t)k->last_derived,
	    .total_txs = s->total_txs,
	    .total_bytes = s->total_bytes};
	snprintf(out->error, sizeof out->error, "%s", s->error);
	if (s->state == SCRUB_NEVER && k->last_end_s)
		out->state = SCRUB_FINISHED;
}

void
scrubber_info(struct scrubber *sc, struct database *db, struct scrub_info *out)
{
	const struct scrub *s;

	*out = (struct scrub_info){0};
	pthread_mutex_lock(&sc->mutex);
	s = scrub_find(sc, db);
	if (s)
		scrub_describe(s, out);
	pthread_mutex_unlock(&sc->mutex);
}

void
scrubber_each_fault(struct scrubber *sc, struct database *db,
    bool (*fn)(void *arg, const struct scrub_fault *fault), void *arg)
{
	const struct scrub *s;
	bool more = true;

	pthread_mutex_lock(&sc->mutex);
	s = scrub_find(sc, db);
	for (size_t i = 0; s && more && i < s->nfaults; i++)
		more = fn(arg, s->faults[i]);
	pthread_mutex_unlock(&sc->mutex);
}

const char *
scrub_state_name(enum scrub_state state)
{
	static const char *const names[] = {
	    "never", "waiting", "running", "finished", "stopped", "failed"};

	return names[state];
}
