#ifndef AUDITOR_LOCATE_H
#define AUDITOR_LOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

struct round;

/*
 * Which transactions a fault is in. Older proven states narrow it down by proofs, as few as a
 * binary search needs; then the transactions between the last that agrees and the first that does
 * not are read one after the other, as long as there are not too many.
 */

/* Transactions that are walked through at most to find the exact one. */
#define LOCATE_WALK_MAX 100000u

/*
 * The search: of len points, ascending, the index of the first that does not agree; len when all
 * do. agrees() is asked for at most log2(len) + 1 of them; an error ends the search. Pure.
 */
typedef enum im_err locate_agrees(void *arg, size_t point, bool *out);
enum im_err locate_search(size_t len, locate_agrees *agrees, void *arg, size_t *first_bad);

/*
 * Narrows the finding of a round whose history does not follow from the trusted state: its
 * suspects, and what its reason says of them. Of a state older than the trusted one it also finds
 * out whether that state was ever part of the proven history; if not the finding becomes
 * AUDIT_FORKED. What cannot be found out, because the server does not answer, stays as it was.
 */
void locate_fault(struct round *r);

/*
 * Whether a transaction that belongs to the state's history has truncated the values up to tx;
 * looks at LOCATE_WALK_MAX transactions at most. Sets r->truncated_to.
 */
enum im_err locate_truncation(struct round *r, uint64_t tx);

#endif
