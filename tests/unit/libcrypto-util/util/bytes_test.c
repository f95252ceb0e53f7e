/* Views, growing buffers, readers of untrusted bytes, and arenas, each up to its limit. */
#include "util_testing.h"

#include "util/arena.h"

static void
views_compare_as_unsigned_bytes(void **state)
{
	(void)state;
	assert_true(bytes_equal(bytes_of(NULL, 0), bytes_str("")));
	assert_false(bytes_equal(bytes_str("a"), bytes_str("ab")));
	assert_true(bytes_compare(bytes_str("a"), bytes_str("ab")) < 0);
	assert_true(bytes_compare(bytes_str("\xff"), bytes_str("a")) > 0);
	assert_int_equal(bytes_compare(bytes_str("x"), bytes_str("x")), 0);
	assert_true(bytes_has_prefix(bytes_str("abc"), bytes_str("")));
	assert_false(bytes_has_prefix(bytes_str("a"), bytes_str("ab")));
}

static void
a_buffer_keeps_its_maximum_and_its_first_error(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	assert_true(buf_append_str(&b, "0123456"));
	assert_true(buf_append_be16(&b, 0x4142));
	assert_false(buf_append_be32(&b, 1));
	assert_err(IM_ERR_LIMIT, b.err);
	assert_false(buf_append_u8(&b, 'x'));
	assert_int_equal(b.len, 9);
	assert_memory_equal(b.data, "0123456AB", 9);
	buf_clear(&b);
	assert_true(buf_printf(&b, "%d-%s", 7, "x"));
	assert_string_equal(buf_text(&b), "7-x");
	assert_false(buf_printf(&b, "%s", "0123456789"));
	buf_wipe(&b);
	assert_int_equal(b.len, 0);
}

static void
a_reader_never_passes_the_end(void **state)
{
	static const uint8_t data[] = {1, 0, 2, 0, 0, 0, 3, 9};
	struct reader r = reader_of(bytes_of(data, sizeof data));

	(void)state;
	assert_int_equal(reader_u8(&r), 1);
	assert_int_equal(reader_be16(&r), 2);
	assert_int_equal(reader_be32(&r), 3);
	assert_int_equal(reader_left(&r), 1);
	assert_int_equal(reader_be64(&r), 0);
	assert_true(r.failed);
	assert_int_equal(reader_u8(&r), 0);
	assert_int_equal(reader_bytes(&r, SIZE_MAX).len, 0);
}

static void
integers_are_big_endian(void **state)
{
	uint8_t p[8];

	(void)state;
	be64_put(p, UINT64_C(0x0102030405060708));
	assert_memory_equal(p, "\1\2\3\4\5\6\7\10", 8);
	assert_true(be64_get(p) == UINT64_C(0x0102030405060708));
	assert_int_equal(be32_get(p), 0x01020304);
	assert_int_equal(be16_get(p), 0x0102);
}

static void
an_arena_stops_at_its_cap_and_stays_usable(void **state)
{
	struct arena a;
	size_t got = 0;

	(void)state;
	arena_init(&a, 100000);
	while (arena_alloc(&a, 1000))
		got += 1000;
	assert_in_range(got, 50000, 100000);
	assert_true(a.used <= a.cap);
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_calloc(&a, SIZE_MAX, 2));
	assert_int_equal(arena_copy(&a, bytes_of("x", 0)).len, 0);
	arena_wipe(&a);
	assert_int_equal(a.used, 0);
	assert_string_equal(arena_str(&a, bytes_str("again")), "again");
	arena_free(&a);
}

static void
arena_memory_is_aligned_and_cleared(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, 1 << 20);
	for (size_t n = 1; n < 3000; n += 7) {
		uint8_t *p = (uint8_t *)arena_calloc(&a, n, 1);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);
	}
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(views_compare_as_unsigned_bytes),
	    cmocka_unit_test(a_buffer_keeps_its_maximum_and_its_first_error),
	    cmocka_unit_test(a_reader_never_passes_the_end),
	    cmocka_unit_test(integers_are_big_endian),
	    cmocka_unit_test(an_arena_stops_at_its_cap_and_stays_usable),
	    cmocka_unit_test(arena_memory_is_aligned_and_cleared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
