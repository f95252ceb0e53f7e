#ifndef STORE_VFS_H
#define STORE_VFS_H

#include <sys/types.h>
#include <sys/uio.h>

#include "util/bytes.h"

/*
 * Every file call of the engine goes through this table, so that tests can fail the Nth call and
 * drop, tear and reorder what was not synced. The members behave like the system calls they are
 * named after: -1 and errno on failure. All of them may be called from any thread.
 */
struct vfs {
	void *ctx; /* handed to every member */
	int (*open)(void *ctx, const char *path, int flags, mode_t mode);
	int (*close)(void *ctx, int fd);
	ssize_t (*pread)(void *ctx, int fd, void *data, size_t n, off_t offset);
	/* Like pread, but EAGAIN instead of waiting for the disk. */
	ssize_t (*pread_nowait)(void *ctx, int fd, void *data, size_t n, off_t offset);
	/* Like pread, but what was not in the page cache does not stay there. NULL: pread does. */
	ssize_t (*pread_once)(void *ctx, int fd, void *data, size_t n, off_t offset);
	ssize_t (*pwritev)(void *ctx, int fd, const struct iovec *iov, int count, off_t offset);
	int (*fdatasync)(void *ctx, int fd);
	/* Allocates and zeroes [0, size), extending the file. */
	int (*allocate)(void *ctx, int fd, off_t size);
	int (*truncate)(void *ctx, int fd, off_t size);
	off_t (*size)(void *ctx, int fd);
	int (*rename)(void *ctx, const char *from, const char *to);
	int (*unlink)(void *ctx, const char *path);
	int (*mkdir)(void *ctx, const char *path, mode_t mode);
	/* Makes creations, renames and removals in the folder durable. */
	int (*sync_dir)(void *ctx, const char *path);
	/*
	 * Takes an exclusive lock that ends with the process or the descriptor; EWOULDBLOCK if
	 * taken.
	 */
	int (*lock)(void *ctx, int fd);
	/*
	 * Calls entry for each name in the folder but "." and ".."; a non-zero result ends it
	 * early.
	 */
	int (*list)(
	    void *ctx, const char *path, int (*entry)(void *arg, const char *name), void *arg);
};

/* The real thing. */
extern const struct vfs vfs_posix;

#define VFS_FILE_MODE 0600
#define VFS_DIR_MODE 0700
/* Longest path of a file of the engine, its NUL included. */
#define VFS_PATH_MAX 4096

/* The error that an errno of these calls stands for, other than ENOENT. */
enum im_err vfs_errno_err(int e);

/*
 * An open file with the name that error texts use. Owned by one structure; reads from any thread.
 */
struct vfs_file {
	const struct vfs *vfs;
	char *path; /* owned */
	int fd;     /* -1 when closed */
};

/*
 * Opens dir/name with the flags of open(2). IM_ERR_NOT_FOUND when it is not there, IM_ERR_NO_SPACE,
 * IM_ERR_NOMEM, IM_ERR_IO. Close with vfs_file_close(), which also accepts a file never opened.
 */
enum im_err vfs_file_open(
    struct vfs_file *f, const struct vfs *vfs, const char *dir, const char *name, int flags);
void vfs_file_close(struct vfs_file *f);

/* A file that is not open: what vfs_file_close() accepts before vfs_file_open(). */
#define VFS_FILE_CLOSED ((struct vfs_file){.fd = -1})

/* Reads exactly n bytes at offset. IM_ERR_CORRUPT when the file ends before that, or IM_ERR_IO. */
enum im_err vfs_read(const struct vfs_file *f, void *data, size_t n, uint64_t offset);

/*
 * Like vfs_read(), of what nobody will read again soon: it takes no room in the page cache from
 * what is read all the time, where the system can do that.
 */
enum im_err vfs_read_once(const struct vfs_file *f, void *data, size_t n, uint64_t offset);

/* Like vfs_read(), but IM_ERR_WOULD_BLOCK when the bytes are not all in the page cache. */
enum im_err vfs_read_nowait(const struct vfs_file *f, void *data, size_t n, uint64_t offset);

/* Writes exactly n bytes at offset. IM_ERR_NO_SPACE or IM_ERR_IO. */
enum im_err vfs_write(const struct vfs_file *f, const void *data, size_t n, uint64_t offset);

/* Writes the pieces one after another at offset; iov is used up. IM_ERR_NO_SPACE or IM_ERR_IO. */
enum im_err vfs_writev(const struct vfs_file *f, struct iovec *iov, size_t count, uint64_t offset);

/* fdatasync. IM_ERR_IO. */
enum im_err vfs_sync(const struct vfs_file *f);

/* The size in bytes. IM_ERR_IO. */
enum im_err vfs_size(const struct vfs_file *f, uint64_t *size);

/*
 * Reads a whole file into out (cleared first). IM_ERR_NOT_FOUND, IM_ERR_LIMIT (out->max),
 * IM_ERR_IO.
 */
enum im_err
vfs_read_file(const struct vfs *vfs, const char *dir, const char *name, struct buf *out);

/*
 * Replaces dir/name by data, durably and atomically: a temporary file is written and synced,
 * renamed over the name, and the folder is synced.
 */
enum im_err
vfs_replace_file(const struct vfs *vfs, const char *dir, const char *name, struct bytes data);

/* Makes a folder (0700) unless it is there; its parent is not made. IM_ERR_NO_SPACE, IM_ERR_IO. */
enum im_err vfs_make_dir(const struct vfs *vfs, const char *path);

/* Makes the entry of path in its parent folder durable. IM_ERR_IO. */
enum im_err vfs_sync_parent(const struct vfs *vfs, const char *path);

/* Writes dir "/" name into path; IM_ERR_ARGUMENT when it would be longer than VFS_PATH_MAX. */
enum im_err vfs_path(char path[VFS_PATH_MAX], const char *dir, const char *name);

#endif
