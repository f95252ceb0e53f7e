/*
 * What is asked of the index: flushing leaves nothing in memory only, compacting leaves one run;
 * what was written can be read before, while and after, and a full or failing disk is said and
 * recovered from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "crypto/rawkey.h"
#include "fault_disk.h"
#include "store/store.h"
#include "util/clock.h"
#include "util/log.h"

#define STORE_DIR FAULT_ROOT "/db"
#define KEYS 8000u
#define SHRINK 20u
#define COMPACTIONS 20
#define DEADLINE_S 60
/* Keys that only the first round has. */
#define FIRST_ONLY (KEYS / SHRINK)

static struct store *
opened(void)
{
	struct store_options options = {
	    .dir = STORE_DIR, .name = "db", .vfs = fault_vfs_table(disk), .header_version = 1};
	struct store *s = NULL;
	enum im_err err = store_open(&options, &s);

	if (err != IM_OK)
		fail_msg("%s: %s", err_name(err), err_detail(err));
	return s;
}

/* Key number i, with value v. */
static enum im_err
put(struct store *s, uint32_t i, uint32_t v)
{
	uint8_t key[5] = {RAW_KEY_PLAIN}, value[5] = {0};
	struct store_entry e = {.key = bytes_of(key, 5), .value = bytes_of(value, 5)};
	struct arena arena;
	struct store_write w = {.entries = &e, .nentries = 1, .arena = &arena};
	enum im_err err;

	be32_put(key + 1, i);
	be32_put(value + 1, v);
	arena_init(&arena, 1u << 20);
	err = store_write_wait(s, &w);
	arena_free(&arena);
	return err;
}

static void
expect(struct store *s, uint32_t i, uint32_t v)
{
	uint8_t key[5] = {RAW_KEY_PLAIN};
	struct store_query q = {.key = bytes_of(key, 5)};
	struct store_value found;
	struct arena arena;

	be32_put(key + 1, i);
	arena_init(&arena, 1u << 20);
	assert_int_equal(store_get(s, &q, &arena, &found), IM_OK);
	assert_int_equal(found.value.len, 5);
	assert_int_equal(be32_get(found.value.data + 1), v);
	arena_free(&arena);
}

/* Fewer and fewer keys, flushed each time: runs that are left side by side. */
static void
fill(struct store *s)
{
	for (uint32_t round = 0, n = KEYS; n > 0; round++, n /= SHRINK) {
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(put(s, i, round), IM_OK);
		assert_int_equal(store_flush_index(s), IM_OK);
	}
}

static void
expect_all(struct store *s, uint32_t v)
{
	for (uint32_t i = 0; i < KEYS; i++)
		expect(s, i, v);
}

static struct store_stats
stats_of(struct store *s)
{
	struct store_stats stats;

	store_stats(s, &stats);
	return stats;
}

static void
flush_leaves_nothing_in_memory(void **state)
{
	struct store *s = opened();

	(void)state;
	assert_int_equal(store_flush_index(s), IM_OK);
	assert_int_equal(stats_of(s).index_runs, 0);
	for (uint32_t i = 0; i < KEYS; i++)
		assert_int_equal(put(s, i, 7), IM_OK);
	assert_int_equal(stats_of(s).unflushed_entries, KEYS);
	assert_int_equal(store_flush_index(s), IM_OK);
	assert_int_equal(stats_of(s).unflushed_entries, 0);
	assert_int_equal(stats_of(s).index_runs, 1);
	expect_all(s, 7);
	/* A kill after it leaves the run to be used, not to be made anew. */
	assert_int_equal(store_flush_index(s), IM_OK);
	assert_int_equal(stats_of(s).index_runs, 1);
	store_close(s);
	s = opened();
	assert_int_equal(stats_of(s).index_runs, 1);
	expect_all(s, 7);
	store_close(s);
}

static void
compact_leaves_one_run(void **state)
{
	struct store *s = opened();

	(void)state;
	assert_int_equal(store_compact_index(s), IM_OK);
	fill(s);
	assert_true(stats_of(s).index_runs > 1);
	assert_int_equal(put(s, 0, 99), IM_OK);
	assert_int_equal(store_compact_index(s), IM_OK);
	assert_int_equal(stats_of(s).index_runs, 1);
	assert_int_equal(stats_of(s).unflushed_entries, 0);
	expect(s, 0, 99);
	expect(s, 1, 2);
	for (uint32_t i = FIRST_ONLY; i < KEYS; i++)
		expect(s, i, 0);
	assert_int_equal(store_compact_index(s), IM_OK);
	assert_int_equal(stats_of(s).index_runs, 1);
	store_close(s);
	s = opened();
	expect(s, 0, 99);
	expect(s, KEYS - 1, 0);
	store_close(s);
}

/* One who writes and reads as long as others compact. */
struct writer {
	struct store *s;
	_Atomic bool stop;
	uint32_t written;
};

static void *
writer_run(void *arg)
{
	struct writer *w = arg;

	while (!atomic_load(&w->stop)) {
		if (put(w->s, KEYS + w->written % KEYS, w->written) != IM_OK)
			break;
		w->written++;
	}
	return NULL;
}

/* Compacts again and again; how often it was not refused, UINTPTR_MAX after an error. */
static void *
compactor_run(void *arg)
{
	uintptr_t done = 0;

	for (int i = 0; i < COMPACTIONS; i++) {
		enum im_err err = store_compact_index(arg);

		if (err != IM_OK && err != IM_ERR_BUSY)
			return (void *)UINTPTR_MAX;
		done += err == IM_OK;
	}
	return (void *)done;
}

/* Two who compact at once: one does it, the other is told, and writes go on. */
static void
compact_beside_writes(void **state)
{
	struct store *s = opened();
	struct writer w = {.s = s};
	pthread_t writer, compactors[2];
	uintptr_t done[2];

	(void)state;
	fill(s);
	assert_int_equal(pthread_create(&writer, NULL, writer_run, &w), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&compactors[i], NULL, compactor_run, s), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(compactors[i], (void **)&done[i]);
	}
	atomic_store(&w.stop, true);
	pthread_join(writer, NULL);
	assert_true(done[0] <= COMPACTIONS && done[1] <= COMPACTIONS);
	assert_true(done[0] + done[1] > 0);
	expect(s, 1, 2);
	for (uint32_t i = FIRST_ONLY; i < KEYS; i++)
		expect(s, i, 0);
	for (uint32_t i = 0; i < KEYS && i < w.written; i++)
		expect(s, KEYS + i, w.written - 1 - (w.written - 1 - i) % KEYS);
	store_close(s);
}

/* A disk that is full: it is said, nothing is lost, and later it works. */
static void
flush_on_a_full_disk(void **state)
{
	struct fault_plan full = {.kind = FAULT_FAIL, .at = 1, .error = ENOSPC, .sticky = true};
	struct fault_plan none = {.kind = FAULT_NONE};
	struct store *s = opened();
	int64_t deadline_ns;
	enum im_err err;

	(void)state;
	for (uint32_t i = 0; i < KEYS; i++)
		assert_int_equal(put(s, i, 50), IM_OK);
	fault_vfs_plan(disk, &full);
	err = store_compact_index(s);
	if (err != IM_ERR_NO_SPACE && err != IM_ERR_IO)
		fail_msg("%s", err_name(err));
	fault_vfs_plan(disk, &none);
	expect_all(s, 50);
	/* The engine tries again by itself after a while; until then the old error is given. */
	deadline_ns = clock_monotonic_ns() + DEADLINE_S * CLOCK_NS_PER_S;
	while (err != IM_OK && clock_monotonic_ns() < deadline_ns)
		err = store_compact_index(s);
	assert_int_equal(err, IM_OK);
	assert_int_equal(stats_of(s).index_runs, 1);
	expect_all(s, 50);
	store_close(s);
}

#define TEST(t) cmocka_unit_test_setup(t, disk_empty)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(flush_leaves_nothing_in_memory),
	    TEST(compact_leaves_one_run),
	    TEST(compact_beside_writes),
	    TEST(flush_on_a_full_disk),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, disk_make, disk_free);
}
