/*
 * Random writes, and whether the server does or refuses them as the model says.
 *
 * Neighbours: model_state.c judges; stream_check.c writes large values.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "model_run.h"

/* Writes under way at a time. */
#define FLIGHTS_MAX 24u

static uint64_t next_value = 1;

/* ---- Drawing ---- */

/* Mostly a good one. */
static unsigned
draw_key(void)
{
	if (sample_once_in(60))
		return SAMPLE_KEY_LONG + (unsigned)sample_draw(2);
	return (unsigned)sample_draw(SAMPLE_KEYS);
}

static struct immu_metadata
draw_metadata(void)
{
	/* Some that have passed, and some that will not. */
	static const int64_t expirations[] = {
	    1, 0, -1, INT64_MIN, 4102444800, 4102444800, INT64_MAX};
	struct immu_metadata md = {.non_indexable = sample_once_in(8)};

	if (sample_once_in(6)) {
		md.expires = true;
		md.expires_at = expirations[sample_draw(sizeof expirations / sizeof *expirations)];
	}
	return md;
}

/* What a reference or member is bound to: mostly nothing, or a transaction that has the key. */
static uint64_t
draw_binding(const struct model *m, unsigned key)
{
	if (!sample_once_in(3))
		return 0;
	if (key < SAMPLE_KEYS && m->keys[key].len > 0 && !sample_once_in(4))
		return m->keys[key].items[sample_draw(m->keys[key].len)].tx;
	return 1 + sample_draw(m->tx + 2);
}

static struct model_entry
draw_entry(const struct model *m, enum model_kind kind)
{
	struct model_entry e = {.kind = kind, .key = draw_key()};

	switch (kind) {
	case MODEL_VALUE:
		e.value = next_value++;
		e.metadata = draw_metadata();
		break;
	case MODEL_REFERENCE:
		e.target = draw_key();
		e.at_tx = draw_binding(m, e.target);
		break;
	case MODEL_MEMBER:
		e.set = (unsigned)sample_draw(SAMPLE_SETS);
		e.score = (unsigned)sample_draw(SAMPLE_SCORES + sample_once_in(20));
		e.at_tx = draw_binding(m, e.key);
		break;
	case MODEL_DELETED:
		e.metadata.deleted = true;
		break;
	}
	return e;
}

static void
draw_list(const struct model *m, struct model_write *w)
{
	for (unsigned i = 0; i < w->len; i++) {
		enum model_kind kind = (enum model_kind)sample_draw(3);
		struct model_entry *e = &w->entries[i];
		const struct model_entry *other = &w->entries[i ? sample_draw(i) : 0];

		*e = draw_entry(m, kind == MODEL_DELETED ? MODEL_MEMBER : kind);
		/* Much points to what is set in the same list. */
		if (i == 0 || e->kind == MODEL_VALUE || sample_once_in(2))
			continue;
		if (e->kind == MODEL_REFERENCE)
			e->target = other->key;
		else
			e->key = other->key;
		if (sample_once_in(2))
			e->at_tx = sample_once_in(2) ? IMMU_THIS_TX : 0;
	}
}

static void
draw_conditions(const struct model *m, struct model_write *w)
{
	w->conditions_len = (unsigned)sample_draw(MODEL_CONDITIONS_MAX + 1);
	for (unsigned i = 0; i < w->conditions_len; i++) {
		struct model_condition *c = &w->conditions[i];

		c->condition = (enum immu_condition)sample_draw(3);
		c->key = draw_key();
		c->tx = sample_once_in(30) ? 0 : 1 + sample_draw(m->tx + 2);
	}
}

static void
draw_write(const struct model *m, struct model_write *w)
{
	static const enum immu_op ops[] = {IMMU_OP_SET, IMMU_OP_SET, IMMU_OP_REFERENCE,
	    IMMU_OP_ZADD, IMMU_OP_EXEC_ALL, IMMU_OP_EXEC_ALL, IMMU_OP_DELETE};
	enum model_kind kind = MODEL_VALUE;

	memset(w, 0, sizeof *w);
	w->op = ops[sample_draw(sizeof ops / sizeof *ops)];
	w->len = 1;
	if (w->op == IMMU_OP_EXEC_ALL)
		w->len = sample_once_in(40)
		    ? 0
		    : 1 + (unsigned)sample_draw(1 + sample_draw(MODEL_WRITES_MAX));
	else if (w->op == IMMU_OP_SET || w->op == IMMU_OP_DELETE)
		w->len = sample_once_in(40) ? 0 : 1 + (unsigned)sample_draw(3);
	if (w->op == IMMU_OP_REFERENCE)
		kind = MODEL_REFERENCE;
	else if (w->op == IMMU_OP_ZADD)
		kind = MODEL_MEMBER;
	else if (w->op == IMMU_OP_DELETE)
		kind = MODEL_DELETED;
	if (w->op == IMMU_OP_EXEC_ALL)
		draw_list(m, w);
	else
		for (unsigned i = 0; i < w->len; i++)
			w->entries[i] = draw_entry(m, kind);
	if (w->op == IMMU_OP_DELETE && sample_once_in(4))
		w->since_tx = sample_draw(m->tx + 2);
	if (w->op != IMMU_OP_DELETE && w->op != IMMU_OP_ZADD && sample_once_in(4))
		draw_conditions(m, w);
}

/* ---- Requests ---- */

/* A request and what it borrows. */
struct request {
	struct immu_request r;
	struct immu_kv kvs[MODEL_WRITES_MAX];
	struct immu_bytes keys[MODEL_WRITES_MAX];
	struct immu_write writes[MODEL_WRITES_MAX];
	struct immu_precondition conditions[MODEL_CONDITIONS_MAX];
	uint8_t values[MODEL_WRITES_MAX][SAMPLE_VALUE_MAX];
};

static struct immu_write
make_write(const struct model_entry *e, uint8_t value[SAMPLE_VALUE_MAX])
{
	struct immu_bytes key = sample_key(e->key);
	struct immu_write w = {.kind = IMMU_WRITE_KV};

	if (e->kind == MODEL_VALUE) {
		size_t len = sample_value_size(e->value);

		sample_value_fill(e->value, 0, value, len);
		w.kv = (struct immu_kv){key, {value, len}, e->metadata};
	} else if (e->kind == MODEL_REFERENCE) {
		w.kind = IMMU_WRITE_REFERENCE;
		w.reference = (struct immu_reference){key, sample_key(e->target), e->at_tx};
	} else {
		w.kind = IMMU_WRITE_ZADD;
		w.zadd =
		    (struct immu_zadd){sample_set(e->set), sample_score(e->score), key, e->at_tx};
	}
	return w;
}

static void
make_request(const struct model_write *w, struct request *out)
{
	struct immu_request *r = &out->r;

	memset(r, 0, sizeof *r);
	r->op = w->op;
	r->no_wait = sample_once_in(4);
	r->since_tx = w->since_tx;
	for (unsigned i = 0; i < w->len; i++) {
		out->writes[i] = make_write(&w->entries[i], out->values[i]);
		out->kvs[i] = out->writes[i].kv;
		out->keys[i] = sample_key(w->entries[i].key);
	}
	r->kvs = out->kvs;
	r->keys = out->keys;
	r->writes = out->writes;
	r->kvs_len = w->op == IMMU_OP_SET ? w->len : 0;
	r->keys_len = w->op == IMMU_OP_DELETE ? w->len : 0;
	r->writes_len = w->op == IMMU_OP_EXEC_ALL ? w->len : 0;
	r->reference = out->writes[0].reference;
	r->zadd = out->writes[0].zadd;
	for (unsigned i = 0; i < w->conditions_len; i++) {
		const struct model_condition *c = &w->conditions[i];

		out->conditions[i] =
		    (struct immu_precondition){c->condition, sample_key(c->key), c->tx};
	}
	r->preconditions = out->conditions;
	r->preconditions_len = w->conditions_len;
	r->verified = w->op != IMMU_OP_DELETE && w->op != IMMU_OP_EXEC_ALL && sample_once_in(3);
}

static void
note(struct run *r, const struct model_write *w, const struct model_faults *faults)
{
	r->done += faults->len == 0;
	r->refused += faults->len > 0;
	if (faults->len == 0)
		model_apply(&r->m, w);
}

void
write_random(struct run *r)
{
	static struct request request;
	struct immu_result *result;
	struct model_faults faults;
	struct model_write w;
	enum im_err err;

	draw_write(&r->m, &w);
	model_judge(&r->m, &w, &faults);
	make_request(&w, &request);
	err = immu_run(r->c, &request.r, &result);
	run_expect(r, "write", err, &faults);
	note(r, &w, &faults);
	if (err != IM_OK)
		return;
	if (result->header.id != r->m.tx || result->header.entries != w.len ||
	    result->verified != request.r.verified)
		run_wrong(r, "a write was answered with transaction %llu of %u entries",
		    (unsigned long long)result->header.id, result->header.entries);
	immu_result_free(result);
}

/* ---- Many writes under way ---- */

/*
 * A write that was sent, and what is to become of it when all before it were answered as expected.
 */
struct flight {
	struct run *r;
	struct model_faults faults;
	uint64_t tx; /* the newest transaction after it */
	enum im_err err;
	uint64_t answered_tx;
	bool is_answered;
};

static void
land(void *arg, const struct immu_result *result)
{
	struct flight *f = arg;

	f->is_answered = true;
	f->err = result->err;
	f->answered_tx = result->err == IM_OK ? result->header.id : 0;
}

/* The model does each write at once: the server has to do them in the order they are sent. */
static void
submit_random(struct run *r, struct flight *f)
{
	static struct request request;
	struct model_write w;
	enum im_err err;

	*f = (struct flight){.r = r};
	draw_write(&r->m, &w);
	/*
	 * That must be there when the request comes, which depends on how fast those before it are.
	 */
	w.since_tx = 0;
	model_judge(&r->m, &w, &f->faults);
	make_request(&w, &request);
	note(r, &w, &f->faults);
	f->tx = r->m.tx;
	err = immu_submit(r->c, &request.r, land, f);
	/* What the library refuses is not sent. */
	if (err != IM_OK) {
		f->is_answered = true;
		f->err = err;
	}
}

static bool
is_cut_off(enum im_err err)
{
	return err == IM_ERR_CANCELLED || err == IM_ERR_CONNECTION_LOST ||
	    err == IM_ERR_UNREACHABLE || err == IM_ERR_SHUTDOWN;
}

static void
check_landed(const struct flight *f)
{
	if (!f->is_answered)
		run_wrong(f->r, "a write is not answered");
	run_expect(f->r, "one of many writes", f->err, &f->faults);
	if (f->err == IM_OK && f->answered_tx != f->tx)
		run_wrong(f->r, "transaction %llu instead of %llu",
		    (unsigned long long)f->answered_tx, (unsigned long long)f->tx);
}

void
write_many(struct run *r)
{
	struct flight flights[FLIGHTS_MAX];
	size_t n = 2 + sample_draw(FLIGHTS_MAX - 1);
	enum im_err err;

	for (size_t i = 0; i < n; i++)
		submit_random(r, &flights[i]);
	err = immu_wait(r->c);
	if (err != IM_OK)
		run_wrong(r, "wait: %s", immu_error_text(err));
	for (size_t i = 0; i < n; i++)
		check_landed(&flights[i]);
}

/* The number of the newest transaction. */
static uint64_t
newest_tx(struct run *r)
{
	struct model_faults none = {.len = 0};
	struct immu_result *result;
	uint64_t tx;

	run_expect(r, "state", immu_verified_state(r->c, &result), &none);
	tx = result->state.tx;
	immu_result_free(result);
	return tx;
}

void
write_and_kill(struct run *r)
{
	struct flight flights[FLIGHTS_MAX];
	size_t n = 1 + sample_draw(FLIGHTS_MAX);
	uint64_t acknowledged = r->m.tx, tx;

	for (size_t i = 0; i < n; i++)
		submit_random(r, &flights[i]);
	if (sample_once_in(2))
		immu_poll(r->c, (int)sample_draw(4));
	run_stop(r, SIGKILL);
	run_disconnect(r);
	run_start(r);
	for (size_t i = 0; i < n; i++) {
		if (is_cut_off(flights[i].err))
			continue;
		check_landed(&flights[i]);
		if (flights[i].err == IM_OK)
			acknowledged = flights[i].tx;
	}
	/* What was acknowledged is there, and what was not, up to anywhere. */
	tx = newest_tx(r);
	if (tx < acknowledged || tx > r->m.tx)
		run_wrong(r, "after a kill the newest transaction is %llu, acknowledged was %llu",
		    (unsigned long long)tx, (unsigned long long)acknowledged);
	model_truncate(&r->m, tx);
}
