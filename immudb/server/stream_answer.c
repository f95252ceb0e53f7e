/*
 * The pump of streams: takes entries from a handler of stream_read_handlers.c and puts their
 * messages to the transport. When that has enough, the call rests until the transport asks for more
 * and goes on in the read pool.
 *
 * Invariant: one thread at a time has a stream. It passes from the pool to the transport when
 * rpc_stream_put() would block, and back by stream_answer_resume().
 */
#include "server/stream_answer.h"

#include <assert.h>

void
stream_answer_add(struct stream_answer *s, struct bytes message)
{
	size_t i = s->nparts / 2;

	assert(i < STREAM_MESSAGES_MAX);
	be64_put(s->lengths[i], message.len);
	s->parts[s->nparts++] = bytes_of(s->lengths[i], sizeof s->lengths[i]);
	s->parts[s->nparts++] = message;
	s->entry_bytes += message.len;
}

/*
 * Who has lost the session meanwhile does not get the rest of a large value either; and who has all
 * the time to take a stream does not keep others waiting for the database to be unloaded.
 */
static enum im_err
stream_answer_may_go_on(const struct stream_answer *s)
{
	enum im_err err = call_check_session(s->call);

	return err == IM_OK ? database_may_go_on(s->call->database) : err;
}

/* The messages of the next entry in place of the last one's. */
static enum im_err
stream_answer_refill(struct stream_answer *s)
{
	struct call *c = s->call;
	enum im_err err;

	arena_rewind(call_arena(c), &s->mark);
	s->nparts = s->part = s->entry_bytes = 0;
	err = stream_answer_may_go_on(s);
	if (err == IM_OK)
		err = s->next(s);
	if (err != IM_OK || s->entry_bytes <= s->charged)
		return err;
	if (!rpc_request_charge(c->request, s->entry_bytes - s->charged))
		return err_set(
		    IM_ERR_BUSY, "%s: no memory for large values", err_text(IM_ERR_BUSY));
	s->charged = s->entry_bytes;
	return IM_OK;
}

/* Puts what there is until it is over or the transport has enough: then s is not ours any more. */
static enum im_err
stream_answer_pump(struct stream_answer *s)
{
	struct rpc_request *request = s->call->request;
	enum im_err err = stream_answer_may_go_on(s);

	while (err == IM_OK) {
		if (s->part == s->nparts)
			err = stream_answer_refill(s);
		else
			err = rpc_stream_put(request, &s->parts[s->part]);
		if (err == IM_OK && s->part < s->nparts && s->parts[s->part].len == 0)
			s->part++;
	}
	return err;
}

static void
stream_answer_finish(struct stream_answer *s, enum im_err err)
{
	if (s->close)
		s->close(s);
	call_finish(s->call, err == IM_ERR_NOT_FOUND ? IM_OK : err);
}

static void
stream_answer_run(struct stream_answer *s)
{
	enum im_err err = stream_answer_pump(s);

	if (err != IM_ERR_WOULD_BLOCK)
		stream_answer_finish(s, err);
}

static void
stream_answer_job(struct job *job)
{
	struct call *c = (struct call *)job;

	err_clear();
	rpc_batch_begin();
	stream_answer_run(c->request->user);
	rpc_batch_end();
}

static void
stream_answer_resume(struct rpc_request *request)
{
	struct stream_answer *s = request->user;
	struct call *c = s->call;

	c->job.run = stream_answer_job;
	/* How many there are the transport bounds. */
	if (workers_submit_always(s->pool ? s->pool : c->server->readers, &c->job) != IM_OK)
		stream_answer_finish(s, IM_ERR_SHUTDOWN);
}

enum im_err
stream_answer_start(struct call *c, struct stream_answer *s)
{
	enum im_err err;

	assert(c->may_block);
	s->call = c;
	s->nparts = s->part = s->entry_bytes = s->charged = 0;
	s->mark = arena_mark(call_arena(c));
	c->request->user = s;
	err = rpc_stream_begin(c->request, stream_answer_resume);
	if (err == IM_OK) {
		stream_answer_run(s);
		return CALL_PENDING;
	}
	if (s->close)
		s->close(s);
	return err;
}
