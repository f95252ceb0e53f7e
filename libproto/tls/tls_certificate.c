/*
 * A certificate of our own making, for servers that have no other: tls_context.c reads it like any
 * other.
 *
 * Invariant: the key is on disk before the certificate, and neither replaces a file that is there.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/tls_private.h"
#include "util/file.h"

#define CERTIFICATE_SERIAL_BYTES 16
/* Clocks differ: it is valid from a little before now. */
#define CERTIFICATE_BEFORE_S 3600L
#define CERTIFICATE_DAY_S 86400L
#define CERTIFICATE_NAME "immudb"
#define CERTIFICATE_HOST_MAX 256
/* Longer names have no place in a certificate. */
#define CERTIFICATE_HOST_USED 200

/* This host's name if it can be a DNS name; else "localhost". */
static void
certificate_host(char out[CERTIFICATE_HOST_MAX])
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";

	if (gethostname(out, CERTIFICATE_HOST_MAX - 1) != 0)
		out[0] = '\0';
	out[CERTIFICATE_HOST_MAX - 1] = '\0';
	if (!out[0] || strlen(out) > CERTIFICATE_HOST_USED || strspn(out, allowed) != strlen(out))
		snprintf(out, CERTIFICATE_HOST_MAX, "localhost");
}

static bool
certificate_add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool ok = e && X509_add_ext(x, e, -1) == 1;

	X509_EXTENSION_free(e);
	return ok;
}

static bool
certificate_add_names(X509 *x)
{
	X509_NAME *subject = X509_get_subject_name(x);
	char host[CERTIFICATE_HOST_MAX], names[CERTIFICATE_HOST_MAX + 64];

	certificate_host(host);
	snprintf(names, sizeof names, "DNS:localhost,IP:127.0.0.1,IP:::1%s%s",
	    strcmp(host, "localhost") == 0 ? "" : ",DNS:",
	    strcmp(host, "localhost") == 0 ? "" : host);
	return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
		   (const unsigned char *)CERTIFICATE_NAME, -1, -1, 0) == 1 &&
	    X509_set_issuer_name(x, subject) == 1 &&
	    certificate_add_extension(x, NID_subject_alt_name, names);
}

static bool
certificate_fill(X509 *x, EVP_PKEY *key, unsigned days)
{
	unsigned char serial[CERTIFICATE_SERIAL_BYTES];
	BIGNUM *number = NULL;
	bool ok = RAND_bytes(serial, sizeof serial) == 1;

	/* Positive, and of full length. */
	serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40);
	number = ok ? BN_bin2bn(serial, sizeof serial, NULL) : NULL;
	ok = number && X509_set_version(x, X509_VERSION_3) == 1 &&
	    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)) != NULL &&
	    X509_gmtime_adj(X509_getm_notBefore(x), -CERTIFICATE_BEFORE_S) &&
	    X509_gmtime_adj(X509_getm_notAfter(x), CERTIFICATE_DAY_S * (long)days) &&
	    X509_set_pubkey(x, key) == 1 && certificate_add_names(x) &&
	    certificate_add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
	    certificate_add_extension(x, NID_key_usage, "critical,digitalSignature") &&
	    certificate_add_extension(x, NID_ext_key_usage, "serverAuth") &&
	    X509_sign(x, key, EVP_sha256()) > 0;
	BN_free(number);
	return ok;
}

/* What has been written into a memory BIO, as a file. */
static enum im_err
certificate_write_file(const char *path, BIO *pem)
{
	char *data = NULL;
	long n = BIO_get_mem_data(pem, &data);
	struct stat st;

	if (n <= 0)
		return err_set(IM_ERR_NOMEM, "no memory for a certificate");
	if (lstat(path, &st) == 0)
		return err_set(IM_ERR_EXISTS, "%s: exists", path);
	return file_replace(path, bytes_of(data, (size_t)n));
}

static enum im_err
certificate_write(const char *certificate, const char *key, X509 *x, EVP_PKEY *pkey)
{
	BIO *pem = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_secmem());
	enum im_err err = IM_OK;
	struct stat st;

	if (!pem || !secret || PEM_write_bio_X509(pem, x) != 1 ||
	    PEM_write_bio_PrivateKey(secret, pkey, NULL, NULL, 0, NULL, NULL) != 1)
		err = err_set(IM_ERR_NOMEM, "no memory for a certificate");
	else if (lstat(certificate, &st) == 0)
		err = err_set(IM_ERR_EXISTS, "%s: exists", certificate);
	if (err == IM_OK)
		err = certificate_write_file(key, secret);
	if (err == IM_OK) {
		err = certificate_write_file(certificate, pem);
		if (err != IM_OK)
			unlink(key);
	}
	BIO_free(secret);
	BIO_free(pem);
	return err;
}

enum im_err
tls_make_certificate(const char *certificate, const char *key, unsigned days)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	enum im_err err;

	if (pkey && x && certificate_fill(x, pkey, days))
		err = certificate_write(certificate, key, x, pkey);
	else
		err = err_set(IM_ERR_NOMEM, "cannot make a certificate: %s", tls_reason());
	ERR_clear_error();
	X509_free(x);
	EVP_PKEY_free(pkey);
	return err;
}
