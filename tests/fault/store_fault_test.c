/*
 * The engine on a disk that fails or loses power at each of its calls: what was acknowledged
 * survives, nothing half-written shows, nothing is called corrupt, and it goes on.
 *
 *	store_fault_test synced|unsynced
 *
 * Every run starts from the same database of a few transactions, cleanly closed. Power cuts and
 * failures hit the writing of more, and the recovery after that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "fault_vfs.h"
#include "util/log.h"
#include "workload.h"

#define BASE_TXS 30u
#define MORE_TXS 100u
/* Places tried in one test: of the writing, and of recovery. */
#define PLACES 60u
#define RECOVERY_PLACES 40u
/* Disks made of each power cut. */
#define DISKS 4u

static struct {
	struct fault_vfs *disk;
	struct fault_vfs *base;
	struct fault_vfs *cut;
	struct workload_record *record;
	struct workload_record *base_record;
	struct workload_record *cut_record;
	struct workload work;
	int log_fd; /* what the engine says */
} scene;

static void
record_copy(struct workload_record *to, const struct workload_record *from)
{
	to->submitted = from->submitted;
	to->acked_tx = from->acked_tx;
	to->durable_tx = from->durable_tx;
	memcpy(to->acks, from->acks, (from->acked_tx + 1) * sizeof *from->acks);
}

static int
make_scene(void **state)
{
	(void)state;
	scene.disk = fault_vfs_new();
	scene.base = fault_vfs_new();
	scene.cut = fault_vfs_new();
	scene.record = workload_record_new();
	scene.base_record = workload_record_new();
	scene.cut_record = workload_record_new();
	if (!scene.disk || !scene.base || !scene.cut || !scene.record || !scene.base_record ||
	    !scene.cut_record)
		return -1;
	scene.work.vfs = fault_vfs_table(scene.disk);
	scene.work.dir = FAULT_ROOT "/db";
	scene.work.power_cut = true;
	scene.work.record = scene.record;
	if (workload_run_write(&scene.work, BASE_TXS) != WORKLOAD_OK)
		return -1;
	fault_vfs_crash(scene.disk, FAULT_LOSE_EVERYTHING, 0);
	fault_vfs_copy(scene.base, scene.disk);
	record_copy(scene.base_record, scene.record);
	return 0;
}

/* The engine's lines go to a file without a name; a test that ends leaves nothing. */
static bool
catch_log(void)
{
	const char *base = getenv("TMPDIR");
	char path[256];
	struct log_config config = {
	    .program = "store_fault_test", .path = path, .level = LOG_LEVEL_WARN};
	bool caught;

	snprintf(path, sizeof path, "%s/immudb-fault-XXXXXX", base ? base : "/tmp");
	scene.log_fd = mkstemp(path);
	caught = scene.log_fd >= 0 && log_open(&config) == IM_OK;
	unlink(path);
	return caught;
}

/* Whether the engine has said that since the last time. */
static bool
has_said(const char *text)
{
	char line[1024];
	bool found = false;
	FILE *log = fdopen(dup(scene.log_fd), "r");

	assert_non_null(log);
	rewind(log);
	while (fgets(line, sizeof line, log)) {
		if (strstr(line, text)) {
			fputs(line, stderr);
			found = true;
		}
	}
	fclose(log);
	assert_int_equal(ftruncate(scene.log_fd, 0), 0);
	return found;
}

static int
free_scene(void **state)
{
	(void)state;
	fault_vfs_free(scene.disk);
	fault_vfs_free(scene.base);
	fault_vfs_free(scene.cut);
	workload_record_free(scene.record);
	workload_record_free(scene.base_record);
	workload_record_free(scene.cut_record);
	return 0;
}

static void
restore(const struct fault_vfs *disk, const struct workload_record *record)
{
	fault_vfs_copy(scene.disk, disk);
	record_copy(scene.record, record);
}

/* The database of the scene is as promised, and takes more. */
static void
check_scene(const char *what, uint64_t at, uint64_t seed)
{
	int status = workload_run_check(&scene.work, 1);

	if (status == WORKLOAD_OK && seed % 2 == 0)
		status = workload_run_write(&scene.work, 3);
	if (status == WORKLOAD_OK && seed % 2 == 0)
		status = workload_run_check(&scene.work, 1);
	if (status != WORKLOAD_OK)
		fail_msg("%s at call %llu, seed %llu: ends with %d", what, (unsigned long long)at,
		    (unsigned long long)seed, status);
}

/* Distance between the places so that so many are tried among the calls of the work given. */
static uint64_t
step_for(uint64_t txs, unsigned places)
{
	uint64_t calls;

	fault_vfs_plan(scene.disk, &(struct fault_plan){0});
	assert_int_equal(workload_run_write(&scene.work, txs), WORKLOAD_OK);
	calls = fault_vfs_calls(scene.disk);
	places = workload_amount(places);
	return calls > places ? calls / places : 1;
}

/* What became of a disk that lost power: perhaps it loses it again while it recovers. */
static void
check_cut(uint64_t at, uint64_t seed)
{
	enum fault_loss loss = seed == 0 ? FAULT_LOSE_EVERYTHING
	    : seed == 1                  ? FAULT_LOSE_NOTHING
					 : FAULT_LOSE_RANDOM;
	uint64_t random = at * 1000 + seed;
	int status;

	restore(scene.cut, scene.cut_record);
	fault_vfs_crash(scene.disk, loss, random);
	if (seed % 2) {
		fault_vfs_plan(scene.disk,
		    &(struct fault_plan){
			.kind = FAULT_CUT, .at = 1 + fault_random(&random) % 120, .seed = random});
		status = workload_run_check(&scene.work, 1);
		if (status != WORKLOAD_OK && status != FAULT_CUT_EXIT)
			fail_msg("recovery from the cut at call %llu, seed %llu: ends with %d",
			    (unsigned long long)at, (unsigned long long)seed, status);
		fault_vfs_crash(scene.disk, FAULT_LOSE_RANDOM, random + 1);
	}
	check_scene("power cut", at, seed);
}

static void
survives_power_cuts(void **state)
{
	uint64_t step, at;
	int status = FAULT_CUT_EXIT;

	(void)state;
	restore(scene.base, scene.base_record);
	step = step_for(MORE_TXS, PLACES);
	for (at = 1; status == FAULT_CUT_EXIT; at += step) {
		restore(scene.base, scene.base_record);
		fault_vfs_plan(
		    scene.disk, &(struct fault_plan){.kind = FAULT_CUT, .at = at, .seed = at});
		status = workload_run_write(&scene.work, MORE_TXS);
		assert_true(status == FAULT_CUT_EXIT || status == WORKLOAD_OK);
		fault_vfs_copy(scene.cut, scene.disk);
		record_copy(scene.cut_record, scene.record);
		for (uint64_t seed = 0; seed < DISKS; seed++)
			check_cut(at, seed);
	}
	assert_true(at / step > workload_amount(PLACES) / 2);
	/*
	 * Whatever the checkpoint names was synced before it: nothing has to be read from the
	 * start.
	 */
	assert_false(has_said("made anew"));
}

/* A new database: the cut hits its creation. */
static void
survives_power_cuts_of_its_creation(void **state)
{
	int status = FAULT_CUT_EXIT;

	(void)state;
	for (uint64_t at = 1; status == FAULT_CUT_EXIT && at < 100; at++) {
		fault_vfs_reset(scene.disk);
		memset(scene.record, 0, offsetof(struct workload_record, acks));
		fault_vfs_plan(
		    scene.disk, &(struct fault_plan){.kind = FAULT_CUT, .at = at, .seed = at});
		status = workload_run_write(&scene.work, 3);
		assert_true(status == FAULT_CUT_EXIT || status == WORKLOAD_OK);
		fault_vfs_crash(scene.disk, FAULT_LOSE_RANDOM, at);
		check_scene("power cut of the creation", at, at);
	}
}

static struct fault_plan
failure(uint64_t at)
{
	return (struct fault_plan){.kind = FAULT_FAIL,
	    .at = at,
	    .error = at % 2 ? EIO : ENOSPC,
	    .sticky = at % 4 >= 2,
	    .seed = at};
}

/* One failing call, and then the power is cut. */
static void
fail_and_check(const char *what, uint64_t at, uint64_t txs)
{
	struct fault_plan plan = failure(at);
	int status;

	fault_vfs_plan(scene.disk, &plan);
	status = workload_run_write(&scene.work, txs);
	if (status != WORKLOAD_OK && status != WORKLOAD_FATAL && status != WORKLOAD_REFUSED)
		fail_msg("%s %llu: ends with %d", what, (unsigned long long)at, status);
	fault_vfs_crash(scene.disk, at % 3 ? FAULT_LOSE_RANDOM : FAULT_LOSE_EVERYTHING, at);
	check_scene(what, at, at);
}

static void
survives_failing_calls(void **state)
{
	uint64_t step, calls;

	(void)state;
	restore(scene.base, scene.base_record);
	step = step_for(MORE_TXS, PLACES);
	calls = fault_vfs_calls(scene.disk);
	for (uint64_t at = 1; at <= calls; at += step) {
		restore(scene.base, scene.base_record);
		fail_and_check("failing call", at, MORE_TXS);
	}
}

/* Recovery after a cut in the midst of the work, with one failing call. */
static void
survives_failing_calls_of_recovery(void **state)
{
	uint64_t step, calls;

	(void)state;
	restore(scene.base, scene.base_record);
	assert_int_equal(workload_run_write(&scene.work, MORE_TXS), WORKLOAD_OK);
	calls = fault_vfs_calls(scene.disk);
	restore(scene.base, scene.base_record);
	fault_vfs_plan(
	    scene.disk, &(struct fault_plan){.kind = FAULT_CUT, .at = calls / 2, .seed = 5});
	assert_int_equal(workload_run_write(&scene.work, MORE_TXS), FAULT_CUT_EXIT);
	fault_vfs_crash(scene.disk, FAULT_LOSE_NOTHING, 0);
	fault_vfs_copy(scene.cut, scene.disk);
	record_copy(scene.cut_record, scene.record);
	step = step_for(2, RECOVERY_PLACES);
	calls = fault_vfs_calls(scene.disk);
	for (uint64_t at = 1; at <= calls; at += step) {
		restore(scene.cut, scene.cut_record);
		fail_and_check("failing call of recovery", at, 2);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(survives_power_cuts),
	    cmocka_unit_test(survives_power_cuts_of_its_creation),
	    cmocka_unit_test(survives_failing_calls),
	    cmocka_unit_test(survives_failing_calls_of_recovery),
	};

	if (argc != 2 || (strcmp(argv[1], "synced") != 0 && strcmp(argv[1], "unsynced") != 0)) {
		fprintf(stderr, "usage: %s synced|unsynced\n", argv[0]);
		return 2;
	}
	scene.work.unsynced = argv[1][0] == 'u';
	if (!catch_log()) {
		perror("temporary file");
		return 1;
	}
	return cmocka_run_group_tests(tests, make_scene, free_scene);
}
