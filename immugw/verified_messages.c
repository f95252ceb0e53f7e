/*
 * Request messages as requests of the client library, and its proven results as messages.
 * verified.c has the connections.
 *
 * Invariant: an answer holds what was proven and nothing else, but for `revision`, which no proof
 * covers.
 */
#include "verified_messages.h"

#include "rpc/message.h"

/* The number of ZEntry.score, for message_keep_negative_zero(). */
#define ZENTRY_SCORE 4

static struct immu_bytes
view(ProtobufCBinaryData data)
{
	return (struct immu_bytes){data.data, data.len};
}

static ProtobufCBinaryData
data_of(struct immu_bytes v)
{
	return (ProtobufCBinaryData){v.len, (uint8_t *)(uintptr_t)v.data};
}

static ProtobufCBinaryData
data_of_hash(const uint8_t *hash)
{
	return (ProtobufCBinaryData){IMMU_HASH_SIZE, (uint8_t *)(uintptr_t)hash};
}

/* A cleared message from the arena. */
static void *
new_message(struct arena *arena, const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *m = arena_alloc(arena, d->sizeof_message);

	if (m)
		protobuf_c_message_init(d, m);
	return m;
}

/* ---- Requests ---- */

static enum im_err
request_condition(const Immudb__Schema__Precondition *m, struct immu_precondition *out)
{
	switch (m->precondition_case) {
	case IMMUDB__SCHEMA__PRECONDITION__PRECONDITION_KEY_MUST_EXIST:
		*out =
		    (struct immu_precondition){IMMU_KEY_MUST_EXIST, view(m->keymustexist->key), 0};
		return IM_OK;
	case IMMUDB__SCHEMA__PRECONDITION__PRECONDITION_KEY_MUST_NOT_EXIST:
		*out = (struct immu_precondition){
		    IMMU_KEY_MUST_NOT_EXIST, view(m->keymustnotexist->key), 0};
		return IM_OK;
	case IMMUDB__SCHEMA__PRECONDITION__PRECONDITION_KEY_NOT_MODIFIED_AFTER_TX:
		*out = (struct immu_precondition){IMMU_KEY_NOT_MODIFIED_AFTER,
		    view(m->keynotmodifiedaftertx->key), m->keynotmodifiedaftertx->txid};
		return IM_OK;
	default:
		return err_set(IM_ERR_BAD_PRECONDITION, "%s: a precondition without a kind",
		    err_text(IM_ERR_BAD_PRECONDITION));
	}
}

static enum im_err
request_conditions(Immudb__Schema__Precondition *const *list, size_t n, struct arena *arena,
    struct immu_request *out)
{
	struct immu_precondition *conditions = arena_calloc(arena, n, sizeof *conditions);
	enum im_err err = n && !conditions ? IM_ERR_NOMEM : IM_OK;
	size_t i;

	for (i = 0; err == IM_OK && i < n; i++)
		err = request_condition(list[i], &conditions[i]);
	out->preconditions = conditions;
	out->preconditions_len = n;
	return err;
}

static struct immu_metadata
request_metadata(const Immudb__Schema__KVMetadata *m)
{
	if (!m)
		return (struct immu_metadata){0};
	return (struct immu_metadata){.deleted = m->deleted,
	    .non_indexable = m->nonindexable,
	    .expires = m->expiration != NULL,
	    .expires_at = m->expiration ? m->expiration->expiresat : 0};
}

static enum im_err
request_set(const ProtobufCMessage *message, struct arena *arena, struct immu_request *out)
{
	const Immudb__Schema__SetRequest *m =
	    ((const Immudb__Schema__VerifiableSetRequest *)(const void *)message)->setrequest;
	struct immu_kv *kvs = arena_calloc(arena, m->n_kvs, sizeof *kvs);
	size_t i;

	if (m->n_kvs && !kvs)
		return IM_ERR_NOMEM;
	for (i = 0; i < m->n_kvs; i++)
		kvs[i] = (struct immu_kv){view(m->kvs[i]->key), view(m->kvs[i]->value),
		    request_metadata(m->kvs[i]->metadata)};
	out->op = IMMU_OP_SET;
	out->kvs = kvs;
	out->kvs_len = m->n_kvs;
	out->no_wait = m->nowait;
	return request_conditions(m->preconditions, m->n_preconditions, arena, out);
}

static enum im_err
request_get(const ProtobufCMessage *message, struct arena *arena, struct immu_request *out)
{
	const Immudb__Schema__KeyRequest *m =
	    ((const Immudb__Schema__VerifiableGetRequest *)(const void *)message)->keyrequest;
	struct immu_bytes *key = arena_alloc(arena, sizeof *key);

	if (!key)
		return IM_ERR_NOMEM;
	*key = view(m->key);
	out->op = IMMU_OP_GET;
	out->keys = key;
	out->keys_len = 1;
	out->no_wait = m->nowait;
	out->version = (struct immu_version){
	    .at_tx = m->attx, .since_tx = m->sincetx, .revision = m->atrevision};
	return IM_OK;
}

static enum im_err
request_reference(const ProtobufCMessage *message, struct arena *arena, struct immu_request *out)
{
	const Immudb__Schema__ReferenceRequest *m =
	    ((const Immudb__Schema__VerifiableReferenceRequest *)(const void *)message)
		->referencerequest;

	if (m->boundref != (m->attx != 0))
		return err_set(IM_ERR_ARGUMENT, "%s: boundRef and atTx go together",
		    err_text(IM_ERR_ARGUMENT));
	out->op = IMMU_OP_REFERENCE;
	out->no_wait = m->nowait;
	out->reference = (struct immu_reference){view(m->key), view(m->referencedkey), m->attx};
	return request_conditions(m->preconditions, m->n_preconditions, arena, out);
}

static enum im_err
request_zadd(const ProtobufCMessage *message, struct arena *arena, struct immu_request *out)
{
	const Immudb__Schema__ZAddRequest *m =
	    ((const Immudb__Schema__VerifiableZAddRequest *)(const void *)message)->zaddrequest;

	(void)arena;
	if (m->boundref != (m->attx != 0))
		return err_set(IM_ERR_ARGUMENT, "%s: boundRef and atTx go together",
		    err_text(IM_ERR_ARGUMENT));
	out->op = IMMU_OP_ZADD;
	out->no_wait = m->nowait;
	out->zadd = (struct immu_zadd){view(m->set), m->score, view(m->key), m->attx};
	return IM_OK;
}

static enum im_err
request_tx(const ProtobufCMessage *message, struct arena *arena, struct immu_request *out)
{
	const Immudb__Schema__VerifiableTxRequest *m =
	    (const Immudb__Schema__VerifiableTxRequest *)(const void *)message;

	(void)arena;
	if (m->entriesspec || m->keepreferencesunresolved)
		return err_set(IM_ERR_ARGUMENT,
		    "%s: a verified transaction is shown with all its entries, as digests",
		    err_text(IM_ERR_ARGUMENT));
	out->op = IMMU_OP_TX;
	out->tx = m->tx;
	out->since_tx = m->sincetx;
	out->no_wait = m->nowait;
	return IM_OK;
}

enum im_err
verified_request(enum rpc_method_id method, const ProtobufCMessage *message, struct arena *arena,
    struct immu_request *out)
{
	static const struct {
		enum rpc_method_id method;
		enum im_err (*make)(
		    const ProtobufCMessage *message, struct arena *arena, struct immu_request *out);
	} makers[] = {{RPC_METHOD_VerifiableSet, request_set},
	    {RPC_METHOD_VerifiableGet, request_get},
	    {RPC_METHOD_VerifiableSetReference, request_reference},
	    {RPC_METHOD_VerifiableZAdd, request_zadd}, {RPC_METHOD_VerifiableTxById, request_tx}};
	size_t i;

	*out = (struct immu_request){.verified = true};
	for (i = 0; i < sizeof makers / sizeof *makers; i++)
		if (makers[i].method == method)
			return makers[i].make(message, arena, out);
	return err_set(IM_ERR_INTERNAL, "method %d has no verified form", (int)method);
}

/* ---- Answers ---- */

/* False without memory; *out stays NULL for metadata that says nothing. */
static bool
answer_metadata(
    const struct immu_metadata *md, struct arena *arena, Immudb__Schema__KVMetadata **out)
{
	Immudb__Schema__KVMetadata *m;

	if (!md->deleted && !md->non_indexable && !md->expires)
		return true;
	m = new_message(arena, &immudb__schema__kvmetadata__descriptor);
	if (!m)
		return false;
	m->deleted = md->deleted;
	m->nonindexable = md->non_indexable;
	if (md->expires) {
		m->expiration = new_message(arena, &immudb__schema__expiration__descriptor);
		if (!m->expiration)
			return false;
		m->expiration->expiresat = md->expires_at;
	}
	*out = m;
	return true;
}

static Immudb__Schema__Reference *
answer_reference(const struct immu_via *via, struct arena *arena)
{
	Immudb__Schema__Reference *m = new_message(arena, &immudb__schema__reference__descriptor);

	if (!m || !answer_metadata(&via->metadata, arena, &m->metadata))
		return NULL;
	m->tx = via->tx;
	m->key = data_of(via->key);
	m->attx = via->at_tx;
	m->revision = via->revision;
	return m;
}

Immudb__Schema__Entry *
verified_entry(const struct immu_entry *entry, struct arena *arena)
{
	Immudb__Schema__Entry *m = new_message(arena, &immudb__schema__entry__descriptor);

	if (!m || !answer_metadata(&entry->metadata, arena, &m->metadata))
		return NULL;
	m->tx = entry->tx;
	m->key = data_of(entry->key);
	m->value = data_of(entry->value);
	m->expired = entry->expired;
	m->revision = entry->revision;
	if (entry->via)
		m->referencedby = answer_reference(entry->via, arena);
	return entry->via && !m->referencedby ? NULL : m;
}

Immudb__Schema__ZEntry *
verified_zentry(const struct immu_zentry *entry, struct arena *arena)
{
	Immudb__Schema__ZEntry *m = new_message(arena, &immudb__schema__zentry__descriptor);

	if (!m)
		return NULL;
	m->set = data_of(entry->set);
	m->key = data_of(entry->key);
	m->score = entry->score;
	m->attx = entry->at_tx;
	m->entry = verified_entry(&entry->entry, arena);
	if (!m->entry || !message_keep_negative_zero(arena, &m->base, ZENTRY_SCORE, entry->score))
		return NULL;
	return m;
}

static Immudb__Schema__TxHeader *
answer_header(const struct immu_header *h, struct arena *arena)
{
	Immudb__Schema__TxHeader *m = new_message(arena, &immudb__schema__tx_header__descriptor);

	if (!m)
		return NULL;
	m->id = h->id;
	m->prevalh = data_of_hash(h->prev_alh);
	m->ts = h->ts;
	m->nentries = (int32_t)h->entries;
	m->eh = data_of_hash(h->eh);
	m->bltxid = h->bl_tx_id;
	m->blroot = data_of_hash(h->bl_root);
	m->version = h->version;
	return m;
}

static Immudb__Schema__TxEntry *
answer_tx_entry(const struct immu_tx_entry *e, struct arena *arena)
{
	Immudb__Schema__TxEntry *m = new_message(arena, &immudb__schema__tx_entry__descriptor);

	if (!m || !answer_metadata(&e->metadata, arena, &m->metadata))
		return NULL;
	m->key = data_of(e->raw_key);
	m->hvalue = data_of_hash(e->value_hash);
	m->vlen = (int32_t)e->value_len;
	if (e->has_value)
		m->value = data_of(e->raw_value);
	return m;
}

Immudb__Schema__Tx *
verified_tx_view(const struct immu_tx_view *tx, struct arena *arena)
{
	Immudb__Schema__Tx *m = new_message(arena, &immudb__schema__tx__descriptor);
	size_t i;

	if (!m)
		return NULL;
	m->header = answer_header(&tx->header, arena);
	m->entries = arena_calloc(arena, tx->tx_entries_len, sizeof *m->entries);
	m->kventries = arena_calloc(arena, tx->entries_len, sizeof *m->kventries);
	m->zentries = arena_calloc(arena, tx->zentries_len, sizeof *m->zentries);
	if (!m->header || (tx->tx_entries_len && !m->entries) ||
	    (tx->entries_len && !m->kventries) || (tx->zentries_len && !m->zentries))
		return NULL;
	for (i = 0; i < tx->tx_entries_len; i++, m->n_entries++)
		if (!(m->entries[i] = answer_tx_entry(&tx->tx_entries[i], arena)))
			return NULL;
	for (i = 0; i < tx->entries_len; i++, m->n_kventries++)
		if (!(m->kventries[i] = verified_entry(&tx->entries[i], arena)))
			return NULL;
	for (i = 0; i < tx->zentries_len; i++, m->n_zentries++)
		if (!(m->zentries[i] = verified_zentry(&tx->zentries[i], arena)))
			return NULL;
	return m;
}

ProtobufCMessage *
verified_answer(
    const ProtobufCMessageDescriptor *d, const struct immu_result *result, struct arena *arena)
{
	const struct immu_tx_view tx = {.header = result->header,
	    .tx_entries = result->tx_entries,
	    .tx_entries_len = result->tx_entries_len};

	if (d == &immudb__schema__entry__descriptor)
		return (ProtobufCMessage *)verified_entry(&result->entries[0], arena);
	if (d == &immudb__schema__tx__descriptor)
		return (ProtobufCMessage *)verified_tx_view(&tx, arena);
	return (ProtobufCMessage *)answer_header(&result->header, arena);
}
