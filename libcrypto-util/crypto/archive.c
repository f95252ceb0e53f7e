/*
 * Headers and trailers of archives, as bytes.
 *
 * Neighbours: record.c has what stands between them, archive_reader.c puts the parts together.
 * Invariant: what is read here has its checksum right and its unused bytes zero, so that no byte of
 * it can be changed unnoticed, even before the digest is compared.
 *
 * Layout of a header: 0 magic, 8 format u32, 12 crc u32, 16 from u64, 24 to u64, 32 made_at i64,
 *   40 header_version u16, 42 synced u8, 43 zero u8, 44 zero u32, 48 prevAlh, 80 server, 104
 *   database_len u8, 105 database, 233 zero.
 * Layout of a trailer: 0 length u32, 4 crc u32, 8 kind u8, 9 signature_len u8, 10 key_len u8, 11
 * zero,
 *   16 tx u64, 24 txs u64, 32 entries u64, 40 bytes u64, 48 Alh, 80 signature, 152 key, 217 zero,
 *   224 digest.
 */
#include "crypto/archive.h"

#include "crypto/archive_parts.h"
#include "util/crc32c.h"

#define CRC_AT_HEADER 12
#define CRC_AT_TRAILER 4
#define CRC_SIZE 4
#define SERVER_AT 80
#define DATABASE_AT 104
#define SIGNATURE_AT 80
#define KEY_AT 152

const uint8_t archive_magic[ARCHIVE_MAGIC_SIZE] = {'I', 'M', 'M', 'U', 'A', 'R', 'C', '\n'};

/* The checksum of size bytes without the four at at, which hold it. */
static uint32_t
checksum(const uint8_t *p, size_t at, size_t size)
{
	uint32_t crc = crc32c(0, p, at);

	return crc32c(crc, p + at + CRC_SIZE, size - at - CRC_SIZE);
}

static enum im_err
bad(const char *what)
{
	return err_set(IM_ERR_ARCHIVE, "%s: %s", err_text(IM_ERR_ARCHIVE), what);
}

void
archive_header_put(uint8_t out[ARCHIVE_HEADER_SIZE], const struct archive_header *h)
{
	size_t database_len = strlen(h->database);

	memset(out, 0, ARCHIVE_HEADER_SIZE);
	memcpy(out, archive_magic, sizeof archive_magic);
	be32_put(out + 8, h->format);
	be64_put(out + 16, h->from_tx);
	be64_put(out + 24, h->to_tx);
	be64_put(out + 32, (uint64_t)h->made_at_s);
	be16_put(out + 40, h->header_version);
	out[42] = h->synced;
	memcpy(out + 48, h->prev_alh.b, HASH_SIZE);
	memcpy(out + SERVER_AT, h->server, strlen(h->server));
	out[DATABASE_AT] = (uint8_t)database_len;
	memcpy(out + DATABASE_AT + 1, h->database, database_len);
	be32_put(out + CRC_AT_HEADER, checksum(out, CRC_AT_HEADER, ARCHIVE_HEADER_SIZE));
}

/* What is read must be what would be written: so nothing in it is left unlooked at. */
static bool
header_is_exact(const uint8_t *in, const struct archive_header *h)
{
	uint8_t again[ARCHIVE_HEADER_SIZE];

	archive_header_put(again, h);
	return memcmp(in, again, sizeof again) == 0;
}

static bool
is_name(const char *s)
{
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || *s == '_'))
			return false;
	return true;
}

enum im_err
archive_header_get(const uint8_t in[ARCHIVE_HEADER_SIZE], struct archive_header *out)
{
	size_t len = in[DATABASE_AT];

	*out = (struct archive_header){.format = be32_get(in + 8),
	    .from_tx = be64_get(in + 16),
	    .to_tx = be64_get(in + 24),
	    .made_at_s = (int64_t)be64_get(in + 32),
	    .header_version = be16_get(in + 40),
	    .synced = in[42] != 0};
	if (memcmp(in, archive_magic, sizeof archive_magic) != 0)
		return bad("not an archive");
	if (out->format > ARCHIVE_FORMAT)
		return err_set(IM_ERR_VERSION, "archive of format %u, this version knows up to %u",
		    out->format, ARCHIVE_FORMAT);
	if (be32_get(in + CRC_AT_HEADER) != checksum(in, CRC_AT_HEADER, ARCHIVE_HEADER_SIZE))
		return bad("wrong checksum of a header");
	if (len == 0 || len > ARCHIVE_DATABASE_MAX)
		return bad("no name of a database in a header");
	memcpy(out->prev_alh.b, in + 48, HASH_SIZE);
	memcpy(out->server, in + SERVER_AT, ARCHIVE_SERVER_MAX);
	memcpy(out->database, in + DATABASE_AT + 1, len);
	if (out->format == 0 || out->from_tx == 0 || out->to_tx < out->from_tx - 1 ||
	    out->to_tx == UINT64_MAX || out->header_version > TX_HEADER_VERSION_MAX ||
	    !is_name(out->server) || !is_name(out->database) || strlen(out->database) != len ||
	    !header_is_exact(in, out))
		return bad("impossible values in a header");
	return IM_OK;
}

void
archive_trailer_put(uint8_t out[ARCHIVE_TRAILER_SIZE], const struct archive_trailer *t)
{
	memset(out, 0, ARCHIVE_TRAILER_SIZE);
	be32_put(out, ARCHIVE_TRAILER_SIZE);
	out[8] = ARCHIVE_KIND_TRAILER;
	out[9] = (uint8_t)t->signature_len;
	out[10] = t->has_public_key ? SIGN_POINT_SIZE : 0;
	be64_put(out + 16, t->tx);
	be64_put(out + 24, t->txs);
	be64_put(out + 32, t->entries);
	be64_put(out + 40, t->bytes);
	memcpy(out + 48, t->alh.b, HASH_SIZE);
	memcpy(out + SIGNATURE_AT, t->signature, t->signature_len);
	if (t->has_public_key)
		memcpy(out + KEY_AT, t->public_key, SIGN_POINT_SIZE);
	be32_put(out + CRC_AT_TRAILER, checksum(out, CRC_AT_TRAILER, ARCHIVE_DIGEST_AT));
	memcpy(out + ARCHIVE_DIGEST_AT, t->digest.b, HASH_SIZE);
}

enum im_err
archive_trailer_get(const uint8_t in[ARCHIVE_TRAILER_SIZE], struct archive_trailer *out)
{
	uint8_t again[ARCHIVE_TRAILER_SIZE];

	*out = (struct archive_trailer){.tx = be64_get(in + 16),
	    .txs = be64_get(in + 24),
	    .entries = be64_get(in + 32),
	    .bytes = be64_get(in + 40),
	    .signature_len = in[9],
	    .has_public_key = in[10] != 0};
	if (be32_get(in + CRC_AT_TRAILER) != checksum(in, CRC_AT_TRAILER, ARCHIVE_DIGEST_AT))
		return bad("wrong checksum of a trailer");
	if (out->signature_len > SIGN_DER_MAX || out->has_public_key != (out->signature_len > 0))
		return bad("impossible values in a trailer");
	memcpy(out->alh.b, in + 48, HASH_SIZE);
	memcpy(out->signature, in + SIGNATURE_AT, out->signature_len);
	memcpy(out->public_key, in + KEY_AT, out->has_public_key ? SIGN_POINT_SIZE : 0);
	memcpy(out->digest.b, in + ARCHIVE_DIGEST_AT, HASH_SIZE);
	archive_trailer_put(again, out);
	return memcmp(in, again, sizeof again) == 0 ? IM_OK : bad("impossible values in a trailer");
}
