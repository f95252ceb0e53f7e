#ifndef CRYPTO_ARCHIVE_H
#define CRYPTO_ARCHIVE_H

#include <stdbool.h>

#include "crypto/record.h"
#include "crypto/sign.h"

/*
 * Archives: the transactions of one database as a stream of bytes from which every hash can be
 * computed again (immudb/store/FORMAT.md, "Archives"). An archive is one part or several, each of
 * which goes on where the one before ended: a header, transactions as records of the log, a
 * trailer.
 *
 * Here are the parts as bytes, and the reader, which is also the check: what it gives out has been
 * verified. Nothing here reads a file. One thread uses a reader.
 */

/* What is written; the digests of format 1 are over the transactions too, which is still read. */
#define ARCHIVE_FORMAT 2u
#define ARCHIVE_FORMAT_ALL_DIGESTED 1u
#define ARCHIVE_HEADER_SIZE 256u
#define ARCHIVE_TRAILER_SIZE 256u
/* Bytes at the start of a part that are zero as long as it is being appended. */
#define ARCHIVE_MAGIC_SIZE 8u
/* Where a trailer has the digest of all bytes before it. */
#define ARCHIVE_DIGEST_AT (ARCHIVE_TRAILER_SIZE - HASH_SIZE)
#define ARCHIVE_DATABASE_MAX 128u
#define ARCHIVE_SERVER_MAX 20u

/* These bytes. */
extern const uint8_t archive_magic[ARCHIVE_MAGIC_SIZE];

/* What a part begins with. */
struct archive_header {
	uint32_t format;         /* ARCHIVE_FORMAT, or an older one */
	uint64_t from_tx;        /* its first transaction */
	uint64_t to_tx;          /* its last one; from_tx - 1 when there is none */
	struct hash prev_alh;    /* of transaction from_tx - 1; the empty hash for from_tx 1 */
	int64_t made_at_s;       /* unix seconds */
	uint16_t header_version; /* settings of the database */
	bool synced;
	char server[ARCHIVE_SERVER_MAX + 1]; /* identity of the server */
	char database[ARCHIVE_DATABASE_MAX + 1];
};

/* What a part ends with: the state at its last transaction. */
struct archive_trailer {
	uint64_t tx;
	struct hash alh;
	uint64_t txs;         /* of this part */
	uint64_t entries;     /* of this part */
	uint64_t bytes;       /* of this part, all included */
	size_t signature_len; /* 0: not signed */
	uint8_t signature[SIGN_DER_MAX];
	bool has_public_key;
	uint8_t public_key[SIGN_POINT_SIZE];
	struct hash digest; /* SHA-256 of the headers and trailers of the archive before it */
};

/* Writes a header. The names must fit. */
void archive_header_put(uint8_t out[ARCHIVE_HEADER_SIZE], const struct archive_header *h);

/* Reads one. IM_ERR_ARCHIVE, IM_ERR_VERSION (a newer format). */
enum im_err archive_header_get(const uint8_t in[ARCHIVE_HEADER_SIZE], struct archive_header *out);

/* Writes a trailer, reads one. IM_ERR_ARCHIVE. */
void archive_trailer_put(uint8_t out[ARCHIVE_TRAILER_SIZE], const struct archive_trailer *t);
enum im_err
archive_trailer_get(const uint8_t in[ARCHIVE_TRAILER_SIZE], struct archive_trailer *out);

/* ---- Reading ---- */

/* A transaction as read and verified; valid until the sink returns. */
struct archive_tx {
	struct bytes record; /* as in the log, its checksum seeded with 0 */
	struct record_tx head;
	const struct record_entry *entries; /* head.header.nentries */
	struct hash alh;
};

/* Who takes what is read; each may be NULL, and an error ends the reading. */
struct archive_sink {
	void *ctx;
	enum im_err (*header)(void *ctx, const struct archive_header *h, struct bytes raw);
	enum im_err (*tx)(void *ctx, const struct archive_tx *tx);
	/* With a digest that was not there yet filled in, also in raw. */
	enum im_err (*trailer)(void *ctx, const struct archive_trailer *t, struct bytes raw);
};

/* How far a reader has come. */
struct archive_status {
	uint64_t bytes;       /* read and understood */
	uint64_t whole_bytes; /* of them, up to the end of the last whole part */
	uint64_t parts;       /* whole ones */
	uint64_t from_tx;     /* the first transaction of the archive */
	uint64_t tx;          /* the last one read */
	uint64_t to_tx;       /* the last one of the present part */
	struct hash alh;      /* of tx */
	uint64_t entries;
	bool is_whole;      /* it ends at the end of a part */
	bool is_unfinished; /* behind the last whole part stands one that was not finished */
};

struct archive_reader;

/* A reader of an archive from its beginning. IM_ERR_NOMEM. */
enum im_err archive_reader_new(const struct archive_sink *sink, struct archive_reader **out);
void archive_reader_free(struct archive_reader *r);

/*
 * At the end of an archive: the parts that follow now have no digests yet, which the reader makes.
 * What was not finished at its end is given up.
 */
void archive_reader_make_digests(struct archive_reader *r);

/* Who takes what follows. */
void archive_reader_set_sink(struct archive_reader *r, const struct archive_sink *sink);

/*
 * Takes the next bytes, cut anywhere; what follows a part that was not finished is passed over. Of
 * each transaction checksums, the hashes of values and entries, the chain of Alhs and, if it is
 * known, the root of the tree are verified; of a trailer the state, the signature by the key that
 * stands beside it, the counts and the digest. IM_ERR_ARCHIVE with
 * byte and transaction in the detail, IM_ERR_STATE_FORKED when a part does not continue the one
 * before, IM_ERR_VERSION, IM_ERR_NOMEM, errors of the sink.
 */
enum im_err archive_reader_feed(struct archive_reader *r, struct bytes in);

/* All bytes have been fed: IM_ERR_ARCHIVE unless the archive ends here. */
enum im_err archive_reader_finish(struct archive_reader *r);

void archive_reader_status(const struct archive_reader *r, struct archive_status *out);

/* The header and trailer of the last whole part; NULL before there is one. */
const struct archive_header *archive_reader_header(const struct archive_reader *r);
const struct archive_trailer *archive_reader_trailer(const struct archive_reader *r);

#endif
