/*
 * The read chain of a link: bytes come in, pass the cipher if there is one, and are cut into frames
 * for the owner. link.c has the write chain and the end of both.
 *
 * Invariants: one callback at a time; a peer that has begun something has a deadline to finish it;
 * who breaks the rules is told why, if that can be understood at all, before the stream is closed.
 */
#include <signal.h>
#include <stdlib.h>

#include "rpc/batch.h"
#include "rpc/link_chains.h"
#include "rpc/link_tls.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/metrics.h"

/* How a client begins that speaks TLS; no frame of ours begins so. */
#define LINK_TLS_FIRST_BYTE 0x16
/*
 * How long a peer has to hang up that was refused before its hello. To close earlier, while
 * something of it is unread, would take the reason back that was just sent.
 */
#define LINK_DRAIN_MS 1000

/*
 * So many more reads must have brought several frames than brought one, with no quiet between,
 * before a link asks for a thread; it lets go of it when there are no more of them.
 */
#define LINK_STEADY_READS 64

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
	return !l->tls || link_tls_grow(l, size);
}

/* The connection is quiet: it holds no buffer from here on. */
static void
link_read_shrink(struct link *l)
{
	free(l->in);
	l->in = l->small;
	l->in_cap = sizeof l->small;
	if (l->tls)
		link_tls_shrink(l);
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

/* The beginning of a frame is there, or of what may become one. */
static bool
link_read_is_midway(struct link *l)
{
	return l->in_len > 0 || (l->tls && link_tls_is_mid_record(l));
}

/* When the peer must have sent more; INT64_MAX when it owes nothing. */
static int64_t
link_read_deadline(struct link *l)
{
	int64_t timeout = l->limits->frame_timeout_ms * CLOCK_NS_PER_MS;
	int64_t by = l->greeted ? INT64_MAX : l->hello_by_ns;

	if (l->draining)
		return l->drain_by_ns;
	if (link_read_is_midway(l))
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
	nng_iov plain = {.iov_buf = l->in + l->in_len, .iov_len = l->in_cap - l->in_len};
	nng_iov iov = l->tls ? link_tls_room(l) : plain;
	nng_aio *aio = l->by_reader ? l->reader_aio : l->read_aio;
	int64_t by = link_read_deadline(l), ms;
	bool shut;

	if (l->in != l->small && l->in_len == 0)
		by = link_earlier(by, l->now_ns + l->limits->idle_buffer_ms * CLOCK_NS_PER_MS);
	ms = (by - l->now_ns) / CLOCK_NS_PER_MS + 1;
	nng_aio_set_iov(aio, 1, &iov);
	nng_aio_set_timeout(aio,
	    by == INT64_MAX      ? NNG_DURATION_INFINITE
		: ms < 1         ? 1
		: ms > INT32_MAX ? INT32_MAX
				 : (nng_duration)ms);
	pthread_mutex_lock(&l->read_gate);
	shut = l->shut;
	if (!shut)
		nng_stream_recv(l->stream, aio);
	pthread_mutex_unlock(&l->read_gate);
	if (shut)
		link_read_end(l);
}

/* What the cipher has brought about goes out. */
static void
link_tell(struct link *l, bool broken)
{
	bool send;

	pthread_mutex_lock(&l->lock);
	link_tls_tell(l, broken);
	l->leaving = l->leaving || broken;
	l->draining = l->draining || (broken && l->ops->foreign);
	send = link_write_claim(l);
	pthread_mutex_unlock(&l->lock);
	if (send)
		link_write(l);
}

static bool
link_start_tls(struct link *l)
{
	enum im_err err = link_tls_start(l);

	if (err != IM_OK && l->ops->fault)
		l->ops->fault(l, err);
	if (err == IM_OK)
		link_tell(l, false);
	return err == IM_OK;
}

/* Whether the read chain is still the one that was handed so often. */
static bool
link_is_read_since(struct link *l, unsigned handed)
{
	bool reading;

	pthread_mutex_lock(&l->lock);
	reading = l->reading && l->handed == handed;
	pthread_mutex_unlock(&l->lock);
	return reading;
}

/*
 * The read chain as a thread: what the transport reads wakes it, with no thread of its pool
 * between.
 */
static void *
link_read_loop(void *arg)
{
	struct link *l = (struct link *)arg;
	unsigned handed = l->handed;

	link_read_more(l);
	while (link_is_read_since(l, handed)) {
		nng_aio_wait(l->reader_aio);
		link_read_done(l);
	}
	if (l->budget)
		link_readers_give(&l->budget->readers, l);
	return NULL;
}

/* Gets what a thread for reading needs; the one before has ended or is about to. */
static bool
link_prepare_reader(struct link *l)
{
	if (l->has_reader)
		pthread_join(l->reader, NULL);
	l->has_reader = false;
	return l->reader_aio || nng_aio_alloc(&l->reader_aio, NULL, NULL) == 0;
}

/* Signals are for the threads of the program. False when there is no thread to be had. */
static bool
link_start_reader(struct link *l)
{
	sigset_t all, before;
	int rv;

	atomic_store(&l->recalled, false);
	l->by_reader = l->has_reader = true;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rv = pthread_create(&l->reader, NULL, link_read_loop, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rv != 0)
		l->by_reader = l->has_reader = false;
	return rv == 0;
}

/* Locked. The read chain goes from the thread, if it has one, back to callbacks. */
static void
link_hand_back(struct link *l)
{
	if (!l->by_reader)
		return;
	l->by_reader = false;
	l->steady = 0;
	l->handed++;
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
	if (l->tls && !link_start_tls(l))
		link_read_end(l);
	else if (l->ops->own_thread) {
		if (!link_prepare_reader(l) || !link_start_reader(l))
			link_read_end(l);
	} else
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
	size_t pos = 0, size = 0, count = 0;
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
		count++;
	}
	if (count > 1 && l->steady < LINK_STEADY_READS)
		l->steady++;
	else if (count == 1 && l->steady > 0)
		l->steady--;
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
		link_hand_back(l);
		return LINK_PAUSE;
	}
	return stalled ? LINK_TAKE : LINK_READ;
}

/* Says what the peer did wrong to whom it may concern here. */
static void
link_note_fault(struct link *l, enum im_err err)
{
	metric_inc(l->limits->faults);
	if (l->limits->log_faults)
		log_info_limited("rpc: %s: closing the connection: %s", l->name, err_detail(err));
	if (l->ops->fault)
		l->ops->fault(l, err);
}

/* Tells a peer that it speaks TLS where we do not, or the reverse. */
static void
link_refuse(struct link *l)
{
	struct link_tls *t = NULL;

	link_lock(l);
	/* Nothing has been said yet, so nobody is using it. */
	if (!l->writing) {
		t = l->tls;
		l->tls = NULL;
		l->ops->foreign(l);
	}
	l->leaving = l->draining = true;
	link_unlock(l);
	link_tls_free(t);
}

static void
link_fault(struct link *l, enum im_err err)
{
	bool is_tls = !l->tls && l->in_len > 0 && l->in[0] == LINK_TLS_FIRST_BYTE;

	link_note_fault(l, err);
	if (l->greeted)
		link_dismiss(l, err_detail(err));
	else if (is_tls && l->ops->foreign)
		link_refuse(l);
	else
		link_close(l);
}

/* What still comes is thrown away, until the peer hangs up or its time is over. */
static void
link_read_drain(struct link *l)
{
	if (l->drain_by_ns == 0)
		l->drain_by_ns = l->now_ns + LINK_DRAIN_MS * CLOCK_NS_PER_MS;
	l->in_len = 0;
	link_read_more(l);
}

/* Reading stops but the connection stays until its last words are written. */
static void
link_read_leave(struct link *l)
{
	bool send, written;

	if (l->draining) {
		link_read_drain(l);
		return;
	}
	pthread_mutex_lock(&l->lock);
	l->reading = false;
	send = l->tls && link_write_claim(l);
	written = !l->writing && (l->out.len == 0 || (l->tls && !link_tls_is_open(l)));
	link_unlock_over(l);
	if (send)
		link_write(l);
	else if (written)
		link_close(l);
}

/*
 * The peer broke the rules of TLS. It may have been told so; plaintext cannot be sent to it any
 * more.
 */
static void
link_read_broken(struct link *l, enum im_err err)
{
	bool foreign = l->ops->foreign && tls_conn_is_foreign(l->tls->conn);

	link_note_fault(l, err);
	if (foreign)
		link_refuse(l);
	else
		link_tell(l, true);
	link_read_leave(l);
}

/* Decrypts what has come; false when the connection is at its end. */
static bool
link_read_open(struct link *l)
{
	bool was_opened = l->tls->opened, told;
	enum im_err err = link_tls_open(l, &told);

	if (err != IM_OK) {
		link_read_broken(l, err);
		return false;
	}
	if (l->tls->opened && !was_opened && l->ops->secured)
		l->ops->secured(l, l->tls->conn);
	if (told)
		link_tell(l, false);
	return true;
}

/* The peer's bytes have ended, or cannot be had. */
static void
link_read_finish(struct link *l)
{
	enum im_err err = IM_OK;
	bool ours;

	pthread_mutex_lock(&l->lock);
	ours = l->closed;
	pthread_mutex_unlock(&l->lock);
	if (l->tls && !ours && !l->draining)
		err = link_tls_end(l);
	if (err != IM_OK)
		link_note_fault(l, err);
	link_read_end(l);
}

/* Takes the frames that have come; false when reading is not to go on. */
static bool
link_read_batch(struct link *l)
{
	bool filled = l->in_len == l->in_cap || (l->tls && l->tls->filled);
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
		return false;
	if (next == LINK_STOP) {
		link_read_leave(l);
		return false;
	}
	size = link_read_size(l);
	if (l->in_cap < size && (filled || need > l->in_cap) && !link_read_grow(l, size)) {
		link_read_end(l);
		return false;
	}
	return true;
}

/* The pool goes on. */
static void
link_end_reader(struct link *l)
{
	pthread_mutex_lock(&l->lock);
	link_hand_back(l);
	pthread_mutex_unlock(&l->lock);
}

/*
 * Whether reading goes on in a thread of the link that is begun now: of one whose peer is logged in
 * and sends much, when there is a thread to be had.
 */
static bool
link_read_by_reader(struct link *l)
{
	struct link_readers *r = l->budget ? &l->budget->readers : NULL;

	bool is_lent = l->by_reader && !l->ops->own_thread;

	if (is_lent && (l->steady == 0 || atomic_exchange(&l->recalled, false)))
		link_end_reader(l);
	if (l->by_reader || l->steady < LINK_STEADY_READS || link_read_size(l) < LINK_BIG_BYTES ||
	    !link_prepare_reader(l) || !link_readers_take(r, l))
		return false;
	if (link_start_reader(l))
		return true;
	link_readers_give(r, l);
	return false;
}

/* Takes what has come and goes on as fits. */
static void
link_read_take(struct link *l)
{
	do {
		if (l->tls && !link_read_open(l))
			return;
		if (!link_read_batch(l))
			return;
	} while (l->tls && link_tls_has_more(l));
	if (l->tls && l->tls->ended)
		link_read_finish(l);
	else if (!link_read_by_reader(l))
		link_read_more(l);
}

static void
link_read_expired(struct link *l)
{
	if (link_read_deadline(l) <= l->now_ns) {
		if (l->draining) {
			link_read_end(l);
			return;
		}
		metric_inc(l->limits->faults);
		if (l->limits->log_faults)
			log_info_limited("rpc: %s: closing the connection: %s", l->name,
			    l->greeted ? "a frame was begun and not finished" : "no hello");
		link_read_end(l);
		return;
	}
	if (l->by_reader && atomic_exchange(&l->recalled, false)) {
		link_end_reader(l);
	} else if (l->in != l->small && l->in_len == 0) {
		link_read_shrink(l);
	}
	link_read_more(l);
}

/* Bytes have come. */
static void
link_read_note(struct link *l)
{
	int64_t before = atomic_load_explicit(&l->data_ns, memory_order_relaxed);

	if (l->budget &&
	    l->now_ns - before >=
		atomic_load_explicit(&l->budget->readers.pause_ns, memory_order_relaxed))
		l->steady = 0;
	atomic_store_explicit(&l->data_ns, l->now_ns, memory_order_relaxed);
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

void
link_read_done(void *arg)
{
	struct link *l = (struct link *)arg;
	nng_aio *aio = l->by_reader ? l->reader_aio : l->read_aio;
	int rv = nng_aio_result(aio);
	size_t n;

	link_callback_begin();
	l->now_ns = clock_monotonic_ns();
	if (l->kicked) {
		link_read_restart(l);
	} else if (rv == NNG_ETIMEDOUT) {
		link_read_expired(l);
	} else if (rv != 0) {
		link_read_finish(l);
	} else if (l->draining) {
		link_read_drain(l);
	} else {
		n = nng_aio_count(aio);
		link_read_note(l);
		metric_add(l->limits->bytes_received, n);
		if (!link_read_is_midway(l))
			l->frame_since_ns = l->now_ns;
		if (l->tls)
			link_tls_take(l, n);
		else
			l->in_len += n;
		link_read_take(l);
	}
	link_callback_end();
}
