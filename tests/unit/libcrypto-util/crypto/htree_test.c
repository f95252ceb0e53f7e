/* The tree of a transaction against its recursive definition, and its proofs against tampering. */
#include "crypto/htree.h"

#include "testing.h"

#define WIDTH_MAX 70
#define ARENA_MAX (4u * 1024 * 1024)

static struct hash digests[WIDTH_MAX + 1], scratch[WIDTH_MAX];

/* The definition: split at the largest power of two below the number of leaves. */
static struct hash
defined_root(const struct hash *d, size_t n)
{
	size_t split = 1;
	struct hash left, right;

	if (n == 1) {
		hash_leaf(d, &left);
		return left;
	}
	while (split * 2 < n)
		split *= 2;
	left = defined_root(d, split);
	right = defined_root(d + split, n - split);
	hash_node(&left, &right, &left);
	return left;
}

static int
setup(void **state)
{
	uint64_t seed = 11;

	(void)state;
	random_fill(&seed, digests, sizeof digests);
	return 0;
}

static void
test_root(void **state)
{
	struct hash root, want = hash_empty(), copy[WIDTH_MAX];

	(void)state;
	htree_root(NULL, 0, NULL, &root);
	assert_hash(&want, &root);
	for (size_t n = 1; n <= WIDTH_MAX; n++) {
		want = defined_root(digests, n);
		htree_root(digests, n, scratch, &root);
		assert_hash(&want, &root);
		memcpy(copy, digests, sizeof copy);
		htree_root(copy, n, copy, &root);
		assert_hash(&want, &root);
	}
}

static void
tamper(const struct inclusion_proof *good, const struct hash *digest, const struct hash *root)
{
	struct inclusion_proof bad = *good;
	struct hash longer[16] = {0};

	assert_false(htree_verify(good, &digests[WIDTH_MAX], root));
	assert_false(htree_verify(good, digest, &digests[0]));
	for (size_t i = 0; i < good->terms.len; i++) {
		good->terms.items[i].b[i % HASH_SIZE] ^= 0x10;
		assert_false(htree_verify(good, digest, root));
		good->terms.items[i].b[i % HASH_SIZE] ^= 0x10;
	}
	if (good->terms.len > 0) {
		bad.terms.len--;
		assert_false(htree_verify(&bad, digest, root));
	}
	memcpy(longer, good->terms.items, good->terms.len * sizeof *longer);
	bad.terms = (struct hash_list){longer, good->terms.len + 1};
	assert_false(htree_verify(&bad, digest, root));
	bad = *good;
	bad.width = good->leaf;
	assert_false(htree_verify(&bad, digest, root));
	for (uint32_t leaf = 0; leaf <= good->width; leaf++) {
		bad = *good;
		bad.leaf = leaf;
		assert_true(htree_verify(&bad, digest, root) == (leaf == good->leaf));
	}
}

static void
test_proofs(void **state)
{
	struct inclusion_proof proof;
	struct arena arena;
	struct hash root;

	(void)state;
	arena_init(&arena, ARENA_MAX);
	for (size_t n = 1; n <= 34; n++) {
		htree_root(digests, n, scratch, &root);
		for (size_t leaf = 0; leaf < n; leaf++) {
			struct hash_list list = {digests, n};

			assert_ok(htree_prove(list, leaf, scratch, &arena, &proof));
			assert_int_equal(proof.width, n);
			assert_true(htree_verify(&proof, &digests[leaf], &root));
			tamper(&proof, &digests[leaf], &root);
		}
	}
	arena_free(&arena);
}

/* Proofs from a tree that is kept are those made from the digests. */
static void
test_built(void **state)
{
	struct hash nodes[2 * WIDTH_MAX + 8], root;
	struct inclusion_proof made, built;
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_MAX);
	assert_int_equal(htree_nodes(0), 0);
	assert_int_equal(htree_nodes(1), 1);
	assert_int_equal(htree_nodes(5), 5 + 3 + 2 + 1);
	for (size_t n = 1; n <= WIDTH_MAX; n++) {
		htree_root(digests, n, scratch, &root);
		memset(nodes, 0xee, sizeof nodes);
		htree_build(digests, n, nodes);
		assert_hash(&root, &nodes[htree_nodes(n) - 1]);
		assert_int_equal(nodes[htree_nodes(n)].b[0], 0xee);
		for (size_t leaf = 0; leaf < n; leaf++) {
			struct hash_list list = {digests, n};

			assert_ok(htree_prove(list, leaf, scratch, &arena, &made));
			assert_ok(htree_prove_built(nodes, n, leaf, &arena, &built));
			assert_int_equal(built.leaf, leaf);
			assert_int_equal(built.width, n);
			assert_int_equal(built.terms.len, made.terms.len);
			assert_memory_equal(built.terms.items, made.terms.items,
			    made.terms.len * sizeof(struct hash));
		}
		assert_err(IM_ERR_ARGUMENT, htree_prove_built(nodes, n, n, &arena, &built));
	}
	arena_free(&arena);
}

static void
test_refused(void **state)
{
	struct inclusion_proof proof = {.leaf = UINT32_MAX, .width = UINT32_MAX};
	struct hash_list list = {digests, 3};
	struct arena arena;

	(void)state;
	arena_init(&arena, 0);
	assert_err(IM_ERR_ARGUMENT, htree_prove(list, 3, scratch, &arena, &proof));
	assert_err(IM_ERR_NOMEM, htree_prove(list, 2, scratch, &arena, &proof));
	proof = (struct inclusion_proof){.leaf = UINT32_MAX, .width = UINT32_MAX};
	assert_false(htree_verify(&proof, &digests[0], &digests[1]));
	proof = (struct inclusion_proof){0};
	assert_false(htree_verify(&proof, &digests[0], &digests[1]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_root),
	    cmocka_unit_test(test_proofs),
	    cmocka_unit_test(test_built),
	    cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
