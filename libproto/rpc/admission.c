/*
 * The pace at which connections begin: a virtual schedule (each connection moves due_ns on by an
 * interval; early ones may run a burst ahead of it) and a queue for each lane, served in turn.
 *
 * Invariant: waiting counts the tickets in all lanes, and a ticket is in one exactly while it
 * waits.
 */
#include "rpc/admission.h"

#include "util/clock.h"

/* Connections may come so far ahead of the schedule: a quarter of a second's worth. */
#define BURST_NS (CLOCK_NS_PER_S / 4)
/* Spreads places over lanes (the odd number nearest to 2^64 divided by the golden ratio). */
#define LANE_MULTIPLIER UINT64_C(0x9e3779b97f4a7c15)
#define LANE_SHIFT 58
_Static_assert(ADMISSION_LANES == 1u << (64 - LANE_SHIFT), "a lane is what the shift leaves");

void
admission_init(struct admission *a, uint32_t rate, uint64_t seed)
{
	*a = (struct admission){.seed = seed | 1};
	if (rate)
		a->interval_ns = CLOCK_NS_PER_S / rate ? CLOCK_NS_PER_S / rate : 1;
}

static bool
admission_is_open(const struct admission *a, int64_t now_ns)
{
	return a->due_ns - BURST_NS <= now_ns;
}

static void
admission_count(struct admission *a, int64_t now_ns)
{
	a->due_ns = (a->due_ns > now_ns ? a->due_ns : now_ns) + a->interval_ns;
}

bool
admission_enter(struct admission *a, struct admission_ticket *t, uint64_t place, int64_t now_ns)
{
	unsigned lane;

	if (a->interval_ns == 0)
		return true;
	if (a->waiting == 0 && admission_is_open(a, now_ns)) {
		admission_count(a, now_ns);
		return true;
	}
	lane = (unsigned)(((place ^ a->seed) * a->seed * LANE_MULTIPLIER) >> LANE_SHIFT);
	*t = (struct admission_ticket){.prev = a->last[lane], .lane = (uint8_t)lane, .waits = true};
	if (t->prev)
		t->prev->next = t;
	else
		a->first[lane] = t;
	a->last[lane] = t;
	a->waiting++;
	return false;
}

struct admission_ticket *
admission_next(struct admission *a, int64_t now_ns)
{
	struct admission_ticket *t = NULL;

	if (a->waiting == 0 || !admission_is_open(a, now_ns))
		return NULL;
	while (!t) {
		t = a->first[a->cursor];
		a->cursor = (a->cursor + 1) % ADMISSION_LANES;
	}
	admission_leave(a, t);
	admission_count(a, now_ns);
	return t;
}

void
admission_leave(struct admission *a, struct admission_ticket *t)
{
	if (!t->waits)
		return;
	if (t->prev)
		t->prev->next = t->next;
	else
		a->first[t->lane] = t->next;
	if (t->next)
		t->next->prev = t->prev;
	else
		a->last[t->lane] = t->prev;
	*t = (struct admission_ticket){0};
	a->waiting--;
}

int64_t
admission_due_ns(const struct admission *a)
{
	return a->waiting ? a->due_ns - BURST_NS : INT64_MAX;
}
