#ifndef STORE_PAGESET_H
#define STORE_PAGESET_H

#include "store/vfs.h"

/*
 * Files of pages of one size that are filled in order, written once when full, and read back in any
 * order: what tree and offset table are made of. A page in the making is in memory only (its owner
 * keeps what it needs of it in a slots file); a full one waits to be written, is then kept in a
 * bounded cache, and is read again, and checked, when it has left the cache.
 *
 * A set has levels 0, 1, ...: level l is the file name.l, or name itself in a set of one level.
 *
 * Threads: one writer (reserve, start, finish), one maintainer (sync), any readers (read). Readers
 * may read a part of a page in the making once they have seen, with acquire, a size that the writer
 * published with release after it filled that part.
 */
struct pageset;

#define PAGESET_LEVELS_MAX 8
/* Checksum and stamp at the head of each page; the rest is the owner's. */
#define PAGE_HEADER 8

struct pageset_options {
	const struct vfs *vfs;
	const char *dir;
	const char *name;
	uint32_t stamp; /* names the kind and version of the pages; its last byte is the version */
	uint8_t levels; /* 1..PAGESET_LEVELS_MAX */
	size_t page_bytes;
	size_t cache_max;   /* pages of levels 0 and 1 kept after writing or reading; >= 1 */
	size_t waiting_max; /* pages that may wait to be written */
};

/* One page. Its owner writes only data, from PAGE_HEADER on, between start and finish. */
struct page {
	struct page *chain; /* next in its bucket of the table; or next spare page */
	struct page *next;  /* neighbours in the list that its state names */
	struct page *prev;
	uint64_t index;
	uint8_t level;
	uint8_t lives; /* rounds of the cache that it survives without being read */
	bool cached;   /* is in the cache's ring */
	uint8_t data[];
};

/* Opens the files that exist. IM_ERR_IO, IM_ERR_NOMEM. Free with pageset_close(). */
enum im_err pageset_open(const struct pageset_options *options, struct pageset **out);

/* Frees the set; what was not synced may be lost. NULL is allowed. */
void pageset_close(struct pageset *p);

/*
 * Before any other thread: IM_ERR_CORRUPT unless the file of the level has room for pages [0, n).
 */
enum im_err pageset_check_length(struct pageset *p, uint8_t level, uint64_t pages);

/*
 * Writer: makes the next n calls of pageset_start() succeed. Writes waiting pages when many wait.
 * IM_ERR_NOMEM; IM_ERR_NO_SPACE or IM_ERR_IO only when more than waiting_max would wait otherwise.
 */
enum im_err pageset_reserve(struct pageset *p, size_t n);

/* Writer: a new page, all zero, which readers can find at once. */
struct page *pageset_start(struct pageset *p, uint8_t level, uint64_t index);

/*
 * Writer, before any reader: takes a full page from disk back into the making, because its owner
 * starts again in the middle of it. Needs pageset_reserve(). Errors as pageset_read().
 */
enum im_err pageset_reopen(struct pageset *p, uint8_t level, uint64_t index, struct page **out);

/* Writer: the page is full and will not change again. */
void pageset_finish(struct pageset *p, struct page *page);

/* Maintainer: writes all waiting pages and syncs the files. Fails for good after a failed sync. */
enum im_err pageset_sync(struct pageset *p);

/* Any thread: whether full pages wait to be written. */
bool pageset_has_waiting(struct pageset *p);

/* What to read: n bytes at offset of a page, into out. */
struct page_part {
	uint8_t level;
	uint64_t index;
	size_t offset;
	size_t n;
	void *out;
};

/*
 * Reads parts[0..count). *done is how many were read: on failure parts[*done] is the culprit.
 * IM_ERR_WOULD_BLOCK with nowait, IM_ERR_CORRUPT naming file and offset, IM_ERR_VERSION, IM_ERR_IO,
 * IM_ERR_NOMEM.
 */
enum im_err pageset_read(
    struct pageset *p, const struct page_part *parts, size_t count, bool nowait, size_t *done);

/*
 * Replaces a damaged full page: data is its page_bytes - PAGE_HEADER bytes. Readers see it at once;
 * it is written by the next pageset_sync(). Any thread. IM_ERR_NOMEM.
 */
enum im_err pageset_replace(struct pageset *p, uint8_t level, uint64_t index, const void *data);

/* A page as a check of files sees it. */
struct page_seen {
	const char *file; /* path; NULL while there is none */
	uint64_t offset;
	uint64_t bytes; /* read; 0 when it is not on the disk yet */
	bool damaged;
};

/*
 * Any thread: reads a full page from its file, whether or not memory has it, and checks it, unless
 * it still waits to be written. One that is damaged and that memory has is written again by the
 * next pageset_sync(). IM_ERR_CORRUPT naming file and offset, IM_ERR_VERSION, IM_ERR_IO,
 * IM_ERR_NOMEM.
 */
enum im_err
pageset_check_file(struct pageset *p, uint8_t level, uint64_t index, struct page_seen *out);

/* Bytes of the set's files. IM_ERR_IO. */
enum im_err pageset_disk_bytes(struct pageset *p, uint64_t *bytes);

#endif
