/*
 * Write-once pages: the table of pages in memory, the cache, writing and reading.
 *
 * Neighbours: tree.c (tiles) and offsets.c (pages of positions) own one set each.
 *
 * Invariants:
 *  1. A page in memory is in the table, and is exactly one of: in the making (in no list), waiting
 *     (in the waiting list; its content is final), clean (as on disk; in the cache's ring, or kept
 *     for good when its level is KEPT_LEVEL or higher). Only clean pages leave memory.
 *  2. Table, lists and counters change under `lock`; it is never held across a file call.
 *  3. Files are created, written and synced under `io`, which is taken before `lock`. A reader that
 *     misses a page in the table reads a file that was opened before the page became clean.
 *  4. Bytes of a page in the making are read without a lock: the owner's published size orders
 *  them.
 *     A page that finishes was completed before, so its checksum is set by who holds `io`.
 *  5. After a failed sync nothing is known about what is on disk: `broken` stays set.
 */
#include "store/pageset.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/crc32c.h"

#define PAGE_CRC 0
#define PAGE_STAMP 4
/* Pages that may wait before the writer writes them itself. */
#define WAITING_WRITE 16
/* Pages of this level and up stay in memory: one for 16.7 million leaves of the tree. */
#define KEPT_LEVEL 2

/* A list of pages, oldest first. */
struct page_list {
	struct page *first;
	struct page *last;
	size_t count;
};

struct pageset {
	struct pageset_options options;
	char *dir;
	char *name;
	struct page *spare; /* the writer's */
	size_t spare_count; /* the writer's */

	pthread_mutex_t io;
	struct vfs_file files[PAGESET_LEVELS_MAX]; /* io, see invariant 3 */
	bool unsynced[PAGESET_LEVELS_MAX];         /* io */
	bool folder_unsynced;                      /* io */
	bool broken;                               /* io */

	pthread_mutex_t lock;
	struct page **table;      /* lock */
	size_t buckets;           /* a power of two */
	struct page_list waiting; /* lock */
	struct page_list cache;   /* lock; a ring walked from the first, which goes to the end */
};

static void
list_add(struct page_list *list, struct page *page)
{
	page->next = NULL;
	page->prev = list->last;
	if (list->last)
		list->last->next = page;
	else
		list->first = page;
	list->last = page;
	list->count++;
}

static void
list_remove(struct page_list *list, struct page *page)
{
	if (page->prev)
		page->prev->next = page->next;
	else
		list->first = page->next;
	if (page->next)
		page->next->prev = page->prev;
	else
		list->last = page->prev;
	list->count--;
}

static struct page **
bucket_of(struct pageset *p, uint8_t level, uint64_t index)
{
	uint64_t h = (index + ((uint64_t)level << 56)) * 0x9e3779b97f4a7c15u;

	return &p->table[(h >> 32) & (p->buckets - 1)];
}

static struct page *
find_page(struct pageset *p, uint8_t level, uint64_t index)
{
	struct page *page = *bucket_of(p, level, index);

	while (page && (page->index != index || page->level != level))
		page = page->chain;
	return page;
}

static void
table_add(struct pageset *p, struct page *page)
{
	struct page **bucket = bucket_of(p, page->level, page->index);

	page->chain = *bucket;
	*bucket = page;
}

static void
table_remove(struct pageset *p, struct page *page)
{
	struct page **at = bucket_of(p, page->level, page->index);

	while (*at != page)
		at = &(*at)->chain;
	*at = page->chain;
}

static struct page *
new_page(const struct pageset *p)
{
	return malloc(sizeof(struct page) + p->options.page_bytes);
}

/* Upper pages serve many more ranges, so they survive longer. */
static uint8_t
lives_of(const struct page *page)
{
	return page->level == 0 ? 1 : 8;
}

static void
evict_one(struct pageset *p)
{
	struct page *page = p->cache.first;

	while (page->lives > 0) {
		page->lives--;
		list_remove(&p->cache, page);
		list_add(&p->cache, page);
		page = p->cache.first;
	}
	list_remove(&p->cache, page);
	table_remove(p, page);
	free(page);
}

/* A page of the table is now as on disk. */
static void
make_clean(struct pageset *p, struct page *page)
{
	if (page->level >= KEPT_LEVEL)
		return;
	while (p->cache.count >= p->options.cache_max)
		evict_one(p);
	page->lives = lives_of(page);
	page->cached = true;
	list_add(&p->cache, page);
}

static uint64_t
page_offset(const struct pageset *p, uint64_t index)
{
	return index * p->options.page_bytes;
}

/* Seeded with the place, so that a page written elsewhere does not pass. */
static uint32_t
page_crc(const struct pageset *p, const struct page *page)
{
	uint8_t place[9];

	be64_put(place, page->index);
	place[8] = page->level;
	return crc32c(crc32c(0, place, sizeof place), page->data + PAGE_STAMP,
	    p->options.page_bytes - PAGE_STAMP);
}

static enum im_err
level_name(const struct pageset *p, uint8_t level, char name[NAME_MAX + 1])
{
	int n = p->options.levels == 1 ? snprintf(name, NAME_MAX + 1, "%s", p->name)
				       : snprintf(name, NAME_MAX + 1, "%s.%u", p->name, level);

	return n > NAME_MAX ? IM_ERR_ARGUMENT : IM_OK;
}

static enum im_err
open_level(struct pageset *p, uint8_t level, int flags)
{
	char name[NAME_MAX + 1];
	enum im_err err = level_name(p, level, name);

	if (err != IM_OK)
		return err;
	return vfs_file_open(&p->files[level], p->options.vfs, p->dir, name, flags);
}

static enum im_err
open_files(struct pageset *p)
{
	for (uint8_t level = 0; level < p->options.levels; level++) {
		enum im_err err = open_level(p, level, O_RDWR);

		if (err != IM_OK && err != IM_ERR_NOT_FOUND)
			return err;
	}
	return IM_OK;
}

static size_t
bucket_count(const struct pageset_options *options)
{
	size_t n = 16;

	while (n < options->cache_max)
		n *= 2;
	return n;
}

enum im_err
pageset_open(const struct pageset_options *options, struct pageset **out)
{
	struct pageset *p = calloc(1, sizeof *p);
	enum im_err err = IM_OK;

	*out = NULL;
	if (!p)
		return IM_ERR_NOMEM;
	assert(options->levels >= 1 && options->levels <= PAGESET_LEVELS_MAX);
	assert(options->cache_max >= 1);
	p->options = *options;
	/* A process killed before its first sync may have created the files. */
	p->folder_unsynced = true;
	pthread_mutex_init(&p->io, NULL);
	pthread_mutex_init(&p->lock, NULL);
	for (int i = 0; i < PAGESET_LEVELS_MAX; i++)
		p->files[i] = VFS_FILE_CLOSED;
	p->dir = strdup(options->dir);
	p->name = strdup(options->name);
	p->buckets = bucket_count(options);
	p->table = calloc(p->buckets, sizeof(struct page *));
	if (!p->dir || !p->name || !p->table)
		err = IM_ERR_NOMEM;
	if (err == IM_OK)
		err = open_files(p);
	if (err == IM_OK)
		*out = p;
	else
		pageset_close(p);
	return err;
}

static void
free_chain(struct page *page)
{
	while (page) {
		struct page *next = page->chain;

		free(page);
		page = next;
	}
}

void
pageset_close(struct pageset *p)
{
	if (!p)
		return;
	for (size_t i = 0; p->table && i < p->buckets; i++)
		free_chain(p->table[i]);
	free_chain(p->spare);
	for (int i = 0; i < PAGESET_LEVELS_MAX; i++)
		vfs_file_close(&p->files[i]);
	pthread_mutex_destroy(&p->lock);
	pthread_mutex_destroy(&p->io);
	free(p->table);
	free(p->name);
	free(p->dir);
	free(p);
}

enum im_err
pageset_check_length(struct pageset *p, uint8_t level, uint64_t pages)
{
	const struct vfs_file *f = &p->files[level];
	char name[NAME_MAX + 1];
	uint64_t size = 0;
	enum im_err err = IM_OK;

	if (pages == 0)
		return IM_OK;
	if (f->fd < 0) {
		err = level_name(p, level, name);
		return err != IM_OK ? err
				    : err_set(IM_ERR_CORRUPT, "%s/%s: is missing", p->dir, name);
	}
	err = vfs_size(f, &size);
	if (err == IM_OK && size / p->options.page_bytes < pages)
		err = err_set(IM_ERR_CORRUPT, "%s: ends at offset %llu, before page %llu", f->path,
		    (unsigned long long)size, (unsigned long long)(pages - 1));
	return err;
}

/* Under io: writes one waiting page, whose content no longer changes. */
static enum im_err
write_page(struct pageset *p, struct page *page)
{
	struct vfs_file *f = &p->files[page->level];
	enum im_err err = IM_OK;

	if (f->fd < 0) {
		err = open_level(p, page->level, O_RDWR | O_CREAT);
		p->folder_unsynced = true;
	}
	if (err != IM_OK)
		return err;
	be32_put(page->data + PAGE_STAMP, p->options.stamp);
	be32_put(page->data + PAGE_CRC, page_crc(p, page));
	p->unsynced[page->level] = true;
	return vfs_write(f, page->data, p->options.page_bytes, page_offset(p, page->index));
}

/* Under io: writes the pages that wait. */
static enum im_err
write_waiting(struct pageset *p)
{
	enum im_err err = IM_OK;

	while (err == IM_OK) {
		struct page *page;

		pthread_mutex_lock(&p->lock);
		page = p->waiting.first;
		pthread_mutex_unlock(&p->lock);
		if (!page)
			break;
		err = write_page(p, page);
		if (err != IM_OK)
			break;
		pthread_mutex_lock(&p->lock);
		list_remove(&p->waiting, page);
		make_clean(p, page);
		pthread_mutex_unlock(&p->lock);
	}
	return err;
}

static size_t
waiting_count(struct pageset *p)
{
	size_t n;

	pthread_mutex_lock(&p->lock);
	n = p->waiting.count;
	pthread_mutex_unlock(&p->lock);
	return n;
}

bool
pageset_has_waiting(struct pageset *p)
{
	return waiting_count(p) > 0;
}

/* Writes when many wait, without waiting for a maintainer at work unless it must. */
static enum im_err
make_room(struct pageset *p, size_t n)
{
	size_t waiting = waiting_count(p);
	bool full = waiting + n > p->options.waiting_max;
	enum im_err err;

	if (waiting < WAITING_WRITE && !full)
		return IM_OK;
	if (full)
		pthread_mutex_lock(&p->io);
	else if (pthread_mutex_trylock(&p->io) != 0)
		return IM_OK;
	err = write_waiting(p);
	pthread_mutex_unlock(&p->io);
	return full ? err : IM_OK;
}

enum im_err
pageset_reserve(struct pageset *p, size_t n)
{
	if (n == 0)
		return IM_OK;
	while (p->spare_count < n) {
		struct page *page = new_page(p);

		if (!page)
			return IM_ERR_NOMEM;
		page->chain = p->spare;
		p->spare = page;
		p->spare_count++;
	}
	return make_room(p, n);
}

static struct page *
take_spare(struct pageset *p, uint8_t level, uint64_t index)
{
	struct page *page = p->spare;

	assert(page);
	p->spare = page->chain;
	p->spare_count--;
	memset(page, 0, sizeof *page + p->options.page_bytes);
	page->level = level;
	page->index = index;
	return page;
}

struct page *
pageset_start(struct pageset *p, uint8_t level, uint64_t index)
{
	struct page *page = take_spare(p, level, index);

	pthread_mutex_lock(&p->lock);
	assert(!find_page(p, level, index));
	table_add(p, page);
	pthread_mutex_unlock(&p->lock);
	return page;
}

void
pageset_finish(struct pageset *p, struct page *page)
{
	pthread_mutex_lock(&p->lock);
	list_add(&p->waiting, page);
	pthread_mutex_unlock(&p->lock);
}

/* Under io. */
static enum im_err
sync_files(struct pageset *p)
{
	const struct vfs *vfs = p->options.vfs;

	for (int i = 0; i < PAGESET_LEVELS_MAX; i++) {
		if (!p->unsynced[i])
			continue;
		if (vfs_sync(&p->files[i]) != IM_OK)
			return IM_ERR_IO;
		p->unsynced[i] = false;
	}
	if (!p->folder_unsynced)
		return IM_OK;
	if (vfs->sync_dir(vfs->ctx, p->dir) != 0)
		return err_set_errno(IM_ERR_IO, "fsync", p->dir);
	p->folder_unsynced = false;
	return IM_OK;
}

enum im_err
pageset_sync(struct pageset *p)
{
	enum im_err err;

	pthread_mutex_lock(&p->io);
	err = p->broken ? err_set(IM_ERR_IO, "%s/%s: an earlier sync failed", p->dir, p->name)
			: write_waiting(p);
	if (err == IM_OK) {
		err = sync_files(p);
		p->broken = err != IM_OK;
	}
	pthread_mutex_unlock(&p->io);
	return err;
}

static enum im_err
check_page(const struct pageset *p, const struct page *page)
{
	const char *path = p->files[page->level].path;
	uint32_t stamp = be32_get(page->data + PAGE_STAMP);

	if (be32_get(page->data + PAGE_CRC) != page_crc(p, page) ||
	    stamp >> 8 != p->options.stamp >> 8)
		return err_set(IM_ERR_CORRUPT, "%s: damaged page at offset %llu", path,
		    (unsigned long long)page_offset(p, page->index));
	if (stamp > p->options.stamp)
		return err_set(IM_ERR_VERSION, "%s: format %u, known is %u", path, stamp & 0xff,
		    p->options.stamp & 0xff);
	return IM_OK;
}

static enum im_err
read_page(struct pageset *p, struct page *page, bool nowait)
{
	const struct vfs_file *f = &p->files[page->level];
	uint64_t offset = page_offset(p, page->index);
	size_t n = p->options.page_bytes;
	enum im_err err;

	if (f->fd < 0)
		return pageset_check_length(p, page->level, page->index + 1);
	err =
	    nowait ? vfs_read_nowait(f, page->data, n, offset) : vfs_read(f, page->data, n, offset);
	return err == IM_OK ? check_page(p, page) : err;
}

enum im_err
pageset_reopen(struct pageset *p, uint8_t level, uint64_t index, struct page **out)
{
	struct page *page = take_spare(p, level, index);
	enum im_err err = read_page(p, page, false);

	if (err != IM_OK) {
		free(page);
		return err;
	}
	table_add(p, page);
	*out = page;
	return IM_OK;
}

/* Reads a page that is not in memory and adds it to the cache, unless another reader did. */
static enum im_err
load_page(struct pageset *p, const struct page_part *part, bool nowait)
{
	struct page *page = new_page(p);
	enum im_err err;

	if (!page)
		return IM_ERR_NOMEM;
	memset(page, 0, sizeof *page);
	page->level = part->level;
	page->index = part->index;
	err = read_page(p, page, nowait);
	if (err != IM_OK) {
		free(page);
		return err;
	}
	pthread_mutex_lock(&p->lock);
	if (find_page(p, page->level, page->index)) {
		free(page);
	} else {
		make_clean(p, page);
		table_add(p, page);
	}
	pthread_mutex_unlock(&p->lock);
	return IM_OK;
}

/* Copies parts from pages in memory until one is not. */
static size_t
copy_resident(struct pageset *p, const struct page_part *parts, size_t count)
{
	size_t i;

	pthread_mutex_lock(&p->lock);
	for (i = 0; i < count; i++) {
		struct page *page = find_page(p, parts[i].level, parts[i].index);

		if (!page)
			break;
		if (page->cached)
			page->lives = lives_of(page);
		memcpy(parts[i].out, page->data + parts[i].offset, parts[i].n);
	}
	pthread_mutex_unlock(&p->lock);
	return i;
}

enum im_err
pageset_read(
    struct pageset *p, const struct page_part *parts, size_t count, bool nowait, size_t *done)
{
	size_t i = 0;
	enum im_err err = IM_OK;

	for (;;) {
		i += copy_resident(p, parts + i, count - i);
		if (i == count || err != IM_OK)
			break;
		err = load_page(p, &parts[i], nowait);
	}
	*done = i;
	return i == count ? IM_OK : err;
}

enum im_err
pageset_replace(struct pageset *p, uint8_t level, uint64_t index, const void *data)
{
	struct page *page = new_page(p);

	if (!page)
		return IM_ERR_NOMEM;
	memset(page, 0, sizeof *page);
	memcpy(page->data + PAGE_HEADER, data, p->options.page_bytes - PAGE_HEADER);
	page->level = level;
	page->index = index;
	pthread_mutex_lock(&p->lock);
	if (find_page(p, level, index)) {
		free(page);
	} else {
		table_add(p, page);
		list_add(&p->waiting, page);
	}
	pthread_mutex_unlock(&p->lock);
	return IM_OK;
}

/* ---- Checking files ---- */

static bool
list_has(const struct page_list *list, const struct page *page)
{
	const struct page *p = list->first;

	while (p && p != page)
		p = p->next;
	return p != NULL;
}

/* Under lock, of a full page. */
static bool
is_waiting(const struct pageset *p, const struct page *page)
{
	/* One that is not in the ring waits, unless it is kept for good. */
	return page && !page->cached && (page->level < KEPT_LEVEL || list_has(&p->waiting, page));
}

/* The file lost a page that memory may still have. */
static void
write_again(struct pageset *p, uint8_t level, uint64_t index)
{
	struct page *page;

	pthread_mutex_lock(&p->lock);
	page = find_page(p, level, index);
	if (page && !is_waiting(p, page)) {
		if (page->cached)
			list_remove(&p->cache, page);
		page->cached = false;
		list_add(&p->waiting, page);
	}
	pthread_mutex_unlock(&p->lock);
}

enum im_err
pageset_check_file(struct pageset *p, uint8_t level, uint64_t index, struct page_seen *out)
{
	const struct vfs_file *f = &p->files[level];
	struct page *page;
	enum im_err err;
	bool waits;

	pthread_mutex_lock(&p->lock);
	waits = is_waiting(p, find_page(p, level, index));
	pthread_mutex_unlock(&p->lock);
	*out = (struct page_seen){0};
	if (waits)
		return IM_OK;
	page = new_page(p);
	if (!page)
		return IM_ERR_NOMEM;
	page->level = level;
	page->index = index;
	err = read_page(p, page, false);
	free(page);
	*out = (struct page_seen){f->fd >= 0 ? f->path : NULL, page_offset(p, index),
	    p->options.page_bytes, err == IM_ERR_CORRUPT};
	if (err == IM_ERR_CORRUPT)
		write_again(p, level, index);
	return err;
}

enum im_err
pageset_disk_bytes(struct pageset *p, uint64_t *bytes)
{
	enum im_err err = IM_OK;

	*bytes = 0;
	pthread_mutex_lock(&p->io);
	for (int i = 0; err == IM_OK && i < PAGESET_LEVELS_MAX; i++) {
		uint64_t size = 0;

		if (p->files[i].fd >= 0)
			err = vfs_size(&p->files[i], &size);
		*bytes += size;
	}
	pthread_mutex_unlock(&p->io);
	return err;
}
