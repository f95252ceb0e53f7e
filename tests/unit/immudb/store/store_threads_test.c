/*
 * The engine under several writers and readers at once, with checkpoints and merges all the time:
 * every answer is right whatever the others do, and what is left is whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/rawkey.h"
#include "store/store.h"
#include "temp_dir.h"

#define WRITERS 3
#define READERS 2
#define KEYS 50u
#define CHECK_BYTES 20000u
#define ARENA_CAP (16u * 1024 * 1024)

static unsigned
rounds(void)
{
	return getenv("IMMUDB_TEST_LONG") ? 5000 : 400;
}

struct shared {
	struct store *s;
	atomic_uint running;               /* writers that have not finished */
	atomic_uint newest[WRITERS][KEYS]; /* value that the writer knows to be committed */
	atomic_uint faults;
};

struct worker {
	struct shared *shared;
	unsigned number;
	pthread_t thread;
};

static void
make_entry(struct arena *a, struct store_entry *e, unsigned writer, unsigned key, unsigned value)
{
	char text[32];
	int n = snprintf(text, sizeof text, "w%u-k%u", writer, key);

	*e = (struct store_entry){0};
	assert_int_equal(raw_key_make(a, bytes_of(text, (size_t)n), &e->key), IM_OK);
	n = snprintf(text, sizeof text, "%u", value);
	assert_int_equal(raw_value_make(a, bytes_of(text, (size_t)n), &e->value), IM_OK);
}

/* Each writer has keys of its own; a transaction writes two of them with one growing number. */
static void *
writer_main(void *arg)
{
	struct worker *w = (struct worker *)arg;
	struct shared *x = w->shared;
	struct arena a;

	arena_init(&a, ARENA_CAP);
	for (unsigned i = 1; i <= rounds(); i++) {
		unsigned key = i % (KEYS / 2);
		struct store_entry e[2];
		struct store_write write = {.entries = e, .nentries = 2, .arena = &a};

		make_entry(&a, &e[0], w->number, key, i);
		make_entry(&a, &e[1], w->number, key + KEYS / 2, i);
		if (store_write_wait(x->s, &write) != IM_OK)
			atomic_fetch_add(&x->faults, 1);
		atomic_store(&x->newest[w->number][key], i);
		arena_free(&a);
	}
	atomic_fetch_sub(&x->running, 1);
	return NULL;
}

static unsigned
read_number(struct shared *x, struct arena *a, struct bytes key, uint64_t as_of)
{
	struct store_query q = {.key = key, .as_of = as_of};
	struct store_value v;
	char text[32] = "";
	enum im_err err = store_get(x->s, &q, a, &v);

	if (err == IM_ERR_KEY_NOT_FOUND)
		return 0;
	if (err != IM_OK || v.value.len > sizeof text) {
		atomic_fetch_add(&x->faults, 1);
		return 0;
	}
	memcpy(text, v.value.data + 1, v.value.len - 1);
	return (unsigned)strtoul(text, NULL, 10);
}

static void
check_proof(struct shared *x, struct arena *a, uint64_t from, const struct store_state *to)
{
	struct tx_point source = {.id = from}, target = {to->tx, to->alh};
	struct dual_proof proof;
	struct tx_header header;

	if (store_read_header(x->s, from, 0, &header) != IM_OK ||
	    store_dual_proof(x->s, (struct store_span){from, to->tx}, 0, a, &proof) != IM_OK) {
		atomic_fetch_add(&x->faults, 1);
		return;
	}
	tx_header_alh(&header, &source.alh);
	if (proof_check_dual(&proof, &source, &target) != IM_OK)
		atomic_fetch_add(&x->faults, 1);
}

/* What was acknowledged before a read began must be in it; both keys of a transaction agree. */
static void *
reader_main(void *arg)
{
	struct worker *w = (struct worker *)arg;
	struct shared *x = w->shared;
	struct arena a;

	arena_init(&a, ARENA_CAP);
	for (unsigned i = w->number; atomic_load(&x->running) > 0; i++) {
		unsigned writer = i % WRITERS, key = i % (KEYS / 2);
		unsigned least = atomic_load(&x->newest[writer][key]);
		struct store_entry e[2];
		struct store_state state;
		struct store_stats stats;
		unsigned first, second;

		store_state(x->s, &state);
		if (state.tx == 0)
			continue;
		make_entry(&a, &e[0], writer, key, 0);
		make_entry(&a, &e[1], writer, key + KEYS / 2, 0);
		first = read_number(x, &a, e[0].key, state.tx);
		second = read_number(x, &a, e[1].key, state.tx);
		if (first < least || first != second)
			atomic_fetch_add(&x->faults, 1);
		check_proof(x, &a, 1 + i % state.tx, &state);
		store_stats(x->s, &stats);
		if (stats.tx < state.tx || stats.disk_bytes < stats.log_bytes || stats.read_only)
			atomic_fetch_add(&x->faults, 1);
		arena_free(&a);
	}
	arena_free(&a);
	return NULL;
}

/* A check in pieces, again and again, finds no fault in what the others are changing. */
static void *
checker_main(void *arg)
{
	struct shared *x = ((struct worker *)arg)->shared;

	while (atomic_load(&x->running) > 0) {
		struct store_check check = {.from_tx = 1, .max_bytes = CHECK_BYTES};
		struct store_state state;

		store_state(x->s, &state);
		check.to_tx = state.tx;
		do {
			if (state.tx > 0 && store_check(x->s, &check) != IM_OK)
				atomic_fetch_add(&x->faults, 1);
			atomic_fetch_add(&x->faults, (unsigned)check.faults);
		} while (state.tx > 0 && !check.done);
	}
	return NULL;
}

static void
start(struct shared *x, struct worker *workers)
{
	workers[WRITERS + READERS] = (struct worker){.shared = x};
	assert_int_equal(pthread_create(&workers[WRITERS + READERS].thread, NULL, checker_main,
			     &workers[WRITERS + READERS]),
	    0);
	for (unsigned i = 0; i < WRITERS + READERS; i++) {
		workers[i] = (struct worker){.shared = x, .number = i < WRITERS ? i : i - WRITERS};
		assert_int_equal(pthread_create(&workers[i].thread, NULL,
				     i < WRITERS ? writer_main : reader_main, &workers[i]),
		    0);
	}
}

static void
run(const char *dir, bool unsynced)
{
	struct worker workers[WRITERS + READERS + 1];
	struct shared *x = (struct shared *)calloc(1, sizeof *x);
	struct store_check check = {.from_tx = 1};
	char path[TEMP_DIR_MAX + 8];
	struct store_options options = {.dir = path,
	    .name = "db",
	    .header_version = 1,
	    .unsynced = unsynced,
	    .checkpoint_entries = 100};

	assert_non_null(x);
	snprintf(path, sizeof path, "%s/db", dir);
	assert_int_equal(store_open(&options, &x->s), IM_OK);
	atomic_store(&x->running, WRITERS);
	start(x, workers);
	for (unsigned i = 0; i < WRITERS + READERS + 1; i++)
		pthread_join(workers[i].thread, NULL);
	assert_int_equal(atomic_load(&x->faults), 0);
	assert_int_equal(store_check(x->s, &check), IM_OK);
	assert_int_equal(check.checked, WRITERS * rounds());
	assert_int_equal(check.faults, 0);
	store_close(x->s);
	assert_int_equal(store_open(&options, &x->s), IM_OK);
	check = (struct store_check){.from_tx = 1};
	assert_int_equal(store_check(x->s, &check), IM_OK);
	assert_int_equal(check.checked, WRITERS * rounds());
	assert_int_equal(check.faults, 0);
	store_close(x->s);
	free(x);
}

static void
test_synced(void **state)
{
	run((const char *)*state, false);
}

static void
test_unsynced(void **state)
{
	run((const char *)*state, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_synced, temp_dir_setup, temp_dir_teardown),
	    cmocka_unit_test_setup_teardown(test_unsynced, temp_dir_setup, temp_dir_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
