/*
 * Bytes kept in memory: what is found is what was offered, within the bound, and only what is hot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "store/hot_cache.h"

#define CACHE_BYTES ((size_t)256 * 1024)
#define ITEM_BYTES 200u

static struct hot_key
key_of(uint64_t i)
{
	return (struct hot_key){i % 3, i * 4096};
}

static struct bytes
data_of(uint64_t i, uint8_t data[ITEM_BYTES])
{
	memset(data, (int)(i & 0xff), ITEM_BYTES);
	memcpy(data, &i, sizeof i);
	return bytes_of(data, ITEM_BYTES);
}

static void
offer(struct hot_cache *c, uint64_t i)
{
	uint8_t data[ITEM_BYTES];

	hot_cache_offer(c, key_of(i), data_of(i, data));
}

/* Whether item i is there; what is there must be right. */
static bool
has(struct hot_cache *c, uint64_t i)
{
	uint8_t data[ITEM_BYTES], got[ITEM_BYTES];
	bool found = hot_cache_copy(c, key_of(i), got, sizeof got);

	data_of(i, data);
	if (found)
		assert_memory_equal(got, data, sizeof got);
	return found;
}

static void
test_kept_when_offered_twice(void **state)
{
	struct hot_cache c;
	uint8_t other[ITEM_BYTES];

	(void)state;
	hot_cache_init(&c, CACHE_BYTES, ITEM_BYTES);
	assert_false(has(&c, 1));
	offer(&c, 1);
	assert_false(has(&c, 1));
	offer(&c, 1);
	assert_true(has(&c, 1));
	/* The same place of another file, and another length, are something else. */
	assert_false(hot_cache_copy(&c, (struct hot_key){2, 4096}, other, sizeof other));
	assert_false(hot_cache_copy(&c, key_of(1), other, sizeof other - 1));
	/* Once more changes nothing. */
	offer(&c, 1);
	assert_true(has(&c, 1));
	hot_cache_free(&c);
}

static void
test_walk_keeps_nothing(void **state)
{
	struct hot_cache c;

	(void)state;
	hot_cache_init(&c, CACHE_BYTES, ITEM_BYTES);
	for (uint64_t i = 0; i < 5000; i++)
		offer(&c, i);
	assert_true(hot_cache_bytes(&c) < CACHE_BYTES / 16);
	hot_cache_free(&c);
}

static void
test_bounded(void **state)
{
	struct hot_cache c;
	uint8_t big[CACHE_BYTES / HOT_CACHE_SHARDS] = {0};
	size_t found = 0;

	(void)state;
	hot_cache_init(&c, CACHE_BYTES, ITEM_BYTES);
	for (uint64_t i = 0; i < 5000; i++) {
		offer(&c, i);
		offer(&c, i);
		assert_true(hot_cache_bytes(&c) <= CACHE_BYTES);
	}
	for (uint64_t i = 0; i < 5000; i++)
		found += has(&c, i);
	assert_in_range(found, CACHE_BYTES / ITEM_BYTES / 2, CACHE_BYTES / ITEM_BYTES);
	/* What would fill a shard alone is not kept. */
	hot_cache_offer(&c, key_of(9999), bytes_of(big, sizeof big));
	hot_cache_offer(&c, key_of(9999), bytes_of(big, sizeof big));
	assert_null(hot_cache_pin(&c, key_of(9999)));
	hot_cache_free(&c);
}

static void
test_used_stays(void **state)
{
	struct hot_cache c;

	(void)state;
	hot_cache_init(&c, CACHE_BYTES, ITEM_BYTES);
	offer(&c, 0);
	offer(&c, 0);
	for (uint64_t i = 1; i < 20000; i++) {
		assert_true(has(&c, 0));
		offer(&c, i);
		offer(&c, i);
	}
	hot_cache_free(&c);
}

static void
test_pinned_stays(void **state)
{
	struct hot_cache c;
	struct hot_item *item;
	uint8_t data[ITEM_BYTES];

	(void)state;
	hot_cache_init(&c, CACHE_BYTES, ITEM_BYTES);
	assert_null(hot_cache_pin(&c, key_of(7)));
	hot_cache_unpin(NULL);
	offer(&c, 7);
	offer(&c, 7);
	item = hot_cache_pin(&c, key_of(7));
	assert_non_null(item);
	for (uint64_t i = 100; i < 20000; i++) {
		offer(&c, i);
		offer(&c, i);
	}
	assert_true(bytes_equal(hot_item_bytes(item), data_of(7, data)));
	hot_cache_unpin(item);
	for (uint64_t i = 20000; i < 40000; i++) {
		offer(&c, i);
		offer(&c, i);
	}
	assert_false(has(&c, 7));
	hot_cache_free(&c);
}

#define THREADS 4
#define ROUNDS 20000u

struct worker {
	struct hot_cache *c;
	uint64_t seed;
	unsigned wrong, found;
};

/* Offers, copies and pins at random; counts what is not what was offered. */
static void *
work(void *arg)
{
	struct worker *w = (struct worker *)arg;
	uint8_t data[ITEM_BYTES], got[ITEM_BYTES];

	for (unsigned k = 0; k < ROUNDS; k++) {
		uint64_t i =
		    (w->seed = w->seed * 6364136223846793005u + 1442695040888963407u) >> 54;
		struct bytes right = data_of(i, data);
		struct hot_item *item = hot_cache_pin(w->c, key_of(i));

		if (item)
			w->wrong += !bytes_equal(hot_item_bytes(item), right);
		if (hot_cache_copy(w->c, key_of(i), got, sizeof got)) {
			w->wrong += memcmp(got, data, sizeof got) != 0;
			w->found++;
		}
		hot_cache_offer(w->c, key_of(i), right);
		hot_cache_unpin(item);
	}
	return NULL;
}

static void
test_threads(void **state)
{
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	struct hot_cache c;

	(void)state;
	/* Room for half of what is asked for. */
	hot_cache_init(&c, (size_t)512 * ITEM_BYTES, ITEM_BYTES);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.c = &c, .seed = i + 1};
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(workers[i].wrong, 0);
		assert_true(workers[i].found > 0);
	}
	assert_true(hot_cache_bytes(&c) <= (size_t)512 * ITEM_BYTES);
	hot_cache_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kept_when_offered_twice),
	    cmocka_unit_test(test_walk_keeps_nothing),
	    cmocka_unit_test(test_bounded),
	    cmocka_unit_test(test_used_stays),
	    cmocka_unit_test(test_pinned_stays),
	    cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
