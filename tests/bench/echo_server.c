/*
 * The transport alone: a server whose every answer is as many bytes as the request says in its
 * first four. What a real server adds to this is its own work. Prints its port and serves until
 * SIGTERM.
 *
 *	bench_echo
 */
#include <signal.h>
#include <stdio.h>

#include "bench_util.h"
#include "rpc/rpc_server.h"

#define ANSWER_BYTES_MAX (1u << 20)
#define DRAIN_MS 1000

static uint8_t answer[ANSWER_BYTES_MAX];

static void
echo(void *ctx, struct rpc_request *req)
{
	uint32_t len = req->body.len >= 4 ? be32_get(req->body.data) : 0;

	(void)ctx;
	/*
	 * Strangers get smaller buffers; what it is compared with serves those who have logged in.
	 */
	rpc_request_set_authenticated(req);
	rpc_reply_bytes(req, bytes_of(answer, len < sizeof answer ? len : sizeof answer));
}

int
main(void)
{
	static const char *const urls[] = {"tcp://127.0.0.1:0"};
	struct rpc_server_options options = {
	    .urls = urls, .nurls = 1, .max_connections = 10000, .handle = echo};
	struct rpc_server *s;
	enum im_err err;
	sigset_t ends;
	int got;

	/* Blocked before the transport starts its threads, which inherit that. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	err = rpc_server_start(&options, &s);
	if (err != IM_OK)
		bench_die("start", err);
	printf("%u\n", rpc_server_port(s, 0));
	fflush(stdout);
	sigwait(&ends, &got);
	rpc_server_stop(s, DRAIN_MS);
	rpc_server_free(s);
	return 0;
}
