/*
 * Checking a whole store against itself, from the log.
 *
 * Neighbours: logscan.c reads, tree.c, offsets.c and index.c are compared.
 * Invariants: nothing is changed but damaged pages of tree and offsets, which are checked before
 * anything is read through them; what was published when a call began is what it checks; a fault is
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
	uint64_t last;   /* transaction to be checked */
	struct hash alh; /* of the transaction before the next one */
	bool ended;      /* the callback wants no more */
	uint64_t spared; /* bytes that max_bytes is not for: each call gets on */
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

/* Whether this call may check more. */
static bool
goes_on(const struct checker *c)
{
	const struct store_check *check = c->check;

	return !c->ended && (check->max_txs == 0 || check->checked < check->max_txs) &&
	    (check->max_bytes == 0 || check->bytes - c->spared < check->max_bytes);
}

static bool
is_log_left(const struct checker *c)
{
	return c->check->from_tx <= c->last;
}

/* ---- Pages of tree and offsets ---- */

static void
note_page(struct checker *c, uint64_t tx, const struct page_seen *page, const char *what)
{
	struct store_fault fault = {.tx = tx,
	    .file = page->file ? page->file : c->s->dir,
	    .offset = page->offset,
	    .what = what,
	    .derived = true};

	c->check->bytes += page->bytes;
	if (!page->damaged || c->ended)
		return;
	c->check->faults++;
	if (c->check->fault)
		c->ended |= c->check->fault(c->check->ctx, &fault) != 0;
}

/* Checks the pages that begin with a transaction, or with within those that have it. */
static enum im_err
check_pages(struct checker *c, uint64_t tx, bool within)
{
	struct page_seen seen[TREE_HOLDING_MAX] = {{0}}, offsets = {0};
	size_t n = 0;
	enum im_err err = IM_OK, tree_err;

	if (within || (tx - 1) % OFFSETS_PAGE_TXS == 0)
		err = engine_check_offsets(c->s, tx, &offsets);
	note_page(c, tx, &offsets, "a damaged page of the offset file: made anew from the log");
	tree_err = tree_check_files(c->s->tree, tx, within, seen, &n);
	for (size_t i = 0; i < n; i++)
		note_page(c, tx, &seen[i], "a damaged page of the tree: made anew from the log");
	/* What cannot be made anew is reported with the transaction that needs it. */
	if (err == IM_OK || err == IM_ERR_CORRUPT)
		err = tree_err;
	return err == IM_ERR_CORRUPT ? IM_OK : err;
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

/*
 * Goes on to the next transaction; what is read through its pages is read after they were checked.
 */
static enum im_err
advance(struct checker *c)
{
	c->check->from_tx++;
	c->check->checked++;
	return is_log_left(c) && goes_on(c) ? check_pages(c, c->check->from_tx, false) : IM_OK;
}

/* Nothing behind it can be found by reading on; the offsets may know more. */
static enum im_err
check_missing(struct checker *c, uint64_t pos, const char *what)
{
	report(c, (struct place){c->check->from_tx, pos, bytes_of(NULL, 0), false}, what);
	return advance(c);
}

static enum im_err
check_log(struct checker *c, struct logscan *scan)
{
	struct store_check *check = c->check;
	struct logscan_record r;
	enum im_err err = IM_OK;

	while (err == IM_OK && is_log_left(c) && goes_on(c)) {
		err = logscan_next(scan, &r);
		if (err == IM_ERR_CORRUPT)
			return check_missing(c, scan->pos, err_detail(err));
		if (err != IM_OK)
			return err;
		check->bytes += r.end - r.pos;
		if (r.kind == RECORD_END ||
		    (r.kind == RECORD_TX && r.tx.header.id != check->from_tx))
			return check_missing(c, scan->pos, "the transaction is not there");
		if (r.kind != RECORD_TX)
			continue;
		check_chain(c, &r);
		check_entries(c, &r);
		err = advance(c);
	}
	return err;
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
	struct checker *c = (struct checker *)ctx;
	struct store_fault f = {0, {NULL, 0}, fault->file, fault->offset, fault->what, true};

	if (c->check->fault)
		c->ended |= c->check->fault(c->check->ctx, &f) != 0;
	return c->ended;
}

static enum im_err
check_from(struct checker *c)
{
	struct logscan scan;
	uint64_t pos;
	enum im_err err;

	if (!find_start(c, &pos))
		return check_missing(c, 0, "the transaction cannot be found");
	err = logscan_init(&scan, c->s->log, pos);
	scan.with_values = true;
	scan.once = true;
	if (err == IM_OK)
		err = check_log(c, &scan);
	logscan_free(&scan);
	return err;
}

/* What is left of the bytes of this call goes to the index. */
static enum im_err
check_runs(struct checker *c)
{
	struct store_check *check = c->check;
	struct index_check part = {.place = check->index,
	    .to_tx = check->to_tx,
	    .max_bytes = check->max_bytes ? check->max_bytes - (check->bytes - c->spared) : 0,
	    .fault = report_index_fault,
	    .ctx = c};
	enum im_err err = index_check(c->s->index, &part);

	check->index = part.place;
	check->bytes += part.bytes;
	check->faults += part.faults;
	check->done = part.done;
	return err;
}

static enum im_err
check_all(struct checker *c)
{
	const struct index_check_place *index = &c->check->index;
	enum im_err err = is_log_left(c) ? check_pages(c, c->check->from_tx, true) : IM_OK;

	c->spared = c->check->bytes;
	while (err == IM_OK && is_log_left(c) && goes_on(c))
		err = check_from(c);
	if (err != IM_OK || c->ended || is_log_left(c))
		return err;
	/* What stands behind was not opened at all. */
	if (c->s->damaged && index->done_tx == 0 && index->block == 0)
		report(c, (struct place){c->last + 1, c->s->damage_pos, bytes_of(NULL, 0), false},
		    c->s->damage_text);
	return c->check->max_bytes == 0 || goes_on(c) ? check_runs(c) : IM_OK;
}

enum im_err
store_check(struct store *s, struct store_check *check)
{
	struct checker *c = (struct checker *)calloc(1, sizeof *c);
	enum im_err err;

	check->checked = check->bytes = check->faults = 0;
	check->done = false;
	if (check->from_tx == 0)
		check->from_tx = 1;
	if (!c)
		return IM_ERR_NOMEM;
	c->s = s;
	c->check = check;
	c->last = atomic_load_explicit(&s->published, memory_order_acquire);
	if (check->to_tx && check->to_tx < c->last)
		c->last = check->to_tx;
	err = check_all(c);
	check->done |= c->ended;
	free(c);
	return err;
}
