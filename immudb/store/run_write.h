#ifndef STORE_RUN_WRITE_H
#define STORE_RUN_WRITE_H

#include "store/run.h"

/* The making of a run. One thread. */
struct run_writer;

/* What must be known of a run before it is written. */
struct run_plan {
	const struct vfs *vfs;
	const char *dir;
	uint64_t number;
	struct run_base base;
	uint64_t keys_max; /* at most so many distinct keys; sizes the filter */
};

/* Creates the file of a run. IM_ERR_IO, IM_ERR_NO_SPACE, IM_ERR_NOMEM. */
enum im_err run_writer_open(const struct run_plan *plan, struct run_writer **out);

/*
 * Adds the next version in the order of the index; e->revision is its ordinal in the run.
 * IM_ERR_CORRUPT when it does not follow the one before; IM_ERR_IO, IM_ERR_NO_SPACE, IM_ERR_NOMEM.
 */
enum im_err run_writer_add(struct run_writer *w, const struct index_entry *e);

/* How many bytes the file has by now. */
uint64_t run_writer_bytes(const struct run_writer *w);

/*
 * Completes and syncs the file and its folder, and opens the run. At least one version was added.
 * Errors as run_writer_add() and run_open(). The writer is still to be closed.
 */
enum im_err run_writer_finish(struct run_writer *w, struct run **out);

/* Frees the writer, and removes the file unless it was finished. NULL is allowed. */
void run_writer_close(struct run_writer *w);

#endif
