#ifndef SCHEMA_CHECK_H
#define SCHEMA_CHECK_H

#include <json-c/json.h>
#include <stdbool.h>

/*
 * Checks JSON values against the schemas of an OpenAPI document: what those of ours use of JSON
 * Schema, and nothing else. Whatever else stands in a schema fails the test.
 */

/* What "#/a/b" refers to in the document, or NULL. */
struct json_object *schema_resolve(struct json_object *document, const char *ref);

/* Whether value fits the schema; if not, why is printed. */
bool
schema_fits(struct json_object *document, struct json_object *schema, struct json_object *value);

#endif
