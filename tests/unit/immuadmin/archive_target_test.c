/*
 * Where archives are written: large files come out whole, are not kept in the page cache, and fail
 * clearly.
 */
#include "../temp_dir.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "archive_target.h"
#include "crypto/archive.h"

#define PIECE ((size_t)300 * 1000)
#define PIECES 100
#define DROPPED_BYTES ((size_t)8 * 1024 * 1024)
#define TMPFS_MAGIC 0x01021994

/* The byte at an offset of what the tests write. */
static uint8_t
pattern(uint64_t at)
{
	return (uint8_t)(at * 31 + (at >> 13));
}

static enum im_err
write_pieces(struct archive_target *t, uint64_t from, int pieces)
{
	uint8_t *piece = (uint8_t *)malloc(PIECE);
	enum im_err err = IM_OK;

	assert_non_null(piece);
	for (int i = 0; err == IM_OK && i < pieces; i++) {
		for (size_t k = 0; k < PIECE; k++)
			piece[k] = pattern(from + k);
		err = archive_target_write(t, bytes_of(piece, PIECE));
		from += PIECE;
	}
	free(piece);
	return err;
}

/* The file has length bytes of the pattern, but for the magic of what was appended at start. */
static void
check_file(const char *path, size_t length, size_t start)
{
	int fd = open(path, O_RDONLY);
	uint8_t *p;

	assert_true(fd >= 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), (off_t)length);
	p = (uint8_t *)mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(p != MAP_FAILED);
	for (size_t i = 0; i < length; i++) {
		if (start > 0 && i >= start && i < start + ARCHIVE_MAGIC_SIZE)
			assert_int_equal(p[i], archive_magic[i - start]);
		else if (p[i] != pattern(i))
			fail_msg("byte %zu is another", i);
	}
	munmap(p, length);
	close(fd);
}

/* Whether most of the first bytes of a file are in the page cache. */
static bool
is_resident(const char *path)
{
	static unsigned char in_core[DROPPED_BYTES / 4096];
	size_t page = (size_t)sysconf(_SC_PAGESIZE), resident = 0;
	int fd = open(path, O_RDONLY);
	void *p = mmap(NULL, DROPPED_BYTES, PROT_READ, MAP_PRIVATE, fd, 0);

	assert_true(fd >= 0 && p != MAP_FAILED);
	assert_int_equal(mincore(p, DROPPED_BYTES, in_core), 0);
	for (size_t i = 0; i < DROPPED_BYTES / page; i++)
		resident += in_core[i] & 1;
	munmap(p, DROPPED_BYTES);
	close(fd);
	return resident > DROPPED_BYTES / page / 2;
}

static bool
is_in_memory(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static void
test_large(void **state)
{
	struct archive_target *t;
	char path[4096];

	snprintf(path, sizeof path, "%s/large", (const char *)*state);
	assert_int_equal(archive_target_open(path, ARCHIVE_TARGET_NEW, &t), IM_OK);
	assert_int_equal(write_pieces(t, 0, PIECES), IM_OK);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(archive_target_commit(t), IM_OK);
	archive_target_close(t);
	if (!is_in_memory(path))
		assert_false(is_resident(path));
	check_file(path, PIECES * PIECE, 0);
	assert_true(is_resident(path));

	assert_int_equal(archive_target_open(path, ARCHIVE_TARGET_APPEND, &t), IM_OK);
	assert_int_equal(archive_target_append_at(t, PIECES * PIECE), IM_OK);
	assert_int_equal(write_pieces(t, PIECES * PIECE, PIECES), IM_OK);
	assert_int_equal(archive_target_commit(t), IM_OK);
	archive_target_close(t);
	check_file(path, 2 * PIECES * PIECE, PIECES * PIECE);

	/* One that is given up leaves what was there. */
	assert_int_equal(archive_target_open(path, ARCHIVE_TARGET_APPEND, &t), IM_OK);
	assert_int_equal(archive_target_append_at(t, 2 * PIECES * PIECE), IM_OK);
	assert_int_equal(write_pieces(t, 0, PIECES), IM_OK);
	archive_target_close(t);
	check_file(path, 2 * PIECES * PIECE, PIECES * PIECE);
}

/* No room behind what was pushed to the disk already. */
static void
test_full(void **state)
{
	struct rlimit old, limit;
	struct archive_target *t;
	char path[4096];

	snprintf(path, sizeof path, "%s/full", (const char *)*state);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = (struct rlimit){(rlim_t)2 * DROPPED_BYTES, old.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(archive_target_open(path, ARCHIVE_TARGET_NEW, &t), IM_OK);
	assert_int_equal(write_pieces(t, 0, PIECES), IM_ERR_NO_SPACE);
	archive_target_close(t);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(access(path, F_OK), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_large, temp_dir_setup, temp_dir_teardown),
	    cmocka_unit_test_setup_teardown(test_full, temp_dir_setup, temp_dir_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
