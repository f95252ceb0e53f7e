/*
 * Text helpers. Neighbours: log and output (escaping), options and commands (suggestions), metrics.
 *
 * Invariant: what text_append_printable() and text_append_json() produce is always well-formed
 * UTF-8 without control characters.
 */
#include "util/text.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX_WORD 64

size_t
text_utf8_char(struct bytes v)
{
	uint8_t c = v.len ? v.data[0] : 0xff, low = 0x80, high = 0xbf;
	size_t n;

	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (v.len < n)
		return 0;
	/* The second byte's range shuts out overlong forms, surrogates and values past U+10FFFF. */
	low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : low;
	high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : high;
	if (v.data[1] < low || v.data[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((v.data[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static struct bytes
text_rest(struct bytes v, size_t from)
{
	return bytes_of(v.data + from, v.len - from);
}

bool
text_utf8_valid(struct bytes v)
{
	size_t n;

	for (size_t i = 0; i < v.len; i += n) {
		n = text_utf8_char(text_rest(v, i));
		if (n == 0)
			return false;
	}
	return true;
}

/* Whether a well-formed character of n bytes is a control character: C0, DEL or C1. */
static bool
text_is_control(const uint8_t *p, size_t n)
{
	return (n == 1 && (p[0] < 0x20 || p[0] == 0x7f)) || (n == 2 && p[0] == 0xc2 && p[1] < 0xa0);
}

static void
text_append_escaped(struct buf *b, const uint8_t *p, size_t n)
{
	if (n == 1 && (*p == '\n' || *p == '\r' || *p == '\t')) {
		buf_append_str(b, *p == '\n' ? "\\n" : *p == '\r' ? "\\r" : "\\t");
		return;
	}
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "\\x%02x", p[i]);
}

bool
text_append_printable(struct buf *b, struct bytes v)
{
	size_t n, clean = 0;

	for (size_t i = 0; i < v.len; i += n) {
		n = text_utf8_char(text_rest(v, i));
		if (n && !text_is_control(v.data + i, n))
			continue;
		n = n ? n : 1;
		buf_append(b, v.data + clean, i - clean);
		text_append_escaped(b, v.data + i, n);
		clean = i + n;
	}
	if (clean < v.len)
		buf_append(b, v.data + clean, v.len - clean);
	return !b->err;
}

static void
text_append_json_char(struct buf *b, const uint8_t *p, size_t n)
{
	if (n == 0)
		buf_append_str(b, "\\ufffd");
	else if (n == 1 && (*p == '"' || *p == '\\'))
		buf_printf(b, "\\%c", *p);
	else if (n == 1 && *p == '\n')
		buf_append_str(b, "\\n");
	else if (n == 1 && *p == '\t')
		buf_append_str(b, "\\t");
	else if (n == 1 && *p == '\r')
		buf_append_str(b, "\\r");
	else
		buf_printf(b, "\\u%04x", n == 1 ? p[0] : p[1]);
}

bool
text_append_json(struct buf *b, struct bytes v)
{
	size_t n, clean = 0;

	buf_append_u8(b, '"');
	for (size_t i = 0; i < v.len; i += n ? n : 1) {
		n = text_utf8_char(text_rest(v, i));
		if (n && !text_is_control(v.data + i, n) && v.data[i] != '"' && v.data[i] != '\\')
			continue;
		buf_append(b, v.data + clean, i - clean);
		text_append_json_char(b, v.data + i, n);
		clean = i + (n ? n : 1);
	}
	if (clean < v.len)
		buf_append(b, v.data + clean, v.len - clean);
	return buf_append_u8(b, '"');
}

bool
text_append_double(struct buf *b, double v)
{
	char text[32];

	if (isnan(v))
		return buf_append_str(b, "NaN");
	if (isinf(v))
		return buf_append_str(b, v > 0 ? "+Inf" : "-Inf");
	/* 15 digits are shortest where they suffice; 17 always do. */
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	return buf_append_str(b, text);
}

size_t
text_columns(struct bytes v)
{
	size_t columns = 0, n;

	for (size_t i = 0; i < v.len; i += n ? n : 1) {
		n = text_utf8_char(text_rest(v, i));
		columns++;
	}
	return columns;
}

static size_t
text_min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

static int
text_lower(char c)
{
	return tolower((unsigned char)c);
}

size_t
text_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), cost;
	size_t row[3][TEXT_MAX_WORD + 1], *before = row[0], *last = row[1], *now = row[2], *spare;

	if (la > TEXT_MAX_WORD || lb > TEXT_MAX_WORD)
		return la > lb ? la : lb;
	for (size_t j = 0; j <= lb; j++)
		last[j] = before[j] = j;
	for (size_t i = 1; i <= la; i++) {
		now[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			cost = text_lower(a[i - 1]) != text_lower(b[j - 1]);
			now[j] = text_min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + cost);
			if (i > 1 && j > 1 && text_lower(a[i - 1]) == text_lower(b[j - 2]) &&
			    text_lower(a[i - 2]) == text_lower(b[j - 1]) &&
			    before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[lb];
}

bool
text_list_has(const char *list, const char *word)
{
	size_t len = strlen(word), n;

	for (; list && *list && len; list += n + (list[n] == ',')) {
		n = strcspn(list, ",");
		if (n == len && memcmp(list, word, n) == 0)
			return true;
	}
	return false;
}
