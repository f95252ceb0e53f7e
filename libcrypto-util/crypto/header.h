#ifndef CRYPTO_HEADER_H
#define CRYPTO_HEADER_H

#include <stdint.h>

#include "crypto/hash.h"
#include "crypto/metadata.h"
#include "util/bytes.h"
#include "util/err.h"

/*
 * The header of a transaction and its hashes. Integers are big-endian.
 *
 *	inner, version 0: SHA-256(i64 ts || u16 0 || u16 nentries || eh || u64 blTxID || blRoot)
 *	inner, version 1: SHA-256(i64 ts || u16 1 || u16 len(md) || md || u32 nentries
 *	                          || eh || u64 blTxID || blRoot)
 *	Alh             : SHA-256(u64 id || prevAlh || inner)
 *
 * prevAlh of transaction 1 is SHA-256 of no bytes, of n > 1 it is the Alh of n-1. blTxID is a size
 * of the append-only tree (leaf n is the Alh of transaction n) and blRoot its root at that size,
 * zero for size 0. Transactions written here have blTxID = id - 1; foreign ones may lag.
 */
#define TX_HEADER_VERSION_MAX 1
#define TX_HEADER_MIN 124
#define TX_HEADER_MAX (128 + TX_METADATA_MAX)

struct tx_header {
	uint64_t id;
	struct hash prev_alh;
	int64_t ts; /* unix seconds */
	uint16_t version;
	uint16_t md_len; /* encoded transaction metadata, canonical; 0 in version 0 */
	uint8_t md[TX_METADATA_MAX];
	uint32_t nentries;
	struct hash eh; /* root of the entries' tree */
	uint64_t bl_tx_id;
	struct hash bl_root;
};

/*
 * tx_header_check: are the fields in range and in canonical form, so that the Alh covers each of
 * them? id >= 1, known version, bl_tx_id < id, bl_root zero when bl_tx_id is 0, in version 0 no
 * metadata and at most 65535 entries, in version 1 metadata exactly as tx_metadata_encode() writes
 * it. IM_ERR_FORMAT, with the reason as its detail. A header without entries passes.
 */
enum im_err tx_header_check(const struct tx_header *h);

/* tx_header_inner, tx_header_alh: the hashes above, of a header that tx_header_check() accepts. */
void tx_header_inner(const struct tx_header *h, struct hash *out);
void tx_header_alh(const struct tx_header *h, struct hash *out);

/*
 * tx_header_step: one link of the chain: SHA-256(u64 id || prev_alh || inner). out may be either.
 */
void tx_header_step(
    uint64_t id, const struct hash *prev_alh, const struct hash *inner, struct hash *out);

/*
 * tx_header_encode: writes the serialised header, as in exported transactions, to out and its
 * length to len: u64 id || prevAlh || i64 ts || u16 version || (v0: u16 nentries | v1: u16 len(md)
 * || md || u32 nentries) || eh || u64 blTxID || blRoot. IM_ERR_METADATA_UNSUPPORTED for version 0
 * with metadata, IM_ERR_FORMAT for any other that tx_header_check() refuses.
 */
enum im_err tx_header_encode(const struct tx_header *h, uint8_t out[TX_HEADER_MAX], size_t *len);

/*
 * tx_header_decode: the exact inverse; nothing may follow. IM_ERR_FORMAT for what tx_header_check()
 * refuses, a wrong length, or a header without entries. Non-canonical metadata is made canonical.
 */
enum im_err tx_header_decode(struct bytes in, struct tx_header *out);

#endif
