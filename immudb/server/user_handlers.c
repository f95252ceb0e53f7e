/*
 * Users: ListUsers, CreateUser, ChangePassword, ChangePermission, SetActiveUser. The rules are in
 * permissions.c and are asked by meta/meta_change.c; auth_handlers.c has the logins.
 *
 * Invariants: a change is answered after it is on the disk and every session of its user has ended;
 * passwords are hashed in the password pool, and wiped from the request once they were.
 */
#include "crypto/password.h"
#include "server/call.h"
#include "server/permissions.h"
#include "util/clock.h"

/* A name from a message as a text in the arena. */
static enum im_err
user_name(struct call *c, struct bytes name, const char **out)
{
	if (name.len == 0)
		return IM_ERR_USER_EMPTY;
	if (memchr(name.data, '\0', name.len))
		return IM_ERR_USER_NAME;
	if (name.len > META_USER_MAX)
		return err_set(IM_ERR_USER_NAME, "%s: it has more than %d characters",
		    err_text(IM_ERR_USER_NAME), META_USER_MAX);
	*out = arena_str(call_arena(c), name);
	return *out ? IM_OK : IM_ERR_NOMEM;
}

/* The database of a request: the default one when none is named; not the system's. */
static enum im_err
user_database(struct call *c, const char *name, const char **out)
{
	*out = name[0] ? name : databases_default(c->server->databases)->name;
	return strcmp(*out, DATABASE_SYSTEM) == 0 ? IM_ERR_DATABASE_ASSIGNED : IM_OK;
}

/* A level that can be given on a database. */
static enum im_err
user_level(uint32_t number, const char *database, enum meta_level *out)
{
	*out = (enum meta_level)number;
	switch (number) {
	case META_LEVEL_READ:
	case META_LEVEL_READ_WRITE:
	case META_LEVEL_ADMIN:
		return IM_OK;
	case META_LEVEL_SYSADMIN:
		if (strcmp(database, META_ALL_DATABASES) == 0)
			return IM_OK;
		return err_set(IM_ERR_BAD_PERMISSION, "%s: sysadmin is of all databases (%s) only",
		    err_text(IM_ERR_BAD_PERMISSION), META_ALL_DATABASES);
	default:
		return IM_ERR_BAD_PERMISSION;
	}
}

/* A rule beside the one of permissions.c, and where the change comes from. */
struct user_change {
	struct meta_change meta;
	struct meta_action action;
	const char *known_hash; /* the password's hash must still be this one; NULL: any */
};

static enum im_err
user_allow(void *arg, const struct meta_facts *facts)
{
	const struct user_change *change = arg;
	enum im_err err = permission_allow_change(facts);

	if (err == IM_OK && change->known_hash && strcmp(change->known_hash, facts->user.hash) != 0)
		err = IM_ERR_OLD_PASSWORD;
	return err;
}

static struct user_change
user_change_begin(struct call *c, enum meta_change_kind kind, const char *action)
{
	return (struct user_change){
	    .meta = {.kind = kind,
		.actor = c->is_maintenance ? NULL : c->session.user,
		.created_by = c->is_maintenance ? SERVER_ADMIN : c->session.user},
	    .action = journal_action(c, action)};
}

/*
 * Spares those who may not the work of hashing, and the others the wait: the rule is asked again.
 */
static enum im_err
user_change_ask(struct call *c, struct user_change *change)
{
	change->meta.allow = user_allow;
	change->meta.arg = change;
	return meta_user_change_ask(c->server->meta, &change->meta);
}

/* Makes the change, ends the user's sessions, and answers. */
static enum im_err
user_change_make(struct call *c, struct user_change *change)
{
	struct meta_change *m = &change->meta;
	enum im_err err = call_check_session(c);

	if (err != IM_OK)
		return err;
	change->action.user = m->user;
	change->action.database = m->database;
	if (m->level != META_LEVEL_NONE)
		change->action.permission = permission_level_name(m->level);
	m->action = &change->action;
	m->allow = user_allow;
	m->arg = change;
	err = meta_user_change(c->server->meta, m);
	if (err != IM_OK)
		return err;
	c->ends_session = strcmp(m->user, c->session.user) == 0;
	if (m->kind != META_CHANGE_CREATE)
		sessions_end_user(c->server->sessions, m->user);
	journal_wake(c->server->journal);
	return call_answer_empty(c);
}

static void
user_wipe(ProtobufCBinaryData password)
{
	if (password.len)
		explicit_bzero(password.data, password.len);
}

/* ---- CreateUser ---- */

static enum im_err
user_create(struct call *c, const Immudb__Schema__CreateUserRequest *in)
{
	struct user_change change = user_change_begin(c, META_CHANGE_CREATE, JOURNAL_CREATE_USER);
	char hash[META_HASH_MAX];
	enum im_err err = user_name(c, message_bytes(in->user), &change.meta.user);

	if (err == IM_OK)
		err = user_database(c, in->database, &change.meta.database);
	if (err == IM_OK)
		err = user_level(in->permission, change.meta.database, &change.meta.level);
	if (err == IM_OK)
		err = user_change_ask(c, &change);
	if (err == IM_OK)
		err = password_check_choice(message_bytes(in->password));
	if (err == IM_OK)
		err = password_hash(message_bytes(in->password), hash);
	change.meta.hash = hash;
	change.meta.active = true;
	if (err == IM_OK)
		err = user_change_make(c, &change);
	explicit_bzero(hash, sizeof hash);
	return err;
}

enum im_err
handle_CreateUser(struct call *c)
{
	const Immudb__Schema__CreateUserRequest *in = (const void *)c->in;
	enum im_err err;

	if (!c->may_block) {
		c->job.source = throttle_source(c->request->peer->address);
		call_queue(c, c->server->passwords);
		return CALL_PENDING;
	}
	err = user_create(c, in);
	user_wipe(in->password);
	return err;
}

/* ---- ChangePassword ---- */

/* One's own old password; guessing it counts as guessing at a login. */
static enum im_err
user_check_old(struct call *c, struct bytes old, struct meta_user *user)
{
	struct server *s = c->server;
	const char *address = c->request->peer->address;
	struct bytes name = bytes_str(c->session.user);
	enum im_err err = throttle_check(s->throttle, name, address);

	if (err == IM_OK)
		err = meta_user_get(s->meta, name, user);
	if (err == IM_OK)
		err = password_check(old, user->hash);
	if (err == IM_ERR_CREDENTIALS) {
		throttle_failed(s->throttle, name, address);
		journal_login_failed(s->journal, name, address);
		err = IM_ERR_OLD_PASSWORD;
	} else if (err == IM_OK) {
		throttle_succeeded(s->throttle, name, address);
	}
	return err == IM_ERR_NOT_FOUND ? IM_ERR_NOT_LOGGED_IN : err;
}

static enum im_err
user_change_password(struct call *c, const Immudb__Schema__ChangePasswordRequest *in)
{
	struct user_change change =
	    user_change_begin(c, META_CHANGE_PASSWORD, JOURNAL_CHANGE_PASSWORD);
	struct meta_user self = {.name = ""};
	char hash[META_HASH_MAX];
	enum im_err err = user_name(c, message_bytes(in->user), &change.meta.user);

	if (err == IM_OK && strcmp(change.meta.user, c->session.user) == 0) {
		err = user_check_old(c, message_bytes(in->oldpassword), &self);
		change.known_hash = self.hash;
	}
	if (err == IM_OK)
		err = user_change_ask(c, &change);
	if (err == IM_OK)
		err = password_check_choice(message_bytes(in->newpassword));
	if (err == IM_OK)
		err = password_hash(message_bytes(in->newpassword), hash);
	change.meta.hash = hash;
	if (err == IM_OK)
		err = user_change_make(c, &change);
	explicit_bzero(hash, sizeof hash);
	explicit_bzero(&self, sizeof self);
	return err;
}

enum im_err
handle_ChangePassword(struct call *c)
{
	const Immudb__Schema__ChangePasswordRequest *in = (const void *)c->in;
	enum im_err err;

	if (!c->may_block) {
		c->job.source = throttle_source(c->request->peer->address);
		call_queue(c, c->server->passwords);
		return CALL_PENDING;
	}
	err = user_change_password(c, in);
	user_wipe(in->oldpassword);
	user_wipe(in->newpassword);
	return err;
}

/* ---- ChangePermission, SetActiveUser ---- */

enum im_err
handle_ChangePermission(struct call *c)
{
	const Immudb__Schema__ChangePermissionRequest *in = (const void *)c->in;
	bool grant = in->action == IMMUDB__SCHEMA__PERMISSION_ACTION__GRANT;
	struct user_change change;
	enum im_err err;

	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	if (!grant && in->action != IMMUDB__SCHEMA__PERMISSION_ACTION__REVOKE)
		return IM_ERR_PERMISSION_ACTION;
	change = user_change_begin(c, grant ? META_CHANGE_GRANT : META_CHANGE_REVOKE,
	    grant ? JOURNAL_GRANT : JOURNAL_REVOKE);
	err = user_name(c, bytes_str(in->username), &change.meta.user);
	if (err == IM_OK)
		err = user_database(c, in->database, &change.meta.database);
	if (err == IM_OK)
		err = user_level(in->permission, change.meta.database, &change.meta.level);
	return err == IM_OK ? user_change_make(c, &change) : err;
}

enum im_err
handle_SetActiveUser(struct call *c)
{
	const Immudb__Schema__SetActiveUserRequest *in = (const void *)c->in;
	struct user_change change;
	enum im_err err;

	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	change = user_change_begin(
	    c, META_CHANGE_ACTIVE, in->active ? JOURNAL_ACTIVATE : JOURNAL_DEACTIVATE);
	change.meta.active = in->active;
	err = user_name(c, bytes_str(in->username), &change.meta.user);
	return err == IM_OK ? user_change_make(c, &change) : err;
}

/* ---- ListUsers ---- */

/* Users being gathered from their permissions, which come one after the other. */
struct user_listing {
	struct call *c;
	Immudb__Schema__UserList *out;
	size_t max, permissions_max; /* places in what out and its last user have */
	const char *database;        /* users who have a level on it; NULL: all */
	bool own_only;
	char last[META_USER_MAX + 1];
};

/* Room for one more pointer in a list that doubles. */
static enum im_err
user_list_room(struct arena *a, void ***items, size_t n, size_t *max)
{
	size_t more = *max ? 2 * *max : 4;
	void **grown;

	if (n < *max)
		return IM_OK;
	grown = arena_calloc(a, more, sizeof *grown);
	if (!grown)
		return IM_ERR_NOMEM;
	if (n)
		memcpy(grown, *items, n * sizeof *grown);
	*items = grown;
	*max = more;
	return IM_OK;
}

static enum im_err
user_list_user(struct user_listing *l, const struct meta_user *user)
{
	struct arena *a = call_arena(l->c);
	Immudb__Schema__User *m;
	char at[CLOCK_TEXT_SIZE];
	void **items = (void **)l->out->users;
	enum im_err err = user_list_room(a, &items, l->out->n_users, &l->max);

	m = err == IM_OK ? message_new(a, &immudb__schema__user__descriptor) : NULL;
	if (!m)
		return IM_ERR_NOMEM;
	l->out->users = (Immudb__Schema__User **)items;
	l->permissions_max = 0;
	m->user = message_data(bytes_str(arena_str(a, bytes_str(user->name))));
	m->createdby = arena_str(a, bytes_str(user->created_by));
	m->createdat = arena_str(a, bytes_str(clock_format_s(user->created_at_s, at)));
	m->active = user->active;
	if (!m->user.data || !m->createdby || !m->createdat)
		return IM_ERR_NOMEM;
	l->out->users[l->out->n_users++] = m;
	return IM_OK;
}

static enum im_err
user_list_permission(struct user_listing *l, const struct meta_grant *grant)
{
	struct arena *a = call_arena(l->c);
	Immudb__Schema__User *user = l->out->users[l->out->n_users - 1];
	Immudb__Schema__Permission *m;
	void **items = (void **)user->permissions;
	enum im_err err = user_list_room(a, &items, user->n_permissions, &l->permissions_max);

	m = err == IM_OK ? message_new(a, &immudb__schema__permission__descriptor) : NULL;
	if (!m)
		return IM_ERR_NOMEM;
	user->permissions = (Immudb__Schema__Permission **)items;
	m->database = arena_str(a, bytes_str(grant->database));
	m->permission = (uint32_t)grant->level;
	if (!m->database)
		return IM_ERR_NOMEM;
	user->permissions[user->n_permissions++] = m;
	return IM_OK;
}

/*
 * Whether the caller may see this line: all, what is on the selected database, or what is theirs.
 */
static bool
user_list_shows(const struct user_listing *l, const struct meta_grant *grant)
{
	if (strcmp(grant->user.name, l->c->session.user) == 0)
		return true;
	if (l->own_only)
		return false;
	return !l->database || strcmp(grant->database, l->database) == 0 ||
	    strcmp(grant->database, META_ALL_DATABASES) == 0;
}

static enum im_err
user_list_each(void *arg, const struct meta_grant *grant)
{
	struct user_listing *l = arg;
	enum im_err err = IM_OK;

	if (!user_list_shows(l, grant))
		return IM_OK;
	if (strcmp(l->last, grant->user.name) != 0) {
		memcpy(l->last, grant->user.name, sizeof l->last);
		err = user_list_user(l, &grant->user);
	}
	return err == IM_OK && grant->level != META_LEVEL_NONE ? user_list_permission(l, grant)
							       : err;
}

enum im_err
handle_ListUsers(struct call *c)
{
	struct user_listing l = {.c = c};

	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	l.out = message_new(call_arena(c), &immudb__schema__user_list__descriptor);
	if (!l.out)
		return IM_ERR_NOMEM;
	if (!c->session.is_sysadmin) {
		l.own_only = !c->session.database || c->session.level != META_LEVEL_ADMIN;
		if (!l.own_only)
			l.database = c->session.database->name;
	}
	c->answer = &l.out->base;
	return meta_grant_list(c->server->meta, user_list_each, &l);
}
