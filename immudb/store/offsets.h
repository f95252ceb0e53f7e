#ifndef STORE_OFFSETS_H
#define STORE_OFFSETS_H

#include "store/pageset.h"
#include "store/vfs.h"

/*
 * Where each transaction's record is in the log: transaction id -> position (FORMAT.md, "Offsets").
 * The first transaction is 1; positions are opaque 64-bit numbers.
 *
 * Threads: one writer (offsets_reserve, offsets_append), one maintainer (offsets_sync), any number
 * of readers (the rest) at the same time. A reader may ask for a transaction as soon as it knows a
 * size that contains it: offsets_size(), or an id that the writer published with release/acquire
 * after the append.
 */
struct offsets;

struct offsets_options {
	const struct vfs *vfs;
	const char *dir;  /* existing folder of the database */
	const char *name; /* files are dir/name and dir/name.tail */
};

/*
 * Opens a table of exactly size transactions; size is what an earlier offsets_sync() gave and a
 * checkpoint holds, or less than that. What the files hold beyond is ignored and written over.
 * Size 0 starts anew and always works on a healthy disk.
 *
 * IM_ERR_CORRUPT when the files do not hold size positions, naming file and offset: the caller
 * opens again with size 0 and appends everything from the log. Damage inside older pages shows only
 * when they are read. IM_ERR_VERSION, IM_ERR_IO, IM_ERR_NOMEM. Free with offsets_close().
 */
enum im_err
offsets_open(const struct offsets_options *options, uint64_t size, struct offsets **out);

/* Frees the table without syncing it. No other call may be under way. NULL is allowed. */
void offsets_close(struct offsets *o);

/*
 * Writer: gets the memory for that many more transactions, so that the appends cannot fail. Pages
 * that wait to be written are written (not synced) when they are many; only when
 * OFFSETS_WAITING_PAGES_MAX wait and the disk refuses them is it an error.
 * IM_ERR_NO_SPACE, IM_ERR_IO, IM_ERR_NOMEM; nothing has changed then.
 */
enum im_err offsets_reserve(struct offsets *o, size_t transactions);

/* Writer: the position of the next transaction, which offsets_reserve() made room for. */
void offsets_append(struct offsets *o, uint64_t position);

/*
 * Maintainer: writes what is not on disk yet and syncs it. *size is then durable: it is the size at
 * the time of the call or more, and may be given to offsets_open(). IM_ERR_NO_SPACE, IM_ERR_IO,
 * IM_ERR_NOMEM; the table stays usable, but after a failed fdatasync every later call fails too.
 */
enum im_err offsets_sync(struct offsets *o, uint64_t *size);

/* Any thread: whether pages that are full, or were mended, wait for the next sync. */
bool offsets_has_waiting(struct offsets *o);

/* Any thread: transactions appended so far. */
uint64_t offsets_size(const struct offsets *o);

/*
 * Any thread: the position of a transaction. IM_ERR_TX_NOT_FOUND for 0 or more than the size; with
 * nowait, IM_ERR_WOULD_BLOCK instead of waiting for the disk; IM_ERR_CORRUPT naming file and offset
 * when the page is damaged; IM_ERR_IO, IM_ERR_NOMEM.
 */
enum im_err offsets_get(struct offsets *o, uint64_t tx, bool nowait, uint64_t *position);

/* Transactions of one page. */
#define OFFSETS_PAGE_TXS 511u

/*
 * Any thread: replaces a damaged page, whose first transaction is first_tx, by these positions.
 * Readers see it at once, the next sync writes it. IM_ERR_NOMEM.
 */
enum im_err
offsets_replace(struct offsets *o, uint64_t first_tx, const uint64_t positions[OFFSETS_PAGE_TXS]);

/*
 * Any thread: reads the page of a transaction from the file, past all memory, and checks it, if it
 * is full and written; out->bytes is 0 if not. IM_ERR_CORRUPT naming file and offset: if memory has
 * it, it is written again by the next sync, else whoever reads it next finds it damaged. IM_ERR_IO,
 * IM_ERR_VERSION, IM_ERR_NOMEM.
 */
enum im_err offsets_check_file(struct offsets *o, uint64_t tx, struct page_seen *out);

/* Bytes of all files of the table. IM_ERR_IO. */
enum im_err offsets_disk_bytes(struct offsets *o, uint64_t *bytes);

/* Pages (4 KiB each) of one table kept in memory after they were read or written. */
#define OFFSETS_CACHE_PAGES_MAX 512
/* Pages of one table that may wait to be written before appends are refused. */
#define OFFSETS_WAITING_PAGES_MAX 4096

#endif
