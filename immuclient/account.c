/* Commands about who we are: login, logout, use. */
#include <string.h>

#include "cli/session.h"
#include "commands.h"

/*
 * First contact happens here, where somebody looks. A state that cannot be trusted does not undo
 * the login: commands that verify will refuse, others go on.
 */
static void
trust_or_warn(struct session *s)
{
	enum im_err err = session_trust(s);

	if (err)
		output_warn(s->out, "%s", err_detail(err));
}

static enum im_err
login(struct session *s)
{
	const char *user =
	    s->call->arg_count > 0 ? s->call->args[0] : options_string(s->options, "username");
	const char *warning;
	enum im_err err;

	if (!*user)
		return err_set(IM_ERR_USAGE, "please specify a username");
	err = session_login(s, user, &warning);
	if (err)
		return err;
	output_message(s->out, "Successfully logged in");
	if (*warning)
		output_warn(s->out, "%s", warning);
	trust_or_warn(s);
	return IM_OK;
}

int
command_login(struct command_call *call)
{
	return session_run(call, SESSION_CONNECTED, login);
}

static bool
is_logged_out(enum im_err err)
{
	return err == IM_ERR_NOT_LOGGED_IN || err == IM_ERR_TOKEN_EXPIRED ||
	    err == IM_ERR_SESSION_NOT_FOUND;
}

static enum im_err
logout(struct session *s)
{
	enum im_err err = immu_logout(s->c);
	enum im_err forget_err = IM_OK;

	s->may_login_again = false;
	if (!err || is_logged_out(err))
		forget_err = session_forget(s);
	if (is_logged_out(err))
		return err_set(err, "User not logged in");
	if (err || forget_err)
		return err ? err : forget_err;
	output_message(s->out, "Successfully logged out");
	return IM_OK;
}

int
command_logout(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, logout);
}

static enum im_err
use(struct session *s)
{
	const char *database = s->call->args[0];
	enum im_err err = immu_use(s->c, database);

	if (!err)
		err = session_store(s);
	if (err)
		return err;
	s->is_own_session = s->link->owns_session = false;
	output_message(s->out, "Now using %s", database);
	trust_or_warn(s);
	return IM_OK;
}

int
command_use(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, use);
}
