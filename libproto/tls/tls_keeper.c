/*
 * A certificate that is in use: when it expires, and when it is read again. What is in the files,
 * and whether it can be used, is tls_context.c's business.
 */
#include "tls/tls_keeper.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "util/clock.h"
#include "util/log.h"
#include "util/metrics.h"

#define KEEPER_WARN_DAYS 30
#define KEEPER_WHY_MAX 1024
#define KEEPER_DAY_S INT64_C(86400)

struct tls_keeper {
	struct tls_context *context;
	struct metric *expiry;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stopping; /* under lock */
};

/* When it must be said, it is said now. */
static void
keeper_warn(const struct tls_keeper *k)
{
	int64_t expires = tls_context_expires_s(k->context), left = expires - clock_wall_s();
	time_t at = (time_t)expires;
	char date[32] = "?";
	struct tm tm;

	metric_set(k->expiry, (double)expires);
	if (left > KEEPER_WARN_DAYS * KEEPER_DAY_S)
		return;
	if (gmtime_r(&at, &tm))
		strftime(date, sizeof date, "%FT%TZ", &tm);
	if (left <= 0)
		log_error("the TLS certificate has expired on %s: clients refuse it", date);
	else
		log_warn("the TLS certificate expires on %s, in %lld days", date,
		    (long long)(left / KEEPER_DAY_S));
}

/* Once a day. */
static void *
keeper_run(void *arg)
{
	struct tls_keeper *k = (struct tls_keeper *)arg;
	int64_t by = clock_monotonic_ns();
	struct timespec ts;

	pthread_mutex_lock(&k->lock);
	while (!k->stopping) {
		pthread_mutex_unlock(&k->lock);
		keeper_warn(k);
		pthread_mutex_lock(&k->lock);
		by += KEEPER_DAY_S * CLOCK_NS_PER_S;
		ts = (struct timespec){by / CLOCK_NS_PER_S, by % CLOCK_NS_PER_S};
		while (!k->stopping && pthread_cond_timedwait(&k->changed, &k->lock, &ts) == 0)
			;
	}
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

static void
keeper_free(struct tls_keeper *k)
{
	pthread_cond_destroy(&k->changed);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

enum im_err
tls_keeper_start(
    struct tls_context *c, struct metrics *m, const char *name, struct tls_keeper **out)
{
	const struct metric_desc desc = {.name = name,
	    .help = "When the TLS certificate expires, as Unix time.",
	    .type = METRIC_GAUGE};
	struct tls_keeper *k = (struct tls_keeper *)calloc(1, sizeof *k);
	pthread_condattr_t attr;

	*out = NULL;
	if (!k)
		return IM_ERR_NOMEM;
	k->context = c;
	k->expiry = metric_single(metrics_family(m, &desc));
	metric_set(k->expiry, (double)tls_context_expires_s(c));
	pthread_mutex_init(&k->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&k->changed, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&k->thread, NULL, keeper_run, k) != 0) {
		keeper_free(k);
		return err_set(IM_ERR_NOMEM, "cannot start a thread");
	}
	*out = k;
	return IM_OK;
}

enum im_err
tls_keeper_reload(struct tls_keeper *k)
{
	char print[TLS_FINGERPRINT_SIZE], why[KEEPER_WHY_MAX];
	enum im_err err = tls_context_reload(k->context);

	if (err != IM_OK) {
		snprintf(why, sizeof why, "%s", err_detail(err));
		return err_set(err, "TLS stays as it was: %s", why);
	}
	tls_context_fingerprint(k->context, print);
	log_info("TLS files read again; the certificate's SHA-256 fingerprint is %s", print);
	keeper_warn(k);
	return IM_OK;
}

void
tls_keeper_stop(struct tls_keeper *k)
{
	if (!k)
		return;
	pthread_mutex_lock(&k->lock);
	k->stopping = true;
	pthread_cond_signal(&k->changed);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
	keeper_free(k);
}
