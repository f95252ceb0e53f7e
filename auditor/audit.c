/*
 * The auditing of one server: its life, and when rounds run. audit_round.c has one round over the
 * server, audit_recall.c what is remembered of its databases.
 *
 *	audit_begin() --> round --> idle --interval, back-off, audit_round_now()--> round --> ...
 *
 * Invariants: an alarm is shown from the start, whether or not the server is there; nothing that a
 * round meets ends the loop.
 */
#include "audit.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "audit_private.h"
#include "round_rules.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/keyfile.h"
#include "util/log.h"

/* After the first failure to reach the server; then twice as long each time, up to the interval. */
#define BACKOFF_FIRST_MS 1000u
#define BACKOFF_DOUBLINGS_MAX 16u
/* A round begins up to this part of the interval early, so that auditors do not march in step. */
#define JITTER_PART 10u

/* Longer than anything of a round that does not end by itself, added to the time for a request. */
#define STALL_MS_DEFAULT 300000u

/* ---- The loop. ---- */

/* Milliseconds from one round to the next. */
static uint64_t
pause_ms(const struct audit *a)
{
	uint64_t ms = a->options.interval_ms, backoff = BACKOFF_FIRST_MS;
	unsigned int doublings = a->failures ? a->failures - 1 : 0;
	uint32_t random = 0;

	if (doublings > BACKOFF_DOUBLINGS_MAX)
		doublings = BACKOFF_DOUBLINGS_MAX;
	backoff <<= doublings;
	if (a->failures > 0 && backoff < ms)
		ms = backoff;
	/* Without random numbers there is no jitter, and that is all. */
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
		random = 0;
	return ms - ms / JITTER_PART * random / UINT32_MAX;
}

/*
 * Waits until the round after the one that began then is due or wanted; false when the auditor
 * stops.
 */
static bool
wait_round(struct audit *a, int64_t began_ns)
{
	int64_t now_ns = clock_monotonic_ns();
	int64_t until_ns = began_ns + (int64_t)pause_ms(a) * CLOCK_NS_PER_MS;
	struct timespec until = {until_ns / CLOCK_NS_PER_S, (long)(until_ns % CLOCK_NS_PER_S)};
	int rc = 0;

	report_lock(a->options.report);
	a->options.report->server.next_at = round_clock_s() + (double)(until_ns - now_ns) / 1e9;
	report_unlock(a->options.report);
	pthread_mutex_lock(&a->lock);
	while (rc == 0 && !a->is_wanted && !atomic_load(&a->stop))
		rc = pthread_cond_timedwait(&a->wake, &a->lock, &until);
	a->is_wanted = false;
	pthread_mutex_unlock(&a->lock);
	return !atomic_load(&a->stop);
}

bool
audit_is_moving(const struct audit *a)
{
	uint64_t stall_ms = a->options.stall_ms ? a->options.stall_ms : STALL_MS_DEFAULT;
	int64_t moved_ns = atomic_load(&a->moved_ns);

	stall_ms += a->options.timeout_ms;
	return moved_ns == 0 ||
	    clock_monotonic_ns() - moved_ns < (int64_t)stall_ms * CLOCK_NS_PER_MS;
}

static void *
audit_main(void *arg)
{
	struct audit *a = arg;
	int64_t began_ns;

	do {
		began_ns = clock_monotonic_ns();
		atomic_store(&a->moved_ns, began_ns);
		(void)audit_do_round(a);
		atomic_store(&a->moved_ns, 0);
		/* What cannot be reached is let alone for the whole pause. */
		if (a->failures > 0)
			began_ns = clock_monotonic_ns();
	} while (wait_round(a, began_ns));
	return NULL;
}

/* ---- Birth and end. ---- */

/* The address as a client pins it: the trusted states of both are the same files. */
static enum im_err
make_address(struct audit *a)
{
	const struct audit_options *o = &a->options;
	bool is_unix = o->unix_path && *o->unix_path;
	int n;

	if (is_unix)
		n = snprintf(a->address, sizeof a->address, "unix:%s", o->unix_path);
	else
		n = snprintf(a->address, sizeof a->address,
		    strchr(o->address, ':') ? "[%s]:%u" : "%s:%u", o->address, (unsigned)o->port);
	if (n < 0 || (size_t)n >= sizeof a->address)
		return err_set(IM_ERR_ARGUMENT, "the server's address is too long");
	for (char *c = a->address; !is_unix && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return IM_OK;
}

static void
free_keys(struct audit_keys *k)
{
	for (size_t i = 0; i < k->len; i++)
		sign_public_key_free(k->keys[i]);
	k->len = 0;
}

/* All of them or none. */
static enum im_err
load_keys(const struct audit_options *o, struct audit_keys *out)
{
	enum im_err err = IM_OK;

	out->len = 0;

	if (o->pub_key_files_len > AUDIT_KEYS_MAX)
		return err_set(IM_ERR_LIMIT, "more than %u public keys", AUDIT_KEYS_MAX);
	for (size_t i = 0; i < o->pub_key_files_len && !err; i++) {
		err = keyfile_load_public(o->pub_key_files[i], &out->keys[i]);
		out->len += !err;
	}
	if (err)
		free_keys(out);
	return err;
}

void
audit_take_keys(struct audit *a)
{
	pthread_mutex_lock(&a->lock);
	if (a->has_fresh) {
		free_keys(&a->keys);
		a->keys = a->fresh;
		a->fresh.len = 0;
		a->has_fresh = false;
	}
	pthread_mutex_unlock(&a->lock);
}

static enum im_err
reload_keys(struct audit *a)
{
	struct audit_keys fresh;
	enum im_err err = load_keys(&a->options, &fresh);

	if (err)
		return err;
	pthread_mutex_lock(&a->lock);
	free_keys(&a->fresh);
	a->fresh = fresh;
	a->has_fresh = true;
	pthread_mutex_unlock(&a->lock);
	if (fresh.len)
		log_info("%zu public keys are read again, for the rounds from the next one on",
		    fresh.len);
	return IM_OK;
}

enum im_err
audit_reload(struct audit *a)
{
	char text[REPORT_TEXT_MAX];
	enum im_err tls_err = a->tls ? tls_context_reload(a->tls) : IM_OK, err;

	snprintf(text, sizeof text, "%s", err_detail(tls_err));
	err = reload_keys(a);
	if (err && tls_err)
		log_error("%s", text);
	return err || !tls_err ? err : err_set(tls_err, "%s", text);
}

static void
audit_memory_free(struct round_memory *m)
{
	free(m->proof);
	free(m);
}

static void
audit_free(struct audit *a)
{
	free_keys(&a->keys);
	free_keys(&a->fresh);
	for (size_t i = 0; i < a->memory_len; i++)
		audit_memory_free(a->memory[i]);
	free(a->memory);
	tls_context_free(a->tls);
	pthread_cond_destroy(&a->wake);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

static void
warn_of_strangers(const struct audit_options *o)
{
	if (o->peers && peers_port(o->peers) > 0 && o->pub_key_files_len == 0)
		log_warn(
		    "no public key is configured: whoever reaches port %u, where peers ask, can claim "
		    "another history and so raise an alarm",
		    peers_port(o->peers));
}

enum im_err
audit_start(const struct audit_options *options, struct audit **out)
{
	struct audit *a = calloc(1, sizeof *a);
	pthread_condattr_t monotonic;
	enum im_err err;

	*out = NULL;
	if (!a)
		return err_set(IM_ERR_NOMEM, "out of memory");
	a->options = *options;
	report_lock(options->report);
	options->report->server.started_at = round_clock_s();
	report_unlock(options->report);
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&a->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	warn_of_strangers(options);
	err = make_address(a);
	if (!err)
		err = load_keys(&a->options, &a->keys);
	if (!err)
		err = tls_client_context(&options->tls, &a->tls);
	if (!err)
		err = file_make_folder(options->state_dir);
	if (!err)
		err = audit_recall(a);
	if (err)
		audit_free(a);
	else
		*out = a;
	return err;
}

enum im_err
audit_begin(struct audit *a)
{
	if (a->options.interval_ms > 0)
		a->has_thread = pthread_create(&a->thread, NULL, audit_main, a) == 0;
	return a->options.interval_ms == 0 || a->has_thread ? IM_OK
							    : err_set(IM_ERR_NOMEM, "a thread");
}

void
audit_round_now(struct audit *a)
{
	pthread_mutex_lock(&a->lock);
	a->is_wanted = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
}

enum im_err
audit_run_round(struct audit *a, enum audit_verdict *worst)
{
	enum im_err err;

	assert(!a->has_thread);
	err = audit_do_round(a);
	report_lock(a->options.report);
	report_worst(a->options.report, worst);
	report_unlock(a->options.report);
	return err == IM_ERR_CANCELLED || err == IM_ERR_NOMEM ? err : IM_OK;
}

void
audit_stop(struct audit *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	atomic_store(&a->stop, true);
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
	if (a->has_thread)
		pthread_join(a->thread, NULL);
	audit_free(a);
}

/* ---- For peers. ---- */

void
audit_each_verified(void *audit, void (*give)(void *to, const struct peer_state *state), void *to)
{
	struct audit *a = audit;
	struct report *report = a->options.report;

	report_lock(report);
	for (size_t i = 0; i < a->memory_len; i++) {
		const struct round_memory *m = a->memory[i];
		struct peer_state state = {
		    .tx = m->verified.point.id, .alh = m->verified.point.alh};

		if (state.tx == 0)
			continue;
		snprintf(state.server_id, sizeof state.server_id, "%s", report->server.id);
		snprintf(state.database, sizeof state.database, "%s", m->name);
		memcpy(state.signature, m->verified.signature, m->verified.signature_len);
		state.signature_len = m->verified.signature_len;
		state.seen_at = m->verified_at;
		give(to, &state);
	}
	report_unlock(report);
}

void
audit_each_proof(void *audit, void (*give)(void *to, const struct peer_proof *proof), void *to)
{
	struct audit *a = audit;

	report_lock(a->options.report);
	for (size_t i = 0; i < a->memory_len; i++)
		if (a->memory[i]->proof)
			give(to, a->memory[i]->proof);
	report_unlock(a->options.report);
}
