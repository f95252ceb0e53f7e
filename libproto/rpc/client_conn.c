/*
 * The client end: calls in flight, their answers, their deadlines. Connecting is client_dial.c's
 * business, waiting for an answer client_wait.c's, the bytes are link.c's.
 *
 * Invariants: a slot is taken from the moment a request is queued until the server has ended the
 * call, so what is in flight never passes the server's limit, also after a timeout, when the caller
 * has long been told (abandoned); ids carry the slot and a generation, so an answer can never meet
 * the wrong call; callbacks run without any lock; after ended, no slot is taken and none is given.
 */
#include "rpc/client_conn.h"

#include <assert.h>
#include <stdlib.h>

#include "rpc/client_dial.h"
#include "rpc/client_state.h"
#include "rpc/link_tls.h"
#include "rpc/message.h"
#include "util/clock.h"
#include "util/log.h"

#define DEFAULT_CONNECT_MS 10000
#define DEFAULT_MESSAGE_BYTES ((size_t)32 * 1024 * 1024)
#define MESSAGE_SLACK_BYTES ((size_t)1024 * 1024)
#define MESSAGE_BYTES_MAX ((size_t)1024 * 1024 * 1024)
#define DEFAULT_OUTSTANDING 512
#define DEFAULT_QUEUED_BYTES ((size_t)8 * 1024 * 1024)
#define FRAME_TIMEOUT_MS 60000
#define WRITE_TIMEOUT_MS 60000
#define IDLE_BUFFER_MS 1000
static struct rpc_client_conn *
client_of(struct link *l)
{
	return (struct rpc_client_conn *)l;
}

/* ---- Errors that came over the wire. ---- */

enum im_err
rpc_err_of_text(enum im_status status, const char *text)
{
	enum im_err best = IM_ERR_REMOTE;
	size_t best_len = 0;

	for (int i = IM_OK + 1; i < IM_ERR_COUNT; i++) {
		const char *row = err_text((enum im_err)i);
		size_t len = strlen(row);

		if (err_status((enum im_err)i) != status || len <= best_len)
			continue;
		if (strncmp(row, text, len) != 0 || (text[len] != '\0' && text[len] != ':'))
			continue;
		best = (enum im_err)i;
		best_len = len;
	}
	return best;
}

/* ---- Slots. Locked. ---- */

struct call_slot *
client_find(struct rpc_client_conn *c, uint32_t id)
{
	size_t slot = id & (SLOTS_MAX - 1);

	return slot < c->nslots && c->slots[slot].id == id ? &c->slots[slot] : NULL;
}

static struct call_slot *
client_take_slot(struct rpc_client_conn *c)
{
	uint32_t slot = c->free_slots[--c->nfree];
	struct call_slot *s = &c->slots[slot];

	do
		s->id = ++s->uses << SLOT_BITS | slot;
	while (s->id == 0);
	return s;
}

static void
client_free_slot(struct rpc_client_conn *c, struct call_slot *s)
{
	c->free_slots[c->nfree++] = (uint16_t)(s - c->slots);
	*s = (struct call_slot){.uses = s->uses};
	if (c->waiters)
		pthread_cond_broadcast(&c->changed);
}

/* Ends the call of that id and tells the caller. IM_ERR_PROTOCOL when there is none. Not locked. */
static enum im_err
client_end_call(struct rpc_client_conn *c, uint32_t id, const struct rpc_answer *answer)
{
	struct call_slot *s, call = {0};

	link_lock(&c->link);
	s = client_find(c, id);
	if (s) {
		call = *s;
		client_free_slot(c, s);
	}
	pthread_mutex_unlock(&c->link.lock);
	if (!s)
		return err_set(IM_ERR_PROTOCOL, "answer to no call");
	if (!call.abandoned)
		call.cb(call.ctx, answer);
	return IM_OK;
}

/* ---- Frames. Read chain. ---- */

static char *
client_copy_text(struct bytes text)
{
	return strndup(text.len ? (const char *)text.data : "", text.len);
}

static enum im_err
client_make_slots(struct rpc_client_conn *c, size_t n)
{
	c->slots = (struct call_slot *)calloc(n, sizeof *c->slots);
	c->free_slots = (uint16_t *)calloc(n, sizeof *c->free_slots);
	if (!c->slots || !c->free_slots)
		return IM_ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		c->free_slots[i] = (uint16_t)(n - 1 - i);
	c->nslots = c->nfree = n;
	return IM_OK;
}

/* Locked. */
static void
client_note(struct rpc_client_conn *c, enum im_err err, struct bytes text)
{
	size_t n = text.len < sizeof c->why_text ? text.len : sizeof c->why_text - 1;

	if (c->why != IM_OK)
		return;
	c->why = err;
	if (n)
		memcpy(c->why_text, text.data, n);
	c->why_text[n] = '\0';
}

static enum im_err
client_on_hello(struct rpc_client_conn *c, const struct frame *f)
{
	struct frame_server_hello h;
	enum im_err err = frame_read_server_hello(f, &h);
	size_t n = c->options.max_outstanding;

	if (err == IM_OK && h.version != FRAME_VERSION)
		err = err_set(IM_ERR_PROTOCOL, "version %u was not offered", h.version);
	if (err != IM_OK)
		return err;
	c->texts[0] = client_copy_text(h.version_text);
	c->texts[1] = client_copy_text(h.server_id);
	c->texts[2] = client_copy_text(h.default_database);
	if (!c->texts[0] || !c->texts[1] || !c->texts[2])
		return IM_ERR_NOMEM;
	c->hello = (struct rpc_hello_info){.version = c->texts[0],
	    .server_id = c->texts[1],
	    .default_database = c->texts[2],
	    .max_message_bytes = h.max_message_bytes,
	    .max_outstanding = n < h.max_outstanding ? n : h.max_outstanding};
	err = client_make_slots(c, c->hello.max_outstanding);
	link_lock(&c->link);
	c->link.peer_window = h.window;
	c->link.peer_frame_max = h.frame_max_before_login < FRAME_PAYLOAD_MAX
	    ? h.frame_max_before_login
	    : FRAME_PAYLOAD_MAX;
	c->greeted = err == IM_OK;
	pthread_cond_broadcast(&c->changed);
	link_unlock(&c->link);
	c->link.greeted = c->greeted;
	return err;
}

static enum im_err
client_on_error(struct rpc_client_conn *c, const struct frame *f)
{
	struct frame_error e;
	char text[FRAME_TEXT_MAX + 1];
	struct rpc_answer answer;

	if (frame_read_error(f, &e) != IM_OK)
		return IM_ERR_PROTOCOL;
	if (e.text.len)
		memcpy(text, e.text.data, e.text.len);
	text[e.text.len] = '\0';
	answer = (struct rpc_answer){.status = (enum im_status)e.status,
	    .text = text,
	    .err = rpc_err_of_text((enum im_status)e.status, text)};
	if (f->id != 0) {
		link_in_drop(&c->link, f->id);
		link_lock(&c->link);
		link_out_drop(&c->link, f->id);
		link_unlock(&c->link);
		return client_end_call(c, f->id, &answer);
	}
	link_lock(&c->link);
	client_note(c, answer.err, e.text);
	pthread_mutex_unlock(&c->link.lock);
	return err_set(answer.err, "%s", text);
}

/* The answer to a call must have the form that the call has. */
static enum im_err
client_check_form(struct rpc_client_conn *c, const struct frame *f)
{
	bool stream = f->flags & FRAME_FLAG_STREAM, wanted = stream;
	struct call_slot *s;

	link_lock(&c->link);
	s = client_find(c, f->id);
	if (s && !s->abandoned)
		wanted = s->stream != NULL;
	pthread_mutex_unlock(&c->link.lock);
	if (!s)
		return err_set(IM_ERR_PROTOCOL, "answer to no call");
	if (stream != wanted)
		return err_set(IM_ERR_PROTOCOL, "%s instead of a %s", stream ? "stream" : "body",
		    wanted ? "stream" : "body");
	return stream ? frame_read_stream(f) : IM_OK;
}

static enum im_err
client_on_answer(struct rpc_client_conn *c, const struct frame *f)
{
	struct rpc_answer answer = {.err = IM_OK, .status = IM_STATUS_OK, .text = ""};
	enum im_err err = client_check_form(c, f);
	uint32_t total;

	if (err != IM_OK)
		return err;
	if (f->flags & FRAME_FLAG_STREAM)
		return link_in_open_stream(&c->link, f->id);
	if (frame_read_answer(f, &total, &answer.body) != IM_OK)
		return IM_ERR_PROTOCOL;
	if (total > c->max_message)
		return err_set(
		    IM_ERR_PROTOCOL, "answer of %u bytes, over %zu", total, c->max_message);
	if (!(f->flags & FRAME_FLAG_MORE))
		return client_end_call(c, f->id, &answer);
	return link_in_open(&c->link, f->id, total, answer.body, NULL);
}

static void
client_in_done(struct link *l, struct link_in *in)
{
	struct rpc_answer answer = {
	    .err = IM_OK, .status = IM_STATUS_OK, .text = "", .body = buf_bytes(&in->body)};

	client_end_call(client_of(l), in->id, &answer);
	buf_free(&in->body);
}

/* A piece of a stream; of one that nobody waits for any more it is thrown away. */
static enum im_err
client_in_part(struct link *l, struct link_in *in, struct bytes data)
{
	struct rpc_client_conn *c = client_of(l);
	enum im_err err = IM_OK;
	struct call_slot *s;

	link_lock(l);
	s = client_find(c, in->id);
	if (s && !s->abandoned)
		err = client_stream_take(s->stream, data);
	pthread_mutex_unlock(&l->lock);
	return err;
}

/* No memory for an answer: the caller is told, the server's END will find nobody. */
static void
client_in_failed(struct link *l, struct link_in *in, enum im_err err)
{
	struct rpc_answer answer = {.err = err, .status = err_status(err), .text = err_text(err)};

	client_end_call(client_of(l), in->id, &answer);
}

static enum im_err
client_on_frame_max(struct rpc_client_conn *c, const struct frame *f)
{
	uint32_t n;

	if (frame_read_credit(f, &n) != IM_OK)
		return IM_ERR_PROTOCOL;
	link_lock(&c->link);
	if (n > c->link.peer_frame_max)
		c->link.peer_frame_max = n < FRAME_PAYLOAD_MAX ? n : FRAME_PAYLOAD_MAX;
	link_unlock(&c->link);
	return IM_OK;
}

static enum im_err
client_on_goaway(struct rpc_client_conn *c, const struct frame *f)
{
	struct bytes text;

	if (frame_read_goaway(f, &text) != IM_OK)
		return IM_ERR_PROTOCOL;
	link_lock(&c->link);
	c->goaway = true;
	client_note(c, IM_ERR_CONNECTION_LOST, text);
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->link.lock);
	return IM_OK;
}

static enum im_err
client_on_frame(struct link *l, const struct frame *f)
{
	struct rpc_client_conn *c = client_of(l);

	if (f->kind == FRAME_ERROR)
		return !l->greeted && f->id != 0 ? IM_ERR_PROTOCOL : client_on_error(c, f);
	if (!l->greeted)
		return client_on_hello(c, f);
	switch (f->kind) {
	case FRAME_ANSWER:
		return client_on_answer(c, f);
	case FRAME_CREDIT:
		return client_on_frame_max(c, f);
	case FRAME_GOAWAY:
		return client_on_goaway(c, f);
	default:
		return err_set(IM_ERR_PROTOCOL, "frame of kind %u from a server", f->kind);
	}
}

/* ---- Deadlines. ---- */

/* Locked. Sees to it that the timer goes off at that time or before. */
static void
client_arm_timer(struct rpc_client_conn *c, int64_t at_ns, int64_t now_ns)
{
	int64_t ms = (at_ns - now_ns) / CLOCK_NS_PER_MS + 1;

	if (c->timer_at_ns != 0 && c->timer_at_ns <= at_ns)
		return;
	if (c->timer_at_ns != 0) {
		/* It runs too late: its callback starts it anew. */
		c->timer_at_ns = at_ns;
		nng_aio_abort(c->timer, NNG_ECANCELED);
		return;
	}
	c->timer_at_ns = at_ns;
	nng_sleep_aio(ms < 1 ? 1 : ms > INT32_MAX ? INT32_MAX : (nng_duration)ms, c->timer);
}

/* Locked. The call whose deadline comes first; NULL when none has one. */
static struct call_slot *
client_first_deadline(struct rpc_client_conn *c)
{
	struct call_slot *first = NULL;

	for (size_t i = 0; i < c->nslots; i++) {
		struct call_slot *s = &c->slots[i];

		if (s->id == 0 || s->abandoned || s->deadline_ns == 0)
			continue;
		if (!first || s->deadline_ns < first->deadline_ns)
			first = s;
	}
	return first;
}

void
client_abandon(struct rpc_client_conn *c, struct call_slot *s)
{
	s->abandoned = true;
	link_out_drop(&c->link, s->id);
	frame_put_empty(&c->link.out, FRAME_CANCEL, s->id);
}

static void
client_timer_done(void *arg)
{
	struct rpc_client_conn *c = (struct rpc_client_conn *)arg;
	struct rpc_answer answer = {.err = IM_ERR_TIMEOUT,
	    .status = IM_STATUS_DEADLINE_EXCEEDED,
	    .text = err_text(IM_ERR_TIMEOUT)};
	int64_t now = clock_monotonic_ns();
	struct call_slot *s, call;

	link_callback_begin();
	link_lock(&c->link);
	while (!c->closing && !c->over && (s = client_first_deadline(c)) != NULL &&
	    s->deadline_ns <= now) {
		client_abandon(c, s);
		call = *s;
		link_unlock(&c->link);
		call.cb(call.ctx, &answer);
		link_lock(&c->link);
	}
	c->timer_at_ns = 0;
	s = c->closing || c->over ? NULL : client_first_deadline(c);
	if (s)
		client_arm_timer(c, s->deadline_ns, now);
	link_unlock(&c->link);
	link_callback_end();
}

/* ---- Calls. ---- */

/* Locked. Why no call may be started any more; IM_OK when one may. Sets the detail. */
static enum im_err
client_check_usable(struct rpc_client_conn *c)
{
	if (!c->over && !c->goaway && !c->closing && !c->link.closed)
		return IM_OK;
	return err_set(IM_ERR_CONNECTION_LOST, "%s: %s", c->address,
	    c->why != IM_OK ? c->why_text : err_text(IM_ERR_CONNECTION_LOST));
}

static bool
client_has_room(const struct rpc_client_conn *c)
{
	return c->nfree > 0 &&
	    link_queued(&c->link) + c->link.out_bytes <= c->options.max_queued_bytes;
}

/* Locked. Waits until a call may be started. */
static enum im_err
client_wait_room(struct rpc_client_conn *c, int64_t deadline_ns)
{
	struct timespec ts = {deadline_ns / CLOCK_NS_PER_S, deadline_ns % CLOCK_NS_PER_S};
	enum im_err err = client_check_usable(c);
	bool flushed = false;
	int rv = 0;

	while (err == IM_OK && !client_has_room(c)) {
		if (link_in_callback())
			return err_set(IM_ERR_BUSY, "%s: too many calls in flight", c->address);
		if (!flushed) {
			/* What fills the room may still wait in this thread's batch. */
			flushed = true;
			pthread_mutex_unlock(&c->link.lock);
			link_flush(&c->link);
			link_lock(&c->link);
			err = client_check_usable(c);
			continue;
		}
		if (rv != 0)
			return err_set(
			    IM_ERR_TIMEOUT, "%s: %s", c->address, err_text(IM_ERR_TIMEOUT));
		c->waiters++;
		rv = deadline_ns ? pthread_cond_timedwait(&c->changed, &c->link.lock, &ts)
				 : pthread_cond_wait(&c->changed, &c->link.lock);
		c->waiters--;
		err = client_check_usable(c);
	}
	return err;
}

struct client_send {
	const struct rpc_call *call;
	bool stream;
	struct frame_request head;
	size_t len;     /* of the body */
	uint8_t *large; /* the body packed, when it goes in chunks */
};

/* Packs a body that does not fit one frame. */
static enum im_err
client_pack_large(struct rpc_client_conn *c, struct client_send *send)
{
	size_t frame_max;

	link_lock(&c->link);
	frame_max = c->link.peer_frame_max;
	pthread_mutex_unlock(&c->link.lock);
	/* A frame holds at least the head, so what does not fit is not empty. */
	assert(frame_max > FRAME_REQUEST_HEAD_MAX);
	if (send->len <= frame_max - FRAME_REQUEST_HEAD_MAX)
		return IM_OK;
	send->large = (uint8_t *)malloc(send->len);
	if (!send->large)
		return err_set(IM_ERR_NOMEM, "out of memory");
	protobuf_c_message_pack(send->call->request, send->large);
	return IM_OK;
}

/* Locked. Queues the request under the slot's id. */
static bool
client_put_request(struct rpc_client_conn *c, struct client_send *send, uint32_t id)
{
	struct buf *out = &c->link.out;

	if (send->large) {
		if (!frame_put_request(out, id, true, &send->head, 0)) {
			free(send->large);
			return false;
		}
		return link_out_add(&c->link, id, send->large, send->len);
	}
	if (!frame_put_request(out, id, false, &send->head, send->len))
		return false;
	if (send->call->request)
		out->len += protobuf_c_message_pack(send->call->request, out->data + out->len);
	return true;
}

static enum im_err
client_prepare(struct rpc_client_conn *c, const struct rpc_call *call, struct client_send *send)
{
	const struct rpc_method *method = rpc_method_find(call->method);
	uint32_t timeout_ms = call->timeout_ms ? call->timeout_ms : c->options.call_timeout_ms;

	if (!method)
		return err_set(IM_ERR_UNKNOWN_METHOD, "%s: 0x%04x", err_text(IM_ERR_UNKNOWN_METHOD),
		    call->method);
	if (call->session.len > FRAME_SESSION_MAX ||
	    send->stream != ((method->flags & RPC_STREAM) != 0) ||
	    (call->request && call->request->descriptor != method->request))
		return err_set(IM_ERR_ARGUMENT, "%s: bad call", method->name);
	send->len = call->request ? protobuf_c_message_get_packed_size(call->request) : 0;
	if (send->len > c->hello.max_message_bytes)
		return err_set(IM_ERR_MESSAGE_SIZE,
		    "%s: the request has %zu bytes, the server's limit is %zu",
		    err_text(IM_ERR_MESSAGE_SIZE), send->len, c->hello.max_message_bytes);
	send->head = (struct frame_request){.method = call->method,
	    /* Of a stream it is the time between two pieces, and the reader's business. */
	    .timeout_ms = send->stream ? 0 : timeout_ms,
	    .session = call->session,
	    .total = (uint32_t)send->len};
	return client_pack_large(c, send);
}

enum im_err
client_start_call(struct rpc_client_conn *c, struct client_start *start)
{
	struct client_send send = {.call = start->call, .stream = start->stream != NULL};
	enum im_err err = client_prepare(c, start->call, &send);
	int64_t now, deadline = 0;
	struct call_slot *s;

	if (err != IM_OK)
		return err;
	now = clock_monotonic_ns();
	if (send.head.timeout_ms)
		deadline = now + send.head.timeout_ms * CLOCK_NS_PER_MS;
	link_lock(&c->link);
	err = client_wait_room(c, deadline);
	if (err != IM_OK) {
		link_unlock(&c->link);
		free(send.large);
		return err;
	}
	s = client_take_slot(c);
	s->cb = start->cb;
	s->ctx = start->ctx;
	s->stream = start->stream;
	s->deadline_ns = deadline;
	start->id = s->id;
	if (!client_put_request(c, &send, s->id)) {
		client_free_slot(c, s);
		err = err_set(IM_ERR_NOMEM, "out of memory");
	} else if (deadline) {
		client_arm_timer(c, deadline, now);
	}
	link_unlock(&c->link);
	return err;
}

enum im_err
rpc_call_start(struct rpc_client_conn *c, const struct rpc_call *call, rpc_answer_cb *cb, void *ctx)
{
	return client_start_call(c, &(struct client_start){.call = call, .cb = cb, .ctx = ctx});
}

/* ---- Birth and end. ---- */

static void
client_written(struct link *l)
{
	struct rpc_client_conn *c = client_of(l);

	link_lock(l);
	if (c->waiters)
		pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&l->lock);
}

/* Takes a call that is still open from the table; false when there is none. */
static bool
client_take_lost(struct rpc_client_conn *c, struct call_slot *out)
{
	bool any = false;

	link_lock(&c->link);
	for (size_t i = 0; i < c->nslots && !any; i++) {
		if (c->slots[i].id == 0)
			continue;
		*out = c->slots[i];
		client_free_slot(c, &c->slots[i]);
		any = true;
	}
	pthread_mutex_unlock(&c->link.lock);
	return any;
}

static void
client_fault(struct link *l, enum im_err err)
{
	link_lock(l);
	client_note(client_of(l), err, bytes_str(err_detail(err)));
	pthread_mutex_unlock(&l->lock);
}

static void
client_ended(struct link *l)
{
	struct rpc_client_conn *c = client_of(l);
	char text[sizeof c->why_text + 64];
	struct rpc_answer answer;
	struct call_slot call;

	link_lock(l);
	if (!c->closing)
		client_check_usable(c);
	answer.err = c->closing ? IM_ERR_CANCELLED : IM_ERR_CONNECTION_LOST;
	pthread_mutex_unlock(&l->lock);
	strncpy(text, err_detail(answer.err), sizeof text - 1);
	text[sizeof text - 1] = '\0';
	answer.status = err_status(answer.err);
	answer.text = text;
	answer.body = bytes_of(NULL, 0);
	link_callback_begin();
	while (client_take_lost(c, &call))
		if (!call.abandoned)
			call.cb(call.ctx, &answer);
	link_callback_end();
	link_lock(l);
	c->over = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&l->lock);
}

static void
client_destroy(struct link *l)
{
	struct rpc_client_conn *c = client_of(l);

	for (size_t i = 0; i < sizeof c->texts / sizeof *c->texts; i++)
		free(c->texts[i]);
	free(c->slots);
	free(c->free_slots);
	free(c->address);
	pthread_cond_destroy(&c->changed);
	free(c);
}

static const struct link_ops client_ops = {
    .own_thread = true,
    .frame = client_on_frame,
    .in_done = client_in_done,
    .in_part = client_in_part,
    .in_failed = client_in_failed,
    .written = client_written,
    .fault = client_fault,
    .ended = client_ended,
    .destroy = client_destroy,
};

static void
client_set_options(struct rpc_client_conn *c, const struct rpc_client_options *o)
{
	c->options = *o;
	if (!c->options.connect_timeout_ms)
		c->options.connect_timeout_ms = DEFAULT_CONNECT_MS;
	if (!c->options.max_message_bytes)
		c->options.max_message_bytes = DEFAULT_MESSAGE_BYTES;
	if (!c->options.max_outstanding)
		c->options.max_outstanding = DEFAULT_OUTSTANDING;
	if (c->options.max_outstanding > SLOTS_MAX)
		c->options.max_outstanding = SLOTS_MAX;
	if (!c->options.max_queued_bytes)
		c->options.max_queued_bytes = DEFAULT_QUEUED_BYTES;
	c->max_message = c->options.max_message_bytes + MESSAGE_SLACK_BYTES;
	c->limits = (struct link_limits){
	    .hello_timeout_ms = c->options.connect_timeout_ms,
	    .frame_timeout_ms = FRAME_TIMEOUT_MS,
	    .write_timeout_ms = WRITE_TIMEOUT_MS,
	    .idle_buffer_ms = IDLE_BUFFER_MS,
	    .window = CLIENT_WINDOW_BYTES,
	    .body_bytes = SIZE_MAX / 2,
	};
}

/* Undoes client_new() but for stream and address. */
static void
client_unmake(struct rpc_client_conn *c)
{
	link_tls_free(c->link.tls);
	if (c->timer)
		nng_aio_free(c->timer);
	free(c);
}

/* The cipher, if there is to be one. */
static enum im_err
client_secure(struct rpc_client_conn *c, const struct rpc_client_options *o)
{
	if (!o->tls || o->unix_path)
		return IM_OK;
	return link_tls_new(o->tls, o->tls_name ? o->tls_name : o->host, &c->link.tls);
}

/* A connection around a stream, not yet started; takes both over on success. */
static enum im_err
client_new(const struct rpc_client_options *options, nng_stream *stream, char *address,
    struct rpc_client_conn **out)
{
	struct rpc_client_conn *c = (struct rpc_client_conn *)calloc(1, sizeof *c);
	pthread_condattr_t attr;
	enum im_err err;

	if (!c)
		return IM_ERR_NOMEM;
	client_set_options(c, options);
	err = client_secure(c, options);
	if (err == IM_OK && nng_aio_alloc(&c->timer, client_timer_done, c) != 0)
		err = IM_ERR_NOMEM;
	if (err == IM_OK)
		err = link_init(&c->link, stream, &client_ops, &c->limits, NULL);
	if (err != IM_OK) {
		client_unmake(c);
		return err;
	}
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->changed, &attr);
	pthread_condattr_destroy(&attr);
	atomic_store(&c->link.frame_max, FRAME_PAYLOAD_MAX);
	c->address = address;
	c->link.name = address;
	*out = c;
	return IM_OK;
}

/* Says hello and waits for the server's. */
static enum im_err
client_greet(struct rpc_client_conn *c, int64_t deadline_ns)
{
	struct timespec ts = {deadline_ns / CLOCK_NS_PER_S, deadline_ns % CLOCK_NS_PER_S};
	struct frame_client_hello h = {.version_low = FRAME_VERSION,
	    .version_high = FRAME_VERSION,
	    .max_message_bytes = (uint32_t)c->max_message,
	    .window = CLIENT_WINDOW_BYTES,
	    .name = bytes_str(c->options.name ? c->options.name : ""),
	    .for_others = c->options.for_others};
	enum im_err err;
	int rv = 0;

	link_lock(&c->link);
	frame_put_client_hello(&c->link.out, &h);
	link_unlock(&c->link);
	link_flush(&c->link);
	link_start(&c->link);
	link_lock(&c->link);
	while (rv == 0 && !c->greeted && !c->over)
		rv = pthread_cond_timedwait(&c->changed, &c->link.lock, &ts);
	if (c->greeted)
		err = IM_OK;
	/* The link gives up on the hello at about the same time, and may have been first. */
	else if (rv != 0 || clock_monotonic_ns() >= deadline_ns)
		err = err_set(IM_ERR_TIMEOUT, "%s: no hello from the server", c->address);
	else if (c->why != IM_OK)
		err = err_set(c->why, "%s: %s", c->address, c->why_text);
	else
		err = err_set(IM_ERR_CONNECTION_LOST,
		    "%s: the server closed the connection before its hello", c->address);
	pthread_mutex_unlock(&c->link.lock);
	return err;
}

enum im_err
rpc_client_connect(const struct rpc_client_options *options, struct rpc_client_conn **out)
{
	uint32_t timeout_ms =
	    options->connect_timeout_ms ? options->connect_timeout_ms : DEFAULT_CONNECT_MS;
	struct rpc_client_conn *c;
	nng_stream *stream = NULL;
	char *address = NULL;
	int64_t deadline;
	enum im_err err;

	*out = NULL;
	if (options->max_message_bytes > MESSAGE_BYTES_MAX)
		return err_set(IM_ERR_ARGUMENT, "bad client options");
	err = client_dial(options, timeout_ms, &deadline, &stream, &address);
	if (err != IM_OK)
		return err;
	err = client_new(options, stream, address, &c);
	if (err != IM_OK) {
		nng_stream_close(stream);
		nng_stream_free(stream);
		free(address);
		return err;
	}
	err = client_greet(c, deadline);
	if (err != IM_OK) {
		rpc_client_close(c);
		return err;
	}
	*out = c;
	return IM_OK;
}

void
rpc_client_close(struct rpc_client_conn *c)
{
	if (!c)
		return;
	assert(!link_in_callback());
	link_lock(&c->link);
	c->closing = true;
	pthread_mutex_unlock(&c->link.lock);
	link_close(&c->link);
	link_lock(&c->link);
	while (!c->over)
		pthread_cond_wait(&c->changed, &c->link.lock);
	pthread_mutex_unlock(&c->link.lock);
	nng_aio_stop(c->timer);
	link_teardown(&c->link);
	nng_aio_free(c->timer);
	link_in_free_all(&c->link, NULL);
	link_unref(&c->link);
}

const struct rpc_hello_info *
rpc_client_hello(const struct rpc_client_conn *c)
{
	return &c->hello;
}

bool
rpc_client_is_usable(struct rpc_client_conn *c)
{
	bool usable;

	link_lock(&c->link);
	usable = !c->over && !c->goaway && !c->link.closed;
	pthread_mutex_unlock(&c->link.lock);
	return usable;
}
