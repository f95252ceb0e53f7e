/*
 * Connecting, the session, and what a connection tells about itself.
 *
 * Invariants: the identity of the server is checked before anything else is asked of it; the token
 * and every password are wiped when they are done with; a change of the database first ends what
 * is in flight and persists the trusted state of the old one.
 */
#include <ctype.h>
#include <stdlib.h>

#include "client/client.h"
#include "tls/tls_client.h"
#include "util/file.h"
#include "util/keyfile.h"
#include "util/version.h"

/* Room for addresses, paths and names. */
#define NAME_MAX_BYTES 8192

struct rpc_call
client_rpc_call(const struct immu *c, enum rpc_method_id method, const ProtobufCMessage *request)
{
	return (struct rpc_call){.method = (uint16_t)method,
	    .session = bytes_of(c->token.data, c->token.len ? c->token.len - 1 : 0),
	    .request = request,
	    .timeout_ms = c->request_timeout_ms};
}

/* Replaces the content of a buffer by a string and its NUL, wiping what it held. */
static enum im_err
set_text(struct buf *b, const char *text)
{
	buf_wipe(b);
	if (!buf_append(b, text, strlen(text) + 1))
		return err_set(b->err, "%s", err_text(b->err));
	return IM_OK;
}

/* The string in such a buffer. */
static const char *
text_of(const struct buf *b)
{
	return b->len > 0 ? (const char *)b->data : "";
}

static struct immu *
new_connection(const struct immu_options *o)
{
	struct immu *c = calloc(1, sizeof *c);
	pthread_condattr_t monotonic;

	if (!c)
		return NULL;
	buf_init(&c->state_dir, NAME_MAX_BYTES);
	buf_init(&c->wanted_database, NAME_MAX_BYTES);
	buf_init(&c->database, NAME_MAX_BYTES);
	buf_init(&c->address, NAME_MAX_BYTES);
	buf_init(&c->warning, NAME_MAX_BYTES);
	buf_init(&c->token, CLIENT_TOKEN_MAX + 1);
	c->request_timeout_ms =
	    o->request_timeout_ms ? o->request_timeout_ms : CLIENT_REQUEST_TIMEOUT_MS;
	c->max_message_bytes = o->max_message_bytes ? o->max_message_bytes : CLIENT_MESSAGE_BYTES;
	c->max_in_flight = o->max_in_flight ? o->max_in_flight : IMMU_DEFAULT_IN_FLIGHT;
	c->inbox_end = &c->inbox;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&c->filled, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return c;
}

static void
free_connection(struct immu *c)
{
	trust_reset(c);
	sign_public_key_free(c->key);
	pthread_cond_destroy(&c->filled);
	pthread_mutex_destroy(&c->lock);
	buf_wipe(&c->token);
	buf_free(&c->warning);
	buf_free(&c->address);
	buf_free(&c->database);
	buf_free(&c->wanted_database);
	buf_free(&c->state_dir);
	free(c);
}

/* The address as it is pinned: what the user called the server. */
static enum im_err
address_text(const struct rpc_client_options *o, struct buf *out)
{
	bool is_v6 = !o->unix_path && strchr(o->host, ':');

	if (o->unix_path)
		buf_printf(out, "unix:%s", o->unix_path);
	else
		buf_printf(out, is_v6 ? "[%s]:%u" : "%s:%u", o->host, (unsigned)o->port);
	for (size_t i = 0; !o->unix_path && i < out->len; i++)
		out->data[i] = (uint8_t)tolower(out->data[i]);
	buf_append_u8(out, '\0');
	return out->err;
}

static enum im_err
check_identity(struct immu *c, const struct rpc_client_options *o)
{
	enum im_err err = address_text(o, &c->address);

	if (err)
		return err_set(err, "the server's address: %s", err_text(err));
	return trust_file_pin(&(struct trust_address){text_of(&c->state_dir), text_of(&c->address)},
	    c->hello->server_id, &c->is_new_server);
}

/* Everything but the connection itself. */
static enum im_err
prepare(struct immu *c, const struct immu_options *o)
{
	enum im_err err;

	if (o->port > UINT16_MAX || c->max_in_flight > IMMU_MAX_IN_FLIGHT ||
	    c->max_message_bytes > SIZE_MAX / (2 * CLIENT_ARENA_FACTOR))
		return err_set(IM_ERR_ARGUMENT, "an option of the connection is out of range");
	if (o->state_dir && *o->state_dir)
		err = set_text(&c->state_dir, o->state_dir);
	else
		err = file_state_folder(&c->state_dir);
	if (!err)
		err = set_text(&c->wanted_database, o->database ? o->database : "");
	if (!err && o->pub_key_file && *o->pub_key_file)
		err = keyfile_load_public(o->pub_key_file, &c->key);
	return err;
}

enum im_err
immu_connect(const struct immu_options *options, struct immu **out)
{
	const struct immu_options *o = options;
	struct rpc_client_options rpc = {
	    .host = o->address && *o->address ? o->address : "127.0.0.1",
	    .port = (uint16_t)(o->port ? o->port : IMMU_DEFAULT_PORT),
	    .unix_path = o->unix_path && *o->unix_path ? o->unix_path : NULL,
	    .connect_timeout_ms =
		o->connect_timeout_ms ? o->connect_timeout_ms : CLIENT_CONNECT_TIMEOUT_MS,
	    .max_message_bytes = o->max_message_bytes,
	    .max_outstanding = o->max_in_flight,
	    .name = "libimmu " IMMUDB_VERSION};
	const struct tls_client tls = {.tls = o->tls && !rpc.unix_path,
	    .mtls = o->mtls && !rpc.unix_path,
	    .certificate = o->certificate,
	    .key = o->pkey,
	    .authorities = o->clientcas,
	    .name = o->servername};
	struct immu *c = new_connection(o);
	enum im_err err;

	*out = NULL;
	if (!c)
		return err_set(IM_ERR_NOMEM, "out of memory");
	rpc.tls_name = tls_client_name(&tls);
	err = prepare(c, o);
	if (!err)
		err = tls_client_context(&tls, &rpc.tls);
	if (!err)
		err = rpc_client_connect(&rpc, &c->rpc);
	tls_context_free(rpc.tls);
	if (err)
		goto out;
	c->hello = rpc_client_hello(c->rpc);
	if (c->hello->max_outstanding > 0 && c->max_in_flight > c->hello->max_outstanding)
		c->max_in_flight = c->hello->max_outstanding;
	err = check_identity(c, &rpc);
out:
	if (err) {
		rpc_client_close(c->rpc);
		free_connection(c);
	} else {
		*out = c;
	}
	return err;
}

enum im_err
immu_close(struct immu *c)
{
	struct rpc_client_conn *rpc;
	enum im_err err;

	if (!c)
		return IM_OK;
	err = trust_persist(c);
	/* Closing the transport first makes sure that no answer comes to a call that is gone. */
	rpc = c->rpc;
	c->rpc = NULL;
	rpc_client_close(rpc);
	while (c->first) {
		err_set(IM_ERR_CANCELLED, "the connection was closed");
		call_finish(c->first, IM_ERR_CANCELLED);
	}
	free_connection(c);
	return err;
}

/* Calls and waits; for requests about the session. */
enum im_err
client_ask(struct immu *c, enum rpc_method_id method, const ProtobufCMessage *request,
    struct arena *arena, ProtobufCMessage **answer)
{
	struct rpc_call call = client_rpc_call(c, method, request);

	return rpc_call_wait(c->rpc, &call, arena, answer, NULL);
}

/* Ends what is in flight and writes the trusted state, before the session changes. */
static enum im_err
leave_database(struct immu *c)
{
	enum im_err err;

	if (c->in_callback)
		return err_set(IM_ERR_ARGUMENT, "a callback must not wait");
	err = immu_wait(c);
	/* A fork was told to whoever met it; the session may still end or go elsewhere. */
	if (c->trust.is_forked)
		return IM_OK;
	return err ? err : trust_persist(c);
}

/* From here on the trusted state is that of this database. */
static enum im_err
enter_database(struct immu *c, const char *database)
{
	trust_reset(c);
	c->last_write_tx = 0;
	return set_text(&c->database, database);
}

static enum im_err
use_database(struct immu *c, const char *database)
{
	Immudb__Schema__Database request = IMMUDB__SCHEMA__DATABASE__INIT;
	struct arena arena;
	ProtobufCMessage *answer;
	enum im_err err;

	arena_init(&arena, CLIENT_ARENA_BASE);
	request.databasename = (char *)(uintptr_t)database;
	err = client_ask(c, RPC_METHOD_UseDatabase, &request.base, &arena, &answer);
	if (!err)
		err = set_text(&c->token, ((Immudb__Schema__UseDatabaseReply *)answer)->token);
	if (!err)
		err = enter_database(c, database);
	arena_free(&arena);
	return err;
}

static enum im_err
take_login(struct immu *c, const Immudb__Schema__LoginResponse *answer)
{
	enum im_err err = set_text(&c->token, answer->token);

	buf_clear(&c->warning);
	if (!err && answer->warning.len > 0 &&
	    !memchr(answer->warning.data, '\0', answer->warning.len))
		buf_append_bytes(&c->warning, decode_bytes(answer->warning));
	buf_append_u8(&c->warning, '\0');
	if (!err && c->warning.err)
		err = err_set(c->warning.err, "%s", err_text(c->warning.err));
	if (!err)
		err = enter_database(c, "");
	return err;
}

/* Ends a session that nobody will use any more; if that fails it expires by itself. */
static void
drop_session(struct immu *c, struct bytes token)
{
	struct rpc_call call = {
	    .method = RPC_METHOD_Logout, .session = token, .timeout_ms = c->request_timeout_ms};
	struct arena arena;
	ProtobufCMessage *answer;

	arena_init(&arena, CLIENT_ARENA_BASE);
	(void)rpc_call_wait(c->rpc, &call, &arena, &answer, NULL);
	arena_free(&arena);
}

/*
 * Selects the database of the options, or the default one if the user may. That gives a session of
 * its own; the one that login gave is not needed then.
 */
static enum im_err
select_database(struct immu *c)
{
	const char *wanted = text_of(&c->wanted_database);
	struct buf first;
	enum im_exit reason;
	enum im_err err;

	buf_init(&first, CLIENT_TOKEN_MAX + 1);
	err = set_text(&first, text_of(&c->token));
	if (!err)
		err = use_database(c, *wanted ? wanted : c->hello->default_database);
	if (!err && strcmp(text_of(&first), text_of(&c->token)) != 0)
		drop_session(c, bytes_of(first.data, first.len - 1));
	buf_wipe(&first);
	reason = err_exit_code(err);
	if (!*wanted && (reason == IM_EXIT_DENIED || reason == IM_EXIT_NOT_FOUND))
		return IM_OK;
	return err;
}

enum im_err
immu_login(struct immu *c, const char *user, const char *password, const char **warning)
{
	Immudb__Schema__LoginRequest request = IMMUDB__SCHEMA__LOGIN_REQUEST__INIT;
	struct arena arena;
	ProtobufCMessage *answer;
	enum im_err err = leave_database(c);

	if (err)
		return err;
	arena_init(&arena, CLIENT_ARENA_BASE);
	request.user = (ProtobufCBinaryData){strlen(user), (uint8_t *)(uintptr_t)user};
	request.password = (ProtobufCBinaryData){strlen(password), (uint8_t *)(uintptr_t)password};
	buf_wipe(&c->token);
	err = client_ask(c, RPC_METHOD_Login, &request.base, &arena, &answer);
	if (!err)
		err = take_login(c, (Immudb__Schema__LoginResponse *)answer);
	if (!err)
		err = select_database(c);
	if (!err && warning)
		*warning = text_of(&c->warning);
	arena_free(&arena);
	return err;
}

enum im_err
immu_logout(struct immu *c)
{
	struct arena arena;
	ProtobufCMessage *answer;
	enum im_err err = leave_database(c);

	if (err)
		return err;
	arena_init(&arena, CLIENT_ARENA_BASE);
	err = client_ask(c, RPC_METHOD_Logout, NULL, &arena, &answer);
	arena_free(&arena);
	if (!err) {
		buf_wipe(&c->token);
		err = enter_database(c, "");
	}
	return err;
}

enum im_err
immu_use(struct immu *c, const char *database)
{
	enum im_err err = leave_database(c);

	return err ? err : use_database(c, database);
}

const char *
immu_token(const struct immu *c)
{
	return text_of(&c->token);
}

enum im_err
immu_resume(struct immu *c, const char *token, const char *database)
{
	enum im_err err = leave_database(c);

	if (!err && strlen(token) > CLIENT_TOKEN_MAX)
		err = err_set(IM_ERR_ARGUMENT, "not a session token");
	if (!err)
		err = set_text(&c->token, token);
	if (!*token)
		database = c->hello->default_database;
	return err ? err : enter_database(c, database);
}

const char *
immu_database(const struct immu *c)
{
	return text_of(&c->database);
}

bool
immu_is_connected(struct immu *c)
{
	return rpc_client_is_usable(c->rpc);
}

const char *
immu_server_id(const struct immu *c)
{
	return c->hello->server_id;
}

enum im_err
immu_trust(struct immu *c)
{
	return trust_load(c);
}

enum im_err
immu_persist(struct immu *c)
{
	if (c->in_callback)
		return err_set(IM_ERR_ARGUMENT, "a callback must not wait");
	return trust_persist(c);
}

bool
immu_trusted_state(const struct immu *c, struct immu_state *out)
{
	const struct trust_state *state = &c->trust.state;

	if (!c->trust.is_known)
		return false;
	*out = (struct immu_state){.tx = state->point.id,
	    .database = text_of(&c->database),
	    .is_signed = state->signature_len > 0};
	memcpy(out->hash, state->point.alh.b, HASH_SIZE);
	return true;
}

bool
immu_first_contact(const struct immu *c)
{
	return c->is_new_server || c->trust.is_first_contact;
}

const char *
immu_error_text(enum im_err err)
{
	return err_detail(err);
}

const char *
immu_error_name(enum im_err err)
{
	return err_name(err);
}

enum im_exit
immu_exit_code(enum im_err err)
{
	return err_exit_code(err);
}

struct immu_bytes
immu_str(const char *s)
{
	return (struct immu_bytes){s, strlen(s)};
}

const char *
immu_version(void)
{
	return IMMUDB_VERSION;
}
