/*
 * Callers that wait for their answers. client_conn.c ends their calls.
 *
 * The answers that came together wake their callers together, by one system call at the end of the
 * batch: woken one by one, each would take the processor from the thread that has the next answer
 * in its hands. All callers of a connection sleep on one futex, each under one bit of 32; those who
 * share a bit look and sleep on.
 *
 * Invariants:
 * 1. Nobody sleeps on with his answer there: done is set before the bit, the bit before answered
 *    grows, and who is about to sleep has read answered before done.
 * 2. A wait is the caller's, on his stack: nothing touches it once done is set.
 */
#include <assert.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rpc/batch.h"
#include "rpc/client_state.h"
#include "rpc/message.h"

#define WAIT_BITS 32

struct call_wait {
	struct rpc_client_conn *conn;
	uint32_t bit;
	atomic_bool done;
	const struct rpc_method *method;
	struct arena *arena;
	ProtobufCMessage **answer;
	enum im_err err;
	enum im_status status;
	char text[FRAME_TEXT_MAX + 1]; /* of an error */
};

/* Wakes those whose answers are there; gives back the reference that was taken for this. */
static void
waits_wake(void *ctx)
{
	struct rpc_client_conn *c = (struct rpc_client_conn *)ctx;
	uint32_t bits = atomic_exchange(&c->waits.waking, 0);

	if (bits) {
		atomic_fetch_add(&c->waits.answered, 1);
		(void)syscall(SYS_futex, &c->waits.answered, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX,
		    NULL, NULL, bits);
	}
	link_unref(&c->link);
}

/*
 * Sees to it that the waits with those bits are woken: now, or at the end of this thread's batch.
 */
static void
waits_wake_soon(struct rpc_client_conn *c, uint32_t bits)
{
	atomic_fetch_or(&c->waits.waking, bits);
	if (rpc_batch_has_end(waits_wake, c))
		return;
	link_ref(&c->link);
	if (!rpc_batch_at_end(waits_wake, c))
		waits_wake(c);
}

static void
call_wait_done(void *ctx, const struct rpc_answer *answer)
{
	struct call_wait *w = (struct call_wait *)ctx;
	struct rpc_client_conn *c = w->conn;
	uint32_t bit = w->bit;

	w->err = answer->err;
	w->status = answer->status;
	if (w->err != IM_OK) {
		snprintf(w->text, sizeof w->text, "%s", answer->text);
	} else {
		w->err =
		    message_unpack(w->method->answer, answer->body, false, w->arena, w->answer);
		if (w->err != IM_OK)
			snprintf(w->text, sizeof w->text, "%s", err_detail(w->err));
	}
	atomic_store(&w->done, true);
	waits_wake_soon(c, bit);
}

static void
call_wait_sleep(struct call_wait *w)
{
	_Atomic uint32_t *answered = &w->conn->waits.answered;

	for (;;) {
		uint32_t seen = atomic_load(answered);

		if (atomic_load(&w->done))
			return;
		/*
		 * It may fail: answered has grown, or there was a signal. Then we look again, too.
		 */
		(void)syscall(
		    SYS_futex, answered, FUTEX_WAIT_BITSET_PRIVATE, seen, NULL, NULL, w->bit);
	}
}

enum im_err
rpc_call_wait(struct rpc_client_conn *c, const struct rpc_call *call, struct arena *arena,
    ProtobufCMessage **answer, enum im_status *status)
{
	struct call_wait w;
	enum im_err err;

	assert(!link_in_callback());
	*answer = NULL;
	w.conn = c;
	w.bit = 1u << atomic_fetch_add(&c->waits.begun, 1) % WAIT_BITS;
	atomic_init(&w.done, false);
	w.method = rpc_method_find(call->method);
	w.arena = arena;
	w.answer = answer;
	err = rpc_call_start(c, call, call_wait_done, &w);
	if (err == IM_OK) {
		/* The request must not wait in a batch of this thread. */
		link_flush(&c->link);
		call_wait_sleep(&w);
		err = w.err;
		if (err != IM_OK)
			err_set(err, "%s", w.text);
	} else {
		w.status = err_status(err);
	}
	if (status)
		*status = w.status;
	return err;
}
