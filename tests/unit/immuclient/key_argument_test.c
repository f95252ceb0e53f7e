/* KEY@REV: what is a revision and what belongs to the key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "key_argument.h"

static void
expect(const char *text, const char *separator, const char *key, int64_t revision)
{
	struct immu_bytes split;
	struct immu_version version;

	key_argument_split(text, separator, &split, &version);
	assert_int_equal(split.len, strlen(key));
	assert_memory_equal(split.data, key, split.len);
	assert_true(version.revision == revision);
	assert_true(version.at_tx == 0 && version.since_tx == 0);
}

static void
revisions(void **state)
{
	(void)state;
	expect("k", "@", "k", 0);
	expect("k@1", "@", "k", 1);
	expect("k@-2", "@", "k", -2);
	expect("k@0", "@", "k", 0);
	expect("a@b@12", "@", "a@b", 12);
	expect("k::7", "::", "k", 7);
}

static void
keys_with_separators(void **state)
{
	(void)state;
	expect("user@example.com", "@", "user@example.com", 0);
	expect("k@", "@", "k@", 0);
	expect("k@-", "@", "k@-", 0);
	expect("k@1x", "@", "k@1x", 0);
	expect("k@+1", "@", "k@+1", 0);
	expect("k@99999999999999999999", "@", "k@99999999999999999999", 0);
	expect("@1", "@", "@1", 0);
	expect("k@1", "", "k@1", 0);
	expect("", "@", "", 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(revisions),
	    cmocka_unit_test(keys_with_separators),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
