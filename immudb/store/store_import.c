/*
 * Writing a log from transactions that exist already.
 *
 * Neighbours: txlog.c has the segments; store.c creates the database, and opens it again, by which
 * recover.c verifies the log and makes everything else from it.
 * Invariants:
 *   1. No transaction is committed to the store meanwhile: the log is this import's alone.
 *   2. The last record is a mark of the last transaction, written when that was synced: recovery
 *   need
 *      not write the log once more to be sure of it.
 */
#include "store/store_import.h"

#include <stdlib.h>

#include "store/engine.h"

/* Small records are written together. */
#define IMPORT_PIECE_BYTES (1024u * 1024)

struct store_import {
	struct store_options options;
	char *dir, *name;
	struct store *store;
	uint64_t tx; /* of the last record */
	struct hash alh;
	size_t len; /* of piece */
	uint8_t piece[IMPORT_PIECE_BYTES];
};

enum im_err
store_import_open(const struct store_options *options, struct store_import **out)
{
	struct store_import *im = (struct store_import *)calloc(1, sizeof *im);
	enum im_err err = IM_ERR_NOMEM;

	*out = NULL;
	if (!im)
		return err;
	im->options = *options;
	im->options.dir = im->dir = strdup(options->dir);
	im->options.name = im->name = strdup(options->name);
	im->alh = hash_empty();
	if (im->dir && im->name)
		err = store_open(&im->options, &im->store);
	if (err == IM_OK && im->store->last_tx != 0)
		err = err_set(IM_ERR_EXISTS, "%s: a database is there already", im->dir);
	if (err != IM_OK) {
		store_import_close(im);
		return err;
	}
	*out = im;
	return IM_OK;
}

void
store_import_close(struct store_import *im)
{
	if (!im)
		return;
	store_close(im->store);
	free(im->dir);
	free(im->name);
	free(im);
}

/* Writes what is in the piece. */
static enum im_err
flush_piece(struct store_import *im)
{
	struct iovec iov = {im->piece, im->len};
	uint64_t pos;
	enum im_err err = IM_OK;

	if (im->len > 0)
		err = txlog_append(im->store->log, &iov, 1, im->len, &pos);
	im->len = 0;
	return err;
}

/* Makes sure that the present segment has room for len bytes behind the piece, and a mark. */
static enum im_err
make_room(struct store_import *im, size_t len)
{
	struct txlog *log = im->store->log;
	size_t need = len + RECORD_MARK_SIZE;
	enum im_err err;

	if (txlog_room(log) >= im->len + need)
		return IM_OK;
	err = flush_piece(im);
	return err == IM_OK ? txlog_next_segment(log, need) : err;
}

/* A record that is longer than the piece is written by itself, its head from a copy. */
static enum im_err
write_long(struct store_import *im, struct bytes record, size_t head_len)
{
	uint8_t head[RECORD_HEAD_MAX];
	struct iovec iov[2] = {
	    {head, head_len}, {(void *)(uintptr_t)(record.data + head_len), record.len - head_len}};
	uint64_t pos;
	enum im_err err = flush_piece(im);

	memcpy(head, record.data, head_len);
	record_tx_reseal(head, head_len, txlog_salt(im->store->log));
	return err == IM_OK ? txlog_append(im->store->log, iov, 2, record.len, &pos) : err;
}

enum im_err
store_import_add(struct store_import *im, struct bytes record)
{
	struct record_tx head;
	enum im_err err = record_tx_get(record, 0, &head);

	if (err == IM_OK)
		err = make_room(im, record.len);
	if (err != IM_OK)
		return err;
	if (record.len > sizeof im->piece) {
		err = write_long(im, record, head.head_len);
	} else {
		if (record.len > sizeof im->piece - im->len)
			err = flush_piece(im);
		if (err == IM_OK) {
			uint8_t *at = im->piece + im->len;

			memcpy(at, record.data, record.len);
			record_tx_reseal(at, head.head_len, txlog_salt(im->store->log));
			im->len += record.len;
		}
	}
	im->tx = head.header.id;
	tx_header_alh(&head.header, &im->alh);
	return err;
}

/* Invariant 2. */
static enum im_err
seal_log(struct store_import *im)
{
	struct txlog *log = im->store->log;
	uint8_t raw[RECORD_MARK_SIZE];
	struct iovec iov = {raw, sizeof raw};
	struct record_mark mark;
	uint64_t pos;
	enum im_err err = flush_piece(im);

	if (err == IM_OK)
		err = txlog_sync(log);
	if (err != IM_OK || im->tx == 0)
		return err;
	mark = (struct record_mark){im->tx, txlog_end(log), im->alh};
	record_mark_put(raw, &mark, txlog_salt(log));
	err = txlog_append(log, &iov, 1, sizeof raw, &pos);
	return err == IM_OK ? txlog_sync(log) : err;
}

static enum im_err
open_finished(const struct store_import *im, const struct store_state *state, struct store **out)
{
	struct store_state found;
	enum im_err err = store_open(&im->options, out);

	if (err != IM_OK)
		return err;
	store_state(*out, &found);
	if (found.tx == state->tx && hash_equal(&found.alh, &state->alh))
		return IM_OK;
	err = err_set(IM_ERR_CORRUPT,
	    "what was written leads to transaction %llu, not to the state of transaction %llu",
	    (unsigned long long)found.tx, (unsigned long long)state->tx);
	store_close(*out);
	*out = NULL;
	return err;
}

enum im_err
store_import_finish(struct store_import *im, const struct store_state *state, struct store **out)
{
	enum im_err err = seal_log(im);

	*out = NULL;
	store_close(im->store);
	im->store = NULL;
	if (err == IM_OK)
		err = open_finished(im, state, out);
	store_import_close(im);
	return err;
}
