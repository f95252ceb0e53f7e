#ifndef CLIENT_OFFLINE_SECTIONS_H
#define CLIENT_OFFLINE_SECTIONS_H

#include "client/decode.h"
#include "client/immu_proof.h"
#include "client/offline_container.h"

/*
 * The sections of a file that is being made: offline_make.c and evidence.c add them in the order of
 * their types. The first failure is kept in err; what is added after it is of no consequence.
 */
struct offline_sections {
	struct arena *arena; /* of what is packed here */
	enum im_err err;
	size_t len;
	struct offline_section items[OFFLINE_SECTIONS_MAX];
};

/* A section whose content is borrowed. */
void offline_add(struct offline_sections *s, uint16_t type, struct bytes content);

/*
 * A message, without what its type does not have, which is also taken out of m. NULL adds nothing.
 */
void offline_add_message(struct offline_sections *s, uint16_t type, const ProtobufCMessage *m);

/* A transaction and its hash; that of transaction 0 is the one of no bytes. */
void offline_add_point(struct offline_sections *s, uint16_t type, const struct tx_point *point);

/* Seconds since 1970. */
void offline_add_time(struct offline_sections *s, uint16_t type, int64_t seconds);

/* Writes a file of the sections to the arena. IM_ERR_NOMEM, IM_ERR_LIMIT (IMMU_PROOF_MAX). */
enum im_err offline_assemble(const struct offline_sections *s, enum immu_proof_kind kind,
    struct arena *arena, struct immu_bytes *out);

#endif
