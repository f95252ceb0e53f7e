#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <pthread.h>

#include "client/immu.h"
#include "client/trust_file.h"
#include "client/verify.h"
#include "rpc/client_conn.h"
#include "util/arena.h"

/*
 * The inside of a connection (struct immu), shared by the files of this room:
 *
 *	connect.c  connecting, sessions, getters        request.c  what is asked (request.h)
 *	call.c     requests in flight, poll, callbacks  answer.c   what was answered (answer_fill.h)
 *	sync.c     calls that wait                      trust.c    trusted state, holding and linking
 *	pages.c    long lists                           flows.c    large values
 *
 * One thread uses a connection at a time; only the inbox is shared with the transport's threads.
 */

#define CLIENT_PERSIST_EVERY_MS 1000
#define CLIENT_CONNECT_TIMEOUT_MS 10000
#define CLIENT_REQUEST_TIMEOUT_MS 60000
#define CLIENT_MESSAGE_BYTES (32u << 20)
/* An arena holds a request's keys and the decoded answer, which is larger than its packed form. */
#define CLIENT_ARENA_FACTOR 8
#define CLIENT_ARENA_BASE (8u << 20)
#define CLIENT_TOKEN_MAX 255

/* A result and all it points to. */
struct result {
	struct immu_result public; /* first: immu_result_free() casts back */
	struct arena arena;
};

/*
 *	CALL_ASKED    the request is on its way (call_submit)
 *	CALL_HELD     answered and proven, not yet linked to the trusted state (trust_judge)
 *	CALL_LINKING  a proof between both is on its way (trust_settle)
 * A call ends in call_finish() from any of them. One that has proven a reference begins again from
 * there with the key that it stands for (call_proven).
 */
enum call_phase { CALL_ASKED, CALL_HELD, CALL_LINKING };

/* Waits for one call; see sync.c. */
struct waiter {
	bool finished;
	struct result *result;
};

/* A request in flight. */
struct call {
	struct immu *c;
	struct call *prev, *next;   /* all calls in flight, oldest first */
	struct call *next_answered; /* the inbox */
	enum call_phase phase;
	enum immu_op op;
	bool verified;
	immu_done_fn *done;
	void *arg;
	struct waiter *waiter; /* takes the result in place of done */
	struct result *result; /* its arena also holds what follows */
	/* What was asked, for the comparison with the answer. */
	struct tx_point from; /* the trusted state when it was sent */
	bool keep_proof;
	struct bytes key;
	uint64_t tx; /* the transaction asked for; for GET: at_tx */
	struct immu_tx_spec spec;
	/* The reference that the key was found through, proven from via_from; NULL: none yet. */
	const Immudb__Schema__VerifiableEntry *via;
	struct tx_point via_from;
	struct entry_parts *written;
	size_t written_len;
	uint64_t write_after, write_before; /* what other writes leave for its transaction */
	/* What was proven; for STATE only point and state, and nothing is proven yet. */
	struct verify_outcome outcome;
	struct tx_point link_older, link_newer;
	/* The answer, as the transport's thread left it. */
	enum im_err err;
	char *text;
	struct buf body;
};

/* The trusted state of the selected database. */
struct trust {
	bool is_known;
	bool is_first_contact;
	bool is_forked;
	struct trust_state state;
	bool has_header; /* header is that of state */
	struct tx_header header;
	/* What the file held when we last looked: ours is linked to it. */
	struct trust_state base;
	bool is_dirty; /* state is newer than base */
	int64_t persisted_ns;
	struct trust_name name;
	char *error_text; /* why it is forked */
};

struct immu {
	struct rpc_client_conn *rpc;
	const struct rpc_hello_info *hello;
	struct sign_public_key *key; /* NULL: none configured */
	struct buf state_dir;        /* NUL-terminated */
	struct buf wanted_database;  /* of the options; NUL-terminated, may be empty */
	struct buf token;            /* NUL-terminated */
	struct buf database;         /* NUL-terminated, may be empty */
	struct buf address;          /* as it is pinned; NUL-terminated */
	struct buf warning;          /* NUL-terminated */
	uint32_t request_timeout_ms;
	size_t max_in_flight;
	size_t max_message_bytes;
	bool is_new_server;
	bool in_callback;
	struct trust trust;
	struct call *first, *last; /* calls in flight */
	size_t in_flight;
	uint64_t reported; /* calls ended so far */
	uint64_t next_sequence;
	uint64_t
	    last_write_sequence; /* of the newest verified write answered, and its transaction */
	uint64_t last_write_tx;
	/* The inbox. */
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct call *inbox, **inbox_end; /* under lock */
};

/* ---- connect.c ---- */

/* A call of the transport with this session and timeout. */
struct rpc_call
client_rpc_call(const struct immu *c, enum rpc_method_id method, const ProtobufCMessage *request);

/*
 * Sends a request that is not one of struct immu_request, and waits. The answer is from the arena,
 * of the type that the method has.
 */
enum im_err client_ask(struct immu *c, enum rpc_method_id method, const ProtobufCMessage *request,
    struct arena *arena, ProtobufCMessage **answer);

/* ---- request.c ---- */

/*
 * Checks the request, sends it for call, and keeps in call what the answer is compared with.
 * IM_ERR_ARGUMENT, limits of keys and values, errors of rpc_call_start().
 */
enum im_err request_send(struct call *call, const struct immu_request *request);

/* Sends the request for a proof that links two states; older.id may be 0. */
enum im_err
request_send_link(struct call *call, const struct tx_point *older, const struct tx_point *newer);

/* The message of that request: fills m. */
void request_fill_link(Immudb__Schema__VerifiableTxRequest *m, const struct tx_point *older,
    const struct tx_point *newer);

/* Sends the verified request for the key that a reference stands for: call->key at call->tx. */
enum im_err request_send_target(struct call *call);

/* ---- answer.c ---- */

/* Decodes and checks the answer to the original request; fills the result and the outcome. */
enum im_err answer_take(struct call *call);

/* ---- call.c ---- */

/* immu_submit(), with a waiter in place of done if that is not NULL. */
enum im_err call_submit(struct immu *c, const struct immu_request *request, struct call *call);

/* An empty result, to be released with immu_result_free(); NULL without memory. */
struct result *result_new(const struct immu *c);

/* A new call of this connection, not in flight yet; NULL without memory. */
struct call *call_new(struct immu *c);

/* Reports how a call ended and frees it. */
void call_finish(struct call *call, enum im_err err);

/* What the call's answer says is proven and linked: finishes it, or goes on behind a reference. */
void call_proven(struct call *call);

/* The transport's callback: leaves the answer in the inbox. */
void call_answered(void *ctx, const struct rpc_answer *answer);

/* ---- sync.c ---- */

/* Sends a request whose result the waiter, which must stay where it is, takes; see call_await(). */
enum im_err call_begin(struct immu *c, const struct immu_request *request, struct waiter *waiter);

/* Waits for it; on success *out is the result, else NULL. Always once after call_begin(). */
enum im_err call_await(struct immu *c, struct waiter *waiter, struct immu_result **out);

/* ---- trust.c ---- */

/* Makes the trusted state known: from the file, or from the server at first contact. */
enum im_err trust_load(struct immu *c);

/* Forgets the trusted state: another database was selected, or the connection closes. */
void trust_reset(struct immu *c);

/* A verified answer is proven: finishes the call, or holds it until it is linked. */
void trust_judge(struct call *call);

/* The answer to a request for a link has come. */
void trust_linked(struct call *call);

/* Asks for the links that held calls still need. Called when the inbox is empty. */
void trust_settle(struct immu *c);

/* immu_persist(); trust_persist_due() does it when the state was not written for a second. */
enum im_err trust_persist(struct immu *c);
enum im_err trust_persist_due(struct immu *c);

#endif
