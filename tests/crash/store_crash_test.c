/*
 * Kills a process that writes through the engine at random moments, and compares what the database
 * then holds with what was acknowledged: nothing is lost, nothing half-written shows, chain, tree
 * and index recompute, and every state that was ever acknowledged leads to the present one by
 * proof.
 *
 *	store_crash_test [SEED]
 *
 * IMMUDB_CRASH_KILLS says how often. Synced and unsynced writing take turns: a killed process
 * loses nothing that it wrote.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fault_vfs.h"
#include "scratch.h"
#include "util/log.h"
#include "workload.h"

#define KILLS 150u
/* Each database lives for so many kills, so that its creation is hit as well. */
#define KILLS_EACH 25u
#define TXS_EACH (WORKLOAD_TXS_MAX / KILLS_EACH)
/* A new database is hit early, and one that has grown later. */
#define LIFE_FIRST_US 3000u
#define LIFE_MAX_US 60000u

struct crash {
	char dir[SCRATCH_PATH_MAX];
	struct workload work;
	uint64_t random;
	unsigned kills;
	uint64_t txs;
};

/* Lets one writer run for a while. */
static bool
kill_once(struct crash *c, unsigned kill_number)
{
	uint64_t life = kill_number % KILLS_EACH == 0 ? LIFE_FIRST_US : LIFE_MAX_US;
	pid_t child = scratch_fork();
	int status;

	if (child == 0)
		_exit((int)workload_write(&c->work, TXS_EACH));
	status = child < 0 ? 1 : scratch_kill_after(child, life, &c->random);
	if (status == -SIGKILL || status == WORKLOAD_OK)
		return true;
	fprintf(stderr, "kill %u: the writer ended with %d\n", kill_number, status);
	return false;
}

/* Reads what is new since the last check, or everything. */
static bool
check_once(struct crash *c, unsigned kill_number, uint64_t from_tx)
{
	int status = workload_run_check(&c->work, from_tx);

	if (status != WORKLOAD_OK)
		fprintf(stderr, "kill %u: the check from tx %llu on ended with %d\n", kill_number,
		    (unsigned long long)from_tx, status);
	return status == WORKLOAD_OK;
}

static bool
run_database(struct crash *c, unsigned first_kill, unsigned kills)
{
	char path[2 * SCRATCH_PATH_MAX];
	uint64_t checked = 0;
	bool right = true;

	snprintf(path, sizeof path, "%s/db", c->dir);
	c->work = (struct workload){.dir = path, .record = workload_record_new()};
	if (!c->work.record)
		return false;
	for (unsigned i = 0; right && i < kills; i++) {
		c->work.unsynced = i % 2;
		right = kill_once(c, first_kill + i) && check_once(c, first_kill + i, checked + 1);
		checked = c->work.record->acked_tx;
	}
	right = right && check_once(c, first_kill + kills, 1);
	c->txs += checked;
	workload_record_free(c->work.record);
	scratch_remove(path);
	return right;
}

int
main(int argc, char **argv)
{
	struct crash c = {.kills = scratch_kills(KILLS)};
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);
	bool right = scratch_make(c.dir);

	c.random = seed;
	log_set_level(LOG_LEVEL_ERROR);
	printf("seed %llu, %u kills\n", (unsigned long long)seed, c.kills);
	fflush(stdout);
	for (unsigned done = 0; right && done < c.kills; done += KILLS_EACH) {
		unsigned left = c.kills - done;

		right = run_database(&c, done, left < KILLS_EACH ? left : KILLS_EACH);
	}
	scratch_remove(c.dir);
	printf("%s: %llu transactions\n", right ? "all is as promised" : "FAILED",
	    (unsigned long long)c.txs);
	return right && c.txs > 0 ? 0 : 1;
}
