/*
 * The command line. Neighbours: options (values), text (likeness of words).
 *
 * Invariants: words are read once, from left to right; a flag belongs to a command only from the
 * command's word on; a secret's bytes in argv are wiped before its value is looked at; an error
 * names a flag, never what stood behind its =.
 */
#include <ctype.h>

#include "util/options_internal.h"
#include "util/text.h"

struct options_reader {
	struct options *o;
	int argc;
	char **argv;
	int at;           /* the word that is read next */
	bool flags_ended; /* after -- */
	bool help_asked;  /* after the word help: only command names follow */
};

/* What is most like an unknown word so far. */
struct options_guess {
	const char *word;
	const char *best;
	size_t distance;
};

/* Words with more differences than this are not worth naming. */
static size_t
guess_limit(const char *word)
{
	return strlen(word) / 4 + 1;
}

static void
guess_try(struct options_guess *g, const char *candidate)
{
	size_t len = strlen(g->word), d = text_distance(g->word, candidate);

	/* A beginning of the right word is as good as one letter off. */
	if (d > 1 && len >= 2 && strncmp(g->word, candidate, len) == 0)
		d = 1;
	if (d <= guess_limit(g->word) && (!g->best || d < g->distance)) {
		g->best = candidate;
		g->distance = d;
	}
}

const struct command *
command_find(const struct command *parent, const char *name)
{
	for (size_t i = 0; i < parent->command_count; i++)
		if (strcmp(parent->commands[i].name, name) == 0 ||
		    text_list_has(parent->commands[i].aliases, name))
			return &parent->commands[i];
	return NULL;
}

static enum im_err
args_unknown_command(const struct command *parent, const char *word)
{
	struct options_guess g = {.word = word};

	for (size_t i = 0; i < parent->command_count; i++)
		if (!parent->commands[i].hidden)
			guess_try(&g, parent->commands[i].name);
	if (g.best)
		return err_set(IM_ERR_USAGE, "unknown command \"%.64s\" for %s; did you mean %s?",
		    word, parent->name, g.best);
	return err_set(IM_ERR_USAGE, "unknown command \"%.64s\" for %s", word, parent->name);
}

static enum im_err
args_unknown_flag(const struct options *o, const char *dashes, const char *name)
{
	struct options_guess g = {.word = name};

	for (size_t i = 0; i < o->count; i++)
		if (o->values[i].active && !(o->values[i].def->flags & OPTION_HIDDEN))
			guess_try(&g, o->values[i].def->name);
	if (g.best)
		return err_set(
		    IM_ERR_USAGE, "unknown flag %s%.64s; did you mean --%s?", dashes, name, g.best);
	return err_set(IM_ERR_USAGE, "unknown flag %s%.64s", dashes, name);
}

static struct option_value *
args_find_long(const struct options *o, const char *name)
{
	for (size_t i = o->count; i-- > 0;)
		if (o->values[i].active && option_has_name(o->values[i].def, name))
			return &o->values[i];
	return NULL;
}

static struct option_value *
args_find_short(const struct options *o, char name)
{
	for (size_t i = o->count; i-- > 0;)
		if (o->values[i].active && o->values[i].def->short_name == name && name)
			return &o->values[i];
	return NULL;
}

/* Sets an option from the command line; value may be wiped in argv. */
static enum im_err
args_set(struct options_reader *r, struct option_value *v, const char *flag, char *value)
{
	bool secret = v->def->type == OPTION_SECRET;
	char *copy = arena_str(&r->o->arena, bytes_str(value));
	enum im_err err;

	if (!copy)
		return err_set(IM_ERR_NOMEM, "out of memory");
	if (secret)
		explicit_bzero(value, strlen(value));
	err = option_set(r->o, v, OPTION_FROM_FLAG, copy, options_text(r->o, "flag %s", flag));
	if (!err || err == IM_ERR_NOMEM)
		return err;
	if (secret)
		return err_set(IM_ERR_USAGE, "invalid value for %s: %s", flag, err_detail(err));
	return err_set(
	    IM_ERR_USAGE, "invalid value \"%.64s\" for %s: %s", copy, flag, err_detail(err));
}

static enum im_err
args_set_bool(struct options_reader *r, struct option_value *v, const char *flag, bool on)
{
	return option_set(
	    r->o, v, OPTION_FROM_FLAG, on ? "true" : "false", options_text(r->o, "flag %s", flag));
}

/* The word after a flag that needs a value. */
static enum im_err
args_set_next(struct options_reader *r, struct option_value *v, const char *flag)
{
	if (r->at >= r->argc)
		return err_set(IM_ERR_USAGE, "flag %s needs a value", flag);
	return args_set(r, v, flag, r->argv[r->at++]);
}

/* --name, --name=value, --name value, --no-name. */
static enum im_err
args_long(struct options_reader *r, char *word)
{
	char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	struct option_value *v;
	char flag[OPTIONS_MAX_NAME];

	if (len >= sizeof flag)
		return err_set(IM_ERR_USAGE, "unknown flag %.32s...", word);
	memcpy(flag, word, len);
	flag[len] = '\0';
	v = args_find_long(r->o, flag + 2);
	if (v && equals)
		return args_set(r, v, flag, equals + 1);
	if (v && v->def->type == OPTION_BOOL)
		return args_set_bool(r, v, flag, true);
	if (v)
		return args_set_next(r, v, flag);
	if (strncmp(flag + 2, "no-", 3) == 0) {
		v = args_find_long(r->o, flag + 5);
		if (v && v->def->type == OPTION_BOOL && !v->builtin)
			return equals ? err_set(IM_ERR_USAGE, "flag %s takes no value", flag)
				      : args_set_bool(r, v, flag, false);
	}
	return args_unknown_flag(r->o, "--", flag + 2);
}

/* Whether -word is a long name behind one dash: its value must not show up as that of a letter. */
static bool
args_is_long_name(const struct options *o, const char *letters)
{
	char name[OPTIONS_MAX_NAME];
	size_t len = strcspn(letters, "=");

	if (len < 2 || len >= sizeof name)
		return false;
	memcpy(name, letters, len);
	name[len] = '\0';
	return args_find_long(o, name) != NULL;
}

/* -x, -xvalue, -x=value, -x value, and several bools as -xyz. */
static enum im_err
args_short(struct options_reader *r, char *word)
{
	struct option_value *v;
	enum im_err err = IM_OK;
	char flag[3] = "-";

	if (args_is_long_name(r->o, word + 1))
		return err_set(IM_ERR_USAGE, "unknown flag %.*s; long flags begin with two dashes",
		    (int)strcspn(word, "="), word);
	for (char *p = word + 1; *p && !err; p++) {
		flag[1] = *p;
		v = args_find_short(r->o, *p);
		if (!v)
			return err_set(IM_ERR_USAGE, "unknown flag %s", flag);
		if (p[1] == '=')
			return args_set(r, v, flag, p + 2);
		if (v->def->type == OPTION_BOOL) {
			err = args_set_bool(r, v, flag, true);
			continue;
		}
		return p[1] ? args_set(r, v, flag, p + 1) : args_set_next(r, v, flag);
	}
	return err;
}

/* A word that is no flag: a command's name, as long as one can come, or an argument. */
static enum im_err
args_word(struct options_reader *r, const char *word)
{
	struct options *o = r->o;
	const struct command *here = options_command(o), *next = NULL;

	if (o->args.count == 0 && !r->flags_ended && here->command_count) {
		next = command_find(here, word);
		if (next) {
			options_enter(o, next);
			return IM_OK;
		}
		if (strcmp(word, "help") == 0) {
			r->help_asked = true;
			return IM_OK;
		}
		if (r->help_asked || !here->run || here->max_args == 0)
			return args_unknown_command(here, word);
	}
	/* "help get KEY", or "get help" where get has no commands: the rest does not matter. */
	if (r->help_asked)
		return IM_OK;
	return option_texts_add(o, &o->args, word);
}

/* Whether a word with a dash is an argument all the same: "-" and negative numbers. */
static bool
args_is_argument(const struct options *o, const char *word)
{
	if (word[1] == '\0')
		return true;
	if (args_find_short(o, word[1]))
		return false;
	return isdigit((unsigned char)word[1]) ||
	    (word[1] == '.' && isdigit((unsigned char)word[2]));
}

static enum im_err
args_next(struct options_reader *r)
{
	char *word = r->argv[r->at++];

	if (!r->flags_ended && strcmp(word, "--") == 0) {
		r->flags_ended = true;
		return IM_OK;
	}
	if (r->flags_ended || word[0] != '-' || args_is_argument(r->o, word))
		return args_word(r, word);
	return word[1] == '-' ? args_long(r, word) : args_short(r, word);
}

enum im_err
options_read_args(struct options *o, int argc, char **argv)
{
	static const enum options_action actions[] = {
	    [OPTION_BUILTIN_HELP] = OPTIONS_HELP,
	    [OPTION_BUILTIN_VERSION] = OPTIONS_VERSION,
	    [OPTION_BUILTIN_PRINT_CONFIG] = OPTIONS_PRINT_CONFIG,
	    [OPTION_BUILTIN_CHECK_CONFIG] = OPTIONS_CHECK_CONFIG,
	    [OPTION_BUILTIN_PRINT_MAN] = OPTIONS_PRINT_MAN,
	    [OPTION_BUILTIN_PRINT_FILE_MAN] = OPTIONS_PRINT_FILE_MAN,
	    [OPTION_BUILTIN_PRINT_WORDS] = OPTIONS_PRINT_WORDS,
	};
	struct options_reader r = {.o = o, .argc = argc, .argv = argv, .at = 1};
	enum im_err err = IM_OK;

	while (!err && r.at < argc)
		err = args_next(&r);
	if (err)
		return err;
	for (size_t i = OPTION_BUILTIN_CONFIG; i-- > 0;)
		if (o->values[i].integer)
			o->action = actions[i];
	if (r.help_asked)
		o->action = OPTIONS_HELP;
	return IM_OK;
}
