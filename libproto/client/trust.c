/*
 * The trusted state of a connection, and when a proven result may be reported.
 *
 * A result is proven from the state k that was trusted when it was asked for. When it comes, t is
 * trusted, t >= k. The simplest sound rules, v being the result's transaction:
 *
 *	1. v <= k        it is in the history of k, and so in that of t: report
 *	2. k == t        it extends t: trust v, report
 *	3. v == t        the same hash: report; another one: fork
 *	4. v follows t   as verify_follows() shows without asking: trust v, report
 *	5. otherwise     v and t both extend k, but may be two branches: hold the result, ask for a
 *	                 proof between v and t; v < t: report; v > t: trust v, report
 *
 * In 5 only the newest held result asks for a proof that moves t, so that one round moves t past
 * all of them and the next links the others. If t has moved while a proof from t to v was on its
 * way, the call is judged again. Each round moves t up or ends the call; t never passes v without
 * end.
 *
 * The file is merged by the same idea: it may only be replaced while it holds `base`, a state that
 * ours is linked to; if another process has written something else, that is linked to ours first.
 *
 * Invariants: state extends base; state and base never go backwards; is_dirty == (state is not in
 * the file); every call's `from` is in the history of state.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "client/client.h"
#include "util/clock.h"

static struct verify_anchor
anchor_of(const struct immu *c, const struct tx_point *from)
{
	return (struct verify_anchor){
	    .from = *from, .database = c->trust.name.database, .key = c->key};
}

/* Remembers that the server has shown two histories; every later verified call fails. */
static enum im_err
set_forked(struct immu *c)
{
	struct trust *t = &c->trust;

	if (!t->is_forked)
		t->error_text = strdup(err_detail(IM_ERR_STATE_FORKED));
	t->is_forked = true;
	return IM_ERR_STATE_FORKED;
}

static enum im_err
check_forked(const struct immu *c)
{
	const struct trust *t = &c->trust;

	if (!t->is_forked)
		return IM_OK;
	return err_set(IM_ERR_STATE_FORKED, "%s",
	    t->error_text ? t->error_text : err_text(IM_ERR_STATE_FORKED));
}

/* Trusts the server's current state, unless another process was first. */
static enum im_err
make_first_contact(struct immu *c)
{
	struct trust *t = &c->trust;
	struct rpc_call call = client_rpc_call(c, RPC_METHOD_CurrentState, NULL);
	struct verify_anchor anchor = anchor_of(c, &(struct tx_point){0});
	struct trust_state found;
	struct arena arena;
	ProtobufCMessage *answer;
	enum im_err err;

	arena_init(&arena, CLIENT_ARENA_BASE);
	err = rpc_call_wait(c->rpc, &call, &arena, &answer, NULL);
	if (!err)
		err = verify_state(&anchor, (Immudb__Schema__ImmutableState *)answer, &t->state);
	if (!err)
		err = trust_file_swap(&t->name, NULL, &t->state, &found, &t->is_first_contact);
	if (!err && !t->is_first_contact)
		t->state = found;
	arena_free(&arena);
	return err;
}

enum im_err
trust_load(struct immu *c)
{
	struct trust *t = &c->trust;
	enum im_err err = check_forked(c);

	if (err || t->is_known)
		return err;
	if (!*immu_database(c))
		return err_set(IM_ERR_NO_DATABASE, "%s", err_text(IM_ERR_NO_DATABASE));
	t->name = (struct trust_name){
	    (const char *)c->state_dir.data, c->hello->server_id, (const char *)c->database.data};
	err = trust_file_read(&t->name, &t->state);
	if (err == IM_ERR_NOT_FOUND)
		err = make_first_contact(c);
	if (err)
		return err;
	t->base = t->state;
	t->is_known = true;
	t->persisted_ns = clock_monotonic_ns();
	return IM_OK;
}

void
trust_reset(struct immu *c)
{
	free(c->trust.error_text);
	c->trust = (struct trust){0};
}

static void
advance(struct immu *c, const struct trust_state *state, const struct tx_header *header)
{
	struct trust *t = &c->trust;

	assert(state->point.id > t->state.point.id && header->id == state->point.id);
	t->state = *state;
	t->header = *header;
	t->has_header = true;
	t->is_dirty = true;
}

/* Rule 3: the same transaction must have the same hash. */
static enum im_err
compare_with_trusted(struct immu *c, const struct tx_point *point)
{
	if (hash_equal(&point->alh, &c->trust.state.point.alh))
		return IM_OK;
	err_set(IM_ERR_STATE_FORKED,
	    "transaction %" PRIu64 " of %s was proven with two different hashes", point->id,
	    c->trust.name.database);
	return set_forked(c);
}

/* Rules 1 to 4: IM_OK when the call may be reported, IM_ERR_WOULD_BLOCK when it must be held. */
static enum im_err
judge(struct call *call)
{
	struct trust *t = &call->c->trust;
	const struct verify_outcome *o = &call->outcome;
	bool is_proven = call->op != IMMU_OP_STATE;
	uint64_t trusted = t->state.point.id;
	enum im_err err = check_forked(call->c);

	if (err)
		return err;
	if (is_proven && o->point.id <= call->from.id)
		return IM_OK;
	if (o->point.id == trusted)
		return compare_with_trusted(call->c, &o->point);
	if (!is_proven || o->point.id < trusted)
		return IM_ERR_WOULD_BLOCK;
	if (call->from.id != trusted && !(t->has_header && verify_follows(&t->header, o)))
		return IM_ERR_WOULD_BLOCK;
	advance(call->c, &o->state, &o->newest);
	return IM_OK;
}

/* Ends a call that was judged, unless it must be held or goes on behind a reference. */
static void
conclude(struct call *call, enum im_err err)
{
	if (err == IM_ERR_WOULD_BLOCK)
		call->phase = CALL_HELD;
	else if (err)
		call_finish(call, err);
	else
		call_proven(call);
}

void
trust_judge(struct call *call)
{
	conclude(call, judge(call));
}

/* What an answer about two known states says when the server refuses: it does not know them. */
static enum im_err
explain_refusal(enum im_err err, const struct tx_point *newer)
{
	if (err != IM_ERR_ILLEGAL_STATE && err != IM_ERR_TX_NOT_FOUND)
		return err;
	return err_set(IM_ERR_STATE_OLDER,
	    "the server no longer knows transaction %" PRIu64 ", which was proven before",
	    newer->id);
}

/* Checks an answer to request_fill_link() of two states; link->newest is newer's header. */
static enum im_err
check_link(struct immu *c, const struct tx_point points[2], const ProtobufCMessage *answer,
    struct arena *arena, struct verify_outcome *link)
{
	const Immudb__Schema__VerifiableTx *m = (const Immudb__Schema__VerifiableTx *)answer;
	const struct tx_point *older = &points[0];
	const struct tx_point *newer = &points[1];
	struct verify_anchor anchor = anchor_of(c, older->id == 0 ? older : newer);
	enum im_err err = verify_link(&anchor, older->id == 0 ? newer : older, m, arena, link);

	return err == IM_ERR_STATE_FORKED ? set_forked(c) : err;
}

/* The trusted state and the call's transaction are linked now: what follows for the call. */
static enum im_err
use_link(struct call *call, const struct verify_outcome *link)
{
	struct trust *t = &call->c->trust;
	const struct tx_point *point = &call->outcome.point;

	/* It was linked to a state that was trusted then, and is in the history of today's. */
	if (point->id == call->link_older.id)
		return IM_OK;
	if (t->state.point.id == call->link_older.id) {
		advance(call->c, &link->state, &link->newest);
		return IM_OK;
	}
	return judge(call);
}

void
trust_linked(struct call *call)
{
	struct tx_point points[2] = {call->link_older, call->link_newer};
	struct arena *arena = &call->result->arena;
	struct verify_outcome link;
	ProtobufCMessage *answer;
	enum im_err err = explain_refusal(call->err, &call->link_newer);

	if (!err)
		err = decode_message(&immudb__schema__verifiable_tx__descriptor,
		    buf_bytes(&call->body), arena, &answer);
	if (!err)
		err = check_link(call->c, points, answer, arena, &link);
	if (!err)
		err = use_link(call, &link);
	conclude(call, err);
}

static void
start_link(struct call *call)
{
	const struct tx_point *trusted = &call->c->trust.state.point;
	const struct tx_point *point = &call->outcome.point;
	bool is_newer = point->id > trusted->id;
	enum im_err err;

	call->phase = CALL_LINKING;
	call->link_older = is_newer ? *trusted : *point;
	call->link_newer = is_newer ? *point : *trusted;
	err = request_send_link(call, &call->link_older, &call->link_newer);
	if (err)
		call_finish(call, err);
}

/* Reports every held call that rules 1 to 4 allow by now; each may allow another. */
static void
judge_held(struct immu *c)
{
	struct call *call = c->first;

	while (call) {
		enum im_err err = call->phase == CALL_HELD ? judge(call) : IM_ERR_WOULD_BLOCK;
		struct call *next = call->next;

		if (err != IM_ERR_WOULD_BLOCK) {
			conclude(call, err);
			next = c->first;
		}
		call = next;
	}
}

void
trust_settle(struct immu *c)
{
	struct call *newest = NULL;
	bool is_moving = false;

	judge_held(c);
	for (struct call *call = c->first, *next; call; call = next) {
		uint64_t id = call->outcome.point.id;

		next = call->next;
		if (call->phase == CALL_LINKING)
			is_moving = is_moving || id > c->trust.state.point.id;
		if (call->phase != CALL_HELD)
			continue;
		if (id < c->trust.state.point.id)
			start_link(call);
		else if (!newest || id > newest->outcome.point.id)
			newest = call;
	}
	if (newest && !is_moving)
		start_link(newest);
}

/* Asks for a link between two states and waits for it. */
static enum im_err
link_now(struct immu *c, const struct tx_point points[2], struct verify_outcome *link)
{
	Immudb__Schema__VerifiableTxRequest request = IMMUDB__SCHEMA__VERIFIABLE_TX_REQUEST__INIT;
	struct rpc_call call = client_rpc_call(c, RPC_METHOD_VerifiableTxById, &request.base);
	struct arena arena;
	ProtobufCMessage *answer;
	enum im_err err;

	request_fill_link(&request, &points[0], &points[1]);
	arena_init(&arena, CLIENT_ARENA_BASE + CLIENT_ARENA_FACTOR * c->max_message_bytes);
	err = rpc_call_wait(c->rpc, &call, &arena, &answer, NULL);
	err = explain_refusal(err, &points[1]);
	if (!err)
		err = check_link(c, points, answer, &arena, link);
	arena_free(&arena);
	return err;
}

/* Another process has written `found`: links it with ours and keeps the newer one. */
static enum im_err
merge(struct immu *c, const struct trust_state *found)
{
	struct trust *t = &c->trust;
	bool is_newer = found->point.id > t->state.point.id;
	struct tx_point points[2] = {
	    is_newer ? t->state.point : found->point, is_newer ? found->point : t->state.point};
	struct verify_outcome link;
	enum im_err err = IM_OK;

	if (points[0].id == points[1].id)
		err = compare_with_trusted(c, &found->point);
	else if (points[0].id > 0)
		err = link_now(c, points, &link);
	if (err)
		return err;
	t->base = *found;
	if (is_newer) {
		t->state = *found;
		t->has_header = points[0].id > 0;
		if (t->has_header)
			t->header = link.newest;
	}
	t->is_dirty = found->point.id < t->state.point.id;
	return IM_OK;
}

enum im_err
trust_persist(struct immu *c)
{
	struct trust *t = &c->trust;
	struct trust_state found;
	bool swapped;
	enum im_err err = check_forked(c);

	while (!err && t->is_dirty) {
		err = trust_file_swap(&t->name, &t->base, &t->state, &found, &swapped);
		if (!err && !swapped)
			err = merge(c, &found);
		if (!err && swapped) {
			t->base = t->state;
			t->is_dirty = false;
		}
	}
	t->persisted_ns = clock_monotonic_ns();
	return err;
}

enum im_err
trust_persist_due(struct immu *c)
{
	const struct trust *t = &c->trust;

	if (!t->is_dirty ||
	    clock_monotonic_ns() - t->persisted_ns < CLIENT_PERSIST_EVERY_MS * CLOCK_NS_PER_MS)
		return IM_OK;
	return trust_persist(c);
}
