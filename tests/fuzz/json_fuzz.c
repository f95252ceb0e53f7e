/*
 * JSON of the gateway. First byte: bits 0 and 1 the style in which is written again, bit 2 the
 * answer instead of the request, bit 3 packed bytes as they come from a server instead of text;
 * then the method (2 bytes), then text or bytes. What can be read is written, read and written as
 * the same; memory stays within its budget; what is cut is never read past its end.
 */
#include <assert.h>

#include "fuzz.h"
#include "json.h"
#include "rpc/message.h"
#include "rpc/method.h"

#define OUT_MAX (64u << 20)
#define ARENA_SLACK 65536u
#define STYLE_BITS 3u
#define ANSWER_BIT 4u
#define PACKED_BIT 8u

/* Text that was written is read as the same message, which is written as the same text. */
static void
check_again(const ProtobufCMessage *m, unsigned style)
{
	struct buf first, second;
	ProtobufCMessage *same;
	struct arena a;
	enum im_err err;

	buf_init(&first, OUT_MAX);
	buf_init(&second, OUT_MAX);
	json_write(&first, m, style);
	assert(first.err == IM_OK);
	arena_init(&a, 4 * message_budget(first.len) + ARENA_SLACK);
	err = json_read(m->descriptor, buf_bytes(&first), &a, &same);
	/*
	 * Without the blanks that it had, a text of many empty items may be too short for its
	 * budget.
	 */
	assert(err == IM_OK || err == IM_ERR_BODY_SIZE);
	if (err == IM_OK) {
		json_write(&second, same, style);
		assert(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
	}
	arena_free(&a);
	buf_free(&second);
	buf_free(&first);
}

/* What was read from JSON travels: packed and decoded it is written as the same. */
static void
check_travel(const ProtobufCMessage *m)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	struct buf first, second, packed;
	ProtobufCMessage *same;
	struct arena a;
	enum im_err err;

	buf_init(&first, OUT_MAX);
	buf_init(&second, OUT_MAX);
	buf_init(&packed, OUT_MAX);
	assert(buf_reserve(&packed, size + 1));
	packed.len = protobuf_c_message_pack(m, packed.data);
	arena_init(&a, 4 * message_budget(size) + ARENA_SLACK);
	err = message_unpack(m->descriptor, buf_bytes(&packed), true, &a, &same);
	assert(err == IM_OK || err == IM_ERR_LIMIT);
	if (err == IM_OK) {
		json_write(&first, m, JSON_STRINGS);
		json_write(&second, same, JSON_STRINGS);
		assert(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
	}
	arena_free(&a);
	buf_free(&packed);
	buf_free(&second);
	buf_free(&first);
}

static enum im_err
read_text(
    const ProtobufCMessageDescriptor *type, struct bytes in, struct arena *a, ProtobufCMessage **m)
{
	enum im_err err = json_read(type, in, a, m);

	assert(err == IM_OK || err == IM_ERR_JSON || err == IM_ERR_BODY_SIZE);
	assert((err == IM_OK) == (*m != NULL));
	assert(a->used <= 2 * message_budget(in.len) + ARENA_SLACK);
	return err;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	unsigned how = (unsigned)fuzz_number(&in, 1);
	uint16_t id = (uint16_t)fuzz_number(&in, 2);
	const struct rpc_method *method = rpc_method_find(id);
	const ProtobufCMessageDescriptor *type;
	ProtobufCMessage *m = NULL;
	struct arena a;
	enum im_err err;

	if (!method)
		method = &rpc_methods[id % RPC_METHOD_COUNT];
	type = how & ANSWER_BIT ? method->answer : method->request;
	arena_init(&a, 4 * message_budget(in.len) + ARENA_SLACK);
	err =
	    how & PACKED_BIT ? message_unpack(type, in, true, &a, &m) : read_text(type, in, &a, &m);
	if (err == IM_OK) {
		check_again(m, how & STYLE_BITS);
		check_again(m, JSON_STRINGS);
		if (!(how & PACKED_BIT))
			check_travel(m);
	}
	arena_free(&a);
	return 0;
}
