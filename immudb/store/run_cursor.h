#ifndef STORE_RUN_CURSOR_H
#define STORE_RUN_CURSOR_H

#include "store/hot_cache.h"
#include "store/run.h"

/*
 * A place in a run that can move both ways. One thread. It holds no reference: the run must outlive
 * it. It is big and needs no memory of its own, so it may live on the stack.
 *
 * Moves return IM_OK also when they reach the end; run_cursor_entry() is then NULL. When a block
 * cannot be read (IM_ERR_WOULD_BLOCK, IM_ERR_IO), a step leaves the cursor where it was and may be
 * repeated; a seek leaves it nowhere and may be repeated. After IM_ERR_CORRUPT it is nowhere.
 */
struct run_cursor {
	struct run *run;
	bool nowait;
	bool valid;
	uint64_t block;  /* that the group belongs to */
	uint64_t loaded; /* the block in data; run->blocks when none */
	unsigned group;
	unsigned groups; /* of the block */
	unsigned at;     /* entry of the group */
	struct run_block view;
	/*
	 * When not NULL, blocks are looked for and offered here: run_cursor_release() is then due.
	 */
	struct hot_cache *hot;
	struct hot_item *pinned; /* what view is in; NULL when that is data */
	/*
	 * When not NULL, blocks come through this window of RUN_WINDOW_BYTES: for walks in order.
	 */
	uint8_t *window;
	uint64_t window_offset;
	size_t window_len;
	struct run_group entries;
	uint8_t data[RUN_BLOCK_MAX];
};

#define RUN_WINDOW_BYTES (128u * 1024)

/* Binds the cursor to a run; it is nowhere yet. window may be NULL and stays the caller's. */
void run_cursor_init(struct run_cursor *c, struct run *run, uint8_t *window);

/* Lets go of what was pinned; the cursor is nowhere. */
void run_cursor_release(struct run_cursor *c);

/* Goes to the first version at or behind a place (index_key.h). */
enum im_err run_cursor_seek(struct run_cursor *c, struct bytes key, uint64_t tx);

/* Goes to the last version before a place. */
enum im_err run_cursor_seek_before(struct run_cursor *c, struct bytes key, uint64_t tx);

enum im_err run_cursor_first(struct run_cursor *c);
enum im_err run_cursor_last(struct run_cursor *c);

/* Goes to the first version of block i. */
enum im_err run_cursor_block(struct run_cursor *c, uint64_t i);

/* Steps; the cursor is on a version. */
enum im_err run_cursor_next(struct run_cursor *c);
enum im_err run_cursor_prev(struct run_cursor *c);

/*
 * Goes to the version of key with this ordinal, which the run has. Takes few steps however many
 * versions there are. IM_ERR_CORRUPT when there is none.
 */
enum im_err run_cursor_seek_ordinal(struct run_cursor *c, struct bytes key, uint64_t ordinal);

/*
 * The version under the cursor, its revision being the ordinal in the run; NULL at the ends. Valid
 * until the cursor moves, its key too.
 */
static inline const struct index_entry *
run_cursor_entry(const struct run_cursor *c)
{
	return c->valid ? &c->entries.entries[c->at] : NULL;
}

#endif
