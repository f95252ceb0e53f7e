#ifndef IMMUGW_UPSTREAM_H
#define IMMUGW_UPSTREAM_H

#include "rpc/client_conn.h"

/*
 * A few connections to the server that all requests share, each with many calls in flight. They are
 * made when they are needed and made anew when they are lost. Any thread.
 */
struct upstream;

#define UPSTREAM_CONNECTIONS_MAX 64

/*
 * options are copied but for their strings. connections: 1 to UPSTREAM_CONNECTIONS_MAX.
 * IM_ERR_NOMEM.
 */
enum im_err
upstream_new(const struct rpc_client_options *options, size_t connections, struct upstream **out);

/* No call may be under way. NULL is accepted. */
void upstream_free(struct upstream *u);

/* A call; the answer is in the arena. *status is the server's when it refused. */
struct upstream_call {
	const struct rpc_method *method;
	struct bytes token; /* empty: none */
	const ProtobufCMessage *request;
	uint32_t timeout_ms; /* for the answer; 0: the connection's */
};

/*
 * Calls and waits. A method that writes nothing is called once more, on another connection, when
 * the first was lost. Errors of rpc_client_connect() and rpc_call_wait().
 */
enum im_err upstream_call(struct upstream *u, const struct upstream_call *call, struct arena *arena,
    ProtobufCMessage **answer, enum im_status *status);

/* Connections that are up now, and how many were made since the start. */
void upstream_counts(struct upstream *u, size_t *up, uint64_t *made);

#endif
