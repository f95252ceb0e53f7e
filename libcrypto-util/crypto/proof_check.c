/*
 * Checking proofs: of entries, linear, linear-advance and dual.
 *
 * Neighbours: proof_make.c is the other half; ahtree.c and htree.c check the parts about trees.
 * Everything here runs on input made by somebody who wants to be believed: numbers of terms are
 * compared with what the ids demand before a term is looked at, and what a case does not use must
 * be empty, so that no part of a proof that holds is without meaning.
 */
#include "crypto/proof.h"

#include <inttypes.h>

#define refuse(...) err_set(IM_ERR_PROOF, __VA_ARGS__)

enum im_err
proof_check_entry(
    const struct inclusion_proof *proof, const struct entry_parts *e, const struct tx_header *h)
{
	struct hash digest;

	if (tx_header_check(h) != IM_OK)
		return refuse("entry: the header is not valid");
	if (proof->width != h->nentries)
		return refuse("entry: width %" PRIu32 " of the proof, %" PRIu32
			      " entries in the header",
		    proof->width, h->nentries);
	if (entry_digest(h->version, e, &digest) != IM_OK)
		return refuse("entry: not possible in header version %u", h->version);
	if (!htree_verify(proof, &digest, &h->eh))
		return refuse("entry: not in the transaction");
	return IM_OK;
}

enum im_err
proof_check_linear(
    const struct linear_proof *p, const struct tx_point *from, const struct tx_point *to)
{
	struct hash h;

	if (p->source_tx_id != from->id || p->target_tx_id != to->id)
		return refuse("linear: for other transactions than asked");
	if (from->id == 0 || from->id > to->id)
		return refuse("linear: transactions out of order");
	/* Both ids are the caller's by now, and from is not 0: no overflow. */
	if (p->terms.len != to->id - from->id + 1)
		return refuse("linear: wrong number of terms");
	if (!hash_equal(&p->terms.items[0], &from->alh))
		return refuse("linear: starts from another transaction");
	h = p->terms.items[0];
	for (size_t i = 1; i < p->terms.len; i++)
		tx_header_step(from->id + i, &h, &p->terms.items[i], &h);
	if (!hash_equal(&h, &to->alh))
		return refuse("linear: does not lead to the target");
	return IM_OK;
}

enum im_err
proof_check_linear_advance(const struct linear_advance_proof *p, const struct advance_claim *claim)
{
	const struct advance_span *span = &claim->span;
	struct hash h, leaf;

	if (span->to < span->from)
		return refuse("linear advance: transactions out of order");
	if (span->to - span->from <= 1)
		return p ? refuse("linear advance: present where none is needed") : IM_OK;
	if (!p)
		return refuse("linear advance: missing");
	if (p->linear_terms.len != span->to - span->from ||
	    p->inclusions_len != span->to - span->from - 1)
		return refuse("linear advance: wrong number of terms");
	h = p->linear_terms.items[0];
	for (size_t i = 0; i < p->inclusions_len; i++) {
		uint64_t tx = span->from + 1 + i;

		hash_leaf(&h, &leaf);
		if (!ahtree_verify_inclusion(p->inclusions[i], tx, span->size, &leaf, &claim->root))
			return refuse("linear advance: tx %" PRIu64 " is not in the tree", tx);
		tx_header_step(tx + 1, &h, &p->linear_terms.items[i + 1], &h);
	}
	if (!hash_equal(&h, &claim->end))
		return refuse("linear advance: does not lead to its end");
	return IM_OK;
}

/* Steps 1 and 2 of both dual proofs: ids, and Alhs recomputed from valid headers. */
static enum im_err
check_point(const char *which, const struct tx_header *h, const struct tx_point *point)
{
	struct hash alh;

	if (h->id != point->id)
		return refuse("ids: %s header is that of tx %" PRIu64 ", not %" PRIu64, which,
		    h->id, point->id);
	if (tx_header_check(h) != IM_OK)
		return refuse("ids: %s header is not valid", which);
	tx_header_alh(h, &alh);
	if (!hash_equal(&alh, &point->alh))
		return refuse(
		    "alh: %s header does not hash to the Alh of tx %" PRIu64, which, point->id);
	return IM_OK;
}

static enum im_err
check_points(const struct tx_header *source, const struct tx_header *target,
    const struct tx_point *from, const struct tx_point *to)
{
	enum im_err err;

	if (from->id == 0 || from->id > to->id)
		return refuse("ids: transactions out of order");
	err = check_point("source", source, from);
	return err == IM_OK ? check_point("target", target, to) : err;
}

static enum im_err
check_inclusion(struct hash_list terms, const struct tx_point *from, const struct tx_header *target)
{
	struct hash leaf;

	if (from->id >= target->bl_tx_id)
		return terms.len ? refuse("inclusion: present where none is needed") : IM_OK;
	hash_leaf(&from->alh, &leaf);
	if (!ahtree_verify_inclusion(terms, from->id, target->bl_tx_id, &leaf, &target->bl_root))
		return refuse("inclusion: source is not in target's tree");
	return IM_OK;
}

static enum im_err
check_consistency(const struct dual_proof *p)
{
	if (p->source.bl_tx_id == 0)
		return p->consistency.len ? refuse("consistency: present where none is needed")
					  : IM_OK;
	if (!ahtree_verify_consistency(p->consistency, p->source.bl_tx_id, p->target.bl_tx_id,
		&p->source.bl_root, &p->target.bl_root))
		return refuse("consistency: source's tree is not the beginning of target's");
	return IM_OK;
}

static enum im_err
check_last_inclusion(const struct dual_proof *p)
{
	struct hash leaf;

	if (p->target.bl_tx_id == 0) {
		if (p->last_inclusion.len > 0 || !hash_is_zero(&p->target_bl_tx_alh))
			return refuse("last inclusion: present where none is needed");
		return IM_OK;
	}
	hash_leaf(&p->target_bl_tx_alh, &leaf);
	if (!ahtree_verify_last_inclusion(
		p->last_inclusion, p->target.bl_tx_id, &leaf, &p->target.bl_root))
		return refuse("last inclusion: not the last leaf of target's tree");
	return IM_OK;
}

/* Steps 6 and 7: the chain from the tree's end, or from the source where that is later. */
static enum im_err
check_chains(const struct dual_proof *p, const struct tx_point *from, const struct tx_point *to)
{
	const struct tx_point tree_end = {p->target.bl_tx_id, p->target_bl_tx_alh};
	const struct tx_point *later = from->id < tree_end.id ? &tree_end : from;
	const struct tx_point *earlier = from->id < tree_end.id ? from : &tree_end;
	const struct advance_claim claim = {
	    .span = {p->source.bl_tx_id, earlier->id, tree_end.id},
	    .end = earlier->alh,
	    .root = p->target.bl_root,
	};
	enum im_err err = proof_check_linear(&p->linear, later, to);

	if (err != IM_OK)
		return err;
	return proof_check_linear_advance(
	    p->has_linear_advance ? &p->linear_advance : NULL, &claim);
}

enum im_err
proof_check_dual(const struct dual_proof *p, const struct tx_point *from, const struct tx_point *to)
{
	enum im_err err = check_points(&p->source, &p->target, from, to);

	if (err == IM_OK)
		err = check_inclusion(p->inclusion, from, &p->target);
	if (err == IM_OK)
		err = check_consistency(p);
	if (err == IM_OK)
		err = check_last_inclusion(p);
	if (err == IM_OK)
		err = check_chains(p, from, to);
	return err;
}

/* The tree of one leaf is that leaf: source 1 has no root of its own to start from. */
static enum im_err
check_consistency_v2(const struct dual_proof_v2 *p, const struct tx_point *from)
{
	uint64_t size = from->id == 1 ? 1 : p->source.bl_tx_id;
	struct hash root = p->source.bl_root;

	if (from->id == 1)
		hash_leaf(&from->alh, &root);
	if (!ahtree_verify_consistency(
		p->consistency, size, p->target.bl_tx_id, &root, &p->target.bl_root))
		return refuse("consistency: source's tree is not the beginning of target's");
	return IM_OK;
}

enum im_err
proof_check_dual_v2(
    const struct dual_proof_v2 *p, const struct tx_point *from, const struct tx_point *to)
{
	struct hash leaf;
	enum im_err err = check_points(&p->source, &p->target, from, to);

	if (err != IM_OK)
		return err;
	if (p->source.bl_tx_id != from->id - 1 || p->target.bl_tx_id != to->id - 1)
		return refuse("ids: links of the transactions lag");
	if (from->id == to->id)
		return p->inclusion.len || p->consistency.len
		    ? refuse("inclusion: present where none is needed")
		    : IM_OK;
	hash_leaf(&from->alh, &leaf);
	if (!ahtree_verify_inclusion(
		p->inclusion, from->id, p->target.bl_tx_id, &leaf, &p->target.bl_root))
		return refuse("inclusion: source is not in target's tree");
	return check_consistency_v2(p, from);
}
