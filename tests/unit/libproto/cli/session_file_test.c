/* The stored session: private, read back as it was, and refused when it is something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/session_file.h"
#include "temp_dir.h"
#include "util/file.h"

struct files {
	char folder[TEMP_DIR_MAX];
	char path[96];
};

static int
setup(void **state)
{
	struct files *f = calloc(1, sizeof *f);

	assert_non_null(f);
	temp_dir_make(f->folder);
	snprintf(f->path, sizeof f->path, "%s/s", f->folder);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct files *f = *state;

	temp_dir_remove(f->folder);
	free(f);
	return 0;
}

static void
round_trip(void **state)
{
	struct files *f = *state;
	struct session_record w, r;
	struct stat st;

	session_record_init(&w);
	session_record_init(&r);
	assert_int_equal(session_record_read(f->path, &r), IM_ERR_NOT_FOUND);
	assert_int_equal(session_record_set(&w, "::1:3322", "me", "", "to ken"), IM_OK);
	assert_int_equal(session_record_write(f->path, &w), IM_OK);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(session_record_read(f->path, &r), IM_OK);
	assert_string_equal((const char *)r.address.data, "::1:3322");
	assert_string_equal((const char *)r.user.data, "me");
	assert_string_equal((const char *)r.database.data, "");
	assert_string_equal((const char *)r.token.data, "to ken");
	assert_int_equal(session_record_set(&w, "a", "u", "b", "one\ntwo"), IM_ERR_FORMAT);
	session_record_free(&w);
	session_record_free(&r);
}

static void
other_files_are_refused(void **state)
{
	static const char *const texts[] = {"", "immuclient-session 1\n",
	    "immuclient-session 2\naddress a\nuser u\ndatabase b\ntoken t\n",
	    "immuclient-session 1\naddress a\nuser u\ndatabase b\ntoken t",
	    "immuclient-session 1\naddress a\nuser u\ntoken t\ndatabase b\n",
	    "immuclient-session 1\naddress a\nuser u\ndatabase b\ntoken t\nmore x\n",
	    "immuclient-session 1\naddressa\nuser u\ndatabase b\ntoken t\n", NULL};
	struct files *f = *state;
	struct session_record r;

	session_record_init(&r);
	for (const char *const *text = texts; *text; text++) {
		assert_int_equal(file_replace(f->path, bytes_str(*text)), IM_OK);
		assert_int_equal(session_record_read(f->path, &r), IM_ERR_FORMAT);
		assert_non_null(strstr(err_detail(IM_ERR_FORMAT), f->path));
	}
	session_record_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(round_trip, setup, teardown),
	    cmocka_unit_test_setup_teardown(other_files_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
