/* Addresses of auditors: what is one, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "peer_address.h"

static void
assert_address(const char *text, const char *host, uint16_t port)
{
	struct peer_address a;

	assert_int_equal(peer_address_parse(text, false, &a), IM_OK);
	assert_string_equal(a.text, text);
	assert_string_equal(a.host, host);
	assert_int_equal(a.port, port);
}

static void
addresses(void **state)
{
	(void)state;
	assert_address("10.0.0.2:9500", "10.0.0.2", 9500);
	assert_address("auditor.example.org:1", "auditor.example.org", 1);
	assert_address("[::1]:65535", "::1", 65535);
	assert_address("[fe80::1%eth0]:9500", "fe80::1%eth0", 9500);
}

static void
no_addresses(void **state)
{
	static const char *const texts[] = {"", ":", "host", "host:", ":9500", "host:0",
	    "host:65536", "host:-1", "host:+1", "host: 1", "host:1 ", "host:9x", "host:000001",
	    "::1:9500", "[]:1", "[::1]", "[::1:9500", "::1]:9500", "[[::1]]:1", "a/b:1",
	    "tcp://host:1"};
	char longest[PEERS_ADDRESS_MAX + 8];
	struct peer_address a;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (peer_address_parse(texts[i], false, &a) != IM_ERR_ARGUMENT)
			fail_msg("taken for an address: %s", texts[i]);
	memset(longest, 'a', sizeof longest);
	memcpy(longest + PEERS_ADDRESS_MAX - 2, ":1", 3);
	assert_int_equal(peer_address_parse(longest, false, &a), IM_ERR_ARGUMENT);
	assert_int_equal(peer_address_parse(longest + 1, false, &a), IM_OK);
}

/* Any port will do to listen on. */
static void
any_port(void **state)
{
	struct peer_address a;

	(void)state;
	assert_int_equal(peer_address_parse("127.0.0.1:0", true, &a), IM_OK);
	assert_int_equal(a.port, 0);
	assert_int_equal(peer_address_parse("127.0.0.1:", true, &a), IM_ERR_ARGUMENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(no_addresses),
	    cmocka_unit_test(any_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
