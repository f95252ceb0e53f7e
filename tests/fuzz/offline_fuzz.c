/*
 * Offline proof files. Input: how (1 byte): 0 the rest is a file; else the rest is the kind (1
 * byte) and sections of type (2 bytes), length (2 bytes) and content, from which a file with right
 * checksums is made; the state that the reader trusts (1 byte) comes before the rest in both cases.
 *
 * Whatever holds against a trusted state of the sample database is what is in that database.
 * Evidence that holds shows that state; without a key none of it convicts.
 */
#include <assert.h>
#include <stdlib.h>

#include "client/decode.h"
#include "client/immu_proof.h"
#include "client/offline_container.h"
#include "crypto/rawkey.h"
#include "fuzz.h"
#include "sample_store.h"

#define TRUTH_ARENA_MAX (16u << 20)
#define ARENA_MAX (1u << 20)

static struct arena truth_arena;
static struct store_tx truth[SAMPLE_TXS + 1]; /* from 1 */

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_quiet();
	arena_init(&truth_arena, TRUTH_ARENA_MAX);
	return sample_store_truth(&truth_arena, truth) == IM_OK ? 0 : 1;
}

/* A file of the sections in the input. */
static void
build(struct bytes in, struct buf *out)
{
	uint16_t kind = (uint16_t)fuzz_number(&in, 1);
	struct bytes count = in;
	size_t sections = 0;

	for (; count.len > 0; sections++) {
		fuzz_number(&count, 2);
		fuzz_take(&count, (size_t)fuzz_number(&count, 2));
	}
	offline_put_head(out, kind, sections);
	while (in.len > 0) {
		uint16_t type = (uint16_t)fuzz_number(&in, 2);

		offline_put(out, type, fuzz_take(&in, (size_t)fuzz_number(&in, 2)));
	}
}

static const struct store_tx_entry *
find_entry(uint64_t tx, struct immu_bytes user_key)
{
	const struct store_tx_entry *found = NULL;
	struct bytes raw;
	struct arena a;

	arena_init(&a, ARENA_MAX);
	assert(raw_key_make(&a, bytes_of(user_key.data, user_key.len), &raw) == IM_OK);
	for (uint32_t i = 0; i < truth[tx].nentries; i++)
		if (bytes_equal(truth[tx].entries[i].key, raw))
			found = &truth[tx].entries[i];
	arena_free(&a);
	return found;
}

static void
check_header(const struct immu_header *h)
{
	struct immu_header real;

	assert(h->id <= SAMPLE_TXS);
	decode_public_header(&truth[h->id].header, &real);
	assert(memcmp(h->alh, real.alh, HASH_SIZE) == 0);
}

/*
 * Evidence that holds shows the state that the reader trusts, if he trusts one, and convicts
 * nobody.
 */
static void
check_evidence(const struct immu_proof_report *r, uint64_t trusted)
{
	const struct immu_evidence *e = r->evidence;
	bool is_trusted = r->trusted.tx == trusted &&
	    memcmp(r->trusted.hash, truth[trusted].alh.b, HASH_SIZE) == 0;
	bool is_seen = e->has_seen && e->seen.tx == trusted &&
	    memcmp(e->seen.hash, truth[trusted].alh.b, HASH_SIZE) == 0;

	assert(e->worth != IMMU_EVIDENCE_SIGNED && !r->signature_checked);
	assert(*e->verdict && *e->worth_text && e->suspect_from <= e->suspect_to);
	assert(trusted == 0 || is_trusted || is_seen);
	if (strcmp(e->verdict, "rolled-back") == 0)
		assert(e->has_seen && e->seen.tx < r->trusted.tx);
}

/* About transactions up to the trusted one nothing but the truth is believed. */
static void
check_belief(const struct immu_proof_report *r, uint64_t trusted)
{
	assert(!r->section && r->checks_len > 0 && r->not_proven_len > 0);
	assert((r->kind == IMMU_PROOF_EVIDENCE) == (r->evidence != NULL));
	if (r->evidence)
		check_evidence(r, trusted);
	if (trusted == 0 || r->evidence)
		return;
	if (r->via_header.id > 0 && r->via_header.id <= trusted) {
		check_header(&r->via_header);
		assert(find_entry(r->via_header.id, r->entry->via->key));
	}
	if (r->header.id > trusted)
		return;
	check_header(&r->header);
	if (r->kind == IMMU_PROOF_ENTRY) {
		const struct store_tx_entry *real = find_entry(r->header.id, r->entry->key);
		struct bytes value = bytes_of(r->entry->value.data, r->entry->value.len);

		assert(real && real->value.len == value.len + 1);
		assert(memcmp(real->value.data + 1, value.data, value.len) == 0);
		return;
	}
	assert(r->tx_entries_len == truth[r->header.id].nentries);
	for (size_t i = 0; i < r->tx_entries_len; i++)
		assert(memcmp(r->tx_entries[i].value_hash, truth[r->header.id].entries[i].hval.b,
			   HASH_SIZE) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	uint64_t how = fuzz_number(&in, 1);
	struct immu_proof_options options = {.trusted_tx = fuzz_number(&in, 1) % (SAMPLE_TXS + 1)};
	struct immu_proof_report *report;
	struct buf file;

	buf_init(&file, IMMU_PROOF_MAX);
	if (how == 0)
		buf_append_bytes(&file, in);
	else
		build(in, &file);
	if (options.trusted_tx > 0)
		memcpy(options.trusted_hash, truth[options.trusted_tx].alh.b, HASH_SIZE);
	if (immu_proof_check((struct immu_bytes){file.data, file.len}, &options, &report) == IM_OK)
		check_belief(report, options.trusted_tx);
	else
		assert(!report || *report->error_text);
	immu_proof_report_free(report);
	buf_free(&file);
	return 0;
}
