/* The command "version", the same for every program that has results as text and as JSON. */
#include "cli/cli_version.h"

#include "cli/session.h"
#include "util/version.h"

static void
version_text(struct output *o, const char *program)
{
	output_message(o, "%s %s", program, IMMUDB_VERSION);
	if (IMMUDB_COMMIT[0])
		output_message(o, "Commit  : %s", IMMUDB_COMMIT);
	output_message(o, "Built at: %s", IMMUDB_BUILT_AT);
}

static void
version_record(struct output *o, const char *program)
{
	output_record_begin(o, NULL);
	output_string(o, "program", program);
	output_string(o, "version", IMMUDB_VERSION);
	if (IMMUDB_COMMIT[0])
		output_string(o, "commit", IMMUDB_COMMIT);
	output_string(o, "built at", IMMUDB_BUILT_AT);
	output_record_end(o);
}

static enum im_err
version(struct session *s)
{
	const char *program = s->call->program->root->name;

	if (output_format(s->out) == OUTPUT_JSON)
		version_record(s->out, program);
	else
		version_text(s->out, program);
	return IM_OK;
}

int
cli_version(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, version);
}
