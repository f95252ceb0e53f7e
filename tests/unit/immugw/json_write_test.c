/*
 * Messages to JSON in every style; lists and long values piece by piece are what they are as a
 * whole.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "immugw/random_message.h"
#include "json.h"
#include "rpc/method.h"
#include "util/base64.h"

#define TEXT_MAX (4u << 20)
#define ARENA_CAP (64u << 20)

static void
check_written(const ProtobufCMessage *m, unsigned style, const char *expected)
{
	struct buf out;

	buf_init(&out, TEXT_MAX);
	json_write(&out, m, style);
	buf_append_u8(&out, '\0');
	assert_int_equal(out.err, IM_OK);
	assert_string_equal((const char *)out.data, expected);
	buf_free(&out);
}

static void
test_styles(void **state)
{
	Immudb__Schema__DatabaseInfo info = IMMUDB__SCHEMA__DATABASE_INFO__INIT;
	Immudb__Schema__Database database = IMMUDB__SCHEMA__DATABASE__INIT;
	Immudb__Schema__ChangePermissionRequest change =
	    IMMUDB__SCHEMA__CHANGE_PERMISSION_REQUEST__INIT;
	Immudb__Schema__TxHeader header = IMMUDB__SCHEMA__TX_HEADER__INIT;
	Immudb__Schema__Tx tx = IMMUDB__SCHEMA__TX__INIT;

	(void)state;
	info.disksize = UINT64_MAX;
	info.created_at = 1;
	check_written(&info.base, JSON_STRINGS,
	    "{\"diskSize\":\"18446744073709551615\",\"createdAt\":\"1\"}");
	check_written(
	    &info.base, JSON_NUMBERS, "{\"diskSize\":18446744073709551615,\"created_at\":1}");
	database.databasename = (char *)"db";
	check_written(&database.base, JSON_STRINGS, "{\"databaseName\":\"db\"}");
	check_written(&database.base, JSON_NAMES_0_9, "{\"databasename\":\"db\"}");
	change.action = IMMUDB__SCHEMA__PERMISSION_ACTION__REVOKE;
	check_written(&change.base, JSON_STRINGS, "{\"action\":\"REVOKE\"}");
	check_written(&change.base, JSON_NUMBERS, "{\"action\":1}");
	header.id = 3;
	header.ts = INT64_MIN;
	header.nentries = -5;
	tx.header = &header;
	check_written(&tx.base, JSON_STRINGS,
	    "{\"header\":{\"id\":\"3\",\"ts\":\"-9223372036854775808\",\"nentries\":-5}}");
	check_written(&tx.base, JSON_NUMBERS | JSON_NAMES_0_9,
	    "{\"metadata\":{\"id\":3,\"ts\":-9223372036854775808,\"nentries\":-5}}");
}

static void
check_score(double score, const char *expected)
{
	Immudb__Schema__Score m = IMMUDB__SCHEMA__SCORE__INIT;

	m.score = score;
	check_written(&m.base, JSON_STRINGS, expected);
	check_written(&m.base, JSON_NUMBERS, expected);
}

static void
test_floating_point(void **state)
{
	Immudb__Schema__NullableFloat f = IMMUDB__SCHEMA__NULLABLE_FLOAT__INIT;

	(void)state;
	check_score(0.1, "{\"score\":0.1}");
	check_score(-2, "{\"score\":-2}");
	check_score(5e-324, "{\"score\":4.94065645841247e-324}");
	check_score(1e22, "{\"score\":1e+22}");
	check_score(0.0, "{}");
	check_score(-0.0, "{\"score\":-0}");
	check_score((double)NAN, "{\"score\":\"NaN\"}");
	check_score((double)INFINITY, "{\"score\":\"Infinity\"}");
	check_score(-(double)INFINITY, "{\"score\":\"-Infinity\"}");
	f.value = 0.1f;
	check_written(&f.base, JSON_STRINGS, "{\"value\":0.1}");
	f.value = 16777217.0f;
	check_written(&f.base, JSON_STRINGS, "{\"value\":16777216}");
	f.value = (float)INFINITY;
	check_written(&f.base, JSON_STRINGS, "{\"value\":\"Infinity\"}");
}

/* Strings of a server are text; whatever they hold, what comes out is JSON. */
static void
test_strings(void **state)
{
	Immudb__Schema__Database m = IMMUDB__SCHEMA__DATABASE__INIT;
	char bad[] = "a\xff\"\\\x01\n\x7f\xc3\xa9";

	(void)state;
	m.databasename = bad;
	check_written(&m.base, JSON_STRINGS,
	    "{\"databaseName\":\"a\\ufffd\\\"\\\\\\u0001\\n\\u007f\xc3\xa9\"}");
	m.databasename = NULL;
	check_written(&m.base, JSON_STRINGS, "{}");
}

static void
test_enum_unknown(void **state)
{
	Immudb__Schema__ChangePermissionRequest m = IMMUDB__SCHEMA__CHANGE_PERMISSION_REQUEST__INIT;
	int unknown = 9;

	(void)state;
	memcpy(&m.action, &unknown, sizeof unknown);
	check_written(&m.base, JSON_STRINGS, "{\"action\":9}");
}

static void
test_buffer_too_small(void **state)
{
	Immudb__Schema__Database m = IMMUDB__SCHEMA__DATABASE__INIT;
	struct buf out;

	(void)state;
	m.databasename = (char *)"a long name";
	buf_init(&out, 10);
	json_write(&out, &m.base, JSON_STRINGS);
	assert_int_equal(out.err, IM_ERR_LIMIT);
	buf_free(&out);
}

static void
test_list(void **state)
{
	Immudb__Schema__Entry entries[3], *items[3];
	Immudb__Schema__Entries whole = IMMUDB__SCHEMA__ENTRIES__INIT;
	struct json_list list;
	struct buf out, all;

	(void)state;
	buf_init(&out, TEXT_MAX);
	buf_init(&all, TEXT_MAX);
	for (size_t n = 0; n <= 3; n++) {
		buf_clear(&all);
		json_list_begin(&list, &out, "entries", JSON_NUMBERS);
		for (size_t i = 0; i < n; i++) {
			immudb__schema__entry__init(&entries[i]);
			entries[i].tx = i + 1;
			items[i] = &entries[i];
			json_list_add(&list, &entries[i].base);
			/* The caller takes what is there. */
			buf_append_bytes(&all, buf_bytes(&out));
			buf_clear(&out);
		}
		json_list_end(&list);
		buf_append_bytes(&all, buf_bytes(&out));
		buf_append_u8(&all, '\0');
		buf_clear(&out);
		whole.n_entries = n;
		whole.entries = items;
		check_written(&whole.base, JSON_NUMBERS, (const char *)all.data);
	}
	buf_free(&all);
	buf_free(&out);
}

/* Pieces of each size, over values of each length. */
static void
check_pieces(struct bytes value, size_t piece)
{
	struct json_base64 s;
	struct buf out, expected;

	buf_init(&out, TEXT_MAX);
	buf_init(&expected, TEXT_MAX);
	json_base64_begin(&s, &out);
	for (size_t i = 0; i < value.len; i += piece)
		json_base64_add(
		    &s, bytes_of(value.data + i, value.len - i < piece ? value.len - i : piece));
	json_base64_add(&s, bytes_of(NULL, 0));
	json_base64_end(&s);
	buf_append_u8(&expected, '"');
	base64_append(&expected, BASE64_STD, value);
	buf_append_u8(&expected, '"');
	assert_true(bytes_equal(buf_bytes(&out), buf_bytes(&expected)));
	buf_free(&expected);
	buf_free(&out);
}

static void
test_base64_pieces(void **state)
{
	uint8_t value[23];

	(void)state;
	for (size_t i = 0; i < sizeof value; i++)
		value[i] = (uint8_t)(i * 37);
	for (size_t len = 0; len <= sizeof value; len++)
		for (size_t piece = 1; piece <= sizeof value; piece++)
			check_pieces(bytes_of(value, len), piece);
}

/* Whatever a message holds, in whichever style: what is read again is the same. */
static void
check_round_trip(const ProtobufCMessage *m, unsigned style, struct arena *a)
{
	struct buf text, again;
	ProtobufCMessage *same;

	buf_init(&text, TEXT_MAX);
	buf_init(&again, TEXT_MAX);
	json_write(&text, m, style);
	assert_int_equal(text.err, IM_OK);
	if (json_read(m->descriptor, buf_bytes(&text), a, &same) != IM_OK)
		fail_msg(
		    "%.*s: %s", (int)text.len, (const char *)text.data, err_detail(IM_ERR_JSON));
	json_write(&again, same, style);
	assert_true(bytes_equal(buf_bytes(&text), buf_bytes(&again)));
	buf_clear(&text);
	buf_clear(&again);
	json_write(&text, m, JSON_STRINGS);
	json_write(&again, same, JSON_STRINGS);
	assert_true(bytes_equal(buf_bytes(&text), buf_bytes(&again)));
	buf_free(&again);
	buf_free(&text);
}

static void
test_random_messages(void **state)
{
	struct random_source random = {UINT64_C(0x2545f4914f6cdd1d)};
	struct arena a;

	(void)state;
	for (size_t i = 0; i < 20 * RPC_METHOD_COUNT; i++) {
		const struct rpc_method *method = &rpc_methods[i % RPC_METHOD_COUNT];

		/* Their content is a map, which no path has. */
		if (method->answer == &immudb__schema__chunk__descriptor ||
		    method->request == &immudb__schema__chunk__descriptor)
			continue;
		arena_init(&a, ARENA_CAP);
		check_round_trip(random_message(&random, method->request, &a), i % 4, &a);
		check_round_trip(random_message(&random, method->answer, &a), i % 4, &a);
		arena_free(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_styles),
	    cmocka_unit_test(test_floating_point),
	    cmocka_unit_test(test_strings),
	    cmocka_unit_test(test_enum_unknown),
	    cmocka_unit_test(test_buffer_too_small),
	    cmocka_unit_test(test_list),
	    cmocka_unit_test(test_base64_pieces),
	    cmocka_unit_test(test_random_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
