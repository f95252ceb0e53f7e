/* The pace of the sweep: shares that cover a period evenly, and pauses that keep to a rate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sweep.h"

#include "util/clock.h"

static void
the_first_pass_begins_at_once(void **state)
{
	struct sweep_plan plan = {.last = 1000, .now = 5000, .period_s = 1000, .interval_s = 100};
	struct sweep_share share = sweep_plan_share(&plan);

	(void)state;
	assert_int_equal(share.from, 1);
	assert_int_equal(share.to, 101);
	assert_int_equal(share.started_at, 5000);
}

/* As rounds go by, with each doing what it is told to. */
static void
a_pass_is_through_at_the_end_of_its_period(void **state)
{
	struct sweep_plan plan = {.last = 12345, .now = 7, .period_s = 86400, .interval_s = 300};
	uint64_t most = 0;
	int rounds = 0;

	(void)state;
	do {
		struct sweep_share share = sweep_plan_share(&plan);

		rounds++;
		assert_int_equal(share.from, plan.position ? plan.position : 1);
		assert_true(share.to <= plan.last);
		if (share.to >= share.from && share.to - share.from + 1 > most)
			most = share.to - share.from + 1;
		plan.started_at = share.started_at;
		plan.position = share.to + 1;
		plan.now += 300;
	} while (plan.position <= plan.last && rounds < 1000);
	assert_in_range(rounds, 287, 289);
	assert_in_range(most, 42, 45);
}

static void
a_late_pass_catches_up(void **state)
{
	struct sweep_plan plan = {.last = 1000,
	    .position = 11,
	    .started_at = 1000,
	    .now = 1900,
	    .period_s = 1000,
	    .interval_s = 50};

	(void)state;
	assert_int_equal(sweep_plan_share(&plan).to, 951);
	plan.now = 2500;
	assert_int_equal(sweep_plan_share(&plan).to, 1000);
}

static void
the_next_pass_waits_for_its_period(void **state)
{
	struct sweep_plan plan = {.last = 1000,
	    .started_at = 1000,
	    .finished_at = 1990,
	    .now = 1999,
	    .period_s = 1000,
	    .interval_s = 10};
	struct sweep_share share = sweep_plan_share(&plan);

	(void)state;
	assert_true(share.from > share.to);
	plan.now = 2000;
	share = sweep_plan_share(&plan);
	assert_int_equal(share.from, 1);
	assert_int_equal(share.to, 11);
	assert_int_equal(share.started_at, 2000);
}

/* A clock that was put back must not make shares of nothing or of everything. */
static void
odd_clocks_are_survived(void **state)
{
	struct sweep_plan plan = {.last = 1000,
	    .position = 500,
	    .started_at = 100000,
	    .now = 5,
	    .period_s = 1000,
	    .interval_s = 10};

	(void)state;
	assert_true(sweep_plan_share(&plan).to <= 1000);
	plan.position = 0;
	plan.finished_at = 100500;
	assert_true(sweep_plan_share(&plan).to <= 1000);
}

static void
without_rounds_all_is_read(void **state)
{
	struct sweep_plan plan = {.last = 1000, .position = 400, .now = 10, .period_s = 86400};
	struct sweep_share share = sweep_plan_share(&plan);

	(void)state;
	assert_int_equal(share.from, 400);
	assert_int_equal(share.to, 1000);
}

static void
pauses_keep_to_the_rate(void **state)
{
	(void)state;
	assert_int_equal(sweep_pause_ns(1000, 0, 0), 0);
	assert_int_equal(sweep_pause_ns(1000, 0, 1000), CLOCK_NS_PER_S);
	assert_int_equal(sweep_pause_ns(1000, CLOCK_NS_PER_S / 4, 1000), CLOCK_NS_PER_S / 4 * 3);
	assert_int_equal(sweep_pause_ns(1000, 2 * CLOCK_NS_PER_S, 1000), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_pass_begins_at_once),
	    cmocka_unit_test(a_pass_is_through_at_the_end_of_its_period),
	    cmocka_unit_test(a_late_pass_catches_up),
	    cmocka_unit_test(the_next_pass_waits_for_its_period),
	    cmocka_unit_test(odd_clocks_are_survived),
	    cmocka_unit_test(without_rounds_all_is_read),
	    cmocka_unit_test(pauses_keep_to_the_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
