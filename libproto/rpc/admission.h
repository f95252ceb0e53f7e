#ifndef RPC_ADMISSION_H
#define RPC_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * When a new connection may begin to speak (internal to rpc/): so many a second, a quarter of
 * that at once. Those above that wait, each among the others from its place, and the places take
 * turns: a flood of connections delays the newcomers of its own place, hardly those of another, and
 * leaves processor time for the connections that are served.
 *
 * A pure structure: it knows time only as it is told, and memory belongs to the caller. Not for
 * several threads at once.
 */

/* Places are spread over so many queues. */
#define ADMISSION_LANES 64u

/* Of each connection. All zero at first. */
struct admission_ticket {
	struct admission_ticket *next, *prev;
	uint8_t lane;
	bool waits;
};

struct admission {
	int64_t interval_ns; /* between two connections, in the long run; 0: there is no limit */
	int64_t due_ns;      /* when the next one would come if none came early */
	uint64_t seed;
	size_t waiting;
	unsigned cursor; /* the lane whose turn is next */
	struct admission_ticket *first[ADMISSION_LANES], *last[ADMISSION_LANES];
};

/* So many connections a second, 0 for any number; seed is not to be guessed by those who come. */
void admission_init(struct admission *a, uint32_t rate, uint64_t seed);

/*
 * A connection comes from a place. True: it may begin; false: the ticket waits, and stays where it
 * is in memory until admission_next() returns it or admission_leave() is called. now_ns:
 * clock_monotonic_ns().
 */
bool
admission_enter(struct admission *a, struct admission_ticket *t, uint64_t place, int64_t now_ns);

/* The one that may begin now, which then no longer waits; NULL when none may. */
struct admission_ticket *admission_next(struct admission *a, int64_t now_ns);

/* The connection is gone: its ticket waits no longer, if it did. */
void admission_leave(struct admission *a, struct admission_ticket *t);

/* When the next one may begin; INT64_MAX when none waits. */
int64_t admission_due_ns(const struct admission *a);

#endif
