#ifndef RPC_BATCH_H
#define RPC_BATCH_H

/*
 * Between these two, what the calling thread sends (answers given, calls started) is only queued; at
 * the end each connection concerned is written to once. Scopes nest. Keep them short: the peers wait.
 * Callbacks of the transport have such a scope of their own.
 */
void rpc_batch_begin(void);
void rpc_batch_end(void);

#endif
