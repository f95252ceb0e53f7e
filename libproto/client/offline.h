#ifndef CLIENT_OFFLINE_H
#define CLIENT_OFFLINE_H

#include "client/decode.h"
#include "client/immu_proof.h"

/*
 * Making offline proofs from answers that have been verified. immu_proof.h is the public side and
 * offline_check.c its checker; offline_container.h is the form of the file.
 */

/* What a proof is made of. Everything is borrowed. */
struct offline_source {
	enum immu_proof_kind kind;
	const char *server_id;
	const char *database;
	const char *address;
	struct tx_point trusted; /* what was trusted when the first answer was asked for */
	/*
	 * IMMU_PROOF_ENTRY: the answer, and the one that proves the reference behind it, or NULL.
	 */
	const Immudb__Schema__VerifiableEntry *entry;
	const Immudb__Schema__VerifiableEntry *via;
	/* IMMU_PROOF_TX: the answer, with all entries. */
	const Immudb__Schema__VerifiableTx *tx;
};

/*
 * Makes a file in the arena. What messages hold beyond immudb.proto is left out. IM_ERR_NOMEM,
 * IM_ERR_LIMIT (longer than IMMU_PROOF_MAX, or more entries than a file holds).
 */
enum im_err
offline_make(const struct offline_source *source, struct arena *arena, struct immu_bytes *out);

#endif
