/*
 * "immuadmin service": the services of this machine. The work belongs to the daemons, each of which
 * installs itself: this runs "PROGRAM service VERB", of the program beside this one, else of the
 * PATH.
 */
#include <stdio.h>
#include <unistd.h>

#include "admin_commands.h"
#include "cli/audit_command.h"
#include "cli/session.h"

/* Which program a verb is for: the command whose sub-command was named. */
static const char *
service_program(const struct command_call *call)
{
	const struct command *root = call->program->root;

	for (size_t i = 0; i < root->command_count; i++) {
		const struct command *service = &root->commands[i];

		for (size_t k = 0; k < service->command_count; k++)
			for (size_t n = 0; n < service->commands[k].command_count; n++)
				if (&service->commands[k].commands[n] == call->command)
					return service->commands[k].name;
	}
	return call->command->name;
}

/* Becomes the daemon's command; comes back only when that cannot be run. */
static enum im_err
service(struct session *s)
{
	const struct command *verb = s->call->command;
	struct audit_command c;
	enum im_err err = audit_command_program(&c, &s->memory, service_program(s->call));

	if (!err)
		err = audit_command_add_word(&c, "service");
	if (!err)
		err = audit_command_add_word(&c, verb->name);
	for (size_t i = 0; i < verb->option_count && !err; i++)
		err = audit_command_add_setting(&c, s->options, &verb->options[i]);
	if (err)
		return err;
	(void)execv(c.argv[0], (char *const *)c.argv);
	return err_set_errno(IM_ERR_IO, "cannot run", c.argv[0]);
}

int
command_service(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, service);
}
