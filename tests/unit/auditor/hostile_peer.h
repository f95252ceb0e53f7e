#ifndef TESTS_HOSTILE_PEER_H
#define TESTS_HOSTILE_PEER_H

#include <stdint.h>

/*
 * Peers that auditors should not have: listeners on the loopback that speak some of the protocol,
 * or none of it.
 */
enum hostile_manner {
	HOSTILE_CLOSES,    /* accepts and closes */
	HOSTILE_SILENT,    /* accepts and never says anything */
	HOSTILE_GARBAGE,   /* answers the hello with bytes that are no frame */
	HOSTILE_TRICKLES,  /* sends its hello byte by byte, for ever */
	HOSTILE_HUGE,      /* announces an answer of 1 GiB */
	HOSTILE_NOISE,     /* a good hello, then an answer that is no message */
	HOSTILE_ENDLESS,   /* full pages of states, each another database, for ever */
	HOSTILE_CROWDED,   /* more states in a page than there may be */
	HOSTILE_FOREIGN,   /* a state of another server */
	HOSTILE_MALFORMED, /* a good state and a bad one */
	HOSTILE_REFUSES,   /* answers with an error */
	HOSTILE_MANNERS,
	HOSTILE_REFORMED = HOSTILE_MANNERS /* one state, as it should be */
};

struct hostile_peer;

struct hostile_peer *hostile_peer_start(enum hostile_manner manner);
/* From now on it has another manner; both of those that speak the protocol. */
void hostile_peer_become(struct hostile_peer *h, enum hostile_manner manner);

uint16_t hostile_peer_port(const struct hostile_peer *h);
void hostile_peer_stop(struct hostile_peer *h);

#endif
