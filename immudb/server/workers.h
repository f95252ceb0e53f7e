#ifndef SERVER_WORKERS_H
#define SERVER_WORKERS_H

#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

/*
 * Threads that do what must not be done in a callback of the transport: hashing passwords, reading
 * cold data. First come, first served; the queue is bounded.
 */
struct workers;

/* A unit of work, embedded in what it works on. run is called once and may free the job. */
struct job {
	struct job *next;
	void (*run)(struct job *job);
	uint64_t source; /* who wants it done; 0: nobody in particular */
};

struct workers_options {
	const char *name; /* of the threads, at most 15 bytes; shown by ps and top */
	size_t threads;
	size_t max; /* so many jobs wait at a time */
	/*
	 * What the threads leave to others of this process, as nice(1) has it: 0 nothing, 19 the
	 * most.
	 */
	int nice;
};

/* Starts the threads. IM_ERR_NOMEM. End with workers_stop() and workers_free(). */
enum im_err workers_start(const struct workers_options *options, struct workers **out);

/* Runs the jobs that wait and joins the threads; from then on no job is accepted. NULL is fine. */
void workers_stop(struct workers *w);

/* Frees a pool that is stopped, or was never used. NULL is fine. */
void workers_free(struct workers *w);

/*
 * Queues a job; never waits. IM_ERR_BUSY when the queue is full, or half of it would be of one
 * source, so that there is room for others: then run is not called.
 */
enum im_err workers_submit(struct workers *w, struct job *job);

/*
 * The same without a limit, for work whose effect has happened already and whose number something
 * else bounds. IM_ERR_BUSY only when the pool is being stopped.
 */
enum im_err workers_submit_always(struct workers *w, struct job *job);

/* Jobs waiting now. */
size_t workers_waiting(struct workers *w);

#endif
