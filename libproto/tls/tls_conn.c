/*
 * One TLS connection as a pump: OpenSSL reads from the bytes that tls_conn_receive() is given and
 * writes into a buffer that the caller takes. No memory BIO of OpenSSL's stands between, which
 * would copy everything once more.
 *
 * Invariants: OpenSSL never waits and never sees a descriptor; `in` is set only while
 * tls_conn_receive() runs; what the peer can make us keep is bounded: part of one record inside
 * OpenSSL, TLS_HANDSHAKE_MAX before the handshake is complete, TLS_REPLIES_MAX of answers that
 * nobody has taken.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tls/tls_private.h"

#define TLS_RECORD_HEAD 5
/* First bytes of records that can come first. */
#define TLS_RECORD_ALERT 0x15
#define TLS_RECORD_HANDSHAKE 0x16
/* Encrypted output of one call may be large: the caller says how much it sends. */
#define TLS_OUTPUT_MAX ((size_t)512 * 1024 * 1024)

struct tls_conn {
	SSL *ssl;
	bool is_server, is_named;
	bool established, closed, said_bye, failed;
	bool begun;    /* a byte of the peer has come */
	bool foreign;  /* and it was none of TLS */
	bool too_long; /* the handshake is */
	size_t handshake_bytes;
	struct bytes in;
	struct buf out;
	/* Where in a record of the peer we are. */
	uint8_t head[TLS_RECORD_HEAD];
	size_t head_len, body_left;
	char name[TLS_NAME_SIZE];
};

/* ---- OpenSSL's way to the bytes. ---- */

static BIO_METHOD *pump_method;
static pthread_once_t pump_once = PTHREAD_ONCE_INIT;

/* Follows the peer's records as OpenSSL takes their bytes. */
static void
pump_follow(struct tls_conn *t, const uint8_t *p, size_t n)
{
	while (n > 0) {
		size_t part;

		if (t->head_len < TLS_RECORD_HEAD) {
			part =
			    TLS_RECORD_HEAD - t->head_len < n ? TLS_RECORD_HEAD - t->head_len : n;
			memcpy(t->head + t->head_len, p, part);
			t->head_len += part;
			if (t->head_len == TLS_RECORD_HEAD)
				t->body_left = be16_get(t->head + 3);
		} else {
			part = t->body_left < n ? t->body_left : n;
			t->body_left -= part;
		}
		if (t->head_len == TLS_RECORD_HEAD && t->body_left == 0)
			t->head_len = 0;
		p += part;
		n -= part;
	}
}

static int
pump_read(BIO *bio, char *data, size_t size, size_t *done)
{
	struct tls_conn *t = (struct tls_conn *)BIO_get_data(bio);
	size_t n = t->in.len < size ? t->in.len : size;

	BIO_clear_retry_flags(bio);
	*done = n;
	if (n == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	if (!t->established && !SSL_is_init_finished(t->ssl)) {
		t->handshake_bytes += n;
		t->too_long = t->handshake_bytes > TLS_HANDSHAKE_MAX;
		if (t->too_long)
			return 0;
	}
	memcpy(data, t->in.data, n);
	pump_follow(t, t->in.data, n);
	t->in = bytes_of(t->in.data + n, t->in.len - n);
	return 1;
}

static int
pump_write(BIO *bio, const char *data, size_t size, size_t *done)
{
	struct tls_conn *t = (struct tls_conn *)BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	*done = size;
	return buf_append(&t->out, data, size);
}

static long
pump_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static void
pump_make_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "pump");

	if (!m)
		return;
	BIO_meth_set_read_ex(m, pump_read);
	BIO_meth_set_write_ex(m, pump_write);
	BIO_meth_set_ctrl(m, pump_ctrl);
	pump_method = m;
}

static bool
pump_attach(struct tls_conn *t)
{
	BIO *bio;

	pthread_once(&pump_once, pump_make_method);
	bio = pump_method ? BIO_new(pump_method) : NULL;
	if (!bio)
		return false;
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	return true;
}

/* ---- Birth and end. ---- */

static bool
tls_is_ip(const char *name)
{
	uint8_t address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* Whose certificate the server must show, and what it is asked for. */
static enum im_err
tls_set_name(struct tls_conn *t, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
	bool ok;

	if (!*name || strlen(name) >= sizeof t->name)
		return err_set(IM_ERR_ARGUMENT, "bad name of a server");
	snprintf(t->name, sizeof t->name, "%s", name);
	t->is_named = true;
	if (tls_is_ip(name)) {
		ok = X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
	} else {
		X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		ok = X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
		    SSL_set_tlsext_host_name(t->ssl, name) == 1;
	}
	return ok ? IM_OK : err_set(IM_ERR_ARGUMENT, "bad name of a server: %s", tls_reason());
}

enum im_err
tls_conn_new(struct tls_context *c, const char *name, struct tls_conn **out)
{
	struct tls_conn *t = (struct tls_conn *)calloc(1, sizeof *t);
	SSL_CTX *settings;
	enum im_err err = IM_OK;

	*out = NULL;
	if (!t)
		return IM_ERR_NOMEM;
	buf_init(&t->out, TLS_OUTPUT_MAX);
	settings = tls_context_settings(c);
	t->ssl = SSL_new(settings);
	SSL_CTX_free(settings);
	t->is_server = tls_context_side(c) == TLS_SERVER;
	if (!t->ssl || !pump_attach(t))
		err = err_set(IM_ERR_NOMEM, "no memory for TLS");
	else if (name)
		err = tls_set_name(t, name);
	if (err != IM_OK) {
		tls_conn_free(t);
		return err;
	}
	if (t->is_server)
		SSL_set_accept_state(t->ssl);
	else
		SSL_set_connect_state(t->ssl);
	*out = t;
	return IM_OK;
}

void
tls_conn_free(struct tls_conn *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	buf_free(&t->out);
	free(t);
}

struct buf *
tls_conn_output(struct tls_conn *t)
{
	return &t->out;
}

/* ---- What went wrong. ---- */

/* What the peer's alerts and our own complaints mean to who reads them. */
static const struct {
	int reason;
	const char *text;
} tls_reasons[] = {
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the client has shown no certificate"},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED,
	"the server asks for a client certificate, and none was given"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA,
	"the other side does not trust the authority of our certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "the other side says: our certificate has expired"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, "the other side says: our certificate was revoked"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the other side refuses our certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the other side refuses our certificate"},
    {SSL_R_TLSV1_ALERT_DECRYPT_ERROR,
	"the other side refuses our certificate: a signature is wrong"},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
	"the other side refuses our certificate: it is not made for this use"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "the other side does not speak TLS 1.3"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "the other side does not speak TLS 1.3"},
    {SSL_R_WRONG_SSL_VERSION, "the other side does not speak TLS 1.3"},
};

/* Why the peer's certificate was not believed. */
static enum im_err
tls_fail_verification(const struct tls_conn *t)
{
	const char *who = t->is_server ? "client" : "server";
	long result = SSL_get_verify_result(t->ssl);

	switch (result) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return err_set(
		    IM_ERR_TLS, "the %s's certificate is not for the name %s", who, t->name);
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return err_set(IM_ERR_TLS, "the %s's certificate has expired", who);
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return err_set(IM_ERR_TLS, "the %s's certificate is not valid yet", who);
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		return err_set(IM_ERR_TLS,
		    "the %s's certificate is not signed by an authority that is trusted here", who);
	default:
		return err_set(IM_ERR_TLS, "the %s's certificate is not accepted: %s", who,
		    X509_verify_cert_error_string(result));
	}
}

/* After a call of OpenSSL's that failed for good. */
static enum im_err
tls_fail(struct tls_conn *t)
{
	/* The first error is often deeper down, the last one says what it means for TLS. */
	unsigned long code = ERR_peek_last_error();
	int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;

	t->failed = true;
	if (t->too_long)
		return err_set(IM_ERR_TLS, "a handshake of more than %zu bytes", TLS_HANDSHAKE_MAX);
	if (t->out.err != IM_OK)
		return err_set(t->out.err, "no memory for TLS");
	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
		ERR_clear_error();
		return tls_fail_verification(t);
	}
	for (size_t i = 0; reason && i < sizeof tls_reasons / sizeof *tls_reasons; i++)
		if (tls_reasons[i].reason == reason) {
			ERR_clear_error();
			return err_set(IM_ERR_TLS, "%s", tls_reasons[i].text);
		}
	return err_set(IM_ERR_TLS, "%s", tls_reason());
}

/* ---- The pump. ---- */

/* IM_OK, also when more must come first. */
static enum im_err
tls_shake(struct tls_conn *t)
{
	int rv;

	ERR_clear_error();
	rv = SSL_do_handshake(t->ssl);
	if (rv == 1) {
		t->established = true;
		return IM_OK;
	}
	return SSL_get_error(t->ssl, rv) == SSL_ERROR_WANT_READ && !t->too_long ? IM_OK
										: tls_fail(t);
}

enum im_err
tls_conn_start(struct tls_conn *t)
{
	return t->is_server ? IM_OK : tls_shake(t);
}

/* Decrypts until there is no more, or no more room. */
static enum im_err
tls_read(struct tls_conn *t, uint8_t *data, size_t cap, size_t *len)
{
	size_t n;
	int rv, why;

	while (*len < cap) {
		ERR_clear_error();
		n = 0;
		rv = SSL_read_ex(t->ssl, data + *len, cap - *len, &n);
		if (rv == 1) {
			*len += n;
			continue;
		}
		why = SSL_get_error(t->ssl, rv);
		if (why == SSL_ERROR_WANT_READ)
			return IM_OK;
		if (why != SSL_ERROR_ZERO_RETURN)
			return tls_fail(t);
		t->closed = true;
		return IM_OK;
	}
	return IM_OK;
}

/* Whether what comes first can be TLS at all. */
static void
tls_look_at_first(struct tls_conn *t, struct bytes in)
{
	if (t->begun || in.len == 0)
		return;
	t->begun = true;
	t->foreign = in.data[0] != TLS_RECORD_HANDSHAKE && in.data[0] != TLS_RECORD_ALERT;
}

enum im_err
tls_conn_receive(struct tls_conn *t, struct bytes *in, uint8_t *data, size_t cap, size_t *len)
{
	size_t before = t->out.len;
	enum im_err err = IM_OK;

	*len = 0;
	if (t->failed)
		return err_set(IM_ERR_TLS, "the connection has failed before");
	if (t->closed)
		return IM_OK;
	tls_look_at_first(t, *in);
	if (t->foreign) {
		t->failed = true;
		return err_set(IM_ERR_TLS, "the other side does not speak TLS");
	}
	t->in = *in;
	if (!t->established)
		err = tls_shake(t);
	if (err == IM_OK && t->established)
		err = tls_read(t, data, cap, len);
	*in = t->in;
	t->in = bytes_of(NULL, 0);
	if (err == IM_OK && t->out.len > before && t->out.len > TLS_REPLIES_MAX) {
		t->failed = true;
		err = err_set(IM_ERR_TLS, "the other side asks much and reads nothing");
	}
	return err;
}

enum im_err
tls_conn_send(struct tls_conn *t, struct bytes data)
{
	size_t n = 0;

	if (t->failed || !t->established || t->said_bye)
		return err_set(IM_ERR_TLS, "nothing can be sent on this connection");
	if (data.len == 0)
		return IM_OK;
	ERR_clear_error();
	if (SSL_write_ex(t->ssl, data.data, data.len, &n) != 1 || n != data.len)
		return tls_fail(t);
	return IM_OK;
}

void
tls_conn_close(struct tls_conn *t)
{
	if (t->failed || !t->established || t->said_bye)
		return;
	t->said_bye = true;
	ERR_clear_error();
	(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
}

enum im_err
tls_conn_end(struct tls_conn *t)
{
	if (t->closed)
		return IM_OK;
	if (!t->established)
		return err_set(IM_ERR_TLS, "%s",
		    t->is_server
			? "the client closed the connection during the TLS handshake"
			: "the server closed the connection during the TLS handshake: perhaps it does not speak TLS");
	if (tls_conn_is_mid_record(t))
		return err_set(IM_ERR_TLS, "the connection was cut inside a record");
	return IM_OK;
}

bool
tls_conn_is_established(const struct tls_conn *t)
{
	return t->established;
}

bool
tls_conn_is_closed(const struct tls_conn *t)
{
	return t->closed;
}

bool
tls_conn_is_foreign(const struct tls_conn *t)
{
	return t->foreign;
}

bool
tls_conn_is_mid_record(const struct tls_conn *t)
{
	return t->head_len > 0;
}

bool
tls_conn_has_plaintext(const struct tls_conn *t)
{
	return t->established && SSL_pending(t->ssl) > 0;
}

/* ---- Who the peer is. ---- */

/* The only DNS name among the alternative ones. */
static bool
tls_alternative_name(const X509 *x, char out[TLS_NAME_SIZE])
{
	GENERAL_NAMES *names =
	    (GENERAL_NAMES *)X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	const unsigned char *text = NULL;
	int found = 0, n = 0;
	bool ok;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_DNS)
			continue;
		found++;
		text = ASN1_STRING_get0_data(name->d.dNSName);
		n = ASN1_STRING_length(name->d.dNSName);
	}
	ok = found == 1 && n > 0 && n < TLS_NAME_SIZE;
	for (int i = 0; ok && i < n; i++)
		ok = text[i] > ' ' && text[i] < 0x7f;
	out[0] = '\0';
	if (ok) {
		memcpy(out, text, (size_t)n);
		out[n] = '\0';
	}
	GENERAL_NAMES_free(names);
	return ok;
}

bool
tls_conn_peer_name(const struct tls_conn *t, enum tls_name kind, char out[TLS_NAME_SIZE])
{
	X509 *x = t->established ? SSL_get0_peer_certificate(t->ssl) : NULL;

	out[0] = '\0';
	if (!x)
		return false;
	return kind == TLS_NAME_CN ? tls_common_name(x, out) : tls_alternative_name(x, out);
}
