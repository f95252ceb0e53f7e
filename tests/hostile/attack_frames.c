/*
 * What is not the protocol, or is but abuses it: each known way with the reaction it must find, and
 * random damage to a conversation that is right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "attacks.h"
#include "fault_vfs.h"

#define BYTES_MAX ((size_t)4 * 1024 * 1024)
#define KEY_LARGE "large"
#define LARGE_BYTES 300000u
/* A window that a large value does not fit into. */
#define NARROW_BYTES 4096u

/* Where the connection stands when the bytes come; at last, in the midst of a large answer. */
enum stage { STRANGER, GREETED, LOGGED_IN, ANSWERED };
/* What must happen: closed without a word; GOAWAY and closed; ERROR 0 and closed; ERROR 0, and time
 * to hang up; ERROR for call 1, or nothing at all, and the connection goes on. */
enum reaction { CLOSED, GOAWAY, REFUSED, TOLD, ERROR, NOTHING };

struct garbage {
	const char *name;
	enum stage stage;
	enum reaction reaction;
	void (*put)(struct buf *b, const char *token);
};

/* ---- The ways. ---- */

static void
put_raw(struct buf *b, uint32_t len, uint8_t kind, uint8_t flags, uint32_t id)
{
	uint8_t head[FRAME_HEADER_BYTES];

	frame_put_header(head, kind, flags, id, len);
	buf_append(b, head, sizeof head);
}

static void
put_zeros(struct buf *b, size_t len)
{
	while (len-- > 0)
		buf_append_u8(b, 0);
}

static void
put_versions(struct buf *b, uint16_t low, uint16_t high)
{
	frame_put_client_hello(b,
	    &(struct frame_client_hello){
		.version_low = low, .version_high = high, .window = 1, .name = bytes_str("x")});
}

static void
put_empty_request(struct buf *b, uint32_t id, uint16_t method, const char *token)
{
	put_request(b, id, &(struct frame_request){.method = method, .session = bytes_str(token)});
}

static void
put_begun(struct buf *b, uint32_t id, const char *token, uint32_t total)
{
	frame_put_request(b, id, true,
	    &(struct frame_request){
		.method = RPC_METHOD_Set, .session = bytes_str(token), .total = total},
	    0);
}

static void
http_request(struct buf *b, const char *token)
{
	(void)token;
	buf_append_str(b, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

static void
tls_hello(struct buf *b, const char *token)
{
	(void)token;
	buf_append(b, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
	put_zeros(b, 501);
}

static void
huge_hello(struct buf *b, const char *token)
{
	(void)token;
	put_raw(b, UINT32_MAX, FRAME_HELLO, 0, 0);
}

static void
bad_magic(struct buf *b, const char *token)
{
	(void)token;
	put_hello(b, 1);
	b->data[FRAME_HEADER_BYTES] = 'I';
}

static void
short_hello(struct buf *b, const char *token)
{
	(void)token;
	put_raw(b, 4, FRAME_HELLO, 0, 0);
	put_zeros(b, 4);
}

static void
later_version(struct buf *b, const char *token)
{
	(void)token;
	put_versions(b, FRAME_VERSION + 1, UINT16_MAX);
}

static void
version_upside_down(struct buf *b, const char *token)
{
	(void)token;
	put_versions(b, UINT16_MAX, 0);
}

static void
request_first(struct buf *b, const char *token)
{
	put_empty_request(b, 1, RPC_METHOD_Health, token);
}

static void
data_first(struct buf *b, const char *token)
{
	(void)token;
	frame_put_data(b, 1, bytes_str("data"));
}

static void
second_hello(struct buf *b, const char *token)
{
	(void)token;
	put_hello(b, 1);
}

static void
unknown_kind(struct buf *b, const char *token)
{
	(void)token;
	put_raw(b, 0, 200, 0, 1);
}

static void
unknown_flags(struct buf *b, const char *token)
{
	(void)token;
	put_raw(b, 0, FRAME_REQUEST, 0x82, 1);
}

static void
answer_from_client(struct buf *b, const char *token)
{
	(void)token;
	frame_put_answer(b, 1, false, 0, 0);
}

static void
error_from_client(struct buf *b, const char *token)
{
	(void)token;
	frame_put_error(b, 1, 13, bytes_str("error"));
}

static void
call_without_id(struct buf *b, const char *token)
{
	(void)token;
	put_raw(b, 7, FRAME_REQUEST, 0, 0);
	put_zeros(b, 7);
}

static void
connection_credit(struct buf *b, const char *token)
{
	(void)token;
	frame_put_credit(b, 0, 100);
}

static void
huge_length(struct buf *b, const char *token)
{
	(void)token;
	put_raw(b, UINT32_MAX, FRAME_REQUEST, 0, 1);
}

static void
long_before_login(struct buf *b, const char *token)
{
	(void)token;
	put_raw(b, FRAME_PAYLOAD_MAX_BEFORE_LOGIN + 1, FRAME_REQUEST, 0, 1);
}

static void
long_after_login(struct buf *b, const char *token)
{
	(void)token;
	put_raw(b, FRAME_PAYLOAD_MAX + 1, FRAME_REQUEST, 0, 1);
}

static void
short_request(struct buf *b, const char *token)
{
	(void)token;
	put_raw(b, 3, FRAME_REQUEST, 0, 1);
	put_zeros(b, 3);
}

static void
token_beyond_frame(struct buf *b, const char *token)
{
	(void)token;
	put_raw(b, 7, FRAME_REQUEST, 0, 1);
	put_zeros(b, 6);
	buf_append_u8(b, 255);
}

static void
cancel_with_payload(struct buf *b, const char *token)
{
	(void)token;
	put_raw(b, 1, FRAME_CANCEL, 0, 1);
	put_zeros(b, 1);
}

static void
unknown_method(struct buf *b, const char *token)
{
	put_empty_request(b, 1, 0xfffe, token);
}

static void
not_a_message(struct buf *b, const char *token)
{
	put_request(b, 1,
	    &(struct frame_request){.method = RPC_METHOD_Get,
		.session = bytes_str(token),
		.body = bytes_str("\xff\xff\xff\xff\xff")});
}

static void
large_from_stranger(struct buf *b, const char *token)
{
	(void)token;
	put_begun(b, 1, "", 1u << 20);
}

static void
larger_than_allowed(struct buf *b, const char *token)
{
	put_begun(b, 1, token, UINT32_MAX);
}

static void
streams_of_nobody(struct buf *b, const char *token)
{
	(void)token;
	for (uint32_t id = 1; id < 200; id++) {
		frame_put_data(b, id, bytes_str("data"));
		frame_put_credit(b, id, UINT32_MAX);
		frame_put_empty(b, FRAME_END, id);
		frame_put_empty(b, FRAME_CANCEL, id);
	}
}

static void
same_id_twice(struct buf *b, const char *token)
{
	put_begun(b, 1, token, 1u << 20);
	put_begun(b, 1, token, 1u << 20);
}

static void
empty_chunk(struct buf *b, const char *token)
{
	put_begun(b, 1, token, 1u << 20);
	put_raw(b, 0, FRAME_DATA, 0, 1);
}

static void
longer_than_announced(struct buf *b, const char *token)
{
	put_begun(b, 1, token, 3);
	frame_put_data(b, 1, bytes_str("four"));
}

static void
shorter_than_announced(struct buf *b, const char *token)
{
	put_begun(b, 1, token, 5);
	frame_put_data(b, 1, bytes_str("four"));
	frame_put_empty(b, FRAME_END, 1);
}

/* Has a large answer, which to a client with a narrow window begins, and waits. */
static void
large_get(struct buf *b, const char *token)
{
	struct buf key;

	buf_init(&key, FRAME_PAYLOAD_MAX);
	body_key(&key, bytes_str(KEY_LARGE));
	put_request(b, 1,
	    &(struct frame_request){
		.method = RPC_METHOD_Get, .session = bytes_str(token), .body = buf_bytes(&key)});
	buf_free(&key);
}

/* More credit for it than there is. */
static void
credit_overflow(struct buf *b, const char *token)
{
	(void)token;
	frame_put_credit(b, 1, UINT32_MAX);
	frame_put_credit(b, 1, UINT32_MAX);
}

static const struct garbage ways[] = {
    {"an HTTP request", STRANGER, CLOSED, http_request},
    {"a TLS hello", STRANGER, TOLD, tls_hello},
    {"a hello of 4 GiB", STRANGER, CLOSED, huge_hello},
    {"a hello with another magic", STRANGER, CLOSED, bad_magic},
    {"a hello that is too short", STRANGER, CLOSED, short_hello},
    {"a later version", STRANGER, REFUSED, later_version},
    {"versions upside down", STRANGER, REFUSED, version_upside_down},
    {"a request before the hello", STRANGER, CLOSED, request_first},
    {"data before the hello", STRANGER, CLOSED, data_first},
    {"a second hello", GREETED, GOAWAY, second_hello},
    {"an unknown kind", GREETED, GOAWAY, unknown_kind},
    {"unknown flags", GREETED, GOAWAY, unknown_flags},
    {"an answer from a client", GREETED, GOAWAY, answer_from_client},
    {"an error from a client", GREETED, GOAWAY, error_from_client},
    {"a call without id", GREETED, GOAWAY, call_without_id},
    {"credit for the connection", GREETED, GOAWAY, connection_credit},
    {"a frame of 4 GiB", GREETED, GOAWAY, huge_length},
    {"a long frame before login", GREETED, GOAWAY, long_before_login},
    {"a long frame after login", LOGGED_IN, GOAWAY, long_after_login},
    {"a request that is too short", GREETED, GOAWAY, short_request},
    {"a token beyond its frame", GREETED, GOAWAY, token_beyond_frame},
    {"a cancel with payload", GREETED, GOAWAY, cancel_with_payload},
    {"an unknown method", GREETED, ERROR, unknown_method},
    {"a body that is no message", LOGGED_IN, ERROR, not_a_message},
    {"a large body from a stranger", GREETED, ERROR, large_from_stranger},
    {"a body larger than allowed", LOGGED_IN, ERROR, larger_than_allowed},
    {"streams of nobody, to a stranger", GREETED, NOTHING, streams_of_nobody},
    {"streams of nobody", LOGGED_IN, NOTHING, streams_of_nobody},
    {"the same id twice", LOGGED_IN, GOAWAY, same_id_twice},
    {"an empty chunk", LOGGED_IN, GOAWAY, empty_chunk},
    {"a body longer than announced", LOGGED_IN, GOAWAY, longer_than_announced},
    {"a body shorter than announced", LOGGED_IN, GOAWAY, shorter_than_announced},
    {"credit beyond 32 bits", ANSWERED, GOAWAY, credit_overflow},
};
#define WAYS (sizeof ways / sizeof *ways)

/* ---- What the server does. ---- */

static bool
is_alive(struct peer *p, const char *token)
{
	struct frame_request r = {.method = RPC_METHOD_Health, .session = bytes_str(token)};
	struct buf body;
	int status;

	p->last_id = 1000;
	buf_init(&body, BYTES_MAX);
	status = peer_call(p, &r, &body);
	buf_free(&body);
	return status == 0;
}

/* Reads until the connection is closed; the last frame of a kind that is asked for is counted. */
static bool
ends_with(struct peer *p, uint8_t kind, bool wanted)
{
	enum peer_event event;
	unsigned seen = 0;
	struct frame f;

	while ((event = peer_next(p, &f, PEER_WAIT_MS)) == PEER_FRAME)
		seen += f.kind == kind;
	return event == PEER_CLOSED && (seen == 1) == wanted && seen <= 1;
}

static bool
reacts(struct peer *p, const struct garbage *g, const char *token)
{
	struct frame f;

	switch (g->reaction) {
	case CLOSED:
		return peer_next(p, &f, PEER_WAIT_MS) == PEER_CLOSED;
	case GOAWAY:
		return ends_with(p, FRAME_GOAWAY, true);
	case REFUSED:
		return ends_with(p, FRAME_ERROR, true);
	case TOLD:
		return peer_next(p, &f, PEER_WAIT_MS) == PEER_FRAME && f.kind == FRAME_ERROR &&
		    f.id == 0;
	case ERROR:
		return peer_next(p, &f, PEER_WAIT_MS) == PEER_FRAME && f.kind == FRAME_ERROR &&
		    f.id == 1 && is_alive(p, token);
	case NOTHING:
		return is_alive(p, token);
	}
	return false;
}

/* Shows the token and waits for the leave to send long frames. */
static bool
log_in(struct peer *p, const char *token)
{
	struct buf b;
	struct frame f;
	bool done = false;

	buf_init(&b, BYTES_MAX);
	put_empty_request(&b, ++p->last_id, RPC_METHOD_KeepAlive, token);
	if (peer_send(p, &b))
		for (int frames = 0; frames < 2 && peer_next(p, &f, PEER_WAIT_MS) == PEER_FRAME;
		     frames++)
			done |= f.kind == FRAME_CREDIT;
	buf_free(&b);
	return done || fail("no credit for the connection");
}

/* Asks for a large value, and takes as much of it as the window lets through. */
static bool
begin_answer(struct peer *p, const char *token)
{
	size_t taken = 0;
	struct buf b;
	struct frame f;
	bool ok;

	buf_init(&b, BYTES_MAX);
	large_get(&b, token);
	ok = peer_send(p, &b);
	buf_free(&b);
	while (ok && taken < NARROW_BYTES) {
		ok = peer_next(p, &f, PEER_WAIT_MS) == PEER_FRAME &&
		    (f.kind == FRAME_ANSWER || f.kind == FRAME_DATA);
		taken += f.kind == FRAME_DATA ? f.payload.len : 0;
	}
	return ok || fail("no large answer begins");
}

/* Brings the connection to where the bytes are to come. */
static bool
reach(struct peer *p, const struct target *t, enum stage stage, const char *token)
{
	bool ok;

	if (stage == STRANGER)
		return peer_open(p, t, ATTACKER_HOSTS);
	if (stage == ANSWERED)
		ok = peer_greet_with(p, t, ATTACKER_HOSTS, NARROW_BYTES);
	else
		ok = peer_greet(p, t, ATTACKER_HOSTS);
	if (ok && stage >= LOGGED_IN)
		ok = log_in(p, token);
	if (ok && stage == ANSWERED)
		ok = begin_answer(p, token);
	return ok;
}

static bool
try_way(struct scene *s, const struct garbage *g, const char *token)
{
	struct peer p;
	struct buf b;
	bool ok = reach(&p, &s->target, g->stage, token);

	buf_init(&b, BYTES_MAX);
	g->put(&b, token);
	ok = ok && peer_send(&p, &b) && reacts(&p, g, token);
	buf_free(&b);
	peer_close(&p);
	return ok || fail("%s: the server does not react as it should", g->name);
}

static bool
set_large(struct scene *s, const char *token)
{
	struct peer p;
	struct frame f;
	struct buf b, body, value;
	bool ok = peer_greet(&p, &s->target, ATTACKER_HOSTS) && log_in(&p, token);

	buf_init(&b, BYTES_MAX);
	buf_init(&body, BYTES_MAX);
	buf_init(&value, BYTES_MAX);
	put_zeros(&value, LARGE_BYTES);
	body_set(&body, bytes_str(KEY_LARGE), buf_bytes(&value));
	put_begun(&b, 9, token, (uint32_t)body.len);
	for (size_t pos = 0; pos < body.len; pos += FRAME_PAYLOAD_MAX)
		frame_put_data(&b, 9,
		    bytes_of(body.data + pos,
			body.len - pos < FRAME_PAYLOAD_MAX ? body.len - pos : FRAME_PAYLOAD_MAX));
	frame_put_empty(&b, FRAME_END, 9);
	ok = ok && peer_send(&p, &b) && peer_next(&p, &f, PEER_WAIT_MS) == PEER_FRAME &&
	    f.kind == FRAME_ANSWER;
	buf_free(&b);
	buf_free(&body);
	buf_free(&value);
	peer_close(&p);
	return ok || fail("the large value was not written");
}

bool
attack_garbage(struct scene *s, unsigned count)
{
	char token[TOKEN_MAX];
	bool ok = attacker_token(s, token) && set_large(s, token);

	for (unsigned i = 0; ok && i < count; i++)
		ok = try_way(s, &ways[i % WAYS], token);
	return ok;
}

/* ---- Noise. ---- */

/* A conversation that is right, from hello to large bodies. */
static void
put_conversation(struct buf *b, const char *token)
{
	put_hello(b, FRAME_PAYLOAD_MAX);
	put_empty_request(b, 1, RPC_METHOD_CurrentState, token);
	large_get(b, token);
	put_begun(b, 3, token, 8);
	frame_put_data(b, 3, bytes_str("body"));
	put_empty_request(b, 4, RPC_METHOD_Scan, token);
	frame_put_data(b, 3, bytes_str("rest"));
	frame_put_empty(b, FRAME_END, 3);
	frame_put_empty(b, FRAME_CANCEL, 4);
	frame_put_goaway(b, bytes_str("bye"));
}

static bool
make_noise(struct scene *s, const struct buf *right)
{
	uint64_t r = fault_random(&s->random), changes = 1 + r % 8;
	size_t len = r % 3 ? right->len : r / 3 % right->len;
	bool reset = r & 64, ok = true;
	enum peer_event event;
	struct frame f;
	struct peer p;
	struct buf b;

	buf_init(&b, BYTES_MAX);
	buf_append(&b, right->data, len);
	for (; len > 0 && changes > 0; changes--) {
		r = fault_random(&s->random);
		b.data[r % len] = (uint8_t)(r >> 32);
	}
	/* The server may close before all is sent: that is its right. */
	if (peer_open(&p, &s->target, ATTACKER_HOSTS))
		(void)peer_send(&p, &b);
	if (p.fd >= 0 && reset) {
		peer_reset_fd(p.fd);
		p.fd = -1;
	} else if (p.fd >= 0) {
		shutdown(p.fd, SHUT_WR);
		while ((event = peer_next(&p, &f, PEER_WAIT_MS)) == PEER_FRAME)
			;
		ok = event == PEER_CLOSED || fail("a connection stays open after its end");
	}
	buf_free(&b);
	peer_close(&p);
	return ok;
}

bool
attack_noise(struct scene *s, unsigned count)
{
	char token[TOKEN_MAX];
	bool ok = attacker_token(s, token);
	struct buf right;

	buf_init(&right, BYTES_MAX);
	put_conversation(&right, token);
	for (unsigned i = 0; ok && i < count; i++)
		ok = make_noise(s, &right);
	buf_free(&right);
	return ok;
}

/* ---- Calls that are cancelled at once. ---- */

#define CANCELS_AT_ONCE 200u

static bool
cancel_some(struct peer *p, const char *token, uint32_t first)
{
	unsigned ended = 0;
	struct frame f;
	struct buf b;
	bool ok;

	buf_init(&b, BYTES_MAX);
	for (uint32_t i = 0; i < CANCELS_AT_ONCE; i++) {
		put_empty_request(
		    &b, first + i, i % 2 ? RPC_METHOD_Scan : RPC_METHOD_CurrentState, token);
		frame_put_empty(&b, FRAME_CANCEL, first + i);
	}
	ok = peer_send(p, &b);
	buf_free(&b);
	while (ok && ended < CANCELS_AT_ONCE) {
		ok = peer_next(p, &f, PEER_WAIT_MS) == PEER_FRAME && f.kind != FRAME_GOAWAY;
		ended += ok &&
		    (f.kind == FRAME_ERROR || f.kind == FRAME_END ||
			(f.kind == FRAME_ANSWER && !(f.flags & FRAME_FLAG_MORE)));
	}
	return ok;
}

bool
attack_cancels(struct scene *s, unsigned count)
{
	char token[TOKEN_MAX];
	struct peer p;
	bool ok = attacker_token(s, token);

	if (!ok)
		return false;
	ok = peer_greet(&p, &s->target, ATTACKER_HOSTS);
	for (uint32_t i = 0; ok && i < count; i += CANCELS_AT_ONCE)
		ok = cancel_some(&p, token, i + 1);
	ok = ok && is_alive(&p, token);
	peer_close(&p);
	return ok || fail("cancelled calls do not all end");
}
