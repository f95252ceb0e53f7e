#ifndef CLIENT_DECODE_H
#define CLIENT_DECODE_H

#include "client/immu.h"
#include "crypto/metadata.h"
#include "crypto/proof.h"
#include "crypto/restore_notice.h"
#include "proto/immudb.pb-c.h"
#include "util/arena.h"

/*
 * From messages to the structures of crypto/. Everything comes from a server that is not trusted:
 * whatever is missing, out of range or of a wrong length is IM_ERR_PROOF with a detail, never a
 * default. Memory comes from the arena; byte views point into the message. Pure.
 */

/* Decodes a packed message; IM_ERR_PROTOCOL when it does not parse, IM_ERR_LIMIT, IM_ERR_NOMEM. */
enum im_err decode_message(const ProtobufCMessageDescriptor *type, struct bytes body,
    struct arena *arena, ProtobufCMessage **out);

/* Exactly 32 bytes; what names it in the detail. */
enum im_err decode_hash(const char *what, ProtobufCBinaryData data, struct hash *out);

/* A header, in range and canonical (tx_header_check). NULL is refused. */
enum im_err decode_header(const Immudb__Schema__TxHeader *m, struct tx_header *out);

/*
 * A notice of a restore, which borrows the message's texts. IM_ERR_PROOF when a name is too long or
 * a hash is missing, not one, or not wanted.
 */
enum im_err
decode_restore_notice(const Immudb__Schema__RestoreNotice *m, struct restore_notice *out);

enum im_err decode_inclusion(
    const Immudb__Schema__InclusionProof *m, struct arena *arena, struct inclusion_proof *out);

enum im_err
decode_dual_proof(const Immudb__Schema__DualProof *m, struct arena *arena, struct dual_proof *out);

/* Metadata of an entry; NULL is none. */
void decode_metadata(const Immudb__Schema__KVMetadata *m, struct kv_metadata *out);

/* The same in the form of the public interface. */
struct immu_metadata decode_public_metadata(const struct kv_metadata *md);

/*
 * An entry as it is hashed; the encoded metadata comes from the arena. A value that the message
 * holds must be the one that was hashed.
 */
enum im_err
decode_tx_entry(const Immudb__Schema__TxEntry *m, struct arena *arena, struct entry_parts *out);

/* A header in the form of the public interface. */
void decode_public_header(const struct tx_header *h, struct immu_header *out);

static inline struct bytes
decode_bytes(ProtobufCBinaryData data)
{
	return bytes_of(data.data, data.len);
}

#endif
