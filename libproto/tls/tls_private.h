#ifndef TLS_TLS_PRIVATE_H
#define TLS_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "tls/tls.h"

/* What the files of TLS know of each other. */

/* Characters of errors about files that quote names of certificates. */
#define TLS_TEXT_MAX 512

/* The context's present settings, with a reference for the caller: SSL_CTX_free(). */
SSL_CTX *tls_context_settings(struct tls_context *c);
enum tls_side tls_context_side(const struct tls_context *c);

/*
 * Why OpenSSL's last call failed, in its words; forgets it. A static string or one of this
 * thread's.
 */
const char *tls_reason(void);

/* The common name in a certificate's subject; false like tls_conn_peer_name(). */
bool tls_common_name(const X509 *x, char out[TLS_NAME_SIZE]);

#endif
