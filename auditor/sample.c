/*
 * The random sample. round.c calls it with a state that is proven; every drawn transaction is asked
 * for with its values and a proof up to that state, many at a time.
 *
 * Invariants: what is drawn comes from the system's random numbers, after the server has shown its
 * state; an answer counts only when its history, its entries and its values have all been checked.
 */
#include "sample.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "content_check.h"
#include "large_tx.h"
#include "locate.h"
#include "round.h"
#include "round_rules.h"
#include "rpc/batch.h"
#include "util/clock.h"

/* Transactions of one sample that did not fit one message and are looked at entry by entry. */
#define SAMPLE_LARGE_MAX 16

/* ---- Drawing. ---- */

static enum im_err
random_fill(void *data, size_t len)
{
	uint8_t *p = data;

	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);

		if (n <= 0)
			return err_set(IM_ERR_INTERNAL, "no random numbers");
		p += n;
		len -= (size_t)n;
	}
	return IM_OK;
}

static int
compare_tx(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Sorts and drops what is there twice. */
static size_t
sort_unique(uint64_t *tx, size_t len)
{
	size_t kept = 0;

	qsort(tx, len, sizeof *tx, compare_tx);
	for (size_t i = 0; i < len; i++)
		if (i == 0 || tx[i] != tx[i - 1])
			tx[kept++] = tx[i];
	return kept;
}

enum im_err
sample_draw(const struct sample_plan *plan, uint64_t *out, size_t *len)
{
	size_t newest = plan->newest < plan->last ? plan->newest : (size_t)plan->last;
	enum im_err err = IM_OK;

	*len = 0;
	if (plan->last == 0)
		return IM_OK;
	if (plan->last <= plan->n) {
		for (uint64_t tx = 1; tx <= plan->last; tx++)
			out[(*len)++] = tx;
		return IM_OK;
	}
	if (plan->n > 0)
		err = random_fill(out, plan->n * sizeof *out);
	if (err)
		return err;
	/* A 64-bit number times the range, upper half: even but for one part in 2^64 / range. */
	for (size_t i = 0; i < plan->n; i++)
		out[i] = 1 + (uint64_t)(((unsigned __int128)out[i] * plan->last) >> 64);
	for (size_t i = 0; i < newest; i++)
		out[plan->n + i] = plan->last - i;
	*len = sort_unique(out, plan->n + newest);
	return IM_OK;
}

/* ---- Checking. ---- */

struct sample {
	struct round *r;
	uint64_t *tx; /* ascending */
	size_t len;
	size_t newest; /* how many of the last ones come first */
	size_t offset; /* where the others begin */
	size_t sent;
	uint64_t bytes;
	struct tx_rules rules;
	uint64_t withheld; /* the transaction whose value was not there; 0: none */
	uint64_t large[SAMPLE_LARGE_MAX];
	size_t large_len;
};

/*
 * The newest first, the others from somewhere on, so that a sample that is cut short favours
 * nobody.
 */
static uint64_t
sample_at(const struct sample *s, size_t i)
{
	size_t others = s->len - s->newest;

	if (i < s->newest)
		return s->tx[s->len - 1 - i];
	return s->tx[(s->offset + i) % others];
}

static enum im_err
sample_send(struct sample *s)
{
	struct round *r = s->r;
	enum im_err err = IM_OK;

	rpc_batch_begin();
	while (!err && s->sent < s->len && s->bytes < SAMPLE_BYTES_MAX &&
	    server_link_has_room(r->link)) {
		Immudb__Schema__VerifiableTxRequest m;
		struct round_question q = {
		    .tx = sample_at(s, s->sent), .since = r->seen.point.id, .with_values = true};

		round_fill_question(&m, &q);
		err = server_link_send(r->link,
		    &(struct server_request){.method = RPC_METHOD_VerifiableTxById,
			.token = r->token,
			.message = &m.base,
			.tag = q.tx});
		s->sent += !err;
	}
	rpc_batch_end();
	return err;
}

/* What the server refuses with: the transaction is named, whatever it says. */
static enum im_err
sample_refused(struct sample *s, const struct server_answer *a)
{
	if (a->err == IM_ERR_MESSAGE_SIZE && s->large_len < SAMPLE_LARGE_MAX) {
		s->large[s->large_len++] = a->tag;
		return IM_OK;
	}
	err_set(a->err, "transaction %" PRIu64 " was asked for, and the server says: %s", a->tag,
	    a->text);
	return round_note(s->r, a->err, a->tag, a->tag);
}

/* Keeps the answer, if it is one that fails. */
static enum im_err
sample_failed(struct sample *s, const Immudb__Schema__VerifiableTx *m, uint64_t tx, enum im_err err)
{
	/* The scratch memory is not touched before the round ends. */
	s->r->finding.tx = m;
	return round_note(s->r, err, tx, tx);
}

static enum im_err
sample_take(struct sample *s, const struct server_answer *a)
{
	struct round *r = s->r;
	struct verify_anchor anchor = round_anchor(r);
	const Immudb__Schema__VerifiableTx *m;
	struct verify_outcome outcome;
	struct tx_checked checked;
	ProtobufCMessage *message;
	enum im_err err;

	if (a->err)
		return sample_refused(s, a);
	s->bytes += a->body.len;
	arena_reset(&r->scratch, SERVER_LINK_BYTES);
	err = decode_message(
	    &immudb__schema__verifiable_tx__descriptor, a->body, &r->scratch, &message);
	if (err)
		return err;
	m = (const Immudb__Schema__VerifiableTx *)message;
	err = verify_history(&anchor, m, &r->scratch, &outcome);
	r->checks++;
	if (err)
		return sample_failed(s, m, a->tag, err);
	if (outcome.point.id != a->tag)
		return sample_failed(s, NULL, a->tag, round_wrong_tx(outcome.point.id, a->tag));
	err = content_check(m->tx, &s->rules, &r->scratch, &outcome, &checked);
	r->sampled += checked.values;
	if (err && checked.is_withheld && s->withheld == 0) {
		s->withheld = a->tag;
		return err;
	}
	return err ? sample_failed(s, m, a->tag, err) : IM_OK;
}

/* All that was drawn, once; ends with nothing pending. */
static enum im_err
sample_pass(struct sample *s)
{
	struct server_answer answer;
	enum im_err err = IM_OK;

	s->sent = 0;
	s->large_len = 0;
	while (!err) {
		err = sample_send(s);
		if (err || server_link_pending(s->r->link) == 0)
			break;
		err = server_link_take(s->r->link, &answer);
		if (!err)
			err = sample_take(s, &answer);
	}
	server_link_drain(s->r->link);
	for (size_t i = 0; i < s->large_len && !err; i++)
		err = large_tx_check(s->r, s->large[i], &s->r->sampled);
	return err;
}

/* Goes through the sample; a value that is not there sends us to look for a truncation, once. */
static enum im_err
sample_all(struct sample *s)
{
	enum im_err err = sample_pass(s), searched;
	char text[REPORT_TEXT_MAX];

	if (!s->withheld || s->r->finding.verdict != AUDIT_OK || err != IM_ERR_DATA_LOSS)
		return err;
	snprintf(text, sizeof text, "%s", err_detail(err));
	searched = locate_truncation(s->r, s->withheld);
	if (searched)
		return searched;
	if (s->r->truncated_to < s->withheld)
		return round_note(
		    s->r, err_set(IM_ERR_DATA_LOSS, "%s", text), s->withheld, s->withheld);
	s->rules.truncated_to = s->r->truncated_to;
	return sample_pass(s);
}

enum im_err
sample_check(struct round *r)
{
	const struct audit_options *o = r->env->options;
	struct sample_plan plan = {.last = r->seen.point.id, .n = o->sample, .newest = o->newest};
	struct sample s = {.r = r,
	    .rules = {.truncated_to = r->truncated_to, .now = clock_wall_s(), .with_values = true}};
	enum im_err err;

	if (plan.last == 0 || plan.n + plan.newest == 0)
		return IM_OK;
	s.tx = calloc(plan.n + plan.newest, sizeof *s.tx);
	if (!s.tx)
		return err_set(IM_ERR_NOMEM, "out of memory");
	err = sample_draw(&plan, s.tx, &s.len);
	s.newest = plan.newest < s.len ? plan.newest : s.len;
	if (!err && s.len > s.newest)
		err = random_fill(&s.offset, sizeof s.offset);
	/* Far from where the sum with an index would wrap. */
	s.offset = s.len > s.newest ? s.offset % (s.len - s.newest) : 0;
	if (!err)
		err = sample_all(&s);
	free(s.tx);
	return err;
}
