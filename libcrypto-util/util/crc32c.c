/*
 * CRC-32C: by the SSE 4.2 instruction where there is one, else eight bytes at a time through
 * tables.
 *
 * The instruction takes three cycles but one can start in each, so that long data runs as three
 * streams: twice as fast from 1 KiB on. A checksum is a polynomial modulo P; moving it over the
 * bytes that follow multiplies it by a power of x, which takes one carry-less product and one more
 * instruction that reduces it.
 *
 * Neighbours: every file format of the engine. The tables are built once, at first use; nothing
 * else is kept. Both paths give the same result, which the unit test checks.
 */
#include "util/crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#define CRC32C_POLYNOMIAL 0x82f63b78u

static uint32_t table[8][256];
static bool have_instruction;
#ifdef __x86_64__
static uint32_t over_one; /* what moves a checksum over one stream */
static uint32_t over_two; /* and over two */
#endif
static pthread_once_t once = PTHREAD_ONCE_INIT;

#ifdef __x86_64__
#define STREAM 128u /* bytes of each of the three streams in a block */
#define WITH_INSTRUCTIONS __attribute__((target("sse4.2,pclmul")))

/*
 * What moves a checksum over n bytes: x to the power of 8n - 33 modulo P, bits in the order of the
 * instruction. The product of two such values is short by x, and reducing it multiplies by x^32.
 */
static uint32_t
mover(unsigned n)
{
	uint32_t power = 0x80000000u;

	for (unsigned i = 0; i < 8 * n - 33; i++)
		power = power & 1 ? power >> 1 ^ CRC32C_POLYNOMIAL : power >> 1;
	return power;
}
#endif

static void
crc32c_init(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ CRC32C_POLYNOMIAL : crc >> 1;
		table[0][i] = crc;
	}
	for (uint32_t i = 0; i < 256; i++) {
		for (int k = 1; k < 8; k++)
			table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 0xff];
	}
#ifdef __x86_64__
	have_instruction = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
	over_one = mover(STREAM);
	over_two = mover(2 * STREAM);
#endif
}

static uint32_t
by_table(uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n >= 8; n -= 8, p += 8) {
		uint32_t low = crc ^
		    ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
			(uint32_t)p[3] << 24);

		crc = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^
		    table[5][low >> 16 & 0xff] ^ table[4][low >> 24] ^ table[3][p[4]] ^
		    table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
	}
	while (n-- > 0)
		crc = crc >> 8 ^ table[0][(crc ^ *p++) & 0xff];
	return crc;
}

#ifdef __x86_64__
WITH_INSTRUCTIONS static inline uint64_t
move(uint64_t crc, uint32_t over)
{
	__m128i product = _mm_clmulepi64_si128(
	    _mm_cvtsi64_si128((long long)crc), _mm_cvtsi64_si128((long long)over), 0);

	return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

WITH_INSTRUCTIONS static inline uint64_t
step8(uint64_t crc, const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return _mm_crc32_u64(crc, v);
}

WITH_INSTRUCTIONS static uint32_t
by_instruction(uint32_t crc, const uint8_t *p, size_t n)
{
	uint64_t a = crc;

	for (; n >= 3 * STREAM; n -= 3 * STREAM, p += 3 * STREAM) {
		uint64_t b = 0, c = 0;

		for (size_t i = 0; i < STREAM; i += 8) {
			a = step8(a, p + i);
			b = step8(b, p + STREAM + i);
			c = step8(c, p + 2 * STREAM + i);
		}
		a = move(a, over_two) ^ move(b, over_one) ^ c;
	}
	for (; n >= 8; n -= 8, p += 8)
		a = step8(a, p);
	crc = (uint32_t)a;
	while (n-- > 0)
		crc = _mm_crc32_u8(crc, *p++);
	return crc;
}
#endif

uint32_t
crc32c_portable(uint32_t crc, const void *data, size_t n)
{
	pthread_once(&once, crc32c_init);
	return ~by_table(~crc, (const uint8_t *)data, n);
}

uint32_t
crc32c(uint32_t crc, const void *data, size_t n)
{
	pthread_once(&once, crc32c_init);
#ifdef __x86_64__
	if (have_instruction)
		return ~by_instruction(~crc, (const uint8_t *)data, n);
#endif
	return ~by_table(~crc, (const uint8_t *)data, n);
}
