#ifndef CRYPTO_HASH_IMPL_H
#define CRYPTO_HASH_IMPL_H

#include "crypto/hash.h"

/*
 * What an implementation of SHA-256 provides to hash.c; nobody else includes this. The contracts
 * are those of the public functions of the same purpose; aliasing as allowed there.
 */
struct hash_impl {
	const char *name;
	bool (*usable)(void);
	void (*parts)(const struct bytes *parts, size_t n, struct hash *out);
	void (*many)(const struct bytes *msgs, size_t n, struct hash *out);
	void (*leaves)(const struct hash *in, size_t n, struct hash *out);
	void (*pairs)(const struct hash *in, size_t npairs, struct hash *out);
};

#define HASH_LEAF_PREFIX 0x00
#define HASH_NODE_PREFIX 0x01

extern const struct hash_impl hash_impl_openssl;
#ifdef __x86_64__
extern const struct hash_impl hash_impl_shani;
#endif

#endif
