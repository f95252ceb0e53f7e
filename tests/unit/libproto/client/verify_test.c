/*
 * Every lie of a server is caught: honest answers pass, and after a change of any one field of them
 * they do not, except for the fields named here, which nothing authenticates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "client/verify.h"
#include "fake_db.h"

/* Fields that no proof covers. What is shown of them is documented as not proven. */
static const char *const unauthenticated[] = {
    "Entry.revision", "TxEntry.vLen", "Signature.publicKey", NULL};

#define FORK_AT 9
#define LAST 13

struct world {
	struct fake_db db;
	struct fake_db fork; /* another history after transaction FORK_AT */
	struct arena arena;
	struct sign_public_key *key;
	struct sign_public_key *other_key;
};

static const char private_pem[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEIE4zNn01SN9MSRjgce/St+P5wZJ8FwZCOuVjxQXZd9phoAoGCCqGSM49\n"
    "AwEHoUQDQgAEPSIZ7zS4JoiCRBUwBFkL+EhpFnFJQRF9yj5JvpE61wO+iygMAoj0\n"
    "8eY+IAGK1PsNu+CQAlH5Iq0X4L6ZECakPg==\n"
    "-----END EC PRIVATE KEY-----\n";

/* The base point of the curve is as good a key as any other that is not ours. */
static const uint8_t other_point[SIGN_POINT_SIZE] = {0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42,
    0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33,
    0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f,
    0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e,
    0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};

static void
fill_db(struct fake_db *db, const char *tail)
{
	for (uint64_t id = 1; id <= LAST; id++) {
		const char *value = id > FORK_AT ? tail : "v";
		const struct fake_kv kvs[] = {{.key = "a", .value = value},
		    {.key = "b", .value = "", .metadata = {.non_indexable = true}},
		    {.key = "c",
			.value = "%s\n",
			.metadata = {.has_expiry = true, .expires_at = 4102444800}}};

		fake_db_append(db, kvs, 1 + id % 3);
	}
}

static int
setup_lag(void **state, uint64_t lag)
{
	struct world *w = calloc(1, sizeof *w);
	uint8_t point[SIGN_POINT_SIZE];

	assert_non_null(w);
	arena_init(&w->arena, 64u << 20);
	fake_db_init(&w->db);
	fake_db_init(&w->fork);
	w->db.lag = w->fork.lag = lag;
	assert_int_equal(sign_private_key_load(bytes_str(private_pem), "test", &w->db.key), IM_OK);
	w->fork.key = w->db.key;
	sign_private_key_point(w->db.key, point);
	assert_int_equal(sign_public_key_of_point(bytes_of(point, sizeof point), &w->key), IM_OK);
	assert_int_equal(
	    sign_public_key_of_point(bytes_of(other_point, sizeof other_point), &w->other_key),
	    IM_OK);
	fill_db(&w->db, "v");
	fill_db(&w->fork, "other");
	*state = w;
	return 0;
}

static int
setup(void **state)
{
	return setup_lag(state, 0);
}

/*
 * As databases of old servers are: the tree lags behind, so that linear advance proofs are needed.
 */
static int
setup_lagging(void **state)
{
	return setup_lag(state, 3);
}

static int
teardown(void **state)
{
	struct world *w = *state;

	sign_private_key_free(w->db.key);
	sign_public_key_free(w->key);
	sign_public_key_free(w->other_key);
	fake_db_free(&w->db);
	fake_db_free(&w->fork);
	arena_free(&w->arena);
	free(w);
	return 0;
}

/* One question and its answer. */
struct question {
	struct world *w;
	enum im_err (*check)(const struct question *q, const ProtobufCMessage *answer);
	uint64_t since;
	uint64_t tx;
	size_t entry;
	struct verify_outcome *outcome; /* may be NULL */
	bool is_target;
};

static struct verify_anchor
anchor(const struct world *w, uint64_t since)
{
	struct verify_anchor a = {.database = FAKE_NAME, .key = w->key};

	if (since > 0)
		a.from = fake_db_point(&w->db, since);
	return a;
}

static enum im_err
check_get(const struct question *q, const ProtobufCMessage *answer)
{
	struct verify_anchor a = anchor(q->w, q->since);
	struct bytes raw = q->w->db.txs[q->tx].entries[q->entry].key;
	struct verify_wanted wanted = {bytes_of(raw.data + 1, raw.len - 1), q->tx, q->is_target};
	struct verify_outcome outcome = {0};

	return verify_get(&a, &wanted, (const Immudb__Schema__VerifiableEntry *)answer,
	    &q->w->arena, q->outcome ? q->outcome : &outcome);
}

static enum im_err
check_tx(const struct question *q, const ProtobufCMessage *answer)
{
	struct verify_anchor a = anchor(q->w, q->since);
	struct verify_outcome outcome = {0};

	return verify_tx(&a, q->tx, (const Immudb__Schema__VerifiableTx *)answer, &q->w->arena,
	    q->outcome ? q->outcome : &outcome);
}

static enum im_err
check_set(const struct question *q, const ProtobufCMessage *answer)
{
	struct verify_anchor a = anchor(q->w, q->since);
	const struct fake_tx *tx = &q->w->db.txs[q->tx];
	struct verify_written written = {tx->entries, tx->header.nentries};
	struct verify_outcome outcome = {0};

	return verify_set(&a, &written, (const Immudb__Schema__VerifiableTx *)answer, &q->w->arena,
	    q->outcome ? q->outcome : &outcome);
}

static enum im_err
check_link(const struct question *q, const ProtobufCMessage *answer)
{
	struct verify_anchor a = anchor(q->w, q->since);
	struct tx_point point = fake_db_point(&q->w->db, q->tx);
	struct verify_outcome outcome = {0};

	return verify_link(&a, &point, (const Immudb__Schema__VerifiableTx *)answer, &q->w->arena,
	    q->outcome ? q->outcome : &outcome);
}

/* ---- Changing every field ---- */

struct tamper {
	const struct question *q;
	const ProtobufCMessage *answer;
	const char *message;
	const char *field;
	unsigned count;
};

static void
expect_refused(struct tamper *t, const char *change)
{
	char name[128];
	enum im_err err = t->q->check(t->q, t->answer);

	snprintf(name, sizeof name, "%s.%s", t->message, t->field);
	t->count++;
	if (err && err_exit_code(err) != IM_EXIT_VERIFICATION)
		fail_msg("%s (%s): %s is not a verification error", name, change, err_name(err));
	for (const char *const *u = unauthenticated; *u && !err; u++) {
		if (strcmp(name, *u) == 0)
			return;
	}
	if (!err)
		fail_msg("%s (%s) was believed: tx %llu since %llu", name, change,
		    (unsigned long long)t->q->tx, (unsigned long long)t->q->since);
}

static void tamper_message(struct tamper *t, ProtobufCMessage *m);

static void
tamper_bytes(struct tamper *t, ProtobufCBinaryData *b)
{
	static const uint8_t extra[1] = {0x5a};

	if (b->len == 0) {
		*b = (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t)extra};
		expect_refused(t, "one byte added");
		*b = (ProtobufCBinaryData){0};
		return;
	}
	b->data[0] ^= 1;
	expect_refused(t, "first byte");
	b->data[0] ^= 1;
	b->data[b->len - 1] ^= 0x80;
	expect_refused(t, "last byte");
	b->data[b->len - 1] ^= 0x80;
	b->len--;
	expect_refused(t, "one byte less");
	b->len++;
}

static void
tamper_message_field(struct tamper *t, ProtobufCMessage **m)
{
	ProtobufCMessage *whole = *m;
	struct tamper inner = *t;

	if (!whole)
		return;
	*m = NULL;
	expect_refused(t, "left out");
	*m = whole;
	tamper_message(&inner, whole);
	t->count += inner.count;
}

static void
tamper_value(struct tamper *t, const ProtobufCFieldDescriptor *f, void *at)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_BYTES:
		tamper_bytes(t, at);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		tamper_message_field(t, at);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)at ^= 1;
		expect_refused(t, "turned round");
		*(protobuf_c_boolean *)at ^= 1;
		break;
	case PROTOBUF_C_TYPE_INT32:
		for (unsigned bit = 0; bit < 32; bit += 31) {
			*(uint32_t *)at ^= 1u << bit;
			expect_refused(t, "one bit");
			*(uint32_t *)at ^= 1u << bit;
		}
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		for (unsigned bit = 0; bit < 64; bit += 63) {
			*(uint64_t *)at ^= UINT64_C(1) << bit;
			expect_refused(t, "one bit");
			*(uint64_t *)at ^= UINT64_C(1) << bit;
		}
		break;
	default:
		fail_msg("%s.%s is of a type that this test does not change", t->message, f->name);
	}
}

static void
tamper_repeated(struct tamper *t, const ProtobufCFieldDescriptor *f, size_t *n, uint8_t *items)
{
	size_t size = f->type == PROTOBUF_C_TYPE_BYTES ? sizeof(ProtobufCBinaryData)
						       : sizeof(ProtobufCMessage *);
	uint8_t kept[sizeof(ProtobufCBinaryData)];

	for (size_t i = 0; i < *n; i++) {
		struct tamper inner = *t;

		/* An element that is a message is always there. */
		if (f->type == PROTOBUF_C_TYPE_MESSAGE)
			tamper_message(&inner, *(ProtobufCMessage **)(items + i * size));
		else
			tamper_value(t, f, items + i * size);
	}
	if (*n == 0)
		return;
	if (*n > 1) {
		memcpy(kept, items, size);
		memmove(items, items + size, size);
		memcpy(items + size, kept, size);
		expect_refused(t, "first two changed places");
		memcpy(items + size, items, size);
		memcpy(items, kept, size);
	}
	/* A server may leave out the entries that were not asked for, all of them together. */
	if (*n == 1 && strcmp(f->name, "entries") == 0)
		return;
	(*n)--;
	expect_refused(t, "last one dropped");
	(*n)++;
}

static void
tamper_message(struct tamper *t, ProtobufCMessage *m)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		uint8_t *at = (uint8_t *)m + f->offset;

		/* Of a transaction only the raw entries are shown. */
		if (strcmp(f->name, "kvEntries") == 0 || strcmp(f->name, "zEntries") == 0)
			continue;
		t->message = m->descriptor->short_name;
		t->field = f->name;
		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			tamper_repeated(
			    t, f, (size_t *)((uint8_t *)m + f->quantifier_offset), *(uint8_t **)at);
		else
			tamper_value(t, f, at);
	}
}

/* The answer is believed as it is, and not after any change. */
static void
expect_only_truth(const struct question *q, ProtobufCMessage *answer)
{
	struct tamper t = {.q = q, .answer = answer};
	enum im_err err = q->check(q, answer);

	if (err)
		fail_msg("tx %llu since %llu: %s", (unsigned long long)q->tx,
		    (unsigned long long)q->since, err_detail(err));
	tamper_message(&t, answer);
	assert_true(t.count > 40);
}

static void
every_field_of_a_get(void **state)
{
	struct world *w = *state;
	static const uint64_t cases[][2] = {
	    {5, 0}, {1, 0}, {11, 5}, {12, 11}, {8, 8}, {4, 11}, {2, 3}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t tx = cases[i][0];
		size_t entry = w->db.txs[tx].header.nentries - 1;
		struct question q = {w, check_get, cases[i][1], tx, entry, NULL, false};

		expect_only_truth(
		    &q, &fake_verifiable_entry(&w->db, &w->arena, cases[i], entry)->base);
		arena_free(&w->arena);
	}
}

static void
every_field_of_a_tx(void **state)
{
	struct world *w = *state;
	static const uint64_t cases[][2] = {{5, 0}, {11, 2}, {8, 8}, {5, 12}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct question q = {w, check_tx, cases[i][1], cases[i][0], 0, NULL, false};

		expect_only_truth(
		    &q, &fake_verifiable_tx(&w->db, &w->arena, cases[i][0], cases[i][1])->base);
		arena_free(&w->arena);
	}
}

static void
every_field_of_a_set(void **state)
{
	struct world *w = *state;
	static const uint64_t cases[][2] = {{1, 0}, {11, 10}, {13, 4}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct question q = {w, check_set, cases[i][1], cases[i][0], 0, NULL, false};

		expect_only_truth(
		    &q, &fake_verifiable_tx(&w->db, &w->arena, cases[i][0], cases[i][1])->base);
		arena_free(&w->arena);
	}
}

/*
 * Bytes as they come from the wire, each one changed and the whole cut at each place: whatever they
 * decode to, what is believed is the transaction that was asked for.
 */
static void
every_byte_of_a_get(void **state)
{
	struct world *w = *state;
	struct verify_outcome outcome = {0};
	struct question q = {w, check_get, 5, 11, 0, &outcome, false};
	const ProtobufCMessage *honest =
	    &fake_verifiable_entry(&w->db, &w->arena, (uint64_t[]){11, 5}, 0)->base;
	size_t len = protobuf_c_message_get_packed_size(honest);
	uint8_t *packed = malloc(len);

	assert_non_null(packed);
	protobuf_c_message_pack(honest, packed);
	for (size_t i = 0; i < 2 * len; i++) {
		/* A copy of the exact size, so that reading past the end is noticed. */
		size_t size = i < len ? len : i - len;
		uint8_t *changed = malloc(size + 1);
		ProtobufCMessage *m;

		assert_non_null(changed);
		memcpy(changed, packed, size);
		if (i < len)
			changed[i] ^= (uint8_t)(1 + i % 255);
		arena_free(&w->arena);
		if (decode_message(&immudb__schema__verifiable_entry__descriptor,
			bytes_of(changed, size), &w->arena, &m) == IM_OK &&
		    q.check(&q, m) == IM_OK)
			assert_true(outcome.point.id == 11 &&
			    hash_equal(&outcome.point.alh, &w->db.txs[11].alh));
		free(changed);
	}
	free(packed);
}

static void
every_answer_to_another_question(void **state)
{
	struct world *w = *state;
	struct question get = {w, check_get, 3, 7, 0, NULL, false};
	struct question tx = {w, check_tx, 3, 7, 0, NULL, false};
	struct question set = {w, check_set, 7, 7, 0, NULL, false};
	const uint64_t other_tx[] = {8, 3}, other_since[] = {7, 4};
	struct arena *a = &w->arena;

	assert_int_equal(
	    get.check(&get, &fake_verifiable_entry(&w->db, a, other_tx, 0)->base), IM_ERR_PROOF);
	assert_int_equal(
	    get.check(&get, &fake_verifiable_entry(&w->db, a, other_since, 0)->base), IM_ERR_PROOF);
	get.tx = 5; /* whose first key is the same */
	assert_int_equal(
	    get.check(&get, &fake_verifiable_entry(&w->db, a, (uint64_t[]){5, 3}, 1)->base),
	    IM_ERR_PROOF);
	assert_int_equal(tx.check(&tx, &fake_verifiable_tx(&w->db, a, 8, 3)->base), IM_ERR_PROOF);
	/* A write that was there before: its transaction is not newer than the trusted one. */
	assert_int_equal(set.check(&set, &fake_verifiable_tx(&w->db, a, 7, 7)->base), IM_ERR_PROOF);
	set.since = 9;
	assert_int_equal(set.check(&set, &fake_verifiable_tx(&w->db, a, 7, 9)->base), IM_ERR_PROOF);
}

/* What is honest in a forked database is a lie to whoever trusts the other branch. */
static void
every_answer_of_a_fork(void **state)
{
	struct world *w = *state;
	struct arena *a = &w->arena;
	struct question tx = {w, check_tx, 11, 12, 0, NULL, false};
	struct question link = {w, check_link, 12, 11, 0, NULL, false};

	assert_int_equal(
	    tx.check(&tx, &fake_verifiable_tx(&w->fork, a, 12, 11)->base), IM_ERR_PROOF);
	assert_int_equal(
	    link.check(&link, &fake_verifiable_tx(&w->fork, a, 11, 12)->base), IM_ERR_STATE_FORKED);
	/* Before the fork both are right. */
	tx.since = link.since = FORK_AT;
	tx.tx = link.tx = 4;
	assert_int_equal(tx.check(&tx, &fake_verifiable_tx(&w->fork, a, 4, FORK_AT)->base), IM_OK);
	assert_int_equal(
	    link.check(&link, &fake_verifiable_tx(&w->fork, a, 4, FORK_AT)->base), IM_OK);
}

/* Every field of what a reference's answer proves: the reference itself and the key it names. */
static void
every_field_of_a_reference(void **state)
{
	struct world *w = *state;

	for (uint64_t at = 0; at <= 5; at += 5) {
		uint64_t tx = fake_db_reference(&w->db, "ref", "a", at);
		struct verify_outcome outcome = {0};
		struct question q = {w, check_get, 3, tx, 0, &outcome, false};
		Immudb__Schema__VerifiableEntry *m =
		    fake_verifiable_entry(&w->db, &w->arena, (uint64_t[]){tx, 3}, 0);
		struct tamper t = {&q, &m->base, NULL, NULL, 0};
		Immudb__Schema__Entry *entry = m->entry;

		assert_int_equal(q.check(&q, &m->base), IM_OK);
		assert_true(outcome.is_reference && outcome.target_tx == entry->tx);
		assert_true(bytes_equal(outcome.target, bytes_str("a")));
		tamper_message(&t, &m->verifiabletx->base);
		tamper_message(&t, &m->inclusionproof->base);
		t.message = "Reference";
		for (unsigned i = 0; i < entry->referencedby->base.descriptor->n_fields; i++) {
			const ProtobufCFieldDescriptor *f =
			    &entry->referencedby->base.descriptor->fields[i];

			t.field = f->name;
			if (strcmp(f->name, "revision") != 0)
				tamper_value(&t, f, (uint8_t *)entry->referencedby + f->offset);
		}
		t.message = "Entry";
		t.field = "key";
		tamper_bytes(&t, &entry->key);
		assert_true(t.count > 100);
	}
}

/* What a reference stands for cannot be a reference, nor the value of another transaction. */
static void
targets_of_references(void **state)
{
	struct world *w = *state;
	uint64_t tx = fake_db_reference(&w->db, "ref", "a", 5);
	struct question q = {w, check_get, 0, tx, 0, NULL, true};
	Immudb__Schema__VerifiableEntry *m =
	    fake_verifiable_entry(&w->db, &w->arena, (uint64_t[]){tx, 0}, 0);

	assert_int_equal(q.check(&q, &m->base), IM_ERR_PROOF);
	q.is_target = false;
	assert_int_equal(q.check(&q, &m->base), IM_OK);
	m->entry->tx = 4;
	assert_int_equal(q.check(&q, &m->base), IM_ERR_PROOF);
	m->entry->tx = 5;
	m->entry->referencedby = NULL;
	assert_int_equal(q.check(&q, &m->base), IM_ERR_PROOF);
}

/* References and members are written like any entry: nothing else may be in the transaction. */
static void
every_field_of_other_writes(void **state)
{
	struct world *w = *state;
	uint64_t txs[] = {fake_db_reference(&w->db, "ref", "a", 0),
	    fake_db_reference(&w->db, "bound", "a", 5), fake_db_zadd(&w->db, "set", -1.5, "a")};

	for (size_t i = 0; i < sizeof txs / sizeof *txs; i++) {
		struct question q = {w, check_set, 3, txs[i], 0, NULL, false};
		Immudb__Schema__VerifiableTx *m = fake_verifiable_tx(&w->db, &w->arena, txs[i], 3);
		struct tamper t = {&q, &m->base, NULL, NULL, 0};

		assert_int_equal(q.check(&q, &m->base), IM_OK);
		tamper_message(&t, &m->base);
		assert_true(t.count > 100);
	}
}

static void
signatures(void **state)
{
	struct world *w = *state;
	struct question q = {w, check_tx, 3, 7, 0, NULL, false};
	Immudb__Schema__VerifiableTx *m = fake_verifiable_tx(&w->db, &w->arena, 7, 3);
	struct sign_public_key *key = w->key;

	w->key = w->other_key;
	assert_int_equal(q.check(&q, &m->base), IM_ERR_SIGNATURE);
	w->key = key;
	/* A good signature of another state. */
	m->signature = fake_signature(&w->db, &w->arena, 8);
	assert_int_equal(q.check(&q, &m->base), IM_ERR_SIGNATURE);
	m->signature = NULL;
	assert_int_equal(q.check(&q, &m->base), IM_ERR_SIGNATURE_MISSING);
	w->key = NULL;
	assert_int_equal(q.check(&q, &m->base), IM_OK);
	w->key = key;
}

static void
states(void **state)
{
	struct world *w = *state;
	struct verify_anchor a = anchor(w, 0), at_last = anchor(w, LAST);
	Immudb__Schema__ImmutableState *m = fake_state(&w->db, &w->arena);
	struct trust_state s;

	assert_int_equal(verify_state(&a, m, &s), IM_OK);
	assert_true(s.point.id == LAST && s.signature_len > 0);
	assert_int_equal(verify_state(&at_last, m, &s), IM_OK);
	a.database = "otherdb";
	assert_int_equal(verify_state(&a, m, &s), IM_ERR_PROOF);
	a.database = FAKE_NAME;
	m->txhash.len--;
	assert_int_equal(verify_state(&a, m, &s), IM_ERR_PROOF);
	m->txhash.len++;
	m->txhash.data[3] ^= 1;
	assert_int_equal(verify_state(&a, m, &s), IM_ERR_SIGNATURE);
	a.key = at_last.key = NULL;
	assert_int_equal(verify_state(&at_last, m, &s), IM_ERR_STATE_FORKED);
	m->txid--;
	assert_int_equal(verify_state(&at_last, m, &s), IM_ERR_STATE_OLDER);
	m->txid = 0;
	assert_int_equal(verify_state(&a, m, &s), IM_ERR_PROOF);
}

/* Outcomes carry the newer of both states, and adjacency is seen exactly where it is. */
static void
adjacency(void **state)
{
	struct world *w = *state;
	struct verify_outcome next = {0};
	struct question q = {w, check_tx, 4, 0, 0, &next, false};

	for (q.tx = 5; q.tx <= LAST; q.tx++) {
		assert_int_equal(
		    q.check(&q, &fake_verifiable_tx(&w->db, &w->arena, q.tx, 4)->base), IM_OK);
		assert_true(next.state.point.id == q.tx);
		for (uint64_t before = 1; before <= LAST; before++)
			assert_int_equal(verify_follows(&w->db.txs[before].header, &next),
			    before + 1 == q.tx && w->db.lag == 0);
		assert_int_equal(verify_follows(&w->fork.txs[q.tx - 1].header, &next),
		    q.tx - 1 <= FORK_AT && w->db.lag == 0);
	}
	/* The first transactions, whose trees are empty or have one leaf. */
	q.since = 0;
	for (q.tx = 1; q.tx <= 3; q.tx++) {
		assert_int_equal(
		    q.check(&q, &fake_verifiable_tx(&w->db, &w->arena, q.tx, 0)->base), IM_OK);
		if (q.tx > 1)
			assert_int_equal(
			    verify_follows(&w->db.txs[q.tx - 1].header, &next), w->db.lag == 0);
	}
	/* A header with the right Alh but another tree does not follow. */
	struct tx_header other = w->db.txs[2].header;
	if (w->db.lag == 0) {
		assert_true(verify_follows(&other, &next));
		next.before_root.b[0] ^= 1;
		assert_false(verify_follows(&other, &next));
	}
}

#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, setup, teardown), \
	    cmocka_unit_test_setup_teardown(f, setup_lagging, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(every_field_of_a_get),
	    TEST(every_byte_of_a_get),
	    TEST(every_field_of_a_tx),
	    TEST(every_field_of_a_set),
	    TEST(every_answer_to_another_question),
	    TEST(every_answer_of_a_fork),
	    TEST(every_field_of_a_reference),
	    TEST(targets_of_references),
	    TEST(every_field_of_other_writes),
	    TEST(signatures),
	    TEST(states),
	    TEST(adjacency),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
