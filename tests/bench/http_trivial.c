/*
 * The yardstick of the gateway: an HTTP server of the same kind whose handler reads the body and
 * answers as many bytes as it is told, and does nothing else.
 *
 *	bench_http PORT ANSWER_BYTES
 */
#include <stdio.h>
#include <stdlib.h>

#include "http/http_exchange.h"
#include "http/http_server.h"
#include "util/daemon.h"

#define BODY_MAX ((size_t)1 << 20)
#define BODY_TIMEOUT_MS 5000
#define KEEP_ALIVE_MS 15000
#define THREADS 64

static void
answer(void *arg, struct http_exchange *x)
{
	const struct bytes *body = arg;
	struct buf in;

	buf_init(&in, BODY_MAX + 1);
	(void)http_exchange_body(x, &(struct http_body_limit){BODY_MAX, BODY_TIMEOUT_MS}, &in);
	http_exchange_send(x, &(struct http_head){200, "application/json", NULL}, *body);
	buf_free(&in);
}

int
main(int argc, char **argv)
{
	size_t len = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	uint8_t *data = calloc(1, len + 1);
	struct bytes body = bytes_of(data, len);
	struct http_options options = {.address = "127.0.0.1",
	    .program = "bench_http",
	    .handle = answer,
	    .handle_arg = &body,
	    .threads = THREADS,
	    .keep_alive_ms = KEEP_ALIVE_MS};
	struct http_server *server;

	if (argc != 3 || !data) {
		fprintf(stderr, "usage: bench_http PORT ANSWER_BYTES\n");
		free(data);
		return 2;
	}
	options.port = (uint16_t)atoi(argv[1]);
	if (daemon_init() != IM_OK || http_server_start(&options, &server) != IM_OK) {
		fprintf(stderr, "bench_http: %s\n", err_detail(IM_ERR_IO));
		free(data);
		return 1;
	}
	daemon_wait_stop(-1);
	http_server_stop(server);
	daemon_free();
	free(data);
	return 0;
}
