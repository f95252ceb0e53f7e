/*
 * Connections and sessions of the one-shot commands. Neighbours: session_file.c (the file),
 * client/immu.h (the server), the command tables of programs.
 *
 * Invariants: the trusted state is persisted before a command prints `verified`; a password is
 * wiped as soon as it was used; the stored session is changed only by login, use and logout, and by
 * logging in again after it expired.
 */
#include "cli/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/session_file.h"
#include "cli/tls_options.h"
#include "crypto/hash.h"
#include "util/file.h"
#include "util/hex.h"
#include "util/prompt.h"

#define PATH_MAX_BYTES 8192
#define NAME_MAX_BYTES 128
/* A key and a value of the greatest length, decoded, and what blocks round up to. */
#define MEMORY_MAX_BYTES (96u * 1024 * 1024)
/* A server that is there answers at once, however long its requests may take. */
#define CONNECT_MAX_MS 10000

/* The server's name, as the user gave it. */
static void
address_text(const struct options *o, struct buf *out)
{
	const char *path = options_string(o, "immudb-socket");

	if (*path)
		buf_printf(out, "unix:%s", path);
	else
		buf_printf(out, "%s:%d", options_string(o, "immudb-address"),
		    (int)options_int(o, "immudb-port"));
	buf_append_u8(out, '\0');
}

/* Appends the path of the session file: --tokenfile, or one by program and address. */
static enum im_err
session_path(const struct session *s, const char *address, struct buf *out)
{
	const struct options *o = s->options;
	const char *tokenfile = options_string(o, "tokenfile");
	const char *folder = options_string(o, "state-dir");
	struct buf default_folder;
	struct hash hash;
	const char *program = s->call->program->root->name;
	char digits[HASH_SIZE + 1], name[NAME_MAX_BYTES];
	enum im_err err = IM_OK;

	if (*tokenfile) {
		buf_append(out, tokenfile, strlen(tokenfile) + 1);
		return out->err;
	}
	buf_init(&default_folder, PATH_MAX_BYTES);
	hash_sha256(bytes_str(address), &hash);
	hex_encode(bytes_of(hash.b, HASH_SIZE / 2), digits);
	snprintf(name, sizeof name, "%s-session-%s", program, digits);
	if (!*folder) {
		err = file_state_folder(&default_folder);
		folder = err ? NULL : (const char *)default_folder.data;
	}
	if (!err)
		err = file_join(out, folder, name);
	buf_free(&default_folder);
	return err;
}

/* Runs f with the path and address of the session file. */
static enum im_err
with_session_file(
    struct session *s, enum im_err (*f)(struct session *s, const char *path, const char *address))
{
	struct buf address, path;
	enum im_err err;

	buf_init(&address, PATH_MAX_BYTES);
	buf_init(&path, PATH_MAX_BYTES);
	address_text(s->options, &address);
	err = address.err;
	if (!err)
		err = session_path(s, (const char *)address.data, &path);
	if (!err)
		err = f(s, (const char *)path.data, (const char *)address.data);
	buf_free(&path);
	buf_free(&address);
	return err;
}

static enum im_err
store_to(struct session *s, const char *path, const char *address)
{
	struct session_record record;
	enum im_err err;

	session_record_init(&record);
	err = session_record_set(&record, address, (const char *)s->link->user.data,
	    immu_database(s->c), immu_token(s->c));
	if (!err)
		err = session_record_write(path, &record);
	session_record_free(&record);
	return err;
}

enum im_err
session_store(struct session *s)
{
	return with_session_file(s, store_to);
}

static enum im_err
forget_at(struct session *s, const char *path, const char *address)
{
	(void)s;
	(void)address;
	if (unlink(path) == 0)
		return file_sync_parent(path);
	return IM_OK;
}

enum im_err
session_forget(struct session *s)
{
	return with_session_file(s, forget_at);
}

static enum im_err
set_user(struct session *s, const char *user)
{
	buf_clear(&s->link->user);
	buf_append(&s->link->user, user, strlen(user) + 1);
	return s->link->user.err;
}

/* Who the session must be of: --username, or whoever the shell is; else anyone. */
static const char *
wanted_user(const struct session *s)
{
	const char *user = options_string(s->options, "username");

	return s->link->is_shell && *(const char *)s->link->user.data
	    ? (const char *)s->link->user.data
	    : user;
}

/* Whether the stored session is one for this server and for who is wanted. */
static bool
is_wanted(const struct session *s, const struct session_record *record, const char *address)
{
	const char *user = wanted_user(s);

	return strcmp((const char *)record->address.data, address) == 0 &&
	    (!*user || strcmp((const char *)record->user.data, user) == 0);
}

/* Goes on with the stored session. IM_ERR_NOT_LOGGED_IN when there is none that is wanted. */
static enum im_err
resume_from(struct session *s, const char *path, const char *address)
{
	struct session_record record;
	enum im_err err;

	session_record_init(&record);
	err = session_record_read(path, &record);
	s->keeps_stored = !err && !is_wanted(s, &record, address);
	if (err == IM_ERR_NOT_FOUND || s->keeps_stored)
		err = err_set(IM_ERR_NOT_LOGGED_IN, "%s", err_text(IM_ERR_NOT_LOGGED_IN));
	if (!err)
		err = set_user(s, (const char *)record.user.data);
	if (!err)
		err = immu_resume(
		    s->c, (const char *)record.token.data, (const char *)record.database.data);
	session_record_free(&record);
	return err;
}

static bool
has_credentials(const struct options *o)
{
	return *options_string(o, "username") && *options_string(o, "password");
}

enum im_err
session_password(struct session *s, struct buf *out)
{
	const char *password = options_string(s->options, "password");
	enum im_err err;

	if (*password) {
		buf_append(out, password, strlen(password) + 1);
		return out->err;
	}
	err = prompt_password("Password: ", out);
	if (err == IM_ERR_FORMAT)
		return err_set(IM_ERR_CREDENTIALS, "no password was given");
	if (!err)
		buf_append_u8(out, '\0');
	return err ? err : out->err;
}

enum im_err
session_login_with(struct session *s, const char *user, const char *password, const char **warning)
{
	enum im_err err = immu_login(s->c, user, password, warning);

	if (!err)
		err = set_user(s, user);
	if (err)
		return err;
	s->is_own_session = s->keeps_stored;
	s->link->owns_session = false;
	return s->keeps_stored ? IM_OK : session_store(s);
}

enum im_err
session_login_by_certificate(struct session *s, const char *user, const char **warning)
{
	enum im_err err;

	if (!options_bool(s->options, "mtls") || *options_string(s->options, "password"))
		return IM_ERR_UNIMPLEMENTED;
	err = session_login_with(s, user, "", warning);
	/* With more to say, the server has looked at the certificate. */
	return err == IM_ERR_CREDENTIALS && strcmp(err_detail(err), err_text(err)) == 0
	    ? IM_ERR_UNIMPLEMENTED
	    : err;
}

enum im_err
session_login(struct session *s, const char *user, const char **warning)
{
	struct buf password;
	enum im_err err = session_login_by_certificate(s, user, warning);

	if (err != IM_ERR_UNIMPLEMENTED)
		return err;
	buf_init(&password, PROMPT_MAX_BYTES + 1);
	err = session_password(s, &password);
	if (!err)
		err = session_login_with(s, user, (const char *)password.data, warning);
	buf_wipe(&password);
	return err;
}

enum im_err
session_trust(struct session *s)
{
	enum im_err err;

	if (!*immu_database(s->c))
		return IM_OK;
	err = immu_trust(s->c);
	if (!err && immu_first_contact(s->c) && strcmp(s->link->told, immu_database(s->c)) != 0) {
		output_note(s->out, "first contact: trusting server %s and the state of %s",
		    immu_server_id(s->c), immu_database(s->c));
		snprintf(s->link->told, sizeof s->link->told, "%s", immu_database(s->c));
	}
	return err;
}

enum im_err
session_ask(struct session *s, const struct immu_request *request, struct immu_result **out)
{
	enum im_err err = immu_run(s->c, request, out);

	if (err)
		return err;
	s->may_login_again = false;
	if (request->verified)
		err = session_trust(s);
	if (!err && request->verified)
		err = immu_persist(s->c);
	if (err) {
		immu_result_free(*out);
		*out = NULL;
	}
	return err;
}

bool
session_is_safe(const struct session *s)
{
	return strncmp(s->call->command->name, "safe", 4) == 0;
}

/* Selects --database if the session is on another one; the stored session stays as it is. */
static enum im_err
apply_database(struct session *s)
{
	const char *database = options_string(s->options, "database");
	enum im_err err;

	/* That of the shell's own command line is chosen when the shell begins, and may be left. */
	if (s->link->is_shell && options_origin(s->options, "database") != OPTION_FROM_FLAG)
		return IM_OK;
	if (!*database || strcmp(database, immu_database(s->c)) == 0)
		return IM_OK;
	err = immu_use(s->c, database);
	s->is_own_session = !err;
	return err;
}

/* A shell is one user, until login makes it another one. */
static enum im_err
check_same_user(const struct session *s)
{
	const char *user = options_string(s->options, "username");
	const char *present = (const char *)s->link->user.data;

	if (options_origin(s->options, "username") != OPTION_FROM_FLAG || !*present ||
	    strcmp(user, present) == 0)
		return IM_OK;
	return err_set(
	    IM_ERR_USAGE, "this is a shell of %s; \"login %s\" changes that", present, user);
}

/* On a new connection a shell goes on where it was, whatever the stored session is on. */
static enum im_err
return_to_database(struct session *s)
{
	const char *database = (const char *)s->link->database.data;
	enum im_err err;

	if (!s->link->is_shell || !*database || strcmp(database, immu_database(s->c)) == 0)
		return IM_OK;
	err = immu_use(s->c, database);
	s->link->owns_session = !err;
	return err;
}

/* Where a shell is after a command that did not go elsewhere for itself alone. */
static void
remember_database(const struct session *s)
{
	struct buf *database = &s->link->database;

	if (!s->link->is_shell || s->is_own_session || !s->c || !*immu_database(s->c))
		return;
	buf_clear(database);
	buf_append_str(database, immu_database(s->c));
	buf_append_u8(database, '\0');
}

static enum im_err
enter(struct session *s)
{
	enum im_err err = check_same_user(s);

	/* In a shell the connection goes on as the command before left it. */
	if (err || *immu_token(s->c))
		return err ? err : apply_database(s);
	err = with_session_file(s, resume_from);

	if (err == IM_ERR_NOT_LOGGED_IN && has_credentials(s->options) &&
	    strcmp(wanted_user(s), options_string(s->options, "username")) == 0) {
		err = session_login(s, options_string(s->options, "username"), NULL);
	} else if (err == IM_ERR_NOT_LOGGED_IN && *options_string(s->options, "username") &&
	    options_bool(s->options, "mtls")) {
		err = session_login_by_certificate(s, options_string(s->options, "username"), NULL);
		err = err == IM_ERR_UNIMPLEMENTED ? IM_ERR_NOT_LOGGED_IN : err;
	} else if (err == IM_ERR_NOT_LOGGED_IN) {
		/* A server without authentication knows no sessions; any other one will refuse. */
		err = immu_resume(s->c, "", "");
	}
	if (!err)
		err = return_to_database(s);
	return err ? err : apply_database(s);
}

static bool
is_session_lost(enum im_err err)
{
	return err == IM_ERR_NOT_LOGGED_IN || err == IM_ERR_TOKEN_EXPIRED ||
	    err == IM_ERR_SESSION_NOT_FOUND;
}

/* A shell has one connection; a line of it cannot ask for another one. */
static enum im_err
check_same_server(const struct session *s)
{
	static const char *const names[] = {"immudb-address", "immudb-port", "immudb-socket", "tls",
	    "mtls", "servername", "certificate", "pkey", "clientcas", "state-dir",
	    "server-signing-pub-key"};

	for (size_t i = 0; s->link->c && i < sizeof names / sizeof *names; i++)
		if (options_origin(s->options, names[i]) == OPTION_FROM_FLAG)
			return err_set(IM_ERR_USAGE,
			    "--%s can be given when the shell is started, not inside", names[i]);
	return IM_OK;
}

enum im_err
session_connect(struct session *s)
{
	const struct options *o = s->options;
	int64_t timeout_ms = options_duration_ms(o, "timeout");
	struct tls_client tls;
	struct immu_options connection = {.address = options_string(o, "immudb-address"),
	    .port = (unsigned)options_int(o, "immudb-port"),
	    .unix_path = options_string(o, "immudb-socket"),
	    .database = options_string(o, "database"),
	    .state_dir = options_string(o, "state-dir"),
	    .pub_key_file = options_string(o, "server-signing-pub-key"),
	    .connect_timeout_ms =
		(unsigned)(timeout_ms < CONNECT_MAX_MS ? timeout_ms : CONNECT_MAX_MS),
	    .request_timeout_ms = (unsigned)timeout_ms,
	    .max_message_bytes = options_size(o, "max-recv-msg-size"),
	    .max_in_flight = IMMU_MAX_IN_FLIGHT};
	enum im_err err = check_same_server(s);

	tls_options_get(o, &tls);
	connection.tls = tls.tls;
	connection.mtls = tls.mtls;
	connection.certificate = tls.certificate;
	connection.pkey = tls.key;
	connection.clientcas = tls.authorities;
	connection.servername = tls.name;
	if (!err && !s->link->c)
		err = immu_connect(&connection, &s->link->c);
	s->c = s->link->c;
	return err;
}

/* Who is to log in again after the session was lost, or NULL when nobody can be asked. */
static const char *
lost_user(const struct session *s)
{
	if (has_credentials(s->options))
		return options_string(s->options, "username");
	if (s->link->is_shell && isatty(STDIN_FILENO) && *(const char *)s->link->user.data)
		return (const char *)s->link->user.data;
	return NULL;
}

/*
 * The stored session goes on where it was; when that is gone, whoever names another one does not
 * need it.
 */
static enum im_err
return_to_stored(struct session *s, const char *database)
{
	enum im_err err = immu_use(s->c, database);

	if (err == IM_ERR_DATABASE_NOT_FOUND && *options_string(s->options, "database"))
		return IM_OK;
	return err ? err : session_store(s);
}

/*
 * The session has expired: begins another one on the same database, and does the work again where
 * it belongs.
 */
static enum im_err
renew(struct session *s, const char *user, session_work *work)
{
	const char *place = s->link->is_shell ? (const char *)s->link->database.data : "";
	const char *database = *place ? place : immu_database(s->c);
	char *same = arena_str(&s->memory, bytes_str(database));
	enum im_err err = same ? IM_OK : IM_ERR_NOMEM;

	if (!err && s->link->is_shell)
		output_note(s->out, "the session of %s has expired", user);
	if (!err)
		err = session_login(s, user, NULL);
	if (!err && *same && strcmp(same, immu_database(s->c)) != 0)
		err = return_to_stored(s, same);
	if (!err)
		err = apply_database(s);
	return err ? err : work(s);
}

static enum im_err
run_work(struct session *s, enum session_need need, session_work *work)
{
	enum im_err err = need == SESSION_LOGGED_IN ? enter(s) : IM_OK;
	const char *user;

	if (!err)
		err = work(s);
	user = lost_user(s);
	if (is_session_lost(err) && s->may_login_again && need == SESSION_LOGGED_IN && user)
		err = renew(s, user, work);
	if (err == IM_ERR_NOT_LOGGED_IN && strcmp(err_detail(err), err_text(err)) == 0)
		return err_set(err, "%s, please login first", err_text(err));
	return err;
}

enum im_err
session_link_init(struct session_link *link, bool is_shell)
{
	*link = (struct session_link){.is_shell = is_shell};
	buf_init(&link->user, PATH_MAX_BYTES);
	buf_append_u8(&link->user, '\0');
	buf_init(&link->database, PATH_MAX_BYTES);
	buf_append_u8(&link->database, '\0');
	return link->user.err ? link->user.err : link->database.err;
}

enum im_err
session_link_close(struct session_link *link)
{
	enum im_err err = immu_close(link->c);

	buf_free(&link->database);
	buf_free(&link->user);
	link->c = NULL;
	return err;
}

/* After a command: whether the shell's next one can go on with this connection. */
static bool
is_link_usable(const struct session *s, enum im_err err)
{
	return s->link->is_shell && !s->is_own_session && err != IM_ERR_CONNECTION_LOST &&
	    err != IM_ERR_UNREACHABLE && err != IM_ERR_TIMEOUT && err != IM_ERR_PROTOCOL;
}

static enum im_err
leave(struct session *s, enum im_err err)
{
	enum im_err close_err;

	if (is_link_usable(s, err))
		return IM_OK;
	if (s->is_own_session && s->c)
		(void)immu_logout(s->c);
	close_err = immu_close(s->c);
	s->link->c = s->c = NULL;
	s->link->owns_session = false;
	return close_err;
}

/* Runs the work on a link; s has its call, options and output. */
static int
run_linked(struct session *s, enum session_need need, session_work *work)
{
	enum im_err err = IM_OK, close_err;
	int code;

	arena_init(&s->memory, MEMORY_MAX_BYTES);
	if (need != SESSION_OFFLINE)
		err = session_connect(s);
	if (!err)
		err = run_work(s, need, work);
	if (!err)
		remember_database(s);
	/* output_error() shows the detail of the thread, which closing may replace. */
	code = err ? (int)output_error(s->out, err) : IM_EXIT_OK;
	close_err = need == SESSION_OFFLINE ? IM_OK : leave(s, err);
	if (!err && close_err)
		code = (int)output_error(s->out, close_err);
	arena_free(&s->memory);
	err = output_flush(s->out);
	if (err && code == IM_EXIT_OK)
		code = (int)output_error(s->out, err);
	return code;
}

/* By --hex and --base64. */
static enum im_err
choose_bytes_form(struct session *s)
{
	bool hex, base64;

	if (!options_has(s->options, "hex"))
		return IM_OK;
	hex = options_bool(s->options, "hex");
	base64 = options_bool(s->options, "base64");
	if (hex && base64)
		return err_set(IM_ERR_USAGE, "--hex and --base64 exclude each other");
	if (hex || base64)
		output_bytes_form(s->out, hex ? OUTPUT_BYTES_HEX : OUTPUT_BYTES_BASE64);
	return IM_OK;
}

int
session_run(struct command_call *call, enum session_need need, session_work *work)
{
	struct session_link *shared = (struct session_link *)call->context, own = {0};
	struct session s = {.call = call,
	    .options = call->options,
	    .link = shared ? shared : &own,
	    .out = output_new((enum output_format)options_enum(call->options, "output"),
		STDOUT_FILENO, STDERR_FILENO, call->program->root->name),
	    .may_login_again = true};
	enum im_err err;
	int code;

	if (!s.out) {
		fprintf(stderr, "%s: %s\n", call->program->root->name, err_text(IM_ERR_NOMEM));
		return IM_EXIT_ERROR;
	}
	err = choose_bytes_form(&s);
	if (!err && !shared)
		err = session_link_init(&own, false);
	code = err ? (int)output_error(s.out, err) : run_linked(&s, need, work);
	if (!shared)
		(void)session_link_close(&own);
	(void)output_close(s.out);
	return code;
}
