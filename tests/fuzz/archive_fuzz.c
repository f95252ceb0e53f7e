/*
 * Archives of hot-backup. Input: how (1 byte), then the bytes of an archive; unless bit 0 of how is
 * clear its checksums and digests are put right, as far as its lengths go, so that what stands
 * behind them is reached. Bits 1 to 7 are the size of the pieces it is read in. However it is cut,
 * it reads the same, and what is accepted leads from transaction to transaction without a gap.
 */
#include <assert.h>
#include <stdlib.h>

#include "crypto/archive.h"
#include "fuzz.h"
#include "util/crc32c.h"

#define KIND_AT 8
#define KIND_TRAILER 16
#define HEADER_CRC_AT 12
#define TRAILER_CRC_AT 4
#define TX_METADATA_LEN_AT 48

struct seen {
	uint64_t last;
	uint64_t txs;
};

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_quiet();
	return 0;
}

static enum im_err
see_header(void *ctx, const struct archive_header *h, struct bytes raw)
{
	struct seen *seen = (struct seen *)ctx;

	assert(raw.len == ARCHIVE_HEADER_SIZE && h->from_tx > 0);
	assert(seen->txs == 0 || h->from_tx == seen->last + 1);
	seen->last = h->from_tx - 1;
	return IM_OK;
}

static enum im_err
see_tx(void *ctx, const struct archive_tx *tx)
{
	struct seen *seen = (struct seen *)ctx;

	assert(tx->head.header.id == seen->last + 1 && tx->record.len == tx->head.length);
	seen->last++;
	seen->txs++;
	return IM_OK;
}

static enum im_err
see_trailer(void *ctx, const struct archive_trailer *t, struct bytes raw)
{
	assert(raw.len == ARCHIVE_TRAILER_SIZE && t->tx == ((struct seen *)ctx)->last);
	return IM_OK;
}

/* The checksum of n bytes without the four at at. */
static void
put_crc(uint8_t *p, size_t at, size_t n)
{
	be32_put(p + at, crc32c(crc32c(0, p, at), p + at + 4, n - at - 4));
}

/* Puts checksums right from the front on; where a length leads nowhere it ends. */
static void
mend(uint8_t *p, size_t len)
{
	bool in_part = false;

	while (len >= ARCHIVE_HEADER_SIZE) {
		size_t n = in_part ? be32_get(p) : ARCHIVE_HEADER_SIZE;

		if (!in_part) {
			put_crc(p, HEADER_CRC_AT, ARCHIVE_HEADER_SIZE);
			in_part = true;
		} else if (p[KIND_AT] == KIND_TRAILER) {
			n = ARCHIVE_TRAILER_SIZE;
			put_crc(p, TRAILER_CRC_AT, ARCHIVE_DIGEST_AT);
			in_part = false;
		} else if (n >= RECORD_TX_FIXED && n <= len) {
			size_t head = RECORD_TX_FIXED + be16_get(p + TX_METADATA_LEN_AT);

			if (head <= n)
				record_tx_reseal(p, head, 0);
		} else {
			return;
		}
		p += n;
		len -= n;
	}
}

static enum im_err
read_in(struct bytes in, size_t step, bool mended, struct archive_status *status)
{
	struct seen seen = {0};
	struct archive_sink sink = {&seen, see_header, see_tx, see_trailer};
	struct archive_reader *r;
	enum im_err err = archive_reader_new(&sink, &r);

	assert(err == IM_OK);
	if (mended)
		archive_reader_make_digests(r);
	for (size_t at = 0; err == IM_OK && at < in.len; at += step)
		err = archive_reader_feed(
		    r, bytes_of(in.data + at, in.len - at < step ? in.len - at : step));
	if (err == IM_OK)
		err = archive_reader_finish(r);
	archive_reader_status(r, status);
	assert(err != IM_OK || (archive_reader_trailer(r) && status->tx == seen.last));
	archive_reader_free(r);
	return err;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct archive_status whole, pieces;
	bool mended;
	size_t step;
	uint8_t *copy;
	enum im_err err;

	if (size == 0)
		return 0;
	mended = data[0] & 1;
	step = (size_t)(data[0] >> 1) + 1;
	copy = (uint8_t *)malloc(size);
	assert(copy);
	memcpy(copy, data + 1, size - 1);
	if (mended)
		mend(copy, size - 1);
	err = read_in(bytes_of(copy, size - 1), size, mended, &whole);
	assert(read_in(bytes_of(copy, size - 1), step, mended, &pieces) == err);
	assert(whole.tx == pieces.tx && whole.bytes == pieces.bytes);
	free(copy);
	return 0;
}
