#ifndef AUDITOR_SWEEP_H
#define AUDITOR_SWEEP_H

#include <stdint.h>

#include "util/err.h"

struct round;

/*
 * The full sweep: all transactions one after the other, every value of them, so that each is read
 * once in the configured period. A round does its share, and the record says how far it came.
 */

/* What is known when a share is decided on; times in Unix seconds. */
struct sweep_plan {
	uint64_t last;       /* the newest transaction */
	uint64_t position;   /* next to be read; 0: no pass runs */
	int64_t started_at;  /* of the pass that runs */
	int64_t finished_at; /* of the pass before */
	int64_t now;
	double period_s;
	double interval_s; /* to the next round; 0: there is no next one, read all that is left */
};

/* The share of a round: from .. to, both included; nothing when from > to. */
struct sweep_share {
	uint64_t from, to;
	int64_t started_at; /* of the pass it belongs to */
};

/*
 * Decides the share: a pass begins when the one before began a period ago (or never was), and goes
 * evenly, so that it is through at the end of its period. A pass that is late catches up.
 */
struct sweep_share sweep_plan_share(const struct sweep_plan *plan);

/*
 * How long to wait, in nanoseconds, before going on: n entries read in elapsed, rate a second (0:
 * any).
 */
int64_t sweep_pause_ns(uint64_t n, int64_t elapsed_ns, unsigned int rate);

/* The check. IM_ERR_PROOF and others of content_check(), errors of asking. */
enum im_err sweep_check(struct round *r);

#endif
