/*
 * Every read as it reaches the server, what is refused before it gets there, and answers that are
 * malformed.
 */
#include "fake_seen.h"

#include <math.h>

/* What the hook answers to requests of that form. */
static const ProtobufCMessage *prepared;

static const ProtobufCMessage *
take(const struct rpc_call *call, enum im_err *err)
{
	(void)err;
	if (rpc_method_find(call->method)->answer != prepared->descriptor)
		return NULL;
	seen_keep(call);
	return prepared;
}

static struct immu_result *
run(struct world *w, const struct immu_request *request, const ProtobufCMessage *answer)
{
	struct immu_result *r;

	prepared = answer;
	wire.hook = take;
	assert_int_equal(immu_run(w->c, request, &r), IM_OK);
	return r;
}

/* ---- What reaches the server ---- */

static void
a_scan(void **state)
{
	struct immu_request request = {.op = IMMU_OP_SCAN,
	    .no_wait = true,
	    .scan = {.prefix = immu_str("p"),
		.seek = immu_str("s"),
		.end = immu_str("e"),
		.inclusive_seek = true,
		.inclusive_end = true,
		.descending = true,
		.limit = 1,
		.offset = 2,
		.since_tx = 3}};
	Immudb__Schema__Entries answer = IMMUDB__SCHEMA__ENTRIES__INIT;
	const Immudb__Schema__ScanRequest *m;

	immu_result_free(run(*state, &request, &answer.base));
	m = (const Immudb__Schema__ScanRequest *)seen.m;
	assert_true(is(m->prefix, "p") && is(m->seekkey, "s") && is(m->endkey, "e"));
	assert_true(m->inclusiveseek && m->inclusiveend && m->desc && m->nowait);
	assert_true(m->limit == 1 && m->offset == 2 && m->sincetx == 3);
}

static void
a_scan_of_a_set(void **state)
{
	struct immu_request request = {.op = IMMU_OP_ZSCAN,
	    .zscan = {.set = immu_str("set"),
		.seek_key = immu_str("s"),
		.seek_score = -0.0,
		.seek_at_tx = 4,
		.inclusive_seek = true,
		.descending = true,
		.has_min_score = true,
		.min_score = -1,
		.limit = 1,
		.offset = 2,
		.since_tx = 3}};
	Immudb__Schema__Entry entry = IMMUDB__SCHEMA__ENTRY__INIT;
	Immudb__Schema__ZEntry z = IMMUDB__SCHEMA__ZENTRY__INIT, *zs[] = {&z};
	Immudb__Schema__ZEntries answer = IMMUDB__SCHEMA__ZENTRIES__INIT;
	const Immudb__Schema__ZScanRequest *m;
	struct immu_result *r;

	answer.n_entries = 1;
	answer.entries = zs;
	z.entry = &entry;
	z.score = -2.5;
	z.attx = 7;
	z.key = fake_bytes(&wire.arena, bytes_str("member"));
	r = run(*state, &request, &answer.base);
	assert_true(r->zentries_len == 1 && shows(r->zentries[0].key, "member"));
	assert_true(r->zentries[0].score == -2.5 && r->zentries[0].at_tx == 7);
	immu_result_free(r);
	m = (const Immudb__Schema__ZScanRequest *)seen.m;
	assert_true(is(m->set, "set") && is(m->seekkey, "s") && m->seekattx == 4);
	assert_true(m->seekscore == 0 && signbit(m->seekscore) && m->inclusiveseek && m->desc);
	assert_true(m->minscore->score == -1 && !m->maxscore);
	assert_true(m->limit == 1 && m->offset == 2 && m->sincetx == 3);
}

static void
a_history(void **state)
{
	struct immu_request request = {.op = IMMU_OP_HISTORY,
	    .history = {
		.key = immu_str("k"), .offset = 1, .limit = 2, .descending = true, .since_tx = 3}};
	Immudb__Schema__Entry version = IMMUDB__SCHEMA__ENTRY__INIT, *versions[] = {&version};
	Immudb__Schema__Reference reference = IMMUDB__SCHEMA__REFERENCE__INIT;
	Immudb__Schema__Entries answer = IMMUDB__SCHEMA__ENTRIES__INIT;
	const Immudb__Schema__HistoryRequest *m;
	struct immu_result *r;

	answer.n_entries = 1;
	answer.entries = versions;
	version.key = fake_bytes(&wire.arena, bytes_str("target"));
	version.expired = true;
	version.revision = 9;
	version.referencedby = &reference;
	reference.key = fake_bytes(&wire.arena, bytes_str("k"));
	reference.attx = 5;
	r = run(*state, &request, &answer.base);
	assert_true(r->entries[0].expired && r->entries[0].revision == 9);
	assert_true(shows(r->entries[0].key, "target") && shows(r->entries[0].via->key, "k"));
	assert_int_equal(r->entries[0].via->at_tx, 5);
	immu_result_free(r);
	m = (const Immudb__Schema__HistoryRequest *)seen.m;
	assert_true(is(m->key, "k") && m->offset == 1 && m->limit == 2 && m->desc);
	assert_int_equal(m->sincetx, 3);
}

static void
counts(void **state)
{
	struct immu_request request = {.op = IMMU_OP_COUNT, .scan.prefix = immu_str("p")};
	Immudb__Schema__EntryCount answer = IMMUDB__SCHEMA__ENTRY_COUNT__INIT;
	struct immu_result *r;

	answer.count = UINT64_C(1) << 40;
	r = run(*state, &request, &answer.base);
	assert_true(r->count == UINT64_C(1) << 40);
	immu_result_free(r);
	assert_true(is(((const Immudb__Schema__KeyPrefix *)seen.m)->prefix, "p"));
	request.op = IMMU_OP_COUNT_ALL;
	immu_result_free(run(*state, &request, &answer.base));
	assert_int_equal(seen.method, RPC_METHOD_CountAll);
}

static void
many_keys(void **state)
{
	struct immu_bytes keys[] = {immu_str("a"), immu_str("b")};
	struct immu_request request = {
	    .op = IMMU_OP_GET_ALL, .keys = keys, .keys_len = 2, .since_tx = 4};
	Immudb__Schema__Entries answer = IMMUDB__SCHEMA__ENTRIES__INIT;
	const Immudb__Schema__KeyListRequest *m;

	immu_result_free(run(*state, &request, &answer.base));
	m = (const Immudb__Schema__KeyListRequest *)seen.m;
	assert_true(m->n_keys == 2 && is(m->keys[1], "b") && m->sincetx == 4);
}

static void
transactions(void **state)
{
	struct immu_request request = {.op = IMMU_OP_TX_SCAN,
	    .no_wait = true,
	    .tx_scan = {.initial_tx = 9,
		.limit = 3,
		.descending = true,
		.since_tx = 2,
		.spec = {true, IMMU_SHOW_VALUE, IMMU_SHOW_RESOLVED, IMMU_SHOW_NONE}}};
	Immudb__Schema__Tx *tx = fake_tx_message(wire.db, &wire.arena, 1), *txs[] = {tx};
	Immudb__Schema__TxList answer = IMMUDB__SCHEMA__TX_LIST__INIT;
	const Immudb__Schema__TxScanRequest *m;
	struct immu_result *r;

	answer.n_txs = 1;
	answer.txs = txs;
	r = run(*state, &request, &answer.base);
	assert_true(r->txs_len == 1 && r->txs[0].header.id == 1 && r->txs[0].tx_entries_len == 1);
	assert_true(shows(r->txs[0].tx_entries[0].key, "k"));
	immu_result_free(r);
	m = (const Immudb__Schema__TxScanRequest *)seen.m;
	assert_true(m->initialtx == 9 && m->limit == 3 && m->desc && m->sincetx == 2 && m->nowait);
	assert_int_equal(
	    m->entriesspec->kventriesspec->action, IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__RAW_VALUE);
	assert_int_equal(
	    m->entriesspec->zentriesspec->action, IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__RESOLVE);
	assert_int_equal(
	    m->entriesspec->sqlentriesspec->action, IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__EXCLUDE);
}

static void
health_of_a_database(void **state)
{
	struct immu_request request = {.op = IMMU_OP_DATABASE_HEALTH};
	Immudb__Schema__DatabaseHealthResponse answer =
	    IMMUDB__SCHEMA__DATABASE_HEALTH_RESPONSE__INIT;
	struct immu_result *r;

	answer.pendingrequests = 3;
	answer.lastrequestcompletedat = 1700000000123;
	r = run(*state, &request, &answer.base);
	assert_true(r->info.pending_requests == 3 && r->info.last_request_at_ms == 1700000000123);
	immu_result_free(r);
}

/* ---- What does not, and what comes back wrong ---- */

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
	struct immu_bytes key = immu_str("k"), none = {"", 0};
	const double nan = (double)NAN;
	const enum immu_show resolved = IMMU_SHOW_RESOLVED;
	const struct {
		struct immu_request request;
		enum im_err err;
	} cases[] = {
	    {{.op = IMMU_OP_GET}, IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_GET, .keys = &none, .keys_len = 1}, IM_ERR_NULL_KEY},
	    {{.op = IMMU_OP_GET, .keys = &key, .keys_len = 1, .version = {1, 0, 1}},
		IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_GET_ALL}, IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_ZSCAN}, IM_ERR_NULL_KEY},
	    {{.op = IMMU_OP_ZSCAN, .zscan = {.set = key, .seek_score = nan}}, IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_ZSCAN, .zscan = {.set = key, .has_max_score = true, .max_score = nan}},
		IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_HISTORY}, IM_ERR_NULL_KEY},
	    {{.op = IMMU_OP_HISTORY, .history = {.key = key, .limit = UINT64_C(1) << 31}},
		IM_ERR_RESULT_LIMIT},
	    {{.op = IMMU_OP_TX}, IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_TX, .tx = 1, .tx_spec = {.is_set = true, .other = resolved}},
		IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_TX,
		 .verified = true,
		 .tx = 1,
		 .tx_spec = {.is_set = true, .z = resolved}},
		IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_TX_SCAN}, IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_TX_SCAN, .tx_scan = {.initial_tx = 1, .limit = UINT64_C(1) << 32}},
		IM_ERR_RESULT_LIMIT},
	    {{.op = IMMU_OP_SCAN, .verified = true}, IM_ERR_ARGUMENT},
	    {{.op = IMMU_OP_STATE, .verified = true, .keep_proof = true}, IM_ERR_ARGUMENT},
	};

	wire.hook = never;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct immu_result *r;

		if (immu_run(w->c, &cases[i].request, &r) != cases[i].err)
			fail_msg("case %zu", i);
		assert_null(r);
	}
}

static void
malformed_answers(void **state)
{
	struct world *w = *state;
	struct immu_request zscan = {.op = IMMU_OP_ZSCAN, .zscan.set = immu_str("s")};
	struct immu_request tx = {.op = IMMU_OP_TX, .tx = 1};
	Immudb__Schema__ZEntry z = IMMUDB__SCHEMA__ZENTRY__INIT, *zs[] = {&z};
	Immudb__Schema__ZEntries members = IMMUDB__SCHEMA__ZENTRIES__INIT;
	Immudb__Schema__Tx *m = fake_tx_message(wire.db, &wire.arena, 1);
	struct immu_result *r;

	/* A member without an entry. */
	members.n_entries = 1;
	members.entries = zs;
	prepared = &members.base;
	wire.hook = take;
	assert_int_equal(immu_run(w->c, &zscan, &r), IM_ERR_PROTOCOL);
	/* A value that is not the one whose hash is beside it; no header. */
	prepared = &m->base;
	m->entries[0]->value = fake_bytes(&wire.arena, bytes_str("other"));
	assert_int_equal(immu_run(w->c, &tx, &r), IM_ERR_PROTOCOL);
	m->entries[0]->value.len = 0;
	assert_int_equal(immu_run(w->c, &tx, &r), IM_OK);
	immu_result_free(r);
	m->header = NULL;
	assert_int_equal(immu_run(w->c, &tx, &r), IM_ERR_PROTOCOL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, seen_world_new, seen_world_free)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_scan),
	    TEST(a_scan_of_a_set),
	    TEST(a_history),
	    TEST(counts),
	    TEST(many_keys),
	    TEST(transactions),
	    TEST(health_of_a_database),
	    TEST(refused_before_it_is_sent),
	    TEST(malformed_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
