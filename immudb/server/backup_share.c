/*
 * How backups and writes share the processors. Neighbour: backup_handlers.c.
 */
#include "server/backup_share.h"

#include <unistd.h>

void
backup_share_begin(struct backup_share *s, uint64_t tx, int64_t now_ns)
{
	*s = (struct backup_share){.tx = tx, .window_ns = now_ns, .due_ns = now_ns};
}

static void
share_look(struct backup_share *s, uint64_t tx, int64_t now_ns)
{
	int64_t ns = now_ns - s->window_ns;

	if (ns < BACKUP_SHARE_WINDOW_NS)
		return;
	s->is_busy =
	    (double)(tx - s->tx) * CLOCK_NS_PER_S >= (double)BACKUP_SHARE_BUSY_TXS * (double)ns;
	s->tx = tx;
	s->window_ns = now_ns;
}

int64_t
backup_share_take(struct backup_share *s, uint64_t tx, int64_t now_ns, size_t bytes)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	double rate = (double)BACKUP_SHARE_RATE_PER_PROCESSOR * (double)(cpus < 1 ? 1 : cpus);

	share_look(s, tx, now_ns);
	s->due_ns += s->is_busy ? (int64_t)((double)bytes / rate * CLOCK_NS_PER_S) : 0;
	if (s->due_ns < now_ns)
		s->due_ns = now_ns;
	return s->due_ns - now_ns;
}
