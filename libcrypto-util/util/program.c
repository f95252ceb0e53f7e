/*
 * What every main() does around its work. Neighbours: options (all of it), err (exit codes).
 *
 * Invariants: results on stdout, messages on stderr; stdout is checked before a success is
 * claimed; a reader that went away is no error; messages are escaped before they reach a terminal,
 * and need no memory.
 */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/options_internal.h"
#include "util/text.h"
#include "util/version.h"

#define PROGRAM_MAX_MESSAGE 16384u
#define PROGRAM_DEFAULT_WIDTH 80u

static void
program_say(const struct program *p, const char *kind, const char *text)
{
	char memory[PROGRAM_MAX_MESSAGE];
	struct buf line;

	buf_init_in(&line, memory, sizeof memory - 1);
	buf_printf(&line, "%s: %s", p->root->name, kind);
	text_append_printable(&line, bytes_str(text));
	memory[line.len] = '\n';
	fwrite(memory, 1, line.len + 1, stderr);
}

static int
program_fail(const struct program *p, const struct options *o, enum im_err err)
{
	struct buf path;

	program_say(p, "", err_detail(err));
	buf_init(&path, PROGRAM_MAX_MESSAGE);
	if (err == IM_ERR_USAGE && o && command_path(p->root, options_command(o), &path) &&
	    buf_append_u8(&path, 0))
		fprintf(stderr, "Try \"%s --help\".\n", (const char *)path.data);
	buf_free(&path);
	return err_exit_code(err);
}

/* Makes sure that what was printed has arrived. */
static int
program_close_stdout(const struct program *p, int code)
{
	int e;

	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	e = errno;
	if (e == EPIPE)
		return code;
	program_say(p, "cannot write the output: ", e ? strerror(e) : "write error");
	return code ? code : IM_EXIT_ERROR;
}

static unsigned
program_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size = {0};
	long n = columns ? strtol(columns, NULL, 10) : 0;

	if (n > 0 && n < 10000)
		return (unsigned)n;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	return PROGRAM_DEFAULT_WIDTH;
}

static void
program_warn(const struct program *p, const struct options *o)
{
	const char *const *warnings;
	size_t count;

	warnings = options_warnings(o, &count);
	for (size_t i = 0; i < count; i++)
		program_say(p, "warning: ", warnings[i]);
}

/* For people: where settings came from. */
static void
program_name_file(const struct options *o)
{
	if (options_config_file(o) && isatty(STDERR_FILENO))
		fprintf(stderr, "Using config file: %s\n", options_config_file(o));
}

static int
program_run(const struct program *p, const struct options *o, void *context)
{
	struct command_call call = {
	    .program = p, .command = options_command(o), .options = o, .context = context};

	call.args = options_args(o, &call.arg_count);
	return call.command->run(&call);
}

static void
program_say_fault(void *arg, const char *fault)
{
	program_say(arg, "", fault);
}

/* Whether the configuration is right, by the exit code and a line on standard output. */
static int
program_check_config(const struct program *p, const struct options *o)
{
	const char *file = options_config_file(o);

	if (!options_check_all(o, program_say_fault, (void *)(uintptr_t)p))
		return IM_EXIT_USAGE;
	if (file)
		printf("The configuration is right: %s\n", file);
	else
		puts("The configuration is right; there is no configuration file");
	return IM_EXIT_OK;
}

/* Does what the command line asks for. */
static int
program_act(const struct program *p, const struct options *o, void *context)
{
	switch (options_action(o)) {
	case OPTIONS_HELP:
		options_print_help(p, options_command(o), program_width(), stdout);
		break;
	case OPTIONS_VERSION:
		printf("%s %s\n", p->root->name, p->version);
		break;
	case OPTIONS_PRINT_CONFIG:
		options_print_config(o, isatty(STDOUT_FILENO) == 1, stdout);
		break;
	case OPTIONS_CHECK_CONFIG:
		return program_check_config(p, o);
	case OPTIONS_PRINT_MAN:
		options_print_man(p, stdout);
		break;
	case OPTIONS_PRINT_FILE_MAN:
		options_print_file_man(p, stdout);
		break;
	case OPTIONS_PRINT_WORDS:
		options_print_words(p, stdout);
		break;
	case OPTIONS_RUN:
		program_name_file(o);
		return program_run(p, o, context);
	}
	return IM_EXIT_OK;
}

int
program_main(const struct program *program, int argc, char **argv, void *context)
{
	struct options *o = NULL;
	int code;
	enum im_err err;

	(void)setlocale(LC_CTYPE, "");
	(void)signal(SIGPIPE, SIG_IGN);
	err = options_load(program, argc, argv, environ, &o);
	if (err) {
		code = program_fail(program, o, err);
	} else {
		/* What was odd about the settings, for whoever uses or looks at them. */
		program_warn(program, o);
		code = program_act(program, o, context);
	}
	code = program_close_stdout(program, code);
	options_free(o);
	return code;
}

int
program_version(struct command_call *call)
{
	printf("%s %s\n", call->program->root->name, IMMUDB_VERSION);
	if (IMMUDB_COMMIT[0])
		printf("%-8s: %s\n", "Commit", IMMUDB_COMMIT);
	printf("%-8s: %s\n", "Built at", IMMUDB_BUILT_AT);
	return IM_EXIT_OK;
}

int
program_line(const struct options *earlier, int argc, char **argv, void *context)
{
	struct options *o = NULL;
	enum im_err err = options_load_line(earlier, argc, argv, &o);
	int code = err ? program_fail(earlier->program, o, err)
		       : program_act(earlier->program, o, context);

	code = program_close_stdout(earlier->program, code);
	options_free(o);
	return code;
}
