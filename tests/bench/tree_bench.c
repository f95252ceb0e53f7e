/*
 * The hash tree on disk alone: appending with the root of every size, as the committer does, and
 * proofs between random transactions. Prints one line per figure: name, value, unit.
 *
 *	tree_bench [LEAVES] [FOLDER]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "store/tree.h"

#define BENCH_BATCH 64u
#define BENCH_PROOFS 100000u
#define BENCH_ARENA_MAX (1u << 20)

static void
die(const char *what, enum im_err err)
{
	fprintf(stderr, "tree_bench: %s: %s\n", what, err_detail(err));
	exit(1);
}

static double
clock_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
figure(const char *name, double value, const char *unit)
{
	printf("%-28s %12.2f %s\n", name, value, unit);
	fflush(stdout);
}

static uint64_t
next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 20;
}

static void
fill(struct tree *t, uint64_t leaves)
{
	struct hash alh = HASH_ZERO, root;
	double start = clock_s();
	uint64_t size;
	enum im_err err;

	for (uint64_t n = 0; n < leaves; n++) {
		err = n % BENCH_BATCH == 0 ? tree_reserve(t, BENCH_BATCH) : IM_OK;
		if (err != IM_OK)
			die("reserve", err);
		tree_edge_root(t, &root);
		be64_put(alh.b, n);
		tree_append(t, &alh);
	}
	figure("append_and_root", (clock_s() - start) * 1e9 / (double)leaves, "ns");
	start = clock_s();
	err = tree_sync(t, &size);
	if (err != IM_OK)
		die("sync", err);
	figure("sync", (clock_s() - start) * 1e3, "ms");
}

/* What a dual proof asks of the tree, between two random transactions. */
static void
prove(struct tree *t, uint64_t leaves)
{
	struct tree_view view = {t, leaves, false};
	struct ahtree_reader reader = tree_view_reader(&view);
	double start = clock_s();
	uint64_t random = 1;
	struct arena arena;

	arena_init(&arena, BENCH_ARENA_MAX);
	for (unsigned k = 0; k < BENCH_PROOFS; k++) {
		uint64_t i = 1 + next_random(&random) % leaves;
		uint64_t j = i + next_random(&random) % (leaves - i + 1);
		struct hash_list proof;
		enum im_err err = ahtree_prove_inclusion(&reader, i, j, &arena, &proof);

		if (err == IM_OK)
			err = ahtree_prove_consistency(&reader, i, j, &arena, &proof);
		if (err == IM_OK)
			err = ahtree_prove_inclusion(&reader, j, j, &arena, &proof);
		if (err != IM_OK)
			die("proof", err);
		arena_free(&arena);
	}
	figure("proof", (clock_s() - start) * 1e6 / BENCH_PROOFS, "us");
}

int
main(int argc, char **argv)
{
	uint64_t leaves = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
	struct tree_options options = {
	    .vfs = &vfs_posix, .dir = argc > 2 ? argv[2] : ".", .name = "tree_bench"};
	struct tree *t;
	uint64_t bytes;
	double start;
	enum im_err err = leaves == 0 ? IM_ERR_ARGUMENT : tree_open(&options, 0, &t);

	if (err != IM_OK)
		die("open", err);
	fill(t, leaves);
	tree_close(t);
	start = clock_s();
	err = tree_open(&options, leaves, &t);
	if (err != IM_OK)
		die("open", err);
	figure("open", (clock_s() - start) * 1e3, "ms");
	prove(t, leaves);
	if (tree_disk_bytes(t, &bytes) == IM_OK)
		figure("disk", (double)bytes / (double)leaves, "bytes/leaf");
	tree_close(t);
	return 0;
}
