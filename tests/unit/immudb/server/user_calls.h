#ifndef TESTS_USER_CALLS_H
#define TESTS_USER_CALLS_H

/* Calls about users, for the tests of a whole server: one line each. */
#include "server_harness.h"

#define GOOD_PASSWORD "Secret-Word-1"
#define OTHER_PASSWORD "Secret-Word-2"

/* The error, its status, and a part of its text. */
static inline void
check_refused(
    struct fixture *f, enum im_err got, enum im_err want, enum im_status status, const char *text)
{
	if (got != want || f->status != status || !strstr(err_detail(got), text))
		fail_msg("%s (%s), status %d instead of %s: %s", err_name(got), err_detail(got),
		    (int)f->status, err_name(want), text);
}

#define refused(call, err, status, text) \
	check_refused(f, (call), IM_ERR_##err, IM_STATUS_##status, (text))

static inline void
as(struct fixture *f, const char *user, const char *password)
{
	assert_int_equal(login(f, user, password), IM_OK);
}

static inline void
as_immudb(struct fixture *f)
{
	as(f, "immudb", "immudb");
}

static inline char *
text_of(const char *s)
{
	return (char *)(uintptr_t)s;
}

static inline enum im_err
create_user_with(
    struct fixture *f, const char *name, const char *password, uint32_t level, const char *database)
{
	M(CreateUserRequest) in = IMMUDB__SCHEMA__CREATE_USER_REQUEST__INIT;
	char *copy = strdup(password);
	enum im_err err;

	in.user = message_data(bytes_str(name));
	in.password = message_data(bytes_str(copy));
	in.permission = level;
	in.database = text_of(database);
	err = ask(f, RPC_METHOD_CreateUser, &in.base, NULL);
	free(copy);
	return err;
}

static inline enum im_err
create_user(struct fixture *f, const char *name, uint32_t level, const char *database)
{
	return create_user_with(f, name, GOOD_PASSWORD, level, database);
}

static inline enum im_err
change_password(struct fixture *f, const char *name, const char *old, const char *password)
{
	M(ChangePasswordRequest) in = IMMUDB__SCHEMA__CHANGE_PASSWORD_REQUEST__INIT;

	in.user = message_data(bytes_str(name));
	in.oldpassword = message_data(bytes_str(old));
	in.newpassword = message_data(bytes_str(password));
	return ask(f, RPC_METHOD_ChangePassword, &in.base, NULL);
}

static inline enum im_err
permission(struct fixture *f, int action, const char *name, const char *database, uint32_t level)
{
	M(ChangePermissionRequest) in = IMMUDB__SCHEMA__CHANGE_PERMISSION_REQUEST__INIT;

	in.action = (M(PermissionAction))action;
	in.username = text_of(name);
	in.database = text_of(database);
	in.permission = level;
	return ask(f, RPC_METHOD_ChangePermission, &in.base, NULL);
}

static inline enum im_err
grant_level(struct fixture *f, const char *name, const char *database, uint32_t level)
{
	return permission(f, IMMUDB__SCHEMA__PERMISSION_ACTION__GRANT, name, database, level);
}

static inline enum im_err
revoke_level(struct fixture *f, const char *name, const char *database, uint32_t level)
{
	return permission(f, IMMUDB__SCHEMA__PERMISSION_ACTION__REVOKE, name, database, level);
}

static inline enum im_err
set_active(struct fixture *f, const char *name, bool active)
{
	M(SetActiveUserRequest) in = IMMUDB__SCHEMA__SET_ACTIVE_USER_REQUEST__INIT;

	in.username = text_of(name);
	in.active = active;
	return ask(f, RPC_METHOD_SetActiveUser, &in.base, NULL);
}

static inline enum im_err
create_database(struct fixture *f, const char *name)
{
	M(CreateDatabaseRequest) in = IMMUDB__SCHEMA__CREATE_DATABASE_REQUEST__INIT;

	in.name = text_of(name);
	return ask(f, RPC_METHOD_CreateDatabaseV2, &in.base, NULL);
}

static inline M(UserList) * users(struct fixture *f)
{
	M(UserList) *out = NULL;

	assert_int_equal(ask(f, RPC_METHOD_ListUsers, NULL, &out), IM_OK);
	return out;
}

#endif
