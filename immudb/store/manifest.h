#ifndef STORE_MANIFEST_H
#define STORE_MANIFEST_H

#include "store/run.h"

/*
 * The manifest of an index: which runs are in use and how far they reach (FORMAT.md, "Index"). It
 * is replaced as a whole, atomically.
 */
#define MANIFEST_NAME "manifest"
#define MANIFEST_TEMPORARY_NAME "manifest.tmp"
#define MANIFEST_VERSION 1u

struct manifest {
	uint64_t covered_tx; /* the runs hold all versions up to here */
	unsigned count;
	struct run_id runs[INDEX_RUNS_MAX]; /* oldest first, ranges ascending */
};

/*
 * Reads the manifest of a folder. IM_ERR_NOT_FOUND, IM_ERR_CORRUPT, IM_ERR_VERSION, IM_ERR_IO,
 * IM_ERR_NOMEM.
 */
enum im_err manifest_load(const struct vfs *vfs, const char *dir, struct manifest *out);

/* Replaces the manifest, durably and atomically. IM_ERR_IO, IM_ERR_NO_SPACE, IM_ERR_NOMEM. */
enum im_err manifest_store(const struct vfs *vfs, const char *dir, const struct manifest *m);

#endif
