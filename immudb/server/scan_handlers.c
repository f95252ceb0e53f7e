/*
 * Scan: keys in order, always in the read pool; and the walk behind it, which
 * stream_read_handlers.c shares.
 */
#include "server/walks.h"

#include "crypto/rawkey.h"

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

enum im_err
walk_open(struct call *c, const struct store_range *range, uint64_t offset, struct walk *w)
{
	enum im_err err;

	*w = (struct walk){.as_of = range->as_of};
	/* In an empty database there is nothing as of its newest transaction. */
	if (range->as_of == 0)
		return IM_OK;
	err = store_scan(c->database->store, range, &w->cursor);
	if (err == IM_OK)
		err = entries_skip(c, w->cursor, offset);
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

enum im_err
walk_next_raw(struct call *c, struct walk *w, struct store_value *raw)
{
	/* What was left out may have been much: the answer may not be wanted any more. */
	if (w->passed++ % WALK_SLICE == WALK_SLICE - 1 && rpc_request_is_abandoned(c->request))
		return IM_ERR_CANCELLED;
	return w->cursor ? store_cursor_next(w->cursor, call_arena(c), raw) : IM_ERR_NOT_FOUND;
}

void
walk_close(struct walk *w)
{
	store_cursor_close(w->cursor);
	w->cursor = NULL;
}

enum im_err
walk_page(
    struct call *c, struct walk *w, walk_next_fn *next, size_t limit, Immudb__Schema__Entries *out)
{
	size_t used = 0;
	enum im_err err = IM_OK;

	out->entries = arena_calloc(call_arena(c), limit, sizeof(Immudb__Schema__Entry *));
	if (!out->entries)
		return IM_ERR_NOMEM;
	while (out->n_entries < limit && err == IM_OK) {
		err = next(c, w, &out->entries[out->n_entries]);
		if (err == IM_OK)
			err = entries_room(c, out->entries[out->n_entries++], &used);
	}
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

enum im_err
scan_open(struct call *c, const Immudb__Schema__ScanRequest *in, struct walk *w)
{
	struct store_range range;
	enum im_err err = scan_range(c, in, &range);

	*w = (struct walk){0};
	return err == IM_OK ? walk_open(c, &range, in->offset, w) : err;
}

enum im_err
scan_next(struct call *c, struct walk *w, Immudb__Schema__Entry **out)
{
	struct arena_mark mark = arena_mark(call_arena(c));
	struct store_value raw;
	enum im_err err;

	for (;;) {
		err = walk_next_raw(c, w, &raw);
		if (err == IM_OK)
			err = entry_resolve(c, &raw, w->as_of, out);
		if (!entry_leads_nowhere(err))
			return err;
		arena_rewind(call_arena(c), &mark);
	}
}

enum im_err
handle_Scan(struct call *c)
{
	const Immudb__Schema__ScanRequest *in = (const void *)c->in;
	Immudb__Schema__Entries *out;
	struct walk w = {0};
	size_t limit;
	enum im_err err = entries_limit(in->limit, &limit);

	if (err != IM_OK)
		return err;
	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	out = message_new(call_arena(c), &immudb__schema__entries__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	c->answer = &out->base;
	err = scan_open(c, in, &w);
	if (err == IM_OK)
		err = walk_page(c, &w, scan_next, limit, out);
	walk_close(&w);
	return err;
}
