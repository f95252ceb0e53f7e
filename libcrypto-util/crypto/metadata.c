/*
 * Metadata of entries and transactions: attributes one after the other, in a fixed order.
 *
 * Neighbours: entry.c and header.c hash what is encoded here. Whatever decodes, encodes again to
 * the one canonical form.
 */
#include "crypto/metadata.h"

enum kv_attribute {
	KV_DELETED = 0x00,
	KV_EXPIRES_AT = 0x01,
	KV_NON_INDEXABLE = 0x02,
};

enum tx_attribute {
	TX_TRUNCATED = 0x00,
	TX_EXTRA = 0x01,
};

size_t
kv_metadata_encode(const struct kv_metadata *md, uint8_t out[KV_METADATA_MAX])
{
	size_t n = 0;

	if (md->deleted)
		out[n++] = KV_DELETED;
	if (md->has_expiry) {
		out[n++] = KV_EXPIRES_AT;
		be64_put(out + n, (uint64_t)md->expires_at);
		n += 8;
	}
	if (md->non_indexable)
		out[n++] = KV_NON_INDEXABLE;
	return n;
}

enum im_err
kv_metadata_decode(struct bytes in, struct kv_metadata *out)
{
	struct reader r = reader_of(in);
	struct kv_metadata md = {0};

	if (in.len > KV_METADATA_MAX)
		return err_set(IM_ERR_FORMAT, "entry metadata of %zu bytes", in.len);
	while (reader_left(&r) > 0) {
		uint8_t attribute = reader_u8(&r);

		switch (attribute) {
		case KV_DELETED:
			md.deleted = true;
			break;
		case KV_EXPIRES_AT:
			md.has_expiry = true;
			md.expires_at = (int64_t)reader_be64(&r);
			break;
		case KV_NON_INDEXABLE:
			md.non_indexable = true;
			break;
		default:
			return err_set(IM_ERR_FORMAT, "entry metadata attribute %u", attribute);
		}
	}
	if (r.failed)
		return err_set(IM_ERR_FORMAT, "entry metadata is cut");
	*out = md;
	return IM_OK;
}

bool
kv_metadata_is_empty(const struct kv_metadata *md)
{
	return !md->deleted && !md->has_expiry && !md->non_indexable;
}

bool
kv_metadata_is_expired(const struct kv_metadata *md, int64_t now)
{
	return md->has_expiry && md->expires_at <= now;
}

size_t
tx_metadata_encode(const struct tx_metadata *md, uint8_t out[TX_METADATA_MAX])
{
	size_t n = 0;

	if (md->truncated_tx_id != 0) {
		out[n++] = TX_TRUNCATED;
		be64_put(out + n, md->truncated_tx_id);
		n += 8;
	}
	if (md->extra_len > 0) {
		out[n++] = TX_EXTRA;
		be16_put(out + n, md->extra_len);
		memcpy(out + n + 2, md->extra, md->extra_len);
		n += 2u + md->extra_len;
	}
	return n;
}

static enum im_err
tx_metadata_decode_extra(struct reader *r, struct tx_metadata *md)
{
	size_t len = reader_be16(r);
	struct bytes extra = reader_bytes(r, len);

	if (r->failed)
		return err_set(IM_ERR_FORMAT, "transaction metadata is cut");
	if (len == 0 || len > TX_METADATA_EXTRA_MAX)
		return err_set(IM_ERR_FORMAT, "transaction metadata with %zu extra bytes", len);
	memcpy(md->extra, extra.data, len);
	md->extra_len = (uint16_t)len;
	return IM_OK;
}

enum im_err
tx_metadata_decode(struct bytes in, struct tx_metadata *out)
{
	struct reader r = reader_of(in);
	struct tx_metadata md = {0};

	if (in.len > TX_METADATA_MAX)
		return err_set(IM_ERR_FORMAT, "transaction metadata of %zu bytes", in.len);
	while (reader_left(&r) > 0) {
		uint8_t attribute = reader_u8(&r);

		if (attribute == TX_TRUNCATED) {
			md.truncated_tx_id = reader_be64(&r);
			if (md.truncated_tx_id == 0)
				return err_set(
				    IM_ERR_FORMAT, "truncated transaction id is 0 or cut");
		} else if (attribute == TX_EXTRA) {
			enum im_err err = tx_metadata_decode_extra(&r, &md);

			if (err != IM_OK)
				return err;
		} else {
			return err_set(
			    IM_ERR_FORMAT, "transaction metadata attribute %u", attribute);
		}
	}
	*out = md;
	return IM_OK;
}

bool
tx_metadata_is_empty(const struct tx_metadata *md)
{
	return md->truncated_tx_id == 0 && md->extra_len == 0;
}
