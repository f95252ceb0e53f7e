/*
 * Signals during a backup and a restore. Neighbours: admin_cold_backup.c and admin_cold_restore.c,
 * which look between two steps, and immudb_program.c, whose wait for another program ends with one.
 *
 * Invariants: a handler takes them, because a thread of the transport may be the one that gets
 * them; once a signal was seen it stays seen, so that every step after it is left out.
 */
#include "cold_signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const int taken[] = {SIGINT, SIGTERM, SIGHUP};
static const int ignored[] = {SIGPIPE, SIGXFSZ};
#define TAKEN (sizeof taken / sizeof *taken)
#define IGNORED (sizeof ignored / sizeof *ignored)

static struct {
	int fd;
	struct sigaction before[TAKEN + IGNORED];
} signals = {.fd = -1};

static void
on_signal(int number)
{
	uint64_t one = 1;
	int e = errno;

	(void)number;
	/* A counter that is full has been seen. */
	(void)!write(signals.fd, &one, sizeof one);
	errno = e;
}

enum im_err
cold_signals_begin(void)
{
	struct sigaction take = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	signals.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (signals.fd < 0)
		return err_set_errno(IM_ERR_IO, "cannot wait for", "signals");
	for (size_t i = 0; i < TAKEN; i++)
		(void)sigaction(taken[i], &take, &signals.before[i]);
	for (size_t i = 0; i < IGNORED; i++)
		(void)sigaction(ignored[i], &ignore, &signals.before[TAKEN + i]);
	return IM_OK;
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
	int fd = signals.fd;

	if (fd < 0)
		return;
	for (size_t i = 0; i < TAKEN; i++)
		(void)sigaction(taken[i], &signals.before[i], NULL);
	for (size_t i = 0; i < IGNORED; i++)
		(void)sigaction(ignored[i], &signals.before[TAKEN + i], NULL);
	signals.fd = -1;
	close(fd);
}
