/*
 * A framed connection: birth, write chain, and the end of both chains; the read chain is
 * link_read.c's. Above it are server_conn.c and client_conn.c; below it only the byte stream,
 * touched in three places (link_read_more, link_send, link_shut), and between the two, for TLS, the
 * cipher of link_tls.c.
 *
 *	reading --(frame says wait)--> paused --(ready: link_resume)--> reading
 *	reading, writing --(fault, peer gone, link_close)--> closed --(both chains out)--> ended
 *
 * Invariants: the stream is used only by a chain that runs or a counted closer, so it can be freed
 * once ended is set; wire is not touched while writing but by the write chain; what was appended
 * under one lock leaves in that order; a failed append closes the connection, since half a frame
 * may be in the buffer.
 */
#include "rpc/link.h"

#include <stdlib.h>

#include "rpc/batch.h"
#include "rpc/link_chains.h"
#include "rpc/link_tls.h"
#include "util/clock.h"
#include "util/metrics.h"

/* Never more than this is gathered for one connection. */
#define LINK_OUT_MAX ((size_t)256 * 1024 * 1024)
/* Output buffers up to these sizes are kept while the connection is busy, and while it is quiet. */
#define LINK_KEEP_BUSY ((size_t)128 * 1024)
#define LINK_KEEP_QUIET ((size_t)4096)

/* Output is charged to the budget in steps of this. */
#define LINK_CHARGE_BYTES ((size_t)64 * 1024)

static _Thread_local unsigned callback_depth;

static void link_write_done(void *arg);
static bool link_send_now(struct link *l);

bool
link_in_callback(void)
{
	return callback_depth > 0;
}

void
link_callback_begin(void)
{
	callback_depth++;
}

void
link_callback_end(void)
{
	callback_depth--;
}

static bool
link_budget_take_up_to(struct link_budget *b, size_t n, size_t max)
{
	if (atomic_fetch_add_explicit(&b->used, n, memory_order_relaxed) + n <= max)
		return true;
	atomic_fetch_sub_explicit(&b->used, n, memory_order_relaxed);
	return false;
}

bool
link_budget_take(struct link_budget *b, size_t n)
{
	return !b || link_budget_take_up_to(b, n, b->max);
}

bool
link_budget_take_bulk(struct link_budget *b, size_t n)
{
	return !b || link_budget_take_up_to(b, n, b->max - b->reserve);
}

void
link_budget_give(struct link_budget *b, size_t n)
{
	if (b)
		atomic_fetch_sub_explicit(&b->used, n, memory_order_relaxed);
}

static void
link_free_aios(struct link *l)
{
	nng_aio_free(l->read_aio);
	nng_aio_free(l->reader_aio);
	nng_aio_free(l->write_aio);
	nng_aio_free(l->now_aio);
}

enum im_err
link_init(struct link *l, nng_stream *stream, const struct link_ops *ops,
    const struct link_limits *limits, struct link_budget *budget)
{
	l->ops = ops;
	l->limits = limits;
	l->budget = budget;
	l->in = l->small;
	l->in_cap = sizeof l->small;
	atomic_init(&l->refs, 1);
	atomic_init(&l->frame_max, FRAME_PAYLOAD_MAX_BEFORE_LOGIN);
	l->peer_frame_max = FRAME_PAYLOAD_MAX_BEFORE_LOGIN;
	buf_init(&l->out, LINK_OUT_MAX);
	buf_init(&l->wire, LINK_OUT_MAX);
	if (nng_aio_alloc(&l->read_aio, link_read_done, l) != 0 ||
	    nng_aio_alloc(&l->write_aio, link_write_done, l) != 0 ||
	    nng_aio_alloc(&l->now_aio, NULL, NULL) != 0) {
		link_free_aios(l);
		return IM_ERR_NOMEM;
	}
	nng_aio_set_timeout(l->now_aio, NNG_DURATION_INFINITE);
	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->read_gate, NULL);
	pthread_mutex_init(&l->write_gate, NULL);
	l->stream = stream;
	return IM_OK;
}

void
link_set_busy(struct link *l, bool busy)
{
	if (atomic_exchange(&l->busy, busy) == busy || !l->budget)
		return;
	if (busy)
		atomic_fetch_add(&l->budget->busy, 1);
	else
		atomic_fetch_sub(&l->budget->busy, 1);
}

void
link_ref(struct link *l)
{
	atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
}

void
link_unref(struct link *l)
{
	if (atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
		return;
	link_out_free_all(l);
	link_budget_give(l->budget, l->out_charged);
	buf_free(&l->out);
	buf_free(&l->wire);
	link_tls_free(l->tls);
	if (l->in != l->small) {
		free(l->in);
		link_set_busy(l, false);
	}
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->read_gate);
	pthread_mutex_destroy(&l->write_gate);
	l->ops->destroy(l);
}

void
link_lock(struct link *l)
{
	pthread_mutex_lock(&l->lock);
}

size_t
link_queued(const struct link *l)
{
	return l->out.len + (l->writing ? l->wire.len : 0);
}

bool
link_charge_output(struct link *l)
{
	size_t held = link_queued(l), more;

	if (held <= LINK_OUT_FREE_BYTES + l->out_charged)
		return true;
	more = held - LINK_OUT_FREE_BYTES - l->out_charged + LINK_CHARGE_BYTES - 1;
	more -= more % LINK_CHARGE_BYTES;
	if (!link_budget_take_bulk(l->budget, more))
		return false;
	l->out_charged += more;
	return true;
}

/* Locked, nothing being written: gives back the charge of what has been. */
static void
link_discharge_output(struct link *l)
{
	if (l->out_charged == 0 || l->out.len > LINK_OUT_FREE_BYTES)
		return;
	link_budget_give(l->budget, l->out_charged);
	l->out_charged = 0;
}

bool
link_is_drained(const struct link *l)
{
	return l->closed || (l->out.len == 0 && !l->writing && !l->outs);
}

/* Locked. True when the caller must tell the owner, after unlocking, that it is over. */
static bool
link_is_over(struct link *l)
{
	if (!l->closed || l->reading || l->writing || l->closers || l->ended)
		return false;
	l->ended = true;
	return true;
}

void
link_unlock_over(struct link *l)
{
	bool over = link_is_over(l);

	pthread_mutex_unlock(&l->lock);
	if (over)
		l->ops->ended(l);
}

static void
link_shut(struct link *l)
{
	pthread_mutex_lock(&l->read_gate);
	pthread_mutex_lock(&l->write_gate);
	l->shut = true;
	nng_stream_close(l->stream);
	pthread_mutex_unlock(&l->write_gate);
	pthread_mutex_unlock(&l->read_gate);
}

/*
 * Locked; unlocked meanwhile. A last word for the peer, if that can be said at once: without it a
 * TLS connection looks as if somebody had cut it.
 */
static void
link_say_bye(struct link *l)
{
	bool failed;

	if (!l->tls || l->closed || l->writing || !link_tls_is_open(l) || l->tls->bye)
		return;
	l->writing = true;
	l->tls->bye = true;
	l->tls->sealed = l->written = 0;
	buf_clear(&l->wire);
	pthread_mutex_unlock(&l->lock);
	if (link_tls_seal(l, &failed))
		(void)link_send_now(l);
	pthread_mutex_lock(&l->lock);
	l->writing = false;
}

void
link_close(struct link *l)
{
	pthread_mutex_lock(&l->lock);
	link_say_bye(l);
	if (!l->closed) {
		l->closed = true;
		l->closers++;
		pthread_mutex_unlock(&l->lock);
		link_shut(l);
		pthread_mutex_lock(&l->lock);
		l->closers--;
	}
	link_unlock_over(l);
}

void
link_teardown(struct link *l)
{
	nng_stream_close(l->stream);
	if (l->has_reader)
		pthread_join(l->reader, NULL);
	l->has_reader = false;
	nng_aio_stop(l->read_aio);
	if (l->reader_aio)
		nng_aio_stop(l->reader_aio);
	nng_aio_stop(l->write_aio);
	nng_aio_stop(l->now_aio);
	/*
	 * The aios first: one whose timeout ends just now is still being cancelled on the stream,
	 * and only nng_aio_free() waits for that.
	 */
	link_free_aios(l);
	nng_stream_free(l->stream);
}

/* ---- Writing. ---- */

/* So often a thread that sends looks for more, before it leaves that to the transport's threads. */
#define LINK_WRITE_ROUNDS 8

static void
link_write_failed(struct link *l)
{
	pthread_mutex_lock(&l->lock);
	l->writing = false;
	pthread_mutex_unlock(&l->lock);
	link_close(l);
}

/* What goes to the stream as it is. */
static const struct buf *
link_wire(const struct link *l)
{
	return l->tls ? &l->tls->wire : &l->wire;
}

enum link_wire_state { LINK_WIRE_MORE, LINK_WIRE_SENT, LINK_WIRE_FAILED };

/* Whether something is left to be sent, which it encrypts if that is needed. */
static enum link_wire_state
link_wire_next(struct link *l)
{
	bool failed;

	if (l->written < link_wire(l)->len)
		return LINK_WIRE_MORE;
	if (!l->tls)
		return LINK_WIRE_SENT;
	l->written = 0;
	if (link_tls_seal(l, &failed))
		return LINK_WIRE_MORE;
	return failed ? LINK_WIRE_FAILED : LINK_WIRE_SENT;
}

/* Begins to send what is left; false when the stream is closed. */
static bool
link_send(struct link *l, nng_aio *aio)
{
	const struct buf *wire = link_wire(l);
	nng_iov iov = {.iov_buf = wire->data + l->written, .iov_len = wire->len - l->written};
	bool shut;

	nng_aio_set_iov(aio, 1, &iov);
	pthread_mutex_lock(&l->write_gate);
	shut = l->shut;
	if (!shut)
		nng_stream_send(l->stream, aio);
	pthread_mutex_unlock(&l->write_gate);
	return !shut;
}

/* Takes account of a send that has ended; false when it failed. */
static bool
link_sent(struct link *l, nng_aio *aio)
{
	size_t n = nng_aio_count(aio);

	if (nng_aio_result(aio) != 0)
		return false;
	l->written += n;
	metric_add(l->limits->bytes_sent, n);
	return true;
}

/*
 * Sends what the stream takes at once, which is nearly always all, and wakes no thread to be told
 * so: to cancel does nothing to a send that has ended, and one that has not has sent nothing yet.
 * False when it failed.
 */
static bool
link_send_now(struct link *l)
{
	if (!link_send(l, l->now_aio))
		return false;
	nng_aio_cancel(l->now_aio);
	nng_aio_wait(l->now_aio);
	return link_sent(l, l->now_aio) || nng_aio_result(l->now_aio) == NNG_ECANCELED;
}

bool
link_write_claim(struct link *l)
{
	bool plain = !l->tls || link_tls_is_open(l), any;
	struct buf t;

	if (l->writing || l->closed)
		return false;
	if (plain)
		link_out_fill(l);
	any = (plain && l->out.len > 0) || (l->tls && link_tls_wants(l));
	if (!any || l->out.err != IM_OK)
		return false;
	buf_clear(&l->wire);
	if (plain) {
		t = l->wire;
		l->wire = l->out;
		l->out = t;
	}
	l->written = 0;
	l->writing = true;
	if (l->tls)
		link_tls_claim(l);
	return true;
}

/* Locked. True when the caller must kick the read chain after unlocking. */
static bool
link_resume_claim(struct link *l)
{
	if (!l->paused || l->closed || !l->ops->ready(l))
		return false;
	l->paused = false;
	l->reading = true;
	return true;
}

/* Runs the read chain's callback without a read: there may be frames left in the buffer. */
static void
link_kick(struct link *l)
{
	l->kicked = true;
	nng_aio_set_timeout(l->read_aio, NNG_DURATION_INFINITE);
	if (nng_aio_begin(l->read_aio))
		nng_aio_finish(l->read_aio, 0);
}

void
link_write_trim(struct link *l)
{
	size_t keep = atomic_load(&l->busy) ? LINK_KEEP_BUSY : LINK_KEEP_QUIET;

	buf_clear(&l->wire);
	if (l->wire.cap > keep)
		buf_free(&l->wire);
	if (l->out.len == 0 && l->out.cap > keep && l->out.err == IM_OK)
		buf_free(&l->out);
	if (l->tls)
		link_tls_trim(l, keep);
}

/* All of wire is sent. True when there is more, and the caller must send it. */
static bool
link_written(struct link *l)
{
	bool more, kick, leave;

	pthread_mutex_lock(&l->lock);
	l->writing = false;
	link_discharge_output(l);
	link_write_trim(l);
	more = link_write_claim(l);
	leave = l->leaving && !l->draining && !more;
	kick = link_resume_claim(l);
	/*
	 * The chain stays claimed until the owner has been told, so that the link is not over yet.
	 */
	l->closers++;
	pthread_mutex_unlock(&l->lock);
	if (kick)
		link_kick(l);
	if (l->ops->written)
		l->ops->written(l);
	if (leave)
		link_close(l);
	pthread_mutex_lock(&l->lock);
	l->closers--;
	link_unlock_over(l);
	return more;
}

/* Sends what is left, and what is claimed after it, however long that takes. */
static void
link_send_later(struct link *l)
{
	enum link_wire_state state;

	while ((state = link_wire_next(l)) == LINK_WIRE_SENT)
		if (!link_written(l))
			return;
	nng_aio_set_timeout(l->write_aio, (nng_duration)l->limits->write_timeout_ms);
	if (state == LINK_WIRE_FAILED || !link_send(l, l->write_aio))
		link_write_failed(l);
}

void
link_write(struct link *l)
{
	enum link_wire_state state = link_wire_next(l);
	int rounds = 0;

	do {
		if (state == LINK_WIRE_MORE)
			state = link_send_now(l) ? link_wire_next(l) : LINK_WIRE_FAILED;
		if (state == LINK_WIRE_FAILED) {
			link_write_failed(l);
			return;
		}
		if (state == LINK_WIRE_MORE)
			break;
		if (!link_written(l))
			return;
		state = link_wire_next(l);
	} while (++rounds < LINK_WRITE_ROUNDS);
	link_send_later(l);
}

static void
link_write_done(void *arg)
{
	struct link *l = (struct link *)arg;
	enum link_wire_state state =
	    link_sent(l, l->write_aio) ? link_wire_next(l) : LINK_WIRE_FAILED;

	if (state == LINK_WIRE_FAILED)
		link_write_failed(l);
	else if (state == LINK_WIRE_MORE)
		link_send_later(l);
	else if (link_written(l))
		link_write(l);
}

void
link_unlock(struct link *l)
{
	bool wanted = !l->writing && !l->closed && (l->out.len > 0 || l->outs);
	bool send = wanted && !batch_add(l) && link_write_claim(l);
	bool kick = link_resume_claim(l);
	bool broken = l->out.err != IM_OK;

	pthread_mutex_unlock(&l->lock);
	if (send)
		link_write(l);
	if (kick)
		link_kick(l);
	if (broken)
		link_close(l);
}

void
link_flush(struct link *l)
{
	bool send;

	pthread_mutex_lock(&l->lock);
	send = link_write_claim(l);
	pthread_mutex_unlock(&l->lock);
	if (send)
		link_write(l);
}
