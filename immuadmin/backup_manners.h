#ifndef BACKUP_MANNERS_H
#define BACKUP_MANNERS_H

#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

/*
 * What a backup leaves to others: processor time, by its priority, and the server's time and the
 * network, by a rate.
 */

/* The lowest rate: the server gives up who takes nothing for a minute. */
#define BACKUP_RATE_MIN (64u * 1024)

/* How a process comes behind others; in the order of the choices of --priority. */
enum backup_priority {
	BACKUP_PRIORITY_IDLE, /* it runs when nothing else wants the processor */
	BACKUP_PRIORITY_LOW,  /* it has a small share in any case */
	BACKUP_PRIORITY_NORMAL
};

/*
 * Sets the priority of the calling thread and those that it starts from then on, of its reads and
 * writes too. Where the system does not know the lowest one it is the next one. Linux shares
 * processors among sessions first (sched(7), autogroups), so the session's part is made small too
 * if this process leads it.
 */
void backup_lower_priority(enum backup_priority priority);

/* What has been taken at a rate. */
struct backup_pace {
	uint64_t rate;  /* bytes a second; 0: no limit */
	int64_t due_ns; /* when what has been taken was to be taken; 0 at first */
};

/* IM_ERR_USAGE for a rate that is too low. */
enum im_err backup_pace_check(uint64_t rate);

/*
 * Takes n bytes at now_ns and returns for how many nanoseconds nothing more should be taken. A
 * tenth of a second in which nothing came is made up for, no more.
 */
int64_t backup_pace_take(struct backup_pace *p, size_t n, int64_t now_ns);

/* The same, and waits so long. */
void backup_pace_wait(struct backup_pace *p, size_t n);

#endif
