/*
 * Streams over loopback connections: all bytes and the end, errors before and behind them, credit,
 * streams that stand still, streams that nobody wants any more.
 */
#include "rpc_harness.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/frame.h"

#define WINDOW ((uint64_t)1024 * 1024)
/*
 * What a server may have put of a stream that is not read: window, queue, and what is being
 * written.
 */
#define UNREAD_MAX (WINDOW + 1024 * 1024)

static Immudb__Schema__ScanRequest
stream_request(uint64_t bytes)
{
	Immudb__Schema__ScanRequest in = IMMUDB__SCHEMA__SCAN_REQUEST__INIT;

	in.limit = bytes;
	return in;
}

static struct rpc_stream *
open_stream(struct rpc_client_conn *c, const Immudb__Schema__ScanRequest *in)
{
	struct rpc_call call = {
	    .method = RPC_METHOD_StreamScan, .request = &in->base, .timeout_ms = 60000};
	struct rpc_stream *s = NULL;

	assert_int_equal(rpc_stream_open(c, &call, &s), IM_OK);
	return s;
}

static void
assert_reads(struct rpc_stream *s, uint64_t from, uint64_t to, size_t step)
{
	static uint8_t data[100000];

	while (from < to) {
		size_t n = to - from < step ? (size_t)(to - from) : step;

		assert_int_equal(rpc_stream_read(s, data, n), IM_OK);
		for (size_t i = 0; i < n; i++)
			if (data[i] != harness_stream_byte(from + i))
				fail_msg("byte %llu", (unsigned long long)(from + i));
		from += n;
	}
}

static void
test_whole_streams(void **state)
{
	static const struct {
		uint64_t bytes;
		size_t step;
	} cases[] = {{0, 1}, {1, 1}, {8, 3}, {65536, 65536}, {300000, 777}, {12345678, 99991}};
	struct harness h;
	struct rpc_client_conn *c;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	c = harness_connect(&h, (struct rpc_client_options){0});
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		Immudb__Schema__ScanRequest in = stream_request(cases[i].bytes);
		struct rpc_stream *s = open_stream(c, &in);
		uint8_t byte;

		assert_reads(s, 0, cases[i].bytes, cases[i].step);
		assert_int_equal(rpc_stream_read(s, &byte, 1), IM_ERR_NOT_FOUND);
		assert_int_equal(rpc_stream_read(s, &byte, 1), IM_ERR_NOT_FOUND);
		rpc_stream_close(s);
	}
	rpc_client_close(c);
	harness_stop(&h);
}

/* The u64 in front of a message; and a stream that ends in the middle of it. */
static void
test_messages(void **state)
{
	Immudb__Schema__ScanRequest in = stream_request(13);
	struct harness h;
	struct rpc_client_conn *c;
	struct rpc_stream *s;
	uint8_t expected[8];
	uint64_t len;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	c = harness_connect(&h, (struct rpc_client_options){0});
	s = open_stream(c, &in);
	for (size_t i = 0; i < sizeof expected; i++)
		expected[i] = harness_stream_byte(i);
	assert_int_equal(rpc_stream_next(s, &len), IM_OK);
	assert_true(len == be64_get(expected));
	assert_int_equal(rpc_stream_next(s, &len), IM_ERR_PROTOCOL);
	assert_int_equal(rpc_stream_next(s, &len), IM_ERR_PROTOCOL);
	rpc_stream_close(s);
	rpc_client_close(c);
	harness_stop(&h);
}

static void
test_errors(void **state)
{
	Immudb__Schema__ScanRequest in = stream_request(200000);
	Immudb__Schema__KeyRequest key = IMMUDB__SCHEMA__KEY_REQUEST__INIT;
	struct rpc_call call = {.method = RPC_METHOD_StreamGet, .request = &key.base};
	struct harness h;
	struct rpc_client_conn *c;
	struct rpc_stream *s;
	uint8_t byte;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	c = harness_connect(&h, (struct rpc_client_options){0});
	/* Behind data: all of it comes first. */
	in.desc = true;
	s = open_stream(c, &in);
	assert_reads(s, 0, 200000, 5000);
	assert_int_equal(rpc_stream_status(s), IM_STATUS_OK);
	assert_int_equal(err_status(rpc_stream_read(s, &byte, 1)), IM_STATUS_DATA_LOSS);
	assert_int_equal(rpc_stream_status(s), IM_STATUS_DATA_LOSS);
	rpc_stream_close(s);
	/* Instead of a stream. */
	assert_int_equal(rpc_stream_open(c, &call, &s), IM_OK);
	assert_int_equal(rpc_stream_read(s, &byte, 1), IM_ERR_UNIMPLEMENTED);
	assert_string_equal(err_detail(IM_ERR_UNIMPLEMENTED), err_text(IM_ERR_UNIMPLEMENTED));
	rpc_stream_close(s);
	/* The wrong way to call. */
	call.method = RPC_METHOD_Get;
	assert_int_equal(rpc_stream_open(c, &call, &s), IM_ERR_ARGUMENT);
	assert_null(s);
	call = (struct rpc_call){.method = RPC_METHOD_StreamScan, .request = &in.base};
	assert_int_equal(rpc_call_start(c, &call, NULL, NULL), IM_ERR_ARGUMENT);
	rpc_client_close(c);
	harness_stop(&h);
}

static void
assert_answers(struct rpc_client_conn *c, uint64_t bytes)
{
	Immudb__Schema__ExportTxRequest in = IMMUDB__SCHEMA__EXPORT_TX_REQUEST__INIT;
	struct rpc_call call = {.method = RPC_METHOD_ExportTx, .request = &in.base};
	ProtobufCMessage *m;
	struct arena a;

	arena_init(&a, 64 << 20);
	in.tx = bytes;
	assert_int_equal(rpc_call_wait(c, &call, &a, &m, NULL), IM_OK);
	assert_int_equal(((Immudb__Schema__Chunk *)m)->content.len, bytes);
	arena_free(&a);
}

/* Nothing is sent beyond the window, and streams that stand still are in nobody's way. */
static void
test_credit(void **state)
{
	Immudb__Schema__ScanRequest in = stream_request(64 * WINDOW);
	struct rpc_stream *s[RPC_STREAMS_OF_CONNECTION_MAX + 1];
	uint64_t before = 0, now;
	struct harness h;
	struct rpc_client_conn *c;
	uint8_t byte;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	c = harness_connect(&h, (struct rpc_client_options){0});
	for (size_t i = 0; i <= RPC_STREAMS_OF_CONNECTION_MAX; i++)
		s[i] = open_stream(c, &in);
	assert_int_equal(rpc_stream_read(s[RPC_STREAMS_OF_CONNECTION_MAX], &byte, 1), IM_ERR_BUSY);
	WAIT_FOR(atomic_load(&h.streamed) >= RPC_STREAMS_OF_CONNECTION_MAX * WINDOW);
	/* All that can be sent has been once these answers are here. */
	for (int i = 0; i < 3; i++)
		assert_answers(c, 3 * WINDOW);
	now = atomic_load(&h.streamed);
	assert_true(now <= RPC_STREAMS_OF_CONNECTION_MAX * UNREAD_MAX);
	/* One of them goes on when it is read, the others do not. */
	assert_reads(s[3], 0, 20 * WINDOW, 100000);
	before = now;
	now = atomic_load(&h.streamed);
	assert_true(now - before >= 18 * WINDOW);
	assert_true(now <= RPC_STREAMS_OF_CONNECTION_MAX * UNREAD_MAX + 21 * WINDOW);
	for (size_t i = 0; i <= RPC_STREAMS_OF_CONNECTION_MAX; i++)
		rpc_stream_close(s[i]);
	/* What is closed is cancelled, and makes room for others. */
	WAIT_FOR(atomic_load(&h.streams) == 0);
	in = stream_request(10);
	s[0] = open_stream(c, &in);
	assert_reads(s[0], 0, 10, 10);
	rpc_stream_close(s[0]);
	rpc_client_close(c);
	harness_stop(&h);
}

static void
test_stalled(void **state)
{
	Immudb__Schema__ScanRequest in = stream_request(64 * WINDOW),
				    small = stream_request(WINDOW + 5);
	struct rpc_stream *s, *ended;
	struct harness h;
	struct rpc_client_conn *c;
	uint8_t byte;

	(void)state;
	harness_start(&h, (struct rpc_server_options){.stream_stall_ms = 50});
	c = harness_connect(&h, (struct rpc_client_options){0});
	s = open_stream(c, &in);
	/* Of this one the handler has put all before its client has read any. */
	ended = open_stream(c, &small);
	WAIT_FOR(atomic_load(&h.streamed) >= 2 * WINDOW + 5);
	WAIT_FOR(atomic_load(&h.streams) == 0);
	assert_reads(s, 0, WINDOW / 4, 1000);
	while (rpc_stream_read(s, &byte, 1) == IM_OK)
		;
	assert_int_equal(rpc_stream_status(s), IM_STATUS_DEADLINE_EXCEEDED);
	rpc_stream_close(s);
	rpc_stream_close(ended);
	assert_answers(c, 10);
	rpc_client_close(c);
	harness_stop(&h);
}

/* Whoever leaves, with streams that wait or flow, leaves nothing behind. */
static void
test_leaving(void **state)
{
	Immudb__Schema__ScanRequest in = stream_request(64 * WINDOW);
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	for (int round = 0; round < 20; round++) {
		struct rpc_client_conn *c = harness_connect(&h, (struct rpc_client_options){0});
		struct rpc_stream *a = open_stream(c, &in), *b = open_stream(c, &in);

		assert_reads(a, 0, (uint64_t)round * 50000, 1000);
		rpc_stream_close(a);
		rpc_stream_close(b);
		rpc_client_close(c);
	}
	WAIT_FOR(atomic_load(&h.streams) == 0);
	harness_stop(&h);
}

static void
test_stop(void **state)
{
	Immudb__Schema__ScanRequest in = stream_request(64 * WINDOW);
	struct harness h;
	struct rpc_client_conn *c;
	struct rpc_stream *s;
	enum im_err err = IM_OK;
	uint8_t byte;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	c = harness_connect(&h, (struct rpc_client_options){0});
	s = open_stream(c, &in);
	assert_reads(s, 0, 10, 10);
	/* It does not wait until somebody reads. */
	rpc_server_stop(h.server, 30000);
	rpc_server_free(h.server);
	assert_int_equal(atomic_load(&h.streams), 0);
	while (err == IM_OK)
		err = rpc_stream_read(s, &byte, 1);
	assert_int_equal(err, IM_ERR_SHUTDOWN);
	rpc_stream_close(s);
	rpc_client_close(c);
	pthread_mutex_destroy(&h.lock);
}

static void
test_read_timeout(void **state)
{
	Immudb__Schema__ScanRequest in = stream_request(10);
	struct rpc_call call = {
	    .method = RPC_METHOD_StreamScan, .request = &in.base, .timeout_ms = 1};
	struct harness h;
	struct rpc_client_conn *c;
	struct rpc_stream *s;
	uint8_t data[10];
	enum im_err err;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	c = harness_connect(&h, (struct rpc_client_options){0});
	assert_int_equal(rpc_stream_open(c, &call, &s), IM_OK);
	err = rpc_stream_read(s, data, sizeof data);
	assert_true(err == IM_OK || err == IM_ERR_TIMEOUT);
	if (err == IM_ERR_TIMEOUT)
		assert_int_equal(rpc_stream_read(s, data, 1), IM_ERR_TIMEOUT);
	rpc_stream_close(s);
	assert_answers(c, 10);
	rpc_client_close(c);
	harness_stop(&h);
}

#define READERS 4

static void *
read_all(void *arg)
{
	struct rpc_client_conn *c = (struct rpc_client_conn *)arg;

	for (int i = 0; i < 5; i++) {
		Immudb__Schema__ScanRequest in = stream_request(3000000);
		struct rpc_stream *s = open_stream(c, &in);
		static _Thread_local uint8_t data[3000000];
		uint64_t bad = 0;

		if (rpc_stream_read(s, data, sizeof data) != IM_OK)
			return arg;
		for (size_t k = 0; k < sizeof data; k++)
			bad += data[k] != harness_stream_byte(k);
		if (bad || rpc_stream_read(s, data, 1) != IM_ERR_NOT_FOUND)
			return arg;
		rpc_stream_close(s);
	}
	return NULL;
}

static void
test_readers(void **state)
{
	pthread_t threads[READERS];
	struct harness h;
	struct rpc_client_conn *c;
	void *failed;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	c = harness_connect(&h, (struct rpc_client_options){0});
	for (size_t i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, c), 0);
	for (size_t i = 0; i < READERS; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	rpc_client_close(c);
	harness_stop(&h);
}

/* ---- Servers that break the rules. ---- */

/* A server made by hand: answers the first request as its script says, and hangs up. */
struct fake {
	pthread_t thread;
	int fd;
	uint16_t port;
	void (*script)(struct buf *b, uint32_t id);
};

/* Reads until a request is there; its id. */
static uint32_t
fake_request(int fd)
{
	static uint8_t in[65536];
	size_t len = 0, size;
	struct frame f;

	for (;;) {
		ssize_t n = recv(fd, in + len, sizeof in - len, 0);

		if (n <= 0)
			return 0;
		len += (size_t)n;
		while (frame_next(bytes_of(in, len), sizeof in, &f, &size) == IM_OK) {
			if (f.kind == FRAME_REQUEST)
				return f.id;
			len -= size;
			memmove(in, in + size, len);
		}
	}
}

static void *
fake_serve(void *arg)
{
	struct fake *f = (struct fake *)arg;
	struct frame_server_hello h = {.version = FRAME_VERSION,
	    .max_message_bytes = 1 << 20,
	    .window = 1 << 20,
	    .frame_max_before_login = 16384,
	    .frame_max = 65536,
	    .max_outstanding = 1,
	    .version_text = bytes_str("fake")};
	int fd = accept(f->fd, NULL, NULL);
	uint8_t sink[4096];
	struct buf b;

	buf_init(&b, 8 << 20);
	frame_put_server_hello(&b, &h);
	if (send(fd, b.data, b.len, MSG_NOSIGNAL) < 0)
		abort();
	buf_clear(&b);
	f->script(&b, fake_request(fd));
	for (size_t done = 0; done < b.len;) {
		ssize_t n = send(fd, b.data + done, b.len - done, MSG_NOSIGNAL);

		/* The client may have left in the middle of it. */
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	shutdown(fd, SHUT_WR);
	while (recv(fd, sink, sizeof sink, 0) > 0)
		;
	close(fd);
	buf_free(&b);
	return NULL;
}

static void
fake_start(struct fake *f)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof sa;

	f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(f->fd, 1), 0);
	assert_int_equal(getsockname(f->fd, (struct sockaddr *)&sa, &len), 0);
	f->port = ntohs(sa.sin_port);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_serve, f), 0);
}

static void
strange_body(struct buf *b, uint32_t id)
{
	frame_put_answer(b, id, false, 0, 0);
}

static void
strange_large_body(struct buf *b, uint32_t id)
{
	frame_put_answer(b, id, true, 10, 0);
}

static void
strange_stream_with_body(struct buf *b, uint32_t id)
{
	uint8_t head[FRAME_HEADER_BYTES];

	frame_put_header(head, FRAME_ANSWER, FRAME_FLAG_STREAM, id, 1);
	buf_append(b, head, sizeof head);
	buf_append_u8(b, 'x');
}

static void
strange_second_stream(struct buf *b, uint32_t id)
{
	frame_put_stream(b, id);
	frame_put_stream(b, id);
}

static void
strange_empty_data(struct buf *b, uint32_t id)
{
	frame_put_stream(b, id);
	frame_put_data(b, id, bytes_of(NULL, 0));
}

static void
strange_beyond_credit(struct buf *b, uint32_t id)
{
	static const uint8_t data[65536];

	frame_put_stream(b, id);
	for (uint64_t n = 0; n <= WINDOW; n += sizeof data)
		frame_put_data(b, id, bytes_of(data, sizeof data));
}

static void
strange_end_only(struct buf *b, uint32_t id)
{
	frame_put_empty(b, FRAME_END, id);
}

static void
strange_cut(struct buf *b, uint32_t id)
{
	frame_put_stream(b, id);
	frame_put_data(b, id, bytes_str("abc"));
}

/* Nobody is left waiting, and nothing is taken for a stream's end. */
static void
test_strange_servers(void **state)
{
	static void (*const scripts[])(struct buf *, uint32_t) = {strange_body, strange_large_body,
	    strange_stream_with_body, strange_second_stream, strange_empty_data,
	    strange_beyond_credit, strange_end_only, strange_cut};
	Immudb__Schema__ScanRequest in = stream_request(10);
	struct rpc_client_options o = {.host = "127.0.0.1"};
	struct rpc_client_conn *c;
	struct rpc_stream *s;
	enum im_err err = IM_OK;
	uint8_t byte;

	(void)state;
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++, err = IM_OK) {
		struct fake f = {.script = scripts[i]};

		fake_start(&f);
		o.port = f.port;
		assert_int_equal(rpc_client_connect(&o, &c), IM_OK);
		s = open_stream(c, &in);
		/* Credit is given by reading, so that comes after. */
		WAIT_FOR(!rpc_client_is_usable(c));
		while (err == IM_OK)
			err = rpc_stream_read(s, &byte, 1);
		assert_int_equal(err, IM_ERR_CONNECTION_LOST);
		rpc_stream_close(s);
		rpc_client_close(c);
		pthread_join(f.thread, NULL);
		close(f.fd);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole_streams),
	    cmocka_unit_test(test_messages),
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_credit),
	    cmocka_unit_test(test_stalled),
	    cmocka_unit_test(test_leaving),
	    cmocka_unit_test(test_stop),
	    cmocka_unit_test(test_read_timeout),
	    cmocka_unit_test(test_readers),
	    cmocka_unit_test(test_strange_servers),
	};

	const struct CMUnitTest tls_tests[] = {
	    cmocka_unit_test(test_whole_streams),
	    cmocka_unit_test(test_messages),
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_credit),
	    cmocka_unit_test(test_leaving),
	    cmocka_unit_test(test_stop),
	    cmocka_unit_test(test_readers),
	};
	int failed = cmocka_run_group_tests(tests, harness_setup, harness_teardown);

	return failed + cmocka_run_group_tests(tls_tests, harness_setup_tls, harness_teardown);
}
