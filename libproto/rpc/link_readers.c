/*
 * Who of an owner's links has a thread of its own for reading. link_read.c asks.
 *
 * Invariant: a link in the table is alive, for its thread takes it out, and the link's end waits
 * for the thread.
 */
#include "rpc/link_readers.h"

#include "rpc/link.h"
#include "util/clock.h"

void
link_readers_init(struct link_readers *r, unsigned max)
{
	pthread_mutex_init(&r->lock, NULL);
	r->max = max < LINK_READERS_MAX ? max : LINK_READERS_MAX;
	atomic_init(&r->pause_ns, LINK_READERS_QUIET_MS * CLOCK_NS_PER_MS);
	r->count = 0;
	atomic_init(&r->crowded_ns, 0);
}

void
link_readers_free(struct link_readers *r)
{
	pthread_mutex_destroy(&r->lock);
}

/* Locked. Its thread sees it when bytes come, or when it stops to wait for them. */
static void
readers_recall(struct link *l)
{
	atomic_store(&l->recalled, true);
	nng_aio_abort(l->reader_aio, NNG_ETIMEDOUT);
}

/* Locked; all threads are taken. */
static void
readers_make_room(struct link_readers *r, int64_t now_ns)
{
	for (unsigned i = 0; i < r->count; i++) {
		int64_t since = now_ns - atomic_load(&r->links[i]->data_ns);

		if (since >= LINK_READERS_QUIET_MS * CLOCK_NS_PER_MS) {
			readers_recall(r->links[i]);
			return;
		}
	}
	for (unsigned i = 0; i < r->count; i++)
		readers_recall(r->links[i]);
	atomic_store(&r->crowded_ns, now_ns + LINK_READERS_CROWDED_MS * CLOCK_NS_PER_MS);
}

bool
link_readers_take(struct link_readers *r, struct link *l)
{
	bool taken;

	if (!r || r->max == 0 || l->now_ns < atomic_load(&r->crowded_ns))
		return false;
	pthread_mutex_lock(&r->lock);
	taken = r->count < r->max;
	if (taken)
		r->links[r->count++] = l;
	else
		readers_make_room(r, l->now_ns);
	pthread_mutex_unlock(&r->lock);
	return taken;
}

void
link_readers_give(struct link_readers *r, struct link *l)
{
	pthread_mutex_lock(&r->lock);
	for (unsigned i = 0; i < r->count; i++)
		if (r->links[i] == l)
			r->links[i--] = r->links[--r->count];
	pthread_mutex_unlock(&r->lock);
}
