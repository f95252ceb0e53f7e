/* Random messages from descriptors; see the header. */
#include "immugw/random_message.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define ITEMS_MAX 3
#define BYTES_MAX 40

uint64_t
random_next(struct random_source *r)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return r->state;
}

static void *
memory(struct arena *a, size_t n)
{
	void *p = arena_calloc(a, 1, n ? n : 1);

	assert_non_null(p);
	return p;
}

static uint64_t
random_integer(struct random_source *r)
{
	static const uint64_t special[] = {0, 1, INT32_MAX, UINT64_C(1) << 31, UINT32_MAX,
	    INT64_MAX, UINT64_C(1) << 63, UINT64_MAX, UINT64_C(9007199254740993)};
	uint64_t choice = random_next(r) % (2 * COUNT(special));

	return choice < COUNT(special) ? special[choice] : random_next(r) >> random_next(r) % 64;
}

static double
random_double(struct random_source *r)
{
	static const double special[] = {0.0, -0.0, 0.1, 1e308, 5e-324, -1.5};
	uint64_t choice = random_next(r) % (2 * COUNT(special) + 3), bits = random_next(r);
	double v;

	if (choice < COUNT(special))
		return special[choice];
	if (choice == COUNT(special))
		return (double)NAN;
	if (choice == COUNT(special) + 1)
		return (double)INFINITY;
	if (choice == COUNT(special) + 2)
		return -(double)INFINITY;
	memcpy(&v, &bits, sizeof v);
	return v;
}

static float
random_float(struct random_source *r)
{
	uint32_t bits = (uint32_t)random_next(r);
	float v;

	memcpy(&v, &bits, sizeof v);
	return random_next(r) % 2 ? v : 0.1f;
}

static char *
random_text(struct random_source *r)
{
	static const char *const texts[] = {"", "a", "defaultdb", "quote \" backslash \\ slash /",
	    "\x01\x1f\x7f\n\r\t\b\f", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
	    "\xe2\x80\xa8</script>"};

	return (char *)(uintptr_t)texts[random_next(r) % COUNT(texts)];
}

static ProtobufCBinaryData
random_bytes(struct random_source *r, struct arena *a)
{
	ProtobufCBinaryData v = {.len = random_next(r) % BYTES_MAX};

	v.data = memory(a, v.len);
	for (size_t i = 0; i < v.len; i++)
		v.data[i] = (uint8_t)random_next(r);
	return v;
}

static void
fill_value(struct random_source *r, const ProtobufCFieldDescriptor *f, struct arena *a, void *to)
{
	union {
		uint64_t u64;
		uint32_t u32;
		double f64;
		float f32;
		char *text;
		ProtobufCBinaryData bytes;
		ProtobufCMessage *message;
	} v;
	size_t size = sizeof v.u32;

	switch (f->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		v.message = random_message(r, f->descriptor, a);
		size = sizeof v.message;
		break;
	case PROTOBUF_C_TYPE_STRING:
		v.text = random_text(r);
		size = sizeof v.text;
		break;
	case PROTOBUF_C_TYPE_BYTES:
		v.bytes = random_bytes(r, a);
		size = sizeof v.bytes;
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		v.f64 = random_double(r);
		size = sizeof v.f64;
		break;
	case PROTOBUF_C_TYPE_FLOAT:
		v.f32 = random_float(r);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		v.u64 = random_integer(r);
		size = sizeof v.u64;
		break;
	case PROTOBUF_C_TYPE_BOOL:
		v.u32 = random_next(r) % 2;
		break;
	case PROTOBUF_C_TYPE_ENUM:
		v.u32 = (uint32_t)(random_next(r) % 6);
		break;
	default:
		v.u32 = (uint32_t)random_integer(r);
		break;
	}
	memcpy(to, &v, size);
}

static void
fill_list(struct random_source *r, const ProtobufCFieldDescriptor *f, struct arena *a,
    ProtobufCMessage *m)
{
	size_t count = random_next(r) % (ITEMS_MAX + 1), size;
	uint8_t *items;

	assert_true(f->type == PROTOBUF_C_TYPE_MESSAGE || f->type == PROTOBUF_C_TYPE_BYTES ||
	    f->type == PROTOBUF_C_TYPE_STRING);
	size = f->type == PROTOBUF_C_TYPE_BYTES ? sizeof(ProtobufCBinaryData) : sizeof(void *);
	items = memory(a, count * size);
	for (size_t i = 0; i < count; i++)
		fill_value(r, f, a, items + i * size);
	memcpy((uint8_t *)m + f->offset, &items, sizeof items);
	memcpy((uint8_t *)m + f->quantifier_offset, &count, sizeof count);
}

static void
fill_choice(struct random_source *r, const ProtobufCFieldDescriptor *f, struct arena *a,
    ProtobufCMessage *m)
{
	uint32_t chosen;

	memcpy(&chosen, (uint8_t *)m + f->quantifier_offset, sizeof chosen);
	if (chosen != 0)
		return;
	memcpy((uint8_t *)m + f->quantifier_offset, &f->id, sizeof f->id);
	fill_value(r, f, a, (uint8_t *)m + f->offset);
}

ProtobufCMessage *
random_message(struct random_source *r, const ProtobufCMessageDescriptor *d, struct arena *a)
{
	ProtobufCMessage *m = memory(a, d->sizeof_message);

	protobuf_c_message_init(d, m);
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];

		if (random_next(r) % 3 == 0)
			continue;
		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			fill_list(r, f, a, m);
		else if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
			fill_choice(r, f, a, m);
		else
			fill_value(r, f, a, (uint8_t *)m + f->offset);
	}
	return m;
}
