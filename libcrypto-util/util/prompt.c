/*
 * Questions to a person. Neighbours: the command-line programs.
 *
 * Invariants: the terminal is set back before a signal is let through and before returning; stdin
 * is read byte by byte, so that no line of a pipe is swallowed.
 */
#include "util/prompt.h"

#include <errno.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

static const int prompt_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

#define PROMPT_SIGNALS (sizeof prompt_signals / sizeof *prompt_signals)

static volatile sig_atomic_t prompt_caught;

static void
prompt_on_signal(int number)
{
	prompt_caught = number;
}

static void
prompt_say(const char *text)
{
	/* Nobody to tell when this fails. */
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return;
}

/* One line of stdin without its end. IM_ERR_INTERRUPTED when a caught signal came. */
static enum im_err
prompt_read_line(struct buf *out)
{
	uint8_t c = 0;
	ssize_t n;

	for (;;) {
		n = prompt_caught ? -1 : read(STDIN_FILENO, &c, 1);
		if (prompt_caught)
			return err_set(IM_ERR_INTERRUPTED, "interrupted");
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(IM_ERR_IO, "read", "stdin");
		if (n == 0 && out->len == 0)
			return err_set(IM_ERR_FORMAT, "no password: stdin is at its end");
		if (n == 0 || c == '\n')
			break;
		if (c == 0)
			return err_set(IM_ERR_FORMAT, "the line holds a NUL byte");
		if (out->len == PROMPT_MAX_BYTES)
			return err_set(IM_ERR_LIMIT, "line longer than %u bytes", PROMPT_MAX_BYTES);
		buf_append_u8(out, c);
	}
	if (out->len && out->data[out->len - 1] == '\r')
		out->len--;
	return out->err;
}

/* Reads with echo off, once; the terminal and the signal actions are as before afterwards. */
static enum im_err
prompt_read_hidden(const char *prompt, struct buf *out)
{
	struct sigaction catcher = {.sa_handler = prompt_on_signal}, before[PROMPT_SIGNALS];
	struct termios shown, hidden;
	enum im_err err;

	if (tcgetattr(STDIN_FILENO, &shown) != 0)
		return err_set_errno(IM_ERR_IO, "terminal", "stdin");
	sigemptyset(&catcher.sa_mask);
	prompt_caught = 0;
	for (size_t i = 0; i < PROMPT_SIGNALS; i++)
		sigaction(prompt_signals[i], &catcher, &before[i]);
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) != 0) {
		err = err_set_errno(IM_ERR_IO, "terminal", "stdin");
	} else {
		prompt_say(prompt);
		err = prompt_read_line(out);
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
		prompt_say("\n");
	}
	for (size_t i = 0; i < PROMPT_SIGNALS; i++)
		sigaction(prompt_signals[i], &before[i], NULL);
	return err;
}

enum im_err
prompt_password(const char *prompt, struct buf *out)
{
	bool again = true;
	enum im_err err = IM_OK;

	buf_clear(out);
	/* All at once: memory that grows would leave parts of the secret behind. */
	if (!buf_reserve(out, PROMPT_MAX_BYTES))
		return err_set(out->err, "%s", err_text(out->err));
	while (again) {
		again = false;
		if (!isatty(STDIN_FILENO)) {
			prompt_caught = 0;
			err = prompt_read_line(out);
		} else {
			err = prompt_read_hidden(prompt, out);
			if (err == IM_ERR_INTERRUPTED) {
				again = prompt_caught == SIGTSTP;
				(void)raise(prompt_caught);
				buf_clear(out);
			}
		}
	}
	if (err)
		buf_wipe(out);
	return err;
}

enum im_err
prompt_line(const char *question, struct buf *out)
{
	if (!isatty(STDIN_FILENO))
		return err_set(IM_ERR_FORMAT, "stdin is not a terminal");
	prompt_say(question);
	prompt_caught = 0;
	return prompt_read_line(out);
}

bool
prompt_confirm(const char *question)
{
	struct buf answer;
	bool yes;

	buf_init(&answer, PROMPT_MAX_BYTES);
	yes = prompt_line(question, &answer) == IM_OK && answer.len &&
	    (answer.data[0] == 'y' || answer.data[0] == 'Y');
	buf_free(&answer);
	return yes;
}
