/*
 * The commit path where the disk is slow, full or out of descriptors, and where transactions of one
 * batch depend on one another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/rawkey.h"
#include "fault_vfs.h"
#include "store/index.h"
#include "store/store.h"
#include "temp_dir.h"
#include "util/log.h"

#define FDS 1024

/* A disk that can be full, have no descriptors left, or hold up syncs of the first segment. */
struct gate {
	struct vfs table;       /* the real one, but for what is below */
	_Atomic bool full;      /* no space for new files */
	_Atomic bool exhausted; /* no descriptor for a segment in the making */
	_Atomic bool log_dirty; /* the log was written since it was last synced */
	_Atomic bool is_log[FDS];
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned passes; /* lock; syncs that may pass; UINT_MAX: all */
	unsigned held;   /* lock; syncs that came to the gate */
};

struct fixture {
	char dir[TEMP_DIR_MAX];
	char path[96];
	struct gate gate;
	struct arena arena;
	struct store *s;
	struct store_options options;
};

static int
gate_open(void *ctx, const char *path, int flags, mode_t mode)
{
	struct gate *g = (struct gate *)ctx;
	bool in_making = strstr(path, ".log.tmp") != NULL;
	int fd;

	if ((flags & O_CREAT) && g->full && (in_making || strstr(path, "/index/"))) {
		errno = ENOSPC;
		return -1;
	}
	if (in_making && g->exhausted) {
		errno = EMFILE;
		return -1;
	}
	fd = open(path, flags | O_CLOEXEC, mode);
	if (fd >= 0 && fd < FDS)
		g->is_log[fd] = strstr(path, "00000000.log") != NULL;
	return fd;
}

static ssize_t
gate_pwritev(void *ctx, int fd, const struct iovec *iov, int count, off_t offset)
{
	struct gate *g = (struct gate *)ctx;

	if (g->is_log[fd])
		g->log_dirty = true;
	return pwritev(fd, iov, count, offset);
}

static int
gate_fdatasync(void *ctx, int fd)
{
	struct gate *g = (struct gate *)ctx;

	if (!g->is_log[fd])
		return 0;
	g->log_dirty = false;
	pthread_mutex_lock(&g->lock);
	g->held++;
	pthread_cond_broadcast(&g->changed);
	while (g->passes == 0)
		pthread_cond_wait(&g->changed, &g->lock);
	if (g->passes != UINT32_MAX)
		g->passes--;
	pthread_mutex_unlock(&g->lock);
	return 0;
}

static void
gate_let(struct gate *g, unsigned passes)
{
	pthread_mutex_lock(&g->lock);
	g->passes = passes;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

/* Waits until so many syncs came to the gate. */
static void
gate_await(struct gate *g, unsigned held)
{
	pthread_mutex_lock(&g->lock);
	while (g->held < held)
		pthread_cond_wait(&g->changed, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

static int
setup(void **state)
{
	struct fixture *f = (struct fixture *)calloc(1, sizeof *f);
	struct gate *g;

	assert_non_null(f);
	temp_dir_make(f->dir);
	snprintf(f->path, sizeof f->path, "%s/db", f->dir);
	g = &f->gate;
	g->table = vfs_posix;
	g->table.ctx = g;
	g->table.open = gate_open;
	g->table.pwritev = gate_pwritev;
	g->table.fdatasync = gate_fdatasync;
	g->passes = UINT32_MAX;
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->changed, NULL);
	arena_init(&f->arena, 256u * 1024 * 1024);
	f->options = (struct store_options){
	    .dir = f->path, .name = "db", .vfs = &g->table, .header_version = 1};
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	gate_let(&f->gate, UINT32_MAX);
	store_close(f->s);
	arena_free(&f->arena);
	temp_dir_remove(f->dir);
	free(f);
	return 0;
}

static void
open_store(struct fixture *f)
{
	enum im_err err = store_open(&f->options, &f->s);

	if (err != IM_OK)
		fail_msg("store_open: %s", err_detail(err));
}

static struct bytes
raw_key(struct fixture *f, const char *key)
{
	struct bytes raw;

	assert_int_equal(raw_key_make(&f->arena, bytes_str(key), &raw), IM_OK);
	return raw;
}

static enum im_err
set(struct fixture *f, const char *key, size_t value_len)
{
	const void *value = arena_calloc(&f->arena, 1, value_len);
	struct store_entry e = {.key = raw_key(f, key), .value = bytes_of(value, value_len)};
	struct store_write w = {.entries = &e, .nentries = 1, .arena = &f->arena};
	enum im_err err;

	assert_non_null(value);
	err = store_write_wait(f->s, &w);
	arena_free(&f->arena);
	return err;
}

static enum im_err
get(struct fixture *f, const char *key)
{
	struct store_query q = {.key = raw_key(f, key)};
	struct store_value v;

	return store_get(f->s, &q, &f->arena, &v);
}

/* ---- Space and descriptors ---- */

static void
test_no_room_for_a_segment(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	_Atomic bool *const wants[] = {&f->gate.full, &f->gate.exhausted};
	const size_t big = 30u * 1024 * 1024;
	struct store_stats stats;

	open_store(f);
	assert_int_equal(set(f, "first", 10), IM_OK);
	for (size_t i = 0; i < 2; i++) {
		enum im_err err = IM_OK;

		*wants[i] = true;
		/* Uses up what is there and what was prepared already. */
		for (unsigned n = 0; n < 6 && err == IM_OK; n++)
			err = set(f, "big", big);
		assert_int_equal(err, IM_ERR_NO_SPACE);
		assert_non_null(strstr(err_detail(err), ".log.tmp"));
		assert_int_equal(set(f, "big", big), IM_ERR_NO_SPACE);
		store_stats(f->s, &stats);
		assert_true(stats.read_only);
		assert_int_equal(get(f, "first"), IM_OK);
		*wants[i] = false;
		assert_int_equal(set(f, "big", big), IM_OK);
		assert_int_equal(get(f, "big"), IM_OK);
		store_stats(f->s, &stats);
		assert_false(stats.read_only);
	}
}

/* The index cannot be written: unsynced transactions are made durable all the same. */
static void
test_close_on_a_full_disk(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	char key[16];

	f->options.unsynced = true;
	f->options.checkpoint_entries = 10;
	open_store(f);
	f->gate.full = true;
	for (int i = 0; i < 35; i++) {
		snprintf(key, sizeof key, "k%d", i);
		assert_int_equal(set(f, key, 10), IM_OK);
	}
	assert_true(f->gate.log_dirty);
	store_close(f->s);
	f->s = NULL;
	assert_false(f->gate.log_dirty);
	f->gate.full = false;
	open_store(f);
	assert_int_equal(get(f, "k34"), IM_OK);
}

/* Derived files that cannot be written: writes stop before the memory is full, and go on later. */
static void
test_backlog(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	enum im_err err = IM_OK;
	unsigned written = 0;

	f->options.checkpoint_entries = 10;
	open_store(f);
	f->gate.full = true;
	while (err == IM_OK && written < 1000) {
		err = set(f, "k", 10);
		written += err == IM_OK;
	}
	assert_int_equal(err, IM_ERR_NO_SPACE);
	assert_in_range(written, 20, 100);
	assert_int_equal(get(f, "k"), IM_OK);
	f->gate.full = false;
	/* The indexer tries again every second. */
	for (unsigned i = 0; i < 200 && err != IM_OK; i++) {
		struct timespec pause = {0, 50 * 1000000};

		nanosleep(&pause, NULL);
		err = set(f, "k", 10);
	}
	assert_int_equal(err, IM_OK);
}

/* ---- Batches ---- */

struct pending {
	struct store_write w;
	struct store_entry e;
	struct store_condition c;
	_Atomic bool done;
};

static void
note_done(struct store_write *w)
{
	((struct pending *)w->ctx)->done = true;
}

static void
submit(struct fixture *f, struct pending *p, const char *key, bool must_not_exist)
{
	*p = (struct pending){.e = {.key = raw_key(f, key)}};
	p->c = (struct store_condition){STORE_KEY_MUST_NOT_EXIST, p->e.key, 0};
	p->w = (struct store_write){.entries = &p->e,
	    .nentries = 1,
	    .conditions = &p->c,
	    .nconditions = must_not_exist,
	    .arena = &f->arena,
	    .done = note_done,
	    .ctx = p};
	assert_int_equal(store_write(f->s, &p->w), IM_OK);
}

/*
 * Two want to be the first with a key, and come into one batch: the second must not learn that
 * there is a first before that is durable.
 */
static void
test_condition_within_a_batch(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct pending before, first, second, other;
	unsigned held;

	open_store(f);
	assert_int_equal(set(f, "x", 10), IM_OK);
	held = f->gate.held;
	gate_let(&f->gate, 0);
	submit(f, &before, "before", false);
	gate_await(&f->gate, held + 1);
	submit(f, &first, "key", true);
	submit(f, &second, "key", true);
	submit(f, &other, "other", true);
	gate_let(&f->gate, 1);
	gate_await(&f->gate, held + 2);
	assert_true(before.done);
	assert_false(first.done);
	assert_false(second.done);
	gate_let(&f->gate, UINT32_MAX);
	store_close(f->s);
	f->s = NULL;
	assert_true(first.done && second.done && other.done);
	assert_int_equal(first.w.err, IM_OK);
	assert_int_equal(second.w.err, IM_ERR_PRECONDITION);
	assert_int_equal(other.w.err, IM_OK);
	assert_int_equal(other.w.header.id, first.w.header.id + 1);
}

/* A write that needs one that is queued before it, and not yet durable, is not asked too early. */
static void
test_condition_on_what_is_queued(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct pending before, first, second = {.done = false};
	unsigned held;

	open_store(f);
	assert_int_equal(set(f, "x", 10), IM_OK);
	held = f->gate.held;
	gate_let(&f->gate, 0);
	submit(f, &before, "before", false);
	gate_await(&f->gate, held + 1);
	submit(f, &first, "key", true);
	second.e = (struct store_entry){.key = first.e.key, .metadata = {.deleted = true}};
	second.c = (struct store_condition){STORE_KEY_PRESENT, first.e.key, 0};
	second.w = (struct store_write){.entries = &second.e,
	    .nentries = 1,
	    .conditions = &second.c,
	    .nconditions = 1,
	    .arena = &f->arena,
	    .done = note_done,
	    .ctx = &second};
	assert_int_equal(store_write(f->s, &second.w), IM_OK);
	gate_let(&f->gate, UINT32_MAX);
	store_close(f->s);
	f->s = NULL;
	assert_int_equal(first.w.err, IM_OK);
	assert_int_equal(second.w.err, IM_OK);
	assert_int_equal(second.w.header.id, first.w.header.id + 1);
}

/* ---- Keys that end in the id of their own transaction ---- */

static enum im_err
write_members(struct fixture *f, const uint64_t ids[2], const bool bound[2])
{
	struct store_entry e[2] = {{.bind = STORE_BIND_NONE}, {.bind = STORE_BIND_NONE}};
	struct store_write w = {.entries = e, .nentries = 2, .arena = &f->arena};

	for (int i = 0; i < 2; i++) {
		struct zset_member m = {bytes_str("set"), 1.5, bytes_str("key"), ids[i]};

		assert_int_equal(raw_key_make_zadd(&f->arena, &m, &e[i].key), IM_OK);
		e[i].bind = bound[i] ? STORE_BIND_KEY : STORE_BIND_NONE;
	}
	return store_write_wait(f->s, &w);
}

static void
test_keys_made_equal(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	const bool both[] = {true, true}, one[] = {true, false}, none[] = {false, false};
	const uint64_t different[] = {1, 2}, coming[] = {0, 3}, past[] = {0, 2};

	open_store(f);
	assert_int_equal(set(f, "a", 10), IM_OK);
	assert_int_equal(set(f, "b", 10), IM_OK);
	assert_int_equal(write_members(f, different, both), IM_ERR_DUPLICATE_KEY);
	/* The one that is not bound names the transaction that would be written now. */
	assert_int_equal(write_members(f, coming, one), IM_ERR_DUPLICATE_KEY);
	assert_int_equal(write_members(f, past, one), IM_OK);
	assert_int_equal(write_members(f, different, none), IM_OK);
}

/* ---- Checkpoints and runs ---- */

static void
end_killed(const struct vfs *vfs, struct fault_vfs *disk, bool wait_for_checkpoint)
{
	struct store_options options = {
	    .dir = FAULT_ROOT "/db", .name = "db", .vfs = vfs, .header_version = 1};
	const size_t size = 20u * 1024 * 1024;
	uint8_t *value = (uint8_t *)calloc(1, size);
	struct store_entry e = {.key = bytes_str("-key"), .value = bytes_of(value, size)};
	struct store_write w = {.entries = &e, .nentries = 1};
	struct timespec pause = {0, 1000000};
	struct arena a;
	struct store *s;

	arena_init(&a, 64u * 1024 * 1024);
	w.arena = &a;
	if (!value || store_open(&options, &s) != IM_OK)
		_exit(1);
	for (int i = 0; i < 2; i++) {
		if (store_write_wait(s, &w) != IM_OK)
			_exit(1);
	}
	for (int i = 0; wait_for_checkpoint && i < 20000; i++) {
		if (fault_vfs_file_size(disk, FAULT_ROOT "/db/checkpoint") > 0)
			_exit(0);
		nanosleep(&pause, NULL);
	}
	_exit(wait_for_checkpoint);
}

/*
 * However often a process is killed, no more than a checkpoint's worth of log is read at the next
 * open.
 */
static void
test_checkpoint_after_kills(void **state)
{
	struct fault_vfs *disk = fault_vfs_new();

	(void)state;
	assert_non_null(disk);
	for (int i = 0; i < 2; i++) {
		int status;
		pid_t child = fork();

		if (child == 0)
			end_killed(fault_vfs_table(disk), disk, i == 1);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
		fault_vfs_kill(disk);
	}
	fault_vfs_free(disk);
}

struct flush_watch {
	struct index *idx;
	uint64_t flushes_begun;
	bool unannounced;
};

static void
note_flushing(void *ctx)
{
	((struct flush_watch *)ctx)->flushes_begun++;
}

static void
note_flushed(void *ctx)
{
	struct flush_watch *watch = (struct flush_watch *)ctx;
	struct index_stats stats;

	index_stats(watch->idx, &stats);
	watch->unannounced |= stats.flushes > watch->flushes_begun;
}

static void
insert_and_freeze(struct index *idx, uint64_t tx)
{
	for (uint32_t i = 0; i < 2000; i++, tx++) {
		uint8_t key[8];
		struct index_entry e = {.key = bytes_of(key, 8), .tx = tx, .pos = tx, .len = 1};

		be64_put(key, i);
		assert_int_equal(index_insert(idx, &e, 1), IM_OK);
	}
	assert_int_equal(index_freeze(idx, tx - 1), IM_OK);
}

/* Also within a merge the log is made durable before a memtable becomes a run. */
static void
test_log_before_index(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct flush_watch watch = {0};
	struct index_options options = {.dir = f->path,
	    .log_tx = UINT64_MAX,
	    .flushing = note_flushing,
	    .flushed = note_flushed,
	    .ctx = &watch};
	bool did = true;

	assert_int_equal(index_open(&options, &watch.idx), IM_OK);
	for (uint64_t i = 0; i < 5; i++) {
		insert_and_freeze(watch.idx, 1 + i * 2000);
		if (i < 4)
			assert_int_equal(index_flush(watch.idx, &did), IM_OK);
	}
	assert_int_equal(watch.flushes_begun, 4);
	assert_int_equal(index_merge(watch.idx, &did), IM_OK);
	assert_true(did);
	assert_int_equal(watch.flushes_begun, 5);
	assert_false(watch.unannounced);
	index_close(watch.idx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_no_room_for_a_segment, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_close_on_a_full_disk, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_backlog, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_condition_within_a_batch, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_condition_on_what_is_queued, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_keys_made_equal, setup, teardown),
	    cmocka_unit_test(test_checkpoint_after_kills),
	    cmocka_unit_test_setup_teardown(test_log_before_index, setup, teardown),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
