/*
 * Judging evidence: does what was recorded fail as the verdict says, and whom does it convince?
 * Neighbours: evidence.c (makes it), offline_check.c (reads the file), verify.c (the checks
 * repeated).
 *
 * Invariants: IMMU_EVIDENCE_SIGNED is given only when both states are signed by a key of the reader
 * and the contradiction between them follows from these states alone, or from a proof that holds;
 * whatever the file says without a signature is listed as not proven.
 */
#include "client/offline_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/clock.h"
#include "util/text.h"
#include "util/xid.h"

#define MS_PER_S 1000
/* Room for what a notice says: a name, a time, two numbers. */
#define RESTORE_TEXT_MAX 1024

/* The answers of the server, with room for what they hold. */
struct evidence_answers {
	Immudb__Schema__VerifiableEntry entry;
	Immudb__Schema__VerifiableTx entry_tx, tx, link;
	Immudb__Schema__Tx entry_tx_content, tx_content, link_content;
};

/* ---- Reading ---- */

static void
init_answers(struct evidence_answers *a)
{
	immudb__schema__verifiable_entry__init(&a->entry);
	immudb__schema__verifiable_tx__init(&a->entry_tx);
	immudb__schema__verifiable_tx__init(&a->tx);
	immudb__schema__verifiable_tx__init(&a->link);
	immudb__schema__tx__init(&a->entry_tx_content);
	immudb__schema__tx__init(&a->tx_content);
	immudb__schema__tx__init(&a->link_content);
	a->entry.verifiabletx = &a->entry_tx;
	a->entry_tx.tx = &a->entry_tx_content;
	a->tx.tx = &a->tx_content;
	a->link.tx = &a->link_content;
}

/* A number of a section; 0 if it is not there. */
static enum im_err
read_time(struct offline_check *k, uint16_t type, int64_t *out)
{
	struct reader r = reader_of(offline_content(k, type));

	*out = 0;
	if (!offline_find(&k->container, type))
		return IM_OK;
	*out = (int64_t)reader_be64(&r);
	if (r.failed || reader_left(&r) > 0)
		return offline_blame(k, type, err_set(IM_ERR_PROOF, "not a time"));
	return IM_OK;
}

static enum im_err
read_suspects(struct offline_check *k)
{
	struct reader r = reader_of(offline_content(k, OFFLINE_SUSPECTS));
	struct immu_evidence *e = &k->evidence;

	if (!offline_find(&k->container, OFFLINE_SUSPECTS))
		return IM_OK;
	e->suspect_from = reader_be64(&r);
	e->suspect_to = reader_be64(&r);
	if (r.failed || reader_left(&r) > 0 || e->suspect_from > e->suspect_to)
		return offline_blame(
		    k, OFFLINE_SUSPECTS, err_set(IM_ERR_PROOF, "not a range of transactions"));
	return IM_OK;
}

static enum im_err
read_seen(struct offline_check *k)
{
	struct immu_evidence *e = &k->evidence;
	enum im_err err;

	e->has_seen = offline_find(&k->container, OFFLINE_SEEN) != NULL;
	if (!e->has_seen && k->seen_signature)
		return offline_blame(
		    k, OFFLINE_SEEN_SIGNATURE, err_set(IM_ERR_PROOF, "a signature of no state"));
	if (!e->has_seen)
		return IM_OK;
	err = offline_read_point(k, OFFLINE_SEEN, &k->seen);
	e->seen = offline_public_state(k, &k->seen, k->seen_signature != NULL);
	return err;
}

static enum im_err
read_finding(struct offline_check *k)
{
	struct immu_evidence *e = &k->evidence;
	enum im_err err = offline_read_text(k, OFFLINE_VERDICT, &e->verdict);

	if (!err)
		err = offline_read_text(k, OFFLINE_REASON, &e->reason);
	if (!err)
		err = OFFLINE_READ(k, OFFLINE_TRUSTED_SIGNATURE, signature, &k->trusted_signature);
	if (!err)
		err = OFFLINE_READ(k, OFFLINE_SEEN_SIGNATURE, signature, &k->seen_signature);
	if (!err)
		err = read_seen(k);
	if (!err)
		err = read_time(k, OFFLINE_TRUSTED_AT, &e->trusted_at);
	if (!err)
		err = read_time(k, OFFLINE_SEEN_AT, &e->seen_at);
	if (!err && offline_find(&k->container, OFFLINE_OTHER_SERVER))
		err = offline_read_text(k, OFFLINE_OTHER_SERVER, &e->other_server_id);
	return err ? err : read_suspects(k);
}

/* What the server said of a restore, in words. */
static enum im_err
tell_restore(struct offline_check *k)
{
	const struct restore_notice *n = &k->restore;
	char at[CLOCK_TEXT_SIZE], memory[RESTORE_TEXT_MAX];
	struct buf out;

	buf_init_in(&out, memory, sizeof memory);
	text_append_printable(&out, n->actor);
	buf_printf(&out, " restored the database at %s to transaction %" PRIu64,
	    clock_format_s(n->at_ms / MS_PER_S, at), n->to.id);
	if (n->from.id > 0)
		buf_printf(&out, " from %" PRIu64, n->from.id);
	buf_append_u8(&out, '\0');
	k->evidence.restore = offline_keep_text(k, memory);
	return k->evidence.restore ? IM_OK : err_set(IM_ERR_NOMEM, "out of memory");
}

static enum im_err
read_notice(struct offline_check *k)
{
	enum im_err err = OFFLINE_READ(k, OFFLINE_NOTICE, restore_notice, &k->notice);

	if (err || !k->notice)
		return err;
	err = decode_restore_notice(k->notice, &k->restore);
	return err ? offline_blame(k, OFFLINE_NOTICE, err) : tell_restore(k);
}

enum im_err
evidence_read(struct offline_check *k)
{
	struct immu_evidence *e = &k->evidence;
	struct evidence_answers *a = arena_alloc(&k->arena, sizeof *a);
	enum im_err err;

	if (!a)
		return err_set(IM_ERR_NOMEM, "out of memory");
	init_answers(a);
	k->answers = a;
	e->verdict = e->reason = e->other_server_id = e->worth_text = e->restore = "";
	e->seen.database = k->public.database;
	k->public.evidence = e;
	err = read_finding(k);
	if (!err)
		err = offline_read_entry(k, OFFLINE_ENTRY, &a->entry);
	if (!err)
		err = offline_read_tx(k, &a->tx);
	if (!err)
		err = OFFLINE_READ(k, OFFLINE_LINK_HEADER, tx_header, &a->link_content.header);
	if (!err)
		err = OFFLINE_READ(k, OFFLINE_LINK_HISTORY, dual_proof, &a->link.dualproof);
	return err ? err : read_notice(k);
}

/* ---- Judging ---- */

/* How far the fault has been shown. */
struct finding {
	bool is_fault;    /* something fails */
	bool is_between;  /* what fails is between the two states, whoever reports it */
	bool is_recorded; /* there was something to look at */
};

static bool
contradicts(const struct tx_point *a, const struct tx_point *b)
{
	return a->id == b->id && !hash_equal(&a->alh, &b->alh);
}

/*
 * IM_OK when a transaction is of one history with a state, and is neither of the two states with
 * another hash; IM_ERR_NOMEM says neither.
 */
static enum im_err
hold_from(struct offline_check *k, const struct tx_point *from,
    const Immudb__Schema__VerifiableTx *m, struct verify_outcome *out)
{
	struct verify_anchor anchor = {.from = *from, .database = k->public.database};
	enum im_err err = verify_history(&anchor, m, &k->arena, out);

	if (err)
		return err;
	if (contradicts(&out->point, &k->trusted) ||
	    (k->evidence.has_seen && contradicts(&out->point, &k->seen)))
		return err_set(IM_ERR_PROOF, "it has another hash");
	return IM_OK;
}

static enum im_err
hold(struct offline_check *k, const Immudb__Schema__VerifiableTx *m, struct verify_outcome *out)
{
	enum im_err err = IM_ERR_PROOF;

	/* From no state every transaction that agrees with itself would hold. */
	if (k->trusted.id > 0 || !k->evidence.has_seen)
		err = hold_from(k, &k->trusted, m, out);
	return err && err != IM_ERR_NOMEM && k->evidence.has_seen ? hold_from(k, &k->seen, m, out)
								  : err;
}

/* A transaction of one state's history that is the other state's, with another hash. */
static bool
splits_from(struct offline_check *k, const struct tx_point *newer, const struct tx_point *older,
    const Immudb__Schema__VerifiableTx *m)
{
	struct verify_anchor anchor = {.from = *newer, .database = k->public.database};
	struct verify_outcome outcome;

	return older->id > 0 && verify_history(&anchor, m, &k->arena, &outcome) == IM_OK &&
	    contradicts(&outcome.point, older);
}

/* The same of the newer state's history, and of either when both are of one transaction. */
static bool
splits(struct offline_check *k, const Immudb__Schema__VerifiableTx *m)
{
	return k->evidence.has_seen &&
	    ((k->seen.id >= k->trusted.id && splits_from(k, &k->seen, &k->trusted, m)) ||
		(k->trusted.id >= k->seen.id && splits_from(k, &k->trusted, &k->seen, m)));
}

static void
judge_states(struct offline_check *k, struct finding *f)
{
	if (!k->evidence.has_seen || !contradicts(&k->trusted, &k->seen))
		return;
	f->is_recorded = f->is_fault = f->is_between = true;
	offline_note(
	    k, "states", "The two states give one transaction two different hashes.", IM_OK);
}

static enum im_err
judge_link(struct offline_check *k, struct finding *f)
{
	if (!k->answers->link_content.header && !k->answers->link.dualproof)
		return IM_OK;
	f->is_recorded = true;
	if (!splits(k, &k->answers->link))
		return offline_blame(k, OFFLINE_LINK_HISTORY,
		    offline_note(k, "link", "It is proven that the states are of two histories.",
			err_set(IM_ERR_PROOF, "it does not show two histories")));
	f->is_fault = f->is_between = true;
	offline_note(k, "link",
	    "The newer state's history is proven to hold another hash for the older state's "
	    "transaction.",
	    IM_OK);
	return IM_OK;
}

static enum im_err
judge_tx(struct offline_check *k, struct finding *f)
{
	const Immudb__Schema__VerifiableTx *m = &k->answers->tx;
	struct verify_outcome outcome;
	enum im_err err;

	if (!m->tx->header && !m->dualproof && m->tx->n_entries == 0)
		return IM_OK;
	err = hold(k, m, &outcome);
	/* Entries may have been left out, for their size. */
	if (!err && m->tx->n_entries > 0)
		err = verify_entries(m->tx, &k->arena, &outcome);
	if (err == IM_ERR_NOMEM)
		return err;
	f->is_recorded = true;
	f->is_fault |= err != IM_OK;
	f->is_between |= err && splits(k, m);
	offline_note(k, "transaction",
	    err ? "The transaction that the server answered does not verify, as recorded."
		: "The transaction that the server answered verifies.",
	    IM_OK);
	return IM_OK;
}

/* The entry is what it says, in a transaction that holds. */
static enum im_err
hold_entry(struct offline_check *k, const Immudb__Schema__VerifiableEntry *m)
{
	const Immudb__Schema__Reference *ref;
	struct verify_outcome outcome;
	struct verify_wanted wanted = {0};
	enum im_err err;

	if (!m->entry)
		return err_set(IM_ERR_PROOF, "the entry is missing");
	ref = m->entry->referencedby;
	wanted.key = decode_bytes(ref ? ref->key : m->entry->key);
	err = hold(k, m->verifiabletx, &outcome);
	return err ? err : verify_entry(&wanted, m, &k->arena, &outcome);
}

static enum im_err
judge_entry(struct offline_check *k, struct finding *f)
{
	const Immudb__Schema__VerifiableEntry *m = &k->answers->entry;
	enum im_err err;

	if (!m->entry && !m->verifiabletx->tx->header && !m->verifiabletx->dualproof &&
	    !m->inclusionproof)
		return IM_OK;
	err = hold_entry(k, m);
	if (err == IM_ERR_NOMEM)
		return err;
	f->is_recorded = true;
	f->is_fault |= err != IM_OK;
	offline_note(k, "entry",
	    err ? "The entry that the server answered does not verify, as recorded."
		: "The entry that the server answered verifies.",
	    IM_OK);
	return IM_OK;
}

/* forked, tampered: something that was recorded fails. */
static enum im_err
check_fault(struct offline_check *k)
{
	struct finding f = {0};
	enum im_err err;

	judge_states(k, &f);
	err = judge_link(k, &f);
	if (!err)
		err = judge_tx(k, &f);
	if (!err)
		err = judge_entry(k, &f);
	if (err)
		return err;
	if (f.is_recorded && !f.is_fault)
		return err_set(IM_ERR_PROOF,
		    "what was recorded verifies: it is no evidence of \"%s\"", k->evidence.verdict);
	if (f.is_fault)
		k->evidence.worth = f.is_between && k->public.signature_checked
		    ? IMMU_EVIDENCE_SIGNED
		    : IMMU_EVIDENCE_REPEATED;
	return IM_OK;
}

/* A verdict that the two states bear out, or do not. */
static enum im_err
check_states(struct offline_check *k, const char *text, bool is_so)
{
	k->evidence.worth = IMMU_EVIDENCE_REPEATED;
	return offline_note(k, "states", text,
	    is_so ? IM_OK
		  : err_set(
			IM_ERR_PROOF, "the states are no evidence of \"%s\"", k->evidence.verdict));
}

static enum im_err
check_rolled_back(struct offline_check *k)
{
	return check_states(k,
	    "The state that the server showed is older than the one that was trusted.",
	    k->evidence.has_seen && k->seen.id < k->trusted.id);
}

/*
 * The notice is of this server and database and explains what is gone; of what is shown it says no
 * less.
 */
static bool
is_explained(const struct offline_check *k)
{
	const struct restore_notice *n = &k->restore;

	return k->notice && bytes_equal(n->server_id, bytes_str(k->public.server_id)) &&
	    bytes_equal(n->database, bytes_str(k->public.database)) &&
	    restore_notice_covers(n, &k->trusted) && k->evidence.has_seen &&
	    k->seen.id >= n->to.id &&
	    (k->seen.id > n->to.id || n->to.id == 0 || hash_equal(&k->seen.alh, &n->to.alh));
}

/* The notice is signed by a key of the reader; without keys, it is only told. */
static enum im_err
check_notice_signature(struct offline_check *k)
{
	const Immudb__Schema__Signature *m = k->notice->signature;
	struct bytes der = m ? decode_bytes(m->signature) : (struct bytes){0};
	enum im_err err = k->keys_len == 0 ? IM_OK : IM_ERR_SIGNATURE;

	for (size_t i = 0; i < k->keys_len && err == IM_ERR_SIGNATURE; i++)
		err = restore_notice_check(k->keys[i], &k->restore, der);
	if (k->keys_len == 0)
		return IM_OK;
	offline_note(k, "notice-signature",
	    "The notice of the restore is signed by a given public key.", err);
	return err ? offline_blame(k, OFFLINE_NOTICE, err) : IM_OK;
}

/* What was restored may have grown as far as it was before: then it has to be another history. */
static enum im_err
check_announced(struct offline_check *k)
{
	struct finding f = {0};
	enum im_err err = offline_note(k, "notice",
	    "The server has announced a restore that took back the trusted state.",
	    is_explained(k)
		? IM_OK
		: err_set(IM_ERR_PROOF, "there is no notice that explains what is gone"));

	if (!err)
		err = check_notice_signature(k);
	if (err || k->seen.id < k->trusted.id)
		return err ? err : check_rolled_back(k);
	judge_states(k, &f);
	err = judge_link(k, &f);
	return err ? err
		   : check_states(
			 k, "The trusted state is not in the history that was shown.", f.is_fault);
}

static enum im_err
check_emptied(struct offline_check *k)
{
	enum im_err err =
	    check_states(k, "A state with transactions was trusted, and the server showed none.",
		k->trusted.id > 0 && k->seen.id == 0);

	/* That a database is gone leaves nothing to be recorded. */
	if (!k->evidence.has_seen)
		k->evidence.worth = IMMU_EVIDENCE_CLAIM;
	return err;
}

static enum im_err
check_identity(struct offline_check *k)
{
	const char *other = k->evidence.other_server_id;
	bool is_so = strlen(other) == XID_TEXT_LEN && strcmp(other, k->public.server_id) != 0;

	return offline_note(k, "identity", "The server showed another identity.",
	    is_so ? IM_OK : err_set(IM_ERR_PROOF, "no other identity is recorded"));
}

static enum im_err
check_missing(struct offline_check *k)
{
	return check_states(k, "The state that the server showed is not signed.",
	    k->evidence.has_seen && !k->seen_signature);
}

static enum im_err
check_wrong(struct offline_check *k)
{
	enum im_err err;

	if (!k->evidence.has_seen || !k->seen_signature)
		return check_states(k, "The state that the server showed is signed.", false);
	if (k->keys_len == 0)
		return IM_OK;
	err = offline_check_signature(k, &k->seen, k->seen_signature);
	if (err == IM_ERR_NOMEM)
		return err;
	return check_states(k,
	    "The state that the server showed is not signed by any of the given public keys.",
	    err == IM_ERR_SIGNATURE);
}

static const struct {
	const char *word;
	enum im_err (*check)(struct offline_check *k);
	bool keeps_signature; /* whether the state that the server showed is to be signed rightly */
} verdicts[] = {
    {"forked", check_fault, true},
    {"tampered", check_fault, true},
    {"rolled-back", check_rolled_back, true},
    {"rolled-back-announced", check_announced, true},
    {"emptied", check_emptied, true},
    {"identity-changed", check_identity, true},
    {"signature-missing", check_missing, false},
    {"signature-wrong", check_wrong, false},
};

/* A signature that is there must be right; false in *is_signed when there is none. */
static enum im_err
check_signature(struct offline_check *k, uint16_t type, bool *is_signed)
{
	bool is_seen = type == OFFLINE_SEEN_SIGNATURE;
	const Immudb__Schema__Signature *m = is_seen ? k->seen_signature : k->trusted_signature;
	enum im_err err;

	*is_signed = false;
	if (k->keys_len == 0 || !m)
		return IM_OK;
	err = offline_check_signature(k, is_seen ? &k->seen : &k->trusted, m);
	offline_note(k, is_seen ? "seen-signature" : "trusted-signature",
	    is_seen ? "The state that the server showed is signed by a given public key."
		    : "The trusted state is signed by a given public key.",
	    err);
	*is_signed = !err;
	return err ? offline_blame(k, type, err) : IM_OK;
}

static enum im_err
check_signatures(struct offline_check *k, bool keeps_signature)
{
	bool is_trusted_signed, is_seen_signed = false;
	enum im_err err = check_signature(k, OFFLINE_TRUSTED_SIGNATURE, &is_trusted_signed);

	if (!err && keeps_signature)
		err = check_signature(k, OFFLINE_SEEN_SIGNATURE, &is_seen_signed);
	k->public.signature_checked = is_trusted_signed && is_seen_signed;
	return err;
}

static void
say_worth(struct offline_check *k)
{
	static const char *const texts[] = {
	    [IMMU_EVIDENCE_CLAIM] =
		"This is the word of whoever wrote the file: nothing in it can be "
		"checked again.",
	    [IMMU_EVIDENCE_REPEATED] =
		"What was recorded fails as the verdict says; that the server answered so is the "
		"word of whoever wrote the file.",
	    [IMMU_EVIDENCE_SIGNED] = "The server has signed two states that cannot both be true: "
				     "this convinces everybody who trusts the public key.",
	};

	k->evidence.worth_text = texts[k->evidence.worth];
}

enum im_err
evidence_check(struct offline_check *k)
{
	size_t i = 0, n = sizeof verdicts / sizeof *verdicts;
	enum im_err err;

	if (k->evidence.has_seen)
		k->public.newer = k->evidence.seen;
	while (i < n && strcmp(verdicts[i].word, k->evidence.verdict) != 0)
		i++;
	if (i == n)
		return offline_blame(k, OFFLINE_VERDICT,
		    err_set(IM_ERR_VERSION, "not a verdict that this version can check"));
	err = check_signatures(k, verdicts[i].keeps_signature);
	if (!err)
		err = verdicts[i].check(k);
	say_worth(k);
	return err;
}

void
evidence_list_unproven(struct offline_check *k)
{
	if (k->evidence.worth != IMMU_EVIDENCE_SIGNED)
		offline_note_unproven(k,
		    "that the server gave these answers: whoever wrote the file may have made them "
		    "up");
	if (!k->public.signature_checked)
		offline_note_unproven(k,
		    k->keys_len > 0 ? "that both states are the server's: they are not both signed"
				    : "that the states are the server's: no public key was given");
	if (k->notice)
		offline_note_unproven(k,
		    "that what is shown was restored from a state of the trusted history, and when: "
		    "an announcement proves nothing of that");
	offline_note_unproven(k, "when the server showed the two states: signatures hold no time");
	offline_note_unproven(k, "the reason, and which transactions are in question");
	offline_note_unproven(k, "where and when the file was written, and by which program");
	if (!k->public.signature_checked)
		offline_note_unproven(k, "the name of the database");
	offline_note_unproven(k,
	    k->evidence.worth == IMMU_EVIDENCE_SIGNED
		? "that it was one server: signatures do not cover identities, and two servers with "
		  "one key look like one that forks"
		: "the identity of the server: signatures do not cover it");
}
