/* Evidence files: a name from the network reaches plain files of the folder and nothing else. */
#include "web_evidence.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "temp_dir.h"
#include "util/file.h"

static void
evidence_names(void **state)
{
	static const char *const good[] = {"a", "payments-1.immuproof", "A_b.c-9"};
	static const char *const bad[] = {"", ".", "..", ".hidden", "a/b", "/a", "../a", "a\\b",
	    "a b", "a\"b", "a\nb", "a%2e", "\xc3\xa4", "a\x7f"};
	char too_long[300];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(web_evidence_is_name(good[i]));
	for (i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(web_evidence_is_name(bad[i]));
	memset(too_long, 'a', sizeof too_long - 1);
	too_long[sizeof too_long - 1] = '\0';
	assert_false(web_evidence_is_name(too_long));
	too_long[255] = '\0';
	assert_true(web_evidence_is_name(too_long));
}

static void
expect_none(const char *folder, const char *name)
{
	struct buf out;

	buf_init(&out, 1024);
	if (web_evidence_read(folder, name, &out) != IM_ERR_NOT_FOUND || out.len != 0)
		fail_msg("served: %s", name);
	buf_free(&out);
}

/* A folder "evidence" with a file, a link out of it, a folder and a pipe; beside it a secret. */
static int
folder_make(void **state)
{
	static char dir[TEMP_DIR_MAX];
	char path[TEMP_DIR_MAX + 64];

	temp_dir_make(dir);
	*state = dir;
	snprintf(path, sizeof path, "%s/secret", dir);
	assert_int_equal(file_replace(path, bytes_str("hidden")), IM_OK);
	snprintf(path, sizeof path, "%s/evidence", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/evidence/one.immuproof", dir);
	assert_int_equal(file_replace(path, bytes_str("proof")), IM_OK);
	snprintf(path, sizeof path, "%s/evidence/link", dir);
	assert_int_equal(symlink("../secret", path), 0);
	snprintf(path, sizeof path, "%s/evidence/folder", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/evidence/pipe", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	return 0;
}

static int
folder_remove(void **state)
{
	temp_dir_remove(*state);
	return 0;
}

static void
evidence_files(void **state)
{
	static const char *const none[] = {"none", "link", "folder", "pipe", "../secret", "..", ""};
	char path[TEMP_DIR_MAX + 64];
	struct buf out;
	size_t i;

	snprintf(path, sizeof path, "%s/evidence", (const char *)*state);
	buf_init(&out, WEB_EVIDENCE_MAX);
	assert_int_equal(web_evidence_read(path, "one.immuproof", &out), IM_OK);
	assert_true(bytes_equal(buf_bytes(&out), bytes_str("proof")));
	buf_free(&out);
	for (i = 0; i < sizeof none / sizeof *none; i++)
		expect_none(path, none[i]);
	expect_none("/nonexistent", "one.immuproof");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(evidence_names),
	    cmocka_unit_test_setup_teardown(evidence_files, folder_make, folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
