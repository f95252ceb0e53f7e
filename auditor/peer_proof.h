#ifndef AUDITOR_PEER_PROOF_H
#define AUDITOR_PEER_PROOF_H

#include "client/verify.h"
#include "peers.h"
#include "proto/immudb.pb-c.h"

/*
 * Contradictions on the wire: two states of one database, both as the server has signed them, and
 * the link that shows that they are of two histories: the older state's transaction as the newer
 * state's history has it, with another hash (PROTOCOL.md, section 8, "Among auditors"). Whoever has
 * the server's public key can check that alone, and nobody without the private key can make one.
 */
struct peer_proof {
	char server_id[64];
	char database[REPORT_NAME_MAX + 1];
	size_t len;
	uint8_t data[]; /* a packed PeerContradiction */
};

/* What one is made of, and what it says. */
struct peer_contradiction {
	struct peer_state older, newer; /* older.tx < newer.tx */
	const Immudb__Schema__VerifiableTx *link;
};

/* Packs one; free() it. IM_ERR_LIMIT when it would be longer than PEER_PROOF_MAX, IM_ERR_NOMEM. */
enum im_err
peer_proof_make(const struct peer_contradiction *contradiction, struct peer_proof **out);

/*
 * A copy of what came in a message of that server, which is read first. Errors as
 * peer_proof_read().
 */
enum im_err peer_proof_keep(
    const Immudb__Schema__PeerContradiction *m, const char *server_id, struct peer_proof **out);

/*
 * Takes one apart; out points into the arena. IM_ERR_FORMAT when it is not as PROTOCOL.md says.
 * Nothing is checked of signatures and hashes. IM_ERR_NOMEM.
 */
enum im_err peer_proof_read(
    const struct peer_proof *proof, struct arena *arena, struct peer_contradiction *out);

/*
 * Whether it shows what it should: each of its states is signed by one of the keys, and the link
 * holds from the newer one and gives the older one's transaction another hash. IM_ERR_SIGNATURE,
 * IM_ERR_PROOF, IM_ERR_NOMEM.
 */
struct peer_proof_keys {
	const struct sign_public_key *const *keys;
	size_t len;
};
enum im_err peer_proof_check(const struct peer_contradiction *contradiction,
    const struct peer_proof_keys *keys, struct arena *arena);

/* The message of a packed one, in the arena; NULL without memory. */
Immudb__Schema__PeerContradiction *
peer_proof_message(const struct peer_proof *proof, struct arena *arena);

#endif
