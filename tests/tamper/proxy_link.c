/*
 * Connections of the proxy (proxy_link.h). tamper_proxy.c owns them all and waits for their
 * sockets; proxy_answer.c decides what becomes of an answer.
 *
 * Invariants: one thread. Frames of the client go to the server unchanged. Frames to the client
 * keep the order in which the server's came.
 */
#include "proxy_link.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES 65536
#define ANSWER_PART_BYTES 16000u
#define GARBAGE_BYTES 4096
/* What a rule may add to an answer that fits the client's window. */
#define WINDOW_SLACK 4096u

struct link *
link_new(int client_fd, int server_fd)
{
	struct link *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	l->client.fd = client_fd;
	l->server.fd = server_fd;
	buf_init(&l->client.in, BODY_MAX);
	buf_init(&l->client.out, BODY_MAX);
	buf_init(&l->server.in, BODY_MAX);
	buf_init(&l->server.out, BODY_MAX);
	return l;
}

static void
side_free(struct side *s)
{
	close(s->fd);
	buf_free(&s->in);
	buf_free(&s->out);
}

void
link_free(struct link *l)
{
	size_t i;

	for (i = 0; i < l->calls_len; i++)
		buf_free(&l->calls[i].body);
	side_free(&l->client);
	side_free(&l->server);
	free(l);
}

/* ---- Bytes. ---- */

static void
side_read(struct side *s, bool *is_over)
{
	uint8_t *at = buf_reserve(&s->in, READ_BYTES);
	ssize_t n = at ? recv(s->fd, at, READ_BYTES, 0) : 0;

	if (n > 0)
		s->in.len += (size_t)n;
	else if (n == 0 || errno != EAGAIN)
		*is_over = true;
}

static void
side_write(struct side *s, bool *is_over)
{
	ssize_t n = send(s->fd, s->out.data + s->out_pos, s->out.len - s->out_pos, MSG_NOSIGNAL);

	if (n > 0)
		s->out_pos += (size_t)n;
	else if (errno != EAGAIN)
		*is_over = true;
	if (s->out_pos == s->out.len) {
		buf_clear(&s->out);
		s->out_pos = 0;
	}
}

/* The next whole frame of what was read, and its bytes. */
static bool
side_frame(struct side *s, struct frame *f, struct bytes *whole, bool *is_over)
{
	struct bytes rest = bytes_of(s->in.data + s->in_pos, s->in.len - s->in_pos);
	size_t size;
	enum im_err err = frame_next(rest, FRAME_PAYLOAD_MAX, f, &size);

	if (err == IM_OK) {
		*whole = bytes_of(rest.data, size);
		s->in_pos += size;
		return true;
	}
	if (err != IM_ERR_WOULD_BLOCK)
		*is_over = true;
	if (s->in_pos > 0) {
		memmove(s->in.data, rest.data, rest.len);
		s->in.len = rest.len;
		s->in_pos = 0;
	}
	return false;
}

/* ---- Calls. ---- */

static struct open_call *
call_find(struct link *l, uint32_t id)
{
	size_t i;

	for (i = 0; i < l->calls_len; i++)
		if (l->calls[i].id == id)
			return &l->calls[i];
	return NULL;
}

static void
call_end(struct link *l, struct open_call *c)
{
	buf_free(&c->body);
	*c = l->calls[--l->calls_len];
}

static void
call_begin(struct link *l, const struct frame *f)
{
	struct frame_request r;
	struct open_call *c;

	if (frame_read_request(f, &r) != IM_OK || l->calls_len == LINK_CALLS_MAX)
		return;
	c = &l->calls[l->calls_len++];
	*c = (struct open_call){.id = f->id, .method = rpc_method_find(r.method)};
	buf_init(&c->body, BODY_MAX);
}

/* ---- What the client is told. ---- */

static void
put_answer(struct buf *out, uint32_t id, struct bytes body)
{
	struct bytes part;

	if (body.len <= ANSWER_PART_BYTES) {
		frame_put_answer(out, id, false, 0, body.len);
		buf_append_bytes(out, body);
		return;
	}
	frame_put_answer(out, id, true, (uint32_t)body.len, 0);
	while (body.len > 0) {
		part = bytes_of(
		    body.data, body.len < ANSWER_PART_BYTES ? body.len : ANSWER_PART_BYTES);
		frame_put_data(out, id, part);
		body = bytes_of(body.data + part.len, body.len - part.len);
	}
	frame_put_empty(out, FRAME_END, id);
}

/* Bytes that look random and are the same every time. */
static void
put_garbage(struct buf *out)
{
	uint64_t x = 88172645463325252u;
	size_t i;

	for (i = 0; i < GARBAGE_BYTES; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		buf_append_u8(out, (uint8_t)x);
	}
}

static void
link_reset(struct link *l)
{
	struct linger now = {.l_onoff = 1};

	setsockopt(l->client.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	l->is_over = true;
}

static void
link_tell(struct link *l, uint32_t id, const struct answer *a)
{
	struct buf *out = &l->client.out;
	size_t before = out->len;

	switch (a->fate) {
	case ANSWER_SEND:
		put_answer(out, id, buf_bytes(&a->body));
		break;
	case ANSWER_ERROR:
		frame_put_error(out, id, a->status, bytes_str(a->text));
		break;
	case ANSWER_HANG:
		l->hold_until_ms = INT64_MAX;
		break;
	case ANSWER_GARBAGE:
		put_garbage(out);
		break;
	case ANSWER_HALF:
		put_answer(out, id, buf_bytes(&a->body));
		out->len = before + (out->len - before) / 2;
		l->ends = true;
		break;
	case ANSWER_CLOSE:
		l->ends = true;
		break;
	case ANSWER_RESET:
		link_reset(l);
		break;
	}
}

static void
link_answer(struct link *l, struct tamper *t, int64_t now_ms, struct open_call *c)
{
	struct answer a = {.method = c->method, .body = c->body};

	tamper_answer(t, &a);
	c->body = a.body;
	if (a.delay_ms && l->hold_until_ms != INT64_MAX)
		l->hold_until_ms = now_ms + a.delay_ms;
	link_tell(l, c->id, &a);
	call_end(l, c);
}

/* ---- Frames. ---- */

static void
link_client_frame(struct link *l, const struct frame *f, struct bytes whole)
{
	struct frame_client_hello hello;

	if (f->kind == FRAME_HELLO && frame_read_client_hello(f, &hello) == IM_OK)
		l->window = hello.window;
	if (f->kind == FRAME_REQUEST)
		call_begin(l, f);
	buf_append_bytes(&l->server.out, whole);
}

static void
link_hello(struct link *l, struct tamper *t, const struct frame *f, struct bytes whole)
{
	const char *id = tamper_hello(t);
	struct frame_server_hello hello;

	if (!id || frame_read_server_hello(f, &hello) != IM_OK) {
		buf_append_bytes(&l->client.out, whole);
		return;
	}
	hello.server_id = bytes_str(id);
	frame_put_server_hello(&l->client.out, &hello);
}

/* An answer begins: true when the rules take it. */
static bool
link_collect(struct link *l, struct open_call *c, const struct frame *f)
{
	struct bytes body;
	uint32_t total;

	if (!c->method || f->flags & FRAME_FLAG_STREAM ||
	    frame_read_answer(f, &total, &body) != IM_OK)
		return false;
	if (f->flags & FRAME_FLAG_MORE && total + WINDOW_SLACK > l->window)
		return false;
	buf_append_bytes(&c->body, body);
	c->collecting = true;
	return true;
}

static void
link_server_frame(struct link *l, struct tamper *t, int64_t now_ms, const struct frame *f)
{
	struct open_call *c = f->id ? call_find(l, f->id) : NULL;
	struct bytes whole = {
	    f->payload.data - FRAME_HEADER_BYTES, f->payload.len + FRAME_HEADER_BYTES};
	bool is_last = f->kind == FRAME_END || f->kind == FRAME_ERROR;

	if (f->kind == FRAME_HELLO) {
		link_hello(l, t, f, whole);
		return;
	}
	if (c && f->kind == FRAME_ANSWER && link_collect(l, c, f)) {
		if (!(f->flags & FRAME_FLAG_MORE))
			link_answer(l, t, now_ms, c);
		return;
	}
	if (c && c->collecting && f->kind == FRAME_DATA) {
		buf_append_bytes(&c->body, f->payload);
		return;
	}
	if (c && c->collecting && f->kind == FRAME_END) {
		link_answer(l, t, now_ms, c);
		return;
	}
	buf_append_bytes(&l->client.out, whole);
	if (c && (is_last || (f->kind == FRAME_ANSWER && f->flags == 0)))
		call_end(l, c);
}

static bool
link_has_news(const struct link *l, int64_t now_ms)
{
	return l->client.out.len > l->client.out_pos && now_ms >= l->hold_until_ms;
}

void
link_poll(const struct link *l, int64_t now_ms, struct pollfd out[2])
{
	out[0] = (struct pollfd){.fd = l->client.fd, .events = POLLIN};
	out[1] = (struct pollfd){.fd = l->server.fd, .events = POLLIN};
	if (link_has_news(l, now_ms))
		out[0].events |= POLLOUT;
	if (l->server.out.len > 0)
		out[1].events |= POLLOUT;
	if (l->server_is_over)
		out[1].fd = -1;
}

void
link_run(struct link *l, struct tamper *t, int64_t now_ms, const struct pollfd polled[2])
{
	struct bytes whole;
	struct frame f;

	if (polled[0].revents & (POLLIN | POLLHUP | POLLERR))
		side_read(&l->client, &l->is_over);
	if (polled[1].revents & (POLLIN | POLLHUP | POLLERR))
		side_read(&l->server, &l->server_is_over);
	while (!l->is_over && side_frame(&l->client, &f, &whole, &l->is_over))
		link_client_frame(l, &f, whole);
	while (!l->ends && !l->is_over && side_frame(&l->server, &f, &whole, &l->is_over))
		link_server_frame(l, t, now_ms, &f);
	if (l->server.out.len > 0 && !l->server_is_over)
		side_write(&l->server, &l->server_is_over);
	if (link_has_news(l, now_ms))
		side_write(&l->client, &l->is_over);
	l->ends |= l->server_is_over;
	if (l->ends && l->client.out.len == 0 && l->hold_until_ms != INT64_MAX)
		l->is_over = true;
}
