/*
 * From the structures of the engine to the messages of immudb.proto, for all handlers. Nothing is
 * decided here, and nothing is copied that lives long enough.
 */
#include "server/messages.h"

void *
message_new(struct arena *a, const ProtobufCMessageDescriptor *d)
{
	void *m = arena_alloc(a, d->sizeof_message);

	if (m)
		protobuf_c_message_init(d, m);
	return m;
}

bool
message_kv_metadata(struct arena *a, const struct kv_metadata *md, Immudb__Schema__KVMetadata **out)
{
	Immudb__Schema__KVMetadata *m;

	*out = NULL;
	if (kv_metadata_is_empty(md))
		return true;
	m = message_new(a, &immudb__schema__kvmetadata__descriptor);
	if (!m)
		return false;
	m->deleted = md->deleted;
	m->nonindexable = md->non_indexable;
	if (md->has_expiry) {
		m->expiration = message_new(a, &immudb__schema__expiration__descriptor);
		if (!m->expiration)
			return false;
		m->expiration->expiresat = md->expires_at;
	}
	*out = m;
	return true;
}

struct kv_metadata
message_to_kv_metadata(const Immudb__Schema__KVMetadata *md)
{
	struct kv_metadata out = {0};

	if (!md)
		return out;
	out.deleted = md->deleted;
	out.non_indexable = md->nonindexable;
	if (md->expiration) {
		out.has_expiry = true;
		out.expires_at = md->expiration->expiresat;
	}
	return out;
}

/* The metadata of a header that has some: what is stored was canonical, so it can be read. */
static bool
message_tx_metadata(struct arena *a, const struct tx_header *h, Immudb__Schema__TxMetadata **out)
{
	struct tx_metadata md;
	Immudb__Schema__TxMetadata *m;
	struct bytes extra;

	*out = NULL;
	if (h->md_len == 0 || tx_metadata_decode(bytes_of(h->md, h->md_len), &md) != IM_OK)
		return true;
	m = message_new(a, &immudb__schema__tx_metadata__descriptor);
	if (!m)
		return false;
	extra = arena_copy(a, bytes_of(md.extra, md.extra_len));
	m->truncatedtxid = md.truncated_tx_id;
	m->extra = message_data(extra);
	*out = m;
	return extra.len == md.extra_len;
}

Immudb__Schema__TxHeader *
message_tx_header(struct arena *a, const struct tx_header *header)
{
	Immudb__Schema__TxHeader *m = message_new(a, &immudb__schema__tx_header__descriptor);
	struct tx_header *h = arena_alloc(a, sizeof *h);

	if (!m || !h)
		return NULL;
	/* Headers are often local to whoever asks. */
	*h = *header;
	m->id = h->id;
	m->prevalh = message_hash(&h->prev_alh);
	m->ts = h->ts;
	m->nentries = (int32_t)h->nentries;
	m->eh = message_hash(&h->eh);
	m->bltxid = h->bl_tx_id;
	m->blroot = message_hash(&h->bl_root);
	m->version = h->version;
	return message_tx_metadata(a, h, &m->metadata) ? m : NULL;
}

Immudb__Schema__TxEntry *
message_tx_entry(struct arena *a, const struct store_tx_entry *e)
{
	Immudb__Schema__TxEntry *m = message_new(a, &immudb__schema__tx_entry__descriptor);
	struct kv_metadata md = {0};

	if (!m)
		return NULL;
	m->key = message_data(e->key);
	m->hvalue = message_hash(&e->hval);
	m->vlen = (int32_t)e->value_len;
	m->value = message_data(e->value);
	/* Stored metadata is canonical. */
	(void)kv_metadata_decode(e->metadata, &md);
	return message_kv_metadata(a, &md, &m->metadata) ? m : NULL;
}

Immudb__Schema__Tx *
message_tx(struct arena *a, const struct store_tx *tx)
{
	Immudb__Schema__Tx *m = message_new(a, &immudb__schema__tx__descriptor);
	uint32_t i;

	if (!m)
		return NULL;
	m->header = message_tx_header(a, &tx->header);
	m->entries = arena_calloc(a, tx->nentries, sizeof(Immudb__Schema__TxEntry *));
	if (!m->header || (tx->nentries && !m->entries))
		return NULL;
	for (i = 0; i < tx->nentries; i++) {
		m->entries[i] = message_tx_entry(a, &tx->entries[i]);
		if (!m->entries[i])
			return NULL;
	}
	m->n_entries = tx->nentries;
	return m;
}

/* A repeated field of hashes. */
static bool
message_terms(struct arena *a, struct hash_list list, size_t *n, ProtobufCBinaryData **out)
{
	size_t i;

	*n = list.len;
	*out = NULL;
	if (list.len == 0)
		return true;
	*out = arena_calloc(a, list.len, sizeof **out);
	if (!*out)
		return false;
	for (i = 0; i < list.len; i++)
		(*out)[i] = message_hash(&list.items[i]);
	return true;
}

Immudb__Schema__InclusionProof *
message_inclusion_proof(struct arena *a, const struct inclusion_proof *p)
{
	Immudb__Schema__InclusionProof *m =
	    message_new(a, &immudb__schema__inclusion_proof__descriptor);

	if (!m)
		return NULL;
	m->leaf = (int32_t)p->leaf;
	m->width = (int32_t)p->width;
	return message_terms(a, p->terms, &m->n_terms, &m->terms) ? m : NULL;
}

static Immudb__Schema__LinearProof *
message_linear_proof(struct arena *a, const struct linear_proof *p)
{
	Immudb__Schema__LinearProof *m = message_new(a, &immudb__schema__linear_proof__descriptor);

	if (!m)
		return NULL;
	m->sourcetxid = p->source_tx_id;
	m->targettxid = p->target_tx_id;
	return message_terms(a, p->terms, &m->n_terms, &m->terms) ? m : NULL;
}

static Immudb__Schema__LinearAdvanceProof *
message_linear_advance(struct arena *a, const struct linear_advance_proof *p)
{
	Immudb__Schema__LinearAdvanceProof *m =
	    message_new(a, &immudb__schema__linear_advance_proof__descriptor);
	size_t i;

	if (!m || !message_terms(a, p->linear_terms, &m->n_linearproofterms, &m->linearproofterms))
		return NULL;
	m->inclusionproofs =
	    arena_calloc(a, p->inclusions_len, sizeof(Immudb__Schema__InclusionProof *));
	if (p->inclusions_len && !m->inclusionproofs)
		return NULL;
	for (i = 0; i < p->inclusions_len; i++) {
		struct inclusion_proof terms_only = {.terms = p->inclusions[i]};

		m->inclusionproofs[i] = message_inclusion_proof(a, &terms_only);
		if (!m->inclusionproofs[i])
			return NULL;
	}
	m->n_inclusionproofs = p->inclusions_len;
	return m;
}

Immudb__Schema__DualProof *
message_dual_proof(struct arena *a, const struct dual_proof *p)
{
	Immudb__Schema__DualProof *m = message_new(a, &immudb__schema__dual_proof__descriptor);

	if (!m || !message_terms(a, p->inclusion, &m->n_inclusionproof, &m->inclusionproof) ||
	    !message_terms(a, p->consistency, &m->n_consistencyproof, &m->consistencyproof) ||
	    !message_terms(a, p->last_inclusion, &m->n_lastinclusionproof, &m->lastinclusionproof))
		return NULL;
	m->sourcetxheader = message_tx_header(a, &p->source);
	m->targettxheader = message_tx_header(a, &p->target);
	m->targetbltxalh = message_hash(&p->target_bl_tx_alh);
	m->linearproof = message_linear_proof(a, &p->linear);
	if (!m->sourcetxheader || !m->targettxheader || !m->linearproof)
		return NULL;
	if (p->has_linear_advance) {
		m->linearadvanceproof = message_linear_advance(a, &p->linear_advance);
		if (!m->linearadvanceproof)
			return NULL;
	}
	return m;
}
