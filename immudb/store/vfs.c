/*
 * The engine's file calls: the table over the real system, and loops over the table that finish
 * short reads and writes and turn errno into errors.
 *
 * Neighbours: everything in store/ comes through here. Nothing here keeps state.
 */
#include "store/vfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x80 /* since Linux 6.14 */
#endif

static int
posix_open(void *ctx, const char *path, int flags, mode_t mode)
{
	(void)ctx;
	return open(path, flags | O_CLOEXEC, mode);
}

static int
posix_close(void *ctx, int fd)
{
	(void)ctx;
	return close(fd);
}

static ssize_t
posix_pread(void *ctx, int fd, void *data, size_t n, off_t offset)
{
	(void)ctx;
	return pread(fd, data, n, offset);
}

static ssize_t
posix_pread_nowait(void *ctx, int fd, void *data, size_t n, off_t offset)
{
	struct iovec iov = {data, n};

	(void)ctx;
	return preadv2(fd, &iov, 1, offset, RWF_NOWAIT);
}

static ssize_t
posix_pread_once(void *ctx, int fd, void *data, size_t n, off_t offset)
{
	struct iovec iov = {data, n};
	ssize_t got = preadv2(fd, &iov, 1, offset, RWF_DONTCACHE);

	if (got < 0 && (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS))
		return posix_pread(ctx, fd, data, n, offset);
	return got;
}

static ssize_t
posix_pwritev(void *ctx, int fd, const struct iovec *iov, int count, off_t offset)
{
	(void)ctx;
	return pwritev(fd, iov, count, offset);
}

static int
posix_fdatasync(void *ctx, int fd)
{
	(void)ctx;
	return fdatasync(fd);
}

static int
posix_allocate(void *ctx, int fd, off_t size)
{
	int error;

	(void)ctx;
	if (fallocate(fd, 0, 0, size) == 0)
		return 0;
	if (errno != EOPNOTSUPP)
		return -1;
	/* A file system that cannot: the library writes to every block instead. */
	error = posix_fallocate(fd, 0, size);
	errno = error;
	return error ? -1 : 0;
}

static int
posix_truncate(void *ctx, int fd, off_t size)
{
	(void)ctx;
	return ftruncate(fd, size);
}

static off_t
posix_size(void *ctx, int fd)
{
	struct stat st;

	(void)ctx;
	return fstat(fd, &st) == 0 ? st.st_size : -1;
}

static int
posix_rename(void *ctx, const char *from, const char *to)
{
	(void)ctx;
	return rename(from, to);
}

static int
posix_unlink(void *ctx, const char *path)
{
	(void)ctx;
	return unlink(path);
}

static int
posix_mkdir(void *ctx, const char *path, mode_t mode)
{
	(void)ctx;
	return mkdir(path, mode);
}

static int
posix_sync_dir(void *ctx, const char *path)
{
	int fd, result, saved;

	(void)ctx;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	result = fsync(fd);
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

static int
posix_lock(void *ctx, int fd)
{
	(void)ctx;
	return flock(fd, LOCK_EX | LOCK_NB);
}

static int
posix_list(void *ctx, const char *path, int (*entry)(void *arg, const char *name), void *arg)
{
	struct dirent *e;
	int result = 0, error;
	DIR *dir;

	(void)ctx;
	dir = opendir(path);
	if (!dir)
		return -1;
	for (errno = 0; result == 0 && (e = readdir(dir)) != NULL; errno = 0) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			result = entry(arg, e->d_name);
	}
	/* The end, or a name that could not be read. */
	error = result == 0 ? errno : 0;
	closedir(dir);
	errno = error;
	return error ? -1 : result;
}

const struct vfs vfs_posix = {
    .open = posix_open,
    .close = posix_close,
    .pread = posix_pread,
    .pread_nowait = posix_pread_nowait,
    .pread_once = posix_pread_once,
    .pwritev = posix_pwritev,
    .fdatasync = posix_fdatasync,
    .allocate = posix_allocate,
    .truncate = posix_truncate,
    .size = posix_size,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .mkdir = posix_mkdir,
    .sync_dir = posix_sync_dir,
    .lock = posix_lock,
    .list = posix_list,
};

enum im_err
vfs_errno_err(int e)
{
	if (e == ENOMEM)
		return IM_ERR_NOMEM;
	return e == ENOSPC || e == EDQUOT ? IM_ERR_NO_SPACE : IM_ERR_IO;
}

static enum im_err
write_error(const char *path)
{
	return err_set_errno(vfs_errno_err(errno), "write", path);
}

enum im_err
vfs_file_open(
    struct vfs_file *f, const struct vfs *vfs, const char *dir, const char *name, int flags)
{
	char path[VFS_PATH_MAX];
	enum im_err err = vfs_path(path, dir, name);

	*f = VFS_FILE_CLOSED;
	if (err != IM_OK)
		return err;
	f->vfs = vfs;
	f->path = strdup(path);
	if (!f->path)
		return IM_ERR_NOMEM;
	f->fd = vfs->open(vfs->ctx, path, flags, VFS_FILE_MODE);
	if (f->fd >= 0)
		return IM_OK;
	err = errno == ENOENT ? IM_ERR_NOT_FOUND : vfs_errno_err(errno);
	err_set_errno(err, "open", path);
	vfs_file_close(f);
	return err;
}

void
vfs_file_close(struct vfs_file *f)
{
	if (f->fd >= 0)
		f->vfs->close(f->vfs->ctx, f->fd);
	free(f->path);
	*f = VFS_FILE_CLOSED;
}

typedef ssize_t pread_fn(void *ctx, int fd, void *data, size_t n, off_t offset);

static enum im_err
read_all(const struct vfs_file *f, pread_fn *read_some, uint8_t *p, size_t n, uint64_t offset)
{
	while (n > 0) {
		ssize_t got = read_some(f->vfs->ctx, f->fd, p, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set_errno(IM_ERR_IO, "read", f->path);
		if (got == 0)
			return err_set(IM_ERR_CORRUPT, "%s: ends at offset %llu, %zu bytes missing",
			    f->path, (unsigned long long)offset, n);
		p += got;
		n -= (size_t)got;
		offset += (uint64_t)got;
	}
	return IM_OK;
}

enum im_err
vfs_read(const struct vfs_file *f, void *data, size_t n, uint64_t offset)
{
	return read_all(f, f->vfs->pread, (uint8_t *)data, n, offset);
}

enum im_err
vfs_read_once(const struct vfs_file *f, void *data, size_t n, uint64_t offset)
{
	return read_all(
	    f, f->vfs->pread_once ? f->vfs->pread_once : f->vfs->pread, (uint8_t *)data, n, offset);
}

enum im_err
vfs_read_nowait(const struct vfs_file *f, void *data, size_t n, uint64_t offset)
{
	ssize_t got = f->vfs->pread_nowait(f->vfs->ctx, f->fd, data, n, (off_t)offset);

	if (got == (ssize_t)n)
		return IM_OK;
	/*
	 * A short read may be the end of the file or the end of what is cached, and a file system
	 * without RWF_NOWAIT answers EOPNOTSUPP: a waiting read tells.
	 */
	if (got >= 0 || errno == EAGAIN || errno == EINTR || errno == EOPNOTSUPP)
		return IM_ERR_WOULD_BLOCK;
	return err_set_errno(IM_ERR_IO, "read", f->path);
}

enum im_err
vfs_write(const struct vfs_file *f, const void *data, size_t n, uint64_t offset)
{
	struct iovec iov = {(void *)(uintptr_t)data, n};

	return vfs_writev(f, &iov, 1, offset);
}

static void
iov_advance(struct iovec **iov, size_t *count, size_t n)
{
	while (*count > 0 && n >= (*iov)->iov_len) {
		n -= (*iov)->iov_len;
		(*iov)++;
		(*count)--;
	}
	if (*count > 0) {
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
	}
}

enum im_err
vfs_writev(const struct vfs_file *f, struct iovec *iov, size_t count, uint64_t offset)
{
	iov_advance(&iov, &count, 0);
	while (count > 0) {
		int batch = count > IOV_MAX ? IOV_MAX : (int)count;
		ssize_t n = f->vfs->pwritev(f->vfs->ctx, f->fd, iov, batch, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return write_error(f->path);
		offset += (uint64_t)n;
		iov_advance(&iov, &count, (size_t)n);
	}
	return IM_OK;
}

enum im_err
vfs_sync(const struct vfs_file *f)
{
	if (f->vfs->fdatasync(f->vfs->ctx, f->fd) == 0)
		return IM_OK;
	return err_set_errno(IM_ERR_IO, "fdatasync", f->path);
}

enum im_err
vfs_size(const struct vfs_file *f, uint64_t *size)
{
	off_t n = f->vfs->size(f->vfs->ctx, f->fd);

	if (n < 0)
		return err_set_errno(IM_ERR_IO, "stat", f->path);
	*size = (uint64_t)n;
	return IM_OK;
}

enum im_err
vfs_read_file(const struct vfs *vfs, const char *dir, const char *name, struct buf *out)
{
	struct vfs_file f;
	enum im_err err = vfs_file_open(&f, vfs, dir, name, O_RDONLY);
	uint64_t size;
	uint8_t *p;

	buf_clear(out);
	if (err != IM_OK)
		return err;
	err = vfs_size(&f, &size);
	if (err != IM_OK)
		goto out;
	p = buf_reserve(out, (size_t)size);
	if (!p) {
		err = err_set(out->err, "%s: %s", f.path, err_text(out->err));
		goto out;
	}
	err = vfs_read(&f, p, (size_t)size, 0);
	if (err == IM_OK)
		out->len += (size_t)size;
out:
	vfs_file_close(&f);
	return err;
}

static enum im_err
write_new_file(const struct vfs *vfs, const char *dir, const char *name, struct bytes data)
{
	struct vfs_file f;
	enum im_err err = vfs_file_open(&f, vfs, dir, name, O_WRONLY | O_CREAT | O_TRUNC);

	if (err == IM_OK)
		err = vfs_write(&f, data.data, data.len, 0);
	if (err == IM_OK)
		err = vfs_sync(&f);
	vfs_file_close(&f);
	return err;
}

enum im_err
vfs_replace_file(const struct vfs *vfs, const char *dir, const char *name, struct bytes data)
{
	char path[VFS_PATH_MAX], temporary[VFS_PATH_MAX], temporary_name[NAME_MAX + 1];
	enum im_err err = vfs_path(path, dir, name);

	snprintf(temporary_name, sizeof temporary_name, "%s.tmp", name);
	if (err == IM_OK)
		err = vfs_path(temporary, dir, temporary_name);
	if (err != IM_OK)
		return err;
	err = write_new_file(vfs, dir, temporary_name, data);
	if (err == IM_OK && vfs->rename(vfs->ctx, temporary, path) != 0)
		err = err_set_errno(IM_ERR_IO, "rename", path);
	if (err != IM_OK) {
		vfs->unlink(vfs->ctx, temporary);
		return err;
	}
	if (vfs->sync_dir(vfs->ctx, dir) != 0)
		return err_set_errno(IM_ERR_IO, "fsync", dir);
	return IM_OK;
}

enum im_err
vfs_path(char path[VFS_PATH_MAX], const char *dir, const char *name)
{
	int n = snprintf(path, VFS_PATH_MAX, "%s/%s", dir, name);

	if (n < 0 || n >= VFS_PATH_MAX)
		return err_set(IM_ERR_ARGUMENT, "path too long: %s/%s", dir, name);
	return IM_OK;
}

enum im_err
vfs_make_dir(const struct vfs *vfs, const char *path)
{
	if (vfs->mkdir(vfs->ctx, path, VFS_DIR_MODE) == 0 || errno == EEXIST)
		return IM_OK;
	return err_set_errno(vfs_errno_err(errno), "mkdir", path);
}

enum im_err
vfs_sync_parent(const struct vfs *vfs, const char *path)
{
	char parent[VFS_PATH_MAX];
	char *slash;

	snprintf(parent, sizeof parent, "%s", path);
	slash = strrchr(parent, '/');
	if (slash && slash != parent)
		*slash = '\0';
	if (vfs->sync_dir(vfs->ctx, slash ? parent : ".") != 0)
		return err_set_errno(IM_ERR_IO, "fsync", parent);
	return IM_OK;
}
