/* JSON Schema as far as the gateway's document uses it; see the header. */
#include "immugw/schema_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PATH_BYTES_MAX 512

struct json_object *
schema_resolve(struct json_object *document, const char *ref)
{
	struct json_object *at = document;
	char path[PATH_BYTES_MAX], *rest = path, *name;

	assert_true(strlen(ref) < sizeof path && strncmp(ref, "#/", 2) == 0);
	strcpy(path, ref + 2);
	while (at && (name = strsep(&rest, "/")))
		at = json_object_object_get(at, name);
	return at;
}

static bool
misfit(const char *what, struct json_object *value)
{
	printf("%s: %s\n", what, json_object_to_json_string(value));
	return false;
}

static bool
type_is(const char *name, struct json_object *value)
{
	enum json_type type = json_object_get_type(value);

	if (strcmp(name, "integer") == 0)
		return type == json_type_int;
	if (strcmp(name, "number") == 0)
		return type == json_type_int || type == json_type_double;
	return strcmp(name, json_type_to_name(type)) == 0;
}

static bool
types_fit(struct json_object *types, struct json_object *value)
{
	if (!types)
		return true;
	if (json_object_is_type(types, json_type_string))
		return type_is(json_object_get_string(types), value);
	for (size_t i = 0; i < json_object_array_length(types); i++)
		if (type_is(json_object_get_string(json_object_array_get_idx(types, i)), value))
			return true;
	return false;
}

static bool
format_fits(const char *format, struct json_object *value)
{
	const char *text;

	if (!json_object_is_type(value, json_type_string))
		return true;
	text = json_object_get_string(value);
	if (strcmp(format, "float") == 0 || strcmp(format, "double") == 0)
		return strcmp(text, "NaN") == 0 || strcmp(text, "Infinity") == 0 ||
		    strcmp(text, "-Infinity") == 0;
	text += strcmp(format, "int64") == 0 && *text == '-';
	return *text && strspn(text, "0123456789") == strlen(text);
}

static bool
encoding_fits(struct json_object *value)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *text = json_object_get_string(value);

	return strlen(text) % 4 == 0 && strspn(text + strspn(text, digits), "=") <= 2;
}

static bool
members_fit(struct json_object *document, struct json_object *schema, struct json_object *value)
{
	struct json_object *members = json_object_object_get(schema, "properties");
	struct json_object *most = json_object_object_get(schema, "maxProperties");

	assert_false(
	    json_object_get_boolean(json_object_object_get(schema, "additionalProperties")));
	if (most && json_object_object_length(value) > json_object_get_int(most))
		return misfit("too many members", value);
	json_object_object_foreach(value, name, inner)
	{
		struct json_object *member = json_object_object_get(members, name);

		if (!member)
			return misfit(name, value);
		if (!schema_fits(document, member, inner))
			return false;
	}
	return true;
}

/* A word that is not known here would be a promise that nobody checks. */
static void
check_words(struct json_object *schema)
{
	static const char *const known[] = {"$ref", "type", "format", "contentEncoding",
	    "properties", "additionalProperties", "maxProperties", "items", "description",
	    "required"};

	json_object_object_foreach(schema, word, meaning)
	{
		size_t i = 0;

		(void)meaning;
		while (i < sizeof known / sizeof *known && strcmp(known[i], word) != 0)
			i++;
		assert_true(i < sizeof known / sizeof *known);
	}
}

bool
schema_fits(struct json_object *document, struct json_object *schema, struct json_object *value)
{
	struct json_object *ref = json_object_object_get(schema, "$ref");
	struct json_object *format = json_object_object_get(schema, "format");
	struct json_object *items = json_object_object_get(schema, "items");

	check_words(schema);
	if (ref) {
		schema = schema_resolve(document, json_object_get_string(ref));
		assert_non_null(schema);
		return schema_fits(document, schema, value);
	}
	if (!types_fit(json_object_object_get(schema, "type"), value))
		return misfit("type", value);
	if (format && !format_fits(json_object_get_string(format), value))
		return misfit("format", value);
	if (json_object_object_get(schema, "contentEncoding") && !encoding_fits(value))
		return misfit("encoding", value);
	if (json_object_is_type(value, json_type_object))
		return members_fit(document, schema, value);
	if (!json_object_is_type(value, json_type_array))
		return true;
	for (size_t i = 0; i < json_object_array_length(value); i++)
		if (!schema_fits(document, items, json_object_array_get_idx(value, i)))
			return false;
	return true;
}
