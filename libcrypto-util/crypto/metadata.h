#ifndef CRYPTO_METADATA_H
#define CRYPTO_METADATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/bytes.h"
#include "util/err.h"

/*
 * Metadata of an entry and of a transaction, as hashed and stored: the attributes that are present,
 * one after the other in a fixed order. No attribute: no bytes. Integers are big-endian.
 *
 *	entry:        deleted 00 | expiresAt 01 i64(unix seconds) | nonIndexable 02
 *	transaction:  truncatedTxID 00 u64 | extra 01 u16(len) bytes, 1 <= len <= 256
 *
 * Decoding accepts any order, and a repeated attribute overwrites; what is hashed is always the
 * encoding made here.
 */
#define KV_METADATA_MAX 11
#define TX_METADATA_EXTRA_MAX 256
#define TX_METADATA_MAX (9 + 3 + TX_METADATA_EXTRA_MAX)

struct kv_metadata {
	bool deleted;
	bool has_expiry;
	int64_t expires_at; /* unix seconds; 0 when has_expiry is false */
	bool non_indexable;
};

struct tx_metadata {
	uint64_t truncated_tx_id; /* 0: absent */
	uint16_t extra_len;       /* 0: absent */
	uint8_t extra[TX_METADATA_EXTRA_MAX];
};

/* kv_metadata_encode: writes the encoding to out and returns its length, 0 when md is empty. */
size_t kv_metadata_encode(const struct kv_metadata *md, uint8_t out[KV_METADATA_MAX]);

/* kv_metadata_decode: IM_ERR_FORMAT for more than KV_METADATA_MAX bytes, an unknown or cut one. */
enum im_err kv_metadata_decode(struct bytes in, struct kv_metadata *out);

/* True when no attribute is set: such metadata is not written at all. */
bool kv_metadata_is_empty(const struct kv_metadata *md);

/* True when the entry has an expiry at or before now (unix seconds). */
bool kv_metadata_is_expired(const struct kv_metadata *md, int64_t now);

/*
 * tx_metadata_encode: writes the encoding to out and returns its length, 0 when md is empty.
 * extra_len must be at most TX_METADATA_EXTRA_MAX.
 */
size_t tx_metadata_encode(const struct tx_metadata *md, uint8_t out[TX_METADATA_MAX]);

/*
 * tx_metadata_decode: IM_ERR_FORMAT for more than TX_METADATA_MAX bytes, an unknown or cut
 * attribute, an extra of 0 or more than 256 bytes, a truncatedTxID of 0.
 */
enum im_err tx_metadata_decode(struct bytes in, struct tx_metadata *out);

bool tx_metadata_is_empty(const struct tx_metadata *md);

#endif
