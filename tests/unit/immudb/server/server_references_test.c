/*
 * Reading through references, bound and not: by key, in lists, behind a proof; references that lead
 * nowhere, and a chain of them.
 */
#include "engine_writes.h"

#define NOW_FAR INT64_MAX

static int
fixture_logged_in(void **state)
{
	return fixture_started(state) == 0 && login(*state, "immudb", "immudb") == IM_OK ? 0 : -1;
}

static M(Entry) * get_ok(struct fixture *f, const char *key)
{
	M(KeyRequest) in = key_request(key);
	M(Entry) *e = NULL;

	assert_int_equal(get(f, &in, &e), IM_OK);
	return e;
}

static void
assert_missing(struct fixture *f, const char *key)
{
	M(KeyRequest) in = key_request(key);

	assert_int_equal(get(f, &in, NULL), IM_ERR_KEY_NOT_FOUND);
	assert_int_equal(f->status, IM_STATUS_NOT_FOUND);
}

/* What is shown is the target's, but for referencedBy. */
static void
references_are_followed(void **state)
{
	struct fixture *f = *state;
	M(KeyRequest) in = key_request("ref");
	M(Entry) * e;

	write_value(f, "target", "one");
	write_reference(f, "ref", "target", 0);
	write_value(f, "target", "two");
	e = get_ok(f, "ref");
	assert_data_equal(e->key, "target");
	assert_data_equal(e->value, "two");
	assert_int_equal(e->tx, 3);
	assert_int_equal(e->revision, 2);
	assert_non_null(e->referencedby);
	assert_data_equal(e->referencedby->key, "ref");
	assert_int_equal(e->referencedby->tx, 2);
	assert_int_equal(e->referencedby->attx, 0);
	assert_int_equal(e->referencedby->revision, 1);
	assert_null(e->referencedby->metadata);
	assert_null(get_ok(f, "target")->referencedby);
	/* The reference as it was written; it follows the newest value. */
	in.attx = 2;
	assert_int_equal(get(f, &in, &e), IM_OK);
	assert_data_equal(e->value, "two");
	assert_int_equal(e->referencedby->revision, 0);
	in.attx = 0;
	in.atrevision = 1;
	assert_int_equal(get(f, &in, &e), IM_OK);
	assert_data_equal(e->value, "two");
}

static void
references_are_bound(void **state)
{
	struct fixture *f = *state;
	M(Entry) * e;

	write_value(f, "target", "one");
	write_value(f, "target", "two");
	write_reference(f, "ref", "target", 1);
	write_value(f, "target", "three");
	e = get_ok(f, "ref");
	assert_data_equal(e->value, "one");
	assert_int_equal(e->tx, 1);
	assert_int_equal(e->revision, 0);
	assert_int_equal(e->referencedby->attx, 1);
	/* What is bound stays, also when the key is gone. */
	write_deletion(f, "target");
	assert_data_equal(get_ok(f, "ref")->value, "one");
	assert_missing(f, "target");
	/* Bound to a transaction that lacks the key, or deleted it, or is not there. */
	write_reference(f, "lacking", "target", 3);
	assert_missing(f, "lacking");
	write_reference(f, "deleted", "target", 5);
	assert_missing(f, "deleted");
	write_reference(f, "future", "target", 1000);
	assert_missing(f, "future");
}

static void
references_lead_nowhere(void **state)
{
	struct fixture *f = *state;

	write_reference(f, "missing", "nothing", 0);
	assert_missing(f, "missing");
	write_value(f, "gone", "v");
	write_reference(f, "to-gone", "gone", 0);
	assert_data_equal(get_ok(f, "to-gone")->value, "v");
	write_deletion(f, "gone");
	assert_missing(f, "to-gone");
	write_value(f, "gone", "back");
	assert_data_equal(get_ok(f, "to-gone")->value, "back");
	write_expiring(f, "old", "v", 1);
	write_reference(f, "to-old", "old", 0);
	assert_missing(f, "to-old");
	write_expiring(f, "old", "v", NOW_FAR);
	assert_int_equal(get_ok(f, "to-old")->metadata->expiration->expiresat, NOW_FAR);
	/* The reference itself is deleted. */
	write_deletion(f, "to-old");
	assert_missing(f, "to-old");
}

/*
 * A deleted key that comes back as a reference makes one of a reference to it: one step is
 * followed.
 */
static void
references_are_followed_once(void **state)
{
	struct fixture *f = *state;
	M(KeyRequest) in = key_request("a");

	write_value(f, "c", "v");
	write_reference(f, "b", "c", 0);
	write_reference(f, "a", "b", 0);
	assert_data_equal(get_ok(f, "b")->value, "v");
	assert_int_equal(get(f, &in, NULL), IM_ERR_RESOLUTION);
	assert_int_equal(f->status, IM_STATUS_FAILED_PRECONDITION);
	assert_string_equal(err_detail(IM_ERR_RESOLUTION),
	    "max key resolution limit reached. It may be due to cyclic references");
	/* A reference to itself. */
	write_reference(f, "c", "c", 0);
	in = key_request("c");
	assert_int_equal(get(f, &in, NULL), IM_ERR_RESOLUTION);
}

/* Lists show what a reference stands for, and leave out what leads nowhere. */
static void
references_in_lists(void **state)
{
	struct fixture *f = *state;
	M(ScanRequest) scan = IMMUDB__SCHEMA__SCAN_REQUEST__INIT;
	M(KeyListRequest) keys = IMMUDB__SCHEMA__KEY_LIST_REQUEST__INIT;
	ProtobufCBinaryData list[4];
	M(Entries) *out = NULL;

	write_value(f, "t", "v");
	write_reference(f, "r1", "t", 0);
	write_reference(f, "r2", "nothing", 0);
	write_reference(f, "r3", "r1", 0);
	write_reference(f, "r4", "t", 1);
	assert_int_equal(ask(f, RPC_METHOD_Scan, &scan.base, &out), IM_OK);
	assert_int_equal(out->n_entries, 3);
	assert_data_equal(out->entries[0]->key, "t");
	assert_data_equal(out->entries[0]->referencedby->key, "r1");
	assert_data_equal(out->entries[1]->referencedby->key, "r4");
	assert_int_equal(out->entries[1]->referencedby->attx, 1);
	assert_null(out->entries[2]->referencedby);
	list[0] = message_data(bytes_str("r3"));
	list[1] = message_data(bytes_str("r1"));
	list[2] = message_data(bytes_str("r2"));
	list[3] = message_data(bytes_str("t"));
	keys.keys = list;
	keys.n_keys = 4;
	assert_int_equal(ask(f, RPC_METHOD_GetAll, &keys.base, &out), IM_OK);
	assert_int_equal(out->n_entries, 2);
	assert_data_equal(out->entries[0]->referencedby->key, "r1");
	assert_data_equal(out->entries[1]->key, "t");
}

/* Checks that a raw entry is in the transaction of an answer. */
static enum im_err
check_entry(struct fixture *f, const M(VerifiableEntry) * m, struct bytes key, struct bytes value)
{
	struct tx_header header = header_of(m->verifiabletx->tx->header);
	struct inclusion_proof proof = {(uint32_t)m->inclusionproof->leaf,
	    (uint32_t)m->inclusionproof->width,
	    list_of(&f->arena, m->inclusionproof->n_terms, m->inclusionproof->terms)};
	struct entry_parts parts = {.md = bytes_of(NULL, 0)};

	assert_int_equal(raw_key_make(&f->arena, key, &parts.key), IM_OK);
	hash_sha256(value, &parts.hval);
	return proof_check_entry(&proof, &parts, &header);
}

/*
 * The reference is proven by the first answer, the value by a second one about the target's
 * version.
 */
static void
references_are_proven(void **state)
{
	struct fixture *f = *state;
	M(VerifiableGetRequest) in = IMMUDB__SCHEMA__VERIFIABLE_GET_REQUEST__INIT;
	M(KeyRequest) key = key_request("ref");
	M(VerifiableEntry) *out = NULL;
	struct tx_point trusted;
	struct bytes reference, value;

	write_value(f, "target", "value");
	write_value(f, "other", "value");
	write_reference(f, "ref", "target", 0);
	in.keyrequest = &key;
	assert_int_equal(ask(f, RPC_METHOD_VerifiableGet, &in.base, &out), IM_OK);
	assert_int_equal(out->verifiabletx->tx->header->id, 3);
	assert_data_equal(out->entry->key, "target");
	trusted = check_verifiable(f, out->verifiabletx, (struct tx_point){0});
	assert_int_equal(raw_value_make_reference(&f->arena, message_bytes(out->entry->key),
			     out->entry->referencedby->attx, &reference),
	    IM_OK);
	assert_int_equal(check_entry(f, out, bytes_str("ref"), reference), IM_OK);
	assert_int_equal(raw_value_make_reference(&f->arena, bytes_str("other"),
			     out->entry->referencedby->attx, &reference),
	    IM_OK);
	assert_int_equal(check_entry(f, out, bytes_str("ref"), reference), IM_ERR_PROOF);
	/* The value behind it. */
	key = key_request("target");
	key.attx = out->entry->tx;
	in.provesincetx = trusted.id;
	assert_int_equal(ask(f, RPC_METHOD_VerifiableGet, &in.base, &out), IM_OK);
	check_verifiable(f, out->verifiabletx, trusted);
	assert_int_equal(out->verifiabletx->tx->header->id, 1);
	assert_int_equal(
	    raw_value_make(&f->arena, message_bytes(out->entry->value), &value), IM_OK);
	assert_int_equal(check_entry(f, out, bytes_str("target"), value), IM_OK);
	assert_int_equal(raw_value_make(&f->arena, bytes_str("valuf"), &value), IM_OK);
	assert_int_equal(check_entry(f, out, bytes_str("target"), value), IM_ERR_PROOF);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_logged_in, fixture_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(references_are_followed),
	    TEST(references_are_bound),
	    TEST(references_lead_nowhere),
	    TEST(references_are_followed_once),
	    TEST(references_in_lists),
	    TEST(references_are_proven),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
