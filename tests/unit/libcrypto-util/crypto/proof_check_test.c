/*
 * Checking proofs: each step refuses what it is for and says so; fields without use must be empty.
 */
#include "chain.h"
#include "testing.h"

static struct chain c;
static struct hash extra_hash[1];
static struct hash_list one_hash = {extra_hash, 1};

static int
teardown(void **state)
{
	(void)state;
	chain_free(&c);
	return 0;
}

static void
build(const uint64_t *links, size_t len)
{
	chain_init(&c);
	for (size_t i = 0; i < len; i++)
		chain_append(&c, 1, links ? links[i] : i);
}

static struct dual_proof
make(uint64_t s, uint64_t t)
{
	struct proof_source src = chain_source(&c);
	struct dual_proof p;

	assert_ok(proof_make_dual(&src, s, t, &c.arena, &p));
	return p;
}

/* Refused, and the detail names the step. */
static void
assert_refused(const struct dual_proof *p, uint64_t s, uint64_t t, const char *step)
{
	const struct tx_point *from = &chain_tx(&c, s)->point, *to = &chain_tx(&c, t)->point;

	err_clear();
	assert_err(IM_ERR_PROOF, proof_check_dual(p, from, to));
	if (strncmp(err_detail(IM_ERR_PROOF), step, strlen(step)) != 0)
		fail_msg("expected step %s, got: %s", step, err_detail(IM_ERR_PROOF));
}

static void
test_steps(void **state)
{
	struct dual_proof p, other;

	(void)state;
	build(NULL, 9);
	p = make(3, 8);
	assert_refused(&p, 4, 8, "ids");
	assert_refused(&p, 3, 9, "ids");
	p.source = chain_tx(&c, 3)->header;
	p.source.ts++;
	assert_refused(&p, 3, 8, "alh: source");
	p = make(3, 8);
	p.target.nentries++;
	assert_refused(&p, 3, 8, "alh: target");
	p = make(3, 8);
	other = make(4, 8);
	p.inclusion = other.inclusion;
	assert_refused(&p, 3, 8, "inclusion");
	p = make(3, 8);
	p.consistency = other.consistency;
	assert_refused(&p, 3, 8, "consistency");
	p = make(3, 8);
	p.target_bl_tx_alh = chain_tx(&c, 6)->point.alh;
	assert_refused(&p, 3, 8, "last inclusion");
	p = make(3, 8);
	p.linear = make(3, 9).linear;
	assert_refused(&p, 3, 8, "linear");
}

/* A history that was changed behind the source, with proofs made honestly from it. */
static void
test_forked_history(void **state)
{
	struct tx_point trusted;
	struct dual_proof p;

	(void)state;
	build(NULL, 5);
	trusted = chain_tx(&c, 5)->point;
	chain_free(&c);
	build(NULL, 3);
	chain_append(&c, 0, 3);
	chain_append(&c, 1, 4);
	chain_append(&c, 1, 5);
	assert_false(hash_equal(&trusted.alh, &chain_tx(&c, 5)->point.alh));
	p = make(5, 6);
	assert_err(IM_ERR_PROOF, proof_check_dual(&p, &trusted, &chain_tx(&c, 6)->point));
}

static void
test_unused_fields(void **state)
{
	static const uint64_t links[] = {0, 0, 0, 3, 4};
	struct dual_proof p;

	(void)state;
	build(links, 5);
	/* Source 1 to target 2: links are 0, only the chain speaks. */
	p = make(1, 2);
	p.inclusion = one_hash;
	assert_refused(&p, 1, 2, "inclusion: present");
	p = make(1, 2);
	p.consistency = one_hash;
	assert_refused(&p, 1, 2, "consistency: present");
	p = make(1, 2);
	p.last_inclusion = one_hash;
	assert_refused(&p, 1, 2, "last inclusion: present");
	p = make(1, 2);
	p.target_bl_tx_alh = chain_tx(&c, 1)->point.alh;
	assert_refused(&p, 1, 2, "last inclusion: present");
	p = make(1, 2);
	p.has_linear_advance = true;
	assert_refused(&p, 1, 2, "linear advance: present");
	p = make(4, 5);
	p.inclusion = one_hash;
	assert_refused(&p, 4, 5, "inclusion: present");
}

static void
test_linear_advance(void **state)
{
	static const uint64_t links[] = {0, 1, 1, 1, 1, 1, 6, 6};
	struct dual_proof p, q;

	(void)state;
	build(links, 8);
	p = make(6, 8);
	assert_true(p.has_linear_advance);
	q = p;
	q.has_linear_advance = false;
	assert_refused(&q, 6, 8, "linear advance: missing");
	q = p;
	q.linear_advance.linear_terms.len--;
	assert_refused(&q, 6, 8, "linear advance: wrong number");
	q = p;
	q.linear_advance.inclusions_len--;
	assert_refused(&q, 6, 8, "linear advance: wrong number");
	q = p;
	q.linear_advance.inclusions[1] = q.linear_advance.inclusions[2];
	assert_refused(&q, 6, 8, "linear advance: tx");
	p = make(6, 8);
	p.linear_advance.linear_terms.items[4] = extra_hash[0];
	assert_refused(&p, 6, 8, "linear advance: does not lead");
}

static void
test_linear_advance_range(void **state)
{
	struct linear_advance_proof none = {0};
	struct advance_claim claim = {.span = {5, 4, 9}};

	(void)state;
	assert_err(IM_ERR_PROOF, proof_check_linear_advance(NULL, &claim));
	claim.span = (struct advance_span){5, 5, 9};
	assert_ok(proof_check_linear_advance(NULL, &claim));
	assert_err(IM_ERR_PROOF, proof_check_linear_advance(&none, &claim));
	claim.span = (struct advance_span){5, 6, 9};
	assert_ok(proof_check_linear_advance(NULL, &claim));
	claim.span = (struct advance_span){0, UINT64_MAX, UINT64_MAX};
	assert_err(IM_ERR_PROOF, proof_check_linear_advance(NULL, &claim));
	assert_err(IM_ERR_PROOF, proof_check_linear_advance(&none, &claim));
}

static void
test_linear(void **state)
{
	struct proof_source src;
	struct linear_proof p, q;
	const struct tx_point *from, *to;

	(void)state;
	build(NULL, 7);
	src = chain_source(&c);
	from = &chain_tx(&c, 2)->point;
	to = &chain_tx(&c, 6)->point;
	assert_ok(proof_make_linear(&src, 2, 6, &c.arena, &p));
	assert_ok(proof_check_linear(&p, from, to));
	assert_err(IM_ERR_PROOF, proof_check_linear(&p, from, &chain_tx(&c, 7)->point));
	assert_err(IM_ERR_PROOF, proof_check_linear(&p, to, from));
	q = p;
	q.terms.len--;
	assert_err(IM_ERR_PROOF, proof_check_linear(&q, from, to));
	q.terms.len = 0;
	assert_err(IM_ERR_PROOF, proof_check_linear(&q, from, to));
	p.terms.items[0] = extra_hash[0];
	assert_err(IM_ERR_PROOF, proof_check_linear(&p, from, to));
	/* Ids that are not transactions. */
	q = (struct linear_proof){.target_tx_id = UINT64_MAX};
	assert_err(IM_ERR_PROOF,
	    proof_check_linear(&q, &(struct tx_point){0}, &(struct tx_point){.id = UINT64_MAX}));
	q.source_tx_id = 1;
	assert_err(IM_ERR_PROOF,
	    proof_check_linear(
		&q, &(struct tx_point){.id = 1}, &(struct tx_point){.id = UINT64_MAX}));
}

static void
test_dual_v2(void **state)
{
	static const uint64_t links[] = {0, 1, 2, 3, 3};
	struct proof_source src;
	struct dual_proof_v2 p, q;
	const struct tx_point *from, *to;

	(void)state;
	build(links, 5);
	src = chain_source(&c);
	from = &chain_tx(&c, 1)->point;
	to = &chain_tx(&c, 4)->point;
	assert_ok(proof_make_dual_v2(&src, 1, 4, &c.arena, &p));
	assert_ok(proof_check_dual_v2(&p, from, to));
	q = p;
	q.inclusion.len = 0;
	assert_err(IM_ERR_PROOF, proof_check_dual_v2(&q, from, to));
	q = p;
	q.consistency.len = 0;
	assert_err(IM_ERR_PROOF, proof_check_dual_v2(&q, from, to));
	q = p;
	q.source = p.target;
	q.inclusion.len = q.consistency.len = 0;
	assert_ok(proof_check_dual_v2(&q, to, to));
	q.consistency = one_hash;
	assert_err(IM_ERR_PROOF, proof_check_dual_v2(&q, to, to));
	q.consistency.len = 0;
	q.inclusion = one_hash;
	assert_err(IM_ERR_PROOF, proof_check_dual_v2(&q, to, to));
	/* Links that lag are for the other form. */
	q = p;
	q.target = chain_tx(&c, 5)->header;
	assert_err(IM_ERR_PROOF, proof_check_dual_v2(&q, from, &chain_tx(&c, 5)->point));
	assert_err(IM_ERR_PROOF, proof_check_dual_v2(&p, &(struct tx_point){0}, to));
}

static void
test_entry(void **state)
{
	struct chain_tx *tx;
	struct hash scratch[CHAIN_ENTRIES];
	struct inclusion_proof p;

	(void)state;
	build(NULL, 3);
	tx = chain_tx(&c, 3);
	assert_int_equal(3, tx->header.nentries);
	assert_ok(htree_prove((struct hash_list){tx->digests, 3}, 0, scratch, &c.arena, &p));
	assert_ok(proof_check_entry(&p, &tx->entries[0], &tx->header));
	assert_err(IM_ERR_PROOF, proof_check_entry(&p, &tx->entries[1], &tx->header));
	/* A width that hashes the same, but is not what the header says. */
	p.width = 4;
	assert_true(htree_verify(&p, &tx->digests[0], &tx->header.eh));
	assert_err(IM_ERR_PROOF, proof_check_entry(&p, &tx->entries[0], &tx->header));
	p.width = 3;
	tx->header.version = 0;
	assert_err(IM_ERR_PROOF, proof_check_entry(&p, &tx->entries[1], &tx->header));
	tx->header.version = 7;
	assert_err(IM_ERR_PROOF, proof_check_entry(&p, &tx->entries[0], &tx->header));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_steps, teardown),
	    cmocka_unit_test_teardown(test_forked_history, teardown),
	    cmocka_unit_test_teardown(test_unused_fields, teardown),
	    cmocka_unit_test_teardown(test_linear_advance, teardown),
	    cmocka_unit_test(test_linear_advance_range),
	    cmocka_unit_test_teardown(test_linear, teardown),
	    cmocka_unit_test_teardown(test_dual_v2, teardown),
	    cmocka_unit_test_teardown(test_entry, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
