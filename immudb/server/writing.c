/*
 * From a transaction in the making to an answer. Operations are added in operations.c; the handlers
 * around both are *_handlers.c.
 *
 * The transaction is prepared in the callback of the transport, which keeps the order of one
 * connection's writes; the thread that commits it answers.
 *
 * Invariant: after store_write() returned IM_OK the call belongs to the thread that commits, and
 * after that to whoever finishes it.
 */
#include "server/writing.h"

#include "server/proving.h"

enum im_err
writing_begin(struct call *c, struct writing_size size, struct writing *out)
{
	struct arena *a = call_arena(c);

	if (size.entries == 0)
		return IM_ERR_NO_ENTRIES;
	if (size.entries > TX_ENTRIES_MAX)
		return IM_ERR_TX_ENTRIES;
	if (size.preconditions > WRITING_PRECONDITIONS_MAX)
		return err_set(
		    IM_ERR_BAD_PRECONDITION, "invalid precondition: too many preconditions");
	*out = (struct writing){.call = c,
	    .entries_max = size.entries,
	    .conditions_max = size.conditions + size.preconditions};
	out->entries = arena_calloc(a, size.entries, sizeof *out->entries);
	out->conditions = arena_calloc(a, out->conditions_max, sizeof *out->conditions);
	return out->entries && out->conditions ? IM_OK : IM_ERR_NOMEM;
}

static void
writing_wake(void *ctx)
{
	struct database *db = ctx;

	store_wake(db->store);
	database_release(db);
}

/*
 * Whether what is written to the database in this batch is committed at the end of it; the store
 * stays open until then, though the requests may be answered before.
 */
static bool
writing_hold(struct database *db)
{
	if (rpc_batch_has_end(writing_wake, db))
		return true;
	if (!rpc_batch_at_end(writing_wake, db))
		return false;
	database_hold(db);
	return true;
}

/*
 * Queues the transaction; done is called by the thread that commits it. Requests that came with one
 * read of the connection are committed together.
 */
static enum im_err
writing_queue(struct writing *w, void (*done)(struct store_write *w))
{
	struct call *c = w->call;
	enum im_err err;

	c->write.entries = w->entries;
	c->write.nentries = w->nentries;
	c->write.conditions = w->conditions;
	c->write.nconditions = w->nconditions;
	c->write.arena = call_arena(c);
	c->write.done = done;
	c->write.ctx = c;
	c->write.held = writing_hold(c->database);
	err = store_write(c->database->store, &c->write);
	return err == IM_OK ? CALL_PENDING : err;
}

static void
writing_header_done(struct store_write *w)
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
writing_answer_header(struct writing *w)
{
	return writing_queue(w, writing_header_done);
}

/* ---- Proofs ---- */

/* The proof for a transaction that is written. */
static enum im_err
writing_prove(struct call *c)
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
 * In the thread that commits: what can be had without waiting is answered here. A signature takes
 * as long as many commits, so it is left to the pool.
 */
static void
writing_proof_done(struct store_write *w)
{
	struct call *c = w->ctx;
	enum im_err err = w->err;

	/* A detail of an earlier failure in this thread is not ours. */
	if (err == IM_OK)
		err_clear();
	if (err == IM_OK)
		err = c->server->is_signing ? IM_ERR_WOULD_BLOCK : writing_prove(c);
	if (err == IM_ERR_WOULD_BLOCK)
		call_queue(c, c->server->readers);
	else
		call_finish(c, err);
}

enum im_err
writing_answer_proof(struct writing *w)
{
	return writing_queue(w, writing_proof_done);
}

bool
writing_is_done(struct call *c, enum im_err *err)
{
	if (!c->write.header.id)
		return false;
	*err = writing_prove(c);
	return true;
}

enum im_err
writing_since(struct call *c, uint64_t since)
{
	c->since = since;
	return proving_check_since(c, since);
}
