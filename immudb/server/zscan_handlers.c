/*
 * ZScan: members of a sorted set in numeric order of their scores, always in the read pool.
 *
 * The index has the members under their index form (crypto/rawkey.h): prefix of the set, score in a
 * form that sorts as numbers do, then key and transaction. -0 comes just before 0; a bound of
 * either takes in both.
 *
 * Invariant: bounds made here stop behind the score, so that none is a whole key: the engine takes
 * them as they are, and no member equals one.
 */
#include "crypto/rawkey.h"
#include "rpc/message.h"
#include "server/walks.h"

/* The members between two scores, as bounds of the index. */
struct zscan_bounds {
	struct bytes least;    /* at or before the first member */
	struct bytes greatest; /* behind the last one */
};

/* The place of the first member with a score of this order or more. */
static enum im_err
zscan_place(struct call *c, struct bytes prefix, uint64_t order, struct bytes *out)
{
	uint8_t *p = arena_alloc(call_arena(c), prefix.len + sizeof order);

	if (!p)
		return IM_ERR_NOMEM;
	memcpy(p, prefix.data, prefix.len);
	be64_put(p + prefix.len, order);
	*out = bytes_of(p, prefix.len + sizeof order);
	return IM_OK;
}

static enum im_err
zscan_check_score(double score)
{
	if (zset_score_is_valid(score))
		return IM_OK;
	return err_set(IM_ERR_ARGUMENT, "%s: a score is not a number", err_text(IM_ERR_ARGUMENT));
}

/* Either score may be NULL; the bounds include them. */
static enum im_err
zscan_bounds_of(struct call *c, struct bytes prefix, const Immudb__Schema__ZScanRequest *in,
    struct zscan_bounds *out)
{
	const Immudb__Schema__Score *min = in->minscore, *max = in->maxscore;
	enum im_err err = zscan_check_score(min ? min->score : 0.0);

	*out = (struct zscan_bounds){{0}, {0}};
	if (err == IM_OK)
		err = zscan_check_score(max ? max->score : 0.0);
	if (err == IM_OK && min)
		err = zscan_place(c, prefix,
		    zset_order_of_score(min->score == 0 ? -0.0 : min->score), &out->least);
	/* Infinity is the greatest score, but not the greatest number of an order. */
	if (err == IM_OK && max)
		err = zscan_place(c, prefix,
		    zset_order_of_score(max->score == 0 ? 0.0 : max->score) + 1, &out->greatest);
	return err;
}

/* The raw key of the member to start at; empty when the request names none. */
static enum im_err
zscan_seek(struct call *c, const Immudb__Schema__ZScanRequest *in, struct bytes *out)
{
	struct zset_member m = {
	    message_bytes(in->set), in->seekscore, message_bytes(in->seekkey), in->seekattx};
	enum im_err err = zscan_check_score(in->seekscore);

	*out = bytes_of(NULL, 0);
	if (err != IM_OK || m.key.len > 0)
		return err == IM_OK ? raw_key_make_zadd(call_arena(c), &m, out) : err;
	if (in->seekscore != 0 || in->seekattx)
		return err_set(IM_ERR_ARGUMENT, "%s: SeekScore and SeekAtTx need a SeekKey",
		    err_text(IM_ERR_ARGUMENT));
	return IM_OK;
}

/* Whether a walk that begins at the member leaves out more than one that begins at the bound. */
static bool
zscan_starts_later(struct bytes member, struct bytes bound, bool desc)
{
	uint8_t key[RAW_KEY_MAX];
	int order;

	if (member.len == 0 || bound.len == 0)
		return member.len > 0;
	memcpy(key, member.data, member.len);
	raw_key_to_index(key, member.len);
	order = bytes_compare(bytes_of(key, member.len), bound);
	return desc ? order < 0 : order > 0;
}

static enum im_err
zscan_range(struct call *c, const Immudb__Schema__ZScanRequest *in, struct store_range *range)
{
	struct zscan_bounds bounds;
	struct bytes member;
	enum im_err err;

	*range = (struct store_range){.desc = in->desc, .flags = call_read_flags(c)};
	if (in->set.len == 0)
		return IM_ERR_ARGUMENT;
	err = entries_since(c, in->sincetx, &range->as_of);
	if (err == IM_OK)
		err =
		    raw_key_make_zset_prefix(call_arena(c), message_bytes(in->set), &range->prefix);
	if (err == IM_OK)
		err = zscan_bounds_of(c, range->prefix, in, &bounds);
	if (err == IM_OK)
		err = zscan_seek(c, in, &member);
	if (err != IM_OK)
		return err;
	range->seek = in->desc ? bounds.greatest : bounds.least;
	range->end = in->desc ? bounds.least : bounds.greatest;
	if (zscan_starts_later(member, range->seek, in->desc)) {
		range->seek = member;
		range->seek_inclusive = in->inclusiveseek;
	}
	return IM_OK;
}

enum im_err
zscan_open(struct call *c, const Immudb__Schema__ZScanRequest *in, struct walk *w)
{
	struct store_range range;
	enum im_err err = zscan_range(c, in, &range);

	*w = (struct walk){0};
	return err == IM_OK ? walk_open(c, &range, in->offset, w) : err;
}

/* A member and the entry that it names. */
static enum im_err
zscan_member(
    struct call *c, const struct store_value *raw, uint64_t as_of, Immudb__Schema__ZEntry **out)
{
	Immudb__Schema__ZEntry *z = message_new(call_arena(c), &immudb__schema__zentry__descriptor);
	struct raw_key member;
	struct entry_query q;

	if (!z)
		return IM_ERR_NOMEM;
	if (raw_key_parse(raw->key, &member) != IM_OK || member.kind != RAW_KEY_ZADD)
		return err_set(IM_ERR_CORRUPT, "%s: malformed key in transaction %llu",
		    err_text(IM_ERR_CORRUPT), (unsigned long long)raw->tx);
	z->set = message_data(member.set);
	z->key = message_data(member.key);
	z->score = member.score;
	z->attx = member.at_tx;
	*out = z;
	if (!message_keep_negative_zero(call_arena(c), &z->base, ZENTRY_SCORE, z->score))
		return IM_ERR_NOMEM;
	q = (struct entry_query){.key = member.key, .at_tx = member.at_tx, .as_of = as_of};
	return entry_find(c, &q, NULL, &z->entry);
}

enum im_err
zscan_next(struct call *c, struct walk *w, Immudb__Schema__ZEntry **out)
{
	struct arena_mark mark = arena_mark(call_arena(c));
	struct store_value raw;
	enum im_err err;

	for (;;) {
		err = walk_next_raw(c, w, &raw);
		if (err == IM_OK)
			err = zscan_member(c, &raw, w->as_of, out);
		if (!entry_leads_nowhere(err))
			return err;
		arena_rewind(call_arena(c), &mark);
	}
}

static enum im_err
zscan_collect(struct call *c, struct walk *w, size_t limit, Immudb__Schema__ZEntries *out)
{
	Immudb__Schema__ZEntry *z;
	size_t used = 0;
	enum im_err err = IM_OK;

	out->entries = arena_calloc(call_arena(c), limit, sizeof z);
	if (!out->entries)
		return IM_ERR_NOMEM;
	while (out->n_entries < limit && err == IM_OK) {
		err = zscan_next(c, w, &z);
		if (err != IM_OK)
			break;
		out->entries[out->n_entries++] = z;
		err = entries_room(c, z->entry, &used);
		used += z->set.len + z->key.len;
	}
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

enum im_err
handle_ZScan(struct call *c)
{
	const Immudb__Schema__ZScanRequest *in = (const void *)c->in;
	Immudb__Schema__ZEntries *out;
	struct walk w = {0};
	size_t limit;
	enum im_err err = entries_limit(in->limit, &limit);

	if (err != IM_OK)
		return err;
	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	out = message_new(call_arena(c), &immudb__schema__zentries__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	c->answer = &out->base;
	err = zscan_open(c, in, &w);
	if (err == IM_OK)
		err = zscan_collect(c, &w, limit, out);
	walk_close(&w);
	return err;
}
