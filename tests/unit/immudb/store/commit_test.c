/*
 * The queue in front of the committer: transactions that were queued to wait for company are
 * committed when the store is woken, in order, and nothing that was queued is ever forgotten. In an
 * unsynced store who queues commits, but for what may take long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>

#include "crypto/rawkey.h"
#include "store/store.h"
#include "temp_dir.h"

#define WRITES 32u
#define ARENA_CAP ((size_t)1 << 20)
#define WAIT_S 30

struct fixture {
	struct store *s;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned answered;
	struct pending {
		struct store_write w;
		struct store_entry entry;
		struct arena arena;
		struct fixture *f;
		pthread_t by; /* the thread that answered */
	} writes[WRITES];
	unsigned chained; /* the answer to one write queues the next, up to this one */
};

static void put(struct fixture *f, unsigned i, bool held);

static void
answered(struct store_write *w)
{
	struct pending *p = (struct pending *)w->ctx;
	struct fixture *f = p->f;

	p->by = pthread_self();
	pthread_mutex_lock(&f->lock);
	f->answered++;
	pthread_cond_signal(&f->changed);
	pthread_mutex_unlock(&f->lock);
	if (p - f->writes < (ptrdiff_t)f->chained)
		put(f, (unsigned)(p - f->writes) + 1, false);
}

/* False when so many answers have not come in time. */
static bool
wait_for(struct fixture *f, unsigned n)
{
	struct timespec by;
	int rv = 0;

	clock_gettime(CLOCK_REALTIME, &by);
	by.tv_sec += WAIT_S;
	pthread_mutex_lock(&f->lock);
	while (rv == 0 && f->answered < n)
		rv = pthread_cond_timedwait(&f->changed, &f->lock, &by);
	pthread_mutex_unlock(&f->lock);
	return rv == 0;
}

static void
put(struct fixture *f, unsigned i, bool held)
{
	struct pending *p = &f->writes[i];
	char key[16];
	int n = snprintf(key, sizeof key, "k%u", i);

	*p = (struct pending){.f = f};
	arena_init(&p->arena, ARENA_CAP);
	assert_int_equal(raw_key_make(&p->arena, bytes_of(key, (size_t)n), &p->entry.key), IM_OK);
	assert_int_equal(raw_value_make(&p->arena, bytes_str("v"), &p->entry.value), IM_OK);
	p->w = (struct store_write){.entries = &p->entry,
	    .nentries = 1,
	    .arena = &p->arena,
	    .done = answered,
	    .ctx = p,
	    .held = held};
	assert_int_equal(store_write(f->s, &p->w), IM_OK);
}

static void
open_store_with(struct fixture *f, const struct store_options *o)
{
	*f = (struct fixture){0};
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	assert_int_equal(store_open(o, &f->s), IM_OK);
}

static void
open_store(struct fixture *f, const char *dir, bool unsynced)
{
	const struct store_options o = {
	    .dir = dir, .name = "test", .unsynced = unsynced, .header_version = 1};

	open_store_with(f, &o);
}

/* All of them were committed, in the order queued. */
static void
close_store(struct fixture *f)
{
	store_close(f->s);
	for (unsigned i = 0; i < WRITES; i++) {
		assert_int_equal(f->writes[i].w.err, IM_OK);
		assert_int_equal(f->writes[i].w.header.id, i + 1);
		arena_free(&f->writes[i].arena);
	}
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->changed);
}

static void
test_held_until_woken(void **state)
{
	struct fixture f;

	open_store(&f, (const char *)*state, false);
	put(&f, 0, false);
	assert_true(wait_for(&f, 1));
	for (unsigned i = 1; i < WRITES; i++)
		put(&f, i, true);
	store_wake(f.s);
	assert_true(wait_for(&f, WRITES));
	/* Nothing waits: that is no harm. */
	store_wake(f.s);
	close_store(&f);
}

/* The first one starts the threads; it and its followers must not wait for ever either. */
static void
test_held_from_the_start(void **state)
{
	struct fixture f;

	open_store(&f, (const char *)*state, false);
	for (unsigned i = 0; i < WRITES; i++)
		put(&f, i, true);
	store_wake(f.s);
	assert_true(wait_for(&f, WRITES));
	close_store(&f);
}

/* One that does not wait takes those before it along. */
static void
test_taken_along(void **state)
{
	struct fixture f;

	open_store(&f, (const char *)*state, false);
	for (unsigned i = 0; i < WRITES; i++)
		put(&f, i, i + 1 < WRITES);
	assert_true(wait_for(&f, WRITES));
	close_store(&f);
}

/* Answered in the thread that queued it, before that goes on. */
static bool
is_answered_here(const struct fixture *f, unsigned i)
{
	return f->answered > i && pthread_equal(f->writes[i].by, pthread_self());
}

static void
test_unsynced_by_caller(void **state)
{
	struct fixture f;

	open_store(&f, (const char *)*state, true);
	put(&f, 0, false);
	assert_true(is_answered_here(&f, 0));
	for (unsigned i = 1; i < 4; i++)
		put(&f, i, true);
	assert_int_equal(f.answered, 1);
	store_wake(f.s);
	for (unsigned i = 1; i < 4; i++)
		assert_true(is_answered_here(&f, i));
	store_wake(f.s);
	for (unsigned i = 4; i < WRITES; i++)
		put(&f, i, i % 4 != 0);
	store_wake(f.s);
	assert_true(is_answered_here(&f, WRITES - 1));
	close_store(&f);
}

/* So many are not left to the one who queues them, nor do they wait for him. */
static void
test_unsynced_much_held(void **state)
{
	struct fixture f;

	open_store(&f, (const char *)*state, true);
	for (unsigned i = 0; i < WRITES; i++)
		put(&f, i, true);
	assert_true(wait_for(&f, WRITES / 2));
	store_wake(f.s);
	assert_true(wait_for(&f, WRITES));
	assert_false(is_answered_here(&f, 0));
	close_store(&f);
}

/* A caller does not go on for ever for what comes meanwhile. */
static void
test_unsynced_hands_over(void **state)
{
	struct fixture f;

	open_store(&f, (const char *)*state, true);
	f.chained = WRITES - 1;
	put(&f, 0, false);
	assert_true(wait_for(&f, WRITES));
	assert_true(is_answered_here(&f, 0));
	assert_false(is_answered_here(&f, WRITES - 1));
	close_store(&f);
}

/* A checkpoint, which may wait for the disk, is left to the thread; and it is made. */
static void
test_unsynced_checkpoint(void **state)
{
	struct store_options o = {.dir = (const char *)*state,
	    .name = "test",
	    .unsynced = true,
	    .header_version = 1,
	    .checkpoint_entries = WRITES};
	struct store_stats stats;
	struct fixture f;

	open_store_with(&f, &o);
	for (unsigned i = 0; i < WRITES; i++)
		put(&f, i, false);
	do
		store_stats(f.s, &stats);
	while (stats.index_runs == 0 || stats.unflushed_entries > 0);
	close_store(&f);
}

/* What is held when the store is closed is still answered. */
static void
test_held_at_close(void **state)
{
	struct fixture f;

	open_store(&f, (const char *)*state, false);
	for (unsigned i = 0; i < WRITES; i++)
		put(&f, i, true);
	close_store(&f);
	assert_int_equal(f.answered, WRITES);
}

/* What a write says it wrote is what is read: with metadata, long values and an id bound to it. */
static void
test_written(void **state)
{
	static uint8_t long_value[10000] = {0}, reference[16] = {1};
	struct store_entry entries[] = {
	    {.key = bytes_str("plain"), .value = bytes_str("value")},
	    {.key = bytes_str("expires"),
		.value = bytes_str("v"),
		.metadata = {.has_expiry = true, .expires_at = INT64_C(1) << 40}},
	    {.key = bytes_str("long"), .value = bytes_of(long_value, sizeof long_value)},
	    {.key = bytes_str("bound"),
		.value = bytes_of(reference, sizeof reference),
		.bind = STORE_BIND_VALUE},
	    {.key = bytes_str("empty"), .value = bytes_of(NULL, 0)},
	};
	const unsigned n = sizeof entries / sizeof *entries;
	struct store_tx written, read;
	struct fixture f;
	struct arena a;
	struct store_write w = {.entries = entries, .nentries = n, .arena = &a};

	open_store(&f, (const char *)*state, true);
	for (unsigned i = 0; i < WRITES; i++)
		put(&f, i, false);
	arena_init(&a, ARENA_CAP);
	assert_int_equal(store_write_wait(f.s, &w), IM_OK);
	assert_int_equal(store_written_tx(&w, &a, &written), IM_OK);
	assert_int_equal(store_read_tx(f.s, w.header.id, STORE_NO_VALUE, &a, &read), IM_OK);
	assert_int_equal(written.header.id, WRITES + 1);
	assert_memory_equal(&written.alh, &read.alh, sizeof read.alh);
	assert_int_equal(written.nentries, n);
	assert_int_equal(read.nentries, n);
	for (unsigned i = 0; i < n; i++) {
		const struct store_tx_entry *x = &written.entries[i], *y = &read.entries[i];

		assert_true(bytes_equal(x->key, y->key));
		assert_true(bytes_equal(x->metadata, y->metadata));
		assert_true(hash_equal(&x->hval, &y->hval));
		assert_int_equal(x->value_len, y->value_len);
	}
	arena_free(&a);
	close_store(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_held_until_woken, temp_dir_setup, temp_dir_teardown),
	    cmocka_unit_test_setup_teardown(
		test_held_from_the_start, temp_dir_setup, temp_dir_teardown),
	    cmocka_unit_test_setup_teardown(test_taken_along, temp_dir_setup, temp_dir_teardown),
	    cmocka_unit_test_setup_teardown(
		test_unsynced_by_caller, temp_dir_setup, temp_dir_teardown),
	    cmocka_unit_test_setup_teardown(
		test_unsynced_much_held, temp_dir_setup, temp_dir_teardown),
	    cmocka_unit_test_setup_teardown(
		test_unsynced_hands_over, temp_dir_setup, temp_dir_teardown),
	    cmocka_unit_test_setup_teardown(
		test_unsynced_checkpoint, temp_dir_setup, temp_dir_teardown),
	    cmocka_unit_test_setup_teardown(test_held_at_close, temp_dir_setup, temp_dir_teardown),
	    cmocka_unit_test_setup_teardown(test_written, temp_dir_setup, temp_dir_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
