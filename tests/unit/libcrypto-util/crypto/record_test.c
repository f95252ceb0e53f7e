/*
 * The records of the log: made, read back, and refused when a covered byte is changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "crypto/record.h"
#include "util/crc32c.h"

#define SALT 0x12345678u
#define ENTRIES 3u

struct sample {
	uint8_t bytes[32 * 1024];
	size_t len;
	struct record_tx head;
};

static const size_t value_lens[ENTRIES] = {5, RECORD_INLINE_MAX + 1, 0};

/* A record of three entries: an inline value, a long one, an empty one. */
static void
sample_make(struct sample *x)
{
	uint8_t *section = x->bytes + RECORD_TX_FIXED + 4;
	uint32_t at = 0, crc = 0, section_len = 0, values = 0;
	uint8_t head[RECORD_HEAD_MAX];

	for (size_t i = 0; i < ENTRIES; i++)
		section_len += (uint32_t)record_entry_size(3, i ? 1 : 0, value_lens[i]);
	for (size_t i = 0; i < ENTRIES; i++) {
		struct record_entry e = {bytes_str("key"), bytes_of("\0", i ? 1 : 0),
		    {{(uint8_t)i}}, (uint32_t)value_lens[i], 0, at, 0};
		size_t covered = RECORD_ENTRY_FIXED + e.key.len + e.metadata.len;
		bool is_inline = value_lens[i] <= RECORD_INLINE_MAX;

		e.value_offset = is_inline ? (uint32_t)covered : section_len + values - at;
		record_entry_put(section + at, &e);
		crc = crc32c(crc, section + at, covered);
		memset(section + (is_inline ? at + covered : section_len + values), 'v',
		    value_lens[i]);
		values += is_inline ? 0 : (uint32_t)value_lens[i];
		at += (uint32_t)record_entry_size(3, e.metadata.len, value_lens[i]);
	}
	x->head = (struct record_tx){.length = RECORD_TX_FIXED + 4 + section_len + values,
	    .entries_len = section_len,
	    .entries_crc = crc,
	    .header = {.id = 7,
		.ts = -5,
		.version = 1,
		.md_len = 4,
		.md = "meta",
		.nentries = ENTRIES,
		.bl_tx_id = 6}};
	x->head.head_len = (uint32_t)record_tx_put(head, &x->head, SALT);
	memcpy(x->bytes, head, x->head.head_len);
	x->len = x->head.length;
}

static enum im_err
sample_read(const uint8_t *p, size_t len, struct record_tx *tx, struct record_entry *entries)
{
	enum im_err err = record_tx_get(bytes_of(p, len), SALT, tx);

	if (err != IM_OK)
		return err;
	return record_entries_get(tx, bytes_of(p + tx->head_len, tx->entries_len), entries);
}

static void
test_round_trip(void **state)
{
	struct sample *x = (struct sample *)calloc(1, sizeof *x);
	struct record_entry entries[ENTRIES];
	struct record_prefix prefix;
	struct record_tx tx;

	(void)state;
	assert_non_null(x);
	sample_make(x);
	assert_int_equal(record_prefix_get(x->bytes, &prefix), IM_OK);
	assert_int_equal(prefix.kind, RECORD_TX);
	assert_int_equal(prefix.length, x->len);
	assert_int_equal(sample_read(x->bytes, x->len, &tx, entries), IM_OK);
	assert_int_equal(tx.header.id, 7);
	assert_int_equal(tx.header.ts, -5);
	assert_int_equal(tx.header.bl_tx_id, 6);
	assert_memory_equal(tx.header.md, "meta", 4);
	for (size_t i = 0; i < ENTRIES; i++) {
		const uint8_t *entry = x->bytes + tx.head_len + entries[i].offset;

		assert_true(bytes_equal(entries[i].key, bytes_str("key")));
		assert_int_equal(entries[i].value_len, value_lens[i]);
		assert_int_equal(entries[i].hval.b[0], i);
		for (size_t k = 0; k < value_lens[i]; k++)
			assert_int_equal(entry[entries[i].value_offset + k], 'v');
	}
	free(x);
}

/* Every single bit: refused, unless it belongs to a value. */
static void
test_flipped_bits(void **state)
{
	struct sample *x = (struct sample *)calloc(1, sizeof *x);
	struct record_entry entries[ENTRIES];
	struct record_tx tx;

	(void)state;
	assert_non_null(x);
	sample_make(x);
	for (size_t i = 0; i < x->head.head_len + x->head.entries_len; i++) {
		bool is_value = i >= x->head.head_len && x->bytes[i] == 'v';

		for (int bit = 0; bit < 8; bit++) {
			enum im_err err;

			x->bytes[i] ^= (uint8_t)(1 << bit);
			err = sample_read(x->bytes, x->len, &tx, entries);
			assert_int_equal(err, is_value ? IM_OK : IM_ERR_CORRUPT);
			x->bytes[i] ^= (uint8_t)(1 << bit);
		}
	}
	free(x);
}

static void
test_cut_short(void **state)
{
	struct sample *x = (struct sample *)calloc(1, sizeof *x);
	struct record_entry entries[ENTRIES];
	struct record_tx tx;

	(void)state;
	assert_non_null(x);
	sample_make(x);
	for (size_t n = 0; n < x->head.head_len; n++)
		assert_int_equal(record_tx_get(bytes_of(x->bytes, n), SALT, &tx), IM_ERR_CORRUPT);
	assert_int_equal(record_tx_get(bytes_of(x->bytes, x->len), SALT + 1, &tx), IM_ERR_CORRUPT);
	assert_int_equal(record_tx_get(bytes_of(x->bytes, x->len), SALT, &tx), IM_OK);
	assert_int_equal(
	    record_entries_get(&tx, bytes_of(x->bytes + tx.head_len, tx.entries_len - 1), entries),
	    IM_ERR_CORRUPT);
	free(x);
}

/*
 * Metadata that no reader could take apart is refused here, before the index or an answer sees it.
 */
static void
test_bad_metadata(void **state)
{
	static const struct {
		const char *md;
		size_t len;
		enum im_err expected;
	} cases[] = {{"\2", 1, IM_OK}, {"\62", 1, IM_ERR_CORRUPT}, {"\1\0\0", 3, IM_ERR_CORRUPT}};
	uint8_t out[RECORD_ENTRY_FIXED + 8];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct record_entry e = {.key = bytes_str("key"),
		    .metadata = bytes_of(cases[i].md, cases[i].len),
		    .value_offset = (uint32_t)(RECORD_ENTRY_FIXED + 3 + cases[i].len)};
		size_t len = record_entry_put(out, &e);

		assert_int_equal(record_entry_get(bytes_of(out, len), &e), cases[i].expected);
	}
}

/* A single entry is read without the checksum of its section: every length must be checked. */
static void
test_entry_alone(void **state)
{
	struct sample *x = (struct sample *)calloc(1, sizeof *x);
	struct record_entry e;
	uint8_t *section;

	(void)state;
	assert_non_null(x);
	sample_make(x);
	section = x->bytes + x->head.head_len;
	assert_int_equal(record_entry_get(bytes_of(section, x->head.entries_len), &e), IM_OK);
	for (size_t n = 0; n < e.len; n++)
		assert_int_equal(record_entry_get(bytes_of(section, n), &e), IM_ERR_CORRUPT);
	for (size_t i = 0; i < 12; i++) {
		uint8_t was = section[i];

		/* Whatever a length says, nothing is read out of bounds; the sanitizers watch. */
		for (int v = 0; v < 256; v++) {
			section[i] = (uint8_t)v;
			if (record_entry_get(bytes_of(section, x->head.entries_len), &e) == IM_OK)
				assert_true(e.len <= x->head.entries_len);
		}
		section[i] = was;
	}
	free(x);
}

static void
test_mark_and_seal(void **state)
{
	struct record_mark m = {9, 0x100001000, {{1, 2, 3}}}, out;
	uint8_t mark[RECORD_MARK_SIZE], seal[RECORD_SEAL_SIZE];
	uint32_t next;

	(void)state;
	record_mark_put(mark, &m, SALT);
	assert_int_equal(record_mark_get(mark, SALT, &out), IM_OK);
	assert_int_equal(out.tx, m.tx);
	assert_int_equal(out.pos, m.pos);
	assert_true(hash_equal(&out.alh, &m.alh));
	record_seal_put(seal, 3, SALT);
	assert_int_equal(record_seal_get(seal, SALT, &next), IM_OK);
	assert_int_equal(next, 3);
	for (size_t i = 0; i < 8 * sizeof mark; i++) {
		mark[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(record_mark_get(mark, SALT, &out), IM_ERR_CORRUPT);
		mark[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t i = 0; i < 8 * sizeof seal; i++) {
		seal[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(record_seal_get(seal, SALT, &next), IM_ERR_CORRUPT);
		seal[i / 8] ^= (uint8_t)(1 << i % 8);
	}
}

static void
test_prefix(void **state)
{
	uint8_t p[RECORD_PREFIX_SIZE] = {0};
	struct record_prefix prefix;

	(void)state;
	assert_int_equal(record_prefix_get(p, &prefix), IM_OK);
	assert_int_equal(prefix.kind, RECORD_END);
	p[8] = RECORD_SEAL;
	assert_int_equal(record_prefix_get(p, &prefix), IM_ERR_CORRUPT);
	be32_put(p, RECORD_SEAL_SIZE);
	assert_int_equal(record_prefix_get(p, &prefix), IM_OK);
	p[8] = 0;
	assert_int_equal(record_prefix_get(p, &prefix), IM_ERR_CORRUPT);
	p[8] = 77;
	assert_int_equal(record_prefix_get(p, &prefix), IM_ERR_CORRUPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_flipped_bits),
	    cmocka_unit_test(test_cut_short),
	    cmocka_unit_test(test_bad_metadata),
	    cmocka_unit_test(test_entry_alone),
	    cmocka_unit_test(test_mark_and_seal),
	    cmocka_unit_test(test_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
