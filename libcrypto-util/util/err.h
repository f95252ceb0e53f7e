#ifndef UTIL_ERR_H
#define UTIL_ERR_H

#include "util/err_code.h"

/*
 * Texts and details of the errors of err_code.h.
 */

/* The fixed text of an error; a static string, never NULL. */
const char *err_text(enum im_err err);

/* The wire status of an error. */
enum im_status err_status(enum im_err err);

/* The exit code a command ends with on this error. */
enum im_exit err_exit_code(enum im_err err);

/* The name of the error as in errors.def, such as "IM_ERR_IO"; a static string. */
const char *err_name(enum im_err err);

/*
 * The gRPC name of a status, such as "NotFound"; a static string, "Code(N)"-free: "Unknown" if
 * bad.
 */
const char *status_name(enum im_status status);

/*
 * Sets the calling thread's detail text and returns err, so that a function can end with
 * "return err_set(IM_ERR_IO, "%s: %s", path, strerror(errno))". Secrets never go in here.
 */
enum im_err err_set(enum im_err err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Sets the detail text to "what: path: strerror(errno)" and returns err. */
enum im_err err_set_errno(enum im_err err, const char *what, const char *path);

/*
 * The calling thread's detail text for err, as last set by err_set() with that same err; the fixed
 * text when none was. Valid until the next err_set() of this thread.
 */
const char *err_detail(enum im_err err);

/* Forgets the calling thread's detail text; at the start of a request. */
void err_clear(void);

/* As macros too: compilers and analysers then see that the first argument is what comes back. */
#define err_set(err, ...) \
	__extension__({ \
		const enum im_err err_given_ = (err); \
		(err_set)(err_given_, __VA_ARGS__); \
		err_given_; \
	})
#define err_set_errno(err, what, path) \
	__extension__({ \
		const enum im_err err_given_ = (err); \
		(err_set_errno)(err_given_, (what), (path)); \
		err_given_; \
	})

#endif
