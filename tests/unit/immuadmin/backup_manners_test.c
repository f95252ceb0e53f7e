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

/* In a process of its own: what is lowered stays so. Nothing is ever raised. */
static void
check_priority(enum backup_priority priority, int policy, int nice_least)
{
	int before = getpriority(PRIO_PROCESS, 0), status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		int expected = nice_least > before ? nice_least : before;

		backup_lower_priority(priority);
		_exit(sched_getscheduler(0) != policy || getpriority(PRIO_PROCESS, 0) != expected);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void
test_priorities(void **state)
{
	int policy = sched_getscheduler(0);

	(void)state;
	check_priority(BACKUP_PRIORITY_IDLE, SCHED_IDLE, 0);
	check_priority(BACKUP_PRIORITY_LOW, policy, 15);
	check_priority(BACKUP_PRIORITY_NORMAL, policy, 0);
}

/* What the system says of this process's session. */
enum session_share {
	/* Nothing: it keeps no share by session, or the process is of none. */
	SHARE_UNKNOWN,
	SHARE_USUAL,
	SHARE_LOWERED,
};

static enum session_share
session_share(void)
{
	FILE *f = fopen("/proc/self/autogroup", "r");
	char text[64] = "";

	if (!f)
		return SHARE_UNKNOWN;
	if (!fgets(text, sizeof text, f))
		text[0] = '\0';
	(void)fclose(f);
	if (!text[0])
		return SHARE_UNKNOWN;
	return strstr(text, "nice 19\n") ? SHARE_LOWERED : SHARE_USUAL;
}

/* In a process of its own, which leads a session or not: the share of its session afterwards. */
static enum session_share
share_after(bool leads, enum backup_priority priority)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		if (leads && setsid() < 0)
			_exit(9);
		backup_lower_priority(priority);
		_exit((int)session_share());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return (enum session_share)WEXITSTATUS(status);
}

/* The share of a session is its leader's to make small, and only for an idle backup. */
static void
test_session(void **state)
{
	enum session_share before = session_share();
	enum session_share new_session = share_after(true, BACKUP_PRIORITY_NORMAL);

	(void)state;
	assert_int_not_equal(new_session, SHARE_LOWERED);
	assert_int_equal(share_after(true, BACKUP_PRIORITY_IDLE),
	    new_session == SHARE_UNKNOWN ? SHARE_UNKNOWN : SHARE_LOWERED);
	assert_int_equal(share_after(false, BACKUP_PRIORITY_IDLE), before);
	assert_int_equal(session_share(), before);
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
