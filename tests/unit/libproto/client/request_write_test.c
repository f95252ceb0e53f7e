/*
 * Every write as it reaches the server, what is refused before it gets there, and answers to
 * verified ones that are not what was asked.
 */
#include "fake_seen.h"

#include <math.h>

/* Keeps the request and answers a header with as many entries as it names. */
static const ProtobufCMessage *
take(const struct rpc_call *call, enum im_err *err)
{
	Immudb__Schema__TxHeader *header;
	size_t entries = 1;

	(void)err;
	if (rpc_method_find(call->method)->answer != &immudb__schema__tx_header__descriptor)
		return NULL;
	seen_keep(call);
	if (call->method == RPC_METHOD_ExecAll)
		entries = ((Immudb__Schema__ExecAllRequest *)seen.m)->n_operations;
	if (call->method == RPC_METHOD_Delete)
		entries = ((Immudb__Schema__DeleteKeysRequest *)seen.m)->n_keys;
	header = fake_header(&wire.arena, &wire.db->txs[1].header);
	header->nentries = (int32_t)entries;
	return &header->base;
}

static enum im_err
run(struct world *w, const struct immu_request *request)
{
	struct immu_result *r;
	enum im_err err = immu_run(w->c, request, &r);

	immu_result_free(r);
	return err;
}

/* ---- What reaches the server ---- */

static void
a_set_with_everything(void **state)
{
	struct immu_kv kv = {.key = immu_str("key"),
	    .value = immu_str("value"),
	    .metadata = {.non_indexable = true, .expires = true, .expires_at = 77}};
	struct immu_precondition conditions[] = {{IMMU_KEY_MUST_EXIST, immu_str("a"), 0},
	    {IMMU_KEY_MUST_NOT_EXIST, immu_str("b"), 0},
	    {IMMU_KEY_NOT_MODIFIED_AFTER, immu_str("c"), 9}};
	struct immu_request request = {.op = IMMU_OP_SET,
	    .kvs = &kv,
	    .kvs_len = 1,
	    .no_wait = true,
	    .preconditions = conditions,
	    .preconditions_len = 3};
	const Immudb__Schema__SetRequest *m;

	wire.hook = take;
	assert_int_equal(run(*state, &request), IM_OK);
	m = (const Immudb__Schema__SetRequest *)seen.m;
	assert_true(seen.method == RPC_METHOD_Set && m->nowait && m->n_kvs == 1);
	assert_true(is(m->kvs[0]->key, "key") && is(m->kvs[0]->value, "value"));
	assert_true(m->kvs[0]->metadata->nonindexable && !m->kvs[0]->metadata->deleted);
	assert_int_equal(m->kvs[0]->metadata->expiration->expiresat, 77);
	assert_int_equal(m->n_preconditions, 3);
	assert_true(is(m->preconditions[0]->keymustexist->key, "a"));
	assert_true(is(m->preconditions[1]->keymustnotexist->key, "b"));
	assert_true(is(m->preconditions[2]->keynotmodifiedaftertx->key, "c"));
	assert_int_equal(m->preconditions[2]->keynotmodifiedaftertx->txid, 9);
}

static void
a_reference(void **state)
{
	struct world *w = *state;
	struct immu_reference ref = {immu_str("r"), immu_str("k"), 0};
	const Immudb__Schema__ReferenceRequest *m;
	struct immu_result *r;

	wire.hook = take;
	assert_int_equal(immu_set_reference(w->c, &ref, &r), IM_OK);
	immu_result_free(r);
	m = (const Immudb__Schema__ReferenceRequest *)seen.m;
	assert_true(is(m->key, "r") && is(m->referencedkey, "k") && m->attx == 0 && !m->boundref);
	ref.at_tx = 5;
	assert_int_equal(immu_set_reference(w->c, &ref, &r), IM_OK);
	immu_result_free(r);
	m = (const Immudb__Schema__ReferenceRequest *)seen.m;
	assert_true(m->attx == 5 && m->boundref);
}

static void
a_member(void **state)
{
	struct world *w = *state;
	struct immu_zadd zadd = {immu_str("s"), -0.0, immu_str("k"), 3};
	const Immudb__Schema__ZAddRequest *m;
	struct immu_result *r;

	wire.hook = take;
	assert_int_equal(immu_zadd(w->c, &zadd, &r), IM_OK);
	immu_result_free(r);
	m = (const Immudb__Schema__ZAddRequest *)seen.m;
	assert_true(is(m->set, "s") && is(m->key, "k") && m->attx == 3 && m->boundref);
	assert_true(m->score == 0 && signbit(m->score));
}

static void
all_kinds_at_once(void **state)
{
	struct world *w = *state;
	struct immu_write writes[] = {
	    {.kind = IMMU_WRITE_KV, .kv = {.key = immu_str("a"), .value = immu_str("1")}},
	    {.kind = IMMU_WRITE_REFERENCE,
		.reference = {immu_str("r"), immu_str("a"), IMMU_THIS_TX}},
	    {.kind = IMMU_WRITE_ZADD, .zadd = {immu_str("s"), 1.5, immu_str("a"), IMMU_THIS_TX}}};
	const Immudb__Schema__ExecAllRequest *m;
	struct immu_result *r;

	wire.hook = take;
	assert_int_equal(immu_exec_all(w->c, writes, 3, &r), IM_OK);
	assert_int_equal(r->header.entries, 3);
	immu_result_free(r);
	m = (const Immudb__Schema__ExecAllRequest *)seen.m;
	assert_int_equal(m->n_operations, 3);
	assert_true(is(m->operations[0]->kv->key, "a"));
	assert_true(m->operations[1]->ref->boundref && m->operations[1]->ref->attx == 0);
	assert_true(m->operations[2]->zadd->boundref && m->operations[2]->zadd->attx == 0);
	assert_true(m->operations[2]->zadd->score == 1.5);
}

static void
keys_to_delete(void **state)
{
	struct world *w = *state;
	struct immu_bytes keys[] = {immu_str("a"), {"b\0c", 3}};
	const Immudb__Schema__DeleteKeysRequest *m;
	struct immu_result *r;

	wire.hook = take;
	assert_int_equal(immu_delete(w->c, keys, 2, &r), IM_OK);
	immu_result_free(r);
	m = (const Immudb__Schema__DeleteKeysRequest *)seen.m;
	assert_true(m->n_keys == 2 && is(m->keys[0], "a") && m->keys[1].len == 3);
}

/* ---- What does not ---- */

static const ProtobufCMessage *
never(const struct rpc_call *call, enum im_err *err)
{
	(void)err;
	if (call->method != RPC_METHOD_CurrentState)
		fail_msg("method %#x was asked", (unsigned)call->method);
	return NULL;
}

static void
refused_before_it_is_sent(void **state)
{
	struct world *w = *state;
	static char long_key[1100];
	struct immu_kv kv = {.key = immu_str("k"), .metadata = {.deleted = true}};
	struct immu_precondition bad = {IMMU_KEY_NOT_MODIFIED_AFTER, immu_str("k"), 0};
	struct immu_bytes none = {"", 0}, large = {long_key, 1024}, key = immu_str("k");
	struct immu_write write = {.kind = (enum immu_write_kind)7};
	const struct {
		struct immu_request request;
		enum im_err err;
	} cases[] = {
	    {{.op = IMMU_OP_SET, .kvs = &kv}, IM_ERR_NO_ENTRIES},
	    {{.op = IMMU_OP_SET, .kvs = &kv, .kvs_len = 1025}, IM_ERR_TX_ENTRIES},
	    {{.op = IMMU_OP_SET, .kvs = &kv, .kvs_len = 1}, IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_REFERENCE, .reference = {none, key, 0}}, IM_ERR_NULL_KEY},
	    {{.op = IMMU_OP_REFERENCE, .reference = {key, large, 0}}, IM_ERR_KEY_LENGTH},
	    {{.op = IMMU_OP_REFERENCE, .reference = {key, key, IMMU_THIS_TX}}, IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_REFERENCE,
		 .reference = {key, key, 0},
		 .preconditions = &bad,
		 .preconditions_len = 1},
		IM_ERR_BAD_PRECONDITION},
	    {{.op = IMMU_OP_REFERENCE,
		 .reference = {key, key, 0},
		 .preconditions = &bad,
		 .preconditions_len = 1025},
		IM_ERR_BAD_PRECONDITION},
	    {{.op = IMMU_OP_ZADD, .zadd = {key, (double)NAN, key, 0}}, IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_ZADD, .zadd = {none, 1, key, 0}}, IM_ERR_NULL_KEY},
	    {{.op = IMMU_OP_ZADD, .zadd = {key, 1, key, IMMU_THIS_TX}}, IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_ZADD, .zadd = {key, 1, key, 0}, .preconditions_len = 1},
		IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_ZADD, .verified = true, .zadd = {large, 1, key, 0}}, IM_ERR_KEY_LENGTH},
	    {{.op = IMMU_OP_EXEC_ALL, .writes = &write}, IM_ERR_NO_ENTRIES},
	    {{.op = IMMU_OP_EXEC_ALL, .writes = &write, .writes_len = 1}, IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_EXEC_ALL, .verified = true, .writes = &write, .writes_len = 1},
		IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_DELETE}, IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_DELETE, .keys = &none, .keys_len = 1}, IM_ERR_NULL_KEY},
	    {{.op = IMMU_OP_DELETE, .keys = &key, .keys_len = 1025}, IM_ERR_TX_ENTRIES},
	    {{.op = IMMU_OP_ZADD, .keep_proof = true, .zadd = {key, 1, key, 0}}, IM_ERR_ARGUMENT},
	    {{.op = (enum immu_op)99}, IM_ERR_ARGUMENT},
	};

	wire.hook = never;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (run(w, &cases[i].request) != cases[i].err)
			fail_msg("case %zu", i);
		assert_int_equal(immu_in_flight(w->c), 0);
	}
}

/* ---- Verified writes ---- */

static void
verified_writes(void **state)
{
	struct world *w = *state;
	struct immu_reference ref = {immu_str("r"), immu_str("k"), 1};
	struct immu_zadd zadd = {immu_str("s"), -2.5, immu_str("k"), 0};
	struct immu_state trusted;
	struct immu_result *r;

	assert_int_equal(immu_verified_set_reference(w->c, &ref, &r), IM_OK);
	assert_true(r->verified && r->header.id == 2 && r->header.entries == 1);
	immu_result_free(r);
	assert_int_equal(immu_verified_zadd(w->c, &zadd, &r), IM_OK);
	assert_true(r->verified && r->header.id == 3);
	immu_result_free(r);
	assert_true(immu_trusted_state(w->c, &trusted) && trusted.tx == 3);
}

/* Writes something else than it was asked to, and proves that. */
static const ProtobufCMessage *
write_something_else(const struct rpc_call *call, enum im_err *err)
{
	struct rpc_call other = *call;

	if (call->method == RPC_METHOD_VerifiableSetReference) {
		Immudb__Schema__VerifiableReferenceRequest *m =
		    (Immudb__Schema__VerifiableReferenceRequest *)(uintptr_t)call->request;

		m->referencerequest->attx = 0;
	} else if (call->method == RPC_METHOD_VerifiableZAdd) {
		Immudb__Schema__VerifiableZAddRequest *m =
		    (Immudb__Schema__VerifiableZAddRequest *)(uintptr_t)call->request;

		m->zaddrequest->score = -m->zaddrequest->score;
	}
	return wire_answer_to(&other, err);
}

static void
another_reference_or_score(void **state)
{
	struct world *w = *state;
	struct immu_request reference = {.op = IMMU_OP_REFERENCE,
	    .verified = true,
	    .reference = {immu_str("r"), immu_str("k"), 1}};
	struct immu_request zadd = {
	    .op = IMMU_OP_ZADD, .verified = true, .zadd = {immu_str("s"), 0.0, immu_str("k"), 0}};
	struct immu_state trusted;

	wire.hook = write_something_else;
	assert_int_equal(run(w, &reference), IM_ERR_PROOF);
	assert_int_equal(run(w, &zadd), IM_ERR_PROOF);
	assert_true(immu_trusted_state(w->c, &trusted) && trusted.tx == 1);
}

/* The answer to one write is given for the next, equal one. */
static void
one_transaction_for_two_members(void **state)
{
	struct world *w = *state;
	struct immu_request zadd = {
	    .op = IMMU_OP_ZADD, .verified = true, .zadd = {immu_str("s"), 1, immu_str("k"), 0}};
	struct immu_kv kv = {.key = immu_str("k"), .value = immu_str("v")};
	struct immu_request set = {.op = IMMU_OP_SET, .verified = true, .kvs = &kv, .kvs_len = 1};

	assert_int_equal(run(w, &set), IM_OK);
	wire.repeats_writes = true;
	assert_int_equal(run(w, &set), IM_ERR_PROOF);
	wire.repeats_writes = false;
	assert_int_equal(run(w, &zadd), IM_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, seen_world_new, seen_world_free)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_set_with_everything),
	    TEST(a_reference),
	    TEST(a_member),
	    TEST(all_kinds_at_once),
	    TEST(keys_to_delete),
	    TEST(refused_before_it_is_sent),
	    TEST(verified_writes),
	    TEST(another_reference_or_score),
	    TEST(one_transaction_for_two_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
