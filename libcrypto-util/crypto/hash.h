#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "util/bytes.h"

/*
 * SHA-256, and the two tree hashes made of it:
 *
 *	leaf(x)    = SHA-256(00 || x)
 *	node(l, r) = SHA-256(01 || l || r)		(RFC 6962, section 2.1)
 *
 * All of the project hashes through this module. It picks the fastest implementation of the machine
 * at run time: SHA instructions with two messages in flight, or OpenSSL. Batches are faster than
 * single messages, so ask for many at once where you can. Every function may be called from any
 * thread at any time, and none of them fails.
 */
#define HASH_SIZE 32

struct hash {
	uint8_t b[HASH_SIZE];
};

/* 32 zero bytes. */
#define HASH_ZERO ((struct hash){{0}})

/* A list of hashes, such as the terms of a proof. The list owns nothing; see who made it. */
struct hash_list {
	struct hash *items;
	size_t len;
};

static inline bool
hash_equal(const struct hash *a, const struct hash *b)
{
	return memcmp(a->b, b->b, HASH_SIZE) == 0;
}

static inline bool
hash_is_zero(const struct hash *h)
{
	return hash_equal(h, &HASH_ZERO);
}

static inline struct bytes
hash_bytes(const struct hash *h)
{
	return bytes_of(h->b, HASH_SIZE);
}

/* SHA-256 of no bytes: the Alh of "transaction 0", the root of an empty transaction. */
struct hash hash_empty(void);

/* SHA-256 of msg. out may lie inside msg. */
void hash_sha256(struct bytes msg, struct hash *out);

/* SHA-256 of the concatenation of n parts, which are not copied together. */
void hash_parts(const struct bytes *parts, size_t n, struct hash *out);

/* out[i] = SHA-256(msgs[i]) for n messages of any lengths. out must not overlap the messages. */
void hash_many(const struct bytes *msgs, size_t n, struct hash *out);

/* out = leaf(in). out may be in. */
void hash_leaf(const struct hash *in, struct hash *out);

/* out = node(left, right). out may be either. */
void hash_node(const struct hash *left, const struct hash *right, struct hash *out);

/* out[i] = leaf(in[i]) for n hashes. out may be in. */
void hash_leaves(const struct hash *in, size_t n, struct hash *out);

/* out[i] = node(in[2i], in[2i+1]) for npairs pairs. out may be in. */
void hash_pairs(const struct hash *in, size_t npairs, struct hash *out);

/* The implementations. AUTO is the fastest that this machine can run. */
enum hash_path {
	HASH_PATH_AUTO,
	HASH_PATH_SHANI,   /* x86-64 SHA instructions, two messages interleaved */
	HASH_PATH_OPENSSL, /* OpenSSL */
};

/*
 * Makes the whole process hash by path from now on; false (and no change) when this machine cannot.
 * For tests and measurements. All paths give the same results, so a call at any time is harmless.
 */
bool hash_path_use(enum hash_path path);

/* The name of the path in use, such as "sha-ni"; a static string. */
const char *hash_path_name(void);

#endif
