/*
 * LMDB doing what index_bench.c does with our index: the same random 32-byte keys in transactions
 * of 1,000, without syncing, then gets and scans of 100 keys. The same figures under the same
 * names.
 *
 *	lmdb_bench [KEYS] [FOLDER]
 */
#include <errno.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bench_util.h"

#define TX_ENTRIES 1000u
#define GETS 200000u
#define SCANS 20000u
#define SCAN_KEYS 100u
#define MAP_BYTES ((size_t)64 << 30)

static MDB_env *env;
static MDB_dbi dbi;

/* What our index holds of a version besides its key: transaction, place and length in the log. */
struct place {
	uint64_t tx, pos, len;
};

static void
check(const char *what, int rv)
{
	if (rv == 0)
		return;
	fprintf(stderr, "lmdb_bench: %s: %s\n", what, mdb_strerror(rv));
	exit(1);
}

static void
fill_tx(uint64_t first, uint64_t tx)
{
	MDB_txn *txn;

	check("begin", mdb_txn_begin(env, NULL, 0, &txn));
	for (uint64_t i = first; i < first + TX_ENTRIES; i++) {
		struct place place = {.tx = tx, .pos = i * 200, .len = 180};
		uint8_t bytes[BENCH_KEY_BYTES];
		MDB_val key = {sizeof bytes, bytes}, value = {sizeof place, &place};

		bench_key_random(i, bytes);
		check("put", mdb_put(txn, dbi, &key, &value, 0));
	}
	check("commit", mdb_txn_commit(txn));
}

static void
fill(uint64_t keys)
{
	double start = bench_clock_s(CLOCK_MONOTONIC);
	double cpu = bench_clock_s(CLOCK_PROCESS_CPUTIME_ID);

	for (uint64_t i = 0, tx = 1; i < keys; i += TX_ENTRIES, tx++)
		fill_tx(i, tx);
	bench_figure(
	    "insert_until_last", (double)keys / (bench_clock_s(CLOCK_MONOTONIC) - start), "/s");
	bench_figure("insert_cpu",
	    (bench_clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e9 / (double)keys, "ns/entry");
}

static void
read_back(MDB_txn *txn, uint64_t keys)
{
	double start = bench_clock_s(CLOCK_THREAD_CPUTIME_ID);

	for (uint64_t i = 0; i < GETS; i++) {
		uint8_t bytes[BENCH_KEY_BYTES];
		MDB_val key = {sizeof bytes, bytes}, value;

		bench_key_random(i * 2654435761u % keys, bytes);
		check("get", mdb_get(txn, dbi, &key, &value));
	}
	bench_figure("get", (bench_clock_s(CLOCK_THREAD_CPUTIME_ID) - start) * 1e6 / GETS, "us");
}

static void
scan(MDB_txn *txn)
{
	double start = bench_clock_s(CLOCK_THREAD_CPUTIME_ID);
	MDB_cursor *cursor;

	check("cursor", mdb_cursor_open(txn, dbi, &cursor));
	for (uint64_t i = 0; i < SCANS; i++) {
		uint8_t bytes[BENCH_KEY_BYTES];
		MDB_val key = {sizeof bytes, bytes}, value;
		int rv;

		bench_key_random(UINT32_MAX + i, bytes);
		rv = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
		for (unsigned j = 1; rv == 0 && j < SCAN_KEYS; j++)
			rv = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
		check("scan", rv == MDB_NOTFOUND ? 0 : rv);
	}
	mdb_cursor_close(cursor);
	bench_figure(
	    "scan_100", (bench_clock_s(CLOCK_THREAD_CPUTIME_ID) - start) * 1e6 / SCANS, "us");
}

int
main(int argc, char **argv)
{
	uint64_t keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
	const char *dir = argc > 2 ? argv[2] : "lmdb_bench.data";
	MDB_txn *txn;

	if (keys == 0)
		return 2;
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		bench_die_errno(dir);
	check("create", mdb_env_create(&env));
	check("size", mdb_env_set_mapsize(env, MAP_BYTES));
	check("open", mdb_env_open(env, dir, MDB_NOSYNC, 0600));
	check("begin", mdb_txn_begin(env, NULL, 0, &txn));
	check("open", mdb_dbi_open(txn, NULL, 0, &dbi));
	check("commit", mdb_txn_commit(txn));
	fill(keys);
	check("begin", mdb_txn_begin(env, NULL, MDB_RDONLY, &txn));
	read_back(txn, keys);
	scan(txn);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	return 0;
}
