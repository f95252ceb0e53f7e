/*
 * Export and import: the transactions of a store, exported while it is written, make another store
 * with the same history, and a store is never made of something else than the state that it should
 * have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "crypto/archive.h"
#include "crypto/rawkey.h"
#include "skip_because.h"
#include "store/store_export.h"
#include "store/store_import.h"
#include "temp_dir.h"

#define LARGE_VALUE (400u * 1024)
#define TXS 300u
#define SEVERAL_SEGMENTS 12u
#define COLD_VALUES 20u
/* A segment that is full then, and how much of it is looked at. */
#define COLD_SEGMENT "00000001.log"
#define COLD_BYTES ((size_t)2 * 1024 * 1024)
#define HOT_BYTES ((size_t)64 * 1024)
#define DONT_CACHE 0x80 /* a flag of preadv2() since Linux 6.14 */

struct fixture {
	char dir[TEMP_DIR_MAX];
	char from[96], to[96];
	struct store *s;
	uint8_t *large;
};

static struct store_options
options_of(const char *dir)
{
	return (struct store_options){
	    .dir = dir, .name = "db", .header_version = 1, .unsynced = true};
}

static int
setup(void **state)
{
	struct fixture *f = (struct fixture *)calloc(1, sizeof *f);
	struct store_options options;

	assert_non_null(f);
	temp_dir_make(f->dir);
	snprintf(f->from, sizeof f->from, "%s/from", f->dir);
	snprintf(f->to, sizeof f->to, "%s/to", f->dir);
	f->large = (uint8_t *)malloc(LARGE_VALUE);
	assert_non_null(f->large);
	for (size_t i = 0; i < LARGE_VALUE; i++)
		f->large[i] = (uint8_t)(i * 31 + i / 251);
	options = options_of(f->from);
	assert_int_equal(store_open(&options, &f->s), IM_OK);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	store_close(f->s);
	temp_dir_remove(f->dir);
	free(f->large);
	free(f);
	return 0;
}

/* One transaction of one entry, its value large for every hundredth. */
static void
write_one(struct fixture *f, unsigned n)
{
	struct arena arena;
	char key[32];
	struct store_entry e = {
	    .value = bytes_of(f->large, n % 100 == 99 ? LARGE_VALUE : n % 50 + 1)};
	struct store_write w = {.entries = &e, .nentries = 1, .arena = &arena};

	arena_init(&arena, 1024 * 1024);
	snprintf(key, sizeof key, "%ckey%u", RAW_KEY_PLAIN, n % 70);
	e.key = bytes_of(key, strlen(key + 1) + 1);
	assert_int_equal(store_write_wait(f->s, &w), IM_OK);
	arena_free(&arena);
}

static void
write_many(struct fixture *f, unsigned from, unsigned to)
{
	for (unsigned n = from; n < to; n++)
		write_one(f, n);
}

static enum im_err
import_tx(void *ctx, const struct archive_tx *tx)
{
	return store_import_add((struct store_import *)ctx, tx->record);
}

/* Exports a range through the reader of archives, which verifies it, into an import. */
static void
copy_range(struct store *s, uint64_t from, uint64_t to, struct archive_reader *r)
{
	struct store_export *x;
	struct bytes piece;
	enum im_err err;

	assert_int_equal(store_export_open(s, from, to, &x), IM_OK);
	while ((err = store_export_next(x, &piece)) == IM_OK)
		assert_int_equal(archive_reader_feed(r, piece), IM_OK);
	assert_int_equal(err, IM_ERR_NOT_FOUND);
	store_export_close(x);
}

/* A reader that stands behind the header of a part from transaction 1 to to_tx. */
static struct archive_reader *
reader_to(uint64_t to_tx, struct store_import *im)
{
	struct archive_header h = {.format = ARCHIVE_FORMAT,
	    .from_tx = 1,
	    .to_tx = to_tx,
	    .prev_alh = hash_empty(),
	    .server = "c0ffee",
	    .database = "db"};
	struct archive_sink sink = {.ctx = im, .tx = import_tx};
	uint8_t raw[ARCHIVE_HEADER_SIZE];
	struct archive_reader *r;

	assert_int_equal(archive_reader_new(&sink, &r), IM_OK);
	archive_header_put(raw, &h);
	assert_int_equal(archive_reader_feed(r, bytes_of(raw, sizeof raw)), IM_OK);
	return r;
}

static void
compare_all(struct store *a, struct store *b, uint64_t txs)
{
	struct arena arena;

	arena_init(&arena, 8 * 1024 * 1024);
	for (uint64_t tx = 1; tx <= txs; tx++) {
		struct store_tx x, y;

		arena_reset(&arena, LARGE_VALUE);
		assert_int_equal(store_read_tx(a, tx, 0, &arena, &x), IM_OK);
		assert_int_equal(store_read_tx(b, tx, 0, &arena, &y), IM_OK);
		assert_true(hash_equal(&x.alh, &y.alh));
		assert_true(bytes_equal(x.entries[0].key, y.entries[0].key));
		assert_true(bytes_equal(x.entries[0].value, y.entries[0].value));
	}
	arena_free(&arena);
}

static void
test_copy(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_options options = options_of(f->to);
	struct store_import *im;
	struct archive_reader *r;
	struct store_check check = {.from_tx = 1};
	struct store_state end, found;
	struct store *copy;

	write_many(f, 0, TXS);
	store_state(f->s, &end);
	assert_int_equal(store_import_open(&options, &im), IM_OK);
	r = reader_to(end.tx, im);
	copy_range(f->s, 1, end.tx / 2, r);
	/* What is written meanwhile is not in it. */
	write_many(f, TXS, TXS + 50);
	copy_range(f->s, end.tx / 2 + 1, end.tx, r);
	archive_reader_free(r);
	assert_int_equal(store_import_finish(im, &end, &copy), IM_OK);
	store_state(copy, &found);
	assert_int_equal(found.tx, end.tx);
	compare_all(f->s, copy, end.tx);
	assert_int_equal(store_check(copy, &check), IM_OK);
	assert_int_equal(check.checked, end.tx);
	assert_int_equal(check.faults, 0);
	store_close(copy);
	/* It is a database like any other. */
	assert_int_equal(store_open(&options, &copy), IM_OK);
	store_state(copy, &found);
	assert_int_equal(found.tx, end.tx);
	store_close(copy);
}

static void
test_several_segments(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_options options = options_of(f->to);
	struct store_import *im;
	struct archive_reader *r;
	struct store_state end;
	struct store *copy;

	for (unsigned i = 0; i < SEVERAL_SEGMENTS; i++)
		write_one(f, i * 100 + 99);
	store_state(f->s, &end);
	assert_int_equal(store_import_open(&options, &im), IM_OK);
	r = reader_to(end.tx, im);
	copy_range(f->s, 1, end.tx, r);
	archive_reader_free(r);
	assert_int_equal(store_import_finish(im, &end, &copy), IM_OK);
	compare_all(f->s, copy, end.tx);
	store_close(copy);
}

/* Without the last transaction it is another state. */
static void
test_wrong_state(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_options options = options_of(f->to);
	struct store_import *im;
	struct archive_reader *r;
	struct store_state end;
	struct store *copy;

	write_many(f, 0, 20);
	store_state(f->s, &end);
	assert_int_equal(store_import_open(&options, &im), IM_OK);
	r = reader_to(end.tx, im);
	copy_range(f->s, 1, end.tx - 1, r);
	archive_reader_free(r);
	assert_int_equal(store_import_finish(im, &end, &copy), IM_ERR_CORRUPT);
	assert_null(copy);
}

static void
test_empty(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_options options = options_of(f->to), again = options_of(f->from);
	struct store_state none = {0, hash_empty()};
	struct store_export *x;
	struct store_import *im;
	struct store *copy;
	struct bytes piece;

	assert_int_equal(store_export_open(f->s, 1, 0, &x), IM_OK);
	assert_int_equal(store_export_next(x, &piece), IM_ERR_NOT_FOUND);
	store_export_close(x);
	assert_int_equal(store_export_open(f->s, 1, 1, &x), IM_ERR_TX_NOT_FOUND);
	assert_int_equal(store_import_open(&options, &im), IM_OK);
	assert_int_equal(store_import_finish(im, &none, &copy), IM_OK);
	store_close(copy);
	/* One that has something already is not imported into. */
	write_one(f, 1);
	store_close(f->s);
	f->s = NULL;
	assert_int_equal(store_import_open(&again, &im), IM_ERR_EXISTS);
}

/* How many of the bytes from offset on are in the page cache. */
static size_t
resident_bytes(int fd, size_t offset, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), resident = 0;
	unsigned char *in_core = (unsigned char *)calloc(n / page, 1);
	void *p = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, (off_t)offset);

	assert_non_null(in_core);
	assert_true(p != MAP_FAILED);
	assert_int_equal(mincore(p, n, in_core), 0);
	for (size_t i = 0; i < n / page; i++)
		resident += in_core[i] & 1 ? page : 0;
	munmap(p, n);
	free(in_core);
	return resident;
}

/*
 * An export reads all of a log and does not fill the page cache with it; what was there stays
 * there.
 */
static void
test_page_cache(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_export *x;
	struct bytes piece;
	enum im_err err;
	char path[128];
	int fd;

	for (unsigned n = 0; n <= COLD_VALUES; n++)
		write_one(f, 99);
	snprintf(path, sizeof path, "%s/" COLD_SEGMENT, f->from);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	/* Some file systems do not tell what is in memory, or have everything there. */
	if (preadv2(fd, &(struct iovec){path, 1}, 1, 0, DONT_CACHE) != 1 ||
	    resident_bytes(fd, HOT_BYTES, COLD_BYTES) > COLD_BYTES / 8) {
		close(fd);
		skip_because("needs-filesystem, it does not tell what is in memory");
	}
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	assert_int_equal(pread(fd, f->large, HOT_BYTES, 0), HOT_BYTES);
	assert_int_equal(store_export_open(f->s, 1, COLD_VALUES + 1, &x), IM_OK);
	while ((err = store_export_next(x, &piece)) == IM_OK)
		;
	assert_int_equal(err, IM_ERR_NOT_FOUND);
	store_export_close(x);
	assert_in_range(resident_bytes(fd, 0, HOT_BYTES), HOT_BYTES / 2, HOT_BYTES);
	assert_in_range(resident_bytes(fd, HOT_BYTES, COLD_BYTES), 0, COLD_BYTES / 8);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_copy, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_several_segments, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_wrong_state, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_page_cache, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
