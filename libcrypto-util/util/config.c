/*
 * The flat document that the TOML and YAML readers fill. Neighbours: toml, yaml_config, options.
 *
 * Invariant: all text belongs to the arena; entries is an array of its own, because it grows.
 */
#include "util/config.h"

#include <math.h>
#include <stdlib.h>

#define CONFIG_FIRST_ENTRIES 32u
#define CONFIG_MAX_NUMBER 128u

void
config_doc_init(struct config_doc *doc)
{
	*doc = (struct config_doc){0};
	arena_init(&doc->arena, CONFIG_MAX_MEMORY);
}

void
config_doc_free(struct config_doc *doc)
{
	arena_wipe(&doc->arena);
	free(doc->entries);
	config_doc_init(doc);
}

const struct config_entry *
config_doc_find(const struct config_doc *doc, const char *key)
{
	for (size_t i = 0; i < doc->count; i++)
		if (strcmp(doc->entries[i].key, key) == 0)
			return &doc->entries[i];
	return NULL;
}

bool
config_doc_may_add(const struct config_doc *doc, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < doc->count; i++) {
		const char *other = doc->entries[i].key;
		size_t other_len = strlen(other), common = len < other_len ? len : other_len;

		if (memcmp(key, other, common) != 0)
			continue;
		if (len == other_len || (len < other_len ? other : key)[common] == '.')
			return false;
	}
	return true;
}

static unsigned
config_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a' + 10);
	if (c >= 'A' && c <= 'F')
		return (unsigned)(c - 'A' + 10);
	return 16;
}

/* Takes "0x", "0o" or "0b" off the front and returns the base. */
static unsigned
config_take_base(struct bytes *word)
{
	static const uint8_t letters[] = {'x', 'o', 'b'};
	static const unsigned bases[] = {16, 8, 2};

	for (size_t i = 0; i < 3; i++)
		if (word->len > 2 && word->data[0] == '0' && word->data[1] == letters[i]) {
			*word = bytes_of(word->data + 2, word->len - 2);
			return bases[i];
		}
	return 10;
}

enum config_number
config_read_int(struct bytes word, int64_t *out)
{
	bool negative = word.len && word.data[0] == '-', digit_before = false, overflow = false;
	uint64_t v = 0;
	unsigned base = 10;

	if (word.len && (word.data[0] == '-' || word.data[0] == '+'))
		word = bytes_of(word.data + 1, word.len - 1);
	else
		base = config_take_base(&word);
	if (word.len == 0 || (base == 10 && word.len > 1 && word.data[0] == '0'))
		return CONFIG_NOT_A_NUMBER;
	for (size_t i = 0; i < word.len; i++) {
		unsigned d = config_digit(word.data[i]);

		if (word.data[i] == '_' && digit_before && i + 1 < word.len) {
			digit_before = false;
			continue;
		}
		if (d >= base)
			return CONFIG_NOT_A_NUMBER;
		digit_before = true;
		overflow = __builtin_mul_overflow(v, base, &v) || overflow;
		overflow = __builtin_add_overflow(v, d, &v) || overflow;
	}
	if (overflow || v > (uint64_t)INT64_MAX + negative)
		return CONFIG_OUT_OF_RANGE;
	*out = (int64_t)(negative ? 0 - v : v);
	return CONFIG_NUMBER;
}

/* Moves digits, without their underscores, from in to out; how many, 0 when malformed. */
static size_t
config_take_digits(struct reader *in, char *out, size_t *len)
{
	size_t digits = 0;
	bool digit_before = false;

	while (reader_left(in)) {
		uint8_t c = in->data[in->pos];

		if (c == '_' && digit_before) {
			digit_before = false;
		} else if (c >= '0' && c <= '9') {
			digit_before = true;
			digits++;
			out[(*len)++] = (char)c;
		} else {
			break;
		}
		in->pos++;
	}
	return digit_before ? digits : 0;
}

static bool
config_take_char(struct reader *in, const char *any, char *out, size_t *len)
{
	if (!reader_left(in) || !in->data[in->pos] || !strchr(any, in->data[in->pos]))
		return false;
	out[(*len)++] = (char)in->data[in->pos++];
	return true;
}

enum config_number
config_read_float(struct bytes word, double *out)
{
	char text[CONFIG_MAX_NUMBER + 1];
	struct reader in = reader_of(word);
	size_t len = 0, first;
	bool point, exponent;

	if (word.len > CONFIG_MAX_NUMBER)
		return CONFIG_NOT_A_NUMBER;
	(void)config_take_char(&in, "+-", text, &len);
	first = len;
	if (!config_take_digits(&in, text, &len) || (text[first] == '0' && len - first > 1))
		return CONFIG_NOT_A_NUMBER;
	point = config_take_char(&in, ".", text, &len);
	if (point && !config_take_digits(&in, text, &len))
		return CONFIG_NOT_A_NUMBER;
	exponent = config_take_char(&in, "eE", text, &len);
	if (exponent) {
		(void)config_take_char(&in, "+-", text, &len);
		if (!config_take_digits(&in, text, &len))
			return CONFIG_NOT_A_NUMBER;
	}
	if (reader_left(&in) || (!point && !exponent))
		return CONFIG_NOT_A_NUMBER;
	text[len] = '\0';
	*out = strtod(text, NULL);
	return isfinite(*out) ? CONFIG_NUMBER : CONFIG_OUT_OF_RANGE;
}

struct config_entry *
config_doc_add(struct config_doc *doc)
{
	if (doc->count == CONFIG_MAX_ENTRIES) {
		(void)err_set(IM_ERR_LIMIT, "more than %u keys", CONFIG_MAX_ENTRIES);
		return NULL;
	}
	if (doc->count == doc->cap) {
		size_t cap = doc->cap ? doc->cap * 2 : CONFIG_FIRST_ENTRIES;
		struct config_entry *grown =
		    (struct config_entry *)realloc(doc->entries, cap * sizeof *grown);

		if (!grown) {
			(void)err_set(IM_ERR_NOMEM, "out of memory");
			return NULL;
		}
		doc->entries = grown;
		doc->cap = cap;
	}
	doc->entries[doc->count] = (struct config_entry){0};
	return &doc->entries[doc->count++];
}
