#ifndef TESTS_ENGINE_WRITES_H
#define TESTS_ENGINE_WRITES_H

/*
 * Entries of every kind, written past the methods into the engine behind a server: one transaction
 * each, whose number is returned. Times are unix seconds.
 */
#include "server_harness.h"

static inline uint64_t
write_raw(struct fixture *f, const struct store_entry *entries, size_t n)
{
	struct arena arena;
	struct store_write w = {.entries = entries, .nentries = n, .arena = &arena};

	arena_init(&arena, ARENA_MAX);
	assert_int_equal(store_write_wait(store_of(f), &w), IM_OK);
	arena_free(&arena);
	return w.header.id;
}

static inline struct store_entry
plain_entry(struct fixture *f, const char *key, struct bytes value)
{
	struct store_entry e = {0};

	assert_int_equal(raw_key_make(&f->arena, bytes_str(key), &e.key), IM_OK);
	assert_int_equal(raw_value_make(&f->arena, value, &e.value), IM_OK);
	return e;
}

static inline uint64_t
write_value(struct fixture *f, const char *key, const char *value)
{
	struct store_entry e = plain_entry(f, key, bytes_str(value));

	return write_raw(f, &e, 1);
}

static inline uint64_t
write_expiring(struct fixture *f, const char *key, const char *value, int64_t expires_at)
{
	struct store_entry e = plain_entry(f, key, bytes_str(value));

	e.metadata.has_expiry = true;
	e.metadata.expires_at = expires_at;
	return write_raw(f, &e, 1);
}

static inline uint64_t
write_deletion(struct fixture *f, const char *key)
{
	struct store_entry e = plain_entry(f, key, bytes_str(""));

	e.value = bytes_of(NULL, 0);
	e.metadata.deleted = true;
	return write_raw(f, &e, 1);
}

/* at_tx 0: not bound. */
static inline uint64_t
write_reference(struct fixture *f, const char *key, const char *target, uint64_t at_tx)
{
	struct store_entry e = {0};

	assert_int_equal(raw_key_make(&f->arena, bytes_str(key), &e.key), IM_OK);
	assert_int_equal(
	    raw_value_make_reference(&f->arena, bytes_str(target), at_tx, &e.value), IM_OK);
	return write_raw(f, &e, 1);
}

static inline struct store_entry
member_entry(struct fixture *f, const struct zset_member *m)
{
	struct store_entry e = {0};

	assert_int_equal(raw_key_make_zadd(&f->arena, m, &e.key), IM_OK);
	return e;
}

static inline uint64_t
write_member(struct fixture *f, const char *set, double score, const char *key)
{
	struct zset_member m = {bytes_str(set), score, bytes_str(key), 0};
	struct store_entry e = member_entry(f, &m);

	return write_raw(f, &e, 1);
}

#endif
