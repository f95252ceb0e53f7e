#ifndef SERVER_BACKUP_SHARE_H
#define SERVER_BACKUP_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/clock.h"

/* What a backup may take of the processors beside writes. Pure but for the number of processors. */

/* So many transactions a second keep the processors busy. */
#define BACKUP_SHARE_BUSY_TXS 10000
/*
 * Beside them a backup is sent at no more than this rate. To send and to verify it takes about 1 ms
 * of processor time for a megabyte, so it is a twentieth of what there is.
 */
#define BACKUP_SHARE_RATE_PER_PROCESSOR (50u * 1024 * 1024)
/* Over so long it is looked how much is written: transactions come in batches. */
#define BACKUP_SHARE_WINDOW_NS (20 * CLOCK_NS_PER_MS)

/* One backup's. */
struct backup_share {
	uint64_t tx;       /* of the store when the window began */
	int64_t window_ns; /* when that was */
	int64_t due_ns;    /* when the last piece may have been sent */
	bool is_busy;      /* what the last window was like */
};

/* A backup begins at the monotonic time now_ns, when tx is the store's last transaction. */
void backup_share_begin(struct backup_share *s, uint64_t tx, int64_t now_ns);

/*
 * How long a piece of so many bytes has to wait, in nanoseconds; 0 when it may go. tx and now_ns
 * as above, never less than in the call before.
 */
int64_t backup_share_take(struct backup_share *s, uint64_t tx, int64_t now_ns, size_t bytes);

#endif
