/* SHA-256: every implementation against OpenSSL's one-call form, all lengths, batches, aliasing. */
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#include "testing.h"

#define LONG_MESSAGE 300
#define BATCH_MAX 37

static uint64_t random_state = 12345;

static struct hash
reference(struct bytes msg)
{
	struct hash h;

	assert_int_equal(1, EVP_Digest(msg.data, msg.len, h.b, NULL, EVP_sha256(), NULL));
	return h;
}

static void
each_path(void (*test)(void))
{
	assert_true(hash_path_use(HASH_PATH_OPENSSL));
	assert_string_equal("openssl", hash_path_name());
	test();
	if (hash_path_use(HASH_PATH_SHANI)) {
		assert_string_equal("sha-ni", hash_path_name());
		test();
	}
	assert_true(hash_path_use(HASH_PATH_AUTO));
	test();
}

static void
check_single(void)
{
	uint8_t msg[LONG_MESSAGE];

	for (size_t len = 0; len <= LONG_MESSAGE; len++) {
		/* At the end of an exact allocation, so that reading past the end is seen. */
		uint8_t *exact = (uint8_t *)malloc(len + 1);
		struct hash h, want;

		random_fill(&random_state, msg, len);
		memcpy(exact + 1, msg, len);
		hash_sha256(bytes_of(exact + 1, len), &h);
		want = reference(bytes_of(msg, len));
		assert_hash(&want, &h);
		free(exact);
	}
}

static void
test_single(void **state)
{
	struct hash empty = hash_empty(), want = reference(bytes_of("", 0));

	(void)state;
	assert_hash(&want, &empty);
	each_path(check_single);
}

static void
check_parts(void)
{
	uint8_t msg[LONG_MESSAGE * 4];
	struct bytes parts[8];

	for (int round = 0; round < 2000; round++) {
		size_t len = random_next(&random_state) % sizeof msg, used = 0, n = 0;
		struct hash h, want;

		random_fill(&random_state, msg, len);
		while (n < 7 && used < len) {
			size_t take = random_next(&random_state) % (len - used + 1);

			if (random_next(&random_state) % 3 == 0)
				take = take % 70;
			parts[n++] = bytes_of(take ? msg + used : NULL, take);
			used += take;
		}
		parts[n++] = bytes_of(msg + used, len - used);
		hash_parts(parts, n, &h);
		want = reference(bytes_of(msg, len));
		assert_hash(&want, &h);
	}
	struct hash h, empty = hash_empty();

	hash_parts(NULL, 0, &h);
	assert_hash(&empty, &h);
}

static void
test_parts(void **state)
{
	(void)state;
	each_path(check_parts);
}

static void
check_many(void)
{
	static uint8_t pool[BATCH_MAX * LONG_MESSAGE];
	struct bytes msgs[BATCH_MAX];
	struct hash out[BATCH_MAX + 1], untouched;

	random_fill(&random_state, pool, sizeof pool);
	memset(&untouched, 0x5a, sizeof untouched);
	for (size_t round = 0; round < 400; round++) {
		size_t n = round % (BATCH_MAX + 1);

		for (size_t i = 0; i < n; i++) {
			size_t len = random_next(&random_state) % (LONG_MESSAGE + 1);

			if (round % 5 == 0)
				len = 65;
			msgs[i] = bytes_of(len ? pool + i * LONG_MESSAGE : NULL, len);
		}
		out[n] = untouched;
		hash_many(msgs, n, out);
		for (size_t i = 0; i < n; i++) {
			struct hash want = reference(msgs[i]);

			assert_hash(&want, &out[i]);
		}
		assert_hash(&untouched, &out[n]);
	}
}

static void
test_many(void **state)
{
	(void)state;
	each_path(check_many);
}

static struct hash
reference_tree(uint8_t prefix, const struct hash *in, size_t n)
{
	uint8_t msg[1 + 2 * HASH_SIZE] = {prefix};

	memcpy(msg + 1, in, n * HASH_SIZE);
	return reference(bytes_of(msg, 1 + n * HASH_SIZE));
}

static void
check_tree(void)
{
	struct hash in[2 * BATCH_MAX], copy[2 * BATCH_MAX], out[2 * BATCH_MAX], want;

	random_fill(&random_state, (uint8_t *)in, sizeof in);
	for (size_t n = 0; n <= BATCH_MAX; n++) {
		hash_leaves(in, n, out);
		memcpy(copy, in, sizeof in);
		hash_leaves(copy, n, copy);
		assert_bytes_equal(out, copy, n * HASH_SIZE);
		assert_bytes_equal(in + n, copy + n, (2 * BATCH_MAX - n) * HASH_SIZE);
		for (size_t i = 0; i < n; i++) {
			want = reference_tree(0, &in[i], 1);
			assert_hash(&want, &out[i]);
		}
		hash_pairs(in, n, out);
		memcpy(copy, in, sizeof in);
		hash_pairs(copy, n, copy);
		assert_bytes_equal(out, copy, n * HASH_SIZE);
		assert_bytes_equal(in + n, copy + n, (2 * BATCH_MAX - n) * HASH_SIZE);
		for (size_t i = 0; i < n; i++) {
			want = reference_tree(1, &in[2 * i], 2);
			assert_hash(&want, &out[i]);
		}
	}
	want = reference_tree(1, in, 2);
	hash_node(&in[0], &in[1], &in[1]);
	assert_hash(&want, &in[1]);
	want = reference_tree(0, in, 1);
	hash_leaf(&in[0], &in[0]);
	assert_hash(&want, &in[0]);
}

static void
test_tree(void **state)
{
	(void)state;
	each_path(check_tree);
}

static void *
hash_in_thread(void *arg)
{
	for (int i = 0; i < 100; i++)
		hash_sha256(bytes_str("threads"), (struct hash *)arg);
	return NULL;
}

/* Each thread has its own OpenSSL context, which goes away with it. */
static void
test_threads(void **state)
{
	struct hash out[4], want = reference(bytes_str("threads"));
	pthread_t threads[4];

	(void)state;
	assert_true(hash_path_use(HASH_PATH_OPENSSL));
	for (int i = 0; i < 4; i++)
		assert_int_equal(0, pthread_create(&threads[i], NULL, hash_in_thread, &out[i]));
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_hash(&want, &out[i]);
	}
	hash_path_use(HASH_PATH_AUTO);
}

static void
test_compare(void **state)
{
	struct hash a = HASH_ZERO, b = HASH_ZERO;

	(void)state;
	assert_true(hash_is_zero(&a));
	b.b[31] = 1;
	assert_false(hash_is_zero(&b));
	assert_false(hash_equal(&a, &b));
	assert_false(hash_path_use((enum hash_path)99));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_single),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_tree),
	    cmocka_unit_test(test_threads),
	    cmocka_unit_test(test_compare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
