#include "util_testing.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "util/file.h"
#include "util/spawn.h"

/* A descriptor, and the next one, far from those that whoever runs the test has left open. */
#define TRADED 40

/* Starts a shell script. */
static struct spawned
start(const char *script, struct spawn_options o)
{
	const char *argv[] = {"/bin/sh", "-c", script, "sh", NULL};
	struct spawned child;

	o.argv = argv;
	assert_ok(spawn_start(&o, &child));
	return child;
}

static int
run(const char *script, struct spawn_options o)
{
	struct spawned child = start(script, o);
	int status = -1;

	assert_ok(spawn_wait(&child, -1, -1, &status));
	assert_int_equal(child.pidfd, -1);
	return status;
}

static int
exit_code(const char *script, struct spawn_options o)
{
	int status = run(script, o);

	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
the_exit_code_comes_back(void **state)
{
	char text[SPAWN_STATUS_TEXT_SIZE];

	(void)state;
	assert_int_equal(exit_code("exit 0", (struct spawn_options){0}), 0);
	assert_int_equal(exit_code("exit 42", (struct spawn_options){0}), 42);
	assert_string_equal(
	    spawn_status_text(run("exit 3", (struct spawn_options){0}), text), "exit code 3");
	assert_string_equal(spawn_status_text(run("kill -9 $$", (struct spawn_options){0}), text),
	    "signal 9 (Killed)");
}

static void
what_cannot_be_executed_is_an_error(void **state)
{
	const char *argv[] = {folder_file(&folder, "missing"), NULL};
	struct spawn_options o = {.argv = argv};
	struct spawned child;

	(void)state;
	assert_err(IM_ERR_NOT_FOUND, spawn_start(&o, &child));
	assert_has(err_detail(IM_ERR_NOT_FOUND), "missing");
	argv[0] = folder_write(&folder, "plain", "#!/bin/sh\n");
	assert_err(IM_ERR_IO, spawn_start(&o, &child));
	assert_has(err_detail(IM_ERR_IO), "plain");
	o.fds_len = SPAWN_FDS_MAX + 1;
	assert_err(IM_ERR_LIMIT, spawn_start(&o, &child));
	/* Nothing is left to be waited for. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void
only_named_descriptors_are_handed_over(void **state)
{
	int fds[2], leak = open("/dev/null", O_RDONLY);
	char script[200], got[16] = "";
	struct spawn_fd named = {0, 5};
	struct spawn_options o = {.fds = &named, .fds_len = 1};

	(void)state;
	assert_true(leak >= 0);
	assert_int_equal(pipe(fds), 0);
	named.from = fds[1];
	snprintf(script, sizeof script,
	    "for f in %d %d %d; do [ $f = 5 ] || [ ! -e /proc/$$/fd/$f ] || exit 1; done; "
	    "[ /proc/$$/fd/1 -ef /dev/null ] || exit 2; printf word >&5",
	    leak, fds[0], fds[1]);
	assert_int_equal(exit_code(script, o), 0);
	close(fds[1]);
	assert_int_equal(read(fds[0], got, sizeof got), 4);
	assert_memory_equal(got, "word", 4);
	close(fds[0]);
	close(leak);
}

/* Two descriptors trade places: none of them overwrites the other on its way. */
static void
descriptors_can_trade_places(void **state)
{
	const struct spawn_fd named[2] = {{TRADED, TRADED + 1}, {TRADED + 1, TRADED}};
	struct spawn_options o = {.fds = named, .fds_len = 2};
	char script[128];
	int a[2], b[2];
	char got;

	(void)state;
	assert_int_equal(pipe2(a, O_CLOEXEC), 0);
	assert_int_equal(pipe2(b, O_CLOEXEC), 0);
	assert_int_equal(dup3(a[1], TRADED, O_CLOEXEC), TRADED);
	assert_int_equal(dup3(b[1], TRADED + 1, O_CLOEXEC), TRADED + 1);
	snprintf(script, sizeof script, "printf a >/dev/fd/%d; printf b >/dev/fd/%d", TRADED + 1,
	    TRADED);
	assert_int_equal(exit_code(script, o), 0);
	assert_int_equal(read(a[0], &got, 1), 1);
	assert_int_equal(got, 'a');
	assert_int_equal(read(b[0], &got, 1), 1);
	assert_int_equal(got, 'b');
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
		close(TRADED + i);
	}
}

static void
the_environment_is_what_was_given(void **state)
{
	const char *env[] = {"ONE=1", NULL};

	(void)state;
	setenv("SPAWN_TEST", "ours", 1);
	assert_int_equal(exit_code("[ \"$SPAWN_TEST\" = ours ]", (struct spawn_options){0}), 0);
	assert_int_equal(exit_code("[ -z \"$SPAWN_TEST\" ] && [ \"$ONE\" = 1 ]",
			     (struct spawn_options){.env = env}),
	    0);
	unsetenv("SPAWN_TEST");
}

/* What we block and ignore, the child does not. */
static void
signals_are_as_usual_in_the_child(void **state)
{
	sigset_t stop, before;

	(void)state;
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &stop, &before), 0);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(
	    WTERMSIG(run("kill -TERM $$; exit 0", (struct spawn_options){0})), SIGTERM);
	assert_int_equal(
	    WTERMSIG(run("kill -PIPE $$; exit 0", (struct spawn_options){0})), SIGPIPE);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	signal(SIGPIPE, SIG_DFL);
}

static void
a_wait_ends_by_time_and_by_a_word(void **state)
{
	struct spawned child = start("read x", (struct spawn_options){.new_group = true});
	struct spawned sleeper = start("sleep 1000", (struct spawn_options){.new_group = true});
	int status, wake = eventfd(0, EFD_CLOEXEC);
	uint64_t one = 1;

	(void)state;
	assert_ok(spawn_wait(&child, -1, -1, &status));
	assert_err(IM_ERR_TIMEOUT, spawn_wait(&sleeper, 10, wake, &status));
	assert_int_equal(write(wake, &one, sizeof one), sizeof one);
	assert_err(IM_ERR_INTERRUPTED, spawn_wait(&sleeper, -1, wake, &status));
	assert_int_equal(WTERMSIG(spawn_kill(&sleeper, true)), SIGKILL);
	assert_int_equal(sleeper.pidfd, -1);
	close(wake);
}

/* The pid that a script wrote into a file, once it did. */
static pid_t
read_pid(const char *name)
{
	struct buf b;
	pid_t pid = 0;

	buf_init(&b, 32);
	for (int i = 0; i < 1000 && pid == 0; i++) {
		buf_clear(&b);
		if (file_read(folder_file(&folder, name), 30, &b) == IM_OK && b.len &&
		    b.data[b.len - 1] == '\n')
			pid = (pid_t)atoi(buf_text(&b));
		else
			usleep(10000);
	}
	buf_free(&b);
	assert_true(pid > 0);
	return pid;
}

/* Waits for the end of a process that was left to us (as subreaper); its terminating signal. */
static int
signal_that_ended(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
a_kill_takes_the_whole_group(void **state)
{
	char script[256];
	struct spawned child;
	pid_t inner;

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	snprintf(
	    script, sizeof script, "sleep 1000 & echo $! >%s; wait", folder_file(&folder, "inner"));
	child = start(script, (struct spawn_options){.new_group = true});
	inner = read_pid("inner");
	spawn_kill(&child, true);
	assert_int_equal(signal_that_ended(inner), SIGKILL);
}

/* Who had ended by itself keeps its own status. */
static void
a_kill_after_the_end_takes_what_is_left(void **state)
{
	char script[256];
	struct spawned child;
	pid_t inner;

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	snprintf(script, sizeof script, "sleep 1000 & echo $! >%s; exit 5",
	    folder_file(&folder, "inner"));
	child = start(script, (struct spawn_options){.new_group = true});
	assert_ok(spawn_await(&child, -1, -1));
	inner = read_pid("inner");
	assert_int_equal(WEXITSTATUS(spawn_kill(&child, true)), 5);
	assert_int_equal(signal_that_ended(inner), SIGKILL);
}

static void *
start_and_leave(void *arg)
{
	*(struct spawned *)arg =
	    start("sleep 1000", (struct spawn_options){.death_signal = SIGKILL});
	return NULL;
}

static void
the_end_of_the_starter_ends_the_child(void **state)
{
	struct spawned child;
	pthread_t thread;
	int status = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, start_and_leave, &child), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_ok(spawn_wait(&child, -1, -1, &status));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static atomic_bool busy;

static void *
allocate_all_the_time(void *arg)
{
	while (atomic_load(&busy)) {
		void *memory = malloc(1000);

		assert_non_null(memory);
		free(memory);
	}
	return arg;
}

/* Whatever locks other threads hold at that moment, the child runs. */
static void
other_threads_do_not_matter(void **state)
{
	pthread_t threads[3];

	(void)state;
	atomic_store(&busy, true);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, allocate_all_the_time, NULL), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(exit_code("exit 9", (struct spawn_options){0}), 9);
	atomic_store(&busy, false);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void
content_is_read_once_from_a_descriptor(void **state)
{
	static uint8_t large[SPAWN_CONTENT_MAX + 1];
	struct spawn_fd named = {-1, 4};
	struct spawn_options o = {.fds = &named, .fds_len = 1};
	int fd;

	(void)state;
	assert_ok(spawn_content_fd(bytes_str("secret"), &named.from));
	assert_int_equal(exit_code("[ \"$(cat /dev/fd/4)\" = secret ]", o), 0);
	close(named.from);
	assert_ok(spawn_content_fd(bytes_of(large, SPAWN_CONTENT_MAX), &fd));
	close(fd);
	assert_err(IM_ERR_LIMIT, spawn_content_fd(bytes_of(large, sizeof large), &fd));
	assert_int_equal(fd, -1);
}

#define TRADED 40
#define T(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(the_exit_code_comes_back),
	    T(what_cannot_be_executed_is_an_error),
	    T(only_named_descriptors_are_handed_over),
	    T(descriptors_can_trade_places),
	    T(the_environment_is_what_was_given),
	    T(signals_are_as_usual_in_the_child),
	    T(a_wait_ends_by_time_and_by_a_word),
	    T(a_kill_takes_the_whole_group),
	    T(a_kill_after_the_end_takes_what_is_left),
	    T(the_end_of_the_starter_ends_the_child),
	    T(other_threads_do_not_matter),
	    T(content_is_read_once_from_a_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
