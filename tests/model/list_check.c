/*
 * Lists of keys, of members of sets and of versions, page by page and walked through as a whole.
 *
 * Neighbours: model_state.c has the order; what is left out and where a list begins is here, as
 * plain conditions on each item.
 */
#include <math.h>
#include <string.h>

#include "model_run.h"

#define LIMIT_MAX 2500u
#define PREFIX_MAX 2u
/* More than one run can write. */
#define MEMBERS_MAX 8192u

/* How much of a list a request shows. */
struct window {
	uint64_t offset;
	uint64_t limit;
	bool descending;
};

static struct window
draw_window(struct model_faults *faults)
{
	struct window w = {.descending = sample_once_in(2)};

	if (sample_once_in(3))
		w.offset = sample_once_in(20) ? UINT64_MAX : sample_draw(8);
	if (sample_once_in(2))
		w.limit = sample_once_in(20) ? LIMIT_MAX + sample_draw(2) : 1 + sample_draw(6);
	if (w.limit > LIMIT_MAX)
		model_fault(faults, IM_ERR_RESULT_LIMIT);
	return w;
}

/* Whether one more is shown: counts down offset and limit. */
static bool
passes_offset(struct window *w)
{
	if (w->offset == 0)
		return true;
	w->offset--;
	return false;
}

/* ---- Keys ---- */

static bool
is_behind(struct immu_bytes key, struct immu_bytes bound, bool inclusive, bool descending)
{
	int order = sample_compare(key, bound);

	return bound.len == 0 || (descending ? order < 0 : order > 0) || (order == 0 && inclusive);
}

static bool
scan_has(const struct immu_scan *scan, struct immu_bytes key)
{
	return sample_begins(key, scan->prefix) &&
	    is_behind(key, scan->seek, scan->inclusive_seek, scan->descending) &&
	    is_behind(key, scan->end, scan->inclusive_end, !scan->descending);
}

static void
draw_scan(struct immu_scan *scan, struct window w)
{
	*scan = (struct immu_scan){.seek = sample_bound(),
	    .end = sample_bound(),
	    .inclusive_seek = sample_once_in(2),
	    .inclusive_end = sample_once_in(2),
	    .descending = w.descending,
	    .offset = w.offset,
	    .limit = w.limit};
	if (sample_once_in(3)) {
		scan->prefix = sample_key((unsigned)sample_draw(SAMPLE_KEYS));
		if (scan->prefix.len > PREFIX_MAX)
			scan->prefix.len = 1 + sample_draw(PREFIX_MAX);
	}
}

/* What a scan shows, in order. */
static size_t
expect_scan(
    const struct model *m, const struct immu_scan *scan, struct model_shown shown[SAMPLE_KEYS])
{
	struct window w = {scan->offset, scan->limit ? scan->limit : LIMIT_MAX, false};
	unsigned keys[SAMPLE_KEYS];
	size_t alive = model_keys_alive(m, keys), n = 0;

	for (size_t i = 0; i < alive && n < w.limit; i++) {
		unsigned key = keys[scan->descending ? alive - 1 - i : i];

		if (scan_has(scan, sample_key(key)) && passes_offset(&w) &&
		    model_resolve(m, model_version(m, key, 0), &shown[n]) == IM_OK)
			n++;
	}
	return n;
}

void
list_keys_random(struct run *r)
{
	struct immu_request request = {.op = IMMU_OP_SCAN};
	struct model_faults faults = {.len = 0};
	struct model_shown shown[SAMPLE_KEYS];
	struct immu_result *result;
	size_t n;
	enum im_err err;

	draw_scan(&request.scan, draw_window(&faults));
	request.scan.since_tx = read_since(r, &faults);
	request.no_wait = sample_once_in(3);
	n = expect_scan(&r->m, &request.scan, shown);
	err = immu_run(r->c, &request, &result);
	run_expect(r, "scan", err, &faults);
	if (err != IM_OK)
		return;
	if (result->entries_len != n)
		run_wrong(r, "scan showed %zu keys instead of %zu", result->entries_len, n);
	for (size_t i = 0; i < n; i++)
		read_compare(r, &result->entries[i], &shown[i], false);
	immu_result_free(result);
}

/* A walk, compared while it goes. */
struct walk_check {
	struct run *r;
	const void *expected;
	size_t n;
	size_t seen;
};

static bool
see_key(void *arg, const struct immu_entry *entry)
{
	struct walk_check *walk = arg;
	const struct model_shown *shown = walk->expected;

	if (walk->seen == walk->n)
		run_wrong(walk->r, "a walk goes on behind %zu items", walk->n);
	read_compare(walk->r, entry, &shown[walk->seen++], false);
	return true;
}

static void
end_walk(const struct walk_check *walk, enum im_err err)
{
	if (err != IM_OK)
		run_wrong(walk->r, "walk: %s", immu_error_text(err));
	if (walk->seen != walk->n)
		run_wrong(walk->r, "a walk saw %zu items of %zu", walk->seen, walk->n);
}

void
list_keys_all(struct run *r)
{
	struct model_shown shown[SAMPLE_KEYS];
	struct immu_scan scan = {.descending = sample_once_in(2)};
	struct walk_check walk = {r, shown, expect_scan(&r->m, &scan, shown), 0};

	end_walk(&walk, immu_each(r->c, &scan, see_key, &walk));
}

void
count_random(struct run *r)
{
	struct immu_bytes prefix = sample_bound();
	struct model_faults none = {.len = 0};
	unsigned keys[SAMPLE_KEYS];
	size_t alive = model_keys_alive(&r->m, keys);
	struct immu_result *result;
	uint64_t n = 0;

	for (size_t i = 0; i < alive; i++)
		n += sample_begins(sample_key(keys[i]), prefix);
	if (prefix.len == 0)
		run_expect(r, "count all", immu_count_all(r->c, &result), &none);
	else
		run_expect(r, "count", immu_count(r->c, prefix, &result), &none);
	if (result->count != n)
		run_wrong(r, "counted %llu keys instead of %llu", (unsigned long long)result->count,
		    (unsigned long long)n);
	immu_result_free(result);
}

/* ---- Members of sets ---- */

/* A zscan as the model has it: numbers in place of names. */
struct member_query {
	struct model_entry seek; /* key SAMPLE_KEY_EMPTY: none */
	unsigned set;
	struct immu_zscan scan;
};

static bool
zscan_has(const struct member_query *q, const struct model_entry *e)
{
	double score = sample_score(e->score);
	int order;

	if (e->set != q->set || (q->scan.has_min_score && score < q->scan.min_score) ||
	    (q->scan.has_max_score && score > q->scan.max_score))
		return false;
	if (q->seek.key == SAMPLE_KEY_EMPTY)
		return true;
	order = model_compare_members(e, &q->seek);
	return (q->scan.descending ? order < 0 : order > 0) ||
	    (order == 0 && q->scan.inclusive_seek);
}

/* Now and then one that is not a number. */
static double
draw_bound(struct model_faults *faults)
{
	unsigned score = (unsigned)sample_draw(SAMPLE_SCORES + sample_once_in(20));

	if (isnan(sample_score(score)))
		model_fault(faults, IM_ERR_ARGUMENT);
	return sample_score(score);
}

/* Mostly a member that is there. */
static void
draw_seek(const struct model *m, struct member_query *q, struct model_faults *faults)
{
	size_t overhead = 34, raw_key_max = 1024;

	q->seek = (struct model_entry){.kind = MODEL_MEMBER,
	    .key = (unsigned)sample_draw(SAMPLE_KEYS),
	    .score = (unsigned)sample_draw(SAMPLE_SCORES),
	    .at_tx = sample_draw(3)};
	if (m->members_len > 0 && !sample_once_in(3))
		q->seek = m->members[sample_draw(m->members_len)];
	q->scan.seek_key = sample_key(q->seek.key);
	q->scan.seek_score = sample_score(q->seek.score);
	q->scan.seek_at_tx = q->seek.at_tx;
	if (overhead + sample_set(q->set).len + q->scan.seek_key.len > raw_key_max)
		model_fault(faults, IM_ERR_KEY_LENGTH);
}

static void
draw_zscan(const struct run *r, struct member_query *q, struct model_faults *faults)
{
	struct window w = draw_window(faults);

	q->set = (unsigned)sample_draw(SAMPLE_SETS);
	q->seek = (struct model_entry){.key = SAMPLE_KEY_EMPTY};
	q->scan = (struct immu_zscan){.set = sample_set(q->set),
	    .inclusive_seek = sample_once_in(2),
	    .descending = w.descending,
	    .has_min_score = sample_once_in(3),
	    .has_max_score = sample_once_in(3),
	    .offset = w.offset,
	    .limit = w.limit};
	if (q->scan.has_min_score)
		q->scan.min_score = draw_bound(faults);
	if (q->scan.has_max_score)
		q->scan.max_score = draw_bound(faults);
	if (sample_once_in(3))
		draw_seek(&r->m, q, faults);
	q->scan.since_tx = read_since(r, faults);
}

/* What a zscan shows, in order; of each member what it names, too. */
static size_t
expect_zscan(const struct run *r, const struct member_query *q, const struct model_entry **members,
    struct model_shown *shown)
{
	const struct model *m = &r->m;
	struct window w = {q->scan.offset, q->scan.limit ? q->scan.limit : LIMIT_MAX, false};
	size_t n = 0;

	for (size_t i = 0; i < m->members_len && n < w.limit && n < MEMBERS_MAX; i++) {
		const struct model_entry *e =
		    &m->members[q->scan.descending ? m->members_len - 1 - i : i];

		if (zscan_has(q, e) && passes_offset(&w) &&
		    model_resolve(m, model_version(m, e->key, e->at_tx), &shown[n]) == IM_OK)
			members[n++] = e;
	}
	return n;
}

static void
compare_member(const struct run *r, const struct immu_zentry *got, const struct model_entry *e,
    const struct model_shown *shown)
{
	double score = sample_score(e->score);

	read_compare_bytes(r, "set", got->set, sample_set(e->set));
	read_compare_bytes(r, "member", got->key, sample_key(e->key));
	if (got->score != score || signbit(got->score) != signbit(score) || got->at_tx != e->at_tx)
		run_wrong(r, "a member with score %g, bound to %llu, instead of %g and %llu",
		    got->score, (unsigned long long)got->at_tx, score,
		    (unsigned long long)e->at_tx);
	read_compare(r, &got->entry, shown, e->at_tx != 0);
}

void
list_members_random(struct run *r)
{
	static const struct model_entry *members[MEMBERS_MAX];
	static struct model_shown shown[MEMBERS_MAX];
	struct immu_request request = {.op = IMMU_OP_ZSCAN};
	struct model_faults faults = {.len = 0};
	struct immu_result *result;
	struct member_query q;
	size_t n;
	enum im_err err;

	draw_zscan(r, &q, &faults);
	request.zscan = q.scan;
	request.no_wait = sample_once_in(3);
	err = immu_run(r->c, &request, &result);
	run_expect(r, "zscan", err, &faults);
	if (err != IM_OK)
		return;
	n = expect_zscan(r, &q, members, shown);
	if (result->zentries_len != n)
		run_wrong(r, "zscan showed %zu members instead of %zu", result->zentries_len, n);
	for (size_t i = 0; i < n; i++)
		compare_member(r, &result->zentries[i], members[i], &shown[i]);
	immu_result_free(result);
}

/* What a walk over a set is compared with. */
struct member_list {
	const struct model_entry *members[MEMBERS_MAX];
	struct model_shown shown[MEMBERS_MAX];
};

static bool
see_member(void *arg, const struct immu_zentry *z)
{
	struct walk_check *walk = arg;
	const struct member_list *list = walk->expected;

	if (walk->seen == walk->n)
		run_wrong(walk->r, "a walk goes on behind %zu members", walk->n);
	compare_member(walk->r, z, list->members[walk->seen], &list->shown[walk->seen]);
	walk->seen++;
	return true;
}

void
list_members_all(struct run *r, unsigned set)
{
	static struct member_list list;
	struct member_query q = {.set = set, .seek = {.key = SAMPLE_KEY_EMPTY}};
	struct walk_check walk = {r, &list, 0, 0};

	q.scan.set = sample_set(set);
	q.scan.descending = sample_once_in(2);
	walk.n = expect_zscan(r, &q, list.members, list.shown);
	end_walk(&walk, immu_each_z(r->c, &q.scan, see_member, &walk));
}

/* ---- Versions ---- */

/* Version i of a history as it is shown; NULL behind its end. */
static const struct model_entry *
version_shown(const struct model_history *h, struct window w, size_t i)
{
	if (w.offset >= h->len || i >= h->len - w.offset || (w.limit && i >= w.limit))
		return NULL;
	return &h->items[w.descending ? h->len - 1 - w.offset - i : w.offset + i];
}

void
list_versions_random(struct run *r)
{
	unsigned key = (unsigned)sample_draw(SAMPLE_KEYS);
	const struct model_history *h = &r->m.keys[key];
	struct immu_request request = {.op = IMMU_OP_HISTORY};
	struct model_faults faults = {.len = 0};
	struct window w = draw_window(&faults);
	const struct model_entry *e;
	struct immu_result *result;
	enum im_err err;

	request.history = (struct immu_history){
	    sample_key(key), w.offset, w.limit, w.descending, read_since(r, &faults)};
	if (h->len == 0)
		model_fault(&faults, IM_ERR_KEY_NOT_FOUND);
	err = immu_run(r->c, &request, &result);
	run_expect(r, "history", err, &faults);
	if (err != IM_OK)
		return;
	for (size_t i = 0; i < result->entries_len; i++) {
		e = version_shown(h, w, i);
		if (!e)
			run_wrong(r, "history goes on behind its end");
		read_compare_version(r, &result->entries[i], e, false);
	}
	if (version_shown(h, w, result->entries_len))
		run_wrong(r, "history ends with version %zu", result->entries_len);
	immu_result_free(result);
}

static bool
see_version(void *arg, const struct immu_entry *entry)
{
	struct walk_check *walk = arg;
	const struct model_history *h = walk->expected;

	if (walk->seen == walk->n)
		run_wrong(walk->r, "a walk goes on behind %zu versions", walk->n);
	read_compare_version(walk->r, entry, &h->items[walk->seen++], false);
	return true;
}

void
list_versions_all(struct run *r, unsigned key)
{
	struct model_history *h = &r->m.keys[key];
	struct immu_history history = {.key = sample_key(key)};
	struct walk_check walk = {r, h, h->len, 0};
	enum im_err err = immu_each_version(r->c, &history, see_version, &walk);

	if (h->len == 0 && err == IM_ERR_KEY_NOT_FOUND)
		return;
	end_walk(&walk, err);
}
