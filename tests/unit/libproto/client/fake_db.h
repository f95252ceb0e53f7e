#ifndef FAKE_DB_H
#define FAKE_DB_H

/*
 * An honest database in memory, and its answers as messages. Tests tell lies with them by changing
 * them, or by keeping two databases with one beginning.
 */
#include <assert.h>
#include <stdlib.h>

#include "client/decode.h"
#include "crypto/ahtree_log.h"
#include "crypto/proof.h"
#include "crypto/rawkey.h"
#include "crypto/sign.h"

#define FAKE_TXS_MAX 256
#define FAKE_ENTRIES_MAX 8
#define FAKE_NAME "defaultdb"

struct fake_tx {
	struct tx_header header;
	struct hash alh;
	struct entry_parts entries[FAKE_ENTRIES_MAX];
	struct bytes values[FAKE_ENTRIES_MAX]; /* as users see them */
	struct kv_metadata metadata[FAKE_ENTRIES_MAX];
	size_t raw_lens[FAKE_ENTRIES_MAX];      /* of raw values */
	struct bytes targets[FAKE_ENTRIES_MAX]; /* of references; empty for others */
	uint64_t at_txs[FAKE_ENTRIES_MAX];
};

struct fake_db {
	struct arena arena;
	struct ahtree_log tree;
	struct fake_tx txs[FAKE_TXS_MAX + 1]; /* from 1 */
	uint64_t last;
	uint64_t lag;       /* blTxID is id - 1 - lag */
	uint64_t truncates; /* what the next transaction says it has truncated up to; 0: nothing */
	struct sign_private_key *key;
};

/* One entry to append. */
struct fake_kv {
	const char *key;
	const char *value;
	struct kv_metadata metadata;
};

static inline struct bytes
fake_copy(struct arena *arena, struct bytes v)
{
	struct bytes copy = arena_copy(arena, v);

	assert(copy.len == v.len);
	return copy;
}

static inline void
fake_db_init(struct fake_db *db)
{
	memset(db, 0, sizeof *db);
	arena_init(&db->arena, 64u << 20);
	ahtree_log_init(&db->tree);
	db->txs[0].alh = hash_empty();
}

static inline void
fake_db_free(struct fake_db *db)
{
	ahtree_log_free(&db->tree);
	arena_free(&db->arena);
}

static inline void
fake_fill_entry(struct fake_db *db, struct fake_tx *tx, size_t i, struct bytes key,
    struct bytes value, const struct kv_metadata *md)
{
	uint8_t encoded[KV_METADATA_MAX];
	struct bytes raw;
	enum im_err err = raw_key_make(&db->arena, key, &tx->entries[i].key);

	assert(!err);
	err = raw_value_make(&db->arena, value, &raw);
	assert(!err);
	tx->metadata[i] = *md;
	tx->entries[i].md =
	    fake_copy(&db->arena, bytes_of(encoded, kv_metadata_encode(md, encoded)));
	hash_sha256(raw, &tx->entries[i].hval);
	tx->raw_lens[i] = raw.len;
	tx->values[i] = fake_copy(&db->arena, value);
	tx->targets[i] = bytes_of(NULL, 0);
}

/* A reference to target, or with at_tx to the value that that transaction wrote. */
static inline void
fake_fill_reference(
    struct fake_db *db, size_t i, struct bytes key, struct bytes target, uint64_t at_tx)
{
	struct fake_tx *tx = &db->txs[db->last + 1];
	struct bytes raw;
	enum im_err err = raw_key_make(&db->arena, key, &tx->entries[i].key);

	assert(!err);
	err = raw_value_make_reference(&db->arena, target, at_tx, &raw);
	assert(!err);
	hash_sha256(raw, &tx->entries[i].hval);
	tx->raw_lens[i] = raw.len;
	tx->values[i] = bytes_of(NULL, 0);
	tx->targets[i] = fake_copy(&db->arena, target);
	tx->at_txs[i] = at_tx;
}

static inline void
fake_fill_zadd(struct fake_db *db, size_t i, const struct zset_member *member)
{
	struct fake_tx *tx = &db->txs[db->last + 1];
	enum im_err err = raw_key_make_zadd(&db->arena, member, &tx->entries[i].key);

	assert(!err);
	tx->entries[i].hval = hash_empty();
}

/* Chains the next transaction, whose entries are filled in already. */
static inline uint64_t
fake_db_commit(struct fake_db *db, size_t entries)
{
	uint64_t id = db->last + 1;
	struct fake_tx *tx = &db->txs[id];
	struct hash digests[FAKE_ENTRIES_MAX];
	uint64_t size = id - 1 > db->lag ? id - 1 - db->lag : 0;
	struct tx_metadata md = {.truncated_tx_id = db->truncates};
	enum im_err err = entry_digests(1, tx->entries, entries, digests);

	assert(!err && id <= FAKE_TXS_MAX);
	tx->header = (struct tx_header){.id = id,
	    .prev_alh = db->txs[id - 1].alh,
	    .ts = 1700000000 + (int64_t)id,
	    .version = 1,
	    .nentries = (uint32_t)entries,
	    .bl_tx_id = size};
	tx->header.md_len = (uint16_t)tx_metadata_encode(&md, tx->header.md);
	db->truncates = 0;
	htree_root(digests, entries, digests, &tx->header.eh);
	err = ahtree_log_root(&db->tree, size, &tx->header.bl_root);
	assert(!err);
	tx_header_alh(&tx->header, &tx->alh);
	err = ahtree_log_append(&db->tree, &tx->alh);
	assert(!err);
	db->last = id;
	return id;
}

static inline uint64_t
fake_db_append(struct fake_db *db, const struct fake_kv *kvs, size_t len)
{
	struct fake_tx *tx = &db->txs[db->last + 1];

	for (size_t i = 0; i < len; i++)
		fake_fill_entry(
		    db, tx, i, bytes_str(kvs[i].key), bytes_str(kvs[i].value), &kvs[i].metadata);
	return fake_db_commit(db, len);
}

static inline uint64_t
fake_db_reference(struct fake_db *db, const char *key, const char *target, uint64_t at_tx)
{
	fake_fill_reference(db, 0, bytes_str(key), bytes_str(target), at_tx);
	return fake_db_commit(db, 1);
}

static inline uint64_t
fake_db_zadd(struct fake_db *db, const char *set, double score, const char *key)
{
	fake_fill_zadd(db, 0, &(struct zset_member){bytes_str(set), score, bytes_str(key), 0});
	return fake_db_commit(db, 1);
}

/* A transaction with one entry. */
static inline uint64_t
fake_db_set(struct fake_db *db, const char *key, const char *value)
{
	return fake_db_append(db, &(struct fake_kv){.key = key, .value = value}, 1);
}

static inline struct tx_point
fake_db_point(const struct fake_db *db, uint64_t tx)
{
	return (struct tx_point){tx, db->txs[tx].alh};
}

static inline enum im_err
fake_read_header(void *ctx, uint64_t tx, struct tx_header *out)
{
	struct fake_db *db = ctx;

	if (tx == 0 || tx > db->last)
		return IM_ERR_TX_NOT_FOUND;
	*out = db->txs[tx].header;
	return IM_OK;
}

/* ---- Messages ---- */

#define FAKE_NEW(arena, Type, init) \
	({ \
		Type *m_ = arena_alloc((arena), sizeof(Type)); \
		assert(m_); \
		init(m_); \
		m_; \
	})

static inline ProtobufCBinaryData
fake_bytes(struct arena *arena, struct bytes v)
{
	struct bytes copy = fake_copy(arena, v);

	return (ProtobufCBinaryData){copy.len, (uint8_t *)(uintptr_t)copy.data};
}

static inline ProtobufCBinaryData
fake_hash(struct arena *arena, const struct hash *h)
{
	return fake_bytes(arena, hash_bytes(h));
}

static inline ProtobufCBinaryData *
fake_hashes(struct arena *arena, struct hash_list list, size_t *n)
{
	ProtobufCBinaryData *items = arena_calloc(arena, list.len + 1, sizeof *items);

	assert(items);
	for (size_t i = 0; i < list.len; i++)
		items[i] = fake_hash(arena, &list.items[i]);
	*n = list.len;
	return items;
}

static inline Immudb__Schema__TxHeader *
fake_header(struct arena *arena, const struct tx_header *h)
{
	Immudb__Schema__TxHeader *m =
	    FAKE_NEW(arena, Immudb__Schema__TxHeader, immudb__schema__tx_header__init);
	struct tx_metadata md;

	m->id = h->id;
	m->prevalh = fake_hash(arena, &h->prev_alh);
	m->ts = h->ts;
	m->nentries = (int32_t)h->nentries;
	m->eh = fake_hash(arena, &h->eh);
	m->bltxid = h->bl_tx_id;
	m->blroot = fake_hash(arena, &h->bl_root);
	m->version = h->version;
	if (tx_metadata_decode(bytes_of(h->md, h->md_len), &md) == IM_OK &&
	    !tx_metadata_is_empty(&md)) {
		m->metadata =
		    FAKE_NEW(arena, Immudb__Schema__TxMetadata, immudb__schema__tx_metadata__init);
		m->metadata->truncatedtxid = md.truncated_tx_id;
	}
	return m;
}

static inline Immudb__Schema__KVMetadata *
fake_metadata(struct arena *arena, const struct kv_metadata *md)
{
	Immudb__Schema__KVMetadata *m;

	if (kv_metadata_is_empty(md))
		return NULL;
	m = FAKE_NEW(arena, Immudb__Schema__KVMetadata, immudb__schema__kvmetadata__init);
	m->deleted = md->deleted;
	m->nonindexable = md->non_indexable;
	if (md->has_expiry) {
		m->expiration =
		    FAKE_NEW(arena, Immudb__Schema__Expiration, immudb__schema__expiration__init);
		m->expiration->expiresat = md->expires_at;
	}
	return m;
}

static inline Immudb__Schema__Tx *
fake_tx_message(struct fake_db *db, struct arena *arena, uint64_t id)
{
	const struct fake_tx *tx = &db->txs[id];
	Immudb__Schema__Tx *m = FAKE_NEW(arena, Immudb__Schema__Tx, immudb__schema__tx__init);

	m->header = fake_header(arena, &tx->header);
	m->n_entries = tx->header.nentries;
	m->entries = arena_calloc(arena, m->n_entries, sizeof *m->entries);
	assert(m->entries);
	for (size_t i = 0; i < m->n_entries; i++) {
		Immudb__Schema__TxEntry *e =
		    FAKE_NEW(arena, Immudb__Schema__TxEntry, immudb__schema__tx_entry__init);

		e->key = fake_bytes(arena, tx->entries[i].key);
		e->hvalue = fake_hash(arena, &tx->entries[i].hval);
		e->vlen = (int32_t)tx->raw_lens[i];
		e->metadata = fake_metadata(arena, &tx->metadata[i]);
		m->entries[i] = e;
	}
	return m;
}

static inline Immudb__Schema__LinearAdvanceProof *
fake_advance(struct arena *arena, const struct linear_advance_proof *p)
{
	Immudb__Schema__LinearAdvanceProof *m = FAKE_NEW(
	    arena, Immudb__Schema__LinearAdvanceProof, immudb__schema__linear_advance_proof__init);

	m->linearproofterms = fake_hashes(arena, p->linear_terms, &m->n_linearproofterms);
	m->n_inclusionproofs = p->inclusions_len;
	m->inclusionproofs = arena_calloc(arena, p->inclusions_len + 1, sizeof *m->inclusionproofs);
	assert(m->inclusionproofs);
	for (size_t i = 0; i < p->inclusions_len; i++) {
		Immudb__Schema__InclusionProof *inclusion = FAKE_NEW(
		    arena, Immudb__Schema__InclusionProof, immudb__schema__inclusion_proof__init);

		inclusion->terms = fake_hashes(arena, p->inclusions[i], &inclusion->n_terms);
		m->inclusionproofs[i] = inclusion;
	}
	return m;
}

static inline Immudb__Schema__DualProof *
fake_dual_proof(struct fake_db *db, struct arena *arena, uint64_t from, uint64_t to)
{
	struct proof_source source = {ahtree_log_reader(&db->tree), fake_read_header, db};
	struct dual_proof p;
	enum im_err err = proof_make_dual(&source, from, to, arena, &p);
	Immudb__Schema__DualProof *m =
	    FAKE_NEW(arena, Immudb__Schema__DualProof, immudb__schema__dual_proof__init);
	Immudb__Schema__LinearProof *linear =
	    FAKE_NEW(arena, Immudb__Schema__LinearProof, immudb__schema__linear_proof__init);

	assert(!err);
	m->sourcetxheader = fake_header(arena, &p.source);
	m->targettxheader = fake_header(arena, &p.target);
	m->inclusionproof = fake_hashes(arena, p.inclusion, &m->n_inclusionproof);
	m->consistencyproof = fake_hashes(arena, p.consistency, &m->n_consistencyproof);
	m->targetbltxalh = fake_hash(arena, &p.target_bl_tx_alh);
	m->lastinclusionproof = fake_hashes(arena, p.last_inclusion, &m->n_lastinclusionproof);
	linear->sourcetxid = p.linear.source_tx_id;
	linear->targettxid = p.linear.target_tx_id;
	linear->terms = fake_hashes(arena, p.linear.terms, &linear->n_terms);
	m->linearproof = linear;
	if (p.has_linear_advance)
		m->linearadvanceproof = fake_advance(arena, &p.linear_advance);
	return m;
}

static inline Immudb__Schema__Signature *
fake_signature(struct fake_db *db, struct arena *arena, uint64_t tx)
{
	struct sign_state state = {bytes_str(FAKE_NAME), tx, db->txs[tx].alh};
	uint8_t der[SIGN_DER_MAX];
	uint8_t point[SIGN_POINT_SIZE];
	size_t len;
	Immudb__Schema__Signature *m;
	enum im_err err;

	if (!db->key)
		return NULL;
	err = sign_make(db->key, &state, der, &len);
	assert(!err);
	sign_private_key_point(db->key, point);
	m = FAKE_NEW(arena, Immudb__Schema__Signature, immudb__schema__signature__init);
	m->signature = fake_bytes(arena, bytes_of(der, len));
	m->publickey = fake_bytes(arena, bytes_of(point, sizeof point));
	return m;
}

/* What VerifiableTxById and VerifiableSet answer. */
static inline Immudb__Schema__VerifiableTx *
fake_verifiable_tx(struct fake_db *db, struct arena *arena, uint64_t tx, uint64_t since)
{
	Immudb__Schema__VerifiableTx *m =
	    FAKE_NEW(arena, Immudb__Schema__VerifiableTx, immudb__schema__verifiable_tx__init);
	uint64_t other = since == 0 ? tx : since;
	uint64_t newer = other > tx ? other : tx;

	m->tx = fake_tx_message(db, arena, tx);
	m->dualproof = fake_dual_proof(db, arena, other < tx ? other : tx, newer);
	m->signature = fake_signature(db, arena, newer);
	return m;
}

/* Finds the newest version of a key, or the one of transaction at; false if there is none. */
static inline bool
fake_db_find(const struct fake_db *db, struct bytes key, uint64_t at, uint64_t *tx, size_t *i)
{
	for (uint64_t id = at > 0 ? at : db->last; id > 0 && (at == 0 || id == at); id--) {
		for (size_t k = 0; k < db->txs[id].header.nentries; k++) {
			struct bytes raw = db->txs[id].entries[k].key;

			if (bytes_equal(bytes_of(raw.data + 1, raw.len - 1), key)) {
				*tx = id;
				*i = k;
				return true;
			}
		}
	}
	return false;
}

static inline Immudb__Schema__Entry *
fake_entry(struct fake_db *db, struct arena *arena, uint64_t tx, size_t i);

/* What a reference stands for, with the reference. */
static inline Immudb__Schema__Entry *
fake_resolve(struct fake_db *db, struct arena *arena, uint64_t tx, size_t i)
{
	const struct fake_tx *t = &db->txs[tx];
	struct bytes key = t->entries[i].key;
	Immudb__Schema__Entry *m;
	Immudb__Schema__Reference *ref =
	    FAKE_NEW(arena, Immudb__Schema__Reference, immudb__schema__reference__init);
	uint64_t at = t->at_txs[i];
	size_t k = 0;
	bool found = fake_db_find(db, t->targets[i], at, &at, &k);

	assert(found);
	m = fake_entry(db, arena, at, k);
	ref->tx = tx;
	ref->key = fake_bytes(arena, bytes_of(key.data + 1, key.len - 1));
	ref->attx = t->at_txs[i];
	ref->metadata = fake_metadata(arena, &t->metadata[i]);
	ref->revision = 1;
	m->referencedby = ref;
	return m;
}

static inline Immudb__Schema__Entry *
fake_entry(struct fake_db *db, struct arena *arena, uint64_t tx, size_t i)
{
	const struct fake_tx *t = &db->txs[tx];
	Immudb__Schema__Entry *m =
	    FAKE_NEW(arena, Immudb__Schema__Entry, immudb__schema__entry__init);
	struct bytes key = t->entries[i].key;

	if (t->targets[i].len > 0)
		return fake_resolve(db, arena, tx, i);
	m->tx = tx;
	m->key = fake_bytes(arena, bytes_of(key.data + 1, key.len - 1));
	m->value = fake_bytes(arena, t->values[i]);
	m->metadata = fake_metadata(arena, &t->metadata[i]);
	m->revision = 1;
	return m;
}

/* What VerifiableGet answers for entry number i of tx. */
static inline Immudb__Schema__VerifiableEntry *
fake_verifiable_entry(
    struct fake_db *db, struct arena *arena, const uint64_t tx_and_since[2], size_t i)
{
	uint64_t tx = tx_and_since[0];
	const struct fake_tx *t = &db->txs[tx];
	Immudb__Schema__VerifiableEntry *m = FAKE_NEW(
	    arena, Immudb__Schema__VerifiableEntry, immudb__schema__verifiable_entry__init);
	struct hash digests[FAKE_ENTRIES_MAX], scratch[FAKE_ENTRIES_MAX];
	struct inclusion_proof p;
	enum im_err err = entry_digests(1, t->entries, t->header.nentries, digests);

	assert(!err);
	err = htree_prove((struct hash_list){digests, t->header.nentries}, i, scratch, arena, &p);
	assert(!err);
	m->entry = fake_entry(db, arena, tx, i);
	m->verifiabletx = fake_verifiable_tx(db, arena, tx, tx_and_since[1]);
	m->inclusionproof =
	    FAKE_NEW(arena, Immudb__Schema__InclusionProof, immudb__schema__inclusion_proof__init);
	m->inclusionproof->leaf = (int32_t)p.leaf;
	m->inclusionproof->width = (int32_t)p.width;
	m->inclusionproof->terms = fake_hashes(arena, p.terms, &m->inclusionproof->n_terms);
	return m;
}

static inline Immudb__Schema__ImmutableState *
fake_state(struct fake_db *db, struct arena *arena)
{
	Immudb__Schema__ImmutableState *m =
	    FAKE_NEW(arena, Immudb__Schema__ImmutableState, immudb__schema__immutable_state__init);

	m->db = arena_str(arena, bytes_str(FAKE_NAME));
	assert(m->db);
	m->txid = db->last;
	m->txhash = fake_hash(arena, &db->txs[db->last].alh);
	m->signature = fake_signature(db, arena, db->last);
	return m;
}

#endif
