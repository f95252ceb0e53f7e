/*
 * The files of the hash tree and of the offset table: tail in two slots, and pages. First byte: bit
 * 0, put checksums right first; bit 1, offsets instead of a tree. Then the size (2 bytes), and
 * parts, each with its length (2 bytes): slot 0, slot 1, pages of level 0.
 *
 * What opens can be read without harm, appended to, synced, and opened again as the same.
 */
#include <assert.h>
#include <stdlib.h>

#include "fuzz.h"
#include "memory_vfs.h"
#include "store/offsets.h"
#include "store/tree.h"
#include "util/crc32c.h"

#define FOLDER "db"
#define NAME "it"
#define PAGES_MAX 3u
#define APPENDED 3u

/* What the two kinds differ in. */
struct layout {
	size_t slot_bytes;
	size_t page_bytes;
	const char *pages_path;
};

static const struct layout layouts[2] = {
    {65536, 16384, FOLDER "/" NAME ".0"},
    {8192, 4096, FOLDER "/" NAME},
};

#define SLOT_HEADER 24u
#define PAGE_PLACE 9u

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_quiet();
	return 0;
}

static void
repair_slot(uint8_t *slot, size_t room)
{
	uint64_t len = be64_get(slot + 16);

	if (len <= room - SLOT_HEADER)
		be32_put(slot + 4, crc32c(be32_get(slot), slot + 8, SLOT_HEADER - 8 + (size_t)len));
}

static void
repair_page(uint8_t *page, size_t size, uint64_t index)
{
	uint8_t place[PAGE_PLACE] = {0};

	be64_put(place, index);
	be32_put(page, crc32c(crc32c(0, place, sizeof place), page + 4, size - 4));
}

static void
put_parts(struct memory_vfs *files, const struct layout *l, struct bytes in, bool repair)
{
	uint8_t *tail = calloc(2, l->slot_bytes), *pages = calloc(PAGES_MAX, l->page_bytes);
	size_t n = 0;

	assert(tail && pages);
	for (size_t i = 0; i < 2; i++) {
		struct bytes part = fuzz_take(&in, (size_t)fuzz_number(&in, 2));
		uint8_t *slot = tail + i * l->slot_bytes;

		memcpy(slot, part.len ? part.data : slot,
		    part.len < l->slot_bytes ? part.len : l->slot_bytes);
		if (repair)
			repair_slot(slot, l->slot_bytes);
	}
	for (; n < PAGES_MAX && in.len > 0; n++) {
		struct bytes part = fuzz_take(&in, (size_t)fuzz_number(&in, 2));
		uint8_t *page = pages + n * l->page_bytes;

		memcpy(page, part.len ? part.data : page,
		    part.len < l->page_bytes ? part.len : l->page_bytes);
		if (repair)
			repair_page(page, l->page_bytes, n);
	}
	memory_vfs_put(files, FOLDER "/" NAME ".tail", bytes_of(tail, 2 * l->slot_bytes));
	memory_vfs_put(files, l->pages_path, bytes_of(pages, n * l->page_bytes));
	free(pages);
	free(tail);
}

static bool
is_refusal(enum im_err err)
{
	return err == IM_ERR_CORRUPT || err == IM_ERR_VERSION;
}

/* ---- Tree ---- */

static void
check_reads(struct tree *t, uint64_t size)
{
	struct hash root;
	enum im_err err;

	for (uint64_t n = 1; n <= size; n += 1 + n / 3) {
		err = tree_root(t, n, false, &root);
		assert(err == IM_OK || is_refusal(err));
		err = tree_range_root(t, n - 1, n, false, &root);
		assert(err == IM_OK || is_refusal(err));
	}
	assert(tree_range_root(t, size, size + 1, false, &root) == IM_ERR_ARGUMENT);
}

static void
check_tree(struct memory_vfs *files, uint64_t size)
{
	struct tree_options options = {.vfs = memory_vfs_table(files), .dir = FOLDER, .name = NAME};
	struct hash alh = HASH_ZERO, root, again;
	struct tree *t;
	uint64_t synced;
	enum im_err err = tree_open(&options, size, &t);

	if (err != IM_OK) {
		assert(is_refusal(err) && (size > 0 || err == IM_ERR_VERSION));
		return;
	}
	assert(tree_size(t) == size);
	check_reads(t, size);
	assert(tree_reserve(t, APPENDED) == IM_OK);
	for (unsigned i = 0; i < APPENDED; i++)
		tree_append(t, &alh);
	tree_edge_root(t, &root);
	assert(tree_sync(t, &synced) == IM_OK && synced == size + APPENDED);
	tree_close(t);
	assert(tree_open(&options, synced, &t) == IM_OK);
	tree_edge_root(t, &again);
	assert(hash_equal(&root, &again));
	tree_close(t);
}

/* ---- Offsets ---- */

static void
check_positions(struct offsets *o, uint64_t size)
{
	uint64_t position;
	enum im_err err;

	for (uint64_t tx = 1; tx <= size; tx += 1 + tx / 3) {
		err = offsets_get(o, tx, false, &position);
		assert(err == IM_OK || is_refusal(err));
	}
	assert(offsets_get(o, size + 1, false, &position) == IM_ERR_TX_NOT_FOUND);
	assert(offsets_get(o, 0, false, &position) == IM_ERR_TX_NOT_FOUND);
}

static void
check_offsets(struct memory_vfs *files, uint64_t size)
{
	struct offsets_options options = {memory_vfs_table(files), FOLDER, NAME};
	struct offsets *o;
	uint64_t synced, position;
	enum im_err err = offsets_open(&options, size, &o);

	if (err != IM_OK) {
		assert(is_refusal(err) && (size > 0 || err == IM_ERR_VERSION));
		return;
	}
	assert(offsets_size(o) == size);
	check_positions(o, size);
	assert(offsets_reserve(o, APPENDED) == IM_OK);
	for (unsigned i = 0; i < APPENDED; i++)
		offsets_append(o, size + i);
	assert(offsets_sync(o, &synced) == IM_OK && synced == size + APPENDED);
	offsets_close(o);
	assert(offsets_open(&options, synced, &o) == IM_OK);
	assert(offsets_get(o, synced, false, &position) == IM_OK && position == synced - 1);
	offsets_close(o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	uint8_t how = (uint8_t)fuzz_number(&in, 1);
	uint64_t count = fuzz_number(&in, 2);
	bool of_offsets = how & 2;
	struct memory_vfs *files = memory_vfs_new();

	put_parts(files, &layouts[of_offsets], in, how & 1);
	if (of_offsets)
		check_offsets(files, count);
	else
		check_tree(files, count);
	memory_vfs_free(files);
	return 0;
}
