/*
 * Errors as HTTP says them. Neighbours: whoever answers a request asks here for status, code and
 * text.
 *
 * Invariant: http_errors.def decides, and every error of errors.def gets a status of 400 or more (a
 * unit test goes through all).
 */
#include "http_error.h"

#include <stddef.h>

#include "util/text.h"

/* What the gateway itself is too busy for. */
#define REFUSED_RETRY_AFTER_S 1

#define TAMPERED "data is corrupted"
#define COUNT(table) (sizeof(table) / sizeof *(table))

static const int status_rows[] = {
#define STATUS(status, http) [status] = (http),
#define ERROR(err, http, status, retry_after_s)
#define REFUSAL(name, http, status, text)
#include "http_errors.def"
#undef STATUS
#undef ERROR
#undef REFUSAL
};

static const struct {
	enum im_err err;
	struct http_error said;
} error_rows[] = {
#define STATUS(status, http)
#define ERROR(err, http, status, retry_after_s) {err, {http, status, retry_after_s}},
#define REFUSAL(name, http, status, text)
#include "http_errors.def"
#undef STATUS
#undef ERROR
#undef REFUSAL
};

static const struct {
	struct http_error said;
	const char *text;
} refusal_rows[] = {
#define STATUS(status, http)
#define ERROR(err, http, status, retry_after_s)
#define REFUSAL(name, http, status, text) [HTTP_REFUSED_##name] = {{http, status, 0}, text},
#include "http_errors.def"
#undef STATUS
#undef ERROR
#undef REFUSAL
};

/* Whether the error says that data is not what it was, where the caller asked for proof. */
static bool
is_tampering(enum im_err err, bool is_verified)
{
	if (err_exit_code(err) == IM_EXIT_VERIFICATION)
		return true;
	return is_verified && err_status(err) == IM_STATUS_DATA_LOSS;
}

static struct http_error
error_of_status(enum im_status status)
{
	if ((size_t)status >= COUNT(status_rows) || status == IM_STATUS_OK)
		status = IM_STATUS_UNKNOWN;
	return (struct http_error){.http = status_rows[status], .code = (int)status};
}

struct http_error
http_error_of(enum im_err err, enum im_status status, bool is_verified)
{
	if (err == IM_ERR_REMOTE && !(is_verified && status == IM_STATUS_DATA_LOSS))
		return error_of_status(status);
	if (err == IM_ERR_REMOTE || is_tampering(err, is_verified))
		err = IM_ERR_PROOF;
	for (size_t i = 0; i < COUNT(error_rows); i++)
		if (error_rows[i].err == err)
			return error_rows[i].said;
	return error_of_status(err_status(err));
}

struct http_error
http_error_of_refusal(enum http_refusal refusal)
{
	struct http_error said = refusal_rows[refusal].said;

	if (said.http == 503)
		said.retry_after_s = REFUSED_RETRY_AFTER_S;
	return said;
}

const char *
http_refusal_text(enum http_refusal refusal)
{
	return refusal_rows[refusal].text;
}

void
http_error_append_message(struct buf *out, enum im_err err, bool is_verified)
{
	struct bytes text = bytes_str(err_text(err)), detail = bytes_str(err_detail(err));

	if (is_tampering(err, is_verified) && !bytes_has_prefix(text, bytes_str(TAMPERED)))
		buf_append_str(out, TAMPERED ": ");
	/* Many details begin with the text; the text alone stands in when there is no detail. */
	if (!bytes_has_prefix(detail, text)) {
		buf_append_bytes(out, text);
		buf_append_str(out, ": ");
	}
	buf_append_bytes(out, detail);
}

void
http_error_append_body(struct buf *out, const struct http_error *e, struct bytes message)
{
	buf_printf(out, "{\"code\":%d,\"message\":", e->code);
	text_append_json(out, message);
	buf_append_u8(out, '}');
}
