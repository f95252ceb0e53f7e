#ifndef STORE_INDEX_KEY_H
#define STORE_INDEX_KEY_H

#include "util/bytes.h"

/*
 * The order of the index: keys by their bytes, a prefix first; among the versions of a key the
 * newest transaction first. A place in this order is a key and a transaction: INDEX_TX_NEWEST
 * stands before all versions of the key, INDEX_TX_NONE behind them.
 */
#define INDEX_TX_NEWEST UINT64_MAX
#define INDEX_TX_NONE 0u

/*
 * The first eight bytes as a number that orders like them; a shorter key is filled up with zeros.
 */
static inline uint64_t
index_key_prefix(struct bytes key)
{
	uint8_t first[sizeof(uint64_t)] = {0};

	if (key.len >= sizeof first)
		return be64_get(key.data);
	if (key.len > 0)
		memcpy(first, key.data, key.len);
	return be64_get(first);
}

/* How many leading bytes two keys share. */
static inline size_t
index_key_shared(struct bytes a, struct bytes b)
{
	size_t n = a.len < b.len ? a.len : b.len, i = 0;

	for (; i + 8 <= n; i += 8) {
		uint64_t difference = be64_get(a.data + i) ^ be64_get(b.data + i);

		if (difference != 0)
			return i + (size_t)__builtin_clzll(difference) / 8;
	}
	while (i < n && a.data[i] == b.data[i])
		i++;
	return i;
}

/* Orders two places: <0, 0 or >0. */
static inline int
index_place_compare(struct bytes key, uint64_t tx, struct bytes other_key, uint64_t other_tx)
{
	int c = bytes_compare(key, other_key);

	return c ? c : (tx < other_tx) - (tx > other_tx);
}

#endif
