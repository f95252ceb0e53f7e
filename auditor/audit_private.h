#ifndef AUDITOR_AUDIT_PRIVATE_H
#define AUDITOR_AUDIT_PRIVATE_H

#include <stdatomic.h>

#include "audit.h"
#include "round_end.h"

/*
 * The inside of struct audit, shared by audit.c (the loop), audit_round.c (one round over the
 * server) and audit_recall.c (what is remembered of databases).
 */
#define AUDIT_KEYS_MAX 64u

struct audit_keys {
	struct sign_public_key *keys[AUDIT_KEYS_MAX];
	size_t len;
};

struct audit {
	struct audit_options options;
	struct audit_keys keys;        /* of the rounds; changes between them */
	struct audit_keys fresh;       /* for the rounds from the next one on; under lock */
	bool has_fresh;                /* under lock */
	struct tls_context *tls;       /* NULL: without */
	char address[REPORT_TEXT_MAX]; /* as it is pinned */
	struct round_memory *
	    *memory; /* sorted by name; grows between rounds, under the report's lock */
	size_t memory_len;
	uint64_t number;       /* of rounds */
	unsigned int failures; /* to reach the server, in a row */
	pthread_t thread;
	bool has_thread;
	atomic_bool stop;
	/*
	 * When the round under way last had an answer or ended a database, monotonic; 0 between
	 * rounds.
	 */
	atomic_int_least64_t moved_ns;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool is_wanted; /* a round, now; under lock */
};

/* ---- audit.c ---- */

/* Between rounds: keys that were read again are those of the rounds from now on. */
void audit_take_keys(struct audit *a);

/* ---- audit_recall.c ---- */

/*
 * Loads what the state folder remembers of the pinned server's databases, as far as they are
 * selected, into the memory and the report. IM_ERR_IO, IM_ERR_LIMIT.
 */
enum im_err audit_recall(struct audit *a);

/* The server that is pinned for the address; "" when none is, or it cannot be read. */
void audit_pinned(const struct audit *a, char id[XID_TEXT_LEN + 1]);

/* Where a name stands or belongs in the memory. */
size_t audit_memory_at(const struct audit *a, const char *name);

/* The memory of a database, made when there is none; NULL without memory. Between rounds. */
struct round_memory *audit_memory_of(struct audit *a, const char *name);

/*
 * Forgets a database of which nothing is known and that is not there; the report, too. Between
 * rounds.
 */
void audit_memory_drop(struct audit *a, const char *name);

/* ---- audit_round.c ---- */

/*
 * One round over all databases: IM_OK, or why they could not be looked at, which the report then
 * has as the server's verdict. IM_ERR_CANCELLED when the auditor stops.
 */
enum im_err audit_do_round(struct audit *a);

#endif
