#ifndef CRYPTO_RECORD_H
#define CRYPTO_RECORD_H

#include "crypto/hash.h"
#include "crypto/header.h"
#include "util/bytes.h"

/*
 * The records of the log, as bytes (FORMAT.md, "Log"). Pure functions: nothing here reads a file.
 *
 * A transaction record is a head (fixed part, transaction metadata), the entries section (for each
 * entry a fixed part, key, metadata and, up to RECORD_INLINE_MAX bytes, the value), and the longer
 * values one after another. The head's checksum is seeded with the segment's salt and covers the
 * checksum of the entries section; value bytes are covered by their SHA-256 only.
 */

#define RECORD_INLINE_MAX 4096u
#define RECORD_TX_FIXED 152u
#define RECORD_ENTRY_FIXED 44u
#define RECORD_MARK_SIZE 64u
#define RECORD_SEAL_SIZE 16u
/* A transaction's record at its longest. */
#define RECORD_TX_BYTES_MAX (48u * 1024 * 1024)
/* Its head at its largest. */
#define RECORD_HEAD_MAX (RECORD_TX_FIXED + TX_METADATA_MAX)

enum record_kind {
	RECORD_END = 0, /* not a record: zeroes, the end of what is written */
	RECORD_TX = 1,
	RECORD_MARK = 2,
	RECORD_SEAL = 3
};

/* What every record starts with. */
struct record_prefix {
	uint32_t length; /* of the whole record in bytes; 0 for RECORD_END */
	enum record_kind kind;
};

#define RECORD_PREFIX_SIZE 12u

/* The durable mark: a transaction known to be synced, and the position just behind its record. */
struct record_mark {
	uint64_t tx;
	uint64_t pos;
	struct hash alh;
};

/* The head of a transaction record. */
struct record_tx {
	uint32_t length;      /* of the whole record */
	uint32_t head_len;    /* fixed part and transaction metadata */
	uint32_t entries_len; /* the entries section behind the head */
	uint32_t entries_crc; /* of the entries section without inline values */
	struct tx_header header;
};

/* One entry within the entries section; views into the section. */
struct record_entry {
	struct bytes key;
	struct bytes metadata;
	struct hash hval;
	uint32_t value_len;
	uint32_t value_offset; /* from the start of the entry to its value */
	uint32_t offset;       /* of the entry within the section */
	uint32_t len;          /* of the entry within the section, inline value included */
};

/* ---- Making ---- */

/* Bytes that an entry takes in the entries section. */
size_t record_entry_size(size_t key_len, size_t metadata_len, size_t value_len);

/*
 * Writes the fixed part, key and metadata of e to out, which has record_entry_size() bytes; an
 * inline value goes behind it by the caller. e->offset and e->len are not used. Returns the bytes
 * written, which are the ones that the checksum of the section covers.
 */
size_t record_entry_put(uint8_t *out, const struct record_entry *e);

/* Writes the head of a transaction record; out has RECORD_HEAD_MAX bytes. Returns its length. */
size_t record_tx_put(uint8_t *out, const struct record_tx *r, uint32_t salt);

/*
 * Puts the checksum that a head read with record_tx_get() has under another salt, in place.
 * head_len is that of the record_tx.
 */
void record_tx_reseal(uint8_t *head, size_t head_len, uint32_t salt);

void record_mark_put(uint8_t out[RECORD_MARK_SIZE], const struct record_mark *m, uint32_t salt);
void record_seal_put(uint8_t out[RECORD_SEAL_SIZE], uint32_t next_segment, uint32_t salt);

/* ---- Reading; IM_ERR_CORRUPT on anything that this code did not write ---- */

/* Reads a prefix of RECORD_PREFIX_SIZE bytes; not yet covered by a checksum. */
enum im_err record_prefix_get(const uint8_t *in, struct record_prefix *out);

/* Reads the head of a transaction record; head may be longer than the head is. */
enum im_err record_tx_get(struct bytes head, uint32_t salt, struct record_tx *out);

enum im_err
record_mark_get(const uint8_t in[RECORD_MARK_SIZE], uint32_t salt, struct record_mark *out);
enum im_err
record_seal_get(const uint8_t in[RECORD_SEAL_SIZE], uint32_t salt, uint32_t *next_segment);

/*
 * Reads one entry at the start of in, which may be longer than the entry. Every length is checked
 * against in; the value, when inline, is in as well.
 */
enum im_err record_entry_get(struct bytes in, struct record_entry *out);

/*
 * Reads the entries section of r into out, an array of r->header.nentries, and checks the checksum
 * and that the values tile the record exactly.
 */
enum im_err
record_entries_get(const struct record_tx *r, struct bytes section, struct record_entry *out);

#endif
