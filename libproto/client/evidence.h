#ifndef CLIENT_EVIDENCE_H
#define CLIENT_EVIDENCE_H

#include "client/decode.h"
#include "client/immu_proof.h"
#include "client/trust_file.h"

/*
 * Making evidence: the offline-proof container of kind 3 (PROOF_FORMAT.md, section 6), which shows
 * to anyone what a server answered that does not verify. immu_proof_check() reads it, repeats the
 * check and says whether it fails as the verdict says.
 *
 * What each verdict needs, so that there is something to repeat; whatever is missing makes the file
 * the mere word of the auditor:
 *
 *	rolled-back, emptied				trusted and seen
 *	rolled-back-announced				trusted and seen, the notice, and what forked
 *							has if seen is not older
 *	identity-changed				other_server_id
 *	signature-missing, signature-wrong		seen, as it came
 *	forked, tampered				trusted and seen with two hashes for one
 *							transaction, or a link, or an answer that fails
 *
 * An answer that verifies, and is only not what was asked for, belongs into the reason, not into tx
 * or entry: a checker says of it that it does verify.
 */

/* What evidence is made of. Everything is borrowed; NULL, 0 and "" leave a part out. */
struct evidence_source {
	const char *verdict; /* one word: "forked" */
	const char *reason;  /* a sentence: what was expected, what was seen */
	const char *server_id, *database, *address, *program;
	const struct trust_state *trusted; /* with its signature */
	int64_t trusted_at;                /* Unix seconds */
	const struct trust_state *seen;    /* with the signature that came, right or wrong */
	int64_t seen_at;
	/* The identity that the server showed, when that is the point. */
	const char *other_server_id;
	uint64_t suspect_from, suspect_to; /* the transactions in question */
	/*
	 * The answers that fail, as they came; at most one of each. Unknown fields are taken out of
	 * them.
	 */
	const Immudb__Schema__VerifiableTx *tx; /* with or without its entries */
	const Immudb__Schema__VerifiableEntry
	    *entry; /* proven since the trusted or the seen state */
	/*
	 * For two states of different transactions: the transaction of the older one as the history
	 * of the newer one has it, that is the answer for the older one's id with a proof since the
	 * newer one. It verifies, and its hash is another one.
	 */
	const Immudb__Schema__VerifiableTx *link;
	/* What the server says of a restore, as it came, whether it counts or not. */
	const Immudb__Schema__RestoreNotice *notice;
};

/*
 * Makes a file in the arena. When it would be too large, entries of the transaction are left out,
 * then answers, then the link; the states never are. Texts are cut to what a file may hold.
 * IM_ERR_NOMEM, IM_ERR_ARGUMENT (no verdict, or an identity or database that can be no such name).
 */
enum im_err
evidence_make(const struct evidence_source *source, struct arena *arena, struct immu_bytes *out);

#endif
