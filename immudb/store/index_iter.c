/*
 * What all walks over the index share.
 *
 * Neighbours: index_scan.c (a range of keys) and index_history.c (the versions of one key) are the
 * two kinds; index_cursor.c does the moving.
 */
#include "store/index_iter.h"

#include <stdlib.h>

enum im_err
index_iter_init(struct index_iter *it, struct index *idx, const struct index_read *read,
    bool (*wanted)(const struct index_iter *it, unsigned source))
{
	it->version = index_version_acquire(idx);
	it->as_of = read->as_of;
	for (unsigned i = 0; i < index_sources(it->version); i++) {
		const struct run *r = index_source_run(it->version, i);
		enum im_err err;

		if (r ? r->id.first_tx > it->as_of : memtable_count(it->version->table[i]) == 0)
			continue;
		if (wanted && !wanted(it, i))
			continue;
		err = index_cursor_open(&it->cursors[it->count], it->version, i);
		if (err != IM_OK)
			return err;
		it->count++;
	}
	index_iter_set_nowait(it, read->nowait);
	return IM_OK;
}

bool
index_iter_mixed(const struct index_iter *it, unsigned i)
{
	const struct run_cursor *run = it->cursors[i].run;

	return !run || run->run->id.last_tx > it->as_of;
}

enum im_err
index_iter_next(struct index_iter *it, struct index_entry *out)
{
	enum im_err err;

	if (it->broken != IM_OK)
		return it->broken;
	if (it->ended)
		return IM_ERR_NOT_FOUND;
	err = it->next(it, out);
	if (err == IM_ERR_NOT_FOUND)
		it->ended = true;
	else if (err == IM_ERR_CORRUPT || err == IM_ERR_INTERNAL)
		it->broken = err;
	return err;
}

void
index_iter_set_nowait(struct index_iter *it, bool nowait)
{
	for (unsigned i = 0; i < it->count; i++)
		index_cursor_set_nowait(&it->cursors[i], nowait);
}

void
index_iter_close(struct index_iter *it)
{
	if (!it)
		return;
	if (it->finish)
		it->finish(it);
	for (unsigned i = 0; i < it->count; i++)
		index_cursor_close(&it->cursors[i]);
	index_version_release(it->version);
	free(it);
}
