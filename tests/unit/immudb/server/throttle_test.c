/* The login throttle: free failures, growing waits, success, forgetting, a full table. */
#include "server/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000000)

static int64_t fake_now;

static int64_t
fake_clock(void)
{
	return fake_now;
}

static int
throttle_make(void **state)
{
	fake_now = SECOND;
	*state = throttle_new(64, fake_clock);
	return *state ? 0 : -1;
}

static int
throttle_remove(void **state)
{
	throttle_free(*state);
	return 0;
}

static void
fail_times(struct throttle *t, const char *user, const char *address, size_t n)
{
	while (n--)
		throttle_failed(t, bytes_str(user), address);
}

static enum im_err
check(struct throttle *t, const char *user, const char *address)
{
	return throttle_check(t, bytes_str(user), address);
}

static void
throttle_closes_after_free_failures(void **state)
{
	fail_times(*state, "bob", "10.0.0.1:1000", THROTTLE_FREE_USER - 1);
	assert_int_equal(check(*state, "bob", "10.0.0.1:1001"), IM_OK);
	fail_times(*state, "bob", "10.0.0.1:1002", 1);
	assert_int_equal(check(*state, "bob", "10.0.0.1:1003"), IM_ERR_THROTTLED);
	/* Another address, another user, a look-alike. */
	assert_int_equal(check(*state, "bob", "10.0.0.2:1000"), IM_OK);
	assert_int_equal(check(*state, "bob", "[::1]:1000"), IM_OK);
	assert_int_equal(check(*state, "alice", "10.0.0.1:1000"), IM_OK);
	assert_int_equal(check(*state, "bo", "10.0.0.1:1000"), IM_OK);
}

static void
throttle_wait_doubles_up_to_a_minute(void **state)
{
	static const int64_t waits[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
	size_t i;

	fail_times(*state, "bob", "unix", THROTTLE_FREE_USER - 1);
	for (i = 0; i < sizeof waits / sizeof *waits; i++) {
		fail_times(*state, "bob", "unix", 1);
		fake_now += waits[i] * SECOND - 1;
		assert_int_equal(check(*state, "bob", "unix"), IM_ERR_THROTTLED);
		fake_now += 1;
		assert_int_equal(check(*state, "bob", "unix"), IM_OK);
	}
}

static void
throttle_success_opens(void **state)
{
	fail_times(*state, "bob", "unix", THROTTLE_FREE_USER);
	assert_int_equal(check(*state, "bob", "unix"), IM_ERR_THROTTLED);
	throttle_succeeded(*state, bytes_str("alice"), "unix");
	assert_int_equal(check(*state, "bob", "unix"), IM_ERR_THROTTLED);
	throttle_succeeded(*state, bytes_str("bob"), "unix");
	assert_int_equal(check(*state, "bob", "unix"), IM_OK);
	fail_times(*state, "bob", "unix", THROTTLE_FREE_USER - 1);
	assert_int_equal(check(*state, "bob", "unix"), IM_OK);
}

static void
throttle_forgets(void **state)
{
	fail_times(*state, "bob", "unix", THROTTLE_FREE_USER - 1);
	fake_now += 16 * 60 * SECOND;
	fail_times(*state, "bob", "unix", 1);
	assert_int_equal(check(*state, "bob", "unix"), IM_OK);
}

/* Guessing user names: each fails once, but the address does not get far. */
static void
throttle_address_alone(void **state)
{
	char user[16];
	int i;

	for (i = 0; i < THROTTLE_FREE_ADDRESS; i++) {
		snprintf(user, sizeof user, "user%d", i);
		assert_int_equal(check(*state, user, "10.0.0.1:5"), IM_OK);
		fail_times(*state, user, "10.0.0.1:5", 1);
	}
	assert_int_equal(check(*state, "fresh", "10.0.0.1:5"), IM_ERR_THROTTLED);
	assert_int_equal(check(*state, "fresh", "10.0.0.9:5"), IM_OK);
}

/* A table of 64 takes ten thousand names; the entry that fails now is always counted. */
static void
throttle_table_is_bounded(void **state)
{
	char user[16];
	int i;

	for (i = 0; i < 10000; i++) {
		snprintf(user, sizeof user, "user%d", i);
		fail_times(*state, user, "unix", 1);
	}
	fail_times(*state, "bob", "10.0.0.7:1", THROTTLE_FREE_USER);
	assert_int_equal(check(*state, "bob", "10.0.0.7:1"), IM_ERR_THROTTLED);
}

/* Whoever has one address of an IPv6 network of 64 bits has them all. */
static void
throttle_counts_networks(void **state)
{
	char address[64];
	int i;

	for (i = 0; i < THROTTLE_FREE_USER; i++) {
		snprintf(address, sizeof address, "[2001:db8:0:7::%x]:%d", i + 1, i);
		assert_int_equal(check(*state, "bob", address), IM_OK);
		fail_times(*state, "bob", address, 1);
	}
	assert_int_equal(check(*state, "bob", "[2001:db8:0:7:8000::1]:9"), IM_ERR_THROTTLED);
	assert_int_equal(check(*state, "bob", "[2001:db8:0:8::1]:9"), IM_OK);
}

static void
throttle_tells_sources_apart(void **state)
{
	(void)state;
	assert_true(throttle_source("10.0.0.1:1") == throttle_source("10.0.0.1:2"));
	assert_true(throttle_source("10.0.0.1:1") != throttle_source("10.0.0.2:1"));
	assert_true(throttle_source("[::1]:1") == throttle_source("[::2]:2"));
	assert_true(throttle_source("[::1]:1") != throttle_source("[1::1]:1"));
	assert_true(throttle_source("unix") != 0);
}

#define THROTTLE_TEST(f) cmocka_unit_test_setup_teardown(f, throttle_make, throttle_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    THROTTLE_TEST(throttle_closes_after_free_failures),
	    THROTTLE_TEST(throttle_wait_doubles_up_to_a_minute),
	    THROTTLE_TEST(throttle_success_opens),
	    THROTTLE_TEST(throttle_forgets),
	    THROTTLE_TEST(throttle_address_alone),
	    THROTTLE_TEST(throttle_table_is_bounded),
	    THROTTLE_TEST(throttle_counts_networks),
	    THROTTLE_TEST(throttle_tells_sources_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
