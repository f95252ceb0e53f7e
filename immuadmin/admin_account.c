/* Commands about who we are and whether the server is there: login, logout, status; and version. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin_commands.h"
#include "cli/session.h"
#include "client/immu_admin.h"
#include "new_password.h"
#include "util/prompt.h"

/* ---- login ---- */

/* What the server was made with, told when this user meets it for the first time. */
static const char first_login[] =
    "===============\n"
    "This looks like the very first admin login attempt, hence the following credentials have been "
    "generated:\n"
    "---\n"
    "username: immudb\n"
    "password: immudb\n"
    "---\n"
    "IMPORTANT: This is the only time they are shown, so make sure you remember them.\n"
    "NOTE: You have not been automatically logged in. You can change your password at any time with "
    "one of your liking using the command 'immuadmin user change-password immudb'\n"
    "===============\n";

static bool
is_terminal(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* Ends the old session, which the change does anyway, and begins one with the new password. */
static enum im_err
change_own(struct session *s, const char *user, const char *old)
{
	struct immu_new_password change = {.user = user, .old_password = old};
	struct buf fresh;
	enum im_err err;

	buf_init(&fresh, PROMPT_MAX_BYTES + 1);
	err = new_password_get(s, "new-password", user, &fresh);
	change.password = err ? "" : (const char *)fresh.data;
	if (!err)
		err = immu_change_password(s->c, &change);
	if (!err)
		err = session_login_with(s, user, change.password, NULL);
	buf_wipe(&fresh);
	if (!err)
		output_message(s->out, "%s's password has been changed", user);
	return err;
}

/* On a terminal the default password does not survive the first login; a script is warned. */
static enum im_err
deal_with_default(struct session *s, const char *user, const char *password, const char *warning)
{
	bool has_new = *options_string(s->options, "new-password");

	if (!*warning)
		return IM_OK;
	output_warn(s->out, "SECURITY WARNING: %s", warning);
	return has_new || is_terminal() ? change_own(s, user, password) : IM_OK;
}

static enum im_err
login_as(struct session *s, const char *user, const char *password)
{
	const char *warning;
	enum im_err err = session_login_with(s, user, password, &warning);

	if (err)
		return err;
	output_message(s->out, "logged in");
	return deal_with_default(s, user, password, warning);
}

static enum im_err
login(struct session *s)
{
	const char *user = s->call->args[0];
	struct buf password;
	enum im_err err;

	if (strcmp(user, "immudb") == 0 && is_terminal() && immu_first_contact(s->c)) {
		fputs(first_login, stderr);
		fflush(stderr);
	}
	err = session_login_by_certificate(s, user, NULL);
	if (err != IM_ERR_UNIMPLEMENTED) {
		if (!err)
			output_message(s->out, "logged in");
		return err;
	}
	buf_init(&password, PROMPT_MAX_BYTES + 1);
	err = session_password(s, &password);
	if (!err)
		err = login_as(s, user, (const char *)password.data);
	buf_wipe(&password);
	return err;
}

int
command_login(struct command_call *call)
{
	return session_run(call, SESSION_CONNECTED, login);
}

/* ---- logout and status ---- */

static enum im_err
logout(struct session *s)
{
	enum im_err err = immu_logout(s->c), forget_err;

	s->may_login_again = false;
	/* A session that the server does not know any more is over as well. */
	if (err && err != IM_ERR_NOT_LOGGED_IN && err != IM_ERR_TOKEN_EXPIRED &&
	    err != IM_ERR_SESSION_NOT_FOUND)
		return err;
	forget_err = session_forget(s);
	if (err || forget_err)
		return err ? err_set(err, "User not logged in") : forget_err;
	output_message(s->out, "logged out");
	return IM_OK;
}

int
command_logout(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, logout);
}

static enum im_err
status(struct session *s)
{
	struct immu_result *r;
	enum im_err err = immu_health(s->c, &r);

	if (err)
		return err;
	if (r->info.healthy)
		output_message(s->out, "OK - server is reachable and responding to queries");
	else
		err = err_set(IM_ERR_BUSY, "the server is not in service");
	immu_result_free(r);
	return err;
}

int
command_status(struct command_call *call)
{
	return session_run(call, SESSION_CONNECTED, status);
}

/* What older versions changed over the wire is the server's own configuration here. */
static enum im_err
serverconfig(struct session *s)
{
	(void)s;
	return err_set(IM_ERR_UNIMPLEMENTED,
	    "the server's settings are in its configuration file (auth, mtls, ...): change them there "
	    "and restart it");
}

int
command_serverconfig(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, serverconfig);
}
