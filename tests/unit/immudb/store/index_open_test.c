/*
 * Opening an index whose files are damaged: it holds a prefix of the transactions, and with the
 * rest inserted again it answers as before.
 */
#include "immudb/store/fault_disk.h"
#include "immudb/store/index_model.h"
#include "store/manifest.h"
#include "store/run_format.h"

#define FLUSHES 3u

/* An index with FLUSHES runs of 4 transactions each, and some more in the memtable. */
static void
fill(struct model *m)
{
	bool did;

	fault_vfs_reset(disk);
	model_open_fault(m, disk, 3, 30);
	for (unsigned i = 0; i < FLUSHES; i++) {
		for (unsigned j = 0; j < 4; j++)
			model_write(m, 10);
		assert_int_equal(index_freeze(m->idx, m->tx), IM_OK);
		assert_int_equal(index_flush(m->idx, &did), IM_OK);
	}
	model_write(m, 10);
}

static void
run_path(const struct model *m, unsigned i, char path[VFS_PATH_MAX])
{
	char name[RUN_NAME_MAX];

	run_name(name, i + 1);
	assert_int_equal(vfs_path(path, m->dir, name), IM_OK);
}

/* Opens again, expects this much to be covered, and compares everything. */
static void
reopen_and_compare(struct model *m, uint64_t covered)
{
	index_close(m->idx);
	m->options.log_tx = m->tx;
	assert_int_equal(index_open(&m->options, &m->idx), IM_OK);
	assert_int_equal(index_covered_tx(m->idx), covered);
	model_replay(m, covered + 1);
	model_check_all(m);
	/* What was left out is not named any more: another open has nothing to warn of. */
	index_close(m->idx);
	assert_int_equal(index_open(&m->options, &m->idx), IM_OK);
	assert_int_equal(index_covered_tx(m->idx), covered);
	model_replay(m, covered + 1);
}

static void
lost_run_leaves_those_before_it(void **state)
{
	char path[VFS_PATH_MAX];
	struct model m;

	(void)state;
	for (unsigned i = 0; i < FLUSHES; i++) {
		fill(&m);
		run_path(&m, i, path);
		assert_true(fault_vfs_remove(disk, path));
		reopen_and_compare(&m, 4 * i);
		model_close(&m);
	}
}

static void
damaged_footer_leaves_those_before_it(void **state)
{
	char path[VFS_PATH_MAX];
	struct model m;

	(void)state;
	for (unsigned i = 0; i < FLUSHES; i++) {
		fill(&m);
		run_path(&m, i, path);
		assert_true(fault_vfs_damage(
		    disk, path, (uint64_t)fault_vfs_file_size(disk, path) - 10, 0x40));
		reopen_and_compare(&m, 4 * i);
		model_close(&m);
	}
}

static void
without_manifest_all_is_indexed_again(void **state)
{
	char path[VFS_PATH_MAX];
	struct model m;

	(void)state;
	fill(&m);
	assert_int_equal(vfs_path(path, m.dir, MANIFEST_NAME), IM_OK);
	assert_true(fault_vfs_damage(disk, path, 20, 1));
	reopen_and_compare(&m, 0);
	model_close(&m);
	fill(&m);
	assert_true(fault_vfs_remove(disk, path));
	reopen_and_compare(&m, 0);
	model_close(&m);
}

static int
fault_count(void *ctx, const struct index_fault *fault)
{
	unsigned *n = (unsigned *)ctx;

	assert_non_null(strstr(fault->file, ".run"));
	assert_true(fault->offset >= RUN_HEADER_BYTES);
	(*n)++;
	return 0;
}

static void
block_found_bad_is_repaired_by_the_next_open(void **state)
{
	struct index_range range = {.read = {.as_of = UINT64_MAX}};
	struct index_entry e;
	struct index_iter *it;
	enum im_err err = IM_OK;
	char path[VFS_PATH_MAX];
	unsigned reported = 0;
	struct index_check check = {.fault = fault_count, .ctx = &reported};
	struct model m;
	bool did;

	(void)state;
	fill(&m);
	run_path(&m, 1, path);
	assert_true(fault_vfs_damage(disk, path, RUN_HEADER_BYTES + 5, 1));
	assert_false(index_damaged(m.idx));
	/* A walk meets it, says where, and does not go on as if nothing had been. */
	assert_int_equal(index_scan(m.idx, &range, &it), IM_OK);
	while (err == IM_OK)
		err = index_iter_next(it, &e);
	assert_int_equal(err, IM_ERR_CORRUPT);
	assert_non_null(strstr(err_detail(err), path));
	assert_non_null(strstr(err_detail(err), "offset 16"));
	assert_int_equal(index_iter_next(it, &e), IM_ERR_CORRUPT);
	index_iter_close(it);
	assert_true(index_damaged(m.idx));
	assert_int_equal(index_check(m.idx, &check), IM_OK);
	assert_true(check.done);
	assert_int_equal(check.faults, 1);
	assert_int_equal(reported, 1);
	/* Maintenance takes note; new runs are not relied upon either. */
	assert_int_equal(index_flush(m.idx, &did), IM_OK);
	assert_int_equal(index_covered_tx(m.idx), 4);
	assert_int_equal(index_freeze(m.idx, m.tx), IM_OK);
	assert_int_equal(index_flush(m.idx, &did), IM_OK);
	assert_true(did);
	assert_int_equal(index_covered_tx(m.idx), 4);
	reopen_and_compare(&m, 4);
	assert_false(index_damaged(m.idx));
	model_close(&m);
}

static void
merge_of_a_damaged_run_gives_up_on_it(void **state)
{
	char path[VFS_PATH_MAX];
	struct model m;
	bool did;

	(void)state;
	fill(&m);
	assert_int_equal(index_freeze(m.idx, m.tx), IM_OK);
	assert_int_equal(index_flush(m.idx, &did), IM_OK);
	run_path(&m, 2, path);
	assert_true(fault_vfs_damage(disk, path, RUN_HEADER_BYTES + 5, 1));
	assert_int_equal(index_merge(m.idx, &did), IM_ERR_CORRUPT);
	assert_int_equal(index_covered_tx(m.idx), 8);
	/* What is newer is merged as ever. */
	assert_int_equal(index_merge(m.idx, &did), IM_OK);
	assert_false(did);
	for (unsigned i = 0; i < 4; i++) {
		model_write(&m, 10);
		assert_int_equal(index_freeze(m.idx, m.tx), IM_OK);
		assert_int_equal(index_flush(m.idx, &did), IM_OK);
	}
	assert_int_equal(index_merge(m.idx, &did), IM_OK);
	assert_true(did);
	reopen_and_compare(&m, 8);
	model_close(&m);
}

static void
newer_version_is_refused(void **state)
{
	uint8_t header[RUN_HEADER_BYTES] = {0};
	struct index *idx;
	struct model m;

	(void)state;
	fill(&m);
	index_header_encode(header, "IMDBIDX\n", MANIFEST_VERSION + 1);
	assert_int_equal(vfs_replace_file(fault_vfs_table(disk), m.dir, MANIFEST_NAME,
			     bytes_of(header, sizeof header)),
	    IM_OK);
	m.options.log_tx = m.tx;
	assert_int_equal(index_open(&m.options, &idx), IM_ERR_VERSION);
	assert_null(idx);
	model_close(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lost_run_leaves_those_before_it),
	    cmocka_unit_test(damaged_footer_leaves_those_before_it),
	    cmocka_unit_test(without_manifest_all_is_indexed_again),
	    cmocka_unit_test(block_found_bad_is_repaired_by_the_next_open),
	    cmocka_unit_test(merge_of_a_damaged_run_gives_up_on_it),
	    cmocka_unit_test(newer_version_is_refused),
	};

	return cmocka_run_group_tests(tests, disk_make, disk_free);
}
