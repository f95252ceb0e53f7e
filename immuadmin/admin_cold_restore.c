/*
 * "immuadmin restore": puts a backup in the place of a data folder that no server uses. Neighbours:
 * cold_unpack.c (reads the backup), cold_states.c (checks what came out), cold_swap.c (the
 * exchange).
 *
 * Invariants: the data folder is not touched before the new one is complete, checked and on the
 * disk; what is announced is written into the new folder, so that there is no moment in which
 * history was replaced and nobody was told; both folders are locked while they change places.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin_commands.h"
#include "cold_announce.h"
#include "cold_place.h"
#include "cold_server.h"
#include "cold_signals.h"
#include "cold_states.h"
#include "cold_swap.h"
#include "cold_unpack.h"
#include "util/file.h"
#include "util/keyfile.h"

#define LOCK_NAME "immudb.lock"

struct restore {
	struct session *s;
	char source[PATH_MAX];
	char dir[PATH_MAX];
	char kept[PATH_MAX];
	bool is_there; /* the folder that is replaced */
	struct cold_server server;
	struct cold_swap swap;
	struct cold_folder folder;
	char root[COLD_PATH_MAX]; /* of the data folder in what was unpacked */
	char fresh[PATH_MAX];     /* its path */
	struct cold_manifest manifest;
	bool has_manifest;
	struct cold_states before, after;
	int lock_fd; /* of the new folder */
};

/* ---- Before anything is touched ---- */

static enum im_err
find_places(struct restore *r)
{
	char begin[PATH_MAX];
	const char *source = r->s->call->args[0];
	enum im_err err = cold_place_data(r->s, false, r->dir);
	size_t n;

	if (err != IM_OK)
		return err;
	if (!realpath(source, r->source))
		return err_set_errno(
		    errno == ENOENT ? IM_ERR_NOT_FOUND : IM_ERR_IO, "cannot find", source);
	n = strlen(r->dir);
	if (strncmp(r->source, r->dir, n) == 0 && (r->source[n] == '\0' || r->source[n] == '/'))
		return err_set(
		    IM_ERR_ARGUMENT, "the backup %s lies in the folder to be replaced", r->source);
	/* What a killed restore left may take a name, and has to be told whatever comes next. */
	err = cold_swap_recover(r->dir, r->s->out);
	if (err != IM_OK)
		return err;
	r->is_there = access(r->dir, F_OK) == 0;
	n = (size_t)snprintf(begin, sizeof begin, "%s_bkp_before_restore_", r->dir);
	return n < sizeof begin
	    ? cold_place_name(begin, "", r->kept)
	    : err_set(IM_ERR_ARGUMENT, "the path of the data folder is too long");
}

/* Keeps servers out of the folder; one that is in it is not stopped. */
static enum im_err
lock_old(struct restore *r)
{
	enum im_err err;

	if (!r->is_there)
		return IM_OK;
	err = cold_server_find(&r->server, r->dir, "");
	if (err == IM_OK && r->server.kind != COLD_SERVER_NONE)
		err = err_set(IM_ERR_LOCKED, "a server uses %s: stop it first", r->dir);
	return err;
}

static enum im_err
agree(const struct restore *r)
{
	char question[PATH_MAX + 128];

	if (!r->is_there)
		return IM_OK;
	snprintf(question, sizeof question,
	    "The data folder %s will be replaced. Are you sure you want to proceed? [y/N]: ",
	    r->dir);
	return cold_place_confirm(r->s, question);
}

/* ---- The new folder ---- */

/* With a key, a backup whose states are not signed by it is not taken. */
static enum im_err
check_signatures(const struct restore *r)
{
	const char *path = options_string(r->s->options, "server-signing-pub-key");
	struct sign_public_key *key = NULL;
	enum im_err err = *path ? keyfile_load_public(path, &key) : IM_OK;

	if (err != IM_OK || !key)
		return err;
	err = r->has_manifest
	    ? cold_states_check(&r->manifest.states, key)
	    : err_set(IM_ERR_SIGNATURE_MISSING, "a backup made by hand has no signatures");
	sign_public_key_free(key);
	return err;
}

static enum im_err
unpack(struct restore *r)
{
	enum im_err err = cold_folder_begin(&r->folder, r->swap.fresh);

	if (err == IM_OK)
		err = cold_unpack(r->source, &r->folder, r->s->out);
	if (err == IM_OK)
		err = cold_unpack_root(r->swap.fresh, r->root);
	if (err == IM_OK)
		err = cold_unpack_check(&r->folder, r->root, &r->manifest, &r->has_manifest);
	if (err == IM_OK && !r->has_manifest)
		output_note(r->s->out,
		    "the backup was made by hand: it has no manifest, so that only what is in it can be "
		    "checked");
	return err == IM_OK ? check_signatures(r) : err;
}

static enum im_err
check(struct restore *r)
{
	size_t n = (size_t)snprintf(
	    r->fresh, sizeof r->fresh, "%s%s%s", r->swap.fresh, *r->root ? "/" : "", r->root);
	enum im_err err;

	if (n >= sizeof r->fresh)
		return err_set(IM_ERR_ARGUMENT, "the path of the data folder is too long");
	output_progress(r->s->out, "checking every transaction");
	err = cold_states_find(r->fresh, true, &r->after);
	output_progress(r->s->out, "%s", "");
	if (err == IM_OK && r->has_manifest)
		err = cold_states_compare(&r->manifest.states, &r->after);
	if (err == IM_OK && !r->after.server[0])
		err = err_set(IM_ERR_FORMAT,
		    "the backup has no file of users and databases: it is not of a whole data folder");
	return err;
}

/* What there was. A folder that cannot be read is replaced all the same. */
static void
look_back(struct restore *r)
{
	if (!r->is_there || cold_states_find(r->dir, false, &r->before) == IM_OK)
		return;
	output_note(r->s->out, "what %s holds cannot be said: %s", r->dir, err_detail(IM_ERR_IO));
	cold_states_free(&r->before);
}

static void
tell_identity(const struct restore *r)
{
	if (r->before.server[0] && strcmp(r->before.server, r->after.server) != 0)
		output_note(r->s->out,
		    "%s was server %s and becomes server %s: clients that know the former will refuse it",
		    r->dir, r->before.server, r->after.server);
}

/* The owner of the folder that is replaced owns the new one, too. */
static enum im_err
lock_and_give(struct restore *r)
{
	char path[PATH_MAX + sizeof LOCK_NAME];
	enum im_err err;

	snprintf(path, sizeof path, "%s/" LOCK_NAME, r->fresh);
	err = file_lock(path, false, &r->lock_fd);
	if (err == IM_OK && r->is_there && geteuid() == 0)
		err = cold_folder_give(r->fresh, &r->swap.old);
	return err;
}

static enum im_err
replace(struct restore *r)
{
	struct cold_announcement announcement = {
	    .dir = r->fresh, .before = &r->before, .after = &r->after};
	enum im_err err = unpack(r);

	if (err == IM_OK)
		err = check(r);
	if (err == IM_OK) {
		look_back(r);
		err = cold_signals_check();
	}
	if (err == IM_OK)
		err = cold_announce(&announcement);
	if (err == IM_OK)
		err = lock_and_give(r);
	if (err == IM_OK)
		err = cold_folder_sync(&r->folder);
	/* From here on nothing is interrupted. */
	if (err == IM_OK)
		err = cold_signals_check();
	if (err == IM_OK)
		err = cold_swap_run(&r->swap, r->root);
	return err;
}

static enum im_err
run(struct restore *r)
{
	enum im_err err = cold_signals_begin();

	if (err == IM_OK)
		err = cold_swap_begin(&r->swap, r->dir, r->kept, r->s->out);
	if (err == IM_OK)
		err = replace(r);
	cold_swap_end(&r->swap);
	cold_signals_end();
	return err;
}

static void
tell(const struct restore *r)
{
	struct output *out = r->s->out;

	tell_identity(r);
	if (output_format(out) == OUTPUT_JSON) {
		output_record_begin(out, NULL);
		output_string(out, "restored", r->source);
		output_string(out, "folder", r->dir);
		output_string(out, "previous", r->is_there ? r->kept : NULL);
		output_bool(out, "manifest", r->has_manifest);
		output_record_end(out);
		return;
	}
	output_message(out, "Database restored from backup %s", r->source);
	if (r->is_there)
		output_message(
		    out, "A backup of the previous database has been also created: %s", r->kept);
}

static enum im_err
restore(struct session *s)
{
	struct restore *r = (struct restore *)calloc(1, sizeof *r);
	enum im_err err;

	if (!r)
		return IM_ERR_NOMEM;
	r->s = s;
	r->server.lock_fd = r->swap.stage_fd = r->lock_fd = r->folder.fd = r->folder.file_fd = -1;
	cold_manifest_init(&r->manifest);
	err = cold_place_check_local(s);
	if (err == IM_OK)
		err = find_places(r);
	if (err == IM_OK)
		err = lock_old(r);
	if (err == IM_OK)
		err = agree(r);
	if (err == IM_OK)
		err = run(r);
	if (err == IM_OK)
		tell(r);
	file_unlock(&r->lock_fd);
	cold_folder_end(&r->folder);
	cold_states_free(&r->after);
	cold_states_free(&r->before);
	cold_manifest_free(&r->manifest);
	cold_server_free(&r->server);
	free(r);
	return err;
}

int
command_restore(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, restore);
}
