/*
 * Large bodies and streams: chunks in and out of a link under credit, interleaved with everything
 * else.
 *
 * Invariants: a body never holds more memory than has been received of it, and never more than its
 * announced total; the peer never sends beyond the credit given (else it is at fault), nor do we;
 * DATA and END for a body that nobody waits for is thrown away, because a cancel or an error may
 * have crossed it; the first few outgoing bodies take turns, one chunk each, the others wait, so
 * that the peer need not hold many half bodies. Streams, of which the peer holds no more than it
 * wants, take their turns beside them.
 */
#include <stdlib.h>

#include "rpc/link.h"
#include "util/clock.h"

/* Chunks are added while less than this is gathered, so that small answers never wait long. */
#define LINK_FILL_BYTES ((size_t)128 * 1024)
/* Outgoing bodies that are under way at the same time. */
#define LINK_OUT_ACTIVE 4

/* ---- Coming in. ---- */

static struct link_in **
link_in_find(struct link *l, uint32_t id)
{
	struct link_in **at = &l->ins;

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

static void
link_in_remove(struct link *l, struct link_in **at)
{
	struct link_in *in = *at;

	*at = in->next;
	l->in_bytes -= in->body.len;
	link_budget_give(l->budget, in->body.len);
	buf_free(&in->body);
	free(in);
}

static enum im_err
link_in_append(struct link *l, struct link_in *in, struct bytes data)
{
	if (data.len > l->limits->body_bytes - l->in_bytes)
		return err_set(IM_ERR_BUSY, "server is busy: more than %zu bytes of large requests",
		    l->limits->body_bytes);
	if (!link_budget_take_bulk(l->budget, data.len))
		return err_set(IM_ERR_BUSY, "server is busy: no memory for large requests");
	if (!buf_append_bytes(&in->body, data)) {
		link_budget_give(l->budget, data.len);
		return IM_ERR_NOMEM;
	}
	l->in_bytes += data.len;
	in->progress_ns = l->now_ns;
	return IM_OK;
}

enum im_err
link_in_open(struct link *l, uint32_t id, uint32_t total, struct bytes first, void *owner)
{
	struct link_in *in;
	enum im_err err;

	if (*link_in_find(l, id))
		return err_set(IM_ERR_PROTOCOL, "second body for call %u", id);
	in = (struct link_in *)calloc(1, sizeof *in);
	if (!in)
		return IM_ERR_NOMEM;
	in->id = id;
	in->total = total;
	in->credit = l->limits->window;
	in->owner = owner;
	buf_init(&in->body, total);
	in->next = l->ins;
	l->ins = in;
	err = link_in_append(l, in, first);
	if (err != IM_OK)
		link_in_remove(l, link_in_find(l, id));
	return err;
}

enum im_err
link_in_open_stream(struct link *l, uint32_t id)
{
	struct link_in *in;

	if (*link_in_find(l, id))
		return err_set(IM_ERR_PROTOCOL, "second body for call %u", id);
	in = (struct link_in *)calloc(1, sizeof *in);
	if (!in)
		return IM_ERR_NOMEM;
	in->id = id;
	in->stream = true;
	in->next = l->ins;
	l->ins = in;
	return IM_OK;
}

void *
link_in_drop(struct link *l, uint32_t id)
{
	struct link_in **at = link_in_find(l, id);
	void *owner = *at ? (*at)->owner : NULL;

	if (*at)
		link_in_remove(l, at);
	return owner;
}

/* Gives credit back in large pieces, and none that the rest of the body does not need. */
static void
link_in_grant(struct link *l, struct link_in *in)
{
	uint32_t grant = in->unannounced;

	if (grant < l->limits->window / 2 || in->total - in->body.len <= in->credit)
		return;
	in->unannounced = 0;
	in->credit += grant;
	link_lock(l);
	frame_put_credit(&l->out, in->id, grant);
	link_unlock(l);
}

enum im_err
link_in_data(struct link *l, const struct frame *f)
{
	struct link_in **at = link_in_find(l, f->id), *in = *at;
	enum im_err err;

	if (!in)
		return IM_OK;
	if (f->payload.len == 0)
		return err_set(IM_ERR_PROTOCOL, "empty chunk");
	if (in->stream)
		return l->ops->in_part(l, in, f->payload);
	if (f->payload.len > in->credit)
		return err_set(IM_ERR_PROTOCOL, "chunk beyond its credit");
	if (f->payload.len > in->total - in->body.len)
		return err_set(IM_ERR_PROTOCOL, "body is longer than announced");
	err = link_in_append(l, in, f->payload);
	if (err != IM_OK) {
		l->ops->in_failed(l, in, err);
		link_in_remove(l, at);
		return IM_OK;
	}
	in->credit -= (uint32_t)f->payload.len;
	in->unannounced += (uint32_t)f->payload.len;
	link_in_grant(l, in);
	return IM_OK;
}

enum im_err
link_in_end(struct link *l, const struct frame *f)
{
	struct link_in **at = link_in_find(l, f->id), *in = *at;

	if (f->payload.len != 0)
		return err_set(IM_ERR_PROTOCOL, "end with a payload");
	if (!in)
		return IM_OK;
	if (!in->stream && in->body.len != in->total)
		return err_set(IM_ERR_PROTOCOL, "body is shorter than announced");
	*at = in->next;
	l->in_bytes -= in->body.len;
	l->ops->in_done(l, in);
	free(in);
	return IM_OK;
}

void
link_in_free_all(struct link *l, void (*done)(struct link *l, void *owner))
{
	while (l->ins) {
		void *owner = l->ins->owner;

		link_in_remove(l, &l->ins);
		if (done)
			done(l, owner);
	}
}

/* ---- Going out. ---- */

/* Takes the body at *at out and frees it. */
static void
link_out_remove(struct link *l, struct link_out **at)
{
	struct link_out *o = *at;

	*at = o->next;
	if (o->stream) {
		atomic_fetch_sub(&l->streams, 1);
		atomic_fetch_sub(&l->budget->streams, 1);
		link_budget_give(l->budget, LINK_STREAM_BYTES);
	} else {
		l->out_bytes -= o->len;
		link_budget_give(l->budget, o->len);
	}
	buf_free(&o->last);
	free(o->data);
	free(o);
}

bool
link_out_add(struct link *l, uint32_t id, uint8_t *data, size_t len)
{
	struct link_out *o = (struct link_out *)calloc(1, sizeof *o);
	struct link_out **at = &l->outs;

	if (!o) {
		link_budget_give(l->budget, len);
		free(data);
		return false;
	}
	*o = (struct link_out){
	    .id = id, .credit = l->peer_window, .data = data, .len = len, .ended = true};
	while (*at)
		at = &(*at)->next;
	*at = o;
	l->out_bytes += len;
	return true;
}

static struct link_out **
link_out_find(struct link *l, uint32_t id)
{
	struct link_out **at = &l->outs;

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

bool
link_out_drop(struct link *l, uint32_t id)
{
	struct link_out **at = link_out_find(l, id);

	if (!*at)
		return false;
	link_out_remove(l, at);
	return true;
}

struct link_out *
link_out_get(struct link *l, uint32_t id)
{
	return *link_out_find(l, id);
}

/* Whether there is something to send, and credit for it. */
static bool
link_out_is_due(const struct link_out *o)
{
	return o->pos < o->len ? o->credit > 0 : o->ended;
}

/* The frame behind the last chunk. */
static void
link_out_close(struct link *l, const struct link_out *o)
{
	if (o->last.len > 0)
		buf_append_bytes(&l->out, buf_bytes(&o->last));
	else
		frame_put_empty(&l->out, FRAME_END, o->id);
}

/* Appends one chunk, and the end after the last; true when the body is all sent. */
static bool
link_out_chunk(struct link *l, struct link_out *o)
{
	size_t n = o->len - o->pos;

	n = n > o->credit ? o->credit : n;
	n = n > l->peer_frame_max ? l->peer_frame_max : n;
	if (n > 0)
		frame_put_data(&l->out, o->id, bytes_of(o->data + o->pos, n));
	o->pos += n;
	o->credit -= (uint32_t)n;
	if (o->stream && n > 0)
		o->moved_ns = clock_monotonic_ns();
	if (o->pos < o->len || (o->stream && !o->ended))
		return false;
	link_out_close(l, o);
	return true;
}

/* One chunk of each active body that has credit; false when there was none. */
static bool
link_out_round(struct link *l)
{
	struct link_out **at = &l->outs;
	bool any = false;

	for (int i = 0; *at && i < LINK_OUT_ACTIVE && l->out.err == IM_OK;) {
		if (!(*at)->stream)
			i++;
		if (!link_out_is_due(*at)) {
			at = &(*at)->next;
			continue;
		}
		any = true;
		if (link_out_chunk(l, *at))
			link_out_remove(l, at);
		else
			at = &(*at)->next;
	}
	return any;
}

void
link_out_fill(struct link *l)
{
	while (l->out.len < LINK_FILL_BYTES && l->out.err == IM_OK && link_out_round(l))
		;
}

enum im_err
link_out_credit(struct link *l, const struct frame *f)
{
	enum im_err err = IM_OK;
	struct link_out *o;
	uint32_t n;

	if (frame_read_credit(f, &n) != IM_OK)
		return IM_ERR_PROTOCOL;
	link_lock(l);
	o = *link_out_find(l, f->id);
	if (o && __builtin_add_overflow(o->credit, n, &o->credit))
		err = err_set(IM_ERR_PROTOCOL, "credit over 4 GiB");
	link_unlock(l);
	return err;
}

/* ---- Streams going out. ---- */

enum im_err
link_stream_open(struct link *l, uint32_t id)
{
	struct link_out *o, **at = &l->outs;

	if (!link_budget_take(l->budget, LINK_STREAM_BYTES))
		return err_set(IM_ERR_BUSY, "server is busy: no memory for a stream");
	o = (struct link_out *)calloc(1, sizeof *o);
	if (o)
		o->data = (uint8_t *)malloc(LINK_STREAM_BYTES);
	if (!o || !o->data) {
		free(o);
		link_budget_give(l->budget, LINK_STREAM_BYTES);
		return IM_ERR_NOMEM;
	}
	o->id = id;
	o->credit = l->peer_window;
	o->stream = true;
	o->moved_ns = clock_monotonic_ns();
	buf_init(&o->last, FRAME_HEADER_BYTES + 2 + 2 + FRAME_TEXT_MAX);
	while (*at)
		at = &(*at)->next;
	*at = o;
	atomic_fetch_add(&l->streams, 1);
	atomic_fetch_add(&l->budget->streams, 1);
	return IM_OK;
}

size_t
link_stream_room(const struct link_out *o)
{
	return LINK_STREAM_BYTES - (o->len - o->pos);
}

void
link_stream_put(struct link_out *o, struct bytes *data)
{
	size_t n = link_stream_room(o);

	n = data->len < n ? data->len : n;
	if (n == 0)
		return;
	if (o->pos == o->len)
		o->moved_ns = clock_monotonic_ns();
	if (n > LINK_STREAM_BYTES - o->len) {
		memmove(o->data, o->data + o->pos, o->len - o->pos);
		o->len -= o->pos;
		o->pos = 0;
	}
	memcpy(o->data + o->len, data->data, n);
	o->len += n;
	*data = bytes_of(data->data + n, data->len - n);
}

bool
link_stream_is_stalled(const struct link_out *o, int64_t before_ns)
{
	return o->stream && o->pos < o->len && o->credit == 0 && o->moved_ns < before_ns;
}

void
link_out_free_all(struct link *l)
{
	while (l->outs)
		link_out_remove(l, &l->outs);
}
