#ifndef HTTP_HTTP_SERVER_H
#define HTTP_HTTP_SERVER_H

#include "util/bytes.h"

struct http_exchange;
struct metrics;
struct tls_context;

#define HTTP_THREADS 64
#define HTTP_KEEP_ALIVE_MS 500
#define HTTP_REQUEST_TIMEOUT_MS 5000

/*
 * The small HTTP side of a daemon: HTTP/1.1, a table of routes, nothing from the file system. Plain
 * and over IPv4 civetweb talks to clients itself; for TLS and IPv6 there is a front before it.
 * Every server has /metrics (when there is a registry), the same as JSON at /debug/vars (also when
 * /metrics is a route of the daemon's), /livez, /readyz and /version; GET routes answer HEAD too.
 * An unknown path is 404, a known path with another method 405 with Allow; routes do not see
 * bodies. A program that needs more has a handler of its own (http_exchange.h).
 *
 * Handlers run on the server's own threads, several at a time, and may take a while.
 */
struct http_server;

/* What a handler may look at; valid during the call. */
struct http_request {
	const char *method; /* "GET" also for HEAD */
	const char *path;   /* without query, percent-decoded */
	const char *rest;   /* of the path: what stands for the "*" of the route, else "" */
	const char *query;  /* without "?"; "" when there is none */
};

/* What a handler fills in; it starts as 200, "application/json" and an empty body. */
struct http_response {
	int status;
	const char *content_type; /* a static string */
	struct buf headers;       /* more of them; by http_response_header() */
	struct buf body;
};

/*
 * Adds a header. The name is ours; a value that holds a control character, so that it could pose as
 * another header, or too many bytes of headers make the whole answer a 500.
 */
void http_response_header(struct http_response *response, const char *name, const char *value);

struct http_route {
	const char *method;
	const char *path; /* exact; or its beginning and then "*": of several that fit the first */
	void (*handle)(
	    void *arg, const struct http_request *request, struct http_response *response);
	void *arg;
};

struct http_options {
	const char *address; /* IPv4, IPv6, or a host name; "": all of IPv4, "::": all of both */
	struct tls_context *tls; /* of a server; NULL: no TLS. Must outlive the server */
	uint16_t port;           /* 0 = no server, unless ephemeral is set */
	bool ephemeral;          /* for tests: the system picks a free port */
	const char *program;     /* named by /version; borrowed */
	struct metrics *metrics; /* shown at /metrics; NULL: no such path */
	/*
	 * IM_OK while the daemon can do its work; otherwise /readyz answers 503 with the detail
	 * text. NULL: always ready. Called on the server's threads.
	 */
	enum im_err (*ready)(void *arg);
	void *ready_arg;
	/*
	 * What else a daemon that is ready has to say: appends members to the JSON object of
	 * /readyz, each behind a comma. NULL: nothing. With ready_arg, on the server's threads.
	 */
	void (*ready_notes)(void *arg, struct buf *out);
	const struct http_route *routes; /* borrowed; must outlive the server */
	size_t route_count;
	/*
	 * Given every request that no route takes, instead of a 404 or 405; paths are then not
	 * decoded. Request bodies and long answers are for it only. NULL: none.
	 */
	void (*handle)(void *arg, struct http_exchange *x);
	void *handle_arg;
	/*
	 * What civetweb refuses before there is a request: appends the body. NULL: {"error":...}.
	 */
	void (*refused)(int status, struct buf *body);
	size_t threads; /* and connections at a time; 0: HTTP_THREADS */
	/*
	 * How long an idle connection is kept; 0: HTTP_KEEP_ALIVE_MS. None is when most are in use.
	 */
	unsigned int keep_alive_ms;
	/*
	 * How long a peer may keep silent within a request; 0: HTTP_REQUEST_TIMEOUT_MS. An answer
	 * waits twelve times as long for one that takes nothing, and while most connections are in
	 * use no longer.
	 */
	unsigned int timeout_ms;
};

/*
 * Starts serving. With port 0 and not ephemeral, *out is NULL and the result IM_OK. IM_ERR_ARGUMENT
 * for what is no address, IM_ERR_IO when the port cannot be had (the detail names
 * address and port), IM_ERR_NOMEM. Stop with http_server_stop().
 */
enum im_err http_server_start(const struct http_options *options, struct http_server **out);

/* The port that is served. */
uint16_t http_server_port(const struct http_server *server);

/*
 * Whether it does its work: it answers a request of ours within timeout_ms, or has begun another
 * request since this was asked last. Blocks; for one thread, none of the server's own.
 */
bool http_server_answers(struct http_server *server, unsigned int timeout_ms);

/* Finishes the running handlers, closes all connections, joins all threads. NULL is accepted. */
void http_server_stop(struct http_server *server);

#endif
