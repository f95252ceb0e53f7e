/*
 * The command line of an auditor. Neighbours: cli/audit_options.h (the table that both programs
 * have), immuclient's audit-mode (which executes it).
 *
 * Invariants: no secret is ever part of an argument; what the auditor is told means the same there
 * as here, because names and types are the same table's.
 */
#include "cli/audit_command.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/base64.h"

#define AUDITOR_NAME "auditor"
#define DAEMON_FOLDERS "/usr/local/sbin:/usr/sbin"
#define SECRET_FILE_SUFFIX "-file"
/* An encoded password of the greatest length, its mark and a newline. */
#define SECRET_LINE_MAX 8192u
#define ARGUMENT_MAX 65536u

static enum im_err
command_nomem(void)
{
	return err_set(IM_ERR_NOMEM, "out of memory");
}

static enum im_err
command_push(struct audit_command *c, const char *argument)
{
	if (!argument)
		return command_nomem();
	if (c->argc == AUDIT_COMMAND_ARGS_MAX)
		return err_set(IM_ERR_LIMIT, "too many settings for one auditor");
	c->argv[c->argc++] = argument;
	c->argv[c->argc] = NULL;
	return IM_OK;
}

enum im_err
audit_command_add(struct audit_command *c, const char *name, const char *value)
{
	struct buf text;
	const char *copy = NULL;

	buf_init(&text, ARGUMENT_MAX);
	if (buf_printf(&text, "--%s=%s", name, value))
		copy = arena_str(c->memory, buf_bytes(&text));
	buf_free(&text);
	return command_push(c, copy);
}

/* ---- where the auditor is ---- */

static const char *
command_in_folder(struct audit_command *c, struct bytes folder, const char *program)
{
	char path[PATH_MAX];
	struct stat st;
	int n = snprintf(path, sizeof path, "%.*s%s%s", (int)folder.len, (const char *)folder.data,
	    folder.len ? "/" : "", program);

	/* In a source tree there is a folder of that name. */
	if (n < 0 || (size_t)n >= sizeof path || stat(path, &st) != 0 || !S_ISREG(st.st_mode) ||
	    access(path, X_OK) != 0)
		return NULL;
	return arena_str(c->memory, bytes_str(path));
}

/* Beside the program that runs, whatever name it was started by. */
static const char *
command_beside_us(struct audit_command *c, const char *program)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path);
	const char *slash;

	if (n <= 0 || (size_t)n >= sizeof path)
		return NULL;
	slash = (const char *)memrchr(path, '/', (size_t)n);
	return slash ? command_in_folder(c, bytes_of(path, (size_t)(slash - path)), program) : NULL;
}

static const char *
command_on_path(struct audit_command *c, const char *at, const char *program)
{
	const char *found = NULL;
	size_t n;

	for (; at && *at && !found; at += n + (at[n] == ':')) {
		n = strcspn(at, ":");
		/* An empty part would mean the working folder, and whatever somebody put there. */
		if (n)
			found = command_in_folder(c, bytes_of(at, n), program);
	}
	return found;
}

enum im_err
audit_command_program(struct audit_command *c, struct arena *memory, const char *program)
{
	const char *path;

	*c = (struct audit_command){.memory = memory};
	path = command_beside_us(c, program);
	if (!path)
		path = command_on_path(c, getenv("PATH"), program);
	/* Users' own paths do not always have them. */
	if (!path)
		path = command_on_path(c, DAEMON_FOLDERS, program);
	if (!path)
		return err_set(IM_ERR_NOT_FOUND,
		    "the program %s is neither beside %s nor on the PATH", program,
		    program_invocation_short_name);
	return command_push(c, path);
}

enum im_err
audit_command_add_word(struct audit_command *c, const char *word)
{
	return command_push(c, word);
}

/* ---- settings ---- */

/* Hands a secret over as a line: encoded, so that it stays what it is whatever is in it. */
static enum im_err
command_add_secret(struct audit_command *c, const struct options *o, const char *name)
{
	const char *secret = options_string(o, name), *copy = NULL;
	char option[64], path[32];
	struct buf line;

	if (!secret[0])
		return IM_OK;
	if (c->secrets_len == AUDIT_COMMAND_SECRETS_MAX)
		return err_set(IM_ERR_LIMIT, "too many secrets for one auditor");
	buf_init(&line, SECRET_LINE_MAX);
	buf_reserve(&line, SECRET_LINE_MAX);
	buf_append_str(&line, "enc:");
	base64_append(&line, BASE64_STD, bytes_str(secret));
	if (buf_append_u8(&line, '\n'))
		copy = arena_str(c->memory, buf_bytes(&line));
	buf_wipe(&line);
	if (!copy)
		return command_nomem();
	snprintf(option, sizeof option, "%s" SECRET_FILE_SUFFIX, name);
	snprintf(path, sizeof path, "/dev/fd/%d", AUDIT_COMMAND_FIRST_FD + (int)c->secrets_len);
	c->secrets[c->secrets_len++] = bytes_str(copy);
	return audit_command_add(c, option, path);
}

static enum im_err
command_add_list(struct audit_command *c, const struct options *o, const char *name)
{
	size_t n;
	const char *const *items = options_list(o, name, &n);
	enum im_err err = IM_OK;

	for (size_t i = 0; i < n && !err; i++)
		err = audit_command_add(c, name, items[i]);
	return err;
}

/* The word of an enum's value. */
static enum im_err
command_add_word(struct audit_command *c, const struct options *o, const struct option_def *def)
{
	size_t index = options_enum(o, def->name);
	const char *at = def->choices;
	char word[32];

	for (; index; index--)
		at += strcspn(at, ",") + 1;
	snprintf(word, sizeof word, "%.*s", (int)strcspn(at, ","), at);
	return audit_command_add(c, def->name, word);
}

static enum im_err
command_add_number(struct audit_command *c, const struct options *o, const struct option_def *def)
{
	char text[32];

	if (def->type == OPTION_BOOL)
		snprintf(text, sizeof text, "%s", options_bool(o, def->name) ? "true" : "false");
	else if (def->type == OPTION_SIZE)
		snprintf(text, sizeof text, "%llu", (unsigned long long)options_size(o, def->name));
	else if (def->type == OPTION_DURATION)
		snprintf(text, sizeof text, "%lldms", (long long)options_duration_ms(o, def->name));
	else
		snprintf(text, sizeof text, "%lld", (long long)options_int(o, def->name));
	return audit_command_add(c, def->name, text);
}

enum im_err
audit_command_add_setting(
    struct audit_command *c, const struct options *o, const struct option_def *def)
{
	if (def->type == OPTION_SECRET)
		return command_add_secret(c, o, def->name);
	/* The file's content is the secret by now. */
	if (def->type == OPTION_SECRET_FILE || !options_is_set(o, def->name))
		return IM_OK;
	switch (def->type) {
	case OPTION_LIST:
		return command_add_list(c, o, def->name);
	case OPTION_ENUM:
		return command_add_word(c, o, def);
	case OPTION_STRING:
	case OPTION_PATH:
		return audit_command_add(c, def->name, options_string(o, def->name));
	default:
		return command_add_number(c, o, def);
	}
}

enum im_err
audit_command_init(struct audit_command *c, struct arena *memory, const char *profile)
{
	enum im_err err = audit_command_program(c, memory, AUDITOR_NAME);

	return err ? err : audit_command_add(c, "profile", profile);
}
