/*
 * Transaction headers: range checks, hashes and the serialised form.
 *
 * Neighbours: proof_check.c checks every foreign header here first, so that no field escapes the
 * hash: version 0 hashes neither metadata nor the high half of nentries.
 */
#include "crypto/header.h"

#include <inttypes.h>

#define V0_NENTRIES_MAX 0xffffu

static enum im_err
tx_header_check_metadata(const struct tx_header *h)
{
	uint8_t canonical[TX_METADATA_MAX];
	struct tx_metadata md;
	enum im_err err;

	if (h->md_len > TX_METADATA_MAX)
		return err_set(IM_ERR_FORMAT, "header with %u bytes of metadata", h->md_len);
	err = tx_metadata_decode(bytes_of(h->md, h->md_len), &md);
	if (err != IM_OK)
		return err;
	if (tx_metadata_encode(&md, canonical) != h->md_len ||
	    memcmp(canonical, h->md, h->md_len) != 0)
		return err_set(IM_ERR_FORMAT, "header metadata is not in canonical form");
	return IM_OK;
}

enum im_err
tx_header_check(const struct tx_header *h)
{
	if (h->id == 0)
		return err_set(IM_ERR_FORMAT, "header with transaction id 0");
	if (h->version > TX_HEADER_VERSION_MAX)
		return err_set(IM_ERR_FORMAT, "unknown header version %u", h->version);
	if (h->bl_tx_id >= h->id)
		return err_set(IM_ERR_FORMAT, "header of tx %" PRIu64 " links to tx %" PRIu64,
		    h->id, h->bl_tx_id);
	if (h->bl_tx_id == 0 && !hash_is_zero(&h->bl_root))
		return err_set(IM_ERR_FORMAT, "header with a root of an empty tree");
	if (h->version > 0)
		return tx_header_check_metadata(h);
	if (h->md_len > 0)
		return err_set(IM_ERR_FORMAT, "header version 0 with metadata");
	if (h->nentries > V0_NENTRIES_MAX)
		return err_set(
		    IM_ERR_FORMAT, "header version 0 with %" PRIu32 " entries", h->nentries);
	return IM_OK;
}

static uint8_t *
put_hash(uint8_t *p, const struct hash *h)
{
	memcpy(p, h->b, HASH_SIZE);
	return p + HASH_SIZE;
}

/* From ts to blRoot: the message of the inner hash, and the tail of the serialised form. */
static size_t
put_inner(const struct tx_header *h, uint8_t *out)
{
	uint8_t *p = out;

	be64_put(p, (uint64_t)h->ts);
	be16_put(p + 8, h->version);
	p += 10;
	if (h->version == 0) {
		be16_put(p, (uint16_t)h->nentries);
		p += 2;
	} else {
		be16_put(p, h->md_len);
		memcpy(p + 2, h->md, h->md_len);
		p += 2 + h->md_len;
		be32_put(p, h->nentries);
		p += 4;
	}
	p = put_hash(p, &h->eh);
	be64_put(p, h->bl_tx_id);
	p = put_hash(p + 8, &h->bl_root);
	return (size_t)(p - out);
}

void
tx_header_inner(const struct tx_header *h, struct hash *out)
{
	uint8_t msg[TX_HEADER_MAX];

	hash_sha256(bytes_of(msg, put_inner(h, msg)), out);
}

void
tx_header_step(uint64_t id, const struct hash *prev_alh, const struct hash *inner, struct hash *out)
{
	uint8_t msg[8 + 2 * HASH_SIZE];

	be64_put(msg, id);
	put_hash(put_hash(msg + 8, prev_alh), inner);
	hash_sha256(bytes_of(msg, sizeof msg), out);
}

void
tx_header_alh(const struct tx_header *h, struct hash *out)
{
	struct hash inner;

	tx_header_inner(h, &inner);
	tx_header_step(h->id, &h->prev_alh, &inner, out);
}

enum im_err
tx_header_encode(const struct tx_header *h, uint8_t out[TX_HEADER_MAX], size_t *len)
{
	enum im_err err;

	if (h->version == 0 && h->md_len > 0)
		return IM_ERR_METADATA_UNSUPPORTED;
	err = tx_header_check(h);
	if (err != IM_OK)
		return err;
	be64_put(out, h->id);
	*len = 8 + HASH_SIZE + put_inner(h, put_hash(out + 8, &h->prev_alh));
	return IM_OK;
}

static void
get_hash(struct reader *r, struct hash *out)
{
	struct bytes v = reader_bytes(r, HASH_SIZE);

	if (v.len)
		memcpy(out->b, v.data, HASH_SIZE);
}

/* Decoding accepts any order of attributes; the header holds the canonical form. */
static enum im_err
get_metadata(struct reader *r, struct tx_header *h)
{
	struct tx_metadata md;
	enum im_err err = tx_metadata_decode(reader_bytes(r, reader_be16(r)), &md);

	if (err == IM_OK)
		h->md_len = (uint16_t)tx_metadata_encode(&md, h->md);
	return err;
}

enum im_err
tx_header_decode(struct bytes in, struct tx_header *out)
{
	struct reader r = reader_of(in);
	struct tx_header h = {0};
	enum im_err err = IM_OK;

	h.id = reader_be64(&r);
	get_hash(&r, &h.prev_alh);
	h.ts = (int64_t)reader_be64(&r);
	h.version = reader_be16(&r);
	if (h.version == 0) {
		h.nentries = reader_be16(&r);
	} else {
		err = get_metadata(&r, &h);
		h.nentries = reader_be32(&r);
	}
	get_hash(&r, &h.eh);
	h.bl_tx_id = reader_be64(&r);
	get_hash(&r, &h.bl_root);
	if (r.failed || reader_left(&r) > 0)
		return err_set(IM_ERR_FORMAT, "header of %zu bytes has a wrong length", in.len);
	if (err == IM_OK)
		err = tx_header_check(&h);
	if (err == IM_OK && h.nentries == 0)
		err = err_set(IM_ERR_FORMAT, "header without entries");
	if (err == IM_OK)
		*out = h;
	return err;
}
