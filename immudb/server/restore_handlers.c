/*
 * BeginRestore, WriteRestore, FinishRestore: a database from an archive. restoring.c knows which
 * restores there are, crypto/archive.h verifies what comes, store_import.h writes it into a folder
 * that no database has yet, databases.h makes that a database.
 *
 * Invariants:
 * 1. Nothing of a restore is seen before all of the archive has been verified, written and verified
 *    again as every start would; then it is there in one step.
 * 2. A restore that fails is gone, with its folder.
 */
#include <stdio.h>

#include "server/call.h"
#include "server/journal.h"
#include "server/restores.h"
#include "server/restoring.h"
#include "store/store_export.h"

/* ---- What the archive brings ---- */

static enum im_err
restore_forked(const struct restore *r, uint64_t tx)
{
	return err_set(IM_ERR_STATE_FORKED,
	    "%s: transaction %llu of database %s is another one in the archive",
	    err_text(IM_ERR_STATE_FORKED), (unsigned long long)tx, r->database);
}

/* A transaction of the database as it is must be the one of the archive. */
static enum im_err
restore_compare(const struct restore *r, uint64_t tx, const struct hash *alh)
{
	if (r->mode != RESTORE_APPEND || tx != r->live_end.tx || tx == 0 ||
	    hash_equal(alh, &r->live_end.alh))
		return IM_OK;
	return restore_forked(r, tx);
}

static enum im_err
restore_take_tx(void *ctx, const struct archive_tx *tx)
{
	struct restore *r = ctx;
	enum im_err err = restore_compare(r, tx->head.header.id, &tx->alh);

	return err == IM_OK ? store_import_add(r->import, tx->record) : err;
}

/* The transactions of the database in front of the archive's, verified like those. */
static enum im_err
restore_copy(struct restore *r, struct archive_reader *reader)
{
	struct archive_header h = r->header;
	uint8_t raw[ARCHIVE_HEADER_SIZE];
	struct store_export *x = NULL;
	struct bytes piece;
	enum im_err err;

	h.to_tx = h.from_tx - 1;
	h.from_tx = 1;
	h.prev_alh = hash_empty();
	archive_header_put(raw, &h);
	err = archive_reader_feed(reader, bytes_of(raw, sizeof raw));
	if (err == IM_OK)
		err = store_export_open(r->live->store, 1, h.to_tx, &x);
	while (err == IM_OK) {
		err = store_export_next(x, &piece);
		if (err == IM_OK)
			err = archive_reader_feed(reader, piece);
	}
	store_export_close(x);
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

/* The archive begins in the middle of the history: what stands before is the database's own. */
static enum im_err
restore_take_beginning(struct restore *r)
{
	struct archive_sink sink = {.ctx = r, .tx = restore_take_tx};
	struct archive_reader *reader;
	struct archive_status status;
	enum im_err err = archive_reader_new(&sink, &reader);

	if (err != IM_OK)
		return err;
	err = database_enter_wait(r->live);
	if (err == IM_OK) {
		err = restore_copy(r, reader);
		database_leave(r->live);
	}
	archive_reader_status(reader, &status);
	if (err == IM_OK && !hash_equal(&status.alh, &r->header.prev_alh))
		err = restore_forked(r, status.tx);
	archive_reader_free(reader);
	return err;
}

static enum im_err
restore_take_header(void *ctx, const struct archive_header *h, struct bytes raw)
{
	struct restore *r = ctx;
	struct archive_status status;

	(void)raw;
	archive_reader_status(r->reader, &status);
	r->header = *h;
	if (status.parts > 0 || h->from_tx == 1)
		return IM_OK;
	if (r->mode != RESTORE_APPEND)
		return err_set(IM_ERR_ARGUMENT,
		    "%s: the archive begins with transaction %llu: it can only be appended",
		    err_text(IM_ERR_ARGUMENT), (unsigned long long)h->from_tx);
	if (h->from_tx > r->live_end.tx + 1)
		return err_set(IM_ERR_ARGUMENT,
		    "%s: the archive begins with transaction %llu, database %s ends with %llu",
		    err_text(IM_ERR_ARGUMENT), (unsigned long long)h->from_tx, r->database,
		    (unsigned long long)r->live_end.tx);
	return restore_take_beginning(r);
}

/* The end of a step; a restore that failed is gone, and why stays. */
static enum im_err
restore_step(struct restore *r, enum im_err err)
{
	char text[1024];

	if (err == IM_OK) {
		restoring_give_back(r, false);
		return IM_OK;
	}
	snprintf(text, sizeof text, "%s", err_detail(err));
	restoring_give_back(r, true);
	return err_set(err, "%s", text);
}

/* ---- Beginning ---- */

static enum im_err
restore_find_live(struct restore *r)
{
	enum im_err err;

	r->live = databases_find(r->server->databases, bytes_str(r->database));
	if (r->mode == RESTORE_NEW)
		return r->live && !r->live->is_system
		    ? err_set(IM_ERR_DATABASE_EXISTS, "database %s already exists", r->database)
		    : databases_check_new(r->server->databases, bytes_str(r->database));
	if (!r->live)
		return err_set(
		    IM_ERR_DATABASE_NOT_FOUND, "database %s does not exist", r->database);
	if (r->live->is_system)
		return IM_ERR_DATABASE_RESERVED;
	if (r->mode == RESTORE_REPLACE)
		return IM_OK;
	err = database_enter_wait(r->live);
	if (err != IM_OK)
		return err;
	store_state(r->live->store, &r->live_end);
	database_leave(r->live);
	return IM_OK;
}

static enum im_err
restore_open(struct restore *r)
{
	struct archive_sink sink = {r, restore_take_header, restore_take_tx, NULL};
	char path[VFS_PATH_MAX];
	struct store_options options = {
	    .dir = path, .name = r->database, .header_version = TX_HEADER_VERSION_MAX};
	struct databases *d = r->server->databases;
	enum im_err err = restore_find_live(r);

	if (err == IM_OK)
		err = databases_stage(d, r->database, r->folder);
	if (err == IM_OK)
		err = databases_staged_path(d, r->folder, path);
	if (err == IM_OK)
		err = store_import_open(&options, &r->import);
	if (err == IM_OK)
		err = archive_reader_new(&sink, &r->reader);
	return err;
}

enum im_err
handle_BeginRestore(struct call *c)
{
	const Immudb__Schema__BeginRestoreRequest *in = (const void *)c->in;
	struct restore *r;
	enum im_err err = meta_database_name_check(bytes_str(in->database));

	if (err == IM_OK && in->mode >= RESTORE_MODES)
		err = err_set(
		    IM_ERR_ARGUMENT, "%s: unknown mode of a restore", err_text(IM_ERR_ARGUMENT));
	if (err != IM_OK)
		return err;
	if (!c->may_block) {
		err = restoring_begin(c);
		if (err != IM_OK)
			return err;
		call_queue(c, c->server->exporters);
		return CALL_PENDING;
	}
	err = restoring_take(c, &r);
	if (err != IM_OK)
		return err;
	r->mode = (enum restore_mode)in->mode;
	memcpy(r->database, in->database, strlen(in->database) + 1);
	err = restore_step(r, restore_open(r));
	return err == IM_OK ? call_answer_empty(c) : err;
}

/* ---- Writing ---- */

enum im_err
handle_WriteRestore(struct call *c)
{
	const Immudb__Schema__WriteRestoreRequest *in = (const void *)c->in;
	struct restore *r;
	enum im_err err;

	if (!c->may_block) {
		restoring_find(c);
		call_queue(c, c->server->exporters);
		return CALL_PENDING;
	}
	err = restoring_take(c, &r);
	if (err != IM_OK)
		return err;
	if (in->offset != r->offset)
		err = err_set(IM_ERR_ARGUMENT, "%s: the archive goes on at byte %llu, not %llu",
		    err_text(IM_ERR_ARGUMENT), (unsigned long long)r->offset,
		    (unsigned long long)in->offset);
	if (err == IM_OK)
		err = archive_reader_feed(r->reader, message_bytes(in->content));
	r->offset += in->content.len;
	err = restore_step(r, err);
	return err == IM_OK ? call_answer_empty(c) : err;
}

/* ---- Finishing ---- */

/* What is restored, and by whom. */
struct restored {
	struct call *call;
	struct restore *restore;
	struct store_state end;
};

/* Only what takes a history's place is announced, not what continues it. */
static bool
restore_describe(void *ctx, const struct store_state *from, struct meta_restore *out)
{
	const struct restored *x = ctx;
	const struct restores_new new = {.database = x->restore->database,
	    .from = {from->tx, from->alh},
	    .to = {x->end.tx, x->end.alh},
	    .actor = x->call->session.user};

	return x->restore->mode == RESTORE_REPLACE && restores_describe(&new, out) == IM_OK;
}

static enum im_err
restore_announce(void *ctx)
{
	const struct restored *x = ctx;
	enum im_err err = restores_take(x->call->server);

	journal_wake(x->call->server->journal);
	return err;
}

static enum im_err
restore_adopt(struct restored *x)
{
	struct restore *r = x->restore;
	struct databases *d = r->server->databases;
	struct meta_action action = journal_action(x->call, JOURNAL_DATABASE_CREATE);
	struct database_new new = {.name = bytes_str(r->database),
	    .created_by = x->call->session.user,
	    .settings = {.has_header_version = true,
		.has_synced = true,
		.to = {r->header.header_version, r->header.synced}}};
	struct database_exchange exchange = {.folder = r->folder,
	    .must_be = r->mode == RESTORE_APPEND ? &r->live_end : NULL,
	    .action = &action,
	    .describe = restore_describe,
	    .announce = restore_announce,
	    .ctx = x};
	struct database *db;

	action.database = r->database;
	action.detail = r->mode == RESTORE_NEW ? "from an archive"
	    : r->mode == RESTORE_APPEND        ? "continued from an archive"
					       : "replaced from an archive";
	if (r->mode == RESTORE_NEW)
		return databases_adopt(d, &new, r->folder, &action, &db);
	action.action = JOURNAL_DATABASE_RESTORE;
	return database_exchange(r->live, &exchange);
}

/* The archive must be whole, and what was written lead to the state it ends with. */
static enum im_err
restore_complete(struct restored *x)
{
	struct restore *r = x->restore;
	struct archive_status status;
	struct store_import *import = r->import;
	struct store *store;
	enum im_err err = archive_reader_finish(r->reader);

	if (err != IM_OK)
		return err;
	archive_reader_status(r->reader, &status);
	if (r->mode == RESTORE_APPEND && status.tx < r->live_end.tx)
		return err_set(IM_ERR_STATE_OLDER,
		    "%s: the archive ends with transaction %llu, database %s with %llu",
		    err_text(IM_ERR_STATE_OLDER), (unsigned long long)status.tx, r->database,
		    (unsigned long long)r->live_end.tx);
	x->end = (struct store_state){status.tx, status.alh};
	r->import = NULL;
	err = store_import_finish(import, &x->end, &store);
	if (err != IM_OK)
		return err;
	store_close(store);
	err = restore_adopt(x);
	if (err == IM_OK)
		r->folder[0] = '\0';
	return err;
}

/* The answer, made before the restore: what has been done must not be told as a failure. */
static enum im_err
restore_prepare_answer(struct restored *x, Immudb__Schema__ImmutableState *out)
{
	struct arena *a = call_arena(x->call);

	out->db = arena_str(a, bytes_str(x->restore->database));
	out->txhash = message_data(arena_copy(a, hash_bytes(&x->end.alh)));
	return out->db && out->txhash.data ? IM_OK : IM_ERR_NOMEM;
}

enum im_err
handle_FinishRestore(struct call *c)
{
	struct restored x = {.call = c};
	Immudb__Schema__ImmutableState *out;
	enum im_err err;

	if (!c->may_block) {
		restoring_find(c);
		call_queue(c, c->server->administrators);
		return CALL_PENDING;
	}
	out = message_new(call_arena(c), &immudb__schema__immutable_state__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	err = restoring_take(c, &x.restore);
	if (err != IM_OK)
		return err;
	err = restore_prepare_answer(&x, out);
	if (err == IM_OK)
		err = restore_complete(&x);
	if (err != IM_OK)
		return restore_step(x.restore, err);
	journal_wake(c->server->journal);
	out->txid = x.end.tx;
	memcpy(out->txhash.data, x.end.alh.b, HASH_SIZE);
	c->answer = &out->base;
	restoring_give_back(x.restore, true);
	return IM_OK;
}
