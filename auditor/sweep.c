/*
 * The full sweep. round.c calls it last, with a proven state; a share of all transactions is read
 * in order, in answers of many, each of which ends in a transaction that is proven to be part of
 * the state's history. Neighbours are chained by their hashes, so that one proof covers an answer.
 *
 * Invariants: the position moves only over transactions whose entries, values, chain and proof have
 * passed; a pass that is interrupted goes on where it was.
 */
#include "sweep.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "content_check.h"
#include "large_tx.h"
#include "locate.h"
#include "round.h"
#include "round_rules.h"
#include "rpc/batch.h"
#include "util/clock.h"

/* An answer is meant to be about this long, and holds at most so many transactions. */
#define BATCH_BYTES ((size_t)256 << 10)
#define BATCH_TX_MAX 2500u
#define BATCH_TX_FIRST 64u
#define PAUSE_SLICE_MS 100
#define NOTHING_CHAINED UINT64_MAX

/* ---- Planning. ---- */

struct sweep_share
sweep_plan_share(const struct sweep_plan *plan)
{
	struct sweep_share share = {.from = plan->position, .started_at = plan->started_at};
	double through;

	if (plan->position == 0) {
		bool is_due = plan->finished_at == 0 ||
		    (double)(plan->now - plan->started_at) >= plan->period_s;

		share.from = 1;
		share.started_at = plan->now;
		if (!is_due)
			return share;
	}
	share.to = plan->last;
	if (plan->interval_s <= 0 || plan->period_s <= 0)
		return share;
	through = ((double)(plan->now - share.started_at) + plan->interval_s) / plan->period_s;
	if (through > 0 && through < 1)
		share.to = (uint64_t)((double)plan->last * through) + 1;
	if (share.to > plan->last)
		share.to = plan->last;
	return share;
}

int64_t
sweep_pause_ns(uint64_t n, int64_t elapsed_ns, unsigned int rate)
{
	int64_t due_ns;

	if (rate == 0)
		return 0;
	due_ns = (int64_t)((double)n / rate * (double)CLOCK_NS_PER_S);
	return due_ns > elapsed_ns ? due_ns - elapsed_ns : 0;
}

/* ---- Reading. ---- */

/* What was asked for: a batch of transactions, and then the proof for the last of them. */
struct sweep_batch {
	uint64_t first, last;
};

struct sweep {
	struct round *r;
	struct sweep_share share;
	struct tx_rules rules;
	uint32_t limit;     /* transactions of the next batch */
	uint64_t ask;       /* next to be asked for */
	uint64_t done;      /* the last one that has passed; what the position follows */
	struct hash alh;    /* of transaction `chained`, as computed here */
	uint64_t chained;   /* NOTHING_CHAINED: not known */
	uint64_t entries;   /* read in this share */
	uint64_t too_large; /* the batch from here on did not fit a message; 0: none */
	uint64_t withheld;
	bool is_refused;     /* a batch, for what is in it */
	uint64_t careful_to; /* its end: up to there one by one, to find out which it is */
	int64_t started_ns;
	size_t first, len; /* of batches, a ring */
	struct sweep_batch batches[SERVER_LINK_WINDOW];
};

/* Each batch takes two answers, one tag each. */
#define TAG_PROOF (UINT64_C(1) << 63)

static enum im_err
sweep_send_batch(struct sweep *s)
{
	Immudb__Schema__TxScanRequest scan = IMMUDB__SCHEMA__TX_SCAN_REQUEST__INIT;
	struct sweep_batch *b = &s->batches[(s->first + s->len) % SERVER_LINK_WINDOW];
	struct server_request request = {
	    .method = RPC_METHOD_TxScan, .token = s->r->token, .message = &scan.base};
	Immudb__Schema__VerifiableTxRequest proof;
	enum im_err err;

	b->first = s->ask;
	b->last = s->share.to - s->ask < s->limit ? s->share.to : s->ask + s->limit - 1;
	scan.initialtx = b->first;
	scan.limit = (uint32_t)(b->last - b->first + 1);
	scan.entriesspec = round_all_entries(true);
	err = server_link_send(s->r->link, &request);
	if (err)
		return err;
	round_fill_question(
	    &proof, &(struct round_question){.tx = b->last, .since = s->r->seen.point.id});
	request.method = RPC_METHOD_VerifiableTxById;
	request.message = &proof.base;
	request.tag = TAG_PROOF;
	err = server_link_send(s->r->link, &request);
	s->ask = b->last + 1;
	s->len += !err;
	return err;
}

static enum im_err
sweep_send(struct sweep *s)
{
	enum im_err err = IM_OK;

	rpc_batch_begin();
	while (!err && s->ask <= s->share.to && server_link_has_room(s->r->link) &&
	    server_link_pending(s->r->link) <= SERVER_LINK_WINDOW - 2)
		err = sweep_send_batch(s);
	rpc_batch_end();
	return err;
}

/* One transaction of a batch: it follows the one before, and holds what its header says. */
static enum im_err
sweep_step(struct sweep *s, const Immudb__Schema__Tx *m, uint64_t id)
{
	struct verify_outcome outcome;
	struct tx_checked checked;
	enum im_err err = decode_header(m->header, &outcome.header);

	if (!err && outcome.header.id != id)
		err = round_wrong_tx(outcome.header.id, id);
	if (!err && s->chained == id - 1 && !hash_equal(&outcome.header.prev_alh, &s->alh))
		err = err_set(
		    IM_ERR_PROOF, "transaction %" PRIu64 " does not follow the one before it", id);
	if (err)
		return round_note(s->r, err, id, id);
	err = content_check(m, &s->rules, &s->r->scratch, &outcome, &checked);
	s->entries += checked.values;
	if (err && checked.is_withheld && id > s->r->truncated_to && s->withheld == 0) {
		s->withheld = id;
		return err;
	}
	tx_header_alh(&outcome.header, &s->alh);
	s->chained = id;
	return round_note(s->r, err, id, id);
}

/* Transactions of a batch: no more than may be read in a second. */
static uint32_t
sweep_limit(const struct sweep *s, uint32_t limit)
{
	unsigned int rate = s->r->env->options->sweep_rate;

	return rate > 0 && rate < limit ? rate : limit;
}

/* The next batches are made so that their answers have the length they are meant to have. */
static void
sweep_adapt(struct sweep *s, size_t bytes, uint64_t count)
{
	double each = (double)bytes / (double)count + 1;
	double limit = (double)BATCH_BYTES / each;

	s->limit = limit >= BATCH_TX_MAX ? BATCH_TX_MAX : limit < 1 ? 1 : (uint32_t)limit;
	s->limit = sweep_limit(s, s->limit);
	if (s->done < s->careful_to)
		s->limit = 1;
}

static enum im_err
sweep_refused(struct sweep *s, const struct server_answer *a, const struct sweep_batch *b)
{
	if (a->err == IM_ERR_MESSAGE_SIZE) {
		s->too_large = b->first;
		return a->err;
	}
	if (b->last > b->first && audit_verdict_info(round_rules_verdict(a->err))->is_tamper) {
		s->is_refused = true;
		s->careful_to = b->last;
		return a->err;
	}
	err_set(a->err,
	    "transactions %" PRIu64 " to %" PRIu64 " were asked for, and the server says: %s",
	    b->first, b->last, a->text);
	return round_note(s->r, a->err, b->first, b->last);
}

static enum im_err
sweep_take_batch(struct sweep *s, const struct server_answer *a, const struct sweep_batch *b)
{
	uint64_t count = b->last - b->first + 1;
	const Immudb__Schema__TxList *list;
	ProtobufCMessage *message;
	enum im_err err;

	if (a->err)
		return sweep_refused(s, a, b);
	arena_reset(&s->r->scratch, SERVER_LINK_BYTES);
	err =
	    decode_message(&immudb__schema__tx_list__descriptor, a->body, &s->r->scratch, &message);
	if (err)
		return err;
	list = (const Immudb__Schema__TxList *)message;
	if (list->n_txs != count) {
		err_set(IM_ERR_PROOF,
		    "transactions %" PRIu64 " to %" PRIu64 " were asked for, and %zu were given",
		    b->first, b->last, list->n_txs);
		return round_note(s->r, IM_ERR_PROOF, b->first, b->last);
	}
	for (size_t i = 0; !err && i < list->n_txs; i++)
		err = sweep_step(s, list->txs[i], b->first + i);
	sweep_adapt(s, a->body.len, count);
	return err;
}

/* The last transaction of the batch, as it was chained here, is part of the state's history. */
static enum im_err
sweep_take_proof(struct sweep *s, const struct server_answer *a, const struct sweep_batch *b)
{
	struct verify_anchor anchor = round_anchor(s->r);
	struct tx_point end = {b->last, s->alh};
	struct verify_outcome outcome;
	ProtobufCMessage *message;
	enum im_err err;

	if (a->err)
		return sweep_refused(s, a, b);
	arena_reset(&s->r->scratch, SERVER_LINK_BYTES);
	err = decode_message(
	    &immudb__schema__verifiable_tx__descriptor, a->body, &s->r->scratch, &message);
	if (!err)
		err = verify_history(&anchor, (const Immudb__Schema__VerifiableTx *)message,
		    &s->r->scratch, &outcome);
	s->r->checks++;
	if (!err && (outcome.point.id != end.id || !hash_equal(&outcome.point.alh, &end.alh)))
		err = err_set(IM_ERR_PROOF,
		    "transaction %" PRIu64
		    " was given with one content and proven to have another one",
		    end.id);
	if (err)
		return round_note(s->r, err, b->first, b->last);
	s->done = b->last;
	return IM_OK;
}

static enum im_err
sweep_take(struct sweep *s)
{
	const struct sweep_batch *b = &s->batches[s->first];
	struct server_answer answer;
	enum im_err err = server_link_take(s->r->link, &answer);

	if (err)
		return err;
	if (!(answer.tag & TAG_PROOF))
		return sweep_take_batch(s, &answer, b);
	s->first = (s->first + 1) % SERVER_LINK_WINDOW;
	s->len--;
	return sweep_take_proof(s, &answer, b);
}

/* Waits as the rate demands; IM_ERR_CANCELLED when the auditor stops meanwhile. */
static enum im_err
sweep_pause(const struct sweep *s)
{
	unsigned int rate = s->r->env->options->sweep_rate;
	const struct timespec slice = {0, PAUSE_SLICE_MS * CLOCK_NS_PER_MS};

	while (sweep_pause_ns(s->entries, clock_monotonic_ns() - s->started_ns, rate) > 0) {
		if (atomic_load(s->r->env->stop))
			return err_set(IM_ERR_CANCELLED, "the auditor is stopping");
		if (s->r->env->moved_ns)
			atomic_store(s->r->env->moved_ns, clock_monotonic_ns());
		nanosleep(&slice, NULL);
	}
	return IM_OK;
}

static bool
sweep_is_late(const struct sweep *s)
{
	int64_t budget_ns = s->r->env->sweep_budget_ns;

	return budget_ns > 0 && clock_monotonic_ns() - s->started_ns >= budget_ns;
}

/*
 * Reads on from what is done; ends with nothing pending. A batch counts with its proof, so both are
 * taken before it is asked whether there is time for more: each share comes at least so far.
 */
static enum im_err
sweep_run(struct sweep *s)
{
	enum im_err err = IM_OK;

	s->ask = s->done + 1;
	s->first = s->len = 0;
	while (!err && !sweep_is_late(s)) {
		err = sweep_send(s);
		if (err || server_link_pending(s->r->link) == 0)
			break;
		err = sweep_take(s);
		if (!err)
			err = sweep_take(s);
		if (!err)
			err = sweep_pause(s);
	}
	server_link_drain(s->r->link);
	return err;
}

/* A batch that does not fit is asked for in smaller ones, and in the end value by value. */
static enum im_err
sweep_too_large(struct sweep *s)
{
	enum im_err err;

	s->too_large = 0;
	s->chained = NOTHING_CHAINED;
	if (s->limit > 1) {
		s->limit /= 2;
		return IM_OK;
	}
	err = large_tx_check(s->r, s->done + 1, &s->entries);
	s->done += !err;
	return err;
}

/* A value is not there: has a transaction truncated it? */
static enum im_err
sweep_withheld(struct sweep *s)
{
	uint64_t tx = s->withheld;
	char text[REPORT_TEXT_MAX];
	enum im_err err;

	snprintf(text, sizeof text, "%s", err_detail(IM_ERR_DATA_LOSS));
	s->withheld = 0;
	s->chained = NOTHING_CHAINED;
	err = locate_truncation(s->r, tx);
	if (err)
		return err;
	s->rules.truncated_to = s->r->truncated_to;
	if (s->r->truncated_to < tx)
		return round_note(s->r, err_set(IM_ERR_DATA_LOSS, "%s", text), tx, tx);
	return IM_OK;
}

/* A batch was refused for what is in it: it is read again one by one. */
static enum im_err
sweep_carefully(struct sweep *s)
{
	s->is_refused = false;
	s->limit = 1;
	s->chained = NOTHING_CHAINED;
	return IM_OK;
}

/*
 * The answer about one transaction, as evidence for what was found in an answer about many; left
 * out when it does not fail.
 */
static void
sweep_keep_evidence(struct round *r)
{
	struct finding *f = &r->finding;
	struct round_question q = {
	    .tx = f->suspect_from, .since = r->seen.point.id, .with_values = true};
	struct verify_anchor anchor = round_anchor(r);
	Immudb__Schema__VerifiableTx *m;
	struct verify_outcome outcome;

	if (f->verdict != AUDIT_TAMPERED || f->suspect_from == 0 ||
	    f->suspect_from != f->suspect_to || f->tx)
		return;
	if (round_ask(r, &q, &r->arena, &m) == IM_OK &&
	    verify_tx(&anchor, q.tx, m, &r->arena, &outcome) == IM_ERR_PROOF)
		f->tx = m;
}

/* Notes in the round how far the pass is. */
static void
sweep_remember(struct sweep *s)
{
	struct round *r = s->r;

	r->swept += s->entries;
	r->sweep_started_at = s->share.started_at;
	r->sweep_position = s->done + 1;
	if (s->done >= r->seen.point.id) {
		r->sweep_position = 0;
		r->sweep_finished_at = clock_wall_s();
	}
}

enum im_err
sweep_check(struct round *r)
{
	const struct audit_options *o = r->env->options;
	struct sweep_plan plan = {.last = r->seen.point.id,
	    .position = r->sweep_position,
	    .started_at = r->sweep_started_at,
	    .finished_at = r->sweep_finished_at,
	    .now = clock_wall_s(),
	    .period_s = o->sweep_period_ms / 1000.0,
	    .interval_s = o->interval_ms / 1000.0};
	struct sweep s = {.r = r,
	    .rules = {.truncated_to = r->truncated_to, .now = plan.now, .with_values = true},
	    .started_ns = clock_monotonic_ns()};
	enum im_err err = IM_OK;

	if (o->sweep_period_ms == 0 || plan.last == 0)
		return IM_OK;
	s.limit = sweep_limit(&s, BATCH_TX_FIRST);
	s.share = sweep_plan_share(&plan);
	if (s.share.from > s.share.to)
		return IM_OK;
	s.done = s.share.from - 1;
	s.chained = s.done == 0 ? 0 : NOTHING_CHAINED;
	s.alh = hash_empty();
	while (!err && s.done < s.share.to && !sweep_is_late(&s)) {
		err = sweep_run(&s);
		if (!err || r->finding.verdict != AUDIT_OK)
			continue;
		if (s.too_large)
			err = sweep_too_large(&s);
		else if (s.withheld)
			err = sweep_withheld(&s);
		else if (s.is_refused)
			err = sweep_carefully(&s);
	}
	sweep_keep_evidence(r);
	sweep_remember(&s);
	return err;
}
