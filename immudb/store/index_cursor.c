/*
 * One kind of cursor over memtables and runs.
 *
 * Neighbours: index_scan.c merges several of them, index_history.c uses them one after the other.
 */
#include "store/index_cursor.h"

#include <stdlib.h>

enum im_err
index_cursor_open(struct index_cursor *c, const struct index_version *v, unsigned i)
{
	struct run *r = index_source_run(v, i);

	*c = (struct index_cursor){0};
	if (!r) {
		c->table = v->table[i];
		return IM_OK;
	}
	c->run = (struct run_cursor *)malloc(sizeof *c->run);
	if (!c->run)
		return IM_ERR_NOMEM;
	run_cursor_init(c->run, r, NULL);
	return IM_OK;
}

void
index_cursor_close(struct index_cursor *c)
{
	free(c->run);
	*c = (struct index_cursor){0};
}

void
index_cursor_set_nowait(struct index_cursor *c, bool nowait)
{
	if (c->run)
		c->run->nowait = nowait;
}

/* Stands on a node, or nowhere. */
static enum im_err
node_set(struct index_cursor *c, const struct memtable_node *node)
{
	c->node = node;
	if (node)
		memtable_entry(node, &c->entry);
	return IM_OK;
}

enum im_err
index_cursor_seek(struct index_cursor *c, struct bytes key, uint64_t tx)
{
	if (c->run)
		return run_cursor_seek(c->run, key, tx);
	return node_set(c, memtable_seek(c->table, key, tx));
}

enum im_err
index_cursor_seek_before(struct index_cursor *c, struct bytes key, uint64_t tx)
{
	if (c->run)
		return run_cursor_seek_before(c->run, key, tx);
	return node_set(c, memtable_seek_before(c->table, key, tx));
}

enum im_err
index_cursor_last(struct index_cursor *c)
{
	return c->run ? run_cursor_last(c->run) : node_set(c, memtable_last(c->table));
}

enum im_err
index_cursor_next(struct index_cursor *c)
{
	return c->run ? run_cursor_next(c->run) : node_set(c, memtable_next(c->node));
}

enum im_err
index_cursor_prev(struct index_cursor *c)
{
	return c->run ? run_cursor_prev(c->run) : node_set(c, memtable_prev(c->table, c->node));
}

enum im_err
index_cursor_seek_ordinal(struct index_cursor *c, struct bytes key, uint64_t ordinal)
{
	if (c->run)
		return run_cursor_seek_ordinal(c->run, key, ordinal);
	/*
	 * From the oldest version up. Nothing older than what a reader may see is ever inserted, so
	 * these nodes follow each other without gaps.
	 */
	node_set(c, memtable_seek_before(c->table, key, 0));
	while (c->node && c->entry.revision < ordinal && bytes_equal(c->entry.key, key))
		node_set(c, memtable_prev(c->table, c->node));
	if (c->node && bytes_equal(c->entry.key, key) && c->entry.revision == ordinal)
		return IM_OK;
	c->node = NULL;
	return err_set(IM_ERR_INTERNAL, "a version of a key is missing in a memtable");
}
