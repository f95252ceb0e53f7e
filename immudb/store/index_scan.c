/*
 * Walking the newest version of each key in a range.
 *
 * Neighbours: index_iter.c has the common part; index_cursor.c moves in one source.
 *
 * Each source has a lane: its cursor, and what the lane found, which is its newest version up to
 * as_of of the next key in the direction of the walk. The walk takes the least (greatest) key among
 * the lanes, from the newest lane when several have it; the older ones with the same key add to the
 * revision. Then these lanes are stale and find their next key.
 *
 * Invariants:
 * 1. (place.key, place.tx) is where the walk stands: all that was returned lies on the near side of
 *    it, all that follows on the far side. A lane that failed is lost and starts from there again,
 *    so that a call that would have to wait can be repeated.
 * 2. Ascending, a lane's cursor stands on what it found. Descending, it stands before all versions
 *    of the key it found, whose bytes are in the lane's own buffer.
 */
#include <stdlib.h>

#include "store/index_iter.h"
#include "store/index_key.h"

/* After so many single steps over versions of one key a seek takes their place. */
#define STEPS_MAX 8u

struct scan_lane {
	bool stale;      /* must find its next key */
	bool lost;       /* the cursor is not where it should be */
	bool live;       /* found is good */
	bool mixed;      /* the source has versions newer than as_of */
	uint64_t prefix; /* of found.key */
	struct index_entry found;
	uint8_t *key; /* descending: INDEX_KEY_MAX bytes */
};

struct scan_walk {
	struct index_iter it;
	bool descending;
	struct bytes prefix;
	struct bytes end;
	bool end_inclusive;
	bool unbounded; /* descending: starts at the greatest key */
	struct {
		size_t key_len;
		uint64_t tx;
		uint8_t key[INDEX_KEY_MAX];
	} place;
	struct scan_lane lanes[INDEX_SOURCES_MAX];
	uint8_t *keys; /* memory of all lanes[].key */
	uint8_t bounds[2 * INDEX_KEY_MAX];
};

static struct bytes
place_key(const struct scan_walk *s)
{
	return bytes_of(s->place.key, s->place.key_len);
}

static void
place_set(struct scan_walk *s, struct bytes key, uint64_t tx)
{
	if (key.len > 0)
		memcpy(s->place.key, key.data, key.len);
	s->place.key_len = key.len;
	s->place.tx = tx;
}

static bool
cursor_has_key(const struct index_cursor *c, struct bytes key)
{
	const struct index_entry *e = index_cursor_entry(c);

	return e && bytes_equal(e->key, key);
}

/* Moves an ascending lane's cursor behind the place, which it stands at or a few steps before. */
static enum im_err
lane_pass_up(struct scan_walk *s, struct scan_lane *lane, struct index_cursor *c)
{
	unsigned steps = lane->lost ? STEPS_MAX : 0;
	enum im_err err = IM_OK;

	while (err == IM_OK && steps++ < STEPS_MAX && cursor_has_key(c, place_key(s)))
		err = index_cursor_next(c);
	if (err == IM_OK && steps > STEPS_MAX)
		err = index_cursor_seek(c, place_key(s), s->place.tx);
	return err;
}

/* Passes over versions newer than as_of. */
static enum im_err
lane_settle_up(const struct scan_walk *s, struct index_cursor *c)
{
	const struct index_entry *e;
	enum im_err err = IM_OK;
	unsigned steps = 0;

	while (err == IM_OK && (e = index_cursor_entry(c)) != NULL && e->tx > s->it.as_of) {
		uint8_t key[INDEX_KEY_MAX];

		if (steps++ < STEPS_MAX) {
			err = index_cursor_next(c);
			continue;
		}
		memcpy(key, e->key.data, e->key.len);
		err = index_cursor_seek(c, bytes_of(key, e->key.len), s->it.as_of);
		steps = 0;
	}
	return err;
}

static enum im_err
lane_advance_up(struct scan_walk *s, struct scan_lane *lane, struct index_cursor *c)
{
	enum im_err err = lane_pass_up(s, lane, c);

	if (err == IM_OK && lane->mixed)
		err = lane_settle_up(s, c);
	lane->live = err == IM_OK && index_cursor_entry(c) != NULL;
	if (lane->live)
		lane->found = *index_cursor_entry(c);
	return err;
}

/*
 * The cursor stands on the oldest version of a key: finds the newest one up to as_of, and moves the
 * cursor before all versions of the key.
 */
static enum im_err
lane_resolve_down(const struct scan_walk *s, struct scan_lane *lane, struct index_cursor *c)
{
	const struct index_entry *e = index_cursor_entry(c);
	struct bytes key = bytes_of(lane->key, e->key.len);
	enum im_err err = IM_OK;
	unsigned steps = 0;

	memcpy(lane->key, e->key.data, e->key.len);
	while (err == IM_OK && cursor_has_key(c, key) && steps++ < STEPS_MAX) {
		e = index_cursor_entry(c);
		if (e->tx <= s->it.as_of) {
			lane->found = *e;
			lane->live = true;
		}
		err = index_cursor_prev(c);
	}
	if (err != IM_OK || !cursor_has_key(c, key))
		return err;
	err = index_cursor_seek(c, key, s->it.as_of);
	if (err == IM_OK && cursor_has_key(c, key)) {
		lane->found = *index_cursor_entry(c);
		lane->live = true;
	}
	return err == IM_OK ? index_cursor_seek_before(c, key, INDEX_TX_NEWEST) : err;
}

static enum im_err
lane_advance_down(struct scan_walk *s, struct scan_lane *lane, struct index_cursor *c)
{
	enum im_err err = IM_OK;

	lane->live = false;
	if (lane->lost)
		err = s->unbounded ? index_cursor_last(c)
				   : index_cursor_seek_before(c, place_key(s), s->place.tx);
	while (err == IM_OK && !lane->live && index_cursor_entry(c))
		err = lane_resolve_down(s, lane, c);
	if (lane->live)
		lane->found.key.data = lane->key;
	return err;
}

static enum im_err
lanes_advance(struct scan_walk *s)
{
	for (unsigned i = 0; i < s->it.count; i++) {
		struct scan_lane *lane = &s->lanes[i];
		struct index_cursor *c = &s->it.cursors[i];
		enum im_err err;

		if (!lane->stale)
			continue;
		err = s->descending ? lane_advance_down(s, lane, c) : lane_advance_up(s, lane, c);
		lane->lost = err != IM_OK;
		if (err != IM_OK)
			return err;
		lane->stale = false;
		if (lane->live)
			lane->prefix = index_key_prefix(lane->found.key);
	}
	return IM_OK;
}

/* <0 when a comes before b in the direction of the walk. */
static int
lane_compare(const struct scan_walk *s, const struct scan_lane *a, const struct scan_lane *b)
{
	int c;

	if (a->prefix != b->prefix)
		return (a->prefix < b->prefix) != s->descending ? -1 : 1;
	c = bytes_compare(a->found.key, b->found.key);
	return s->descending ? -c : c;
}

/* The newest lane with the next key, NULL when there is none. */
static struct scan_lane *
lane_first(struct scan_walk *s)
{
	struct scan_lane *first = NULL;

	for (unsigned i = 0; i < s->it.count; i++) {
		struct scan_lane *lane = &s->lanes[i];

		if (lane->live && (!first || lane_compare(s, lane, first) < 0))
			first = lane;
	}
	return first;
}

static bool
within_bounds(const struct scan_walk *s, struct bytes key)
{
	int c = s->end.len > 0 ? bytes_compare(key, s->end) : 0;

	if (!bytes_has_prefix(key, s->prefix))
		return false;
	if (s->end.len == 0)
		return true;
	return c == 0 ? s->end_inclusive : (c < 0) != s->descending;
}

/*
 * Whether an entry lies on the far side of where the walk stands, as it does when sources are
 * ordered.
 */
static bool
moves_on(const struct scan_walk *s, const struct index_entry *e)
{
	int c = index_place_compare(e->key, e->tx, place_key(s), s->place.tx);

	return s->unbounded || (s->descending ? c < 0 : c >= 0);
}

/* Without this a walk over a run whose entries are out of order might never end. */
static enum im_err
out_of_order(const struct index_cursor *c)
{
	if (!c->run)
		return err_set(IM_ERR_INTERNAL, "entries of a memtable are out of order");
	return run_damage(c->run->run, c->run->block, "entries out of order");
}

static enum im_err
scan_next(struct index_iter *it, struct index_entry *out)
{
	struct scan_walk *s = (struct scan_walk *)(void *)it;
	enum im_err err = lanes_advance(s);
	struct scan_lane *first;

	if (err != IM_OK)
		return err;
	first = lane_first(s);
	if (!first || !within_bounds(s, first->found.key))
		return IM_ERR_NOT_FOUND;
	if (!moves_on(s, &first->found))
		return out_of_order(&it->cursors[first - s->lanes]);
	*out = first->found;
	place_set(s, first->found.key, s->descending ? INDEX_TX_NEWEST : INDEX_TX_NONE);
	s->unbounded = false;
	first->stale = true;
	for (struct scan_lane *lane = first + 1; lane < s->lanes + it->count; lane++) {
		if (lane->live && lane_compare(s, lane, first) == 0) {
			lane->stale = true;
			out->revision += lane->found.revision;
		}
	}
	out->key = place_key(s);
	return IM_OK;
}

static void
scan_finish(struct index_iter *it)
{
	struct scan_walk *s = (struct scan_walk *)(void *)it;

	free(s->keys);
}

static struct bytes
bound_copy(uint8_t *to, struct bytes v)
{
	if (v.len > 0)
		memcpy(to, v.data, v.len);
	return bytes_of(to, v.len);
}

/*
 * The place before which all keys with the prefix are; unbounded when there is no key behind them.
 */
static void
place_behind_prefix(struct scan_walk *s)
{
	size_t n = s->prefix.len;

	while (n > 0 && s->prefix.data[n - 1] == 0xff)
		n--;
	s->unbounded = n == 0;
	place_set(s, bytes_of(s->prefix.data, n), INDEX_TX_NEWEST);
	if (n > 0)
		s->place.key[n - 1]++;
}

static void
place_start(struct scan_walk *s, const struct index_range *range)
{
	/* A version's place is at or behind its key's INDEX_TX_NEWEST and before INDEX_TX_NONE. */
	bool behind = range->descending ? range->seek_inclusive : !range->seek_inclusive;

	if (range->descending)
		place_behind_prefix(s);
	else
		place_set(s, s->prefix, INDEX_TX_NEWEST);
	if (range->seek.len == 0)
		return;
	if (range->descending ? s->unbounded || bytes_compare(range->seek, place_key(s)) < 0
			      : bytes_compare(range->seek, place_key(s)) >= 0) {
		place_set(s, range->seek, behind ? INDEX_TX_NONE : INDEX_TX_NEWEST);
		s->unbounded = false;
	}
}

static enum im_err
lanes_create(struct scan_walk *s)
{
	if (s->descending && s->it.count > 0) {
		s->keys = (uint8_t *)malloc((size_t)s->it.count * INDEX_KEY_MAX);
		if (!s->keys)
			return IM_ERR_NOMEM;
	}
	for (unsigned i = 0; i < s->it.count; i++) {
		s->lanes[i].stale = s->lanes[i].lost = true;
		s->lanes[i].mixed = index_iter_mixed(&s->it, i);
		if (s->keys)
			s->lanes[i].key = s->keys + (size_t)i * INDEX_KEY_MAX;
	}
	return IM_OK;
}

static bool
range_valid(const struct index_range *range)
{
	return range->prefix.len <= INDEX_KEY_MAX && range->seek.len <= INDEX_KEY_MAX &&
	    range->end.len <= INDEX_KEY_MAX;
}

enum im_err
index_scan(struct index *idx, const struct index_range *range, struct index_iter **out)
{
	struct scan_walk *s;
	enum im_err err;

	*out = NULL;
	if (!range_valid(range))
		return IM_ERR_KEY_LENGTH;
	s = (struct scan_walk *)calloc(1, sizeof *s);
	if (!s)
		return IM_ERR_NOMEM;
	s->it.next = scan_next;
	s->it.finish = scan_finish;
	s->descending = range->descending;
	s->prefix = bound_copy(s->bounds, range->prefix);
	s->end = bound_copy(s->bounds + INDEX_KEY_MAX, range->end);
	s->end_inclusive = range->end_inclusive;
	place_start(s, range);
	err = index_iter_init(&s->it, idx, &range->read, NULL);
	if (err == IM_OK)
		err = lanes_create(s);
	if (err != IM_OK) {
		index_iter_close(&s->it);
		return err;
	}
	*out = &s->it;
	return IM_OK;
}
