/*
 * Connections on plain sockets, and the few messages that the attacks are made of.
 *
 * Neighbours: honest.c keeps to the protocol with these, the attack_*.c do not. rpc/frame.h writes
 * the frames that are to be right.
 */
#include "peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"

#define IN_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define READ_BYTES 65536
#define WINDOW_BYTES (1u << 30)
#define LOOPBACK_NET 0x7f000000u

int
peer_connect(const struct target *t, unsigned host)
{
	struct sockaddr_in from = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(LOOPBACK_NET | host)};
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons(t->port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	/* The port is chosen when it connects, so that each address has all of them. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&from, sizeof from) == 0 &&
	    connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	close(fd);
	return -1;
}

void
peer_reset_fd(int fd)
{
	struct linger reset = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(fd);
}

bool
peer_send_fd(int fd, struct bytes b)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	ssize_t n;

	while (b.len > 0) {
		n = send(fd, b.data, b.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN && poll(&p, 1, PEER_WAIT_MS) == 1)
			continue;
		if (n <= 0)
			return false;
		b = bytes_of(b.data + n, b.len - (size_t)n);
	}
	return true;
}

bool
peer_open(struct peer *p, const struct target *t, unsigned host)
{
	*p = (struct peer){.fd = peer_connect(t, host)};
	buf_init(&p->in, IN_BYTES_MAX);
	return p->fd >= 0 || fail("cannot connect: %s", strerror(errno));
}

void
peer_close(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	buf_free(&p->in);
}

bool
peer_send(struct peer *p, const struct buf *b)
{
	return b->err == IM_OK && peer_send_fd(p->fd, buf_bytes(b));
}

/* More input; what was taken is dropped first. */
static enum peer_event
peer_receive(struct peer *p, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = p->fd, .events = POLLIN};
	uint8_t *at;
	ssize_t n;

	if (p->pos > 0)
		memmove(p->in.data, p->in.data + p->pos, p->in.len - p->pos);
	p->in.len -= p->pos;
	p->pos = p->taken = 0;
	if (poll(&poll_fd, 1, timeout_ms) <= 0)
		return PEER_LATE;
	at = buf_reserve(&p->in, READ_BYTES);
	n = at ? recv(p->fd, at, READ_BYTES, 0) : -1;
	if (n <= 0)
		return PEER_CLOSED;
	p->in.len += (size_t)n;
	return PEER_FRAME;
}

enum peer_event
peer_next(struct peer *p, struct frame *f, int timeout_ms)
{
	int64_t by = clock_monotonic_ns() + timeout_ms * CLOCK_NS_PER_MS, left;
	enum peer_event event = PEER_FRAME;
	enum im_err err;
	size_t size;

	p->pos = p->taken;
	while (event == PEER_FRAME) {
		err = frame_next(
		    bytes_of(p->in.data + p->pos, p->in.len - p->pos), FRAME_PAYLOAD_MAX, f, &size);
		if (err == IM_OK) {
			p->taken = p->pos + size;
			return PEER_FRAME;
		}
		if (err != IM_ERR_WOULD_BLOCK)
			return PEER_CLOSED;
		left = (by - clock_monotonic_ns()) / CLOCK_NS_PER_MS;
		event = left > 0 ? peer_receive(p, (int)left) : PEER_LATE;
	}
	return event;
}

bool
peer_greet_with(struct peer *p, const struct target *t, unsigned host, uint32_t window)
{
	struct frame f;
	struct buf b;
	bool greeted;

	if (!peer_open(p, t, host))
		return false;
	buf_init(&b, FRAME_PAYLOAD_MAX);
	put_hello(&b, window);
	greeted = peer_send(p, &b) && peer_next(p, &f, PEER_WAIT_MS) == PEER_FRAME &&
	    f.kind == FRAME_HELLO;
	buf_free(&b);
	return greeted || fail("the server says no hello");
}

bool
peer_greet(struct peer *p, const struct target *t, unsigned host)
{
	return peer_greet_with(p, t, host, WINDOW_BYTES);
}

/* The answer frame by frame; 1 while there is more to come. */
static int
take_answer(const struct frame *f, struct buf *body)
{
	struct frame_error e;
	struct bytes part;
	uint32_t total;

	if (f->kind == FRAME_ERROR && frame_read_error(f, &e) == IM_OK) {
		buf_clear(body);
		buf_append_bytes(body, e.text);
		buf_append_u8(body, '\0');
		return -(int)e.status;
	}
	if (f->kind == FRAME_ANSWER && frame_read_answer(f, &total, &part) == IM_OK)
		buf_append_bytes(body, part);
	else if (f->kind == FRAME_DATA)
		buf_append_bytes(body, f->payload);
	return f->kind == FRAME_END || (f->kind == FRAME_ANSWER && !(f->flags & FRAME_FLAG_MORE))
	    ? 0
	    : 1;
}

int
peer_call(struct peer *p, const struct frame_request *r, struct buf *body)
{
	uint32_t id = ++p->last_id;
	struct frame f;
	int state = 1;
	struct buf b;

	buf_clear(body);
	buf_init(&b, FRAME_PAYLOAD_MAX + FRAME_REQUEST_HEAD_MAX);
	put_request(&b, id, r);
	if (!peer_send(p, &b))
		state = 2;
	while (state == 1) {
		if (peer_next(p, &f, PEER_WAIT_MS) != PEER_FRAME || f.kind == FRAME_GOAWAY)
			state = 2;
		else if (f.id == id)
			state = take_answer(&f, body);
	}
	buf_free(&b);
	return state == 2 ? -1 : -state;
}

/* The token is the first field of the answer. */
static bool
take_token(const struct buf *body, char token[TOKEN_MAX])
{
	size_t len = body->len > 2 && body->data[0] == (1 << 3 | 2) ? body->data[1] : 0;

	if (len == 0 || len >= TOKEN_MAX || len + 2 > body->len)
		return fail("an answer without a token");
	memcpy(token, body->data + 2, len);
	token[len] = '\0';
	return true;
}

int
peer_login(struct peer *p, const char *user, const char *password, char token[TOKEN_MAX])
{
	struct buf in, out;
	int status;

	buf_init(&in, FRAME_PAYLOAD_MAX);
	buf_init(&out, IN_BYTES_MAX);
	body_login(&in, user, password);
	status = peer_call(
	    p, &(struct frame_request){.method = RPC_METHOD_Login, .body = buf_bytes(&in)}, &out);
	if (status == 0 && !take_token(&out, token))
		status = -1;
	buf_free(&in);
	buf_free(&out);
	return status;
}

/* ---- What to send. ---- */

void
put_hello(struct buf *b, uint32_t window)
{
	frame_put_client_hello(b,
	    &(struct frame_client_hello){.version_low = FRAME_VERSION,
		.version_high = FRAME_VERSION,
		.max_message_bytes = (uint32_t)IN_BYTES_MAX,
		.window = window,
		.name = bytes_str("hostile")});
}

void
put_request(struct buf *b, uint32_t id, const struct frame_request *r)
{
	frame_put_request(b, id, false, r, r->body.len);
	buf_append_bytes(b, r->body);
}

static void
put_varint(struct buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_append_u8(b, (uint8_t)(v | 0x80));
	buf_append_u8(b, (uint8_t)v);
}

void
put_field(struct buf *b, unsigned number, struct bytes value)
{
	put_varint(b, number << 3 | 2);
	put_varint(b, value.len);
	buf_append_bytes(b, value);
}

void
body_set(struct buf *b, struct bytes key, struct bytes value)
{
	struct buf kv;

	buf_init(&kv, IN_BYTES_MAX);
	put_field(&kv, 1, key);
	put_field(&kv, 2, value);
	put_field(b, 1, buf_bytes(&kv));
	buf_free(&kv);
}

void
body_key(struct buf *b, struct bytes key)
{
	put_field(b, 1, key);
}

void
body_login(struct buf *b, const char *user, const char *password)
{
	put_field(b, 1, bytes_str(user));
	put_field(b, 2, bytes_str(password));
}
