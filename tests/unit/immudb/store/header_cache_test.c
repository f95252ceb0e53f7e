/* Headers in memory: what is found is what was put under that id, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "store/header_cache.h"

static struct tx_header
header_of(uint64_t id)
{
	struct tx_header h;

	memset(&h, 0, sizeof h);
	h.id = id;
	h.ts = (int64_t)(id * 7);
	return h;
}

static void
test_empty(void **state)
{
	struct header_cache c;
	struct tx_header h;

	(void)state;
	header_cache_init(&c);
	assert_false(header_cache_get(&c, 0, &h));
	assert_false(header_cache_get(&c, 1, &h));
	h = header_of(5);
	header_cache_put(&c, &h);
	/* A free slot is not transaction 0. */
	assert_false(header_cache_get(&c, 0, &h));
	assert_false(header_cache_get(&c, 1, &h));
	header_cache_free(&c);
}

static void
test_newest_stay(void **state)
{
	const uint64_t n = 3 * HEADER_CACHE_SLOTS;
	struct header_cache c;
	struct tx_header h;

	(void)state;
	header_cache_init(&c);
	for (uint64_t id = 1; id <= n; id++) {
		h = header_of(id);
		header_cache_put(&c, &h);
	}
	for (uint64_t id = 1; id <= n + 1; id++) {
		bool kept = id > n - HEADER_CACHE_SLOTS && id <= n;

		assert_int_equal(header_cache_get(&c, id, &h), kept);
		if (kept) {
			assert_int_equal(h.id, id);
			assert_int_equal(h.ts, id * 7);
		}
	}
	header_cache_free(&c);
}

/* Ids that share a slot put each other out, and are never taken for one another. */
static void
test_same_slot(void **state)
{
	struct header_cache c;
	struct tx_header h = header_of(3);

	(void)state;
	header_cache_init(&c);
	header_cache_put(&c, &h);
	assert_false(header_cache_get(&c, 3 + HEADER_CACHE_SLOTS, &h));
	h = header_of(3 + HEADER_CACHE_SLOTS);
	header_cache_put(&c, &h);
	assert_false(header_cache_get(&c, 3, &h));
	assert_true(header_cache_get(&c, 3 + HEADER_CACHE_SLOTS, &h));
	assert_int_equal(h.id, 3 + HEADER_CACHE_SLOTS);
	header_cache_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_newest_stay),
	    cmocka_unit_test(test_same_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
