#ifndef HTTP_HTTP_FRONT_CONN_H
#define HTTP_HTTP_FRONT_CONN_H

#include <stdbool.h>

#include "http/http_front.h"

/* One connection of a front (private to http/). All of it belongs to the front's thread. */

struct front_conn;

/* One of its two sockets; what epoll events point at. */
struct front_end {
	struct front_conn *conn; /* NULL: the front's own */
	int fd;                  /* -1: none */
	uint32_t events;         /* asked for */
	bool is_added;           /* to epoll */
};

/* Bytes on their way to one end. */
struct front_queue {
	struct buf bytes;
	size_t sent; /* of bytes */
};

struct front_conn {
	struct front_conn *next, *prev;
	const struct http_front_options *options;
	struct front_end outer, inner;
	struct front_queue to_outer, to_inner;
	struct tls_conn *tls; /* NULL: none */
	char peer[HTTP_FRONT_PEER_SIZE];
	bool introduced;               /* the connection to the server inside has begun */
	size_t answered;               /* bytes of HTTP_FRONT_ANSWER that have come */
	int64_t deadline_ns;           /* when it is given up; 0: it is not */
	bool outer_ended, inner_ended; /* nothing more comes from there */
	bool inner_shut, outer_shut;   /* and nothing more goes there */
	bool dead;                     /* to be freed */
};

/* Takes the socket over on success. NULL without memory. */
struct front_conn *
front_conn_new(const struct http_front_options *options, int fd, const char *peer, int64_t now_ns);

/* Reads and writes what the events of one end say can be, and decides what follows. */
void front_conn_run(struct front_conn *c, struct front_end *end, uint32_t events, int64_t now_ns);

/*
 * The events that an end waits for now; with none it must not be in epoll, which always tells
 * errors.
 */
uint32_t front_conn_wants(const struct front_conn *c, const struct front_end *end);

/* Whether nothing is on its way to the client. */
bool front_conn_is_quiet(const struct front_conn *c);

/* Closes both sockets. */
void front_conn_free(struct front_conn *c);

#endif
