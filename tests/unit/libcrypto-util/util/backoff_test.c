#include "util_testing.h"

#include "util/backoff.h"

static void
assert_near(unsigned int got, unsigned int ms)
{
	assert_in_range(got, ms - ms / 4, ms + ms / 4);
}

static void
pauses_double_up_to_the_longest(void **state)
{
	struct backoff b = {.first_ms = 1000, .max_ms = 5000};

	(void)state;
	assert_near(backoff_next(&b), 1000);
	assert_near(backoff_next(&b), 2000);
	assert_near(backoff_next(&b), 4000);
	for (int i = 0; i < 100; i++)
		assert_near(backoff_next(&b), 5000);
	backoff_reset(&b);
	assert_near(backoff_next(&b), 1000);
}

static void
extremes_stay_in_range(void **state)
{
	struct backoff longest = {.first_ms = 0xffffffff, .max_ms = 0xffffffff};
	struct backoff nothing = {0};
	struct backoff odd = {.first_ms = 100, .max_ms = 10};

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_true(backoff_next(&longest) >= 0xc0000000);
		assert_int_equal(backoff_next(&nothing), 1);
		assert_near(backoff_next(&odd), 10);
	}
}

static void
pauses_differ(void **state)
{
	unsigned int first = backoff_jitter(1000000);
	int same = 0;

	(void)state;
	for (int i = 0; i < 20; i++)
		same += backoff_jitter(1000000) == first;
	assert_true(same < 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pauses_double_up_to_the_longest),
	    cmocka_unit_test(extremes_stay_in_range),
	    cmocka_unit_test(pauses_differ),
	};

	(void)folder_setup;
	(void)folder_teardown;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
