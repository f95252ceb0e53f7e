/*
 * Writing an archive so that no half of one is ever taken for a whole one.
 *
 * Neighbours: admin_hot_backup.c has what is written, crypto/archive.h its form.
 * Invariants: what is written goes to the disk on the way, so that there is never so much to be
 * synced at once that others wait for it, and does not stay in the page cache; before
 * archive_target_commit() nothing can be seen of a new file, and behind the old end of an archive
 * stands nothing that a reader would take for a part.
 */
#include "archive_target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/archive.h"
#include "util/file.h"

#define TARGET_BUFFER_BYTES ((size_t)1024 * 1024)
#define TARGET_FD_PATH_MAX 64
/* What of a file is handed to the disk at a time. */
#define TARGET_PUSH_BYTES ((uint64_t)8 * 1024 * 1024)

struct archive_target {
	int fd;
	char path[PATH_MAX];
	char temporary
	    [PATH_MAX]; /* of a new file where files without a name are not known; else "" */
	bool is_new_file, is_append, is_committed;
	uint64_t start; /* where an append begins */
	uint64_t at;    /* of a file: where it ends now */
	uint64_t pushed,
	    dropped;  /* of a file: on its way to the disk, and out of the cache, up to here */
	size_t magic; /* bytes of an append's magic that are still to come */
	size_t len;
	uint8_t buffer[TARGET_BUFFER_BYTES];
};

static enum im_err
failed(const struct archive_target *t, const char *what)
{
	bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;

	return err_set_errno(full ? IM_ERR_NO_SPACE : IM_ERR_IO, what, t->path);
}

/* ---- Opening ---- */

/* The folder of the path. */
static void
folder_of(const char *path, char out[PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		snprintf(out, PATH_MAX, ".");
	else
		snprintf(out, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

/* A file system that does not know files without a name: one that says what it is. */
static enum im_err
open_named(struct archive_target *t)
{
	int n = snprintf(t->temporary, sizeof t->temporary, "%s.tmp", t->path);

	if (n < 0 || (size_t)n >= sizeof t->temporary)
		return err_set(IM_ERR_ARGUMENT, "%s: the path is too long", t->path);
	t->fd = open(t->temporary, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (t->fd < 0)
		return failed(t, "create");
	if (flock(t->fd, LOCK_EX | LOCK_NB) != 0) {
		t->temporary[0] = '\0';
		return err_set(IM_ERR_EXISTS, "%s.tmp: another backup is being written", t->path);
	}
	return ftruncate(t->fd, 0) == 0 ? IM_OK : failed(t, "truncate");
}

static enum im_err
open_new(struct archive_target *t)
{
	char folder[PATH_MAX];

	folder_of(t->path, folder);
	t->is_new_file = true;
	t->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (t->fd >= 0)
		return IM_OK;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return failed(t, "create");
	return open_named(t);
}

static enum im_err
open_append(struct archive_target *t)
{
	struct stat st;

	t->fd = open(t->path, O_RDWR | O_CLOEXEC);
	if (t->fd < 0 && errno == ENOENT)
		return err_set(IM_ERR_NOT_FOUND, "%s: there is no archive to append to", t->path);
	if (t->fd < 0 || fstat(t->fd, &st) != 0)
		return failed(t, "open");
	if (!S_ISREG(st.st_mode))
		return err_set(IM_ERR_USAGE, "%s is not a file that can be appended to", t->path);
	if (flock(t->fd, LOCK_EX | LOCK_NB) != 0)
		return err_set(IM_ERR_EXISTS, "%s: another backup is being appended", t->path);
	t->is_append = true;
	return IM_OK;
}

static enum im_err
open_stdout(struct archive_target *t)
{
	t->fd = STDOUT_FILENO;
	if (isatty(t->fd))
		return err_set(IM_ERR_USAGE,
		    "an archive is not written to a terminal: give --output-file, or redirect");
	return IM_OK;
}

static enum im_err
open_target(struct archive_target *t, const char *path, enum archive_target_kind kind)
{
	struct stat st;

	if (strcmp(path, "-") == 0) {
		if (kind == ARCHIVE_TARGET_APPEND)
			return err_set(IM_ERR_USAGE, "--append needs --output-file");
		return open_stdout(t);
	}
	if (kind == ARCHIVE_TARGET_APPEND)
		return open_append(t);
	if (stat(t->path, &st) != 0)
		return errno == ENOENT ? open_new(t) : failed(t, "open");
	if (S_ISREG(st.st_mode))
		return err_set(IM_ERR_EXISTS,
		    "%s is there already: --append continues it, or choose another name", t->path);
	t->fd = open(t->path, O_WRONLY | O_CLOEXEC);
	return t->fd >= 0 ? IM_OK : failed(t, "open");
}

enum im_err
archive_target_open(const char *path, enum archive_target_kind kind, struct archive_target **out)
{
	struct archive_target *t = (struct archive_target *)calloc(1, sizeof *t);
	enum im_err err;

	*out = NULL;
	if (!t)
		return err_set(IM_ERR_NOMEM, "out of memory");
	t->fd = -1;
	if (strlen(path) >= sizeof t->path)
		err = err_set(IM_ERR_ARGUMENT, "the path of the archive is too long");
	else
		err = IM_OK;
	snprintf(t->path, sizeof t->path, "%s", strcmp(path, "-") == 0 ? "stdout" : path);
	if (!err)
		err = open_target(t, path, kind);
	if (err)
		archive_target_close(t);
	else
		*out = t;
	return err;
}

int
archive_target_fd(const struct archive_target *t)
{
	return t->fd;
}

enum im_err
archive_target_append_at(struct archive_target *t, uint64_t offset)
{
	t->start = t->at = t->pushed = t->dropped = offset;
	t->magic = ARCHIVE_MAGIC_SIZE;
	if (ftruncate(t->fd, (off_t)offset) != 0)
		return failed(t, "truncate");
	return lseek(t->fd, (off_t)offset, SEEK_SET) >= 0 ? IM_OK : failed(t, "seek");
}

/* ---- Writing ---- */

/* Hands what has come since the last time to the disk, and waits for what was handed to it then. */
static enum im_err
push(struct archive_target *t)
{
	const unsigned wait =
	    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
	off_t from = (off_t)t->pushed, old = (off_t)t->dropped;
	int rc = sync_file_range(t->fd, from, (off_t)t->at - from, SYNC_FILE_RANGE_WRITE);

	if (rc == 0 && from > old)
		rc = sync_file_range(t->fd, old, from - old, wait);
	/* A file system that cannot do this does all of it at the end. */
	if (rc != 0 && (errno == EIO || errno == ENOSPC || errno == EDQUOT))
		return failed(t, "write");
	if (rc == 0 && from > old)
		(void)posix_fadvise(t->fd, old, from - old, POSIX_FADV_DONTNEED);
	t->dropped = t->pushed;
	t->pushed = t->at;
	return IM_OK;
}

static enum im_err
flush(struct archive_target *t)
{
	const uint8_t *from = t->buffer;

	while (t->len > 0) {
		ssize_t n = write(t->fd, from, t->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(t, "write");
		from += n;
		t->len -= (size_t)n;
		t->at += (uint64_t)n;
	}
	if ((t->is_new_file || t->is_append) && t->at - t->pushed >= TARGET_PUSH_BYTES)
		return push(t);
	return IM_OK;
}

enum im_err
archive_target_write(struct archive_target *t, struct bytes data)
{
	enum im_err err = IM_OK;

	while (!err && data.len > 0) {
		size_t n = sizeof t->buffer - t->len;

		if (n > data.len)
			n = data.len;
		if (t->magic > 0) {
			n = n < t->magic ? n : t->magic;
			memset(t->buffer + t->len, 0, n);
			t->magic -= n;
		} else {
			memcpy(t->buffer + t->len, data.data, n);
		}
		t->len += n;
		data = bytes_of(data.data + n, data.len - n);
		if (t->len == sizeof t->buffer)
			err = flush(t);
	}
	return err;
}

/* ---- Making it count ---- */

/* Gives a new file its name, unless something has it meanwhile. */
static enum im_err
name_file(struct archive_target *t)
{
	char self[TARGET_FD_PATH_MAX];
	int rc;

	snprintf(self, sizeof self, "/proc/self/fd/%d", t->fd);
	rc = t->temporary[0] ? link(t->temporary, t->path)
			     : linkat(AT_FDCWD, self, AT_FDCWD, t->path, AT_SYMLINK_FOLLOW);
	if (rc != 0 && errno == EEXIST)
		return err_set(IM_ERR_EXISTS, "%s is there already", t->path);
	if (rc != 0)
		return failed(t, "name");
	return file_sync_parent(t->path);
}

/* The archive is still where its path says. */
static enum im_err
check_name(const struct archive_target *t)
{
	struct stat st;

	if (fstat(t->fd, &st) != 0)
		return failed(t, "stat");
	if (st.st_nlink == 0)
		return err_set(IM_ERR_IO, "%s was removed while it was appended to", t->path);
	return IM_OK;
}

static enum im_err
finish_append(struct archive_target *t)
{
	enum im_err err = check_name(t);

	if (err)
		return err;
	if (pwrite(t->fd, archive_magic, sizeof archive_magic, (off_t)t->start) !=
	    (ssize_t)sizeof archive_magic)
		return failed(t, "write");
	return fsync(t->fd) == 0 ? IM_OK : failed(t, "sync");
}

enum im_err
archive_target_commit(struct archive_target *t)
{
	enum im_err err = flush(t);

	if (!err && (t->is_new_file || t->is_append) && fsync(t->fd) != 0)
		err = failed(t, "sync");
	if (!err && t->is_append)
		err = finish_append(t);
	if (!err && t->is_new_file)
		err = name_file(t);
	t->is_committed = !err;
	return err;
}

void
archive_target_close(struct archive_target *t)
{
	if (!t)
		return;
	if (t->is_append && t->start > 0 && !t->is_committed &&
	    ftruncate(t->fd, (off_t)t->start) != 0)
		errno = 0; /* A reader passes over what is left. */
	if (t->temporary[0])
		(void)unlink(t->temporary);
	if (t->fd >= 0 && t->fd != STDOUT_FILENO)
		(void)close(t->fd);
	free(t);
}
