/* The append-only tree: ranges, proofs of all pairs, the edge, hostile sizes. */
#include "crypto/ahtree.h"

#include "crypto/ahtree_log.h"
#include "testing.h"

#define SIZE_MAX_TESTED 41
#define ARENA_MAX (8u * 1024 * 1024)

static struct ahtree_log tree;
static struct hash payloads[SIZE_MAX_TESTED];
static struct hash leaves[SIZE_MAX_TESTED];

static int
setup(void **state)
{
	uint64_t seed = 31;

	(void)state;
	random_fill(&seed, payloads, sizeof payloads);
	hash_leaves(payloads, SIZE_MAX_TESTED, leaves);
	ahtree_log_init(&tree);
	for (size_t i = 0; i < SIZE_MAX_TESTED; i++)
		assert_ok(ahtree_log_append(&tree, &payloads[i]));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	ahtree_log_free(&tree);
	return 0;
}

/* The definition, for any range of leaves lo+1 .. hi. */
static struct hash
defined_root(uint64_t lo, uint64_t hi)
{
	uint64_t split = 1;
	struct hash left, right;

	if (hi - lo == 1)
		return leaves[lo];
	while (split * 2 < hi - lo)
		split *= 2;
	left = defined_root(lo, lo + split);
	right = defined_root(lo + split, hi);
	hash_node(&left, &right, &left);
	return left;
}

static struct hash
root_at(uint64_t size)
{
	struct hash root;

	assert_ok(ahtree_log_root(&tree, size, &root));
	return root;
}

/* Each single change of a term, a term less and a term more are refused. */
static void
tamper(struct hash_list p, bool (*holds)(struct hash_list p, uint64_t i, uint64_t j), uint64_t i,
    uint64_t j)
{
	struct hash more[AHTREE_PATH_MAX + 1] = {0};

	assert_true(holds(p, i, j));
	for (size_t n = 0; n < p.len; n++) {
		p.items[n].b[n % HASH_SIZE] ^= 1;
		assert_false(holds(p, i, j));
		p.items[n].b[n % HASH_SIZE] ^= 1;
	}
	if (p.len > 0)
		assert_false(holds((struct hash_list){p.items, p.len - 1}, i, j));
	memcpy(more, p.items, p.len * sizeof *more);
	assert_false(holds((struct hash_list){more, p.len + 1}, i, j));
	assert_false(holds(p, 0, j));
	assert_false(holds(p, j + 1, j));
}

static bool
inclusion_holds(struct hash_list p, uint64_t i, uint64_t j)
{
	struct hash root = root_at(j);

	return ahtree_verify_inclusion(p, i, j, &leaves[i ? i - 1 : 0], &root);
}

static bool
consistency_holds(struct hash_list p, uint64_t i, uint64_t j)
{
	struct hash root_i = root_at(i), root_j = root_at(j);

	return ahtree_verify_consistency(p, i, j, &root_i, &root_j);
}

static void
test_all_pairs(void **state)
{
	struct ahtree_reader reader = ahtree_log_reader(&tree);
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_MAX);
	for (uint64_t j = 1; j < SIZE_MAX_TESTED; j++) {
		struct hash root = defined_root(0, j), have = root_at(j);

		assert_hash(&root, &have);
		for (uint64_t i = 1; i <= j; i++) {
			struct hash_list p;

			assert_ok(ahtree_prove_inclusion(&reader, i, j, &arena, &p));
			tamper(p, inclusion_holds, i, j);
			assert_true(
			    ahtree_verify_last_inclusion(p, j, &leaves[i - 1], &root) == (i == j));
			for (uint64_t x = 1; x <= j; x++)
				assert_true(ahtree_verify_inclusion(
						p, x, j, &leaves[i - 1], &root) == (x == i));
			assert_ok(ahtree_prove_consistency(&reader, i, j, &arena, &p));
			tamper(p, consistency_holds, i, j);
			for (uint64_t x = 1; x <= j; x++) {
				struct hash root_x = root_at(x);

				assert_true(
				    ahtree_verify_consistency(p, i, j, &root_x, &root) == (x == i));
			}
		}
	}
	arena_free(&arena);
}

static void
test_refused(void **state)
{
	struct ahtree_reader reader = ahtree_log_reader(&tree);
	struct hash_list p = {0};
	struct hash h;
	struct arena arena, none;

	(void)state;
	arena_init(&arena, ARENA_MAX);
	arena_init(&none, 0);
	assert_err(IM_ERR_ARGUMENT, ahtree_prove_inclusion(&reader, 0, 3, &arena, &p));
	assert_err(IM_ERR_ARGUMENT, ahtree_prove_inclusion(&reader, 4, 3, &arena, &p));
	assert_err(IM_ERR_ARGUMENT, ahtree_prove_consistency(&reader, 0, 3, &arena, &p));
	assert_err(IM_ERR_ARGUMENT, ahtree_prove_consistency(&reader, 4, 3, &arena, &p));
	assert_err(IM_ERR_NOMEM, ahtree_prove_inclusion(&reader, 2, 3, &none, &p));
	assert_err(IM_ERR_TX_NOT_FOUND,
	    ahtree_prove_inclusion(&reader, 2, SIZE_MAX_TESTED + 1, &arena, &p));
	assert_err(IM_ERR_ARGUMENT, reader.range_root(reader.ctx, 1, 3, &h));
	assert_err(IM_ERR_ARGUMENT, reader.range_root(reader.ctx, 3, 3, &h));
	assert_err(IM_ERR_TX_NOT_FOUND, ahtree_log_root(&tree, SIZE_MAX_TESTED + 1, &h));
	arena_free(&arena);
}

/* Sizes that nobody has: the arithmetic holds, and no list is long enough to pass. */
static void
test_huge_sizes(void **state)
{
	static const uint64_t sizes[] = {UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63,
	    (UINT64_C(1) << 63) + 1, (UINT64_C(1) << 63) - 1, UINT64_C(1) << 32};
	struct ahtree_range ranges[AHTREE_PATH_MAX];
	struct ahtree_node nodes[AHTREE_NODES_MAX];
	struct hash items[AHTREE_PATH_MAX] = {0};

	(void)state;
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		for (size_t t = 0; t < sizeof sizes / sizeof *sizes; t++) {
			uint64_t i = sizes[s], j = sizes[t];
			size_t n = ahtree_inclusion_ranges(i, j, ranges);
			size_t m = ahtree_consistency_ranges(i, j, ranges);

			assert_true(n <= 64 && m <= AHTREE_PATH_MAX);
			assert_true((i <= j) == (m > 0));
			for (size_t r = 0; r < m; r++)
				assert_true(
				    ahtree_range_nodes(ranges[r].lo, ranges[r].hi, nodes) > 0);
			for (size_t len = 0; len <= AHTREE_PATH_MAX; len++) {
				struct hash_list p = {items, len};

				assert_false(
				    ahtree_verify_inclusion(p, i, j, &leaves[0], &leaves[1]));
				assert_false(
				    ahtree_verify_consistency(p, i, j, &leaves[0], &leaves[1]));
			}
		}
	}
	assert_false(
	    ahtree_verify_last_inclusion((struct hash_list){items, 0}, 0, &leaves[0], &leaves[0]));
}

/* What a tree of perfect subtrees does: split, fetch, fold. */
static void
test_range_nodes(void **state)
{
	struct ahtree_range ranges[AHTREE_PATH_MAX];

	(void)state;
	for (uint64_t j = 1; j <= SIZE_MAX_TESTED; j++) {
		for (uint64_t i = 1; i <= j; i++) {
			size_t n = ahtree_consistency_ranges(i, j, ranges);

			for (size_t r = 0; r < n; r++) {
				struct ahtree_node nodes[AHTREE_NODES_MAX];
				struct hash roots[AHTREE_NODES_MAX], got;
				struct hash want = defined_root(ranges[r].lo, ranges[r].hi);
				size_t count =
				    ahtree_range_nodes(ranges[r].lo, ranges[r].hi, nodes);

				assert_true(count > 0);
				for (size_t k = 0; k < count; k++) {
					uint64_t lo = nodes[k].index << nodes[k].level;

					roots[k] =
					    defined_root(lo, lo + (UINT64_C(1) << nodes[k].level));
				}
				ahtree_fold(roots, count, &got);
				assert_hash(&want, &got);
			}
		}
	}
}

static void
test_range_alignment(void **state)
{
	struct ahtree_node nodes[AHTREE_NODES_MAX];

	(void)state;
	assert_int_equal(0, ahtree_range_nodes(3, 3, nodes));
	assert_int_equal(0, ahtree_range_nodes(4, 3, nodes));
	assert_int_equal(0, ahtree_range_nodes(1, 3, nodes));
	assert_int_equal(0, ahtree_range_nodes(2, 5, nodes));
	assert_int_equal(2, ahtree_range_nodes(4, 7, nodes));
	assert_true(nodes[0].level == 1 && nodes[0].index == 2);
	assert_true(nodes[1].level == 0 && nodes[1].index == 6);
	assert_int_equal(1, ahtree_range_nodes(5, 6, nodes));
	assert_int_equal(64, ahtree_range_nodes(0, UINT64_MAX, nodes));
	assert_int_equal(0, ahtree_range_nodes(1, UINT64_MAX, nodes));
}

static void
test_edge(void **state)
{
	struct ahtree_edge edge = {0};
	struct hash completed[AHTREE_NODES_MAX], root;

	(void)state;
	ahtree_edge_root(&edge, &root);
	assert_true(hash_is_zero(&root));
	for (uint64_t n = 1; n <= SIZE_MAX_TESTED; n++) {
		size_t levels = ahtree_edge_append(&edge, &leaves[n - 1], completed);
		struct hash want = root_at(n);

		assert_true(edge.size == n);
		assert_int_equal(levels, (size_t)__builtin_ctzll(n) + 1);
		for (size_t l = 0; l < levels; l++) {
			uint64_t index = (n >> l) - 1;
			struct hash node = defined_root(index << l, (index + 1) << l);

			assert_hash(&node, &completed[l]);
		}
		ahtree_edge_root(&edge, &root);
		assert_hash(&want, &root);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_pairs),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_huge_sizes),
	    cmocka_unit_test(test_range_nodes),
	    cmocka_unit_test(test_range_alignment),
	    cmocka_unit_test(test_edge),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
