#ifndef SERVER_PERMISSIONS_H
#define SERVER_PERMISSIONS_H

#include "meta/meta_change.h"
#include "server/call.h"

/*
 * Who may do what: one row for every method, beside the minimum on the selected database that
 * methods.def has. What is not allowed by a row is refused.
 */

/* What a method's permission is looked up on. */
enum permission_scope {
	PERMISSION_REFUSED = 0, /* no row: nobody */
	PERMISSION_ANYONE,      /* also without login */
	PERMISSION_LOGIN,       /* everybody logged in, for what is theirs */
	PERMISSION_SELECTED,    /* the level of methods.def on the selected database */
	PERMISSION_NAMED,       /* admin of the database that the request names: its handler asks */
	PERMISSION_SYSADMIN,    /* sysadmins */
	PERMISSION_USERS        /* depends on both users: permission_allow_change() */
};

struct permission_rule {
	enum permission_scope scope;
	bool before_password_change; /* also while the default password has to be changed */
};

/* The rule of a method, by rpc_method_index. */
const struct permission_rule *permission_rule(const struct rpc_method *method);

/*
 * Whether the call may go on, by its method's row, its session and the selected database. Never
 * waits. IM_ERR_PERMISSION, IM_ERR_NO_DATABASE, IM_ERR_PASSWORD_CHANGE_NEEDED, IM_ERR_MAINTENANCE.
 */
enum im_err permission_check(const struct call *c);

/*
 * Whether a change to a user may be made; for struct meta_change. Creating needs an admin of the
 * database; granting and revoking too, and not for oneself; password and status a sysadmin, or the
 * user's creator as long as that one administers all that the user has. Nobody gives, takes or
 * manages more than their own level. IM_ERR_USER_INACTIVE (the actor is no more), IM_ERR_NOT_ADMIN,
 * IM_ERR_DATABASE_ADMIN, IM_ERR_PERMISSION, IM_ERR_NOT_CREATOR, IM_ERR_OWN_PERMISSION,
 * IM_ERR_OWN_STATUS, IM_ERR_DATABASE_NOT_FOUND, IM_ERR_USER_NOT_FOUND, IM_ERR_USER_DEACTIVATED,
 * IM_ERR_PERMISSION_NOT_HELD. Pure.
 */
enum im_err permission_allow_change(const struct meta_facts *facts);

/*
 * What journal, tools and messages call a level: "read", "readwrite", "admin", "sysadmin", "none".
 */
const char *permission_level_name(enum meta_level level);

#endif
