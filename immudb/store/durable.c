/*
 * The durable mark and the checkpoint, as files.
 *
 * Neighbours: commit.c and upkeep.c write them, recover.c reads them.
 * Invariants: the mark has two slots in different sectors, written in turn, so that a torn write
 * leaves the other one; nothing relies on a mark being new. A checkpoint is replaced as a whole.
 *
 * Slot and checkpoint have one form (big-endian): 0 magic (8 bytes), 8 format u32, 12 zero u32,
 * 16 sequence u64, 24 tx u64, 32 position u64, 40 Alh, 72 zero u32, 76 CRC-32C of bytes 0..75.
 */
#include "store/durable.h"

#include <fcntl.h>

#include "util/crc32c.h"

#define FORM_SIZE 80u
#define FORM_CRC_AT 76u
#define FORM_VERSION 1u
#define MARK_NAME "mark"
#define MARK_MAGIC "IMMUMARK"
#define MARK_SLOTS 2u
#define MARK_SLOT_STRIDE 4096u
#define CHECKPOINT_MAGIC "IMMUCHKP"
#define CHECKPOINT_SIZE_MAX 4096u

static void
form_put(uint8_t out[FORM_SIZE], const char *magic, uint64_t sequence, const struct record_mark *m)
{
	memset(out, 0, FORM_SIZE);
	memcpy(out, magic, 8);
	be32_put(out + 8, FORM_VERSION);
	be64_put(out + 16, sequence);
	be64_put(out + 24, m->tx);
	be64_put(out + 32, m->pos);
	memcpy(out + 40, m->alh.b, HASH_SIZE);
	be32_put(out + FORM_CRC_AT, crc32c(0, out, FORM_CRC_AT));
}

/*
 * IM_ERR_CORRUPT for anything that form_put() did not write. Magic, version and checksum stay where
 * they are in all versions, so that a newer form is told from a damaged one: IM_ERR_VERSION.
 */
static enum im_err
form_get(const uint8_t in[FORM_SIZE], const char *magic, uint64_t *sequence, struct record_mark *m)
{
	if (memcmp(in, magic, 8) != 0 || be32_get(in + FORM_CRC_AT) != crc32c(0, in, FORM_CRC_AT))
		return IM_ERR_CORRUPT;
	if (be32_get(in + 8) > FORM_VERSION)
		return err_set(IM_ERR_VERSION, "format %u, this version knows up to %u",
		    (unsigned)be32_get(in + 8), FORM_VERSION);
	*sequence = be64_get(in + 16);
	m->tx = be64_get(in + 24);
	m->pos = be64_get(in + 32);
	memcpy(m->alh.b, in + 40, HASH_SIZE);
	return IM_OK;
}

/* Takes note of a slot of the mark; a damaged one counts as absent. */
static enum im_err
slot_read(struct mark_file *m, uint64_t at, struct record_mark *highest)
{
	uint8_t form[FORM_SIZE];
	struct record_mark mark;
	uint64_t sequence;
	enum im_err err = vfs_read(&m->file, form, sizeof form, at);

	if (err != IM_OK)
		return err;
	err = form_get(form, MARK_MAGIC, &sequence, &mark);
	if (err == IM_ERR_VERSION)
		return err_set(err, "%s: %s", m->file.path, err_detail(err));
	if (err != IM_OK)
		return IM_OK;
	if (sequence > m->sequence)
		m->sequence = sequence;
	if (mark.tx > highest->tx)
		*highest = mark;
	return IM_OK;
}

enum im_err
mark_file_open(struct mark_file *m, const struct vfs *vfs, const char *dir, struct record_mark *out)
{
	uint64_t size;
	enum im_err err = vfs_file_open(&m->file, vfs, dir, MARK_NAME, O_RDWR | O_CREAT);

	*out = (struct record_mark){0};
	m->sequence = 0;
	if (err == IM_OK)
		err = vfs_size(&m->file, &size);
	for (uint32_t slot = 0; err == IM_OK && slot < MARK_SLOTS; slot++) {
		uint64_t at = (uint64_t)slot * MARK_SLOT_STRIDE;

		if (size < at + FORM_SIZE)
			break;
		err = slot_read(m, at, out);
	}
	if (err != IM_OK)
		mark_file_close(m);
	return err;
}

void
mark_file_close(struct mark_file *m)
{
	vfs_file_close(&m->file);
}

enum im_err
mark_file_write(struct mark_file *m, const struct record_mark *mark)
{
	uint8_t form[FORM_SIZE];

	m->sequence++;
	form_put(form, MARK_MAGIC, m->sequence, mark);
	return vfs_write(&m->file, form, sizeof form, m->sequence % MARK_SLOTS * MARK_SLOT_STRIDE);
}

enum im_err
mark_file_sync(struct mark_file *m)
{
	return vfs_sync(&m->file);
}

enum im_err
checkpoint_read(const struct vfs *vfs, const char *dir, struct record_mark *out)
{
	enum im_err err;
	uint64_t sequence;
	struct buf b;

	*out = (struct record_mark){0};
	buf_init(&b, CHECKPOINT_SIZE_MAX);
	err = vfs_read_file(vfs, dir, CHECKPOINT_NAME, &b);
	if (err == IM_ERR_NOT_FOUND || err == IM_ERR_LIMIT) {
		err = IM_OK;
		goto out;
	}
	if (err != IM_OK)
		goto out;
	if (b.len == FORM_SIZE)
		err = form_get(b.data, CHECKPOINT_MAGIC, &sequence, out);
	if (err == IM_ERR_VERSION)
		err_set(err, "%s/%s: %s", dir, CHECKPOINT_NAME, err_detail(err));
	else
		err = IM_OK;
out:
	buf_free(&b);
	return err;
}

enum im_err
checkpoint_write(const struct vfs *vfs, const char *dir, const struct record_mark *checkpoint)
{
	uint8_t form[FORM_SIZE];

	form_put(form, CHECKPOINT_MAGIC, 0, checkpoint);
	return vfs_replace_file(vfs, dir, CHECKPOINT_NAME, bytes_of(form, sizeof form));
}
