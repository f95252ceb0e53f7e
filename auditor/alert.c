/*
 * Telling people. Neighbours: alert_json (what is said), alert_queue (where it waits), alert_post
 * and alert_exec (the two ways to deliver it); the rounds call alerts_send().
 *
 *	     alerts_send() ──▶ webhook/ ──▶ its thread ──▶ alert_post
 *	                  └──▶ program/ ──▶ its thread ──▶ alert_exec
 *
 * Invariants: an alert is on disk before anybody tries to deliver it, and leaves only when it was
 * delivered or the queue was full; the oldest is delivered before the next is tried; neither way
 * waits for the other; no lock is held during an attempt. The lock of a channel guards its queue,
 * counts and flags.
 */
#include "alert.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "alert_exec.h"
#include "alert_json.h"
#include "alert_post.h"
#include "alert_queue.h"
#include "util/backoff.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

#define ALERT_PAUSE_FIRST_MS 1000u
#define ALERT_PAUSE_MAX_MS 300000u
#define ALERT_PATH_MAX 4096u

enum alert_way { ALERT_BY_POST, ALERT_BY_EXEC, ALERT_WAYS };

/* One way to deliver, with its queue and its thread. */
struct alert_channel {
	const char *name; /* of the folder, and in log lines */
	struct alert_post *post;
	struct alert_exec *exec;
	pthread_t thread;
	bool is_running; /* the thread was started */
	unsigned int pause_first_ms;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under the lock. */
	struct alert_queue queue;
	struct alert_counts counts; /* all but waiting */
	struct backoff pauses;
	bool has_new; /* since the last attempt */
	bool is_stopping, is_aborted, has_ended;
};

struct alerts {
	struct alert_channel *channels[ALERT_WAYS]; /* NULL: not configured */
	bool every_round;
};

/* ---- the thread of a channel ---- */

static struct timespec
alert_time(int64_t at_ns)
{
	return (struct timespec){at_ns / CLOCK_NS_PER_S, at_ns % CLOCK_NS_PER_S};
}

static enum alert_result
channel_try(struct alert_channel *c, const struct alert_item *item, struct bytes body,
    struct alert_outcome *out)
{
	return c->post ? alert_post_send(c->post, item->id, body, out)
		       : alert_exec_send(c->exec, item->id, body, out);
}

/* The pause before the next attempt, by how the last one ended. */
static unsigned int
channel_pause_ms(struct alert_channel *c, const struct alert_outcome *outcome)
{
	unsigned int ms;

	if (outcome->result == ALERT_REFUSED)
		return backoff_jitter(c->pauses.max_ms);
	ms = backoff_next(&c->pauses);
	if (outcome->retry_after_ms > ms)
		ms = outcome->retry_after_ms;
	return ms < c->pauses.max_ms ? ms : backoff_jitter(c->pauses.max_ms);
}

/*
 * Waits until it is time for the next attempt. A new alert is tried early, but never sooner after a
 * failure than the first pause. A stop cuts the pause short, for one last attempt.
 */
static void
channel_rest(struct alert_channel *c, unsigned int pause_ms)
{
	int64_t now = clock_monotonic_ns();
	struct timespec end = alert_time(now + pause_ms * CLOCK_NS_PER_MS);
	struct timespec early = alert_time(now + c->pause_first_ms * CLOCK_NS_PER_MS);
	int e = 0;

	c->has_new = false;
	while (!e && !c->has_new && !c->is_stopping)
		e = pthread_cond_timedwait(&c->changed, &c->lock, &end);
	if (!c->has_new)
		return;
	for (e = 0; !e && !c->is_stopping && pause_ms > c->pause_first_ms;)
		e = pthread_cond_timedwait(&c->changed, &c->lock, &early);
}

/* A file that is no alert must not stop the others. */
static void
channel_discard(struct alert_channel *c, const struct alert_item *item, enum im_err err)
{
	log_error("alert %s for the %s is dropped: %s", item->id, c->name, err_detail(err));
	alert_queue_remove(&c->queue, item);
	c->counts.dropped++;
}

static void
channel_failed(
    struct alert_channel *c, const struct alert_item *item, const struct alert_outcome *outcome)
{
	unsigned int pause_ms;

	if (outcome->result == ALERT_ABORTED)
		return;
	c->counts.failed++;
	pause_ms = channel_pause_ms(c, outcome);
	log_error("alert %s was not delivered to the %s: %s; %zu waiting, next attempt in %u s",
	    item->id, c->name, outcome->text, c->queue.len, (pause_ms + 999) / 1000);
	if (c->is_stopping)
		c->is_aborted = true;
	else
		channel_rest(c, pause_ms);
}

/* One attempt with the oldest alert; the lock is given up while it lasts. */
static void
channel_step(struct alert_channel *c, const struct alert_item *item, struct buf *body)
{
	struct alert_outcome outcome = {.result = ALERT_FAILED};
	enum im_err err;

	buf_clear(body);
	err = alert_queue_read(&c->queue, item, body);
	if (err == IM_ERR_CORRUPT) {
		channel_discard(c, item, err);
		return;
	}
	pthread_mutex_unlock(&c->lock);
	if (err)
		alert_outcome_set(&outcome, ALERT_FAILED, "%s", err_detail(err));
	else
		channel_try(c, item, buf_bytes(body), &outcome);
	pthread_mutex_lock(&c->lock);
	if (outcome.result != ALERT_DELIVERED) {
		channel_failed(c, item, &outcome);
		return;
	}
	log_info("alert %s was delivered to the %s: %s", item->id, c->name, outcome.text);
	backoff_reset(&c->pauses);
	c->counts.delivered++;
	alert_queue_remove(&c->queue, item);
}

static void *
channel_main(void *arg)
{
	struct alert_channel *c = (struct alert_channel *)arg;
	struct alert_item item;
	struct buf body;

	buf_init(&body, ALERT_BODY_MAX);
	pthread_mutex_lock(&c->lock);
	while (!c->is_aborted) {
		if (alert_queue_first(&c->queue, &item))
			channel_step(c, &item, &body);
		else if (c->is_stopping)
			break;
		else
			pthread_cond_wait(&c->changed, &c->lock);
	}
	c->has_ended = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	buf_free(&body);
	return NULL;
}

/* ---- a channel's life ---- */

static enum im_err
channel_init_sync(struct alert_channel *c)
{
	pthread_condattr_t attr;
	bool ok = pthread_condattr_init(&attr) == 0 &&
	    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
	    pthread_cond_init(&c->changed, &attr) == 0;

	(void)pthread_condattr_destroy(&attr);
	return ok && pthread_mutex_init(&c->lock, NULL) == 0 ? IM_OK
							     : err_set(IM_ERR_NOMEM, "a lock");
}

static enum im_err
channel_open_queue(struct alert_channel *c, const char *folder)
{
	struct buf path;
	size_t dropped = 0;
	enum im_err err;

	buf_init(&path, ALERT_PATH_MAX);
	err = file_join(&path, folder, c->name);
	if (!err)
		err = alert_queue_open(&c->queue, (const char *)path.data, &dropped);
	buf_free(&path);
	c->counts.dropped = dropped;
	if (!err && c->queue.len)
		log_info("%zu alert(s) for the %s are left from before", c->queue.len, c->name);
	return err;
}

/* Signals are for the main thread. */
static enum im_err
channel_start_thread(struct alert_channel *c)
{
	sigset_t all, before;
	int e;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(&c->thread, NULL, channel_main, c);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	c->is_running = e == 0;
	return e ? err_set(IM_ERR_NOMEM, "cannot start a thread: %s", strerror(e)) : IM_OK;
}

static enum im_err
channel_open(enum alert_way way, const struct alert_options *o, struct alert_channel **out)
{
	struct alert_channel *c = (struct alert_channel *)calloc(1, sizeof *c);
	enum im_err err;

	*out = c;
	if (!c)
		return err_set(IM_ERR_NOMEM, "out of memory");
	c->name = way == ALERT_BY_POST ? "webhook" : "program";
	c->queue.lock_fd = -1;
	c->pause_first_ms = o->pause_first_ms ? o->pause_first_ms : ALERT_PAUSE_FIRST_MS;
	c->pauses = (struct backoff){
	    c->pause_first_ms, o->pause_max_ms ? o->pause_max_ms : ALERT_PAUSE_MAX_MS, 0};
	err = channel_init_sync(c);
	if (!err)
		err = way == ALERT_BY_POST ? alert_post_open(o, &c->post)
					   : alert_exec_open(o, &c->exec);
	return err ? err : channel_open_queue(c, o->queue_dir);
}

static void
channel_abort(struct alert_channel *c)
{
	pthread_mutex_lock(&c->lock);
	c->is_aborted = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	if (c->post)
		alert_post_abort(c->post);
	if (c->exec)
		alert_exec_abort(c->exec);
}

/* From here on the thread ends when everything is delivered or an attempt fails. */
static void
channel_begin_stop(struct alert_channel *c)
{
	pthread_mutex_lock(&c->lock);
	c->is_stopping = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

/* Waits for the thread's end until the time is over. */
static void
channel_drain(struct alert_channel *c, int64_t end_ns)
{
	struct timespec end = alert_time(end_ns);
	int e = 0;

	pthread_mutex_lock(&c->lock);
	while (!e && !c->has_ended)
		e = pthread_cond_timedwait(&c->changed, &c->lock, &end);
	pthread_mutex_unlock(&c->lock);
}

static void
channel_close(struct alert_channel *c)
{
	if (!c)
		return;
	if (c->is_running) {
		channel_abort(c);
		pthread_join(c->thread, NULL);
	}
	if (c->queue.len)
		log_warn("%zu alert(s) for the %s stay queued", c->queue.len, c->name);
	alert_queue_close(&c->queue);
	alert_post_close(c->post);
	alert_exec_close(c->exec);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static enum im_err
channel_add(struct alert_channel *c, const struct alert_item *item, struct bytes body)
{
	bool dropped;
	enum im_err err;

	pthread_mutex_lock(&c->lock);
	err = alert_queue_add(&c->queue, item, body, &dropped);
	c->counts.queued += err != IM_ERR_NOMEM;
	c->counts.dropped += dropped;
	c->has_new = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	if (err)
		log_error(
		    "alert %s for the %s is not on disk: %s", item->id, c->name, err_detail(err));
	return err;
}

/* ---- all of them ---- */

static bool
alert_is_given(const char *text)
{
	return text && text[0];
}

/* Options that mean nothing by themselves are mistakes, and a mistake here means no alarm. */
static enum im_err
alerts_check(const struct alert_options *o)
{
	if (alert_is_given(o->url))
		return alert_is_given(o->password) && !alert_is_given(o->username)
		    ? err_set(IM_ERR_CONFIG, "a password for the webhook needs a user name")
		    : IM_OK;
	if (alert_is_given(o->username) || alert_is_given(o->password) ||
	    alert_is_given(o->secret_file) || alert_is_given(o->ca_file) || o->every_round)
		return err_set(
		    IM_ERR_CONFIG, "options for a webhook are given, but the URL of none");
	return IM_OK;
}

enum im_err
alerts_start(const struct alert_options *options, struct alerts **out)
{
	struct alerts *a = (struct alerts *)calloc(1, sizeof *a);
	enum im_err err;

	*out = NULL;
	if (!a)
		return err_set(IM_ERR_NOMEM, "out of memory");
	a->every_round = options->every_round;
	err = alerts_check(options);
	if (!err && alert_is_given(options->url))
		err = channel_open(ALERT_BY_POST, options, &a->channels[ALERT_BY_POST]);
	if (!err && alert_is_given(options->exec))
		err = channel_open(ALERT_BY_EXEC, options, &a->channels[ALERT_BY_EXEC]);
	for (int i = 0; i < ALERT_WAYS && !err; i++)
		if (a->channels[i])
			err = channel_start_thread(a->channels[i]);
	if (err)
		alerts_stop(a, 0);
	else
		*out = a;
	return err;
}

enum im_err
alerts_send(struct alerts *a, const struct alert *alert)
{
	struct alert_item item = {.is_alarm = audit_verdict_info(alert->verdict)->is_tamper};
	struct xid id;
	struct buf body;
	enum im_err err, first = IM_OK;

	if (!item.is_alarm && !a->every_round)
		return IM_OK;
	err = xid_make(&id);
	if (err)
		return err;
	xid_format(&id, item.id);
	buf_init(&body, ALERT_BODY_MAX);
	if (!alert_json_append(&body, alert, item.id))
		first = err_set(body.err, "an alert: %s", err_text(body.err));
	for (int i = 0; i < ALERT_WAYS && !body.err; i++) {
		if (!a->channels[i] || (i == ALERT_BY_EXEC && !item.is_alarm))
			continue;
		err = channel_add(a->channels[i], &item, buf_bytes(&body));
		first = first ? first : err;
	}
	buf_free(&body);
	return first;
}

void
alerts_counts(struct alerts *a, struct alert_counts *out)
{
	*out = (struct alert_counts){0};
	for (int i = 0; i < ALERT_WAYS; i++) {
		struct alert_channel *c = a->channels[i];

		if (!c)
			continue;
		pthread_mutex_lock(&c->lock);
		out->queued += c->counts.queued;
		out->delivered += c->counts.delivered;
		out->failed += c->counts.failed;
		out->dropped += c->counts.dropped;
		out->waiting += c->queue.len;
		pthread_mutex_unlock(&c->lock);
	}
}

void
alerts_stop(struct alerts *a, unsigned int wait_ms)
{
	int64_t end_ns = clock_monotonic_ns() + wait_ms * CLOCK_NS_PER_MS;

	if (!a)
		return;
	for (int i = 0; i < ALERT_WAYS && wait_ms; i++)
		if (a->channels[i])
			channel_begin_stop(a->channels[i]);
	for (int i = 0; i < ALERT_WAYS && wait_ms; i++)
		if (a->channels[i] && a->channels[i]->is_running)
			channel_drain(a->channels[i], end_ns);
	for (int i = 0; i < ALERT_WAYS; i++)
		channel_close(a->channels[i]);
	free(a);
}
