#ifndef RPC_SERVER_H
#define RPC_SERVER_H

#include <stdbool.h>

#include "rpc/batch.h"
#include "rpc/method.h"
#include "tls/tls.h"
#include "util/arena.h"
#include "util/bytes.h"

/*
 * The server end: listens, speaks the frames of PROTOCOL.md, hands each complete request to one
 * function and carries its answer back, in any order. It knows nothing of users or databases.
 *
 * Life of a request: handle() is called with it; somebody, on any thread, during the call or later,
 * gives exactly one answer (rpc_reply, rpc_reply_bytes, rpc_stream_end or rpc_fail), and with that
 * the request is gone. A request outlives its connection: its answer is then thrown away.
 */

struct metrics;
struct rpc_server;

/* Streams that go out at the same time. */
#define RPC_STREAMS_OF_CONNECTION_MAX 8u
#define RPC_STREAMS_MAX 64u

/* Who asks; constant as long as the request lives. */
struct rpc_peer {
	char address[64]; /* "127.0.0.1:40312", "[::1]:40312", or "unix" */
	bool is_unix;
	bool is_loopback; /* 127.0.0.0/8, ::1, or is_unix, and asks for itself */
	bool is_tls;
	/*
	 * What the client's certificate says, of the kind in rpc_server_options; NULL when that is
	 * nothing.
	 */
	const char *certificate_name;
};

/* A request as its handler sees it. Read-only, but for user and arena. */
struct rpc_request {
	const struct rpc_method *method;
	struct bytes session; /* the token as sent; empty when there is none */
	struct bytes body;    /* the packed message; lives as long as the request */
	struct arena arena;   /* for whatever the answer needs; freed with the request */
	int64_t received_ns;  /* clock_monotonic_ns() */
	int64_t deadline_ns;  /* clock_monotonic_ns(); 0 when the client waits for ever */
	const struct rpc_peer *peer;
	void *user; /* the handler's own; NULL at first */
};

struct rpc_server_options {
	/* What to listen on: tcp://127.0.0.1:3322, tcp://[::]:3322 (v6 and v4), ipc:///path; port 0
	 * takes a free one, see rpc_server_port(). */
	const char *const *urls;
	size_t nurls;
	/* Told to every client in the hello. Copied. */
	const char *version;          /* such as "immudb 1.0.0" */
	const char *server_id;        /* the identity's 20 characters */
	const char *default_database; /* the database a client selects when the user names none */
	/* Limits; 0 takes the default named beside it. */
	size_t max_message_bytes;     /* of one request or answer body, 32 MiB; 1 MiB is added */
	size_t max_connections;       /* 1,024 */
	uint32_t max_connection_rate; /* that begin in a second, others wait; 0: any number */
	size_t max_outstanding;       /* unanswered requests of a connection, 1,024 */
	size_t max_queued_bytes;   /* unsent output of a connection, 4 MiB; then it is not read */
	size_t max_total_bytes;    /* received and unsent payloads of all connections, 1 GiB */
	uint32_t hello_timeout_ms; /* until the hello is complete, 10,000 */
	uint32_t frame_timeout_ms; /* until a frame that has begun is complete, 30,000 */
	uint32_t write_timeout_ms; /* without progress in writing to a peer, 60,000 */
	uint32_t idle_buffer_ms;   /* until a quiet connection gives back its buffers, 1,000 */
	uint32_t stream_stall_ms;  /* without credit for what waits of a stream, 60,000 */
	unsigned readers;          /* busy connections that have a thread each, 1 a processor */
	struct metrics *metrics;   /* where ours are added; may be NULL */
	/*
	 * With this every connection but those of unix sockets speaks TLS; a TLS_SERVER's, which
	 * outlives the server. NULL: none does. Which name of a client's certificate is told in
	 * rpc_peer.
	 */
	struct tls_context *tls;
	enum tls_name certificate_name;
	/*
	 * A complete request. Called in a thread of the transport or of the connection, in order of
	 * arrival per connection and never twice at once for one connection; it must not block.
	 */
	void (*handle)(void *ctx, struct rpc_request *req);
	/*
	 * May be NULL. Before a connection has logged in (rpc_request_set_authenticated) frames are
	 * at most 16 KiB, and so are bodies, unless this says IM_OK to the token that came with the
	 * first frame of a large request. Called like handle(). With NULL such requests are
	 * refused.
	 */
	enum im_err (*authenticate)(void *ctx, struct bytes session,
	    const struct rpc_method *method, const struct rpc_peer *peer);
	/* May be NULL. A connection is gone; conn_user is what rpc_request_set_conn_user() left. */
	void (*closed)(void *ctx, void *conn_user);
	/*
	 * May be NULL. A connection has become quiet or is gone, and none is busy now: a moment to
	 * give back memory that was kept for more of the same. Called like handle(), or in any
	 * thread.
	 */
	void (*quiet)(void *ctx);
	void *ctx;
};

/*
 * Listens on all urls and serves. IM_ERR_ARGUMENT for a bad url, IM_ERR_LOCKED when an address is
 * in use, IM_ERR_EXISTS when a socket's path is some other file, IM_ERR_IO, IM_ERR_NOMEM; the
 * detail names the url. Everything in options is copied. One server per metrics registry.
 * The process must not fork after this.
 */
enum im_err rpc_server_start(const struct rpc_server_options *options, struct rpc_server **out);

/* The port that urls[i] listens on; 0 for ipc. */
uint16_t rpc_server_port(const struct rpc_server *s, size_t i);

/* Connections open now. */
size_t rpc_server_connections(struct rpc_server *s);

/*
 * Stops listening, tells every client to go away, refuses new requests, waits until the outstanding
 * ones are answered and the answers written, at most drain_ms, and closes every connection.
 * Requests still unanswered then stay valid. Call once, from no callback.
 */
void rpc_server_stop(struct rpc_server *s, uint32_t drain_ms);

/* After rpc_server_stop(): waits until every request has been answered and frees. NULL is fine. */
void rpc_server_free(struct rpc_server *s);

/*
 * Answers with a message of the method's answer type, packed before this returns; the message may
 * live in the request's arena. An answer over the client's or our limit becomes
 * IM_ERR_MESSAGE_SIZE. Consumes the request. Any thread.
 */
void rpc_reply(struct rpc_request *req, const ProtobufCMessage *answer);

/* The same with an answer already packed; body is copied before this returns. */
void rpc_reply_bytes(struct rpc_request *req, struct bytes body);

/*
 * Answers with an error: the status of err and text, or err's fixed text when text is NULL. A
 * client finds err again when text is its fixed text or begins with that and ": ". In a stream it
 * comes behind what was put before. Consumes the request. Any thread.
 */
void rpc_fail(struct rpc_request *req, enum im_err err, const char *text);

/*
 * Begins to answer with a stream; only for methods with RPC_STREAM. Then rpc_stream_put() as often
 * as needed, and rpc_stream_end() or rpc_fail(), by one thread at a time. On an error nothing has
 * begun: IM_ERR_BUSY (too many streams), IM_ERR_CANCELLED, IM_ERR_SHUTDOWN, IM_ERR_TIMEOUT,
 * IM_ERR_NOMEM.
 */
enum im_err rpc_stream_begin(struct rpc_request *req, void (*resume)(struct rpc_request *req));

/*
 * Copies as much of data as there is room for, and takes that off its front; never waits.
 * IM_ERR_WOULD_BLOCK when something is left: from then on the request belongs to the transport
 * until it calls resume, once, from any thread, callbacks included, perhaps before this returns;
 * resume must not block. Then the rest can be put. Any other error says that the stream is to be
 * ended with it, by rpc_fail(): IM_ERR_CANCELLED (nobody reads it any more), IM_ERR_TIMEOUT (the
 * client gave no credit, or its time is over), IM_ERR_SHUTDOWN.
 */
enum im_err rpc_stream_put(struct rpc_request *req, struct bytes *data);

/* Ends the stream well. Consumes the request. Any thread. */
void rpc_stream_end(struct rpc_request *req);

/*
 * Charges memory that the request holds for its answer, until it is answered. False when all
 * connections together hold too much.
 */
bool rpc_request_charge(struct rpc_request *req, size_t bytes);

/*
 * Decodes the body as the method's request message, into the request's arena. Memory stays within a
 * small multiple of the body. IM_ERR_FORMAT for what does not parse (also: a NUL byte or bad UTF-8
 * in a string, a field of the wrong wire type), IM_ERR_UNIMPLEMENTED for a field that the message
 * does not have, IM_ERR_LIMIT; the detail names message and field.
 */
enum im_err rpc_request_decode(struct rpc_request *req, ProtobufCMessage **out);

/*
 * The connection has shown who it is: from now on frames and bodies may be large. Call while the
 * request is unanswered. Any thread.
 */
void rpc_request_set_authenticated(struct rpc_request *req);

/*
 * True once the client has cancelled the request, the connection is gone, or the deadline passed.
 */
bool rpc_request_is_abandoned(const struct rpc_request *req);

/* A pointer of the handler's kept with the connection. Only within handle(). */
void rpc_request_set_conn_user(struct rpc_request *req, void *conn_user);
void *rpc_request_conn_user(const struct rpc_request *req);

#endif
