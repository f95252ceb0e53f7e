/*
 * Reading and replacing the manifest.
 *
 * Neighbours: index_open.c reads it once, index_maintain.c replaces it whenever the runs change.
 *
 * Invariants: ranges ascend and do not overlap, and none reaches beyond covered_tx. A manifest that
 * breaks this, or whose CRC is wrong, is as good as none.
 */
#include "store/manifest.h"

#include "store/run_format.h"
#include "util/crc32c.h"

#define MANIFEST_MAGIC "IMDBIDX\n"
#define MANIFEST_ROW_BYTES 36u
#define MANIFEST_FIXED_BYTES (RUN_HEADER_BYTES + 8u + 4u + 4u)
/* Longer than any of this version: a newer one should be read far enough to be told as such. */
#define MANIFEST_READ_MAX (1024u * 1024)
#define MANIFEST_BYTES_MAX (MANIFEST_FIXED_BYTES + INDEX_RUNS_MAX * MANIFEST_ROW_BYTES)

static bool
rows_parse(struct manifest *m, struct reader *in)
{
	uint64_t last_tx = 0;

	for (unsigned i = 0; i < m->count; i++) {
		struct run_id *id = &m->runs[i];

		id->number = reader_be64(in);
		id->first_tx = reader_be64(in);
		id->last_tx = reader_be64(in);
		id->size = reader_be64(in);
		id->footer_crc = reader_be32(in);
		if (id->first_tx <= last_tx || id->first_tx > id->last_tx)
			return false;
		last_tx = id->last_tx;
	}
	return last_tx <= m->covered_tx;
}

static enum im_err
manifest_parse(struct bytes data, const char *dir, struct manifest *m)
{
	struct reader in = reader_of(data);
	struct bytes header = reader_bytes(&in, RUN_HEADER_BYTES);
	enum im_err err;

	if (in.failed)
		return err_set(IM_ERR_CORRUPT, "%s/%s: too short", dir, MANIFEST_NAME);
	err = index_header_check(header.data, MANIFEST_MAGIC, MANIFEST_VERSION, dir);
	if (err != IM_OK)
		return err_set(err, "%s/%s: %s", dir, MANIFEST_NAME, err_detail(err));
	m->covered_tx = reader_be64(&in);
	m->count = reader_be32(&in);
	if (in.failed || m->count > INDEX_RUNS_MAX ||
	    data.len != MANIFEST_FIXED_BYTES + m->count * MANIFEST_ROW_BYTES ||
	    crc32c(0, data.data, data.len - 4) != be32_get(data.data + data.len - 4) ||
	    !rows_parse(m, &in))
		return err_set(IM_ERR_CORRUPT, "%s/%s: damaged", dir, MANIFEST_NAME);
	return IM_OK;
}

enum im_err
manifest_load(const struct vfs *vfs, const char *dir, struct manifest *out)
{
	struct buf data;
	enum im_err err;

	*out = (struct manifest){0};
	buf_init(&data, MANIFEST_READ_MAX);
	err = vfs_read_file(vfs, dir, MANIFEST_NAME, &data);
	if (err == IM_ERR_LIMIT)
		err = err_set(IM_ERR_CORRUPT, "%s/%s: too long", dir, MANIFEST_NAME);
	if (err == IM_OK)
		err = manifest_parse(buf_bytes(&data), dir, out);
	buf_free(&data);
	if (err != IM_OK)
		*out = (struct manifest){0};
	return err;
}

enum im_err
manifest_store(const struct vfs *vfs, const char *dir, const struct manifest *m)
{
	uint8_t header[RUN_HEADER_BYTES];
	struct buf data;
	enum im_err err;

	buf_init(&data, MANIFEST_BYTES_MAX);
	index_header_encode(header, MANIFEST_MAGIC, MANIFEST_VERSION);
	buf_append(&data, header, sizeof header);
	buf_append_be64(&data, m->covered_tx);
	buf_append_be32(&data, m->count);
	for (unsigned i = 0; i < m->count; i++) {
		buf_append_be64(&data, m->runs[i].number);
		buf_append_be64(&data, m->runs[i].first_tx);
		buf_append_be64(&data, m->runs[i].last_tx);
		buf_append_be64(&data, m->runs[i].size);
		buf_append_be32(&data, m->runs[i].footer_crc);
	}
	buf_append_be32(&data, crc32c(0, data.data, data.len));
	err = data.err;
	if (err == IM_OK)
		err = vfs_replace_file(vfs, dir, MANIFEST_NAME, buf_bytes(&data));
	buf_free(&data);
	return err;
}
