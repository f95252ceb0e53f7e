/*
 * "immuadmin backup": stops the server, copies its data folder, starts it again. Neighbours:
 * cold_server.c (the server), cold_states.c (what is in the folder), cold_pack.c (the copy).
 *
 * Invariant: a server that was stopped here is started again, whatever happens in between, except
 * that this process is killed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin_commands.h"
#include "client/immu_admin.h"
#include "cold_pack.h"
#include "cold_place.h"
#include "cold_server.h"
#include "cold_signals.h"
#include "cold_states.h"
#include "util/clock.h"
#include "util/prompt.h"

#define ADMIN_NAME "immudb"
#define SYSTEM_NAME "systemdb"
#define STOP_TIMEOUT_MS 120000u
#define ERROR_TEXT_MAX 1024

struct backup {
	struct session *s;
	char dir[PATH_MAX];
	char folder[PATH_MAX]; /* where the backup goes */
	char begin[PATH_MAX];  /* what the paths of its backups begin with */
	char target[PATH_MAX];
	bool as_folder;
	bool is_manual;
	bool is_written;
	struct cold_server server;
	struct cold_states signed_states; /* as the server showed them before it was stopped */
	pid_t started;
};

/* ---- Before anything is touched ---- */

static enum im_err
find_target(struct backup *b)
{
	const char *to = options_string(b->s->options, "to");
	size_t dir_len = strlen(b->dir);
	enum im_err err;

	if (!realpath(*to ? to : ".", b->folder))
		return err_set_errno(IM_ERR_NOT_FOUND, "cannot find the folder for the backup", to);
	if (strncmp(b->folder, b->dir, dir_len) == 0 &&
	    (b->folder[dir_len] == '\0' || b->folder[dir_len] == '/'))
		return err_set(IM_ERR_ARGUMENT, "the backup of %s cannot lie in it", b->dir);
	if (snprintf(b->begin, sizeof b->begin, "%s/%s_bkp_", b->folder,
		strrchr(b->dir, '/') + 1) >= (int)sizeof b->begin)
		return err_set(IM_ERR_ARGUMENT, "the path of the backup is too long");
	err = cold_place_name(b->begin, b->as_folder ? "" : ".tar.gz", b->target);
	if (err != IM_OK)
		return err;
	return access(b->folder, W_OK) == 0
	    ? IM_OK
	    : err_set_errno(IM_ERR_IO, "cannot write into", b->folder);
}

/* ---- What the server signs ---- */

static bool
note_name(void *arg, const struct immu_database_info *d)
{
	struct cold_state state = {.database = ""};

	snprintf(state.database, sizeof state.database, "%s", d->name);
	return cold_states_add((struct cold_states *)arg, &state) == IM_OK;
}

static enum im_err
ask_state(struct immu *c, struct cold_state *state)
{
	struct immu_result *result = NULL;
	enum im_err err = immu_use(c, state->database);

	if (err == IM_OK)
		err = immu_current_state(c, &result);
	if (err != IM_OK)
		return err;
	state->tx = result->state.tx;
	memcpy(state->alh.b, result->state.hash, HASH_SIZE);
	state->signature_len = result->state.signature_len;
	memcpy(state->signature, result->state.signature, state->signature_len);
	immu_result_free(result);
	return IM_OK;
}

/* A database that cannot be asked, because it is not loaded, has no signature in the backup. */
static enum im_err
ask_states(struct backup *b)
{
	struct immu_database_info system = {.name = SYSTEM_NAME};
	struct cold_states *all = &b->signed_states;
	enum im_err err = immu_each_database(b->s->c, note_name, all);

	if (err == IM_OK)
		(void)note_name(all, &system);
	for (size_t i = 0; err == IM_OK && i < all->count; i++) {
		err = ask_state(b->s->c, &all->items[i]);
		if (err != IM_ERR_SIGNATURE && err != IM_ERR_SIGNATURE_MISSING)
			err = IM_OK;
	}
	return err;
}

static enum im_err
log_in_by_password(struct session *s, const char *user)
{
	const char *given = options_string(s->options, "password");
	struct buf password;
	enum im_err err = IM_OK;

	buf_init(&password, PROMPT_MAX_BYTES + 1);
	if (*given)
		buf_append_str(&password, given);
	else
		err = prompt_password("Enter admin password:", &password);
	if (err == IM_ERR_FORMAT)
		err = err_set(IM_ERR_CREDENTIALS, "no password was given");
	buf_append_u8(&password, '\0');
	if (err == IM_OK)
		err = password.err;
	if (err == IM_OK)
		err = immu_login(s->c, user, (const char *)password.data, NULL);
	buf_wipe(&password);
	return err;
}

/* The superadmin, by certificate where the server goes by that, or else by password. */
static enum im_err
prove_admin(struct backup *b)
{
	struct session *s = b->s;
	const char *user = options_string(s->options, "username");
	enum im_err err = session_connect(s);

	if (err != IM_OK)
		return err;
	user = *user ? user : ADMIN_NAME;
	/* This session ends before the server is stopped; a stored one is not touched. */
	s->keeps_stored = true;
	err = session_login_by_certificate(s, user, NULL);
	if (err == IM_ERR_UNIMPLEMENTED)
		err = log_in_by_password(s, user);
	/* Whoever may read its files needs no password of a server that has none. */
	if (err == IM_ERR_AUTH_DISABLED)
		return IM_OK;
	if (err == IM_OK) {
		err = ask_states(b);
		(void)immu_logout(s->c);
		s->is_own_session = false;
	}
	return err;
}

static enum im_err
agree(struct backup *b)
{
	bool is_running = b->server.kind != COLD_SERVER_NONE;
	enum im_err err;

	if (b->is_manual && is_running)
		return err_set(IM_ERR_LOCKED, "a server uses %s: stop it first", b->dir);
	if (b->is_manual)
		return cold_place_confirm(b->s,
		    "Please make sure the immudb server is not running before proceeding. Are you sure "
		    "you want to proceed? [y/N]: ");
	if (!is_running)
		return IM_OK;
	if (b->server.kind == COLD_SERVER_UNKNOWN)
		return cold_server_stop(&b->server, 0);
	err = cold_place_confirm(b->s,
	    "The immudb server will be stopped for the backup and started again afterwards. Are you "
	    "sure you want to proceed? [y/N]: ");
	return err == IM_OK ? prove_admin(b) : err;
}

/* ---- The work ---- */

/* What was killed could not start the server again. */
static void
clean_up(const struct backup *b)
{
	size_t left = cold_pack_clean(b->folder, strrchr(b->begin, '/') + 1, b->s->out);

	if (left > 0 && b->server.kind == COLD_SERVER_NONE)
		output_warn(b->s->out,
		    "no server runs on %s: it may have been stopped for the backup that was killed; start "
		    "it again",
		    b->dir);
}

static enum im_err
write_backup(struct backup *b)
{
	struct cold_manifest manifest;
	struct cold_pack pack = {b->dir, b->target, &manifest, b->s->out};
	enum im_err err;

	cold_manifest_init(&manifest);
	clock_format_s(clock_wall_s(), manifest.created);
	clean_up(b);
	err = cold_states_find(b->dir, false, &manifest.states);
	cold_states_sign(&manifest.states, &b->signed_states);
	if (err == IM_OK)
		err = cold_pack(&pack, b->as_folder);
	b->is_written = err == IM_OK;
	cold_manifest_free(&manifest);
	return err;
}

/* Starts the server again; of two errors the first is told first. */
static enum im_err
start_again(struct backup *b, enum im_err err)
{
	char text[ERROR_TEXT_MAX];
	enum im_err start_err;

	if (err != IM_OK)
		snprintf(text, sizeof text, "%s", err_detail(err));
	start_err = cold_server_start(&b->server, &b->started);
	if (err == IM_OK)
		return start_err;
	if (start_err == IM_OK)
		return err_set(err, "%s", text);
	return err_set(err, "%s; and the server does not run: %s", text, err_detail(start_err));
}

static enum im_err
stop_and_write(struct backup *b)
{
	enum im_err err = cold_signals_begin();

	if (err == IM_OK)
		err = cold_server_stop(&b->server, STOP_TIMEOUT_MS);
	if (err == IM_OK)
		err = cold_signals_check();
	if (err == IM_OK)
		err = write_backup(b);
	err = start_again(b, err);
	cold_signals_end();
	return err;
}

static void
tell(const struct backup *b)
{
	struct output *out = b->s->out;

	if (output_format(out) == OUTPUT_JSON) {
		output_record_begin(out, NULL);
		output_string(out, "backup", b->target);
		output_bool(out, "restarted", b->started >= 0);
		output_record_end(out);
		return;
	}
	output_message(out, "Database backup created: %s", b->target);
	if (b->started > 0)
		output_message(out, "immudb has been started again with PID %ld", (long)b->started);
	else if (b->started == 0)
		output_message(out, "immudb has been started again");
}

static enum im_err
backup(struct session *s)
{
	const struct options *o = s->options;
	struct backup b = {.s = s,
	    .as_folder = options_bool(o, "uncompressed"),
	    .is_manual = options_bool(o, "manual-stop-start"),
	    .server = {.lock_fd = -1},
	    .started = -1};
	enum im_err err = cold_place_check_local(s);

	if (err == IM_OK)
		err = cold_place_data(s, true, b.dir);
	if (err == IM_OK)
		err = find_target(&b);
	if (err == IM_OK)
		err = cold_server_find(&b.server, b.dir, options_string(o, "pidfile"));
	if (err == IM_OK)
		err = agree(&b);
	if (err == IM_OK)
		err = stop_and_write(&b);
	/* Also when the server could not be started again. */
	if (b.is_written)
		tell(&b);
	cold_states_free(&b.signed_states);
	cold_server_free(&b.server);
	return err;
}

int
command_backup(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, backup);
}
