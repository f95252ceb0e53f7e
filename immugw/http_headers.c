/*
 * Reading of request headers. Neighbours: whoever serves a request asks here; http_error.c says what is
 * refused.
 *
 * Invariants: nothing here trusts a length or a character; no error repeats a token; an origin is allowed
 * by being in the list as it is, never by looking alike.
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

static bool
is_name_char(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool
http_origin_allowed(const char *allowed, struct bytes origin)
{
	struct bytes list = trim(bytes_str(allowed)), part;

	if (origin.len == 0)
		return false;
	if (bytes_equal(list, bytes_str("*")))
		return true;
	while (list.len > 0) {
		part = take_part(&list, ',');
		if (part.len > 0 && bytes_equal(part, origin))
			return true;
	}
	return false;
}

static bool
is_port(struct bytes v)
{
	if (v.len == 0)
		return true;
	for (size_t i = 1; i < v.len; i++)
		if (v.data[i] < '0' || v.data[i] > '9')
			return false;
	return v.len > 1 && v.data[0] == ':';
}

static bool
is_made_of(struct bytes v, const char *signs)
{
	for (size_t i = 0; i < v.len; i++)
		if (!is_name_char(v.data[i]) && (v.data[i] == '\0' || !strchr(signs, v.data[i])))
			return false;
	return v.len > 0;
}

bool
http_request_id_valid(struct bytes id)
{
	return id.len <= HTTP_REQUEST_ID_MAX && is_made_of(id, "-_.:+=@/");
}

/* A host name or an address of version 4 or, in brackets, 6; with or without a port. */
static bool
is_host(struct bytes v)
{
	bool in_brackets = v.len > 0 && v.data[0] == '[';
	const uint8_t *end =
	    v.len ? (const uint8_t *)memchr(v.data, in_brackets ? ']' : ':', v.len) : NULL;
	size_t n = end ? (size_t)(end - v.data) : v.len;

	if (!in_brackets)
		return is_made_of(bytes_of(v.data, n), "-.") &&
		    is_port(bytes_of(v.data + n, v.len - n));
	return end && is_made_of(bytes_of(v.data + 1, n - 1), ":.") &&
	    is_port(bytes_of(end + 1, v.len - n - 1));
}

static bool
is_origin(struct bytes v)
{
	static const char *const schemes[] = {"https://", "http://"};

	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		struct bytes scheme = bytes_str(schemes[i]);

		if (bytes_has_prefix(v, scheme))
			return is_host(bytes_of(v.data + scheme.len, v.len - scheme.len));
	}
	return false;
}

enum im_err
http_origins_check(const char *allowed)
{
	struct bytes list = trim(bytes_str(allowed)), part;

	if (bytes_equal(list, bytes_str("*")))
		return IM_OK;
	while (list.len > 0) {
		part = take_part(&list, ',');
		if (!is_origin(part))
			return err_set(IM_ERR_CONFIG,
			    "\"%.*s\" is no origin, such as https://app.example:8443",
			    (int)part.len, (const char *)part.data);
	}
	return IM_OK;
}
