/*
 * Base64 of RFC 4648. Neighbours: options (encoded passwords), output, tokens and states.
 *
 * Invariant: decoding accepts exactly the image of encoding, so two texts never mean the same
 * bytes.
 */
#include "util/base64.h"

#define BASE64_INVALID 0xff

static const char base64_std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t
base64_encoded_len(enum base64_kind kind, size_t n)
{
	static const size_t ragged[] = {0, 2, 3};

	if (kind == BASE64_STD)
		return n / 3 * 4 + (n % 3 ? 4 : 0);
	return n / 3 * 4 + ragged[n % 3];
}

bool
base64_append(struct buf *b, enum base64_kind kind, struct bytes in)
{
	const char *digits = kind == BASE64_STD ? base64_std : base64_url;
	size_t len = base64_encoded_len(kind, in.len), i = 0;
	uint8_t *out = buf_reserve(b, len), *end;

	if (!out)
		return len == 0 && !b->err;
	end = out + len;
	for (; in.len - i >= 3; i += 3, out += 4) {
		uint32_t v =
		    (uint32_t)in.data[i] << 16 | (uint32_t)in.data[i + 1] << 8 | in.data[i + 2];

		out[0] = (uint8_t)digits[v >> 18];
		out[1] = (uint8_t)digits[v >> 12 & 63];
		out[2] = (uint8_t)digits[v >> 6 & 63];
		out[3] = (uint8_t)digits[v & 63];
	}
	if (i < in.len) {
		bool two = in.len - i == 2;
		uint32_t v = (uint32_t)in.data[i] << 16 | (two ? (uint32_t)in.data[i + 1] << 8 : 0);

		*out++ = (uint8_t)digits[v >> 18];
		*out++ = (uint8_t)digits[v >> 12 & 63];
		if (two)
			*out++ = (uint8_t)digits[v >> 6 & 63];
		while (out < end)
			*out++ = '=';
	}
	b->len += len;
	return true;
}

static uint8_t
base64_digit(enum base64_kind kind, uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint8_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint8_t)(c - 'a' + 26);
	if (c >= '0' && c <= '9')
		return (uint8_t)(c - '0' + 52);
	if (c == (kind == BASE64_STD ? '+' : '-'))
		return 62;
	if (c == (kind == BASE64_STD ? '/' : '_'))
		return 63;
	return BASE64_INVALID;
}

/* The text without its padding; failed is set when the padding is not what it must be. */
static struct bytes
base64_strip(enum base64_kind kind, struct bytes text, bool *failed)
{
	size_t pad = 0;

	if (kind == BASE64_STD) {
		*failed = text.len % 4 != 0;
		while (pad < 2 && pad < text.len && text.data[text.len - 1 - pad] == '=')
			pad++;
		text.len -= pad;
	}
	*failed = *failed || text.len % 4 == 1;
	return text;
}

/* Decodes one group of 2 to 4 digits to out; returns how many bytes, 0 when it is malformed. */
static size_t
base64_group(enum base64_kind kind, const uint8_t *in, size_t n, uint8_t *out)
{
	uint32_t v = 0;

	for (size_t k = 0; k < 4; k++) {
		uint8_t d = k < n ? base64_digit(kind, in[k]) : 0;

		if (d == BASE64_INVALID)
			return 0;
		v = v << 6 | d;
	}
	out[0] = (uint8_t)(v >> 16);
	out[1] = (uint8_t)(v >> 8);
	out[2] = (uint8_t)v;
	/* Bits that belong to no byte must be zero, or the text would not be the only one. */
	if ((n == 2 && (v & 0xffff)) || (n == 3 && (v & 0xff)))
		return 0;
	return n - 1;
}

enum im_err
base64_decode(enum base64_kind kind, struct bytes text, struct buf *out)
{
	size_t start = out->len, n;
	bool failed = false;
	uint8_t group[3];

	text = base64_strip(kind, text, &failed);
	for (size_t i = 0; i < text.len && !failed && !out->err; i += 4) {
		size_t left = text.len - i < 4 ? text.len - i : 4;

		n = base64_group(kind, text.data + i, left, group);
		failed = n == 0;
		buf_append(out, group, n);
	}
	explicit_bzero(group, sizeof group);
	if (!failed)
		return out->err;
	out->len = start;
	return err_set(IM_ERR_FORMAT, "not valid base64");
}
