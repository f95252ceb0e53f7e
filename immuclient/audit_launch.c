/*
 * Becoming the auditor. Neighbours: audit_mode (when, and with what beside the settings), the table of
 * cli/audit_options.h (which both programs have).
 *
 * Invariants: no secret is ever part of an argument or of the environment that the auditor gets; what it is
 * told means the same there as here, because the names and types are the same table's.
 */
#include "audit_launch.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/base64.h"
#include "util/file.h"
#include "util/spawn.h"

#define AUDITOR_NAME "auditor"
#define SECRET_FILE_SUFFIX "-file"
#define OWN_PREFIX "IMMUCLIENT_"
/* An encoded password of the greatest length, its mark and a newline. */
#define SECRET_LINE_MAX 8192u
#define ARGUMENT_MAX 65536u

/* Settings of every command that are the auditor's too. */
static const char *const shared_names[] = {"immudb-address", "immudb-port", "immudb-socket",
    "timeout", "max-recv-msg-size", "server-signing-pub-key"};

static enum im_err
launch_nomem(void)
{
	return err_set(IM_ERR_NOMEM, "out of memory");
}

static enum im_err
launch_push(struct audit_launch *l, const char *argument)
{
	if (!argument)
		return launch_nomem();
	if (l->argc == AUDIT_LAUNCH_ARGS_MAX)
		return err_set(IM_ERR_LIMIT, "too many settings for one auditor");
	l->argv[l->argc++] = argument;
	l->argv[l->argc] = NULL;
	return IM_OK;
}

enum im_err
audit_launch_add(struct audit_launch *l, const char *name, const char *value)
{
	struct buf text;
	const char *copy = NULL;

	buf_init(&text, ARGUMENT_MAX);
	if (buf_printf(&text, "--%s=%s", name, value))
		copy = arena_str(l->memory, buf_bytes(&text));
	buf_free(&text);
	return launch_push(l, copy);
}

/* ---- where the auditor is ---- */

static const char *
launch_in_folder(struct audit_launch *l, struct bytes folder)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof path, "%.*s%s" AUDITOR_NAME, (int)folder.len,
	    (const char *)folder.data, folder.len ? "/" : "");

	if (n < 0 || (size_t)n >= sizeof path || access(path, X_OK) != 0)
		return NULL;
	return arena_str(l->memory, bytes_str(path));
}

/* Beside the program that runs, whatever name it was started by. */
static const char *
launch_beside_us(struct audit_launch *l)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path);
	const char *slash;

	if (n <= 0 || (size_t)n >= sizeof path)
		return NULL;
	slash = (const char *)memrchr(path, '/', (size_t)n);
	return slash ? launch_in_folder(l, bytes_of(path, (size_t)(slash - path))) : NULL;
}

static const char *
launch_on_path(struct audit_launch *l)
{
	const char *at = getenv("PATH"), *found = NULL;
	size_t n;

	for (; at && *at && !found; at += n + (at[n] == ':')) {
		n = strcspn(at, ":");
		/* An empty part would mean the working folder, and whatever somebody put there. */
		if (n)
			found = launch_in_folder(l, bytes_of(at, n));
	}
	return found;
}

static enum im_err
launch_find(struct audit_launch *l)
{
	const char *path = launch_beside_us(l);

	if (!path)
		path = launch_on_path(l);
	if (!path)
		return err_set(IM_ERR_NOT_FOUND,
		    "the program " AUDITOR_NAME " is neither beside immuclient nor on the PATH");
	return launch_push(l, path);
}

/* ---- settings ---- */

/* The line that the auditor reads: encoded, so that it stays what it is whatever is in it. */
static enum im_err
launch_secret_fd(const char *secret, int *fd)
{
	struct buf line;
	enum im_err err;

	buf_init(&line, SECRET_LINE_MAX);
	buf_reserve(&line, SECRET_LINE_MAX);
	buf_append_str(&line, "enc:");
	base64_append(&line, BASE64_STD, bytes_str(secret));
	buf_append_u8(&line, '\n');
	err = line.err ? err_set(line.err, "a password is too long")
		       : spawn_content_fd(buf_bytes(&line), fd);
	buf_wipe(&line);
	return err;
}

/* Hands a secret over by a pipe, as "--NAME-file=/dev/fd/N". */
static enum im_err
launch_add_secret(struct audit_launch *l, const char *name)
{
	const char *secret = options_string(l->call->options, name);
	char option[64], path[32];
	int fd;
	enum im_err err;

	if (!secret[0])
		return IM_OK;
	if (l->secrets_len == AUDIT_LAUNCH_SECRETS_MAX)
		return err_set(IM_ERR_LIMIT, "too many secrets for one auditor");
	err = launch_secret_fd(secret, &fd);
	if (err)
		return err;
	l->secrets[l->secrets_len++] = fd;
	snprintf(option, sizeof option, "%s" SECRET_FILE_SUFFIX, name);
	snprintf(path, sizeof path, "/dev/fd/%d", fd);
	return audit_launch_add(l, option, path);
}

static enum im_err
launch_add_list(struct audit_launch *l, const char *name)
{
	size_t n;
	const char *const *items = options_list(l->call->options, name, &n);
	enum im_err err = IM_OK;

	for (size_t i = 0; i < n && !err; i++)
		err = audit_launch_add(l, name, items[i]);
	return err;
}

/* The word of an enum's value. */
static enum im_err
launch_add_word(struct audit_launch *l, const struct option_def *def)
{
	size_t index = options_enum(l->call->options, def->name);
	const char *at = def->choices;
	char word[32];

	for (; index; index--)
		at += strcspn(at, ",") + 1;
	snprintf(word, sizeof word, "%.*s", (int)strcspn(at, ","), at);
	return audit_launch_add(l, def->name, word);
}

static enum im_err
launch_add_number(struct audit_launch *l, const struct option_def *def)
{
	const struct options *o = l->call->options;
	char text[32];

	if (def->type == OPTION_BOOL)
		snprintf(text, sizeof text, "%s", options_bool(o, def->name) ? "true" : "false");
	else if (def->type == OPTION_SIZE)
		snprintf(text, sizeof text, "%llu", (unsigned long long)options_size(o, def->name));
	else if (def->type == OPTION_DURATION)
		snprintf(text, sizeof text, "%lldms", (long long)options_duration_ms(o, def->name));
	else
		snprintf(text, sizeof text, "%lld", (long long)options_int(o, def->name));
	return audit_launch_add(l, def->name, text);
}

static enum im_err
launch_add_setting(struct audit_launch *l, const struct option_def *def)
{
	const struct options *o = l->call->options;

	if (def->type == OPTION_SECRET)
		return launch_add_secret(l, def->name);
	/* The file's content is the secret by now. */
	if (def->type == OPTION_SECRET_FILE || !options_is_set(o, def->name))
		return IM_OK;
	switch (def->type) {
	case OPTION_LIST:
		return launch_add_list(l, def->name);
	case OPTION_ENUM:
		return launch_add_word(l, def);
	case OPTION_STRING:
	case OPTION_PATH:
		return audit_launch_add(l, def->name, options_string(o, def->name));
	default:
		return launch_add_number(l, def);
	}
}

static bool
launch_is_shared(const char *name)
{
	for (size_t i = 0; i < sizeof shared_names / sizeof *shared_names; i++)
		if (strcmp(shared_names[i], name) == 0)
			return true;
	return false;
}

static enum im_err
launch_add_settings(struct audit_launch *l)
{
	const struct command *root = l->call->program->root, *own = l->call->command;
	enum im_err err = audit_launch_add(l, "profile", "immuclient");

	for (size_t i = 0; i < root->option_count && !err; i++)
		if (launch_is_shared(root->options[i].name))
			err = launch_add_setting(l, &root->options[i]);
	for (size_t i = 0; i < own->option_count && !err; i++)
		err = launch_add_setting(l, &own->options[i]);
	return err;
}

enum im_err
audit_launch_init(const struct command_call *call, struct arena *memory, struct audit_launch *out)
{
	enum im_err err;

	*out = (struct audit_launch){.call = call, .memory = memory};
	err = launch_find(out);
	if (!err)
		err = launch_add_settings(out);
	if (err)
		audit_launch_free(out);
	return err;
}

void
audit_launch_free(struct audit_launch *l)
{
	while (l->secrets_len > 0)
		close(l->secrets[--l->secrets_len]);
}

/* ---- exec ---- */

/* Our own variables have been read, and some are secrets. */
static void
launch_drop_own_variables(void)
{
	char name[256];
	size_t i = 0, n;

	while (environ[i]) {
		n = strcspn(environ[i], "=");
		if (strncmp(environ[i], OWN_PREFIX, strlen(OWN_PREFIX)) != 0 || n >= sizeof name) {
			i++;
			continue;
		}
		memcpy(name, environ[i], n);
		name[n] = '\0';
		/* Moves what follows into its place. */
		if (unsetenv(name) != 0)
			return;
	}
}

enum im_err
audit_launch_exec(struct audit_launch *l, bool background)
{
	if (background)
		/* Kernels that do not know this leave more open, which is no harm by itself. */
		(void)close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	for (size_t i = 0; i < l->secrets_len; i++)
		if (fcntl(l->secrets[i], F_SETFD, 0) != 0)
			return err_set_errno(IM_ERR_IO, "descriptor for", l->argv[0]);
	launch_drop_own_variables();
	/* The prototype of execv() predates const; it changes nothing. */
	(void)execv(l->argv[0], (char *const *)l->argv);
	return err_set_errno(IM_ERR_IO, "run", l->argv[0]);
}
