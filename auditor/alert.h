#ifndef AUDITOR_ALERT_H
#define AUDITOR_ALERT_H

#include "report.h"

/*
 * Telling people: a webhook, a program, or both. An alert is written to the queue folder before anything
 * else, and its file is removed when it was delivered; what is left from a run before is delivered
 * first. One thread delivers, in order, and tries again with growing pauses.
 */
struct alerts;

struct alert_options {
	const char *queue_dir; /* made if missing, 0700 */
	const char *url;       /* of the webhook; "" or NULL: none */
	const char
	    *username; /* beside the password in the Authorization header (Basic); "": none */
	const char *password;
	const char
	    *secret_file;    /* its first line keys the HMAC-SHA-256 header; "": no such header */
	const char *ca_file; /* to check the webhook's certificate by; "": the system's */
	const char *exec;    /* program given the JSON on stdin; "": none */
	unsigned int timeout_ms; /* of one delivery; 0: 5,000 */
	bool every_round;        /* a webhook for each comparison, as immudb's auditor sends it */
};

/* What happened; copied. */
struct alert {
	const char *server_address, *server_id, *database;
	double run_at;
	enum audit_verdict verdict;
	const char *reason;
	const char *evidence; /* path; "" */
	uint64_t suspect_from, suspect_to;
	struct report_state previous, current;
	struct bytes previous_signature, previous_public_key; /* empty: not signed */
	struct bytes current_signature, current_public_key;
};

/* Opens the queue and starts the thread. IM_ERR_ARGUMENT (url, secret file, program), IM_ERR_IO. */
enum im_err alerts_start(const struct alert_options *options, struct alerts **out);

/* Queues an alert durably and returns. IM_ERR_IO, IM_ERR_LIMIT (the queue is full: the oldest goes). */
enum im_err alerts_send(struct alerts *a, const struct alert *alert);

/* Alerts queued, delivered and failed attempts since start, for metrics. */
struct alert_counts {
	uint64_t queued, delivered, failed;
};
void alerts_counts(struct alerts *a, struct alert_counts *out);

/* Tries what is queued for at most wait_ms, stops the thread; what is left stays in the queue. NULL ok. */
void alerts_stop(struct alerts *a, unsigned int wait_ms);

#endif
