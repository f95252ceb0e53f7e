/*
 * The two-slot file.
 *
 * Neighbours: tree.c and offsets.c keep their unfinished ends in one each.
 *
 * Invariants:
 *  1. Slot i begins at i * slot_bytes(), a multiple of SLOT_ALIGN, so no sector belongs to both.
 *  2. A write goes to the slot that does not hold the newest state, with a generation above both.
 *  3. A slot counts as a state only when magic, length and checksum are right.
 */
#include "store/slots.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>

#include "util/crc32c.h"

#define SLOT_ALIGN 4096u

/* Header of a slot: magic, checksum of the rest seeded with it, generation, length of the state. */
#define SLOT_MAGIC 0
#define SLOT_CRC 4
#define SLOT_GENERATION 8
#define SLOT_LENGTH 16
#define SLOT_HEADER 24

static uint64_t
slot_bytes(const struct slots *s)
{
	uint64_t n = SLOT_HEADER + s->options.payload_max;

	return (n + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
}

static uint32_t
slot_crc(const uint8_t *slot, size_t length)
{
	return crc32c(be32_get(slot + SLOT_MAGIC), slot + SLOT_GENERATION,
	    SLOT_HEADER - SLOT_GENERATION + length);
}

/* Takes note of slot i when its bytes are a state; n is how much of it the file holds. */
static enum im_err
note_state(struct slots *s, int i, const uint8_t *slot, size_t n)
{
	uint32_t magic = n < SLOT_HEADER ? 0 : be32_get(slot + SLOT_MAGIC);
	uint64_t length;

	if (magic >> 8 != s->options.magic >> 8)
		return IM_OK;
	length = be64_get(slot + SLOT_LENGTH);
	if (length > n - SLOT_HEADER || length > s->options.payload_max ||
	    be32_get(slot + SLOT_CRC) != slot_crc(slot, length))
		return IM_OK;
	if (magic > s->options.magic)
		return err_set(IM_ERR_VERSION, "%s: format %u, known is %u", s->file.path,
		    magic & 0xff, s->options.magic & 0xff);
	s->generation[i] = be64_get(slot + SLOT_GENERATION);
	s->length[i] = (size_t)length;
	return IM_OK;
}

static enum im_err
find_states(struct slots *s)
{
	uint64_t size, each = slot_bytes(s);
	enum im_err err = vfs_size(&s->file, &size);
	uint8_t *slot = malloc(each);

	if (!slot)
		return IM_ERR_NOMEM;
	for (int i = 0; err == IM_OK && i < 2; i++) {
		uint64_t begin = (uint64_t)i * each;
		uint64_t n = size < begin ? 0 : size - begin;

		n = n < each ? n : each;
		err = vfs_read(&s->file, slot, n, begin);
		if (err == IM_OK)
			err = note_state(s, i, slot, n);
	}
	free(slot);
	return err;
}

enum im_err
slots_open(struct slots *s, const struct slots_options *options)
{
	enum im_err err;

	*s = (struct slots){.options = *options, .file = VFS_FILE_CLOSED};
	s->dir = strdup(options->dir);
	s->name = strdup(options->name);
	if (!s->dir || !s->name) {
		slots_close(s);
		return IM_ERR_NOMEM;
	}
	err = vfs_file_open(&s->file, options->vfs, options->dir, options->name, O_RDWR);
	if (err == IM_ERR_NOT_FOUND)
		return IM_OK;
	s->exists = err == IM_OK;
	if (err == IM_OK)
		err = find_states(s);
	if (err != IM_OK)
		slots_close(s);
	return err;
}

void
slots_close(struct slots *s)
{
	vfs_file_close(&s->file);
	free(s->dir);
	free(s->name);
	*s = SLOTS_CLOSED;
}

static int
newest(const struct slots *s)
{
	return s->generation[1] > s->generation[0];
}

enum im_err
slots_read(const struct slots *s, int age, struct buf *out)
{
	int i = newest(s) ^ (age != 0);
	uint8_t *p;
	enum im_err err;

	buf_clear(out);
	if (s->generation[i] == 0)
		return IM_ERR_NOT_FOUND;
	p = buf_reserve(out, s->length[i]);
	if (!p)
		return out->err;
	err = vfs_read(&s->file, p, s->length[i], (uint64_t)i * slot_bytes(s) + SLOT_HEADER);
	if (err == IM_OK)
		out->len += s->length[i];
	return err;
}

/* Also for a file that is there: who created it may have been killed before syncing the folder. */
static enum im_err
create_file(struct slots *s)
{
	const struct slots_options *o = &s->options;
	enum im_err err = IM_OK;

	if (s->file.fd < 0)
		err = vfs_file_open(&s->file, o->vfs, s->dir, s->name, O_RDWR | O_CREAT);
	if (err != IM_OK)
		return err;
	s->exists = true;
	if (o->vfs->sync_dir(o->vfs->ctx, s->dir) != 0)
		return err_set_errno(IM_ERR_IO, "fsync", s->dir);
	s->folder_synced = true;
	return IM_OK;
}

enum im_err
slots_write(struct slots *s, struct bytes state)
{
	int i = !newest(s);
	uint64_t generation = s->generation[!i] + 1;
	uint8_t *slot;
	enum im_err err = IM_OK;

	assert(state.len <= s->options.payload_max);
	if (!s->folder_synced)
		err = create_file(s);
	if (err != IM_OK)
		return err;
	slot = malloc(SLOT_HEADER + state.len);
	if (!slot)
		return IM_ERR_NOMEM;
	be32_put(slot + SLOT_MAGIC, s->options.magic);
	be64_put(slot + SLOT_GENERATION, generation);
	be64_put(slot + SLOT_LENGTH, state.len);
	memcpy(slot + SLOT_HEADER, state.data, state.len);
	be32_put(slot + SLOT_CRC, slot_crc(slot, state.len));
	s->generation[i] = 0;
	err = vfs_write(&s->file, slot, SLOT_HEADER + state.len, (uint64_t)i * slot_bytes(s));
	if (err == IM_OK)
		err = vfs_sync(&s->file);
	if (err == IM_OK) {
		s->generation[i] = generation;
		s->length[i] = state.len;
	}
	free(slot);
	return err;
}

uint64_t
slots_disk_bytes(const struct slots *s)
{
	return s->exists ? 2 * slot_bytes(s) : 0;
}
