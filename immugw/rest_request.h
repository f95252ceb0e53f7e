#ifndef IMMUGW_REST_REQUEST_H
#define IMMUGW_REST_REQUEST_H

#include "routes.h"

/*
 * The message of a request from its three parts: path, query, body. Pure; any thread.
 */

#define REST_QUERY_MAX 8192    /* bytes */
#define REST_PARAMETERS_MAX 32 /* in one query */

/*
 * Makes the request message of match->route, which must have a method. GET: fields from the path,
 * then from the query (each name once, any scalar field that the path does not give). POST: the
 * body as JSON, in which nothing but blanks means {}; then fields from the path, which must not
 * contradict the body; a query is refused. On a verified path proveSinceTx is refused: the gateway
 * fills it in from its trusted state. The sub-message of verified and verifiable requests must be
 * there. Message and content are in the arena. IM_ERR_JSON naming the place, IM_ERR_BODY_SIZE,
 * IM_ERR_ARGUMENT for a query that cannot be taken apart.
 */
enum im_err rest_request_build(const struct route_match *match, struct bytes query,
    struct bytes body, struct arena *a, ProtobufCMessage **out);

#endif
