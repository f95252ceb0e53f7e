#ifndef HTTP_HTTP_EXCHANGE_INTERNAL_H
#define HTTP_HTTP_EXCHANGE_INTERNAL_H

#include <civetweb.h>

#include "http/http_exchange.h"

/* So many times as long as it may keep silent within a request, a peer may take nothing. */
#define HTTP_STALLS_MAX 12

/* Private to http/: how http_server.c makes an exchange of civetweb's connection. */
struct http_exchange {
	struct mg_connection *conn;
	const struct mg_request_info *info;
	bool body_read; /* to its end: the connection may carry another request */
	bool streams;   /* begun, not ended */
	bool is_head;
	bool is_old;     /* of a version without chunks: a stream ends with the connection */
	bool must_close; /* the client is old, or too many connections are open to keep this one */
	int status;
	uint64_t sent;
};

/* Of the server whose connection it is: how long a peer may keep silent within a request. */
int64_t http_timeout_ns(const struct mg_connection *conn);

/* Whether so many connections are open that none is kept which has nothing to say. */
bool http_is_crowded(const struct mg_connection *conn);

/* Runs the handler and sees to it that there is an answer. */
void http_exchange_run(struct mg_connection *conn, bool must_close,
    void (*handle)(void *arg, struct http_exchange *x), void *arg);

#endif
