#ifndef STORE_STORE_EXPORT_H
#define STORE_STORE_EXPORT_H

#include "store/store.h"

/*
 * Transactions as an archive has them (FORMAT.md, "Archives"), read from the log in its order while
 * the store is in use: writes go on, and what is exported is what was published at the start.
 * Values are not looked at; who reads the archive does that. One thread uses an export, and the
 * store outlives it.
 */
struct store_export;

/* Records of one piece, unless a single one is longer. */
#define STORE_EXPORT_PIECE_BYTES (256u * 1024)

/*
 * An export of the transactions from_tx to to_tx, both published; none when to_tx is from_tx - 1.
 * IM_ERR_TX_NOT_FOUND, IM_ERR_CORRUPT, IM_ERR_IO, IM_ERR_NOMEM.
 */
enum im_err
store_export_open(struct store *s, uint64_t from_tx, uint64_t to_tx, struct store_export **out);
void store_export_close(struct store_export *x);

/*
 * The next whole records, valid until the next call. IM_ERR_NOT_FOUND behind the last one;
 * IM_ERR_CORRUPT naming file and offset, IM_ERR_IO, IM_ERR_NOMEM.
 */
enum im_err store_export_next(struct store_export *x, struct bytes *out);

/* Entries of the transactions given out so far. */
uint64_t store_export_entries(const struct store_export *x);

#endif
