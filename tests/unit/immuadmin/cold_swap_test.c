/* Putting a folder in the place of another, and what is done about one that was killed. */
#include "cold_swap.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../temp_dir.h"
#include "cold_folder.h"
#include "util/file.h"

#define PATH_BYTES 512
#define SAID_MAX 4096

struct scene {
	char dir[TEMP_DIR_MAX];
	char target[PATH_BYTES], kept[PATH_BYTES], stage[PATH_BYTES];
	FILE *said;
	struct output *out;
	struct cold_swap swap;
};

static int
setup(void **state)
{
	struct scene *s = (struct scene *)calloc(1, sizeof *s);

	assert_non_null(s);
	temp_dir_make(s->dir);
	snprintf(s->target, sizeof s->target, "%s/data", s->dir);
	snprintf(s->kept, sizeof s->kept, "%s/kept", s->dir);
	snprintf(s->stage, sizeof s->stage, "%s/data" COLD_STAGE_SUFFIX, s->dir);
	s->said = fdopen(memfd_create("said", MFD_CLOEXEC), "w+");
	assert_non_null(s->said);
	s->out = output_new(OUTPUT_TEXT, fileno(s->said), fileno(s->said), "test");
	assert_non_null(s->out);
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	struct scene *s = (struct scene *)*state;

	cold_swap_end(&s->swap);
	output_close(s->out);
	fclose(s->said);
	temp_dir_remove(s->dir);
	free(s);
	return 0;
}

/* A folder with a file in it that tells which one it is. */
static void
make(const char *folder, const char *content)
{
	char path[2 * PATH_BYTES];

	assert_int_equal(file_make_folder(folder), IM_OK);
	snprintf(path, sizeof path, "%s/which", folder);
	assert_int_equal(file_replace(path, bytes_str(content)), IM_OK);
}

static void
assert_is(const char *folder, const char *content)
{
	char path[2 * PATH_BYTES];
	struct buf b;

	snprintf(path, sizeof path, "%s/which", folder);
	buf_init(&b, SAID_MAX);
	assert_int_equal(file_read(path, SAID_MAX, &b), IM_OK);
	assert_true(bytes_equal(buf_bytes(&b), bytes_str(content)));
	buf_free(&b);
}

static void
assert_absent(const char *path)
{
	assert_int_not_equal(access(path, F_OK), 0);
}

/* What was said from the begin on. */
static void
assert_said(struct scene *s, const char *what)
{
	char text[SAID_MAX];
	size_t n;

	output_flush(s->out);
	rewind(s->said);
	n = fread(text, 1, sizeof text - 1, s->said);
	text[n] = '\0';
	assert_non_null(strstr(text, what));
}

static void
begin(struct scene *s)
{
	assert_int_equal(cold_swap_begin(&s->swap, s->target, s->kept, s->out), IM_OK);
}

static void
test_the_folders_change_places(void **state)
{
	struct scene *s = (struct scene *)*state;

	make(s->target, "old");
	begin(s);
	make(s->swap.fresh, "new");
	assert_is(s->target, "old");
	assert_int_equal(cold_swap_run(&s->swap, ""), IM_OK);
	cold_swap_end(&s->swap);
	assert_is(s->target, "new");
	assert_is(s->kept, "old");
	assert_absent(s->stage);
}

static void
test_a_folder_from_below_takes_the_place(void **state)
{
	struct scene *s = (struct scene *)*state;
	char below[PATH_MAX + 16];

	make(s->target, "old");
	begin(s);
	snprintf(below, sizeof below, "%s/var/lib", s->swap.fresh);
	make(below, "new");
	assert_int_equal(cold_swap_run(&s->swap, "var/lib"), IM_OK);
	cold_swap_end(&s->swap);
	assert_is(s->target, "new");
	assert_is(s->kept, "old");
	assert_absent(s->stage);
}

static void
test_a_target_that_is_not_there_is_made(void **state)
{
	struct scene *s = (struct scene *)*state;

	begin(s);
	make(s->swap.fresh, "new");
	assert_int_equal(cold_swap_run(&s->swap, ""), IM_OK);
	cold_swap_end(&s->swap);
	assert_is(s->target, "new");
	assert_absent(s->kept);
	assert_absent(s->stage);
}

static void
test_nothing_is_left_without_the_swap(void **state)
{
	struct scene *s = (struct scene *)*state;

	make(s->target, "old");
	begin(s);
	make(s->swap.fresh, "new");
	cold_swap_end(&s->swap);
	assert_is(s->target, "old");
	assert_absent(s->stage);
	assert_absent(s->kept);
}

static void
test_a_swap_that_fails_changes_nothing(void **state)
{
	struct scene *s = (struct scene *)*state;

	make(s->target, "old");
	begin(s);
	/* There is nothing to put in place. */
	assert_int_equal(cold_swap_run(&s->swap, ""), IM_ERR_IO);
	cold_swap_end(&s->swap);
	assert_is(s->target, "old");
	assert_absent(s->kept);
	begin(s);
	make(s->swap.fresh, "new");
	/* The name for the old folder is taken meanwhile. */
	make(s->kept, "other");
	assert_int_equal(cold_swap_run(&s->swap, ""), IM_ERR_IO);
	cold_swap_end(&s->swap);
	assert_is(s->target, "old");
	assert_is(s->kept, "other");
	assert_absent(s->stage);
}

static void
test_two_at_a_time_are_refused(void **state)
{
	struct scene *s = (struct scene *)*state;
	struct cold_swap second;

	make(s->target, "old");
	begin(s);
	assert_int_equal(cold_swap_begin(&second, s->target, s->kept, s->out), IM_ERR_LOCKED);
	cold_swap_end(&second);
	make(s->swap.fresh, "new");
	assert_int_equal(cold_swap_run(&s->swap, ""), IM_OK);
}

/* As a kill leaves things: the lock is free, and nothing is removed. */
static void
die(struct scene *s)
{
	close(s->swap.stage_fd);
	s->swap.stage_fd = -1;
}

static void
test_killed_before_the_swap(void **state)
{
	struct scene *s = (struct scene *)*state;

	make(s->target, "old");
	begin(s);
	make(s->swap.fresh, "half of it");
	die(s);
	assert_int_equal(cold_swap_recover(s->target, s->out), IM_OK);
	assert_said(s, "as it was");
	assert_is(s->target, "old");
	assert_absent(s->stage);
	/* Once is enough. */
	assert_int_equal(cold_swap_recover(s->target, s->out), IM_OK);
}

static void
test_killed_between_exchange_and_name(void **state)
{
	struct scene *s = (struct scene *)*state;

	make(s->target, "old");
	begin(s);
	make(s->swap.fresh, "new");
	/* The name is taken until after the exchange, which is undone: then it is done by hand. */
	make(s->kept, "other");
	assert_int_equal(cold_swap_run(&s->swap, ""), IM_ERR_IO);
	cold_folder_remove(s->kept);
	assert_int_equal(
	    renameat2(AT_FDCWD, s->swap.fresh, AT_FDCWD, s->target, RENAME_EXCHANGE), 0);
	die(s);
	assert_is(s->target, "new");
	assert_int_equal(cold_swap_recover(s->target, s->out), IM_OK);
	assert_said(s, s->kept);
	assert_is(s->target, "new");
	assert_is(s->kept, "old");
	assert_absent(s->stage);
}

static void
test_killed_after_the_swap(void **state)
{
	struct scene *s = (struct scene *)*state;

	make(s->target, "old");
	begin(s);
	make(s->swap.fresh, "new");
	assert_int_equal(cold_swap_run(&s->swap, ""), IM_OK);
	die(s);
	assert_int_equal(cold_swap_recover(s->target, s->out), IM_OK);
	assert_said(s, "had replaced");
	assert_is(s->target, "new");
	assert_is(s->kept, "old");
	assert_absent(s->stage);
}

static void
test_a_record_that_is_not_one_is_left_alone(void **state)
{
	struct scene *s = (struct scene *)*state;
	char path[PATH_BYTES + 16];

	make(s->target, "old");
	make(s->stage, "somebody else's");
	snprintf(path, sizeof path, "%s/record", s->stage);
	assert_int_equal(file_replace(path, bytes_str("something else\n")), IM_OK);
	assert_int_equal(cold_swap_recover(s->target, s->out), IM_ERR_FORMAT);
	assert_is(s->stage, "somebody else's");
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SCENE(test_the_folders_change_places),
	    SCENE(test_a_folder_from_below_takes_the_place),
	    SCENE(test_a_target_that_is_not_there_is_made),
	    SCENE(test_nothing_is_left_without_the_swap),
	    SCENE(test_a_swap_that_fails_changes_nothing),
	    SCENE(test_two_at_a_time_are_refused),
	    SCENE(test_killed_before_the_swap),
	    SCENE(test_killed_between_exchange_and_name),
	    SCENE(test_killed_after_the_swap),
	    SCENE(test_a_record_that_is_not_one_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
