#ifndef STORE_RUN_FORMAT_H
#define STORE_RUN_FORMAT_H

#include "store/run.h"

/* The fixed parts of a run's file, shared by its writer and its reader. */
#define RUN_MAGIC "IMDBRUN\n"

struct run_footer {
	uint64_t first_tx;
	uint64_t last_tx;
	uint64_t entries;
	uint64_t keys;
	uint64_t pos_base;
	uint64_t blocks;
	uint64_t index_offset;
	uint64_t index_len;
	uint64_t filter_offset;
	uint64_t filter_len;
	uint32_t index_crc;
	uint32_t filter_crc;
	uint32_t crc; /* of all the above, as stored */
};

/*
 * Header of a run or a manifest: magic, version, CRC of both. It keeps this form in all versions,
 * so that a newer file is told from a damaged one.
 */
void index_header_encode(uint8_t out[RUN_HEADER_BYTES], const char magic[8], uint32_t version);

/* IM_ERR_CORRUPT, or IM_ERR_VERSION when the version is newer than the given one. */
enum im_err index_header_check(const uint8_t header[RUN_HEADER_BYTES], const char magic[8],
    uint32_t version, const char *path);

/* Encodes a footer and sets its crc. */
void run_footer_encode(uint8_t out[RUN_FOOTER_BYTES], struct run_footer *footer);

/* False when the CRC is wrong. */
bool run_footer_decode(const uint8_t in[RUN_FOOTER_BYTES], struct run_footer *footer);

/* LEB128. */
bool run_varint_append(struct buf *b, uint64_t v);
uint64_t run_varint_read(struct reader *r);

#endif
