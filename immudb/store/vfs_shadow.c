/*
 * Changes of files kept in memory, over files that are only read.
 *
 * Neighbours: vfs.c is what lies underneath; the checking of a stopped data folder opens stores on
 * this.
 *
 * Invariants:
 *   1. Nothing but O_RDONLY reaches the base's open, and no call of it that changes anything.
 *   2. A file is reached by its path until it is unlinked or renamed, and by its descriptors as
 *   long as
 *      they are open. A path that was taken away stays in the list, as a file that is gone.
 *   3. Bytes at base_size and behind come from changed pages only, or are zeroes.
 *   4. Everything is under the one lock; the engine opens and checks with one thread.
 */
#include "store/vfs_shadow.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#define SHADOW_PAGE 4096u
#define SHADOW_FILES_MAX 65536u

struct shadow_file {
	char *path;      /* NULL: has no name any more */
	bool gone;       /* stands for a path that was taken away */
	bool is_dir;     /* a folder that was made here */
	int base_fd;     /* -1: nothing underneath */
	unsigned opened; /* descriptors */
	bool changed;
	uint64_t size;
	uint64_t base_size; /* so much of what is underneath still counts */
	uint8_t **pages;
	size_t npages;
};

struct vfs_shadow {
	struct vfs table;
	const struct vfs *base;
	pthread_mutex_t lock;
	struct shadow_file **files; /* named ones and open ones */
	size_t nfiles;
	struct shadow_file **fds; /* NULL: free */
	size_t nfds;
};

/* ---- Files ---- */

static int
fail(int error)
{
	errno = error;
	return -1;
}

static void
file_free(struct vfs_shadow *v, struct shadow_file *f)
{
	for (size_t i = 0; i < f->npages; i++)
		free(f->pages[i]);
	free(f->pages);
	if (f->base_fd >= 0)
		v->base->close(v->base->ctx, f->base_fd);
	free(f->path);
	free(f);
}

/* Forgets a file that nobody can tell from what lies underneath, or cannot reach. */
static void
file_drop(struct vfs_shadow *v, struct shadow_file *f)
{
	if (f->opened > 0 || f->gone || f->is_dir || (f->path && f->changed))
		return;
	for (size_t i = 0; i < v->nfiles; i++) {
		if (v->files[i] == f)
			v->files[i] = v->files[--v->nfiles];
	}
	file_free(v, f);
}

static struct shadow_file *
file_find(struct vfs_shadow *v, const char *path)
{
	for (size_t i = 0; i < v->nfiles; i++) {
		if (v->files[i]->path && strcmp(v->files[i]->path, path) == 0)
			return v->files[i];
	}
	return NULL;
}

/* A new file of the list; NULL with errno. */
static struct shadow_file *
file_add(struct vfs_shadow *v, const char *path)
{
	struct shadow_file *f = (struct shadow_file *)calloc(1, sizeof *f);
	struct shadow_file **grown = NULL;

	if (f)
		f->path = strdup(path);
	if (f && f->path && v->nfiles < SHADOW_FILES_MAX)
		grown = (struct shadow_file **)realloc(v->files, (v->nfiles + 1) * sizeof *grown);
	if (!grown) {
		if (f)
			free(f->path);
		free(f);
		errno = ENOMEM;
		return NULL;
	}
	f->base_fd = -1;
	v->files = grown;
	v->files[v->nfiles++] = f;
	return f;
}

/* The file of a path, from underneath if need be; NULL with errno. */
static struct shadow_file *
file_reach(struct vfs_shadow *v, const char *path)
{
	struct shadow_file *f = file_find(v, path);
	off_t size;
	int fd;

	if (f) {
		errno = ENOENT;
		return f->gone ? NULL : f;
	}
	fd = v->base->open(v->base->ctx, path, O_RDONLY, 0);
	if (fd < 0)
		return NULL;
	size = v->base->size(v->base->ctx, fd);
	f = size < 0 ? NULL : file_add(v, path);
	if (!f) {
		int error = errno;

		v->base->close(v->base->ctx, fd);
		errno = error;
		return NULL;
	}
	f->base_fd = fd;
	f->size = f->base_size = (uint64_t)size;
	return f;
}

/* From now on there is nothing at the path. */
static int
path_take_away(struct vfs_shadow *v, const char *path)
{
	struct shadow_file *f = file_find(v, path);

	if (f) {
		free(f->path);
		f->path = NULL;
		file_drop(v, f);
	}
	f = file_add(v, path);
	if (!f)
		return -1;
	f->gone = true;
	return 0;
}

/* ---- Content ---- */

static void
file_cut(struct shadow_file *f, uint64_t size)
{
	uint64_t first = (size + SHADOW_PAGE - 1) / SHADOW_PAGE;

	for (uint64_t i = first; i < f->npages; i++) {
		free(f->pages[i]);
		f->pages[i] = NULL;
	}
	if (size % SHADOW_PAGE > 0 && size / SHADOW_PAGE < f->npages &&
	    f->pages[size / SHADOW_PAGE])
		memset(f->pages[size / SHADOW_PAGE] + size % SHADOW_PAGE, 0,
		    SHADOW_PAGE - size % SHADOW_PAGE);
	if (f->base_size > size)
		f->base_size = size;
	f->size = size;
	f->changed = true;
}

/* Bytes of what is underneath, and zeroes behind it; -1 with errno. */
static ssize_t
base_read(struct vfs_shadow *v, struct shadow_file *f, void *data, size_t n, uint64_t offset)
{
	uint64_t there = offset < f->base_size ? f->base_size - offset : 0;
	ssize_t got;

	if (there == 0) {
		memset(data, 0, n);
		return (ssize_t)n;
	}
	got = v->base->pread(
	    v->base->ctx, f->base_fd, data, there < n ? (size_t)there : n, (off_t)offset);
	/* Somebody made it shorter. */
	return got == 0 ? fail(EIO) : got;
}

static struct shadow_file *
fd_file(struct vfs_shadow *v, int fd)
{
	return fd >= 0 && (size_t)fd < v->nfds ? v->fds[fd] : NULL;
}

/* How far the bytes from offset on come from the same place: a changed page, or underneath. */
static size_t
stretch(const struct shadow_file *f, uint64_t offset, size_t n)
{
	uint64_t page = offset / SHADOW_PAGE, end = (page + 1) * SHADOW_PAGE;

	if (page >= f->npages)
		return n;
	while (!f->pages[page] && page + 1 < f->npages && !f->pages[page + 1] && end < offset + n) {
		page++;
		end += SHADOW_PAGE;
	}
	return end - offset < n ? (size_t)(end - offset) : n;
}

static ssize_t
file_read(struct vfs_shadow *v, struct shadow_file *f, uint8_t *data, size_t n, uint64_t offset)
{
	size_t done = 0;

	if (offset >= f->size)
		return 0;
	if (n > f->size - offset)
		n = (size_t)(f->size - offset);
	while (done < n) {
		uint64_t at = offset + done, page = at / SHADOW_PAGE;
		ssize_t got = (ssize_t)stretch(f, at, n - done);

		if (page < f->npages && f->pages[page])
			memcpy(data + done, f->pages[page] + at % SHADOW_PAGE, (size_t)got);
		else
			got = base_read(v, f, data + done, (size_t)got, at);
		if (got < 0)
			return done > 0 ? (ssize_t)done : -1;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

/* The page with a copy of what it had; NULL with errno. */
static uint8_t *
page_own(struct vfs_shadow *v, struct shadow_file *f, uint64_t page)
{
	uint8_t *data;

	if (page >= f->npages) {
		size_t n = page + 1 > 2 * f->npages ? (size_t)page + 1 : 2 * f->npages;
		uint8_t **grown = (uint8_t **)realloc(f->pages, n * sizeof *grown);

		if (!grown)
			return NULL;
		memset(grown + f->npages, 0, (n - f->npages) * sizeof *grown);
		f->pages = grown;
		f->npages = n;
	}
	if (f->pages[page])
		return f->pages[page];
	data = (uint8_t *)calloc(1, SHADOW_PAGE);
	if (data && file_read(v, f, data, SHADOW_PAGE, page * SHADOW_PAGE) < 0) {
		free(data);
		return NULL;
	}
	f->pages[page] = data;
	return data;
}

static int
file_write(
    struct vfs_shadow *v, struct shadow_file *f, const uint8_t *data, size_t n, uint64_t offset)
{
	f->changed = true;
	while (n > 0) {
		size_t at = (size_t)(offset % SHADOW_PAGE);
		size_t part = SHADOW_PAGE - at < n ? SHADOW_PAGE - at : n;
		uint8_t *page = page_own(v, f, offset / SHADOW_PAGE);

		if (!page)
			return -1;
		memcpy(page + at, data, part);
		data += part;
		offset += part;
		n -= part;
		if (offset > f->size)
			f->size = offset;
	}
	return 0;
}

/* ---- The table ---- */

static int
fd_new(struct vfs_shadow *v, struct shadow_file *f)
{
	struct shadow_file **grown;
	size_t i = 0;

	while (i < v->nfds && v->fds[i])
		i++;
	if (i == v->nfds) {
		grown = (struct shadow_file **)realloc(v->fds, (v->nfds + 1) * sizeof *grown);
		if (!grown)
			return fail(ENOMEM);
		v->fds = grown;
		v->nfds++;
	}
	v->fds[i] = f;
	f->opened++;
	return (int)i;
}

static struct shadow_file *
file_create(struct vfs_shadow *v, const char *path)
{
	struct shadow_file *f = file_find(v, path);

	if (!f)
		f = file_add(v, path);
	if (!f)
		return NULL;
	f->gone = false;
	f->changed = true;
	return f;
}

static int
shadow_open(void *ctx, const char *path, int flags, mode_t mode)
{
	struct vfs_shadow *v = (struct vfs_shadow *)ctx;
	struct shadow_file *f;
	int fd = -1;

	(void)mode;
	pthread_mutex_lock(&v->lock);
	f = file_reach(v, path);
	if (f && (flags & O_CREAT) && (flags & O_EXCL)) {
		file_drop(v, f);
		f = NULL;
		errno = EEXIST;
	} else if (!f && errno == ENOENT && (flags & O_CREAT)) {
		f = file_create(v, path);
	}
	if (f && (flags & O_TRUNC))
		file_cut(f, 0);
	if (f)
		fd = fd_new(v, f);
	pthread_mutex_unlock(&v->lock);
	return fd;
}

static int
shadow_close(void *ctx, int fd)
{
	struct vfs_shadow *v = (struct vfs_shadow *)ctx;
	struct shadow_file *f;

	pthread_mutex_lock(&v->lock);
	f = fd_file(v, fd);
	if (f) {
		v->fds[fd] = NULL;
		f->opened--;
		file_drop(v, f);
	}
	pthread_mutex_unlock(&v->lock);
	return f ? 0 : fail(EBADF);
}

static ssize_t
shadow_pread(void *ctx, int fd, void *data, size_t n, off_t offset)
{
	struct vfs_shadow *v = (struct vfs_shadow *)ctx;
	struct shadow_file *f;
	ssize_t got;

	pthread_mutex_lock(&v->lock);
	f = fd_file(v, fd);
	got = f ? file_read(v, f, (uint8_t *)data, n, (uint64_t)offset) : fail(EBADF);
	pthread_mutex_unlock(&v->lock);
	return got;
}

static ssize_t
shadow_pwritev(void *ctx, int fd, const struct iovec *iov, int count, off_t offset)
{
	struct vfs_shadow *v = (struct vfs_shadow *)ctx;
	struct shadow_file *f;
	size_t done = 0;
	int result;

	pthread_mutex_lock(&v->lock);
	f = fd_file(v, fd);
	result = f ? 0 : fail(EBADF);
	for (int i = 0; result == 0 && i < count; i++) {
		result = file_write(v, f, (const uint8_t *)iov[i].iov_base, iov[i].iov_len,
		    (uint64_t)offset + done);
		done += iov[i].iov_len;
	}
	pthread_mutex_unlock(&v->lock);
	return result == 0 ? (ssize_t)done : -1;
}

static int
shadow_fdatasync(void *ctx, int fd)
{
	(void)ctx;
	(void)fd;
	return 0;
}

/* Space is made out of nothing; bytes that a file has keep what they are, as with fallocate(). */
static int
shadow_allocate(void *ctx, int fd, off_t size)
{
	struct vfs_shadow *v = (struct vfs_shadow *)ctx;
	struct shadow_file *f;

	pthread_mutex_lock(&v->lock);
	f = fd_file(v, fd);
	if (f && (uint64_t)size > f->size) {
		f->size = (uint64_t)size;
		f->changed = true;
	}
	pthread_mutex_unlock(&v->lock);
	return f ? 0 : fail(EBADF);
}

static int
shadow_truncate(void *ctx, int fd, off_t size)
{
	struct vfs_shadow *v = (struct vfs_shadow *)ctx;
	struct shadow_file *f;

	pthread_mutex_lock(&v->lock);
	f = fd_file(v, fd);
	if (f)
		file_cut(f, (uint64_t)size);
	pthread_mutex_unlock(&v->lock);
	return f ? 0 : fail(EBADF);
}

static off_t
shadow_size(void *ctx, int fd)
{
	struct vfs_shadow *v = (struct vfs_shadow *)ctx;
	struct shadow_file *f;
	off_t size;

	pthread_mutex_lock(&v->lock);
	f = fd_file(v, fd);
	size = f ? (off_t)f->size : fail(EBADF);
	pthread_mutex_unlock(&v->lock);
	return size;
}

static int
shadow_rename(void *ctx, const char *from, const char *to)
{
	struct vfs_shadow *v = (struct vfs_shadow *)ctx;
	char *name = strdup(to);
	struct shadow_file *f, *old;
	int result = -1;

	if (!name)
		return fail(ENOMEM);
	pthread_mutex_lock(&v->lock);
	f = file_reach(v, from);
	if (!f)
		goto out;
	f->opened++; /* it stays, whatever becomes of its names */
	old = file_find(v, to);
	result = path_take_away(v, from);
	if (result == 0 && old && old != f) {
		free(old->path);
		old->path = NULL;
		old->gone = false;
		file_drop(v, old);
	}
	if (result == 0) {
		free(f->path);
		f->path = name;
		f->changed = true;
		name = NULL;
	}
	f->opened--;
	file_drop(v, f);
out:
	pthread_mutex_unlock(&v->lock);
	free(name);
	return result;
}

static int
shadow_unlink(void *ctx, const char *path)
{
	struct vfs_shadow *v = (struct vfs_shadow *)ctx;
	int result = -1;

	pthread_mutex_lock(&v->lock);
	if (file_reach(v, path))
		result = path_take_away(v, path);
	pthread_mutex_unlock(&v->lock);
	return result;
}

static int
shadow_mkdir(void *ctx, const char *path, mode_t mode)
{
	struct vfs_shadow *v = (struct vfs_shadow *)ctx;
	struct shadow_file *f;
	int result = -1;

	(void)mode;
	pthread_mutex_lock(&v->lock);
	f = file_reach(v, path);
	if (f || errno == EISDIR) {
		if (f)
			file_drop(v, f);
		errno = EEXIST;
	} else if (errno == ENOENT) {
		f = file_create(v, path);
		result = f ? 0 : -1;
		if (f)
			f->is_dir = true;
	}
	pthread_mutex_unlock(&v->lock);
	return result;
}

static int
shadow_sync_dir(void *ctx, const char *path)
{
	(void)ctx;
	(void)path;
	return 0;
}

/* A real one underneath; a file that is not there cannot be locked by anybody else either. */
static int
shadow_lock(void *ctx, int fd)
{
	struct vfs_shadow *v = (struct vfs_shadow *)ctx;
	struct shadow_file *f;
	int result = 0;

	pthread_mutex_lock(&v->lock);
	f = fd_file(v, fd);
	if (!f)
		result = fail(EBADF);
	else if (f->base_fd >= 0)
		result = v->base->lock(v->base->ctx, f->base_fd);
	pthread_mutex_unlock(&v->lock);
	return result;
}

/* ---- Listing ---- */

struct listing {
	struct vfs_shadow *v;
	const char *path;
	int (*entry)(void *arg, const char *name);
	void *arg;
};

/* Names underneath, but those that the shadow knows better. */
static int
list_base(void *arg, const char *name)
{
	struct listing *l = (struct listing *)arg;
	char path[VFS_PATH_MAX];
	bool known;

	if (vfs_path(path, l->path, name) != IM_OK)
		return 0;
	pthread_mutex_lock(&l->v->lock);
	known = file_find(l->v, path) != NULL;
	pthread_mutex_unlock(&l->v->lock);
	return known ? 0 : l->entry(l->arg, name);
}

/* The i-th file, if it is in the folder: its name, copied; NULL otherwise. */
static char *
name_in(struct listing *l, size_t i)
{
	size_t len = strlen(l->path);
	const struct shadow_file *f = l->v->files[i];

	if (f->gone || !f->path || strncmp(f->path, l->path, len) != 0 || f->path[len] != '/' ||
	    strchr(f->path + len + 1, '/'))
		return NULL;
	return strdup(f->path + len + 1);
}

static int
shadow_list(void *ctx, const char *path, int (*entry)(void *arg, const char *name), void *arg)
{
	struct listing l = {(struct vfs_shadow *)ctx, path, entry, arg};
	struct vfs_shadow *v = l.v;
	const struct shadow_file *dir;
	char **names;
	size_t n;
	int result = 0;

	pthread_mutex_lock(&v->lock);
	dir = file_find(v, path);
	n = v->nfiles;
	names = (char **)calloc(n + 1, sizeof *names);
	for (size_t i = 0; names && i < n; i++)
		names[i] = name_in(&l, i);
	pthread_mutex_unlock(&v->lock);
	if (!names)
		return fail(ENOMEM);
	if (!dir || !dir->is_dir)
		result = v->base->list(v->base->ctx, path, list_base, &l);
	/* The callback may change what is listed: these are copies. */
	for (size_t i = 0; i < n; i++) {
		if (result == 0 && names[i])
			result = entry(arg, names[i]);
		free(names[i]);
	}
	free(names);
	return result;
}

static const struct vfs shadow_table = {
    .open = shadow_open,
    .close = shadow_close,
    .pread = shadow_pread,
    .pread_nowait = shadow_pread,
    .pwritev = shadow_pwritev,
    .fdatasync = shadow_fdatasync,
    .allocate = shadow_allocate,
    .truncate = shadow_truncate,
    .size = shadow_size,
    .rename = shadow_rename,
    .unlink = shadow_unlink,
    .mkdir = shadow_mkdir,
    .sync_dir = shadow_sync_dir,
    .lock = shadow_lock,
    .list = shadow_list,
};

struct vfs_shadow *
vfs_shadow_new(const struct vfs *base)
{
	struct vfs_shadow *v = (struct vfs_shadow *)calloc(1, sizeof *v);

	if (!v)
		return NULL;
	v->base = base ? base : &vfs_posix;
	v->table = shadow_table;
	v->table.ctx = v;
	pthread_mutex_init(&v->lock, NULL);
	return v;
}

const struct vfs *
vfs_shadow_table(struct vfs_shadow *shadow)
{
	return &shadow->table;
}

void
vfs_shadow_free(struct vfs_shadow *shadow)
{
	if (!shadow)
		return;
	for (size_t i = 0; i < shadow->nfiles; i++)
		file_free(shadow, shadow->files[i]);
	free(shadow->files);
	free(shadow->fds);
	pthread_mutex_destroy(&shadow->lock);
	free(shadow);
}
