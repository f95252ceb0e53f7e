/* What a backup takes of the processors beside writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "server/backup_share.h"
#include "util/clock.h"

static void
test_quiet(void **state)
{
	(void)state;
	assert_int_equal(backup_share_ns(0, CLOCK_NS_PER_S, 1 << 20), 0);
	assert_int_equal(backup_share_ns(BACKUP_SHARE_BUSY_TXS - 1, CLOCK_NS_PER_S, 1 << 20), 0);
	assert_int_equal(backup_share_ns(1, CLOCK_NS_PER_MS, 1 << 20), 0);
}

/* In a second goes what may go in a second, however it is cut. */
static void
test_busy(void **state)
{
	size_t second = (size_t)sysconf(_SC_NPROCESSORS_ONLN) * BACKUP_SHARE_RATE_PER_PROCESSOR;

	(void)state;
	assert_int_equal(
	    backup_share_ns(BACKUP_SHARE_BUSY_TXS, CLOCK_NS_PER_S, second), CLOCK_NS_PER_S);
	assert_int_equal(backup_share_ns(1000, CLOCK_NS_PER_MS, second / 4), CLOCK_NS_PER_S / 4);
	/* Nothing is known of no time at all but that something was written. */
	assert_int_equal(backup_share_ns(1, 0, second / 2), CLOCK_NS_PER_S / 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_quiet), cmocka_unit_test(test_busy)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
