/* What a backup takes of the processors beside writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "server/backup_share.h"

#define MS CLOCK_NS_PER_MS
#define PIECE ((size_t)1 << 20)
#define TXS_A_MS (BACKUP_SHARE_BUSY_TXS / 1000)

static size_t
bytes_a_second(void)
{
	return (size_t)sysconf(_SC_NPROCESSORS_ONLN) * BACKUP_SHARE_RATE_PER_PROCESSOR;
}

static void
test_quiet(void **state)
{
	struct backup_share s;

	(void)state;
	backup_share_begin(&s, 100, 7);
	assert_int_equal(backup_share_take(&s, 100, 7, PIECE), 0);
	for (unsigned ms = 1; ms < 1000; ms++)
		assert_int_equal(
		    backup_share_take(&s, 100 + ms * (TXS_A_MS - 1), 7 + ms * MS, PIECE), 0);
	/* A batch is no flood. */
	assert_int_equal(backup_share_take(&s, 10000 + 20, 8 + 999 * MS, PIECE), 0);
}

/* Of what goes out while writes come in batches, there is no more than the rate allows. */
static void
test_busy(void **state)
{
	int64_t now_ns = 7, from_ns = 7 + BACKUP_SHARE_WINDOW_NS, ns;
	struct backup_share s;
	size_t sent = 0;

	(void)state;
	backup_share_begin(&s, 100, now_ns);
	while (now_ns < CLOCK_NS_PER_S) {
		/* In batches of 5 ms, more often than pieces. */
		uint64_t txs = (uint64_t)(now_ns / (5 * MS)) * 5 * TXS_A_MS * 2;

		ns = backup_share_take(&s, 100 + txs, now_ns, PIECE / 4);
		sent += now_ns >= from_ns ? PIECE / 4 : 0;
		now_ns += ns + MS / 1000;
	}
	assert_true(sent <= bytes_a_second());
	assert_true(sent >= bytes_a_second() / 10 * 9);
}

/* What was slow by itself is not made up for by a burst. */
static void
test_slow(void **state)
{
	struct backup_share s;
	int64_t ns;

	(void)state;
	backup_share_begin(&s, 0, 0);
	(void)backup_share_take(&s, 10000, 100 * MS, PIECE);
	ns = backup_share_take(&s, 100000, 2000 * MS, PIECE);
	assert_int_equal(ns, 0);
	ns = backup_share_take(&s, 100000, 2000 * MS, bytes_a_second() / 4);
	assert_int_equal(ns, CLOCK_NS_PER_S / 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_quiet), cmocka_unit_test(test_busy), cmocka_unit_test(test_slow)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
