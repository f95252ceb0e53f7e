#ifndef STORE_RUN_H
#define STORE_RUN_H

#include <stdatomic.h>

#include "store/bloom.h"
#include "store/run_block.h"
#include "store/vfs.h"

/*
 * Runs: immutable sorted files of versions (FORMAT.md, "Index"). A run holds every version that a
 * range of transactions wrote. Its filter and sparse index are in memory, its blocks are read when
 * needed.
 */
#define RUN_VERSION 1u
#define RUN_HEADER_BYTES 16u
#define RUN_FOOTER_BYTES 92u
/* "0123456789abcdef.run" and its NUL. */
#define RUN_NAME_MAX 21u

#define RUN_SAMPLE 64u

/* What the manifest says about a run, and the run about itself. */
struct run_id {
	uint64_t number; /* gives the file its name */
	uint64_t first_tx;
	uint64_t last_tx;
	uint64_t size;       /* of the file, in bytes */
	uint32_t footer_crc; /* tells one run from another */
};

/* Open run. All but the last four members never change. */
struct run {
	struct run_id id;
	struct run_base base;
	struct vfs_file file;
	const struct vfs *vfs;
	uint64_t entries;
	uint64_t keys; /* distinct ones */
	struct bytes first_key;
	struct bytes last_key;
	struct bloom filter;
	/*
	 * Sparse index: block i is at offsets[i]..offsets[i + 1], and everything in it is at or
	 * behind the place (separator i, txs[i]) and before the next block's. All separators start
	 * with the `skip` bytes that all keys share; prefixes[i] is index_key_prefix() of the rest.
	 */
	uint64_t blocks;
	size_t skip;
	uint64_t *offsets;
	uint64_t *prefixes;
	uint64_t *samples;    /* every RUN_SAMPLE-th prefix: small enough to stay in the cache */
	uint64_t *separators; /* blocks + 1 offsets into separator_bytes */
	uint64_t *txs;
	uint8_t *separator_bytes;
	size_t resident_bytes;
	void *memory; /* first_key, last_key and separator_bytes point in here */
	/* Any thread. */
	atomic_uint refs;
	atomic_bool damaged; /* a block was found bad */
	atomic_bool doomed;  /* the file is removed when the last reference goes */
};

/* Writes the file name of a run. */
void run_name(char name[RUN_NAME_MAX], uint64_t number);

/* Reads a file name; false when it is not a run's. */
bool run_name_parse(const char *name, uint64_t *number);

/*
 * Opens the run that id names in the folder, with one reference. IM_ERR_CORRUPT when the file is
 * missing or is not that run or is damaged; IM_ERR_VERSION, IM_ERR_IO, IM_ERR_NOMEM.
 */
enum im_err
run_open(const struct vfs *vfs, const char *dir, const struct run_id *id, struct run **out);

void run_ref(struct run *r);

/* Gives a reference back; the last one closes the run, and removes its file if it is doomed. */
void run_unref(struct run *r);

/* The block in which a place is or would be. */
uint64_t run_find_block(const struct run *r, struct bytes key, uint64_t tx);

/* The key and transaction at or behind which block i is. */
static inline struct bytes
run_separator(const struct run *r, uint64_t i)
{
	return bytes_of(r->separator_bytes + r->separators[i],
	    (size_t)(r->separators[i + 1] - r->separators[i]));
}

/*
 * Reads and checks block i; data has room for RUN_BLOCK_MAX bytes. IM_ERR_CORRUPT marks the run as
 * damaged and names file and offset; IM_ERR_WOULD_BLOCK with nowait, IM_ERR_IO.
 */
enum im_err
run_read_block(struct run *r, uint64_t i, bool nowait, uint8_t *data, struct run_block *out);

/* Marks the run as damaged and returns IM_ERR_CORRUPT naming file, offset of the block and what. */
enum im_err run_damage(struct run *r, uint64_t block, const char *what);

#endif
