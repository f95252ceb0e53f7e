/*
 * Opening and closing the index.
 *
 * Neighbours: manifest.c and run.c read the files; what cannot be used is left out, and the engine
 * inserts those transactions again from its log.
 *
 * Invariants: the runs kept are a prefix, by transaction, of those that the manifest names. No file
 * is removed before the manifest on disk names exactly the runs that are kept.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "store/index_version.h"
#include "store/manifest.h"
#include "util/log.h"

static void
left_out(const struct index *idx, const char *why)
{
	log_warn("database %s: index: %s; indexing from transaction %" PRIu64 " on again",
	    idx->name, why, idx->flushed_tx + 1);
	if (idx->left_out)
		idx->left_out(idx->ctx, why);
}

static enum im_err
index_alloc(const struct index_options *options, struct index **out)
{
	struct index *idx = (struct index *)calloc(1, sizeof *idx);
	struct index_version *v = (struct index_version *)calloc(1, sizeof *v);
	enum im_err err = IM_ERR_NOMEM;

	*out = idx;
	if (!idx || !v) {
		free(v);
		return err;
	}
	pthread_mutex_init(&idx->lock, NULL);
	hot_cache_init(&idx->blocks, INDEX_HOT_BYTES, RUN_BLOCK_TARGET);
	v->refs = 1;
	idx->current = v;
	idx->vfs = options->vfs ? options->vfs : &vfs_posix;
	idx->dir = strdup(options->dir);
	idx->name = strdup(options->name ? options->name : options->dir);
	idx->memtable_entries =
	    options->memtable_entries ? options->memtable_entries : INDEX_MEMTABLE_ENTRIES;
	idx->memtable_bytes =
	    options->memtable_bytes ? options->memtable_bytes : INDEX_MEMTABLE_BYTES;
	idx->flushing = options->flushing;
	idx->flushed = options->flushed;
	idx->left_out = options->left_out;
	idx->ctx = options->ctx;
	if (idx->dir && idx->name)
		err = memtable_create(idx->memtable_entries, &idx->active);
	if (err == IM_OK)
		v->table[v->tables++] = idx->active;
	return err;
}

/* Opens the runs that the manifest names, oldest first, up to the first that cannot be used. */
static enum im_err
runs_open(struct index *idx, const struct manifest *m, uint64_t log_tx)
{
	struct index_version *v = idx->current;

	for (unsigned i = 0; i < m->count; i++) {
		enum im_err err = IM_OK;

		idx->flushed_tx = m->runs[i].first_tx - 1;
		if (m->runs[i].last_tx > log_tx)
			err = err_set(IM_ERR_CORRUPT, "%s: runs reach beyond the log", idx->dir);
		if (err == IM_OK)
			err = run_open(idx->vfs, idx->dir, &m->runs[i], &v->run[v->runs]);
		if (err == IM_ERR_CORRUPT) {
			left_out(idx, err_detail(err));
			idx->manifest_dirty = true;
			return IM_OK;
		}
		if (err != IM_OK)
			return err;
		v->runs++;
	}
	idx->flushed_tx = m->covered_tx < log_tx ? m->covered_tx : log_tx;
	return IM_OK;
}

static enum im_err
manifest_read(struct index *idx, struct manifest *m)
{
	enum im_err err = manifest_load(idx->vfs, idx->dir, m);

	if (err == IM_ERR_CORRUPT) {
		left_out(idx, err_detail(err));
		idx->manifest_dirty = true;
		return IM_OK;
	}
	return err;
}

/* The manifest on disk names runs that were left out: replaces it by one that does not. */
static void
manifest_repair(struct index *idx)
{
	struct manifest m = {.covered_tx = idx->flushed_tx, .count = idx->current->runs};
	enum im_err err;

	for (unsigned i = 0; i < m.count; i++)
		m.runs[i] = idx->current->run[i]->id;
	err = manifest_store(idx->vfs, idx->dir, &m);
	if (err == IM_OK)
		idx->manifest_dirty = false;
	else
		log_warn("database %s: index: %s", idx->name, err_detail(err));
}

static bool
run_in_use(const struct index *idx, uint64_t number)
{
	const struct index_version *v = idx->current;

	for (unsigned i = 0; i < v->runs; i++) {
		if (v->run[i]->id.number == number)
			return true;
	}
	return false;
}

/* Called for each name in the folder. */
static int
file_tidy(void *arg, const char *name)
{
	struct index *idx = (struct index *)arg;
	char path[VFS_PATH_MAX];
	uint64_t number;
	bool is_run = run_name_parse(name, &number);

	if (is_run && number >= idx->next_number)
		idx->next_number = number + 1;
	if (idx->manifest_dirty || (is_run && run_in_use(idx, number)) ||
	    (!is_run && strcmp(name, MANIFEST_TEMPORARY_NAME) != 0))
		return 0;
	/* What cannot be removed now is left for the next time. */
	if (vfs_path(path, idx->dir, name) == IM_OK)
		idx->vfs->unlink(idx->vfs->ctx, path);
	return 0;
}

static enum im_err
folder_read(struct index *idx, uint64_t log_tx)
{
	struct manifest m;
	bool missing = false;
	enum im_err err;

	err = vfs_make_dir(idx->vfs, idx->dir);
	if (err != IM_OK)
		return err;
	err = manifest_read(idx, &m);
	if (err == IM_ERR_NOT_FOUND) {
		/* Perhaps the folder is new: what will be synced in it must not be lost with it. */
		missing = true;
		err = vfs_sync_parent(idx->vfs, idx->dir);
	}
	if (err == IM_OK)
		err = runs_open(idx, &m, log_tx);
	if (err != IM_OK)
		return err;
	if (idx->manifest_dirty)
		manifest_repair(idx);
	idx->next_number = 1;
	if (idx->vfs->list(idx->vfs->ctx, idx->dir, file_tidy, idx) != 0)
		return err_set_errno(vfs_errno_err(errno), "list", idx->dir);
	/* In a new folder there are no runs. */
	if (missing && idx->next_number > 1)
		left_out(idx, "no manifest");
	idx->frozen_tx = idx->flushed_tx;
	idx->covered_tx = idx->flushed_tx;
	return IM_OK;
}

enum im_err
index_open(const struct index_options *options, struct index **out)
{
	struct index *idx;
	enum im_err err = index_alloc(options, &idx);

	*out = NULL;
	if (err == IM_OK)
		err = folder_read(idx, options->log_tx);
	if (err != IM_OK) {
		index_close(idx);
		return err;
	}
	*out = idx;
	return IM_OK;
}

void
index_close(struct index *idx)
{
	if (!idx)
		return;
	/* The manifest may still name these: they stay. */
	for (unsigned i = 0; i < idx->retired; i++)
		run_unref(idx->retired_run[i]);
	if (idx->current) {
		index_version_release(idx->current);
		hot_cache_free(&idx->blocks);
		pthread_mutex_destroy(&idx->lock);
	}
	free(idx->name);
	free(idx->dir);
	free(idx);
}
