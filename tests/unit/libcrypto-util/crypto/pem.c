/* Fresh keys in PEM form, for the tests of signatures and key files. */
#include "pem.h"

#include <openssl/bio.h>
#include <openssl/encoder.h>
#include <openssl/pem.h>
#include <string.h>

#include "testing.h"

#define PEM_MAX (64u * 1024)

static const char parameters_p256[] = "-----BEGIN EC PARAMETERS-----\n"
				      "BggqhkjOPQMBBw==\n"
				      "-----END EC PARAMETERS-----\n";

EVP_PKEY *
pem_key_new(const char *curve)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);

	assert_non_null(key);
	return key;
}

static void
take(BIO *bio, struct buf *out)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);

	buf_init(out, PEM_MAX);
	assert_true(buf_append(out, data, (size_t)len));
	BIO_free(bio);
}

void
pem_sec1(EVP_PKEY *key, bool with_parameters, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (with_parameters)
		BIO_puts(bio, parameters_p256);
	assert_int_equal(
	    1, PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL));
	take(bio, out);
}

void
pem_pkcs8(EVP_PKEY *key, const char *passphrase, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const EVP_CIPHER *cipher = passphrase ? EVP_aes_128_cbc() : NULL;

	assert_int_equal(1,
	    PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, passphrase,
		passphrase ? (int)strlen(passphrase) : 0, NULL, NULL));
	take(bio, out);
}

void
pem_public(EVP_PKEY *key, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(1, PEM_write_bio_PUBKEY(bio, key));
	take(bio, out);
}
