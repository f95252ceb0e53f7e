/*
 * Peers that wait: they ask and do not read the answers, or connect and hardly send.
 *
 * What is not read has to stay somewhere: each attack looks at how much memory that takes while it
 * lasts.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attacks.h"
#include "util/clock.h"

#define BYTES_MAX ((size_t)64 * 1024 * 1024)
#define SEND_BYTES_MAX ((size_t)16 * 1024 * 1024)
/* The server reads no more when for so long nothing more could be sent. */
#define STUCK_MS 500
/* Small on this side, so that what is not read stays with the server. */
#define RECEIVE_BUFFER_BYTES 4096
/* What a stranger may make the server hold, beside what any connection takes. */
#define STRANGER_KB 256u
#define KEY_UNREAD "unread"
/* What all connections together may make it hold, and what comes on top for bookkeeping. */
#define HELD_KB ((size_t)1024 * 1024)
#define HELD_SLACK_KB ((size_t)192 * 1024)
#define VALUE_LARGE_BYTES ((size_t)1024 * 1024)
#define VALUE_SMALL_BYTES ((size_t)60000)
#define SCANS_PER_CONNECTION 1000u
#define VALUES_PER_CONNECTION 140u
/* How long a connection may take over its hello, and what a loaded machine may add. */
#define HELLO_TIMEOUT_MS 10000
#define HELLO_SLACK_MS 20000
#define TRICKLE_MS 700

struct crowd {
	unsigned count;
	struct peer *peers;
	size_t *sent;
};

static bool
crowd_gather(struct crowd *c, struct scene *s, unsigned count)
{
	int small = RECEIVE_BUFFER_BYTES;

	c->count = 0;
	c->peers = calloc(count, sizeof *c->peers);
	c->sent = calloc(count, sizeof *c->sent);
	while (c->count < count) {
		struct peer *p = &c->peers[c->count++];

		if (!peer_greet(p, &s->target, ATTACKER_HOSTS))
			return false;
		setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	}
	return true;
}

static void
crowd_leave(struct crowd *c)
{
	for (unsigned i = 0; i < c->count; i++) {
		peer_reset_fd(c->peers[i].fd);
		c->peers[i].fd = -1;
		peer_close(&c->peers[i]);
	}
	free(c->peers);
	free(c->sent);
}

/* Sends what goes of b, again and again, up to max bytes; true when something went. */
static bool
crowd_push_one(struct crowd *c, unsigned i, struct bytes b, size_t max)
{
	bool any = false;
	ssize_t n;

	while (c->sent[i] < max) {
		size_t at = c->sent[i] % b.len, left = b.len - at;

		left = left < max - c->sent[i] ? left : max - c->sent[i];
		n = send(c->peers[i].fd, b.data + at, left, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n <= 0)
			break;
		c->sent[i] += (size_t)n;
		any = true;
	}
	return any;
}

/* All of them send until the server has stopped reading, or all is sent. */
static void
crowd_push(struct crowd *c, struct bytes b, size_t max)
{
	int64_t stuck_by = clock_monotonic_ns() + STUCK_MS * CLOCK_NS_PER_MS;
	bool any;

	while (clock_monotonic_ns() < stuck_by) {
		any = false;
		for (unsigned i = 0; i < c->count; i++)
			any |= crowd_push_one(c, i, b, max);
		if (any)
			stuck_by = clock_monotonic_ns() + STUCK_MS * CLOCK_NS_PER_MS;
		else
			poll(NULL, 0, 1);
	}
}

/* The highest memory of the server while the honest client does some calls. */
static bool
crowd_watch(struct scene *s, const struct gauge *before, size_t allowed_kb)
{
	struct gauge now;
	bool ok = honest_wait(s->honest, 128);

	target_gauge(&s->target, &now);
	printf("while nothing is read: RSS %zu -> %zu KiB\n", before->rss_kb, now.rss_kb);
	return ok && rss_within(before, &now, allowed_kb);
}

/* Requests that a stranger may make: nothing is needed to be told that a method is unknown. */
bool
attack_unread_strangers(struct scene *s, unsigned count)
{
	struct gauge before;
	struct crowd c;
	struct buf b;
	bool ok;

	target_gauge(&s->target, &before);
	ok = crowd_gather(&c, s, count);
	buf_init(&b, BYTES_MAX);
	for (uint32_t id = 1; id <= 4096; id++)
		put_request(&b, id, &(struct frame_request){.method = 0xfffe});
	if (ok)
		crowd_push(&c, buf_bytes(&b), SEND_BYTES_MAX);
	ok = ok && crowd_watch(s, &before, HELD_SLACK_KB / 8 + (size_t)count * STRANGER_KB);
	buf_free(&b);
	crowd_leave(&c);
	return ok;
}

/* Writes the value that is going to be asked for, in chunks as it must be. */
static bool
set_unread(struct scene *s, const char *token, size_t len)
{
	struct frame_request r = {.method = RPC_METHOD_Set, .session = bytes_str(token)};
	struct buf b, body, value;
	enum peer_event event;
	struct frame f = {0};
	struct peer p;
	bool ok;

	buf_init(&b, BYTES_MAX);
	buf_init(&body, BYTES_MAX);
	buf_init(&value, BYTES_MAX);
	while (value.len < len && value.err == IM_OK)
		buf_append_u8(&value, 'v');
	body_set(&body, bytes_str(KEY_UNREAD), buf_bytes(&value));
	r.total = (uint32_t)body.len;
	frame_put_request(&b, 9, true, &r, 0);
	for (size_t pos = 0; pos < body.len; pos += FRAME_PAYLOAD_MAX_BEFORE_LOGIN)
		frame_put_data(&b, 9,
		    bytes_of(body.data + pos,
			body.len - pos < FRAME_PAYLOAD_MAX_BEFORE_LOGIN
			    ? body.len - pos
			    : FRAME_PAYLOAD_MAX_BEFORE_LOGIN));
	frame_put_empty(&b, FRAME_END, 9);
	ok = peer_greet(&p, &s->target, ATTACKER_HOSTS) && peer_send(&p, &b);
	do
		event = ok ? peer_next(&p, &f, PEER_WAIT_MS) : PEER_CLOSED;
	while (event == PEER_FRAME && f.kind == FRAME_CREDIT);
	ok = event == PEER_FRAME && f.kind == FRAME_ANSWER;
	buf_free(&b);
	buf_free(&body);
	buf_free(&value);
	peer_close(&p);
	return ok || fail("the value of %zu bytes was not written", len);
}

/* Many calls on each of many connections, and no answer is read. */
static bool
ask_unread(struct scene *s, unsigned count, struct frame_request r, unsigned calls)
{
	struct gauge before;
	struct crowd c;
	struct buf b;
	bool ok;

	target_gauge(&s->target, &before);
	ok = crowd_gather(&c, s, count);
	buf_init(&b, BYTES_MAX);
	for (uint32_t id = 1; id <= calls; id++)
		put_request(&b, id, &r);
	if (ok)
		crowd_push(&c, buf_bytes(&b), b.len);
	ok = ok && crowd_watch(s, &before, HELD_KB + HELD_SLACK_KB);
	buf_free(&b);
	crowd_leave(&c);
	return ok;
}

bool
attack_unread_values(struct scene *s, unsigned count)
{
	char token[TOKEN_MAX];
	struct buf key;
	bool ok = attacker_token(s, token) && set_unread(s, token, VALUE_LARGE_BYTES);

	buf_init(&key, BYTES_MAX);
	body_key(&key, bytes_str(KEY_UNREAD));
	ok = ok &&
	    ask_unread(s, count,
		(struct frame_request){
		    .method = RPC_METHOD_Get, .session = bytes_str(token), .body = buf_bytes(&key)},
		VALUES_PER_CONNECTION);
	buf_free(&key);
	return ok;
}

/* Answers that are small each; the calls are all under way before the first of them is there. */
bool
attack_unread_scans(struct scene *s, unsigned count)
{
	char token[TOKEN_MAX];
	struct buf prefix;
	bool ok = attacker_token(s, token) && set_unread(s, token, VALUE_SMALL_BYTES);

	buf_init(&prefix, BYTES_MAX);
	put_field(&prefix, 2, bytes_str(KEY_UNREAD));
	ok = ok &&
	    ask_unread(s, count,
		(struct frame_request){.method = RPC_METHOD_Scan,
		    .session = bytes_str(token),
		    .body = buf_bytes(&prefix)},
		SCANS_PER_CONNECTION);
	buf_free(&prefix);
	return ok;
}

/* ---- Peers that hardly send. ---- */

static bool
is_closed(int fd)
{
	uint8_t byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

/* Half of them send a byte of their hello now and then. Closed ones are taken out of fds. */
static unsigned
silent_step(int *fds, unsigned count, const struct buf *hello, unsigned step)
{
	unsigned open = 0;

	for (unsigned i = 0; i < count; i++) {
		if (fds[i] < 0)
			continue;
		if (is_closed(fds[i])) {
			close(fds[i]);
			fds[i] = -1;
			continue;
		}
		open++;
		if (i % 2 && step < hello->len)
			send(fds[i], hello->data + step, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	return open;
}

bool
attack_silent(struct scene *s, unsigned count)
{
	int64_t by = clock_monotonic_ns() + (HELLO_TIMEOUT_MS + HELLO_SLACK_MS) * CLOCK_NS_PER_MS;
	int *fds = malloc(count * sizeof *fds);
	unsigned open = 1;
	struct buf hello;
	bool ok = true;

	memset(fds, 0xff, count * sizeof *fds);
	buf_init(&hello, BYTES_MAX);
	put_hello(&hello, FRAME_PAYLOAD_MAX);
	for (unsigned i = 0; ok && i < count; i++) {
		fds[i] = peer_connect(&s->target, ATTACKER_HOSTS);
		ok = fds[i] >= 0;
	}
	for (unsigned step = 0; ok && open > 0 && clock_monotonic_ns() < by; step++) {
		open = silent_step(fds, count, &hello, step);
		if (open > 0)
			poll(NULL, 0, TRICKLE_MS);
	}
	for (unsigned i = 0; i < count; i++)
		if (fds[i] >= 0)
			peer_reset_fd(fds[i]);
	free(fds);
	buf_free(&hello);
	return (ok && open == 0) || fail("%u connections without hello stay open", open);
}
