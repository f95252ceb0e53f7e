/*
 * Which restores are under way, and whose they are. restore_handlers.c works on them.
 *
 *   free --(restoring_begin)--> idle --(take)--> busy --(give back)--> idle
 *                               idle --(another one begins, the connection is gone)--> removed -->
 *                               free busy --(it failed, was finished, or is abandoned, when given
 *                               back)--> free
 *
 * Invariants:
 * 1. A connection knows a restore by its id only, and ids are not used twice: who comes late finds
 * nothing.
 * 2. Nothing that a restore has is removed while a thread works on it, nor in a callback of the
 * transport.
 */
#include "server/restoring.h"

#include <pthread.h>
#include <stdlib.h>

#include "server/call.h"

struct restoring {
	struct server *server;
	pthread_mutex_t mutex; /* covers id, is_busy and is_abandoned of all */
	uintptr_t last_id;
	struct restore slots[RESTORING_MAX];
};

struct restoring *
restoring_new(struct server *s)
{
	struct restoring *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->server = s;
	pthread_mutex_init(&r->mutex, NULL);
	return r;
}

/* Under the mutex. */
static struct restore *
restoring_slot(struct restoring *r, uintptr_t id)
{
	for (size_t i = 0; i < RESTORING_MAX; i++)
		if (r->slots[i].id == id)
			return &r->slots[i];
	return NULL;
}

/* Removes all that a restore has made. */
static void
restore_clear(struct restore *r)
{
	struct databases *d = r->server->databases;

	archive_reader_free(r->reader);
	store_import_close(r->import);
	if (r->folder[0])
		(void)databases_unstage(d, r->folder);
	r->reader = NULL;
	r->import = NULL;
	r->folder[0] = '\0';
}

static void
restore_free(struct restore *r)
{
	struct restoring *all = r->server->restoring;

	restore_clear(r);
	pthread_mutex_lock(&all->mutex);
	*r = (struct restore){.id = 0};
	pthread_mutex_unlock(&all->mutex);
}

static void
restore_free_job(struct job *job)
{
	err_clear();
	restore_free((struct restore *)job);
}

void
restoring_stop(struct restoring *r)
{
	for (size_t i = 0; r && i < RESTORING_MAX; i++)
		if (r->slots[i].id)
			restore_free(&r->slots[i]);
}

void
restoring_free(struct restoring *r)
{
	if (r)
		pthread_mutex_destroy(&r->mutex);
	free(r);
}

/* Under the mutex: whoever works on it removes it, or else a pool. */
static void
restoring_abandon(struct restoring *r, uintptr_t id)
{
	struct restore *restore = id ? restoring_slot(r, id) : NULL;

	if (!restore || restore->is_abandoned)
		return;
	restore->is_abandoned = true;
	restore->job.run = restore_free_job;
	/* When the pool takes no more, restoring_stop() does it. */
	if (!restore->is_busy)
		(void)workers_submit_always(r->server->administrators, &restore->job);
}

void
restoring_closed(void *ctx, void *conn_user)
{
	struct restoring *r = ((struct server *)ctx)->restoring;

	if (!conn_user)
		return;
	pthread_mutex_lock(&r->mutex);
	restoring_abandon(r, (uintptr_t)conn_user);
	pthread_mutex_unlock(&r->mutex);
}

enum im_err
restoring_begin(struct call *c)
{
	struct restoring *r = c->server->restoring;
	struct restore *restore;

	pthread_mutex_lock(&r->mutex);
	restoring_abandon(r, (uintptr_t)rpc_request_conn_user(c->request));
	restore = restoring_slot(r, 0);
	if (restore) {
		*restore = (struct restore){.server = c->server, .id = ++r->last_id};
		c->request->user = (void *)restore->id;
		rpc_request_set_conn_user(c->request, (void *)restore->id);
	}
	pthread_mutex_unlock(&r->mutex);
	return restore ? IM_OK
		       : err_set(IM_ERR_BUSY, "%s: %d restores are under way",
			     err_text(IM_ERR_BUSY), RESTORING_MAX);
}

void
restoring_find(struct call *c)
{
	c->request->user = rpc_request_conn_user(c->request);
}

enum im_err
restoring_take(struct call *c, struct restore **out)
{
	struct restoring *r = c->server->restoring;
	uintptr_t id = (uintptr_t)c->request->user;

	pthread_mutex_lock(&r->mutex);
	*out = id ? restoring_slot(r, id) : NULL;
	if (*out && ((*out)->is_busy || (*out)->is_abandoned))
		*out = NULL;
	if (*out)
		(*out)->is_busy = true;
	pthread_mutex_unlock(&r->mutex);
	return *out ? IM_OK
		    : err_set(IM_ERR_ILLEGAL_STATE, "%s: no restore is under way here",
			  err_text(IM_ERR_ILLEGAL_STATE));
}

void
restoring_give_back(struct restore *restore, bool give_up)
{
	struct restoring *r = restore->server->restoring;
	bool remove;

	pthread_mutex_lock(&r->mutex);
	restore->is_busy = false;
	remove = restore->is_abandoned || give_up;
	restore->is_abandoned = remove;
	pthread_mutex_unlock(&r->mutex);
	if (remove)
		restore_free(restore);
}
