/*
 * History: the versions of one key, deleted and expired ones included, always in the read pool.
 */
#include "crypto/rawkey.h"
#include "server/walks.h"

/* Starts behind the offset; *w is over when there is no version of the key. */
static enum im_err
history_versions(struct call *c, const struct store_versions *versions, struct walk *w)
{
	*w = (struct walk){.as_of = versions->as_of};
	if (versions->as_of == 0)
		return IM_OK;
	return store_history(c->database->store, versions, &w->cursor);
}

/* IM_ERR_KEY_NOT_FOUND for a key that was never written; as_of and key are those of the request. */
static enum im_err
history_check_key(struct call *c, struct store_versions versions)
{
	struct walk w;
	uint64_t n = 0;
	enum im_err err;

	versions.skip = 0;
	err = history_versions(c, &versions, &w);
	if (err == IM_OK && w.cursor)
		err = store_cursor_count(w.cursor, 1, &n);
	walk_close(&w);
	return err == IM_OK && n == 0 ? IM_ERR_KEY_NOT_FOUND : err;
}

enum im_err
history_open(struct call *c, const Immudb__Schema__HistoryRequest *in, struct walk *w)
{
	struct store_versions versions = {
	    .skip = in->offset, .desc = in->desc, .flags = call_read_flags(c)};
	enum im_err err;

	*w = (struct walk){0};
	if (in->key.len == 0)
		return IM_ERR_ARGUMENT;
	err = entries_since(c, in->sincetx, &versions.as_of);
	if (err == IM_OK)
		err = raw_key_make(call_arena(c), message_bytes(in->key), &versions.key);
	if (err == IM_OK)
		err = history_check_key(c, versions);
	return err == IM_OK ? history_versions(c, &versions, w) : err;
}

enum im_err
history_next(struct call *c, struct walk *w, Immudb__Schema__Entry **out)
{
	struct store_value raw;
	enum im_err err = walk_next_raw(c, w, &raw);

	return err == IM_OK ? entry_version(c, &raw, out) : err;
}

enum im_err
handle_History(struct call *c)
{
	const Immudb__Schema__HistoryRequest *in = (const void *)c->in;
	Immudb__Schema__Entries *out;
	struct walk w = {0};
	size_t limit;
	enum im_err err;

	if (in->limit < 0)
		return err_set(IM_ERR_ARGUMENT, "%s: negative limit", err_text(IM_ERR_ARGUMENT));
	err = entries_limit((uint64_t)in->limit, &limit);
	if (err != IM_OK)
		return err;
	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	out = message_new(call_arena(c), &immudb__schema__entries__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	c->answer = &out->base;
	err = history_open(c, in, &w);
	if (err == IM_OK)
		err = walk_page(c, &w, history_next, limit, out);
	walk_close(&w);
	return err;
}
