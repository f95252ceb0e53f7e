/*
 * One connection of the server: its hello, its requests, their answers. The bytes are link.c's
 * business, listening and reaping rpc_server.c's, meaning the handler's.
 *
 * Invariants: a request is in the table from before handle() sees it until its answer is queued, so
 * each gets exactly one; outstanding counts the table; a request holds a reference on the link;
 * the pool holds requests whose arena keeps one small block, so that a small request allocates
 * nothing.
 */
#include "rpc/server_conn.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "rpc/link_tls.h"
#include "rpc/message.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/metrics.h"

/* Requests kept for re-use by a connection, while it is busy and while it is quiet. */
#define POOL_BUSY 64
#define POOL_QUIET 1
/* The block that a pooled request keeps. */
#define POOL_BLOCK_BYTES 4096
/* Unsent output of a connection that has not logged in, which then is read no more. */
#define QUEUED_BYTES_BEFORE_LOGIN LINK_OUT_FREE_BYTES
/* What a request costs besides its body. */
#define REQUEST_OVERHEAD (sizeof(struct request) + POOL_BLOCK_BYTES)

static struct server_conn *
conn_of(struct link *l)
{
	return (struct server_conn *)l;
}

static struct request *
request_of(struct rpc_request *req)
{
	return (struct request *)req;
}

/* ---- Requests: from arrival to answer. ---- */

/* Locked. */
static bool
conn_is_ready(struct link *l)
{
	const struct server_conn *c = conn_of(l);
	size_t queued_max = c->server->options.max_queued_bytes;

	if (!atomic_load_explicit(&c->authenticated, memory_order_relaxed) &&
	    queued_max > QUEUED_BYTES_BEFORE_LOGIN)
		queued_max = QUEUED_BYTES_BEFORE_LOGIN;
	return c->outstanding < c->server->options.max_outstanding && link_queued(l) < queued_max;
}

/* Locked. The place that points to the request of that id, or to NULL at the end of its chain. */
static struct request **
conn_find(struct server_conn *c, uint32_t id)
{
	struct request **at = &c->table[id % CONN_TABLE_SIZE];

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

static void
request_free(struct request *r)
{
	arena_free(&r->pub.arena);
	free(r);
}

/*
 * A request for the table. IM_ERR_WOULD_BLOCK when the connection has enough of them,
 * IM_ERR_PROTOCOL when the id is taken, IM_ERR_NOMEM.
 */
static enum im_err
conn_take_request(struct server_conn *c, uint32_t id, struct request **out)
{
	enum im_err err = IM_OK;
	struct request *r = NULL;

	link_lock(&c->link);
	if (!conn_is_ready(&c->link)) {
		err = IM_ERR_WOULD_BLOCK;
	} else if (*conn_find(c, id)) {
		err = err_set(IM_ERR_PROTOCOL, "request with the id %u of another", id);
	} else if (c->pool) {
		r = c->pool;
		c->pool = r->next;
		c->pooled--;
	}
	pthread_mutex_unlock(&c->link.lock);
	if (err != IM_OK)
		return err;
	if (!r)
		r = (struct request *)calloc(1, sizeof *r);
	if (!r)
		return IM_ERR_NOMEM;
	r->conn = c;
	r->id = id;
	*out = r;
	return IM_OK;
}

static void
conn_add_request(struct server_conn *c, struct request *r)
{
	struct request **at;

	link_ref(&c->link);
	link_lock(&c->link);
	at = &c->table[r->id % CONN_TABLE_SIZE];
	r->next = *at;
	*at = r;
	c->outstanding++;
	pthread_mutex_unlock(&c->link.lock);
}

struct request *
server_conn_find(struct server_conn *c, uint32_t id)
{
	return *conn_find(c, id);
}

/* Out of the table, memory back. */
void
server_request_done(struct request *r)
{
	struct server_conn *c = r->conn;
	struct rpc_server *s = c->server;
	size_t charged = r->charged;
	size_t keep = atomic_load(&c->link.busy) ? POOL_BUSY : POOL_QUIET;

	*conn_find(c, r->id) = r->next;
	c->outstanding--;
	free(r->large);
	if (c->pooled < keep && !c->link.closed) {
		arena_reset(&r->pub.arena, POOL_BLOCK_BYTES);
		*r = (struct request){.pub.arena = r->pub.arena, .next = c->pool};
		c->pool = r;
		c->pooled++;
	} else {
		request_free(r);
	}
	link_unlock(&c->link);
	link_budget_give(&s->budget, charged);
	if (atomic_load_explicit(&s->stopping, memory_order_relaxed))
		server_wake(s);
	link_unref(&c->link);
}

void
server_conn_put_error(struct server_conn *c, uint32_t id, enum im_err err, const char *text)
{
	if (!c->link.closed)
		frame_put_error(&c->link.out, id, (uint16_t)err_status(err),
		    bytes_str(text ? text : err_text(err)));
}

/* Answers a request that never became one. */
static void
conn_refuse(struct server_conn *c, uint32_t id, enum im_err err, const char *text)
{
	link_lock(&c->link);
	server_conn_put_error(c, id, err, text);
	link_unlock(&c->link);
}

void
rpc_fail(struct rpc_request *req, enum im_err err, const char *text)
{
	struct request *r = request_of(req);

	link_lock(&r->conn->link);
	if (!r->resume || !server_stream_fail(r, err, text))
		server_conn_put_error(r->conn, r->id, err, text);
	server_request_done(r);
}

/* An answer that does not go: over a limit, or nobody wants it any more. IM_OK when it may. */
static enum im_err
request_check_answer(const struct request *r, size_t len)
{
	const struct server_conn *c = r->conn;
	size_t max = c->server->max_message;

	if (atomic_load_explicit(&r->cancelled, memory_order_relaxed))
		return err_set(IM_ERR_CANCELLED, "%s", err_text(IM_ERR_CANCELLED));
	if (len > max)
		return err_set(IM_ERR_MESSAGE_SIZE,
		    "%s: the answer has %zu bytes, the server's limit is %zu",
		    err_text(IM_ERR_MESSAGE_SIZE), len, max);
	if (len > c->peer_max_message)
		return err_set(IM_ERR_MESSAGE_SIZE,
		    "%s: the answer has %zu bytes, the client's limit is %u",
		    err_text(IM_ERR_MESSAGE_SIZE), len, c->peer_max_message);
	return IM_OK;
}

static void
request_fail_detail(struct request *r, enum im_err err)
{
	rpc_fail(&r->pub, err, err_detail(err));
}

/* A body that goes in chunks; takes data over. */
static void
request_reply_large(struct request *r, uint8_t *data, size_t len)
{
	struct server_conn *c = r->conn;
	struct link *l = &c->link;

	if (!link_budget_take_bulk(&c->server->budget, len)) {
		free(data);
		rpc_fail(&r->pub, IM_ERR_BUSY, NULL);
		return;
	}
	link_lock(l);
	if (l->closed || l->out_bytes + len > l->limits->body_bytes) {
		server_conn_put_error(
		    c, r->id, IM_ERR_BUSY, "server is busy: too many large answers unread");
		link_budget_give(&c->server->budget, len);
		free(data);
	} else {
		frame_put_answer(&l->out, r->id, true, (uint32_t)len, 0);
		if (!link_out_add(l, r->id, data, len))
			server_conn_put_error(c, r->id, IM_ERR_NOMEM, NULL);
	}
	server_request_done(r);
}

/*
 * Locked. Where the body of an answer of len bytes goes; NULL when it does not go out. A peer that
 * lets too many answers pile up gets errors, which are short and as many as its requests.
 */
static uint8_t *
request_reserve_answer(struct request *r, size_t len)
{
	struct link *l = &r->conn->link;
	size_t before = l->out.len;

	if (l->closed || !frame_put_answer(&l->out, r->id, false, (uint32_t)len, len))
		return NULL;
	l->out.len += len;
	if (link_charge_output(l))
		return l->out.data + l->out.len - len;
	l->out.len = before;
	server_conn_put_error(
	    r->conn, r->id, IM_ERR_BUSY, "server is busy: too many answers unread");
	return NULL;
}

void
rpc_reply(struct rpc_request *req, const ProtobufCMessage *answer)
{
	struct request *r = request_of(req);
	struct link *l = &r->conn->link;
	size_t len = protobuf_c_message_get_packed_size(answer);
	enum im_err err = request_check_answer(r, len);
	uint8_t *p;

	assert(answer->descriptor == req->method->answer);
	if (err != IM_OK) {
		request_fail_detail(r, err);
		return;
	}
	if (len > FRAME_PAYLOAD_MAX) {
		p = (uint8_t *)malloc(len);
		if (!p) {
			rpc_fail(req, IM_ERR_NOMEM, NULL);
			return;
		}
		protobuf_c_message_pack(answer, p);
		request_reply_large(r, p, len);
		return;
	}
	link_lock(l);
	p = request_reserve_answer(r, len);
	if (p)
		protobuf_c_message_pack(answer, p);
	server_request_done(r);
}

void
rpc_reply_bytes(struct rpc_request *req, struct bytes body)
{
	struct request *r = request_of(req);
	struct link *l = &r->conn->link;
	enum im_err err = request_check_answer(r, body.len);
	uint8_t *p;

	if (err != IM_OK) {
		request_fail_detail(r, err);
		return;
	}
	if (body.len > FRAME_PAYLOAD_MAX) {
		p = (uint8_t *)malloc(body.len);
		if (!p) {
			rpc_fail(req, IM_ERR_NOMEM, NULL);
			return;
		}
		memcpy(p, body.data, body.len);
		request_reply_large(r, p, body.len);
		return;
	}
	link_lock(l);
	p = request_reserve_answer(r, body.len);
	if (p && body.len > 0)
		memcpy(p, body.data, body.len);
	server_request_done(r);
}

enum im_err
rpc_request_decode(struct rpc_request *req, ProtobufCMessage **out)
{
	return message_unpack(req->method->request, req->body, true, &req->arena, out);
}

bool
rpc_request_charge(struct rpc_request *req, size_t bytes)
{
	struct request *r = request_of(req);

	if (!link_budget_take(&r->conn->server->budget, bytes))
		return false;
	r->charged += bytes;
	return true;
}

bool
rpc_request_is_abandoned(const struct rpc_request *req)
{
	const struct request *r = (const struct request *)req;

	return atomic_load(&r->cancelled) || atomic_load(&r->conn->gone) ||
	    (req->deadline_ns != 0 && clock_monotonic_ns() >= req->deadline_ns);
}

static void
conn_authenticate(struct server_conn *c)
{
	if (atomic_load_explicit(&c->authenticated, memory_order_relaxed) ||
	    atomic_exchange(&c->authenticated, true))
		return;
	atomic_store(&c->link.frame_max, FRAME_PAYLOAD_MAX);
	server_conn_known(c);
	link_lock(&c->link);
	if (!c->link.closed)
		frame_put_credit(&c->link.out, 0, FRAME_PAYLOAD_MAX);
	link_unlock(&c->link);
}

void
rpc_request_set_authenticated(struct rpc_request *req)
{
	conn_authenticate(request_of(req)->conn);
}

void
rpc_request_set_conn_user(struct rpc_request *req, void *conn_user)
{
	request_of(req)->conn->user = conn_user;
}

void *
rpc_request_conn_user(const struct rpc_request *req)
{
	return ((const struct request *)req)->conn->user;
}

/* ---- Frames. ---- */

static void
request_handle(struct request *r)
{
	struct rpc_server *s = r->conn->server;

	s->options.handle(s->options.ctx, &r->pub);
}

/* Charges and fills a request; on failure it is as it was. */
static enum im_err
request_fill(struct request *r, const struct frame_request *f, bool more)
{
	struct server_conn *c = r->conn;
	struct rpc_server *s = c->server;
	size_t charge = REQUEST_OVERHEAD + (more ? 0 : f->body.len);
	struct arena *a = &r->pub.arena;

	if (!link_budget_take(&s->budget, charge))
		return err_set(IM_ERR_BUSY, "server is busy: no memory for requests");
	r->charged = charge;
	a->cap = message_budget(f->total) + f->total + 2 * s->max_message + POOL_BLOCK_BYTES;
	r->pub.session = arena_copy(a, f->session);
	r->pub.body = more ? bytes_of(NULL, 0) : arena_copy(a, f->body);
	if (r->pub.session.len != f->session.len || (!more && r->pub.body.len != f->body.len)) {
		link_budget_give(&s->budget, charge);
		return err_set(IM_ERR_NOMEM, "out of memory");
	}
	r->pub.received_ns = c->link.now_ns;
	if (f->timeout_ms)
		r->pub.deadline_ns = c->link.now_ns + f->timeout_ms * CLOCK_NS_PER_MS;
	r->pub.peer = &c->peer;
	return IM_OK;
}

/* Whether the request may come in, before anything is spent on it. */
static enum im_err
conn_check_request(struct server_conn *c, const struct frame_request *f,
    const struct rpc_method *method, bool more)
{
	const struct rpc_server_options *o = &c->server->options;
	enum im_err err;

	if (atomic_load_explicit(&c->server->stopping, memory_order_relaxed))
		return err_set(IM_ERR_SHUTDOWN, "%s", err_text(IM_ERR_SHUTDOWN));
	if (!method)
		return err_set(IM_ERR_UNKNOWN_METHOD, "%s: 0x%04x", err_text(IM_ERR_UNKNOWN_METHOD),
		    f->method);
	if (f->total > c->server->max_message)
		return err_set(IM_ERR_MESSAGE_SIZE,
		    "%s: the request has %u bytes, the server's limit is %zu",
		    err_text(IM_ERR_MESSAGE_SIZE), f->total, c->server->max_message);
	if (!more || atomic_load(&c->authenticated))
		return IM_OK;
	if (!o->authenticate || f->session.len == 0)
		return err_set(IM_ERR_NOT_LOGGED_IN, "%s", err_text(IM_ERR_NOT_LOGGED_IN));
	err = o->authenticate(o->ctx, f->session, method, &c->peer);
	if (err == IM_OK)
		conn_authenticate(c);
	return err;
}

static enum im_err
conn_on_request(struct server_conn *c, const struct frame *f)
{
	bool more = f->flags & FRAME_FLAG_MORE;
	const struct rpc_method *method;
	struct frame_request fr;
	struct request *r;
	enum im_err err = frame_read_request(f, &fr);

	if (err != IM_OK)
		return err;
	err = conn_take_request(c, f->id, &r);
	if (err != IM_OK)
		return err;
	method = rpc_method_find(fr.method);
	r->pub.method = method;
	err = conn_check_request(c, &fr, method, more);
	if (err == IM_OK)
		err = request_fill(r, &fr, more);
	if (err != IM_OK) {
		request_free(r);
		conn_refuse(c, f->id, err, err_detail(err));
		return IM_OK;
	}
	conn_add_request(c, r);
	if (!more) {
		request_handle(r);
		return IM_OK;
	}
	err = link_in_open(&c->link, f->id, fr.total, fr.body, r);
	if (err != IM_OK)
		request_fail_detail(r, err);
	return IM_OK;
}

static void
conn_in_done(struct link *l, struct link_in *in)
{
	struct request *r = (struct request *)in->owner;

	(void)l;
	/* The budget's charge for the body goes over to the request with it. */
	r->charged += in->body.len;
	r->large = in->body.data;
	r->pub.body = buf_bytes(&in->body);
	request_handle(r);
}

static void
conn_in_failed(struct link *l, struct link_in *in, enum im_err err)
{
	(void)l;
	request_fail_detail((struct request *)in->owner, err);
}

static enum im_err
conn_on_cancel(struct server_conn *c, const struct frame *f)
{
	struct request *r, *resume = NULL;

	if (f->payload.len != 0)
		return err_set(IM_ERR_PROTOCOL, "cancel with a payload");
	r = (struct request *)link_in_drop(&c->link, f->id);
	if (r) {
		rpc_fail(&r->pub, IM_ERR_CANCELLED, NULL);
		return IM_OK;
	}
	link_lock(&c->link);
	r = *conn_find(c, f->id);
	if (r && r->resume)
		server_stream_cancel(r, &resume);
	else if (link_out_drop(&c->link, f->id))
		server_conn_put_error(c, f->id, IM_ERR_CANCELLED, NULL);
	else if (r)
		atomic_store(&r->cancelled, true);
	link_unlock(&c->link);
	if (resume)
		resume->resume(&resume->pub);
	return IM_OK;
}

static void
conn_put_hello(struct server_conn *c)
{
	const struct rpc_server *s = c->server;
	struct frame_server_hello h = {
	    .version = FRAME_VERSION,
	    .max_message_bytes = (uint32_t)s->max_message,
	    .window = s->limits.window,
	    .frame_max_before_login = FRAME_PAYLOAD_MAX_BEFORE_LOGIN,
	    .frame_max = FRAME_PAYLOAD_MAX,
	    .max_outstanding = (uint32_t)s->options.max_outstanding,
	    .version_text = bytes_str(s->options.version),
	    .server_id = bytes_str(s->options.server_id),
	    .default_database = bytes_str(s->options.default_database),
	};

	frame_put_server_hello(&c->link.out, &h);
}

static enum im_err
conn_on_hello(struct server_conn *c, const struct frame *f)
{
	struct frame_client_hello h;
	enum im_err err = frame_read_client_hello(f, &h);
	struct link *l = &c->link;
	bool speaks;

	if (err != IM_OK)
		return err;
	speaks = h.version_low <= FRAME_VERSION && h.version_high >= FRAME_VERSION;
	log_debug("rpc: %s: hello from %.*s", c->peer.address, (int)h.name.len,
	    (const char *)h.name.data);
	link_lock(l);
	if (h.for_others)
		c->peer.is_loopback = false;
	l->peer_window = h.window;
	l->peer_frame_max = FRAME_PAYLOAD_MAX;
	c->peer_max_message = h.max_message_bytes;
	if (c->surplus)
		server_conn_put_error(c, 0, IM_ERR_BUSY, "server is busy: too many connections");
	else if (!speaks)
		server_conn_put_error(c, 0, IM_ERR_VERSION, "no common protocol version");
	else
		conn_put_hello(c);
	l->leaving = c->surplus || !speaks;
	link_unlock(l);
	l->greeted = true;
	return IM_OK;
}

static enum im_err
conn_on_frame(struct link *l, const struct frame *f)
{
	struct server_conn *c = conn_of(l);

	if (l->greeted && c->link.leaving)
		return err_set(IM_ERR_PROTOCOL, "frame on a refused connection");
	if (!l->greeted)
		return conn_on_hello(c, f);
	if (f->kind == FRAME_REQUEST)
		return conn_on_request(c, f);
	if (f->kind == FRAME_CANCEL)
		return conn_on_cancel(c, f);
	/* The client's goodbye: nothing to do, it closes when it has its answers. */
	if (f->kind == FRAME_GOAWAY)
		return IM_OK;
	return err_set(IM_ERR_PROTOCOL, "frame of kind %u from a client", f->kind);
}

/* ---- Birth and end. ---- */

static void
conn_trim_pool(struct server_conn *c, size_t keep)
{
	struct request *r;

	link_lock(&c->link);
	while (c->pooled > keep) {
		r = c->pool;
		c->pool = r->next;
		c->pooled--;
		request_free(r);
	}
	pthread_mutex_unlock(&c->link.lock);
}

static void
conn_check_quiet(struct rpc_server *s)
{
	if (s->options.quiet && atomic_load(&s->budget.busy) == 0)
		s->options.quiet(s->options.ctx);
}

static void
conn_quiet(struct link *l)
{
	conn_trim_pool(conn_of(l), POOL_QUIET);
	conn_check_quiet(conn_of(l)->server);
}

static void
conn_written(struct link *l)
{
	struct rpc_server *s = conn_of(l)->server;

	if (atomic_load_explicit(&l->streams, memory_order_relaxed) > 0)
		server_stream_resume(conn_of(l), false);
	if (atomic_load_explicit(&s->stopping, memory_order_relaxed))
		server_wake(s);
}

static void
conn_ended(struct link *l)
{
	struct server_conn *c = conn_of(l);

	atomic_store(&c->gone, true);
	server_stream_resume(c, true);
	server_conn_ended(c);
}

static void
conn_destroy(struct link *l)
{
	struct server_conn *c = conn_of(l);
	struct rpc_server *s = c->server;
	bool was_busy = l->in != l->small;
	struct request *r;

	while (c->pool) {
		r = c->pool;
		c->pool = r->next;
		request_free(r);
	}
	free(c->certificate_name);
	free(c);
	if (was_busy)
		conn_check_quiet(s);
	server_conn_destroyed(s);
}

static void
conn_secured(struct link *l, const struct tls_conn *t)
{
	struct server_conn *c = conn_of(l);
	char name[TLS_NAME_SIZE];

	if (tls_conn_peer_name(t, c->server->options.certificate_name, name))
		c->peer.certificate_name = c->certificate_name = strdup(name);
}

/* Before the hello, so it is the same for every version of the protocol. */
static void
conn_foreign(struct link *l)
{
	struct server_conn *c = conn_of(l);

	server_conn_put_error(c, 0, IM_ERR_TLS,
	    c->peer.is_tls ? "TLS connection failed: this port speaks TLS only"
			   : "TLS connection failed: this port does not speak TLS");
}

static const struct link_ops conn_ops = {
    .frame = conn_on_frame,
    .ready = conn_is_ready,
    .in_done = conn_in_done,
    .in_failed = conn_in_failed,
    .written = conn_written,
    .quiet = conn_quiet,
    .secured = conn_secured,
    .foreign = conn_foreign,
    .ended = conn_ended,
    .destroy = conn_destroy,
};

static uint64_t
conn_host(const nng_sockaddr *sa)
{
	uint64_t host = 0;

	if (sa->s_family == NNG_AF_INET)
		return sa->s_in.sa_addr;
	if (sa->s_family != NNG_AF_INET6)
		return 0;
	memcpy(&host, sa->s_in6.sa_addr, sizeof host);
	if (host == 0)
		memcpy(&host, sa->s_in6.sa_addr + sizeof host, sizeof host);
	return host;
}

static void
conn_describe_v6(struct rpc_peer *p, const nng_sockaddr_in6 *sa)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char text[INET6_ADDRSTRLEN] = "?";
	struct in6_addr a;

	memcpy(&a, sa->sa_addr, sizeof a);
	if (memcmp(sa->sa_addr, mapped, sizeof mapped) == 0) {
		inet_ntop(AF_INET, sa->sa_addr + sizeof mapped, text, sizeof text);
		snprintf(p->address, sizeof p->address, "%s:%u", text, ntohs(sa->sa_port));
		p->is_loopback = sa->sa_addr[sizeof mapped] == 127;
		return;
	}
	inet_ntop(AF_INET6, &a, text, sizeof text);
	snprintf(p->address, sizeof p->address, "[%s]:%u", text, ntohs(sa->sa_port));
	p->is_loopback = IN6_IS_ADDR_LOOPBACK(&a);
}

static void
conn_describe(struct server_conn *c, nng_stream *stream)
{
	struct rpc_peer *p = &c->peer;
	nng_sockaddr sa = {0};
	char text[INET_ADDRSTRLEN] = "?";
	uint8_t first;

	if (nng_stream_get_addr(stream, NNG_OPT_REMADDR, &sa) == 0 && sa.s_family == NNG_AF_INET) {
		inet_ntop(AF_INET, &sa.s_in.sa_addr, text, sizeof text);
		snprintf(p->address, sizeof p->address, "%s:%u", text, ntohs(sa.s_in.sa_port));
		memcpy(&first, &sa.s_in.sa_addr, 1);
		p->is_loopback = first == 127;
	} else if (sa.s_family == NNG_AF_INET6) {
		conn_describe_v6(p, &sa.s_in6);
	} else {
		p->is_unix = sa.s_family == NNG_AF_IPC;
		p->is_loopback = p->is_unix;
		snprintf(p->address, sizeof p->address, "%s", p->is_unix ? "unix" : "unknown");
	}
	c->host = conn_host(&sa);
}

enum im_err
server_conn_new(struct rpc_server *s, nng_stream *stream, struct server_conn **out)
{
	struct server_conn *c = (struct server_conn *)calloc(1, sizeof *c);
	enum im_err err = IM_OK;

	if (!c)
		return IM_ERR_NOMEM;
	c->server = s;
	conn_describe(c, stream);
	c->link.name = c->peer.address;
	c->peer.is_tls = s->options.tls && !c->peer.is_unix;
	if (c->peer.is_tls)
		err = link_tls_new(s->options.tls, NULL, &c->link.tls);
	if (err == IM_OK)
		err = link_init(&c->link, stream, &conn_ops, &s->limits, &s->budget);
	if (err == IM_OK) {
		*out = c;
		return IM_OK;
	}
	link_tls_free(c->link.tls);
	free(c);
	return err;
}

static void
conn_discard(struct link *l, void *owner)
{
	(void)l;
	rpc_fail(&((struct request *)owner)->pub, IM_ERR_CONNECTION_LOST, NULL);
}

void
server_conn_finish(struct server_conn *c)
{
	struct rpc_server *s = c->server;

	link_in_free_all(&c->link, conn_discard);
	link_lock(&c->link);
	link_out_free_all(&c->link);
	pthread_mutex_unlock(&c->link.lock);
	if (s->options.closed)
		s->options.closed(s->options.ctx, c->user);
}

void
server_conn_goaway(struct server_conn *c)
{
	link_lock(&c->link);
	if (!c->link.closed && !c->link.leaving)
		frame_put_goaway(&c->link.out, bytes_str(err_text(IM_ERR_SHUTDOWN)));
	link_unlock(&c->link);
	server_stream_resume(c, true);
}

bool
server_conn_is_idle(struct server_conn *c)
{
	bool idle;

	link_lock(&c->link);
	idle = c->link.closed || (c->outstanding == 0 && link_is_drained(&c->link));
	pthread_mutex_unlock(&c->link.lock);
	return idle;
}
