/* What goes into one transaction, and the last line before which everything is acknowledged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "import_batch.h"

static enum import_add
add(struct import_batch *b, const char *key, const char *value, uint64_t line)
{
	struct import_row row = {bytes_str(key), bytes_str(value), 0, line, line};

	return import_batch_add(b, &row);
}

static void
expect_kv(const struct immu_kv *kv, const char *key, const char *value)
{
	assert_int_equal(kv->key.len, strlen(key));
	assert_memory_equal(kv->key.data, key, kv->key.len);
	assert_int_equal(kv->value.len, strlen(value));
	assert_memory_equal(kv->value.data, value, kv->value.len);
}

static void
repeated_keys_are_refused(void **state)
{
	struct import_ring r;
	struct import_batch *b;

	(void)state;
	assert_int_equal(import_ring_init(&r, 1, 10), IM_OK);
	b = import_ring_filling(&r);
	assert_int_equal(add(b, "a", "1", 1), IMPORT_ADDED);
	assert_int_equal(add(b, "b", "", 2), IMPORT_ADDED);
	assert_int_equal(add(b, "a", "2", 3), IMPORT_REFUSED);
	assert_int_equal(add(b, "ab", "3", 4), IMPORT_ADDED);
	assert_int_equal(b->len, 3);
	expect_kv(&import_batch_kvs(b)[0], "a", "1");
	expect_kv(&import_batch_kvs(b)[1], "b", "");
	expect_kv(&import_batch_kvs(b)[2], "ab", "3");
	assert_true(b->first_line == 1 && b->last_line == 4);
	import_batch_clear(b);
	assert_int_equal(add(b, "a", "2", 3), IMPORT_ADDED);
	assert_int_equal(b->len, 1);
	import_ring_free(&r);
}

/* All keys of the largest batch are found again, whatever their hashes are. */
static void
full_batch(void **state)
{
	struct import_batch *b = malloc(sizeof *b);
	char key[16];

	(void)state;
	assert_non_null(b);
	import_batch_init(b, 100000);
	for (unsigned i = 0; i < IMPORT_BATCH_ROWS_MAX; i++) {
		snprintf(key, sizeof key, "%u", i);
		assert_int_equal(add(b, key, "v", i + 1), IMPORT_ADDED);
		assert_int_equal(add(b, key, "v", i + 1), IMPORT_REFUSED);
	}
	assert_int_equal(add(b, "one more", "v", 1), IMPORT_REFUSED);
	assert_int_equal(b->len, IMPORT_BATCH_ROWS_MAX);
	import_batch_free(b);
	free(b);
}

static void
large_rows_go_alone(void **state)
{
	struct import_batch *b = malloc(sizeof *b);
	char *large = malloc(IMPORT_BATCH_BYTES + 2);

	(void)state;
	assert_true(b && large);
	memset(large, 'x', IMPORT_BATCH_BYTES + 1);
	large[IMPORT_BATCH_BYTES + 1] = '\0';
	import_batch_init(b, 10);
	assert_int_equal(add(b, "small", "v", 1), IMPORT_ADDED);
	assert_int_equal(add(b, "large", large, 2), IMPORT_REFUSED);
	import_batch_clear(b);
	assert_int_equal(add(b, "large", large, 2), IMPORT_ADDED);
	assert_int_equal(add(b, "small", "v", 3), IMPORT_REFUSED);
	import_batch_free(b);
	free(b);
	free(large);
}

/* Fills and sends a batch with one row of this line. */
static struct import_batch *
send_one(struct import_ring *r, uint64_t line)
{
	struct import_batch *b = import_ring_filling(r);

	assert_non_null(b);
	assert_int_equal(b->len, 0);
	assert_int_equal(add(b, "k", "v", line), IMPORT_ADDED);
	import_ring_send(r);
	return b;
}

static void
gaps_hold_the_last_line_back(void **state)
{
	struct import_ring r;
	struct import_batch *one, *two, *three;

	(void)state;
	assert_int_equal(import_ring_init(&r, 3, 10), IM_OK);
	one = send_one(&r, 10);
	two = send_one(&r, 20);
	three = send_one(&r, 30);
	assert_null(import_ring_filling(&r));
	import_ring_acknowledge(&r, three);
	assert_true(r.last_line == 0 && r.rows == 0);
	assert_null(import_ring_filling(&r));
	import_ring_acknowledge(&r, one);
	assert_true(r.last_line == 10 && r.rows == 1);
	assert_ptr_equal(send_one(&r, 40), one);
	import_ring_acknowledge(&r, two);
	assert_true(r.last_line == 30 && r.rows == 3 && r.finished == 3);
	import_ring_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(repeated_keys_are_refused),
	    cmocka_unit_test(full_batch),
	    cmocka_unit_test(large_rows_go_alone),
	    cmocka_unit_test(gaps_hold_the_last_line_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
