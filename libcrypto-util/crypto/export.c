/*
 * Exported transactions: a whole transaction as bytes.
 *
 * Neighbours: header.c serialises the header. The decoder trusts no length: the number of entries
 * is compared with the bytes that are there before memory is taken for them.
 */
#include "crypto/export.h"

#include <inttypes.h>

#include "crypto/entry.h"
#include "crypto/htree.h"
#include "crypto/rawkey.h"

#define TRAILER_SIZE 1
#define ENTRY_FIXED (2 + 2 + 4)

/* The rules for one entry, the same in both directions. */
static enum im_err
export_check_entry(const struct export_tx *tx, const struct export_entry *e)
{
	if (e->key.len == 0 || e->key.len > RAW_KEY_MAX)
		return err_set(IM_ERR_FORMAT, "export: raw key of %zu bytes", e->key.len);
	if (e->value.len > RAW_VALUE_MAX)
		return err_set(IM_ERR_FORMAT, "export: raw value of %zu bytes", e->value.len);
	if (tx->truncated && e->value.len != HASH_SIZE)
		return err_set(IM_ERR_FORMAT, "export: value hash of %zu bytes", e->value.len);
	if (tx->header.version == 0 && e->md.len > 0)
		return err_set(IM_ERR_FORMAT, "export: entry metadata in header version 0");
	return IM_OK;
}

static enum im_err
export_encode_entry(const struct export_tx *tx, const struct export_entry *e, struct buf *out)
{
	struct kv_metadata md;
	enum im_err err = export_check_entry(tx, e);

	if (err == IM_OK)
		err = kv_metadata_decode(e->md, &md);
	if (err != IM_OK)
		return err;
	buf_append_be16(out, (uint16_t)e->key.len);
	buf_append_bytes(out, e->key);
	buf_append_be16(out, (uint16_t)e->md.len);
	buf_append_bytes(out, e->md);
	buf_append_be32(out, (uint32_t)e->value.len);
	buf_append_bytes(out, e->value);
	return out->err;
}

enum im_err
export_tx_encode(const struct export_tx *tx, struct buf *out)
{
	uint8_t header[TX_HEADER_MAX];
	size_t len = 0;
	enum im_err err = tx_header_encode(&tx->header, header, &len);

	if (err != IM_OK)
		return err;
	if (tx->header.nentries == 0)
		return IM_ERR_NO_ENTRIES;
	buf_append_be32(out, (uint32_t)len);
	buf_append(out, header, len);
	for (uint32_t i = 0; i < tx->header.nentries; i++) {
		err = export_encode_entry(tx, &tx->entries[i], out);
		if (err != IM_OK)
			return err;
	}
	buf_append_be16(out, TRAILER_SIZE);
	buf_append_u8(out, tx->truncated);
	return out->err;
}

/* Reads the views of one entry; the metadata is made canonical once it is known to be there. */
static enum im_err
export_decode_entry(struct reader *r, struct arena *a, struct export_entry *e)
{
	uint8_t canonical[KV_METADATA_MAX];
	struct kv_metadata md;
	struct bytes view;
	enum im_err err;

	e->key = reader_bytes(r, reader_be16(r));
	e->md = reader_bytes(r, reader_be16(r));
	e->value = reader_bytes(r, reader_be32(r));
	if (r->failed)
		return err_set(IM_ERR_FORMAT, "export: cut within an entry");
	err = kv_metadata_decode(e->md, &md);
	if (err != IM_OK)
		return err;
	view = bytes_of(canonical, kv_metadata_encode(&md, canonical));
	if (bytes_equal(view, e->md))
		return IM_OK;
	e->md = arena_copy(a, view);
	return e->md.len == view.len ? IM_OK : IM_ERR_NOMEM;
}

static enum im_err
export_decode_trailer(struct reader *r, bool *truncated)
{
	uint8_t flag;

	*truncated = false;
	if (reader_left(r) == 0)
		return IM_OK;
	if (reader_be16(r) != TRAILER_SIZE)
		return err_set(IM_ERR_FORMAT, "export: unknown trailer");
	flag = reader_u8(r);
	if (r->failed || flag > 1)
		return err_set(IM_ERR_FORMAT, "export: unknown trailer");
	if (reader_left(r) > 0)
		return err_set(IM_ERR_FORMAT, "export: %zu bytes left over", reader_left(r));
	*truncated = flag == 1;
	return IM_OK;
}

enum im_err
export_tx_decode(struct bytes in, struct arena *a, struct export_tx *out)
{
	struct reader r = reader_of(in);
	struct export_tx tx = {0};
	enum im_err err = tx_header_decode(reader_bytes(&r, reader_be32(&r)), &tx.header);

	if (err != IM_OK)
		return err;
	if (tx.header.nentries > reader_left(&r) / ENTRY_FIXED)
		return err_set(IM_ERR_FORMAT, "export: %" PRIu32 " entries do not fit in %zu bytes",
		    tx.header.nentries, in.len);
	tx.entries = (struct export_entry *)arena_calloc(a, tx.header.nentries, sizeof *tx.entries);
	if (!tx.entries)
		return IM_ERR_NOMEM;
	for (uint32_t i = 0; i < tx.header.nentries && err == IM_OK; i++)
		err = export_decode_entry(&r, a, &tx.entries[i]);
	if (err == IM_OK)
		err = export_decode_trailer(&r, &tx.truncated);
	for (uint32_t i = 0; i < tx.header.nentries && err == IM_OK; i++)
		err = export_check_entry(&tx, &tx.entries[i]);
	if (err == IM_OK)
		*out = tx;
	return err;
}

enum im_err
export_tx_check(const struct export_tx *tx, struct arena *a)
{
	size_t n = tx->header.nentries;
	struct hash *digests = (struct hash *)arena_calloc(a, n, sizeof *digests);
	struct entry_parts *parts = (struct entry_parts *)arena_calloc(a, n, sizeof *parts);
	struct bytes *values = (struct bytes *)arena_calloc(a, n, sizeof *values);
	struct hash root;
	enum im_err err;

	if (!digests || !parts || !values)
		return IM_ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		values[i] = tx->entries[i].value;
	if (!tx->truncated)
		hash_many(values, n, digests);
	for (size_t i = 0; i < n; i++) {
		parts[i] = (struct entry_parts){
		    .key = tx->entries[i].key, .md = tx->entries[i].md, .hval = digests[i]};
		if (tx->truncated)
			memcpy(parts[i].hval.b, values[i].data, HASH_SIZE);
	}
	err = entry_digests(tx->header.version, parts, n, digests);
	if (err != IM_OK)
		return err;
	htree_root(digests, n, digests, &root);
	if (!hash_equal(&root, &tx->header.eh))
		return err_set(IM_ERR_CORRUPT,
		    "export: entries of tx %" PRIu64 " do not hash to its header", tx->header.id);
	return IM_OK;
}
