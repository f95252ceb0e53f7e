/*
 * Streams as a client reads them: what has come waits in a ring of one window until it is read, and
 * what was read becomes credit again. client_conn.c brings the pieces and the end.
 *
 * Invariants: credit and what is in the ring, and what was read but not yet announced, are one
 * window together, so that a piece within its credit always has room; the slot of the call points
 * to the stream until the call has ended or was abandoned, so that a stream is not freed before one
 * of them.
 */
#include <assert.h>
#include <stdlib.h>

#include "rpc/client_state.h"
#include "util/clock.h"

struct rpc_stream {
	struct rpc_client_conn *conn;
	uint32_t id;
	uint32_t wait_ms; /* of one read; 0: for ever */

	/* Under the link's lock. */
	pthread_cond_t changed;
	uint8_t *ring;      /* CLIENT_WINDOW_BYTES */
	size_t start, len;  /* what is in it */
	size_t credit;      /* what the server may still send */
	size_t unannounced; /* read since credit was last given */
	bool ended;
	enum im_err err; /* with ended: how */
	enum im_status status;
	char text[FRAME_TEXT_MAX + 1];

	/* Of the reader. */
	enum im_err failed; /* what the last read returned, if it was an error */
};

enum im_err
client_stream_take(struct rpc_stream *s, struct bytes data)
{
	size_t end = (s->start + s->len) % CLIENT_WINDOW_BYTES;
	size_t first = CLIENT_WINDOW_BYTES - end;

	if (data.len > s->credit)
		return err_set(IM_ERR_PROTOCOL, "chunk beyond its credit");
	first = data.len < first ? data.len : first;
	memcpy(s->ring + end, data.data, first);
	memcpy(s->ring, data.data + first, data.len - first);
	s->len += data.len;
	s->credit -= data.len;
	pthread_cond_signal(&s->changed);
	return IM_OK;
}

/* The last word of a call. */
static void
stream_ended(void *ctx, const struct rpc_answer *answer)
{
	struct rpc_stream *s = (struct rpc_stream *)ctx;

	link_lock(&s->conn->link);
	s->ended = true;
	s->err = answer->err;
	s->status = answer->status;
	strncpy(s->text, answer->text, sizeof s->text - 1);
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->conn->link.lock);
}

static void
stream_free(struct rpc_stream *s)
{
	pthread_cond_destroy(&s->changed);
	free(s->ring);
	free(s);
}

static struct rpc_stream *
stream_new(struct rpc_client_conn *c, const struct rpc_call *call)
{
	struct rpc_stream *s = (struct rpc_stream *)calloc(1, sizeof *s);
	pthread_condattr_t attr;

	if (!s)
		return NULL;
	s->conn = c;
	s->wait_ms = call->timeout_ms ? call->timeout_ms : c->options.call_timeout_ms;
	s->credit = CLIENT_WINDOW_BYTES;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_condattr_destroy(&attr);
	s->ring = (uint8_t *)malloc(CLIENT_WINDOW_BYTES);
	if (s->ring)
		return s;
	stream_free(s);
	return NULL;
}

enum im_err
rpc_stream_open(struct rpc_client_conn *c, const struct rpc_call *call, struct rpc_stream **out)
{
	struct rpc_stream *s = stream_new(c, call);
	struct client_start start = {.call = call, .cb = stream_ended, .ctx = s, .stream = s};
	enum im_err err;

	*out = NULL;
	if (!s)
		return IM_ERR_NOMEM;
	err = client_start_call(c, &start);
	if (err != IM_OK) {
		stream_free(s);
		return err;
	}
	s->id = start.id;
	/* The request must not wait in a batch of this thread. */
	link_flush(&c->link);
	*out = s;
	return IM_OK;
}

/* Locked. Waits until there is something to read. */
static enum im_err
stream_wait(struct rpc_stream *s)
{
	int64_t by = clock_monotonic_ns() + s->wait_ms * CLOCK_NS_PER_MS;
	struct timespec ts = {by / CLOCK_NS_PER_S, by % CLOCK_NS_PER_S};
	pthread_mutex_t *lock = &s->conn->link.lock;
	int rv = 0;

	while (s->len == 0 && !s->ended && rv == 0)
		rv = s->wait_ms ? pthread_cond_timedwait(&s->changed, lock, &ts)
				: pthread_cond_wait(&s->changed, lock);
	if (s->len > 0)
		return IM_OK;
	if (!s->ended)
		return err_set(
		    IM_ERR_TIMEOUT, "%s: %s", s->conn->address, err_text(IM_ERR_TIMEOUT));
	if (s->err != IM_OK)
		return err_set(s->err, "%s", s->text);
	return IM_ERR_NOT_FOUND;
}

/* Locked. What was read may be sent anew, in large pieces. */
static void
stream_grant(struct rpc_stream *s)
{
	if (s->unannounced < CLIENT_WINDOW_BYTES / 2 || s->ended)
		return;
	frame_put_credit(&s->conn->link.out, s->id, (uint32_t)s->unannounced);
	s->credit += s->unannounced;
	s->unannounced = 0;
}

/* Locked. Takes what there is out of the ring, at most n bytes. */
static size_t
stream_pull(struct rpc_stream *s, uint8_t *data, size_t n)
{
	size_t first = CLIENT_WINDOW_BYTES - s->start;

	n = n < s->len ? n : s->len;
	first = n < first ? n : first;
	memcpy(data, s->ring + s->start, first);
	memcpy(data + first, s->ring, n - first);
	s->start = (s->start + n) % CLIENT_WINDOW_BYTES;
	s->len -= n;
	s->unannounced += n;
	stream_grant(s);
	return n;
}

enum im_err
rpc_stream_read(struct rpc_stream *s, void *data, size_t n)
{
	uint8_t *p = (uint8_t *)data;
	struct link *l = &s->conn->link;
	size_t done = 0;
	enum im_err err = s->failed;
	bool granted;

	assert(!link_in_callback());
	while (err == IM_OK && done < n) {
		link_lock(l);
		err = stream_wait(s);
		if (err == IM_OK)
			done += stream_pull(s, p + done, n - done);
		granted = l->out.len > 0;
		link_unlock(l);
		/* Credit must not wait in a batch of this thread. */
		if (granted)
			link_flush(l);
	}
	if (err == IM_ERR_NOT_FOUND && done > 0)
		err = err_set(IM_ERR_PROTOCOL, "%s: the stream is cut", s->conn->address);
	s->failed = err;
	return err;
}

enum im_err
rpc_stream_next(struct rpc_stream *s, uint64_t *len)
{
	uint8_t head[sizeof *len];
	enum im_err err = rpc_stream_read(s, head, sizeof head);

	*len = err == IM_OK ? be64_get(head) : 0;
	return err;
}

enum im_status
rpc_stream_status(const struct rpc_stream *s)
{
	return s->failed != IM_OK && s->failed == s->err ? s->status : err_status(s->failed);
}

void
rpc_stream_close(struct rpc_stream *s)
{
	struct call_slot *slot;
	struct link *l;

	if (!s)
		return;
	assert(!link_in_callback());
	l = &s->conn->link;
	link_lock(l);
	slot = client_find(s->conn, s->id);
	if (slot)
		client_abandon(s->conn, slot);
	/* A call that has left its slot is about to say so. */
	while (!slot && !s->ended)
		pthread_cond_wait(&s->changed, &l->lock);
	link_unlock(l);
	link_flush(l);
	stream_free(s);
}
