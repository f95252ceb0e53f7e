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
	return meta_permission(c->server->meta, c->session.user, name, out);
}

static enum im_err
database_require_sysadmin(const struct call *c)
{
	enum meta_level level;
	enum im_err err = database_level(c, META_ALL_DATABASES, &level);

	if (err != IM_OK)
		return err;
	return level >= META_LEVEL_SYSADMIN ? IM_OK : IM_ERR_PERMISSION;
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
database_settings_message(struct call *c, const struct database *db)
{
	struct arena *a = call_arena(c);
	settings_message *out =
	    message_new(a, &immudb__schema__database_nullable_settings__descriptor);
	Immudb__Schema__NullableUint32 *version =
	    message_new(a, &immudb__schema__nullable_uint32__descriptor);
	Immudb__Schema__NullableMilliseconds *frequency =
	    message_new(a, &immudb__schema__nullable_milliseconds__descriptor);
	struct database_settings settings;

	if (!out || !version || !frequency)
		return NULL;
	databases_settings(c->server->databases, db, &settings);
	version->value = settings.header_version;
	frequency->value = settings.synced ? 0 : DATABASE_UNSYNCED_MS;
	out->writetxheaderversion = version;
	out->syncfrequency = frequency;
	return out;
}

/* ---- Creating ---- */

static enum im_err
database_create(
    struct call *c, const char *name, const settings_message *settings, struct database **out)
{
	struct database_new new = {.name = bytes_str(name), .created_by = c->session.user};
	enum im_err err = database_require_sysadmin(c);

	if (err == IM_OK)
		err = database_change_of(settings, &new.settings);
	return err == IM_OK ? databases_create(c->server->databases, &new, out) : err;
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
	out->settings = database_settings_message(c, db);
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
	struct store_stats stats;

	if (!out)
		return NULL;
	store_stats(db->store, &stats);
	out->name = db->name;
	out->loaded = true;
	out->disksize = stats.disk_bytes;
	out->numtransactions = stats.tx;
	out->created_at = (uint64_t)db->created_at_s;
	out->created_by = db->created_by;
	out->settings = database_settings_message(c, db);
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
