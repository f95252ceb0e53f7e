/* Entry digests: one by one and in batches, limits, what version 0 cannot say. */
#include "crypto/entry.h"

#include "crypto/metadata.h"
#include "crypto/rawkey.h"
#include "testing.h"

#define ENTRIES 21

static void
test_formula(void **state)
{
	static const uint8_t v1[] = {0, 1, 0x02, 0, 2, 0, 'k'};
	static const uint8_t md[] = {0x02};
	struct entry_parts e = {.key = bytes_of("\0k", 2)};
	struct hash want, got;
	struct bytes parts[2];

	(void)state;
	hash_sha256(bytes_str("value"), &e.hval);
	parts[1] = hash_bytes(&e.hval);
	parts[0] = e.key;
	hash_parts(parts, 2, &want);
	assert_ok(entry_digest(0, &e, &got));
	assert_hash(&want, &got);
	e.md = bytes_of(md, sizeof md);
	parts[0] = bytes_of(v1, sizeof v1);
	hash_parts(parts, 2, &want);
	assert_ok(entry_digest(1, &e, &got));
	assert_hash(&want, &got);
}

static void
test_batch(void **state)
{
	static uint8_t keys[ENTRIES][RAW_KEY_MAX];
	struct entry_parts entries[ENTRIES] = {0};
	struct hash batch[ENTRIES], single;
	uint64_t seed = 5;

	(void)state;
	random_fill(&seed, keys, sizeof keys);
	for (size_t i = 0; i < ENTRIES; i++) {
		entries[i].key = bytes_of(keys[i], i == 3 ? RAW_KEY_MAX : 1 + i * 7);
		random_fill(&seed, entries[i].hval.b, HASH_SIZE);
		entries[i].md = bytes_of(keys[i], i % (KV_METADATA_MAX + 1));
	}
	for (size_t n = 0; n <= ENTRIES; n++) {
		assert_ok(entry_digests(1, entries, n, batch));
		for (size_t i = 0; i < n; i++) {
			assert_ok(entry_digest(1, &entries[i], &single));
			assert_hash(&single, &batch[i]);
		}
	}
	assert_err(IM_ERR_METADATA_UNSUPPORTED, entry_digests(0, entries, ENTRIES, batch));
	entries[ENTRIES - 1].key.len = RAW_KEY_MAX + 1;
	assert_err(IM_ERR_KEY_LENGTH, entry_digests(1, entries, ENTRIES, batch));
}

static void
test_refused(void **state)
{
	static const uint8_t md[KV_METADATA_MAX + 1] = {0};
	struct entry_parts e = {.key = bytes_str("k")};
	struct hash h;

	(void)state;
	assert_err(IM_ERR_FORMAT, entry_digest(2, &e, &h));
	e.md = bytes_of(md, sizeof md);
	assert_err(IM_ERR_FORMAT, entry_digest(1, &e, &h));
	e.md.len = 1;
	assert_ok(entry_digest(1, &e, &h));
	assert_err(IM_ERR_METADATA_UNSUPPORTED, entry_digest(0, &e, &h));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_formula),
	    cmocka_unit_test(test_batch),
	    cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
