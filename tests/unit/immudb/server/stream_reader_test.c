/* The messages of a stream: lengths that lie, numbers, raw forms made in place. */
#include "server/stream_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct stream_reader
reader_over(uint8_t *data, size_t len)
{
	return (struct stream_reader){data, len, 0};
}

static void
messages_follow_one_another(void **state)
{
	uint8_t data[] = {0, 0, 0, 0, 0, 0, 0, 2, 'a', 'b', /* */
	    0, 0, 0, 0, 0, 0, 0, 0,                         /* */
	    0, 0, 0, 0, 0, 0, 0, 1, 'c'};
	struct stream_reader r = reader_over(data, sizeof data);
	struct bytes m;

	(void)state;
	assert_int_equal(stream_next(&r, &m), IM_OK);
	assert_true(bytes_equal(m, bytes_str("ab")));
	assert_int_equal(stream_next(&r, &m), IM_OK);
	assert_int_equal(m.len, 0);
	assert_true(stream_has_more(&r));
	assert_int_equal(stream_next(&r, &m), IM_OK);
	assert_true(bytes_equal(m, bytes_str("c")));
	assert_false(stream_has_more(&r));
	assert_int_equal(stream_next(&r, &m), IM_ERR_STREAM_MISSING);
}

static void
lengths_that_lie_are_refused(void **state)
{
	uint8_t data[] = {0, 0, 0, 0, 0, 0, 0, 2, 'a', 'b'};
	struct stream_reader r;
	struct bytes m;

	(void)state;
	/* Every cut but the empty one. */
	for (size_t len = 1; len < sizeof data; len++) {
		r = reader_over(data, len);
		assert_int_equal(stream_next(&r, &m), IM_ERR_STREAM_SHORT);
	}
	data[7] = 3;
	r = reader_over(data, sizeof data);
	assert_int_equal(stream_next(&r, &m), IM_ERR_STREAM_SHORT);
	memset(data, 0xff, 8);
	r = reader_over(data, sizeof data);
	assert_int_equal(stream_next(&r, &m), IM_ERR_STREAM_SHORT);
	assert_int_equal(stream_next_raw(&r, 0, &m), IM_ERR_STREAM_SHORT);
	assert_int_equal(data[7], 0xff);
}

static void
raw_forms_are_made_in_place(void **state)
{
	uint8_t data[] = {0, 0, 0, 0, 0, 0, 0, 1, 'k', 0, 0, 0, 0, 0, 0, 0, 0};
	struct stream_reader r = reader_over(data, sizeof data);
	struct bytes m;

	(void)state;
	assert_int_equal(stream_next_raw(&r, 7, &m), IM_OK);
	assert_int_equal(m.len, 2);
	assert_memory_equal(m.data, "\7k", 2);
	assert_int_equal(stream_next_raw(&r, 0, &m), IM_OK);
	assert_int_equal(m.len, 1);
	assert_int_equal(m.data[0], 0);
	assert_int_equal(stream_next_raw(&r, 0, &m), IM_ERR_STREAM_MISSING);
}

static void
numbers_have_eight_bytes(void **state)
{
	uint8_t data[] = {
	    0, 0, 0, 0, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1, 9};
	struct stream_reader r = reader_over(data, sizeof data);
	uint64_t v;

	(void)state;
	assert_int_equal(stream_next_u64(&r, &v), IM_OK);
	assert_true(v == UINT64_C(0x0102030405060708));
	assert_int_equal(stream_next_u64(&r, &v), IM_ERR_ARGUMENT);
	assert_int_equal(stream_next_u64(&r, &v), IM_ERR_STREAM_MISSING);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_follow_one_another),
	    cmocka_unit_test(lengths_that_lie_are_refused),
	    cmocka_unit_test(raw_forms_are_made_in_place),
	    cmocka_unit_test(numbers_have_eight_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
