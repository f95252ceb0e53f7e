/* The pool of threads: order, a full queue, jobs that wait when the pool stops. */
#include "server/workers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

struct counted {
	struct job job; /* first */
	size_t number;
};

static _Atomic size_t ran;
static _Atomic bool out_of_order;
static pthread_barrier_t gate;

static void
run_counted(struct job *job)
{
	struct counted *c = (struct counted *)job;

	if (c->number != atomic_fetch_add(&ran, 1))
		atomic_store(&out_of_order, true);
}

/* Waits twice: to say that it runs, and until it may end. */
static void
run_gate(struct job *job)
{
	(void)job;
	pthread_barrier_wait(&gate);
	pthread_barrier_wait(&gate);
}

static void
workers_run_in_order_and_drain(void **state)
{
	struct counted jobs[100], last;
	struct job blocker = {.run = run_gate};
	struct job extra = {.run = run_gate};
	struct workers *w;
	size_t i;

	(void)state;
	pthread_barrier_init(&gate, NULL, 2);
	assert_int_equal(workers_start(&(struct workers_options){"test", 1, 100, 0}, &w), IM_OK);
	assert_int_equal(workers_submit(w, &blocker), IM_OK);
	pthread_barrier_wait(&gate);
	for (i = 0; i < 100; i++) {
		jobs[i] = (struct counted){.job = {.run = run_counted}, .number = i};
		assert_int_equal(workers_submit(w, &jobs[i].job), IM_OK);
	}
	assert_int_equal(workers_waiting(w), 100);
	assert_int_equal(workers_submit(w, &extra), IM_ERR_BUSY);
	last = (struct counted){.job = {.run = run_counted}, .number = 100};
	assert_int_equal(workers_submit_always(w, &last.job), IM_OK);
	pthread_barrier_wait(&gate);
	workers_stop(w);
	assert_int_equal(ran, 101);
	assert_false(out_of_order);
	assert_int_equal(workers_submit(w, &extra), IM_ERR_BUSY);
	assert_int_equal(workers_submit_always(w, &extra), IM_ERR_BUSY);
	workers_free(w);
	pthread_barrier_destroy(&gate);
	workers_stop(NULL);
	workers_free(NULL);
}

/* One source gets half of the queue; another, and nobody in particular, still the rest. */
static void
workers_keep_room_for_others(void **state)
{
	struct counted jobs[10];
	struct job blocker = {.run = run_gate};
	struct workers *w;
	size_t i;

	(void)state;
	atomic_store(&ran, 0);
	pthread_barrier_init(&gate, NULL, 2);
	assert_int_equal(workers_start(&(struct workers_options){"test", 1, 10, 0}, &w), IM_OK);
	assert_int_equal(workers_submit(w, &blocker), IM_OK);
	pthread_barrier_wait(&gate);
	for (i = 0; i < 10; i++)
		jobs[i] = (struct counted){
		    .job = {.run = run_counted, .source = i < 8 ? 7 : 8}, .number = i};
	for (i = 0; i < 5; i++)
		assert_int_equal(workers_submit(w, &jobs[i].job), IM_OK);
	assert_int_equal(workers_submit(w, &jobs[5].job), IM_ERR_BUSY);
	assert_int_equal(workers_submit(w, &jobs[8].job), IM_OK);
	assert_int_equal(workers_submit(w, &jobs[6].job), IM_ERR_BUSY);
	assert_int_equal(workers_submit(w, &jobs[9].job), IM_OK);
	jobs[7].job.source = 0;
	assert_int_equal(workers_submit(w, &jobs[7].job), IM_OK);
	pthread_barrier_wait(&gate);
	workers_stop(w);
	assert_int_equal(ran, 8);
	workers_free(w);
	pthread_barrier_destroy(&gate);
}

/* Two threads: both blockers run at once, or the barrier would never open. */
static void
workers_run_at_once(void **state)
{
	struct job blockers[2] = {{.run = run_gate}, {.run = run_gate}};
	struct workers *w;

	(void)state;
	pthread_barrier_init(&gate, NULL, 3);
	assert_int_equal(workers_start(&(struct workers_options){"test", 2, 2, 0}, &w), IM_OK);
	assert_int_equal(workers_submit(w, &blockers[0]), IM_OK);
	assert_int_equal(workers_submit(w, &blockers[1]), IM_OK);
	pthread_barrier_wait(&gate);
	pthread_barrier_wait(&gate);
	workers_stop(w);
	workers_free(w);
	pthread_barrier_destroy(&gate);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(workers_run_in_order_and_drain),
	    cmocka_unit_test(workers_keep_room_for_others),
	    cmocka_unit_test(workers_run_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
