/*
 * Reading by key: Get, VerifiableGet, GetAll.
 */
#include "crypto/htree.h"
#include "crypto/rawkey.h"
#include "server/get.h"
#include "server/proving.h"

/* More keys than this are looked up in the read pool. */
#define GET_ALL_INLINE_MAX 8

/* Checks a request and makes the look-up of it. */
static enum im_err
get_query(struct call *c, const Immudb__Schema__KeyRequest *in, struct entry_query *q)
{
	if (in->attx && in->atrevision)
		return err_set(IM_ERR_ARGUMENT,
		    "%s: AtRevision should not be specified when AtTx is used",
		    err_text(IM_ERR_ARGUMENT));
	if (in->attx && in->sincetx)
		return err_set(IM_ERR_ARGUMENT, "%s: AtTx and SinceTx exclude each other",
		    err_text(IM_ERR_ARGUMENT));
	*q = (struct entry_query){
	    .key = message_bytes(in->key), .at_tx = in->attx, .revision = in->atrevision};
	return entries_since(c, in->sincetx, &q->as_of);
}

enum im_err
get_entry(struct call *c, const Immudb__Schema__KeyRequest *in, struct store_value *raw,
    Immudb__Schema__Entry **out)
{
	struct entry_query q;
	enum im_err err = get_query(c, in, &q);

	return err == IM_OK ? entry_find(c, &q, raw, out) : err;
}

enum im_err
handle_Get(struct call *c)
{
	Immudb__Schema__Entry *out = NULL;
	enum im_err err = get_entry(c, (const void *)c->in, NULL, &out);

	if (err == IM_OK)
		c->answer = &out->base;
	return err;
}

/* The proof that the entry of a raw key is in its transaction. */
static enum im_err
get_inclusion(struct call *c, const struct store_tx *tx, struct bytes key,
    Immudb__Schema__InclusionProof **out)
{
	struct inclusion_proof *proof = arena_alloc(call_arena(c), sizeof *proof);
	uint32_t leaf = 0;
	enum im_err err;

	if (!proof)
		return IM_ERR_NOMEM;
	while (leaf < tx->nentries && !bytes_equal(tx->entries[leaf].key, key))
		leaf++;
	if (leaf == tx->nentries)
		return err_set(IM_ERR_CORRUPT, "%s: transaction %llu lacks a key of the index",
		    err_text(IM_ERR_CORRUPT), (unsigned long long)tx->header.id);
	err = htree_prove_built(tx->tree, tx->nentries, leaf, call_arena(c), proof);
	if (err != IM_OK)
		return err;
	*out = message_inclusion_proof(call_arena(c), proof);
	return *out ? IM_OK : IM_ERR_NOMEM;
}

/* Transaction, proofs and signature around an entry that was found. */
static enum im_err
get_prove(struct call *c, const struct store_value *raw, Immudb__Schema__VerifiableEntry *out)
{
	struct store_tx tx;
	Immudb__Schema__Tx *m;
	enum im_err err = store_read_tx(
	    c->database->store, raw->tx, call_read_flags(c) | STORE_NO_VALUE, call_arena(c), &tx);

	if (err != IM_OK)
		return err;
	m = message_tx(call_arena(c), &tx);
	if (!m)
		return IM_ERR_NOMEM;
	err = get_inclusion(c, &tx, raw->key, &out->inclusionproof);
	if (err == IM_OK)
		err = proving_answer(c, raw->tx, m, &out->verifiabletx);
	return err;
}

enum im_err
get_proven(struct call *c, const Immudb__Schema__VerifiableGetRequest *in,
    Immudb__Schema__VerifiableEntry **out)
{
	struct store_value raw;
	enum im_err err;

	*out = message_new(call_arena(c), &immudb__schema__verifiable_entry__descriptor);
	if (!*out)
		return IM_ERR_NOMEM;
	if (!in->keyrequest)
		return IM_ERR_ARGUMENT;
	c->since = in->provesincetx;
	err = proving_check_since(c, c->since);
	if (err == IM_OK)
		err = get_entry(c, in->keyrequest, &raw, &(*out)->entry);
	return err == IM_OK ? get_prove(c, &raw, *out) : err;
}

enum im_err
handle_VerifiableGet(struct call *c)
{
	Immudb__Schema__VerifiableEntry *out = NULL;
	enum im_err err = get_proven(c, (const void *)c->in, &out);

	if (err == IM_OK)
		c->answer = &out->base;
	return err;
}

/* Keys that are not there (any more) are left out. */
enum im_err
handle_GetAll(struct call *c)
{
	const Immudb__Schema__KeyListRequest *in = (const void *)c->in;
	Immudb__Schema__Entries *out =
	    message_new(call_arena(c), &immudb__schema__entries__descriptor);
	struct entry_query q = {0};
	size_t i, used = 0;
	enum im_err err;

	if (!out)
		return IM_ERR_NOMEM;
	if (in->n_keys > GET_ALL_INLINE_MAX && !c->may_block)
		return IM_ERR_WOULD_BLOCK;
	out->entries = arena_calloc(call_arena(c), in->n_keys, sizeof(Immudb__Schema__Entry *));
	if (in->n_keys && !out->entries)
		return IM_ERR_NOMEM;
	c->answer = &out->base;
	/* One snapshot for all of them; that of an empty database is empty. */
	err = entries_since(c, in->sincetx, &q.as_of);
	for (i = 0; i < in->n_keys && q.as_of > 0 && err == IM_OK; i++) {
		q.key = message_bytes(in->keys[i]);
		err = entry_find(c, &q, NULL, &out->entries[out->n_entries]);
		if (err == IM_OK)
			err = entries_room(c, out->entries[out->n_entries++], &used);
		else if (entry_leads_nowhere(err))
			err = IM_OK;
	}
	return err;
}
