/*
 * Entry digests: the messages are laid out on the stack, a few at a time, and hashed together.
 *
 * Neighbours: htree.c makes the tree over them.
 */
#include "crypto/entry.h"

#include "crypto/metadata.h"
#include "crypto/rawkey.h"

#define BATCH 8
#define MESSAGE_MAX (2 + KV_METADATA_MAX + 2 + RAW_KEY_MAX + HASH_SIZE)

static enum im_err
entry_check(uint16_t version, const struct entry_parts *e)
{
	if (version > 1)
		return err_set(IM_ERR_FORMAT, "unknown transaction header version %u", version);
	if (e->key.len > RAW_KEY_MAX)
		return err_set(IM_ERR_KEY_LENGTH, "raw key of %zu bytes", e->key.len);
	if (version == 0 && e->md.len > 0)
		return IM_ERR_METADATA_UNSUPPORTED;
	if (e->md.len > KV_METADATA_MAX)
		return err_set(IM_ERR_FORMAT, "entry metadata of %zu bytes", e->md.len);
	return IM_OK;
}

static uint8_t *
put_sized(uint8_t *p, struct bytes v)
{
	be16_put(p, (uint16_t)v.len);
	if (v.len)
		memcpy(p + 2, v.data, v.len);
	return p + 2 + v.len;
}

static size_t
entry_message(uint16_t version, const struct entry_parts *e, uint8_t msg[MESSAGE_MAX])
{
	uint8_t *p = msg;

	if (version == 0) {
		if (e->key.len)
			memcpy(p, e->key.data, e->key.len);
		p += e->key.len;
	} else {
		p = put_sized(p, e->md);
		p = put_sized(p, e->key);
	}
	memcpy(p, e->hval.b, HASH_SIZE);
	return (size_t)(p - msg) + HASH_SIZE;
}

/* At most BATCH entries, all of whose messages are on the stack at once. */
static enum im_err
batch_digests(uint16_t version, const struct entry_parts *entries, size_t n, struct hash *out)
{
	uint8_t msgs[BATCH][MESSAGE_MAX];
	struct bytes views[BATCH];

	for (size_t i = 0; i < n; i++) {
		enum im_err err = entry_check(version, &entries[i]);

		if (err != IM_OK)
			return err;
		views[i] = bytes_of(msgs[i], entry_message(version, &entries[i], msgs[i]));
	}
	hash_many(views, n, out);
	return IM_OK;
}

enum im_err
entry_digests(uint16_t version, const struct entry_parts *entries, size_t n, struct hash *out)
{
	enum im_err err = IM_OK;

	while (n > 0 && err == IM_OK) {
		size_t batch = n < BATCH ? n : BATCH;

		err = batch_digests(version, entries, batch, out);
		entries += batch;
		out += batch;
		n -= batch;
	}
	return err;
}

enum im_err
entry_digest(uint16_t version, const struct entry_parts *e, struct hash *out)
{
	return entry_digests(version, e, 1, out);
}
