/*
 * A daemon and the system around it. Neighbours: daemon_pidfile (who runs), daemon_guard (signals
 * while nobody waits for them), supervise (the parent of a daemon that is somebody's child), log
 * (opened again on SIGHUP and SIGUSR1); used by daemon_main, which is the life of every daemon.
 *
 * Invariants: forking happens before any thread exists; the stop signals are blocked in every
 * thread, so they arrive only through the signal descriptor.
 */
#include "util/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log.h"
#include "util/supervise.h"

#define DAEMON_MAX_PATH 4096u
#define DAEMON_NO_FD (-1)

static struct {
	int ready_fd; /* to the waiting parent, once detached */
	int signal_fd;
	int request_fd;    /* eventfd of daemon_request_stop() */
	int supervisor_fd; /* of util/supervise.h, when there is one */
	sigset_t old_mask;
	void (*reload)(void *arg);
	void *reload_arg;
	void (*reopened)(void *arg);
	void *reopened_arg;
} daemon_state = {.ready_fd = DAEMON_NO_FD,
    .signal_fd = DAEMON_NO_FD,
    .request_fd = DAEMON_NO_FD,
    .supervisor_fd = DAEMON_NO_FD};

static void
daemon_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = DAEMON_NO_FD;
}

size_t
daemon_raise_nofile(void)
{
	struct rlimit limit = {0}, raised;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 0;
	raised = (struct rlimit){limit.rlim_max, limit.rlim_max};
	if (limit.rlim_cur < limit.rlim_max && setrlimit(RLIMIT_NOFILE, &raised) == 0)
		limit = raised;
	return limit.rlim_cur < INT32_MAX ? (size_t)limit.rlim_cur : (size_t)INT32_MAX;
}

/* Reads the daemon's pid from the pipe; 0 when it ended without a word. */
static pid_t
daemon_await(int fd)
{
	pid_t pid = 0;
	ssize_t n;

	do
		n = read(fd, &pid, sizeof pid);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof pid ? pid : 0;
}

/* The exit code of the last of our children to end; the daemon, because it was left to us. */
static int
daemon_child_code(void)
{
	int status = 0, code = IM_EXIT_ERROR;

	for (;;) {
		pid_t pid = wait(&status);

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return code;
		if (WIFEXITED(status))
			code = WEXITSTATUS(status) ? WEXITSTATUS(status) : code;
	}
}

/* The waiting process: ends here. */
static _Noreturn void
daemon_parent(const char *program, int fd)
{
	char path[DAEMON_MAX_PATH];
	pid_t pid = daemon_await(fd);
	ssize_t n;

	if (pid == 0)
		_exit(daemon_child_code());
	n = readlink("/proc/self/exe", path, sizeof path);
	if (n > 0 && (size_t)n < sizeof path)
		printf("%.*s has been started with PID %ld\n", (int)n, path, (long)pid);
	else
		printf("%s has been started with PID %ld\n", program, (long)pid);
	_exit(fflush(stdout) == 0 ? IM_EXIT_OK : IM_EXIT_ERROR);
}

/* Who would take the end of this process for the end of the daemon; NULL: nobody. */
static const char *
daemon_watcher(void)
{
	const char *started = getenv("SYSTEMD_EXEC_PID"), *notify = getenv("NOTIFY_SOCKET");
	char ours[24];

	snprintf(ours, sizeof ours, "%ld", (long)getpid());
	if (getpid() == 1)
		return "the first process of a container";
	if (getenv(SUPERVISE_FD_NAME))
		return "supervised by the program that started it";
	if ((started && strcmp(started, ours) == 0) || (notify && notify[0]))
		return "started by a service manager, which needs Type=notify";
	return NULL;
}

enum im_err
daemon_detach(const char *program)
{
	const char *watcher = daemon_watcher();
	int fds[2];
	pid_t pid;

	if (watcher) {
		log_warn("%s stays in the foreground: it is %s", program, watcher);
		return IM_OK;
	}
	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_set_errno(IM_ERR_IO, "pipe", program);
	/* What is buffered would be written by both processes. */
	(void)fflush(NULL);
	/* The daemon loses its own parent at once; its exit code shall come to this process. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return err_set_errno(IM_ERR_IO, "fork", program);
	}
	if (pid > 0) {
		close(fds[1]);
		daemon_parent(program, fds[0]);
	}
	close(fds[0]);
	/*
	 * A session of its own, and not its leader, so that no terminal can become its own again.
	 */
	if (setsid() < 0)
		_exit(IM_EXIT_ERROR);
	pid = fork();
	if (pid != 0)
		_exit(pid < 0 ? IM_EXIT_ERROR : IM_EXIT_OK);
	daemon_state.ready_fd = fds[1];
	return IM_OK;
}

bool
daemon_is_detaching(void)
{
	return daemon_state.ready_fd >= 0;
}

/* Our end of a supervisor's socket, which our own children shall not have. */
static void
daemon_find_supervisor(void)
{
	const char *text = getenv(SUPERVISE_FD_NAME);
	struct stat st;

	if (!text)
		return;
	if (strcmp(text, SUPERVISE_FD_TEXT) == 0 && fstat(SUPERVISE_FD, &st) == 0 &&
	    S_ISSOCK(st.st_mode) && fcntl(SUPERVISE_FD, F_SETFD, FD_CLOEXEC) == 0)
		daemon_state.supervisor_fd = SUPERVISE_FD;
	else
		log_warn("environment %s: ignored: not a supervisor's socket", SUPERVISE_FD_NAME);
	(void)unsetenv(SUPERVISE_FD_NAME);
}

enum im_err
daemon_init(void)
{
	sigset_t stop;
	enum im_err err;

	(void)signal(SIGPIPE, SIG_IGN);
	daemon_find_supervisor();
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGHUP);
	sigaddset(&stop, SIGUSR1);
	if (pthread_sigmask(SIG_BLOCK, &stop, &daemon_state.old_mask) != 0)
		return err_set(IM_ERR_IO, "cannot block signals");
	daemon_state.signal_fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	daemon_state.request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (daemon_state.signal_fd >= 0 && daemon_state.request_fd >= 0)
		return IM_OK;
	err = err_set_errno(IM_ERR_IO, "signalfd", "daemon");
	daemon_free();
	return err;
}

void
daemon_free(void)
{
	daemon_close(&daemon_state.signal_fd);
	daemon_close(&daemon_state.request_fd);
	daemon_close(&daemon_state.supervisor_fd);
	daemon_on_reload(NULL, NULL);
	daemon_on_reopen(NULL, NULL);
	(void)pthread_sigmask(SIG_SETMASK, &daemon_state.old_mask, NULL);
}

enum im_err
daemon_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len = path ? strlen(path) : 0;
	ssize_t n;
	int fd;

	if (len == 0)
		return IM_OK;
	if ((path[0] != '/' && path[0] != '@') || len >= sizeof to.sun_path)
		return err_set(IM_ERR_CONFIG, "NOTIFY_SOCKET is not a socket address");
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set_errno(IM_ERR_IO, "socket", path);
	n = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
	return n < 0 ? err_set_errno(IM_ERR_IO, "notify", path) : IM_OK;
}

static void
daemon_tell_manager(const char *state)
{
	enum im_err err = daemon_notify(state);

	if (err)
		log_warn("cannot tell the service manager: %s", err_detail(err));
}

/* A detached process keeps no hold of the terminal or pipe it was started from. */
static void
daemon_let_go(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)fflush(NULL);
	if (fd < 0)
		return;
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		if (dup2(fd, i) < 0)
			log_warn("cannot let go of descriptor %d", i);
	if (fd > STDERR_FILENO)
		close(fd);
}

void
daemon_ready(void)
{
	const char word = SUPERVISE_READY;
	pid_t pid = getpid();

	daemon_tell_manager("READY=1");
	if (daemon_state.supervisor_fd >= 0 &&
	    send(daemon_state.supervisor_fd, &word, 1, MSG_NOSIGNAL) != 1)
		log_warn("the supervisor is gone");
	if (daemon_state.ready_fd < 0)
		return;
	if (write(daemon_state.ready_fd, &pid, sizeof pid) != (ssize_t)sizeof pid)
		log_warn("the process that started this one is gone");
	daemon_close(&daemon_state.ready_fd);
	daemon_let_go();
}

void
daemon_stopping(void)
{
	daemon_tell_manager("STOPPING=1");
}

void
daemon_on_reload(void (*reload)(void *arg), void *arg)
{
	daemon_state.reload = reload;
	daemon_state.reload_arg = arg;
}

void
daemon_on_reopen(void (*reopened)(void *arg), void *arg)
{
	daemon_state.reopened = reopened;
	daemon_state.reopened_arg = arg;
}

/* The manager wants the time, so that it can tell this reload from an earlier one. */
static void
daemon_reload(void)
{
	char state[64];

	if (!daemon_state.reload)
		return;
	snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)(clock_monotonic_ns() / CLOCK_NS_PER_US));
	daemon_tell_manager(state);
	daemon_state.reload(daemon_state.reload_arg);
	daemon_tell_manager("READY=1");
}

/* Takes one signal off the descriptor: its number, 0 when there is none or it was not to stop. */
static int
daemon_take_signal(void)
{
	struct signalfd_siginfo info;
	enum im_err err;

	if (read(daemon_state.signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
		return 0;
	if (info.ssi_signo != SIGHUP && info.ssi_signo != SIGUSR1)
		return (int)info.ssi_signo;
	err = log_reopen();
	if (err)
		log_error("%s", err_detail(err));
	if (info.ssi_signo == SIGHUP)
		daemon_reload();
	else if (daemon_state.reopened)
		daemon_state.reopened(daemon_state.reopened_arg);
	return 0;
}

unsigned int
daemon_watchdog_ms(void)
{
	const char *period = getenv("WATCHDOG_USEC"), *whose = getenv("WATCHDOG_PID");
	char *end;
	unsigned long long us;

	if (!period || !period[0] || (whose && strtol(whose, NULL, 10) != (long)getpid()))
		return 0;
	errno = 0;
	us = strtoull(period, &end, 10);
	if (errno || *end || us / 2000 > INT32_MAX)
		return 0;
	return us && us < 2000 ? 1 : (unsigned int)(us / 2000);
}

void
daemon_watchdog_alive(void)
{
	daemon_tell_manager("WATCHDOG=1");
}

/* Whether the supervisor's end of the socket is closed: it is gone, or wants us to stop. */
static bool
daemon_is_orphan(void)
{
	char word;
	ssize_t n = recv(daemon_state.supervisor_fd, &word, 1, MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/*
 * A supervisor asks in two ways, by a signal and then by the socket: that is not a second signal.
 */
static void
daemon_forget_term(void)
{
	const struct timespec at_once = {0, 0};
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	while (sigtimedwait(&term, NULL, &at_once) < 0 && errno == EINTR)
		continue;
}

static int
daemon_left_ms(int timeout_ms, int64_t start_ns)
{
	int64_t left;

	if (timeout_ms < 0)
		return -1;
	left = timeout_ms - (clock_monotonic_ns() - start_ns) / CLOCK_NS_PER_MS;
	return left > 0 ? (int)left : 0;
}

int
daemon_wait_stop(int timeout_ms)
{
	struct pollfd wait[3] = {
	    {.fd = daemon_state.signal_fd, .events = POLLIN},
	    {.fd = daemon_state.request_fd, .events = POLLIN},
	    {.fd = daemon_state.supervisor_fd, .events = POLLIN},
	};
	int64_t start_ns = clock_monotonic_ns();
	uint64_t count;
	int number, n;

	for (;;) {
		n = poll(wait, 3, daemon_left_ms(timeout_ms, start_ns));
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return SIGTERM;
		if (n < 0)
			continue;
		if (wait[1].revents && read(daemon_state.request_fd, &count, sizeof count) > 0)
			return SIGTERM;
		if (wait[2].revents && daemon_is_orphan()) {
			daemon_forget_term();
			return SIGTERM;
		}
		number = wait[0].revents ? daemon_take_signal() : 0;
		if (number)
			return number;
	}
}

void
daemon_request_stop(void)
{
	uint64_t one = 1;

	/* Fails only when a request is waiting already. */
	if (write(daemon_state.request_fd, &one, sizeof one) < 0)
		return;
}
