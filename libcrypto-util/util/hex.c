/*
 * Hexadecimal text. Neighbours: everything that shows hashes and ids.
 *
 * Invariant: what hex_encode() writes, hex_decode() reads back; nothing longer or shorter is read.
 */
#include "util/hex.h"

static const char hex_digits[] = "0123456789abcdef";

void
hex_encode(struct bytes in, char *out)
{
	for (size_t i = 0; i < in.len; i++) {
		*out++ = hex_digits[in.data[i] >> 4];
		*out++ = hex_digits[in.data[i] & 15];
	}
	*out = '\0';
}

bool
hex_append(struct buf *b, struct bytes in)
{
	char *out;

	if (in.len > SIZE_MAX / 2 - 1)
		return buf_reserve(b, SIZE_MAX) != NULL;
	out = (char *)buf_reserve(b, in.len * 2 + 1);
	if (!out)
		return false;
	hex_encode(in, out);
	b->len += in.len * 2;
	return true;
}

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

enum im_err
hex_decode(struct bytes text, uint8_t *out, size_t size)
{
	if (text.len % 2 || text.len / 2 != size)
		return err_set(IM_ERR_FORMAT, "expected %zu hexadecimal digits", size * 2);
	for (size_t i = 0; i < size; i++) {
		int high = hex_digit(text.data[2 * i]), low = hex_digit(text.data[2 * i + 1]);

		if (high < 0 || low < 0)
			return err_set(IM_ERR_FORMAT, "not a hexadecimal digit");
		out[i] = (uint8_t)(high << 4 | low);
	}
	return IM_OK;
}
