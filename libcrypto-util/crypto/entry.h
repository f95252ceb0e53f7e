#ifndef CRYPTO_ENTRY_H
#define CRYPTO_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/hash.h"
#include "util/bytes.h"
#include "util/err.h"

/*
 * The digest of an entry, the thing that the tree of its transaction is made of. With
 * hval = SHA-256(raw value) and md = the encoded metadata:
 *
 *	version 0: SHA-256(raw key || hval), md must be empty
 *	version 1: SHA-256(u16 len(md) || md || u16 len(raw key) || raw key || hval)
 *
 * The version is that of the transaction's header. The length of the value is not hashed.
 */

/* What is hashed of an entry. */
struct entry_parts {
	struct bytes key; /* raw key, at most RAW_KEY_MAX bytes */
	struct bytes md;  /* encoded metadata, at most KV_METADATA_MAX bytes */
	struct hash hval; /* SHA-256 of the raw value */
};

/*
 * entry_digest: the digest of one entry.
 * IM_ERR_KEY_LENGTH, IM_ERR_METADATA_UNSUPPORTED (version 0 with metadata), IM_ERR_FORMAT (unknown
 * version, metadata too long).
 */
enum im_err entry_digest(uint16_t version, const struct entry_parts *e, struct hash *out);

/* entry_digests: the digests of n entries of one transaction, in one go. Errors as above. */
enum im_err
entry_digests(uint16_t version, const struct entry_parts *entries, size_t n, struct hash *out);

#endif
