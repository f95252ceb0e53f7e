#ifndef RPC_CLIENT_DIAL_H
#define RPC_CLIENT_DIAL_H

#include <nng/nng.h>

#include "rpc/client_conn.h"

/*
 * Connects to the first address of the options that answers (internal to rpc/). The time counts
 * from the end of the name look-up, and *deadline_ns says when it is over. *stream and *address
 * (the text to name the peer by, to be freed) belong to the caller. IM_ERR_UNREACHABLE,
 * IM_ERR_TIMEOUT, IM_ERR_ARGUMENT, IM_ERR_NOMEM; the detail names the address.
 */
enum im_err client_dial(const struct rpc_client_options *options, uint32_t timeout_ms,
    int64_t *deadline_ns, nng_stream **stream, char **address);

#endif
