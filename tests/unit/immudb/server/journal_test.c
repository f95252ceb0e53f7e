/*
 * The journal's copying: what a kill between two steps leaves is finished, once, by the next start.
 */
#include "server/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/rawkey.h"
#include "temp_dir.h"
#include "util/file.h"

#define FILE_MAX (16u << 20)
#define ARENA_MAX (16u << 20)
#define MANY 150 /* more than one transaction takes */

struct fixture {
	char dir[TEMP_DIR_MAX];
	char file[96], database[96];
	struct meta *meta;
	struct store *store;
	struct journal *journal;
};

static int
open_all(struct fixture *f)
{
	struct store_options options = {.dir = f->database, .name = "systemdb"};

	assert_int_equal(meta_open(f->dir, &f->meta), IM_OK);
	return store_open(&options, &f->store) == IM_OK ? 0 : -1;
}

static void
close_all(struct fixture *f)
{
	journal_stop(f->journal);
	store_close(f->store);
	meta_close(f->meta);
	f->journal = NULL;
	f->store = NULL;
	f->meta = NULL;
}

static int
make(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	*state = f;
	temp_dir_make(f->dir);
	snprintf(f->file, sizeof f->file, "%s/%s", f->dir, META_FILE_NAME);
	snprintf(f->database, sizeof f->database, "%s/systemdb", f->dir);
	return open_all(f);
}

static int
remove_all(void **state)
{
	struct fixture *f = *state;

	if (f->store)
		close_all(f);
	temp_dir_remove(f->dir);
	free(f);
	return 0;
}

static void
start(struct fixture *f)
{
	assert_int_equal(journal_start(f->meta, f->store, &f->journal), IM_OK);
	assert_int_equal(journal_flush(f->journal), IM_OK);
}

static void
queue(struct fixture *f, const char *detail)
{
	struct meta_action a = {.actor = "immudb", .action = "test", .detail = detail};

	assert_int_equal(meta_journal_add(f->meta, &a), IM_OK);
}

static uint64_t
last_tx(struct fixture *f)
{
	struct store_state state;

	store_state(f->store, &state);
	return state.tx;
}

/* Whether the row with that number has that detail. */
static bool
has(struct fixture *f, unsigned number, const char *detail)
{
	struct store_query q = {0};
	struct store_value v;
	struct arena a;
	char key[64], part[128];
	bool found;

	snprintf(key, sizeof key, "journal/%020u", number);
	snprintf(part, sizeof part, "\"detail\":\"%s\"}", detail);
	arena_init(&a, ARENA_MAX);
	assert_int_equal(raw_key_make(&a, bytes_str(key), &q.key), IM_OK);
	found = store_get(f->store, &q, &a, &v) == IM_OK &&
	    memmem(v.value.data, v.value.len, part, strlen(part));
	arena_free(&a);
	return found;
}

static enum im_err
count_row(void *arg, const struct meta_journal_row *row)
{
	(void)row;
	++*(size_t *)arg;
	return IM_OK;
}

static size_t
waiting(struct fixture *f)
{
	size_t n = 0;

	assert_int_equal(meta_journal_list(f->meta, SIZE_MAX / 4, count_row, &n), IM_OK);
	return n;
}

/* Puts the metadata file back as it was. */
static void
restore(struct fixture *f, const struct buf *file)
{
	assert_int_equal(file_replace(f->file, buf_bytes(file)), IM_OK);
	assert_int_equal(open_all(f), 0);
}

static void
save(struct fixture *f, struct buf *file)
{
	close_all(f);
	buf_init(file, FILE_MAX);
	assert_int_equal(file_read(f->file, FILE_MAX, file), IM_OK);
	assert_int_equal(open_all(f), 0);
}

static void
queued_rows_are_copied_at_start(void **state)
{
	struct fixture *f = *state;
	char detail[16];

	for (unsigned i = 1; i <= MANY; i++) {
		snprintf(detail, sizeof detail, "n%u", i);
		queue(f, detail);
	}
	close_all(f);
	assert_int_equal(open_all(f), 0);
	assert_int_equal(waiting(f), MANY);
	start(f);
	assert_int_equal(waiting(f), 0);
	for (unsigned i = 1; i <= MANY; i++) {
		snprintf(detail, sizeof detail, "n%u", i);
		assert_true(has(f, i, detail));
	}
	assert_false(has(f, MANY + 1, ""));
}

/* Killed after the rows were on the disk of the system database, before they were forgotten. */
static void
copied_rows_are_not_copied_again(void **state)
{
	struct fixture *f = *state;
	struct buf file;
	uint64_t tx;

	queue(f, "a");
	queue(f, "b");
	save(f, &file);
	start(f);
	tx = last_tx(f);
	assert_true(tx > 0);
	close_all(f);
	restore(f, &file);
	queue(f, "c");
	assert_int_equal(waiting(f), 3);
	start(f);
	assert_int_equal(waiting(f), 0);
	assert_int_equal(last_tx(f), tx + 1);
	assert_true(has(f, 1, "a") && has(f, 2, "b") && has(f, 3, "c"));
	buf_free(&file);
}

/* The metadata file of a backup does not know which numbers were given since. */
static void
old_numbers_are_not_given_again(void **state)
{
	struct fixture *f = *state;
	struct buf file;

	save(f, &file);
	queue(f, "a");
	queue(f, "b");
	start(f);
	close_all(f);
	restore(f, &file);
	/* Written before anybody looked. */
	queue(f, "other");
	start(f);
	queue(f, "next");
	assert_int_equal(journal_flush(f->journal), IM_OK);
	assert_int_equal(waiting(f), 0);
	assert_true(has(f, 1, "a") && has(f, 2, "b") && has(f, 3, "other") && has(f, 4, "next"));
	buf_free(&file);
}

/*
 * The first failure is written at once and survives a kill; those that follow wait for their count.
 */
static void
first_failure_is_written_at_once(void **state)
{
	struct fixture *f = *state;

	start(f);
	journal_login_failed(f->journal, bytes_str("alice"), "10.0.0.1:1");
	assert_int_equal(journal_flush(f->journal), IM_OK);
	assert_true(has(f, 1, "first in a minute"));
	for (int i = 0; i < 3; i++) {
		journal_login_failed(f->journal, bytes_str("alice"), "10.0.0.1:2");
		assert_int_equal(journal_flush(f->journal), IM_OK);
	}
	assert_int_equal(last_tx(f), 1);
	journal_login_failed(f->journal, bytes_str("alice"), "10.0.0.2:1");
	assert_int_equal(journal_flush(f->journal), IM_OK);
	assert_true(has(f, 2, "first in a minute"));
	close_all(f);
	assert_int_equal(open_all(f), 0);
	assert_true(has(f, 3, "3 more in that minute"));
	assert_false(has(f, 4, ""));
}

/* The rows there are with that detail. */
static unsigned
count(struct fixture *f, unsigned rows, const char *detail)
{
	unsigned n = 0;

	for (unsigned i = 1; i <= rows; i++)
		n += has(f, i, detail);
	return n;
}

/* Failed logins are counted, and there is a limit to how many are told apart. */
static void
failed_logins_are_counted(void **state)
{
	unsigned rows = 2 * JOURNAL_FAILURES_MAX + 1;
	struct fixture *f = *state;
	char user[16];

	start(f);
	for (int i = 0; i < JOURNAL_FAILURES_MAX + 5; i++) {
		snprintf(user, sizeof user, "u%d", i);
		journal_login_failed(f->journal, bytes_str(user), "[::1]:77");
		journal_login_failed(f->journal, bytes_str(user), "[::1]:78");
	}
	close_all(f);
	assert_int_equal(open_all(f), 0);
	assert_int_equal(count(f, rows, "first in a minute"), JOURNAL_FAILURES_MAX);
	assert_int_equal(count(f, rows, "1 more in that minute"), JOURNAL_FAILURES_MAX);
	assert_true(has(f, rows, "10 more in a minute, of other users"));
	assert_false(has(f, rows + 1, ""));
}

/* Whatever is in it, a row is one JSON object of bounded length. */
static void
texts_are_cut_and_escaped(void **state)
{
	struct fixture *f = *state;
	char text[2000];

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	queue(f, text);
	queue(f, "a\"\\\n\x01z");
	start(f);
	assert_true(has(f, 2, "a\\\"\\\\\\n\\u0001z"));
	text[320] = '\0';
	assert_true(has(f, 1, text));
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, make, remove_all)
	const struct CMUnitTest tests[] = {
	    TEST(queued_rows_are_copied_at_start),
	    TEST(copied_rows_are_not_copied_again),
	    TEST(old_numbers_are_not_given_again),
	    TEST(first_failure_is_written_at_once),
	    TEST(failed_logins_are_counted),
	    TEST(texts_are_cut_and_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
