/*
 * The segments of the log, and reading it record after record.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/durable.h"
#include "store/logscan.h"
#include "store/txlog.h"
#include "temp_dir.h"
#include "util/crc32c.h"

static const uint8_t database_id[TXLOG_DATABASE_ID_SIZE] = "0123456789abcdef";

struct fixture {
	char dir[TEMP_DIR_MAX];
	struct txlog *log;
};

static enum im_err
open_log(struct fixture *f, const uint8_t *id)
{
	struct txlog_options options = {&vfs_posix, f->dir, id};

	return txlog_open(&options, &f->log);
}

static int
setup(void **state)
{
	struct fixture *f = (struct fixture *)calloc(1, sizeof *f);

	assert_non_null(f);
	temp_dir_make(f->dir);
	assert_int_equal(open_log(f, database_id), IM_OK);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	txlog_close(f->log);
	temp_dir_remove(f->dir);
	free(f);
	return 0;
}

static uint64_t
append_mark(struct fixture *f, uint64_t tx)
{
	struct record_mark m = {tx, 0, {{0}}};
	uint8_t record[RECORD_MARK_SIZE];
	struct iovec iov = {record, sizeof record};
	uint64_t pos;

	record_mark_put(record, &m, txlog_salt(f->log));
	assert_int_equal(txlog_append(f->log, &iov, 1, sizeof record, &pos), IM_OK);
	return pos;
}

static void
test_append_and_scan(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct logscan scan;
	struct logscan_record r;
	uint64_t positions[5];

	assert_int_equal(txlog_start(f->log, TXLOG_START), IM_OK);
	for (uint64_t i = 0; i < 5; i++) {
		if (i == 2)
			assert_int_equal(txlog_next_segment(f->log, RECORD_MARK_SIZE), IM_OK);
		positions[i] = append_mark(f, i + 1);
	}
	assert_int_equal(txlog_sync(f->log), IM_OK);
	assert_int_equal(TXLOG_SEGMENT(positions[1]), 0);
	assert_int_equal(TXLOG_SEGMENT(positions[2]), 1);
	assert_int_equal(logscan_init(&scan, f->log, TXLOG_START), IM_OK);
	for (uint64_t i = 0; i < 5; i++) {
		assert_int_equal(logscan_next(&scan, &r), IM_OK);
		assert_int_equal(r.kind, RECORD_MARK);
		assert_int_equal(r.mark.tx, i + 1);
		assert_int_equal(r.pos, positions[i]);
	}
	assert_int_equal(logscan_next(&scan, &r), IM_OK);
	assert_int_equal(r.kind, RECORD_END);
	assert_int_equal(r.pos, txlog_end(f->log));
	logscan_free(&scan);
}

static void
test_start_cuts(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct record_mark mark = {0};
	struct logscan scan;
	struct logscan_record r;
	uint64_t cut;

	assert_int_equal(txlog_start(f->log, TXLOG_START), IM_OK);
	append_mark(f, 1);
	cut = append_mark(f, 2);
	append_mark(f, 3);
	assert_int_equal(txlog_next_segment(f->log, 100), IM_OK);
	append_mark(f, 4);
	assert_int_equal(txlog_prepare(f->log), IM_OK);
	assert_int_equal(txlog_segments(f->log), 3);
	txlog_close(f->log);
	assert_int_equal(open_log(f, database_id), IM_OK);
	assert_int_equal(logscan_find_marks(f->log, TXLOG_START, &mark), IM_OK);
	assert_int_equal(mark.tx, 4);
	assert_int_equal(txlog_start(f->log, cut), IM_OK);
	assert_int_equal(txlog_segments(f->log), 1);
	mark.tx = 0;
	assert_int_equal(logscan_find_marks(f->log, TXLOG_START, &mark), IM_OK);
	assert_int_equal(mark.tx, 1);
	assert_int_equal(logscan_init(&scan, f->log, cut), IM_OK);
	assert_int_equal(logscan_next(&scan, &r), IM_OK);
	assert_int_equal(r.kind, RECORD_END);
	logscan_free(&scan);
}

static void
test_sizes(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	const size_t huge = 70u * 1024 * 1024;
	uint64_t size;
	uint32_t salt;

	assert_int_equal(txlog_start(f->log, TXLOG_START), IM_OK);
	assert_true(txlog_room(f->log) < 1024 * 1024);
	/* A prepared segment that is too small for what comes is replaced by one that is not. */
	assert_int_equal(txlog_prepare(f->log), IM_OK);
	assert_int_equal(txlog_next_segment(f->log, huge), IM_OK);
	assert_true(txlog_room(f->log) >= huge);
	assert_int_equal(txlog_segment_info(f->log, 1, &salt, &size), IM_OK);
	assert_true(size >= huge + TXLOG_HEADER_SIZE);
	assert_int_equal(txlog_segment_info(f->log, 2, &salt, &size), IM_ERR_CORRUPT);
}

static void
put_header(FILE *file, const uint8_t header[64])
{
	rewind(file);
	assert_int_equal(fwrite(header, 1, 64, file), 64);
	assert_int_equal(fflush(file), 0);
}

static void
test_foreign_and_damaged(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	const uint8_t other_id[TXLOG_DATABASE_ID_SIZE] = "another database";
	uint8_t header[64];
	char path[192];
	uint64_t size;
	uint32_t salt;
	FILE *file;

	txlog_close(f->log);
	f->log = NULL;
	assert_int_equal(open_log(f, other_id), IM_OK);
	assert_int_equal(txlog_segment_info(f->log, 0, &salt, &size), IM_ERR_CORRUPT);
	txlog_close(f->log);
	f->log = NULL;
	/* A version that is newer, and one that a flipped bit makes look newer. */
	snprintf(path, sizeof path, "%s/00000000.log", f->dir);
	file = fopen(path, "r+b");
	assert_non_null(file);
	assert_int_equal(fread(header, 1, sizeof header, file), sizeof header);
	header[11] = 2;
	put_header(file, header);
	assert_int_equal(open_log(f, database_id), IM_OK);
	assert_int_equal(txlog_segment_info(f->log, 0, &salt, &size), IM_ERR_CORRUPT);
	assert_int_equal(txlog_check_segment(f->log, 0), IM_ERR_CORRUPT);
	txlog_close(f->log);
	f->log = NULL;
	be32_put(header + 60, crc32c(0, header, 60));
	put_header(file, header);
	fclose(file);
	assert_int_equal(open_log(f, database_id), IM_ERR_VERSION);
	assert_non_null(strstr(err_detail(IM_ERR_VERSION), "00000000.log"));
	snprintf(path, sizeof path, "mv %s/00000000.log %s/00000001.log", f->dir, f->dir);
	assert_int_equal(system(path), 0);
	assert_int_equal(open_log(f, database_id), IM_ERR_CORRUPT);
}

static int
unlink_segment(struct fixture *f, uint32_t number)
{
	char path[VFS_PATH_MAX];

	txlog_path(f->log, number, path);
	return unlink(path);
}

static enum im_err
read_byte(struct fixture *f, uint64_t pos)
{
	uint8_t byte;
	struct txlog_read read = {pos, &byte, 1, TXLOG_READ};

	return txlog_read(f->log, &read);
}

/* More segments than descriptors: all stay readable. */
static void
test_many_segments(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	uint64_t first[TXLOG_OPEN_SEGMENTS_MAX + 8];
	const size_t n = sizeof first / sizeof *first;
	uint8_t record[RECORD_MARK_SIZE];

	assert_int_equal(txlog_start(f->log, TXLOG_START), IM_OK);
	for (size_t i = 0; i < n; i++) {
		if (i)
			assert_int_equal(txlog_next_segment(f->log, RECORD_MARK_SIZE), IM_OK);
		first[i] = append_mark(f, i + 1);
	}
	for (size_t i = 0; i < n; i++) {
		struct txlog_read read = {first[i], record, sizeof record, TXLOG_READ};
		struct record_mark m;
		uint64_t size;
		uint32_t salt;

		assert_int_equal(txlog_read(f->log, &read), IM_OK);
		assert_int_equal(
		    txlog_segment_info(f->log, TXLOG_SEGMENT(first[i]), &salt, &size), IM_OK);
		assert_int_equal(record_mark_get(record, salt, &m), IM_OK);
		assert_int_equal(m.tx, i + 1);
	}
	/* A file that went away is damage; "not found" would end a walk as if all were well. */
	assert_int_equal(unlink_segment(f, 0), 0);
	for (size_t i = 1; i < n; i++)
		assert_int_equal(read_byte(f, first[i]), IM_OK);
	assert_int_equal(read_byte(f, first[0]), IM_ERR_CORRUPT);
	assert_non_null(strstr(err_detail(IM_ERR_CORRUPT), "00000000.log"));
}

/* Gives a mark or a checkpoint another version, its checksum right. */
static void
put_form_version(struct fixture *f, const char *name, long at, uint32_t version)
{
	uint8_t form[80];
	char path[192];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", f->dir, name);
	file = fopen(path, "r+b");
	assert_non_null(file);
	fseek(file, at, SEEK_SET);
	assert_int_equal(fread(form, 1, sizeof form, file), sizeof form);
	be32_put(form + 8, version);
	be32_put(form + 76, crc32c(0, form, 76));
	fseek(file, at, SEEK_SET);
	assert_int_equal(fwrite(form, 1, sizeof form, file), sizeof form);
	fclose(file);
}

static void
test_durable_files(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct mark_file m;
	struct record_mark mark, in = {5, 77, {{9}}};
	char path[192];
	FILE *file;

	assert_int_equal(mark_file_open(&m, &vfs_posix, f->dir, &mark), IM_OK);
	assert_int_equal(mark.tx, 0);
	for (in.tx = 5; in.tx < 9; in.tx++)
		assert_int_equal(mark_file_write(&m, &in), IM_OK);
	assert_int_equal(mark_file_sync(&m), IM_OK);
	mark_file_close(&m);
	assert_int_equal(mark_file_open(&m, &vfs_posix, f->dir, &mark), IM_OK);
	assert_int_equal(mark.tx, 8);
	assert_int_equal(mark.pos, 77);
	mark_file_close(&m);
	/* A torn slot leaves the other one. */
	snprintf(path, sizeof path, "%s/mark", f->dir);
	file = fopen(path, "r+b");
	assert_non_null(file);
	fputs("torn", file);
	fclose(file);
	assert_int_equal(mark_file_open(&m, &vfs_posix, f->dir, &mark), IM_OK);
	assert_int_equal(mark.tx, 7);
	mark_file_close(&m);
	/* A slot of a newer version. */
	put_form_version(f, "mark", 4096, 2);
	assert_int_equal(mark_file_open(&m, &vfs_posix, f->dir, &mark), IM_ERR_VERSION);
	assert_int_equal(checkpoint_read(&vfs_posix, f->dir, &mark), IM_OK);
	assert_int_equal(mark.tx, 0);
	assert_int_equal(checkpoint_write(&vfs_posix, f->dir, &in), IM_OK);
	assert_int_equal(checkpoint_read(&vfs_posix, f->dir, &mark), IM_OK);
	assert_int_equal(mark.tx, in.tx);
	assert_true(hash_equal(&mark.alh, &in.alh));
	put_form_version(f, "checkpoint", 0, 2);
	assert_int_equal(checkpoint_read(&vfs_posix, f->dir, &mark), IM_ERR_VERSION);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_append_and_scan, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_start_cuts, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_foreign_and_damaged, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_many_segments, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_durable_files, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
