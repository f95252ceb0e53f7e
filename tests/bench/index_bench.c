/*
 * The index alone: random 32-byte keys in transactions of 1,000, with maintenance in the background
 * as in the engine; then gets and scans. Prints one line per figure: name, value, unit.
 *
 *	index_bench [KEYS] [FOLDER]
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "store/index.h"

#define TX_ENTRIES 1000u
#define KEY_BYTES 32u
#define GETS 200000u
#define SCANS 20000u
#define SCAN_KEYS 100u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool finished;
static uint64_t changes;

static void
die(const char *what, enum im_err err)
{
	fprintf(stderr, "index_bench: %s: %s\n", what, err_detail(err));
	exit(1);
}

static double
clock_s(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
figure(const char *name, double value, const char *unit)
{
	printf("%-28s %12.2f %s\n", name, value, unit);
	fflush(stdout);
}

/* Key number i: the same bytes in every run, without any order. */
static void
key_make(uint64_t i, uint8_t key[KEY_BYTES])
{
	uint64_t x = i;

	for (unsigned word = 0; word < KEY_BYTES / 8; word++) {
		x += 0x9e3779b97f4a7c15u;
		x ^= x >> 30;
		x *= 0xbf58476d1ce4e5b9u;
		x ^= x >> 27;
		x *= 0x94d049bb133111ebu;
		x ^= x >> 31;
		be64_put(key + (size_t)word * 8, x);
	}
}

static void
change(void *ctx)
{
	(void)ctx;
	pthread_mutex_lock(&lock);
	changes++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void *
maintain(void *arg)
{
	struct index *idx = (struct index *)arg;
	uint64_t seen = 0;

	for (;;) {
		bool flushed, merged, end;
		enum im_err err = index_flush(idx, &flushed);

		if (err == IM_OK)
			err = index_merge(idx, &merged);
		if (err != IM_OK)
			die("maintenance", err);
		pthread_mutex_lock(&lock);
		end = finished && !flushed && !merged;
		while (!flushed && !merged && !finished && seen == changes)
			pthread_cond_wait(&changed, &lock);
		seen = changes;
		pthread_mutex_unlock(&lock);
		if (end)
			return (void *)(uintptr_t)(clock_s(CLOCK_THREAD_CPUTIME_ID) * 1e6);
	}
}

static void
freeze(struct index *idx, uint64_t tx)
{
	enum im_err err;
	uint64_t before;

	for (;;) {
		pthread_mutex_lock(&lock);
		before = changes;
		pthread_mutex_unlock(&lock);
		err = index_freeze(idx, tx);
		if (err != IM_ERR_BUSY)
			break;
		pthread_mutex_lock(&lock);
		while (before == changes)
			pthread_cond_wait(&changed, &lock);
		pthread_mutex_unlock(&lock);
	}
	if (err != IM_OK)
		die("freeze", err);
	change(NULL);
}

static void
fill(struct index *idx, uint64_t keys)
{
	static struct index_entry entries[TX_ENTRIES];
	static uint8_t bytes[TX_ENTRIES][KEY_BYTES];
	double inserting = 0;

	for (uint64_t i = 0, tx = 1; i < keys; i += TX_ENTRIES, tx++) {
		double before;

		for (unsigned j = 0; j < TX_ENTRIES; j++) {
			key_make(i + j, bytes[j]);
			entries[j] = (struct index_entry){.key = bytes_of(bytes[j], KEY_BYTES),
			    .tx = tx,
			    .pos = (i + j) * 200,
			    .len = 180};
		}
		before = clock_s(CLOCK_THREAD_CPUTIME_ID);
		if (index_insert(idx, entries, TX_ENTRIES) != IM_OK)
			die("insert", IM_ERR_NOMEM);
		inserting += clock_s(CLOCK_THREAD_CPUTIME_ID) - before;
		if (index_should_freeze(idx))
			freeze(idx, tx);
	}
	figure("insert_writer_cpu", inserting * 1e9 / (double)keys, "ns/entry");
}

/* Everything is in the page cache, so this is processor time: other work does not disturb it. */
static void
read_back(struct index *idx, uint64_t keys)
{
	struct index_read how = {.as_of = UINT64_MAX};
	struct index_entry e;
	uint8_t key[KEY_BYTES];
	double start = clock_s(CLOCK_THREAD_CPUTIME_ID);

	for (uint64_t i = 0; i < GETS; i++) {
		key_make(i * 2654435761u % keys, key);
		if (index_get(idx, bytes_of(key, KEY_BYTES), &how, &e) != IM_OK)
			die("get", IM_ERR_KEY_NOT_FOUND);
	}
	figure("get", (clock_s(CLOCK_THREAD_CPUTIME_ID) - start) * 1e6 / GETS, "us");
	start = clock_s(CLOCK_THREAD_CPUTIME_ID);
	for (uint64_t i = 0; i < GETS; i++) {
		key_make(keys + i, key);
		if (index_get(idx, bytes_of(key, KEY_BYTES), &how, &e) != IM_ERR_KEY_NOT_FOUND)
			die("get", IM_ERR_INTERNAL);
	}
	figure("get_absent", (clock_s(CLOCK_THREAD_CPUTIME_ID) - start) * 1e6 / GETS, "us");
}

static void
scan(struct index *idx, bool descending)
{
	struct index_range range = {
	    .seek_inclusive = true, .descending = descending, .read = {.as_of = UINT64_MAX}};
	double start = clock_s(CLOCK_THREAD_CPUTIME_ID);

	for (uint64_t i = 0; i < SCANS; i++) {
		struct index_iter *it;
		struct index_entry e;
		uint8_t key[KEY_BYTES];

		key_make(UINT32_MAX + i, key);
		range.seek = bytes_of(key, KEY_BYTES);
		if (index_scan(idx, &range, &it) != IM_OK)
			die("scan", IM_ERR_NOMEM);
		for (unsigned j = 0; j < SCAN_KEYS; j++) {
			enum im_err err = index_iter_next(it, &e);

			if (err != IM_OK && err != IM_ERR_NOT_FOUND)
				die("scan", err);
		}
		index_iter_close(it);
	}
	figure(descending ? "scan_100_descending" : "scan_100",
	    (clock_s(CLOCK_THREAD_CPUTIME_ID) - start) * 1e6 / SCANS, "us");
}

static void
memory_print(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[128];

	while (f && fgets(line, sizeof line, f)) {
		if (strncmp(line, "RssAnon:", 8) == 0 || strncmp(line, "VmHWM:", 6) == 0)
			printf("%s", line);
	}
	if (f)
		fclose(f);
}

static void
stats_print(struct index *idx)
{
	struct index_stats s;

	index_stats(idx, &s);
	figure("runs", (double)s.runs, "");
	figure("run_bytes", (double)s.run_bytes / 1e6, "MB");
	figure("written_bytes", (double)s.written_bytes / 1e6, "MB");
	figure("flushes", (double)s.flushes, "");
	figure("merges", (double)s.merges, "");
	figure("resident", (double)s.resident_bytes / 1e6, "MB");
	memory_print();
}

int
main(int argc, char **argv)
{
	uint64_t keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
	struct index_options options = {.dir = argc > 2 ? argv[2] : "index_bench.data",
	    .name = "bench",
	    .log_tx = UINT64_MAX,
	    .flushed = change};
	struct index *idx;
	pthread_t thread;
	void *maintenance_us;
	double start, cpu;
	enum im_err err = index_open(&options, &idx);

	if (err != IM_OK)
		die("open", err);
	if (index_covered_tx(idx) == 0) {
		start = clock_s(CLOCK_MONOTONIC);
		cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
		pthread_create(&thread, NULL, maintain, idx);
		fill(idx, keys);
		figure(
		    "insert_until_last", (double)keys / (clock_s(CLOCK_MONOTONIC) - start), "/s");
		freeze(idx, keys / TX_ENTRIES);
		pthread_mutex_lock(&lock);
		finished = true;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
		pthread_join(thread, &maintenance_us);
		figure(
		    "insert_until_merged", (double)keys / (clock_s(CLOCK_MONOTONIC) - start), "/s");
		figure("insert_cpu", (clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e9 / (double)keys,
		    "ns/entry");
		figure("maintenance_cpu", (double)(uintptr_t)maintenance_us * 1e3 / (double)keys,
		    "ns/entry");
	}
	stats_print(idx);
	index_close(idx);
	start = clock_s(CLOCK_MONOTONIC);
	err = index_open(&options, &idx);
	if (err != IM_OK)
		die("open", err);
	figure("open", (clock_s(CLOCK_MONOTONIC) - start) * 1e3, "ms");
	read_back(idx, keys);
	scan(idx, false);
	scan(idx, true);
	memory_print();
	index_close(idx);
	return 0;
}
