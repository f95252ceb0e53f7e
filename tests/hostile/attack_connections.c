/*
 * Connections that come and go: reset at every stage with requests outstanding; and that come in
 * thousands and stay.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attacks.h"

/* Connections that wait for their hello, and as many whose requests are outstanding. */
#define RESETS_WINDOW 100u
/* Addresses they come from. */
#define RESETS_HOSTS 16u
#define REQUESTS_PER_CONNECTION 6u
#define REQUEST_BYTES_MAX 65536
#define HELLO_BYTES_MAX 4096
#define IDLE_HOSTS 8u
/* Descriptors for all but the idle connections. */
#define IDLE_SPARE 128u
/* How many times over the strangers come. */
#define CROWD_ROUNDS 6u
/* How long the server is watched without descriptors, and what that may cost it. */
#define EXHAUSTED_US 1500000
#define EXHAUSTED_CPU_S 0.4

bool
attacker_token(struct scene *s, char token[TOKEN_MAX])
{
	struct peer p;
	bool ok = peer_greet(&p, &s->target, ATTACKER_HOSTS) &&
	    peer_login(&p, "immudb", "immudb", token) == 0;

	peer_close(&p);
	return ok || fail("the attacker cannot log in");
}

/* ---- Resets. ---- */

struct resets {
	const struct target *target;
	struct buf hello, whole, half, large;
	int greeting[RESETS_WINDOW], asking[RESETS_WINDOW];
};

static void
resets_prepare(struct resets *r, const char *token)
{
	static const uint16_t methods[REQUESTS_PER_CONNECTION] = {RPC_METHOD_Set, RPC_METHOD_Get,
	    RPC_METHOD_Scan, RPC_METHOD_Health, RPC_METHOD_CurrentState, RPC_METHOD_Set};
	struct buf set, key;

	buf_init(&r->hello, REQUEST_BYTES_MAX);
	buf_init(&r->whole, REQUEST_BYTES_MAX);
	buf_init(&r->half, REQUEST_BYTES_MAX);
	buf_init(&r->large, REQUEST_BYTES_MAX);
	buf_init(&set, REQUEST_BYTES_MAX);
	buf_init(&key, REQUEST_BYTES_MAX);
	put_hello(&r->hello, FRAME_PAYLOAD_MAX);
	body_set(&set, bytes_str("reset"), bytes_str("value"));
	body_key(&key, bytes_str("honest"));
	for (uint32_t i = 0; i < REQUESTS_PER_CONNECTION; i++) {
		struct frame_request f = {.method = methods[i], .session = bytes_str(token)};

		if (f.method == RPC_METHOD_Set)
			f.body = buf_bytes(&set);
		else if (f.method == RPC_METHOD_Get)
			f.body = buf_bytes(&key);
		put_request(&r->whole, i + 1, &f);
	}
	/* A request that is never finished, and a large body of which only the beginning comes. */
	buf_append(&r->half, r->whole.data, FRAME_HEADER_BYTES + 9);
	frame_put_request(&r->large, 1, true,
	    &(struct frame_request){
		.method = RPC_METHOD_Set, .session = bytes_str(token), .total = 30u << 20},
	    set.len);
	buf_append_bytes(&r->large, buf_bytes(&set));
	frame_put_data(&r->large, 1, bytes_of(r->whole.data, r->whole.len));
	buf_free(&set);
	buf_free(&key);
	for (unsigned i = 0; i < RESETS_WINDOW; i++)
		r->greeting[i] = r->asking[i] = -1;
}

static void
resets_free(struct resets *r)
{
	buf_free(&r->hello);
	buf_free(&r->whole);
	buf_free(&r->half);
	buf_free(&r->large);
}

/* The connection has waited long enough for its hello: its requests go out. */
static bool
resets_ask(struct resets *r, int fd, unsigned number)
{
	const struct buf *what[] = {&r->whole, &r->half, &r->large, &r->whole};
	uint8_t hello[HELLO_BYTES_MAX];

	if (recv(fd, hello, sizeof hello, 0) <= 0)
		return fail("connection %u gets no hello: %s", number, strerror(errno));
	return peer_send_fd(fd, buf_bytes(what[number % 4])) || fail("cannot send requests");
}

/* Moves the window on by one connection; with open false only by what is still in it. */
static bool
resets_step(struct resets *r, unsigned number, bool open)
{
	unsigned at = number % RESETS_WINDOW;
	bool ok = true;

	if (r->asking[at] >= 0)
		peer_reset_fd(r->asking[at]);
	r->asking[at] = r->greeting[at];
	r->greeting[at] = -1;
	if (r->asking[at] >= 0)
		ok = resets_ask(r, r->asking[at], number);
	if (!ok || !open)
		return ok;
	r->greeting[at] = peer_connect(r->target, ATTACKER_HOSTS + number % RESETS_HOSTS);
	if (r->greeting[at] < 0)
		return fail("connection %u: %s", number, strerror(errno));
	/* Some go before they have said a word. */
	if (number % 8 == 7) {
		peer_reset_fd(r->greeting[at]);
		r->greeting[at] = -1;
		return true;
	}
	return peer_send_fd(r->greeting[at], buf_bytes(&r->hello)) || fail("cannot say hello");
}

bool
attack_resets(struct scene *s, unsigned count)
{
	struct resets r = {.target = &s->target};
	char token[TOKEN_MAX];
	bool ok = attacker_token(s, token);

	if (!ok)
		return false;
	resets_prepare(&r, token);
	for (unsigned i = 0; ok && i < count; i++)
		ok = resets_step(&r, i, true);
	for (unsigned i = 0; i < 2 * RESETS_WINDOW; i++)
		ok = resets_step(&r, count + i, false) && ok;
	resets_free(&r);
	return ok;
}

/* ---- Thousands that stay. ---- */

static bool
idle_open(struct scene *s, int *fds, unsigned count)
{
	struct buf hello;
	bool ok = true;

	buf_init(&hello, HELLO_BYTES_MAX);
	put_hello(&hello, FRAME_PAYLOAD_MAX);
	for (unsigned i = 0; ok && i < count; i++) {
		fds[i] = peer_connect(&s->target, ATTACKER_HOSTS + i % IDLE_HOSTS);
		ok = fds[i] >= 0 && peer_send_fd(fds[i], buf_bytes(&hello));
	}
	buf_free(&hello);
	return ok || fail("cannot open %u connections: %s", count, strerror(errno));
}

static bool
idle_greeted(const int *fds, unsigned count)
{
	uint8_t hello[HELLO_BYTES_MAX];

	for (unsigned i = 0; i < count; i++)
		if (recv(fds[i], hello, sizeof hello, 0) <= FRAME_HEADER_BYTES ||
		    hello[4] != FRAME_HELLO)
			return fail("connection %u of %u gets no hello", i, count);
	return true;
}

bool
attack_idle(struct scene *s, unsigned count)
{
	struct gauge before, after;
	struct rlimit limit;
	int *fds;
	bool ok;

	/* The server was left as many descriptors as this process. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < count + IDLE_SPARE)
		count = (unsigned)limit.rlim_cur - IDLE_SPARE;
	fds = malloc(count * sizeof *fds);
	memset(fds, 0xff, count * sizeof *fds);
	target_gauge(&s->target, &before);
	ok = idle_open(s, fds, count) && idle_greeted(fds, count);
	target_gauge(&s->target, &after);
	printf("%u connections: %.1f KiB of memory each\n", count,
	    ((double)after.rss_kb - (double)before.rss_kb) / count);
	/* They do not keep anybody else from being served. */
	ok = ok && honest_wait(s->honest, 256);
	for (unsigned i = 0; i < count && fds[i] >= 0; i++) {
		if (i % 2)
			peer_reset_fd(fds[i]);
		else
			close(fds[i]);
	}
	free(fds);
	return ok;
}

/* ---- More than there is room for. ---- */

/*
 * As many strangers as the server has room for, and again as many, for a while: the honest client,
 * which connects anew all the time, must not be kept out.
 */
bool
attack_crowd(struct scene *s, unsigned count)
{
	int *fds = malloc(count * sizeof *fds);
	struct buf hello;
	bool ok = true;

	memset(fds, 0xff, count * sizeof *fds);
	buf_init(&hello, HELLO_BYTES_MAX);
	put_hello(&hello, FRAME_PAYLOAD_MAX);
	for (unsigned i = 0; ok && i < CROWD_ROUNDS * count; i++) {
		int *fd = &fds[i % count];

		if (*fd >= 0)
			peer_reset_fd(*fd);
		*fd = peer_connect(&s->target, ATTACKER_HOSTS + i % IDLE_HOSTS);
		ok = *fd >= 0;
		/* It may be closed already. */
		if (ok)
			(void)peer_send_fd(*fd, buf_bytes(&hello));
	}
	ok = (ok || fail("cannot connect: %s", strerror(errno))) && honest_wait(s->honest, 512);
	for (unsigned i = 0; i < count; i++)
		if (fds[i] >= 0)
			peer_reset_fd(fds[i]);
	free(fds);
	buf_free(&hello);
	return ok;
}

/* ---- No descriptors left. ---- */

/* The server cannot accept any more: it must wait, not try again and again. */
static bool
is_calm(struct scene *s)
{
	struct gauge before, after;

	target_gauge(&s->target, &before);
	usleep(EXHAUSTED_US);
	target_gauge(&s->target, &after);
	printf("without descriptors: %.2f s of CPU in %.1f s\n", after.cpu_s - before.cpu_s,
	    EXHAUSTED_US / 1e6);
	return after.cpu_s - before.cpu_s < EXHAUSTED_CPU_S ||
	    fail("the server spends its time on connections that it cannot accept");
}

static bool
exhaust(struct scene *s, unsigned count, int *fds)
{
	struct buf hello;
	bool ok = true;

	buf_init(&hello, HELLO_BYTES_MAX);
	put_hello(&hello, FRAME_PAYLOAD_MAX);
	for (unsigned i = 0; ok && i < count; i++) {
		fds[i] = peer_connect(&s->target, ATTACKER_HOSTS);
		ok = fds[i] >= 0 && peer_send_fd(fds[i], buf_bytes(&hello));
	}
	buf_free(&hello);
	return ok || fail("cannot connect: %s", strerror(errno));
}

bool
attack_descriptors(struct scene *s, unsigned count)
{
	struct rlimit old, low;
	int *fds = malloc(count * sizeof *fds);
	struct gauge g;
	bool ok;

	memset(fds, 0xff, count * sizeof *fds);
	atomic_store(&s->honest->stays, true);
	target_gauge(&s->target, &g);
	ok = prlimit(s->target.pid, RLIMIT_NOFILE, NULL, &old) == 0;
	low = (struct rlimit){g.sockets + g.files + count / 2, old.rlim_max};
	ok = ok && prlimit(s->target.pid, RLIMIT_NOFILE, &low, NULL) == 0;
	/* Few calls are made meanwhile, on a connection that is there: a write may need a file. */
	ok = ok && honest_wait(s->honest, 2);
	atomic_store(&s->honest->paused, true);
	ok = ok && exhaust(s, count, fds);
	atomic_store(&s->honest->paused, false);
	ok = ok && honest_wait(s->honest, 512);
	atomic_store(&s->honest->paused, true);
	ok = ok && is_calm(s);
	for (unsigned i = 0; i < count; i++)
		if (fds[i] >= 0)
			peer_reset_fd(fds[i]);
	free(fds);
	ok = prlimit(s->target.pid, RLIMIT_NOFILE, &old, NULL) == 0 && ok;
	atomic_store(&s->honest->paused, false);
	atomic_store(&s->honest->stays, false);
	return ok && honest_wait(s->honest, 512);
}
