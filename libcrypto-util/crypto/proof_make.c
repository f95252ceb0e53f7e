/*
 * Making linear, linear-advance and dual proofs.
 *
 * Neighbours: proof_check.c is the other half; ahtree.c makes the parts about the tree. A database
 * written here has blTxID = id - 1 throughout, where a dual proof costs two headers and some twenty
 * tree look-ups, because the target's header has the Alh of the transaction before it; the rest is
 * for histories that lag.
 */
#include "crypto/proof.h"

#include <inttypes.h>

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static enum im_err
read_header(const struct proof_source *src, uint64_t tx, struct tx_header *out)
{
	enum im_err err = src->header(src->ctx, tx, out);

	if (err != IM_OK)
		return err;
	if (out->id != tx || tx_header_check(out) != IM_OK)
		return err_set(IM_ERR_CORRUPT, "header of tx %" PRIu64 " is not valid", tx);
	return IM_OK;
}

/* The Alh of transaction tx; target is a header that was read, which has the one before it. */
static enum im_err
read_alh(
    const struct proof_source *src, const struct tx_header *target, uint64_t tx, struct hash *out)
{
	struct tx_header h;
	enum im_err err;

	if (tx + 1 == target->id) {
		*out = target->prev_alh;
		return IM_OK;
	}
	err = read_header(src, tx, &h);
	if (err == IM_OK)
		tx_header_alh(&h, out);
	return err;
}

/*
 * Alh(first), inner(first+1) .. inner(last): the terms of both kinds of linear proof. last is a
 * header that was read.
 */
static enum im_err
make_chain(const struct proof_source *src, uint64_t first, const struct tx_header *last,
    struct arena *a, struct hash_list *out)
{
	struct tx_header h;
	enum im_err err;

	out->len = last->id - first + 1;
	out->items = (struct hash *)arena_calloc(a, out->len, sizeof(struct hash));
	if (!out->items)
		return IM_ERR_NOMEM;
	if (out->len == 1) {
		tx_header_alh(last, &out->items[0]);
		return IM_OK;
	}
	err = read_alh(src, last, first, &out->items[0]);
	for (size_t i = 1; i < out->len - 1 && err == IM_OK; i++) {
		err = read_header(src, first + i, &h);
		if (err == IM_OK)
			tx_header_inner(&h, &out->items[i]);
	}
	tx_header_inner(last, &out->items[out->len - 1]);
	return err;
}

static enum im_err
make_linear(const struct proof_source *src, uint64_t from, const struct tx_header *to,
    struct arena *a, struct linear_proof *out)
{
	out->source_tx_id = from;
	out->target_tx_id = to->id;
	return make_chain(src, from, to, a, &out->terms);
}

enum im_err
proof_make_linear(const struct proof_source *src, uint64_t from, uint64_t to, struct arena *a,
    struct linear_proof *out)
{
	struct tx_header target;
	enum im_err err;

	if (from == 0 || from > to)
		return err_set(
		    IM_ERR_ARGUMENT, "linear proof from tx %" PRIu64 " to tx %" PRIu64, from, to);
	err = read_header(src, to, &target);
	return err == IM_OK ? make_linear(src, from, &target, a, out) : err;
}

enum im_err
proof_make_linear_advance(const struct proof_source *src, const struct advance_span *span,
    struct arena *a, struct linear_advance_proof *out)
{
	struct tx_header last;
	enum im_err err;

	*out = (struct linear_advance_proof){0};
	if (span->from > span->to || span->to > span->size)
		return err_set(IM_ERR_ARGUMENT, "linear advance from tx %" PRIu64 " to tx %" PRIu64,
		    span->from, span->to);
	if (span->to - span->from <= 1)
		return IM_OK;
	err = read_header(src, span->to, &last);
	if (err == IM_OK)
		err = make_chain(src, span->from + 1, &last, a, &out->linear_terms);
	if (err != IM_OK)
		return err;
	out->inclusions_len = span->to - span->from - 1;
	out->inclusions =
	    (struct hash_list *)arena_calloc(a, out->inclusions_len, sizeof(struct hash_list));
	if (!out->inclusions)
		return IM_ERR_NOMEM;
	for (size_t i = 0; i < out->inclusions_len && err == IM_OK; i++)
		err = ahtree_prove_inclusion(
		    &src->tree, span->from + 1 + i, span->size, a, &out->inclusions[i]);
	return err;
}

static enum im_err
make_headers(const struct proof_source *src, uint64_t from, uint64_t to, struct tx_header *source,
    struct tx_header *target)
{
	enum im_err err;

	if (from == 0 || from > to)
		return err_set(
		    IM_ERR_ARGUMENT, "dual proof from tx %" PRIu64 " to tx %" PRIu64, from, to);
	err = read_header(src, from, source);
	if (err == IM_OK)
		err = read_header(src, to, target);
	if (err == IM_OK && source->bl_tx_id > target->bl_tx_id)
		err = err_set(IM_ERR_CORRUPT,
		    "tx %" PRIu64 " links to a larger tree than tx %" PRIu64, from, to);
	return err;
}

static enum im_err
make_dual_tree(const struct proof_source *src, struct arena *a, struct dual_proof *out)
{
	uint64_t s = out->source.id, p = out->source.bl_tx_id, q = out->target.bl_tx_id;
	enum im_err err = IM_OK;

	if (s < q)
		err = ahtree_prove_inclusion(&src->tree, s, q, a, &out->inclusion);
	if (err == IM_OK && p > 0)
		err = ahtree_prove_consistency(&src->tree, p, q, a, &out->consistency);
	if (err == IM_OK && q > 0)
		err = read_alh(src, &out->target, q, &out->target_bl_tx_alh);
	if (err == IM_OK && q > 0)
		err = ahtree_prove_inclusion(&src->tree, q, q, a, &out->last_inclusion);
	return err;
}

enum im_err
proof_make_dual(const struct proof_source *src, uint64_t from, uint64_t to, struct arena *a,
    struct dual_proof *out)
{
	struct advance_span span;
	enum im_err err;

	*out = (struct dual_proof){0};
	err = make_headers(src, from, to, &out->source, &out->target);
	if (err == IM_OK)
		err = make_dual_tree(src, a, out);
	if (err == IM_OK)
		err = make_linear(
		    src, max_u64(from, out->target.bl_tx_id), &out->target, a, &out->linear);
	if (err != IM_OK)
		return err;
	span.from = out->source.bl_tx_id;
	span.to = min_u64(from, out->target.bl_tx_id);
	span.size = out->target.bl_tx_id;
	out->has_linear_advance = span.to > span.from + 1;
	return proof_make_linear_advance(src, &span, a, &out->linear_advance);
}

enum im_err
proof_make_dual_v2(const struct proof_source *src, uint64_t from, uint64_t to, struct arena *a,
    struct dual_proof_v2 *out)
{
	enum im_err err;

	*out = (struct dual_proof_v2){0};
	err = make_headers(src, from, to, &out->source, &out->target);
	if (err != IM_OK)
		return err;
	if (out->source.bl_tx_id != from - 1 || out->target.bl_tx_id != to - 1)
		return err_set(IM_ERR_ARGUMENT, "links of the transactions lag");
	if (from == to)
		return IM_OK;
	err = ahtree_prove_inclusion(&src->tree, from, to - 1, a, &out->inclusion);
	if (err == IM_OK)
		err = ahtree_prove_consistency(
		    &src->tree, max_u64(1, from - 1), to - 1, a, &out->consistency);
	return err;
}
