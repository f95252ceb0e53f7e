#ifndef IMPORT_BATCH_H
#define IMPORT_BATCH_H

#include <stdbool.h>

#include "client/immu.h"
#include "import_parse.h"

/*
 * The rows of one transaction, and the order in which transactions were acknowledged. Pure. Memory
 * of a batch is kept for the next one.
 */
#define IMPORT_BATCH_ROWS_MAX 1024u
/* A batch is full from here on; one row may be larger. */
#define IMPORT_BATCH_BYTES (1u << 20)
/* Slots of the table of keys: a power of two, at most half of them used. */
#define IMPORT_BATCH_SLOTS 2048u

struct import_batch_row {
	size_t key_at, key_len;
	size_t value_at, value_len;
	int64_t expires_at;
};

struct import_batch {
	struct buf data;
	struct import_batch_row rows[IMPORT_BATCH_ROWS_MAX];
	struct immu_kv kvs[IMPORT_BATCH_ROWS_MAX];
	uint16_t slots[IMPORT_BATCH_SLOTS]; /* row + 1 by hash of the key; 0: empty */
	size_t len;
	size_t max_rows;
	uint64_t first_line;
	uint64_t last_line;
	bool is_acknowledged;
};

enum import_add { IMPORT_ADDED, IMPORT_REFUSED, IMPORT_NO_MEMORY };

/* An empty batch that takes max_rows rows, at most IMPORT_BATCH_ROWS_MAX. */
void import_batch_init(struct import_batch *b, size_t max_rows);
void import_batch_free(struct import_batch *b);

/* Forgets the rows. */
void import_batch_clear(struct import_batch *b);

/*
 * Adds a copy of the row. IMPORT_REFUSED, and no change, when the batch is full or holds the key
 * already: it must be sent first. An empty batch refuses nothing.
 */
enum import_add import_batch_add(struct import_batch *b, const struct import_row *row);

/* The rows as entries to write; b->len of them, valid until the batch changes. */
const struct immu_kv *import_batch_kvs(struct import_batch *b);

/*
 * The batches in flight, a ring in the order they were sent. They are acknowledged in any order;
 * what counts for going on later is the last line before which everything is.
 */
struct import_ring {
	struct import_batch *batches;
	size_t size;
	uint64_t sent;     /* batches sent so far; the next one is filled at sent % size */
	uint64_t finished; /* batches acknowledged without a gap */
	uint64_t last_line;
	uint64_t rows; /* in those batches */
};

/* A ring of size batches. IM_ERR_NOMEM. */
enum im_err import_ring_init(struct import_ring *r, size_t size, size_t max_rows);
void import_ring_free(struct import_ring *r);

/* The batch to fill, empty or begun; NULL while its place is taken by one that is in flight. */
struct import_batch *import_ring_filling(struct import_ring *r);

/* The batch being filled is sent now. */
void import_ring_send(struct import_ring *r);

/* A batch was acknowledged. */
void import_ring_acknowledge(struct import_ring *r, struct import_batch *b);

#endif
