#ifndef SAMPLE_STORE_H
#define SAMPLE_STORE_H

#include "memory_vfs.h"
#include "store/store.h"

/*
 * A small database that is the same wherever it is made, its Alhs included: fixed clock, fixed
 * contents. Targets that check proofs know it as the truth, and seeds are made of it.
 */
#define SAMPLE_FOLDER "db"
#define SAMPLE_TXS 9u
#define SAMPLE_ID_HEX "000102030405060708090a0b0c0d0e0f"
/* The clock, in unix seconds. */
#define SAMPLE_NOW INT64_C(1700000000)

/* Fixes clock and files of a store that is about to be opened, and takes its end for a bug. */
void sample_store_options(struct memory_vfs *files, struct store_options *options);

/* Puts the marker there that fixes the database's id. */
void sample_store_mark(struct memory_vfs *files, const char *folder);

/* Opens the store in SAMPLE_FOLDER; the caller decides what a failure means. */
enum im_err sample_store_open(struct memory_vfs *files, struct store **out);

/* Writes the transactions 1 to txs, at most SAMPLE_TXS, to an empty store. */
void sample_store_fill(struct store *s, unsigned txs);

/* The whole database as it was written, in the arena; truth[1] is the first transaction. */
enum im_err sample_store_truth(struct arena *arena, struct store_tx truth[SAMPLE_TXS + 1]);

#endif
