#ifndef TEST_WEBHOOK_SERVER_H
#define TEST_WEBHOOK_SERVER_H

/*
 * A small HTTP server for tests of alerts: one connection at a time, plain or TLS, which keeps what
 * it was sent and answers as told. All functions assert that they succeed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEBHOOK_REQUESTS_MAX 64
#define WEBHOOK_TEXT_MAX 16384
#define WEBHOOK_ANSWERS_MAX 8
#define WEBHOOK_DEADLINE_MS 60000

struct webhook_request {
	char head[WEBHOOK_TEXT_MAX]; /* request line and headers */
	char body[WEBHOOK_TEXT_MAX];
};

/*
 * How to answer: a status, and a header line more; status 0 says nothing at all and keeps the line
 * open.
 */
struct webhook_answer {
	int status;
	const char *header; /* "Location: ..." or NULL */
};

struct webhook_server;

/*
 * Listens on a loopback port, 0 for a free one. The answers are given one after the other, the last
 * one from then on. With a certificate's PEM files it talks TLS.
 */
struct webhook_server *webhook_start(uint16_t port, const struct webhook_answer *answers,
    size_t answers_len, const char *tls_folder);

/*
 * A port at which connections are refused until a server is started there; nobody else gets it
 * before the descriptor is closed.
 */
int webhook_reserve(uint16_t *port);

uint16_t webhook_port(const struct webhook_server *s);

/* Waits for the nth request (from 0) and returns it; it stays valid until webhook_stop(). */
const struct webhook_request *webhook_await(struct webhook_server *s, size_t n);

/* How many requests came so far; connections that ended before a whole request do not count. */
size_t webhook_count(struct webhook_server *s);

/* Connections so far, with or without a request. */
size_t webhook_connections(struct webhook_server *s);

void webhook_stop(struct webhook_server *s);

/* Makes key.pem and cert.pem in a folder: signed by itself, for an IP address or a host name. */
void webhook_make_certificate(const char *folder, const char *subject_alt_name);

#endif
