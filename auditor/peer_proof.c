/*
 * Contradictions: packing, reading and checking them. claims.c uses those that come, round_end.c
 * makes ours, peer_exchange.c and peer_service.c carry them.
 *
 * Invariants: none is longer than PEER_PROOF_MAX, so that it fits a frame before any login; and
 * none is kept or read whose states are not such as peers may give.
 */
#include "peer_proof.h"

#include <stdio.h>
#include <stdlib.h>

#include "peer_message.h"
#include "rpc/message.h"

/* The link as the answer that it was. */
struct proof_link {
	Immudb__Schema__VerifiableTx answer;
	Immudb__Schema__Tx tx;
};

static enum im_err
proof_fault(const char *what)
{
	return err_set(IM_ERR_FORMAT, "%s: a contradiction %s", err_text(IM_ERR_FORMAT), what);
}

/* The states of a message: as they may be given, of one database, and in order. */
static enum im_err
read_states(const Immudb__Schema__PeerContradiction *m, const char *server_id,
    struct peer_state *older, struct peer_state *newer)
{
	Immudb__Schema__PeerState *messages[] = {m->older, m->newer};
	struct peer_state states[2];
	enum im_err err;

	if (!m->older || !m->newer || !m->header || !m->proof)
		return proof_fault("with a part missing");
	err = peer_message_read(messages, 2, server_id, states);
	if (err)
		return err;
	*older = states[0];
	*newer = states[1];
	if (strcmp(older->database, newer->database) != 0)
		return proof_fault("of two databases");
	if (older->tx >= newer->tx || m->header->id != older->tx)
		return proof_fault("of the wrong transactions");
	return older->signature_len && newer->signature_len ? IM_OK
							    : proof_fault("without signature");
}

static enum im_err
proof_pack(const Immudb__Schema__PeerContradiction *m, struct peer_proof **out)
{
	size_t len = immudb__schema__peer_contradiction__get_packed_size(m);
	struct peer_proof *p;

	if (len > PEER_PROOF_MAX)
		return err_set(IM_ERR_LIMIT, "a contradiction of %zu bytes", len);
	p = calloc(1, sizeof *p + len);
	if (!p)
		return err_set(IM_ERR_NOMEM, "out of memory");
	p->len = immudb__schema__peer_contradiction__pack(m, p->data);
	snprintf(p->server_id, sizeof p->server_id, "%s", m->older->serverid);
	snprintf(p->database, sizeof p->database, "%s", m->older->database);
	*out = p;
	return IM_OK;
}

enum im_err
peer_proof_make(const struct peer_contradiction *c, struct peer_proof **out)
{
	Immudb__Schema__PeerContradiction m = IMMUDB__SCHEMA__PEER_CONTRADICTION__INIT;
	const struct peer_state states[] = {c->older, c->newer};
	Immudb__Schema__PeerState **messages;
	struct arena arena;
	enum im_err err = IM_ERR_NOMEM;

	arena_init(&arena, PEER_PROOF_MAX);
	messages = peer_message_write(&arena, states, 2);
	if (messages) {
		m.older = messages[0];
		m.newer = messages[1];
		m.header = c->link->tx->header;
		m.proof = c->link->dualproof;
		err = proof_pack(&m, out);
	}
	arena_free(&arena);
	return err;
}

enum im_err
peer_proof_keep(
    const Immudb__Schema__PeerContradiction *m, const char *server_id, struct peer_proof **out)
{
	struct peer_state older, newer;
	enum im_err err = read_states(m, server_id, &older, &newer);

	return err ? err : proof_pack(m, out);
}

Immudb__Schema__PeerContradiction *
peer_proof_message(const struct peer_proof *proof, struct arena *arena)
{
	ProtobufCMessage *m = NULL;

	return message_unpack(&immudb__schema__peer_contradiction__descriptor,
		   bytes_of(proof->data, proof->len), true, arena, &m) == IM_OK
	    ? (Immudb__Schema__PeerContradiction *)m
	    : NULL;
}

enum im_err
peer_proof_read(const struct peer_proof *proof, struct arena *arena, struct peer_contradiction *out)
{
	struct proof_link *link = arena_calloc(arena, 1, sizeof *link);
	Immudb__Schema__PeerContradiction *m = peer_proof_message(proof, arena);

	if (!link || !m)
		return err_set(IM_ERR_NOMEM, "out of memory");
	immudb__schema__verifiable_tx__init(&link->answer);
	immudb__schema__tx__init(&link->tx);
	link->answer.tx = &link->tx;
	link->tx.header = m->header;
	link->answer.dualproof = m->proof;
	out->link = &link->answer;
	return read_states(m, proof->server_id, &out->older, &out->newer);
}

static enum im_err
check_signature(const struct peer_state *p, const struct peer_proof_keys *keys)
{
	struct sign_state state = {bytes_str(p->database), p->tx, p->alh};
	enum im_err err = IM_ERR_SIGNATURE;

	for (size_t i = 0; i < keys->len && err == IM_ERR_SIGNATURE; i++)
		err = sign_check(keys->keys[i], &state, bytes_of(p->signature, p->signature_len));
	return err;
}

enum im_err
peer_proof_check(
    const struct peer_contradiction *c, const struct peer_proof_keys *keys, struct arena *arena)
{
	struct verify_anchor anchor = {
	    .from = {c->newer.tx, c->newer.alh}, .database = c->newer.database};
	struct verify_outcome outcome;
	enum im_err err = check_signature(&c->older, keys);

	if (!err)
		err = check_signature(&c->newer, keys);
	if (!err)
		err = verify_history(&anchor, c->link, arena, &outcome);
	if (err)
		return err;
	if (outcome.point.id != c->older.tx || hash_equal(&outcome.point.alh, &c->older.alh))
		return err_set(IM_ERR_PROOF, "the two states are of one history");
	return IM_OK;
}
