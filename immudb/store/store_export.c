/*
 * The log as an archive has it: records of transactions one after another, without marks and seals,
 * their checksums without the salt of the segment, which nobody outside may know.
 *
 * Neighbours: logscan.c reads the log and checks the checksums.
 * Invariants: the log is read once and takes no room in the page cache; what was published when the
 * export began is all that is given out, so nothing is read of a record that is being written.
 */
#include "store/store_export.h"

#include <stdlib.h>

#include "store/engine.h"
#include "store/logscan.h"

struct store_export {
	struct logscan scan;
	uint64_t next_tx, to_tx;
	uint64_t entries;
	bool has_held; /* held is a record that did not fit the last piece */
	struct bytes held;
	size_t len; /* of piece */
	uint8_t piece[STORE_EXPORT_PIECE_BYTES];
};

enum im_err
store_export_open(struct store *s, uint64_t from_tx, uint64_t to_tx, struct store_export **out)
{
	struct store_export *x;
	uint64_t pos = TXLOG_START;
	enum im_err err = IM_OK;

	*out = NULL;
	if (to_tx >= from_tx)
		err = engine_tx_pos(s, from_tx, false, &pos);
	if (err != IM_OK)
		return err;
	x = (struct store_export *)calloc(1, sizeof *x);
	if (!x)
		return IM_ERR_NOMEM;
	x->next_tx = from_tx;
	x->to_tx = to_tx;
	err = logscan_init(&x->scan, s->log, pos);
	if (err != IM_OK) {
		free(x);
		return err;
	}
	x->scan.with_values = true;
	x->scan.once = true;
	*out = x;
	return IM_OK;
}

void
store_export_close(struct store_export *x)
{
	if (x)
		logscan_free(&x->scan);
	free(x);
}

/*
 * The record of the next transaction, with a checksum that needs no salt; it stays in the window.
 */
static enum im_err
next_record(struct store_export *x, struct bytes *out)
{
	struct logscan_record rec;
	uint8_t *head;
	enum im_err err;

	do {
		err = logscan_next(&x->scan, &rec);
	} while (err == IM_OK && rec.kind == RECORD_MARK);
	if (err != IM_OK)
		return err;
	if (rec.kind != RECORD_TX || rec.tx.header.id != x->next_tx)
		return err_set(IM_ERR_CORRUPT, "the log has no transaction %llu where it should be",
		    (unsigned long long)x->next_tx);
	/* The window is this scan's own. */
	head = (uint8_t *)(uintptr_t)rec.section.data - rec.tx.head_len;
	record_tx_reseal(head, rec.tx.head_len, 0);
	*out = bytes_of(head, rec.tx.length);
	x->next_tx++;
	x->entries += rec.tx.header.nentries;
	return IM_OK;
}

enum im_err
store_export_next(struct store_export *x, struct bytes *out)
{
	enum im_err err = IM_OK;

	x->len = 0;
	while (x->has_held || x->next_tx <= x->to_tx) {
		if (!x->has_held)
			err = next_record(x, &x->held);
		if (err != IM_OK)
			return err;
		x->has_held = x->held.len > sizeof x->piece - x->len;
		if (x->has_held)
			break;
		memcpy(x->piece + x->len, x->held.data, x->held.len);
		x->len += x->held.len;
	}
	if (x->len == 0 && !x->has_held)
		return IM_ERR_NOT_FOUND;
	*out = x->len > 0 ? bytes_of(x->piece, x->len) : x->held;
	x->has_held = x->has_held && x->len > 0;
	return IM_OK;
}

uint64_t
store_export_entries(const struct store_export *x)
{
	return x->entries;
}
