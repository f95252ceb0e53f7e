/* Raw keys and values: limits, strict parsing, the index order of sorted sets. */
#include "crypto/rawkey.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "testing.h"

#define ARENA_MAX (80u * 1024 * 1024)

static struct arena arena;

static int
setup(void **state)
{
	(void)state;
	arena_init(&arena, ARENA_MAX);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static uint8_t zeros[RAW_KEY_MAX + 16];

static void
test_key_limits(void **state)
{
	struct raw_key parsed;
	struct bytes raw;

	(void)state;
	assert_ok(raw_key_make(&arena, bytes_of(zeros, USER_KEY_MAX), &raw));
	assert_int_equal(RAW_KEY_MAX, raw.len);
	assert_ok(raw_key_parse(raw, &parsed));
	assert_int_equal(USER_KEY_MAX, parsed.key.len);
	assert_err(IM_ERR_KEY_LENGTH, raw_key_make(&arena, bytes_of(zeros, RAW_KEY_MAX), &raw));
	assert_err(IM_ERR_FORMAT, raw_key_parse(bytes_of(zeros, RAW_KEY_MAX + 1), &parsed));
	assert_err(IM_ERR_FORMAT, raw_key_parse(bytes_of(NULL, 0), &parsed));
}

static void
test_value_limits(void **state)
{
	uint8_t *value = (uint8_t *)calloc(1, RAW_VALUE_MAX);
	struct bytes raw;

	(void)state;
	assert_non_null(value);
	assert_ok(raw_value_make(&arena, bytes_of(value, USER_VALUE_MAX), &raw));
	assert_int_equal(RAW_VALUE_MAX, raw.len);
	assert_err(
	    IM_ERR_VALUE_LENGTH, raw_value_make(&arena, bytes_of(value, RAW_VALUE_MAX), &raw));
	assert_ok(raw_value_make_reference(&arena, bytes_of(zeros, USER_KEY_MAX), 1, &raw));
	assert_err(IM_ERR_KEY_LENGTH,
	    raw_value_make_reference(&arena, bytes_of(zeros, RAW_KEY_MAX), 1, &raw));
	free(value);
}

static void
test_out_of_memory(void **state)
{
	struct zset_member m = {.set = bytes_str("s"), .key = bytes_str("k")};
	struct arena none;
	struct bytes raw;

	(void)state;
	arena_init(&none, 0);
	assert_err(IM_ERR_NOMEM, raw_key_make(&none, bytes_str("k"), &raw));
	assert_err(IM_ERR_NOMEM, raw_key_make_zadd(&none, &m, &raw));
	assert_err(IM_ERR_NOMEM, raw_key_make_zset_prefix(&none, m.set, &raw));
	assert_err(IM_ERR_NOMEM, raw_value_make(&none, bytes_str("v"), &raw));
	assert_err(IM_ERR_NOMEM, raw_value_make_reference(&none, bytes_str("k"), 0, &raw));
}

static void
test_kinds(void **state)
{
	uint8_t raw[3] = {0, 'a', 'b'};
	struct raw_key key;
	struct raw_value value;

	(void)state;
	for (unsigned kind = 0; kind < 256; kind++) {
		raw[0] = (uint8_t)kind;
		if (kind == RAW_KEY_PLAIN || kind == RAW_KEY_SQL || kind == RAW_KEY_DOCUMENT) {
			assert_ok(raw_key_parse(bytes_of(raw, 3), &key));
			assert_true(bytes_equal(key.key, bytes_str("ab")));
			assert_int_equal(kind, key.kind);
		} else {
			assert_err(IM_ERR_FORMAT, raw_key_parse(bytes_of(raw, 3), &key));
		}
		if (kind == RAW_VALUE_PLAIN)
			assert_ok(raw_value_parse(bytes_of(raw, 3), &value));
		else
			assert_err(IM_ERR_FORMAT, raw_value_parse(bytes_of(raw, 3), &value));
	}
	assert_err(IM_ERR_FORMAT, raw_value_parse(bytes_of(NULL, 0), &value));
}

static void
test_reference_parse(void **state)
{
	struct raw_value value;
	struct bytes raw;
	uint8_t bad[RAW_KEY_MAX + 16] = {RAW_VALUE_REFERENCE};

	(void)state;
	assert_ok(raw_value_make_reference(&arena, bytes_str("target"), UINT64_MAX, &raw));
	assert_ok(raw_value_parse(raw, &value));
	assert_true(value.at_tx == UINT64_MAX && bytes_equal(value.target, bytes_str("target")));
	for (size_t len = 1; len < 10; len++)
		assert_err(IM_ERR_FORMAT, raw_value_parse(bytes_of(raw.data, len), &value));
	memcpy(bad, raw.data, raw.len);
	bad[9] = RAW_KEY_ZADD;
	assert_err(IM_ERR_FORMAT, raw_value_parse(bytes_of(bad, raw.len), &value));
	bad[9] = RAW_KEY_PLAIN;
	assert_ok(raw_value_parse(bytes_of(bad, 10 + USER_KEY_MAX), &value));
	assert_err(IM_ERR_FORMAT, raw_value_parse(bytes_of(bad, 10 + RAW_KEY_MAX), &value));
}

static void
test_zadd_limits(void **state)
{
	struct zset_member m = {.score = 1, .at_tx = 7};
	size_t room = RAW_KEY_MAX - 34;
	struct raw_key parsed;
	struct bytes raw;

	(void)state;
	m.set = bytes_of(zeros, room - 10);
	m.key = bytes_of(zeros, 10);
	assert_ok(raw_key_make_zadd(&arena, &m, &raw));
	assert_int_equal(RAW_KEY_MAX, raw.len);
	assert_ok(raw_key_parse(raw, &parsed));
	assert_int_equal(10, parsed.key.len);
	m.key = bytes_of(zeros, 11);
	assert_err(IM_ERR_KEY_LENGTH, raw_key_make_zadd(&arena, &m, &raw));
	m.set.len = SIZE_MAX;
	assert_err(IM_ERR_KEY_LENGTH, raw_key_make_zadd(&arena, &m, &raw));
	assert_err(
	    IM_ERR_KEY_LENGTH, raw_key_make_zset_prefix(&arena, bytes_of(zeros, room + 1), &raw));
}

/* Every cut, every extra byte and every wrong length is refused. */
static void
test_zadd_parse(void **state)
{
	struct zset_member m = {
	    .set = bytes_str("set"), .score = -2.5, .key = bytes_str("key"), .at_tx = 9};
	struct raw_key parsed;
	struct bytes raw;
	uint8_t bad[64];

	(void)state;
	assert_ok(raw_key_make_zadd(&arena, &m, &raw));
	assert_ok(raw_key_parse(raw, &parsed));
	for (size_t len = 1; len < raw.len; len++)
		assert_err(IM_ERR_FORMAT, raw_key_parse(bytes_of(raw.data, len), &parsed));
	memcpy(bad, raw.data, raw.len);
	bad[raw.len] = 0;
	assert_err(IM_ERR_FORMAT, raw_key_parse(bytes_of(bad, raw.len + 1), &parsed));
	/* Both lengths and the prefix of the embedded key. */
	for (size_t at = 1; at < 28 + 1; at++) {
		if (at >= 9 && at < 20)
			continue;
		for (int bit = 0; bit < 8; bit++) {
			memcpy(bad, raw.data, raw.len);
			bad[at] ^= (uint8_t)(1 << bit);
			assert_err(IM_ERR_FORMAT, raw_key_parse(bytes_of(bad, raw.len), &parsed));
		}
	}
}

static void
test_score_order(void **state)
{
	static const double ascending[] = {-INFINITY, -DBL_MAX, -2, -1, -DBL_MIN, -5e-324, -0.0,
	    0.0, 5e-324, DBL_MIN, 1, 1.5, 2, DBL_MAX, INFINITY};
	uint64_t seed = 3;

	(void)state;
	for (size_t i = 1; i < sizeof ascending / sizeof *ascending; i++)
		assert_true(
		    zset_order_of_score(ascending[i - 1]) < zset_order_of_score(ascending[i]));
	for (int i = 0; i < 10000; i++) {
		uint64_t bits, order;
		double score;

		random_fill(&seed, &bits, sizeof bits);
		memcpy(&score, &bits, sizeof score);
		score = zset_score_of_order(zset_order_of_score(score));
		memcpy(&order, &score, sizeof order);
		assert_true(bits == order);
		random_fill(&seed, &order, sizeof order);
		assert_true(zset_order_of_score(zset_score_of_order(order)) == order);
	}
	assert_false(zset_score_is_valid(NAN));
	assert_true(zset_score_is_valid(-INFINITY));
}

static void
test_index_form(void **state)
{
	struct zset_member m = {.set = bytes_str("s"), .key = bytes_str("k")};
	struct bytes low, high, prefix;
	uint8_t a[64], b[64];

	(void)state;
	m.score = -3;
	assert_ok(raw_key_make_zadd(&arena, &m, &low));
	m.score = 2;
	assert_ok(raw_key_make_zadd(&arena, &m, &high));
	assert_true(bytes_compare(low, high) > 0);
	memcpy(a, low.data, low.len);
	memcpy(b, high.data, high.len);
	raw_key_to_index(a, low.len);
	raw_key_to_index(b, high.len);
	assert_true(bytes_compare(bytes_of(a, low.len), bytes_of(b, high.len)) < 0);
	assert_ok(raw_key_make_zset_prefix(&arena, m.set, &prefix));
	assert_true(bytes_has_prefix(low, prefix));
	assert_true(bytes_has_prefix(bytes_of(a, low.len), prefix));
	raw_key_from_index(a, low.len);
	assert_bytes_equal(a, low.data, low.len);
}

/* A bijection of all byte strings: both directions undo each other on anything. */
static void
test_index_bijection(void **state)
{
	struct zset_member m = {.set = bytes_str("set"), .score = -1, .key = bytes_str("key")};
	uint64_t seed = 9;
	struct bytes raw;
	uint8_t key[64], was[64];

	(void)state;
	assert_ok(raw_key_make_zadd(&arena, &m, &raw));
	for (int i = 0; i < 20000; i++) {
		size_t len = random_next(&seed) % 60;

		random_fill(&seed, key, sizeof key);
		if (i % 2) {
			len = raw.len;
			memcpy(key, raw.data, len);
			random_fill(&seed, key + 12, 8);
			if (i % 4 == 1)
				key[random_next(&seed) % len] ^= 4;
		}
		memcpy(was, key, sizeof key);
		raw_key_to_index(key, len);
		raw_key_from_index(key, len);
		assert_bytes_equal(was, key, sizeof key);
		raw_key_from_index(key, len);
		raw_key_to_index(key, len);
		assert_bytes_equal(was, key, sizeof key);
	}
	raw_key_to_index(key, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_key_limits, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_value_limits, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_reference_parse, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_zadd_limits, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_zadd_parse, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_score_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_index_form, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_index_bijection, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
