/*
 * The memtable against a sorted array.
 */
#include "store/memtable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/bloom.h"
#include "store/index_key.h"

#define KEYS 3000u
#define KEY_BYTES 24u

struct row {
	char key[KEY_BYTES];
	struct index_entry entry;
};

struct fixture {
	struct memtable *table;
	size_t count;
	struct row rows[2 * KEYS];
};

static int
row_compare(const void *a, const void *b)
{
	const struct row *x = (const struct row *)a, *y = (const struct row *)b;

	return index_place_compare(x->entry.key, x->entry.tx, y->entry.key, y->entry.tx);
}

/* Inserts one transaction with the keys that `pick` leaves a remainder of 0 of. */
static void
insert_tx(struct fixture *f, uint64_t tx, unsigned pick)
{
	struct index_entry *entries = (struct index_entry *)calloc(KEYS, sizeof *entries);
	size_t n = 0;

	assert_non_null(entries);
	for (unsigned i = 0; i < KEYS; i++) {
		struct row *row = &f->rows[f->count];
		unsigned number = i * 1999 % KEYS;

		if (number % pick != 0)
			continue;
		snprintf(
		    row->key, sizeof row->key, number % 3 ? "%u" : "a shared start %u", number);
		row->entry = (struct index_entry){
		    .key = bytes_str(row->key), .tx = tx, .pos = tx * 10000 + number, .len = i};
		entries[n++] = row->entry;
		f->count++;
	}
	assert_int_equal(memtable_insert(f->table, entries, n), IM_OK);
	free(entries);
}

static int
setup(void **state)
{
	struct fixture *f = (struct fixture *)calloc(1, sizeof *f);

	assert_non_null(f);
	assert_int_equal(memtable_create(KEYS, &f->table), IM_OK);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	memtable_unref(f->table);
	free(f);
	return 0;
}

static void
fill(struct fixture *f)
{
	insert_tx(f, 1, 1);
	insert_tx(f, 2, 7);
	insert_tx(f, 5, 1500);
	qsort(f->rows, f->count, sizeof *f->rows, row_compare);
	/* Sorting has moved the bytes. */
	for (size_t i = 0; i < f->count; i++)
		f->rows[i].entry.key = bytes_str(f->rows[i].key);
}

static void
is_row(const struct memtable_node *node, const struct row *row)
{
	struct index_entry e;

	assert_non_null(node);
	memtable_entry(node, &e);
	assert_true(bytes_equal(e.key, row->entry.key));
	assert_int_equal(e.tx, row->entry.tx);
	assert_int_equal(e.pos, row->entry.pos);
	assert_int_equal(e.len, row->entry.len);
}

static void
is_ordered_both_ways(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	const struct memtable_node *node;
	size_t i = 0;

	fill(f);
	assert_int_equal(memtable_count(f->table), f->count);
	assert_int_equal(memtable_pos_min(f->table), 10000);
	for (node = memtable_first(f->table); node; node = memtable_next(node))
		is_row(node, &f->rows[i++]);
	assert_int_equal(i, f->count);
	for (node = memtable_last(f->table); node; node = memtable_prev(f->table, node))
		is_row(node, &f->rows[--i]);
	assert_int_equal(i, 0);
}

static void
finds_places(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	fill(f);
	for (size_t i = 0; i < f->count; i++) {
		const struct index_entry *e = &f->rows[i].entry;

		is_row(memtable_seek(f->table, e->key, e->tx), &f->rows[i]);
		if (i > 0)
			is_row(memtable_seek_before(f->table, e->key, e->tx), &f->rows[i - 1]);
		is_row(memtable_seek_before(f->table, e->key, e->tx - 1), &f->rows[i]);
		assert_true(memtable_may_have(f->table, bloom_hash(e->key)));
	}
	assert_null(memtable_seek_before(f->table, bytes_str("0"), INDEX_TX_NEWEST));
	assert_null(memtable_seek(f->table, bytes_str("b"), INDEX_TX_NEWEST));
}

static void
numbers_versions(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct index_entry e;
	uint64_t ordinal = 3;

	insert_tx(f, 1, 1);
	insert_tx(f, 2, 1500);
	insert_tx(f, 9, 1500);
	for (const struct memtable_node *node =
		 memtable_seek(f->table, bytes_str("a shared start 1500"), INDEX_TX_NEWEST);
	     ordinal > 0; node = memtable_next(node), ordinal--) {
		memtable_entry(node, &e);
		assert_true(bytes_equal(e.key, bytes_str("a shared start 1500")));
		assert_int_equal(e.revision, ordinal);
	}
	assert_int_equal(e.tx, 1);
}

/* Transactions that come in one call, on few keys: every version of each is there, newest first. */
static void
takes_transactions_together(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	static const char *const keys[] = {"same", "a", "z"};
	struct index_entry entries[300], e;

	for (uint64_t i = 0; i < 300; i++)
		entries[i] = (struct index_entry){
		    .key = bytes_str(keys[i % 3]), .tx = 1 + i / 3, .pos = 1000 + i};
	assert_int_equal(memtable_insert(f->table, entries, 150), IM_OK);
	assert_int_equal(memtable_insert(f->table, entries + 150, 150), IM_OK);
	for (unsigned k = 0; k < 3; k++) {
		const struct memtable_node *node =
		    memtable_seek(f->table, bytes_str(keys[k]), INDEX_TX_NEWEST);

		for (uint64_t tx = 100; tx > 0; tx--, node = memtable_next(node)) {
			memtable_entry(node, &e);
			assert_true(bytes_equal(e.key, bytes_str(keys[k])));
			assert_int_equal(e.tx, tx);
			assert_int_equal(e.revision, tx);
			assert_int_equal(e.pos, 1000 + (tx - 1) * 3 + k);
		}
	}
}

static void
empty_table_has_no_ends(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	assert_null(memtable_first(f->table));
	assert_null(memtable_last(f->table));
	assert_null(memtable_seek(f->table, bytes_str(""), INDEX_TX_NEWEST));
	assert_null(memtable_seek_before(f->table, bytes_str("x"), INDEX_TX_NONE));
	assert_false(memtable_may_have(f->table, bloom_hash(bytes_str("x"))));
}

static void
reserved_memory_is_enough(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	static uint8_t bytes[200][INDEX_KEY_MAX];
	struct index_entry entries[200];
	size_t before;

	for (unsigned i = 0; i < 200; i++) {
		memset(bytes[i], 'x', INDEX_KEY_MAX);
		be16_put(bytes[i] + INDEX_KEY_MAX - 2, (uint16_t)i);
		entries[i] =
		    (struct index_entry){.key = bytes_of(bytes[i], INDEX_KEY_MAX), .tx = 1};
	}
	assert_int_equal(memtable_reserve(f->table, 200, 200 * INDEX_KEY_MAX), IM_OK);
	before = memtable_bytes(f->table);
	assert_int_equal(memtable_insert(f->table, entries, 50), IM_OK);
	assert_int_equal(memtable_insert(f->table, entries + 50, 150), IM_OK);
	/* Nothing but what was put aside came into use. */
	assert_true(memtable_bytes(f->table) - before < 300 * INDEX_KEY_MAX);
	assert_int_equal(memtable_reserve(f->table, SIZE_MAX / 8, 1), IM_ERR_NOMEM);
	assert_int_equal(memtable_reserve(f->table, 1, SIZE_MAX - 10), IM_ERR_NOMEM);
	assert_int_equal(memtable_count(f->table), 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(is_ordered_both_ways, setup, teardown),
	    cmocka_unit_test_setup_teardown(finds_places, setup, teardown),
	    cmocka_unit_test_setup_teardown(numbers_versions, setup, teardown),
	    cmocka_unit_test_setup_teardown(takes_transactions_together, setup, teardown),
	    cmocka_unit_test_setup_teardown(empty_table_has_no_ends, setup, teardown),
	    cmocka_unit_test_setup_teardown(reserved_memory_is_enough, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
