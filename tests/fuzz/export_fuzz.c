/*
 * Exported transactions. What is accepted is written again and means the same; what passes the
 * check of its root still does then. In an input that begins with 01 the root is put right first.
 */
#include <assert.h>

#include "crypto/entry.h"
#include "crypto/export.h"
#include "crypto/htree.h"
#include "crypto/rawkey.h"
#include "fuzz.h"

#define ARENA_MAX (64u << 20)

/* Makes the header say what the entries hash to. */
static void
repair_root(struct export_tx *tx, struct arena *a)
{
	size_t n = tx->header.nentries;
	struct entry_parts *parts = arena_calloc(a, n, sizeof *parts);
	struct hash *digests = arena_calloc(a, n, sizeof *digests);

	assert(parts && digests);
	for (size_t i = 0; i < n; i++) {
		parts[i].key = tx->entries[i].key;
		parts[i].md = tx->entries[i].md;
		if (tx->truncated)
			memcpy(parts[i].hval.b, tx->entries[i].value.data, HASH_SIZE);
		else
			hash_sha256(tx->entries[i].value, &parts[i].hval);
	}
	assert(entry_digests(tx->header.version, parts, n, digests) == IM_OK);
	htree_root(digests, n, digests, &tx->header.eh);
}

static void
check_same(const struct export_tx *a, const struct export_tx *b)
{
	struct hash alh_a, alh_b;

	tx_header_alh(&a->header, &alh_a);
	tx_header_alh(&b->header, &alh_b);
	assert(hash_equal(&alh_a, &alh_b) && a->header.nentries == b->header.nentries);
	assert(a->truncated == b->truncated);
	for (size_t i = 0; i < a->header.nentries; i++) {
		assert(bytes_equal(a->entries[i].key, b->entries[i].key));
		assert(bytes_equal(a->entries[i].md, b->entries[i].md));
		assert(bytes_equal(a->entries[i].value, b->entries[i].value));
	}
}

static void
check_export(struct bytes in, bool repair, struct arena *a)
{
	struct export_tx tx, same;
	struct buf again;
	enum im_err err = export_tx_decode(in, a, &tx);

	if (err != IM_OK) {
		assert(err == IM_ERR_FORMAT || err == IM_ERR_NOMEM);
		return;
	}
	if (repair)
		repair_root(&tx, a);
	err = export_tx_check(&tx, a);
	assert(err == IM_OK || (!repair && err == IM_ERR_CORRUPT));
	buf_init(&again, RAW_VALUE_MAX);
	assert(export_tx_encode(&tx, &again) == IM_OK);
	assert(export_tx_decode(buf_bytes(&again), a, &same) == IM_OK);
	check_same(&tx, &same);
	assert(export_tx_check(&same, a) == err);
	buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	bool repair = fuzz_number(&in, 1) & 1;
	struct arena a;

	arena_init(&a, ARENA_MAX);
	check_export(in, repair, &a);
	arena_free(&a);
	return 0;
}
