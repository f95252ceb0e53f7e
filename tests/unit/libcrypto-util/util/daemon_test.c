/* Signals, pid files, notification and going to the background, each in a process of its own. */
#include "util_testing.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "util/daemon.h"
#include "util/file.h"
#include "util/log.h"
#include "util/supervise.h"

/* Runs a function in a process of its own; its exit code, -1 when a signal ended it. */
static int
in_child(int (*function)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(function());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
the_limit_of_open_files_is_raised(void **state)
{
	struct rlimit now;
	size_t n = daemon_raise_nofile();

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
	assert_true(now.rlim_cur == now.rlim_max);
	assert_true(n > 0);
	assert_true(n <= now.rlim_cur);
}

static int
stop_by_signal(void)
{
	if (daemon_init() || daemon_wait_stop(0) != 0)
		return 1;
	if (raise(SIGTERM) || daemon_wait_stop(-1) != SIGTERM)
		return 2;
	if (raise(SIGINT) || daemon_wait_stop(1000) != SIGINT)
		return 3;
	if (raise(SIGPIPE))
		return 4;
	daemon_request_stop();
	daemon_request_stop();
	if (daemon_wait_stop(-1) != SIGTERM || daemon_wait_stop(0) != 0)
		return 5;
	/* The log is opened again, and the wait is not over. */
	if (raise(SIGHUP) || daemon_wait_stop(0) != 0)
		return 6;
	daemon_free();
	return 0;
}

static void
signals_and_requests_stop_the_wait(void **state)
{
	(void)state;
	assert_int_equal(in_child(stop_by_signal), 0);
}

static int
hangup_reopens_log(void)
{
	struct log_config c = {
	    "prog", folder_file(&folder, "log"), LOG_LEVEL_INFO, LOG_FORMAT_TEXT};

	if (log_open(&c) || daemon_init())
		return 1;
	if (unlink(folder_file(&folder, "log")) || raise(SIGHUP) || daemon_wait_stop(10) != 0)
		return 2;
	return access(folder_file(&folder, "log"), F_OK) == 0 ? 0 : 3;
}

static void
a_hangup_opens_the_log_again(void **state)
{
	(void)state;
	assert_int_equal(in_child(hangup_reopens_log), 0);
}

static int
take_pidfile(void)
{
	enum im_err err = daemon_pidfile_create(folder_file(&folder, "run/prog.pid"));

	return err == IM_OK ? 0 : err == IM_ERR_LOCKED ? 10 : 1;
}

static void
a_pid_file_has_one_living_holder(void **state)
{
	struct buf b;
	char path[160], want[32];

	(void)state;
	snprintf(path, sizeof path, "%s", folder_file(&folder, "run/prog.pid"));
	/* The child dies without removing its file: that is no holder. */
	assert_int_equal(in_child(take_pidfile), 0);
	assert_int_equal(access(path, F_OK), 0);
	assert_ok(daemon_pidfile_create(path));
	buf_init(&b, 100);
	assert_ok(file_read(path, 100, &b));
	snprintf(want, sizeof want, "%ld\n", (long)getpid());
	assert_string_equal(buf_text(&b), want);
	buf_free(&b);
	assert_int_equal(in_child(take_pidfile), 10);
	daemon_pidfile_remove();
	daemon_pidfile_remove();
	assert_int_not_equal(access(path, F_OK), 0);
	/* A file that took our file's place is not ours to remove. */
	assert_ok(daemon_pidfile_create(path));
	assert_int_equal(unlink(path), 0);
	folder_write(&folder, "run/prog.pid", "1\n");
	daemon_pidfile_remove();
	assert_int_equal(access(path, F_OK), 0);
}

static int
take_pidfile_on_full_disk(void)
{
	const struct rlimit none = {0, 0};

	(void)signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &none) != 0)
		return 2;
	return daemon_pidfile_create(folder_file(&folder, "full.pid")) == IM_ERR_IO ? 0 : 1;
}

static void
bad_pid_files_are_refused(void **state)
{
	char path[160];

	(void)state;
	assert_ok(daemon_pidfile_create(NULL));
	assert_ok(daemon_pidfile_create(""));
	snprintf(path, sizeof path, "%s/", folder.path);
	assert_err(IM_ERR_ARGUMENT, daemon_pidfile_create(path));
	snprintf(path, sizeof path, "%s/..", folder.path);
	assert_err(IM_ERR_ARGUMENT, daemon_pidfile_create(path));
	assert_err(IM_ERR_IO, daemon_pidfile_create(folder.path));
	assert_int_equal(symlink("/etc/passwd", folder_file(&folder, "link")), 0);
	assert_err(IM_ERR_IO, daemon_pidfile_create(folder.file));
	folder_write(&folder, "plain", "");
	assert_err(IM_ERR_IO, daemon_pidfile_create(folder_file(&folder, "plain/prog.pid")));
	assert_int_equal(in_child(take_pidfile_on_full_disk), 0);
	assert_int_not_equal(access(folder_file(&folder, "full.pid"), F_OK), 0);
}

static void
the_manager_is_notified(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char got[100];
	ssize_t n;
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	(void)state;
	assert_true(fd >= 0);
	unsetenv("NOTIFY_SOCKET");
	assert_ok(daemon_notify("READY=1"));
	strcpy(at.sun_path, folder_file(&folder, "notify"));
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	setenv("NOTIFY_SOCKET", at.sun_path, 1);
	daemon_ready();
	n = recv(fd, got, sizeof got, MSG_DONTWAIT);
	assert_int_equal(n, 7);
	assert_memory_equal(got, "READY=1", 7);
	daemon_stopping();
	n = recv(fd, got, sizeof got, MSG_DONTWAIT);
	assert_int_equal(n, 10);
	close(fd);
	assert_int_equal(unlink(at.sun_path), 0);
	assert_err(IM_ERR_IO, daemon_notify("X=1"));
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_err(IM_ERR_CONFIG, daemon_notify("X=1"));
	unsetenv("NOTIFY_SOCKET");
}

static int out_pipe[2];

/* Sends what the waiting process prints into the pipe, and goes to the background. */
static int
detach_into_pipe(void)
{
	close(out_pipe[0]);
	if (dup2(out_pipe[1], STDOUT_FILENO) < 0)
		return 1;
	close(out_pipe[1]);
	return daemon_detach("prog") ? 1 : 0;
}

static int
detach_and_work(void)
{
	if (detach_into_pipe())
		return 1;
	daemon_ready();
	/* Only now, so that a parent that does not wait would be seen. */
	folder_write(&folder, "worked", "yes");
	return 0;
}

static int
detach_and_fail(void)
{
	if (detach_into_pipe())
		return 1;
	return 42;
}

/* Everything that comes through the pipe until nobody holds it any more. */
static void
read_pipe(char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	close(out_pipe[1]);
	while ((n = read(out_pipe[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(out_pipe[0]);
}

static void
the_starter_waits_until_the_daemon_is_ready(void **state)
{
	char text[200];

	(void)state;
	assert_int_equal(pipe2(out_pipe, O_CLOEXEC), 0);
	assert_int_equal(in_child(detach_and_work), 0);
	/* The daemon let go of the pipe when it was ready: this ends. */
	read_pipe(text, sizeof text);
	assert_has(text, "/daemon_test has been started with PID ");
	for (int i = 0; i < 1000 && access(folder_file(&folder, "worked"), F_OK) != 0; i++)
		usleep(10000);
	assert_int_equal(access(folder_file(&folder, "worked"), F_OK), 0);
}

static void
the_starter_fails_as_the_daemon_does(void **state)
{
	char text[200];

	(void)state;
	assert_int_equal(pipe2(out_pipe, O_CLOEXEC), 0);
	assert_int_equal(in_child(detach_and_fail), 42);
	read_pipe(text, sizeof text);
	assert_string_equal(text, "");
}

/* Detaches, and tells by its exit code whether it is still the same process. */
static int
detach_and_compare(void)
{
	pid_t before = getpid();

	if (daemon_detach("prog"))
		return 1;
	daemon_ready();
	return getpid() == before ? 0 : 2;
}

static int
detach_under_systemd(void)
{
	char pid[24];

	snprintf(pid, sizeof pid, "%ld", (long)getpid());
	setenv("SYSTEMD_EXEC_PID", pid, 1);
	return detach_and_compare();
}

/* In a process space of its own this is process 1; 77 where that cannot be had. */
static int
detach_as_first(void)
{
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0)
		return 77;
	pid = fork();
	if (pid == 0)
		_exit(getpid() == 1 ? detach_and_compare() : 3);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 4;
}

static void
who_is_watched_stays_in_the_foreground(void **state)
{
	int code;

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	setenv("SYSTEMD_EXEC_PID", "1", 1);
	log_set_level(LOG_LEVEL_ERROR);
	/* Some process was started by systemd, but not we: the starter ends with code 0. */
	assert_int_equal(in_child(detach_and_compare), 0);
	assert_int_equal(in_child(detach_under_systemd), 0);
	unsetenv("SYSTEMD_EXEC_PID");
	setenv(SUPERVISE_FD_NAME, SUPERVISE_FD_TEXT, 1);
	assert_int_equal(in_child(detach_and_compare), 0);
	unsetenv(SUPERVISE_FD_NAME);
	code = in_child(detach_as_first);
	assert_true(code == 0 || code == 77);
	log_set_level(LOG_LEVEL_INFO);
}

/*
 * The child's side of util/supervise.h: says that it is ready, and stops when the socket is closed.
 */
static int
supervised(void)
{
	char word = 0;
	int ends[2], peer;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		return 1;
	peer = fcntl(ends[0], F_DUPFD, SUPERVISE_FD + 1);
	if (peer < 0 || dup2(ends[1], SUPERVISE_FD) != SUPERVISE_FD)
		return 2;
	for (int i = 0; i < 2; i++)
		if (ends[i] != SUPERVISE_FD)
			close(ends[i]);
	setenv(SUPERVISE_FD_NAME, SUPERVISE_FD_TEXT, 1);
	if (daemon_init() || getenv(SUPERVISE_FD_NAME))
		return 3;
	if (!(fcntl(SUPERVISE_FD, F_GETFD) & FD_CLOEXEC))
		return 4;
	if (recv(peer, &word, 1, MSG_DONTWAIT) != -1)
		return 5;
	daemon_ready();
	if (recv(peer, &word, 1, MSG_DONTWAIT) != 1 || word != SUPERVISE_READY)
		return 6;
	if (daemon_wait_stop(0) != 0)
		return 7;
	close(peer);
	if (daemon_wait_stop(-1) != SIGTERM)
		return 8;
	daemon_free();
	return 0;
}

static void
the_supervisor_is_told_and_heeded(void **state)
{
	(void)state;
	assert_int_equal(in_child(supervised), 0);
}

/* A variable that names no socket is no supervisor. */
static int
wrongly_supervised(void)
{
	setenv(SUPERVISE_FD_NAME, "17", 1);
	return daemon_init() || getenv(SUPERVISE_FD_NAME) || daemon_wait_stop(0) != 0;
}

static void
a_wrong_supervisor_is_ignored(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	assert_int_equal(in_child(wrongly_supervised), 0);
	log_set_level(LOG_LEVEL_INFO);
}

/*
 * A daemon that holds a pid file; with deaf it does not stop. Ends with 0 when it was asked to
 * stop.
 */
static pid_t
start_holder(bool deaf)
{
	int ready[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (daemon_init() || daemon_pidfile_create(folder_file(&folder, "p.pid")))
			_exit(1);
		if (write(ready[1], "", 1) != 1)
			_exit(2);
		while (daemon_wait_stop(-1) && deaf)
			continue;
		daemon_pidfile_remove();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	return pid;
}

static void
the_holder_of_a_pid_file_is_found_and_stopped(void **state)
{
	pid_t child = start_holder(false), pid;
	int status;

	(void)state;
	assert_ok(daemon_pidfile_holder(folder_file(&folder, "p.pid"), &pid));
	assert_int_equal(pid, child);
	/* What is written into it does not matter: nobody else gets a signal. */
	folder_write(&folder, "p.pid", "1\n");
	assert_ok(daemon_pidfile_holder(folder_file(&folder, "p.pid"), &pid));
	assert_int_equal(pid, child);
	assert_ok(daemon_pidfile_stop(folder_file(&folder, "p.pid"), 20000, &pid));
	assert_int_equal(pid, child);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_err(IM_ERR_NOT_FOUND, daemon_pidfile_stop(folder.file, 0, &pid));
	assert_err(IM_ERR_NOT_FOUND, daemon_pidfile_holder(folder.file, &pid));
}

static void
a_pid_file_that_is_left_over_has_no_holder(void **state)
{
	pid_t child = start_holder(true), pid;
	char path[160];

	(void)state;
	snprintf(path, sizeof path, "%s", folder_file(&folder, "p.pid"));
	assert_err(IM_ERR_TIMEOUT, daemon_pidfile_stop(path, 10, &pid));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(access(path, F_OK), 0);
	assert_err(IM_ERR_NOT_FOUND, daemon_pidfile_holder(path, &pid));
	assert_int_equal(pid, 0);
	assert_err(IM_ERR_NOT_FOUND, daemon_pidfile_stop(path, 10, &pid));
	/* Our own one. */
	assert_ok(daemon_pidfile_create(path));
	assert_ok(daemon_pidfile_holder(path, &pid));
	assert_int_equal(pid, getpid());
	daemon_pidfile_remove();
}

#define T(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(the_limit_of_open_files_is_raised),
	    T(signals_and_requests_stop_the_wait),
	    T(a_hangup_opens_the_log_again),
	    T(a_pid_file_has_one_living_holder),
	    T(bad_pid_files_are_refused),
	    T(the_manager_is_notified),
	    T(the_starter_waits_until_the_daemon_is_ready),
	    T(the_starter_fails_as_the_daemon_does),
	    T(who_is_watched_stays_in_the_foreground),
	    T(the_supervisor_is_told_and_heeded),
	    T(a_wrong_supervisor_is_ignored),
	    T(the_holder_of_a_pid_file_is_found_and_stopped),
	    T(a_pid_file_that_is_left_over_has_no_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
