/*
 * Configuration files and small values in them. First byte: 0 TOML, 1 YAML, 2 a duration, 3 a size,
 * 4 and 5 base64, else hexadecimal digits. What can be read is written and read back as the same.
 */
#include <assert.h>
#include <stdlib.h>

#include "fuzz.h"
#include "util/base64.h"
#include "util/duration.h"
#include "util/hex.h"
#include "util/size.h"
#include "util/toml.h"
#include "util/yaml_config.h"

static void
check_entry(const struct config_doc *doc, const struct config_entry *e)
{
	assert(strlen(e->key) > 0 && strlen(e->key) <= CONFIG_MAX_KEY);
	assert(config_doc_find(doc, e->key) == e);
	assert(e->line > 0 && e->column > 0);
	if (e->type != CONFIG_ARRAY)
		assert(e->text && strlen(e->text) <= CONFIG_MAX_BYTES);
	for (size_t i = 0; e->type == CONFIG_ARRAY && i < e->item_count; i++)
		assert(e->items[i] && strlen(e->items[i]) <= CONFIG_MAX_BYTES);
}

static void
check_document(struct bytes text, enum im_err (*parse)(struct bytes, struct config_doc *))
{
	struct config_doc doc;
	enum im_err err;

	config_doc_init(&doc);
	err = parse(text, &doc);
	assert(err == IM_OK || err == IM_ERR_CONFIG || err == IM_ERR_LIMIT);
	assert(doc.count <= CONFIG_MAX_ENTRIES);
	for (size_t i = 0; err == IM_OK && i < doc.count; i++)
		check_entry(&doc, &doc.entries[i]);
	config_doc_free(&doc);
}

static void
check_duration(struct bytes text)
{
	char again[DURATION_TEXT_SIZE];
	int64_t ns, same;

	if (duration_parse(text, &ns) != IM_OK)
		return;
	duration_format(ns, again);
	assert(ns >= 0 && duration_parse(bytes_str(again), &same) == IM_OK && same == ns);
}

static void
check_size(struct bytes text)
{
	char again[SIZE_TEXT_SIZE];
	uint64_t n, same;

	if (size_parse(text, &n) != IM_OK)
		return;
	size_format_short(n, again);
	size_format_exact(n, again);
	assert(size_parse(bytes_str(again), &same) == IM_OK && same == n);
}

static void
check_base64(enum base64_kind kind, struct bytes text)
{
	struct buf decoded, again;

	buf_init(&decoded, CONFIG_MAX_BYTES);
	buf_init(&again, 2 * CONFIG_MAX_BYTES);
	if (base64_decode(kind, text, &decoded) == IM_OK) {
		base64_append(&again, kind, buf_bytes(&decoded));
		assert(bytes_equal(buf_bytes(&again), text));
	}
	buf_free(&again);
	buf_free(&decoded);
}

static void
check_hex(struct bytes text)
{
	size_t size = text.len / 2;
	uint8_t *out = malloc(size + 1), *same = malloc(size + 1);
	struct buf again;

	assert(out && same);
	buf_init(&again, CONFIG_MAX_BYTES);
	if (hex_decode(text, out, size) == IM_OK) {
		hex_append(&again, bytes_of(out, size));
		assert(again.len == text.len);
		assert(hex_decode(buf_bytes(&again), same, size) == IM_OK);
		assert(memcmp(out, same, size) == 0);
	}
	buf_free(&again);
	free(same);
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);

	switch (fuzz_number(&in, 1)) {
	case 0:
		check_document(in, toml_parse);
		break;
	case 1:
		check_document(in, yaml_config_parse);
		break;
	case 2:
		check_duration(in);
		break;
	case 3:
		check_size(in);
		break;
	case 4:
		check_base64(BASE64_STD, in);
		break;
	case 5:
		check_base64(BASE64_URL, in);
		break;
	default:
		check_hex(in);
		break;
	}
	return 0;
}
