/*
 * Writing: Set and VerifiableSet. The transaction is prepared in the callback of the transport, which
 * keeps the order of one connection's writes; the store's committing thread answers.
 *
 * Invariant: after store_write() returned IM_OK the call belongs to the committing thread, and after
 * that to whoever finishes it.
 */
#include "crypto/rawkey.h"
#include "server/call.h"
#include "server/proving.h"

static enum im_err
set_entry(struct call *c, const Immudb__Schema__KeyValue *kv, struct store_entry *e)
{
	enum im_err err;

	if (kv->key.len == 0)
		return IM_ERR_ARGUMENT;
	err = raw_key_make(call_arena(c), message_bytes(kv->key), &e->key);
	if (err == IM_OK)
		err = raw_value_make(call_arena(c), message_bytes(kv->value), &e->value);
	e->metadata = message_to_kv_metadata(kv->metadata);
	return err;
}

static void
set_wake(void *store)
{
	store_wake(store);
}

/*
 * Queues the transaction; done is called by the store's committing thread. Requests that came with one
 * read of the connection are committed together.
 */
static enum im_err
set_write(struct call *c, const Immudb__Schema__SetRequest *in, void (*done)(struct store_write *w))
{
	struct store_entry *entries;
	enum im_err err = IM_OK;
	size_t i;

	if (in->n_kvs == 0)
		return IM_ERR_NO_ENTRIES;
	if (in->n_kvs > TX_ENTRIES_MAX)
		return IM_ERR_TX_ENTRIES;
	entries = arena_calloc(call_arena(c), in->n_kvs, sizeof *entries);
	if (!entries)
		return IM_ERR_NOMEM;
	for (i = 0; i < in->n_kvs && err == IM_OK; i++)
		err = set_entry(c, in->kvs[i], &entries[i]);
	if (err != IM_OK)
		return err;
	c->write.entries = entries;
	c->write.nentries = in->n_kvs;
	c->write.arena = call_arena(c);
	c->write.done = done;
	c->write.ctx = c;
	c->write.held = rpc_batch_at_end(set_wake, c->database->store);
	err = store_write(c->database->store, &c->write);
	return err == IM_OK ? CALL_PENDING : err;
}

static void
set_done(struct store_write *w)
{
	struct call *c = w->ctx;
	Immudb__Schema__TxHeader *out;

	if (w->err != IM_OK) {
		call_finish(c, w->err);
		return;
	}
	out = message_tx_header(call_arena(c), &w->header);
	c->answer = out ? &out->base : NULL;
	call_finish(c, out ? IM_OK : IM_ERR_NOMEM);
}

enum im_err
handle_Set(struct call *c)
{
	return set_write(c, (const void *)c->in, set_done);
}

/* The proof for a transaction that is written. */
static enum im_err
set_verifiable_answer(struct call *c)
{
	uint64_t id = c->write.header.id;
	Immudb__Schema__VerifiableTx *out = NULL;
	Immudb__Schema__Tx *tx;
	struct store_tx written;
	enum im_err err = store_written_tx(&c->write, call_arena(c), &written);

	if (err != IM_OK)
		return err;
	tx = message_tx(call_arena(c), &written);
	if (!tx)
		return IM_ERR_NOMEM;
	err = proving_answer(c, id, tx, &out);
	if (err == IM_OK)
		c->answer = &out->base;
	return err;
}

/*
 * In the committing thread: what can be had without waiting is answered here. A signature takes as
 * long as many commits, so it is left to the pool.
 */
static void
set_verifiable_done(struct store_write *w)
{
	struct call *c = w->ctx;
	enum im_err err = w->err;

	/* A detail of an earlier failure in this thread is not ours. */
	if (err == IM_OK)
		err_clear();
	if (err == IM_OK)
		err = c->server->key ? IM_ERR_WOULD_BLOCK : set_verifiable_answer(c);
	if (err == IM_ERR_WOULD_BLOCK)
		call_queue(c, c->server->readers);
	else
		call_finish(c, err);
}

enum im_err
handle_VerifiableSet(struct call *c)
{
	const Immudb__Schema__VerifiableSetRequest *in = (const void *)c->in;
	enum im_err err;

	/* Second time round: written, and to be answered from the pool. */
	if (c->write.header.id)
		return set_verifiable_answer(c);
	if (!in->setrequest)
		return IM_ERR_ARGUMENT;
	c->since = in->provesincetx;
	err = proving_check_since(c, c->since);
	return err == IM_OK ? set_write(c, in->setrequest, set_verifiable_done) : err;
}
