/*
 * The offset table: pages of 511 positions.
 *
 * Neighbours: the committer appends, the maintenance thread syncs, reads of transactions look up;
 * pageset keeps the pages, slots the unfinished last one. The scheme is that of tree.c with one
 * level and nothing to compute, and its invariants hold here as well.
 */
#include "store/offsets.h"

#include <assert.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/pageset.h"
#include "store/slots.h"

#define OFFSETS_PAGE_BYTES 4096u
#define POSITION_BYTES 8u
#define PAGE_POSITIONS ((OFFSETS_PAGE_BYTES - PAGE_HEADER) / POSITION_BYTES)
/* "ofs" and "oft", version 1. */
#define OFFSETS_STAMP 0x6f667301u
#define TAIL_MAGIC 0x6f667401u
/* The size, and the positions of an unfinished page. */
#define TAIL_BYTES_MAX (8 + (PAGE_POSITIONS - 1) * POSITION_BYTES)

struct offsets {
	struct pageset *pages;
	struct slots tail_file; /* the maintainer's */
	_Atomic uint64_t size;
	/* The writer's. */
	uint64_t appended;
	struct page *tail; /* NULL when the last page is full */
};

static size_t
position_offset(uint64_t i)
{
	return PAGE_HEADER + (size_t)(i % PAGE_POSITIONS) * POSITION_BYTES;
}

static uint64_t
pages_of(uint64_t size)
{
	return size / PAGE_POSITIONS + (size % PAGE_POSITIONS > 0);
}

enum im_err
offsets_reserve(struct offsets *o, size_t transactions)
{
	uint64_t pages = pages_of(o->appended + transactions) - pages_of(o->appended);

	return pageset_reserve(o->pages, (size_t)pages);
}

void
offsets_append(struct offsets *o, uint64_t position)
{
	if (!o->tail)
		o->tail = pageset_start(o->pages, 0, o->appended / PAGE_POSITIONS);
	be64_put(o->tail->data + position_offset(o->appended), position);
	o->appended++;
	if (o->appended % PAGE_POSITIONS == 0) {
		pageset_finish(o->pages, o->tail);
		o->tail = NULL;
	}
	atomic_store_explicit(&o->size, o->appended, memory_order_release);
}

uint64_t
offsets_size(const struct offsets *o)
{
	return atomic_load_explicit(&o->size, memory_order_acquire);
}

enum im_err
offsets_get(struct offsets *o, uint64_t tx, bool nowait, uint64_t *position)
{
	uint8_t stored[POSITION_BYTES];
	struct page_part part = {.index = (tx - 1) / PAGE_POSITIONS,
	    .offset = position_offset(tx - 1),
	    .n = sizeof stored,
	    .out = stored};
	size_t done;
	enum im_err err;

	if (tx == 0 || tx > offsets_size(o))
		return IM_ERR_TX_NOT_FOUND;
	err = pageset_read(o->pages, &part, 1, nowait, &done);
	if (err == IM_OK)
		*position = be64_get(stored);
	return err;
}

enum im_err
offsets_replace(struct offsets *o, uint64_t first_tx, const uint64_t positions[OFFSETS_PAGE_TXS])
{
	uint8_t data[OFFSETS_PAGE_BYTES - PAGE_HEADER];

	assert(first_tx % PAGE_POSITIONS == 1 && PAGE_POSITIONS == OFFSETS_PAGE_TXS);
	for (size_t i = 0; i < OFFSETS_PAGE_TXS; i++)
		be64_put(data + i * POSITION_BYTES, positions[i]);
	return pageset_replace(o->pages, 0, first_tx / PAGE_POSITIONS, data);
}

enum im_err
offsets_check_file(struct offsets *o, uint64_t tx, struct page_seen *out)
{
	uint64_t index = (tx - 1) / PAGE_POSITIONS;

	*out = (struct page_seen){0};
	return index < offsets_size(o) / PAGE_POSITIONS
	    ? pageset_check_file(o->pages, 0, index, out)
	    : IM_OK;
}

/* ---- The unfinished page on disk ---- */

static enum im_err
write_tail(struct offsets *o, uint64_t size)
{
	uint8_t state[TAIL_BYTES_MAX];
	struct page_part part = {.index = size / PAGE_POSITIONS,
	    .offset = PAGE_HEADER,
	    .n = (size_t)(size % PAGE_POSITIONS) * POSITION_BYTES,
	    .out = state + 8};
	size_t done;
	enum im_err err = IM_OK;

	be64_put(state, size);
	if (part.n > 0)
		err = pageset_read(o->pages, &part, 1, false, &done);
	if (err == IM_OK)
		err = slots_write(&o->tail_file, bytes_of(state, 8 + part.n));
	return err;
}

enum im_err
offsets_sync(struct offsets *o, uint64_t *size)
{
	uint64_t now = offsets_size(o);
	enum im_err err = pageset_sync(o->pages);

	if (err == IM_OK)
		err = write_tail(o, now);
	if (err == IM_OK)
		*size = now;
	return err;
}

bool
offsets_has_waiting(struct offsets *o)
{
	return pageset_has_waiting(o->pages);
}

/* Whether the bytes are a tail from which that size can be opened. */
static bool
tail_covers(struct bytes state, uint64_t size)
{
	uint64_t stored;

	if (state.len < 8)
		return false;
	stored = be64_get(state.data);
	return stored >= size && state.len == 8 + stored % PAGE_POSITIONS * POSITION_BYTES;
}

static enum im_err
read_tail(const struct offsets *o, uint64_t size, struct buf *out)
{
	for (int age = 0; age < 2; age++) {
		enum im_err err = slots_read(&o->tail_file, age, out);

		if (err == IM_OK && tail_covers(buf_bytes(out), size))
			return IM_OK;
		if (err != IM_OK && err != IM_ERR_NOT_FOUND)
			return err;
	}
	return err_set(IM_ERR_CORRUPT, "%s/%s: no last page at size %llu", o->tail_file.dir,
	    o->tail_file.name, (unsigned long long)size);
}

/* ---- Opening ---- */

/* Brings the unfinished page into memory: from the stored tail, or from the page it grew into. */
static enum im_err
load_tail(struct offsets *o, uint64_t size, struct bytes state)
{
	uint64_t index = size / PAGE_POSITIONS;
	enum im_err err;

	if (be64_get(state.data) / PAGE_POSITIONS == index) {
		o->tail = pageset_start(o->pages, 0, index);
		memcpy(o->tail->data + PAGE_HEADER, state.data + 8,
		    (size_t)(size % PAGE_POSITIONS) * POSITION_BYTES);
		return IM_OK;
	}
	err = pageset_reopen(o->pages, 0, index, &o->tail);
	/* The page taken back will be written over, so this size must no longer need it. */
	if (err == IM_OK)
		err = write_tail(o, size);
	return err == IM_ERR_NO_SPACE ? IM_OK : err;
}

static enum im_err
load_size(struct offsets *o, uint64_t size)
{
	struct buf state;
	enum im_err err = pageset_check_length(o->pages, 0, size / PAGE_POSITIONS);

	buf_init(&state, TAIL_BYTES_MAX);
	if (err == IM_OK)
		err = read_tail(o, size, &state);
	if (err == IM_OK && size % PAGE_POSITIONS > 0) {
		err = pageset_reserve(o->pages, 1);
		if (err == IM_OK)
			err = load_tail(o, size, buf_bytes(&state));
	}
	o->appended = size;
	atomic_store_explicit(&o->size, size, memory_order_release);
	buf_free(&state);
	return err;
}

static enum im_err
open_files(struct offsets *o, const struct offsets_options *options)
{
	char tail_name[NAME_MAX + 1];
	struct pageset_options pages = {
	    .vfs = options->vfs,
	    .dir = options->dir,
	    .name = options->name,
	    .stamp = OFFSETS_STAMP,
	    .levels = 1,
	    .page_bytes = OFFSETS_PAGE_BYTES,
	    .cache_max = OFFSETS_CACHE_PAGES_MAX,
	    .waiting_max = OFFSETS_WAITING_PAGES_MAX,
	};
	struct slots_options tail = {
	    .vfs = options->vfs,
	    .dir = options->dir,
	    .name = tail_name,
	    .magic = TAIL_MAGIC,
	    .payload_max = TAIL_BYTES_MAX,
	};
	enum im_err err;

	snprintf(tail_name, sizeof tail_name, "%s.tail", options->name);
	err = slots_open(&o->tail_file, &tail);
	return err == IM_OK ? pageset_open(&pages, &o->pages) : err;
}

enum im_err
offsets_open(const struct offsets_options *options, uint64_t size, struct offsets **out)
{
	struct offsets *o = calloc(1, sizeof *o);
	enum im_err err;

	*out = NULL;
	if (!o)
		return IM_ERR_NOMEM;
	o->tail_file = SLOTS_CLOSED;
	err = open_files(o, options);
	if (err == IM_OK && size > 0)
		err = load_size(o, size);
	if (err == IM_OK)
		*out = o;
	else
		offsets_close(o);
	return err;
}

void
offsets_close(struct offsets *o)
{
	if (!o)
		return;
	pageset_close(o->pages);
	slots_close(&o->tail_file);
	free(o);
}

enum im_err
offsets_disk_bytes(struct offsets *o, uint64_t *bytes)
{
	enum im_err err = pageset_disk_bytes(o->pages, bytes);

	*bytes += slots_disk_bytes(&o->tail_file);
	return err;
}
