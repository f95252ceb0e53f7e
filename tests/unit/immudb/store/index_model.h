#ifndef TEST_INDEX_MODEL_H
#define TEST_INDEX_MODEL_H

/*
 * A model of the index for tests: every version ever written in one flat array, questions answered
 * by looking at all of it. Beside it the index under test, in a folder of its own, and the means to
 * write to both, to reopen the index and to compare the two.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fault_vfs.h"
#include "store/index.h"
#include "temp_dir.h"
#include "util/log.h"

struct model_version {
	uint8_t key[INDEX_KEY_MAX];
	struct index_entry entry;
};

struct model {
	struct index_options options;
	struct index *idx;
	char dir[80]; /* of the index */
	uint64_t random;
	uint64_t tx; /* newest */
	unsigned keyspace;
	struct model_version **versions; /* tx ascending */
	size_t count;
	size_t cap;
};

/* Where models in the real file system are, each in a folder with its number. */
static char model_base[TEMP_DIR_MAX];
static unsigned models;

/* Fixtures of a group with such models. */
static inline int
model_setup(void **state)
{
	(void)state;
	temp_dir_make(model_base);
	return 0;
}

static inline int
model_teardown(void **state)
{
	(void)state;
	temp_dir_remove(model_base);
	return 0;
}

static inline uint64_t
model_random(struct model *m, uint64_t below)
{
	m->random = m->random * 6364136223846793005u + 1442695040888963407u;
	return (m->random >> 33) % below;
}

/* An empty model, and an empty index at m->dir in the file system given, or the real one. */
static inline void
model_begin(struct model *m, const struct vfs *vfs, uint64_t seed, unsigned keyspace)
{
	log_set_level(LOG_LEVEL_ERROR);
	m->random = seed;
	m->keyspace = keyspace;
	m->options = (struct index_options){
	    .vfs = vfs, .dir = m->dir, .name = "test", .memtable_entries = 500};
	assert_int_equal(index_open(&m->options, &m->idx), IM_OK);
	assert_int_equal(index_covered_tx(m->idx), 0);
}

/* With an index in a new folder of the real file system, which model_teardown() removes. */
static inline void
model_open(struct model *m, uint64_t seed, unsigned keyspace)
{
	memset(m, 0, sizeof *m);
	snprintf(m->dir, sizeof m->dir, "%s/%u", model_base, ++models);
	model_begin(m, NULL, seed, keyspace);
}

/* With an index in a file system in memory. */
static inline void
model_open_fault(struct model *m, struct fault_vfs *f, uint64_t seed, unsigned keyspace)
{
	memset(m, 0, sizeof *m);
	snprintf(m->dir, sizeof m->dir, "%s/index", FAULT_ROOT);
	model_begin(m, fault_vfs_table(f), seed, keyspace);
}

static inline void
model_close(struct model *m)
{
	index_close(m->idx);
	for (size_t i = 0; i < m->count; i++)
		free(m->versions[i]);
	free(m->versions);
}

/*
 * Key number n of the key space: some share long prefixes, some are prefixes of others, some are
 * long.
 */
static inline struct bytes
model_key(unsigned n, uint8_t key[INDEX_KEY_MAX])
{
	char text[2 * INDEX_KEY_MAX];
	unsigned id = n / 5;
	int len;

	switch (n % 5) {
	case 0:
		len = snprintf(text, sizeof text, "%x", id);
		break;
	case 1:
		len = snprintf(text, sizeof text, "user:%06u", id);
		break;
	case 2:
		len = snprintf(text, sizeof text, "a beginning that keys share/%u/x", id);
		break;
	case 3:
		len = snprintf(text, sizeof text, "\xff\xff%u", id);
		break;
	default:
		len = snprintf(text, sizeof text, "%u%1100u", id, n);
	}
	if (n % 11 == 0 && len < 100)
		text[len++] = '\0';
	len = len > (int)INDEX_KEY_MAX ? (int)INDEX_KEY_MAX : len;
	memcpy(key, text, (size_t)len);
	return bytes_of(key, (size_t)len);
}

static inline struct model_version *
model_append(struct model *m, unsigned n)
{
	struct model_version *v = (struct model_version *)calloc(1, sizeof *v);

	assert_non_null(v);
	if (m->count == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 64;
		m->versions =
		    (struct model_version **)realloc(m->versions, m->cap * sizeof *m->versions);
		assert_non_null(m->versions);
	}
	m->versions[m->count++] = v;
	v->entry = (struct index_entry){.key = model_key(n, v->key),
	    .tx = m->tx,
	    .pos = 1000 + m->tx * 100 + n,
	    .len = (uint32_t)model_random(m, UINT32_MAX),
	    .flags = (uint8_t)(model_random(m, 3) ? 0 : model_random(m, 256))};
	if (v->entry.flags & INDEX_EXPIRES)
		v->entry.expires_at = (int64_t)model_random(m, 1u << 30) - (1 << 29);
	return v;
}

/* Inserts the transactions from..m->tx of the model into the index. */
static inline void
model_replay(struct model *m, uint64_t from)
{
	struct index_entry entries[2048];
	size_t n = 0;

	for (size_t i = 0; i < m->count; i++) {
		if (m->versions[i]->entry.tx < from)
			continue;
		entries[n++] = m->versions[i]->entry;
		assert_true(n < 2048);
		if (i + 1 < m->count && m->versions[i + 1]->entry.tx == entries[0].tx)
			continue;
		assert_int_equal(index_insert(m->idx, entries, n), IM_OK);
		n = 0;
	}
}

static inline unsigned
model_common_factor(unsigned a, unsigned b)
{
	return b == 0 ? a : model_common_factor(b, a % b);
}

/* One transaction with n keys out of the key space. */
static inline void
model_write(struct model *m, unsigned n)
{
	unsigned step = 1 + (unsigned)model_random(m, 7),
		 at = (unsigned)model_random(m, m->keyspace);

	m->tx++;
	/* A step without a common factor with the key space meets no key twice. */
	while (model_common_factor(step, m->keyspace) > 1)
		step++;
	for (unsigned i = 0; i < n && i < m->keyspace; i++)
		model_append(m, (at + i * step) % m->keyspace);
	model_replay(m, m->tx);
}

static inline void
model_reopen(struct model *m)
{
	index_close(m->idx);
	m->options.log_tx = m->tx;
	assert_int_equal(index_open(&m->options, &m->idx), IM_OK);
	assert_true(index_covered_tx(m->idx) <= m->tx);
	model_replay(m, index_covered_tx(m->idx) + 1);
}

/* The newest version of key up to as_of with its revision; NULL if there is none. */
static inline const struct model_version *
model_find(const struct model *m, struct bytes key, uint64_t as_of, uint64_t *revision)
{
	const struct model_version *found = NULL;

	*revision = 0;
	for (size_t i = 0; i < m->count && m->versions[i]->entry.tx <= as_of; i++) {
		if (bytes_equal(m->versions[i]->entry.key, key)) {
			found = m->versions[i];
			(*revision)++;
		}
	}
	return found;
}

static inline void
model_same(const struct index_entry *got, const struct model_version *want, uint64_t revision)
{
	assert_non_null(want);
	assert_true(bytes_equal(got->key, want->entry.key));
	assert_int_equal(got->tx, want->entry.tx);
	assert_int_equal(got->pos, want->entry.pos);
	assert_int_equal(got->len, want->entry.len);
	assert_int_equal(got->flags, want->entry.flags);
	assert_int_equal(got->expires_at, want->entry.expires_at);
	assert_int_equal(got->revision, revision);
}

/* Only versions between two transactions exist. */
static inline void
model_check_since(struct model *m, struct bytes key, uint64_t as_of)
{
	const struct index_read how = {
	    .as_of = as_of, .no_revision = true, .since = model_random(m, m->tx + 2)};
	uint64_t revision;
	const struct model_version *want = model_find(m, key, as_of, &revision);
	struct index_entry got;

	if (!want || want->entry.tx <= how.since) {
		assert_int_equal(index_get(m->idx, key, &how, &got), IM_ERR_KEY_NOT_FOUND);
		return;
	}
	assert_int_equal(index_get(m->idx, key, &how, &got), IM_OK);
	model_same(&got, want, 0);
}

static inline void
model_check_get(struct model *m, uint64_t as_of)
{
	uint8_t bytes[INDEX_KEY_MAX];
	struct bytes key = model_key((unsigned)model_random(m, m->keyspace + 5), bytes);
	const struct index_read how = {.as_of = as_of};
	uint64_t revision, count, nth;
	const struct model_version *want = model_find(m, key, as_of, &revision);
	struct index_entry got;

	if (!want) {
		assert_int_equal(index_get(m->idx, key, &how, &got), IM_ERR_KEY_NOT_FOUND);
		assert_int_equal(
		    index_get_revision(m->idx, key, 1, &how, &got), IM_ERR_KEY_NOT_FOUND);
	} else {
		assert_int_equal(index_get(m->idx, key, &how, &got), IM_OK);
		model_same(&got, want, revision);
		nth = 1 + model_random(m, revision);
		assert_int_equal(index_get_revision(m->idx, key, nth, &how, &got), IM_OK);
		assert_int_equal(got.revision, nth);
		assert_int_equal(
		    index_get_revision(m->idx, key, revision + 1, &how, &got), IM_ERR_REVISION);
		assert_int_equal(index_get_revision(m->idx, key, 0, &how, &got), IM_ERR_REVISION);
	}
	assert_int_equal(index_revision_count(m->idx, key, &how, &count), IM_OK);
	assert_int_equal(count, revision);
	model_check_since(m, key, as_of);
}

/*
 * The least (descending: greatest) key of the model behind `behind`, if not NULL, with a version.
 */
static inline const struct model_version *
model_next_key(const struct model *m, const struct bytes *behind, bool descending, uint64_t as_of)
{
	const struct model_version *best = NULL;

	for (size_t i = 0; i < m->count && m->versions[i]->entry.tx <= as_of; i++) {
		struct bytes key = m->versions[i]->entry.key;
		int sign = descending ? -1 : 1;

		if (behind && sign * bytes_compare(key, *behind) <= 0)
			continue;
		if (!best || sign * bytes_compare(key, best->entry.key) < 0)
			best = m->versions[i];
	}
	return best;
}

static inline bool
model_in_range(const struct index_range *r, struct bytes key)
{
	int sign = r->descending ? -1 : 1, seek, end;

	seek = r->seek.len ? sign * bytes_compare(key, r->seek) : 1;
	end = r->end.len ? sign * bytes_compare(key, r->end) : -1;
	return bytes_has_prefix(key, r->prefix) && (seek > 0 || (seek == 0 && r->seek_inclusive)) &&
	    (end < 0 || (end == 0 && r->end_inclusive));
}

static inline void
model_check_range(struct model *m, const struct index_range *range)
{
	const struct model_version *at = NULL, *want;
	struct index_entry got;
	struct index_iter *it;
	uint64_t revision;

	assert_int_equal(index_scan(m->idx, range, &it), IM_OK);
	for (;;) {
		at = model_next_key(
		    m, at ? &at->entry.key : NULL, range->descending, range->read.as_of);
		if (!at)
			break;
		if (!model_in_range(range, at->entry.key))
			continue;
		assert_int_equal(index_iter_next(it, &got), IM_OK);
		want = model_find(m, at->entry.key, range->read.as_of, &revision);
		model_same(&got, want, revision);
	}
	assert_int_equal(index_iter_next(it, &got), IM_ERR_NOT_FOUND);
	assert_int_equal(index_iter_next(it, &got), IM_ERR_NOT_FOUND);
	index_iter_close(it);
}

static inline void
model_check_scan(struct model *m, uint64_t as_of)
{
	uint8_t bytes[3][INDEX_KEY_MAX];
	struct index_range range = {.descending = model_random(m, 2),
	    .seek_inclusive = model_random(m, 2),
	    .end_inclusive = model_random(m, 2),
	    .read = {.as_of = as_of}};

	if (model_random(m, 2)) {
		range.prefix = model_key((unsigned)model_random(m, m->keyspace), bytes[0]);
		range.prefix.len = model_random(m, range.prefix.len < 9 ? range.prefix.len : 9);
	}
	if (model_random(m, 2))
		range.seek = model_key((unsigned)model_random(m, m->keyspace + 5), bytes[1]);
	if (model_random(m, 2))
		range.end = model_key((unsigned)model_random(m, m->keyspace + 5), bytes[2]);
	model_check_range(m, &range);
}

static inline void
model_check_versions(struct model *m, uint64_t as_of)
{
	uint8_t bytes[INDEX_KEY_MAX];
	struct index_history history = {.descending = model_random(m, 2), .read = {.as_of = as_of}};
	struct index_entry got;
	struct index_iter *it;
	uint64_t total;

	history.key = model_key((unsigned)model_random(m, m->keyspace + 5), bytes);
	model_find(m, history.key, as_of, &total);
	history.skip = model_random(m, total + 2);
	assert_int_equal(index_versions(m->idx, &history, &it), IM_OK);
	for (uint64_t i = history.skip; i < total; i++) {
		uint64_t want = history.descending ? total - i : i + 1, n = 0;

		assert_int_equal(index_iter_next(it, &got), IM_OK);
		for (size_t j = 0; j < m->count && n < want; j++) {
			n += bytes_equal(m->versions[j]->entry.key, history.key);
			if (n == want)
				model_same(&got, m->versions[j], want);
		}
	}
	assert_int_equal(index_iter_next(it, &got), IM_ERR_NOT_FOUND);
	index_iter_close(it);
}

/* Compares a few answers for some moment in the past and for now. */
static inline void
model_check(struct model *m)
{
	uint64_t as_of = model_random(m, 2) ? m->tx : model_random(m, m->tx + 1);

	for (unsigned i = 0; i < 4; i++)
		model_check_get(m, as_of);
	model_check_scan(m, as_of);
	model_check_versions(m, as_of);
}

/* Compares everything as of now. */
static inline void
model_check_all(struct model *m)
{
	struct index_range range = {.read = {.as_of = m->tx}};
	struct index_check check = {0}, part = {.max_bytes = 1};
	uint64_t bytes = 0;

	model_check_range(m, &range);
	range.descending = true;
	model_check_range(m, &range);
	assert_int_equal(index_check(m->idx, &check), IM_OK);
	assert_true(check.done);
	assert_int_equal(check.faults, 0);
	/* Block by block it is the same. */
	do {
		assert_int_equal(index_check(m->idx, &part), IM_OK);
		assert_int_equal(part.faults, 0);
		bytes += part.bytes;
	} while (!part.done);
	assert_int_equal(bytes, check.bytes);
}

#endif
