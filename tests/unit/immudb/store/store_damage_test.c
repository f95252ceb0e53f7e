/*
 * Damage of every file of a database: what the log holds is served, what can be derived is derived
 * again, what is lost is said by name, and nothing that may still be of use is removed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/rawkey.h"
#include "fault_vfs.h"
#include "store/store.h"
#include "util/log.h"

#define STORE_DIR FAULT_ROOT "/db"
/* More than a page of offsets and two tiles of the tree. */
#define BASE_TXS 600u
/* An old transaction, and its raw key and value. */
#define OLD_TXS 20u
#define OLD_DAMAGED 6u
#define OLD_KEY "\0\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0\6"
#define OLD_KEY_FLIPPED "\1\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0\6"
#define BIG_TXS 5u
#define BIG_VALUE 50000u

struct fixture {
	struct fault_vfs *disk;
	struct fault_vfs *base;
	struct store *s;
	struct arena arena;
};

static enum im_err
try_open(struct fixture *f)
{
	struct store_options options = {.dir = STORE_DIR,
	    .name = "db",
	    .vfs = fault_vfs_table(f->disk),
	    .unsynced = true,
	    .header_version = 1};

	f->s = NULL;
	return store_open(&options, &f->s);
}

static void
open_store(struct fixture *f, const char *what)
{
	enum im_err err = try_open(f);

	if (err != IM_OK)
		fail_msg("%s: %s: %s", what, err_name(err), err_detail(err));
}

static void
close_store(struct fixture *f)
{
	store_close(f->s);
	f->s = NULL;
	arena_free(&f->arena);
}

/*
 * The key of a number; written by the transaction of that number, so that its value says who did.
 */
static struct bytes
key_of(struct fixture *f, uint64_t number)
{
	uint8_t *key = (uint8_t *)arena_alloc(&f->arena, 9);

	assert_non_null(key);
	key[0] = RAW_KEY_PLAIN;
	be64_put(key + 1, number);
	return bytes_of(key, 9);
}

static enum im_err
write_number(struct fixture *f, uint64_t number, size_t value_len)
{
	uint8_t *value = (uint8_t *)arena_calloc(&f->arena, 1, value_len);
	struct store_entry e = {.key = key_of(f, number), .value = bytes_of(value, value_len)};
	struct store_write w = {.entries = &e, .nentries = 1, .arena = &f->arena};

	assert_non_null(value);
	be64_put(value, number);
	return store_write_wait(f->s, &w);
}

static enum im_err
get_number(struct fixture *f, uint64_t number, struct store_value *v)
{
	struct store_query q = {.key = key_of(f, number)};

	return store_get(f->s, &q, &f->arena, v);
}

static int
setup(void **state)
{
	struct fixture *f = (struct fixture *)calloc(1, sizeof *f);

	assert_non_null(f);
	f->disk = fault_vfs_new();
	f->base = fault_vfs_new();
	assert_true(f->disk && f->base);
	arena_init(&f->arena, 64u * 1024 * 1024);
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
	fault_vfs_free(f->base);
	free(f);
	return 0;
}

/* Makes a database of n transactions, cleanly closed, and keeps a copy of it. */
static void
make_base(struct fixture *f, uint64_t n, size_t value_len)
{
	open_store(f, "new");
	for (uint64_t i = 1; i <= n; i++)
		assert_int_equal(write_number(f, i, value_len), IM_OK);
	close_store(f);
	fault_vfs_copy(f->base, f->disk);
}

/* All n transactions are there, by key, by number and by proof. */
static void
check_whole(struct fixture *f, uint64_t n, const char *what)
{
	struct store_check check = {.from_tx = 1};
	struct dual_proof proof;
	struct store_value v;
	struct store_stats stats;

	store_stats(f->s, &stats);
	if (stats.tx != n || stats.read_only)
		fail_msg("%s: %llu transactions", what, (unsigned long long)stats.tx);
	for (uint64_t i = 1; i <= n; i += 7) {
		struct tx_header header;

		if (get_number(f, i, &v) != IM_OK || v.tx != i)
			fail_msg("%s: key %llu", what, (unsigned long long)i);
		if (store_read_header(f->s, i, 0, &header) != IM_OK || header.id != i)
			fail_msg("%s: transaction %llu", what, (unsigned long long)i);
		if (store_dual_proof(f->s, (struct store_span){i, n}, 0, &f->arena, &proof) !=
		    IM_OK)
			fail_msg("%s: proof from %llu", what, (unsigned long long)i);
	}
	if (store_check(f->s, &check) != IM_OK || check.faults > 0)
		fail_msg("%s: faults", what);
}

/* ---- Derived files ---- */

static const char *const derived[] = {"mark", "checkpoint", "tree.0", "tree.tail", "offsets",
    "offsets.tail", "index/manifest", "index/0000000000000001.run"};
#define DERIVED (sizeof derived / sizeof *derived)

static void
path_of(char path[96], const char *name)
{
	snprintf(path, 96, "%s/%s", STORE_DIR, name);
}

/*
 * A flipped bit in the index is met when a key in its block is asked for: that says so, and the
 * next open makes the index anew. All other files mend themselves at once.
 */
static void
flip_and_check(struct fixture *f, const char *name, uint64_t offset)
{
	bool in_index = strncmp(name, "index/", 6) == 0;
	char path[96], what[128];

	path_of(path, name);
	snprintf(what, sizeof what, "%s, offset %llu", name, (unsigned long long)offset);
	fault_vfs_copy(f->disk, f->base);
	assert_true(fault_vfs_damage(f->disk, path, offset, (uint8_t)(1u << offset % 8)));
	open_store(f, what);
	if (in_index) {
		struct store_check check = {.from_tx = 1};

		assert_int_equal(store_check(f->s, &check), IM_OK);
		close_store(f);
		open_store(f, what);
	}
	check_whole(f, BASE_TXS, what);
	close_store(f);
}

static void
test_flipped_bits(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	char path[96];

	make_base(f, BASE_TXS, 20);
	for (size_t i = 0; i < DERIVED; i++) {
		uint64_t size, step;

		path_of(path, derived[i]);
		assert_true(fault_vfs_file_size(f->base, path) > 0);
		size = (uint64_t)fault_vfs_file_size(f->base, path);
		for (uint64_t at = 0; at < size && at < 24; at += 3)
			flip_and_check(f, derived[i], at);
		step = size / 12 + 1;
		for (uint64_t at = 24; at < size; at += step)
			flip_and_check(f, derived[i], at);
		flip_and_check(f, derived[i], size - 1);
	}
}

/* Any of the derived files may be missing: all that is needed is the log. */
static void
test_missing_files(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	char path[96], what[32];

	make_base(f, BASE_TXS, 20);
	for (unsigned set = 1; set < 1u << DERIVED; set += 3) {
		fault_vfs_copy(f->disk, f->base);
		snprintf(what, sizeof what, "set %x", set);
		for (size_t i = 0; i < DERIVED; i++) {
			path_of(path, derived[i]);
			if (set >> i & 1)
				assert_true(fault_vfs_remove(f->disk, path));
		}
		open_store(f, what);
		check_whole(f, BASE_TXS, what);
		assert_int_equal(write_number(f, BASE_TXS + 1, 20), IM_OK);
		close_store(f);
		open_store(f, what);
		check_whole(f, BASE_TXS + 1, what);
		close_store(f);
	}
}

/* ---- The log ---- */

static void
remove_derived(struct fixture *f)
{
	char path[96];

	for (size_t i = 0; i < DERIVED; i++) {
		path_of(path, derived[i]);
		fault_vfs_remove(f->disk, path);
	}
}

/* Opens what is damaged: read-only, up to the damage, by name; and nothing is taken away. */
static void
check_damaged(struct fixture *f, uint64_t last, const char *name)
{
	struct store_check check = {.from_tx = 1};
	struct store_stats stats;
	struct store_value v;

	open_store(f, name);
	store_stats(f->s, &stats);
	assert_true(stats.read_only);
	assert_int_equal(stats.tx, last);
	for (uint64_t i = 1; i <= last; i++)
		assert_int_equal(get_number(f, i, &v), IM_OK);
	assert_int_equal(write_number(f, 99, 20), IM_ERR_READ_ONLY);
	assert_non_null(strstr(err_detail(IM_ERR_READ_ONLY), name));
	assert_int_equal(store_check(f->s, &check), IM_OK);
	assert_int_equal(check.faults, 1);
	close_store(f);
}

/*
 * A segment whose header is damaged, and nothing left that says how far the log was durable: the
 * segment is kept, for it was whole once.
 */
static void
test_damaged_header(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	const char *second = STORE_DIR "/00000001.log";
	int64_t size;

	make_base(f, BIG_TXS, BIG_VALUE);
	size = fault_vfs_file_size(f->disk, second);
	assert_true(size > 0);
	remove_derived(f);
	assert_true(fault_vfs_damage(f->disk, second, 25, 1));
	check_damaged(f, 2, "00000001.log");
	assert_int_equal(fault_vfs_file_size(f->disk, second), size);
	assert_true(fault_vfs_damage(f->disk, second, 25, 1));
	open_store(f, "undamaged again");
	check_whole(f, BIG_TXS, "undamaged again");
}

static void
read_start_of(struct fixture *f, const char *name, uint8_t *data, size_t n)
{
	struct vfs_file file;

	assert_int_equal(vfs_file_open(&file, fault_vfs_table(f->disk), STORE_DIR, name, 0), IM_OK);
	assert_int_equal(vfs_read(&file, data, n, 0), IM_OK);
	vfs_file_close(&file);
}

/* All segments belong to another database, because the marker is that of another. */
static void
test_foreign_marker(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	const char *marker = STORE_DIR "/" STORE_MARKER_NAME;
	uint8_t text[128];
	uint64_t at;

	make_base(f, BIG_TXS, BIG_VALUE);
	remove_derived(f);
	at = (uint64_t)fault_vfs_file_size(f->disk, marker);
	assert_true(at <= sizeof text);
	read_start_of(f, STORE_MARKER_NAME, text, at);
	/* The last digit of the id that is another digit with one bit flipped. */
	for (at--; text[at] < '0' || text[at] > '9';)
		at--;
	assert_true(fault_vfs_damage(f->disk, marker, at, 1));
	check_damaged(f, 0, "00000000.log");
	assert_true(fault_vfs_damage(f->disk, marker, at, 1));
	open_store(f, "with its marker");
	check_whole(f, BIG_TXS, "with its marker");
}

static void
test_missing_segment(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	make_base(f, BIG_TXS, BIG_VALUE);
	remove_derived(f);
	for (uint32_t i = 9; i > 0; i--) {
		char path[96];

		snprintf(path, sizeof path, STORE_DIR "/%08u.log", (unsigned)i);
		fault_vfs_remove(f->disk, path);
	}
	check_damaged(f, 2, "00000001.log");
}

static void
test_short_segment(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	make_base(f, BIG_TXS, BIG_VALUE);
	remove_derived(f);
	assert_true(
	    fault_vfs_shorten(f->disk, STORE_DIR "/00000001.log", BIG_VALUE + BIG_VALUE / 4));
	check_damaged(f, 3, "00000001.log");
	/* Only zeroes are missing: nothing is lost. */
	fault_vfs_copy(f->disk, f->base);
	assert_true(
	    fault_vfs_shorten(f->disk, STORE_DIR "/00000001.log", 3u * BIG_VALUE + BIG_VALUE / 4));
	open_store(f, "short of zeroes");
	check_whole(f, BIG_TXS, "short of zeroes");
	for (uint64_t i = 1; i <= 10; i++)
		assert_int_equal(write_number(f, BIG_TXS + i, BIG_VALUE), IM_OK);
	close_store(f);
	open_store(f, "extended");
	check_whole(f, BIG_TXS + 10, "extended");
}

/* A segment that ends early while it is read: the walk names the entry and goes on behind it. */
static void
test_walk_over_a_lost_entry(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_range range = {.prefix = bytes_of(NULL, 0)};
	struct store_cursor *c;
	struct store_value v;
	unsigned lost = 0, found = 0;
	enum im_err err = IM_OK;

	make_base(f, BIG_TXS, BIG_VALUE);
	open_store(f, "whole");
	assert_true(fault_vfs_shorten(f->disk, STORE_DIR "/00000000.log", BIG_VALUE + 20000));
	assert_int_equal(store_scan(f->s, &range, &c), IM_OK);
	for (unsigned i = 0; i <= BIG_TXS; i++) {
		err = store_cursor_next(c, &f->arena, &v);
		lost += err == IM_ERR_DATA_LOSS;
		found += err == IM_OK;
	}
	store_cursor_close(c);
	assert_int_equal(err, IM_ERR_NOT_FOUND);
	assert_int_equal(lost, 1);
	assert_int_equal(found, BIG_TXS - 1);
	assert_non_null(strstr(err_detail(IM_ERR_DATA_LOSS), "transaction 2"));
	assert_non_null(strstr(err_detail(IM_ERR_DATA_LOSS), "00000000.log"));
}

/* Finds bytes in the first segment; its offset. */
static uint64_t
find_in_log(struct fixture *f, const char *needle, size_t len)
{
	static uint8_t data[65536];
	uint64_t at = 0;

	read_start_of(f, "00000000.log", data, sizeof data);
	while (at + len <= sizeof data && memcmp(data + at, needle, len) != 0)
		at++;
	assert_true(at + len <= sizeof data);
	return at;
}

/*
 * An old transaction is damaged, in a part of the log that the checkpoint lets an open skip, and
 * the index is lost: the database must still open, each time, up to the damage.
 */
static void
test_lost_index_over_damage(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	make_base(f, OLD_TXS, 20);
	/*
	 * The name of a key is under the checksum of its entry, not under that of the record's
	 * head.
	 */
	assert_true(fault_vfs_damage(
	    f->disk, STORE_DIR "/00000000.log", find_in_log(f, OLD_KEY, sizeof OLD_KEY - 1), 1));
	open_store(f, "the index is there");
	close_store(f);
	assert_true(fault_vfs_remove(f->disk, STORE_DIR "/index/manifest"));
	check_damaged(f, OLD_DAMAGED - 1, "00000000.log");
	check_damaged(f, OLD_DAMAGED - 1, "00000000.log");
	/* Nothing was taken away: made whole, all of it is there again. */
	assert_true(fault_vfs_damage(f->disk, STORE_DIR "/00000000.log",
	    find_in_log(f, OLD_KEY_FLIPPED, sizeof OLD_KEY_FLIPPED - 1), 1));
	open_store(f, "mended");
	check_whole(f, OLD_TXS, "mended");
	close_store(f);
}

/* A value that is damaged spoils itself only; who asks for its neighbour is not even told. */
static void
test_neighbour_of_damaged(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	uint8_t odd_key[200] = {0};
	struct store_entry e[2] = {
	    {.key = bytes_of(odd_key, sizeof odd_key), .value = bytes_str("-to be damaged")},
	    {.key = bytes_str("xneighbour"),
		.value = bytes_str("-fine"),
		.metadata = {.non_indexable = true}}};
	struct store_write w = {.entries = e, .nentries = 2, .arena = &f->arena};
	struct store_query q = {.key = e[1].key, .at_tx = 1};
	struct store_value v;

	open_store(f, "new");
	assert_int_equal(store_write_wait(f->s, &w), IM_OK);
	store_close(f->s);
	assert_true(fault_vfs_damage(
	    f->disk, STORE_DIR "/00000000.log", find_in_log(f, "to be damaged", 13), 1));
	open_store(f, "damaged");
	assert_int_equal(store_get(f->s, &q, &f->arena, &v), IM_OK);
	assert_true(bytes_equal(v.value, e[1].value));
	assert_int_equal(v.tx, 1);
	q.key = e[0].key;
	assert_int_equal(store_get(f->s, &q, &f->arena, &v), IM_ERR_DATA_LOSS);
	/* However strange the key is, the file is named behind it. */
	assert_non_null(strstr(err_detail(IM_ERR_DATA_LOSS), "00000000.log, offset"));
}

/* ---- Descriptors ---- */

static struct {
	const struct vfs *disk;
	_Atomic int open; /* descriptors */
} counted;

static int
counting_open(void *ctx, const char *path, int flags, mode_t mode)
{
	int fd = counted.disk->open(ctx, path, flags, mode);

	counted.open += fd >= 0;
	return fd;
}

static int
counting_close(void *ctx, int fd)
{
	counted.open--;
	return counted.disk->close(ctx, fd);
}

/* Wherever opening fails, nothing stays open; memory is the sanitizer's to watch. */
static void
test_failed_open_leaks_nothing(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_options options = {.dir = STORE_DIR, .name = "db", .header_version = 1};
	struct vfs table;
	enum im_err err = IM_ERR_IO;
	uint64_t at;

	make_base(f, 5, 20);
	counted.disk = fault_vfs_table(f->disk);
	table = *counted.disk;
	table.open = counting_open;
	table.close = counting_close;
	options.vfs = &table;
	for (at = 1; at < 500; at++) {
		struct store *s = NULL;

		fault_vfs_copy(f->disk, f->base);
		if (at % 3 == 0)
			remove_derived(f);
		fault_vfs_plan(f->disk,
		    &(struct fault_plan){.kind = FAULT_FAIL, .at = at, .error = EIO, .seed = at});
		err = store_open(&options, &s);
		if (err == IM_OK && at % 3 && !fault_vfs_fired(f->disk))
			at = 500;
		store_close(err == IM_OK ? s : NULL);
		assert_int_equal(counted.open, 0);
	}
	assert_int_equal(err, IM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_flipped_bits, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_missing_files, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damaged_header, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_foreign_marker, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_missing_segment, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_short_segment, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_walk_over_a_lost_entry, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_lost_index_over_damage, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_neighbour_of_damaged, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_failed_open_leaks_nothing, setup, teardown),
	};

	/* What is mended is said in the log, every time. */
	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
