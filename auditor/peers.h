#ifndef AUDITOR_PEERS_H
#define AUDITOR_PEERS_H

#include "crypto/sign.h"
#include "report.h"

/*
 * Auditors compare notes: each gives its peers the newest state that it has verified of every database,
 * with the server's signature, and is given theirs. What a peer says is a claim: it can raise an alarm,
 * never calm one, and it is never trusted. Comparing is the round's work (round.h): here is only the
 * exchange, over nng.
 */
struct peers;

struct peer_state {
	char server_id[64];
	char database[REPORT_NAME_MAX + 1];
	uint64_t tx;
	struct hash alh;
	uint8_t signature[SIGN_DER_MAX];
	size_t signature_len; /* 0: not signed */
	int64_t seen_at;      /* Unix seconds, by the peer's clock */
};

struct peers_options {
	const char *listen;       /* "ADDRESS:PORT"; "" or NULL: nobody is served */
	const char *const *peers; /* "ADDRESS:PORT" each */
	size_t peers_len;
	unsigned int timeout_ms; /* of one exchange; 0: 5,000 */
	/* Gives what we have verified, one after the other; from the server's threads. */
	void (*each)(void *arg, void (*give)(void *to, const struct peer_state *state), void *to);
	void *arg;
};

/* Starts to serve, if asked for. IM_ERR_ARGUMENT (an address), IM_ERR_IO (the port), IM_ERR_NOMEM. */
enum im_err peers_start(const struct peers_options *options, struct peers **out);

/* The port that is served, 0 if none. */
uint16_t peers_port(const struct peers *p);

/*
 * Asks every peer for its states of one server; take is called for each valid one, with the peer's
 * address. A peer that cannot be reached or answers nonsense is logged once until it is back, and
 * counted. Waits for all of them at most the timeout. From one thread at a time.
 */
typedef void peers_take(void *arg, const char *peer, const struct peer_state *state);
void peers_ask(struct peers *p, const char *server_id, peers_take *take, void *arg);

void peers_stop(struct peers *p);

#endif
