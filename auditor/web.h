#ifndef AUDITOR_WEB_H
#define AUDITOR_WEB_H

#include "http/http_server.h"
#include "report.h"

/*
 * What an auditor shows over HTTP: /metrics, /lastaudit, /evidence/FILE and the status page at /, beside
 * the routes that every HTTP server has. All of it is read from the report; nothing here checks or
 * changes anything.
 */
struct web;

struct web_options {
	const char *address; /* of struct http_options */
	uint16_t port;       /* 0: no server, unless ephemeral */
	bool ephemeral;
	const char *profile;      /* prefix of the metrics: "immuclient" or "immugw" */
	const char *evidence_dir; /* whose files may be fetched; NULL: none */
	struct report *report;    /* outlives the server */
};

/* Starts serving. Errors of http_server_start(). */
enum im_err web_start(const struct web_options *options, struct web **out);

/* The port that is served. */
uint16_t web_port(const struct web *web);

void web_stop(struct web *web);

#endif
