/* Transaction headers: range checks, serialised form, hostile bytes. */
#include "crypto/header.h"

#include <stdlib.h>

#include "testing.h"

static struct tx_header
sample(uint16_t version)
{
	struct tx_metadata md = {.truncated_tx_id = 4, .extra_len = 3, .extra = {'a', 'b', 'c'}};
	struct tx_header h = {.id = 9, .ts = -5, .version = version, .nentries = 7, .bl_tx_id = 8};
	uint64_t seed = 21;

	random_fill(&seed, &h.prev_alh, HASH_SIZE);
	random_fill(&seed, &h.eh, HASH_SIZE);
	random_fill(&seed, &h.bl_root, HASH_SIZE);
	if (version > 0)
		h.md_len = (uint16_t)tx_metadata_encode(&md, h.md);
	return h;
}

static void
test_check(void **state)
{
	struct tx_header h = sample(1);

	(void)state;
	assert_ok(tx_header_check(&h));
	h.nentries = 0;
	assert_ok(tx_header_check(&h));
	h = sample(1);
	h.id = 0;
	h.bl_tx_id = 0;
	assert_err(IM_ERR_FORMAT, tx_header_check(&h));
	h = sample(1);
	h.bl_tx_id = h.id;
	assert_err(IM_ERR_FORMAT, tx_header_check(&h));
	h = sample(1);
	h.version = 2;
	assert_err(IM_ERR_FORMAT, tx_header_check(&h));
	h = sample(1);
	h.bl_tx_id = 0;
	assert_err(IM_ERR_FORMAT, tx_header_check(&h));
	h.bl_root = HASH_ZERO;
	assert_ok(tx_header_check(&h));
	h.md_len = TX_METADATA_MAX + 1;
	assert_err(IM_ERR_FORMAT, tx_header_check(&h));
	h.md_len = 8;
	assert_err(IM_ERR_FORMAT, tx_header_check(&h));
	h = sample(0);
	h.nentries = 0x10007;
	assert_err(IM_ERR_FORMAT, tx_header_check(&h));
	h = sample(0);
	h.md_len = 1;
	assert_err(IM_ERR_FORMAT, tx_header_check(&h));
}

/* Two attributes in the wrong order decode, but are not what is hashed. */
static void
test_metadata_order(void **state)
{
	static const uint8_t backwards[] = {1, 0, 1, 'x', 0, 0, 0, 0, 0, 0, 0, 0, 4};
	struct tx_header h = sample(1), back;
	uint8_t bytes[TX_HEADER_MAX];
	size_t len = 0;

	(void)state;
	h.md_len = sizeof backwards;
	memcpy(h.md, backwards, sizeof backwards);
	assert_err(IM_ERR_FORMAT, tx_header_check(&h));
	/* The same number of bytes, in order, with the backward ones put in their place. */
	memcpy(h.md, backwards + 4, 9);
	memcpy(h.md + 9, backwards, 4);
	assert_ok(tx_header_encode(&h, bytes, &len));
	memcpy(bytes + 52, backwards, sizeof backwards);
	assert_ok(tx_header_decode(bytes_of(bytes, len), &back));
	assert_int_equal(h.md_len, back.md_len);
	assert_bytes_equal(h.md, back.md, h.md_len);
}

static void
test_round_trip(void **state)
{
	uint8_t bytes[TX_HEADER_MAX], again[TX_HEADER_MAX];
	size_t len = 0, len2 = 0;

	(void)state;
	for (uint16_t version = 0; version <= 1; version++) {
		struct tx_header h = sample(version), back;
		struct hash a, b;

		assert_ok(tx_header_encode(&h, bytes, &len));
		assert_int_equal(len, version == 0 ? TX_HEADER_MIN : 128 + h.md_len);
		assert_ok(tx_header_decode(bytes_of(bytes, len), &back));
		assert_ok(tx_header_encode(&back, again, &len2));
		assert_int_equal(len, len2);
		assert_bytes_equal(bytes, again, len);
		tx_header_alh(&h, &a);
		tx_header_alh(&back, &b);
		assert_hash(&a, &b);
	}
}

static void
test_decode_lengths(void **state)
{
	struct tx_header back;

	(void)state;
	for (uint16_t version = 0; version <= 1; version++) {
		struct tx_header h = sample(version);
		uint8_t bytes[TX_HEADER_MAX + 1] = {0};
		size_t len = 0;

		assert_ok(tx_header_encode(&h, bytes, &len));
		assert_err(IM_ERR_FORMAT, tx_header_decode(bytes_of(bytes, len + 1), &back));
		for (size_t cut = 0; cut < len; cut++) {
			uint8_t *exact = (uint8_t *)malloc(cut + 1);

			memcpy(exact + 1, bytes, cut);
			assert_err(
			    IM_ERR_FORMAT, tx_header_decode(bytes_of(exact + 1, cut), &back));
			free(exact);
		}
	}
}

static void
test_decode_refused(void **state)
{
	struct tx_header h = sample(0), back;
	uint8_t bytes[TX_HEADER_MAX];
	size_t len = 0;

	(void)state;
	h.nentries = 0;
	assert_ok(tx_header_encode(&h, bytes, &len));
	assert_err(IM_ERR_FORMAT, tx_header_decode(bytes_of(bytes, len), &back));
	h = sample(0);
	assert_ok(tx_header_encode(&h, bytes, &len));
	bytes[49] = 2;
	assert_err(IM_ERR_FORMAT, tx_header_decode(bytes_of(bytes, len), &back));
	bytes[49] = 0;
	memset(bytes, 0, 8);
	assert_err(IM_ERR_FORMAT, tx_header_decode(bytes_of(bytes, len), &back));
	h.md_len = 3;
	assert_err(IM_ERR_METADATA_UNSUPPORTED, tx_header_encode(&h, bytes, &len));
	h = sample(1);
	h.id = 3;
	assert_err(IM_ERR_FORMAT, tx_header_encode(&h, bytes, &len));
	/* Metadata longer than there can be. */
	h = sample(1);
	assert_ok(tx_header_encode(&h, bytes, &len));
	be16_put(bytes + 50, 269);
	assert_err(IM_ERR_FORMAT, tx_header_decode(bytes_of(bytes, sizeof bytes), &back));
}

static void
test_step(void **state)
{
	struct tx_header h = sample(1);
	struct hash alh, inner, step;

	(void)state;
	tx_header_alh(&h, &alh);
	tx_header_inner(&h, &inner);
	tx_header_step(h.id, &h.prev_alh, &inner, &step);
	assert_hash(&alh, &step);
	tx_header_step(h.id, &h.prev_alh, &inner, &inner);
	assert_hash(&alh, &inner);
	tx_header_step(h.id + 1, &h.prev_alh, &inner, &step);
	assert_false(hash_equal(&alh, &step));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_check),
	    cmocka_unit_test(test_metadata_order),
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_decode_lengths),
	    cmocka_unit_test(test_decode_refused),
	    cmocka_unit_test(test_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
