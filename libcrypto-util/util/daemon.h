#ifndef UTIL_DAEMON_H
#define UTIL_DAEMON_H

#include <signal.h>
#include <sys/types.h>

#include "util/err.h"

/*
 * What a daemon needs of the system around it: descriptors, signals, pid file, going to the
 * background, telling the service manager. One of each per process; the order of calls is
 *
 *	daemon_detach()		before any thread, before the first nng call
 *	daemon_init()		before any thread
 *	daemon_pidfile_create()
 *	... open, listen ...
 *	daemon_ready()
 *	daemon_wait_stop()
 *	daemon_stopping()
 *	... close ...
 *	daemon_pidfile_remove(), daemon_free()
 */

/*
 * Raises the soft limit of open files to the hard one and returns the limit now in force, at most
 * INT32_MAX. A system that refuses is no error: the present limit is returned.
 */
size_t daemon_raise_nofile(void);

/*
 * Goes to the background: the caller's process waits for the child's daemon_ready() and then ends
 * with code 0 after printing "PROGRAM has been started with PID N" on stdout; when the child ends
 * first, the waiting process ends with the child's exit code (the child has said why on stderr,
 * which it keeps until it is ready). Returns IM_OK in the child only, a session leader's child
 * without a controlling terminal; the working folder is kept. IM_ERR_IO when forking fails.
 */
enum im_err daemon_detach(const char *program);

/*
 * Blocks SIGTERM, SIGINT and SIGHUP in the calling thread and those it starts, ignores SIGPIPE, and
 * prepares daemon_wait_stop(). IM_ERR_IO.
 */
enum im_err daemon_init(void);

/* Undoes daemon_init(), except that SIGPIPE stays ignored. */
void daemon_free(void);

/*
 * Creates the pid file: our pid in decimal and a newline, mode 0644, missing folders made. The
 * file is locked as long as the process lives; a file whose lock is free is left over from a
 * process that died and is taken over. IM_ERR_LOCKED when a living process holds it,
 * IM_ERR_ARGUMENT when path names no file, IM_ERR_IO. NULL or "" does nothing.
 */
enum im_err daemon_pidfile_create(const char *path);

/* Removes the pid file, if one was created and it is still ours. */
void daemon_pidfile_remove(void);

/*
 * Says that the daemon answers: READY=1 to the service manager, the waiting parent ends, and a
 * detached process lets go of stdin, stdout and stderr.
 */
void daemon_ready(void);

/* Says that the daemon is stopping (STOPPING=1 to the service manager). */
void daemon_stopping(void);

/*
 * Sends a state such as "STATUS=..." to the socket named by $NOTIFY_SOCKET. IM_OK without that
 * variable; IM_ERR_IO when sending fails, IM_ERR_CONFIG when it is not a socket address.
 */
enum im_err daemon_notify(const char *state);

/*
 * Waits until SIGTERM, SIGINT or daemon_request_stop(), at most timeout_ms (-1: for ever). Returns
 * the signal's number, SIGTERM for a request, 0 when the time is over. SIGHUP opens the log again
 * and the wait goes on.
 */
int daemon_wait_stop(int timeout_ms);

/* Makes daemon_wait_stop() return, now or when it is next called. From any thread or handler. */
void daemon_request_stop(void);

#endif
