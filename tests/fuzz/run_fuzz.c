/*
 * Runs of an index. First byte: bit 0, put checksums right first; bit 1, the input is one block,
 * else a whole file, which a manifest then names. Whatever a run holds, walks end, and an entry
 * that is handed out is one that a run may have.
 */
#include <assert.h>
#include <stdlib.h>

#include "fuzz.h"
#include "memory_vfs.h"
#include "store/index.h"
#include "store/manifest.h"
#include "store/run_format.h"
#include "util/crc32c.h"

#define FOLDER "db/index"
#define RUN_NUMBER 1
#define HEADER_CRC_AT 12u
#define FOOTER_INDEX_AT 48u
#define FOOTER_CRCS_AT 80u
#define BLOCK_OFFSET 4096u
/* More entries than any input can hold. */
#define WALK_MAX 1000000u

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_quiet();
	return 0;
}

static void
check_entry(const struct index_entry *e)
{
	uint8_t touched = 0;

	assert(e->key.len > 0 && e->key.len <= INDEX_KEY_MAX && e->tx > 0);
	for (size_t i = 0; i < e->key.len; i++)
		touched |= e->key.data[i];
	(void)touched;
}

/* ---- One block. ---- */

static void
check_block(struct bytes in)
{
	static const struct run_base base = {100, 1000, 5000};
	struct run_block block;
	struct run_group *group;

	if (!run_block_open(&block, in, BLOCK_OFFSET))
		return;
	group = malloc(sizeof *group);
	assert(group);
	for (unsigned i = 0; i < block.groups; i++) {
		bool ok = run_group_begin(group, &block, i);

		while (ok && run_group_more(group)) {
			ok = run_group_decode(group, &base);
			if (ok)
				check_entry(&group->entries[group->count - 1]);
		}
	}
	free(group);
}

static void
repair_block(uint8_t *block, size_t len, uint32_t offset)
{
	if (len >= RUN_BLOCK_TRAILER)
		be32_put(block + len - 4, crc32c(offset, block, len - 4));
}

/* ---- A whole file. ---- */

/* The checksums of the blocks, whose lengths are in the sparse index. */
static void
repair_blocks(uint8_t *file, size_t blocks_end, struct bytes sparse, uint64_t blocks)
{
	struct reader r = reader_of(sparse);
	size_t at = RUN_HEADER_BYTES;

	reader_bytes(&r, reader_be16(&r));
	reader_bytes(&r, reader_be16(&r));
	for (uint64_t i = 0; i < blocks && !r.failed; i++) {
		uint64_t len = run_varint_read(&r);

		reader_bytes(&r, (size_t)run_varint_read(&r));
		run_varint_read(&r);
		if (r.failed || len > blocks_end - at)
			return;
		repair_block(file + at, (size_t)len, (uint32_t)at);
		at += (size_t)len;
	}
}

/* The parts follow one another; their lengths are believed as far as they fit. */
static void
repair_file(uint8_t *file, size_t size)
{
	uint8_t *footer = file + size - RUN_FOOTER_BYTES;
	uint64_t index_len = be64_get(footer + FOOTER_INDEX_AT + 8);
	uint64_t filter_len = be64_get(footer + FOOTER_INDEX_AT + 24);
	size_t left = size - RUN_HEADER_BYTES - RUN_FOOTER_BYTES, index_at, filter_at;

	if (filter_len > left || index_len > left - filter_len)
		return;
	filter_at = size - RUN_FOOTER_BYTES - (size_t)filter_len;
	index_at = filter_at - (size_t)index_len;
	be32_put(file + HEADER_CRC_AT, crc32c(0, file, HEADER_CRC_AT));
	repair_blocks(
	    file, index_at, bytes_of(file + index_at, (size_t)index_len), be64_get(footer + 40));
	be64_put(footer + FOOTER_INDEX_AT, index_at);
	be64_put(footer + FOOTER_INDEX_AT + 16, filter_at);
	be32_put(footer + FOOTER_CRCS_AT, crc32c(0, file + index_at, (size_t)index_len));
	be32_put(footer + FOOTER_CRCS_AT + 4, crc32c(0, file + filter_at, (size_t)filter_len));
	be32_put(footer + FOOTER_CRCS_AT + 8, crc32c(0, footer, FOOTER_CRCS_AT + 8));
}

static void
check_key(struct index *idx, struct bytes key)
{
	struct index_read how = {.as_of = UINT64_MAX};
	struct index_entry e;
	uint64_t count;

	if (index_get(idx, key, &how, &e) == IM_OK)
		check_entry(&e);
	if (index_revision_count(idx, key, &how, &count) == IM_OK && count > 0 &&
	    index_get_revision(idx, key, count / 2 + 1, &how, &e) == IM_OK)
		check_entry(&e);
}

/* Takes the entries of a walk; with idx, looks some of their keys up. */
static void
check_walk(struct index_iter *it, struct index *idx)
{
	struct index_entry e;
	unsigned n = 0;

	while (index_iter_next(it, &e) == IM_OK) {
		check_entry(&e);
		if (idx && n % 8 == 0)
			check_key(idx, e.key);
		assert(++n < WALK_MAX);
	}
	index_iter_close(it);
}

static int
ignore_fault(void *ctx, const struct index_fault *fault)
{
	(void)ctx;
	return fault->what[0] == '\0';
}

static void
check_index(struct index *idx)
{
	struct index_range range = {.read.as_of = UINT64_MAX};
	struct index_history history = {.key = bytes_str("key-00001"), .read.as_of = UINT64_MAX};
	struct index_iter *it;
	struct index_check check = {.fault = ignore_fault};

	if (index_scan(idx, &range, &it) == IM_OK)
		check_walk(it, idx);
	range.descending = true;
	if (index_scan(idx, &range, &it) == IM_OK)
		check_walk(it, NULL);
	if (index_versions(idx, &history, &it) == IM_OK)
		check_walk(it, NULL);
	assert(index_check(idx, &check) == IM_OK);
}

static void
check_file(struct bytes file)
{
	const uint8_t *footer = file.data + file.len - RUN_FOOTER_BYTES;
	struct manifest m = {.covered_tx = UINT64_MAX, .count = 1};
	struct memory_vfs *files = memory_vfs_new();
	struct index_options options = {.vfs = memory_vfs_table(files),
	    .dir = FOLDER,
	    .name = "fuzz",
	    .log_tx = UINT64_MAX,
	    .memtable_entries = 16};
	char path[sizeof FOLDER + RUN_NAME_MAX] = FOLDER "/";
	struct index *idx;
	enum im_err err;

	m.runs[0] = (struct run_id){RUN_NUMBER, be64_get(footer), be64_get(footer + 8), file.len,
	    be32_get(footer + FOOTER_CRCS_AT + 8)};
	run_name(path + sizeof FOLDER, RUN_NUMBER);
	memory_vfs_put(files, path, file);
	assert(manifest_store(options.vfs, FOLDER, &m) == IM_OK);
	err = index_open(&options, &idx);
	assert(err == IM_OK || err == IM_ERR_VERSION || err == IM_ERR_NOMEM);
	if (err == IM_OK) {
		check_index(idx);
		index_close(idx);
	}
	memory_vfs_free(files);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	uint8_t how = (uint8_t)fuzz_number(&in, 1);
	uint8_t *copy = malloc(in.len + 1);
	bool repair = how & 1, one_block = how & 2;

	assert(copy);
	memcpy(copy, in.len ? in.data : copy, in.len);
	if (one_block) {
		if (repair)
			repair_block(copy, in.len, BLOCK_OFFSET);
		check_block(bytes_of(copy, in.len));
	} else if (in.len >= RUN_HEADER_BYTES + RUN_FOOTER_BYTES) {
		if (repair)
			repair_file(copy, in.len);
		check_file(bytes_of(copy, in.len));
	}
	free(copy);
	return 0;
}
