/*
 * Priority and pace of a backup. Neighbour: admin_hot_backup.c.
 *
 * Invariant: what is not set here, on a system that refuses it, costs speed of others and nothing
 * else; so it is no error.
 */
#include "backup_manners.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

#define LOW_NICE 15
#define SESSION_FILE "/proc/self/autogroup"
#define SESSION_NICE "19"
#define PACE_SLACK_NS (CLOCK_NS_PER_S / 10)

/* In a session of others it would slow down those, and go on doing so. */
static void
lower_own_session(void)
{
	int fd = getsid(0) == getpid() ? open(SESSION_FILE, O_WRONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	if (write(fd, SESSION_NICE, sizeof SESSION_NICE - 1) < 0)
		errno = 0; /* It is no more than a wish. */
	(void)close(fd);
}

void
backup_lower_priority(enum backup_priority priority)
{
	struct sched_param none = {0};

	if (priority == BACKUP_PRIORITY_NORMAL)
		return;
	lower_own_session();
	/*
	 * A nice value is not enough for who wants to be out of the way: it makes the share small,
	 * but a thread that wakes up still waits for the end of a slice.
	 */
	if (priority == BACKUP_PRIORITY_IDLE && sched_setscheduler(0, SCHED_IDLE, &none) == 0)
		return;
	(void)setpriority(PRIO_PROCESS, 0, LOW_NICE);
}

enum im_err
backup_pace_check(uint64_t rate)
{
	if (rate == 0 || rate >= BACKUP_RATE_MIN)
		return IM_OK;
	return err_set(IM_ERR_USAGE, "--rate is at least 64KiB a second, or 0 for no limit");
}

int64_t
backup_pace_take(struct backup_pace *p, size_t n, int64_t now_ns)
{
	if (p->rate == 0)
		return 0;
	if (p->due_ns == 0)
		p->due_ns = now_ns;
	if (p->due_ns < now_ns - PACE_SLACK_NS)
		p->due_ns = now_ns - PACE_SLACK_NS;
	p->due_ns += (int64_t)((double)n / (double)p->rate * (double)CLOCK_NS_PER_S);
	return p->due_ns > now_ns ? p->due_ns - now_ns : 0;
}

void
backup_pace_wait(struct backup_pace *p, size_t n)
{
	struct timespec until;

	if (backup_pace_take(p, n, clock_monotonic_ns()) == 0)
		return;
	until.tv_sec = p->due_ns / CLOCK_NS_PER_S;
	until.tv_nsec = p->due_ns % CLOCK_NS_PER_S;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}
