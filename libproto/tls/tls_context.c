/*
 * Certificates, keys and authorities: files become settings of TLS, or one line that says why not.
 * The connections that use them are tls_conn.c's.
 *
 * Invariants: settings are complete and checked before anybody sees them, and are never changed
 * afterwards; a reload exchanges them as a whole, and who made a connection by the old ones keeps
 * those.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "tls/tls_private.h"
#include "util/file.h"

/* A bundle of all authorities of the world is a quarter of this. */
#define TLS_FILE_MAX ((size_t)1024 * 1024)
#define TLS_CHAIN_MAX 10
/* Bytes of certificates that a peer may show. */
#define TLS_PEER_CERTIFICATES_MAX (32L * 1024)
/* The first one is the fastest where the processor has AES. */
#define TLS_CIPHERS "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define TLS_GROUPS "X25519:P-256:P-384"
#define TLS_DATE_SIZE 32

/* What the files hold. */
struct tls_settings {
	SSL_CTX *ssl;
	int64_t expires_s;
	char fingerprint[TLS_FINGERPRINT_SIZE];
	bool key_is_exposed;
};

struct tls_context {
	enum tls_side side;
	char *certificate, *key, *authorities; /* paths; NULL: none */
	pthread_mutex_t lock;
	struct tls_settings now; /* under lock */
};

const char *
tls_reason(void)
{
	unsigned long code = ERR_peek_error();
	const char *text = ERR_reason_error_string(code);

	ERR_clear_error();
	return text ? text : "unknown reason";
}

bool
tls_common_name(const X509 *x, char out[TLS_NAME_SIZE])
{
	const X509_NAME *subject = X509_get_subject_name(x);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *text = NULL;
	int n;
	bool ok;

	out[0] = '\0';
	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return false;
	n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	ok = n > 0 && n < TLS_NAME_SIZE;
	for (int i = 0; ok && i < n; i++)
		ok = text[i] > ' ' && text[i] < 0x7f;
	if (ok) {
		memcpy(out, text, (size_t)n);
		out[n] = '\0';
	}
	OPENSSL_free(text);
	return ok;
}

/* ---- Reading files. ---- */

static int
tls_no_passphrase(char *text, int size, int writing, void *is_encrypted)
{
	(void)writing;
	*(bool *)is_encrypted = true;
	if (size > 0)
		text[0] = '\0';
	return -1;
}

/* The file's content for OpenSSL to read; wipe content when done. */
static enum im_err
tls_read_file(const char *what, const char *path, struct buf *content, BIO **out)
{
	enum im_err err = file_read(path, TLS_FILE_MAX, content);
	char why[TLS_TEXT_MAX];

	if (err != IM_OK) {
		snprintf(why, sizeof why, "%s", err_detail(err));
		return err_set(err == IM_ERR_NOMEM ? err : IM_ERR_CERTIFICATE, "%s: %s", what, why);
	}
	*out = BIO_new_mem_buf(content->data, (int)content->len);
	return *out ? IM_OK : IM_ERR_NOMEM;
}

static void
tls_format_date(const ASN1_TIME *t, char out[TLS_DATE_SIZE])
{
	struct tm tm = {0};

	if (ASN1_TIME_to_tm(t, &tm) != 1 || strftime(out, TLS_DATE_SIZE, "%FT%TZ", &tm) == 0)
		snprintf(out, TLS_DATE_SIZE, "an unreadable date");
}

/* Seconds since 1970; 0 for a date that cannot be read. */
static int64_t
tls_date_s(const ASN1_TIME *t)
{
	struct tm tm = {0};

	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

/* Whether the certificate is valid now. */
static enum im_err
tls_check_dates(const char *path, const X509 *x)
{
	char date[TLS_DATE_SIZE], name[TLS_NAME_SIZE];

	if (!tls_common_name(x, name))
		snprintf(name, sizeof name, "without a common name");
	if (X509_cmp_current_time(X509_get0_notAfter(x)) <= 0) {
		tls_format_date(X509_get0_notAfter(x), date);
		return err_set(
		    IM_ERR_CERTIFICATE, "certificate %s: expired on %s (%s)", path, date, name);
	}
	if (X509_cmp_current_time(X509_get0_notBefore(x)) >= 0) {
		tls_format_date(X509_get0_notBefore(x), date);
		return err_set(IM_ERR_CERTIFICATE, "certificate %s: not valid before %s (%s)", path,
		    date, name);
	}
	return IM_OK;
}

/* Our own certificate or one of those behind it. */
static enum im_err
tls_use_certificate(const struct tls_context *c, struct tls_settings *s, X509 *x, unsigned index)
{
	enum im_err err = tls_check_dates(c->certificate, x);
	int64_t expires = tls_date_s(X509_get0_notAfter(x));
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	int rv;

	if (err != IM_OK)
		return err;
	if (index == TLS_CHAIN_MAX)
		return err_set(IM_ERR_CERTIFICATE, "certificate %s: more than %d certificates",
		    c->certificate, TLS_CHAIN_MAX);
	rv = index == 0 ? SSL_CTX_use_certificate(s->ssl, x)
			: (int)SSL_CTX_add1_chain_cert(s->ssl, x);
	if (rv != 1)
		return err_set(
		    IM_ERR_CERTIFICATE, "certificate %s: %s", c->certificate, tls_reason());
	if (s->expires_s == 0 || expires < s->expires_s)
		s->expires_s = expires;
	if (index == 0 && X509_digest(x, EVP_sha256(), digest, &n) == 1)
		for (unsigned i = 0; i < n; i++)
			snprintf(s->fingerprint + (size_t)3 * i, 4, i + 1 < n ? "%02X:" : "%02X",
			    digest[i]);
	return IM_OK;
}

/*
 * The next certificate of a PEM file: NULL at its end, or with *err set where one is damaged. What
 * stands behind it must not be left out in silence.
 */
static X509 *
tls_next_certificate(BIO *in, const char *what, const char *path, enum im_err *err)
{
	unsigned long code;
	X509 *x;

	ERR_clear_error();
	x = PEM_read_bio_X509(in, NULL, NULL, NULL);
	code = ERR_peek_last_error();
	if (!x && (ERR_GET_LIB(code) != ERR_LIB_PEM || ERR_GET_REASON(code) != PEM_R_NO_START_LINE))
		*err = err_set(IM_ERR_CERTIFICATE, "%s %s: a certificate in it is damaged: %s",
		    what, path, tls_reason());
	return x;
}

static enum im_err
tls_load_certificate(const struct tls_context *c, struct tls_settings *s)
{
	struct buf content;
	BIO *in = NULL;
	X509 *x;
	unsigned count = 0;
	enum im_err err;

	buf_init(&content, TLS_FILE_MAX);
	err = tls_read_file("certificate", c->certificate, &content, &in);
	while (err == IM_OK &&
	    (x = tls_next_certificate(in, "certificate", c->certificate, &err)) != NULL) {
		err = tls_use_certificate(c, s, x, count++);
		X509_free(x);
	}
	if (err == IM_OK && count == 0)
		err = err_set(IM_ERR_CERTIFICATE, "certificate %s: no certificate in it (PEM)",
		    c->certificate);
	ERR_clear_error();
	BIO_free(in);
	buf_free(&content);
	return err;
}

/* Whether TLS 1.3 can sign with a key of this kind. */
static enum im_err
tls_check_key_kind(const char *path, const EVP_PKEY *key)
{
	static const char *const curves[] = {"prime256v1", "secp384r1", "secp521r1"};
	char curve[64] = "unknown";

	if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS") ||
	    EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448"))
		return IM_OK;
	if (!EVP_PKEY_is_a(key, "EC"))
		return err_set(IM_ERR_CERTIFICATE,
		    "private key %s: TLS 1.3 knows no keys of this kind; use P-256", path);
	EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL);
	for (size_t i = 0; i < sizeof curves / sizeof *curves; i++)
		if (strcmp(curve, curves[i]) == 0)
			return IM_OK;
	return err_set(IM_ERR_CERTIFICATE,
	    "private key %s: TLS 1.3 does not know the curve %s; use P-256", path, curve);
}

static enum im_err
tls_use_key(const struct tls_context *c, struct tls_settings *s, EVP_PKEY *key)
{
	X509 *own = SSL_CTX_get0_certificate(s->ssl);
	enum im_err err = tls_check_key_kind(c->key, key);
	struct stat st;

	if (err != IM_OK)
		return err;
	if (X509_check_private_key(own, key) != 1)
		err = err_set(IM_ERR_CERTIFICATE,
		    "private key %s does not belong to the certificate %s", c->key, c->certificate);
	else if (SSL_CTX_use_PrivateKey(s->ssl, key) != 1)
		err = err_set(IM_ERR_CERTIFICATE, "private key %s: %s", c->key, tls_reason());
	s->key_is_exposed = stat(c->key, &st) == 0 && (st.st_mode & S_IROTH);
	ERR_clear_error();
	return err;
}

static enum im_err
tls_load_key(const struct tls_context *c, struct tls_settings *s)
{
	bool is_encrypted = false;
	EVP_PKEY *key = NULL;
	struct buf content;
	BIO *in = NULL;
	enum im_err err;

	buf_init(&content, TLS_FILE_MAX);
	err = tls_read_file("private key", c->key, &content, &in);
	if (err == IM_OK) {
		key = PEM_read_bio_PrivateKey(in, NULL, tls_no_passphrase, &is_encrypted);
		ERR_clear_error();
		if (key)
			err = tls_use_key(c, s, key);
		else
			err = err_set(IM_ERR_CERTIFICATE, "private key %s: %s", c->key,
			    is_encrypted ? "it is encrypted, which is not supported"
					 : "no private key in it (PEM)");
	}
	EVP_PKEY_free(key);
	BIO_free(in);
	buf_wipe(&content);
	return err;
}

static enum im_err
tls_load_authorities(const struct tls_context *c, struct tls_settings *s)
{
	X509_STORE *store = SSL_CTX_get_cert_store(s->ssl);
	unsigned count = 0, valid = 0;
	struct buf content;
	BIO *in = NULL;
	X509 *x;
	enum im_err err;

	buf_init(&content, TLS_FILE_MAX);
	err = tls_read_file("authorities", c->authorities, &content, &in);
	while (err == IM_OK &&
	    (x = tls_next_certificate(in, "authorities", c->authorities, &err)) != NULL) {
		count++;
		if (X509_cmp_current_time(X509_get0_notAfter(x)) > 0)
			valid++;
		if (X509_STORE_add_cert(store, x) != 1)
			err = err_set(
			    IM_ERR_CERTIFICATE, "authorities %s: %s", c->authorities, tls_reason());
		X509_free(x);
	}
	if (err == IM_OK && count == 0)
		err = err_set(IM_ERR_CERTIFICATE, "authorities %s: no certificate in it (PEM)",
		    c->authorities);
	else if (err == IM_OK && valid == 0)
		err = err_set(
		    IM_ERR_CERTIFICATE, "authorities %s: expired, all of them", c->authorities);
	ERR_clear_error();
	BIO_free(in);
	buf_free(&content);
	return err;
}

/* ---- Settings. ---- */

static SSL_CTX *
tls_new_settings(enum tls_side side)
{
	SSL_CTX *ssl = SSL_CTX_new(side == TLS_SERVER ? TLS_server_method() : TLS_client_method());

	if (!ssl)
		return NULL;
	if (SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(ssl, TLS_CIPHERS) != 1 ||
	    SSL_CTX_set1_groups_list(ssl, TLS_GROUPS) != 1) {
		SSL_CTX_free(ssl);
		return NULL;
	}
	/* Connections live long: nothing is kept to resume them. Quiet ones hold no buffers. */
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ssl, 0);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_max_cert_list(ssl, TLS_PEER_CERTIFICATES_MAX);
	X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ssl), X509_V_FLAG_PARTIAL_CHAIN);
	return ssl;
}

/* Whom we believe, and whom we ask. */
static enum im_err
tls_set_verification(const struct tls_context *c, struct tls_settings *s)
{
	if (c->side == TLS_CLIENT) {
		SSL_CTX_set_verify(s->ssl, SSL_VERIFY_PEER, NULL);
		if (!c->authorities && SSL_CTX_set_default_verify_paths(s->ssl) != 1)
			return err_set(
			    IM_ERR_CERTIFICATE, "the system's authorities: %s", tls_reason());
	} else if (c->authorities) {
		SSL_CTX_set_verify(s->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	return c->authorities ? tls_load_authorities(c, s) : IM_OK;
}

static enum im_err
tls_load(const struct tls_context *c, struct tls_settings *out)
{
	struct tls_settings s = {.ssl = tls_new_settings(c->side)};
	enum im_err err;

	if (!s.ssl)
		return err_set(IM_ERR_NOMEM, "TLS cannot be set up: %s", tls_reason());
	err = tls_set_verification(c, &s);
	if (err == IM_OK && c->certificate)
		err = tls_load_certificate(c, &s);
	if (err == IM_OK && c->certificate)
		err = tls_load_key(c, &s);
	if (err != IM_OK)
		SSL_CTX_free(s.ssl);
	else
		*out = s;
	return err;
}

/* NULL for none; *ok is cleared when there is no memory. */
static char *
tls_copy_path(const char *path, bool *ok)
{
	char *copy = path && path[0] ? strdup(path) : NULL;

	if (path && path[0] && !copy)
		*ok = false;
	return copy;
}

enum im_err
tls_context_new(const struct tls_files *files, struct tls_context **out)
{
	struct tls_context *c = (struct tls_context *)calloc(1, sizeof *c);
	bool ok = true;
	enum im_err err = IM_OK;

	*out = NULL;
	if (!c)
		return IM_ERR_NOMEM;
	pthread_mutex_init(&c->lock, NULL);
	c->side = files->side;
	c->certificate = tls_copy_path(files->certificate, &ok);
	c->key = tls_copy_path(files->key, &ok);
	c->authorities = tls_copy_path(files->authorities, &ok);
	if (!ok)
		err = IM_ERR_NOMEM;
	else if (c->side == TLS_SERVER && !c->certificate)
		err = err_set(IM_ERR_CERTIFICATE, "a server needs a certificate for TLS");
	else if ((c->certificate != NULL) != (c->key != NULL))
		err = err_set(IM_ERR_CERTIFICATE, "a %s without a %s",
		    c->key ? "private key" : "certificate", c->key ? "certificate" : "private key");
	if (err == IM_OK)
		err = tls_load(c, &c->now);
	if (err != IM_OK)
		tls_context_free(c);
	else
		*out = c;
	return err;
}

void
tls_context_free(struct tls_context *c)
{
	if (!c)
		return;
	SSL_CTX_free(c->now.ssl);
	free(c->certificate);
	free(c->key);
	free(c->authorities);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

enum im_err
tls_context_reload(struct tls_context *c)
{
	struct tls_settings fresh, old;
	enum im_err err = tls_load(c, &fresh);

	if (err != IM_OK)
		return err;
	pthread_mutex_lock(&c->lock);
	old = c->now;
	c->now = fresh;
	pthread_mutex_unlock(&c->lock);
	SSL_CTX_free(old.ssl);
	return IM_OK;
}

SSL_CTX *
tls_context_settings(struct tls_context *c)
{
	SSL_CTX *ssl;

	pthread_mutex_lock(&c->lock);
	ssl = c->now.ssl;
	SSL_CTX_up_ref(ssl);
	pthread_mutex_unlock(&c->lock);
	return ssl;
}

enum tls_side
tls_context_side(const struct tls_context *c)
{
	return c->side;
}

int64_t
tls_context_expires_s(struct tls_context *c)
{
	int64_t expires;

	pthread_mutex_lock(&c->lock);
	expires = c->now.expires_s;
	pthread_mutex_unlock(&c->lock);
	return expires;
}

void
tls_context_fingerprint(struct tls_context *c, char out[TLS_FINGERPRINT_SIZE])
{
	pthread_mutex_lock(&c->lock);
	memcpy(out, c->now.fingerprint, TLS_FINGERPRINT_SIZE);
	pthread_mutex_unlock(&c->lock);
}

bool
tls_context_key_is_exposed(struct tls_context *c)
{
	bool exposed;

	pthread_mutex_lock(&c->lock);
	exposed = c->now.key_is_exposed;
	pthread_mutex_unlock(&c->lock);
	return exposed;
}
