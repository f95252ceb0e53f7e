#ifndef IMMUGW_OPENAPI_INTERNAL_H
#define IMMUGW_OPENAPI_INTERNAL_H

#include "routes.h"

/* What the files of the OpenAPI document share; nobody else includes this. */

#define OPENAPI_SCHEMAS_MAX 256
#define OPENAPI_REQUEST 0x80 /* beside enum json_style: the form in which a message is read */

/* A message in one form, as something to be described. */
struct openapi_schema {
	const ProtobufCMessageDescriptor *type;
	unsigned form; /* OPENAPI_REQUEST, or enum json_style */
};

/* The document under way: what it refers to is collected and described at its end. */
struct openapi {
	struct buf *out;
	struct openapi_schema schemas[OPENAPI_SCHEMAS_MAX];
	size_t schema_count;
};

/* Appends {"$ref":...} to the message in that form, and remembers to describe it. */
void openapi_append_ref(struct openapi *o, const ProtobufCMessageDescriptor *type, unsigned form);

/* Appends the schema of one value of a field, its list aside. */
void openapi_append_value(struct openapi *o, const ProtobufCFieldDescriptor *f, unsigned form);

/* Appends the members of components.schemas: all that is referred to, and what those refer to. */
void openapi_append_schemas(struct openapi *o);

#endif
