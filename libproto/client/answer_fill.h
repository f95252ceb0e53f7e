#ifndef CLIENT_ANSWER_FILL_H
#define CLIENT_ANSWER_FILL_H

#include "client/decode.h"

/*
 * From decoded messages to the public structures of immu.h. Byte views point into the messages;
 * arrays come from the arena. Nothing is proven here. IM_ERR_NOMEM; IM_ERR_PROOF for what is
 * missing or does not fit together.
 */

/* A list of public structures that an arena holds. */
struct fill_entries {
	const struct immu_entry *items;
	size_t len;
};
struct fill_zentries {
	const struct immu_zentry *items;
	size_t len;
};
struct fill_tx_entries {
	const struct immu_tx_entry *items;
	size_t len;
};

/* Entries; a reference that was followed, or is shown as such, becomes their via. */
enum im_err
fill_entries(struct arena *arena, Immudb__Schema__Entry **m, size_t len, struct fill_entries *out);

/* One entry and the reference that it was found through (may be NULL, or from another answer). */
enum im_err fill_entry(struct arena *arena, const Immudb__Schema__Entry *m,
    const Immudb__Schema__Reference *via, struct immu_entry *out);

enum im_err fill_zentries(
    struct arena *arena, Immudb__Schema__ZEntry **m, size_t len, struct fill_zentries *out);

/*
 * The entries of a transaction that spec shows, raw and taken apart. A value that comes along is
 * the one that was hashed, or else IM_ERR_PROOF.
 */
enum im_err fill_tx_entries(struct arena *arena, const Immudb__Schema__Tx *m,
    const struct immu_tx_spec *spec, struct fill_tx_entries *out);

static inline struct immu_bytes
fill_bytes(ProtobufCBinaryData data)
{
	return (struct immu_bytes){data.data, data.len};
}

#endif
