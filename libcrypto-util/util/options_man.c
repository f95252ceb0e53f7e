/*
 * The manual pages of a program and of its configuration file, in troff with the man macros, from
 * the same tables as --help.
 *
 * Invariant: text from the tables can start no request and no escape: backslashes, leading dots and
 * quotes are written so that they stand for themselves.
 */
#include <ctype.h>

#include "util/options_internal.h"

#define MAN_MAX_TEXT 4096u
#define MAN_FILE_SECTION 5

/* Writes text as running text; a line end in it stays one. */
static void
man_text(FILE *to, const char *text)
{
	bool line_start = true;

	for (; *text; text++) {
		if (line_start && (*text == '.' || *text == '\''))
			fputs("\\&", to);
		if (*text == '\\')
			fputs("\\e", to);
		else if (*text == '-')
			fputs("\\-", to);
		else
			fputc(*text, to);
		line_start = *text == '\n';
	}
}

static void
man_upper(FILE *to, const char *text)
{
	for (; *text; text++)
		fputc(toupper((unsigned char)*text), to);
}

static void
man_paragraph(FILE *to, const char *text)
{
	if (!text)
		return;
	fputs(".PP\n", to);
	man_text(to, text);
	fputc('\n', to);
}

/* Lines as they stand. */
static void
man_example(FILE *to, const char *text)
{
	if (!text)
		return;
	fputs(".PP\n.nf\n", to);
	man_text(to, text);
	fputs("\n.fi\n", to);
}

/* The words of "A,B", with a space after each comma. */
static void
man_list(FILE *to, const char *words)
{
	for (; *words; words++) {
		char word[] = {*words, *words == ',' ? ' ' : '\0', '\0'};

		man_text(to, word);
	}
}

static void
man_option_values(FILE *to, const struct program *p, const struct option_def *def)
{
	char env[OPTIONS_MAX_NAME];

	if (def->choices) {
		fputs(" One of ", to);
		man_list(to, def->choices);
		fputc('.', to);
	}
	if (def->default_text && def->default_text[0] && def->type != OPTION_SECRET) {
		fputs(" Default: ", to);
		man_text(to, def->default_text);
		fputc('.', to);
	}
	if (def->flags & OPTION_FLAG_ONLY)
		return;
	if (option_env_name(p, def, env)) {
		fputs(" Environment: ", to);
		man_text(to, env);
		fputs(def->env ? ", " : "", to);
		man_list(to, def->env ? def->env : "");
		fputc('.', to);
	}
}

static void
man_option(FILE *to, const struct program *p, const struct option_def *def)
{
	const char *value = option_value_name(def);

	if (def->flags & OPTION_HIDDEN)
		return;
	fputs(".TP\n", to);
	if (def->short_name)
		fprintf(to, "\\fB\\-%c\\fR, ", def->short_name);
	fprintf(to, "\\fB\\-\\-%s", option_is_on(def) ? "[no\\-]" : "");
	man_text(to, def->name);
	fputs("\\fR", to);
	if (value[0]) {
		fputs(" \\fI", to);
		man_text(to, value);
		fputs("\\fR", to);
	}
	fputc('\n', to);
	man_text(to, def->help ? def->help : "");
	fputc('.', to);
	man_option_values(to, p, def);
	fputc('\n', to);
}

static void
man_options(FILE *to, const struct program *p, const struct command *c)
{
	for (size_t i = 0; i < c->option_count; i++)
		man_option(to, p, &c->options[i]);
}

/* The path of a command as running text. */
static void
man_path(FILE *to, const struct program *p, const struct command *c)
{
	struct buf path;

	buf_init(&path, MAN_MAX_TEXT);
	if (command_path(p->root, c, &path) && buf_append_u8(&path, 0))
		man_text(to, (const char *)path.data);
	buf_free(&path);
}

/* Whether the commands of both have the same names and options. */
static bool
man_commands_are_same(const struct command *a, const struct command *b)
{
	size_t i = 0;

	if (a->command_count != b->command_count)
		return false;
	while (i < a->command_count && a->commands[i].options == b->commands[i].options &&
	    strcmp(a->commands[i].name, b->commands[i].name) == 0)
		i++;
	return i > 0 && i == a->command_count;
}

/* A command above in the same table that has the same commands, or NULL. */
static const struct command *
man_twin(const struct command *parent, const struct command *c)
{
	for (const struct command *other = parent->commands; other < c; other++)
		if (!other->hidden && man_commands_are_same(other, c))
			return other;
	return NULL;
}

static void
man_command(FILE *to, const struct program *p, const struct command *c)
{
	fputs(".SS ", to);
	man_path(to, p, c);
	fputs(c->args ? " " : "", to);
	man_text(to, c->args ? c->args : "");
	fputc('\n', to);
	man_text(to, c->summary ? c->summary : "");
	if (c->aliases) {
		fputs("\n.br\nOther names: ", to);
		man_list(to, c->aliases);
		fputc('.', to);
	}
	fputc('\n', to);
	man_paragraph(to, c->help);
	man_example(to, c->examples);
	man_options(to, p, c);
}

/* Every command below one, with its flags. */
static void
man_commands(FILE *to, const struct program *p, const struct command *parent)
{
	for (size_t i = 0; i < parent->command_count; i++) {
		const struct command *c = &parent->commands[i], *twin = man_twin(parent, c);

		if (c->hidden)
			continue;
		man_command(to, p, c);
		if (twin) {
			fputs(".PP\nIts commands are those of \\fB", to);
			man_path(to, p, twin);
			fputs("\\fR.\n", to);
		} else {
			man_commands(to, p, c);
		}
	}
}

static void
man_synopsis(FILE *to, const struct program *p)
{
	const struct command *root = p->root;

	fprintf(to, ".SH SYNOPSIS\n");
	if (root->run) {
		fprintf(to, ".B %s\n[FLAGS]", root->name);
		fputs(root->args ? " " : "", to);
		man_text(to, root->args ? root->args : "");
		fputc('\n', to);
	}
	if (root->run && root->command_count)
		fputs(".br\n", to);
	if (root->command_count)
		fprintf(to, ".B %s\n[FLAGS] COMMAND\n", root->name);
}

static void
man_files(FILE *to, const struct program *p)
{
	const char *folder = p->config_folder ? p->config_folder : OPTIONS_DEFAULT_FOLDER;

	if (p->no_config)
		return;
	fputs(".SH FILES\n", to);
	fprintf(to, ".TP\n.I %s/%s.toml\n.TQ\n.I %s/%s.yaml\n", folder, p->root->name, folder,
	    p->root->name);
	fputs("Settings, under the names of the flags. The first that exists is read, unless "
	      "\\fB\\-\\-config\\fR names another. A flag goes before the environment, the "
	      "environment before the file.\n",
	    to);
	if (p->fallback)
		fprintf(to,
		    ".TP\n.I %s/%s.toml\nWithout a file of its own the program takes the address of the "
		    "server, its port and TLS from this one, or the .yaml, if it may read it.\n",
		    folder, p->fallback->program);
}

static void
man_exit_codes(FILE *to)
{
	static const char *const codes[][2] = {{"0", "success"}, {"1", "error"},
	    {"2", "wrong usage or configuration"}, {"3", "not found"}, {"4", "permission denied"},
	    {"5", "server unreachable"}, {"10", "verification failed"}, {"130", "interrupted"}};

	fputs(".SH EXIT STATUS\n", to);
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
		fprintf(to, ".TP\n%s\n%s\n", codes[i][0], codes[i][1]);
}

static int
man_section(const struct program *p)
{
	return p->man_section ? p->man_section : 1;
}

/* The title line. */
static void
man_title(FILE *to, const struct program *p, const char *suffix, int section)
{
	const char *name = p->root->name;

	fputs(".TH ", to);
	man_upper(to, name);
	man_upper(to, suffix);
	fprintf(to, " %d \"\" \"%s %s\"\n", section, name, p->version ? p->version : "");
	/* Names are searched for and copied: none is hyphenated, no line is stretched. */
	fputs(".nh\n.ad l\n", to);
}

void
options_print_man(const struct program *program, FILE *to)
{
	const struct command *root = program->root;

	man_title(to, program, "", man_section(program));
	fprintf(to, ".SH NAME\n%s \\- ", root->name);
	man_text(to, root->summary ? root->summary : "");
	fputc('\n', to);
	man_synopsis(to, program);
	fputs(".SH DESCRIPTION\n", to);
	man_text(to, root->help ? root->help : root->summary ? root->summary : "");
	fputc('\n', to);
	if (root->command_count) {
		fputs(".SH COMMANDS\n", to);
		man_commands(to, program, root);
	}
	fputs(".SH OPTIONS\n", to);
	man_options(to, program, root);
	for (unsigned i = 0; i < OPTION_BUILTIN_COUNT; i++)
		if (option_builtin_applies(program, (enum option_builtin)i))
			man_option(to, program, &option_builtins[i]);
	if (root->examples) {
		fputs(".SH EXAMPLES\n", to);
		man_example(to, root->examples);
	}
	man_files(to, program);
	man_exit_codes(to);
	if (!program->no_config)
		fprintf(to, ".SH SEE ALSO\n.BR %s.toml (%d)\n", root->name, MAN_FILE_SECTION);
}

/* What stands to the right of a key. */
static const char *
file_man_value(const struct option_def *def)
{
	static const char *const kinds[] = {[OPTION_BOOL] = "true|false",
	    [OPTION_INT] = "NUMBER",
	    [OPTION_SIZE] = "NUMBER|\"SIZE\"",
	    [OPTION_DURATION] = "\"DURATION\"",
	    [OPTION_STRING] = "\"TEXT\"",
	    [OPTION_PATH] = "\"PATH\"",
	    [OPTION_ENUM] = "\"WORD\"",
	    [OPTION_SECRET] = "\"SECRET\"",
	    [OPTION_SECRET_FILE] = "\"FILE\"",
	    [OPTION_LIST] = "[\"TEXT\", ...]"};

	return kinds[def->type];
}

static void
file_man_setting(FILE *to, const struct program *p, const struct option_def *def)
{
	const char *names = def->aliases;

	if (def->flags & (OPTION_HIDDEN | OPTION_FLAG_ONLY))
		return;
	fputs(".TP\n\\fB", to);
	man_text(to, def->name);
	fputs("\\fR = \\fI", to);
	man_text(to, file_man_value(def));
	fputs("\\fR\n", to);
	man_text(to, def->help ? def->help : "");
	fputc('.', to);
	man_option_values(to, p, def);
	if (names) {
		fputs(" Other names: ", to);
		man_list(to, names);
		fputc('.', to);
	}
	fputc('\n', to);
}

/* The first command with an option of that name, of c and those below it. */
static const struct command *
file_man_find(const struct command *c, const char *name)
{
	const struct command *found = NULL;

	for (size_t i = 0; i < c->option_count; i++)
		if (strcmp(c->options[i].name, name) == 0)
			return c;
	for (size_t i = 0; i < c->command_count && !found; i++)
		found = file_man_find(&c->commands[i], name);
	return found;
}

/* Every setting once, also of commands; those of the program first. */
static void
file_man_settings(FILE *to, const struct program *p, const struct command *c)
{
	for (size_t i = 0; i < c->option_count; i++)
		if (file_man_find(p->root, c->options[i].name) == c)
			file_man_setting(to, p, &c->options[i]);
	for (size_t i = 0; i < c->command_count; i++)
		file_man_settings(to, p, &c->commands[i]);
}

static void
file_man_description(FILE *to, const struct program *p)
{
	const char *folder = p->config_folder ? p->config_folder : OPTIONS_DEFAULT_FOLDER;
	const char *name = p->root->name;

	fprintf(to,
	    "The file says how\n.BR %s (%d)\nruns. It is %s/%s.toml, or else %s/%s.yaml with the same "
	    "keys, or the one that\n.B \\-\\-config\nnames.\n",
	    name, man_section(p), folder, name, folder, name);
	fputs(
	    "Keys are the names of the flags. A flag goes before the environment, the environment "
	    "before the file, the file before the default; an empty value is no value.\n"
	    ".PP\nA key that does not exist and a value that cannot be are errors, named by file, "
	    "line and key. All of them are said, and nothing is started, by\n.PP\n.nf\n",
	    to);
	fprintf(to,
	    "%s \\-\\-check\\-config\n.fi\n.PP\nWhat is in force, and why, is said by\n.PP\n.nf\n",
	    name);
	fprintf(to, "%s \\-\\-print\\-config\n.fi\n.PP\n", name);
	fputs(
	    "Durations are written as 30s, 5m or 1h, sizes in bytes or as 64KiB, 32MiB, 1GiB. A secret "
	    "may be encoded: enc: and base64.\n",
	    to);
	if (p->fallback)
		fprintf(to,
		    ".PP\nWithout a file of its own the program takes the address of the server, its "
		    "port and TLS from\n.I %s/%s.toml\n(or .yaml), if it may read that.\n",
		    folder, p->fallback->program);
}

void
options_print_file_man(const struct program *program, FILE *to)
{
	const struct command *root = program->root;

	man_title(to, program, ".toml", MAN_FILE_SECTION);
	fprintf(to, ".SH NAME\n%s.toml, %s.yaml \\- settings of %s\n", root->name, root->name,
	    root->name);
	fputs(".SH DESCRIPTION\n", to);
	file_man_description(to, program);
	fputs(".SH SETTINGS\n", to);
	file_man_settings(to, program, root);
	fprintf(to, ".SH SEE ALSO\n.BR %s (%d)\n", root->name, man_section(program));
}
