/* The life of a daemon, led by a child that does nothing; the test is its service manager. */
#include "util_testing.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "util/daemon_main.h"
#include "util/file.h"
#include "util/log.h"
#include "util/spawn.h"

#define WAIT_MS 30000
#define LOG_MAX 65536

/* What the daemon of this test does badly. */
static enum { GOOD, NEVER_STARTS, CANNOT_START, NEVER_STOPS, NEVER_ANSWERS } habit;

static const struct option_def rows[] = {
    DAEMON_PIDFILE_ROW(NULL) DAEMON_DETACHED_ROW(NULL)
	DAEMON_LOG_ROWS(NULL){.name = "dir", .type = OPTION_PATH},
    {.name = "size", .type = OPTION_INT, .default_text = "1"},
    {.name = "limit", .type = OPTION_INT, .default_text = "1"},
    {.name = "word", .type = OPTION_SECRET},
    {.name = "word-file", .type = OPTION_SECRET_FILE, .target = "word"}};

static void
say(const char *word)
{
	(void)daemon_notify(word);
}

static enum im_err
folder_of(const struct options *o, struct buf *out)
{
	const char *dir = options_string(o, "dir");

	buf_append(out, dir, strlen(dir) + 1);
	return out->err;
}

static enum im_err
start(void *context, const struct options *o)
{
	(void)context;
	(void)o;
	if (habit == CANNOT_START)
		return err_set(IM_ERR_IO, "no port today");
	say("STATUS=starting");
	while (habit == NEVER_STARTS)
		pause();
	return IM_OK;
}

static enum im_err
reload(void *context, const struct options *o)
{
	(void)context;
	return options_int(o, "limit") == 13 ? err_set(IM_ERR_CONFIG, "no 13 here") : IM_OK;
}

static bool
answers(void *context, unsigned int timeout_ms)
{
	(void)context;
	(void)timeout_ms;
	if (habit == NEVER_ANSWERS)
		say("STATUS=asked");
	return habit != NEVER_ANSWERS;
}

static void
reopened(void *context)
{
	(void)context;
	say("STATUS=reopened");
}

static void
stop(void *context)
{
	(void)context;
	say("STATUS=stopping");
	while (habit == NEVER_STOPS)
		pause();
}

static const char *const reloadable[] = {"limit", NULL};

static const char *const owned[] = {"prog.lock", NULL};

static struct daemon_main life = {.name = "prog",
    .folder = folder_of,
    .owned = owned,
    .start = start,
    .reload = reload,
    .reloadable = reloadable,
    .answers = answers,
    .reopened = reopened,
    .stop = stop};

static int
run(struct command_call *call)
{
	return daemon_main_run(&life, call, NULL);
}

static void
check(const struct options *o, struct options_check *to)
{
	if (options_int(o, "size") > options_int(o, "limit"))
		options_check_add(to, "size", "is more than limit");
	daemon_main_check(o, to);
}

static const struct command root = {
    .name = "prog", .options = rows, .option_count = sizeof rows / sizeof *rows, .run = run};
static const struct program program = {
    .root = &root, .check = check, .env_prefix = "T_", .config_folder = "/nonexistent"};

/* ---- The service manager ---- */

enum manager_use { WITH_MANAGER, WITHOUT };

static int manager = -1;

static int
setup(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	folder_setup(state);
	habit = GOOD;
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strcpy(at.sun_path, folder_file(&folder, "notify"));
	return bind(manager, (struct sockaddr *)&at, sizeof at);
}

static int
teardown(void **state)
{
	close(manager);
	unsetenv("WATCHDOG_USEC");
	return folder_teardown(state);
}

/* The daemon with a configuration file "conf.toml", a log and a pid file in the folder. */
static pid_t
launch(enum manager_use how, const char *flag)
{
	char conf[160], log[160], pidfile[160], dir[160];
	char *argv[] = {
	    (char *)(uintptr_t) "prog", conf, pidfile, dir, log, (char *)(uintptr_t)flag, NULL};
	pid_t pid;

	snprintf(conf, sizeof conf, "--config=%s/conf.toml", folder.path);
	snprintf(pidfile, sizeof pidfile, "--pidfile=%s/pid", folder.path);
	snprintf(dir, sizeof dir, "--dir=%s/data", folder.path);
	snprintf(log, sizeof log, "--logfile=%s/log", folder.path);
	if (how == WITHOUT)
		log[strlen("--logfile=")] = '\0';
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	unsetenv("NOTIFY_SOCKET");
	if (how == WITH_MANAGER)
		setenv("NOTIFY_SOCKET", folder_file(&folder, "notify"), 1);
	if (!freopen("/dev/null", "w", stderr) ||
	    !freopen(folder_file(&folder, "out"), "w", stdout))
		_exit(99);
	_exit(program_main(&program, flag ? 6 : 5, argv, NULL));
}

/* Waits until the daemon says a word; what it says before does not matter. */
static void
await(const char *word)
{
	struct pollfd wait = {.fd = manager, .events = POLLIN};
	char got[200];
	ssize_t n;

	for (;;) {
		if (poll(&wait, 1, WAIT_MS) != 1)
			fail_msg("the daemon does not say %s", word);
		n = recv(manager, got, sizeof got - 1, 0);
		assert_true(n > 0);
		got[n] = '\0';
		if (strncmp(got, word, strlen(word)) == 0)
			return;
	}
}

static int
ended(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int
stopped(pid_t pid)
{
	kill(pid, SIGTERM);
	return ended(pid);
}

static void
hang_up(pid_t pid)
{
	kill(pid, SIGHUP);
	await("RELOADING=1\nMONOTONIC_USEC=");
	await("READY=1");
}

/* The content of a file in the folder, until the next call. */
static const char *
text_of(const char *name)
{
	static char text[LOG_MAX];
	struct buf b;

	buf_init_in(&b, text, sizeof text - 1);
	assert_ok(file_read(folder_file(&folder, name), sizeof text - 1, &b));
	text[b.len] = '\0';
	return text;
}

static bool
is_there(const char *name)
{
	return access(folder_file(&folder, name), F_OK) == 0;
}

/* ---- The tests ---- */

static void
it_starts_and_stops(void **state)
{
	pid_t pid;

	(void)state;
	folder_write(&folder, "conf.toml", "");
	pid = launch(WITH_MANAGER, NULL);
	await("READY=1");
	assert_true(is_there("pid"));
	kill(pid, SIGTERM);
	await("STOPPING=1");
	assert_int_equal(ended(pid), 0);
	assert_false(is_there("pid"));
	assert_has(text_of("log"), "Caught SIGTERM");
	assert_has(text_of("log"), "Shutdown completed");
}

static void
a_start_that_fails_leaves_nothing(void **state)
{
	(void)state;
	folder_write(&folder, "conf.toml", "");
	habit = CANNOT_START;
	assert_int_equal(ended(launch(WITH_MANAGER, NULL)), 1);
	assert_false(is_there("pid"));
	assert_has(text_of("log"), "no port today");
	folder_write(&folder, "conf.toml", "size = 2");
	assert_int_equal(ended(launch(WITH_MANAGER, NULL)), 2);
}

static void
a_signal_ends_a_start_and_a_second_one_a_stop(void **state)
{
	pid_t pid;

	(void)state;
	folder_write(&folder, "conf.toml", "");
	habit = NEVER_STARTS;
	pid = launch(WITH_MANAGER, NULL);
	await("STATUS=starting");
	assert_int_equal(stopped(pid), -SIGTERM);
	assert_false(is_there("pid"));
	assert_has(text_of("log"), "SIGTERM while starting");
	habit = NEVER_STOPS;
	pid = launch(WITH_MANAGER, NULL);
	await("READY=1");
	kill(pid, SIGTERM);
	await("STATUS=stopping");
	kill(pid, SIGINT);
	assert_int_equal(ended(pid), -SIGINT);
	assert_false(is_there("pid"));
	assert_has(text_of("log"), "SIGINT while stopping");
}

static void
a_stop_that_takes_too_long_is_ended(void **state)
{
	pid_t pid;

	(void)state;
	folder_write(&folder, "conf.toml", "");
	habit = NEVER_STOPS;
	life.stop_max_ms = 50;
	pid = launch(WITH_MANAGER, NULL);
	life.stop_max_ms = 0;
	await("READY=1");
	assert_int_equal(stopped(pid), IM_EXIT_ERROR);
	assert_false(is_there("pid"));
	assert_has(text_of("log"), "stopping takes too long");
}

/* A secret that came through a pipe stays what it was; what else there is is taken over. */
static void
a_hangup_does_not_ask_a_pipe_again(void **state)
{
	char path[32];
	pid_t pid;
	int fd;

	(void)state;
	folder_write(&folder, "conf.toml", "");
	assert_ok(spawn_content_fd(bytes_str("piped-word\n"), &fd));
	snprintf(path, sizeof path, "/dev/fd/%d", fd);
	setenv("T_WORD_FILE", path, 1);
	pid = launch(WITH_MANAGER, NULL);
	unsetenv("T_WORD_FILE");
	close(fd);
	await("READY=1");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(truncate(folder_file(&folder, "log"), 0), 0);
		hang_up(pid);
		assert_has(text_of("log"), "INFO prog: reloaded");
		assert_lacks(text_of("log"), "word");
	}
	assert_int_equal(stopped(pid), 0);
}

static void
a_hangup_takes_over_what_it_can_and_says_what_it_cannot(void **state)
{
	const char *log;
	pid_t pid;

	(void)state;
	folder_write(&folder, "word", "first-word\n");
	folder_write(&folder, "conf.toml", "");
	setenv("T_WORD_FILE", folder_file(&folder, "word"), 1);
	pid = launch(WITH_MANAGER, NULL);
	unsetenv("T_WORD_FILE");
	await("READY=1");
	folder_write(&folder, "conf.toml", "limit = 20\nsize = 3\nlog-level = \"debug\"\n");
	folder_write(&folder, "word", "second-word\n");
	hang_up(pid);
	log = text_of("log");
	assert_has(log, "limit is \"20\" now; it was \"1\"");
	assert_has(log, "log-level is \"debug\" now; it was \"info\"");
	assert_has(log, "size stays \"1\"; \"3\" needs a restart");
	assert_has(log, "word stays \"***\"");
	assert_lacks(log, "second-word");
	/* Once more: what has changed is old, what needs a restart still does. */
	assert_int_equal(truncate(folder_file(&folder, "log"), 0), 0);
	hang_up(pid);
	log = text_of("log");
	assert_lacks(log, "limit");
	assert_has(log, "size stays \"1\"; \"3\" needs a restart");
	assert_int_equal(stopped(pid), 0);
}

static void
a_hangup_that_fails_changes_nothing(void **state)
{
	static const char *const bad[][2] = {{"limit = x", "conf.toml:1"},
	    {"limit = 2\nunknown = 1", "conf.toml:2: unknown key"},
	    {"size = 4\nlog-level = \"error\"", "conf.toml:1: size: is more than limit"}};
	pid_t pid;
	size_t i;

	(void)state;
	folder_write(&folder, "conf.toml", "");
	pid = launch(WITH_MANAGER, NULL);
	await("READY=1");
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		folder_write(&folder, "conf.toml", bad[i][0]);
		hang_up(pid);
		assert_has(text_of("log"), bad[i][1]);
		assert_lacks(text_of("log"), "now; it was");
	}
	folder_write(&folder, "conf.toml", "limit = 13");
	hang_up(pid);
	assert_has(text_of("log"), "not everything is reloaded: no 13 here");
	assert_int_equal(stopped(pid), 0);
}

/* Waits until the file has been made, which is how the daemon shows that it has taken a signal. */
static void
await_file(const char *name)
{
	int i;

	for (i = 0; !is_there(name); i++) {
		assert_true(i < WAIT_MS);
		(void)poll(NULL, 0, 1);
	}
}

static void
the_log_is_rotated_by_name_and_by_copy(void **state)
{
	char moved[160];
	pid_t pid;

	(void)state;
	folder_write(&folder, "conf.toml", "");
	pid = launch(WITH_MANAGER, "--log-format=json");
	await("READY=1");
	snprintf(moved, sizeof moved, "%s", folder_file(&folder, "log.1"));
	assert_int_equal(rename(folder_file(&folder, "log"), moved), 0);
	kill(pid, SIGUSR1);
	await_file("log");
	await("STATUS=reopened");
	hang_up(pid);
	assert_has(text_of("log"), "\"message\":\"reloaded: ");
	/* By copy: what is written next stands at the beginning, not behind a hole. */
	assert_int_equal(truncate(folder_file(&folder, "log"), 0), 0);
	hang_up(pid);
	assert_int_equal(text_of("log")[0], '{');
	assert_int_equal(stopped(pid), 0);
}

static void
the_watchdog_hears_only_of_a_daemon_that_answers(void **state)
{
	pid_t pid;

	(void)state;
	folder_write(&folder, "conf.toml", "");
	setenv("WATCHDOG_USEC", "20000", 1);
	pid = launch(WITH_MANAGER, NULL);
	await("WATCHDOG=1");
	await("WATCHDOG=1");
	assert_int_equal(stopped(pid), 0);
	habit = NEVER_ANSWERS;
	pid = launch(WITH_MANAGER, NULL);
	await("READY=1");
	await("STATUS=asked");
	await("STATUS=asked");
	assert_int_equal(stopped(pid), 0);
	while (recv(manager, (char[200]){0}, 199, MSG_DONTWAIT) > 0)
		continue;
	assert_has(text_of("log"), "prog does not answer");
	/* Another process's watchdog is not ours, and neither is nonsense. */
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(daemon_watchdog_ms(), 0);
	unsetenv("WATCHDOG_PID");
	assert_int_equal(daemon_watchdog_ms(), 10);
	setenv("WATCHDOG_USEC", "20s", 1);
	assert_int_equal(daemon_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "1", 1);
	assert_int_equal(daemon_watchdog_ms(), 1);
}

static pid_t
pid_in_file(void)
{
	return (pid_t)strtol(text_of("pid"), NULL, 10);
}

static void
in_the_background_the_log_is_in_the_folder(void **state)
{
	pid_t pid;

	(void)state;
	folder_write(&folder, "conf.toml", "detached = true");
	assert_int_equal(ended(launch(WITHOUT, NULL)), 0);
	pid = pid_in_file();
	assert_has(text_of("out"), "/data/prog.log");
	assert_has(text_of("out"), "has been started with PID");
	assert_true(is_there("data/prog.log"));
	assert_int_equal(kill(pid, SIGTERM), 0);
	while (kill(pid, 0) == 0 && is_there("pid"))
		(void)poll(NULL, 0, 1);
	assert_has(text_of("data/prog.log"), "Caught SIGTERM");
	/* Its failure is that of who started it. */
	habit = CANNOT_START;
	assert_int_equal(ended(launch(WITHOUT, "-d")), 1);
	assert_has(text_of("data/prog.log"), "no port today");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {TEST(it_starts_and_stops),
	    TEST(a_start_that_fails_leaves_nothing),
	    TEST(a_signal_ends_a_start_and_a_second_one_a_stop),
	    TEST(a_stop_that_takes_too_long_is_ended), TEST(a_hangup_does_not_ask_a_pipe_again),
	    TEST(a_hangup_takes_over_what_it_can_and_says_what_it_cannot),
	    TEST(a_hangup_that_fails_changes_nothing), TEST(the_log_is_rotated_by_name_and_by_copy),
	    TEST(the_watchdog_hears_only_of_a_daemon_that_answers),
	    TEST(in_the_background_the_log_is_in_the_folder)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
