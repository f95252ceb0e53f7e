/*
 * Proofs that somebody tampered with. Input: which proof (1 byte), two transactions (1 byte each),
 * and a list of edits (4 bytes each: what, where, which byte, what to change it by) of the honest
 * proof. A checker accepts the honest proof and nothing else.
 */
#include <assert.h>

#include "fuzz.h"
#include "libcrypto-util/crypto/chain.h"

#define ARENA_MAX (4u << 20)
/* Half of the history has links that lag behind, as foreign histories may. */
#define CHAIN_TXS 24u
#define CHAIN_LAG 4u
#define EDITS_MAX 16u
/* Terms of a list that are looked at; none is longer here. */
#define TERMS_MAX 128u

struct edit {
	uint8_t what, where, byte, change;
};

static struct chain chain;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	chain_init(&chain);
	for (unsigned i = 0; i < CHAIN_TXS; i++)
		chain_append(&chain, i % 2,
		    i < CHAIN_TXS / 2 ? i : i - (i % CHAIN_LAG < i ? i % CHAIN_LAG : 0));
	return 0;
}

/* ---- Edits. True when something was changed. ---- */

/* Lists grow in memory that has room for one more term. */
static bool
edit_list(struct hash_list *list, const struct edit *e, struct arena *a)
{
	struct hash *grown;

	switch (e->what / 8 % 4) {
	case 0:
		if (list->len == 0)
			return false;
		list->items[e->where % list->len].b[e->byte % HASH_SIZE] ^= e->change;
		return e->change != 0;
	case 1:
		list->len -= list->len > 0;
		return true;
	case 2:
		grown = arena_calloc(a, list->len + 1, sizeof *grown);
		assert(grown && list->len < TERMS_MAX);
		if (list->len)
			memcpy(grown, list->items, list->len * sizeof *grown);
		list->items = grown;
		grown[list->len++].b[0] = e->change;
		return true;
	default:
		if (list->len < 2)
			return false;
		grown = &list->items[e->where % (list->len - 1)];
		hash_node(&grown[0], &grown[1], &grown[0]);
		return true;
	}
}

static void
edit_header(struct tx_header *h, const struct edit *e)
{
	switch (e->where % 9) {
	case 0:
		h->id ^= e->change;
		break;
	case 1:
		h->prev_alh.b[e->byte % HASH_SIZE] ^= e->change;
		break;
	case 2:
		h->ts ^= e->change;
		break;
	case 3:
		h->version ^= e->change;
		break;
	case 4:
		h->md[e->byte % TX_METADATA_MAX] ^= e->change;
		break;
	case 5:
		h->nentries ^= e->change;
		break;
	case 6:
		h->eh.b[e->byte % HASH_SIZE] ^= e->change;
		break;
	case 7:
		h->bl_tx_id ^= e->change;
		break;
	default:
		h->bl_root.b[e->byte % HASH_SIZE] ^= e->change;
		break;
	}
}

static void
edit_advance(struct dual_proof *p, const struct edit *e, struct arena *a)
{
	struct linear_advance_proof *l = &p->linear_advance;

	if (e->where % 8 == 0)
		p->has_linear_advance = !p->has_linear_advance;
	else if (e->where % 8 == 1)
		l->inclusions_len -= l->inclusions_len > 0;
	else if (e->where % 8 == 2 || l->inclusions_len == 0)
		edit_list(&l->linear_terms, e, a);
	else
		edit_list(&l->inclusions[e->byte % l->inclusions_len], e, a);
}

static void
edit_dual(struct dual_proof *p, const struct edit *e, struct arena *a)
{
	switch (e->what % 8) {
	case 0:
		edit_list(&p->inclusion, e, a);
		break;
	case 1:
		edit_list(&p->consistency, e, a);
		break;
	case 2:
		edit_list(&p->last_inclusion, e, a);
		break;
	case 3:
		edit_list(&p->linear.terms, e, a);
		break;
	case 4:
		edit_header(e->byte & 1 ? &p->source : &p->target, e);
		break;
	case 5:
		p->target_bl_tx_alh.b[e->byte % HASH_SIZE] ^= e->change;
		break;
	case 6:
		*(e->where & 1 ? &p->linear.source_tx_id : &p->linear.target_tx_id) ^= e->change;
		break;
	default:
		edit_advance(p, e, a);
		break;
	}
}

/* ---- Comparison. ---- */

static bool
same_list(const struct hash_list *a, const struct hash_list *b)
{
	return a->len == b->len &&
	    (a->len == 0 || memcmp(a->items, b->items, a->len * sizeof *a->items) == 0);
}

static bool
same_header(const struct tx_header *a, const struct tx_header *b)
{
	struct hash alh_a, alh_b;

	if (tx_header_check(a) != IM_OK)
		return false;
	tx_header_alh(a, &alh_a);
	tx_header_alh(b, &alh_b);
	return a->id == b->id && hash_equal(&alh_a, &alh_b);
}

static bool
same_advance(const struct dual_proof *a, const struct dual_proof *b)
{
	const struct linear_advance_proof *l = &a->linear_advance, *m = &b->linear_advance;

	if (a->has_linear_advance != b->has_linear_advance)
		return false;
	if (!a->has_linear_advance)
		return true;
	if (!same_list(&l->linear_terms, &m->linear_terms) ||
	    l->inclusions_len != m->inclusions_len)
		return false;
	for (size_t i = 0; i < l->inclusions_len; i++)
		if (!same_list(&l->inclusions[i], &m->inclusions[i]))
			return false;
	return true;
}

static bool
same_dual(const struct dual_proof *a, const struct dual_proof *b)
{
	return same_header(&a->source, &b->source) && same_header(&a->target, &b->target) &&
	    same_list(&a->inclusion, &b->inclusion) &&
	    same_list(&a->consistency, &b->consistency) &&
	    same_list(&a->last_inclusion, &b->last_inclusion) &&
	    same_list(&a->linear.terms, &b->linear.terms) &&
	    a->linear.source_tx_id == b->linear.source_tx_id &&
	    a->linear.target_tx_id == b->linear.target_tx_id &&
	    hash_equal(&a->target_bl_tx_alh, &b->target_bl_tx_alh) && same_advance(a, b);
}

/* ---- The proofs. ---- */

static struct edit
next_edit(struct bytes *in)
{
	struct edit e = {.what = (uint8_t)fuzz_number(in, 1)};

	e.where = (uint8_t)fuzz_number(in, 1);
	e.byte = (uint8_t)fuzz_number(in, 1);
	e.change = (uint8_t)fuzz_number(in, 1);
	return e;
}

static void
check_dual(uint64_t from, uint64_t to, struct bytes in, struct arena *a)
{
	struct proof_source source = chain_source(&chain);
	const struct tx_point *older = &chain_tx(&chain, from)->point;
	const struct tx_point *newer = &chain_tx(&chain, to)->point;
	struct dual_proof honest, edited;
	enum im_err err;

	assert(proof_make_dual(&source, from, to, a, &honest) == IM_OK);
	assert(proof_make_dual(&source, from, to, a, &edited) == IM_OK);
	for (unsigned n = 0; in.len > 0 && n < EDITS_MAX; n++) {
		struct edit e = next_edit(&in);

		edit_dual(&edited, &e, a);
	}
	err = proof_check_dual(&edited, older, newer);
	assert((err == IM_OK) == same_dual(&edited, &honest));
}

static void
check_dual_v2(uint64_t from, uint64_t to, struct bytes in, struct arena *a)
{
	struct proof_source source = chain_source(&chain);
	const struct tx_point *older = &chain_tx(&chain, from)->point;
	const struct tx_point *newer = &chain_tx(&chain, to)->point;
	struct dual_proof_v2 honest, edited;
	enum im_err err = proof_make_dual_v2(&source, from, to, a, &honest);
	bool same;

	if (err == IM_ERR_ARGUMENT)
		return;
	assert(err == IM_OK && proof_make_dual_v2(&source, from, to, a, &edited) == IM_OK);
	for (unsigned n = 0; in.len > 0 && n < EDITS_MAX; n++) {
		struct edit e = next_edit(&in);

		if (e.what % 8 == 4)
			edit_header(e.byte & 1 ? &edited.source : &edited.target, &e);
		else
			edit_list(e.what % 8 == 1 ? &edited.consistency : &edited.inclusion, &e, a);
	}
	same = same_header(&edited.source, &honest.source) &&
	    same_header(&edited.target, &honest.target) &&
	    same_list(&edited.inclusion, &honest.inclusion) &&
	    same_list(&edited.consistency, &honest.consistency);
	assert((proof_check_dual_v2(&edited, older, newer) == IM_OK) == same);
}

/* Inclusion of one entry in its transaction; leaf, width and terms are edited. */
static void
check_entry(uint64_t tx, uint64_t which, struct bytes in, struct arena *a)
{
	struct chain_tx *t = chain_tx(&chain, tx);
	uint32_t n = t->header.nentries, leaf = (uint32_t)(which % n);
	struct hash_list digests = {t->digests, n};
	struct hash scratch[CHAIN_ENTRIES];
	struct inclusion_proof honest, edited;
	bool same;

	assert(htree_prove(digests, leaf, scratch, a, &honest) == IM_OK);
	assert(htree_prove(digests, leaf, scratch, a, &edited) == IM_OK);
	for (unsigned i = 0; in.len > 0 && i < EDITS_MAX; i++) {
		struct edit e = next_edit(&in);

		if (e.what % 8 == 5)
			edited.leaf ^= e.change;
		else if (e.what % 8 == 6)
			edited.width ^= e.change;
		else
			edit_list(&edited.terms, &e, a);
	}
	same = edited.leaf == honest.leaf && edited.width == honest.width &&
	    same_list(&edited.terms, &honest.terms);
	assert((proof_check_entry(&edited, &t->entries[leaf], &t->header) == IM_OK) == same);
}

static void
check_linear(uint64_t from, uint64_t to, struct bytes in, struct arena *a)
{
	struct proof_source source = chain_source(&chain);
	struct linear_proof honest, edited;
	bool same;

	assert(proof_make_linear(&source, from, to, a, &honest) == IM_OK);
	assert(proof_make_linear(&source, from, to, a, &edited) == IM_OK);
	for (unsigned n = 0; in.len > 0 && n < EDITS_MAX; n++) {
		struct edit e = next_edit(&in);

		if (e.what % 8 == 6)
			edited.source_tx_id ^= e.change;
		else if (e.what % 8 == 7)
			edited.target_tx_id ^= e.change;
		else
			edit_list(&edited.terms, &e, a);
	}
	same = edited.source_tx_id == from && edited.target_tx_id == to &&
	    same_list(&edited.terms, &honest.terms);
	assert((proof_check_linear(&edited, &chain_tx(&chain, from)->point,
		    &chain_tx(&chain, to)->point) == IM_OK) == same);
}

/* The tree's own proofs, for sizes that are edited too: they may be anything at all. */
static void
check_tree(uint64_t i, uint64_t j, struct bytes in, struct arena *a)
{
	struct ahtree_reader tree = ahtree_log_reader(&chain.log);
	struct hash_list inclusion, consistency;
	struct hash leaf, root_i, root_j;
	uint64_t edited_i = i ^ fuzz_number(&in, 8), edited_j = j ^ fuzz_number(&in, 8);
	bool changed = edited_i != i || edited_j != j;

	assert(ahtree_prove_inclusion(&tree, i, j, a, &inclusion) == IM_OK);
	assert(ahtree_prove_consistency(&tree, i, j, a, &consistency) == IM_OK);
	assert(ahtree_log_root(&chain.log, i, &root_i) == IM_OK);
	assert(ahtree_log_root(&chain.log, j, &root_j) == IM_OK);
	hash_leaf(&chain_tx(&chain, i)->point.alh, &leaf);
	for (unsigned n = 0; in.len > 0 && n < EDITS_MAX; n++) {
		struct edit e = next_edit(&in);

		edit_list(e.what % 2 ? &inclusion : &consistency, &e, a);
		changed = true;
	}
	/* Without a claim: other sizes may share a path, edits may undo one another. */
	assert(ahtree_verify_inclusion(inclusion, edited_i, edited_j, &leaf, &root_j) || changed);
	assert(ahtree_verify_consistency(consistency, edited_i, edited_j, &root_i, &root_j) ||
	    changed);
	ahtree_verify_last_inclusion(inclusion, edited_j, &leaf, &root_j);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const checks[])(uint64_t, uint64_t, struct bytes, struct arena *) = {
	    check_dual, check_dual_v2, check_entry, check_linear, check_tree};
	struct bytes in = bytes_of(data, size);
	size_t which = (size_t)fuzz_number(&in, 1) % (sizeof checks / sizeof *checks);
	uint64_t from = 1 + fuzz_number(&in, 1) % CHAIN_TXS,
		 to = 1 + fuzz_number(&in, 1) % CHAIN_TXS;
	struct arena a;

	arena_init(&a, ARENA_MAX);
	checks[which](from < to ? from : to, from < to ? to : from, in, &a);
	arena_free(&a);
	return 0;
}
