/* What is drawn for a sample: in range, each once, the newest always, all of a small history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sample.h"

#include <stdlib.h>
#include <string.h>

#define ROOM 4096

static uint64_t tx[ROOM];

static size_t
draw(uint64_t last, size_t n, size_t newest)
{
	struct sample_plan plan = {last, n, newest};
	size_t len;

	assert_true(n + newest <= ROOM);
	memset(tx, 0, sizeof tx);
	assert_int_equal(sample_draw(&plan, tx, &len), IM_OK);
	assert_true(len <= n + newest);
	for (size_t i = 0; i < len; i++) {
		assert_true(tx[i] >= 1 && tx[i] <= last);
		assert_true(i == 0 || tx[i] > tx[i - 1]);
	}
	return len;
}

static void
an_empty_history_has_no_sample(void **state)
{
	(void)state;
	assert_int_equal(draw(0, 100, 10), 0);
	assert_int_equal(draw(5, 0, 0), 0);
}

static void
a_small_history_is_taken_whole(void **state)
{
	(void)state;
	assert_int_equal(draw(100, 100, 10), 100);
	assert_int_equal(draw(1, 100, 0), 1);
}

static void
the_newest_are_always_there(void **state)
{
	size_t len;

	(void)state;
	for (int round = 0; round < 50; round++) {
		len = draw(1000000, 20, 5);
		for (size_t i = 0; i < 5; i++)
			assert_int_equal(tx[len - 1 - i], 1000000 - i);
	}
	assert_int_equal(draw(3, 0, 100), 3);
}

/* Sixteen equal parts of a long history each get about a sixteenth. */
static void
all_of_history_is_drawn_from(void **state)
{
	size_t parts[16] = {0};
	size_t len = draw(UINT64_MAX, 4000, 0);

	(void)state;
	for (size_t i = 0; i < len; i++)
		parts[tx[i] >> 60]++;
	for (size_t i = 0; i < 16; i++)
		assert_true(parts[i] > 125 && parts[i] < 500);
}

static void
no_two_samples_are_alike(void **state)
{
	uint64_t before[ROOM];
	size_t len = draw(1000000000, 100, 0);

	(void)state;
	memcpy(before, tx, sizeof before);
	draw(1000000000, 100, 0);
	assert_memory_not_equal(before, tx, len * sizeof *tx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_empty_history_has_no_sample),
	    cmocka_unit_test(a_small_history_is_taken_whole),
	    cmocka_unit_test(the_newest_are_always_there),
	    cmocka_unit_test(all_of_history_is_drawn_from),
	    cmocka_unit_test(no_two_samples_are_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
