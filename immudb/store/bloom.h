#ifndef STORE_BLOOM_H
#define STORE_BLOOM_H

#include <stdbool.h>
#include <stdint.h>

#include "util/bytes.h"

/*
 * Bloom filters of memtables and runs: whether a key may be there. A filter is an array of lines of
 * 64 bytes; a key belongs to one line and sets one bit in each of its eight 8-byte words, so that a
 * question costs one cache miss. One thread may add while others ask.
 */
#define BLOOM_LINE_BYTES 64u
#define BLOOM_WORDS 8u
#define BLOOM_BITS_PER_KEY 10u
#define BLOOM_LINES_MAX UINT32_MAX

/* A filter; the memory (lines * BLOOM_LINE_BYTES, zeroed to begin with) is the owner's. */
struct bloom {
	uint8_t *data;
	uint64_t lines; /* 1..BLOOM_LINES_MAX */
};

/* The hash of a key, which every filter is asked with. Part of the file format. */
uint64_t bloom_hash(struct bytes key);

/* How many lines a filter for so many keys has. */
uint64_t bloom_lines(uint64_t keys);

static inline uint8_t *
bloom_line(const struct bloom *b, uint64_t hash)
{
	return b->data + ((hash >> 32) * b->lines >> 32) * BLOOM_LINE_BYTES;
}

/* Fetches what bloom_may_have() will look at. */
static inline void
bloom_prefetch(const struct bloom *b, uint64_t hash)
{
	__builtin_prefetch(bloom_line(b, hash));
}

/* Adds the key with this hash. */
void bloom_add(struct bloom *b, uint64_t hash);

/* False when the key with this hash was never added. */
bool bloom_may_have(const struct bloom *b, uint64_t hash);

#endif
