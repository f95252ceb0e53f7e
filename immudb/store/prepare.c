/*
 * Preparation of a transaction in the thread that brings it: everything that does not depend on its
 * id is checked, hashed and laid out here, so that the committer has little left to do.
 *
 * Neighbours: commit.c takes what is prepared, record.c knows the layout, store.h the rules.
 * Invariants: all memory is from the request's arena; nothing of the store changes; the entries
 * section made here is byte for byte what the log will hold, but for ids put in by engine_bind().
 */
#include <assert.h>

#include "crypto/entry.h"
#include "crypto/htree.h"
#include "crypto/rawkey.h"
#include "store/engine.h"
#include "util/crc32c.h"

/* Slots of the table that finds equal keys: a power of two, at least twice the entries. */
#define KEY_SLOTS 2048u

/* A kind byte and the id. */
#define BOUND_VALUE_MIN (1 + sizeof(uint64_t))
#define BOUND_KEY_MIN (1 + sizeof(uint64_t))

static_assert(KEY_SLOTS >= 2 * TX_ENTRIES_MAX, "the table must stay half empty");

/* ---- Validation ---- */

static enum im_err
check_entry(const struct store *s, const struct store_entry *e)
{
	if (e->key.len == 0)
		return IM_ERR_NULL_KEY;
	if (e->key.len > RAW_KEY_MAX)
		return err_set(IM_ERR_KEY_LENGTH, "max key length exceeded");
	if (e->value.len > RAW_VALUE_MAX)
		return err_set(IM_ERR_VALUE_LENGTH, "max value length exceeded");
	if (s->options.header_version == 0 && !kv_metadata_is_empty(&e->metadata))
		return IM_ERR_METADATA_UNSUPPORTED;
	if ((e->bind == STORE_BIND_VALUE && e->value.len < BOUND_VALUE_MIN) ||
	    (e->bind == STORE_BIND_VALUE && e->value.len > RECORD_INLINE_MAX) ||
	    (e->bind == STORE_BIND_KEY && e->key.data[0] != RAW_KEY_ZADD) ||
	    (e->bind == STORE_BIND_KEY && e->key.len < BOUND_KEY_MIN))
		return err_set(IM_ERR_ARGUMENT, "illegal arguments: no room for the bound id");
	return IM_OK;
}

/* A key without the id that it ends in, or will. */
static struct bytes
unbound_part(const struct store_entry *e)
{
	bool ends_in_id = e->key.data[0] == RAW_KEY_ZADD && e->key.len >= BOUND_KEY_MIN;

	return bytes_of(e->key.data, e->key.len - (ends_in_id ? sizeof(uint64_t) : 0));
}

/*
 * Whether two keys are equal, or may be once ids are bound: an id that a client gives, of a
 * transaction that is still to come, may be the one of this transaction.
 */
static bool
may_collide(const struct store_entry *a, const struct store_entry *b, uint64_t published)
{
	const struct store_entry *given = a->bind == STORE_BIND_KEY ? b : a;

	if (bytes_equal(a->key, b->key))
		return true;
	if ((a->bind != STORE_BIND_KEY && b->bind != STORE_BIND_KEY) || a->key.len != b->key.len ||
	    !bytes_equal(unbound_part(a), unbound_part(b)))
		return false;
	return given->bind == STORE_BIND_KEY ||
	    be64_get(given->key.data + given->key.len - sizeof(uint64_t)) > published;
}

/* Two equal keys anywhere among the entries? The table holds entry numbers plus one. */
static bool
has_equal_keys(const struct store_entry *entries, size_t n, uint64_t published)
{
	uint16_t slots[KEY_SLOTS] = {0};

	for (size_t i = 0; i < n; i++) {
		struct bytes part = unbound_part(&entries[i]);
		uint32_t at = crc32c(0, part.data, part.len) % KEY_SLOTS;

		for (; slots[at]; at = (at + 1) % KEY_SLOTS) {
			if (may_collide(&entries[slots[at] - 1], &entries[i], published))
				return true;
		}
		slots[at] = (uint16_t)(i + 1);
	}
	return false;
}

static enum im_err
validate(const struct store *s, const struct store_write *w)
{
	enum im_err err = IM_OK;

	if (w->nentries == 0)
		return IM_ERR_NO_ENTRIES;
	if (w->nentries > TX_ENTRIES_MAX)
		return IM_ERR_TX_ENTRIES;
	for (size_t i = 0; i < w->nentries && err == IM_OK; i++)
		err = check_entry(s, &w->entries[i]);
	if (err == IM_OK)
		err = engine_validate_conditions(w);
	if (err == IM_OK && w->nentries > 1 &&
	    has_equal_keys(w->entries, w->nentries, atomic_load(&s->published)))
		err = IM_ERR_DUPLICATE_KEY;
	return err;
}

/* ---- Layout ---- */

/* Memory that lives only while one transaction is prepared, one element an entry. */
struct scratch {
	struct entry_parts *parts;
	struct bytes *values;
	struct hash *hvals;
	uint8_t (*md)[KV_METADATA_MAX];
};

static enum im_err
allocate(const struct store_write *w, struct store_prepared *p, struct scratch *x)
{
	size_t n = w->nentries;

	p->digests = (struct hash *)arena_alloc(w->arena, n * sizeof *p->digests);
	p->index = (struct index_entry *)arena_calloc(w->arena, n, sizeof *p->index);
	p->values = (struct iovec *)arena_alloc(w->arena, n * sizeof *p->values);
	p->section = (uint8_t *)arena_alloc(w->arena, p->section_len);
	x->parts = (struct entry_parts *)arena_alloc(w->arena, n * sizeof *x->parts);
	x->values = (struct bytes *)arena_alloc(w->arena, n * sizeof *x->values);
	x->hvals = (struct hash *)arena_alloc(w->arena, n * sizeof *x->hvals);
	x->md = (uint8_t(*)[KV_METADATA_MAX])arena_alloc(w->arena, n * sizeof *x->md);
	if (!p->digests || !p->index || !p->values || !p->section || !x->parts || !x->values ||
	    !x->hvals || !x->md)
		return err_set(IM_ERR_NOMEM, "not enough memory to prepare the transaction");
	return IM_OK;
}

static enum im_err
measure(const struct store_write *w, struct store_prepared *p)
{
	uint8_t md[KV_METADATA_MAX];
	uint64_t section = 0, values = 0;

	for (size_t i = 0; i < w->nentries; i++) {
		const struct store_entry *e = &w->entries[i];
		size_t md_len = kv_metadata_encode(&e->metadata, md);

		section += record_entry_size(e->key.len, md_len, e->value.len);
		if (e->value.len > RECORD_INLINE_MAX)
			values += e->value.len;
	}
	if (RECORD_TX_FIXED + section + values > STORE_TX_BYTES_MAX)
		return err_set(IM_ERR_TX_SIZE,
		    "tx size greater than max tx size: %llu of at most %u bytes",
		    (unsigned long long)(RECORD_TX_FIXED + section + values), STORE_TX_BYTES_MAX);
	p->section_len = (uint32_t)section;
	p->record_len = (size_t)(RECORD_TX_FIXED + section + values);
	return IM_OK;
}

static enum im_err
hash_entries(
    const struct store *s, const struct store_write *w, struct store_prepared *p, struct scratch *x)
{
	size_t n = w->nentries;
	enum im_err err;

	for (size_t i = 0; i < n; i++)
		x->values[i] = w->entries[i].value;
	hash_many(x->values, n, x->hvals);
	for (size_t i = 0; i < n; i++) {
		const struct store_entry *e = &w->entries[i];
		size_t md_len = kv_metadata_encode(&e->metadata, x->md[i]);

		x->parts[i] = (struct entry_parts){e->key, bytes_of(x->md[i], md_len), x->hvals[i]};
		p->bound |= e->bind != STORE_BIND_NONE;
	}
	err = entry_digests(s->options.header_version, x->parts, n, p->digests);
	/*
	 * The scratch of the tree may be the digests, but they are needed again if an id is bound.
	 */
	if (err == IM_OK)
		htree_root(p->digests, n, x->hvals, &p->eh);
	return err;
}

static void
index_entry_fill(struct index_entry *x, const struct store_entry *e, const struct record_entry *r)
{
	x->key = e->key;
	x->pos = r->offset;
	x->len = r->len;
	x->flags = engine_index_flags(&e->metadata) | engine_value_flags(e->key, e->value);
	x->expires_at = e->metadata.expires_at;
}

/* Sorted-set keys are indexed in another form; all others are indexed as they are. */
static enum im_err
index_key_fill(struct index_entry *x, struct arena *arena)
{
	if (x->key.data[0] != RAW_KEY_ZADD)
		return IM_OK;
	x->key = engine_index_key(arena, x->key);
	return x->key.data ? IM_OK : IM_ERR_NOMEM;
}

static enum im_err
lay_out(const struct store_write *w, struct store_prepared *p, const struct scratch *x)
{
	uint32_t values_at = p->section_len;
	uint32_t at = 0;

	p->section_crc = 0;
	for (size_t i = 0; i < w->nentries; i++) {
		const struct store_entry *e = &w->entries[i];
		bool is_inline = e->value.len <= RECORD_INLINE_MAX;
		struct record_entry r = {
		    e->key, x->parts[i].md, x->parts[i].hval, (uint32_t)e->value.len, 0, at, 0};
		size_t covered = RECORD_ENTRY_FIXED + r.key.len + r.metadata.len;

		r.value_offset = is_inline ? (uint32_t)covered : values_at - at;
		r.len = (uint32_t)record_entry_size(r.key.len, r.metadata.len, r.value_len);
		record_entry_put(p->section + at, &r);
		p->section_crc = crc32c(p->section_crc, p->section + at, covered);
		if (is_inline && e->value.len) {
			memcpy(p->section + at + covered, e->value.data, e->value.len);
		} else if (!is_inline) {
			p->values[p->nvalues++] =
			    (struct iovec){(void *)(uintptr_t)e->value.data, e->value.len};
			values_at += r.value_len;
		}
		if (!e->metadata.non_indexable) {
			struct index_entry *ie = &p->index[p->nindex++];

			index_entry_fill(ie, e, &r);
			if (index_key_fill(ie, w->arena) != IM_OK)
				return IM_ERR_NOMEM;
		}
		at += r.len;
	}
	return IM_OK;
}

enum im_err
engine_prepare(struct store *s, struct store_write *w)
{
	struct store_prepared *p;
	struct scratch x;
	enum im_err err = validate(s, w);

	if (err != IM_OK)
		return err;
	p = (struct store_prepared *)arena_calloc(w->arena, 1, sizeof *p);
	if (!p)
		return IM_ERR_NOMEM;
	w->prepared = p;
	err = measure(w, p);
	if (err == IM_OK)
		err = allocate(w, p, &x);
	if (err == IM_OK)
		err = hash_entries(s, w, p, &x);
	/* hash_entries() uses the value hashes up as scratch; the parts hold copies. */
	if (err == IM_OK)
		err = lay_out(w, p, &x);
	if (err == IM_OK)
		engine_check_ahead(s, w);
	return err;
}

/* ---- Entries that carry the id of their own transaction ---- */

static void
bind_entry(uint8_t *at, const struct record_entry *r, enum store_bind bind, uint64_t tx)
{
	uint8_t *key = at + RECORD_ENTRY_FIXED;

	if (bind == STORE_BIND_VALUE) {
		uint8_t *value = at + r->value_offset;

		be64_put(value + 1, tx);
		hash_sha256(bytes_of(value, r->value_len), (struct hash *)(void *)(at + 12));
	} else if (bind == STORE_BIND_KEY) {
		be64_put(key + r->key.len - sizeof tx, tx);
	}
}

/* The index form of a bound sorted-set key ends in the id as well. */
static void
bind_index_key(struct index_entry *x, enum store_bind bind, uint64_t tx)
{
	if (bind == STORE_BIND_KEY)
		be64_put((uint8_t *)(uintptr_t)x->key.data + x->key.len - sizeof tx, tx);
}

void
engine_bind(struct store *s, struct store_write *w, uint64_t tx)
{
	struct store_prepared *p = w->prepared;
	struct index_entry *x = p->index;
	struct hash scratch[TX_ENTRIES_MAX];
	uint32_t at = 0;

	p->section_crc = 0;
	for (size_t i = 0; i < w->nentries; i++) {
		const struct store_entry *e = &w->entries[i];
		struct record_entry r;
		enum im_err err =
		    record_entry_get(bytes_of(p->section + at, p->section_len - at), &r);

		assert(err == IM_OK);
		if (e->bind != STORE_BIND_NONE) {
			struct entry_parts parts;

			bind_entry(p->section + at, &r, e->bind, tx);
			memcpy(r.hval.b, p->section + at + 12, HASH_SIZE);
			parts = (struct entry_parts){r.key, r.metadata, r.hval};
			err = entry_digest(s->options.header_version, &parts, &p->digests[i]);
			assert(err == IM_OK);
		}
		p->section_crc = crc32c(p->section_crc, p->section + at,
		    RECORD_ENTRY_FIXED + r.key.len + r.metadata.len);
		if (!e->metadata.non_indexable)
			bind_index_key(x++, e->bind, tx);
		at += r.len;
	}
	htree_root(p->digests, w->nentries, scratch, &p->eh);
}

/* ---- What was written ---- */

enum im_err
store_written_tx(const struct store_write *w, struct arena *arena, struct store_tx *out)
{
	const struct store_prepared *p = w->prepared;
	uint32_t at = 0;

	*out = (struct store_tx){
	    .header = w->header, .alh = w->alh, .nentries = (uint32_t)w->nentries};
	out->entries =
	    (struct store_tx_entry *)arena_calloc(arena, w->nentries, sizeof *out->entries);
	if (!out->entries)
		return IM_ERR_NOMEM;
	for (size_t i = 0; i < w->nentries; i++) {
		struct record_entry r;
		enum im_err err =
		    record_entry_get(bytes_of(p->section + at, p->section_len - at), &r);

		assert(err == IM_OK);
		out->entries[i] = (struct store_tx_entry){
		    .key = r.key, .metadata = r.metadata, .hval = r.hval, .value_len = r.value_len};
		at += r.len;
	}
	return IM_OK;
}
