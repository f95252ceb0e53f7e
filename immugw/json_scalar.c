/*
 * From a token to the scalar of a field. Neighbours: json_read.c brings tokens of a body and plain
 * text of paths and queries; json_number.c and json_decode64.c know the texts.
 *
 * Invariants: what is stored was checked against its type completely; an integer is never made from
 * floating point; no error repeats the value.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "json_internal.h"
#include "util/text.h"

#define NUMBER_TEXT_MAX 128 /* longer ones take memory of the arena */
#define ENUM_NAMES_MAX 160

size_t
json_scalar_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_STRING:
		return sizeof(char *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(ProtobufCMessage *);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return sizeof(uint64_t);
	default:
		return sizeof(uint32_t);
	}
}

static bool
token_is_text(const struct json_token *t)
{
	return t->kind == JSON_KIND_STRING || t->kind == JSON_KIND_PLAIN;
}

/* Integers. */

struct integer_range {
	uint64_t most;     /* largest value */
	uint64_t most_low; /* magnitude of the smallest */
	const char *name;
};

static struct integer_range
range_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return (struct integer_range){INT64_MAX, UINT64_C(1) << 63, "a 64-bit integer"};
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return (struct integer_range){UINT64_MAX, 0, "an unsigned 64-bit integer"};
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return (struct integer_range){UINT32_MAX, 0, "an unsigned 32-bit integer"};
	default:
		return (struct integer_range){INT32_MAX, UINT64_C(1) << 31, "a 32-bit integer"};
	}
}

static bool
scalar_integer(struct json_reader *r, ProtobufCType type, struct bytes text, void *to)
{
	struct integer_range range = range_of(type);
	enum json_integer_fault fault;
	bool negative;
	uint64_t v;
	uint32_t low;

	fault = json_integer_read(text, &negative, &v);
	if (fault == JSON_INTEGER_NO_NUMBER)
		return json_fail(r, "must be %s", range.name);
	if (fault == JSON_INTEGER_FRACTION)
		return json_fail(r, "must be a whole number");
	if (fault == JSON_INTEGER_TOO_LARGE || v > (negative ? range.most_low : range.most))
		return json_fail(r, "is out of range for %s", range.name);
	if (negative)
		v = 0 - v;
	low = (uint32_t)v;
	if (json_scalar_size(type) == sizeof v)
		memcpy(to, &v, sizeof v);
	else
		memcpy(to, &low, sizeof low);
	return true;
}

/* Floating point. */

static bool
number_special(const struct json_token *t, double *out)
{
	if (!token_is_text(t))
		return false;
	if (bytes_equal(t->text, bytes_str("NaN")))
		*out = (double)NAN;
	else if (bytes_equal(t->text, bytes_str("Infinity")))
		*out = (double)INFINITY;
	else if (bytes_equal(t->text, bytes_str("-Infinity")))
		*out = -(double)INFINITY;
	else
		return false;
	return true;
}

static const char *
number_text(struct json_reader *r, struct bytes text, char *small)
{
	char *p = small;

	if (text.len >= NUMBER_TEXT_MAX)
		p = (char *)json_alloc(r, text.len + 1);
	if (!p)
		return NULL;
	memcpy(p, text.data, text.len);
	p[text.len] = '\0';
	return p;
}

static bool
scalar_double(struct json_reader *r, const struct json_token *t, void *to)
{
	char small[NUMBER_TEXT_MAX];
	const char *text;
	double v;

	if (!number_special(t, &v)) {
		if (!json_number_valid(t->text))
			return json_fail(r, "must be a number");
		text = number_text(r, t->text, small);
		if (!text)
			return false;
		v = strtod(text, NULL);
		if (isinf(v))
			return json_fail(r, "is out of range for a double");
	}
	memcpy(to, &v, sizeof v);
	return true;
}

static bool
scalar_float(struct json_reader *r, const struct json_token *t, void *to)
{
	char small[NUMBER_TEXT_MAX];
	const char *text;
	double special;
	float v;

	if (number_special(t, &special)) {
		v = (float)special;
	} else {
		if (!json_number_valid(t->text))
			return json_fail(r, "must be a number");
		text = number_text(r, t->text, small);
		if (!text)
			return false;
		v = strtof(text, NULL);
		if (isinf(v))
			return json_fail(r, "is out of range for a float");
	}
	memcpy(to, &v, sizeof v);
	return true;
}

/* Booleans and enums. */

static bool
scalar_bool(struct json_reader *r, const struct json_token *t, void *to)
{
	protobuf_c_boolean v = t->value;

	if (t->kind == JSON_KIND_PLAIN) {
		v = bytes_equal(t->text, bytes_str("true")) || bytes_equal(t->text, bytes_str("1"));
		if (!v && !bytes_equal(t->text, bytes_str("false")) &&
		    !bytes_equal(t->text, bytes_str("0")))
			return json_fail(r, "must be true or false");
	} else if (t->kind != JSON_KIND_BOOL) {
		return json_fail(r, "must be true or false");
	}
	memcpy(to, &v, sizeof v);
	return true;
}

static bool
enum_by_name(const ProtobufCEnumDescriptor *d, struct bytes name, int *value)
{
	for (unsigned i = 0; i < d->n_value_names; i++) {
		if (!bytes_equal(bytes_str(d->values_by_name[i].name), name))
			continue;
		*value = d->values[d->values_by_name[i].index].value;
		return true;
	}
	return false;
}

static bool
enum_fail(struct json_reader *r, const ProtobufCEnumDescriptor *d)
{
	char memory[ENUM_NAMES_MAX];
	struct buf names;

	buf_init_in(&names, memory, sizeof memory);
	for (unsigned i = 0; i < d->n_values; i++)
		buf_printf(&names, "%s%s", i ? ", " : "", d->values[i].name);
	return json_fail(r, "must be one of %.*s, or a number", (int)names.len, memory);
}

static bool
scalar_enum(
    struct json_reader *r, const ProtobufCFieldDescriptor *f, const struct json_token *t, void *to)
{
	const ProtobufCEnumDescriptor *d = (const ProtobufCEnumDescriptor *)f->descriptor;
	bool negative;
	uint64_t v;
	int value;

	if (token_is_text(t) && enum_by_name(d, t->text, &value)) {
		memcpy(to, &value, sizeof value);
		return true;
	}
	/* Only a path or a query has no other way to write a number. */
	if (t->kind == JSON_KIND_STRING ||
	    json_integer_read(t->text, &negative, &v) == JSON_INTEGER_NO_NUMBER)
		return enum_fail(r, d);
	return scalar_integer(r, PROTOBUF_C_TYPE_INT32, t->text, to);
}

/* Bytes and texts. */

static bool
scalar_bytes(struct json_reader *r, struct bytes text, void *to)
{
	ProtobufCBinaryData v = {0, NULL};
	size_t fault = 0;

	if (text.len > 0) {
		v.data = (uint8_t *)json_alloc(r, (text.len + 3) / 4 * 3);
		if (!v.data)
			return false;
		v.len = json_base64_decode(text, v.data, &fault);
		if (v.len == SIZE_MAX)
			return json_fail(r, "illegal base64 data at input byte %zu", fault);
	}
	memcpy(to, &v, sizeof v);
	return true;
}

/* One escape at raw[*at], behind the backslash; the character goes to *c. */
static bool
escape_hex(struct bytes raw, size_t *at, uint32_t *c)
{
	*c = 0;
	if (raw.len - *at < 4)
		return false;
	for (size_t i = 0; i < 4; i++) {
		uint8_t d = raw.data[(*at)++];

		if (d >= '0' && d <= '9')
			*c = *c << 4 | (uint32_t)(d - '0');
		else if ((d | 32) >= 'a' && (d | 32) <= 'f')
			*c = *c << 4 | (uint32_t)((d | 32) - 'a' + 10);
		else
			return false;
	}
	return true;
}

static bool
escape_unicode(struct json_reader *r, struct bytes raw, size_t *at, uint32_t *c)
{
	uint32_t second;

	if (!escape_hex(raw, at, c))
		return json_fail(r, "broken \\u escape in a string");
	if (*c >= 0xdc00 && *c <= 0xdfff)
		return json_fail(r, "lone surrogate in a string");
	if (*c < 0xd800 || *c > 0xdbff)
		return true;
	if (raw.len - *at < 2 || raw.data[*at] != '\\' || raw.data[*at + 1] != 'u')
		return json_fail(r, "lone surrogate in a string");
	*at += 2;
	if (!escape_hex(raw, at, &second) || second < 0xdc00 || second > 0xdfff)
		return json_fail(r, "lone surrogate in a string");
	*c = 0x10000 + ((*c - 0xd800) << 10) + (second - 0xdc00);
	return true;
}

static bool
escape_read(struct json_reader *r, struct bytes raw, size_t *at, uint32_t *c)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	const char *found;
	uint8_t letter = *at < raw.len ? raw.data[*at] : 0;

	(*at)++;
	if (letter == 'u')
		return escape_unicode(r, raw, at, c);
	found = letter ? strchr(from, letter) : NULL;
	if (!found)
		return json_fail(r, "unknown escape in a string");
	*c = (uint8_t)into[found - from];
	return true;
}

/* No escape is shorter than the character it stands for. */
static size_t
utf8_put(uint8_t *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (uint8_t)(0xc0 | c >> 6);
		to[1] = (uint8_t)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (uint8_t)(0xe0 | c >> 12);
		to[1] = (uint8_t)(0x80 | (c >> 6 & 63));
		to[2] = (uint8_t)(0x80 | (c & 63));
		return 3;
	}
	to[0] = (uint8_t)(0xf0 | c >> 18);
	to[1] = (uint8_t)(0x80 | (c >> 12 & 63));
	to[2] = (uint8_t)(0x80 | (c >> 6 & 63));
	to[3] = (uint8_t)(0x80 | (c & 63));
	return 4;
}

/* One character of raw at *at to to; adds its bytes to *len. */
static bool
text_char(struct json_reader *r, struct bytes raw, size_t *at, uint8_t *to, size_t *len)
{
	size_t n = text_utf8_char(bytes_of(raw.data + *at, raw.len - *at));
	uint32_t c = raw.data[*at];

	if (n == 0)
		return json_fail(r, "invalid UTF-8 in a string");
	if (n == 1 && c < ' ')
		return json_fail(r, "control character in a string");
	if (n > 1 || c != '\\') {
		memcpy(to + *len, raw.data + *at, n);
		*at += n;
		*len += n;
		return true;
	}
	(*at)++;
	if (!escape_read(r, raw, at, &c))
		return false;
	if (c == 0)
		return json_fail(r, "NUL in a string");
	*len += utf8_put(to + *len, c);
	return true;
}

bool
json_text_read(struct json_reader *r, struct bytes raw, struct bytes *out)
{
	uint8_t *to = (uint8_t *)json_alloc(r, raw.len + 1);
	size_t at = 0, len = 0;

	if (!to)
		return false;
	while (at < raw.len)
		if (!text_char(r, raw, &at, to, &len))
			return false;
	to[len] = '\0';
	*out = bytes_of(to, len);
	return true;
}

static bool
scalar_string(struct json_reader *r, const struct json_token *t, void *to)
{
	struct bytes text = t->text;
	char *copy;

	if (t->kind == JSON_KIND_PLAIN) {
		if (!text_utf8_valid(text))
			return json_fail(r, "invalid UTF-8");
		if (memchr(text.data, '\0', text.len))
			return json_fail(r, "NUL in a string");
		copy = (char *)json_alloc(r, text.len + 1);
		if (!copy)
			return false;
		memcpy(copy, text.data, text.len);
		copy[text.len] = '\0';
	} else {
		if (!json_text_read(r, t->text, &text))
			return false;
		/* It is in the arena, and ours to hand on. */
		copy = (char *)(uintptr_t)text.data;
	}
	memcpy(to, &copy, sizeof copy);
	return true;
}

/* Any. */

static bool
scalar_of_type(
    struct json_reader *r, const ProtobufCFieldDescriptor *f, const struct json_token *t, void *to)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return scalar_bool(r, t, to);
	case PROTOBUF_C_TYPE_ENUM:
		return t->kind == JSON_KIND_BOOL ? enum_fail(r, f->descriptor)
						 : scalar_enum(r, f, t, to);
	case PROTOBUF_C_TYPE_DOUBLE:
		return t->kind == JSON_KIND_BOOL ? json_fail(r, "must be a number")
						 : scalar_double(r, t, to);
	case PROTOBUF_C_TYPE_FLOAT:
		return t->kind == JSON_KIND_BOOL ? json_fail(r, "must be a number")
						 : scalar_float(r, t, to);
	case PROTOBUF_C_TYPE_BYTES:
		return token_is_text(t) ? scalar_bytes(r, t->text, to)
					: json_fail(r, "must be a string of base64");
	case PROTOBUF_C_TYPE_STRING:
		return token_is_text(t) ? scalar_string(r, t, to)
					: json_fail(r, "must be a string");
	default:
		return t->kind == JSON_KIND_BOOL
		    ? json_fail(r, "must be %s", range_of(f->type).name)
		    : scalar_integer(r, f->type, t->text, to);
	}
}

bool
json_scalar_read(
    struct json_reader *r, const ProtobufCFieldDescriptor *f, const struct json_token *t, void *to)
{
	struct json_token plain = *t;

	/*
	 * A string resolves its escapes itself; everything else is compared and converted as text.
	 */
	if (t->kind == JSON_KIND_STRING && t->has_escapes && f->type != PROTOBUF_C_TYPE_STRING) {
		plain.has_escapes = false;
		if (!json_text_read(r, t->text, &plain.text))
			return false;
	}
	return scalar_of_type(r, f, &plain, to);
}

/* Whether the scalar of a field is -0; *size is what it takes on the wire. */
static bool
is_negative_zero(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t *size)
{
	const uint8_t *member = (const uint8_t *)m + f->offset;
	uint64_t bits = 0;

	if (f->type != PROTOBUF_C_TYPE_DOUBLE && f->type != PROTOBUF_C_TYPE_FLOAT)
		return false;
	*size = json_scalar_size(f->type);
	memcpy(&bits, member, *size);
	return bits == UINT64_C(1) << (8 * *size - 1);
}

bool
json_keep_sign(struct json_reader *r, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	ProtobufCMessageUnknownField *fields;
	unsigned n = m->n_unknown_fields;
	uint8_t *data;
	size_t size;

	if (!is_negative_zero(m, f, &size))
		return true;
	fields = (ProtobufCMessageUnknownField *)json_alloc(r, (n + 1) * sizeof *fields);
	data = (uint8_t *)json_alloc(r, size);
	if (!fields || !data)
		return false;
	/* Numbers of fixed size are little-endian on the wire. */
	memset(data, 0, size);
	data[size - 1] = 0x80;
	if (n > 0)
		memcpy(fields, m->unknown_fields, n * sizeof *fields);
	fields[n] = (ProtobufCMessageUnknownField){.tag = f->id, .len = size, .data = data};
	fields[n].wire_type = f->type == PROTOBUF_C_TYPE_DOUBLE ? PROTOBUF_C_WIRE_TYPE_64BIT
								: PROTOBUF_C_WIRE_TYPE_32BIT;
	m->unknown_fields = fields;
	m->n_unknown_fields = n + 1;
	return true;
}
