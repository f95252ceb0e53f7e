#ifndef STORE_RUN_BLOCK_H
#define STORE_RUN_BLOCK_H

#include "store/index.h"

/*
 * The blocks of a run: up to about 4 KiB of entries in the order of the index, each key without the
 * bytes that it shares with the one before. Every so many entries a key is whole: such a group can
 * be decoded by itself. FORMAT.md, "Index", has the bytes.
 */

/* A block is closed once it has this many bytes; the last entry may pass it. */
#define RUN_BLOCK_TARGET 4096u
/* A group ends after so many entries, or once its keys have so many bytes when whole. */
#define RUN_GROUP_ENTRIES 16u
#define RUN_GROUP_KEY_BYTES 4096u
/* No entry takes more than its key and this. */
#define RUN_ENTRY_OVERHEAD 64u
#define RUN_BLOCK_TRAILER 6u /* number of groups, CRC */
/* A group but the last has 16 entries of 6 bytes or more, or a key of 256 bytes or more. */
#define RUN_GROUPS_MAX (RUN_BLOCK_TARGET / 96 + 1)
#define RUN_BLOCK_MIN (7u + 2u + RUN_BLOCK_TRAILER)
#define RUN_BLOCK_MAX \
	(RUN_BLOCK_TARGET + INDEX_KEY_MAX + RUN_ENTRY_OVERHEAD + 2 * RUN_GROUPS_MAX + \
	    RUN_BLOCK_TRAILER)

/* What the entries of a run are stored relative to. */
struct run_base {
	uint64_t first_tx;
	uint64_t last_tx;
	uint64_t pos; /* no entry's position is smaller */
};

/* A block being filled. */
struct run_block_builder {
	struct run_base base;
	size_t len;
	unsigned groups;
	unsigned group_entries; /* of the open group */
	size_t group_key_bytes; /* of the open group */
	uint16_t group_offsets[RUN_GROUPS_MAX];
	size_t last_key_len;
	uint8_t last_key[INDEX_KEY_MAX]; /* of the last entry, of this block or the one before */
	uint8_t data[RUN_BLOCK_MAX];
};

/* Appends an entry; shared is index_key_shared() of its key and the last one. */
void run_block_add(struct run_block_builder *b, const struct index_entry *e, size_t shared);

/* Whether the block is big enough to be closed. */
static inline bool
run_block_full(const struct run_block_builder *b)
{
	return b->len >= RUN_BLOCK_TARGET;
}

/*
 * Ends the block that will stand at this offset of the file, and returns its bytes, valid until the
 * next run_block_add(), which begins a new block.
 */
struct bytes run_block_end(struct run_block_builder *b, uint64_t offset);

/* A block that was read and whose CRC is right. */
struct run_block {
	const uint8_t *data;
	size_t entries_len; /* bytes of all groups */
	unsigned groups;
};

/* Checks a block read from this offset. False when it is damaged. */
bool run_block_open(struct run_block *b, struct bytes data, uint64_t offset);

/* The same for bytes that run_block_open() has accepted before: the CRC is not computed again. */
bool run_block_view(struct run_block *b, struct bytes data);

/* The entries of one group, decoded one after the other. */
struct run_group {
	const uint8_t *next; /* bytes not yet decoded */
	const uint8_t *end;
	size_t keys_len;
	unsigned count; /* decoded so far */
	struct index_entry entries[RUN_GROUP_ENTRIES];
	uint8_t keys[RUN_GROUP_KEY_BYTES + INDEX_KEY_MAX];
};

/* Begins a group, 0..groups-1, without decoding anything. False when the block is malformed. */
bool run_group_begin(struct run_group *g, const struct run_block *b, unsigned group);

/* Whether more entries follow. */
static inline bool
run_group_more(const struct run_group *g)
{
	return g->next < g->end;
}

/* Decodes one more entry to entries[count++]. False when the block is malformed. */
bool run_group_decode(struct run_group *g, const struct run_base *base);

#endif
