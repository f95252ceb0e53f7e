/*
 * The hash tree against the flat digest log of crypto/ahtree: what it computes, what it keeps,
 * damage, failing calls, power cuts, threads.
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

#include "crypto/ahtree_log.h"
#include "immudb/store/fault_disk.h"
#include "store/tree.h"

#define LEAVES 200000u
#define SMALL 600u

/* The same leaves for all tests, and their tree in memory as the yardstick. */
static struct hash *alhs; /* alhs[n] is the Alh of transaction n */
static struct ahtree_log model;

static const struct tree_options options = {.dir = FAULT_ROOT, .name = "tree"};

static struct tree_options
on_disk(void)
{
	struct tree_options o = options;

	o.vfs = fault_vfs_table(disk);
	return o;
}

static struct tree *
open_at(uint64_t size)
{
	struct tree_options o = on_disk();
	struct tree *t;

	assert_int_equal(tree_open(&o, size, &t), IM_OK);
	assert_int_equal(tree_size(t), size);
	return t;
}

static void
append_to(struct tree *t, uint64_t size)
{
	while (tree_size(t) < size) {
		assert_int_equal(tree_reserve(t, 1), IM_OK);
		tree_append(t, &alhs[tree_size(t) + 1]);
	}
}

static void
sync_to(struct tree *t, uint64_t size)
{
	uint64_t synced = 0;

	append_to(t, size);
	assert_int_equal(tree_sync(t, &synced), IM_OK);
	assert_int_equal(synced, size);
}

static struct hash
model_range(uint64_t lo, uint64_t hi)
{
	struct ahtree_reader r = ahtree_log_reader(&model);
	struct hash h;

	assert_int_equal(r.range_root(r.ctx, lo, hi, &h), IM_OK);
	return h;
}

static void
check_range(struct tree *t, uint64_t lo, uint64_t hi)
{
	struct hash right = model_range(lo, hi), h;

	assert_int_equal(tree_range_root(t, lo, hi, false, &h), IM_OK);
	assert_memory_equal(h.b, right.b, HASH_SIZE);
}

/* The largest range that may begin at lo. */
static uint64_t
widest(uint64_t lo, uint64_t size)
{
	uint64_t most = lo == 0 ? size : lo & -lo;

	return size - lo < most ? size - lo : most;
}

static void
check_all_ranges(struct tree *t, uint64_t size)
{
	for (uint64_t lo = 0; lo < size; lo++) {
		for (uint64_t width = 1; width <= widest(lo, size); width++)
			check_range(t, lo, lo + width);
	}
}

static void
check_random_ranges(struct tree *t, uint64_t size, unsigned count)
{
	uint64_t random = size;

	while (count-- > 0) {
		uint64_t lo = fault_random(&random) % size;

		lo &= ~(uint64_t)0 << fault_random(&random) % 18;
		check_range(t, lo, lo + 1 + fault_random(&random) % widest(lo, size));
	}
	check_range(t, 0, size);
}

static void
check_edge(struct tree *t, uint64_t size)
{
	struct hash right, edge, root;

	assert_int_equal(ahtree_log_root(&model, size, &right), IM_OK);
	tree_edge_root(t, &edge);
	assert_memory_equal(edge.b, right.b, HASH_SIZE);
	assert_int_equal(tree_root(t, size, false, &root), IM_OK);
	assert_memory_equal(root.b, right.b, HASH_SIZE);
}

static int
make_model(void **state)
{
	alhs = malloc((LEAVES + 1) * sizeof *alhs);
	ahtree_log_init(&model);
	if (disk_make(state) != 0 || !alhs)
		return -1;
	for (uint64_t n = 0; n <= LEAVES; n++) {
		uint8_t be[8];

		be64_put(be, n);
		hash_sha256(bytes_of(be, sizeof be), &alhs[n]);
		if (n > 0 && ahtree_log_append(&model, &alhs[n]) != IM_OK)
			return -1;
	}
	return 0;
}

static int
free_model(void **state)
{
	ahtree_log_free(&model);
	free(alhs);
	return disk_free(state);
}

/* ---- What it computes ---- */

static void
empty_tree_has_root_zero_and_no_ranges(void **state)
{
	struct tree *t = open_at(0);
	struct hash h;
	uint64_t size = 1;

	(void)state;
	tree_edge_root(t, &h);
	assert_true(hash_is_zero(&h));
	assert_int_equal(tree_root(t, 0, false, &h), IM_OK);
	assert_true(hash_is_zero(&h));
	assert_int_equal(tree_range_root(t, 0, 0, false, &h), IM_ERR_ARGUMENT);
	assert_int_equal(tree_range_root(t, 0, 1, false, &h), IM_ERR_ARGUMENT);
	assert_int_equal(tree_sync(t, &size), IM_OK);
	assert_int_equal(size, 0);
	tree_close(t);
	tree_close(NULL);
}

static void
every_range_of_every_small_size_is_right(void **state)
{
	struct tree *t = open_at(0);

	(void)state;
	for (uint64_t size = 1; size <= SMALL; size++) {
		append_to(t, size);
		check_edge(t, size);
		for (uint64_t lo = 0; lo < size; lo++) {
			if (size - lo <= widest(lo, size))
				check_range(t, lo, size);
		}
	}
	check_all_ranges(t, SMALL);
	tree_close(t);
}

static void
ranges_that_no_proof_needs_are_refused(void **state)
{
	struct tree *t = open_at(0);
	struct hash h;

	(void)state;
	append_to(t, 300);
	assert_int_equal(tree_range_root(t, 1, 3, false, &h), IM_ERR_ARGUMENT);
	assert_int_equal(tree_range_root(t, 6, 9, false, &h), IM_ERR_ARGUMENT);
	assert_int_equal(tree_range_root(t, 5, 5, false, &h), IM_ERR_ARGUMENT);
	assert_int_equal(tree_range_root(t, 6, 5, false, &h), IM_ERR_ARGUMENT);
	assert_int_equal(tree_range_root(t, 0, 301, false, &h), IM_ERR_ARGUMENT);
	assert_int_equal(tree_range_root(t, 0, UINT64_MAX, false, &h), IM_ERR_ARGUMENT);
	tree_close(t);
}

static void
proofs_of_a_large_tree_verify(void **state)
{
	struct tree *t = open_at(0);
	struct tree_view view = {.tree = t, .size = LEAVES};
	struct ahtree_reader reader = tree_view_reader(&view);
	struct hash_list out_of_view;
	uint64_t random = 1;
	struct arena arena;
	struct hash h;

	(void)state;
	arena_init(&arena, 1 << 20);
	append_to(t, LEAVES);
	check_edge(t, LEAVES);
	check_random_ranges(t, LEAVES, 5000);
	for (int k = 0; k < 1000; k++) {
		uint64_t j = 1 + fault_random(&random) % LEAVES;
		uint64_t i = 1 + fault_random(&random) % j;
		struct hash leaf, root_i = model_range(0, i), root_j = model_range(0, j);
		struct hash_list proof;

		hash_leaf(&alhs[i], &leaf);
		assert_int_equal(ahtree_prove_inclusion(&reader, i, j, &arena, &proof), IM_OK);
		assert_true(ahtree_verify_inclusion(proof, i, j, &leaf, &root_j));
		assert_int_equal(ahtree_prove_consistency(&reader, i, j, &arena, &proof), IM_OK);
		assert_true(ahtree_verify_consistency(proof, i, j, &root_i, &root_j));
		leaf.b[0] ^= 1;
		assert_false(i < j && ahtree_verify_inclusion(proof, i, j, &leaf, &root_j));
		arena_free(&arena);
	}
	view.size = 100;
	assert_int_equal(reader.range_root(reader.ctx, 0, 101, &h), IM_ERR_TX_NOT_FOUND);
	assert_int_equal(
	    ahtree_prove_inclusion(&reader, 1, 101, &arena, &out_of_view), IM_ERR_TX_NOT_FOUND);
	arena_free(&arena);
	tree_close(t);
}

/* ---- What it keeps ---- */

static void
opens_again_at_every_size_around_tile_borders(void **state)
{
	static const uint64_t sizes[] = {1, 2, 3, 254, 255, 256, 257, 258, 511, 512, 513, 1023,
	    1024, 65535, 65536, 65537, 65791, 65792, 65793, 131071, 131072, 131073};

	(void)state;
	for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		struct tree *t;

		fault_vfs_reset(disk);
		t = open_at(0);
		sync_to(t, sizes[k]);
		tree_close(t);
		t = open_at(sizes[k]);
		check_edge(t, sizes[k]);
		check_random_ranges(t, sizes[k], 50);
		append_to(t, sizes[k] + 300);
		check_edge(t, sizes[k] + 300);
		check_random_ranges(t, sizes[k] + 300, 50);
		tree_close(t);
	}
}

/* A synced tree of the right leaves up to size, and then others. */
static void
sync_others(uint64_t size, uint64_t end)
{
	struct tree *t = open_at(0);

	append_to(t, size);
	for (uint64_t n = size; n < end; n++) {
		assert_int_equal(tree_reserve(t, 1), IM_OK);
		tree_append(t, &alhs[0]);
	}
	assert_int_equal(tree_sync(t, &(uint64_t){0}), IM_OK);
	tree_close(t);
}

static void
opens_at_any_smaller_size_and_grows_differently(void **state)
{
	(void)state;
	for (uint64_t size = 1; size <= 1100; size += size % 256 < 2 || size % 256 > 253 ? 1 : 31) {
		struct tree *t;

		fault_vfs_reset(disk);
		sync_others(size, 1100);
		t = open_at(size);
		check_edge(t, size);
		sync_to(t, 1500);
		tree_close(t);
		t = open_at(1500);
		check_edge(t, 1500);
		check_random_ranges(t, 1500, 100);
		tree_close(t);
	}
}

static void
one_large_batch_is_reserved_and_kept(void **state)
{
	struct tree *t = open_at(0);
	uint64_t size;

	(void)state;
	assert_int_equal(tree_reserve(t, LEAVES), IM_OK);
	while (tree_size(t) < LEAVES)
		tree_append(t, &alhs[tree_size(t) + 1]);
	assert_int_equal(tree_sync(t, &size), IM_OK);
	assert_int_equal(tree_disk_bytes(t, &size), IM_OK);
	assert_true(size > 64ull * LEAVES && size < 66ull * LEAVES);
	check_random_ranges(t, LEAVES, 1000);
	tree_close(t);
	t = open_at(LEAVES);
	check_edge(t, LEAVES);
	check_random_ranges(t, LEAVES, 3000);
	assert_int_equal(tree_repairs(t), 0);
	tree_close(t);
}

static void
reads_without_waiting_give_the_same_or_say_so(void **state)
{
	struct tree *t = open_at(0);
	unsigned blocked = 0;

	(void)state;
	sync_to(t, 20000);
	tree_close(t);
	t = open_at(20000);
	for (uint64_t lo = 0; lo < 19000; lo += 128) {
		struct hash right = model_range(lo, lo + 128), h;
		enum im_err err = tree_range_root(t, lo, lo + 128, true, &h);

		blocked += err == IM_ERR_WOULD_BLOCK;
		if (err == IM_ERR_WOULD_BLOCK)
			err = tree_range_root(t, lo, lo + 128, false, &h);
		assert_int_equal(err, IM_OK);
		assert_memory_equal(h.b, right.b, HASH_SIZE);
	}
	assert_true(blocked > 0);
	tree_close(t);
}

/* ---- Damage ---- */

static void
damaged_tiles_are_noticed_and_named(void **state)
{
	struct tree *t = open_at(0);
	struct hash h;

	(void)state;
	sync_to(t, 2000);
	tree_close(t);
	for (uint64_t at = 0; at < 16384; at += 97) {
		assert_true(fault_vfs_damage(disk, FAULT_ROOT "/tree.0", 16384 + at, 0x10));
		t = open_at(2000);
		assert_int_equal(tree_range_root(t, 300, 301, false, &h), IM_ERR_CORRUPT);
		assert_non_null(strstr(err_detail(IM_ERR_CORRUPT), FAULT_ROOT "/tree.0"));
		assert_non_null(strstr(err_detail(IM_ERR_CORRUPT), "16384"));
		assert_int_equal(tree_range_root(t, 600, 601, false, &h), IM_OK);
		tree_close(t);
		assert_true(fault_vfs_damage(disk, FAULT_ROOT "/tree.0", 16384 + at, 0x10));
	}
	t = open_at(2000);
	check_random_ranges(t, 2000, 500);
	tree_close(t);
}

static enum im_err
alh_of(void *ctx, uint64_t tx, struct hash *out)
{
	(void)ctx;
	*out = alhs[tx];
	return IM_OK;
}

static enum im_err
alh_lost(void *ctx, uint64_t tx, struct hash *out)
{
	(void)ctx;
	(void)tx;
	(void)out;
	return IM_ERR_DATA_LOSS;
}

static void
damaged_tiles_are_made_anew_from_the_log(void **state)
{
	struct tree_options o = on_disk();
	struct tree *t = open_at(0);
	struct hash h;

	(void)state;
	sync_to(t, 140000);
	tree_close(t);
	/* The first tile of each level: the upper one needs the roots of those below. */
	assert_true(fault_vfs_damage(disk, FAULT_ROOT "/tree.0", 5000, 1));
	assert_true(fault_vfs_damage(disk, FAULT_ROOT "/tree.1", 9000, 1));
	o.alh = alh_lost;
	assert_int_equal(tree_open(&o, 140000, &t), IM_OK);
	assert_int_equal(tree_range_root(t, 0, 16, false, &h), IM_ERR_DATA_LOSS);
	tree_close(t);
	o.alh = alh_of;
	assert_int_equal(tree_open(&o, 140000, &t), IM_OK);
	assert_int_equal(tree_range_root(t, 0, 512, true, &h), IM_ERR_WOULD_BLOCK);
	check_range(t, 0, 512);
	check_range(t, 0, 16);
	assert_int_equal(tree_repairs(t), 2);
	assert_int_equal(tree_sync(t, &(uint64_t){0}), IM_OK);
	tree_close(t);
	t = open_at(140000);
	check_random_ranges(t, 140000, 500);
	check_range(t, 0, 16);
	assert_int_equal(tree_repairs(t), 0);
	tree_close(t);
}

static void
short_or_missing_files_are_corrupt_and_size_zero_starts_anew(void **state)
{
	static const char *const files[] = {"tree.0", "tree.1", "tree.tail"};
	struct tree_options o = on_disk();
	struct tree *t;

	(void)state;
	for (size_t k = 0; k < 6; k++) {
		char path[64];

		fault_vfs_reset(disk);
		t = open_at(0);
		sync_to(t, 70000);
		tree_close(t);
		snprintf(path, sizeof path, FAULT_ROOT "/%s", files[k / 2]);
		if (k % 2)
			assert_true(fault_vfs_remove(disk, path));
		else
			assert_true(fault_vfs_shorten(disk, path, 16000));
		assert_int_equal(tree_open(&o, 70000, &t), IM_ERR_CORRUPT);
		assert_null(t);
		assert_non_null(strstr(err_detail(IM_ERR_CORRUPT), path));
		t = open_at(0);
		sync_to(t, 70000);
		check_random_ranges(t, 70000, 100);
		tree_close(t);
		t = open_at(70000);
		check_edge(t, 70000);
		tree_close(t);
	}
}

static void
a_size_never_synced_is_refused(void **state)
{
	struct tree_options o = on_disk();
	struct tree *t = open_at(0);

	(void)state;
	sync_to(t, 600);
	append_to(t, 700);
	tree_close(t);
	assert_int_equal(tree_open(&o, 601, &t), IM_ERR_CORRUPT);
	t = open_at(600);
	check_edge(t, 600);
	tree_close(t);
}

/* ---- Failing calls and power cuts ---- */

/* Appends and syncs in steps; the durable size after each is left in *synced. */
static void
grow(uint64_t from, uint64_t to, _Atomic uint64_t *synced)
{
	struct tree_options o = on_disk();
	struct tree *t;
	uint64_t size;

	if (tree_open(&o, from, &t) != IM_OK)
		return;
	while (tree_size(t) < to) {
		if (tree_reserve(t, 100) != IM_OK)
			break;
		for (int i = 0; i < 100; i++)
			tree_append(t, &alhs[tree_size(t) + 1]);
		if (tree_size(t) % 300 == 0 && tree_sync(t, &size) == IM_OK)
			*synced = size;
	}
	tree_close(t);
}

static void
survives_each_failing_call(void **state)
{
	static const int errors[] = {EIO, ENOSPC};
	bool fired = true;

	(void)state;
	for (uint64_t at = 1; fired; at++) {
		struct fault_plan plan = {.kind = FAULT_FAIL,
		    .at = at,
		    .error = errors[at % 2],
		    .sticky = at % 4 == 3,
		    .seed = at};
		_Atomic uint64_t synced = 0;
		struct tree *t;

		fault_vfs_reset(disk);
		fault_vfs_plan(disk, &plan);
		grow(0, 3000, &synced);
		fired = fault_vfs_fired(disk);
		fault_vfs_crash(disk, FAULT_LOSE_EVERYTHING, at);
		t = open_at(synced);
		check_edge(t, synced);
		sync_to(t, 3300);
		check_random_ranges(t, 3300, 30);
		tree_close(t);
	}
}

static void
no_space_for_tiles_stops_appends_only_at_the_limit(void **state)
{
	struct fault_plan plan = {.kind = FAULT_FAIL, .at = 1, .error = ENOSPC, .sticky = true};
	struct tree *t = open_at(0);
	uint64_t size, at_limit = (uint64_t)TREE_WAITING_TILES_MAX * 256;

	(void)state;
	fault_vfs_plan(disk, &plan);
	for (size = 0; size < at_limit && tree_reserve(t, 256) == IM_OK; size += 256) {
		for (uint64_t n = 1; n <= 256; n++)
			tree_append(t, &alhs[(size + n) % LEAVES]);
	}
	assert_true(size > at_limit / 2);
	assert_int_equal(tree_reserve(t, 300), IM_ERR_NO_SPACE);
	assert_int_equal(tree_size(t), size);
	check_range(t, 0, 100000);
	fault_vfs_plan(disk, &(struct fault_plan){0});
	assert_int_equal(tree_reserve(t, 300), IM_OK);
	assert_int_equal(tree_sync(t, &size), IM_OK);
	tree_close(t);
}

/* What the disk may hold after the cut opens at the synced size and grows on. */
static void
check_after_cut(const struct fault_vfs *cut, uint64_t synced, uint64_t seed)
{
	struct tree *t;

	fault_vfs_copy(disk, cut);
	fault_vfs_crash(disk, FAULT_LOSE_RANDOM, seed);
	t = open_at(synced);
	check_edge(t, synced);
	check_random_ranges(t, synced, 20);
	sync_to(t, 2700);
	check_edge(t, 2700);
	tree_close(t);
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
		for (uint64_t seed = 0; seed < 6; seed++)
			check_after_cut(cut, *synced, at * 100 + seed);
	}
	fault_vfs_free(cut);
}

/* Beyond 700 the files hold other leaves, in the same tile or also in later ones: a cut log. */
static void
survives_a_power_cut_at_each_call(void **state)
{
	_Atomic uint64_t *synced =
	    mmap(NULL, sizeof *synced, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(synced != MAP_FAILED);
	check_power_cuts(700, synced);
	check_power_cuts(760, synced);
	check_power_cuts(1100, synced);
	munmap(synced, sizeof *synced);
}

/* ---- Threads ---- */

struct race {
	struct tree *t;
	_Atomic bool done;
	_Atomic unsigned wrong;
};

static void *
sync_often(void *arg)
{
	struct race *race = arg;
	uint64_t size = 0;

	while (!atomic_load(&race->done)) {
		if (tree_sync(race->t, &size) != IM_OK || size > tree_size(race->t))
			atomic_fetch_add(&race->wrong, 1);
	}
	return NULL;
}

static void *
read_often(void *arg)
{
	struct race *race = arg;
	uint64_t random = (uint64_t)(uintptr_t)&random;

	while (!atomic_load(&race->done)) {
		uint64_t size = tree_size(race->t), lo, hi;
		struct ahtree_reader r = ahtree_log_reader(&model);
		struct hash h, right;

		if (size == 0)
			continue;
		lo = fault_random(&random) % size & ~(uint64_t)0 << fault_random(&random) % 18;
		hi = fault_random(&random) % 2 ? lo + widest(lo, size) : lo + 1;
		if (tree_range_root(race->t, lo, hi, false, &h) != IM_OK ||
		    r.range_root(r.ctx, lo, hi, &right) != IM_OK || !hash_equal(&h, &right))
			atomic_fetch_add(&race->wrong, 1);
	}
	return NULL;
}

static void
readers_and_maintainer_run_beside_the_writer(void **state)
{
	struct race race = {.t = open_at(0)};
	pthread_t threads[3];

	(void)state;
	assert_int_equal(pthread_create(&threads[0], NULL, sync_often, &race), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, read_often, &race), 0);
	assert_int_equal(pthread_create(&threads[2], NULL, read_often, &race), 0);
	append_to(race.t, 70000);
	atomic_store(&race.done, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(race.wrong, 0);
	check_edge(race.t, 70000);
	tree_close(race.t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(empty_tree_has_root_zero_and_no_ranges, disk_empty),
	    cmocka_unit_test_setup(every_range_of_every_small_size_is_right, disk_empty),
	    cmocka_unit_test_setup(ranges_that_no_proof_needs_are_refused, disk_empty),
	    cmocka_unit_test_setup(proofs_of_a_large_tree_verify, disk_empty),
	    cmocka_unit_test_setup(opens_again_at_every_size_around_tile_borders, disk_empty),
	    cmocka_unit_test_setup(opens_at_any_smaller_size_and_grows_differently, disk_empty),
	    cmocka_unit_test_setup(one_large_batch_is_reserved_and_kept, disk_empty),
	    cmocka_unit_test_setup(reads_without_waiting_give_the_same_or_say_so, disk_empty),
	    cmocka_unit_test_setup(damaged_tiles_are_noticed_and_named, disk_empty),
	    cmocka_unit_test_setup(damaged_tiles_are_made_anew_from_the_log, disk_empty),
	    cmocka_unit_test_setup(
		short_or_missing_files_are_corrupt_and_size_zero_starts_anew, disk_empty),
	    cmocka_unit_test_setup(a_size_never_synced_is_refused, disk_empty),
	    cmocka_unit_test_setup(survives_each_failing_call, disk_empty),
	    cmocka_unit_test_setup(no_space_for_tiles_stops_appends_only_at_the_limit, disk_empty),
	    cmocka_unit_test_setup(survives_a_power_cut_at_each_call, disk_empty),
	    cmocka_unit_test_setup(readers_and_maintainer_run_beside_the_writer, disk_empty),
	};

	return cmocka_run_group_tests(tests, make_model, free_model);
}
