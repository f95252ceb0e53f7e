/*
 * A process that is killed, or ended by a failing sync, leaves bytes in the page cache that are not
 * on the disk. What the next process builds on them must survive a power cut all the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/rawkey.h"
#include "fault_vfs.h"
#include "store/store.h"
#include "util/log.h"

#define STORE_DIR FAULT_ROOT "/db"
#define ENDED_FATAL 4
#define ENDED_REFUSED 5
#define CALLS_MAX 400u

struct scene {
	struct fault_vfs *disk;
	struct fault_vfs *base;
	_Atomic uint64_t *acked; /* shared with the children */
	bool unsynced;
};

static void
end_process(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
	_exit(ENDED_FATAL);
}

static enum im_err
open_store(const struct scene *x, struct store **out)
{
	struct store_options options = {.dir = STORE_DIR,
	    .name = "db",
	    .vfs = fault_vfs_table(x->disk),
	    .unsynced = x->unsynced,
	    .header_version = 1,
	    .fatal = end_process};

	return store_open(&options, out);
}

/* In a child: writes a transaction for each size and ends without closing. */
static void
write_sizes(const struct scene *x, const size_t *sizes, size_t n)
{
	static uint8_t value[2 * 1024 * 1024];
	struct store *s;

	if (open_store(x, &s) != IM_OK)
		_exit(ENDED_REFUSED);
	for (size_t i = 0; i < n; i++) {
		uint8_t key[9] = {RAW_KEY_PLAIN};
		struct store_entry e = {bytes_of(key, 9), bytes_of(value, sizes[i]), {0}, 0};
		struct store_write w = {.entries = &e, .nentries = 1};
		struct arena a;

		arena_init(&a, 16u * 1024 * 1024);
		w.arena = &a;
		be64_put(key + 1, *x->acked + 1);
		if (store_write_wait(s, &w) != IM_OK)
			_exit(ENDED_REFUSED);
		*x->acked = w.header.id;
		arena_free(&a);
	}
	_exit(0);
}

static int
run_writes(const struct scene *x, const size_t *sizes, size_t n)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		write_sizes(x, sizes, n);
	assert_true(child > 0);
	while (waitpid(child, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
setup(void **state)
{
	struct scene *x = (struct scene *)calloc(1, sizeof *x);

	assert_non_null(x);
	x->disk = fault_vfs_new();
	x->base = fault_vfs_new();
	assert_true(x->disk && x->base);
	x->acked = (_Atomic uint64_t *)mmap(
	    NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true((void *)x->acked != MAP_FAILED);
	*state = x;
	return 0;
}

static int
teardown(void **state)
{
	struct scene *x = (struct scene *)*state;

	fault_vfs_free(x->disk);
	fault_vfs_free(x->base);
	munmap((void *)x->acked, 4096);
	free(x);
	return 0;
}

/* Everything acknowledged is there and whole, and the database takes more. */
static void
check_all(const struct scene *x, const char *what, uint64_t at)
{
	struct store_check check = {.from_tx = 1};
	struct store_state state;
	struct store_stats stats;
	struct store *s;

	if (open_store(x, &s) != IM_OK)
		fail_msg("%s at call %llu: it does not open: %s", what, (unsigned long long)at,
		    err_detail(IM_ERR_CORRUPT));
	store_state(s, &state);
	store_stats(s, &stats);
	if (stats.read_only || state.tx < *x->acked)
		fail_msg("%s at call %llu: %s, at tx %llu of %llu", what, (unsigned long long)at,
		    stats.read_only ? "read-only" : "writable", (unsigned long long)state.tx,
		    (unsigned long long)*x->acked);
	assert_int_equal(store_check(s, &check), IM_OK);
	if (check.faults > 0)
		fail_msg("%s at call %llu: faults", what, (unsigned long long)at);
	store_close(s);
}

/*
 * At each call of a work that crosses from one segment into the next the process is killed or meets
 * a failure; the next one writes a little more; then the power is cut.
 */
static void
fail_everywhere(struct scene *x, enum fault_kind kind)
{
	const size_t first[] = {100, 900000, 300000, 200}, more[] = {50};
	uint64_t at, base_acked;
	int status = -1;

	fault_vfs_reset(x->disk);
	*x->acked = 0;
	assert_int_equal(run_writes(x, more, 1), 0);
	fault_vfs_crash(x->disk, FAULT_LOSE_NOTHING, 0);
	fault_vfs_copy(x->base, x->disk);
	base_acked = *x->acked;
	for (at = 1; status != 0 && at < CALLS_MAX; at++) {
		fault_vfs_copy(x->disk, x->base);
		*x->acked = base_acked;
		fault_vfs_plan(x->disk,
		    &(struct fault_plan){.kind = kind, .at = at, .error = EIO, .seed = at});
		status = run_writes(x, first, 4);
		if (status == 0 && fault_vfs_fired(x->disk))
			status = -1;
		fault_vfs_kill(x->disk);
		x->unsynced = false;
		assert_int_equal(run_writes(x, more, 1), 0);
		fault_vfs_crash(x->disk, FAULT_LOSE_EVERYTHING, at);
		check_all(x, kind == FAULT_CUT ? "killed" : "failed", at);
	}
	assert_in_range(at, 20, CALLS_MAX - 1);
}

static void
test_kill_then_power_cut(void **state)
{
	fail_everywhere((struct scene *)*state, FAULT_CUT);
}

static void
test_failure_then_power_cut(void **state)
{
	fail_everywhere((struct scene *)*state, FAULT_FAIL);
}

/* The first process is killed while it makes the database. */
static void
test_killed_creation(void **state)
{
	struct scene *x = (struct scene *)*state;
	const size_t sizes[] = {100, 200};
	int status = FAULT_CUT_EXIT;

	for (uint64_t at = 1; status != 0 && at < CALLS_MAX; at++) {
		fault_vfs_reset(x->disk);
		*x->acked = 0;
		fault_vfs_plan(x->disk, &(struct fault_plan){.kind = FAULT_CUT, .at = at});
		status = run_writes(x, sizes, 1);
		fault_vfs_kill(x->disk);
		assert_int_equal(run_writes(x, sizes, 2), 0);
		fault_vfs_crash(x->disk, FAULT_LOSE_EVERYTHING, at);
		check_all(x, "creation killed", at);
	}
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_kill_then_power_cut, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_failure_then_power_cut, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_killed_creation, setup, teardown),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
