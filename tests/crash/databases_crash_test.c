/*
 * A server is killed again and again while one client creates, unloads, loads and deletes databases
 * and others write to them. After each start the metadata file, the folders and the system database
 * tell the same: what was begun is finished, no acknowledged database or write is lost, and nothing
 * is left of a database that is gone.
 *
 * IMMUDB_CRASH_KILLS says how often. This process never uses the network: its children do.
 */
#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "crypto/password.h"
#include "crypto/rawkey.h"
#include "fault_vfs.h"
#include "meta/meta_change.h"
#include "rpc/client_conn.h"
#include "scratch.h"
#include "server/database_folder.h"
#include "server/messages.h"
#include "server/server_state.h"
#include "util/log.h"

#define KILLS 25
#define KILL_AFTER_MAX_US 350000
#define ARENA_MAX (32u << 20)
#define NAMES 6
#define WRITERS 2
/* Fewer than there are, so that they take turns. */
#define OPEN_MAX_DATABASES 4
#define SESSIONS_MAX 64
#define USER "alice"

#define M(Name) Immudb__Schema__##Name

/* One name, over all the databases that had it. Shared with the child that is killed. */
struct slot {
	_Atomic bool exists, loaded; /* as acknowledged */
	_Atomic bool busy;           /* something was asked and not answered */
	/*
	 * The upper half counts the databases that had the name, the lower one writes to the
	 * present.
	 */
	_Atomic uint64_t written;
};

struct progress {
	struct slot slots[NAMES];
	_Atomic uint64_t moves,
	    writes;           /* acknowledged, for the summary: loads and unloads; writes */
	_Atomic bool is_busy; /* this child has acknowledged a write */
};

/* What the journal says of a name. */
struct told {
	bool exists;
	uint64_t created, moves;
};

struct scene {
	char dir[SCRATCH_PATH_MAX];
	struct progress *progress;
	struct meta *meta;
	struct databases *databases;
	struct journal *journal;
	struct told told[NAMES];
	uint64_t rows; /* of the journal that have been read */
	uint64_t moves;
};

static bool
scene_fail(const char *what, const char *name)
{
	fprintf(
	    stderr, "databases_crash_test: %s: %s: %s\n", name, what, err_detail(IM_ERR_INTERNAL));
	return false;
}

static void
slot_name(size_t i, char name[8])
{
	snprintf(name, 8, "db%zu", i);
}

static size_t
slot_of(const char *name)
{
	char have[8];
	size_t i;

	for (i = 0; i < NAMES; i++) {
		slot_name(i, have);
		if (strcmp(have, name) == 0)
			break;
	}
	return i;
}

/* ---- The child ---- */

/* A client of the server in this process. */
struct client {
	struct scene *scene;
	struct server *server;
	struct rpc_client_conn *conn;
	struct arena arena;
	char session[SESSION_TEXT_MAX];
	uint64_t random;
	size_t first, step; /* of the names it uses */
	pthread_t thread;
};

static bool
client_begin(struct client *c)
{
	struct rpc_client_options options = {
	    .host = "127.0.0.1", .port = server_port(c->server), .name = "databases_crash_test"};
	struct session session = {.kind = SESSION_OPEN, .user = "immudb", .is_sysadmin = true};

	arena_init(&c->arena, ARENA_MAX);
	session.epoch = sessions_epoch(c->server->sessions);
	return sessions_start(c->server->sessions, &session, "here", c->session) == IM_OK &&
	    rpc_client_connect(&options, &c->conn) == IM_OK;
}

static enum im_err
client_ask(struct client *c, uint16_t method, const ProtobufCMessage *request)
{
	struct rpc_call call = {
	    .method = method, .session = bytes_str(c->session), .request = request};
	ProtobufCMessage *answer = NULL;
	enum im_err err = rpc_call_wait(c->conn, &call, &c->arena, &answer, NULL);

	arena_free(&c->arena);
	arena_init(&c->arena, ARENA_MAX);
	return err;
}

static enum im_err
client_create(struct client *c, char *name)
{
	M(CreateDatabaseRequest) in = IMMUDB__SCHEMA__CREATE_DATABASE_REQUEST__INIT;
	M(ChangePermissionRequest) grant = IMMUDB__SCHEMA__CHANGE_PERMISSION_REQUEST__INIT;
	enum im_err err;

	in.name = grant.database = name;
	grant.username = (char[]){USER};
	grant.permission = META_LEVEL_READ;
	err = client_ask(c, RPC_METHOD_CreateDatabaseV2, &in.base);
	return err == IM_OK ? client_ask(c, RPC_METHOD_ChangePermission, &grant.base) : err;
}

static enum im_err
client_unload(struct client *c, char *name)
{
	M(UnloadDatabaseRequest) in = IMMUDB__SCHEMA__UNLOAD_DATABASE_REQUEST__INIT;

	in.database = name;
	return client_ask(c, RPC_METHOD_UnloadDatabase, &in.base);
}

static enum im_err
client_load(struct client *c, char *name)
{
	M(LoadDatabaseRequest) in = IMMUDB__SCHEMA__LOAD_DATABASE_REQUEST__INIT;

	in.database = name;
	return client_ask(c, RPC_METHOD_LoadDatabase, &in.base);
}

static enum im_err
client_delete(struct client *c, char *name)
{
	M(DeleteDatabaseRequest) in = IMMUDB__SCHEMA__DELETE_DATABASE_REQUEST__INIT;

	in.database = name;
	return client_ask(c, RPC_METHOD_DeleteDatabase, &in.base);
}

/* Takes one name a step on. */
static bool
administrate(struct client *c, size_t i)
{
	struct slot *s = &c->scene->progress->slots[i];
	bool exists = s->exists, loaded = s->loaded, deletes = fault_random(&c->random) % 2;
	enum im_err err;
	char name[8];

	slot_name(i, name);
	if (!exists)
		s->written = ((s->written >> 32) + 1) << 32;
	s->busy = true;
	if (!exists)
		err = client_create(c, name);
	else if (loaded)
		err = client_unload(c, name);
	else
		err = deletes ? client_delete(c, name) : client_load(c, name);
	if (err != IM_OK)
		return scene_fail("an administrator is refused", name);
	if (!exists)
		s->exists = s->loaded = true;
	else if (loaded || !deletes)
		s->loaded = !loaded;
	else
		s->exists = false;
	c->scene->progress->moves += exists && (loaded || !deletes);
	s->busy = false;
	return true;
}

/* One write to a name, which may be refused: the database may be gone by now. */
static void
write_one(struct client *c, size_t i)
{
	struct slot *s = &c->scene->progress->slots[i];
	uint64_t before = s->written;
	char name[8], key[24], value[24];
	M(Database) use = IMMUDB__SCHEMA__DATABASE__INIT;
	M(KeyValue) kv = IMMUDB__SCHEMA__KEY_VALUE__INIT;
	M(KeyValue) * kvs[1] = {&kv};
	M(SetRequest) set = IMMUDB__SCHEMA__SET_REQUEST__INIT;

	slot_name(i, name);
	snprintf(key, sizeof key, "%" PRIu32, (uint32_t)before + 1);
	snprintf(value, sizeof value, "%" PRIu64, before >> 32);
	use.databasename = name;
	kv.key = message_data(bytes_str(key));
	kv.value = message_data(bytes_str(value));
	set.n_kvs = 1;
	set.kvs = kvs;
	if (!s->exists || !s->loaded || client_ask(c, RPC_METHOD_UseDatabase, &use.base) != IM_OK ||
	    s->written >> 32 != before >> 32 || client_ask(c, RPC_METHOD_Set, &set.base) != IM_OK)
		return;
	/* Meanwhile another database may have got the name, to which this does not count. */
	if (atomic_compare_exchange_strong(&s->written, &before, before + 1)) {
		c->scene->progress->writes++;
		c->scene->progress->is_busy = true;
	}
}

static void *
writer_run(void *arg)
{
	struct client *c = arg;

	for (size_t i = c->first;; i = (i + c->step) % NAMES)
		write_one(c, i);
	return NULL;
}

/* Serves and asks until it is killed. */
static int
scene_work(struct scene *s, uint64_t random)
{
	struct server_options options = {.dir = s->dir,
	    .synced = true,
	    .address = "127.0.0.1",
	    .admin_password = "immudb",
	    .auth = true,
	    .max_message_bytes = 1u << 20,
	    .max_sessions = SESSIONS_MAX,
	    .max_active_databases = OPEN_MAX_DATABASES,
	    .token_life_ms = INT32_MAX,
	    .session_idle_ms = INT32_MAX,
	    .metrics_address = ""};
	struct client admin = {.scene = s, .random = random}, writers[WRITERS];

	if (server_start(&options, &admin.server) != IM_OK || !client_begin(&admin))
		return !scene_fail("the server does not start", s->dir);
	for (size_t i = 0; i < WRITERS; i++) {
		writers[i] = (struct client){
		    .scene = s, .server = admin.server, .first = i, .step = WRITERS};
		if (!client_begin(&writers[i]) ||
		    pthread_create(&writers[i].thread, NULL, writer_run, &writers[i]) != 0)
			return !scene_fail("a client does not start", s->dir);
	}
	while (administrate(&admin, fault_random(&admin.random) % NAMES))
		;
	return 1;
}

/* ---- What the parent finds ---- */

static bool
scene_open(struct scene *s)
{
	struct databases_options options = {.dir = s->dir};

	if (meta_open(s->dir, &s->meta) != IM_OK)
		return scene_fail("cannot open", META_FILE_NAME);
	options.meta = s->meta;
	if (databases_open(&options, &s->databases) != IM_OK)
		return scene_fail("cannot open the databases", s->dir);
	if (journal_start(s->meta, databases_find(s->databases, bytes_str("systemdb"))->store,
		&s->journal) != IM_OK ||
	    journal_flush(s->journal) != IM_OK)
		return scene_fail("the journal does not start", s->dir);
	return true;
}

static void
scene_close(struct scene *s)
{
	journal_stop(s->journal);
	databases_close(s->databases);
	meta_close(s->meta);
}

/* The value of a key, as a text; false when it is not there. */
static bool
scene_read(struct store *store, const char *key, char *out, size_t size)
{
	struct store_query q = {0};
	struct store_value v;
	struct arena a;
	bool found;

	arena_init(&a, ARENA_MAX);
	found = raw_key_make(&a, bytes_str(key), &q.key) == IM_OK &&
	    store_get(store, &q, &a, &v) == IM_OK && v.value.len > 0;
	/* Without the byte of its kind. */
	if (found)
		snprintf(out, size, "%.*s", (int)v.value.len - 1, (const char *)v.value.data + 1);
	arena_free(&a);
	return found;
}

/* The text of one member of a row, in place. */
static const char *
row_member(char *row, const char *name, char *out, size_t size)
{
	char label[32];
	const char *at, *end;

	snprintf(label, sizeof label, "\"%s\":\"", name);
	at = strstr(row, label);
	at = at ? at + strlen(label) : "";
	end = strchr(at, '"');
	snprintf(out, size, "%.*s", end ? (int)(end - at) : 0, at);
	return out;
}

/* One row, which must be possible after those before it. */
static bool
scene_hear(struct scene *s, char *row)
{
	char action[32], database[16];
	size_t i = slot_of(row_member(row, "database", database, sizeof database));
	struct told *t = &s->told[i];
	bool possible = true;

	if (i == NAMES)
		return true;
	row_member(row, "action", action, sizeof action);
	if (strcmp(action, JOURNAL_DATABASE_CREATE) == 0) {
		possible = !t->exists;
		t->exists = true;
		t->created++;
	} else if (strcmp(action, JOURNAL_DATABASE_DELETE) == 0) {
		possible = t->exists;
		t->exists = false;
	} else if (strcmp(action, JOURNAL_DATABASE_LOAD) == 0 ||
	    strcmp(action, JOURNAL_DATABASE_UNLOAD) == 0) {
		s->moves++;
	}
	return possible || scene_fail("the journal tells what cannot be", row);
}

static bool
scene_check_journal(struct scene *s)
{
	struct store *store = databases_find(s->databases, bytes_str("systemdb"))->store;
	uint64_t acknowledged = atomic_load(&s->progress->moves);
	char key[64], row[META_JOURNAL_ENTRY_MAX];

	for (;; s->rows++) {
		snprintf(key, sizeof key, JOURNAL_KEY_PREFIX "%020" PRIu64, s->rows + 1);
		if (!scene_read(store, key, row, sizeof row))
			break;
		if (!scene_hear(s, row))
			return false;
	}
	if (s->moves < acknowledged || s->moves > acknowledged + 1)
		return scene_fail("loads and unloads are missing in the journal, or too many", key);
	atomic_store(&s->progress->moves, s->moves);
	return true;
}

/* Every write that was acknowledged, and at most one more, all to this database. */
static bool
scene_check_writes(const struct slot *slot, const struct database *db)
{
	uint64_t written = slot->written;
	char key[24], value[24], want[24];

	snprintf(want, sizeof want, "%" PRIu64, written >> 32);
	for (uint32_t i = 1; i <= (uint32_t)written + 1; i++) {
		bool found;

		snprintf(key, sizeof key, "%" PRIu32, i);
		found = scene_read(db->store, key, value, sizeof value);
		if (!found && i <= (uint32_t)written)
			return scene_fail("a write is lost", db->name);
		if (found && strcmp(value, want) != 0)
			return scene_fail("it holds what was written to another", db->name);
	}
	snprintf(key, sizeof key, "%" PRIu32, (uint32_t)written + 2);
	return !scene_read(db->store, key, value, sizeof value) ||
	    scene_fail("it holds what nobody wrote", db->name);
}

static bool
scene_check_name(struct scene *s, size_t i)
{
	struct slot *slot = &s->progress->slots[i];
	struct database *db;
	enum meta_level level = META_LEVEL_NONE;
	char name[8];

	slot_name(i, name);
	db = databases_find(s->databases, bytes_str(name));
	if (!slot->busy && slot->exists != (db != NULL))
		return scene_fail("it is not as it was acknowledged", name);
	if (s->told[i].exists != (db != NULL))
		return scene_fail("the journal tells otherwise", name);
	if (meta_permission(s->meta, USER, name, &level) != IM_OK ||
	    (!db && level != META_LEVEL_NONE))
		return scene_fail("there is a permission without a database", name);
	if (db && (!db->store || !scene_check_writes(slot, db)))
		return scene_fail("it is not whole", name);
	slot->exists = slot->loaded = db != NULL;
	slot->busy = false;
	return true;
}

/* Every folder belongs to a database and every database has its folder. */
static bool
scene_check_folders(struct scene *s)
{
	struct database *db = NULL;
	size_t folders = 0, databases = 0;
	struct dirent *entry;
	DIR *dir = opendir(s->dir);
	bool marked;

	if (!dir)
		return scene_fail("cannot be read", s->dir);
	while ((entry = readdir(dir)) != NULL)
		folders += entry->d_type == DT_DIR && entry->d_name[0] != '.';
	closedir(dir);
	while ((db = databases_next(s->databases, db)) != NULL) {
		databases++;
		if (database_folder_is_marked(s->dir, db->folder, &marked) != IM_OK || !marked)
			return scene_fail("its folder is missing", db->name);
	}
	return folders == databases || scene_fail("there are folders of no database", s->dir);
}

static bool
scene_check(struct scene *s)
{
	struct meta_database row;
	bool good = scene_open(s);

	if (good &&
	    (meta_database_find(s->meta, META_DATABASE_CREATING, &row) != IM_ERR_NOT_FOUND ||
		meta_database_find(s->meta, META_DATABASE_DELETING, &row) != IM_ERR_NOT_FOUND))
		good = scene_fail("it was not rolled forward", row.name);
	good = good && scene_check_folders(s) && scene_check_journal(s);
	for (size_t i = 0; i < NAMES && good; i++)
		good = scene_check_name(s, i);
	if (good)
		scene_close(s);
	return good;
}

/* The folder before the first kill, with a user to be given permissions. */
static bool
scene_prepare(struct scene *s)
{
	char hash[META_HASH_MAX];
	struct meta_change change = {.kind = META_CHANGE_CREATE,
	    .user = USER,
	    .database = "defaultdb",
	    .level = META_LEVEL_READ,
	    .hash = hash,
	    .active = true,
	    .created_by = "immudb"};

	if (password_hash(bytes_str("Secret-Word-1"), hash) != IM_OK || !scene_open(s))
		return false;
	if (meta_user_change(s->meta, &change) != IM_OK)
		return scene_fail("cannot be created", USER);
	change.user = "immudb";
	change.database = META_ALL_DATABASES;
	change.level = META_LEVEL_SYSADMIN;
	if (meta_user_change(s->meta, &change) != IM_OK)
		return scene_fail("cannot be created", change.user);
	scene_close(s);
	return true;
}

/* A server that is killed at a random moment, every other one after its first write. */
static bool
scene_kill(struct scene *s, unsigned kill_number, uint64_t *random)
{
	uint64_t seed = fault_random(random);
	bool started;
	pid_t child;

	s->progress->is_busy = false;
	child = scratch_fork();
	if (child < 0)
		return scene_fail("cannot fork", s->dir);
	if (child == 0)
		_exit(scene_work(s, seed));
	started = kill_number % 2 || scratch_await(child, &s->progress->is_busy);
	return (scratch_kill_after(child, KILL_AFTER_MAX_US, random) != 1 && started) ||
	    scene_fail("the child failed", s->dir);
}

static bool
scene_run(struct scene *s)
{
	uint64_t random = (uint64_t)time(NULL), created = 0;
	unsigned kills = scratch_kills(KILLS);

	if (!scene_prepare(s))
		return false;
	for (unsigned i = 0; i < kills; i++) {
		if (!scene_kill(s, i, &random) || !scene_check(s))
			return false;
	}
	for (size_t i = 0; i < NAMES; i++)
		created += s->told[i].created;
	printf("%u kills; %" PRIu64 " databases created, %" PRIu64 " loads and unloads, %" PRIu64
	       " writes\n",
	    kills, created, s->moves, atomic_load(&s->progress->writes));
	return (created > 0 && s->progress->writes > 0) || scene_fail("nothing happened", s->dir);
}

int
main(void)
{
	struct scene s = {.progress = mmap(NULL, sizeof *s.progress, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
	bool good;

	log_set_level(LOG_LEVEL_ERROR);
	if (s.progress == MAP_FAILED || !scratch_make(s.dir))
		return EXIT_FAILURE;
	good = scene_run(&s);
	if (good)
		scratch_remove(s.dir);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
