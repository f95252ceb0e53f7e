#ifndef HTTP_HTTP_EXCHANGE_H
#define HTTP_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/bytes.h"

/*
 * One request and its answer, for programs that do more than a table of routes: path and query as
 * they came, headers, the body, answers in one piece or in many. Given to http_options.handle;
 * valid during that call, in the thread that is called. Exactly one answer is sent; what the
 * handler leaves out ends as 500.
 */
struct http_exchange;

/* "GET", "POST"...: as in the request line. */
const char *http_exchange_method(const struct http_exchange *x);

/*
 * The path as in the request line, nothing decoded, without the query; and the query without its
 * "?".
 */
struct bytes http_exchange_path(const struct http_exchange *x);
struct bytes http_exchange_query(const struct http_exchange *x);

/* A header's value; NULL when it is not there. The name in any case. */
const char *http_exchange_header(const struct http_exchange *x, const char *name);

/* Who asks: "127.0.0.1". */
const char *http_exchange_peer(const struct http_exchange *x);

/* The length that the request announces; -1 when it does not (chunked, or none at all). */
int64_t http_exchange_body_length(const struct http_exchange *x);

/*
 * Reads the body to the end and appends it to out, which must take max + 1 bytes; takes memory for
 * bytes that came, not for those announced. IM_ERR_BODY_SIZE (more than max), IM_ERR_TIMEOUT (not
 * whole within timeout_ms), IM_ERR_CONNECTION_LOST (ended before its length), IM_ERR_NOMEM. After
 * an error the connection is closed behind the answer.
 */
struct http_body_limit {
	size_t max;
	int timeout_ms;
};
enum im_err
http_exchange_body(struct http_exchange *x, const struct http_body_limit *limit, struct buf *out);

/* How an answer begins. */
struct http_head {
	int status;
	const char *content_type; /* NULL: no body */
	const char *headers;      /* whole lines, each with CR LF; NULL: none */
};

/* Sends an answer in one piece. For HEAD the body is left out. */
void http_exchange_send(struct http_exchange *x, const struct http_head *head, struct bytes body);

/*
 * Sends an answer in pieces as they are made: begin, any number of writes, end. What cannot be
 * ended well is broken off: without http_exchange_end() the peer sees that something is missing. A
 * write waits for the peer; IM_ERR_CONNECTION_LOST when it has gone, or has taken nothing for a
 * minute, or for less when most connections are in use.
 */
void http_exchange_begin(struct http_exchange *x, const struct http_head *head);
enum im_err http_exchange_write(struct http_exchange *x, struct bytes piece);
void http_exchange_end(struct http_exchange *x);

/* What was answered so far, for logs: the status, 0 before; bytes of the body. */
int http_exchange_status(const struct http_exchange *x);
uint64_t http_exchange_sent(const struct http_exchange *x);

#endif
