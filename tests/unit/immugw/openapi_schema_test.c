/*
 * What the document says of messages is what the converter does: random messages, written as each
 * path writes them, fit the schema that the document gives for that path; what fits no schema is
 * refused.
 */
#include "openapi_internal.h"

#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "immugw/random_message.h"
#include "immugw/schema_check.h"
#include "openapi.h"

#define ROUNDS 30
#define ARENA_CAP (16u << 20)
#define TEXT_MAX (4u << 20)

static struct json_object *
parse(struct bytes text)
{
	struct json_tokener *t = json_tokener_new();
	struct json_object *root;

	assert_non_null(t);
	json_tokener_set_flags(t, JSON_TOKENER_STRICT);
	root = json_tokener_parse_ex(t, (const char *)text.data, (int)text.len);
	assert_non_null(root);
	json_tokener_free(t);
	return root;
}

static struct json_object *
parse_document(void)
{
	struct json_object *root;
	struct buf text;

	buf_init(&text, OPENAPI_MAX);
	openapi_write(&text, "0.0.0");
	root = parse(buf_bytes(&text));
	buf_free(&text);
	return root;
}

/* The schema of a route's body or answer in the document. */
static struct json_object *
schema_of(struct json_object *document, const struct route *r, bool is_answer)
{
	struct json_object *at = json_object_object_get(document, "paths");

	at = json_object_object_get(at, r->path);
	at = json_object_object_get(at, r->verb == ROUTE_POST ? "post" : "get");
	at = json_object_object_get(at, is_answer ? "responses" : "requestBody");
	if (is_answer)
		at = json_object_object_get(at, "200");
	at = json_object_object_get(at, "content");
	at = json_object_object_get(at, "application/json");
	return json_object_object_get(at, "schema");
}

static void
check_random(struct random_source *random, struct json_object *document, const struct route *r,
    bool is_answer)
{
	const ProtobufCMessageDescriptor *type = is_answer ? r->answer : r->method->request;
	struct json_object *value, *schema = schema_of(document, r, is_answer);
	struct arena a;
	struct buf text;

	assert_non_null(schema);
	arena_init(&a, ARENA_CAP);
	buf_init(&text, TEXT_MAX);
	json_write(&text, random_message(random, type, &a),
	    is_answer ? r->style : (unsigned)random_next(random) % 4);
	assert_int_equal(text.err, IM_OK);
	value = parse(buf_bytes(&text));
	if (!schema_fits(document, schema, value))
		fail_msg("%s: %s", r->path, is_answer ? "answer" : "body");
	json_object_put(value);
	buf_free(&text);
	arena_free(&a);
}

static void
test_messages_fit(void **state)
{
	struct json_object *document = parse_document();
	struct random_source random = {UINT64_C(0x9e3779b97f4a7c15)};

	(void)state;
	for (size_t i = 0; i < route_count; i++) {
		for (int round = 0; round < ROUNDS && routes[i].method; round++) {
			check_random(&random, document, &routes[i], true);
			if (routes[i].verb == ROUTE_POST)
				check_random(&random, document, &routes[i], false);
		}
	}
	json_object_put(document);
}

struct misfit {
	const char *schema, *text;
};

/* The check itself tells what does not fit. */
static void
test_misfits(void **state)
{
	static const struct misfit rows[] = {
	    {"out.Entry", "{\"tx\":5}"},
	    {"out.numbers.Entry", "{\"tx\":\"5\"}"},
	    {"out.Entry", "{\"tx\":\"x\"}"},
	    {"out.Entry", "{\"key\":\"*\"}"},
	    {"out.Entry", "{\"kee\":\"\"}"},
	    {"out.v09.Tx", "{\"header\":{}}"},
	    {"out.Tx", "{\"metadata\":{}}"},
	    {"out.Entries", "{\"entries\":[5]}"},
	    {"out.Entries", "[]"},
	    {"in.Op", "{\"kv\":{},\"ref\":{}}"},
	    {"in.SetRequest", "{\"noWait\":\"true\"}"},
	};
	struct json_object *document = parse_document(), *value, *schema;
	char ref[128];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		snprintf(ref, sizeof ref, "#/components/schemas/%s", rows[i].schema);
		schema = schema_resolve(document, ref);
		assert_non_null(schema);
		value = parse(bytes_str(rows[i].text));
		if (schema_fits(document, schema, value))
			fail_msg("%s fits %s", rows[i].text, rows[i].schema);
		json_object_put(value);
	}
	json_object_put(document);
}

/* A message is described once, however many paths have it; forms that are alike are one. */
static void
test_forms(void **state)
{
	static const ProtobufCMessageDescriptor *const header =
	    &immudb__schema__tx_header__descriptor;
	static const ProtobufCMessageDescriptor *const empty = &immudb__schema__empty__descriptor;
	struct openapi o = {0};
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	o.out = &out;
	openapi_append_ref(&o, header, JSON_STRINGS);
	openapi_append_ref(&o, header, JSON_STRINGS | JSON_NAMES_0_9);
	assert_int_equal(o.schema_count, 1);
	openapi_append_ref(&o, header, JSON_NUMBERS);
	assert_int_equal(o.schema_count, 2);
	openapi_append_ref(&o, header, OPENAPI_REQUEST);
	assert_int_equal(o.schema_count, 3);
	openapi_append_ref(&o, empty, JSON_NUMBERS | JSON_NAMES_0_9);
	openapi_append_ref(&o, empty, JSON_STRINGS);
	assert_int_equal(o.schema_count, 4);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_messages_fit),
	    cmocka_unit_test(test_misfits),
	    cmocka_unit_test(test_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
