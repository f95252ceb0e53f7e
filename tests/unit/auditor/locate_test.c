/* The search among older proven states: few questions, the right answer, and an end on errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "locate.h"

struct history {
	size_t first_bad;
	size_t asked, asked_max;
	size_t fails_at; /* of the questions; 0: never */
};

static enum im_err
agrees(void *arg, size_t point, bool *out)
{
	struct history *h = arg;

	h->asked++;
	if (h->fails_at == h->asked)
		return IM_ERR_TIMEOUT;
	*out = point < h->first_bad;
	return IM_OK;
}

static void
the_first_that_does_not_agree_is_found(void **state)
{
	(void)state;
	for (size_t len = 0; len <= 130; len++) {
		for (size_t bad = 0; bad <= len; bad++) {
			struct history h = {.first_bad = bad};
			size_t found = SIZE_MAX;

			assert_int_equal(locate_search(len, agrees, &h, &found), IM_OK);
			assert_int_equal(found, bad);
			assert_true(h.asked <= 8);
		}
	}
}

static void
an_error_ends_the_search(void **state)
{
	struct history h = {.first_bad = 50, .fails_at = 3};
	size_t found;

	(void)state;
	assert_int_equal(locate_search(128, agrees, &h, &found), IM_ERR_TIMEOUT);
	assert_int_equal(h.asked, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_that_does_not_agree_is_found),
	    cmocka_unit_test(an_error_ends_the_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
