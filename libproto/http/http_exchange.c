/*
 * A request and its answer on a connection of civetweb. http_server.c makes them and owns the
 * connection; what is said in them is the handler's.
 *
 * Invariants:
 * 1. A connection is kept only if the body was read to its end and the answer was sent whole.
 * 2. No answer is sent twice: status is 0 until one begins.
 */
#include "http/http_exchange.h"

#include <stdio.h>
#include <string.h>

#include "http/http_exchange_internal.h"
#include "http/http_framing.h"
#include "util/clock.h"

/* Read at once; straight into the buffer, for civetweb's threads have stacks of 100 KiB. */
#define EXCHANGE_PIECE 65536u
#define EXCHANGE_HEAD_MAX 16384
/* Room for the head of nearly every answer. */
#define EXCHANGE_HEAD_USUAL 512
/* Around the bytes of a chunk: their number, two line ends, and a NUL for buf_printf(). */
#define EXCHANGE_CHUNK_FRAME 32
/* Answers up to this size leave in one write with their head. */
#define EXCHANGE_JOIN_MAX 65536u

const char *
http_exchange_method(const struct http_exchange *x)
{
	return x->info->request_method;
}

struct bytes
http_exchange_path(const struct http_exchange *x)
{
	const char *path = x->info->request_uri ? x->info->request_uri : "";

	return bytes_of((const uint8_t *)path, strcspn(path, "?"));
}

struct bytes
http_exchange_query(const struct http_exchange *x)
{
	return bytes_str(x->info->query_string ? x->info->query_string : "");
}

const char *
http_exchange_header(const struct http_exchange *x, const char *name)
{
	return mg_get_header(x->conn, name);
}

const char *
http_exchange_peer(const struct http_exchange *x)
{
	const char *introduced = mg_get_user_connection_data(x->conn);

	return introduced ? introduced : x->info->remote_addr;
}

int64_t
http_exchange_body_length(const struct http_exchange *x)
{
	return x->info->content_length;
}

static bool
exchange_has_body(const struct http_exchange *x)
{
	return x->info->content_length > 0 || mg_get_header(x->conn, "Transfer-Encoding");
}

/* What the end of the body means: all of it came, the peer fell silent, or it went away. */
static enum im_err
exchange_body_ended(struct http_exchange *x, size_t len, int64_t waited_ns, bool failed)
{
	if (waited_ns >= http_timeout_ns(x->conn))
		return err_set(IM_ERR_TIMEOUT, "the body did not arrive in time");
	if (x->info->content_length >= 0 && (long long)len < x->info->content_length)
		return err_set(
		    IM_ERR_CONNECTION_LOST, "%zu bytes of %lld came", len, x->info->content_length);
	if (failed)
		return err_set(IM_ERR_CONNECTION_LOST, "the body broke off after %zu bytes", len);
	x->body_read = true;
	return IM_OK;
}

/* Tells a client that waits for it to send the body. */
static void
exchange_ask_for_body(struct http_exchange *x)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (exchange_has_body(x) && http_framing_wants_continue(x->info))
		(void)mg_write(x->conn, go_on, sizeof go_on - 1);
}

/* How much of the body, of which len bytes are there, may still come; never 0. */
static size_t
exchange_body_room(const struct http_exchange *x, const struct http_body_limit *limit, size_t len)
{
	if (x->info->content_length > 0)
		return (size_t)x->info->content_length - len;
	/* One byte more than is taken tells that there are more. */
	return limit->max + 1 - len;
}

enum im_err
http_exchange_body(struct http_exchange *x, const struct http_body_limit *limit, struct buf *out)
{
	int64_t deadline = clock_monotonic_ns() + limit->timeout_ms * CLOCK_NS_PER_MS;
	size_t start = out->len;

	if (x->info->content_length > 0 && (uint64_t)x->info->content_length > limit->max)
		return err_set(IM_ERR_BODY_SIZE, "the body has %lld bytes; at most %zu are taken",
		    x->info->content_length, limit->max);
	exchange_ask_for_body(x);
	while (exchange_has_body(x)) {
		int64_t begin = clock_monotonic_ns();
		size_t room = exchange_body_room(x, limit, out->len - start);
		size_t piece = room < EXCHANGE_PIECE ? room : EXCHANGE_PIECE;
		uint8_t *to = buf_reserve(out, piece);
		int n = to ? mg_read(x->conn, to, piece) : 0;

		if (!to)
			return out->err;
		if (n <= 0)
			return exchange_body_ended(
			    x, out->len - start, clock_monotonic_ns() - begin, n < 0);
		out->len += (size_t)n;
		if (out->len - start > limit->max)
			return err_set(
			    IM_ERR_BODY_SIZE, "at most %zu bytes of body are taken", limit->max);
		if ((long long)(out->len - start) == x->info->content_length)
			break;
		if (clock_monotonic_ns() >= deadline)
			return err_set(IM_ERR_TIMEOUT, "the body did not arrive in time");
	}
	x->body_read = true;
	return IM_OK;
}

static void
exchange_put_field(struct buf *out, const char *name, const char *value)
{
	buf_append_str(out, name);
	buf_append_str(out, value);
	buf_append_str(out, "\r\n");
}

/*
 * Status line and headers; length < 0: in pieces. Of each answer: so it is formatted as little as
 * can be.
 */
static void
exchange_put_head(
    struct http_exchange *x, const struct http_head *head, int64_t length, struct buf *out)
{
	bool keep = x->body_read && !x->must_close;

	if (!keep)
		mg_disable_keep_alive(x->conn);
	x->status = head->status;
	buf_append_str(out, "HTTP/1.1 ");
	buf_append_decimal(out, (uint64_t)head->status);
	exchange_put_field(out, " ", mg_get_response_code_text(x->conn, head->status));
	if (head->content_type)
		exchange_put_field(out, "Content-Type: ", head->content_type);
	if (length >= 0 && head->status != 204) {
		buf_append_str(out, "Content-Length: ");
		buf_append_decimal(out, (uint64_t)length);
		buf_append_str(out, "\r\n");
	} else if (length < 0 && !x->is_old) {
		exchange_put_field(out, "Transfer-Encoding: ", "chunked");
	}
	buf_append_str(out, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
	exchange_put_field(out, "Connection: ", keep ? "keep-alive" : "close");
	exchange_put_field(out, head->headers ? head->headers : "", "");
}

/*
 * Writes bytes; what cannot be written ends the connection. Civetweb gives up after one time-out
 * in which the peer has taken nothing: too soon for a slow one with large buffers. With no threads
 * to spare that has to do.
 */
static enum im_err
exchange_put(struct http_exchange *x, struct bytes data)
{
	int64_t timeout = http_timeout_ns(x->conn), moved = clock_monotonic_ns(), begin, now;
	int n;

	for (now = moved; data.len > 0;) {
		begin = now;
		n = mg_write(x->conn, data.data, data.len);
		now = clock_monotonic_ns();
		if (n > 0) {
			data = bytes_of(data.data + n, data.len - (size_t)n);
			moved = now;
		} else if (now - begin < timeout || now - moved >= timeout * HTTP_STALLS_MAX ||
		    http_is_crowded(x->conn)) {
			mg_disable_keep_alive(x->conn);
			return err_set(IM_ERR_CONNECTION_LOST, "the peer has gone");
		}
	}
	return IM_OK;
}

void
http_exchange_send(struct http_exchange *x, const struct http_head *head, struct bytes body)
{
	struct buf out;

	if (x->status)
		return;
	if (!exchange_has_body(x))
		x->body_read = true;
	buf_init(&out, EXCHANGE_HEAD_MAX + EXCHANGE_JOIN_MAX);
	if (body.len <= EXCHANGE_JOIN_MAX)
		(void)buf_reserve(&out, EXCHANGE_HEAD_USUAL + body.len);
	exchange_put_head(x, head, (int64_t)body.len, &out);
	if (x->is_head || head->status == 204)
		body.len = 0;
	x->sent = body.len;
	if (body.len <= EXCHANGE_JOIN_MAX) {
		buf_append_bytes(&out, body);
		body.len = 0;
	}
	if (out.err != IM_OK)
		mg_disable_keep_alive(x->conn);
	else if (exchange_put(x, buf_bytes(&out)) == IM_OK)
		(void)exchange_put(x, body);
	buf_free(&out);
}

void
http_exchange_begin(struct http_exchange *x, const struct http_head *head)
{
	struct buf out;

	if (x->status)
		return;
	if (!exchange_has_body(x))
		x->body_read = true;
	x->streams = true;
	buf_init(&out, EXCHANGE_HEAD_MAX);
	exchange_put_head(x, head, -1, &out);
	if (out.err != IM_OK)
		mg_disable_keep_alive(x->conn);
	else
		(void)exchange_put(x, buf_bytes(&out));
	buf_free(&out);
}

/* A chunk as one write: each write is a packet. */
static enum im_err
exchange_put_chunk(struct http_exchange *x, struct bytes piece)
{
	enum im_err err;
	struct buf out;

	buf_init(&out, piece.len + EXCHANGE_CHUNK_FRAME);
	(void)buf_reserve(&out, piece.len + EXCHANGE_CHUNK_FRAME);
	buf_printf(&out, "%zx\r\n", piece.len);
	buf_append_bytes(&out, piece);
	buf_append_str(&out, "\r\n");
	err = out.err == IM_OK ? exchange_put(x, buf_bytes(&out)) : out.err;
	buf_free(&out);
	return err;
}

enum im_err
http_exchange_write(struct http_exchange *x, struct bytes piece)
{
	x->sent += piece.len;
	if (piece.len == 0 || x->is_head)
		return IM_OK;
	return x->is_old ? exchange_put(x, piece) : exchange_put_chunk(x, piece);
}

void
http_exchange_end(struct http_exchange *x)
{
	x->streams = false;
	if (!x->is_head && !x->is_old)
		(void)exchange_put_chunk(x, bytes_of(NULL, 0));
}

int
http_exchange_status(const struct http_exchange *x)
{
	return x->status;
}

uint64_t
http_exchange_sent(const struct http_exchange *x)
{
	return x->sent;
}

void
http_exchange_run(struct mg_connection *conn, bool must_close,
    void (*handle)(void *arg, struct http_exchange *x), void *arg)
{
	struct http_exchange x = {
	    .conn = conn, .info = mg_get_request_info(conn), .must_close = must_close};

	x.is_old = http_framing_is_old(x.info);
	x.must_close |= x.is_old;
	x.is_head = strcmp(x.info->request_method, "HEAD") == 0;
	handle(arg, &x);
	if (!x.status)
		http_exchange_send(&x, &(struct http_head){.status = 500}, bytes_of(NULL, 0));
	if (x.streams)
		mg_disable_keep_alive(conn);
}
