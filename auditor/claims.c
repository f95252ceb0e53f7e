/*
 * Comparing with peers. What a peer says counts as far as it can be shown: by the server's
 * signature when a public key is configured, else by its hash alone, which can raise an alarm and
 * nothing more.
 *
 * Invariants: no claim changes what we trust; what peers say costs a bounded number of questions to
 * the server and of signatures.
 */
#include "claims.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "peer_proof.h"
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

static void
claims_take_proof(void *arg, const char *peer, struct peer_proof *proof)
{
	struct claims *c = arg;
	struct claim_proof *at = &c->proofs[c->proofs_len];

	if (c->proofs_len == CLAIMS_PROOFS_MAX || !selection_has(c->selection, proof->database)) {
		free(proof);
		return;
	}
	at->proof = proof;
	snprintf(at->peer, sizeof at->peer, "%s", peer);
	c->proofs_len++;
}

void
claims_collect(
    struct claims *c, struct peers *peers, const char *server_id, const struct selection *selection)
{
	struct peers_taker taker = {claims_take, claims_take_proof, c};

	*c = (struct claims){.selection = selection};
	if (!peers)
		return;
	/* Those whom we have chosen come first, so that strangers cannot crowd them out. */
	peers_ask(peers, server_id, &taker);
	peers_take_claims(peers, server_id, &taker);
}

void
claims_free(struct claims *c)
{
	free(c->items);
	while (c->proofs_len > 0)
		free(c->proofs[--c->proofs_len].proof);
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

/* ---- Contradictions. ---- */

static void
state_of(const struct peer_state *p, struct trust_state *out)
{
	out->point = (struct tx_point){p->tx, p->alh};
	memcpy(out->signature, p->signature, p->signature_len);
	out->signature_len = p->signature_len;
}

/*
 * Two signed states contradict, one of which is not shown to us; they, and not what is, are the
 * evidence.
 */
static enum im_err
note_proof(struct round *r, const struct claim_proof *p, const struct peer_contradiction *c)
{
	struct trust_state *states = arena_calloc(&r->arena, 2, sizeof *states);

	if (!states)
		return err_set(IM_ERR_NOMEM, "out of memory");
	state_of(&c->older, &states[0]);
	state_of(&c->newer, &states[1]);
	r->finding.against = &states[0];
	r->finding.instead = &states[1];
	r->finding.link = c->link;
	err_set(IM_ERR_STATE_FORKED,
	    "the server has signed two histories, as peer %.256s shows: transaction %" PRIu64
	    " has one hash for some and another one in the history up to %" PRIu64
	    ", of which the server shows us %" PRIu64,
	    p->peer, c->older.tx, c->newer.tx, r->seen.point.id);
	return round_note(r, IM_ERR_STATE_FORKED, claim_suspects(r, c->older.tx), c->older.tx);
}

/*
 * One contradiction. Nothing in it needs the server; a state that it does not show us is what makes
 * it matter: of one that it does show, check_older() has compared both.
 */
static enum im_err
check_proof(struct round *r, const struct claim_proof *p)
{
	struct peer_proof_keys keys = {r->env->keys, r->env->keys_len};
	struct peer_contradiction c;
	enum im_err err;

	arena_reset(&r->scratch, 0);
	if (peer_proof_read(p->proof, &r->scratch, &c) != IM_OK || c.newer.tx <= r->seen.point.id)
		return IM_OK;
	r->checks++;
	if (peer_proof_check(&c, &keys, &r->scratch) != IM_OK) {
		log_warn_limited(
		    "peer %s: its contradiction about %s does not hold", p->peer, r->database);
		return IM_OK;
	}
	err = peer_proof_read(p->proof, &r->arena, &c);
	return err ? err : note_proof(r, p, &c);
}

static enum im_err
check_proofs(struct round *r)
{
	const struct claims *c = r->env->claims;
	size_t checked = 0;
	enum im_err err = IM_OK;

	for (size_t i = 0; r->env->keys_len > 0 && i < c->proofs_len && !err; i++)
		if (strcmp(c->proofs[i].proof->database, r->database) == 0 &&
		    checked++ < CLAIMS_PROOFS_CHECKED_MAX)
			err = check_proof(r, &c->proofs[i]);
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
	if (!err)
		err = check_proofs(r);
	return err ? err : check_claims(r, true, &cost);
}
