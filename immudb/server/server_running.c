/*
 * What concerns a server while it runs, other than requests: its signing key, which may be
 * replaced, and whether it still answers. Neighbours: server.c (start and stop), proving.c (signs),
 * main.c (asks).
 *
 * Invariants: a server that signs always has a key, and one that does not never gets one: clients
 * that were told to expect signatures would take the change for an attack. A probe that nobody
 * waits for any more is answered all the same, and then used again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/server_state.h"
#include "util/clock.h"
#include "util/keyfile.h"
#include "util/log.h"

/* A job that shows that the readers work. */
struct server_probe {
	struct job job;
	pthread_mutex_t lock;
	pthread_cond_t done; /* on the monotonic clock */
	bool is_waiting;     /* in the pool */
};

static enum im_err
running_load_key(const char *path, struct sign_private_key **out)
{
	bool world_readable = false;
	enum im_err err = keyfile_load_private(path, &world_readable, out);

	if (err == IM_OK && world_readable)
		log_warn("signing key %s can be read by everybody", path);
	return err;
}

static void
probe_run(struct job *job)
{
	struct server_probe *p = (struct server_probe *)job;

	pthread_mutex_lock(&p->lock);
	p->is_waiting = false;
	pthread_cond_signal(&p->done);
	pthread_mutex_unlock(&p->lock);
}

static enum im_err
probe_new(struct server_probe **out)
{
	struct server_probe *p = calloc(1, sizeof *p);
	pthread_condattr_t attributes;

	*out = p;
	if (!p)
		return IM_ERR_NOMEM;
	p->job.run = probe_run;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&p->done, &attributes);
	pthread_condattr_destroy(&attributes);
	return IM_OK;
}

enum im_err
server_running_begin(struct server *s)
{
	const char *path = s->options.signing_key;
	enum im_err err = probe_new(&s->probe);

	pthread_rwlock_init(&s->key_lock, NULL);
	if (err == IM_OK && path && path[0])
		err = running_load_key(path, &s->key);
	s->is_signing = s->key != NULL;
	return err;
}

void
server_running_end(struct server *s)
{
	if (s->key)
		sign_private_key_free(s->key);
	pthread_rwlock_destroy(&s->key_lock);
	if (!s->probe)
		return;
	pthread_cond_destroy(&s->probe->done);
	pthread_mutex_destroy(&s->probe->lock);
	free(s->probe);
}

enum im_err
server_sign(struct server *s, const struct sign_state *state, struct server_signature *out)
{
	enum im_err err;

	pthread_rwlock_rdlock(&s->key_lock);
	err = sign_make(s->key, state, out->der, &out->der_len);
	sign_private_key_point(s->key, out->point);
	pthread_rwlock_unlock(&s->key_lock);
	return err;
}

enum im_err
server_reload_key(struct server *s, const char *path)
{
	uint8_t was[SIGN_POINT_SIZE], is[SIGN_POINT_SIZE];
	struct sign_private_key *key, *old;
	enum im_err err;

	if (!s->is_signing)
		return IM_OK;
	err = running_load_key(path, &key);
	if (err != IM_OK)
		return err;
	pthread_rwlock_wrlock(&s->key_lock);
	old = s->key;
	s->key = key;
	pthread_rwlock_unlock(&s->key_lock);
	sign_private_key_point(old, was);
	sign_private_key_point(key, is);
	sign_private_key_free(old);
	if (memcmp(was, is, sizeof is) != 0)
		log_warn(
		    "states are signed with another key now, that of %s: clients need its public key",
		    path);
	return IM_OK;
}

bool
server_answers(struct server *s, unsigned int timeout_ms)
{
	int64_t end_ns = clock_monotonic_ns() + timeout_ms * CLOCK_NS_PER_MS;
	struct timespec end = {
	    .tv_sec = end_ns / CLOCK_NS_PER_S, .tv_nsec = end_ns % CLOCK_NS_PER_S};
	struct server_probe *p = s->probe;
	bool is_done;

	pthread_mutex_lock(&p->lock);
	if (!p->is_waiting) {
		p->is_waiting = true;
		/* Of a pool that is being stopped: whoever stops it waits for it. */
		if (workers_submit_always(s->readers, &p->job) != IM_OK)
			p->is_waiting = false;
	}
	while (p->is_waiting && pthread_cond_timedwait(&p->done, &p->lock, &end) != ETIMEDOUT)
		continue;
	is_done = !p->is_waiting;
	pthread_mutex_unlock(&p->lock);
	return is_done;
}
