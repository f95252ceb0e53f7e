/*
 * A pool of threads behind one bounded queue. The server has two: one for reads, one for passwords.
 *
 * Invariant: a job that was accepted is run, also when the pool is stopped.
 */
#include "server/workers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct workers {
	pthread_mutex_t mutex; /* covers head to stopping */
	pthread_cond_t work;
	struct job *head, **tail;
	size_t waiting;
	bool stopping;
	size_t max;
	int nice;
	size_t thread_count;
	pthread_t threads[];
};

/* The next job; NULL when the pool stops and the queue is empty. */
static struct job *
workers_take(struct workers *w)
{
	struct job *job;

	pthread_mutex_lock(&w->mutex);
	while (!w->head && !w->stopping)
		pthread_cond_wait(&w->work, &w->mutex);
	job = w->head;
	if (job) {
		w->head = job->next;
		if (!w->head)
			w->tail = &w->head;
		w->waiting--;
	}
	pthread_mutex_unlock(&w->mutex);
	return job;
}

static void *
workers_loop(void *arg)
{
	struct workers *w = arg;
	struct job *job;

	/* Of the calling thread alone: on Linux each has a nice value of its own. */
	if (w->nice)
		setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), w->nice);
	while ((job = workers_take(w)) != NULL)
		job->run(job);
	return NULL;
}

enum im_err
workers_start(const struct workers_options *options, struct workers **out)
{
	struct workers *w = calloc(1, sizeof *w + options->threads * sizeof *w->threads);
	size_t i;

	*out = NULL;
	if (!w)
		return IM_ERR_NOMEM;
	w->max = options->max;
	w->nice = options->nice;
	w->tail = &w->head;
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->work, NULL);
	for (i = 0; i < options->threads; i++) {
		if (pthread_create(&w->threads[i], NULL, workers_loop, w) != 0) {
			workers_stop(w);
			workers_free(w);
			return err_set(IM_ERR_NOMEM, "cannot start a thread");
		}
		w->thread_count++;
		pthread_setname_np(w->threads[i], options->name);
	}
	*out = w;
	return IM_OK;
}

void
workers_stop(struct workers *w)
{
	size_t i;

	if (!w)
		return;
	pthread_mutex_lock(&w->mutex);
	w->stopping = true;
	pthread_cond_broadcast(&w->work);
	pthread_mutex_unlock(&w->mutex);
	for (i = 0; i < w->thread_count; i++)
		pthread_join(w->threads[i], NULL);
	w->thread_count = 0;
}

void
workers_free(struct workers *w)
{
	if (!w)
		return;
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->mutex);
	free(w);
}

/* Whether a source has its part of the queue. The mutex is held. */
static bool
workers_has_enough(const struct workers *w, uint64_t source)
{
	size_t of_source = 0;

	if (source == 0 || w->waiting < w->max / 2)
		return false;
	for (const struct job *job = w->head; job; job = job->next)
		of_source += job->source == source;
	return of_source >= w->max / 2;
}

static enum im_err
workers_add(struct workers *w, struct job *job, size_t max)
{
	enum im_err err = IM_OK;

	job->next = NULL;
	pthread_mutex_lock(&w->mutex);
	if (w->waiting >= max || w->stopping || workers_has_enough(w, job->source)) {
		err = IM_ERR_BUSY;
	} else {
		*w->tail = job;
		w->tail = &job->next;
		w->waiting++;
		pthread_cond_signal(&w->work);
	}
	pthread_mutex_unlock(&w->mutex);
	return err;
}

enum im_err
workers_submit(struct workers *w, struct job *job)
{
	return workers_add(w, job, w->max);
}

enum im_err
workers_submit_always(struct workers *w, struct job *job)
{
	return workers_add(w, job, SIZE_MAX);
}

size_t
workers_waiting(struct workers *w)
{
	size_t n;

	pthread_mutex_lock(&w->mutex);
	n = w->waiting;
	pthread_mutex_unlock(&w->mutex);
	return n;
}
