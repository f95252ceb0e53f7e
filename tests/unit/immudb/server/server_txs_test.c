/*
 * Transactions by number: TxScan, and what a specification of entries shows of each kind.
 */
#include "engine_writes.h"

#define DIGEST IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__ONLY_DIGEST
#define RAW IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__RAW_VALUE
#define RESOLVE IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__RESOLVE
#define EXCLUDE IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__EXCLUDE

static int
fixture_logged_in(void **state)
{
	return fixture_started(state) == 0 && login(*state, "immudb", "immudb") == IM_OK ? 0 : -1;
}

/* Compares the numbers of an answer with a text such as "1 2 3". */
static void
assert_ids(struct fixture *f, const M(TxScanRequest) * in, const char *expected)
{
	M(TxList) *out = NULL;
	char text[512] = "";

	assert_int_equal(ask(f, RPC_METHOD_TxScan, &in->base, &out), IM_OK);
	for (size_t i = 0; i < out->n_txs; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i ? " " : "",
		    (int)out->txs[i]->header->id);
	assert_string_equal(text, expected);
}

static void
txs_scan(void **state)
{
	struct fixture *f = *state;
	M(TxScanRequest) in = IMMUDB__SCHEMA__TX_SCAN_REQUEST__INIT;
	M(TxList) *out = NULL;

	in.initialtx = 1;
	assert_ids(f, &in, "");
	in.desc = true;
	assert_ids(f, &in, "");
	in.desc = false;
	for (size_t i = 0; i < 6; i++)
		write_value(f, "k", "v");
	assert_ids(f, &in, "1 2 3 4 5 6");
	in.initialtx = 3;
	in.limit = 2;
	assert_ids(f, &in, "3 4");
	in.desc = true;
	assert_ids(f, &in, "3 2");
	in.limit = 0;
	assert_ids(f, &in, "3 2 1");
	/* Beyond the newest: downwards from it, upwards nothing. */
	in.initialtx = UINT64_MAX;
	assert_ids(f, &in, "6 5 4 3 2 1");
	in.desc = false;
	assert_ids(f, &in, "");
	in.initialtx = 6;
	in.sincetx = 6;
	in.nowait = true;
	assert_ids(f, &in, "6");
	assert_int_equal(ask(f, RPC_METHOD_TxScan, &in.base, &out), IM_OK);
	/* Without a specification entries are digests. */
	assert_int_equal(out->txs[0]->n_entries, 1);
	assert_int_equal(out->txs[0]->entries[0]->hvalue.len, 32);
	assert_int_equal(out->txs[0]->entries[0]->value.len, 0);
}

static void
txs_scan_refusals(void **state)
{
	struct fixture *f = *state;
	M(TxScanRequest) in = IMMUDB__SCHEMA__TX_SCAN_REQUEST__INIT;

	write_value(f, "k", "v");
	assert_int_equal(ask(f, RPC_METHOD_TxScan, &in.base, NULL), IM_ERR_ARGUMENT);
	assert_int_equal(f->status, IM_STATUS_INVALID_ARGUMENT);
	in.initialtx = 1;
	in.sincetx = 2;
	assert_int_equal(ask(f, RPC_METHOD_TxScan, &in.base, NULL), IM_ERR_ARGUMENT);
	in.sincetx = 0;
	in.limit = 2501;
	assert_int_equal(ask(f, RPC_METHOD_TxScan, &in.base, NULL), IM_ERR_RESULT_LIMIT);
	assert_int_equal(f->status, IM_STATUS_RESOURCE_EXHAUSTED);
	in.limit = 2500;
	assert_int_equal(ask(f, RPC_METHOD_TxScan, &in.base, NULL), IM_OK);
}

/* An answer that would be too large is refused, with a text that says what to do. */
static void
txs_scan_too_large(void **state)
{
	struct fixture *f = *state;
	M(TxScanRequest) in = IMMUDB__SCHEMA__TX_SCAN_REQUEST__INIT;
	M(EntriesSpec) spec = IMMUDB__SCHEMA__ENTRIES_SPEC__INIT;
	M(EntryTypeSpec) kv = IMMUDB__SCHEMA__ENTRY_TYPE_SPEC__INIT;
	static char value[1 << 20];

	memset(value, 'v', sizeof value - 1);
	for (size_t i = 0; i < 10; i++)
		write_value(f, "k", value);
	in.initialtx = 1;
	assert_ids(f, &in, "1 2 3 4 5 6 7 8 9 10");
	in.entriesspec = &spec;
	spec.kventriesspec = &kv;
	kv.action = RAW;
	assert_int_equal(ask(f, RPC_METHOD_TxScan, &in.base, NULL), IM_ERR_MESSAGE_SIZE);
	assert_int_equal(f->status, IM_STATUS_RESOURCE_EXHAUSTED);
	assert_non_null(strstr(err_detail(IM_ERR_MESSAGE_SIZE), "fewer"));
	in.limit = 5;
	assert_ids(f, &in, "1 2 3 4 5");
}

/* One transaction with everything: value, deletion, expired, references, members, a row of SQL. */
static uint64_t
write_everything(struct fixture *f)
{
	struct zset_member live = {bytes_str("set"), 1, bytes_str("target"), 0};
	struct zset_member dead = {bytes_str("set"), -0.0, bytes_str("nothing"), 0};
	struct store_entry e[8];

	write_value(f, "target", "behind");
	e[0] = plain_entry(f, "plain", bytes_str("value"));
	e[1] = plain_entry(f, "deleted", bytes_str(""));
	e[1].value = bytes_of(NULL, 0);
	e[1].metadata.deleted = true;
	e[2] = plain_entry(f, "expired", bytes_str("old"));
	e[2].metadata.has_expiry = true;
	e[2].metadata.expires_at = 1;
	e[3] = plain_entry(f, "ref", bytes_str(""));
	assert_int_equal(
	    raw_value_make_reference(&f->arena, bytes_str("target"), 0, &e[3].value), IM_OK);
	e[4] = plain_entry(f, "dangling", bytes_str(""));
	assert_int_equal(
	    raw_value_make_reference(&f->arena, bytes_str("nothing"), 7, &e[4].value), IM_OK);
	e[5] = member_entry(f, &live);
	e[6] = member_entry(f, &dead);
	e[7] = (struct store_entry){.key = bytes_str("\002row"), .value = bytes_str("sql")};
	return write_raw(f, e, 8);
}

struct specification {
	M(EntriesSpec) spec;
	M(EntryTypeSpec) kv, z, sql;
};

static void
specify(struct specification *s, int kv, int z, int sql)
{
	static const M(EntriesSpec) spec = IMMUDB__SCHEMA__ENTRIES_SPEC__INIT;
	static const M(EntryTypeSpec) type = IMMUDB__SCHEMA__ENTRY_TYPE_SPEC__INIT;

	s->spec = spec;
	s->kv = s->z = s->sql = type;
	s->kv.action = (M(EntryTypeAction))kv;
	s->z.action = (M(EntryTypeAction))z;
	s->sql.action = (M(EntryTypeAction))sql;
	s->spec.kventriesspec = &s->kv;
	s->spec.zentriesspec = &s->z;
	s->spec.sqlentriesspec = &s->sql;
}

static M(Tx) * tx_of(struct fixture *f, uint64_t id, struct specification *s, bool keep)
{
	M(TxRequest) in = IMMUDB__SCHEMA__TX_REQUEST__INIT;
	M(Tx) *out = NULL;

	in.tx = id;
	in.entriesspec = s ? &s->spec : NULL;
	in.keepreferencesunresolved = keep;
	assert_int_equal(ask(f, RPC_METHOD_TxById, &in.base, &out), IM_OK);
	return out;
}

static void
txs_kinds(void **state)
{
	struct fixture *f = *state;
	uint64_t id = write_everything(f);
	struct specification s;
	M(Tx) * tx;

	tx = tx_of(f, id, NULL, false);
	assert_int_equal(tx->n_entries, 8);
	assert_int_equal(tx->n_kventries + tx->n_zentries, 0);
	specify(&s, EXCLUDE, EXCLUDE, EXCLUDE);
	tx = tx_of(f, id, &s, false);
	assert_int_equal(tx->n_entries + tx->n_kventries + tx->n_zentries, 0);
	assert_int_equal(tx->header->nentries, 8);
	specify(&s, DIGEST, EXCLUDE, EXCLUDE);
	tx = tx_of(f, id, &s, false);
	assert_int_equal(tx->n_entries, 5);
	assert_int_equal(tx->entries[0]->value.len, 0);
	assert_int_equal(tx->entries[0]->vlen, 6);
	specify(&s, EXCLUDE, DIGEST, RAW);
	tx = tx_of(f, id, &s, false);
	assert_int_equal(tx->n_entries, 3);
	assert_data_equal(tx->entries[2]->key, "\002row");
	assert_data_equal(tx->entries[2]->value, "sql");
	specify(&s, RAW, EXCLUDE, EXCLUDE);
	tx = tx_of(f, id, &s, false);
	assert_int_equal(tx->n_entries, 5);
	assert_true(bytes_equal(message_bytes(tx->entries[0]->value), bytes_of("\0value", 6)));
	assert_true(tx->entries[1]->metadata->deleted);
	assert_int_equal(tx->entries[1]->vlen, 0);
}

/* Everything that was asked for is there, what leads nowhere included. */
static void
txs_resolved(void **state)
{
	struct fixture *f = *state;
	uint64_t id = write_everything(f);
	struct specification s;
	M(Tx) * tx;

	specify(&s, RESOLVE, RESOLVE, EXCLUDE);
	tx = tx_of(f, id, &s, false);
	assert_int_equal(tx->n_entries, 0);
	assert_int_equal(tx->n_kventries, 5);
	assert_int_equal(tx->n_zentries, 2);
	assert_data_equal(tx->kventries[0]->key, "plain");
	assert_data_equal(tx->kventries[0]->value, "value");
	assert_int_equal(tx->kventries[0]->tx, id);
	assert_true(tx->kventries[1]->metadata->deleted);
	assert_true(tx->kventries[2]->expired);
	assert_int_equal(tx->kventries[2]->value.len, 0);
	assert_data_equal(tx->kventries[3]->key, "target");
	assert_data_equal(tx->kventries[3]->value, "behind");
	assert_data_equal(tx->kventries[3]->referencedby->key, "ref");
	assert_data_equal(tx->kventries[4]->key, "nothing");
	assert_int_equal(tx->kventries[4]->value.len, 0);
	assert_int_equal(tx->kventries[4]->referencedby->attx, 7);
	assert_data_equal(tx->zentries[0]->entry->value, "behind");
	assert_true(tx->zentries[0]->score == 1);
	assert_data_equal(tx->zentries[1]->set, "set");
	assert_data_equal(tx->zentries[1]->key, "nothing");
	assert_data_equal(tx->zentries[1]->entry->key, "nothing");
	assert_int_equal(tx->zentries[1]->entry->tx, 0);
	/* Nothing is looked up: a reference has its stored form but for the byte in front. */
	tx = tx_of(f, id, &s, true);
	assert_int_equal(tx->n_kventries, 5);
	assert_data_equal(tx->kventries[3]->key, "ref");
	assert_null(tx->kventries[3]->referencedby);
	assert_true(bytes_equal(
	    message_bytes(tx->kventries[3]->value), bytes_of("\0\0\0\0\0\0\0\0\0target", 15)));
	assert_int_equal(tx->n_zentries, 2);
	assert_int_equal(tx->zentries[0]->entry->value.len, 0);
	assert_data_equal(tx->zentries[0]->entry->key, "target");
}

static void
txs_refusals(void **state)
{
	struct fixture *f = *state;
	M(TxRequest) in = IMMUDB__SCHEMA__TX_REQUEST__INIT;
	struct specification s;

	assert_int_equal(ask(f, RPC_METHOD_TxById, &in.base, NULL), IM_ERR_ARGUMENT);
	assert_int_equal(f->status, IM_STATUS_INVALID_ARGUMENT);
	in.tx = 1;
	assert_int_equal(ask(f, RPC_METHOD_TxById, &in.base, NULL), IM_ERR_TX_NOT_FOUND);
	assert_int_equal(f->status, IM_STATUS_NOT_FOUND);
	assert_string_equal(err_detail(IM_ERR_TX_NOT_FOUND), "tx not found");
	write_value(f, "k", "v");
	in.sincetx = 2;
	assert_int_equal(ask(f, RPC_METHOD_TxById, &in.base, NULL), IM_ERR_ARGUMENT);
	in.sincetx = 1;
	in.nowait = true;
	assert_int_equal(ask(f, RPC_METHOD_TxById, &in.base, NULL), IM_OK);
	specify(&s, EXCLUDE, EXCLUDE, RESOLVE);
	in.entriesspec = &s.spec;
	assert_int_equal(ask(f, RPC_METHOD_TxById, &in.base, NULL), IM_ERR_UNIMPLEMENTED);
	specify(&s, 4, EXCLUDE, EXCLUDE);
	assert_int_equal(ask(f, RPC_METHOD_TxById, &in.base, NULL), IM_ERR_ARGUMENT);
}

/* A proof holds whatever is shown of the entries; with all digests they hash to the header. */
static void
txs_proven(void **state)
{
	struct fixture *f = *state;
	M(VerifiableTxRequest) in = IMMUDB__SCHEMA__VERIFIABLE_TX_REQUEST__INIT;
	M(VerifiableTx) *out = NULL;
	struct specification s;
	struct tx_point trusted, again;

	in.tx = write_everything(f);
	assert_int_equal(ask(f, RPC_METHOD_VerifiableTxById, &in.base, &out), IM_OK);
	assert_int_equal(out->tx->n_entries, 8);
	trusted = check_verifiable(f, out, (struct tx_point){0});
	specify(&s, RESOLVE, RESOLVE, RAW);
	in.entriesspec = &s.spec;
	in.provesincetx = 1;
	in.keepreferencesunresolved = true;
	assert_int_equal(ask(f, RPC_METHOD_VerifiableTxById, &in.base, &out), IM_OK);
	assert_int_equal(out->tx->n_kventries, 5);
	assert_int_equal(out->tx->n_zentries, 2);
	assert_int_equal(out->tx->n_entries, 1);
	again = check_verifiable(f, out, (struct tx_point){0});
	assert_true(hash_equal(&again.alh, &trusted.alh));
	in.provesincetx = 3;
	assert_int_equal(ask(f, RPC_METHOD_VerifiableTxById, &in.base, NULL), IM_ERR_ILLEGAL_STATE);
	assert_int_equal(f->status, IM_STATUS_INVALID_ARGUMENT);
	assert_string_equal(err_detail(IM_ERR_ILLEGAL_STATE),
	    "illegal state: latest txID=2 is lower than specified as initial tx=3");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_logged_in, fixture_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(txs_scan),
	    TEST(txs_scan_refusals),
	    TEST(txs_scan_too_large),
	    TEST(txs_kinds),
	    TEST(txs_resolved),
	    TEST(txs_refusals),
	    TEST(txs_proven),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
