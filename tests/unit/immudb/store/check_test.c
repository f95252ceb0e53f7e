/*
 * Checking a database that is in use: every kind of file is looked at whatever memory has of it, a
 * fault is named, derived pages are written again, and in pieces the result is the same as at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "crypto/rawkey.h"
#include "fault_vfs.h"
#include "store/store.h"

#define STORE_DIR FAULT_ROOT "/db"
/* Two full tiles of the tree, one full page of offsets, and more than a segment of the log. */
#define TXS 600u
#define PIECE_BYTES 2000u
#define FAULTS_KEPT 8

struct kept_fault {
	uint64_t tx, offset;
	char file[96], what[128], key[32];
	bool derived;
};

struct fixture {
	struct fault_vfs *disk;
	struct store *s;
	struct arena arena;
	unsigned repairs;
	unsigned n;
	struct kept_fault faults[FAULTS_KEPT];
};

static void
count_repair(void *ctx, enum store_repair kind, const char *text)
{
	(void)kind;
	(void)text;
	((struct fixture *)ctx)->repairs++;
}

static int
keep_fault(void *ctx, const struct store_fault *fault)
{
	struct fixture *f = (struct fixture *)ctx;
	struct kept_fault *k = &f->faults[f->n];

	assert_true(f->n < FAULTS_KEPT);
	f->n++;
	*k = (struct kept_fault){
	    .tx = fault->tx, .offset = fault->offset, .derived = fault->derived};
	snprintf(k->file, sizeof k->file, "%s", fault->file);
	snprintf(k->what, sizeof k->what, "%s", fault->what);
	if (fault->key.len > 1 && fault->key.len < sizeof k->key)
		memcpy(k->key, fault->key.data + 1, fault->key.len - 1);
	return 0;
}

static void
open_store(struct fixture *f)
{
	struct store_options options = {.dir = STORE_DIR,
	    .name = "db",
	    .vfs = fault_vfs_table(f->disk),
	    .unsynced = true,
	    .header_version = 1,
	    .repaired = count_repair,
	    .ctx = f};

	assert_int_equal(store_open(&options, &f->s), IM_OK);
}

static void
write_txs(struct fixture *f, unsigned from, unsigned to)
{
	for (unsigned i = from; i <= to; i++) {
		char key[32], value[64];
		struct store_entry e = {0};
		struct store_write w = {.entries = &e, .nentries = 1, .arena = &f->arena};

		snprintf(key, sizeof key, "key-%03u", i);
		snprintf(value, sizeof value, "value-of-%03u", i);
		assert_int_equal(raw_key_make(&f->arena, bytes_str(key), &e.key), IM_OK);
		assert_int_equal(raw_value_make(&f->arena, bytes_str(value), &e.value), IM_OK);
		assert_int_equal(store_write_wait(f->s, &w), IM_OK);
	}
}

/*
 * A database that is open, with all its files on the disk, and whose memory holds what was written.
 */
static int
setup(void **state)
{
	struct fixture *f = (struct fixture *)calloc(1, sizeof *f);

	assert_non_null(f);
	f->disk = fault_vfs_new();
	assert_non_null(f->disk);
	arena_init(&f->arena, 64u * 1024 * 1024);
	open_store(f);
	write_txs(f, 1, TXS);
	assert_int_equal(store_flush_index(f->s), IM_OK);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	store_close(f->s);
	arena_free(&f->arena);
	fault_vfs_free(f->disk);
	free(f);
	return 0;
}

/* Checks everything in pieces; gives the bytes. */
static uint64_t
check_in_pieces(struct fixture *f, uint64_t faults)
{
	struct store_check check = {
	    .from_tx = 1, .to_tx = TXS, .max_bytes = PIECE_BYTES, .fault = keep_fault, .ctx = f};
	uint64_t found = 0, txs = 0, bytes = 0;

	f->n = 0;
	do {
		assert_int_equal(store_check(f->s, &check), IM_OK);
		found += check.faults;
		txs += check.checked;
		bytes += check.bytes;
	} while (!check.done);
	assert_int_equal(txs, TXS);
	assert_int_equal(found, faults);
	return bytes;
}

static void
check_at_once(struct fixture *f, uint64_t faults)
{
	struct store_check check = {.from_tx = 1, .fault = keep_fault, .ctx = f};

	f->n = 0;
	assert_int_equal(store_check(f->s, &check), IM_OK);
	assert_true(check.done);
	assert_int_equal(check.faults, faults);
}

/* Finds bytes in a file; their offset. */
static uint64_t
find_in(struct fixture *f, const char *name, const char *needle)
{
	size_t len = strlen(needle), size;
	struct vfs_file file;
	uint64_t at = 0;
	uint8_t *data;
	char path[96];

	snprintf(path, sizeof path, "%s/%s", STORE_DIR, name);
	size = (size_t)fault_vfs_file_size(f->disk, path);
	data = (uint8_t *)malloc(size);
	assert_non_null(data);
	assert_int_equal(vfs_file_open(&file, fault_vfs_table(f->disk), STORE_DIR, name, 0), IM_OK);
	assert_int_equal(vfs_read(&file, data, size, 0), IM_OK);
	vfs_file_close(&file);
	while (at + len <= size && memcmp(data + at, needle, len) != 0)
		at++;
	assert_true(at + len <= size);
	free(data);
	return at;
}

static void
flip(struct fixture *f, const char *name, uint64_t offset)
{
	char path[96];

	snprintf(path, sizeof path, "%s/%s", STORE_DIR, name);
	assert_true(fault_vfs_damage(f->disk, path, offset, 0x20));
}

static void
test_whole(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_check check = {.from_tx = 1};

	assert_true(check_in_pieces(f, 0) > 0);
	assert_int_equal(store_check(f->s, &check), IM_OK);
	/* Log, two tiles of 16 KiB, a page of offsets, and the index. */
	assert_true(check.bytes > TXS * 100u + 2u * 16384 + 4096);
	assert_int_equal(f->repairs, 0);
}

static void
test_value(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	uint64_t at = find_in(f, "00000000.log", "value-of-400");

	flip(f, "00000000.log", at + 3);
	check_in_pieces(f, 1);
	assert_int_equal(f->faults[0].tx, 400);
	assert_string_equal(f->faults[0].key, "key-400");
	assert_string_equal(f->faults[0].file, STORE_DIR "/00000000.log");
	assert_true(f->faults[0].offset < at && f->faults[0].offset + 100 > at);
	assert_false(f->faults[0].derived);
	check_at_once(f, 1);
	flip(f, "00000000.log", at + 3);
	check_at_once(f, 0);
}

/* The record before the key is the header and what else the checksum covers. */
static void
test_header(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	uint64_t at = find_in(f, "00000000.log", "key-300");

	flip(f, "00000000.log", at - 40);
	check_in_pieces(f, 1);
	assert_int_equal(f->faults[0].tx, 300);
	assert_string_equal(f->faults[0].file, STORE_DIR "/00000000.log");
	assert_true(f->faults[0].offset < at && f->faults[0].offset + 300 > at);
	assert_false(f->faults[0].derived);
}

static void
check_page(struct fixture *f, const char *name, uint64_t at, uint64_t page)
{
	char path[96];

	snprintf(path, sizeof path, "%s/%s", STORE_DIR, name);
	flip(f, name, at);
	check_in_pieces(f, 1);
	assert_string_equal(f->faults[0].file, path);
	assert_int_equal(f->faults[0].offset, page);
	assert_true(f->faults[0].derived);
	/* It is known now, and waits to be written. */
	check_at_once(f, 0);
	assert_int_equal(store_flush_index(f->s), IM_OK);
	check_at_once(f, 0);
	assert_int_equal(f->repairs, 0);
}

/* Memory has the page: it is written again from there. */
static void
test_tree(void **state)
{
	check_page((struct fixture *)*state, "tree.0", 16384 + 9000, 16384);
}

static void
test_offsets(void **state)
{
	check_page((struct fixture *)*state, "offsets", 2000, 0);
}

/* Memory does not have it: it is made from the log. */
static void
test_pages_after_open(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	store_close(f->s);
	open_store(f);
	check_page(f, "tree.0", 9000, 0);
	check_page(f, "offsets", 3000, 0);
	store_close(f->s);
	open_store(f);
	check_at_once(f, 0);
}

/*
 * What was mended is on the disk after a close, also when nothing was written since the last one.
 */
static void
test_mended_before_close(void **state)
{
	static const char *const files[] = {"tree.0", "offsets"};
	struct fixture *f = (struct fixture *)*state;

	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		store_close(f->s);
		open_store(f);
		flip(f, files[i], 3000);
		check_at_once(f, 1);
		store_close(f->s);
		open_store(f);
		check_at_once(f, 0);
	}
}

/* A block of a run is told of by name each time, until the next start makes the index anew. */
static void
test_index(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	flip(f, "index/0000000000000001.run", 3000);
	check_in_pieces(f, 1);
	assert_string_equal(f->faults[0].file, STORE_DIR "/index/0000000000000001.run");
	assert_true(f->faults[0].offset <= 3000 && f->faults[0].offset > 0);
	assert_true(f->faults[0].derived);
	store_close(f->s);
	open_store(f);
	check_at_once(f, 0);
}

/* What was written after a check began is left to the next one. */
static void
test_bounded(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	write_txs(f, TXS + 1, TXS + 50);
	assert_int_equal(store_flush_index(f->s), IM_OK);
	flip(f, "00000001.log", find_in(f, "00000001.log", "value-of-620"));
	check_in_pieces(f, 0);
	check_at_once(f, 1);
	assert_int_equal(f->faults[0].tx, 620);
}

static int
end_at_once(void *ctx, const struct store_fault *fault)
{
	(void)fault;
	++*(unsigned *)ctx;
	return 1;
}

static void
test_ended_by_callback(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	unsigned seen = 0;
	struct store_check check = {.from_tx = 1, .fault = end_at_once, .ctx = &seen};

	flip(f, "00000000.log", find_in(f, "00000000.log", "value-of-100"));
	flip(f, "00000000.log", find_in(f, "00000000.log", "value-of-200"));
	assert_int_equal(store_check(f->s, &check), IM_OK);
	assert_int_equal(seen, 1);
	assert_true(check.done);
	assert_true(check.from_tx < 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_value, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_header, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_tree, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_offsets, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_pages_after_open, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_mended_before_close, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_index, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_ended_by_callback, setup, teardown),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
