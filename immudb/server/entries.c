/*
 * Raw entries to users' entries, for get, scan, history and transaction handlers.
 *
 * Invariant: a reference is followed one step. A reference behind a reference is an error: it
 * cannot be written, but a deleted key may come back as one.
 */
#include "server/entries.h"

#include "crypto/rawkey.h"

/* What an entry costs in a message beside its key and value. */
#define ENTRY_OVERHEAD 64
/* So many entries are passed over before looking whether the answer is still wanted. */
#define ENTRY_SKIP_SLICE 8192u

static struct bytes
entry_user_key(const struct store_value *raw)
{
	return bytes_of(raw->key.data + 1, raw->key.len - 1);
}

/* Fields that do not depend on what the value means. */
static Immudb__Schema__Entry *
entry_new(struct call *c, const struct store_value *raw)
{
	Immudb__Schema__Entry *e = message_new(call_arena(c), &immudb__schema__entry__descriptor);

	if (!e)
		return NULL;
	e->tx = raw->tx;
	e->key = message_data(entry_user_key(raw));
	e->revision = raw->revision;
	e->expired = raw->expired;
	return message_kv_metadata(call_arena(c), &raw->metadata, &e->metadata) ? e : NULL;
}

enum im_err
entry_plain(struct call *c, const struct store_value *raw, Immudb__Schema__Entry **out)
{
	Immudb__Schema__Entry *e = entry_new(c, raw);

	if (!e)
		return IM_ERR_NOMEM;
	if (!raw->expired && raw->value.len > 0)
		e->value = message_data(bytes_of(raw->value.data + 1, raw->value.len - 1));
	*out = e;
	return IM_OK;
}

/* What an entry says of the reference that led to it; NULL on exhaustion. */
static Immudb__Schema__Reference *
entry_reference(struct call *c, const struct store_value *raw, const struct raw_value *reference)
{
	Immudb__Schema__Reference *by =
	    message_new(call_arena(c), &immudb__schema__reference__descriptor);

	if (!by)
		return NULL;
	by->tx = raw->tx;
	by->key = message_data(entry_user_key(raw));
	by->attx = reference->at_tx;
	by->revision = raw->revision;
	return message_kv_metadata(call_arena(c), &raw->metadata, &by->metadata) ? by : NULL;
}

/* The version that a reference points to. IM_ERR_KEY_NOT_FOUND, IM_ERR_RESOLUTION. */
static enum im_err
entry_target(
    struct call *c, const struct raw_value *reference, uint64_t as_of, struct store_value *out)
{
	struct store_query q = {.at_tx = reference->at_tx,
	    .as_of = reference->at_tx ? 0 : as_of,
	    .flags = call_read_flags(c)};
	enum im_err err = raw_key_make(call_arena(c), reference->target, &q.key);

	if (err == IM_OK)
		err = store_get(c->database->store, &q, call_arena(c), out);
	if (err == IM_ERR_TX_NOT_FOUND)
		return IM_ERR_KEY_NOT_FOUND;
	if (err == IM_OK && (out->value.len == 0 || out->value.data[0] != RAW_VALUE_PLAIN))
		return IM_ERR_RESOLUTION;
	return err;
}

/* The entry that a reference points to, with the reference in it. */
static enum im_err
entry_follow(struct call *c, const struct store_value *raw, const struct raw_value *reference,
    uint64_t as_of, Immudb__Schema__Entry **out)
{
	Immudb__Schema__Reference *by;
	struct store_value target;
	enum im_err err = entry_target(c, reference, as_of, &target);

	if (err == IM_OK)
		err = entry_plain(c, &target, out);
	if (err != IM_OK)
		return err;
	by = entry_reference(c, raw, reference);
	(*out)->referencedby = by;
	return by ? IM_OK : IM_ERR_NOMEM;
}

/* The entry of the reference itself, taken apart. */
static enum im_err
entry_unfollowed(struct call *c, const struct store_value *raw, const struct raw_value *reference,
    Immudb__Schema__Entry **out)
{
	Immudb__Schema__Entry *e = entry_new(c, raw);

	if (!e)
		return IM_ERR_NOMEM;
	e->key = message_data(reference->target);
	e->referencedby = entry_reference(c, raw, reference);
	*out = e;
	return e->referencedby ? IM_OK : IM_ERR_NOMEM;
}

/* Takes a raw value apart that is there. */
static enum im_err
entry_value(const struct store_value *raw, struct raw_value *out)
{
	if (raw_value_parse(raw->value, out) == IM_OK)
		return IM_OK;
	return err_set(IM_ERR_CORRUPT, "%s: malformed value in transaction %llu",
	    err_text(IM_ERR_CORRUPT), (unsigned long long)raw->tx);
}

enum im_err
entry_resolve(
    struct call *c, const struct store_value *raw, uint64_t as_of, Immudb__Schema__Entry **out)
{
	struct raw_value value;
	enum im_err err;

	if (raw->value.len == 0)
		return entry_plain(c, raw, out);
	err = entry_value(raw, &value);
	if (err == IM_OK && value.kind == RAW_VALUE_REFERENCE)
		return entry_follow(c, raw, &value, as_of, out);
	return err == IM_OK ? entry_plain(c, raw, out) : err;
}

enum im_err
entry_version(struct call *c, const struct store_value *raw, Immudb__Schema__Entry **out)
{
	struct raw_value value;
	enum im_err err;

	if (raw->expired || raw->value.len == 0)
		return entry_plain(c, raw, out);
	err = entry_value(raw, &value);
	if (err == IM_OK && value.kind == RAW_VALUE_REFERENCE)
		return entry_unfollowed(c, raw, &value, out);
	return err == IM_OK ? entry_plain(c, raw, out) : err;
}

bool
entry_leads_nowhere(enum im_err err)
{
	return err == IM_ERR_KEY_NOT_FOUND || err == IM_ERR_RESOLUTION;
}

enum im_err
entry_find(struct call *c, const struct entry_query *q, struct store_value *raw,
    Immudb__Schema__Entry **out)
{
	struct store_query query = {.at_tx = q->at_tx,
	    .revision = q->revision,
	    .as_of = q->at_tx ? 0 : q->as_of,
	    .flags = call_read_flags(c)};
	struct store_value value;
	enum im_err err;

	if (q->key.len == 0)
		return IM_ERR_ARGUMENT;
	err = raw_key_make(call_arena(c), q->key, &query.key);
	if (err == IM_OK)
		err = store_get(c->database->store, &query, call_arena(c), &value);
	if (err != IM_OK)
		return err;
	if (raw)
		*raw = value;
	return entry_resolve(c, &value, q->as_of, out);
}

enum im_err
entries_since(struct call *c, uint64_t since, uint64_t *newest)
{
	struct store_state state;

	store_state(c->database->store, &state);
	*newest = state.tx;
	if (since <= state.tx)
		return IM_OK;
	return err_set(IM_ERR_ARGUMENT, "%s: sinceTx is newer than the newest transaction",
	    err_text(IM_ERR_ARGUMENT));
}

enum im_err
entries_limit(uint64_t asked, size_t *limit)
{
	*limit = asked ? (size_t)asked : ENTRIES_LIMIT_MAX;
	if (asked <= ENTRIES_LIMIT_MAX)
		return IM_OK;
	return err_set(IM_ERR_RESULT_LIMIT,
	    "%s: the specified limit (%llu) is larger than the maximum allowed one (%u)",
	    err_text(IM_ERR_RESULT_LIMIT), (unsigned long long)asked, ENTRIES_LIMIT_MAX);
}

enum im_err
entries_skip(struct call *c, struct store_cursor *cursor, uint64_t n)
{
	enum im_err err = IM_OK;

	while (n > 0 && err == IM_OK) {
		uint64_t slice = n < ENTRY_SKIP_SLICE ? n : ENTRY_SKIP_SLICE;

		if (rpc_request_is_abandoned(c->request))
			return IM_ERR_CANCELLED;
		err = store_cursor_skip(cursor, slice);
		n -= slice;
	}
	return err;
}

enum im_err
entries_room(struct call *c, const Immudb__Schema__Entry *entry, size_t *used)
{
	size_t max = c->server->options.max_message_bytes;
	bool is_first = *used == 0;

	*used += entry->key.len + entry->value.len + ENTRY_OVERHEAD;
	if (*used <= max || is_first)
		return IM_OK;
	return err_set(IM_ERR_MESSAGE_SIZE, "%s: the answer would be larger than %zu bytes",
	    err_text(IM_ERR_MESSAGE_SIZE), max);
}
