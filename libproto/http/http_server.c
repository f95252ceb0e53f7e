/*
 * The HTTP side of the daemons: civetweb behind a table of routes. Daemons start one server each
 * and hand in routes; what all of them have (metrics, health, version) is in http_health.c.
 *
 * Invariants:
 * 1. Every request is answered in http_begin_request(); civetweb never looks for a file.
 * 2. A connection costs a thread, therefore: many threads, short keep-alive, short time-outs.
 * 3. The context of civetweb is stopped before anything its callbacks use is freed.
 */
#include "http/http_server.h"

#include <civetweb.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "http/http_exchange_internal.h"
#include "http/http_framing.h"
#include "http/http_front.h"
#include "http/http_get.h"
#include "http/http_health.h"
#include "util/clock.h"
#include "util/hex.h"
#include "util/log.h"

#define HTTP_REQUEST_MAX "16384"
/* Largest answer of a handler. */
#define HTTP_BODY_MAX (64u * 1024 * 1024)
#define HTTP_HEAD_MAX 8192
#define HTTP_HEADERS_MAX 4096
/* An answer up to this size leaves in one write with its head. */
#define HTTP_ONE_WRITE_MAX 65536u
#define HTTP_METHODS_MAX 128
#define HTTP_ERROR_MAX 256
#define HTTP_NUMBER_MAX 24
#define HTTP_POKE_NS 5000000L
/* Connections at a time for each thread: most of them have nothing to say, or shake hands. */
#define HTTP_FRONT_CONNECTIONS 4

/* What the helper of http_stop_listening() works with. */
struct http_poke {
	struct sockaddr_in to;
	_Atomic bool done;
};

struct http_server {
	struct mg_context *ctx;
	size_t threads;
	_Atomic size_t open;         /* connections */
	_Atomic uint64_t begun;      /* requests */
	uint64_t begun_before;       /* when http_server_answers() was asked last */
	struct http_options options; /* routes and program are borrowed */
	struct http_health health;
	struct http_route builtin[HTTP_HEALTH_ROUTES];
	size_t builtin_count;
	char address[INET_ADDRSTRLEN];       /* of civetweb */
	uint16_t port;                       /* of civetweb */
	struct http_front *front;            /* NULL: clients talk to civetweb */
	char secret[HTTP_FRONT_SECRET_SIZE]; /* that the front knows; "" without one */
};

static const struct http_server *
http_server_of(const struct mg_connection *conn)
{
	return mg_get_user_data(mg_get_context(conn));
}

bool
http_is_crowded(const struct mg_connection *conn)
{
	const struct http_server *s = http_server_of(conn);

	return atomic_load(&s->open) > s->threads / 4 * 3;
}

static unsigned int
http_timeout_ms(const struct http_server *s)
{
	return s->options.timeout_ms ? s->options.timeout_ms : HTTP_REQUEST_TIMEOUT_MS;
}

int64_t
http_timeout_ns(const struct mg_connection *conn)
{
	return http_timeout_ms(http_server_of(conn)) * CLOCK_NS_PER_MS;
}

/*
 * Whether the connection may carry another request. The body of this one is not read: its bytes
 * must not be taken for the next request.
 */
static bool
http_keep_alive(struct mg_connection *conn, int status)
{
	const struct mg_request_info *info = mg_get_request_info(conn);

	if (status < 400 && info->content_length <= 0 &&
	    !mg_get_header(conn, "Transfer-Encoding") && !http_framing_is_old(info) &&
	    !http_is_crowded(conn))
		return true;
	mg_disable_keep_alive(conn);
	return false;
}

void
http_response_header(struct http_response *response, const char *name, const char *value)
{
	const unsigned char *at;

	for (at = (const unsigned char *)value; *at; at++)
		if (*at < ' ' || *at == 0x7f) {
			response->headers.err = IM_ERR_ARGUMENT;
			return;
		}
	buf_printf(&response->headers, "%s: %s\r\n", name, value);
}

/* Sends head and, unless head_only, body; a small answer is one write and so one packet. */
static void
http_send(struct mg_connection *conn, const struct http_response *response, bool head_only)
{
	bool keep_alive = http_keep_alive(conn, response->status);
	bool is_small = response->body.len <= HTTP_ONE_WRITE_MAX;
	struct buf out;

	buf_init(&out, HTTP_HEAD_MAX + HTTP_ONE_WRITE_MAX);
	buf_printf(&out,
	    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
	    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: %s\r\n",
	    response->status, mg_get_response_code_text(conn, response->status),
	    response->content_type, response->body.len, keep_alive ? "keep-alive" : "close");
	buf_append_bytes(&out, buf_bytes(&response->headers));
	buf_append_str(&out, "\r\n");
	if (!head_only && is_small)
		buf_append_bytes(&out, buf_bytes(&response->body));
	if (out.err != IM_OK || mg_write(conn, out.data, out.len) <= 0)
		mg_disable_keep_alive(conn);
	else if (!head_only && !is_small)
		mg_write(conn, response->body.data, response->body.len);
	buf_free(&out);
}

static struct http_response
http_response_of(int status)
{
	struct http_response response = {.status = status, .content_type = "application/json"};

	buf_init(&response.headers, HTTP_HEADERS_MAX);
	buf_init(&response.body, HTTP_BODY_MAX);
	return response;
}

static void
http_response_free(struct http_response *response)
{
	buf_free(&response->headers);
	buf_free(&response->body);
}

/* allow: the methods that the path has; NULL but for 405. */
static void
http_send_error(struct mg_connection *conn, int status, const char *allow, bool head_only)
{
	struct http_response response = http_response_of(status);

	if (allow)
		http_response_header(&response, "Allow", allow);
	buf_printf(&response.body, "{\"error\":\"%s\"}\n", mg_get_response_code_text(conn, status));
	http_send(conn, &response, head_only);
	http_response_free(&response);
}

static void
http_run(struct mg_connection *conn, const struct http_route *route,
    const struct http_request *request, bool head_only)
{
	struct http_response response = http_response_of(200);

	route->handle(route->arg, request, &response);
	if (response.body.err == IM_OK && response.headers.err == IM_OK)
		http_send(conn, &response, head_only);
	else
		http_send_error(conn, 500, NULL, head_only);
	http_response_free(&response);
}

/* Adds "METHOD" (and HEAD after GET) to the text of an Allow header. */
static void
http_allow_add(char allow[HTTP_METHODS_MAX], const char *method)
{
	size_t used = strlen(allow);

	snprintf(allow + used, HTTP_METHODS_MAX - used, "%s%s%s", used ? ", " : "", method,
	    strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

/*
 * What of a path stands for the "*" of a route's, "" for a route without; NULL if it does not fit.
 */
static const char *
http_match(const char *pattern, const char *path)
{
	size_t len = strlen(pattern);

	if (len == 0 || pattern[len - 1] != '*')
		return strcmp(pattern, path) == 0 ? "" : NULL;
	return strncmp(pattern, path, len - 1) == 0 ? path + len - 1 : NULL;
}

/*
 * The route of the request, which gets its rest, or NULL; then allow names the methods of its path.
 */
static const struct http_route *
http_find(const struct http_server *s, struct http_request *request, char allow[HTTP_METHODS_MAX])
{
	size_t i;

	allow[0] = '\0';
	for (i = 0; i < s->builtin_count + s->options.route_count; i++) {
		const struct http_route *route = i < s->builtin_count
		    ? &s->builtin[i]
		    : &s->options.routes[i - s->builtin_count];
		const char *rest = http_match(route->path, request->path);

		if (!rest)
			continue;
		request->rest = rest;
		if (strcmp(route->method, request->method) == 0)
			return route;
		http_allow_add(allow, route->method);
	}
	return NULL;
}

/* Answers what never reaches a route, in the program's form, and closes the connection. */
static void
http_refuse(struct mg_connection *conn, int status)
{
	const struct http_server *s = mg_get_user_data(mg_get_context(conn));
	struct http_response response;

	if (!s->options.refused) {
		http_send_error(conn, status, NULL, false);
		return;
	}
	response = http_response_of(status);
	s->options.refused(status, &response.body);
	http_send(conn, &response, false);
	http_response_free(&response);
}

/*
 * The first request of a connection that the front has made: it gets the front's answer, and the
 * connection the client's address. Anybody else's is refused.
 */
static void
http_introduced(struct mg_connection *conn, const struct http_server *s)
{
	const char *secret = mg_get_header(conn, HTTP_FRONT_SECRET_HEADER);
	const char *peer = mg_get_header(conn, HTTP_FRONT_PEER_HEADER);
	const struct mg_request_info *info = mg_get_request_info(conn);
	char *kept;

	if (!secret || !peer || strcmp(info->request_uri, HTTP_FRONT_PATH) != 0 ||
	    strlen(secret) != strlen(s->secret) ||
	    CRYPTO_memcmp(secret, s->secret, strlen(secret)) != 0) {
		http_refuse(conn, 403);
		return;
	}
	kept = strdup(peer);
	if (!kept || mg_write(conn, HTTP_FRONT_ANSWER, strlen(HTTP_FRONT_ANSWER)) <= 0) {
		free(kept);
		mg_disable_keep_alive(conn);
		return;
	}
	mg_set_user_connection_data(conn, kept);
}

/* Invariant 1: never 0, which would let civetweb go on. */
static int
http_begin_request(struct mg_connection *conn)
{
	const struct mg_request_info *info = mg_get_request_info(conn);
	struct http_server *s = info->user_data;
	bool head_only = strcmp(info->request_method, "HEAD") == 0;
	struct http_request request = {
	    .method = head_only ? "GET" : info->request_method,
	    .path = info->local_uri ? info->local_uri : "",
	    .rest = "",
	    .query = info->query_string ? info->query_string : "",
	};
	char allow[HTTP_METHODS_MAX];
	const struct http_route *route;

	if (s->secret[0] && !mg_get_user_connection_data(conn)) {
		http_introduced(conn, s);
		return 1;
	}
	atomic_fetch_add(&s->begun, 1);
	if (!http_framing_is_sound(info)) {
		http_refuse(conn, 400);
		return 1;
	}
	route = http_find(s, &request, allow);
	if (route)
		http_run(conn, route, &request, head_only);
	else if (s->options.handle)
		http_exchange_run(
		    conn, http_is_crowded(conn), s->options.handle, s->options.handle_arg);
	else
		http_send_error(conn, allow[0] ? 405 : 404, allow[0] ? allow : NULL, head_only);
	return 1;
}

/* What civetweb answers by itself (a request that does not parse) goes out in our form. */
static int
http_error(struct mg_connection *conn, int status, const char *message)
{
	(void)message;
	http_refuse(conn, status);
	return 0;
}

static int
http_connection_opened(const struct mg_connection *conn, void **data)
{
	struct http_server *s = mg_get_user_data(mg_get_context(conn));

	*data = NULL;
	atomic_fetch_add(&s->open, 1);
	return 0;
}

static void
http_connection_closed(const struct mg_connection *conn)
{
	struct http_server *s = mg_get_user_data(mg_get_context(conn));

	atomic_fetch_sub(&s->open, 1);
}

/* Before the other one, while the connection's data is still there. */
static void
http_connection_closing(const struct mg_connection *conn)
{
	free(mg_get_user_connection_data(conn));
	mg_set_user_connection_data(conn, NULL);
}

/*
 * Civetweb's complaints: in the thread that starts it the first is the reason, else a peer's doing.
 */
static _Thread_local char *http_start_error;

static int
http_log(const struct mg_connection *conn, const char *message)
{
	(void)conn;
	if (http_start_error && !http_start_error[0])
		snprintf(http_start_error, HTTP_ERROR_MAX, "%s", message);
	else
		log_debug("http: %s", message);
	return 1;
}

/* The IPv4 address that options ask for, as text. */
static enum im_err
http_resolve(const char *name, char out[INET_ADDRSTRLEN])
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	struct sockaddr_in in;
	int rc;

	if (name[0] == '\0')
		name = "0.0.0.0";
	rc = getaddrinfo(name, NULL, &hints, &found);
	if (rc != 0)
		return err_set(IM_ERR_ARGUMENT, "%s has no IPv4 address to serve HTTP on: %s", name,
		    gai_strerror(rc));
	memcpy(&in, found->ai_addr, sizeof in);
	freeaddrinfo(found);
	inet_ntop(AF_INET, &in.sin_addr, out, INET_ADDRSTRLEN);
	return IM_OK;
}

static enum im_err
http_listen(struct http_server *s)
{
	char listen_on[INET_ADDRSTRLEN + 8], threads[HTTP_NUMBER_MAX], keep_alive[HTTP_NUMBER_MAX];
	char timeout[HTTP_NUMBER_MAX];
	const char *settings[] = {"listening_ports", listen_on, "num_threads", threads,
	    "request_timeout_ms", timeout, "enable_keep_alive", "yes", "keep_alive_timeout_ms",
	    keep_alive, "max_request_size", HTTP_REQUEST_MAX, "tcp_nodelay", "1",
	    "enable_directory_listing", "no", "decode_url", s->options.handle ? "no" : "yes", NULL};
	struct mg_callbacks callbacks = {.begin_request = http_begin_request,
	    .log_message = http_log,
	    .http_error = http_error,
	    .init_connection = http_connection_opened,
	    .connection_close = http_connection_closing,
	    .connection_closed = http_connection_closed};
	struct mg_server_port ports[1] = {{0}};
	char error[HTTP_ERROR_MAX] = "";

	s->threads = s->options.threads ? s->options.threads : HTTP_THREADS;
	snprintf(threads, sizeof threads, "%zu", s->threads);
	snprintf(timeout, sizeof timeout, "%u", http_timeout_ms(s));
	snprintf(keep_alive, sizeof keep_alive, "%u",
	    s->options.keep_alive_ms ? s->options.keep_alive_ms : HTTP_KEEP_ALIVE_MS);
	snprintf(listen_on, sizeof listen_on, "%s:%u", s->address,
	    s->secret[0] ? 0u : (unsigned)s->options.port);
	http_start_error = error;
	s->ctx = mg_start(&callbacks, s, settings);
	http_start_error = NULL;
	if (!s->ctx)
		return err_set(IM_ERR_IO, "cannot serve HTTP on %s: %s", listen_on,
		    error[0] ? error : "the HTTP server does not start");
	if (mg_get_server_ports(s->ctx, 1, ports) == 1)
		s->port = (uint16_t)ports[0].port;
	return IM_OK;
}

/*
 * Where civetweb listens, and whether there is a front before it: for TLS, and for what is not
 * IPv4.
 */
static enum im_err
http_prepare(struct http_server *s)
{
	const char *name = s->options.address ? s->options.address : "";
	uint8_t random[HTTP_FRONT_SECRET_SIZE / 2];

	if (!s->options.tls && !strchr(name, ':') && http_resolve(name, s->address) == IM_OK)
		return IM_OK;
	if (getrandom(random, sizeof random, 0) != sizeof random)
		return err_set(IM_ERR_INTERNAL, "no random numbers: %s", strerror(errno));
	hex_encode(bytes_of(random, sizeof random), s->secret);
	snprintf(s->address, sizeof s->address, "127.0.0.1");
	return IM_OK;
}

static enum im_err
http_start_front(struct http_server *s)
{
	const struct http_front_options front = {.address = s->options.address,
	    .port = s->options.port,
	    .tls = s->options.tls,
	    .secret = s->secret,
	    .inner_port = s->port,
	    .connections = s->threads * HTTP_FRONT_CONNECTIONS};

	return http_front_start(&front, &s->front);
}

enum im_err
http_server_start(const struct http_options *options, struct http_server **out)
{
	struct http_server *s;
	enum im_err err;

	*out = NULL;
	if (options->port == 0 && !options->ephemeral)
		return IM_OK;
	s = calloc(1, sizeof *s);
	if (!s)
		return IM_ERR_NOMEM;
	s->options = *options;
	s->health = (struct http_health){.program = options->program,
	    .metrics = options->metrics,
	    .ready = options->ready,
	    .ready_arg = options->ready_arg,
	    .ready_notes = options->ready_notes};
	s->builtin_count =
	    http_health_routes(&s->health, options->routes, options->route_count, s->builtin);
	err = http_prepare(s);
	if (err == IM_OK)
		err = http_listen(s);
	if (err == IM_OK && s->secret[0])
		err = http_start_front(s);
	if (err != IM_OK) {
		http_server_stop(s);
		return err;
	}
	*out = s;
	return IM_OK;
}

uint16_t
http_server_port(const struct http_server *server)
{
	return server->front ? http_front_port(server->front) : server->port;
}

bool
http_server_answers(struct http_server *server, unsigned int timeout_ms)
{
	const char *host = strcmp(server->address, "0.0.0.0") == 0 ? "127.0.0.1" : server->address;
	uint64_t begun;
	struct buf body;
	enum im_err err;

	buf_init(&body, HTTP_GET_MAX);
	err = http_get(host, server->port, "/livez", (int)timeout_ms, &body);
	buf_free(&body);
	/* Past the front we are a stranger: that is an answer, too. */
	if (server->front && err == IM_ERR_REMOTE)
		err = IM_OK;
	begun = atomic_load(&server->begun);
	if (err != IM_OK && begun != server->begun_before)
		err = IM_OK;
	server->begun_before = begun;
	return err == IM_OK;
}

/* Connects and hangs up, again and again until the server has stopped. */
static void *
http_poke(void *arg)
{
	struct http_poke *poke = arg;
	const struct timespec pause = {.tv_nsec = HTTP_POKE_NS};

	while (!atomic_load(&poke->done)) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		if (fd >= 0) {
			(void)connect(fd, (const struct sockaddr *)&poke->to, sizeof poke->to);
			nanosleep(&pause, NULL);
			close(fd);
		} else {
			nanosleep(&pause, NULL);
		}
	}
	return NULL;
}

/* Stops civetweb, whose listening thread looks at the stop flag only every two seconds or when a
 * connection comes in; so connections come in. */
static void
http_stop_listening(struct http_server *server)
{
	struct http_poke poke = {.to = {.sin_family = AF_INET, .sin_port = htons(server->port)}};
	pthread_t thread;
	bool poking;

	inet_pton(AF_INET, server->address, &poke.to.sin_addr);
	if (poke.to.sin_addr.s_addr == htonl(INADDR_ANY))
		poke.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	poking = pthread_create(&thread, NULL, http_poke, &poke) == 0;
	mg_stop(server->ctx);
	atomic_store(&poke.done, true);
	if (poking)
		pthread_join(thread, NULL);
}

void
http_server_stop(struct http_server *server)
{
	if (!server)
		return;
	if (server->front)
		http_front_stop_listening(server->front);
	if (server->ctx)
		http_stop_listening(server);
	http_front_stop(server->front);
	free(server);
}
