#ifndef CLIENT_EVIDENCE_H
#define CLIENT_EVIDENCE_H

#include "client/decode.h"
#include "client/immu_proof.h"
#include "client/trust_file.h"

/*
 * Making evidence: the offline-proof container of kind 3 (PROOF_FORMAT.md, section 6), which shows to
 * anyone what a server answered that does not verify. immu_proof_check() reads it, repeats the check and
 * says whether it fails as the verdict says.
 */

/* What evidence is made of. Everything is borrowed; NULL, 0 and "" leave a part out. */
struct evidence_source {
	const char *verdict; /* one word: "forked" */
	const char *reason;  /* a sentence: what was expected, what was seen */
	const char *server_id, *database, *address, *program;
	const struct trust_state *trusted; /* with its signature */
	int64_t trusted_at;                /* Unix seconds */
	const struct trust_state *seen;
	int64_t seen_at;
	const char
	    *other_server_id; /* the identity that the server showed, when that is the point */
	uint64_t suspect_from, suspect_to; /* the transactions in question */
	/* The answers that fail, as they came; at most one of each. */
	const Immudb__Schema__VerifiableTx *tx;
	const Immudb__Schema__VerifiableEntry *entry;
	/* For two states that are both signed: the proof that the history of one holds another hash. */
	const Immudb__Schema__VerifiableTx *link;
};

/*
 * Makes a file in the arena; messages that are too large for it are left out, the states never are.
 * IM_ERR_NOMEM, IM_ERR_LIMIT.
 */
enum im_err
evidence_make(const struct evidence_source *source, struct arena *arena, struct immu_bytes *out);

#endif
