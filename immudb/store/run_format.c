/*
 * Headers and footers of the index's files, byte for byte as in FORMAT.md, "Index".
 *
 * Neighbours: run_write.c and run.c, manifest.c. Nothing here does I/O or keeps state.
 */
#include "store/run_format.h"

#include "util/crc32c.h"

#define FOOTER_CRC_OFFSET 88u
#define FOOTER_LONG_FIELDS 10u

void
index_header_encode(uint8_t out[RUN_HEADER_BYTES], const char magic[8], uint32_t version)
{
	memcpy(out, magic, 8);
	be32_put(out + 8, version);
	be32_put(out + 12, crc32c(0, out, 12));
}

enum im_err
index_header_check(
    const uint8_t header[RUN_HEADER_BYTES], const char magic[8], uint32_t version, const char *path)
{
	uint32_t found = be32_get(header + 8);

	if (memcmp(header, magic, 8) != 0 || crc32c(0, header, 12) != be32_get(header + 12))
		return err_set(IM_ERR_CORRUPT, "%s: damaged header", path);
	if (found > version)
		return err_set(IM_ERR_VERSION, "%s: format version %u, this program reads up to %u",
		    path, found, version);
	return found == 0 ? err_set(IM_ERR_CORRUPT, "%s: damaged header", path) : IM_OK;
}

void
run_footer_encode(uint8_t out[RUN_FOOTER_BYTES], struct run_footer *f)
{
	const uint64_t fields[FOOTER_LONG_FIELDS] = {f->first_tx, f->last_tx, f->entries, f->keys,
	    f->pos_base, f->blocks, f->index_offset, f->index_len, f->filter_offset, f->filter_len};

	for (size_t i = 0; i < FOOTER_LONG_FIELDS; i++)
		be64_put(out + i * sizeof *fields, fields[i]);
	be32_put(out + 80, f->index_crc);
	be32_put(out + 84, f->filter_crc);
	f->crc = crc32c(0, out, FOOTER_CRC_OFFSET);
	be32_put(out + FOOTER_CRC_OFFSET, f->crc);
}

bool
run_footer_decode(const uint8_t in[RUN_FOOTER_BYTES], struct run_footer *f)
{
	uint64_t *fields[FOOTER_LONG_FIELDS] = {&f->first_tx, &f->last_tx, &f->entries, &f->keys,
	    &f->pos_base, &f->blocks, &f->index_offset, &f->index_len, &f->filter_offset,
	    &f->filter_len};

	for (size_t i = 0; i < FOOTER_LONG_FIELDS; i++)
		*fields[i] = be64_get(in + i * sizeof **fields);
	f->index_crc = be32_get(in + 80);
	f->filter_crc = be32_get(in + 84);
	f->crc = be32_get(in + FOOTER_CRC_OFFSET);
	return crc32c(0, in, FOOTER_CRC_OFFSET) == f->crc;
}

bool
run_varint_append(struct buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_append_u8(b, (uint8_t)(v | 0x80));
	return buf_append_u8(b, (uint8_t)v);
}

uint64_t
run_varint_read(struct reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = reader_u8(r);

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return v;
	}
	r->failed = true;
	return 0;
}
