#ifndef AUDITOR_CONTENT_CHECK_H
#define AUDITOR_CONTENT_CHECK_H

#include "client/verify.h"
#include "round_rules.h"

/*
 * Does a transaction hold what its header says? Every entry is hashed here, and so is every value
 * that the answer holds. Pure.
 */
struct tx_rules {
	uint64_t truncated_to; /* of struct round_value_facts */
	int64_t now;
	bool with_values; /* values were asked for: one that is not there must not be */
};

struct tx_checked {
	uint64_t values;  /* that were hashed, empty ones included */
	bool is_withheld; /* a value is not there that should be; the error is IM_ERR_DATA_LOSS */
};

/*
 * The entries of m are those that out->header counts and hash to its root, and each value has its
 * hash. Fills out->entries. IM_ERR_PROOF, IM_ERR_DATA_LOSS; the detail names transaction and key;
 * IM_ERR_NOMEM.
 */
enum im_err content_check(const Immudb__Schema__Tx *m, const struct tx_rules *rules,
    struct arena *arena, struct verify_outcome *out, struct tx_checked *checked);

#endif
