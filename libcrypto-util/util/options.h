#ifndef UTIL_OPTIONS_H
#define UTIL_OPTIONS_H

#include <stdio.h>

#include "util/bytes.h"

/*
 * Options: one table per command drives command line, environment, configuration files, --help,
 * --print-config and the man page.
 *
 * Precedence: flag, environment, file, default. An empty value in the environment or a file means
 * not set. Files are told apart by extension (.toml, .yaml, .yml); --config FILE (or PREFIX_CONFIG)
 * names one that must exist, else /etc/immudb/PROGRAM.toml, then .yaml, is read when there, and
 * without one the file of the program's fallback if we may read it. Keys are the option names. An
 * unknown key or a bad value is an error with file, line and key; unknown PREFIX_* variables only
 * warn, and so does an address such as tcp://10.0.0.1:3322 where an integer belongs (Kubernetes
 * sets such variables): it counts as not set.
 *
 * Secrets: wiped from argv once read, never shown, kept in memory that is wiped. "enc:" in front
 * means standard base64. An OPTION_SECRET_FILE option names a file whose first line is the value of
 * the secret named in its target.
 *
 * The tables are static data of the program. A struct options belongs to one thread while it is
 * loaded and is read-only afterwards.
 */
enum option_type {
	OPTION_BOOL,
	OPTION_INT,
	OPTION_SIZE,     /* bytes: "32MiB" */
	OPTION_DURATION, /* "5m"; a number alone is seconds */
	OPTION_STRING,
	OPTION_PATH,
	OPTION_ENUM,
	OPTION_SECRET,
	OPTION_SECRET_FILE,
	OPTION_LIST /* strings; commas separate, a repeated flag adds, files may use an array */
};

enum option_origin {
	OPTION_FROM_DEFAULT,
	OPTION_FROM_FILE,
	OPTION_FROM_ENV,
	OPTION_FROM_EARLIER, /* options_load_line() only: what counted when the program started */
	OPTION_FROM_FLAG
};

/* option_def.flags */
#define OPTION_HIDDEN 1u    /* not in --help, --print-config or the man page */
#define OPTION_FLAG_ONLY 2u /* neither environment nor file */

struct option_def {
	const char
	    *name;       /* without dashes; also the file key, and PREFIX_NAME in the environment */
	char short_name; /* 0: none */
	enum option_type type;
	unsigned flags;
	const char *default_text; /* as one would type it; NULL: not set (false, 0, "") */
	const char *help;         /* one sentence or more, without a full stop at the end */
	const char *value_name;   /* shown as --name VALUE_NAME; NULL: by type */
	const char *group;        /* heading in --help; NULL: "Options" */
	const char *aliases;      /* further names for flag and file, "a,b" */
	const char *env;          /* further environment names, complete, "A,B" */
	const char *choices;      /* enum: "text,json" */
	const char *target;       /* secret file: name of the secret */
	int64_t min, max;         /* int, size in bytes, duration in ms; both 0: any */
};

struct options;
struct command_call;

/*
 * A command, or, at the root, the program itself. A command has sub-commands, or a handler, or both
 * (the handler then runs when no sub-command is named). All strings are static.
 */
struct command {
	const char *name;
	const char *aliases;  /* "l,ls" */
	const char *args;     /* for the usage line: "KEY VALUE", "[USER]" */
	const char *summary;  /* one line */
	const char *help;     /* further paragraphs, or NULL */
	const char *examples; /* whole lines, "command # comment", or NULL */
	const char *group;    /* heading in the list of commands, or NULL */
	unsigned min_args;
	unsigned max_args; /* COMMAND_ANY_ARGS: no limit */
	bool hidden;
	/* Neither environment nor configuration file counts, unless --config names one. */
	bool flags_only;
	const struct option_def *options;
	size_t option_count;
	const struct command *commands;
	size_t command_count;
	/* Does the work and returns the process's exit code. */
	int (*run)(struct command_call *call);
};

#define COMMAND_ANY_ARGS 0xffffffffu

/* What a handler gets. Everything is valid while the handler runs. */
struct command_call {
	const struct program *program;
	const struct command *command;
	const struct options *options;
	const char *const *args; /* positional, without command words; NULL-terminated */
	size_t arg_count;
	void *context; /* as given to program_main() */
};

/* What is wrong with values that are each right by themselves; see options_check(). */
struct options_check;

/*
 * The file of another program that serves one without a file of its own: what of it is taken, under
 * which name. Whether its other keys are right is for that program to say.
 */
struct options_fallback {
	const char *program;                     /* whose file */
	const struct options_fallback_key *keys; /* taken, if there is an option of that name */
	size_t key_count;
};

struct options_fallback_key {
	const char *key, *option;
	/*
	 * A value that means something else here, in pairs of what stands there and what it means;
	 * NULL-ended.
	 */
	const char *const *meanings;
};

/* A program: its root command and what only a whole program has. */
struct program {
	const struct command *root;
	/*
	 * Says by options_check_add() which values cannot be or do not go together. NULL: all do.
	 */
	void (*check)(const struct options *o, struct options_check *to);
	const char *env_prefix;                  /* "IMMUDB_" */
	const char *version;                     /* "1.2.3": for --version and the man page */
	const char *config_folder;               /* NULL: "/etc/immudb" */
	int man_section;                         /* 0: 1 */
	const struct options_fallback *fallback; /* NULL: none */
	bool no_config; /* reads no configuration file and has no --config */
};

/* What the command line asks for. */
enum options_action {
	OPTIONS_RUN,
	OPTIONS_HELP,           /* --help, -h, "help" */
	OPTIONS_VERSION,        /* --version */
	OPTIONS_PRINT_CONFIG,   /* --print-config */
	OPTIONS_CHECK_CONFIG,   /* --check-config */
	OPTIONS_PRINT_MAN,      /* --print-man (hidden) */
	OPTIONS_PRINT_FILE_MAN, /* --print-file-man (hidden) */
	OPTIONS_PRINT_WORDS     /* --print-words (hidden) */
};

/*
 * Reads everything: argv, env (as environ, or NULL for an empty one), files, defaults, secret
 * files. IM_ERR_USAGE for the command line, IM_ERR_CONFIG for environment and files, with a detail
 * fit to be shown, which never holds a secret. *out is set also on failure (not on IM_ERR_NOMEM)
 * so that a caller can see which command was meant; free it with options_free(). Help and version
 * are not checked further: they work with a broken configuration.
 */
enum im_err options_load(
    const struct program *program, int argc, char **argv, char *const *env, struct options **out);

/*
 * Reads one more command line of the same program, as an interactive shell has them: what argv does
 * not set is as in earlier, which must outlive *out. Environment and files are not read again.
 * Errors and *out as options_load().
 */
enum im_err
options_load_line(const struct options *earlier, int argc, char **argv, struct options **out);

/*
 * Reads the configuration file and the secret files again; what command line and environment said
 * stays, as does a secret whose file they named if that is none that can be read again (a pipe).
 * earlier must outlive *out. Errors and *out as options_load().
 */
enum im_err options_reload(const struct options *earlier, struct options **out);

/*
 * Calls tell for each option of the named command whose value differs, with both values as
 * --print-config shows them, secrets as "***".
 */
void options_each_change(const struct options *before, const struct options *after,
    void (*tell)(void *arg, const char *name, const char *was, const char *is), void *arg);

/*
 * Whether the values go together, by the program's check. IM_ERR_CONFIG with the first fault as
 * detail. programs of util/daemon_main.h are checked before they start.
 */
enum im_err options_check(const struct options *o);

/*
 * For a program's check: one more fault, about the option of that name; the text begins with where
 * its value comes from: "FILE:3: port: ".
 */
void options_check_add(struct options_check *to, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Wipes and releases. NULL is accepted. */
void options_free(struct options *o);

enum options_action options_action(const struct options *o);

/* The command that was named, the root when none was. Never NULL. */
const struct command *options_command(const struct options *o);

/* Positional arguments in order, NULL-terminated. */
const char *const *options_args(const struct options *o, size_t *count);

/* What was odd but not wrong, one text each, without a line end. */
const char *const *options_warnings(const struct options *o, size_t *count);

/* The configuration file that was read, or NULL. */
const char *options_config_file(const struct options *o);

/*
 * Values by option name. The option must be in a table of the named command or one above it, and of
 * the type asked for: anything else is a bug and asserted. Text is never NULL, "" when not set.
 */
bool options_bool(const struct options *o, const char *name);
int64_t options_int(const struct options *o, const char *name);
uint64_t options_size(const struct options *o, const char *name);
int64_t options_duration_ms(const struct options *o, const char *name);
const char *
options_string(const struct options *o, const char *name);      /* string, path, secret, enum */
size_t options_enum(const struct options *o, const char *name); /* index in choices */
const char *const *options_list(const struct options *o, const char *name, size_t *count);

/* Whether the named command, or one above it, has the option. */
bool options_has(const struct options *o, const char *name);

/* Whether a value came from anywhere but the default. */
bool options_is_set(const struct options *o, const char *name);
enum option_origin options_origin(const struct options *o, const char *name);

/*
 * --check-config: every fault of environment and files that loading found and of options_check(),
 * each with its source, FILE:LINE: KEY for a file. False when there is one; say is called for each.
 */
bool
options_check_all(const struct options *o, void (*say)(void *arg, const char *fault), void *arg);

/*
 * --print-config: a TOML line for each option with its origin as comment; secrets as "***". In
 * columns for people: names, values and origins stand below one another.
 */
void options_print_config(const struct options *o, bool in_columns, FILE *to);

/*
 * A configuration file for the whole program (TOML) with its settings as they are in o: every
 * option of the root command with its help as a comment; a line for what is set, a comment for what
 * is not. Secrets are in it. Options that files do not take, and those of the list (names,
 * NULL-terminated), are left out.
 */
enum im_err
options_write_file(const struct options *o, const char *const *left_out, struct buf *out);

/*
 * --help of a command: examples, usage, description, commands, flags with default and environment
 * name, wrapped to width columns.
 */
void options_print_help(
    const struct program *program, const struct command *command, unsigned width, FILE *to);

/* The man page of the whole program in troff (man macros). */
void options_print_man(const struct program *program, FILE *to);

/* The man page of its configuration file, PROGRAM.toml(5). */
void options_print_file_man(const struct program *program, FILE *to);

/*
 * The words of the whole program's command line, for completion by shells: a line each, fields
 * ended by tabs. PATH is "/" for the program, "/user/list/" for a command.
 *
 *	option	PATH	--name or -n	flag, file, text, or the words that may follow: "a,b"	help
 *	command	PATH of what it is below	name	name	summary
 *	alias	PATH of what it is below	alias	name	(empty)
 */
void options_print_words(const struct program *program, FILE *to);

/*
 * A program's main(): sets LC_CTYPE, loads the options, prints warnings and errors on stderr, does
 * what --help, --version and --print-config ask for, checks the number of arguments, and runs the
 * command. Returns the exit code.
 */
int program_main(const struct program *program, int argc, char **argv, void *context);

/*
 * The command "version" of a program that prints text only: name, version, commit, time of
 * building.
 */
int program_version(struct command_call *call);

/*
 * Runs one more command line inside a command of a running program: by options_load_line(), then as
 * program_main() does, but with no warnings. Returns the exit code of the line.
 */
int program_line(const struct options *earlier, int argc, char **argv, void *context);

#endif
