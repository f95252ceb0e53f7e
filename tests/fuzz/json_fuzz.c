/*
 * JSON of the gateway. First byte: bits 0 and 1 the style in which is written again, bit 2 the answer
 * instead of the request; then the method (2 bytes), then text. What can be read is written, read and
 * written as the same; memory stays within its budget; what is cut is never read past its end.
 */
#include <assert.h>

#include "fuzz.h"
#include "json.h"
#include "rpc/message.h"
#include "rpc/method.h"

#define OUT_MAX (64u << 20)
#define ARENA_SLACK 65536u
#define ANSWER_BIT 4u

static void
check_read(enum im_err err, const ProtobufCMessage *m)
{
	assert(err == IM_OK || err == IM_ERR_JSON || err == IM_ERR_BODY_SIZE);
	assert((err == IM_OK) == (m != NULL));
}

static bool
packs_equal(const ProtobufCMessage *a, const ProtobufCMessage *b, struct arena *arena)
{
	size_t size = protobuf_c_message_get_packed_size(a);
	uint8_t *one, *two;

	if (protobuf_c_message_get_packed_size(b) != size)
		return false;
	one = arena_alloc(arena, size + 1);
	two = arena_alloc(arena, size + 1);
	assert(one && two);
	protobuf_c_message_pack(a, one);
	protobuf_c_message_pack(b, two);
	return memcmp(one, two, size) == 0;
}

/* Text that was written is read as the same message, which is written as the same text. */
static void
check_again(const ProtobufCMessage *m, unsigned style, struct buf *first, struct buf *second)
{
	ProtobufCMessage *same;
	struct arena a;
	enum im_err err;

	buf_clear(first);
	buf_clear(second);
	json_write(first, m, style);
	assert(first->err == IM_OK);
	arena_init(&a, 4 * message_budget(first->len) + 4 * first->len + ARENA_SLACK);
	err = json_read(m->descriptor, buf_bytes(first), &a, &same);
	check_read(err, same);
	/* Only the budget may stand in the way: names grow when they are written in full. */
	assert(err == IM_OK);
	json_write(second, same, style);
	assert(bytes_equal(buf_bytes(first), buf_bytes(second)));
	assert(packs_equal(m, same, &a));
	arena_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	unsigned how = (unsigned)fuzz_number(&in, 1);
	uint16_t id = (uint16_t)fuzz_number(&in, 2);
	const struct rpc_method *method = rpc_method_find(id);
	size_t budget = message_budget(in.len);
	struct buf first, second;
	ProtobufCMessage *m;
	struct arena a;
	enum im_err err;

	if (!method)
		method = &rpc_methods[id % RPC_METHOD_COUNT];
	arena_init(&a, 4 * budget + ARENA_SLACK);
	buf_init(&first, OUT_MAX);
	buf_init(&second, OUT_MAX);
	err = json_read(how & ANSWER_BIT ? method->answer : method->request, in, &a, &m);
	check_read(err, m);
	assert(a.used <= 2 * budget + ARENA_SLACK);
	if (m) {
		check_again(m, how & 3, &first, &second);
		check_again(m, JSON_STRINGS, &first, &second);
	}
	buf_free(&second);
	buf_free(&first);
	arena_free(&a);
	return 0;
}
