/*
 * Narrowing a fault down to transactions. round.c calls it when a round has found something that
 * belongs to no single transaction; it asks the server that is suspected, so that nothing it learns
 * here makes a finding milder.
 *
 * Invariant: what the server refuses or gets wrong here changes the range and the words, never a
 * tamper-like verdict into another kind.
 */
#include "locate.h"

#include <inttypes.h>
#include <stdio.h>

#include "content_check.h"
#include "round.h"
#include "round_rules.h"

/* Transactions of one answer while walking. */
#define WALK_BATCH 500u
#define TRUNCATION_BATCH 2000u

enum im_err
locate_search(size_t len, locate_agrees *agrees, void *arg, size_t *first_bad)
{
	size_t low = 0, high = len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		bool good;
		enum im_err err = agrees(arg, middle, &good);

		if (err)
			return err;
		if (good)
			low = middle + 1;
		else
			high = middle;
	}
	*first_bad = low;
	return IM_OK;
}

/* Is an older proven state in the history that the server shows now? */
static enum im_err
point_agrees(void *arg, size_t point, bool *out)
{
	struct round *r = arg;
	const struct audit_record_point *p = &r->record.points[point];
	struct round_question q = {.tx = p->tx, .since = r->seen.point.id};
	struct verify_anchor anchor = round_anchor(r);
	Immudb__Schema__VerifiableTx *m;
	struct verify_outcome outcome;
	enum im_err err;

	arena_reset(&r->scratch, 0);
	err = round_ask(r, &q, &r->scratch, &m);
	r->checks++;
	/* That the server refuses to say shows nothing. */
	if (err)
		return err;
	err = verify_history(&anchor, m, &r->scratch, &outcome);
	*out = !err && outcome.point.id == p->tx && hash_equal(&outcome.point.alh, &p->alh);
	/*
	 * That a history is another one takes a proof that holds; that it is broken, one that
	 * fails.
	 */
	return r->finding.verdict == AUDIT_TAMPERED &&
		audit_verdict_info(round_rules_verdict(err))->is_tamper
	    ? IM_OK
	    : err;
}

/* ---- Walking. ---- */

/* Transactions read one after the other. */
struct walk {
	struct round *r;
	uint64_t start, next, last;
	struct hash alh; /* of transaction next - 1 */
	bool has_alh;
	bool is_broken; /* transaction next - 1 does not name the Alh of the one before it */
	uint32_t batch;
	uint64_t found; /* the transaction that does not fit; 0: none yet */
	const char *what;
};

static void
walk_found(struct walk *w, uint64_t tx, const char *what)
{
	if (w->found == 0) {
		w->found = tx;
		w->what = what;
	}
}

/* One transaction: does it name the hash of the one before, and do its entries fit? */
static void
walk_step(struct walk *w, const Immudb__Schema__Tx *m)
{
	struct tx_rules rules = {.with_values = false};
	struct verify_outcome outcome = {0};
	struct tx_checked checked;
	struct hash alh;
	bool follows;

	if (decode_header(m->header, &outcome.header) || outcome.header.id != w->next) {
		walk_found(w, w->next, "its header is not one");
		return;
	}
	follows = !w->has_alh || hash_equal(&outcome.header.prev_alh, &w->alh);
	/* A broken link has two ends: if this one holds again, the one before is to blame. */
	if (w->is_broken)
		walk_found(w, follows && w->next - 2 > w->start ? w->next - 2 : w->next - 1,
		    "it does not fit the transactions beside it");
	w->is_broken = !follows;
	if (content_check(m, &rules, &w->r->scratch, &outcome, &checked))
		walk_found(w, w->next, "its entries do not hash to its header");
	tx_header_alh(&outcome.header, &alh);
	if (w->r->has_trusted && w->next == w->r->trusted.point.id &&
	    !hash_equal(&alh, &w->r->trusted.point.alh) && !w->is_broken)
		walk_found(w, w->next, "it has another hash than the one proven before");
	w->alh = alh;
	w->has_alh = true;
	w->next++;
}

static enum im_err
walk_ask(struct walk *w, Immudb__Schema__TxList **out)
{
	Immudb__Schema__TxScanRequest m = IMMUDB__SCHEMA__TX_SCAN_REQUEST__INIT;
	struct server_request ask = {
	    .method = RPC_METHOD_TxScan, .token = w->r->token, .message = &m.base};
	ProtobufCMessage *answer;
	enum im_err err;

	m.initialtx = w->next;
	m.limit = w->batch;
	if (w->last - w->next + 1 < m.limit)
		m.limit = (uint32_t)(w->last - w->next + 1);
	m.entriesspec = round_all_entries(false);
	arena_reset(&w->r->scratch, 0);
	err = server_link_ask(w->r->link, &ask, &w->r->scratch, &answer);
	*out = (Immudb__Schema__TxList *)answer;
	return err;
}

/* Walks to the end or to what does not fit; false when the server leaves it open. */
static bool
walk(struct walk *w)
{
	Immudb__Schema__TxList *list;

	while (w->next <= w->last && w->found == 0) {
		enum im_err err = walk_ask(w, &list);

		if (err && w->batch > 1) {
			w->batch = w->batch > 8 ? w->batch / 8 : 1;
			continue;
		}
		if (err && !audit_verdict_info(round_rules_verdict(err))->is_tamper)
			return false;
		if (err || list->n_txs == 0)
			walk_found(w, w->next, "the server does not give it");
		for (size_t i = 0; !err && i < list->n_txs && w->found == 0; i++)
			walk_step(w, list->txs[i]);
	}
	if (w->found == 0 && w->is_broken)
		walk_found(w, w->last, "it does not fit the transaction before it");
	return true;
}

/* Adds to the reason of a finding. */
static void
add_reason(struct finding *f, const char *text)
{
	size_t len = strlen(f->reason);

	snprintf(f->reason + len, sizeof f->reason - len, "%s", text);
}

/* Looks for the exact transaction behind a proof that does not verify, from one that agrees on. */
static void
walk_suspects(struct round *r, const struct audit_record_point *agreeing)
{
	struct finding *f = &r->finding;
	struct walk w = {.r = r, .last = r->seen.point.id, .batch = WALK_BATCH};
	char text[160];

	w.start = agreeing ? agreeing->tx : 0;
	w.next = w.start + 1;
	w.alh = agreeing ? agreeing->alh : hash_empty();
	w.has_alh = true;
	if (w.last < w.next || w.last - w.start > LOCATE_WALK_MAX || !walk(&w))
		return;
	if (w.found > 0) {
		f->suspect_from = f->suspect_to = w.found;
		snprintf(text, sizeof text, "; it is transaction %" PRIu64 ": %s", w.found, w.what);
		add_reason(f, text);
	} else if (hash_equal(&w.alh, &r->seen.point.alh)) {
		add_reason(f,
		    "; the transactions themselves are as proven before, it is the server's proofs "
		    "that are wrong");
	} else {
		f->suspect_from = f->suspect_to = w.last;
		snprintf(text, sizeof text,
		    "; transaction %" PRIu64 " does not have the hash of the state that is shown",
		    w.last);
		add_reason(f, text);
	}
}

/* ---- The range. ---- */

static void
set_range(struct round *r, const struct audit_record_point *good, uint64_t to)
{
	struct finding *f = &r->finding;
	char text[160];

	f->suspect_from = good ? good->tx + 1 : 1;
	f->suspect_to = to;
	if (good) {
		snprintf(text, sizeof text, "; transaction %" PRIu64 " and those before it agree",
		    good->tx);
		add_reason(f, text);
	}
}

void
locate_fault(struct round *r)
{
	struct finding *f = &r->finding;
	const struct audit_record_point *points = r->record.points, *good;
	uint64_t newest =
	    r->seen.point.id < r->trusted.point.id ? r->seen.point.id : r->trusted.point.id;
	bool is_exact = f->suspect_from > 0 && f->suspect_from == f->suspect_to;
	bool is_older = f->verdict == AUDIT_ROLLED_BACK;
	size_t len = 0, bad;

	if (!r->has_seen || r->seen.point.id == 0 || !r->has_trusted || f->against ||
	    !(is_older || f->verdict == AUDIT_FORKED || f->verdict == AUDIT_TAMPERED) ||
	    (is_exact && f->verdict == AUDIT_TAMPERED))
		return;
	while (len < r->record.points_len && points[len].tx <= newest)
		len++;
	if (locate_search(len, point_agrees, r, &bad))
		return;
	good = bad > 0 ? &points[bad - 1] : NULL;
	if (is_older && bad == len)
		return;
	if (is_older) {
		f->verdict = AUDIT_FORKED;
		add_reason(f, ", and the history it shows is another one");
	}
	/* Where no proof holds, the transactions that they are for are no worse than others. */
	if (good || f->verdict != AUDIT_TAMPERED)
		set_range(r, good, bad < len ? points[bad].tx : f->suspect_to);
	if (f->verdict == AUDIT_TAMPERED)
		walk_suspects(r, good);
}

/* ---- Truncation. ---- */

/* A header that says it has truncated up to tx; is it part of the history? */
static enum im_err
prove_truncation(struct round *r, uint64_t id)
{
	struct round_question q = {.tx = id, .since = r->seen.point.id};
	struct verify_anchor anchor = round_anchor(r);
	Immudb__Schema__VerifiableTx *m;
	struct verify_outcome outcome;
	struct tx_metadata md;
	enum im_err err;

	arena_reset(&r->scratch, 0);
	err = round_ask(r, &q, &r->scratch, &m);
	r->checks++;
	if (!err)
		err = verify_history(&anchor, m, &r->scratch, &outcome);
	if (!err && outcome.point.id == id &&
	    tx_metadata_decode(bytes_of(outcome.header.md, outcome.header.md_len), &md) == IM_OK &&
	    md.truncated_tx_id > r->truncated_to)
		r->truncated_to = md.truncated_tx_id;
	return err;
}

/* The newest of a list of headers that claims to have truncated tx; 0: none. */
static uint64_t
find_truncation(const Immudb__Schema__TxList *list, uint64_t tx)
{
	for (size_t i = 0; i < list->n_txs; i++) {
		const Immudb__Schema__TxHeader *h = list->txs[i]->header;

		if (h && h->metadata && h->metadata->truncatedtxid >= tx)
			return h->id;
	}
	return 0;
}

enum im_err
locate_truncation(struct round *r, uint64_t tx)
{
	Immudb__Schema__TxScanRequest m = IMMUDB__SCHEMA__TX_SCAN_REQUEST__INIT;
	Immudb__Schema__EntriesSpec none = IMMUDB__SCHEMA__ENTRIES_SPEC__INIT;
	struct server_request ask = {
	    .method = RPC_METHOD_TxScan, .token = r->token, .message = &m.base};
	uint64_t next = r->seen.point.id, found = 0;
	enum im_err err = IM_OK;

	m.desc = true;
	m.limit = TRUNCATION_BATCH;
	m.entriesspec = &none;
	while (!err && found == 0 && next > tx && r->seen.point.id - next < LOCATE_WALK_MAX) {
		ProtobufCMessage *answer;
		const Immudb__Schema__TxList *list;

		m.initialtx = next;
		arena_reset(&r->scratch, 0);
		err = server_link_ask(r->link, &ask, &r->scratch, &answer);
		if (err)
			break;
		list = (const Immudb__Schema__TxList *)answer;
		found = find_truncation(list, tx);
		if (list->n_txs == 0 || list->n_txs >= next)
			break;
		next -= list->n_txs;
	}
	return !err && found > 0 ? prove_truncation(r, found) : err;
}
