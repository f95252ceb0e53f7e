/*
 * Login and sessions: Login, Logout, OpenSession, KeepAlive, CloseSession, UseDatabase. Passwords
 * are checked in the two threads of the password pool, never in a callback of the transport.
 *
 * Invariants: an unknown user costs as much time as a wrong password; nothing tells the two apart;
 * a password is wiped from the request's memory once it was checked; a session has the rights that
 * its user has at the moment it starts, whatever changed while the password was checked.
 */
#include "crypto/password.h"
#include "server/call.h"
#include "util/log.h"

/* Times that rights may change while one session is started. */
#define AUTH_TRIES_MAX 16

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

/*
 * With client-cert-user it is the certificate that says who is at the other end of a TLS
 * connection.
 */
static bool
auth_is_by_certificate(const struct call *c)
{
	return c->server->options.client_cert_user != SERVER_CERT_USER_OFF &&
	    c->request->peer->is_tls;
}

/* The user of the certificate, who may leave the name out. */
static enum im_err
auth_check_certificate(const struct call *c, struct bytes name, struct meta_user *user)
{
	const char *said = c->request->peer->certificate_name;
	enum im_err err;

	if (!said)
		return err_set(IM_ERR_CREDENTIALS, "%s: the client's certificate names no user",
		    err_text(IM_ERR_CREDENTIALS));
	if (name.len > 0 && !bytes_equal(name, bytes_str(said)))
		return err_set(IM_ERR_CREDENTIALS, "%s: the client's certificate is for user %s",
		    err_text(IM_ERR_CREDENTIALS), said);
	err = meta_user_get(c->server->meta, bytes_str(said), user);
	return err == IM_ERR_NOT_FOUND
	    ? err_set(IM_ERR_CREDENTIALS, "%s: there is no user %s, whom the certificate names",
		  err_text(IM_ERR_CREDENTIALS), said)
	    : err;
}

/*
 * A password that is given counts although there is a certificate: whoever passes on what others
 * say, as the gateway does, shows its own certificate for all of them.
 */
static enum im_err
auth_prove(struct call *c, struct bytes who, struct bytes password, struct meta_user *user)
{
	enum im_err err;

	if (auth_is_by_certificate(c)) {
		err = auth_check_certificate(c, who, user);
		if (err != IM_OK || password.len == 0)
			return err;
		who = bytes_str(c->request->peer->certificate_name);
	}
	return auth_compare(c->server, who, password, user);
}

/* Who logs in. The password is gone afterwards; the user's hash is left for auth_enter(). */
static enum im_err
auth_check(
    struct call *c, ProtobufCBinaryData name, ProtobufCBinaryData password, struct meta_user *user)
{
	struct server *s = c->server;
	const struct rpc_peer *peer = c->request->peer;
	struct bytes who = message_bytes(name);
	enum im_err err = auth_check_throttle(c, who);
	bool is_default;

	/*
	 * No password is empty: who sends none asks whether the certificate will do, and guesses
	 * nothing.
	 */
	if (err == IM_OK && !auth_is_by_certificate(c) && password.len == 0)
		return IM_ERR_CREDENTIALS;
	if (err == IM_OK)
		err = auth_prove(c, who, message_bytes(password), user);
	is_default = err == IM_OK && auth_is_default_password(user, message_bytes(password));
	if (password.len)
		explicit_bzero(password.data, password.len);
	if (err == IM_ERR_CREDENTIALS) {
		throttle_failed(s->throttle, who, peer->address);
		journal_login_failed(s->journal, who, peer->address);
		log_warn_limited("failed login from %s", peer->address);
	}
	if (err == IM_OK)
		throttle_succeeded(s->throttle, who, peer->address);
	if (err == IM_OK && !user->active)
		err = IM_ERR_USER_INACTIVE;
	if (err == IM_OK && is_default && !peer->is_loopback && !s->options.devmode)
		err = IM_ERR_DEFAULT_PASSWORD_REMOTE;
	c->default_password = is_default;
	if (err != IM_OK)
		explicit_bzero(user, sizeof *user);
	return err;
}

/* The level of a session's user on a database. */
static enum im_err
auth_level(const struct call *c, const struct session *session, const struct database *db,
    enum meta_level *level)
{
	enum im_err err = IM_OK;

	*level = META_LEVEL_SYSADMIN;
	if (session->user[0])
		err = meta_permission(c->server->meta, session->user, db->name, level);
	if (err == IM_OK && db->is_system && *level != META_LEVEL_SYSADMIN)
		*level = META_LEVEL_NONE;
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
	err = auth_level(c, session, db, &level);
	if (err != IM_OK)
		return err;
	if (level == META_LEVEL_NONE)
		return IM_ERR_DATABASE_PERMISSION;
	session->database = db;
	session->level = level;
	return IM_OK;
}

/* A login whose password was right. */
struct auth_entry {
	struct meta_user user;
	enum session_kind kind;
	const char *database; /* NULL: none is selected */
	bool any_user;        /* also one without permission there, whose session then has none */
};

/* What the user may do now, unless the one who proved to be it is not any more. */
static enum im_err
auth_read_rights(struct call *c, const struct auth_entry *entry, struct session *session)
{
	struct server *s = c->server;
	struct meta_user now;
	enum meta_level all;
	enum im_err err;

	*session = (struct session){.kind = entry->kind, .epoch = sessions_epoch(s->sessions)};
	memcpy(session->user, entry->user.name, sizeof session->user);
	session->must_change_password = c->default_password && s->options.require_password_change;
	err = meta_user_get(s->meta, bytes_str(entry->user.name), &now);
	if (err == IM_ERR_NOT_FOUND || (err == IM_OK && strcmp(now.hash, entry->user.hash) != 0))
		err = IM_ERR_CREDENTIALS;
	if (err == IM_OK && !now.active)
		err = IM_ERR_USER_INACTIVE;
	explicit_bzero(&now, sizeof now);
	if (err == IM_OK)
		err = meta_permission(s->meta, session->user, META_ALL_DATABASES, &all);
	session->is_sysadmin = err == IM_OK && all == META_LEVEL_SYSADMIN;
	if (err == IM_OK && entry->database) {
		err = auth_bind(c, session, bytes_str(entry->database));
		if (err == IM_ERR_DATABASE_PERMISSION && entry->any_user)
			err = IM_OK;
	}
	return err;
}

/* Starts a session; its text comes from the arena. Errors as sessions_start(). */
static enum im_err
auth_start(struct call *c, const struct session *session, char **text)
{
	enum im_err err;

	*text = arena_alloc(call_arena(c), SESSION_TEXT_MAX);
	if (!*text)
		return IM_ERR_NOMEM;
	err = sessions_start(c->server->sessions, session, c->request->peer->address, *text);
	if (err == IM_OK)
		rpc_request_set_authenticated(c->request);
	return err;
}

/* Starts the session of a login with the rights of now. */
static enum im_err
auth_enter(struct call *c, struct auth_entry *entry, char **text)
{
	struct session session;
	enum im_err err = IM_ERR_ILLEGAL_STATE;

	for (int i = 0; err == IM_ERR_ILLEGAL_STATE && i < AUTH_TRIES_MAX; i++) {
		err = auth_read_rights(c, entry, &session);
		if (err == IM_OK)
			err = auth_start(c, &session, text);
	}
	explicit_bzero(entry->user.hash, sizeof entry->user.hash);
	return err == IM_ERR_ILLEGAL_STATE ? IM_ERR_BUSY : err;
}

enum im_err
handle_Login(struct call *c)
{
	const Immudb__Schema__LoginRequest *in = (const void *)c->in;
	Immudb__Schema__LoginResponse *out;
	struct auth_entry entry = {.kind = SESSION_TOKEN, .any_user = true};
	enum im_err err;

	if (!c->server->options.auth)
		return IM_ERR_AUTH_DISABLED;
	if (!c->may_block)
		return auth_queue(c, in->user, in->password);
	out = message_new(call_arena(c), &immudb__schema__login_response__descriptor);
	err = out ? auth_check(c, in->user, in->password, &entry.user) : IM_ERR_NOMEM;
	if (err != IM_OK)
		return err;
	/* With several databases to choose from, the client has to say which one it means. */
	if (databases_client_count(c->server->databases) == 1)
		entry.database = databases_default(c->server->databases)->name;
	if (c->default_password)
		out->warning = message_data(bytes_str(AUTH_WARNING));
	c->answer = &out->base;
	return auth_enter(c, &entry, &out->token);
}

/* The database named by the request in lower case, or the default one. */
static enum im_err
auth_session_database(struct call *c, const char *name, const char **out)
{
	char *lower = arena_str(call_arena(c), bytes_str(name));
	size_t i;

	if (!lower)
		return IM_ERR_NOMEM;
	for (i = 0; lower[i]; i++)
		if (lower[i] >= 'A' && lower[i] <= 'Z')
			lower[i] = (char)(lower[i] - 'A' + 'a');
	*out = lower[0] ? lower : databases_default(c->server->databases)->name;
	return IM_OK;
}

enum im_err
handle_OpenSession(struct call *c)
{
	const Immudb__Schema__OpenSessionRequest *in = (const void *)c->in;
	Immudb__Schema__OpenSessionResponse *out;
	struct auth_entry entry = {.kind = SESSION_OPEN};
	enum im_err err;

	if (!c->server->options.auth)
		return IM_ERR_AUTH_DISABLED;
	if (!c->may_block)
		return auth_queue(c, in->username, in->password);
	out = message_new(call_arena(c), &immudb__schema__open_session_response__descriptor);
	err = out ? auth_session_database(c, in->databasename, &entry.database) : IM_ERR_NOMEM;
	if (err == IM_OK)
		err = auth_check(c, in->username, in->password, &entry.user);
	if (err != IM_OK)
		return err;
	out->serveruuid = c->server->identity;
	c->answer = &out->base;
	return auth_enter(c, &entry, &out->sessionid);
}

/* A token for another database, beside the one of the session that asks. */
static enum im_err
auth_use_token(struct call *c, struct bytes name, char **text)
{
	struct session session = c->session;
	enum im_err err = IM_ERR_ILLEGAL_STATE;

	session.kind = SESSION_TOKEN;
	for (int i = 0; err == IM_ERR_ILLEGAL_STATE && i < AUTH_TRIES_MAX; i++) {
		session.epoch = sessions_epoch(c->server->sessions);
		err = call_check_session(c);
		if (err == IM_OK)
			err = auth_bind(c, &session, name);
		if (err == IM_OK)
			err = auth_start(c, &session, text);
	}
	return err == IM_ERR_ILLEGAL_STATE ? IM_ERR_BUSY : err;
}

/*
 * A token stays bound to its database, so the client gets another one; a session is switched, and
 * the token it gets is its own id.
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
	out = message_new(call_arena(c), &immudb__schema__use_database_reply__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	c->answer = &out->base;
	if (session.kind == SESSION_TOKEN)
		return auth_use_token(c, bytes_str(in->databasename), &out->token);
	err = auth_bind(c, &session, bytes_str(in->databasename));
	if (err != IM_OK)
		return err;
	out->token = arena_str(call_arena(c), c->request->session);
	if (!out->token)
		return IM_ERR_NOMEM;
	return sessions_rebind(
	    c->server->sessions, c->request->session, session.database, session.level);
}

/* Finding the session was its use. */
enum im_err
handle_KeepAlive(struct call *c)
{
	return call_answer_empty(c);
}

enum im_err
handle_Logout(struct call *c)
{
	enum im_err err = sessions_end(c->server->sessions, c->request->session);

	c->ends_session = true;
	return err == IM_OK ? call_answer_empty(c) : err;
}

enum im_err
handle_CloseSession(struct call *c)
{
	return handle_Logout(c);
}
