/*
 * A framed connection: read chain, write chain, and the end of both. Above it are server_conn.c and
 * client_conn.c; below it only the byte stream, touched in three places (link_read_more, link_send,
 * link_shut), which is where a cipher would stand.
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
#include "util/clock.h"
#include "util/log.h"
#include "util/metrics.h"

/* Never more than this is gathered for one connection. */
#define LINK_OUT_MAX ((size_t)256 * 1024 * 1024)
/* Output buffers up to these sizes are kept while the connection is busy, and while it is quiet. */
#define LINK_KEEP_BUSY ((size_t)128 * 1024)
#define LINK_KEEP_QUIET ((size_t)4096)

/* Output is charged to the budget in steps of this. */
#define LINK_CHARGE_BYTES ((size_t)64 * 1024)

static _Thread_local unsigned callback_depth;

static void link_read_done(void *arg);
static void link_write_done(void *arg);

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

static void
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

static void
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

void
link_close(struct link *l)
{
	pthread_mutex_lock(&l->lock);
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
	nng_aio_stop(l->read_aio);
	nng_aio_stop(l->write_aio);
	nng_aio_stop(l->now_aio);
	/*
	 * The aios first: one whose timeout ends just now is still being cancelled on the stream, and only
	 * nng_aio_free() waits for that.
	 */
	link_free_aios(l);
	nng_stream_free(l->stream);
}

/* ---- Writing. ---- */

static void
link_write_failed(struct link *l)
{
	pthread_mutex_lock(&l->lock);
	l->writing = false;
	pthread_mutex_unlock(&l->lock);
	link_close(l);
}

/* Begins to send what is left of wire; false when the stream is closed. */
static bool
link_send(struct link *l, nng_aio *aio)
{
	nng_iov iov = {.iov_buf = l->wire.data + l->written, .iov_len = l->wire.len - l->written};
	bool shut;

	nng_aio_set_iov(aio, 1, &iov);
	pthread_mutex_lock(&l->write_gate);
	shut = l->shut;
	if (!shut)
		nng_stream_send(l->stream, aio);
	pthread_mutex_unlock(&l->write_gate);
	return !shut;
}

/* Sends what is left of wire, however long that takes. */
static void
link_send_later(struct link *l)
{
	nng_aio_set_timeout(l->write_aio, (nng_duration)l->limits->write_timeout_ms);
	if (!link_send(l, l->write_aio))
		link_write_failed(l);
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
 * Sends what the stream takes at once, which is nearly always all, and wakes no thread to be told so:
 * to cancel does nothing to a send that has ended, and one that has not has sent nothing yet. False when
 * it failed.
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

/* Locked. True when the caller must call link_write() after unlocking. */
static bool
link_write_claim(struct link *l)
{
	struct buf t;

	if (l->writing || l->closed)
		return false;
	link_out_fill(l);
	if (l->out.len == 0 || l->out.err != IM_OK)
		return false;
	t = l->wire;
	l->wire = l->out;
	l->out = t;
	buf_clear(&l->out);
	l->written = 0;
	l->writing = true;
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

/* Locked, nothing in flight: gives back what a quiet connection should not hold. */
static void
link_write_trim(struct link *l)
{
	size_t keep = atomic_load(&l->busy) ? LINK_KEEP_BUSY : LINK_KEEP_QUIET;

	buf_clear(&l->wire);
	if (l->wire.cap > keep)
		buf_free(&l->wire);
	if (l->out.len == 0 && l->out.cap > keep && l->out.err == IM_OK)
		buf_free(&l->out);
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
	leave = l->leaving && !more;
	kick = link_resume_claim(l);
	/* The chain stays claimed until the owner has been told, so that the link is not over yet. */
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

/*
 * Sends wire. Only by whoever has claimed the write chain. What others have added meanwhile is left to
 * the transport's threads: the caller has other things to do.
 */
static void
link_write(struct link *l)
{
	if (!link_send_now(l))
		link_write_failed(l);
	else if (l->written < l->wire.len || link_written(l))
		link_send_later(l);
}

static void
link_write_done(void *arg)
{
	struct link *l = (struct link *)arg;

	if (!link_sent(l, l->write_aio))
		link_write_failed(l);
	else if (l->written < l->wire.len)
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

/* ---- Reading. ---- */

/* How much a busy connection reads at once; always room for its longest frame. */
static size_t
link_read_size(const struct link *l)
{
	return atomic_load_explicit(&l->frame_max, memory_order_relaxed) >
		FRAME_PAYLOAD_MAX_BEFORE_LOGIN
	    ? LINK_BIG_BYTES
	    : LINK_STRANGER_BYTES;
}

/* False when there is no memory for it. */
static bool
link_read_grow(struct link *l, size_t size)
{
	uint8_t *big = (uint8_t *)malloc(size);

	if (!big)
		return false;
	memcpy(big, l->in, l->in_len);
	if (l->in != l->small)
		free(l->in);
	l->in = big;
	l->in_cap = size;
	link_set_busy(l, true);
	return true;
}

/* The connection is quiet: it holds no buffer from here on. */
static void
link_read_shrink(struct link *l)
{
	free(l->in);
	l->in = l->small;
	l->in_cap = sizeof l->small;
	link_set_busy(l, false);
	pthread_mutex_lock(&l->lock);
	if (!l->writing)
		link_write_trim(l);
	pthread_mutex_unlock(&l->lock);
	if (l->ops->quiet)
		l->ops->quiet(l);
}

static int64_t
link_earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When the peer must have sent more; INT64_MAX when it owes nothing. */
static int64_t
link_read_deadline(const struct link *l)
{
	int64_t timeout = l->limits->frame_timeout_ms * CLOCK_NS_PER_MS;
	int64_t by = l->greeted ? INT64_MAX : l->hello_by_ns;

	if (l->in_len > 0)
		by = link_earlier(by, l->frame_since_ns + timeout);
	/* A stream comes as fast as it is made, and as we let it. */
	for (const struct link_in *in = l->ins; in; in = in->next)
		by = in->stream ? by : link_earlier(by, in->progress_ns + timeout);
	return by;
}

/* The read chain stops for good. */
static void
link_read_end(struct link *l)
{
	pthread_mutex_lock(&l->lock);
	l->reading = false;
	pthread_mutex_unlock(&l->lock);
	link_close(l);
}

static void
link_read_more(struct link *l)
{
	nng_iov iov = {.iov_buf = l->in + l->in_len, .iov_len = l->in_cap - l->in_len};
	int64_t by = link_read_deadline(l), ms;
	bool shut;

	if (l->in != l->small && l->in_len == 0)
		by = link_earlier(by, l->now_ns + l->limits->idle_buffer_ms * CLOCK_NS_PER_MS);
	ms = (by - l->now_ns) / CLOCK_NS_PER_MS + 1;
	nng_aio_set_iov(l->read_aio, 1, &iov);
	nng_aio_set_timeout(l->read_aio,
	    by == INT64_MAX      ? NNG_DURATION_INFINITE
		: ms < 1         ? 1
		: ms > INT32_MAX ? INT32_MAX
				 : (nng_duration)ms);
	pthread_mutex_lock(&l->read_gate);
	shut = l->shut;
	if (!shut)
		nng_stream_recv(l->stream, l->read_aio);
	pthread_mutex_unlock(&l->read_gate);
	if (shut)
		link_read_end(l);
}

void
link_start(struct link *l)
{
	bool closed;

	l->now_ns = clock_monotonic_ns();
	l->hello_by_ns = l->now_ns + l->limits->hello_timeout_ms * CLOCK_NS_PER_MS;
	pthread_mutex_lock(&l->lock);
	closed = l->closed;
	l->reading = !closed;
	pthread_mutex_unlock(&l->lock);
	if (closed)
		return;
	link_ref(l);
	link_read_more(l);
	link_unref(l);
}

void
link_dismiss(struct link *l, const char *text)
{
	link_lock(l);
	frame_put_goaway(&l->out, bytes_str(text));
	l->leaving = true;
	link_unlock(l);
}

static enum im_err
link_dispatch(struct link *l, const struct frame *f)
{
	if (l->greeted) {
		if (f->kind == FRAME_DATA)
			return link_in_data(l, f);
		if (f->kind == FRAME_END)
			return link_in_end(l, f);
		if (f->kind == FRAME_CREDIT && f->id != 0)
			return link_out_credit(l, f);
	}
	return l->ops->frame(l, f);
}

/* Handles the complete frames of the buffer; *need is what the incomplete one behind them takes. */
static enum im_err
link_take_frames(struct link *l, size_t *need)
{
	size_t pos = 0, size = 0;
	enum im_err err;
	struct frame f;

	for (;;) {
		err = frame_next(bytes_of(l->in + pos, l->in_len - pos),
		    atomic_load_explicit(&l->frame_max, memory_order_relaxed), &f, &size);
		*need = size;
		if (err != IM_OK) {
			err = err == IM_ERR_WOULD_BLOCK ? IM_OK : err;
			break;
		}
		err = link_dispatch(l, &f);
		if (err != IM_OK)
			break;
		pos += size;
	}
	if (pos > 0 && pos < l->in_len)
		memmove(l->in, l->in + pos, l->in_len - pos);
	l->in_len -= pos;
	if (pos > 0)
		l->frame_since_ns = l->now_ns;
	return err;
}

/* What to do after a batch of frames; locked. */
enum link_next { LINK_READ, LINK_TAKE, LINK_PAUSE, LINK_STOP };

static enum link_next
link_read_next(struct link *l, bool stalled)
{
	if (l->closed || l->leaving)
		return LINK_STOP;
	if (l->ops->ready && !l->ops->ready(l)) {
		l->paused = true;
		l->reading = false;
		return LINK_PAUSE;
	}
	return stalled ? LINK_TAKE : LINK_READ;
}

static void
link_fault(struct link *l, enum im_err err)
{
	metric_inc(l->limits->faults);
	if (l->limits->log_faults)
		log_info_limited("rpc: %s: closing the connection: %s", l->name, err_detail(err));
	if (l->ops->fault)
		l->ops->fault(l, err);
	if (l->greeted)
		link_dismiss(l, err_detail(err));
	else
		link_close(l);
}

/* Reading stops but the connection stays until its last words are written. */
static void
link_read_leave(struct link *l)
{
	bool written;

	pthread_mutex_lock(&l->lock);
	l->reading = false;
	written = !l->writing && l->out.len == 0;
	link_unlock_over(l);
	if (written)
		link_close(l);
}

/* Takes the frames that have come and goes on as fits. */
static void
link_read_take(struct link *l)
{
	bool filled = l->in_len == l->in_cap;
	enum link_next next;
	enum im_err err;
	size_t need, size;

	do {
		rpc_batch_begin();
		err = link_take_frames(l, &need);
		if (err != IM_OK && err != IM_ERR_WOULD_BLOCK)
			link_fault(l, err);
		rpc_batch_end();
		pthread_mutex_lock(&l->lock);
		next = link_read_next(l, err == IM_ERR_WOULD_BLOCK);
		pthread_mutex_unlock(&l->lock);
	} while (next == LINK_TAKE);
	if (next == LINK_PAUSE)
		return;
	if (next == LINK_STOP) {
		link_read_leave(l);
		return;
	}
	size = link_read_size(l);
	if (l->in_cap < size && (filled || need > l->in_cap) && !link_read_grow(l, size)) {
		link_read_end(l);
		return;
	}
	link_read_more(l);
}

static void
link_read_expired(struct link *l)
{
	if (link_read_deadline(l) <= l->now_ns) {
		metric_inc(l->limits->faults);
		if (l->limits->log_faults)
			log_info_limited("rpc: %s: closing the connection: %s", l->name,
			    l->greeted ? "a frame was begun and not finished" : "no hello");
		link_read_end(l);
		return;
	}
	if (l->in != l->small && l->in_len == 0)
		link_read_shrink(l);
	link_read_more(l);
}

/* Reading starts again after a pause that was our doing: the peer's time counts anew. */
static void
link_read_restart(struct link *l)
{
	l->kicked = false;
	l->frame_since_ns = l->now_ns;
	for (struct link_in *in = l->ins; in; in = in->next)
		in->progress_ns = l->now_ns;
	link_read_take(l);
}

static void
link_read_done(void *arg)
{
	struct link *l = (struct link *)arg;
	int rv = nng_aio_result(l->read_aio);
	size_t n;

	link_callback_begin();
	l->now_ns = clock_monotonic_ns();
	if (l->kicked) {
		link_read_restart(l);
	} else if (rv == NNG_ETIMEDOUT) {
		link_read_expired(l);
	} else if (rv != 0) {
		link_read_end(l);
	} else {
		n = nng_aio_count(l->read_aio);
		metric_add(l->limits->bytes_received, n);
		if (l->in_len == 0)
			l->frame_since_ns = l->now_ns;
		l->in_len += n;
		link_read_take(l);
	}
	link_callback_end();
}
