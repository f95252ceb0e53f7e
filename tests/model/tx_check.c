/*
 * Transactions: headers, entries as digests, with values and resolved, one by one and in lists.
 *
 * Neighbours: read_check.c compares what is resolved.
 */
#include <math.h>
#include <string.h>

#include "model_run.h"

#define LIMIT_MAX 2500u
/* Of a raw value: a value has one byte in front, a reference that, a number and the key's byte. */
#define REFERENCE_OVERHEAD 10u

static enum immu_show
draw_show(bool verified)
{
	return (enum immu_show)sample_draw(verified ? 3 : 4);
}

static struct immu_tx_spec
draw_spec(bool verified)
{
	struct immu_tx_spec spec = {.is_set = !sample_once_in(3)};

	if (spec.is_set) {
		spec.kv = draw_show(verified);
		spec.z = draw_show(verified);
		spec.other = draw_show(true);
	}
	return spec;
}

static enum immu_show
show_of(const struct immu_tx_spec *spec, const struct model_entry *e)
{
	if (!spec->is_set)
		return IMMU_SHOW_DIGEST;
	return e->kind == MODEL_MEMBER ? spec->z : spec->kv;
}

/* ---- Entries as they are stored ---- */

static void
compare_stored_member(
    const struct run *r, const struct immu_tx_entry *got, const struct model_entry *e)
{
	if (got->kind != IMMU_KIND_ZADD || got->value_len != 0 || got->at_tx != e->at_tx ||
	    got->score != sample_score(e->score) ||
	    signbit(got->score) != signbit(sample_score(e->score)))
		run_wrong(r, "a stored member with score %g, bound to %llu", got->score,
		    (unsigned long long)got->at_tx);
	read_compare_bytes(r, "stored set", got->set, sample_set(e->set));
}

static void
compare_stored_value(
    const struct run *r, const struct immu_tx_entry *got, const struct model_entry *e)
{
	if (e->kind == MODEL_REFERENCE) {
		if (got->kind != IMMU_KIND_REFERENCE || got->at_tx != e->at_tx)
			run_wrong(r, "no stored reference");
		read_compare_bytes(r, "stored target", got->target, sample_key(e->target));
		return;
	}
	if (got->kind != IMMU_KIND_VALUE)
		run_wrong(r, "no stored value");
	if (e->kind == MODEL_VALUE)
		read_compare_value(r, got->value, e->value);
	else if (got->raw_value.len > 0)
		run_wrong(r, "a deleted key is stored with a value");
}

static size_t
stored_len(const struct model_entry *e)
{
	if (e->kind == MODEL_REFERENCE)
		return REFERENCE_OVERHEAD + sample_key(e->target).len;
	return e->kind == MODEL_VALUE ? 1 + sample_value_size(e->value) : 0;
}

static void
compare_stored(const struct run *r, const struct immu_tx_entry *got, const struct model_entry *e,
    bool with_value)
{
	read_compare_bytes(r, "stored key", got->key, sample_key(e->key));
	read_compare_metadata(r, &got->metadata, &e->metadata);
	if (got->value_len != stored_len(e))
		run_wrong(
		    r, "a stored value of %u bytes instead of %zu", got->value_len, stored_len(e));
	if (e->kind == MODEL_MEMBER)
		compare_stored_member(r, got, e);
	else if (with_value && got->has_value)
		compare_stored_value(r, got, e);
	else if (with_value)
		run_wrong(r, "a value is not there");
	else if (got->kind != IMMU_KIND_KEY)
		run_wrong(r, "a digest of kind %d", (int)got->kind);
}

/* ---- Resolved entries ---- */

static void
compare_resolved(const struct run *r, const struct immu_entry *got, const struct model_entry *e)
{
	struct model_shown shown;

	/* What is deleted, expired or leads nowhere is shown as it is. */
	if (model_resolve(&r->m, e, &shown) == IM_OK)
		read_compare(r, got, &shown, true);
	else
		read_compare_version(r, got, e, true);
}

static void
compare_resolved_member(
    const struct run *r, const struct immu_zentry *got, const struct model_entry *e)
{
	struct model_shown shown;
	double score = sample_score(e->score);

	read_compare_bytes(r, "resolved set", got->set, sample_set(e->set));
	read_compare_bytes(r, "resolved member", got->key, sample_key(e->key));
	if (got->score != score || signbit(got->score) != signbit(score) || got->at_tx != e->at_tx)
		run_wrong(r, "a resolved member with score %g, bound to %llu", got->score,
		    (unsigned long long)got->at_tx);
	if (model_resolve(&r->m, model_version(&r->m, e->key, e->at_tx), &shown) == IM_OK)
		read_compare(r, &got->entry, &shown, true);
	else if (got->entry.tx != 0 || got->entry.value.len > 0)
		run_wrong(r, "a member that leads nowhere has a value");
}

/* ---- Transactions ---- */

/* A transaction as it was shown, alone or in a list. */
static void
compare_tx(const struct run *r, const struct immu_tx_view *got, uint64_t id,
    const struct immu_tx_spec *spec)
{
	const struct model_tx *tx = &r->m.txs[id];
	size_t stored = 0, entries = 0, members = 0;

	if (got->header.id != id || got->header.entries != tx->len)
		run_wrong(r, "transaction %llu of %u entries", (unsigned long long)got->header.id,
		    got->header.entries);
	for (unsigned i = 0; i < tx->len; i++) {
		const struct model_entry *e = &tx->entries[i];
		enum immu_show show = show_of(spec, e);

		if (show == IMMU_SHOW_RESOLVED && e->kind == MODEL_MEMBER) {
			if (members == got->zentries_len)
				run_wrong(r, "a member is not shown");
			compare_resolved_member(r, &got->zentries[members++], e);
		} else if (show == IMMU_SHOW_RESOLVED) {
			if (entries == got->entries_len)
				run_wrong(r, "an entry is not shown");
			compare_resolved(r, &got->entries[entries++], e);
		} else if (show != IMMU_SHOW_NONE) {
			if (stored == got->tx_entries_len)
				run_wrong(r, "a stored entry is not shown");
			compare_stored(r, &got->tx_entries[stored++], e, show == IMMU_SHOW_VALUE);
		}
	}
	if (stored != got->tx_entries_len || entries != got->entries_len ||
	    members != got->zentries_len)
		run_wrong(r, "more is shown than transaction %llu has", (unsigned long long)id);
}

void
tx_random(struct run *r)
{
	struct immu_request request = {.op = IMMU_OP_TX, .verified = sample_once_in(2)};
	struct model_faults faults = {.len = 0};
	struct immu_tx_view view;
	struct immu_result *result;
	enum im_err err;

	request.tx = sample_draw(r->m.tx + 2);
	request.tx_spec = draw_spec(request.verified);
	request.since_tx = read_since(r, &faults);
	if (request.tx == 0)
		model_fault(&faults, IM_ERR_ARGUMENT);
	if (request.tx > r->m.tx)
		model_fault(&faults, IM_ERR_TX_NOT_FOUND);
	err = immu_run(r->c, &request, &result);
	run_expect(r, "tx", err, &faults);
	if (err != IM_OK)
		return;
	view = (struct immu_tx_view){result->header, result->tx_entries, result->tx_entries_len,
	    result->entries, result->entries_len, result->zentries, result->zentries_len};
	compare_tx(r, &view, request.tx, &request.tx_spec);
	if (result->verified != request.verified)
		run_wrong(r, "a transaction is not verified");
	immu_result_free(result);
}

/* How many transactions a list has from the first one on. */
static uint64_t
expect_txs(const struct model *m, const struct immu_tx_scan *scan, uint64_t first)
{
	uint64_t there = scan->descending ? first : first > m->tx ? 0 : m->tx - first + 1;
	uint64_t limit = scan->limit ? scan->limit : LIMIT_MAX;

	return there < limit ? there : limit;
}

void
tx_scan_random(struct run *r)
{
	struct immu_request request = {.op = IMMU_OP_TX_SCAN};
	struct immu_tx_scan *scan = &request.tx_scan;
	struct model_faults faults = {.len = 0};
	struct immu_result *result;
	uint64_t first;
	enum im_err err;

	*scan = (struct immu_tx_scan){.initial_tx = sample_draw(r->m.tx + 3),
	    .limit = sample_once_in(30) ? LIMIT_MAX + 1 : 1 + sample_draw(6),
	    .descending = sample_once_in(2),
	    .spec = draw_spec(false),
	    .since_tx = read_since(r, &faults)};
	if (scan->initial_tx == 0)
		model_fault(&faults, IM_ERR_ARGUMENT);
	if (scan->limit > LIMIT_MAX)
		model_fault(&faults, IM_ERR_RESULT_LIMIT);
	err = immu_run(r->c, &request, &result);
	run_expect(r, "tx scan", err, &faults);
	if (err != IM_OK)
		return;
	first = scan->descending && scan->initial_tx > r->m.tx ? r->m.tx : scan->initial_tx;
	if (result->txs_len != expect_txs(&r->m, scan, first))
		run_wrong(r, "tx scan showed %zu transactions", result->txs_len);
	for (size_t i = 0; i < result->txs_len; i++)
		compare_tx(
		    r, &result->txs[i], scan->descending ? first - i : first + i, &scan->spec);
	immu_result_free(result);
}

/* ---- All of them ---- */

struct tx_walk {
	const struct run *r;
	struct immu_tx_spec spec;
	uint64_t seen;
};

static bool
see_tx(void *arg, const struct immu_tx_view *view)
{
	struct tx_walk *walk = arg;

	if (walk->seen == walk->r->m.tx)
		run_wrong(walk->r, "a walk goes on behind the newest transaction");
	compare_tx(walk->r, view, ++walk->seen, &walk->spec);
	return true;
}

void
tx_all(struct run *r)
{
	struct immu_tx_scan scan = {.initial_tx = 1, .spec = draw_spec(false)};
	struct tx_walk walk = {r, scan.spec, 0};
	enum im_err err = r->m.tx > 0 ? immu_each_tx(r->c, &scan, see_tx, &walk) : IM_OK;

	if (err != IM_OK || walk.seen != r->m.tx)
		run_wrong(r, "a walk over transactions ended with %llu: %s",
		    (unsigned long long)walk.seen, immu_error_text(err));
}
