/*
 * Growing pauses. Neighbours: supervise, the auditor's alerts. Keeps nothing but what it is given.
 */
#include "util/backoff.h"

#include <stdint.h>
#include <sys/random.h>

#include "util/clock.h"

unsigned int
backoff_jitter(unsigned int ms)
{
	uint64_t low = (uint64_t)ms - ms / 4, pause;
	uint32_t random;

	/* Without random numbers the clock spreads callers just as well. */
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
		random = (uint32_t)clock_monotonic_ns();
	pause = low + random % (2 * ((uint64_t)ms / 4) + 1);
	if (pause > UINT32_MAX)
		pause = UINT32_MAX;
	return pause ? (unsigned int)pause : 1;
}

unsigned int
backoff_next(struct backoff *b)
{
	unsigned int ms = b->next_ms ? b->next_ms : b->first_ms;

	if (ms > b->max_ms)
		ms = b->max_ms;
	b->next_ms = ms > b->max_ms / 2 ? b->max_ms : 2 * ms;
	return backoff_jitter(ms);
}

void
backoff_reset(struct backoff *b)
{
	b->next_ms = 0;
}
