/*
 * Seeds of the engine's files: what a small database leaves when it is closed, and when it is
 * killed.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "log_image.h"
#include "sample_store.h"
#include "seeds.h"
#include "store/index_key.h"
#include "store/offsets.h"
#include "store/run_write.h"
#include "store/tree.h"
#include "store/txlog.h"

#define SEED_MAX (4u << 20)
#define TREE_SLOT 65536u
#define OFFSETS_SLOT 8192u
#define BLOCK_OFFSET 4096u
#define RUN_KEYS 60u
#define LEAVES 258u
#define POSITIONS 514u

/* The bytes of a file up to its last one that is not zero. */
static struct bytes
trimmed(struct bytes file)
{
	while (file.len > 0 && file.data[file.len - 1] == 0)
		file.len--;
	return file;
}

/* The state in one of the two slots of a tail; the first one written goes to the second slot. */
static struct bytes
tail_slot(struct memory_vfs *files, const char *path, size_t slot_bytes)
{
	struct bytes file = memory_vfs_content(files, path), slot;

	slot = bytes_of(file.data, file.len < slot_bytes ? file.len : slot_bytes);
	if (trimmed(slot).len == 0 && file.len > slot_bytes)
		slot = bytes_of(file.data + slot_bytes, file.len - slot_bytes);
	return trimmed(slot);
}

static void
add_file(struct buf *image, struct memory_vfs *files, enum log_part kind, const char *name)
{
	char path[128];
	struct bytes content;

	snprintf(path, sizeof path, "%s/%s", SAMPLE_FOLDER, name);
	content = trimmed(memory_vfs_content(files, path));
	if (kind == LOG_PART_TREE_TAIL)
		content = tail_slot(files, path, TREE_SLOT);
	else if (kind == LOG_PART_OFFSETS_TAIL)
		content = tail_slot(files, path, OFFSETS_SLOT);
	else if (kind == LOG_PART_RUN || kind == LOG_PART_MANIFEST)
		content = memory_vfs_content(files, path);
	if (content.len > 0)
		log_image_add(image, kind, content);
}

static void
add_log(struct buf *image, struct memory_vfs *files)
{
	struct bytes file = trimmed(memory_vfs_content(files, SAMPLE_FOLDER "/00000000.log"));
	struct buf content;

	buf_init(&content, SEED_MAX);
	buf_append(&content, file.data, LOG_IMAGE_HEADER);
	buf_append(&content, file.data + TXLOG_HEADER_SIZE, file.len - TXLOG_HEADER_SIZE);
	assert(content.err == IM_OK);
	log_image_add(image, LOG_PART_SEGMENT_0, buf_bytes(&content));
	buf_free(&content);
}

static void
add_forms(struct buf *image, struct memory_vfs *files)
{
	struct bytes mark = memory_vfs_content(files, SAMPLE_FOLDER "/mark");
	struct buf content;

	buf_init(&content, SEED_MAX);
	if (mark.len >= LOG_IMAGE_MARK)
		buf_append(&content, mark.data, LOG_IMAGE_MARK);
	if (mark.len >= 4096 + LOG_IMAGE_MARK)
		buf_append(&content, mark.data + 4096, LOG_IMAGE_MARK);
	log_image_add(image, LOG_PART_MARK, buf_bytes(&content));
	buf_free(&content);
	add_file(image, files, LOG_PART_CHECKPOINT, "checkpoint");
}

/* Images of a database with so many transactions, at each degree of repair. */
static void
seed_log(struct memory_vfs *files, const char *name, bool with_derived)
{
	struct buf image;
	char full[64];

	buf_init(&image, SEED_MAX);
	add_log(&image, files);
	if (with_derived) {
		add_forms(&image, files);
		add_file(&image, files, LOG_PART_TREE_TAIL, "tree.tail");
		add_file(&image, files, LOG_PART_OFFSETS_TAIL, "offsets.tail");
		add_file(&image, files, LOG_PART_MANIFEST, "index/manifest");
		add_file(&image, files, LOG_PART_RUN, "index/0000000000000001.run");
	}
	assert(image.err == IM_OK);
	for (int how = LOG_REPAIR_SUMS; how <= LOG_REPAIR_VALUES; how++) {
		snprintf(full, sizeof full, "%s-%d", name, how);
		seed_put("log", full, how | (how == LOG_REPAIR_CHAIN ? 4 : 0), buf_bytes(&image));
	}
	buf_free(&image);
}

/* A tail in slot 0, as tree_fuzz.c takes it. */
static void
seed_tail(const char *name, int first, uint64_t size, struct bytes slot)
{
	struct buf b;

	buf_init(&b, SEED_MAX);
	buf_append_be16(&b, (uint16_t)size);
	buf_append_be16(&b, (uint16_t)slot.len);
	buf_append_bytes(&b, slot);
	seed_put("tree", name, first, buf_bytes(&b));
	buf_free(&b);
}

static void
seed_database(unsigned txs)
{
	struct memory_vfs *files = memory_vfs_new();
	struct store *s;
	char name[32];

	assert(sample_store_open(files, &s) == IM_OK);
	sample_store_fill(s, txs);
	snprintf(name, sizeof name, "killed-%u", txs);
	seed_log(files, name, false);
	store_close(s);
	snprintf(name, sizeof name, "closed-%u", txs);
	seed_log(files, name, true);
	snprintf(name, sizeof name, "of-%u", txs);
	seed_put("manifest", name, 1, memory_vfs_content(files, SAMPLE_FOLDER "/index/manifest"));
	seed_put(
	    "run", name, 1, memory_vfs_content(files, SAMPLE_FOLDER "/index/0000000000000001.run"));
	snprintf(name, sizeof name, "tree-%u", txs);
	seed_tail(name, 1, txs, tail_slot(files, SAMPLE_FOLDER "/tree.tail", TREE_SLOT));
	snprintf(name, sizeof name, "offsets-%u", txs);
	seed_tail(name, 3, txs, tail_slot(files, SAMPLE_FOLDER "/offsets.tail", OFFSETS_SLOT));
	memory_vfs_free(files);
}

/* Two slots and a page. */
static void
seed_pages(struct memory_vfs *files, const char *name, int first, uint64_t size, const char *pages)
{
	size_t page_bytes = first & 2 ? 4096 : 16384;
	struct bytes page = memory_vfs_content(files, pages);
	struct bytes slot =
	    tail_slot(files, SAMPLE_FOLDER "/it.tail", first & 2 ? OFFSETS_SLOT : TREE_SLOT);
	struct buf b;

	assert(page.len >= page_bytes);
	buf_init(&b, SEED_MAX);
	buf_append_be16(&b, (uint16_t)size);
	buf_append_be16(&b, (uint16_t)slot.len);
	buf_append_bytes(&b, slot);
	buf_append_be16(&b, 0);
	buf_append_be16(&b, (uint16_t)page_bytes);
	buf_append(&b, page.data, page_bytes);
	seed_put("tree", name, first, buf_bytes(&b));
	buf_free(&b);
}

static void
seed_full_pages(void)
{
	struct memory_vfs *files = memory_vfs_new();
	struct tree_options tree = {memory_vfs_table(files), SAMPLE_FOLDER, "it", NULL, NULL, NULL};
	struct offsets_options offsets = {memory_vfs_table(files), SAMPLE_FOLDER, "it"};
	struct hash alh = HASH_ZERO;
	struct offsets *o;
	struct tree *t;
	uint64_t size;

	assert(tree_open(&tree, 0, &t) == IM_OK && tree_reserve(t, LEAVES) == IM_OK);
	for (unsigned i = 0; i < LEAVES; i++)
		tree_append(t, &alh);
	assert(tree_sync(t, &size) == IM_OK);
	tree_close(t);
	seed_pages(files, "tree-page", 1, size, SAMPLE_FOLDER "/it.0");
	memory_vfs_free(files);
	files = memory_vfs_new();
	offsets.vfs = memory_vfs_table(files);
	assert(offsets_open(&offsets, 0, &o) == IM_OK && offsets_reserve(o, POSITIONS) == IM_OK);
	for (unsigned i = 0; i < POSITIONS; i++)
		offsets_append(o, i);
	assert(offsets_sync(o, &size) == IM_OK);
	offsets_close(o);
	seed_pages(files, "offsets-page", 3, size, SAMPLE_FOLDER "/it");
	memory_vfs_free(files);
}

/* Entry i of a run of keys with two versions each. */
static struct index_entry
run_entry(unsigned i, char key[INDEX_KEY_MAX])
{
	bool newer = i % 2 == 0;

	memset(key, 'x', INDEX_KEY_MAX);
	return (struct index_entry){
	    .key =
		bytes_of(key, (size_t)snprintf(key, INDEX_KEY_MAX, "key-%05u", i / 2) + i / 2 % 9),
	    .tx = newer ? 900 : 100 + i,
	    .pos = 5000 + i,
	    .len = i,
	    .flags = newer ? INDEX_EXPIRES : 0,
	    .expires_at = newer ? 1 : 0,
	    .revision = newer ? 2 : 1};
}

static void
seed_run(void)
{
	struct memory_vfs *files = memory_vfs_new();
	struct run_plan plan = {.vfs = memory_vfs_table(files),
	    .dir = SAMPLE_FOLDER,
	    .number = 1,
	    .base = {100, 1000, 5000},
	    .keys_max = RUN_KEYS};
	char key[INDEX_KEY_MAX];
	struct run_writer *w;
	struct run *r;

	assert(run_writer_open(&plan, &w) == IM_OK);
	for (unsigned i = 0; i < 2 * RUN_KEYS; i++) {
		struct index_entry e = run_entry(i, key);

		assert(run_writer_add(w, &e) == IM_OK);
	}
	assert(run_writer_finish(w, &r) == IM_OK);
	run_unref(r);
	run_writer_close(w);
	seed_put(
	    "run", "keys", 1, memory_vfs_content(files, SAMPLE_FOLDER "/0000000000000001.run"));
	memory_vfs_free(files);
}

static void
seed_block(void)
{
	struct run_block_builder *b = calloc(1, sizeof *b);
	char key[INDEX_KEY_MAX];

	assert(b);
	b->base = (struct run_base){100, 1000, 5000};
	for (unsigned i = 0; i < RUN_KEYS; i++) {
		struct index_entry e = run_entry(i, key);

		run_block_add(
		    b, &e, index_key_shared(bytes_of(b->last_key, b->last_key_len), e.key));
	}
	seed_put("run", "block", 3, run_block_end(b, BLOCK_OFFSET));
	free(b);
}

void
seed_store(void)
{
	seed_database(1);
	seed_database(2);
	seed_database(SAMPLE_TXS);
	seed_full_pages();
	seed_run();
	seed_block();
}
