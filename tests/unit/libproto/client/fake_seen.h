#ifndef FAKE_SEEN_H
#define FAKE_SEEN_H

/* Keeps the last request as it looks on the wire, for hooks of fake_wire.h. */
#include "fake_world.h"
#include "rpc/message.h"

#define SEEN_ARENA_MAX (64u << 20)

static struct {
	uint16_t method;
	ProtobufCMessage *m;
	struct arena arena;
} seen;

/* A world with one key, k. */
static inline int
seen_world_new(void **state)
{
	struct world *w = world_new();

	arena_init(&seen.arena, SEEN_ARENA_MAX);
	fake_db_set(&w->db, "k", "v");
	return world_connect(w, state);
}

static inline int
seen_world_free(void **state)
{
	arena_free(&seen.arena);
	return world_free(state);
}

static inline void
seen_keep(const struct rpc_call *call)
{
	const struct rpc_method *method = rpc_method_find(call->method);
	struct buf packed;

	buf_init(&packed, SIZE_MAX);
	if (call->request)
		wire_pack(call->request, &packed);
	assert_int_equal(
	    message_unpack(method->request, buf_bytes(&packed), true, &seen.arena, &seen.m), IM_OK);
	buf_free(&packed);
	seen.method = call->method;
}

static inline bool
is(ProtobufCBinaryData data, const char *text)
{
	return bytes_equal(decode_bytes(data), bytes_str(text));
}

#endif
