/*
 * Every single bit: on small histories each bit of each proof, header, entry and exported
 * transaction is changed in turn, and the result must be refused, but for the fields listed here by
 * name, which no proof covers.
 */
#include <stdio.h>

#include "chain.h"
#include "crypto/export.h"
#include "testing.h"

#define FIELDS_MAX 96

static const char *const unauthenticated[] = {
    "TxEntry.vLen", /* the length of a value is not hashed */
};

/* One part of the thing under test, as memory. */
struct field {
	const char *name;
	void *data;
	size_t size;
};

struct fields {
	struct field list[FIELDS_MAX];
	size_t len;
};

static void
add(struct fields *f, const char *name, const void *data, size_t size)
{
	assert_true(f->len < FIELDS_MAX);
	f->list[f->len++] = (struct field){name, (void *)data, size};
}

#define add_object(f, name, object) add((f), (name), &(object), sizeof(object))

static void
add_list(struct fields *f, const char *name, const struct hash_list *l)
{
	add(f, name, l->items, l->len * sizeof(struct hash));
}

static void
add_header(struct fields *f, const struct tx_header *h)
{
	add_object(f, "TxHeader.id", h->id);
	add_object(f, "TxHeader.prevAlh", h->prev_alh);
	add_object(f, "TxHeader.ts", h->ts);
	add_object(f, "TxHeader.version", h->version);
	add_object(f, "TxHeader.metadata length", h->md_len);
	add(f, "TxHeader.metadata", h->md, h->md_len);
	add_object(f, "TxHeader.nentries", h->nentries);
	add_object(f, "TxHeader.eH", h->eh);
	add_object(f, "TxHeader.blTxId", h->bl_tx_id);
	add_object(f, "TxHeader.blRoot", h->bl_root);
}

static bool
is_unauthenticated(const char *name)
{
	for (size_t i = 0; i < sizeof unauthenticated / sizeof *unauthenticated; i++) {
		if (strcmp(name, unauthenticated[i]) == 0)
			return true;
	}
	return false;
}

/* Changes each bit of each field in turn; holds(thing) must be false, and true again afterwards. */
static void
flip_all(const struct fields *f, bool (*holds)(void *thing), void *thing)
{
	assert_true(holds(thing));
	for (size_t i = 0; i < f->len; i++) {
		uint8_t *p = (uint8_t *)f->list[i].data;

		for (size_t bit = 0; bit < f->list[i].size * 8; bit++) {
			bool accepted;

			p[bit / 8] ^= (uint8_t)(1 << bit % 8);
			accepted = holds(thing);
			p[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (accepted != is_unauthenticated(f->list[i].name))
				fail_msg("%s: bit %zu: %s", f->list[i].name, bit,
				    accepted ? "accepted" : "refused");
		}
	}
	assert_true(holds(thing));
}

static struct chain c;

static int
teardown(void **state)
{
	(void)state;
	chain_free(&c);
	return 0;
}

struct dual_case {
	struct dual_proof proof;
	struct tx_point from, to;
};

static bool
dual_holds(void *thing)
{
	const struct dual_case *d = (const struct dual_case *)thing;

	return proof_check_dual(&d->proof, &d->from, &d->to) == IM_OK;
}

static void
dual_fields(struct dual_case *d, struct fields *f)
{
	struct dual_proof *p = &d->proof;

	add_header(f, &p->source);
	add_header(f, &p->target);
	add_list(f, "inclusionProof", &p->inclusion);
	add_list(f, "consistencyProof", &p->consistency);
	add_object(f, "targetBlTxAlh", p->target_bl_tx_alh);
	add_list(f, "lastInclusionProof", &p->last_inclusion);
	add_object(f, "linearProof.sourceTxId", p->linear.source_tx_id);
	add_object(f, "linearProof.targetTxId", p->linear.target_tx_id);
	add_list(f, "linearProof.terms", &p->linear.terms);
	add_list(f, "linearAdvanceProof.linearProofTerms", &p->linear_advance.linear_terms);
	for (size_t i = 0; i < p->linear_advance.inclusions_len; i++)
		add_list(f, "linearAdvanceProof.inclusionProofs", &p->linear_advance.inclusions[i]);
	add_object(f, "source id", d->from.id);
	add_object(f, "source Alh", d->from.alh);
	add_object(f, "target id", d->to.id);
	add_object(f, "target Alh", d->to.alh);
}

/* One term more or less in any list, and the linear-advance proof there or not. */
static void
dual_lengths(struct dual_case *d)
{
	struct linear_advance_proof *advance = &d->proof.linear_advance;
	struct hash_list *lists[16] = {&d->proof.inclusion, &d->proof.consistency,
	    &d->proof.last_inclusion, &d->proof.linear.terms, &advance->linear_terms};
	size_t n = d->proof.has_linear_advance ? 5 : 4;

	for (size_t i = 0; i < advance->inclusions_len; i++)
		lists[n++] = &advance->inclusions[i];
	for (size_t i = 0; i < n; i++) {
		struct hash longer[32] = {0};
		struct hash_list was = *lists[i];

		if (was.len > 0)
			memcpy(longer, was.items, was.len * sizeof *longer);
		*lists[i] = (struct hash_list){longer, was.len + 1};
		assert_false(dual_holds(d));
		lists[i]->len = was.len - 1;
		if (was.len > 0)
			assert_false(dual_holds(d));
		*lists[i] = was;
	}
	d->proof.has_linear_advance = !d->proof.has_linear_advance;
	assert_false(dual_holds(d));
	d->proof.has_linear_advance = !d->proof.has_linear_advance;
	if (advance->inclusions_len > 0) {
		advance->inclusions_len--;
		assert_false(dual_holds(d));
		advance->inclusions_len++;
	}
}

static void
flip_all_duals(const uint64_t *links, const uint16_t *versions, size_t len)
{
	struct proof_source src;

	chain_init(&c);
	for (size_t i = 0; i < len; i++)
		chain_append(&c, versions[i], links[i]);
	src = chain_source(&c);
	for (uint64_t t = 1; t <= len; t++) {
		for (uint64_t s = 1; s <= t; s++) {
			struct dual_case d = {
			    .from = chain_tx(&c, s)->point, .to = chain_tx(&c, t)->point};
			struct fields f = {0};

			assert_ok(proof_make_dual(&src, s, t, &c.arena, &d.proof));
			dual_fields(&d, &f);
			flip_all(&f, dual_holds, &d);
			dual_lengths(&d);
		}
	}
}

static void
test_dual(void **state)
{
	static const uint64_t links[] = {0, 1, 2, 3, 4};
	static const uint16_t versions[] = {1, 1, 0, 1, 1};

	(void)state;
	flip_all_duals(links, versions, 5);
}

static void
test_dual_lagging(void **state)
{
	static const uint64_t links[] = {0, 0, 1, 1, 1, 5};
	static const uint16_t versions[] = {0, 1, 1, 0, 1, 1};

	(void)state;
	flip_all_duals(links, versions, 6);
}

struct dual_v2_case {
	struct dual_proof_v2 proof;
	struct tx_point from, to;
};

static bool
dual_v2_holds(void *thing)
{
	const struct dual_v2_case *d = (const struct dual_v2_case *)thing;

	return proof_check_dual_v2(&d->proof, &d->from, &d->to) == IM_OK;
}

static void
test_dual_v2(void **state)
{
	struct proof_source src;

	(void)state;
	chain_init(&c);
	for (uint64_t i = 0; i < 6; i++)
		chain_append(&c, 1, i);
	src = chain_source(&c);
	for (uint64_t t = 1; t <= c.len; t += 2) {
		for (uint64_t s = 1; s <= t; s++) {
			struct dual_v2_case d = {
			    .from = chain_tx(&c, s)->point, .to = chain_tx(&c, t)->point};
			struct fields f = {0};

			assert_ok(proof_make_dual_v2(&src, s, t, &c.arena, &d.proof));
			add_header(&f, &d.proof.source);
			add_header(&f, &d.proof.target);
			add_list(&f, "inclusionProof", &d.proof.inclusion);
			add_list(&f, "consistencyProof", &d.proof.consistency);
			add_object(&f, "source Alh", d.from.alh);
			add_object(&f, "target Alh", d.to.alh);
			flip_all(&f, dual_v2_holds, &d);
		}
	}
}

/* An entry as it comes in a message, with the header that is known to be right. */
struct entry_case {
	struct inclusion_proof proof;
	uint8_t key[64];
	size_t key_len;
	uint8_t md[KV_METADATA_MAX];
	size_t md_len;
	struct hash hval;
	uint32_t vlen;
	struct tx_header header;
	struct hash alh;
};

static bool
entry_holds(void *thing)
{
	const struct entry_case *e = (const struct entry_case *)thing;
	struct entry_parts parts = {
	    bytes_of(e->key, e->key_len), bytes_of(e->md, e->md_len), e->hval};
	struct hash alh;

	if (tx_header_check(&e->header) != IM_OK)
		return false;
	tx_header_alh(&e->header, &alh);
	return hash_equal(&alh, &e->alh) &&
	    proof_check_entry(&e->proof, &parts, &e->header) == IM_OK;
}

static void
flip_entry(const struct chain_tx *tx, size_t leaf)
{
	struct entry_case e = {.header = tx->header, .alh = tx->point.alh, .vlen = 5};
	const struct entry_parts *parts = &tx->entries[leaf];
	struct hash_list digests = {(struct hash *)tx->digests, tx->header.nentries};
	struct hash scratch[CHAIN_ENTRIES];
	struct fields f = {0};

	assert_ok(htree_prove(digests, leaf, scratch, &c.arena, &e.proof));
	e.key_len = parts->key.len;
	memcpy(e.key, parts->key.data, e.key_len);
	e.md_len = parts->md.len;
	if (e.md_len)
		memcpy(e.md, parts->md.data, e.md_len);
	e.hval = parts->hval;
	add(&f, "TxEntry.key", e.key, e.key_len);
	add(&f, "TxEntry.metadata", e.md, e.md_len);
	add_object(&f, "TxEntry.hValue", e.hval);
	add_object(&f, "TxEntry.vLen", e.vlen);
	add_object(&f, "InclusionProof.leaf", e.proof.leaf);
	add_object(&f, "InclusionProof.width", e.proof.width);
	add_list(&f, "InclusionProof.terms", &e.proof.terms);
	add_header(&f, &e.header);
	flip_all(&f, entry_holds, &e);
	e.key_len--;
	assert_false(entry_holds(&e));
}

static void
test_entries(void **state)
{
	(void)state;
	chain_init(&c);
	for (uint64_t i = 0; i < 6; i++)
		chain_append(&c, i >= 3, i);
	for (uint64_t tx = 1; tx <= c.len; tx++) {
		for (size_t leaf = 0; leaf < chain_tx(&c, tx)->header.nentries; leaf++)
			flip_entry(chain_tx(&c, tx), leaf);
	}
}

struct bytes_case {
	uint8_t data[2048];
	size_t len;
	struct hash alh; /* known to be right */
};

static bool
header_bytes_hold(void *thing)
{
	const struct bytes_case *b = (const struct bytes_case *)thing;
	struct tx_header h;
	struct hash alh;

	if (tx_header_decode(bytes_of(b->data, b->len), &h) != IM_OK)
		return false;
	tx_header_alh(&h, &alh);
	return hash_equal(&alh, &b->alh);
}

static void
test_header_bytes(void **state)
{
	(void)state;
	chain_init(&c);
	for (uint64_t i = 0; i < 4; i++)
		chain_append(&c, i != 2, i);
	for (uint64_t tx = 1; tx <= c.len; tx++) {
		struct bytes_case b = {.alh = chain_tx(&c, tx)->point.alh};
		struct fields f = {0};

		assert_ok(tx_header_encode(&chain_tx(&c, tx)->header, b.data, &b.len));
		add(&f, "serialised header", b.data, b.len);
		flip_all(&f, header_bytes_hold, &b);
	}
}

static bool
export_holds(void *thing)
{
	const struct bytes_case *b = (const struct bytes_case *)thing;
	struct export_tx tx;
	struct arena a;
	struct hash alh;
	bool ok;

	arena_init(&a, 64 * 1024);
	ok = export_tx_decode(bytes_of(b->data, b->len), &a, &tx) == IM_OK &&
	    export_tx_check(&tx, &a) == IM_OK;
	if (ok) {
		tx_header_alh(&tx.header, &alh);
		ok = hash_equal(&alh, &b->alh);
	}
	arena_free(&a);
	return ok;
}

static void
flip_export(const struct chain_tx *tx, bool truncated)
{
	struct export_entry entries[CHAIN_ENTRIES];
	struct export_tx out = {.header = tx->header, .entries = entries, .truncated = truncated};
	struct bytes_case b = {.alh = tx->point.alh};
	struct fields f = {0};
	struct buf buf;

	for (size_t i = 0; i < tx->header.nentries; i++) {
		/* The values of the history are the keys without their prefix. */
		entries[i].key = tx->entries[i].key;
		entries[i].md = tx->entries[i].md;
		entries[i].value = truncated
		    ? hash_bytes(&tx->entries[i].hval)
		    : bytes_of(tx->entries[i].key.data + 1, tx->entries[i].key.len - 1);
	}
	buf_init(&buf, sizeof b.data);
	assert_ok(export_tx_encode(&out, &buf));
	memcpy(b.data, buf.data, buf.len);
	b.len = buf.len;
	buf_free(&buf);
	add(&f, "exported transaction", b.data, b.len);
	flip_all(&f, export_holds, &b);
}

static void
test_export(void **state)
{
	(void)state;
	chain_init(&c);
	for (uint64_t i = 0; i < 5; i++)
		chain_append(&c, i != 2, i);
	for (uint64_t tx = 1; tx <= c.len; tx++) {
		flip_export(chain_tx(&c, tx), false);
		flip_export(chain_tx(&c, tx), true);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_dual, teardown),
	    cmocka_unit_test_teardown(test_dual_lagging, teardown),
	    cmocka_unit_test_teardown(test_dual_v2, teardown),
	    cmocka_unit_test_teardown(test_entries, teardown),
	    cmocka_unit_test_teardown(test_header_bytes, teardown),
	    cmocka_unit_test_teardown(test_export, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
