/* What is to be done at the end of a thread's batch is done then, and once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/batch.h"

static void
count(void *ctx)
{
	++*(unsigned *)ctx;
}

/* Asks for another ending while the endings are run. */
static unsigned chained;

static void
chain(void *ctx)
{
	(void)ctx;
	rpc_batch_begin();
	assert_true(rpc_batch_at_end(count, &chained));
	rpc_batch_end();
}

static void
test_outside(void **state)
{
	unsigned n = 0;

	(void)state;
	assert_false(rpc_batch_at_end(count, &n));
	rpc_batch_begin();
	rpc_batch_end();
	assert_int_equal(n, 0);
}

static void
test_once_at_the_outer_end(void **state)
{
	unsigned n = 0, m = 0;

	(void)state;
	rpc_batch_begin();
	assert_true(rpc_batch_at_end(count, &n));
	rpc_batch_begin();
	assert_true(rpc_batch_at_end(count, &n));
	assert_true(rpc_batch_at_end(count, &m));
	rpc_batch_end();
	assert_int_equal(n, 0);
	rpc_batch_end();
	assert_int_equal(n, 1);
	assert_int_equal(m, 1);
	/* The next batch starts empty. */
	rpc_batch_begin();
	rpc_batch_end();
	assert_int_equal(n, 1);
}

static void
test_no_room(void **state)
{
	unsigned n[64] = {0}, taken = 0;

	(void)state;
	rpc_batch_begin();
	while (taken < 64 && rpc_batch_at_end(count, &n[taken]))
		taken++;
	assert_in_range(taken, 1, 63);
	/* One that is known already needs no room. */
	assert_true(rpc_batch_at_end(count, &n[0]));
	rpc_batch_end();
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(n[i], i < taken);
}

static void
test_ending_with_a_batch_of_its_own(void **state)
{
	(void)state;
	chained = 0;
	rpc_batch_begin();
	assert_true(rpc_batch_at_end(chain, NULL));
	rpc_batch_end();
	assert_int_equal(chained, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_outside),
	    cmocka_unit_test(test_once_at_the_outer_end),
	    cmocka_unit_test(test_no_room),
	    cmocka_unit_test(test_ending_with_a_batch_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
