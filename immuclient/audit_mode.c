/*
 * "immuclient audit-mode": becomes the auditor, in the foreground or the background, and looks
 * after the one in the background or the service. Neighbours: cli/audit_command.h (what the auditor
 * is told), util/daemon.h (pid files), util/service.h (whether there is a service).
 *
 * Invariants: which auditor is meant is said by the lock on a pid file, so that stop and status
 * never take another process for it; no secret is in the environment that the auditor gets.
 */
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/audit_command.h"
#include "cli/session.h"
#include "commands.h"
#include "util/clock.h"
#include "util/daemon.h"
#include "util/duration.h"
#include "util/file.h"
#include "util/service.h"
#include "util/service_command.h"
#include "util/spawn.h"

#define STOP_TIMEOUT_MS 60000u
#define PATH_MAX_BYTES 8192
#define HELP_COLUMNS 80
#define OLD_INTERVAL_NAME "audit-agent-interval"
#define OWN_PREFIX "IMMUCLIENT_"
#define INTERVAL_NAME OWN_PREFIX "AUDIT_INTERVAL"
#define NAME_MAX_BYTES 256
#define AUDITOR_PROGRAM "auditor"
#define AUDITOR_SERVICE "immudb-auditor"
#define AUDITOR_SETTINGS "/etc/immudb/auditor.toml"

/* Settings of every command that are the auditor's too; the others are those of this command. */
static const char *const shared_names[] = {"immudb-address", "immudb-port", "immudb-socket", "tls",
    "mtls", "servername", "certificate", "pkey", "clientcas", "timeout", "max-recv-msg-size",
    "server-signing-pub-key"};

/* ---- where things are ---- */

/* NAME in the auditor's folder, in the memory of the command; NULL without memory or a home. */
static const char *
audit_file(struct session *s, const char *name)
{
	const char *dir = options_string(s->options, "dir");
	const char *state = options_string(s->options, "state-dir"), *copy = NULL;
	struct buf base, folder, path;
	enum im_err err = IM_OK;

	buf_init(&base, PATH_MAX_BYTES);
	buf_init(&folder, PATH_MAX_BYTES);
	buf_init(&path, PATH_MAX_BYTES);
	if (!*dir && !*state) {
		err = file_state_folder(&base);
		state = err ? "" : (const char *)base.data;
	}
	if (!err)
		err = *dir ? file_join(&folder, dir, "") : file_join(&folder, state, "auditor");
	if (!err)
		err = file_join(&path, (const char *)folder.data, name);
	if (!err)
		copy = arena_str(&s->memory, buf_bytes(&path));
	buf_free(&path);
	buf_free(&folder);
	buf_free(&base);
	return copy;
}

/* A setting, or a file in the auditor's folder in its place. */
static enum im_err
audit_path(struct session *s, const char *option, const char *name, const char **out)
{
	const char *given = options_string(s->options, option);

	*out = *given ? given : audit_file(s, name);
	return *out ? IM_OK
		    : err_set(IM_ERR_CONFIG, "no folder for the auditor: set --dir, or $HOME");
}

static enum im_err
audit_pidfile(struct session *s, const char **out)
{
	return audit_path(s, "pidfile", "auditor.pid", out);
}

/* ---- what the auditor is told ---- */

/* Says so when the interval is that of the variable that earlier versions had. */
static void
audit_note_interval(struct session *s)
{
	const char *old = getenv(OLD_INTERVAL_NAME), *present = getenv(INTERVAL_NAME);
	char text[DURATION_TEXT_SIZE];

	if (!old || !*old || (present && *present) ||
	    options_origin(s->options, "audit-interval") != OPTION_FROM_ENV)
		return;
	duration_format(options_duration_ms(s->options, "audit-interval") * CLOCK_NS_PER_MS, text);
	output_note(s->out,
	    "the interval of %s is that of the variable " OLD_INTERVAL_NAME
	    "; --audit-interval and " INTERVAL_NAME " are its present names",
	    text);
}

static bool
audit_is_shared(const char *name)
{
	for (size_t i = 0; i < sizeof shared_names / sizeof *shared_names; i++)
		if (strcmp(shared_names[i], name) == 0)
			return true;
	return false;
}

static enum im_err
audit_add_settings(struct session *s, struct audit_command *c)
{
	const struct command *root = s->call->program->root, *own = s->call->command;
	enum im_err err = IM_OK;

	for (size_t i = 0; i < root->option_count && !err; i++)
		if (audit_is_shared(root->options[i].name))
			err = audit_command_add_setting(c, s->options, &root->options[i]);
	for (size_t i = 0; i < own->option_count && !err; i++)
		if (!service_has_option(own->options[i].name))
			err = audit_command_add_setting(c, s->options, &own->options[i]);
	return err;
}

/* The auditor with its settings; in the folder below --state-dir, unless --dir names another. */
static enum im_err
audit_prepare(struct session *s, struct audit_command *out)
{
	const char *dir;
	enum im_err err;

	if (s->link->is_shell)
		return err_set(IM_ERR_USAGE, "audit-mode: not in the shell");
	audit_note_interval(s);
	err = audit_command_init(out, &s->memory, "immuclient");
	if (!err)
		err = audit_add_settings(s, out);
	if (err || *options_string(s->options, "dir") || !*options_string(s->options, "state-dir"))
		return err;
	dir = audit_file(s, "");
	return dir ? audit_command_add(out, "dir", dir) : err_set(IM_ERR_NOMEM, "out of memory");
}

/* Our own variables have been read, and some are secrets. */
static void
audit_drop_own_variables(void)
{
	char name[NAME_MAX_BYTES];
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

/* Puts each secret where the command says that it is. */
static enum im_err
audit_place_secrets(const struct audit_command *c)
{
	enum im_err err = IM_OK;
	int fd;

	for (size_t i = 0; i < c->secrets_len && !err; i++) {
		err = spawn_content_fd(c->secrets[i], &fd);
		if (!err && dup2(fd, AUDIT_COMMAND_FIRST_FD + (int)i) < 0)
			err = err_set_errno(IM_ERR_IO, "descriptor for", c->argv[0]);
		if (fd >= 0)
			close(fd);
	}
	return err;
}

/*
 * Becomes the auditor; comes back only when that fails. One that goes to the background gets no
 * other descriptors than the standard ones and its secrets, so that it holds nothing of whoever
 * started it.
 */
static enum im_err
audit_exec(struct session *s, const struct audit_command *c, bool background)
{
	enum im_err err = output_flush(s->out);

	if (background)
		/* Kernels that do not know this leave more open, which is no harm by itself. */
		(void)close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	if (!err)
		err = audit_place_secrets(c);
	if (err)
		return err;
	audit_drop_own_variables();
	/* The prototype of execv() predates const; it changes nothing. */
	(void)execv(c->argv[0], (char *const *)c->argv);
	return err_set_errno(IM_ERR_IO, "run", c->argv[0]);
}

/* ---- the service ---- */

/* Becomes the auditor's own command, "auditor SETTINGS service VERB". */
static enum im_err
audit_service(struct session *s, bool with_settings)
{
	const struct command *own = s->call->command;
	struct audit_command c;
	enum im_err err = with_settings ? audit_command_init(&c, &s->memory, "immuclient")
					: audit_command_program(&c, &s->memory, AUDITOR_PROGRAM);

	if (!err && with_settings)
		err = audit_add_settings(s, &c);
	if (!err)
		err = audit_command_add_word(&c, "service");
	if (!err)
		err = audit_command_add_word(&c, s->call->args[0]);
	for (size_t i = 0; i < own->option_count && !err; i++)
		if (service_has_option(own->options[i].name))
			err = audit_command_add_setting(&c, s->options, &own->options[i]);
	return err ? err : audit_exec(s, &c, false);
}

static enum im_err
audit_install(struct session *s)
{
	if (!options_is_set(s->options, "audit-username"))
		output_note(s->out,
		    "no --audit-username: where the server asks for login, set audit-username and "
		    "audit-password in " AUDITOR_SETTINGS " and restart the service");
	return audit_service(s, true);
}

static enum im_err
audit_uninstall(struct session *s)
{
	return audit_service(s, false);
}

/*
 * Whether the service is meant: there is one, and nothing was said that only another auditor can
 * have. Its settings are in a file, and cannot be given here.
 */
static enum im_err
audit_means_service(struct session *s, bool *out)
{
	const struct command *own = s->call->command;
	const char *root = options_string(s->options, "root");
	struct service_status status;
	enum im_err err;

	*out = false;
	if (*options_string(s->options, "dir") || *options_string(s->options, "pidfile") ||
	    *options_string(s->options, "state-dir"))
		return IM_OK;
	err = service_status(AUDITOR_SERVICE, *root ? root : NULL, &status);
	*out = !err && (*root || status.state != SERVICE_ABSENT);
	for (size_t i = 0; i < own->option_count && *out; i++)
		if (!service_has_option(own->options[i].name) &&
		    options_origin(s->options, own->options[i].name) == OPTION_FROM_FLAG)
			return err_set(IM_ERR_USAGE,
			    "the auditor is a service here, and its settings are in " AUDITOR_SETTINGS
			    "; with --dir another auditor is meant");
	return err;
}

/* A verb by the service, or else by what runs in the background for itself. */
static enum im_err
audit_choose(struct session *s, session_work *otherwise)
{
	bool is_service;
	enum im_err err = audit_means_service(s, &is_service);

	if (err)
		return err;
	return is_service ? audit_service(s, false) : otherwise(s);
}

/* ---- verbs ---- */

static enum im_err
audit_foreground(struct session *s)
{
	struct audit_command command;
	enum im_err err = audit_prepare(s, &command);

	return err ? err : audit_exec(s, &command, false);
}

/* In the background a pid file and a log file are needed, so there always are. */
static enum im_err
audit_start_with(struct session *s, const char *pidfile, const char *logfile)
{
	struct audit_command command;
	enum im_err err = audit_prepare(s, &command);

	if (!err)
		err = audit_command_add(&command, "detached", "true");
	if (!err)
		err = audit_command_add(&command, "pidfile", pidfile);
	if (!err)
		err = audit_command_add(&command, "logfile", logfile);
	return err ? err : audit_exec(s, &command, true);
}

static enum im_err
audit_start(struct session *s)
{
	const char *pidfile, *logfile;
	pid_t pid;
	enum im_err err = audit_pidfile(s, &pidfile);

	if (!err)
		err = audit_path(s, "logfile", "auditor.log", &logfile);
	if (err)
		return err;
	err = daemon_pidfile_holder(pidfile, &pid);
	if (!err)
		return err_set(IM_ERR_LOCKED, "the auditor runs already, with PID %ld (%s)",
		    (long)pid, pidfile);
	return err == IM_ERR_NOT_FOUND ? audit_start_with(s, pidfile, logfile) : err;
}

static enum im_err
audit_stop(struct session *s)
{
	const char *pidfile;
	pid_t pid;
	enum im_err err = audit_pidfile(s, &pidfile);

	if (!err)
		err = daemon_pidfile_stop(pidfile, STOP_TIMEOUT_MS, &pid);
	if (!err)
		output_message(s->out, "the auditor with PID %ld has been stopped", (long)pid);
	return err;
}

static enum im_err
audit_restart(struct session *s)
{
	enum im_err err = s->link->is_shell ? err_set(IM_ERR_USAGE, "audit-mode: not in the shell")
					    : audit_stop(s);

	return err && err != IM_ERR_NOT_FOUND ? err : audit_start(s);
}

static enum im_err
audit_status(struct session *s)
{
	const char *pidfile;
	pid_t pid;
	enum im_err err = audit_pidfile(s, &pidfile);

	if (!err)
		err = daemon_pidfile_holder(pidfile, &pid);
	if (!err)
		output_message(
		    s->out, "the auditor is running with PID %ld (%s)", (long)pid, pidfile);
	return err;
}

static enum im_err
audit_start_either(struct session *s)
{
	return audit_choose(s, audit_start);
}

static enum im_err
audit_stop_either(struct session *s)
{
	return audit_choose(s, audit_stop);
}

static enum im_err
audit_restart_either(struct session *s)
{
	return audit_choose(s, audit_restart);
}

static enum im_err
audit_status_either(struct session *s)
{
	return audit_choose(s, audit_status);
}

static const struct {
	const char *verb;
	session_work *work;
} audit_verbs[] = {
    {"start", audit_start_either},
    {"install", audit_install},
    {"uninstall", audit_uninstall},
    {"restart", audit_restart_either},
    {"stop", audit_stop_either},
    {"status", audit_status_either},
};

static int
audit_bad_verb(const char *verb)
{
	fprintf(stderr,
	    "ERROR: %.64s is not matching with any valid arguments.\nValid arguments are:", verb);
	for (size_t i = 0; i < sizeof audit_verbs / sizeof *audit_verbs; i++)
		fprintf(stderr, " %s,", audit_verbs[i].verb);
	fprintf(stderr, " help\n");
	return IM_EXIT_USAGE;
}

int
command_audit_mode(struct command_call *call)
{
	const char *verb = call->arg_count ? call->args[0] : NULL;

	if (!verb)
		return session_run(call, SESSION_OFFLINE, audit_foreground);
	for (size_t i = 0; i < sizeof audit_verbs / sizeof *audit_verbs; i++)
		if (strcmp(verb, audit_verbs[i].verb) == 0)
			return session_run(call, SESSION_OFFLINE, audit_verbs[i].work);
	if (strcmp(verb, "help") != 0)
		return audit_bad_verb(verb);
	options_print_help(call->program, call->command, HELP_COLUMNS, stdout);
	return IM_EXIT_OK;
}
