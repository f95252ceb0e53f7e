/*
 * Which row a request finds: paths of each generation, escapes, and everything that must find
 * nothing.
 */
#include "routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/immudb.pb-c.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

struct found {
	const char *verb, *path;
	const char *row;      /* its path in the table */
	const char *database; /* "" for none */
	const char *field;    /* value of the only field, NULL for none */
};

static const struct found found[] = {
    {"POST", "/login", "/login", "", NULL},
    {"GET", "/", "/", "", NULL},
    {"HEAD", "/health", "/health", "", NULL},
    {"POST", "/db/set", "/db/set", "", NULL},
    {"POST", "/%64b/se%74", "/db/set", "", NULL},
    {"POST", "/user/setactiveUser", "/user/setactiveUser", "", NULL},
    {"GET", "/db/use/defaultdb", "/db/use/{databaseName}", "", "defaultdb"},
    {"GET", "/db/get/aGVsbG8=", "/db/get/{key}", "", "aGVsbG8="},
    {"GET", "/db/get/aGVsbG8%3D", "/db/get/{key}", "", "aGVsbG8="},
    {"GET", "/db/get/a%2Fb%2f", "/db/get/{key}", "", "a/b/"},
    {"GET", "/db/get/a+b", "/db/get/{key}", "", "a+b"},
    {"GET", "/db/get/%252F", "/db/get/{key}", "", "%2F"},
    {"GET", "/db/get/%C3%A9", "/db/get/{key}", "", "\xc3\xa9"},
    {"GET", "/db/get/...", "/db/get/{key}", "", "..."},
    {"GET", "/db/tx/5", "/db/tx/{tx}", "", "5"},
    {"GET", "/db/verified/tx/5", "/db/verified/tx/{tx}", "", "5"},
    {"GET", "/db/verifiable/tx/5", "/db/verifiable/tx/{tx}", "", "5"},
    {"POST", "/db/tx", "/db/tx", "", NULL},
    /* The database in the path; where both fit, the earlier literal segment wins. */
    {"POST", "/db/mydb/set", "/db/{databaseName}/set", "mydb", NULL},
    {"GET", "/db/mydb/get/YQ==", "/db/{databaseName}/get/{key}", "mydb", "YQ=="},
    {"GET", "/db/mydb/verified/tx/9", "/db/{databaseName}/verified/tx/{tx}", "mydb", "9"},
    {"GET", "/db/my%2Fdb/state", "/db/{databaseName}/state", "my/db", NULL},
    {"POST", "/db/mydb/create/v2", "/db/{name}/create/v2", "", "mydb"},
    {"POST", "/db/mydb/create", "/db/{databaseName}/create", "", "mydb"},
    {"POST", "/db/create/v2", "/db/create/v2", "", NULL},
    {"POST", "/db/verified/set", "/db/verified/set", "", NULL},
    {"POST", "/db/verified/scan", "/db/{databaseName}/scan", "verified", NULL},
    {"GET", "/db/tx/state", "/db/tx/{tx}", "", "state"},
    {"GET", "/db/get/state", "/db/get/{key}", "", "state"},
    {"POST", "/db/get/set", "/db/{databaseName}/set", "get", NULL},
    {"GET", "/db/get/get/YQ==", "/db/{databaseName}/get/{key}", "get", "YQ=="},
    {"POST", "/db/table/list", "/db/{databaseName}/list", "table", NULL},
    {"GET", "/db/table/list", "/db/table/list", "", NULL},
    /* The older prefix. */
    {"POST", "/v1/immurestproxy/login", "/login", "", NULL},
    {"GET", "/v1/immurestproxy/db/get/YQ%3D%3D", "/db/get/{key}", "", "YQ=="},
    {"GET", "/v1/immurestproxy/db/use/defaultdb", "/db/use/{databaseName}", "", "defaultdb"},
};

static void
test_found(void **state)
{
	struct route_match m;

	(void)state;
	for (size_t i = 0; i < COUNT(found); i++) {
		const struct found *f = &found[i];

		if (route_find(f->verb, bytes_str(f->path), &m) != ROUTE_FOUND)
			fail_msg("%s %s: not found", f->verb, f->path);
		assert_string_equal(m.route->path, f->row);
		assert_true(bytes_equal(m.database, bytes_str(f->database)));
		assert_int_equal(m.field_count, f->field != NULL);
		if (f->field)
			assert_true(bytes_equal(m.fields[0].value, bytes_str(f->field)));
	}
}

struct missed {
	const char *verb, *path;
	enum route_result result;
	unsigned verbs;
};

static const struct missed missed[] = {
    /* No such path. */
    {"GET", "/nothing", ROUTE_NO_PATH, 0},
    {"GET", "/db", ROUTE_NO_PATH, 0},
    {"POST", "/db/set/", ROUTE_NO_PATH, 0},
    {"POST", "//db/set", ROUTE_NO_PATH, 0},
    {"POST", "/db//set", ROUTE_NO_PATH, 0},
    {"POST", "/db/set/more", ROUTE_NO_PATH, 0},
    {"POST", "/db%2Fset", ROUTE_NO_PATH, 0},
    {"POST", "/DB/SET", ROUTE_NO_PATH, 0},
    {"GET", "/db/get/", ROUTE_NO_PATH, 0},
    {"GET", "/db/get/a/b", ROUTE_NO_PATH, 0},
    {"GET", "/db/get/YQ==/", ROUTE_NO_PATH, 0},
    {"GET", "/db//get/YQ==", ROUTE_NO_PATH, 0},
    {"GET", "/a/b/c/d/e/f/g/h/i/j/k", ROUTE_NO_PATH, 0},
    {"GET", "/db/{databaseName}", ROUTE_NO_PATH, 0},
    {"GET", "//", ROUTE_NO_PATH, 0},
    /* Under the older prefix there is only what was there. */
    {"GET", "/v1/immurestproxy", ROUTE_NO_PATH, 0},
    {"GET", "/v1/immurestproxy/", ROUTE_NO_PATH, 0},
    {"POST", "/v1/immurestproxy/db/verified/set", ROUTE_NO_PATH, 0},
    {"POST", "/v1/immurestproxy/db/mydb/set", ROUTE_NO_PATH, 0},
    {"GET", "/v1/immurestproxy/openapi.json", ROUTE_NO_PATH, 0},
    {"POST", "/v1/immurestproxy/db/tx", ROUTE_NO_PATH, 0},
    {"POST", "/v1/immurestproxy/v1/immurestproxy/login", ROUTE_NO_PATH, 0},
    {"POST", "/v1/immurestproxyx/login", ROUTE_NO_PATH, 0},
    /* Another verb. */
    {"GET", "/login", ROUTE_NO_VERB, ROUTE_POST},
    {"HEAD", "/login", ROUTE_NO_VERB, ROUTE_POST},
    {"OPTIONS", "/login", ROUTE_NO_VERB, ROUTE_POST},
    {"DELETE", "/db/get/YQ==", ROUTE_NO_VERB, ROUTE_GET},
    {"post", "/login", ROUTE_NO_VERB, ROUTE_POST},
    {"", "/health", ROUTE_NO_VERB, ROUTE_GET},
    {"PUT", "/db/table/list", ROUTE_NO_VERB, ROUTE_GET | ROUTE_POST},
    {"POST", "/", ROUTE_NO_VERB, ROUTE_GET},
    /* What stands for nothing. */
    {"GET", "", ROUTE_BAD_PATH, 0},
    {"OPTIONS", "*", ROUTE_BAD_PATH, 0},
    {"GET", "health", ROUTE_BAD_PATH, 0},
    {"GET", "/db/get/%", ROUTE_BAD_PATH, 0},
    {"GET", "/db/get/%4", ROUTE_BAD_PATH, 0},
    {"GET", "/db/get/%zz", ROUTE_BAD_PATH, 0},
    {"GET", "/db/get/%4g", ROUTE_BAD_PATH, 0},
    {"GET", "/db/get/%00", ROUTE_BAD_PATH, 0},
    {"GET", "/db/get/a%00b", ROUTE_BAD_PATH, 0},
    {"GET", "/db/get/%0a", ROUTE_BAD_PATH, 0},
    {"GET", "/db/get/%7F", ROUTE_BAD_PATH, 0},
    {"GET", "/db/get/..", ROUTE_BAD_PATH, 0},
    {"GET", "/db/get/%2e%2E", ROUTE_BAD_PATH, 0},
    {"GET", "/db/./state", ROUTE_BAD_PATH, 0},
    {"GET", "/../health", ROUTE_BAD_PATH, 0},
    {"GET", "/a/b/c/d/e/f/g/h/i/j/%", ROUTE_BAD_PATH, 0},
    {"GET", "/db/get/a b", ROUTE_BAD_PATH, 0},
    {"GET", "/db/get/a\tb", ROUTE_BAD_PATH, 0},
    {"GET", "/db/get/\x7f", ROUTE_BAD_PATH, 0},
    {"GET", "/db/get/\xc3\xa9", ROUTE_BAD_PATH, 0},
};

static void
test_missed(void **state)
{
	struct route_match m;

	(void)state;
	for (size_t i = 0; i < COUNT(missed); i++) {
		const struct missed *w = &missed[i];

		if (route_find(w->verb, bytes_str(w->path), &m) != w->result)
			fail_msg("%s %s", w->verb, w->path);
		assert_null(m.route);
		assert_int_equal(m.verbs, w->verbs);
	}
}

static void
test_length(void **state)
{
	static char path[ROUTE_PATH_MAX + 2];
	struct route_match m;

	(void)state;
	memset(path, 'a', sizeof path - 1);
	memcpy(path, "/db/get/", 8);
	assert_int_equal(route_find("GET", bytes_str(path), &m), ROUTE_TOO_LONG);
	path[ROUTE_PATH_MAX] = '\0';
	assert_int_equal(route_find("GET", bytes_str(path), &m), ROUTE_FOUND);
	assert_int_equal(m.fields[0].value.len, ROUTE_PATH_MAX - 8);
}

/* The path of a row with something in its braces, at out. */
static void
fill_path(const struct route *r, struct buf *out)
{
	for (const char *p = r->path; *p; p++) {
		if (*p != '{') {
			buf_append_u8(out, (uint8_t)*p);
			continue;
		}
		buf_append_str(out, "some_name");
		p = strchr(p, '}');
		assert_non_null(p);
	}
}

/*
 * Each row is found by its own path, so that none hides another; its names are fields of the
 * request.
 */
static void
test_rows(void **state)
{
	struct route_match m;
	struct buf path;

	(void)state;
	for (size_t i = 0; i < route_count; i++) {
		const struct route *r = &routes[i];
		const char *verb = r->verb == ROUTE_POST ? "POST" : "GET";

		assert_true(r->verb == ROUTE_POST || r->verb == ROUTE_GET);
		assert_int_equal(r->method == NULL, (r->flags & (ROUTE_ABSENT | ROUTE_LOCAL)) != 0);
		assert_int_equal(r->answer == NULL, r->method == NULL);
		buf_init(&path, ROUTE_PATH_MAX);
		fill_path(r, &path);
		assert_int_equal(route_find(verb, buf_bytes(&path), &m), ROUTE_FOUND);
		assert_ptr_equal(m.route, r);
		assert_int_equal(m.database.len > 0, (r->flags & ROUTE_DATABASE) != 0);
		for (size_t k = 0; k < m.field_count && r->method; k++)
			assert_non_null(json_find_field(r->method->request, m.fields[k].name));
		buf_clear(&path);
		buf_append_str(&path, ROUTE_OLD_PREFIX);
		fill_path(r, &path);
		assert_int_equal(route_find(verb, buf_bytes(&path), &m) == ROUTE_FOUND,
		    (r->flags & ROUTE_OLD) != 0);
		buf_free(&path);
	}
}

/* What is written is the method's answer, or the thing that a verified path proved. */
static void
test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < route_count; i++) {
		const struct route *r = &routes[i];

		if (!r->method)
			continue;
		if (!(r->flags & ROUTE_VERIFIED)) {
			assert_ptr_equal(r->answer, r->method->answer);
			continue;
		}
		assert_non_null(json_find_field(r->method->request, bytes_str("proveSinceTx")));
		assert_true(r->answer == &immudb__schema__tx_header__descriptor ||
		    r->answer == &immudb__schema__entry__descriptor ||
		    r->answer == &immudb__schema__tx__descriptor);
	}
}

/* Everything that may be written has only what the writer knows: no map. */
static void
check_no_map(const ProtobufCMessageDescriptor *d)
{
	size_t n = strlen(d->short_name);

	assert_false(n > 5 && strcmp(d->short_name + n - 5, "Entry") == 0 && d->n_fields == 2 &&
	    strcmp(d->fields[0].name, "key") == 0 && strcmp(d->fields[1].name, "value") == 0);
	for (unsigned i = 0; i < d->n_fields; i++)
		if (d->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			check_no_map(d->fields[i].descriptor);
}

static void
test_no_maps(void **state)
{
	(void)state;
	for (size_t i = 0; i < route_count; i++) {
		if (!routes[i].method)
			continue;
		check_no_map(routes[i].method->request);
		check_no_map(routes[i].answer);
	}
}

static void
check_allow(unsigned verbs, const char *expected)
{
	struct buf b;

	buf_init(&b, 64);
	route_append_allow(&b, verbs);
	assert_true(bytes_equal(buf_bytes(&b), bytes_str(expected)));
	buf_free(&b);
}

static void
test_allow(void **state)
{
	(void)state;
	check_allow(ROUTE_GET, "GET, HEAD, OPTIONS");
	check_allow(ROUTE_POST, "POST, OPTIONS");
	check_allow(ROUTE_GET | ROUTE_POST, "GET, HEAD, POST, OPTIONS");
}

static void
test_decode(void **state)
{
	uint8_t out[16];

	(void)state;
	assert_int_equal(route_decode(bytes_str("a+b%2B"), true, out), 4);
	assert_memory_equal(out, "a b+", 4);
	assert_int_equal(route_decode(bytes_str("a+b"), false, out), 3);
	assert_memory_equal(out, "a+b", 3);
	assert_int_equal(route_decode(bytes_str(""), false, out), 0);
	assert_int_equal(route_decode(bytes_of("a\0b", 3), false, out), SIZE_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_found),
	    cmocka_unit_test(test_missed),
	    cmocka_unit_test(test_length),
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_no_maps),
	    cmocka_unit_test(test_allow),
	    cmocka_unit_test(test_decode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
