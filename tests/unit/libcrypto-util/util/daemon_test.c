/* Signals, pid files, notification and going to the background, each in a process of its own. */
#include "util_testing.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "util/daemon.h"
#include "util/file.h"
#include "util/log.h"

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
	assert_has(text, "prog has been started with PID ");
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
