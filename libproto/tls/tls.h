#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <stdbool.h>

#include "util/bytes.h"

/*
 * TLS 1.3 without any input or output: a context made of files, and connections that are pumps.
 * Bytes from the peer go in and plaintext comes out; plaintext goes in and bytes for the peer come
 * out. Who carries the bytes, when and over what, is the caller's business: link_tls.c carries them
 * over the transport's streams, and a front for HTTP may do so over sockets.
 *
 * Errors: IM_ERR_CERTIFICATE for files that cannot be used (the detail names the file and why, in
 * one line), IM_ERR_TLS for what goes wrong with a peer (the detail says what, without the peer's
 * name).
 */

struct tls_context;
struct tls_conn;

/* Bytes for the peer that pile up because of what it sends itself, the handshake included. */
#define TLS_REPLIES_MAX ((size_t)64 * 1024)
/* What a peer may send before the handshake is complete. */
#define TLS_HANDSHAKE_MAX ((size_t)64 * 1024)
/* SHA-256 of a certificate as hexadecimal pairs with colons, and a NUL. */
#define TLS_FINGERPRINT_SIZE (32 * 3)
/* Longest name of a peer that is told, with its NUL. */
#define TLS_NAME_SIZE 256

enum tls_side { TLS_SERVER, TLS_CLIENT };

struct tls_files {
	enum tls_side side;
	/* Our certificate, own one first, then those up to the authority; PEM. NULL or "" for none,
	 * which a server cannot do without. Its key may be any kind that TLS 1.3 knows: P-256, RSA,
	 * Ed25519... */
	const char *certificate;
	const char *key; /* its private key, PEM, not encrypted */
	/*
	 * Who must have signed the peer's certificate, PEM; a certificate in it is trusted by
	 * itself. A server asks clients for certificates when this is given, and serves nobody
	 * without. A client takes the authorities of the system when it is NULL or "".
	 */
	const char *authorities;
};

/*
 * Reads and checks the files: they must be readable, hold what they should, fit each other, and our
 * certificate must be valid now. The paths are copied. IM_ERR_CERTIFICATE, IM_ERR_NOMEM. Any number
 * of threads may use a context.
 */
enum im_err tls_context_new(const struct tls_files *files, struct tls_context **out);

/* Connections that use it go on. NULL is fine. */
void tls_context_free(struct tls_context *c);

/*
 * Reads the files again: connections made from now on use them. On an error, the same as of
 * tls_context_new(), everything stays as it is. While other threads use the context, too.
 */
enum im_err tls_context_reload(struct tls_context *c);

/*
 * Until when our certificate is valid, in seconds since 1970: the first to expire of those in the
 * file. 0 without one.
 */
int64_t tls_context_expires_s(struct tls_context *c);

/* The fingerprint of our own certificate, "AB:CD:..."; "" without one. */
void tls_context_fingerprint(struct tls_context *c, char out[TLS_FINGERPRINT_SIZE]);

/* Whether others than owner and group may read the private key. */
bool tls_context_key_is_exposed(struct tls_context *c);

/*
 * Makes a certificate that signs itself, for a server that has no other: a new P-256 key, valid for
 * `days`, for the names localhost, this host's name, 127.0.0.1 and ::1. Both files, PEM, are
 * written whole or not at all, with mode 0600, and must not exist. IM_ERR_EXISTS, IM_ERR_IO,
 * IM_ERR_NO_SPACE, IM_ERR_NOMEM.
 */
enum im_err tls_make_certificate(const char *certificate, const char *key, unsigned days);

/*
 * One connection. One thread at a time uses it. Of a client, name is what the server's certificate
 * must be for: a host name or an IP address; NULL accepts any certificate of the authorities. A
 * server takes NULL. The context may be freed before it. IM_ERR_NOMEM, IM_ERR_ARGUMENT.
 *
 * Life: tls_conn_start(); then everything from the peer goes through tls_conn_receive(), until
 * tls_conn_is_established(); from then on tls_conn_send() works too. After each call what has been
 * added to tls_conn_output() belongs to the peer, in that order, also when the call failed: an
 * alert tells the peer why. After an error the connection is good for nothing else.
 */
enum im_err tls_conn_new(struct tls_context *c, const char *name, struct tls_conn **out);
void tls_conn_free(struct tls_conn *t);

/* What is for the peer; the caller takes it by exchanging or clearing the buffer. */
struct buf *tls_conn_output(struct tls_conn *t);

/* Begins the handshake: a client's first words. */
enum im_err tls_conn_start(struct tls_conn *t);

/*
 * Takes bytes of the peer off the front of *in and puts plaintext into data, at most cap bytes,
 * *len of them. When this returns IM_OK, in is empty (parts of a record are kept), or data is full,
 * or the peer has said that it closes (tls_conn_is_closed(); nothing that follows is looked at).
 * Plaintext that did not fit comes with the next call, also with an empty *in. IM_ERR_TLS,
 * IM_ERR_NOMEM; *len is right then, too.
 */
enum im_err
tls_conn_receive(struct tls_conn *t, struct bytes *in, uint8_t *data, size_t cap, size_t *len);

/* Encrypts all of data. Only once the connection is established. IM_ERR_TLS, IM_ERR_NOMEM. */
enum im_err tls_conn_send(struct tls_conn *t, struct bytes data);

/*
 * Tells the peer that nothing more will be sent. Does nothing before the handshake and a second
 * time.
 */
void tls_conn_close(struct tls_conn *t);

/*
 * The peer's bytes have ended. IM_OK when it said so before, or when the end is between two
 * records; IM_ERR_TLS in the handshake or inside a record. Somebody else may have cut a connection
 * that was not closed: only the caller knows whether what has come is complete, see
 * tls_conn_is_closed().
 */
enum im_err tls_conn_end(struct tls_conn *t);

/* The handshake is complete, and the peer's certificate has been checked if there had to be one. */
bool tls_conn_is_established(const struct tls_conn *t);

/* The peer has said that it will send nothing more. */
bool tls_conn_is_closed(const struct tls_conn *t);

/* What came first was not TLS: nothing that is encrypted can be said to this peer. */
bool tls_conn_is_foreign(const struct tls_conn *t);

/* A record of the peer has begun and is not complete. */
bool tls_conn_is_mid_record(const struct tls_conn *t);

/* Plaintext is there that there was no room for. */
bool tls_conn_has_plaintext(const struct tls_conn *t);

/* Where a name is looked for in a certificate. */
enum tls_name {
	TLS_NAME_CN, /* the common name of the subject; the only one */
	TLS_NAME_SAN /* the DNS name among the alternative names; the only one */
};

/*
 * The name in the peer's certificate; false when the peer has shown none, or the name is absent, is
 * not the only one, is too long or has characters other than printable ASCII.
 */
bool tls_conn_peer_name(const struct tls_conn *t, enum tls_name kind, char out[TLS_NAME_SIZE]);

#endif
