#ifndef HTTP_HTTP_HEALTH_H
#define HTTP_HTTP_HEALTH_H

#include "http/http_server.h"

/* Private to http/: the routes that every server has. */
#define HTTP_HEALTH_ROUTES 5

struct http_health {
	const char *program;
	struct metrics *metrics; /* may be NULL */
	/* That of /metrics, ours or the daemon's own; its handle is NULL when there is none. */
	struct http_route text;
	enum im_err (*ready)(void *arg);
	void *ready_arg;
	void (*ready_notes)(void *arg, struct buf *out); /* may be NULL */
};

/*
 * Fills in the routes and returns how many; health must outlive them, and the
 * daemon's own routes too.
 */
size_t http_health_routes(struct http_health *health, const struct http_route *own,
    size_t own_count, struct http_route routes[HTTP_HEALTH_ROUTES]);

#endif
