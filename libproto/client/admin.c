/*
 * Administration calls: one request, one answer each. Neighbours: connect.c (client_ask()),
 * immu_admin.h.
 *
 * Invariant: nothing here touches the trusted state; what a server says about users, databases and
 * sessions is shown, and never proven.
 */
#include "client/client.h"
#include "client/immu_admin.h"

/* What syncFrequency says in milliseconds: 0 waits for the disk, anything else is this. */
#define UNSYNCED_MS 1000

/* protobuf-c does not write through these. */
static char *
text(const char *s)
{
	return (char *)(uintptr_t)(s ? s : "");
}

static ProtobufCBinaryData
binary(const char *s)
{
	return (ProtobufCBinaryData){s ? strlen(s) : 0, (uint8_t *)text(s)};
}

/* A request whose answer says nothing. */
static enum im_err
tell(struct immu *c, enum rpc_method_id method, const ProtobufCMessage *request)
{
	struct arena arena;
	ProtobufCMessage *answer;
	enum im_err err;

	if (c->in_callback)
		return err_set(IM_ERR_ARGUMENT, "a callback must not wait");
	arena_init(&arena, c->max_message_bytes + CLIENT_ARENA_BASE);
	err = client_ask(c, method, request, &arena, &answer);
	arena_free(&arena);
	return err;
}

/* A request whose answer is given to take(), with the list's callback. */
struct listing {
	struct immu *c;
	struct arena arena;
	void *arg;
};

typedef enum im_err list_taker(struct listing *l, const ProtobufCMessage *answer);

static enum im_err
list(
    struct listing *l, enum rpc_method_id method, const ProtobufCMessage *request, list_taker *take)
{
	ProtobufCMessage *answer;
	enum im_err err;

	if (l->c->in_callback)
		return err_set(IM_ERR_ARGUMENT, "a callback must not wait");
	/* Small messages take many times their size when they are unpacked. */
	arena_init(&l->arena, 4 * l->c->max_message_bytes + CLIENT_ARENA_BASE);
	err = client_ask(l->c, method, request, &l->arena, &answer);
	if (!err)
		err = take(l, answer);
	arena_free(&l->arena);
	return err;
}

/* ---- Users ---- */

struct user_listing {
	struct listing base;
	immu_user_fn *fn;
};

static enum im_err
take_users(struct listing *base, const ProtobufCMessage *answer)
{
	struct user_listing *l = (struct user_listing *)base;
	const Immudb__Schema__UserList *m = (const Immudb__Schema__UserList *)answer;

	for (size_t i = 0; i < m->n_users; i++) {
		const Immudb__Schema__User *u = m->users[i];
		struct immu_grant *grants =
		    arena_calloc(&base->arena, u->n_permissions, sizeof *grants);
		struct immu_user user = {
		    .name = arena_str(&base->arena, bytes_of(u->user.data, u->user.len)),
		    .active = u->active,
		    .created_by = u->createdby,
		    .created_at = u->createdat,
		    .grants = grants,
		    .grants_len = u->n_permissions};

		if (!user.name || (u->n_permissions && !grants))
			return err_set(IM_ERR_NOMEM, "out of memory");
		for (size_t k = 0; k < u->n_permissions; k++)
			grants[k] = (struct immu_grant){u->permissions[k]->database,
			    (enum immu_level)u->permissions[k]->permission};
		if (!l->fn(base->arg, &user))
			break;
	}
	return IM_OK;
}

enum im_err
immu_each_user(struct immu *c, immu_user_fn *fn, void *arg)
{
	Immudb__Schema__Empty m = IMMUDB__SCHEMA__EMPTY__INIT;
	struct user_listing l = {.base = {.c = c, .arg = arg}, .fn = fn};

	return list(&l.base, RPC_METHOD_ListUsers, &m.base, take_users);
}

enum im_err
immu_create_user(struct immu *c, const struct immu_new_user *user)
{
	Immudb__Schema__CreateUserRequest m = IMMUDB__SCHEMA__CREATE_USER_REQUEST__INIT;

	m.user = binary(user->name);
	m.password = binary(user->password);
	m.permission = (uint32_t)user->grant.level;
	m.database = text(user->grant.database);
	return tell(c, RPC_METHOD_CreateUser, &m.base);
}

enum im_err
immu_change_password(struct immu *c, const struct immu_new_password *change)
{
	Immudb__Schema__ChangePasswordRequest m = IMMUDB__SCHEMA__CHANGE_PASSWORD_REQUEST__INIT;

	m.user = binary(change->user);
	m.oldpassword = binary(change->old_password);
	m.newpassword = binary(change->password);
	return tell(c, RPC_METHOD_ChangePassword, &m.base);
}

static enum im_err
change_permission(struct immu *c, const char *user, const struct immu_grant *grant,
    Immudb__Schema__PermissionAction action)
{
	Immudb__Schema__ChangePermissionRequest m = IMMUDB__SCHEMA__CHANGE_PERMISSION_REQUEST__INIT;

	m.action = action;
	m.username = text(user);
	m.database = text(grant->database);
	m.permission = (uint32_t)grant->level;
	return tell(c, RPC_METHOD_ChangePermission, &m.base);
}

enum im_err
immu_grant(struct immu *c, const char *user, const struct immu_grant *grant)
{
	return change_permission(c, user, grant, IMMUDB__SCHEMA__PERMISSION_ACTION__GRANT);
}

enum im_err
immu_revoke(struct immu *c, const char *user, const struct immu_grant *grant)
{
	return change_permission(c, user, grant, IMMUDB__SCHEMA__PERMISSION_ACTION__REVOKE);
}

enum im_err
immu_set_active(struct immu *c, const char *user, bool active)
{
	Immudb__Schema__SetActiveUserRequest m = IMMUDB__SCHEMA__SET_ACTIVE_USER_REQUEST__INIT;

	m.username = text(user);
	m.active = active;
	return tell(c, RPC_METHOD_SetActiveUser, &m.base);
}

/* ---- Databases ---- */

struct database_listing {
	struct listing base;
	immu_database_fn *fn;
};

static struct immu_database_settings
settings_of(const Immudb__Schema__DatabaseNullableSettings *m)
{
	struct immu_database_settings settings = {.header_version = 1, .synced = true};

	if (m && m->writetxheaderversion)
		settings.header_version = m->writetxheaderversion->value;
	if (m && m->syncfrequency)
		settings.synced = m->syncfrequency->value == 0;
	return settings;
}

static enum im_err
take_databases(struct listing *base, const ProtobufCMessage *answer)
{
	struct database_listing *l = (struct database_listing *)base;
	const Immudb__Schema__DatabaseListResponseV2 *m =
	    (const Immudb__Schema__DatabaseListResponseV2 *)answer;

	for (size_t i = 0; i < m->n_databases; i++) {
		const Immudb__Schema__DatabaseInfo *d = m->databases[i];
		struct immu_database_info info = {.name = d->name,
		    .loaded = d->loaded,
		    .disk_bytes = d->disksize,
		    .transactions = d->numtransactions,
		    .created_at = (int64_t)d->created_at,
		    .created_by = d->created_by,
		    .settings = settings_of(d->settings)};

		if (!l->fn(base->arg, &info))
			break;
	}
	return IM_OK;
}

enum im_err
immu_each_database(struct immu *c, immu_database_fn *fn, void *arg)
{
	Immudb__Schema__DatabaseListRequestV2 m = IMMUDB__SCHEMA__DATABASE_LIST_REQUEST_V2__INIT;
	struct database_listing l = {.base = {.c = c, .arg = arg}, .fn = fn};

	return list(&l.base, RPC_METHOD_DatabaseListV2, &m.base, take_databases);
}

/* The settings of a message, with what they point to. */
struct settings_message {
	Immudb__Schema__DatabaseNullableSettings m;
	Immudb__Schema__NullableUint32 version;
	Immudb__Schema__NullableMilliseconds frequency;
};

static Immudb__Schema__DatabaseNullableSettings *
fill_settings(struct settings_message *out, const struct immu_settings_change *change)
{
	immudb__schema__database_nullable_settings__init(&out->m);
	immudb__schema__nullable_uint32__init(&out->version);
	immudb__schema__nullable_milliseconds__init(&out->frequency);
	if (!change)
		return NULL;
	out->version.value = change->to.header_version;
	out->frequency.value = change->to.synced ? 0 : UNSYNCED_MS;
	if (change->has_header_version)
		out->m.writetxheaderversion = &out->version;
	if (change->has_synced)
		out->m.syncfrequency = &out->frequency;
	return &out->m;
}

enum im_err
immu_create_database(struct immu *c, const char *name, const struct immu_settings_change *settings)
{
	Immudb__Schema__CreateDatabaseRequest m = IMMUDB__SCHEMA__CREATE_DATABASE_REQUEST__INIT;
	struct settings_message filled;

	m.name = text(name);
	m.settings = fill_settings(&filled, settings);
	return tell(c, RPC_METHOD_CreateDatabaseV2, &m.base);
}

enum im_err
immu_update_database(struct immu *c, const char *name, const struct immu_settings_change *settings)
{
	Immudb__Schema__UpdateDatabaseRequest m = IMMUDB__SCHEMA__UPDATE_DATABASE_REQUEST__INIT;
	struct settings_message filled;

	m.database = text(name);
	m.settings = fill_settings(&filled, settings);
	return tell(c, RPC_METHOD_UpdateDatabaseV2, &m.base);
}

enum im_err
immu_load_database(struct immu *c, const char *name)
{
	Immudb__Schema__LoadDatabaseRequest m = IMMUDB__SCHEMA__LOAD_DATABASE_REQUEST__INIT;

	m.database = text(name);
	return tell(c, RPC_METHOD_LoadDatabase, &m.base);
}

enum im_err
immu_unload_database(struct immu *c, const char *name)
{
	Immudb__Schema__UnloadDatabaseRequest m = IMMUDB__SCHEMA__UNLOAD_DATABASE_REQUEST__INIT;

	m.database = text(name);
	return tell(c, RPC_METHOD_UnloadDatabase, &m.base);
}

enum im_err
immu_delete_database(struct immu *c, const char *name)
{
	Immudb__Schema__DeleteDatabaseRequest m = IMMUDB__SCHEMA__DELETE_DATABASE_REQUEST__INIT;

	m.database = text(name);
	return tell(c, RPC_METHOD_DeleteDatabase, &m.base);
}

enum im_err
immu_flush_index(struct immu *c)
{
	Immudb__Schema__FlushIndexRequest m = IMMUDB__SCHEMA__FLUSH_INDEX_REQUEST__INIT;

	m.synced = true;
	return tell(c, RPC_METHOD_FlushIndex, &m.base);
}

enum im_err
immu_compact_index(struct immu *c)
{
	Immudb__Schema__Empty m = IMMUDB__SCHEMA__EMPTY__INIT;

	return tell(c, RPC_METHOD_CompactIndex, &m.base);
}

/* ---- Scrubs ---- */

enum im_err
immu_scrub_begin(struct immu *c, const char *database, uint64_t rate)
{
	Immudb__Schema__ScrubDatabaseRequest m = IMMUDB__SCHEMA__SCRUB_DATABASE_REQUEST__INIT;

	m.database = text(database);
	m.rate = rate;
	return tell(c, RPC_METHOD_ScrubDatabase, &m.base);
}

enum im_err
immu_scrub_stop(struct immu *c, const char *database)
{
	Immudb__Schema__StopScrubRequest m = IMMUDB__SCHEMA__STOP_SCRUB_REQUEST__INIT;

	m.database = text(database);
	return tell(c, RPC_METHOD_StopScrub, &m.base);
}

struct scrub_listing {
	struct listing base;
	immu_scrub_fn *fn;
};

static enum im_err
fill_faults(
    struct arena *a, const Immudb__Schema__ScrubInfo *m, const struct immu_scrub_fault **out)
{
	struct immu_scrub_fault *faults = arena_calloc(a, m->n_faults, sizeof *faults);

	*out = faults;
	if (m->n_faults && !faults)
		return err_set(IM_ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < m->n_faults; i++) {
		const Immudb__Schema__ScrubFault *f = m->faults[i];

		faults[i] = (struct immu_scrub_fault){.tx = f->tx,
		    .raw_key = f->rawkey.data,
		    .raw_key_len = f->rawkey.len,
		    .file = f->file,
		    .offset = f->offset,
		    .what = f->what,
		    .derived = f->derived};
	}
	return IM_OK;
}

static struct immu_scrub_info
scrub_of(const Immudb__Schema__ScrubInfo *m)
{
	return (struct immu_scrub_info){.database = m->database,
	    .state = m->state,
	    .error = m->error,
	    .periodic = m->periodic,
	    .rate = m->rate,
	    .next_tx = m->nexttx,
	    .last_tx = m->lasttx,
	    .bytes = m->bytes,
	    .lost = m->lost,
	    .derived = m->derived,
	    .began_at = m->beganat,
	    .ended_at = m->endedat,
	    .finished_at = m->finishedat,
	    .finished_transactions = m->finishedtransactions,
	    .finished_bytes = m->finishedbytes,
	    .finished_lost = m->finishedlost,
	    .finished_derived = m->finishedderived,
	    .faults_len = m->n_faults};
}

static enum im_err
take_scrubs(struct listing *base, const ProtobufCMessage *answer)
{
	struct scrub_listing *l = (struct scrub_listing *)base;
	const Immudb__Schema__ScrubStatusResponse *m =
	    (const Immudb__Schema__ScrubStatusResponse *)answer;

	for (size_t i = 0; i < m->n_scrubs; i++) {
		struct immu_scrub_info info = scrub_of(m->scrubs[i]);
		enum im_err err = fill_faults(&base->arena, m->scrubs[i], &info.faults);

		if (err)
			return err;
		if (!l->fn(base->arg, &info))
			break;
	}
	return IM_OK;
}

enum im_err
immu_each_scrub(struct immu *c, const char *database, immu_scrub_fn *fn, void *arg)
{
	Immudb__Schema__ScrubStatusRequest m = IMMUDB__SCHEMA__SCRUB_STATUS_REQUEST__INIT;
	struct scrub_listing l = {.base = {.c = c, .arg = arg}, .fn = fn};

	if (database)
		m.database = text(database);
	return list(&l.base, RPC_METHOD_ScrubStatus, &m.base, take_scrubs);
}

/* ---- Sessions ---- */

struct session_listing {
	struct listing base;
	immu_session_fn *fn;
};

static enum im_err
take_sessions(struct listing *base, const ProtobufCMessage *answer)
{
	struct session_listing *l = (struct session_listing *)base;
	const Immudb__Schema__SessionListResponse *m =
	    (const Immudb__Schema__SessionListResponse *)answer;

	for (size_t i = 0; i < m->n_sessions; i++) {
		const Immudb__Schema__SessionInfo *s = m->sessions[i];
		struct immu_session_info info = {.id = s->id,
		    .user = s->user,
		    .database = s->database,
		    .address = s->address,
		    .opened_at = s->openedat,
		    .active_at = s->activeat,
		    .is_own = s->own};

		if (!l->fn(base->arg, &info))
			break;
	}
	return IM_OK;
}

enum im_err
immu_each_session(struct immu *c, immu_session_fn *fn, void *arg)
{
	Immudb__Schema__Empty m = IMMUDB__SCHEMA__EMPTY__INIT;
	struct session_listing l = {.base = {.c = c, .arg = arg}, .fn = fn};

	return list(&l.base, RPC_METHOD_SessionList, &m.base, take_sessions);
}

enum im_err
immu_end_session(struct immu *c, const char *id)
{
	Immudb__Schema__EndSessionRequest m = IMMUDB__SCHEMA__END_SESSION_REQUEST__INIT;

	m.id = text(id);
	return tell(c, RPC_METHOD_EndSession, &m.base);
}
