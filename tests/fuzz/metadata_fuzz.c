/*
 * Metadata, raw keys, raw values and headers. First byte: which. What is accepted has one canonical
 * form, which is read back as the same.
 */
#include <assert.h>

#include "crypto/header.h"
#include "crypto/rawkey.h"
#include "fuzz.h"

#define ARENA_MAX (1u << 20)

static void
check_kv_metadata(struct bytes in)
{
	uint8_t form[KV_METADATA_MAX], again[KV_METADATA_MAX];
	struct kv_metadata md, same;
	size_t len;

	if (kv_metadata_decode(in, &md) != IM_OK)
		return;
	len = kv_metadata_encode(&md, form);
	assert(len <= in.len && (len == 0) == kv_metadata_is_empty(&md));
	assert(kv_metadata_decode(bytes_of(form, len), &same) == IM_OK);
	assert(kv_metadata_encode(&same, again) == len && memcmp(form, again, len) == 0);
	assert(!kv_metadata_is_expired(&md, 0) || md.expires_at <= 0);
}

static void
check_tx_metadata(struct bytes in)
{
	uint8_t form[TX_METADATA_MAX], again[TX_METADATA_MAX];
	struct tx_metadata md, same;
	size_t len;

	if (tx_metadata_decode(in, &md) != IM_OK)
		return;
	len = tx_metadata_encode(&md, form);
	assert(len <= in.len && (len == 0) == tx_metadata_is_empty(&md));
	assert(tx_metadata_decode(bytes_of(form, len), &same) == IM_OK);
	assert(tx_metadata_encode(&same, again) == len && memcmp(form, again, len) == 0);
}

static void
check_header(struct bytes in)
{
	uint8_t form[TX_HEADER_MAX], again[TX_HEADER_MAX];
	struct tx_header h, same;
	struct hash alh, alh_same;
	size_t len, len_same;

	if (tx_header_decode(in, &h) != IM_OK)
		return;
	assert(tx_header_check(&h) == IM_OK);
	assert(tx_header_encode(&h, form, &len) == IM_OK && len <= in.len);
	assert(tx_header_decode(bytes_of(form, len), &same) == IM_OK);
	assert(tx_header_encode(&same, again, &len_same) == IM_OK);
	assert(len == len_same && memcmp(form, again, len) == 0);
	tx_header_alh(&h, &alh);
	tx_header_alh(&same, &alh_same);
	assert(hash_equal(&alh, &alh_same));
}

/* The order form of any key at all can be undone. */
static void
check_index_form(struct bytes raw)
{
	uint8_t key[RAW_KEY_MAX];

	memcpy(key, raw.data, raw.len);
	raw_key_to_index(key, raw.len);
	raw_key_from_index(key, raw.len);
	assert(memcmp(key, raw.data, raw.len) == 0);
}

static void
check_raw_key(struct bytes in)
{
	struct bytes again = {NULL, 0};
	struct raw_key key;
	struct arena a;
	enum im_err err = IM_OK;

	if (in.len > 0 && in.len <= RAW_KEY_MAX)
		check_index_form(in);
	if (raw_key_parse(in, &key) != IM_OK)
		return;
	arena_init(&a, ARENA_MAX);
	if (key.kind == RAW_KEY_PLAIN)
		err = raw_key_make(&a, key.key, &again);
	else if (key.kind == RAW_KEY_ZADD)
		err = raw_key_make_zadd(
		    &a, &(struct zset_member){key.set, key.score, key.key, key.at_tx}, &again);
	else
		again = in;
	assert(err == IM_OK && bytes_equal(again, in));
	arena_free(&a);
}

static void
check_raw_value(struct bytes in)
{
	struct raw_value value;
	struct bytes again;
	struct arena a;
	enum im_err err;

	if (raw_value_parse(in, &value) != IM_OK)
		return;
	arena_init(&a, 2 * ARENA_MAX);
	if (value.kind == RAW_VALUE_PLAIN)
		err = raw_value_make(&a, value.value, &again);
	else
		err = raw_value_make_reference(&a, value.target, value.at_tx, &again);
	assert(err == IM_OK && bytes_equal(again, in));
	arena_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);

	switch (fuzz_number(&in, 1)) {
	case 0:
		check_kv_metadata(in);
		break;
	case 1:
		check_tx_metadata(in);
		break;
	case 2:
		check_header(in);
		break;
	case 3:
		check_raw_key(in);
		break;
	default:
		check_raw_value(in);
		break;
	}
	return 0;
}
