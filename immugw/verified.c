/*
 * The connections for verified calls. verified_messages.c turns messages into requests and back;
 * proofs, trusted states and their files are the client library's.
 *
 * Invariants:
 * 1. A connection is used by one call at a time; idle ones are in the list, newest first.
 * 2. A connection on which a check failed is closed: what it remembers of the fault must not answer
 *    for others later.
 * 3. What idle connections have proven is in their files within about a second.
 * 4. The idle ones are all of the present generation: none is older than the last verified_renew().
 */
#include "verified.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "client/immu.h"
#include "util/clock.h"
#include "util/log.h"
#include "verified_messages.h"

#define VERIFIED_PERSIST_S 1
/* An idle connection is closed after this time. */
#define VERIFIED_IDLE_NS (60 * CLOCK_NS_PER_S)

struct idle {
	struct verified_loan loan;
	int64_t since_ns;
	bool is_persisted;
};

struct verified {
	struct immu_options options;
	pthread_mutex_t lock; /* covers what follows */
	pthread_cond_t stop_wanted;
	bool stopping;
	uint64_t generation;
	struct idle idle[VERIFIED_IDLE_MAX]; /* oldest first */
	size_t idle_len;
	pthread_t keeper;
};

static void
idle_remove(struct verified *v, size_t at)
{
	v->idle_len--;
	memmove(&v->idle[at], &v->idle[at + 1], (v->idle_len - at) * sizeof v->idle[0]);
}

static void
close_logged(struct immu *c)
{
	enum im_err err = immu_close(c);

	if (err != IM_OK)
		log_warn(
		    "the trusted state of a connection is not stored: %s", immu_error_text(err));
}

/* Takes out a connection that has work for the keeper; false when none has. Under the lock. */
static bool
keeper_pick(struct verified *v, int64_t now, struct verified_loan *out, bool *is_old)
{
	size_t i;

	for (i = 0; i < v->idle_len; i++) {
		*out = v->idle[i].loan;
		*is_old = now - v->idle[i].since_ns > VERIFIED_IDLE_NS;
		if (!*is_old && v->idle[i].is_persisted)
			continue;
		idle_remove(v, i);
		return true;
	}
	return false;
}

/*
 * Puts a connection back where it was by age, or closes it: there is no room, or it is of before.
 */
static void
put_back(struct verified *v, const struct verified_loan *loan, int64_t since_ns, bool is_persisted)
{
	struct immu *dropped = NULL;

	pthread_mutex_lock(&v->lock);
	if (loan->generation != v->generation) {
		dropped = loan->c;
	} else {
		if (v->idle_len == VERIFIED_IDLE_MAX) {
			dropped = v->idle[0].loan.c;
			idle_remove(v, 0);
		}
		v->idle[v->idle_len++] = (struct idle){*loan, since_ns, is_persisted};
	}
	pthread_mutex_unlock(&v->lock);
	if (dropped)
		close_logged(dropped);
}

/* Persists what idle connections have proven, and closes those that nobody uses. */
static void
keeper_round(struct verified *v)
{
	int64_t now = clock_monotonic_ns();
	struct verified_loan loan;
	bool is_old, is_any;

	for (;;) {
		pthread_mutex_lock(&v->lock);
		is_any = keeper_pick(v, now, &loan, &is_old);
		pthread_mutex_unlock(&v->lock);
		if (!is_any)
			return;
		if (!is_old && immu_persist(loan.c) == IM_OK)
			put_back(v, &loan, now, true);
		else
			close_logged(loan.c);
	}
}

static void *
keeper_loop(void *arg)
{
	struct verified *v = arg;
	struct timespec until;
	bool stopping = false;

	while (!stopping) {
		pthread_mutex_lock(&v->lock);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += VERIFIED_PERSIST_S;
		while (
		    !v->stopping && pthread_cond_timedwait(&v->stop_wanted, &v->lock, &until) == 0)
			continue;
		stopping = v->stopping;
		pthread_mutex_unlock(&v->lock);
		if (!stopping)
			keeper_round(v);
	}
	return NULL;
}

enum im_err
verified_new(const struct immu_options *options, struct verified **out)
{
	struct verified *v = calloc(1, sizeof *v);
	pthread_condattr_t attributes;

	*out = NULL;
	if (!v)
		return IM_ERR_NOMEM;
	v->options = *options;
	pthread_mutex_init(&v->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&v->stop_wanted, &attributes);
	pthread_condattr_destroy(&attributes);
	if (pthread_create(&v->keeper, NULL, keeper_loop, v) != 0) {
		pthread_cond_destroy(&v->stop_wanted);
		pthread_mutex_destroy(&v->lock);
		free(v);
		return err_set(IM_ERR_INTERNAL, "cannot start a thread");
	}
	pthread_setname_np(v->keeper, "keeper");
	*out = v;
	return IM_OK;
}

void
verified_free(struct verified *v)
{
	if (!v)
		return;
	pthread_mutex_lock(&v->lock);
	v->stopping = true;
	pthread_cond_signal(&v->stop_wanted);
	pthread_mutex_unlock(&v->lock);
	pthread_join(v->keeper, NULL);
	while (v->idle_len > 0)
		close_logged(v->idle[--v->idle_len].loan.c);
	pthread_cond_destroy(&v->stop_wanted);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

void
verified_renew(struct verified *v)
{
	struct immu *old[VERIFIED_IDLE_MAX];
	size_t len = 0;

	pthread_mutex_lock(&v->lock);
	v->generation++;
	while (v->idle_len > 0)
		old[len++] = v->idle[--v->idle_len].loan.c;
	pthread_mutex_unlock(&v->lock);
	while (len > 0)
		close_logged(old[--len]);
}

/*
 * An idle connection of that session, else the oldest one that is there; out->c is NULL when there
 * is none, and the generation that of one which is made now.
 */
static void
idle_take(struct verified *v, const struct verified_session *session, struct verified_loan *out)
{
	size_t i;

	pthread_mutex_lock(&v->lock);
	*out = (struct verified_loan){NULL, v->generation};
	for (i = v->idle_len; i > 0; i--)
		if (strcmp(immu_token(v->idle[i - 1].loan.c), session->token) == 0 &&
		    strcmp(immu_database(v->idle[i - 1].loan.c), session->database) == 0)
			break;
	if (v->idle_len > 0) {
		i = i > 0 ? i - 1 : 0;
		*out = v->idle[i].loan;
		idle_remove(v, i);
	}
	pthread_mutex_unlock(&v->lock);
}

enum im_err
verified_take(struct verified *v, const struct verified_session *session, struct verified_loan *out)
{
	enum im_err err = IM_OK;

	idle_take(v, session, out);
	while (out->c && !immu_is_connected(out->c)) {
		close_logged(out->c);
		idle_take(v, session, out);
	}
	if (!out->c)
		err = immu_connect(&v->options, &out->c);
	if (err != IM_OK)
		return err;
	if (strcmp(immu_token(out->c), session->token) != 0 ||
	    strcmp(immu_database(out->c), session->database) != 0)
		err = immu_resume(out->c, session->token, session->database);
	if (err != IM_OK)
		close_logged(out->c);
	return err;
}

void
verified_give(struct verified *v, const struct verified_loan *loan, enum im_err err)
{
	if (!immu_is_connected(loan->c) || err == IM_ERR_TIMEOUT || err == IM_ERR_PROTOCOL ||
	    immu_exit_code(err) == IM_EXIT_VERIFICATION)
		close_logged(loan->c);
	else
		put_back(v, loan, clock_monotonic_ns(), false);
}

enum im_err
verified_call(struct verified *v, const struct verified_session *session,
    const struct verified_asked *asked, struct arena *arena, struct verified_outcome *out)
{
	struct immu_request request;
	struct verified_loan loan;
	enum im_err err =
	    verified_request(asked->route->method->id, asked->message, arena, &request);

	*out = (struct verified_outcome){0};
	if (err == IM_OK)
		err = verified_take(v, session, &loan);
	if (err != IM_OK)
		return err;
	err = immu_run(loan.c, &request, &out->result);
	verified_give(v, &loan, err);
	if (err != IM_OK)
		return err;
	out->message = verified_answer(asked->route->answer, out->result, arena);
	if (out->message)
		return IM_OK;
	immu_result_free(out->result);
	out->result = NULL;
	return IM_ERR_NOMEM;
}
