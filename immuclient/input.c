/*
 * Arguments as bytes and numbers. Neighbours: the commands, util/file.h.
 *
 * Invariant: what is not refused is exactly what was meant: no argument is cut, trimmed or read as
 * another one.
 */
#include "input.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/base64.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/hex.h"

/* Room for the longest value in base64, and what a buffer rounds up to. */
#define INPUT_TEXT_MAX (2 * (size_t)INPUT_VALUE_MAX)

static enum im_err
keep(struct session *s, struct bytes v, struct immu_bytes *out)
{
	struct bytes copy = arena_copy(&s->memory, v);

	if (v.len && !copy.data)
		return IM_ERR_NOMEM;
	*out = (struct immu_bytes){copy.data, copy.len};
	return IM_OK;
}

static enum im_err
decode_hex(struct session *s, struct bytes text, struct immu_bytes *out)
{
	uint8_t *to = (uint8_t *)arena_alloc(&s->memory, text.len / 2 + 1);

	if (!to)
		return IM_ERR_NOMEM;
	if (hex_decode(text, to, text.len / 2) != IM_OK)
		return err_set(IM_ERR_USAGE, "not in hex, though --hex was given: %.*s",
		    (int)(text.len < 80 ? text.len : 80), (const char *)text.data);
	*out = (struct immu_bytes){to, text.len / 2};
	return IM_OK;
}

static enum im_err
decode_base64(struct session *s, struct bytes text, struct immu_bytes *out)
{
	struct buf decoded;
	enum im_err err;

	buf_init(&decoded, INPUT_TEXT_MAX);
	err = base64_decode(BASE64_STD, text, &decoded);
	if (err == IM_ERR_FORMAT)
		err = err_set(IM_ERR_USAGE, "not in base64, though --base64 was given: %.*s",
		    (int)(text.len < 80 ? text.len : 80), (const char *)text.data);
	if (!err)
		err = keep(s, buf_bytes(&decoded), out);
	buf_free(&decoded);
	return err;
}

enum im_err
input_key(struct session *s, const char *text, struct immu_bytes *out)
{
	struct bytes typed = bytes_str(text);

	if (options_bool(s->options, "hex"))
		return decode_hex(s, typed, out);
	if (options_bool(s->options, "base64"))
		return decode_base64(s, typed, out);
	*out = immu_str(text);
	return IM_OK;
}

/* The content of a file, or of the standard input when path is NULL. */
static enum im_err
read_whole(struct session *s, const char *path, struct immu_bytes *out)
{
	const char *name = path ? path : "standard input";
	struct buf content;
	enum im_err err;

	buf_init(&content, INPUT_TEXT_MAX);
	err = path ? file_read(path, INPUT_VALUE_MAX, &content)
		   : file_read_open(STDIN_FILENO, name, INPUT_VALUE_MAX, &content);
	if (err == IM_ERR_LIMIT)
		err = err_set(IM_ERR_VALUE_LENGTH, "%s: longer than %u bytes, the longest value",
		    name, INPUT_VALUE_MAX);
	if (!err)
		err = keep(s, buf_bytes(&content), out);
	buf_free(&content);
	return err;
}

enum im_err
input_line(struct session *s, struct immu_bytes *out)
{
	const void *end;
	enum im_err err;

	if (s->link->is_shell || isatty(STDIN_FILENO))
		return err_set(IM_ERR_USAGE, "the referenced key is missing");
	err = read_whole(s, NULL, out);
	end = !err && out->len ? memchr(out->data, '\n', out->len) : NULL;
	if (end)
		out->len = (size_t)((const char *)end - (const char *)out->data);
	return err;
}

/* "@@TEXT" */
static bool
is_escaped(const struct session *s, const char *text)
{
	return text[0] == '@' && text[1] == '@' && !options_bool(s->options, "literal");
}

bool
input_is_file(const struct session *s, const char *text)
{
	return text[0] == '@' && text[1] != '@' && !options_bool(s->options, "literal");
}

enum im_err
input_value(struct session *s, const char *text, struct immu_bytes *out)
{
	bool from_stdin = strcmp(text, "@-") == 0;

	if (!input_is_file(s, text))
		return input_key(s, is_escaped(s, text) ? text + 1 : text, out);
	if (from_stdin && s->link->is_shell)
		return err_set(IM_ERR_USAGE, "the input of a shell is its commands, not a value");
	return read_whole(s, from_stdin ? NULL : text + 1, out);
}

/* "2030-01-31T12:00:00Z", or Unix seconds. */
static enum im_err
parse_time(const char *text, int64_t *out)
{
	char *end;

	if (clock_parse_s(text, out))
		return IM_OK;
	errno = 0;
	*out = strtoll(text, &end, 10);
	if (errno || *end || end == text || *out <= 0)
		return err_set(IM_ERR_USAGE,
		    "--expires-at: \"%s\" is neither a time such as 2030-01-31T12:00:00Z nor Unix "
		    "seconds",
		    text);
	return IM_OK;
}

static enum im_err
read_metadata(const struct options *o, struct immu_metadata *md)
{
	const char *at = options_string(o, "expires-at");
	int64_t after_ms = options_duration_ms(o, "expires-in");

	md->non_indexable = options_bool(o, "non-indexable");
	md->expires = *at || after_ms > 0;
	if (*at && after_ms > 0)
		return err_set(IM_ERR_USAGE, "--expires-at and --expires-in exclude each other");
	if (after_ms > 0)
		md->expires_at = clock_wall_s() + (after_ms + 999) / 1000;
	return *at ? parse_time(at, &md->expires_at) : IM_OK;
}

enum im_err
input_terms(struct session *s, struct immu_bytes key, struct input_terms *out)
{
	uint64_t after = (uint64_t)options_int(s->options, "if-not-modified-after");

	*out = (struct input_terms){0};
	if (options_bool(s->options, "if-exists"))
		out->conditions[out->conditions_len++] =
		    (struct immu_precondition){IMMU_KEY_MUST_EXIST, key, 0};
	if (options_bool(s->options, "if-not-exists"))
		out->conditions[out->conditions_len++] =
		    (struct immu_precondition){IMMU_KEY_MUST_NOT_EXIST, key, 0};
	if (after > 0)
		out->conditions[out->conditions_len++] =
		    (struct immu_precondition){IMMU_KEY_NOT_MODIFIED_AFTER, key, after};
	return read_metadata(s->options, &out->metadata);
}

enum im_err
input_tx(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	if (errno || *end || text[0] < '0' || text[0] > '9')
		return err_set(IM_ERR_USAGE, "\"%s\" is not a valid id number", text);
	if (*out == 0)
		return err_set(IM_ERR_USAGE, "tx id cannot be 0 (should be bigger than 0)");
	return IM_OK;
}

enum im_err
input_score(const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	if (end == text || *end || !isfinite(*out) || text[0] == ' ')
		return err_set(IM_ERR_USAGE, "\"%s\" is not a valid score", text);
	return IM_OK;
}
