#ifndef UTIL_HEX_H
#define UTIL_HEX_H

#include "util/bytes.h"

/* Hexadecimal text, lower case when written, either case when read. Pure; safe from any thread. */

/* Writes 2 * in.len lower-case digits and a NUL to out, which has room for 2 * in.len + 1 bytes. */
void hex_encode(struct bytes in, char *out);

/* Appends the digits of in to b; false and b->err set on failure. */
bool hex_append(struct buf *b, struct bytes in);

/*
 * Decodes exactly size bytes from text, which must hold exactly 2 * size digits and nothing else.
 * IM_ERR_FORMAT otherwise, and out is then undefined.
 */
enum im_err hex_decode(struct bytes text, uint8_t *out, size_t size);

#endif
