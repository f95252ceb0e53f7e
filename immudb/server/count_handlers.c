/*
 * Count and CountAll: how many keys there are, from the index alone, always in the read pool. Keys
 * that are deleted or expired do not count; a reference counts whether or not it leads anywhere.
 */
#include "crypto/rawkey.h"
#include "server/entries.h"

/* So many keys are counted before looking whether the answer is still wanted. */
#define COUNT_SLICE 8192u

static enum im_err
count_walk(struct call *c, struct store_cursor *cursor, uint64_t *count)
{
	uint64_t n = COUNT_SLICE;
	enum im_err err = IM_OK;

	while (err == IM_OK && n == COUNT_SLICE) {
		if (rpc_request_is_abandoned(c->request))
			return IM_ERR_CANCELLED;
		err = store_cursor_count(cursor, COUNT_SLICE, &n);
		*count += n;
	}
	return err;
}

/* Answers with the number of keys that begin with prefix. */
static enum im_err
count_keys(struct call *c, struct bytes prefix)
{
	Immudb__Schema__EntryCount *out =
	    message_new(call_arena(c), &immudb__schema__entry_count__descriptor);
	struct store_range range = {.flags = call_read_flags(c)};
	struct store_cursor *cursor;
	enum im_err err;

	if (!out)
		return IM_ERR_NOMEM;
	c->answer = &out->base;
	err = raw_key_make(call_arena(c), prefix, &range.prefix);
	if (err == IM_OK && !c->may_block)
		err = IM_ERR_WOULD_BLOCK;
	if (err == IM_OK)
		err = store_scan(c->database->store, &range, &cursor);
	if (err != IM_OK)
		return err;
	err = count_walk(c, cursor, &out->count);
	store_cursor_close(cursor);
	return err;
}

enum im_err
handle_Count(struct call *c)
{
	const Immudb__Schema__KeyPrefix *in = (const void *)c->in;

	return count_keys(c, message_bytes(in->prefix));
}

enum im_err
handle_CountAll(struct call *c)
{
	return count_keys(c, bytes_of(NULL, 0));
}
