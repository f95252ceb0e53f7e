#ifndef HOSTILE_HONEST_H
#define HOSTILE_HONEST_H

#include <pthread.h>
#include <stdatomic.h>

#include "peer.h"

/*
 * A well-behaved client in a thread of its own, which reads and now and then writes, one call after
 * another, on connections that it keeps for a while and then opens anew.
 */
#define HONEST_SAMPLES 65536u

struct honest {
	const struct target *target;
	char token[TOKEN_MAX];
	pthread_t thread;
	atomic_bool stop, failed;
	atomic_bool stays;  /* on the connection that it has */
	atomic_bool paused; /* asks nothing */
	atomic_uint calls;
	uint32_t us[HONEST_SAMPLES]; /* how long the calls took */
};

/* Logs in and starts. False with a message. */
bool honest_start(struct honest *h, const struct target *t);

/*
 * Waits until that many more calls have been answered; false when one failed or it takes too long.
 */
bool honest_wait(struct honest *h, unsigned calls);

/* Forgets the samples so far; the next ones count. */
void honest_mark(struct honest *h);

/* Of the calls since the mark: how many, and the 99th percentile in microseconds. */
unsigned honest_calls(struct honest *h);
uint32_t honest_p99_us(struct honest *h);

/* Ends the thread; false when a call failed. */
bool honest_stop(struct honest *h);

#endif
