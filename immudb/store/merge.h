#ifndef STORE_MERGE_H
#define STORE_MERGE_H

#include "store/run_cursor.h"

/* Several neighbouring runs as one sequence of versions. One thread. The runs must outlive it. */
struct merge;

/* Begins to merge runs given oldest first. IM_ERR_NOMEM. */
enum im_err merge_open(struct run *const *runs, unsigned count, struct merge **out);

/*
 * The next version in the order of the index, its revision being the ordinal in all runs together;
 * valid until the next call. IM_ERR_NOT_FOUND at the end; IM_ERR_CORRUPT, IM_ERR_IO.
 */
enum im_err merge_next(struct merge *m, struct index_entry *out);

/* NULL is allowed. */
void merge_close(struct merge *m);

#endif
