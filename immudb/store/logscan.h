#ifndef STORE_LOGSCAN_H
#define STORE_LOGSCAN_H

#include "crypto/record.h"
#include "store/txlog.h"

/*
 * Reading the log record after record, in large pieces: for recovery, rebuilding and checking. One
 * thread.
 */
struct logscan {
	struct txlog *log;
	uint64_t pos;     /* of the next record; stays at a record that is bad */
	bool with_values; /* long values are in memory too */
	bool once;        /* the log takes no room in the page cache that it did not have */
	/* Private. */
	uint32_t segment; /* that salt and size belong to */
	bool known;
	uint32_t salt;
	uint64_t size;
	uint8_t *window; /* bytes of the log from window_pos on, within one segment */
	size_t window_len;
	size_t window_cap;
	uint64_t window_pos;
	struct record_entry *entries;
};

/* A record as found; everything is valid until the next call. */
struct logscan_record {
	enum record_kind kind; /* RECORD_TX, RECORD_MARK or RECORD_END */
	uint64_t pos;          /* where it starts; for RECORD_END where the next one would */
	uint64_t end;          /* the position behind it */
	struct record_mark mark;
	struct record_tx tx;
	struct record_entry *entries; /* tx.header.nentries */
	struct bytes section;
	struct bytes values; /* the long values; empty unless with_values */
};

/* A scan from pos on. IM_ERR_NOMEM. Release with logscan_free(). */
enum im_err logscan_init(struct logscan *scan, struct txlog *log, uint64_t pos);
void logscan_free(struct logscan *scan);

/*
 * The next record; seals are followed. IM_ERR_CORRUPT when there is something that is not a whole
 * record with its checksums right (the detail names file and offset); IM_ERR_IO, IM_ERR_NOMEM.
 */
enum im_err logscan_next(struct logscan *scan, struct logscan_record *out);

/* The bytes of value i of a transaction record; its inline value, or one of the long ones. */
struct bytes logscan_value(const struct logscan_record *r, uint32_t i);

/*
 * The highest durable mark anywhere behind pos, whatever stands before it: evidence that bytes in
 * front of it were synced. mark->tx stays as it is when there is no higher one. IM_ERR_IO.
 */
enum im_err logscan_find_marks(struct txlog *log, uint64_t pos, struct record_mark *mark);

#endif
