/*
 * Walks over entries that lie one after another in the log, which are read many at once: each comes
 * with its own value whatever its length, across transactions and segments, in both directions, and
 * damage to one of them is its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/rawkey.h"
#include "store/store.h"
#include "temp_dir.h"

#define TXS 12u
#define TX_ENTRIES 500u
#define ENTRIES (TXS * TX_ENTRIES)
#define ARENA_CAP ((size_t)64 << 20)

struct fixture {
	char dir[TEMP_DIR_MAX];
	struct store *s;
	struct arena arena;
};

/* Lengths of all kinds: empty, short, up to what stands inline, and beyond. */
static size_t
length_of(unsigned i)
{
	return i % 97 == 5 ? 4000 + i % 200 : i % 31 == 0 ? 1800 : i % 13;
}

static void
make_entry(struct arena *a, unsigned i, struct store_entry *e)
{
	size_t len = length_of(i);
	uint8_t *value = (uint8_t *)arena_alloc(a, len + 1);
	char key[32];
	int n = snprintf(key, sizeof key, "key %06u", i);

	for (size_t j = 0; j < len; j++)
		value[j] = (uint8_t)(i * 31 + j);
	*e = (struct store_entry){0};
	assert_int_equal(raw_key_make(a, bytes_of(key, (size_t)n), &e->key), IM_OK);
	assert_int_equal(raw_value_make(a, bytes_of(value, len), &e->value), IM_OK);
}

static int
setup(void **state)
{
	struct fixture *f = (struct fixture *)calloc(1, sizeof *f);
	struct store_options o = {.name = "test", .unsynced = true, .header_version = 1};
	struct store_entry *e = (struct store_entry *)calloc(TX_ENTRIES, sizeof *e);

	assert_non_null(f);
	assert_non_null(e);
	temp_dir_make(f->dir);
	o.dir = f->dir;
	arena_init(&f->arena, ARENA_CAP);
	assert_int_equal(store_open(&o, &f->s), IM_OK);
	for (unsigned t = 0; t < TXS; t++) {
		struct store_write w = {.entries = e, .nentries = TX_ENTRIES, .arena = &f->arena};

		for (unsigned i = 0; i < TX_ENTRIES; i++)
			make_entry(&f->arena, t * TX_ENTRIES + i, &e[i]);
		assert_int_equal(store_write_wait(f->s, &w), IM_OK);
		arena_free(&f->arena);
	}
	free(e);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	store_close(f->s);
	arena_free(&f->arena);
	temp_dir_remove(f->dir);
	free(f);
	return 0;
}

static void
check_walk(struct fixture *f, bool desc, unsigned flags)
{
	struct store_range range = {.desc = desc, .flags = flags};
	struct store_cursor *c;
	struct store_value v;

	assert_int_equal(store_scan(f->s, &range, &c), IM_OK);
	for (unsigned k = 0; k < ENTRIES; k++) {
		unsigned i = desc ? ENTRIES - 1 - k : k;
		struct store_entry e;

		make_entry(&f->arena, i, &e);
		assert_int_equal(store_cursor_next(c, &f->arena, &v), IM_OK);
		assert_true(bytes_equal(v.key, e.key));
		assert_int_equal(v.value_len, e.value.len);
		assert_int_equal(v.tx, i / TX_ENTRIES + 1);
		if (!(flags & STORE_NO_VALUE))
			assert_true(bytes_equal(v.value, e.value));
		arena_reset(&f->arena, 4096);
	}
	assert_int_equal(store_cursor_next(c, &f->arena, &v), IM_ERR_NOT_FOUND);
	store_cursor_close(c);
}

static void
test_both_ways(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	check_walk(f, false, 0);
	check_walk(f, true, 0);
	check_walk(f, false, STORE_NO_VALUE);
}

/* Changes one byte of the only place in the log where these bytes stand. */
static void
damage(struct fixture *f, struct bytes what, size_t at)
{
	char pattern[96];
	unsigned found = 0;
	glob_t files;

	snprintf(pattern, sizeof pattern, "%s/*.log", f->dir);
	assert_int_equal(glob(pattern, 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		int fd = open(files.gl_pathv[i], O_RDWR | O_CLOEXEC);
		off_t size = lseek(fd, 0, SEEK_END);
		uint8_t *data = (uint8_t *)malloc((size_t)size), *p;

		assert_non_null(data);
		assert_int_equal(pread(fd, data, (size_t)size, 0), size);
		p = (uint8_t *)memmem(data, (size_t)size, what.data, what.len);
		if (p) {
			p[at] ^= 1;
			assert_int_equal(pwrite(fd, p + at, 1, p + at - data), 1);
			found++;
		}
		free(data);
		close(fd);
	}
	globfree(&files);
	assert_int_equal(found, 1);
}

static void
check_damaged_walk(struct fixture *f, unsigned bad, bool desc)
{
	struct store_range range = {.desc = desc};
	struct store_cursor *c;
	struct store_entry e;

	assert_int_equal(store_scan(f->s, &range, &c), IM_OK);
	for (unsigned k = 0; k < ENTRIES; k++) {
		unsigned i = desc ? ENTRIES - 1 - k : k;
		struct store_value v;
		enum im_err err = store_cursor_next(c, &f->arena, &v);

		assert_int_equal(err, i == bad ? IM_ERR_DATA_LOSS : IM_OK);
		make_entry(&f->arena, i, &e);
		if (err == IM_OK)
			assert_true(bytes_equal(v.value, e.value));
		arena_reset(&f->arena, 4096);
	}
	store_cursor_close(c);
}

static void
test_damage_is_its_own(void **state)
{
	const unsigned bad = 31 * 40;
	struct fixture *f = (struct fixture *)*state;
	struct store_entry e;

	make_entry(&f->arena, bad, &e);
	damage(f, e.value, e.value.len / 2);
	check_damaged_walk(f, bad, false);
	check_damaged_walk(f, bad, true);
	/* Who only counts reads no value, and does not mind. */
	check_walk(f, false, STORE_NO_VALUE);
}

static void
test_count(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_range range = {.flags = STORE_NO_VALUE};
	struct store_cursor *c;
	struct store_value v;
	uint64_t n;

	assert_int_equal(store_scan(f->s, &range, &c), IM_OK);
	assert_int_equal(store_cursor_count(c, 1000, &n), IM_OK);
	assert_int_equal(n, 1000);
	assert_int_equal(store_cursor_count(c, 0, &n), IM_OK);
	assert_int_equal(n, 0);
	assert_int_equal(store_cursor_next(c, &f->arena, &v), IM_OK);
	assert_int_equal(v.tx, 1000 / TX_ENTRIES + 1);
	assert_int_equal(store_cursor_skip(c, 10), IM_OK);
	assert_int_equal(store_cursor_count(c, UINT64_MAX, &n), IM_OK);
	assert_int_equal(n, ENTRIES - 1011);
	assert_int_equal(store_cursor_count(c, 1, &n), IM_OK);
	assert_int_equal(n, 0);
	assert_int_equal(store_cursor_skip(c, 1), IM_ERR_NOT_FOUND);
	store_cursor_close(c);
}

/* Versions of one key, from any of them on. */
static void
test_versions(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_entry e;
	struct store_write w = {.entries = &e, .nentries = 1, .arena = &f->arena};
	struct store_versions versions = {0};
	struct store_cursor *c;
	struct store_value v;

	make_entry(&f->arena, 7, &e);
	for (unsigned i = 0; i < 300; i++)
		assert_int_equal(store_write_wait(f->s, &w), IM_OK);
	versions.key = e.key;
	for (unsigned round = 0; round < 2; round++, versions.desc = true) {
		for (versions.skip = 0; versions.skip <= 301; versions.skip += 43) {
			assert_int_equal(store_history(f->s, &versions, &c), IM_OK);
			for (uint64_t i = versions.skip; i < 301; i++) {
				assert_int_equal(store_cursor_next(c, &f->arena, &v), IM_OK);
				assert_int_equal(v.revision, versions.desc ? 301 - i : i + 1);
				assert_true(bytes_equal(v.value, e.value));
			}
			assert_int_equal(store_cursor_next(c, &f->arena, &v), IM_ERR_NOT_FOUND);
			store_cursor_close(c);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_both_ways, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damage_is_its_own, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_count, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_versions, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
