#ifndef COLD_SIGNALS_H
#define COLD_SIGNALS_H

#include "util/err.h"

/*
 * Work that must not be left half-done: between begin and end SIGINT, SIGTERM and SIGHUP are kept
 * until they are asked for, SIGPIPE and SIGXFSZ are errors of the calls that they come from. Main
 * thread only.
 */
enum im_err cold_signals_begin(void);

/* IM_ERR_INTERRUPTED when a signal has come, once and for all. */
enum im_err cold_signals_check(void);

/* Readable when a signal has come; -1 outside. */
int cold_signals_fd(void);

/* As before; what has come is taken as done with. */
void cold_signals_end(void);

#endif
