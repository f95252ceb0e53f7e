/*
 * The names of members. Neighbours: json_read.c finds fields by them, json_write.c writes them, the
 * documentation lists them.
 *
 * Invariant: for each style, a field has one name; all its names find it. No name of a field of a
 * message means another field of the same message (a unit test checks it).
 */
#include "json_internal.h"
#include "proto/immudb.pb-c.h"

/* What version 0.9 called differently. */
static const struct {
	const ProtobufCMessageDescriptor *message;
	const char *name, *old;
} old_names[] = {
    {&immudb__schema__database__descriptor, "databaseName", "databasename"},
    {&immudb__schema__tx__descriptor, "header", "metadata"},
    {&immudb__schema__dual_proof__descriptor, "sourceTxHeader", "sourceTxMetadata"},
    {&immudb__schema__dual_proof__descriptor, "targetTxHeader", "targetTxMetadata"},
};

const char *
json_old_name(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f)
{
	for (size_t i = 0; i < sizeof old_names / sizeof *old_names; i++)
		if (old_names[i].message == d && strcmp(old_names[i].name, f->name) == 0)
			return old_names[i].old;
	return NULL;
}

/* The lowerCamelCase character of name at *p; moves behind it. '\0' at the end. */
static char
camel_next(const char **p)
{
	char c = **p;

	if (c == '\0')
		return c;
	(*p)++;
	if (c != '_')
		return c;
	c = **p;
	if (c == '\0')
		return c;
	(*p)++;
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool
camel_equals(const char *name, struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (camel_next(&name) != (char)text.data[i] || text.data[i] == '\0')
			return false;
	return *name == '\0';
}

static bool
plain_equals(const char *name, struct bytes text)
{
	return strncmp(name, (const char *)text.data, text.len) == 0 && name[text.len] == '\0';
}

static bool
field_is_called(
    const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f, struct bytes name)
{
	const char *old;

	if (plain_equals(f->name, name) || camel_equals(f->name, name))
		return true;
	old = json_old_name(d, f);
	return old && plain_equals(old, name);
}

const ProtobufCFieldDescriptor *
json_find_field(const ProtobufCMessageDescriptor *d, struct bytes name)
{
	if (name.len == 0 || name.len > JSON_NAME_MAX || memchr(name.data, '\0', name.len))
		return NULL;
	for (unsigned i = 0; i < d->n_fields; i++)
		if (plain_equals(d->fields[i].name, name))
			return &d->fields[i];
	for (unsigned i = 0; i < d->n_fields; i++)
		if (field_is_called(d, &d->fields[i], name))
			return &d->fields[i];
	return NULL;
}

void
json_append_field_name(struct buf *out, const ProtobufCMessageDescriptor *d,
    const ProtobufCFieldDescriptor *f, unsigned style)
{
	const char *old = style & JSON_NAMES_0_9 ? json_old_name(d, f) : NULL, *p = f->name;
	uint8_t *to = buf_reserve(out, JSON_NAME_MAX);
	size_t n = 0;

	if (!to)
		return;
	if (old)
		p = old;
	while (*p && n < JSON_NAME_MAX)
		to[n++] = (uint8_t)(style & JSON_NUMBERS ? *p++ : camel_next(&p));
	out->len += n;
}
