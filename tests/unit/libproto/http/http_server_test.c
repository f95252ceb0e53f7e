/*
 * The HTTP server over real loopback connections: routes, health, errors of the client, a port that
 * is taken, many connections at once. All of it twice: with civetweb alone, and behind the front.
 */
#include "http/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/http_exchange.h"
#include "util/clock.h"
#include "util/metrics.h"

#define IDLE_CONNECTIONS 40
#define CROWD (HTTP_THREADS - 4)
#define LONG_BODY 300000u

struct fixture {
	struct http_server *server;
	struct metrics *metrics;
	bool not_ready;
	char answer[LONG_BODY + 4096];
};

static enum im_err
fixture_ready(void *arg)
{
	const struct fixture *f = arg;

	return f->not_ready ? err_set(IM_ERR_READ_ONLY, "disk is \"full\"") : IM_OK;
}

static void
route_echo(void *arg, const struct http_request *request, struct http_response *response)
{
	(void)arg;
	response->content_type = "text/plain";
	buf_printf(&response->body, "%s %s?%s", request->method, request->path, request->query);
}

static void
route_metrics(void *arg, const struct http_request *request, struct http_response *response)
{
	(void)arg;
	buf_append_str(&response->body, "# TYPE own gauge\nown 1\n");
	if (strcmp(request->query, "broken") == 0)
		buf_append_str(&response->body, "own\n");
	if (strcmp(request->query, "large") == 0)
		response->body.err = IM_ERR_LIMIT;
}

static void
route_too_large(void *arg, const struct http_request *request, struct http_response *response)
{
	(void)arg;
	(void)request;
	response->body.err = IM_ERR_LIMIT;
}

/* What stands for the "*", and a header with the query as its value. */
static void
route_rest(void *arg, const struct http_request *request, struct http_response *response)
{
	(void)arg;
	response->content_type = "text/plain";
	http_response_header(response, "X-First", "one");
	http_response_header(response, "X-Query", request->query);
	if (strcmp(request->rest, "break") == 0)
		http_response_header(response, "X-Broken", "a\r\nX-Injected: b");
	buf_printf(&response->body, "rest=%s", request->rest);
}

/* More than leaves in one write. */
static void
route_long(void *arg, const struct http_request *request, struct http_response *response)
{
	(void)arg;
	(void)request;
	while (response->body.len < LONG_BODY)
		buf_append_u8(&response->body, (uint8_t)('a' + response->body.len % 26));
}

static const struct http_route routes[] = {
    {"GET", "/files/one", route_echo, NULL},
    {"GET", "/files/*", route_rest, NULL},
    {"GET", "/long", route_long, NULL},
    {"GET", "/echo", route_echo, NULL},
    {"POST", "/echo", route_echo, NULL},
    {"GET", "/large", route_too_large, NULL},
};

/* The same place, but IPv6: what needs the front. */
static const char front_address[] = "::ffff:127.0.0.1";
static const char *address = "127.0.0.1";

static struct http_options
options_of(struct fixture *f)
{
	return (struct http_options){.address = address,
	    .ephemeral = true,
	    .program = "immudb",
	    .metrics = f->metrics,
	    .ready = fixture_ready,
	    .ready_arg = f,
	    .routes = routes,
	    .route_count = sizeof routes / sizeof *routes};
}

static int
fixture_make(void **state)
{
	static const struct metric_desc desc = {
	    .name = "immudb_test_total", .help = "A test", .type = METRIC_COUNTER};
	struct fixture *f = calloc(1, sizeof *f);
	struct http_options options;

	if (!f)
		return -1;
	f->metrics = metrics_new();
	metric_add(metric_single(metrics_family(f->metrics, &desc)), 3);
	options = options_of(f);
	*state = f;
	return http_server_start(&options, &f->server) == IM_OK ? 0 : -1;
}

static int
fixture_remove(void **state)
{
	struct fixture *f = *state;

	http_server_stop(f->server);
	metrics_free(f->metrics);
	free(f);
	return 0;
}

static int
client_connect(const struct fixture *f)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons(http_server_port(f->server)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = 60};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

/* Sends text on a new connection and reads until the server closes it. */
static const char *
ask(struct fixture *f, const char *text)
{
	int fd = client_connect(f);
	size_t used = 0;
	ssize_t n;

	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	shutdown(fd, SHUT_WR);
	while (used < sizeof f->answer - 1 &&
	    (n = recv(fd, f->answer + used, sizeof f->answer - 1 - used, 0)) > 0)
		used += (size_t)n;
	f->answer[used] = '\0';
	close(fd);
	return f->answer;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
#define assert_starts(text, head) assert_int_equal(strncmp(text, head, strlen(head)), 0)
#define assert_has(text, part) assert_non_null(strstr(text, part))

static void
http_health_paths(void **state)
{
	struct fixture *f = *state;

	assert_starts(ask(f, GET("/livez")), "HTTP/1.1 200 OK\r\n");
	assert_has(f->answer, "{\"status\":\"ok\"}");
	assert_starts(ask(f, GET("/readyz")), "HTTP/1.1 200 OK\r\n");
	assert_has(f->answer, "{\"status\":\"ready\"}");
	f->not_ready = true;
	assert_starts(ask(f, GET("/readyz")), "HTTP/1.1 503 Service Unavailable\r\n");
	assert_has(f->answer, "\"reason\":\"disk is \\\"full\\\"\"");
	assert_starts(ask(f, GET("/livez")), "HTTP/1.1 200 OK\r\n");
	assert_starts(ask(f, GET("/version")), "HTTP/1.1 200 OK\r\n");
	assert_has(f->answer, "\"program\":\"immudb\"");
	assert_has(f->answer, "Content-Type: application/json\r\n");
}

static void
http_metrics_path(void **state)
{
	struct fixture *f = *state;

	assert_starts(ask(f, GET("/metrics")), "HTTP/1.1 200 OK\r\n");
	assert_has(f->answer, "Content-Type: text/plain; version=0.0.4");
	assert_has(f->answer, "\nimmudb_test_total 3\n");
	assert_starts(ask(f, GET("/debug/vars")), "HTTP/1.1 200 OK\r\n");
	assert_has(f->answer, "Content-Type: application/json\r\n");
	assert_has(f->answer, "\r\n\r\n{\"cmdline\":[\"immudb\"],\n\"immudb_test_total\":3\n}\n");
	assert_starts(ask(f, "POST /debug/vars HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 405 ");
}

/* A text that cannot be had or is none makes no JSON. */
static void
http_metrics_of_the_daemon(void **state)
{
	static const struct http_route own[] = {{"GET", "/metrics", route_metrics, NULL}};
	struct fixture *f = *state;
	struct http_options options = options_of(f);

	options.metrics = NULL;
	options.routes = own;
	options.route_count = 1;
	http_server_stop(f->server);
	f->server = NULL;
	assert_int_equal(http_server_start(&options, &f->server), IM_OK);
	assert_has(ask(f, GET("/debug/vars")), "\n\"own\":1\n}\n");
	assert_starts(ask(f, GET("/debug/vars?broken")), "HTTP/1.1 500 ");
	assert_starts(ask(f, GET("/debug/vars?large")), "HTTP/1.1 500 ");
}

static void
http_routes(void **state)
{
	struct fixture *f = *state;

	assert_has(ask(f, GET("/echo?a=1&b")), "\r\n\r\nGET /echo?a=1&b");
	assert_has(ask(f, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"),
	    "\r\n\r\nPOST /echo?");
	assert_has(f->answer, "Connection: close\r\n");
	assert_starts(ask(f, GET("/large")), "HTTP/1.1 500 ");
}

static void
http_routes_with_a_rest(void **state)
{
	struct fixture *f = *state;

	assert_has(ask(f, GET("/files/a/b%20c?q")), "\r\n\r\nrest=a/b c");
	assert_has(f->answer, "\r\nX-First: one\r\nX-Query: q\r\n");
	assert_has(ask(f, GET("/files/")), "\r\n\r\nrest=");
	assert_has(ask(f, GET("/files/one")), "\r\n\r\nGET /files/one?");
	assert_starts(ask(f, GET("/files")), "HTTP/1.1 404 ");
	assert_starts(ask(f, "PUT /files/x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
	    "HTTP/1.1 405 ");
	assert_has(f->answer, "Allow: GET, HEAD\r\n");
}

/* A value that would be a header of its own is no answer at all. */
static void
http_headers_cannot_be_injected(void **state)
{
	struct fixture *f = *state;

	assert_starts(ask(f, GET("/files/break")), "HTTP/1.1 500 ");
	assert_null(strstr(f->answer, "Injected"));
	assert_null(strstr(f->answer, "rest="));
}

static void
http_long_answer(void **state)
{
	struct fixture *f = *state;
	const char *body;
	size_t i;

	body = strstr(ask(f, GET("/long")), "\r\n\r\n");
	assert_non_null(body);
	assert_has(f->answer, "Content-Length: 300000\r\n");
	assert_int_equal(strlen(body + 4), LONG_BODY);
	for (i = 0; i < LONG_BODY; i++)
		assert_int_equal(body[4 + i], 'a' + i % 26);
	ask(f, "HEAD /long HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	body = strstr(f->answer, "\r\n\r\n");
	assert_non_null(body);
	assert_string_equal(body + 4, "");
}

static void
http_head(void **state)
{
	struct fixture *f = *state;
	const char *end;

	assert_starts(ask(f, "HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
	    "HTTP/1.1 200 ");
	assert_has(f->answer, "Content-Length: 16\r\n");
	end = strstr(f->answer, "\r\n\r\n");
	assert_non_null(end);
	assert_string_equal(end + 4, "");
	assert_starts(
	    ask(f, "HEAD /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), "HTTP/1.1 404 ");
}

static void
http_unknown(void **state)
{
	static const char *const missing[] = {GET("/"), GET("/livez/"), GET("/../etc/passwd"),
	    GET("/%2e%2e/etc/passwd"), GET("/etc/passwd"), GET("/LIVEZ")};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < sizeof missing / sizeof *missing; i++)
		assert_starts(ask(f, missing[i]), "HTTP/1.1 404 Not Found\r\n");
	assert_starts(ask(f, "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
	    "HTTP/1.1 405 Method Not Allowed\r\n");
	assert_has(f->answer, "Allow: GET, HEAD\r\n");
	assert_starts(ask(f, "DELETE /echo HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 405 ");
	assert_has(f->answer, "Allow: GET, HEAD, POST\r\n");
}

static void
http_hostile(void **state)
{
	static const char *const bad[] = {"", "\r\n\r\n", "GET\r\n\r\n", "\x01\x02\x03\x04\r\n\r\n",
	    "GET /livez HTTP/9.9\r\n\r\n", "GET /livez HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
	    "FROB /livez HTTP/1.1\r\n\r\n", "GET /livez HTTP/1.1\r\nHost: x"};
	struct fixture *f = *state;
	char *long_request = malloc(40000);
	size_t i;

	for (i = 0; i < sizeof bad / sizeof *bad; i++)
		if (strncmp(ask(f, bad[i]), "HTTP/1.1 2", 10) == 0)
			fail_msg("accepted: %s", bad[i]);
	/* The body that is announced is never read. */
	ask(f, "GET /livez HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n");
	assert_has(f->answer, "Connection: close\r\n");
	assert_non_null(long_request);
	memset(long_request, 'a', 39999);
	memcpy(long_request, "GET /", 5);
	long_request[39999] = '\0';
	ask(f, long_request);
	free(long_request);
	assert_starts(ask(f, GET("/livez")), "HTTP/1.1 200 OK\r\n");
}

/* Connections that say nothing cost a thread each; others are served all the same. */
static void
http_idle_connections(void **state)
{
	struct fixture *f = *state;
	int fds[IDLE_CONNECTIONS];
	size_t i;

	for (i = 0; i < IDLE_CONNECTIONS; i++)
		fds[i] = client_connect(f);
	assert_starts(ask(f, GET("/livez")), "HTTP/1.1 200 OK\r\n");
	for (i = 0; i < IDLE_CONNECTIONS; i++)
		close(fds[i]);
}

/*
 * When most threads have a connection, none is kept after its answer: it would keep others out.
 * Behind the front one that is silent has no thread.
 */
static void
http_crowded_keeps_none(void **state)
{
	struct fixture *f = *state;
	int fds[CROWD];
	size_t i;

	assert_has(ask(f, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"), "Connection: keep-alive\r\n");
	for (i = 0; i < CROWD; i++)
		fds[i] = client_connect(f);
	assert_has(ask(f, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"),
	    address == front_address ? "Connection: keep-alive\r\n" : "Connection: close\r\n");
	for (i = 0; i < CROWD; i++)
		close(fds[i]);
}

static void
http_keep_alive_serves_two(void **state)
{
	struct fixture *f = *state;
	const char *first;

	ask(f,
	    "GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /version HTTP/1.1\r\nHost: x\r\n"
	    "Connection: close\r\n\r\n");
	first = strstr(f->answer, "{\"status\":\"ok\"}");
	assert_non_null(first);
	assert_has(first, "HTTP/1.1 200 OK\r\n");
}

static void
http_port_in_use(void **state)
{
	struct fixture *f = *state;
	struct http_options options = options_of(f);
	struct http_server *second = NULL;
	char port[8];

	options.ephemeral = false;
	options.port = http_server_port(f->server);
	assert_int_equal(http_server_start(&options, &second), IM_ERR_IO);
	assert_null(second);
	snprintf(port, sizeof port, "%u", options.port);
	assert_has(err_detail(IM_ERR_IO), port);
	assert_has(err_detail(IM_ERR_IO), address);
	assert_has(err_detail(IM_ERR_IO), "in use");
}

static void
http_options_edges(void **state)
{
	struct fixture *f = *state;
	struct http_options options = options_of(f);
	struct http_server *server = (struct http_server *)f;

	options.ephemeral = false;
	assert_int_equal(http_server_start(&options, &server), IM_OK);
	assert_null(server);
	http_server_stop(NULL);
	options.ephemeral = true;
	options.address = "not an address";
	assert_int_equal(http_server_start(&options, &server), IM_ERR_ARGUMENT);
	options.address = "";
	options.metrics = NULL;
	options.ready = NULL;
	assert_int_equal(http_server_start(&options, &server), IM_OK);
	http_server_stop(f->server);
	f->server = server;
	assert_starts(ask(f, GET("/metrics")), "HTTP/1.1 404 ");
	assert_starts(ask(f, GET("/debug/vars")), "HTTP/1.1 404 ");
	assert_starts(ask(f, GET("/readyz")), "HTTP/1.1 200 ");
}

/* An answer that takes more room than there is on its way, and how far it has come. */
#define SLOW_PIECE 65536u
#define SLOW_PIECES 512u
/* Civetweb looks at its time-outs every two seconds. */
#define SLOW_TIMEOUT_MS 400
#define SLOW_STALL_NS (2200 * CLOCK_NS_PER_MS)
#define SLOW_THREADS 8
#define SLOW_END "0\r\n\r\n"
#define SLOW_END_LEN (sizeof SLOW_END - 1)
#define SLOW_DEADLINE_NS (60 * CLOCK_NS_PER_S)

struct slow {
	_Atomic int64_t since_ns; /* when the piece that is being written was begun; 0: none yet */
	_Atomic bool is_over;
	_Atomic enum im_err err;
};

static void
handle_slow(void *arg, struct http_exchange *x)
{
	static const uint8_t piece[SLOW_PIECE];
	struct slow *s = arg;
	enum im_err err = IM_OK;

	http_exchange_begin(x, &(struct http_head){200, "text/plain", NULL});
	for (unsigned i = 0; i < SLOW_PIECES && err == IM_OK; i++) {
		atomic_store(&s->since_ns, clock_monotonic_ns());
		err = http_exchange_write(x, bytes_of(piece, sizeof piece));
	}
	if (err == IM_OK)
		http_exchange_end(x);
	atomic_store(&s->err, err);
	atomic_store(&s->is_over, true);
}

/* Asks for the answer and takes nothing of it yet. */
static int
slow_ask(struct fixture *f, struct slow *s)
{
	int fd = client_connect(f), small = SLOW_PIECE;

	*s = (struct slow){0};
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	assert_true(send(fd, GET("/slow"), sizeof GET("/slow") - 1, MSG_NOSIGNAL) > 0);
	return fd;
}

/* Until a piece has waited for so long, or the answer is over. */
static void
slow_wait(struct slow *s, int64_t stall_ns)
{
	int64_t by = clock_monotonic_ns() + SLOW_DEADLINE_NS, since;

	do {
		assert_true(clock_monotonic_ns() < by);
		usleep(1000);
		since = atomic_load(&s->since_ns);
	} while (!atomic_load(&s->is_over) && (!since || clock_monotonic_ns() - since < stall_ns));
}

/* Reads to the end; how much that was. The last bytes are the answer's first ones afterwards. */
static size_t
slow_read(struct fixture *f, int fd)
{
	size_t got = 0, keep;
	ssize_t n;

	while ((n = recv(fd, f->answer, sizeof f->answer, 0)) > 0) {
		keep = (size_t)n < SLOW_END_LEN ? (size_t)n : SLOW_END_LEN;
		memmove(f->answer, f->answer + n - keep, keep);
		got += (size_t)n;
	}
	return got;
}

/* One that pauses gets all; one that takes nothing is given up when others need its thread. */
static void
http_slow_readers(void **state)
{
	struct fixture *f = *state;
	struct http_options options = options_of(f);
	int fd, crowd[SLOW_THREADS];
	struct slow s;

	options.handle = handle_slow;
	options.handle_arg = &s;
	options.timeout_ms = SLOW_TIMEOUT_MS;
	options.threads = SLOW_THREADS;
	http_server_stop(f->server);
	assert_int_equal(http_server_start(&options, &f->server), IM_OK);
	fd = slow_ask(f, &s);
	slow_wait(&s, SLOW_STALL_NS);
	assert_false(atomic_load(&s.is_over));
	assert_true(slow_read(f, fd) > (size_t)SLOW_PIECE * SLOW_PIECES);
	assert_memory_equal(f->answer, SLOW_END, SLOW_END_LEN);
	close(fd);
	for (size_t i = 0; i < SLOW_THREADS; i++)
		crowd[i] = slow_ask(f, &s);
	slow_wait(&s, INT64_MAX);
	assert_int_equal(atomic_load(&s.err), IM_ERR_CONNECTION_LOST);
	for (size_t i = 0; i < SLOW_THREADS; i++)
		close(crowd[i]);
}

#define HTTP_TEST(f) cmocka_unit_test_setup_teardown(f, fixture_make, fixture_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    HTTP_TEST(http_health_paths),
	    HTTP_TEST(http_metrics_path),
	    HTTP_TEST(http_metrics_of_the_daemon),
	    HTTP_TEST(http_routes),
	    HTTP_TEST(http_routes_with_a_rest),
	    HTTP_TEST(http_headers_cannot_be_injected),
	    HTTP_TEST(http_long_answer),
	    HTTP_TEST(http_head),
	    HTTP_TEST(http_unknown),
	    HTTP_TEST(http_hostile),
	    HTTP_TEST(http_idle_connections),
	    HTTP_TEST(http_crowded_keeps_none),
	    HTTP_TEST(http_keep_alive_serves_two),
	    HTTP_TEST(http_port_in_use),
	    HTTP_TEST(http_options_edges),
	};

	const struct CMUnitTest slow_tests[] = {HTTP_TEST(http_slow_readers)};
	int failed = cmocka_run_group_tests_name("alone", tests, NULL, NULL);

	failed += cmocka_run_group_tests_name("slow", slow_tests, NULL, NULL);
	address = front_address;
	return failed + cmocka_run_group_tests_name("behind the front", tests, NULL, NULL);
}
