#ifndef RPC_CLIENT_CONN_H
#define RPC_CLIENT_CONN_H

#include <stdbool.h>

#include "rpc/batch.h"
#include "rpc/method.h"
#include "tls/tls.h"
#include "util/arena.h"
#include "util/bytes.h"

/*
 * The client end of one connection: hello, pipelined calls, answers in any order. It is
 * thread-safe: many threads may share a connection. It knows nothing of sessions but the token it
 * carries, and never reconnects; whoever owns it decides that.
 */

struct rpc_client_conn;

struct rpc_client_options {
	/* Where the server is: a host name or address with a port, or a unix socket's path (then
	 * host and port are ignored). Every address of a name is tried in turn. */
	const char *host; /* "localhost", "10.0.0.1", "::1" (without brackets) */
	uint16_t port;
	const char *unix_path;
	/* With this the connection speaks TLS, but over a unix socket; a TLS_CLIENT's, which may be
	 * freed once connected. The server's certificate must be for tls_name, or for host when
	 * that is NULL. */
	struct tls_context *tls;
	const char *tls_name;
	/* Limits; 0 takes the default named beside it. */
	uint32_t
	    connect_timeout_ms; /* to be connected and greeted, 10,000; name look-ups not counted */
	uint32_t call_timeout_ms; /* of a call without a deadline of its own, 0: none */
	size_t max_message_bytes; /* of an answer body, 32 MiB; 1 MiB is added */
	size_t
	    max_outstanding; /* calls in flight, then callers wait; 512, never above the server's */
	size_t max_queued_bytes; /* unsent requests, then callers wait; 8 MiB */
	const char *name;        /* who we are, for the server's log: "immuclient 1.0.0" */
	/* What is asked comes from other machines: the server does not take us for local. */
	bool for_others;
};

/* What the server said of itself; constant and valid as long as the connection. */
struct rpc_hello_info {
	const char *version;
	const char *server_id;
	const char *default_database;
	size_t max_message_bytes; /* of a request body, all included */
	size_t max_outstanding;
};

/* How a call ended; everything in it is valid only during the callback. */
struct rpc_answer {
	enum im_err err; /* IM_OK, or what went wrong, here or there */
	enum im_status
	    status;       /* as the server sent it; err's own status when the server said nothing */
	const char *text; /* the server's words, or err's detail */
	struct bytes body; /* the packed answer when err is IM_OK */
};

/*
 * Called once per call that was started, in a thread of the transport: it must not block and must
 * not close the connection; it may start calls (which then never wait: IM_ERR_BUSY instead).
 */
typedef void rpc_answer_cb(void *ctx, const struct rpc_answer *answer);

/* A call to be made. */
struct rpc_call {
	uint16_t method;                 /* enum rpc_method_id */
	struct bytes session;            /* token, at most 255 bytes; empty for none */
	const ProtobufCMessage *request; /* NULL for an empty message */
	uint32_t timeout_ms;             /* 0 takes call_timeout_ms */
};

/*
 * Connects and exchanges hellos. IM_ERR_UNREACHABLE (the detail names address and reason),
 * IM_ERR_TIMEOUT, IM_ERR_TLS (what is wrong with it), IM_ERR_PROTOCOL (not our protocol),
 * IM_ERR_CONNECTION_LOST (no hello at all), what the server refuses with (IM_ERR_VERSION,
 * IM_ERR_BUSY), IM_ERR_ARGUMENT, IM_ERR_NOMEM. Release with rpc_client_close().
 */
enum im_err
rpc_client_connect(const struct rpc_client_options *options, struct rpc_client_conn **out);

/*
 * Ends the connection: calls in flight fail with IM_ERR_CANCELLED, and every callback has returned
 * when this returns. From no callback. NULL is fine.
 */
void rpc_client_close(struct rpc_client_conn *c);

const struct rpc_hello_info *rpc_client_hello(const struct rpc_client_conn *c);

/* False once the connection is lost or the server asked us to go away: new calls will fail. */
bool rpc_client_is_usable(struct rpc_client_conn *c);

/*
 * Starts a call; the request is packed before this returns. Waits while too much is in flight. On
 * IM_OK the callback will be called exactly once, possibly before this returns; on an error never:
 * IM_ERR_CONNECTION_LOST, IM_ERR_BUSY, IM_ERR_TIMEOUT (while waiting), IM_ERR_MESSAGE_SIZE,
 * IM_ERR_ARGUMENT, IM_ERR_NOMEM. Calls started by one thread reach the server in that order,
 * but for those too large for one frame: others may overtake them.
 */
enum im_err rpc_call_start(
    struct rpc_client_conn *c, const struct rpc_call *call, rpc_answer_cb *cb, void *ctx);

/*
 * Calls and waits. The answer is decoded into arena as the method's answer message. When the server
 * reports an error, the result is that error, its text is the detail, and *status (may be NULL) the
 * server's status; an error that errors.def does not have is IM_ERR_REMOTE. From no callback.
 */
enum im_err rpc_call_wait(struct rpc_client_conn *c, const struct rpc_call *call,
    struct arena *arena, ProtobufCMessage **answer, enum im_status *status);

/*
 * A call whose answer is a stream (methods with RPC_STREAM): bytes that come as they are made, in
 * any amount, while no more than a window of them is held here. One thread at a time uses a stream;
 * any number of streams and other calls share a connection.
 */
struct rpc_stream;

/*
 * Starts the call; errors as rpc_call_start(), and IM_ERR_ARGUMENT for a method that does not
 * stream. timeout_ms (or call_timeout_ms) is then how long one read waits for something to come.
 * What the server refuses shows at the first read. Release with rpc_stream_close().
 */
enum im_err
rpc_stream_open(struct rpc_client_conn *c, const struct rpc_call *call, struct rpc_stream **out);

/*
 * Waits for exactly n bytes and copies them to data. IM_ERR_NOT_FOUND when the stream has ended
 * just before them, IM_ERR_PROTOCOL when it ends among them; errors of the server as
 * rpc_call_wait() gives them, once all that came before is read; IM_ERR_TIMEOUT,
 * IM_ERR_CONNECTION_LOST, IM_ERR_CANCELLED. After any but IM_OK nothing more can be read. From no
 * callback.
 */
enum im_err rpc_stream_read(struct rpc_stream *s, void *data, size_t n);

/*
 * Reads the u64 in front of each message of a stream: how many bytes of it follow, to be read by
 * rpc_stream_read() in as many pieces as one likes. Errors as rpc_stream_read().
 */
enum im_err rpc_stream_next(struct rpc_stream *s, uint64_t *len);

/* The server's status when a read returned an error that it reported; else that of the error. */
enum im_status rpc_stream_status(const struct rpc_stream *s);

/*
 * Ends the call, cancelled when it had not ended, and frees; before the connection is closed. From
 * no callback. NULL is fine.
 */
void rpc_stream_close(struct rpc_stream *s);

/*
 * The error of errors.def that a server's status and text mean: the row with this text, else the
 * row with the longest text that begins it and ends at a ":", both only with the same status; else
 * IM_ERR_REMOTE.
 */
enum im_err rpc_err_of_text(enum im_status status, const char *text);

#endif
