/*
 * The records of the log, as bytes.
 *
 * Neighbours: the engine makes and finds them in its log; archive.c has them in archives.
 * Invariants: a record read here is accepted only if its checksum holds and every length in it lies
 * within the record; the prefix alone is unchecked and must only be used to find the rest.
 *
 * Layout of a transaction record (big-endian; offsets in bytes):
 *   0 length u32, 4 crc u32, 8 kind u8, 9 zero u8, 10 version u16, 12 nentries u32, 16 id u64,
 *   24 ts i64, 32 blTxId u64, 40 entries_len u32, 44 entries_crc u32, 48 metadata_len u16, 50 zero
 *   u16, 52 zero u32, 56 prevAlh, 88 eH, 120 blRoot, 152 metadata, entries, long values.
 * Bytes that are zero are looked at too: a record has one form only, so that who has verified its
 * hashes knows each of its bytes.
 *
 * Layout of an entry: 0 key_len u16, 2 metadata_len u8, 3 zero u8, 4 value_len u32, 8 value_offset
 *   u32, 12 hval, 44 key, metadata, value if inline.
 */
#include "crypto/record.h"

#include "crypto/rawkey.h"
#include "util/crc32c.h"

#define PREFIX_CRC_AT 4
#define PREFIX_REST_AT 8
#define ZERO_AT 9
#define ZEROES_AT 50 /* up to prevAlh */
#define ENTRY_ZERO_AT 3

static uint32_t
salted_crc(const uint8_t *record, size_t len, uint32_t salt)
{
	uint32_t crc = crc32c(salt, record, PREFIX_CRC_AT);

	return crc32c(crc, record + PREFIX_REST_AT, len - PREFIX_REST_AT);
}

static void
prefix_put(uint8_t *out, size_t covered, uint32_t length, uint32_t salt)
{
	be32_put(out, length);
	be32_put(out + PREFIX_CRC_AT, salted_crc(out, covered, salt));
}

static bool
prefix_holds(const uint8_t *in, size_t covered, uint32_t salt)
{
	return be32_get(in + PREFIX_CRC_AT) == salted_crc(in, covered, salt);
}

size_t
record_entry_size(size_t key_len, size_t metadata_len, size_t value_len)
{
	size_t inline_len = value_len <= RECORD_INLINE_MAX ? value_len : 0;

	return RECORD_ENTRY_FIXED + key_len + metadata_len + inline_len;
}

size_t
record_entry_put(uint8_t *out, const struct record_entry *e)
{
	be16_put(out, (uint16_t)e->key.len);
	out[2] = (uint8_t)e->metadata.len;
	out[3] = 0;
	be32_put(out + 4, e->value_len);
	be32_put(out + 8, e->value_offset);
	memcpy(out + 12, e->hval.b, HASH_SIZE);
	memcpy(out + RECORD_ENTRY_FIXED, e->key.data, e->key.len);
	if (e->metadata.len)
		memcpy(out + RECORD_ENTRY_FIXED + e->key.len, e->metadata.data, e->metadata.len);
	return RECORD_ENTRY_FIXED + e->key.len + e->metadata.len;
}

size_t
record_tx_put(uint8_t *out, const struct record_tx *r, uint32_t salt)
{
	const struct tx_header *h = &r->header;
	size_t len = RECORD_TX_FIXED + h->md_len;

	out[8] = RECORD_TX;
	out[9] = 0;
	be16_put(out + 10, h->version);
	be32_put(out + 12, h->nentries);
	be64_put(out + 16, h->id);
	be64_put(out + 24, (uint64_t)h->ts);
	be64_put(out + 32, h->bl_tx_id);
	be32_put(out + 40, r->entries_len);
	be32_put(out + 44, r->entries_crc);
	be16_put(out + 48, h->md_len);
	be16_put(out + 50, 0);
	be32_put(out + 52, 0);
	memcpy(out + 56, h->prev_alh.b, HASH_SIZE);
	memcpy(out + 88, h->eh.b, HASH_SIZE);
	memcpy(out + 120, h->bl_root.b, HASH_SIZE);
	memcpy(out + RECORD_TX_FIXED, h->md, h->md_len);
	prefix_put(out, len, r->length, salt);
	return len;
}

void
record_tx_reseal(uint8_t *head, size_t head_len, uint32_t salt)
{
	be32_put(head + PREFIX_CRC_AT, salted_crc(head, head_len, salt));
}

void
record_mark_put(uint8_t out[RECORD_MARK_SIZE], const struct record_mark *m, uint32_t salt)
{
	memset(out, 0, RECORD_MARK_SIZE);
	out[8] = RECORD_MARK;
	be64_put(out + 12, m->tx);
	be64_put(out + 20, m->pos);
	memcpy(out + 28, m->alh.b, HASH_SIZE);
	prefix_put(out, RECORD_MARK_SIZE, RECORD_MARK_SIZE, salt);
}

void
record_seal_put(uint8_t out[RECORD_SEAL_SIZE], uint32_t next_segment, uint32_t salt)
{
	memset(out, 0, RECORD_SEAL_SIZE);
	out[8] = RECORD_SEAL;
	be32_put(out + 12, next_segment);
	prefix_put(out, RECORD_SEAL_SIZE, RECORD_SEAL_SIZE, salt);
}

static uint32_t
kind_min_length(uint8_t kind)
{
	switch (kind) {
	case RECORD_TX:
		return RECORD_TX_FIXED;
	case RECORD_MARK:
		return RECORD_MARK_SIZE;
	case RECORD_SEAL:
		return RECORD_SEAL_SIZE;
	default:
		return UINT32_MAX;
	}
}

enum im_err
record_prefix_get(const uint8_t *in, struct record_prefix *out)
{
	uint8_t kind = in[8];

	out->length = be32_get(in);
	out->kind = RECORD_END;
	if (out->length == 0 && kind == 0)
		return IM_OK;
	if (out->length < kind_min_length(kind))
		return err_set(IM_ERR_CORRUPT, "no record of kind %u and length %u", kind,
		    (unsigned)out->length);
	out->kind = (enum record_kind)kind;
	return IM_OK;
}

enum im_err
record_tx_get(struct bytes head, uint32_t salt, struct record_tx *out)
{
	const uint8_t *p = head.data;
	struct tx_header *h = &out->header;

	if (head.len < RECORD_TX_FIXED || p[8] != RECORD_TX)
		return err_set(IM_ERR_CORRUPT, "no transaction record");
	h->md_len = be16_get(p + 48);
	if (h->md_len > TX_METADATA_MAX || head.len < RECORD_TX_FIXED + h->md_len)
		return err_set(IM_ERR_CORRUPT, "transaction metadata of %u bytes", h->md_len);
	out->head_len = RECORD_TX_FIXED + h->md_len;
	if (!prefix_holds(p, out->head_len, salt))
		return err_set(IM_ERR_CORRUPT, "wrong checksum of a record's head");
	if (p[ZERO_AT] != 0 || be16_get(p + ZEROES_AT) != 0 || be32_get(p + ZEROES_AT + 2) != 0)
		return err_set(IM_ERR_CORRUPT, "a record's head with something where nothing is");
	out->length = be32_get(p);
	h->version = be16_get(p + 10);
	h->nentries = be32_get(p + 12);
	h->id = be64_get(p + 16);
	h->ts = (int64_t)be64_get(p + 24);
	h->bl_tx_id = be64_get(p + 32);
	out->entries_len = be32_get(p + 40);
	out->entries_crc = be32_get(p + 44);
	memcpy(h->prev_alh.b, p + 56, HASH_SIZE);
	memcpy(h->eh.b, p + 88, HASH_SIZE);
	memcpy(h->bl_root.b, p + 120, HASH_SIZE);
	memcpy(h->md, p + RECORD_TX_FIXED, h->md_len);
	if (h->nentries > TX_ENTRIES_MAX || out->length < out->head_len ||
	    out->entries_len > out->length - out->head_len)
		return err_set(IM_ERR_CORRUPT, "impossible lengths in a record's head");
	return IM_OK;
}

enum im_err
record_mark_get(const uint8_t in[RECORD_MARK_SIZE], uint32_t salt, struct record_mark *out)
{
	if (be32_get(in) != RECORD_MARK_SIZE || in[8] != RECORD_MARK ||
	    !prefix_holds(in, RECORD_MARK_SIZE, salt))
		return err_set(IM_ERR_CORRUPT, "wrong checksum of a mark");
	out->tx = be64_get(in + 12);
	out->pos = be64_get(in + 20);
	memcpy(out->alh.b, in + 28, HASH_SIZE);
	return IM_OK;
}

enum im_err
record_seal_get(const uint8_t in[RECORD_SEAL_SIZE], uint32_t salt, uint32_t *next_segment)
{
	if (be32_get(in) != RECORD_SEAL_SIZE || in[8] != RECORD_SEAL ||
	    !prefix_holds(in, RECORD_SEAL_SIZE, salt))
		return err_set(IM_ERR_CORRUPT, "wrong checksum of a seal");
	*next_segment = be32_get(in + 12);
	return IM_OK;
}

enum im_err
record_entry_get(struct bytes in, struct record_entry *out)
{
	size_t key_len, metadata_len, covered;
	struct kv_metadata metadata;

	if (in.len < RECORD_ENTRY_FIXED)
		return err_set(IM_ERR_CORRUPT, "an entry is cut short");
	key_len = be16_get(in.data);
	metadata_len = in.data[2];
	out->value_len = be32_get(in.data + 4);
	out->value_offset = be32_get(in.data + 8);
	memcpy(out->hval.b, in.data + 12, HASH_SIZE);
	covered = RECORD_ENTRY_FIXED + key_len + metadata_len;
	if (in.data[ENTRY_ZERO_AT] != 0)
		return err_set(IM_ERR_CORRUPT, "an entry with something where nothing is");
	if (key_len == 0 || key_len > RAW_KEY_MAX || metadata_len > KV_METADATA_MAX ||
	    out->value_len > RAW_VALUE_MAX || covered > in.len)
		return err_set(IM_ERR_CORRUPT, "impossible lengths in an entry");
	out->key = bytes_of(in.data + RECORD_ENTRY_FIXED, key_len);
	out->metadata = bytes_of(in.data + RECORD_ENTRY_FIXED + key_len, metadata_len);
	/* What cannot be understood must not get as far as the index or an answer. */
	if (kv_metadata_decode(out->metadata, &metadata) != IM_OK)
		return err_set(IM_ERR_CORRUPT, "impossible metadata in an entry");
	out->offset = 0;
	out->len = (uint32_t)record_entry_size(key_len, metadata_len, out->value_len);
	if (out->len > in.len || out->value_offset < covered ||
	    (out->value_len <= RECORD_INLINE_MAX && out->value_offset != covered))
		return err_set(IM_ERR_CORRUPT, "an entry's value lies outside of it");
	return IM_OK;
}

/*
 * Inline values lie within their entries; the others must follow the section in order and fill the
 * record to its end, *at being where the next one starts, counted from the section's start.
 */
static bool
value_fits(const struct record_entry *e, uint64_t *at)
{
	if (e->value_len <= RECORD_INLINE_MAX)
		return true;
	if ((uint64_t)e->offset + e->value_offset != *at)
		return false;
	*at += e->value_len;
	return true;
}

enum im_err
record_entries_get(const struct record_tx *r, struct bytes section, struct record_entry *out)
{
	uint64_t values_at = r->entries_len;
	uint32_t at = 0, crc = 0;

	if (section.len != r->entries_len)
		return err_set(IM_ERR_CORRUPT, "an entries section is cut short");
	for (uint32_t i = 0; i < r->header.nentries; i++) {
		struct bytes rest = bytes_of(section.data + at, section.len - at);
		enum im_err err = record_entry_get(rest, &out[i]);

		if (err != IM_OK)
			return err;
		crc = crc32c(
		    crc, rest.data, RECORD_ENTRY_FIXED + out[i].key.len + out[i].metadata.len);
		out[i].offset = at;
		at += out[i].len;
		if (!value_fits(&out[i], &values_at))
			return err_set(IM_ERR_CORRUPT, "a value lies outside of its record");
	}
	if (crc != r->entries_crc)
		return err_set(IM_ERR_CORRUPT, "wrong checksum of an entries section");
	if (at != section.len || values_at != r->length - r->head_len)
		return err_set(IM_ERR_CORRUPT, "a record's lengths do not add up");
	return IM_OK;
}
