#ifndef AUDIT_LAUNCH_H
#define AUDIT_LAUNCH_H

#include "util/arena.h"
#include "util/options.h"

/*
 * Becoming the auditor: a program of its own that lies beside immuclient, or else on the PATH. It gets every
 * setting of audit-mode that is not a default, whatever its source, as a flag of the same name; secrets go
 * through pipes and appear neither in its arguments nor in its environment.
 */
#define AUDIT_LAUNCH_ARGS_MAX 1024
#define AUDIT_LAUNCH_SECRETS_MAX 4

struct audit_launch {
	const struct command_call *call;
	struct arena *memory;                        /* of all texts */
	const char *argv[AUDIT_LAUNCH_ARGS_MAX + 1]; /* NULL-terminated */
	size_t argc;
	int secrets[AUDIT_LAUNCH_SECRETS_MAX]; /* pipes that the auditor will read */
	size_t secrets_len;
};

/* The auditor and its arguments. IM_ERR_NOT_FOUND without an auditor, IM_ERR_LIMIT, IM_ERR_NOMEM, IM_ERR_IO. */
enum im_err
audit_launch_init(const struct command_call *call, struct arena *memory, struct audit_launch *out);

/* One argument more, "--name=value". IM_ERR_LIMIT, IM_ERR_NOMEM. */
enum im_err audit_launch_add(struct audit_launch *l, const char *name, const char *value);

/*
 * Replaces this process; comes back only when that fails: IM_ERR_IO. An auditor that goes to the background
 * gets no other descriptors than the standard ones and its secrets, so that it holds nothing of whoever
 * started it.
 */
enum im_err audit_launch_exec(struct audit_launch *l, bool background);

/* Closes what was opened for an auditor that was not executed. */
void audit_launch_free(struct audit_launch *l);

#endif
