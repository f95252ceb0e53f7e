/*
 * Certificates of the server: which files, when they expire, and when they are read again. What is in them
 * and how it is used is tls/tls.h's business.
 *
 * Invariants: TLS is on by tls or mtls only, never because a path is set; whatever is wrong with a file
 * ends the start; a reload that fails changes nothing.
 */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "server/server_state.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

#define TLS_AUTO_CERTIFICATE "immudb-auto.cert.pem"
#define TLS_AUTO_KEY "immudb-auto.key.pem"
#define TLS_AUTO_DAYS 3650
#define TLS_WARN_DAYS 30
#define TLS_DAY_S INT64_C(86400)
#define TLS_PATH_MAX 4096
#define TLS_WHY_MAX 1024

struct server_tls {
	struct tls_context *context;
	pthread_t watcher;
	bool watches;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stopping; /* under lock */
};

static bool
is_given(const char *text)
{
	return text && text[0];
}

/* A fault of the options, with the name of the one to which it is put down. */
static enum im_err
tls_fault(const char **option, const char *name, const char *text)
{
	*option = name;
	return err_set(IM_ERR_CONFIG, "%s", text);
}

/* What TLS needs once it is on. */
static enum im_err
tls_check_files(const struct server_options *o, const char **option)
{
	const char *on = o->mtls ? "mtls" : "tls";

	if (o->auto_cert && (is_given(o->certificate) || is_given(o->pkey)))
		return tls_fault(option, "auto-cert", "excludes certificate and pkey");
	if (!o->auto_cert && !is_given(o->certificate))
		return tls_fault(option, on, "needs a certificate, or auto-cert");
	if (!o->auto_cert && !is_given(o->pkey))
		return tls_fault(option, on, "needs the certificate's private key (pkey)");
	if (o->mtls && !is_given(o->clientcas))
		return tls_fault(option, on,
		    "needs the authorities that sign clients' certificates (clientcas)");
	return IM_OK;
}

enum im_err
server_check_options(const struct server_options *o, const char **option)
{
	bool by_certificate = o->client_cert_user != SERVER_CERT_USER_OFF;

	*option = "";
	if (o->auto_cert && !o->tls && !o->mtls)
		return tls_fault(option, "auto-cert", "is for TLS: switch tls or mtls on, too");
	if (by_certificate && !o->mtls)
		return tls_fault(option, "client-cert-user",
		    "is for clients that show certificates: switch mtls on, too");
	if (by_certificate && !o->auth)
		return tls_fault(option, "client-cert-user", "without auth there is no login");
	return o->tls || o->mtls ? tls_check_files(o, option) : IM_OK;
}

static enum im_err
tls_load(struct server *s, const char *certificate, const char *key)
{
	const struct tls_files files = {.side = TLS_SERVER,
	    .certificate = certificate,
	    .key = key,
	    .authorities = s->options.mtls ? s->options.clientcas : NULL};
	enum im_err err = tls_context_new(&files, &s->tls->context);

	if (err == IM_OK && tls_context_key_is_exposed(s->tls->context))
		log_warn("private key %s can be read by everybody", key);
	return err;
}

enum im_err
server_tls_prepare(struct server *s)
{
	const struct server_options *o = &s->options;
	const char *option;
	enum im_err err = server_check_options(o, &option);
	char why[TLS_WHY_MAX];
	pthread_condattr_t attr;

	if (err != IM_OK) {
		snprintf(why, sizeof why, "%s", err_detail(err));
		return err_set(err, "%s: %s", option, why);
	}
	if (!o->tls && !o->mtls)
		return IM_OK;
	s->tls = (struct server_tls *)calloc(1, sizeof *s->tls);
	if (!s->tls)
		return IM_ERR_NOMEM;
	pthread_mutex_init(&s->tls->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->tls->changed, &attr);
	pthread_condattr_destroy(&attr);
	return o->auto_cert ? IM_OK : tls_load(s, o->certificate, o->pkey);
}

/* ---- A certificate of our own. ---- */

static bool
tls_is_absent(const char *path)
{
	struct stat st;

	return lstat(path, &st) != 0;
}

static enum im_err
tls_load_auto(struct server *s)
{
	char certificate[TLS_PATH_MAX], key[TLS_PATH_MAX], print[TLS_FINGERPRINT_SIZE];
	const char *dir = s->options.dir;
	enum im_err err = IM_OK;

	if (snprintf(certificate, sizeof certificate, "%s/" TLS_AUTO_CERTIFICATE, dir) >=
		(int)sizeof certificate ||
	    snprintf(key, sizeof key, "%s/" TLS_AUTO_KEY, dir) >= (int)sizeof key)
		return err_set(IM_ERR_CONFIG, "%s: path too long", dir);
	/* A key alone is what an interrupted start has left. */
	if (tls_is_absent(certificate) && !tls_is_absent(key) && remove(key) != 0)
		return err_set_errno(IM_ERR_IO, "cannot remove", key);
	if (tls_is_absent(certificate)) {
		err = tls_make_certificate(certificate, key, TLS_AUTO_DAYS);
		if (err == IM_OK)
			log_info("made a certificate that signs itself: %s", certificate);
	}
	if (err == IM_OK)
		err = tls_load(s, certificate, key);
	if (err != IM_OK)
		return err;
	tls_context_fingerprint(s->tls->context, print);
	log_info("certificate %s, SHA-256 fingerprint %s", certificate, print);
	return IM_OK;
}

/* ---- Expiry. ---- */

/* When it must be said, it is said now. */
static void
tls_warn_of_expiry(const struct server *s)
{
	int64_t expires = tls_context_expires_s(s->tls->context), left = expires - clock_wall_s();
	time_t at = (time_t)expires;
	char date[32] = "?";
	struct tm tm;

	if (left > TLS_WARN_DAYS * TLS_DAY_S)
		return;
	if (gmtime_r(&at, &tm))
		strftime(date, sizeof date, "%FT%TZ", &tm);
	if (left <= 0)
		log_error("the TLS certificate has expired on %s: clients refuse it", date);
	else
		log_warn("the TLS certificate expires on %s, in %lld days", date,
		    (long long)(left / TLS_DAY_S));
}

/* Once a day. */
static void *
tls_watch(void *arg)
{
	struct server *s = (struct server *)arg;
	struct server_tls *t = s->tls;
	int64_t by = clock_monotonic_ns();
	struct timespec ts;

	pthread_mutex_lock(&t->lock);
	while (!t->stopping) {
		pthread_mutex_unlock(&t->lock);
		tls_warn_of_expiry(s);
		pthread_mutex_lock(&t->lock);
		by += TLS_DAY_S * CLOCK_NS_PER_S;
		ts = (struct timespec){by / CLOCK_NS_PER_S, by % CLOCK_NS_PER_S};
		while (!t->stopping && pthread_cond_timedwait(&t->changed, &t->lock, &ts) == 0)
			;
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static double
tls_expiry(void *arg)
{
	return (double)tls_context_expires_s(((struct server *)arg)->tls->context);
}

static enum im_err
tls_add_metric(struct server *s)
{
	const struct metric_desc desc = {.name = "immudb_tls_certificate_expiry_timestamp_seconds",
	    .help = "When the TLS certificate expires, as Unix time.",
	    .type = METRIC_GAUGE};
	struct metric *m = metric_single(metrics_family(s->metrics, &desc));

	metric_set_callback(m, tls_expiry, s);
	return m ? IM_OK : IM_ERR_NOMEM;
}

enum im_err
server_tls_start(struct server *s)
{
	enum im_err err = IM_OK;

	if (!s->tls)
		return IM_OK;
	if (s->options.auto_cert)
		err = tls_load_auto(s);
	if (err == IM_OK)
		err = tls_add_metric(s);
	if (err == IM_OK && pthread_create(&s->tls->watcher, NULL, tls_watch, s) != 0)
		err = err_set(IM_ERR_NOMEM, "cannot start a thread");
	s->tls->watches = err == IM_OK;
	return err;
}

void
server_tls_stop(struct server *s)
{
	struct server_tls *t = s->tls;

	if (!t)
		return;
	if (t->watches) {
		pthread_mutex_lock(&t->lock);
		t->stopping = true;
		pthread_cond_signal(&t->changed);
		pthread_mutex_unlock(&t->lock);
		pthread_join(t->watcher, NULL);
	}
	tls_context_free(t->context);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	free(t);
	s->tls = NULL;
}

struct tls_context *
server_tls_context(const struct server *s)
{
	return s->tls ? s->tls->context : NULL;
}

enum im_err
server_reload_tls(struct server *s)
{
	char print[TLS_FINGERPRINT_SIZE], why[TLS_WHY_MAX];
	enum im_err err;

	if (!s->tls)
		return IM_OK;
	err = tls_context_reload(s->tls->context);
	if (err != IM_OK) {
		snprintf(why, sizeof why, "%s", err_detail(err));
		return err_set(err, "TLS stays as it was: %s", why);
	}
	tls_context_fingerprint(s->tls->context, print);
	log_info("TLS files read again; the certificate's SHA-256 fingerprint is %s", print);
	tls_warn_of_expiry(s);
	return IM_OK;
}

bool
server_fingerprint(const struct server *s, char out[SERVER_FINGERPRINT_SIZE])
{
	static_assert(SERVER_FINGERPRINT_SIZE == TLS_FINGERPRINT_SIZE, "one size");
	out[0] = '\0';
	if (!s->tls)
		return false;
	tls_context_fingerprint(s->tls->context, out);
	return true;
}
