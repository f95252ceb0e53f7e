#ifndef IMMUGW_CORS_H
#define IMMUGW_CORS_H

#include <stdbool.h>

#include "util/bytes.h"

/*
 * What browsers let pages of other origins do (the Fetch standard, "CORS protocol"): nothing,
 * unless an origin is named. Tokens travel in the header Authorization, never in cookies, so that
 * credentials need no leave. Pure.
 */
struct cors {
	const char *const *origins; /* "https://app.example.com"; "*" is every one */
	size_t origins_len;
};

/*
 * Appends the headers of an answer to a page of that origin (NULL: not a browser's, or of our own
 * page). False when the origin is none of those allowed; then there are no such headers.
 */
bool cors_append(struct buf *headers, const struct cors *cors, const char *origin);

/* Appends what a preflight asks for, for a path with these verbs (enum route_verb, or-ed). */
void cors_append_preflight(struct buf *headers, unsigned verbs);

/*
 * Whether it is "*" or an origin as browsers write it: http or https, a host, a port if there is
 * one, and nothing behind. If not, IM_ERR_CONFIG whose detail names it: it would never match.
 */
enum im_err cors_check_origin(const char *origin);

#endif
