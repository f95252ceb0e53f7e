/*
 * HMAC over the hash module. Neighbour: hash. Invariant: nothing derived from the key is left
 * behind.
 */
#include "crypto/hmac.h"

#include <assert.h>

#define HMAC_BLOCK 64
#define HMAC_INNER 0x36
#define HMAC_OUTER 0x5c

/* H(key xor pad || parts). */
static void
hmac_pass(const uint8_t key[HMAC_BLOCK], uint8_t pad, const struct bytes *parts, size_t n,
    struct hash *out)
{
	struct bytes all[HMAC_PARTS_MAX + 1];
	uint8_t block[HMAC_BLOCK];

	for (size_t i = 0; i < HMAC_BLOCK; i++)
		block[i] = key[i] ^ pad;
	all[0] = bytes_of(block, HMAC_BLOCK);
	for (size_t i = 0; i < n; i++)
		all[i + 1] = parts[i];
	hash_parts(all, n + 1, out);
	explicit_bzero(block, sizeof block);
}

void
hmac_sha256(struct bytes key, const struct bytes *parts, size_t n, struct hash *out)
{
	uint8_t padded[HMAC_BLOCK] = {0};
	struct hash inner;
	struct bytes inner_bytes;

	assert(n <= HMAC_PARTS_MAX);
	if (key.len > HMAC_BLOCK) {
		hash_sha256(key, &inner);
		memcpy(padded, inner.b, HASH_SIZE);
	} else if (key.len) {
		memcpy(padded, key.data, key.len);
	}
	hmac_pass(padded, HMAC_INNER, parts, n, &inner);
	inner_bytes = hash_bytes(&inner);
	hmac_pass(padded, HMAC_OUTER, &inner_bytes, 1, out);
	explicit_bzero(padded, sizeof padded);
	explicit_bzero(&inner, sizeof inner);
}
