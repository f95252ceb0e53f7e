#ifndef STORE_DURABLE_H
#define STORE_DURABLE_H

#include "crypto/record.h"
#include "store/vfs.h"

/*
 * Two small files that say how far the log can be relied on (FORMAT.md, "Durable mark" and
 * "Checkpoint"), both as a record_mark: a transaction, its Alh, the position behind its record.
 */

/*
 * The mark: the newest transaction known to be synced. It is written after each sync of the log but
 * synced rarely: it only helps to tell a torn end from damage, and the log carries it too.
 */
struct mark_file {
	struct vfs_file file;
	uint64_t sequence; /* of the newest slot written */
};

/*
 * Opens dir/mark, creating it; *out is the highest mark found, all zero when there is none. Damaged
 * slots count as absent. IM_ERR_VERSION, IM_ERR_IO, IM_ERR_NO_SPACE.
 */
enum im_err mark_file_open(
    struct mark_file *m, const struct vfs *vfs, const char *dir, struct record_mark *out);
void mark_file_close(struct mark_file *m);

/* Writes the next slot, unsynced. One thread at a time. */
enum im_err mark_file_write(struct mark_file *m, const struct record_mark *mark);
enum im_err mark_file_sync(struct mark_file *m);

#define CHECKPOINT_NAME "checkpoint"

/*
 * The checkpoint: up to here tree, offsets and index are whole and synced, and the log is too.
 * Reading: all zero when the file is absent or damaged (the log is then read from its start);
 * IM_ERR_VERSION, IM_ERR_IO.
 */
enum im_err checkpoint_read(const struct vfs *vfs, const char *dir, struct record_mark *out);

/* Replaces the checkpoint, durably and atomically. */
enum im_err
checkpoint_write(const struct vfs *vfs, const char *dir, const struct record_mark *checkpoint);

#endif
