/*
 * Flushing and merging when the file system fails or loses power at each call in turn, and what is
 * merged when.
 */
#include "immudb/store/index_model.h"

#include <errno.h>
#include <sys/wait.h>

#include "immudb/store/fault_disk.h"

static void
write_and_freeze(struct model *m)
{
	for (unsigned i = 0; i < 4; i++)
		model_write(m, 10);
	assert_int_equal(index_freeze(m->idx, m->tx), IM_OK);
}

/*
 * An index with three runs and a frozen memtable: the next flush makes the fourth, then all merge.
 */
static void
fill(struct model *m, uint64_t seed)
{
	bool did;

	fault_vfs_reset(disk);
	model_open_fault(m, disk, seed, 30);
	for (unsigned i = 0; i < 3; i++) {
		write_and_freeze(m);
		assert_int_equal(index_flush(m->idx, &did), IM_OK);
	}
	write_and_freeze(m);
}

/* Maintenance as the engine calls it; the first error ends it. */
static enum im_err
maintain(struct index *idx)
{
	bool flushed = true, merged = true;
	enum im_err err = IM_OK;

	while (err == IM_OK && (flushed || merged)) {
		err = index_flush(idx, &flushed);
		if (err == IM_OK)
			err = index_merge(idx, &merged);
	}
	return err;
}

static unsigned
file_count(const struct model *m)
{
	unsigned n = 0;
	char path[VFS_PATH_MAX], name[32];

	for (unsigned i = 1; i < 40; i++) {
		snprintf(name, sizeof name, "%016x.run", i);
		assert_int_equal(vfs_path(path, m->dir, name), IM_OK);
		n += fault_vfs_file_size(disk, path) >= 0;
	}
	return n;
}

/* One round with the Nth call failing; false when there are not that many. */
static bool
fail_at(uint64_t n, int error, bool sticky)
{
	const struct fault_plan fail = {
	    .kind = FAULT_FAIL, .at = n, .error = error, .sticky = sticky, .seed = n};
	const struct fault_plan none = {.kind = FAULT_NONE};
	struct index_stats stats;
	struct model m;
	bool fired;

	fill(&m, n);
	fault_vfs_plan(disk, &fail);
	for (unsigned i = 0; i < 3 && maintain(m.idx) != IM_OK; i++)
		;
	fired = fault_vfs_fired(disk);
	fault_vfs_plan(disk, &none);
	/* It answers as ever, goes on, and catches up. */
	model_check_all(&m);
	write_and_freeze(&m);
	assert_int_equal(maintain(m.idx), IM_OK);
	assert_int_equal(index_covered_tx(m.idx), m.tx);
	model_check_all(&m);
	assert_false(index_damaged(m.idx));
	index_stats(m.idx, &stats);
	index_close(m.idx);
	fault_vfs_crash(disk, FAULT_LOSE_RANDOM, n);
	m.options.log_tx = m.tx;
	assert_int_equal(index_open(&m.options, &m.idx), IM_OK);
	assert_int_equal(index_covered_tx(m.idx), m.tx);
	model_check_all(&m);
	assert_int_equal(file_count(&m), stats.runs);
	model_close(&m);
	return fired;
}

static void
failing_calls_do_no_harm(void **state)
{
	uint64_t n = 1;

	(void)state;
	while (fail_at(n, n % 2 ? EIO : ENOSPC, false))
		n++;
	assert_true(n > 20);
	for (n = 1; fail_at(n, ENOSPC, true);)
		n += 3;
}

/* In a process of its own, which ends at the planned call. */
static void
work_until_cut(struct model *m)
{
	if (index_open(&m->options, &m->idx) != IM_OK)
		_exit(1);
	for (size_t i = 0; i < m->count; i++) {
		if (m->versions[i]->entry.tx > index_covered_tx(m->idx) &&
		    index_insert(m->idx, &m->versions[i]->entry, 1) != IM_OK)
			_exit(2);
	}
	if (index_freeze(m->idx, m->tx) != IM_OK || maintain(m->idx) != IM_OK)
		_exit(3);
	_exit(0);
}

/* One round with the power cut at the Nth call; false when there are not that many. */
static bool
cut_at(uint64_t n, enum fault_loss loss)
{
	const struct fault_plan cut = {.kind = FAULT_CUT, .at = n, .seed = n};
	struct model m;
	int status;
	pid_t pid;

	fill(&m, n);
	index_close(m.idx);
	m.options.log_tx = m.tx;
	fault_vfs_plan(disk, &cut);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		work_until_cut(&m);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == FAULT_CUT_EXIT);
	fault_vfs_crash(disk, loss, n);
	assert_int_equal(index_open(&m.options, &m.idx), IM_OK);
	/* What was covered before still is, and nothing is damaged. */
	assert_in_range(index_covered_tx(m.idx), 12, m.tx);
	model_replay(&m, index_covered_tx(m.idx) + 1);
	model_check_all(&m);
	model_close(&m);
	return WEXITSTATUS(status) == FAULT_CUT_EXIT;
}

static void
power_cuts_lose_nothing_covered(void **state)
{
	uint64_t n = 1;

	(void)state;
	while (cut_at(n, FAULT_LOSE_RANDOM))
		n++;
	assert_true(n > 20);
	for (n = 1; cut_at(n, FAULT_LOSE_EVERYTHING); n++)
		;
}

static void
few_runs_and_little_written_twice(void **state)
{
	const unsigned flushes = 120;
	struct index_stats stats;
	struct model m;
	bool did;

	(void)state;
	fault_vfs_reset(disk);
	model_open_fault(&m, disk, 5, 3000);
	for (unsigned i = 0; i < flushes; i++) {
		for (unsigned j = 0; j < 1 + i % 5; j++)
			model_write(&m, 100);
		assert_int_equal(index_freeze(m.idx, m.tx), IM_OK);
		assert_int_equal(index_flush(m.idx, &did), IM_OK);
		do
			assert_int_equal(index_merge(m.idx, &did), IM_OK);
		while (did);
		index_stats(m.idx, &stats);
		assert_in_range(stats.runs, 1, 12);
	}
	assert_int_equal(stats.flushes, flushes);
	assert_true(stats.merges < flushes / 2);
	assert_int_equal(stats.run_entries, m.count);
	model_close(&m);
}

/* While a merge is under way, the writer freezes one memtable after the other. */
static void
write_more(void *ctx)
{
	struct model *m = (struct model *)ctx;

	if (m->tx >= 12)
		return;
	model_write(m, 10);
	assert_int_equal(index_freeze(m->idx, m->tx), IM_OK);
}

static void
long_merge_holds_up_nobody(void **state)
{
	struct index_stats stats;
	struct model m;
	bool did;

	(void)state;
	fault_vfs_reset(disk);
	model_open_fault(&m, disk, 6, 1100);
	for (unsigned i = 0; i < 4; i++) {
		model_write(&m, 1100);
		assert_int_equal(index_freeze(m.idx, m.tx), IM_OK);
		assert_int_equal(index_flush(m.idx, &did), IM_OK);
	}
	index_close(m.idx);
	m.options.log_tx = m.tx;
	m.options.flushed = write_more;
	m.options.ctx = &m;
	assert_int_equal(index_open(&m.options, &m.idx), IM_OK);
	write_more(&m);
	assert_int_equal(index_merge(m.idx, &did), IM_OK);
	assert_true(did);
	/* Eight memtables became runs meanwhile, and these were merged, four at a time. */
	assert_int_equal(m.tx, 12);
	assert_int_equal(index_covered_tx(m.idx), 12);
	index_stats(m.idx, &stats);
	assert_int_equal(stats.flushes, 8);
	assert_true(stats.merges >= 3);
	assert_true(stats.runs <= 5);
	model_reopen(&m);
	assert_int_equal(index_covered_tx(m.idx), 12);
	model_check_all(&m);
	model_close(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(failing_calls_do_no_harm),
	    cmocka_unit_test(power_cuts_lose_nothing_covered),
	    cmocka_unit_test(long_merge_holds_up_nobody),
	    cmocka_unit_test(few_runs_and_little_written_twice),
	};

	return cmocka_run_group_tests(tests, disk_make, disk_free);
}
