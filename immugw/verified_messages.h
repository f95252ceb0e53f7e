#ifndef IMMUGW_VERIFIED_MESSAGES_H
#define IMMUGW_VERIFIED_MESSAGES_H

#include "client/immu.h"
#include "rpc/method.h"
#include "util/arena.h"

/*
 * Between messages and the structures of the client library, for verified calls. Everything comes
 * from the arena or points into what it was made from. Pure.
 */

/*
 * The library's request for a request message of a verifiable method. IM_ERR_ARGUMENT for what the
 * library cannot prove, IM_ERR_NOMEM.
 */
enum im_err verified_request(enum rpc_method_id method, const ProtobufCMessage *message,
    struct arena *arena, struct immu_request *out);

/*
 * The message of type d that answers it: Entry, TxHeader or Tx. NULL without memory.
 */
ProtobufCMessage *verified_answer(
    const ProtobufCMessageDescriptor *d, const struct immu_result *result, struct arena *arena);

/* Single parts of results, for lists. NULL without memory. */
Immudb__Schema__Entry *verified_entry(const struct immu_entry *entry, struct arena *arena);
Immudb__Schema__ZEntry *verified_zentry(const struct immu_zentry *entry, struct arena *arena);
Immudb__Schema__Tx *verified_tx_view(const struct immu_tx_view *tx, struct arena *arena);

#endif
