/*
 * TxScan: transactions by their numbers, always in the read pool.
 */
#include "server/entries.h"
#include "server/tx_view.h"

/* The transactions that a request is about: count of them from first on, up or down. */
struct tx_span {
	uint64_t first;
	size_t count;
	bool desc;
};

static enum im_err
tx_span_of(const Immudb__Schema__TxScanRequest *in, uint64_t newest, struct tx_span *span)
{
	uint64_t there;
	enum im_err err = entries_limit(in->limit, &span->count);

	if (err != IM_OK)
		return err;
	if (in->initialtx == 0)
		return err_set(IM_ERR_ARGUMENT, "%s: InitialTx must be greater than 0",
		    err_text(IM_ERR_ARGUMENT));
	span->desc = in->desc;
	span->first = in->initialtx;
	/* Downwards one may begin anywhere above the newest. */
	if (in->desc && in->initialtx > newest)
		span->first = newest;
	there = in->desc ? span->first : in->initialtx > newest ? 0 : newest - in->initialtx + 1;
	if (there < span->count)
		span->count = (size_t)there;
	return IM_OK;
}

/*
 * Counts a transaction towards the answer, which has to stay within one message. The first one may
 * always be there, as in the answer to TxById.
 */
static enum im_err
tx_scan_room(struct call *c, const Immudb__Schema__Tx *tx, size_t *used)
{
	size_t max = c->server->options.max_message_bytes;
	bool is_first = *used == 0;

	*used += protobuf_c_message_get_packed_size(&tx->base);
	if (*used <= max || is_first)
		return IM_OK;
	return err_set(IM_ERR_MESSAGE_SIZE,
	    "%s: the answer would be larger than %zu bytes: ask for fewer transactions",
	    err_text(IM_ERR_MESSAGE_SIZE), max);
}

static enum im_err
tx_scan_collect(struct call *c, const struct tx_span *span, const struct tx_view *view,
    Immudb__Schema__TxList *out)
{
	Immudb__Schema__Tx *tx;
	size_t used = 0;
	enum im_err err = IM_OK;

	out->txs = arena_calloc(call_arena(c), span->count, sizeof tx);
	if (!out->txs)
		return IM_ERR_NOMEM;
	while (out->n_txs < span->count && err == IM_OK) {
		uint64_t id = span->desc ? span->first - out->n_txs : span->first + out->n_txs;

		if (rpc_request_is_abandoned(c->request))
			return IM_ERR_CANCELLED;
		err = tx_view_read(c, id, view, &tx);
		if (err != IM_OK)
			break;
		out->txs[out->n_txs++] = tx;
		err = tx_scan_room(c, tx, &used);
	}
	/*
	 * The memory of a call is some times the largest message: what does not fit there is too
	 * much.
	 */
	if (err == IM_ERR_NOMEM && out->n_txs > 0)
		err = err_set(IM_ERR_MESSAGE_SIZE,
		    "%s: the transactions are too large for one answer: ask for fewer",
		    err_text(IM_ERR_MESSAGE_SIZE));
	return err;
}

enum im_err
handle_TxScan(struct call *c)
{
	const Immudb__Schema__TxScanRequest *in = (const void *)c->in;
	Immudb__Schema__TxList *out;
	struct tx_view view = {0};
	struct tx_span span;
	uint64_t newest;
	enum im_err err = entries_since(c, in->sincetx, &newest);

	if (err == IM_OK)
		err = tx_span_of(in, newest, &span);
	if (err == IM_OK)
		err = tx_view_of(in->entriesspec, &view);
	if (err != IM_OK)
		return err;
	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	out = message_new(call_arena(c), &immudb__schema__tx_list__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	c->answer = &out->base;
	view.as_of = newest;
	return tx_scan_collect(c, &span, &view, out);
}
