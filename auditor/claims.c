/*
 * Comparing with peers. What a peer says counts as far as it can be shown: by the server's signature when
 * a public key is configured, else by its hash alone, which can raise an alarm and nothing more.
 *
 * Invariants: no claim changes what we trust; what peers say costs a bounded number of questions to the
 * server and of signatures.
 */
#include "claims.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "round.h"
#include "util/log.h"

static void
claims_take(void *arg, const char *peer, const struct peer_state *state)
{
	struct claims *c = arg;
	struct claim *items;

	if (!selection_has(c->selection, state->database))
		return;
	if (c->len == CLAIMS_MAX) {
		log_warn_limited("peer %s: more states than are compared", peer);
		return;
	}
	if (c->len == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 16;

		items = realloc(c->items, cap * sizeof *items);
		if (!items)
			return;
		c->items = items;
		c->cap = cap;
	}
	c->items[c->len].state = *state;
	snprintf(c->items[c->len].peer, sizeof c->items[c->len].peer, "%s", peer);
	c->len++;
}

void
claims_collect(
    struct claims *c, struct peers *peers, const char *server_id, const struct selection *selection)
{
	*c = (struct claims){.selection = selection};
	if (!peers)
		return;
	/* Those whom we have chosen come first, so that strangers cannot crowd them out. */
	peers_ask(peers, server_id, claims_take, c);
	peers_take_claims(peers, server_id, claims_take, c);
}

void
claims_free(struct claims *c)
{
	free(c->items);
	*c = (struct claims){0};
}

/* What the claims about a database have cost so far. */
struct claims_cost {
	size_t asked, signatures;
};

/* Is the claim signed by one of the keys, or is no key needed? */
static bool
is_backed(const struct round *r, const struct claim *claim, struct claims_cost *cost)
{
	const struct peer_state *p = &claim->state;
	struct sign_state state = {bytes_str(r->database), p->tx, p->alh};

	if (r->env->keys_len == 0)
		return true;
	if (p->signature_len > 0 && cost->signatures++ >= CLAIMS_SIGNATURES_MAX)
		return false;
	for (size_t i = 0; i < r->env->keys_len; i++)
		if (p->signature_len > 0 &&
		    sign_check(r->env->keys[i], &state, bytes_of(p->signature, p->signature_len)) ==
			IM_OK)
			return true;
	log_warn_limited("peer %s: its state of %s at transaction %" PRIu64
			 " is not signed by a key that is configured here",
	    claim->peer, r->database, p->tx);
	return false;
}

/* Remembers what the peer holds, for the evidence. */
static enum im_err
note_claim(struct round *r, const struct claim *claim, enum im_err err, uint64_t from)
{
	struct trust_state *against = arena_calloc(&r->arena, 1, sizeof *against);
	const struct peer_state *p = &claim->state;

	if (against) {
		against->point = (struct tx_point){p->tx, p->alh};
		memcpy(against->signature, p->signature, p->signature_len);
		against->signature_len = p->signature_len;
	}
	r->finding.against = against;
	return round_note(r, err, from, p->tx);
}

/* The first transaction that may differ: what a peer and we both have proven is before it. */
static uint64_t
claim_suspects(const struct round *r, uint64_t tx)
{
	return r->has_trusted && r->trusted.point.id < tx ? r->trusted.point.id + 1 : tx;
}

/* The peer knows a newer state than the server shows us. It was proven before we asked for ours. */
static enum im_err
check_newer(struct round *r, const struct claim *claim)
{
	uint64_t tx = claim->state.tx;

	if (r->env->keys_len == 0) {
		log_warn_limited("peer %s says that it has proven transaction %" PRIu64
				 " of %s; the server shows us %" PRIu64,
		    claim->peer, tx, r->database, r->seen.point.id);
		return IM_OK;
	}
	err_set(IM_ERR_STATE_OLDER,
	    "the server shows transaction %" PRIu64
	    " as its newest one; peer %.256s holds its signed state at %" PRIu64,
	    r->seen.point.id, claim->peer, tx);
	return note_claim(r, claim, IM_ERR_STATE_OLDER, r->seen.point.id + 1);
}

/* The history shown to us holds another hash at the peer's transaction. */
static enum im_err
note_other(struct round *r, const struct claim *claim)
{
	uint64_t tx = claim->state.tx;

	err_set(IM_ERR_STATE_FORKED,
	    "the server shows us another hash for transaction %" PRIu64
	    " than peer %.256s has proven",
	    tx, claim->peer);
	return note_claim(r, claim, IM_ERR_STATE_FORKED, claim_suspects(r, tx));
}

/* Asks for the hash that the history shown to us holds at the peer's transaction. */
static enum im_err
check_older(struct round *r, const struct claim *claim)
{
	const struct peer_state *p = &claim->state;
	struct round_question q = {.tx = p->tx, .since = r->seen.point.id};
	struct verify_anchor anchor = round_anchor(r);
	Immudb__Schema__VerifiableTx *m;
	struct verify_outcome outcome;
	enum im_err err = round_ask(r, &q, &r->arena, &m);

	r->checks++;
	if (!err)
		err = verify_history(&anchor, m, &r->arena, &outcome);
	if (err) {
		r->finding.tx = m;
		return round_note(r, err, p->tx, p->tx);
	}
	if (outcome.point.id != p->tx)
		return round_note(r, round_wrong_tx(outcome.point.id, p->tx), p->tx, p->tx);
	if (hash_equal(&outcome.point.alh, &p->alh))
		return IM_OK;
	r->finding.link = m;
	return note_other(r, claim);
}

static bool
is_point(const struct peer_state *p, const struct tx_point *point)
{
	return p->tx == point->id && hash_equal(&p->alh, &point->alh);
}

static enum im_err
check_claim(struct round *r, const struct claim *claim, struct claims_cost *cost)
{
	const struct peer_state *p = &claim->state;

	/* Ours was just shown to be part of the history. */
	if (is_point(p, &r->seen.point) || (r->has_trusted && is_point(p, &r->trusted.point)))
		return IM_OK;
	if (!is_backed(r, claim, cost))
		return IM_OK;
	if (p->tx > r->seen.point.id)
		return check_newer(r, claim);
	/* The two states contradict each other as they are. */
	if (p->tx == r->seen.point.id)
		return note_other(r, claim);
	if (cost->asked++ >= CLAIMS_ASKED_MAX)
		return IM_OK;
	return check_older(r, claim);
}

/* All claims about the database that are, or are not, newer than what the server shows. */
static enum im_err
check_claims(struct round *r, bool newer, struct claims_cost *cost)
{
	const struct claims *c = r->env->claims;
	enum im_err err = IM_OK;

	for (size_t i = 0; i < c->len && !err; i++) {
		const struct peer_state *p = &c->items[i].state;

		if (strcmp(p->database, r->database) == 0 && (p->tx > r->seen.point.id) == newer)
			err = check_claim(r, &c->items[i], cost);
	}
	return err;
}

enum im_err
claims_check(struct round *r)
{
	struct claims_cost cost = {0};
	enum im_err err = IM_OK;

	if (!r->env->claims)
		return IM_OK;
	err = check_claims(r, false, &cost);
	return err ? err : check_claims(r, true, &cost);
}
