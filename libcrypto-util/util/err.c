/*
 * The error table and the calling thread's detail text.
 *
 * Invariant: the detail belongs to exactly one error code; asking for another code's detail gives
 * that code's fixed text, so a stale detail is never shown.
 */
#include "util/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef err_set
#undef err_set_errno

#define ERR_DETAIL_MAX 512

static const struct {
	const char *name;
	const char *text;
	enum im_status status;
	enum im_exit exit_code;
} err_table[IM_ERR_COUNT] = {
#define X(name, text, status, exit_code) [name] = {#name, text, status, exit_code},
#include "util/errors.def"
#undef X
};

static const char *const status_names[] = {"OK", "Canceled", "Unknown", "InvalidArgument",
    "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied", "ResourceExhausted",
    "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable",
    "DataLoss", "Unauthenticated"};

static _Thread_local struct {
	enum im_err err;
	char text[ERR_DETAIL_MAX];
} detail;

static enum im_err
err_checked(enum im_err err)
{
	return (unsigned)err < IM_ERR_COUNT ? err : IM_ERR_INTERNAL;
}

const char *
err_text(enum im_err err)
{
	return err_table[err_checked(err)].text;
}

enum im_status
err_status(enum im_err err)
{
	return err_table[err_checked(err)].status;
}

enum im_exit
err_exit_code(enum im_err err)
{
	return err_table[err_checked(err)].exit_code;
}

const char *
err_name(enum im_err err)
{
	return err_table[err_checked(err)].name;
}

const char *
status_name(enum im_status status)
{
	size_t n = sizeof status_names / sizeof *status_names;

	return (size_t)status < n ? status_names[status] : status_names[IM_STATUS_UNKNOWN];
}

enum im_err
err_set(enum im_err err, const char *fmt, ...)
{
	/* Formatted aside first: an argument may be the present detail itself. */
	char text[ERR_DETAIL_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	memcpy(detail.text, text, sizeof text);
	detail.err = err;
	return err;
}

enum im_err
err_set_errno(enum im_err err, const char *what, const char *path)
{
	char scratch[128];

	return err_set(err, "%s: %s: %s", what, path, strerror_r(errno, scratch, sizeof scratch));
}

const char *
err_detail(enum im_err err)
{
	return err != IM_OK && detail.err == err ? detail.text : err_text(err);
}

void
err_clear(void)
{
	detail.err = IM_OK;
}
