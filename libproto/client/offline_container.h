#ifndef CLIENT_OFFLINE_CONTAINER_H
#define CLIENT_OFFLINE_CONTAINER_H

#include "util/arena.h"
#include "util/bytes.h"

/*
 * The container of offline proofs and evidence (PROOF_FORMAT.md): a head, and sections with a type,
 * a length and checksums. This module knows the form and the names of sections, not what is in
 * them. Pure; every length is checked before it is used.
 */

#define OFFLINE_VERSION 1
#define OFFLINE_HEAD_SIZE 20
#define OFFLINE_SECTION_HEAD_SIZE 12
#define OFFLINE_SUM_SIZE 4
#define OFFLINE_SECTIONS_MAX 4096
#define OFFLINE_TEXT_MAX 4096

/*
 * Types of sections, in the order in which they stand in a file. Never reused for something else.
 */
enum offline_type {
	OFFLINE_SERVER = 0x0101,
	OFFLINE_DATABASE = 0x0102,
	OFFLINE_ADDRESS = 0x0103,
	OFFLINE_PROGRAM = 0x0104,
	OFFLINE_WRITTEN = 0x0105,
	OFFLINE_TRUSTED = 0x0201,
	OFFLINE_SIGNATURE = 0x0202,
	OFFLINE_REFERENCE = 0x0301,
	OFFLINE_REFERENCE_HEADER = 0x0302,
	OFFLINE_REFERENCE_INCLUSION = 0x0303,
	OFFLINE_REFERENCE_HISTORY = 0x0304,
	OFFLINE_ENTRY = 0x0401,
	OFFLINE_ENTRY_HEADER = 0x0402,
	OFFLINE_ENTRY_INCLUSION = 0x0403,
	OFFLINE_ENTRY_HISTORY = 0x0404,
	OFFLINE_TX_HEADER = 0x0501,
	OFFLINE_TX_HISTORY = 0x0502,
	OFFLINE_TX_ENTRY = 0x0503, /* the only one that repeats */
	/* Of evidence. */
	OFFLINE_VERDICT = 0x0601,
	OFFLINE_REASON = 0x0602,
	OFFLINE_TRUSTED_SIGNATURE = 0x0603,
	OFFLINE_SEEN = 0x0604,
	OFFLINE_SEEN_SIGNATURE = 0x0605,
	OFFLINE_TRUSTED_AT = 0x0606,
	OFFLINE_SEEN_AT = 0x0607,
	OFFLINE_OTHER_SERVER = 0x0608,
	OFFLINE_SUSPECTS = 0x0609,
	OFFLINE_LINK_HEADER = 0x060a,
	OFFLINE_LINK_HISTORY = 0x060b,
	OFFLINE_NOTICE = 0x060c
};

struct offline_section {
	uint16_t type;
	uint16_t number; /* among those of its type, from 1 */
	uint64_t offset; /* of its head in the file */
	struct bytes content;
};

struct offline_container {
	uint16_t kind;
	const struct offline_section *sections;
	size_t len;
};

/* Where a file is wrong; name is empty when it is nowhere in particular. */
struct offline_fault {
	char name[96];
	uint64_t offset;
};

/* What a section is, in words: "the inclusion proof of the entry"; "a section of unknown type". */
const char *offline_type_name(uint16_t type);

/* The same for one of several: "entry 17 of the transaction". */
void offline_name(const struct offline_section *section, struct offline_fault *out);

/*
 * Takes a file apart: checksums, ascending types, nothing behind the last section. Contents are
 * views of the file. IM_ERR_FORMAT (the first bytes are not those of such a file), IM_ERR_VERSION,
 * IM_ERR_PROOF (damaged or cut; *fault says where and the detail how), IM_ERR_NOMEM.
 */
enum im_err offline_parse(struct bytes file, struct arena *arena, struct offline_container *out,
    struct offline_fault *fault);

/* The first section of that type, or NULL. */
const struct offline_section *
offline_find(const struct offline_container *container, uint16_t type);

/* Writes a head for so many sections, and then each section, in the order of their types. */
void offline_put_head(struct buf *out, uint16_t kind, size_t sections);
void offline_put(struct buf *out, uint16_t type, struct bytes content);

#endif
