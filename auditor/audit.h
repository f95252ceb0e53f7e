#ifndef AUDITOR_AUDIT_H
#define AUDITOR_AUDIT_H

#include "alert.h"
#include "peers.h"
#include "report.h"
#include "tls/tls_client.h"

/*
 * The auditing of one server: rounds over its databases at an interval, each database a state
 * machine of its own (round.h), several at a time. Never stops because a round went wrong.
 */
struct audit;

/* Whatever it points to is borrowed until audit_stop(). */
struct audit_options {
	const char *address; /* host name or IP address of the server */
	uint16_t port;
	const char *unix_path; /* in place of both; "" or NULL: none */
	struct tls_client tls;
	const char *username;
	const char *password;
	const char *const *databases; /* names or prefixes; none: all */
	size_t databases_len;
	const char *const *pub_key_files; /* PEM; any of them may have signed */
	size_t pub_key_files_len;
	const char *state_dir; /* trusted states, records, evidence/ */
	unsigned int interval_ms;
	unsigned int timeout_ms;      /* of one request */
	unsigned int stall_ms;        /* beyond it, of a round without any answer; 0: 5 minutes */
	size_t max_message_bytes;     /* largest answer accepted; 0: 32 MiB */
	unsigned int parallel;        /* databases at a time; 0: 4 */
	unsigned int sample;          /* random entries per database and round */
	unsigned int newest;          /* newest entries, beside them */
	unsigned int sweep_period_ms; /* every value is read once in it; 0: no sweep */
	unsigned int sweep_rate;      /* entries a second at most; 0: the period's pace alone */
	struct report *report;
	struct alerts *alerts; /* NULL: none */
	struct peers *peers;   /* NULL: none */
};

/*
 * Loads keys, and what is remembered into the report: alarms show before the first round. No round
 * runs yet. IM_ERR_KEY_FILE, IM_ERR_CERTIFICATE, IM_ERR_CONFIG (TLS), IM_ERR_LIMIT,
 * IM_ERR_ARGUMENT, IM_ERR_IO, IM_ERR_NOMEM.
 */
enum im_err audit_start(const struct audit_options *options, struct audit **out);

/* Begins the rounds, the first one at once; with an interval of 0 none. IM_ERR_NOMEM. */
enum im_err audit_begin(struct audit *a);

/* Begins a round now instead of at its time. Any thread. */
void audit_round_now(struct audit *a);

/*
 * Whether the rounds go on: one that is under way has had an answer or ended a database within the
 * time for a request and stall_ms. Every request has a deadline; what has none (a folder on a disk
 * that is gone, a fault of ours) is what a watchdog has to know of. Any thread.
 */
bool audit_is_moving(const struct audit *a);

/*
 * Reads the files of public keys and of TLS again: keys count from the next round on, certificates
 * from the next connection on. On an error that part stays as it was. IM_ERR_KEY_FILE,
 * IM_ERR_CERTIFICATE, IM_ERR_NOMEM. Any thread.
 */
enum im_err audit_reload(struct audit *a);

/*
 * Runs one round over all databases here and now, without a thread of its own, and gives the worst
 * verdict: for `auditor --once` and tests. Between audit_start() and audit_stop() only when the
 * interval is 0, which starts no rounds by themselves.
 */
enum im_err audit_run_round(struct audit *a, enum audit_verdict *worst);

/* Ends a running round early, persists, and releases. */
void audit_stop(struct audit *a);

/* The states we have verified, for peers (struct peers_options.each). */
void
audit_each_verified(void *audit, void (*give)(void *to, const struct peer_state *state), void *to);

/* The contradictions that we hold, likewise (struct peers_options.each_proof). */
void
audit_each_proof(void *audit, void (*give)(void *to, const struct peer_proof *proof), void *to);

#endif
