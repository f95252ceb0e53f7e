/*
 * Making proofs: all pairs of several histories hold; wrong requests and bad sources are refused.
 */
#include "chain.h"
#include "testing.h"

static struct chain c;

static int
teardown(void **state)
{
	(void)state;
	chain_free(&c);
	return 0;
}

/* Links as far behind as lag allows, in steps of hold transactions. */
static void
build(size_t len, uint64_t lag, uint64_t hold)
{
	uint64_t link = 0;

	chain_init(&c);
	for (size_t i = 0; i < len; i++) {
		if (i >= lag && i % hold == 0)
			link = i - lag;
		chain_append(&c, i % 4 != 2, link);
	}
}

static void
check_all_pairs(bool expect_advance)
{
	struct proof_source src = chain_source(&c);
	bool advance = false;

	for (uint64_t t = 1; t <= c.len; t++) {
		for (uint64_t s = 1; s <= t; s++) {
			struct dual_proof p;

			assert_ok(proof_make_dual(&src, s, t, &c.arena, &p));
			assert_ok(
			    proof_check_dual(&p, &chain_tx(&c, s)->point, &chain_tx(&c, t)->point));
			advance = advance || p.has_linear_advance;
		}
	}
	assert_true(advance == expect_advance);
}

static void
test_linked_at_once(void **state)
{
	struct proof_source src;

	(void)state;
	build(20, 0, 1);
	check_all_pairs(false);
	src = chain_source(&c);
	for (uint64_t t = 1; t <= c.len; t++) {
		for (uint64_t s = 1; s <= t; s++) {
			struct dual_proof_v2 p;

			assert_ok(proof_make_dual_v2(&src, s, t, &c.arena, &p));
			assert_ok(proof_check_dual_v2(
			    &p, &chain_tx(&c, s)->point, &chain_tx(&c, t)->point));
		}
	}
}

static void
test_lagging(void **state)
{
	(void)state;
	build(20, 3, 1);
	check_all_pairs(true);
	chain_free(&c);
	build(20, 0, 6);
	check_all_pairs(true);
	chain_free(&c);
	build(12, 30, 1);
	check_all_pairs(false);
}

static void
test_refused(void **state)
{
	struct proof_source src;
	struct linear_proof linear;
	struct linear_advance_proof advance;
	struct dual_proof dual;
	struct dual_proof_v2 v2;
	struct advance_span span = {5, 4, 6};

	(void)state;
	build(8, 1, 2);
	src = chain_source(&c);
	assert_err(IM_ERR_ARGUMENT, proof_make_linear(&src, 0, 3, &c.arena, &linear));
	assert_err(IM_ERR_ARGUMENT, proof_make_linear(&src, 4, 3, &c.arena, &linear));
	assert_err(IM_ERR_TX_NOT_FOUND, proof_make_linear(&src, 4, 9, &c.arena, &linear));
	assert_err(IM_ERR_ARGUMENT, proof_make_dual(&src, 0, 3, &c.arena, &dual));
	assert_err(IM_ERR_ARGUMENT, proof_make_dual(&src, 4, 3, &c.arena, &dual));
	assert_err(IM_ERR_TX_NOT_FOUND, proof_make_dual(&src, 4, 9, &c.arena, &dual));
	assert_err(IM_ERR_ARGUMENT, proof_make_dual_v2(&src, 0, 1, &c.arena, &v2));
	assert_err(IM_ERR_ARGUMENT, proof_make_dual_v2(&src, 3, 8, &c.arena, &v2));
	assert_err(IM_ERR_ARGUMENT, proof_make_linear_advance(&src, &span, &c.arena, &advance));
	span = (struct advance_span){1, 7, 6};
	assert_err(IM_ERR_ARGUMENT, proof_make_linear_advance(&src, &span, &c.arena, &advance));
	span = (struct advance_span){3, 4, 6};
	assert_ok(proof_make_linear_advance(&src, &span, &c.arena, &advance));
	assert_int_equal(0, advance.linear_terms.len);
}

static void
test_out_of_memory(void **state)
{
	struct dual_proof p;
	size_t cap = 0;
	enum im_err err;

	(void)state;
	build(12, 3, 1);
	/* Each amount of memory fails cleanly until there is enough. */
	do {
		struct proof_source src = chain_source(&c);
		struct arena a;

		arena_init(&a, cap);
		err = proof_make_dual(&src, 7, 12, &a, &p);
		assert_true(err == IM_OK || err == IM_ERR_NOMEM);
		arena_free(&a);
		cap += 64;
	} while (err != IM_OK);
	assert_true(cap > 64);
}

/* Headers that contradict one another are a damaged source, not a proof. */
static void
test_corrupt_source(void **state)
{
	struct proof_source src;
	struct dual_proof p;

	(void)state;
	build(8, 0, 1);
	src = chain_source(&c);
	chain_tx(&c, 3)->header.id = 4;
	assert_err(IM_ERR_CORRUPT, proof_make_dual(&src, 3, 8, &c.arena, &p));
	chain_tx(&c, 3)->header.id = 3;
	chain_tx(&c, 8)->header.bl_tx_id = 1;
	assert_err(IM_ERR_CORRUPT, proof_make_dual(&src, 3, 8, &c.arena, &p));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_linked_at_once, teardown),
	    cmocka_unit_test_teardown(test_lagging, teardown),
	    cmocka_unit_test_teardown(test_refused, teardown),
	    cmocka_unit_test_teardown(test_out_of_memory, teardown),
	    cmocka_unit_test_teardown(test_corrupt_source, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
