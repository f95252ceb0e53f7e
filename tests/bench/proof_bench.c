/*
 * Proofs between random transactions of a database on disk, made as the server makes them and
 * checked as a client does, the entry's inclusion in its transaction included; on one thread.
 * Prints one line per figure: name, value, unit.
 *
 *	proof_bench [TRANSACTIONS] [FOLDER]
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench_util.h"
#include "crypto/htree.h"
#include "store/store.h"

#define PROOFS 20000u
#define ROUNDS 5u
#define ARENA_BYTES_MAX ((size_t)1 << 20)
#define VALUE_BYTES 129u
/* Writes under way; then the writer waits until half of them are answered. */
#define WRITES 4096u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;

struct write {
	struct store_write w; /* first */
	struct store_entry entry;
	struct arena arena;
	uint8_t key[1 + BENCH_KEY_BYTES];
	struct write *next;
};

static struct write *unused; /* under lock */
static unsigned unused_count;

static void
write_done(struct store_write *done)
{
	struct write *w = (struct write *)done;

	if (done->err != IM_OK)
		bench_die("write", done->err);
	arena_reset(&w->arena, 4096);
	pthread_mutex_lock(&lock);
	w->next = unused;
	unused = w;
	if (++unused_count == WRITES / 2 || unused_count == WRITES)
		pthread_cond_signal(&answered);
	pthread_mutex_unlock(&lock);
}

/* An answered write to use again, or NULL when all of them are wanted back. */
static struct write *
write_take(bool all)
{
	struct write *w;

	pthread_mutex_lock(&lock);
	while (all ? unused_count < WRITES : !unused)
		pthread_cond_wait(&answered, &lock);
	w = all ? NULL : unused;
	if (w) {
		unused = w->next;
		unused_count--;
	}
	pthread_mutex_unlock(&lock);
	return w;
}

static void
fill(struct store *s, uint64_t txs)
{
	static uint8_t value[VALUE_BYTES];
	static struct write writes[WRITES];
	double start = bench_clock_s(CLOCK_MONOTONIC);
	struct store_state state;

	for (unsigned i = 0; i < WRITES; i++) {
		arena_init(&writes[i].arena, ARENA_BYTES_MAX);
		writes[i].next = unused;
		unused = &writes[i];
	}
	unused_count = WRITES;
	store_state(s, &state);
	for (uint64_t i = state.tx; i < txs; i++) {
		struct write *w = write_take(false);
		enum im_err err;

		bench_key_random(i, w->key + 1);
		w->entry = (struct store_entry){
		    .key = bytes_of(w->key, sizeof w->key), .value = bytes_of(value, sizeof value)};
		w->w = (struct store_write){
		    .entries = &w->entry, .nentries = 1, .arena = &w->arena, .done = write_done};
		err = store_write(s, &w->w);
		if (err != IM_OK)
			bench_die("write", err);
	}
	write_take(true);
	bench_figure(
	    "fill", (double)(txs - state.tx) / (bench_clock_s(CLOCK_MONOTONIC) - start), "/s");
	for (unsigned i = 0; i < WRITES; i++)
		arena_free(&writes[i].arena);
}

/* A proof as it travels, and what it is checked against. */
struct made {
	struct dual_proof dual;
	struct inclusion_proof inclusion;
	struct entry_parts entry;
	struct tx_point from, to;
};

static void
make(struct store *s, struct store_span span, struct arena *arena, struct made *out)
{
	struct store_tx tx;
	enum im_err err = store_read_tx(s, span.source, STORE_NO_VALUE, arena, &tx);

	if (err == IM_OK)
		err = store_dual_proof(s, span, 0, arena, &out->dual);
	if (err == IM_OK)
		err = htree_prove_built(tx.tree, tx.nentries, 0, arena, &out->inclusion);
	if (err != IM_OK)
		bench_die("proof", err);
	out->entry = (struct entry_parts){
	    .md = tx.entries[0].metadata, .key = tx.entries[0].key, .hval = tx.entries[0].hval};
	out->from.id = span.source;
	out->to.id = span.target;
	tx_header_alh(&out->dual.source, &out->from.alh);
	tx_header_alh(&out->dual.target, &out->to.alh);
}

static void
check(const struct made *m)
{
	enum im_err err = proof_check_dual(&m->dual, &m->from, &m->to);

	if (err == IM_OK)
		err = proof_check_entry(&m->inclusion, &m->entry, &m->dual.source);
	if (err != IM_OK)
		bench_die("check", err);
}

/* One round of both; the two alternate, so that each is timed on its own. */
static void
prove(struct store *s, uint64_t txs, uint64_t *random)
{
	double making = 0, checking = 0;
	struct arena arena;

	arena_init(&arena, ARENA_BYTES_MAX);
	for (unsigned k = 0; k < PROOFS; k++) {
		uint64_t source = 1 + bench_random(random) % txs;
		struct store_span span = {
		    source, source + bench_random(random) % (txs - source + 1)};
		double start = bench_clock_s(CLOCK_THREAD_CPUTIME_ID), middle;
		struct made m;

		make(s, span, &arena, &m);
		middle = bench_clock_s(CLOCK_THREAD_CPUTIME_ID);
		check(&m);
		making += middle - start;
		checking += bench_clock_s(CLOCK_THREAD_CPUTIME_ID) - middle;
		arena_reset(&arena, ARENA_BYTES_MAX);
	}
	arena_free(&arena);
	bench_figure("make", making * 1e6 / PROOFS, "us");
	bench_figure("check", checking * 1e6 / PROOFS, "us");
}

int
main(int argc, char **argv)
{
	uint64_t txs = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
	struct store_options options = {.dir = argc > 2 ? argv[2] : "proof_bench.data",
	    .name = "bench",
	    .unsynced = true,
	    .header_version = 1};
	uint64_t random = 1;
	struct store *s;
	enum im_err err = txs == 0 ? IM_ERR_ARGUMENT : store_open(&options, &s);

	if (err != IM_OK)
		bench_die("open", err);
	fill(s, txs);
	for (unsigned i = 0; i < ROUNDS; i++)
		prove(s, txs, &random);
	store_close(s);
	return 0;
}
