#ifndef STORE_INDEX_CURSOR_H
#define STORE_INDEX_CURSOR_H

#include "store/index_version.h"
#include "store/run_cursor.h"

/*
 * A cursor over one source, memtable or run, with the moves of run_cursor.h. A cursor over a
 * memtable may meet versions of transactions newer than the reader's; the caller passes over them.
 */
struct index_cursor {
	const struct memtable *table; /* NULL with run */
	const struct memtable_node *node;
	struct run_cursor *run;   /* NULL with table; owned */
	struct index_entry entry; /* of node */
};

/* Binds to source i of the version, which must stay referenced. IM_ERR_NOMEM. */
enum im_err index_cursor_open(struct index_cursor *c, const struct index_version *v, unsigned i);

void index_cursor_close(struct index_cursor *c);

void index_cursor_set_nowait(struct index_cursor *c, bool nowait);

enum im_err index_cursor_seek(struct index_cursor *c, struct bytes key, uint64_t tx);
enum im_err index_cursor_seek_before(struct index_cursor *c, struct bytes key, uint64_t tx);
enum im_err index_cursor_last(struct index_cursor *c);
enum im_err index_cursor_next(struct index_cursor *c);
enum im_err index_cursor_prev(struct index_cursor *c);
enum im_err index_cursor_seek_ordinal(struct index_cursor *c, struct bytes key, uint64_t ordinal);

static inline const struct index_entry *
index_cursor_entry(const struct index_cursor *c)
{
	if (c->run)
		return run_cursor_entry(c->run);
	return c->node ? &c->entry : NULL;
}

#endif
