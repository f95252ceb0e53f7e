#ifndef CRYPTO_CRC32C_H
#define CRYPTO_CRC32C_H

#include <stdbool.h>
#include <stdint.h>

#include "util/bytes.h"

/*
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4): finds accidents, not attacks. Uses the CRC
 * instructions of x86-64 where there are any, else tables. Any thread, never fails.
 */

/*
 * The CRC of data, continued from seed. Seed 0 gives the plain CRC; the CRC of several pieces is
 *
 *	crc32c(crc32c(0, a), b) == crc32c(0, a || b)
 *
 * and any other first seed, such as the salt of a segment, gives a CRC that only who knows the seed
 * can compute.
 */
uint32_t crc32c(uint32_t seed, struct bytes data);

/* The CRC of n pieces one after the other, continued from seed. */
uint32_t crc32c_parts(uint32_t seed, const struct bytes *parts, size_t n);

enum crc32c_path {
	CRC32C_PATH_AUTO,
	CRC32C_PATH_SSE42, /* crc32 and pclmulqdq instructions, three streams interleaved */
	CRC32C_PATH_TABLE,
};

/* As hash_path_use(): for tests; false when this machine cannot. */
bool crc32c_path_use(enum crc32c_path path);

#endif
