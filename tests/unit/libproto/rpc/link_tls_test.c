/* Connections under TLS whose peer does not keep to the rules: each ends, and harms nobody else. */
#include "libproto/rpc/rpc_harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "rpc/frame.h"

/* Short for a peer that says nothing; enough for one that shakes hands on a busy machine. */
#define HELLO_MS 1500
#define FRAME_MS 150
#define DRAIN_MS 60000

/* A client made by hand: a socket and a pump. */
struct hand {
	int fd;
	struct tls_conn *t;
	struct buf got;
	bool ended; /* the server has hung up */
};

static struct hand
hand_connect(struct harness *h)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
	    .sin_port = htons(h->port_v4),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = 60};
	struct hand p = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};

	assert_true(p.fd >= 0);
	assert_int_equal(connect(p.fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(setsockopt(p.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
	assert_int_equal(tls_conn_new(harness_tls_client, "127.0.0.1", &p.t), IM_OK);
	assert_int_equal(tls_conn_start(p.t), IM_OK);
	buf_init(&p.got, 1 << 20);
	return p;
}

static void
hand_close(struct hand *p)
{
	close(p->fd);
	tls_conn_free(p->t);
	buf_free(&p->got);
}

/* With unread data or with linger 0 the server sees a reset. */
static void
hand_reset(struct hand *p)
{
	struct linger hard = {.l_onoff = 1};

	assert_int_equal(setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
	hand_close(p);
}

/* Sends what the pump has to say, at most max bytes of it. */
static void
hand_send(struct hand *p, size_t max)
{
	struct buf *out = tls_conn_output(p->t);
	size_t n = out->len < max ? out->len : max;

	assert_int_equal(send(p->fd, out->data, n, MSG_NOSIGNAL), n);
	buf_clear(out);
}

/* Receives once; false at the end. */
static bool
hand_receive(struct hand *p)
{
	uint8_t raw[16384], plain[16384];
	ssize_t n = recv(p->fd, raw, sizeof raw, 0);
	struct bytes in = bytes_of(raw, n > 0 ? (size_t)n : 0);
	size_t len;

	if (n < 0 && errno != ECONNRESET)
		fail_msg("the server neither answered nor closed: %s", strerror(errno));
	p->ended = n <= 0;
	while (in.len > 0 && tls_conn_receive(p->t, &in, plain, sizeof plain, &len) == IM_OK)
		buf_append(&p->got, plain, len);
	return !p->ended;
}

static void
hand_shake(struct hand *p)
{
	hand_send(p, SIZE_MAX);
	while (!tls_conn_is_established(p->t))
		assert_true(hand_receive(p));
	hand_send(p, SIZE_MAX);
}

static void
hand_say_hello(struct hand *p)
{
	struct frame_client_hello hello = {1, 1, 1 << 20, 1 << 20, bytes_str("by hand"), false};
	struct buf b;

	buf_init(&b, 4096);
	frame_put_client_hello(&b, &hello);
	assert_int_equal(tls_conn_send(p->t, buf_bytes(&b)), IM_OK);
	buf_free(&b);
	hand_send(p, SIZE_MAX);
	while (p->got.len < FRAME_HEADER_BYTES)
		assert_true(hand_receive(p));
	buf_clear(&p->got);
}

static void
hand_expect_end(struct hand *p)
{
	while (hand_receive(p))
		;
}

static void
assert_alive(struct harness *h)
{
	struct rpc_client_conn *c = harness_connect(h, (struct rpc_client_options){0});

	harness_do_login(c);
	rpc_client_close(c);
}

/* Whoever speaks the other language is told so. */
static void
wrong_language(void **state)
{
	struct tls_context *server = harness_tls_server;
	struct rpc_client_options plain = {.host = "127.0.0.1"};
	struct rpc_client_conn *c;
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	plain.port = h.port_v4;
	assert_int_equal(rpc_client_connect(&plain, &c), IM_ERR_TLS);
	assert_non_null(strstr(err_detail(IM_ERR_TLS), "this port speaks TLS only"));
	assert_alive(&h);
	harness_stop(&h);
	harness_tls_server = NULL;
	harness_start(&h, (struct rpc_server_options){0});
	harness_tls_server = server;
	plain.port = h.port_v4;
	plain.tls = harness_tls_client;
	assert_int_equal(rpc_client_connect(&plain, &c), IM_ERR_TLS);
	assert_non_null(strstr(err_detail(IM_ERR_TLS), "does not speak TLS"));
	WAIT_FOR(rpc_server_connections(h.server) == 0);
	harness_stop(&h);
}

/* The connection ends at any byte of the handshake, by a close or by a reset; nothing stays. */
static void
ends_in_the_handshake(void **state)
{
	struct harness h;
	size_t fds, len = 0;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	assert_alive(&h);
	WAIT_FOR(rpc_server_connections(h.server) == 0);
	fds = harness_fds();
	for (size_t at = 0; at <= len; at += 13) {
		struct hand p = hand_connect(&h);

		len = tls_conn_output(p.t)->len;
		hand_send(&p, at);
		if (at % 2)
			hand_close(&p);
		else
			hand_reset(&p);
	}
	for (int i = 0; i < 20; i++) {
		struct hand p = hand_connect(&h);

		hand_shake(&p);
		hand_reset(&p);
	}
	WAIT_FOR(rpc_server_connections(h.server) == 0);
	WAIT_FOR(harness_fds() <= fds);
	assert_alive(&h);
	harness_stop(&h);
}

/* A peer that begins and does not go on is not waited for: handshake, hello, record, frame. */
static void
silence(void **state)
{
	static const char part[] = {0, 0, 1, 0, FRAME_REQUEST, 0, 0};
	struct harness h;
	struct hand p;

	(void)state;
	harness_start(&h, (struct rpc_server_options){.hello_timeout_ms = HELLO_MS});
	p = hand_connect(&h);
	hand_send(&p, 100);
	hand_expect_end(&p);
	hand_close(&p);
	p = hand_connect(&h);
	hand_shake(&p);
	hand_expect_end(&p);
	hand_close(&p);
	assert_alive(&h);
	harness_stop(&h);
	harness_start(&h, (struct rpc_server_options){.frame_timeout_ms = FRAME_MS});
	for (size_t at = 3; at <= sizeof part + 5 + 17; at += 26) {
		p = hand_connect(&h);
		hand_shake(&p);
		hand_say_hello(&p);
		assert_int_equal(tls_conn_send(p.t, bytes_of(part, sizeof part)), IM_OK);
		hand_send(&p, at);
		hand_expect_end(&p);
		hand_close(&p);
	}
	WAIT_FOR(rpc_server_connections(h.server) == 0);
	assert_alive(&h);
	harness_stop(&h);
}

/* A record that was altered on its way ends the connection, and what was in it is not handled. */
static void
altered(void **state)
{
	struct frame_request health = {.method = RPC_METHOD_Health};
	struct harness h;
	struct hand p;
	struct buf b;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	p = hand_connect(&h);
	hand_shake(&p);
	hand_say_hello(&p);
	buf_init(&b, 4096);
	frame_put_request(&b, 1, false, &health, 0);
	assert_int_equal(tls_conn_send(p.t, buf_bytes(&b)), IM_OK);
	tls_conn_output(p.t)->data[8] ^= 1;
	hand_send(&p, SIZE_MAX);
	hand_expect_end(&p);
	assert_int_equal(p.got.len, 0);
	assert_int_equal(harness_handled(&h), 0);
	hand_close(&p);
	buf_free(&b);
	assert_alive(&h);
	harness_stop(&h);
}

/* A server that leaves says so, and so does a client: nobody takes a cut for an end. */
static void
farewells(void **state)
{
	struct harness h;
	struct hand p;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	p = hand_connect(&h);
	hand_shake(&p);
	hand_say_hello(&p);
	/* A fault: the reason, and close-notify behind it. */
	assert_int_equal(tls_conn_send(p.t, bytes_str("xxxxxxxxxxxxxxxxxxxx")), IM_OK);
	hand_send(&p, SIZE_MAX);
	hand_expect_end(&p);
	assert_true(p.got.len > FRAME_HEADER_BYTES && p.got.data[4] == FRAME_GOAWAY);
	assert_true(tls_conn_is_closed(p.t));
	assert_int_equal(tls_conn_end(p.t), IM_OK);
	hand_close(&p);
	/* The client's close-notify ends it at once. */
	p = hand_connect(&h);
	hand_shake(&p);
	hand_say_hello(&p);
	tls_conn_close(p.t);
	hand_send(&p, SIZE_MAX);
	hand_expect_end(&p);
	assert_true(tls_conn_is_closed(p.t));
	hand_close(&p);
	p = hand_connect(&h);
	hand_shake(&p);
	hand_say_hello(&p);
	/* With time to end the answer that is being written: a cut has no last word. */
	rpc_server_stop(h.server, DRAIN_MS);
	hand_expect_end(&p);
	assert_true(tls_conn_is_closed(p.t));
	hand_close(&p);
	rpc_server_free(h.server);
	pthread_mutex_destroy(&h.lock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(wrong_language),
	    cmocka_unit_test(ends_in_the_handshake),
	    cmocka_unit_test(silence),
	    cmocka_unit_test(altered),
	    cmocka_unit_test(farewells),
	};

	return cmocka_run_group_tests(tests, harness_setup_tls, harness_teardown);
}
