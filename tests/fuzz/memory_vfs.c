/*
 * Files in memory behind the engine's table of file calls. Neighbour: tests/fault has one that
 * fails and loses power; this one is only fast.
 *
 * Invariants: a descriptor is the place of a file in the table; a file without a path was removed
 * and goes when its last descriptor is closed; everything is under the lock.
 */
#include "memory_vfs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

struct memory_file {
	char *path; /* NULL: removed, or the place is free when nothing is open */
	uint8_t *data;
	size_t len;
	size_t cap;
	unsigned opened;
	bool locked;
};

struct memory_vfs {
	struct vfs table;
	pthread_mutex_t lock;
	struct memory_file files[MEMORY_FILES_MAX];
	size_t total;
};

/* ---- Locked. ---- */

static struct memory_file *
find_file(struct memory_vfs *m, const char *path)
{
	for (size_t i = 0; i < MEMORY_FILES_MAX; i++)
		if (m->files[i].path && strcmp(m->files[i].path, path) == 0)
			return &m->files[i];
	return NULL;
}

static struct memory_file *
make_file(struct memory_vfs *m, const char *path)
{
	for (size_t i = 0; i < MEMORY_FILES_MAX; i++) {
		struct memory_file *f = &m->files[i];

		if (f->path || f->opened)
			continue;
		f->path = strdup(path);
		assert(f->path);
		return f;
	}
	return NULL;
}

static void
drop_unused(struct memory_vfs *m, struct memory_file *f)
{
	if (f->path || f->opened)
		return;
	m->total -= f->cap;
	free(f->data);
	*f = (struct memory_file){0};
}

static void
remove_path(struct memory_vfs *m, struct memory_file *f)
{
	free(f->path);
	f->path = NULL;
	drop_unused(m, f);
}

/* Gives the file a size; what is new is zero. */
static bool
resize_file(struct memory_vfs *m, struct memory_file *f, size_t size)
{
	size_t cap = f->cap;

	if (size > cap) {
		cap = size < 2 * f->cap ? 2 * f->cap : size;
		if (cap > MEMORY_BYTES_MAX || m->total - f->cap > MEMORY_BYTES_MAX - cap) {
			errno = ENOSPC;
			return false;
		}
		f->data = realloc(f->data, cap);
		assert(f->data);
		m->total += cap - f->cap;
		f->cap = cap;
	}
	if (size > f->len)
		memset(f->data + f->len, 0, size - f->len);
	f->len = size;
	return true;
}

static struct memory_file *
opened_file(struct memory_vfs *m, int fd)
{
	assert(fd >= 0 && fd < MEMORY_FILES_MAX && m->files[fd].opened > 0);
	return &m->files[fd];
}

/* ---- The table. ---- */

static int
memory_open(void *ctx, const char *path, int flags, mode_t mode)
{
	struct memory_vfs *m = ctx;
	struct memory_file *f;
	int fd = -1;

	(void)mode;
	pthread_mutex_lock(&m->lock);
	f = find_file(m, path);
	errno = f ? EEXIST : ENOENT;
	if (!f && flags & O_CREAT) {
		f = make_file(m, path);
		errno = EMFILE;
	} else if (f && flags & O_CREAT && flags & O_EXCL)
		f = NULL;
	if (f) {
		if (flags & O_TRUNC)
			f->len = 0;
		f->opened++;
		fd = (int)(f - m->files);
	}
	pthread_mutex_unlock(&m->lock);
	return fd;
}

static int
memory_close(void *ctx, int fd)
{
	struct memory_vfs *m = ctx;
	struct memory_file *f;

	pthread_mutex_lock(&m->lock);
	f = opened_file(m, fd);
	f->opened--;
	if (f->opened == 0)
		f->locked = false;
	drop_unused(m, f);
	pthread_mutex_unlock(&m->lock);
	return 0;
}

static ssize_t
memory_pread(void *ctx, int fd, void *data, size_t n, off_t offset)
{
	struct memory_vfs *m = ctx;
	struct memory_file *f;
	size_t left;

	pthread_mutex_lock(&m->lock);
	f = opened_file(m, fd);
	left = offset >= 0 && (size_t)offset < f->len ? f->len - (size_t)offset : 0;
	if (n > left)
		n = left;
	if (n)
		memcpy(data, f->data + offset, n);
	pthread_mutex_unlock(&m->lock);
	return (ssize_t)n;
}

static ssize_t
memory_pwritev(void *ctx, int fd, const struct iovec *iov, int count, off_t offset)
{
	struct memory_vfs *m = ctx;
	struct memory_file *f;
	size_t total = 0, at = (size_t)offset;
	bool ok;

	for (int i = 0; i < count; i++)
		total += iov[i].iov_len;
	pthread_mutex_lock(&m->lock);
	f = opened_file(m, fd);
	ok = at + total <= f->len || resize_file(m, f, at + total);
	for (int i = 0; ok && i < count; i++) {
		if (iov[i].iov_len)
			memcpy(f->data + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	pthread_mutex_unlock(&m->lock);
	return ok ? (ssize_t)total : -1;
}

static int
memory_fdatasync(void *ctx, int fd)
{
	(void)ctx;
	(void)fd;
	return 0;
}

static int
memory_allocate(void *ctx, int fd, off_t size)
{
	struct memory_vfs *m = ctx;
	struct memory_file *f;
	bool ok;

	pthread_mutex_lock(&m->lock);
	f = opened_file(m, fd);
	ok = (size_t)size <= f->len || resize_file(m, f, (size_t)size);
	if (ok && size)
		memset(f->data, 0, (size_t)size);
	pthread_mutex_unlock(&m->lock);
	return ok ? 0 : -1;
}

static int
memory_truncate(void *ctx, int fd, off_t size)
{
	struct memory_vfs *m = ctx;
	bool ok;

	pthread_mutex_lock(&m->lock);
	ok = resize_file(m, opened_file(m, fd), (size_t)size);
	pthread_mutex_unlock(&m->lock);
	return ok ? 0 : -1;
}

static off_t
memory_size(void *ctx, int fd)
{
	struct memory_vfs *m = ctx;
	size_t size;

	pthread_mutex_lock(&m->lock);
	size = opened_file(m, fd)->len;
	pthread_mutex_unlock(&m->lock);
	return (off_t)size;
}

static int
memory_rename(void *ctx, const char *from, const char *to)
{
	struct memory_vfs *m = ctx;
	struct memory_file *f, *old;

	pthread_mutex_lock(&m->lock);
	f = find_file(m, from);
	old = find_file(m, to);
	if (f && old && f != old)
		remove_path(m, old);
	if (f && f != old) {
		free(f->path);
		f->path = strdup(to);
		assert(f->path);
	}
	pthread_mutex_unlock(&m->lock);
	errno = ENOENT;
	return f ? 0 : -1;
}

static int
memory_unlink(void *ctx, const char *path)
{
	struct memory_vfs *m = ctx;
	struct memory_file *f;

	pthread_mutex_lock(&m->lock);
	f = find_file(m, path);
	if (f)
		remove_path(m, f);
	pthread_mutex_unlock(&m->lock);
	errno = ENOENT;
	return f ? 0 : -1;
}

static int
memory_mkdir(void *ctx, const char *path, mode_t mode)
{
	(void)ctx;
	(void)path;
	(void)mode;
	return 0;
}

static int
memory_sync_dir(void *ctx, const char *path)
{
	(void)ctx;
	(void)path;
	return 0;
}

static int
memory_lock(void *ctx, int fd)
{
	struct memory_vfs *m = ctx;
	struct memory_file *f;
	bool taken;

	pthread_mutex_lock(&m->lock);
	f = opened_file(m, fd);
	taken = f->locked;
	f->locked = true;
	pthread_mutex_unlock(&m->lock);
	errno = EWOULDBLOCK;
	return taken ? -1 : 0;
}

/* The name of file i when it lies directly in the folder; a copy, because entry() may remove it. */
static char *
name_in_folder(struct memory_vfs *m, size_t i, const char *folder)
{
	size_t len = strlen(folder);
	const char *path;
	char *name = NULL;

	pthread_mutex_lock(&m->lock);
	path = m->files[i].path;
	if (path && strncmp(path, folder, len) == 0 && path[len] == '/' &&
	    !strchr(path + len + 1, '/'))
		name = strdup(path + len + 1);
	pthread_mutex_unlock(&m->lock);
	return name;
}

static int
memory_list(void *ctx, const char *path, int (*entry)(void *arg, const char *name), void *arg)
{
	struct memory_vfs *m = ctx;
	int result = 0;

	for (size_t i = 0; i < MEMORY_FILES_MAX && result == 0; i++) {
		char *name = name_in_folder(m, i, path);

		if (name)
			result = entry(arg, name);
		free(name);
	}
	return result;
}

/* ---- For the targets. ---- */

struct memory_vfs *
memory_vfs_new(void)
{
	struct memory_vfs *m = calloc(1, sizeof *m);

	assert(m);
	pthread_mutex_init(&m->lock, NULL);
	m->table = (struct vfs){.ctx = m,
	    .open = memory_open,
	    .close = memory_close,
	    .pread = memory_pread,
	    .pread_nowait = memory_pread,
	    .pwritev = memory_pwritev,
	    .fdatasync = memory_fdatasync,
	    .allocate = memory_allocate,
	    .truncate = memory_truncate,
	    .size = memory_size,
	    .rename = memory_rename,
	    .unlink = memory_unlink,
	    .mkdir = memory_mkdir,
	    .sync_dir = memory_sync_dir,
	    .lock = memory_lock,
	    .list = memory_list};
	return m;
}

void
memory_vfs_free(struct memory_vfs *m)
{
	for (size_t i = 0; i < MEMORY_FILES_MAX; i++) {
		assert(m->files[i].opened == 0);
		if (m->files[i].path)
			remove_path(m, &m->files[i]);
	}
	assert(m->total == 0);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

const struct vfs *
memory_vfs_table(struct memory_vfs *m)
{
	return &m->table;
}

void
memory_vfs_put(struct memory_vfs *m, const char *path, struct bytes content)
{
	struct memory_file *f = find_file(m, path);
	bool resized;

	if (!f)
		f = make_file(m, path);
	assert(f);
	f->len = 0;
	resized = resize_file(m, f, content.len);
	assert(resized);
	if (content.len)
		memcpy(f->data, content.data, content.len);
}

struct bytes
memory_vfs_content(struct memory_vfs *m, const char *path)
{
	struct memory_file *f = find_file(m, path);

	return f ? bytes_of(f->data, f->len) : bytes_of(NULL, 0);
}
