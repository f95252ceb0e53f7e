/*
 * "immuadmin verify": the check of a data folder. The work belongs to the program that knows the
 * files: this runs "immudb verify", of the immudb beside this program, else of the PATH.
 */
#include <unistd.h>

#include "admin_commands.h"
#include "cli/session.h"
#include "immudb_program.h"

/* Becomes the daemon's check; comes back only when that cannot be run. */
static enum im_err
verify(struct session *s)
{
	const char *form = output_format(s->out) == OUTPUT_JSON ? "json" : "text";
	char path[PATH_MAX];
	const char *const args[] = {
	    "immudb", "verify", "--output", form, "--", s->call->args[0], NULL};
	enum im_err err = immudb_program_find(path);

	if (err != IM_OK)
		return err;
	execv(path, (char *const *)args);
	return err_set_errno(IM_ERR_IO, "cannot run", path);
}

int
command_verify(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, verify);
}
