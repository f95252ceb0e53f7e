#ifndef IMMUGW_HTTP_ERROR_H
#define IMMUGW_HTTP_ERROR_H

#include "util/bytes.h"

/*
 * How an error is said over HTTP: http_errors.def is the one table. The body is
 * {"code":N,"message":"..."} with the wire status as code. Pure; any thread.
 */

/* What the gateway refuses by itself, before any method: HTTP_REFUSED_PATH and so on. */
enum http_refusal {
#define STATUS(status, http)
#define ERROR(err, http, status, retry_after_s)
#define REFUSAL(name, http, status, text) HTTP_REFUSED_##name,
#include "http_errors.def"
#undef STATUS
#undef ERROR
#undef REFUSAL
	HTTP_REFUSALS
};

struct http_error {
	int http;               /* status of the HTTP answer */
	int code;               /* enum im_status, in the body */
	unsigned retry_after_s; /* for the header Retry-After; 0: none */
};

/*
 * How err is said. status counts for IM_ERR_REMOTE only, where the server's own status is all there
 * is. On a verified path whatever is wrong with data or proof is 409 with status Aborted.
 */
struct http_error http_error_of(enum im_err err, enum im_status status, bool is_verified);

struct http_error http_error_of_refusal(enum http_refusal refusal);
const char *http_refusal_text(enum http_refusal refusal);

/*
 * Appends the message for err: its fixed text and the calling thread's detail if that says more.
 * What is wrong with data or proof on a verified path begins with "data is corrupted", which
 * scripts of the original look for.
 */
void http_error_append_message(struct buf *out, enum im_err err, bool is_verified);

/* Appends the body: {"code":5,"message":"key not found"}. */
void http_error_append_body(struct buf *out, const struct http_error *e, struct bytes message);

#endif
