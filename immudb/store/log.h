#ifndef STORE_LOG_H
#define STORE_LOG_H

#include "store/vfs.h"

/*
 * The log: append-only segments of preallocated, synced space (FORMAT.md, "Log"). This module knows
 * segments and bytes; what the bytes mean is in record.h.
 *
 * Threads: reading functions from any thread; the writing functions from one thread at a time;
 * log_prepare() from another one.
 */
struct log;

/* A position in the log: segment number above, offset in the file below. Positions only grow. */
#define LOG_POS(segment, offset) ((uint64_t)(segment) << 32 | (uint32_t)(offset))
#define LOG_SEGMENT(pos) ((uint32_t)((pos) >> 32))
#define LOG_OFFSET(pos) ((uint32_t)(pos))

#define LOG_HEADER_SIZE 4096u
#define LOG_DATABASE_ID_SIZE 16u
/* Where the first record of the log is. */
#define LOG_START LOG_POS(0, LOG_HEADER_SIZE)
/* Descriptors of segments that one log keeps open. */
#define LOG_OPEN_SEGMENTS_MAX 64u

struct log_options {
	const struct vfs *vfs;
	const char *dir;
	const uint8_t
	    *database_id; /* LOG_DATABASE_ID_SIZE bytes; a segment of another one is refused */
};

/*
 * Opens the segments of a folder, and creates the first one in a folder without any. IM_ERR_CORRUPT
 * when a number is missing in the row, IM_ERR_VERSION, IM_ERR_IO, IM_ERR_NO_SPACE, IM_ERR_NOMEM.
 */
enum im_err log_open(const struct log_options *options, struct log **out);

/* Closes all files; NULL is allowed. Syncs nothing. */
void log_close(struct log *log);

/* ---- Reading ---- */

/* Number of segments, prepared ones included. */
uint32_t log_segments(struct log *log);

/*
 * The salt that seeds the checksums of a segment, and its size in bytes. IM_ERR_CORRUPT when the
 * segment is not there or its header is damaged.
 */
enum im_err log_segment_info(struct log *log, uint32_t segment, uint32_t *salt, uint64_t *size);

/* What to read: n bytes at pos, all within one segment. */
struct log_read {
	uint64_t pos;
	void *data;
	size_t n;
	bool nowait; /* IM_ERR_WOULD_BLOCK instead of waiting for the disk */
};

/* IM_ERR_CORRUPT naming file and offset when the segment is absent or shorter, IM_ERR_IO. */
enum im_err log_read(struct log *log, const struct log_read *read);

/* Writes the path of a segment's file, for messages. */
void log_path(const struct log *log, uint32_t segment, char path[VFS_PATH_MAX]);

/* ---- Writing ---- */

/*
 * Makes pos the end of the log: removes later segments, and overwrites with zeroes, synced, whatever
 * stands behind pos in its segment. Before the first append.
 */
enum im_err log_start(struct log *log, uint64_t pos);

/* The end of the log, where the next append goes. */
uint64_t log_end(const struct log *log);

/* Bytes that can still be appended to the present segment, the room for its seal kept back. */
size_t log_room(const struct log *log);

/* The salt of the present segment. */
uint32_t log_salt(const struct log *log);

/*
 * Seals and syncs the present segment and goes on in the next one, which has room for need bytes;
 * prepares it here when log_prepare() did not. IM_ERR_NO_SPACE when it cannot be prepared (the log
 * is as before); IM_ERR_IO when the seal cannot be written or synced.
 */
enum im_err log_next_segment(struct log *log, size_t need);

/*
 * Appends the pieces, total bytes that fit log_room(), and returns where they start. iov is used up.
 * IM_ERR_IO or IM_ERR_NO_SPACE: what reached the disk is unknown.
 */
enum im_err
log_append(struct log *log, struct iovec *iov, size_t count, size_t total, uint64_t *pos);

/* Makes everything appended before the call durable; from any thread. IM_ERR_IO. */
enum im_err log_sync(struct log *log);

/* Prepares the segment behind the present one, if that is not done yet. IM_ERR_NO_SPACE, IM_ERR_IO. */
enum im_err log_prepare(struct log *log);

/* Bytes of all segments on disk. */
uint64_t log_disk_bytes(struct log *log);

#endif
