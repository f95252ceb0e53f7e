/*
 * A run: written, read in every way, and with every byte of its file damaged.
 */
#include "store/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "immudb/store/fault_disk.h"
#include "store/index_key.h"
#include "store/run_cursor.h"
#include "store/run_format.h"
#include "store/run_write.h"

#define ENTRIES_MAX 25000u
#define NUMBER 0x2au
#define PATH FAULT_ROOT "/000000000000002a.run"

struct row {
	char key[32];
	struct index_entry entry;
};

static struct row rows[ENTRIES_MAX];
static unsigned count;
static struct run_id id;

/* Rows for so many keys; every tenth key has `versions` versions. */
static void
rows_make(unsigned keys, unsigned versions)
{
	count = 0;
	for (unsigned i = 0; i < keys; i++) {
		unsigned n = i % 10 == 5 ? versions : 1;

		for (unsigned v = n; v > 0; v--) {
			struct row *row = &rows[count++];

			snprintf(row->key, sizeof row->key, "key %08u", i);
			row->entry = (struct index_entry){.key = bytes_str(row->key),
			    .tx = 10 + v,
			    .pos = 1000 + count,
			    .len = i,
			    .revision = v};
		}
	}
}

/* Writes the rows as a run and opens it. */
static struct run *
run_make(void)
{
	const struct run_plan plan = {.vfs = fault_vfs_table(disk),
	    .dir = FAULT_ROOT,
	    .number = NUMBER,
	    .base = {10, 50000, 1000},
	    .keys_max = count};
	struct run_writer *w;
	struct run *r;

	fault_vfs_reset(disk);
	assert_int_equal(run_writer_open(&plan, &w), IM_OK);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(run_writer_add(w, &rows[i].entry), IM_OK);
	assert_int_equal(run_writer_finish(w, &r), IM_OK);
	run_writer_close(w);
	assert_int_equal(r->entries, count);
	id = r->id;
	return r;
}

static bool
is_row(const struct index_entry *e, unsigned i)
{
	const struct index_entry *want = &rows[i].entry;

	return e && bytes_equal(e->key, want->key) && e->tx == want->tx && e->pos == want->pos &&
	    e->len == want->len && e->revision == want->revision;
}

static void
walks_both_ways(void **state)
{
	static uint8_t window[RUN_WINDOW_BYTES];
	struct run_cursor c;
	struct run *r;

	(void)state;
	rows_make(1000, 200);
	r = run_make();
	assert_true(r->blocks > 20);
	for (unsigned pass = 0; pass < 2; pass++) {
		unsigned i = 0;

		run_cursor_init(&c, r, pass ? window : NULL);
		assert_int_equal(run_cursor_first(&c), IM_OK);
		for (; run_cursor_entry(&c); i++) {
			assert_true(i < count && is_row(run_cursor_entry(&c), i));
			assert_int_equal(run_cursor_next(&c), IM_OK);
		}
		assert_int_equal(i, count);
	}
	run_cursor_init(&c, r, NULL);
	assert_int_equal(run_cursor_last(&c), IM_OK);
	for (unsigned i = count; run_cursor_entry(&c); assert_int_equal(run_cursor_prev(&c), IM_OK))
		assert_true(i > 0 && is_row(run_cursor_entry(&c), --i));
	run_unref(r);
}

static void
finds_places(void **state)
{
	struct run_cursor c;
	struct run *r;

	(void)state;
	rows_make(1000, 200);
	r = run_make();
	run_cursor_init(&c, r, NULL);
	for (unsigned i = 0; i < count; i += 1 + i % 7) {
		const struct index_entry *e = &rows[i].entry;

		assert_int_equal(run_cursor_seek(&c, e->key, e->tx), IM_OK);
		assert_true(is_row(run_cursor_entry(&c), i));
		assert_int_equal(run_cursor_seek_before(&c, e->key, e->tx), IM_OK);
		if (i == 0)
			assert_null(run_cursor_entry(&c));
		else
			assert_true(is_row(run_cursor_entry(&c), i - 1));
		assert_int_equal(run_cursor_seek_ordinal(&c, e->key, e->revision), IM_OK);
		assert_true(is_row(run_cursor_entry(&c), i));
	}
	assert_int_equal(run_cursor_seek(&c, bytes_str("a"), 1), IM_OK);
	assert_true(is_row(run_cursor_entry(&c), 0));
	assert_int_equal(run_cursor_seek(&c, bytes_str("key 1"), 1), IM_OK);
	assert_null(run_cursor_entry(&c));
	assert_int_equal(run_cursor_seek_before(&c, bytes_str("z"), 1), IM_OK);
	assert_true(is_row(run_cursor_entry(&c), count - 1));
	run_unref(r);
}

static void
single_key_fills_blocks(void **state)
{
	struct run_cursor c;
	struct run *r;

	(void)state;
	/* Then all separators are the same key, told apart by transaction. */
	rows_make(1, 1);
	count = ENTRIES_MAX;
	for (unsigned i = 0; i < count; i++) {
		rows[i] = rows[0];
		rows[i].entry.key = bytes_str(rows[i].key);
		rows[i].entry.revision = count - i;
		rows[i].entry.tx = 10 + count - i;
	}
	r = run_make();
	assert_true(r->blocks > 3);
	assert_int_equal(r->keys, 1);
	run_cursor_init(&c, r, NULL);
	for (unsigned i = 0; i < count; i += 13) {
		assert_int_equal(run_cursor_seek(&c, rows[i].entry.key, rows[i].entry.tx), IM_OK);
		assert_true(is_row(run_cursor_entry(&c), i));
		assert_int_equal(
		    run_cursor_seek_ordinal(&c, rows[i].entry.key, rows[i].entry.revision), IM_OK);
		assert_true(is_row(run_cursor_entry(&c), i));
	}
	run_unref(r);
}

static void
wrong_order_is_refused(void **state)
{
	struct run_plan plan = {.dir = FAULT_ROOT, .number = 1, .base = {10, 20, 5}, .keys_max = 9};
	const struct index_entry good = {.key = bytes_str("m"), .tx = 15, .pos = 5, .revision = 1};
	struct index_entry bad[6];
	struct run_writer *w;

	(void)state;
	plan.vfs = fault_vfs_table(disk);
	for (unsigned i = 0; i < 6; i++)
		bad[i] = good;
	bad[0].key = bytes_str("a");
	bad[2].tx = 14; /* revision 0 is missing */
	bad[3].key = bytes_str("z");
	bad[3].tx = 21;
	bad[4].key = bytes_str("z");
	bad[4].pos = 4;
	bad[5].key = bytes_str("z");
	bad[5].revision = 0;
	for (unsigned i = 0; i < 6; i++) {
		fault_vfs_reset(disk);
		assert_int_equal(run_writer_open(&plan, &w), IM_OK);
		assert_int_equal(run_writer_add(w, &good), IM_OK);
		assert_int_equal(run_writer_add(w, &bad[i]), IM_ERR_CORRUPT);
		run_writer_close(w);
		/* Nothing is left of it. */
		assert_int_equal(fault_vfs_file_size(disk, FAULT_ROOT "/0000000000000001.run"), -1);
	}
}

/* Reads everything; IM_OK only if it is all there and right. */
static enum im_err
read_all(struct run *r)
{
	struct run_cursor c;
	enum im_err err;
	unsigned i = 0;

	run_cursor_init(&c, r, NULL);
	err = run_cursor_first(&c);
	while (err == IM_OK && run_cursor_entry(&c)) {
		assert_true(i < count && is_row(run_cursor_entry(&c), i));
		assert_true(bloom_may_have(&r->filter, bloom_hash(rows[i].entry.key)));
		i++;
		err = run_cursor_next(&c);
	}
	if (err == IM_OK)
		assert_int_equal(i, count);
	return err;
}

static void
every_damaged_byte_is_found(void **state)
{
	struct run *r;
	unsigned at_open = 0, at_read = 0;

	(void)state;
	rows_make(120, 10);
	run_unref(run_make());
	for (uint64_t i = 0; i < id.size; i++) {
		enum im_err err;

		assert_true(fault_vfs_damage(disk, PATH, i, (uint8_t)(1u << i % 8)));
		err = run_open(fault_vfs_table(disk), FAULT_ROOT, &id, &r);
		if (err == IM_OK) {
			err = read_all(r);
			assert_true(atomic_load(&r->damaged));
			at_read++;
		} else {
			at_open++;
		}
		assert_int_equal(err, IM_ERR_CORRUPT);
		assert_non_null(strstr(err_detail(err), PATH));
		run_unref(r);
		assert_true(fault_vfs_damage(disk, PATH, i, (uint8_t)(1u << i % 8)));
	}
	assert_true(at_open > 0 && at_read > 0);
}

static void
short_file_is_found(void **state)
{
	struct run *r;

	(void)state;
	rows_make(120, 10);
	run_unref(run_make());
	for (uint64_t size = id.size; size-- > 0; size -= size > 200 ? size % 7 : 0) {
		assert_true(fault_vfs_shorten(disk, PATH, size));
		assert_int_equal(
		    run_open(fault_vfs_table(disk), FAULT_ROOT, &id, &r), IM_ERR_CORRUPT);
	}
	assert_true(fault_vfs_remove(disk, PATH));
	assert_int_equal(run_open(fault_vfs_table(disk), FAULT_ROOT, &id, &r), IM_ERR_CORRUPT);
	assert_non_null(strstr(err_detail(IM_ERR_CORRUPT), "missing"));
}

static void
another_run_is_not_taken_for_it(void **state)
{
	struct run_id other;
	struct run *r;

	(void)state;
	rows_make(50, 1);
	run_unref(run_make());
	other = id;
	rows_make(51, 1);
	run_unref(run_make());
	other.size = id.size;
	assert_int_equal(run_open(fault_vfs_table(disk), FAULT_ROOT, &other, &r), IM_ERR_CORRUPT);
	other = id;
	other.last_tx--;
	assert_int_equal(run_open(fault_vfs_table(disk), FAULT_ROOT, &other, &r), IM_ERR_CORRUPT);
}

static void
newer_version_is_refused(void **state)
{
	uint8_t header[RUN_HEADER_BYTES];
	struct vfs_file f;
	struct run *r;

	(void)state;
	rows_make(50, 1);
	run_unref(run_make());
	index_header_encode(header, RUN_MAGIC, RUN_VERSION + 1);
	assert_int_equal(
	    vfs_file_open(&f, fault_vfs_table(disk), FAULT_ROOT, "000000000000002a.run", 2), IM_OK);
	assert_int_equal(vfs_write(&f, header, sizeof header, 0), IM_OK);
	vfs_file_close(&f);
	assert_int_equal(run_open(fault_vfs_table(disk), FAULT_ROOT, &id, &r), IM_ERR_VERSION);
}

static void
doomed_file_goes_with_the_last_reader(void **state)
{
	struct run *r;

	(void)state;
	rows_make(50, 1);
	r = run_make();
	run_ref(r);
	atomic_store(&r->doomed, true);
	run_unref(r);
	assert_int_equal(read_all(r), IM_OK);
	assert_true(fault_vfs_file_size(disk, PATH) > 0);
	run_unref(r);
	assert_int_equal(fault_vfs_file_size(disk, PATH), -1);
}

static void
names(void **state)
{
	char name[RUN_NAME_MAX];
	uint64_t number;

	(void)state;
	run_name(name, 0xabc);
	assert_string_equal(name, "0000000000000abc.run");
	assert_true(run_name_parse(name, &number));
	assert_int_equal(number, 0xabc);
	assert_false(run_name_parse("0000000000000ABC.run", &number));
	assert_false(run_name_parse("0000000000000abc.rux", &number));
	assert_false(run_name_parse("0000000000000abc.run2", &number));
	assert_false(run_name_parse("manifest", &number));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(walks_both_ways),
	    cmocka_unit_test(finds_places),
	    cmocka_unit_test(single_key_fills_blocks),
	    cmocka_unit_test(wrong_order_is_refused),
	    cmocka_unit_test(every_damaged_byte_is_found),
	    cmocka_unit_test(short_file_is_found),
	    cmocka_unit_test(another_run_is_not_taken_for_it),
	    cmocka_unit_test(newer_version_is_refused),
	    cmocka_unit_test(doomed_file_goes_with_the_last_reader),
	    cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, disk_make, disk_free);
}
