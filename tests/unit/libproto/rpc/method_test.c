/* The method table: unique, complete, and the same in code and in PROTOCOL.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/frame.h"
#include "rpc/method.h"

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < RPC_METHOD_COUNT; i++) {
		const struct rpc_method *m = &rpc_methods[i];

		assert_int_equal(m->index, i);
		assert_true(m->id != 0);
		assert_ptr_equal(rpc_method_find(m->id), m);
		assert_ptr_equal(rpc_method_find_name(m->name), m);
		/* Ids rise, so none is there twice. */
		assert_true(i == 0 || rpc_methods[i - 1].id < m->id);
		/* Who needs no login has no permissions to be checked against. */
		if (m->flags & RPC_NO_LOGIN)
			assert_int_equal(m->permission, RPC_PERMISSION_NONE);
		if (m->flags & RPC_WRITES) {
			assert_true(m->permission >= RPC_PERMISSION_READ_WRITE);
			assert_false(m->flags & RPC_MAINTENANCE);
		}
	}
}

static void
test_unknown(void **state)
{
	(void)state;
	assert_null(rpc_method_find(0));
	assert_null(rpc_method_find(0xffff));
	assert_null(rpc_method_find_name("get"));
	assert_null(rpc_method_find_name(""));
}

static void
test_fixed_numbers(void **state)
{
	(void)state;
	assert_int_equal(RPC_METHOD_Login, 0x0001);
	assert_int_equal(RPC_METHOD_Health, 0x0007);
	assert_int_equal(RPC_METHOD_Set, 0x0101);
	assert_int_equal(RPC_METHOD_Get, 0x0103);
	assert_int_equal(RPC_METHOD_CurrentState, 0x0201);
	assert_int_equal(RPC_METHOD_ExportTx, 0x0301);
	/* A read-only user may call it. */
	assert_int_equal(rpc_methods[RPC_INDEX_GetAll].permission, RPC_PERMISSION_READ);
}

static char *
read_protocol(void)
{
	FILE *f = fopen(TEST_SOURCE_DIR "/libproto/PROTOCOL.md", "r");
	char *text = (char *)calloc(1, 1 << 20);

	assert_non_null(f);
	assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	return text;
}

static const char *
permission_text(uint8_t permission)
{
	switch (permission) {
	case RPC_PERMISSION_NONE:
		return "0 none";
	case RPC_PERMISSION_READ:
		return "1 read";
	case RPC_PERMISSION_READ_WRITE:
		return "2 read-write";
	case RPC_PERMISSION_ADMIN:
		return "254 admin";
	default:
		return "255 sysadmin";
	}
}

static void
flags_text(uint8_t flags, char out[64])
{
	static const char *const names[] = {
	    "no login", "maintenance", "database", "writes", "stream"};

	out[0] = '\0';
	for (int i = 0; i < 5; i++) {
		if (!(flags & 1 << i))
			continue;
		if (out[0])
			strcat(out, ", ");
		strcat(out, names[i]);
	}
	if (!out[0])
		strcpy(out, "-");
}

static void
test_documentation(void **state)
{
	char *text = read_protocol(), *table = strstr(text, "| number | method |"), *row;
	size_t rows = 0;

	(void)state;
	assert_non_null(table);
	for (size_t i = 0; i < RPC_METHOD_COUNT; i++) {
		const struct rpc_method *m = &rpc_methods[i];
		char line[512], flags[64];

		flags_text(m->flags, flags);
		snprintf(line, sizeof line, "| 0x%04x | %s | %s | %s | %s | %s |\n", m->id, m->name,
		    m->request->short_name, m->answer->short_name, permission_text(m->permission),
		    flags);
		if (!strstr(table, line))
			fail_msg("PROTOCOL.md lacks: %s", line);
	}
	for (row = table; (row = strstr(row, "\n| 0x")) != NULL; row++)
		rows++;
	assert_int_equal(rows, RPC_METHOD_COUNT);
	free(text);
}

/* The bytes of the example at the end of PROTOCOL.md, one frame each. */
static size_t
read_hex(const char **at, uint8_t *out)
{
	const char *end = strstr(*at, "\n\n");
	size_t n = 0;
	unsigned v;
	int used;

	while ((!end || *at < end) && sscanf(*at, " %2x%n", &v, &used) == 1) {
		out[n++] = (uint8_t)v;
		*at += used;
	}
	return n;
}

static void
test_example(void **state)
{
	char *text = read_protocol();
	const char *at = strstr(text, "## 9. Example");
	static const uint8_t kinds[] = {FRAME_HELLO, FRAME_REQUEST, FRAME_ANSWER};
	struct frame_client_hello hello;
	struct frame_request request;
	struct frame f;
	uint8_t data[256];
	size_t n, size;

	(void)state;
	for (int i = 0; i < 3; i++) {
		at = strstr(at, ":\n\n");
		assert_non_null(at);
		at += 3;
		n = read_hex(&at, data);
		assert_int_equal(frame_next(bytes_of(data, n), 1000, &f, &size), IM_OK);
		assert_int_equal(size, n);
		assert_int_equal(f.kind, kinds[i]);
		if (i == 0) {
			assert_int_equal(frame_read_client_hello(&f, &hello), IM_OK);
			assert_int_equal(hello.max_message_bytes, 33 << 20);
			assert_true(bytes_equal(hello.name, bytes_str("x")));
		} else if (i == 1) {
			assert_int_equal(frame_read_request(&f, &request), IM_OK);
			assert_int_equal(request.method, RPC_METHOD_Health);
			assert_int_equal(request.timeout_ms, 5000);
		} else {
			assert_memory_equal(f.payload.data,
			    "\x08\x01\x12\x03"
			    "1.0",
			    7);
		}
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_unknown),
	    cmocka_unit_test(test_fixed_numbers),
	    cmocka_unit_test(test_documentation),
	    cmocka_unit_test(test_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
