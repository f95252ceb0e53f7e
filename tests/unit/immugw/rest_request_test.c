/*
 * The message that a request's path, query and body make together, and every contradiction in them.
 */
#include "rest_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ARENA_CAP (8u << 20)
#define TEXT_MAX (1u << 20)
#define COUNT(table) (sizeof(table) / sizeof *(table))

struct built {
	const char *verb, *path, *query, *body;
	enum im_err err;
	const char *meaning; /* the message, or the detail of the error */
};

static const struct built built[] = {
    /* GET: path and query. */
    {"GET", "/db/get/aGVsbG8=", "", "", IM_OK, "{\"key\":\"aGVsbG8=\"}"},
    {"GET", "/db/get/_-8", "atTx=5&noWait=true", "", IM_OK,
	"{\"key\":\"/+8=\",\"atTx\":\"5\",\"noWait\":true}"},
    {"GET", "/db/get/YQ==", "atRevision=-2&", "", IM_OK,
	"{\"key\":\"YQ==\",\"atRevision\":\"-2\"}"},
    {"GET", "/db/get/YQ==", "&&sinceTx=%35", "", IM_OK, "{\"key\":\"YQ==\",\"sinceTx\":\"5\"}"},
    {"GET", "/db/mydb/get/YQ==", "", "", IM_OK, "{\"key\":\"YQ==\"}"},
    {"GET", "/db/verified/tx/7", "", "", IM_OK, "{\"tx\":\"7\"}"},
    {"GET", "/db/verifiable/tx/7", "proveSinceTx=3", "", IM_OK,
	"{\"tx\":\"7\",\"proveSinceTx\":\"3\"}"},
    {"GET", "/db/tx/7", "entriesSpec.kvEntriesSpec.action=RESOLVE", "", IM_OK,
	"{\"tx\":\"7\",\"entriesSpec\":{\"kvEntriesSpec\":{\"action\":\"RESOLVE\"}}}"},
    {"GET", "/db/use/defaultdb", "", "", IM_OK, "{\"databaseName\":\"defaultdb\"}"},
    {"GET", "/db/flushindex", "synced=true", "", IM_OK, "{\"synced\":true}"},
    {"GET", "/health", "", "", IM_OK, "{}"},
    /* A body with GET means nothing in HTTP. */
    {"GET", "/health", "", "[", IM_OK, "{}"},
    {"GET", "/db/get/Y", "", "", IM_ERR_JSON, "key: illegal base64 data at input byte 1"},
    {"GET", "/db/tx/x", "", "", IM_ERR_JSON, "tx: must be an unsigned 64-bit integer"},
    {"GET", "/db/tx/18446744073709551616", "", "", IM_ERR_JSON,
	"tx: is out of range for an unsigned 64-bit integer"},
    {"GET", "/db/get/YQ==", "attx=5", "", IM_ERR_JSON, "attx: unknown field"},
    {"GET", "/db/get/YQ==", "atTx", "", IM_ERR_JSON, "atTx: must be an unsigned 64-bit integer"},
    {"GET", "/db/get/YQ==", "=5", "", IM_ERR_JSON, "unknown field"},
    {"GET", "/db/get/YQ==", "key=Yg==", "", IM_ERR_JSON,
	"key: is given twice, with different values"},
    {"GET", "/db/get/YQ==", "atTx=0&atTx=5", "", IM_ERR_ARGUMENT,
	"query: a parameter is given twice"},
    {"GET", "/db/get/YQ==", "atTx=%zz", "", IM_ERR_ARGUMENT, "query: broken escape"},
    {"GET", "/db/get/YQ==", "%00=1", "", IM_ERR_ARGUMENT, "query: broken escape"},
    {"GET", "/db/verified/tx/7", "proveSinceTx=3", "", IM_ERR_JSON,
	"proveSinceTx: the gateway knows it by itself"},
    {"GET", "/health", "x=1", "", IM_ERR_JSON, "x: unknown field"},
    /* POST: body and path. */
    {"POST", "/logout", "", "", IM_OK, "{}"},
    {"POST", "/logout", "", " \r\n\t", IM_OK, "{}"},
    {"POST", "/logout", "", "{}", IM_OK, "{}"},
    {"POST", "/db/set", "", "{\"KVs\":[{\"key\":\"YQ==\"}]}", IM_OK,
	"{\"KVs\":[{\"key\":\"YQ==\"}]}"},
    {"POST", "/db/exampledb/create", "", "", IM_OK, "{\"databaseName\":\"exampledb\"}"},
    {"POST", "/db/exampledb/create", "", "{\"databasename\":\"exampledb\"}", IM_OK,
	"{\"databaseName\":\"exampledb\"}"},
    {"POST", "/db/exampledb/create/v2", "", "{\"ifNotExists\":true}", IM_OK,
	"{\"name\":\"exampledb\",\"ifNotExists\":true}"},
    {"POST", "/db/verified/get", "", "{\"keyRequest\":{\"key\":\"YQ==\"},\"proveSinceTx\":0}",
	IM_OK, "{\"keyRequest\":{\"key\":\"YQ==\"}}"},
    {"POST", "/db/verifiable/get", "", "{\"keyRequest\":{},\"proveSinceTx\":4}", IM_OK,
	"{\"keyRequest\":{},\"proveSinceTx\":\"4\"}"},
    {"POST", "/db/exampledb/create", "", "{\"databaseName\":\"other\"}", IM_ERR_JSON,
	"databaseName: is given twice, with different values"},
    {"POST", "/db/%FF/create", "", "", IM_ERR_JSON, "databaseName: invalid UTF-8"},
    {"POST", "/db/set", "", "[]", IM_ERR_JSON, "must be an object"},
    {"POST", "/db/set", "", "{\"key\":\"YQ==\"}", IM_ERR_JSON, "unknown field \"key\""},
    {"POST", "/db/set", "noWait=true", "{}", IM_ERR_ARGUMENT,
	"query: this path takes its fields in the body"},
    {"POST", "/db/verified/get", "", "", IM_ERR_JSON, "keyRequest: is missing"},
    {"POST", "/db/verified/get", "", "{\"keyRequest\":null}", IM_ERR_JSON,
	"keyRequest: is missing"},
    {"POST", "/db/verified/set", "", "{}", IM_ERR_JSON, "setRequest: is missing"},
    {"POST", "/db/verified/setreference", "", "{}", IM_ERR_JSON, "referenceRequest: is missing"},
    {"POST", "/db/verified/zadd", "", "{}", IM_ERR_JSON, "zAddRequest: is missing"},
    {"POST", "/db/mydb/verified/zadd", "", "{}", IM_ERR_JSON, "zAddRequest: is missing"},
    {"POST", "/db/verifiable/set", "", "{}", IM_ERR_JSON, "setRequest: is missing"},
    {"POST", "/db/verified/get", "", "{\"keyRequest\":{},\"proveSinceTx\":1}", IM_ERR_JSON,
	"proveSinceTx: the gateway knows it by itself"},
};

static enum im_err
build(const struct built *b, struct bytes query, struct arena *a, ProtobufCMessage **m)
{
	struct route_match match;

	assert_int_equal(route_find(b->verb, bytes_str(b->path), &match), ROUTE_FOUND);
	err_clear();
	return rest_request_build(&match, query, bytes_str(b->body), a, m);
}

static void
check_built(const struct built *b)
{
	ProtobufCMessage *m;
	struct arena a;
	struct buf out;
	enum im_err err;

	arena_init(&a, ARENA_CAP);
	buf_init(&out, TEXT_MAX);
	err = build(b, bytes_str(b->query), &a, &m);
	if (err != b->err)
		fail_msg("%s?%s %s: %s", b->path, b->query, b->body, err_detail(err));
	if (err == IM_OK) {
		json_write(&out, m, JSON_STRINGS);
		buf_append_u8(&out, '\0');
		assert_string_equal((const char *)out.data, b->meaning);
	} else {
		assert_null(m);
		assert_string_equal(err_detail(err), b->meaning);
	}
	buf_free(&out);
	arena_free(&a);
}

static void
test_built(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(built); i++)
		check_built(&built[i]);
}

static void
test_query_limits(void **state)
{
	static char text[REST_QUERY_MAX + 2];
	static const struct built get = {.verb = "GET", .path = "/db/get/YQ==", .body = ""};
	ProtobufCMessage *m;
	struct arena a;
	struct buf many;

	(void)state;
	arena_init(&a, ARENA_CAP);
	memset(text, '&', sizeof text - 1);
	assert_int_equal(build(&get, bytes_str(text), &a, &m), IM_ERR_ARGUMENT);
	assert_int_equal(build(&get, bytes_of(text, REST_QUERY_MAX), &a, &m), IM_OK);
	buf_init(&many, TEXT_MAX);
	for (int i = 0; i <= REST_PARAMETERS_MAX; i++)
		buf_printf(&many, "&f%d=1", i);
	assert_int_equal(build(&get, buf_bytes(&many), &a, &m), IM_ERR_ARGUMENT);
	assert_non_null(strstr(err_detail(IM_ERR_ARGUMENT), "more than"));
	buf_free(&many);
	arena_free(&a);
}

static void
test_arena_full(void **state)
{
	static const struct built get = {.verb = "GET", .path = "/db/get/YQ==", .body = ""};
	ProtobufCMessage *m;
	struct arena a;

	(void)state;
	arena_init(&a, 16);
	assert_int_equal(build(&get, bytes_str("atTx=1"), &a, &m), IM_ERR_BODY_SIZE);
	assert_null(m);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_built),
	    cmocka_unit_test(test_query_limits),
	    cmocka_unit_test(test_arena_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
