/*
 * Guarded decoding: what is well-formed decodes; everything else is refused within bounded memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <math.h>

#include "rpc/message.h"
#include "rpc/method.h"

#define SET &immudb__schema__set_request__descriptor
#define KEY &immudb__schema__key_request__descriptor
#define DATABASE &immudb__schema__database__descriptor

static enum im_err
unpack(const ProtobufCMessageDescriptor *d, const void *data, size_t len, bool strict)
{
	ProtobufCMessage *m;
	struct arena a;
	enum im_err err;

	arena_init(&a, SIZE_MAX);
	err = message_unpack(d, bytes_of(data, len), strict, &a, &m);
	assert_true((err == IM_OK) == (m != NULL));
	assert_true(a.used <= message_budget(len) * 2 + 8192);
	arena_free(&a);
	return err;
}

#define UNPACK(d, literal) unpack(d, literal, sizeof(literal) - 1, true)

static void
test_round_trip(void **state)
{
	Immudb__Schema__KeyValue kv = IMMUDB__SCHEMA__KEY_VALUE__INIT, *kvs[3] = {&kv, &kv, &kv};
	Immudb__Schema__SetRequest set = IMMUDB__SCHEMA__SET_REQUEST__INIT, *back;
	ProtobufCMessage *m;
	struct arena a;
	uint8_t data[256];
	size_t len;

	(void)state;
	kv.key = (ProtobufCBinaryData){3, (uint8_t *)(uintptr_t) "key"};
	kv.value = (ProtobufCBinaryData){5, (uint8_t *)(uintptr_t) "value"};
	set.n_kvs = 3;
	set.kvs = kvs;
	set.nowait = true;
	len = protobuf_c_message_pack(&set.base, data);
	arena_init(&a, 65536);
	assert_int_equal(message_unpack(SET, bytes_of(data, len), true, &a, &m), IM_OK);
	back = (Immudb__Schema__SetRequest *)m;
	assert_int_equal(back->n_kvs, 3);
	assert_true(back->nowait);
	assert_memory_equal(back->kvs[2]->value.data, "value", 5);
	arena_free(&a);
	/* Every prefix that ends inside a field is refused. */
	for (size_t n = 1; n < len - 2; n++)
		if (n % (len - 2) % 14 != 0)
			assert_int_equal(unpack(SET, data, n, true), IM_ERR_FORMAT);
}

static void
test_empty(void **state)
{
	(void)state;
	assert_int_equal(unpack(KEY, NULL, 0, true), IM_OK);
}

static void
test_unknown_field(void **state)
{
	(void)state;
	assert_int_equal(UNPACK(KEY, "\x30\x01"), IM_ERR_UNIMPLEMENTED);
	assert_string_equal(err_detail(IM_ERR_UNIMPLEMENTED), "KeyRequest: unknown field 6");
	assert_int_equal(unpack(KEY, "\x30\x01", 2, false), IM_OK);
	/* Inside a nested message too. */
	assert_int_equal(UNPACK(SET, "\x0a\x02\x20\x01"), IM_ERR_UNIMPLEMENTED);
	assert_string_equal(err_detail(IM_ERR_UNIMPLEMENTED), "KeyValue: unknown field 4");
}

static void
test_wrong_wire_type(void **state)
{
	(void)state;
	assert_int_equal(UNPACK(KEY, "\x08\x01"), IM_ERR_FORMAT);
	assert_string_equal(err_detail(IM_ERR_FORMAT), "KeyRequest.key: wrong wire type 0");
	assert_int_equal(UNPACK(KEY, "\x12\x01x"), IM_ERR_FORMAT);
	assert_int_equal(UNPACK(KEY, "\x15\x01\x01\x01\x01"), IM_ERR_FORMAT);
}

static void
test_malformed(void **state)
{
	(void)state;
	assert_int_equal(UNPACK(KEY, "\x0a"), IM_ERR_FORMAT);
	assert_int_equal(UNPACK(KEY, "\x0a\x05xxxx"), IM_ERR_FORMAT);
	assert_int_equal(
	    UNPACK(KEY, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), IM_ERR_FORMAT);
	assert_int_equal(
	    UNPACK(KEY, "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), IM_ERR_FORMAT);
	assert_int_equal(UNPACK(KEY, "\x00\x01"), IM_ERR_FORMAT);
	assert_int_equal(UNPACK(KEY, "\x0b\x0c"), IM_ERR_FORMAT); /* a group */
	assert_int_equal(UNPACK(KEY, "\x0f"), IM_ERR_FORMAT);
	assert_int_equal(unpack(KEY, "\x33\x34", 2, false), IM_ERR_FORMAT);
}

static void
test_text(void **state)
{
	(void)state;
	assert_int_equal(UNPACK(DATABASE,
			     "\x0a\x03"
			     "abc"),
	    IM_OK);
	assert_int_equal(UNPACK(DATABASE,
			     "\x0a\x03"
			     "a\xc3\xa9"),
	    IM_OK);
	assert_int_equal(UNPACK(DATABASE, "\x0a\x04\xf0\x9f\x98\x80"), IM_OK);
	/* The decoder would take the text to end at the NUL. */
	assert_int_equal(UNPACK(DATABASE,
			     "\x0a\x03"
			     "a\0c"),
	    IM_ERR_FORMAT);
	assert_int_equal(UNPACK(DATABASE, "\x0a\x01\xff"), IM_ERR_FORMAT);
	assert_int_equal(UNPACK(DATABASE, "\x0a\x01\xc3"), IM_ERR_FORMAT);
	assert_int_equal(UNPACK(DATABASE, "\x0a\x02\xc0\xaf"), IM_ERR_FORMAT);
	assert_int_equal(UNPACK(DATABASE, "\x0a\x03\xe0\x80\xaf"), IM_ERR_FORMAT);
	assert_int_equal(UNPACK(DATABASE, "\x0a\x03\xed\xa0\x80"), IM_ERR_FORMAT);
	assert_int_equal(UNPACK(DATABASE, "\x0a\x04\xf5\x80\x80\x80"), IM_ERR_FORMAT);
}

/* Small on the wire, large in memory. */
static void
test_amplification(void **state)
{
	size_t n = 200000;
	uint8_t *data = (uint8_t *)malloc(n);

	(void)state;
	for (size_t i = 0; i < n; i += 2) {
		data[i] = 0x0a;
		data[i + 1] = 0;
	}
	assert_int_equal(unpack(SET, data, n, true), IM_ERR_LIMIT);
	for (size_t i = 0; i < n; i += 2)
		data[i] = 0x30;
	assert_int_equal(unpack(KEY, data, n, true), IM_ERR_UNIMPLEMENTED);
	assert_int_equal(unpack(KEY, data, n, false), IM_ERR_LIMIT);
	free(data);
}

static void
test_full_transaction_fits(void **state)
{
	/* As many entries as a transaction takes, as small as they get. */
	static const uint8_t entry[] = {0x0a, 0x07, 0x0a, 0x02, 'k', 'k', 0x12, 0x01, 'v'};
	size_t n = 1024 * sizeof entry;
	uint8_t *data = (uint8_t *)malloc(n);

	(void)state;
	for (size_t i = 0; i < n; i += sizeof entry)
		memcpy(data + i, entry, sizeof entry);
	assert_int_equal(unpack(SET, data, n, true), IM_OK);
	free(data);
}

static void
assert_acyclic(const ProtobufCMessageDescriptor *d, unsigned depth)
{
	assert_true(depth < 12);
	for (unsigned i = 0; i < d->n_fields; i++)
		if (d->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			assert_acyclic(
			    (const ProtobufCMessageDescriptor *)d->fields[i].descriptor, depth + 1);
}

static void
test_no_message_contains_itself(void **state)
{
	(void)state;
	for (size_t i = 0; i < RPC_METHOD_COUNT; i++) {
		assert_acyclic(rpc_methods[i].request, 0);
		assert_acyclic(rpc_methods[i].answer, 0);
	}
	assert_acyclic(&immudb__schema__exec_all_request__descriptor, 0);
	assert_acyclic(&immudb__schema__database_list_response_v2__descriptor, 0);
}

static void
test_random_bytes(void **state)
{
	uint64_t x = 88172645463325252u;
	uint8_t data[64];

	(void)state;
	for (int round = 0; round < 50000; round++) {
		size_t len = (size_t)(round % 64);

		for (size_t i = 0; i < sizeof data; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			/* Mostly small bytes: tags and lengths that make sense. */
			data[i] = (uint8_t)(x & 8 ? x >> 32 : (x >> 32) % 64);
		}
		(void)unpack(&immudb__schema__verifiable_entry__descriptor, data, len, false);
		(void)unpack(SET, data, len, true);
	}
}

static double
travelled_score(double score)
{
	Immudb__Schema__ZAddRequest in = IMMUDB__SCHEMA__ZADD_REQUEST__INIT;
	const ProtobufCMessageDescriptor *d = in.base.descriptor;
	ProtobufCMessage *out;
	uint8_t packed[32];
	struct arena a;

	arena_init(&a, 1 << 20);
	in.score = score;
	assert_true(message_keep_negative_zero(&a, &in.base, 2, score));
	assert_true(protobuf_c_message_get_packed_size(&in.base) <= sizeof packed);
	assert_int_equal(
	    message_unpack(
		d, bytes_of(packed, protobuf_c_message_pack(&in.base, packed)), true, &a, &out),
	    IM_OK);
	score = ((Immudb__Schema__ZAddRequest *)out)->score;
	arena_free(&a);
	return score;
}

static void
test_negative_zero(void **state)
{
	(void)state;
	assert_true(signbit(travelled_score(-0.0)));
	assert_true(travelled_score(-0.0) == 0);
	assert_false(signbit(travelled_score(0.0)));
	assert_true(travelled_score(-1.5) == -1.5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_unknown_field),
	    cmocka_unit_test(test_wrong_wire_type),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_amplification),
	    cmocka_unit_test(test_full_transaction_fits),
	    cmocka_unit_test(test_no_message_contains_itself),
	    cmocka_unit_test(test_random_bytes),
	    cmocka_unit_test(test_negative_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
