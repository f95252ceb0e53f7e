/*
 * The pid file: who runs. Neighbours: daemon (signals, readiness), file (folders).
 *
 * Invariants: the lock on the file, not its content, says that its writer lives, and who that is;
 * it lives as long as the process, and only its holder removes the file. A signal goes to the
 * process that holds the lock at that moment, never to a number that was read somewhere.
 */
#include "util/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/file.h"

#define PIDFILE_MODE 0644
#define PIDFILE_MAX_PATH 4096u
#define PIDFILE_NO_FD (-1)

static struct {
	int fd;
	char path[PIDFILE_MAX_PATH];
} pidfile = {PIDFILE_NO_FD, ""};

static void
pidfile_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = PIDFILE_NO_FD;
}

/* Whether the locked descriptor is still what path names: another process may have removed it. */
static bool
pidfile_is(int fd, const char *path)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 && stat(path, &named) == 0 && ours.st_dev == named.st_dev &&
	    ours.st_ino == named.st_ino;
}

/*
 * Locks an open file: one lock keeps others out for as long as the descriptor is open, the other
 * tells those who ask whose it is. 0 or the errno.
 */
static int
pidfile_take(int fd)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return flock(fd, LOCK_EX | LOCK_NB) == 0 && fcntl(fd, F_SETLK, &all) == 0 ? 0 : errno;
}

/* Opens and locks the file, again when it was removed between the two. */
static enum im_err
pidfile_lock(const char *path, int *fd)
{
	int e;

	for (;;) {
		*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, PIDFILE_MODE);
		if (*fd < 0)
			return err_set_errno(IM_ERR_IO, "pid file", path);
		e = pidfile_take(*fd);
		if (e == 0 && pidfile_is(*fd, path))
			return IM_OK;
		pidfile_close(fd);
		if (e == EWOULDBLOCK || e == EACCES)
			return err_set(IM_ERR_LOCKED,
			    "pid file found, ensure %s is not running or delete %s",
			    program_invocation_short_name, path);
		if (e != 0 && e != EINTR)
			return err_set(IM_ERR_IO, "pid file: %s: %s", path, strerror(e));
	}
}

enum im_err
daemon_pidfile_create(const char *path)
{
	const char *name;
	char text[24];
	int fd = PIDFILE_NO_FD, n;
	enum im_err err;

	if (!path || !path[0])
		return IM_OK;
	name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	if (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    strlen(path) >= sizeof pidfile.path)
		return err_set(IM_ERR_ARGUMENT, "Pid filename is invalid: %s", path);
	err = file_make_parent(path);
	if (!err)
		err = pidfile_lock(path, &fd);
	if (err)
		return err;
	n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) {
		err = err_set_errno(IM_ERR_IO, "pid file", path);
		(void)unlink(path);
		pidfile_close(&fd);
		return err;
	}
	pidfile.fd = fd;
	strcpy(pidfile.path, path);
	return IM_OK;
}

void
daemon_pidfile_remove(void)
{
	if (pidfile.fd < 0)
		return;
	if (pidfile_is(pidfile.fd, pidfile.path))
		unlink(pidfile.path);
	pidfile_close(&pidfile.fd);
}

enum im_err
daemon_pidfile_holder(const char *path, pid_t *pid)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd, e;

	*pid = getpid();
	/* Closing a second descriptor of our own file would give up what tells others of us. */
	if (pidfile.fd >= 0 && pidfile_is(pidfile.fd, path))
		return IM_OK;
	*pid = 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return err_set(IM_ERR_NOT_FOUND, "not running: there is no %s", path);
	if (fd < 0)
		return err_set_errno(IM_ERR_IO, "pid file", path);
	e = fcntl(fd, F_GETLK, &lock) == 0 ? 0 : errno;
	close(fd);
	if (e)
		return err_set(IM_ERR_IO, "pid file: %s: %s", path, strerror(e));
	if (lock.l_type == F_UNLCK)
		return err_set(IM_ERR_NOT_FOUND, "not running: %s is left over", path);
	*pid = lock.l_pid;
	return *pid > 0 ? IM_OK
			: err_set(IM_ERR_IO, "%s is held by a process that cannot be seen", path);
}

/* Whether the process still holds the file. */
static bool
pidfile_is_held_by(const char *path, pid_t pid)
{
	pid_t now;

	return daemon_pidfile_holder(path, &now) == IM_OK && now == pid;
}

static enum im_err
pidfile_await_end(int pidfd, unsigned int timeout_ms, pid_t pid)
{
	struct pollfd wait = {.fd = pidfd, .events = POLLIN};
	int64_t end = clock_monotonic_ns() + timeout_ms * CLOCK_NS_PER_MS, left;
	int n;

	do {
		left = (end - clock_monotonic_ns() + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
		n = poll(&wait, 1, left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	return n > 0 ? IM_OK : err_set(IM_ERR_TIMEOUT, "process %ld does not stop", (long)pid);
}

enum im_err
daemon_pidfile_stop(const char *path, unsigned int timeout_ms, pid_t *pid)
{
	enum im_err err = daemon_pidfile_holder(path, pid);
	int pidfd;

	if (err)
		return err;
	pidfd = pidfd_open(*pid, 0);
	if (pidfd < 0)
		return errno == ESRCH ? err_set(IM_ERR_NOT_FOUND, "not running any more")
				      : err_set_errno(IM_ERR_IO, "process of", path);
	/* What the descriptor stands for is that process, not one that has its number now. */
	if (!pidfile_is_held_by(path, *pid))
		err = err_set(IM_ERR_NOT_FOUND, "not running any more");
	else if (pidfd_send_signal(pidfd, SIGTERM, NULL, 0) != 0)
		err = errno == EPERM
		    ? err_set(IM_ERR_PERMISSION, "process %ld is another user's", (long)*pid)
		    : err_set_errno(IM_ERR_IO, "signal the process of", path);
	if (!err)
		err = pidfile_await_end(pidfd, timeout_ms, *pid);
	close(pidfd);
	return err;
}
