#ifndef AUDITOR_REPORT_H
#define AUDITOR_REPORT_H

#include <pthread.h>
#include <stdint.h>

#include "crypto/hash.h"
#include "util/bytes.h"
#include "verdict.h"

/*
 * What the auditor knows at this moment: the one place that rounds write and that metrics, the
 * status page, /lastaudit and peers read. One writer at a time per database; readers look under the
 * lock, for as long as a callback runs. Times are Unix seconds with their fraction; 0 means never.
 */

#define REPORT_ROUNDS_KEPT 32  /* the last rounds of a database, newest last */
#define REPORT_GROWTH_KEPT 256 /* points of a history's growth, thinned as it gets longer */
#define REPORT_TEXT_MAX 1024
#define REPORT_PATH_MAX 512
#define REPORT_NAME_MAX 128 /* of a database */

/* A transaction's number and hash; id 0: an empty database. */
struct report_state {
	bool is_known;
	uint64_t tx;
	struct hash alh;
	bool is_signed;
};

struct report_round {
	double at;
	double seconds;
	enum audit_verdict verdict;
	uint64_t tx;      /* the newest transaction seen */
	uint64_t sampled; /* entries whose value and proof were checked */
};

struct report_growth {
	double at;
	uint64_t tx;
};

/* A database. All strings are NUL-terminated. */
struct report_database {
	char name[REPORT_NAME_MAX + 1];
	/* What is shown: an unacknowledged tamper-like verdict stays until it is acknowledged. */
	enum audit_verdict verdict;
	enum audit_verdict latest;         /* of the last round alone */
	char reason[REPORT_TEXT_MAX];      /* expected, seen; "" for a good verdict */
	char evidence[REPORT_PATH_MAX];    /* file of the verdict shown; "" if none */
	uint64_t suspect_from, suspect_to; /* transactions in question; 0: not known */
	double since;                      /* when the verdict shown was first given */
	double run_at;                     /* end of the last round */
	double last_success;               /* end of the last round with AUDIT_OK or first seen */
	struct report_state previous, current;   /* trusted before the last round; seen in it */
	uint64_t rounds, checks, sampled, swept; /* since start: rounds, proofs, entries */
	double seconds;                          /* that the rounds since start took */
	uint64_t sweep_position;           /* of the full sweep: next transaction; 0: none runs */
	uint64_t verdicts[AUDIT_VERDICTS]; /* rounds that ended so since start */
	struct report_round last[REPORT_ROUNDS_KEPT];
	size_t last_len;
	struct report_growth growth[REPORT_GROWTH_KEPT];
	size_t growth_len;
};

/* The server. */
struct report_server {
	char address[REPORT_TEXT_MAX]; /* as configured: "127.0.0.1:3322" */
	char id[64];                   /* "unknown" until it was reached or read from our files */
	double started_at;             /* of this auditor */
	double run_at;                 /* end of the last round over all databases */
	double round_seconds;          /* how long that one took */
	double next_at;                /* when the next one begins */
	double interval;               /* seconds */
	enum audit_verdict verdict;    /* of the server itself: reached or not, its identity */
	char reason[REPORT_TEXT_MAX];
	uint64_t rounds;
};

struct report {
	pthread_mutex_t lock;
	struct report_server server;
	struct report_database **databases; /* sorted by name */
	size_t databases_len;
};

/* An empty report whose server is not checked yet. IM_ERR_NOMEM. */
enum im_err report_init(struct report *r, const char *address, double interval);
void report_free(struct report *r);

/* Between these the report is ours; keep it short, without I/O. */
void report_lock(struct report *r);
void report_unlock(struct report *r);

/*
 * The database with that name, made if missing; under the lock. NULL without memory. Stays where it
 * is.
 */
struct report_database *report_database(struct report *r, const char *name);

/* The database with that name, or NULL; under the lock. */
const struct report_database *report_find_database(const struct report *r, const char *name);

/*
 * Takes a database out (it is no longer selected, and nothing is held against it); under the lock.
 */
void report_drop(struct report *r, const char *name);

/*
 * Adds a round to a database's list, counters and growth, and sets what the last round says;
 * locked.
 */
void report_add_round(struct report_database *d, const struct report_round *round);

/*
 * The worst database (the earliest by name of several), NULL if there is none, and the verdict of
 * the whole server, in which the server's own verdict counts too, and which is not good before a
 * database was checked; under the lock.
 */
const struct report_database *report_worst(const struct report *r, enum audit_verdict *verdict);

#endif
