/* Ids of 12 bytes and their text. */
#include "util_testing.h"

#include "util/clock.h"
#include "util/xid.h"

static void
known_id_both_ways(void **state)
{
	static const uint8_t data[XID_SIZE] = {
	    0x4d, 0x88, 0xe1, 0x5b, 0x60, 0xf4, 0x86, 0xe4, 0x28, 0x41, 0x2d, 0xc9};
	char text[XID_TEXT_LEN + 1];
	struct xid id;

	(void)state;
	memcpy(id.data, data, XID_SIZE);
	assert_string_equal(xid_format(&id, text), "9m4e2mr0ui3e8a215n4g");
	memset(&id, 0, sizeof id);
	assert_ok(xid_parse(bytes_str("9m4e2mr0ui3e8a215n4g"), &id));
	assert_memory_equal(id.data, data, XID_SIZE);
	assert_ok(xid_parse(bytes_str("br8eugq036tfln0ct6o0"), &id));
	assert_string_equal(xid_format(&id, text), "br8eugq036tfln0ct6o0");
}

static void
what_is_not_an_id_is_refused(void **state)
{
	static const char *const bad[] = {"", "9m4e2mr0ui3e8a215n4", "9m4e2mr0ui3e8a215n4g0",
	    "9M4e2mr0ui3e8a215n4g", "9m4e2mr0ui3e8a215n4w", "9m4e2mr0ui3e8a215n4h",
	    "9m4e2mr0ui3e8a215n4 "};
	struct xid id;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_err(IM_ERR_FORMAT, xid_parse(bytes_str(bad[i]), &id));
	assert_err(IM_ERR_FORMAT, xid_parse(bytes_of("\0m4e2mr0ui3e8a215n4g", 20), &id));
}

static void
made_ids_differ_and_carry_the_time(void **state)
{
	struct xid ids[100];
	int64_t now = clock_wall_s();

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		assert_ok(xid_make(&ids[i]));
		assert_in_range(be32_get(ids[i].data), now, now + 60);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(ids[i].data, ids[k].data, XID_SIZE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_id_both_ways),
	    cmocka_unit_test(what_is_not_an_id_is_refused),
	    cmocka_unit_test(made_ids_differ_and_carry_the_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
