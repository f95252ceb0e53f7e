#ifndef IMMUGW_HTTP_HEADERS_H
#define IMMUGW_HTTP_HEADERS_H

#include "util/bytes.h"

/*
 * What the headers of a request say: token, wanted form of the answer, id, origin. Values come from
 * anybody; an empty view stands for a header that is not there. Pure; any thread.
 */

#define HTTP_TOKEN_MAX 4096
#define HTTP_REQUEST_ID_MAX 128

/*
 * The token of an Authorization header, with or without "Bearer" (in any case) in front; empty when there
 * is no header. IM_ERR_NOT_LOGGED_IN for anything else: another scheme, blanks in the token, characters
 * that no token has, longer than HTTP_TOKEN_MAX. The token is a part of value.
 */
enum im_err http_token_read(struct bytes value, struct bytes *token);

/*
 * Whether an Accept header asks for newline-delimited JSON: it names application/x-ndjson,
 * application/ndjson or application/jsonl with a weight of more than 0 and not less than that of
 * application/json where it names that too.
 */
bool http_wants_lines(struct bytes accept);

/* Whether a request id of a client may be taken over and logged: letters, digits and a few signs. */
bool http_request_id_valid(struct bytes id);

/*
 * Whether origin is one of the allowed: allowed is a comma-separated list of origins such as
 * "https://app.example:8443", or "*" for all; "" allows none. Origins are compared as they are
 * written: browsers write scheme and host in lower case and leave out the default port.
 */
bool http_origin_allowed(const char *allowed, struct bytes origin);

/*
 * Whether text is such a list: "", "*", or origins with scheme http or https, a host, and nothing behind
 * the port. If not, IM_ERR_CONFIG whose detail names the part.
 */
enum im_err http_origins_check(const char *allowed);

#endif
