/* Batches of rows for import.c: what goes into one transaction, and what is known to be written. */
#include "import_batch.h"

#include <stdlib.h>

void
import_batch_init(struct import_batch *b, size_t max_rows)
{
	memset(b, 0, sizeof *b);
	buf_init(&b->data, IMPORT_BATCH_BYTES + IMPORT_ROW_MAX);
	b->max_rows = max_rows < IMPORT_BATCH_ROWS_MAX ? max_rows : IMPORT_BATCH_ROWS_MAX;
}

void
import_batch_free(struct import_batch *b)
{
	buf_free(&b->data);
}

void
import_batch_clear(struct import_batch *b)
{
	buf_clear(&b->data);
	memset(b->slots, 0, sizeof b->slots);
	b->len = 0;
	b->is_acknowledged = false;
}

static struct bytes
key_of(const struct import_batch *b, size_t row)
{
	return bytes_of(b->data.data + b->rows[row].key_at, b->rows[row].key_len);
}

/* FNV-1a; an adversary who makes keys collide slows down only his own import. */
static uint32_t
hash_key(struct bytes key)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < key.len; i++)
		h = (h ^ key.data[i]) * 16777619u;
	return h;
}

/* The slot of the key, or the empty one where it belongs. */
static uint16_t *
find_slot(struct import_batch *b, struct bytes key)
{
	uint32_t i = hash_key(key);

	for (;; i++) {
		uint16_t *slot = &b->slots[i % IMPORT_BATCH_SLOTS];

		if (*slot == 0 || bytes_equal(key_of(b, *slot - 1u), key))
			return slot;
	}
}

enum import_add
import_batch_add(struct import_batch *b, const struct import_row *row)
{
	uint16_t *slot = find_slot(b, row->key);
	size_t start = b->data.len;
	bool fits = start + row->key.len + row->value.len <= IMPORT_BATCH_BYTES;

	if (b->len > 0 && (*slot || b->len >= b->max_rows || !fits))
		return IMPORT_REFUSED;
	if (!buf_append_bytes(&b->data, row->key) || !buf_append_bytes(&b->data, row->value))
		return IMPORT_NO_MEMORY;
	b->rows[b->len] = (struct import_batch_row){
	    start, row->key.len, start + row->key.len, row->value.len, row->expires_at};
	if (b->len == 0)
		b->first_line = row->first_line;
	b->last_line = row->last_line;
	b->len++;
	*slot = (uint16_t)b->len;
	return IMPORT_ADDED;
}

const struct immu_kv *
import_batch_kvs(struct import_batch *b)
{
	for (size_t i = 0; i < b->len; i++) {
		const struct import_batch_row *row = &b->rows[i];

		b->kvs[i] = (struct immu_kv){.key = {b->data.data + row->key_at, row->key_len},
		    .value = {b->data.data + row->value_at, row->value_len},
		    .metadata = {.expires = row->expires_at > 0, .expires_at = row->expires_at}};
	}
	return b->kvs;
}

enum im_err
import_ring_init(struct import_ring *r, size_t size, size_t max_rows)
{
	*r = (struct import_ring){.size = size};
	r->batches = calloc(size, sizeof *r->batches);
	if (!r->batches)
		return err_set(IM_ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < size; i++)
		import_batch_init(&r->batches[i], max_rows);
	return IM_OK;
}

void
import_ring_free(struct import_ring *r)
{
	for (size_t i = 0; r->batches && i < r->size; i++)
		import_batch_free(&r->batches[i]);
	free(r->batches);
	r->batches = NULL;
}

struct import_batch *
import_ring_filling(struct import_ring *r)
{
	if (r->sent - r->finished >= r->size)
		return NULL;
	return &r->batches[r->sent % r->size];
}

void
import_ring_send(struct import_ring *r)
{
	r->sent++;
}

void
import_ring_acknowledge(struct import_ring *r, struct import_batch *b)
{
	b->is_acknowledged = true;
	while (r->finished < r->sent) {
		struct import_batch *oldest = &r->batches[r->finished % r->size];

		if (!oldest->is_acknowledged)
			break;
		r->last_line = oldest->last_line;
		r->rows += oldest->len;
		r->finished++;
		import_batch_clear(oldest);
	}
}
