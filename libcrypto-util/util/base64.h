#ifndef UTIL_BASE64_H
#define UTIL_BASE64_H

#include "util/bytes.h"

/*
 * Base64 of RFC 4648: the standard alphabet with padding, and the URL alphabet without. Decoding is
 * strict: no blanks, no wrong or missing padding, no stray bits in the last digit. Pure.
 */
enum base64_kind {
	BASE64_STD, /* + and /, padded with = */
	BASE64_URL  /* - and _, not padded */
};

/* The number of characters that n bytes encode to (no NUL). */
size_t base64_encoded_len(enum base64_kind kind, size_t n);

/* Appends the encoding of in to b; false and b->err set on failure. */
bool base64_append(struct buf *b, enum base64_kind kind, struct bytes in);

/*
 * Appends the bytes that text encodes to out. IM_ERR_FORMAT when text is not exactly what
 * base64_append() makes of some input (out then holds what it held before), IM_ERR_NOMEM or
 * IM_ERR_LIMIT from the buffer. The detail text never repeats the input: it may be a secret.
 */
enum im_err base64_decode(enum base64_kind kind, struct bytes text, struct buf *out);

#endif
