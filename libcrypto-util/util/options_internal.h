#ifndef UTIL_OPTIONS_INTERNAL_H
#define UTIL_OPTIONS_INTERNAL_H

#include "util/arena.h"
#include "util/options.h"

/*
 * Between options.c (values), options_args.c (command line), options_sources.c (environment and
 * files), options_check.c (faults), options_help.c, options_man.c, options_file.c and
 * options_words.c. Not for programs.
 */

#define OPTIONS_MAX_DEPTH 4
#define OPTIONS_MAX_MEMORY (64u * 1024 * 1024)
#define OPTIONS_MAX_NAME 128u
#define OPTIONS_MAX_SECRET 4096u
#define OPTIONS_DEFAULT_FOLDER "/etc/immudb"

struct option_value {
	const struct option_def *def;
	bool active;  /* of the named command or one above it */
	bool builtin; /* --help and its like */
	bool spent;   /* a secret's file that could be read only once; the secret has been read */
	enum option_origin origin;
	const char *where; /* "flag --port", "environment IMMUDB_PORT", "file PATH:LINE" */
	const char *text;  /* never NULL once loaded; a secret is decoded */
	int64_t integer;   /* bool, int, duration in ms, index of an enum */
	uint64_t size;
	const char **items; /* list */
	size_t item_count;
	size_t item_cap;
};

/* A growing list of texts; the array and the texts lie in the arena. */
struct option_texts {
	const char **data; /* NULL-terminated */
	size_t count;
	size_t cap;
};

struct options {
	const struct program *program;
	struct arena arena;                             /* owns every text and array */
	const struct command *chain[OPTIONS_MAX_DEPTH]; /* from the root to the named command */
	size_t depth;
	struct option_value *values; /* every option of every command; the built-in ones first */
	size_t count;
	enum options_action action;
	struct option_texts args;
	struct option_texts warnings;
	struct option_texts faults; /* with --check-config, which goes on after a fault */
	const char *config_file;
	bool is_fallback; /* config_file is another program's */
};

/* The built-in options, in a fixed order. */
enum option_builtin {
	OPTION_BUILTIN_HELP,
	OPTION_BUILTIN_VERSION,
	OPTION_BUILTIN_PRINT_CONFIG,
	OPTION_BUILTIN_CHECK_CONFIG,
	OPTION_BUILTIN_PRINT_MAN,
	OPTION_BUILTIN_PRINT_FILE_MAN,
	OPTION_BUILTIN_PRINT_WORDS,
	OPTION_BUILTIN_CONFIG,
	OPTION_BUILTIN_COUNT
};

extern const struct option_def option_builtins[OPTION_BUILTIN_COUNT];

/* Whether the program has this built-in option. */
bool option_builtin_applies(const struct program *program, enum option_builtin which);

/* Marks the options of a command as active and appends it to the chain. */
void options_enter(struct options *o, const struct command *command);

/* Appends a copy of text. */
enum im_err option_texts_add(struct options *o, struct option_texts *list, const char *text);

enum im_err
options_warn(struct options *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A formatted text in the arena; NULL without memory. */
const char *
options_text(struct options *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Takes a value from a source: checks it, and keeps it unless a higher source has spoken. A
 * repeated flag replaces, or adds to a list. On failure the detail says what is wrong with the
 * value, without the source and, for secrets, without the value.
 */
enum im_err option_set(struct options *o, struct option_value *v, enum option_origin origin,
    const char *text, const char *where);

/*
 * After a failed step of loading: with --check-config the detail is kept and loading goes on,
 * IM_OK; otherwise, and without memory, err.
 */
enum im_err options_fault(struct options *o, enum im_err err);

/* Gives each secret the content of its file. */
enum im_err options_read_secrets(struct options *o);

/* The option of that name that the named command or one above it has, or NULL. */
struct option_value *options_find_active(const struct options *o, const char *name);

/* A set of the program's options with their defaults; *out is NULL without memory. */
enum im_err options_new(const struct program *program, struct options **out);

/* Whether name is the option's name or one of its aliases. */
bool option_has_name(const struct option_def *def, const char *name);

/* "PREFIX_NAME" of an option; false when it is too long. */
bool option_env_name(
    const struct program *program, const struct option_def *def, char out[OPTIONS_MAX_NAME]);

/* A boolean that is on by itself: help says how it is switched off. */
bool option_is_on(const struct option_def *def);

/* What --help shows for the value: "NUMBER", "text|json"; "" for a bool. */
const char *option_value_name(const struct option_def *def);

/* Appends a value as TOML has it; a secret as "***". */
void option_value_append(const struct option_value *v, struct buf *b);

/* The sub-command with this name or alias, or NULL. */
const struct command *command_find(const struct command *parent, const char *name);

/* Parses argv into o: flags, named command, positional arguments, action. */
enum im_err options_read_args(struct options *o, int argc, char **argv);

/* Takes values from the environment; warns of what it does not know. */
enum im_err options_read_env(struct options *o, char *const *env);

/* Finds and reads the configuration file. */
enum im_err options_read_file(struct options *o);

/* Fills path with the words that lead to a command, "immuadmin user list"; false when not found. */
bool command_path(const struct command *root, const struct command *command, struct buf *path);

#endif
