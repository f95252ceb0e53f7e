/*
 * The words of a program's command line as a table, from which the completions of shells are made.
 * Neighbours: options_help and options_man (the same tables for people), packaging/completions (the
 * shells).
 *
 * Invariants: nothing hidden is shown; a field has neither tab nor line end, so that a row is a
 * line.
 */
#include "util/options_internal.h"

#define WORDS_MAX_PATH 256u

static void
words_field(FILE *to, const char *text)
{
	fputc('\t', to);
	for (; text && *text; text++)
		fputc(*text == '\t' || *text == '\n' ? ' ' : *text, to);
}

/*
 * What follows an option: "flag" is nothing, "file" a file, "text" anything, else one of the words.
 */
static const char *
words_kind(const struct option_def *def)
{
	if (def->type == OPTION_BOOL)
		return "flag";
	if (def->choices)
		return def->choices;
	if (def->type == OPTION_PATH || def->type == OPTION_SECRET_FILE ||
	    strcmp(option_value_name(def), "FILE") == 0)
		return "file";
	return "text";
}

static void
words_option(FILE *to, const char *path, const struct option_def *def)
{
	char names[2][OPTIONS_MAX_NAME + 3] = {"", ""};

	if (def->flags & OPTION_HIDDEN)
		return;
	snprintf(names[0], sizeof names[0], "--%s", def->name);
	if (def->short_name)
		snprintf(names[1], sizeof names[1], "-%c", def->short_name);
	for (size_t i = 0; i < 2 && names[i][0]; i++) {
		fputs("option", to);
		words_field(to, path);
		words_field(to, names[i]);
		words_field(to, words_kind(def));
		words_field(to, def->help);
		fputc('\n', to);
	}
}

static void
words_command(FILE *to, const char *path, const struct command *c)
{
	fputs("command", to);
	words_field(to, path);
	words_field(to, c->name);
	words_field(to, c->name);
	words_field(to, c->summary);
	fputc('\n', to);
	for (const char *p = c->aliases; p && *p; p += *p == ',') {
		int n = (int)strcspn(p, ",");

		fprintf(to, "alias\t%s\t%.*s\t%s\t\n", path, n, p, c->name);
		p += n;
	}
}

/* A command's options, its sub-commands and, below them, theirs. */
static void
words_below(FILE *to, const char *path, const struct command *c)
{
	char below[WORDS_MAX_PATH];

	for (size_t i = 0; i < c->option_count; i++)
		words_option(to, path, &c->options[i]);
	for (size_t i = 0; i < c->command_count; i++) {
		const struct command *sub = &c->commands[i];

		if (sub->hidden)
			continue;
		words_command(to, path, sub);
		snprintf(below, sizeof below, "%s%s/", path, sub->name);
		words_below(to, below, sub);
	}
}

void
options_print_words(const struct program *program, FILE *to)
{
	for (unsigned i = 0; i < OPTION_BUILTIN_COUNT; i++)
		if (option_builtin_applies(program, (enum option_builtin)i))
			words_option(to, "/", &option_builtins[i]);
	words_below(to, "/", program->root);
}
