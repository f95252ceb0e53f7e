/*
 * The server against a model: long random sequences of all operations on keys, through the client
 * library, with clean stops, kills and lost indexes in between; every outcome and everything read
 * is compared.
 *
 *	model_test IMMUDB [SEED [ROUNDS]]
 *
 * What happens follows from the seed, which is printed, but for the moment of a kill: of a run of
 * several rounds each has the seed after the one before. Limits: expirations are long ago or far
 * away, so that no clock matters.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model_run.h"
#include "util/log.h"
#include "workload.h"

#define ROUNDS 1u
#define ROUNDS_LONG 30u
#define STEPS 450u
/* Every so many steps. */
#define COMPARE_EVERY 100u
#define RESTART_EVERY 50u
#define STREAM_EVERY 40u
#define MANY_EVERY 10u

static struct run run;

static void
end_run(void)
{
	run_end(&run);
}

static void
restart(struct run *r)
{
	switch (sample_draw(4)) {
	case 0:
		run_restart(r, SIGTERM);
		break;
	case 1:
		run_restart(r, SIGKILL);
		break;
	case 2:
		run_restart_without_index(r);
		break;
	default:
		write_and_kill(r);
	}
}

static void
one_round(struct run *r, uint64_t seed)
{
	r->seed = seed;
	r->done = r->refused = 0;
	sample_seed(seed);
	run_begin(r);
	for (r->step = 1; r->step <= STEPS; r->step++) {
		if (r->step % MANY_EVERY == 0)
			write_many(r);
		else
			write_random(r);
		read_random(r);
		if (sample_once_in(2))
			run_swap(r);
		read_random(r);
		if (r->step % STREAM_EVERY == 0)
			stream_write_random(r);
		if (r->step % RESTART_EVERY == 0)
			restart(r);
		if (r->step % COMPARE_EVERY == 0)
			read_all(r);
	}
	stream_long_history(r);
	stream_largest(r);
	/* Neither all nor nothing may have been refused. */
	if (r->done < STEPS / 4 || r->refused < STEPS / 8)
		run_wrong(r, "%u writes were made, %u refused", r->done, r->refused);
	printf("seed %llu: %u writes made, %u refused\n", (unsigned long long)seed, r->done,
	    r->refused);
	fflush(stdout);
	run_end(r);
}

int
main(int argc, char **argv)
{
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL) * 1000;
	unsigned long rounds = argc > 3 ? strtoul(argv[3], NULL, 10)
	    : workload_effort() > 1     ? ROUNDS_LONG
					: ROUNDS;

	if (argc < 2) {
		fputs("usage: model_test IMMUDB [SEED [ROUNDS]]\n", stderr);
		return 2;
	}
	run.immudb = argv[1];
	atexit(end_run);
	log_set_level(LOG_LEVEL_ERROR);
	for (unsigned long i = 0; i < rounds; i++)
		one_round(&run, seed + i);
	return 0;
}
