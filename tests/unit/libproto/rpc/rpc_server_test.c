/*
 * The server against peers that do not keep to the rules: each is refused, and harms nobody else.
 */
#include "libproto/rpc/raw_peer.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>

#include "rpc/server_conn.h"
#include "util/metrics.h"

/* A peer that has read nothing for so long has stopped reading. */
#define STALL_MS 1000

/* ---- Hellos and garbage. ---- */

static void
test_garbage(void **state)
{
	static const struct bytes junk[] = {
#define JUNK(text) {(const uint8_t *)(text), sizeof(text) - 1}
	    JUNK("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
	    JUNK("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
	    JUNK("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
	    JUNK("\0\0\0\0\0\0\0\0\0\0\0\0"),
	    JUNK("0123456789012345678901234567890123456789"),
#undef JUNK
	};
	struct harness h;
	struct raw good, r;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	good = raw_open(&h);
	for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
		r = raw_connect(&h);
		assert_true(send(r.fd, junk[i].data, junk[i].len, MSG_NOSIGNAL) > 0);
		/* Who speaks TLS is told that this is not the place. */
		if (junk[i].data[0] == 0x16)
			raw_expect_error(&r, 0, IM_STATUS_UNAVAILABLE);
		assert_false(raw_read(&r));
		raw_close(&r);
		r = raw_open(&h);
		assert_true(send(r.fd, junk[i].data, junk[i].len, MSG_NOSIGNAL) > 0);
		raw_expect(&r, FRAME_GOAWAY, 0);
		assert_false(raw_read(&r));
		raw_close(&r);
		assert_alive(&good);
	}
	raw_close(&good);
	harness_stop(&h);
}

static void
test_length_of_4_gib(void **state)
{
	uint8_t head[FRAME_HEADER_BYTES];
	struct harness h;
	struct raw r;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	r = raw_open(&h);
	frame_put_header(head, FRAME_REQUEST, 0, 1, UINT32_MAX);
	assert_int_equal(send(r.fd, head, sizeof head, MSG_NOSIGNAL), sizeof head);
	raw_expect_end(&r);
	raw_close(&r);
	harness_stop(&h);
}

static void
test_other_version(void **state)
{
	struct harness h;
	struct raw r;
	struct buf b;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	r = raw_connect(&h);
	buf_init(&b, 4096);
	put_hello(&b, FRAME_VERSION + 1, 1 << 20);
	raw_send(&r, &b);
	raw_expect_error(&r, 0, IM_STATUS_FAILED_PRECONDITION);
	assert_false(raw_read(&r));
	raw_close(&r);
	buf_free(&b);
	harness_stop(&h);
}

static void
test_no_hello(void **state)
{
	struct harness h;
	struct raw silent, half;

	(void)state;
	harness_start(&h, (struct rpc_server_options){.hello_timeout_ms = 30});
	silent = raw_connect(&h);
	half = raw_connect(&h);
	assert_int_equal(send(half.fd, "\0\0\0", 3, MSG_NOSIGNAL), 3);
	assert_false(raw_read(&silent));
	assert_false(raw_read(&half));
	raw_close(&silent);
	raw_close(&half);
	harness_stop(&h);
}

static void
test_half_frame(void **state)
{
	struct harness h;
	struct raw good, r, slow;
	struct buf b;
	struct pollfd p;
	size_t i;

	(void)state;
	harness_start(&h, (struct rpc_server_options){.frame_timeout_ms = 50});
	good = raw_open(&h);
	buf_init(&b, 1 << 20);
	/* Half a frame, then silence. */
	r = raw_open(&h);
	put_request(&b, 1, RPC_METHOD_Health, NO_BODY);
	b.len -= 3;
	raw_send(&r, &b);
	raw_expect_end(&r);
	raw_close(&r);
	/* Byte by byte does not buy more time. */
	slow = raw_open(&h);
	buf_reserve(&b, 16000);
	memset(b.data, 0, 16000);
	b.len = 16000;
	frame_put_header(b.data, FRAME_REQUEST, 0, 1, 15000);
	for (i = 0; i < 5000; i++) {
		p = (struct pollfd){.fd = slow.fd, .events = POLLIN};
		if (poll(&p, 1, 2) != 0 || send(slow.fd, b.data + i, 1, MSG_NOSIGNAL) != 1)
			break;
	}
	assert_true(i < 5000);
	raw_expect_end(&slow);
	raw_close(&slow);
	/* Whoever owes nothing stays. */
	assert_alive(&good);
	raw_close(&good);
	buf_free(&b);
	harness_stop(&h);
}

static void
test_half_body(void **state)
{
	struct harness h;
	struct raw r;
	struct buf b;

	(void)state;
	harness_start(&h, (struct rpc_server_options){.frame_timeout_ms = 50});
	r = raw_open(&h);
	raw_login(&r);
	buf_init(&b, 4096);
	put_large(&b, 1, RPC_METHOD_Set, "", 100000);
	frame_put_data(&b, 1, bytes_str("some"));
	raw_send(&r, &b);
	raw_expect_end(&r);
	raw_close(&r);
	buf_free(&b);
	harness_stop(&h);
}

static void
test_surplus_connections(void **state)
{
	struct raw r[3];
	struct harness h;
	struct buf b;

	(void)state;
	harness_start(&h, (struct rpc_server_options){.max_connections = 2});
	r[0] = raw_open(&h);
	r[1] = raw_open(&h);
	raw_login(&r[0]);
	raw_login(&r[1]);
	r[2] = raw_connect(&h);
	buf_init(&b, 4096);
	put_hello(&b, FRAME_VERSION, 1 << 20);
	raw_send(&r[2], &b);
	raw_expect_error(&r[2], 0, IM_STATUS_RESOURCE_EXHAUSTED);
	assert_false(raw_read(&r[2]));
	raw_close(&r[2]);
	raw_close(&r[1]);
	WAIT_FOR(rpc_server_connections(h.server) == 1);
	r[1] = raw_open(&h);
	assert_alive(&r[0]);
	assert_alive(&r[1]);
	raw_close(&r[0]);
	raw_close(&r[1]);
	buf_free(&b);
	harness_stop(&h);
}

/* A connection that has not logged in gives way to a newer one; one that has does not. */
static void
test_strangers_give_way(void **state)
{
	struct raw r[4];
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){.max_connections = 2});
	r[0] = raw_open(&h);
	r[1] = raw_open(&h);
	raw_login(&r[0]);
	r[2] = raw_open(&h);
	assert_false(raw_read(&r[1]));
	raw_login(&r[2]);
	raw_close(&r[1]);
	WAIT_FOR(rpc_server_connections(h.server) == 2);
	raw_close(&r[2]);
	WAIT_FOR(rpc_server_connections(h.server) == 1);
	r[1] = raw_open(&h);
	r[3] = raw_open(&h);
	assert_false(raw_read(&r[1]));
	assert_alive(&r[0]);
	assert_alive(&r[3]);
	raw_close(&r[0]);
	raw_close(&r[1]);
	raw_close(&r[3]);
	harness_stop(&h);
}

/* More connections than may begin at once: they wait, and are greeted all the same. */
static void
test_connections_wait_for_their_turn(void **state)
{
	enum { RATE = 40, CONNECTIONS = 20 };
	struct metrics *m = metrics_new();
	struct raw r[CONNECTIONS];
	struct harness h;
	struct buf text;

	(void)state;
	harness_start(&h, (struct rpc_server_options){.max_connection_rate = RATE, .metrics = m});
	for (int i = 0; i < CONNECTIONS; i++)
		r[i] = raw_connect(&h);
	/* One that waits does not wait to be gone. */
	raw_close(&r[CONNECTIONS - 1]);
	for (int i = 0; i < CONNECTIONS - 1; i++) {
		raw_greet(&r[i], 1 << 20);
		assert_alive(&r[i]);
		raw_close(&r[i]);
	}
	WAIT_FOR(rpc_server_connections(h.server) == 0);
	buf_init(&text, 1 << 20);
	assert_int_equal(metrics_render(m, &text), IM_OK);
	buf_append_u8(&text, '\0');
	assert_non_null(strstr((const char *)text.data, "\nimmudb_rpc_connections_delayed_total "));
	assert_null(strstr((const char *)text.data, "\nimmudb_rpc_connections_delayed_total 0\n"));
	buf_free(&text);
	harness_stop(&h);
	metrics_free(m);
}

/* The server ends while connections wait for their turn. */
static void
test_stop_while_connections_wait(void **state)
{
	struct raw r[6];
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){.max_connection_rate = 1});
	for (int i = 0; i < 6; i++)
		r[i] = raw_connect(&h);
	WAIT_FOR(rpc_server_connections(h.server) == 6);
	harness_stop(&h);
	for (int i = 0; i < 6; i++)
		raw_close(&r[i]);
}

/* ---- Requests. ---- */

static void
test_refused_requests(void **state)
{
	struct harness h;
	struct raw r;
	struct buf b;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	r = raw_open(&h);
	buf_init(&b, 1 << 20);
	put_request(&b, 1, 0x7fff, NO_BODY);
	put_request(&b, 2, RPC_METHOD_Get, bytes_str("\x30\x01"));  /* a field that is not there */
	put_request(&b, 3, RPC_METHOD_Get, bytes_str("\x0a\x05x")); /* cut short */
	put_request(&b, 4, RPC_METHOD_Get, bytes_str("\x0a\x01x"));
	raw_send(&r, &b);
	raw_expect_error(&r, 1, IM_STATUS_UNIMPLEMENTED);
	raw_expect_error(&r, 2, IM_STATUS_UNIMPLEMENTED);
	raw_expect_error(&r, 3, IM_STATUS_INVALID_ARGUMENT);
	raw_expect(&r, FRAME_ANSWER, 4);
	/* The announced size decides, before anything else is sent. */
	raw_login(&r);
	put_large(&b, 5, RPC_METHOD_Set, "", UINT32_MAX);
	raw_send(&r, &b);
	raw_expect_error(&r, 5, IM_STATUS_RESOURCE_EXHAUSTED);
	/* What of it was under way already is thrown away. */
	frame_put_data(&b, 5, bytes_str("late"));
	frame_put_empty(&b, FRAME_END, 5);
	raw_send(&r, &b);
	assert_alive(&r);
	raw_close(&r);
	buf_free(&b);
	harness_stop(&h);
}

/* Each of these ends the connection. */
static void
fault_twice_the_id(struct buf *b)
{
	put_request(b, 1, RPC_METHOD_Scan, NO_BODY);
	put_request(b, 1, RPC_METHOD_Scan, NO_BODY);
}

static void
fault_body_too_long(struct buf *b)
{
	put_large(b, 1, RPC_METHOD_Set, "good token", 3);
	frame_put_data(b, 1, bytes_str("four"));
}

static void
fault_body_too_short(struct buf *b)
{
	put_large(b, 1, RPC_METHOD_Set, "good token", 5);
	frame_put_data(b, 1, bytes_str("four"));
	frame_put_empty(b, FRAME_END, 1);
}

static void
fault_empty_chunk(struct buf *b)
{
	put_large(b, 1, RPC_METHOD_Set, "good token", 5);
	frame_put_data(b, 1, NO_BODY);
}

static void
fault_large_before_login(struct buf *b)
{
	uint8_t *p = buf_reserve(b, 20000);

	memset(p, 0, 20000);
	frame_put_header(p, FRAME_REQUEST, 0, 1, 19990);
	b->len += 20000;
}

static void
fault_second_hello(struct buf *b)
{
	put_hello(b, FRAME_VERSION, 1 << 20);
}

static void
fault_answer(struct buf *b)
{
	frame_put_answer(b, 1, false, 0, 0);
}

static void
fault_short_request(struct buf *b)
{
	uint8_t *p = buf_reserve(b, 16);

	frame_put_header(p, FRAME_REQUEST, 0, 1, 3);
	b->len += FRAME_HEADER_BYTES + 3;
}

static void
fault_cancel_with_payload(struct buf *b)
{
	uint8_t *p = buf_reserve(b, 16);

	frame_put_header(p, FRAME_CANCEL, 0, 1, 1);
	b->len += FRAME_HEADER_BYTES + 1;
}

static void
test_faults(void **state)
{
	static void (*const faults[])(struct buf *) = {fault_twice_the_id, fault_body_too_long,
	    fault_body_too_short, fault_empty_chunk, fault_large_before_login, fault_second_hello,
	    fault_answer, fault_short_request, fault_cancel_with_payload};
	struct harness h;
	struct raw good, r;
	struct buf b;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	good = raw_open(&h);
	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		r = raw_open(&h);
		faults[i](&b);
		raw_send(&r, &b);
		do
			assert_true(raw_read(&r));
		while (r.f.kind != FRAME_GOAWAY);
		assert_false(raw_read(&r));
		raw_close(&r);
		assert_alive(&good);
	}
	raw_close(&good);
	buf_free(&b);
	harness_stop(&h);
}

static void
test_outstanding_limit(void **state)
{
	struct harness h;
	struct raw r;
	struct buf b;
	size_t answered = 0;

	(void)state;
	harness_start(&h, (struct rpc_server_options){.max_outstanding = 8});
	r = raw_open(&h);
	buf_init(&b, 1 << 20);
	for (uint32_t i = 1; i <= 100; i++)
		put_request(&b, i, RPC_METHOD_Scan, NO_BODY);
	raw_send(&r, &b);
	WAIT_FOR(harness_parked(&h) == 8);
	while (answered < 100) {
		assert_true(harness_parked(&h) <= 8);
		answered += harness_answer_parked(&h);
	}
	for (uint32_t i = 0; i < 100; i++) {
		assert_true(raw_read(&r));
		assert_int_equal(r.f.kind, FRAME_ANSWER);
	}
	assert_alive(&r);
	raw_close(&r);
	buf_free(&b);
	harness_stop(&h);
}

static void
test_cancel(void **state)
{
	struct harness h;
	struct raw r;
	struct buf b;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	r = raw_open_window(&h, 2048);
	raw_login(&r);
	buf_init(&b, 1 << 20);
	/* One that is being worked on, */
	put_request(&b, 1, RPC_METHOD_Scan, NO_BODY);
	frame_put_empty(&b, FRAME_CANCEL, 1);
	/* one that is coming in, */
	put_large(&b, 2, RPC_METHOD_Set, "", 100000);
	frame_put_data(&b, 2, bytes_str("some"));
	frame_put_empty(&b, FRAME_CANCEL, 2);
	/* and one that is nobody's. */
	frame_put_empty(&b, FRAME_CANCEL, 77);
	raw_send(&r, &b);
	raw_expect_error(&r, 2, IM_STATUS_CANCELLED);
	WAIT_FOR(harness_parked(&h) == 1 && rpc_request_is_abandoned(h.parked[0]));
	harness_answer_parked(&h);
	raw_expect_error(&r, 1, IM_STATUS_CANCELLED);
	/* One whose answer is going out. */
	put_export(&b, 3, 100000);
	raw_send(&r, &b);
	raw_expect(&r, FRAME_ANSWER, 3);
	raw_expect(&r, FRAME_DATA, 3);
	frame_put_empty(&b, FRAME_CANCEL, 3);
	raw_send(&r, &b);
	raw_expect_error(&r, 3, IM_STATUS_CANCELLED);
	assert_alive(&r);
	raw_close(&r);
	buf_free(&b);
	harness_stop(&h);
}

/* Reads DATA of an answer until n bytes have come. */
static void
raw_expect_data(struct raw *r, uint32_t id, size_t n)
{
	size_t got = 0;

	while (got < n) {
		raw_expect(r, FRAME_DATA, id);
		got += r->f.payload.len;
	}
	assert_int_equal(got, n);
}

static void
test_credit(void **state)
{
	struct harness h;
	struct bytes body;
	struct raw r;
	struct buf b;
	uint32_t total;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	r = raw_open_window(&h, 2000);
	buf_init(&b, 4096);
	put_export(&b, 1, 100000);
	raw_send(&r, &b);
	raw_expect(&r, FRAME_ANSWER, 1);
	assert_int_equal(r.f.flags, FRAME_FLAG_MORE);
	assert_int_equal(frame_read_answer(&r.f, &total, &body), IM_OK);
	assert_int_equal(total, 100004);
	raw_expect_data(&r, 1, 2000);
	/* Nothing more of it comes, but everything else does. */
	assert_alive(&r);
	frame_put_credit(&b, 1, 5000);
	raw_send(&r, &b);
	raw_expect_data(&r, 1, 5000);
	assert_alive(&r);
	frame_put_credit(&b, 1, 1000000);
	raw_send(&r, &b);
	raw_expect_data(&r, 1, 100004 - 7000);
	raw_expect(&r, FRAME_END, 1);
	/* Credit for what is over is nobody's; credit beyond 32 bits is a fault. */
	frame_put_credit(&b, 1, 1);
	raw_send(&r, &b);
	assert_alive(&r);
	put_export(&b, 2, 100000);
	frame_put_credit(&b, 2, UINT32_MAX);
	frame_put_credit(&b, 2, UINT32_MAX);
	raw_send(&r, &b);
	do
		assert_true(raw_read(&r));
	while (r.f.kind != FRAME_GOAWAY);
	raw_close(&r);
	buf_free(&b);
	harness_stop(&h);
}

static void
test_memory_limit(void **state)
{
	struct harness h;
	struct raw r;
	struct buf b;
	uint8_t chunk[10000] = {0};

	(void)state;
	harness_start(&h, (struct rpc_server_options){.max_total_bytes = 200000});
	r = raw_open(&h);
	raw_login(&r);
	buf_init(&b, 4 << 20);
	/* Announced is not charged, received is. */
	put_large(&b, 1, RPC_METHOD_Set, "", 30 << 20);
	put_large(&b, 2, RPC_METHOD_Set, "", 30 << 20);
	raw_send(&r, &b);
	assert_alive(&r);
	for (int i = 0; i < 30; i++)
		frame_put_data(&b, 1, bytes_of(chunk, sizeof chunk));
	raw_send(&r, &b);
	raw_expect_error(&r, 1, IM_STATUS_RESOURCE_EXHAUSTED);
	/* The memory is free again. */
	put_export(&b, 3, 100000);
	raw_send(&r, &b);
	raw_expect(&r, FRAME_ANSWER, 3);
	raw_expect_data(&r, 3, 100004);
	raw_expect(&r, FRAME_END, 3);
	put_export(&b, 4, 300000);
	raw_send(&r, &b);
	raw_expect_error(&r, 4, IM_STATUS_RESOURCE_EXHAUSTED);
	raw_close(&r);
	buf_free(&b);
	harness_stop(&h);
}

/* ---- Peers that do not read, or go away. ---- */

/* Sends gets of a large key until the server takes no more; returns how many went. */
static uint32_t
flood(struct raw *r, size_t max)
{
	uint8_t body[4096] = {0x0a, 0xfd, 0x1f};
	struct pollfd p = {.fd = r->fd, .events = POLLOUT};
	uint32_t id = 0;
	size_t sent = 0;
	struct buf b;

	buf_init(&b, 1 << 16);
	while (id < max) {
		put_request(&b, ++id, RPC_METHOD_Get, bytes_of(body, sizeof body));
		for (sent = 0; sent < b.len;) {
			ssize_t n =
			    send(r->fd, b.data + sent, b.len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

			if (n < 0 && (errno != EAGAIN || poll(&p, 1, STALL_MS) == 0))
				goto out;
			sent += n > 0 ? (size_t)n : 0;
		}
		buf_clear(&b);
	}
out:
	buf_free(&b);
	return sent == 0 ? id - 1 : id;
}

static void
test_slow_reader(void **state)
{
	struct rpc_server_options o = {.max_queued_bytes = 1 << 18};
	struct harness h;
	struct raw good, r;
	uint32_t sent;
	size_t handled;

	(void)state;
	harness_start(&h, o);
	good = raw_open(&h);
	r = raw_open(&h);
	sent = flood(&r, 20000);
	/* The server has stopped reading: what it holds is bounded, and others are served. */
	assert_true(sent < 20000);
	handled = harness_handled(&h);
	assert_true(handled < sent);
	assert_alive(&good);
	/* When the peer reads, everything goes on; the last request may be cut off. */
	for (uint32_t i = 0; i + 1 < sent; i++) {
		assert_true(raw_read(&r));
		assert_int_equal(r.f.kind, FRAME_ANSWER);
	}
	raw_close(&r);
	raw_close(&good);
	harness_stop(&h);
}

static void
test_peer_never_reads(void **state)
{
	struct rpc_server_options o = {.max_queued_bytes = 1 << 18, .write_timeout_ms = 50};
	struct harness h;
	struct raw r;

	(void)state;
	harness_start(&h, o);
	r = raw_open(&h);
	flood(&r, 20000);
	WAIT_FOR(rpc_server_connections(h.server) == 0);
	raw_close(&r);
	harness_stop(&h);
}

static void
test_reset_with_outstanding(void **state)
{
	struct linger now = {.l_onoff = 1};
	size_t fds, parked = 0;
	struct harness h;
	struct raw r;
	struct buf b;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	r = raw_open(&h);
	assert_alive(&r);
	raw_close(&r);
	WAIT_FOR(rpc_server_connections(h.server) == 0);
	fds = harness_fds();
	buf_init(&b, 1 << 20);
	for (int i = 0; i < 500; i++) {
		r = i % 2 ? raw_open(&h) : raw_connect(&h);
		if (i % 2 == 0)
			put_hello(&b, FRAME_VERSION, 1 << 20);
		for (uint32_t id = 1; id <= 5; id++)
			put_request(&b, id, RPC_METHOD_Scan, NO_BODY);
		put_request(&b, 6, RPC_METHOD_Health, NO_BODY);
		put_export(&b, 7, 100000);
		raw_send(&r, &b);
		if (i % 4 != 0)
			setsockopt(r.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
		raw_close(&r);
		/* Answers to those who are gone, while others come. */
		if (i % 10 == 0)
			parked += harness_answer_parked(&h);
	}
	WAIT_FOR(rpc_server_connections(h.server) == 0);
	WAIT_FOR(harness_fds() <= fds);
	parked += harness_answer_parked(&h);
	assert_true(parked >= 5);
	r = raw_open(&h);
	assert_alive(&r);
	raw_close(&r);
	buf_free(&b);
	harness_stop(&h);
}

/* When there are no descriptors left the server waits, and goes on when there are some again. */
static void
test_no_descriptors(void **state)
{
	struct rlimit old, low;
	struct harness h;
	struct raw r, extra;
	int spare[64];
	size_t n = 0;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	r = raw_open(&h);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = (struct rlimit){.rlim_cur = harness_fds() + 10, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (n < 64 && (spare[n] = dup(0)) >= 0)
		n++;
	assert_true(n > 0 && n < 64);
	/* Room for the peer's end, none for the server's. */
	close(spare[--n]);
	extra = raw_connect(&h);
	assert_alive(&r);
	while (n > 0)
		close(spare[--n]);
	WAIT_FOR(rpc_server_connections(h.server) == 2);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	raw_close(&extra);
	raw_close(&r);
	harness_stop(&h);
}

/* Whether the server's only connection holds a read buffer. */
static bool
holds_buffer(struct harness *h)
{
	bool busy;

	pthread_mutex_lock(&h->server->lock);
	busy = atomic_load(&h->server->conns->link.busy);
	pthread_mutex_unlock(&h->server->lock);
	return busy;
}

static void
burst(struct raw *r, struct buf *b)
{
	uint8_t body[4096] = {0x0a, 0xfd, 0x1f};

	for (uint32_t id = 1; id <= 20; id++)
		put_request(b, id, RPC_METHOD_Get, bytes_of(body, sizeof body));
	raw_send(r, b);
	for (uint32_t id = 1; id <= 20; id++)
		raw_expect(r, FRAME_ANSWER, id);
}

static atomic_uint quiet_calls;

static void
count_quiet(void *ctx)
{
	(void)ctx;
	atomic_fetch_add(&quiet_calls, 1);
}

/*
 * A busy connection holds a buffer, a quiet one gives it back and works as before. The owner is
 * told when none is busy, by the end of the last busy one as well.
 */
static void
test_quiet_between_bursts(void **state)
{
	struct harness h;
	struct raw r;
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	atomic_store(&quiet_calls, 0);
	harness_start(
	    &h, (struct rpc_server_options){.idle_buffer_ms = 600000, .quiet = count_quiet});
	r = raw_open(&h);
	assert_false(holds_buffer(&h));
	burst(&r, &b);
	assert_true(holds_buffer(&h));
	assert_int_equal(atomic_load(&quiet_calls), 0);
	raw_close(&r);
	WAIT_FOR(atomic_load(&quiet_calls) == 1);
	harness_stop(&h);
	harness_start(&h, (struct rpc_server_options){.idle_buffer_ms = 1, .quiet = count_quiet});
	r = raw_open(&h);
	for (int i = 0; i < 5; i++) {
		burst(&r, &b);
		WAIT_FOR(!holds_buffer(&h));
		WAIT_FOR(atomic_load(&quiet_calls) >= 2u + (unsigned)i);
	}
	assert_alive(&r);
	raw_close(&r);
	buf_free(&b);
	harness_stop(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_garbage),
	    cmocka_unit_test(test_length_of_4_gib),
	    cmocka_unit_test(test_other_version),
	    cmocka_unit_test(test_no_hello),
	    cmocka_unit_test(test_half_frame),
	    cmocka_unit_test(test_half_body),
	    cmocka_unit_test(test_surplus_connections),
	    cmocka_unit_test(test_strangers_give_way),
	    cmocka_unit_test(test_connections_wait_for_their_turn),
	    cmocka_unit_test(test_stop_while_connections_wait),
	    cmocka_unit_test(test_refused_requests),
	    cmocka_unit_test(test_faults),
	    cmocka_unit_test(test_outstanding_limit),
	    cmocka_unit_test(test_cancel),
	    cmocka_unit_test(test_credit),
	    cmocka_unit_test(test_memory_limit),
	    cmocka_unit_test(test_slow_reader),
	    cmocka_unit_test(test_peer_never_reads),
	    cmocka_unit_test(test_reset_with_outstanding),
	    cmocka_unit_test(test_no_descriptors),
	    cmocka_unit_test(test_quiet_between_bursts),
	};

	return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
