#ifndef RPC_CLIENT_STATE_H
#define RPC_CLIENT_STATE_H

#include <stdatomic.h>

#include "rpc/client_conn.h"
#include "rpc/link.h"

/* The client's connection as its files know it (internal to rpc/). */

/* Credit that we give each answer at its start. */
#define CLIENT_WINDOW_BYTES (1024u * 1024)
/* An id is a slot and how often it was used. */
#define SLOT_BITS 12
#define SLOTS_MAX (1u << SLOT_BITS)

struct call_slot {
	uint32_t id; /* 0: free */
	uint32_t uses;
	bool abandoned; /* the caller has been told; only the server's last word is awaited */
	rpc_answer_cb *cb;
	void *ctx;
	struct rpc_stream *stream; /* NULL: the answer is a body */
	int64_t deadline_ns;       /* 0: none */
};

/*
 * The callers that wait, of client_wait.c. Each sleeps on answered, and answers to some bits of a
 * wake.
 */
struct client_waits {
	_Atomic uint32_t begun;    /* waits */
	_Atomic uint32_t answered; /* grows whenever some are woken */
	_Atomic uint32_t waking; /* the bits of those that have their answers and may still sleep */
};

struct rpc_client_conn {
	struct link link; /* first */
	struct link_limits limits;
	struct rpc_client_options options;
	char *address; /* for texts */
	nng_aio *timer;
	size_t max_message;

	/* The server's hello; constant once greeted. */
	struct rpc_hello_info hello;
	char *texts[3];

	/* Under link.lock. */
	pthread_cond_t changed; /* greeted, room, or ended */
	unsigned waiters;
	bool greeted, closing, over;
	bool goaway;     /* no new calls */
	enum im_err why; /* what ended it, when that is known */
	char why_text[512];
	struct call_slot *slots;
	uint16_t *free_slots; /* a stack */
	size_t nslots, nfree;
	int64_t timer_at_ns; /* 0: not running */

	struct client_waits waits;
};

/* The call of that id, NULL when it has ended. Locked. */
struct call_slot *client_find(struct rpc_client_conn *c, uint32_t id);

/* Nobody waits for the call any more: the server is told, and its last word awaited. Locked. */
void client_abandon(struct rpc_client_conn *c, struct call_slot *s);

/* How a call is started: rpc_call_start(), or with a stream to take the answer. */
struct client_start {
	const struct rpc_call *call;
	rpc_answer_cb *cb;
	void *ctx;
	struct rpc_stream *stream; /* NULL: none */
	uint32_t id;               /* out: of the call, when it has been started */
};

/* Errors as rpc_call_start(). */
enum im_err client_start_call(struct rpc_client_conn *c, struct client_start *start);

/*
 * Of client_stream.c: takes a piece of a stream. IM_ERR_PROTOCOL when it is beyond the credit.
 * Locked.
 */
enum im_err client_stream_take(struct rpc_stream *s, struct bytes data);

#endif
