/* A small history in memory. */
#include "chain.h"

#include <stdio.h>

#include "crypto/rawkey.h"
#include "testing.h"

#define CHAIN_ARENA_MAX (16u * 1024 * 1024)

void
chain_init(struct chain *c)
{
	memset(c, 0, sizeof *c);
	arena_init(&c->arena, CHAIN_ARENA_MAX);
	ahtree_log_init(&c->log);
}

void
chain_free(struct chain *c)
{
	arena_free(&c->arena);
	ahtree_log_free(&c->log);
}

struct chain_tx *
chain_tx(struct chain *c, uint64_t id)
{
	assert_true(id > 0 && id <= c->len);
	return &c->txs[id - 1];
}

static void
make_entry(struct chain *c, struct chain_tx *tx, size_t i)
{
	struct kv_metadata md = {
	    .has_expiry = i == 1, .expires_at = 1893456000, .non_indexable = i == 1};
	struct entry_parts *e = &tx->entries[i];
	uint8_t encoded[KV_METADATA_MAX];
	char text[32];

	snprintf(text, sizeof text, "key %zu of %lu", i, (unsigned long)tx->header.id);
	assert_ok(raw_key_make(&c->arena, bytes_str(text), &e->key));
	if (tx->header.version > 0)
		e->md = arena_copy(&c->arena, bytes_of(encoded, kv_metadata_encode(&md, encoded)));
	hash_sha256(bytes_str(text), &e->hval);
}

void
chain_append(struct chain *c, uint16_t version, uint64_t bl_tx_id)
{
	struct chain_tx *tx = &c->txs[c->len];
	struct tx_metadata md = {.truncated_tx_id = c->len, .extra_len = 2, .extra = {1, 2}};
	struct hash scratch[CHAIN_ENTRIES];

	assert_true(c->len < CHAIN_MAX);
	tx->header.id = c->len + 1;
	tx->header.prev_alh = c->len ? c->txs[c->len - 1].point.alh : hash_empty();
	tx->header.ts = 1700000000 + (int64_t)c->len;
	tx->header.version = version;
	if (version > 0 && c->len % 3 == 1)
		tx->header.md_len = (uint16_t)tx_metadata_encode(&md, tx->header.md);
	tx->header.nentries = (uint32_t)(c->len % CHAIN_ENTRIES) + 1;
	for (size_t i = 0; i < tx->header.nentries; i++)
		make_entry(c, tx, i);
	assert_ok(entry_digests(version, tx->entries, tx->header.nentries, tx->digests));
	htree_root(tx->digests, tx->header.nentries, scratch, &tx->header.eh);
	tx->header.bl_tx_id = bl_tx_id;
	assert_ok(ahtree_log_root(&c->log, bl_tx_id, &tx->header.bl_root));
	assert_ok(tx_header_check(&tx->header));
	tx->point.id = tx->header.id;
	tx_header_alh(&tx->header, &tx->point.alh);
	assert_ok(ahtree_log_append(&c->log, &tx->point.alh));
	c->len++;
}

static enum im_err
chain_header(void *ctx, uint64_t tx, struct tx_header *out)
{
	const struct chain *c = (const struct chain *)ctx;

	if (tx == 0 || tx > c->len)
		return IM_ERR_TX_NOT_FOUND;
	*out = c->txs[tx - 1].header;
	return IM_OK;
}

struct proof_source
chain_source(struct chain *c)
{
	return (struct proof_source){
	    .tree = ahtree_log_reader(&c->log), .header = chain_header, .ctx = c};
}
