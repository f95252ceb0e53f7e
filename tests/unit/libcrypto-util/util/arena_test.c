/* Arenas: alignment, the cap, large pieces, what a reset and a rewind keep. */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/arena.h"

static void
test_alignment_and_content(void **state)
{
	uint8_t *p[100];
	struct arena a;

	(void)state;
	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < 100; i++) {
		p[i] = (uint8_t *)arena_alloc(&a, i * 37);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % alignof(max_align_t), 0);
		memset(p[i], (int)i, i * 37);
	}
	for (size_t i = 0; i < 100; i++)
		for (size_t k = 0; k < i * 37; k++)
			assert_int_equal(p[i][k], i);
	arena_free(&a);
	assert_int_equal(a.used, 0);
}

static void
test_cap(void **state)
{
	struct arena a;
	size_t n = 0;

	(void)state;
	arena_init(&a, 10000);
	assert_null(arena_alloc(&a, 10001));
	assert_null(arena_calloc(&a, SIZE_MAX / 2, 3));
	while (arena_alloc(&a, 100))
		n++;
	assert_true(n > 50 && n <= 100);
	assert_true(a.used <= 10000);
	arena_free(&a);
	assert_non_null(arena_alloc(&a, 9000));
	arena_free(&a);
}

static void
test_copies(void **state)
{
	struct bytes v;
	struct arena a;

	(void)state;
	arena_init(&a, 1000);
	v = arena_copy(&a, bytes_str("value"));
	assert_true(bytes_equal(v, bytes_str("value")));
	assert_string_equal(arena_str(&a, v), "value");
	assert_int_equal(arena_copy(&a, bytes_of(NULL, 0)).len, 0);
	assert_int_equal(arena_copy(&a, bytes_of(&a, 2000)).len, 0);
	arena_free(&a);
}

static void
test_reset(void **state)
{
	struct arena a;
	void *first;

	(void)state;
	arena_init(&a, 1 << 20);
	arena_reset(&a, 4096);
	assert_int_equal(a.used, 0);
	first = arena_alloc(&a, 100);
	assert_non_null(arena_alloc(&a, 100000));
	for (int i = 0; i < 100; i++)
		assert_non_null(arena_alloc(&a, 500));
	arena_reset(&a, 4096);
	/* One small block is kept, and used again. */
	assert_true(a.used > 0 && a.used <= 4096);
	assert_ptr_equal(arena_alloc(&a, 100), first);
	/* Nothing small enough: nothing is kept. */
	arena_reset(&a, 10);
	assert_int_equal(a.used, 0);
	assert_non_null(arena_alloc(&a, 50000));
	arena_reset(&a, 4096);
	assert_int_equal(a.used, 0);
	arena_free(&a);
}

/* Rewinding frees what came after the mark, pieces of their own size included, and nothing else. */
static void
test_rewind(void **state)
{
	struct arena_mark empty, mark;
	struct arena a;
	uint8_t *kept, *large;
	size_t used;

	(void)state;
	arena_init(&a, 1 << 20);
	empty = arena_mark(&a);
	kept = (uint8_t *)arena_alloc(&a, 100);
	large = (uint8_t *)arena_alloc(&a, 50000);
	memset(kept, 1, 100);
	memset(large, 2, 50000);
	mark = arena_mark(&a);
	used = a.used;
	for (int round = 0; round < 50; round++) {
		assert_non_null(arena_alloc(&a, 60000));
		for (int i = 0; i < 100; i++)
			assert_non_null(memset(arena_alloc(&a, 900), 3, 900));
		assert_non_null(arena_alloc(&a, 200000));
		assert_true(a.used > used + 260000);
		arena_rewind(&a, &mark);
		assert_int_equal(a.used, used);
	}
	assert_int_equal(kept[99], 1);
	assert_int_equal(large[49999], 2);
	arena_rewind(&a, &empty);
	assert_int_equal(a.used, 0);
	assert_non_null(arena_alloc(&a, 300000));
	arena_rewind(&a, &empty);
	assert_int_equal(a.used, 0);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_alignment_and_content),
	    cmocka_unit_test(test_cap),
	    cmocka_unit_test(test_copies),
	    cmocka_unit_test(test_reset),
	    cmocka_unit_test(test_rewind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
