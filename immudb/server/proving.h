#ifndef SERVER_PROVING_H
#define SERVER_PROVING_H

#include "server/call.h"
#include "server/messages.h"

/*
 * What the verifiable methods have in common: the dual proof between the client's state and the
 * transaction that is asked for, and the signature of the newer one of the two.
 */

/*
 * Signs (database of the call, tx, alh); *out is NULL when the server has no key. IM_ERR_NOMEM,
 * IM_ERR_INTERNAL.
 */
enum im_err
proving_sign(struct call *c, uint64_t tx, const struct hash *alh, Immudb__Schema__Signature **out);

/* IM_ERR_ILLEGAL_STATE when the client's state is newer than the newest transaction. */
enum im_err proving_check_since(struct call *c, uint64_t since);

/*
 * The answer around tx, which describes transaction number id: dual proof between it and c->since
 * (itself when that is 0), in the order of their numbers, and the signature.
 */
enum im_err proving_answer(
    struct call *c, uint64_t id, Immudb__Schema__Tx *tx, Immudb__Schema__VerifiableTx **out);

#endif
