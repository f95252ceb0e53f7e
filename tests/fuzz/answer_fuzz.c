/*
 * Answers of a server that lies. Input: operation (1 byte); bit 0 verified, bit 1 signatures are
 * checked, higher bits which state is trusted (1 byte); the transaction asked for (1 byte); length
 * of the key asked for (1 byte), the key; the packed answer.
 *
 * Nothing is believed about transactions up to a trusted state that is not in the history it
 * belongs to: the one of sample_store.h.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/client.h"
#include "crypto/rawkey.h"
#include "fuzz.h"
#include "sample_key.h"
#include "sample_store.h"

#define ARENA_MAX (64u << 20)
#define TRUTH_ARENA_MAX (16u << 20)
#define DATABASE "defaultdb"
#define OPS (IMMU_OP_DATABASE_HEALTH + 1)

static struct arena truth_arena;
static struct store_tx truth[SAMPLE_TXS + 1]; /* from 1 */
static struct sign_public_key *sample_key;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_quiet();
	arena_init(&truth_arena, TRUTH_ARENA_MAX);
	if (sample_store_truth(&truth_arena, truth) != IM_OK)
		return 1;
	return sign_public_key_load(bytes_str(SAMPLE_PUBLIC_KEY), "sample", &sample_key) == IM_OK
	    ? 0
	    : 1;
}

/* ---- What was believed. ---- */

static const struct store_tx_entry *
find_entry(uint64_t tx, struct bytes raw_key)
{
	for (uint32_t i = 0; i < truth[tx].nentries; i++)
		if (bytes_equal(truth[tx].entries[i].key, raw_key))
			return &truth[tx].entries[i];
	return NULL;
}

static void
check_header(const struct immu_header *h)
{
	struct immu_header real;

	decode_public_header(&truth[h->id].header, &real);
	assert(h->entries == real.entries && h->ts == real.ts && h->version == real.version);
	assert(memcmp(h->eh, real.eh, HASH_SIZE) == 0);
	assert(memcmp(h->prev_alh, real.prev_alh, HASH_SIZE) == 0);
}

static void
check_get(const struct call *call, const struct immu_entry *e)
{
	struct bytes value = bytes_of(e->value.data, e->value.len), raw_key, raw_value;
	const struct store_tx_entry *real;
	struct arena a;

	arena_init(&a, ARENA_MAX);
	assert(raw_key_make(&a, bytes_of(e->key.data, e->key.len), &raw_key) == IM_OK);
	assert(raw_value_make(&a, value, &raw_value) == IM_OK);
	real = find_entry(e->tx, raw_key);
	assert(real && bytes_equal(real->value, raw_value));
	assert(bytes_equal(bytes_of(e->key.data, e->key.len), call->key));
	arena_free(&a);
}

/* A reference is followed next; what it stands for is believed already. */
static void
check_reference(const struct call *call)
{
	const Immudb__Schema__Reference *ref = call->via->entry->referencedby;
	const struct store_tx_entry *real;
	struct bytes raw_key, raw_value;
	struct arena a;

	if (call->outcome.header.id > call->from.id)
		return;
	arena_init(&a, ARENA_MAX);
	assert(raw_key_make(&a, call->key, &raw_key) == IM_OK);
	assert(raw_value_make_reference(&a, call->outcome.target, ref->attx, &raw_value) == IM_OK);
	real = find_entry(call->outcome.header.id, raw_key);
	assert(real && bytes_equal(real->value, raw_value));
	arena_free(&a);
}

static void
check_tx(uint64_t tx, const struct immu_result *r)
{
	assert(r->tx_entries_len == truth[tx].nentries);
	for (uint32_t i = 0; i < truth[tx].nentries; i++) {
		const struct store_tx_entry *real = &truth[tx].entries[i];
		const struct immu_tx_entry *e = &r->tx_entries[i];

		assert(bytes_equal(bytes_of(e->raw_key.data, e->raw_key.len), real->key));
		assert(memcmp(e->value_hash, real->hval.b, HASH_SIZE) == 0);
	}
}

static void
check_belief(const struct call *call)
{
	const struct immu_result *r = &call->result->public;

	if (call->op == IMMU_OP_STATE) {
		assert(r->state.tx >= call->from.id);
		assert(r->state.tx != call->from.id || call->from.id == 0 ||
		    memcmp(r->state.hash, call->from.alh.b, HASH_SIZE) == 0);
		return;
	}
	/* About what is newer, or without a trusted state, a liar may well have a history. */
	assert(call->outcome.state.point.id >= call->from.id);
	if (call->via) {
		check_reference(call);
		return;
	}
	if (r->header.id > call->from.id)
		return;
	assert(r->header.id > 0);
	check_header(&r->header);
	if (call->op == IMMU_OP_GET)
		check_get(call, &r->entries[0]);
	else if (call->op == IMMU_OP_TX)
		check_tx(r->header.id, r);
}

/* Touches what was believed without a proof: all of it must be there. */
static void
check_readable(const struct immu_result *r)
{
	struct hash h;

	for (size_t i = 0; i < r->entries_len; i++) {
		hash_sha256(bytes_of(r->entries[i].key.data, r->entries[i].key.len), &h);
		hash_sha256(bytes_of(r->entries[i].value.data, r->entries[i].value.len), &h);
	}
	for (size_t i = 0; i < r->tx_entries_len; i++)
		hash_sha256(
		    bytes_of(r->tx_entries[i].raw_key.data, r->tx_entries[i].raw_key.len), &h);
	hash_sha256(bytes_of(r->exported.data, r->exported.len), &h);
	assert(!r->info.version || strlen(r->info.version) < ARENA_MAX);
}

/* ---- What was asked. ---- */

static bool
is_verifiable(enum immu_op op)
{
	return op == IMMU_OP_SET || op == IMMU_OP_GET || op == IMMU_OP_TX || op == IMMU_OP_STATE ||
	    op == IMMU_OP_REFERENCE || op == IMMU_OP_ZADD;
}

/* A write as transaction tx had it. */
static void
fill_written(struct call *call, uint64_t tx)
{
	size_t n = truth[tx].nentries;

	call->written = arena_calloc(&call->result->arena, n, sizeof *call->written);
	assert(call->written);
	for (size_t i = 0; i < n; i++)
		call->written[i] = (struct entry_parts){truth[tx].entries[i].key,
		    truth[tx].entries[i].metadata, truth[tx].entries[i].hval};
	call->written_len = n;
}

static void
fill_call(struct call *call, struct bytes *in)
{
	uint8_t how;
	uint64_t trusted;

	call->op = (enum immu_op)(fuzz_number(in, 1) % OPS);
	how = (uint8_t)fuzz_number(in, 1);
	call->verified = how & 1 && is_verifiable(call->op);
	call->c->key = how & 2 ? sample_key : NULL;
	trusted = (how >> 2) % (SAMPLE_TXS + 1);
	if (trusted > 0)
		call->from = (struct tx_point){trusted, truth[trusted].alh};
	call->tx = fuzz_number(in, 1);
	if (call->op == IMMU_OP_SET || call->op == IMMU_OP_REFERENCE || call->op == IMMU_OP_ZADD)
		fill_written(call, 1 + call->tx % SAMPLE_TXS);
	call->key = fuzz_take(in, (size_t)fuzz_number(in, 1));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	struct immu connection = {0};
	struct result *result = calloc(1, sizeof *result);
	struct call call = {.c = &connection, .result = result, .write_before = UINT64_MAX};

	assert(result);
	arena_init(&result->arena, ARENA_MAX);
	buf_init(&connection.database, sizeof DATABASE);
	buf_append(&connection.database, DATABASE, sizeof DATABASE);
	fill_call(&call, &in);
	buf_init(&call.body, in.len + 1);
	buf_append_bytes(&call.body, in);
	if (answer_take(&call) == IM_OK) {
		if (call.verified)
			check_belief(&call);
		check_readable(&result->public);
	}
	buf_free(&call.body);
	buf_free(&connection.database);
	arena_free(&result->arena);
	free(result);
	return 0;
}
