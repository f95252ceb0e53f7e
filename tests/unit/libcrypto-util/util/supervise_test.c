#include "util_testing.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "util/clock.h"
#include "util/daemon.h"
#include "util/file.h"
#include "util/log.h"
#include "util/spawn.h"
#include "util/supervise.h"

#define DEADLINE_MS 60000u

/* A child that is a shell script; $0 is the test's folder. */
static struct supervise_options
options_of(const char **argv, const char *script)
{
	argv[0] = "/bin/sh";
	argv[1] = "-c";
	argv[2] = script;
	argv[3] = folder.path;
	argv[4] = NULL;
	return (struct supervise_options){.name = "child",
	    .argv = argv,
	    .pause_first_ms = 1,
	    .pause_max_ms = 4,
	    .stop_timeout_ms = DEADLINE_MS};
}

static struct supervise *
start(struct supervise_options o)
{
	struct supervise *s;

	assert_ok(supervise_start(&o, &s));
	return s;
}

static struct supervise_state
state_of(struct supervise *s)
{
	struct supervise_state state;

	supervise_get_state(s, &state);
	return state;
}

/* Waits until the child was started again at least n times, and returns how it is then. */
static struct supervise_state
await_restarts(struct supervise *s, uint64_t n)
{
	int64_t end = clock_monotonic_ns() + DEADLINE_MS * CLOCK_NS_PER_MS;

	while (state_of(s).restarts < n && clock_monotonic_ns() < end)
		usleep(1000);
	assert_true(state_of(s).restarts >= n);
	return state_of(s);
}

/* The content of a file in the test's folder, once it ends with a newline. */
static void
await_file(const char *name, char *out, size_t size)
{
	struct buf b;

	buf_init(&b, size);
	for (int i = 0; i < 2000; i++) {
		buf_clear(&b);
		if (file_read(folder_file(&folder, name), size - 1, &b) == IM_OK && b.len &&
		    b.data[b.len - 1] == '\n')
			break;
		usleep(10000);
	}
	snprintf(out, size, "%s", buf_text(&b));
	buf_free(&b);
	assert_true(out[0] != '\0');
}

static void
a_child_is_started_and_stopped(void **unused)
{
	const char *argv[5];
	struct supervise *s = start(options_of(argv,
	    "trap 'echo bye >$0/bye; exit 0' TERM; printf R >&3; "
	    "while :; do sleep 0.01; done"));
	struct supervise_state state;
	char text[16];

	(void)unused;
	assert_true(supervise_wait_ready(s, DEADLINE_MS));
	state = state_of(s);
	assert_int_equal(state.phase, SUPERVISE_RUNNING);
	assert_true(state.pid > 0 && !state.has_ended && state.restarts == 0);
	supervise_stop(s);
	/* It ended in good order, and is gone and reaped when the call returns. */
	await_file("bye", text, sizeof text);
	assert_string_equal(text, "bye\n");
	assert_int_equal(kill((pid_t)state.pid, 0), -1);
	supervise_stop(NULL);
}

static void
a_child_that_ends_is_started_again(void **unused)
{
	const char *argv[5];
	struct supervise *s = start(options_of(argv, "printf R >&3; exit 7"));
	struct supervise_state state = await_restarts(s, 3);

	(void)unused;
	assert_true(state.has_ended);
	assert_true(WIFEXITED(state.last_status) && WEXITSTATUS(state.last_status) == 7);
	supervise_stop(s);
}

static void
a_program_that_is_not_there_is_said_and_tried_again(void **unused)
{
	const char *argv[5];
	struct supervise_options o = options_of(argv, "");
	struct supervise *s;
	struct supervise_state state;

	(void)unused;
	argv[0] = folder_file(&folder, "missing");
	s = start(o);
	state = await_restarts(s, 2);
	assert_has(state.last_error, "missing");
	assert_int_equal(state.pid, 0);
	assert_false(supervise_wait_ready(s, 1));
	supervise_stop(s);
}

static void
a_child_that_is_never_ready_is_ended(void **unused)
{
	const char *argv[5];
	struct supervise_options o = options_of(argv, "exec sleep 1000");
	struct supervise *s;
	struct supervise_state state;

	(void)unused;
	o.ready_timeout_ms = 20;
	s = start(o);
	state = await_restarts(s, 1);
	assert_true(WIFSIGNALED(state.last_status) && WTERMSIG(state.last_status) == SIGTERM);
	supervise_stop(s);
}

static void
a_child_that_does_not_stop_is_killed_with_its_group(void **unused)
{
	const char *argv[5];
	struct supervise_options o = options_of(argv,
	    "trap '' TERM; sleep 1000 & echo $! >$0/inner; printf R >&3; while :; do wait; done");
	struct supervise *s;
	char text[16];
	int status = 0;

	(void)unused;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	o.stop_timeout_ms = 20;
	s = start(o);
	assert_true(supervise_wait_ready(s, DEADLINE_MS));
	await_file("inner", text, sizeof text);
	supervise_stop(s);
	assert_int_equal(waitpid((pid_t)atoi(text), &status, 0), atoi(text));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void
a_stop_does_not_wait_for_the_pause(void **unused)
{
	const char *argv[5];
	struct supervise_options o = options_of(argv, "exit 0");
	struct supervise *s;
	int64_t end = clock_monotonic_ns() + DEADLINE_MS * CLOCK_NS_PER_MS;

	(void)unused;
	o.pause_first_ms = o.pause_max_ms = 1000000000;
	s = start(o);
	while (state_of(s).phase != SUPERVISE_PAUSING && clock_monotonic_ns() < end)
		usleep(1000);
	assert_int_equal(state_of(s).phase, SUPERVISE_PAUSING);
	assert_int_equal(state_of(s).pid, 0);
	supervise_stop(s);
}

/* A secret is there at every start, and in no argument or variable. */
static void
inputs_are_read_at_each_start(void **unused)
{
	const char *argv[5];
	struct supervise_options o = options_of(argv,
	    "read -r a </dev/fd/4; read -r b </dev/fd/5; echo $a $b >>$0/got; "
	    "[ -e $0/count ] || env | grep -c hidden >$0/count; exit 1");
	const struct supervise_input inputs[] = {
	    {4, bytes_str("hidden1\n")}, {5, bytes_str("hidden2\n")}};
	struct supervise *s;
	char text[256];

	(void)unused;
	o.inputs = inputs;
	o.inputs_len = 2;
	s = start(o);
	await_restarts(s, 2);
	supervise_stop(s);
	await_file("got", text, sizeof text);
	assert_memory_equal(text, "hidden1 hidden2\nhidden1 hidden2\n", 32);
	await_file("count", text, sizeof text);
	assert_string_equal(text, "0\n");
}

static void
bad_inputs_are_refused(void **unused)
{
	static uint8_t large[SPAWN_CONTENT_MAX + 1];
	const char *argv[5];
	struct supervise_options o = options_of(argv, "exit 0");
	struct supervise_input inputs[SUPERVISE_INPUTS_MAX + 1] = {{SUPERVISE_FD, {NULL, 0}}};
	struct supervise *s;

	(void)unused;
	o.inputs = inputs;
	o.inputs_len = 1;
	assert_err(IM_ERR_ARGUMENT, supervise_start(&o, &s));
	inputs[0].fd = SPAWN_FD_LIMIT;
	assert_err(IM_ERR_ARGUMENT, supervise_start(&o, &s));
	inputs[0] = (struct supervise_input){4, bytes_of(large, sizeof large)};
	assert_err(IM_ERR_ARGUMENT, supervise_start(&o, &s));
	inputs[0].content.len = 1;
	o.inputs_len = SUPERVISE_INPUTS_MAX + 1;
	assert_err(IM_ERR_ARGUMENT, supervise_start(&o, &s));
	assert_null(s);
}

static void
variables_about_us_do_not_reach_the_child(void **unused)
{
	const char *argv[5];
	struct supervise *s;
	char text[64];

	(void)unused;
	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	setenv("SYSTEMD_EXEC_PID", "1", 1);
	s = start(options_of(argv,
	    "echo \"$NOTIFY_SOCKET,$SYSTEMD_EXEC_PID,$SUPERVISE_FD\" >$0/env; exec sleep 1000"));
	await_file("env", text, sizeof text);
	assert_string_equal(text, ",,3\n");
	supervise_stop(s);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("SYSTEMD_EXEC_PID");
}

/* The process that is killed below: it supervises, and lives until then. */
static _Noreturn void
be_a_parent(void)
{
	const char *argv[5];
	struct supervise *s;
	struct supervise_options o = options_of(argv,
	    "trap '' TERM HUP INT; echo $$ >$0/child; printf R >&3; "
	    "while :; do sleep 0.01; done");

	if (supervise_start(&o, &s) != IM_OK)
		_exit(1);
	for (;;)
		pause();
}

/*
 * They reach one that is ready, and wait for one that is not; the next one is not told of those
 * before.
 */
static void
signals_are_passed_on_to_who_is_ready(void **unused)
{
	const char *argv[5];
	struct supervise *s = start(options_of(argv,
	    "trap 'echo hup >>$0/heard' HUP; trap 'echo usr1 >>$0/heard; exit 1' USR1; "
	    "echo up >$0/up; while [ ! -e $0/go ]; do sleep 0.01; done; printf R >&3; "
	    "while :; do sleep 0.01; done"));
	char text[64];

	(void)unused;
	await_file("up", text, sizeof text);
	supervise_signal(s, SIGHUP);
	assert_int_equal(state_of(s).phase, SUPERVISE_STARTING);
	folder_write(&folder, "go", "\n");
	await_file("heard", text, sizeof text);
	assert_string_equal(text, "hup\n");
	assert_true(supervise_wait_ready(s, DEADLINE_MS));
	supervise_signal(s, SIGUSR1);
	await_restarts(s, 1);
	assert_true(supervise_wait_ready(s, DEADLINE_MS));
	supervise_stop(s);
	await_file("heard", text, sizeof text);
	assert_string_equal(text, "hup\nusr1\n");
}

static void
a_mute_child_does_not_write_where_we_do(void **unused)
{
	const char *argv[5];
	struct supervise_options o =
	    options_of(argv, "readlink /proc/$$/fd/1 /proc/$$/fd/2 >$0/out; exec sleep 1000");
	struct supervise *s;
	char text[64];

	(void)unused;
	o.is_mute = true;
	s = start(o);
	await_file("out", text, sizeof text);
	supervise_stop(s);
	assert_has(text, "/dev/null\n");
}

static void
a_killed_parent_leaves_no_orphan(void **unused)
{
	char text[16];
	pid_t parent, child;
	int status = 0;

	(void)unused;
	/* The orphan would be left to us: we see its end. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	parent = fork();
	assert_true(parent >= 0);
	if (parent == 0)
		be_a_parent();
	await_file("child", text, sizeof text);
	child = (pid_t)atoi(text);
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_int_equal(waitpid(parent, &status, 0), parent);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	/* Sleeps of the script are reaped with the test. */
	while (waitpid(-1, &status, 0) > 0)
		continue;
}

/* ---- a child that is a daemon: this program again, with a word as its argument ---- */

static char self[256];

static struct supervise_options
daemon_options_of(const char **argv, const char *word)
{
	argv[0] = self;
	argv[1] = word;
	argv[2] = folder.path;
	argv[3] = NULL;
	return (struct supervise_options){.name = "child",
	    .argv = argv,
	    .pause_first_ms = 1,
	    .pause_max_ms = 4,
	    .stop_timeout_ms = DEADLINE_MS};
}

/* What the argument makes of this program; its exit code. */
static int
be_a_child(const char *word, const char *in)
{
	sigset_t pending;
	int number;

	snprintf(folder.path, sizeof folder.path, "%s", in);
	/* As if it had been executed with other rights: the kernel does not tell it of our end. */
	if (strcmp(word, "unwatched") == 0 && prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) != 0)
		return 2;
	if (daemon_init() || daemon_pidfile_create(folder_file(&folder, "child.pid")))
		return 3;
	daemon_ready();
	/* Both ways of being asked to stop are there before it looks. */
	if (strcmp(word, "busy") == 0)
		(void)poll(&(struct pollfd){.fd = SUPERVISE_FD, .events = POLLRDHUP}, 1, -1);
	number = daemon_wait_stop(-1);
	/* The guard of the stop would take it for a second signal. */
	sigemptyset(&pending);
	if (sigpending(&pending) != 0 || sigismember(&pending, SIGTERM))
		return 5;
	daemon_pidfile_remove();
	daemon_free();
	return number == SIGTERM ? 0 : 4;
}

static void
a_daemon_is_ready_and_stops_as_a_child(void **unused)
{
	const char *argv[4];
	struct supervise_options o = daemon_options_of(argv, "daemon");
	struct supervise *s = start(o);
	struct supervise_state state;
	pid_t pid;

	(void)unused;
	assert_true(supervise_wait_ready(s, DEADLINE_MS));
	state = state_of(s);
	assert_ok(daemon_pidfile_holder(folder_file(&folder, "child.pid"), &pid));
	assert_int_equal(pid, state.pid);
	/* One that is killed is there again, over the file that it left. */
	assert_int_equal(kill(pid, SIGKILL), 0);
	state = await_restarts(s, 1);
	assert_true(WIFSIGNALED(state.last_status) && WTERMSIG(state.last_status) == SIGKILL);
	assert_true(supervise_wait_ready(s, DEADLINE_MS));
	supervise_stop(s);
	assert_int_not_equal(access(folder_file(&folder, "child.pid"), F_OK), 0);
}

static void
being_asked_in_two_ways_is_being_asked_once(void **unused)
{
	const char *argv[4];
	struct supervise *s = start(daemon_options_of(argv, "busy"));

	(void)unused;
	assert_true(supervise_wait_ready(s, DEADLINE_MS));
	supervise_stop(s);
	/* It came to its end in good order. */
	assert_int_not_equal(access(folder_file(&folder, "child.pid"), F_OK), 0);
}

static _Noreturn void
be_a_parent_of(const char *word)
{
	const char *argv[4];
	struct supervise_options o = daemon_options_of(argv, word);
	struct supervise *s;

	if (supervise_start(&o, &s) != IM_OK || !supervise_wait_ready(s, DEADLINE_MS))
		_exit(1);
	folder_write(&folder, "ready", "yes\n");
	for (;;)
		pause();
}

/* The second way: the socket is closed. The child ends by itself, and in good order. */
static void
a_child_that_the_kernel_does_not_tell_ends_by_the_socket(void **unused)
{
	char text[16];
	pid_t parent, child;
	int status = 0;

	(void)unused;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	parent = fork();
	assert_true(parent >= 0);
	if (parent == 0)
		be_a_parent_of("unwatched");
	await_file("ready", text, sizeof text);
	assert_ok(daemon_pidfile_holder(folder_file(&folder, "child.pid"), &child));
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_int_equal(waitpid(parent, &status, 0), parent);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    T(a_child_is_started_and_stopped),
	    T(a_child_that_ends_is_started_again),
	    T(a_program_that_is_not_there_is_said_and_tried_again),
	    T(a_child_that_is_never_ready_is_ended),
	    T(a_child_that_does_not_stop_is_killed_with_its_group),
	    T(a_stop_does_not_wait_for_the_pause),
	    T(inputs_are_read_at_each_start),
	    T(bad_inputs_are_refused),
	    T(variables_about_us_do_not_reach_the_child),
	    T(signals_are_passed_on_to_who_is_ready),
	    T(a_mute_child_does_not_write_where_we_do),
	    T(a_killed_parent_leaves_no_orphan),
	    T(a_daemon_is_ready_and_stops_as_a_child),
	    T(being_asked_in_two_ways_is_being_asked_once),
	    T(a_child_that_the_kernel_does_not_tell_ends_by_the_socket),
	};
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (argc == 3)
		return be_a_child(argv[1], argv[2]);
	if (n < 0)
		return 1;
	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
