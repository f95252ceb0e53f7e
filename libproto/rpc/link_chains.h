#ifndef RPC_LINK_CHAINS_H
#define RPC_LINK_CHAINS_H

#include "rpc/link.h"

/* What the two chains of a link know of each other (internal to rpc/). */

/* Of link_read.c: the callback of read_aio. */
void link_read_done(void *arg);

/* Of link.c. */

/* Notes that the link holds a big buffer, or that it does not any more. Read chain. */
void link_set_busy(struct link *l, bool busy);
/* Unlocks, and tells the owner if the link is over with that. */
void link_unlock_over(struct link *l);
/* Locked. True when the caller must call link_write() after unlocking. */
bool link_write_claim(struct link *l);
/*
 * Sends what is claimed, and a few times what others have added meanwhile; the rest is left to the
 * transport's threads, for the caller has other things to do. Only by whoever has claimed the write
 * chain.
 */
void link_write(struct link *l);
/* Locked, nothing in flight: gives back what a quiet connection should not hold. */
void link_write_trim(struct link *l);

#endif
