/*
 * What happens to every request: who asks, may they, what do they ask, on which database; then its
 * handler, and the answer. The transport calls in from rpc/, the handlers are in *_handlers.c, and
 * rpc/methods.def says what each method needs.
 *
 * Invariants:
 * 1. Deny by default: a handler runs only after permission_check() said yes to the method's row.
 * 2. The permission is the one on the database that the call runs on, taken when the session was
 *    bound to it.
 * 3. Every call is finished exactly once, by call_finish(), which also counts it. It is not
 *    answered once its session has ended, however long before it was let in.
 */
#include "rpc/batch.h"
#include "server/call.h"
#include "server/permissions.h"
#include "server/unimplemented.h"
#include "util/clock.h"
#include "util/log.h"

_Static_assert((int)RPC_PERMISSION_READ == (int)META_LEVEL_READ &&
	(int)RPC_PERMISSION_READ_WRITE == (int)META_LEVEL_READ_WRITE &&
	(int)RPC_PERMISSION_ADMIN == (int)META_LEVEL_ADMIN &&
	(int)RPC_PERMISSION_SYSADMIN == (int)META_LEVEL_SYSADMIN,
    "permissions have the same numbers in the table of methods and in the metadata");

static enum im_err (*const dispatch_handlers[RPC_METHOD_COUNT])(struct call *) = {
#define X(id, Name, Request, request, Answer, answer, permission, flags) \
	[RPC_INDEX_##Name] = handle_##Name,
#include "rpc/methods.def"
#undef X
};

/*
 * The text that goes with an error: its fixed text, followed by the detail if there is one, so that
 * clients can tell errors by how their texts begin.
 */
static const char *
call_error_text(struct arena *a, enum im_err err)
{
	const char *fixed = err_text(err), *detail = err_detail(err);
	struct buf b;
	char *text;

	if (strncmp(detail, fixed, strlen(fixed)) == 0)
		return detail;
	buf_init(&b, 2048);
	buf_printf(&b, "%s: %s", fixed, detail);
	text = b.err == IM_OK ? arena_str(a, buf_bytes(&b)) : NULL;
	buf_free(&b);
	return text ? text : fixed;
}

enum im_err
call_check_session(const struct call *c)
{
	if (!c->session.user[0] || c->ends_session)
		return IM_OK;
	return sessions_check(c->server->sessions, c->request->session, &c->session);
}

enum im_err
call_answer_empty(struct call *c)
{
	c->answer = message_new(call_arena(c), &immudb__schema__empty__descriptor);
	return c->answer ? IM_OK : IM_ERR_NOMEM;
}

/* Of whoever asked; neither keys nor values. */
static void
call_log(const struct call *c, enum im_err err, int64_t now_ns)
{
	const struct rpc_request *request = c->request;
	double ms = (double)(now_ns - (int64_t)request->received_ns) / 1e6;

	log_info("request %s by %s on %s from %s: %s %.3f ms", request->method->name,
	    c->session.user[0] ? c->session.user : "-", c->database ? c->database->name : "-",
	    request->peer->address, err == IM_OK ? "ok" : err_text(err), ms);
}

void
call_finish(struct call *c, enum im_err err)
{
	struct rpc_request *request = c->request;
	enum im_err ended = call_check_session(c);
	int64_t now_ns;

	if (ended != IM_OK) {
		err_clear();
		err = ended;
	}
	now_ns = server_metrics_count(c->server, request, err);
	if (c->server->options.access_log)
		call_log(c, err, now_ns);
	if (c->database) {
		atomic_store_explicit(&c->database->completed_ns, now_ns, memory_order_relaxed);
		atomic_fetch_add_explicit(
		    &c->database->requests[request->method->index], 1, memory_order_relaxed);
		database_leave(c->database);
	}
	if (err == IM_OK && request->method->flags & RPC_STREAM)
		rpc_stream_end(request);
	else if (err == IM_OK)
		rpc_reply(request, c->answer);
	else
		rpc_fail(request, err, call_error_text(&request->arena, err));
}

/*
 * Runs the handler where we are; a call that would have to wait goes on in the read pool. The store
 * stays open until the handler has returned, though the call may be answered before.
 */
static void
call_run(struct call *c)
{
	struct database *db = c->database;
	enum im_err err;

	if (db)
		database_hold(db);
	err = dispatch_handlers[c->request->method->index](c);
	if (err == IM_ERR_WOULD_BLOCK && !c->may_block)
		call_queue(c, c->server->readers);
	else if (err != CALL_PENDING)
		call_finish(c, err);
	if (db)
		database_release(db);
}

/* In a pool. A client that has gone, or waits no longer, is not worked for. */
static void
call_run_job(struct job *job)
{
	struct call *c = (struct call *)job;

	err_clear();
	c->may_block = true;
	rpc_batch_begin();
	if (rpc_request_is_abandoned(c->request))
		call_finish(c, IM_ERR_CANCELLED);
	else
		call_run(c);
	rpc_batch_end();
}

void
call_queue(struct call *c, struct workers *pool)
{
	enum im_err err;

	c->job.run = call_run_job;
	err = c->write.header.id ? workers_submit_always(pool, &c->job)
				 : workers_submit(pool, &c->job);
	if (err != IM_OK)
		call_finish(c, err);
}

static bool
dispatch_is_local(const struct call *c)
{
	return c->request->peer->is_loopback || c->server->options.devmode;
}

/* Without authentication: nobody is known, everybody local may work on the default database. */
static enum im_err
dispatch_admit_anyone(struct call *c)
{
	const struct rpc_method *method = c->request->method;

	if (!(method->flags & RPC_NEEDS_DATABASE))
		return method->flags & RPC_NO_LOGIN ? IM_OK : IM_ERR_AUTH_NEEDED;
	c->session.database = databases_default(c->server->databases);
	c->session.level = META_LEVEL_ADMIN;
	return IM_OK;
}

/*
 * In maintenance mode whoever is local and not logged in repairs users, and reads; without
 * authentication also the default database, otherwise what was selected with UseDatabase. A session
 * that has ended is none: clients keep theirs while the server is started again.
 */
static enum im_err
dispatch_admit_maintenance(struct call *c)
{
	struct server *s = c->server;

	if (!(c->request->method->flags & RPC_MAINTENANCE))
		return IM_ERR_MAINTENANCE;
	if (c->request->method->flags & RPC_NO_LOGIN)
		return IM_OK;
	if (sessions_find(s->sessions, c->request->session, &c->session) == IM_OK) {
		c->is_maintenance = !c->session.user[0];
		return IM_OK;
	}
	c->is_maintenance = c->session.is_sysadmin = true;
	if (!s->options.auth)
		c->session.database = databases_default(s->databases);
	c->session.level = META_LEVEL_SYSADMIN;
	return IM_OK;
}

/* Who asks. */
static enum im_err
dispatch_identify(struct call *c)
{
	const struct server_options *o = &c->server->options;
	enum im_err err;

	if ((!o->auth || o->maintenance) && !dispatch_is_local(c))
		return IM_ERR_LOCAL_ONLY;
	if (o->maintenance)
		err = dispatch_admit_maintenance(c);
	else if (!o->auth)
		err = dispatch_admit_anyone(c);
	else if (c->request->method->flags & RPC_NO_LOGIN)
		return IM_OK;
	else
		err = sessions_find(c->server->sessions, c->request->session, &c->session);
	if (err == IM_OK)
		rpc_request_set_authenticated(c->request);
	return err;
}

/* Invariants 1 and 2. */
static enum im_err
dispatch_admit(struct call *c)
{
	enum im_err err = dispatch_identify(c);

	if (err == IM_OK)
		err = permission_check(c);
	return err;
}

/* The database has been opened for the call, which goes on as if it had just come. */
static void
dispatch_entered(struct database_wait *wait, enum im_err err)
{
	struct call *c = (struct call *)((char *)wait - offsetof(struct call, wait));

	rpc_batch_begin();
	if (err == IM_OK)
		c->database = c->session.database;
	if (err == IM_OK && rpc_request_is_abandoned(c->request))
		err = IM_ERR_CANCELLED;
	if (err == IM_OK)
		call_run(c);
	else
		call_finish(c, err);
	rpc_batch_end();
}

/* IM_ERR_WOULD_BLOCK when the call will go on in dispatch_entered(). */
static enum im_err
dispatch_enter(struct call *c)
{
	enum im_err err;

	if (!(c->request->method->flags & RPC_NEEDS_DATABASE))
		return IM_OK;
	c->wait.ready = dispatch_entered;
	err = database_enter(c->session.database, &c->wait);
	if (err == IM_OK)
		c->database = c->session.database;
	return err;
}

static enum im_err
dispatch_decode(struct call *c)
{
	ProtobufCMessage *in = NULL;
	enum im_err err = rpc_request_decode(c->request, &in);

	if (err != IM_OK)
		return err;
	c->in = in;
	return unimplemented_check(in);
}

void
dispatch_request(void *ctx, struct rpc_request *request)
{
	struct server *s = ctx;
	struct call *c = arena_calloc(&request->arena, 1, sizeof *c);
	enum im_err err;

	err_clear();
	metric_shift(s->series.in_flight, 1);
	if (!c) {
		server_metrics_count(s, request, IM_ERR_NOMEM);
		rpc_fail(request, IM_ERR_NOMEM, NULL);
		return;
	}
	c->server = s;
	c->request = request;
	c->may_block = false;
	err = dispatch_admit(c);
	if (err == IM_OK)
		err = dispatch_decode(c);
	if (err == IM_OK)
		err = dispatch_enter(c);
	if (err == IM_OK)
		call_run(c);
	else if (err != IM_ERR_WOULD_BLOCK)
		call_finish(c, err);
}

enum im_err
dispatch_authenticate(
    void *ctx, struct bytes session, const struct rpc_method *method, const struct rpc_peer *peer)
{
	struct server *s = ctx;
	struct session found;

	(void)method;
	if (!s->options.auth || s->options.maintenance)
		return peer->is_loopback || s->options.devmode ? IM_OK : IM_ERR_LOCAL_ONLY;
	return sessions_find(s->sessions, session, &found);
}
