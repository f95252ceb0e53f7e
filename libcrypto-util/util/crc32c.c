/*
 * CRC-32C: by the SSE 4.2 instruction where there is one, else eight bytes at a time through
 * tables.
 *
 * Neighbours: every file format of the engine. The tables are built once, at first use; nothing
 * else is kept. Both paths give the same result, which the unit test checks.
 */
#include "util/crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define CRC32C_POLYNOMIAL 0x82f63b78u

static uint32_t table[8][256];
static bool have_instruction;
static pthread_once_t once = PTHREAD_ONCE_INIT;

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
	have_instruction = __builtin_cpu_supports("sse4.2") != 0;
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
__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t crc, const uint8_t *p, size_t n)
{
	uint64_t wide = crc;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t v;

		memcpy(&v, p, sizeof v);
		wide = __builtin_ia32_crc32di(wide, v);
	}
	crc = (uint32_t)wide;
	while (n-- > 0)
		crc = __builtin_ia32_crc32qi(crc, *p++);
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
