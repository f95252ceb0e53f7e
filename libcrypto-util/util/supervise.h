#ifndef UTIL_SUPERVISE_H
#define UTIL_SUPERVISE_H

#include <stdbool.h>

#include "util/bytes.h"

/*
 * A parent that keeps a child program running: starts it, waits until it is ready, starts it again
 * with growing pauses when it ends, and ends it when the parent stops. All of it is done by one
 * thread of its own, which only forks to execute, so that it may be started before or after any
 * other thread and before the first nng call; a child that is started again later is no worse off.
 *
 * No orphan: the kernel kills the child when the parent is gone, however that happened; and the
 * child has one end of a socket whose other end only the parent has, so that a child for which the
 * kernel does not do that (a set-user-id program) sees it too. It has a process group of its own,
 * of which nothing is left running when it has ended. A child made with util/daemon.h says by that
 * socket that it is ready (daemon_ready()) and stops when it is closed (daemon_wait_stop()).
 */
struct supervise;

/* In the child's environment: the number of that socket's descriptor. */
#define SUPERVISE_FD_NAME "SUPERVISE_FD"
#define SUPERVISE_FD 3
#define SUPERVISE_FD_TEXT "3"
#define SUPERVISE_READY 'R'
#define SUPERVISE_INPUTS_MAX 4

/* Bytes that the child can read from a descriptor, at each start: a secret that no argv shows. */
struct supervise_input {
	int fd; /* from 4 on; "--password-file /dev/fd/4" */
	struct bytes content;
};

struct supervise_options {
	const char *name;        /* in log lines */
	const char *const *argv; /* argv[0] is the program's path */
	const struct supervise_input *inputs;
	size_t inputs_len;
	bool is_mute; /* does not write where we do: its standard output and error are /dev/null */
	/* 0 stands for the value behind the colon. */
	unsigned int pause_first_ms;   /* before the first restart: 1,000 */
	unsigned int pause_max_ms;     /* each pause is twice the one before, at most: 60,000 */
	unsigned int stable_ms;        /* who was ready and ran so long starts afresh: 60,000 */
	unsigned int ready_timeout_ms; /* who is not ready then is ended: 60,000 */
	unsigned int stop_timeout_ms;  /* between SIGTERM and SIGKILL: 10,000 */
};

enum supervise_phase {
	SUPERVISE_STARTING, /* runs, and is not ready */
	SUPERVISE_RUNNING,
	SUPERVISE_PAUSING, /* ended; will be started again */
	SUPERVISE_STOPPED
};

struct supervise_state {
	enum supervise_phase phase;
	long pid;             /* 0: none runs */
	uint64_t restarts;    /* starts after the first */
	bool has_ended;       /* whether there is a last end */
	int last_status;      /* of it, as of waitpid(); spawn_status_text() */
	char last_error[256]; /* why the program could not be executed at all; "" */
};

/*
 * Copies the options, starts the thread and, in it, the child. That the program cannot be executed
 * is seen in the state and the log, and tried again. IM_ERR_ARGUMENT for inputs that cannot be,
 * IM_ERR_NOMEM, IM_ERR_IO.
 */
enum im_err supervise_start(const struct supervise_options *options, struct supervise **out);

/* How it is now. From any thread. */
void supervise_get_state(struct supervise *s, struct supervise_state *out);

/* Waits until the child is ready: true; false after timeout_ms, or when it is being stopped. */
bool supervise_wait_ready(struct supervise *s, unsigned int timeout_ms);

/*
 * Passes a signal on that does not end a daemon (SIGHUP, SIGUSR1): to the child that is ready, or
 * as soon as it is. One that has ended does not need it: whoever is started afterwards reads
 * everything anew. From any thread.
 */
void supervise_signal(struct supervise *s, int number);

/*
 * Ends the child (SIGTERM, after the deadline SIGKILL to its whole process group), waits for that,
 * and releases everything. NULL is accepted.
 */
void supervise_stop(struct supervise *s);

#endif
