/*
 * Growing buffers and bounds-checked readers.
 *
 * Invariants of struct buf: len <= cap <= max; err is sticky; data is NULL exactly when cap is 0.
 * Invariants of struct reader: pos <= len; failed is sticky.
 */
#include "util/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_MIN_CAP 256
#define DECIMAL_DIGITS_MAX 20 /* of 64 bits */

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void
buf_init_in(struct buf *b, void *memory, size_t size)
{
	*b = (struct buf){.data = (uint8_t *)memory, .cap = size, .max = size};
}

void
buf_free(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void
buf_wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_free(b);
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	b->err = IM_OK;
}

static bool
buf_fail(struct buf *b, enum im_err err)
{
	b->err = err;
	return false;
}

static bool
buf_grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : BUF_MIN_CAP;
	uint8_t *data;

	while (cap < need)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	if (cap > b->max)
		cap = b->max;
	data = (uint8_t *)realloc(b->data, cap);
	if (!data)
		return buf_fail(b, IM_ERR_NOMEM);
	b->data = data;
	b->cap = cap;
	return true;
}

uint8_t *
buf_reserve(struct buf *b, size_t n)
{
	if (b->err != IM_OK)
		return NULL;
	if (n > b->max - b->len) {
		buf_fail(b, IM_ERR_LIMIT);
		return NULL;
	}
	if ((n > b->cap - b->len || !b->data) && !buf_grow(b, b->len + n))
		return NULL;
	return b->data + b->len;
}

bool
buf_append_grow(struct buf *b, const void *data, size_t n)
{
	uint8_t *p = buf_reserve(b, n);

	if (!p)
		return false;
	if (n)
		memcpy(p, data, n);
	b->len += n;
	return true;
}

bool
buf_append_decimal(struct buf *b, uint64_t v)
{
	uint8_t digits[DECIMAL_DIGITS_MAX];
	size_t at = sizeof digits;

	do {
		digits[--at] = (uint8_t)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	return buf_append(b, digits + at, sizeof digits - at);
}

bool
buf_append_be16(struct buf *b, uint16_t v)
{
	uint8_t p[sizeof v];

	be16_put(p, v);
	return buf_append(b, p, sizeof p);
}

bool
buf_append_be32(struct buf *b, uint32_t v)
{
	uint8_t p[sizeof v];

	be32_put(p, v);
	return buf_append(b, p, sizeof p);
}

bool
buf_append_be64(struct buf *b, uint64_t v)
{
	uint8_t p[sizeof v];

	be64_put(p, v);
	return buf_append(b, p, sizeof p);
}

bool
buf_printf(struct buf *b, const char *fmt, ...)
{
	size_t room = b->err == IM_OK ? b->cap - b->len : 0;
	va_list ap;
	uint8_t *p;
	int n;

	/*
	 * Mostly it fits into what is there. One more byte than is kept: vsnprintf ends with a NUL.
	 */
	va_start(ap, fmt);
	n = vsnprintf(room ? (char *)b->data + b->len : NULL, room, fmt, ap);
	va_end(ap);
	if (n < 0)
		return buf_fail(b, IM_ERR_ARGUMENT);
	p = buf_reserve(b, (size_t)n + 1);
	if (!p)
		return false;
	if ((size_t)n >= room) {
		va_start(ap, fmt);
		vsnprintf((char *)p, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	b->len += (size_t)n;
	return true;
}

struct bytes
reader_bytes(struct reader *r, size_t n)
{
	struct bytes v;

	if (n > reader_left(r)) {
		r->failed = true;
		return bytes_of(NULL, 0);
	}
	v = bytes_of(r->data + r->pos, n);
	r->pos += n;
	return v;
}

uint8_t
reader_u8(struct reader *r)
{
	struct bytes v = reader_bytes(r, 1);

	return v.len ? v.data[0] : 0;
}

uint16_t
reader_be16(struct reader *r)
{
	struct bytes v = reader_bytes(r, 2);

	return v.len ? be16_get(v.data) : 0;
}

uint32_t
reader_be32(struct reader *r)
{
	struct bytes v = reader_bytes(r, 4);

	return v.len ? be32_get(v.data) : 0;
}

uint64_t
reader_be64(struct reader *r)
{
	struct bytes v = reader_bytes(r, 8);

	return v.len ? be64_get(v.data) : 0;
}
