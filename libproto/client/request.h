#ifndef CLIENT_REQUEST_H
#define CLIENT_REQUEST_H

#include "client/client.h"

/*
 * What the files that make requests share: request.c picks by operation, request_write.c and
 * request_read.c make the messages. Each sender checks a public request, sends it for the call, and
 * keeps in the call what the answer will be compared with.
 */
typedef enum im_err request_sender(struct call *call, const struct immu_request *r);

/* request_write.c */
request_sender request_send_set;
request_sender request_send_reference;
request_sender request_send_zadd;
request_sender request_send_exec_all;
request_sender request_send_delete;

/* request_read.c */
request_sender request_send_get;
request_sender request_send_get_all;
request_sender request_send_scan;
request_sender request_send_zscan;
request_sender request_send_history;
request_sender request_send_count;
request_sender request_send_tx;
request_sender request_send_tx_scan;
request_sender request_send_export;

/* Starts the transport's request; its answer goes to the call. */
enum im_err
request_start(struct call *call, enum rpc_method_id method, const ProtobufCMessage *message);

/* A user's key: IM_ERR_NULL_KEY, IM_ERR_KEY_LENGTH. */
enum im_err request_check_key(struct immu_bytes key);

/* A message that reads one version of a key; it borrows. Errors of the key; IM_ERR_ARGUMENT. */
enum im_err request_fill_get(
    struct immu_bytes key, const struct immu_version *version, Immudb__Schema__KeyRequest *m);

/* Keys: at least one and at most TX_ENTRIES_MAX, each of them right. */
enum im_err request_check_keys(const struct immu_bytes *keys, size_t len);

/* A list of keys as a message has it, from the arena; NULL without memory. */
ProtobufCBinaryData *request_keys(struct arena *arena, const struct immu_bytes *keys, size_t len);

static inline struct bytes
request_bytes(struct immu_bytes b)
{
	return bytes_of(b.data, b.len);
}

/* Borrowed: protobuf-c does not write through this pointer. */
static inline ProtobufCBinaryData
request_binary(struct immu_bytes b)
{
	return (ProtobufCBinaryData){b.len, (uint8_t *)(uintptr_t)b.data};
}

#endif
