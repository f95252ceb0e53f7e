/*
 * Requests in flight: submitting, the inbox that the transport fills, and the callbacks.
 *
 * Invariants: a call is in the list from its submission to call_finish(), and there is at most one
 * request of the transport for it at a time; its callback runs once, in the thread that polls. The
 * transport's threads touch nothing but the inbox and the answer's part of a call.
 */
#include <stdlib.h>

#include "client/client.h"
#include "util/clock.h"

struct result *
result_new(const struct immu *c)
{
	struct result *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	arena_init(&r->arena, CLIENT_ARENA_BASE + CLIENT_ARENA_FACTOR * c->max_message_bytes);
	r->public.error_text = err_text(IM_OK);
	r->public.state.database = "";
	r->public.info.version = "";
	return r;
}

struct call *
call_new(struct immu *c)
{
	struct call *call = calloc(1, sizeof *call);
	struct result *result = result_new(c);

	if (!call || !result) {
		free(call);
		free(result);
		return NULL;
	}
	call->c = c;
	call->result = result;
	call->write_after = c->last_write_tx;
	call->write_before = UINT64_MAX;
	buf_init(&call->body, SIZE_MAX);
	return call;
}

static void
call_free(struct call *call)
{
	immu_result_free(call->result ? &call->result->public : NULL);
	free(call->text);
	buf_free(&call->body);
	free(call);
}

static void
list_add(struct call *call)
{
	struct immu *c = call->c;

	call->prev = c->last;
	*(c->last ? &c->last->next : &c->first) = call;
	c->last = call;
	c->in_flight++;
}

static void
list_remove(struct call *call)
{
	struct immu *c = call->c;

	*(call->prev ? &call->prev->next : &c->first) = call->next;
	*(call->next ? &call->next->prev : &c->last) = call->prev;
	c->in_flight--;
}

/* Leaves nothing in a result but why there is none. */
static void
set_error(struct result *result, enum im_err err)
{
	char *text = arena_str(&result->arena, bytes_str(err_detail(err)));

	result->public = (struct immu_result){.err = err,
	    .error_text = text ? text : err_text(err),
	    .state.database = "",
	    .info.version = ""};
}

void
call_finish(struct call *call, enum im_err err)
{
	struct immu *c = call->c;

	list_remove(call);
	c->reported++;
	if (err)
		set_error(call->result, err);
	else
		call->result->public.verified = call->verified;
	if (call->waiter) {
		*call->waiter = (struct waiter){true, call->result};
		call->result = NULL;
	} else if (call->done) {
		c->in_callback = true;
		call->done(call->arg, &call->result->public);
		c->in_callback = false;
	}
	call_free(call);
}

/*
 * Goes on with the key that the proven reference stands for, from the state that it was proven in.
 */
static enum im_err
follow_reference(struct call *call)
{
	call->via_from = call->from;
	call->from = call->outcome.state.point;
	call->key = call->outcome.target;
	call->tx = call->outcome.target_tx;
	call->phase = CALL_ASKED;
	return request_send_target(call);
}

void
call_proven(struct call *call)
{
	enum im_err err = IM_OK;

	if (call->op == IMMU_OP_GET && call->outcome.is_reference) {
		err = follow_reference(call);
		if (!err)
			return;
	}
	call_finish(call, err);
}

enum im_err
call_submit(struct immu *c, const struct immu_request *request, struct call *call)
{
	enum im_err err = IM_OK;

	call->op = request->op;
	call->verified = request->verified;
	call->keep_proof = request->keep_proof;
	if (!c->rpc)
		err = err_set(IM_ERR_CLOSED, "the connection is being closed");
	else if (c->in_flight >= c->max_in_flight)
		err = IM_ERR_WOULD_BLOCK;
	else if (call->verified)
		err = trust_load(c);
	if (!err) {
		call->from = c->trust.state.point;
		err = request_send(call, request);
	}
	if (err)
		call_free(call);
	else
		list_add(call);
	return err;
}

enum im_err
immu_submit(struct immu *c, const struct immu_request *request, immu_done_fn *done, void *arg)
{
	struct call *call = call_new(c);

	if (!call)
		return err_set(IM_ERR_NOMEM, "out of memory");
	call->done = done;
	call->arg = arg;
	return call_submit(c, request, call);
}

void
call_answered(void *ctx, const struct rpc_answer *answer)
{
	struct call *call = ctx;
	struct immu *c = call->c;

	call->err = answer->err;
	if (answer->err)
		call->text = strdup(answer->text ? answer->text : err_text(answer->err));
	else if (!buf_append_bytes(&call->body, answer->body))
		call->err = IM_ERR_NOMEM;
	call->next_answered = NULL;
	pthread_mutex_lock(&c->lock);
	*c->inbox_end = call;
	c->inbox_end = &call->next_answered;
	pthread_cond_signal(&c->filled);
	pthread_mutex_unlock(&c->lock);
}

/* What the server's refusal means for a request that carried a trusted state. */
static enum im_err
explain_error(const struct call *call)
{
	err_set(call->err, "%s", call->text ? call->text : err_text(call->err));
	if (call->phase == CALL_ASKED && call->verified && call->from.id > 0 &&
	    call->err == IM_ERR_ILLEGAL_STATE)
		return err_set(IM_ERR_STATE_OLDER, "%s", err_text(IM_ERR_STATE_OLDER));
	return call->err;
}

static void
handle_answer(struct call *call)
{
	enum im_err err = call->err ? explain_error(call) : IM_OK;

	if (call->phase == CALL_LINKING) {
		trust_linked(call);
		return;
	}
	if (!err)
		err = answer_take(call);
	buf_free(&call->body);
	if (!err && call->verified)
		trust_judge(call);
	else
		call_finish(call, err);
}

/* Takes all answers that have come. */
static struct call *
take_inbox(struct immu *c)
{
	struct call *calls;

	pthread_mutex_lock(&c->lock);
	calls = c->inbox;
	c->inbox = NULL;
	c->inbox_end = &c->inbox;
	pthread_mutex_unlock(&c->lock);
	return calls;
}

static void
handle_inbox(struct immu *c)
{
	struct call *call;

	while ((call = take_inbox(c))) {
		while (call) {
			struct call *next = call->next_answered;

			handle_answer(call);
			call = next;
		}
	}
	trust_settle(c);
}

/* Waits for an answer until the deadline (-1: none); false if none came. */
static bool
wait_inbox(struct immu *c, int64_t deadline_ns)
{
	struct timespec until = {
	    deadline_ns / CLOCK_NS_PER_S, (long)(deadline_ns % CLOCK_NS_PER_S)};
	bool filled;
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	while (!c->inbox && rc == 0) {
		if (deadline_ns < 0)
			rc = pthread_cond_wait(&c->filled, &c->lock);
		else
			rc = pthread_cond_timedwait(&c->filled, &c->lock, &until);
	}
	filled = c->inbox != NULL;
	pthread_mutex_unlock(&c->lock);
	return filled;
}

enum im_err
immu_poll(struct immu *c, int timeout_ms)
{
	uint64_t reported = c->reported;
	int64_t deadline_ns = -1;

	if (c->in_callback)
		return err_set(IM_ERR_ARGUMENT, "a callback must not wait");
	if (timeout_ms >= 0)
		deadline_ns = clock_monotonic_ns() + timeout_ms * CLOCK_NS_PER_MS;
	do {
		handle_inbox(c);
	} while (c->reported == reported && c->in_flight > 0 && wait_inbox(c, deadline_ns));
	return trust_persist_due(c);
}

enum im_err
immu_wait(struct immu *c)
{
	enum im_err err = IM_OK;

	if (c->in_callback)
		return err_set(IM_ERR_ARGUMENT, "a callback must not wait");
	while (c->in_flight > 0) {
		enum im_err poll_err = immu_poll(c, -1);

		err = err ? err : poll_err;
	}
	return err;
}

size_t
immu_in_flight(const struct immu *c)
{
	return c->in_flight;
}

void
immu_result_free(struct immu_result *result)
{
	struct result *r = (struct result *)result;

	if (!r)
		return;
	arena_free(&r->arena);
	free(r);
}
