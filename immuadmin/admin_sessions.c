/* Commands about sessions: who is logged in, and ending a session. */
#include "admin_commands.h"
#include "cli/session.h"
#include "client/immu_admin.h"

static bool
list_session(void *arg, const struct immu_session_info *session)
{
	struct output *o = (struct output *)arg;

	output_record_begin(o, NULL);
	output_string(o, "session", session->id);
	output_string(o, "user", session->user);
	output_string(o, "database", session->database);
	output_string(o, "address", session->address);
	output_time(o, "opened", session->opened_at);
	output_time(o, "active", session->active_at);
	output_bool(o, "own", session->is_own);
	output_record_end(o);
	return !output_is_broken(o);
}

static enum im_err
session_list(struct session *s)
{
	enum im_err err;

	output_list_begin(s->out, NULL, OUTPUT_TABLE, "session(s)");
	err = immu_each_session(s->c, list_session, s->out);
	output_list_end(s->out);
	return err;
}

int
command_session_list(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, session_list);
}

static enum im_err
session_kill(struct session *s)
{
	enum im_err err = immu_end_session(s->c, s->call->args[0]);

	if (!err)
		output_message(s->out, "session %s ended", s->call->args[0]);
	return err;
}

int
command_session_kill(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, session_kill);
}
