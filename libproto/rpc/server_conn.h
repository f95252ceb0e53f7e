#ifndef RPC_SERVER_CONN_H
#define RPC_SERVER_CONN_H

#include "rpc/admission.h"
#include "rpc/link.h"
#include "rpc/rpc_server.h"

/* The server and its connections, as they know each other (internal to rpc/). */

#define CONN_TABLE_SIZE 64u

struct server_conn;

/* A request and what the handler does not see of it. */
struct request {
	struct rpc_request pub; /* first: handlers hold a pointer to it */
	struct server_conn *conn;
	struct request *next; /* in the connection's table or pool */
	uint32_t id;
	atomic_bool cancelled;
	size_t charged; /* of the budget */
	uint8_t *large; /* body that came in chunks; NULL otherwise */

	/* Of a stream, under link.lock. */
	void (*resume)(struct rpc_request *req); /* NULL: none has begun */
	bool waiting;                            /* resume is to be called */
	enum im_err stop;                        /* why the stream must end, IM_OK as long as not */
};

struct server_conn {
	struct link link; /* first */
	struct rpc_server *server;
	struct server_conn *next, *prev; /* all connections; under the server's lock */
	unsigned round; /* the last one that has come by, see rpc_server.c; likewise */
	/* Those that have not logged in, oldest first; under the server's lock. */
	struct server_conn *stranger_next, *stranger_prev;
	bool is_stranger; /* in that list */
	uint64_t host; /* where it comes from: alike for one address, or IPv6 network of 64 bits */
	struct admission_ticket ticket; /* likewise */
	struct server_conn *reap_next;
	struct rpc_peer peer;
	char *certificate_name; /* what peer tells; owned */
	bool surplus;           /* over the limit of connections: it is told so and closed */
	void *user;             /* rpc_request_set_conn_user(); of the read chain */
	atomic_bool gone;       /* nobody will read an answer */
	atomic_bool authenticated;
	uint32_t peer_max_message;

	/* Under link.lock. */
	size_t outstanding;
	struct request *table[CONN_TABLE_SIZE]; /* unanswered requests by id */
	struct request *pool;
	size_t pooled;
};

struct server_metrics {
	struct metric *connections, *accepted, *refused, *delayed, *held, *streams;
};

struct rpc_server {
	struct rpc_server_options options; /* texts and urls are copies */
	struct link_limits limits;
	struct link_budget budget;
	struct server_metrics metrics;
	size_t max_message; /* of any body, all included */
	atomic_bool stopping;
	struct listener *listeners;
	size_t nlisteners;
	pthread_t reaper;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* something to reap, or something that stop or free waits for */
	struct server_conn *conns;
	struct server_conn *strangers, *strangers_last;
	size_t nconns; /* in the list */
	size_t live;   /* connections in memory */
	struct admission admission;
	struct server_conn *reap;
	bool reaper_ends;
	int64_t swept_ns; /* when streams were last looked after */
	int64_t trim_ns;  /* when free memory is to be given back; 0: there is no need */
};

/* A connection for a stream that was accepted; takes the stream over on success. Adds no thread. */
enum im_err server_conn_new(struct rpc_server *s, nng_stream *stream, struct server_conn **out);

/* Releases the requests that never reached the handler. After link_teardown(). */
void server_conn_finish(struct server_conn *c);

/* Tells the client to go away. */
void server_conn_goaway(struct server_conn *c);

/* Nothing unanswered, nothing unsent. */
bool server_conn_is_idle(struct server_conn *c);

/* Of server_conn.c: the unanswered request of that id, NULL when there is none. Locked. */
struct request *server_conn_find(struct server_conn *c, uint32_t id);
/* The request is answered: locked before, unlocked, and the answer sent, after. */
void server_request_done(struct request *r);
/* Queues an error as the last frame of a call. Locked. */
void server_conn_put_error(struct server_conn *c, uint32_t id, enum im_err err, const char *text);

/*
 * Of server_stream.c: ends a stream that has begun with an error behind what was put. False when
 * the error is to be sent at once. Locked.
 */
bool server_stream_fail(struct request *r, enum im_err err, const char *text);
/* The client wants no more of it. Locked; *resume is to be resumed after unlocking, if not NULL. */
void server_stream_cancel(struct request *r, struct request **resume);
/* Resumes streams that have room again, or all of a connection. Not locked. */
void server_stream_resume(struct server_conn *c, bool all);
/* Ends the streams that got no credit since before_ns, and those whose time is over. Not locked. */
void server_stream_sweep(struct server_conn *c, int64_t before_ns);

/* Of rpc_server.c: the connection has logged in. Not locked. */
void server_conn_known(struct server_conn *c);
/* The connection is over; hands it to the reaper. */
void server_conn_ended(struct server_conn *c);
/* The connection's memory is given back. */
void server_conn_destroyed(struct rpc_server *s);
/* Something happened that rpc_server_stop() may wait for. */
void server_wake(struct rpc_server *s);

#endif
