#ifndef AUDITOR_LARGE_TX_H
#define AUDITOR_LARGE_TX_H

#include <stdint.h>

#include "util/err.h"

struct round;

/*
 * A transaction that does not fit one message with its values: proven by its digests, and then each
 * value by the key it was written under. Adds the values that were hashed to *values. A
 * value whose key has expired or is not indexed cannot be asked for alone and is left out. Nothing
 * may be pending on the link. IM_ERR_PROOF, IM_ERR_DATA_LOSS, errors of asking; what is wrong is
 * noted in the round.
 */
enum im_err large_tx_check(struct round *r, uint64_t tx, uint64_t *values);

#endif
