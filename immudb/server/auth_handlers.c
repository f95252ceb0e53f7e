/*
 * Login and sessions: Login, Logout, OpenSession, KeepAlive, CloseSession, UseDatabase. Passwords are
 * checked in the two threads of the password pool, never in a callback of the transport.
 *
 * Invariants: an unknown user costs as much time as a wrong password; nothing tells the two apart;
 * a password is wiped from the request's memory once it was checked.
 */
#include "crypto/password.h"
#include "server/call.h"
#include "util/log.h"

#define AUTH_WARNING \
	"immudb user has the default password: please change it to ensure proper security"

static bool
auth_is_default_password(const struct meta_user *user, struct bytes password)
{
	return strcmp(user->name, SERVER_ADMIN) == 0 &&
	    bytes_equal(password, bytes_str(SERVER_ADMIN_PASSWORD));
}

/* Looks the user up and compares; the same work whether or not there is such a user. */
static enum im_err
auth_compare(struct server *s, struct bytes name, struct bytes password, struct meta_user *user)
{
	enum im_err found = meta_user_get(s->meta, name, user), err;

	if (found != IM_OK && found != IM_ERR_NOT_FOUND)
		return found;
	err =
	    found == IM_OK ? password_check(password, user->hash) : password_check_dummy(password);
	explicit_bzero(user->hash, sizeof user->hash);
	return err;
}

static enum im_err
auth_check_throttle(const struct call *c, struct bytes name)
{
	const char *address = c->request->peer->address;
	enum im_err err = throttle_check(c->server->throttle, name, address);

	if (err != IM_OK)
		log_warn_limited("login from %s refused: too many have failed", address);
	return err;
}

/*
 * Sends the call to the password pool. What would be refused there is refused here, so that those
 * who guess do not fill the queue of those who log in.
 */
static enum im_err
auth_queue(struct call *c, ProtobufCBinaryData name, ProtobufCBinaryData password)
{
	enum im_err err = auth_check_throttle(c, message_bytes(name));

	if (err == IM_OK) {
		c->job.source = throttle_source(c->request->peer->address);
		call_queue(c, c->server->passwords);
		return CALL_PENDING;
	}
	if (password.len)
		explicit_bzero(password.data, password.len);
	return err;
}

/* Who logs in. The password is gone afterwards. */
static enum im_err
auth_check(
    struct call *c, ProtobufCBinaryData name, ProtobufCBinaryData password, struct meta_user *user)
{
	struct server *s = c->server;
	const struct rpc_peer *peer = c->request->peer;
	struct bytes who = message_bytes(name);
	enum im_err err = auth_check_throttle(c, who);
	bool is_default;

	if (err == IM_OK)
		err = auth_compare(s, who, message_bytes(password), user);
	is_default = err == IM_OK && auth_is_default_password(user, message_bytes(password));
	if (password.len)
		explicit_bzero(password.data, password.len);
	if (err == IM_ERR_CREDENTIALS) {
		throttle_failed(s->throttle, who, peer->address);
		log_warn_limited("failed login from %s", peer->address);
	}
	if (err != IM_OK)
		return err;
	throttle_succeeded(s->throttle, who, peer->address);
	if (!user->active)
		return IM_ERR_USER_INACTIVE;
	if (is_default && !peer->is_loopback && !s->options.devmode)
		return IM_ERR_DEFAULT_PASSWORD_REMOTE;
	c->default_password = is_default;
	return IM_OK;
}

/* Starts the session; its text comes from the arena. */
static enum im_err
auth_start(struct call *c, const struct session *session, char **text)
{
	enum im_err err;

	*text = arena_alloc(call_arena(c), SESSION_TEXT_MAX);
	if (!*text)
		return IM_ERR_NOMEM;
	err = sessions_start(c->server->sessions, session, *text);
	if (err == IM_OK)
		rpc_request_set_authenticated(c->request);
	return err;
}

/* Binds a session to a database that its user has some permission on. */
static enum im_err
auth_bind(struct call *c, struct session *session, struct bytes name)
{
	struct database *db = databases_find(c->server->databases, name);
	enum meta_level level;
	enum im_err err;

	if (!db)
		return err_set(IM_ERR_DATABASE_NOT_FOUND, "%.*s does not exist",
		    (int)(name.len < META_DATABASE_MAX ? name.len : META_DATABASE_MAX),
		    name.len ? (const char *)name.data : "");
	err = meta_permission(c->server->meta, session->user, db->name, &level);
	if (err != IM_OK)
		return err;
	if (level == META_LEVEL_NONE)
		return IM_ERR_DATABASE_PERMISSION;
	session->database = db;
	session->level = level;
	return IM_OK;
}

enum im_err
handle_Login(struct call *c)
{
	const Immudb__Schema__LoginRequest *in = (const void *)c->in;
	Immudb__Schema__LoginResponse *out;
	struct session session = {.kind = SESSION_TOKEN};
	struct meta_user user;
	enum im_err err;

	if (!c->server->options.auth)
		return IM_ERR_AUTH_DISABLED;
	if (!c->may_block)
		return auth_queue(c, in->user, in->password);
	err = auth_check(c, in->user, in->password, &user);
	if (err != IM_OK)
		return err;
	memcpy(session.user, user.name, sizeof session.user);
	/* With several databases to choose from, the client has to say which one it means. */
	if (databases_client_count(c->server->databases) == 1) {
		err = auth_bind(
		    c, &session, bytes_str(databases_default(c->server->databases)->name));
		if (err != IM_OK && err != IM_ERR_DATABASE_PERMISSION)
			return err;
	}
	out = message_new(call_arena(c), &immudb__schema__login_response__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	if (c->default_password)
		out->warning = message_data(bytes_str(AUTH_WARNING));
	c->answer = &out->base;
	return auth_start(c, &session, &out->token);
}

/* The database named by the request in lower case, or the default one. */
static enum im_err
auth_session_database(struct call *c, const char *name, struct session *session)
{
	char *lower = arena_str(call_arena(c), bytes_str(name));
	size_t i;

	if (!lower)
		return IM_ERR_NOMEM;
	for (i = 0; lower[i]; i++)
		if (lower[i] >= 'A' && lower[i] <= 'Z')
			lower[i] = (char)(lower[i] - 'A' + 'a');
	return auth_bind(c, session,
	    bytes_str(lower[0] ? lower : databases_default(c->server->databases)->name));
}

enum im_err
handle_OpenSession(struct call *c)
{
	const Immudb__Schema__OpenSessionRequest *in = (const void *)c->in;
	Immudb__Schema__OpenSessionResponse *out;
	struct session session = {.kind = SESSION_OPEN};
	struct meta_user user;
	enum im_err err;

	if (!c->server->options.auth)
		return IM_ERR_AUTH_DISABLED;
	if (!c->may_block)
		return auth_queue(c, in->username, in->password);
	err = auth_check(c, in->username, in->password, &user);
	if (err != IM_OK)
		return err;
	memcpy(session.user, user.name, sizeof session.user);
	err = auth_session_database(c, in->databasename, &session);
	if (err != IM_OK)
		return err;
	out = message_new(call_arena(c), &immudb__schema__open_session_response__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	out->serveruuid = c->server->identity;
	c->answer = &out->base;
	return auth_start(c, &session, &out->sessionid);
}

/*
 * A token stays bound to its database, so the client gets another one; a session is switched, and the
 * token it gets is its own id.
 */
enum im_err
handle_UseDatabase(struct call *c)
{
	const Immudb__Schema__Database *in = (const void *)c->in;
	struct session session = c->session;
	Immudb__Schema__UseDatabaseReply *out;
	enum im_err err;

	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	err = auth_bind(c, &session, bytes_str(in->databasename));
	if (err != IM_OK)
		return err;
	out = message_new(call_arena(c), &immudb__schema__use_database_reply__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	c->answer = &out->base;
	if (session.kind == SESSION_TOKEN)
		return auth_start(c, &session, &out->token);
	out->token = arena_str(call_arena(c), c->request->session);
	if (!out->token)
		return IM_ERR_NOMEM;
	return sessions_rebind(
	    c->server->sessions, c->request->session, session.database, session.level);
}

static enum im_err
auth_answer_empty(struct call *c)
{
	c->answer = message_new(call_arena(c), &immudb__schema__empty__descriptor);
	return c->answer ? IM_OK : IM_ERR_NOMEM;
}

/* Finding the session was its use. */
enum im_err
handle_KeepAlive(struct call *c)
{
	return auth_answer_empty(c);
}

enum im_err
handle_Logout(struct call *c)
{
	enum im_err err = sessions_end(c->server->sessions, c->request->session);

	return err == IM_OK ? auth_answer_empty(c) : err;
}

enum im_err
handle_CloseSession(struct call *c)
{
	return handle_Logout(c);
}
