/*
 * "immuclient it": the shell. Each line is a command line of the program itself, run over one
 * connection that stays. Neighbours: shell_edit.c (reading lines), shell_words.c, shell_complete.c,
 * session.c (the connection), util/options.h (program_line()).
 *
 * Invariants: no password enters the history; a failed command ends a script, and never the shell
 * of a person; what the shell was started with holds for every line, unless the line says
 * otherwise.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/session.h"
#include "commands.h"
#include "interrupt.h"
#include "shell.h"
#include "util/clock.h"
#include "util/text.h"

#define LINE_MAX_BYTES (4u * 1024 * 1024)
#define LINE_MEMORY (64u * 1024 * 1024)

struct shell {
	struct command_call *call;
	struct session_link link;
	struct shell_edit *edit;
	struct buf prompt;
	bool shows_time;
	bool is_over;
	uint64_t line; /* number of the present one, for scripts */
};

/* ---- What the editor asks ---- */

static const char *
shell_prompt(void *ctx)
{
	struct shell *sh = (struct shell *)ctx;
	const char *user = (const char *)sh->link.user.data;
	const char *database = sh->link.c ? immu_database(sh->link.c) : "";

	buf_clear(&sh->prompt);
	/* The server says what its default database is called. */
	if (*user) {
		text_append_printable(&sh->prompt, bytes_str(user));
		buf_append_u8(&sh->prompt, '@');
		text_append_printable(&sh->prompt, bytes_str(database));
		buf_append_u8(&sh->prompt, ' ');
	}
	buf_append_str(&sh->prompt, "immuclient> ");
	buf_append_u8(&sh->prompt, '\0');
	return sh->prompt.err ? "immuclient> " : (const char *)sh->prompt.data;
}

static bool
add_key(void *arg, const struct immu_entry *entry)
{
	struct shell_candidates *out = (struct shell_candidates *)arg;

	shell_candidates_add(out, bytes_of(entry->key.data, entry->key.len));
	return out->count < SHELL_CANDIDATES_MAX;
}

static void
shell_complete(
    void *ctx, const struct shell_words *before, struct bytes stem, struct shell_candidates *out)
{
	struct shell *sh = (struct shell *)ctx;
	struct immu_scan scan = {.prefix = {stem.data, stem.len}, .limit = SHELL_CANDIDATES_MAX};

	if (shell_complete_words(&immuclient_root, before, stem, out) && sh->link.c)
		/* Without an answer there is nothing to offer; the command itself will say why. */
		(void)immu_each(sh->link.c, &scan, add_key, out);
}

/* ---- Lines ---- */

static int
set_timing(struct shell *sh, const struct shell_words *words)
{
	if (words->count == 2 && strcmp(words->words[1], "on") == 0)
		sh->shows_time = true;
	else if (words->count == 2 && strcmp(words->words[1], "off") == 0)
		sh->shows_time = false;
	else if (words->count != 1)
		fprintf(stderr, "immuclient: timing is on or off\n");
	printf("timing is %s\n", sh->shows_time ? "on" : "off");
	fflush(stdout);
	return words->count > 2 ? IM_EXIT_USAGE : IM_EXIT_OK;
}

/* Runs the words as arguments of the program. */
static int
run_command(struct shell *sh, const struct shell_words *words, struct arena *arena)
{
	char **argv = (char **)arena_calloc(arena, words->count + 2, sizeof *argv);
	int64_t began_ns = clock_monotonic_ns();
	int code;

	if (!argv)
		return IM_EXIT_ERROR;
	argv[0] = arena_str(arena, bytes_str("immuclient"));
	memcpy(argv + 1, words->words, words->count * sizeof *argv);
	code = program_line(sh->call->options, (int)words->count + 1, argv, &sh->link);
	if (sh->shows_time)
		fprintf(stderr, "%.3f ms\n",
		    (double)(clock_monotonic_ns() - began_ns) / (double)CLOCK_NS_PER_MS);
	return code;
}

static int
run_words(struct shell *sh, const struct shell_words *words, struct arena *arena)
{
	const char *first = words->count ? words->words[0] : "";
	int code;

	if (!*first && words->count == 0)
		return IM_EXIT_OK;
	if (strcmp(first, "exit") == 0 || strcmp(first, "quit") == 0) {
		sh->is_over = true;
		return IM_EXIT_OK;
	}
	if (strcmp(first, "timing") == 0)
		return set_timing(sh, words);
	if (strcmp(first, "clear") == 0) {
		if (isatty(STDOUT_FILENO))
			printf("\033[H\033[2J");
		fflush(stdout);
		return IM_EXIT_OK;
	}
	code = run_command(sh, words, arena);
	if (words->count == 1 && strcmp(first, "help") == 0) {
		printf("\nShell:\n"
		       "  exit, quit        leave, as Ctrl-D does\n"
		       "  help COMMAND      about a command\n"
		       "  timing [on|off]   show how long each command took\n"
		       "  clear             clear the screen\n");
		fflush(stdout);
	}
	return code;
}

/* A password, by an option for one, or typed behind the name of who logs in, where none belongs. */
static bool
holds_secret(struct bytes line, const struct shell_words *words)
{
	const char *first = words->count > 2 ? words->words[0] : "";

	return strcmp(first, "login") == 0 || strcmp(first, "l") == 0 ||
	    (line.len && memmem(line.data, line.len, "-password", 9) != NULL);
}

/* Reads one command, over as many lines as its quotes need. */
static enum im_err
read_command(struct shell *sh, struct buf *line, struct arena *arena, struct shell_words *words)
{
	enum im_err err;

	do {
		interrupt_catch();
		arena_reset(arena, LINE_MAX_BYTES);
		err = shell_edit_read(sh->edit, line);
		sh->line++;
		if (!err)
			err = shell_split(buf_bytes(line), arena, words);
	} while (!err && words->is_open);
	return err;
}

static int
run_line(struct shell *sh, struct buf *line, struct arena *arena)
{
	struct shell_words words = {0};
	enum im_err err = read_command(sh, line, arena, &words);
	int code;

	if (err == IM_ERR_INTERRUPTED && shell_edit_is_interactive(sh->edit))
		return IM_EXIT_OK;
	if (err == IM_ERR_NOT_FOUND && line->len && words.is_open)
		err = err_set(IM_ERR_FORMAT, "the input ends inside quotes");
	sh->is_over = err != IM_OK;
	if (err == IM_ERR_NOT_FOUND)
		return IM_EXIT_OK;
	if (err) {
		fprintf(stderr, "immuclient: %s\n", err_detail(err));
		return err_exit_code(err);
	}
	if (words.count && line->data[0] != ' ' && !holds_secret(buf_bytes(line), &words))
		shell_edit_remember(sh->edit, buf_bytes(line));
	code = run_words(sh, &words, arena);
	if (code && !shell_edit_is_interactive(sh->edit)) {
		fprintf(stderr, "immuclient: stopped at line %llu\n", (unsigned long long)sh->line);
		sh->is_over = true;
	}
	return code;
}

static int
run_lines(struct shell *sh)
{
	struct arena arena;
	struct buf line;
	int code = IM_EXIT_OK;

	arena_init(&arena, LINE_MEMORY);
	buf_init(&line, LINE_MAX_BYTES);
	while (!sh->is_over) {
		code = run_line(sh, &line, &arena);
		buf_wipe(&line);
		buf_init(&line, LINE_MAX_BYTES);
	}
	arena_wipe(&arena);
	buf_wipe(&line);
	if (shell_edit_is_interactive(sh->edit)) {
		printf("\n");
		return IM_EXIT_OK;
	}
	return code;
}

/* ---- The command ---- */

/* What --database chose holds until the shell ends; other commands know nothing of it. */
static enum im_err
greet(struct session *s)
{
	s->link->owns_session = s->is_own_session;
	s->is_own_session = false;
	if (isatty(STDIN_FILENO))
		output_note(s->out, "immuclient shell; help lists the commands, Ctrl-D leaves");
	return IM_OK;
}

static int
run_shell(struct shell *sh)
{
	struct shell_edit_source source = {shell_prompt, shell_complete, sh};
	struct command_call call = *sh->call;
	int code;

	call.context = &sh->link;
	code = session_run(&call, SESSION_LOGGED_IN, greet);
	if (code)
		return code;
	sh->edit = shell_edit_new(&source);
	if (!sh->edit) {
		fprintf(stderr, "immuclient: the terminal cannot be used\n");
		return IM_EXIT_ERROR;
	}
	code = run_lines(sh);
	shell_edit_free(sh->edit);
	if (sh->link.c && sh->link.owns_session)
		(void)immu_logout(sh->link.c);
	return code;
}

int
command_shell(struct command_call *call)
{
	struct shell sh = {.call = call};
	int code = IM_EXIT_ERROR;

	if (call->context) {
		fprintf(stderr, "immuclient: this is the shell already\n");
		return IM_EXIT_USAGE;
	}
	buf_init(&sh.prompt, LINE_MAX_BYTES);
	if (session_link_init(&sh.link, true) == IM_OK)
		code = run_shell(&sh);
	if (session_link_close(&sh.link) != IM_OK && code == IM_EXIT_OK)
		code = IM_EXIT_ERROR;
	buf_free(&sh.prompt);
	return code;
}
