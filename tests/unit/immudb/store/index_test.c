/*
 * The index as a whole against a model: random sequences of everything that happens to an index,
 * with all answers compared.
 */
#include "immudb/store/index_model.h"

static void
freeze_and_flush(struct model *m)
{
	bool did;

	assert_int_equal(index_freeze(m->idx, m->tx), IM_OK);
	assert_int_equal(index_flush(m->idx, &did), IM_OK);
	assert_true(did);
	assert_int_equal(index_covered_tx(m->idx), m->tx);
}

static void
step(struct model *m)
{
	enum im_err err;
	bool did;

	switch (model_random(m, 20)) {
	case 0:
	case 1:
		err = index_freeze(m->idx, m->tx);
		assert_true(err == IM_OK || err == IM_ERR_BUSY);
		break;
	case 2:
	case 3:
	case 4:
		assert_int_equal(index_flush(m->idx, &did), IM_OK);
		break;
	case 5:
		assert_int_equal(index_merge(m->idx, &did), IM_OK);
		break;
	case 6:
		if (model_random(m, 4) == 0)
			model_reopen(m);
		break;
	default:
		model_write(m, (unsigned)model_random(m, 12));
	}
}

static void
random_history(uint64_t seed, unsigned keyspace, unsigned steps)
{
	struct index_stats stats;
	struct model m;

	model_open(&m, seed, keyspace);
	for (unsigned i = 0; i < steps; i++) {
		step(&m);
		if (i % 3 == 0)
			model_check(&m);
	}
	model_check_all(&m);
	index_stats(m.idx, &stats);
	assert_true(stats.runs <= INDEX_RUNS_MAX);
	model_reopen(&m);
	model_check_all(&m);
	model_close(&m);
}

static void
agrees_with_model(void **state)
{
	(void)state;
	random_history(1, 40, 600);
	random_history(2, 5, 600);
	random_history(3, 200, 500);
	random_history(4, 1, 300);
}

static void
many_versions_of_few_keys(void **state)
{
	struct model m;
	bool did;

	(void)state;
	/* The versions of a key then fill several blocks. */
	model_open(&m, 7, 3);
	for (unsigned i = 0; i < 2500; i++) {
		model_write(&m, 1 + (unsigned)model_random(&m, 3));
		if (i % 500 == 250)
			freeze_and_flush(&m);
	}
	for (unsigned i = 0; i < 40; i++)
		model_check(&m);
	assert_int_equal(index_merge(m.idx, &did), IM_OK);
	assert_true(did);
	for (unsigned i = 0; i < 40; i++)
		model_check(&m);
	model_check_all(&m);
	model_close(&m);
}

static void
freeze_has_a_limit(void **state)
{
	struct model m;
	bool did;

	(void)state;
	model_open(&m, 8, 10);
	for (unsigned i = 0; i < INDEX_FROZEN_MAX; i++) {
		model_write(&m, 3);
		assert_int_equal(index_freeze(m.idx, m.tx), IM_OK);
	}
	model_write(&m, 3);
	assert_int_equal(index_freeze(m.idx, m.tx), IM_ERR_BUSY);
	/* What could not be frozen is still there, and grows on. */
	model_write(&m, 3);
	model_check_all(&m);
	assert_int_equal(index_flush(m.idx, &did), IM_OK);
	assert_true(did);
	assert_int_equal(index_freeze(m.idx, m.tx), IM_OK);
	model_check_all(&m);
	model_close(&m);
}

static void
transactions_without_entries_are_covered(void **state)
{
	struct model m;
	bool did;

	(void)state;
	model_open(&m, 9, 10);
	m.tx = 5;
	freeze_and_flush(&m);
	model_write(&m, 3);
	m.tx = 9;
	freeze_and_flush(&m);
	m.tx = 12;
	freeze_and_flush(&m);
	model_reopen(&m);
	assert_int_equal(index_covered_tx(m.idx), 12);
	assert_int_equal(index_freeze(m.idx, 12), IM_OK);
	assert_int_equal(index_flush(m.idx, &did), IM_OK);
	assert_false(did);
	model_check_all(&m);
	model_close(&m);
}

static void
runs_beyond_the_log_are_dropped(void **state)
{
	struct model m;

	(void)state;
	model_open(&m, 10, 10);
	for (unsigned i = 0; i < 3; i++) {
		model_write(&m, 4);
		freeze_and_flush(&m);
	}
	/* The log lost its last transaction. */
	m.tx = 2;
	while (m.versions[m.count - 1]->entry.tx > m.tx)
		free(m.versions[--m.count]);
	model_reopen(&m);
	assert_int_equal(index_covered_tx(m.idx), 2);
	model_check_all(&m);
	m.options.log_tx = 3;
	model_reopen(&m);
	assert_int_equal(index_covered_tx(m.idx), 2);
	model_close(&m);
}

static void
files_left_over_are_removed(void **state)
{
	char path[128];
	struct model m;
	FILE *f;

	(void)state;
	model_open(&m, 11, 10);
	model_write(&m, 4);
	freeze_and_flush(&m);
	snprintf(path, sizeof path, "%s/00000000000000ff.run", m.dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	model_reopen(&m);
	assert_int_equal(access(path, F_OK), -1);
	/* A name is not used again. */
	model_write(&m, 4);
	freeze_and_flush(&m);
	snprintf(path, sizeof path, "%s/0000000000000100.run", m.dir);
	assert_int_equal(access(path, F_OK), 0);
	model_check_all(&m);
	model_close(&m);
}

static void
walks_keep_what_they_read(void **state)
{
	struct index_range range = {.read = {.as_of = UINT64_MAX}};
	struct index_entry got;
	struct index_iter *it;
	unsigned n = 0;
	struct model m;
	bool did;

	(void)state;
	model_open(&m, 12, 50);
	for (unsigned i = 0; i < 4; i++) {
		model_write(&m, 50);
		freeze_and_flush(&m);
	}
	range.read.as_of = m.tx;
	assert_int_equal(index_scan(m.idx, &range, &it), IM_OK);
	assert_int_equal(index_iter_next(it, &got), IM_OK);
	/* All its runs are replaced and more is written while it stands there. */
	assert_int_equal(index_merge(m.idx, &did), IM_OK);
	assert_true(did);
	model_write(&m, 50);
	for (n = 1; index_iter_next(it, &got) == IM_OK; n++)
		assert_int_equal(got.revision, 4);
	assert_int_equal(n, 50);
	index_iter_close(it);
	model_check_all(&m);
	model_close(&m);
}

static void
stop_ends_merging_only(void **state)
{
	struct model m;
	bool did;

	(void)state;
	model_open(&m, 13, 50);
	model_write(&m, 50);
	assert_int_equal(index_freeze(m.idx, m.tx), IM_OK);
	index_stop(m.idx);
	assert_int_equal(index_flush(m.idx, &did), IM_OK);
	assert_true(did);
	assert_int_equal(index_merge(m.idx, &did), IM_ERR_INTERRUPTED);
	model_check_all(&m);
	model_close(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(agrees_with_model),
	    cmocka_unit_test(many_versions_of_few_keys),
	    cmocka_unit_test(freeze_has_a_limit),
	    cmocka_unit_test(transactions_without_entries_are_covered),
	    cmocka_unit_test(runs_beyond_the_log_are_dropped),
	    cmocka_unit_test(files_left_over_are_removed),
	    cmocka_unit_test(walks_keep_what_they_read),
	    cmocka_unit_test(stop_ends_merging_only),
	};

	return cmocka_run_group_tests(tests, model_setup, model_teardown);
}
