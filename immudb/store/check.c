/*
 * Checking a whole store against itself, from the log.
 *
 * Neighbours: logscan.c reads, tree.c, offsets.c and index.c are compared.
 * Invariants: nothing is changed; what was published when a call began is what it checks; a fault is
 * reported and the check goes on wherever the rest can still be found.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/entry.h"
#include "crypto/htree.h"
#include "crypto/rawkey.h"
#include "store/engine.h"
#include "store/logscan.h"

struct checker {
	struct store *s;
	struct store_check *check;
	struct hash alh; /* of the transaction before the next one */
	bool ended;      /* the callback wants no more */
	/* One transaction's scratch. */
	struct entry_parts parts[TX_ENTRIES_MAX];
	struct hash digests[TX_ENTRIES_MAX];
};

/* Where a fault is, and of what. */
struct place {
	uint64_t tx;
	uint64_t pos;
	struct bytes key;
	bool derived; /* something that is made from the log is wrong about it */
};

static void
report(struct checker *c, struct place place, const char *what)
{
	char path[VFS_PATH_MAX];
	struct store_fault fault = {
	    place.tx, place.key, path, TXLOG_OFFSET(place.pos), what, place.derived};

	c->check->faults++;
	if (!c->check->fault)
		return;
	txlog_path(c->s->log, TXLOG_SEGMENT(place.pos), path);
	c->ended |= c->check->fault(c->check->ctx, &fault) != 0;
}

/* ---- One transaction ---- */

static void
check_chain(struct checker *c, const struct logscan_record *r)
{
	const struct tx_header *h = &r->tx.header;
	struct place place = {h->id, r->pos, bytes_of(NULL, 0), false}, derived = place;
	uint64_t pos = 0;
	struct hash root;

	derived.derived = true;
	if (!hash_equal(&h->prev_alh, &c->alh))
		report(c, place, "the transaction does not continue the chain");
	if (h->bl_tx_id != h->id - 1)
		report(c, place, "the transaction is not linked to the one before");
	else if (tree_root(c->s->tree, h->id - 1, false, &root) != IM_OK)
		report(c, place, err_detail(IM_ERR_CORRUPT));
	else if (!hash_equal(&root, &h->bl_root))
		report(c, place, "the tree has another root than the header");
	if (engine_tx_pos(c->s, h->id, false, &pos) != IM_OK || pos != r->pos)
		report(c, derived, "the offset file points elsewhere");
	tx_header_alh(h, &c->alh);
}

static void
check_index(struct checker *c, const struct logscan_record *r, uint32_t i)
{
	const struct record_entry *e = &r->entries[i];
	struct index_read how = {.as_of = r->tx.header.id, .no_revision = true};
	uint8_t key[RAW_KEY_MAX];
	struct index_entry found;
	struct kv_metadata md;
	enum im_err err;

	if (kv_metadata_decode(e->metadata, &md) != IM_OK || md.non_indexable)
		return;
	memcpy(key, e->key.data, e->key.len);
	raw_key_to_index(key, e->key.len);
	err = index_get(c->s->index, bytes_of(key, e->key.len), &how, &found);
	/* A damaged block is told of once, with its own file and offset, by index_check(). */
	if (err == IM_ERR_CORRUPT)
		return;
	if (err != IM_OK || found.tx != r->tx.header.id ||
	    found.pos != r->pos + r->tx.head_len + e->offset || found.len != e->len ||
	    (found.flags & ~INDEX_REFERENCE) != engine_index_flags(&md))
		report(c, (struct place){r->tx.header.id, r->pos, e->key, true},
		    "the index does not find the entry");
}

static void
check_entries(struct checker *c, const struct logscan_record *r)
{
	const struct tx_header *h = &r->tx.header;
	struct hash root;

	for (uint32_t i = 0; i < h->nentries && !c->ended; i++) {
		const struct record_entry *e = &r->entries[i];
		struct hash hval;

		c->parts[i] = (struct entry_parts){e->key, e->metadata, e->hval};
		hash_sha256(logscan_value(r, i), &hval);
		if (!hash_equal(&hval, &e->hval))
			report(c,
			    (struct place){
				h->id, r->pos + r->tx.head_len + e->offset, e->key, false},
			    "the value does not match its hash");
		check_index(c, r, i);
	}
	if (c->ended)
		return;
	if (entry_digests(h->version, c->parts, h->nentries, c->digests) == IM_OK) {
		htree_root(c->digests, h->nentries, c->digests, &root);
		if (hash_equal(&root, &h->eh))
			return;
	}
	report(c, (struct place){h->id, r->pos, bytes_of(NULL, 0), false},
	    "the entries do not match the header");
}

/* ---- All ---- */

static enum im_err
check_log(struct checker *c, struct logscan *scan, uint64_t last)
{
	struct store_check *check = c->check;
	uint64_t most = check->max_txs ? check->max_txs : UINT64_MAX;
	struct logscan_record r;

	while (check->from_tx <= last && check->checked < most && !c->ended) {
		enum im_err err = logscan_next(scan, &r);
		struct place place = {check->from_tx, scan->pos, bytes_of(NULL, 0), false};

		if (err != IM_OK && err != IM_ERR_CORRUPT)
			return err;
		if (err == IM_ERR_CORRUPT || r.kind == RECORD_END ||
		    (r.kind == RECORD_TX && r.tx.header.id != check->from_tx)) {
			report(c, place,
			    err == IM_ERR_CORRUPT ? err_detail(err)
						  : "the transaction is not there");
			/* Nothing behind it can be found by reading on; the offsets may know more. */
			check->from_tx++;
			check->checked++;
			return IM_OK;
		}
		if (r.kind != RECORD_TX)
			continue;
		check_chain(c, &r);
		check_entries(c, &r);
		check->from_tx++;
		check->checked++;
	}
	return IM_OK;
}

/* Finds where transaction check->from_tx is and what it must continue; false when it cannot. */
static bool
find_start(struct checker *c, uint64_t *pos)
{
	uint64_t tx = c->check->from_tx;
	struct tx_header before;

	c->alh = hash_empty();
	if (tx == 1) {
		*pos = TXLOG_START;
		return true;
	}
	if (store_read_header(c->s, tx - 1, 0, &before) == IM_OK)
		tx_header_alh(&before, &c->alh);
	return engine_tx_pos(c->s, tx, false, pos) == IM_OK;
}

static int
report_index_fault(void *ctx, const struct index_fault *fault)
{
	struct store_check *check = (struct store_check *)ctx;
	struct store_fault f = {0, {NULL, 0}, fault->file, fault->offset, fault->what, true};

	return check->fault ? check->fault(check->ctx, &f) : 0;
}

static enum im_err
check_from(struct checker *c, uint64_t last)
{
	struct logscan scan;
	uint64_t pos;
	enum im_err err;

	if (!find_start(c, &pos)) {
		report(c, (struct place){c->check->from_tx, 0, bytes_of(NULL, 0), false},
		    "the transaction cannot be found");
		c->check->from_tx++;
		c->check->checked++;
		return IM_OK;
	}
	err = logscan_init(&scan, c->s->log, pos);
	scan.with_values = true;
	if (err == IM_OK)
		err = check_log(c, &scan, last);
	logscan_free(&scan);
	return err;
}

enum im_err
store_check(struct store *s, struct store_check *check)
{
	uint64_t last = atomic_load_explicit(&s->published, memory_order_acquire);
	uint64_t most = check->max_txs ? check->max_txs : UINT64_MAX;
	struct checker *c = (struct checker *)calloc(1, sizeof *c);
	uint64_t index_faults = 0;
	enum im_err err = c ? IM_OK : IM_ERR_NOMEM;

	check->checked = 0;
	check->faults = 0;
	if (check->from_tx == 0)
		check->from_tx = 1;
	if (err != IM_OK)
		return err;
	c->s = s;
	c->check = check;
	while (err == IM_OK && !c->ended && check->from_tx <= last && check->checked < most)
		err = check_from(c, last);
	/* What stands behind was not opened at all. */
	if (err == IM_OK && !c->ended && check->from_tx > last && s->damaged)
		report(c, (struct place){last + 1, s->damage_pos, bytes_of(NULL, 0), false},
		    s->damage_text);
	if (err == IM_OK && !c->ended && check->from_tx > last) {
		err = index_check(s->index, report_index_fault, check, &index_faults);
		check->faults += index_faults;
	}
	free(c);
	return err;
}
