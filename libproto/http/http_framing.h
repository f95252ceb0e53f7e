#ifndef HTTP_HTTP_FRAMING_H
#define HTTP_HTTP_FRAMING_H

#include <civetweb.h>

#include <stdbool.h>

/* Private to http/. */

/*
 * Whether everybody between the client and here agrees on where the request ends (RFC 9112, 6.3):
 * one length in digits, or one "chunked" of version 1.1, and no header that was not read. What is
 * not sound must be refused and its connection closed: the rest may be another's request.
 */
bool http_framing_is_sound(const struct mg_request_info *info);

/* Whether the client waits for "100 Continue" before it sends the body. */
bool http_framing_wants_continue(const struct mg_request_info *info);

/* Whether the client speaks a version that knows no chunks and does not expect to be kept. */
bool http_framing_is_old(const struct mg_request_info *info);

#endif
