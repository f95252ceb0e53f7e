#ifndef ARCHIVE_TARGET_H
#define ARCHIVE_TARGET_H

#include "util/bytes.h"

/*
 * Where an archive is written: a new file, the end of an existing one, a pipe or a device. Under
 * its name a new file is always whole: it has none before it is complete and synced. A part that is
 * appended begins with zeroes instead of its magic until then, so that the archive goes on ending
 * where it did whatever happens meanwhile.
 */
struct archive_target;

/* What is opened. */
enum archive_target_kind {
	ARCHIVE_TARGET_NEW,   /* a file that is not there yet, or something that is no file */
	ARCHIVE_TARGET_APPEND /* a file that is there */
};

/*
 * Opens path, "-" being stdout. IM_ERR_EXISTS (a file is there, or an append to it under way),
 * IM_ERR_NOT_FOUND (nothing to append to), IM_ERR_USAGE (a terminal, or nothing to append to),
 * IM_ERR_IO, IM_ERR_NO_SPACE, IM_ERR_NOMEM.
 */
enum im_err
archive_target_open(const char *path, enum archive_target_kind kind, struct archive_target **out);

/* The descriptor, of a target to append to: for reading what is there. */
int archive_target_fd(const struct archive_target *t);

/* Where an append begins: what is behind it is cut off. IM_ERR_IO. */
enum im_err archive_target_append_at(struct archive_target *t, uint64_t offset);

/* Writes the next bytes. IM_ERR_NO_SPACE, IM_ERR_IO, naming the path. */
enum im_err archive_target_write(struct archive_target *t, struct bytes data);

/* All is written: makes it durable and gives it its name. Errors as above, and IM_ERR_EXISTS. */
enum im_err archive_target_commit(struct archive_target *t);

/* Closes; what is not committed is gone, as if it had never been. NULL is allowed. */
void archive_target_close(struct archive_target *t);

#endif
