#ifndef STORE_TXLOG_H
#define STORE_TXLOG_H

#include "store/vfs.h"

/*
 * The log: append-only segments of preallocated, synced space (FORMAT.md, "Log"). This module knows
 * segments and bytes; what the bytes mean is in record.h.
 *
 * Threads: reading functions from any thread; the writing functions from one thread at a time;
 * txlog_prepare() from another one.
 */
struct txlog;

/* A position in the log: segment number above, offset in the file below. Positions only grow. */
#define TXLOG_POS(segment, offset) ((uint64_t)(segment) << 32 | (uint32_t)(offset))
#define TXLOG_SEGMENT(pos) ((uint32_t)((pos) >> 32))
#define TXLOG_OFFSET(pos) ((uint32_t)(pos))

#define TXLOG_HEADER_SIZE 4096u
#define TXLOG_DATABASE_ID_SIZE 16u
/* Where the first record of the log is. */
#define TXLOG_START TXLOG_POS(0, TXLOG_HEADER_SIZE)
/* Descriptors of segments that one log keeps open. */
#define TXLOG_OPEN_SEGMENTS_MAX 64u

struct txlog_options {
	const struct vfs *vfs;
	const char *dir;
	const uint8_t
	    *database_id; /* TXLOG_DATABASE_ID_SIZE bytes; a segment of another one is refused */
};

/*
 * Opens the segments of a folder, and creates the first one in a folder without any. IM_ERR_CORRUPT
 * when a number is missing in the row, IM_ERR_VERSION, IM_ERR_IO, IM_ERR_NO_SPACE, IM_ERR_NOMEM.
 */
enum im_err txlog_open(const struct txlog_options *options, struct txlog **out);

/* Closes all files; NULL is allowed. Syncs nothing. */
void txlog_close(struct txlog *log);

/* ---- Reading ---- */

/* Number of segments, prepared ones included. */
uint32_t txlog_segments(struct txlog *log);

/*
 * The salt that seeds the checksums of a segment, and its size in bytes. IM_ERR_CORRUPT when the
 * segment is not there or its header is damaged.
 */
enum im_err txlog_segment_info(struct txlog *log, uint32_t segment, uint32_t *salt, uint64_t *size);

/*
 * Whether a segment is there, its header holds, and its file is as long as the header says. As a
 * segment gets its name only when all that is durable, IM_ERR_CORRUPT is damage, whatever the power
 * did. IM_ERR_IO.
 */
enum im_err txlog_check_segment(struct txlog *log, uint32_t segment);

/* How to read. */
enum txlog_how {
	TXLOG_READ,
	TXLOG_READ_NOWAIT, /* IM_ERR_WOULD_BLOCK instead of waiting for the disk */
	TXLOG_READ_ONCE    /* what is not in the page cache does not come there */
};

/* What to read: n bytes at pos, all within one segment. */
struct txlog_read {
	uint64_t pos;
	void *data;
	size_t n;
	enum txlog_how how;
};

/* IM_ERR_CORRUPT naming file and offset when the segment is absent or shorter, IM_ERR_IO. */
enum im_err txlog_read(struct txlog *log, const struct txlog_read *read);

/* Writes the path of a segment's file, for messages. */
void txlog_path(const struct txlog *log, uint32_t segment, char path[VFS_PATH_MAX]);

/* ---- Writing ---- */

/*
 * Makes what was read between two positions durable: writes it again and syncs it. A process that
 * was killed leaves bytes, seals included, that are in the page cache only, and one that a failed
 * sync ended leaves some that no later sync would write. IM_ERR_IO, IM_ERR_NO_SPACE, IM_ERR_NOMEM.
 */
enum im_err txlog_settle(struct txlog *log, uint64_t from, uint64_t to);

/*
 * Makes pos the end of the log: removes later segments, and overwrites with zeroes, synced,
 * whatever stands behind pos in its segment. Before the first append.
 */
enum im_err txlog_start(struct txlog *log, uint64_t pos);

/* The end of the log, where the next append goes; from any thread. */
uint64_t txlog_end(const struct txlog *log);

/* Bytes that can still be appended to the present segment, the room for its seal kept back. */
size_t txlog_room(const struct txlog *log);

/* The salt of the present segment. */
uint32_t txlog_salt(const struct txlog *log);

/*
 * Seals and syncs the present segment and goes on in the next one, which has room for need bytes;
 * prepares it here when txlog_prepare() did not. IM_ERR_NO_SPACE when it cannot be prepared, for
 * want of space or of anything else, IM_ERR_NOMEM (the log is as before); IM_ERR_IO when the seal
 * cannot be written or synced.
 */
enum im_err txlog_next_segment(struct txlog *log, size_t need);

/*
 * Appends the pieces, total bytes that fit txlog_room(), and returns where they start. iov is used
 * up. IM_ERR_IO or IM_ERR_NO_SPACE: what reached the disk is unknown.
 */
enum im_err
txlog_append(struct txlog *log, struct iovec *iov, size_t count, size_t total, uint64_t *pos);

/* Makes everything appended before the call durable; from any thread. IM_ERR_IO. */
enum im_err txlog_sync(struct txlog *log);

/*
 * Whether it is time for txlog_prepare(): true once for each segment, when half of it is used, so
 * that a database that is hardly written to stays small. By the writer only.
 */
bool txlog_wants_next(struct txlog *log);

/*
 * Prepares the segment behind the present one, if that is not done yet. IM_ERR_NO_SPACE, IM_ERR_IO.
 */
enum im_err txlog_prepare(struct txlog *log);

/* Bytes of all segments on disk, and how many of them lie before the end of the log. */
uint64_t txlog_disk_bytes(struct txlog *log);
uint64_t txlog_used_bytes(struct txlog *log);

#endif
