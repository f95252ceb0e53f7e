#ifndef RPC_BATCH_H
#define RPC_BATCH_H

#include <stdbool.h>

/*
 * Between these two, what the calling thread sends (answers given, calls started) is only queued;
 * at the end each connection concerned is written to once. Scopes nest. Keep them short: the peers
 * wait. Callbacks of the transport have such a scope of their own.
 */
void rpc_batch_begin(void);
void rpc_batch_end(void);

/* Sends what the calling thread's batch has queued so far: the rest of it will take long. */
void rpc_batch_flush(void);

/*
 * Calls fn(ctx) at the end of the calling thread's batch, before its output is sent; once, however
 * often it is asked for. False when there is no batch, or no room: then the caller does it himself.
 */
bool rpc_batch_at_end(void (*fn)(void *ctx), void *ctx);

/* Whether that was asked for already. */
bool rpc_batch_has_end(void (*fn)(void *ctx), void *ctx);

#endif
