/*
 * The failing, power-losing file system: everything in one shared mapping of fixed tables that
 * refer to each other by number, so that a forked child and its parent see the same, and a copy of
 * the tables is a copy of the file system.
 *
 * Neighbours: the tests of this folder, and those of the engine's files.
 *
 * Invariants:
 *  1. A page of a file has a durable block and up to VERSIONS_MAX newer ones, oldest first; block 0
 *     is the page of zeros. Each other block has exactly one owner.
 *  2. Names are whole paths. `now` is what the processes see, `durable` what the disk has, and ops
 *     leads from durable to now.
 *  3. Everything changes under `lock`, which a dying child may leave locked: fault_vfs_crash() and
 *     fault_vfs_reset() make it new.
 */
#include "fault_vfs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK 4096u
#define SECTOR 512u
#define BLOCKS_MAX 65536u     /* 256 MiB */
#define FILE_PAGES_MAX 20480u /* 80 MiB */
#define INODES_MAX 512u
#define NAMES_MAX 512u
#define OPS_MAX 512u
#define FDS_MAX 256u
#define VERSIONS_MAX 6u
#define NAME_BYTES 160u
#define FOLDER UINT32_MAX

struct fault_page {
	uint32_t durable;
	uint32_t versions[VERSIONS_MAX];
	uint8_t count;
	bool stuck; /* a sync failed: no later one makes it durable, only a new write */
};

struct fault_inode {
	uint64_t size;
	uint64_t durable_size;
	uint32_t npages; /* pages beyond were never written */
	bool used;
	bool locked;
};

struct fault_name {
	char path[NAME_BYTES]; /* empty when free */
	uint32_t inode;        /* or FOLDER */
};

/* to appears with inode (a creation when from is empty), from disappears. */
struct fault_op {
	char from[NAME_BYTES];
	char to[NAME_BYTES];
	uint32_t inode;
};

struct fault_fd {
	bool open;
	bool holds_lock;
	uint32_t inode;
};

struct fault_vfs {
	struct vfs table;
	pthread_mutex_t lock;
	struct fault_plan plan;
	uint64_t calls;
	bool fired;
	/* Copied from here on. */
	struct fault_name now[NAMES_MAX];
	struct fault_name durable[NAMES_MAX];
	struct fault_op ops[OPS_MAX];
	size_t nops;
	struct fault_fd fds[FDS_MAX];
	struct fault_inode inodes[INODES_MAX];
	uint32_t free_blocks[BLOCKS_MAX];
	uint32_t nfree;
	uint32_t nblocks; /* blocks ever used; block 0 is never handed out */
	/* Copied as far as in use. */
	struct fault_page pages[INODES_MAX][FILE_PAGES_MAX];
	uint8_t blocks[BLOCKS_MAX][BLOCK];
};

uint64_t
fault_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* ---- Blocks and pages ---- */

static uint32_t
block_new(struct fault_vfs *f)
{
	if (f->nfree > 0)
		return f->free_blocks[--f->nfree];
	assert(f->nblocks < BLOCKS_MAX);
	return f->nblocks++;
}

static void
block_free(struct fault_vfs *f, uint32_t block)
{
	if (block != 0)
		f->free_blocks[f->nfree++] = block;
}

static uint32_t
page_block(const struct fault_page *page)
{
	return page->count > 0 ? page->versions[page->count - 1] : page->durable;
}

/* A new version of the page, a copy of the one before; the caller changes it. */
static uint8_t *
page_write(struct fault_vfs *f, struct fault_page *page)
{
	uint32_t block = block_new(f);

	memcpy(f->blocks[block], f->blocks[page_block(page)], BLOCK);
	if (page->count == VERSIONS_MAX) {
		block_free(f, page->versions[0]);
		memmove(page->versions, page->versions + 1,
		    (VERSIONS_MAX - 1) * sizeof *page->versions);
		page->count--;
	}
	page->versions[page->count++] = block;
	page->stuck = false;
	return f->blocks[block];
}

/* The disk now has this version and no other is left; index -1 is the durable one. */
static void
page_settle(struct fault_vfs *f, struct fault_page *page, int version)
{
	uint32_t kept = version < 0 ? page->durable : page->versions[version];

	if (version >= 0)
		block_free(f, page->durable);
	for (int i = 0; i < page->count; i++) {
		if (i != version)
			block_free(f, page->versions[i]);
	}
	page->durable = kept;
	page->count = 0;
	page->stuck = false;
}

static void
inode_write(struct fault_vfs *f, uint32_t i, const uint8_t *data, size_t n, uint64_t offset)
{
	struct fault_inode *inode = &f->inodes[i];

	if (n > 0 && offset + n > inode->size)
		inode->size = offset + n;
	while (n > 0) {
		size_t at = offset % BLOCK, part = BLOCK - at < n ? BLOCK - at : n;

		assert(offset / BLOCK < FILE_PAGES_MAX);
		if (offset / BLOCK >= inode->npages)
			inode->npages = (uint32_t)(offset / BLOCK) + 1;
		memcpy(page_write(f, &f->pages[i][offset / BLOCK]) + at, data, part);
		data += part;
		offset += part;
		n -= part;
	}
}

/* What lies beyond a new, smaller size reads as zeros if the file grows again. */
static void
inode_resize(struct fault_vfs *f, uint32_t i, uint64_t size)
{
	uint64_t end = (uint64_t)f->inodes[i].npages * BLOCK;

	for (uint64_t at = size; at < end; at = (at / BLOCK + 1) * BLOCK) {
		struct fault_page *page = &f->pages[i][at / BLOCK];

		if (page_block(page) != 0)
			memset(page_write(f, page) + at % BLOCK, 0, BLOCK - at % BLOCK);
	}
	f->inodes[i].size = size;
}

static void
inode_sync(struct fault_vfs *f, uint32_t i)
{
	for (size_t k = 0; k < f->inodes[i].npages; k++) {
		struct fault_page *page = &f->pages[i][k];

		if (page->count > 0 && !page->stuck)
			page_settle(f, page, page->count - 1);
	}
	f->inodes[i].durable_size = f->inodes[i].size;
}

static void
inode_fail_sync(struct fault_vfs *f, uint32_t i)
{
	for (size_t k = 0; k < f->inodes[i].npages; k++)
		f->pages[i][k].stuck = f->pages[i][k].count > 0;
}

static void
inode_release(struct fault_vfs *f, uint32_t i)
{
	for (size_t k = 0; k < f->inodes[i].npages; k++) {
		page_settle(f, &f->pages[i][k], -1);
		block_free(f, f->pages[i][k].durable);
		f->pages[i][k].durable = 0;
	}
	f->inodes[i] = (struct fault_inode){0};
}

static int
inode_new(struct fault_vfs *f)
{
	for (uint32_t i = 0; i < INODES_MAX; i++) {
		if (!f->inodes[i].used) {
			f->inodes[i] = (struct fault_inode){.used = true};
			return (int)i;
		}
	}
	errno = ENOSPC;
	return -1;
}

/* ---- Names ---- */

static struct fault_name *
name_find(struct fault_name names[NAMES_MAX], const char *path)
{
	for (size_t i = 0; i < NAMES_MAX; i++) {
		if (strcmp(names[i].path, path) == 0)
			return &names[i];
	}
	return NULL;
}

static void
name_put(struct fault_name names[NAMES_MAX], const char *path, uint32_t inode)
{
	struct fault_name *name = name_find(names, path);

	if (!name)
		name = name_find(names, "");
	assert(name);
	snprintf(name->path, sizeof name->path, "%s", path);
	name->inode = inode;
}

static void
name_remove(struct fault_name names[NAMES_MAX], const char *path)
{
	struct fault_name *name = name_find(names, path);

	if (name)
		name->path[0] = '\0';
}

static void
op_apply(struct fault_name names[NAMES_MAX], const struct fault_op *op)
{
	if (op->from[0])
		name_remove(names, op->from);
	if (op->to[0])
		name_put(names, op->to, op->inode);
}

/* Does it now, and remembers it for the disk. */
static void
op_do(struct fault_vfs *f, const char *from, const char *to, uint32_t inode)
{
	struct fault_op *op = &f->ops[f->nops++];

	assert(f->nops < OPS_MAX);
	snprintf(op->from, sizeof op->from, "%s", from);
	snprintf(op->to, sizeof op->to, "%s", to);
	op->inode = inode;
	op_apply(f->now, op);
}

static bool
is_in_folder(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
}

/* Whether the folder of a path exists; ENOENT or ENAMETOOLONG otherwise. */
static bool
has_folder(struct fault_vfs *f, const char *path)
{
	for (size_t i = 0; i < NAMES_MAX; i++) {
		if (f->now[i].path[0] && f->now[i].inode == FOLDER &&
		    is_in_folder(path, f->now[i].path) && strlen(path) < NAME_BYTES)
			return true;
	}
	errno = strlen(path) < NAME_BYTES ? ENOENT : ENAMETOOLONG;
	return false;
}

/* ---- The plan ---- */

/* Counts a call, under the lock. True when it must fail; errno is set then. */
static bool
call_fails(struct fault_vfs *f, bool takes_space)
{
	bool now = ++f->calls == f->plan.at;

	if (f->plan.kind == FAULT_CUT && f->calls >= f->plan.at) {
		f->fired = true;
		_exit(FAULT_CUT_EXIT);
	}
	if (f->plan.kind != FAULT_FAIL)
		return false;
	if (!now && !(f->plan.sticky && takes_space && f->calls > f->plan.at))
		return false;
	f->fired = true;
	errno = f->plan.error;
	return true;
}

/* How much of a write of n bytes is done when it is the planned one. */
static size_t
part_of_write(const struct fault_vfs *f, size_t n)
{
	uint64_t state = f->plan.seed ^ f->calls;

	return fault_random(&state) % 2 ? (size_t)(fault_random(&state) % (n + 1)) : 0;
}

/* ---- The table ---- */

static struct fault_vfs *
enter(void *ctx)
{
	struct fault_vfs *f = ctx;

	pthread_mutex_lock(&f->lock);
	return f;
}

static int
leave(struct fault_vfs *f, int result)
{
	pthread_mutex_unlock(&f->lock);
	return result;
}

static int
fail(struct fault_vfs *f, int error)
{
	errno = error;
	return leave(f, -1);
}

static struct fault_fd *
fd_of(struct fault_vfs *f, int fd)
{
	assert(fd >= 0 && (uint32_t)fd < FDS_MAX && f->fds[fd].open);
	return &f->fds[fd];
}

static int
fd_new(struct fault_vfs *f, uint32_t inode)
{
	for (int fd = 0; fd < (int)FDS_MAX; fd++) {
		if (!f->fds[fd].open) {
			f->fds[fd] = (struct fault_fd){.open = true, .inode = inode};
			return fd;
		}
	}
	errno = EMFILE;
	return -1;
}

static int
fault_open(void *ctx, const char *path, int flags, mode_t mode)
{
	struct fault_vfs *f = enter(ctx);
	struct fault_name *name = name_find(f->now, path);
	int inode;

	(void)mode;
	if (call_fails(f, (flags & O_CREAT) && !name))
		return leave(f, -1);
	if (name && name->inode == FOLDER)
		return fail(f, EISDIR);
	if (name && (flags & O_CREAT) && (flags & O_EXCL))
		return fail(f, EEXIST);
	if (!name && !(flags & O_CREAT))
		return fail(f, ENOENT);
	if (!name) {
		inode = has_folder(f, path) ? inode_new(f) : -1;
		if (inode < 0)
			return leave(f, -1);
		op_do(f, "", path, (uint32_t)inode);
		name = name_find(f->now, path);
	}
	if (flags & O_TRUNC)
		inode_resize(f, name->inode, 0);
	return leave(f, fd_new(f, name->inode));
}

static int
fault_close(void *ctx, int fd)
{
	struct fault_vfs *f = enter(ctx);
	struct fault_fd *d = fd_of(f, fd);

	if (d->holds_lock)
		f->inodes[d->inode].locked = false;
	d->open = false;
	return leave(f, 0);
}

static ssize_t
fault_pread(void *ctx, int fd, void *data, size_t n, off_t offset)
{
	struct fault_vfs *f = enter(ctx);
	struct fault_fd *d = fd_of(f, fd);
	uint64_t size = f->inodes[d->inode].size, at = (uint64_t)offset;
	uint8_t *out = data;

	if (call_fails(f, false))
		return leave(f, -1);
	n = at >= size ? 0 : size - at < n ? (size_t)(size - at) : n;
	for (size_t left = n; left > 0;) {
		size_t within = at % BLOCK, part = BLOCK - within < left ? BLOCK - within : left;
		uint32_t block = page_block(&f->pages[d->inode][at / BLOCK]);

		memcpy(out, f->blocks[block] + within, part);
		out += part;
		at += part;
		left -= part;
	}
	leave(f, 0);
	return (ssize_t)n;
}

/* What is asked for without waiting is sometimes not there. */
static ssize_t
fault_pread_nowait(void *ctx, int fd, void *data, size_t n, off_t offset)
{
	struct fault_vfs *f = enter(ctx);
	bool cold = f->calls % 3 == 0;

	leave(f, 0);
	if (cold) {
		errno = EAGAIN;
		return -1;
	}
	return fault_pread(ctx, fd, data, n, offset);
}

static size_t
write_parts(struct fault_vfs *f, uint32_t inode, const struct iovec *iov, size_t n, uint64_t offset)
{
	size_t done = 0;

	while (done < n) {
		size_t part = iov->iov_len < n - done ? iov->iov_len : n - done;

		inode_write(f, inode, iov->iov_base, part, offset + done);
		done += part;
		iov++;
	}
	return done;
}

static ssize_t
fault_pwritev(void *ctx, int fd, const struct iovec *iov, int count, off_t offset)
{
	struct fault_vfs *f = enter(ctx);
	uint32_t inode = fd_of(f, fd)->inode;
	bool planned = f->plan.kind != FAULT_NONE && f->calls + 1 == f->plan.at;
	size_t n = 0;

	for (int i = 0; i < count; i++)
		n += iov[i].iov_len;
	if (planned)
		write_parts(f, inode, iov, part_of_write(f, n), (uint64_t)offset);
	if (call_fails(f, true))
		return leave(f, -1);
	write_parts(f, inode, iov, n, (uint64_t)offset);
	leave(f, 0);
	return (ssize_t)n;
}

static int
fault_fdatasync(void *ctx, int fd)
{
	struct fault_vfs *f = enter(ctx);
	uint32_t inode = fd_of(f, fd)->inode;

	if (call_fails(f, false)) {
		inode_fail_sync(f, inode);
		return leave(f, -1);
	}
	inode_sync(f, inode);
	return leave(f, 0);
}

static int
fault_allocate(void *ctx, int fd, off_t size)
{
	struct fault_vfs *f = enter(ctx);
	struct fault_inode *inode = &f->inodes[fd_of(f, fd)->inode];

	if (call_fails(f, true))
		return leave(f, -1);
	if ((uint64_t)size > (uint64_t)FILE_PAGES_MAX * BLOCK)
		return fail(f, ENOSPC);
	if ((uint64_t)size > inode->size)
		inode->size = (uint64_t)size;
	return leave(f, 0);
}

static int
fault_truncate(void *ctx, int fd, off_t size)
{
	struct fault_vfs *f = enter(ctx);
	uint32_t inode = fd_of(f, fd)->inode;

	if (call_fails(f, false))
		return leave(f, -1);
	inode_resize(f, inode, (uint64_t)size);
	return leave(f, 0);
}

static off_t
fault_size(void *ctx, int fd)
{
	struct fault_vfs *f = enter(ctx);
	off_t size = (off_t)f->inodes[fd_of(f, fd)->inode].size;

	if (call_fails(f, false))
		size = -1;
	leave(f, 0);
	return size;
}

static int
fault_rename(void *ctx, const char *from, const char *to)
{
	struct fault_vfs *f = enter(ctx);
	struct fault_name *name = name_find(f->now, from);

	if (call_fails(f, false))
		return leave(f, -1);
	if (!name)
		return fail(f, ENOENT);
	if (!has_folder(f, to))
		return leave(f, -1);
	op_do(f, from, to, name->inode);
	return leave(f, 0);
}

static int
fault_unlink(void *ctx, const char *path)
{
	struct fault_vfs *f = enter(ctx);

	if (call_fails(f, false))
		return leave(f, -1);
	if (!name_find(f->now, path))
		return fail(f, ENOENT);
	op_do(f, path, "", 0);
	return leave(f, 0);
}

static int
fault_mkdir(void *ctx, const char *path, mode_t mode)
{
	struct fault_vfs *f = enter(ctx);

	(void)mode;
	if (call_fails(f, true))
		return leave(f, -1);
	if (name_find(f->now, path))
		return fail(f, EEXIST);
	if (!has_folder(f, path))
		return leave(f, -1);
	op_do(f, "", path, FOLDER);
	return leave(f, 0);
}

static int
fault_sync_dir(void *ctx, const char *path)
{
	struct fault_vfs *f = enter(ctx);
	struct fault_name *name = name_find(f->now, path);
	size_t kept = 0;

	if (call_fails(f, false))
		return leave(f, -1);
	if (!name || name->inode != FOLDER)
		return fail(f, ENOENT);
	for (size_t i = 0; i < f->nops; i++) {
		const struct fault_op *op = &f->ops[i];

		if (is_in_folder(op->to[0] ? op->to : op->from, path))
			op_apply(f->durable, op);
		else
			f->ops[kept++] = *op;
	}
	f->nops = kept;
	return leave(f, 0);
}

static int
fault_lock(void *ctx, int fd)
{
	struct fault_vfs *f = enter(ctx);
	struct fault_fd *d = fd_of(f, fd);

	if (call_fails(f, false))
		return leave(f, -1);
	if (f->inodes[d->inode].locked && !d->holds_lock)
		return fail(f, EWOULDBLOCK);
	f->inodes[d->inode].locked = true;
	d->holds_lock = true;
	return leave(f, 0);
}

static int
fault_list(void *ctx, const char *path, int (*entry)(void *arg, const char *name), void *arg)
{
	struct fault_vfs *f = enter(ctx);
	struct fault_name *folder = name_find(f->now, path), *names;
	bool failed = call_fails(f, false);
	int result = 0;

	if (!failed && (!folder || folder->inode != FOLDER))
		errno = ENOENT, failed = true;
	names = failed ? NULL : malloc(sizeof f->now);
	if (names)
		memcpy(names, f->now, sizeof f->now);
	leave(f, 0);
	if (!names)
		return -1;
	for (size_t i = 0; result == 0 && i < NAMES_MAX; i++) {
		if (is_in_folder(names[i].path, path))
			result = entry(arg, strrchr(names[i].path, '/') + 1);
	}
	free(names);
	return result;
}

/* ---- Making, copying and crashing ---- */

static void
lock_renew(struct fault_vfs *f)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&f->lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

struct fault_vfs *
fault_vfs_new(void)
{
	struct fault_vfs *f = mmap(NULL, sizeof *f, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (f == MAP_FAILED)
		return NULL;
	f->table = (struct vfs){
	    .ctx = f,
	    .open = fault_open,
	    .close = fault_close,
	    .pread = fault_pread,
	    .pread_nowait = fault_pread_nowait,
	    .pwritev = fault_pwritev,
	    .fdatasync = fault_fdatasync,
	    .allocate = fault_allocate,
	    .truncate = fault_truncate,
	    .size = fault_size,
	    .rename = fault_rename,
	    .unlink = fault_unlink,
	    .mkdir = fault_mkdir,
	    .sync_dir = fault_sync_dir,
	    .lock = fault_lock,
	    .list = fault_list,
	};
	fault_vfs_reset(f);
	return f;
}

void
fault_vfs_free(struct fault_vfs *f)
{
	if (f)
		munmap(f, sizeof *f);
}

const struct vfs *
fault_vfs_table(struct fault_vfs *f)
{
	return &f->table;
}

void
fault_vfs_reset(struct fault_vfs *f)
{
	for (uint32_t i = 0; i < INODES_MAX; i++) {
		if (f->inodes[i].used)
			inode_release(f, i);
	}
	memset(f->now, 0, sizeof f->now);
	memset(f->durable, 0, sizeof f->durable);
	memset(f->fds, 0, sizeof f->fds);
	f->nops = 0;
	f->nfree = 0;
	f->nblocks = 1;
	name_put(f->now, FAULT_ROOT, FOLDER);
	name_put(f->durable, FAULT_ROOT, FOLDER);
	f->plan = (struct fault_plan){0};
	f->calls = 0;
	f->fired = false;
	lock_renew(f);
}

void
fault_vfs_copy(struct fault_vfs *to, const struct fault_vfs *from)
{
	size_t start = offsetof(struct fault_vfs, now);

	fault_vfs_reset(to);
	memcpy((uint8_t *)to + start, (const uint8_t *)from + start,
	    offsetof(struct fault_vfs, pages) - start);
	for (uint32_t i = 0; i < INODES_MAX; i++) {
		if (from->inodes[i].used)
			memcpy(to->pages[i], from->pages[i],
			    from->inodes[i].npages * sizeof **from->pages);
	}
	memcpy(to->blocks, from->blocks, (size_t)from->nblocks * BLOCK);
}

void
fault_vfs_plan(struct fault_vfs *f, const struct fault_plan *plan)
{
	f->plan = *plan;
	f->calls = 0;
	f->fired = false;
}

uint64_t
fault_vfs_calls(const struct fault_vfs *f)
{
	return f->calls;
}

bool
fault_vfs_fired(const struct fault_vfs *f)
{
	return f->fired;
}

/* Each sector of the page from a version of its own choice: a torn page. */
static void
tear_page(struct fault_vfs *f, struct fault_page *page, uint64_t *random)
{
	uint8_t *torn = page_write(f, page);
	uint8_t count = page->count;

	for (size_t at = 0; at < BLOCK; at += SECTOR) {
		uint64_t pick = fault_random(random) % count;
		uint32_t from = pick == 0 ? page->durable : page->versions[pick - 1];

		memcpy(torn + at, f->blocks[from] + at, SECTOR);
	}
	page_settle(f, page, count - 1);
}

static void
crash_page(struct fault_vfs *f, struct fault_page *page, enum fault_loss loss, uint64_t *random)
{
	uint64_t dice = fault_random(random) % 8;

	if (page->count == 0)
		return;
	if (loss == FAULT_LOSE_EVERYTHING || (loss == FAULT_LOSE_RANDOM && dice < 3))
		page_settle(f, page, -1);
	else if (loss == FAULT_LOSE_NOTHING || dice < 6)
		page_settle(f, page, page->count - 1);
	else if (dice == 6)
		page_settle(f, page, (int)(fault_random(random) % page->count));
	else
		tear_page(f, page, random);
}

static uint64_t
crash_size(const struct fault_inode *inode, enum fault_loss loss, uint64_t *random)
{
	uint64_t a = inode->durable_size, b = inode->size, dice = fault_random(random) % 4;

	if (loss == FAULT_LOSE_EVERYTHING || (loss == FAULT_LOSE_RANDOM && dice == 0))
		return a;
	if (loss == FAULT_LOSE_NOTHING || b <= a || dice < 3)
		return b;
	return a + fault_random(random) % (b - a + 1);
}

static void
crash_inode(struct fault_vfs *f, uint32_t i, enum fault_loss loss, uint64_t *random)
{
	struct fault_inode *inode = &f->inodes[i];
	uint64_t size = crash_size(inode, loss, random);

	for (size_t k = 0; k < inode->npages; k++)
		crash_page(f, &f->pages[i][k], loss, random);
	inode_resize(f, i, size);
	inode_sync(f, i);
	inode->locked = false;
}

static bool
is_named(const struct fault_vfs *f, uint32_t inode)
{
	for (size_t i = 0; i < NAMES_MAX; i++) {
		if (f->now[i].path[0] && f->now[i].inode == inode)
			return true;
	}
	return false;
}

/* What lies in a folder that did not get to the disk is gone with it. */
static void
drop_orphans(struct fault_vfs *f)
{
	bool dropped = true;

	memcpy(f->now, f->durable, sizeof f->now);
	while (dropped) {
		dropped = false;
		for (size_t i = 0; i < NAMES_MAX; i++) {
			struct fault_name *name = &f->durable[i];

			if (!name->path[0] || strcmp(name->path, FAULT_ROOT) == 0 ||
			    has_folder(f, name->path))
				continue;
			name->path[0] = f->now[i].path[0] = '\0';
			dropped = true;
		}
	}
}

void
fault_vfs_crash(struct fault_vfs *f, enum fault_loss loss, uint64_t seed)
{
	uint64_t random = seed;

	for (size_t i = 0; i < f->nops; i++) {
		if (loss == FAULT_LOSE_NOTHING ||
		    (loss == FAULT_LOSE_RANDOM && fault_random(&random) % 2))
			op_apply(f->durable, &f->ops[i]);
	}
	f->nops = 0;
	drop_orphans(f);
	memset(f->fds, 0, sizeof f->fds);
	for (uint32_t i = 0; i < INODES_MAX; i++) {
		if (f->inodes[i].used && is_named(f, i))
			crash_inode(f, i, loss, &random);
		else if (f->inodes[i].used)
			inode_release(f, i);
	}
	f->plan = (struct fault_plan){0};
	lock_renew(f);
}

void
fault_vfs_kill(struct fault_vfs *f)
{
	memset(f->fds, 0, sizeof f->fds);
	for (uint32_t i = 0; i < INODES_MAX; i++)
		f->inodes[i].locked = false;
	f->plan = (struct fault_plan){0};
	lock_renew(f);
}

bool
fault_vfs_damage(struct fault_vfs *f, const char *path, uint64_t offset, uint8_t mask)
{
	struct fault_name *name = name_find(f->now, path);
	struct fault_page *page;

	if (!name || name->inode == FOLDER || offset >= f->inodes[name->inode].size)
		return false;
	page = &f->pages[name->inode][offset / BLOCK];
	page_write(f, page)[offset % BLOCK] ^= mask;
	page_settle(f, page, page->count - 1);
	return true;
}

int64_t
fault_vfs_file_size(struct fault_vfs *f, const char *path)
{
	struct fault_name *name;
	int64_t size = -1;

	pthread_mutex_lock(&f->lock);
	name = name_find(f->now, path);
	if (name && name->inode != FOLDER)
		size = (int64_t)f->inodes[name->inode].size;
	pthread_mutex_unlock(&f->lock);
	return size;
}

bool
fault_vfs_shorten(struct fault_vfs *f, const char *path, uint64_t size)
{
	struct fault_name *name = name_find(f->now, path);

	if (!name || name->inode == FOLDER)
		return false;
	inode_resize(f, name->inode, size);
	inode_sync(f, name->inode);
	return true;
}

bool
fault_vfs_remove(struct fault_vfs *f, const char *path)
{
	if (!name_find(f->now, path))
		return false;
	name_remove(f->now, path);
	name_remove(f->durable, path);
	return true;
}
