/*
 * Answers that are streams, as handlers write them. What is put waits in the link (link_stream.c)
 * for credit and the socket; server_conn.c sends requests here that are cancelled or lose their
 * connection, rpc_server.c sweeps out those whose client gives no credit.
 *
 * Invariants: a stream that waits (waiting is set) is touched by nobody but who clears that flag
 * under the lock, and who cleared it calls resume exactly once, without any lock; a stream that has
 * begun gets one last frame like any other call, in the link behind its data, or at once when the
 * link has nothing of it any more.
 */
#include "rpc/server_conn.h"

#include <assert.h>

#include "util/clock.h"

/* A stream is filled again when so much of it has been sent. */
#define STREAM_REFILL_BYTES (LINK_STREAM_BYTES / 2)

/* Locked. Why no more of the stream is wanted. */
static enum im_err
stream_check(const struct request *r)
{
	const struct server_conn *c = r->conn;

	if (r->stop != IM_OK)
		return r->stop;
	if (c->link.closed || atomic_load(&r->cancelled))
		return IM_ERR_CANCELLED;
	if (atomic_load(&c->server->stopping))
		return IM_ERR_SHUTDOWN;
	if (r->pub.deadline_ns != 0 && clock_monotonic_ns() >= r->pub.deadline_ns)
		return IM_ERR_TIMEOUT;
	return IM_OK;
}

/* Locked. */
static enum im_err
stream_open(struct request *r)
{
	struct link *l = &r->conn->link;
	enum im_err err = stream_check(r);

	if (err != IM_OK)
		return err;
	if (atomic_load(&l->streams) >= RPC_STREAMS_OF_CONNECTION_MAX ||
	    atomic_load(&l->budget->streams) >= RPC_STREAMS_MAX)
		return err_set(IM_ERR_BUSY, "%s: too many streams", err_text(IM_ERR_BUSY));
	err = link_stream_open(l, r->id);
	if (err == IM_OK)
		frame_put_stream(&l->out, r->id);
	return err;
}

enum im_err
rpc_stream_begin(struct rpc_request *req, void (*resume)(struct rpc_request *req))
{
	struct request *r = (struct request *)req;
	struct server_conn *c = r->conn;
	enum im_err err;

	assert(req->method->flags & RPC_STREAM && !r->resume);
	link_lock(&c->link);
	err = stream_open(r);
	if (err == IM_OK)
		r->resume = resume;
	link_unlock(&c->link);
	/* Somebody must look after it from now on. */
	if (err == IM_OK)
		server_wake(c->server);
	return err;
}

enum im_err
rpc_stream_put(struct rpc_request *req, struct bytes *data)
{
	struct request *r = (struct request *)req;
	struct server_conn *c = r->conn;
	struct link_out *o;
	enum im_err err;

	link_lock(&c->link);
	err = stream_check(r);
	o = link_out_get(&c->link, r->id);
	if (err == IM_OK && !o)
		err = IM_ERR_CANCELLED;
	if (err == IM_OK)
		link_stream_put(o, data);
	if (err == IM_OK && data->len > 0) {
		r->waiting = true;
		err = IM_ERR_WOULD_BLOCK;
	}
	link_unlock(&c->link);
	return err;
}

/* Locked. Nothing more is put; last goes behind it, END when it is empty. */
static bool
stream_end(struct request *r, struct buf *last)
{
	struct link_out *o = link_out_get(&r->conn->link, r->id);

	if (!o)
		return false;
	o->ended = true;
	buf_append_bytes(&o->last, buf_bytes(last));
	return o->last.err == IM_OK;
}

void
rpc_stream_end(struct rpc_request *req)
{
	struct request *r = (struct request *)req;
	struct buf none;

	buf_init(&none, 0);
	link_lock(&r->conn->link);
	if (!stream_end(r, &none))
		server_conn_put_error(r->conn, r->id, IM_ERR_CANCELLED, NULL);
	server_request_done(r);
}

bool
server_stream_fail(struct request *r, enum im_err err, const char *text)
{
	struct buf last;
	bool ok;

	buf_init(&last, FRAME_HEADER_BYTES + 2 + 2 + FRAME_TEXT_MAX);
	/* A server that stops does not wait for clients that do not read. */
	ok = err != IM_ERR_SHUTDOWN &&
	    frame_put_error(
		&last, r->id, (uint16_t)err_status(err), bytes_str(text ? text : err_text(err))) &&
	    stream_end(r, &last);
	/* Also without memory for that frame it goes at once, and the data does not. */
	if (!ok)
		link_out_drop(&r->conn->link, r->id);
	buf_free(&last);
	return ok;
}

/* Locked. The stream, if it waits; it does not any more then. */
static struct request *
stream_take_waiting(struct request *r)
{
	if (!r || !r->waiting)
		return NULL;
	r->waiting = false;
	return r;
}

void
server_stream_cancel(struct request *r, struct request **resume)
{
	atomic_store(&r->cancelled, true);
	link_out_drop(&r->conn->link, r->id);
	*resume = stream_take_waiting(r);
}

/* Requests to be resumed after unlocking. */
struct stream_ready {
	struct request *items[RPC_STREAMS_OF_CONNECTION_MAX];
	size_t len;
};

static void
ready_add(struct stream_ready *ready, struct request *r)
{
	r = stream_take_waiting(r);
	if (!r)
		return;
	assert(ready->len < RPC_STREAMS_OF_CONNECTION_MAX);
	ready->items[ready->len++] = r;
}

static void
ready_resume(const struct stream_ready *ready)
{
	for (size_t i = 0; i < ready->len; i++)
		ready->items[i]->resume(&ready->items[i]->pub);
}

void
server_stream_resume(struct server_conn *c, bool all)
{
	struct stream_ready ready = {.len = 0};

	link_lock(&c->link);
	for (struct link_out *o = c->link.outs; o; o = o->next)
		if (o->stream && !o->ended && (all || link_stream_room(o) >= STREAM_REFILL_BYTES))
			ready_add(&ready, server_conn_find(c, o->id));
	pthread_mutex_unlock(&c->link.lock);
	ready_resume(&ready);
}

/* Locked. The client has given no credit for too long. */
static void
stream_give_up(struct server_conn *c, const struct link_out *o, struct stream_ready *ready)
{
	struct request *r = o->ended ? NULL : server_conn_find(c, o->id);

	if (!r)
		server_conn_put_error(c, o->id, IM_ERR_TIMEOUT, NULL);
	else
		r->stop = IM_ERR_TIMEOUT;
	ready_add(ready, r);
	link_out_drop(&c->link, o->id);
}

void
server_stream_sweep(struct server_conn *c, int64_t before_ns)
{
	struct stream_ready ready = {.len = 0};
	struct link_out *o, *next;
	struct request *r;

	link_lock(&c->link);
	for (o = c->link.outs; o; o = next) {
		next = o->next;
		if (link_stream_is_stalled(o, before_ns)) {
			stream_give_up(c, o, &ready);
			continue;
		}
		r = o->stream && !o->ended ? server_conn_find(c, o->id) : NULL;
		if (r && stream_check(r) != IM_OK)
			ready_add(&ready, r);
	}
	link_unlock(&c->link);
	ready_resume(&ready);
}
