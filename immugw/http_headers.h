#ifndef IMMUGW_HTTP_HEADERS_H
#define IMMUGW_HTTP_HEADERS_H

#include "util/bytes.h"

/*
 * What headers of a request say: the token, and the wanted form of the answer. Values come from
 * anybody; an empty view stands for a header that is not there. Pure; any thread.
 */

#define HTTP_TOKEN_MAX 4096

/*
 * The token of an Authorization header, with or without "Bearer" (in any case) in front; empty when
 * there is no header. IM_ERR_NOT_LOGGED_IN for anything else: another scheme, blanks in the token,
 * characters that no token has, longer than HTTP_TOKEN_MAX. The token is a part of value.
 */
enum im_err http_token_read(struct bytes value, struct bytes *token);

/*
 * Whether an Accept header asks for newline-delimited JSON: it names application/x-ndjson,
 * application/ndjson or application/jsonl with a weight of more than 0 and not less than that of
 * application/json where it names that too.
 */
bool http_wants_lines(struct bytes accept);

#endif
