#ifndef AUDITOR_SERVER_LINK_H
#define AUDITOR_SERVER_LINK_H

#include <stdatomic.h>

#include "rpc/client_conn.h"
#include "util/arena.h"

/*
 * One connection to the audited server, for one thread: requests in flight whose answers are taken
 * in the order they were asked, and an end to every wait when the auditor stops. Answers are kept
 * as they came, so that what fails can become evidence.
 */
struct server_link;

#define SERVER_LINK_WINDOW 64
/*
 * What the answers in flight may take together; fewer are asked for at a time when they are large.
 */
#define SERVER_LINK_BYTES ((size_t)4 << 20)
/*
 * What decoding an answer may take: many times a small one's size, and some times the largest
 * one's.
 */
#define SERVER_LINK_ARENA ((size_t)64 << 20)
#define SERVER_LINK_ARENA_FACTOR 3
#define SERVER_LINK_MESSAGE_DEFAULT ((size_t)32 << 20)

struct server_link_options {
	struct rpc_client_options rpc;
	uint32_t timeout_ms;     /* of one request */
	const atomic_bool *stop; /* when it becomes true every call ends with IM_ERR_CANCELLED */
	atomic_int_least64_t *answered_ns; /* set to the monotonic time of each answer; NULL: not */
};

/* Connects. Errors of rpc_client_connect(). Release with server_link_close(). */
enum im_err server_link_open(const struct server_link_options *options, struct server_link **out);

/* Ends the connection and whatever is in flight. NULL is fine. */
void server_link_close(struct server_link *l);

/* What the server said of itself when it was connected to. */
const struct rpc_hello_info *server_link_hello(const struct server_link *l);

/* A request; everything is borrowed for the call. */
struct server_request {
	enum rpc_method_id method;
	const char *token;               /* "": none */
	const ProtobufCMessage *message; /* NULL: an empty one */
	uint64_t tag;                    /* given back with the answer */
};

/* Its answer; valid until the next call with this link. */
struct server_answer {
	enum im_err err;  /* what the server, or the way to it, refused with */
	const char *text; /* why; "" without error */
	struct bytes body;
	uint64_t tag;
};

/* Whether one more may be asked for now. */
bool server_link_has_room(const struct server_link *l);

/* Requests whose answers have not been taken. */
size_t server_link_pending(const struct server_link *l);

/* Sends a request. Needs room. IM_ERR_CANCELLED, errors of rpc_call_start(). */
enum im_err server_link_send(struct server_link *l, const struct server_request *request);

/* Waits for the answer to the oldest request; one must be pending. IM_ERR_CANCELLED. */
enum im_err server_link_take(struct server_link *l, struct server_answer *out);

/* Waits for what is pending and drops it. */
void server_link_drain(struct server_link *l);

/*
 * Asks and waits; nothing may be pending. The answer is decoded into the arena as the method's; the
 * server's refusal comes back with its text as the detail. IM_ERR_PROTOCOL for an answer that does
 * not decode.
 */
enum im_err server_link_ask(struct server_link *l, const struct server_request *request,
    struct arena *arena, ProtobufCMessage **answer);

#endif
