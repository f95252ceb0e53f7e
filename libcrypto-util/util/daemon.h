#ifndef UTIL_DAEMON_H
#define UTIL_DAEMON_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "util/err.h"

/*
 * What a daemon needs of the system around it: descriptors, signals, pid file, going to the
 * background, telling the service manager. One of each per process; the order of calls is
 *
 *	daemon_detach()		before any thread, before the first nng call
 *	daemon_init()		before any thread
 *	daemon_pidfile_create()
 *	... open, listen, under daemon_guard_begin() ...
 *	daemon_ready()
 *	daemon_wait_stop()
 *	daemon_stopping()
 *	... close, under daemon_guard_begin() ...
 *	daemon_pidfile_remove(), daemon_free()
 *
 * util/daemon_main.h does all of that.
 */

/*
 * Raises the soft limit of open files to the hard one and returns the limit now in force, at most
 * INT32_MAX. A system that refuses is no error: the present limit is returned.
 */
size_t daemon_raise_nofile(void);

/*
 * Goes to the background: the caller's process waits for the child's daemon_ready() and then ends
 * with code 0 after printing "PATH has been started with PID N" on stdout, PATH being that of the
 * program; when the child ends first, the waiting process ends with the child's exit code (the
 * child has said why on stderr, which it keeps until it is ready). Returns IM_OK in the child only,
 * a session leader's child without a controlling terminal. The working folder is kept, so that
 * relative paths mean the same as before. IM_ERR_IO when forking fails.
 *
 * Whoever would take the end of this process for the end of the daemon gets it in the foreground
 * instead, with a warning, and IM_OK: as process 1 of a container, under a service manager
 * (NOTIFY_SOCKET, or SYSTEMD_EXEC_PID is ours; units need Type=notify or exec), and under
 * util/supervise.h. It never executes the program again, so that a setting in environment or file
 * detaches once.
 */
enum im_err daemon_detach(const char *program);

/* Whether daemon_detach() has gone to the background and the caller's process still waits. */
bool daemon_is_detaching(void);

/*
 * Blocks SIGTERM, SIGINT, SIGHUP and SIGUSR1 in the calling thread and those it starts, ignores
 * SIGPIPE, takes the socket of a supervisor (util/supervise.h) out of the environment, and prepares
 * daemon_wait_stop(). IM_ERR_IO.
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
 * Who holds a pid file at this moment, by its lock; what the file says does not matter.
 * IM_ERR_NOT_FOUND when there is none, or it is left over: its lock is free. IM_ERR_IO.
 */
enum im_err daemon_pidfile_holder(const char *path, pid_t *pid);

/*
 * Sends SIGTERM to the holder of a pid file and waits at most timeout_ms until it has ended. *pid
 * is whose end that is. Errors of daemon_pidfile_holder(), IM_ERR_PERMISSION, IM_ERR_TIMEOUT.
 */
enum im_err daemon_pidfile_stop(const char *path, unsigned int timeout_ms, pid_t *pid);

/*
 * Says that the daemon answers: READY=1 to the service manager, a word to the supervisor, the
 * waiting parent ends, and a detached process lets go of stdin, stdout and stderr.
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
 * Waits until SIGTERM, SIGINT, daemon_request_stop() or the end of the supervisor, at most
 * timeout_ms (-1: for ever). Returns the signal's number, SIGTERM for what is no signal, 0 when the
 * time is over. SIGHUP and SIGUSR1 open the log again, SIGHUP also calls what daemon_on_reload()
 * set, and the wait goes on.
 */
int daemon_wait_stop(int timeout_ms);

/*
 * What daemon_wait_stop() calls on SIGHUP, between RELOADING=1 and READY=1 to the service manager.
 */
void daemon_on_reload(void (*reload)(void *arg), void *arg);

/* What daemon_wait_stop() calls when SIGUSR1 has opened the log again. */
void daemon_on_reopen(void (*reopened)(void *arg), void *arg);

/*
 * How often the service manager wants to hear that the daemon is alive, in milliseconds: half of
 * WATCHDOG_USEC, if that is meant for us; 0: it does not.
 */
unsigned int daemon_watchdog_ms(void);

/* Says so. */
void daemon_watchdog_alive(void);

/*
 * From here to daemon_guard_end() a thread hears SIGTERM and SIGINT: they end the process at once,
 * as if nobody had blocked them, and without its pid file. So does the end of deadline_ms (0: there
 * is none), with IM_EXIT_ERROR. doing is said in the log: "starting". IM_ERR_NOMEM, IM_ERR_IO:
 * signals wait.
 */
enum im_err daemon_guard_begin(const char *doing, unsigned int deadline_ms);
void daemon_guard_end(void);

/* Makes daemon_wait_stop() return, now or when it is next called. From any thread or handler. */
void daemon_request_stop(void);

#endif
