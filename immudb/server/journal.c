/*
 * Copies the queue of administrative actions into the system database, in a thread of its own. The
 * handlers queue rows through meta/; failed logins come from auth_handlers.c and are counted here.
 *
 * Invariants:
 * 1. Nobody else writes under JOURNAL_KEY_PREFIX. A row is forgotten only when it is on the disk
 *    there, and is not written when it is there already: so each is there once, whenever the
 *    process dies.
 * 2. A number that the system database has is not given again, also when the metadata file was put
 *    back from a backup: rows waiting under such a number get another one.
 */
#include "server/journal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/call.h"
#include "util/clock.h"
#include "util/log.h"

/* Rows of one transaction, and the memory it takes. */
#define JOURNAL_BATCH_MAX 64
#define JOURNAL_ARENA_MAX (4u << 20)
/* After an error, such as a full disk, it is tried again. */
#define JOURNAL_RETRY_NS CLOCK_NS_PER_S
#define JOURNAL_FAILURES_NS (60 * CLOCK_NS_PER_S)
/* "journal/" and the digits, with the NUL. */
#define JOURNAL_KEY_SIZE 32

struct journal_failure {
	char user[META_USER_MAX + 1];
	char address[64];
	unsigned count;
	bool written; /* the first of them */
};

struct journal {
	struct meta *meta;
	struct store *store;
	pthread_t thread;
	pthread_mutex_t mutex; /* covers all below */
	pthread_cond_t work;   /* something to do */
	pthread_cond_t done;   /* rounds went up */
	bool woken, stopping;
	uint64_t asked, rounds; /* flushes asked for; the last one answered */
	enum im_err result;     /* of the last round */
	char result_text[256];
	int64_t failures_ns; /* when the failed logins are written; 0: there are none */
	size_t failures_len;
	struct journal_failure failures[JOURNAL_FAILURES_MAX];
	unsigned failures_rest; /* those with no place of their own */
};

struct meta_action
journal_action(const struct call *c, const char *action)
{
	return (struct meta_action){
	    .actor = c->session.user[0] ? c->session.user : JOURNAL_ACTOR_MAINTENANCE,
	    .address = c->request->peer->address,
	    .action = action};
}

/* ---- Copying ---- */

/* Rows on their way. */
struct journal_batch {
	struct arena arena;
	size_t n;
	struct meta_journal_row rows[JOURNAL_BATCH_MAX];
};

static enum im_err
journal_take(void *arg, const struct meta_journal_row *row)
{
	struct journal_batch *b = arg;
	struct bytes copy = row->entry;
	char *text = arena_str(&b->arena, copy);

	if (!text)
		return IM_ERR_NOMEM;
	b->rows[b->n++] = (struct meta_journal_row){row->number, bytes_of(text, row->entry.len)};
	return IM_OK;
}

static enum im_err
journal_key(struct arena *a, uint64_t number, struct bytes *out)
{
	char text[JOURNAL_KEY_SIZE];

	snprintf(text, sizeof text, JOURNAL_KEY_PREFIX "%020" PRIu64, number);
	return raw_key_make(a, bytes_str(text), out);
}

/* Invariant 1: the row as an entry, unless it is there already; invariant 2 when another one is. */
static enum im_err
journal_prepare(struct journal *j, struct arena *a, const struct meta_journal_row *row,
    struct store_entry *e, bool *add)
{
	struct store_query q = {0};
	struct store_value found;
	enum im_err err = journal_key(a, row->number, &e->key);

	*add = false;
	if (err == IM_OK)
		err = raw_value_make(a, row->entry, &e->value);
	if (err != IM_OK)
		return err;
	q.key = e->key;
	err = store_get(j->store, &q, a, &found);
	if (err == IM_ERR_KEY_NOT_FOUND) {
		*add = true;
		return IM_OK;
	}
	if (err != IM_OK || bytes_equal(found.value, e->value))
		return err;
	log_warn("journal row %" PRIu64 " is taken in the system database: it gets another number",
	    row->number);
	return meta_journal_renumber(j->meta, row->number);
}

/* One transaction of what waits. */
static enum im_err
journal_copy_batch(struct journal *j, struct journal_batch *b)
{
	struct store_entry *entries = arena_calloc(&b->arena, JOURNAL_BATCH_MAX, sizeof *entries);
	struct store_write w = {.entries = entries, .arena = &b->arena};
	enum im_err err = entries ? IM_OK : IM_ERR_NOMEM;
	bool add;

	for (size_t i = 0; i < b->n && err == IM_OK; i++) {
		err = journal_prepare(j, &b->arena, &b->rows[i], &entries[w.nentries], &add);
		w.nentries += err == IM_OK && add;
	}
	if (err == IM_OK && w.nentries)
		err = store_write_wait(j->store, &w);
	if (err == IM_OK)
		err = meta_journal_drop(j->meta, b->rows[b->n - 1].number);
	return err;
}

static enum im_err
journal_copy(struct journal *j)
{
	struct journal_batch *b = calloc(1, sizeof *b);
	enum im_err err = IM_OK;

	if (!b)
		return IM_ERR_NOMEM;
	do {
		b->n = 0;
		arena_init(&b->arena, JOURNAL_ARENA_MAX);
		err = meta_journal_list(j->meta, JOURNAL_BATCH_MAX, journal_take, b);
		if (err == IM_OK && b->n)
			err = journal_copy_batch(j, b);
		arena_free(&b->arena);
	} while (err == IM_OK && b->n);
	free(b);
	return err;
}

/* ---- Failed logins ---- */

void
journal_login_failed(struct journal *j, struct bytes user, const char *address)
{
	const char *colon = strrchr(address, ':');
	struct journal_failure f = {.count = 1}, *at;
	size_t i;

	/* The port is another one each time. */
	snprintf(f.address, sizeof f.address, "%.*s",
	    (int)(colon ? (size_t)(colon - address) : strlen(address)), address);
	snprintf(f.user, sizeof f.user, "%.*s",
	    (int)(user.len < META_USER_MAX ? user.len : META_USER_MAX),
	    user.len ? (const char *)user.data : "");
	pthread_mutex_lock(&j->mutex);
	for (i = 0; i < j->failures_len; i++) {
		at = &j->failures[i];
		if (strcmp(at->user, f.user) == 0 && strcmp(at->address, f.address) == 0)
			break;
	}
	if (i < j->failures_len)
		j->failures[i].count++;
	else if (i < JOURNAL_FAILURES_MAX)
		j->failures[j->failures_len++] = f;
	else
		j->failures_rest++;
	if (!j->failures_ns)
		j->failures_ns = clock_monotonic_ns() + JOURNAL_FAILURES_NS;
	if (i == j->failures_len - 1 && !j->failures[i].written) {
		j->woken = true;
		pthread_cond_signal(&j->work);
	}
	pthread_mutex_unlock(&j->mutex);
}

/* What there is to be written of failed logins, copied under the mutex. */
struct journal_failures {
	bool is_over; /* the minute */
	unsigned rest;
	size_t n;
	struct journal_failure items[JOURNAL_FAILURES_MAX];
};

static void
journal_take_failures(struct journal *j, struct journal_failures *out)
{
	pthread_mutex_lock(&j->mutex);
	out->n = j->failures_len;
	out->rest = j->failures_rest;
	memcpy(out->items, j->failures, out->n * sizeof *out->items);
	for (size_t i = 0; i < out->n; i++)
		j->failures[i].written = true;
	if (out->is_over) {
		j->failures_len = j->failures_rest = 0;
		j->failures_ns = 0;
	}
	pthread_mutex_unlock(&j->mutex);
}

static enum im_err
journal_add_failure(struct journal *j, const struct journal_failure *f, bool is_over)
{
	char detail[64] = "first in a minute";
	struct meta_action a = {.actor = JOURNAL_ACTOR_SERVER,
	    .action = JOURNAL_FAILED_LOGIN,
	    .user = f->user,
	    .address = f->address,
	    .detail = detail};
	enum im_err err = f->written ? IM_OK : meta_journal_add(j->meta, &a);

	if (err != IM_OK || !is_over || f->count == 1)
		return err;
	snprintf(detail, sizeof detail, "%u more in that minute", f->count - 1);
	return meta_journal_add(j->meta, &a);
}

/*
 * Writes the first failures, and those of a minute that is over. What cannot be written is lost,
 * and said.
 */
static void
journal_write_failures(struct journal *j, bool is_over)
{
	struct meta_action a = {.actor = JOURNAL_ACTOR_SERVER, .action = JOURNAL_FAILED_LOGIN};
	struct journal_failures *f = calloc(1, sizeof *f);
	enum im_err err = f ? IM_OK : IM_ERR_NOMEM;
	char detail[64];

	if (f) {
		f->is_over = is_over;
		journal_take_failures(j, f);
	}
	for (size_t i = 0; err == IM_OK && i < f->n; i++)
		err = journal_add_failure(j, &f->items[i], is_over);
	if (err == IM_OK && is_over && f->rest) {
		snprintf(detail, sizeof detail, "%u more in a minute, of other users", f->rest);
		a.detail = detail;
		err = meta_journal_add(j->meta, &a);
	}
	free(f);
	if (err != IM_OK)
		log_warn_limited("failed logins are not in the journal: %s", err_detail(err));
}

/* ---- The thread ---- */

/*
 * Until there is something to do; whether the minute of the failed logins is over. Mutex is held.
 */
static bool
journal_wait(struct journal *j, bool retry)
{
	int64_t now = clock_monotonic_ns(), until = retry ? now + JOURNAL_RETRY_NS : 0;
	struct timespec at;

	if (j->failures_ns && (!until || j->failures_ns < until))
		until = j->failures_ns;
	while (!j->woken && !j->stopping && (!until || now < until)) {
		at = (struct timespec){until / CLOCK_NS_PER_S, until % CLOCK_NS_PER_S};
		if (until)
			pthread_cond_timedwait(&j->work, &j->mutex, &at);
		else
			pthread_cond_wait(&j->work, &j->mutex);
		now = clock_monotonic_ns();
		if (j->failures_ns && (!until || j->failures_ns < until))
			until = j->failures_ns;
	}
	j->woken = false;
	return j->failures_ns && (j->stopping || now >= j->failures_ns);
}

static void *
journal_loop(void *arg)
{
	struct journal *j = arg;
	enum im_err err = IM_OK;
	bool stopping, over, failures;
	uint64_t asked;

	do {
		pthread_mutex_lock(&j->mutex);
		over = journal_wait(j, err != IM_OK);
		failures = j->failures_len && !j->failures[j->failures_len - 1].written;
		stopping = j->stopping;
		asked = j->asked;
		pthread_mutex_unlock(&j->mutex);
		err_clear();
		if (failures || over)
			journal_write_failures(j, over);
		err = journal_copy(j);
		if (err != IM_OK)
			log_warn_limited("the journal waits: %s", err_detail(err));
		pthread_mutex_lock(&j->mutex);
		j->rounds = asked;
		j->result = err;
		snprintf(j->result_text, sizeof j->result_text, "%s",
		    err == IM_OK ? "" : err_detail(err));
		pthread_cond_broadcast(&j->done);
		pthread_mutex_unlock(&j->mutex);
	} while (!stopping);
	return NULL;
}

void
journal_wake(struct journal *j)
{
	if (!j)
		return;
	pthread_mutex_lock(&j->mutex);
	j->woken = true;
	pthread_cond_signal(&j->work);
	pthread_mutex_unlock(&j->mutex);
}

enum im_err
journal_add(struct journal *j, const struct meta_action *action)
{
	enum im_err err = meta_journal_add(j->meta, action);

	journal_wake(j);
	return err;
}

enum im_err
journal_flush(struct journal *j)
{
	char text[sizeof j->result_text];
	enum im_err err;
	uint64_t mine;

	pthread_mutex_lock(&j->mutex);
	mine = ++j->asked;
	j->woken = true;
	pthread_cond_signal(&j->work);
	while (j->rounds < mine)
		pthread_cond_wait(&j->done, &j->mutex);
	err = j->result;
	memcpy(text, j->result_text, sizeof text);
	pthread_mutex_unlock(&j->mutex);
	return err == IM_OK ? err : err_set(err, "%s", text);
}

/* ---- Start and stop ---- */

/* The highest number in the system database, 0 when there is none. */
static enum im_err
journal_last(struct store *store, uint64_t *number)
{
	struct store_range range = {.desc = true, .flags = STORE_NO_VALUE};
	char text[JOURNAL_KEY_SIZE] = "";
	struct store_cursor *cursor = NULL;
	struct store_value last;
	struct arena arena;
	enum im_err err;

	*number = 0;
	arena_init(&arena, JOURNAL_ARENA_MAX);
	err = raw_key_make(&arena, bytes_str(JOURNAL_KEY_PREFIX), &range.prefix);
	if (err == IM_OK)
		err = store_scan(store, &range, &cursor);
	if (err == IM_OK)
		err = store_cursor_next(cursor, &arena, &last);
	/* One byte of kind, the prefix, the digits. */
	if (err == IM_OK && last.key.len - range.prefix.len < sizeof text) {
		memcpy(text, last.key.data + range.prefix.len, last.key.len - range.prefix.len);
		*number = strtoull(text, NULL, 10);
	}
	store_cursor_close(cursor);
	arena_free(&arena);
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

static enum im_err
journal_begin(struct journal *j)
{
	pthread_condattr_t attr;
	uint64_t last;
	enum im_err err = journal_last(j->store, &last);

	if (err == IM_OK && last)
		err = meta_journal_skip(j->meta, last);
	if (err != IM_OK)
		return err;
	pthread_mutex_init(&j->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&j->work, &attr);
	pthread_condattr_destroy(&attr);
	pthread_cond_init(&j->done, NULL);
	j->woken = true;
	if (pthread_create(&j->thread, NULL, journal_loop, j) == 0) {
		pthread_setname_np(j->thread, "journal");
		return IM_OK;
	}
	pthread_cond_destroy(&j->work);
	pthread_cond_destroy(&j->done);
	pthread_mutex_destroy(&j->mutex);
	return err_set(IM_ERR_NOMEM, "cannot start a thread");
}

enum im_err
journal_start(struct meta *meta, struct store *systemdb, struct journal **out)
{
	struct journal *j = calloc(1, sizeof *j);
	enum im_err err;

	*out = NULL;
	if (!j)
		return IM_ERR_NOMEM;
	j->meta = meta;
	j->store = systemdb;
	err = journal_begin(j);
	if (err == IM_OK)
		*out = j;
	else
		free(j);
	return err;
}

void
journal_stop(struct journal *j)
{
	if (!j)
		return;
	pthread_mutex_lock(&j->mutex);
	j->stopping = true;
	pthread_cond_signal(&j->work);
	pthread_mutex_unlock(&j->mutex);
	pthread_join(j->thread, NULL);
	pthread_cond_destroy(&j->work);
	pthread_cond_destroy(&j->done);
	pthread_mutex_destroy(&j->mutex);
	free(j);
}
