/*
 * Blocks of a run: encoding and decoding, and decoding of what no encoder made.
 */
#include "store/run_block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "store/index_key.h"
#include "util/crc32c.h"

#define OFFSET 123456u

static const struct run_base base = {100, 1000, 5000};

/*
 * Entry number i of a sequence in the order of the index, with every optional field now and then.
 */
static struct index_entry
entry_make(unsigned i, uint8_t key[INDEX_KEY_MAX])
{
	size_t len = i % 10 == 9 ? INDEX_KEY_MAX : 20;
	struct index_entry e = {.key = bytes_of(key, len),
	    .tx = i % 4 == 0 ? base.last_tx : base.first_tx,
	    .pos = i % 5 == 0 ? UINT64_MAX : base.pos + i,
	    .len = i % 3 == 0 ? UINT32_MAX : i,
	    .flags = (uint8_t)(i % 7 == 0 ? 0xff : 0),
	    .revision = i % 6 == 0 ? UINT64_MAX : 1};

	memset(key, 'k', INDEX_KEY_MAX);
	snprintf((char *)key, 20, "%08u", i);
	if (e.flags & INDEX_EXPIRES)
		e.expires_at = i % 2 ? INT64_MIN : INT64_MAX;
	return e;
}

/* Fills a block; returns how many entries it has. */
static unsigned
block_fill(struct run_block_builder *b, struct bytes *data)
{
	uint8_t key[INDEX_KEY_MAX];
	unsigned n = 0;

	memset(b, 0, sizeof *b);
	b->base = base;
	while (!run_block_full(b)) {
		struct index_entry e = entry_make(n++, key);

		run_block_add(
		    b, &e, index_key_shared(bytes_of(b->last_key, b->last_key_len), e.key));
	}
	*data = run_block_end(b, OFFSET);
	return n;
}

/* Decodes everything; false as soon as something is malformed. */
static bool
decode_all(const struct run_block *block, unsigned *n, bool compare)
{
	static struct run_group g;

	*n = 0;
	for (unsigned group = 0; group < block->groups; group++) {
		if (!run_group_begin(&g, block, group))
			return false;
		while (run_group_more(&g)) {
			const struct index_entry *got = &g.entries[g.count];
			uint8_t key[INDEX_KEY_MAX];
			struct index_entry want;

			if (!run_group_decode(&g, &base))
				return false;
			assert_in_range(got->key.len, 1, INDEX_KEY_MAX);
			assert_in_range(got->tx, base.first_tx, base.last_tx);
			assert_true(got->pos >= base.pos);
			if (!compare)
				continue;
			want = entry_make((*n)++, key);
			assert_true(bytes_equal(got->key, want.key));
			assert_true(got->tx == want.tx && got->pos == want.pos);
			assert_true(got->len == want.len && got->flags == want.flags);
			assert_true(got->expires_at == want.expires_at);
			assert_true(got->revision == want.revision);
		}
	}
	return true;
}

static void
comes_back(void **state)
{
	static struct run_block_builder b;
	struct run_block block;
	struct bytes data;
	unsigned n = block_fill(&b, &data), decoded;

	(void)state;
	assert_true(data.len <= RUN_BLOCK_MAX);
	assert_true(run_block_open(&block, data, OFFSET));
	assert_true(decode_all(&block, &decoded, true));
	assert_int_equal(decoded, n);
}

static void
stays_within_its_bounds(void **state)
{
	static struct run_block_builder b;
	static const size_t key_lens[] = {1, 255, 300, 700, INDEX_KEY_MAX};
	uint8_t key[INDEX_KEY_MAX] = {0};

	(void)state;
	memset(&b, 0, sizeof b);
	b.base = base;
	/*
	 * Versions of one key are the smallest entries, and its length decides how many make a
	 * group.
	 */
	for (size_t i = 0; i < sizeof key_lens / sizeof *key_lens; i++) {
		struct index_entry e = {.key = bytes_of(key, key_lens[i]),
		    .tx = base.first_tx,
		    .pos = base.pos,
		    .revision = 1};

		while (!run_block_full(&b))
			run_block_add(
			    &b, &e, index_key_shared(bytes_of(b.last_key, b.last_key_len), e.key));
		assert_true(run_block_end(&b, OFFSET).len <= RUN_BLOCK_MAX);
	}
}

static void
damage_is_found(void **state)
{
	static struct run_block_builder b;
	static uint8_t copy[RUN_BLOCK_MAX];
	struct run_block block;
	struct bytes data;

	(void)state;
	block_fill(&b, &data);
	assert_false(run_block_open(&block, data, OFFSET + 1));
	memcpy(copy, data.data, data.len);
	for (size_t i = 0; i < data.len; i++) {
		copy[i] ^= (uint8_t)(1u << i % 8);
		assert_false(run_block_open(&block, bytes_of(copy, data.len), OFFSET));
		copy[i] ^= (uint8_t)(1u << i % 8);
		assert_false(run_block_open(&block, bytes_of(copy, i), OFFSET));
	}
}

static void
malformed_blocks_are_harmless(void **state)
{
	static struct run_block_builder b;
	struct run_block block;
	uint64_t random = 1;
	struct bytes data;
	unsigned n, refused = 0;

	(void)state;
	block_fill(&b, &data);
	/*
	 * With a right checksum, as if a broken program had written it; exactly as long as its
	 * bytes.
	 */
	for (unsigned round = 0; round < 4000; round++) {
		uint8_t *copy = (uint8_t *)test_malloc(data.len);

		memcpy(copy, data.data, data.len);
		for (unsigned i = 0; i <= round % 4; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			/* Every other time among the offsets at the end. */
			copy[round % 2 ? random % (data.len - 4) : data.len - 5 - random % 40] =
			    (uint8_t)(random >> 40);
		}
		be32_put(copy + data.len - 4, crc32c(OFFSET, copy, data.len - 4));
		if (!run_block_open(&block, bytes_of(copy, data.len), OFFSET) ||
		    !decode_all(&block, &n, false))
			refused++;
		test_free(copy);
	}
	assert_true(refused > 400);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(comes_back),
	    cmocka_unit_test(stays_within_its_bounds),
	    cmocka_unit_test(damage_is_found),
	    cmocka_unit_test(malformed_blocks_are_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
