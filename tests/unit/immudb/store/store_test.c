/*
 * The engine through its interface: write, read back, walk, prove, close, open
 * again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/entry.h"
#include "crypto/htree.h"
#include "crypto/rawkey.h"
#include "store/store.h"
#include "temp_dir.h"

struct fixture {
	char dir[TEMP_DIR_MAX];
	char path[96];
	struct store *s;
	struct arena arena;
	int64_t now;
	struct store_options options;
};

static int64_t
fixed_now(void *ctx)
{
	return ((struct fixture *)ctx)->now;
}

static void
open_store(struct fixture *f)
{
	enum im_err err = store_open(&f->options, &f->s);

	if (err != IM_OK)
		fail_msg("store_open: %s", err_detail(err));
}

static int
setup(void **state)
{
	struct fixture *f = (struct fixture *)calloc(1, sizeof *f);

	assert_non_null(f);
	temp_dir_make(f->dir);
	snprintf(f->path, sizeof f->path, "%s/db", f->dir);
	f->now = 1000000;
	f->options = (struct store_options){
	    .dir = f->path, .name = "db", .header_version = 1, .now = fixed_now, .ctx = f};
	arena_init(&f->arena, 256u * 1024 * 1024);
	open_store(f);
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
reopen(struct fixture *f)
{
	store_close(f->s);
	f->s = NULL;
	open_store(f);
}

static struct bytes
raw_key(struct fixture *f, const char *key)
{
	struct bytes raw;

	assert_int_equal(raw_key_make(&f->arena, bytes_str(key), &raw), IM_OK);
	return raw;
}

static struct bytes
raw_value(struct fixture *f, struct bytes value)
{
	struct bytes raw;

	assert_int_equal(raw_value_make(&f->arena, value, &raw), IM_OK);
	return raw;
}

static enum im_err
write_entries(struct fixture *f, struct store_write *w, const struct store_entry *e, size_t n)
{
	w->entries = e;
	w->nentries = n;
	w->arena = &f->arena;
	return store_write_wait(f->s, w);
}

static uint64_t
set(struct fixture *f, const char *key, const char *value)
{
	struct store_entry e = {.key = raw_key(f, key), .value = raw_value(f, bytes_str(value))};
	struct store_write w = {0};
	enum im_err err = write_entries(f, &w, &e, 1);

	if (err != IM_OK)
		fail_msg("set: %s", err_detail(err));
	return w.header.id;
}

static enum im_err
get(struct fixture *f, const char *key, struct store_value *v)
{
	struct store_query q = {.key = raw_key(f, key)};

	return store_get(f->s, &q, &f->arena, v);
}

static void
assert_value(struct fixture *f, const char *key, const char *value)
{
	struct store_value v;
	enum im_err err = get(f, key, &v);

	if (err != IM_OK)
		fail_msg("get %s: %s", key, err_detail(err));
	assert_true(bytes_equal(v.value, raw_value(f, bytes_str(value))));
}

static void
test_set_get_reopen(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_value v;
	struct hash empty;
	struct store_state st;

	empty = hash_empty();
	store_state(f->s, &st);
	assert_int_equal(st.tx, 0);
	assert_true(hash_equal(&st.alh, &empty));
	assert_int_equal(set(f, "a", "1"), 1);
	assert_int_equal(set(f, "b", "2"), 2);
	assert_int_equal(set(f, "a", "3"), 3);
	for (int round = 0; round < 3; round++) {
		assert_value(f, "a", "3");
		assert_value(f, "b", "2");
		assert_int_equal(get(f, "c", &v), IM_ERR_KEY_NOT_FOUND);
		assert_int_equal(get(f, "a", &v), IM_OK);
		assert_int_equal(v.revision, 2);
		assert_int_equal(v.tx, 3);
		reopen(f);
	}
	store_state(f->s, &st);
	assert_int_equal(st.tx, 3);
}

static void
test_versions(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_query q = {.key = raw_key(f, "k")};
	struct store_value v;

	set(f, "k", "one");
	set(f, "k", "two");
	set(f, "other", "x");
	set(f, "k", "three");
	q.revision = 1;
	assert_int_equal(store_get(f->s, &q, &f->arena, &v), IM_OK);
	assert_int_equal(v.tx, 1);
	q.revision = -1;
	assert_int_equal(store_get(f->s, &q, &f->arena, &v), IM_OK);
	assert_int_equal(v.tx, 2);
	q.revision = -3;
	assert_int_equal(store_get(f->s, &q, &f->arena, &v), IM_ERR_REVISION);
	q.revision = 4;
	assert_int_equal(store_get(f->s, &q, &f->arena, &v), IM_ERR_REVISION);
	q.revision = 0;
	q.at_tx = 2;
	assert_int_equal(store_get(f->s, &q, &f->arena, &v), IM_OK);
	assert_true(bytes_equal(v.value, raw_value(f, bytes_str("two"))));
	q.at_tx = 3;
	assert_int_equal(store_get(f->s, &q, &f->arena, &v), IM_ERR_KEY_NOT_FOUND);
	q.at_tx = 5;
	assert_int_equal(store_get(f->s, &q, &f->arena, &v), IM_ERR_TX_NOT_FOUND);
	q.at_tx = 0;
	q.as_of = 3;
	assert_int_equal(store_get(f->s, &q, &f->arena, &v), IM_OK);
	assert_int_equal(v.tx, 2);
}

static void
test_large_values(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	const size_t sizes[] = {0, 4095, 4096, 4097, 70000, 3u * 1024 * 1024, RAW_VALUE_MAX};
	const size_t n = sizeof sizes / sizeof *sizes;
	struct store_entry e[sizeof sizes / sizeof *sizes] = {0};
	struct store_write w = {0};
	char key[16];

	for (size_t i = 0; i < n; i++) {
		uint8_t *p = (uint8_t *)arena_alloc(&f->arena, sizes[i] + 1);

		assert_non_null(p);
		memset(p, (int)i + 1, sizes[i] + 1);
		snprintf(key, sizeof key, "key%zu", i);
		e[i].key = raw_key(f, key);
		e[i].value = bytes_of(p, sizes[i]);
	}
	assert_int_equal(write_entries(f, &w, e, n), IM_OK);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < n; i++) {
			struct store_query q = {.key = e[i].key};
			struct store_value v;

			assert_int_equal(store_get(f->s, &q, &f->arena, &v), IM_OK);
			assert_true(bytes_equal(v.value, e[i].value));
			/*
			 * What takes long is not done by who must not wait, though it is in memory.
			 */
			q.flags = STORE_NOWAIT;
			assert_int_equal(store_get(f->s, &q, &f->arena, &v),
			    sizes[i] > 65536 ? IM_ERR_WOULD_BLOCK : IM_OK);
		}
		reopen(f);
	}
}

static void
test_bad_input(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	uint8_t long_key[RAW_KEY_MAX + 1] = {0};
	struct store_entry e[2] = {{.key = raw_key(f, "x"), .value = raw_value(f, bytes_str("1"))},
	    {.key = raw_key(f, "x"), .value = raw_value(f, bytes_str("2"))}};
	struct store_write w = {0};
	struct store_state st;

	assert_int_equal(write_entries(f, &w, e, 0), IM_ERR_NO_ENTRIES);
	assert_int_equal(write_entries(f, &w, e, 2), IM_ERR_DUPLICATE_KEY);
	e[0].key = bytes_of(NULL, 0);
	assert_int_equal(write_entries(f, &w, e, 1), IM_ERR_NULL_KEY);
	e[0].key = bytes_of(long_key, sizeof long_key);
	assert_int_equal(write_entries(f, &w, e, 1), IM_ERR_KEY_LENGTH);
	e[0].key = raw_key(f, "x");
	e[0].value = bytes_of(long_key, (size_t)RAW_VALUE_MAX + 1);
	assert_int_equal(write_entries(f, &w, e, 1), IM_ERR_VALUE_LENGTH);
	assert_int_equal(write_entries(f, &w, e, TX_ENTRIES_MAX + 1), IM_ERR_TX_ENTRIES);
	store_state(f->s, &st);
	assert_int_equal(st.tx, 0);
}

static void
test_conditions(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_entry e = {.key = raw_key(f, "k"), .value = raw_value(f, bytes_str("v"))};
	struct store_condition c = {STORE_KEY_MUST_EXIST, raw_key(f, "k"), 0};
	struct store_write w = {.conditions = &c, .nconditions = 1};

	assert_int_equal(write_entries(f, &w, &e, 1), IM_ERR_PRECONDITION);
	c.kind = STORE_KEY_MUST_NOT_EXIST;
	assert_int_equal(write_entries(f, &w, &e, 1), IM_OK);
	assert_int_equal(write_entries(f, &w, &e, 1), IM_ERR_PRECONDITION);
	c.kind = STORE_KEY_NOT_MODIFIED_AFTER_TX;
	assert_int_equal(write_entries(f, &w, &e, 1), IM_ERR_BAD_PRECONDITION);
	c.tx = 1;
	assert_int_equal(write_entries(f, &w, &e, 1), IM_OK);
	assert_int_equal(write_entries(f, &w, &e, 1), IM_ERR_PRECONDITION);
}

static void
test_hidden(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_entry e[3] = {{.key = raw_key(f, "gone"), .metadata = {.deleted = true}},
	    {.key = raw_key(f, "old"),
		.value = raw_value(f, bytes_str("v")),
		.metadata = {.has_expiry = true, .expires_at = 1000010}},
	    {.key = raw_key(f, "unlisted"),
		.value = raw_value(f, bytes_str("u")),
		.metadata = {.non_indexable = true}}};
	struct store_query q = {.key = raw_key(f, "unlisted"), .at_tx = 2};
	struct store_write w = {0};
	struct store_value v;

	set(f, "gone", "here");
	assert_int_equal(write_entries(f, &w, e, 3), IM_OK);
	for (int round = 0; round < 2; round++) {
		f->now = 1000009;
		assert_int_equal(get(f, "gone", &v), IM_ERR_KEY_NOT_FOUND);
		assert_value(f, "old", "v");
		assert_int_equal(get(f, "unlisted", &v), IM_ERR_KEY_NOT_FOUND);
		assert_int_equal(store_get(f->s, &q, &f->arena, &v), IM_OK);
		f->now = 1000010;
		assert_int_equal(get(f, "old", &v), IM_ERR_KEY_NOT_FOUND);
		reopen(f);
	}
}

static size_t
count_scan(struct fixture *f, const struct store_range *r)
{
	struct store_cursor *c;
	struct store_value v, last = {0};
	size_t n = 0;
	enum im_err err;

	assert_int_equal(store_scan(f->s, r, &c), IM_OK);
	while ((err = store_cursor_next(c, &f->arena, &v)) == IM_OK) {
		if (n++)
			assert_true(r->desc ? bytes_compare(v.key, last.key) < 0
					    : bytes_compare(v.key, last.key) > 0);
		last = v;
	}
	assert_int_equal(err, IM_ERR_NOT_FOUND);
	store_cursor_close(c);
	return n;
}

static void
test_scan(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_range r = {.prefix = raw_key(f, "key-1")};
	char key[32];

	for (int i = 0; i < 300; i++) {
		snprintf(key, sizeof key, "key-%03d", i * 7 % 300);
		set(f, key, key);
		set(f, "noise", key);
	}
	for (int round = 0; round < 2; round++) {
		r.desc = round;
		r.seek = r.end = bytes_of(NULL, 0);
		assert_int_equal(count_scan(f, &r), 100);
		r.seek = raw_key(f, round ? "key-150" : "key-120");
		r.end = raw_key(f, round ? "key-120" : "key-150");
		assert_int_equal(count_scan(f, &r), 29);
		r.seek_inclusive = r.end_inclusive = true;
		assert_int_equal(count_scan(f, &r), 31);
		r.seek_inclusive = r.end_inclusive = false;
		reopen(f);
	}
}

static void
check_proofs(struct fixture *f, uint64_t last)
{
	for (uint64_t i = 1; i <= last; i += 3) {
		for (uint64_t j = i; j <= last; j += 5) {
			struct tx_header hi, hj;
			struct tx_point from = {.id = i}, to = {.id = j};
			struct dual_proof proof;

			assert_int_equal(store_read_header(f->s, i, 0, &hi), IM_OK);
			assert_int_equal(store_read_header(f->s, j, 0, &hj), IM_OK);
			tx_header_alh(&hi, &from.alh);
			tx_header_alh(&hj, &to.alh);
			assert_int_equal(
			    store_dual_proof(f->s, (struct store_span){i, j}, 0, &f->arena, &proof),
			    IM_OK);
			assert_int_equal(proof_check_dual(&proof, &from, &to), IM_OK);
		}
	}
}

static void
test_proofs(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_tx tx;
	struct dual_proof proof;
	char key[32];

	for (int i = 0; i < 60; i++) {
		snprintf(key, sizeof key, "k%d", i % 17);
		set(f, key, key);
	}
	check_proofs(f, 60);
	reopen(f);
	check_proofs(f, 60);
	assert_int_equal(store_read_tx(f->s, 18, 0, &f->arena, &tx), IM_OK);
	assert_int_equal(tx.nentries, 1);
	assert_true(bytes_equal(tx.entries[0].key, raw_key(f, "k0")));
	assert_int_equal(store_dual_proof(f->s, (struct store_span){9, 8}, 0, &f->arena, &proof),
	    IM_ERR_ILLEGAL_STATE);
	assert_int_equal(store_dual_proof(f->s, (struct store_span){9, 61}, 0, &f->arena, &proof),
	    IM_ERR_TX_NOT_FOUND);
}

static int
print_fault(void *ctx, const struct store_fault *fault)
{
	(void)ctx;
	print_message("fault: tx %llu %s:%llu %s\n", (unsigned long long)fault->tx, fault->file,
	    (unsigned long long)fault->offset, fault->what);
	return 0;
}

static void
test_check(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_check check = {.from_tx = 1, .fault = print_fault};
	struct store_check part = {.from_tx = 1, .max_txs = 7, .fault = print_fault};
	char key[32];

	for (int i = 0; i < 40; i++) {
		snprintf(key, sizeof key, "k%d", i % 17);
		set(f, key, key);
	}
	assert_int_equal(store_check(f->s, &check), IM_OK);
	assert_int_equal(check.checked, 40);
	assert_int_equal(check.faults, 0);
	assert_int_equal(store_check(f->s, &part), IM_OK);
	assert_int_equal(part.checked, 7);
	assert_int_equal(part.from_tx, 8);
}

static void
test_lock(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store *other = NULL;

	assert_int_equal(store_open(&f->options, &other), IM_ERR_LOCKED);
}

/* Changes one byte of a file; the store must be closed. */
static void
flip_in(struct fixture *f, const char *name, const char *needle)
{
	char path[192];
	uint8_t *data;
	size_t n, size = strlen(needle);
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", f->path, name);
	file = fopen(path, "r+b");
	assert_non_null(file);
	data = (uint8_t *)malloc(2 * 1024 * 1024);
	assert_non_null(data);
	n = fread(data, 1, 2 * 1024 * 1024, file);
	for (size_t i = 0; i + size <= n; i++) {
		if (memcmp(data + i, needle, size) != 0)
			continue;
		fseek(file, (long)i, SEEK_SET);
		fputc(data[i] ^ 1, file);
		fclose(file);
		free(data);
		return;
	}
	fail_msg("%s not found in %s", needle, path);
}

static void
test_flipped_value(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_check check = {.from_tx = 1};
	struct store_value v;

	set(f, "good", "unharmed");
	set(f, "bad", "to-be-harmed");
	set(f, "fine", "unharmed too");
	store_close(f->s);
	flip_in(f, "00000000.log", "to-be-harmed");
	open_store(f);
	assert_value(f, "good", "unharmed");
	assert_value(f, "fine", "unharmed too");
	assert_int_equal(get(f, "bad", &v), IM_ERR_DATA_LOSS);
	assert_non_null(strstr(err_detail(IM_ERR_DATA_LOSS), "transaction 2, key bad"));
	assert_non_null(strstr(err_detail(IM_ERR_DATA_LOSS), "00000000.log"));
	assert_int_equal(store_check(f->s, &check), IM_OK);
	assert_int_equal(check.faults, 1);
	set(f, "more", "still writable");
}

static void
test_flipped_record(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_entry e = {.key = raw_key(f, "n"), .value = raw_value(f, bytes_str("v"))};
	struct store_write w = {0};
	char path[192];

	set(f, "first-key", "1");
	set(f, "second-key", "2");
	set(f, "third-key", "3");
	store_close(f->s);
	/* Without a checkpoint the log is read from its start. */
	snprintf(path, sizeof path, "%s/checkpoint", f->path);
	assert_int_equal(unlink(path), 0);
	flip_in(f, "00000000.log", "second-key");
	open_store(f);
	assert_value(f, "first-key", "1");
	assert_int_equal(write_entries(f, &w, &e, 1), IM_ERR_READ_ONLY);
	assert_non_null(strstr(err_detail(IM_ERR_READ_ONLY), "00000000.log"));
}

/*
 * A large transaction that is read again and again: its tree is kept, its bytes are still checked.
 */
static void
test_read_often(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct store_entry e[40];
	struct store_write w = {0};
	struct store_stats stats;
	struct store_tx tx;
	char key[16];

	for (int i = 0; i < 40; i++) {
		snprintf(key, sizeof key, "entry-%02d", i);
		e[i] = (struct store_entry){
		    .key = raw_key(f, key), .value = raw_value(f, bytes_str(key))};
	}
	assert_int_equal(write_entries(f, &w, e, 40), IM_OK);
	for (int round = 0; round < 5; round++) {
		struct inclusion_proof p;
		struct entry_parts parts;
		struct hash digest;

		assert_int_equal(store_read_tx(f->s, 1, 0, &f->arena, &tx), IM_OK);
		parts = (struct entry_parts){
		    tx.entries[17].key, tx.entries[17].metadata, tx.entries[17].hval};
		assert_int_equal(entry_digest(tx.header.version, &parts, &digest), IM_OK);
		assert_int_equal(htree_prove_built(tx.tree, 40, 17, &f->arena, &p), IM_OK);
		assert_true(htree_verify(&p, &digest, &tx.header.eh));
		assert_value(f, "entry-17", "entry-17");
	}
	store_stats(f->s, &stats);
	assert_true(stats.hot_bytes > 40 * sizeof(struct hash));
	flip_in(f, "00000000.log", "entry-23");
	assert_int_equal(store_read_tx(f->s, 1, 0, &f->arena, &tx), IM_ERR_CORRUPT);
	assert_non_null(strstr(err_detail(IM_ERR_CORRUPT), "00000000.log"));
	assert_value(f, "entry-17", "entry-17");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_set_get_reopen, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_versions, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_large_values, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bad_input, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_conditions, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_hidden, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_scan, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_proofs, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_check, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_read_often, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_lock, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_flipped_value, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_flipped_record, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
