#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <json-c/json.h>
#include <string.h>

#include "alert_json.h"
#include "util/hex.h"

static struct alert
sample(void)
{
	struct alert a = {.server_address = "127.0.0.1:3322",
	    .server_id = "br8eugq036tfln0ct6o0",
	    .database = "defaultdb",
	    .run_at = 1605228822.25,
	    .verdict = AUDIT_FORKED,
	    .reason = "expected one history, seen two",
	    .evidence = "/var/lib/auditor/evidence/e1",
	    .suspect_from = 7,
	    .suspect_to = 9,
	    .previous = {.is_known = true, .tx = 10, .is_signed = true},
	    .current = {.is_known = true, .tx = 12},
	    .previous_signature = bytes_str("sig"),
	    .previous_public_key = bytes_str("key")};

	memset(a.previous.alh.b, 0xab, HASH_SIZE);
	return a;
}

static struct json_object *
parse(const struct alert *a)
{
	struct json_object *o;
	struct buf b;

	buf_init(&b, ALERT_BODY_MAX);
	assert_true(alert_json_append(&b, a, "9m4e2mr0ui3e8a215n4g"));
	assert_int_equal(b.data[b.len - 1], '\n');
	/* One line, whatever is in it. */
	assert_ptr_equal(memchr(b.data, '\n', b.len), b.data + b.len - 1);
	assert_true(buf_append_u8(&b, 0));
	o = json_tokener_parse((const char *)b.data);
	buf_free(&b);
	assert_non_null(o);
	return o;
}

static const char *
text(struct json_object *o, const char *name)
{
	struct json_object *v;

	assert_true(json_object_object_get_ex(o, name, &v));
	return json_object_get_string(v);
}

static void
the_fields_of_the_original_are_there(void **state)
{
	struct alert a = sample();
	struct json_object *o = parse(&a), *previous, *signature;
	char hash[2 * HASH_SIZE + 1];

	(void)state;
	assert_string_equal(text(o, "db"), "defaultdb");
	assert_string_equal(text(o, "run_at"), "2020-11-13T00:53:42.250Z");
	assert_string_equal(text(o, "tampered"), "true");
	assert_true(json_object_object_get_ex(o, "previous_state", &previous));
	assert_string_equal(text(previous, "tx"), "10");
	hex_encode(hash_bytes(&a.previous.alh), hash);
	assert_string_equal(text(previous, "hash"), hash);
	assert_true(json_object_object_get_ex(previous, "signature", &signature));
	assert_string_equal(text(signature, "signature"), "c2ln");
	assert_string_equal(text(signature, "public_key"), "a2V5");
	assert_true(json_object_object_get_ex(o, "current_state", &previous));
	assert_true(json_object_object_get_ex(previous, "signature", &signature));
	assert_string_equal(text(signature, "signature"), "");
	json_object_put(o);
}

static void
what_is_new_is_there_and_no_credentials(void **state)
{
	struct alert a = sample();
	struct json_object *o = parse(&a);

	(void)state;
	assert_string_equal(text(o, "alert_id"), "9m4e2mr0ui3e8a215n4g");
	assert_string_equal(text(o, "verdict"), "forked");
	assert_string_equal(text(o, "text"), audit_verdict_info(AUDIT_FORKED)->text);
	assert_string_equal(text(o, "reason"), "expected one history, seen two");
	assert_string_equal(text(o, "suspect_from_tx"), "7");
	assert_string_equal(text(o, "suspect_to_tx"), "9");
	assert_string_equal(text(o, "evidence"), "/var/lib/auditor/evidence/e1");
	assert_string_equal(text(o, "server_address"), "127.0.0.1:3322");
	assert_string_equal(text(o, "server_id"), "br8eugq036tfln0ct6o0");
	assert_non_null(text(o, "auditor_host"));
	assert_false(json_object_object_get_ex(o, "username", NULL));
	assert_false(json_object_object_get_ex(o, "password", NULL));
	json_object_put(o);
}

static void
what_is_not_known_is_null(void **state)
{
	struct alert a = {.server_address = "a", .database = "d", .verdict = AUDIT_OK};
	struct json_object *o = parse(&a);

	(void)state;
	assert_string_equal(text(o, "tampered"), "false");
	assert_null(text(o, "previous_state"));
	assert_null(text(o, "current_state"));
	assert_null(text(o, "suspect_from_tx"));
	assert_null(text(o, "suspect_to_tx"));
	assert_string_equal(text(o, "evidence"), "");
	assert_string_equal(text(o, "reason"), "");
	json_object_put(o);
}

static void
what_a_server_sent_cannot_break_out(void **state)
{
	struct alert a = sample();
	struct json_object *o;

	(void)state;
	a.database = "a\",\"tampered\":false,\"x\":\"\n\x01\xff";
	a.reason = "\\\"}";
	a.current.tx = UINT64_MAX;
	o = parse(&a);
	assert_string_equal(text(o, "tampered"), "true");
	assert_memory_equal(text(o, "db"), a.database, 27);
	assert_string_equal(text(o, "reason"), "\\\"}");
	json_object_put(o);
}

static void
a_buffer_too_small_is_an_error(void **state)
{
	struct alert a = sample();
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_false(alert_json_append(&b, &a, "id"));
	assert_int_equal(b.err, IM_ERR_LIMIT);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_fields_of_the_original_are_there),
	    cmocka_unit_test(what_is_new_is_there_and_no_credentials),
	    cmocka_unit_test(what_is_not_known_is_null),
	    cmocka_unit_test(what_a_server_sent_cannot_break_out),
	    cmocka_unit_test(a_buffer_too_small_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
