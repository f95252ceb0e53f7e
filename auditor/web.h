#ifndef AUDITOR_WEB_H
#define AUDITOR_WEB_H

#include "alert.h"
#include "http/http_server.h"
#include "peers.h"
#include "report.h"

/*
 * What an auditor shows over HTTP, all of it read from the report; nothing here checks or changes
 * anything, and nobody is asked for a password:
 *
 *	/                   the status page, for people; /?refresh=30 comes again by itself
 *	/database/NAME      more of one database
 *	/metrics            for Prometheus: the families of the profile, those per database, the process
 *	/debug/vars         the same figures as JSON
 *	/lastaudit          JSON: the worst database, and all of them
 *	/evidence/FILE      a file of the evidence folder, as a download
 *	/livez /readyz /version   as every daemon; ready once the first round has ended, whatever it found
 *
 * Pages, metrics and JSON show names, numbers, hashes and reasons, never a value; a reason may
 * quote an error text of the server, which may name a key. Evidence does hold the entry in
 * question: serve it only where those who reach the port may see it.
 */
struct web;

struct web_options {
	const char *address; /* of struct http_options */
	uint16_t port;       /* 0: no server, unless ephemeral */
	bool ephemeral;
	const char *profile;      /* prefix of the metrics: "immuclient" or "immugw" */
	const char *program;      /* shown by /version and on the page; NULL: "auditor" */
	const char *evidence_dir; /* whose files may be fetched; NULL: none */
	struct report *report;    /* outlives the server, as all of these */
	struct alerts *alerts;    /* for its counts; NULL: none */
	struct peers *peers;      /* for its counts; NULL: none */
};

/*
 * Starts serving. Strings are copied. Errors of http_server_start(); *out is NULL without a server.
 */
enum im_err web_start(const struct web_options *options, struct web **out);

/* The port that is served; 0 for NULL. */
uint16_t web_port(const struct web *web);

/* Whether it answers within timeout_ms; see http_server_answers(). True for NULL. */
bool web_answers(const struct web *web, unsigned int timeout_ms);

/* Finishes the requests under way and releases. NULL is accepted. */
void web_stop(struct web *web);

#endif
