/*
 * Scan: keys in order, always in the read pool.
 */
#include "crypto/rawkey.h"
#include "server/call.h"
#include "server/entries.h"

/* Entries in one answer; also what a limit of 0 means. */
#define SCAN_LIMIT_MAX 2500

/* The raw form of a bound; none when it is empty. */
static enum im_err
scan_bound(struct call *c, ProtobufCBinaryData key, struct bytes *out)
{
	return key.len ? raw_key_make(call_arena(c), message_bytes(key), out) : IM_OK;
}

static enum im_err
scan_range(struct call *c, const Immudb__Schema__ScanRequest *in, struct store_range *range)
{
	enum im_err err;

	*range = (struct store_range){.desc = in->desc,
	    .seek_inclusive = in->inclusiveseek,
	    .end_inclusive = in->inclusiveend,
	    .flags = call_read_flags(c)};
	err = entries_since(c, in->sincetx, &range->as_of);
	if (err == IM_OK)
		err = raw_key_make(call_arena(c), message_bytes(in->prefix), &range->prefix);
	if (err == IM_OK)
		err = scan_bound(c, in->seekkey, &range->seek);
	if (err == IM_OK)
		err = scan_bound(c, in->endkey, &range->end);
	return err;
}

/* The next entry that can be shown; one whose reference leads nowhere is left out. */
static enum im_err
scan_next(struct call *c, struct store_cursor *cursor, uint64_t as_of, Immudb__Schema__Entry **out)
{
	struct store_value raw;
	enum im_err err;

	do {
		err = store_cursor_next(cursor, call_arena(c), &raw);
		if (err != IM_OK)
			return err;
		err = entry_resolve(c, &raw, as_of, out);
	} while (err == IM_ERR_KEY_NOT_FOUND);
	return err;
}

static enum im_err
scan_collect(struct call *c, struct store_cursor *cursor, const struct store_range *range,
    size_t limit, Immudb__Schema__Entries *out)
{
	size_t used = 0;
	enum im_err err = IM_OK;

	out->entries = arena_calloc(call_arena(c), limit, sizeof(Immudb__Schema__Entry *));
	if (!out->entries)
		return IM_ERR_NOMEM;
	while (out->n_entries < limit && err == IM_OK) {
		err = scan_next(c, cursor, range->as_of, &out->entries[out->n_entries]);
		if (err == IM_OK)
			err = entries_room(c, out->entries[out->n_entries++], &used);
	}
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

static enum im_err
scan_run(struct call *c, const Immudb__Schema__ScanRequest *in, Immudb__Schema__Entries *out)
{
	size_t limit = in->limit ? in->limit : SCAN_LIMIT_MAX;
	struct store_cursor *cursor;
	struct store_range range;
	enum im_err err = scan_range(c, in, &range);

	/* In an empty database there is nothing as of its newest transaction. */
	if (err != IM_OK || range.as_of == 0)
		return err;
	err = store_scan(c->database->store, &range, &cursor);
	if (err != IM_OK)
		return err;
	if (in->offset)
		err = store_cursor_skip(cursor, in->offset);
	if (err == IM_OK)
		err = scan_collect(c, cursor, &range, limit, out);
	store_cursor_close(cursor);
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

enum im_err
handle_Scan(struct call *c)
{
	const Immudb__Schema__ScanRequest *in = (const void *)c->in;
	Immudb__Schema__Entries *out;

	if (in->limit > SCAN_LIMIT_MAX)
		return err_set(IM_ERR_RESULT_LIMIT,
		    "%s: the specified limit (%llu) is larger than the maximum allowed one (%d)",
		    err_text(IM_ERR_RESULT_LIMIT), (unsigned long long)in->limit, SCAN_LIMIT_MAX);
	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	out = message_new(call_arena(c), &immudb__schema__entries__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	c->answer = &out->base;
	return scan_run(c, in, out);
}
