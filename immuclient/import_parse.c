/*
 * Rows of tsv, csv and jsonl input for "immuclient import" (import.c).
 *
 * Invariants: input.data[pos] is the first byte of a row, `line` is its line number, and nothing in
 * [pos, scanned) ends that row. A row is cut out whole before it is decoded, so that a malformed
 * row never affects where the next one starts, except that an unclosed quote ends with its line.
 */
#include "import_parse.h"

#include <stdio.h>

#include <json-c/json.h>

#include "util/base64.h"
#include "util/clock.h"

/* Input kept at most: one row that is not complete and one block of input. */
#define INPUT_MAX (IMPORT_ROW_MAX + (4u << 20))
/* Objects hold strings only; anything nested is refused. */
#define JSON_DEPTH_MAX 3

void
import_parser_init(struct import_parser *p, enum import_format format)
{
	*p = (struct import_parser){.format = format, .line = 1};
	buf_init(&p->input, INPUT_MAX);
	buf_init(&p->key, IMPORT_ROW_MAX);
	buf_init(&p->value, IMPORT_ROW_MAX);
}

void
import_parser_free(struct import_parser *p)
{
	buf_free(&p->input);
	buf_free(&p->key);
	buf_free(&p->value);
}

enum im_err
import_parser_feed(struct import_parser *p, struct bytes input)
{
	if (p->pos > 0) {
		memmove(p->input.data, p->input.data + p->pos, p->input.len - p->pos);
		p->input.len -= p->pos;
		p->scanned -= p->pos;
		p->pos = 0;
	}
	return buf_append_bytes(&p->input, input) ? IM_OK : p->input.err;
}

void
import_parser_finish(struct import_parser *p)
{
	p->finished = true;
}

static enum import_csv_state
csv_state_after(enum import_csv_state state, uint8_t c)
{
	switch (state) {
	case IMPORT_CSV_START:
		return c == '"' ? IMPORT_CSV_QUOTED
		    : c == ','  ? IMPORT_CSV_START
				: IMPORT_CSV_PLAIN;
	case IMPORT_CSV_PLAIN:
		return c == ',' ? IMPORT_CSV_START : IMPORT_CSV_PLAIN;
	case IMPORT_CSV_QUOTED:
		return c == '"' ? IMPORT_CSV_QUOTE_SEEN : IMPORT_CSV_QUOTED;
	case IMPORT_CSV_QUOTE_SEEN:
		break;
	}
	return c == '"' ? IMPORT_CSV_QUOTED : c == ',' ? IMPORT_CSV_START : IMPORT_CSV_PLAIN;
}

/* The end of the row at pos, past its line end; 0 when it is not there yet. */
static size_t
find_row_end(struct import_parser *p)
{
	const uint8_t *data = p->input.data;

	for (; p->scanned < p->input.len; p->scanned++) {
		uint8_t c = data[p->scanned];

		if (c == '\n' && p->csv != IMPORT_CSV_QUOTED)
			return p->scanned + 1;
		if (p->format == IMPORT_CSV)
			p->csv = csv_state_after(p->csv, c);
	}
	return 0;
}

/* The next row starts at pos. */
static void
start_row(struct import_parser *p, size_t pos)
{
	p->pos = p->scanned = pos;
	p->csv = IMPORT_CSV_START;
}

static uint64_t
count_line_ends(struct bytes text)
{
	uint64_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += text.data[i] == '\n';
	return n;
}

/* Drops the rest of the line at pos, also what of it was not fed yet. */
static void
discard_line(struct import_parser *p)
{
	size_t left = p->input.len - p->pos;
	const uint8_t *end = left ? memchr(p->input.data + p->pos, '\n', left) : NULL;

	p->discarding = !end;
	start_row(p, end ? (size_t)(end - p->input.data) + 1 : p->input.len);
	if (end || p->finished)
		p->line++;
}

static enum im_err
decode_tsv(struct bytes text, struct import_row *row)
{
	const uint8_t *tab = memchr(text.data, '\t', text.len);

	if (!tab)
		return err_set(IM_ERR_FORMAT, "no tab between key and value");
	row->key = bytes_of(text.data, (size_t)(tab - text.data));
	row->value = bytes_of(tab + 1, text.len - row->key.len - 1);
	return IM_OK;
}

/* Decodes the field at *pos and leaves *pos at the comma behind it or at the end. */
static enum im_err
decode_csv_field(struct bytes text, size_t *pos, struct buf *out)
{
	size_t i = *pos;
	bool quoted = i < text.len && text.data[i] == '"';

	for (i += quoted; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (!quoted && c == ',')
			break;
		if (c == '"') {
			if (!quoted)
				return err_set(
				    IM_ERR_FORMAT, "quote inside a field without quotes");
			if (i + 1 >= text.len || text.data[i + 1] != '"')
				break;
			i++;
		}
		if (!buf_append_u8(out, c))
			return out->err;
	}
	if (quoted)
		i++;
	if (i < text.len && text.data[i] != ',')
		return err_set(IM_ERR_FORMAT, "text after the closing quote");
	*pos = i;
	return IM_OK;
}

static enum im_err
decode_csv(struct import_parser *p, struct bytes text, struct import_row *row)
{
	size_t pos = 0;
	enum im_err err = decode_csv_field(text, &pos, &p->key);

	if (err)
		return err;
	if (pos >= text.len)
		return err_set(IM_ERR_FORMAT, "one field, not two");
	pos++;
	err = decode_csv_field(text, &pos, &p->value);
	if (err)
		return err;
	if (pos < text.len)
		return err_set(IM_ERR_FORMAT, "more than two fields");
	row->key = buf_bytes(&p->key);
	row->value = buf_bytes(&p->value);
	return IM_OK;
}

/* The member NAME or NAME_base64 of an object, exactly one of them, into out. */
static enum im_err
decode_json_member(struct json_object *object, const char *name, struct buf *out)
{
	char encoded_name[32];
	struct json_object *plain = NULL;
	struct json_object *encoded = NULL;
	struct json_object *member;
	struct bytes text;

	snprintf(encoded_name, sizeof encoded_name, "%s_base64", name);
	bool has_plain = json_object_object_get_ex(object, name, &plain);
	bool has_encoded = json_object_object_get_ex(object, encoded_name, &encoded);

	if (has_plain == has_encoded)
		return err_set(IM_ERR_FORMAT,
		    has_plain ? "both \"%s\" and \"%s_base64\""
			      : "neither \"%s\" nor \"%s_base64\"",
		    name, name);
	member = has_plain ? plain : encoded;
	if (!json_object_is_type(member, json_type_string))
		return err_set(IM_ERR_FORMAT, "\"%s\" is not a string", name);
	text = bytes_of(json_object_get_string(member), (size_t)json_object_get_string_len(member));
	if (has_encoded && base64_decode(BASE64_STD, text, out))
		return err_set(IM_ERR_FORMAT, "\"%s\" is not base64", encoded_name);
	if (has_encoded)
		return IM_OK;
	return buf_append_bytes(out, text) ? IM_OK : out->err;
}

/* The members that a row may have besides key and value. */
static enum im_err
decode_json_extra(const char *name, struct json_object *member, struct import_row *row)
{
	if (strcmp(name, "tx") == 0 || strcmp(name, "proof_base64") == 0)
		return IM_OK;
	if (strcmp(name, "expires_at") != 0)
		return err_set(IM_ERR_FORMAT, "unknown member \"%.64s\"", name);
	if (!json_object_is_type(member, json_type_string) ||
	    !clock_parse_s(json_object_get_string(member), &row->expires_at) ||
	    row->expires_at <= 0)
		return err_set(IM_ERR_FORMAT, "\"expires_at\" is not a time");
	return IM_OK;
}

static bool
is_row_member(const char *name)
{
	return strcmp(name, "key") == 0 || strcmp(name, "key_base64") == 0 ||
	    strcmp(name, "value") == 0 || strcmp(name, "value_base64") == 0;
}

static enum im_err
decode_json_object(struct import_parser *p, struct json_object *object, struct import_row *row)
{
	enum im_err err;

	if (!json_object_is_type(object, json_type_object))
		return err_set(IM_ERR_FORMAT, "not a JSON object");
	err = decode_json_member(object, "key", &p->key);
	if (!err)
		err = decode_json_member(object, "value", &p->value);
	if (err)
		return err;
	json_object_object_foreach(object, name, member)
	{
		if (!is_row_member(name) && !err)
			err = decode_json_extra(name, member, row);
	}
	row->key = buf_bytes(&p->key);
	row->value = buf_bytes(&p->value);
	return err;
}

static enum im_err
decode_jsonl(struct import_parser *p, struct bytes text, struct import_row *row)
{
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
	struct json_object *object;
	enum im_err err;

	if (!tokener)
		return err_set(IM_ERR_NOMEM, "out of memory");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, (const char *)text.data, (int)text.len);
	if (object)
		err = decode_json_object(p, object, row);
	else if (json_tokener_get_error(tokener) == json_tokener_continue)
		err = err_set(IM_ERR_FORMAT, "JSON object is not closed");
	else
		err = err_set(IM_ERR_FORMAT, "bad JSON: %s",
		    json_tokener_error_desc(json_tokener_get_error(tokener)));
	json_object_put(object);
	json_tokener_free(tokener);
	return err;
}

static enum im_err
decode_row(struct import_parser *p, struct bytes text, struct import_row *row)
{
	enum im_err err;

	buf_clear(&p->key);
	buf_clear(&p->value);
	if (p->format == IMPORT_TSV)
		err = decode_tsv(text, row);
	else if (p->format == IMPORT_CSV)
		err = decode_csv(p, text, row);
	else
		err = decode_jsonl(p, text, row);
	if (!err && row->key.len == 0)
		err = err_set(IM_ERR_FORMAT, "empty key");
	return err;
}

/* The text of a row without its line end. A CR belongs to the line end, except in tsv. */
static struct bytes
strip_line_end(const struct import_parser *p, struct bytes text)
{
	if (text.len > 0 && text.data[text.len - 1] == '\n')
		text.len--;
	if (p->format != IMPORT_TSV && text.len > 0 && text.data[text.len - 1] == '\r')
		text.len--;
	return text;
}

/* Cuts out the row that ends at `end` and decodes it; *empty tells an empty line. */
static enum im_err
take_row(struct import_parser *p, size_t end, struct import_row *row, bool *empty)
{
	struct bytes whole = bytes_of(p->input.data + p->pos, end - p->pos);
	struct bytes text = strip_line_end(p, whole);
	uint64_t lines = count_line_ends(whole);

	if (whole.data[whole.len - 1] != '\n')
		lines++;
	row->expires_at = 0;
	row->first_line = p->line;
	row->last_line = p->line + lines - 1;
	start_row(p, end);
	p->line += lines;
	*empty = text.len == 0;
	return *empty ? IM_OK : decode_row(p, text, row);
}

/* Why the row at pos has no end: it is the last one, malformed, or not complete yet. */
static enum im_err
judge_open_row(struct import_parser *p)
{
	if (p->input.len - p->pos > IMPORT_ROW_MAX) {
		discard_line(p);
		return err_set(IM_ERR_LIMIT, "row is longer than %u bytes", IMPORT_ROW_MAX);
	}
	if (!p->finished)
		return IM_ERR_WOULD_BLOCK;
	if (p->pos == p->input.len)
		return IM_ERR_NOT_FOUND;
	if (p->csv == IMPORT_CSV_QUOTED) {
		discard_line(p);
		return err_set(IM_ERR_FORMAT, "quoted field is not closed");
	}
	return IM_OK;
}

enum im_err
import_parser_next(struct import_parser *p, struct import_row *row)
{
	bool empty = true;
	enum im_err err = IM_OK;

	if (p->discarding)
		discard_line(p);
	while (!err && empty) {
		size_t end = find_row_end(p);

		row->first_line = row->last_line = p->line;
		if (end == 0) {
			err = judge_open_row(p);
			end = p->input.len;
		}
		if (!err)
			err = take_row(p, end, row, &empty);
	}
	return err;
}
