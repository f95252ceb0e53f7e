/*
 * Connections and sessions of the one-shot commands. Neighbours: session_file.c (the file),
 * client/immu.h (the server), command tables in main.c.
 *
 * Invariants: the trusted state is persisted before a command prints `verified`; a password is
 * wiped as soon as it was used; the stored session is changed only by login, use and logout, and by
 * logging in again after it expired.
 */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "session_file.h"
#include "util/file.h"
#include "util/hex.h"
#include "util/prompt.h"

#define PATH_MAX_BYTES 8192
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

/* Appends the path of the session file: --tokenfile, or one by address in the state folder. */
static enum im_err
session_path(const struct options *o, const char *address, struct buf *out)
{
	const char *tokenfile = options_string(o, "tokenfile");
	const char *folder = options_string(o, "state-dir");
	struct buf default_folder;
	struct hash hash;
	char name[16 + HASH_SIZE + 1] = "session-";
	enum im_err err = IM_OK;

	if (*tokenfile) {
		buf_append(out, tokenfile, strlen(tokenfile) + 1);
		return out->err;
	}
	buf_init(&default_folder, PATH_MAX_BYTES);
	hash_sha256(bytes_str(address), &hash);
	hex_encode(bytes_of(hash.b, HASH_SIZE / 2), name + strlen(name));
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
		err = session_path(s->options, (const char *)address.data, &path);
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
	err = session_record_set(
	    &record, address, (const char *)s->user.data, immu_database(s->c), immu_token(s->c));
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
	buf_clear(&s->user);
	buf_append(&s->user, user, strlen(user) + 1);
	return s->user.err;
}

/* Whether the stored session is one for this server and for --username. */
static bool
is_wanted(const struct session *s, const struct session_record *record, const char *address)
{
	const char *user = options_string(s->options, "username");

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
	if (err == IM_ERR_NOT_FOUND || (!err && !is_wanted(s, &record, address)))
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

/* The password of the options, else from the terminal or the input's first line. */
static enum im_err
get_password(const struct options *o, struct buf *out)
{
	const char *password = options_string(o, "password");
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
session_login(struct session *s, const char *user, const char **warning)
{
	struct buf password;
	enum im_err err;

	buf_init(&password, PROMPT_MAX_BYTES + 1);
	err = get_password(s->options, &password);
	if (!err)
		err = immu_login(s->c, user, (const char *)password.data, warning);
	buf_wipe(&password);
	if (!err)
		err = set_user(s, user);
	return err ? err : session_store(s);
}

enum im_err
session_trust(struct session *s)
{
	enum im_err err;

	if (!*immu_database(s->c))
		return IM_OK;
	err = immu_trust(s->c);
	if (!err && immu_first_contact(s->c))
		output_note(s->out, "first contact: trusting server %s and the state of %s",
		    immu_server_id(s->c), immu_database(s->c));
	return err;
}

/* Selects --database if the session is on another one; the stored session stays as it is. */
static enum im_err
apply_database(struct session *s)
{
	const char *database = options_string(s->options, "database");
	enum im_err err;

	if (!*database || strcmp(database, immu_database(s->c)) == 0)
		return IM_OK;
	err = immu_use(s->c, database);
	s->is_own_session = !err;
	return err;
}

static enum im_err
enter(struct session *s)
{
	enum im_err err = with_session_file(s, resume_from);

	if (err == IM_ERR_NOT_LOGGED_IN && has_credentials(s->options)) {
		err = session_login(s, options_string(s->options, "username"), NULL);
	} else if (err == IM_ERR_NOT_LOGGED_IN) {
		/* A server without authentication knows no sessions; any other one will refuse. */
		err = immu_resume(s->c, "", "");
	}
	return err ? err : apply_database(s);
}

static bool
is_session_lost(enum im_err err)
{
	return err == IM_ERR_NOT_LOGGED_IN || err == IM_ERR_TOKEN_EXPIRED ||
	    err == IM_ERR_SESSION_NOT_FOUND;
}

static enum im_err
connect_by_options(struct session *s)
{
	const struct options *o = s->options;
	int64_t timeout_ms = options_duration_ms(o, "timeout");
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

	return immu_connect(&connection, &s->c);
}

static enum im_err
run_work(struct session *s, enum session_need need, session_work *work)
{
	enum im_err err = need == SESSION_LOGGED_IN ? enter(s) : IM_OK;

	if (!err)
		err = work(s);
	if (is_session_lost(err) && s->may_login_again && need == SESSION_LOGGED_IN &&
	    has_credentials(s->options)) {
		err = session_login(s, options_string(s->options, "username"), NULL);
		if (!err)
			err = work(s);
	}
	if (err == IM_ERR_NOT_LOGGED_IN && strcmp(err_detail(err), err_text(err)) == 0)
		return err_set(err, "%s, please login first", err_text(err));
	return err;
}

int
session_run(struct command_call *call, enum session_need need, session_work *work)
{
	struct session s = {.call = call,
	    .options = call->options,
	    .out = output_new((enum output_format)options_enum(call->options, "output"),
		STDOUT_FILENO, STDERR_FILENO, "immuclient"),
	    .may_login_again = true};
	enum im_err err, close_err;
	int code;

	if (!s.out) {
		fprintf(stderr, "%s: %s\n", call->program->root->name, err_text(IM_ERR_NOMEM));
		return IM_EXIT_ERROR;
	}
	buf_init(&s.user, PATH_MAX_BYTES);
	err = set_user(&s, "");
	if (!err)
		err = connect_by_options(&s);
	if (!err)
		err = run_work(&s, need, work);
	/* output_error() shows the detail of the thread, which closing may replace. */
	code = err ? (int)output_error(s.out, err) : IM_EXIT_OK;
	if (s.is_own_session && s.c)
		(void)immu_logout(s.c);
	close_err = immu_close(s.c);
	if (!err && close_err)
		code = (int)output_error(s.out, close_err);
	err = output_flush(s.out);
	if (err && code == IM_EXIT_OK)
		code = (int)output_error(s.out, err);
	(void)output_close(s.out);
	buf_free(&s.user);
	return code;
}
