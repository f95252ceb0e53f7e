/*
 * Decoding of untrusted messages: a walk over the bytes that refuses what the decoder would let
 * pass, then the decoder with an arena behind it.
 *
 * Invariants: the walk recurses as deep as message types nest, which is bounded because no type of
 * the schema contains itself (a test checks it), and by MESSAGE_DEPTH_MAX besides; the decoder sees
 * only bytes that the walk accepted.
 */
#include "rpc/message.h"

#include <assert.h>

#define MESSAGE_DEPTH_MAX 32
#define MESSAGE_BUDGET_SMALL ((size_t)256 * 1024)
#define MESSAGE_BUDGET_LARGE ((size_t)4 * 1024 * 1024)

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_LENGTH = 2, WIRE_FIXED32 = 5 };

struct message_field {
	uint32_t number;
	uint8_t wire_type;
	struct bytes value; /* WIRE_LENGTH: the content */
};

static enum im_err
message_walk(const ProtobufCMessageDescriptor *d, struct bytes body, bool strict, unsigned depth);

size_t
message_budget(size_t len)
{
	size_t small, large;

	if (__builtin_mul_overflow(len, (size_t)24, &small) ||
	    __builtin_add_overflow(small, MESSAGE_BUDGET_SMALL, &small))
		small = SIZE_MAX;
	if (__builtin_mul_overflow(len, (size_t)4, &large) ||
	    __builtin_add_overflow(large, MESSAGE_BUDGET_LARGE, &large))
		large = SIZE_MAX;
	return small < large ? small : large;
}

static uint64_t
message_varint(struct reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t b = reader_u8(r);

		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
	r->failed = true;
	return 0;
}

static bool
message_next(struct reader *r, struct message_field *f)
{
	uint64_t tag = message_varint(r), len;

	f->number = (uint32_t)(tag >> 3);
	f->wire_type = tag & 7;
	f->value = bytes_of(NULL, 0);
	if (r->failed || tag >> 32 || f->number == 0)
		return false;
	switch (f->wire_type) {
	case WIRE_VARINT:
		message_varint(r);
		break;
	case WIRE_FIXED64:
		reader_bytes(r, 8);
		break;
	case WIRE_FIXED32:
		reader_bytes(r, 4);
		break;
	case WIRE_LENGTH:
		len = message_varint(r);
		if (len > reader_left(r))
			return false;
		f->value = reader_bytes(r, (size_t)len);
		break;
	default: /* groups */
		return false;
	}
	return !r->failed;
}

static uint8_t
message_wire_type(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WIRE_FIXED32;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WIRE_FIXED64;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WIRE_LENGTH;
	default:
		return WIRE_VARINT;
	}
}

/* How many bytes the UTF-8 character at p takes; 0 when it is not one, or NUL. */
static size_t
message_utf8_char(const uint8_t *p, size_t left)
{
	uint32_t c = p[0], least;
	size_t n;

	if (c < 0x80)
		return c != 0;
	if (c >= 0xc2 && c <= 0xdf)
		n = 2, least = 0x80, c &= 0x1f;
	else if (c >= 0xe0 && c <= 0xef)
		n = 3, least = 0x800, c &= 0x0f;
	else if (c >= 0xf0 && c <= 0xf4)
		n = 4, least = 0x10000, c &= 0x07;
	else
		return 0;
	if (n > left)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : n;
}

static bool
message_text_is_valid(struct bytes text)
{
	size_t i = 0, n;

	while (i < text.len) {
		n = message_utf8_char(text.data + i, text.len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

static enum im_err
message_check_field(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *fd,
    const struct message_field *f, bool strict, unsigned depth)
{
	bool packed = fd->label == PROTOBUF_C_LABEL_REPEATED && f->wire_type == WIRE_LENGTH;

	if (f->wire_type != message_wire_type(fd->type) && !packed)
		return err_set(IM_ERR_FORMAT, "%s.%s: wrong wire type %u", d->short_name, fd->name,
		    f->wire_type);
	if (fd->type == PROTOBUF_C_TYPE_STRING && !message_text_is_valid(f->value))
		return err_set(IM_ERR_FORMAT, "%s.%s: not a text", d->short_name, fd->name);
	if (fd->type == PROTOBUF_C_TYPE_MESSAGE)
		return message_walk((const ProtobufCMessageDescriptor *)fd->descriptor, f->value,
		    strict, depth + 1);
	return IM_OK;
}

static enum im_err
message_walk(const ProtobufCMessageDescriptor *d, struct bytes body, bool strict, unsigned depth)
{
	struct reader r = reader_of(body);
	const ProtobufCFieldDescriptor *fd;
	struct message_field f;
	enum im_err err;

	if (depth > MESSAGE_DEPTH_MAX)
		return err_set(IM_ERR_FORMAT, "%s: nested too deep", d->short_name);
	while (reader_left(&r) > 0) {
		if (!message_next(&r, &f))
			return err_set(IM_ERR_FORMAT, "%s: malformed message", d->short_name);
		fd = protobuf_c_message_descriptor_get_field(d, f.number);
		if (!fd && strict)
			return err_set(
			    IM_ERR_UNIMPLEMENTED, "%s: unknown field %u", d->short_name, f.number);
		err = fd ? message_check_field(d, fd, &f, strict, depth) : IM_OK;
		if (err != IM_OK)
			return err;
	}
	return IM_OK;
}

enum im_err
message_check(const ProtobufCMessageDescriptor *d, struct bytes body, bool strict)
{
	return message_walk(d, body, strict, 0);
}

struct message_memory {
	struct arena *arena;
	size_t left;
	bool exhausted;
};

static void *
message_alloc(void *ctx, size_t n)
{
	struct message_memory *m = (struct message_memory *)ctx;
	void *p = n <= m->left ? arena_alloc(m->arena, n) : NULL;

	if (p)
		m->left -= n;
	else
		m->exhausted = true;
	return p;
}

static void
message_release(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

enum im_err
message_unpack(const ProtobufCMessageDescriptor *d, struct bytes body, bool strict,
    struct arena *arena, ProtobufCMessage **out)
{
	struct message_memory m = {.arena = arena, .left = message_budget(body.len)};
	ProtobufCAllocator allocator = {message_alloc, message_release, &m};
	enum im_err err = message_check(d, body, strict);
	static const uint8_t none[1];

	*out = NULL;
	if (err != IM_OK)
		return err;
	*out = protobuf_c_message_unpack(d, &allocator, body.len, body.len ? body.data : none);
	if (*out)
		return IM_OK;
	if (m.exhausted)
		return err_set(IM_ERR_LIMIT, "%s: takes too much memory", d->short_name);
	return err_set(IM_ERR_FORMAT, "%s: malformed message", d->short_name);
}

bool
message_keep_negative_zero(struct arena *a, ProtobufCMessage *m, uint32_t field, double value)
{
	ProtobufCMessageUnknownField *f;
	uint64_t bits;

	memcpy(&bits, &value, sizeof bits);
	if (bits != UINT64_C(1) << 63)
		return true;
	assert(m->n_unknown_fields == 0);
	f = (ProtobufCMessageUnknownField *)arena_calloc(a, 1, sizeof *f);
	if (!f)
		return false;
	*f = (ProtobufCMessageUnknownField){
	    .tag = field, .wire_type = PROTOBUF_C_WIRE_TYPE_64BIT, .len = sizeof bits};
	f->data = (uint8_t *)arena_calloc(a, 1, sizeof bits);
	if (!f->data)
		return false;
	/* Numbers of fixed size are little-endian there. */
	f->data[sizeof bits - 1] = 0x80;
	m->unknown_fields = f;
	m->n_unknown_fields = 1;
	return true;
}
