/*
 * One writer, readers and maintenance at the same time. Each key's versions follow from its number
 * and the transaction, so that a reader can tell a right answer for the moment it asked about.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/index.h"
#include "temp_dir.h"

#define TXS 1500u
#define TX_KEYS 40u
#define KEYS 400u
#define READERS 2u

static struct index *idx;
static _Atomic uint64_t published;
static atomic_bool finished;
static atomic_bool failed;

static void
check(bool right, const char *what)
{
	if (!right && !atomic_exchange(&failed, true))
		fprintf(stderr, "%s: %s\n", what, err_detail(IM_ERR_CORRUPT));
}

static struct bytes
key_make(unsigned n, char key[16])
{
	return bytes_of(key, (size_t)snprintf(key, 16, "key %u", n));
}

/*
 * Transaction tx writes the keys tx * TX_KEYS .. + TX_KEYS - 1, modulo KEYS: each key once in every
 * KEYS / TX_KEYS transactions.
 */
static uint64_t
revision_of(unsigned n, uint64_t as_of, uint64_t *newest)
{
	const unsigned period = KEYS / TX_KEYS;
	uint64_t first = n / TX_KEYS;

	first = first == 0 ? period : first;
	*newest = 0;
	if (as_of < first)
		return 0;
	*newest = first + (as_of - first) / period * period;
	return (as_of - first) / period + 1;
}

static void
write_tx(uint64_t tx)
{
	struct index_entry entries[TX_KEYS];
	char keys[TX_KEYS][16];

	for (unsigned i = 0; i < TX_KEYS; i++) {
		unsigned n = (unsigned)((tx * TX_KEYS + i) % KEYS);

		entries[i] = (struct index_entry){
		    .key = key_make(n, keys[i]), .tx = tx, .pos = tx * 1000 + n};
	}
	check(index_insert(idx, entries, TX_KEYS) == IM_OK, "insert");
	atomic_store_explicit(&published, tx, memory_order_release);
	if (index_should_freeze(idx)) {
		enum im_err err = index_freeze(idx, tx);

		check(err == IM_OK || err == IM_ERR_BUSY, "freeze");
	}
}

static void *
maintain(void *arg)
{
	bool did;

	(void)arg;
	while (!atomic_load(&finished)) {
		check(index_flush(idx, &did) == IM_OK, "flush");
		check(index_merge(idx, &did) == IM_OK, "merge");
	}
	return NULL;
}

static void
read_key(unsigned n, uint64_t as_of)
{
	const struct index_read how = {.as_of = as_of};
	struct index_entry e;
	char key[16];
	uint64_t newest, revision = revision_of(n, as_of, &newest);
	enum im_err err = index_get(idx, key_make(n, key), &how, &e);

	if (revision == 0)
		check(err == IM_ERR_KEY_NOT_FOUND, "get of an absent key");
	else
		check(err == IM_OK && e.tx == newest && e.pos == newest * 1000 + n &&
			e.revision == revision,
		    "get");
}

static void
read_range(uint64_t as_of, bool descending)
{
	const struct index_range range = {.descending = descending, .read = {.as_of = as_of}};
	struct index_entry e;
	struct index_iter *it;
	unsigned count = 0, expected = 0;

	for (unsigned n = 0; n < KEYS; n++) {
		uint64_t newest;

		expected += revision_of(n, as_of, &newest) > 0;
	}
	if (index_scan(idx, &range, &it) != IM_OK) {
		check(false, "scan");
		return;
	}
	for (; index_iter_next(it, &e) == IM_OK; count++) {
		unsigned n = (unsigned)(e.pos % 1000);
		uint64_t newest, revision = revision_of(n, as_of, &newest);
		char key[16];

		check(bytes_equal(e.key, key_make(n, key)) && e.tx == newest &&
			e.revision == revision,
		    "entry of a scan");
	}
	check(count == expected, "length of a scan");
	index_iter_close(it);
}

static void
read_versions(unsigned n, uint64_t as_of, bool descending)
{
	char key[16];
	const struct index_history history = {
	    .key = key_make(n, key), .descending = descending, .read = {.as_of = as_of}};
	struct index_entry e;
	struct index_iter *it;
	uint64_t newest, revision = revision_of(n, as_of, &newest), count = 0;

	if (index_versions(idx, &history, &it) != IM_OK) {
		check(false, "versions");
		return;
	}
	for (; index_iter_next(it, &e) == IM_OK; count++)
		check(e.revision == (descending ? revision - count : count + 1), "version");
	check(count == revision, "number of versions");
	index_iter_close(it);
}

static void *
read_all(void *arg)
{
	uint64_t random = (uintptr_t)arg + 1;

	while (!atomic_load(&finished)) {
		uint64_t as_of = atomic_load_explicit(&published, memory_order_acquire);
		unsigned n;

		random = random * 6364136223846793005u + 1442695040888963407u;
		n = (unsigned)((random >> 40) % KEYS);
		/* Every fourth question is about the past. */
		if (random >> 62 == 0)
			as_of = (random >> 20) % (as_of + 1);
		for (unsigned i = 0; i < 10; i++)
			read_key((n + i) % KEYS, as_of);
		read_range(as_of, random >> 61 & 1);
		read_versions(n, as_of, random >> 61 & 1);
	}
	return NULL;
}

static void
readers_see_whole_transactions(void **state)
{
	char dir[TEMP_DIR_MAX + 8];
	struct index_options options = {.dir = dir, .name = "test", .memtable_entries = 2000};
	pthread_t readers[READERS], maintenance;
	struct index_stats stats;

	snprintf(dir, sizeof dir, "%s/index", (const char *)*state);
	assert_int_equal(index_open(&options, &idx), IM_OK);
	assert_int_equal(pthread_create(&maintenance, NULL, maintain, NULL), 0);
	for (uintptr_t i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_all, (void *)i), 0);
	for (uint64_t tx = 1; tx <= TXS; tx++)
		write_tx(tx);
	/* At least once the readers must have met runs. */
	do
		index_stats(idx, &stats);
	while (stats.flushes == 0);
	atomic_store(&finished, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	pthread_join(maintenance, NULL);
	assert_false(atomic_load(&failed));
	read_range(TXS, false);
	assert_false(atomic_load(&failed));
	index_close(idx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(readers_see_whole_transactions)};

	return cmocka_run_group_tests(tests, temp_dir_setup, temp_dir_teardown);
}
