/*
 * Opening and closing a store: its folder, its marker, its lock; and its figures.
 *
 * Neighbours: recover.c does the work of opening, commit.c and upkeep.c run between open and close.
 * Invariants: a folder is a database only if it holds the marker file; the lock is taken before
 * anything else is read and given up last.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "store/engine.h"
#include "util/hex.h"
#include "util/log.h"

#define LOCK_NAME "lock"
#define MARKER_VERSION 1u
#define MARKER_MAX 4096u
#define MARKER_FORM "immudb database\nformat %u\nid %32s\n"
#define MARKER_NAME "\nname "

/* ---- The folder ---- */

static enum im_err
lock_folder(struct store *s)
{
	enum im_err err = vfs_file_open(&s->lock_file, s->vfs, s->dir, LOCK_NAME, O_RDWR | O_CREAT);

	if (err != IM_OK || s->vfs->lock(s->vfs->ctx, s->lock_file.fd) == 0)
		return err;
	if (errno == EWOULDBLOCK)
		return err_set(IM_ERR_LOCKED, "%s: in use by another process", s->dir);
	return err_set_errno(IM_ERR_IO, "lock", s->lock_file.path);
}

/* ---- The marker ---- */

static enum im_err
marker_create(struct store *s)
{
	char hex[2 * TXLOG_DATABASE_ID_SIZE + 1], text[MARKER_MAX];
	int n;

	if (getrandom(s->database_id, sizeof s->database_id, 0) != (ssize_t)sizeof s->database_id)
		return err_set(IM_ERR_INTERNAL, "getrandom failed");
	hex_encode(bytes_of(s->database_id, sizeof s->database_id), hex);
	n = snprintf(text, sizeof text, MARKER_FORM "name %s\n", MARKER_VERSION, hex, s->name);
	if (n < 0 || (size_t)n >= sizeof text)
		return err_set(IM_ERR_ARGUMENT, "the name of a database is too long");
	return vfs_replace_file(s->vfs, s->dir, STORE_MARKER_NAME, bytes_of(text, (size_t)n));
}

/* A folder that changed places with another's. Markers of before there were names have none. */
static enum im_err
marker_check_name(const struct store *s, const char *text)
{
	const char *name = strstr(text, MARKER_NAME);
	size_t len;

	if (!name || s->options.any_name)
		return IM_OK;
	name += sizeof MARKER_NAME - 1;
	len = strcspn(name, "\n");
	if (bytes_equal(bytes_of((const uint8_t *)name, len), bytes_str(s->name)))
		return IM_OK;
	return err_set(IM_ERR_CORRUPT, "%s: is the folder of database %.*s, not of %s", s->dir,
	    (int)len, name, s->name);
}

static enum im_err
marker_parse(struct store *s, const char *text)
{
	char hex[2 * TXLOG_DATABASE_ID_SIZE + 1];
	unsigned version;

	if (sscanf(text, "immudb database\nformat %u\n", &version) != 1)
		return err_set(IM_ERR_CORRUPT, "%s/%s: not the marker of a database", s->dir,
		    STORE_MARKER_NAME);
	if (version > MARKER_VERSION)
		return err_set(IM_ERR_VERSION, "%s/%s: format %u, this version knows up to %u",
		    s->dir, STORE_MARKER_NAME, version, MARKER_VERSION);
	if (sscanf(text, MARKER_FORM, &version, hex) != 2 ||
	    hex_decode(bytes_str(hex), s->database_id, sizeof s->database_id) != IM_OK)
		return err_set(IM_ERR_CORRUPT, "%s/%s: no database id", s->dir, STORE_MARKER_NAME);
	return marker_check_name(s, text);
}

struct folder {
	bool has_other; /* something that a fresh folder does not have */
};

static int
note_other(void *arg, const char *name)
{
	struct folder *folder = (struct folder *)arg;

	if (strcmp(name, LOCK_NAME) != 0 && strcmp(name, STORE_MARKER_NAME ".tmp") != 0)
		folder->has_other = true;
	return 0;
}

/* Reads the marker, or makes one in a folder that holds nothing yet. */
static enum im_err
load_marker(struct store *s)
{
	struct folder folder = {false};
	struct buf text;
	enum im_err err;

	buf_init(&text, MARKER_MAX);
	err = vfs_read_file(s->vfs, s->dir, STORE_MARKER_NAME, &text);
	if (err == IM_OK && !buf_append_u8(&text, '\0'))
		err = text.err;
	if (err == IM_OK) {
		err = marker_parse(s, (const char *)text.data);
	} else if (err == IM_ERR_NOT_FOUND) {
		if (s->vfs->list(s->vfs->ctx, s->dir, note_other, &folder) != 0)
			err = err_set_errno(vfs_errno_err(errno), "list", s->dir);
		else if (folder.has_other)
			err = err_set(
			    IM_ERR_CORRUPT, "%s: has files but no %s", s->dir, STORE_MARKER_NAME);
		else
			err = vfs_sync_parent(s->vfs, s->dir);
		if (err == IM_OK)
			err = marker_create(s);
	}
	buf_free(&text);
	return err;
}

/* ---- Open and close ---- */

static struct store *
store_new(const struct store_options *options)
{
	struct store *s = (struct store *)calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->options = *options;
	if (!s->options.checkpoint_entries)
		s->options.checkpoint_entries = ENGINE_CHECKPOINT_ENTRIES;
	s->vfs = options->vfs ? options->vfs : &vfs_posix;
	s->dir = strdup(options->dir);
	s->name = strdup(options->name);
	s->lock_file = VFS_FILE_CLOSED;
	s->mark.file = VFS_FILE_CLOSED;
	s->queue_tail = &s->queue_head;
	pthread_mutex_init(&s->state_lock, NULL);
	header_cache_init(&s->headers);
	hot_cache_init(&s->entries, ENGINE_HOT_BYTES, ENGINE_HOT_ENTRY_BYTES);
	hot_cache_init(&s->trees, ENGINE_HOT_TREES_BYTES, ENGINE_HOT_TREE_BYTES);
	pthread_mutex_init(&s->queue_lock, NULL);
	pthread_cond_init(&s->queue_filled, NULL);
	pthread_mutex_init(&s->durable_lock, NULL);
	pthread_mutex_init(&s->upkeep_lock, NULL);
	pthread_cond_init(&s->syncer_wanted, NULL);
	pthread_cond_init(&s->indexer_wanted, NULL);
	pthread_cond_init(&s->upkeep_done, NULL);
	return s;
}

static void
store_free(struct store *s)
{
	index_close(s->index);
	offsets_close(s->offsets);
	tree_close(s->tree);
	txlog_close(s->log);
	mark_file_close(&s->mark);
	vfs_file_close(&s->lock_file);
	pthread_mutex_destroy(&s->state_lock);
	header_cache_free(&s->headers);
	hot_cache_free(&s->entries);
	hot_cache_free(&s->trees);
	pthread_mutex_destroy(&s->queue_lock);
	pthread_cond_destroy(&s->queue_filled);
	pthread_mutex_destroy(&s->durable_lock);
	pthread_mutex_destroy(&s->upkeep_lock);
	pthread_cond_destroy(&s->syncer_wanted);
	pthread_cond_destroy(&s->indexer_wanted);
	pthread_cond_destroy(&s->upkeep_done);
	free(s->damage_text);
	free(s->name);
	free(s->dir);
	free(s);
}

enum im_err
store_open(const struct store_options *options, struct store **out)
{
	struct store *s = store_new(options);
	struct txlog_options log;
	enum im_err err = IM_OK;

	if (!s)
		return IM_ERR_NOMEM;
	if (!s->dir || !s->name)
		err = IM_ERR_NOMEM;
	else if (options->header_version > TX_HEADER_VERSION_MAX)
		err = IM_ERR_ARGUMENT;
	if (err == IM_OK)
		err = vfs_make_dir(s->vfs, s->dir);
	if (err == IM_OK)
		err = lock_folder(s);
	if (err == IM_OK)
		err = load_marker(s);
	log = (struct txlog_options){s->vfs, s->dir, s->database_id};
	if (err == IM_OK)
		err = txlog_open(&log, &s->log);
	if (err == IM_OK)
		err = engine_recover(s);
	if (err != IM_OK) {
		store_free(s);
		return err;
	}
	*out = s;
	return IM_OK;
}

/* A checkpoint at the very end makes the next open short. */
static void
checkpoint_at_close(struct store *s)
{
	struct record_mark end = {s->last_tx, txlog_end(s->log), s->last_alh};
	enum im_err err = IM_OK;
	bool did;

	/*
	 * A run that was found damaged is made anew by the next open, unless the manifest names it.
	 */
	if (index_damaged(s->index))
		err = index_flush(s->index, &did);
	if (err != IM_OK)
		log_warn("database %s: index: %s", s->name, err_detail(err));
	/* Pages that a check has mended wait although there is no new transaction. */
	if (s->damaged ||
	    (s->checkpoint_tx == end.tx && !tree_has_waiting(s->tree) &&
		!offsets_has_waiting(s->offsets)))
		return;
	/* Whatever becomes of the checkpoint, what was answered is durable. */
	engine_sync_log(s);
	err = index_freeze(s->index, end.tx);
	if (err == IM_ERR_BUSY) {
		/* The frozen ones wait because nobody flushed them any more. */
		err = IM_OK;
		did = true;
		while (err == IM_OK && did)
			err = index_flush(s->index, &did);
		if (err == IM_OK)
			err = index_freeze(s->index, end.tx);
	}
	if (err == IM_OK)
		err = engine_checkpoint(s, &end);
	if (err != IM_OK)
		log_warn("database %s: no checkpoint at close: %s", s->name, err_detail(err));
}

void
store_close(struct store *s)
{
	if (!s)
		return;
	engine_commit_stop(s);
	index_stop(s->index);
	engine_upkeep_stop(s);
	checkpoint_at_close(s);
	store_free(s);
}

/* ---- Figures ---- */

void
store_state(struct store *s, struct store_state *out)
{
	pthread_mutex_lock(&s->state_lock);
	*out = s->state;
	pthread_mutex_unlock(&s->state_lock);
}

void
store_observe(struct store *s, const struct store_metrics *metrics)
{
	s->metrics = *metrics;
}

void
store_stats(struct store *s, struct store_stats *out)
{
	uint64_t tree = 0, offsets = 0;
	struct index_stats index;

	index_stats(s->index, &index);
	if (tree_disk_bytes(s->tree, &tree) != IM_OK)
		tree = 0;
	if (offsets_disk_bytes(s->offsets, &offsets) != IM_OK)
		offsets = 0;
	*out = (struct store_stats){
	    .tx = atomic_load_explicit(&s->published, memory_order_acquire),
	    .log_bytes = txlog_used_bytes(s->log),
	    .disk_bytes = txlog_disk_bytes(s->log) + tree + offsets + index.run_bytes,
	    .damaged_values = atomic_load(&s->damaged_values),
	    .batches = atomic_load(&s->batches),
	    .syncs = atomic_load(&s->syncs),
	    .index_runs = index.runs,
	    .unflushed_entries = index.table_entries,
	    .hot_bytes =
		index.hot_bytes + hot_cache_bytes(&s->entries) + hot_cache_bytes(&s->trees),
	    .no_space = atomic_load(&s->no_space),
	    .read_only = s->damaged || atomic_load(&s->no_space),
	};
	hot_cache_counts(&s->entries, &out->cache_hits[STORE_CACHE_ENTRIES],
	    &out->cache_misses[STORE_CACHE_ENTRIES]);
	hot_cache_counts(
	    &s->trees, &out->cache_hits[STORE_CACHE_TREES], &out->cache_misses[STORE_CACHE_TREES]);
	out->cache_hits[STORE_CACHE_INDEX] = index.hot_hits;
	out->cache_misses[STORE_CACHE_INDEX] = index.hot_misses;
	header_cache_counts(&s->headers, &out->cache_hits[STORE_CACHE_HEADERS],
	    &out->cache_misses[STORE_CACHE_HEADERS]);
	pthread_mutex_lock(&s->durable_lock);
	out->durable_tx = s->durable.tx;
	pthread_mutex_unlock(&s->durable_lock);
}
