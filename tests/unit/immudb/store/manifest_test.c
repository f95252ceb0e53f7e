/*
 * The manifest: what was stored is loaded again, and nothing else is.
 */
#include "store/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "immudb/store/fault_disk.h"
#include "store/run_format.h"

#define PATH FAULT_ROOT "/" MANIFEST_NAME

static const struct manifest example = {.covered_tx = 100,
    .count = 3,
    .runs = {{7, 1, 50, 1000, 0x01020304}, {9, 51, 60, 2000, 5}, {8, 65, 99, 3000, UINT32_MAX}}};

static void
store(const struct manifest *m)
{
	fault_vfs_reset(disk);
	assert_int_equal(manifest_store(fault_vfs_table(disk), FAULT_ROOT, m), IM_OK);
}

static enum im_err
load(struct manifest *m)
{
	return manifest_load(fault_vfs_table(disk), FAULT_ROOT, m);
}

static void
comes_back(void **state)
{
	struct manifest m;

	(void)state;
	fault_vfs_reset(disk);
	assert_int_equal(load(&m), IM_ERR_NOT_FOUND);
	store(&example);
	/* It is durable at once. */
	fault_vfs_crash(disk, FAULT_LOSE_EVERYTHING, 1);
	assert_int_equal(load(&m), IM_OK);
	assert_int_equal(m.covered_tx, example.covered_tx);
	assert_int_equal(m.count, example.count);
	for (unsigned i = 0; i < m.count; i++) {
		assert_int_equal(m.runs[i].number, example.runs[i].number);
		assert_int_equal(m.runs[i].first_tx, example.runs[i].first_tx);
		assert_int_equal(m.runs[i].last_tx, example.runs[i].last_tx);
		assert_int_equal(m.runs[i].size, example.runs[i].size);
		assert_int_equal(m.runs[i].footer_crc, example.runs[i].footer_crc);
	}
}

static void
damage_is_found(void **state)
{
	struct manifest m;
	int64_t size;

	(void)state;
	store(&example);
	size = fault_vfs_file_size(disk, PATH);
	for (int64_t i = 0; i < size; i++) {
		uint8_t mask = (uint8_t)(1u << i % 8);

		assert_true(fault_vfs_damage(disk, PATH, (uint64_t)i, mask));
		assert_int_equal(load(&m), IM_ERR_CORRUPT);
		assert_int_equal(m.count, 0);
		assert_true(fault_vfs_damage(disk, PATH, (uint64_t)i, mask));
	}
	assert_int_equal(load(&m), IM_OK);
	while (size-- > 0) {
		assert_true(fault_vfs_shorten(disk, PATH, (uint64_t)size));
		assert_int_equal(load(&m), IM_ERR_CORRUPT);
	}
}

static void
overlapping_ranges_are_refused(void **state)
{
	struct manifest m, bad = example;

	(void)state;
	bad.runs[1].first_tx = 50;
	store(&bad);
	assert_int_equal(load(&m), IM_ERR_CORRUPT);
	bad = example;
	bad.runs[2].first_tx = 100;
	store(&bad);
	assert_int_equal(load(&m), IM_ERR_CORRUPT);
	bad = example;
	bad.covered_tx = 98;
	store(&bad);
	assert_int_equal(load(&m), IM_ERR_CORRUPT);
	bad = example;
	bad.runs[0].first_tx = 0;
	store(&bad);
	assert_int_equal(load(&m), IM_ERR_CORRUPT);
}

static void
newer_version_is_refused(void **state)
{
	uint8_t header[RUN_HEADER_BYTES + 100] = {0};
	struct manifest m;

	(void)state;
	fault_vfs_reset(disk);
	index_header_encode(header, "IMDBIDX\n", MANIFEST_VERSION + 1);
	assert_int_equal(vfs_replace_file(fault_vfs_table(disk), FAULT_ROOT, MANIFEST_NAME,
			     bytes_of(header, sizeof header)),
	    IM_OK);
	assert_int_equal(load(&m), IM_ERR_VERSION);
	assert_non_null(strstr(err_detail(IM_ERR_VERSION), MANIFEST_NAME));
	/* Version 0 was never written. */
	index_header_encode(header, "IMDBIDX\n", 0);
	assert_int_equal(vfs_replace_file(fault_vfs_table(disk), FAULT_ROOT, MANIFEST_NAME,
			     bytes_of(header, sizeof header)),
	    IM_OK);
	assert_int_equal(load(&m), IM_ERR_CORRUPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(comes_back),
	    cmocka_unit_test(damage_is_found),
	    cmocka_unit_test(overlapping_ranges_are_refused),
	    cmocka_unit_test(newer_version_is_refused),
	};

	return cmocka_run_group_tests(tests, disk_make, disk_free);
}
