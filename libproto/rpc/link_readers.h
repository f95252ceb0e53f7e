#ifndef RPC_LINK_READERS_H
#define RPC_LINK_READERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct link;

/*
 * Threads of their own for the links of one owner whose requests come several at a time, one read
 * after the other (internal to rpc/): there is more to read when they have read, and no thread of
 * the transport's pool has to be woken for it. The pool is better at requests that come one by one,
 * and at serving many: when more links are busy than there are threads, none of them has one. A
 * link that has become quiet lets go of its thread when another one wants it.
 */

#define LINK_READERS_MAX 64u
/* A link whose last bytes are that old is quiet. */
#define LINK_READERS_QUIET_MS 10
/* So long after too many were busy none gets a thread. */
#define LINK_READERS_CROWDED_MS 1000

struct link_readers {
	pthread_mutex_t lock;
	unsigned max;                         /* at most LINK_READERS_MAX; constant */
	_Atomic int64_t pause_ns;             /* what breaks the rhythm of a busy link */
	_Atomic int64_t crowded_ns;           /* until then there is none for anybody */
	unsigned count;                       /* of links; locked */
	struct link *links[LINK_READERS_MAX]; /* locked; each takes itself out before it ends */
};

/* At most max threads; 0: none. Any number of threads may call the rest afterwards. */
void link_readers_init(struct link_readers *r, unsigned max);
void link_readers_free(struct link_readers *r);

/*
 * Whether l, which is busy, may have a thread now; r may be NULL. If all are taken, a quiet link is
 * recalled from its own, or all are when none is quiet. Read chain of l.
 */
bool link_readers_take(struct link_readers *r, struct link *l);

/* The thread of l ends. */
void link_readers_give(struct link_readers *r, struct link *l);

#endif
