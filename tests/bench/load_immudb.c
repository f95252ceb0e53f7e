/*
 * The protocol of the server (libproto/PROTOCOL.md) for the load generator, written on plain
 * sockets with rpc/frame.h; login and state go through the client connection of libproto. And the
 * echo server's, which is the same without sessions: its requests say how long an answer they want.
 *
 * Proofs are asked for as a client does that trusts the newest transaction it has seen; they are
 * not checked here, because what is measured is the server.
 */
#include <protobuf-c/protobuf-c.h>
#include <stdio.h>

#include "load.h"
#include "rpc/client_conn.h"
#include "rpc/frame.h"

#define ANSWER_BYTES_MAX (64u * 1024 * 1024)
/* So much credit that answers never wait for more. */
#define ANSWER_WINDOW (1u << 30)
#define CALL_TIMEOUT_MS 60000
#define HELLO_BYTES_MAX 65536
#define ARENA_BYTES_MAX ((size_t)16 * 1024 * 1024)

static char token[FRAME_SESSION_MAX + 1];
static uint8_t packed[LOAD_VALUE_BYTES_MAX * 32];

/* ---- Before the load: session and state. ---- */

static ProtobufCMessage *
call(struct rpc_client_conn *c, struct arena *arena, uint16_t method, const ProtobufCMessage *in)
{
	struct rpc_call what = {.method = method, .session = bytes_str(token), .request = in};
	ProtobufCMessage *answer;
	enum im_err err = rpc_call_wait(c, &what, arena, &answer, NULL);

	if (err != IM_OK)
		bench_die(rpc_method_find(method)->name, err);
	return answer;
}

static void
immudb_prepare(struct load *l)
{
	struct rpc_client_options options = {.host = l->options.host,
	    .tls = l->tls,
	    .port = (uint16_t)l->options.port,
	    .call_timeout_ms = CALL_TIMEOUT_MS,
	    .name = "bench"};
	Immudb__Schema__LoginRequest login = IMMUDB__SCHEMA__LOGIN_REQUEST__INIT;
	Immudb__Schema__Database database = IMMUDB__SCHEMA__DATABASE__INIT;
	char name[] = "immudb";
	struct rpc_client_conn *c;
	struct arena arena;
	enum im_err err = rpc_client_connect(&options, &c);

	if (err != IM_OK)
		bench_die("connect", err);
	arena_init(&arena, ARENA_BYTES_MAX);
	login.user.data = login.password.data = (uint8_t *)name;
	login.user.len = login.password.len = strlen(name);
	snprintf(token, sizeof token, "%s",
	    ((Immudb__Schema__LoginResponse *)call(c, &arena, RPC_METHOD_Login, &login.base))
		->token);
	database.databasename = (char *)rpc_client_hello(c)->default_database;
	snprintf(token, sizeof token, "%s",
	    ((Immudb__Schema__UseDatabaseReply *)call(
		 c, &arena, RPC_METHOD_UseDatabase, &database.base))
		->token);
	l->newest_tx =
	    ((Immudb__Schema__ImmutableState *)call(c, &arena, RPC_METHOD_CurrentState, NULL))
		->txid;
	arena_free(&arena);
	rpc_client_close(c);
}

/* ---- A connection begins. ---- */

/* The next frame of a blocking socket, taken off the input once it was looked at. */
static void
next_frame(struct load_conn *c, struct frame *f, size_t *size)
{
	enum im_err err;

	while ((err = frame_next(bytes_of(c->in, c->in_len), FRAME_PAYLOAD_MAX, f, size)) ==
	    IM_ERR_WOULD_BLOCK)
		load_receive(c);
	if (err != IM_OK)
		bench_die("frame", err);
}

static void
drop_frame(struct load_conn *c, size_t size)
{
	c->in_len -= size;
	memmove(c->in, c->in + size, c->in_len);
}

static void
say_hello(struct load_conn *c)
{
	struct frame_client_hello h = {.version_low = FRAME_VERSION,
	    .version_high = FRAME_VERSION,
	    .max_message_bytes = ANSWER_BYTES_MAX,
	    .window = ANSWER_WINDOW,
	    .name = bytes_str("bench")};
	struct frame f;
	size_t size;

	frame_put_client_hello(&c->out, &h);
	load_send_all(c, buf_bytes(&c->out));
	buf_clear(&c->out);
	next_frame(c, &f, &size);
	if (f.kind != FRAME_HELLO)
		load_refused("hello", f.payload);
	drop_frame(c, size);
}

static void
echo_greet(struct load *l, struct load_conn *c)
{
	(void)l;
	say_hello(c);
}

/* Shows the token, after which the server takes long frames. */
static void
immudb_greet(struct load *l, struct load_conn *c)
{
	struct frame_request r = {.method = RPC_METHOD_CurrentState, .session = bytes_str(token)};
	bool answered = false, credit = false;
	struct frame f;
	size_t size;

	(void)l;
	say_hello(c);
	frame_put_request(&c->out, ++c->last_id, false, &r, 0);
	load_send_all(c, buf_bytes(&c->out));
	buf_clear(&c->out);
	while (!answered || !credit) {
		next_frame(c, &f, &size);
		if (f.kind != FRAME_ANSWER && f.kind != FRAME_CREDIT)
			load_refused("greeting", f.payload);
		answered |= f.kind == FRAME_ANSWER;
		credit |= f.kind == FRAME_CREDIT;
		drop_frame(c, size);
	}
}

/* ---- Requests. ---- */

void
load_immudb_put(struct load_conn *c, uint16_t method, const ProtobufCMessage *message)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	struct frame_request r = {
	    .method = method, .session = bytes_str(token), .total = (uint32_t)len};

	c->last_id = c->last_id == UINT32_MAX ? 1 : c->last_id + 1;
	if (len > sizeof packed)
		load_refused("request", bytes_str("too large"));
	if (len <= FRAME_PAYLOAD_MAX - FRAME_REQUEST_HEAD_MAX) {
		if (!frame_put_request(&c->out, c->last_id, false, &r, len))
			bench_die("request", c->out.err);
		c->out.len += protobuf_c_message_pack(message, c->out.data + c->out.len);
		return;
	}
	protobuf_c_message_pack(message, packed);
	frame_put_request(&c->out, c->last_id, true, &r, 0);
	for (size_t pos = 0; pos < len; pos += FRAME_PAYLOAD_MAX)
		frame_put_data(&c->out, c->last_id,
		    bytes_of(packed + pos,
			len - pos < FRAME_PAYLOAD_MAX ? len - pos : FRAME_PAYLOAD_MAX));
	frame_put_empty(&c->out, FRAME_END, c->last_id);
}

static void
request_set(struct load *l, struct load_conn *c)
{
	static Immudb__Schema__KeyValue kvs[LOAD_ENTRIES_MAX];
	static Immudb__Schema__KeyValue *list[LOAD_ENTRIES_MAX];
	static uint8_t keys[LOAD_ENTRIES_MAX][BENCH_KEY_BYTES];
	Immudb__Schema__SetRequest set = IMMUDB__SCHEMA__SET_REQUEST__INIT;
	Immudb__Schema__VerifiableSetRequest verified =
	    IMMUDB__SCHEMA__VERIFIABLE_SET_REQUEST__INIT;

	for (uint64_t i = 0; i < l->options.entries; i++) {
		load_key_make(l, l->next_key++, keys[i]);
		immudb__schema__key_value__init(&kvs[i]);
		kvs[i].key.data = keys[i];
		kvs[i].key.len = BENCH_KEY_BYTES;
		kvs[i].value.data = l->value;
		kvs[i].value.len = l->options.value_bytes;
		list[i] = &kvs[i];
	}
	set.n_kvs = l->options.entries;
	set.kvs = list;
	if (l->options.op == LOAD_SET) {
		load_immudb_put(c, RPC_METHOD_Set, &set.base);
		return;
	}
	verified.setrequest = &set;
	verified.provesincetx = l->newest_tx;
	load_immudb_put(c, RPC_METHOD_VerifiableSet, &verified.base);
}

static void
request_get(struct load *l, struct load_conn *c)
{
	uint8_t key[BENCH_KEY_BYTES];
	Immudb__Schema__KeyRequest get = IMMUDB__SCHEMA__KEY_REQUEST__INIT;
	Immudb__Schema__VerifiableGetRequest verified =
	    IMMUDB__SCHEMA__VERIFIABLE_GET_REQUEST__INIT;

	load_key_pick(l, key);
	get.key.data = key;
	get.key.len = sizeof key;
	if (l->options.op == LOAD_GET) {
		load_immudb_put(c, RPC_METHOD_Get, &get.base);
		return;
	}
	verified.keyrequest = &get;
	verified.provesincetx = l->newest_tx;
	load_immudb_put(c, RPC_METHOD_VerifiableGet, &verified.base);
}

static void
request_scan(struct load *l, struct load_conn *c)
{
	uint8_t key[BENCH_KEY_BYTES];
	Immudb__Schema__ScanRequest scan = IMMUDB__SCHEMA__SCAN_REQUEST__INIT;

	load_key_pick(l, key);
	/* Random keys end where the highest of them is; the scan begins well before that. */
	if (!l->options.ordered)
		key[0] &= 0x7f;
	scan.seekkey.data = key;
	scan.seekkey.len = sizeof key;
	scan.inclusiveseek = true;
	scan.limit = l->options.entries;
	load_immudb_put(c, RPC_METHOD_Scan, &scan.base);
}

static void
immudb_request(struct load *l, struct load_conn *c)
{
	switch (l->options.op) {
	case LOAD_SET:
	case LOAD_VERIFIED_SET:
		request_set(l, c);
		break;
	case LOAD_GET:
	case LOAD_VERIFIED_GET:
		request_get(l, c);
		break;
	case LOAD_SCAN:
		request_scan(l, c);
		break;
	default:
		load_operation(l, c);
	}
}

/* As long a request as a Get's, which says how long an answer it wants. */
static void
echo_request(struct load *l, struct load_conn *c)
{
	uint8_t body[2 * BENCH_KEY_BYTES] = {0};
	struct frame_request r = {.method = RPC_METHOD_Get, .total = sizeof body};

	be32_put(body, (uint32_t)l->options.answer_bytes);
	c->last_id = c->last_id == UINT32_MAX ? 1 : c->last_id + 1;
	frame_put_request(&c->out, c->last_id, false, &r, sizeof body);
	buf_append(&c->out, body, sizeof body);
}

/* ---- Answers. ---- */

/* The varint at *pos, which moves behind it; 0 when there is none. */
static uint64_t
take_varint(struct bytes b, size_t *pos)
{
	uint64_t v = 0;

	for (unsigned shift = 0; *pos < b.len && shift < 64; shift += 7) {
		uint8_t byte = b.data[(*pos)++];

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return v;
	}
	return 0;
}

/*
 * The transaction that a VerifiableTx is about, which is its first field's first field's first
 * field; decoding it all would cost the client as much as the server. 0 when it begins otherwise.
 */
static uint64_t
verifiable_tx_id(struct bytes body)
{
	size_t pos = 0;

	for (int depth = 0; depth < 2; depth++) {
		if (take_varint(body, &pos) != (1 << 3 | 2))
			return 0;
		take_varint(body, &pos);
	}
	return take_varint(body, &pos) == 1 << 3 ? take_varint(body, &pos) : 0;
}

static void
one_answer(struct load *l, struct bytes body)
{
	uint64_t tx;

	if (l->options.op != LOAD_VERIFIED_SET || strcmp(l->wire->name, "immudb") != 0)
		return;
	tx = verifiable_tx_id(body);
	if (tx == 0)
		load_refused("answer", bytes_str("not a transaction with its proof"));
	if (tx > l->newest_tx)
		l->newest_tx = tx;
}

/* True when the frame ends a call. */
static bool
one_frame(struct load *l, const struct frame *f)
{
	struct bytes body;
	uint32_t total;

	if (f->kind == FRAME_ERROR || f->kind == FRAME_GOAWAY)
		load_refused(l->options.op_name, f->payload);
	if (f->kind == FRAME_END)
		return true;
	if (f->kind != FRAME_ANSWER || f->flags & FRAME_FLAG_MORE)
		return false;
	if (frame_read_answer(f, &total, &body) != IM_OK)
		load_refused("answer", f->payload);
	one_answer(l, body);
	return true;
}

static size_t
immudb_answers(struct load *l, struct bytes in, uint64_t *count)
{
	size_t used = 0, size;
	enum im_err err;
	struct frame f;

	while ((err = frame_next(bytes_of(in.data + used, in.len - used), FRAME_PAYLOAD_MAX, &f,
		    &size)) == IM_OK) {
		used += size;
		*count += one_frame(l, &f);
	}
	if (err != IM_ERR_WOULD_BLOCK)
		bench_die("frame", err);
	return used;
}

const struct load_wire load_wire_immudb = {
    .name = "immudb",
    .prepare = immudb_prepare,
    .greet = immudb_greet,
    .request = immudb_request,
    .answers = immudb_answers,
};

const struct load_wire load_wire_echo = {
    .name = "echo",
    .greet = echo_greet,
    .request = echo_request,
    .answers = immudb_answers,
};
