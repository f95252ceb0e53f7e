/* Roots of ranges in memory: what is found is what was put for that range, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "store/range_memo.h"

#define SIZE_MAX_TESTED 600u

static struct hash
root_of(uint64_t lo, uint64_t hi)
{
	struct hash h = HASH_ZERO;

	memcpy(h.b, &lo, sizeof lo);
	memcpy(h.b + 8, &hi, sizeof hi);
	return h;
}

static bool
has(struct range_memo *m, uint64_t lo, uint64_t hi)
{
	struct hash h, right = root_of(lo, hi);
	bool found = range_memo_get(m, lo, hi, &h);

	if (found)
		assert_memory_equal(h.b, right.b, HASH_SIZE);
	return found;
}

static void
test_finds_what_was_put(void **state)
{
	struct range_memo m;
	struct hash h = root_of(64, 100);

	(void)state;
	range_memo_init(&m);
	assert_false(has(&m, 0, 100));
	assert_false(has(&m, 64, 100));
	range_memo_put(&m, 64, 100, &h);
	assert_true(has(&m, 64, 100));
	assert_false(has(&m, 64, 101));
	assert_false(has(&m, 0, 100));
	range_memo_free(&m);
}

/* However many are put: the newest is there, and none is another's. */
static void
test_newest_wins(void **state)
{
	struct range_memo m;
	size_t found = 0;

	(void)state;
	range_memo_init(&m);
	for (uint64_t hi = 1; hi <= SIZE_MAX_TESTED; hi++) {
		for (uint64_t lo = 0; lo < hi; lo += 16) {
			struct hash h = root_of(lo, hi);

			range_memo_put(&m, lo, hi, &h);
			assert_true(has(&m, lo, hi));
		}
	}
	for (uint64_t hi = 1; hi <= SIZE_MAX_TESTED; hi++)
		for (uint64_t lo = 0; lo < hi; lo += 16)
			found += has(&m, lo, hi);
	assert_in_range(found, RANGE_MEMO_SLOTS / 2, RANGE_MEMO_SLOTS);
	range_memo_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_finds_what_was_put),
	    cmocka_unit_test(test_newest_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
