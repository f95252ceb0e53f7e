/* The pace of new connections: the schedule, the turns of the places, and those who leave early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/admission.h"
#include "util/clock.h"

#define RATE 1000u
#define BURST (RATE / 4)
#define STEP_NS (CLOCK_NS_PER_S / RATE)
#define MANY 2000u
/* As good as any: no two of the places below share a lane with it. */
#define SEED 12345u
#define FLOOD 1u
#define OTHER 2u

static struct admission_ticket tickets[MANY];

static size_t
enter_many(struct admission *a, size_t n, uint64_t place, int64_t now_ns)
{
	size_t passed = 0;

	memset(tickets, 0, sizeof tickets);
	for (size_t i = 0; i < n; i++)
		passed += admission_enter(a, &tickets[i], place, now_ns);
	return passed;
}

static void
test_burst_then_pace(void **state)
{
	struct admission a;
	int64_t now = 5 * CLOCK_NS_PER_S;
	size_t served = 0;

	(void)state;
	admission_init(&a, RATE, SEED);
	assert_int_equal(admission_due_ns(&a), INT64_MAX);
	assert_in_range(enter_many(&a, MANY, FLOOD, now), BURST, BURST + 1);
	assert_int_equal(a.waiting, MANY - BURST - 1);
	/* Each when it is due, and none before; in the order in which they came. */
	while (a.waiting > 0) {
		now = admission_due_ns(&a);
		assert_null(admission_next(&a, now - 1));
		assert_ptr_equal(admission_next(&a, now), &tickets[BURST + 1 + served]);
		assert_null(admission_next(&a, now));
		served++;
	}
	assert_int_equal(served, MANY - BURST - 1);
	assert_int_equal(now, 5 * CLOCK_NS_PER_S + (int64_t)served * STEP_NS);
}

static void
test_places_take_turns(void **state)
{
	struct admission_ticket other[3] = {0};
	struct admission a;
	int64_t now = CLOCK_NS_PER_S;
	unsigned between = 0, found = 0;

	(void)state;
	admission_init(&a, RATE, SEED);
	enter_many(&a, MANY, FLOOD, now);
	for (size_t i = 0; i < 3; i++)
		assert_false(admission_enter(&a, &other[i], OTHER, now));
	assert_int_not_equal(other[0].lane, tickets[MANY - 1].lane);
	while (found < 3) {
		now = admission_due_ns(&a);
		if (admission_next(&a, now) == &other[found])
			found++;
		else
			between++;
	}
	/* Thousands came before them, and they waited for one each. */
	assert_in_range(between, 2, 3);
}

static void
test_who_leaves_is_not_served(void **state)
{
	struct admission a;
	int64_t now = CLOCK_NS_PER_S;
	size_t first = BURST + 1;

	(void)state;
	admission_init(&a, RATE, SEED);
	enter_many(&a, first + 4, FLOOD, now);
	admission_leave(&a, &tickets[first]);     /* the first, */
	admission_leave(&a, &tickets[first + 2]); /* one in the middle, */
	admission_leave(&a, &tickets[first + 3]); /* the last, */
	admission_leave(&a, &tickets[first + 3]); /* once more, */
	admission_leave(&a, &tickets[0]);         /* and one that never waited */
	assert_int_equal(a.waiting, 1);
	assert_ptr_equal(admission_next(&a, admission_due_ns(&a)), &tickets[first + 1]);
	assert_int_equal(a.waiting, 0);
	assert_int_equal(admission_due_ns(&a), INT64_MAX);
	assert_null(admission_next(&a, INT64_MAX / 2));
	/* The lane is whole: the next one is served as well. */
	assert_false(admission_enter(&a, &tickets[first], FLOOD, now));
	assert_ptr_equal(admission_next(&a, admission_due_ns(&a)), &tickets[first]);
}

static void
test_nobody_overtakes_those_who_wait(void **state)
{
	struct admission_ticket late = {0};
	struct admission a;
	int64_t now = CLOCK_NS_PER_S;

	(void)state;
	admission_init(&a, RATE, SEED);
	enter_many(&a, BURST + 2, FLOOD, now);
	/* There is room again, but somebody was there before. */
	assert_false(admission_enter(&a, &late, FLOOD, now + CLOCK_NS_PER_S));
	assert_ptr_equal(admission_next(&a, now + CLOCK_NS_PER_S), &tickets[BURST + 1]);
	assert_ptr_equal(admission_next(&a, now + CLOCK_NS_PER_S), &late);
}

static void
test_no_limit(void **state)
{
	struct admission a;

	(void)state;
	admission_init(&a, 0, SEED);
	assert_int_equal(enter_many(&a, MANY, FLOOD, 0), MANY);
	assert_int_equal(admission_due_ns(&a), INT64_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_burst_then_pace),
	    cmocka_unit_test(test_places_take_turns),
	    cmocka_unit_test(test_who_leaves_is_not_served),
	    cmocka_unit_test(test_nobody_overtakes_those_who_wait),
	    cmocka_unit_test(test_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
