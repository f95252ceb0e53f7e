#ifndef TEST_TEMP_DIR_H
#define TEST_TEMP_DIR_H

/*
 * A folder of its own for a test, and its end with all that is in it. The two belong in setup
 * and teardown, which run even when the test between them fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* With the NUL; short enough that the path of a socket in the folder is not too long. */
#define TEMP_DIR_MAX 64
#define TEMP_DIR_WALK_FDS 16

/* Makes a new folder below $TMPDIR, or below /tmp when that is not set or its path is too long. */
static inline void
temp_dir_make(char path[TEMP_DIR_MAX])
{
	const char *below = getenv("TMPDIR"), *name = program_invocation_short_name;
	int n = snprintf(path, TEMP_DIR_MAX, "%s/%s.XXXXXX", below ? below : "/tmp", name);

	if (n >= TEMP_DIR_MAX)
		n = snprintf(path, TEMP_DIR_MAX, "/tmp/%s.XXXXXX", name);
	assert_in_range(n, 1, TEMP_DIR_MAX - 1);
	assert_non_null(mkdtemp(path));
}

static inline int
temp_dir_remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

/* Removes a folder with all that is in it; links are removed, not followed. */
static inline void
temp_dir_remove(const char *path)
{
	assert_int_equal(
	    nftw(path, temp_dir_remove_one, TEMP_DIR_WALK_FDS, FTW_DEPTH | FTW_PHYS), 0);
}

/* The fixtures of tests that need no more than a folder: its path is their state. */
static inline int
temp_dir_setup(void **state)
{
	char *path = (char *)calloc(1, TEMP_DIR_MAX);

	assert_non_null(path);
	*state = path;
	temp_dir_make(path);
	return 0;
}

static inline int
temp_dir_teardown(void **state)
{
	temp_dir_remove((const char *)*state);
	free(*state);
	return 0;
}

#endif
