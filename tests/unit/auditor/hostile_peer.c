/*
 * Peers that auditors should not have. Plain sockets where the bytes are wrong; where only the
 * content is, the honest transport with a handler that lies.
 */
#include "hostile_peer.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer_message.h"
#include "peer_states.h"
#include "rpc/frame.h"
#include "rpc/rpc_server.h"

#define POLL_MS 5
#define HELLO_MAX 1024
#define GIBIBYTE (1u << 30)

struct hostile_peer {
	atomic_int manner;         /* enum hostile_manner */
	struct rpc_server *server; /* of those that speak the protocol */
	int fd;                    /* of those that do not */
	uint16_t port;
	pthread_t thread;
	atomic_bool ends;
};

/* ---- Those that speak the protocol. ---- */

static size_t
fill_states(int manner, uint32_t offset, struct peer_state *states)
{
	size_t n = manner == HOSTILE_ENDLESS ? PEER_ANSWERED_MAX
	    : manner == HOSTILE_CROWDED      ? PEER_ANSWERED_MAX + 1
					     : 2;

	for (size_t i = 0; i < n; i++) {
		states[i] = state_of("defaultdb", 6);
		if (n > 2)
			snprintf(
			    states[i].database, sizeof states[i].database, "db%zu", offset + i);
	}
	if (manner == HOSTILE_FOREIGN)
		states[1].server_id[0] ^= 1;
	return n;
}

static void
answer_states(struct hostile_peer *h, struct rpc_request *req)
{
	Immudb__Schema__ExchangeStatesResponse out = IMMUDB__SCHEMA__EXCHANGE_STATES_RESPONSE__INIT;
	static const struct peer_state none;
	struct peer_state states[PEER_ANSWERED_MAX + 1] = {none};
	ProtobufCMessage *in;

	assert_int_equal(rpc_request_decode(req, &in), IM_OK);
	out.n_states =
	    fill_states(h->manner, ((Immudb__Schema__ExchangeStatesRequest *)in)->offset, states);
	out.states = peer_message_write(&req->arena, states, out.n_states);
	if (h->manner == HOSTILE_MALFORMED)
		out.states[1]->txhash.len = 5;
	rpc_reply(req, &out.base);
}

static void
handle(void *ctx, struct rpc_request *req)
{
	struct hostile_peer *h = ctx;

	if (h->manner == HOSTILE_REFUSES)
		rpc_fail(req, IM_ERR_PERMISSION, NULL);
	else if (req->method->id == RPC_METHOD_ExchangeContradictions)
		rpc_fail(req, IM_ERR_UNIMPLEMENTED, NULL);
	else if (h->manner == HOSTILE_NOISE)
		rpc_reply_bytes(req, bytes_str("\x0a\xff\xff noise"));
	else
		answer_states(h, req);
}

/* ---- Those that do not. ---- */

/* Waits for something to read, or the end. */
static bool
wait_readable(struct hostile_peer *h, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (!atomic_load(&h->ends))
		if (poll(&p, 1, POLL_MS) > 0)
			return true;
	return false;
}

static void
send_all(int fd, const void *data, size_t n)
{
	(void)!send(fd, data, n, MSG_NOSIGNAL);
}

static void
make_hello(struct buf *b)
{
	struct frame_server_hello hello = {.version = FRAME_VERSION,
	    .max_message_bytes = GIBIBYTE,
	    .window = GIBIBYTE,
	    .frame_max_before_login = FRAME_PAYLOAD_MAX_BEFORE_LOGIN,
	    .frame_max = FRAME_PAYLOAD_MAX,
	    .max_outstanding = 1};

	buf_init(b, HELLO_MAX);
	assert_true(frame_put_server_hello(b, &hello));
}

static void
trickle(struct hostile_peer *h, int fd)
{
	struct pollfd p = {.fd = fd};
	struct buf b;

	make_hello(&b);
	for (size_t i = 0; i + 1 < b.len && !atomic_load(&h->ends); i++) {
		send_all(fd, b.data + i, 1);
		(void)poll(&p, 1, POLL_MS * 10);
	}
	buf_free(&b);
}

/* A good hello; then the beginning of more than anybody wants. */
static void
announce(struct hostile_peer *h, int fd)
{
	uint8_t request[HELLO_MAX];
	struct buf b;

	make_hello(&b);
	send_all(fd, b.data, b.len);
	/* The client's hello, then its request. */
	while (wait_readable(h, fd) && recv(fd, request, sizeof request, 0) > 0) {
		buf_clear(&b);
		assert_true(frame_put_answer(&b,
		    request[4] == FRAME_REQUEST ? be32_get(request + 6) : 1, true, GIBIBYTE, 0));
		if (request[4] == FRAME_REQUEST)
			send_all(fd, b.data, b.len);
	}
	buf_free(&b);
}

static void
serve(struct hostile_peer *h, int fd)
{
	if (h->manner == HOSTILE_GARBAGE)
		send_all(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	if (h->manner == HOSTILE_TRICKLES)
		trickle(h, fd);
	if (h->manner == HOSTILE_HUGE)
		announce(h, fd);
	if (h->manner == HOSTILE_SILENT)
		while (wait_readable(h, fd) && recv(fd, &(char){0}, 1, 0) > 0)
			;
}

static void *
run(void *arg)
{
	struct hostile_peer *h = arg;

	while (wait_readable(h, h->fd)) {
		int fd = accept(h->fd, NULL, NULL);

		serve(h, fd);
		close(fd);
	}
	return NULL;
}

static void
listen_plain(struct hostile_peer *h)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof sa;

	h->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(h->fd >= 0);
	assert_int_equal(bind(h->fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(h->fd, 8), 0);
	assert_int_equal(getsockname(h->fd, (struct sockaddr *)&sa, &len), 0);
	h->port = ntohs(sa.sin_port);
	assert_int_equal(pthread_create(&h->thread, NULL, run, h), 0);
}

struct hostile_peer *
hostile_peer_start(enum hostile_manner manner)
{
	struct hostile_peer *h = calloc(1, sizeof *h);
	const char *url = "tcp://127.0.0.1:0";
	struct rpc_server_options o = {.urls = &url, .nurls = 1, .handle = handle, .ctx = h};

	assert_non_null(h);
	atomic_init(&h->manner, (int)manner);
	if (manner <= HOSTILE_HUGE) {
		listen_plain(h);
		return h;
	}
	assert_int_equal(rpc_server_start(&o, &h->server), IM_OK);
	h->port = rpc_server_port(h->server, 0);
	return h;
}

void
hostile_peer_become(struct hostile_peer *h, enum hostile_manner manner)
{
	assert_non_null(h->server);
	atomic_store(&h->manner, (int)manner);
}

uint16_t
hostile_peer_port(const struct hostile_peer *h)
{
	return h->port;
}

void
hostile_peer_stop(struct hostile_peer *h)
{
	atomic_store(&h->ends, true);
	if (h->server) {
		rpc_server_stop(h->server, 0);
		rpc_server_free(h->server);
	} else {
		pthread_join(h->thread, NULL);
		close(h->fd);
	}
	free(h);
}
