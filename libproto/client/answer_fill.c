/*
 * Answers in the form that callers see. answer.c says which answer becomes what; decode.c is the
 * neighbour that takes hashed structures apart.
 */
#include "client/answer_fill.h"

#include "crypto/rawkey.h"

static enum im_err
no_memory(void)
{
	return err_set(IM_ERR_NOMEM, "out of memory");
}

static struct immu_metadata
fill_metadata(const Immudb__Schema__KVMetadata *m)
{
	struct kv_metadata md;

	decode_metadata(m, &md);
	return decode_public_metadata(&md);
}

enum im_err
fill_entry(struct arena *arena, const Immudb__Schema__Entry *m,
    const Immudb__Schema__Reference *via, struct immu_entry *out)
{
	struct immu_via *v;

	*out = (struct immu_entry){.tx = m->tx,
	    .revision = m->revision,
	    .key = fill_bytes(m->key),
	    .value = fill_bytes(m->value),
	    .metadata = fill_metadata(m->metadata),
	    .expired = m->expired};
	if (!via)
		return IM_OK;
	v = arena_alloc(arena, sizeof *v);
	if (!v)
		return no_memory();
	*v = (struct immu_via){.key = fill_bytes(via->key),
	    .tx = via->tx,
	    .revision = via->revision,
	    .at_tx = via->attx,
	    .metadata = fill_metadata(via->metadata)};
	out->via = v;
	return IM_OK;
}

enum im_err
fill_entries(struct arena *arena, Immudb__Schema__Entry **m, size_t len, struct fill_entries *out)
{
	struct immu_entry *items = arena_calloc(arena, len, sizeof *items);
	enum im_err err = len > 0 && !items ? no_memory() : IM_OK;

	for (size_t i = 0; i < len && !err; i++)
		err = fill_entry(arena, m[i], m[i]->referencedby, &items[i]);
	*out = (struct fill_entries){items, len};
	return err;
}

enum im_err
fill_zentries(
    struct arena *arena, Immudb__Schema__ZEntry **m, size_t len, struct fill_zentries *out)
{
	struct immu_zentry *items = arena_calloc(arena, len, sizeof *items);
	enum im_err err = len > 0 && !items ? no_memory() : IM_OK;

	for (size_t i = 0; i < len && !err; i++) {
		items[i] = (struct immu_zentry){.set = fill_bytes(m[i]->set),
		    .score = m[i]->score,
		    .key = fill_bytes(m[i]->key),
		    .at_tx = m[i]->attx};
		if (!m[i]->entry)
			err = err_set(IM_ERR_PROOF, "a member of the set has no entry");
		else
			err = fill_entry(
			    arena, m[i]->entry, m[i]->entry->referencedby, &items[i].entry);
	}
	*out = (struct fill_zentries){items, len};
	return err;
}

static struct immu_bytes
view(struct bytes b)
{
	return (struct immu_bytes){b.data, b.len};
}

/* The views of a value that is there; the key is a plain one. */
static void
split_value(struct immu_tx_entry *out)
{
	struct raw_value value;

	if (!out->has_value)
		return;
	/* A deleted key has no value at all, not even the byte in front. */
	out->kind = IMMU_KIND_VALUE;
	if (raw_value_parse(bytes_of(out->raw_value.data, out->raw_value.len), &value))
		return;
	out->value = view(value.value);
	if (value.kind != RAW_VALUE_REFERENCE)
		return;
	out->kind = IMMU_KIND_REFERENCE;
	out->target = view(value.target);
	out->at_tx = value.at_tx;
}

/* The views of a raw key that is well formed; others stay opaque. */
static void
split_key(struct immu_tx_entry *out)
{
	struct raw_key key;

	out->kind = IMMU_KIND_OTHER;
	if (raw_key_parse(bytes_of(out->raw_key.data, out->raw_key.len), &key))
		return;
	if (key.kind == RAW_KEY_PLAIN) {
		out->kind = IMMU_KIND_KEY;
		out->key = view(key.key);
		split_value(out);
	} else if (key.kind == RAW_KEY_ZADD) {
		out->kind = IMMU_KIND_ZADD;
		out->key = view(key.key);
		out->set = view(key.set);
		out->score = key.score;
		out->at_tx = key.at_tx;
	}
}

static enum immu_show
show_of(const struct immu_tx_spec *spec, ProtobufCBinaryData raw_key)
{
	if (!spec->is_set)
		return IMMU_SHOW_DIGEST;
	if (raw_key.len > 0 && raw_key.data[0] == RAW_KEY_PLAIN)
		return spec->kv;
	if (raw_key.len > 0 && raw_key.data[0] == RAW_KEY_ZADD)
		return spec->z;
	return spec->other;
}

static enum im_err
fill_tx_entry(struct arena *arena, const Immudb__Schema__TxEntry *m, enum immu_show show,
    struct immu_tx_entry *out)
{
	static const struct hash none = HASH_ZERO;
	struct hash empty = hash_empty();
	struct entry_parts parts = {.hval = none};
	enum im_err err = decode_tx_entry(m, arena, &parts);

	if (err)
		return err;
	*out = (struct immu_tx_entry){.raw_key = fill_bytes(m->key),
	    .metadata = fill_metadata(m->metadata),
	    .value_len = (uint32_t)m->vlen};
	memcpy(out->value_hash, parts.hval.b, HASH_SIZE);
	/* decode_tx_entry() has compared a value with its hash; none at all may be right, too. */
	if (show == IMMU_SHOW_VALUE && (m->value.len > 0 || hash_equal(&parts.hval, &empty))) {
		out->has_value = true;
		out->raw_value = fill_bytes(m->value);
	}
	split_key(out);
	return IM_OK;
}

enum im_err
fill_tx_entries(struct arena *arena, const Immudb__Schema__Tx *m, const struct immu_tx_spec *spec,
    struct fill_tx_entries *out)
{
	struct immu_tx_entry *items = arena_calloc(arena, m->n_entries, sizeof *items);
	enum im_err err = m->n_entries > 0 && !items ? no_memory() : IM_OK;
	size_t len = 0;

	for (size_t i = 0; i < m->n_entries && !err; i++) {
		enum immu_show show = show_of(spec, m->entries[i]->key);

		if (show != IMMU_SHOW_NONE)
			err = fill_tx_entry(arena, m->entries[i], show, &items[len++]);
	}
	*out = (struct fill_tx_entries){items, len};
	return err;
}
