#ifndef IMMUGW_GATEWAY_H
#define IMMUGW_GATEWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/tls_client.h"
#include "util/err.h"

/*
 * The gateway: REST in, the server's own protocol out. It keeps nothing but trusted states; who may
 * do what is the server's to decide, by the token that comes with each request.
 */
struct audit_child;
struct gateway;

struct gateway_settings {
	const char *address; /* to serve on; see http_server.h */
	uint16_t port;       /* 0: the system picks one */
	/* The server. */
	const char *server_address;
	uint16_t server_port;
	const char *server_socket; /* in place of both; "": none */
	struct tls_client tls;     /* with the server */
	unsigned int timeout_ms;   /* of one request to the server */
	size_t max_message_bytes;  /* of one request or answer */
	size_t connections;        /* to the server, for requests that are not proven */
	/* With clients. */
	bool https;
	struct tls_files https_files; /* only looked at with https */
	/* Trust. */
	const char *dir;          /* trusted states; "": the state folder of all clients */
	const char *pub_key_file; /* "": none */
	/* Browsers of these origins may call; "*": of all. */
	const char *const *origins;
	size_t origins_len;
	bool access_log;
	/* Requests at a time; further ones wait. */
	size_t threads;
	struct audit_child *auditor; /* shown in the metrics; NULL: none. Outlives the gateway. */
};

/*
 * Starts serving; the server need not be there yet. settings are borrowed until gateway_stop().
 * IM_ERR_ARGUMENT, IM_ERR_KEY_FILE, IM_ERR_CERTIFICATE, IM_ERR_CONFIG (TLS), IM_ERR_IO (the port,
 * the folder), IM_ERR_NOMEM.
 */
enum im_err gateway_start(const struct gateway_settings *settings, struct gateway **out);

/* The port that is served. */
uint16_t gateway_port(const struct gateway *g);

/* Whether it answers within timeout_ms; see http_server_answers(). */
bool gateway_answers(const struct gateway *g, unsigned int timeout_ms);

/*
 * Reads the server's public key and the files of TLS again, with the server and with clients: new
 * connections use them, and verified requests from here on have new ones. On an error
 * (IM_ERR_KEY_FILE, IM_ERR_CERTIFICATE, IM_ERR_NOMEM) that part stays as it was. Any thread.
 */
enum im_err gateway_reload(struct gateway *g);

/* Ends running requests and releases everything. NULL is accepted. */
void gateway_stop(struct gateway *g);

#endif
