#ifndef UTIL_BYTES_H
#define UTIL_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "util/err.h"

/*
 * Byte strings: a borrowed view (struct bytes), a growing buffer with a hard maximum (struct buf),
 * a bounds-checked reader (struct reader) and big-endian integers. Keys and values are always
 * struct bytes, never NUL-terminated strings. Nothing here is thread-safe; each object has one
 * owner.
 */

/* A borrowed, read-only view; it owns nothing. {NULL, 0} is the empty view. */
struct bytes {
	const uint8_t *data;
	size_t len;
};

static inline struct bytes
bytes_of(const void *data, size_t len)
{
	return (struct bytes){(const uint8_t *)data, len};
}

/* The bytes of a NUL-terminated string, without its NUL. */
static inline struct bytes
bytes_str(const char *s)
{
	return bytes_of(s, strlen(s));
}

static inline bool
bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Lexicographic order of unsigned bytes, a prefix first: <0, 0 or >0. */
static inline int
bytes_compare(struct bytes a, struct bytes b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.data, b.data, n) : 0;

	return c ? c : (a.len > b.len) - (a.len < b.len);
}

static inline bool
bytes_has_prefix(struct bytes b, struct bytes prefix)
{
	return b.len >= prefix.len &&
	    (prefix.len == 0 || memcmp(b.data, prefix.data, prefix.len) == 0);
}

static inline void
be16_put(uint8_t *p, uint16_t v)
{
	v = __builtin_bswap16(v);
	memcpy(p, &v, sizeof v);
}

static inline void
be32_put(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof v);
}

static inline void
be64_put(uint8_t *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, sizeof v);
}

static inline uint16_t
be16_get(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof v);
	return __builtin_bswap16(v);
}

static inline uint32_t
be32_get(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return __builtin_bswap32(v);
}

static inline uint64_t
be64_get(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return __builtin_bswap64(v);
}

/*
 * A growing buffer. It never holds more than max bytes. The first failure (no memory, or more than
 * max) is kept in err, and every later append is ignored, so that a caller can append many times
 * and check once.
 */
struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	size_t max;
	enum im_err err;
};

/* An empty buffer that will hold at most max bytes. Allocates nothing. Release with buf_free(). */
void buf_init(struct buf *b, size_t max);

/*
 * An empty buffer in memory of the caller, of which it uses size bytes and never more: for what
 * must be said when there is no other memory. Not to be released.
 */
void buf_init_in(struct buf *b, void *memory, size_t size);

/* Releases the memory; the buffer is empty and usable again with the same max. */
void buf_free(struct buf *b);

/* Like buf_free(), and wipes the memory first; for secrets. */
void buf_wipe(struct buf *b);

/* Forgets content and error, keeps the memory. */
void buf_clear(struct buf *b);

/*
 * Makes room for n more bytes and returns where they go; the caller writes them and then adds to
 * b->len. NULL on failure (b->err says why: IM_ERR_NOMEM or IM_ERR_LIMIT).
 */
uint8_t *buf_reserve(struct buf *b, size_t n);

/* What buf_append() does when there is no room yet, or nothing to append. */
bool buf_append_grow(struct buf *b, const void *data, size_t n);

/*
 * Appends n bytes; false and b->err set on failure. Inline, as are those that only call it: most
 * of what is appended is a few bytes whose number the compiler knows.
 */
static inline bool
buf_append(struct buf *b, const void *data, size_t n)
{
	if (n == 0 || n > b->cap - b->len || b->err != IM_OK)
		return buf_append_grow(b, data, n);
	memcpy(b->data + b->len, data, n);
	b->len += n;
	return true;
}

static inline bool
buf_append_bytes(struct buf *b, struct bytes v)
{
	return buf_append(b, v.data, v.len);
}

static inline bool
buf_append_str(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

static inline bool
buf_append_u8(struct buf *b, uint8_t v)
{
	return buf_append(b, &v, sizeof v);
}

/* Appends v in decimal digits, as "%llu" would. */
bool buf_append_decimal(struct buf *b, uint64_t v);
bool buf_append_be16(struct buf *b, uint16_t v);
bool buf_append_be32(struct buf *b, uint32_t v);
bool buf_append_be64(struct buf *b, uint64_t v);

/* Appends formatted text (without a NUL); false and b->err set on failure. */
bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The content as a view, valid until the buffer is next changed. */
static inline struct bytes
buf_bytes(const struct buf *b)
{
	return (struct bytes){b->data, b->len};
}

/*
 * A reader over untrusted bytes. Reading past the end sets failed, and from then on everything
 * read is zero or empty; check failed once at the end.
 */
struct reader {
	const uint8_t *data;
	size_t len;
	size_t pos;
	bool failed;
};

static inline struct reader
reader_of(struct bytes b)
{
	return (struct reader){b.data, b.len, 0, false};
}

static inline size_t
reader_left(const struct reader *r)
{
	return r->failed ? 0 : r->len - r->pos;
}

/* A view of the next n bytes, borrowed from the input; empty when fewer are left. */
struct bytes reader_bytes(struct reader *r, size_t n);
uint8_t reader_u8(struct reader *r);
uint16_t reader_be16(struct reader *r);
uint32_t reader_be32(struct reader *r);
uint64_t reader_be64(struct reader *r);

#endif
