/*
 * The connection to the server as a round sees it: a ring of requests in flight. The transport's
 * threads fill a slot each and wake the one thread that takes them. Above are round.c, sample.c,
 * sweep.c and locate.c.
 *
 * Invariants: slots[first .. first + len) are those in flight, oldest first; a slot is touched by
 * the transport only until it is done; the connection is closed before the slots are freed, so that
 * no answer comes to one that is gone.
 */
#include "server_link.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/decode.h"
#include "util/clock.h"

/* How often a wait looks whether the auditor stops. */
#define STOP_EVERY_MS 100
/* A slot keeps this much memory from one answer to the next. */
#define SLOT_KEEP_BYTES ((size_t)16 << 10)
#define SLOT_TEXT_MAX 1024
/* What an answer is thought to take before there was one. */
#define ANSWER_BYTES_FIRST (SERVER_LINK_BYTES / 16)

struct slot {
	struct server_link *link;
	bool done;
	enum im_err err;
	char text[SLOT_TEXT_MAX];
	struct buf body;
	uint64_t tag;
};

struct server_link {
	struct rpc_client_conn *rpc; /* NULL once it was closed early */
	struct server_link_options options;
	pthread_mutex_t lock;
	pthread_cond_t filled;
	size_t first, len;
	size_t answer_bytes;                   /* of the larger ones lately */
	struct slot *taken;                    /* whose answer the caller looks at */
	struct slot slots[SERVER_LINK_WINDOW]; /* done, and what comes before it, under lock */
};

enum im_err
server_link_open(const struct server_link_options *options, struct server_link **out)
{
	struct server_link *l = calloc(1, sizeof *l);
	pthread_condattr_t monotonic;
	enum im_err err;

	*out = NULL;
	if (!l)
		return err_set(IM_ERR_NOMEM, "out of memory");
	err = rpc_client_connect(&options->rpc, &l->rpc);
	if (err) {
		free(l);
		return err;
	}
	l->options = *options;
	l->answer_bytes = ANSWER_BYTES_FIRST;
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&l->filled, &monotonic);
	pthread_condattr_destroy(&monotonic);
	for (size_t i = 0; i < SERVER_LINK_WINDOW; i++) {
		l->slots[i].link = l;
		buf_init(&l->slots[i].body, SIZE_MAX);
	}
	*out = l;
	return IM_OK;
}

void
server_link_close(struct server_link *l)
{
	if (!l)
		return;
	rpc_client_close(l->rpc);
	for (size_t i = 0; i < SERVER_LINK_WINDOW; i++)
		buf_free(&l->slots[i].body);
	pthread_cond_destroy(&l->filled);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

const struct rpc_hello_info *
server_link_hello(const struct server_link *l)
{
	return rpc_client_hello(l->rpc);
}

/* The answer to a slot's request; in a thread of the transport. */
static void
slot_answered(void *ctx, const struct rpc_answer *answer)
{
	struct slot *s = ctx;
	struct server_link *l = s->link;

	s->err = answer->err;
	if (answer->err)
		snprintf(s->text, sizeof s->text, "%s",
		    answer->text ? answer->text : err_text(answer->err));
	else if (!buf_append_bytes(&s->body, answer->body))
		s->err = IM_ERR_NOMEM;
	pthread_mutex_lock(&l->lock);
	s->done = true;
	pthread_cond_signal(&l->filled);
	pthread_mutex_unlock(&l->lock);
}

bool
server_link_has_room(const struct server_link *l)
{
	size_t room = SERVER_LINK_BYTES / l->answer_bytes;

	return l->len == 0 || (l->len < SERVER_LINK_WINDOW && l->len < room);
}

size_t
server_link_pending(const struct server_link *l)
{
	return l->len;
}

/* Forgets the answer that the caller has looked at, and its memory when that is much. */
static void
release_taken(struct server_link *l)
{
	struct slot *s = l->taken;

	l->taken = NULL;
	if (!s)
		return;
	if (s->body.cap > SLOT_KEEP_BYTES)
		buf_free(&s->body);
	else
		buf_clear(&s->body);
}

enum im_err
server_link_send(struct server_link *l, const struct server_request *request)
{
	struct slot *s = &l->slots[(l->first + l->len) % SERVER_LINK_WINDOW];
	struct rpc_call call = {.method = (uint16_t)request->method,
	    .session = bytes_str(request->token),
	    .request = request->message,
	    .timeout_ms = l->options.timeout_ms};
	enum im_err err;

	assert(l->len < SERVER_LINK_WINDOW);
	release_taken(l);
	if (!l->rpc || atomic_load(l->options.stop))
		return err_set(IM_ERR_CANCELLED, "the auditor is stopping");
	buf_clear(&s->body);
	s->done = false;
	s->err = IM_OK;
	s->text[0] = '\0';
	s->tag = request->tag;
	err = rpc_call_start(l->rpc, &call, slot_answered, s);
	if (err == IM_OK)
		l->len++;
	return err;
}

/* Waits until the slot is done; false when the auditor stops before. */
static bool
wait_slot(struct server_link *l, const struct slot *s)
{
	bool done;

	pthread_mutex_lock(&l->lock);
	while (!s->done && !atomic_load(l->options.stop)) {
		int64_t until_ns = clock_monotonic_ns() + STOP_EVERY_MS * CLOCK_NS_PER_MS;
		struct timespec until = {
		    until_ns / CLOCK_NS_PER_S, (long)(until_ns % CLOCK_NS_PER_S)};

		pthread_cond_timedwait(&l->filled, &l->lock, &until);
	}
	done = s->done;
	pthread_mutex_unlock(&l->lock);
	return done;
}

/* Gives up what is in flight; afterwards every slot is done. */
static void
give_up(struct server_link *l)
{
	struct rpc_client_conn *rpc = l->rpc;

	l->rpc = NULL;
	l->len = 0;
	rpc_client_close(rpc);
}

enum im_err
server_link_take(struct server_link *l, struct server_answer *out)
{
	struct slot *s = &l->slots[l->first];

	assert(l->len > 0);
	release_taken(l);
	if (!wait_slot(l, s)) {
		give_up(l);
		return err_set(IM_ERR_CANCELLED, "the auditor is stopping");
	}
	if (l->options.answered_ns)
		atomic_store(l->options.answered_ns, clock_monotonic_ns());
	l->first = (l->first + 1) % SERVER_LINK_WINDOW;
	l->len--;
	l->taken = s;
	l->answer_bytes -= l->answer_bytes / 8;
	if (l->answer_bytes < s->body.len)
		l->answer_bytes = s->body.len;
	if (l->answer_bytes == 0)
		l->answer_bytes = 1;
	*out = (struct server_answer){s->err, s->text, buf_bytes(&s->body), s->tag};
	return IM_OK;
}

void
server_link_drain(struct server_link *l)
{
	struct server_answer answer;

	while (l->len > 0 && server_link_take(l, &answer) == IM_OK)
		;
}

enum im_err
server_link_ask(struct server_link *l, const struct server_request *request, struct arena *arena,
    ProtobufCMessage **answer)
{
	struct server_answer a;
	enum im_err err;

	assert(l->len == 0);
	*answer = NULL;
	err = server_link_send(l, request);
	if (!err)
		err = server_link_take(l, &a);
	if (err)
		return err;
	if (a.err)
		return err_set(a.err, "%s", a.text);
	return decode_message(
	    rpc_method_find((uint16_t)request->method)->answer, a.body, arena, answer);
}
