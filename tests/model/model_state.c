/*
 * The model: a database as plain arrays, searched from one end to the other.
 *
 * Neighbours: write_check.c and read_check.c and those beside it ask a server the same and compare.
 * Invariant: nothing here knows how the server does it.
 */
#include "model_state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The lengths of a raw key beside set and key, and the most there may be. */
#define MEMBER_OVERHEAD 34u
#define RAW_KEY_LIMIT 1024u

void
model_init(struct model *m)
{
	*m = (struct model){0};
}

void
model_free(struct model *m)
{
	for (unsigned i = 0; i < SAMPLE_KEYS; i++)
		free(m->keys[i].items);
	free(m->txs);
	free(m->members);
	model_init(m);
}

/* Room for one more. */
static void *
grown(void *items, size_t len, size_t size)
{
	void *more = realloc(items, (len + 1) * size);

	if (!more) {
		fputs("no memory for the model\n", stderr);
		exit(1);
	}
	return more;
}

/* ---- Looking at what is there ---- */

static const struct model_entry *
entry_of_tx(const struct model_tx *tx, unsigned key)
{
	for (unsigned i = 0; i < tx->len; i++)
		if (tx->entries[i].kind != MODEL_MEMBER && tx->entries[i].key == key)
			return &tx->entries[i];
	return NULL;
}

const struct model_entry *
model_version(const struct model *m, unsigned key, uint64_t at_tx)
{
	const struct model_history *h;

	if (key >= SAMPLE_KEYS || at_tx > m->tx)
		return NULL;
	h = &m->keys[key];
	if (at_tx)
		return entry_of_tx(&m->txs[at_tx], key);
	return h->len > 0 ? &h->items[h->len - 1] : NULL;
}

uint64_t
model_revision(const struct model *m, const struct model_entry *entry)
{
	const struct model_history *h = &m->keys[entry->key];

	for (size_t i = 0; i < h->len; i++)
		if (h->items[i].tx == entry->tx)
			return i + 1;
	return 0;
}

bool
model_is_expired(const struct model_entry *entry)
{
	return entry->metadata.expires && entry->metadata.expires_at <= time(NULL);
}

bool
model_is_alive(const struct model_entry *entry)
{
	return entry && entry->kind != MODEL_DELETED && !model_is_expired(entry);
}

enum im_err
model_resolve(const struct model *m, const struct model_entry *entry, struct model_shown *out)
{
	*out = (struct model_shown){NULL, 0, NULL, 0};
	if (!model_is_alive(entry))
		return IM_ERR_KEY_NOT_FOUND;
	out->entry = entry;
	if (entry->kind == MODEL_REFERENCE) {
		out->via = entry;
		out->via_revision = model_revision(m, entry);
		out->entry = model_version(m, entry->target, entry->at_tx);
		if (!model_is_alive(out->entry))
			return IM_ERR_KEY_NOT_FOUND;
		if (out->entry->kind == MODEL_REFERENCE)
			return IM_ERR_RESOLUTION;
	}
	out->revision = model_revision(m, out->entry);
	return IM_OK;
}

size_t
model_keys_alive(const struct model *m, unsigned out[SAMPLE_KEYS])
{
	size_t n = 0;

	for (unsigned key = 0; key < SAMPLE_KEYS; key++) {
		size_t at = n;

		if (!model_is_alive(model_version(m, key, 0)))
			continue;
		for (; at > 0 && sample_compare(sample_key(key), sample_key(out[at - 1])) < 0; at--)
			out[at] = out[at - 1];
		out[at] = key;
		n++;
	}
	return n;
}

int
model_compare_members(const struct model_entry *a, const struct model_entry *b)
{
	double x = sample_score(a->score), y = sample_score(b->score);
	struct immu_bytes p = sample_key(a->key), q = sample_key(b->key);

	if (x != y)
		return x < y ? -1 : 1;
	if (signbit(x) != signbit(y))
		return signbit(x) ? -1 : 1;
	if (p.len != q.len)
		return p.len < q.len ? -1 : 1;
	if (!sample_equal(p, q))
		return sample_compare(p, q);
	return (a->at_tx > b->at_tx) - (a->at_tx < b->at_tx);
}

/* ---- Judging a write ---- */

void
model_fault(struct model_faults *faults, enum im_err err)
{
	if (!model_expects(faults, err))
		faults->items[faults->len++] = err;
}

bool
model_expects(const struct model_faults *faults, enum im_err err)
{
	for (unsigned i = 0; i < faults->len; i++)
		if (faults->items[i] == err)
			return true;
	return faults->len == 0 && err == IM_OK;
}

static bool
judge_key(unsigned key, struct model_faults *faults)
{
	if (key == SAMPLE_KEY_EMPTY)
		model_fault(faults, IM_ERR_NULL_KEY);
	else if (key == SAMPLE_KEY_LONG)
		model_fault(faults, IM_ERR_KEY_LENGTH);
	return key < SAMPLE_KEYS;
}

/* The entry of the same request that sets or refers by the key, before number i; NULL: none. */
static const struct model_entry *
set_before(const struct model_write *w, unsigned i, unsigned key)
{
	for (unsigned j = 0; j < i; j++)
		if (w->entries[j].kind != MODEL_MEMBER && w->entries[j].key == key)
			return &w->entries[j];
	return NULL;
}

static bool
same_member(const struct model_entry *a, const struct model_entry *b)
{
	return a->kind == MODEL_MEMBER && b->kind == MODEL_MEMBER && a->set == b->set &&
	    a->score == b->score && a->key == b->key && a->at_tx == b->at_tx;
}

static void
judge_duplicate(const struct model_write *w, unsigned i, struct model_faults *faults)
{
	const struct model_entry *e = &w->entries[i], *before;

	if (e->kind == MODEL_MEMBER) {
		for (unsigned j = 0; j < i; j++)
			if (same_member(&w->entries[j], e))
				model_fault(faults, IM_ERR_DUPLICATE_ZADD);
		return;
	}
	before = set_before(w, i, e->key);
	if (before)
		model_fault(faults,
		    before->kind == MODEL_REFERENCE && e->kind == MODEL_REFERENCE
			? IM_ERR_DUPLICATE_REFERENCE
			: IM_ERR_DUPLICATE_KEY);
}

static void
judge_plain(const struct model_entry *target, struct model_faults *faults)
{
	if (!model_is_alive(target))
		model_fault(faults, IM_ERR_KEY_NOT_FOUND);
	else if (target->kind == MODEL_REFERENCE)
		model_fault(faults, IM_ERR_REFERENCE_TARGET);
}

/* What a reference or member points to: set earlier in the same request, or there already. */
static void
judge_target(
    const struct model *m, const struct model_write *w, unsigned i, struct model_faults *faults)
{
	const struct model_entry *e = &w->entries[i];
	unsigned target = e->kind == MODEL_MEMBER ? e->key : e->target;
	const struct model_entry *here = set_before(w, i, target);

	if (!judge_key(target, faults))
		return;
	if (e->at_tx == IMMU_THIS_TX) {
		if (w->op != IMMU_OP_EXEC_ALL)
			model_fault(faults, IM_ERR_ARGUMENT);
		judge_plain(here, faults);
	} else if (e->at_tx > m->tx) {
		model_fault(faults, IM_ERR_TX_NOT_FOUND);
	} else if (e->at_tx == 0 && here && !here->metadata.non_indexable) {
		judge_plain(here, faults);
	} else {
		judge_plain(model_version(m, target, e->at_tx), faults);
	}
}

static void
judge_member(const struct model_entry *e, struct model_faults *faults)
{
	if (isnan(sample_score(e->score)))
		model_fault(faults, IM_ERR_ARGUMENT);
	if (MEMBER_OVERHEAD + sample_set(e->set).len + sample_key(e->key).len > RAW_KEY_LIMIT)
		model_fault(faults, IM_ERR_KEY_LENGTH);
}

static void
judge_entry(
    const struct model *m, const struct model_write *w, unsigned i, struct model_faults *faults)
{
	const struct model_entry *e = &w->entries[i];
	const struct model_entry *now = model_version(m, e->key, 0);

	judge_duplicate(w, i, faults);
	judge_key(e->key, faults);
	if (e->kind == MODEL_REFERENCE || e->kind == MODEL_MEMBER)
		judge_target(m, w, i, faults);
	if (e->kind == MODEL_MEMBER)
		judge_member(e, faults);
	if (e->kind == MODEL_REFERENCE && model_is_alive(now) && now->kind == MODEL_VALUE)
		model_fault(faults, IM_ERR_REFERENCE_KEY);
	if (e->kind == MODEL_DELETED && e->key < SAMPLE_KEYS && !model_is_alive(now))
		model_fault(faults, IM_ERR_KEY_NOT_FOUND);
}

static void
judge_condition(const struct model *m, const struct model_condition *c, struct model_faults *faults)
{
	const struct model_entry *now = model_version(m, c->key, 0);
	bool holds = true;

	if (!judge_key(c->key, faults))
		return;
	switch (c->condition) {
	case IMMU_KEY_MUST_EXIST:
		holds = model_is_alive(now);
		break;
	case IMMU_KEY_MUST_NOT_EXIST:
		holds = !model_is_alive(now);
		break;
	case IMMU_KEY_NOT_MODIFIED_AFTER:
		holds = !now || now->tx <= c->tx;
		if (c->tx == 0)
			model_fault(faults, IM_ERR_BAD_PRECONDITION);
		break;
	}
	if (!holds)
		model_fault(faults, IM_ERR_PRECONDITION);
}

void
model_judge(const struct model *m, const struct model_write *w, struct model_faults *faults)
{
	faults->len = 0;
	if (w->len == 0)
		model_fault(faults, w->op == IMMU_OP_DELETE ? IM_ERR_ARGUMENT : IM_ERR_NO_ENTRIES);
	if (w->since_tx > m->tx)
		model_fault(faults, IM_ERR_ARGUMENT);
	for (unsigned i = 0; i < w->len; i++)
		judge_entry(m, w, i, faults);
	for (unsigned i = 0; i < w->conditions_len; i++)
		judge_condition(m, &w->conditions[i], faults);
}

/* ---- Doing it ---- */

static void
add_version(struct model *m, const struct model_entry *e)
{
	struct model_history *h = &m->keys[e->key];

	h->items = grown(h->items, h->len, sizeof *h->items);
	h->items[h->len++] = *e;
}

/* A member that is there already stays where it is. */
static void
add_member(struct model *m, const struct model_entry *e)
{
	size_t at = m->members_len;

	for (size_t i = 0; i < m->members_len; i++)
		if (same_member(&m->members[i], e))
			return;
	m->members = grown(m->members, m->members_len, sizeof *m->members);
	for (; at > 0 && model_compare_members(e, &m->members[at - 1]) < 0; at--)
		m->members[at] = m->members[at - 1];
	m->members[at] = *e;
	m->members_len++;
}

void
model_apply(struct model *m, const struct model_write *w)
{
	struct model_tx *tx;

	m->txs = grown(m->txs, m->tx + 1, sizeof *m->txs);
	tx = &m->txs[++m->tx];
	tx->len = w->len;
	for (unsigned i = 0; i < w->len; i++) {
		struct model_entry *e = &tx->entries[i];

		*e = w->entries[i];
		e->tx = m->tx;
		if (e->at_tx == IMMU_THIS_TX)
			e->at_tx = m->tx;
		if (e->kind == MODEL_MEMBER)
			add_member(m, e);
		else if (!e->metadata.non_indexable)
			add_version(m, e);
	}
}

void
model_truncate(struct model *m, uint64_t tx)
{
	size_t kept = 0;

	m->tx = tx;
	for (unsigned key = 0; key < SAMPLE_KEYS; key++) {
		struct model_history *h = &m->keys[key];

		while (h->len > 0 && h->items[h->len - 1].tx > tx)
			h->len--;
	}
	/* A member has the transaction that added it first. */
	for (size_t i = 0; i < m->members_len; i++)
		if (m->members[i].tx <= tx)
			m->members[kept++] = m->members[i];
	m->members_len = kept;
}
