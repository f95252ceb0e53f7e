/*
 * Transactions as messages, their entries as a specification wants them: for TxById, its verifiable
 * form, and TxScan.
 *
 * Invariant: every entry of a kind that is asked for is in the answer, also when what it names is
 * not there any more.
 */
#include "server/tx_view.h"

#include "crypto/rawkey.h"
#include "rpc/message.h"
#include "server/entries.h"
#include "util/clock.h"

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

enum im_err
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
	enum im_err err;

	if (view->keep_references)
		err = entry_plain(c, v, &e);
	else if (v->expired || v->metadata.deleted)
		err = entry_version(c, v, &e);
	else
		err = entry_resolve(c, v, view->as_of, &e);
	if (entry_leads_nowhere(err))
		err = entry_version(c, v, &e);
	if (err == IM_OK)
		out->kventries[out->n_kventries++] = e;
	return err;
}

/* The entry of a member whose key is not looked up, or is not there. */
static enum im_err
tx_z_bare(struct call *c, const struct raw_key *key, Immudb__Schema__Entry **out)
{
	Immudb__Schema__Entry *e = message_new(call_arena(c), &immudb__schema__entry__descriptor);

	if (!e)
		return IM_ERR_NOMEM;
	e->key = message_data(key->key);
	*out = e;
	return IM_OK;
}

static enum im_err
tx_add_z(
    struct call *c, const struct tx_view *view, const struct raw_key *key, Immudb__Schema__Tx *out)
{
	struct entry_query q = {.key = key->key, .at_tx = key->at_tx, .as_of = view->as_of};
	Immudb__Schema__ZEntry *z = message_new(call_arena(c), &immudb__schema__zentry__descriptor);
	enum im_err err = IM_ERR_KEY_NOT_FOUND;

	if (!z)
		return IM_ERR_NOMEM;
	z->set = message_data(key->set);
	z->key = message_data(key->key);
	z->score = key->score;
	z->attx = key->at_tx;
	if (!message_keep_negative_zero(call_arena(c), &z->base, ZENTRY_SCORE, z->score))
		return IM_ERR_NOMEM;
	if (!view->keep_references)
		err = entry_find(c, &q, NULL, &z->entry);
	if (entry_leads_nowhere(err))
		err = tx_z_bare(c, key, &z->entry);
	if (err == IM_OK)
		out->zentries[out->n_zentries++] = z;
	return err;
}

static enum im_err
tx_add(struct call *c, const struct tx_view *view, const struct store_tx *tx, uint32_t i,
    Immudb__Schema__Tx *out)
{
	/* The message refers to it. */
	struct store_tx_entry *entry = &tx->entries[i];
	Immudb__Schema__EntryTypeAction action = TX_EXCLUDE;
	struct store_value value;
	struct raw_key key;

	if (raw_key_parse(entry->key, &key) != IM_OK)
		return err_set(IM_ERR_CORRUPT, "%s: malformed key in transaction %llu",
		    err_text(IM_ERR_CORRUPT), (unsigned long long)tx->header.id);
	if (key.kind == RAW_KEY_PLAIN)
		action = view->kv;
	else if (key.kind == RAW_KEY_ZADD)
		action = view->z;
	else if (key.kind == RAW_KEY_SQL)
		action = view->sql;
	if (action == TX_RESOLVE && key.kind == RAW_KEY_PLAIN) {
		value = tx_entry_value(tx, entry);
		return tx_add_kv(c, view, &value, out);
	}
	if (action == TX_RESOLVE)
		return tx_add_z(c, view, &key, out);
	if (action == TX_EXCLUDE)
		return IM_OK;
	if (action == TX_DIGEST)
		entry->value = bytes_of(NULL, 0);
	out->entries[out->n_entries] = message_tx_entry(call_arena(c), entry);
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

enum im_err
tx_view_read(struct call *c, uint64_t id, const struct tx_view *view, Immudb__Schema__Tx **out)
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
