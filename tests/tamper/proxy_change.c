/*
 * Changes to messages, by the descriptors of protobuf-c, so that every field of every answer can be
 * altered without a line of code for it. proxy_rule.c reads what is asked for, proxy_answer.c calls
 * it.
 *
 * Invariant: whatever is put into a message was allocated with malloc(), because the message is
 * released by protobuf_c_message_free_unpacked().
 */
#include "proxy_change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Elements of a flood: few bytes on the wire, many times as many when they are decoded. */
#define FLOOD_ELEMENTS 200000

static const struct {
	const char *name;
	bool has_arg;
} change_ops[] = {
    [CHANGE_FLIP] = {"flip", false},
    [CHANGE_SET] = {"set", true},
    [CHANGE_ADD] = {"add", true},
    [CHANGE_SHORT] = {"short", false},
    [CHANGE_LONG] = {"long", false},
    [CHANGE_CLEAR] = {"clear", false},
    [CHANGE_CUT] = {"cut", false},
    [CHANGE_PAD] = {"pad", false},
    [CHANGE_SWAP] = {"swap", false},
    [CHANGE_FLOOD] = {"flood", false},
    [CHANGE_DROP] = {"drop", true},
};

bool
change_op_find(const char *name, enum change_op *out)
{
	size_t i;

	for (i = 0; i < sizeof change_ops / sizeof *change_ops; i++)
		if (strcmp(change_ops[i].name, name) == 0) {
			*out = (enum change_op)i;
			return true;
		}
	return false;
}

bool
change_op_has_arg(enum change_op op)
{
	return change_ops[op].has_arg;
}

/*
 * A rule that does not fit the messages is a mistake in the test, which must not look like success.
 */
static void
change_die(const struct change *c, const char *why)
{
	fprintf(stderr, "tamper_proxy: change of %s: %s\n", c->path, why);
	exit(2);
}

static void *
change_alloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (!p)
		abort();
	return p;
}

static void *
field_at(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return (char *)m + f->offset;
}

static size_t *
field_count(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return (size_t *)(void *)((char *)m + f->quantifier_offset);
}

/* Whether a field of a oneof is the one that is set; true for any other. */
static bool
field_is_chosen(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return !(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) ||
	    *(uint32_t *)(void *)((char *)m + f->quantifier_offset) == f->id;
}

/* ---- One field. ---- */

/* Makes bytes longer or shorter; what is new is one byte of 0x5a. */
static void
bytes_resize(ProtobufCBinaryData *b, size_t len)
{
	uint8_t *data = change_alloc(len);

	memcpy(data, b->data, b->len < len ? b->len : len);
	if (len > b->len)
		memset(data + b->len, 0x5a, len - b->len);
	free(b->data);
	*b = (ProtobufCBinaryData){.data = data, .len = len};
}

static bool
bytes_change(const struct change *c, ProtobufCBinaryData *b)
{
	if (c->op == CHANGE_LONG) {
		bytes_resize(b, b->len + 1);
		return true;
	}
	if (b->len == 0)
		return false;
	if (c->op == CHANGE_FLIP)
		b->data[b->len - 1] ^= 1;
	else if (c->op == CHANGE_SHORT)
		bytes_resize(b, b->len - 1);
	else if (c->op == CHANGE_CLEAR)
		bytes_resize(b, 0);
	else
		change_die(c, "no such operation on bytes");
	return true;
}

static uint64_t
number_changed(const struct change *c, uint64_t old)
{
	if (c->op == CHANGE_ADD)
		return old + (uint64_t)strtoll(c->arg, NULL, 10);
	if (c->op == CHANGE_SET)
		return (uint64_t)strtoll(c->arg, NULL, 10);
	if (c->op != CHANGE_CLEAR)
		change_die(c, "no such operation on a number");
	return 0;
}

static bool
number32_change(const struct change *c, uint32_t *n)
{
	uint32_t old = *n;

	*n = (uint32_t)number_changed(c, old);
	return *n != old;
}

static bool
number64_change(const struct change *c, uint64_t *n)
{
	uint64_t old = *n;

	*n = number_changed(c, old);
	return *n != old;
}

static bool
text_change(const struct change *c, const ProtobufCFieldDescriptor *f, char **text)
{
	const char *to = c->op == CHANGE_SET ? c->arg : "";
	char *copy;

	if (c->op != CHANGE_SET && c->op != CHANGE_CLEAR)
		change_die(c, "no such operation on a text");
	if (strcmp(*text, to) == 0)
		return false;
	copy = change_alloc(strlen(to) + 1);
	memcpy(copy, to, strlen(to) + 1);
	if (*text != f->default_value)
		free(*text);
	*text = copy;
	return true;
}

static bool
message_clear(const struct change *c, ProtobufCMessage **m)
{
	if (c->op != CHANGE_CLEAR)
		change_die(c, "no such operation on a message");
	if (!*m)
		return false;
	protobuf_c_message_free_unpacked(*m, NULL);
	*m = NULL;
	return true;
}

static bool
field_change(const struct change *c, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	void *at = field_at(m, f);

	switch (f->type) {
	case PROTOBUF_C_TYPE_BYTES:
		return bytes_change(c, at);
	case PROTOBUF_C_TYPE_STRING:
		return text_change(c, f, at);
	case PROTOBUF_C_TYPE_MESSAGE:
		return message_clear(c, at);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		return number64_change(c, at);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
		return number32_change(c, at);
	default:
		change_die(c, "no such type of field");
		return false;
	}
}

/* ---- Lists: of messages or of bytes, in the answers that are altered. ---- */

static size_t
element_size(const struct change *c, const ProtobufCFieldDescriptor *f)
{
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return sizeof(ProtobufCMessage *);
	if (f->type != PROTOBUF_C_TYPE_BYTES)
		change_die(c, "no such type of list");
	return sizeof(ProtobufCBinaryData);
}

static void
element_free(const ProtobufCFieldDescriptor *f, void *element)
{
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		protobuf_c_message_free_unpacked(*(ProtobufCMessage **)element, NULL);
	else
		free(((ProtobufCBinaryData *)element)->data);
}

/* A copy of the element, or 32 bytes in a list that has none. */
static void
element_copy(const ProtobufCFieldDescriptor *f, const void *element, void *to)
{
	static uint8_t zeros[32];
	ProtobufCBinaryData *b = to;
	uint8_t *packed;
	size_t len;

	if (f->type == PROTOBUF_C_TYPE_BYTES) {
		*b = (ProtobufCBinaryData){.data = zeros, .len = sizeof zeros};
		if (element)
			*b = *(const ProtobufCBinaryData *)element;
		packed = change_alloc(b->len);
		memcpy(packed, b->data, b->len);
		b->data = packed;
		return;
	}
	len = protobuf_c_message_get_packed_size(*(ProtobufCMessage *const *)element);
	packed = change_alloc(len);
	protobuf_c_message_pack(*(ProtobufCMessage *const *)element, packed);
	*(ProtobufCMessage **)to = protobuf_c_message_unpack(f->descriptor, NULL, len, packed);
	free(packed);
}

static bool
list_pad(const struct change *c, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	size_t size = element_size(c, f), *n = field_count(m, f);
	char **list = field_at(m, f), *grown;

	if (*n == 0 && f->type == PROTOBUF_C_TYPE_MESSAGE)
		return false;
	grown = change_alloc((*n + 1) * size);
	if (*n)
		memcpy(grown, *list, *n * size);
	element_copy(f, *n ? grown + (*n - 1) * size : NULL, grown + *n * size);
	free(*list);
	*list = grown;
	*n += 1;
	return true;
}

static bool
list_swap(const struct change *c, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	size_t size = element_size(c, f);
	char *list = *(char **)field_at(m, f), kept[sizeof(ProtobufCBinaryData)];

	if (*field_count(m, f) < 2)
		return false;
	memcpy(kept, list, size);
	memcpy(list, list + size, size);
	memcpy(list + size, kept, size);
	return true;
}

static bool
list_flood(const struct change *c, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	size_t *n = field_count(m, f);
	ProtobufCBinaryData **list = field_at(m, f), *grown;

	if (f->type != PROTOBUF_C_TYPE_BYTES)
		change_die(c, "no list of bytes");
	grown = change_alloc((*n + FLOOD_ELEMENTS) * sizeof *grown);
	if (*n)
		memcpy(grown, *list, *n * sizeof *grown);
	memset(grown + *n, 0, FLOOD_ELEMENTS * sizeof *grown);
	free(*list);
	*list = grown;
	*n += FLOOD_ELEMENTS;
	return true;
}

/* The first text field of a message. */
static const char *
message_name(const ProtobufCMessage *m)
{
	unsigned i;

	for (i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];

		if (f->type == PROTOBUF_C_TYPE_STRING && f->label != PROTOBUF_C_LABEL_REPEATED)
			return *(char *const *)(const void *)((const char *)m + f->offset);
	}
	return "";
}

static bool
list_drop(const struct change *c, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	ProtobufCMessage **list = *(ProtobufCMessage ***)field_at(m, f);
	size_t i, kept = 0, *n = field_count(m, f), before = *n;

	if (f->type != PROTOBUF_C_TYPE_MESSAGE)
		change_die(c, "no list of messages");
	for (i = 0; i < before; i++)
		if (strcmp(message_name(list[i]), c->arg) == 0)
			protobuf_c_message_free_unpacked(list[i], NULL);
		else
			list[kept++] = list[i];
	*n = kept;
	return kept != before;
}

/* Takes elements off the end until only so many are left. */
static bool
list_cut(
    const struct change *c, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t left)
{
	size_t size = element_size(c, f), *n = field_count(m, f), before = *n;
	char *list = *(char **)field_at(m, f);

	while (*n > left)
		element_free(f, list + --*n * size);
	return *n != before;
}

static bool
list_change(const struct change *c, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	size_t n = *field_count(m, f);

	switch (c->op) {
	case CHANGE_CUT:
		return list_cut(c, m, f, n ? n - 1 : 0);
	case CHANGE_CLEAR:
		return list_cut(c, m, f, 0);
	case CHANGE_PAD:
		return list_pad(c, m, f);
	case CHANGE_SWAP:
		return list_swap(c, m, f);
	case CHANGE_FLOOD:
		return list_flood(c, m, f);
	case CHANGE_DROP:
		return list_drop(c, m, f);
	case CHANGE_FLIP:
	case CHANGE_SHORT:
	case CHANGE_LONG:
		if (f->type != PROTOBUF_C_TYPE_BYTES)
			change_die(c, "no list of bytes");
		return n && bytes_change(c, *(ProtobufCBinaryData **)field_at(m, f));
	default:
		change_die(c, "no such operation on a list");
		return false;
	}
}

/* ---- Finding the fields. ---- */

/* Follows the fields of the path below a message of its type. */
static unsigned
path_apply(const struct change *c, ProtobufCMessage *m, const char *path)
{
	const ProtobufCFieldDescriptor *f;
	char name[CHANGE_TEXT_MAX];
	size_t len = strcspn(path, ".");
	ProtobufCMessage *below;

	memcpy(name, path, len);
	name[len] = 0;
	f = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
	if (!f)
		change_die(c, "no such field");
	if (!field_is_chosen(m, f))
		return 0;
	if (!path[len])
		return f->label == PROTOBUF_C_LABEL_REPEATED ? list_change(c, m, f)
							     : field_change(c, m, f);
	if (f->type != PROTOBUF_C_TYPE_MESSAGE || f->label == PROTOBUF_C_LABEL_REPEATED)
		change_die(c, "leads through what is no message");
	below = *(ProtobufCMessage **)field_at(m, f);
	return below ? path_apply(c, below, path + len + 1) : 0;
}

static uint64_t
number_of(ProtobufCMessage *m, const char *field)
{
	const ProtobufCFieldDescriptor *f =
	    protobuf_c_message_descriptor_get_field_by_name(m->descriptor, field);

	return f && f->type == PROTOBUF_C_TYPE_UINT64 ? *(uint64_t *)field_at(m, f) : 0;
}

/* The transaction that a message belongs to: its own if it says so, else that of what it is in. */
static uint64_t
message_tx(ProtobufCMessage *m, uint64_t outer)
{
	const char *type = m->descriptor->short_name;
	const ProtobufCFieldDescriptor *f;
	ProtobufCMessage *header;

	if (strcmp(type, "TxHeader") == 0)
		return number_of(m, "id");
	if (strcmp(type, "Entry") == 0)
		return number_of(m, "tx");
	if (strcmp(type, "ImmutableState") == 0)
		return number_of(m, "txId");
	if (strcmp(type, "Tx") != 0)
		return outer;
	f = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "header");
	header = *(ProtobufCMessage **)field_at(m, f);
	return header ? number_of(header, "id") : outer;
}

static unsigned
message_walk(const struct change *c, ProtobufCMessage *m, uint64_t outer)
{
	uint64_t tx = message_tx(m, outer);
	size_t type = strcspn(c->path, "."), k;
	unsigned i, hits = 0;

	if (strncmp(c->path, m->descriptor->short_name, type) == 0 &&
	    m->descriptor->short_name[type] == 0 && (c->tx == 0 || c->tx == tx))
		hits += path_apply(c, m, c->path + type + 1);
	for (i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		void *at = field_at(m, f);

		if (f->type != PROTOBUF_C_TYPE_MESSAGE || !field_is_chosen(m, f))
			continue;
		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			for (k = 0; k < *field_count(m, f); k++)
				hits += message_walk(c, (*(ProtobufCMessage ***)at)[k], tx);
		else if (*(ProtobufCMessage **)at)
			hits += message_walk(c, *(ProtobufCMessage **)at, tx);
	}
	return hits;
}

unsigned
change_apply(const struct change *c, ProtobufCMessage *m)
{
	return message_walk(c, m, 0);
}

/* ---- What there is to alter. ---- */

static bool
field_is_there(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	if (!field_is_chosen(m, f))
		return false;
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return *field_count(m, f) > 0;
	if (f->type == PROTOBUF_C_TYPE_BYTES)
		return ((ProtobufCBinaryData *)field_at(m, f))->len > 0;
	if (f->type == PROTOBUF_C_TYPE_BOOL)
		return *(protobuf_c_boolean *)field_at(m, f);
	return f->type != PROTOBUF_C_TYPE_MESSAGE || *(ProtobufCMessage **)field_at(m, f);
}

static const char *
field_op(const ProtobufCFieldDescriptor *f)
{
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return "cut";
	switch (f->type) {
	case PROTOBUF_C_TYPE_BYTES:
		return "flip";
	case PROTOBUF_C_TYPE_STRING:
		return "set other";
	case PROTOBUF_C_TYPE_MESSAGE:
	case PROTOBUF_C_TYPE_BOOL:
		return "clear";
	default:
		return "add 1";
	}
}

void
change_each_field(ProtobufCMessage *m, change_field_fn *fn, void *arg)
{
	char text[3 * CHANGE_TEXT_MAX];
	unsigned i;
	size_t k;

	for (i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		void *at = field_at(m, f);

		if (!field_is_there(m, f))
			continue;
		snprintf(
		    text, sizeof text, "%s.%s %s", m->descriptor->short_name, f->name, field_op(f));
		fn(arg, text);
		if (f->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if (f->label != PROTOBUF_C_LABEL_REPEATED)
			change_each_field(*(ProtobufCMessage **)at, fn, arg);
		else
			for (k = 0; k < *field_count(m, f); k++)
				change_each_field((*(ProtobufCMessage ***)at)[k], fn, arg);
	}
}
