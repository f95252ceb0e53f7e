/*
 * The rules of who may do what: one table of methods, and one of changes to users. dispatch.c asks
 * before every handler, meta/meta_change.c in the transaction of every change.
 *
 * Invariants:
 * 1. Deny by default: a method that neither runs on the selected database with a minimum in
 *    methods.def nor has a row here is refused to everybody; so is a kind of change without a row.
 * 2. Nobody gives, takes or changes what is above their own level, nor on a database they do not
 *    administer; nobody changes their own rights.
 * 3. The system database is for sysadmins, and read-only.
 */
#include "server/permissions.h"

#define ROW(Name, ...) [RPC_INDEX_##Name] = {__VA_ARGS__}

static const struct permission_rule permission_rules[RPC_METHOD_COUNT] = {
    ROW(Login, PERMISSION_ANYONE, true),
    ROW(OpenSession, PERMISSION_ANYONE, true),
    ROW(Health, PERMISSION_ANYONE, true),
    ROW(ServerInfo, PERMISSION_ANYONE, true),
    ROW(ExchangeStates, PERMISSION_ANYONE, true),
    ROW(ExchangeContradictions, PERMISSION_ANYONE, true),
    ROW(Logout, PERMISSION_LOGIN, true),
    ROW(CloseSession, PERMISSION_LOGIN, true),
    ROW(KeepAlive, PERMISSION_LOGIN, true),
    ROW(UseDatabase, PERMISSION_LOGIN, false),
    ROW(SessionList, PERMISSION_LOGIN, false),
    ROW(EndSession, PERMISSION_LOGIN, false),
    ROW(CreateDatabase, PERMISSION_SYSADMIN, false),
    ROW(CreateDatabaseV2, PERMISSION_SYSADMIN, false),
    ROW(BeginRestore, PERMISSION_SYSADMIN, false),
    ROW(WriteRestore, PERMISSION_SYSADMIN, false),
    ROW(FinishRestore, PERMISSION_SYSADMIN, false),
    ROW(UpdateDatabaseV2, PERMISSION_NAMED, false),
    ROW(LoadDatabase, PERMISSION_NAMED, false),
    ROW(UnloadDatabase, PERMISSION_NAMED, false),
    ROW(DeleteDatabase, PERMISSION_NAMED, false),
    ROW(ScrubDatabase, PERMISSION_NAMED, false),
    ROW(StopScrub, PERMISSION_NAMED, false),
    ROW(ScrubStatus, PERMISSION_NAMED, false),
    ROW(DatabaseList, PERMISSION_LOGIN, false),
    ROW(DatabaseListV2, PERMISSION_LOGIN, false),
    ROW(ListUsers, PERMISSION_LOGIN, false),
    ROW(CreateUser, PERMISSION_USERS, false),
    ROW(ChangePassword, PERMISSION_USERS, true),
    ROW(ChangePermission, PERMISSION_USERS, false),
    ROW(SetActiveUser, PERMISSION_USERS, false),
};

const struct permission_rule *
permission_rule(const struct rpc_method *method)
{
	static const struct permission_rule selected = {PERMISSION_SELECTED, false};
	static const struct permission_rule refused = {PERMISSION_REFUSED, false};

	if (!(method->flags & RPC_NEEDS_DATABASE))
		return &permission_rules[method->index];
	return method->permission == RPC_PERMISSION_NONE ? &refused : &selected;
}

const char *
permission_level_name(enum meta_level level)
{
	switch (level) {
	case META_LEVEL_NONE:
		return "none";
	case META_LEVEL_READ:
		return "read";
	case META_LEVEL_READ_WRITE:
		return "readwrite";
	case META_LEVEL_ADMIN:
		return "admin";
	case META_LEVEL_SYSADMIN:
		return "sysadmin";
	}
	return "unknown";
}

/* Invariant 3 included. */
static enum im_err
permission_check_selected(const struct call *c)
{
	const struct rpc_method *method = c->request->method;
	const struct session *session = &c->session;

	if (!session->database)
		return IM_ERR_NO_DATABASE;
	if ((int)session->level < (int)method->permission)
		return IM_ERR_PERMISSION;
	if (!session->database->is_system)
		return IM_OK;
	if (!session->is_sysadmin)
		return IM_ERR_DATABASE_PERMISSION;
	if (method->flags & RPC_WRITES)
		return err_set(IM_ERR_PERMISSION, "%s: %s is read-only to clients",
		    err_text(IM_ERR_PERMISSION), DATABASE_SYSTEM);
	return IM_OK;
}

enum im_err
permission_check(const struct call *c)
{
	const struct permission_rule *rule = permission_rule(c->request->method);

	if (c->session.must_change_password && !rule->before_password_change)
		return IM_ERR_PASSWORD_CHANGE_NEEDED;
	switch (rule->scope) {
	case PERMISSION_ANYONE:
	case PERMISSION_LOGIN:
	case PERMISSION_NAMED:
	case PERMISSION_USERS:
		return IM_OK;
	case PERMISSION_SELECTED:
		return permission_check_selected(c);
	case PERMISSION_SYSADMIN:
		return c->session.is_sysadmin ? IM_OK : IM_ERR_PERMISSION;
	case PERMISSION_REFUSED:
		break;
	}
	return IM_ERR_PERMISSION;
}

/* ---- Changes to users ---- */

/* The actor administers the database, with at least what the change is about. */
static enum im_err
change_needs_database(const struct meta_facts *f)
{
	int level = (int)f->actor_level;

	if (!f->by_user)
		return IM_OK;
	if (level < META_LEVEL_ADMIN)
		return (int)f->actor_highest < META_LEVEL_ADMIN ? IM_ERR_NOT_ADMIN
								: IM_ERR_DATABASE_ADMIN;
	if (level < (int)f->change->level || level < (int)f->user_level)
		return err_set(IM_ERR_PERMISSION, "%s: nobody gives or takes more than they have",
		    err_text(IM_ERR_PERMISSION));
	return IM_OK;
}

static enum im_err
change_needs_existing_database(const struct meta_facts *f)
{
	return f->database_exists
	    ? IM_OK
	    : err_set(IM_ERR_DATABASE_NOT_FOUND, "database %s does not exist", f->change->database);
}

static enum im_err
change_needs_user(const struct meta_facts *f)
{
	return f->user_exists
	    ? IM_OK
	    : err_set(IM_ERR_USER_NOT_FOUND, "user %s not found", f->change->user);
}

/*
 * The user may be managed as a whole: by sysadmins, and by the creator, if an admin of all it has.
 */
static bool
change_manages_user(const struct meta_facts *f)
{
	if (!f->by_user || f->actor_highest == META_LEVEL_SYSADMIN)
		return true;
	return f->user_exists && (int)f->actor_highest >= META_LEVEL_ADMIN && f->actor_covers &&
	    strcmp(f->user.created_by, f->change->actor) == 0;
}

static enum im_err
change_needs_managed_user(const struct meta_facts *f)
{
	if (change_manages_user(f))
		return change_needs_user(f);
	if ((int)f->actor_highest < META_LEVEL_ADMIN)
		return IM_ERR_NOT_ADMIN;
	return err_set(IM_ERR_NOT_CREATOR, "user %s was not found or it was not created by you",
	    f->change->user);
}

static bool
change_is_own(const struct meta_facts *f)
{
	return f->by_user && strcmp(f->change->actor, f->change->user) == 0;
}

static enum im_err
change_allow_create(const struct meta_facts *f)
{
	enum im_err err = change_needs_database(f);

	return err == IM_OK ? change_needs_existing_database(f) : err;
}

static enum im_err
change_allow_password(const struct meta_facts *f)
{
	return change_is_own(f) ? IM_OK : change_needs_managed_user(f);
}

static enum im_err
change_allow_level(const struct meta_facts *f)
{
	enum im_err err = change_is_own(f) ? IM_ERR_OWN_PERMISSION : change_needs_database(f);

	if (err == IM_OK)
		err = change_needs_existing_database(f);
	return err == IM_OK ? change_needs_user(f) : err;
}

static enum im_err
change_allow_grant(const struct meta_facts *f)
{
	enum im_err err = change_allow_level(f);

	/* It would wake all that the user has. */
	if (err == IM_OK && !f->user.active && !change_manages_user(f))
		err = err_set(IM_ERR_USER_DEACTIVATED, "user %s is not active", f->change->user);
	return err;
}

static enum im_err
change_allow_revoke(const struct meta_facts *f)
{
	enum im_err err = change_allow_level(f);

	if (err == IM_OK && f->user_level != f->change->level)
		err = IM_ERR_PERMISSION_NOT_HELD;
	return err;
}

static enum im_err
change_allow_active(const struct meta_facts *f)
{
	return change_is_own(f) ? IM_ERR_OWN_STATUS : change_needs_managed_user(f);
}

static enum im_err (*const change_rules[])(const struct meta_facts *f) = {
    [META_CHANGE_CREATE] = change_allow_create,
    [META_CHANGE_PASSWORD] = change_allow_password,
    [META_CHANGE_GRANT] = change_allow_grant,
    [META_CHANGE_REVOKE] = change_allow_revoke,
    [META_CHANGE_ACTIVE] = change_allow_active,
};

enum im_err
permission_allow_change(const struct meta_facts *facts)
{
	size_t kind = (size_t)facts->change->kind;

	if (facts->by_user && !facts->actor_exists)
		return IM_ERR_USER_INACTIVE;
	if (kind >= sizeof change_rules / sizeof *change_rules || !change_rules[kind])
		return IM_ERR_PERMISSION;
	return change_rules[kind](facts);
}
