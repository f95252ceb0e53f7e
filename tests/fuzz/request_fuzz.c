/*
 * Requests of every method: method (2 bytes) and packed body. The decoder's promises about memory
 * and texts hold for all methods; those that do not need a login also go through the server as it
 * is, and the same request gets the same answer twice.
 */
#include <assert.h>

#include "fuzz.h"
#include "rpc/message.h"
#include "sample_server.h"
#include "server/unimplemented.h"

#define ANSWER_MAX (16u << 20)
#define ARENA_SLACK 65536u

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_quiet();
	return sample_server_start() ? 0 : 1;
}

/* What was decoded is packed and decoded again as the same. */
static void
check_again(const struct rpc_method *method, const ProtobufCMessage *m, struct arena *a)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	uint8_t *packed = arena_alloc(a, size + 1), *again = arena_alloc(a, size + 1);
	ProtobufCMessage *same;
	enum im_err err;

	assert(packed && again && protobuf_c_message_pack(m, packed) == size);
	err = message_unpack(method->request, bytes_of(packed, size), true, a, &same);
	assert(err == IM_OK && protobuf_c_message_get_packed_size(same) == size);
	protobuf_c_message_pack(same, again);
	assert(memcmp(packed, again, size) == 0);
}

static void
check_decoder(const struct rpc_method *method, struct bytes body)
{
	size_t budget = message_budget(body.len);
	ProtobufCMessage *m;
	struct arena a;
	enum im_err err;

	arena_init(&a, 4 * budget + 4 * body.len + ARENA_SLACK);
	err = message_unpack(method->request, body, true, &a, &m);
	assert(err == IM_OK || err == IM_ERR_FORMAT || err == IM_ERR_UNIMPLEMENTED ||
	    err == IM_ERR_LIMIT);
	assert(a.used <= 2 * budget + ARENA_SLACK);
	if (err == IM_OK) {
		err = unimplemented_check(m);
		assert(err == IM_OK || err == IM_ERR_UNIMPLEMENTED);
		check_again(method, m, &a);
	}
	arena_free(&a);
}

/*
 * Of those that need no login, some would change what the next request meets, or hash passwords;
 * the health of a database tells the time.
 */
static bool
is_repeatable(const struct rpc_method *method)
{
	if (method->id == RPC_METHOD_DatabaseHealth)
		return false;
	return method->flags & (RPC_NEEDS_DATABASE | RPC_NO_LOGIN) &&
	    method->permission <= RPC_PERMISSION_ADMIN;
}

static void
check_server(const struct rpc_method *method, struct bytes body)
{
	struct buf first, second;
	enum im_err err;

	buf_init(&first, ANSWER_MAX);
	buf_init(&second, ANSWER_MAX);
	err = sample_server_ask(method, body, &first);
	assert(sample_server_ask(method, body, &second) == err);
	/* Signatures are not the same twice, nor need they be as long. */
	assert(err == IM_OK || bytes_equal(buf_bytes(&first), buf_bytes(&second)));
	buf_free(&second);
	buf_free(&first);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	uint16_t id = (uint16_t)fuzz_number(&in, 2);
	const struct rpc_method *method = rpc_method_find(id);

	if (!method)
		method = &rpc_methods[id % RPC_METHOD_COUNT];
	check_decoder(method, in);
	if (is_repeatable(method))
		check_server(method, in);
	return 0;
}
