/*
 * The OpenAPI document: as it was when somebody last looked (tests/golden/openapi.json;
 * GOLDEN_UPDATE=1 writes it again), well formed, complete, with examples that the gateway itself
 * accepts.
 */
#include "openapi.h"

#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "immugw/schema_check.h"
#include "rest_request.h"
#include "util/file.h"

#define GOLDEN TEST_SOURCE_DIR "/tests/golden/openapi.json"
#define VERSION "0.0.0"
#define ARENA_CAP (1u << 20)
#define PATH_MAX_BYTES 512

static void
write_document(struct buf *out)
{
	buf_init(out, OPENAPI_MAX);
	openapi_write(out, VERSION);
	assert_int_equal(out->err, IM_OK);
}

static void
update_golden(struct bytes text)
{
	FILE *f = fopen(GOLDEN, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text.data, 1, text.len, f), text.len);
	assert_int_equal(fclose(f), 0);
}

static void
test_golden(void **state)
{
	struct buf document, golden;

	(void)state;
	write_document(&document);
	if (getenv("GOLDEN_UPDATE"))
		update_golden(buf_bytes(&document));
	buf_init(&golden, OPENAPI_MAX);
	assert_int_equal(file_read(GOLDEN, OPENAPI_MAX, &golden), IM_OK);
	if (!bytes_equal(buf_bytes(&document), buf_bytes(&golden)))
		fail_msg("not as in %s; GOLDEN_UPDATE=1 writes it again", GOLDEN);
	buf_free(&golden);
	buf_free(&document);
}

static struct json_object *
parse_document(void)
{
	struct json_tokener *t = json_tokener_new();
	struct json_object *root;
	struct buf document;

	assert_non_null(t);
	write_document(&document);
	json_tokener_set_flags(t, JSON_TOKENER_STRICT);
	root = json_tokener_parse_ex(t, (const char *)document.data, (int)document.len);
	assert_non_null(root);
	json_tokener_free(t);
	buf_free(&document);
	return root;
}

static size_t
check_refs(struct json_object *root, struct json_object *at)
{
	size_t n = 0;

	if (json_object_is_type(at, json_type_array))
		for (size_t i = 0; i < json_object_array_length(at); i++)
			n += check_refs(root, json_object_array_get_idx(at, i));
	if (!json_object_is_type(at, json_type_object))
		return n;
	json_object_object_foreach(at, name, value)
	{
		if (strcmp(name, "$ref") == 0) {
			if (!schema_resolve(root, json_object_get_string(value)))
				fail_msg("%s refers to nothing", json_object_get_string(value));
			n++;
		}
		n += check_refs(root, value);
	}
	return n;
}

static void
test_references(void **state)
{
	struct json_object *root = parse_document();

	(void)state;
	assert_true(check_refs(root, root) > 500);
	json_object_put(root);
}

static void
test_complete(void **state)
{
	struct json_object *root = parse_document(), *paths, *path, *operation, *id;
	const char *seen[256];
	size_t count = 0;

	(void)state;
	paths = json_object_object_get(root, "paths");
	for (size_t i = 0; i < route_count; i++) {
		path = json_object_object_get(paths, routes[i].path);
		operation =
		    json_object_object_get(path, routes[i].verb == ROUTE_POST ? "post" : "get");
		assert_int_equal(operation == NULL, (routes[i].flags & ROUTE_ABSENT) != 0);
		if (!operation)
			continue;
		id = json_object_object_get(operation, "operationId");
		for (size_t k = 0; k < count; k++)
			assert_string_not_equal(seen[k], json_object_get_string(id));
		seen[count++] = json_object_get_string(id);
	}
	json_object_put(root);
}

/* The path of a row with its examples in the braces. */
static void
example_path(const struct route *r, struct buf *out)
{
	const char *at = r->path, *open, *close;

	while ((open = strchr(at, '{'))) {
		struct bytes name;

		close = strchr(open, '}');
		assert_non_null(close);
		name = bytes_of(open + 1, (size_t)(close - open - 1));
		buf_append(out, at, (size_t)(open - at));
		assert_non_null(openapi_example_field(r, name));
		buf_append_str(out, openapi_example_field(r, name));
		at = close + 1;
	}
	buf_append_str(out, at);
}

static void
check_example(const struct route *r)
{
	const char *body = openapi_example_body(r);
	struct route_match match;
	ProtobufCMessage *m;
	struct arena a;
	struct buf path;

	arena_init(&a, ARENA_CAP);
	buf_init(&path, PATH_MAX_BYTES);
	example_path(r, &path);
	assert_int_equal(
	    route_find(r->verb == ROUTE_POST ? "POST" : "GET", buf_bytes(&path), &match),
	    ROUTE_FOUND);
	assert_ptr_equal(match.route, r);
	if (r->method &&
	    rest_request_build(&match, bytes_str(""), bytes_str(body ? body : ""), &a, &m) != IM_OK)
		fail_msg("%s: %s", r->path, err_detail(IM_ERR_JSON));
	/* Whoever takes a body shows one. */
	if (r->method && r->verb == ROUTE_POST)
		assert_non_null(body);
	buf_free(&path);
	arena_free(&a);
}

static void
test_examples(void **state)
{
	(void)state;
	for (size_t i = 0; i < route_count; i++)
		check_example(&routes[i]);
	assert_null(openapi_example_field(&routes[0], bytes_str("unknown")));
}

static void
test_too_small(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	openapi_write(&out, VERSION);
	assert_int_equal(out.err, IM_ERR_LIMIT);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden),
	    cmocka_unit_test(test_references),
	    cmocka_unit_test(test_complete),
	    cmocka_unit_test(test_examples),
	    cmocka_unit_test(test_too_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
