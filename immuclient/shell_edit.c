/*
 * The line editor of the shell. Neighbours: shell.c (what lines mean), shell_words.c (quotes).
 *
 * Invariants: the terminal is the user's own whenever we are not reading a line; keys of the
 * database are escaped before they are shown; the history file is readable by its owner only.
 */
#include "shell_edit.h"

#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "interrupt.h"
#include "util/file.h"
#include "util/text.h"

#define HISTORY_NAME ".immuclient_history"
#define HISTORY_LINES 1000
/* A line of the shell may hold a value; larger ones come from files. */
#define LINE_MAX_BYTES (4u * 1024 * 1024)
#define COMPLETION_MEMORY (8u * 1024 * 1024)
#define PATH_MAX_BYTES 4096u

struct shell_edit {
	const struct shell_edit_source *source;
	EditLine *el; /* NULL: lines come as they are */
	History *history;
	char *history_path; /* NULL: no home */
	struct bytes begun; /* earlier lines of the same command */
};

/* ---- Completion ---- */

static void
show_candidates(const struct shell_candidates *c)
{
	struct buf text;

	buf_init(&text, COMPLETION_MEMORY);
	buf_append_u8(&text, '\n');
	for (size_t i = 0; i < c->count; i++) {
		text_append_printable(&text, c->list[i]);
		buf_append_u8(&text, '\n');
	}
	if (c->count == SHELL_CANDIDATES_MAX)
		buf_append_str(&text, "...\n");
	fwrite(text.data, 1, text.len, stdout);
	fflush(stdout);
	buf_free(&text);
}

/* Inserts what all candidates have in common behind the stem; false when that is nothing. */
static bool
insert_common(EditLine *el, const struct shell_candidates *c, struct bytes stem, char quote)
{
	struct bytes common = shell_candidates_common(c, stem);
	bool is_whole = c->count == 1 && stem.len + common.len == c->list[0].len;
	struct buf text;
	bool done;

	buf_init(&text, COMPLETION_MEMORY);
	shell_quote(&text, common, quote);
	if (is_whole && quote)
		buf_append_u8(&text, (uint8_t)quote);
	if (is_whole)
		buf_append_u8(&text, ' ');
	done = text.len > 0;
	buf_append_u8(&text, '\0');
	done = done && !text.err && el_insertstr(el, (const char *)text.data) == 0;
	buf_free(&text);
	return done;
}

static unsigned char
complete_in(struct shell_edit *e, struct arena *arena)
{
	const LineInfo *info = el_line(e->el);
	struct shell_candidates c = {.arena = arena};
	struct bytes stem = {0};
	struct shell_words before;
	struct buf text;
	enum im_err err;

	buf_init(&text, LINE_MAX_BYTES);
	buf_append_bytes(&text, e->begun);
	buf_append(&text, info->buffer, (size_t)(info->cursor - info->buffer));
	err = text.err ? text.err : shell_split(buf_bytes(&text), arena, &before);
	buf_free(&text);
	c.list = (struct bytes *)arena_calloc(arena, SHELL_CANDIDATES_MAX, sizeof *c.list);
	if (err || !c.list)
		return CC_ERROR;
	if (before.in_word)
		stem = bytes_str(before.words[--before.count]);
	e->source->complete(e->source->ctx, &before, stem, &c);
	if (c.count == 0)
		return CC_ERROR;
	if (insert_common(e->el, &c, stem, before.quote))
		return CC_REFRESH;
	show_candidates(&c);
	return CC_REDISPLAY;
}

static unsigned char
complete(EditLine *el, int key)
{
	struct shell_edit *e;
	struct arena arena;
	unsigned char answer;

	(void)key;
	el_get(el, EL_CLIENTDATA, (void *)&e);
	arena_init(&arena, COMPLETION_MEMORY);
	answer = complete_in(e, &arena);
	arena_free(&arena);
	return answer;
}

/* ---- Editing ---- */

static char *
prompt(EditLine *el)
{
	static char more[] = "... ";
	struct shell_edit *e;

	el_get(el, EL_CLIENTDATA, (void *)&e);
	if (e->begun.len)
		return more;
	/* libedit does not write through this pointer. */
	return (char *)(uintptr_t)e->source->prompt(e->source->ctx);
}

static char *
find_history(void)
{
	const char *home = getenv("HOME");
	struct buf path;
	char *text = NULL;

	buf_init(&path, PATH_MAX_BYTES);
	if (home && *home == '/' && file_join(&path, home, HISTORY_NAME) == IM_OK)
		text = strdup((const char *)path.data);
	buf_free(&path);
	return text;
}

/* ---- Keys ---- */

/*
 * Waits for a byte or a signal, also one that came a moment ago: false, and errno is EINTR. Between
 * a look at the count and the wait no signal is let through.
 */
static bool
wait_for_byte(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	sigset_t held, before;
	bool ready = false;

	sigemptyset(&held);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGTERM);
	sigprocmask(SIG_BLOCK, &held, &before);
	if (interrupt_count() == 0)
		ready = ppoll(&in, 1, NULL, &before) > 0;
	else
		errno = EINTR;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ready;
}

/* Reads a character of one or more bytes for the editor: 1, 0 at the end, -1 with errno. */
static int
read_character(EditLine *el, wchar_t *out)
{
	mbstate_t state = {0};

	(void)el;
	while (wait_for_byte()) {
		char c;
		ssize_t n = read(STDIN_FILENO, &c, 1);
		size_t used;

		if (n <= 0)
			return (int)n;
		used = mbrtowc(out, &c, 1, &state);
		if (used == (size_t)-1)
			state = (mbstate_t){0};
		else if (used != (size_t)-2)
			return 1;
	}
	return -1;
}

static bool
start_editor(struct shell_edit *e)
{
	HistEvent event;

	e->history = history_init();
	e->el = el_init("immuclient", stdin, stdout, stderr);
	if (!e->history || !e->el)
		return false;
	history(e->history, &event, H_SETSIZE, HISTORY_LINES);
	history(e->history, &event, H_SETUNIQUE, 1);
	e->history_path = find_history();
	if (e->history_path)
		history(e->history, &event, H_LOAD, e->history_path);
	el_set(e->el, EL_CLIENTDATA, e);
	el_set(e->el, EL_PROMPT, prompt);
	el_set(e->el, EL_GETCFN, read_character);
	el_set(e->el, EL_EDITOR, "emacs");
	el_set(e->el, EL_HIST, history, e->history);
	el_set(e->el, EL_ADDFN, "complete", "complete the word", complete);
	el_set(e->el, EL_BIND, "^I", "complete", NULL);
	el_set(e->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	return true;
}

struct shell_edit *
shell_edit_new(const struct shell_edit_source *source)
{
	struct shell_edit *e = (struct shell_edit *)calloc(1, sizeof *e);

	if (!e)
		return NULL;
	e->source = source;
	if (isatty(STDIN_FILENO) && !start_editor(e)) {
		shell_edit_free(e);
		return NULL;
	}
	return e;
}

void
shell_edit_free(struct shell_edit *e)
{
	if (!e)
		return;
	if (e->el)
		el_end(e->el);
	if (e->history)
		history_end(e->history);
	free(e->history_path);
	free(e);
}

bool
shell_edit_is_interactive(const struct shell_edit *e)
{
	return e->el != NULL;
}

/* A line of a pipe, byte by byte: what follows belongs to the command that reads it. */
static enum im_err
read_plain(struct buf *line)
{
	bool any = false;
	char c;

	for (;;) {
		ssize_t n = read(STDIN_FILENO, &c, 1);

		if (n < 0 && errno == EINTR)
			return IM_ERR_INTERRUPTED;
		if (n < 0)
			return err_set_errno(IM_ERR_IO, "read", "standard input");
		if (n == 0)
			return any ? IM_OK : IM_ERR_NOT_FOUND;
		if (c == '\n')
			return IM_OK;
		any = true;
		if (!buf_append_u8(line, (uint8_t)c))
			return line->err;
	}
}

static enum im_err
read_edited(struct shell_edit *e, struct buf *line)
{
	const char *text;
	int len;

	el_resize(e->el);
	errno = 0;
	text = el_gets(e->el, &len);
	if (!text && errno == EINTR) {
		el_reset(e->el);
		fputc('\n', stdout);
		fflush(stdout);
		return IM_ERR_INTERRUPTED;
	}
	if (!text || len <= 0)
		return IM_ERR_NOT_FOUND;
	if (text[len - 1] == '\n')
		len--;
	return buf_append(line, text, (size_t)len) ? IM_OK : line->err;
}

enum im_err
shell_edit_read(struct shell_edit *e, struct buf *line)
{
	enum im_err err;

	if (line->len)
		buf_append_u8(line, '\n');
	e->begun = buf_bytes(line);
	err = e->el ? read_edited(e, line) : read_plain(line);
	e->begun = bytes_of(NULL, 0);
	return err;
}

void
shell_edit_remember(struct shell_edit *e, struct bytes line)
{
	HistEvent event;
	mode_t mask;
	char *text;

	if (!e->el)
		return;
	text = strndup((const char *)line.data, line.len);
	if (text)
		history(e->history, &event, H_ENTER, text);
	free(text);
	if (!e->history_path)
		return;
	mask = umask(077);
	history(e->history, &event, H_SAVE, e->history_path);
	(void)umask(mask);
	(void)chmod(e->history_path, FILE_MODE_PRIVATE);
}
