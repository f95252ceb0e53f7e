#ifndef UTIL_CRC32C_H
#define UTIL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * CRC-32C (Castagnoli, polynomial 0x1EDC6F41 reflected, as in RFC 3720 appendix B.4): the checksum
 * of everything on disk. Any thread.
 */

/*
 * The checksum of what crc covers followed by n bytes of data; crc is 0 for nothing before. So
 * crc32c(crc32c(0, a), b) is the checksum of a followed by b, and a salt is checksummed first.
 */
uint32_t crc32c(uint32_t crc, const void *data, size_t n);

/* The same without the processor's instruction; for tests. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t n);

#endif
