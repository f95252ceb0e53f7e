/*
 * Images of database folders, and their repair: what checksums and hashes would otherwise keep a
 * mutated input from reaching. FORMAT.md has the bytes.
 */
#include "log_image.h"

#include <assert.h>
#include <stdlib.h>

#include "crypto/ahtree.h"
#include "crypto/entry.h"
#include "crypto/htree.h"
#include "crypto/rawkey.h"
#include "crypto/record.h"
#include "fuzz.h"
#include "sample_store.h"
#include "store/txlog.h"
#include "util/crc32c.h"
#include "util/hex.h"

#define MARK_STRIDE 4096u
#define SLOT_HEADER 24u

static const char *const part_paths[LOG_PARTS] = {
    [LOG_PART_SEGMENT_0] = SAMPLE_FOLDER "/00000000.log",
    [LOG_PART_SEGMENT_1] = SAMPLE_FOLDER "/00000001.log",
    [LOG_PART_MARK] = SAMPLE_FOLDER "/mark",
    [LOG_PART_CHECKPOINT] = SAMPLE_FOLDER "/checkpoint",
    [LOG_PART_TREE_TAIL] = SAMPLE_FOLDER "/tree.tail",
    [LOG_PART_OFFSETS_TAIL] = SAMPLE_FOLDER "/offsets.tail",
    [LOG_PART_MANIFEST] = SAMPLE_FOLDER "/index/manifest",
    [LOG_PART_RUN] = SAMPLE_FOLDER "/index/0000000000000001.run",
};

/* The state of the chain while transactions are repaired in their order. */
struct chain {
	enum log_repair repair;
	uint32_t salt;
	struct hash alh;
	struct ahtree_edge edge;
};

/* ---- Records ---- */

static void
repair_prefix(uint8_t *record, size_t covered, uint32_t salt)
{
	be32_put(record + 4, crc32c(crc32c(salt, record, 4), record + 8, covered - 8));
}

/* Makes the hash in an entry that of its value, if all of it is there. */
static void
repair_value(uint8_t *entry, const struct record_entry *e, size_t left)
{
	if (e->value_offset <= left && e->value_len <= left - e->value_offset)
		hash_sha256(bytes_of(entry + e->value_offset, e->value_len),
		    (struct hash *)(void *)(entry + 12));
}

/* The root that the entries of a record hash to goes into its head. */
static void
repair_root(uint8_t *record, const struct record_entry *entries, size_t n)
{
	struct entry_parts *parts = calloc(n + 1, sizeof *parts);
	struct hash *digests = calloc(n + 1, sizeof *digests);

	assert(parts && digests);
	for (size_t i = 0; i < n; i++)
		parts[i] =
		    (struct entry_parts){entries[i].key, entries[i].metadata, entries[i].hval};
	if (entry_digests(be16_get(record + 10), parts, n, digests) == IM_OK)
		htree_root(digests, n, digests, (struct hash *)(void *)(record + 88));
	free(digests);
	free(parts);
}

/* Entries: their hashes, the checksum of the section, the root. */
static void
repair_entries(uint8_t *record, size_t len, size_t head, const struct chain *c)
{
	size_t n = be32_get(record + 12), section = be32_get(record + 40), at = 0, i = 0;
	struct record_entry *entries;
	uint32_t crc = 0;

	if (n > TX_ENTRIES_MAX || section > len - head)
		return;
	entries = calloc(n + 1, sizeof *entries);
	assert(entries);
	for (; i < n; i++) {
		uint8_t *entry = record + head + at;
		struct bytes rest = bytes_of(entry, section - at);

		if (record_entry_get(rest, &entries[i]) != IM_OK)
			break;
		if (c->repair == LOG_REPAIR_CHAIN)
			repair_value(entry, &entries[i], len - head - at);
		assert(record_entry_get(rest, &entries[i]) == IM_OK);
		crc = crc32c(
		    crc, entry, RECORD_ENTRY_FIXED + entries[i].key.len + entries[i].metadata.len);
		at += entries[i].len;
	}
	be32_put(record + 44, crc);
	if (c->repair != LOG_REPAIR_SUMS && i == n)
		repair_root(record, entries, n);
	free(entries);
}

/* The links to the transactions before. */
static void
repair_links(uint8_t *record, struct chain *c)
{
	be64_put(record + 16, c->edge.size + 1);
	be64_put(record + 32, c->edge.size);
	memcpy(record + 56, c->alh.b, HASH_SIZE);
	ahtree_edge_root(&c->edge, (struct hash *)(void *)(record + 120));
}

static void
repair_tx(uint8_t *record, size_t len, struct chain *c)
{
	size_t head = RECORD_TX_FIXED + (size_t)be16_get(record + 48);
	struct hash completed[AHTREE_NODES_MAX], leaf;
	struct record_tx tx;

	if (head > len || head > RECORD_HEAD_MAX)
		return;
	repair_entries(record, len, head, c);
	if (c->repair != LOG_REPAIR_SUMS)
		repair_links(record, c);
	repair_prefix(record, head, c->salt);
	if (record_tx_get(bytes_of(record, len), c->salt, &tx) != IM_OK ||
	    tx_header_check(&tx.header) != IM_OK)
		return;
	tx_header_alh(&tx.header, &c->alh);
	hash_leaf(&c->alh, &leaf);
	ahtree_edge_append(&c->edge, &leaf, completed);
}

static void
repair_records(uint8_t *segment, struct chain *c)
{
	size_t at = TXLOG_HEADER_SIZE;

	while (LOG_IMAGE_SEGMENT - at >= RECORD_TX_FIXED) {
		uint8_t *record = segment + at;
		size_t len = be32_get(record);

		if (len < RECORD_SEAL_SIZE || len > LOG_IMAGE_SEGMENT - at)
			return;
		if (record[8] == RECORD_TX && len >= RECORD_TX_FIXED)
			repair_tx(record, len, c);
		else if (record[8] == RECORD_MARK && len == RECORD_MARK_SIZE)
			repair_prefix(record, len, c->salt);
		else if (record[8] == RECORD_SEAL && len == RECORD_SEAL_SIZE)
			repair_prefix(record, len, c->salt);
		at += len;
	}
}

/* ---- Files ---- */

static void
repair_segment(uint8_t *segment, uint32_t number, struct chain *c)
{
	be32_put(segment + 12, number);
	be64_put(segment + 16, LOG_IMAGE_SEGMENT);
	assert(hex_decode(bytes_str(SAMPLE_ID_HEX), segment + 32, TXLOG_DATABASE_ID_SIZE) == IM_OK);
	be32_put(segment + 60, crc32c(0, segment, 60));
	c->salt = be32_get(segment + 24);
	repair_records(segment, c);
}

static void
put_segment(struct memory_vfs *files, enum log_part kind, struct bytes content, struct chain *c)
{
	uint8_t *segment = calloc(1, LOG_IMAGE_SEGMENT);
	struct bytes header = fuzz_take(&content, LOG_IMAGE_HEADER);

	assert(segment);
	memcpy(segment, header.data, header.len);
	content = fuzz_take(&content, LOG_IMAGE_SEGMENT - TXLOG_HEADER_SIZE);
	memcpy(segment + TXLOG_HEADER_SIZE, content.data, content.len);
	if (c->repair != LOG_REPAIR_NOTHING)
		repair_segment(segment, kind == LOG_PART_SEGMENT_1, c);
	memory_vfs_put(files, part_paths[kind], bytes_of(segment, LOG_IMAGE_SEGMENT));
	free(segment);
}

static void
repair_form(uint8_t form[LOG_IMAGE_MARK])
{
	be32_put(form + 76, crc32c(0, form, 76));
}

/* Mark and checkpoint: one or two forms. */
static void
put_forms(struct memory_vfs *files, enum log_part kind, struct bytes content, bool repair)
{
	uint8_t file[MARK_STRIDE + LOG_IMAGE_MARK] = {0};
	bool is_mark = kind == LOG_PART_MARK;

	for (size_t i = 0; i < 1 + (size_t)is_mark; i++) {
		struct bytes form = fuzz_take(&content, LOG_IMAGE_MARK);

		memcpy(file + i * MARK_STRIDE, form.data, form.len);
		if (repair)
			repair_form(file + i * MARK_STRIDE);
	}
	memory_vfs_put(
	    files, part_paths[kind], bytes_of(file, is_mark ? sizeof file : LOG_IMAGE_MARK));
}

static void
put_slot(struct memory_vfs *files, enum log_part kind, struct bytes content, bool repair)
{
	uint8_t *slot = malloc(content.len + 1);
	uint64_t len;

	assert(slot);
	memcpy(slot, content.data, content.len);
	len = content.len < SLOT_HEADER ? UINT64_MAX : be64_get(slot + 16);
	if (repair && content.len >= SLOT_HEADER && len <= content.len - SLOT_HEADER)
		be32_put(slot + 4, crc32c(be32_get(slot), slot + 8, SLOT_HEADER - 8 + (size_t)len));
	memory_vfs_put(files, part_paths[kind], bytes_of(slot, content.len));
	free(slot);
}

bool
log_image_put(struct memory_vfs *files, struct bytes image, enum log_repair repair)
{
	struct chain chain = {.repair = repair, .alh = hash_empty()};
	bool has_log = false;

	while (image.len > 0) {
		enum log_part kind = (enum log_part)(fuzz_number(&image, 1) % LOG_PARTS);
		struct bytes content = fuzz_take(&image, (size_t)fuzz_number(&image, 2));

		if (content.len == 0)
			continue;
		if (kind <= LOG_PART_SEGMENT_1)
			put_segment(files, kind, content, &chain);
		else if (kind <= LOG_PART_CHECKPOINT)
			put_forms(files, kind, content, repair != LOG_REPAIR_NOTHING);
		else if (kind <= LOG_PART_OFFSETS_TAIL)
			put_slot(files, kind, content, repair != LOG_REPAIR_NOTHING);
		else
			memory_vfs_put(files, part_paths[kind], content);
		has_log = has_log || kind == LOG_PART_SEGMENT_0;
	}
	return has_log;
}

void
log_image_add(struct buf *image, enum log_part kind, struct bytes content)
{
	assert(content.len <= UINT16_MAX);
	buf_append_u8(image, (uint8_t)kind);
	buf_append_be16(image, (uint16_t)content.len);
	buf_append_bytes(image, content);
}
