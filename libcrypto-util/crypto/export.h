#ifndef CRYPTO_EXPORT_H
#define CRYPTO_EXPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "crypto/header.h"
#include "util/arena.h"
#include "util/bytes.h"
#include "util/err.h"

/*
 * A whole transaction as bytes, to be copied to another database. Integers are big-endian.
 *
 *	u32 len(header) || header
 *	per entry: u16 len(raw key) || raw key || u16 len(md) || md || u32 len(value) || value
 *	u16 1 || byte: 00 raw values, 01 each value is SHA-256 of the raw value instead
 *
 * The trailer may be missing when reading, which means 00. Nothing may follow.
 */
struct export_entry {
	struct bytes key;   /* raw key */
	struct bytes md;    /* encoded metadata, canonical */
	struct bytes value; /* raw value, or its hash when truncated */
};

struct export_tx {
	struct tx_header header;
	struct export_entry *entries; /* header.nentries of them */
	bool truncated;
};

/*
 * export_tx_encode: appends the bytes of tx to out. IM_ERR_FORMAT for what export_tx_decode() would
 * refuse, IM_ERR_NO_ENTRIES for a header without entries, out's error (memory or its maximum).
 */
enum im_err export_tx_encode(const struct export_tx *tx, struct buf *out);

/*
 * export_tx_decode: takes the bytes apart; views point into in, the array and canonical metadata
 * come from a. Strict: IM_ERR_FORMAT for a bad header, keys that are empty or longer than
 * RAW_KEY_MAX, values longer than RAW_VALUE_MAX, bad metadata, metadata in version 0, hashes of a
 * wrong length, a bad trailer, bytes missing or left over. IM_ERR_NOMEM. Does not recompute hashes.
 */
enum im_err export_tx_decode(struct bytes in, struct arena *a, struct export_tx *out);

/*
 * export_tx_check: recomputes the root of the entries' tree and compares it with the header's.
 * Scratch memory comes from a. IM_ERR_CORRUPT, IM_ERR_NOMEM. What the root does not cover (id, ts,
 * links) is for the receiver to compare with its own history.
 */
enum im_err export_tx_check(const struct export_tx *tx, struct arena *a);

#endif
