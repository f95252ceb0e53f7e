/*
 * "immuadmin verify": the check of a data folder. The work belongs to the program that knows the files:
 * this runs "immudb verify", of the immudb beside this program, else of the PATH.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin_commands.h"
#include "cli/session.h"

#define DAEMON_NAME "immudb"

/* The path of the daemon beside this program; empty when there is none. */
static void
find_daemon(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof DAEMON_NAME);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash)
		memcpy(slash + 1, DAEMON_NAME, sizeof DAEMON_NAME);
	if (!slash || access(path, X_OK) != 0)
		path[0] = '\0';
}

/* Becomes the daemon's check; comes back only when that cannot be run. */
static enum im_err
verify(struct session *s)
{
	const char *form = output_format(s->out) == OUTPUT_JSON ? "json" : "text";
	char path[PATH_MAX];
	const char *const args[] = {
	    DAEMON_NAME, "verify", "--output", form, "--", s->call->args[0], NULL};

	find_daemon(path);
	execvp(path[0] ? path : DAEMON_NAME, (char *const *)args);
	return err_set_errno(IM_ERR_IO, "cannot run", path[0] ? path : DAEMON_NAME);
}

int
command_verify(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, verify);
}
