/*
 * The client that others must not be able to harm.
 *
 * Invariant: each call is answered, with what is right; the first that is not sets failed and ends
 * the thread.
 */
#include "honest.h"

#include <stdio.h>
#include <stdlib.h>

#include "util/clock.h"

#define USER "immudb"
#define KEY "honest"
#define VALUE "the truth"
/*
 * A write among so many reads: enough of them for the 99th percentile, and few enough that what a
 * quiet machine writes in a minute is little beside the memory that is allowed. Calls before the
 * connection is opened anew.
 */
#define WRITE_EVERY 64u
#define CALLS_PER_CONNECTION 64u
#define WAIT_S 60
#define PAUSE_NS 1000000
#define ANSWER_BYTES_MAX 65536

static bool
call_once(struct honest *h, struct peer *p, bool is_write)
{
	struct frame_request r = {
	    .method = is_write ? RPC_METHOD_Set : RPC_METHOD_Get, .session = bytes_str(h->token)};
	struct buf in, out;
	bool right;
	int status;

	buf_init(&in, ANSWER_BYTES_MAX);
	buf_init(&out, ANSWER_BYTES_MAX);
	if (is_write)
		body_set(&in, bytes_str(KEY), bytes_str(VALUE));
	else
		body_key(&in, bytes_str(KEY));
	r.body = buf_bytes(&in);
	status = peer_call(p, &r, &out);
	right =
	    status == 0 && (is_write || memmem(out.data, out.len, VALUE, strlen(VALUE)) != NULL);
	if (!right)
		fail("an honest %s ended with %d %s", is_write ? "write" : "read", status,
		    status > 0 ? (const char *)out.data : "");
	buf_free(&in);
	buf_free(&out);
	return right;
}

static bool
call_timed(struct honest *h, struct peer *p, unsigned number)
{
	int64_t begin = clock_monotonic_ns();
	unsigned calls = atomic_load(&h->calls);

	if (atomic_load(&h->paused)) {
		nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
		return true;
	}
	if (!call_once(h, p, number % WRITE_EVERY == 0))
		return false;
	h->us[calls % HONEST_SAMPLES] = (uint32_t)((clock_monotonic_ns() - begin) / 1000);
	atomic_fetch_add(&h->calls, 1);
	return true;
}

static bool
connect_and_call(struct honest *h)
{
	bool right = true;
	struct peer p;

	if (!peer_greet(&p, h->target, PEER_HOME)) {
		peer_close(&p);
		return false;
	}
	for (unsigned i = 0; right && !atomic_load(&h->stop) &&
	     (i < CALLS_PER_CONNECTION || atomic_load(&h->stays));
	     i++)
		right = call_timed(h, &p, i);
	peer_close(&p);
	return right;
}

static void *
honest_run(void *arg)
{
	struct honest *h = arg;

	while (!atomic_load(&h->stop)) {
		if (!connect_and_call(h)) {
			atomic_store(&h->failed, true);
			break;
		}
	}
	return NULL;
}

bool
honest_start(struct honest *h, const struct target *t)
{
	struct peer p;
	bool ok;

	h->target = t;
	ok = peer_greet(&p, t, PEER_HOME) && peer_login(&p, USER, USER, h->token) == 0;
	peer_close(&p);
	if (!ok || pthread_create(&h->thread, NULL, honest_run, h) != 0)
		return fail("the honest client cannot log in");
	if (honest_wait(h, CALLS_PER_CONNECTION))
		return true;
	honest_stop(h);
	return false;
}

bool
honest_wait(struct honest *h, unsigned calls)
{
	int64_t by = clock_monotonic_ns() + WAIT_S * CLOCK_NS_PER_S;
	unsigned until = atomic_load(&h->calls) + calls;

	while (atomic_load(&h->calls) < until) {
		if (atomic_load(&h->failed))
			return false;
		if (clock_monotonic_ns() > by)
			return fail("the honest client starves");
		nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
	}
	return true;
}

void
honest_mark(struct honest *h)
{
	atomic_store(&h->calls, 0);
}

unsigned
honest_calls(struct honest *h)
{
	return atomic_load(&h->calls);
}

static int
compare_us(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

uint32_t
honest_p99_us(struct honest *h)
{
	unsigned n = atomic_load(&h->calls);
	uint32_t *sorted, p99;

	n = n > HONEST_SAMPLES ? HONEST_SAMPLES : n;
	sorted = n ? malloc(n * sizeof *sorted) : NULL;
	if (!sorted)
		return 0;
	memcpy(sorted, h->us, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, compare_us);
	p99 = sorted[n - 1 - n / 100];
	free(sorted);
	return p99;
}

bool
honest_stop(struct honest *h)
{
	atomic_store(&h->stop, true);
	pthread_join(h->thread, NULL);
	return !atomic_load(&h->failed);
}
