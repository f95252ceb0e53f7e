/*
 * Evidence: each verdict's file is made, checked again, worth what it can be worth, and refused
 * when it is of something that did not happen or when a byte of it is changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "client/evidence.h"
#include "client/offline_container.h"
#include "fake_db.h"
#include "fake_keys.h"
#include "temp_dir.h"
#include "util/file.h"

#define SERVER "c9b1p4a5gk3s0h9o1q20"
#define OTHER_SERVER "c9b1p4a5gk3s0h9o1q2g"
#define ARENA_MAX (256u << 20)
#define FLOOD_TERMS 1000000
#define COMMON 5 /* transactions that both histories have */
#define TRUSTED 9
#define SEEN 14

/* Two histories with one beginning: what was trusted, and what the server says now. */
struct two {
	struct fake_db a, b;
	struct arena arena;
	char folder[TEMP_DIR_MAX], key[TEMP_DIR_MAX + 32], other_key[TEMP_DIR_MAX + 32];
	struct trust_state trusted, seen;
	struct evidence_source source;
};

static void
sign_state(const struct sign_private_key *key, struct trust_state *s)
{
	struct sign_state state = {bytes_str(FAKE_NAME), s->point.id, s->point.alh};

	assert_int_equal(sign_make(key, &state, s->signature, &s->signature_len), IM_OK);
}

static struct trust_state
signed_state(const struct fake_db *db, uint64_t tx)
{
	struct trust_state s = {.point = fake_db_point(db, tx)};

	sign_state(db->key, &s);
	return s;
}

static int
setup(void **state)
{
	struct two *t = calloc(1, sizeof *t);
	int i;

	assert_non_null(t);
	temp_dir_make(t->folder);
	snprintf(t->key, sizeof t->key, "%s/key.pem", t->folder);
	snprintf(t->other_key, sizeof t->other_key, "%s/other.pem", t->folder);
	assert_int_equal(file_replace(t->key, bytes_str(fake_public_pem)), IM_OK);
	assert_int_equal(file_replace(t->other_key, bytes_str(fake_other_public_pem)), IM_OK);
	arena_init(&t->arena, ARENA_MAX);
	fake_db_init(&t->a);
	fake_db_init(&t->b);
	for (i = 1; i <= SEEN; i++) {
		fake_db_set(&t->a, "k", "value");
		fake_db_set(&t->b, "k", i <= COMMON ? "value" : "another");
	}
	assert_int_equal(
	    sign_private_key_load(bytes_str(fake_private_pem), "test", &t->a.key), IM_OK);
	t->b.key = t->a.key;
	t->trusted = signed_state(&t->a, TRUSTED);
	t->seen = signed_state(&t->b, SEEN);
	t->source = (struct evidence_source){.verdict = "forked",
	    .reason = "expected one history, and there are two",
	    .server_id = SERVER,
	    .database = FAKE_NAME,
	    .address = "127.0.0.1:3322",
	    .program = "test",
	    .trusted = &t->trusted,
	    .trusted_at = 1700000000,
	    .seen = &t->seen,
	    .seen_at = 1700000300,
	    .suspect_from = COMMON + 1,
	    .suspect_to = TRUSTED};
	*state = t;
	return 0;
}

static int
teardown(void **state)
{
	struct two *t = *state;

	sign_private_key_free(t->a.key);
	fake_db_free(&t->a);
	fake_db_free(&t->b);
	arena_free(&t->arena);
	temp_dir_remove(t->folder);
	free(t);
	return 0;
}

static struct immu_bytes
make(struct two *t)
{
	struct immu_bytes file = {NULL, 0};

	assert_int_equal(evidence_make(&t->source, &t->arena, &file), IM_OK);
	return file;
}

/* Checks what the source makes; the worth only counts when the file holds. */
static void
expect(struct two *t, const char *key, enum im_err err, enum immu_evidence_worth worth)
{
	struct immu_proof_options o = {.pub_key_file = key};
	struct immu_proof_report *r;
	enum im_err found = immu_proof_check(make(t), &o, &r);

	if (found != err)
		fail_msg("%s: %s", t->source.verdict, r->error_text);
	assert_int_equal(r->kind, IMMU_PROOF_EVIDENCE);
	assert_non_null(r->evidence);
	if (!err && r->evidence->worth != worth)
		fail_msg(
		    "%s: worth %d, not %d", t->source.verdict, (int)r->evidence->worth, (int)worth);
	if (!err) {
		assert_true(*r->evidence->worth_text);
		assert_true(r->not_proven_len >= 3);
	}
	immu_proof_report_free(r);
}

/* ---- Two histories ---- */

static void
all_that_it_says(void **state)
{
	struct two *t = *state;
	struct immu_proof_report *r;
	const struct immu_evidence *e;

	t->source.other_server_id = OTHER_SERVER;
	t->source.link = fake_verifiable_tx(&t->b, &t->arena, TRUSTED, SEEN);
	assert_int_equal(immu_proof_check(make(t), NULL, &r), IM_OK);
	e = r->evidence;
	assert_string_equal(r->server_id, SERVER);
	assert_string_equal(r->database, FAKE_NAME);
	assert_string_equal(r->address, "127.0.0.1:3322");
	assert_string_equal(r->program, "test");
	assert_int_equal(r->trusted.tx, TRUSTED);
	assert_true(r->trusted.is_signed && e->seen.is_signed && e->has_seen);
	assert_memory_equal(r->trusted.hash, t->a.txs[TRUSTED].alh.b, HASH_SIZE);
	assert_int_equal(e->seen.tx, SEEN);
	assert_memory_equal(e->seen.hash, t->b.txs[SEEN].alh.b, HASH_SIZE);
	assert_string_equal(e->verdict, "forked");
	assert_string_equal(e->reason, "expected one history, and there are two");
	assert_string_equal(e->other_server_id, OTHER_SERVER);
	assert_true(e->trusted_at == 1700000000 && e->seen_at == 1700000300);
	assert_true(e->suspect_from == COMMON + 1 && e->suspect_to == TRUSTED);
	assert_false(r->signature_checked);
	immu_proof_report_free(r);
}

static void
two_hashes_of_one_transaction(void **state)
{
	struct two *t = *state;
	const char *both[] = {t->other_key, t->key};
	struct immu_proof_options o = {.more_pub_key_files = both, .more_pub_key_files_len = 2};
	struct immu_proof_report *r;

	t->seen = signed_state(&t->b, TRUSTED);
	expect(t, NULL, IM_OK, IMMU_EVIDENCE_REPEATED);
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_SIGNED);
	expect(t, t->other_key, IM_ERR_SIGNATURE, 0);
	/* After a rotation either key will do. */
	assert_int_equal(immu_proof_check(make(t), &o, &r), IM_OK);
	assert_int_equal(r->evidence->worth, IMMU_EVIDENCE_SIGNED);
	assert_true(r->signature_checked);
	immu_proof_report_free(r);
	both[1] = "/nonexistent";
	assert_int_equal(immu_proof_check(make(t), &o, &r), IM_ERR_KEY_FILE);
	immu_proof_report_free(r);
	t->seen.signature_len = 0;
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_REPEATED);
	/* The same state twice is no fork. */
	t->seen = t->trusted;
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_CLAIM);
}

static void
linked_histories(void **state)
{
	struct two *t = *state;

	t->source.link = fake_verifiable_tx(&t->b, &t->arena, TRUSTED, SEEN);
	expect(t, NULL, IM_OK, IMMU_EVIDENCE_REPEATED);
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_SIGNED);
	/* The answer that did not verify may come along. */
	t->source.tx = fake_verifiable_tx(&t->b, &t->arena, SEEN, TRUSTED);
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_SIGNED);
	/* Without the link that answer is all there is. */
	t->source.link = NULL;
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_REPEATED);
	/* The fork may be behind what was trusted. */
	t->source.tx = NULL;
	t->source.link = fake_verifiable_tx(&t->a, &t->arena, TRUSTED - 1, TRUSTED);
	t->seen = signed_state(&t->b, TRUSTED - 1);
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_SIGNED);
	/* Of two states of one transaction it may be in either history. */
	t->seen = signed_state(&t->b, TRUSTED);
	t->source.link = fake_verifiable_tx(&t->b, &t->arena, TRUSTED, TRUSTED);
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_SIGNED);
	t->source.link = fake_verifiable_tx(&t->a, &t->arena, TRUSTED, TRUSTED);
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_SIGNED);
	/* A signature of another state is none. */
	t->seen.signature[t->seen.signature_len - 1] ^= 1;
	expect(t, t->key, IM_ERR_SIGNATURE, 0);
}

static void
links_that_show_nothing(void **state)
{
	struct two *t = *state;

	/* One history. */
	t->seen = signed_state(&t->a, SEEN);
	t->source.link = fake_verifiable_tx(&t->a, &t->arena, TRUSTED, SEEN);
	expect(t, t->key, IM_ERR_PROOF, 0);
	/* Another transaction than the older one. */
	t->source.link = fake_verifiable_tx(&t->a, &t->arena, TRUSTED - 1, SEEN);
	expect(t, t->key, IM_ERR_PROOF, 0);
	/* A proof that does not hold. */
	t->seen = signed_state(&t->b, SEEN);
	t->source.link = fake_verifiable_tx(&t->b, &t->arena, TRUSTED, SEEN);
	t->source.link->dualproof->sourcetxheader->eh.data[0] ^= 1;
	expect(t, t->key, IM_ERR_PROOF, 0);
}

/* ---- Answers ---- */

static void
a_transaction_that_fails(void **state)
{
	struct two *t = *state;
	Immudb__Schema__VerifiableTx *m = fake_verifiable_tx(&t->a, &t->arena, SEEN, TRUSTED);

	t->source.verdict = "tampered";
	t->source.tx = m;
	t->seen = signed_state(&t->a, SEEN);
	expect(t, NULL, IM_ERR_PROOF, 0);
	m->tx->entries[0]->hvalue.data[3] ^= 1;
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_REPEATED);
	m->tx->entries[0]->hvalue.data[3] ^= 1;
	m->tx->header->ts++;
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_REPEATED);
	m->tx->header->ts--;
	expect(t, NULL, IM_ERR_PROOF, 0);
	m->dualproof = NULL;
	expect(t, NULL, IM_OK, IMMU_EVIDENCE_REPEATED);
	m->tx->header = NULL;
	expect(t, NULL, IM_OK, IMMU_EVIDENCE_REPEATED);
	m->tx = NULL;
	expect(t, NULL, IM_OK, IMMU_EVIDENCE_CLAIM);
}

/* At first contact nothing is trusted: an answer is judged by the state that was shown. */
static void
a_transaction_of_another_history(void **state)
{
	struct two *t = *state;

	t->source.verdict = "tampered";
	t->source.trusted = NULL;
	t->source.tx = fake_verifiable_tx(&t->a, &t->arena, 7, 0);
	expect(t, NULL, IM_OK, IMMU_EVIDENCE_REPEATED);
	t->source.tx = fake_verifiable_tx(&t->b, &t->arena, 7, SEEN);
	expect(t, NULL, IM_ERR_PROOF, 0);
	t->source.seen = NULL;
	t->source.tx = fake_verifiable_tx(&t->a, &t->arena, 7, 0);
	expect(t, NULL, IM_ERR_PROOF, 0);
}

static void
an_entry_that_fails(void **state)
{
	struct two *t = *state;
	Immudb__Schema__VerifiableEntry *m =
	    fake_verifiable_entry(&t->a, &t->arena, (uint64_t[]){7, SEEN}, 0);

	t->source.verdict = "tampered";
	t->source.entry = m;
	t->seen = signed_state(&t->a, SEEN);
	expect(t, NULL, IM_ERR_PROOF, 0);
	m->entry->value.data[0] ^= 1;
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_REPEATED);
	m->entry->value.data[0] ^= 1;
	m->entry->key = fake_bytes(&t->arena, bytes_of(NULL, 0));
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_REPEATED);
	m->inclusionproof = NULL;
	m->verifiabletx = NULL;
	expect(t, NULL, IM_OK, IMMU_EVIDENCE_REPEATED);
	m->entry = NULL;
	expect(t, NULL, IM_OK, IMMU_EVIDENCE_CLAIM);
}

/* A reference that the server shows with another target. */
static void
a_reference_that_fails(void **state)
{
	struct two *t = *state;
	uint64_t tx = fake_db_reference(&t->a, "ref", "k", 0);
	Immudb__Schema__VerifiableEntry *m =
	    fake_verifiable_entry(&t->a, &t->arena, (uint64_t[]){tx, tx}, 0);

	t->source.verdict = "tampered";
	t->source.entry = m;
	t->seen = signed_state(&t->a, tx);
	expect(t, NULL, IM_ERR_PROOF, 0);
	m->entry->key.data[0] ^= 1;
	expect(t, NULL, IM_OK, IMMU_EVIDENCE_REPEATED);
}

/* ---- The other verdicts ---- */

static void
rolled_back(void **state)
{
	struct two *t = *state;

	t->source.verdict = "rolled-back";
	t->seen = signed_state(&t->a, TRUSTED - 1);
	expect(t, NULL, IM_OK, IMMU_EVIDENCE_REPEATED);
	/* An old signature is no new one: it does not say when the server showed it. */
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_REPEATED);
	t->seen = signed_state(&t->a, TRUSTED);
	expect(t, t->key, IM_ERR_PROOF, 0);
	t->source.seen = NULL;
	expect(t, t->key, IM_ERR_PROOF, 0);
}

/* A notice of a restore to what the states of b have in common with a. */
struct announced {
	struct restore_notice notice;
	Immudb__Schema__Signature signature;
	Immudb__Schema__RestoreNotice message;
	uint8_t der[SIGN_DER_MAX];
};

static void
announce(struct two *t, struct announced *a)
{
	Immudb__Schema__RestoreNotice *m = &a->message;
	size_t len;

	assert_int_equal(restore_notice_sign(t->a.key, &a->notice, a->der, &len), IM_OK);
	immudb__schema__signature__init(&a->signature);
	a->signature.signature = (ProtobufCBinaryData){len, a->der};
	immudb__schema__restore_notice__init(m);
	m->serverid = (char *)(uintptr_t)a->notice.server_id.data;
	m->database = (char *)(uintptr_t)a->notice.database.data;
	m->actor = (char *)(uintptr_t)a->notice.actor.data;
	m->fromtx = a->notice.from.id;
	if (m->fromtx > 0)
		m->fromhash = (ProtobufCBinaryData){HASH_SIZE, a->notice.from.alh.b};
	m->totx = a->notice.to.id;
	m->tohash = (ProtobufCBinaryData){HASH_SIZE, a->notice.to.alh.b};
	m->at = a->notice.at_ms;
	m->signature = &a->signature;
	t->source.notice = m;
}

static void
announced(void **state)
{
	struct two *t = *state;
	struct announced a = {.notice = {.server_id = bytes_str(SERVER),
				  .database = bytes_str(FAKE_NAME),
				  .from = fake_db_point(&t->a, TRUSTED),
				  .to = fake_db_point(&t->a, COMMON),
				  .at_ms = 1700000200123,
				  .actor = bytes_str("immudb")}};
	const struct restore_notice right = a.notice;
	struct immu_proof_report *r;

	t->source.verdict = "rolled-back-announced";
	t->seen = signed_state(&t->a, COMMON);
	expect(t, t->key, IM_ERR_PROOF, 0); /* no notice */
	announce(t, &a);
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_REPEATED);
	expect(t, NULL, IM_OK, IMMU_EVIDENCE_REPEATED);
	expect(t, t->other_key, IM_ERR_SIGNATURE, 0);
	assert_int_equal(immu_proof_check(make(t), NULL, &r), IM_OK);
	assert_non_null(
	    strstr(r->evidence->restore, "immudb restored the database at 2023-11-14T"));
	immu_proof_report_free(r);
	a.message.at++;
	expect(t, t->key, IM_ERR_SIGNATURE, 0);
	/* Of another server, of other transactions, of a state that is not there yet. */
	a.notice.server_id = bytes_str("c9b1p4a5gk3s0h9o1q2g");
	announce(t, &a);
	expect(t, t->key, IM_ERR_PROOF, 0);
	a.notice = right;
	a.notice.from = fake_db_point(&t->a, TRUSTED - 1);
	announce(t, &a);
	expect(t, t->key, IM_ERR_PROOF, 0);
	a.notice = right;
	a.notice.to = fake_db_point(&t->a, COMMON + 1);
	announce(t, &a);
	expect(t, t->key, IM_ERR_PROOF, 0);
	/* A notice that does not count may be in evidence of another kind. */
	t->source.verdict = "rolled-back";
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_REPEATED);
	/* What was restored has grown past what was trusted: the link has to show it. */
	t->source.verdict = "rolled-back-announced";
	a.notice = right;
	announce(t, &a);
	t->seen = signed_state(&t->b, SEEN);
	expect(t, t->key, IM_ERR_PROOF, 0);
	t->source.link = fake_verifiable_tx(&t->b, &t->arena, TRUSTED, SEEN);
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_REPEATED);
	/* A hash that is none. */
	a.message.tohash.len--;
	expect(t, t->key, IM_ERR_PROOF, 0);
}

static void
emptied(void **state)
{
	struct two *t = *state;

	t->source.verdict = "emptied";
	expect(t, NULL, IM_ERR_PROOF, 0);
	t->seen = (struct trust_state){0};
	expect(t, NULL, IM_OK, IMMU_EVIDENCE_REPEATED);
	t->source.seen = NULL;
	expect(t, NULL, IM_OK, IMMU_EVIDENCE_CLAIM);
	t->source.trusted = NULL;
	expect(t, NULL, IM_ERR_PROOF, 0);
}

static void
identity_changed(void **state)
{
	struct two *t = *state;

	t->source.verdict = "identity-changed";
	expect(t, NULL, IM_ERR_PROOF, 0);
	t->source.other_server_id = OTHER_SERVER;
	expect(t, NULL, IM_OK, IMMU_EVIDENCE_CLAIM);
	t->source.other_server_id = SERVER;
	expect(t, NULL, IM_ERR_PROOF, 0);
}

static void
signatures(void **state)
{
	struct two *t = *state;

	t->source.verdict = "signature-missing";
	expect(t, t->key, IM_ERR_PROOF, 0);
	t->seen.signature_len = 0;
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_REPEATED);
	t->source.verdict = "signature-wrong";
	expect(t, t->key, IM_ERR_PROOF, 0);
	t->seen = signed_state(&t->b, SEEN);
	expect(t, t->key, IM_ERR_PROOF, 0);
	expect(t, NULL, IM_OK, IMMU_EVIDENCE_CLAIM);
	t->seen.point.alh.b[0] ^= 1;
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_REPEATED);
	/* What was trusted must be signed by the reader's key in any case. */
	expect(t, t->other_key, IM_ERR_SIGNATURE, 0);
}

static void
what_is_no_evidence(void **state)
{
	struct two *t = *state;
	struct immu_bytes file;

	t->source.verdict = "boring";
	expect(t, NULL, IM_ERR_VERSION, 0);
	t->source.verdict = "";
	assert_int_equal(evidence_make(&t->source, &t->arena, &file), IM_ERR_ARGUMENT);
	t->source.verdict = "forked";
	t->source.server_id = "unknown";
	assert_int_equal(evidence_make(&t->source, &t->arena, &file), IM_ERR_ARGUMENT);
	t->source.server_id = SERVER;
	t->source.database = "../x";
	assert_int_equal(evidence_make(&t->source, &t->arena, &file), IM_ERR_ARGUMENT);
}

static void
what_the_reader_knows(void **state)
{
	struct two *t = *state;
	struct immu_proof_options o = {.server_id = OTHER_SERVER};
	struct immu_proof_report *r;

	t->source.link = fake_verifiable_tx(&t->b, &t->arena, TRUSTED, SEEN);
	assert_int_equal(immu_proof_check(make(t), &o, &r), IM_ERR_IDENTITY_CHANGED);
	immu_proof_report_free(r);
	o = (struct immu_proof_options){.trusted_tx = TRUSTED};
	assert_int_equal(immu_proof_check(make(t), &o, &r), IM_ERR_STATE_FORKED);
	immu_proof_report_free(r);
	memcpy(o.trusted_hash, t->a.txs[TRUSTED].alh.b, HASH_SIZE);
	assert_int_equal(immu_proof_check(make(t), &o, &r), IM_OK);
	immu_proof_report_free(r);
	o.trusted_tx = 3;
	assert_int_equal(immu_proof_check(make(t), &o, &r), IM_ERR_PROOF);
	immu_proof_report_free(r);
}

/* ---- Sizes and texts ---- */

static void
texts_are_cut_and_shown(void **state)
{
	struct two *t = *state;
	struct immu_proof_report *r;
	char *reason = malloc(3 * OFFLINE_TEXT_MAX);
	size_t i;

	assert_non_null(reason);
	t->source.link = fake_verifiable_tx(&t->b, &t->arena, TRUSTED, SEEN);
	t->source.reason = "a \xff\x01\033[31m b";
	assert_int_equal(immu_proof_check(make(t), NULL, &r), IM_OK);
	assert_string_equal(r->evidence->reason, "a \\xff\\x01\\x1b[31m b");
	immu_proof_report_free(r);
	/* Two bytes a character from an odd place on: the cut would go through one. */
	reason[0] = 'x';
	for (i = 1; i < 2 * OFFLINE_TEXT_MAX; i += 2)
		memcpy(reason + i, "\xc3\xa4", 2);
	reason[i] = '\0';
	t->source.reason = reason;
	assert_int_equal(immu_proof_check(make(t), NULL, &r), IM_OK);
	assert_int_equal(strlen(r->evidence->reason), OFFLINE_TEXT_MAX - 1);
	immu_proof_report_free(r);
	free(reason);
}

static void
what_is_too_large_is_left_out(void **state)
{
	struct two *t = *state;
	Immudb__Schema__VerifiableTx *m = fake_verifiable_tx(&t->b, &t->arena, SEEN, TRUSTED);
	Immudb__Schema__TxEntry *one = m->tx->entries[0];
	size_t i, n = OFFLINE_SECTIONS_MAX;
	struct immu_proof_report *r;
	uint8_t *much;

	t->source.tx = m;
	m->tx->entries = arena_calloc(&t->arena, n, sizeof *m->tx->entries);
	m->tx->n_entries = n;
	for (i = 0; i < n; i++)
		m->tx->entries[i] = one;
	expect(t, t->key, IM_OK, IMMU_EVIDENCE_REPEATED);
	/* A proof of the greatest length that no file holds. */
	much = calloc(1, IMMU_PROOF_MAX);
	assert_non_null(much);
	m->tx->n_entries = 0;
	m->dualproof->targetbltxalh = (ProtobufCBinaryData){IMMU_PROOF_MAX, much};
	assert_int_equal(immu_proof_check(make(t), NULL, &r), IM_OK);
	assert_int_equal(r->evidence->worth, IMMU_EVIDENCE_CLAIM);
	assert_int_equal(r->evidence->seen.tx, SEEN);
	immu_proof_report_free(r);
	t->source.link = m;
	assert_int_equal(immu_proof_check(make(t), NULL, &r), IM_OK);
	immu_proof_report_free(r);
	free(much);
}

/* Few bytes for each term, and so much memory to decode them that no reader takes it. */
static void
what_nobody_could_read_is_left_out(void **state)
{
	struct two *t = *state;
	Immudb__Schema__VerifiableTx *m = fake_verifiable_tx(&t->b, &t->arena, SEEN, TRUSTED);
	ProtobufCBinaryData *terms = calloc(FLOOD_TERMS, sizeof *terms);
	struct immu_proof_report *r;

	assert_non_null(terms);
	t->source.tx = m;
	m->dualproof->consistencyproof = terms;
	m->dualproof->n_consistencyproof = FLOOD_TERMS;
	assert_int_equal(immu_proof_check(make(t), NULL, &r), IM_OK);
	assert_int_equal(r->evidence->worth, IMMU_EVIDENCE_CLAIM);
	immu_proof_report_free(r);
	free(terms);
}

/* ---- Changed files ---- */

static void
make_rich(struct two *t)
{
	t->source.other_server_id = OTHER_SERVER;
	t->source.link = fake_verifiable_tx(&t->b, &t->arena, TRUSTED, SEEN);
	t->source.tx = fake_verifiable_tx(&t->b, &t->arena, SEEN, TRUSTED);
	t->source.entry = fake_verifiable_entry(&t->b, &t->arena, (uint64_t[]){7, TRUSTED}, 0);
}

static void
every_byte_is_noticed(void **state)
{
	struct two *t = *state;
	struct immu_proof_report *r;
	struct immu_bytes file;
	uint8_t *copy;
	size_t i;

	make_rich(t);
	file = make(t);
	copy = malloc(file.len);
	assert_non_null(copy);
	memcpy(copy, file.data, file.len);
	for (i = 0; i < file.len; i++) {
		enum im_err err;

		copy[i] ^= (uint8_t)(1u << i % 8);
		err = immu_proof_check((struct immu_bytes){copy, file.len}, NULL, &r);
		assert_true(err == IM_ERR_PROOF || (err == IM_ERR_FORMAT && i < 8));
		assert_true(r->section && !r->evidence);
		immu_proof_report_free(r);
		copy[i] ^= (uint8_t)(1u << i % 8);
		assert_int_not_equal(
		    immu_proof_check((struct immu_bytes){copy, i}, NULL, &r), IM_OK);
		immu_proof_report_free(r);
	}
	free(copy);
}

/* What the signatures cover is what the honest file says, whatever else was changed. */
static void
expect_signed_same(const struct two *t, const struct immu_proof_report *r)
{
	assert_string_equal(r->database, FAKE_NAME);
	assert_int_equal(r->trusted.tx, TRUSTED);
	assert_memory_equal(r->trusted.hash, t->a.txs[TRUSTED].alh.b, HASH_SIZE);
	assert_int_equal(r->evidence->seen.tx, SEEN);
	assert_memory_equal(r->evidence->seen.hash, t->b.txs[SEEN].alh.b, HASH_SIZE);
}

/* Every byte of every section, changed together with its sum. */
static void
forged_bytes_convict_nobody(void **state)
{
	struct two *t = *state;
	struct immu_proof_options o = {.pub_key_file = t->key};
	struct offline_container c;
	struct offline_section *sections;
	struct offline_fault fault;
	struct immu_proof_report *r;
	struct immu_bytes file;
	struct buf forged;
	size_t i, at, k, convicted = 0, refused = 0;

	make_rich(t);
	file = make(t);
	assert_int_equal(
	    offline_parse(bytes_of(file.data, file.len), &t->arena, &c, &fault), IM_OK);
	sections = (struct offline_section *)(uintptr_t)c.sections;
	buf_init(&forged, IMMU_PROOF_MAX);
	for (i = 0; i < c.len; i++) {
		struct bytes honest = sections[i].content;
		uint8_t *content = arena_alloc(&t->arena, honest.len + 1);

		assert_non_null(content);
		sections[i].content = bytes_of(content, honest.len);
		for (at = 0; at < honest.len; at++) {
			memcpy(content, honest.data, honest.len);
			content[at] ^= (uint8_t)(1u << at % 8);
			buf_clear(&forged);
			offline_put_head(&forged, c.kind, c.len);
			for (k = 0; k < c.len; k++)
				offline_put(&forged, sections[k].type, sections[k].content);
			immu_proof_check((struct immu_bytes){forged.data, forged.len}, &o, &r);
			if (!r->err && r->evidence->worth == IMMU_EVIDENCE_SIGNED) {
				expect_signed_same(t, r);
				convicted++;
			} else {
				refused++;
			}
			immu_proof_report_free(r);
		}
		sections[i].content = honest;
	}
	assert_true(convicted > 0 && refused > 300);
	buf_free(&forged);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(all_that_it_says),
	    TEST(two_hashes_of_one_transaction),
	    TEST(linked_histories),
	    TEST(links_that_show_nothing),
	    TEST(a_transaction_that_fails),
	    TEST(a_transaction_of_another_history),
	    TEST(an_entry_that_fails),
	    TEST(a_reference_that_fails),
	    TEST(rolled_back),
	    TEST(announced),
	    TEST(emptied),
	    TEST(identity_changed),
	    TEST(signatures),
	    TEST(what_is_no_evidence),
	    TEST(what_the_reader_knows),
	    TEST(texts_are_cut_and_shown),
	    TEST(what_is_too_large_is_left_out),
	    TEST(what_nobody_could_read_is_left_out),
	    TEST(every_byte_is_noticed),
	    TEST(forged_bytes_convict_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
