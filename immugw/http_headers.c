/*
 * Reading of request headers. Neighbours: rest.c and long_list.c ask; http_error.c says what is
 * refused.
 *
 * Invariants: nothing here trusts a length or a character; no error repeats a token.
 */
#include "http_headers.h"

#include <strings.h>

#define WEIGHT_ONE 1000 /* a q of 1: weights have three digits */

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct bytes
trim(struct bytes v)
{
	while (v.len > 0 && is_blank(v.data[0]))
		v = bytes_of(v.data + 1, v.len - 1);
	while (v.len > 0 && is_blank(v.data[v.len - 1]))
		v.len--;
	return v;
}

/* Takes what is in front of the first c, trimmed, and c itself. */
static struct bytes
take_part(struct bytes *v, char c)
{
	const uint8_t *end = v->len ? (const uint8_t *)memchr(v->data, c, v->len) : NULL;
	size_t n = end ? (size_t)(end - v->data) : v->len;
	struct bytes part = bytes_of(v->data, n);

	n += end != NULL;
	*v = bytes_of(v->data + n, v->len - n);
	return trim(part);
}

static bool
equals_word(struct bytes v, const char *word)
{
	return v.len == strlen(word) && strncasecmp((const char *)v.data, word, v.len) == 0;
}

static bool
has_scheme(struct bytes v, const char *scheme)
{
	size_t n = strlen(scheme);

	return v.len > n && is_blank(v.data[n]) && equals_word(bytes_of(v.data, n), scheme);
}

enum im_err
http_token_read(struct bytes value, struct bytes *token)
{
	static const char scheme[] = "Bearer";

	*token = bytes_of(NULL, 0);
	value = trim(value);
	if (value.len == 0)
		return IM_OK;
	if (has_scheme(value, scheme))
		value = trim(bytes_of(value.data + strlen(scheme), value.len - strlen(scheme)));
	if (value.len > HTTP_TOKEN_MAX || equals_word(value, scheme))
		return err_set(IM_ERR_NOT_LOGGED_IN, "Authorization holds no token");
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] <= ' ' || value.data[i] >= 0x7f)
			return err_set(IM_ERR_NOT_LOGGED_IN, "Authorization holds no token");
	*token = value;
	return IM_OK;
}

/* "0.5" in thousandths; what is no weight counts as 0, so that it asks for nothing. */
static unsigned
read_weight(struct bytes v)
{
	unsigned weight = 0, unit = WEIGHT_ONE;

	for (size_t i = 0; i < v.len; i++) {
		if (i == 1 && v.data[i] == '.')
			continue;
		if (v.data[i] < '0' || v.data[i] > '9' || unit == 0)
			return 0;
		weight += (unsigned)(v.data[i] - '0') * unit;
		unit /= 10;
	}
	return weight <= WEIGHT_ONE ? weight : 0;
}

/* The weight among the parameters of a media range; 1 when there is none. */
static unsigned
find_weight(struct bytes parameters)
{
	struct bytes part, name;

	while (parameters.len > 0) {
		part = take_part(&parameters, ';');
		name = take_part(&part, '=');
		if (equals_word(name, "q"))
			return read_weight(trim(part));
	}
	return WEIGHT_ONE;
}

bool
http_wants_lines(struct bytes accept)
{
	unsigned lines = 0, json = 0, weight;
	struct bytes range, type;

	while (accept.len > 0) {
		range = take_part(&accept, ',');
		type = take_part(&range, ';');
		weight = find_weight(range);
		if (equals_word(type, "application/json"))
			json = weight;
		if ((equals_word(type, "application/x-ndjson") ||
			equals_word(type, "application/ndjson") ||
			equals_word(type, "application/jsonl")) &&
		    weight > lines)
			lines = weight;
	}
	return lines > 0 && lines >= json;
}
