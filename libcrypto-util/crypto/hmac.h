#ifndef CRYPTO_HMAC_H
#define CRYPTO_HMAC_H

#include "crypto/hash.h"

/*
 * HMAC-SHA-256 (RFC 2104) of the concatenation of n parts, at most HMAC_PARTS_MAX. The key may have
 * any length. Safe from any thread.
 */
#define HMAC_PARTS_MAX 7
void hmac_sha256(struct bytes key, const struct bytes *parts, size_t n, struct hash *out);

#endif
