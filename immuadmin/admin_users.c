/* Commands about users and their permissions. */
#include <stdio.h>
#include <string.h>

#include "admin_commands.h"
#include "cli/session.h"
#include "client/immu_admin.h"
#include "new_password.h"
#include "util/prompt.h"

/* ---- Levels by name ---- */

static const struct {
	const char *name;
	enum immu_level level;
} levels[] = {
    {"read", IMMU_LEVEL_READ},
    {"readwrite", IMMU_LEVEL_READ_WRITE},
    {"admin", IMMU_LEVEL_ADMIN},
    {"sysadmin", IMMU_LEVEL_SYSADMIN},
};

#define LEVELS (sizeof levels / sizeof *levels)

static const char *
level_name(enum immu_level level)
{
	for (size_t i = 0; i < LEVELS; i++)
		if (levels[i].level == level)
			return levels[i].name;
	return "none";
}

static enum im_err
level_of(const char *name, enum immu_level *out)
{
	for (size_t i = 0; i < LEVELS; i++) {
		if (strcmp(levels[i].name, name) != 0)
			continue;
		*out = levels[i].level;
		return IM_OK;
	}
	return err_set(IM_ERR_BAD_PERMISSION,
	    "Permission %s not recognized: allowed permissions are read, readwrite, admin, sysadmin",
	    name);
}

/*
 * Arguments LEVEL [DATABASE]. A sysadmin is one of all databases; without a name the default one.
 */
static enum im_err
grant_of(const struct session *s, size_t at, struct immu_grant *out)
{
	const struct command_call *call = s->call;
	enum im_err err = level_of(call->args[at], &out->level);

	out->database = call->arg_count > at + 1 ? call->args[at + 1] : "";
	if (out->level == IMMU_LEVEL_SYSADMIN && !*out->database)
		out->database = IMMU_ALL_DATABASES;
	return err;
}

/* ---- user ---- */

int
command_user(struct command_call *call)
{
	(void)call;
	fputs(
	    "Please specify a user action.\n"
	    "Usage: immuadmin user list|create|change-password|set-permission|deactivate [username] "
	    "[read|readwrite]\n"
	    "Help : immuadmin user -h\n",
	    stderr);
	return IM_EXIT_USAGE;
}

static void
list_grant(struct output *o, const struct immu_user *user, const struct immu_grant *grant)
{
	bool is_admin = grant && grant->level >= IMMU_LEVEL_ADMIN;

	output_record_begin(o, NULL);
	output_string(o, "Username", user->name);
	output_string(o, "Role", is_admin ? "admin" : "client");
	output_string(o, "Permissions", grant ? level_name(grant->level) : "none");
	output_string(o, "Database", grant ? grant->database : "");
	output_bool(o, "Active", user->active);
	output_string(o, "Created By", user->created_by);
	output_string(o, "Created At", user->created_at);
	output_record_end(o);
}

static bool
list_user(void *arg, const struct immu_user *user)
{
	struct output *o = (struct output *)arg;

	if (user->grants_len == 0)
		list_grant(o, user, NULL);
	for (size_t i = 0; i < user->grants_len; i++)
		list_grant(o, user, &user->grants[i]);
	return !output_is_broken(o);
}

static enum im_err
user_list(struct session *s)
{
	enum im_err err;

	output_list_begin(s->out, NULL, OUTPUT_TABLE, "user(s)");
	err = immu_each_user(s->c, list_user, s->out);
	output_list_end(s->out);
	return err;
}

int
command_user_list(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, user_list);
}

static enum im_err
user_create(struct session *s)
{
	struct immu_new_user user = {.name = s->call->args[0]};
	struct buf password;
	enum im_err err = grant_of(s, 1, &user.grant);

	buf_init(&password, PROMPT_MAX_BYTES + 1);
	if (!err)
		err = new_password_get(s, "user-password", user.name, &password);
	user.password = err ? "" : (const char *)password.data;
	if (!err)
		err = immu_create_user(s->c, &user);
	buf_wipe(&password);
	if (!err)
		output_message(s->out, "User %s created", user.name);
	return err;
}

int
command_user_create(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, user_create);
}

/* One's own password needs the old one, and ends the session: another one is begun. */
static enum im_err
change_password(struct session *s, struct immu_new_password *change, struct buf *old)
{
	bool is_own = strcmp(change->user, (const char *)s->link->user.data) == 0;
	struct buf fresh;
	enum im_err err = IM_OK;

	buf_init(&fresh, PROMPT_MAX_BYTES + 1);
	if (is_own && *options_string(s->options, "password")) {
		buf_append_str(old, options_string(s->options, "password"));
		buf_append_u8(old, '\0');
	} else if (is_own) {
		err = prompt_password("Old password: ", old);
		if (!err)
			buf_append_u8(old, '\0');
	}
	change->old_password = old->len ? (const char *)old->data : "";
	if (!err)
		err = new_password_get(s, "user-password", change->user, &fresh);
	change->password = err ? "" : (const char *)fresh.data;
	if (!err)
		err = immu_change_password(s->c, change);
	if (!err && is_own)
		err = session_login_with(s, change->user, change->password, NULL);
	buf_wipe(&fresh);
	return err;
}

static enum im_err
user_change_password(struct session *s)
{
	struct immu_new_password change = {.user = s->call->args[0]};
	struct buf old;
	enum im_err err;

	buf_init(&old, PROMPT_MAX_BYTES + 1);
	err = change_password(s, &change, &old);
	buf_wipe(&old);
	if (!err)
		output_message(s->out, "%s's password has been changed", change.user);
	return err;
}

int
command_user_change_password(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, user_change_password);
}

/* ---- Permissions ---- */

/* USER LEVEL [DATABASE]; activates the user as well. */
static enum im_err
user_set_permission(struct session *s)
{
	struct immu_grant grant;
	enum im_err err = grant_of(s, 1, &grant);

	if (!err)
		err = immu_grant(s->c, s->call->args[0], &grant);
	if (!err)
		output_message(s->out, "Permission changed successfully");
	return err;
}

int
command_user_set_permission(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, user_set_permission);
}

/* grant|revoke USER LEVEL [DATABASE] */
static enum im_err
user_permission(struct session *s)
{
	const char *action = s->call->args[0];
	struct immu_grant grant;
	enum im_err err = IM_OK;
	bool grants = strcmp(action, "grant") == 0;

	if (!grants && strcmp(action, "revoke") != 0)
		err = err_set(IM_ERR_USAGE,
		    "wrong permission action. Only grant or revoke are allowed. Provided: %s",
		    action);
	if (!err)
		err = grant_of(s, 2, &grant);
	if (!err)
		err = grants ? immu_grant(s->c, s->call->args[1], &grant)
			     : immu_revoke(s->c, s->call->args[1], &grant);
	if (!err)
		output_message(s->out, "Permission changed successfully");
	return err;
}

int
command_user_permission(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, user_permission);
}

static enum im_err
set_active(struct session *s, bool active)
{
	enum im_err err = immu_set_active(s->c, s->call->args[0], active);

	if (!err)
		output_message(s->out, "User status changed successfully");
	return err;
}

static enum im_err
user_activate(struct session *s)
{
	return set_active(s, true);
}

static enum im_err
user_deactivate(struct session *s)
{
	return set_active(s, false);
}

int
command_user_activate(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, user_activate);
}

int
command_user_deactivate(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, user_deactivate);
}
