#ifndef UTIL_SIZE_H
#define UTIL_SIZE_H

#include "util/bytes.h"

/* Numbers of bytes as people write them. Pure. */

/* Room for every text of size_format_*(), NUL included. */
#define SIZE_TEXT_SIZE 32

/*
 * Reads a number of bytes: decimal digits and an optional suffix, in either case: B; K, KiB, M,
 * MiB, G, GiB, T, TiB (powers of 1024); KB, MB, GB, TB (powers of 1000). IM_ERR_FORMAT when text
 * is anything else, IM_ERR_LIMIT when the number passes UINT64_MAX.
 */
enum im_err size_parse(struct bytes text, uint64_t *size_bytes);

/* Writes the exact text that size_parse() reads back: "32MiB", or "1000" when no unit divides. */
char *size_format_exact(uint64_t size_bytes, char out[SIZE_TEXT_SIZE]);

/* Writes a rounded text for people: "1.5 MiB", "999 B". Returns out. */
char *size_format_short(uint64_t size_bytes, char out[SIZE_TEXT_SIZE]);

#endif
