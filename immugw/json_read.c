/*
 * From JSON to a message, in one pass, without a tree in between. Neighbours: json_scalar.c
 * converts the values, json_names.c knows the members; rest_request.c calls this for bodies and for
 * what stands in paths and queries.
 *
 * Invariants: start <= at <= end; the recursion is as deep as messages nest, at most
 * JSON_DEPTH_MAX, for an unknown member is refused and not skipped; every byte of memory is taken
 * from the budget, so that no small text makes a large message; the first error is the one that is
 * told.
 */
#include <stdarg.h>
#include <stdio.h>

#include "json_internal.h"
#include "rpc/message.h"
#include "util/text.h"

#define PLACE_MAX 512 /* of the text that says where; longer ones are cut */
#define REASON_MAX 256
#define FIELDS_MAX 64 /* of one message: a bit for each remembers which ones were given */
#define LIST_START 4  /* items that a list has room for at first */

static bool read_object(struct json_reader *r, ProtobufCMessage *m);

/* Errors. */

static void
append_frame(struct buf *b, const struct json_frame *frame)
{
	static const ProtobufCMessageDescriptor any = {.short_name = ""};

	if (b->len > 0)
		buf_append_u8(b, '.');
	json_append_field_name(b, &any, frame->field, JSON_STRINGS);
	if (frame->is_item)
		buf_printf(b, "[%zu]", frame->index);
}

/* "KVs[3].value: ", or nothing for the object as a whole. */
static void
append_place(struct buf *b, const struct json_reader *r)
{
	buf_append_bytes(b, r->prefix);
	for (size_t i = 0; i < r->depth; i++)
		append_frame(b, &r->frames[i]);
	if (b->len > 0)
		buf_append_str(b, ": ");
}

bool
json_fail(struct json_reader *r, const char *fmt, ...)
{
	uint8_t memory[PLACE_MAX];
	char reason[REASON_MAX];
	struct buf place;
	va_list ap;

	if (r->err != IM_OK)
		return false;
	va_start(ap, fmt);
	vsnprintf(reason, sizeof reason, fmt, ap);
	va_end(ap);
	buf_init_in(&place, memory, sizeof memory);
	append_place(&place, r);
	r->err = err_set(IM_ERR_JSON, "%.*s%s", (int)place.len, (const char *)memory, reason);
	return false;
}

static bool
fail_syntax(struct json_reader *r, const char *expected)
{
	if (r->at == r->end)
		return json_fail(r, "the text ends where %s is expected", expected);
	return json_fail(r, "%s expected at byte %zu", expected, (size_t)(r->at - r->start));
}

void *
json_alloc(struct json_reader *r, size_t n)
{
	void *p = n <= r->left ? arena_alloc(r->arena, n) : NULL;

	if (p)
		r->left -= n;
	else if (r->err == IM_OK)
		r->err = err_set(IM_ERR_BODY_SIZE, "takes too much memory");
	return p;
}

/* Tokens. */

static void
skip_blanks(struct json_reader *r)
{
	while (
	    r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
		r->at++;
}

/* The next character that is not blank, '\0' at the end. */
static uint8_t
peek(struct json_reader *r)
{
	skip_blanks(r);
	return r->at < r->end ? *r->at : '\0';
}

static bool
take(struct json_reader *r, uint8_t c)
{
	if (peek(r) != c)
		return false;
	r->at++;
	return true;
}

static bool
take_word(struct json_reader *r, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0)
		return false;
	r->at += n;
	return true;
}

/* The quote that ends a string with escapes; NULL when there is none. */
static const uint8_t *
find_quote(const uint8_t *p, const uint8_t *end)
{
	for (; p < end && *p != '"'; p++)
		if (*p == '\\' && ++p == end)
			return NULL;
	return p < end ? p : NULL;
}

/* At the opening quote. */
static bool
read_string(struct json_reader *r, struct json_token *t)
{
	const uint8_t *start = r->at + 1, *quote, *escape;
	size_t left = (size_t)(r->end - start);

	quote = (const uint8_t *)memchr(start, '"', left);
	escape = (const uint8_t *)memchr(start, '\\', quote ? (size_t)(quote - start) : left);
	if (escape)
		quote = find_quote(escape, r->end);
	if (!quote) {
		json_fail(
		    r, "a string that begins at byte %zu has no end", (size_t)(r->at - r->start));
		return false;
	}
	t->kind = JSON_KIND_STRING;
	t->has_escapes = escape != NULL;
	t->text = bytes_of(start, (size_t)(quote - start));
	r->at = quote + 1;
	return true;
}

static bool
is_number_char(uint8_t c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static bool
read_token(struct json_reader *r, struct json_token *t)
{
	uint8_t c = peek(r);
	const uint8_t *start = r->at;

	*t = (struct json_token){.kind = JSON_KIND_BOOL};
	if (c == '"')
		return read_string(r, t);
	if (c == 't' || c == 'f') {
		t->value = c == 't';
		return take_word(r, t->value ? "true" : "false") || fail_syntax(r, "a value");
	}
	if (c != '-' && (c < '0' || c > '9'))
		return c == '{' || c == '[' ? json_fail(r, "must be a plain value")
					    : fail_syntax(r, "a value");
	while (r->at < r->end && is_number_char(*r->at))
		r->at++;
	t->kind = JSON_KIND_NUMBER;
	t->text = bytes_of(start, (size_t)(r->at - start));
	if (!json_number_valid(t->text)) {
		r->at = start;
		return fail_syntax(r, "a number");
	}
	return true;
}

/* Values. */

static ProtobufCMessage *
make_message(struct json_reader *r, const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *m = (ProtobufCMessage *)json_alloc(r, d->sizeof_message);

	if (m)
		protobuf_c_message_init(d, m);
	return m;
}

/* One value, not null, of the field's type, to to. */
static bool
read_value(struct json_reader *r, const ProtobufCFieldDescriptor *f, void *to)
{
	ProtobufCMessage *m;
	struct json_token t;

	if (f->type != PROTOBUF_C_TYPE_MESSAGE)
		return read_token(r, &t) && json_scalar_read(r, f, &t, to);
	m = make_message(r, (const ProtobufCMessageDescriptor *)f->descriptor);
	if (!m)
		return false;
	memcpy(to, &m, sizeof m);
	return read_object(r, m);
}

struct list {
	uint8_t *items;
	size_t len, room, item_size;
};

static bool
list_grow(struct json_reader *r, struct list *l)
{
	size_t room = l->room ? l->room * 2 : LIST_START;
	uint8_t *items;

	if (l->len < l->room)
		return true;
	items = (uint8_t *)json_alloc(r, room * l->item_size);
	if (!items)
		return false;
	if (l->len > 0)
		memcpy(items, l->items, l->len * l->item_size);
	l->items = items;
	l->room = room;
	return true;
}

static bool
read_item(struct json_reader *r, const ProtobufCFieldDescriptor *f, struct list *l)
{
	struct json_frame *frame = &r->frames[r->depth - 1];

	frame->is_item = true;
	frame->index = l->len;
	if (peek(r) == 'n')
		return json_fail(r, "null in a list");
	if (!list_grow(r, l) || !read_value(r, f, l->items + l->len * l->item_size))
		return false;
	l->len++;
	frame->is_item = false;
	return true;
}

static bool
read_list(struct json_reader *r, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	struct list l = {.item_size = json_scalar_size(f->type)};

	if (!take(r, '['))
		return json_fail(r, "must be a list");
	if (!take(r, ']')) {
		do {
			if (!read_item(r, f, &l))
				return false;
		} while (take(r, ','));
		if (!take(r, ']'))
			return fail_syntax(r, "\",\" or \"]\"");
	}
	memcpy((uint8_t *)m + f->offset, &l.items, sizeof l.items);
	memcpy((uint8_t *)m + f->quantifier_offset, &l.len, sizeof l.len);
	return true;
}

static bool
read_single(struct json_reader *r, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	uint32_t chosen = 0;

	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		memcpy(&chosen, (uint8_t *)m + f->quantifier_offset, sizeof chosen);
		if (chosen != 0)
			return json_fail(r, "excludes %s, which is given too",
			    protobuf_c_message_descriptor_get_field(m->descriptor, chosen)->name);
		memcpy((uint8_t *)m + f->quantifier_offset, &f->id, sizeof f->id);
	}
	return read_value(r, f, (uint8_t *)m + f->offset) && json_keep_sign(r, m, f);
}

/* Members. */

/* Behind the name of a member: its colon and value. */
static bool
read_member(struct json_reader *r, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	bool done;

	if (r->depth == JSON_DEPTH_MAX)
		return json_fail(r, "nested too deep");
	r->frames[r->depth++] = (struct json_frame){.field = f};
	if (!take(r, ':'))
		return fail_syntax(r, "\":\"");
	if (peek(r) == 'n')
		done = take_word(r, "null") || fail_syntax(r, "a value");
	else if (f->label == PROTOBUF_C_LABEL_REPEATED)
		done = read_list(r, m, f);
	else
		done = read_single(r, m, f);
	if (done)
		r->depth--;
	return done;
}

static bool
fail_unknown(struct json_reader *r, struct bytes name)
{
	uint8_t memory[JSON_NAME_MAX * 4 + 1];
	struct buf b;

	if (name.len > JSON_NAME_MAX)
		return json_fail(r, "unknown field with a name of %zu bytes", name.len);
	buf_init_in(&b, memory, sizeof memory);
	text_append_printable(&b, name);
	return json_fail(r, "unknown field \"%.*s\"", (int)b.len, (const char *)memory);
}

/* The name of the next member; *next is where members in the usual order would go on. */
static const ProtobufCFieldDescriptor *
read_name(struct json_reader *r, const ProtobufCMessageDescriptor *d, unsigned *next)
{
	const ProtobufCFieldDescriptor *f = *next < d->n_fields ? &d->fields[*next] : NULL;
	struct json_token t;

	if (peek(r) != '"') {
		fail_syntax(r, "a name in quotes");
		return NULL;
	}
	if (!read_string(r, &t) || (t.has_escapes && !json_text_read(r, t.text, &t.text)))
		return NULL;
	if (!f || strlen(f->name) != t.text.len || memcmp(f->name, t.text.data, t.text.len) != 0)
		f = json_find_field(d, t.text);
	if (f)
		*next = (unsigned)(f - d->fields) + 1;
	else
		fail_unknown(r, t.text);
	return f;
}

static bool
read_members(struct json_reader *r, ProtobufCMessage *m)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;
	const ProtobufCFieldDescriptor *f;
	uint64_t seen = 0, bit;
	unsigned next = 0;

	do {
		f = read_name(r, d, &next);
		if (!f)
			return false;
		bit = UINT64_C(1) << (f - d->fields);
		if (seen & bit)
			return json_fail(r, "field \"%s\" is given twice", f->name);
		seen |= bit;
		if (!read_member(r, m, f))
			return false;
	} while (take(r, ','));
	return true;
}

static bool
read_object(struct json_reader *r, ProtobufCMessage *m)
{
	if (m->descriptor->n_fields > FIELDS_MAX)
		return json_fail(r, "has a type with too many fields");
	if (!take(r, '{'))
		return r->at == r->end ? fail_syntax(r, "an object")
				       : json_fail(r, "must be an object");
	if (take(r, '}'))
		return true;
	if (!read_members(r, m))
		return false;
	return take(r, '}') || fail_syntax(r, "\",\" or \"}\"");
}

enum im_err
json_read(
    const ProtobufCMessageDescriptor *d, struct bytes text, struct arena *a, ProtobufCMessage **out)
{
	static const uint8_t none[1];
	const uint8_t *start = text.len ? text.data : none;
	struct json_reader r = {.start = start, .at = start, .end = start + text.len, .arena = a};
	ProtobufCMessage *m;

	*out = NULL;
	if (text.len > JSON_TEXT_MAX)
		return err_set(IM_ERR_BODY_SIZE, "more than %u bytes", JSON_TEXT_MAX);
	r.left = message_budget(text.len);
	m = make_message(&r, d);
	if (!m || !read_object(&r, m))
		return r.err;
	if (peek(&r), r.at < r.end) {
		json_fail(&r, "text behind the end at byte %zu", (size_t)(r.at - r.start));
		return r.err;
	}
	*out = m;
	return IM_OK;
}

/* Fields from a path or a query. */

/* Whether a scalar has another value than the one it is born with. */
static bool
scalar_is_set(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	static const uint8_t zero[sizeof(uint64_t)];
	const uint8_t *member = (const uint8_t *)m + f->offset;
	const char *text;

	if (f->type == PROTOBUF_C_TYPE_BYTES)
		return ((const ProtobufCBinaryData *)(const void *)member)->len > 0;
	if (f->type != PROTOBUF_C_TYPE_STRING)
		return memcmp(member, zero, json_scalar_size(f->type)) != 0;
	memcpy(&text, member, sizeof text);
	return text && *text;
}

static bool
scalar_equals(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const void *value)
{
	const uint8_t *member = (const uint8_t *)m + f->offset;
	ProtobufCBinaryData a, b;
	const char *s, *t;

	if (f->type == PROTOBUF_C_TYPE_BYTES) {
		memcpy(&a, member, sizeof a);
		memcpy(&b, value, sizeof b);
		return bytes_equal(bytes_of(a.data, a.len), bytes_of(b.data, b.len));
	}
	if (f->type != PROTOBUF_C_TYPE_STRING)
		return memcmp(member, value, json_scalar_size(f->type)) == 0;
	memcpy(&s, member, sizeof s);
	memcpy(&t, value, sizeof t);
	return strcmp(s, t) == 0;
}

static bool
set_scalar(struct json_reader *r, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
    struct bytes text)
{
	struct json_token t = {.kind = JSON_KIND_PLAIN, .text = text};
	union {
		ProtobufCBinaryData bytes;
		char *text;
		uint64_t number;
	} value;

	if (f->type == PROTOBUF_C_TYPE_MESSAGE || f->label == PROTOBUF_C_LABEL_REPEATED ||
	    f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return json_fail(r, "can only be given in a body");
	if (!json_scalar_read(r, f, &t, &value))
		return false;
	if (scalar_is_set(m, f) && !scalar_equals(m, f, &value))
		return json_fail(r, "is given twice, with different values");
	memcpy((uint8_t *)m + f->offset, &value, json_scalar_size(f->type));
	return json_keep_sign(r, m, f);
}

/* The sub-message of m in f, made when missing. NULL with the error recorded. */
static ProtobufCMessage *
enter_message(struct json_reader *r, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	ProtobufCMessage *sub;

	if (f->type != PROTOBUF_C_TYPE_MESSAGE || f->label == PROTOBUF_C_LABEL_REPEATED ||
	    f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		json_fail(r, "unknown field");
		return NULL;
	}
	memcpy(&sub, (const uint8_t *)m + f->offset, sizeof sub);
	if (sub)
		return sub;
	sub = make_message(r, (const ProtobufCMessageDescriptor *)f->descriptor);
	if (sub)
		memcpy((uint8_t *)m + f->offset, &sub, sizeof sub);
	return sub;
}

enum im_err
json_set_field(ProtobufCMessage *m, struct bytes name, struct bytes text, struct arena *a)
{
	struct json_reader r = {.arena = a, .left = message_budget(text.len)};
	const ProtobufCFieldDescriptor *f;
	const uint8_t *dot;
	uint8_t printable[JSON_NAME_MAX * 4];
	struct buf place;
	size_t n;

	buf_init_in(&place, printable, sizeof printable);
	text_append_printable(
	    &place, bytes_of(name.data, name.len < JSON_NAME_MAX ? name.len : JSON_NAME_MAX));
	r.prefix = buf_bytes(&place);
	while (r.err == IM_OK) {
		dot = name.len ? (const uint8_t *)memchr(name.data, '.', name.len) : NULL;
		n = dot ? (size_t)(dot - name.data) : name.len;
		f = json_find_field(m->descriptor, bytes_of(name.data, n));
		if (!f) {
			json_fail(&r, "unknown field");
		} else if (!dot) {
			set_scalar(&r, m, f, text);
			return r.err;
		} else {
			m = enter_message(&r, m, f);
			name = bytes_of(dot + 1, name.len - n - 1);
		}
	}
	return r.err;
}
