/*
 * What --help and --print-config show. Neighbours: options (values), options_man (the same tables
 * as a manual page), program (which calls).
 *
 * Invariants: nothing hidden is shown; a secret is never shown, whether set or not.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "util/clock.h"
#include "util/duration.h"
#include "util/options_internal.h"
#include "util/size.h"
#include "util/text.h"

#define HELP_INDENT 2u
#define HELP_COLUMN 30u
#define HELP_MIN_WIDTH 50u
#define HELP_MAX_WIDTH 120u
#define HELP_MAX_TEXT 4096u
#define HELP_DEFAULT_GROUP "Options"
#define CONFIG_MAX_COLUMN 32u

bool
command_path(const struct command *root, const struct command *command, struct buf *path)
{
	size_t start = path->len;

	if (path->len)
		buf_append_u8(path, ' ');
	buf_append_str(path, root->name);
	if (root == command)
		return !path->err;
	for (size_t i = 0; i < root->command_count; i++)
		if (command_path(&root->commands[i], command, path))
			return true;
	path->len = start;
	return false;
}

/* Writes text with its words wrapped, the first line from column at, the others from indent on. */
static void
help_wrap(FILE *to, const char *text, unsigned at, unsigned indent, unsigned width)
{
	bool line_start = true;

	while (*text) {
		size_t n = strcspn(text, " \n");

		if (!line_start && at + 1 + n > width) {
			fprintf(to, "\n%*s", (int)indent, "");
			at = indent;
			line_start = true;
		}
		if (n) {
			fprintf(to, "%s%.*s", line_start ? "" : " ", (int)n, text);
			at += (unsigned)n + !line_start;
			line_start = false;
		}
		text += n;
		if (*text == '\n') {
			fprintf(to, "\n%*s", (int)indent, "");
			at = indent;
			line_start = true;
		}
		text += *text != '\0';
	}
	fputc('\n', to);
}

/* A left part, padded, and a wrapped right part; on two lines when the left is too long. */
static void
help_row(FILE *to, struct bytes left, const char *right, unsigned width)
{
	fprintf(to, "%*s%.*s", (int)HELP_INDENT, "", (int)left.len, (const char *)left.data);
	if (!right[0]) {
		fputc('\n', to);
		return;
	}
	if (left.len + HELP_INDENT + 2 > HELP_COLUMN)
		fprintf(to, "\n%*s", (int)HELP_COLUMN, "");
	else
		fprintf(to, "%*s", (int)(HELP_COLUMN - HELP_INDENT - left.len), "");
	help_wrap(to, right, HELP_COLUMN, HELP_COLUMN, width);
}

/* Whole lines, indented. */
static void
help_lines(FILE *to, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		fprintf(to, "%*s%.*s\n", n ? (int)HELP_INDENT : 0, "", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

bool
option_is_on(const struct option_def *def)
{
	return def->type == OPTION_BOOL && def->default_text &&
	    strcmp(def->default_text, "true") == 0;
}

/* "-p, --port NUMBER", "--[no-]auth" */
static void
help_flag_name(const struct option_def *def, struct buf *out)
{
	const char *value = option_value_name(def);

	if (def->short_name)
		buf_printf(out, "-%c, ", def->short_name);
	else
		buf_append_str(out, "    ");
	buf_printf(out, "--%s%s%s%s", option_is_on(def) ? "[no-]" : "", def->name,
	    value[0] ? " " : "", value);
}

/* The description, then choices, default and environment names. */
static void
help_flag_text(const struct program *p, const struct option_def *def, struct buf *out)
{
	char env[OPTIONS_MAX_NAME];
	bool has_default = def->default_text && def->default_text[0];

	buf_append_str(out, def->help ? def->help : "");
	if (def == &option_builtins[OPTION_BUILTIN_CONFIG])
		buf_printf(out, ", %s/%s.toml",
		    p->config_folder ? p->config_folder : OPTIONS_DEFAULT_FOLDER, p->root->name);
	if (def->type == OPTION_ENUM && def->choices)
		buf_printf(out, ": one of %s", def->choices);
	if (has_default && def->type != OPTION_SECRET)
		buf_printf(out, " (default %s)", def->default_text);
	if (def->flags & OPTION_FLAG_ONLY)
		return;
	if (option_env_name(p, def, env))
		buf_printf(out, " [%s", env);
	for (const char *at = def->env; at && *at; at += strcspn(at, ",")) {
		at += *at == ',';
		buf_printf(out, ", %.*s", (int)strcspn(at, ","), at);
	}
	if (p->env_prefix)
		buf_append_u8(out, ']');
}

static void
help_flag(const struct program *p, const struct option_def *def, unsigned width, FILE *to)
{
	struct buf left, right;

	buf_init(&left, HELP_MAX_TEXT);
	buf_init(&right, HELP_MAX_TEXT);
	help_flag_name(def, &left);
	help_flag_text(p, def, &right);
	if (buf_append_u8(&right, 0))
		help_row(to, buf_bytes(&left), (const char *)right.data, width);
	buf_free(&left);
	buf_free(&right);
}

static const char *
help_group(const char *group)
{
	return group ? group : HELP_DEFAULT_GROUP;
}

/* The flags of one table, under the headings of their groups, in the order groups first appear. */
static void
help_flags(const struct program *p, const struct command *c, unsigned width, FILE *to)
{
	for (size_t i = 0; i < c->option_count; i++) {
		const char *group = help_group(c->options[i].group);
		bool headed = false, seen = false;

		for (size_t k = 0; k < i && !seen; k++)
			seen = strcmp(group, help_group(c->options[k].group)) == 0;
		for (size_t k = i; k < c->option_count && !seen; k++) {
			if (strcmp(group, help_group(c->options[k].group)) != 0 ||
			    (c->options[k].flags & OPTION_HIDDEN))
				continue;
			if (!headed)
				fprintf(to, "\n%s:\n", group);
			headed = true;
			help_flag(p, &c->options[k], width, to);
		}
	}
}

/* The flags of every command between the program and this one; false when it is not below c. */
static bool
help_upper_flags(const struct program *p, const struct command *c, const struct command *command,
    unsigned width, FILE *to)
{
	bool found = false;

	if (c == command)
		return true;
	for (size_t i = 0; i < c->command_count && !found; i++)
		found = help_upper_flags(p, &c->commands[i], command, width, to);
	if (found && c != p->root)
		help_flags(p, c, width, to);
	return found;
}

/* Where there is more to read. */
static void
help_end(const struct program *p, const struct command *c, const char *path, FILE *to)
{
	if (c->command_count)
		fprintf(to, "\n\"%s help COMMAND\" tells more about a command.\n", path);
	if (c != p->root && !c->flags_only)
		fprintf(to, "\n\"%s --help\" lists the options of every command.\n", p->root->name);
}

static void
help_builtin_flags(const struct program *p, unsigned width, FILE *to)
{
	fprintf(to, "\nGeneral:\n");
	for (unsigned i = 0; i < OPTION_BUILTIN_COUNT; i++)
		if (!(option_builtins[i].flags & OPTION_HIDDEN) &&
		    option_builtin_applies(p, (enum option_builtin)i))
			help_flag(p, &option_builtins[i], width, to);
}

static void
help_command_row(const struct command *c, unsigned width, FILE *to)
{
	struct buf left;

	buf_init(&left, HELP_MAX_TEXT);
	buf_append_str(&left, c->name);
	for (const char *p = c->aliases, *end; p && *p; p = *end ? end + 1 : end) {
		end = strchrnul(p, ',');
		buf_printf(&left, ", %.*s", (int)(end - p), p);
	}
	if (c->args)
		buf_printf(&left, " %s", c->args);
	help_row(to, buf_bytes(&left), c->summary ? c->summary : "", width);
	buf_free(&left);
}

/* The commands under the headings of their groups. */
static void
help_commands(const struct command *c, unsigned width, FILE *to)
{
	for (size_t i = 0; i < c->command_count; i++) {
		const char *group = c->commands[i].group ? c->commands[i].group : "Commands";
		bool headed = false, seen = false;

		for (size_t k = 0; k < i && !seen; k++)
			seen = strcmp(group,
				   c->commands[k].group ? c->commands[k].group : "Commands") == 0;
		for (size_t k = i; k < c->command_count && !seen; k++) {
			const struct command *other = &c->commands[k];

			if (strcmp(group, other->group ? other->group : "Commands") != 0 ||
			    other->hidden)
				continue;
			if (!headed)
				fprintf(to, "\n%s:\n", group);
			headed = true;
			help_command_row(other, width, to);
		}
	}
}

static void
help_usage(const struct command *c, const char *path, FILE *to)
{
	fprintf(to, "Usage:\n");
	if (c->run)
		fprintf(to, "%*s%s [FLAGS]%s%s\n", (int)HELP_INDENT, "", path, c->args ? " " : "",
		    c->args ? c->args : "");
	if (c->command_count)
		fprintf(to, "%*s%s [FLAGS] COMMAND\n", (int)HELP_INDENT, "", path);
}

static unsigned
help_clamp(unsigned width)
{
	if (width < HELP_MIN_WIDTH)
		return HELP_MIN_WIDTH;
	return width > HELP_MAX_WIDTH ? HELP_MAX_WIDTH : width;
}

void
options_print_help(
    const struct program *program, const struct command *command, unsigned width, FILE *to)
{
	const struct command *root = program->root;
	struct buf path;

	width = help_clamp(width);
	buf_init(&path, HELP_MAX_TEXT);
	if (!command_path(root, command, &path) || !buf_append_u8(&path, 0)) {
		buf_free(&path);
		return;
	}
	if (command->examples) {
		fprintf(to, "Examples:\n");
		help_lines(to, command->examples);
		fputc('\n', to);
	}
	help_usage(command, (const char *)path.data, to);
	if (command->summary || command->help)
		fputc('\n', to);
	if (command->summary)
		help_wrap(to, command->summary, 0, 0, width);
	if (command->summary && command->help)
		fputc('\n', to);
	if (command->help)
		help_wrap(to, command->help, 0, 0, width);
	help_commands(command, width, to);
	help_flags(program, command, width, to);
	/* Where the program's own settings are not used, they would hide what is. */
	if (!command->flags_only)
		(void)help_upper_flags(program, root, command, width, to);
	if (command == root)
		help_builtin_flags(program, width, to);
	help_end(program, command, (const char *)path.data, to);
	buf_free(&path);
}

void
option_value_append(const struct option_value *v, struct buf *b)
{
	char text[DURATION_TEXT_SIZE];

	switch (v->def->type) {
	case OPTION_BOOL:
		buf_append_str(b, v->integer ? "true" : "false");
		break;
	case OPTION_INT:
		buf_printf(b, "%" PRId64, v->integer);
		break;
	case OPTION_SIZE:
		buf_printf(b, "\"%s\"", size_format_exact(v->size, text));
		break;
	case OPTION_DURATION:
		buf_printf(b, "\"%s\"", duration_format(v->integer * CLOCK_NS_PER_MS, text));
		break;
	case OPTION_SECRET:
		buf_append_str(b, v->text[0] ? "\"***\"" : "\"\"");
		break;
	case OPTION_LIST:
		buf_append_u8(b, '[');
		for (size_t i = 0; i < v->item_count; i++) {
			buf_append_str(b, i ? ", " : "");
			text_append_json(b, bytes_str(v->items[i]));
		}
		buf_append_u8(b, ']');
		break;
	default:
		text_append_json(b, bytes_str(v->text));
	}
}

static bool
config_is_shown(const struct option_value *v)
{
	return v->active && !v->builtin && !(v->def->flags & OPTION_HIDDEN);
}

/* The columns of names and values; a value that is longer than most stands out. */
static void
config_measure(const struct options *o, size_t *name_width, size_t *value_width)
{
	struct buf value;

	buf_init(&value, OPTIONS_MAX_MEMORY);
	*name_width = *value_width = 0;
	for (size_t i = 0; i < o->count; i++) {
		const struct option_value *v = &o->values[i];
		size_t name = strlen(v->def->name);

		if (!config_is_shown(v))
			continue;
		buf_clear(&value);
		option_value_append(v, &value);
		if (name > *name_width)
			*name_width = name;
		if (value.len > *value_width && value.len <= CONFIG_MAX_COLUMN)
			*value_width = value.len;
	}
	buf_free(&value);
}

void
options_print_config(const struct options *o, bool in_columns, FILE *to)
{
	size_t name_width = 0, value_width = 0;
	struct buf value, where;

	if (in_columns)
		config_measure(o, &name_width, &value_width);
	buf_init(&value, OPTIONS_MAX_MEMORY);
	buf_init(&where, OPTIONS_MAX_MEMORY);
	for (size_t i = 0; i < o->count; i++) {
		const struct option_value *v = &o->values[i];

		if (!config_is_shown(v))
			continue;
		buf_clear(&value);
		buf_clear(&where);
		option_value_append(v, &value);
		text_append_printable(&where, bytes_str(v->where));
		fprintf(to, "%-*s = %.*s", (int)name_width, v->def->name, (int)value.len,
		    (const char *)value.data);
		fprintf(to, "%*s  # %.*s\n",
		    value.len < value_width ? (int)(value_width - value.len) : 0, "",
		    (int)where.len, (const char *)where.data);
	}
	buf_free(&where);
	buf_free(&value);
}
