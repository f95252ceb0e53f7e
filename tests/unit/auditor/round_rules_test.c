/* What a failure means: no broken network is tamper-like, and no damage is a broken network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "round_rules.h"

static bool
is_tamper(enum im_err err)
{
	return audit_verdict_info(round_rules_verdict(err))->is_tamper;
}

static void
each_error_has_its_verdict(void **state)
{
	static const struct {
		enum im_err err;
		enum audit_verdict verdict;
	} table[] = {
	    {IM_OK, AUDIT_OK},
	    {IM_ERR_SIGNATURE_MISSING, AUDIT_SIGNATURE_MISSING},
	    {IM_ERR_SIGNATURE, AUDIT_SIGNATURE_WRONG},
	    {IM_ERR_IDENTITY_CHANGED, AUDIT_IDENTITY_CHANGED},
	    {IM_ERR_STATE_OLDER, AUDIT_ROLLED_BACK},
	    {IM_ERR_STATE_FORKED, AUDIT_FORKED},
	    {IM_ERR_DATABASE_NOT_FOUND, AUDIT_EMPTIED},
	    {IM_ERR_PROOF, AUDIT_TAMPERED},
	    {IM_ERR_DATA_LOSS, AUDIT_TAMPERED},
	    {IM_ERR_TIMEOUT, AUDIT_UNREACHABLE},
	    {IM_ERR_CREDENTIALS, AUDIT_ERROR},
	    {IM_ERR_PROTOCOL, AUDIT_ERROR},
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		assert_int_equal(round_rules_verdict(table[i].err), table[i].verdict);
}

/* Whatever happens to a network, a process or our own disk. */
static void
accidents_are_never_tamper_like(void **state)
{
	static const enum im_err accidents[] = {IM_ERR_UNREACHABLE, IM_ERR_CONNECTION_LOST,
	    IM_ERR_TIMEOUT, IM_ERR_SHUTDOWN, IM_ERR_CANCELLED, IM_ERR_BUSY, IM_ERR_PROTOCOL,
	    IM_ERR_FORMAT, IM_ERR_REMOTE, IM_ERR_NOMEM, IM_ERR_LIMIT, IM_ERR_IO, IM_ERR_NO_SPACE,
	    IM_ERR_STATE_CORRUPT, IM_ERR_CREDENTIALS, IM_ERR_PERMISSION, IM_ERR_DATABASE_PERMISSION,
	    IM_ERR_NOT_LOGGED_IN, IM_ERR_TOKEN_EXPIRED, IM_ERR_THROTTLED, IM_ERR_MAINTENANCE,
	    IM_ERR_DATABASE_NOT_LOADED, IM_ERR_NOT_FOUND, IM_ERR_TOO_MANY_SESSIONS,
	    IM_ERR_MESSAGE_SIZE, IM_ERR_UNIMPLEMENTED, IM_ERR_UNKNOWN_METHOD, IM_ERR_VERSION,
	    IM_ERR_INTERNAL};

	(void)state;
	for (size_t i = 0; i < sizeof accidents / sizeof *accidents; i++)
		assert_false(is_tamper(accidents[i]));
}

/* What a server says of data that was proven. */
static void
damage_is_never_an_accident(void **state)
{
	static const enum im_err damage[] = {IM_ERR_PROOF, IM_ERR_DATA_LOSS, IM_ERR_CORRUPT,
	    IM_ERR_TX_NOT_FOUND, IM_ERR_STATE_OLDER, IM_ERR_ILLEGAL_STATE, IM_ERR_STATE_FORKED};

	(void)state;
	for (size_t i = 0; i < sizeof damage / sizeof *damage; i++)
		assert_true(is_tamper(damage[i]));
}

static void
a_value_is_there_or_has_a_reason(void **state)
{
	struct round_value_facts facts = {.tx = 7, .now = 1000, .len = 3};

	(void)state;
	facts.hval.b[0] = 1;
	assert_int_equal(round_rules_value(&facts), ROUND_VALUE_HERE);
	facts.len = 0;
	assert_int_equal(round_rules_value(&facts), ROUND_VALUE_WITHHELD);
	facts.metadata = (struct kv_metadata){.has_expiry = true, .expires_at = 1001};
	assert_int_equal(round_rules_value(&facts), ROUND_VALUE_WITHHELD);
	facts.metadata.expires_at = 1000;
	assert_int_equal(round_rules_value(&facts), ROUND_VALUE_EXPIRED);
	facts.metadata = (struct kv_metadata){.deleted = true};
	assert_int_equal(round_rules_value(&facts), ROUND_VALUE_WITHHELD);
	facts.truncated_to = 6;
	assert_int_equal(round_rules_value(&facts), ROUND_VALUE_WITHHELD);
	facts.truncated_to = 7;
	assert_int_equal(round_rules_value(&facts), ROUND_VALUE_TRUNCATED);
	facts = (struct round_value_facts){.tx = 7, .hval = hash_empty()};
	assert_int_equal(round_rules_value(&facts), ROUND_VALUE_EMPTY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_error_has_its_verdict),
	    cmocka_unit_test(accidents_are_never_tamper_like),
	    cmocka_unit_test(damage_is_never_an_accident),
	    cmocka_unit_test(a_value_is_there_or_has_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
