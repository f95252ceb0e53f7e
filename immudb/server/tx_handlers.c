/*
 * Reading by transaction: TxById, VerifiableTxById, ExportTx.
 */
#include "crypto/export.h"
#include "crypto/rawkey.h"
#include "server/call.h"
#include "server/entries.h"
#include "server/proving.h"
#include "util/clock.h"

/* How entries are shown, by the kind of their raw key. */
struct tx_view {
	bool everything; /* no specification: all entries as digests */
	Immudb__Schema__EntryTypeAction kv, z, sql;
	bool keep_references;
	bool values; /* some action needs them */
	uint64_t as_of;
};

#define TX_EXCLUDE IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__EXCLUDE
#define TX_DIGEST IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__ONLY_DIGEST
#define TX_RAW IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__RAW_VALUE
#define TX_RESOLVE IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__RESOLVE

/* An action that a kind of entries has; an absent specification leaves the kind out. */
static enum im_err
tx_action(const Immudb__Schema__EntryTypeSpec *spec, Immudb__Schema__EntryTypeAction *out)
{
	*out = spec ? spec->action : TX_EXCLUDE;
	switch (*out) {
	case TX_EXCLUDE:
	case TX_DIGEST:
	case TX_RAW:
	case TX_RESOLVE:
		return IM_OK;
	default:
		return err_set(IM_ERR_ARGUMENT, "%s: unknown action of an entries specification",
		    err_text(IM_ERR_ARGUMENT));
	}
}

static enum im_err
tx_view_of(const Immudb__Schema__EntriesSpec *spec, struct tx_view *view)
{
	enum im_err err;

	view->everything = spec == NULL;
	if (!spec)
		return IM_OK;
	err = tx_action(spec->kventriesspec, &view->kv);
	if (err == IM_OK)
		err = tx_action(spec->zentriesspec, &view->z);
	if (err == IM_OK)
		err = tx_action(spec->sqlentriesspec, &view->sql);
	if (err == IM_OK && view->sql == TX_RESOLVE)
		err = err_set(IM_ERR_UNIMPLEMENTED, "%s: RESOLVE of EntriesSpec.sqlEntriesSpec",
		    err_text(IM_ERR_UNIMPLEMENTED));
	view->values = view->kv >= TX_RAW || view->z >= TX_RAW || view->sql >= TX_RAW;
	return err;
}

/* The entry of a transaction in the form that reads by key have; its revision is not known. */
static struct store_value
tx_entry_value(const struct store_tx *tx, const struct store_tx_entry *e)
{
	struct store_value v = {.key = e->key,
	    .value = e->value,
	    .value_len = e->value_len,
	    .hval = e->hval,
	    .tx = tx->header.id};

	(void)kv_metadata_decode(e->metadata, &v.metadata);
	v.expired = kv_metadata_is_expired(&v.metadata, clock_wall_s());
	return v;
}

static enum im_err
tx_add_kv(struct call *c, const struct tx_view *view, const struct store_value *v,
    Immudb__Schema__Tx *out)
{
	Immudb__Schema__Entry *e = NULL;
	enum im_err err = view->keep_references || v->expired || v->metadata.deleted
	    ? entry_plain(c, v, &e)
	    : entry_resolve(c, v, view->as_of, &e);

	/* A reference whose target is gone has nothing to show. */
	if (err == IM_ERR_KEY_NOT_FOUND)
		return IM_OK;
	if (err == IM_OK)
		out->kventries[out->n_kventries++] = e;
	return err;
}

static enum im_err
tx_add_z(
    struct call *c, const struct tx_view *view, const struct raw_key *key, Immudb__Schema__Tx *out)
{
	struct entry_query q = {.key = key->key, .at_tx = key->at_tx, .as_of = view->as_of};
	Immudb__Schema__ZEntry *z = message_new(call_arena(c), &immudb__schema__zentry__descriptor);
	enum im_err err;

	if (!z)
		return IM_ERR_NOMEM;
	z->set = message_data(key->set);
	z->key = message_data(key->key);
	z->score = key->score;
	z->attx = key->at_tx;
	err = entry_find(c, &q, NULL, &z->entry);
	if (err == IM_ERR_KEY_NOT_FOUND)
		return IM_OK;
	if (err == IM_OK)
		out->zentries[out->n_zentries++] = z;
	return err;
}

static enum im_err
tx_add(struct call *c, const struct tx_view *view, const struct store_tx *tx, uint32_t i,
    Immudb__Schema__Tx *out)
{
	struct store_tx_entry entry = tx->entries[i];
	Immudb__Schema__EntryTypeAction action = TX_EXCLUDE;
	struct store_value value;
	struct raw_key key;

	if (raw_key_parse(entry.key, &key) != IM_OK)
		return err_set(IM_ERR_CORRUPT, "%s: malformed key in transaction %llu",
		    err_text(IM_ERR_CORRUPT), (unsigned long long)tx->header.id);
	if (key.kind == RAW_KEY_PLAIN)
		action = view->kv;
	else if (key.kind == RAW_KEY_ZADD)
		action = view->z;
	else if (key.kind == RAW_KEY_SQL)
		action = view->sql;
	if (action == TX_RESOLVE && key.kind == RAW_KEY_PLAIN) {
		value = tx_entry_value(tx, &entry);
		return tx_add_kv(c, view, &value, out);
	}
	if (action == TX_RESOLVE)
		return tx_add_z(c, view, &key, out);
	if (action == TX_EXCLUDE)
		return IM_OK;
	if (action == TX_DIGEST)
		entry.value = bytes_of(NULL, 0);
	out->entries[out->n_entries] = message_tx_entry(call_arena(c), &entry);
	return out->entries[out->n_entries++] ? IM_OK : IM_ERR_NOMEM;
}

static enum im_err
tx_message(
    struct call *c, const struct tx_view *view, const struct store_tx *tx, Immudb__Schema__Tx **out)
{
	struct arena *a = call_arena(c);
	Immudb__Schema__Tx *m;
	enum im_err err = IM_OK;
	uint32_t i;

	if (view->everything) {
		*out = message_tx(a, tx);
		return *out ? IM_OK : IM_ERR_NOMEM;
	}
	m = message_new(a, &immudb__schema__tx__descriptor);
	if (!m)
		return IM_ERR_NOMEM;
	m->header = message_tx_header(a, &tx->header);
	m->entries = arena_calloc(a, tx->nentries, sizeof(Immudb__Schema__TxEntry *));
	m->kventries = arena_calloc(a, tx->nentries, sizeof(Immudb__Schema__Entry *));
	m->zentries = arena_calloc(a, tx->nentries, sizeof(Immudb__Schema__ZEntry *));
	if (!m->header || !m->entries || !m->kventries || !m->zentries)
		return IM_ERR_NOMEM;
	for (i = 0; i < tx->nentries && err == IM_OK; i++)
		err = tx_add(c, view, tx, i, m);
	*out = m;
	return err;
}

/* Reads transaction number id and shows it as asked. */
static enum im_err
tx_read(struct call *c, uint64_t id, const struct tx_view *view, Immudb__Schema__Tx **out)
{
	struct store_tx *tx = arena_alloc(call_arena(c), sizeof *tx);
	enum im_err err;

	if (!tx)
		return IM_ERR_NOMEM;
	if (id == 0)
		return IM_ERR_ARGUMENT;
	/* Values may be large and many. */
	if (view->values && !c->may_block)
		return IM_ERR_WOULD_BLOCK;
	err = store_read_tx(c->database->store, id,
	    call_read_flags(c) | (view->values ? 0 : STORE_NO_VALUE), call_arena(c), tx);
	return err == IM_OK ? tx_message(c, view, tx, out) : err;
}

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
		err = tx_read(c, in->tx, &view, &out);
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
		err = tx_read(c, in->tx, &view, &tx);
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
