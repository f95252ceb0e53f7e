#ifndef ARCHIVE_SAMPLE_H
#define ARCHIVE_SAMPLE_H

#include "crypto/ahtree.h"
#include "crypto/archive.h"
#include "crypto/hash_stream.h"

/* Archives made by hand, true ones and such as lie, for tests. */

#define SAMPLE_DATABASE "defaultdb"

/* Where a sample is not what it should be, its checksums being right. */
enum sample_lie {
	SAMPLE_TRUE,
	SAMPLE_LIE_VALUE, /* of transaction lie_tx, as the next ones */
	SAMPLE_LIE_EH,
	SAMPLE_LIE_ROOT,
	SAMPLE_LIE_PREV,
	SAMPLE_LIE_HEAD_ZERO, /* something in bytes that have to be zero */
	SAMPLE_LIE_HEAD_ZEROES,
	SAMPLE_LIE_ENTRY_ZERO,
	SAMPLE_LIE_ID,
	SAMPLE_LIE_ALH, /* of the trailer, as the next ones */
	SAMPLE_LIE_COUNT,
	SAMPLE_LIE_SIGNATURE
};

struct sample {
	struct buf out;
	uint32_t format; /* of the next part; ARCHIVE_FORMAT */
	uint64_t tx;
	struct hash alh;
	struct ahtree_edge edge;
	struct hash_stream *digest;
	uint8_t salt; /* makes another history */
	enum sample_lie lie;
	uint64_t lie_tx;
};

void sample_begin(struct sample *s);
void sample_end(struct sample *s);

/* One more part of so many transactions, of one entry, or of two and a long value. */
void sample_part(struct sample *s, uint64_t txs);

#endif
