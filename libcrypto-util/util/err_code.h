#ifndef UTIL_ERR_CODE_H
#define UTIL_ERR_CODE_H

/*
 * The one error space. errors.def is the table: name, text, wire status, exit code of a command.
 * Functions return enum im_err; what exactly was wrong (which file, which key) goes with it as the
 * calling thread's detail text, in the manner of errno.
 */
enum im_err {
#define X(name, text, status, exit_code) name,
#include "util/errors.def"
#undef X
	IM_ERR_COUNT
};

/* Wire status codes; the numbers are those of gRPC. */
enum im_status {
	IM_STATUS_OK = 0,
	IM_STATUS_CANCELLED = 1,
	IM_STATUS_UNKNOWN = 2,
	IM_STATUS_INVALID_ARGUMENT = 3,
	IM_STATUS_DEADLINE_EXCEEDED = 4,
	IM_STATUS_NOT_FOUND = 5,
	IM_STATUS_ALREADY_EXISTS = 6,
	IM_STATUS_PERMISSION_DENIED = 7,
	IM_STATUS_RESOURCE_EXHAUSTED = 8,
	IM_STATUS_FAILED_PRECONDITION = 9,
	IM_STATUS_ABORTED = 10,
	IM_STATUS_OUT_OF_RANGE = 11,
	IM_STATUS_UNIMPLEMENTED = 12,
	IM_STATUS_INTERNAL = 13,
	IM_STATUS_UNAVAILABLE = 14,
	IM_STATUS_DATA_LOSS = 15,
	IM_STATUS_UNAUTHENTICATED = 16
};

/* Exit codes of every program. */
enum im_exit {
	IM_EXIT_OK = 0,
	IM_EXIT_ERROR = 1,
	IM_EXIT_USAGE = 2,
	IM_EXIT_NOT_FOUND = 3,
	IM_EXIT_DENIED = 4,
	IM_EXIT_UNREACHABLE = 5,
	IM_EXIT_VERIFICATION = 10,
	IM_EXIT_INTERRUPTED = 130
};

#endif
