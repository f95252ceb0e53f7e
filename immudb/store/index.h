#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "store/vfs.h"
#include "util/bytes.h"

/*
 * The index of one database: index key -> versions, newest first. A memtable takes what is written;
 * it is frozen, written out as a sorted run, and runs are merged with their neighbours (FORMAT.md,
 * "Index"). Nothing here is synced per commit: what is not covered by runs is replayed from the
 * log.
 *
 * Keys are opaque and ordered by their bytes; the caller turns raw keys into index form.
 *
 * Threads, each kind at the same time as the others:
 *	- the writer, one at a time: index_reserve, index_insert, index_should_freeze, index_freeze;
 *	- maintenance, one at a time: index_flush, index_merge, index_compact;
 *	- readers, any number: everything else but index_open and index_close.
 */
struct index;

#define INDEX_KEY_MAX 1024u /* bytes of a key */

/* Bits of index_entry.flags; the index itself looks at INDEX_EXPIRES only, and stores all eight. */
#define INDEX_DELETED 1u
#define INDEX_EXPIRES 2u
#define INDEX_REFERENCE 4u

/* One version of one key. */
struct index_entry {
	struct bytes key;   /* index form, 1..INDEX_KEY_MAX bytes */
	uint64_t tx;        /* > 0; the transaction that wrote it */
	uint64_t pos;       /* position in the log; opaque here */
	uint32_t len;       /* bytes to read there; opaque here */
	uint8_t flags;      /* INDEX_* */
	int64_t expires_at; /* with INDEX_EXPIRES, otherwise read back as 0 */
	uint64_t revision;  /* out only: 1-based ordinal among all versions of the key */
};

/* Defaults of the limits below. */
#define INDEX_MEMTABLE_ENTRIES 250000u
#define INDEX_MEMTABLE_BYTES (32u * 1024 * 1024)
/* Frozen memtables that may wait for index_flush(). */
#define INDEX_FROZEN_MAX 2u
/* Blocks of runs that are kept in memory because they are read again and again, in bytes. */
#define INDEX_HOT_BYTES ((size_t)16 * 1024 * 1024)
/* Runs of one index. */
#define INDEX_RUNS_MAX 16u

struct index_options {
	const struct vfs *vfs; /* NULL: vfs_posix */
	const char *dir;       /* the index's own folder, made when absent (its parent is not) */
	const char *name;      /* name of the database, for messages */
	uint64_t log_tx; /* newest transaction in the log; runs that reach beyond it are dropped */
	/* The active memtable should be frozen when it holds this much; 0: the defaults. */
	size_t memtable_entries;
	size_t memtable_bytes;
	/*
	 * Called by the maintenance thread before a frozen memtable is written out: makes the log
	 * durable up to the newest transaction frozen before. May be NULL when it always is.
	 */
	void (*flushing)(void *ctx);
	/* Called by the maintenance thread when a frozen memtable has left; may be NULL. */
	void (*flushed)(void *ctx);
	/* Called by index_open() with why a part is left out; may be NULL. */
	void (*left_out)(void *ctx, const char *why);
	void *ctx;
};

/*
 * Opens the index in its folder. What is missing or damaged is left out with a warning in the log:
 * the index then holds a prefix of the transactions, and index_covered_tx() says which; the caller
 * inserts all later ones again. Files that the manifest does not name are removed.
 * IM_ERR_VERSION when a file is of a newer format; IM_ERR_IO, IM_ERR_NO_SPACE, IM_ERR_NOMEM.
 */
enum im_err index_open(const struct index_options *options, struct index **out);

/*
 * Frees the index without flushing. No other call may be under way, no iterator open. NULL is
 * allowed.
 */
void index_close(struct index *idx);

/*
 * Every transaction up to this one is in synced runs that the manifest names; 0 for none. It grows
 * with index_flush(), and falls back to just before a run that was found damaged. Never waits.
 */
uint64_t index_covered_tx(struct index *idx);

/* Whether a run was found damaged since open; opening the index again repairs it from the log. */
bool index_damaged(struct index *idx);

struct index_stats {
	uint64_t runs;
	uint64_t run_entries;
	uint64_t run_bytes;
	uint64_t frozen;         /* frozen memtables waiting */
	uint64_t table_entries;  /* in memtables, frozen ones included */
	uint64_t resident_bytes; /* memory: memtables, filters and sparse indexes */
	uint64_t hot_bytes;      /* memory: blocks of runs that are read often */
	uint64_t hot_hits;       /* reads of blocks that found them there, since open */
	uint64_t hot_misses;     /* and that did not */
	uint64_t flushes;        /* since open */
	uint64_t merges;         /* since open */
	uint64_t written_bytes;  /* by flushes and merges since open */
};

void index_stats(struct index *idx, struct index_stats *out);

/* ---- Writer ---- */

/*
 * Makes sure that index_insert() of up to n entries with key_bytes of keys altogether, in one call
 * or several, finds its memory, so that it cannot fail; index_freeze() in between undoes that.
 * IM_ERR_NOMEM.
 */
enum im_err index_reserve(struct index *idx, size_t n, size_t key_bytes);

/*
 * Adds the entries of one or more whole transactions, in their order, all newer than those before;
 * a transaction has distinct keys, in any order. Keys are copied. Readers see them with as_of >=
 * tx; the caller publishes tx (with release semantics) after this returns. IM_ERR_NOMEM, and then
 * nothing is added.
 */
enum im_err index_insert(struct index *idx, const struct index_entry *entries, size_t n);

/* Whether the active memtable holds so much that it should be frozen. Never waits. */
bool index_should_freeze(struct index *idx);

/*
 * Freezes the active memtable, as the versions of all transactions up to last_tx (also when the
 * last of them had nothing to index), and starts a new one. IM_ERR_BUSY when INDEX_FROZEN_MAX of
 * them wait already: the active one then grows on, and the caller should hold back writers until
 * options.flushed is called. IM_ERR_NOMEM.
 */
enum im_err index_freeze(struct index *idx, uint64_t last_tx);

/* ---- Maintenance ---- */

/*
 * Writes the oldest frozen memtable as a run, syncs it and then replaces the manifest. *did is
 * false when nothing was waiting. After a failure (IM_ERR_IO, IM_ERR_NO_SPACE, IM_ERR_NOMEM) the
 * index stays usable, and a later call tries again. IM_ERR_INTERRUPTED after index_stop() if it had
 * to merge first, to make room.
 */
enum im_err index_flush(struct index *idx, bool *did);

/*
 * Merges some neighbouring runs if there are too many of a size; *did says whether. While it works
 * it also flushes memtables as they are frozen, and merges the small runs these make, so that a
 * long merge holds up nobody. Call until *did is false. Errors as index_flush(), IM_ERR_CORRUPT
 * (index_damaged() is true from then on), and IM_ERR_INTERRUPTED after index_stop().
 */
enum im_err index_merge(struct index *idx, bool *did);

/*
 * Merges all runs into one, otherwise as index_merge(). IM_ERR_CORRUPT when one is damaged.
 */
enum im_err index_compact(struct index *idx);

/*
 * Makes a merge under way, and all later ones, end soon with IM_ERR_INTERRUPTED. From any thread.
 */
void index_stop(struct index *idx);

/* A fault in a run. */
struct index_fault {
	const char *file; /* path */
	uint64_t offset;  /* of the block, in the file */
	const char *what; /* one line of text */
};

/* How far a check has come; all zero before the first call. */
struct index_check_place {
	uint64_t done_tx; /* all runs up to this transaction are checked */
	/* Of the run that is being checked; block is 0 when none is. */
	uint64_t number;
	uint64_t block;
	uint64_t entries;
	uint64_t keys;
	uint64_t tx; /* of the last version */
	uint64_t revision;
	bool faulty;
	size_t key_len; /* 0 before the first version, and behind a block that could not be read */
	uint8_t key[INDEX_KEY_MAX];
};

struct index_check {
	struct index_check_place place; /* in and out */
	uint64_t to_tx;                 /* leave out runs that begin behind it; 0: none */
	uint64_t max_bytes;             /* stop after so many, about; 0: none */
	uint64_t bytes;                 /* out: read by this call */
	uint64_t faults;                /* out: found by this call */
	bool done;                      /* out: nothing is left */
	/* Called for each fault; may be NULL. A non-zero result ends the check. */
	int (*fault)(void *ctx, const struct index_fault *fault);
	void *ctx;
};

/*
 * Reads every block of every run and checks checksums, order and counts. Resumable: a run that was
 * merged with others meanwhile is checked in what it became. IM_OK also when faults were found.
 * From any thread.
 */
enum im_err index_check(struct index *idx, struct index_check *check);

/* ---- Readers ---- */

/* How to read. */
struct index_read {
	uint64_t as_of;   /* versions of later transactions do not exist; UINT64_MAX: all */
	bool nowait;      /* IM_ERR_WOULD_BLOCK instead of waiting for the disk */
	bool no_revision; /* leave revision 0: cheaper for keys with versions in many runs */
	/*
	 * index_get() with no_revision only: versions up to this transaction do not exist either.
	 */
	uint64_t since;
};

/*
 * The newest version of key; out->key is the caller's key. IM_ERR_KEY_NOT_FOUND,
 * IM_ERR_WOULD_BLOCK, IM_ERR_CORRUPT (the detail names file and offset), IM_ERR_IO.
 */
enum im_err index_get(
    struct index *idx, struct bytes key, const struct index_read *how, struct index_entry *out);

/*
 * How many versions key has, 0 for none; deleted and expired ones count. Errors as index_get() but
 * IM_ERR_KEY_NOT_FOUND.
 */
enum im_err index_revision_count(
    struct index *idx, struct bytes key, const struct index_read *how, uint64_t *out);

/* Version number revision (1 is the oldest) of key. Errors as index_get(), and IM_ERR_REVISION. */
enum im_err index_get_revision(struct index *idx, struct bytes key, uint64_t revision,
    const struct index_read *how, struct index_entry *out);

/*
 * A walk over entries. One thread at a time. It keeps files and memory in use until it is closed.
 */
struct index_iter;

/* A range of keys. */
struct index_range {
	struct bytes prefix; /* only keys that start with it */
	struct bytes seek;   /* starts here; empty: at the edge */
	struct bytes end;    /* stops here; empty: at the other edge */
	bool seek_inclusive;
	bool end_inclusive;
	bool descending; /* seek is then the greatest key and end the least */
	struct index_read read;
};

/*
 * A walk over the newest version of each key in the range; range is copied.
 * IM_ERR_NOMEM, IM_ERR_KEY_LENGTH.
 */
enum im_err index_scan(struct index *idx, const struct index_range *range, struct index_iter **out);

/* The versions of one key. */
struct index_history {
	struct bytes key;
	uint64_t skip;   /* leave out this many first */
	bool descending; /* newest first; otherwise oldest first */
	struct index_read read;
};

/* A walk over all versions of a key; history is copied. IM_ERR_NOMEM. */
enum im_err
index_versions(struct index *idx, const struct index_history *history, struct index_iter **out);

/*
 * The next entry; out->key is valid until the next call. IM_ERR_NOT_FOUND at the end. After
 * IM_ERR_WOULD_BLOCK or IM_ERR_IO the walk stays where it is and the call may be repeated; after
 * IM_ERR_CORRUPT every later call fails with it too.
 */
enum im_err index_iter_next(struct index_iter *it, struct index_entry *out);

/* Changes read.nowait of a walk, for example after IM_ERR_WOULD_BLOCK, in another thread. */
void index_iter_set_nowait(struct index_iter *it, bool nowait);

void index_iter_close(struct index_iter *it);

#endif
