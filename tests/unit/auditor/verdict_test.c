/* The table of verdicts and the order among them. */
#include "verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
verdict_words(void **state)
{
	int v;

	(void)state;
	for (v = 0; v < AUDIT_VERDICTS; v++) {
		const struct audit_verdict_info *info = audit_verdict_info((enum audit_verdict)v);

		assert_int_equal(audit_verdict_parse(info->word), v);
		/* What is tamper-like shows 0, and nothing else does. */
		assert_int_equal(info->is_tamper, info->metric == 0);
		assert_true(info->text[0] >= 'a' && info->text[0] <= 'z');
		assert_int_not_equal(info->text[strlen(info->text) - 1], '.');
	}
	assert_int_equal(audit_verdict_parse("nonsense"), AUDIT_VERDICTS);
	assert_int_equal(audit_verdict_parse(""), AUDIT_VERDICTS);
	assert_int_equal(audit_verdict_parse("OK"), AUDIT_VERDICTS);
}

/*
 * 0 over -2 over -1 over 1, and it is an order: of any two one is the worse, whichever comes first.
 */
static void
verdict_order(void **state)
{
	static const int rank[] = {[0] = 3, [1] = 0};
	int a, b;

	(void)state;
	assert_int_equal(audit_verdict_worse(AUDIT_OK, AUDIT_FIRST_SEEN), AUDIT_FIRST_SEEN);
	assert_int_equal(
	    audit_verdict_worse(AUDIT_UNREACHABLE, AUDIT_NOT_CHECKED), AUDIT_UNREACHABLE);
	assert_int_equal(audit_verdict_worse(AUDIT_ROLLED_BACK_ANNOUNCED, AUDIT_ERROR),
	    AUDIT_ROLLED_BACK_ANNOUNCED);
	assert_int_equal(audit_verdict_worse(AUDIT_FORKED, AUDIT_TAMPERED), AUDIT_TAMPERED);
	for (a = 0; a < AUDIT_VERDICTS; a++)
		for (b = 0; b < AUDIT_VERDICTS; b++) {
			enum audit_verdict worse =
			    audit_verdict_worse((enum audit_verdict)a, (enum audit_verdict)b);
			int left = audit_verdict_info((enum audit_verdict)a)->metric;
			int right = audit_verdict_info((enum audit_verdict)b)->metric;

			assert_true((int)worse == a || (int)worse == b);
			assert_int_equal(
			    audit_verdict_worse((enum audit_verdict)b, (enum audit_verdict)a),
			    worse);
			if (left >= 0 && right >= 0 && left != right)
				assert_int_equal(worse, rank[left] > rank[right] ? a : b);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(verdict_words),
	    cmocka_unit_test(verdict_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
