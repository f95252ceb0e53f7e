#ifndef AUDITOR_PEER_EXCHANGE_H
#define AUDITOR_PEER_EXCHANGE_H

#include "peer_address.h"

/*
 * One exchange with one peer: ours are given, theirs are asked for, page by page over one
 * connection, until both sides have said all. Blocks, for the timeout at most, name look-ups not
 * counted.
 */
struct peer_exchange {
	const struct peer_address *address;
	const struct peers_options *options; /* each, each_proof, arg, timeout_ms */
	const char *server_id;
	/*
	 * Out: what the peer says, at most one state of each database, sorted by name; free() it.
	 */
	struct peer_state *theirs;
	size_t theirs_len;
	struct peer_proof *proofs[PEERS_PROOFS_MAX]; /* contradictions that it holds; free() them */
	size_t proofs_len;
};

/*
 * IM_OK; what the connection gives (rpc/client_conn.h), IM_ERR_FORMAT for a state that cannot be
 * one, IM_ERR_LIMIT (too many), IM_ERR_NOMEM. There are theirs with IM_OK only.
 */
enum im_err peer_exchange_run(struct peer_exchange *x);

#endif
