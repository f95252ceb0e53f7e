/*
 * JSON to messages: every accepted way to write a value with what it means (as the writer writes
 * it), every refusal with the place and the reason it gives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "json.h"
#include "proto/immudb.pb-c.h"
#include "rpc/message.h"
#include "rpc/method.h"

#define ARENA_CAP (64u << 20)
#define TEXT_MAX (1u << 20)
#define COUNT(table) (sizeof(table) / sizeof *(table))
#define TYPE(name) (&immudb__schema__##name##__descriptor)

struct accepted {
	const ProtobufCMessageDescriptor *type;
	const char *text;
	const char *meaning; /* written again; NULL: the same as text */
};

static const struct accepted accepted[] = {
    /* Objects, lists, blanks, order. */
    {TYPE(empty), "{}", NULL},
    {TYPE(empty), " \t\r\n{ \n} \n", "{}"},
    {TYPE(set_request), "{\"KVs\":[{\"key\":\"YQ==\",\"value\":\"Yg==\"}],\"noWait\":true}", NULL},
    {TYPE(set_request),
	"{\"noWait\" : true ,\"KVs\" : [ { \"value\":\"Yg==\" , \"key\":\"YQ==\" } ] }",
	"{\"KVs\":[{\"key\":\"YQ==\",\"value\":\"Yg==\"}],\"noWait\":true}"},
    {TYPE(set_request), "{\"KVs\":[]}", "{}"},
    {TYPE(set_request), "{\"KVs\":[{},{},{},{},{},{},{},{},{}]}", NULL},
    {TYPE(key_list_request), "{\"keys\":[\"YQ==\",\"\",\"YmI=\"],\"sinceTx\":\"3\"}", NULL},
    {TYPE(exec_all_request),
	"{\"Operations\":[{\"kv\":{\"key\":\"YQ==\"}},{\"zAdd\":{\"score\":1.5}},{\"ref\":{}}]}",
	NULL},
    /* null is absent. */
    {TYPE(key_request), "{\"key\":null,\"atTx\":null}", "{}"},
    {TYPE(set_request), "{\"KVs\":null,\"preconditions\":null}", "{}"},
    {TYPE(op), "{\"kv\":null,\"ref\":{}}", "{\"ref\":{}}"},
    {TYPE(verifiable_get_request), "{\"keyRequest\":null}", "{}"},
    {TYPE(verifiable_get_request), "{\"keyRequest\":{}}", NULL},
    /* Names: of the schema, camel case, of version 0.9, with escapes. */
    {TYPE(database_info), "{\"created_at\":\"5\",\"created_by\":\"x\"}",
	"{\"createdAt\":\"5\",\"createdBy\":\"x\"}"},
    {TYPE(database_info), "{\"createdAt\":5}", "{\"createdAt\":\"5\"}"},
    {TYPE(database), "{\"databasename\":\"a\"}", "{\"databaseName\":\"a\"}"},
    {TYPE(tx), "{\"metadata\":{\"id\":7}}", "{\"header\":{\"id\":\"7\"}}"},
    {TYPE(key_request), "{\"\\u006bey\":\"YQ==\"}", "{\"key\":\"YQ==\"}"},
    /* 64-bit integers, exact, as number or string. */
    {TYPE(key_request), "{\"atTx\":18446744073709551615}", "{\"atTx\":\"18446744073709551615\"}"},
    {TYPE(key_request), "{\"atTx\":\"18446744073709551615\"}", NULL},
    {TYPE(key_request), "{\"atTx\":9007199254740993}", "{\"atTx\":\"9007199254740993\"}"},
    {TYPE(key_request), "{\"atRevision\":-9223372036854775808}",
	"{\"atRevision\":\"-9223372036854775808\"}"},
    {TYPE(key_request), "{\"atRevision\":\"9223372036854775807\"}", NULL},
    {TYPE(key_request), "{\"atTx\":1e3}", "{\"atTx\":\"1000\"}"},
    {TYPE(key_request), "{\"atTx\":1.5E1}", "{\"atTx\":\"15\"}"},
    {TYPE(key_request), "{\"atTx\":\"120e-1\"}", "{\"atTx\":\"12\"}"},
    {TYPE(key_request), "{\"atTx\":5.000}", "{\"atTx\":\"5\"}"},
    {TYPE(key_request), "{\"atTx\":1844674407370955161.5e1}",
	"{\"atTx\":\"18446744073709551615\"}"},
    {TYPE(key_request), "{\"atTx\":0.00000000000000000001e21}", "{\"atTx\":\"10\"}"},
    {TYPE(key_request), "{\"atTx\":0e99999999999}", "{}"},
    {TYPE(key_request), "{\"atTx\":-0}", "{}"},
    {TYPE(key_request), "{\"atTx\":\"\\u0037\"}", "{\"atTx\":\"7\"}"},
    /* 32-bit integers. */
    {TYPE(history_request), "{\"limit\":-2147483648}", NULL},
    {TYPE(history_request), "{\"limit\":\"2147483647\"}", "{\"limit\":2147483647}"},
    {TYPE(tx_scan_request), "{\"limit\":4294967295}", NULL},
    /* Booleans. */
    {TYPE(scan_request), "{\"desc\":true,\"noWait\":false}", "{\"desc\":true}"},
    /* Floating point. */
    {TYPE(zadd_request), "{\"score\":1.7976931348623157e308}",
	"{\"score\":1.7976931348623157e+308}"},
    {TYPE(zadd_request), "{\"score\":\"-1.25\"}", "{\"score\":-1.25}"},
    {TYPE(zadd_request), "{\"score\":0.1}", NULL},
    {TYPE(zadd_request), "{\"score\":3}", NULL},
    {TYPE(zadd_request), "{\"score\":1e-400}", "{}"},
    {TYPE(zadd_request), "{\"score\":-0}", NULL},
    {TYPE(zadd_request), "{\"score\":-0.0}", "{\"score\":-0}"},
    {TYPE(zadd_request), "{\"score\":\"NaN\"}", NULL},
    {TYPE(zadd_request), "{\"score\":\"Infinity\"}", NULL},
    {TYPE(zadd_request), "{\"score\":\"-Infinity\"}", NULL},
    {TYPE(zscan_request), "{\"minScore\":{\"score\":-0},\"maxScore\":{}}", NULL},
    {TYPE(flush_index_request), "{\"cleanupPercentage\":0.1}", NULL},
    {TYPE(flush_index_request), "{\"cleanupPercentage\":\"NaN\"}", NULL},
    {TYPE(zadd_request),
	"{\"score\":0.100000000000000005551115123125782702118158340454101562500000000000000000000000"
	"0000000000000000000000000000000000000000000000000000000000000000000000000001}",
	"{\"score\":0.1}"},
    /* Enums by name and number, known or not. */
    {TYPE(change_permission_request), "{\"action\":\"REVOKE\"}", NULL},
    {TYPE(change_permission_request), "{\"action\":1}", "{\"action\":\"REVOKE\"}"},
    {TYPE(change_permission_request), "{\"action\":\"GRANT\"}", "{}"},
    {TYPE(change_permission_request), "{\"action\":7}", NULL},
    {TYPE(change_permission_request), "{\"action\":-1}", NULL},
    /* Bytes: both alphabets, with and without padding, escaped slashes. */
    {TYPE(key), "{\"key\":\"\"}", "{}"},
    {TYPE(key), "{\"key\":\"/+A=\"}", NULL},
    {TYPE(key), "{\"key\":\"_-A=\"}", "{\"key\":\"/+A=\"}"},
    {TYPE(key), "{\"key\":\"_-A\"}", "{\"key\":\"/+A=\"}"},
    {TYPE(key), "{\"key\":\"YQ\"}", "{\"key\":\"YQ==\"}"},
    {TYPE(key), "{\"key\":\"\\/\\/\\/\\/\"}", "{\"key\":\"////\"}"},
    {TYPE(key), "{\"key\":\"YWJjZGVmZ2hpag==\"}", NULL},
    /* Strings: escapes, surrogate pairs, UTF-8 of every length. */
    {TYPE(database), "{\"databaseName\":\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"}",
	"{\"databaseName\":\"a\\\"\\\\/\\u0008\\u000c\\n\\r\\t\xc3\xa9\xf0\x9f\x98\x80\"}"},
    {TYPE(database), "{\"databaseName\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}", NULL},
    {TYPE(database), "{\"databaseName\":\"\\uD83D\\uDE00\\u20AC\"}",
	"{\"databaseName\":\"\xf0\x9f\x98\x80\xe2\x82\xac\"}"},
};

struct refused {
	const ProtobufCMessageDescriptor *type;
	const char *text;
	const char *detail;
};

static const struct refused refused[] = {
    /* What is no JSON. */
    {TYPE(empty), "", "the text ends where an object is expected"},
    {TYPE(empty), "   ", "the text ends where an object is expected"},
    {TYPE(empty), "[]", "must be an object"},
    {TYPE(empty), "null", "must be an object"},
    {TYPE(empty), "\xef\xbb\xbf{}", "must be an object"},
    {TYPE(empty), "{", "the text ends where a name in quotes is expected"},
    {TYPE(empty), "{}x", "text behind the end at byte 2"},
    {TYPE(empty), "{} {}", "text behind the end at byte 3"},
    {TYPE(key), "{\"key\":\"YQ==\"", "the text ends where \",\" or \"}\" is expected"},
    {TYPE(key), "{\"key\":\"YQ==\",}", "a name in quotes expected at byte 14"},
    {TYPE(key), "{\"key\" \"YQ==\"}", "key: \":\" expected at byte 7"},
    {TYPE(key), "{\"key\":", "key: the text ends where a value is expected"},
    {TYPE(key), "{\"key\":}", "key: a value expected at byte 7"},
    {TYPE(key), "{key:1}", "a name in quotes expected at byte 1"},
    {TYPE(key), "{\"key\":\"YQ", "key: a string that begins at byte 7 has no end"},
    {TYPE(key), "{\"key\":\"YQ\\", "key: a string that begins at byte 7 has no end"},
    {TYPE(key), "{\"key\":\"YQ\\\"}", "key: a string that begins at byte 7 has no end"},
    {TYPE(key), "{\"key", "a string that begins at byte 1 has no end"},
    {TYPE(key), "{\"key\":nul}", "key: a value expected at byte 7"},
    {TYPE(scan_request), "{\"desc\":tru}", "desc: a value expected at byte 8"},
    {TYPE(scan_request), "{\"limit\":1 2}", "\",\" or \"}\" expected at byte 11"},
    {TYPE(set_request), "{\"KVs\":[{}", "KVs: the text ends where \",\" or \"]\" is expected"},
    {TYPE(set_request), "{\"KVs\":[{},]}", "KVs[1]: must be an object"},
    {TYPE(set_request), "{\"KVs\":[{};{}]}", "KVs: \",\" or \"]\" expected at byte 10"},
    /* Members that are not there, or there twice. */
    {TYPE(set_request), "{\"KVs\":[{},{\"kee\":1}]}", "KVs[1]: unknown field \"kee\""},
    {TYPE(empty), "{\"a\":1}", "unknown field \"a\""},
    {TYPE(empty), "{\"\\n\":1}", "unknown field \"\\n\""},
    {TYPE(empty), "{\"\":1}", "unknown field \"\""},
    {TYPE(key), "{\"Key\":\"\"}", "unknown field \"Key\""},
    {TYPE(key), "{\"key\":\"\",\"key\":\"\"}", "field \"key\" is given twice"},
    {TYPE(key), "{\"key\":null,\"key\":\"\"}", "field \"key\" is given twice"},
    {TYPE(database_info), "{\"created_at\":1,\"createdAt\":1}",
	"field \"created_at\" is given twice"},
    {TYPE(op), "{\"kv\":{},\"zAdd\":{}}", "zAdd: excludes kv, which is given too"},
    /* Wrong types. */
    {TYPE(set_request), "{\"KVs\":{}}", "KVs: must be a list"},
    {TYPE(set_request), "{\"KVs\":[1]}", "KVs[0]: must be an object"},
    {TYPE(set_request), "{\"KVs\":[null]}", "KVs[0]: null in a list"},
    {TYPE(verifiable_get_request), "{\"keyRequest\":[]}", "keyRequest: must be an object"},
    {TYPE(verifiable_get_request), "{\"keyRequest\":\"\"}", "keyRequest: must be an object"},
    {TYPE(key), "{\"key\":5}", "key: must be a string of base64"},
    {TYPE(key), "{\"key\":true}", "key: must be a string of base64"},
    {TYPE(key), "{\"key\":{}}", "key: must be a plain value"},
    {TYPE(key), "{\"key\":[]}", "key: must be a plain value"},
    {TYPE(database), "{\"databaseName\":5}", "databaseName: must be a string"},
    {TYPE(scan_request), "{\"desc\":1}", "desc: must be true or false"},
    {TYPE(scan_request), "{\"desc\":\"true\"}", "desc: must be true or false"},
    {TYPE(scan_request), "{\"limit\":true}", "limit: must be an unsigned 64-bit integer"},
    {TYPE(scan_request), "{\"limit\":\"\"}", "limit: must be an unsigned 64-bit integer"},
    {TYPE(scan_request), "{\"limit\":\" 1\"}", "limit: must be an unsigned 64-bit integer"},
    {TYPE(scan_request), "{\"limit\":\"+1\"}", "limit: must be an unsigned 64-bit integer"},
    {TYPE(scan_request), "{\"limit\":\"0x10\"}", "limit: must be an unsigned 64-bit integer"},
    {TYPE(scan_request), "{\"limit\":\"01\"}", "limit: must be an unsigned 64-bit integer"},
    {TYPE(scan_request), "{\"limit\":01}", "limit: a number expected at byte 9"},
    {TYPE(scan_request), "{\"limit\":1.}", "limit: a number expected at byte 9"},
    {TYPE(scan_request), "{\"limit\":1e}", "limit: a number expected at byte 9"},
    {TYPE(scan_request), "{\"limit\":-}", "limit: a number expected at byte 9"},
    {TYPE(scan_request), "{\"limit\":.5}", "limit: a value expected at byte 9"},
    {TYPE(scan_request), "{\"limit\":+5}", "limit: a value expected at byte 9"},
    {TYPE(scan_request), "{\"limit\":NaN}", "limit: a value expected at byte 9"},
    {TYPE(zadd_request), "{\"score\":true}", "score: must be a number"},
    {TYPE(zadd_request), "{\"score\":\"nan\"}", "score: must be a number"},
    {TYPE(zadd_request), "{\"score\":\"0x1p3\"}", "score: must be a number"},
    {TYPE(zadd_request), "{\"score\":NaN}", "score: a value expected at byte 9"},
    {TYPE(change_permission_request), "{\"action\":true}",
	"action: must be one of GRANT, REVOKE, or a number"},
    {TYPE(change_permission_request), "{\"action\":\"grant\"}",
	"action: must be one of GRANT, REVOKE, or a number"},
    {TYPE(change_permission_request), "{\"action\":\"1\"}",
	"action: must be one of GRANT, REVOKE, or a number"},
    {TYPE(change_permission_request), "{\"action\":1.5}", "action: must be a whole number"},
    /* Out of range. */
    {TYPE(scan_request), "{\"limit\":18446744073709551616}",
	"limit: is out of range for an unsigned 64-bit integer"},
    {TYPE(scan_request), "{\"limit\":1e20}",
	"limit: is out of range for an unsigned 64-bit integer"},
    {TYPE(scan_request), "{\"limit\":1e999999999999}",
	"limit: is out of range for an unsigned 64-bit integer"},
    {TYPE(scan_request), "{\"limit\":-1}", "limit: is out of range for an unsigned 64-bit integer"},
    {TYPE(scan_request), "{\"limit\":0.5}", "limit: must be a whole number"},
    {TYPE(scan_request), "{\"limit\":1e-1}", "limit: must be a whole number"},
    {TYPE(scan_request), "{\"limit\":1e-999999999999}", "limit: must be a whole number"},
    {TYPE(key_request), "{\"atRevision\":9223372036854775808}",
	"atRevision: is out of range for a 64-bit integer"},
    {TYPE(key_request), "{\"atRevision\":-9223372036854775809}",
	"atRevision: is out of range for a 64-bit integer"},
    {TYPE(history_request), "{\"limit\":2147483648}",
	"limit: is out of range for a 32-bit integer"},
    {TYPE(history_request), "{\"limit\":-2147483649}",
	"limit: is out of range for a 32-bit integer"},
    {TYPE(tx_scan_request), "{\"limit\":4294967296}",
	"limit: is out of range for an unsigned 32-bit integer"},
    {TYPE(tx_scan_request), "{\"limit\":-1}",
	"limit: is out of range for an unsigned 32-bit integer"},
    {TYPE(zadd_request), "{\"score\":1e309}", "score: is out of range for a double"},
    {TYPE(flush_index_request), "{\"cleanupPercentage\":1e39}",
	"cleanupPercentage: is out of range for a float"},
    {TYPE(change_permission_request), "{\"action\":2147483648}",
	"action: is out of range for a 32-bit integer"},
    /* Base64; the offset is that of the first bad character. */
    {TYPE(key), "{\"key\":\"Y\"}", "key: illegal base64 data at input byte 1"},
    {TYPE(key), "{\"key\":\"YWJjZ\"}", "key: illegal base64 data at input byte 5"},
    {TYPE(key), "{\"key\":\"YQ=\"}", "key: illegal base64 data at input byte 3"},
    {TYPE(key), "{\"key\":\"YQ===\"}", "key: illegal base64 data at input byte 4"},
    {TYPE(key), "{\"key\":\"YWJj=\"}", "key: illegal base64 data at input byte 4"},
    {TYPE(key), "{\"key\":\"YWI==\"}", "key: illegal base64 data at input byte 4"},
    {TYPE(key), "{\"key\":\"====\"}", "key: illegal base64 data at input byte 0"},
    {TYPE(key), "{\"key\":\"YQ==YQ==\"}", "key: illegal base64 data at input byte 4"},
    {TYPE(key), "{\"key\":\"YWJj ZGVm\"}", "key: illegal base64 data at input byte 4"},
    {TYPE(key), "{\"key\":\"YWJjYW.mYWJj\"}", "key: illegal base64 data at input byte 6"},
    {TYPE(key), "{\"key\":\"YWJjYW\xc3\xa9\"}", "key: illegal base64 data at input byte 6"},
    {TYPE(key), "{\"key\":\"YWJj\\nZGVm\"}", "key: illegal base64 data at input byte 4"},
    {TYPE(key), "{\"key\":\"YR==\"}", "key: illegal base64 data at input byte 1"},
    {TYPE(key), "{\"key\":\"YWJjYWJ=\"}", "key: illegal base64 data at input byte 6"},
    {TYPE(set_request), "{\"KVs\":[{},{},{},{\"value\":\"YWJjYW*j\"}]}",
	"KVs[3].value: illegal base64 data at input byte 6"},
    {TYPE(key_list_request), "{\"keys\":[\"\",\"*\"]}",
	"keys[1]: illegal base64 data at input byte 0"},
    /* Strings. */
    {TYPE(database), "{\"databaseName\":\"\xff\"}", "databaseName: invalid UTF-8 in a string"},
    {TYPE(database), "{\"databaseName\":\"\xed\xa0\x80\"}",
	"databaseName: invalid UTF-8 in a string"},
    {TYPE(database), "{\"databaseName\":\"\xc0\x80\"}", "databaseName: invalid UTF-8 in a string"},
    {TYPE(database), "{\"databaseName\":\"\xe2\x82\"}", "databaseName: invalid UTF-8 in a string"},
    {TYPE(database), "{\"databaseName\":\"a\nb\"}", "databaseName: control character in a string"},
    {TYPE(database), "{\"databaseName\":\"a\\u0000b\"}", "databaseName: NUL in a string"},
    {TYPE(database), "{\"databaseName\":\"\\ud800\"}", "databaseName: lone surrogate in a string"},
    {TYPE(database), "{\"databaseName\":\"\\udc00\"}", "databaseName: lone surrogate in a string"},
    {TYPE(database), "{\"databaseName\":\"\\ud800x\"}", "databaseName: lone surrogate in a string"},
    {TYPE(database), "{\"databaseName\":\"\\ud800\\n\"}",
	"databaseName: lone surrogate in a string"},
    {TYPE(database), "{\"databaseName\":\"\\ud800\\ud800\"}",
	"databaseName: lone surrogate in a string"},
    {TYPE(database), "{\"databaseName\":\"\\ud800\\u\"}",
	"databaseName: lone surrogate in a string"},
    {TYPE(database), "{\"databaseName\":\"\\u12\"}", "databaseName: broken \\u escape in a string"},
    {TYPE(database), "{\"databaseName\":\"\\u12G4\"}",
	"databaseName: broken \\u escape in a string"},
    {TYPE(database), "{\"databaseName\":\"\\x41\"}", "databaseName: unknown escape in a string"},
    {TYPE(database), "{\"\\ud800\":\"\"}", "lone surrogate in a string"},
    /* The place inside sub-messages. */
    {TYPE(verifiable_set_request), "{\"setRequest\":{\"KVs\":[{\"metadata\":{\"deleted\":0}}]}}",
	"setRequest.KVs[0].metadata.deleted: must be true or false"},
    {TYPE(create_database_request), "{\"settings\":{\"syncFrequency\":{\"value\":\"x\"}}}",
	"settings.syncFrequency.value: must be a 64-bit integer"},
};

/* In memory of exactly its size, so that a sanitizer sees a read past the end. */
static enum im_err
read_exact(const ProtobufCMessageDescriptor *type, struct bytes text, struct arena *a,
    ProtobufCMessage **m)
{
	uint8_t *copy = malloc(text.len ? text.len : 1);
	enum im_err err;

	assert_non_null(copy);
	memcpy(copy, text.data, text.len);
	err_clear();
	err = json_read(type, bytes_of(copy, text.len), a, m);
	/* The message must not point into the text. */
	memset(copy, 'x', text.len);
	free(copy);
	return err;
}

static void
check_accepted(const struct accepted *row)
{
	const char *meaning = row->meaning ? row->meaning : row->text;
	ProtobufCMessage *m;
	struct arena a;
	struct buf out;

	arena_init(&a, ARENA_CAP);
	buf_init(&out, TEXT_MAX);
	if (read_exact(row->type, bytes_str(row->text), &a, &m) != IM_OK)
		fail_msg("%s: %s", row->text, err_detail(IM_ERR_JSON));
	json_write(&out, m, JSON_STRINGS);
	assert_int_equal(out.err, IM_OK);
	if (!bytes_equal(buf_bytes(&out), bytes_str(meaning)))
		fail_msg("%s: %.*s", row->text, (int)out.len, (const char *)out.data);
	buf_free(&out);
	arena_free(&a);
}

static void
test_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(accepted); i++)
		check_accepted(&accepted[i]);
}

static void
test_refused(void **state)
{
	ProtobufCMessage *m;
	struct arena a;

	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		arena_init(&a, ARENA_CAP);
		if (read_exact(refused[i].type, bytes_str(refused[i].text), &a, &m) != IM_ERR_JSON)
			fail_msg("%s: not refused", refused[i].text);
		assert_null(m);
		assert_string_equal(err_detail(IM_ERR_JSON), refused[i].detail);
		arena_free(&a);
	}
}

/* Each text cut anywhere is refused or complete, and never read past its end. */
static void
test_cut(void **state)
{
	ProtobufCMessage *m;
	struct arena a;
	enum im_err err;

	(void)state;
	for (size_t i = 0; i < COUNT(accepted); i++) {
		for (size_t n = 0; n < strlen(accepted[i].text); n++) {
			arena_init(&a, ARENA_CAP);
			err = read_exact(accepted[i].type, bytes_of(accepted[i].text, n), &a, &m);
			assert_true(err == IM_ERR_JSON || (err == IM_OK && n > 1));
			arena_free(&a);
		}
	}
}

/* A type that contains itself: the schema has none, the reader must not rely on it. */
static const ProtobufCMessageDescriptor nest_type;

struct nest {
	ProtobufCMessage base;
	struct nest *inner;
};

static const ProtobufCFieldDescriptor nest_fields[] = {
    {.name = "inner",
	.id = 1,
	.label = PROTOBUF_C_LABEL_NONE,
	.type = PROTOBUF_C_TYPE_MESSAGE,
	.offset = offsetof(struct nest, inner),
	.descriptor = &nest_type},
};

static void
nest_init(ProtobufCMessage *m)
{
	*(struct nest *)m = (struct nest){.base = {.descriptor = &nest_type}};
}

static const ProtobufCMessageDescriptor nest_type = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .short_name = "Nest",
    .sizeof_message = sizeof(struct nest),
    .n_fields = 1,
    .fields = nest_fields,
    .message_init = nest_init,
};

static enum im_err
read_nested(size_t depth, struct arena *a)
{
	ProtobufCMessage *m;
	enum im_err err;
	struct buf text;

	buf_init(&text, TEXT_MAX);
	for (size_t i = 0; i < depth; i++)
		buf_append_str(&text, "{\"inner\":");
	buf_append_str(&text, "{}");
	for (size_t i = 0; i < depth; i++)
		buf_append_str(&text, "}");
	err = json_read(&nest_type, buf_bytes(&text), a, &m);
	buf_free(&text);
	return err;
}

static void
test_depth(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, ARENA_CAP);
	assert_int_equal(read_nested(JSON_DEPTH_MAX, &a), IM_OK);
	assert_int_equal(read_nested(JSON_DEPTH_MAX + 1, &a), IM_ERR_JSON);
	assert_non_null(strstr(err_detail(IM_ERR_JSON), "inner.inner: nested too deep"));
	assert_int_equal(read_nested(10000, &a), IM_ERR_JSON);
	arena_free(&a);
}

/* A hundred levels of lists where a value belongs. */
static void
test_nested_lists(void **state)
{
	char text[256] = "{\"key\":";
	ProtobufCMessage *m;
	struct arena a;

	(void)state;
	memset(text + strlen(text), '[', 100);
	arena_init(&a, ARENA_CAP);
	assert_int_equal(json_read(TYPE(key), bytes_str(text), &a, &m), IM_ERR_JSON);
	assert_string_equal(err_detail(IM_ERR_JSON), "key: must be a plain value");
	arena_free(&a);
}

static enum im_err
read_repeated(const char *item, size_t count, struct arena *a)
{
	ProtobufCMessage *m;
	enum im_err err;
	struct buf text;

	buf_init(&text, JSON_TEXT_MAX);
	buf_append_str(&text, "{\"KVs\":[");
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_append_u8(&text, ',');
		buf_append_str(&text, item);
	}
	buf_append_str(&text, "]}");
	assert_int_equal(text.err, IM_OK);
	err = json_read(TYPE(set_request), buf_bytes(&text), a, &m);
	if (err == IM_OK)
		assert_int_equal(((Immudb__Schema__SetRequest *)m)->n_kvs, count);
	buf_free(&text);
	return err;
}

static void
test_memory(void **state)
{
	struct arena a;

	(void)state;
	/* Plenty of small pairs, as they are in practice, fit. */
	arena_init(&a, ARENA_CAP);
	assert_int_equal(
	    read_repeated("{\"key\":\"a2V5MDAwMQ==\",\"value\":\"dmFsdWU=\"}", 50000, &a), IM_OK);
	arena_free(&a);
	/* Three bytes that become a hundred do not, however much the arena would give. */
	arena_init(&a, ARENA_CAP);
	assert_int_equal(read_repeated("{}", 400000, &a), IM_ERR_BODY_SIZE);
	assert_true(a.used <= 2 * message_budget(3 * 400000) + (1u << 16));
	arena_free(&a);
	/* An arena that is full is the same error. */
	arena_init(&a, 4096);
	assert_int_equal(read_repeated("{}", 1000, &a), IM_ERR_BODY_SIZE);
	arena_free(&a);
}

/* An arena that ends anywhere is an error and nothing else, for every kind of value. */
static void
test_arena_ends(void **state)
{
	ProtobufCMessage *m;
	struct arena a;
	enum im_err err;

	(void)state;
	for (size_t i = 0; i < COUNT(accepted); i++) {
		for (size_t cap = 0; cap < 1024; cap += 16) {
			arena_init(&a, cap);
			err = json_read(accepted[i].type, bytes_str(accepted[i].text), &a, &m);
			assert_true(err == IM_OK || err == IM_ERR_BODY_SIZE);
			arena_free(&a);
		}
	}
}

static void
test_text_too_long(void **state)
{
	ProtobufCMessage *m;
	struct arena a;

	(void)state;
	arena_init(&a, ARENA_CAP);
	/* It is refused by its length, before a byte of it is looked at. */
	assert_int_equal(json_read(TYPE(empty), bytes_of("{}", (size_t)JSON_TEXT_MAX + 1), &a, &m),
	    IM_ERR_BODY_SIZE);
	assert_null(m);
	arena_free(&a);
}

static void
test_no_value_in_details(void **state)
{
	ProtobufCMessage *m;
	struct arena a;

	(void)state;
	arena_init(&a, ARENA_CAP);
	assert_int_equal(json_read(TYPE(login_request),
			     bytes_str("{\"user\":\"YQ==\",\"password\":\"Secret!\"}"), &a, &m),
	    IM_ERR_JSON);
	assert_null(strstr(err_detail(IM_ERR_JSON), "ecret"));
	arena_free(&a);
}

/* A type with two numbers: the schema has none, the reader must not rely on it. */
struct pair {
	ProtobufCMessage base;
	double first;
	float second;
};

static const ProtobufCFieldDescriptor pair_fields[] = {
    {.name = "first",
	.id = 1,
	.label = PROTOBUF_C_LABEL_NONE,
	.type = PROTOBUF_C_TYPE_DOUBLE,
	.offset = offsetof(struct pair, first)},
    {.name = "second",
	.id = 2,
	.label = PROTOBUF_C_LABEL_NONE,
	.type = PROTOBUF_C_TYPE_FLOAT,
	.offset = offsetof(struct pair, second)},
};

static const ProtobufCIntRange pair_ranges[] = {{1, 0}, {0, 2}};

static const ProtobufCMessageDescriptor pair_type;

static void
pair_init(ProtobufCMessage *m)
{
	*(struct pair *)m = (struct pair){.base = {.descriptor = &pair_type}};
}

static const ProtobufCMessageDescriptor pair_type = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .short_name = "Pair",
    .sizeof_message = sizeof(struct pair),
    .n_fields = 2,
    .fields = pair_fields,
    .n_field_ranges = 1,
    .field_ranges = pair_ranges,
    .message_init = pair_init,
};

/* -0 survives the packer, which leaves it out by itself, wherever it stands. */
static void
check_travels(const ProtobufCMessageDescriptor *type, const char *text)
{
	ProtobufCMessage *m, *again;
	uint8_t packed[256];
	struct arena a;
	struct buf out;
	size_t n;

	arena_init(&a, ARENA_CAP);
	buf_init(&out, TEXT_MAX);
	assert_int_equal(json_read(type, bytes_str(text), &a, &m), IM_OK);
	assert_true(protobuf_c_message_get_packed_size(m) <= sizeof packed);
	n = protobuf_c_message_pack(m, packed);
	assert_int_equal(message_unpack(type, bytes_of(packed, n), true, &a, &again), IM_OK);
	json_write(&out, again, JSON_STRINGS);
	buf_append_u8(&out, '\0');
	assert_string_equal((const char *)out.data, text);
	buf_free(&out);
	arena_free(&a);
}

static void
test_negative_zero_travels(void **state)
{
	(void)state;
	check_travels(TYPE(zadd_request), "{\"score\":-0}");
	check_travels(TYPE(exec_all_request),
	    "{\"Operations\":[{\"zAdd\":{\"score\":-0}},{\"zAdd\":{\"score\":-0}}]}");
	check_travels(
	    TYPE(zscan_request), "{\"seekScore\":-0,\"minScore\":{\"score\":-0},\"maxScore\":{}}");
	check_travels(TYPE(flush_index_request), "{\"cleanupPercentage\":-0}");
	check_travels(&pair_type, "{\"first\":-0,\"second\":-0}");
}

struct set_row {
	const ProtobufCMessageDescriptor *type;
	const char *body, *name, *text;
	const char *meaning; /* the message afterwards, or the detail of the refusal */
	bool is_refused;
};

static const struct set_row set_rows[] = {
    {TYPE(key_request), "{}", "key", "YQ==", "{\"key\":\"YQ==\"}", false},
    {TYPE(key_request), "{}", "key", "_w", "{\"key\":\"/w==\"}", false},
    {TYPE(key_request), "{}", "atTx", "18446744073709551615", "{\"atTx\":\"18446744073709551615\"}",
	false},
    {TYPE(key_request), "{\"atTx\":5}", "atTx", "5", "{\"atTx\":\"5\"}", false},
    {TYPE(key_request), "{}", "noWait", "true", "{\"noWait\":true}", false},
    {TYPE(key_request), "{}", "noWait", "1", "{\"noWait\":true}", false},
    {TYPE(key_request), "{}", "noWait", "false", "{}", false},
    {TYPE(key_request), "{}", "noWait", "0", "{}", false},
    {TYPE(key_request), "{}", "atRevision", "-1", "{\"atRevision\":\"-1\"}", false},
    {TYPE(database), "{}", "databasename", "db", "{\"databaseName\":\"db\"}", false},
    {TYPE(database), "{\"databaseName\":\"db\"}", "databaseName", "db", "{\"databaseName\":\"db\"}",
	false},
    {TYPE(tx_request), "{}", "entriesSpec.kvEntriesSpec.action", "RESOLVE",
	"{\"entriesSpec\":{\"kvEntriesSpec\":{\"action\":\"RESOLVE\"}}}", false},
    {TYPE(tx_request), "{\"entriesSpec\":{\"zEntriesSpec\":{}}}",
	"entriesSpec.kvEntriesSpec.action", "2",
	"{\"entriesSpec\":{\"kvEntriesSpec\":{\"action\":\"RAW_VALUE\"},\"zEntriesSpec\":{}}}",
	false},
    {TYPE(zadd_request), "{}", "score", "-0", "{\"score\":-0}", false},
    {TYPE(flush_index_request), "{}", "cleanupPercentage", "1.5", "{\"cleanupPercentage\":1.5}",
	false},
    {TYPE(key_request), "{}", "kee", "x", "kee: unknown field", true},
    {TYPE(key_request), "{}", "", "x", "unknown field", true},
    {TYPE(key_request), "{}", "key.x", "x", "key.x: unknown field", true},
    {TYPE(key_request), "{}", ".key", "x", ".key: unknown field", true},
    {TYPE(tx_request), "{}", "entriesSpec", "x", "entriesSpec: can only be given in a body", true},
    {TYPE(tx_request), "{}", "entriesSpec.", "x", "entriesSpec.: unknown field", true},
    {TYPE(key_list_request), "{}", "keys", "YQ==", "keys: can only be given in a body", true},
    {TYPE(op), "{}", "kv.key", "YQ==", "kv.key: unknown field", true},
    {TYPE(key_request), "{}", "key", "Y*==", "key: illegal base64 data at input byte 1", true},
    {TYPE(key_request), "{}", "atTx", "x", "atTx: must be an unsigned 64-bit integer", true},
    {TYPE(key_request), "{}", "atTx", "", "atTx: must be an unsigned 64-bit integer", true},
    {TYPE(key_request), "{}", "noWait", "yes", "noWait: must be true or false", true},
    {TYPE(key_request), "{\"atTx\":5}", "atTx", "6", "atTx: is given twice, with different values",
	true},
    {TYPE(key_request), "{\"key\":\"YQ==\"}", "key",
	"Yg==", "key: is given twice, with different values", true},
    {TYPE(database), "{\"databaseName\":\"db\"}", "databaseName", "other",
	"databaseName: is given twice, with different values", true},
    {TYPE(database), "{}", "databaseName", "\xff", "databaseName: invalid UTF-8", true},
    {TYPE(tx_request), "{}", "entriesSpec.kvEntriesSpec.action", "x",
	"entriesSpec.kvEntriesSpec.action: must be one of EXCLUDE, ONLY_DIGEST, RAW_VALUE, "
	"RESOLVE, or a number",
	true},
};

static void
check_set_row(const struct set_row *row)
{
	ProtobufCMessage *m;
	struct arena a;
	struct buf out;
	enum im_err err;

	arena_init(&a, ARENA_CAP);
	buf_init(&out, TEXT_MAX);
	assert_int_equal(json_read(row->type, bytes_str(row->body), &a, &m), IM_OK);
	err_clear();
	err = json_set_field(m, bytes_str(row->name), bytes_str(row->text), &a);
	if (row->is_refused) {
		assert_int_equal(err, IM_ERR_JSON);
		assert_string_equal(err_detail(err), row->meaning);
	} else {
		if (err != IM_OK)
			fail_msg("%s=%s: %s", row->name, row->text, err_detail(err));
		json_write(&out, m, JSON_STRINGS);
		buf_append_u8(&out, '\0');
		assert_string_equal((const char *)out.data, row->meaning);
	}
	buf_free(&out);
	arena_free(&a);
}

static void
test_set_field(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(set_rows); i++)
		check_set_row(&set_rows[i]);
}

/* What the reader relies on holds for every message of every method, and all inside them. */
static void
check_type(const ProtobufCMessageDescriptor *d, unsigned depth)
{
	assert_true(depth <= JSON_DEPTH_MAX);
	assert_true(d->n_fields <= 64);
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		const char *old = json_old_name(d, f);

		assert_true(strlen(f->name) <= JSON_NAME_MAX);
		assert_ptr_equal(json_find_field(d, bytes_str(f->name)), f);
		if (old)
			assert_ptr_equal(json_find_field(d, bytes_str(old)), f);
		if (f->type == PROTOBUF_C_TYPE_MESSAGE)
			check_type(f->descriptor, depth + 1);
	}
}

static void
test_schema(void **state)
{
	(void)state;
	for (size_t i = 0; i < RPC_METHOD_COUNT; i++) {
		check_type(rpc_methods[i].request, 1);
		check_type(rpc_methods[i].answer, 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_accepted),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_nested_lists),
	    cmocka_unit_test(test_memory),
	    cmocka_unit_test(test_arena_ends),
	    cmocka_unit_test(test_text_too_long),
	    cmocka_unit_test(test_no_value_in_details),
	    cmocka_unit_test(test_negative_zero_travels),
	    cmocka_unit_test(test_set_field),
	    cmocka_unit_test(test_schema),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
