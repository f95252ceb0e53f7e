#ifndef SERVER_MESSAGES_H
#define SERVER_MESSAGES_H

#include "crypto/proof.h"
#include "crypto/sign.h"
#include "proto/immudb.pb-c.h"
#include "store/store.h"

/*
 * From the structures of the engine to messages. Messages come from the arena and point into what
 * they were made from, which must live as long. NULL (or false) is returned when the arena is
 * exhausted, and for nothing else. Hashes are always 32 bytes; metadata that is empty is absent.
 */

/* The number of ZEntry.score, for message_keep_negative_zero(). */
#define ZENTRY_SCORE 4

/* A cleared message of the type that d describes. */
void *message_new(struct arena *a, const ProtobufCMessageDescriptor *d);

static inline ProtobufCBinaryData
message_data(struct bytes v)
{
	return (ProtobufCBinaryData){v.len, (uint8_t *)(uintptr_t)v.data};
}

static inline struct bytes
message_bytes(ProtobufCBinaryData v)
{
	return bytes_of(v.data, v.len);
}

static inline ProtobufCBinaryData
message_hash(const struct hash *h)
{
	return message_data(hash_bytes(h));
}

/* *out is NULL for empty metadata. */
bool message_kv_metadata(
    struct arena *a, const struct kv_metadata *md, Immudb__Schema__KVMetadata **out);

/* The inverse; NULL is empty metadata. */
struct kv_metadata message_to_kv_metadata(const Immudb__Schema__KVMetadata *md);

/* The header is copied. */
Immudb__Schema__TxHeader *message_tx_header(struct arena *a, const struct tx_header *header);

/* One entry as it is hashed, with its value if it was read. */
Immudb__Schema__TxEntry *message_tx_entry(struct arena *a, const struct store_tx_entry *e);

/* Header, which is copied, and all entries. */
Immudb__Schema__Tx *message_tx(struct arena *a, const struct store_tx *tx);

Immudb__Schema__InclusionProof *
message_inclusion_proof(struct arena *a, const struct inclusion_proof *p);

Immudb__Schema__DualProof *message_dual_proof(struct arena *a, const struct dual_proof *p);

#endif
