/* Exported transactions: both forms, every cut, every limit. */
#include "crypto/export.h"

#include <stdlib.h>

#include "chain.h"
#include "crypto/rawkey.h"
#include "testing.h"

static struct chain c;
static struct export_entry entries[CHAIN_ENTRIES];
static struct export_tx tx;
static struct buf out;

static int
setup(void **state)
{
	const struct chain_tx *last;

	(void)state;
	chain_init(&c);
	for (uint64_t i = 0; i < 3; i++)
		chain_append(&c, 1, i);
	last = chain_tx(&c, 3);
	tx = (struct export_tx){.header = last->header, .entries = entries};
	for (size_t i = 0; i < CHAIN_ENTRIES; i++) {
		struct bytes key = last->entries[i].key;

		/* The values of the history are the keys without their prefix. */
		entries[i] = (struct export_entry){
		    key, last->entries[i].md, bytes_of(key.data + 1, key.len - 1)};
	}
	buf_init(&out, 40u * 1024 * 1024);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_free(&out);
	chain_free(&c);
	return 0;
}

static void
assert_round_trip(void)
{
	struct export_tx back;
	struct buf again;

	buf_init(&again, out.len);
	assert_ok(export_tx_decode(buf_bytes(&out), &c.arena, &back));
	assert_ok(export_tx_check(&back, &c.arena));
	assert_true(back.truncated == tx.truncated);
	assert_ok(export_tx_encode(&back, &again));
	assert_true(bytes_equal(buf_bytes(&out), buf_bytes(&again)));
	buf_free(&again);
}

static void
test_round_trip(void **state)
{
	(void)state;
	assert_ok(export_tx_encode(&tx, &out));
	assert_round_trip();
	buf_clear(&out);
	tx.truncated = true;
	for (size_t i = 0; i < CHAIN_ENTRIES; i++)
		entries[i].value = hash_bytes(&chain_tx(&c, 3)->entries[i].hval);
	assert_ok(export_tx_encode(&tx, &out));
	assert_round_trip();
}

static void
test_missing_trailer(void **state)
{
	struct export_tx back;

	(void)state;
	assert_ok(export_tx_encode(&tx, &out));
	assert_ok(export_tx_decode(bytes_of(out.data, out.len - 3), &c.arena, &back));
	assert_false(back.truncated);
	assert_ok(export_tx_check(&back, &c.arena));
}

static void
test_cut_and_longer(void **state)
{
	struct export_tx back;

	(void)state;
	assert_ok(export_tx_encode(&tx, &out));
	for (size_t len = 0; len < out.len; len++) {
		uint8_t *exact = (uint8_t *)malloc(len + 1);
		struct arena a;

		if (len == out.len - 3) {
			free(exact);
			continue;
		}
		arena_init(&a, 1u << 20);
		memcpy(exact + 1, out.data, len);
		assert_err(IM_ERR_FORMAT, export_tx_decode(bytes_of(exact + 1, len), &a, &back));
		arena_free(&a);
		free(exact);
	}
	assert_true(buf_append_u8(&out, 0));
	assert_err(IM_ERR_FORMAT, export_tx_decode(buf_bytes(&out), &c.arena, &back));
}

static void
test_trailer(void **state)
{
	struct export_tx back;

	(void)state;
	assert_ok(export_tx_encode(&tx, &out));
	out.data[out.len - 1] = 2;
	assert_err(IM_ERR_FORMAT, export_tx_decode(buf_bytes(&out), &c.arena, &back));
	/* Values that are not hashes. */
	out.data[out.len - 1] = 1;
	assert_err(IM_ERR_FORMAT, export_tx_decode(buf_bytes(&out), &c.arena, &back));
	out.data[out.len - 1] = 0;
	out.data[out.len - 2] = 2;
	assert_err(IM_ERR_FORMAT, export_tx_decode(buf_bytes(&out), &c.arena, &back));
}

/* A header that claims four billion entries takes no memory for them. */
static void
test_many_entries_claimed(void **state)
{
	struct export_tx back;
	struct arena a;

	(void)state;
	arena_init(&a, 1024);
	tx.header.nentries = 3;
	assert_ok(export_tx_encode(&tx, &out));
	be32_put(out.data + 4 + 52 + tx.header.md_len, UINT32_MAX);
	assert_err(IM_ERR_FORMAT, export_tx_decode(buf_bytes(&out), &a, &back));
	assert_int_equal(0, a.used);
}

static void
test_limits(void **state)
{
	static const uint8_t long_key[RAW_KEY_MAX + 1] = {0};
	static const uint8_t bad_md[] = {9};
	uint8_t *value = (uint8_t *)calloc(1, RAW_VALUE_MAX + 1);
	struct export_entry good = entries[0];

	(void)state;
	assert_non_null(value);
	entries[0].key.len = 0;
	assert_err(IM_ERR_FORMAT, export_tx_encode(&tx, &out));
	entries[0].key = bytes_of(long_key, sizeof long_key);
	assert_err(IM_ERR_FORMAT, export_tx_encode(&tx, &out));
	entries[0] = good;
	entries[0].md = bytes_of(bad_md, sizeof bad_md);
	assert_err(IM_ERR_FORMAT, export_tx_encode(&tx, &out));
	entries[0] = good;
	entries[0].value = bytes_of(value, RAW_VALUE_MAX + 1);
	assert_err(IM_ERR_FORMAT, export_tx_encode(&tx, &out));
	entries[0].value.len = RAW_VALUE_MAX;
	buf_clear(&out);
	assert_ok(export_tx_encode(&tx, &out));
	entries[0] = good;
	tx.truncated = true;
	assert_err(IM_ERR_FORMAT, export_tx_encode(&tx, &out));
	tx.truncated = false;
	tx.header.version = 0;
	tx.header.md_len = 0;
	assert_err(IM_ERR_FORMAT, export_tx_encode(&tx, &out));
	tx.header.nentries = 0;
	assert_err(IM_ERR_NO_ENTRIES, export_tx_encode(&tx, &out));
	free(value);
}

static void
test_small_buffer(void **state)
{
	struct export_tx back;
	struct buf small;
	struct arena none;

	(void)state;
	buf_init(&small, 100);
	assert_err(IM_ERR_LIMIT, export_tx_encode(&tx, &small));
	buf_free(&small);
	assert_ok(export_tx_encode(&tx, &out));
	arena_init(&none, 0);
	assert_err(IM_ERR_NOMEM, export_tx_decode(buf_bytes(&out), &none, &back));
	assert_err(IM_ERR_NOMEM, export_tx_check(&tx, &none));
}

static void
test_tampered(void **state)
{
	struct export_tx back;

	(void)state;
	assert_ok(export_tx_encode(&tx, &out));
	out.data[out.len - 4] ^= 1;
	assert_ok(export_tx_decode(buf_bytes(&out), &c.arena, &back));
	assert_err(IM_ERR_CORRUPT, export_tx_check(&back, &c.arena));
}

/* Metadata in another order is taken, and made canonical before it is hashed. */
static void
test_metadata_order(void **state)
{
	static const uint8_t backwards[] = {2, 1, 0, 0, 0, 0, 0x70, 0xdb, 0xd8, 0x80};
	struct export_tx back;

	(void)state;
	entries[1].md = bytes_of(backwards, sizeof backwards);
	assert_ok(export_tx_encode(&tx, &out));
	assert_ok(export_tx_decode(buf_bytes(&out), &c.arena, &back));
	assert_true(bytes_equal(back.entries[1].md, chain_tx(&c, 3)->entries[1].md));
	assert_ok(export_tx_check(&back, &c.arena));
}

#define export_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    export_test(test_round_trip),
	    export_test(test_missing_trailer),
	    export_test(test_cut_and_longer),
	    export_test(test_trailer),
	    export_test(test_many_entries_claimed),
	    export_test(test_limits),
	    export_test(test_small_buffer),
	    export_test(test_tampered),
	    export_test(test_metadata_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
