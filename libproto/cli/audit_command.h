#ifndef CLI_AUDIT_COMMAND_H
#define CLI_AUDIT_COMMAND_H

#include "util/arena.h"
#include "util/options.h"

/*
 * The command line with which a program runs the auditor, or another daemon: one that lies beside
 * it, or else on the PATH or in a folder for daemons. Settings are handed over as flags of the same
 * names (cli/audit_options.h); a secret is content for a descriptor, to which
 * "--NAME-file=/dev/fd/N" points, so that neither arguments nor environment show it. Whoever
 * executes the command makes the descriptors: by spawn_content_fd() before exec, or as inputs of
 * util/supervise.h. Everything lies in the arena; wipe it when the command is not needed any more.
 */
#define AUDIT_COMMAND_ARGS_MAX 1024
#define AUDIT_COMMAND_SECRETS_MAX 4
#define AUDIT_COMMAND_FIRST_FD 60 /* secrets have this descriptor and the next ones */

struct audit_command {
	struct arena *memory;
	const char *argv[AUDIT_COMMAND_ARGS_MAX + 1]; /* argv[0] is the path; NULL-terminated */
	size_t argc;
	struct bytes secrets[AUDIT_COMMAND_SECRETS_MAX]; /* a line each */
	size_t secrets_len;
};

/*
 * The auditor's path and its profile ("immuclient", "immugw"). IM_ERR_NOT_FOUND without an auditor,
 * IM_ERR_NOMEM.
 */
enum im_err audit_command_init(struct audit_command *c, struct arena *memory, const char *profile);

/* The path of any program of ours. Errors as audit_command_init(). */
enum im_err
audit_command_program(struct audit_command *c, struct arena *memory, const char *program);

/* One word more, as it is. IM_ERR_LIMIT, IM_ERR_NOMEM. */
enum im_err audit_command_add_word(struct audit_command *c, const char *word);

/* One argument more, "--name=value". IM_ERR_LIMIT, IM_ERR_NOMEM. */
enum im_err audit_command_add(struct audit_command *c, const char *name, const char *value);

/*
 * A setting of ours, unless it is a default, whatever its source was. Of a secret the value counts,
 * wherever it came from; the option for its file adds nothing. IM_ERR_LIMIT, IM_ERR_NOMEM.
 */
enum im_err audit_command_add_setting(
    struct audit_command *c, const struct options *o, const struct option_def *def);

#endif
