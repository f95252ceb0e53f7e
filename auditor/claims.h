#ifndef AUDITOR_CLAIMS_H
#define AUDITOR_CLAIMS_H

#include "peers.h"
#include "selection.h"

/*
 * What peers claim to have verified, collected at the beginning of a round, and compared with what
 * the server shows us in it.
 */
#define CLAIMS_MAX 4096
/* Of one database in a round: that the server is asked about, and whose signatures are checked. */
#define CLAIMS_ASKED_MAX 16
#define CLAIMS_SIGNATURES_MAX 64
/* Contradictions of a round, and of one database that are checked. */
#define CLAIMS_PROOFS_MAX 64
#define CLAIMS_PROOFS_CHECKED_MAX 8

struct claim {
	struct peer_state state;
	char peer[PEERS_ADDRESS_MAX]; /* its address */
};

/* A contradiction that a peer has shown. */
struct claim_proof {
	struct peer_proof *proof;
	char peer[PEERS_ADDRESS_MAX];
};

struct claims {
	struct claim *items;
	size_t len, cap;
	struct claim_proof proofs[CLAIMS_PROOFS_MAX];
	size_t proofs_len;
	const struct selection *selection; /* what claims are kept about */
};

/*
 * Asks the peers about the databases of the selection, and takes what those said that asked us;
 * NULL: there are none, which is fine. What cannot be kept is left out and logged.
 */
void claims_collect(struct claims *c, struct peers *peers, const char *server_id,
    const struct selection *selection);
void claims_free(struct claims *c);

struct round;

/*
 * The check: every claim about this round's database agrees with the state that the server has
 * shown us, or is not backed by anything. A contradiction counts for more than a state that is not
 * shown. IM_ERR_STATE_FORKED, IM_ERR_STATE_OLDER, IM_ERR_PROOF, errors of asking.
 */
enum im_err claims_check(struct round *r);

#endif
