/*
 * From a message to JSON, straight into a buffer. Neighbours: json_names.c has the names; the
 * writer of answers calls this for whole messages, item by item for long lists, and piece by piece
 * for long values.
 *
 * Invariants: what is written is one valid JSON value of valid UTF-8, whatever the message holds; a
 * list written item by item is byte for byte what it is as a whole. Failure is the buffer's, and
 * sticky.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "json_internal.h"
#include "util/base64.h"
#include "util/text.h"

#define FLOAT_TEXT_MAX 32

static void write_object(struct buf *out, const ProtobufCMessage *m, unsigned style);

/* Scalars. */

static void
append_signed(struct buf *out, int64_t v)
{
	if (v < 0)
		buf_append_u8(out, '-');
	buf_append_decimal(out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

static void
append_signed_64(struct buf *out, int64_t v, unsigned style)
{
	if (!(style & JSON_NUMBERS))
		buf_append_u8(out, '"');
	append_signed(out, v);
	if (!(style & JSON_NUMBERS))
		buf_append_u8(out, '"');
}

static void
append_unsigned_64(struct buf *out, uint64_t v, unsigned style)
{
	if (!(style & JSON_NUMBERS))
		buf_append_u8(out, '"');
	buf_append_decimal(out, v);
	if (!(style & JSON_NUMBERS))
		buf_append_u8(out, '"');
}

static bool
append_special(struct buf *out, double v)
{
	if (isnan(v))
		return buf_append_str(out, "\"NaN\"");
	if (isinf(v))
		return buf_append_str(out, v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
	return false;
}

static void
append_double(struct buf *out, double v)
{
	if (isfinite(v))
		text_append_double(out, v);
	else
		append_special(out, v);
}

static void
append_float(struct buf *out, float v)
{
	char text[FLOAT_TEXT_MAX];

	if (!isfinite(v)) {
		append_special(out, (double)v);
		return;
	}
	for (int digits = 6; digits <= 9; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, (double)v);
		if (!(strtof(text, NULL) < v) && !(strtof(text, NULL) > v))
			break;
	}
	buf_append_str(out, text);
}

static void
append_enum(struct buf *out, const ProtobufCEnumDescriptor *d, int32_t v, unsigned style)
{
	const ProtobufCEnumValue *value =
	    style & JSON_NUMBERS ? NULL : protobuf_c_enum_descriptor_get_value(d, v);

	if (!value) {
		append_signed(out, v);
		return;
	}
	buf_append_u8(out, '"');
	buf_append_str(out, value->name);
	buf_append_u8(out, '"');
}

static void
append_bytes(struct buf *out, const ProtobufCBinaryData *v)
{
	buf_append_u8(out, '"');
	base64_append(out, BASE64_STD, bytes_of(v->data, v->len));
	buf_append_u8(out, '"');
}

static void
append_string(struct buf *out, const char *v)
{
	text_append_json(out, bytes_str(v ? v : ""));
}

/* A value that is at least as large as its type; p need not be of the type for the compiler. */
static void
append_number(struct buf *out, const ProtobufCFieldDescriptor *f, const void *p, unsigned style)
{
	union {
		int32_t i32;
		uint32_t u32;
		int64_t i64;
		uint64_t u64;
		float f32;
		double f64;
	} v;

	memcpy(&v, p, json_scalar_size(f->type));
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		append_signed_64(out, v.i64, style);
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		append_unsigned_64(out, v.u64, style);
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		buf_append_decimal(out, v.u32);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		append_double(out, v.f64);
		break;
	case PROTOBUF_C_TYPE_FLOAT:
		append_float(out, v.f32);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		buf_append_str(out, v.i32 ? "true" : "false");
		break;
	case PROTOBUF_C_TYPE_ENUM:
		append_enum(out, (const ProtobufCEnumDescriptor *)f->descriptor, v.i32, style);
		break;
	default:
		append_signed(out, v.i32);
		break;
	}
}

static void
append_value(struct buf *out, const ProtobufCFieldDescriptor *f, const void *p, unsigned style)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		append_string(out, *(const char *const *)p);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		append_bytes(out, (const ProtobufCBinaryData *)p);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		write_object(out, *(const ProtobufCMessage *const *)p, style);
		break;
	default:
		append_number(out, f, p, style);
		break;
	}
}

/* Messages. */

static bool
number_is_set(const ProtobufCFieldDescriptor *f, const void *p)
{
	static const uint8_t zero[sizeof(uint64_t)];

	return memcmp(p, zero, json_scalar_size(f->type)) != 0;
}

/* How many values a list has; of any other field, whether it has one worth writing. */
static size_t
value_count(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const void *member = (const uint8_t *)m + f->offset;
	const void *quantifier = (const uint8_t *)m + f->quantifier_offset;
	const char *text;

	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)quantifier;
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)quantifier == f->id;
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		text = *(const char *const *)member;
		return text && *text;
	case PROTOBUF_C_TYPE_BYTES:
		return ((const ProtobufCBinaryData *)member)->len > 0;
	case PROTOBUF_C_TYPE_MESSAGE:
		return *(const ProtobufCMessage *const *)member != NULL;
	default:
		return number_is_set(f, member);
	}
}

static void
write_list(
    struct buf *out, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, unsigned style)
{
	const uint8_t *items = *(uint8_t *const *)(const void *)((const uint8_t *)m + f->offset);
	size_t n = value_count(m, f), size = json_scalar_size(f->type);

	buf_append_u8(out, '[');
	for (size_t i = 0; i < n && !out->err; i++) {
		if (i > 0)
			buf_append_u8(out, ',');
		append_value(out, f, items + i * size, style);
	}
	buf_append_u8(out, ']');
}

static void
write_object(struct buf *out, const ProtobufCMessage *m, unsigned style)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;
	bool first = true;

	buf_append_u8(out, '{');
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];

		if (value_count(m, f) == 0)
			continue;
		buf_append_str(out, first ? "\"" : ",\"");
		json_append_field_name(out, d, f, style);
		buf_append(out, "\":", 2);
		first = false;
		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			write_list(out, m, f, style);
		else
			append_value(out, f, (const uint8_t *)m + f->offset, style);
	}
	buf_append_u8(out, '}');
}

void
json_write(struct buf *out, const ProtobufCMessage *m, unsigned style)
{
	write_object(out, m, style);
}

/* Piece by piece. */

void
json_list_begin(struct json_list *l, struct buf *out, const char *name, unsigned style)
{
	*l = (struct json_list){.out = out, .name = name, .style = style};
	buf_append_u8(out, '{');
}

void
json_list_add(struct json_list *l, const ProtobufCMessage *item)
{
	if (l->is_open)
		buf_append_u8(l->out, ',');
	else
		buf_printf(l->out, "\"%s\":[", l->name);
	l->is_open = true;
	write_object(l->out, item, l->style);
}

void
json_list_end(struct json_list *l)
{
	buf_append_str(l->out, l->is_open ? "]}" : "}");
}

void
json_base64_begin(struct json_base64 *s, struct buf *out)
{
	*s = (struct json_base64){.out = out};
	buf_append_u8(out, '"');
}

/* Fills what is left of the last group from the front of piece. */
static void
base64_fill(struct json_base64 *s, struct bytes *piece)
{
	uint8_t group[3];

	while (s->rest_len > 0 && s->rest_len < sizeof s->rest && piece->len > 0) {
		s->rest[s->rest_len++] = piece->data[0];
		*piece = bytes_of(piece->data + 1, piece->len - 1);
	}
	if (s->rest_len < sizeof s->rest || piece->len == 0)
		return;
	memcpy(group, s->rest, sizeof s->rest);
	group[sizeof s->rest] = piece->data[0];
	*piece = bytes_of(piece->data + 1, piece->len - 1);
	base64_append(s->out, BASE64_STD, bytes_of(group, sizeof group));
	s->rest_len = 0;
}

void
json_base64_add(struct json_base64 *s, struct bytes piece)
{
	size_t whole;

	base64_fill(s, &piece);
	if (s->rest_len > 0 || piece.len == 0)
		return;
	whole = piece.len - piece.len % 3;
	base64_append(s->out, BASE64_STD, bytes_of(piece.data, whole));
	s->rest_len = piece.len - whole;
	if (s->rest_len > 0)
		memcpy(s->rest, piece.data + whole, s->rest_len);
}

void
json_base64_end(struct json_base64 *s)
{
	base64_append(s->out, BASE64_STD, bytes_of(s->rest, s->rest_len));
	s->rest_len = 0;
	buf_append_u8(s->out, '"');
}
