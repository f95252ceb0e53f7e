/*
 * A store opened on any log: it opens, opens read-only, or refuses clearly. First byte: bits 0 and
 * 1 say what is put right first (log_image.h), bit 2 that a transaction is written too; the rest of
 * the input is the image of a folder.
 *
 * Whatever the files hold: a value that is handed out matches its hash, headers that are handed out
 * are one chain, proofs that are made hold, and a store that was closed opens again: as the same,
 * or read-only up to damage.
 */
#include <assert.h>

#include "crypto/entry.h"
#include "crypto/htree.h"
#include "fuzz.h"
#include "log_image.h"
#include "sample_store.h"

#define ARENA_MAX (16u << 20)
/* Transactions that are looked at one by one. */
#define TXS_MAX 64u
#define WALK_MAX 100000u
/* Bits of the first byte. */
#define REPAIR 3
#define WITH_WRITE 4

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_quiet();
	return 0;
}

/* What a read may end with besides success, in a store whose files are damaged. */
static void
check_refusal(enum im_err err)
{
	assert(err == IM_OK || err == IM_ERR_CORRUPT || err == IM_ERR_DATA_LOSS ||
	    err == IM_ERR_KEY_NOT_FOUND || err == IM_ERR_TX_NOT_FOUND || err == IM_ERR_REVISION);
}

static void
check_value(const struct store_value *v)
{
	struct hash h;

	hash_sha256(v->value, &h);
	assert(hash_equal(&h, &v->hval) && v->value.len == v->value_len && v->key.len > 0);
}

/* The entries of a transaction, again and by themselves. */
static void
check_tx(const struct store_tx *tx, struct arena *a)
{
	struct hash *digests = arena_calloc(a, tx->nentries + 1, sizeof *digests), h;
	struct entry_parts *parts = arena_calloc(a, tx->nentries + 1, sizeof *parts);

	assert(digests && parts && tx->nentries == tx->header.nentries);
	for (uint32_t i = 0; i < tx->nentries; i++) {
		const struct store_tx_entry *e = &tx->entries[i];

		hash_sha256(e->value, &h);
		assert(hash_equal(&h, &e->hval));
		parts[i] = (struct entry_parts){e->key, e->metadata, e->hval};
	}
	assert(entry_digests(tx->header.version, parts, tx->nentries, digests) == IM_OK);
	htree_root(digests, tx->nentries, digests, &h);
	assert(hash_equal(&h, &tx->header.eh));
}

static void
check_txs(struct store *s, uint64_t last, bool is_chain, struct arena *a)
{
	struct tx_header header;
	struct hash alh = hash_empty();
	bool known = true;
	struct store_tx tx;
	enum im_err err;

	for (uint64_t id = 1; id <= last && id <= TXS_MAX; id++) {
		err = store_read_header(s, id, 0, &header);
		check_refusal(err);
		if (err == IM_OK) {
			assert(header.id == id);
			assert(!is_chain || !known || hash_equal(&header.prev_alh, &alh));
			tx_header_alh(&header, &alh);
		}
		known = err == IM_OK;
		err = store_read_tx(s, id, 0, a, &tx);
		check_refusal(err);
		if (err == IM_OK)
			check_tx(&tx, a);
		arena_reset(a, ARENA_MAX);
	}
}

static void
check_proof(struct store *s, struct store_span span, struct arena *a)
{
	struct tx_point from = {.id = span.source}, to = {.id = span.target};
	struct dual_proof proof;
	enum im_err err = store_dual_proof(s, span, 0, a, &proof);

	check_refusal(err);
	if (err != IM_OK)
		return;
	tx_header_alh(&proof.source, &from.alh);
	tx_header_alh(&proof.target, &to.alh);
	assert(proof_check_dual(&proof, &from, &to) == IM_OK);
}

/* All versions of a key, and the newest one. */
static void
check_key(struct store *s, struct bytes key, struct arena *a)
{
	struct store_versions versions = {.key = key, .flags = STORE_WITH_HIDDEN};
	struct store_query query = {.key = key, .flags = STORE_WITH_HIDDEN};
	struct store_cursor *cursor;
	struct store_value v;
	enum im_err err = store_get(s, &query, a, &v);

	check_refusal(err);
	if (err == IM_OK)
		check_value(&v);
	if (store_history(s, &versions, &cursor) != IM_OK)
		return;
	while ((err = store_cursor_next(cursor, a, &v)) == IM_OK || err == IM_ERR_DATA_LOSS)
		if (err == IM_OK)
			check_value(&v);
	store_cursor_close(cursor);
}

static void
check_scan(struct store *s, struct arena *a)
{
	struct store_range range = {.flags = STORE_WITH_HIDDEN};
	struct store_cursor *cursor;
	struct store_value v;
	unsigned n = 0;
	enum im_err err = store_scan(s, &range, &cursor);

	check_refusal(err);
	if (err != IM_OK)
		return;
	while ((err = store_cursor_next(cursor, a, &v)) == IM_OK || err == IM_ERR_DATA_LOSS) {
		assert(++n < WALK_MAX);
		if (err != IM_OK)
			continue;
		check_value(&v);
		if (n < TXS_MAX)
			check_key(s, v.key, a);
		arena_reset(a, ARENA_MAX);
	}
	assert(err == IM_ERR_NOT_FOUND || err == IM_ERR_CORRUPT);
	store_cursor_close(cursor);
}

static int
count_fault(void *ctx, const struct store_fault *fault)
{
	assert(fault->what && fault->file);
	++*(unsigned *)ctx;
	return 0;
}

/*
 * is_chain: nobody made wrong headers look right by mending their checksums, which a client would
 * find out, but not a store that was opened from a checkpoint behind them.
 */
static void
check_reads(struct store *s, bool is_chain, struct arena *a)
{
	unsigned faults = 0;
	struct store_check check = {.from_tx = 1, .fault = count_fault, .ctx = &faults};
	struct store_state state;
	struct store_stats stats;

	store_state(s, &state);
	store_stats(s, &stats);
	assert(stats.tx == state.tx);
	check_txs(s, state.tx, is_chain, a);
	if (state.tx > 0 && is_chain) {
		check_proof(s, (struct store_span){1, state.tx}, a);
		check_proof(s, (struct store_span){state.tx / 2 + 1, state.tx}, a);
	}
	if (state.tx > 0)
		check_scan(s, a);
	assert(store_check(s, &check) == IM_OK && check.faults == faults);
}

static void
write_one(struct store *s, struct arena *a)
{
	struct store_entry entry = {.key = bytes_of("\0k1", 3), .value = bytes_of("\0new", 4)};
	struct store_write w = {.entries = &entry, .nentries = 1, .arena = a};
	struct store_query query = {.key = entry.key};
	struct store_state before, after;
	struct store_value v;
	enum im_err err;

	store_state(s, &before);
	err = store_write_wait(s, &w);
	store_state(s, &after);
	assert(err == IM_OK || err == IM_ERR_READ_ONLY);
	assert(after.tx == before.tx + (err == IM_OK));
	if (err != IM_OK)
		return;
	/* An index that is found damaged only now refuses, until the next open. */
	err = store_get(s, &query, a, &v);
	assert(err == IM_ERR_CORRUPT || (err == IM_OK && bytes_equal(v.value, entry.value)));
}

static void
check_store(struct memory_vfs *files, uint8_t how, struct arena *a)
{
	bool is_chain = (how & REPAIR) != LOG_REPAIR_SUMS;
	struct store_state state, again;
	struct store_stats stats;
	struct store *s;
	enum im_err err = sample_store_open(files, &s);

	if (err != IM_OK) {
		assert(err == IM_ERR_CORRUPT || err == IM_ERR_VERSION);
		return;
	}
	check_reads(s, is_chain, a);
	if (how & WITH_WRITE)
		write_one(s, a);
	store_state(s, &state);
	store_close(s);
	assert(sample_store_open(files, &s) == IM_OK);
	store_state(s, &again);
	store_stats(s, &stats);
	/*
	 * Damage behind what was read at first may show only when the index has to be made again.
	 */
	assert(again.tx == state.tx || (again.tx < state.tx && stats.read_only));
	assert(again.tx != state.tx || hash_equal(&state.alh, &again.alh));
	check_reads(s, is_chain, a);
	store_close(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	uint8_t how = (uint8_t)fuzz_number(&in, 1);
	struct memory_vfs *files = memory_vfs_new();
	struct arena a;

	arena_init(&a, ARENA_MAX);
	if (log_image_put(files, in, (enum log_repair)(how & REPAIR)))
		check_store(files, how, &a);
	arena_free(&a);
	memory_vfs_free(files);
	return 0;
}
