/*
 * Whole histories: every transaction is made again from its entries, every proof is made from what
 * was made and compared, and every proof of the file is checked; those under "rejected" must fail.
 */
#include <stdio.h>

#include "crypto/ahtree_log.h"
#include "crypto/entry.h"
#include "crypto/export.h"
#include "crypto/proof.h"
#include "vectors.h"

/* One transaction of the history: what the file says, and what was computed. */
struct history_tx {
	struct tx_header header;
	struct hash alh;
	struct export_entry *entries;
	struct hash_list digests;
};

struct history {
	struct history_tx *txs; /* [0] is transaction 1 */
	size_t len;
	struct ahtree_log log;
};

static enum im_err
history_header(void *ctx, uint64_t tx, struct tx_header *out)
{
	const struct history *h = (const struct history *)ctx;

	if (tx == 0 || tx > h->len)
		return IM_ERR_TX_NOT_FOUND;
	*out = h->txs[tx - 1].header;
	return IM_OK;
}

static struct proof_source
history_source(struct history *h)
{
	return (struct proof_source){
	    .tree = ahtree_log_reader(&h->log), .header = history_header, .ctx = h};
}

static struct tx_point
history_point(const struct history *h, uint64_t tx)
{
	if (tx == 0 || tx > h->len)
		return (struct tx_point){tx, HASH_ZERO};
	return (struct tx_point){tx, h->txs[tx - 1].alh};
}

static void
read_entries(struct vectors *v, struct json_object *array, struct history_tx *tx)
{
	size_t n = json_len(array);
	struct entry_parts *parts = (struct entry_parts *)arena_calloc(&v->arena, n, sizeof *parts);
	const char *where = vectors_where(v, "tx %lu", (unsigned long)tx->header.id);

	tx->entries = (struct export_entry *)arena_calloc(&v->arena, n, sizeof *tx->entries);
	tx->digests.items = (struct hash *)arena_calloc(&v->arena, n, sizeof(struct hash));
	tx->digests.len = n;
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_at(array, i);
		struct export_entry *e = &tx->entries[i];
		struct hash want = vectors_hash_at(v, o, "hv");

		e->key = vectors_hex_at(v, o, "k");
		e->md = vectors_hex_at(v, o, "md");
		e->value = vectors_hex_at(v, o, "v");
		parts[i] = (struct entry_parts){.key = e->key, .md = e->md};
		hash_sha256(e->value, &parts[i].hval);
		vectors_check(v, hash_equal(&want, &parts[i].hval), "value hash", where);
		vectors_check(v, json_u64(o, "vlen") == e->value.len, "value length", where);
	}
	vectors_check(v, entry_digests(tx->header.version, parts, n, tx->digests.items) == IM_OK,
	    "digests", where);
}

static void
check_export(struct vectors *v, const struct history_tx *tx, struct bytes want)
{
	struct export_tx made = {.header = tx->header, .entries = tx->entries}, decoded;
	const char *where = vectors_where(v, "tx %lu", (unsigned long)tx->header.id);
	struct buf out;
	enum im_err err;

	buf_init(&out, want.len + 1);
	err = export_tx_encode(&made, &out);
	vectors_check(v, err == IM_OK && bytes_equal(buf_bytes(&out), want), "export made", where);
	buf_clear(&out);
	err = export_tx_decode(want, &v->arena, &decoded);
	if (err == IM_OK)
		err = export_tx_check(&decoded, &v->arena);
	if (err == IM_OK)
		err = export_tx_encode(&decoded, &out);
	vectors_check(v, err == IM_OK && bytes_equal(buf_bytes(&out), want),
	    "export decoded and made", where);
	buf_free(&out);
}

/* What a server would have written: links from what came before, the root from the entries. */
static void
check_tx(struct vectors *v, struct history *h, size_t i, struct json_object *o)
{
	struct history_tx *tx = &h->txs[i];
	struct hash want_alh = vectors_hash_at(v, o, "alh"), made, prev = hash_empty();
	struct hash want_inner = vectors_hash_at(v, o, "inner");
	struct hash *scratch =
	    (struct hash *)arena_calloc(&v->arena, tx->digests.len, sizeof *scratch);
	const char *where = vectors_where(v, "tx %zu", i + 1);

	if (i > 0)
		prev = h->txs[i - 1].alh;
	vectors_check(v, tx->header.id == i + 1, "id", where);
	vectors_check(v, hash_equal(&prev, &tx->header.prev_alh), "previous Alh", where);
	vectors_check(v, tx->header.nentries == tx->digests.len, "number of entries", where);
	htree_root(tx->digests.items, tx->digests.len, scratch, &made);
	vectors_check(v, hash_equal(&made, &tx->header.eh), "entries root", where);
	vectors_check(v,
	    ahtree_log_root(&h->log, tx->header.bl_tx_id, &made) == IM_OK &&
		hash_equal(&made, &tx->header.bl_root),
	    "linked root", where);
	tx_header_inner(&tx->header, &made);
	vectors_check(v, hash_equal(&made, &want_inner), "inner hash", where);
	tx_header_alh(&tx->header, &tx->alh);
	vectors_check(v, hash_equal(&tx->alh, &want_alh), "Alh", where);
	if (ahtree_log_append(&h->log, &tx->alh) != IM_OK)
		vectors_fail(v, "append", where);
}

static void
read_txs(struct vectors *v, struct history *h, struct json_object *txs)
{
	h->len = 0;
	h->txs = (struct history_tx *)arena_calloc(&v->arena, json_len(txs), sizeof *h->txs);
	for (size_t i = 0; i < json_len(txs); i++) {
		struct json_object *o = json_at(txs, i);

		vectors_header(v, o, &h->txs[i].header);
		read_entries(v, json_get(o, "entries"), &h->txs[i]);
		check_tx(v, h, i, o);
		h->len++;
		if (json_get(o, "export"))
			check_export(v, &h->txs[i], vectors_hex_at(v, o, "export"));
	}
}

static void
check_entry_proof(struct vectors *v, struct history *h, struct json_object *o)
{
	struct history_tx *tx = &h->txs[json_u64(o, "tx") - 1];
	size_t leaf = json_u64(o, "leaf");
	struct inclusion_proof made,
	    given = {(uint32_t)leaf, (uint32_t)json_u64(o, "width"),
		vectors_hashes(v, json_get(o, "terms"))};
	struct hash *scratch =
	    (struct hash *)arena_calloc(&v->arena, tx->digests.len, sizeof *scratch);
	const char *where =
	    vectors_where(v, "entry %zu of tx %lu", leaf, (unsigned long)tx->header.id);
	struct entry_parts e = {.key = tx->entries[leaf].key, .md = tx->entries[leaf].md};
	enum im_err err = htree_prove(tx->digests, leaf, scratch, &v->arena, &made);

	hash_sha256(tx->entries[leaf].value, &e.hval);
	vectors_check(v,
	    err == IM_OK && made.width == given.width && hash_list_equal(made.terms, given.terms),
	    "entry proof made", where);
	vectors_check(
	    v, proof_check_entry(&given, &e, &tx->header) == IM_OK, "entry proof given", where);
}

static void
read_linear_advance(struct vectors *v, struct json_object *o, struct linear_advance_proof *out)
{
	struct json_object *inclusion = json_get(o, "inclusion");

	out->linear_terms = vectors_hashes(v, json_get(o, "linear_terms"));
	out->inclusions_len = json_len(inclusion);
	out->inclusions = (struct hash_list *)arena_calloc(
	    &v->arena, out->inclusions_len, sizeof(struct hash_list));
	for (size_t i = 0; i < out->inclusions_len; i++)
		out->inclusions[i] = vectors_hashes(v, json_at(inclusion, i));
}

/* A header is that of the history, but for fields that the case gives itself. */
static void
read_proof_header(struct vectors *v, const struct history *h, uint64_t tx, struct json_object *own,
    struct tx_header *out)
{
	*out = (struct tx_header){0};
	if (tx > 0 && tx <= h->len)
		*out = h->txs[tx - 1].header;
	if (json_object_is_type(own, json_type_object))
		vectors_header(v, own, out);
}

/* The header that a case brings along, under any of the names it may have. */
static struct json_object *
own_header(struct json_object *o, const char *const names[4])
{
	struct json_object *own = NULL;

	for (size_t i = 0; i < 4 && !own; i++)
		own = json_get(o, names[i]);
	return own;
}

static void
read_dual(struct vectors *v, const struct history *h, struct json_object *o, struct dual_proof *out)
{
	static const char *const source[4] = {"source_hdr", "source_header", "source", "src_hdr"};
	static const char *const target[4] = {"target_hdr", "target_header", "target", "tgt_hdr"};
	struct json_object *advance = json_get(o, "linear_advance");

	*out = (struct dual_proof){
	    .inclusion = vectors_hashes(v, json_get(o, "inc")),
	    .consistency = vectors_hashes(v, json_get(o, "con")),
	    .target_bl_tx_alh = vectors_hash_at(v, o, "bl_alh"),
	    .last_inclusion = vectors_hashes(v, json_get(o, "last")),
	    .linear = {.source_tx_id = json_u64(o, "lin_s"),
		.target_tx_id = json_u64(o, "lin_t"),
		.terms = vectors_hashes(v, json_get(o, "lin"))},
	    .has_linear_advance = advance != NULL,
	};
	read_proof_header(v, h, json_u64(o, "s"), own_header(o, source), &out->source);
	read_proof_header(v, h, json_u64(o, "t"), own_header(o, target), &out->target);
	if (advance)
		read_linear_advance(v, advance, &out->linear_advance);
}

static bool
linear_advance_equal(const struct dual_proof *a, const struct dual_proof *b)
{
	const struct linear_advance_proof *x = &a->linear_advance, *y = &b->linear_advance;

	if (a->has_linear_advance != b->has_linear_advance)
		return false;
	if (!hash_list_equal(x->linear_terms, y->linear_terms) ||
	    x->inclusions_len != y->inclusions_len)
		return false;
	for (size_t i = 0; i < x->inclusions_len; i++) {
		if (!hash_list_equal(x->inclusions[i], y->inclusions[i]))
			return false;
	}
	return true;
}

static bool
dual_equal(const struct dual_proof *a, const struct dual_proof *b)
{
	return hash_list_equal(a->inclusion, b->inclusion) &&
	    hash_list_equal(a->consistency, b->consistency) &&
	    hash_equal(&a->target_bl_tx_alh, &b->target_bl_tx_alh) &&
	    hash_list_equal(a->last_inclusion, b->last_inclusion) &&
	    a->linear.source_tx_id == b->linear.source_tx_id &&
	    a->linear.target_tx_id == b->linear.target_tx_id &&
	    hash_list_equal(a->linear.terms, b->linear.terms) && linear_advance_equal(a, b);
}

static void
check_dual(struct vectors *v, struct history *h, struct json_object *o)
{
	struct proof_source src = history_source(h);
	struct tx_point from = history_point(h, json_u64(o, "s"));
	struct tx_point to = history_point(h, json_u64(o, "t"));
	const char *where =
	    vectors_where(v, "%lu -> %lu", (unsigned long)from.id, (unsigned long)to.id);
	struct dual_proof made, given;
	enum im_err err = proof_make_dual(&src, from.id, to.id, &v->arena, &made);

	read_dual(v, h, o, &given);
	vectors_check(v, err == IM_OK && dual_equal(&made, &given), "dual proof made", where);
	vectors_check(v, proof_check_dual(&given, &from, &to) == IM_OK, "dual proof given", where);
}

static void
check_dual_v2(struct vectors *v, struct history *h, struct json_object *o)
{
	struct proof_source src = history_source(h);
	struct tx_point from = history_point(h, json_u64(o, "s"));
	struct tx_point to = history_point(h, json_u64(o, "t"));
	const char *where =
	    vectors_where(v, "v2 %lu -> %lu", (unsigned long)from.id, (unsigned long)to.id);
	struct dual_proof_v2 made, given;
	enum im_err err = proof_make_dual_v2(&src, from.id, to.id, &v->arena, &made);

	given = made;
	given.inclusion = vectors_hashes(v, json_get(o, "inc"));
	given.consistency = vectors_hashes(v, json_get(o, "con"));
	vectors_check(v,
	    err == IM_OK && hash_list_equal(made.inclusion, given.inclusion) &&
		hash_list_equal(made.consistency, given.consistency),
	    "dual proof v2 made", where);
	vectors_check(v, err == IM_OK && proof_check_dual_v2(&given, &from, &to) == IM_OK,
	    "dual proof v2 given", where);
}

/*
 * The points to check against are those of the history, or the case's own. What is not even a list
 * of hashes counts as rejected: a decoder refuses it.
 */
static void
check_rejected(struct vectors *v, struct history *h, struct json_object *o)
{
	struct tx_point from = history_point(h, json_u64(o, "s"));
	struct tx_point to = history_point(h, json_u64(o, "t"));
	const char *why = json_object_get_string(json_get(o, "why"));
	struct dual_proof given;
	bool refused;

	v->quiet = true;
	v->malformed = 0;
	if (json_get(o, "source_alh"))
		from.alh = vectors_hash_at(v, o, "source_alh");
	if (json_get(o, "target_alh"))
		to.alh = vectors_hash_at(v, o, "target_alh");
	read_dual(v, h, o, &given);
	v->quiet = false;
	refused = v->malformed > 0 || proof_check_dual(&given, &from, &to) == IM_ERR_PROOF;
	vectors_check(v, refused, "not rejected",
	    vectors_where(v, "%lu -> %lu: %s", (unsigned long)from.id, (unsigned long)to.id,
		why ? why : "no reason given"));
}

static void
each(struct vectors *v, struct history *h, struct json_object *array,
    void (*check)(struct vectors *v, struct history *h, struct json_object *o))
{
	for (size_t i = 0; i < json_len(array); i++)
		check(v, h, json_at(array, i));
}

void
vectors_check_history(struct vectors *v, struct json_object *file)
{
	struct history h = {0};

	ahtree_log_init(&h.log);
	read_txs(v, &h, json_get(file, "txs"));
	each(v, &h, json_get(file, "entry_proofs"), check_entry_proof);
	each(v, &h, json_get(file, "dual"), check_dual);
	each(v, &h, json_get(file, "dual_v2"), check_dual_v2);
	each(v, &h, json_get(file, "rejected"), check_rejected);
	ahtree_log_free(&h.log);
}
