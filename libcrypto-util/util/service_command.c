/*
 * The command "service" of every daemon. Neighbours: service_install and service_control (the
 * work), options_file (settings of a new service).
 *
 * Invariants: which service is meant is the program's; nothing is asked when standard input is no
 * terminal; data are removed only when somebody has said so.
 */
#include "util/service_command.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/output.h"
#include "util/prompt.h"
#include "util/service_internal.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define COMMAND_LABELS 9
#define COMMAND_GROUP "Service"
#define COMMAND_WAIT_MAX_MS INT64_C(86400000)
/* Options of the unit's command line, and one that a service manager has no use for. */
#define COMMAND_FIXED_MAX (SERVICE_WORDS_MAX + 2)

/* clang-format off */
#define OPTION_ROW_ROOT \
    {.name = "root", \
	.type = OPTION_PATH, \
	.flags = OPTION_FLAG_ONLY, \
	.group = COMMAND_GROUP, \
	.value_name = "DIR", \
	.help = "work on what lies under this folder, without systemd"}
#define OPTION_ROW_OUTPUT \
    {.name = "output", \
	.type = OPTION_ENUM, \
	.flags = OPTION_FLAG_ONLY, \
	.group = COMMAND_GROUP, \
	.choices = "text,json", \
	.default_text = "text", \
	.help = "form of the result"}
#define OPTION_ROW_YES \
    {.name = "yes", \
	.short_name = 'y', \
	.type = OPTION_BOOL, \
	.flags = OPTION_FLAG_ONLY, \
	.group = COMMAND_GROUP, \
	.help = "ask nothing"}
/* clang-format on */

const struct option_def service_install_options[] = {
    OPTION_ROW_ROOT,
    OPTION_ROW_OUTPUT,
    OPTION_ROW_YES,
    {.name = "force",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.group = COMMAND_GROUP,
	.help = "replace a unit and programs that somebody else has put there"},
    {.name = "start",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.group = COMMAND_GROUP,
	.default_text = "true",
	.help = "start the service, too"},
};

const struct option_def service_uninstall_options[] = {
    OPTION_ROW_ROOT,
    OPTION_ROW_OUTPUT,
    OPTION_ROW_YES,
    {.name = "erase-data",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.group = COMMAND_GROUP,
	.help = "remove data, logs and settings as well"},
};

const struct option_def service_start_options[] = {OPTION_ROW_ROOT, OPTION_ROW_OUTPUT};

const struct option_def service_stop_options[] = {
    OPTION_ROW_ROOT,
    OPTION_ROW_OUTPUT,
    {.name = "time",
	.short_name = 't',
	.type = OPTION_DURATION,
	.flags = OPTION_FLAG_ONLY,
	.group = COMMAND_GROUP,
	.default_text = "0",
	.max = COMMAND_WAIT_MAX_MS,
	.help = "wait so long before it is stopped"},
};

_Static_assert(COUNT(service_install_options) == SERVICE_INSTALL_OPTIONS_COUNT, "as announced");
_Static_assert(COUNT(service_uninstall_options) == SERVICE_UNINSTALL_OPTIONS_COUNT, "as announced");
_Static_assert(COUNT(service_start_options) == SERVICE_START_OPTIONS_COUNT, "as announced");
_Static_assert(COUNT(service_stop_options) == SERVICE_STOP_OPTIONS_COUNT, "as announced");

const struct command service_verbs[SERVICE_VERBS_COUNT] = {SERVICE_VERBS(service_run)};

/* A command that goes on. */
struct service_call {
	const struct program *program;
	const struct options *options;
	const struct service_def *def;
	const char *root; /* NULL: the system */
	struct output *out;
	bool is_cancelled;
	bool is_down; /* status: installed, but it does not run */
};

static bool
command_has(const struct option_def *rows, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i].name, name) == 0)
			return true;
	return false;
}

bool
service_has_option(const char *name)
{
	return command_has(service_install_options, COUNT(service_install_options), name) ||
	    command_has(service_uninstall_options, COUNT(service_uninstall_options), name) ||
	    command_has(service_stop_options, COUNT(service_stop_options), name);
}

/* ---- showing ---- */

static void
command_show_path(struct output *out, const char *name, const char *path)
{
	if (path[0])
		output_string(out, name, path);
}

static void
command_show(struct service_call *c, const struct service_status *s)
{
	output_label_width(c->out, COMMAND_LABELS);
	output_record_begin(c->out, NULL);
	output_string(c->out, "service", c->def->name);
	output_string(c->out, "state", s->state == SERVICE_RUNNING ? "running" : "stopped");
	if (s->pid > 0)
		output_i64(c->out, "pid", s->pid);
	command_show_path(c->out, "unit", s->unit);
	command_show_path(c->out, "program", s->program);
	command_show_path(c->out, "data", s->dir);
	command_show_path(c->out, "log", s->logfile);
	output_record_end(c->out);
}

static enum im_err
command_ask_status(struct service_call *c, struct service_status *s)
{
	enum im_err err = service_status(c->def->name, c->root, s);

	if (!err && s->state == SERVICE_ABSENT)
		err = err_set(IM_ERR_NOT_FOUND, "Service is not installed");
	return err;
}

/* What a verb has led to: a sentence, or as JSON all there is to know. */
static enum im_err
command_tell(struct service_call *c)
{
	struct service_status s;
	enum im_err err = command_ask_status(c, &s);

	if (err)
		return err;
	if (output_format(c->out) == OUTPUT_JSON)
		command_show(c, &s);
	else if (s.pid > 0)
		output_message(
		    c->out, "Service %s is running with PID %ld", c->def->name, (long)s.pid);
	else
		output_message(c->out, "Service %s is %s", c->def->name,
		    s.state == SERVICE_RUNNING ? "running" : "stopped");
	return IM_OK;
}

/* ---- install ---- */

static enum im_err
command_cancel(struct service_call *c)
{
	c->is_cancelled = true;
	output_note(c->out, "Canceled");
	return IM_OK;
}

/* Whether a question whose expected answer is yes was answered otherwise. */
static bool
command_is_refused(const struct service_call *c, const char *question)
{
	char memory[PROMPT_MAX_BYTES], shown[512];
	struct buf answer;

	if (!question || options_bool(c->options, "yes") || !isatty(STDIN_FILENO))
		return false;
	snprintf(shown, sizeof shown, "%s ", question);
	buf_init_in(&answer, memory, sizeof memory);
	if (prompt_line(shown, &answer) != IM_OK)
		return true;
	return answer.len && answer.data[0] != 'y' && answer.data[0] != 'Y';
}

/* The names of settings that the command line of the unit has. */
static enum im_err
command_fixed(struct service_call *c, struct service_exec *e, const char *names[COMMAND_FIXED_MAX])
{
	static const char *const none[] = {NULL};
	struct buf unit;
	size_t count = 0;
	enum im_err err;

	buf_init(&unit, SERVICE_UNIT_MAX);
	err = service_unit_write(c->def, SERVICE_PROGRAM_FOLDER, none, &unit);
	if (!err)
		err = service_unit_exec(buf_bytes(&unit), e);
	buf_free(&unit);
	for (size_t i = 1; i < e->count && !err; i++)
		if (strncmp(e->words[i], "--", 2) == 0)
			names[count++] = e->words[i] + 2;
	names[count++] = "detached";
	names[count] = NULL;
	return err;
}

/* What the unit says cannot be said otherwise. */
static enum im_err
command_check_fixed(struct service_call *c, const struct service_exec *e, const char *const *names)
{
	char flag[SERVICE_PATH_MAX];

	for (; *names; names++) {
		snprintf(flag, sizeof flag, "--%s", *names);
		if (options_origin(c->options, *names) == OPTION_FROM_FLAG)
			return err_set(IM_ERR_USAGE, "%s cannot be chosen for a service%s%s", flag,
			    service_exec_flag(e, flag)[0] ? ": it is " : "",
			    service_exec_flag(e, flag));
	}
	return IM_OK;
}

/* Whether any setting was given that a file of settings would hold. */
static bool
command_has_settings(const struct service_call *c, const struct command *program)
{
	for (size_t i = 0; i < program->option_count; i++)
		if (!service_has_option(program->options[i].name) &&
		    options_is_set(c->options, program->options[i].name))
			return true;
	return false;
}

/* A setting that has no effect is refused, not ignored. */
static enum im_err
command_check_settings(const struct service_call *c, const struct command *program)
{
	if (!command_has_settings(c, program))
		return IM_OK;
	return err_set(
	    IM_ERR_USAGE, "only \"service install\" takes settings of %s", program->name);
}

static enum im_err
command_config(struct service_call *c, struct buf *config)
{
	struct service_exec *e = (struct service_exec *)calloc(1, sizeof *e);
	const char *names[COMMAND_FIXED_MAX];
	enum im_err err = e ? command_fixed(c, e, names) : err_set(IM_ERR_NOMEM, "out of memory");

	if (!err)
		err = command_check_fixed(c, e, names);
	if (!err)
		err = options_write_file(c->options, names, config);
	free(e);
	return err;
}

static void
command_note_install(
    struct service_call *c, const struct service_install *in, const struct command *program)
{
	if (in->config_is_kept)
		output_note(c->out, "the settings in " SERVICE_CONFIG_FOLDER "/%s.toml are kept%s",
		    in->def->programs[0],
		    command_has_settings(c, program) ? "; those given now are not in it" : "");
	if (in->missing[0])
		output_note(c->out,
		    "the program %s, which %s may start, is not beside it and was not copied",
		    in->missing, in->def->programs[0]);
	if (c->root && geteuid() != 0)
		output_note(
		    c->out, "no user was made and everything belongs to you: you are not root");
}

/* The manual page, which the caller frees; empty without memory. */
static char *
command_manual(const struct service_call *c, struct bytes *out)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	if (to) {
		options_print_man(c->program, to);
		if (fclose(to) != 0)
			len = 0;
	}
	*out = bytes_of(text, text ? len : 0);
	return text;
}

static enum im_err
command_install_with(struct service_call *c, struct bytes config, const struct command *program)
{
	struct service_install in = {.def = c->def,
	    .root = c->root,
	    .force = options_bool(c->options, "force"),
	    .config = config};
	char *manual = command_manual(c, &in.manual);
	enum im_err err = service_install(&in);

	free(manual);
	if (err)
		return err;
	output_note(c->out, "Service %s installed", c->def->name);
	command_note_install(c, &in, program);
	/* One that runs goes on with the program that it was; a restart takes the new one. */
	if (!c->root && options_bool(c->options, "start"))
		err = service_systemctl("restart", c->def->name);
	return err;
}

static enum im_err
command_install(struct service_call *c, const struct command *program)
{
	struct buf config;
	enum im_err err = service_may_change(c->root);

	if (err)
		return err;
	if (command_is_refused(c, c->def->question))
		return command_cancel(c);
	buf_init(&config, SERVICE_CONFIG_MAX);
	err = command_config(c, &config);
	if (!err)
		err = command_install_with(c, buf_bytes(&config), program);
	buf_wipe(&config);
	return err ? err : command_tell(c);
}

/* ---- the other verbs ---- */

static enum im_err
command_uninstall(struct service_call *c, const struct command *program)
{
	bool asks = isatty(STDIN_FILENO) && !options_bool(c->options, "yes");
	struct service_uninstall un = {
	    .def = c->def, .root = c->root, .erase = options_bool(c->options, "erase-data")};
	char question[128], data[PATH_MAX];
	enum im_err err = service_uninstall_check(&un, data);

	(void)program;
	if (err)
		return err;
	snprintf(question, sizeof question, "Are you sure you want to uninstall %s? [y/N] ",
	    c->def->name);
	if (asks && !prompt_confirm(question))
		return command_cancel(c);
	if (asks && !un.erase)
		un.erase = prompt_confirm("Erase data? [y/N] ");
	err = service_uninstall(&un);
	if (err)
		return err;
	output_message(c->out, "Program files removed");
	if (un.erase)
		output_message(c->out, "Data folder removed");
	else
		output_message(c->out, "No data removed: they are in %s", data);
	return IM_OK;
}

static enum im_err
command_start(struct service_call *c, const struct command *program)
{
	enum im_err err = service_start(c->def->name, c->root);

	(void)program;
	return err ? err : command_tell(c);
}

/* Whoever tires of waiting ends the command, and nothing is done. */
static void
command_wait(const struct service_call *c)
{
	int64_t ms = options_duration_ms(c->options, "time");
	struct timespec left = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000L};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		continue;
}

static enum im_err
command_stop(struct service_call *c, const struct command *program)
{
	enum im_err err = service_may_change(c->root);

	(void)program;
	if (!err) {
		command_wait(c);
		err = service_stop(c->def->name, c->root);
	}
	return err ? err : command_tell(c);
}

static enum im_err
command_restart(struct service_call *c, const struct command *program)
{
	enum im_err err = service_may_change(c->root);

	(void)program;
	if (!err) {
		command_wait(c);
		err = service_stop(c->def->name, c->root);
	}
	if (!err)
		err = service_start(c->def->name, c->root);
	return err ? err : command_tell(c);
}

static enum im_err
command_status(struct service_call *c, const struct command *program)
{
	struct service_status s;
	enum im_err err = command_ask_status(c, &s);

	(void)program;
	if (err)
		return err;
	c->is_down = s.state != SERVICE_RUNNING;
	command_show(c, &s);
	return IM_OK;
}

static const struct {
	const char *name;
	enum im_err (*run)(struct service_call *c, const struct command *program);
} command_verbs[] = {
    {"install", command_install},
    {"uninstall", command_uninstall},
    {"start", command_start},
    {"stop", command_stop},
    {"restart", command_restart},
    {"status", command_status},
};

_Static_assert(COUNT(command_verbs) == SERVICE_VERBS_COUNT, "a row for each verb");

/* The root of the options; what runs by systemd is its, even if one calls it "/". */
static const char *
command_root(const struct options *o)
{
	const char *root = options_string(o, "root");

	if (!root[0] || (strcmp(root, "/") == 0 && service_systemd_runs()))
		return NULL;
	return root;
}

/* Ends the output, and says how it all ended. */
static int
command_end(struct service_call *c, enum im_err err)
{
	int code = err        ? (int)output_error(c->out, err)
	    : c->is_cancelled ? IM_EXIT_ERROR
	    : c->is_down      ? IM_EXIT_NOT_FOUND
			      : IM_EXIT_OK;

	err = output_flush(c->out);
	if (err && code == IM_EXIT_OK)
		code = (int)output_error(c->out, err);
	(void)output_close(c->out);
	return code;
}

int
service_run(struct command_call *call)
{
	const struct command *program = call->program->root;
	struct service_call c = {.program = call->program,
	    .options = call->options,
	    .def = service_by_program(program->name),
	    .root = command_root(call->options)};
	enum im_err err = IM_ERR_INTERNAL;

	assert(c.def);
	c.out = output_new((enum output_format)options_enum(call->options, "output"), STDOUT_FILENO,
	    STDERR_FILENO, program->name);
	if (!c.out) {
		fprintf(stderr, "%s: out of memory\n", program->name);
		return IM_EXIT_ERROR;
	}
	for (size_t i = 0; i < COUNT(command_verbs); i++) {
		if (strcmp(command_verbs[i].name, call->command->name) != 0)
			continue;
		err = command_verbs[i].run == command_install ? IM_OK
							      : command_check_settings(&c, program);
		if (!err)
			err = command_verbs[i].run(&c, program);
	}
	return command_end(&c, err);
}

int
service_run_bare(struct command_call *call)
{
	if (call->arg_count == 0)
		fprintf(stderr, "%s: required a command name.", call->program->root->name);
	else
		fprintf(stderr, "%s: invalid command argument specified: %.64s.",
		    call->program->root->name, call->args[0]);
	fputs(" Available list is [", stderr);
	for (size_t i = 0; i < COUNT(command_verbs); i++)
		fprintf(stderr, "%s%s", i ? " " : "", command_verbs[i].name);
	fputs("]\n", stderr);
	return IM_EXIT_USAGE;
}
