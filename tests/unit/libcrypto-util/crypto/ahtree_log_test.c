/* The flat digest log: sizes, cutting back and growing again. */
#include "crypto/ahtree_log.h"

#include "testing.h"

#define LEAVES 200

static struct hash
payload(uint64_t n)
{
	struct hash h;

	hash_sha256(bytes_of(&n, sizeof n), &h);
	return h;
}

static void
grow(struct ahtree_log *log, uint64_t to)
{
	while (log->size < to) {
		struct hash p = payload(log->size + 1);

		assert_ok(ahtree_log_append(log, &p));
	}
}

static void
test_digests(void **state)
{
	uint64_t count = 0;

	(void)state;
	for (uint64_t n = 0; n < 5000; n++) {
		assert_true(ahtree_log_digests(n) == count);
		count += 1 + (uint64_t)__builtin_popcountll(n);
	}
}

static void
test_truncate(void **state)
{
	static const uint64_t cuts[] = {LEAVES, 199, 128, 127, 64, 33, 1, 0};
	struct ahtree_log whole, log;

	(void)state;
	ahtree_log_init(&whole);
	ahtree_log_init(&log);
	grow(&whole, LEAVES);
	assert_true(whole.len == ahtree_log_digests(LEAVES));
	for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
		struct hash a, b;

		grow(&log, LEAVES);
		ahtree_log_truncate(&log, cuts[i]);
		assert_ok(ahtree_log_root(&whole, cuts[i], &a));
		assert_ok(ahtree_log_root(&log, cuts[i], &b));
		assert_hash(&a, &b);
		assert_err(IM_ERR_TX_NOT_FOUND, ahtree_log_root(&log, cuts[i] + 1, &b));
		grow(&log, LEAVES);
		assert_true(log.len == whole.len);
		assert_bytes_equal(log.digests, whole.digests, log.len * sizeof *log.digests);
	}
	ahtree_log_free(&whole);
	ahtree_log_free(&log);
	assert_true(log.size == 0 && log.digests == NULL);
}

static void
test_empty(void **state)
{
	struct ahtree_log log;
	struct hash root;

	(void)state;
	ahtree_log_init(&log);
	assert_ok(ahtree_log_root(&log, 0, &root));
	assert_true(hash_is_zero(&root));
	ahtree_log_free(&log);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_digests),
	    cmocka_unit_test(test_truncate),
	    cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
