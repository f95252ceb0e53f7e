/*
 * Writing a run: blocks as they fill, then the sparse index, the filter and the footer.
 *
 * Neighbours: index_maintain.c feeds it from a memtable, merge.c from other runs; run.c reads what
 * is written here.
 *
 * Invariants: versions are added in the order of the index, each key's ordinals descending to 1.
 * Nothing refers to the file before run_writer_finish() has synced it; an unfinished file is
 * removed. The file is synced every SYNC_BYTES on the way, so that a big run does not leave so many
 * unwritten pages that the syncs of the log wait for them.
 */
#include "store/run_write.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>

#include "store/index_key.h"
#include "store/run_format.h"
#include "util/crc32c.h"

/* The line of a key in the filter is fetched so many keys before it is written to. */
#define HASHES 16u
#define OUT_BYTES (256u * 1024)
#define SYNC_BYTES (16u * 1024 * 1024)

struct run_writer {
	struct run_plan plan;
	struct vfs_file file;
	bool finished;
	uint64_t offset; /* of the next block */
	uint64_t synced; /* bytes that were synced on the way */
	uint64_t entries;
	uint64_t keys;
	uint64_t blocks;
	uint64_t last_tx; /* of the last version added */
	uint64_t last_revision;
	struct bloom filter;
	uint64_t hashes[HASHES]; /* of the last keys, not yet in the filter */
	struct buf rows;         /* of the sparse index */
	struct buf first_key;
	/* The place at or behind which the open block is; its key, not yet cut, is in rows. */
	size_t separator_len;
	uint64_t separator_tx;
	uint8_t separator[INDEX_KEY_MAX];
	size_t out_len;
	uint8_t out[OUT_BYTES]; /* the last out_len bytes before offset, not yet written */
	struct run_block_builder block;
};

static struct bytes
last_key(const struct run_writer *w)
{
	return bytes_of(w->block.last_key, w->block.last_key_len);
}

static enum im_err
filter_create(struct run_writer *w)
{
	uint64_t lines = bloom_lines(w->plan.keys_max);
	size_t n = (size_t)lines * BLOOM_LINE_BYTES;

	w->filter = (struct bloom){(uint8_t *)aligned_alloc(BLOOM_LINE_BYTES, n), lines};
	if (!w->filter.data)
		return IM_ERR_NOMEM;
	memset(w->filter.data, 0, n);
	return IM_OK;
}

enum im_err
run_writer_open(const struct run_plan *plan, struct run_writer **out)
{
	struct run_writer *w = (struct run_writer *)malloc(sizeof *w);
	char name[RUN_NAME_MAX];
	enum im_err err;

	*out = NULL;
	if (!w)
		return IM_ERR_NOMEM;
	/* The buffers at the end need no clearing. */
	memset(w, 0, offsetof(struct run_writer, out));
	w->block.base = plan->base;
	w->block.len = w->block.groups = 0;
	w->block.last_key_len = 0;
	w->plan = *plan;
	w->file = VFS_FILE_CLOSED;
	buf_init(&w->rows, SIZE_MAX / 2);
	buf_init(&w->first_key, INDEX_KEY_MAX);
	err = filter_create(w);
	if (err == IM_OK) {
		run_name(name, plan->number);
		err =
		    vfs_file_open(&w->file, plan->vfs, plan->dir, name, O_RDWR | O_CREAT | O_EXCL);
	}
	if (err != IM_OK) {
		run_writer_close(w);
		return err;
	}
	index_header_encode(w->out, RUN_MAGIC, RUN_VERSION);
	w->offset = w->out_len = RUN_HEADER_BYTES;
	*out = w;
	return IM_OK;
}

static enum im_err
out_write(struct run_writer *w)
{
	enum im_err err = vfs_write(&w->file, w->out, w->out_len, w->offset - w->out_len);

	if (err != IM_OK)
		return err;
	w->out_len = 0;
	if (w->offset - w->synced < SYNC_BYTES)
		return IM_OK;
	w->synced = w->offset;
	return vfs_sync(&w->file);
}

static enum im_err
out_append(struct run_writer *w, struct bytes data)
{
	while (data.len > 0) {
		size_t n = OUT_BYTES - w->out_len;

		n = data.len < n ? data.len : n;
		memcpy(w->out + w->out_len, data.data, n);
		w->out_len += n;
		w->offset += n;
		data = bytes_of(data.data + n, data.len - n);
		if (w->out_len == OUT_BYTES) {
			enum im_err err = out_write(w);

			if (err != IM_OK)
				return err;
		}
	}
	return IM_OK;
}

static enum im_err
block_close(struct run_writer *w)
{
	struct bytes data = run_block_end(&w->block, w->offset);

	w->blocks++;
	run_varint_append(&w->rows, data.len);
	run_varint_append(&w->rows, w->separator_len);
	buf_append(&w->rows, w->separator, w->separator_len);
	run_varint_append(&w->rows, w->separator_tx);
	return w->rows.err != IM_OK ? w->rows.err : out_append(w, data);
}

/* The shortest place that is behind the last version and not behind this one. */
static void
separator_set(struct run_writer *w, const struct index_entry *e, size_t shared)
{
	bool same_key = shared == e->key.len && shared == w->block.last_key_len;

	w->separator_len = same_key || w->entries == 0 ? e->key.len : shared + 1;
	w->separator_tx = same_key ? e->tx : 0;
	memcpy(w->separator, e->key.data, w->separator_len);
}

static void
filter_add(struct run_writer *w, uint64_t hash)
{
	uint64_t *slot = &w->hashes[w->keys % HASHES];

	if (w->keys >= HASHES)
		bloom_add(&w->filter, *slot);
	*slot = hash;
	bloom_prefetch(&w->filter, hash);
	w->keys++;
}

/* Adds the keys that still wait. */
static void
filter_complete(struct run_writer *w)
{
	uint64_t waiting = w->keys < HASHES ? w->keys : HASHES;

	for (uint64_t i = 0; i < waiting; i++)
		bloom_add(&w->filter, w->hashes[i]);
}

static enum im_err
order_check(const struct run_writer *w, const struct index_entry *e, size_t shared)
{
	bool same_key = shared == e->key.len && shared == w->block.last_key_len;
	bool behind = w->entries == 0 ||
	    (same_key ? e->tx < w->last_tx && e->revision + 1 == w->last_revision
		      : w->last_revision == 1 && bytes_compare(last_key(w), e->key) < 0);

	if (behind && e->tx >= w->plan.base.first_tx && e->tx <= w->plan.base.last_tx &&
	    e->pos >= w->plan.base.pos && e->revision > 0)
		return IM_OK;
	return err_set(IM_ERR_CORRUPT, "%s: versions out of order", w->file.path);
}

enum im_err
run_writer_add(struct run_writer *w, const struct index_entry *e)
{
	size_t shared = index_key_shared(last_key(w), e->key);
	bool new_key = shared < e->key.len || shared < w->block.last_key_len;
	enum im_err err = order_check(w, e, shared);

	if (err == IM_OK && run_block_full(&w->block))
		err = block_close(w);
	if (err != IM_OK)
		return err;
	if (w->block.len == 0)
		separator_set(w, e, shared);
	if (w->entries == 0 && !buf_append_bytes(&w->first_key, e->key))
		return w->first_key.err;
	if (new_key) {
		filter_add(w, bloom_hash(e->key));
	}
	run_block_add(&w->block, e, shared);
	w->entries++;
	w->last_tx = e->tx;
	w->last_revision = e->revision;
	return IM_OK;
}

uint64_t
run_writer_bytes(const struct run_writer *w)
{
	return w->offset;
}

/* Writes the sparse index: smallest key, greatest key, a row per block. */
static enum im_err
index_write(struct run_writer *w, struct run_footer *f)
{
	struct buf keys;
	enum im_err err;

	buf_init(&keys, 2 * (INDEX_KEY_MAX + sizeof(uint16_t)));
	buf_append_be16(&keys, (uint16_t)w->first_key.len);
	buf_append_bytes(&keys, buf_bytes(&w->first_key));
	buf_append_be16(&keys, (uint16_t)w->block.last_key_len);
	buf_append_bytes(&keys, last_key(w));
	f->index_offset = w->offset;
	f->index_len = keys.len + w->rows.len;
	f->index_crc = crc32c(crc32c(0, keys.data, keys.len), w->rows.data, w->rows.len);
	err = keys.err;
	if (err == IM_OK)
		err = out_append(w, buf_bytes(&keys));
	if (err == IM_OK)
		err = out_append(w, buf_bytes(&w->rows));
	buf_free(&keys);
	return err;
}

static enum im_err
filter_write(struct run_writer *w, struct run_footer *f)
{
	struct bytes data = bytes_of(w->filter.data, (size_t)w->filter.lines * BLOOM_LINE_BYTES);

	filter_complete(w);
	f->filter_offset = w->offset;
	f->filter_len = data.len;
	f->filter_crc = crc32c(0, data.data, data.len);
	return out_append(w, data);
}

/* Frees what the opened run will have again. */
static void
memory_release(struct run_writer *w)
{
	free(w->filter.data);
	w->filter.data = NULL;
	buf_free(&w->rows);
}

enum im_err
run_writer_finish(struct run_writer *w, struct run **out)
{
	struct run_footer f = {.first_tx = w->plan.base.first_tx,
	    .last_tx = w->plan.base.last_tx,
	    .entries = w->entries,
	    .keys = w->keys,
	    .pos_base = w->plan.base.pos};
	uint8_t footer[RUN_FOOTER_BYTES];
	struct run_id id;
	enum im_err err;

	assert(w->entries > 0);
	*out = NULL;
	err = block_close(w);
	f.blocks = w->blocks;
	if (err == IM_OK)
		err = index_write(w, &f);
	if (err == IM_OK)
		err = filter_write(w, &f);
	run_footer_encode(footer, &f);
	if (err == IM_OK)
		err = out_append(w, bytes_of(footer, sizeof footer));
	if (err == IM_OK)
		err = out_write(w);
	if (err == IM_OK)
		err = vfs_sync(&w->file);
	if (err == IM_OK && w->plan.vfs->sync_dir(w->plan.vfs->ctx, w->plan.dir) != 0)
		err = err_set_errno(IM_ERR_IO, "fsync", w->plan.dir);
	if (err != IM_OK)
		return err;
	memory_release(w);
	id = (struct run_id){w->plan.number, f.first_tx, f.last_tx, w->offset, f.crc};
	err = run_open(w->plan.vfs, w->plan.dir, &id, out);
	w->finished = err == IM_OK;
	return err;
}

void
run_writer_close(struct run_writer *w)
{
	if (!w)
		return;
	if (w->file.fd >= 0 && !w->finished)
		w->plan.vfs->unlink(w->plan.vfs->ctx, w->file.path);
	vfs_file_close(&w->file);
	free(w->filter.data);
	buf_free(&w->rows);
	buf_free(&w->first_key);
	free(w);
}
