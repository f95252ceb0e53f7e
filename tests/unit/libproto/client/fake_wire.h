#ifndef FAKE_WIRE_H
#define FAKE_WIRE_H

/*
 * A transport without a network, in place of rpc/client_conn.c: requests are answered at once by a
 * fake_db, and the answers are kept until the test delivers them, in the order it likes.
 */
#include "client/immu.h"
#include "fake_db.h"
#include "rpc/client_conn.h"

#define WIRE_CALLS_MAX 512

struct wire_answer {
	rpc_answer_cb *cb;
	void *ctx;
	enum im_err err;
	struct buf body;
};

struct rpc_client_conn {
	struct rpc_hello_info hello;
};

/* What the next connections and requests meet. Tests change it as they go. */
static struct wire {
	struct fake_db *db;
	struct arena arena;
	const char *server_id;
	bool automatic;        /* answers are delivered at once */
	bool repeats_writes;   /* answers a write with the transaction of the one before */
	bool refuses_database; /* the user may use none */
	unsigned links;        /* VerifiableTxById requests so far */
	/* Answers in place of the database; NULL with no error leaves that to it. */
	const ProtobufCMessage *(*hook)(const struct rpc_call *call, enum im_err *err);
	/* Changes an answer before it is sent: a server that lies. */
	void (*lie)(uint16_t method, ProtobufCMessage *answer);
	void (*stream_lie)(struct buf *bytes, enum im_err *err); /* the same of a stream */
	struct wire_answer waiting[WIRE_CALLS_MAX];
	size_t waiting_len;
} wire;

static inline void
wire_deliver(size_t i)
{
	struct wire_answer a = wire.waiting[i];
	struct rpc_answer answer = {.err = a.err,
	    .status = err_status(a.err),
	    .text = err_text(a.err),
	    .body = buf_bytes(&a.body)};

	memmove(&wire.waiting[i], &wire.waiting[i + 1],
	    (wire.waiting_len - i - 1) * sizeof wire.waiting[0]);
	wire.waiting_len--;
	a.cb(a.ctx, &answer);
	buf_free(&a.body);
}

static inline void
wire_deliver_all(void)
{
	while (wire.waiting_len > 0)
		wire_deliver(0);
}

static inline uint64_t
wire_write(const Immudb__Schema__SetRequest *m)
{
	struct fake_db *db = wire.db;

	if (wire.repeats_writes && db->last > 0)
		return db->last;
	for (size_t i = 0; i < m->n_kvs; i++) {
		struct kv_metadata md;

		decode_metadata(m->kvs[i]->metadata, &md);
		fake_fill_entry(db, &db->txs[db->last + 1], i, decode_bytes(m->kvs[i]->key),
		    decode_bytes(m->kvs[i]->value), &md);
	}
	return fake_db_commit(db, m->n_kvs);
}

static inline const ProtobufCMessage *
wire_verifiable_set(const ProtobufCMessage *request, enum im_err *err)
{
	const Immudb__Schema__VerifiableSetRequest *m =
	    (const Immudb__Schema__VerifiableSetRequest *)request;

	if (m->provesincetx > wire.db->last) {
		*err = IM_ERR_ILLEGAL_STATE;
		return NULL;
	}
	return &fake_verifiable_tx(wire.db, &wire.arena, wire_write(m->setrequest), m->provesincetx)
		    ->base;
}

static inline const ProtobufCMessage *
wire_verifiable_reference(const ProtobufCMessage *request, enum im_err *err)
{
	const Immudb__Schema__VerifiableReferenceRequest *m =
	    (const Immudb__Schema__VerifiableReferenceRequest *)request;
	const Immudb__Schema__ReferenceRequest *r = m->referencerequest;

	if (m->provesincetx > wire.db->last) {
		*err = IM_ERR_ILLEGAL_STATE;
		return NULL;
	}
	fake_fill_reference(
	    wire.db, 0, decode_bytes(r->key), decode_bytes(r->referencedkey), r->attx);
	return &fake_verifiable_tx(
	    wire.db, &wire.arena, fake_db_commit(wire.db, 1), m->provesincetx)
		    ->base;
}

static inline const ProtobufCMessage *
wire_verifiable_zadd(const ProtobufCMessage *request, enum im_err *err)
{
	const Immudb__Schema__VerifiableZAddRequest *m =
	    (const Immudb__Schema__VerifiableZAddRequest *)request;
	const Immudb__Schema__ZAddRequest *r = m->zaddrequest;
	struct zset_member member = {decode_bytes(r->set), r->score, decode_bytes(r->key), r->attx};

	if (m->provesincetx > wire.db->last) {
		*err = IM_ERR_ILLEGAL_STATE;
		return NULL;
	}
	fake_fill_zadd(wire.db, 0, &member);
	return &fake_verifiable_tx(
	    wire.db, &wire.arena, fake_db_commit(wire.db, 1), m->provesincetx)
		    ->base;
}

static inline const ProtobufCMessage *
wire_verifiable_get(const ProtobufCMessage *request, enum im_err *err)
{
	const Immudb__Schema__VerifiableGetRequest *m =
	    (const Immudb__Schema__VerifiableGetRequest *)request;
	uint64_t tx[2] = {0, m->provesincetx};
	size_t i;

	if (m->provesincetx > wire.db->last)
		*err = IM_ERR_ILLEGAL_STATE;
	else if (!fake_db_find(
		     wire.db, decode_bytes(m->keyrequest->key), m->keyrequest->attx, &tx[0], &i))
		*err = IM_ERR_KEY_NOT_FOUND;
	return *err ? NULL : &fake_verifiable_entry(wire.db, &wire.arena, tx, i)->base;
}

static inline const ProtobufCMessage *
wire_verifiable_tx(const ProtobufCMessage *request, enum im_err *err)
{
	const Immudb__Schema__VerifiableTxRequest *m =
	    (const Immudb__Schema__VerifiableTxRequest *)request;

	wire.links++;
	if (m->provesincetx > wire.db->last)
		*err = IM_ERR_ILLEGAL_STATE;
	else if (m->tx > wire.db->last)
		*err = IM_ERR_TX_NOT_FOUND;
	return *err ? NULL
		    : &fake_verifiable_tx(wire.db, &wire.arena, m->tx, m->provesincetx)->base;
}

static inline const ProtobufCMessage *
wire_set(const ProtobufCMessage *request)
{
	uint64_t tx = wire_write((const Immudb__Schema__SetRequest *)request);

	return &fake_header(&wire.arena, &wire.db->txs[tx].header)->base;
}

static inline const ProtobufCMessage *
wire_answer_to(const struct rpc_call *call, enum im_err *err)
{
	static const Immudb__Schema__LoginResponse login = {
	    PROTOBUF_C_MESSAGE_INIT(&immudb__schema__login_response__descriptor),
	    (char *)(uintptr_t) "token-1", {0, NULL}};
	static const Immudb__Schema__UseDatabaseReply use = {
	    PROTOBUF_C_MESSAGE_INIT(&immudb__schema__use_database_reply__descriptor),
	    (char *)(uintptr_t) "token-2"};

	static const Immudb__Schema__Empty nothing = {
	    PROTOBUF_C_MESSAGE_INIT(&immudb__schema__empty__descriptor)};

	switch (call->method) {
	case RPC_METHOD_Login:
		return &login.base;
	case RPC_METHOD_UseDatabase:
		if (wire.refuses_database) {
			*err = IM_ERR_DATABASE_PERMISSION;
			return NULL;
		}
		return &use.base;
	case RPC_METHOD_Logout:
		return &nothing.base;
	case RPC_METHOD_CurrentState:
		return &fake_state(wire.db, &wire.arena)->base;
	case RPC_METHOD_Set:
		return wire_set(call->request);
	case RPC_METHOD_VerifiableSet:
		return wire_verifiable_set(call->request, err);
	case RPC_METHOD_VerifiableSetReference:
		return wire_verifiable_reference(call->request, err);
	case RPC_METHOD_VerifiableZAdd:
		return wire_verifiable_zadd(call->request, err);
	case RPC_METHOD_VerifiableGet:
		return wire_verifiable_get(call->request, err);
	case RPC_METHOD_VerifiableTxById:
		return wire_verifiable_tx(call->request, err);
	default:
		*err = IM_ERR_UNIMPLEMENTED;
		return NULL;
	}
}

/* The answer as the test wants it to be. */
static inline const ProtobufCMessage *
wire_answer(const struct rpc_call *call, enum im_err *err)
{
	const ProtobufCMessage *m = wire.hook ? wire.hook(call, err) : NULL;

	if (!m && !*err)
		m = wire_answer_to(call, err);
	if (m && wire.lie)
		wire.lie(call->method, (ProtobufCMessage *)(uintptr_t)m);
	return m;
}

static inline void
wire_pack(const ProtobufCMessage *m, struct buf *out)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *to;

	buf_init(out, SIZE_MAX);
	to = buf_reserve(out, len + 1);
	assert(to);
	out->len += protobuf_c_message_pack(m, to);
}

/* ---- The functions of rpc/client_conn.h that the library calls ---- */

enum im_err
rpc_client_connect(const struct rpc_client_options *options, struct rpc_client_conn **out)
{
	(void)options;
	*out = calloc(1, sizeof **out);
	assert(*out);
	(*out)->hello = (struct rpc_hello_info){.version = "test",
	    .server_id = wire.server_id,
	    .default_database = FAKE_NAME,
	    .max_message_bytes = 32u << 20,
	    .max_outstanding = WIRE_CALLS_MAX};
	return IM_OK;
}

void
rpc_client_close(struct rpc_client_conn *c)
{
	/* The calls of other connections are not ours; tests close with nothing else in flight. */
	for (size_t i = 0; c && i < wire.waiting_len; i++) {
		wire.waiting[i].err = IM_ERR_CANCELLED;
		buf_clear(&wire.waiting[i].body);
	}
	if (c)
		wire_deliver_all();
	free(c);
}

const struct rpc_hello_info *
rpc_client_hello(const struct rpc_client_conn *c)
{
	return &c->hello;
}

bool
rpc_client_is_usable(struct rpc_client_conn *c)
{
	return c != NULL;
}

enum im_err
rpc_call_start(struct rpc_client_conn *c, const struct rpc_call *call, rpc_answer_cb *cb, void *ctx)
{
	struct wire_answer *a = &wire.waiting[wire.waiting_len];
	const ProtobufCMessage *m;

	(void)c;
	assert(wire.waiting_len < WIRE_CALLS_MAX);
	*a = (struct wire_answer){.cb = cb, .ctx = ctx};
	m = wire_answer(call, &a->err);
	if (m)
		wire_pack(m, &a->body);
	wire.waiting_len++;
	if (wire.automatic)
		wire_deliver(wire.waiting_len - 1);
	return IM_OK;
}

/* A stream: the messages of an answer, all there. */
struct rpc_stream {
	struct buf bytes;
	size_t at;
	enum im_err err; /* in place of what would follow */
};

static inline void
wire_stream_put(struct rpc_stream *s, struct bytes message)
{
	buf_append_be64(&s->bytes, message.len);
	buf_append_bytes(&s->bytes, message);
}

enum im_err
rpc_stream_open(struct rpc_client_conn *c, const struct rpc_call *call, struct rpc_stream **out)
{
	const Immudb__Schema__KeyRequest *m = (const Immudb__Schema__KeyRequest *)call->request;
	struct rpc_stream *s = calloc(1, sizeof *s);
	uint64_t tx = 0;
	size_t i;

	(void)c;
	assert(s && call->method == RPC_METHOD_StreamGet);
	buf_init(&s->bytes, SIZE_MAX);
	s->err = IM_ERR_NOT_FOUND;
	if (fake_db_find(wire.db, decode_bytes(m->key), m->attx, &tx, &i)) {
		wire_stream_put(s, decode_bytes(m->key));
		wire_stream_put(s, wire.db->txs[tx].values[i]);
	} else {
		s->err = IM_ERR_KEY_NOT_FOUND;
	}
	if (wire.stream_lie)
		wire.stream_lie(&s->bytes, &s->err);
	*out = s;
	return IM_OK;
}

enum im_err
rpc_stream_read(struct rpc_stream *s, void *data, size_t n)
{
	size_t left = s->bytes.len - s->at;

	if (left < n)
		return left == 0 || s->err != IM_ERR_NOT_FOUND
		    ? err_set(s->err, "%s", err_text(s->err))
		    : IM_ERR_PROTOCOL;
	if (n > 0)
		memcpy(data, s->bytes.data + s->at, n);
	s->at += n;
	return IM_OK;
}

enum im_err
rpc_stream_next(struct rpc_stream *s, uint64_t *len)
{
	uint8_t n[8] = {0};
	enum im_err err = rpc_stream_read(s, n, sizeof n);

	*len = be64_get(n);
	return err;
}

enum im_status
rpc_stream_status(const struct rpc_stream *s)
{
	return err_status(s->err);
}

void
rpc_stream_close(struct rpc_stream *s)
{
	if (s)
		buf_free(&s->bytes);
	free(s);
}

enum im_err
rpc_call_wait(struct rpc_client_conn *c, const struct rpc_call *call, struct arena *arena,
    ProtobufCMessage **answer, enum im_status *status)
{
	enum im_err err = IM_OK;
	const ProtobufCMessage *m = wire_answer(call, &err);
	struct buf body;

	(void)c;
	(void)status;
	if (err)
		return err_set(err, "%s", err_text(err));
	wire_pack(m, &body);
	err = decode_message(m->descriptor, buf_bytes(&body), arena, answer);
	buf_free(&body);
	return err;
}

#endif
