#ifndef AUDITOR_SAMPLE_H
#define AUDITOR_SAMPLE_H

#include "util/err.h"
#include <stddef.h>
#include <stdint.h>

struct round;

/*
 * The sample: entries drawn at random from all history, which the server cannot foresee, and the
 * newest ones, each with its value, hashed here and proven to belong to the state. The answer for a
 * drawn entry holds its whole transaction, and all of it is checked.
 */

/* A round reads at most about this much of one database for its sample. */
#define SAMPLE_BYTES_MAX ((uint64_t)256 << 20)

/*
 * Draws transactions out of 1..last: n at random, and the newest ones. All of them when there are
 * no more than n. Ascending, each once; out has room for n + newest. Returns how many.
 * IM_ERR_INTERNAL without random numbers.
 */
struct sample_plan {
	uint64_t last;
	size_t n, newest;
};
enum im_err sample_draw(const struct sample_plan *plan, uint64_t *out, size_t *len);

/* The check. IM_ERR_PROOF and others of content_check(), errors of asking. */
enum im_err sample_check(struct round *r);

#endif
