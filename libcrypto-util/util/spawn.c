/*
 * Running another program. Neighbours: supervise (keeps one running), the auditor's alerts and
 * immuclient (which hand over data by descriptors).
 *
 * Invariants: between fork and exec the child makes only calls that are safe there, so that threads
 * of the parent may hold any lock; no descriptor reaches the program that was not named; the parent
 * knows whether the program was executed before it goes on.
 */
#include "util/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/clock.h"

#define SPAWN_EXIT_CODE 127

static _Noreturn void
spawn_child_fail(int report_fd)
{
	int e = errno;

	/* The parent sees an end of file instead when this fails, and goes by the exit code. */
	if (write(report_fd, &e, sizeof e) != (ssize_t)sizeof e)
		_exit(SPAWN_EXIT_CODE);
	_exit(SPAWN_EXIT_CODE);
}

/* Makes every descriptor close at exec; kernels before 5.11 are asked one by one. */
static void
spawn_child_close_all(void)
{
	long max;

	if (close_range(0, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
		return;
	max = sysconf(_SC_OPEN_MAX);
	for (int fd = 0; fd < max; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Puts the named descriptors into place, by way of numbers that none of them is to have. */
static void
spawn_child_place_fds(const struct spawn_options *o, int *report_fd)
{
	int moved[SPAWN_FDS_MAX], null_fd;

	spawn_child_close_all();
	*report_fd = fcntl(*report_fd, F_DUPFD_CLOEXEC, SPAWN_FD_LIMIT);
	if (*report_fd < 0)
		_exit(SPAWN_EXIT_CODE);
	for (size_t i = 0; i < o->fds_len; i++) {
		moved[i] = fcntl(o->fds[i].from, F_DUPFD_CLOEXEC, SPAWN_FD_LIMIT);
		if (moved[i] < 0)
			spawn_child_fail(*report_fd);
	}
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd >= 0)
		null_fd = fcntl(null_fd, F_DUPFD_CLOEXEC, SPAWN_FD_LIMIT);
	if (null_fd < 0)
		spawn_child_fail(*report_fd);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(null_fd, fd) < 0)
			spawn_child_fail(*report_fd);
	for (size_t i = 0; i < o->fds_len; i++)
		if (dup2(moved[i], o->fds[i].to) < 0)
			spawn_child_fail(*report_fd);
}

/* No handler, nothing ignored, nothing blocked. */
static void
spawn_child_reset_signals(void)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)sigaction(i, &standard, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Everything of ours is given up, the groups first: without the user there is no right to it. */
static bool
spawn_child_become(const struct spawn_user *user)
{
	return setgroups(0, NULL) == 0 && setresgid(user->gid, user->gid, user->gid) == 0 &&
	    setresuid(user->uid, user->uid, user->uid) == 0;
}

static _Noreturn void
spawn_child(const struct spawn_options *o, pid_t parent, int report_fd)
{
	if (o->new_group && setpgid(0, 0) != 0)
		spawn_child_fail(report_fd);
	spawn_child_place_fds(o, &report_fd);
	if (o->user && !spawn_child_become(o->user))
		spawn_child_fail(report_fd);
	/* Behind a change of user, which forgets it. */
	if (o->death_signal && prctl(PR_SET_PDEATHSIG, o->death_signal, 0, 0, 0) != 0)
		spawn_child_fail(report_fd);
	/* A parent that had ended before the call above sends nothing any more. */
	if (o->death_signal && getppid() != parent)
		_exit(SPAWN_EXIT_CODE);
	spawn_child_reset_signals();
	/* The prototype of execve() predates const; it changes nothing. */
	(void)execve(o->argv[0], (char *const *)o->argv, o->env ? (char *const *)o->env : environ);
	spawn_child_fail(report_fd);
}

/* The errno of a child that could not execute its program; 0 when it did. */
static int
spawn_read_report(int fd)
{
	int e = 0;
	ssize_t n;

	do
		n = read(fd, &e, sizeof e);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof e ? e : 0;
}

static void
spawn_reap(pid_t pid, int *status)
{
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		continue;
}

/* What the parent does after the fork. */
static enum im_err
spawn_follow(const struct spawn_options *o, pid_t pid, int report_fd, struct spawned *out)
{
	int e = spawn_read_report(report_fd), status;

	*out = (struct spawned){pid, -1};
	if (!e) {
		out->pidfd = pidfd_open(pid, 0);
		if (out->pidfd >= 0)
			return IM_OK;
		e = errno;
		(void)kill(pid, SIGKILL);
	}
	spawn_reap(pid, &status);
	errno = e;
	return err_set_errno(e == ENOENT ? IM_ERR_NOT_FOUND : IM_ERR_IO, "run", o->argv[0]);
}

enum im_err
spawn_start(const struct spawn_options *options, struct spawned *out)
{
	sigset_t all, before;
	int report[2], e;
	pid_t parent = getpid(), pid;
	enum im_err err;

	if (options->fds_len > SPAWN_FDS_MAX)
		return err_set(IM_ERR_LIMIT, "too many descriptors for a child");
	for (size_t i = 0; i < options->fds_len; i++)
		assert(options->fds[i].to < SPAWN_FD_LIMIT);
	if (pipe2(report, O_CLOEXEC) != 0)
		return err_set_errno(IM_ERR_IO, "pipe", options->argv[0]);
	/* A handler of ours must not run in the child. */
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		spawn_child(options, parent, report[1]);
	e = errno;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(report[1]);
	errno = e;
	err = pid < 0 ? err_set_errno(IM_ERR_IO, "fork", options->argv[0])
		      : spawn_follow(options, pid, report[0], out);
	close(report[0]);
	return err;
}

enum im_err
spawn_await(const struct spawned *child, int timeout_ms, int wake_fd)
{
	struct pollfd wait[2] = {
	    {.fd = child->pidfd, .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};
	int64_t end = clock_monotonic_ns() + timeout_ms * CLOCK_NS_PER_MS, left;
	int n;

	do {
		left = (end - clock_monotonic_ns() + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
		n = poll(wait, 2, timeout_ms < 0 ? -1 : left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set_errno(IM_ERR_IO, "poll", "child");
	if (wait[0].revents)
		return IM_OK;
	return n ? err_set(IM_ERR_INTERRUPTED, "interrupted")
		 : err_set(IM_ERR_TIMEOUT, "still running");
}

static int
spawn_finish(struct spawned *child)
{
	int status = 0;

	spawn_reap(child->pid, &status);
	close(child->pidfd);
	child->pidfd = -1;
	return status;
}

enum im_err
spawn_wait(struct spawned *child, int timeout_ms, int wake_fd, int *status)
{
	enum im_err err = spawn_await(child, timeout_ms, wake_fd);

	if (!err)
		*status = spawn_finish(child);
	return err;
}

int
spawn_kill(struct spawned *child, bool group)
{
	assert(child->pidfd >= 0);
	/* The child is not reaped: its number, as process and as group, is nobody else's. */
	if (group)
		(void)kill(-child->pid, SIGKILL);
	(void)kill(child->pid, SIGKILL);
	return spawn_finish(child);
}

enum im_err
spawn_content_fd(struct bytes content, int *fd)
{
	int fds[2];
	ssize_t n;

	*fd = -1;
	if (content.len > SPAWN_CONTENT_MAX)
		return err_set(IM_ERR_LIMIT, "more than %u bytes for a child", SPAWN_CONTENT_MAX);
	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_set_errno(IM_ERR_IO, "pipe", "child");
	/* Fits into a pipe, unless the system has made ours small: nobody must wait for that. */
	n = fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0 ? write(fds[1], content.data, content.len) : -1;
	close(fds[1]);
	if (n == (ssize_t)content.len) {
		*fd = fds[0];
		return IM_OK;
	}
	close(fds[0]);
	return err_set(IM_ERR_IO, "cannot write to a pipe");
}

char *
spawn_status_text(int status, char out[SPAWN_STATUS_TEXT_SIZE])
{
	if (WIFSIGNALED(status))
		snprintf(out, SPAWN_STATUS_TEXT_SIZE, "signal %d (%s)", WTERMSIG(status),
		    sigdescr_np(WTERMSIG(status)) ? sigdescr_np(WTERMSIG(status)) : "?");
	else
		snprintf(out, SPAWN_STATUS_TEXT_SIZE, "exit code %d", WEXITSTATUS(status));
	return out;
}
