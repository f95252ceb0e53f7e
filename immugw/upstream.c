/*
 * The shared connections to the server. rest.c calls; nothing here knows what is asked.
 *
 * Invariants:
 * 1. A connection is closed by whoever holds it last: the slot or a call.
 * 2. Of the calls that find a slot empty one connects, without the lock of others' slots; while the
 *    server is away each slot tries once a pause, and calls in between fail at once.
 */
#include "upstream.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/clock.h"

/* After a failed attempt, how long calls fail with its error before the next attempt. */
#define UPSTREAM_PAUSE_NS (200 * CLOCK_NS_PER_MS)
#define UPSTREAM_ERROR_MAX 512

struct link_up {
	struct rpc_client_conn *conn;
	_Atomic unsigned holders;
};

struct slot {
	pthread_mutex_t lock;
	struct link_up *link; /* NULL: not connected */
	int64_t failed_ns;    /* when the last attempt failed; 0: it did not */
	enum im_err failed;
	char failed_text[UPSTREAM_ERROR_MAX];
};

struct upstream {
	struct rpc_client_options options;
	size_t slots_len;
	_Atomic size_t next;
	_Atomic uint64_t made;
	struct slot slots[];
};

static void
link_release(struct link_up *l)
{
	if (!l || atomic_fetch_sub(&l->holders, 1) != 1)
		return;
	rpc_client_close(l->conn);
	free(l);
}

enum im_err
upstream_new(const struct rpc_client_options *options, size_t connections, struct upstream **out)
{
	struct upstream *u = calloc(1, sizeof *u + connections * sizeof u->slots[0]);
	size_t i;

	*out = u;
	if (!u)
		return IM_ERR_NOMEM;
	u->options = *options;
	u->slots_len = connections;
	for (i = 0; i < connections; i++)
		pthread_mutex_init(&u->slots[i].lock, NULL);
	return IM_OK;
}

void
upstream_free(struct upstream *u)
{
	size_t i;

	if (!u)
		return;
	for (i = 0; i < u->slots_len; i++) {
		link_release(u->slots[i].link);
		pthread_mutex_destroy(&u->slots[i].lock);
	}
	free(u);
}

/* A new connection for an empty slot, whose lock is held. */
static enum im_err
slot_connect(struct upstream *u, struct slot *s)
{
	int64_t now = clock_monotonic_ns();
	struct link_up *l;
	enum im_err err;

	if (s->failed_ns && now - s->failed_ns < UPSTREAM_PAUSE_NS)
		return err_set(s->failed, "%s", s->failed_text);
	l = calloc(1, sizeof *l);
	if (!l)
		return IM_ERR_NOMEM;
	err = rpc_client_connect(&u->options, &l->conn);
	if (err != IM_OK) {
		free(l);
		s->failed = err;
		s->failed_ns = clock_monotonic_ns();
		snprintf(s->failed_text, sizeof s->failed_text, "%s", err_detail(err));
		return err_set(err, "%s", s->failed_text);
	}
	atomic_init(&l->holders, 1);
	s->failed_ns = 0;
	s->link = l;
	atomic_fetch_add(&u->made, 1);
	return IM_OK;
}

/* The connection of the next slot, held; an unusable one is replaced. */
static enum im_err
upstream_hold(struct upstream *u, struct link_up **out)
{
	struct slot *s = &u->slots[atomic_fetch_add(&u->next, 1) % u->slots_len];
	struct link_up *dead = NULL;
	enum im_err err = IM_OK;

	pthread_mutex_lock(&s->lock);
	if (s->link && !rpc_client_is_usable(s->link->conn)) {
		dead = s->link;
		s->link = NULL;
	}
	if (!s->link)
		err = slot_connect(u, s);
	*out = s->link;
	if (s->link)
		atomic_fetch_add(&s->link->holders, 1);
	pthread_mutex_unlock(&s->lock);
	link_release(dead);
	return err;
}

enum im_err
upstream_call(struct upstream *u, const struct upstream_call *call, struct arena *arena,
    ProtobufCMessage **answer, enum im_status *status)
{
	const struct rpc_call rpc = {.method = call->method->id,
	    .session = call->token,
	    .request = call->request,
	    .timeout_ms = call->timeout_ms};
	bool again = !(call->method->flags & RPC_WRITES);
	struct link_up *l;
	enum im_err err;

	do {
		*answer = NULL;
		err = upstream_hold(u, &l);
		if (err != IM_OK)
			return err;
		err = rpc_call_wait(l->conn, &rpc, arena, answer, status);
		link_release(l);
	} while (err == IM_ERR_CONNECTION_LOST && again && !(again = false));
	return err;
}

void
upstream_counts(struct upstream *u, size_t *up, uint64_t *made)
{
	size_t i;

	*up = 0;
	for (i = 0; i < u->slots_len; i++) {
		struct slot *s = &u->slots[i];

		pthread_mutex_lock(&s->lock);
		*up += s->link && rpc_client_is_usable(s->link->conn);
		pthread_mutex_unlock(&s->lock);
	}
	*made = atomic_load(&u->made);
}
