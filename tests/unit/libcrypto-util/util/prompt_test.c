/* Passwords from pipes and from a terminal, which must not show them. */
#include "util_testing.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <utmp.h>

#include "util/prompt.h"

/* Puts text behind stdin, as from a pipe. */
static void
feed(const void *text, size_t len)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, len), len);
	close(fds[1]);
	assert_true(dup2(fds[0], STDIN_FILENO) == STDIN_FILENO);
	close(fds[0]);
}

static void
lines_of_a_pipe_are_taken_one_by_one(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, PROMPT_MAX_BYTES * 2);
	feed("first\nsecond\r\n\nlast", 19);
	assert_ok(prompt_password("never shown", &b));
	assert_string_equal(buf_text(&b), "first");
	assert_ok(prompt_password("never shown", &b));
	assert_string_equal(buf_text(&b), "second");
	assert_ok(prompt_password("never shown", &b));
	assert_int_equal(b.len, 0);
	assert_ok(prompt_password("never shown", &b));
	assert_string_equal(buf_text(&b), "last");
	assert_err(IM_ERR_FORMAT, prompt_password("never shown", &b));
	assert_int_equal(b.len, 0);
	assert_false(prompt_confirm("never shown"));
	buf_wipe(&b);
}

static void
bad_lines_are_refused(void **state)
{
	static char longer[PROMPT_MAX_BYTES + 10];
	struct buf b;

	(void)state;
	buf_init(&b, PROMPT_MAX_BYTES * 2);
	feed("a\0b\n", 4);
	assert_err(IM_ERR_FORMAT, prompt_password("", &b));
	memset(longer, 'x', sizeof longer);
	feed(longer, sizeof longer);
	assert_err(IM_ERR_LIMIT, prompt_password("", &b));
	assert_null(b.data);
	buf_wipe(&b);
}

/* The child on the terminal: asks, and says what it read (42: as expected). */
static int
ask(void)
{
	struct buf b;
	struct termios t;
	int code = 1;

	buf_init(&b, PROMPT_MAX_BYTES * 2);
	if (prompt_password("Password:", &b) == IM_OK && b.len == 6 &&
	    memcmp(b.data, "s3cret", 6) == 0)
		code = 42;
	if (tcgetattr(STDIN_FILENO, &t) != 0 || !(t.c_lflag & ECHO))
		code = 2;
	buf_wipe(&b);
	if (code == 42 && !prompt_confirm("Sure? "))
		code = 3;
	return code;
}

/* Reads from the terminal until text has come; everything so far is in seen. */
static void
await(int master, const char *text, char *seen, size_t size)
{
	struct pollfd p = {.fd = master, .events = POLLIN};
	size_t len = strlen(seen);
	ssize_t n;

	while (!strstr(seen, text)) {
		assert_int_equal(poll(&p, 1, 60000), 1);
		n = read(master, seen + len, size - 1 - len);
		assert_true(n > 0);
		len += (size_t)n;
		seen[len] = '\0';
	}
}

static bool
echoes(int master)
{
	struct termios t;

	assert_int_equal(tcgetattr(master, &t), 0);
	return (t.c_lflag & ECHO) != 0;
}

static void
a_terminal_does_not_echo_the_password(void **state)
{
	char seen[1000] = "";
	int master, status;
	pid_t pid = forkpty(&master, NULL, NULL, NULL);

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(ask());
	await(master, "Password:", seen, sizeof seen);
	assert_false(echoes(master));
	assert_int_equal(write(master, "s3cret\n", 7), 7);
	await(master, "Sure? ", seen, sizeof seen);
	assert_true(echoes(master));
	assert_int_equal(write(master, "Y\n", 2), 2);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	assert_lacks(seen, "s3cret");
	close(master);
}

static void
an_interrupt_restores_the_terminal(void **state)
{
	char seen[1000] = "";
	int master, slave, status;
	pid_t pid;

	(void)state;
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(master);
		if (login_tty(slave) != 0)
			_exit(9);
		_exit(ask());
	}
	await(master, "Password:", seen, sizeof seen);
	assert_false(echoes(master));
	assert_int_equal(write(master, "half\003", 5), 5);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGINT);
	assert_true(echoes(master));
	close(slave);
	close(master);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_terminal_does_not_echo_the_password),
	    cmocka_unit_test(an_interrupt_restores_the_terminal),
	    cmocka_unit_test(lines_of_a_pipe_are_taken_one_by_one),
	    cmocka_unit_test(bad_lines_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
