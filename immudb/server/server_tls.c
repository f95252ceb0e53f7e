/*
 * Certificates of the server: which files, or one of its own. What is in them and how it is used is
 * tls/tls.h's business, when they expire and are read again tls/tls_keeper.h's.
 *
 * Invariants: TLS is on by tls or mtls only, never because a path is set; whatever is wrong with a
 * file ends the start; a reload that fails changes nothing.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "server/server_state.h"
#include "tls/tls_keeper.h"
#include "util/file.h"
#include "util/log.h"

#define TLS_AUTO_CERTIFICATE "immudb-auto.cert.pem"
#define TLS_AUTO_KEY "immudb-auto.key.pem"
#define TLS_AUTO_DAYS 3650
#define TLS_PATH_MAX 4096
#define TLS_WHY_MAX 1024

struct server_tls {
	struct tls_context *context;
	struct tls_keeper *keeper; /* once it serves */
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

	if (err != IM_OK) {
		snprintf(why, sizeof why, "%s", err_detail(err));
		return err_set(err, "%s: %s", option, why);
	}
	if (!o->tls && !o->mtls)
		return IM_OK;
	s->tls = (struct server_tls *)calloc(1, sizeof *s->tls);
	if (!s->tls)
		return IM_ERR_NOMEM;
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
	char why[TLS_WHY_MAX];
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
	if (err != IM_OK)
		return err;
	err = tls_load(s, certificate, key);
	if (err != IM_OK) {
		/* The clock may have been wrong when it was made, or is now: nobody knows. */
		snprintf(why, sizeof why, "%s", err_detail(err));
		return err_set(err, "%s: remove the file to have a new one made", why);
	}
	tls_context_fingerprint(s->tls->context, print);
	log_info("certificate %s, SHA-256 fingerprint %s", certificate, print);
	return IM_OK;
}

/* ---- In service. ---- */

enum im_err
server_tls_start(struct server *s)
{
	enum im_err err = IM_OK;

	if (!s->tls)
		return IM_OK;
	if (s->options.auto_cert)
		err = tls_load_auto(s);
	if (err == IM_OK)
		err = tls_keeper_start(s->tls->context, s->metrics,
		    "immudb_tls_certificate_expiry_timestamp_seconds", &s->tls->keeper);
	return err;
}

void
server_tls_stop(struct server *s)
{
	struct server_tls *t = s->tls;

	if (!t)
		return;
	tls_keeper_stop(t->keeper);
	tls_context_free(t->context);
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
	return s->tls ? tls_keeper_reload(s->tls->keeper) : IM_OK;
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
