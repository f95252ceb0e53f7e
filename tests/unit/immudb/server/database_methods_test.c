/*
 * Administration of databases through a whole server: creating with good and bad names, listing,
 * using, unloading, deleting, settings, what others may do, and what a restart finds.
 */
#include "server_harness.h"

#include <pthread.h>
#include <unistd.h>

static enum im_err
create(struct fixture *f, const char *name, bool if_not_exists, M(CreateDatabaseResponse) * *out)
{
	M(CreateDatabaseRequest) in = IMMUDB__SCHEMA__CREATE_DATABASE_REQUEST__INIT;

	in.name = (char *)(uintptr_t)name;
	in.ifnotexists = if_not_exists;
	return ask(f, RPC_METHOD_CreateDatabaseV2, &in.base, out);
}

static M(DatabaseListResponseV2) * list(struct fixture *f)
{
	M(DatabaseListRequestV2) in = IMMUDB__SCHEMA__DATABASE_LIST_REQUEST_V2__INIT;
	M(DatabaseListResponseV2) *out = NULL;

	assert_int_equal(ask(f, RPC_METHOD_DatabaseListV2, &in.base, &out), IM_OK);
	return out;
}

static const M(DatabaseInfo) * listed(struct fixture *f, const char *name)
{
	M(DatabaseListResponseV2) *l = list(f);

	for (size_t i = 0; i < l->n_databases; i++)
		if (strcmp(l->databases[i]->name, name) == 0)
			return l->databases[i];
	return NULL;
}

static void
created_is_listed_and_used(void **state)
{
	struct fixture *f = *state;
	M(CreateDatabaseResponse) * out;
	M(DatabaseListResponseV2) * l;
	M(TxHeader) * header;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(create(f, "team_2", false, &out), IM_OK);
	assert_string_equal(out->name, "team_2");
	assert_false(out->alreadyexisted);
	assert_int_equal(out->settings->writetxheaderversion->value, 1);
	assert_int_equal(create(f, "team_1", false, NULL), IM_OK);
	l = list(f);
	assert_int_equal(l->n_databases, 3);
	assert_string_equal(l->databases[0]->name, "defaultdb");
	assert_string_equal(l->databases[1]->name, "team_1");
	assert_string_equal(l->databases[2]->name, "team_2");
	assert_true(l->databases[1]->loaded);
	assert_string_equal(l->databases[1]->created_by, "immudb");
	assert_true(l->databases[1]->created_at > 1600000000);
	assert_int_equal(l->databases[1]->numtransactions, 0);
	assert_int_equal(use(f, "team_1"), IM_OK);
	assert_int_equal(set(f, "k", "v", &header), IM_OK);
	assert_int_equal(header->id, 1);
	assert_int_equal(listed(f, "team_1")->numtransactions, 1);
	assert_int_equal(listed(f, "team_2")->numtransactions, 0);
	assert_true(listed(f, "team_1")->disksize > 0);
}

static void
bad_names_are_refused(void **state)
{
	struct fixture *f = *state;
	char long_name[130];
	struct {
		const char *name;
		enum im_err err;
		const char *text;
	} rows[] = {
	    {"", IM_ERR_DATABASE_NAME, "database name length outside of limits"},
	    {long_name, IM_ERR_DATABASE_NAME, "database name length outside of limits"},
	    {"Team", IM_ERR_DATABASE_NAME, "provide a lowercase database name"},
	    {"a b", IM_ERR_DATABASE_NAME, "unrecognized character in database name"},
	    {"a\x7f", IM_ERR_DATABASE_NAME, "unrecognized character in database name"},
	    {"../up", IM_ERR_DATABASE_NAME, "punctuation marks and symbols are not allowed"},
	    {"..", IM_ERR_DATABASE_NAME, "punctuation marks and symbols are not allowed"},
	    {"a';drop--", IM_ERR_DATABASE_NAME, "punctuation marks and symbols are not allowed"},
	    {"systemdb", IM_ERR_DATABASE_RESERVED, "this database name is reserved"},
	    {"defaultdb", IM_ERR_DATABASE_RESERVED, "this database name is reserved"},
	    {"twice", IM_ERR_DATABASE_EXISTS, "database twice already exists"},
	};

	memset(long_name, 'a', 129);
	long_name[129] = '\0';
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(create(f, long_name + 1, false, NULL), IM_OK);
	assert_int_equal(create(f, "twice", false, NULL), IM_OK);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		enum im_err err = create(f, rows[i].name, false, NULL);

		if (err != rows[i].err || !strstr(err_detail(err), rows[i].text))
			fail_msg("%s: %s", rows[i].name, err_detail(err));
		assert_int_equal(f->status, err_status(rows[i].err));
	}
	assert_int_equal(list(f)->n_databases, 3);
}

static void
existing_may_be_accepted(void **state)
{
	struct fixture *f = *state;
	M(CreateDatabaseResponse) * out;
	M(Database) old = IMMUDB__SCHEMA__DATABASE__INIT;
	M(DatabaseListResponse) * names;
	M(Empty) empty = IMMUDB__SCHEMA__EMPTY__INIT;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(create(f, "one", true, &out), IM_OK);
	assert_false(out->alreadyexisted);
	assert_int_equal(create(f, "one", true, &out), IM_OK);
	assert_true(out->alreadyexisted);
	old.databasename = (char *)(uintptr_t) "two";
	assert_int_equal(ask(f, RPC_METHOD_CreateDatabase, &old.base, NULL), IM_OK);
	assert_int_equal(
	    ask(f, RPC_METHOD_CreateDatabase, &old.base, NULL), IM_ERR_DATABASE_EXISTS);
	assert_int_equal(ask(f, RPC_METHOD_DatabaseList, &empty.base, &names), IM_OK);
	assert_int_equal(names->n_databases, 3);
	assert_string_equal(names->databases[2]->databasename, "two");
}

/* ---- Loading, unloading, deleting, changing ---- */

static enum im_err
load(struct fixture *f, const char *name)
{
	M(LoadDatabaseRequest) in = IMMUDB__SCHEMA__LOAD_DATABASE_REQUEST__INIT;

	in.database = (char *)(uintptr_t)name;
	return ask(f, RPC_METHOD_LoadDatabase, &in.base, NULL);
}

static enum im_err
unload(struct fixture *f, const char *name)
{
	M(UnloadDatabaseRequest) in = IMMUDB__SCHEMA__UNLOAD_DATABASE_REQUEST__INIT;

	in.database = (char *)(uintptr_t)name;
	return ask(f, RPC_METHOD_UnloadDatabase, &in.base, NULL);
}

static enum im_err delete (struct fixture *f, const char *name) {
	M(DeleteDatabaseRequest) in = IMMUDB__SCHEMA__DELETE_DATABASE_REQUEST__INIT;

	in.database = (char *)(uintptr_t)name;
	return ask(f, RPC_METHOD_DeleteDatabase, &in.base, NULL);
}

static bool
folder_is_there(const struct fixture *f, const char *name)
{
	char path[160];

	snprintf(path, sizeof path, "%s/%s", f->data, name);
	return access(path, F_OK) == 0;
}

static void
unloaded_is_refused_until_loaded(void **state)
{
	struct fixture *f = *state;
	M(KeyRequest) in = key_request("k");

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(create(f, "db", false, NULL), IM_OK);
	assert_int_equal(use(f, "db"), IM_OK);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	assert_int_equal(load(f, "db"), IM_ERR_DATABASE_LOADED);
	assert_int_equal(unload(f, "db"), IM_OK);
	assert_int_equal(get(f, &in, NULL), IM_ERR_DATABASE_NOT_LOADED);
	assert_int_equal(set(f, "k", "w", NULL), IM_ERR_DATABASE_NOT_LOADED);
	assert_int_equal(unload(f, "db"), IM_ERR_DATABASE_NOT_LOADED);
	assert_false(listed(f, "db")->loaded);
	assert_int_equal(listed(f, "db")->numtransactions, 1);
	assert_int_equal(load(f, "db"), IM_OK);
	assert_true(listed(f, "db")->loaded);
	assert_int_equal(get(f, &in, NULL), IM_OK);
}

static void
deleted_is_gone(void **state)
{
	struct fixture *f = *state;
	M(KeyRequest) in = key_request("k");

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(create(f, "db", false, NULL), IM_OK);
	assert_int_equal(use(f, "db"), IM_OK);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	assert_true(folder_is_there(f, "db"));
	assert_int_equal(delete (f, "db"), IM_ERR_DATABASE_LOADED);
	assert_int_equal(unload(f, "db"), IM_OK);
	assert_int_equal(delete (f, "db"), IM_OK);
	assert_false(folder_is_there(f, "db"));
	assert_null(listed(f, "db"));
	assert_int_equal(get(f, &in, NULL), IM_ERR_DATABASE_NOT_FOUND);
	assert_int_equal(delete (f, "db"), IM_ERR_DATABASE_NOT_FOUND);
	assert_int_equal(load(f, "db"), IM_ERR_DATABASE_NOT_FOUND);
	/* What gets the name now is another one, also to a session on the old one. */
	assert_int_equal(create(f, "db", false, NULL), IM_OK);
	assert_int_equal(get(f, &in, NULL), IM_ERR_DATABASE_NOT_FOUND);
	assert_int_equal(use(f, "db"), IM_OK);
	assert_int_equal(get(f, &in, NULL), IM_ERR_KEY_NOT_FOUND);
}

static void
reserved_ones_stay(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {"defaultdb", "systemdb"};

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(unload(f, names[i]), IM_ERR_DATABASE_RESERVED);
		assert_int_equal(delete (f, names[i]), IM_ERR_DATABASE_RESERVED);
	}
	assert_int_equal(unload(f, "../defaultdb"), IM_ERR_DATABASE_NOT_FOUND);
	assert_int_equal(unload(f, ""), IM_ERR_DATABASE_NOT_FOUND);
}

static enum im_err
update(struct fixture *f, const char *name, int version, int64_t frequency)
{
	M(UpdateDatabaseRequest) in = IMMUDB__SCHEMA__UPDATE_DATABASE_REQUEST__INIT;
	M(DatabaseNullableSettings) settings = IMMUDB__SCHEMA__DATABASE_NULLABLE_SETTINGS__INIT;
	M(NullableUint32) v = IMMUDB__SCHEMA__NULLABLE_UINT32__INIT;
	M(NullableMilliseconds) ms = IMMUDB__SCHEMA__NULLABLE_MILLISECONDS__INIT;

	in.database = (char *)(uintptr_t)name;
	in.settings = &settings;
	v.value = (uint32_t)version;
	ms.value = frequency;
	settings.writetxheaderversion = version >= 0 ? &v : NULL;
	settings.syncfrequency = frequency >= 0 ? &ms : NULL;
	return ask(f, RPC_METHOD_UpdateDatabaseV2, &in.base, NULL);
}

/* They hold from the next load. */
static void
settings_hold_from_the_next_load(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);
	M(DatabaseSettingsRequest) ask_settings = IMMUDB__SCHEMA__DATABASE_SETTINGS_REQUEST__INIT;
	M(DatabaseSettingsResponse) * settings;
	M(TxHeader) * header;

	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(create(f, "db", false, NULL), IM_OK);
	assert_int_equal(use(f, "db"), IM_OK);
	assert_int_equal(update(f, "db", 0, 0), IM_OK);
	assert_int_equal(
	    ask(f, RPC_METHOD_GetDatabaseSettingsV2, &ask_settings.base, &settings), IM_OK);
	assert_string_equal(settings->database, "db");
	assert_int_equal(settings->settings->writetxheaderversion->value, 0);
	assert_int_equal(settings->settings->syncfrequency->value, 0);
	assert_int_equal(set(f, "k", "1", &header), IM_OK);
	assert_int_equal(header->version, 1);
	assert_int_equal(unload(f, "db"), IM_OK);
	assert_int_equal(load(f, "db"), IM_OK);
	assert_int_equal(set(f, "k", "2", &header), IM_OK);
	assert_int_equal(header->version, 0);
	stop(f);
	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(listed(f, "db")->settings->writetxheaderversion->value, 0);
	assert_int_equal(update(f, "db", 2, -1), IM_ERR_ARGUMENT);
	assert_int_equal(update(f, "db", -1, 20), IM_ERR_ARGUMENT);
	assert_int_equal(update(f, "nodb", 1, -1), IM_ERR_DATABASE_NOT_FOUND);
	assert_int_equal(update(f, "systemdb", 1, -1), IM_ERR_DATABASE_RESERVED);
	assert_int_equal(update(f, "db", 1, 1000), IM_OK);
	assert_int_equal(listed(f, "db")->settings->writetxheaderversion->value, 1);
	assert_int_equal(listed(f, "db")->settings->syncfrequency->value, 1000);
}

/* ---- What others may ---- */

static void
user_add(struct fixture *f, const char *name, const char *database, enum meta_level level)
{
	M(CreateUserRequest) in = IMMUDB__SCHEMA__CREATE_USER_REQUEST__INIT;

	in.user = message_data(bytes_str(name));
	in.password = message_data(bytes_str("MyPassw0rd!"));
	in.permission = level;
	in.database = (char *)(uintptr_t)database;
	assert_int_equal(ask(f, RPC_METHOD_CreateUser, &in.base, NULL), IM_OK);
}

static void
others_may_what_is_theirs(void **state)
{
	struct fixture *f = *state;
	static const char hidden[] =
	    "the database 'yours' does not exist or you do not have admin permission";
	enum im_err err;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(create(f, "mine", false, NULL), IM_OK);
	assert_int_equal(create(f, "yours", false, NULL), IM_OK);
	user_add(f, "boss", "mine", META_LEVEL_ADMIN);
	user_add(f, "reader", "mine", META_LEVEL_READ);
	assert_int_equal(login(f, "boss", "MyPassw0rd!"), IM_OK);
	assert_int_equal(create(f, "new", false, NULL), IM_ERR_PERMISSION);
	assert_int_equal(list(f)->n_databases, 1);
	assert_non_null(listed(f, "mine"));
	assert_int_equal(update(f, "mine", 1, -1), IM_OK);
	assert_int_equal(unload(f, "mine"), IM_OK);
	assert_int_equal(load(f, "mine"), IM_OK);
	err = unload(f, "yours");
	assert_int_equal(err, IM_ERR_PERMISSION);
	assert_non_null(strstr(err_detail(err), hidden));
	assert_int_equal(load(f, "nodb"), IM_ERR_PERMISSION);
	assert_int_equal(delete (f, "yours"), IM_ERR_PERMISSION);
	assert_int_equal(update(f, "yours", 1, -1), IM_ERR_PERMISSION);
	assert_int_equal(unload(f, "systemdb"), IM_ERR_PERMISSION);
	assert_int_equal(login(f, "reader", "MyPassw0rd!"), IM_OK);
	assert_int_equal(list(f)->n_databases, 1);
	assert_int_equal(unload(f, "mine"), IM_ERR_PERMISSION);
	assert_int_equal(delete (f, "mine"), IM_ERR_PERMISSION);
	assert_int_equal(login(f, "boss", "MyPassw0rd!"), IM_OK);
	assert_int_equal(unload(f, "mine"), IM_OK);
	assert_int_equal(delete (f, "mine"), IM_OK);
	assert_int_equal(list(f)->n_databases, 0);
}

/* ---- Many of them ---- */

#define MANY 12

static void
name_of(char *out, unsigned i)
{
	snprintf(out, 16, "db_%02u", i);
}

static size_t
open_count(struct fixture *f)
{
	struct database *db = NULL;
	struct database_info info;
	size_t n = 0;

	while ((db = databases_next(f->server->databases, db)) != NULL) {
		database_info(db, &info);
		n += info.is_open;
	}
	return n;
}

/* Few are open at a time, and all can be used. */
static void
closed_ones_are_opened_on_demand(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);
	M(KeyRequest) in = key_request("k");
	M(Entry) * entry;
	char name[16];

	options.max_active_databases = 4;
	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	for (unsigned i = 0; i < MANY; i++) {
		name_of(name, i);
		assert_int_equal(create(f, name, false, NULL), IM_OK);
		assert_int_equal(use(f, name), IM_OK);
		assert_int_equal(set(f, "k", name, NULL), IM_OK);
	}
	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < MANY; i++) {
			name_of(name, i);
			assert_int_equal(use(f, name), IM_OK);
			assert_int_equal(get(f, &in, &entry), IM_OK);
			assert_data_equal(entry->value, name);
			assert_true(open_count(f) <= 4);
			assert_int_equal(listed(f, "db_00")->numtransactions, 1);
			assert_true(listed(f, "db_00")->loaded);
			/* Each use makes a session. */
			assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
		}
		if (round == 0) {
			stop(f);
			start(f, &options);
			assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
			assert_true(open_count(f) <= 4);
		}
	}
}

/* ---- At the same time ---- */

/* A client of its own, in a thread of its own. */
struct other {
	struct fixture f;
	pthread_t thread;
	const char *database;
	_Atomic bool stop;
	_Atomic unsigned done;
	enum im_err err;
};

static void
other_start(struct other *o, struct fixture *f, void *(*run)(void *))
{
	*o = (struct other){.f = {.server = f->server}, .database = "db"};
	arena_init(&o->f.arena, ARENA_MAX);
	connect_to(&o->f);
	assert_int_equal(login(&o->f, "immudb", "immudb"), IM_OK);
	assert_int_equal(pthread_create(&o->thread, NULL, run, o), 0);
}

static void
other_end(struct other *o)
{
	assert_int_equal(pthread_join(o->thread, NULL), 0);
	rpc_client_close(o->f.conn);
	arena_free(&o->f.arena);
}

static void *
run_create(void *arg)
{
	struct other *o = arg;

	o->err = create(&o->f, o->database, false, NULL);
	return NULL;
}

static void
one_of_two_creates(void **state)
{
	struct fixture *f = *state;
	struct other *o = calloc(2, sizeof *o);
	unsigned won = 0;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	for (size_t i = 0; i < 2; i++)
		other_start(&o[i], f, run_create);
	for (size_t i = 0; i < 2; i++) {
		other_end(&o[i]);
		won += o[i].err == IM_OK;
		assert_true(o[i].err == IM_OK || o[i].err == IM_ERR_DATABASE_EXISTS);
	}
	assert_int_equal(won, 1);
	assert_int_equal(list(f)->n_databases, 2);
	free(o);
}

/* Writes until it is refused, or told to stop. */
static void *
run_writes(void *arg)
{
	struct other *o = arg;

	o->err = use(&o->f, o->database);
	while (o->err == IM_OK && !o->stop) {
		o->err = set(&o->f, "k", "v", NULL);
		o->done += o->err == IM_OK;
		arena_reset(&o->f.arena, ARENA_MAX);
	}
	return NULL;
}

/* What was answered is there; nobody is answered wrongly. */
static void
unloaded_under_load(void **state)
{
	struct fixture *f = *state;
	struct other *o = calloc(3, sizeof *o);
	unsigned done = 0;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(create(f, "db", false, NULL), IM_OK);
	for (size_t i = 0; i < 3; i++)
		other_start(&o[i], f, run_writes);
	while (o[0].done < 20 || o[1].done < 20 || o[2].done < 20)
		usleep(1000);
	assert_int_equal(unload(f, "db"), IM_OK);
	for (size_t i = 0; i < 3; i++) {
		other_end(&o[i]);
		assert_int_equal(o[i].err, IM_ERR_DATABASE_NOT_LOADED);
		done += o[i].done;
	}
	assert_int_equal(listed(f, "db")->numtransactions, done);
	assert_int_equal(load(f, "db"), IM_OK);
	assert_int_equal(listed(f, "db")->numtransactions, done);
	free(o);
}

/* All that may be open are busy: requests for another one wait until one is not. */
static void
full_of_busy_ones_waits(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);
	struct other *o = calloc(1, sizeof *o);
	struct database *busy, *b;
	struct database_info info;

	options.max_active_databases = 3;
	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(create(f, "db", false, NULL), IM_OK);
	assert_int_equal(create(f, "busy", false, NULL), IM_OK);
	b = databases_find(f->server->databases, bytes_str("db"));
	busy = databases_find(f->server->databases, bytes_str("busy"));
	do
		database_info(b, &info);
	while (info.state != DATABASE_IDLE);
	assert_true(database_try_hold(busy));
	other_start(o, f, run_writes);
	do
		database_info(b, &info);
	while (info.state != DATABASE_WANTED);
	assert_int_equal(o->done, 0);
	/* Others go on meanwhile. */
	assert_int_equal(use(f, "busy"), IM_OK);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	database_release(busy);
	while (o->done < 3)
		usleep(1000);
	o->stop = true;
	other_end(o);
	assert_int_equal(o->err, IM_OK);
	free(o);
}

/* Requests for more databases than may be open, from several clients. */
static void
databases_take_turns(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);
	static const char *const names[] = {"a", "b", "c", "d"};
	struct other *o = calloc(4, sizeof *o);

	options.max_active_databases = 3;
	options.max_sessions = 64;
	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(create(f, names[i], false, NULL), IM_OK);
	for (size_t i = 0; i < 4; i++) {
		other_start(&o[i], f, run_create);
		assert_int_equal(pthread_join(o[i].thread, NULL), 0);
		o[i].database = names[i];
		assert_int_equal(pthread_create(&o[i].thread, NULL, run_writes, &o[i]), 0);
	}
	for (size_t i = 0; i < 4; i++)
		while (o[i].done < 50)
			usleep(1000);
	for (size_t i = 0; i < 4; i++)
		o[i].stop = true;
	for (size_t i = 0; i < 4; i++) {
		other_end(&o[i]);
		assert_int_equal(o[i].err, IM_OK);
		assert_int_equal(listed(f, names[i])->numtransactions, o[i].done);
	}
	assert_true(open_count(f) <= 3);
	free(o);
}

/* ---- Damage ---- */

static void
damage_keeps_no_other_from_serving(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);
	char path[160];
	enum im_err err;

	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(create(f, "bad", false, NULL), IM_OK);
	assert_int_equal(create(f, "good", false, NULL), IM_OK);
	stop(f);
	snprintf(path, sizeof path, "%s/bad/immudb.database", f->data);
	assert_int_equal(unlink(path), 0);
	/* Not ours: left alone. */
	snprintf(path, sizeof path, "%s/lost+found", f->data);
	assert_int_equal(file_make_folder(path), IM_OK);
	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(list(f)->n_databases, 3);
	assert_false(listed(f, "bad")->loaded);
	assert_int_equal(use(f, "good"), IM_OK);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	assert_int_equal(use(f, "bad"), IM_OK);
	err = set(f, "k", "v", NULL);
	assert_int_equal(err, IM_ERR_CORRUPT);
	assert_non_null(strstr(err_detail(err), "bad"));
	assert_int_equal(load(f, "bad"), IM_ERR_CORRUPT);
	assert_int_equal(unload(f, "bad"), IM_OK);
	assert_int_equal(delete (f, "bad"), IM_OK);
	assert_int_equal(create(f, "bad", false, NULL), IM_OK);
	assert_true(folder_is_there(f, "lost+found"));
}

/* What a crash left half-done is finished by the next start. */
static void
half_done_is_finished(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);
	struct meta_database row = {.name = "half", .folder = "half", .created_by = "immudb"};
	struct meta *m;

	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(create(f, "dying", false, NULL), IM_OK);
	stop(f);
	assert_int_equal(meta_open(f->data, &m), IM_OK);
	assert_int_equal(meta_database_begin(m, &row, NULL, 0), IM_OK);
	assert_int_equal(meta_database_delete(m, "dying", NULL), IM_OK);
	meta_close(m);
	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_non_null(listed(f, "half"));
	assert_null(listed(f, "dying"));
	assert_true(folder_is_there(f, "half"));
	assert_false(folder_is_there(f, "dying"));
	assert_int_equal(use(f, "half"), IM_OK);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
}

/* ---- Indexes ---- */

static void
index_is_flushed_and_compacted(void **state)
{
	struct fixture *f = *state;
	M(FlushIndexRequest) flush = IMMUDB__SCHEMA__FLUSH_INDEX_REQUEST__INIT;
	M(FlushIndexResponse) * flushed;
	M(Empty) empty = IMMUDB__SCHEMA__EMPTY__INIT;
	M(KeyRequest) in = key_request("k");
	struct store_stats stats;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_FlushIndex, &flush.base, NULL), IM_OK);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(set(f, "k", "v", NULL), IM_OK);
		assert_int_equal(ask(f, RPC_METHOD_FlushIndex, &flush.base, &flushed), IM_OK);
		assert_string_equal(flushed->database, "defaultdb");
		store_stats(store_of(f), &stats);
		assert_int_equal(stats.index_runs, i);
		assert_int_equal(stats.unflushed_entries, 0);
	}
	assert_int_equal(set(f, "k", "w", NULL), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_CompactIndex, &empty.base, NULL), IM_OK);
	store_stats(store_of(f), &stats);
	assert_int_equal(stats.index_runs, 1);
	assert_int_equal(get(f, &in, NULL), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_CompactIndex, &empty.base, NULL), IM_OK);
	flush.cleanuppercentage = 1;
	assert_int_equal(ask(f, RPC_METHOD_FlushIndex, &flush.base, NULL), IM_ERR_UNIMPLEMENTED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STARTED(created_is_listed_and_used),
	    STARTED(bad_names_are_refused),
	    STARTED(existing_may_be_accepted),
	    STARTED(unloaded_is_refused_until_loaded),
	    STARTED(deleted_is_gone),
	    STARTED(reserved_ones_stay),
	    FOLDER(settings_hold_from_the_next_load),
	    STARTED(others_may_what_is_theirs),
	    FOLDER(closed_ones_are_opened_on_demand),
	    STARTED(one_of_two_creates),
	    STARTED(unloaded_under_load),
	    FOLDER(full_of_busy_ones_waits),
	    FOLDER(databases_take_turns),
	    FOLDER(damage_keeps_no_other_from_serving),
	    FOLDER(half_done_is_finished),
	    STARTED(index_is_flushed_and_compacted),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
