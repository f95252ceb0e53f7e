#ifndef UTIL_TESTING_H
#define UTIL_TESTING_H

/* What the tests of the util room share. cmocka.h needs the four headers before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "temp_dir.h"
#include "util/bytes.h"

#define assert_err(want, expr) assert_string_equal(err_name(want), err_name(expr))
#define assert_ok(expr) assert_err(IM_OK, expr)
#define assert_has(text, part) assert_non_null(strstr((text), (part)))
#define assert_lacks(text, part) assert_null(strstr((text), (part)))

/* A folder of the test's own, from folder_setup() to folder_teardown(). */
struct test_folder {
	char path[TEMP_DIR_MAX];
	char file[128];
};

static struct test_folder folder;

static inline int
folder_setup(void **state)
{
	(void)state;
	temp_dir_make(folder.path);
	return 0;
}

static inline int
folder_teardown(void **state)
{
	(void)state;
	temp_dir_remove(folder.path);
	return 0;
}

/* The path of a file in the folder, valid until the next call. */
static inline const char *
folder_file(struct test_folder *f, const char *name)
{
	snprintf(f->file, sizeof f->file, "%s/%s", f->path, name);
	return f->file;
}

static inline const char *
folder_write(struct test_folder *f, const char *name, const char *text)
{
	FILE *to = fopen(folder_file(f, name), "w");

	assert_non_null(to);
	assert_true(fputs(text, to) >= 0);
	assert_int_equal(fclose(to), 0);
	return f->file;
}

/* The content of a buffer as a string, valid until the buffer changes. */
static inline const char *
buf_text(struct buf *b)
{
	assert_true(buf_append_u8(b, 0));
	b->len--;
	return (const char *)b->data;
}

#endif
