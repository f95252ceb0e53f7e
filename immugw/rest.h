#ifndef IMMUGW_REST_H
#define IMMUGW_REST_H

#include "http/http_exchange.h"
#include "token_memo.h"
#include "util/metrics.h"
#include "verified.h"

/*
 * From an HTTP request to its answer: route, message, call, JSON. gateway.c owns what it works
 * with.
 */

#define REST_BODY_TIMEOUT_MS 60000
/* Bodies of all requests at a time, as they were received. */
#define REST_BODIES_MAX ((size_t)256 * 1024 * 1024)
/* Long lists at a time: each holds a page, packed and decoded, for as long as its reader takes. */
#define REST_LISTS_MAX 16

/* The way to the server, and what is known of tokens by it. */
struct rest_side {
	struct upstream *upstream;
	struct token_memo *sessions;
};

struct rest {
	/* For clients on this machine, whom the server may let do more, and for all others. */
	struct rest_side local, others;
	struct verified *verified;
	size_t max_body; /* of one request */
	const char *const *origins;
	size_t origins_len;
	bool access_log;
	struct buf openapi; /* the document */
	_Atomic size_t bodies;
	_Atomic size_t lists;
	struct metric_family *requests, *durations;
	struct metric *verification_failures, *in_flight, *received, *sent;
};

/* Makes the document and the metrics' families. IM_ERR_NOMEM. */
enum im_err rest_init(struct rest *r, struct metrics *metrics);
void rest_free(struct rest *r);

/* For http_options.handle; arg is the struct rest. */
void rest_handle(void *arg, struct http_exchange *x);

/* For http_options.refused. */
void rest_refused(int status, struct buf *body);

#endif
