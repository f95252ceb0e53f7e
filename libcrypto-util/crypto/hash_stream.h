#ifndef CRYPTO_HASH_STREAM_H
#define CRYPTO_HASH_STREAM_H

#include "crypto/hash.h"

/*
 * SHA-256 of a message that comes in pieces, such as a file that is larger than memory. For whole
 * messages crypto/hash.h is faster. One owner at a time.
 */
struct hash_stream;

/* An empty message; release with hash_stream_free(). NULL without memory. */
struct hash_stream *hash_stream_new(void);

/* Appends a piece. */
void hash_stream_add(struct hash_stream *s, struct bytes piece);

/* The digest of all pieces; the stream then begins anew, empty. */
void hash_stream_end(struct hash_stream *s, struct hash *out);

/* The digest of all pieces so far; more may follow. IM_ERR_NOMEM. */
enum im_err hash_stream_get(const struct hash_stream *s, struct hash *out);

/* NULL is accepted. */
void hash_stream_free(struct hash_stream *s);

#endif
