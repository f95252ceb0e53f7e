#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"
#include "verified_messages.h"

#define MEMORY_MAX ((size_t)1 << 20)

static struct arena arena;

static int
set_up(void **state)
{
	(void)state;
	arena_init(&arena, MEMORY_MAX);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

/* The library's request for a request of a method, given as JSON. */
static enum im_err
request_of(enum rpc_method_id id, const char *json, struct immu_request *out)
{
	ProtobufCMessage *m;

	assert_int_equal(
	    json_read(rpc_method_find(id)->request, bytes_str(json), &arena, &m), IM_OK);
	return verified_request(id, m, &arena, out);
}

static void
assert_bytes(struct immu_bytes have, const char *want)
{
	assert_int_equal(have.len, strlen(want));
	assert_memory_equal(have.data, want, have.len);
}

static void
sets_carry_all_they_say(void **state)
{
	struct immu_request r;

	(void)state;
	assert_int_equal(
	    request_of(RPC_METHOD_VerifiableSet,
		"{\"setRequest\":{\"KVs\":[{\"key\":\"aw==\",\"value\":\"dg==\",\"metadata\":"
		"{\"expiration\":{\"expiresAt\":77},\"nonIndexable\":true}}],\"noWait\":true,"
		"\"preconditions\":[{\"keyMustExist\":{\"key\":\"YQ==\"}},"
		"{\"keyNotModifiedAfterTX\":{\"key\":\"Yg==\",\"txID\":9}}]}}",
		&r),
	    IM_OK);
	assert_int_equal(r.op, IMMU_OP_SET);
	assert_true(r.verified && r.no_wait);
	assert_int_equal(r.kvs_len, 1);
	assert_bytes(r.kvs[0].key, "k");
	assert_bytes(r.kvs[0].value, "v");
	assert_true(r.kvs[0].metadata.non_indexable && r.kvs[0].metadata.expires);
	assert_int_equal(r.kvs[0].metadata.expires_at, 77);
	assert_int_equal(r.preconditions_len, 2);
	assert_int_equal(r.preconditions[0].condition, IMMU_KEY_MUST_EXIST);
	assert_int_equal(r.preconditions[1].condition, IMMU_KEY_NOT_MODIFIED_AFTER);
	assert_int_equal(r.preconditions[1].tx, 9);
	assert_int_equal(
	    request_of(RPC_METHOD_VerifiableSet, "{\"setRequest\":{\"preconditions\":[{}]}}", &r),
	    IM_ERR_BAD_PRECONDITION);
}

static void
gets_references_and_members(void **state)
{
	struct immu_request r;

	(void)state;
	assert_int_equal(request_of(RPC_METHOD_VerifiableGet,
			     "{\"keyRequest\":{\"key\":\"aw==\",\"atRevision\":-2}}", &r),
	    IM_OK);
	assert_int_equal(r.op, IMMU_OP_GET);
	assert_bytes(r.keys[0], "k");
	assert_int_equal(r.version.revision, -2);
	assert_int_equal(request_of(RPC_METHOD_VerifiableSetReference,
			     "{\"referenceRequest\":{\"key\":\"cg==\",\"referencedKey\":\"aw==\","
			     "\"atTx\":3,\"boundRef\":true}}",
			     &r),
	    IM_OK);
	assert_int_equal(r.reference.at_tx, 3);
	assert_bytes(r.reference.target, "k");
	assert_int_equal(
	    request_of(RPC_METHOD_VerifiableZAdd,
		"{\"zAddRequest\":{\"set\":\"cw==\",\"score\":-1.5,\"key\":\"aw==\"}}", &r),
	    IM_OK);
	assert_true(r.zadd.score == -1.5);
	/* Half of what binds is refused: what would be proven is not what was meant. */
	assert_int_equal(
	    request_of(RPC_METHOD_VerifiableZAdd,
		"{\"zAddRequest\":{\"set\":\"cw==\",\"key\":\"aw==\",\"atTx\":3}}", &r),
	    IM_ERR_ARGUMENT);
	assert_int_equal(
	    request_of(RPC_METHOD_VerifiableTxById,
		"{\"tx\":5,\"entriesSpec\":{\"kvEntriesSpec\":{\"action\":\"RAW_VALUE\"}}}", &r),
	    IM_ERR_ARGUMENT);
}

static void
answers_say_what_was_proven(void **state)
{
	const struct immu_via via = {.key = immu_str("r"), .tx = 8, .at_tx = 7};
	const struct immu_entry entry = {.tx = 7,
	    .revision = 2,
	    .key = immu_str("k"),
	    .value = immu_str("v"),
	    .metadata = {.expires = true, .expires_at = 99},
	    .via = &via};
	const struct immu_result result = {.entries = &entry,
	    .entries_len = 1,
	    .header = {.id = 7, .ts = 5, .entries = 1, .version = 1}};
	const Immudb__Schema__Entry *m;
	const Immudb__Schema__TxHeader *h;

	(void)state;
	m = (const void *)verified_answer(&immudb__schema__entry__descriptor, &result, &arena);
	assert_int_equal(m->tx, 7);
	assert_int_equal(m->revision, 2);
	assert_int_equal(m->metadata->expiration->expiresat, 99);
	assert_false(m->metadata->deleted);
	assert_int_equal(m->referencedby->tx, 8);
	assert_int_equal(m->referencedby->attx, 7);
	h = (const void *)verified_answer(&immudb__schema__tx_header__descriptor, &result, &arena);
	assert_int_equal(h->id, 7);
	assert_int_equal(h->nentries, 1);
	assert_int_equal(h->eh.len, IMMU_HASH_SIZE);
}

static void
without_memory_there_is_no_answer(void **state)
{
	const struct immu_entry entry = {.key = immu_str("k")};
	const struct immu_result result = {.entries = &entry, .entries_len = 1};
	struct arena tiny;

	(void)state;
	arena_init(&tiny, 1);
	assert_null(verified_answer(&immudb__schema__entry__descriptor, &result, &tiny));
	assert_null(verified_answer(&immudb__schema__tx__descriptor, &result, &tiny));
	arena_free(&tiny);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(sets_carry_all_they_say, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(gets_references_and_members, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(answers_say_what_was_proven, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(without_memory_there_is_no_answer, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
