#ifndef AUDITOR_ALERT_H
#define AUDITOR_ALERT_H

#include "report.h"

/*
 * Telling people: a webhook, a program, or both. An alert is written to a queue folder of each of
 * the two before anything else, and its file is removed when it was delivered; what is left from a
 * run before is delivered first. Each of the two has a thread that delivers in order and tries
 * again with growing pauses, for as long as it takes; neither waits for the other. ALERTS.md says
 * what a receiver gets.
 */
struct alerts;

struct alert_options {
	const char *queue_dir; /* made if missing, 0700; of one process at a time */
	const char *url;       /* of the webhook; "" or NULL: none */
	/* For the Authorization header (Basic), and for nothing else; "" or NULL: none. */
	const char *username;
	const char *password;
	/* Its first line keys the HMAC-SHA-256 header; "" or NULL: no such header. */
	const char *secret_file;
	const char *ca_file; /* to check the webhook's certificate by; "" or NULL: the system's */
	const char *exec;    /* program given the JSON on stdin; "" or NULL: none */
	unsigned int timeout_ms;      /* of one post; 0: 5,000 */
	unsigned int exec_timeout_ms; /* of one run of the program; 0: 30,000 */
	/* The first pause after a failure, and the longest; 0: 1,000 and 300,000. */
	unsigned int pause_first_ms, pause_max_ms;
	bool every_round; /* the webhook also gets comparisons that found nothing */
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

/*
 * Opens the queues and starts the threads; with neither url nor program there is nothing to do and
 * alerts_send() does nothing. Before any other thread, with SIGPIPE ignored. IM_ERR_ARGUMENT (url,
 * program), IM_ERR_CONFIG (secret file, or an option without the one it belongs to), IM_ERR_LOCKED
 * (the folder is another process's), IM_ERR_IO, IM_ERR_NOMEM.
 */
enum im_err alerts_start(const struct alert_options *options, struct alerts **out);

/*
 * Queues an alert durably and returns. A verdict that is not tamper-like goes to the webhook only,
 * and only with every_round. When a queue is full the oldest goes, first of those that are no
 * alarm, which is logged and counted. From any thread. IM_ERR_IO, IM_ERR_NO_SPACE, IM_ERR_NOMEM.
 */
enum im_err alerts_send(struct alerts *a, const struct alert *alert);

/* Since start, and how many wait; of both queues together. For metrics; from any thread. */
struct alert_counts {
	uint64_t queued, delivered, failed; /* alerts, alerts, attempts */
	uint64_t dropped;                   /* because a queue was full, or unreadable */
	uint64_t waiting;                   /* at this moment */
};
void alerts_counts(struct alerts *a, struct alert_counts *out);

/*
 * Tries what is queued for at most wait_ms, stops the threads; what is left stays queued. NULL ok.
 */
void alerts_stop(struct alerts *a, unsigned int wait_ms);

#endif
