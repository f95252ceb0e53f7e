#ifndef RPC_LINK_H
#define RPC_LINK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <nng/nng.h>
#include <nng/supplemental/util/platform.h>

#include "rpc/frame.h"
#include "rpc/link_readers.h"
#include "util/bytes.h"

/*
 * A framed connection over one byte stream, the same for both ends (internal to rpc/): it reads,
 * cuts the input into frames, gathers output, keeps one write in flight, carries large bodies in
 * chunks under credit, and ends in good order. Who the frames are for is the owner's business.
 *
 * Threads: one read chain (an nng callback at a time, or a thread of the link) and one write chain;
 * everything else calls in from any thread under the lock. Ending: closed is set and the stream
 * closed; when neither chain runs any more, ops->ended is called once, and somebody outside any nng
 * callback must then call link_teardown(). Memory lives until the last reference is given back.
 */

/* A connection holds this much for reading while it is quiet, and so much while it is busy. */
#define LINK_SMALL_BYTES 512u
#define LINK_BIG_BYTES (128u * 1024)
/* The same while it takes only the short frames of before login. */
#define LINK_STRANGER_BYTES (24u * 1024)
/* Output of a connection that is not charged to the budget. */
#define LINK_OUT_FREE_BYTES ((size_t)32 * 1024)

struct link;
struct link_tls;
struct metric;
struct tls_conn;

/* A large body that is coming in. Belongs to the read chain. */
struct link_in {
	struct link_in *next;
	uint32_t id;
	uint32_t total;
	uint32_t credit;      /* what the peer may still send */
	uint32_t unannounced; /* received since credit was last given */
	bool stream; /* no total, no body: every piece goes to the owner, who gives credit */
	int64_t progress_ns; /* when something of it last came */
	struct buf body;
	void *owner;
};

/* A large body, or a stream, that is going out. Under the link's lock. */
struct link_out {
	struct link_out *next;
	uint32_t id;
	uint32_t credit; /* what we may still send */
	uint8_t *data;   /* owned; of a stream LINK_STREAM_BYTES */
	size_t len, pos;
	bool stream;      /* it grows by link_stream_put() until it has ended */
	bool ended;       /* a stream: what is here is the rest of it */
	struct buf last;  /* a stream: the frame behind it in place of END, if not empty */
	int64_t moved_ns; /* a stream: when something of it was sent, or began to wait */
};

/* So much of a stream waits to be sent. */
#define LINK_STREAM_BYTES ((size_t)256 * 1024)

struct link_ops {
	/*
	 * The read chain is a thread from beginning to end, in place of callbacks of the
	 * transport's pool: that is one thread less on the way of each byte. Then there is no
	 * ready().
	 */
	bool own_thread;
	/*
	 * A complete frame (DATA, END and CREDIT of a call are handled before this). IM_OK;
	 * IM_ERR_WOULD_BLOCK leaves the frame where it is and pauses reading until ready() says
	 * yes; anything else is a fault of the peer: the connection is closed. Read chain, not
	 * locked.
	 */
	enum im_err (*frame)(struct link *l, const struct frame *f);
	/* Whether reading may go on; locked. NULL: always. */
	bool (*ready)(struct link *l);
	/*
	 * All of a large body is there: the owner takes in->body; in is freed afterwards. Read
	 * chain.
	 */
	void (*in_done)(struct link *l, struct link_in *in);
	/*
	 * A piece of a stream, whose credit the owner minds; an error is a fault of the peer. Read
	 * chain.
	 */
	enum im_err (*in_part)(struct link *l, struct link_in *in, struct bytes data);
	/* A large body is given up for want of memory; in is freed afterwards. Read chain. */
	void (*in_failed)(struct link *l, struct link_in *in, enum im_err err);
	/* A write is complete; from the write chain, not locked. NULL: nobody cares. */
	void (*written)(struct link *l);
	/*
	 * The TLS handshake is complete; before the first frame. Read chain, not locked. May be
	 * NULL.
	 */
	void (*secured)(struct link *l, const struct tls_conn *t);
	/*
	 * The peer speaks TLS where we do not, or the reverse: last words to it may be put, which
	 * go out as they are. NULL: there are none. Locked.
	 */
	void (*foreign)(struct link *l);
	/*
	 * A busy connection has become quiet: give back memory. Read chain, not locked. May be
	 * NULL.
	 */
	void (*quiet)(struct link *l);
	/* The peer is at fault; the detail of err says how. Read chain, not locked. May be NULL. */
	void (*fault)(struct link *l, enum im_err err);
	/* The connection is over: called once, not locked, from any thread, callbacks included. */
	void (*ended)(struct link *l);
	/* The last reference is gone. */
	void (*destroy)(struct link *l);
};

/* What all links of one owner have. */
struct link_budget {
	atomic_size_t used; /* bytes of payload held */
	size_t max;
	size_t
	    reserve; /* of max, for small requests: neither bodies in chunks nor output have it */
	atomic_uint streams; /* going out */
	atomic_uint busy;    /* links that hold a big buffer for reading */
	struct link_readers readers;
};

/* Shared by all links of one owner; constant while any of them lives. */
struct link_limits {
	uint32_t hello_timeout_ms;
	uint32_t frame_timeout_ms;
	uint32_t write_timeout_ms;
	uint32_t idle_buffer_ms;
	bool log_faults;   /* say in the log why a connection was closed */
	uint32_t window;   /* credit that we give each incoming body */
	size_t body_bytes; /* large bodies of one link, each way, that are under way */
	struct metric *bytes_received, *bytes_sent, *faults;
};

struct link {
	const struct link_ops *ops;
	const struct link_limits *limits;
	struct link_budget *budget;
	nng_stream *stream;
	nng_aio *read_aio, *write_aio; /* they call back */
	nng_aio *reader_aio; /* for reads of a thread of our own; NULL: there was none yet */
	nng_aio *now_aio;    /* for writes that need not wait; it calls nobody back */
	atomic_uint refs;
	atomic_size_t frame_max; /* payload that we take in one frame */
	atomic_bool busy;        /* in is allocated */
	const char *name;        /* the peer, for the log; owner's */
	struct link_tls *tls;    /* the cipher; NULL: what is sent is what is said */

	pthread_t reader;        /* if has_reader; it may have ended */
	bool has_reader;         /* of the read chain, then of who tears down */
	atomic_bool recalled;    /* another link wants the thread */
	_Atomic int64_t data_ns; /* when bytes last came */

	/* Of the read chain. */
	bool by_reader;  /* it is the thread */
	unsigned steady; /* how much more often several frames came at once than one */
	bool greeted;    /* the peer's hello has come; set by the owner */
	bool kicked;     /* the callback comes without a read */
	uint8_t *in;     /* small, or allocated */
	size_t in_cap, in_len;
	int64_t now_ns;      /* start of the present callback */
	int64_t hello_by_ns; /* until when the hello must be complete */
	int64_t drain_by_ns; /* until when it may go on sending when it is draining; 0: not yet */
	size_t in_bytes;     /* received of the incoming bodies */
	int64_t frame_since_ns; /* since when the incomplete frame in the buffer is there */
	struct link_in *ins;
	uint8_t small[LINK_SMALL_BYTES];

	/* The transport never ends an operation that is begun after its close: each gate is held
	 * while one is begun, both while the stream is closed. Taken after no other lock. */
	pthread_mutex_t read_gate, write_gate;
	bool shut; /* under either gate to read, under both to write */

	/* Under lock. */
	pthread_mutex_t lock;
	bool reading, writing; /* the chain runs */
	unsigned handed;       /* how often the thread has handed the read chain back */
	bool paused;           /* reading has stopped until ready() */
	bool leaving;          /* close when all is written */
	bool draining;         /* but not before the peer does; set by the read chain */
	bool closed, ended;
	unsigned closers;      /* threads inside nng_stream_close() */
	struct buf out;        /* gathered; goes with the next write */
	struct buf wire;       /* being written */
	size_t written;        /* of wire */
	size_t out_charged;    /* of the budget, for what is gathered or being written */
	struct link_out *outs; /* in order of arrival */
	size_t out_bytes;      /* of outs, whole bodies */
	atomic_uint streams;   /* among outs; to be looked at without the lock */
	uint32_t peer_window;  /* credit of each outgoing body at the start */
	size_t peer_frame_max; /* payload that the peer takes in one frame */
};

/* Takes n bytes of the budget (NULL: no limit); false when that would pass its maximum. */
bool link_budget_take(struct link_budget *b, size_t n);
/* The same for what a peer can keep us from giving back: leaves the reserve alone. */
bool link_budget_take_bulk(struct link_budget *b, size_t n);
void link_budget_give(struct link_budget *b, size_t n);

/*
 * Makes a link of a stream; takes the stream over on success only. One reference, the owner's.
 * Limits, budget and ops outlive it. IM_ERR_NOMEM.
 */
enum im_err link_init(struct link *l, nng_stream *stream, const struct link_ops *ops,
    const struct link_limits *limits, struct link_budget *budget);

/*
 * Starts the read chain, once; nothing when the link is closed already, and may even be torn down.
 */
void link_start(struct link *l);

void link_ref(struct link *l);
void link_unref(struct link *l);

void link_lock(struct link *l);
/* Unlocks, and sends what was gathered, at once or at the end of the thread's batch. */
void link_unlock(struct link *l);
/* Sends what was gathered unless a write is in flight. Not locked. */
void link_flush(struct link *l);

/* Bytes gathered or being written, large bodies not counted. Locked. */
size_t link_queued(const struct link *l);
/*
 * Charges what is gathered beyond LINK_OUT_FREE_BYTES to the budget; it is given back when it is
 * written. False when the budget is spent: then the caller takes back what it has appended. Locked.
 */
bool link_charge_output(struct link *l);
/* Whether nothing is left to send. Locked. */
bool link_is_drained(const struct link *l);

/* Closes now. Any thread. */
void link_close(struct link *l);
/* Says GOAWAY with the text, reads no more, closes when that is written. Read chain, not locked. */
void link_dismiss(struct link *l, const char *text);

/* Frees stream and aios after ops->ended; outside any nng callback. Memory stays. */
void link_teardown(struct link *l);

/* Whether the calling thread is inside a callback of a read chain, or of link_callback_begin(). */
bool link_in_callback(void);
void link_callback_begin(void);
void link_callback_end(void);

/*
 * Starts an incoming body: first is what came of it already. IM_ERR_PROTOCOL when there is one of
 * that id; IM_ERR_BUSY, IM_ERR_NOMEM. Read chain.
 */
enum im_err
link_in_open(struct link *l, uint32_t id, uint32_t total, struct bytes first, void *owner);
/* Starts an incoming stream. IM_ERR_PROTOCOL when something of that id comes in, IM_ERR_NOMEM. */
enum im_err link_in_open_stream(struct link *l, uint32_t id);
/* Gives up an incoming body and returns its owner; NULL when there is none. Read chain. */
void *link_in_drop(struct link *l, uint32_t id);
/* Read chain: frames DATA and END. */
enum im_err link_in_data(struct link *l, const struct frame *f);
enum im_err link_in_end(struct link *l, const struct frame *f);
/* Frees them all, handing the owners to done (which may be NULL); when the read chain has ended. */
void link_in_free_all(struct link *l, void (*done)(struct link *l, void *owner));

/*
 * Sends a large body after its first frame; takes data over, also on failure (false: no memory).
 * The caller has taken len bytes of the budget; they are given back when it is sent. Locked.
 */
bool link_out_add(struct link *l, uint32_t id, uint8_t *data, size_t len);
/* Gives up the outgoing body or stream of that id; false when there is none. Locked. */
bool link_out_drop(struct link *l, uint32_t id);
/* What goes out under that id; NULL when nothing does. Locked. */
struct link_out *link_out_get(struct link *l, uint32_t id);

/*
 * Starts an outgoing stream, after its first frame. It is charged LINK_STREAM_BYTES of the budget.
 * IM_ERR_BUSY, IM_ERR_NOMEM. Locked.
 */
enum im_err link_stream_open(struct link *l, uint32_t id);
/* Room for more of a stream. Locked. */
size_t link_stream_room(const struct link_out *o);
/* Takes what there is room for off the front of data. Locked. */
void link_stream_put(struct link_out *o, struct bytes *data);
/*
 * A stream whose peer has given no credit since before_ns for what waits to be sent. Locked.
 */
bool link_stream_is_stalled(const struct link_out *o, int64_t before_ns);
/* Appends chunks to the gathered output as credit and room allow. Locked. */
void link_out_fill(struct link *l);
/* The peer grants credit. Read chain, not locked. */
enum im_err link_out_credit(struct link *l, const struct frame *f);
void link_out_free_all(struct link *l);

/* The calling thread's batch takes the link and will flush it; false when there is no batch. */
bool batch_add(struct link *l);

#endif
