/*
 * Conditions of transactions: each kind against each state of a key, in memory, after recovery from
 * the log, and from runs of the index; versions of a given transaction; what makes no sense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/rawkey.h"
#include "store/store.h"
#include "temp_dir.h"
#include "util/log.h"

struct fixture {
	char dir[TEMP_DIR_MAX];
	char path[96];
	struct arena arena;
	struct store *s;
	struct store_options options;
};

static int
setup(void **state)
{
	struct fixture *f = (struct fixture *)calloc(1, sizeof *f);

	assert_non_null(f);
	temp_dir_make(f->dir);
	snprintf(f->path, sizeof f->path, "%s/db", f->dir);
	arena_init(&f->arena, 64u << 20);
	f->options = (struct store_options){
	    .dir = f->path, .name = "db", .unsynced = true, .header_version = 1};
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	store_close(f->s);
	temp_dir_remove(f->dir);
	arena_free(&f->arena);
	free(f);
	return 0;
}

static void
open_store(struct fixture *f)
{
	store_close(f->s);
	f->s = NULL;
	assert_int_equal(store_open(&f->options, &f->s), IM_OK);
}

static struct bytes
key_of(struct fixture *f, const char *name)
{
	struct bytes raw;

	assert_int_equal(raw_key_make(&f->arena, bytes_str(name), &raw), IM_OK);
	return raw;
}

static void
write_entry(struct fixture *f, const char *key, struct bytes value, struct kv_metadata md)
{
	struct store_entry e = {.key = key_of(f, key), .value = value, .metadata = md};
	struct store_write w = {.entries = &e, .nentries = 1, .arena = &f->arena};

	assert_int_equal(store_write_wait(f->s, &w), IM_OK);
}

static void
write_plain(struct fixture *f, const char *key, const char *value)
{
	struct bytes raw;

	assert_int_equal(raw_value_make(&f->arena, bytes_str(value), &raw), IM_OK);
	write_entry(f, key, raw, (struct kv_metadata){0});
}

static struct bytes
reference_value(struct fixture *f)
{
	struct bytes raw;

	assert_int_equal(raw_value_make_reference(&f->arena, bytes_str("plain"), 0, &raw), IM_OK);
	return raw;
}

/* Transactions 1 to 10. */
static void
write_all_states(struct fixture *f)
{
	const struct kv_metadata deleted = {.deleted = true};
	const struct kv_metadata expired = {.has_expiry = true, .expires_at = 1};
	const struct kv_metadata hidden = {.non_indexable = true};
	static const uint8_t long_value[10000] = {RAW_VALUE_PLAIN};

	write_plain(f, "plain", "v");
	write_entry(f, "reference", reference_value(f), (struct kv_metadata){0});
	write_plain(f, "deleted", "v");
	write_entry(f, "deleted", bytes_of(NULL, 0), deleted);
	write_entry(f, "expired", reference_value(f), expired);
	/* What was plain once need not stay so. */
	write_plain(f, "changed", "v");
	write_entry(f, "changed", reference_value(f), (struct kv_metadata){0});
	write_entry(f, "hidden", bytes_of(long_value, sizeof long_value), hidden);
	write_entry(f, "hidden", reference_value(f), hidden);
	write_entry(f, "hidden", bytes_of(long_value, 2), hidden);
}

static enum im_err
try_if(struct fixture *f, struct store_condition c)
{
	struct store_entry e = {.key = key_of(f, "written")};
	struct store_write w = {
	    .entries = &e, .nentries = 1, .conditions = &c, .nconditions = 1, .arena = &f->arena};

	return store_write_wait(f->s, &w);
}

static const struct expectation {
	enum store_condition_kind kind;
	const char *key;
	uint64_t tx;
	enum im_err err;
} expectations[] = {
    {STORE_KEY_MUST_EXIST, "plain", 0, IM_OK},
    {STORE_KEY_MUST_EXIST, "reference", 0, IM_OK},
    {STORE_KEY_MUST_EXIST, "deleted", 0, IM_ERR_PRECONDITION},
    {STORE_KEY_MUST_EXIST, "expired", 0, IM_ERR_PRECONDITION},
    {STORE_KEY_MUST_EXIST, "absent", 0, IM_ERR_PRECONDITION},
    {STORE_KEY_MUST_NOT_EXIST, "plain", 0, IM_ERR_PRECONDITION},
    {STORE_KEY_MUST_NOT_EXIST, "reference", 0, IM_ERR_PRECONDITION},
    {STORE_KEY_MUST_NOT_EXIST, "deleted", 0, IM_OK},
    {STORE_KEY_MUST_NOT_EXIST, "expired", 0, IM_OK},
    {STORE_KEY_MUST_NOT_EXIST, "absent", 0, IM_OK},
    {STORE_KEY_NOT_MODIFIED_AFTER_TX, "plain", 1, IM_OK},
    {STORE_KEY_NOT_MODIFIED_AFTER_TX, "reference", 1, IM_ERR_PRECONDITION},
    {STORE_KEY_NOT_MODIFIED_AFTER_TX, "deleted", 3, IM_ERR_PRECONDITION},
    {STORE_KEY_NOT_MODIFIED_AFTER_TX, "absent", 1, IM_OK},
    {STORE_KEY_NOT_MODIFIED_AFTER_TX, "plain", 0, IM_ERR_BAD_PRECONDITION},
    {STORE_KEY_PRESENT, "plain", 0, IM_OK},
    {STORE_KEY_PRESENT, "reference", 0, IM_OK},
    {STORE_KEY_PRESENT, "deleted", 0, IM_ERR_KEY_NOT_FOUND},
    {STORE_KEY_PRESENT, "expired", 0, IM_ERR_KEY_NOT_FOUND},
    {STORE_KEY_PRESENT, "absent", 0, IM_ERR_KEY_NOT_FOUND},
    {STORE_KEY_PLAIN, "plain", 0, IM_OK},
    {STORE_KEY_PLAIN, "reference", 0, IM_ERR_REFERENCE_TARGET},
    {STORE_KEY_PLAIN, "deleted", 0, IM_ERR_KEY_NOT_FOUND},
    {STORE_KEY_PLAIN, "expired", 0, IM_ERR_KEY_NOT_FOUND},
    {STORE_KEY_PLAIN, "absent", 0, IM_ERR_KEY_NOT_FOUND},
    {STORE_KEY_PLAIN, "changed", 0, IM_ERR_REFERENCE_TARGET},
    /* The version of one transaction. */
    {STORE_KEY_PLAIN, "plain", 1, IM_OK},
    {STORE_KEY_PLAIN, "plain", 2, IM_ERR_KEY_NOT_FOUND},
    {STORE_KEY_PLAIN, "deleted", 3, IM_OK},
    {STORE_KEY_PLAIN, "deleted", 4, IM_ERR_KEY_NOT_FOUND},
    {STORE_KEY_PLAIN, "changed", 6, IM_OK},
    {STORE_KEY_PLAIN, "changed", 7, IM_ERR_REFERENCE_TARGET},
    {STORE_KEY_PLAIN, "changed", 5, IM_ERR_KEY_NOT_FOUND},
    {STORE_KEY_PLAIN, "plain", UINT64_MAX, IM_ERR_TX_NOT_FOUND},
    /* One that is not indexed is found so only. */
    {STORE_KEY_PLAIN, "hidden", 0, IM_ERR_KEY_NOT_FOUND},
    {STORE_KEY_PLAIN, "hidden", 7, IM_ERR_KEY_NOT_FOUND},
    {STORE_KEY_PLAIN, "hidden", 8, IM_OK},
    {STORE_KEY_PLAIN, "hidden", 9, IM_ERR_REFERENCE_TARGET},
    {STORE_KEY_PLAIN, "hidden", 10, IM_OK},
    {STORE_KEY_MUST_EXIST, "hidden", 0, IM_ERR_PRECONDITION},
    {STORE_KEY_NOT_PLAIN, "plain", 0, IM_ERR_REFERENCE_KEY},
    {STORE_KEY_NOT_PLAIN, "reference", 0, IM_OK},
    {STORE_KEY_NOT_PLAIN, "deleted", 0, IM_OK},
    {STORE_KEY_NOT_PLAIN, "expired", 0, IM_OK},
    {STORE_KEY_NOT_PLAIN, "absent", 0, IM_OK},
    {STORE_KEY_NOT_PLAIN, "changed", 0, IM_OK},
};

static void
expect_all(struct fixture *f)
{
	for (size_t i = 0; i < sizeof expectations / sizeof *expectations; i++) {
		const struct expectation *x = &expectations[i];
		enum im_err err =
		    try_if(f, (struct store_condition){x->kind, key_of(f, x->key), x->tx});

		if (err != x->err)
			fail_msg("condition %d on %s, %d: %s", x->kind, x->key, (int)x->tx,
			    err_text(err));
	}
}

static void
expect_no_faults(struct fixture *f)
{
	struct store_check check = {.from_tx = 1};

	assert_int_equal(store_check(f->s, &check), IM_OK);
	assert_int_equal(check.faults, 0);
}

static void
test_every_kind(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	open_store(f);
	write_all_states(f);
	expect_all(f);
	expect_no_faults(f);
	open_store(f);
	expect_all(f);
	expect_no_faults(f);
}

/* With every entry in a run of its own, or in one that was merged. */
static void
test_every_kind_from_runs(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	f->options.checkpoint_entries = 1;
	open_store(f);
	write_all_states(f);
	expect_all(f);
	open_store(f);
	expect_all(f);
	expect_no_faults(f);
}

/* ---- Nothing is cached ---- */

static pthread_t impatient;       /* the thread that must not wait for the disk */
static _Atomic unsigned waits;    /* how often it did */
static _Atomic unsigned refusals; /* reads that would have waited */

static ssize_t
pread_cold(void *ctx, int fd, void *data, size_t n, off_t offset)
{
	(void)ctx;
	waits += pthread_equal(pthread_self(), impatient) != 0;
	return pread(fd, data, n, offset);
}

static ssize_t
pread_nowait_cold(void *ctx, int fd, void *data, size_t n, off_t offset)
{
	(void)ctx;
	(void)fd;
	(void)data;
	(void)n;
	(void)offset;
	refusals++;
	errno = EAGAIN;
	return -1;
}

/* Who brings a write does not wait for the disk, whatever must be read for its conditions. */
static void
test_every_kind_from_a_cold_disk(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct vfs cold = vfs_posix;

	f->options.checkpoint_entries = 1;
	open_store(f);
	write_all_states(f);
	store_close(f->s);
	f->s = NULL;
	cold.pread = pread_cold;
	cold.pread_nowait = pread_nowait_cold;
	f->options.vfs = &cold;
	for (int unsynced = 0; unsynced < 2; unsynced++) {
		f->options.unsynced = unsynced;
		open_store(f);
		impatient = pthread_self();
		waits = refusals = 0;
		expect_all(f);
		assert_int_equal(waits, 0);
		assert_true(refusals > 0);
		store_close(f->s);
		f->s = NULL;
	}
	f->options.vfs = NULL;
}

static void
test_nonsense(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	static uint8_t long_key[RAW_KEY_MAX + 1];
	static struct store_condition many[STORE_CONDITIONS_MAX + 1];
	struct store_entry e = {.key = key_of(f, "written")};
	struct store_write w = {
	    .entries = &e, .nentries = 1, .conditions = many, .arena = &f->arena};

	open_store(f);
	assert_int_equal(
	    try_if(f, (struct store_condition){.key = bytes_of(NULL, 0)}), IM_ERR_BAD_PRECONDITION);
	assert_int_equal(
	    try_if(f, (struct store_condition){.key = bytes_of(long_key, sizeof long_key)}),
	    IM_ERR_BAD_PRECONDITION);
	for (size_t i = 0; i <= STORE_CONDITIONS_MAX; i++)
		many[i] = (struct store_condition){STORE_KEY_NOT_PLAIN, e.key, 0};
	w.nconditions = STORE_CONDITIONS_MAX + 1;
	assert_int_equal(store_write_wait(f->s, &w), IM_ERR_BAD_PRECONDITION);
	w.nconditions = STORE_CONDITIONS_MAX;
	assert_int_equal(store_write_wait(f->s, &w), IM_OK);
}

/* Changes the byte before the only place where text stands in the first segment of the log. */
static void
damage_byte_before(const struct fixture *f, const char *text)
{
	char path[128];
	struct stat st;
	uint8_t *data, *at;
	int fd;

	snprintf(path, sizeof path, "%s/00000000.log", f->path);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	data = (uint8_t *)malloc((size_t)st.st_size);
	assert_non_null(data);
	assert_int_equal(pread(fd, data, (size_t)st.st_size, 0), st.st_size);
	at = (uint8_t *)memmem(data, (size_t)st.st_size, text, strlen(text));
	assert_non_null(at);
	at[-1] ^= 1;
	assert_int_equal(pwrite(fd, at - 1, 1, at - 1 - data), 1);
	free(data);
	close(fd);
}

/*
 * What the index knows from a value may be wrong when the value is damaged; that is said of the
 * value, and nothing else is wrong.
 */
static void
test_damaged_kind_of_value(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_query q = {.flags = 0};
	struct store_value v;

	open_store(f);
	write_plain(f, "k", "the only value");
	write_plain(f, "other", "v");
	store_close(f->s);
	f->s = NULL;
	damage_byte_before(f, "the only value");
	for (int i = 0; i < 2; i++) {
		open_store(f);
		q.key = key_of(f, "k");
		assert_int_equal(store_get(f->s, &q, &f->arena, &v), IM_ERR_DATA_LOSS);
		q.key = key_of(f, "other");
		assert_int_equal(store_get(f->s, &q, &f->arena, &v), IM_OK);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_every_kind, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_every_kind_from_runs, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_every_kind_from_a_cold_disk, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damaged_kind_of_value, setup, teardown),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
