/*
 * Files changed in memory only: what is underneath is never written, and a store opened on it tells
 * what it had to put right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/rawkey.h"
#include "fault_vfs.h"
#include "store/store.h"
#include "store/vfs_shadow.h"

#define STORE_DIR FAULT_ROOT "/db"
/* More than a page of offsets and two tiles of the tree. */
#define BASE_TXS 600u
#define PAGE 4096u

struct fixture {
	struct fault_vfs *disk;
	struct vfs guard; /* of the disk; refuses to change anything, and notes that it was asked */
	struct vfs_shadow *shadow;
	struct store *s;
	bool touched;
	unsigned derived; /* repairs told of */
	unsigned torn;
	char first[512];
	struct arena arena;
};

static struct fixture *guarded;

static int
touch(void)
{
	guarded->touched = true;
	errno = EROFS;
	return -1;
}

static int
guard_open(void *ctx, const char *path, int flags, mode_t mode)
{
	return flags == O_RDONLY ? fault_vfs_table(guarded->disk)->open(ctx, path, flags, mode)
				 : touch();
}

static ssize_t
guard_pwritev(void *ctx, int fd, const struct iovec *iov, int count, off_t offset)
{
	(void)ctx, (void)fd, (void)iov, (void)count, (void)offset;
	return touch();
}

static int
guard_fd(void *ctx, int fd)
{
	(void)ctx, (void)fd;
	return touch();
}

static int
guard_fd_size(void *ctx, int fd, off_t size)
{
	(void)ctx, (void)fd, (void)size;
	return touch();
}

static int
guard_rename(void *ctx, const char *from, const char *to)
{
	(void)ctx, (void)from, (void)to;
	return touch();
}

static int
guard_path(void *ctx, const char *path)
{
	(void)ctx, (void)path;
	return touch();
}

static int
guard_mkdir(void *ctx, const char *path, mode_t mode)
{
	(void)ctx, (void)path, (void)mode;
	return touch();
}

static int
setup(void **state)
{
	struct fixture *f = (struct fixture *)calloc(1, sizeof *f);

	assert_non_null(f);
	f->disk = fault_vfs_new();
	assert_non_null(f->disk);
	f->guard = *fault_vfs_table(f->disk);
	f->guard.open = guard_open;
	f->guard.pwritev = guard_pwritev;
	f->guard.fdatasync = guard_fd;
	f->guard.allocate = guard_fd_size;
	f->guard.truncate = guard_fd_size;
	f->guard.rename = guard_rename;
	f->guard.unlink = guard_path;
	f->guard.mkdir = guard_mkdir;
	f->guard.sync_dir = guard_path;
	f->shadow = vfs_shadow_new(&f->guard);
	assert_non_null(f->shadow);
	arena_init(&f->arena, 64u * 1024 * 1024);
	guarded = f;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	store_close(f->s);
	vfs_shadow_free(f->shadow);
	fault_vfs_free(f->disk);
	arena_free(&f->arena);
	free(f);
	return 0;
}

/* ---- Files ---- */

static void
put(const struct vfs *vfs, const char *name, const char *text, uint64_t offset)
{
	struct vfs_file file;

	assert_int_equal(vfs_file_open(&file, vfs, FAULT_ROOT, name, O_RDWR | O_CREAT), IM_OK);
	assert_int_equal(vfs_write(&file, text, strlen(text), offset), IM_OK);
	assert_int_equal(vfs_sync(&file), IM_OK);
	vfs_file_close(&file);
}

static void
expect_file(const struct vfs *vfs, const char *name, const char *text)
{
	struct buf content;

	buf_init(&content, 4 * PAGE);
	if (!text) {
		assert_int_equal(vfs_read_file(vfs, FAULT_ROOT, name, &content), IM_ERR_NOT_FOUND);
	} else {
		assert_int_equal(vfs_read_file(vfs, FAULT_ROOT, name, &content), IM_OK);
		assert_true(bytes_equal(buf_bytes(&content), bytes_str(text)));
	}
	buf_free(&content);
}

static void
test_writes_stay_in_memory(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	const struct vfs *disk = fault_vfs_table(f->disk), *v = vfs_shadow_table(f->shadow);

	put(disk, "a", "underneath", 0);
	expect_file(v, "a", "underneath");
	put(v, "a", "UP", 2);
	put(v, "b", "new", 0);
	expect_file(v, "a", "unUPrneath");
	expect_file(v, "b", "new");
	expect_file(disk, "a", "underneath");
	expect_file(disk, "b", NULL);
	assert_int_equal(vfs_replace_file(v, FAULT_ROOT, "a", bytes_str("other")), IM_OK);
	expect_file(v, "a", "other");
	expect_file(v, "a.tmp", NULL);
	expect_file(disk, "a", "underneath");
	assert_false(f->touched);
}

static void
test_cut_and_grown_reads_zeroes(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	const struct vfs *disk = fault_vfs_table(f->disk), *v = vfs_shadow_table(f->shadow);
	uint8_t data[3 * PAGE], *old = (uint8_t *)malloc(3 * PAGE);
	struct vfs_file file;
	uint64_t size;

	assert_non_null(old);
	memset(old, 'x', 3 * PAGE);
	assert_int_equal(vfs_file_open(&file, disk, FAULT_ROOT, "a", O_RDWR | O_CREAT), IM_OK);
	assert_int_equal(vfs_write(&file, old, 3 * PAGE, 0), IM_OK);
	vfs_file_close(&file);
	free(old);
	assert_int_equal(vfs_file_open(&file, v, FAULT_ROOT, "a", O_RDWR), IM_OK);
	assert_int_equal(vfs_write(&file, "y", 1, 2 * PAGE), IM_OK);
	assert_int_equal(v->truncate(v->ctx, file.fd, 100), 0);
	assert_int_equal(vfs_read(&file, data, 101, 0), IM_ERR_CORRUPT);
	assert_int_equal(v->allocate(v->ctx, file.fd, 3 * PAGE), 0);
	assert_int_equal(vfs_size(&file, &size), IM_OK);
	assert_int_equal(size, 3 * PAGE);
	assert_int_equal(vfs_read(&file, data, 3 * PAGE, 0), IM_OK);
	for (size_t i = 0; i < sizeof data; i++)
		assert_int_equal(data[i], i < 100 ? 'x' : 0);
	vfs_file_close(&file);
	assert_false(f->touched);
}

static int
count_name(void *arg, const char *name)
{
	unsigned *seen = (unsigned *)arg;

	seen[name[0] - 'a']++;
	return 0;
}

static void
test_names(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	const struct vfs *disk = fault_vfs_table(f->disk), *v = vfs_shadow_table(f->shadow);
	unsigned seen[26] = {0};
	struct vfs_file file;

	put(disk, "a", "A", 0);
	put(disk, "b", "B", 0);
	put(disk, "c", "C", 0);
	assert_int_equal(v->unlink(v->ctx, FAULT_ROOT "/a"), 0);
	assert_int_equal(v->unlink(v->ctx, FAULT_ROOT "/a"), -1);
	assert_int_equal(v->rename(v->ctx, FAULT_ROOT "/b", FAULT_ROOT "/c"), 0);
	assert_int_equal(v->rename(v->ctx, FAULT_ROOT "/b", FAULT_ROOT "/d"), -1);
	put(v, "e", "E", 0);
	expect_file(v, "a", NULL);
	expect_file(v, "b", NULL);
	expect_file(v, "c", "B");
	assert_int_equal(v->list(v->ctx, FAULT_ROOT, count_name, seen), 0);
	assert_true(seen[0] == 0 && seen[1] == 0 && seen[2] == 1 && seen[4] == 1);
	assert_int_equal(
	    vfs_file_open(&file, v, FAULT_ROOT, "c", O_RDWR | O_CREAT | O_EXCL), IM_ERR_IO);
	/* A name that was taken away is free again, and nothing of the old file comes back. */
	put(v, "a", "", 0);
	expect_file(v, "a", "");
	assert_int_equal(vfs_make_dir(v, FAULT_ROOT "/folder"), IM_OK);
	assert_int_equal(v->mkdir(v->ctx, FAULT_ROOT "/folder", VFS_DIR_MODE), -1);
	assert_int_equal(errno, EEXIST);
	expect_file(disk, "a", "A");
	expect_file(disk, "b", "B");
	expect_file(disk, "c", "C");
	assert_false(f->touched);
}

/* ---- A store ---- */

static void
on_repair(void *ctx, enum store_repair kind, const char *text)
{
	struct fixture *f = (struct fixture *)ctx;

	if (f->derived + f->torn == 0)
		snprintf(f->first, sizeof f->first, "%s", text);
	f->derived += kind == STORE_REPAIR_DERIVED;
	f->torn += kind == STORE_REPAIR_TORN_END;
}

static void
open_on(struct fixture *f, const struct vfs *vfs)
{
	struct store_options options = {.dir = STORE_DIR,
	    .name = "db",
	    .vfs = vfs,
	    .unsynced = true,
	    .header_version = 1,
	    .repaired = on_repair,
	    .ctx = f};
	enum im_err err = store_open(&options, &f->s);

	if (err != IM_OK)
		fail_msg("%s: %s", err_name(err), err_detail(err));
}

static void
close_store(struct fixture *f)
{
	store_close(f->s);
	f->s = NULL;
}

static void
write_number(struct fixture *f, uint64_t number)
{
	uint8_t key[9] = {RAW_KEY_PLAIN};
	struct store_entry e = {
	    .key = bytes_of(key, sizeof key), .value = bytes_of(key, sizeof key)};
	struct store_write w = {.entries = &e, .nentries = 1, .arena = &f->arena};

	be64_put(key + 1, number);
	assert_int_equal(store_write_wait(f->s, &w), IM_OK);
	arena_free(&f->arena);
	arena_init(&f->arena, 64u * 1024 * 1024);
}

static void
make_base(struct fixture *f)
{
	open_on(f, fault_vfs_table(f->disk));
	for (uint64_t i = 1; i <= BASE_TXS; i++)
		write_number(f, i);
	close_store(f);
	assert_int_equal(f->derived + f->torn, 0);
}

static void
check_store(struct fixture *f, uint64_t txs, uint64_t faults)
{
	struct store_check check = {.from_tx = 1};

	assert_int_equal(store_check(f->s, &check), IM_OK);
	assert_int_equal(check.checked, txs);
	assert_int_equal(check.faults, faults);
}

static void
test_store_is_written_in_memory(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	make_base(f);
	open_on(f, vfs_shadow_table(f->shadow));
	check_store(f, BASE_TXS, 0);
	for (uint64_t i = 1; i <= BASE_TXS; i++)
		write_number(f, i);
	close_store(f);
	open_on(f, vfs_shadow_table(f->shadow));
	check_store(f, 2 * BASE_TXS, 0);
	close_store(f);
	open_on(f, fault_vfs_table(f->disk));
	check_store(f, BASE_TXS, 0);
	assert_int_equal(f->derived + f->torn, 0);
	assert_false(f->touched);
}

static void
damage(struct fixture *f, const char *name, uint64_t offset)
{
	struct vfs_file file;

	assert_int_equal(
	    vfs_file_open(&file, fault_vfs_table(f->disk), STORE_DIR, name, O_RDWR), IM_OK);
	assert_int_equal(vfs_write(&file, "\xaa\x55\xaa", 3, offset), IM_OK);
	vfs_file_close(&file);
}

/* The damage is told of, with the file; all is whole when it is made anew; on disk it stays. */
static void
expect_repair(struct fixture *f, const char *name, uint64_t offset)
{
	make_base(f);
	damage(f, name, offset);
	open_on(f, vfs_shadow_table(f->shadow));
	check_store(f, BASE_TXS, 0);
	assert_true(f->derived > 0);
	if (!strstr(f->first, name))
		fail_msg("%s: %s", name, f->first);
	assert_false(f->touched);
}

static void
test_repair_of_checkpoint(void **state)
{
	expect_repair((struct fixture *)*state, "checkpoint", 30);
}

static int
keep_fault(void *ctx, const struct store_fault *fault)
{
	char *said = (char *)ctx;

	assert_true(fault->derived);
	snprintf(said, 256, "%s %llu", fault->file, (unsigned long long)fault->offset);
	return 0;
}

/* A page is damaged: that is one fault, which names file and page, and what is read is whole. */
static void
expect_page(struct fixture *f, const char *name, uint64_t offset, const char *page)
{
	char said[256] = "";
	struct store_check check = {.from_tx = 1, .fault = keep_fault, .ctx = said};

	make_base(f);
	damage(f, name, offset);
	open_on(f, vfs_shadow_table(f->shadow));
	assert_int_equal(store_check(f->s, &check), IM_OK);
	assert_int_equal(check.faults, 1);
	assert_non_null(strstr(said, page));
	assert_int_equal(f->derived, 0);
	check_store(f, BASE_TXS, 0);
	assert_false(f->touched);
}

static void
test_repair_of_tree(void **state)
{
	expect_page((struct fixture *)*state, "tree.0", 5000, "/tree.0 0");
}

static void
test_repair_of_tree_tail(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	make_base(f);
	damage(f, "tree.tail", 40);
	damage(f, "tree.tail", 65536 + 40);
	open_on(f, vfs_shadow_table(f->shadow));
	check_store(f, BASE_TXS, 0);
	assert_true(f->derived > 0);
	assert_false(f->touched);
}

static void
test_repair_of_offsets(void **state)
{
	expect_page((struct fixture *)*state, "offsets", 800, "/offsets 0");
}

static void
test_repair_of_manifest(void **state)
{
	expect_repair((struct fixture *)*state, "index/manifest", 10);
}

static int
expect_derived(void *ctx, const struct store_fault *fault)
{
	unsigned *seen = (unsigned *)ctx;

	assert_true(fault->derived);
	assert_non_null(strstr(fault->file, ".run"));
	++*seen;
	return 0;
}

static void
test_damaged_block_is_one_fault(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	unsigned seen = 0;
	struct store_check check = {.from_tx = 1, .fault = expect_derived, .ctx = &seen};

	make_base(f);
	damage(f, "index/0000000000000001.run", 200);
	open_on(f, vfs_shadow_table(f->shadow));
	assert_int_equal(store_check(f->s, &check), IM_OK);
	assert_int_equal(check.faults, 1);
	assert_int_equal(seen, 1);
	assert_false(f->touched);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_writes_stay_in_memory, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_cut_and_grown_reads_zeroes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_names, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_store_is_written_in_memory, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_repair_of_checkpoint, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_repair_of_tree, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_repair_of_tree_tail, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_repair_of_offsets, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_repair_of_manifest, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damaged_block_is_one_fault, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
