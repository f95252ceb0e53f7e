#ifndef AUDITOR_CLAIMS_H
#define AUDITOR_CLAIMS_H

#include "peers.h"

/*
 * What peers claim to have verified, collected at the beginning of a round, and compared with what the
 * server shows us in it.
 */
#define CLAIMS_MAX 4096
#define CLAIMS_PER_DATABASE_MAX 16

struct claim {
	struct peer_state state;
	char peer[REPORT_TEXT_MAX]; /* its address */
};

struct claims {
	struct claim *items;
	size_t len, cap;
};

/* Asks the peers; NULL: there are none, which is fine. What cannot be kept is left out and logged. */
void claims_collect(struct claims *c, struct peers *peers, const char *server_id);
void claims_free(struct claims *c);

struct round;

/*
 * The check: every claim about this round's database agrees with the state that the server has shown
 * us, or is not backed by anything. IM_ERR_STATE_FORKED, IM_ERR_STATE_OLDER, IM_ERR_PROOF, errors of asking.
 */
enum im_err claims_check(struct round *r);

#endif
