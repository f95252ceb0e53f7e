/*
 * Large answers in pieces. rest.c asks first here, json_write.c makes the text.
 *
 * Invariant: of the JSON no more than LARGE_PIECE and one item of a list is held.
 */
#include "large_answer.h"

#include "json.h"
#include "proto/immudb.pb-c.h"
#include "util/log.h"

/* Text is sent when it is so long; and so much of a value is turned into text at a time. */
#define LARGE_PIECE 65536u
#define LARGE_VALUE_PIECE 49152u
#define LARGE_TEXT_MAX ((size_t)96 * 1024 * 1024)

struct large {
	struct http_exchange *x;
	struct buf text;
	enum im_err err;
};

static void
large_flush(struct large *l)
{
	if (l->err == IM_OK)
		l->err = l->text.err;
	if (l->err == IM_OK)
		l->err = http_exchange_write(l->x, buf_bytes(&l->text));
	buf_clear(&l->text);
}

/* The entry without its value, and then the value. */
static void
large_entry(struct large *l, const Immudb__Schema__Entry *entry, unsigned style)
{
	Immudb__Schema__Entry rest = *entry;
	struct json_base64 value;
	size_t at;

	rest.value = (ProtobufCBinaryData){0, NULL};
	json_write(&l->text, &rest.base, style);
	if (l->text.err == IM_OK)
		l->text.len--; /* the brace */
	if (l->text.len > 1)
		buf_append_u8(&l->text, ',');
	buf_append_str(&l->text, "\"value\":");
	json_base64_begin(&value, &l->text);
	for (at = 0; at < entry->value.len && l->err == IM_OK; at += LARGE_VALUE_PIECE) {
		size_t left = entry->value.len - at;

		json_base64_add(&value,
		    bytes_of(entry->value.data + at,
			left < LARGE_VALUE_PIECE ? left : LARGE_VALUE_PIECE));
		large_flush(l);
	}
	json_base64_end(&value);
	buf_append_u8(&l->text, '}');
}

/* The one member of a message that is a list of messages; NULL for any other message. */
static const ProtobufCFieldDescriptor *
list_field(const ProtobufCMessageDescriptor *d)
{
	const ProtobufCFieldDescriptor *f = d->fields;

	return d->n_fields == 1 && f->label == PROTOBUF_C_LABEL_REPEATED &&
		f->type == PROTOBUF_C_TYPE_MESSAGE
	    ? f
	    : NULL;
}

static void
large_list(struct large *l, const ProtobufCMessage *m, unsigned style)
{
	const ProtobufCFieldDescriptor *f = list_field(m->descriptor);
	const uint8_t *base = (const uint8_t *)m;
	size_t i, n = *(const size_t *)(const void *)(base + f->quantifier_offset);
	ProtobufCMessage *const *items =
	    *(ProtobufCMessage *const *const *)(const void *)(base + f->offset);
	struct json_list list;
	struct buf name;

	buf_init(&name, JSON_NAME_MAX + 1);
	json_append_field_name(&name, m->descriptor, f, style);
	buf_append_u8(&name, '\0');
	l->err = name.err;
	if (l->err == IM_OK) {
		json_list_begin(&list, &l->text, (const char *)name.data, style);
		for (i = 0; i < n && l->err == IM_OK; i++) {
			json_list_add(&list, items[i]);
			if (l->text.len >= LARGE_PIECE)
				large_flush(l);
		}
		json_list_end(&list);
	}
	buf_free(&name);
}

bool
large_answer_send(
    struct http_exchange *x, const char *headers, const ProtobufCMessage *m, unsigned style)
{
	bool is_entry = m->descriptor == &immudb__schema__entry__descriptor;
	struct large l = {.x = x};

	if ((!is_entry && !list_field(m->descriptor)) ||
	    protobuf_c_message_get_packed_size(m) < LARGE_ANSWER_MIN)
		return false;
	buf_init(&l.text, LARGE_TEXT_MAX);
	http_exchange_begin(x, &(struct http_head){200, "application/json", headers});
	if (is_entry)
		large_entry(&l, (const Immudb__Schema__Entry *)(const void *)m, style);
	else
		large_list(&l, m, style);
	large_flush(&l);
	if (l.err == IM_OK)
		http_exchange_end(x);
	else
		log_warn("an answer is broken off: %s", err_detail(l.err));
	buf_free(&l.text);
	return true;
}
