#ifndef AUDITOR_PEER_CLAIMS_H
#define AUDITOR_PEER_CLAIMS_H

#include "peers.h"

/*
 * Claims of peers that asked us, until the round takes them: a store that strangers fill, with room
 * for PEERS_CLAIMS_MAX of at most PEERS_SENDERS_MAX hosts. Of one host about one database the last
 * PEERS_CLAIMS_OF_ONE different ones are kept. When all is full, whoever has the most loses the
 * oldest, so that one host cannot displace what others said. No lock: its owner has one.
 */
struct peer_claims {
	struct peer_sender *senders;
	size_t senders_len;
	size_t len; /* of all senders */
};

/* Keeps a claim. Returns how many were lost for it, itself included: 0 or 1. */
unsigned int
peer_claims_add(struct peer_claims *c, const char *host, const struct peer_state *state);

/* Gives every claim about the server, hosts and their claims in the order they came. */
void
peer_claims_each(const struct peer_claims *c, const char *server_id, peers_take *take, void *arg);

/* Releases all; the store is empty and usable. */
void peer_claims_clear(struct peer_claims *c);

#endif
