/* HTTPS by the front: what it carries, whom it lets in, and who tells it nonsense. */
#include "http/http_exchange.h"
#include "http/http_server.h"
#include "tls/tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "temp_dir.h"

#define LONG_BODY 300000u
#define ANSWERS_MAX ((size_t)64 << 20)
#define PATH_MAX_TEXT 160
#define FDS_MAX 256
#define CLIENT_ADDRESS "127.0.0.5"
#define PIPELINED 20

struct fixture {
	char dir[TEMP_DIR_MAX];
	struct tls_context *server_side, *client_side;
	struct http_server *server;
};

static void
route_long(void *arg, const struct http_request *request, struct http_response *response)
{
	(void)arg;
	(void)request;
	while (response->body.len < LONG_BODY)
		buf_append_u8(&response->body, (uint8_t)('a' + response->body.len % 26));
}

static const struct http_route routes[] = {{"GET", "/long", route_long, NULL}};

/* Answers who asks. */
static void
answer_peer(void *arg, struct http_exchange *x)
{
	(void)arg;
	http_exchange_send(
	    x, &(struct http_head){200, "text/plain", NULL}, bytes_str(http_exchange_peer(x)));
}

static int
fixture_make(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	char certificate[PATH_MAX_TEXT], key[PATH_MAX_TEXT];
	struct tls_files files = {.side = TLS_SERVER, .certificate = certificate, .key = key};
	struct http_options options = {.address = "127.0.0.1",
	    .ephemeral = true,
	    .routes = routes,
	    .route_count = 1,
	    .handle = answer_peer};

	temp_dir_make(f->dir);
	snprintf(certificate, sizeof certificate, "%s/certificate", f->dir);
	snprintf(key, sizeof key, "%s/key", f->dir);
	assert_int_equal(tls_make_certificate(certificate, key, 10), IM_OK);
	assert_int_equal(tls_context_new(&files, &f->server_side), IM_OK);
	files = (struct tls_files){.side = TLS_CLIENT, .authorities = certificate};
	assert_int_equal(tls_context_new(&files, &f->client_side), IM_OK);
	options.tls = f->server_side;
	assert_int_equal(http_server_start(&options, &f->server), IM_OK);
	*state = f;
	return 0;
}

static int
fixture_remove(void **state)
{
	struct fixture *f = *state;

	http_server_stop(f->server);
	tls_context_free(f->server_side);
	tls_context_free(f->client_side);
	temp_dir_remove(f->dir);
	free(f);
	return 0;
}

/* ---- A client. ---- */

struct client {
	int fd;
	struct tls_conn *tls;
	struct buf answer;
};

static int
connect_to(uint16_t port)
{
	struct sockaddr_in from = {.sin_family = AF_INET}, to = from;
	struct timeval limit = {.tv_sec = 60};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, CLIENT_ADDRESS, &from.sin_addr);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(port);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void
client_flush(struct client *c)
{
	struct buf *out = tls_conn_output(c->tls);

	if (out->len)
		assert_int_equal(send(c->fd, out->data, out->len, MSG_NOSIGNAL), (ssize_t)out->len);
	buf_clear(out);
}

/* Reads once; false when the server has ended. */
static bool
client_read(struct client *c)
{
	uint8_t data[8192];
	ssize_t n = recv(c->fd, data, sizeof data, 0);
	struct bytes in = bytes_of(data, n > 0 ? (size_t)n : 0);
	size_t len;

	assert_true(n >= 0);
	while (n > 0 && (in.len > 0 || tls_conn_has_plaintext(c->tls)) &&
	    !tls_conn_is_closed(c->tls)) {
		uint8_t *to = buf_reserve(&c->answer, sizeof data);

		assert_int_equal(tls_conn_receive(c->tls, &in, to, sizeof data, &len), IM_OK);
		c->answer.len += len;
	}
	client_flush(c);
	return n > 0 && !tls_conn_is_closed(c->tls);
}

static void
client_open(struct client *c, struct fixture *f)
{
	*c = (struct client){.fd = connect_to(http_server_port(f->server))};
	buf_init(&c->answer, ANSWERS_MAX);
	assert_int_equal(tls_conn_new(f->client_side, "127.0.0.1", &c->tls), IM_OK);
	assert_int_equal(tls_conn_start(c->tls), IM_OK);
	client_flush(c);
	while (!tls_conn_is_established(c->tls))
		assert_true(client_read(c));
}

static void
client_say(struct client *c, const char *text)
{
	assert_int_equal(tls_conn_send(c->tls, bytes_str(text)), IM_OK);
	client_flush(c);
}

/* All that comes until the server ends, as text. */
static const char *
client_hear(struct client *c)
{
	while (client_read(c))
		;
	buf_append_u8(&c->answer, '\0');
	return (const char *)c->answer.data;
}

static void
client_close(struct client *c)
{
	close(c->fd);
	tls_conn_free(c->tls);
	buf_free(&c->answer);
}

/* ---- Tests. ---- */

#define HEAD(path, rest) "GET " path " HTTP/1.1\r\nHost: x\r\n" rest "\r\n"
#define LAST "Connection: close\r\n"

static void
front_carries_requests(void **state)
{
	const char *text = HEAD("/livez", "") HEAD("/who", LAST), *second;
	struct client c;

	client_open(&c, *state);
	/* A byte in each record. */
	for (const char *at = text; *at; at++)
		client_say(&c, (char[]){*at, '\0'});
	client_hear(&c);
	second = strstr((char *)c.answer.data, "{\"status\":\"ok\"}");
	assert_non_null(second);
	assert_non_null(strstr(second, "HTTP/1.1 200 OK"));
	/* The server inside knows who is behind the front, and nobody sees that it was told. */
	assert_non_null(strstr(second, "\r\n\r\n" CLIENT_ADDRESS));
	assert_null(strstr((char *)c.answer.data, "204"));
	assert_true(tls_conn_is_closed(c.tls));
	client_close(&c);
}

/* Answers that pile up because the client does not read come whole when it does. */
static void
front_holds_back(void **state)
{
	struct client c;
	size_t bodies = 0;

	client_open(&c, *state);
	for (int i = 0; i < PIPELINED; i++)
		client_say(&c, i == PIPELINED - 1 ? HEAD("/long", LAST) : HEAD("/long", ""));
	client_hear(&c);
	for (const char *at = (char *)c.answer.data; (at = strstr(at, "\r\n\r\n")); bodies++) {
		at += 4;
		for (size_t i = 0; i < LONG_BODY; i++)
			assert_int_equal(at[i], 'a' + i % 26);
	}
	assert_int_equal(bodies, PIPELINED);
	client_close(&c);
}

static ssize_t
ask_plainly(uint16_t port, const char *text, char *out, size_t size)
{
	int fd = connect_to(port);
	size_t used = 0;
	ssize_t n;

	assert_true(send(fd, text, strlen(text), MSG_NOSIGNAL) > 0);
	while (used < size - 1 && (n = recv(fd, out + used, size - 1 - used, 0)) > 0)
		used += (size_t)n;
	out[used] = '\0';
	close(fd);
	return (ssize_t)used;
}

static void
front_tells_http_clients(void **state)
{
	struct fixture *f = *state;
	char out[1024];

	ask_plainly(http_server_port(f->server), HEAD("/livez", ""), out, sizeof out);
	assert_int_equal(strncmp(out, "HTTP/1.1 400 ", 13), 0);
	assert_non_null(strstr(out, "{\"error\":\"this port speaks HTTPS only\"}"));
}

/* The port of this process that listens besides the front's. */
static uint16_t
inner_port(uint16_t front)
{
	for (int fd = 0; fd < FDS_MAX; fd++) {
		struct sockaddr_in sa = {0};
		socklen_t len = sizeof sa, one = sizeof(int);
		int listens = 0;

		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &one) == 0 && listens &&
		    getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
		    ntohs(sa.sin_port) != front)
			return ntohs(sa.sin_port);
	}
	fail();
	return 0;
}

static void
inner_refuses_strangers(void **state)
{
	static const char *const attempts[] = {HEAD("/livez", ""), HEAD("/.front", ""),
	    HEAD("/.front", "X-Front-Secret: \r\nX-Front-Peer: 10.0.0.1\r\n"),
	    HEAD("/.front",
		"X-Front-Secret: 00000000000000000000000000000000000000000000000000000000000000"
		"00\r\nX-Front-Peer: 10.0.0.1\r\n"),
	    HEAD("/.front", "") HEAD("/livez", "")};
	struct fixture *f = *state;
	uint16_t port = inner_port(http_server_port(f->server));
	char out[1024];

	for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
		ask_plainly(port, attempts[i], out, sizeof out);
		assert_int_equal(strncmp(out, "HTTP/1.1 403 ", 13), 0);
		assert_null(strstr(out, "\"ok\""));
	}
}

/* The path of the introduction is nothing to a client. */
static void
front_path_is_not_special(void **state)
{
	struct client c;

	client_open(&c, *state);
	client_say(&c, HEAD("/.front", "X-Front-Secret: x\r\nX-Front-Peer: 10.0.0.1\r\n" LAST));
	client_hear(&c);
	assert_non_null(strstr((char *)c.answer.data, "\r\n\r\n" CLIENT_ADDRESS));
	client_close(&c);
}

/* Cut anywhere, a conversation harms nobody else. */
static void
front_survives_cuts(void **state)
{
	static const char *const junk[] = {"\x16\x03\x01\x40", "\x16\x03\x01\xff\xff", "\x16", ""};
	struct fixture *f = *state;
	struct client c;

	for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
		int fd = connect_to(http_server_port(f->server));

		(void)!send(fd, junk[i], strlen(junk[i]), MSG_NOSIGNAL);
		close(fd);
	}
	for (int i = 0; i < 8; i++) {
		client_open(&c, f);
		client_say(&c, i % 2 ? HEAD("/long", "") : "GET /lo");
		if (i % 4 < 2)
			(void)!send(c.fd, "\x17\x03\x03\x00\x40half", 9, MSG_NOSIGNAL);
		client_close(&c);
	}
	client_open(&c, f);
	client_say(&c, HEAD("/livez", LAST));
	assert_non_null(strstr(client_hear(&c), "{\"status\":\"ok\"}"));
	client_close(&c);
	assert_true(http_server_answers(f->server, 5000));
}

#define FRONT_TEST(f) cmocka_unit_test_setup_teardown(f, fixture_make, fixture_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FRONT_TEST(front_carries_requests),
	    FRONT_TEST(front_holds_back),
	    FRONT_TEST(front_tells_http_clients),
	    FRONT_TEST(inner_refuses_strangers),
	    FRONT_TEST(front_path_is_not_special),
	    FRONT_TEST(front_survives_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
