#ifndef TESTS_RAW_PEER_H
#define TESTS_RAW_PEER_H

/* A peer made by hand, that speaks with the harness's server over a plain socket. */
#include "libproto/rpc/rpc_harness.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "rpc/frame.h"

struct raw {
	int fd;
	struct buf in;
	struct frame f; /* the last one read */
	size_t used;    /* of in, by f */
};

static inline struct raw
raw_connect(struct harness *h)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
	    .sin_port = htons(h->port_v4),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = 60};
	struct raw r = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};

	assert_true(r.fd >= 0);
	assert_int_equal(connect(r.fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(setsockopt(r.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
	buf_init(&r.in, 64 << 20);
	return r;
}

static inline void
raw_close(struct raw *r)
{
	close(r->fd);
	buf_free(&r->in);
}

static inline void
raw_send(struct raw *r, struct buf *b)
{
	assert_int_equal(b->err, IM_OK);
	assert_int_equal(send(r->fd, b->data, b->len, MSG_NOSIGNAL), b->len);
	buf_clear(b);
}

/* The next frame; false at the end of the connection. */
static inline bool
raw_read(struct raw *r)
{
	ssize_t n;
	uint8_t *p;
	size_t size;

	if (r->used > 0)
		memmove(r->in.data, r->in.data + r->used, r->in.len - r->used);
	r->in.len -= r->used;
	r->used = 0;
	while (frame_next(buf_bytes(&r->in), FRAME_PAYLOAD_MAX + 1024, &r->f, &size) != IM_OK) {
		p = buf_reserve(&r->in, 65536);
		assert_non_null(p);
		n = recv(r->fd, p, 65536, 0);
		if (n < 0 && errno != ECONNRESET)
			fail_msg("the server neither answered nor closed: %s", strerror(errno));
		if (n <= 0)
			return false;
		r->in.len += (size_t)n;
	}
	r->used = size;
	return true;
}

static inline void
raw_expect(struct raw *r, uint8_t kind, uint32_t id)
{
	assert_true(raw_read(r));
	assert_int_equal(r->f.kind, kind);
	assert_int_equal(r->f.id, id);
}

static inline void
raw_expect_error(struct raw *r, uint32_t id, enum im_status status)
{
	struct frame_error e;

	raw_expect(r, FRAME_ERROR, id);
	assert_int_equal(frame_read_error(&r->f, &e), IM_OK);
	assert_int_equal(e.status, status);
}

/* The connection ends, with or without a last word. */
static inline void
raw_expect_end(struct raw *r)
{
	if (raw_read(r)) {
		assert_int_equal(r->f.kind, FRAME_GOAWAY);
		assert_false(raw_read(r));
	}
}

static inline void
put_hello(struct buf *b, uint16_t version, uint32_t window)
{
	struct frame_client_hello hello = {
	    version, version, 64 << 20, window, bytes_str("raw"), false};

	frame_put_client_hello(b, &hello);
}

static inline void
put_request(struct buf *b, uint32_t id, uint16_t method, struct bytes body)
{
	struct frame_request f = {.method = method};

	frame_put_request(b, id, false, &f, body.len);
	buf_append_bytes(b, body);
}

static inline void
put_large(struct buf *b, uint32_t id, uint16_t method, const char *token, uint32_t total)
{
	struct frame_request f = {.method = method, .session = bytes_str(token), .total = total};

	frame_put_request(b, id, true, &f, 0);
}

static inline void
put_export(struct buf *b, uint32_t id, uint64_t len)
{
	Immudb__Schema__ExportTxRequest req = IMMUDB__SCHEMA__EXPORT_TX_REQUEST__INIT;
	uint8_t body[16];

	req.tx = len;
	put_request(
	    b, id, RPC_METHOD_ExportTx, bytes_of(body, protobuf_c_message_pack(&req.base, body)));
}

#define NO_BODY bytes_of(NULL, 0)

/* Connected and greeted. */
static inline void
raw_greet(struct raw *r, uint32_t window)
{
	struct buf b;

	buf_init(&b, 4096);
	put_hello(&b, FRAME_VERSION, window);
	raw_send(r, &b);
	raw_expect(r, FRAME_HELLO, 0);
	buf_free(&b);
}

static inline struct raw
raw_open_window(struct harness *h, uint32_t window)
{
	struct raw r = raw_connect(h);

	raw_greet(&r, window);
	return r;
}

static inline struct raw
raw_open(struct harness *h)
{
	return raw_open_window(h, 1 << 20);
}

static inline void
raw_login(struct raw *r)
{
	struct buf b;
	uint32_t n;

	buf_init(&b, 4096);
	put_request(&b, 0xffffff, RPC_METHOD_Login, NO_BODY);
	raw_send(r, &b);
	raw_expect(r, FRAME_CREDIT, 0);
	assert_int_equal(frame_read_credit(&r->f, &n), IM_OK);
	assert_int_equal(n, FRAME_PAYLOAD_MAX);
	raw_expect(r, FRAME_ANSWER, 0xffffff);
	buf_free(&b);
}

static inline void
assert_alive(struct raw *r)
{
	struct buf b;

	buf_init(&b, 4096);
	put_request(&b, 0xabcdef, RPC_METHOD_Health, NO_BODY);
	raw_send(r, &b);
	raw_expect(r, FRAME_ANSWER, 0xabcdef);
	buf_free(&b);
}

#endif
