/* Which databases are audited: filters, names that are there, names that were trusted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "selection.h"

#include <stdio.h>
#include <string.h>

static void
filters_are_beginnings(void **state)
{
	const char *const filters[] = {"de", "shop"};

	(void)state;
	assert_true(selection_accepts(NULL, 0, "anything"));
	assert_true(selection_accepts(filters, 2, "defaultdb"));
	assert_true(selection_accepts(filters, 2, "shop"));
	assert_false(selection_accepts(filters, 2, "workshop"));
	assert_false(selection_accepts(filters, 2, "d"));
}

static void
names_are_sorted_and_kept_once(void **state)
{
	struct selection s = {0};

	(void)state;
	assert_int_equal(selection_add(&s, "b"), IM_OK);
	assert_int_equal(selection_add(&s, "a"), IM_OK);
	assert_int_equal(selection_add(&s, "b"), IM_OK);
	assert_int_equal(selection_apply(&s, NULL, 0), IM_OK);
	assert_int_equal(s.len, 2);
	assert_string_equal(s.items[0].name, "a");
	assert_string_equal(s.items[1].name, "b");
	selection_free(&s);
}

static void
many_names(void **state)
{
	struct selection s = {0};
	char name[16];

	(void)state;
	for (int i = 999; i >= 0; i--) {
		snprintf(name, sizeof name, "db%03d", i);
		assert_int_equal(selection_add(&s, name), IM_OK);
	}
	assert_int_equal(s.len, 1000);
	for (size_t i = 1; i < s.len; i++)
		assert_true(strcmp(s.items[i - 1].name, s.items[i].name) < 0);
	selection_free(&s);
}

/* A server may list what it likes; each costs us memory. */
static void
there_is_a_limit(void **state)
{
	struct selection s = {0};
	char name[16];

	(void)state;
	for (int i = 0; i < SELECTION_MAX; i++) {
		snprintf(name, sizeof name, "db%07d", i);
		assert_int_equal(selection_add(&s, name), IM_OK);
	}
	assert_int_equal(selection_add(&s, "one-more"), IM_ERR_LIMIT);
	/* What is there is no more than there was. */
	assert_int_equal(selection_add(&s, "db0000000"), IM_OK);
	assert_int_equal(s.len, SELECTION_MAX);
	selection_free(&s);
}

static void
a_filter_without_a_database_is_told(void **state)
{
	const char *const filters[] = {"a", "nothing"};
	struct selection s = {0};

	(void)state;
	assert_int_equal(selection_add(&s, "alpha"), IM_OK);
	assert_int_equal(selection_add(&s, "beta"), IM_OK);
	assert_int_equal(selection_apply(&s, filters, 2), IM_ERR_NOT_FOUND);
	assert_non_null(strstr(err_detail(IM_ERR_NOT_FOUND), "nothing"));
	assert_non_null(strstr(err_detail(IM_ERR_NOT_FOUND), "alpha, beta"));
	/* The other one is audited all the same. */
	assert_int_equal(s.len, 1);
	assert_string_equal(s.items[0].name, "alpha");
	selection_free(&s);
}

static void
no_database_at_all_is_told(void **state)
{
	struct selection s = {0};

	(void)state;
	assert_int_equal(selection_apply(&s, NULL, 0), IM_ERR_NOT_FOUND);
	assert_int_equal(s.len, 0);
}

static void
the_list_in_the_message_is_bounded(void **state)
{
	const char *const filter = "zzz";
	struct selection s = {0};
	char name[REPORT_NAME_MAX + 2];

	(void)state;
	memset(name, 'x', sizeof name);
	name[REPORT_NAME_MAX + 1] = '\0';
	/* One byte too long to be anybody's name. */
	assert_int_equal(selection_add(&s, name), IM_OK);
	assert_int_equal(s.len, 0);
	name[REPORT_NAME_MAX] = '\0';
	for (char c = 'a'; c < 'z'; c++) {
		name[0] = c;
		assert_int_equal(selection_add(&s, name), IM_OK);
	}
	assert_int_equal(selection_apply(&s, &filter, 1), IM_ERR_NOT_FOUND);
	assert_true(strlen(err_detail(IM_ERR_NOT_FOUND)) < 1024);
	selection_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(filters_are_beginnings),
	    cmocka_unit_test(names_are_sorted_and_kept_once),
	    cmocka_unit_test(many_names),
	    cmocka_unit_test(there_is_a_limit),
	    cmocka_unit_test(a_filter_without_a_database_is_told),
	    cmocka_unit_test(no_database_at_all_is_told),
	    cmocka_unit_test(the_list_in_the_message_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
