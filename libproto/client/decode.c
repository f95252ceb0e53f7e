/*
 * Messages of a server, taken apart with suspicion; verify.c says what they prove.
 *
 * Invariant: nothing of what a message leaves open gets a default here, because a default is what
 * somebody could have meant to hide behind.
 */
#include "client/decode.h"

#include <stdio.h>

#include "client/trust_file.h"

/* The allocator of protobuf-c: memory is released with the arena, never by it. */
struct decode_memory {
	struct arena *arena;
	enum im_err err; /* why there was none */
};

static void *
arena_allocate(void *ctx, size_t size)
{
	struct decode_memory *m = ctx;
	size_t room = m->arena->cap - m->arena->used;
	void *p = arena_alloc(m->arena, size);

	if (!p)
		m->err = size > room ? IM_ERR_LIMIT : IM_ERR_NOMEM;
	return p;
}

static void
arena_release(void *ctx, void *memory)
{
	(void)ctx;
	(void)memory;
}

enum im_err
decode_message(const ProtobufCMessageDescriptor *type, struct bytes body, struct arena *arena,
    ProtobufCMessage **out)
{
	struct decode_memory memory = {arena, IM_OK};
	ProtobufCAllocator allocator = {arena_allocate, arena_release, &memory};
	static const uint8_t nothing[1];

	*out =
	    protobuf_c_message_unpack(type, &allocator, body.len, body.len ? body.data : nothing);
	if (*out)
		return IM_OK;
	if (memory.err != IM_OK)
		return err_set(memory.err, "%s: the server's answer", err_text(memory.err));
	return err_set(IM_ERR_PROTOCOL, "the server's answer is not a %s", type->short_name);
}

enum im_err
decode_hash(const char *what, ProtobufCBinaryData data, struct hash *out)
{
	if (data.len != HASH_SIZE)
		return err_set(IM_ERR_PROOF, "%s has %zu bytes, not 32", what, data.len);
	memcpy(out->b, data.data, HASH_SIZE);
	return IM_OK;
}

static enum im_err
decode_hashes(
    const ProtobufCBinaryData *items, size_t len, struct arena *arena, struct hash_list *out)
{
	enum im_err err = IM_OK;

	*out = (struct hash_list){arena_calloc(arena, len, sizeof *out->items), len};
	if (len > 0 && !out->items)
		return err_set(IM_ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < len && !err; i++)
		err = decode_hash("a term of the proof", items[i], &out->items[i]);
	return err;
}

static enum im_err
decode_tx_metadata(const Immudb__Schema__TxMetadata *m, struct tx_header *out)
{
	struct tx_metadata md = {0};

	if (m) {
		if (m->extra.len > TX_METADATA_EXTRA_MAX)
			return err_set(IM_ERR_PROOF, "transaction metadata is too long");
		md.truncated_tx_id = m->truncatedtxid;
		md.extra_len = (uint16_t)m->extra.len;
		if (m->extra.len > 0)
			memcpy(md.extra, m->extra.data, m->extra.len);
	}
	out->md_len = (uint16_t)tx_metadata_encode(&md, out->md);
	return IM_OK;
}

enum im_err
decode_header(const Immudb__Schema__TxHeader *m, struct tx_header *out)
{
	enum im_err err;

	if (!m)
		return err_set(IM_ERR_PROOF, "a transaction header is missing");
	if (m->nentries < 0 || m->version < 0 || m->version > TX_HEADER_VERSION_MAX)
		return err_set(IM_ERR_PROOF, "a transaction header is out of range");
	*out = (struct tx_header){.id = m->id,
	    .ts = m->ts,
	    .version = (uint16_t)m->version,
	    .nentries = (uint32_t)m->nentries,
	    .bl_tx_id = m->bltxid};
	err = decode_hash("prevAlh", m->prevalh, &out->prev_alh);
	if (!err)
		err = decode_hash("eH", m->eh, &out->eh);
	if (!err)
		err = decode_hash("blRoot", m->blroot, &out->bl_root);
	if (!err)
		err = decode_tx_metadata(m->metadata, out);
	if (!err && tx_header_check(out)) {
		/* err_set() must not read the text that it replaces. */
		char why[128];

		snprintf(why, sizeof why, "%s", err_detail(IM_ERR_FORMAT));
		err = err_set(IM_ERR_PROOF, "bad transaction header: %s", why);
	}
	return err;
}

enum im_err
decode_inclusion(
    const Immudb__Schema__InclusionProof *m, struct arena *arena, struct inclusion_proof *out)
{
	if (!m)
		return err_set(IM_ERR_PROOF, "the inclusion proof is missing");
	if (m->leaf < 0 || m->width < 0)
		return err_set(IM_ERR_PROOF, "the inclusion proof is out of range");
	out->leaf = (uint32_t)m->leaf;
	out->width = (uint32_t)m->width;
	return decode_hashes(m->terms, m->n_terms, arena, &out->terms);
}

static enum im_err
decode_linear(const Immudb__Schema__LinearProof *m, struct arena *arena, struct linear_proof *out)
{
	if (!m)
		return err_set(IM_ERR_PROOF, "the linear proof is missing");
	out->source_tx_id = m->sourcetxid;
	out->target_tx_id = m->targettxid;
	return decode_hashes(m->terms, m->n_terms, arena, &out->terms);
}

static enum im_err
decode_advance(const Immudb__Schema__LinearAdvanceProof *m, struct arena *arena,
    struct linear_advance_proof *out)
{
	enum im_err err =
	    decode_hashes(m->linearproofterms, m->n_linearproofterms, arena, &out->linear_terms);

	out->inclusions_len = m->n_inclusionproofs;
	out->inclusions = arena_calloc(arena, m->n_inclusionproofs, sizeof *out->inclusions);
	if (!out->inclusions && m->n_inclusionproofs > 0)
		return err_set(IM_ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < m->n_inclusionproofs && !err; i++) {
		const Immudb__Schema__InclusionProof *p = m->inclusionproofs[i];

		if (p->leaf != 0 || p->width != 0)
			return err_set(IM_ERR_PROOF, "an unused field of the proof is set");
		err = decode_hashes(p->terms, p->n_terms, arena, &out->inclusions[i]);
	}
	return err;
}

enum im_err
decode_dual_proof(const Immudb__Schema__DualProof *m, struct arena *arena, struct dual_proof *out)
{
	enum im_err err;

	if (!m)
		return err_set(IM_ERR_PROOF, "the dual proof is missing");
	*out = (struct dual_proof){0};
	err = decode_header(m->sourcetxheader, &out->source);
	if (!err)
		err = decode_header(m->targettxheader, &out->target);
	if (!err)
		err = decode_hashes(m->inclusionproof, m->n_inclusionproof, arena, &out->inclusion);
	if (!err)
		err = decode_hashes(
		    m->consistencyproof, m->n_consistencyproof, arena, &out->consistency);
	if (!err)
		err = decode_hash("targetBlTxAlh", m->targetbltxalh, &out->target_bl_tx_alh);
	if (!err)
		err = decode_hashes(
		    m->lastinclusionproof, m->n_lastinclusionproof, arena, &out->last_inclusion);
	if (!err)
		err = decode_linear(m->linearproof, arena, &out->linear);
	out->has_linear_advance = m->linearadvanceproof != NULL;
	if (!err && out->has_linear_advance)
		err = decode_advance(m->linearadvanceproof, arena, &out->linear_advance);
	return err;
}

void
decode_metadata(const Immudb__Schema__KVMetadata *m, struct kv_metadata *out)
{
	*out = (struct kv_metadata){0};
	if (!m)
		return;
	out->deleted = m->deleted;
	out->non_indexable = m->nonindexable;
	out->has_expiry = m->expiration != NULL;
	if (m->expiration)
		out->expires_at = m->expiration->expiresat;
}

struct immu_metadata
decode_public_metadata(const struct kv_metadata *md)
{
	return (struct immu_metadata){.deleted = md->deleted,
	    .non_indexable = md->non_indexable,
	    .expires = md->has_expiry,
	    .expires_at = md->expires_at};
}

/* A value that comes along is the one that was hashed. */
static enum im_err
check_tx_value(const Immudb__Schema__TxEntry *m, const struct hash *hval)
{
	struct hash h;

	if (m->value.len == 0)
		return IM_OK;
	hash_sha256(decode_bytes(m->value), &h);
	if (!hash_equal(&h, hval) || m->value.len != (size_t)m->vlen)
		return err_set(IM_ERR_PROOF, "an entry's value does not match its hash or length");
	return IM_OK;
}

enum im_err
decode_tx_entry(const Immudb__Schema__TxEntry *m, struct arena *arena, struct entry_parts *out)
{
	struct kv_metadata md;
	uint8_t encoded[KV_METADATA_MAX];
	struct bytes view;
	enum im_err err;

	if (m->vlen < 0)
		return err_set(IM_ERR_PROOF, "an entry's value length is out of range");
	decode_metadata(m->metadata, &md);
	view = bytes_of(encoded, kv_metadata_encode(&md, encoded));
	out->key = decode_bytes(m->key);
	out->md = arena_copy(arena, view);
	if (out->md.len != view.len)
		return err_set(IM_ERR_NOMEM, "out of memory");
	err = decode_hash("an entry's value hash", m->hvalue, &out->hval);
	return err ? err : check_tx_value(m, &out->hval);
}

void
decode_public_header(const struct tx_header *h, struct immu_header *out)
{
	struct hash alh;

	tx_header_alh(h, &alh);
	*out = (struct immu_header){.id = h->id,
	    .ts = h->ts,
	    .entries = h->nentries,
	    .version = h->version,
	    .bl_tx_id = h->bl_tx_id};
	memcpy(out->prev_alh, h->prev_alh.b, HASH_SIZE);
	memcpy(out->eh, h->eh.b, HASH_SIZE);
	memcpy(out->bl_root, h->bl_root.b, HASH_SIZE);
	memcpy(out->alh, alh.b, HASH_SIZE);
}

enum im_err
decode_restore_notice(const Immudb__Schema__RestoreNotice *m, struct restore_notice *out)
{
	enum im_err err;

	*out = (struct restore_notice){.server_id = bytes_str(m->serverid),
	    .database = bytes_str(m->database),
	    .from.id = m->fromtx,
	    .to.id = m->totx,
	    .at_ms = m->at,
	    .actor = bytes_str(m->actor)};
	if (out->server_id.len != XID_TEXT_LEN || out->database.len > TRUST_DATABASE_MAX ||
	    out->actor.len > RESTORE_NOTICE_ACTOR_MAX)
		return err_set(IM_ERR_PROOF, "a name in the notice of a restore is too long");
	err = decode_hash("the restored state's hash", m->tohash, &out->to.alh);
	if (!err && m->fromtx > 0)
		err = decode_hash("the replaced state's hash", m->fromhash, &out->from.alh);
	else if (!err && m->fromhash.len > 0)
		err = err_set(IM_ERR_PROOF, "the hash of an unknown state");
	return err;
}
