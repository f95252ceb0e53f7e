/*
 * Scrubs of databases in service: the rate, what is found and kept, who comes first, and what a
 * kill, a stop and a database that goes away leave behind. Time is a number here: it passes when a
 * scrub waits.
 */
#include "server/scrub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crypto/rawkey.h"
#include "temp_dir.h"
#include "util/clock.h"
#include "util/log.h"

#define TXS 150u
#define VALUE_BYTES 9000u
#define RATE (256u * 1024)
#define PIECE (RATE / 2)
/* What one call may read beyond its piece: a transaction, and pages of tree and offsets. */
#define BEYOND (64u * 1024)
#define WEEK_S (7 * 86400)
#define ARENA_MAX (64u << 20)
#define DEADLINE_S 60
#define KILLED 7

struct fixture {
	char dir[TEMP_DIR_MAX];
	char data[96];
	struct meta *meta;
	struct databases *databases;
	struct database *db;
	struct scrubber *scrubber;
	pthread_mutex_t mutex; /* covers all below */
	pthread_cond_t passed;
	struct scrubber *watched; /* once it is there */
	int64_t now_ns, wall_s;
	unsigned waits;
	unsigned gate;  /* waits that are let through */
	bool dies;      /* at the gate, instead of waiting */
	bool early;     /* a wait ends before its time, as when something changes */
	unsigned busy;  /* times that others want the machine */
	uint64_t worst; /* bytes above what the time allows */
};

/* ---- Time ---- */

static int64_t
fake_now_ns(void *ctx)
{
	struct fixture *f = ctx;
	int64_t ns;

	pthread_mutex_lock(&f->mutex);
	ns = f->now_ns;
	pthread_mutex_unlock(&f->mutex);
	return ns;
}

static int64_t
fake_wall_s(void *ctx)
{
	return ((struct fixture *)ctx)->wall_s;
}

/* Time passes, when the gate is open; meanwhile a look at what was read. */
static void
fake_wait(void *ctx, int64_t ns)
{
	struct fixture *f = ctx;
	struct scrub_info info = {0};
	struct scrubber *watched;
	uint64_t allowed;

	pthread_mutex_lock(&f->mutex);
	watched = f->watched;
	pthread_mutex_unlock(&f->mutex);
	if (watched)
		scrubber_info(watched, f->db, &info);
	pthread_mutex_lock(&f->mutex);
	allowed = (uint64_t)((double)f->now_ns / 1e9 * (double)RATE);
	if (info.total_bytes > allowed && info.total_bytes - allowed > f->worst)
		f->worst = info.total_bytes - allowed;
	f->waits++;
	pthread_cond_broadcast(&f->passed);
	while (f->waits > f->gate) {
		if (f->dies)
			_exit(KILLED);
		pthread_cond_wait(&f->passed, &f->mutex);
	}
	if (!f->early)
		f->now_ns += ns;
	pthread_mutex_unlock(&f->mutex);
}

static bool
fake_busy(void *ctx)
{
	struct fixture *f = ctx;
	bool busy;

	pthread_mutex_lock(&f->mutex);
	busy = f->busy > 0;
	f->busy -= busy;
	pthread_mutex_unlock(&f->mutex);
	return busy;
}

static void
open_gate(struct fixture *f, unsigned waits)
{
	pthread_mutex_lock(&f->mutex);
	f->gate = waits;
	pthread_cond_broadcast(&f->passed);
	pthread_mutex_unlock(&f->mutex);
}

/* Until the scrub waits for the gate. */
static void
await_gate(struct fixture *f, unsigned waits)
{
	struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += DEADLINE_S;
	pthread_mutex_lock(&f->mutex);
	while (f->waits < waits)
		assert_int_equal(pthread_cond_timedwait(&f->passed, &f->mutex, &at), 0);
	pthread_mutex_unlock(&f->mutex);
}

/* ---- A data folder with a scrubber ---- */

static void
open_all(struct fixture *f)
{
	struct databases_options options = {.dir = f->data, .unsynced = true};

	assert_int_equal(meta_open(f->data, &f->meta), IM_OK);
	options.meta = f->meta;
	assert_int_equal(databases_open(&options, &f->databases), IM_OK);
	f->db = databases_default(f->databases);
}

static void
start(struct fixture *f, int64_t interval_s)
{
	struct scrub_options options = {.databases = f->databases,
	    .meta = f->meta,
	    .interval_s = interval_s,
	    .rate = RATE,
	    .busy = fake_busy,
	    .now_ns = fake_now_ns,
	    .wall_s = fake_wall_s,
	    .wait_ns = fake_wait,
	    .ctx = f};

	assert_int_equal(scrubber_start(&options, &f->scrubber), IM_OK);
	pthread_mutex_lock(&f->mutex);
	f->watched = f->scrubber;
	pthread_mutex_unlock(&f->mutex);
}

static void
stop(struct fixture *f)
{
	scrubber_stop(f->scrubber);
	open_gate(f, UINT32_MAX);
	databases_stop(f->databases);
	scrubber_free(f->scrubber);
	f->scrubber = f->watched = NULL;
}

static void
close_all(struct fixture *f)
{
	if (f->scrubber)
		stop(f);
	databases_close(f->databases);
	meta_close(f->meta);
	f->databases = NULL;
	f->meta = NULL;
}

static void
write_store(struct store *store, unsigned n, char fill)
{
	static uint8_t value[VALUE_BYTES];
	struct arena a;

	arena_init(&a, ARENA_MAX);
	for (unsigned i = 1; i <= n; i++) {
		char key[32];
		struct store_entry e = {0};
		struct store_write w = {.entries = &e, .nentries = 1, .arena = &a};

		snprintf(key, sizeof key, "key-%03u", i);
		memset(value, fill, sizeof value);
		memcpy(value, key, 7);
		assert_int_equal(raw_key_make(&a, bytes_str(key), &e.key), IM_OK);
		assert_int_equal(
		    raw_value_make(&a, bytes_of(value, sizeof value), &e.value), IM_OK);
		assert_int_equal(store_write_wait(store, &w), IM_OK);
		arena_free(&a);
	}
	assert_int_equal(store_flush_index(store), IM_OK);
}

static void
write_txs(struct database *db, unsigned n)
{
	write_store(db->store, n, 'v');
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	temp_dir_make(f->dir);
	snprintf(f->data, sizeof f->data, "%s", f->dir);
	pthread_mutex_init(&f->mutex, NULL);
	pthread_cond_init(&f->passed, NULL);
	f->wall_s = clock_wall_s();
	f->gate = UINT32_MAX;
	open_all(f);
	write_txs(f->db, TXS);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	close_all(f);
	temp_dir_remove(f->dir);
	pthread_mutex_destroy(&f->mutex);
	pthread_cond_destroy(&f->passed);
	free(f);
	return 0;
}

/* Until the scrub of a database is in a state. */
static struct scrub_info
await_state(struct fixture *f, struct database *db, enum scrub_state state)
{
	int64_t deadline_ns = clock_monotonic_ns() + DEADLINE_S * CLOCK_NS_PER_S;
	struct scrub_info info;

	for (;;) {
		scrubber_info(f->scrubber, db, &info);
		if (info.state == state)
			return info;
		if (clock_monotonic_ns() > deadline_ns)
			fail_msg("%s: %s", scrub_state_name(info.state), info.error);
		sched_yield();
	}
}

/* ---- Tests ---- */

static void
whole_and_within_the_rate(void **state)
{
	struct fixture *f = *state;
	struct scrub_info info;

	start(f, 0);
	assert_int_equal(scrubber_begin(f->scrubber, f->db, 0), IM_OK);
	info = await_state(f, f->db, SCRUB_FINISHED);
	assert_int_equal(info.lost + info.derived, 0);
	assert_int_equal(info.last_txs, TXS);
	assert_int_equal(info.total_txs, TXS);
	assert_int_equal(info.last_end_s, f->wall_s);
	assert_true(info.bytes > (uint64_t)TXS * VALUE_BYTES);
	assert_false(info.periodic);
	/* As much time went by as the bytes take, but for those of the last piece. */
	assert_true(f->waits >= info.bytes / (PIECE + BEYOND));
	assert_true((double)f->now_ns / 1e9 * RATE + PIECE + BEYOND >= (double)info.bytes);
	assert_true(f->worst <= PIECE + BEYOND);
}

static void
rate_is_checked(void **state)
{
	struct fixture *f = *state;

	start(f, 0);
	assert_int_equal(scrubber_begin(f->scrubber, f->db, SCRUB_RATE_MIN - 1), IM_ERR_ARGUMENT);
	assert_int_equal(scrubber_end(f->scrubber, f->db), IM_ERR_NOT_FOUND);
}

/* Others come first, but not for ever. */
static void
others_come_first(void **state)
{
	struct fixture *f = *state;
	unsigned busy = 10000;

	f->busy = busy;
	start(f, 0);
	assert_int_equal(scrubber_begin(f->scrubber, f->db, 0), IM_OK);
	await_state(f, f->db, SCRUB_FINISHED);
	assert_true(f->busy < busy - 20);
	assert_true(f->busy > 0);
}

static void
flip_value(struct fixture *f, const char *needle)
{
	char path[320];
	static uint8_t data[1 << 20];
	size_t len = strlen(needle);

	for (unsigned segment = 0; segment < 8; segment++) {
		int fd;
		ssize_t n;

		snprintf(path, sizeof path, "%s/%s/%08u.log", f->data, f->db->folder, segment);
		fd = open(path, O_RDWR);
		assert_true(fd >= 0);
		n = pread(fd, data, sizeof data, 0);
		/* The second place is the value: the first one is the key. */
		for (ssize_t i = 0, seen = 0; i + (ssize_t)len <= n; i++) {
			if (memcmp(data + i, needle, len) != 0 || ++seen < 2)
				continue;
			assert_int_equal(pwrite(fd, "?", 1, i + 100), 1);
			close(fd);
			return;
		}
		close(fd);
	}
	fail_msg("%s is not in the log", needle);
}

static bool
check_fault(void *arg, const struct scrub_fault *fault)
{
	++*(unsigned *)arg;
	assert_int_equal(fault->tx, 77);
	assert_true(
	    bytes_equal(bytes_of(fault->key.data + 1, fault->key.len - 1), bytes_str("key-077")));
	assert_non_null(strstr(fault->file, "/defaultdb/0000000"));
	assert_true(fault->offset > 0);
	assert_false(fault->derived);
	return true;
}

static void
fault_is_named(void **state)
{
	struct fixture *f = *state;
	struct scrub_info info;
	unsigned n = 0;

	flip_value(f, "key-077");
	start(f, 0);
	assert_int_equal(scrubber_begin(f->scrubber, f->db, 0), IM_OK);
	info = await_state(f, f->db, SCRUB_FINISHED);
	assert_int_equal(info.lost, 1);
	assert_int_equal(info.derived, 0);
	assert_int_equal(info.last_lost, 1);
	scrubber_each_fault(f->scrubber, f->db, check_fault, &n);
	assert_int_equal(n, 1);
	/* What was found is known after a restart, without the places. */
	close_all(f);
	open_all(f);
	start(f, 0);
	info = await_state(f, f->db, SCRUB_FINISHED);
	assert_int_equal(info.last_lost, 1);
	assert_int_equal(info.total_txs, 0);
}

/* A server that is stopped in the middle goes on where it was; what was found before counts. */
static void
restart_goes_on(void **state)
{
	struct fixture *f = *state;
	struct scrub_info info;

	flip_value(f, "key-001");
	f->gate = 4;
	start(f, 0);
	assert_int_equal(scrubber_begin(f->scrubber, f->db, 0), IM_OK);
	await_gate(f, 5);
	close_all(f);
	open_all(f);
	f->wall_s += 60;
	start(f, 0);
	info = await_state(f, f->db, SCRUB_FINISHED);
	assert_true(info.total_txs > 0 && info.total_txs < TXS);
	assert_int_equal(info.last_txs, TXS);
	assert_int_equal(info.lost, 1);
	assert_int_equal(info.began_s, f->wall_s - 60);
}

/* A server that is killed goes on from what it kept last. */
static void
kill_goes_on(void **state)
{
	struct fixture *f = *state;
	struct scrub_info info;
	int status;
	pid_t pid;

	close_all(f);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		f->gate = 6;
		f->dies = true;
		open_all(f);
		start(f, 0);
		if (scrubber_begin(f->scrubber, f->db, 0) == IM_OK)
			await_state(f, f->db, SCRUB_FINISHED);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == KILLED);
	open_all(f);
	start(f, 0);
	info = await_state(f, f->db, SCRUB_FINISHED);
	assert_true(info.total_txs > 0 && info.total_txs < TXS);
	assert_int_equal(info.last_txs, TXS);
	assert_int_equal(info.lost + info.derived, 0);
}

static void
end_is_for_good(void **state)
{
	struct fixture *f = *state;
	struct scrub_info info;

	f->gate = 2;
	start(f, 0);
	assert_int_equal(scrubber_begin(f->scrubber, f->db, 0), IM_OK);
	await_gate(f, 3);
	assert_int_equal(scrubber_end(f->scrubber, f->db), IM_OK);
	open_gate(f, UINT32_MAX);
	info = await_state(f, f->db, SCRUB_STOPPED);
	assert_true(info.total_txs < TXS);
	assert_int_equal(info.last_end_s, 0);
	assert_int_equal(scrubber_end(f->scrubber, f->db), IM_ERR_NOT_FOUND);
	close_all(f);
	open_all(f);
	start(f, 0);
	scrubber_info(f->scrubber, f->db, &info);
	assert_int_equal(info.state, SCRUB_NEVER);
	assert_int_equal(info.total_txs, 0);
}

/* Another history in the place of the default database's, as a restore puts it there. */
static void
replace_history(struct fixture *f, unsigned txs)
{
	char folder[META_DATABASE_MAX + 1], path[VFS_PATH_MAX];
	struct database_exchange exchange = {.folder = folder};
	struct store_options options = {
	    .dir = path, .name = f->db->name, .header_version = 1, .unsynced = true};
	struct store *store;

	assert_int_equal(databases_stage(f->databases, f->db->name, folder), IM_OK);
	assert_int_equal(databases_staged_path(f->databases, folder, path), IM_OK);
	assert_int_equal(store_open(&options, &store), IM_OK);
	write_store(store, txs, 'w');
	store_close(store);
	assert_int_equal(database_exchange(f->db, &exchange), IM_OK);
}

/* What a restore puts in a database's place is checked from its beginning. */
static void
replaced_history_is_checked_whole(void **state)
{
	struct fixture *f = *state;
	struct scrub_info info;

	f->gate = 4;
	start(f, 0);
	assert_int_equal(scrubber_begin(f->scrubber, f->db, 0), IM_OK);
	await_gate(f, 5);
	replace_history(f, TXS);
	flip_value(f, "key-001");
	open_gate(f, UINT32_MAX);
	info = await_state(f, f->db, SCRUB_FINISHED);
	assert_int_equal(info.lost, 1);
	assert_true(info.total_txs > TXS);
}

/* And no further than it goes, also when the server was stopped meanwhile. */
static void
shorter_history_is_checked_to_its_end(void **state)
{
	struct fixture *f = *state;
	struct scrub_info info;

	f->gate = 4;
	start(f, 0);
	assert_int_equal(scrubber_begin(f->scrubber, f->db, 0), IM_OK);
	await_gate(f, 5);
	replace_history(f, 3);
	close_all(f);
	open_all(f);
	start(f, 0);
	info = await_state(f, f->db, SCRUB_FINISHED);
	assert_int_equal(info.lost + info.derived, 0);
	assert_int_equal(info.last_txs, 3);
	assert_int_equal(info.total_txs, 3);
}

static void
by_time(void **state)
{
	struct fixture *f = *state;
	struct scrub_info info;

	f->wall_s = f->db->created_at_s + WEEK_S;
	start(f, WEEK_S);
	info = await_state(f, f->db, SCRUB_FINISHED);
	assert_true(info.periodic);
	assert_int_equal(info.last_end_s, f->wall_s);
	/* The system database, too. */
	await_state(f, databases_find(f->databases, bytes_str(DATABASE_SYSTEM)), SCRUB_FINISHED);
	close_all(f);
	open_all(f);
	/* Not again so soon, and not because the clock was set back a little. */
	f->wall_s -= 3600;
	start(f, WEEK_S);
	assert_int_equal(scrubber_begin(f->scrubber, f->db, 0), IM_OK);
	info = await_state(f, f->db, SCRUB_FINISHED);
	scrubber_info(f->scrubber, databases_find(f->databases, bytes_str(DATABASE_SYSTEM)), &info);
	assert_int_equal(info.total_txs, 0);
}

/* One that was stopped comes again when its time has passed, wherever the clock was set. */
static void
clock_set_back(void **state)
{
	struct fixture *f = *state;
	struct database *system = databases_find(f->databases, bytes_str(DATABASE_SYSTEM));

	f->wall_s = f->db->created_at_s + WEEK_S;
	f->gate = 1;
	start(f, WEEK_S);
	await_gate(f, 2);
	assert_int_equal(scrubber_end(f->scrubber, f->db), IM_OK);
	open_gate(f, UINT32_MAX);
	await_state(f, f->db, SCRUB_STOPPED);
	await_state(f, system, SCRUB_FINISHED);
	pthread_mutex_lock(&f->mutex);
	f->wall_s -= 100 * WEEK_S;
	f->now_ns += WEEK_S * CLOCK_NS_PER_S;
	pthread_mutex_unlock(&f->mutex);
	/* By which it looks around. */
	assert_int_equal(scrubber_begin(f->scrubber, system, 0), IM_OK);
	assert_true(await_state(f, f->db, SCRUB_FINISHED).periodic);
}

/* One that an administrator asks for does not wait for those begun by time. */
static void
administrators_come_first(void **state)
{
	struct fixture *f = *state;
	struct database_new new = {.name = bytes_str("asked"), .created_by = "immudb"};
	struct database *asked;
	struct scrub_info info;

	assert_int_equal(databases_create(f->databases, &new, NULL, &asked), IM_OK);
	write_txs(asked, 3);
	f->wall_s = f->db->created_at_s + WEEK_S;
	asked->created_at_s = f->wall_s;
	f->gate = 3;
	start(f, WEEK_S);
	await_gate(f, 4);
	assert_int_equal(scrubber_begin(f->scrubber, asked, 0), IM_OK);
	open_gate(f, 5);
	await_state(f, asked, SCRUB_FINISHED);
	scrubber_info(f->scrubber, f->db, &info);
	assert_true(info.state == SCRUB_WAITING || info.state == SCRUB_RUNNING);
	open_gate(f, UINT32_MAX);
	info = await_state(f, f->db, SCRUB_FINISHED);
	assert_int_equal(info.total_txs, TXS);
}

struct unloading {
	struct database_wait wait; /* first */
	_Atomic bool done;
};

static void
note_unloaded(struct database_wait *w, enum im_err err)
{
	(void)err;
	atomic_store(&((struct unloading *)w)->done, true);
}

/* A scrub does not keep a database from being unloaded. */
static void
unload_ends_it(void **state)
{
	struct fixture *f = *state;
	struct unloading unloading = {.wait.ready = note_unloaded};
	struct database_new new = {.name = bytes_str("passing"), .created_by = "immudb"};
	struct database *db;
	struct scrub_info info;
	enum im_err err;

	assert_int_equal(databases_create(f->databases, &new, NULL, &db), IM_OK);
	write_txs(db, TXS);
	f->gate = 2;
	start(f, 0);
	assert_int_equal(scrubber_begin(f->scrubber, db, 0), IM_OK);
	await_gate(f, 3);
	err = database_unload(db, &unloading.wait);
	assert_true(err == IM_OK || err == IM_ERR_WOULD_BLOCK);
	open_gate(f, UINT32_MAX);
	info = await_state(f, db, SCRUB_FAILED);
	assert_non_null(strstr(info.error, "passing"));
	while (err == IM_ERR_WOULD_BLOCK && !atomic_load(&unloading.done))
		sched_yield();
	assert_int_equal(scrubber_begin(f->scrubber, db, 0), IM_ERR_DATABASE_NOT_LOADED);
}

/* A closed one is opened for it. */
static void
idle_database_is_opened(void **state)
{
	struct fixture *f = *state;
	struct databases_options options = {.dir = f->data, .unsynced = true, .idle_ms = 1};
	struct database_new new = {.name = bytes_str("idle"), .created_by = "immudb"};
	struct database_info info = {.is_open = true};
	struct database *db;

	assert_int_equal(databases_create(f->databases, &new, NULL, &db), IM_OK);
	write_txs(db, 5);
	close_all(f);
	assert_int_equal(meta_open(f->data, &f->meta), IM_OK);
	options.meta = f->meta;
	assert_int_equal(databases_open(&options, &f->databases), IM_OK);
	f->db = databases_default(f->databases);
	db = databases_find(f->databases, bytes_str("idle"));
	while (info.is_open) {
		database_info(db, &info);
		sched_yield();
	}
	start(f, 0);
	assert_int_equal(scrubber_begin(f->scrubber, db, 0), IM_OK);
	assert_int_equal(await_state(f, db, SCRUB_FINISHED).last_txs, 5);
}

/* What is asked for begins at once, whatever a slow one has read before it. */
static void
begins_at_once(void **state)
{
	struct fixture *f = *state;
	struct scrub_info before, after;

	f->early = true;
	f->gate = 0;
	start(f, 0);
	assert_int_equal(scrubber_begin(f->scrubber, f->db, SCRUB_RATE_MIN), IM_OK);
	await_gate(f, 1);
	assert_int_equal(scrubber_end(f->scrubber, f->db), IM_OK);
	open_gate(f, 1);
	before = await_state(f, f->db, SCRUB_STOPPED);
	assert_true(before.total_bytes > 0);
	assert_int_equal(scrubber_begin(f->scrubber, f->db, SCRUB_RATE_MIN), IM_OK);
	await_gate(f, 2);
	scrubber_info(f->scrubber, f->db, &after);
	assert_true(after.total_bytes > before.total_bytes);
	/* So does another rate of one that is under way, which goes on where it is. */
	before = after;
	assert_int_equal(scrubber_begin(f->scrubber, f->db, RATE), IM_OK);
	open_gate(f, 2);
	await_gate(f, 3);
	scrubber_info(f->scrubber, f->db, &after);
	assert_true(after.total_bytes > before.total_bytes);
	assert_true(after.next_tx > before.next_tx);
	/* One begun before the end of the other is seen begins with the first transaction. */
	assert_int_equal(scrubber_end(f->scrubber, f->db), IM_OK);
	assert_int_equal(scrubber_begin(f->scrubber, f->db, RATE), IM_OK);
	scrubber_info(f->scrubber, f->db, &after);
	assert_int_equal(after.next_tx, 1);
	assert_int_equal(after.bytes, 0);
	f->early = false;
	open_gate(f, UINT32_MAX);
	assert_int_equal(await_state(f, f->db, SCRUB_FINISHED).last_txs, TXS);
}

/* One that waits for another to end is stopped at once. */
static void
waiting_one_is_stopped(void **state)
{
	struct fixture *f = *state;
	struct database *system = databases_find(f->databases, bytes_str(DATABASE_SYSTEM));

	f->gate = 0;
	start(f, 0);
	assert_int_equal(scrubber_begin(f->scrubber, f->db, 0), IM_OK);
	await_gate(f, 1);
	assert_int_equal(scrubber_begin(f->scrubber, system, 0), IM_OK);
	assert_int_equal(scrubber_end(f->scrubber, system), IM_OK);
	open_gate(f, 1);
	await_state(f, system, SCRUB_STOPPED);
	open_gate(f, UINT32_MAX);
	await_state(f, f->db, SCRUB_FINISHED);
}

static void *
replace_in_thread(void *arg)
{
	replace_history(arg, 3);
	return NULL;
}

/* One that finds the database closed for a restore waits, and checks what the restore brings. */
static void
restore_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct database_info info = {.state = DATABASE_OPEN};
	pthread_t restore;

	f->gate = 0;
	start(f, 0);
	assert_int_equal(scrubber_begin(f->scrubber, f->db, 0), IM_OK);
	await_gate(f, 1);
	/* A request that takes long keeps the restore waiting; others are refused meanwhile. */
	assert_int_equal(database_enter_wait(f->db), IM_OK);
	assert_int_equal(pthread_create(&restore, NULL, replace_in_thread, f), 0);
	while (info.state != DATABASE_UNLOADING)
		database_info(f->db, &info);
	open_gate(f, 1);
	await_gate(f, 2);
	assert_int_equal(await_state(f, f->db, SCRUB_RUNNING).lost, 0);
	database_leave(f->db);
	assert_int_equal(pthread_join(restore, NULL), 0);
	open_gate(f, UINT32_MAX);
	assert_int_equal(await_state(f, f->db, SCRUB_FINISHED).last_txs, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(whole_and_within_the_rate, setup, teardown),
	    cmocka_unit_test_setup_teardown(rate_is_checked, setup, teardown),
	    cmocka_unit_test_setup_teardown(others_come_first, setup, teardown),
	    cmocka_unit_test_setup_teardown(fault_is_named, setup, teardown),
	    cmocka_unit_test_setup_teardown(restart_goes_on, setup, teardown),
	    cmocka_unit_test_setup_teardown(kill_goes_on, setup, teardown),
	    cmocka_unit_test_setup_teardown(end_is_for_good, setup, teardown),
	    cmocka_unit_test_setup_teardown(replaced_history_is_checked_whole, setup, teardown),
	    cmocka_unit_test_setup_teardown(shorter_history_is_checked_to_its_end, setup, teardown),
	    cmocka_unit_test_setup_teardown(by_time, setup, teardown),
	    cmocka_unit_test_setup_teardown(clock_set_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(administrators_come_first, setup, teardown),
	    cmocka_unit_test_setup_teardown(unload_ends_it, setup, teardown),
	    cmocka_unit_test_setup_teardown(idle_database_is_opened, setup, teardown),
	    cmocka_unit_test_setup_teardown(begins_at_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(waiting_one_is_stopped, setup, teardown),
	    cmocka_unit_test_setup_teardown(restore_is_waited_for, setup, teardown),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("scrub", tests, NULL, NULL);
}
