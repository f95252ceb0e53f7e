/*
 * Bloom filters: hashing of keys, setting and asking of bits.
 *
 * Neighbours: memtable.c adds while readers ask, hence the relaxed atomic accesses: a reader that
 * may see a key's transaction got there through an acquire that orders the bits too. run_write.c
 * fills a filter that run.c stores and loads as it is in memory, so hash and bit positions are part
 * of the file format.
 */
#include "store/bloom.h"

/* Odd constants without structure: fractional digits of square roots of primes. */
#define HASH_START 0x6a09e667f3bcc909u
#define HASH_WORD 0xbb67ae8584caa73bu
#define HASH_LENGTH 0x3c6ef372fe94f82bu
#define HASH_END 0xa54ff53a5f1d36f1u
#define HASH_BITS 0x510e527fade682d1u

__extension__ typedef unsigned __int128 product_128;

/* Both halves of the 128-bit product folded into one. */
static uint64_t
multiply_fold(uint64_t a, uint64_t b)
{
	product_128 product = (product_128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t
bloom_hash(struct bytes key)
{
	uint64_t hash = HASH_START ^ (uint64_t)key.len * HASH_LENGTH;
	uint8_t tail[sizeof(uint64_t)] = {0};
	size_t i = 0;

	for (; i + sizeof tail <= key.len; i += sizeof tail)
		hash = multiply_fold(hash ^ be64_get(key.data + i), HASH_WORD);
	if (i < key.len) {
		memcpy(tail, key.data + i, key.len - i);
		hash = multiply_fold(hash ^ be64_get(tail), HASH_WORD);
	}
	return multiply_fold(hash ^ HASH_END, HASH_WORD);
}

uint64_t
bloom_lines(uint64_t keys)
{
	uint64_t line_keys = BLOOM_LINE_BYTES * 8 / BLOOM_BITS_PER_KEY;
	uint64_t lines = keys / line_keys + 1;

	return lines < BLOOM_LINES_MAX ? lines : BLOOM_LINES_MAX;
}

void
bloom_add(struct bloom *b, uint64_t hash)
{
	uint8_t *line = bloom_line(b, hash);
	uint64_t bits = hash * HASH_BITS >> 16;

	for (unsigned word = 0; word < BLOOM_WORDS; word++, bits >>= 6) {
		uint8_t *p = line + word * 8 + (bits >> 3 & 7);
		uint8_t value = __atomic_load_n(p, __ATOMIC_RELAXED);

		__atomic_store_n(p, (uint8_t)(value | 1u << (bits & 7)), __ATOMIC_RELAXED);
	}
}

bool
bloom_may_have(const struct bloom *b, uint64_t hash)
{
	const uint8_t *line = bloom_line(b, hash);
	uint64_t bits = hash * HASH_BITS >> 16;

	for (unsigned word = 0; word < BLOOM_WORDS; word++, bits >>= 6) {
		const uint8_t *p = line + word * 8 + (bits >> 3 & 7);

		if (!(__atomic_load_n(p, __ATOMIC_RELAXED) >> (bits & 7) & 1))
			return false;
	}
	return true;
}
