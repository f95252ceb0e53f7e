#ifndef UTIL_SPAWN_H
#define UTIL_SPAWN_H

#include <sys/types.h>

#include "util/bytes.h"

/*
 * Running another program: fork and exec in one step, from any thread of a process with many, with
 * nothing inherited that was not named. No shell, no search of the PATH.
 */
#define SPAWN_FDS_MAX 8
#define SPAWN_FD_LIMIT 64 /* of a number in the child */

/* In the child `to` is a duplicate of our `from`. */
struct spawn_fd {
	int from, to;
};

/* Whose rights the child has, without further groups. */
struct spawn_user {
	uid_t uid;
	gid_t gid;
};

struct spawn_options {
	const char *const *argv; /* argv[0] is the program's path; NULL-terminated */
	const char *const *env;  /* NULL-terminated; NULL: ours */
	/* All other descriptors are closed in the child; 0, 1 and 2 are /dev/null unless named. */
	const struct spawn_fd *fds;
	size_t fds_len;
	bool new_group;   /* a process group of its own, whose number is the child's */
	int death_signal; /* sent by the kernel when the calling thread ends; 0: none */
	const struct spawn_user *user; /* NULL: ours */
};

struct spawned {
	pid_t pid;
	int pidfd; /* readable when the child has ended */
};

/*
 * Starts the program and returns when it runs: a program that cannot be executed is
 * IM_ERR_NOT_FOUND or IM_ERR_IO here, with path and reason. The child has no signal blocked and
 * none ignored. With a death signal, a caller that ends before the child could ask for it takes the
 * child with it. IM_ERR_LIMIT for too many descriptors.
 */
enum im_err spawn_start(const struct spawn_options *options, struct spawned *out);

/*
 * Waits at most timeout_ms (-1: for ever) for the child's end: IM_OK, and it is to be reaped;
 * IM_ERR_TIMEOUT. wake_fd, unless it is -1, ends the wait too when it is readable:
 * IM_ERR_INTERRUPTED.
 */
enum im_err spawn_await(const struct spawned *child, int timeout_ms, int wake_fd);

/* As spawn_await(), and reaps the child: its status as of waitpid(), and the descriptor closed. */
enum im_err spawn_wait(struct spawned *child, int timeout_ms, int wake_fd, int *status);

/*
 * Kills the child, or what is left of its group if it has ended by itself, with the whole group if
 * it has one of its own, and reaps it; returns its status. Not for a child that was reaped.
 */
int spawn_kill(struct spawned *child, bool group);

/*
 * A new descriptor (close-on-exec) from which exactly content can be read once, by us or a child: a
 * pipe, whose other end is closed already. IM_ERR_LIMIT for more than fits into a pipe at once,
 * IM_ERR_IO.
 */
#define SPAWN_CONTENT_MAX 8192u
enum im_err spawn_content_fd(struct bytes content, int *fd);

/* "exit code 3", "signal 9 (Killed)". Returns out. */
#define SPAWN_STATUS_TEXT_SIZE 64
char *spawn_status_text(int status, char out[SPAWN_STATUS_TEXT_SIZE]);

#endif
