#ifndef SERVER_CALL_H
#define SERVER_CALL_H

#include "rpc/rpc_server.h"
#include "server/databases.h"
#include "server/messages.h"
#include "server/server_state.h"
#include "server/sessions.h"
#include "server/workers.h"

/*
 * One request on its way through the server, and the functions that answer it. A call lives in the
 * arena of its request and is gone once it is finished.
 */
struct call {
	struct job job; /* first: a queued job is its call */
	struct server *server;
	struct rpc_request *request;
	struct session session;     /* all zero without one */
	struct database *database;  /* of methods that need one: entered, until call_finish() */
	struct database_wait wait;  /* for database to be opened, or unloaded */
	const ProtobufCMessage *in; /* decoded, of the method's request type */
	ProtobufCMessage *answer;   /* what a handler that returns IM_OK has left here */
	bool may_block;             /* runs in a pool, not in a callback of the transport */
	bool default_password;      /* auth_handlers.c: logged in with the known password */
	bool is_maintenance;        /* nobody logged in, in maintenance mode: may repair */
	bool ends_session;          /* answered although its session has ended: it did that */
	uint64_t since;             /* the client's state, of the verifiable methods */
	struct store_write write;
};

/*
 * What a handler returns when the call will be finished elsewhere; it must not touch it any more.
 */
#define CALL_PENDING ((enum im_err)IM_ERR_COUNT)

/*
 * The handlers, one per method. A handler runs in a callback of the transport first (may_block is
 * false) and must not wait there: it passes call_read_flags() to the store, and returns
 * IM_ERR_WOULD_BLOCK to be run again, from its beginning, in the read pool. It returns IM_OK with
 * the answer set, CALL_PENDING, or the error to answer with, whose detail is shown to the client.
 */
#define X(id, Name, Request, request, Answer, answer, permission, flags) \
	enum im_err handle_##Name(struct call *c);
#include "rpc/methods.def"
#undef X

/* Answers and ends the call: with c->answer when err is IM_OK, else with err. From any thread. */
void call_finish(struct call *c, enum im_err err);

/*
 * Queues the call's handler to run again in a pool where it may wait, or finishes it as busy. One
 * whose transaction is written already (write.header.id) is always accepted.
 */
void call_queue(struct call *c, struct workers *pool);

/*
 * Whether the session of the call is still there; a call that goes on for long asks now and then,
 * and none is answered without. IM_ERR_NOT_LOGGED_IN, IM_ERR_SESSION_NOT_FOUND,
 * IM_ERR_TOKEN_EXPIRED.
 */
enum im_err call_check_session(const struct call *c);

/*
 * The database that a request names, which the caller may administer. IM_ERR_DATABASE_RESERVED for
 * the system database, with *out, if the caller is a sysadmin; IM_ERR_PERMISSION,
 * IM_ERR_DATABASE_NOT_FOUND. In a pool.
 */
enum im_err database_named(struct call *c, const char *name, struct database **out);

/* IM_OK with an answer that says nothing; IM_ERR_NOMEM. */
enum im_err call_answer_empty(struct call *c);

/* Where everything that the answer points to comes from. */
static inline struct arena *
call_arena(struct call *c)
{
	return &c->request->arena;
}

/* The flags for every read of the store, or-ed with more. */
static inline unsigned
call_read_flags(const struct call *c)
{
	return c->may_block ? 0 : STORE_NOWAIT;
}

#endif
