#ifndef IMMUDB_PROGRAM_H
#define IMMUDB_PROGRAM_H

#include <limits.h>

#include "util/bytes.h"

/*
 * The daemon's program, which does what needs to know its files: the one beside this program, else
 * the first of the PATH. IM_ERR_NOT_FOUND.
 */
enum im_err immudb_program_find(char path[PATH_MAX]);

/*
 * Runs it with the arguments ("verify", ..., NULL-terminated) and waits for its end. What it prints
 * is appended to out and errors, each at most to its limit. *code is its exit code.
 * IM_ERR_INTERRUPTED when a signal came meanwhile (cold_signals.h): it was killed; IM_ERR_IO,
 * IM_ERR_NOT_FOUND.
 */
struct immudb_run {
	const char *const *args;
	struct buf *out;
	struct buf *errors;
	int code;
};
enum im_err immudb_program_run(struct immudb_run *run);

#endif
