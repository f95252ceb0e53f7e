/*
 * Messages as JSON schemas. Neighbours: openapi.c writes the paths that refer to them; json_write.c
 * and json_read.c do what is described here.
 *
 * Invariants: a message is described once in each form that differs; the order is that of the first
 * reference, so that the document is always the same.
 */
#include <assert.h>

#include "openapi_internal.h"

static void
append_text(struct openapi *o, const char *text)
{
	buf_append_str(o->out, text);
}

/* Which bits of enum json_style make a difference to a message, or to one inside it. */
static unsigned
styles_of(const ProtobufCMessageDescriptor *d)
{
	unsigned styles = 0;

	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];

		if (json_old_name(d, f))
			styles |= JSON_NAMES_0_9;
		if (strchr(f->name, '_') || f->type == PROTOBUF_C_TYPE_ENUM ||
		    f->type == PROTOBUF_C_TYPE_INT64 || f->type == PROTOBUF_C_TYPE_UINT64)
			styles |= JSON_NUMBERS;
		if (f->type == PROTOBUF_C_TYPE_MESSAGE)
			styles |= styles_of((const ProtobufCMessageDescriptor *)f->descriptor);
	}
	return styles;
}

static void
append_name(struct openapi *o, const struct openapi_schema *s)
{
	append_text(o, s->form & OPENAPI_REQUEST ? "in." : "out.");
	append_text(o, s->form & JSON_NAMES_0_9 ? "v09." : "");
	append_text(o, s->form & JSON_NUMBERS ? "numbers." : "");
	append_text(o, s->type->short_name);
}

void
openapi_append_ref(struct openapi *o, const ProtobufCMessageDescriptor *type, unsigned form)
{
	struct openapi_schema s = {type, form};
	size_t i = 0;

	if (!(form & OPENAPI_REQUEST))
		s.form &= styles_of(type);
	while (i < o->schema_count && (o->schemas[i].type != type || o->schemas[i].form != s.form))
		i++;
	assert(i < OPENAPI_SCHEMAS_MAX);
	if (i == o->schema_count)
		o->schemas[o->schema_count++] = s;
	append_text(o, "{\"$ref\":\"#/components/schemas/");
	append_name(o, &s);
	append_text(o, "\"}");
}

static void
append_enum(struct openapi *o, const ProtobufCEnumDescriptor *d, unsigned form)
{
	/* A server of a later version may have values that are not listed here. */
	append_text(o,
	    form & JSON_NUMBERS ? "{\"type\":\"integer\"" : "{\"type\":[\"string\",\"integer\"]");
	append_text(o, ",\"description\":\"");
	for (unsigned i = 0; i < d->n_values; i++)
		buf_printf(o->out, "%s%d %s", i ? ", " : "", d->values[i].value, d->values[i].name);
	append_text(o, "\"}");
}

static void
append_integer_64(struct openapi *o, const char *format, unsigned form)
{
	const char *type = form & OPENAPI_REQUEST ? "[\"integer\",\"string\"]"
	    : form & JSON_NUMBERS                 ? "\"integer\""
						  : "\"string\"";

	buf_printf(o->out, "{\"type\":%s,\"format\":\"%s\"}", type, format);
}

static void
append_integer_32(struct openapi *o, const char *format, unsigned form)
{
	buf_printf(o->out, "{\"type\":%s,\"format\":\"%s\"}",
	    form & OPENAPI_REQUEST ? "[\"integer\",\"string\"]" : "\"integer\"", format);
}

void
openapi_append_value(struct openapi *o, const ProtobufCFieldDescriptor *f, unsigned form)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		openapi_append_ref(o, (const ProtobufCMessageDescriptor *)f->descriptor, form);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		append_enum(o, (const ProtobufCEnumDescriptor *)f->descriptor, form);
		break;
	case PROTOBUF_C_TYPE_INT64:
		append_integer_64(o, "int64", form);
		break;
	case PROTOBUF_C_TYPE_UINT64:
		append_integer_64(o, "uint64", form);
		break;
	case PROTOBUF_C_TYPE_INT32:
		append_integer_32(o, "int32", form);
		break;
	case PROTOBUF_C_TYPE_UINT32:
		append_integer_32(o, "uint32", form);
		break;
	case PROTOBUF_C_TYPE_FLOAT:
		append_text(o, "{\"type\":[\"number\",\"string\"],\"format\":\"float\"}");
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		append_text(o, "{\"type\":[\"number\",\"string\"],\"format\":\"double\"}");
		break;
	case PROTOBUF_C_TYPE_BOOL:
		append_text(o, "{\"type\":\"boolean\"}");
		break;
	case PROTOBUF_C_TYPE_BYTES:
		append_text(o, "{\"type\":\"string\",\"contentEncoding\":\"base64\"}");
		break;
	default:
		assert(f->type == PROTOBUF_C_TYPE_STRING);
		append_text(o, "{\"type\":\"string\"}");
		break;
	}
}

static void
append_property(struct openapi *o, const ProtobufCFieldDescriptor *f, unsigned form)
{
	append_text(o, "\":");
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		append_text(o, "{\"type\":\"array\",\"items\":");
	openapi_append_value(o, f, form);
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		append_text(o, "}");
}

/* The names that a field is read by, or the one that it is written with. */
static void
append_properties(struct openapi *o, const struct openapi_schema *s)
{
	const ProtobufCMessageDescriptor *d = s->type;

	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		const char *old = json_old_name(d, f);

		append_text(o, i ? ",\"" : "\"");
		json_append_field_name(o->out, d, f, s->form);
		append_property(o, f, s->form);
		if (!(s->form & OPENAPI_REQUEST) || !old)
			continue;
		buf_printf(o->out, ",\"%s", old);
		append_property(o, f, s->form);
	}
}

/* A message of alternatives has one of them. */
static bool
is_choice(const ProtobufCMessageDescriptor *d)
{
	for (unsigned i = 0; i < d->n_fields; i++)
		if (!(d->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
			return false;
	return d->n_fields > 0;
}

static void
append_schema(struct openapi *o, const struct openapi_schema *s)
{
	append_text(o, "\n\"");
	append_name(o, s);
	append_text(o, "\":{\"type\":\"object\",\"properties\":{");
	append_properties(o, s);
	append_text(o, "},\"additionalProperties\":false");
	if (is_choice(s->type))
		append_text(o, ",\"maxProperties\":1");
	append_text(o, "}");
}

void
openapi_append_schemas(struct openapi *o)
{
	/* Describing one may add others at the end of the list. */
	for (size_t i = 0; i < o->schema_count; i++) {
		struct openapi_schema s = o->schemas[i];

		if (i > 0)
			append_text(o, ",");
		append_schema(o, &s);
	}
}
