#ifndef HTTP_HTTP_FRONT_H
#define HTTP_HTTP_FRONT_H

#include "tls/tls.h"

/*
 * What stands before civetweb where it can do neither TLS nor IPv6 (private to http/): it listens,
 * and carries the bytes of each connection to one of its own with the server inside, on a random
 * port of the loopback interface, and back. Each such connection begins with an introduction: a
 * request that has a secret of this process and says who the client is. The server inside answers
 * HTTP_FRONT_ANSWER, which stays here, and from then on serves what comes; who does not know the
 * secret is refused.
 *
 * One thread. A connection has two buffers of bounded size, and is not read while the one is full;
 * a client costs a thread of the server inside only when it has sent something that can be read.
 */
struct http_front;

/* The introduction. */
#define HTTP_FRONT_PATH "/.front"
#define HTTP_FRONT_SECRET_HEADER "X-Front-Secret"
#define HTTP_FRONT_PEER_HEADER "X-Front-Peer"
#define HTTP_FRONT_SECRET_SIZE 65 /* hexadecimal, with its NUL */
#define HTTP_FRONT_PEER_SIZE 64   /* an address, with its NUL */
#define HTTP_FRONT_ANSWER "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"

struct http_front_options {
	const char *address;     /* IPv4, IPv6, or a host's name; "" and "::" mean all of both */
	uint16_t port;           /* 0: the system picks one */
	struct tls_context *tls; /* a server's; NULL: no TLS. Must live as long as the front */
	const char *secret;      /* HTTP_FRONT_SECRET_SIZE; borrowed */
	uint16_t inner_port;     /* on 127.0.0.1 */
	size_t connections;      /* at a time; further ones wait to be accepted */
};

/*
 * Listens and carries. IM_ERR_ARGUMENT (no such address), IM_ERR_IO (the port cannot be had; the
 * detail names it), IM_ERR_NOMEM.
 */
enum im_err http_front_start(const struct http_front_options *options, struct http_front **out);

/* The port that is listened on. */
uint16_t http_front_port(const struct http_front *f);

/* Accepts no more; what has begun goes on. Once, before the server inside is stopped. */
void http_front_stop_listening(struct http_front *f);

/*
 * Waits a moment until what the server inside has said is with the clients, and ends. NULL is fine.
 */
void http_front_stop(struct http_front *f);

#endif
