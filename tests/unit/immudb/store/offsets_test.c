/*
 * The offset table: what it keeps, damage, failing calls, power cuts, threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "immudb/store/fault_disk.h"
#include "store/offsets.h"

/* What transaction tx is put at. */
static uint64_t
position_of(uint64_t tx)
{
	return tx * 1000003 + (tx << 40);
}

static struct offsets_options
on_disk(void)
{
	return (struct offsets_options){
	    .vfs = fault_vfs_table(disk), .dir = FAULT_ROOT, .name = "offsets"};
}

static struct offsets *
open_at(uint64_t size)
{
	struct offsets_options options = on_disk();
	struct offsets *o;

	assert_int_equal(offsets_open(&options, size, &o), IM_OK);
	assert_int_equal(offsets_size(o), size);
	return o;
}

static void
append_to(struct offsets *o, uint64_t size)
{
	while (offsets_size(o) < size) {
		assert_int_equal(offsets_reserve(o, 1), IM_OK);
		offsets_append(o, position_of(offsets_size(o) + 1));
	}
}

static void
sync_to(struct offsets *o, uint64_t size)
{
	uint64_t synced = 0;

	append_to(o, size);
	assert_int_equal(offsets_sync(o, &synced), IM_OK);
	assert_int_equal(synced, size);
}

static void
check_position(struct offsets *o, uint64_t tx)
{
	uint64_t position = 0;

	assert_int_equal(offsets_get(o, tx, false, &position), IM_OK);
	assert_int_equal(position, position_of(tx));
}

static void
check_all(struct offsets *o, uint64_t size)
{
	uint64_t position;

	for (uint64_t tx = 1; tx <= size; tx++)
		check_position(o, tx);
	assert_int_equal(offsets_get(o, 0, false, &position), IM_ERR_TX_NOT_FOUND);
	assert_int_equal(offsets_get(o, size + 1, false, &position), IM_ERR_TX_NOT_FOUND);
	assert_int_equal(offsets_get(o, UINT64_MAX, false, &position), IM_ERR_TX_NOT_FOUND);
}

/* A synced table of the right positions up to size, and then others. */
static void
sync_others(uint64_t size, uint64_t end)
{
	struct offsets *o = open_at(0);

	append_to(o, size);
	for (uint64_t n = size; n < end; n++) {
		assert_int_equal(offsets_reserve(o, 1), IM_OK);
		offsets_append(o, 7);
	}
	assert_int_equal(offsets_sync(o, &(uint64_t){0}), IM_OK);
	offsets_close(o);
}

static void
holds_what_was_appended(void **state)
{
	struct offsets *o = open_at(0);

	(void)state;
	check_all(o, 0);
	append_to(o, 511 * 40 + 17);
	check_all(o, 511 * 40 + 17);
	offsets_close(o);
	offsets_close(NULL);
}

static void
opens_again_at_every_size_around_page_borders(void **state)
{
	(void)state;
	for (uint64_t size = 1; size <= 1600; size += size % 511 < 2 || size % 511 > 508 ? 1 : 13) {
		struct offsets *o;

		fault_vfs_reset(disk);
		o = open_at(0);
		sync_to(o, size);
		offsets_close(o);
		o = open_at(size);
		check_all(o, size);
		append_to(o, size + 600);
		check_all(o, size + 600);
		offsets_close(o);
	}
}

static void
opens_at_any_smaller_size_and_grows_differently(void **state)
{
	(void)state;
	for (uint64_t size = 1; size <= 1600; size += size % 511 < 2 || size % 511 > 508 ? 1 : 37) {
		struct offsets *o;

		fault_vfs_reset(disk);
		sync_others(size, 1600);
		o = open_at(size);
		check_all(o, size);
		sync_to(o, 2000);
		offsets_close(o);
		o = open_at(2000);
		check_all(o, 2000);
		offsets_close(o);
	}
}

/* More pages than the cache keeps. */
static void
large_table_is_read_back_through_a_bounded_cache(void **state)
{
	const uint64_t size = 511ull * OFFSETS_CACHE_PAGES_MAX * 3;
	struct offsets *o = open_at(0);
	unsigned blocked = 0;
	uint64_t bytes, random = 3;

	(void)state;
	assert_int_equal(offsets_reserve(o, size), IM_OK);
	for (uint64_t tx = 1; tx <= size; tx++)
		offsets_append(o, position_of(tx));
	assert_int_equal(offsets_sync(o, &bytes), IM_OK);
	assert_int_equal(offsets_disk_bytes(o, &bytes), IM_OK);
	assert_true(bytes >= size * 8 && bytes < size * 9);
	offsets_close(o);
	o = open_at(size);
	for (int i = 0; i < 20000; i++) {
		uint64_t tx = 1 + fault_random(&random) % size, position;
		enum im_err err = offsets_get(o, tx, true, &position);

		blocked += err == IM_ERR_WOULD_BLOCK;
		assert_true(
		    err == IM_ERR_WOULD_BLOCK || (err == IM_OK && position == position_of(tx)));
		check_position(o, tx);
	}
	assert_true(blocked > 0);
	offsets_close(o);
}

static void
damaged_pages_are_noticed_and_named(void **state)
{
	struct offsets *o = open_at(0);
	uint64_t position;

	(void)state;
	sync_to(o, 2000);
	offsets_close(o);
	for (uint64_t at = 0; at < 4096; at += 13) {
		assert_true(fault_vfs_damage(disk, FAULT_ROOT "/offsets", 4096 + at, 0x04));
		o = open_at(2000);
		assert_int_equal(offsets_get(o, 600, false, &position), IM_ERR_CORRUPT);
		assert_non_null(strstr(err_detail(IM_ERR_CORRUPT), FAULT_ROOT "/offsets"));
		assert_non_null(strstr(err_detail(IM_ERR_CORRUPT), "4096"));
		check_position(o, 511);
		check_position(o, 1023);
		offsets_close(o);
		assert_true(fault_vfs_damage(disk, FAULT_ROOT "/offsets", 4096 + at, 0x04));
	}
}

static void
short_missing_or_damaged_files_are_corrupt_and_size_zero_starts_anew(void **state)
{
	struct offsets_options options = on_disk();

	(void)state;
	for (int k = 0; k < 5; k++) {
		const char *path = FAULT_ROOT "/offsets";
		const char *tail = FAULT_ROOT "/offsets.tail";
		struct offsets *o;

		fault_vfs_reset(disk);
		o = open_at(0);
		sync_to(o, 2000);
		offsets_close(o);
		assert_true(k == 0 ? fault_vfs_remove(disk, path)
			: k == 1   ? fault_vfs_shorten(disk, path, 8000)
			: k == 2   ? fault_vfs_remove(disk, tail)
			: k == 3   ? fault_vfs_shorten(disk, tail, 0)
				   : fault_vfs_damage(disk, tail, 8192 + 40, 1));
		assert_int_equal(offsets_open(&options, 2000, &o), IM_ERR_CORRUPT);
		assert_null(o);
		assert_non_null(strstr(err_detail(IM_ERR_CORRUPT), path));
		o = open_at(0);
		sync_to(o, 2000);
		check_all(o, 2000);
		offsets_close(o);
		o = open_at(2000);
		check_all(o, 2000);
		offsets_close(o);
	}
}

/* Appends and syncs in steps; the durable size after each is left in *synced. */
static void
grow(uint64_t from, uint64_t to, _Atomic uint64_t *synced)
{
	struct offsets_options options = on_disk();
	struct offsets *o;
	uint64_t size;

	if (offsets_open(&options, from, &o) != IM_OK)
		return;
	while (offsets_size(o) < to) {
		if (offsets_reserve(o, 100) != IM_OK)
			break;
		for (int i = 0; i < 100; i++)
			offsets_append(o, position_of(offsets_size(o) + 1));
		if (offsets_size(o) % 300 == 0 && offsets_sync(o, &size) == IM_OK)
			*synced = size;
	}
	offsets_close(o);
}

static void
survives_each_failing_call(void **state)
{
	bool fired = true;

	(void)state;
	for (uint64_t at = 1; fired; at++) {
		struct fault_plan plan = {.kind = FAULT_FAIL,
		    .at = at,
		    .error = at % 2 ? EIO : ENOSPC,
		    .sticky = at % 4 == 3,
		    .seed = at};
		_Atomic uint64_t synced = 0;
		struct offsets *o;

		fault_vfs_reset(disk);
		fault_vfs_plan(disk, &plan);
		grow(0, 3000, &synced);
		fired = fault_vfs_fired(disk);
		fault_vfs_crash(disk, FAULT_LOSE_EVERYTHING, at);
		o = open_at(synced);
		check_all(o, synced);
		sync_to(o, 3300);
		check_all(o, 3300);
		offsets_close(o);
	}
}

static void
check_power_cuts(uint64_t stale, _Atomic uint64_t *synced)
{
	struct fault_vfs *cut = fault_vfs_new();
	bool fired = true;

	assert_non_null(cut);
	for (uint64_t at = 1; fired; at++) {
		int status;
		pid_t child;

		*synced = 700;
		fault_vfs_reset(disk);
		sync_others(700, stale);
		fault_vfs_plan(disk, &(struct fault_plan){.kind = FAULT_CUT, .at = at, .seed = at});
		child = fork();
		if (child == 0) {
			grow(700, 2400, synced);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		fired = WEXITSTATUS(status) == FAULT_CUT_EXIT;
		fault_vfs_copy(cut, disk);
		for (uint64_t seed = 0; seed < 6; seed++) {
			struct offsets *o;

			fault_vfs_copy(disk, cut);
			fault_vfs_crash(disk, FAULT_LOSE_RANDOM, at * 100 + seed);
			o = open_at(*synced);
			check_all(o, *synced);
			sync_to(o, 2700);
			check_all(o, 2700);
			offsets_close(o);
		}
	}
	fault_vfs_free(cut);
}

/* Beyond 700 the files hold other positions, in the same page or also in later ones: a cut log. */
static void
survives_a_power_cut_at_each_call(void **state)
{
	_Atomic uint64_t *synced =
	    mmap(NULL, sizeof *synced, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(synced != MAP_FAILED);
	check_power_cuts(700, synced);
	check_power_cuts(800, synced);
	check_power_cuts(1700, synced);
	munmap(synced, sizeof *synced);
}

struct race {
	struct offsets *o;
	_Atomic bool done;
	_Atomic unsigned wrong;
};

static void *
sync_often(void *arg)
{
	struct race *race = arg;
	uint64_t size = 0;

	while (!atomic_load(&race->done)) {
		if (offsets_sync(race->o, &size) != IM_OK || size > offsets_size(race->o))
			atomic_fetch_add(&race->wrong, 1);
	}
	return NULL;
}

static void *
read_often(void *arg)
{
	struct race *race = arg;
	uint64_t random = 9;

	while (!atomic_load(&race->done)) {
		uint64_t size = offsets_size(race->o), tx, position;

		if (size == 0)
			continue;
		tx = 1 + fault_random(&random) % size;
		if (offsets_get(race->o, tx, false, &position) != IM_OK ||
		    position != position_of(tx))
			atomic_fetch_add(&race->wrong, 1);
	}
	return NULL;
}

static void
readers_and_maintainer_run_beside_the_writer(void **state)
{
	struct race race = {.o = open_at(0)};
	pthread_t threads[3];

	(void)state;
	assert_int_equal(pthread_create(&threads[0], NULL, sync_often, &race), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, read_often, &race), 0);
	assert_int_equal(pthread_create(&threads[2], NULL, read_often, &race), 0);
	append_to(race.o, 400000);
	atomic_store(&race.done, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(race.wrong, 0);
	check_position(race.o, 400000);
	offsets_close(race.o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(holds_what_was_appended, disk_empty),
	    cmocka_unit_test_setup(opens_again_at_every_size_around_page_borders, disk_empty),
	    cmocka_unit_test_setup(opens_at_any_smaller_size_and_grows_differently, disk_empty),
	    cmocka_unit_test_setup(large_table_is_read_back_through_a_bounded_cache, disk_empty),
	    cmocka_unit_test_setup(damaged_pages_are_noticed_and_named, disk_empty),
	    cmocka_unit_test_setup(
		short_missing_or_damaged_files_are_corrupt_and_size_zero_starts_anew, disk_empty),
	    cmocka_unit_test_setup(survives_each_failing_call, disk_empty),
	    cmocka_unit_test_setup(survives_a_power_cut_at_each_call, disk_empty),
	    cmocka_unit_test_setup(readers_and_maintainer_run_beside_the_writer, disk_empty),
	};

	return cmocka_run_group_tests(tests, disk_make, disk_free);
}
