/*
 * Administration of databases: creating, listing, loading and unloading, deleting, their settings
 * and their indexes. databases.c does the work; here is who may, and how it is asked and answered.
 *
 * Invariants:
 * 1. Everything here runs in a pool: it waits for the disk.
 * 2. Who may not administer a database is told the same whether or not it exists.
 */
#include <stdlib.h>

#include "server/call.h"
#include "server/journal.h"

/* What syncFrequency says, in milliseconds: written and answered, and synced each second. */
#define DATABASE_UNSYNCED_MS 1000

typedef Immudb__Schema__DatabaseNullableSettings settings_message;

/* Goes on in the pool of administration. */
static enum im_err
database_queue(struct call *c)
{
	call_queue(c, c->server->administrators);
	return CALL_PENDING;
}

/* ---- Who may ---- */

/* The level of the caller on a database, or on META_ALL_DATABASES. */
static enum im_err
database_level(const struct call *c, const char *name, enum meta_level *out)
{
	*out = META_LEVEL_SYSADMIN;
	return c->is_maintenance ? IM_OK
				 : meta_permission(c->server->meta, c->session.user, name, out);
}

enum im_err
database_named(struct call *c, const char *name, struct database **out)
{
	enum meta_level all, level;
	enum im_err err = database_level(c, META_ALL_DATABASES, &all);

	if (err == IM_OK)
		err = database_level(c, name, &level);
	if (err != IM_OK)
		return err;
	*out = databases_find(c->server->databases, bytes_str(name));
	if (*out && (*out)->is_system)
		return all >= META_LEVEL_SYSADMIN ? IM_ERR_DATABASE_RESERVED : IM_ERR_PERMISSION;
	if (*out && level >= META_LEVEL_ADMIN)
		return IM_OK;
	if (all >= META_LEVEL_ADMIN)
		return err_set(IM_ERR_DATABASE_NOT_FOUND, "database %.*s does not exist",
		    META_DATABASE_MAX, name);
	return err_set(IM_ERR_PERMISSION,
	    "the database '%.*s' does not exist or you do not have admin permission on this "
	    "database",
	    META_DATABASE_MAX, name);
}

/* What is journalled of a call; it lives as long as the request. */
static struct meta_action
database_action(const struct call *c, const char *what, const char *name)
{
	struct meta_action action = journal_action(c, what);

	action.database = name;
	return action;
}

/* ---- Settings ---- */

/* The change that a request asks for. Other settings are rows of unimplemented.c. */
static enum im_err
database_change_of(const settings_message *in, struct database_change *out)
{
	*out = (struct database_change){0};
	if (!in)
		return IM_OK;
	if (in->writetxheaderversion) {
		if (in->writetxheaderversion->value > TX_HEADER_VERSION_MAX)
			return err_set(IM_ERR_ARGUMENT, "%s: header version %u is not known",
			    err_text(IM_ERR_ARGUMENT), in->writetxheaderversion->value);
		out->has_header_version = true;
		out->to.header_version = (uint16_t)in->writetxheaderversion->value;
	}
	if (in->syncfrequency) {
		if (in->syncfrequency->value != 0 &&
		    in->syncfrequency->value != DATABASE_UNSYNCED_MS)
			return err_set(IM_ERR_ARGUMENT,
			    "%s: syncFrequency is 0 (synced before the answer) or %d ms",
			    err_text(IM_ERR_ARGUMENT), DATABASE_UNSYNCED_MS);
		out->has_synced = true;
		out->to.synced = in->syncfrequency->value == 0;
	}
	return IM_OK;
}

/* The settings of a database as a message. */
static settings_message *
database_settings_message(struct call *c, const struct database_settings *settings)
{
	struct arena *a = call_arena(c);
	settings_message *out =
	    message_new(a, &immudb__schema__database_nullable_settings__descriptor);
	Immudb__Schema__NullableUint32 *version =
	    message_new(a, &immudb__schema__nullable_uint32__descriptor);
	Immudb__Schema__NullableMilliseconds *frequency =
	    message_new(a, &immudb__schema__nullable_milliseconds__descriptor);

	if (!out || !version || !frequency)
		return NULL;
	version->value = settings->header_version;
	frequency->value = settings->synced ? 0 : DATABASE_UNSYNCED_MS;
	out->writetxheaderversion = version;
	out->syncfrequency = frequency;
	return out;
}

/* The settings as they were last set. */
static settings_message *
database_settings_now(struct call *c, struct database *db)
{
	struct database_info info;

	database_info(db, &info);
	return database_settings_message(c, &info.settings);
}

/* ---- Creating ---- */

static enum im_err
database_create(
    struct call *c, const char *name, const settings_message *settings, struct database **out)
{
	struct database_new new = {.name = bytes_str(name), .created_by = c->session.user};
	struct meta_action action = database_action(c, JOURNAL_DATABASE_CREATE, name);
	enum im_err err = database_change_of(settings, &new.settings);

	if (err == IM_OK)
		err = databases_create(c->server->databases, &new, &action, out);
	if (err == IM_OK)
		journal_wake(c->server->journal);
	return err;
}

enum im_err
handle_CreateDatabaseV2(struct call *c)
{
	const Immudb__Schema__CreateDatabaseRequest *in = (const void *)c->in;
	Immudb__Schema__CreateDatabaseResponse *out;
	struct database *db;
	enum im_err err;

	if (!c->may_block)
		return database_queue(c);
	out = message_new(call_arena(c), &immudb__schema__create_database_response__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	err = database_create(c, in->name, in->settings, &db);
	if (err == IM_ERR_DATABASE_EXISTS && in->ifnotexists) {
		db = databases_find(c->server->databases, bytes_str(in->name));
		out->alreadyexisted = true;
		err = db ? IM_OK : err;
	}
	if (err != IM_OK)
		return err;
	out->name = db->name;
	out->settings = database_settings_now(c, db);
	c->answer = &out->base;
	return out->settings ? IM_OK : IM_ERR_NOMEM;
}

static enum im_err
database_answer_empty(struct call *c)
{
	c->answer = message_new(call_arena(c), &immudb__schema__empty__descriptor);
	return c->answer ? IM_OK : IM_ERR_NOMEM;
}

enum im_err
handle_CreateDatabase(struct call *c)
{
	const Immudb__Schema__Database *in = (const void *)c->in;
	struct database *db;
	enum im_err err;

	if (!c->may_block)
		return database_queue(c);
	err = database_create(c, in->databasename, NULL, &db);
	return err == IM_OK ? database_answer_empty(c) : err;
}

/* ---- Listing ---- */

/* The databases that a caller may see, in order of name. */
struct listing {
	struct database *items[DATABASES_MAX];
	size_t count;
};

static int
listing_compare(const void *a, const void *b)
{
	const struct database *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* A sysadmin sees all but the system database; others those on which they may do something. */
static enum im_err
listing_make(struct call *c, struct listing **out)
{
	struct listing *l = arena_alloc(call_arena(c), sizeof *l);
	struct database *db = NULL;
	enum meta_level all, level;
	enum im_err err = database_level(c, META_ALL_DATABASES, &all);

	if (!l)
		return IM_ERR_NOMEM;
	l->count = 0;
	while (err == IM_OK && l->count < DATABASES_MAX &&
	    (db = databases_next(c->server->databases, db)) != NULL) {
		level = all;
		if (level == META_LEVEL_NONE)
			err = database_level(c, db->name, &level);
		if (!db->is_system && level != META_LEVEL_NONE)
			l->items[l->count++] = db;
	}
	if (l->count)
		qsort(l->items, l->count, sizeof *l->items, listing_compare);
	*out = l;
	return err;
}

static Immudb__Schema__DatabaseInfo *
database_info_message(struct call *c, struct database *db)
{
	Immudb__Schema__DatabaseInfo *out =
	    message_new(call_arena(c), &immudb__schema__database_info__descriptor);
	struct database_info info;

	if (!out)
		return NULL;
	database_info(db, &info);
	out->name = db->name;
	out->loaded = info.is_loaded;
	out->disksize = info.stats.disk_bytes;
	out->numtransactions = info.stats.tx;
	out->created_at = (uint64_t)db->created_at_s;
	out->created_by = db->created_by;
	out->settings = database_settings_message(c, &info.settings);
	return out->settings ? out : NULL;
}

enum im_err
handle_DatabaseListV2(struct call *c)
{
	Immudb__Schema__DatabaseListResponseV2 *out;
	struct listing *l;
	enum im_err err;

	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	err = listing_make(c, &l);
	if (err != IM_OK)
		return err;
	out = message_new(call_arena(c), &immudb__schema__database_list_response_v2__descriptor);
	if (out)
		out->databases = arena_calloc(call_arena(c), l->count, sizeof(void *));
	if (!out || (l->count && !out->databases))
		return IM_ERR_NOMEM;
	for (size_t i = 0; i < l->count; i++) {
		out->databases[i] = database_info_message(c, l->items[i]);
		if (!out->databases[i])
			return IM_ERR_NOMEM;
		out->n_databases++;
	}
	c->answer = &out->base;
	return IM_OK;
}

enum im_err
handle_DatabaseList(struct call *c)
{
	Immudb__Schema__DatabaseListResponse *out;
	struct listing *l;
	enum im_err err;

	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	err = listing_make(c, &l);
	if (err != IM_OK)
		return err;
	out = message_new(call_arena(c), &immudb__schema__database_list_response__descriptor);
	if (out)
		out->databases = arena_calloc(call_arena(c), l->count, sizeof(void *));
	if (!out || (l->count && !out->databases))
		return IM_ERR_NOMEM;
	for (size_t i = 0; i < l->count; i++) {
		Immudb__Schema__Database *item =
		    message_new(call_arena(c), &immudb__schema__database__descriptor);

		if (!item)
			return IM_ERR_NOMEM;
		item->databasename = l->items[i]->name;
		out->databases[out->n_databases++] = item;
	}
	c->answer = &out->base;
	return IM_OK;
}

/* ---- Loading and unloading ---- */

/* The call ends when its database is loaded or unloaded; its answer is ready. */
static void
database_finish(struct database_wait *wait, enum im_err err)
{
	struct call *c = (struct call *)((char *)wait - offsetof(struct call, wait));
	bool load = c->request->method->id == RPC_METHOD_LoadDatabase;
	const Immudb__Schema__LoadDatabaseResponse *loaded = (const void *)c->answer;
	const Immudb__Schema__UnloadDatabaseResponse *unloaded = (const void *)c->answer;
	struct meta_action action =
	    database_action(c, load ? JOURNAL_DATABASE_LOAD : JOURNAL_DATABASE_UNLOAD,
		load ? loaded->database : unloaded->database);

	if (err == IM_OK)
		err = journal_add(c->server->journal, &action);
	call_finish(c, err);
}

enum im_err
handle_LoadDatabase(struct call *c)
{
	const Immudb__Schema__LoadDatabaseRequest *in = (const void *)c->in;
	Immudb__Schema__LoadDatabaseResponse *out;
	struct database *db;
	enum im_err err;

	if (!c->may_block)
		return database_queue(c);
	out = message_new(call_arena(c), &immudb__schema__load_database_response__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	err = database_named(c, in->database, &db);
	if (err != IM_OK)
		return err;
	out->database = db->name;
	c->answer = &out->base;
	c->wait.ready = database_finish;
	err = database_load(db, &c->wait);
	return err == IM_OK ? CALL_PENDING : err;
}

enum im_err
handle_UnloadDatabase(struct call *c)
{
	const Immudb__Schema__UnloadDatabaseRequest *in = (const void *)c->in;
	Immudb__Schema__UnloadDatabaseResponse *out;
	struct database *db;
	enum im_err err;

	if (!c->may_block)
		return database_queue(c);
	out = message_new(call_arena(c), &immudb__schema__unload_database_response__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	err = database_named(c, in->database, &db);
	if (err != IM_OK)
		return err;
	out->database = db->name;
	c->answer = &out->base;
	c->wait.ready = database_finish;
	err = database_unload(db, &c->wait);
	if (err == IM_OK)
		database_finish(&c->wait, IM_OK);
	return err == IM_OK || err == IM_ERR_WOULD_BLOCK ? CALL_PENDING : err;
}

/* ---- Deleting, changing ---- */

enum im_err
handle_DeleteDatabase(struct call *c)
{
	const Immudb__Schema__DeleteDatabaseRequest *in = (const void *)c->in;
	struct meta_action action = database_action(c, JOURNAL_DATABASE_DELETE, in->database);
	Immudb__Schema__DeleteDatabaseResponse *out;
	struct database *db;
	enum im_err err;

	if (!c->may_block)
		return database_queue(c);
	out = message_new(call_arena(c), &immudb__schema__delete_database_response__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	err = database_named(c, in->database, &db);
	if (err == IM_OK)
		err = database_delete(db, &action);
	journal_wake(c->server->journal);
	if (err != IM_OK)
		return err;
	server_metrics_forget(c->server, db->name);
	out->database = db->name;
	c->answer = &out->base;
	return IM_OK;
}

enum im_err
handle_UpdateDatabaseV2(struct call *c)
{
	const Immudb__Schema__UpdateDatabaseRequest *in = (const void *)c->in;
	struct meta_action action = database_action(c, JOURNAL_DATABASE_UPDATE, in->database);
	Immudb__Schema__UpdateDatabaseResponse *out;
	struct database_change change;
	struct database *db;
	enum im_err err;

	if (!c->may_block)
		return database_queue(c);
	out = message_new(call_arena(c), &immudb__schema__update_database_response__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	err = database_named(c, in->database, &db);
	if (err == IM_OK)
		err = database_change_of(in->settings, &change);
	if (err == IM_OK)
		err = database_update(db, &change, &action);
	if (err != IM_OK)
		return err;
	journal_wake(c->server->journal);
	out->database = db->name;
	out->settings = database_settings_now(c, db);
	c->answer = &out->base;
	return out->settings ? IM_OK : IM_ERR_NOMEM;
}

enum im_err
handle_GetDatabaseSettingsV2(struct call *c)
{
	Immudb__Schema__DatabaseSettingsResponse *out =
	    message_new(call_arena(c), &immudb__schema__database_settings_response__descriptor);

	if (!out)
		return IM_ERR_NOMEM;
	out->database = c->database->name;
	out->settings = database_settings_now(c, c->database);
	c->answer = &out->base;
	return out->settings ? IM_OK : IM_ERR_NOMEM;
}

/* ---- Indexes ---- */

/* In a pool of its own: the merge of a large index takes long. */
static enum im_err
database_queue_index(struct call *c)
{
	call_queue(c, c->server->compactors);
	return CALL_PENDING;
}

static enum im_err
database_journal_index(struct call *c, const char *what)
{
	struct meta_action action = database_action(c, what, c->database->name);

	return journal_add(c->server->journal, &action);
}

enum im_err
handle_FlushIndex(struct call *c)
{
	Immudb__Schema__FlushIndexResponse *out;
	enum im_err err;

	if (!c->may_block)
		return database_queue_index(c);
	out = message_new(call_arena(c), &immudb__schema__flush_index_response__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	err = store_flush_index(c->database->store);
	if (err == IM_OK)
		err = database_journal_index(c, JOURNAL_FLUSH_INDEX);
	out->database = c->database->name;
	c->answer = &out->base;
	return err;
}

enum im_err
handle_CompactIndex(struct call *c)
{
	enum im_err err;

	if (!c->may_block)
		return database_queue_index(c);
	err = store_compact_index(c->database->store);
	if (err == IM_OK)
		err = database_journal_index(c, JOURNAL_COMPACT_INDEX);
	return err == IM_OK ? database_answer_empty(c) : err;
}
