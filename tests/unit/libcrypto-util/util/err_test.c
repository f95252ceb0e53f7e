/* The error table and the detail text of a thread. */
#include "util_testing.h"

#include <errno.h>

static void
every_error_has_a_text_a_status_and_an_exit_code(void **state)
{
	(void)state;
	for (unsigned i = 0; i < IM_ERR_COUNT; i++) {
		enum im_err err = (enum im_err)i;

		assert_non_null(err_text(err));
		assert_true(err_text(err)[0] != '\0');
		assert_memory_equal(err_name(err), "IM_", 3);
		assert_true((err_status(err) == IM_STATUS_OK) == (err == IM_OK));
		assert_true((err_exit_code(err) == IM_EXIT_OK) == (err == IM_OK));
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(err_name(err), err_name((enum im_err)k));
	}
	assert_string_equal(err_name((enum im_err)IM_ERR_COUNT), "IM_ERR_INTERNAL");
	assert_string_equal(status_name(IM_STATUS_DATA_LOSS), "DataLoss");
	assert_string_equal(status_name((enum im_status)99), "Unknown");
}

static void
a_detail_belongs_to_one_error(void **state)
{
	char longer[2000];

	(void)state;
	err_clear();
	assert_string_equal(err_detail(IM_ERR_IO), err_text(IM_ERR_IO));
	assert_err(IM_ERR_IO, err_set(IM_ERR_IO, "%s: %d%%", "disk", 7));
	assert_string_equal(err_detail(IM_ERR_IO), "disk: 7%");
	assert_string_equal(err_detail(IM_ERR_LIMIT), err_text(IM_ERR_LIMIT));
	assert_err(IM_ERR_LIMIT, err_set(IM_ERR_LIMIT, "outer: %s", err_detail(IM_ERR_IO)));
	assert_has(err_detail(IM_ERR_LIMIT), "outer: ");
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	(void)err_set(IM_ERR_IO, "%s", longer);
	assert_true(strlen(err_detail(IM_ERR_IO)) < sizeof longer);
	errno = EACCES;
	assert_err(IM_ERR_IO, err_set_errno(IM_ERR_IO, "open", "/x/y"));
	assert_has(err_detail(IM_ERR_IO), "/x/y");
	assert_has(err_detail(IM_ERR_IO), "Permission denied");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_error_has_a_text_a_status_and_an_exit_code),
	    cmocka_unit_test(a_detail_belongs_to_one_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
