/*
 * Walks that must not wait for the disk: each call may fail with IM_ERR_WOULD_BLOCK and is
 * repeated, and the answers are those of walks that wait.
 */
#include "immudb/store/index_model.h"

#include <errno.h>

static uint64_t refusals; /* of pread_nowait */
static uint64_t allowed;
static uint64_t random_state = 1;

/* Refuses every third read or so, and spoils the buffer as a read that got half way may. */
static ssize_t
pread_reluctant(void *ctx, int fd, void *data, size_t n, off_t offset)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	if ((random_state >> 33) % 3 != 0) {
		allowed++;
		return vfs_posix.pread(ctx, fd, data, n, offset);
	}
	refusals++;
	memset(data, 0xa5, n);
	errno = EAGAIN;
	return -1;
}

static struct vfs reluctant;

static void
fill(struct model *m)
{
	bool did;

	reluctant = vfs_posix;
	reluctant.pread_nowait = pread_reluctant;
	model_open(m, 21, 120);
	index_close(m->idx);
	m->options.vfs = &reluctant;
	assert_int_equal(index_open(&m->options, &m->idx), IM_OK);
	for (unsigned i = 0; i < 400; i++) {
		model_write(m, 1 + (unsigned)model_random(m, 30));
		if (i % 50 != 20)
			continue;
		assert_int_equal(index_freeze(m->idx, m->tx), IM_OK);
		assert_int_equal(index_flush(m->idx, &did), IM_OK);
	}
}

/* Takes two walks, one that waits and one that does not, step by step to the end. */
static void
walks_agree(struct index_iter *waiting, struct index_iter *other)
{
	struct index_entry a, b;
	enum im_err err, other_err;

	do {
		err = index_iter_next(waiting, &a);
		do
			other_err = index_iter_next(other, &b);
		while (other_err == IM_ERR_WOULD_BLOCK);
		assert_int_equal(other_err, err);
		if (err != IM_OK)
			break;
		assert_true(bytes_equal(a.key, b.key));
		assert_int_equal(a.tx, b.tx);
		assert_int_equal(a.pos, b.pos);
		assert_int_equal(a.revision, b.revision);
	} while (err == IM_OK);
	assert_int_equal(err, IM_ERR_NOT_FOUND);
	index_iter_close(waiting);
	index_iter_close(other);
}

static void
scans_are_resumed(void **state)
{
	struct model m;

	(void)state;
	fill(&m);
	refusals = allowed = 0;
	for (unsigned i = 0; i < 24; i++) {
		struct index_range range = {.descending = i % 2,
		    .seek_inclusive = true,
		    .read = {.as_of = i % 4 < 2 ? m.tx : model_random(&m, m.tx)}};
		struct index_iter *waiting, *other;
		uint8_t bytes[INDEX_KEY_MAX];

		if (i > 8)
			range.seek = model_key((unsigned)model_random(&m, 120), bytes);
		assert_int_equal(index_scan(m.idx, &range, &waiting), IM_OK);
		range.read.nowait = true;
		assert_int_equal(index_scan(m.idx, &range, &other), IM_OK);
		walks_agree(waiting, other);
	}
	assert_true(refusals > 50 && allowed > 100);
	model_close(&m);
}

static void
histories_are_resumed(void **state)
{
	struct model m;

	(void)state;
	fill(&m);
	refusals = allowed = 0;
	for (unsigned i = 0; i < 40; i++) {
		uint8_t bytes[INDEX_KEY_MAX];
		struct index_history history = {.key = model_key(i * 3, bytes),
		    .descending = i % 2,
		    .skip = i % 5,
		    .read = {.as_of = i % 4 < 2 ? m.tx : model_random(&m, m.tx)}};
		struct index_iter *waiting, *other;

		assert_int_equal(index_versions(m.idx, &history, &waiting), IM_OK);
		history.read.nowait = true;
		assert_int_equal(index_versions(m.idx, &history, &other), IM_OK);
		walks_agree(waiting, other);
	}
	assert_true(refusals > 50 && allowed > 100);
	model_close(&m);
}

static void
walk_goes_on_waiting(void **state)
{
	const struct index_range range = {.read = {.as_of = UINT64_MAX, .nowait = true}};
	struct index_entry e;
	struct index_iter *it;
	unsigned n = 0;
	enum im_err err;
	struct model m;

	(void)state;
	fill(&m);
	assert_int_equal(index_scan(m.idx, &range, &it), IM_OK);
	while ((err = index_iter_next(it, &e)) == IM_OK)
		n++;
	assert_int_equal(err, IM_ERR_WOULD_BLOCK);
	index_iter_set_nowait(it, false);
	while ((err = index_iter_next(it, &e)) == IM_OK)
		n++;
	assert_int_equal(err, IM_ERR_NOT_FOUND);
	assert_int_equal(n, 120);
	index_iter_close(it);
	model_close(&m);
}

static void
gets_are_repeated(void **state)
{
	const struct index_read how = {.as_of = UINT64_MAX, .nowait = true};
	struct model m;

	(void)state;
	fill(&m);
	for (unsigned i = 0; i < 120; i++) {
		uint8_t bytes[INDEX_KEY_MAX];
		struct bytes key = model_key(i, bytes);
		const struct model_version *want;
		struct index_entry e;
		uint64_t revision;
		enum im_err err;

		do
			err = index_get(m.idx, key, &how, &e);
		while (err == IM_ERR_WOULD_BLOCK);
		assert_int_equal(err, IM_OK);
		want = model_find(&m, key, m.tx, &revision);
		model_same(&e, want, revision);
	}
	model_close(&m);
}

static void
long_bounds_are_refused(void **state)
{
	static const uint8_t bytes[INDEX_KEY_MAX + 1];
	struct index_range range = {.seek = bytes_of(bytes, sizeof bytes)};
	struct index_iter *it;
	struct model m;

	(void)state;
	model_open(&m, 1, 1);
	assert_int_equal(index_scan(m.idx, &range, &it), IM_ERR_KEY_LENGTH);
	assert_null(it);
	model_close(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(scans_are_resumed),
	    cmocka_unit_test(histories_are_resumed),
	    cmocka_unit_test(walk_goes_on_waiting),
	    cmocka_unit_test(gets_are_repeated),
	    cmocka_unit_test(long_bounds_are_refused),
	};

	return cmocka_run_group_tests(tests, model_setup, model_teardown);
}
