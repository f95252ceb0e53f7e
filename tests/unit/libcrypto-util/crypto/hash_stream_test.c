/* A digest in pieces is that of the whole. */
#include "../../temp_dir.h"
#include "crypto/hash_stream.h"

#define MESSAGE_LEN 1000

static void
test_pieces_make_the_whole(void **state)
{
	struct hash_stream *s = hash_stream_new();
	uint8_t message[MESSAGE_LEN];
	struct hash whole, pieces;

	(void)state;
	assert_non_null(s);
	for (size_t i = 0; i < sizeof message; i++)
		message[i] = (uint8_t)(i * 7);
	hash_sha256(bytes_of(message, sizeof message), &whole);
	for (size_t step = 1; step < sizeof message; step += 61) {
		for (size_t at = 0; at < sizeof message; at += step)
			hash_stream_add(s,
			    bytes_of(message + at,
				sizeof message - at < step ? sizeof message - at : step));
		hash_stream_end(s, &pieces);
		assert_true(hash_equal(&whole, &pieces));
	}
	message[0] ^= 1;
	hash_stream_add(s, bytes_of(message, sizeof message));
	hash_stream_end(s, &pieces);
	assert_false(hash_equal(&whole, &pieces));
	hash_stream_free(s);
}

static void
test_nothing_has_the_digest_of_nothing(void **state)
{
	struct hash_stream *s = hash_stream_new();
	struct hash empty = hash_empty(), is;

	(void)state;
	assert_non_null(s);
	hash_stream_end(s, &is);
	assert_true(hash_equal(&empty, &is));
	hash_stream_free(s);
	hash_stream_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pieces_make_the_whole),
	    cmocka_unit_test(test_nothing_has_the_digest_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
