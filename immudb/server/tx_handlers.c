/*
 * Reading one transaction: TxById, VerifiableTxById, ExportTx.
 */
#include "crypto/export.h"
#include "server/entries.h"
#include "server/proving.h"
#include "server/tx_view.h"

enum im_err
handle_TxById(struct call *c)
{
	const Immudb__Schema__TxRequest *in = (const void *)c->in;
	struct tx_view view = {.keep_references = in->keepreferencesunresolved};
	Immudb__Schema__Tx *out = NULL;
	enum im_err err = tx_view_of(in->entriesspec, &view);

	if (err == IM_OK)
		err = entries_since(c, in->sincetx, &view.as_of);
	if (err == IM_OK)
		err = tx_view_read(c, in->tx, &view, &out);
	if (err == IM_OK)
		c->answer = &out->base;
	return err;
}

enum im_err
handle_VerifiableTxById(struct call *c)
{
	const Immudb__Schema__VerifiableTxRequest *in = (const void *)c->in;
	struct tx_view view = {.keep_references = in->keepreferencesunresolved};
	Immudb__Schema__VerifiableTx *out = NULL;
	Immudb__Schema__Tx *tx = NULL;
	enum im_err err = tx_view_of(in->entriesspec, &view);

	c->since = in->provesincetx;
	if (err == IM_OK)
		err = proving_check_since(c, c->since);
	if (err == IM_OK)
		err = entries_since(c, in->sincetx, &view.as_of);
	if (err == IM_OK)
		err = tx_view_read(c, in->tx, &view, &tx);
	if (err == IM_OK)
		err = proving_answer(c, in->tx, tx, &out);
	if (err == IM_OK)
		c->answer = &out->base;
	return err;
}

/* The transaction as bytes, in a message of the stream form: its length, then itself. */
static enum im_err
tx_export(struct call *c, const struct store_tx *tx, struct bytes *out)
{
	struct export_tx export = {.header = tx->header};
	enum im_err err;
	struct buf b;
	uint32_t i;

	export.entries = arena_calloc(call_arena(c), tx->nentries, sizeof *export.entries);
	if (!export.entries)
		return IM_ERR_NOMEM;
	for (i = 0; i < tx->nentries; i++)
		export.entries[i] = (struct export_entry){
		    tx->entries[i].key, tx->entries[i].metadata, tx->entries[i].value};
	buf_init(&b, c->server->options.max_message_bytes);
	buf_append_be64(&b, 0);
	err = export_tx_encode(&export, &b);
	if (err == IM_OK) {
		be64_put(b.data, b.len - sizeof(uint64_t));
		*out = arena_copy(call_arena(c), buf_bytes(&b));
		err = out->data ? IM_OK : IM_ERR_NOMEM;
	}
	buf_free(&b);
	return err == IM_ERR_LIMIT ? IM_ERR_MESSAGE_SIZE : err;
}

/* "committed-txid-bin": how far the database is, so that a reader knows how far behind it is. */
static enum im_err
tx_export_metadata(struct call *c, uint64_t newest, Immudb__Schema__Chunk *out)
{
	Immudb__Schema__Chunk__MetadataEntry *m =
	    message_new(call_arena(c), &immudb__schema__chunk__metadata_entry__descriptor);
	uint8_t *number = arena_alloc(call_arena(c), sizeof newest);

	out->metadata = arena_calloc(call_arena(c), 1, sizeof m);
	if (!m || !number || !out->metadata)
		return IM_ERR_NOMEM;
	be64_put(number, newest);
	m->key = (char *)(uintptr_t) "committed-txid-bin";
	m->value = message_data(bytes_of(number, sizeof newest));
	out->metadata[0] = m;
	out->n_metadata = 1;
	return IM_OK;
}

enum im_err
handle_ExportTx(struct call *c)
{
	const Immudb__Schema__ExportTxRequest *in = (const void *)c->in;
	Immudb__Schema__Chunk *out;
	struct store_state state;
	struct store_tx tx;
	struct bytes content;
	enum im_err err;

	if (in->tx == 0)
		return IM_ERR_ARGUMENT;
	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	store_state(c->database->store, &state);
	if (in->tx > state.tx)
		return err_set(
		    IM_ERR_TX_NOT_FOUND, "%s: no new transactions", err_text(IM_ERR_TX_NOT_FOUND));
	out = message_new(call_arena(c), &immudb__schema__chunk__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	err = store_read_tx(c->database->store, in->tx, 0, call_arena(c), &tx);
	if (err == IM_OK)
		err = tx_export(c, &tx, &content);
	if (err != IM_OK)
		return err;
	out->content = message_data(content);
	c->answer = &out->base;
	return tx_export_metadata(c, state.tx, out);
}
