#include "libproto/tls/certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define CERT_DAY_S 86400L

static FILE *
cert_open(const char *dir, const char *file, const char *end, const char *mode)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s.%s", dir, file, end);
	f = fopen(path, mode);
	assert_non_null(f);
	return f;
}

static EVP_PKEY *
cert_new_key(const char *kind)
{
	EVP_PKEY *key;

	if (kind && strcmp(kind, "RSA") == 0)
		key = EVP_RSA_gen(2048);
	else if (kind && strcmp(kind, "RSA-1024") == 0)
		key = EVP_RSA_gen(1024);
	else if (kind && strcmp(kind, "ED25519") == 0)
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	else
		key = EVP_EC_gen(kind ? kind : "P-256");
	assert_non_null(key);
	return key;
}

static void
cert_extend(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static void
cert_fill(X509 *x, const struct cert_spec *spec)
{
	long from = spec->from_days, to = spec->to_days;
	int64_t serial = 0;

	if (from == 0 && to == 0) {
		from = -1;
		to = 1;
	}
	assert_int_equal(RAND_bytes((unsigned char *)&serial, 7), 1);
	ASN1_INTEGER_set_int64(X509_get_serialNumber(x), serial & INT64_MAX);
	X509_set_version(x, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(x), from * CERT_DAY_S);
	X509_gmtime_adj(X509_getm_notAfter(x), to * CERT_DAY_S);
	if (spec->name)
		X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
		    (const unsigned char *)spec->name, -1, -1, 0);
	if (spec->names)
		cert_extend(x, NID_subject_alt_name, spec->names);
	cert_extend(x, NID_basic_constraints, spec->is_authority ? "critical,CA:TRUE" : "CA:FALSE");
}

static void
cert_sign(const char *dir, X509 *x, EVP_PKEY *own, const char *signed_by)
{
	EVP_PKEY *key = own;
	X509 *issuer = x;
	FILE *f;

	if (signed_by) {
		f = cert_open(dir, signed_by, "pem", "r");
		issuer = PEM_read_X509(f, NULL, NULL, NULL);
		fclose(f);
		f = cert_open(dir, signed_by, "key", "r");
		key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
		fclose(f);
	}
	assert_true(issuer && key);
	X509_set_issuer_name(x, X509_get_subject_name(issuer));
	assert_true(X509_sign(x, key, EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256()) > 0);
	if (signed_by) {
		X509_free(issuer);
		EVP_PKEY_free(key);
	}
}

void
cert_make(const char *dir, const char *file, const struct cert_spec *spec)
{
	EVP_PKEY *key = cert_new_key(spec->key_kind);
	X509 *x = X509_new();
	FILE *f;

	assert_non_null(x);
	X509_set_pubkey(x, key);
	cert_fill(x, spec);
	cert_sign(dir, x, key, spec->signed_by);
	f = cert_open(dir, file, "pem", "w");
	assert_int_equal(PEM_write_X509(f, x), 1);
	fclose(f);
	f = cert_open(dir, file, "key", "w");
	assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(key);
}
