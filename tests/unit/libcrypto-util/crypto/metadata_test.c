/* Metadata of entries and transactions: every attribute, canonical form, hostile bytes. */
#include "crypto/metadata.h"

#include "testing.h"

static void
test_kv_round_trip(void **state)
{
	static const int64_t times[] = {0, 1, -1, INT64_MIN, INT64_MAX, 1893456000};
	uint8_t out[KV_METADATA_MAX], again[KV_METADATA_MAX];

	(void)state;
	for (unsigned bits = 0; bits < 8; bits++) {
		for (size_t t = 0; t < sizeof times / sizeof *times; t++) {
			struct kv_metadata md = {.deleted = bits & 1,
			    .has_expiry = bits & 2,
			    .expires_at = bits & 2 ? times[t] : 0,
			    .non_indexable = bits & 4};
			struct kv_metadata back;
			size_t n = kv_metadata_encode(&md, out);

			assert_int_equal(n, (bits & 1) + (bits & 2 ? 9 : 0) + (bits >> 2));
			assert_ok(kv_metadata_decode(bytes_of(out, n), &back));
			assert_true(back.deleted == md.deleted);
			assert_true(back.has_expiry == md.has_expiry);
			assert_true(back.expires_at == md.expires_at);
			assert_true(back.non_indexable == md.non_indexable);
			assert_true(kv_metadata_is_empty(&md) == (bits == 0));
			assert_int_equal(n, kv_metadata_encode(&back, again));
			assert_bytes_equal(out, again, n);
		}
	}
}

static void
test_kv_order_and_repeats(void **state)
{
	static const uint8_t backwards[] = {2, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0};
	static const uint8_t repeated[] = {0, 0, 2, 2, 2};
	uint8_t out[KV_METADATA_MAX];
	struct kv_metadata md;

	(void)state;
	assert_ok(kv_metadata_decode(bytes_of(backwards, sizeof backwards), &md));
	assert_true(md.deleted && md.non_indexable && md.expires_at == 7);
	assert_int_equal(11, kv_metadata_encode(&md, out));
	assert_int_equal(0, out[0]);
	assert_ok(kv_metadata_decode(bytes_of(repeated, sizeof repeated), &md));
	assert_int_equal(2, kv_metadata_encode(&md, out));
}

static void
test_kv_bad(void **state)
{
	static const uint8_t unknown[] = {3}, cut[] = {1, 0, 0, 0, 0, 0, 0, 0}, bare[] = {1};
	static const uint8_t zeros[KV_METADATA_MAX + 1] = {0};
	struct kv_metadata md;

	(void)state;
	assert_err(IM_ERR_FORMAT, kv_metadata_decode(bytes_of(unknown, 1), &md));
	assert_err(IM_ERR_FORMAT, kv_metadata_decode(bytes_of(cut, sizeof cut), &md));
	assert_err(IM_ERR_FORMAT, kv_metadata_decode(bytes_of(bare, 1), &md));
	assert_err(IM_ERR_FORMAT, kv_metadata_decode(bytes_of(zeros, sizeof zeros), &md));
	assert_ok(kv_metadata_decode(bytes_of(zeros, KV_METADATA_MAX), &md));
	for (unsigned c = 3; c < 256; c++) {
		uint8_t byte = (uint8_t)c;

		assert_err(IM_ERR_FORMAT, kv_metadata_decode(bytes_of(&byte, 1), &md));
	}
}

static void
test_kv_expired(void **state)
{
	struct kv_metadata md = {.has_expiry = true, .expires_at = 100};

	(void)state;
	assert_false(kv_metadata_is_expired(&md, 99));
	assert_true(kv_metadata_is_expired(&md, 100));
	assert_true(kv_metadata_is_expired(&md, 101));
	md = (struct kv_metadata){.deleted = true};
	assert_false(kv_metadata_is_expired(&md, INT64_MAX));
}

static void
test_tx_round_trip(void **state)
{
	static const uint64_t ids[] = {0, 1, UINT64_MAX};
	static const uint16_t lens[] = {0, 1, 255, 256};
	uint8_t out[TX_METADATA_MAX];
	uint64_t seed = 1;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t l = 0; l < 4; l++) {
			struct tx_metadata md = {.truncated_tx_id = ids[i], .extra_len = lens[l]};
			struct tx_metadata back;
			size_t n;

			random_fill(&seed, md.extra, md.extra_len);
			n = tx_metadata_encode(&md, out);
			assert_int_equal(n, (i ? 9u : 0u) + (l ? 3u + lens[l] : 0u));
			assert_true(tx_metadata_is_empty(&md) == (n == 0));
			assert_ok(tx_metadata_decode(bytes_of(out, n), &back));
			assert_true(back.truncated_tx_id == ids[i]);
			assert_int_equal(back.extra_len, lens[l]);
			assert_bytes_equal(back.extra, md.extra, md.extra_len);
			for (size_t cut = 1; cut < n; cut++) {
				/*
				 * Cut between the attributes is what remains; anywhere else is bad.
				 */
				if (!(i && cut == 9))
					assert_err(IM_ERR_FORMAT,
					    tx_metadata_decode(bytes_of(out, cut), &back));
			}
		}
	}
}

static void
test_tx_bad(void **state)
{
	static const uint8_t unknown[] = {2}, no_extra[] = {1, 0, 0};
	static const uint8_t zero_id[9] = {0}, long_extra[3 + 257] = {1, 1, 1};
	static const uint8_t beyond[] = {1, 0, 5, 'a', 'b'}, huge[TX_METADATA_MAX + 1] = {0};
	struct tx_metadata md;

	(void)state;
	assert_err(IM_ERR_FORMAT, tx_metadata_decode(bytes_of(unknown, 1), &md));
	assert_err(IM_ERR_FORMAT, tx_metadata_decode(bytes_of(no_extra, 3), &md));
	assert_err(IM_ERR_FORMAT, tx_metadata_decode(bytes_of(zero_id, 9), &md));
	assert_err(IM_ERR_FORMAT, tx_metadata_decode(bytes_of(long_extra, sizeof long_extra), &md));
	assert_err(IM_ERR_FORMAT, tx_metadata_decode(bytes_of(beyond, sizeof beyond), &md));
	assert_err(IM_ERR_FORMAT, tx_metadata_decode(bytes_of(huge, sizeof huge), &md));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kv_round_trip),
	    cmocka_unit_test(test_kv_order_and_repeats),
	    cmocka_unit_test(test_kv_bad),
	    cmocka_unit_test(test_kv_expired),
	    cmocka_unit_test(test_tx_round_trip),
	    cmocka_unit_test(test_tx_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
