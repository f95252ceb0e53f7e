/*
 * Merging runs.
 *
 * Neighbours: index_maintain.c writes the result with run_write.c; run_cursor.c reads the runs,
 * each through a window of its own.
 *
 * Invariants: order[0..live) are the lanes that have versions left, by key, and newest run first
 * where keys are equal; since the newest run has the newest transactions, the versions of a key
 * come out newest first. left counts the versions of the present key still to come.
 */
#include "store/merge.h"

#include <stdlib.h>

#include "store/index_key.h"

struct merge_lane {
	const struct index_entry *entry;
	uint64_t prefix;
	unsigned age; /* 0: newest run */
	struct run_cursor cursor;
};

struct merge {
	unsigned count;
	unsigned live;
	bool started;
	uint64_t left;
	struct merge_lane *lanes[INDEX_RUNS_MAX];
	struct merge_lane *order[INDEX_RUNS_MAX];
	uint8_t *windows;
};

enum im_err
merge_open(struct run *const *runs, unsigned count, struct merge **out)
{
	struct merge *m = (struct merge *)calloc(1, sizeof *m);

	*out = NULL;
	if (!m)
		return IM_ERR_NOMEM;
	m->windows = (uint8_t *)malloc((size_t)count * RUN_WINDOW_BYTES);
	for (; m->windows && m->count < count; m->count++) {
		struct merge_lane *lane = (struct merge_lane *)malloc(sizeof *lane);

		if (!lane)
			break;
		m->lanes[m->count] = lane;
		lane->age = count - 1 - m->count;
		run_cursor_init(&lane->cursor, runs[m->count],
		    m->windows + (size_t)m->count * RUN_WINDOW_BYTES);
	}
	if (m->count < count) {
		merge_close(m);
		return IM_ERR_NOMEM;
	}
	*out = m;
	return IM_OK;
}

static bool
lane_before(const struct merge_lane *a, const struct merge_lane *b)
{
	int c;

	if (a->prefix != b->prefix)
		return a->prefix < b->prefix;
	c = bytes_compare(a->entry->key, b->entry->key);
	return c ? c < 0 : a->age < b->age;
}

/* order[at] may be too far in front of those behind it: moves it to its place. */
static void
lane_sink(struct merge *m, unsigned at)
{
	struct merge_lane *lane = m->order[at];

	for (; at + 1 < m->live && lane_before(m->order[at + 1], lane); at++)
		m->order[at] = m->order[at + 1];
	m->order[at] = lane;
}

static void
lane_take(struct merge_lane *lane)
{
	lane->entry = run_cursor_entry(&lane->cursor);
	if (lane->entry)
		lane->prefix = index_key_prefix(lane->entry->key);
}

static enum im_err
lanes_start(struct merge *m)
{
	for (unsigned i = 0; i < m->count; i++) {
		enum im_err err = run_cursor_first(&m->lanes[i]->cursor);

		if (err != IM_OK)
			return err;
		lane_take(m->lanes[i]);
		m->live++;
		memmove(m->order + 1, m->order, (m->live - 1) * sizeof *m->order);
		m->order[0] = m->lanes[i];
		lane_sink(m, 0);
	}
	m->started = true;
	return IM_OK;
}

static enum im_err
first_lane_advance(struct merge *m)
{
	struct merge_lane *lane = m->order[0];
	enum im_err err = run_cursor_next(&lane->cursor);

	if (err != IM_OK)
		return err;
	lane_take(lane);
	if (lane->entry) {
		lane_sink(m, 0);
		return IM_OK;
	}
	m->live--;
	memmove(m->order, m->order + 1, m->live * sizeof *m->order);
	return IM_OK;
}

/* The lanes with the first key stand on its newest version of their run: the ordinals add up. */
static uint64_t
versions_count(const struct merge *m)
{
	const struct merge_lane *first = m->order[0];
	uint64_t n = first->entry->revision;

	for (unsigned i = 1; i < m->live && m->order[i]->prefix == first->prefix &&
	     bytes_equal(m->order[i]->entry->key, first->entry->key);
	     i++)
		n += m->order[i]->entry->revision;
	return n;
}

enum im_err
merge_next(struct merge *m, struct index_entry *out)
{
	enum im_err err = m->started ? first_lane_advance(m) : lanes_start(m);

	if (err != IM_OK)
		return err;
	if (m->live == 0)
		return IM_ERR_NOT_FOUND;
	if (m->left == 0)
		m->left = versions_count(m);
	*out = *m->order[0]->entry;
	out->revision = m->left--;
	return IM_OK;
}

void
merge_close(struct merge *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < m->count; i++)
		free(m->lanes[i]);
	free(m->windows);
	free(m);
}
