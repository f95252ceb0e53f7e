/*
 * Encoding and decoding of the blocks of a run.
 *
 * Neighbours: run_write.c fills blocks, run_cursor.c reads them. Nothing here does I/O.
 *
 * Invariants: the first entry of a group shares nothing. A group's keys, whole, fit in struct
 * run_group, whatever a file says. Bytes are checked here even though their CRC was right: a run
 * made by a broken or hostile writer may be refused, but never read out of bounds.
 */
#include "store/run_block.h"

#include <assert.h>

#include "store/index_key.h"
#include "util/crc32c.h"

/* What follows the key of an entry; the first byte says which optional fields are there. */
#define HAS_FLAGS 1u
#define HAS_EXPIRY 2u
#define HAS_ORDINAL 4u /* otherwise it is 1 */
#define HAS_ALL (HAS_FLAGS | HAS_EXPIRY | HAS_ORDINAL)

static uint8_t *
varint_put(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

static const uint8_t *
varint_get_long(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned shift = 0; p < end && shift < 64; shift += 7) {
		uint8_t byte = *p++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*out = v;
			return p;
		}
	}
	return NULL;
}

/* NULL when the bytes end too early or p is NULL already. */
static inline const uint8_t *
varint_get(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
	if (p && p < end && *p < 0x80) {
		*out = *p;
		return p + 1;
	}
	return p ? varint_get_long(p, end, out) : NULL;
}

static uint8_t *
fields_put(uint8_t *p, const struct run_base *base, const struct index_entry *e)
{
	unsigned has = (e->flags ? HAS_FLAGS : 0) | (e->flags & INDEX_EXPIRES ? HAS_EXPIRY : 0) |
	    (e->revision != 1 ? HAS_ORDINAL : 0);

	*p++ = (uint8_t)has;
	p = varint_put(p, e->tx - base->first_tx);
	p = varint_put(p, e->pos - base->pos);
	p = varint_put(p, e->len);
	if (has & HAS_FLAGS)
		*p++ = e->flags;
	if (has & HAS_EXPIRY) {
		be64_put(p, (uint64_t)e->expires_at);
		p += sizeof(uint64_t);
	}
	return has & HAS_ORDINAL ? varint_put(p, e->revision) : p;
}

static const uint8_t *
fields_get(const uint8_t *p, const uint8_t *end, const struct run_base *base, struct index_entry *e)
{
	unsigned has = p < end ? *p++ : HAS_ALL + 1;
	uint64_t tx = 0, pos = 0, len = 0;

	if (has > HAS_ALL)
		return NULL;
	p = varint_get(p, end, &tx);
	p = varint_get(p, end, &pos);
	p = varint_get(p, end, &len);
	if (!p || tx > base->last_tx - base->first_tx || pos > UINT64_MAX - base->pos ||
	    len > UINT32_MAX)
		return NULL;
	e->tx = base->first_tx + tx;
	e->pos = base->pos + pos;
	e->len = (uint32_t)len;
	e->flags = 0;
	e->expires_at = 0;
	e->revision = 1;
	if (has == 0)
		return p;
	if (has & HAS_FLAGS && p < end)
		e->flags = *p++;
	if (has & HAS_EXPIRY) {
		if ((size_t)(end - p) < sizeof(uint64_t))
			return NULL;
		e->expires_at = (int64_t)be64_get(p);
		p += sizeof(uint64_t);
	}
	return has & HAS_ORDINAL ? varint_get(p, end, &e->revision) : p;
}

static void
group_open(struct run_block_builder *b)
{
	assert(b->groups < RUN_GROUPS_MAX);
	b->group_offsets[b->groups++] = (uint16_t)b->len;
	b->group_entries = 0;
	b->group_key_bytes = 0;
}

void
run_block_add(struct run_block_builder *b, const struct index_entry *e, size_t shared)
{
	uint8_t *p = b->data + b->len;

	assert(!run_block_full(b));
	if (b->groups == 0 || b->group_entries == RUN_GROUP_ENTRIES ||
	    b->group_key_bytes >= RUN_GROUP_KEY_BYTES) {
		group_open(b);
		shared = 0;
	}
	p = varint_put(p, shared);
	p = varint_put(p, e->key.len - shared);
	memcpy(p, e->key.data + shared, e->key.len - shared);
	p = fields_put(p + (e->key.len - shared), &b->base, e);
	b->len = (size_t)(p - b->data);
	b->group_entries++;
	b->group_key_bytes += e->key.len;
	memcpy(b->last_key, e->key.data, e->key.len);
	b->last_key_len = e->key.len;
}

struct bytes
run_block_end(struct run_block_builder *b, uint64_t offset)
{
	uint8_t *p = b->data + b->len;

	for (unsigned i = 0; i < b->groups; i++, p += sizeof(uint16_t))
		be16_put(p, b->group_offsets[i]);
	be16_put(p, (uint16_t)b->groups);
	p += sizeof(uint16_t);
	be32_put(p, crc32c((uint32_t)offset, b->data, (size_t)(p - b->data)));
	p += sizeof(uint32_t);
	b->len = 0;
	b->groups = 0;
	return bytes_of(b->data, (size_t)(p - b->data));
}

bool
run_block_open(struct run_block *b, struct bytes data, uint64_t offset)
{
	const uint8_t *crc = data.data + data.len - sizeof(uint32_t);

	if (data.len < RUN_BLOCK_MIN || data.len > RUN_BLOCK_MAX ||
	    crc32c((uint32_t)offset, data.data, data.len - sizeof(uint32_t)) != be32_get(crc))
		return false;
	return run_block_view(b, data);
}

bool
run_block_view(struct run_block *b, struct bytes data)
{
	const uint8_t *crc = data.data + data.len - sizeof(uint32_t);
	size_t table;

	b->data = data.data;
	b->groups = be16_get(crc - sizeof(uint16_t));
	table = (size_t)b->groups * sizeof(uint16_t);
	if (b->groups == 0 || table >= data.len - RUN_BLOCK_TRAILER)
		return false;
	b->entries_len = data.len - RUN_BLOCK_TRAILER - table;
	return true;
}

static size_t
group_offset(const struct run_block *b, unsigned group)
{
	if (group == b->groups)
		return b->entries_len;
	return be16_get(b->data + b->entries_len + group * sizeof(uint16_t));
}

bool
run_group_begin(struct run_group *g, const struct run_block *b, unsigned group)
{
	size_t from = group_offset(b, group), to = group_offset(b, group + 1);

	g->count = 0;
	g->keys_len = 0;
	g->next = g->end = b->data;
	if (from >= to || to > b->entries_len)
		return false;
	g->next = b->data + from;
	g->end = b->data + to;
	return true;
}

bool
run_group_decode(struct run_group *g, const struct run_base *base)
{
	struct index_entry *e = &g->entries[g->count];
	struct bytes last = g->count ? g->entries[g->count - 1].key : bytes_of(NULL, 0);
	uint8_t *key = g->keys + g->keys_len;
	uint64_t shared = 0, rest = 0;
	const uint8_t *p = varint_get(g->next, g->end, &shared);

	p = varint_get(p, g->end, &rest);
	if (!p || g->count == RUN_GROUP_ENTRIES || g->keys_len >= RUN_GROUP_KEY_BYTES ||
	    shared > last.len || rest > INDEX_KEY_MAX - shared || shared + rest == 0 ||
	    rest > (size_t)(g->end - p))
		return false;
	if (shared > 0)
		memcpy(key, last.data, shared);
	memcpy(key + shared, p, rest);
	e->key = bytes_of(key, shared + rest);
	p = fields_get(p + rest, g->end, base, e);
	if (!p)
		return false;
	g->next = p;
	g->keys_len += e->key.len;
	g->count++;
	return true;
}
