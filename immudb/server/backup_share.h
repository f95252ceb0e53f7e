#ifndef SERVER_BACKUP_SHARE_H
#define SERVER_BACKUP_SHARE_H

#include <stddef.h>
#include <stdint.h>

/* What a backup may take of the processors beside writes. */

/* So many transactions a second keep the processors busy. */
#define BACKUP_SHARE_BUSY_TXS 10000
/*
 * Beside them a backup is sent at no more than this rate. To send and to verify it takes about 1 ms
 * of processor time for a megabyte, so it is a twentieth of what there is.
 */
#define BACKUP_SHARE_RATE_PER_PROCESSOR (50u * 1024 * 1024)

/*
 * How long a piece of so many bytes has to take, in nanoseconds, when so many transactions were
 * written in the ns since the one before; 0: as short as it can. Pure but for the number of
 * processors.
 */
int64_t backup_share_ns(uint64_t txs, int64_t ns, size_t bytes);

#endif
