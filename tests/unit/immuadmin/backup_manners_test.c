/* What a backup leaves to others: the arithmetic of its pace, and its priority. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backup_manners.h"
#include "util/clock.h"

#define RATE 1000000u
#define BEGIN_NS (7 * CLOCK_NS_PER_S)

static void
test_no_limit(void **state)
{
	struct backup_pace p = {0};

	(void)state;
	assert_int_equal(backup_pace_take(&p, SIZE_MAX / 2, BEGIN_NS), 0);
	backup_pace_wait(&p, SIZE_MAX / 2);
}

static void
test_takes_at_the_rate(void **state)
{
	struct backup_pace p = {.rate = RATE};
	int64_t now_ns = BEGIN_NS, wait_ns = 0;

	(void)state;
	for (int i = 0; i < 40; i++) {
		now_ns += wait_ns;
		wait_ns = backup_pace_take(&p, RATE / 4, now_ns);
		assert_int_equal(wait_ns, CLOCK_NS_PER_S / 4);
	}
	assert_int_equal(now_ns + wait_ns - BEGIN_NS, 10 * CLOCK_NS_PER_S);
	/* What comes late by less than the slack shortens the wait. */
	now_ns += wait_ns + CLOCK_NS_PER_S / 20;
	assert_int_equal(
	    backup_pace_take(&p, RATE / 4, now_ns), CLOCK_NS_PER_S / 4 - CLOCK_NS_PER_S / 20);
}

static void
test_a_gap_is_not_made_up_for(void **state)
{
	struct backup_pace p = {.rate = RATE};
	int64_t now_ns = BEGIN_NS + 3600 * CLOCK_NS_PER_S;

	(void)state;
	assert_int_equal(backup_pace_take(&p, RATE, BEGIN_NS), CLOCK_NS_PER_S);
	assert_int_equal(backup_pace_take(&p, RATE / 10, now_ns), 0);
	assert_int_equal(backup_pace_take(&p, RATE, now_ns), CLOCK_NS_PER_S);
}

static void
test_rates(void **state)
{
	(void)state;
	assert_int_equal(backup_pace_check(0), IM_OK);
	assert_int_equal(backup_pace_check(1), IM_ERR_USAGE);
	assert_int_equal(backup_pace_check(BACKUP_RATE_MIN - 1), IM_ERR_USAGE);
	assert_int_equal(backup_pace_check(BACKUP_RATE_MIN), IM_OK);
	assert_int_equal(backup_pace_check(UINT64_MAX), IM_OK);
}

/* In a process of its own: what is lowered stays so. */
static void
check_priority(enum backup_priority priority, int policy, int nice_more)
{
	int before = getpriority(PRIO_PROCESS, 0), status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		int expected = before;

		backup_lower_priority(priority);
		if (nice_more > before)
			expected = nice_more;
		_exit(sched_getscheduler(0) != policy || getpriority(PRIO_PROCESS, 0) != expected);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void
test_priorities(void **state)
{
	(void)state;
	/* One that the tests run with already is not to be seen through. */
	if (sched_getscheduler(0) != SCHED_OTHER || getpriority(PRIO_PROCESS, 0) > 15)
		skip();
	check_priority(BACKUP_PRIORITY_IDLE, SCHED_IDLE, 0);
	check_priority(BACKUP_PRIORITY_LOW, SCHED_OTHER, 15);
	check_priority(BACKUP_PRIORITY_NORMAL, SCHED_OTHER, 0);
}

/*
 * What the system says of the share of this session: 1 that it is 19, 0 that it is not, -1 nothing.
 */
static int
session_is_lowered(void)
{
	FILE *f = fopen("/proc/self/autogroup", "r");
	char text[64] = "";

	if (!f)
		return -1;
	if (!fgets(text, sizeof text, f))
		text[0] = '\0';
	(void)fclose(f);
	return text[0] ? strstr(text, "nice 19\n") != NULL : -1;
}

/* As the exit status of a process of its own, which may lead a session or not. */
static int
session_after(bool leads, enum backup_priority priority)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		if (leads && setsid() < 0)
			_exit(9);
		backup_lower_priority(priority);
		_exit(session_is_lowered() == 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
test_session(void **state)
{
	(void)state;
	if (session_is_lowered() != 0)
		skip();
	assert_int_equal(session_after(true, BACKUP_PRIORITY_IDLE), 1);
	assert_int_equal(session_after(true, BACKUP_PRIORITY_NORMAL), 0);
	assert_int_equal(session_after(false, BACKUP_PRIORITY_IDLE), 0);
	assert_int_equal(session_is_lowered(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_limit),
	    cmocka_unit_test(test_takes_at_the_rate),
	    cmocka_unit_test(test_a_gap_is_not_made_up_for),
	    cmocka_unit_test(test_rates),
	    cmocka_unit_test(test_priorities),
	    cmocka_unit_test(test_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
