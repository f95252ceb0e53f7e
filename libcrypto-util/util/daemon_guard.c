/*
 * Signals to stop while the daemon starts or stops, when its main thread does not wait for them.
 * Neighbours: daemon (which blocks the signals and waits for them in between), daemon_main.
 *
 * Invariants: one guard at a time, begun and ended by the main thread; a signal that comes when it
 * is being ended is left for daemon_wait_stop(), or ends the process: it is never lost.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/daemon.h"
#include "util/log.h"

#define GUARD_NO_FD (-1)
/* A start that is told to end may take so long to come to its end, and then stops in good order. */
#define GUARD_GRACE_MS 1000

static struct {
	pthread_t thread;
	const char *doing; /* NULL: there is no guard */
	int64_t end_ns;    /* monotonic; 0: no deadline */
	int signal_fd;
	int end_fd;
} guard = {.signal_fd = GUARD_NO_FD, .end_fd = GUARD_NO_FD};

/* As if the signal had not been blocked; the first process of a container does not die of one. */
static _Noreturn void
guard_die(int number)
{
	sigset_t one;

	log_warn(
	    "%s while %s: ended at once", number == SIGINT ? "SIGINT" : "SIGTERM", guard.doing);
	daemon_pidfile_remove();
	sigemptyset(&one);
	sigaddset(&one, number);
	(void)signal(number, SIG_DFL);
	(void)raise(number);
	(void)pthread_sigmask(SIG_UNBLOCK, &one, NULL);
	_exit(IM_EXIT_INTERRUPTED);
}

static _Noreturn void
guard_give_up(void)
{
	log_error("%s takes too long: ended as it is", guard.doing);
	daemon_pidfile_remove();
	_exit(IM_EXIT_ERROR);
}

static int
guard_left_ms(void)
{
	int64_t left;

	if (!guard.end_ns)
		return -1;
	left = (guard.end_ns - clock_monotonic_ns() + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
	return left > 0 ? (int)left : 0;
}

/*
 * A signal has come and is not taken yet. True when what is guarded has ended in the meantime: then
 * the signal is left for daemon_wait_stop().
 */
static bool
guard_has_grace(void)
{
	struct pollfd end = {.fd = guard.end_fd, .events = POLLIN};
	int64_t by = clock_monotonic_ns() + GUARD_GRACE_MS * CLOCK_NS_PER_MS;
	int n;

	if (guard.end_ns)
		return false;
	do
		n = poll(&end, 1, GUARD_GRACE_MS);
	while (n < 0 && errno == EINTR && clock_monotonic_ns() < by);
	return n > 0;
}

static void *
guard_run(void *arg)
{
	struct pollfd wait[2] = {
	    {.fd = guard.end_fd, .events = POLLIN}, {.fd = guard.signal_fd, .events = POLLIN}};
	struct signalfd_siginfo info;
	int n;

	for (;;) {
		n = poll(wait, 2, guard_left_ms());
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || wait[0].revents)
			return arg;
		if (n == 0)
			guard_give_up();
		if (guard_has_grace())
			return arg;
		if (read(guard.signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
			guard_die((int)info.ssi_signo);
	}
}

static void
guard_close(void)
{
	if (guard.signal_fd >= 0)
		close(guard.signal_fd);
	if (guard.end_fd >= 0)
		close(guard.end_fd);
	guard.signal_fd = guard.end_fd = GUARD_NO_FD;
	guard.doing = NULL;
}

enum im_err
daemon_guard_begin(const char *doing, unsigned int deadline_ms)
{
	sigset_t stop;
	int e;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	guard.doing = doing;
	guard.end_ns =
	    deadline_ms ? clock_monotonic_ns() + (int64_t)deadline_ms * CLOCK_NS_PER_MS : 0;
	guard.signal_fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	guard.end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e = guard.signal_fd < 0 || guard.end_fd < 0
	    ? errno
	    : pthread_create(&guard.thread, NULL, guard_run, NULL);
	if (!e)
		return IM_OK;
	guard_close();
	return err_set(IM_ERR_IO, "cannot hear signals while %s: %s", doing, strerror(e));
}

void
daemon_guard_end(void)
{
	uint64_t one = 1;

	if (!guard.doing)
		return;
	/* Cannot fail: the counter is 0. */
	if (write(guard.end_fd, &one, sizeof one) == (ssize_t)sizeof one)
		(void)pthread_join(guard.thread, NULL);
	guard_close();
}
