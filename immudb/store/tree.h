#ifndef STORE_TREE_H
#define STORE_TREE_H

#include "crypto/ahtree.h"
#include "crypto/hash.h"
#include "store/pageset.h"
#include "store/vfs.h"

/*
 * The append-only hash tree over the Alhs of all transactions, on disk (FORMAT.md, "Tree"). Leaf n
 * is leaf(Alh(n)), the first is 1, and (lo, hi] is the range of leaves lo+1..hi (specification of
 * proofs, section 6).
 *
 * Threads: one writer (tree_reserve, tree_append, tree_edge_root), one maintainer (tree_sync), any
 * number of readers (the rest) at the same time. A reader may ask for a leaf as soon as it knows a
 * size that contains it: tree_size(), or a transaction id that the writer published with
 * release/acquire after the append.
 */
struct tree;

struct tree_options {
	const struct vfs *vfs;
	const char *dir;  /* existing folder of the database */
	const char *name; /* files are dir/name.0, name.1, ... and name.tail */
	/*
	 * Reads Alh(tx) from the log, so that a damaged part of the tree is made anew when a reader
	 * meets it. NULL: such a read is IM_ERR_CORRUPT. Called from tree_range_root() and
	 * tree_root(), with no lock held.
	 */
	enum im_err (*alh)(void *ctx, uint64_t tx, struct hash *out);
	void *alh_ctx;
	/* Called with what is wrong, and alh_ctx, before such a part is made anew; may be NULL. */
	void (*damaged)(void *alh_ctx, const char *text);
};

/*
 * Opens a tree of exactly size leaves; size is what an earlier tree_sync() gave and a checkpoint
 * holds, or less than that. What the files hold beyond is ignored and written over. Size 0 starts
 * anew and always works on a healthy disk.
 *
 * IM_ERR_CORRUPT when the files do not hold size leaves, naming the file: the caller opens again
 * with size 0 and appends everything from the log. Damage inside older tiles shows only when they
 * are read; the caller compares tree_edge_root() with the blRoot of the header after the last leaf.
 * IM_ERR_VERSION, IM_ERR_IO, IM_ERR_NOMEM. Free with tree_close().
 */
enum im_err tree_open(const struct tree_options *options, uint64_t size, struct tree **out);

/* Frees the tree without syncing it. No other call may be under way. NULL is allowed. */
void tree_close(struct tree *t);

/*
 * Writer: gets the memory for that many more leaves, so that the appends cannot fail. Once a batch,
 * before ids are given out. Tiles that wait to be written are written (not synced) when they are
 * many; only when TREE_WAITING_TILES_MAX wait and the disk refuses them is it an error.
 * IM_ERR_NO_SPACE, IM_ERR_IO, IM_ERR_NOMEM; nothing has changed then.
 */
enum im_err tree_reserve(struct tree *t, size_t leaves);

/* Writer: appends the next leaf, which tree_reserve() made room for. Touches memory only. */
void tree_append(struct tree *t, const struct hash *alh);

/*
 * Writer: the root of the tree as it is now, from memory in O(log n). Z32 (32 zero bytes) for size
 * 0, which is what blRoot of the first header is.
 */
void tree_edge_root(const struct tree *t, struct hash *out);

/*
 * Maintainer: writes what is not on disk yet and syncs it. *size is then durable: it is the size at
 * the time of the call or more, and may be given to tree_open(). IM_ERR_NO_SPACE, IM_ERR_IO,
 * IM_ERR_NOMEM; the tree stays usable, but after a failed fdatasync every later call fails too,
 * because what that call lost cannot be known.
 */
enum im_err tree_sync(struct tree *t, uint64_t *size);

/* Any thread: whether tiles that are full, or were mended, wait for the next sync. */
bool tree_has_waiting(struct tree *t);

/* Any thread: leaves appended so far. */
uint64_t tree_size(const struct tree *t);

/*
 * Any thread: the root of the leaves (lo, hi], where lo is a multiple of the smallest power of two
 * >= hi - lo: every range that proofs ask for. IM_ERR_ARGUMENT for other ranges or hi >
 * tree_size(); with nowait, IM_ERR_WOULD_BLOCK instead of waiting for the disk; IM_ERR_CORRUPT
 * naming file and offset when the tile is damaged and cannot be made from the log; IM_ERR_IO,
 * IM_ERR_NOMEM.
 */
enum im_err
tree_range_root(struct tree *t, uint64_t lo, uint64_t hi, bool nowait, struct hash *out);

/*
 * Any thread: the roots of up to AHTREE_PATH_MAX such ranges, as tree_range_root() gives them, for
 * little more than one costs.
 */
enum im_err tree_range_roots(
    struct tree *t, const struct ahtree_range *ranges, size_t n, bool nowait, struct hash *out);

/* Any thread: the root at size n, Z32 for 0. Errors as tree_range_root(). */
enum im_err tree_root(struct tree *t, uint64_t n, bool nowait, struct hash *out);

/*
 * What the proof makers of crypto/ahtree.h read through: the tree as it was at size, with or
 * without waiting for the disk. The caller fills it in and keeps it while the reader is in use.
 */
struct tree_view {
	struct tree *tree;
	uint64_t size; /* <= tree_size() */
	bool nowait;
};

/* Any thread. Errors as tree_range_root(), and IM_ERR_TX_NOT_FOUND above the view's size. */
struct ahtree_reader tree_view_reader(struct tree_view *view);

/* So many tiles hold a leaf at most, on all levels. */
#define TREE_HOLDING_MAX PAGESET_LEVELS_MAX

/*
 * Any thread: reads from the files, past all memory, the full tiles that begin with leaf, or with
 * within all that hold it, and checks them: tiles[0..*n). Those that are damaged are written again
 * by the next tree_sync(), from memory or made anew from the log. IM_ERR_IO, IM_ERR_VERSION,
 * IM_ERR_NOMEM, and what tree_range_root() says when one cannot be made.
 */
enum im_err tree_check_files(struct tree *t, uint64_t leaf, bool within,
    struct page_seen tiles[TREE_HOLDING_MAX], size_t *n);

/* Any thread: damaged tiles that were made anew from the log since open. */
uint64_t tree_repairs(const struct tree *t);

/* Bytes of all files of the tree. IM_ERR_IO. */
enum im_err tree_disk_bytes(struct tree *t, uint64_t *bytes);

/* Tiles (16 KiB each) of one tree kept in memory after they were read or written. */
#define TREE_CACHE_TILES_MAX 512
/* Tiles of one tree that may wait to be written before appends are refused. */
#define TREE_WAITING_TILES_MAX 2048

#endif
