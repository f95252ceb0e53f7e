/*
 * A strict reader of the configuration part of TOML. Neighbours: config (what it fills), options.
 *
 * Invariants: the position never passes the end of the text; every character consumed moves the
 * position, so the work is linear (but for the search for keys given twice); error texts name keys
 * and positions, never values, because a value may be a secret.
 */
#include "util/toml.h"

#include <stdarg.h>
#include <stdio.h>

#include "util/text.h"

#define TOML_MAX_TABLES 256u
#define TOML_FIRST_ITEMS 8u
#define TOML_END (-1)

struct toml_parser {
	struct bytes text;
	size_t pos;
	unsigned line;
	size_t line_start;
	struct config_doc *doc;
	char key[CONFIG_MAX_KEY]; /* the table's name and, after it, the key at hand */
	size_t table_len;         /* how much of key is the table's name and its dot */
	bool in_value;            /* behind the key at hand, which messages then name */
	const char *tables[TOML_MAX_TABLES];
	size_t table_count;
};

/* A scalar while it is read. */
struct toml_scalar {
	enum config_type type;
	const char *text;
	int64_t integer;
	double real;
	bool boolean;
};

static enum im_err
toml_fail(const struct toml_parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static enum im_err
toml_fail(const struct toml_parser *p, const char *fmt, ...)
{
	char what[CONFIG_MAX_KEY + 80];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	return err_set(IM_ERR_CONFIG, "%u:%zu: %s%s%s", p->line, p->pos - p->line_start + 1,
	    p->in_value ? p->key : "", p->in_value ? ": " : "", what);
}

/* The character at the position, or TOML_END. A line end is always seen as '\n'. */
static int
toml_peek(const struct toml_parser *p)
{
	if (p->pos >= p->text.len)
		return TOML_END;
	if (p->text.data[p->pos] == '\r' && p->pos + 1 < p->text.len &&
	    p->text.data[p->pos + 1] == '\n')
		return '\n';
	return p->text.data[p->pos];
}

static int
toml_next(struct toml_parser *p)
{
	int c = toml_peek(p);

	if (c == TOML_END)
		return c;
	if (c == '\n' && p->text.data[p->pos] == '\r')
		p->pos++;
	p->pos++;
	if (c == '\n') {
		p->line++;
		p->line_start = p->pos;
	}
	return c;
}

static bool
toml_take(struct toml_parser *p, int c)
{
	if (toml_peek(p) != c)
		return false;
	toml_next(p);
	return true;
}

static void
toml_skip_blanks(struct toml_parser *p)
{
	while (toml_peek(p) == ' ' || toml_peek(p) == '\t')
		toml_next(p);
}

static bool
toml_is_control(int c)
{
	return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f;
}

/* Blanks and a comment up to the line end, which stays. */
static enum im_err
toml_skip_comment(struct toml_parser *p)
{
	toml_skip_blanks(p);
	if (toml_peek(p) != '#')
		return IM_OK;
	while (toml_peek(p) != '\n' && toml_peek(p) != TOML_END) {
		if (toml_is_control(toml_peek(p)))
			return toml_fail(p, "control character in a comment");
		toml_next(p);
	}
	return IM_OK;
}

/* Blanks, comments and line ends, as between the values of an array. */
static enum im_err
toml_skip_space(struct toml_parser *p)
{
	enum im_err err;

	do
		err = toml_skip_comment(p);
	while (!err && toml_take(p, '\n'));
	return err;
}

static enum im_err
toml_line_end(struct toml_parser *p)
{
	enum im_err err = toml_skip_comment(p);

	if (err || toml_take(p, '\n') || toml_peek(p) == TOML_END)
		return err;
	return toml_fail(p, "expected the end of the line");
}

static enum im_err
toml_append_utf8(struct toml_parser *p, uint32_t c, struct buf *out)
{
	uint8_t u[4] = {(uint8_t)(0xf0 | (c >> 18 & 7)), (uint8_t)(0x80 | (c >> 12 & 63)),
	    (uint8_t)(0x80 | (c >> 6 & 63)), (uint8_t)(0x80 | (c & 63))};

	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return toml_fail(p, "escape for a character that is not allowed");
	if (c < 0x80) {
		buf_append_u8(out, (uint8_t)c);
	} else if (c < 0x800) {
		u[2] |= 0xc0;
		buf_append(out, u + 2, 2);
	} else if (c < 0x10000) {
		u[1] = (uint8_t)(0xe0 | c >> 12);
		buf_append(out, u + 1, 3);
	} else {
		buf_append(out, u, 4);
	}
	return IM_OK;
}

/* What follows a backslash. */
static enum im_err
toml_escape(struct toml_parser *p, struct buf *out)
{
	static const char letters[] = "btnfr\"\\";
	static const char meaning[] = "\b\t\n\f\r\"\\";
	int c = toml_peek(p);
	const char *at = c > 0 ? strchr(letters, c) : NULL;
	uint32_t v = 0;

	if (at) {
		toml_next(p);
		buf_append_u8(out, (uint8_t)meaning[at - letters]);
		return IM_OK;
	}
	if (c != 'u' && c != 'U')
		return toml_fail(p, "unknown escape in a string");
	toml_next(p);
	for (int i = 0; i < (c == 'u' ? 4 : 8); i++) {
		int d = toml_peek(p);
		const char *hex = d > 0 ? strchr("0123456789abcdefABCDEF", d) : NULL;

		if (!hex)
			return toml_fail(p, "expected a hexadecimal digit");
		toml_next(p);
		v = v << 4 | (uint32_t)(d <= '9' ? d - '0' : (d | 0x20) - 'a' + 10);
	}
	return toml_append_utf8(p, v, out);
}

/* A quoted string on one line, at its opening quote; decoded to out. */
static enum im_err
toml_quoted(struct toml_parser *p, struct buf *out)
{
	int quote = toml_next(p), c;
	enum im_err err = IM_OK;

	while (!err && !out->err) {
		c = toml_peek(p);
		if (c == TOML_END || c == '\n')
			return toml_fail(p, "string without its closing quote");
		if (toml_is_control(c))
			return toml_fail(p, "control character in a string");
		toml_next(p);
		if (c == quote)
			break;
		if (c == '\\' && quote == '"')
			err = toml_escape(p, out);
		else
			buf_append_u8(out, (uint8_t)c);
	}
	return err ? err : out->err;
}

static enum im_err
toml_string(struct toml_parser *p, struct toml_scalar *out)
{
	int quote = toml_peek(p);
	struct buf decoded;
	enum im_err err;

	if (p->pos + 2 < p->text.len && p->text.data[p->pos + 1] == quote &&
	    p->text.data[p->pos + 2] == quote)
		return toml_fail(p, "strings over several lines are not supported");
	buf_init(&decoded, CONFIG_MAX_BYTES);
	err = toml_quoted(p, &decoded);
	if (!err) {
		out->type = CONFIG_STRING;
		out->text = arena_str(&p->doc->arena, buf_bytes(&decoded));
		err = out->text ? IM_OK : err_set(IM_ERR_NOMEM, "out of memory");
	}
	buf_wipe(&decoded);
	return err;
}

static bool
toml_is_word(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    c == '_' || c == '-';
}

static bool
toml_looks_like_date(struct bytes w)
{
	return (w.len > 4 && w.data[4] == '-' && w.data[0] <= '9') ||
	    (w.len > 2 && memchr(w.data, ':', w.len));
}

/* A bare word: true, false, a number. The error stands at its start. */
static enum im_err
toml_bare(struct toml_parser *p, struct toml_scalar *out)
{
	size_t start = p->pos;
	enum config_number is;
	struct bytes w;
	int c;

	for (c = toml_peek(p); toml_is_word(c) || c == '+' || c == '.' || c == ':';
	     c = toml_peek(p))
		toml_next(p);
	w = bytes_of(p->text.data + start, p->pos - start);
	p->pos = start;
	*out = (struct toml_scalar){.type = CONFIG_BOOL, .boolean = w.len == 4};
	if (bytes_equal(w, bytes_str("true")) || bytes_equal(w, bytes_str("false"))) {
		is = CONFIG_NUMBER;
	} else {
		out->type = CONFIG_INT;
		is = config_read_int(w, &out->integer);
		if (is == CONFIG_NOT_A_NUMBER) {
			out->type = CONFIG_FLOAT;
			is = config_read_float(w, &out->real);
		}
	}
	if (is == CONFIG_OUT_OF_RANGE)
		return toml_fail(p, "number out of range");
	if (is == CONFIG_NOT_A_NUMBER && toml_looks_like_date(w))
		return toml_fail(p, "dates and times are not supported; quote the value");
	if (is == CONFIG_NOT_A_NUMBER)
		return toml_fail(p, "expected a value: \"string\", number, true, false or [array]");
	out->text = arena_str(&p->doc->arena, w);
	p->pos = start + w.len;
	return out->text ? IM_OK : err_set(IM_ERR_NOMEM, "out of memory");
}

static enum im_err
toml_scalar(struct toml_parser *p, struct toml_scalar *out)
{
	int c = toml_peek(p);

	if (c == '"' || c == '\'')
		return toml_string(p, out);
	if (c == '{')
		return toml_fail(p, "inline tables are not supported; use a [table]");
	if (c == '[')
		return toml_fail(p, "nested arrays are not supported");
	return toml_bare(p, out);
}

static enum im_err
toml_array_push(struct toml_parser *p, struct config_entry *e, const char *item, size_t *cap)
{
	if (e->item_count == CONFIG_MAX_ENTRIES)
		return toml_fail(p, "more than %u values in an array", CONFIG_MAX_ENTRIES);
	if (e->item_count == *cap) {
		size_t grown_cap = *cap ? *cap * 2 : TOML_FIRST_ITEMS;
		const char **grown =
		    (const char **)arena_calloc(&p->doc->arena, grown_cap, sizeof *grown);

		if (!grown)
			return err_set(IM_ERR_NOMEM, "out of memory");
		if (*cap)
			memcpy(grown, e->items, *cap * sizeof *grown);
		e->items = grown;
		*cap = grown_cap;
	}
	((const char **)e->items)[e->item_count++] = item;
	return IM_OK;
}

/* An array at its opening bracket. */
static enum im_err
toml_array(struct toml_parser *p, struct config_entry *e)
{
	struct toml_scalar item = {.type = CONFIG_STRING};
	size_t cap = 0;
	enum im_err err;

	toml_next(p);
	e->type = CONFIG_ARRAY;
	for (;;) {
		err = toml_skip_space(p);
		if (err || toml_take(p, ']'))
			return err;
		err = toml_scalar(p, &item);
		if (!err)
			err = toml_array_push(p, e, item.text, &cap);
		if (!err)
			err = toml_skip_space(p);
		if (err)
			return err;
		if (!toml_take(p, ',') && toml_peek(p) != ']')
			return toml_fail(p, "expected , or ] in an array");
	}
}

/* One part of a dotted key, appended to p->key at *len. */
static enum im_err
toml_key_part(struct toml_parser *p, size_t *len)
{
	size_t start = p->pos, at;
	struct buf part;
	enum im_err err = IM_OK;

	buf_init(&part, CONFIG_MAX_KEY);
	if (toml_peek(p) == '"' || toml_peek(p) == '\'')
		err = toml_quoted(p, &part);
	else
		while (toml_is_word(toml_peek(p)))
			buf_append_u8(&part, (uint8_t)toml_next(p));
	at = p->pos;
	p->pos = start;
	if (err == IM_ERR_LIMIT || part.err == IM_ERR_LIMIT ||
	    (!err && *len + part.len >= CONFIG_MAX_KEY - 1))
		err = toml_fail(p, "key longer than %u bytes", CONFIG_MAX_KEY);
	else if (!err && part.len == 0)
		err = toml_fail(p, "expected a key");
	else if (!err && memchr(part.data, '.', part.len))
		err = toml_fail(p, "a dot inside a quoted key is not supported");
	if (!err) {
		p->pos = at;
		memcpy(p->key + *len, part.data, part.len);
		*len += part.len;
		p->key[*len] = '\0';
	}
	buf_free(&part);
	return err;
}

/* A dotted key, put into p->key from offset from on. */
static enum im_err
toml_key(struct toml_parser *p, size_t from)
{
	size_t len = from, depth = 1;
	enum im_err err;

	for (size_t i = 0; i < from; i++)
		depth += p->key[i] == '.';
	for (;; depth++) {
		if (depth > CONFIG_MAX_DEPTH)
			return toml_fail(p, "more than %u tables deep", CONFIG_MAX_DEPTH);
		err = toml_key_part(p, &len);
		if (err)
			return err;
		toml_skip_blanks(p);
		if (!toml_take(p, '.'))
			return IM_OK;
		toml_skip_blanks(p);
		p->key[len++] = '.';
	}
}

/* A [table] line at its opening bracket. */
static enum im_err
toml_table(struct toml_parser *p)
{
	enum im_err err;

	toml_next(p);
	if (toml_peek(p) == '[')
		return toml_fail(p, "arrays of tables are not supported");
	toml_skip_blanks(p);
	err = toml_key(p, 0);
	if (err)
		return err;
	if (!toml_take(p, ']'))
		return toml_fail(p, "expected ] after the table's name");
	for (size_t i = 0; i < p->doc->count; i++)
		if (strcmp(p->doc->entries[i].key, p->key) == 0)
			return toml_fail(p, "%s is a value already", p->key);
	for (size_t i = 0; i < p->table_count; i++)
		if (strcmp(p->tables[i], p->key) == 0)
			return toml_fail(p, "table %s is defined twice", p->key);
	if (p->table_count == TOML_MAX_TABLES)
		return toml_fail(p, "more than %u tables", TOML_MAX_TABLES);
	p->tables[p->table_count] = arena_str(&p->doc->arena, bytes_str(p->key));
	if (!p->tables[p->table_count++])
		return err_set(IM_ERR_NOMEM, "out of memory");
	p->table_len = strlen(p->key);
	p->key[p->table_len++] = '.';
	return IM_OK;
}

/* Whether p->key, a new value, is the name of a [table] or of one a table lies in. */
static bool
toml_is_table(const struct toml_parser *p)
{
	size_t len = strlen(p->key);

	for (size_t i = 0; i < p->table_count; i++)
		if (strncmp(p->tables[i], p->key, len) == 0 &&
		    (p->tables[i][len] == '\0' || p->tables[i][len] == '.'))
			return true;
	return false;
}

static enum im_err
toml_value(struct toml_parser *p, struct config_entry *e)
{
	struct toml_scalar s = {.type = CONFIG_STRING};
	enum im_err err;

	if (toml_peek(p) == '[')
		return toml_array(p, e);
	err = toml_scalar(p, &s);
	e->type = s.type;
	e->text = s.text;
	e->integer = s.integer;
	e->real = s.real;
	e->boolean = s.boolean;
	return err;
}

/* A "key = value" line at its first character. */
static enum im_err
toml_pair(struct toml_parser *p)
{
	unsigned column = (unsigned)(p->pos - p->line_start) + 1;
	struct config_entry *e;
	enum im_err err = toml_key(p, p->table_len);

	if (err)
		return err;
	if (!config_doc_may_add(p->doc, p->key) || toml_is_table(p))
		return toml_fail(p, "%s is defined twice", p->key);
	p->in_value = true;
	if (!toml_take(p, '='))
		return toml_fail(p, "expected = after the key");
	toml_skip_blanks(p);
	e = config_doc_add(p->doc);
	if (!e)
		return toml_fail(p, "too many keys");
	e->line = p->line;
	e->column = column;
	e->key = arena_str(&p->doc->arena, bytes_str(p->key));
	err = e->key ? toml_value(p, e) : err_set(IM_ERR_NOMEM, "out of memory");
	if (err)
		p->doc->count--;
	return err;
}

static enum im_err
toml_line(struct toml_parser *p)
{
	enum im_err err = IM_OK;
	int c;

	p->in_value = false;
	toml_skip_blanks(p);
	c = toml_peek(p);
	if (c == '[')
		err = toml_table(p);
	else if (c != '#' && c != '\n' && c != TOML_END)
		err = toml_pair(p);
	return err ? err : toml_line_end(p);
}

/* Refuses a text that is too long or not UTF-8, at its first wrong byte. */
static enum im_err
toml_check_text(struct toml_parser *p)
{
	size_t n;

	if (p->text.len > CONFIG_MAX_BYTES)
		return err_set(IM_ERR_LIMIT, "1:1: larger than %u bytes", CONFIG_MAX_BYTES);
	while (p->pos < p->text.len) {
		n = text_utf8_char(bytes_of(p->text.data + p->pos, p->text.len - p->pos));
		if (n == 0)
			return toml_fail(p, "not UTF-8");
		if (toml_peek(p) == '\n')
			toml_next(p);
		else
			p->pos += n;
	}
	p->pos = p->line_start = 0;
	p->line = 1;
	return IM_OK;
}

enum im_err
toml_parse(struct bytes text, struct config_doc *doc)
{
	struct toml_parser p = {.text = text, .line = 1, .doc = doc};
	enum im_err err = toml_check_text(&p);

	if (!err && bytes_has_prefix(text, bytes_str("\xef\xbb\xbf")))
		p.pos = p.line_start = 3;
	while (!err && p.pos < p.text.len)
		err = toml_line(&p);
	return err;
}
