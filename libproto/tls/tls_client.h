#ifndef TLS_TLS_CLIENT_H
#define TLS_TLS_CLIENT_H

#include "tls/tls.h"

/* How a client is to use TLS, as the options of programs say it. All zero: not at all. */
struct tls_client {
	bool tls;                /* the server shows a certificate */
	bool mtls;               /* and so do we; includes tls */
	const char *certificate; /* ours; only looked at with mtls, as the key */
	const char *key;
	const char *authorities; /* who signs servers' certificates; NULL or "": the system's */
	const char *name;        /* of the server; NULL or "": what it is connected by */
};

/*
 * The context for it, NULL without TLS. IM_ERR_CONFIG for mtls without certificate and key, and the
 * errors of tls_context_new().
 */
enum im_err tls_client_context(const struct tls_client *o, struct tls_context **out);

/* The name to be given to a connection; NULL for what it is connected by. */
const char *tls_client_name(const struct tls_client *o);

#endif
