/*
 * Asking for announced restores, and judging what the server says. round.c calls it when a round
 * has found a history gone; round_end.c keeps what was accepted.
 *
 * Invariants: a finding only gets milder by a notice that a configured key has signed and that a
 * proof ties to what the server shows; what the server says here never makes anything trusted.
 */
#include "announced.h"

#include <inttypes.h>
#include <stdio.h>

#include "crypto/restore_notice.h"
#include "util/clock.h"
#include "util/text.h"

#define MS_PER_S 1000

/* Longest name of who restored in a reason, escaped. */
#define ACTOR_TEXT_MAX 1024

/* What was proven before and is not there any more. */
static const struct tx_point *
lost_point(const struct round *r)
{
	return r->finding.against ? &r->finding.against->point : &r->trusted.point;
}

static bool
may_be_restore(const struct round *r)
{
	enum audit_verdict v = r->finding.verdict;

	return (v == AUDIT_ROLLED_BACK || v == AUDIT_FORKED || v == AUDIT_EMPTIED) && r->link &&
	    r->has_seen && !r->finding.instead && (r->finding.against || r->has_trusted);
}

/* When what is lost was proven, in Unix seconds; 0: not known. */
static int64_t
lost_at(const struct round *r)
{
	uint64_t tx = lost_point(r)->id;

	for (size_t i = 0; i < r->record.points_len; i++)
		if (r->record.points[i].tx == tx)
			return r->record.points[i].seen_at;
	return 0;
}

static bool
is_signed(
    const struct round *r, const struct restore_notice *notice, const Immudb__Schema__Signature *m)
{
	for (size_t i = 0; m && i < r->env->keys_len; i++)
		if (restore_notice_check(r->env->keys[i], notice,
			bytes_of(m->signature.data, m->signature.len)) == IM_OK)
			return true;
	return false;
}

/* Is what was restored part of what the server shows now? */
static bool
is_shown(struct round *r, const struct tx_point *to)
{
	struct round_question q = {.tx = to->id, .since = r->seen.point.id};
	struct verify_anchor anchor = round_anchor(r);
	Immudb__Schema__VerifiableTx *m;
	struct verify_outcome outcome;

	if (to->id == 0)
		return true;
	if (to->id > r->seen.point.id)
		return false;
	r->checks++;
	return round_ask(r, &q, &r->arena, &m) == IM_OK &&
	    verify_history(&anchor, m, &r->arena, &outcome) == IM_OK &&
	    outcome.point.id == to->id && hash_equal(&outcome.point.alh, &to->alh);
}

/* NULL when the notice counts, else why it does not. */
static const char *
fault_of(
    struct round *r, const struct restore_notice *notice, const Immudb__Schema__RestoreNotice *m)
{
	if (!bytes_equal(notice->server_id, bytes_str(r->env->server_id)) ||
	    !bytes_equal(notice->database, bytes_str(r->database)))
		return "it is of another server or database";
	if (r->env->keys_len == 0)
		return "no public key is configured that could vouch for it";
	if (!is_signed(r, notice, m->signature))
		return "it is not signed by a configured public key";
	if (!restore_notice_covers(notice, lost_point(r)))
		return "it is about other transactions";
	if (notice->at_ms / MS_PER_S + ANNOUNCED_SKEW_S < lost_at(r))
		return "it was made before the transactions that are gone";
	if (r->record.is_notice_settled && notice->at_ms <= r->record.notice_at_ms)
		return "it has explained another restore already";
	if (!is_shown(r, &notice->to))
		return "what the server shows now is not what was restored";
	return NULL;
}

/* Adds to the reason who restored what, and why that does not count. */
static void
add_reason(struct round *r, const struct restore_notice *notice, const char *fault)
{
	struct finding *f = &r->finding;
	size_t len = strlen(f->reason);
	char at[CLOCK_TEXT_SIZE];
	struct buf out, who;

	buf_init(&who, ACTOR_TEXT_MAX);
	text_append_printable(&who, notice->actor);
	buf_init_in(&out, f->reason + len, sizeof f->reason - len);
	buf_printf(&out,
	    "; the server %s that %.*s restored the database at %s to transaction "
	    "%" PRIu64,
	    fault ? "says" : "has announced", (int)who.len, (const char *)who.data,
	    clock_format_s(notice->at_ms / MS_PER_S, at), notice->to.id);
	if (notice->from.id > 0)
		buf_printf(&out, " from %" PRIu64, notice->from.id);
	if (fault)
		buf_printf(&out, ", which does not count: %s", fault);
	buf_append_u8(&out, '\0');
	/* A text that does not fit is not there. */
	if (out.err)
		f->reason[len] = '\0';
	buf_free(&who);
}

static void
accept(struct round *r, const struct restore_notice *notice)
{
	struct finding *f = &r->finding;

	f->verdict = AUDIT_ROLLED_BACK_ANNOUNCED;
	f->suspect_from = notice->to.id + 1;
	f->suspect_to = lost_point(r)->id;
	f->notice_at_ms = notice->at_ms;
}

/* The first notice that counts, else the first there is. */
static void
judge(struct round *r, const Immudb__Schema__RestoreNotices *list)
{
	const Immudb__Schema__RestoreNotice *first = NULL;
	struct restore_notice notice, first_notice;
	const char *fault, *first_fault = NULL;

	for (size_t i = 0; i < list->n_notices && i < ANNOUNCED_NOTICES_MAX; i++) {
		const Immudb__Schema__RestoreNotice *m = list->notices[i];

		if (decode_restore_notice(m, &notice))
			continue;
		fault = fault_of(r, &notice, m);
		if (!fault) {
			r->finding.notice = m;
			add_reason(r, &notice, NULL);
			accept(r, &notice);
			return;
		}
		if (!first) {
			first = m;
			first_notice = notice;
			first_fault = fault;
		}
	}
	if (!first)
		return;
	r->finding.notice = first;
	add_reason(r, &first_notice, first_fault);
}

void
announced_look(struct round *r)
{
	Immudb__Schema__RestoreNoticesRequest m = IMMUDB__SCHEMA__RESTORE_NOTICES_REQUEST__INIT;
	struct server_request ask = {
	    .method = RPC_METHOD_RestoreNotices, .token = r->token, .message = &m.base};
	ProtobufCMessage *answer;

	if (!may_be_restore(r))
		return;
	m.tx = lost_point(r)->id;
	/* A server that does not know the question has announced nothing. */
	if (server_link_ask(r->link, &ask, &r->arena, &answer) == IM_OK)
		judge(r, (const Immudb__Schema__RestoreNotices *)answer);
}
