/*
 * Dual proofs and state signatures for the handlers of verifiable methods; store/ makes the proofs
 * and crypto/ the signatures.
 */
#include "server/proving.h"

enum im_err
proving_sign(struct call *c, uint64_t tx, const struct hash *alh, Immudb__Schema__Signature **out)
{
	struct sign_state state = {bytes_str(c->database->name), tx, *alh};
	Immudb__Schema__Signature *m;
	struct server_signature *signature;
	enum im_err err;

	*out = NULL;
	if (!c->server->is_signing)
		return IM_OK;
	m = message_new(call_arena(c), &immudb__schema__signature__descriptor);
	signature = arena_alloc(call_arena(c), sizeof *signature);
	if (!m || !signature)
		return IM_ERR_NOMEM;
	err = server_sign(c->server, &state, signature);
	if (err != IM_OK)
		return err;
	m->publickey = message_data(bytes_of(signature->point, SIGN_POINT_SIZE));
	m->signature = message_data(bytes_of(signature->der, signature->der_len));
	*out = m;
	return IM_OK;
}

enum im_err
proving_check_since(struct call *c, uint64_t since)
{
	struct store_state state;

	store_state(c->database->store, &state);
	if (since <= state.tx)
		return IM_OK;
	return err_set(IM_ERR_ILLEGAL_STATE,
	    "%s: latest txID=%llu is lower than specified as initial tx=%llu",
	    err_text(IM_ERR_ILLEGAL_STATE), (unsigned long long)state.tx,
	    (unsigned long long)since);
}

enum im_err
proving_answer(
    struct call *c, uint64_t id, Immudb__Schema__Tx *tx, Immudb__Schema__VerifiableTx **out)
{
	uint64_t since = c->since ? c->since : id;
	struct store_span span = {since < id ? since : id, since < id ? id : since};
	struct dual_proof *proof = arena_alloc(call_arena(c), sizeof *proof);
	Immudb__Schema__VerifiableTx *m =
	    message_new(call_arena(c), &immudb__schema__verifiable_tx__descriptor);
	struct hash alh;
	enum im_err err;

	if (!proof || !m)
		return IM_ERR_NOMEM;
	err = store_dual_proof(c->database->store, span, call_read_flags(c), call_arena(c), proof);
	if (err != IM_OK)
		return err;
	m->tx = tx;
	m->dualproof = message_dual_proof(call_arena(c), proof);
	if (!m->dualproof)
		return IM_ERR_NOMEM;
	*out = m;
	if (!c->server->is_signing)
		return IM_OK;
	tx_header_alh(&proof->target, &alh);
	return proving_sign(c, proof->target.id, &alh, &m->signature);
}
