/* "immuclient trust": the states that this user trusts, without asking any server. */
#include <stdio.h>

#include "cli/cli_trust.h"
#include "cli/session.h"
#include "commands.h"

static enum im_err
trust_list(struct session *s)
{
	return cli_trust_list(s->out, options_string(s->options, "state-dir"));
}

int
command_trust_list(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, trust_list);
}

/* DATABASE of --server: an identity, or an address; by default the address of the options. */
static enum im_err
name_of(struct session *s, struct immu_trust_name *name)
{
	const char *server = options_string(s->options, "server");
	struct buf address;
	enum im_err err = IM_OK;

	*name = (struct immu_trust_name){.folder = options_string(s->options, "state-dir"),
	    .server_id = server,
	    .database = s->call->arg_count > 0 ? s->call->args[0] : NULL};
	if (*server)
		return IM_OK;
	buf_init(&address, FILENAME_MAX);
	err = cli_trust_address(s->options, &address);
	if (!err) {
		name->server_id = arena_str(&s->memory, bytes_str((const char *)address.data));
		err = name->server_id ? IM_OK : IM_ERR_NOMEM;
	}
	buf_free(&address);
	return err;
}

static enum im_err
trust_show(struct session *s)
{
	struct immu_trust_name name;
	enum im_err err = name_of(s, &name);

	return err ? err : cli_trust_show(s->out, &name);
}

int
command_trust_show(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, trust_show);
}

static enum im_err
trust_export(struct session *s)
{
	struct immu_trust_name name;
	enum im_err err = name_of(s, &name);

	return err ? err : cli_trust_export(&name);
}

int
command_trust_export(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, trust_export);
}

static enum im_err
trust_import(struct session *s)
{
	struct cli_trust_import import = {.folder = options_string(s->options, "state-dir"),
	    .path = s->call->args[0],
	    .replace = (enum immu_trust_replace)options_enum(s->options, "replace")};

	return cli_trust_import(s->out, &import);
}

int
command_trust_import(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, trust_import);
}

static enum im_err
trust_forget(struct session *s)
{
	struct immu_trust_name name;
	enum im_err err = name_of(s, &name);

	return err ? err : cli_trust_forget(s->out, &name);
}

int
command_trust_forget(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, trust_forget);
}
