#ifndef AUDITOR_PEERS_H
#define AUDITOR_PEERS_H

#include "crypto/sign.h"
#include "report.h"

/*
 * Auditors compare notes: each gives its peers the newest state that it has verified of every
 * database, with the server's signature, and is given theirs, by the one who asks and by the one
 * who is asked alike (PROTOCOL.md, section 8, "Among auditors"). What a peer says is a claim: it
 * can raise an alarm, never calm one, and it is never trusted. Comparing is the round's work
 * (round.h): here is only the exchange, over nng. Whatever a peer does costs bounded memory and
 * time.
 */
struct peers;

#define PEERS_MAX 16 /* that are asked */
#define PEERS_STATES_MAX \
	4096 /* that one gives in an exchange; more are left out, which is logged */
#define PEERS_CLAIMS_MAX 4096 /* that are kept of those who asked us */
#define PEERS_SENDERS_MAX 32  /* hosts that they may come from */
#define PEERS_CLAIMS_OF_ONE 4 /* of one host about one database: the last */
#define PEERS_CONNECTIONS_MAX 64
#define PEERS_ADDRESS_MAX 256 /* of "ADDRESS:PORT", NUL included */

#define PEER_PROOF_MAX 12288  /* bytes of a packed contradiction */
#define PEERS_PROOFS_MAX 8    /* contradictions that one gives in an exchange */
#define PEERS_PROOFS_KEPT 16  /* of those who asked us */
#define PEERS_PROOFS_OF_ONE 4 /* of one host among them: the first */

struct peer_proof; /* peer_proof.h */

struct peer_state {
	char server_id[64];
	char database[REPORT_NAME_MAX + 1];
	uint64_t tx; /* never 0 */
	struct hash alh;
	uint8_t signature[SIGN_DER_MAX];
	size_t signature_len; /* 0: not signed */
	int64_t seen_at;      /* Unix seconds, by the peer's clock */
};

struct peers_options {
	const char *listen;       /* "ADDRESS:PORT"; "" or NULL: nobody is served */
	const char *const *peers; /* "ADDRESS:PORT" each, "[::1]:9500" too */
	size_t peers_len;
	unsigned int timeout_ms; /* of one exchange; 0: 5,000 */
	/*
	 * Gives what we have verified, one after the other. From any thread, also several at once,
	 * and also those of the transport: it must not wait for long.
	 */
	void (*each)(void *arg, void (*give)(void *to, const struct peer_state *state), void *to);
	/* The same of contradictions that we hold, which are copied; NULL: none. */
	void (*each_proof)(
	    void *arg, void (*give)(void *to, const struct peer_proof *proof), void *to);
	void *arg;
};

/*
 * Starts to serve, if asked for. Everything in options is copied. IM_ERR_ARGUMENT (an address, too
 * many peers), IM_ERR_LOCKED (the port is in use), IM_ERR_IO, IM_ERR_NOMEM; the detail names the
 * address.
 */
enum im_err peers_start(const struct peers_options *options, struct peers **out);

/* The port that is served, 0 if none. */
uint16_t peers_port(const struct peers *p);

/*
 * Gives every peer our states of one server and asks for theirs; take is called, before this
 * returns, for each of those, at most once for a database and peer, with the peer's address as
 * configured. A peer that cannot be reached or answers nonsense is logged once until it is back,
 * and counted; nothing is taken of one that answered some nonsense. Waits for all of them at most
 * the timeout. From one thread at a time.
 */
typedef void peers_take(void *arg, const char *peer, const struct peer_state *state);

/* The same of a contradiction, which is the taker's, to be freed. */
typedef void peers_take_proof(void *arg, const char *peer, struct peer_proof *proof);

struct peers_taker {
	peers_take *take;
	peers_take_proof *take_proof; /* NULL: not wanted */
	void *arg;
};
void peers_ask(struct peers *p, const char *server_id, const struct peers_taker *taker);

/*
 * Takes what peers that asked us have claimed meanwhile of that server, with the host they asked
 * from; each claim is given once. Only databases of which we had a state then are kept. From any
 * thread.
 */
void peers_take_claims(struct peers *p, const char *server_id, const struct peers_taker *taker);

/* Since start, for metrics. Any thread. */
struct peers_counts {
	uint64_t asked;    /* exchanges that we began */
	uint64_t failed;   /* of them without an answer of use */
	uint64_t answered; /* requests of others for states that we answered */
	uint64_t refused;  /* and that we did not: malformed, too much, another method */
	uint64_t claims;   /* states and contradictions that we were given, both ways */
	uint64_t dropped;  /* claims that there was no room for */
};
void peers_counts(struct peers *p, struct peers_counts *out);

/*
 * Stops serving and asking; waits for what is under way, at most about the timeout. NULL is fine.
 */
void peers_stop(struct peers *p);

#endif
