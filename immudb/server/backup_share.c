/*
 * How backups and writes share the processors. Neighbour: backup_handlers.c.
 */
#include "server/backup_share.h"

#include <unistd.h>

#include "util/clock.h"

int64_t
backup_share_ns(uint64_t txs, int64_t ns, size_t bytes)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	double rate = (double)BACKUP_SHARE_RATE_PER_PROCESSOR * (double)(cpus < 1 ? 1 : cpus);

	if ((double)txs * CLOCK_NS_PER_S < (double)BACKUP_SHARE_BUSY_TXS * (double)ns)
		return 0;
	return (int64_t)((double)bytes / rate * CLOCK_NS_PER_S);
}
