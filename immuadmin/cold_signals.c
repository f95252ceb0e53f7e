/*
 * Signals during a backup and a restore. Neighbours: admin_cold_backup.c and admin_cold_restore.c, which look
 * between two steps, and cold_states.c, whose wait for another program ends with one.
 *
 * Invariant: once a signal was seen it stays seen, so that every step after it is left out.
 */
#include "cold_signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static struct {
	int fd;
	sigset_t before;
} signals = {.fd = -1};

static void
stop_signals(sigset_t *out)
{
	sigemptyset(out);
	sigaddset(out, SIGINT);
	sigaddset(out, SIGTERM);
	sigaddset(out, SIGHUP);
}

enum im_err
cold_signals_begin(void)
{
	sigset_t stop;

	stop_signals(&stop);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &stop, &signals.before) != 0)
		return err_set_errno(IM_ERR_IO, "cannot block", "signals");
	signals.fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	return signals.fd < 0 ? err_set_errno(IM_ERR_IO, "cannot wait for", "signals") : IM_OK;
}

enum im_err
cold_signals_check(void)
{
	struct pollfd p = {.fd = signals.fd, .events = POLLIN};

	if (signals.fd < 0 || poll(&p, 1, 0) <= 0)
		return IM_OK;
	return err_set(IM_ERR_INTERRUPTED, "interrupted");
}

int
cold_signals_fd(void)
{
	return signals.fd;
}

void
cold_signals_end(void)
{
	struct signalfd_siginfo info;

	if (signals.fd < 0)
		return;
	while (read(signals.fd, &info, sizeof info) > 0)
		continue;
	close(signals.fd);
	signals.fd = -1;
	(void)sigprocmask(SIG_SETMASK, &signals.before, NULL);
}
