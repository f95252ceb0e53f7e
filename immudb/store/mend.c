/*
 * Making damaged offsets anew while the store is in use.
 *
 * Neighbours: offsets.c meets the damage, logscan.c finds the transactions again; who wants to know
 * where a transaction is asks here.
 * Invariants: a page is made only from records whose checksums hold, all of them in a row from a
 * transaction whose place is known.
 */
#include <inttypes.h>

#include "store/engine.h"
#include "store/logscan.h"
#include "util/log.h"

/*
 * The nearest transaction in front of first, which begins a page, whose place is known, and its
 * place; 0 and the start of the log when there is none.
 */
static enum im_err
find_known(struct store *s, uint64_t first, uint64_t *tx, uint64_t *pos)
{
	enum im_err err = IM_ERR_CORRUPT;

	for (*tx = first - 1; *tx > 0 && err == IM_ERR_CORRUPT;) {
		err = offsets_get(s->offsets, *tx, false, pos);
		if (err == IM_ERR_CORRUPT)
			*tx -= OFFSETS_PAGE_TXS;
	}
	if (*tx > 0)
		return err;
	*pos = TXLOG_START;
	return IM_OK;
}

/* Reads the log from pos on, and notes where the transactions of a page are. */
static enum im_err
find_positions(struct store *s, uint64_t pos, uint64_t first, uint64_t positions[OFFSETS_PAGE_TXS])
{
	struct logscan scan;
	struct logscan_record rec;
	uint64_t tx = 0;
	enum im_err err = logscan_init(&scan, s->log, pos);

	while (err == IM_OK && tx + 1 < first + OFFSETS_PAGE_TXS) {
		err = logscan_next(&scan, &rec);
		if (err == IM_OK && rec.kind == RECORD_END)
			err = engine_err_at(s, IM_ERR_CORRUPT, rec.pos);
		if (err != IM_OK || rec.kind != RECORD_TX)
			continue;
		/* The place may come from a page that only looks right. */
		if ((tx > 0 && rec.tx.header.id != tx + 1) ||
		    rec.tx.header.id >= first + OFFSETS_PAGE_TXS)
			err = engine_err_at(
			    s, err_set(IM_ERR_CORRUPT, "a transaction out of order"), rec.pos);
		tx = rec.tx.header.id;
		if (err == IM_OK && tx >= first)
			positions[tx - first] = rec.pos;
	}
	logscan_free(&scan);
	return err;
}

static enum im_err
mend_page(struct store *s, uint64_t first)
{
	uint64_t positions[OFFSETS_PAGE_TXS] = {0};
	uint64_t tx, pos;
	enum im_err err = find_known(s, first, &tx, &pos);

	if (err == IM_OK)
		err = find_positions(s, pos, first, positions);
	return err == IM_OK ? offsets_replace(s->offsets, first, positions) : err;
}

enum im_err
engine_tx_pos(struct store *s, uint64_t tx, bool nowait, uint64_t *pos)
{
	uint64_t first = (tx - 1) / OFFSETS_PAGE_TXS * OFFSETS_PAGE_TXS + 1;
	enum im_err err = offsets_get(s->offsets, tx, nowait, pos);

	if (err != IM_ERR_CORRUPT)
		return err;
	if (nowait)
		return IM_ERR_WOULD_BLOCK;
	log_warn("database %s: %s; making it anew from the log", s->name, err_detail(err));
	engine_tell_repair(s, STORE_REPAIR_DERIVED, err_detail(err));
	err = mend_page(s, first);
	return err == IM_OK ? offsets_get(s->offsets, tx, false, pos) : err;
}

enum im_err
engine_check_offsets(struct store *s, uint64_t tx, struct page_seen *out)
{
	uint64_t pos;
	enum im_err err = offsets_check_file(s->offsets, tx, out);

	if (err != IM_ERR_CORRUPT)
		return err;
	/* Memory may have it still. */
	err = offsets_get(s->offsets, tx, false, &pos);
	return err == IM_ERR_CORRUPT
	    ? mend_page(s, (tx - 1) / OFFSETS_PAGE_TXS * OFFSETS_PAGE_TXS + 1)
	    : err;
}
