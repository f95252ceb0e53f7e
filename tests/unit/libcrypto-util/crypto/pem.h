#ifndef CRYPTO_PEM_TESTING_H
#define CRYPTO_PEM_TESTING_H

/* Fresh keys in every form that a key file may have, and in some that it may not. */
#include <openssl/evp.h>
#include <stdbool.h>

#include "util/bytes.h"

EVP_PKEY *pem_key_new(const char *curve);

/* Text in PEM form, to be freed with buf_free(). */
void pem_sec1(EVP_PKEY *key, bool with_parameters, struct buf *out);
void pem_pkcs8(EVP_PKEY *key, const char *passphrase, struct buf *out);
void pem_public(EVP_PKEY *key, struct buf *out);

#endif
