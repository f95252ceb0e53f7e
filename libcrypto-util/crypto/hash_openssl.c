/*
 * SHA-256 by OpenSSL, for machines without SHA instructions.
 *
 * A hash must not need memory: it has no error to return, and is made in threads that must go on
 * when memory is short. So this uses the functions that keep their state where the caller says; the
 * interface that OpenSSL would rather have used allocates its state, and fetches the algorithm.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "crypto/hash_impl.h"

static bool
openssl_usable(void)
{
	return true;
}

static void
openssl_parts(const struct bytes *parts, size_t n, struct hash *out)
{
	SHA256_CTX ctx;

	SHA256_Init(&ctx);
	for (size_t i = 0; i < n; i++) {
		if (parts[i].len > 0)
			SHA256_Update(&ctx, parts[i].data, parts[i].len);
	}
	SHA256_Final(out->b, &ctx);
}

static void
openssl_many(const struct bytes *msgs, size_t n, struct hash *out)
{
	for (size_t i = 0; i < n; i++)
		openssl_parts(&msgs[i], 1, &out[i]);
}

static void
openssl_leaves(const struct hash *in, size_t n, struct hash *out)
{
	uint8_t msg[1 + HASH_SIZE] = {HASH_LEAF_PREFIX};
	struct bytes view = bytes_of(msg, sizeof msg);

	for (size_t i = 0; i < n; i++) {
		memcpy(msg + 1, in[i].b, HASH_SIZE);
		openssl_parts(&view, 1, &out[i]);
	}
}

static void
openssl_pairs(const struct hash *in, size_t npairs, struct hash *out)
{
	uint8_t msg[1 + 2 * HASH_SIZE] = {HASH_NODE_PREFIX};
	struct bytes view = bytes_of(msg, sizeof msg);

	for (size_t i = 0; i < npairs; i++) {
		memcpy(msg + 1, &in[2 * i], 2 * HASH_SIZE);
		openssl_parts(&view, 1, &out[i]);
	}
}

const struct hash_impl hash_impl_openssl = {
    .name = "openssl",
    .usable = openssl_usable,
    .parts = openssl_parts,
    .many = openssl_many,
    .leaves = openssl_leaves,
    .pairs = openssl_pairs,
};
