/*
 * From errors to verdicts. round.c applies the table to whatever ends a check.
 *
 * Invariant: nothing that a broken network or a restart brings about is tamper-like, and nothing
 * that a server says about its data is taken for a broken network.
 */
#include "round_rules.h"

static const struct {
	enum im_err err;
	enum audit_verdict verdict;
} rules[] = {
    {IM_OK, AUDIT_OK},
    {IM_ERR_SIGNATURE_MISSING, AUDIT_SIGNATURE_MISSING},
    {IM_ERR_SIGNATURE, AUDIT_SIGNATURE_WRONG},
    {IM_ERR_IDENTITY_CHANGED, AUDIT_IDENTITY_CHANGED},
    {IM_ERR_DATABASE_NOT_FOUND, AUDIT_EMPTIED},
    {IM_ERR_STATE_OLDER, AUDIT_ROLLED_BACK},
    {IM_ERR_ILLEGAL_STATE, AUDIT_TAMPERED},
    {IM_ERR_STATE_FORKED, AUDIT_FORKED},
    {IM_ERR_PROOF, AUDIT_TAMPERED},
    {IM_ERR_TX_NOT_FOUND, AUDIT_TAMPERED},
    {IM_ERR_DATA_LOSS, AUDIT_TAMPERED},
    {IM_ERR_CORRUPT, AUDIT_TAMPERED},
    {IM_ERR_UNREACHABLE, AUDIT_UNREACHABLE},
    {IM_ERR_TLS, AUDIT_UNREACHABLE},
    {IM_ERR_CONNECTION_LOST, AUDIT_UNREACHABLE},
    {IM_ERR_TIMEOUT, AUDIT_UNREACHABLE},
    {IM_ERR_SHUTDOWN, AUDIT_UNREACHABLE},
    {IM_ERR_CLOSED, AUDIT_UNREACHABLE},
};

enum audit_verdict
round_rules_verdict(enum im_err err)
{
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		if (rules[i].err == err)
			return rules[i].verdict;
	return AUDIT_ERROR;
}

enum round_value
round_rules_value(const struct round_value_facts *facts)
{
	struct hash empty = hash_empty();

	if (facts->len > 0)
		return ROUND_VALUE_HERE;
	if (hash_equal(&facts->hval, &empty))
		return ROUND_VALUE_EMPTY;
	if (kv_metadata_is_expired(&facts->metadata, facts->now))
		return ROUND_VALUE_EXPIRED;
	if (facts->tx <= facts->truncated_to)
		return ROUND_VALUE_TRUNCATED;
	return ROUND_VALUE_WITHHELD;
}
